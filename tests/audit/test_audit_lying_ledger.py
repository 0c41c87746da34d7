"""An endpoint that changes one fact of the chain: the check of that fact fails and says in which round.

The last section is a property: whatever is left out of the log, doubled or moved, the chain's own facts contradict it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.audit import catalogue
from fedtrust.audit.auditor import audit_federation
from fedtrust.crypto.encoding import sha256
from fedtrust.errors import LedgerError
from fedtrust.ledger import events as ev
from fedtrust.ledger.types import AbortReason, Address, Deadlines, Identity, PayoutRule, Phase, Role, Status
from fedtrust.store.artifacts import MemoryStore
from tests.audit.audit_fixtures import LyingLedger, PlayedFederation, failed, replaced

OTHER = b"\x07" * 32
STRANGER = Address("0x" + "0" * 39 + "1")

STATES: dict[str, tuple[Any, str]] = {
    "aggregator": (STRANGER, "opening"),
    "deadlines": (Deadlines(1, 2, 3), "opening"),
    "quorum": (3, "opening"),
    "ciphertexts": (2, "opening"),
    "selected": (0b011, "opening"),
    "base_round": (0, "opening"),
    "taken_over": (True, "take-over"),
    "spec_hash": (OTHER, "opening"),
    "base_model_hash": (OTHER, "opening"),
    "reward": (1, "opening"),
    "phase": (Phase.FINALIZED, "order"),
    "committed": (0b011, "commitments"),
    "aggregate_hash": (OTHER, "commitments"),
    "accepted": (0b011, "accepted"),
    "aggregate_root": (OTHER, "accepted"),
    "attested": (0b011, "attestations"),
    "transcript": (OTHER, "attestations"),
    "plaintext_hash": (OTHER, "outcome"),
    "proof_hash": (OTHER, "outcome"),
    "model_hash": (OTHER, "outcome"),
    "result_hash": (OTHER, "outcome"),
    "challenge_end": (1, "outcome"),
    "abort_reason": (AbortReason.COMMIT_QUORUM_MISSED, "order"),
}
IN_HEAD = {
    "aggregator", "aggregate_hash", "transcript", "plaintext_hash", "proof_hash", "model_hash", "result_hash",
    "abort_reason",
}  # fmt: skip


@pytest.mark.parametrize("field", STATES)
def test_state_with_one_changed_field(short: PlayedFederation, field: str) -> None:
    value, check = STATES[field]
    ledger = LyingLedger(short.ledger("operator"), states={2: {field: value}})
    found = failed(audit_federation(ledger, short.artifacts))
    assert (2, check) in found
    assert ((None, "heads") in found) == (field in IN_HEAD)
    assert {number for number, _ in found} <= {None, 2}


def test_state_with_another_head(short: PlayedFederation) -> None:
    ledger = LyingLedger(short.ledger("operator"), states={2: {"head": OTHER}})
    report = audit_federation(ledger, short.artifacts)
    assert failed(report) == {(None, "heads")}
    assert "round 2" in str(report.failures[0])


def only(kind: type[ev.LedgerEvent], round: int, changes: dict[str, Any]) -> Callable[[ev.LedgerEvent], ev.LedgerEvent]:
    """Return a change of the first event of a type in a round."""
    done: list[ev.LedgerEvent] = []

    def change(event: ev.LedgerEvent) -> ev.LedgerEvent:
        if isinstance(event, kind) and getattr(event, "round", round) == round and done in ([], [event]):
            done[:] = [event]
            return replace(event, **changes)
        return event

    return change


EVENTS: dict[str, tuple[type[ev.LedgerEvent], dict[str, Any], tuple[int | None, str]]] = {
    "opened spec": (ev.RoundOpened, {"spec_hash": OTHER}, (2, "opening")),
    "opened selection": (ev.RoundOpened, {"selected": 0b011}, (2, "selection")),
    "opened reward": (ev.RoundOpened, {"reward": 5}, (None, "rewards")),
    "opened late": (ev.RoundOpened, {"timestamp": 9_999_999_999}, (2, "deadlines")),
    "committed root": (ev.UpdateCommitted, {"root": OTHER}, (2, "commitments")),
    "committed proof": (ev.UpdateCommitted, {"proof_hash": OTHER}, (2, "commitments")),
    "committed by another": (ev.UpdateCommitted, {"participant": STRANGER}, (2, "commitments")),
    "committed late": (ev.UpdateCommitted, {"timestamp": 9_999_999_999}, (2, "deadlines")),
    "committed in another round": (ev.UpdateCommitted, {"round": 1}, (1, "order")),
    "closed with another set": (ev.CommitsClosed, {"committed": 0b011}, (2, "commitments")),
    "aggregate root": (ev.AggregateCommitted, {"aggregate_root": OTHER}, (2, "accepted")),
    "aggregate set": (ev.AggregateCommitted, {"accepted": 0b011}, (2, "accepted")),
    "aggregate late": (ev.AggregateCommitted, {"timestamp": 9_999_999_999}, (2, "deadlines")),
    "attested root": (ev.Attested, {"partial_root": OTHER}, (2, "attestations")),
    "attested by another": (ev.Attested, {"trustee": STRANGER}, (2, "attestations")),
    "attested late": (ev.Attested, {"timestamp": 9_999_999_999}, (2, "deadlines")),
    "finalized plaintexts": (ev.RoundFinalized, {"plaintext_hash": OTHER}, (2, "outcome")),
    "finalized proof": (ev.RoundFinalized, {"proof_hash": OTHER}, (2, "outcome")),
    "finalized model": (ev.RoundFinalized, {"model_hash": OTHER}, (2, "outcome")),
    "finalized result": (ev.RoundFinalized, {"result_hash": OTHER}, (2, "outcome")),
    "finalized head": (ev.RoundFinalized, {"head": OTHER}, (None, "heads")),
    "finalized window": (ev.RoundFinalized, {"challenge_end": 9_999_999_999}, (2, "outcome")),
    "settled in the window": (ev.RoundFinalized, {"challenge_end": 9_999_999_999}, (2, "deadlines")),
    "finalized late": (ev.RoundFinalized, {"timestamp": 9_999_999_999}, (2, "deadlines")),
    "credited amount": (ev.RewardCredited, {"amount": 1}, (2, "payouts")),
    "credited account": (ev.RewardCredited, {"account": STRANGER}, (2, "payouts")),
    "settled sum": (ev.RoundSettled, {"credited": 1}, (2, "payouts")),
    "opened on another round": (ev.RoundOpened, {"base_round": 0}, (2, "opening")),
    "opened with another model": (ev.RoundOpened, {"base_model_hash": OTHER}, (2, "opening")),
    "opened by another": (ev.RoundOpened, {"aggregator": STRANGER}, (2, "opening")),
    "last deadline too far": (
        ev.RoundOpened,
        {"deadlines": Deadlines(1_700_000_100, 1_700_000_200, 1_800_000_000)},
        (2, "deadlines"),
    ),
    "funded": (ev.RewardsFunded, {"amount": 1}, (None, "rewards")),
    "claimed": (ev.RewardClaimed, {"amount": 1}, (None, "rewards")),
    "key id": (ev.KeyPublished, {"key_id": OTHER}, (None, "key-published")),
    "key threshold": (ev.KeyPublished, {"threshold": 2}, (None, "key-published")),
    "registered fingerprint": (ev.IdentityRegistered, {"certificate_fingerprint": OTHER}, (None, "identities")),
    "registered certificate": (ev.IdentityRegistered, {"certificate": b"x"}, (None, "identities")),
    "registered index": (ev.IdentityRegistered, {"index": 1}, (None, "identities")),
    "registered role": (ev.IdentityRegistered, {"role": Role.TRUSTEE}, (None, "identities")),
    "registered account": (ev.IdentityRegistered, {"account": STRANGER}, (None, "event-log")),
    "registered stake": (ev.IdentityRegistered, {"stake": 1}, (None, "identities")),
    "admitted role": (ev.IdentityAdmitted, {"role": Role.TRUSTEE}, (None, "identities")),
    "admitted another": (ev.IdentityAdmitted, {"account": STRANGER}, (None, "event-log")),
    "key modulus": (ev.KeyPublished, {"modulus_hash": OTHER}, (None, "key-published")),
    "before the contract": (ev.KeyPublished, {"block": 0}, (None, "event-log")),
    "time goes back": (ev.AggregateCommitted, {"timestamp": 1}, (None, "event-log")),
    "round opened twice": (ev.RoundOpened, {"round": 1}, (None, "event-log")),
    "round left out": (ev.RoundOpened, {"round": 7}, (None, "event-log")),
}


@pytest.mark.parametrize("case", EVENTS)
def test_event_with_one_changed_field(short: PlayedFederation, case: str) -> None:
    kind, changes, expected = EVENTS[case]
    ledger = LyingLedger(short.ledger("operator"), events=only(kind, 2, changes))
    report = audit_federation(ledger, short.artifacts)
    assert expected in failed(report)
    if kind not in (ev.IdentityAdmitted, ev.IdentityRegistered, ev.KeyPublished) and "round" not in changes:
        assert {number for number, _ in failed(report)} <= {None, 2}


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (ev.RoundOpened, "opening"),
        (ev.UpdateCommitted, "commitments"),
        (ev.CommitsClosed, "order"),
        (ev.AggregateCommitted, "accepted"),
        (ev.Attested, "attestations"),
        (ev.RoundFinalized, "outcome"),
        (ev.RewardCredited, "payouts"),
        (ev.RoundSettled, "payouts"),
    ],
)
def test_event_that_is_kept_back(short: PlayedFederation, kind: type[ev.LedgerEvent], check: str) -> None:
    def drop(event: ev.LedgerEvent) -> ev.LedgerEvent | None:
        return None if isinstance(event, kind) and getattr(event, "round", 0) == 2 else event

    report = audit_federation(LyingLedger(short.ledger("operator"), events=drop), short.artifacts)
    assert (2, check) in failed(report)
    assert not [each for each in failed(report) if each[0] == 1]


def revoked(identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
    return (replace(identities[0], status=Status.REVOKED), *identities[1:])


ANSWERS: dict[str, tuple[str, Callable[[Any], Any], tuple[int | None, str]]] = {
    "version": ("config", lambda c: replace(c, version=9), (None, "contract")),
    "chain of the config": ("config", lambda c: replace(c, chain_id=1), (None, "contract")),
    "shares above the whole": ("config", lambda c: replace(c, participant_basis_points=20_000), (None, "contract")),
    "other shares": ("config", lambda c: replace(c, participant_basis_points=1), (2, "payouts")),
    "other window": ("config", lambda c: replace(c, challenge_window=5), (2, "outcome")),
    "other reward": ("config", lambda c: replace(c, round_reward=5), (None, "rewards")),
    "chain id": ("chain_id", lambda _: 1, (2, "commitments")),
    "verdicts": ("verdicts", lambda _: OTHER, (None, "verdicts")),
    "other stakes": ("config", lambda c: replace(c, participant_stake=6), (None, "identities")),
    "other unit of draws": ("config", lambda c: replace(c, participants_per_round=2), (2, "selection")),
    "other rule": ("config", lambda c: replace(c, payout_rule=PayoutRule.RELIABILITY), (2, "spec")),
    "other quorum": ("config", lambda c: replace(c, minimum_quorum=4), (2, "opening")),
    "other longest round": ("config", lambda c: replace(c, max_round_seconds=299), (2, "deadlines")),
    "other time to claim": ("config", lambda c: replace(c, claim_seconds=1), (None, "rewards")),
    "eligible": ("eligible", lambda bitmap: bitmap ^ 1, (None, "identities")),
    "counters": ("reputation", lambda r: replace(r, missed=r.missed + 1), (None, "reputation")),
    "total stake": ("total_stake", lambda stake: stake + 1, (None, "stakes")),
    "rewards among the claimable": ("claimable_reward", lambda r: (r[0] + 1, r[1]), (None, "rewards")),
    "when rewards expire": ("claimable_reward", lambda r: (r[0], r[1] + 1), (None, "rewards")),
    "a dispute that is open": ("open_disputes", lambda number: number + 1, (2, "disputes")),
    "contract": ("contract", lambda _: STRANGER, (2, "spec")),
    "key": ("key", lambda k: replace(k, key_id=OTHER), (None, "key-published")),
    "no key": ("key", lambda _: None, (None, "key-published")),
    "identities": ("identities", lambda i: i[1:], (None, "identities")),
    "revocation": ("identities", revoked, (None, "identities")),
    "head": ("head", lambda _: OTHER, (None, "heads")),
    "current model": ("current_model", lambda _: OTHER, (None, "model-chain")),
    "reward pool": ("reward_pool", lambda pool: pool + 1, (None, "rewards")),
    "claimable": ("claimable", lambda amount: amount + 1, (None, "rewards")),
    "hidden round": ("last_round", lambda last: last - 1, (None, "event-log")),
    "block hash": ("block_hash", lambda _: OTHER, (2, "selection")),
    "newest block": ("block_number", lambda _: 3, (None, "event-log")),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_changed_answer(short: PlayedFederation, case: str) -> None:
    method, change, expected = ANSWERS[case]
    ledger = LyingLedger(short.ledger("operator"), answers={method: change})
    assert expected in failed(audit_federation(ledger, short.artifacts))


def test_log_out_of_order(short: PlayedFederation) -> None:
    class Shuffled(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            return tuple(reversed(super().events(from_block)))

    report = audit_federation(Shuffled(short.ledger("operator")), short.artifacts)
    assert (None, "event-log") in failed(report)


def test_revocation_of_nobody(short: PlayedFederation) -> None:
    class Revoking(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            events = super().events(from_block)
            last = events[-1]
            return (*events, ev.IdentityRevoked(last.block, last.log_index + 1, last.timestamp, bytes(32), STRANGER, 0))

    report = audit_federation(Revoking(short.ledger("operator")), short.artifacts)
    assert failed(report) == {(None, "event-log")}


def test_chain_that_moves_while_it_is_read_is_read_again(short: PlayedFederation) -> None:
    class Moving(LyingLedger):
        """Shows one more event at each of the first readings, as a chain in use does."""

        hidden = 3

        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            events = super().events(from_block)
            shown = events[: len(events) - self.hidden]
            self.hidden = max(0, self.hidden - 1)
            return shown

    assert audit_federation(Moving(short.ledger("operator")), short.artifacts).verified

    class Restless(Moving):
        hidden = 40

    with pytest.raises(LedgerError, match="kept changing"):
        audit_federation(Restless(short.ledger("operator")), short.artifacts)


# The property. No artifacts are read: only checks of the chain count.

CHAIN_CHECKS = {c.id for c in (*catalogue.FEDERATION_CHECKS, *catalogue.ROUND_CHECKS[:8], catalogue.PAYOUTS)}


def contradicted(short: PlayedFederation, events: tuple[ev.LedgerEvent, ...]) -> set[str]:
    class Rewritten(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            return events

    found = failed(audit_federation(Rewritten(short.ledger("operator")), MemoryStore()))
    return {check for _, check in found} & CHAIN_CHECKS - {catalogue.KEY_MANIFEST.id}


def test_true_log_contradicts_nothing(short: PlayedFederation) -> None:
    assert contradicted(short, short.chain.events()) == set()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_event_can_be_left_out_doubled_or_moved(short: PlayedFederation, data: st.DataObject) -> None:
    truth = short.chain.events()
    places = st.integers(0, len(truth) - 1)
    match data.draw(st.sampled_from(["drop", "double", "swap", "cut", "any"])):
        case "drop":
            left_out = data.draw(st.sets(places, min_size=1, max_size=4))
            forged = tuple(event for place, event in enumerate(truth) if place not in left_out)
        case "double":
            place, there = data.draw(places), data.draw(places)
            forged = (*truth[:there], truth[place], *truth[there:])
        case "swap":
            order = list(truth)
            place, there = data.draw(places), data.draw(places)
            order[place], order[there] = order[there], order[place]
            forged = tuple(order)
        case "cut":
            forged = truth[: data.draw(places)]
        case _:
            forged = tuple(data.draw(st.lists(st.sampled_from(truth), max_size=len(truth))))
    found = contradicted(short, forged)
    assert found or forged == truth


PLANTED = {
    "spec_hash": "spec",
    "base_model_hash": "base-model",
    "result_hash": "result-record",
    "plaintext_hash": "plaintexts",
    "proof_hash": "decryption-proof",
}


@pytest.mark.parametrize("field", PLANTED)
@pytest.mark.parametrize("kind", ["empty", "object", "truncated", "longer"])
def test_artifact_that_is_committed_but_is_rubbish(short: PlayedFederation, field: str, kind: str) -> None:
    """Whoever commits a hash chooses the bytes behind it: they fail their check, and never stop the audit."""
    genuine = short.artifacts.get(getattr(short.ledger("operator").round(2), field))
    rubbish = {"empty": b"", "object": b"{}", "truncated": genuine[:-1], "longer": genuine + b"\x00"}[kind]
    planted = sha256(rubbish)
    store = replaced(short.artifacts, {planted: rubbish})

    def commit(event: ev.LedgerEvent) -> ev.LedgerEvent:
        changes: dict[str, Any] = {field: planted}
        return replace(event, **changes) if hasattr(event, field) and getattr(event, "round", 0) == 2 else event

    ledger = LyingLedger(short.ledger("operator"), states={2: {field: planted}}, events=commit)
    assert (2, PLANTED[field]) in failed(audit_federation(ledger, store))
