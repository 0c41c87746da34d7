"""The event log as an auditor uses it: what is wrong with it, each round's part, and who was registered when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from fedtrust.audit.identities import IdentityLog, Position, name_of, position
from fedtrust.errors import FedtrustError
from fedtrust.ledger.events import (
    AggregateChallenged,
    AvailabilityChallenged,
    CiphertextRevealed,
    DisputeDecided,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundTakenOver,
    RoundVoided,
)
from fedtrust.ledger.types import Address, FederationConfig
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.registry import IdentityEvent
from fedtrust.protocol.reputation import ReputationHistory

E = TypeVar("E", bound=LedgerEvent)
Challenge = AggregateChallenged | AvailabilityChallenged


class Timeline:
    """The events in the order in which they were read.

    ``problems`` says what no honest log contains; ``sound`` are the events without those that could not have
    happened where they stand (a step of a round that nobody opened), so that the rest can still be checked.
    """

    def __init__(self, events: Sequence[LedgerEvent], config: FederationConfig) -> None:
        """Read the log once."""
        self.problems: list[str] = []
        self.sound: list[LedgerEvent] = []
        self.identities = IdentityLog(config)
        self.challenges: dict[int, Challenge] = {}
        self._by_round: dict[int, list[LedgerEvent]] = {}
        self._ended: set[int] = set()
        self._model_rounds: list[tuple[Position, int]] = []
        previous: LedgerEvent | None = None
        for event in events:
            if previous is not None:
                self._check_place(previous, event)
            previous = event
            if self._admits(event):
                self.sound.append(event)
        self.history = FederationHistory(self.sound, deployed_block=config.deployed_block)
        self.reputations, self.reputation_error = _count(self.sound)

    @property
    def opened_rounds(self) -> tuple[int, ...]:
        """The rounds that were opened, in order."""
        return tuple(self._by_round)

    def of_round(self, number: int) -> tuple[LedgerEvent, ...]:
        """Return the events of one round, from its opening on; none if it was never opened."""
        return tuple(self._by_round.get(number, ()))

    def aggregator(self, number: int, at: LedgerEvent) -> Address | None:
        """Return the aggregator that ran a round when ``at`` happened, or None if it was not open."""
        runs: Address | None = None
        for event in self.of_round(number):
            if position(event) > position(at):
                break
            if isinstance(event, (RoundOpened, RoundTakenOver)):
                runs = event.aggregator
        return runs

    def model_round(self, at: LedgerEvent | None = None) -> int:
        """Return the round whose model was the current one just before ``at``, or now; 0 for the first model."""
        found = 0
        for place, number in self._model_rounds:
            if at is not None and place >= position(at):
                break
            found = number
        return found

    def beside(self, event: LedgerEvent) -> tuple[LedgerEvent, ...]:
        """Return the sound events of the transaction that ``event`` belongs to."""
        there = (event.block, event.transaction)
        return tuple(e for e in self.sound if (e.block, e.transaction) == there)

    def _check_place(self, previous: LedgerEvent, event: LedgerEvent) -> None:
        if position(previous) >= position(event):
            self.problems.append(f"{name_of(event)} stands before {name_of(previous)}, which the log puts first")
        same_block = previous.block == event.block
        if event.timestamp < previous.timestamp or (same_block and event.timestamp != previous.timestamp):
            self.problems.append(f"{name_of(event)} has an impossible timestamp")

    def _admits(self, event: LedgerEvent) -> bool:
        """Sort an event in; False if it cannot have happened where it stands."""
        if isinstance(event, CiphertextRevealed):
            return self._admits_dispute(event, event.dispute)
        number: int | None = getattr(event, "round", None)
        if isinstance(event, RoundOpened):
            if event.round in self._by_round:
                self.problems.append(f"{name_of(event)} opens round {event.round} again")
                return False
            self._check_opening(event)
            self._by_round[event.round] = [event]
            self.identities.open_round(event)
            return True
        if number is not None and number not in self._by_round:
            self.problems.append(f"{name_of(event)} belongs to round {number}, which was not open then")
            return False
        if isinstance(event, DisputeDecided) and event.dispute and not self._admits_dispute(event, event.dispute):
            return False
        if isinstance(event, IdentityEvent) and not self.identities.fold(event):
            self.problems.append(f"{name_of(event)} is about {event.account}, which nobody admitted")
            return False
        if isinstance(event, Challenge) and not self._opens_dispute(event):
            return False
        if number is not None:
            self._by_round[number].append(event)
            if isinstance(event, (RoundFinalized, RoundAborted, RoundVoided)):
                self._ended.add(number)
                self._follow_model(event)
        return True

    def _follow_model(self, event: RoundFinalized | RoundAborted | RoundVoided) -> None:
        """A result becomes the current model; a voided one gives way to its base, unless it had before."""
        if isinstance(event, RoundFinalized):
            self._model_rounds.append((position(event), event.round))
        finalized = first(self.of_round(event.round), RoundFinalized)
        if isinstance(event, RoundVoided) and finalized is not None and event.round in self._line():
            self._model_rounds.append((position(event), self._base(event.round)))

    def _line(self) -> set[int]:
        """The rounds that the current model was made from."""
        line: set[int] = set()
        number = self.model_round()
        while number and number not in line:
            line.add(number)
            number = self._base(number)
        return line

    def _base(self, number: int) -> int:
        opened = first(self.of_round(number), RoundOpened)
        return 0 if opened is None else opened.base_round

    def _opens_dispute(self, event: Challenge) -> bool:
        if event.dispute != len(self.challenges) + 1:
            self.problems.append(f"{name_of(event)} opens dispute {event.dispute} after {len(self.challenges)}")
        if event.dispute in self.challenges:
            return False
        self.challenges[event.dispute] = event
        return True

    def _admits_dispute(self, event: LedgerEvent, dispute: int) -> bool:
        if dispute not in self.challenges:
            self.problems.append(f"{name_of(event)} belongs to dispute {dispute}, which was not open then")
            return False
        return True

    def _check_opening(self, event: RoundOpened) -> None:
        last = max(self._by_round, default=0)
        if event.round != last + 1:
            self.problems.append(f"{name_of(event)} opens round {event.round} after round {last}")
        if last and last not in self._ended:
            self.problems.append(f"{name_of(event)} opens round {event.round} while round {last} is still running")


def of_type(events: Sequence[LedgerEvent], kind: type[E]) -> tuple[E, ...]:
    """Return the events of one type, in order."""
    return tuple(event for event in events if isinstance(event, kind))


def first(events: Sequence[LedgerEvent], kind: type[E]) -> E | None:
    """Return the first event of one type, or None."""
    return next(iter(of_type(events, kind)), None)


def _count(events: Sequence[LedgerEvent]) -> tuple[ReputationHistory, FedtrustError | None]:
    """Return the counters, and what stopped the counting: an event that no contract emits."""
    counted = ReputationHistory()
    try:
        for event in events:
            counted.fold(event)
    except FedtrustError as error:
        return counted, error
    return counted, None
