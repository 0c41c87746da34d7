"""Checks R26 and R27: what was disputed about a round, and whether it was voided for a reason that all can see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fedtrust.audit import catalogue as c
from fedtrust.audit.chain_facts import RoundFacts
from fedtrust.audit.evidence import (
    DiscrepancyError,
    Established,
    Evidence,
    Finding,
    NotCheckedError,
    Section,
    describe,
    require_equal,
)
from fedtrust.audit.identities import position
from fedtrust.audit.timeline import Challenge, E, Timeline, first, of_type
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.merkle import merkle_root
from fedtrust.errors import FedtrustError
from fedtrust.ledger.events import (
    AggregateChallenged,
    AggregateCommitted,
    AvailabilityChallenged,
    CiphertextRevealed,
    DisputeAnnounced,
    DisputeDecided,
    IdentitySlashed,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundSettled,
    RoundVoided,
)
from fedtrust.ledger.types import ZERO_ADDRESS, Address, DisputeKind, DisputeOutcome, Phase
from fedtrust.protocol.dispute import ShownUpdate, multiply_columns, shown_leaves
from fedtrust.protocol.result import RoundResult

_KINDS = {AggregateChallenged: DisputeKind.AGGREGATE, AvailabilityChallenged: DisputeKind.AVAILABILITY}
_ENDED = (DisputeOutcome.PROVEN, DisputeOutcome.FAILED, DisputeOutcome.MOOT)


def verdict_of(timeline: Timeline, voided: RoundVoided) -> DisputeDecided | None:
    """Return the decision that voided a round, which is in the same transaction; None for a descendant."""
    for event in timeline.beside(voided):
        if isinstance(event, DisputeDecided) and _convicts(event, voided.round):
            return event
    return None


def _convicts(event: DisputeDecided, round: int) -> bool:
    return event.round == round and event.outcome is DisputeOutcome.PROVEN


def check_disputes(section: Section, facts: RoundFacts, manifest: Established[KeyManifest]) -> None:
    """Carry out R26, and R27 for rounds that were voided."""
    section.perform(c.DISPUTES, lambda e: _disputes(e, facts))
    if facts.state.phase is Phase.VOIDED:
        section.perform(c.VERDICT, lambda e: _verdict(e, facts, manifest))


# R26


def _disputes(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("DisputeAnnounced", "dispute events", "disputes", "open disputes")
    challenges = [event for event in facts.events if isinstance(event, Challenge)]
    decisions = of_type(facts.events, DisputeDecided)
    told: list[str] = []
    still_open = 0
    for challenge in challenges:
        _require_timely(facts, challenge, challenge.challenger)
        due = challenge.timestamp + facts.snapshot.config.dispute_seconds
        require_equal(f"the deadline of dispute {challenge.dispute}", due, challenge.deadline)
        if challenge.leaf >= facts.opened.ciphertexts:
            raise DiscrepancyError("a dispute about a ciphertext that the round does not have", got=challenge.leaf)
        decided = [event for event in decisions if event.dispute == challenge.dispute]
        if len(decided) > 1:
            raise DiscrepancyError(f"dispute {challenge.dispute} was decided twice")
        _require_stored(facts, challenge, decided[0].outcome if decided else DisputeOutcome.OPEN)
        if decided:
            _require_rightly_ended(facts, challenge, decided[0])
            told.append(f"{challenge.dispute} {decided[0].outcome.name}")
        else:
            still_open += 1
            told.append(f"{challenge.dispute} OPEN")
    numbered = {challenge.dispute for challenge in challenges}
    for event in decisions:
        if event.dispute == 0:
            _require_timely(facts, event, event.challenger)
            if event.kind not in (DisputeKind.EQUIVOCATION, DisputeKind.OMISSION):
                raise DiscrepancyError("a dispute of this kind is never decided at once", got=event.kind.name)
            require_equal("the outcome of a dispute that was decided at once", DisputeOutcome.PROVEN, event.outcome)
            told.append(event.kind.name)
        elif event.dispute not in numbered:
            raise DiscrepancyError("a decision about a dispute of another round", got=event.dispute)
        if event.outcome is DisputeOutcome.PROVEN:
            _require_conviction(facts, event)
        else:
            require_equal("the convicted of a dispute that was not proven", ZERO_ADDRESS, event.offender)
    _require_slashes_have_cause(facts)
    require_equal("the number of open disputes", still_open, facts.snapshot.open_disputes.get(facts.number, 0))
    return Finding.of(None, ", ".join(told) or "none")


def _require_timely(facts: RoundFacts, event: Challenge | DisputeDecided, challenger: Address) -> None:
    """It was announced in an earlier block, and came while the round could be disputed."""
    announced = [e for e in facts.timeline.sound if isinstance(e, DisputeAnnounced) and e.challenger == challenger]
    if not any(announcement.block < event.block for announcement in announced):
        raise DiscrepancyError("a dispute that its challenger announced in no earlier block", got=challenger)
    finalized = _before(facts.events, RoundFinalized, event)
    window = facts.snapshot.config.challenge_window
    end = finalized.challenge_end if finalized is not None else facts.deadlines(event).finalize + window
    if event.timestamp >= end:
        raise DiscrepancyError("a dispute that came too late", expected=f"before {end}", got=event.timestamp)
    over = _before(facts.events, RoundSettled, event) or _before(facts.events, RoundVoided, event)
    if over is not None:
        raise DiscrepancyError("a dispute about a round that was over", got=type(over).__name__)
    kind = event.kind if isinstance(event, DisputeDecided) else _KINDS[type(event)]
    if kind is not DisputeKind.EQUIVOCATION and _before(facts.events, AggregateCommitted, event) is None:
        raise DiscrepancyError("a dispute about an aggregate that was not committed yet", got=kind.name)


def _require_stored(facts: RoundFacts, challenge: Challenge, outcome: DisputeOutcome) -> None:
    stored = facts.snapshot.disputes[challenge.dispute]
    if stored is None:
        raise DiscrepancyError("the events tell of a dispute that the contract does not know", got=challenge.dispute)
    for name, told, found in (
        ("kind", _KINDS[type(challenge)], stored.kind),
        ("round", challenge.round, stored.round),
        ("ciphertext", challenge.leaf, stored.leaf),
        ("deadline", challenge.deadline, stored.deadline),
        ("challenger", challenge.challenger, stored.challenger),
        ("outcome", outcome, stored.outcome),
    ):
        require_equal(f"the {name} of dispute {challenge.dispute}", told, found)


def _require_rightly_ended(facts: RoundFacts, challenge: Challenge, decided: DisputeDecided) -> None:
    what = f"dispute {challenge.dispute}"
    require_equal(f"the kind of {what}", _KINDS[type(challenge)], decided.kind)
    require_equal(f"the challenger of {what}", challenge.challenger, decided.challenger)
    if position(decided) < position(challenge) or decided.outcome not in _ENDED:
        raise DiscrepancyError(f"{what} ended before it began, or did not end", got=decided.outcome.name)
    voided = _before(facts.events, RoundVoided, decided)
    if (decided.outcome is DisputeOutcome.MOOT) != (voided is not None):
        raise DiscrepancyError(
            f"{what} is moot if its round was voided before, and only then", got=decided.outcome.name
        )
    late = decided.timestamp > challenge.deadline
    if isinstance(challenge, AggregateChallenged):
        if decided.outcome is DisputeOutcome.PROVEN and late:
            raise DiscrepancyError(f"{what} was proven after its deadline", got=decided.timestamp)
        return
    shown = [e for e in facts.timeline.beside(decided) if isinstance(e, CiphertextRevealed)]
    answered = any(event.dispute == challenge.dispute for event in shown)
    if decided.outcome is DisputeOutcome.FAILED and (late or not answered):
        raise DiscrepancyError(f"{what} failed, but nobody showed the ciphertext in time")
    if decided.outcome is DisputeOutcome.PROVEN and (not late or answered):
        raise DiscrepancyError(f"{what} was proven, but there was time left to show the ciphertext, or it was shown")


def _require_conviction(facts: RoundFacts, decided: DisputeDecided) -> None:
    """Who is responsible is slashed, the round voided unless it was aborted, all in one transaction."""
    if decided.kind is not DisputeKind.EQUIVOCATION:
        require_equal("the convicted", facts.timeline.aggregator(facts.number, decided), decided.offender)
    aside = facts.timeline.beside(decided)
    slashed = {event.account for event in aside if isinstance(event, IdentitySlashed) and event.round == facts.number}
    responsible = {_holder(facts, decided.offender, decided)}
    if decided.kind is DisputeKind.AGGREGATE:
        attested = facts.timeline.history.rounds[facts.number].attestations
        responsible |= {_holder(facts, trustee, decided) for trustee in attested}
    if not responsible <= slashed:
        raise DiscrepancyError(
            "who was convicted was not slashed", expected=describe(sorted(responsible)), got=describe(sorted(slashed))
        )
    voids = any(isinstance(event, RoundVoided) and event.round == facts.number for event in aside)
    aborted = _before(facts.events, RoundAborted, decided) is not None
    if voids == aborted:
        raise DiscrepancyError("a proven dispute voids its round, unless that was aborted", got=decided.kind.name)


def _require_slashes_have_cause(facts: RoundFacts) -> None:
    for event in of_type(facts.events, IdentitySlashed):
        aside = facts.timeline.beside(event)
        if not any(isinstance(e, DisputeDecided) and _convicts(e, facts.number) for e in aside):
            raise DiscrepancyError("an identity was slashed without a proven dispute", got=event.account)


def _holder(facts: RoundFacts, account: Address, event: LedgerEvent) -> Address:
    """Return who answers for what ``account`` did: the present holder of its place."""
    identities = facts.timeline.identities
    identity = identities.at(account, event)
    if identity is None:
        return account
    holder = identities.holders(identity.role, event).get(identity.index)
    return account if holder is None else holder.account


def _before(events: Sequence[LedgerEvent], kind: type[E], at: LedgerEvent) -> E | None:
    found = first(events, kind)
    return found if found is not None and position(found) < position(at) else None


# R27


def _verdict(evidence: Evidence, facts: RoundFacts, manifest: Established[KeyManifest]) -> Finding[None]:
    evidence.chain("RoundVoided", "DisputeDecided")
    voided = first(facts.events, RoundVoided)
    if voided is None:
        raise DiscrepancyError("the chain holds a voided round that no event voided", got="none")
    cause = verdict_of(facts.timeline, voided)
    if cause is None:
        return _descendant(facts, voided)
    match cause.kind:
        case DisputeKind.AGGREGATE:
            return _wrong_column(evidence, facts, cause, manifest.value)
        case DisputeKind.AVAILABILITY:
            return Finding.of(None, f"nobody showed a ciphertext that was demanded in dispute {cause.dispute} (R26)")
        case _:
            # both signatures are in the transaction's input, which a ledger reader does not show
            raise NotCheckedError(
                f"{cause.offender} was convicted of {cause.kind.name.lower()} by signatures that the contract verified;"
                " they are in its transaction, not in its events"
            )


def _descendant(facts: RoundFacts, voided: RoundVoided) -> Finding[None]:
    base = facts.opened.base_round
    if _before(facts.timeline.of_round(base), RoundVoided, voided) is None:
        raise DiscrepancyError(
            "the round was voided, but neither by a dispute nor because the one it builds on was", got=f"round {base}"
        )
    return Finding.of(None, f"it builds on round {base}, which was voided")


def _wrong_column(evidence: Evidence, facts: RoundFacts, cause: DisputeDecided, manifest: KeyManifest) -> Finding[None]:
    """Multiply the accepted updates as they were committed: the disputed ciphertext must not be their product."""
    if first(facts.events, RoundFinalized) is None:
        raise NotCheckedError("the round was voided before it had a result record, so nothing names its artifacts")
    leaf = facts.timeline.challenges[cause.dispute].leaf
    counts: dict[str, int] = {}  # of ciphertexts, as the committed roots keep them
    try:
        record = RoundResult.from_bytes(evidence.artifact("result record", facts.state.result_hash))
        columns = multiply_columns(manifest.public_key, _committed_vectors(evidence, facts, record, counts))
        aggregate = shown_leaves(evidence.artifact("aggregate", record.aggregate))
        require_equal("the root of the stored aggregate", facts.state.aggregate_root, merkle_root(aggregate))
        counts["the aggregate"] = len(aggregate)
    except FedtrustError as error:
        if not _miscounted(facts, counts):
            # what a convicted aggregator left behind need not be whole; the contract saw what it needed
            raise NotCheckedError(f"an artifact of a convicted aggregator: {error.message}") from error
    for whose in _miscounted(facts, counts):
        return Finding.of(None, f"{whose} has {counts[whose]} ciphertexts, and not {facts.opened.ciphertexts}")
    if columns.unfit is not None:
        return Finding.of(None, f"an accepted update has a ciphertext that is none, at {columns.unfit}")
    if leaf < len(aggregate) and aggregate[leaf] == columns.product[leaf]:
        raise DiscrepancyError(
            f"ciphertext {leaf} of the aggregate is the product of the accepted ones: the verdict is wrong",
            expected="another ciphertext than the product",
            got="the product",
            advice="an honest aggregator was convicted: do not trust this contract or this endpoint",
        )
    return Finding.of(None, f"ciphertext {leaf} of the aggregate is not the product of the accepted ones")


def _miscounted(facts: RoundFacts, counts: dict[str, int]) -> list[str]:
    return [whose for whose, count in counts.items() if count != facts.opened.ciphertexts]


def _committed_vectors(
    evidence: Evidence, facts: RoundFacts, record: RoundResult, counts: dict[str, int]
) -> Iterator[Sequence[bytes]]:
    """Yield the ciphertexts of each accepted update, compared with its commitment, and note their number."""
    committed = facts.timeline.history.rounds[facts.number].commitments
    for account in facts.accepted():
        digest = record.updates.get(account)
        if digest is None:
            raise DiscrepancyError("the result record names no update of an accepted participant", got=account)
        leaves = ShownUpdate.from_bytes(evidence.artifact("update", digest)).leaves
        require_equal(f"the root of the update of {account}", committed[account].root, merkle_root(leaves))
        counts[f"the update of {account}"] = len(leaves)
        yield leaves
