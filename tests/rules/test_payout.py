"""Payouts: the contract's rule, conserved to the wei."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.errors import RoundError, SpecError
from fedtrust.ledger.types import Address, PayoutRule, Reputation, Role
from fedtrust.rules.payout import Earner, Payout, reliability, round_payouts


@dataclass(frozen=True)
class Shares:
    participant_basis_points: int
    trustee_basis_points: int
    aggregator_basis_points: int
    payout_rule: PayoutRule = PayoutRule.EQUAL


def earners(prefix: str, count: int) -> list[Earner]:
    return [earner(f"{prefix}{i}") for i in range(count)]


def earner(name: str, *, kept: int = 0, broken: int = 0) -> Earner:
    counters = Reputation(accepted=kept, late=0, missed=broken, slashed=0, attested=0, missed_in_a_row=0)
    return Earner(Address(name), counters)


@st.composite
def shares(draw: st.DrawFn) -> Shares:
    first = draw(st.integers(0, 10_000))
    second = draw(st.integers(0, 10_000 - first))
    return Shares(first, second, draw(st.integers(0, 10_000 - first - second)))


rewards = st.integers(0, 2**128 - 1)
AGGREGATOR = Address("aggregator")


def test_a_known_round() -> None:
    payouts = round_payouts(1000, Shares(7000, 2000, 999), earners("p", 3), earners("t", 2), AGGREGATOR)
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
    payouts = round_payouts(reward, division, earners("p", participants), earners("t", trustees), AGGREGATOR)
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


@given(rewards, shares(), st.permutations(earners("p", 7)), st.permutations(earners("t", 3)))
def test_nobody_gains_by_the_order(
    reward: int, division: Shares, participants: list[Earner], trustees: list[Earner]
) -> None:
    plain = round_payouts(reward, division, earners("p", 7), earners("t", 3), AGGREGATOR)
    shuffled = round_payouts(reward, division, participants, trustees, AGGREGATOR)
    assert set(plain) == set(shuffled)
    assert [p.role for p in shuffled] == sorted(p.role for p in shuffled)


def test_amounts_of_zero_are_left_out() -> None:
    assert round_payouts(0, Shares(5000, 3000, 2000), earners("p", 2), earners("t", 2), AGGREGATOR) == ()
    assert round_payouts(3, Shares(10_000, 0, 0), earners("p", 4), [], AGGREGATOR) == ()


def test_malformed_input_is_refused() -> None:
    people = earners("p", 2)
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


# by reliability

THIRDS = Shares(9000, 1000, 0, PayoutRule.RELIABILITY)


def test_what_counts_as_kept_and_as_broken() -> None:
    for counters, weight in (
        ((0, 0, 0, 0, 0, 0), 1000),  # whoever is new is trusted
        ((9, 0, 0, 0, 0, 0), 1000),
        ((0, 0, 0, 0, 9, 0), 1000),
        ((0, 1, 0, 0, 0, 0), 500),
        ((0, 0, 1, 0, 0, 0), 500),
        ((1, 1, 0, 0, 0, 0), 666),  # floor(1000 * 2 / 3)
        ((2, 1, 1, 0, 2, 0), 714),  # floor(1000 * 5 / 7)
        ((0, 0, 0, 5, 0, 5), 1000),  # slashed and in a row do not weigh
        ((0, 0, 999, 0, 0, 0), 1),
        ((0, 0, 1000, 0, 0, 0), 0),
    ):
        assert reliability(Reputation(*counters)) == weight


def test_a_known_round_by_reliability() -> None:
    participants = [earner("p0", kept=3), earner("p1", kept=1, broken=2), earner("p2")]
    payouts = round_payouts(1000, THIRDS, participants, earners("t", 2), AGGREGATOR)
    assert payouts == (
        Payout(Address("p0"), Role.PARTICIPANT, 360),  # floor(900 * 1000 / 2500)
        Payout(Address("p1"), Role.PARTICIPANT, 180),
        Payout(Address("p2"), Role.PARTICIPANT, 360),
        Payout(Address("t0"), Role.TRUSTEE, 50),
        Payout(Address("t1"), Role.TRUSTEE, 50),
    )


histories = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000)), min_size=1, max_size=12)


@given(st.integers(0, 2**88 - 1), histories)
def test_reliability_conserves_and_never_pays_the_worse_more(reward: int, counters: list[tuple[int, int]]) -> None:
    people = [earner(f"p{i}", kept=kept, broken=broken) for i, (kept, broken) in enumerate(counters)]
    paid = {p.account: p.amount for p in round_payouts(reward, THIRDS, people, [], AGGREGATOR)}
    pot = reward * 9000 // 10_000
    assert sum(paid.values()) <= pot
    if any(reliability(e.reputation) for e in people):
        assert pot - sum(paid.values()) < len(people)
    else:
        assert paid == {}
    for one in people:
        for other in people:
            if reliability(one.reputation) <= reliability(other.reputation):
                assert paid.get(one.account, 0) <= paid.get(other.account, 0)


@given(st.integers(0, 2**88 - 1), st.integers(1, 40))
def test_with_one_history_for_all_the_rules_agree(reward: int, count: int) -> None:
    equal = Shares(7000, 2000, 1000)
    weighed = Shares(7000, 2000, 1000, PayoutRule.RELIABILITY)
    people = [earner(f"p{i}", kept=4, broken=1) for i in range(count)]
    assert round_payouts(reward, equal, people, [], AGGREGATOR) == round_payouts(
        reward, weighed, people, [], AGGREGATOR
    )
