"""The replay of the money: the contract's events always add up, and no other events do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.audit.evidence import DiscrepancyError
from fedtrust.audit.rewards import replay_rewards
from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    AbortReason,
    Address,
    Deadlines,
    DisputeKind,
    DisputeOutcome,
    FederationConfig,
    Role,
)

ALICE, BOB, CAROL = (Address("0x" + letter * 40) for letter in "abc")
HASH = bytes(32)


def place(number: int, timestamp: int = 0) -> tuple[int, int, int, bytes]:
    """Return the place of a transaction's events: all of one ``number`` are of one transaction."""
    return number, 0, timestamp, number.to_bytes(32, "big")


PLACE = place(1)


def configured(**changes: Any) -> FederationConfig:
    rules = DeploymentConfig(challenge_window=0, **{"round_reward": 50, "claim_seconds": 10, **changes})
    settings = {f.name: getattr(rules, f.name) for f in fields(rules)}
    return FederationConfig(1, ALICE, 2, ALICE, 1, BOB, **settings)


def opened(round: int, reward: int, at: tuple[int, int, int, bytes] = PLACE) -> ev.RoundOpened:
    return ev.RoundOpened(*at, round, ALICE, HASH, HASH, 3, 2, 1, 0, Deadlines(1, 2, 3), reward)


def registered(account: Address, role: Role, index: int, stake: int, number: int = 1) -> ev.IdentityRegistered:
    return ev.IdentityRegistered(*place(number), account, role, index, stake, HASH, HASH, b"x")


@settings(max_examples=100, deadline=None)
@given(
    round_reward=st.integers(0, 1000),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["fund", "settle", "abort", "void", "claim", "expire", "stake", "open"]),
            st.integers(0, 900),
        ),
        max_size=20,
    ),
)
def test_nothing_appears_and_nothing_is_lost(round_reward: int, steps: list[tuple[str, int]]) -> None:
    events: list[ev.LedgerEvent] = []
    pool, owed, staked, round = 0, 0, 0, 0
    for number, (kind, amount) in enumerate(steps):
        now = place(number, number * 100)
        if kind == "fund":
            pool += amount
            events.append(ev.RewardsFunded(*now, ALICE, amount))
        elif kind == "claim":
            events.append(ev.RewardClaimed(*now, BOB, owed))
            owed = 0
        elif kind == "expire":
            if owed:
                events.append(ev.RewardExpired(*now, BOB, owed))
                pool, owed = pool + owed, 0
        elif kind == "stake":
            staked += amount
            events.append(registered(CAROL, Role.TRUSTEE, number, amount, number))
        else:
            round, reward = round + 1, min(pool, round_reward)
            pool -= reward
            events.append(opened(round, reward, now))
            if kind == "abort":
                pool += reward
                events.append(ev.RoundAborted(*now, round, AbortReason.COMMIT_QUORUM_MISSED, HASH))
            elif kind == "void":
                pool += reward
                events.append(ev.RoundVoided(*now, round, HASH, HASH))
            elif kind == "settle":
                credited = reward * amount // 1000
                pool, owed = pool + reward - credited, owed + credited
                if credited:
                    events.append(ev.RewardCredited(*now, round, BOB, credited))
                events.append(ev.RoundSettled(*now, round, credited))
    account = replay_rewards(events, configured(round_reward=round_reward))
    assert (account.pool, account.claimable.get(BOB, 0), account.staked) == (pool, owed, staked)
    assert account.paid_in == account.accounted


MEMBERS = [
    registered(ALICE, Role.AGGREGATOR, 0, 100),
    registered(BOB, Role.PARTICIPANT, 0, 10),
    registered(CAROL, Role.PARTICIPANT, 1, 10),
    ev.RewardsFunded(*PLACE, ALICE, 50),
    opened(1, 50),
    *(ev.UpdateCommitted(*PLACE, 1, who, HASH, HASH) for who in (BOB, CAROL)),
]
WATCHER = Address("0x" + "d" * 40)
RULES = configured(dispute_bond=7, challenger_reward_cap=30)
CHALLENGED = ev.AggregateChallenged(*place(2), 1, 1, WATCHER, 0, 99)


def decided(
    outcome: DisputeOutcome, offender: Address = ZERO_ADDRESS, kind: DisputeKind = DisputeKind.AGGREGATE
) -> ev.DisputeDecided:
    number = 0 if kind in (DisputeKind.EQUIVOCATION, DisputeKind.OMISSION) else 1
    return ev.DisputeDecided(*place(3), number, 1, kind, outcome, WATCHER, offender)


def credited(account: Address, amount: int) -> ev.DepositCredited:
    return ev.DepositCredited(*place(3), account, amount)


def slashed(account: Address, amount: int) -> ev.IdentitySlashed:
    return ev.IdentitySlashed(*place(3), account, 1, amount)


VOIDED = ev.RoundVoided(*place(3), 1, HASH, HASH)
CONVICTED = [
    CHALLENGED,
    decided(DisputeOutcome.PROVEN, ALICE),
    slashed(ALICE, 100),
    credited(WATCHER, 30),  # the cap; half would be 50
    credited(BOB, 17),  # of the participants' pot of 35 each half, rounded down
    credited(CAROL, 17),
    VOIDED,
    credited(WATCHER, 7),
]


@pytest.mark.parametrize(
    ("events", "pool", "deposits"),
    [
        (CONVICTED, 50 + 100 - 30 - 34, {WATCHER: 37, BOB: 17, CAROL: 17}),
        ([CHALLENGED, decided(DisputeOutcome.FAILED)], 7, {}),
        ([CHALLENGED, decided(DisputeOutcome.MOOT), credited(WATCHER, 7)], 0, {WATCHER: 7}),
        (
            [
                CHALLENGED,
                ev.CiphertextRevealed(*place(3), 1, CAROL, b"x"),
                decided(DisputeOutcome.FAILED),
                credited(CAROL, 7),
            ],
            0,
            {CAROL: 7},
        ),
        (
            [
                decided(DisputeOutcome.PROVEN, BOB, DisputeKind.EQUIVOCATION),
                slashed(BOB, 10),
                credited(WATCHER, 5),
                credited(CAROL, 5),  # not the one who did it
                VOIDED,
                credited(WATCHER, 7),
            ],
            50,
            {WATCHER: 12, CAROL: 5},
        ),
        ([ev.StakeReleased(*place(3), BOB, 10), credited(BOB, 10)], 0, {BOB: 10}),
    ],
    ids=["convicted", "failed", "moot", "answered", "equivocation", "released"],
)
def test_where_bonds_and_stakes_go(events: list[ev.LedgerEvent], pool: int, deposits: dict[Address, int]) -> None:
    account = replay_rewards([*MEMBERS, *events], RULES)
    assert (account.pool, account.deposits) == (pool, deposits)
    assert account.bonds == 0
    assert account.paid_in == account.accounted


@pytest.mark.parametrize("left_out", range(3, len(CONVICTED)))
def test_a_conviction_that_pays_otherwise(left_out: int) -> None:
    short = [event for place, event in enumerate(CONVICTED) if place != left_out]
    if isinstance(CONVICTED[left_out], ev.RoundVoided):
        assert replay_rewards([*MEMBERS, *short], RULES).reserved == 50  # the round's own checks find that
        return
    with pytest.raises(DiscrepancyError):
        replay_rewards([*MEMBERS, *short], RULES)


FUNDED = ev.RewardsFunded(*PLACE, ALICE, 100)
CREDITED = [FUNDED, opened(1, 50), ev.RewardCredited(*place(2, 100), 1, BOB, 7), ev.RoundSettled(*place(2, 100), 1, 7)]


@pytest.mark.parametrize(
    "events",
    [
        [opened(1, 5)],
        [FUNDED, opened(1, 50), ev.RoundSettled(*PLACE, 1, 7)],
        [FUNDED, ev.RewardClaimed(*PLACE, BOB, 100)],
        [*CREDITED, ev.RewardExpired(*place(3, 109), BOB, 7)],
        [*CREDITED, ev.RewardExpired(*place(3, 110), BOB, 8)],
        [*CREDITED, ev.RewardExpired(*place(3, 110), CAROL, 7)],
        [FUNDED, credited(BOB, 1)],
        [*MEMBERS, ev.StakeReleased(*place(3), BOB, 10)],
        [*MEMBERS, ev.StakeReleased(*place(3), BOB, 10), credited(CAROL, 10)],
    ],
    ids=[
        "more than the pool holds",
        "settled without credits",
        "claimed without a credit",
        "expired too early",
        "expired more than there was",
        "expired without a reward",
        "a deposit out of nothing",
        "a stake released to nobody",
        "a stake released to another",
    ],
)
def test_money_that_cannot_be(events: list[ev.LedgerEvent]) -> None:
    with pytest.raises(DiscrepancyError):
        replay_rewards(events, RULES)
