"""Payouts: the contract's rule, conserved to the wei."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.errors import RoundError, SpecError
from fedtrust.ledger.types import Address, Role
from fedtrust.rules.payout import Payout, round_payouts


@dataclass(frozen=True)
class Shares:
    participant_basis_points: int
    trustee_basis_points: int
    aggregator_basis_points: int


def accounts(prefix: str, count: int) -> list[Address]:
    return [Address(f"{prefix}{i}") for i in range(count)]


@st.composite
def shares(draw: st.DrawFn) -> Shares:
    first = draw(st.integers(0, 10_000))
    second = draw(st.integers(0, 10_000 - first))
    return Shares(first, second, draw(st.integers(0, 10_000 - first - second)))


rewards = st.integers(0, 2**128 - 1)
AGGREGATOR = Address("aggregator")


def test_a_known_round() -> None:
    payouts = round_payouts(1000, Shares(7000, 2000, 999), accounts("p", 3), accounts("t", 2), AGGREGATOR)
    assert payouts == (
        Payout(Address("p0"), Role.PARTICIPANT, 233),  # floor(700 / 3)
        Payout(Address("p1"), Role.PARTICIPANT, 233),
        Payout(Address("p2"), Role.PARTICIPANT, 233),
        Payout(Address("t0"), Role.TRUSTEE, 100),
        Payout(Address("t1"), Role.TRUSTEE, 100),
        Payout(AGGREGATOR, Role.AGGREGATOR, 99),  # floor(1000 * 999 / 10000)
    )


@given(rewards, shares(), st.integers(0, 40), st.integers(0, 9))
def test_conserved_to_the_wei(reward: int, division: Shares, participants: int, trustees: int) -> None:
    payouts = round_payouts(reward, division, accounts("p", participants), accounts("t", trustees), AGGREGATOR)
    assert sum(p.amount for p in payouts) <= reward
    assert all(p.amount > 0 for p in payouts)
    for role, points, count in (
        (Role.PARTICIPANT, division.participant_basis_points, participants),
        (Role.TRUSTEE, division.trustee_basis_points, trustees),
        (Role.AGGREGATOR, division.aggregator_basis_points, 1),
    ):
        paid = [p.amount for p in payouts if p.role == role]
        pot = reward * points // 10_000
        assert len(set(paid)) <= 1
        assert len(paid) in (0, count)
        if count:
            assert 0 <= pot - sum(paid) < count  # less than one wei a member is left


@given(rewards, shares(), st.permutations(accounts("p", 7)), st.permutations(accounts("t", 3)))
def test_nobody_gains_by_the_order(
    reward: int, division: Shares, participants: list[Address], trustees: list[Address]
) -> None:
    plain = round_payouts(reward, division, sorted(participants), sorted(trustees), AGGREGATOR)
    shuffled = round_payouts(reward, division, participants, trustees, AGGREGATOR)
    assert set(plain) == set(shuffled)
    assert [p.role for p in shuffled] == sorted(p.role for p in shuffled)


def test_amounts_of_zero_are_left_out() -> None:
    assert round_payouts(0, Shares(5000, 3000, 2000), accounts("p", 2), accounts("t", 2), AGGREGATOR) == ()
    assert round_payouts(3, Shares(10_000, 0, 0), accounts("p", 4), [], AGGREGATOR) == ()


def test_malformed_input_is_refused() -> None:
    people = accounts("p", 2)
    for bad in (Shares(9000, 1000, 1), Shares(-1, 5000, 0)):
        with pytest.raises(SpecError):
            round_payouts(10, bad, people, [], AGGREGATOR)
    fair = Shares(5000, 3000, 2000)
    with pytest.raises(RoundError):
        round_payouts(-1, fair, people, [], AGGREGATOR)
    with pytest.raises(RoundError):
        round_payouts(10, fair, [people[0], people[0]], [], AGGREGATOR)
    with pytest.raises(RoundError):
        round_payouts(10, fair, people, [people[1], people[1]], AGGREGATOR)
