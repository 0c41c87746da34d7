"""The federation's history, folded from the contract's events: who was registered when, what each round holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fedtrust.errors import RoundError
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    CommitsClosed,
    IdentityRegistered,
    IdentityRevoked,
    KeyPublished,
    LedgerEvent,
    RewardCredited,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    UpdateCommitted,
)
from fedtrust.ledger.types import Address, Identity, Role
from fedtrust.protocol.update import Commitment


@dataclass(slots=True)
class RoundHistory:
    """Everything the chain said about one round."""

    opened: RoundOpened
    commitments: dict[Address, Commitment] = field(default_factory=dict)
    closed: CommitsClosed | None = None
    aggregate: AggregateCommitted | None = None
    attestations: dict[Address, bytes] = field(default_factory=dict)
    finalized: RoundFinalized | None = None
    aborted: RoundAborted | None = None
    credits: list[RewardCredited] = field(default_factory=list)
    settled: RoundSettled | None = None


class FederationHistory:
    """A fold over the contract's events, in chain order."""

    def __init__(self, events: Iterable[LedgerEvent] = ()) -> None:
        """Fold ``events``."""
        self.rounds: dict[int, RoundHistory] = {}
        self.key: KeyPublished | None = None
        self._identity_events: list[IdentityRegistered | IdentityRevoked] = []
        for event in events:
            self.fold(event)

    def fold(self, event: LedgerEvent) -> None:
        """Fold one more event."""
        match event:
            case IdentityRegistered() | IdentityRevoked():
                self._identity_events.append(event)
            case KeyPublished():
                self.key = event
            case RoundOpened():
                self.rounds[event.round] = RoundHistory(event)
            case UpdateCommitted():
                self.rounds[event.round].commitments[event.participant] = Commitment(event.root, event.proof_hash)
            case CommitsClosed():
                self.rounds[event.round].closed = event
            case AggregateCommitted():
                self.rounds[event.round].aggregate = event
            case Attested():
                self.rounds[event.round].attestations[event.trustee] = event.partial_root
            case RoundFinalized():
                self.rounds[event.round].finalized = event
            case RoundAborted():
                self.rounds[event.round].aborted = event
            case RewardCredited():
                self.rounds[event.round].credits.append(event)
            case RoundSettled():
                self.rounds[event.round].settled = event
            case _:
                pass

    def identities(self, as_of_block: int | None = None) -> tuple[Identity, ...]:
        """Return all identities as of the end of a block (default: now), by role and index."""
        known: dict[Address, Identity] = {}
        for event in self._identity_events:
            if as_of_block is not None and event.block > as_of_block:
                break
            match event:
                case IdentityRegistered():
                    known[event.account] = Identity(
                        account=event.account,
                        role=event.role,
                        index=event.index,
                        active=True,
                        certificate_fingerprint=event.certificate_fingerprint,
                        sealing_key=event.sealing_key,
                        certificate=event.certificate,
                    )
                case IdentityRevoked():
                    known[event.account] = replace(known[event.account], active=False)
        return tuple(sorted(known.values(), key=lambda i: (i.role, i.index)))

    def participants(self, as_of_block: int | None = None) -> tuple[Identity, ...]:
        """Return the participants among :meth:`identities`."""
        return tuple(i for i in self.identities(as_of_block) if i.role is Role.PARTICIPANT)

    def beacon_block(self, round: int) -> int:
        """Return the block whose hash draws round ``round``: where the round before it ended (see ``selection``)."""
        if round == 1:
            if self.key is None:
                raise RoundError("no round can open before the committee's key is published")
            return self.key.block
        before = self.rounds.get(round - 1)
        end = before and (before.finalized or before.aborted)
        if not end:
            raise RoundError(f"round {round} cannot be drawn before round {round - 1} has ended")
        return end.block
