from __future__ import annotations

import itertools
import math
import secrets
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.shamir import lagrange_coefficients
from fedtrust.crypto.threshold import (
    KeyShare,
    PartialDecryptionError,
    PartialVector,
    combine,
    open_with_roots,
    partial_roots,
    verify_share,
)
from fedtrust.errors import CiphertextError, KeyFileError, ProofError, RoundError
from tests.crypto import textbook
from tests.crypto.crypto_fixtures import COUNT, Committee, Round


def wrong(partial: PartialVector, at: int = 1) -> PartialVector:
    """A partial that is off at one place, by a factor of its own (equal factors may cancel: L_1 + L_2 = 0)."""
    values = list(partial.values)
    values[at] = values[at] * (2 * partial.index + 1) % partial.key.n
    return PartialVector(partial.key, partial.index, tuple(values))


@pytest.mark.parametrize("subset", list(itertools.combinations(range(1, 6), 3)))
def test_any_threshold_of_trustees_opens(
    committee: Committee, round_: Round, key: PublicKey, subset: tuple[int, ...]
) -> None:
    opening = combine(committee.manifest, round_.aggregate, {i: round_.partials[i] for i in subset})
    assert list(opening.plaintexts) == [sum(column) % int(key.n) for column in zip(*round_.plaintexts, strict=True)]
    assert opening == replace(round_.opening, used=subset)  # the roots of the power 4 D^2 are unique


def test_the_opening_is_that_of_the_secret_key(round_: Round, primes: tuple[int, int]) -> None:
    expected = [textbook.decrypt(*primes, int(c)) for c in round_.aggregate.values]
    assert list(round_.opening.plaintexts) == expected
    assert all(type(m) is int for m in round_.opening.plaintexts)


def test_roots_are_nth_roots_of_the_power(round_: Round, key: PublicKey) -> None:
    opening, n = round_.opening, int(key.n)
    assert opening.power == 4 * 120**2
    for w, c in zip(opening.roots, round_.aggregate.values, strict=True):
        assert pow(int(w), n, n) == pow(int(c), int(opening.power), n)


def test_more_partials_than_needed_change_nothing(committee: Committee, round_: Round) -> None:
    assert combine(committee.manifest, round_.aggregate, round_.partials).used == (1, 2, 3)


def test_roots_found_by_any_other_way_open_too(round_: Round, key: PublicKey, primes: tuple[int, int]) -> None:
    exponent = pow(int(key.n), -1, math.lcm(primes[0] - 1, primes[1] - 1))
    roots = [gmpy2.powmod(c, exponent, key.n) for c in round_.aggregate.values]
    opening = open_with_roots(key, round_.aggregate, roots, mpz(1))
    assert (opening.plaintexts, opening.power) == (round_.opening.plaintexts, 1)


def test_extreme_plaintexts_open(committee: Committee, key: PublicKey) -> None:
    plaintexts = [0, 1, int(key.n) - 1, int(key.n) // 2]
    ciphertexts = encrypt_vector(key, plaintexts).ciphertexts
    partials = {i: partial_roots(committee.manifest, committee.shares[i], ciphertexts) for i in (2, 3, 5)}
    assert list(combine(committee.manifest, ciphertexts, partials).plaintexts) == plaintexts


def test_two_trustees_of_three_cannot_open(committee: Committee, round_: Round) -> None:
    with pytest.raises(RoundError) as caught:
        combine(committee.manifest, round_.aggregate, {i: round_.partials[i] for i in (1, 5)})
    assert caught.value.got is not None
    assert caught.value.got.startswith("2")


def test_two_trustees_and_a_guess_cannot_open(committee: Committee, round_: Round, key: PublicKey) -> None:
    guess = PartialVector(key, 4, tuple(mpz(1 + secrets.randbelow(int(key.n) - 1)) for _ in range(COUNT)))
    with pytest.raises(PartialDecryptionError):
        combine(committee.manifest, round_.aggregate, {1: round_.partials[1], 2: round_.partials[2], 4: guess})


def test_a_wrong_partial_that_is_used_is_found(committee: Committee, round_: Round) -> None:
    for liar in range(1, 6):
        partials = {**round_.partials, liar: wrong(round_.partials[liar])}
        if liar > 3:  # never needed, so nobody looked at it: that is for its proof
            assert combine(committee.manifest, round_.aggregate, partials) == round_.opening
            continue
        with pytest.raises(PartialDecryptionError, match="ciphertext 1") as caught:
            combine(committee.manifest, round_.aggregate, partials)
        assert isinstance(caught.value, ProofError)
        assert caught.value.indices == (1, 2, 3)
        assert "proof" in str(caught.value.advice)


@pytest.mark.parametrize("at", range(COUNT))
def test_a_wrong_value_at_any_place_is_found(committee: Committee, round_: Round, at: int) -> None:
    partials = {1: round_.partials[1], 2: wrong(round_.partials[2], at), 3: round_.partials[3]}
    with pytest.raises(PartialDecryptionError):
        combine(committee.manifest, round_.aggregate, partials)


def test_partials_of_another_vector_are_wrong(committee: Committee, round_: Round) -> None:
    single = round_.encrypted[0].ciphertexts
    stale = partial_roots(committee.manifest, committee.shares[2], single)
    with pytest.raises(PartialDecryptionError):
        combine(committee.manifest, round_.aggregate, {**round_.partials, 2: stale})


def test_a_changed_sign_changes_nothing(committee: Committee, round_: Round, key: PublicKey) -> None:
    """Exponents 2 L_i are even: a partial that is wrong by the one small-order factor anybody knows still works."""
    negated = PartialVector(key, 1, tuple(key.n - x for x in round_.partials[1].values))
    opening = combine(committee.manifest, round_.aggregate, {**round_.partials, 1: negated})
    assert opening == round_.opening  # and combines to the same root


def test_colluding_trustees_cannot_make_a_false_opening(committee: Committee, round_: Round, key: PublicKey) -> None:
    """Two wrong partials that cancel each other open to the truth; with anybody else they open nothing."""
    weights = lagrange_coefficients([1, 2, 3], 5)
    shift = mpz(5)
    one = [x * pow(shift, int(weights[2]), key.n) % key.n for x in round_.partials[1].values]
    two = [x * pow(shift, -int(weights[1]), key.n) % key.n for x in round_.partials[2].values]
    forged = {
        **round_.partials,
        1: PartialVector(key, 1, tuple(one)),
        2: PartialVector(key, 2, tuple(two)),
    }
    assert combine(committee.manifest, round_.aggregate, forged).plaintexts == round_.opening.plaintexts
    with pytest.raises(PartialDecryptionError):
        combine(committee.manifest, round_.aggregate, {i: forged[i] for i in (1, 2, 4)})


def test_malformed_partials_are_refused(committee: Committee, round_: Round, key: PublicKey, toy: PublicKey) -> None:
    good = round_.partials
    short = PartialVector(key, 1, good[1].values[:-1])
    foreign = PartialVector(toy, 1, tuple(mpz(2) for _ in range(COUNT)))
    for bad, reason in ((short, "another length"), (foreign, "another key"), (good[2], "not that trustee's")):
        with pytest.raises(CiphertextError, match=reason):
            combine(committee.manifest, round_.aggregate, {**good, 1: bad})
    stranger = PartialVector(key, 6, good[1].values)
    with pytest.raises(CiphertextError, match="not that trustee's"):
        combine(committee.manifest, round_.aggregate, {2: good[2], 3: good[3], 6: stranger})


def test_shares_are_checked_against_the_manifest(committee: Committee, key: PublicKey) -> None:
    for share in committee.shares.values():
        verify_share(committee.manifest, share)
    value = committee.shares[1].value
    for bad in (KeyShare(2, value), KeyShare(1, value + 1), KeyShare(6, value), KeyShare(1, value + key.n)):
        with pytest.raises(KeyFileError) as caught:
            verify_share(committee.manifest, bad)
        assert str(value) not in caught.value.diagnostics()
    with pytest.raises(KeyFileError):
        KeyShare(0, value)


def test_a_share_never_shows_its_value(committee: Committee) -> None:
    share = committee.shares[3]
    assert repr(share) == "KeyShare(index=3)"
    assert str(share.value) not in str(share)


def test_ciphertexts_of_another_key_are_refused(committee: Committee, round_: Round, toy: PublicKey) -> None:
    foreign = encrypt_vector(toy, [1] * COUNT).ciphertexts
    with pytest.raises(CiphertextError, match="another key"):
        partial_roots(committee.manifest, committee.shares[1], foreign)
    with pytest.raises(CiphertextError, match="another key"):
        combine(committee.manifest, foreign, round_.partials)


def test_partial_file_round_trips_and_is_strict(round_: Round, key: PublicKey, primes: tuple[int, int]) -> None:
    partial = round_.partials[4]
    data = partial.to_bytes()
    assert data[:4] == b"FTPV"
    assert len(data) == 15 + COUNT * 256
    again = PartialVector.from_bytes(data, key, COUNT)
    assert again == partial
    assert again.root() == partial.root() != round_.partials[1].root()
    assert len(again) == COUNT
    damaged = [
        b"",
        data[:14],
        data[:-1],
        data + b"\x00",
        b"FTCV" + data[4:],
        data[:4] + b"\x00" + data[5:],
        data[:5] + b"\x00\x00" + data[7:],
        data[:5] + b"\x00\x21" + data[7:],
        data[:-256] + bytes(256),
        data[:-256] + int(key.n).to_bytes(256, "big"),
        data[:-256] + primes[0].to_bytes(256, "big"),
    ]
    for bad in damaged:
        with pytest.raises(CiphertextError):
            PartialVector.from_bytes(bad, key)
    with pytest.raises(CiphertextError, match="number of values"):
        PartialVector.from_bytes(data, key, COUNT - 1)


def test_a_single_partial_is_not_a_root(round_: Round, key: PublicKey) -> None:
    """Nothing that one trustee sends opens a ciphertext by itself."""
    for i, partial in round_.partials.items():
        for x, c in zip(partial.values, round_.aggregate.values, strict=True):
            assert pow(int(x), int(key.n), int(key.n)) != pow(int(c % key.n), 2 * 120, int(key.n)), i


def test_vectors_of_one_open(committee: Committee, key: PublicKey) -> None:
    one = CiphertextVector(key, encrypt_vector(key, [42]).ciphertexts.values)
    partials = {i: partial_roots(committee.manifest, committee.shares[i], one) for i in (1, 3, 5)}
    assert combine(committee.manifest, one, partials).plaintexts == (42,)
