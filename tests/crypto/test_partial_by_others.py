"""A partial decryption judged by the proven ones of others: what shows that an attested one was wrong."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
from gmpy2 import mpz

from fedtrust.crypto import partial_proof
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.partial_proof import (
    WrongPartialError,
    verify_partial_by_others,
)
from fedtrust.errors import ProofError
from tests.crypto.crypto_fixtures import Committee, Round
from tests.crypto.partial_fixtures import FALSE, check, false_partials, prove, with_values


def test_a_right_partial_is_confirmed_by_any_threshold_of_others(committee: Committee, round_: Round) -> None:
    partials = round_.partials
    for index, others in ((1, (2, 3, 4)), (2, (1, 4, 5)), (5, (1, 2, 3)), (3, (1, 2, 4, 5)), (3, (1, 2, 3, 5))):
        verify_partial_by_others(committee.manifest, partials[index], {i: partials[i] for i in others})


@pytest.mark.parametrize("what", FALSE)
def test_a_wrong_partial_is_refuted_by_the_others_without_any_proof(
    committee: Committee, round_: Round, primes: tuple[int, int], what: str
) -> None:
    others = {i: p for i, p in round_.partials.items() if i != 2}
    made = false_partials(committee, round_, primes)[what]
    with pytest.raises(WrongPartialError, match="it is wrong") as caught:
        verify_partial_by_others(committee.manifest, made, others)
    assert caught.value.index == 2


def test_a_changed_sign_is_no_guilt(committee: Committee, round_: Round, key: PublicKey) -> None:
    others = {i: round_.partials[i] for i in (1, 3, 4)}
    negated = with_values(round_.partials[2], {0: key.n - round_.partials[2].values[0]})
    verify_partial_by_others(committee.manifest, negated, others)


def test_secret_weights_are_what_finds_swapped_entries(committee: Committee, round_: Round) -> None:
    first, second = round_.partials[2].values[:2]
    swapped = with_values(round_.partials[2], {0: second, 1: first})
    others = {i: round_.partials[i] for i in (1, 3, 4)}
    with pytest.raises(WrongPartialError):
        verify_partial_by_others(committee.manifest, swapped, others)
    with patch.object(partial_proof.secrets, "randbits", lambda bits: 1):
        verify_partial_by_others(committee.manifest, swapped, others)


def test_who_judges_must_be_proven_and_enough(committee: Committee, round_: Round) -> None:
    """A wrong judge would refute a right partial: so only proven partials may judge."""
    partials = round_.partials
    with pytest.raises(ProofError, match="too few proven") as few:
        verify_partial_by_others(committee.manifest, partials[2], {i: partials[i] for i in (1, 2, 3)})
    assert not isinstance(few.value, WrongPartialError)
    liar = with_values(partials[1], {0: mpz(2)})
    with pytest.raises(WrongPartialError, match="trustee 2 "):
        verify_partial_by_others(committee.manifest, partials[2], {1: liar, 3: partials[3], 4: partials[4]})
    with pytest.raises(WrongPartialError, match="trustee 1 "):
        check(committee, round_, liar, prove(committee, round_, liar))
    short = replace(partials[1], values=partials[1].values[:-1])
    for judge in (short, partials[5]):
        with pytest.raises(ProofError, match="not of the same ciphertexts"):
            verify_partial_by_others(committee.manifest, partials[2], {1: judge, 3: partials[3], 4: partials[4]})
