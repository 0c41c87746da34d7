"""Checks R1 to R8 and R25: what the chain says of a round, checked against the contract's rules on its own events.

A reader that lies about one field of a state or of an event is found out here, because the two say everything twice:
what the contract does not store is in the events, and bound by the transcript, which it does store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedtrust.audit import catalogue as c
from fedtrust.audit.evidence import DiscrepancyError, Established, Evidence, Finding, Section, describe, require_equal
from fedtrust.audit.identities import position
from fedtrust.audit.snapshot import Snapshot
from fedtrust.audit.timeline import Timeline, first, of_type
from fedtrust.ledger.events import (
    AggregateChallenged,
    AggregateCommitted,
    Attested,
    AvailabilityChallenged,
    CommitsClosed,
    DisputeDecided,
    IdentitySlashed,
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
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
)
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    Phase,
    Role,
    RoundState,
    Status,
    members,
)
from fedtrust.protocol.update import Commitment

RUNNING = (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT)
FINISHED = (Phase.FINALIZED, Phase.SETTLED)
_RESULT_HASHES = ("plaintext_hash", "proof_hash", "model_hash", "result_hash")

TRANSITIONS: dict[tuple[Phase, type[LedgerEvent]], Phase] = {
    (Phase.NONE, RoundOpened): Phase.COMMIT,
    (Phase.COMMIT, UpdateCommitted): Phase.COMMIT,
    (Phase.COMMIT, CommitsClosed): Phase.UPLOAD,
    (Phase.UPLOAD, RoundTakenOver): Phase.UPLOAD,
    (Phase.UPLOAD, AggregateCommitted): Phase.DECRYPT,
    (Phase.DECRYPT, Attested): Phase.DECRYPT,
    (Phase.DECRYPT, RoundFinalized): Phase.FINALIZED,
    (Phase.FINALIZED, RewardCredited): Phase.FINALIZED,
    (Phase.FINALIZED, RoundSettled): Phase.SETTLED,
    **{(phase, RoundAborted): Phase.ABORTED for phase in RUNNING},
    **{(phase, RoundVoided): Phase.VOIDED for phase in (*RUNNING, Phase.FINALIZED)},
}
_BESIDE = (AggregateChallenged, AvailabilityChallenged, DisputeDecided, IdentitySlashed)
"""Events of a round that move no phase by themselves; R26 is about them."""


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round as the chain tells it: state, events, and who was registered."""

    snapshot: Snapshot
    timeline: Timeline
    state: RoundState
    events: tuple[LedgerEvent, ...]

    @property
    def number(self) -> int:
        """The round's number."""
        return self.state.number

    @property
    def opened(self) -> RoundOpened:
        """The event that opened the round. Raises DiscrepancyError if there is none."""
        opened = first(self.events, RoundOpened)
        if opened is None:
            raise DiscrepancyError("the chain holds a round that no event opened", expected="RoundOpened", got="none")
        return opened

    @property
    def finished(self) -> bool:
        """Whether the round has a result that counts."""
        return self.state.phase in FINISHED

    @property
    def had_result(self) -> bool:
        """Whether the round has a result, or had one before it was voided."""
        return self.finished or (self.state.phase is Phase.VOIDED and first(self.events, RoundFinalized) is not None)

    def deadlines(self, event: LedgerEvent) -> Deadlines:
        """Return the deadlines that held when ``event`` happened: a take-over moves them."""
        limits = self.opened.deadlines
        for taken in of_type(self.events, RoundTakenOver):
            if position(taken) < position(event):
                limits = Deadlines(limits.commit, taken.aggregate_deadline, taken.finalize_deadline)
        return limits

    def committers(self) -> dict[int, Address]:
        """Return which account committed for each place of a participant, in the order of the commitments."""
        found: dict[int, Address] = {}
        for event in of_type(self.events, UpdateCommitted):
            identity = self.timeline.identities.at(event.participant, event)
            if identity is not None and identity.role is Role.PARTICIPANT:
                found.setdefault(identity.index, event.participant)
        return found

    def accepted(self) -> tuple[Address, ...]:
        """Return the accounts whose updates were accepted, by index."""
        committers = self.committers()
        return tuple(committers[index] for index in members(self.state.accepted) if index in committers)


@dataclass(frozen=True, slots=True)
class _Commitments:
    """The commitments of a round, and the transcript after the last of them."""

    by_account: dict[Address, Commitment]
    transcript: bytes


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """What R1 to R8 established, for the checks of the artifacts."""

    commitments: Established[dict[Address, Commitment]]
    accepted: Established[tuple[Address, ...]]
    attestations: Established[dict[Address, bytes]]


def check_chain_facts(section: Section, facts: RoundFacts) -> ChainOutcome:
    """Carry out R1 to R8 and R25, as far as the round has come."""
    section.perform(c.OPENING, lambda e: _opening(e, facts))
    section.perform(c.ORDER, lambda e: _order(e, facts))
    section.perform(c.DEADLINES, lambda e: _deadlines(e, facts))
    made = section.perform(c.COMMITMENTS, lambda e: _commitments(e, facts))
    outcome = ChainOutcome(
        made.derive(lambda commitments: commitments.by_account),
        section.perform(c.ACCEPTED, lambda e: _accepted(e, facts)),
        section.perform(c.ATTESTATIONS, lambda e: _attestations(e, facts, made.value.transcript)),
    )
    if facts.had_result:
        section.perform(c.OUTCOME, lambda e: _outcome(e, facts))
    elif facts.state.phase is Phase.ABORTED:
        section.perform(c.ABORT, lambda e: _abort(e, facts))
    if facts.state.taken_over or first(facts.events, RoundTakenOver) is not None:
        section.perform(c.TAKE_OVER, lambda e: _take_over(e, facts))
    return outcome


def _opening(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundOpened", "round state")
    state, opened, identities = facts.state, facts.opened, facts.timeline.identities
    # 1. State and event agree. A take-over changes aggregator and deadlines (R25).
    names = ["spec_hash", "base_model_hash", "base_round", "selected", "quorum", "ciphertexts", "reward"]
    names += [] if state.taken_over else ["aggregator", "deadlines"]
    for name in names:
        require_equal(f"the opening's {name.replace('_', ' ')}", getattr(opened, name), getattr(state, name))
    # 2. The rules of opening a round.
    opener = identities.at(opened.aggregator, opened)
    if opener is None or opener.role is not Role.AGGREGATOR or not opener.active:
        raise DiscrepancyError("the round was opened by no active aggregator", got=opened.aggregator)
    _require_turn(facts, opened)
    undrawable = opened.selected & ~identities.eligible(opened)
    if undrawable:
        raise DiscrepancyError("participants were selected that could not be drawn", got=describe(members(undrawable)))
    least = facts.snapshot.config.minimum_quorum
    if not least <= opened.quorum <= opened.selected.bit_count():
        limits = f"{least} to {opened.selected.bit_count()}"
        raise DiscrepancyError("the quorum is impossible", expected=limits, got=opened.quorum)
    if ZERO_HASH in (opened.spec_hash, opened.base_model_hash) or opened.ciphertexts < 1:
        raise DiscrepancyError("the round was opened without a spec, a base model or ciphertexts")
    return Finding.of(None, f"opened in block {opened.block} by {opened.aggregator}")


def _require_turn(facts: RoundFacts, opened: RoundOpened) -> None:
    """For a while after a round only its aggregator may open the next one, if it did its part and is still active."""
    before = facts.timeline.of_round(facts.number - 1)
    ended = first(before, RoundFinalized) or first(before, RoundAborted)
    aggregator = facts.timeline.aggregator(facts.number - 1, opened)
    if ended is None or aggregator is None or aggregator == opened.aggregator:
        return
    voided = first(before, RoundVoided)
    if voided is not None and position(voided) < position(opened):
        return
    if isinstance(ended, RoundAborted) and ended.reason is not AbortReason.COMMIT_QUORUM_MISSED:
        return
    until = ended.timestamp + facts.snapshot.config.standby_seconds
    identity = facts.timeline.identities.at(aggregator, opened)
    if opened.timestamp <= until and identity is not None and identity.active:
        raise DiscrepancyError(
            "the round was opened out of turn", expected=f"by {aggregator}, until {until}", got=opened.aggregator
        )


def _order(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("events of the round", "phase")
    phase = Phase.NONE
    for event in facts.events:
        if isinstance(event, _BESIDE):
            continue
        after = TRANSITIONS.get((phase, type(event)))
        if after is None:
            raise DiscrepancyError(
                f"{type(event).__name__} in block {event.block} cannot happen in phase {phase.name}",
                expected=describe([kind.__name__ for start, kind in TRANSITIONS if start is phase]),
                got=type(event).__name__,
            )
        phase = after
    require_equal("the phase", phase, facts.state.phase)
    if phase is not Phase.ABORTED:
        require_equal("the abort reason", AbortReason.NONE, facts.state.abort_reason)
    if not facts.had_result:
        _require_no_result(facts.state)
    settled = first(facts.events, RoundSettled)
    if settled is not None and facts.opened.base_round:
        base = first(facts.timeline.of_round(facts.opened.base_round), RoundSettled)
        if base is None or position(base) > position(settled):
            raise DiscrepancyError(
                "the round was settled before the one that it builds on", got=f"round {facts.opened.base_round}"
            )
    return Finding.of(None, phase)


def _deadlines(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("deadlines", "block timestamps")
    opened, events = facts.opened, facts.events
    limits = opened.deadlines
    if not limits.commit < limits.aggregate < limits.finalize:
        raise DiscrepancyError("the deadlines are not ascending", got=limits)
    _not_after(opened, limits.commit - 1)
    longest = facts.snapshot.config.max_round_seconds
    if limits.finalize > opened.timestamp + longest:
        raise DiscrepancyError(
            "the last deadline is too far", expected=f"at most {opened.timestamp + longest}", got=limits.finalize
        )
    for step in events:
        now = facts.deadlines(step)
        match step:
            case UpdateCommitted():
                _not_after(step, now.commit)
            case AggregateCommitted():
                _not_after(step, now.aggregate)
            case Attested() | RoundFinalized():
                _not_after(step, now.finalize)
            case _:
                pass
    finalized = first(events, RoundFinalized)
    for settled in of_type(events, RoundSettled):
        if finalized is None or settled.timestamp < finalized.challenge_end:
            raise DiscrepancyError(
                "the round was settled within its challenge window",
                expected=f"from {None if finalized is None else finalized.challenge_end} on",
                got=settled.timestamp,
            )
    return Finding.of(None, f"commit {limits.commit}, aggregate {limits.aggregate}, finalize {limits.finalize}")


def _require_no_result(state: RoundState) -> None:
    for name in _RESULT_HASHES:
        require_equal(f"the {name.replace('_', ' ')} of a round without a result", ZERO_HASH, getattr(state, name))


def _require_its_aggregator(facts: RoundFacts, event: LedgerEvent) -> None:
    account = facts.timeline.aggregator(facts.number, event)
    identities = facts.timeline.identities
    if account is None or identities.in_force(account, Role.AGGREGATOR, facts.number, event) is None:
        raise DiscrepancyError(f"{type(event).__name__} in block {event.block} by no aggregator in force", got=account)


def _not_after(event: LedgerEvent, limit: int) -> None:
    if event.timestamp > limit:
        raise DiscrepancyError(
            f"{type(event).__name__} in block {event.block} came after its deadline",
            expected=f"at most {limit}",
            got=event.timestamp,
        )


def _commitments(evidence: Evidence, facts: RoundFacts) -> Finding[_Commitments]:
    evidence.chain("UpdateCommitted", "CommitsClosed", "transcript", "aggregate hash", "committed")
    state, opened, snapshot = facts.state, facts.opened, facts.snapshot
    # 1. Each from a selected participant in force, once; the transcript and the bitmap are recomputed.
    commitments: dict[Address, Commitment] = {}
    committed = 0
    before = snapshot.heads.get(facts.number - 1, ZERO_HASH)
    transcript = opening_transcript(snapshot.chain_id, snapshot.contract, before, opened)
    for event in of_type(facts.events, UpdateCommitted):
        account = event.participant
        identity = facts.timeline.identities.in_force(account, Role.PARTICIPANT, facts.number, event)
        bit = 0 if identity is None else 1 << identity.index
        if identity is None or not opened.selected & bit or committed & bit:
            raise DiscrepancyError(
                "a commitment of an account that was not selected or not in force, or the second for its place",
                got=account,
            )
        committed |= bit
        commitments[account] = Commitment(event.root, event.proof_hash, identity.epoch)
        transcript = commitment_transcript(transcript, account, event.root, event.proof_hash)
    require_equal("the set of committed participants", committed, state.committed)
    # what the contract keeps of it: the transcript itself, or its hash with the aggregate
    if first(facts.events, AggregateCommitted) is None and state.aggregate_hash == ZERO_HASH:
        require_equal("the transcript of the commitments", transcript, state.transcript)
    else:
        kept = aggregate_hash(transcript, state.accepted, state.aggregate_root)
        require_equal("the hash of commitments and aggregate", kept, state.aggregate_hash)
    # 2. The phase closed when all had committed, or at its deadline with a quorum.
    closed = first(facts.events, CommitsClosed)
    if closed is not None:
        require_equal("the set of committed participants at the close", committed, closed.committed)
        expired = closed.timestamp > opened.deadlines.commit and committed.bit_count() >= opened.quorum
        if committed != opened.selected and not expired:
            raise DiscrepancyError(
                "the commit phase was closed early",
                expected=f"all {opened.selected.bit_count()} commitments, or the deadline and {opened.quorum}",
                got=f"{committed.bit_count()} commitments at {closed.timestamp}",
            )
    return Finding.of(_Commitments(commitments, transcript), f"{len(commitments)} commitments, {describe(transcript)}")


def _accepted(evidence: Evidence, facts: RoundFacts) -> Finding[tuple[Address, ...]]:
    evidence.chain("AggregateCommitted", "accepted", "aggregate root")
    state, event = facts.state, first(facts.events, AggregateCommitted)
    fixed = (0, ZERO_HASH) if event is None else (event.accepted, event.aggregate_root)
    require_equal("the accepted set", fixed[0], state.accepted)
    require_equal("the aggregate root", fixed[1], state.aggregate_root)
    if event is None:
        require_equal("the hash of an aggregate that nobody committed", ZERO_HASH, state.aggregate_hash)
        return Finding.of((), "no aggregate was committed")
    _require_its_aggregator(facts, event)
    least = max(state.quorum, facts.snapshot.config.minimum_quorum)
    if state.accepted & ~state.committed:
        raise DiscrepancyError("an update was accepted that was never committed", got=bin(state.accepted))
    if state.accepted.bit_count() < least:
        raise DiscrepancyError(
            "too few updates are in the sum", expected=f"at least {least}", got=state.accepted.bit_count()
        )
    accounts = facts.accepted()
    require_equal("the number of accounts that were accepted", state.accepted.bit_count(), len(accounts))
    return Finding.of(accounts, accounts)


def _attestations(evidence: Evidence, facts: RoundFacts, transcript: bytes) -> Finding[dict[Address, bytes]]:
    evidence.chain("Attested", "transcript", "attested")
    state = facts.state
    roots: dict[Address, bytes] = {}
    attested = 0
    for event in of_type(facts.events, Attested):
        account = event.trustee
        identity = facts.timeline.identities.in_force(account, Role.TRUSTEE, facts.number, event)
        if identity is None or attested >> identity.index & 1:
            raise DiscrepancyError("an attestation of no trustee in force, or a second one", got=account)
        transcript = attestation_transcript(transcript, account, event.partial_root)
        attested |= 1 << identity.index
        roots[account] = event.partial_root
    require_equal("the transcript", transcript, state.transcript)
    require_equal("the set of trustees that attested", attested, state.attested)
    if facts.had_result:
        threshold = 0 if facts.snapshot.key is None else facts.snapshot.key.threshold
        if not 0 < threshold <= len(roots):
            raise DiscrepancyError("too few trustees attested", expected=f"at least {threshold}", got=len(roots))
    return Finding.of(roots, f"{len(roots)} attestations, {describe(transcript)}")


def _outcome(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundFinalized", "plaintext, proof, model and result hash", "challenge end")
    state, event = facts.state, first(facts.events, RoundFinalized)
    if event is None:
        raise DiscrepancyError(
            "the chain holds a result that no event committed", expected="RoundFinalized", got="none"
        )
    _require_its_aggregator(facts, event)
    for name in (*_RESULT_HASHES, "challenge_end"):
        require_equal(f"the result's {name.replace('_', ' ')}", getattr(event, name), getattr(state, name))
    require_equal(
        "the end of the challenge window", event.timestamp + facts.snapshot.config.challenge_window, event.challenge_end
    )
    if any(getattr(state, name) == ZERO_HASH for name in _RESULT_HASHES):
        raise DiscrepancyError("a hash of the result is zero")
    return Finding.of(None, state.result_hash)


def _abort(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundAborted", "abort reason", "block timestamps")
    state, event = facts.state, first(facts.events, RoundAborted)
    if event is None:
        raise DiscrepancyError("the chain holds an aborted round that no event aborted", got="none")
    require_equal("the abort reason in the event", state.abort_reason, event.reason)
    require_equal("the abort reason", _abort_due(facts, event), state.abort_reason)
    _require_no_result(state)
    return Finding.of(None, state.abort_reason)


def _abort_due(facts: RoundFacts, aborted: RoundAborted) -> AbortReason:
    """Return the reason for which the round could be aborted then, as the contract looks for one; NONE without."""
    events: Sequence[LedgerEvent] = facts.events
    if facts.timeline.model_round(aborted) != facts.opened.base_round:
        return AbortReason.BASE_VOIDED
    aggregator = facts.timeline.aggregator(facts.number, aborted)
    identity = None if aggregator is None else facts.timeline.identities.at(aggregator, aborted)
    if identity is None or identity.status not in (Status.ACTIVE, Status.LEAVING):
        return AbortReason.AGGREGATOR_REMOVED
    now, limits = aborted.timestamp, facts.deadlines(aborted)
    if first(events, AggregateCommitted) is not None:
        return AbortReason.FINALIZE_DEADLINE_MISSED if now > limits.finalize else AbortReason.NONE
    short = first(events, CommitsClosed) is None and len(of_type(events, UpdateCommitted)) < facts.opened.quorum
    if short and now > limits.commit:
        return AbortReason.COMMIT_QUORUM_MISSED
    # a standby has its time before anybody can end the round
    patience = 0 if first(events, RoundTakenOver) is not None else facts.snapshot.config.standby_seconds
    return AbortReason.AGGREGATE_DEADLINE_MISSED if now > limits.aggregate + patience else AbortReason.NONE


def _take_over(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundTakenOver", "round state", "block timestamps")
    state, taken = facts.state, first(facts.events, RoundTakenOver)
    if taken is None or not state.taken_over or len(of_type(facts.events, RoundTakenOver)) != 1:
        raise DiscrepancyError("state and events do not tell of one and the same take-over")
    before, standby = facts.opened.deadlines, facts.snapshot.config.standby_seconds
    # 1. Who: another active aggregator. When: within its time after the missed deadline.
    identity = facts.timeline.identities.at(taken.aggregator, taken)
    active = identity is not None and identity.active and identity.role is Role.AGGREGATOR
    if not active or taken.aggregator == facts.opened.aggregator:
        raise DiscrepancyError("the round was taken over by no other active aggregator", got=taken.aggregator)
    if not before.aggregate < taken.timestamp <= before.aggregate + standby:
        raise DiscrepancyError(
            "the round was taken over at the wrong time",
            expected=f"after {before.aggregate}, until {before.aggregate + standby}",
            got=taken.timestamp,
        )
    # 2. The deadlines move as the rule says, and the state is the new one.
    aggregate = taken.timestamp + standby
    moved = Deadlines(before.commit, aggregate, max(before.finalize, aggregate + standby))
    told = Deadlines(before.commit, taken.aggregate_deadline, taken.finalize_deadline)
    require_equal("the deadlines after the take-over", moved, told)
    require_equal("the deadlines in the state", told, state.deadlines)
    require_equal("the aggregator that runs the round", taken.aggregator, state.aggregator)
    return Finding.of(None, f"by {taken.aggregator} in block {taken.block}")
