"""The aggregator's state machine: opens rounds, closes phases, aggregates, finalises, takes over, settles. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fedtrust.errors import RoundError
from fedtrust.ledger.events import (
    AggregateCommitted,
    AvailabilityChallenged,
    CiphertextRevealed,
    CommitsClosed,
    DisputeDecided,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    RoundTakenOver,
    RoundVoided,
    UpdateCommitted,
)
from fedtrust.ledger.types import AbortReason, Address, Status
from fedtrust.protocol.aggregator_table import (
    TRANSITIONS,
    AbortRound,
    AggregatorChore,
    AggregatorCommand,
    AggregatorPlan,
    AggregatorState,
    AggregatorTrigger,
    CloseCommits,
    CommitAggregate,
    FinalizeRound,
    OpenRound,
    Reveal,
    SettleRound,
    TakeOver,
    VoidDescendant,
)
from fedtrust.protocol.history import FederationHistory, RoundHistory
from fedtrust.protocol.machine import Clock, PartialAccepted, UpdateAccepted

__all__ = [
    "TRANSITIONS",
    "AbortRound",
    "AggregatorChore",
    "AggregatorCommand",
    "AggregatorMachine",
    "AggregatorPlan",
    "AggregatorState",
    "AggregatorTrigger",
    "CloseCommits",
    "CommitAggregate",
    "FinalizeRound",
    "OpenRound",
    "Reveal",
    "SettleRound",
    "TakeOver",
    "VoidDescendant",
]

T = AggregatorTrigger


@dataclass(slots=True)
class _Local:
    """What this node holds of the running round."""

    uploaded: set[Address] = field(default_factory=set)
    partials: set[Address] = field(default_factory=set)
    threshold_met: int | None = None
    base_voided_at: int | None = None


class AggregatorMachine:
    """Folds events into a state; ``command`` is what the state wants done, ``chores`` what may be done beside it."""

    def __init__(self, account: Address, plan: AggregatorPlan, *, deployed_block: int = 0) -> None:
        """Start before round 1, with nothing known. ``account`` is ours."""
        self.account = account
        self.plan = plan
        self.state = AggregatorState.FOLLOWING
        self.aborts_in_a_row = 0
        self.history = FederationHistory(deployed_block=deployed_block)
        self._last_round = 0
        self._local = _Local()
        self._unsettled: set[int] = set()
        self._held_until: dict[int, int] = {}
        self._demanded: dict[int, AvailabilityChallenged] = {}
        self._now = 0
        self._first_clock: int | None = None

    @property
    def round(self) -> int:
        """The round in progress, or the last one."""
        return self._last_round

    @property
    def finalized(self) -> int:
        """How many rounds the current model is built from: finalised, and not voided."""
        count, number = 0, self.history.model_round
        while number:
            count, number = count + 1, self.history.rounds[number].opened.base_round
        return count

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
            case AggregatorState.TAKING_OVER:
                return TakeOver(number)
            case AggregatorState.AGGREGATING:
                return CommitAggregate(number)
            case AggregatorState.FINALISING:
                return FinalizeRound(number, tuple(sorted(self._local.partials)))
            case AggregatorState.ABORTING:
                return AbortRound(number) if self._now > self._abort_after(self._require_current()) else None
            case _:
                return None

    @property
    def chores(self) -> tuple[AggregatorChore, ...]:
        """What is due beside the command; it holds nothing up."""
        return (*self._reveals(), *self._settlements(), *self._work_of_others())

    @property
    def done(self) -> bool:
        """Whether the planned rounds are finalised and settled, and nothing we did can be disputed any more."""
        finished = self.state is AggregatorState.FINISHED or self._left()
        liable = any(end >= self._now for end in self._held_until.values())
        return finished and not self._unsettled and not self._demanded and not liable

    def handle(self, event: LedgerEvent | Clock | UpdateAccepted | PartialAccepted) -> None:
        """Fold one event. Events of other rounds than the current one change nothing."""
        if isinstance(event, LedgerEvent):
            self._now = max(self._now, event.timestamp)
            self.history.fold(event)
        match event:
            case Clock(now=now):
                self._now = max(self._now, now)
                if self._first_clock is None:
                    # everything before the first Clock is history: who starts again has looked at those aborts
                    self._first_clock, self.aborts_in_a_row = self._now, 0
            case RoundOpened():
                self._last_round, self._local = event.round, _Local()
                self._fire(T.ROUND_OPENED if event.aggregator == self.account else T.ROUND_OPENED_BY_ANOTHER)
            case RoundSettled():
                self._unsettled.discard(event.round)
            case RoundVoided():
                self._void(event)
            case AvailabilityChallenged() if self.history.rounds[event.round].aggregator == self.account:
                self._demanded[event.dispute] = event
            case CiphertextRevealed() | DisputeDecided():
                self._demanded.pop(event.dispute, None)
            case _ if getattr(event, "round", None) == self._last_round:
                self._fold(event)
            case _:
                pass
        self._derive()

    def _fold(self, event: object) -> None:
        match event:
            case UpdateCommitted():
                self._fire(T.UPDATE_COMMITTED)
            case CommitsClosed():
                self._fire(T.COMMITS_CLOSED)
            case RoundTakenOver():
                self._local = _Local()
                self._fire(T.TAKEN_OVER_BY_US if event.aggregator == self.account else T.TAKEN_OVER_BY_ANOTHER)
            case UpdateAccepted():
                self._local.uploaded.add(event.participant)
            case AggregateCommitted():
                self._fire(T.AGGREGATE_COMMITTED)
            case PartialAccepted():
                self._local.partials.add(event.trustee)
            case RoundFinalized():
                self._unsettled.add(event.round)
                if self._mine(self.history.rounds[event.round]):
                    self.aborts_in_a_row = 0
                self._fire(T.ROUND_FINALIZED)
            case RoundAborted():
                self._abort(event)
            case _:
                pass

    def _abort(self, event: RoundAborted) -> None:
        seen = self.history.rounds[event.round]
        if self._mine(seen):
            self.aborts_in_a_row += 1
            if seen.aggregate is not None:
                # disputes can be brought as long as if it had been finalised at its deadline
                self._held_until[event.round] = seen.deadlines.finalize + self.plan.challenge_window
        self._fire(T.ROUND_ABORTED)

    def _void(self, event: RoundVoided) -> None:
        self._unsettled.discard(event.round)
        if event.round == self._last_round:
            self._fire(T.ROUND_VOIDED)
        elif self._base_voided() and self._local.base_voided_at is None:
            self._local.base_voided_at = self._now

    def _fire(self, trigger: AggregatorTrigger) -> None:
        self.state = TRANSITIONS.next(self.state, trigger) or self.state

    def _derive(self) -> None:
        """Fire every condition that holds until none moves the machine."""
        moved = True
        while moved:
            moved = False
            for trigger, holds in self._conditions():
                target = TRANSITIONS.next(self.state, trigger)
                if target is not None and target is not self.state and holds():
                    self.state = target
                    moved = True
                    break

    # ------------------------------------------------------------------------------------------------ conditions

    def _conditions(self) -> tuple[tuple[AggregatorTrigger, Callable[[], bool]], ...]:
        current = self._current()
        if current is None:
            return (
                (T.ROUNDS_COMPLETE, lambda: self.finalized >= self.plan.rounds),
                (T.ROUNDS_INCOMPLETE, lambda: self.finalized < self.plan.rounds),
                (T.OUR_TURN, self._may_open),
                (T.NOT_OUR_TURN, lambda: not self._may_open()),
            )
        if not self._mine(current):
            return (
                (T.TAKE_OVER_POSSIBLE, lambda: self._may_take_over(current)),
                (T.TAKE_OVER_IMPOSSIBLE, lambda: not self._may_take_over(current)),
            )
        limits, now, local = current.deadlines, self._now, self._local
        count, needed = len(local.partials), self.plan.threshold
        if count >= needed and local.threshold_met is None:
            local.threshold_met = now
        waited = local.threshold_met is not None and now >= local.threshold_met + self.plan.trustee_grace
        quorum_committed = len(current.commitments) >= current.opened.quorum
        quorum_uploaded = len(local.uploaded) >= current.opened.quorum
        return (
            (T.BASE_VOIDED, self._base_voided),
            (T.AGGREGATE_TIME_OVER, lambda: now > limits.aggregate),
            (T.FINALIZE_TIME_OVER, lambda: now > limits.finalize),
            (T.EVERYONE_COMMITTED, lambda: len(current.commitments) == current.opened.selected.bit_count()),
            (T.COMMIT_TIME_OVER_WITH_QUORUM, lambda: now > limits.commit and quorum_committed),
            (T.COMMIT_TIME_OVER_WITHOUT_QUORUM, lambda: now > limits.commit and not quorum_committed),
            (T.EVERYONE_UPLOADED, lambda: local.uploaded >= current.commitments.keys()),
            (
                T.UPLOAD_TIME_OVER_WITH_QUORUM,
                lambda: now > limits.aggregate - self.plan.upload_margin and quorum_uploaded,
            ),
            (
                T.PARTIALS_SUFFICE,
                lambda: count >= needed and (count >= self.plan.trustees or waited),
            ),
        )

    def _may_open(self) -> bool:
        """Whether the contract would let us open the next round; a standby leaves the others time to."""
        if self._status(self.account) is not Status.ACTIVE:
            return False
        last, wait = self.history.rounds.get(self._last_round), self.plan.standby_seconds
        if last is None:
            first = self._first_clock
            return not self.plan.standby or (first is not None and self._now > first + wait)
        if self._mine(last) or self._status(last.aggregator) is not Status.ACTIVE:
            return True
        ended = last.ended
        did_its_part = (last.finalized is not None and last.voided is None) or (
            last.aborted is not None and last.aborted.reason is AbortReason.COMMIT_QUORUM_MISSED
        )
        if not did_its_part and not self.plan.standby:
            return True
        return ended is not None and self._now > ended.timestamp + wait

    def _may_take_over(self, current: RoundHistory) -> bool:
        deadline = current.deadlines.aggregate
        return (
            self.plan.standby
            and self._status(self.account) is Status.ACTIVE
            and not self._base_voided()
            and self._in_force(current.aggregator)
            and self._takeable(current)
            and deadline < self._now <= deadline + self.plan.standby_seconds
        )

    @staticmethod
    def _takeable(current: RoundHistory) -> bool:
        return current.closed is not None and current.aggregate is None and current.taken_over is None

    def _abort_after(self, current: RoundHistory) -> int:
        """Return the second after which our round can be aborted: after a missed aggregate a standby has its time."""
        missed_quorum = current.closed is None and len(current.commitments) < current.opened.quorum
        if self._base_voided() or current.aggregate is not None or current.taken_over is not None or missed_quorum:
            return 0
        return current.deadlines.aggregate + self.plan.standby_seconds

    def _base_voided(self) -> bool:
        current = self._current()
        return current is not None and current.opened.base_round != self.history.model_round

    # ---------------------------------------------------------------------------------------------------- chores

    def _reveals(self) -> Iterator[Reveal]:
        for number, demanded in sorted(self._demanded.items()):
            if self._now <= demanded.deadline:
                yield Reveal(demanded.round, number)

    def _settlements(self) -> Iterator[SettleRound | VoidDescendant]:
        for number in sorted(self._unsettled):
            seen = self.history.rounds[number]
            base = self.history.rounds.get(seen.opened.base_round)
            if base is not None and base.voided is not None:
                yield VoidDescendant(number)
            elif (
                seen.finalized is not None
                and self._now >= seen.finalized.challenge_end + self._patience(seen)
                and (base is None or base.settled is not None)
                and all(d.decided is not None for d in seen.disputes.values())
            ):
                yield SettleRound(number)

    def _work_of_others(self) -> Iterator[CloseCommits | AbortRound]:
        """What anybody may do for a round whose aggregator does not do it."""
        current = self._current()
        if current is None or self._mine(current):
            return
        number, limits, late = current.opened.round, current.deadlines, self._now - self._patience(current)
        voided_at = self._local.base_voided_at
        if not self._in_force(current.aggregator) or (voided_at is not None and late > voided_at):
            yield AbortRound(number)
        elif current.closed is None:
            if late > limits.commit:
                enough = len(current.commitments) >= current.opened.quorum
                yield CloseCommits(number) if enough else AbortRound(number)
        elif late > (limits.aggregate if current.aggregate is None else limits.finalize):
            yield AbortRound(number)

    def _patience(self, seen: RoundHistory) -> int:
        return 0 if self._mine(seen) else self.plan.standby_seconds

    # ----------------------------------------------------------------------------------------------------- facts

    def _current(self) -> RoundHistory | None:
        last = self.history.rounds.get(self._last_round)
        return last if last is not None and last.ended is None else None

    def _require_current(self) -> RoundHistory:
        current = self._current()
        if current is None:
            raise RoundError("no round is in progress", got=self.state.name)
        return current

    def _mine(self, seen: RoundHistory) -> bool:
        return seen.aggregator == self.account

    def _status(self, account: Address) -> Status:
        identity = self.history.registry.identity(account)
        return Status.NONE if identity is None else identity.status

    def _in_force(self, account: Address) -> bool:
        return self._status(account) in (Status.ACTIVE, Status.LEAVING)

    def _left(self) -> bool:
        """Whether we leave, and no round of ours is running."""
        current = self._current()
        leaving = self._status(self.account) is Status.LEAVING
        return leaving and not (current is not None and self._mine(current))
