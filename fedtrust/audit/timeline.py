"""The event log as an auditor uses it: what is wrong with it, each round's part, and who was registered when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from fedtrust.ledger.events import (
    IdentityRegistered,
    IdentityRevoked,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
)
from fedtrust.ledger.types import Address, Role
from fedtrust.protocol.history import FederationHistory

E = TypeVar("E", bound=LedgerEvent)


class Timeline:
    """The events in the order in which they were read.

    ``problems`` says what no honest log contains; ``sound`` are the events without those that could not have
    happened where they stand (a step of a round that nobody opened), so that the rest can still be checked.
    """

    def __init__(self, events: Sequence[LedgerEvent]) -> None:
        """Read the log once."""
        self.problems: list[str] = []
        self.sound: list[LedgerEvent] = []
        self._by_round: dict[int, list[LedgerEvent]] = {}
        self._registrations: list[IdentityRegistered | IdentityRevoked] = []
        self._ended: set[int] = set()
        previous: LedgerEvent | None = None
        for event in events:
            if previous is not None:
                self._check_place(previous, event)
            previous = event
            if self._admits(event):
                self.sound.append(event)
        self.history = FederationHistory(self.sound)

    @property
    def opened_rounds(self) -> tuple[int, ...]:
        """The rounds that were opened, in order."""
        return tuple(self._by_round)

    def of_round(self, number: int) -> tuple[LedgerEvent, ...]:
        """Return the events of one round, from its opening on; none if it was never opened."""
        return tuple(self._by_round.get(number, ()))

    def active(self, account: Address, role: Role, at: LedgerEvent) -> bool:
        """Return whether ``account`` was registered for ``role`` and not revoked when ``at`` happened."""
        state = False
        for event in self._registrations:
            if (event.block, event.log_index) >= (at.block, at.log_index):
                break
            if event.account == account:
                state = isinstance(event, IdentityRegistered) and event.role is role
        return state

    def _check_place(self, previous: LedgerEvent, event: LedgerEvent) -> None:
        if (previous.block, previous.log_index) >= (event.block, event.log_index):
            self.problems.append(f"{_name(event)} stands before {_name(previous)}, which the log puts first")
        same_block = previous.block == event.block
        if event.timestamp < previous.timestamp or (same_block and event.timestamp != previous.timestamp):
            self.problems.append(f"{_name(event)} has an impossible timestamp")

    def _admits(self, event: LedgerEvent) -> bool:
        """Sort an event in; False if it cannot have happened where it stands."""
        number: int | None = getattr(event, "round", None)
        match event:
            case IdentityRegistered():
                self._registrations.append(event)
            case IdentityRevoked():
                known = any(e.account == event.account for e in self._registrations)
                if not known:
                    self.problems.append(f"{_name(event)} revokes an account that was never registered")
                    return False
                self._registrations.append(event)
            case RoundOpened():
                if event.round in self._by_round:
                    self.problems.append(f"{_name(event)} opens round {event.round} again")
                    return False
                self._check_opening(event)
                self._by_round[event.round] = [event]
            case _ if number is not None:
                if number not in self._by_round:
                    self.problems.append(f"{_name(event)} belongs to round {number}, which was not open then")
                    return False
                self._by_round[number].append(event)
                if isinstance(event, (RoundFinalized, RoundAborted)):
                    self._ended.add(number)
        return True

    def _check_opening(self, event: RoundOpened) -> None:
        last = max(self._by_round, default=0)
        if event.round != last + 1:
            self.problems.append(f"{_name(event)} opens round {event.round} after round {last}")
        if last and last not in self._ended:
            self.problems.append(f"{_name(event)} opens round {event.round} while round {last} is still running")


def of_type(events: Sequence[LedgerEvent], kind: type[E]) -> tuple[E, ...]:
    """Return the events of one type, in order."""
    return tuple(event for event in events if isinstance(event, kind))


def first(events: Sequence[LedgerEvent], kind: type[E]) -> E | None:
    """Return the first event of one type, or None."""
    return next(iter(of_type(events, kind)), None)


def _name(event: LedgerEvent) -> str:
    return f"{type(event).__name__} in block {event.block}, log {event.log_index}"
