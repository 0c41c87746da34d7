"""The aggregator's states, what moves it between them, and what it may want done: the data of its machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from fedtrust.ledger.types import Address
from fedtrust.protocol.machine import Table


class AggregatorState(Enum):
    """OPENING, CLOSING, AGGREGATING, FINALISING, ABORTING and TAKING_OVER want a command; the others wait.

    FOLLOWING: no round is ours now, and it is not our turn to open one.
    """

    FOLLOWING = auto()
    OPENING = auto()
    COMMIT = auto()
    CLOSING = auto()
    UPLOAD = auto()
    AGGREGATING = auto()
    DECRYPT = auto()
    FINALISING = auto()
    ABORTING = auto()
    TAKING_OVER = auto()
    FINISHED = auto()


class AggregatorTrigger(Enum):
    """What moves the machine: facts on chain, then conditions derived from facts and the clock."""

    ROUND_OPENED = auto()
    ROUND_OPENED_BY_ANOTHER = auto()
    UPDATE_COMMITTED = auto()
    COMMITS_CLOSED = auto()
    TAKEN_OVER_BY_US = auto()
    TAKEN_OVER_BY_ANOTHER = auto()
    AGGREGATE_COMMITTED = auto()
    ROUND_FINALIZED = auto()
    ROUND_ABORTED = auto()
    ROUND_VOIDED = auto()
    OUR_TURN = auto()
    NOT_OUR_TURN = auto()
    EVERYONE_COMMITTED = auto()
    COMMIT_TIME_OVER_WITH_QUORUM = auto()
    COMMIT_TIME_OVER_WITHOUT_QUORUM = auto()
    EVERYONE_UPLOADED = auto()
    UPLOAD_TIME_OVER_WITH_QUORUM = auto()
    AGGREGATE_TIME_OVER = auto()
    PARTIALS_SUFFICE = auto()
    FINALIZE_TIME_OVER = auto()
    BASE_VOIDED = auto()
    TAKE_OVER_POSSIBLE = auto()
    TAKE_OVER_IMPOSSIBLE = auto()
    ROUNDS_COMPLETE = auto()
    ROUNDS_INCOMPLETE = auto()


S, T = AggregatorState, AggregatorTrigger

_RUNNING = (S.COMMIT, S.CLOSING, S.UPLOAD, S.AGGREGATING, S.DECRYPT, S.FINALISING, S.ABORTING)

TRANSITIONS: Table[AggregatorState, AggregatorTrigger] = Table(
    {
        # facts on chain move the machine whatever it was about to do itself
        (S.FOLLOWING, T.ROUND_OPENED): S.COMMIT,
        (S.OPENING, T.ROUND_OPENED): S.COMMIT,
        (S.OPENING, T.ROUND_OPENED_BY_ANOTHER): S.FOLLOWING,
        # a commitment in time that is seen only after the deadline: there may be a quorum after all
        (S.ABORTING, T.UPDATE_COMMITTED): S.COMMIT,
        (S.COMMIT, T.COMMITS_CLOSED): S.UPLOAD,
        (S.CLOSING, T.COMMITS_CLOSED): S.UPLOAD,
        (S.ABORTING, T.COMMITS_CLOSED): S.UPLOAD,
        (S.TAKING_OVER, T.TAKEN_OVER_BY_US): S.UPLOAD,
        (S.FOLLOWING, T.TAKEN_OVER_BY_US): S.UPLOAD,
        (S.TAKING_OVER, T.TAKEN_OVER_BY_ANOTHER): S.FOLLOWING,
        (S.UPLOAD, T.TAKEN_OVER_BY_ANOTHER): S.FOLLOWING,
        (S.AGGREGATING, T.TAKEN_OVER_BY_ANOTHER): S.FOLLOWING,
        (S.ABORTING, T.TAKEN_OVER_BY_ANOTHER): S.FOLLOWING,
        (S.UPLOAD, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.AGGREGATING, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.ABORTING, T.AGGREGATE_COMMITTED): S.DECRYPT,
        (S.TAKING_OVER, T.AGGREGATE_COMMITTED): S.FOLLOWING,
        (S.TAKING_OVER, T.ROUND_ABORTED): S.FOLLOWING,
        (S.TAKING_OVER, T.ROUND_VOIDED): S.FOLLOWING,
        (S.DECRYPT, T.ROUND_FINALIZED): S.FOLLOWING,
        (S.FINALISING, T.ROUND_FINALIZED): S.FOLLOWING,
        (S.ABORTING, T.ROUND_FINALIZED): S.FOLLOWING,
        **{(s, T.ROUND_ABORTED): S.FOLLOWING for s in _RUNNING},
        **{(s, T.ROUND_VOIDED): S.FOLLOWING for s in _RUNNING},
        # conditions
        (S.FOLLOWING, T.OUR_TURN): S.OPENING,
        (S.OPENING, T.NOT_OUR_TURN): S.FOLLOWING,
        (S.FOLLOWING, T.TAKE_OVER_POSSIBLE): S.TAKING_OVER,
        (S.TAKING_OVER, T.TAKE_OVER_IMPOSSIBLE): S.FOLLOWING,
        **{(s, T.BASE_VOIDED): S.ABORTING for s in _RUNNING if s is not S.ABORTING},
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
        (S.FOLLOWING, T.ROUNDS_COMPLETE): S.FINISHED,
        # a round that counted was voided
        (S.FINISHED, T.ROUNDS_INCOMPLETE): S.FOLLOWING,
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
class TakeOver:
    """Take a round over whose aggregator missed the aggregate deadline."""

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


@dataclass(frozen=True, slots=True)
class VoidDescendant:
    """Void a finalised round whose base round was voided."""

    round: int


@dataclass(frozen=True, slots=True)
class Reveal:
    """Show the ciphertext that an availability dispute about ``round`` demands."""

    round: int
    dispute: int


AggregatorCommand = OpenRound | CloseCommits | TakeOver | CommitAggregate | FinalizeRound | AbortRound
AggregatorChore = SettleRound | VoidDescendant | Reveal | CloseCommits | AbortRound


@dataclass(frozen=True, slots=True)
class AggregatorPlan:
    """What the operator asked for, and what the contract says about turns.

    ``rounds`` rounds are to be finalised and not voided; the machine gives up after ``max_aborts`` aborts of its own
    in a row since its start. ``upload_margin`` seconds before the aggregate deadline it stops waiting for missing
    uploads; ``trustee_grace`` seconds after the threshold is met it stops waiting for the remaining ``trustees``.
    A ``standby`` opens and takes over only where another aggregator did not in time. ``standby_seconds`` and
    ``challenge_window`` are the contract's.
    """

    rounds: int
    threshold: int
    trustees: int
    upload_margin: int = 10
    trustee_grace: int = 3
    max_aborts: int = 5
    standby: bool = False
    standby_seconds: int = 30
    challenge_window: int = 0
