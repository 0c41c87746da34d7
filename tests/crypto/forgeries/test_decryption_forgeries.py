"""False decryptions. Each is refused, and accepted where the one check is removed.

The forger is the combiner with all of the committee behind it: it knows every root. It wants others to accept
plaintexts that are not those of the aggregate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import lcm, prod
from unittest.mock import patch

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import decryption_proof
from fedtrust.crypto.decryption_proof import DecryptionProof, verify_decryption
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, require_units
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import (
    KeyShare,
    PartialDecryptionError,
    combine,
    open_with_roots,
    partial_roots,
)
from fedtrust.errors import CiphertextError, FedtrustError, ProofError
from tests.crypto.crypto_fixtures import Committee
from tests.crypto.forgeries.attacks import prove_opening, require_caught_by_one_check
from tests.crypto.forgeries.sums import Sum, make_sum, statement
from tests.crypto.weakened import forgetting, one_coefficient_for_all, without_check

equation = partial(without_check, verify_decryption, "does not hold in combination")


@pytest.fixture(scope="module")
def sum_(key: PublicKey, primes: tuple[int, int]) -> Sum:
    return make_sum(key, primes, decryption_proof.COMBINATIONS + 1)


def verify(
    ciphertexts: CiphertextVector, plaintexts: Sequence[int], about: DecryptionStatement, proof: DecryptionProof
) -> None:
    verify_decryption(ciphertexts.key, ciphertexts, plaintexts, about, proof)


def kernel(rows: Sequence[Sequence[int]]) -> list[int]:
    """Return integers, not all zero, that every row of a matrix with one more column than rows is orthogonal to."""
    matrix = [[Fraction(int(value)) for value in row] for row in rows]
    pivots: list[int] = []
    for column in range(len(matrix[0])):
        at = len(pivots)
        chosen = next((i for i in range(at, len(matrix)) if matrix[i][column]), None)
        if chosen is None:
            continue
        matrix[at], matrix[chosen] = matrix[chosen], matrix[at]
        matrix[at] = [value / matrix[at][column] for value in matrix[at]]
        for i in range(len(matrix)):
            if i != at and matrix[i][column]:
                factor = matrix[i][column]
                matrix[i] = [a - factor * b for a, b in zip(matrix[i], matrix[at], strict=True)]
        pivots.append(column)
        if len(pivots) == len(matrix):
            break
    free = next(c for c in range(len(matrix[0])) if c not in pivots)
    solution = [Fraction(0)] * len(matrix[0])
    solution[free] = Fraction(1)
    for row, column in zip(matrix, pivots, strict=False):
        solution[column] = -row[free]
    scale = lcm(*(value.denominator for value in solution))
    return [int(value * scale) for value in solution]


def test_a_true_decryption_made_with_the_forgers_tools_holds(sum_: Sum) -> None:
    verify(
        sum_.ciphertexts,
        sum_.plaintexts,
        sum_.statement,
        prove_opening(sum_.ciphertexts, sum_.plaintexts, sum_.roots, sum_.statement),
    )


# reuse of transcripts


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("chain id", {"chain_id": 1}),
        ("contract", {"contract": "0x" + "c1" * 20}),
        ("round", {"round": 4}),
        ("spec hash", {"spec_hash": bytes([8]) * 32}),
    ],
)
def test_the_proof_of_another_round_chain_or_contract(sum_: Sum, label: str, change: dict[str, object]) -> None:
    def attack() -> None:
        seen = prove_opening(sum_.ciphertexts, sum_.plaintexts, sum_.roots, sum_.statement)
        verify(sum_.ciphertexts, sum_.plaintexts, replace(sum_.statement, **change), seen)  # type: ignore[arg-type]

    require_caught_by_one_check(attack, partial(forgetting, label), match="does not hold")


def test_plaintexts_chosen_after_the_challenge(key: PublicKey, sum_: Sum) -> None:
    """Where the challenge leaves out the plaintexts: with more entries than combinations an error fits them all."""

    def attack() -> None:
        rows = decryption_proof._coefficients(sum_.ciphertexts, sum_.plaintexts, sum_.statement)
        error = kernel(rows)
        lie = [int((m + e) % key.n) for m, e in zip(sum_.plaintexts, error, strict=True)]
        assert lie != list(sum_.plaintexts)
        verify(sum_.ciphertexts, lie, sum_.statement, prove_opening(sum_.ciphertexts, lie, sum_.roots, sum_.statement))

    require_caught_by_one_check(attack, partial(forgetting, "plaintexts"), match="does not hold")


def test_ciphertexts_chosen_after_the_challenge(key: PublicKey, sum_: Sum) -> None:
    """The same with the errors in the ciphertexts. Two locks: they are absorbed themselves, and by their root."""

    def attack() -> None:
        rows = decryption_proof._coefficients(sum_.ciphertexts, sum_.plaintexts, sum_.statement)
        changed = CiphertextVector(
            key,
            tuple(
                c * (1 + e % key.n * key.n) % key.n_squared
                for c, e in zip(sum_.ciphertexts.values, kernel(rows), strict=True)
            ),
        )
        about = statement(changed)
        verify(changed, sum_.plaintexts, about, prove_opening(changed, sum_.plaintexts, sum_.roots, about))

    require_caught_by_one_check(
        attack, partial(forgetting, "ciphertexts"), partial(forgetting, "aggregate root"), match="does not hold"
    )


def test_the_true_decryption_of_another_aggregate(key: PublicKey, primes: tuple[int, int], sum_: Sum) -> None:
    def attack() -> None:
        other = make_sum(key, primes, 2)
        proof = prove_opening(other.ciphertexts, other.plaintexts, other.roots, sum_.statement)
        verify(other.ciphertexts, other.plaintexts, sum_.statement, proof)

    require_caught_by_one_check(
        attack,
        partial(without_check, decryption_proof._require_aggregate, "about another aggregate"),
        match="about another aggregate",
    )


# false plaintexts


def test_a_wrong_plaintext(sum_: Sum) -> None:
    lie = (sum_.plaintexts[0] + 1, *sum_.plaintexts[1:])
    forged = prove_opening(sum_.ciphertexts, lie, sum_.roots, sum_.statement)
    require_caught_by_one_check(
        lambda: verify(sum_.ciphertexts, lie, sum_.statement, forged), equation, match="combination 0"
    )


@pytest.mark.parametrize("how", ["swapped", "errors that cancel"])
def test_lies_that_leave_the_sum_as_it_is(sum_: Sum, how: str) -> None:
    first, second, *rest = sum_.plaintexts
    lie = (second, first, *rest) if how == "swapped" else (first + 7, second - 7, *rest)

    def attack() -> None:
        verify(sum_.ciphertexts, lie, sum_.statement, prove_opening(sum_.ciphertexts, lie, sum_.roots, sum_.statement))

    require_caught_by_one_check(attack, one_coefficient_for_all, match="does not hold")


def test_swapped_ciphertexts(key: PublicKey, sum_: Sum) -> None:
    first, second, *rest = sum_.ciphertexts.values
    swapped = CiphertextVector(key, (second, first, *rest))
    roots = (sum_.roots[1], sum_.roots[0], *sum_.roots[2:])

    def attack() -> None:
        about = statement(swapped)
        verify(swapped, sum_.plaintexts, about, prove_opening(swapped, sum_.plaintexts, roots, about))

    require_caught_by_one_check(attack, one_coefficient_for_all, match="does not hold")


def test_too_few_bits_in_the_challenge(key: PublicKey, primes: tuple[int, int]) -> None:
    """One combination of 8 bits is passed by one lie in 256; the forger tries lies until one does."""
    one = make_sum(key, primes, 2)
    first, second = one.plaintexts

    def attack() -> None:
        for size in range(1, 6_000):
            lie = (first + size, int((second - size) % key.n))
            rows = decryption_proof._coefficients(one.ciphertexts, lie, one.statement)
            if all(row[0] == row[1] for row in rows):
                break
        verify(one.ciphertexts, lie, one.statement, prove_opening(one.ciphertexts, lie, one.roots, one.statement))

    require_caught_by_one_check(
        attack,
        partial(patch.multiple, decryption_proof, COMBINATIONS=1, COEFFICIENT_BITS=8),
        match="does not hold",
    )


# values that are not reduced, and elements of small order


def test_a_plaintext_plus_n_from_a_file(key: PublicKey, sum_: Sum) -> None:
    width = key.plaintext_bytes
    data = PlaintextVector(key, sum_.plaintexts).to_bytes()
    wide = data[:-width] + int(sum_.plaintexts[-1] + key.n).to_bytes(width, "big")

    def attack() -> None:
        lie = PlaintextVector.from_bytes(wide, key).values
        proof = prove_opening(sum_.ciphertexts, lie, sum_.roots, sum_.statement)
        verify(sum_.ciphertexts, lie, sum_.statement, proof)

    require_caught_by_one_check(
        attack,
        partial(without_check, PlaintextVector.__post_init__, "is out of range"),
        error=CiphertextError,
        match="out of range",
    )


def test_a_plaintext_plus_n_given_to_the_verifier(key: PublicKey, sum_: Sum) -> None:
    lie = (sum_.plaintexts[0] + int(key.n), *sum_.plaintexts[1:])
    forged = prove_opening(sum_.ciphertexts, lie, sum_.roots, sum_.statement)
    require_caught_by_one_check(
        lambda: verify(sum_.ciphertexts, lie, sum_.statement, forged),
        partial(without_check, PlaintextVector.__post_init__, "is out of range"),
        match="out of range",
    )


def test_a_ciphertext_plus_n_squared(key: PublicKey, primes: tuple[int, int]) -> None:
    while True:
        one = make_sum(key, primes, 1)
        unreduced = one.ciphertexts.values[0] + key.n_squared
        if unreduced < 1 << 8 * key.ciphertext_bytes:
            break

    def attack() -> None:
        vector = CiphertextVector(key, (unreduced,))
        about = statement(vector)
        verify(vector, one.plaintexts, about, prove_opening(vector, one.plaintexts, one.roots, about))

    require_caught_by_one_check(
        attack, partial(without_check, require_units, "is out of range"), error=CiphertextError, match="out of range"
    )


def test_a_combined_root_plus_n(key: PublicKey, sum_: Sum) -> None:
    """The same proof in other bytes: a round would have two proof hashes."""

    def attack() -> None:
        proof = prove_opening(sum_.ciphertexts, sum_.plaintexts, sum_.roots, sum_.statement, unreduced=int(key.n))
        verify(sum_.ciphertexts, sum_.plaintexts, sum_.statement, proof)

    require_caught_by_one_check(
        attack,
        partial(without_check, DecryptionProof.__post_init__, "is not a unit", operand="< self.key.n"),
        match="is not a unit",
    )


def test_low_order_combined_roots(key: PublicKey, primes: tuple[int, int], sum_: Sum) -> None:
    """One, minus one, the dealer's square root of one: none has order dividing n, so none vanishes in the check."""
    p, q = primes
    of_order_2 = 2 * gmpy2.invert(p, q) * p - 1
    honest = prove_opening(sum_.ciphertexts, sum_.plaintexts, sum_.roots, sum_.statement).roots
    for bad in (mpz(1), key.n - 1, key.n - honest[0], honest[0] * of_order_2 % key.n):
        forged = DecryptionProof(key, (bad, *honest[1:]))
        require_caught_by_one_check(
            partial(verify, sum_.ciphertexts, sum_.plaintexts, sum_.statement, forged), equation, match="combination 0"
        )


@pytest.mark.parametrize("what", ["zero", "n", "p"])
def test_combined_roots_that_are_no_units(key: PublicKey, primes: tuple[int, int], sum_: Sum, what: str) -> None:
    bad = {"zero": mpz(0), "n": key.n, "p": mpz(primes[0])}[what]
    honest = prove_opening(sum_.ciphertexts, sum_.plaintexts, sum_.roots, sum_.statement).roots
    require_caught_by_one_check(
        lambda: verify(sum_.ciphertexts, sum_.plaintexts, sum_.statement, DecryptionProof(key, (bad, *honest[1:]))),
        partial(without_check, DecryptionProof.__post_init__, "is not a unit"),
        equation,
        match="is not a unit",
    )


def test_the_sign_of_a_ciphertext_changes_no_decryption(
    key: PublicKey, primes: tuple[int, int], committee: Committee
) -> None:
    """-1 is an n-th power: the negated aggregate opens to the same plaintexts, and says so with a true proof."""
    one = make_sum(key, primes, 2)
    negated = CiphertextVector(key, tuple(key.n_squared - c for c in one.ciphertexts.values))
    partials = {i: partial_roots(committee.manifest, committee.shares[i], negated) for i in (1, 2, 3)}
    assert combine(committee.manifest, negated, partials).plaintexts == one.plaintexts
    roots = [key.n - y for y in one.roots]
    verify(
        negated, one.plaintexts, statement(negated), prove_opening(negated, one.plaintexts, roots, statement(negated))
    )


@pytest.mark.parametrize("labelled", ["proof", "ciphertexts"])
def test_a_proof_or_ciphertexts_under_another_key(key: PublicKey, sum_: Sum, labelled: str) -> None:
    other = PublicKey(gmpy2.next_prime(key.n))
    vector = CiphertextVector(other, sum_.ciphertexts.values)
    hashed = sum_.ciphertexts if labelled == "proof" else vector

    def attack() -> None:
        rows = decryption_proof._coefficients(hashed, sum_.plaintexts, sum_.statement)
        roots = tuple(
            prod(gmpy2.powmod(y, r, key.n) for y, r in zip(sum_.roots, row, strict=True)) % key.n for row in rows
        )
        forged = DecryptionProof(other if labelled == "proof" else key, roots)
        verify_decryption(key, hashed, sum_.plaintexts, sum_.statement, forged)

    where = verify_decryption if labelled == "proof" else decryption_proof._require_aggregate
    require_caught_by_one_check(attack, partial(without_check, where, "under another key"), match="another key")


# partial decryptions


@pytest.mark.parametrize("what", ["wrong", "of another ciphertext", "swapped", "of another share"])
def test_a_wrong_partial_opens_nothing(
    key: PublicKey, primes: tuple[int, int], committee: Committee, what: str
) -> None:
    """Two locks: combining checks every root exactly, and the public proof does not hold for what would come out."""
    manifest, one = committee.manifest, make_sum(key, primes, 2)
    partials = {i: partial_roots(manifest, committee.shares[i], one.ciphertexts) for i in (1, 2, 3)}
    honest = partials[2].values
    other = make_sum(key, primes, 2).ciphertexts
    partials[2] = {
        "wrong": replace(partials[2], values=(honest[0] * 4 % key.n, honest[1])),
        "of another ciphertext": partial_roots(manifest, committee.shares[2], other),
        "swapped": replace(partials[2], values=honest[::-1]),
        "of another share": replace(
            partial_roots(manifest, KeyShare(4, committee.shares[4].value), one.ciphertexts), index=2
        ),
    }[what]

    def attack() -> None:
        opened = combine(manifest, one.ciphertexts, partials)
        assert opened.plaintexts != one.plaintexts
        proof = decryption_proof.prove_decryption(key, one.ciphertexts, opened, one.statement)
        verify(one.ciphertexts, opened.plaintexts, one.statement, proof)

    exact = partial(without_check, open_with_roots, "do not open ciphertext")
    with pytest.raises(PartialDecryptionError, match="do not open ciphertext"):
        attack()
    with exact(), pytest.raises(ProofError, match="does not hold"):
        attack()
    require_caught_by_one_check(attack, exact, equation, error=FedtrustError)
