"""What the three state machines share: events that are not from the chain, and the table lookup.

A machine is pure: it takes events and holds a state; each *acting* state wants one command carried out, each
*waiting* state wants nothing. Commands are idempotent, so after a crash a node replays the chain's events and simply
carries out what the state it arrives at wants. The transitions are data: see ``TRANSITIONS`` in each machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from fedtrust.errors import RoundError
from fedtrust.ledger.types import Address

State = TypeVar("State", bound=Enum)
Trigger = TypeVar("Trigger", bound=Enum)


@dataclass(frozen=True, slots=True)
class Clock:
    """The chain's present, in seconds."""

    now: int


@dataclass(frozen=True, slots=True)
class UpdateAccepted:
    """The aggregator admitted and stored a participant's update."""

    round: int
    participant: Address


@dataclass(frozen=True, slots=True)
class PartialAccepted:
    """The aggregator verified and stored a trustee's partial decryption."""

    round: int
    trustee: Address


@dataclass(frozen=True, slots=True)
class StepDone:
    """The node carried out the step the state asked for and stored what came of it."""

    round: int


@dataclass(frozen=True, slots=True)
class StepRefused:
    """The node found a reason not to go on with this round; it sits the round out."""

    round: int
    reason: str


class Table(Generic[State, Trigger]):
    """Transitions as data: ``(state, trigger) -> next state``. A missing row means the trigger changes nothing."""

    def __init__(self, rows: Mapping[tuple[State, Trigger], State]) -> None:
        """Take the rows as they are."""
        self._rows = dict(rows)

    @property
    def rows(self) -> Mapping[tuple[State, Trigger], State]:
        """The rows, for documentation and tests."""
        return dict(self._rows)

    def next(self, state: State, trigger: Trigger) -> State | None:
        """Return the next state, or None if there is no such row."""
        return self._rows.get((state, trigger))

    def require(self, state: State, trigger: Trigger) -> State:
        """Return the next state; raises RoundError if there is no such row."""
        target = self.next(state, trigger)
        if target is None:
            allowed = sorted(s.name for s, t in self._rows if t is trigger)
            raise RoundError(f"{trigger.name} is not possible now", expected=allowed, got=state.name)
        return target
