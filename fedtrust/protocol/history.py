"""The federation's history, folded from the contract's events: who took part when, what each round holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from fedtrust.errors import LedgerInconsistentError, RoundError
from fedtrust.ledger.events import (
    AggregateChallenged,
    AggregateCommitted,
    Attested,
    AvailabilityChallenged,
    CommitsClosed,
    DisputeDecided,
    IdentitySlashed,
    KeyPublished,
    LedgerEvent,
    RewardCredited,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    RoundTakenOver,
    RoundVoided,
    UpdateCommitted,
)
from fedtrust.ledger.types import ZERO_HASH, Address, Deadlines, Identity, Role, bitmap_of, members
from fedtrust.protocol.registry import IdentityEvent, Registry
from fedtrust.protocol.update import Commitment

BEACON_BLOCKS = 256
"""A block's hash is known on chain for so many blocks."""


@dataclass(slots=True)
class DisputeHistory:
    """A dispute that was opened with a number."""

    opened: AggregateChallenged | AvailabilityChallenged
    decided: DisputeDecided | None = None


@dataclass(slots=True)
class RoundHistory:
    """Everything the chain said about one round.

    ``members`` are the accounts that were selected, by index, and ``eligible`` the bitmap of those that could be: both
    as of the opening. ``commitments`` are in the order of the chain.
    """

    opened: RoundOpened
    members: tuple[Address, ...] = ()
    eligible: int = 0
    commitments: dict[Address, Commitment] = field(default_factory=dict)
    closed: CommitsClosed | None = None
    taken_over: RoundTakenOver | None = None
    aggregate: AggregateCommitted | None = None
    attestations: dict[Address, bytes] = field(default_factory=dict)
    finalized: RoundFinalized | None = None
    aborted: RoundAborted | None = None
    voided: RoundVoided | None = None
    credits: list[RewardCredited] = field(default_factory=list)
    settled: RoundSettled | None = None
    slashes: list[IdentitySlashed] = field(default_factory=list)
    disputes: dict[int, DisputeHistory] = field(default_factory=dict)
    decisions: list[DisputeDecided] = field(default_factory=list)

    @property
    def aggregator(self) -> Address:
        """The aggregator that runs the round now."""
        return self.opened.aggregator if self.taken_over is None else self.taken_over.aggregator

    @property
    def deadlines(self) -> Deadlines:
        """The deadlines as they are now."""
        taken, first = self.taken_over, self.opened.deadlines
        return first if taken is None else Deadlines(first.commit, taken.aggregate_deadline, taken.finalize_deadline)

    @property
    def ended(self) -> RoundFinalized | RoundAborted | RoundVoided | None:
        """The event by which the round stopped running, or None."""
        return self.finalized or self.aborted or self.voided

    def bitmap(self, accounts: Sequence[Address]) -> int:
        """Return the bits of selected ``accounts``. Raises RoundError for one that was not selected."""
        index_of = dict(zip(self.members, members(self.opened.selected), strict=False))
        outside = [a for a in accounts if a not in index_of]
        if outside:
            raise RoundError(f"round {self.opened.round}: accounts that were not selected", got=outside)
        return bitmap_of([index_of[a] for a in accounts])


class FederationHistory:
    """A fold over the events of the contracts, in chain order."""

    def __init__(self, events: Iterable[LedgerEvent] = (), *, deployed_block: int = 0) -> None:
        """Fold ``events`` of a contract deployed in block ``deployed_block``."""
        self.rounds: dict[int, RoundHistory] = {}
        self.disputes: dict[int, DisputeHistory] = {}
        self.key: KeyPublished | None = None
        self.verdicts = ZERO_HASH
        self.model_round = 0
        self.registry = Registry()
        self._deployed_block = deployed_block
        self._newest_round = 0
        self._identity_events: list[tuple[LedgerEvent, int]] = []
        for event in events:
            self.fold(event)

    def fold(self, event: LedgerEvent) -> None:
        """Fold one more event. Raises LedgerInconsistentError if one before it must be missing."""
        if isinstance(event, IdentityEvent):
            self._identity_events.append((event, self._newest_round))
            self.registry.fold(event, self._newest_round)
        match event:
            case KeyPublished():
                self.key = event
            case RoundOpened():
                self._open(event)
            case DisputeDecided():
                self._decide(event)
            case IdentitySlashed() | UpdateCommitted() | CommitsClosed() | RoundTakenOver():
                self._fold_round(event, self._round(event.round))
            case AggregateCommitted() | Attested() | RoundFinalized() | RoundAborted() | RoundVoided():
                self._fold_round(event, self._round(event.round))
            case RewardCredited() | RoundSettled() | AggregateChallenged() | AvailabilityChallenged():
                self._fold_round(event, self._round(event.round))
            case _:
                pass

    def _open(self, event: RoundOpened) -> None:
        seats = ((index, self.registry.holder(Role.PARTICIPANT, index)) for index in members(event.selected))
        accounts = tuple(account for _, account in seats if account is not None)
        self.rounds[event.round] = RoundHistory(event, accounts, self.registry.eligible)
        self._newest_round = event.round

    def _fold_round(self, event: LedgerEvent, round: RoundHistory) -> None:
        match event:
            case UpdateCommitted():
                identity = self.registry.identity(event.participant)
                epoch = 0 if identity is None else identity.epoch
                round.commitments[event.participant] = Commitment(event.root, event.proof_hash, epoch)
            case CommitsClosed():
                round.closed = event
            case RoundTakenOver():
                round.taken_over = event
            case AggregateCommitted():
                round.aggregate = event
            case Attested():
                round.attestations[event.trustee] = event.partial_root
            case RoundFinalized():
                round.finalized = event
                self.model_round = event.round
            case RoundAborted():
                round.aborted = event
            case RoundVoided():
                round.voided = event
                self.verdicts = event.verdicts
                if round.finalized is not None and self._builds_on(self.model_round, event.round):
                    self.model_round = round.opened.base_round
            case RewardCredited():
                round.credits.append(event)
            case RoundSettled():
                round.settled = event
            case IdentitySlashed():
                round.slashes.append(event)
            case AggregateChallenged() | AvailabilityChallenged():
                self.disputes[event.dispute] = round.disputes[event.dispute] = DisputeHistory(event)
            case _:
                pass

    def _decide(self, event: DisputeDecided) -> None:
        self._round(event.round).decisions.append(event)
        if event.dispute in self.disputes:
            self.disputes[event.dispute].decided = event

    def _round(self, number: int) -> RoundHistory:
        found = self.rounds.get(number)
        if found is None:
            raise LedgerInconsistentError(
                f"the chain's events name round {number}, which was never opened",
                advice="the endpoint left events out; ask another one",
            )
        return found

    def identities(self, as_of_block: int | None = None) -> tuple[Identity, ...]:
        """Return all that ever registered, as of the end of a block (default: now), by role, index and epoch."""
        if as_of_block is None:
            return self.registry.identities()
        then = Registry()
        for event, newest_round in self._identity_events:
            if event.block <= as_of_block:
                then.fold(event, newest_round)
        return then.identities()

    def participants(self, as_of_block: int | None = None) -> tuple[Identity, ...]:
        """Return the participants among :meth:`identities`."""
        return tuple(i for i in self.identities(as_of_block) if i.role is Role.PARTICIPANT)

    def doomed(self, round: int) -> bool:
        """Return whether ``round`` is finalised and not voided, but builds on a round that was voided."""
        found = self.rounds[round]
        if found.finalized is None or found.voided is not None:
            return False
        return any(self._round(below).voided is not None for below in self._chain(found.opened.base_round))

    def _chain(self, round: int) -> Iterator[int]:
        """Yield ``round`` and the rounds that it builds on, downwards."""
        while round:
            yield round
            round = self._round(round).opened.base_round

    def _builds_on(self, round: int, below: int) -> bool:
        return below in takewhile(lambda number: number >= below, self._chain(round))

    def beacon_block(self, round: int) -> int:
        """Return the block whose hash drew ``round``: where the round before it ended, or a later one.

        For round 1 it is the block of the deployment. A block of which the chain had forgotten the hash when the round
        was opened is replaced by the latest at a multiple of 256 after it. Raises RoundError if it was not opened.
        """
        if round not in self.rounds:
            raise RoundError(f"round {round} was not opened, so it has no beacon yet")
        end = self._deployed_block
        if round > 1:
            before = self._round(round - 1).ended
            if before is None:
                raise RoundError(f"round {round} cannot be drawn before round {round - 1} has ended")
            end = before.block
        opened = self.rounds[round].opened.block
        return end if opened <= end else end + BEACON_BLOCKS * ((opened - 1 - end) // BEACON_BLOCKS)
