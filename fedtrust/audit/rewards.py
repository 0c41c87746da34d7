"""The money of a federation, replayed from its events: no wei appears, none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedtrust.audit.evidence import require_equal
from fedtrust.ledger.events import (
    LedgerEvent,
    RewardClaimed,
    RewardCredited,
    RewardsFunded,
    RoundAborted,
    RoundOpened,
    RoundSettled,
)
from fedtrust.ledger.types import Address


@dataclass(slots=True)
class RewardAccount:
    """Where the funded wei are."""

    funded: int = 0
    pool: int = 0
    claimed: int = 0
    claimable: dict[Address, int] = field(default_factory=dict)
    by_round: dict[int, int] = field(default_factory=dict)

    @property
    def reserved(self) -> int:
        """The wei reserved for rounds that were neither settled nor aborted."""
        return sum(self.by_round.values())


def replay_rewards(events: Sequence[LedgerEvent], round_reward: int) -> RewardAccount:
    """Replay the contract's rules: a round reserves what the pool can give, up to ``round_reward``.

    Raises DiscrepancyError where an event moves another amount than the rules say.
    """
    account = RewardAccount()
    credited: dict[int, int] = {}
    for event in events:
        match event:
            case RewardsFunded():
                account.funded += event.amount
                account.pool += event.amount
            case RoundOpened():
                require_equal(f"round {event.round}: the reward", min(account.pool, round_reward), event.reward)
                account.pool -= event.reward
                account.by_round[event.round] = event.reward
            case RoundAborted():
                account.pool += account.by_round.pop(event.round, 0)
            case RewardCredited():
                credited[event.round] = credited.get(event.round, 0) + event.amount
                account.claimable[event.account] = account.claimable.get(event.account, 0) + event.amount
            case RoundSettled():
                paid = credited.get(event.round, 0)
                require_equal(f"round {event.round}: the sum of its credits", paid, event.credited)
                account.pool += account.by_round.pop(event.round, 0) - paid
            case RewardClaimed():
                owed = account.claimable.get(event.account, 0)
                require_equal(f"the claim of {event.account}", owed, event.amount)
                account.claimable[event.account] = 0
                account.claimed += event.amount
            case _:
                pass
    return account
