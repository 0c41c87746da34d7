"""The trustee's state machine: when an aggregate is committed, check it, take roots, attest, hand them over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundVoided,
)
from fedtrust.ledger.types import Address
from fedtrust.protocol.machine import StepDone, StepRefused, Table


class TrusteeState(Enum):
    """DECRYPTING, ATTESTING and SENDING want a command; IDLE waits."""

    IDLE = auto()
    DECRYPTING = auto()
    ATTESTING = auto()
    SENDING = auto()


class TrusteeTrigger(Enum):
    """What moves the machine."""

    AGGREGATE_COMMITTED = auto()
    DONE = auto()
    REFUSED = auto()
    ATTEST_CONFIRMED = auto()
    ROUND_OVER = auto()


S, T = TrusteeState, TrusteeTrigger

TRANSITIONS: Table[TrusteeState, TrusteeTrigger] = Table(
    {
        (S.IDLE, T.AGGREGATE_COMMITTED): S.DECRYPTING,
        (S.DECRYPTING, T.DONE): S.ATTESTING,
        # after a restart the attestation is already on chain: the stored partial is the one to send
        (S.DECRYPTING, T.ATTEST_CONFIRMED): S.SENDING,
        (S.ATTESTING, T.ATTEST_CONFIRMED): S.SENDING,
        (S.SENDING, T.DONE): S.IDLE,
        **{(s, T.REFUSED): S.IDLE for s in (S.DECRYPTING, S.ATTESTING, S.SENDING)},
        **{(s, T.ROUND_OVER): S.IDLE for s in (S.DECRYPTING, S.ATTESTING, S.SENDING)},
    }
)


@dataclass(frozen=True, slots=True)
class Decrypt:
    """Fetch the accepted updates, agree on the aggregate, take and store the partial roots."""

    round: int


@dataclass(frozen=True, slots=True)
class Attest:
    """Commit the stored partial's root on chain."""

    round: int


@dataclass(frozen=True, slots=True)
class SendPartial:
    """Hand the stored partial to the aggregator."""

    round: int


TrusteeCommand = Decrypt | Attest | SendPartial


class TrusteeMachine:
    """Folds events into a state; ``command`` is what the state wants done."""

    def __init__(self, account: Address) -> None:
        """``account`` is ours."""
        self.account = account
        self.state = TrusteeState.IDLE
        self.round = 0

    @property
    def command(self) -> TrusteeCommand | None:
        """What the present state wants done, or None while it waits."""
        match self.state:
            case TrusteeState.DECRYPTING:
                return Decrypt(self.round)
            case TrusteeState.ATTESTING:
                return Attest(self.round)
            case TrusteeState.SENDING:
                return SendPartial(self.round)
            case _:
                return None

    def handle(self, event: LedgerEvent | StepDone | StepRefused) -> None:
        """Fold one event. Events of other rounds change nothing."""
        if isinstance(event, AggregateCommitted):
            self.state, self.round = TrusteeState.IDLE, event.round
            self._fire(T.AGGREGATE_COMMITTED)
            return
        if getattr(event, "round", None) != self.round:
            return
        match event:
            case StepDone():
                self._fire(T.DONE)
            case StepRefused():
                self._fire(T.REFUSED)
            case Attested() if event.trustee == self.account:
                self._fire(T.ATTEST_CONFIRMED)
            case RoundFinalized() | RoundAborted() | RoundVoided():
                self._fire(T.ROUND_OVER)
            case _:
                pass

    def _fire(self, trigger: TrusteeTrigger) -> None:
        self.state = TRANSITIONS.next(self.state, trigger) or self.state
