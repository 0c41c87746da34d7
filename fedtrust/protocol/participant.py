"""The participant's state machine: trains when selected, commits, uploads only after the commit phase closed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from fedtrust.ledger.events import (
    AggregateCommitted,
    CommitsClosed,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundTakenOver,
    RoundVoided,
    UpdateCommitted,
)
from fedtrust.ledger.types import Address
from fedtrust.protocol.machine import StepDone, StepRefused, Table


class ParticipantState(Enum):
    """TRAINING, COMMITTING and UPLOADING want a command; IDLE and COMMITTED wait."""

    IDLE = auto()
    TRAINING = auto()
    COMMITTING = auto()
    COMMITTED = auto()
    UPLOADING = auto()


class ParticipantTrigger(Enum):
    """What moves the machine."""

    SELECTED = auto()
    DONE = auto()
    REFUSED = auto()
    COMMIT_CONFIRMED = auto()
    COMMITS_CLOSED = auto()
    TAKEN_OVER = auto()
    ROUND_MOVED_ON = auto()


S, T = ParticipantState, ParticipantTrigger

TRANSITIONS: Table[ParticipantState, ParticipantTrigger] = Table(
    {
        (S.IDLE, T.SELECTED): S.TRAINING,
        (S.TRAINING, T.DONE): S.COMMITTING,
        # after a restart the commitment is already on chain: the stored update is the one to upload
        (S.TRAINING, T.COMMIT_CONFIRMED): S.COMMITTED,
        (S.COMMITTING, T.COMMIT_CONFIRMED): S.COMMITTED,
        (S.COMMITTED, T.COMMITS_CLOSED): S.UPLOADING,
        (S.UPLOADING, T.DONE): S.IDLE,
        # another aggregator runs the round now: it needs the update too
        (S.IDLE, T.TAKEN_OVER): S.UPLOADING,
        # too late: the phase closed without us
        (S.TRAINING, T.COMMITS_CLOSED): S.IDLE,
        (S.COMMITTING, T.COMMITS_CLOSED): S.IDLE,
        **{(s, T.REFUSED): S.IDLE for s in (S.TRAINING, S.COMMITTING, S.COMMITTED, S.UPLOADING)},
        **{(s, T.ROUND_MOVED_ON): S.IDLE for s in (S.TRAINING, S.COMMITTING, S.COMMITTED, S.UPLOADING)},
    }
)


@dataclass(frozen=True, slots=True)
class PrepareUpdate:
    """Check the spec, train on the base model, encrypt, prove, sign, store."""

    round: int
    spec_hash: bytes


@dataclass(frozen=True, slots=True)
class CommitUpdate:
    """Commit the stored update's root on chain."""

    round: int


@dataclass(frozen=True, slots=True)
class UploadUpdate:
    """Hand the stored update to the aggregator."""

    round: int


ParticipantCommand = PrepareUpdate | CommitUpdate | UploadUpdate


class ParticipantMachine:
    """Folds events into a state; ``command`` is what the state wants done."""

    def __init__(self, account: Address, index: int) -> None:
        """``account`` is ours, ``index`` our bit in the bitmap of participants."""
        self.account = account
        self.index = index
        self.state = ParticipantState.IDLE
        self.round = 0
        self.missed = 0
        self._spec_hash = b""
        self._committed = False

    @property
    def command(self) -> ParticipantCommand | None:
        """What the present state wants done, or None while it waits."""
        match self.state:
            case ParticipantState.TRAINING:
                return PrepareUpdate(self.round, self._spec_hash)
            case ParticipantState.COMMITTING:
                return CommitUpdate(self.round)
            case ParticipantState.UPLOADING:
                return UploadUpdate(self.round)
            case _:
                return None

    def handle(self, event: LedgerEvent | StepDone | StepRefused) -> None:
        """Fold one event. Events of other rounds change nothing."""
        if isinstance(event, RoundOpened):
            self.state, self.round, self._spec_hash = ParticipantState.IDLE, event.round, event.spec_hash
            self._committed = False
            if event.selected >> self.index & 1:
                self._fire(T.SELECTED)
            return
        if getattr(event, "round", None) != self.round:
            return
        match event:
            case StepDone():
                self._fire(T.DONE)
            case StepRefused():
                self._fire(T.REFUSED)
            case UpdateCommitted() if event.participant == self.account:
                self._committed = True
                self._fire(T.COMMIT_CONFIRMED)
            case CommitsClosed():
                if self.state in (ParticipantState.TRAINING, ParticipantState.COMMITTING):
                    self.missed += 1
                self._fire(T.COMMITS_CLOSED)
            case RoundTakenOver() if self._committed:
                self._fire(T.TAKEN_OVER)
            case AggregateCommitted() | RoundFinalized() | RoundAborted() | RoundVoided():
                self._fire(T.ROUND_MOVED_ON)
            case _:
                pass

    def _fire(self, trigger: ParticipantTrigger) -> None:
        self.state = TRANSITIONS.next(self.state, trigger) or self.state
