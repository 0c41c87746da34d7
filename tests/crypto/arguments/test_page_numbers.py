"""docs/cryptography.md, "Parameters": the numbers on the page are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from gmpy2 import mpz

from fedtrust.crypto import decryption_proof, key_proof, partial_proof, plaintext_proof
from fedtrust.crypto.decryption_proof import DecryptionProof
from fedtrust.crypto.manifest import MAXIMUM_TRUSTEES
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.partial_proof import partial_proof_bytes
from fedtrust.crypto.plaintext_proof import PlaintextProof
from tests.fixtures.keys import test_primes

PAGE = " ".join((Path(__file__).parents[3] / "docs" / "cryptography.md").read_text().split())


@pytest.fixture(scope="module")
def full_key() -> PublicKey:
    p, q = test_primes(3072)
    return PublicKey(mpz(p) * q)


def test_sizes(full_key: PublicKey) -> None:
    """Parameters: sizes of the three proofs at 3072 bits."""
    plaintext = len(PlaintextProof(full_key, mpz(1), mpz(0), mpz(0)).to_bytes())
    decryption = len(DecryptionProof(full_key, (mpz(1),) * decryption_proof.COMBINATIONS).to_bytes())
    partial = partial_proof_bytes(full_key)
    assert (
        f"plaintext proof {plaintext:,} bytes, decryption proof {decryption:,} bytes, partial proof {partial} bytes"
        in PAGE
    )


def test_lengths() -> None:
    """Parameters: challenges, masks, roots and combinations."""
    beyond = plaintext_proof.COEFFICIENT_BITS + plaintext_proof.STATISTICAL_BITS
    assert f"one challenge r in ([0, 2^{plaintext_proof.COEFFICIENT_BITS}))^J" in PAGE
    assert plaintext_proof._mask_bits(1536, 1) - 1536 == beyond
    assert f"mask \\|a\\| + {beyond} + ceil(log2 J) bits" in PAGE
    assert f"{key_proof.KEY_PROOF_ROOTS} roots, no prime factor below 2^{key_proof.SMALL_FACTOR_BITS}" in PAGE
    assert (
        f"{decryption_proof.COMBINATIONS} combinations, coefficients of {decryption_proof.COEFFICIENT_BITS} bits"
        in PAGE
    )
    assert key_proof.KEY_PROOF_ROOTS * key_proof.SMALL_FACTOR_BITS == 132
    assert decryption_proof.COMBINATIONS * decryption_proof.COEFFICIENT_BITS == 132
    beyond = partial_proof.CHALLENGE_BITS + partial_proof.STATISTICAL_BITS
    expected = (
        f"batch coefficients {partial_proof.COEFFICIENT_BITS} bits, challenge {partial_proof.CHALLENGE_BITS} bits, "
        f"mask \\|n\\| + \\|D\\| + {beyond} bits"
    )
    assert expected in PAGE
    assert f"1 <= t <= T <= {MAXIMUM_TRUSTEES}" in PAGE
