"""The counters that the contract keeps of every identity, and who earned in a round: folded from the events alone.

Counters belong to a role and an index, not to an account, so they survive rotations. The rules are those of
``contracts/rounds``: what is counted when, and for whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fedtrust.errors import RoundError
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    CommitsClosed,
    IdentityRegistered,
    IdentityRotated,
    IdentitySlashed,
    LedgerEvent,
    ParticipantResumed,
    RoundAborted,
    RoundOpened,
    RoundSettled,
    RoundTakenOver,
    UpdateCommitted,
)
from fedtrust.ledger.types import AbortReason, Address, Reputation, Role, members
from fedtrust.rules.payout import Earner

Seat = tuple[Role, int]
"""A role and the index in it."""

NOTHING = Reputation(accepted=0, late=0, missed=0, slashed=0, attested=0, missed_in_a_row=0)
"""The counters of an identity that did nothing yet."""

_MOST_IN_A_ROW = 255  # the contract counts them in a byte
_MISSED_BY_AGGREGATOR = (AbortReason.AGGREGATE_DEADLINE_MISSED, AbortReason.FINALIZE_DEADLINE_MISSED)


@dataclass(frozen=True, slots=True)
class Settlement:
    """Who earned in a settled round, by index: accounts as of the settlement, counters as of just before it."""

    accepted: tuple[Earner, ...]
    attested: tuple[Earner, ...]
    aggregator: Address


@dataclass(slots=True)
class _Round:
    aggregator: Address
    selected: int
    committed: int = 0
    accepted: int = 0
    attested: int = 0


class ReputationHistory:
    """A fold over the contract's events, in chain order. Raises RoundError on events that no contract emits."""

    def __init__(self, events: Iterable[LedgerEvent] = ()) -> None:
        """Fold ``events``."""
        self._counters: dict[Seat, Reputation] = {}
        self._seats: dict[Address, Seat] = {}
        self._holders: dict[Seat, Address] = {}
        self._rounds: dict[int, _Round] = {}
        self._settlements: dict[int, Settlement] = {}
        for event in events:
            self.fold(event)

    @property
    def counters(self) -> Mapping[Seat, Reputation]:
        """The counters of everybody that ever registered."""
        return {seat: self._counters.get(seat, NOTHING) for seat in self._holders}

    def of(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``."""
        return self._counters.get((role, index), NOTHING)

    def settlement(self, round: int) -> Settlement:
        """Return who earned in ``round``. Raises RoundError if it is not settled."""
        if round not in self._settlements:
            raise RoundError(f"round {round} is not settled: nobody has earned anything in it yet", got=round)
        return self._settlements[round]

    def fold(self, event: LedgerEvent) -> None:
        """Fold one more event."""
        match event:
            case IdentityRegistered():
                self._seat(event.account, (event.role, event.index))
            case IdentityRotated():
                self._seat(event.new_account, (event.role, event.index))
            case IdentitySlashed():
                seat = self._seat_of(event.account)
                self._counters[seat] = replace(self.of(*seat), slashed=self.of(*seat).slashed + 1)
            case ParticipantResumed():
                seat = self._seat_of(event.account)
                self._counters[seat] = replace(self.of(*seat), missed_in_a_row=0)
            case RoundOpened():
                self._rounds[event.round] = _Round(event.aggregator, event.selected)
            case UpdateCommitted():
                self._round(event.round).committed |= 1 << self._seat_of(event.participant)[1]
            case CommitsClosed():
                self._miss_selections(self._round(event.round))
            case RoundTakenOver():
                taken = self._round(event.round)
                self._miss(self._seat_of(taken.aggregator))
                taken.aggregator = event.aggregator
            case AggregateCommitted():
                self._fix_accepted(self._round(event.round), event.accepted)
            case Attested():
                self._round(event.round).attested |= 1 << self._seat_of(event.trustee)[1]
            case RoundAborted():
                self._abort(self._round(event.round), event.reason)
            case RoundSettled():
                self._settle(event.round)
            case _:
                pass

    def _seat(self, account: Address, seat: Seat) -> None:
        self._seats[account] = seat
        self._holders[seat] = account

    def _seat_of(self, account: Address) -> Seat:
        if account not in self._seats:
            raise RoundError(f"{account} did something before it was registered", got=account)
        return self._seats[account]

    def _round(self, number: int) -> _Round:
        if number not in self._rounds:
            raise RoundError(f"something happened in round {number} before it was opened", got=number)
        return self._rounds[number]

    def _miss(self, seat: Seat) -> None:
        before = self.of(*seat)
        in_a_row = before.missed_in_a_row
        if seat[0] is Role.PARTICIPANT:
            in_a_row = min(in_a_row + 1, _MOST_IN_A_ROW)
        self._counters[seat] = replace(before, missed=before.missed + 1, missed_in_a_row=in_a_row)

    def _miss_selections(self, current: _Round) -> None:
        for index in members(current.selected & ~current.committed):
            self._miss((Role.PARTICIPANT, index))

    def _fix_accepted(self, current: _Round, accepted: int) -> None:
        current.accepted = accepted
        for index in members(current.committed & ~accepted):
            before = self.of(Role.PARTICIPANT, index)
            self._counters[Role.PARTICIPANT, index] = replace(before, late=before.late + 1)

    def _abort(self, current: _Round, reason: AbortReason) -> None:
        if reason is AbortReason.COMMIT_QUORUM_MISSED:
            self._miss_selections(current)
        elif reason in _MISSED_BY_AGGREGATOR:
            self._miss(self._seat_of(current.aggregator))

    def _settle(self, number: int) -> None:
        current = self._round(number)
        accepted = [(Role.PARTICIPANT, index) for index in members(current.accepted)]
        attested = [(Role.TRUSTEE, index) for index in members(current.attested)]
        aggregator = self._seat_of(current.aggregator)
        for seat in (*accepted, *attested):
            if seat not in self._holders:
                raise RoundError(f"round {number} counts a {seat[0].name.lower()} that is not registered", got=seat[1])
        self._settlements[number] = Settlement(
            accepted=tuple(Earner(self._holders[seat], self.of(*seat)) for seat in accepted),
            attested=tuple(Earner(self._holders[seat], self.of(*seat)) for seat in attested),
            aggregator=self._holders[aggregator],
        )
        for seat in (*accepted, *attested, aggregator):
            before = self.of(*seat)
            kept = {"attested": before.attested + 1} if seat[0] is Role.TRUSTEE else {"accepted": before.accepted + 1}
            self._counters[seat] = replace(before, **kept, missed_in_a_row=0)
