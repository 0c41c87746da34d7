"""Checks R22 and R23: who was credited what."""

from __future__ import annotations

from fedtrust.audit import catalogue as c
from fedtrust.audit.chain_facts import RoundFacts
from fedtrust.audit.evidence import DiscrepancyError, Evidence, Finding, NotCheckedError, Section, require_equal
from fedtrust.audit.timeline import first, of_type
from fedtrust.ledger.events import RewardCredited, RoundSettled
from fedtrust.ledger.types import Phase
from fedtrust.protocol.payment import PayoutRecord, payout_record


def check_payouts(section: Section, facts: RoundFacts) -> None:
    """Carry out R22, and R23 for rounds with a result."""
    payouts = section.perform(c.PAYOUTS, lambda e: _payouts(e, facts))
    if facts.finished:
        section.perform(c.PAYOUT_RECORD, lambda e: _record(e, facts, payouts.value))


def _payouts(evidence: Evidence, facts: RoundFacts) -> Finding[PayoutRecord | None]:
    evidence.chain("RewardCredited", "RoundSettled", "config", "accepted", "attested", "reward", "counters")
    state = facts.state
    credited = [(event.account, event.amount) for event in of_type(facts.events, RewardCredited)]
    if state.phase is not Phase.SETTLED:
        require_equal("the credits of a round that is not settled", [], credited)
        return Finding.of(None, "nothing was credited")
    if facts.timeline.reputation_error is not None:
        raise NotCheckedError(f"depends on {c.REPUTATION}: {facts.timeline.reputation_error.message}")
    # the rule with the counters of just before the settlement, which F11 compares with the contract's
    record = payout_record(facts.snapshot.config, state, facts.timeline.reputations)
    due = [(payout.account, payout.amount) for payout in record.payouts]
    require_equal("the list of credits", due, credited)
    total = sum(amount for _, amount in credited)
    settled = first(facts.events, RoundSettled)
    require_equal("the sum of the credits", total, None if settled is None else settled.credited)
    require_equal("the reward, credited and returned together", state.reward, total + record.returned)
    rule = record.rule.name.lower()
    return Finding.of(record, f"{total} by the rule {rule} to {len(credited)} accounts, {record.returned} returned")


def _record(evidence: Evidence, facts: RoundFacts, expected: PayoutRecord | None) -> Finding[None]:
    if expected is None:
        raise NotCheckedError(f"the round is not settled; its challenge window runs until {facts.state.challenge_end}")
    # No slot on chain names the record: its name is the digest of what was computed here.
    if evidence.artifact("payout record", expected.digest) != expected.to_bytes():
        raise DiscrepancyError("the stored payout record is not the computed one, byte for byte")
    return Finding.of(None, expected.digest)
