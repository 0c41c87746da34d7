"""docs/cryptography.md, sections 5, 6 and 8: the other proofs without the secret they are about."""

from __future__ import annotations

import secrets
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import key_proof, partial_proof
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption, verify_decryption
from fedtrust.crypto.key_proof import verify_key_proof
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.partial_proof import PartialProof, WrongPartialError, prove_partial, verify_partial
from fedtrust.crypto.threshold import Opening, combine
from fedtrust.errors import ProofError
from tests.crypto.arguments.oracle import AskedBeforeError, programmable_oracle
from tests.crypto.arguments.simulators import random_unit, roots_of, simulated_partial_proof
from tests.crypto.crypto_fixtures import Committee, Round


def test_key_proofs_with_chosen_roots(key: PublicKey) -> None:
    """Section 5, zero knowledge: choose roots, program rho_k. Without the programming they prove nothing."""
    roots = [random_unit(key.n) for _ in range(key_proof.KEY_PROOF_ROOTS)]
    with programmable_oracle() as oracle:
        oracle.program(lambda: key_proof._challenges(key.n), [gmpy2.powmod(root, key.n, key.n) for root in roots])
        verify_key_proof(key.n, roots)
    with pytest.raises(ProofError, match="root 0 is wrong"):
        verify_key_proof(key.n, roots)


def test_decryption_proofs_from_roots_are_those_from_partials(key: PublicKey, round_: Round) -> None:
    """Section 6, uniqueness and what it reveals: whoever knows the roots y_j makes the same bytes, without shares."""
    columns = zip(*(roots_of(encrypted) for encrypted in round_.encrypted), strict=True)
    roots = tuple(gmpy2.f_mod(a * b * c, key.n) for a, b, c in columns)
    sums = tuple(sum(column) % int(key.n) for column in zip(*round_.plaintexts, strict=True))
    simulated = prove_decryption(key, round_.aggregate, Opening(sums, roots), round_.decryption)
    real = prove_decryption(key, round_.aggregate, round_.opening, round_.decryption)
    assert simulated.to_bytes() == real.to_bytes()
    verify_decryption(key, round_.aggregate, sums, round_.decryption, simulated)
    wrong = prove_decryption(key, round_.aggregate, Opening(sums, (roots[0] * 2, *roots[1:])), round_.decryption)
    with pytest.raises(ProofError, match="does not hold"):
        verify_decryption(key, round_.aggregate, sums, round_.decryption, wrong)


def test_any_threshold_of_public_partials_gives_the_one_decryption_proof(
    committee: Committee, key: PublicKey, round_: Round
) -> None:
    """Section 6, what it reveals: the proof is computed from what the aggregator serves, so it adds nothing to it."""
    proofs = set()
    for used in [(1, 2, 3), (3, 4, 5), (1, 3, 5)]:
        opening = combine(committee.manifest, round_.aggregate, {i: round_.partials[i] for i in used})
        proofs.add(prove_decryption(key, round_.aggregate, opening, round_.decryption).to_bytes())
    assert len(proofs) == 1
    proof = DecryptionProof.from_bytes(proofs.pop(), key)
    other = replace(proof, roots=(key.n - proof.roots[0], *proof.roots[1:]))
    with pytest.raises(ProofError, match="does not hold in combination 0"):
        verify_decryption(key, round_.aggregate, round_.opening.plaintexts, round_.decryption, other)


@pytest.mark.parametrize("right", [True, False])
def test_partial_proofs_without_the_share(committee: Committee, round_: Round, right: bool) -> None:
    """Section 8, zero knowledge: c and z first, then a and b. Right or wrong, only the programmed oracle takes it."""
    partial = round_.partials[2]
    if not right:
        partial = replace(partial, values=(partial.values[0] * 4 % partial.key.n, *partial.values[1:]))
    arguments = committee.manifest, round_.aggregate, partial, round_.decryption
    with programmable_oracle() as oracle:
        proof = simulated_partial_proof(oracle, *arguments)
        verify_partial(*arguments, proof)
        verify_partial(*arguments, PartialProof.from_bytes(proof.to_bytes(), partial.key))
        with pytest.raises(WrongPartialError, match="does not hold"):
            verify_partial(*arguments, replace(proof, response=proof.response + 1))
        elsewhere = replace(round_.decryption, round=4)
        with pytest.raises(WrongPartialError, match="does not hold"):
            verify_partial(committee.manifest, round_.aggregate, partial, elsewhere, proof)
    with pytest.raises(WrongPartialError, match="does not hold"):
        verify_partial(*arguments, proof)


def test_real_partial_proofs_cannot_be_programmed_any_more(committee: Committee, round_: Round) -> None:
    """Section 8, zero knowledge: the term Q/m. Real a and b follow from c and z as simulated ones do."""
    partial, n = round_.partials[2], committee.manifest.public_key.n
    arguments = committee.manifest, round_.aggregate, partial, round_.decryption
    with programmable_oracle() as oracle:
        proof = prove_partial(committee.manifest, committee.shares[2], round_.aggregate, partial, round_.decryption)
        trustee = committee.manifest.trustee(2)
        transcript, coefficients = partial_proof._coefficients(
            committee.manifest, trustee, round_.aggregate, partial, round_.decryption
        )
        sigma = committee.manifest.delta * committee.shares[2].value
        rho = proof.response - proof.challenge * sigma
        a = gmpy2.powmod(committee.manifest.v, rho, n)
        b = gmpy2.powmod(partial_proof._combined_base(round_.aggregate, coefficients), rho, n)
        with pytest.raises(AskedBeforeError):
            oracle.program(lambda: partial_proof._challenge(transcript, a, b), [mpz(secrets.randbits(128))])
        verify_partial(*arguments, proof)
    assert 0 <= rho < 1 << partial_proof._mask_bits(committee.manifest)


def test_z_is_shifted_by_less_than_its_128th_bit_from_the_top(committee: Committee) -> None:
    """Section 8, zero knowledge: c sigma < 2^(128 + |n| + |D|), 2^-128 of the mask's range."""
    manifest = committee.manifest
    largest = (mpz(1) << partial_proof.CHALLENGE_BITS) * manifest.delta * manifest.public_key.n
    assert largest << 128 <= mpz(1) << partial_proof._mask_bits(manifest)
