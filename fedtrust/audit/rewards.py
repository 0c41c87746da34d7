"""The money of a federation, replayed from its events: nothing appears, nothing is lost.

Money is where the contract has it: in the pool, reserved for rounds, staked, deposited as bonds, claimable, or claimed.
A transaction may free a stake or a bond and credit parts of it; what it credits to nobody goes into the pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile

from fedtrust.audit.evidence import describe, require_equal
from fedtrust.ledger.events import (
    AggregateChallenged,
    AggregateCommitted,
    AvailabilityChallenged,
    CiphertextRevealed,
    DepositCredited,
    DisputeDecided,
    IdentityRegistered,
    IdentityRotated,
    IdentitySlashed,
    LedgerEvent,
    RewardClaimed,
    RewardCredited,
    RewardExpired,
    RewardsFunded,
    RoundAborted,
    RoundOpened,
    RoundSettled,
    RoundVoided,
    StakeReleased,
    UpdateCommitted,
)
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    Address,
    DisputeOutcome,
    FederationConfig,
    Role,
    members,
)
from fedtrust.rules.payout import BASIS_POINTS


@dataclass(slots=True)
class RewardAccount:
    """Where the money is. ``paid_in`` is all that ever came: funded, staked, deposited as bonds."""

    paid_in: int = 0
    pool: int = 0
    staked: int = 0
    bonds: int = 0
    claimed: int = 0
    rewards: dict[Address, int] = field(default_factory=dict)
    expires: dict[Address, int] = field(default_factory=dict)
    deposits: dict[Address, int] = field(default_factory=dict)
    by_round: dict[int, int] = field(default_factory=dict)

    @property
    def reserved(self) -> int:
        """What is reserved for rounds that were neither settled, aborted nor voided."""
        return sum(self.by_round.values())

    @property
    def claimable(self) -> dict[Address, int]:
        """What each account may withdraw, of those that were ever credited."""
        accounts = self.rewards.keys() | self.deposits.keys()
        return {account: self.rewards.get(account, 0) + self.deposits.get(account, 0) for account in sorted(accounts)}

    @property
    def owed(self) -> int:
        """What all may withdraw together."""
        return sum(self.rewards.values()) + sum(self.deposits.values())

    @property
    def accounted(self) -> int:
        """All that is anywhere; equal to ``paid_in``."""
        return self.pool + self.reserved + self.staked + self.bonds + self.owed + self.claimed


@dataclass(slots=True)
class _Places:
    """What the compensation of a conviction depends on."""

    seats: dict[Address, tuple[Role, int]] = field(default_factory=dict)
    holders: dict[tuple[Role, int], Address] = field(default_factory=dict)
    committed: Counter[int] = field(default_factory=Counter)
    accepted: dict[int, int] = field(default_factory=dict)
    rewards: dict[int, int] = field(default_factory=dict)
    challengers: dict[int, Address] = field(default_factory=dict)

    def note(self, event: LedgerEvent) -> None:
        match event:
            case IdentityRegistered():
                self._seat(event.account, (event.role, event.index))
            case IdentityRotated():
                self._seat(event.new_account, (event.role, event.index))
            case RoundOpened():
                self.rewards[event.round] = event.reward
            case UpdateCommitted():
                self.committed[event.round] |= 1 << self.seats.get(event.participant, (Role.NONE, 0))[1]
            case AggregateCommitted():
                self.accepted[event.round] = event.accepted
            case AggregateChallenged() | AvailabilityChallenged():
                self.challengers[event.dispute] = event.challenger
            case _:
                pass

    def _seat(self, account: Address, seat: tuple[Role, int]) -> None:
        self.seats[account] = seat
        self.holders[seat] = account

    def harmed(self, round: int, offender: Address) -> list[Address]:
        """Return who lost its work in a round that ``offender`` is convicted for."""
        bitmap = self.accepted.get(round, 0) or self.committed[round]
        role, index = self.seats.get(offender, (Role.NONE, 0))
        if role is Role.PARTICIPANT:
            bitmap &= ~(1 << index)
        seats = [(Role.PARTICIPANT, index) for index in members(bitmap)]
        return [self.holders[seat] for seat in seats if seat in self.holders]


def replay_rewards(events: Sequence[LedgerEvent], config: FederationConfig) -> RewardAccount:
    """Replay the contract's rules about money.

    Raises DiscrepancyError where an event moves another amount than the rules say.
    """
    replay = _Replay(config)
    for _, transaction in groupby(events, key=lambda event: (event.block, event.transaction)):
        replay.run(tuple(transaction))
    return replay.account


class _Replay:
    """One transaction after the other."""

    def __init__(self, config: FederationConfig) -> None:
        self.account = RewardAccount()
        self._config = config
        self._places = _Places()
        self._credited: Counter[int] = Counter()

    def run(self, transaction: Sequence[LedgerEvent]) -> None:
        """Replay the events of one transaction."""
        due: Counter[Address] = Counter()
        found: Counter[Address] = Counter()
        freed = 0
        for place, event in enumerate(transaction):
            self._places.note(event)
            self._move(event)
            match event:
                case StakeReleased():
                    freed += event.amount
                    self.account.staked -= event.amount
                    due[event.account] += event.amount
                case DisputeDecided():
                    freed += self._free_bond(event)
                    due.update(self._decided(event, transaction[:place], transaction[place + 1 :]))
                case IdentitySlashed():
                    freed += event.amount
                    self.account.staked -= event.amount
                case DepositCredited():
                    found[event.account] += event.amount
                    self.account.deposits[event.account] = self.account.deposits.get(event.account, 0) + event.amount
                case _:
                    pass
        due, found = +due, +found  # a credit of zero leaves no trace
        if due != found:
            first = transaction[0]
            require_equal(f"what was credited beside rewards in block {first.block}", _text(due), _text(found))
        self.account.pool += freed - sum(found.values())

    def _free_bond(self, event: DisputeDecided) -> int:
        bond = self._config.dispute_bond
        if event.dispute:
            self.account.bonds -= bond
        else:  # taken and given back at once
            self.account.paid_in += bond
        return bond

    def _decided(
        self, event: DisputeDecided, before: Sequence[LedgerEvent], after: Sequence[LedgerEvent]
    ) -> Counter[Address]:
        """Return who gets what of the bond, and of what was slashed, from what stands beside a decision."""
        due: Counter[Address] = Counter()
        bond = self._config.dispute_bond
        revealed = [e for e in before if isinstance(e, CiphertextRevealed) and e.dispute == event.dispute]
        if event.outcome in (DisputeOutcome.PROVEN, DisputeOutcome.MOOT):
            due[event.challenger] += bond
        elif revealed:
            due[revealed[0].sender] += bond
        if event.outcome is not DisputeOutcome.PROVEN or event.offender == ZERO_ADDRESS:
            return due
        own = takewhile(lambda e: not isinstance(e, DisputeDecided), after)  # one transaction may decide several
        slashed = sum(e.amount for e in own if isinstance(e, IdentitySlashed))
        reward = min(slashed // 2, self._config.challenger_reward_cap)
        due[event.challenger] += reward
        harmed = self._places.harmed(event.round, event.offender)
        if harmed:
            pot = self._places.rewards.get(event.round, 0) * self._config.participant_basis_points // BASIS_POINTS
            each = min(pot, slashed - reward) // len(harmed)
            for account in harmed:
                due[account] += each
        return due

    def _move(self, event: LedgerEvent) -> None:
        """Move what needs no look at the rest of its transaction."""
        account = self.account
        match event:
            case IdentityRegistered():
                account.paid_in += event.stake
                account.staked += event.stake
            case AggregateChallenged() | AvailabilityChallenged():
                account.paid_in += self._config.dispute_bond
                account.bonds += self._config.dispute_bond
            case RewardsFunded():
                account.paid_in += event.amount
                account.pool += event.amount
            case RoundOpened():
                reward = min(account.pool, self._config.round_reward)
                require_equal(f"round {event.round}: the reward", reward, event.reward)
                account.pool -= event.reward
                account.by_round[event.round] = event.reward
            case RoundAborted() | RoundVoided():
                account.pool += account.by_round.pop(event.round, 0)
            case RewardCredited():
                self._credited[event.round] += event.amount
                account.rewards[event.account] = account.rewards.get(event.account, 0) + event.amount
                account.expires[event.account] = event.timestamp + self._config.claim_seconds
            case RoundSettled():
                paid = self._credited[event.round]
                require_equal(f"round {event.round}: the sum of its credits", paid, event.credited)
                account.pool += account.by_round.pop(event.round, 0) - paid
            case RewardClaimed():
                owed = account.rewards.pop(event.account, 0) + account.deposits.pop(event.account, 0)
                require_equal(f"the claim of {event.account}", owed, event.amount)
                account.expires.pop(event.account, None)
                account.claimed += event.amount
            case RewardExpired():
                expired = account.rewards.pop(event.account, 0)
                require_equal(f"the expired reward of {event.account}", expired, event.amount)
                due = account.expires.pop(event.account, event.timestamp + 1)
                if event.timestamp < due:
                    require_equal(f"when the reward of {event.account} expires", f"from {due} on", event.timestamp)
                account.pool += event.amount
            case _:
                pass


def _text(amounts: Counter[Address]) -> str:
    return describe([f"{account} {amount}" for account, amount in sorted(amounts.items())])
