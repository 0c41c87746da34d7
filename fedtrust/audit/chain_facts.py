"""Checks R1 to R8: what the chain says of a round, checked against the contract's rules on its own events.

A reader that lies about one field of a state or of an event is found out here, because the two say everything twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedtrust.audit import catalogue as c
from fedtrust.audit.evidence import DiscrepancyError, Established, Evidence, Finding, Section, describe, require_equal
from fedtrust.audit.snapshot import Snapshot
from fedtrust.audit.timeline import Timeline, first, of_type
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    CommitsClosed,
    LedgerEvent,
    RewardCredited,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    UpdateCommitted,
)
from fedtrust.ledger.heads import attestation_accumulator, commitment_accumulator
from fedtrust.ledger.interface import role_members
from fedtrust.ledger.types import ZERO_HASH, AbortReason, Address, Identity, Phase, Role, RoundState
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS
from fedtrust.protocol.update import Commitment

RUNNING = (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT)
FINISHED = (Phase.FINALIZED, Phase.SETTLED)
_RESULT_HASHES = ("plaintext_hash", "proof_hash", "model_hash", "result_hash")

TRANSITIONS: dict[tuple[Phase, type[LedgerEvent]], Phase] = {
    (Phase.NONE, RoundOpened): Phase.COMMIT,
    (Phase.COMMIT, UpdateCommitted): Phase.COMMIT,
    (Phase.COMMIT, CommitsClosed): Phase.UPLOAD,
    (Phase.UPLOAD, AggregateCommitted): Phase.DECRYPT,
    (Phase.DECRYPT, Attested): Phase.DECRYPT,
    (Phase.DECRYPT, RoundFinalized): Phase.FINALIZED,
    (Phase.FINALIZED, RewardCredited): Phase.FINALIZED,
    (Phase.FINALIZED, RoundSettled): Phase.SETTLED,
    **{(phase, RoundAborted): Phase.ABORTED for phase in RUNNING},
}


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

    def members(self, role: Role, bitmap: int) -> tuple[Identity, ...]:
        """Return the identities of ``role`` in ``bitmap``. Raises DiscrepancyError if a bit belongs to nobody."""
        everybody = [i for i in self.timeline.history.identities() if i.role is role]
        found = role_members(everybody, bitmap)
        require_equal(f"the number of registered accounts in a {role.name} bitmap", bitmap.bit_count(), len(found))
        return found


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """What R1 to R8 established, for the checks of the artifacts."""

    commitments: Established[dict[Address, Commitment]]
    accepted: Established[tuple[Address, ...]]
    attestations: Established[dict[Address, bytes]]


def check_chain_facts(section: Section, facts: RoundFacts) -> ChainOutcome:
    """Carry out R1 to R8, as far as the round has come."""
    section.perform(c.OPENING, lambda e: _opening(e, facts))
    section.perform(c.ORDER, lambda e: _order(e, facts))
    section.perform(c.DEADLINES, lambda e: _deadlines(e, facts))
    outcome = ChainOutcome(
        section.perform(c.COMMITMENTS, lambda e: _commitments(e, facts)),
        section.perform(c.ACCEPTED, lambda e: _accepted(e, facts)),
        section.perform(c.ATTESTATIONS, lambda e: _attestations(e, facts)),
    )
    if facts.state.phase in FINISHED:
        section.perform(c.OUTCOME, lambda e: _outcome(e, facts))
    elif facts.state.phase is Phase.ABORTED:
        section.perform(c.ABORT, lambda e: _abort(e, facts))
    return outcome


def _opening(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundOpened", "round state")
    state, opened = facts.state, first(facts.events, RoundOpened)
    if opened is None:
        raise DiscrepancyError("the chain holds a round that no event opened", expected="RoundOpened", got="none")
    # 1. State and event agree.
    for name in (
        "aggregator",
        "spec_hash",
        "base_model_hash",
        "selected",
        "quorum",
        "ciphertexts",
        "deadlines",
        "reward",
    ):
        require_equal(f"the opening's {name.replace('_', ' ')}", getattr(opened, name), getattr(state, name))
    # 2. The rules of opening a round.
    if not facts.timeline.active(state.aggregator, Role.AGGREGATOR, opened):
        raise DiscrepancyError("the round was opened by no active aggregator", got=state.aggregator)
    for identity in facts.members(Role.PARTICIPANT, state.selected):
        if not facts.timeline.active(identity.account, Role.PARTICIPANT, opened):
            raise DiscrepancyError("a participant was selected that was not active", got=identity.account)
    if not MINIMUM_PARTICIPANTS <= state.quorum <= state.selected.bit_count():
        limits = f"{MINIMUM_PARTICIPANTS} to {state.selected.bit_count()}"
        raise DiscrepancyError("the quorum is impossible", expected=limits, got=state.quorum)
    if ZERO_HASH in (state.spec_hash, state.base_model_hash) or state.ciphertexts < 1:
        raise DiscrepancyError("the round was opened without a spec, a base model or ciphertexts")
    return Finding.of(None, f"opened in block {opened.block} by {opened.aggregator}")


def _order(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("events of the round", "phase")
    phase = Phase.NONE
    for event in facts.events:
        after = TRANSITIONS.get((phase, type(event)))
        if after is None:
            raise DiscrepancyError(
                f"{type(event).__name__} in block {event.block} cannot happen in phase {phase.name}",
                expected=describe([kind.__name__ for start, kind in TRANSITIONS if start is phase]),
                got=type(event).__name__,
            )
        phase = after
    require_equal("the phase", phase, facts.state.phase)
    if phase in RUNNING:
        require_equal("the abort reason", AbortReason.NONE, facts.state.abort_reason)
        _require_no_result(facts.state)
    return Finding.of(None, phase)


def _deadlines(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("deadlines", "block timestamps")
    limits, events = facts.state.deadlines, facts.events
    if not limits.commit < limits.aggregate < limits.finalize:
        raise DiscrepancyError("the deadlines are not ascending", got=limits)
    for event in of_type(events, RoundOpened):
        _not_after(event, limits.commit - 1)
    for kind, limit in (
        (UpdateCommitted, limits.commit),
        (AggregateCommitted, limits.aggregate),
        (Attested, limits.finalize),
        (RoundFinalized, limits.finalize),
    ):
        for step in of_type(events, kind):
            _not_after(step, limit)
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
    if not facts.timeline.active(facts.state.aggregator, Role.AGGREGATOR, event):
        raise DiscrepancyError(
            f"{type(event).__name__} in block {event.block} by no active aggregator", got=facts.state.aggregator
        )


def _not_after(event: LedgerEvent, limit: int) -> None:
    if event.timestamp > limit:
        raise DiscrepancyError(
            f"{type(event).__name__} in block {event.block} came after its deadline",
            expected=f"at most {limit}",
            got=event.timestamp,
        )


def _commitments(evidence: Evidence, facts: RoundFacts) -> Finding[dict[Address, Commitment]]:
    evidence.chain("UpdateCommitted", "CommitsClosed", "commitments hash", "committed")
    state = facts.state
    selected = {i.account: i.index for i in facts.members(Role.PARTICIPANT, state.selected)}
    # 1. Each from a selected, active participant, once; the accumulator and the bitmap are recomputed.
    commitments: dict[Address, Commitment] = {}
    accumulator, committed = ZERO_HASH, 0
    for event in of_type(facts.events, UpdateCommitted):
        account = event.participant
        if account not in selected or account in commitments:
            raise DiscrepancyError("a commitment of an account that was not selected, or its second", got=account)
        if not facts.timeline.active(account, Role.PARTICIPANT, event):
            raise DiscrepancyError("a commitment of a participant that was not active", got=account)
        accumulator = commitment_accumulator(accumulator, account, event.root, event.proof_hash)
        committed |= 1 << selected[account]
        commitments[account] = Commitment(event.root, event.proof_hash)
    require_equal("the commitments hash", accumulator, state.commitments_hash)
    require_equal("the set of committed participants", committed, state.committed)
    # 2. The phase closed when all had committed, or at its deadline with a quorum.
    closed = first(facts.events, CommitsClosed)
    if closed is not None:
        require_equal("the set of committed participants at the close", committed, closed.committed)
        expired = closed.timestamp > state.deadlines.commit and committed.bit_count() >= state.quorum
        if committed != state.selected and not expired:
            raise DiscrepancyError(
                "the commit phase was closed early",
                expected=f"all {state.selected.bit_count()} commitments, or the deadline and {state.quorum}",
                got=f"{committed.bit_count()} commitments at {closed.timestamp}",
            )
    return Finding.of(commitments, f"{len(commitments)} commitments, {describe(accumulator)}")


def _accepted(evidence: Evidence, facts: RoundFacts) -> Finding[tuple[Address, ...]]:
    evidence.chain("AggregateCommitted", "accepted", "aggregate root")
    state, event = facts.state, first(facts.events, AggregateCommitted)
    fixed = (0, ZERO_HASH) if event is None else (event.accepted, event.aggregate_root)
    require_equal("the accepted set", fixed[0], state.accepted)
    require_equal("the aggregate root", fixed[1], state.aggregate_root)
    if event is None:
        return Finding.of((), "no aggregate was committed")
    _require_its_aggregator(facts, event)
    least = max(state.quorum, MINIMUM_PARTICIPANTS)
    if state.accepted & ~state.committed:
        raise DiscrepancyError("an update was accepted that was never committed", got=bin(state.accepted))
    if state.accepted.bit_count() < least:
        raise DiscrepancyError(
            "too few updates are in the sum", expected=f"at least {least}", got=state.accepted.bit_count()
        )
    accounts = tuple(i.account for i in facts.members(Role.PARTICIPANT, state.accepted))
    return Finding.of(accounts, accounts)


def _attestations(evidence: Evidence, facts: RoundFacts) -> Finding[dict[Address, bytes]]:
    evidence.chain("Attested", "attestations hash", "attested")
    state = facts.state
    indices = {i.account: i.index for i in facts.timeline.history.identities() if i.role is Role.TRUSTEE}
    roots: dict[Address, bytes] = {}
    accumulator, attested = ZERO_HASH, 0
    for event in of_type(facts.events, Attested):
        account = event.trustee
        active = account in indices and facts.timeline.active(account, Role.TRUSTEE, event)
        if account in roots or not active:
            raise DiscrepancyError("an attestation of no active trustee, or a second one", got=account)
        accumulator = attestation_accumulator(accumulator, account, event.partial_root)
        attested |= 1 << indices[account]
        roots[account] = event.partial_root
    require_equal("the attestations hash", accumulator, state.attestations_hash)
    require_equal("the set of trustees that attested", attested, state.attested)
    if state.phase in FINISHED:
        threshold = 0 if facts.snapshot.key is None else facts.snapshot.key.threshold
        if not 0 < threshold <= len(roots):
            raise DiscrepancyError("too few trustees attested", expected=f"at least {threshold}", got=len(roots))
    return Finding.of(roots, f"{len(roots)} attestations, {describe(accumulator)}")


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
    require_equal("the abort reason", AbortReason.NONE, state.abort_reason)
    return Finding.of(None, state.result_hash)


def _abort(evidence: Evidence, facts: RoundFacts) -> Finding[None]:
    evidence.chain("RoundAborted", "abort reason", "block timestamps")
    state, event = facts.state, first(facts.events, RoundAborted)
    if event is None:
        raise DiscrepancyError("the chain holds an aborted round that no event aborted", got="none")
    require_equal("the abort reason in the event", state.abort_reason, event.reason)
    due = _abort_due(facts.events, facts.state, event)
    require_equal("the abort reason", due, state.abort_reason)
    _require_no_result(state)
    return Finding.of(None, state.abort_reason)


def _abort_due(events: Sequence[LedgerEvent], state: RoundState, aborted: RoundAborted) -> AbortReason:
    """Return the reason for which the round could be aborted then; NONE if there was none."""
    now, limits = aborted.timestamp, state.deadlines
    if first(events, AggregateCommitted) is not None:
        return AbortReason.FINALIZE_DEADLINE_MISSED if now > limits.finalize else AbortReason.NONE
    short = first(events, CommitsClosed) is None and len(of_type(events, UpdateCommitted)) < state.quorum
    if short and now > limits.commit:
        return AbortReason.COMMIT_QUORUM_MISSED
    return AbortReason.AGGREGATE_DEADLINE_MISSED if now > limits.aggregate else AbortReason.NONE
