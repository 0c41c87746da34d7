"""Committees of several sizes, made by the real ceremony: at 2048 bits, and at 256 bits where many are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.crypto import manifest, paillier
from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from tests.crypto.crypto_fixtures import Committee

MakeCommittee = Callable[[int, int, int], Committee]


@pytest.fixture(autouse=True)
def _nothing_verified_before() -> object:
    """Manifests under a programmed oracle are verified, and must not be remembered."""
    with patch.object(manifest, "_verified", set()):
        yield


@pytest.fixture(scope="session")
def make_committee(primes: tuple[int, int], toy_primes: tuple[int, int]) -> MakeCommittee:
    """Return the function of bits (256 or 2048), threshold and number of trustees that makes a committee once."""

    @cache
    def make(bits: int, threshold: int, count: int) -> Committee:
        private = [X25519PrivateKey.generate() for _ in range(count)]
        identities = [
            TrusteeIdentity(f"0x{i:040x}", key.public_key().public_bytes_raw()) for i, key in enumerate(private, 1)
        ]
        with patch.object(paillier, "MINIMUM_BITS", bits):  # nothing but the size of the key is a toy
            made = run_ceremony(identities, threshold, primes=primes if bits == 2048 else toy_primes)
        shares = {i: open_share(made.manifest, i, made.sealed_shares[i - 1], key) for i, key in enumerate(private, 1)}
        return Committee(made, made.manifest, shares, private)

    return make
