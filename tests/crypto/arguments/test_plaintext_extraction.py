"""docs/cryptography.md, section 4: whoever proves, knows; and the proof itself says nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import plaintext_proof
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector, PublicKey, encrypt_vector
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import UpdateStatement
from fedtrust.errors import ProofError
from tests.crypto.arguments.oracle import AskedBeforeError, coins_of, programmable_oracle
from tests.crypto.arguments.simulators import (
    NoAnswerError,
    encrypts,
    forked,
    mask_of,
    random_unit,
    roots_of,
    simulated_plaintext_proof,
)
from tests.crypto.crypto_fixtures import CONTRACT

STATEMENT = UpdateStatement(31337, CONTRACT, 3, bytes([7]) * 32, "0x" + "a1" * 20)


@pytest.fixture(params=["toy", "key"], ids=["256 bits", "2048 bits"])
def any_key(request: pytest.FixtureRequest) -> PublicKey:
    key = request.getfixturevalue(request.param)
    assert isinstance(key, PublicKey)
    return key


def random_plaintexts(key: PublicKey, count: int) -> list[int]:
    return [secrets.randbelow(int(key.n)) for _ in range(count)]


def negated(encrypted: EncryptedVector, places: Sequence[int]) -> EncryptedVector:
    """Return what somebody has who multiplied own ciphertexts by -1, an n-th power of order 2."""
    vector = encrypted.ciphertexts
    values = tuple(vector.key.n_squared - c if j in places else c for j, c in enumerate(vector.values))
    return EncryptedVector(CiphertextVector(vector.key, values), encrypted.exponents, encrypted.exponent_bits)


def prover_of(encrypted: EncryptedVector, plaintexts: Sequence[int]) -> Callable[[], PlaintextProof]:
    return partial(prove_plaintext_knowledge, encrypted.ciphertexts.key, encrypted, plaintexts, STATEMENT)


def extract(encrypted: EncryptedVector, plaintexts: Sequence[int]) -> list[tuple[int, mpz]]:
    """Run the extractor for every place on the real prover, whose secrets it never reads."""
    vector, prover = encrypted.ciphertexts, prover_of(encrypted, plaintexts)
    with coins_of(plaintext_proof) as tape:
        return [forked(vector, STATEMENT, prover, tape, j).opening(vector) for j in range(len(vector))]


def test_two_forked_transcripts_give_every_plaintext_and_root(any_key: PublicKey) -> None:
    """Section 4, special soundness: M_j = dz / d, y_j = h^(ds A) (c_j mod n)^B."""
    plaintexts = [0, *random_plaintexts(any_key, 2), int(any_key.n) - 1]
    encrypted = encrypt_vector(any_key, plaintexts)
    assert extract(encrypted, plaintexts) == list(zip(plaintexts, roots_of(encrypted), strict=True))


def test_a_ciphertext_times_minus_one_is_extracted_with_its_root(any_key: PublicKey) -> None:
    """Section 4: y_j need not be a power of h. The prover answers even coefficients only; the root is -h^a in full."""
    plaintexts = random_plaintexts(any_key, 3)
    encrypted = encrypt_vector(any_key, plaintexts)
    changed = negated(encrypted, [0, 2])
    signs = [-1, 1, -1]
    openings = extract(changed, plaintexts)
    assert [m for m, _ in openings] == plaintexts
    assert [y for _, y in openings] == [s * y % any_key.n for s, y in zip(signs, roots_of(encrypted), strict=True)]
    for ciphertext, (plaintext, root) in zip(changed.ciphertexts.values, openings, strict=True):
        assert encrypts(any_key, ciphertext, plaintext, root)


def test_the_root_needs_the_public_nth_power(toy: PublicKey) -> None:
    """Section 4, "no division in the exponent occurs": h^(ds) alone is only the d-th power of the root."""
    encrypted = encrypt_vector(toy, [1])
    with coins_of(plaintext_proof) as tape:
        fork = forked(encrypted.ciphertexts, STATEMENT, prover_of(encrypted, [1]), tape, 0)
    power, root = gmpy2.powmod(toy.h, fork.first.s - fork.second.s, toy.n), roots_of(encrypted)[0]
    assert power == gmpy2.powmod(root, fork.difference, toy.n)
    assert gmpy2.powmod(toy.h, gmpy2.gcdext(fork.difference, toy.n)[1], toy.n) != root
    assert fork.opening(encrypted.ciphertexts) == (1, root)


def test_nothing_is_extracted_from_who_does_not_know(toy: PublicKey) -> None:
    """Section 4: a prover with a wrong plaintext, or without the exponent, answers nothing; both claims are false."""
    encrypted = encrypt_vector(toy, [1])
    strangers = EncryptedVector(encrypted.ciphertexts, (encrypted.exponents[0] ^ 1,), encrypted.exponent_bits)
    for prover in (prover_of(encrypted, [2]), prover_of(strangers, [1])):
        with coins_of(plaintext_proof) as tape, pytest.raises(NoAnswerError):
            forked(encrypted.ciphertexts, STATEMENT, prover, tape, 0)


def test_the_extractor_needs_one_first_message(toy: PublicKey) -> None:
    """Section 4: two proofs with masks of their own give no opening, so an honest prover's proofs add up to nothing."""
    plaintexts = random_plaintexts(toy, 1)
    encrypted = encrypt_vector(toy, plaintexts)
    with coins_of(plaintext_proof) as tape:
        fork = forked(encrypted.ciphertexts, STATEMENT, prover_of(encrypted, plaintexts), tape, 0)
    other = prove_plaintext_knowledge(toy, encrypted, plaintexts, STATEMENT)
    mixed = type(fork)(0, fork.difference, fork.first, other)
    assert fork.opening(encrypted.ciphertexts)[0] == plaintexts[0] != mixed.opening(encrypted.ciphertexts)[0]


def test_simulated_proofs_of_what_nobody_knows_are_accepted(any_key: PublicKey) -> None:
    """Section 4, zero knowledge: random units, no plaintext, no root; accepted where the oracle is programmed only."""
    vector = CiphertextVector(any_key, tuple(random_unit(any_key.n_squared) for _ in range(3)))
    with programmable_oracle() as oracle:
        proof = simulated_plaintext_proof(oracle, vector, STATEMENT)
        verify_plaintext_knowledge(any_key, vector, STATEMENT, proof)
        verify_plaintext_knowledge(any_key, vector, STATEMENT, PlaintextProof.from_bytes(proof.to_bytes(), any_key))
        again = simulated_plaintext_proof(oracle, vector, STATEMENT)
        verify_plaintext_knowledge(any_key, vector, STATEMENT, again)
        assert again != proof
        elsewhere = UpdateStatement(1, CONTRACT, 3, bytes([7]) * 32, "0x" + "a1" * 20)
        with pytest.raises(ProofError, match="does not hold"):
            verify_plaintext_knowledge(any_key, vector, elsewhere, proof)
    with pytest.raises(ProofError, match="does not hold"):
        verify_plaintext_knowledge(any_key, vector, STATEMENT, proof)


def test_the_mask_follows_from_challenge_and_responses(any_key: PublicKey) -> None:
    """Section 4, zero knowledge: real and simulated proofs differ in the distribution of s only."""
    plaintexts = random_plaintexts(any_key, 3)
    encrypted = encrypt_vector(any_key, plaintexts)
    proof = prove_plaintext_knowledge(any_key, encrypted, plaintexts, STATEMENT)
    coefficients = plaintext_proof._coefficients(encrypted.ciphertexts, STATEMENT, proof.mask)
    assert mask_of(encrypted.ciphertexts, coefficients, proof.z, proof.s) == proof.mask


def test_a_mask_that_was_asked_about_cannot_be_simulated(toy: PublicKey) -> None:
    """Section 4, zero knowledge: the term Q/n."""
    plaintexts = random_plaintexts(toy, 1)
    encrypted = encrypt_vector(toy, plaintexts)
    with programmable_oracle() as oracle:
        proof = prove_plaintext_knowledge(toy, encrypted, plaintexts, STATEMENT)
        with pytest.raises(AskedBeforeError):
            oracle.program(
                lambda: plaintext_proof._coefficients(encrypted.ciphertexts, STATEMENT, proof.mask), [mpz(1)]
            )


@pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 700, 1 << 20])
@pytest.mark.parametrize("exponent_bits", [256, 512, 1536])
def test_s_is_shifted_by_less_than_its_128th_bit_from_the_top(count: int, exponent_bits: int) -> None:
    """Section 4, zero knowledge: J 2^(|a| + 128) <= 2^(|b| - 128), and s < 2^(|b| + 1)."""
    mask_bits = plaintext_proof._mask_bits(exponent_bits, count)
    shift = count << exponent_bits + plaintext_proof.COEFFICIENT_BITS
    assert shift << 128 <= 1 << mask_bits < shift << 129
    assert (1 << mask_bits) + shift < 1 << mask_bits + 1
