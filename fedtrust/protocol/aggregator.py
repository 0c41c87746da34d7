"""The aggregator's state machine: opens rounds, closes phases, aggregates, finalises, aborts, settles. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from fedtrust.errors import RoundError
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    CommitsClosed,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    UpdateCommitted,
)
from fedtrust.ledger.types import Address, Deadlines
from fedtrust.protocol.machine import Clock, PartialAccepted, Table, UpdateAccepted


class AggregatorState(Enum):
    """Acting states (OPENING, CLOSING, AGGREGATING, FINALISING, ABORTING) want a command; the others wait."""

    OPENING = auto()
    COMMIT = auto()
    CLOSING = auto()
    UPLOAD = auto()
    AGGREGATING = auto()
    DECRYPT = auto()
    FINALISING = auto()
    ABORTING = auto()
    FINISHED = auto()


class AggregatorTrigger(Enum):
    """What moves the machine: facts on chain, then conditions derived from facts and the clock."""

    ROUND_OPENED = auto()
    UPDATE_COMMITTED = auto()
    COMMITS_CLOSED = auto()
    AGGREGATE_COMMITTED = auto()
    ROUND_FINALIZED = auto()
    ROUND_ABORTED = auto()
    EVERYONE_COMMITTED = auto()
    COMMIT_TIME_OVER_WITH_QUORUM = auto()
    COMMIT_TIME_OVER_WITHOUT_QUORUM = auto()
    EVERYONE_UPLOADED = auto()
    UPLOAD_TIME_OVER_WITH_QUORUM = auto()
    AGGREGATE_TIME_OVER = auto()
    PARTIALS_SUFFICE = auto()
    FINALIZE_TIME_OVER = auto()
    ROUNDS_COMPLETE = auto()


S, T = AggregatorState, AggregatorTrigger

TRANSITIONS: Table[AggregatorState, AggregatorTrigger] = Table(
    {
        # facts on chain move the machine whatever it was about to do itself
        (S.OPENING, T.ROUND_OPENED): S.COMMIT,
        # a commitment in time that is seen only after the deadline: there may be a quorum after all
        (S.ABORTING, T.UPDATE_COMMITTED): S.COMMIT,
        (S.COMMIT, T.COMMITS_CLOSED): S.UPLOAD,
        (S.CLOSING, T.COMMITS_CLOSED): S.UPLOAD,
        (S.ABORTING, T.COMMITS_CLOSED): S.UPLOAD,
        (S.UPLOAD, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.AGGREGATING, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.ABORTING, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.DECRYPT, T.ROUND_FINALIZED): S.OPENING,
        (S.FINALISING, T.ROUND_FINALIZED): S.OPENING,
        (S.ABORTING, T.ROUND_FINALIZED): S.OPENING,
        (S.COMMIT, T.ROUND_ABORTED): S.OPENING,
        (S.CLOSING, T.ROUND_ABORTED): S.OPENING,
        (S.UPLOAD, T.ROUND_ABORTED): S.OPENING,
        (S.AGGREGATING, T.ROUND_ABORTED): S.OPENING,
        (S.DECRYPT, T.ROUND_ABORTED): S.OPENING,
        (S.FINALISING, T.ROUND_ABORTED): S.OPENING,
        (S.ABORTING, T.ROUND_ABORTED): S.OPENING,
        # conditions
        (S.COMMIT, T.EVERYONE_COMMITTED): S.CLOSING,
        (S.COMMIT, T.COMMIT_TIME_OVER_WITH_QUORUM): S.CLOSING,
        (S.COMMIT, T.COMMIT_TIME_OVER_WITHOUT_QUORUM): S.ABORTING,
        (S.CLOSING, T.AGGREGATE_TIME_OVER): S.ABORTING,
        (S.UPLOAD, T.EVERYONE_UPLOADED): S.AGGREGATING,
        (S.UPLOAD, T.UPLOAD_TIME_OVER_WITH_QUORUM): S.AGGREGATING,
        (S.UPLOAD, T.AGGREGATE_TIME_OVER): S.ABORTING,
        (S.AGGREGATING, T.AGGREGATE_TIME_OVER): S.ABORTING,
        (S.DECRYPT, T.PARTIALS_SUFFICE): S.FINALISING,
        (S.DECRYPT, T.FINALIZE_TIME_OVER): S.ABORTING,
        (S.FINALISING, T.FINALIZE_TIME_OVER): S.ABORTING,
        (S.OPENING, T.ROUNDS_COMPLETE): S.FINISHED,
    }
)


@dataclass(frozen=True, slots=True)
class OpenRound:
    """Fix the spec of ``round``, publish it, open the round on chain."""

    round: int


@dataclass(frozen=True, slots=True)
class CloseCommits:
    """Close the commit phase on chain."""

    round: int


@dataclass(frozen=True, slots=True)
class CommitAggregate:
    """Multiply the stored updates and commit the accepted set and the aggregate."""

    round: int


@dataclass(frozen=True, slots=True)
class FinalizeRound:
    """Combine these trustees' partials, prove, apply, commit the result."""

    round: int
    trustees: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class AbortRound:
    """Abort the round on chain."""

    round: int


@dataclass(frozen=True, slots=True)
class SettleRound:
    """Credit the rewards of a finalised round."""

    round: int


AggregatorCommand = OpenRound | CloseCommits | CommitAggregate | FinalizeRound | AbortRound | SettleRound


@dataclass(frozen=True, slots=True)
class AggregatorPlan:
    """What the operator asked for.

    ``rounds`` rounds are to be finalised; the machine gives up after ``max_aborts`` aborts in a row since its start.
    ``upload_margin`` seconds before the aggregate deadline it stops waiting for missing uploads;
    ``trustee_grace`` seconds after the threshold is met it stops waiting for the remaining ``trustees``.
    """

    rounds: int
    threshold: int
    trustees: int
    upload_margin: int = 10
    trustee_grace: int = 3
    max_aborts: int = 5


@dataclass(slots=True)
class _CurrentRound:
    number: int
    selected: int
    quorum: int
    deadlines: Deadlines
    committed: set[Address] = field(default_factory=set)
    uploaded: set[Address] = field(default_factory=set)
    attested: set[Address] = field(default_factory=set)
    partials: set[Address] = field(default_factory=set)
    threshold_met: int | None = None


class AggregatorMachine:
    """Folds events into a state; ``command`` is what the state wants done, ``chores`` what may be done beside it."""

    def __init__(self, plan: AggregatorPlan) -> None:
        """Start before round 1, with nothing known."""
        self.plan = plan
        self.state = AggregatorState.OPENING
        self.finalized = 0
        self.aborts_in_a_row = 0
        self._last_round = 0
        self._current: _CurrentRound | None = None
        self._unsettled: dict[int, int] = {}
        self._now = 0
        self._live = False

    @property
    def round(self) -> int:
        """The round in progress, or the last one."""
        return self._last_round

    @property
    def command(self) -> AggregatorCommand | None:
        """What the present state wants done, or None while it waits. Raises RoundError when giving up."""
        number = self._last_round
        match self.state:
            case AggregatorState.OPENING:
                if self.aborts_in_a_row >= self.plan.max_aborts:
                    raise RoundError(
                        f"{self.aborts_in_a_row} rounds in a row were aborted; giving up",
                        advice="look at the abort reasons on chain, then start the aggregator again",
                    )
                return OpenRound(number + 1)
            case AggregatorState.CLOSING:
                return CloseCommits(number)
            case AggregatorState.AGGREGATING:
                return CommitAggregate(number)
            case AggregatorState.FINALISING:
                current = self._require_current()
                return FinalizeRound(number, tuple(sorted(current.partials)))
            case AggregatorState.ABORTING:
                return AbortRound(number)
            case _:
                return None

    @property
    def chores(self) -> tuple[SettleRound, ...]:
        """Settlements that are due; they hold nothing up."""
        return tuple(SettleRound(r) for r, end in sorted(self._unsettled.items()) if self._now >= end)

    @property
    def done(self) -> bool:
        """Whether all rounds are finalised and settled."""
        return self.state is AggregatorState.FINISHED and not self._unsettled

    def handle(self, event: LedgerEvent | Clock | UpdateAccepted | PartialAccepted) -> None:
        """Fold one event. Events of other rounds than the current one change nothing."""
        if isinstance(event, LedgerEvent):
            self._now = max(self._now, event.timestamp)
        match event:
            case Clock(now=now):
                self._now = max(self._now, now)
                if not self._live:
                    # everything before the first Clock is history: who starts again has looked at those aborts
                    self._live, self.aborts_in_a_row = True, 0
            case RoundOpened():
                self._current = _CurrentRound(event.round, event.selected.bit_count(), event.quorum, event.deadlines)
                self._last_round = event.round
                self._fire(T.ROUND_OPENED)
            case RoundSettled():
                self._unsettled.pop(event.round, None)
            case _ if self._current is not None and getattr(event, "round", None) == self._current.number:
                self._fold(event, self._current)
            case _:
                pass
        self._derive()

    def _fold(self, event: object, current: _CurrentRound) -> None:
        match event:
            case UpdateCommitted():
                current.committed.add(event.participant)
                self._fire(T.UPDATE_COMMITTED)
            case CommitsClosed():
                self._fire(T.COMMITS_CLOSED)
            case UpdateAccepted():
                current.uploaded.add(event.participant)
            case AggregateCommitted():
                self._fire(T.AGGREGATE_COMMITTED)
            case Attested():
                current.attested.add(event.trustee)
            case PartialAccepted():
                current.partials.add(event.trustee)
            case RoundFinalized():
                self.finalized += 1
                self.aborts_in_a_row = 0
                self._unsettled[event.round] = event.challenge_end
                self._current = None
                self._fire(T.ROUND_FINALIZED)
            case RoundAborted():
                self.aborts_in_a_row += 1
                self._current = None
                self._fire(T.ROUND_ABORTED)
            case _:
                pass

    def _fire(self, trigger: AggregatorTrigger) -> None:
        self.state = TRANSITIONS.next(self.state, trigger) or self.state

    def _derive(self) -> None:
        """Fire every condition that holds until none moves the machine."""
        moved = True
        while moved:
            moved = False
            for trigger, holds in self._conditions():
                if holds():
                    target = TRANSITIONS.next(self.state, trigger)
                    if target is not None and target is not self.state:
                        self.state = target
                        moved = True
                        break

    def _conditions(self) -> tuple[tuple[AggregatorTrigger, Callable[[], bool]], ...]:
        current = self._current
        if current is None:
            return ((T.ROUNDS_COMPLETE, lambda: self.finalized >= self.plan.rounds),)
        limits, now = current.deadlines, self._now
        count, needed = len(current.partials), self.plan.threshold
        if count >= needed and current.threshold_met is None:
            current.threshold_met = now
        waited = current.threshold_met is not None and now >= current.threshold_met + self.plan.trustee_grace
        quorum_committed = len(current.committed) >= current.quorum
        quorum_uploaded = len(current.uploaded) >= current.quorum
        return (
            (T.AGGREGATE_TIME_OVER, lambda: now > limits.aggregate),
            (T.FINALIZE_TIME_OVER, lambda: now > limits.finalize),
            (T.EVERYONE_COMMITTED, lambda: len(current.committed) == current.selected),
            (T.COMMIT_TIME_OVER_WITH_QUORUM, lambda: now > limits.commit and quorum_committed),
            (T.COMMIT_TIME_OVER_WITHOUT_QUORUM, lambda: now > limits.commit and not quorum_committed),
            (T.EVERYONE_UPLOADED, lambda: current.uploaded >= current.committed),
            (
                T.UPLOAD_TIME_OVER_WITH_QUORUM,
                lambda: now > limits.aggregate - self.plan.upload_margin and quorum_uploaded,
            ),
            (
                T.PARTIALS_SUFFICE,
                lambda: count >= needed and (count >= self.plan.trustees or waited),
            ),
        )

    def _require_current(self) -> _CurrentRound:
        if self._current is None:
            raise RoundError("no round is in progress", got=self.state.name)
        return self._current
