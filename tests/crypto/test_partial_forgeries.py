"""Forged proofs of partial decryptions: each is refused, and succeeds against a verifier without the one check."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import partial_proof
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.partial_proof import (
    PartialProof,
    WrongPartialError,
    prove_partial,
    verify_partial,
)
from fedtrust.crypto.threshold import KeyShare, PartialVector, combine, partial_roots
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import CiphertextError, ProofError
from tests.crypto.crypto_fixtures import COUNT, Committee, Round
from tests.crypto.forgeries.attacks import group_exponent, require_caught_by_one_check
from tests.crypto.partial_fixtures import FALSE, check, false_partials, prove, with_values
from tests.crypto.weakened import forgetting, one_coefficient_for_all, without_call, without_check


@pytest.fixture(scope="module")
def proofs(committee: Committee, round_: Round) -> dict[int, PartialProof]:
    return {i: prove(committee, round_, round_.partials[i]) for i in committee.shares}


# wrong partials: the claim about X and Z


@pytest.mark.parametrize("what", FALSE)
def test_a_wrong_partial_is_caught_by_its_b(
    committee: Committee, round_: Round, primes: tuple[int, int], what: str
) -> None:
    """The challenge depends on b = X^rho: without that, Z may be anything."""
    made = false_partials(committee, round_, primes)
    assert tuple(made) == FALSE

    def attack() -> None:
        check(committee, round_, made[what], prove(committee, round_, made[what]))

    require_caught_by_one_check(attack, partial(forgetting, "b"), error=WrongPartialError, match="trustee 2 ")


@pytest.mark.parametrize("factor", [2, 3], ids=["exponent times 2", "exponent times 3"])
@pytest.mark.parametrize("offset", [0, 1], ids=["", "and one more"])
def test_another_exponent_is_caught_by_its_a(committee: Committee, round_: Round, factor: int, offset: int) -> None:
    """Everything by one other share, partial and proof: only the verification key says that it is another."""
    false = KeyShare(2, committee.shares[2].value * factor + offset)

    def attack() -> None:
        made = partial_roots(committee.manifest, false, round_.aggregate)
        check(committee, round_, made, prove(committee, round_, made, false))

    require_caught_by_one_check(attack, partial(forgetting, "a"), error=WrongPartialError, match="trustee 2 ")


def test_sigma_plus_one_is_caught_by_its_a(committee: Committee, round_: Round) -> None:
    """x_ij^2 = x_j^(4 (sigma + 1)), proved with sigma + 1: the prover's arithmetic, done by hand."""
    manifest, n = committee.manifest, committee.manifest.public_key.n
    sigma = manifest.delta * committee.shares[2].value + 1
    right = round_.partials[2].values
    shifted = {j: x * (c % n) ** 2 % n for j, (x, c) in enumerate(zip(right, round_.aggregate.values, strict=True))}
    made = with_values(round_.partials[2], shifted)

    def attack() -> None:
        transcript, coefficients = partial_proof._coefficients(
            manifest, manifest.trustee(2), round_.aggregate, made, round_.decryption
        )
        base = partial_proof._combined_base(round_.aggregate, coefficients)
        rho = mpz(secrets.randbits(2300))
        challenge = partial_proof._challenge(transcript, gmpy2.powmod(manifest.v, rho, n), gmpy2.powmod(base, rho, n))
        check(committee, round_, made, PartialProof(manifest.public_key, challenge, rho + challenge * sigma))

    require_caught_by_one_check(attack, partial(forgetting, "a"), error=WrongPartialError)


# wrong partials: the batch


def test_swapped_entries_and_errors_that_cancel_are_caught_by_the_coefficients(
    committee: Committee, round_: Round
) -> None:
    right, n = round_.partials[2], committee.manifest.public_key.n
    first, second = right.values[:2]
    swapped = with_values(right, {0: second, 1: first})
    cancelling = with_values(right, {0: first * 9 % n, 1: second * gmpy2.invert(9, n) % n})
    for made in (swapped, cancelling):

        def attack(made: PartialVector = made) -> None:
            check(committee, round_, made, prove(committee, round_, made))

        require_caught_by_one_check(attack, one_coefficient_for_all, error=WrongPartialError)


def test_errors_made_for_known_coefficients_are_caught_because_those_depend_on_the_partial(
    committee: Committee, round_: Round
) -> None:
    """With r_0 and r_1 known beforehand, errors 3^(r_1) and 3^(-r_0) cancel in Z."""
    right, n = round_.partials[2], committee.manifest.public_key.n

    def attack() -> None:
        trustee = committee.manifest.trustee(2)
        _, r = partial_proof._coefficients(committee.manifest, trustee, round_.aggregate, right, round_.decryption)
        errors = {0: gmpy2.powmod(3, r[1], n), 1: gmpy2.powmod(3, -r[0], n)}
        made = with_values(right, {j: right.values[j] * e % n for j, e in errors.items()})
        check(committee, round_, made, prove(committee, round_, made))

    require_caught_by_one_check(attack, partial(forgetting, "partials"), error=WrongPartialError)


# a right proof in another place


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("chain id", {"chain_id": 1}),
        ("contract", {"contract": "0x" + "c1" * 20}),
        ("round", {"round": 4}),
        ("spec hash", {"spec_hash": bytes([8]) * 32}),
    ],
)
def test_a_proof_says_nothing_about_another_statement(
    committee: Committee, round_: Round, label: str, change: dict[str, Any]
) -> None:
    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, round_.partials[1], proof, statement=replace(round_.decryption, **change))

    require_caught_by_one_check(attack, partial(forgetting, label), error=WrongPartialError)


def test_a_statement_about_another_aggregate_is_refused(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    other = replace(round_.decryption, aggregate_root=bytes(32))

    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, round_.partials[1], proof, statement=other)

    require_caught_by_one_check(
        attack,
        partial(without_check, partial_proof._require_same_vector, "about another aggregate"),
        partial(forgetting, "aggregate root"),
    )
    with pytest.raises(ProofError, match="about another aggregate"):
        prove_partial(committee.manifest, committee.shares[1], round_.aggregate, round_.partials[1], other)


def test_the_proof_of_another_aggregate_is_refused(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    """A right partial and proof of one aggregate, sent again for the next one."""
    ciphertexts = round_.encrypted[1].ciphertexts
    statement = replace(round_.decryption, aggregate_root=ciphertexts.root())
    with pytest.raises(WrongPartialError, match="trustee 3 "):
        check(committee, round_, round_.partials[3], proofs[3], ciphertexts=ciphertexts, statement=statement)


def test_another_trustees_partial_and_proof_are_refused(committee: Committee, round_: Round) -> None:
    """Trustee 2 sends trustee 1's work under its own index: four things in the transcript tell them apart."""

    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, replace(round_.partials[1], index=2), proof)

    labels = ("trustee", "account", "verification key", "a")
    require_caught_by_one_check(attack, *(partial(forgetting, each) for each in labels), error=WrongPartialError)


# the numbers of the proof


def test_a_response_that_is_too_long_is_refused(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int], proofs: dict[int, PartialProof]
) -> None:
    """The dealer knows the order of the group and can write one proof in many ways."""
    proof = proofs[1]
    longer = replace(proof, response=proof.response + (mpz(group_exponent(primes)) << 300))

    def attack() -> None:
        check(committee, round_, round_.partials[1], longer)

    require_caught_by_one_check(
        attack, partial(without_check, verify_partial, "is too long"), error=WrongPartialError, match="too long"
    )


def test_any_challenge_and_response_would_do_if_the_challenge_were_not_compared(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    right, false = proofs[1], with_values(round_.partials[1], {0: mpz(7)})
    for made, proof in (
        (round_.partials[1], replace(right, challenge=right.challenge ^ 1)),
        (round_.partials[1], replace(right, response=right.response + 1)),
        (round_.partials[1], replace(right, challenge=mpz(0))),
        (false, PartialProof(key, mpz(secrets.randbits(128)), mpz(secrets.randbits(2300)))),
        (false, PartialProof(key, mpz(0), mpz(0))),
    ):

        def attack(made: PartialVector = made, proof: PartialProof = proof) -> None:
            check(committee, round_, made, proof)

        require_caught_by_one_check(
            attack, partial(without_check, verify_partial, "does not hold"), error=WrongPartialError
        )


def test_a_proof_under_another_key_is_refused(
    committee: Committee, round_: Round, toy: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    def attack() -> None:
        foreign = replace(proofs[1])
        object.__setattr__(foreign, "key", toy)  # its constructor would find the response too long for that key
        check(committee, round_, round_.partials[1], foreign)

    require_caught_by_one_check(
        attack, partial(without_check, verify_partial, "under another key"), error=WrongPartialError
    )


# values


def test_values_that_are_no_units_or_not_reduced_are_refused(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int]
) -> None:
    right = round_.partials[1]
    for bad in (mpz(0), key.n, key.n + 1, right.values[0] + key.n, -right.values[0], mpz(primes[0])):
        with pytest.raises(CiphertextError):
            with_values(right, {0: bad})


def test_without_the_check_of_the_vector_an_unreduced_value_would_pass(
    committee: Committee, round_: Round, key: PublicKey
) -> None:
    """One partial would then have many files and roots. A small value is found among the negated ones too."""
    index, at, value = min(
        ((i, j, value) for i, p in round_.partials.items() for j, x in enumerate(p.values) for value in (x, key.n - x)),
        key=lambda found: found[2],
    )

    def attack() -> None:
        made = with_values(round_.partials[index], {at: value + key.n})
        check(committee, round_, made, prove(committee, round_, made))

    require_caught_by_one_check(
        attack, partial(without_call, PartialVector.__post_init__, "require_units"), error=CiphertextError
    )


def test_without_the_check_of_the_vector_a_zero_would_break_the_verifier(committee: Committee, round_: Round) -> None:
    with without_call(PartialVector.__post_init__, "require_units"):
        made = with_values(round_.partials[1], {0: mpz(0)})
        proof = prove(committee, round_, made)
        with pytest.raises(ZeroDivisionError):
            check(committee, round_, made, proof)


# what is no error: only squares count


def test_a_changed_sign_is_as_right_as_the_original(committee: Committee, round_: Round, key: PublicKey) -> None:
    right = round_.partials[1]
    for entries in ((0,), (1, 4), tuple(range(COUNT))):
        negated = with_values(right, {j: key.n - right.values[j] for j in entries})
        check(committee, round_, negated, prove(committee, round_, negated))
        opening = combine(committee.manifest, round_.aggregate, {**round_.partials, 1: negated})
        assert opening.plaintexts == round_.opening.plaintexts


def test_a_dealers_root_of_one_is_harmless_too(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int]
) -> None:
    """u = 1 mod p, -1 mod q: u^2 = 1, so it vanishes in the combination as well as in the proof."""
    p, q = map(mpz, primes)
    u = (1 * q * gmpy2.invert(q, p) - p * gmpy2.invert(p, q)) % key.n
    assert u not in (1, key.n - 1)
    assert u * u % key.n == 1
    made = with_values(round_.partials[2], {1: round_.partials[2].values[1] * u % key.n})
    check(committee, round_, made, prove(committee, round_, made))
    opening = combine(committee.manifest, round_.aggregate, {**round_.partials, 2: made})
    assert opening.plaintexts == round_.opening.plaintexts


def test_without_the_squares_the_verdict_on_a_sign_would_be_chance(
    committee: Committee, round_: Round, key: PublicKey
) -> None:
    """Tested as x_ij = (x_j^2)^sigma, a changed sign passes whenever its coefficient is even: grind until it is."""
    manifest, n = committee.manifest, key.n
    sigma = manifest.delta * committee.shares[1].value
    negated = with_values(round_.partials[1], {0: n - round_.partials[1].values[0]})
    outcomes = set()
    for number in range(24):
        statement = replace(round_.decryption, round=number)
        _, r = partial_proof._coefficients(manifest, manifest.trustee(1), round_.aggregate, negated, statement)
        x = y = mpz(1)
        for c, value, coefficient in zip(round_.aggregate.values, negated.values, r, strict=True):
            x = x * gmpy2.powmod(c, 2 * coefficient, n) % n
            y = y * gmpy2.powmod(value, coefficient, n) % n
        passed = gmpy2.powmod(x, sigma, n) == y
        assert passed == (r[0] % 2 == 0)
        assert gmpy2.powmod(x, 2 * sigma, n) == y * y % n
        outcomes.add(passed)
    assert outcomes == {True, False}


# what blame rests on: the dealer


def test_why_safe_primes_are_needed() -> None:
    """With an element of order 3 among the squares, a false entry passes the batch whenever 3 divides r_j."""
    p = mpz(6) * gmpy2.next_prime(mpz(1) << 200) + 1
    while not gmpy2.is_prime(p):
        p = 6 * gmpy2.next_prime((p - 1) // 6) + 1
    q = gmpy2.next_prime(mpz(1) << 203)
    n = p * q
    order = (p - 1) * (q - 1)
    u = next(c for c in (gmpy2.powmod(g, order // 3, n) for g in range(2, 50)) if c != 1)
    assert gmpy2.powmod(u, 3, n) == 1
    sigma, x = mpz(secrets.randbits(300)), mpz(5)
    false = gmpy2.powmod(x, 2 * sigma, n) * u % n
    passed = 0
    for number in range(60):
        transcript = Transcript("a trustee that grinds")
        transcript.absorb_int("round", number)
        r = transcript.coefficients(1, 128, "r")[0]
        held = gmpy2.powmod(false, 2 * r, n) == gmpy2.powmod(gmpy2.powmod(x, 4 * r, n), sigma, n)
        assert held == (r % 3 == 0)
        passed += held
    assert 5 < passed < 40


def test_why_the_manifest_must_have_been_verified(committee: Committee, round_: Round) -> None:
    """With v = v_i = 1 every exponent fits; the manifest's own check is what refuses such a key."""
    manifest = committee.manifest
    trustees = tuple(replace(t, verification=mpz(1)) for t in manifest.trustees)
    bad = replace(manifest, v=mpz(1), trustees=trustees)
    false = KeyShare(1, mpz(12345))
    made = partial_roots(bad, false, round_.aggregate)
    proof = prove_partial(bad, false, round_.aggregate, made, round_.decryption)
    verify_partial(bad, round_.aggregate, made, round_.decryption, proof)
    with pytest.raises(ProofError, match="v is not the value hashed from n"):
        bad.verify()
    with pytest.raises(WrongPartialError):
        check(committee, round_, made, prove(committee, round_, made, false))
