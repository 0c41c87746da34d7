"""One 2048-bit committee (3 of 5) and one round of three encrypted updates, made once for the whole room."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.paillier import PublicKey, encrypt_vector
from fedtrust.crypto.primes import safe_prime
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import combine, partial_roots
from tests.crypto.crypto_fixtures import CONTRACT, COUNT, Committee, Round
from tests.fixtures.arithmetic import arithmetic_of_programs
from tests.fixtures.keys import test_primes


@pytest.fixture(scope="session", autouse=True)
def arithmetic() -> Iterator[None]:
    """The native kernel where there is one, or what FEDTRUST_KERNEL names (``make test-portable``)."""
    with arithmetic_of_programs():
        yield


@pytest.fixture(scope="session")
def primes() -> tuple[int, int]:
    return test_primes(2048)


@pytest.fixture(scope="session")
def committee(primes: tuple[int, int]) -> Committee:
    private = [X25519PrivateKey.generate() for _ in range(5)]
    identities = [
        TrusteeIdentity(f"0x{i:040x}", key.public_key().public_bytes_raw()) for i, key in enumerate(private, start=1)
    ]
    ceremony = run_ceremony(identities, 3, primes=primes)
    shares = {
        i: open_share(ceremony.manifest, i, ceremony.sealed_shares[i - 1], key) for i, key in enumerate(private, 1)
    }
    return Committee(ceremony, ceremony.manifest, shares, private)


@pytest.fixture(scope="session")
def key(committee: Committee) -> PublicKey:
    return committee.manifest.public_key


@pytest.fixture(scope="session")
def toy(toy_primes: tuple[int, int]) -> PublicKey:
    return PublicKey.insecure_toy(toy_primes[0] * toy_primes[1])


@pytest.fixture(scope="session")
def toy_primes() -> tuple[int, int]:
    p, q = safe_prime(128), safe_prime(128)
    while p == q:
        q = safe_prime(128)
    return int(p), int(q)


@pytest.fixture(scope="session")
def round_(committee: Committee, key: PublicKey) -> Round:
    plaintexts = [[secrets.randbelow(int(key.n)) for _ in range(COUNT)] for _ in range(3)]
    encrypted = [encrypt_vector(key, vector) for vector in plaintexts]
    aggregate = multiply_vectors(key, [e.ciphertexts for e in encrypted])
    partials = {i: partial_roots(committee.manifest, share, aggregate) for i, share in committee.shares.items()}
    return Round(
        plaintexts,
        encrypted,
        aggregate,
        partials,
        combine(committee.manifest, aggregate, partials),
        UpdateStatement(31337, CONTRACT, 3, bytes([7]) * 32, "0x" + "a1" * 20),
        DecryptionStatement(31337, CONTRACT, 3, bytes([7]) * 32, aggregate.root()),
    )
