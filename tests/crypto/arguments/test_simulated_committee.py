"""docs/cryptography.md, section 7 and step 5 of section 11: a committee that knows roots instead of the key."""

from __future__ import annotations

import math
import secrets
from itertools import combinations
from unittest.mock import patch

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import manifest, plaintext_proof
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.decryption_proof import prove_decryption, verify_decryption
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector, encrypt_vector
from fedtrust.crypto.partial_proof import verify_partial, verify_partial_by_others
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import (
    KeyShare,
    PartialDecryptionError,
    PartialVector,
    combine,
    partial_roots,
    verify_share,
)
from fedtrust.errors import KeyFileError, ProofError
from tests.crypto.arguments.conftest import MakeCommittee
from tests.crypto.arguments.oracle import coins_of, programmable_oracle
from tests.crypto.arguments.simulators import (
    forked,
    power_from_root,
    roots_of,
    simulated_committee,
    simulated_partial_proof,
    simulated_partials,
)
from tests.crypto.crypto_fixtures import CONTRACT

SIZES = [
    *(
        (256, t, count)
        for t, count in [(1, 1), (1, 3), (2, 2), (2, 3), (3, 5), (5, 5), (4, 9), (2, 32), (17, 32), (32, 32)]
    ),
    *((2048, t, count) for t, count in [(1, 2), (2, 3), (3, 5)]),
]
sizes = pytest.mark.parametrize(("bits", "threshold", "count"), SIZES)


def subsets(size: int, count: int) -> list[tuple[int, ...]]:
    """Return all sets of ``size`` trustees, or, where there are many, the first, the last and three at random."""
    indices = range(1, count + 1)
    if math.comb(count, size) <= 5:
        return list(combinations(indices, size))
    drawn = [tuple(sorted(secrets.SystemRandom().sample(indices, size))) for _ in range(3)]
    return [tuple(indices[:size]), tuple(indices[count - size :]), *drawn]


def aggregate_with_roots(committee: KeyManifest, vectors: int = 2) -> tuple[CiphertextVector, list[mpz], list[int]]:
    """Return an aggregate of encrypted vectors of two, its roots (known from the exponents) and its plaintexts."""
    key = committee.public_key
    plaintexts = [[secrets.randbelow(int(key.n)) for _ in range(2)] for _ in range(vectors)]
    encrypted = [encrypt_vector(key, vector) for vector in plaintexts]
    aggregate = multiply_vectors(key, [each.ciphertexts for each in encrypted])
    roots = [math.prod(column) % key.n for column in zip(*map(roots_of, encrypted), strict=True)]
    return aggregate, roots, [int(sum(column) % key.n) for column in zip(*plaintexts, strict=True)]


def honest(committee: KeyManifest, corrupt: tuple[int, ...]) -> list[int]:
    """Return up to three honest trustees, the first and the last among them."""
    indices = [t.index for t in committee.trustees if t.index not in corrupt]
    return sorted({indices[0], indices[len(indices) // 2], indices[-1]})


@sizes
def test_simulated_partials_are_the_real_ones(
    make_committee: MakeCommittee, bits: int, threshold: int, count: int
) -> None:
    """Section 7, simulation: x_i from the root and t - 1 shares equals partial_roots."""
    committee = make_committee(bits, threshold, count)
    aggregate, roots, _ = aggregate_with_roots(committee.manifest)
    for corrupt in subsets(threshold - 1, count):
        shares = {j: committee.shares[j].value for j in corrupt}
        for index in honest(committee.manifest, corrupt):
            made = simulated_partials(committee.manifest, shares, index, aggregate, roots)
            assert made == partial_roots(committee.manifest, committee.shares[index], aggregate)


@sizes
def test_simulated_verification_keys_are_the_real_ones(
    make_committee: MakeCommittee,
    primes: tuple[int, int],
    toy_primes: tuple[int, int],
    bits: int,
    threshold: int,
    count: int,
) -> None:
    """Section 7, simulation: v_i from v^e and t - 1 shares equals the manifest's. Here v^e is taken with the primes."""
    committee = make_committee(bits, threshold, count)
    p, q = primes if bits == 2048 else toy_primes
    n, v = committee.manifest.public_key.n, committee.manifest.v
    root = gmpy2.powmod(v, gmpy2.invert(n, (p - 1) // 2 * ((q - 1) // 2)), n)
    for corrupt in subsets(threshold - 1, count):
        shares = {j: committee.shares[j].value for j in corrupt}
        for index in honest(committee.manifest, corrupt):
            made = power_from_root(n, count, shares, index, v, root)
            assert made == committee.manifest.trustee(index).verification


def test_one_share_less_does_not_do(make_committee: MakeCommittee) -> None:
    """Section 7: t points fix the polynomial; the root and t - 2 shares give something else."""
    committee = make_committee(256, 3, 5)
    aggregate, roots, _ = aggregate_with_roots(committee.manifest)
    shares = {2: committee.shares[2].value}
    real = partial_roots(committee.manifest, committee.shares[1], aggregate)
    assert simulated_partials(committee.manifest, shares, 1, aggregate, roots) != real
    shares |= {5: committee.shares[5].value}
    assert simulated_partials(committee.manifest, shares, 1, aggregate, roots) == real


@pytest.mark.parametrize(
    ("bits", "threshold", "count", "corrupt"),
    [
        (256, 1, 2, ()),
        (256, 2, 3, (3,)),
        (256, 5, 5, (1, 2, 4, 5)),
        (256, 4, 9, (2, 7, 9)),
        (2048, 3, 5, (1, 4)),
    ],
)
def test_a_committee_without_the_key_passes_every_check(
    make_committee: MakeCommittee, bits: int, threshold: int, count: int, corrupt: tuple[int, ...]
) -> None:
    """Section 11, step 5: manifest, shares, partials and their proofs from n and roots alone; the real code takes all.

    Only n and the names are taken from a ceremony.
    """
    names = make_committee(bits, threshold, count).manifest
    with programmable_oracle() as oracle:
        committee, shares = simulated_committee(oracle, names, corrupt)
        committee.verify()
        for share in shares.values():
            verify_share(committee, share)
        aggregate, roots, sums = aggregate_with_roots(committee)
        statement = DecryptionStatement(31337, CONTRACT, 3, bytes(32), aggregate.root())
        known = {j: share.value for j, share in shares.items()}
        partials = {
            i: partial_roots(committee, shares[i], aggregate)
            if i in shares
            else simulated_partials(committee, known, i, aggregate, roots)
            for i in range(1, count + 1)
        }
        for used in subsets(threshold, count):
            opening = combine(committee, aggregate, {i: partials[i] for i in used})
            assert list(opening.plaintexts) == sums
        verify_decryption(
            committee.public_key,
            aggregate,
            sums,
            statement,
            prove_decryption(committee.public_key, aggregate, opening, statement),
        )
        for index in set(partials) - set(corrupt):
            proof = simulated_partial_proof(oracle, committee, aggregate, partials[index], statement)
            verify_partial(committee, aggregate, partials[index], statement, proof)
        for partial in partials.values() if count > threshold else ():
            verify_partial_by_others(committee, partial, partials)
    with patch.object(manifest, "_verified", set()), pytest.raises(ProofError, match="root 0 is wrong"):
        committee.verify()  # by the hash it does not hold


def test_a_simulated_share_of_another_manifest_is_refused(make_committee: MakeCommittee) -> None:
    """Section 11, step 5: what makes the test above pass is the manifest, not a check that accepts anything."""
    names = make_committee(256, 3, 5).manifest
    with programmable_oracle() as oracle:
        committee, shares = simulated_committee(oracle, names, (1, 4))
        with pytest.raises(KeyFileError, match="does not belong"):
            verify_share(committee, KeyShare(1, shares[4].value))
        aggregate, roots, _ = aggregate_with_roots(committee)
        known = {j: share.value for j, share in shares.items()}
        wrong = [roots[0], roots[1] * 4 % committee.public_key.n]
        made: dict[int, PartialVector] = {i: partial_roots(committee, shares[i], aggregate) for i in shares}
        made[2] = simulated_partials(committee, known, 2, aggregate, wrong)
        with pytest.raises(PartialDecryptionError, match="ciphertext 1"):
            combine(committee, aggregate, made)


@pytest.mark.parametrize("bits", [256, 2048])
def test_extracted_roots_are_enough_to_answer_for_the_trustees(make_committee: MakeCommittee, bits: int) -> None:
    """Section 11, steps 4 and 5: an honest update, a corrupt one whose root is extracted, and the trustees' partials.

    The corrupt participant multiplied a ciphertext by -1, so its root is no power of h.
    """
    committee = make_committee(bits, 3, 5)
    key = committee.manifest.public_key
    ours = encrypt_vector(key, [11, 22])
    made = encrypt_vector(key, [3, 4])
    values = (key.n_squared - made.ciphertexts.values[0], made.ciphertexts.values[1])
    theirs = EncryptedVector(CiphertextVector(key, values), made.exponents, made.exponent_bits)
    statement = UpdateStatement(31337, CONTRACT, 3, bytes(32), "0x" + "a1" * 20)
    with coins_of(plaintext_proof) as tape:

        def prover() -> PlaintextProof:
            return prove_plaintext_knowledge(key, theirs, [3, 4], statement)

        openings = [forked(theirs.ciphertexts, statement, prover, tape, j).opening(theirs.ciphertexts) for j in (0, 1)]
    aggregate = multiply_vectors(key, [ours.ciphertexts, theirs.ciphertexts])
    roots = [y * extracted % key.n for y, (_, extracted) in zip(roots_of(ours), openings, strict=True)]
    shares = {j: committee.shares[j].value for j in (2, 3)}
    for index in (1, 4, 5):
        simulated = simulated_partials(committee.manifest, shares, index, aggregate, roots)
        assert simulated == partial_roots(committee.manifest, committee.shares[index], aggregate)
