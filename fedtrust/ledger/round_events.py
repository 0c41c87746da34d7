"""A round from what the contract stores and what its events say, checked against each other.

The contract keeps eleven words of a round. The rest is in its events, and bound by hashes in those words: the
transcript (opening, commitments, attestations), the aggregate's hash, and the head (the result). So a node can
withhold or alter nothing without being noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fedtrust.errors import LedgerInconsistentError
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundVoided,
    UpdateCommitted,
)
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
    round_head,
)
from fedtrust.ledger.types import ZERO_HASH, Address, RoundState


class EventSource(Protocol):
    """What :func:`commitment_transcripts` asks of a ledger."""

    @property
    def chain_id(self) -> int:
        """The chain id."""

    @property
    def contract(self) -> Address:
        """The Federation contract's address."""

    def head(self, number: int) -> bytes:
        """Return the head after round ``number``."""

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all events, in chain order."""


@dataclass(slots=True)
class _Story:
    """What the events of one round say, in their order."""

    opened: RoundOpened | None = None
    commitments: list[UpdateCommitted] = field(default_factory=list)
    aggregate: AggregateCommitted | None = None
    attestations: list[Attested] = field(default_factory=list)
    result: RoundFinalized | None = None
    verdicts: bytes = ZERO_HASH  # all voidings up to the round's head


def complete_round(
    stored: RoundState, events: Iterable[LedgerEvent], *, chain_id: int, contract: Address, previous_head: bytes
) -> RoundState:
    """Return ``stored`` with the fields that only events hold.

    ``stored`` has zeros in their place; ``events`` are all of the federation up to the block at which it was read.
    Raises LedgerInconsistentError if they do not lead to the stored transcript, aggregate hash and head.
    """
    story = _tell(stored.number, events)
    if story.opened is None:
        raise _inconsistent(stored.number, "opening", "a RoundOpened event", "none")
    transcripts = _transcripts(story.opened, story.commitments, chain_id, contract, previous_head)
    aggregate = ZERO_HASH
    if story.aggregate is not None:
        aggregate = aggregate_hash(transcripts[-1], story.aggregate.accepted, story.aggregate.aggregate_root)
    transcript = transcripts[-1]
    for attestation in story.attestations:
        transcript = attestation_transcript(transcript, attestation.trustee, attestation.partial_root)
    if transcript != stored.transcript:
        raise _inconsistent(stored.number, "transcript", stored.transcript, transcript)
    if aggregate != stored.aggregate_hash:
        raise _inconsistent(stored.number, "aggregate", stored.aggregate_hash, aggregate)
    state = replace(
        stored,
        base_model_hash=story.opened.base_model_hash,
        aggregate_root=ZERO_HASH if story.aggregate is None else story.aggregate.aggregate_root,
        plaintext_hash=ZERO_HASH if story.result is None else story.result.plaintext_hash,
        proof_hash=ZERO_HASH if story.result is None else story.result.proof_hash,
        result_hash=ZERO_HASH if story.result is None else story.result.result_hash,
    )
    if any(stored.head):
        head = round_head(state, transcript=transcript, verdicts=story.verdicts)
        if head != stored.head:
            raise _inconsistent(stored.number, "head", stored.head, head)
    elif story.result is not None:
        raise _inconsistent(stored.number, "head", "none", "a RoundFinalized event")
    return state


def commitment_transcripts(source: EventSource, number: int) -> list[bytes]:
    """Return the transcripts of round ``number``: at its opening and after each commitment; none if not opened."""
    story = _tell(number, source.events())
    if story.opened is None:
        return []
    previous_head = source.head(number - 1)
    return _transcripts(story.opened, story.commitments, source.chain_id, source.contract, previous_head)


def ended_in_block(events: Sequence[LedgerEvent]) -> int | None:
    """Return the block in which the last round that ended did, or None: whose hash is the next draw's beacon."""
    ended: set[int] = set()
    block: int | None = None
    for event in events:
        # what was finalised has ended, whether or not it is voided later
        if isinstance(event, RoundFinalized | RoundAborted | RoundVoided) and event.round not in ended:
            ended.add(event.round)
            block = event.block
    return block


def _tell(number: int, events: Iterable[LedgerEvent]) -> _Story:
    story, ended = _Story(), False
    for event in events:
        if isinstance(event, RoundVoided):
            # the voiding that ends a running round is part of its head
            story.verdicts = story.verdicts if ended else event.verdicts
            ended = ended or event.round == number
            continue
        if getattr(event, "round", None) != number:
            continue
        match event:
            case RoundOpened():
                story.opened = event
            case UpdateCommitted():
                story.commitments.append(event)
            case AggregateCommitted():
                story.aggregate = event
            case Attested():
                story.attestations.append(event)
            case RoundFinalized():
                story.result, ended = event, True
            case RoundAborted():
                ended = True
            case _:
                pass
    return story


def _transcripts(
    opened: RoundOpened, commitments: list[UpdateCommitted], chain_id: int, contract: Address, previous_head: bytes
) -> list[bytes]:
    transcripts = [opening_transcript(chain_id, contract, previous_head, opened)]
    for event in commitments:
        transcripts.append(commitment_transcript(transcripts[-1], event.participant, event.root, event.proof_hash))
    return transcripts


def _inconsistent(number: int, what: str, expected: object, got: object) -> LedgerInconsistentError:
    def shown(value: object) -> object:
        return value.hex() if isinstance(value, bytes) else value

    return LedgerInconsistentError(
        f"round {number}: the events do not lead to the {what} that the contract stores",
        expected=shown(expected),
        got=shown(got),
        advice="the RPC endpoint withheld or altered an event: use another one",
    )
