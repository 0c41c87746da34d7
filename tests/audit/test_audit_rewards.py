"""The replay of the money: the contract's events always add up, and no other events do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.audit.evidence import DiscrepancyError
from fedtrust.audit.rewards import replay_rewards
from fedtrust.ledger import events as ev
from fedtrust.ledger.types import AbortReason, Address, Deadlines

ALICE, BOB = Address("0x" + "a" * 40), Address("0x" + "b" * 40)
PLACE = (1, 0, 0, bytes(32))


def opened(round: int, reward: int) -> ev.RoundOpened:
    return ev.RoundOpened(*PLACE, round, ALICE, bytes(32), bytes(32), 3, 2, 1, Deadlines(1, 2, 3), reward)


@settings(max_examples=100, deadline=None)
@given(
    round_reward=st.integers(0, 1000),
    steps=st.lists(
        st.tuples(st.sampled_from(["fund", "settle", "abort", "claim", "open"]), st.integers(0, 900)), max_size=20
    ),
)
def test_no_wei_appears_and_none_is_lost(round_reward: int, steps: list[tuple[str, int]]) -> None:
    events: list[ev.LedgerEvent] = []
    pool, owed, round = 0, 0, 0
    for kind, amount in steps:
        if kind == "fund":
            pool += amount
            events.append(ev.RewardsFunded(*PLACE, ALICE, amount))
            continue
        if kind == "claim":
            events.append(ev.RewardClaimed(*PLACE, BOB, owed))
            owed = 0
            continue
        round, reward = round + 1, min(pool, round_reward)
        pool -= reward
        events.append(opened(round, reward))
        if kind == "abort":
            pool += reward
            events.append(ev.RoundAborted(*PLACE, round, AbortReason.COMMIT_QUORUM_MISSED, bytes(32)))
        elif kind == "settle":
            credited = reward * amount // 1000
            pool, owed = pool + reward - credited, owed + credited
            events.append(ev.RewardCredited(*PLACE, round, BOB, credited))
            events.append(ev.RoundSettled(*PLACE, round, credited))
    account = replay_rewards(events, round_reward)
    assert (account.pool, account.claimable.get(BOB, 0)) == (pool, owed)
    assert account.funded == account.pool + account.reserved + sum(account.claimable.values()) + account.claimed


@pytest.mark.parametrize(
    "events",
    [
        [opened(1, 5)],
        [ev.RewardsFunded(*PLACE, ALICE, 100), opened(1, 50), ev.RoundSettled(*PLACE, 1, 7)],
        [ev.RewardsFunded(*PLACE, ALICE, 100), ev.RewardClaimed(*PLACE, BOB, 100)],
    ],
    ids=["more than the pool holds", "settled without credits", "claimed without a credit"],
)
def test_money_that_cannot_be(events: list[ev.LedgerEvent]) -> None:
    with pytest.raises(DiscrepancyError):
        replay_rewards(events, 50)
