"""Disputes, voided rounds, take-overs and what follows from them: true ones verify, forged ones do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.audit import catalogue
from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import Verdict
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.signatures import ReceiptMessage, sign_receipt, sign_update
from fedtrust.ledger import events as ev
from fedtrust.ledger.heads import opening_transcript
from fedtrust.ledger.memory_contract import Call, MemoryContract
from fedtrust.ledger.types import (
    AbortReason,
    Address,
    CommitmentEntry,
    DisputeKind,
    DisputeOutcome,
    Phase,
    Role,
    SignedUpdate,
)
from fedtrust.protocol.dispute import (
    DisputedRound,
    Opening,
    answer,
    column_proof,
    count_proof,
    demand,
    multiply_columns,
    shown_leaves,
)
from fedtrust.protocol.result import RoundResult
from fedtrust.store.artifacts import MemoryStore
from tests.audit.audit_fixtures import (
    LyingLedger,
    PlayedFederation,
    RoundPlayer,
    audit,
    failed,
    forge,
    replaced,
    result_of,
    verdicts,
)
from tests.nodes.harness import account

STAKES: dict[str, Any] = {
    "participant_stake": 10,
    "trustee_stake": 20,
    "aggregator_stake": 101,
    "dispute_bond": 7,
    "challenger_reward_cap": 40,
    "challenge_window": 1000,
    "standby_seconds": 30,
}
OTHER = b"\x07" * 32


class LeavesOneOut(RoundPlayer):
    """The aggregator names all updates as accepted and multiplies one less; the trustees go along."""

    def change_aggregate(self, aggregate: CiphertextVector) -> CiphertextVector:
        return multiply_vectors(self.key, [u.ciphertexts for u in list(self.updates.values())[1:]])


class Standby(RoundPlayer):
    aggregator = "standby"


def made(**settings: Any) -> PlayedFederation:
    """Return a federation with stakes, and enough trustees to go on when those of a lie are slashed."""
    return PlayedFederation.make(trustees=8, **{**STAKES, **settings})


def played(federation: PlayedFederation, player: type[RoundPlayer] = RoundPlayer) -> RoundPlayer:
    """Play a round up to its result."""
    round = player(federation)
    for step in (round.open, round.commit, round.close, round.aggregate, round.attest, round.finalize):
        step()
    return round


def leaves(vector: CiphertextVector) -> tuple[bytes, ...]:
    return shown_leaves(vector.to_bytes())


def disputed(player: RoundPlayer) -> DisputedRound:
    """Return the chain's facts about a round, as a watcher collects them."""
    ledger, number = player.ledger, player.number
    state = ledger.round(number)
    events = [e for e in ledger.events() if getattr(e, "round", None) == number]
    opened = next(e for e in events if isinstance(e, ev.RoundOpened))
    commits = [e for e in events if isinstance(e, ev.UpdateCommitted)]
    return DisputedRound(
        number=number,
        spec_hash=state.spec_hash,
        ciphertexts=state.ciphertexts,
        opening=opening_transcript(ledger.chain_id, ledger.contract, ledger.head(number - 1), opened),
        commitments=tuple(CommitmentEntry(e.participant, e.root, e.proof_hash) for e in commits),
        accepted=frozenset(player.accepted),
        accepted_bitmap=state.accepted,
        aggregate_root=state.aggregate_root,
        aggregate_hash=state.aggregate_hash,
    )


def convict_aggregate(player: RoundPlayer, leaf: int = 0, challenger: str = "watcher") -> int:
    """Prove on chain that a ciphertext of the aggregate is wrong."""
    ledger = player.federation.ledger(challenger)
    facts = disputed(player)
    openings = {who: Opening.of(leaves(player.updates[who].ciphertexts), leaf) for who in player.accepted}
    proof = column_proof(facts, player.key, leaf, openings, Opening.of(leaves(player.product), leaf))
    dispute = ledger.challenge_aggregate(player.number, leaf)
    for step in proof.steps():
        ledger.multiply(
            dispute, modulus=proof.modulus, product=step.product, start=step.start, contributions=step.contributions
        )
    end = proof.conclusion
    ledger.conclude(
        dispute,
        modulus=proof.modulus,
        product=end.product,
        aggregate_root=end.aggregate_root,
        ciphertext=end.ciphertext,
        path=end.path,
    )
    return dispute


def convict_equivocation(player: RoundPlayer, who: Address) -> None:
    """Prove on chain that a participant signed two updates for a round."""
    first, second = (signed(player, who, proof_hash) for proof_hash in (b"\x01" * 32, b"\x02" * 32))
    player.federation.ledger("watcher").challenge_equivocation(player.number, account=who, first=first, second=second)


def signed(player: RoundPlayer, who: Address, proof_hash: bytes) -> SignedUpdate:
    update = player.updates[who]
    message = replace(update.message, proof_hash=proof_hash)

    private, federation = bytes(account(player.names[who]).key), player.spec.federation
    signature = sign_update(private, federation.chain_id, federation.contract, message)
    return SignedUpdate(message.epoch, message.root, message.ciphertexts, message.proof_hash, signature)


def withhold(player: RoundPlayer) -> int:
    """Demand a ciphertext that nobody shows."""
    watcher = player.federation.ledger("watcher")
    wanted = demand(disputed(player), player.accepted[0], 1)
    dispute = watcher.challenge_availability(
        player.number,
        participant=wanted.participant,
        leaf=wanted.leaf,
        start=wanted.start,
        commitments=wanted.commitments,
        aggregate_root=wanted.aggregate_root,
    )
    player.federation.chain.advance(121)
    watcher.expire_dispute(dispute)
    return dispute


# voided rounds


@pytest.fixture(scope="module")
def voided() -> PlayedFederation:
    """A lie on an honest round, a round on top of it, the lie convicted; then the standby goes on."""
    federation = made()
    honest = played(federation)
    lie = played(federation, LeavesOneOut)
    played(federation)
    convict_aggregate(lie)
    federation.ledger("anybody").void_descendant(3)
    federation.chain.advance(1000)
    honest.settle()
    going_on = played(federation, Standby)
    federation.chain.advance(1000)
    going_on.settle()
    federation.ledger("watcher").claim("test")
    return federation


def test_a_voided_round_is_reported_as_voided_and_is_no_failure(voided: PlayedFederation) -> None:
    report = audit(voided)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.SETTLED, Phase.VOIDED, Phase.VOIDED, Phase.SETTLED]
    lie = verdicts(report, 2)
    assert lie["verdict"] is lie["outcome"] is lie["disputes"] is lie["payouts"] is Verdict.PASSED
    assert "product" not in lie  # it counts for nothing, so nothing of its result is judged
    assert (
        result_of(report, 2, "verdict").found == "ciphertext 0 of the aggregate is not the product of the accepted ones"
    )
    assert result_of(report, 2, "disputes").found == "1 PROVEN"
    assert result_of(report, 3, "verdict").found == "it builds on round 2, which was voided"
    # the next round builds on the last one that stands
    assert voided.ledger("x").round(4).base_round == 1
    for number in (2, 3):
        assert any(limitation.what.startswith(f"round {number}:") for limitation in report.limitations)


def test_the_money_of_a_conviction_is_accounted_for(voided: PlayedFederation) -> None:
    report = audit(voided)
    # 101 of the aggregator and 20 of each of three trustees, of which the challenger gets the cap
    assert voided.ledger("x").identity(voided.address("aggregator")).stake == 0  # type: ignore[union-attr]
    slashed = [e.amount for e in voided.chain.events() if isinstance(e, ev.IdentitySlashed)]
    assert sorted(slashed) == [20, 20, 20, 101]
    assert "staked" in (result_of(report, None, "rewards").found or "")
    assert verdicts(report, None)["stakes"] is Verdict.PASSED


def test_without_its_artifacts_a_verdict_is_not_checked(voided: PlayedFederation) -> None:
    state = voided.ledger("x").round(2)
    report = audit_federation(voided.ledger("operator"), replaced(voided.artifacts, {state.result_hash: None}))
    assert report.failures == ()
    assert result_of(report, 2, "verdict").verdict is Verdict.NOT_CHECKED
    assert any("verdict" not in each.what and "round 2" in each.what for each in report.limitations)


def changed(
    kind: type[ev.LedgerEvent], round: int | None, changes: dict[str, Any] | None
) -> Callable[[ev.LedgerEvent], ev.LedgerEvent | None]:
    """Return a change of the events of a type (in a round); None drops them."""

    def change(event: ev.LedgerEvent) -> ev.LedgerEvent | None:
        if isinstance(event, kind) and (round is None or getattr(event, "round", None) == round):
            return None if changes is None else replace(event, **changes)
        return event

    return change


FORGED: dict[str, tuple[type[ev.LedgerEvent], int | None, dict[str, Any] | None, tuple[int | None, str]]] = {
    "voiding kept back": (ev.RoundVoided, 2, None, (2, "order")),
    "voiding of a descendant kept back": (ev.RoundVoided, 3, None, (3, "order")),
    "voided with another head": (ev.RoundVoided, 2, {"head": OTHER}, (None, "heads")),
    "voided with another hash": (ev.RoundVoided, 2, {"verdicts": OTHER}, (None, "verdicts")),
    "decision kept back": (ev.DisputeDecided, 2, None, (2, "disputes")),
    "decided otherwise": (ev.DisputeDecided, 2, {"outcome": DisputeOutcome.FAILED}, (2, "disputes")),
    "decided for another kind": (ev.DisputeDecided, 2, {"kind": DisputeKind.OMISSION}, (2, "disputes")),
    "another convicted": (ev.DisputeDecided, 2, {"offender": Address("0x" + "9" * 40)}, (2, "disputes")),
    "another challenger": (ev.DisputeDecided, 2, {"challenger": Address("0x" + "9" * 40)}, (2, "disputes")),
    "decision of an unknown dispute": (ev.DisputeDecided, 2, {"dispute": 9}, (None, "event-log")),
    "decided before there was time": (ev.DisputeDecided, 2, {"timestamp": 9_999_999_999}, (2, "disputes")),
    "challenge kept back": (ev.AggregateChallenged, 2, None, (None, "event-log")),
    "challenge of another ciphertext": (ev.AggregateChallenged, 2, {"leaf": 1}, (2, "disputes")),
    "challenge of no ciphertext": (ev.AggregateChallenged, 2, {"leaf": 999}, (2, "disputes")),
    "challenge with another deadline": (ev.AggregateChallenged, 2, {"deadline": 5}, (2, "disputes")),
    "challenge after the window": (ev.AggregateChallenged, 2, {"timestamp": 9_999_999_999}, (2, "disputes")),
    "challenge out of number": (ev.AggregateChallenged, 2, {"dispute": 2}, (None, "event-log")),
    "announcement kept back": (ev.DisputeAnnounced, None, None, (2, "disputes")),
    "slashing kept back": (ev.IdentitySlashed, 2, None, (2, "disputes")),
    "slashed less": (ev.IdentitySlashed, 2, {"amount": 1}, (None, "identities")),
    "deposits kept back": (ev.DepositCredited, None, None, (None, "rewards")),
    "deposits of another amount": (ev.DepositCredited, None, {"amount": 2}, (None, "rewards")),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_event_of_a_dispute(voided: PlayedFederation, case: str) -> None:
    kind, round, changes, expected = FORGED[case]
    ledger = LyingLedger(voided.ledger("operator"), events=changed(kind, round, changes))
    assert expected in failed(audit_federation(ledger, voided.artifacts))


CHAIN_CHECKS = {
    check.id
    for check in (
        *catalogue.FEDERATION_CHECKS,
        *catalogue.ROUND_CHECKS[:8],
        catalogue.PAYOUTS,
        catalogue.DISPUTES,
        catalogue.VERDICT,
    )
} - {catalogue.KEY_MANIFEST.id}


def contradicted(federation: PlayedFederation, events: tuple[ev.LedgerEvent, ...]) -> set[str]:
    class Rewritten(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            return events

    found = failed(audit_federation(Rewritten(federation.ledger("operator")), MemoryStore()))
    return {check for _, check in found} & CHAIN_CHECKS


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_event_of_a_dispute_can_be_left_out_doubled_or_moved(voided: PlayedFederation, data: st.DataObject) -> None:
    truth = voided.chain.events()
    places = st.integers(0, len(truth) - 1)
    place = data.draw(places)
    match data.draw(st.sampled_from(["drop", "double", "move", "none"])):
        case "drop":
            left_out = {place, *data.draw(st.sets(places, max_size=3))}
            forged = tuple(event for i, event in enumerate(truth) if i not in left_out)
        case "double":
            there = data.draw(places)
            forged = (*truth[:there], truth[place], *truth[there:])
        case "move":
            rest = [*truth[:place], *truth[place + 1 :]]
            rest.insert(data.draw(places), truth[place])
            forged = tuple(rest)
        case _:
            forged = truth
    assert bool(contradicted(voided, forged)) == (forged != truth)


STORED: dict[str, Any] = {
    "kind": DisputeKind.AVAILABILITY,
    "outcome": DisputeOutcome.OPEN,
    "round": 1,
    "leaf": 1,
    "deadline": 1,
    "challenger": Address("0x" + "9" * 40),
}


@pytest.mark.parametrize("field", STORED)
def test_forged_field_of_a_stored_dispute(voided: PlayedFederation, field: str) -> None:
    answers = {"dispute": lambda dispute: replace(dispute, **{field: STORED[field]})}
    ledger = LyingLedger(voided.ledger("operator"), answers=answers)
    assert failed(audit_federation(ledger, voided.artifacts)) == {(2, "disputes")}


def test_a_slashing_without_a_decision(voided: PlayedFederation) -> None:
    class Slashing(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            events = super().events(from_block)
            last = events[-1]
            place = (last.block + 1, 0, last.timestamp, OTHER)
            return (*events, ev.IdentitySlashed(*place, voided.address("standby"), 4, 101))

    assert (4, "disputes") in failed(audit_federation(Slashing(voided.ledger("operator")), voided.artifacts))


def test_an_honest_round_that_was_voided_is_a_failure() -> None:
    class Unjust(MemoryContract):
        """Convicts whoever is accused."""

        def conclude(self, call: Call, number: int, *arguments: Any) -> None:
            current = self._require_open(number)
            aggregator = self.state.rounds[current.round - 1].aggregator
            self._prove(call, current, aggregator, attested=True)

    federation = made()
    forge(federation, Unjust)
    player = played(federation)
    watcher = federation.ledger("watcher")
    dispute = watcher.challenge_aggregate(1, 0)
    watcher.conclude(dispute, modulus=b"", product=b"", aggregate_root=OTHER, ciphertext=b"", path=())
    report = audit(federation)
    assert player.ledger.round(1).phase is Phase.VOIDED
    assert failed(report) == {(1, "verdict")}
    assert "the verdict is wrong" in (result_of(report, 1, "verdict").reason or "")


def test_a_wrong_round_that_nobody_challenged_is_a_failure() -> None:
    federation = made()
    lie = played(federation, LeavesOneOut)
    federation.chain.advance(1000)
    lie.settle()
    assert failed(audit(federation)) == {(1, "product")}


def test_a_round_voided_before_its_result(voided: PlayedFederation) -> None:
    federation = made()
    lie = LeavesOneOut(federation)
    for step in (lie.open, lie.commit, lie.close, lie.aggregate, lie.attest):
        step()
    convict_aggregate(lie)
    played(federation, Standby)
    report = audit(federation)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.VOIDED, Phase.FINALIZED]
    assert result_of(report, 1, "verdict").verdict is Verdict.NOT_CHECKED
    assert "outcome" not in verdicts(report, 1)


# the other kinds of disputes


def test_a_failed_dispute_costs_its_bond_and_nothing_else() -> None:
    federation = made()
    player = played(federation)
    watcher = federation.ledger("watcher")
    dispute = watcher.challenge_aggregate(1, 0)
    facts = disputed(player)
    columns = multiply_columns(player.key, [leaves(player.updates[who].ciphertexts) for who in player.accepted])
    assert columns.product == leaves(player.product)
    federation.chain.advance(121)
    federation.ledger("anybody").expire_dispute(dispute)
    federation.chain.advance(1000)
    player.settle()
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 1, "disputes").found == "1 FAILED"
    assert facts.ciphertexts == len(columns.product)


def test_an_open_dispute_is_one_more_bond() -> None:
    federation = made()
    played(federation)
    federation.ledger("watcher").challenge_aggregate(1, 0)
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 1, "disputes").found == "1 OPEN"
    assert result_of(report, None, "stakes").found == "402 staked, 7 as bonds"


def test_a_ciphertext_that_is_shown_ends_the_dispute() -> None:
    federation = made()
    player = played(federation)
    facts, who = disputed(player), player.accepted[1]
    wanted = demand(facts, who, 2)
    dispute = federation.ledger("watcher").challenge_availability(
        1,
        participant=who,
        leaf=2,
        start=wanted.start,
        commitments=wanted.commitments,
        aggregate_root=wanted.aggregate_root,
    )
    shown = answer(facts, who, 2, leaves(player.updates[who].ciphertexts))
    federation.ledger("standby").reveal(dispute, ciphertext=shown.leaf, path=shown.path)
    assert federation.ledger("x").claimable(federation.address("standby")) == 7
    assert audit(federation).failures == ()
    # the same told as a conviction, or as an answer that came too late
    lies: list[tuple[type[ev.LedgerEvent], dict[str, Any] | None]] = [
        (ev.DisputeDecided, {"outcome": DisputeOutcome.PROVEN, "offender": federation.address("aggregator")}),
        (ev.CiphertextRevealed, None),
    ]
    for kind, changes in lies:
        ledger = LyingLedger(federation.ledger("operator"), events=changed(kind, None, changes))
        assert (1, "disputes") in failed(audit_federation(ledger, federation.artifacts))


def test_a_ciphertext_that_nobody_shows_voids_the_round() -> None:
    federation = made()
    player = played(federation)
    withhold(player)
    report = audit(federation)
    assert report.failures == ()
    assert "nobody showed" in (result_of(report, 1, "verdict").found or "")
    early = changed(ev.AvailabilityChallenged, 1, {"timestamp": player.ledger.now()})
    ledger = LyingLedger(federation.ledger("operator"), events=early)
    assert (1, "disputes") in failed(audit_federation(ledger, federation.artifacts))


@pytest.mark.parametrize("stage", ["committed", "finalized"])
def test_equivocation_voids_the_round_and_takes_the_participants_stake(stage: str) -> None:
    federation = made()
    player = RoundPlayer(federation)
    steps = (player.open, player.commit, player.close, player.aggregate, player.attest, player.finalize)
    for step in steps if stage == "finalized" else steps[:2]:
        step()
    convict_equivocation(player, federation.address("hospital-0"))
    report = audit(federation)
    assert report.failures == ()
    result = result_of(report, 1, "verdict")
    assert result.verdict is Verdict.NOT_CHECKED
    assert "equivocation" in (result.reason or "")
    assert federation.ledger("x").eligible() == 0b1110
    found = verdicts(report, None)
    assert found["identities"] is found["reputation"] is found["heads"] is Verdict.PASSED


def test_omission_convicts_the_aggregator() -> None:
    class Omitting(RoundPlayer):
        def accept(self, committed: list[Address]) -> list[Address]:
            return committed[1:]

    federation = made()
    player = played(federation, Omitting)
    who = next(iter(player.updates))
    message = ReceiptMessage(1, player.spec.digest, 1, who, player.updates[who].message.root)
    signature = sign_receipt(bytes(account("aggregator").key), player.ledger.chain_id, player.ledger.contract, message)
    federation.ledger("watcher").challenge_omission(1, participant=who, epoch=1, root=message.root, signature=signature)
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 1, "disputes").found == "OMISSION"
    assert federation.ledger("x").reputation(Role.PARTICIPANT, 0).late == 1


def test_a_moot_dispute_gets_its_bond_back() -> None:
    federation = made()
    lie = played(federation, LeavesOneOut)
    other = federation.ledger("other")
    open_dispute = other.challenge_aggregate(1, 1)
    convict_aggregate(lie)
    assert audit(federation).failures == ()
    other.withdraw_dispute(open_dispute)
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 1, "disputes").found == "1 MOOT, 2 PROVEN"
    wrong = changed(ev.DisputeDecided, 1, {"outcome": DisputeOutcome.MOOT})
    assert (1, "disputes") in failed(
        audit_federation(LyingLedger(federation.ledger("operator"), events=wrong), federation.artifacts)
    )


def test_an_aborted_round_can_be_disputed_and_stays_aborted() -> None:
    federation = made()
    lie = LeavesOneOut(federation)
    for step in (lie.open, lie.commit, lie.close, lie.aggregate):
        step()
    federation.chain.advance(301)
    lie.ledger.abort_round(1)
    convict_aggregate(lie)
    report = audit(federation)
    assert report.failures == ()
    assert report.rounds[0].phase is Phase.ABORTED
    assert result_of(report, 1, "disputes").found == "1 PROVEN"


# what follows from voiding


def test_a_running_round_on_a_voided_one_is_aborted() -> None:
    federation = made()
    lie = played(federation, LeavesOneOut)
    above = RoundPlayer(federation)
    above.open()
    convict_aggregate(lie)
    federation.ledger("anybody").abort_round(2)
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 2, "abort").found == AbortReason.BASE_VOIDED.name


def test_a_late_descendant_leaves_the_new_line_alone() -> None:
    federation = made()
    played(federation)
    lie = played(federation, LeavesOneOut)
    played(federation)
    convict_aggregate(lie)
    played(federation, Standby)
    federation.ledger("anybody").void_descendant(3)
    played(federation, Standby)
    report = audit(federation)
    assert report.failures == ()
    assert [federation.ledger("x").round(n).base_round for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 1, 4]


def test_a_slashed_aggregators_round_is_aborted() -> None:
    federation = made()
    running = RoundPlayer(federation)
    running.open()
    federation.ledger("operator").revoke_identity(running.ledger.account)
    federation.ledger("anybody").abort_round(1)
    report = audit(federation)
    assert report.failures == ()
    assert result_of(report, 1, "abort").found == AbortReason.AGGREGATOR_REMOVED.name


# take-overs


@pytest.fixture(scope="module")
def taken_over() -> PlayedFederation:
    """The aggregator opens a round and misses its deadline; the standby finishes it."""
    federation = made()
    player = RoundPlayer(federation)
    for step in (player.open, player.commit, player.close):
        step()
    federation.chain.advance(201)
    federation.ledger("standby").take_over(1)
    player.ledger = federation.ledger("standby")
    for step in (player.aggregate, player.attest, player.finalize):
        step()
    federation.chain.advance(1000)
    player.settle()
    return federation


def test_a_round_that_a_standby_finished_verifies(taken_over: PlayedFederation) -> None:
    report = audit(taken_over)
    assert report.failures == ()
    assert verdicts(report, 1)["take-over"] is Verdict.PASSED
    ledger = taken_over.ledger("x")
    assert ledger.reputation(Role.AGGREGATOR, 0).missed == 1
    assert ledger.reputation(Role.AGGREGATOR, 1).accepted == 1
    assert ledger.claimable(taken_over.address("standby")) == 10**17


TAKEN: dict[str, tuple[dict[str, Any] | None, tuple[int | None, str]]] = {
    "kept back": (None, (1, "take-over")),
    "by nobody": ({"aggregator": Address("0x" + "9" * 40)}, (1, "take-over")),
    "by the one that missed": ({"aggregator": PlayedFederation.address("aggregator")}, (1, "take-over")),
    "with more time for the aggregate": ({"aggregate_deadline": 9_999_999_998}, (1, "take-over")),
    "with more time for the result": ({"finalize_deadline": 9_999_999_999}, (1, "take-over")),
    "too late": ({"timestamp": 1_700_000_400}, (1, "take-over")),
    "too early": ({"timestamp": 1_700_000_100}, (1, "take-over")),
}


@pytest.mark.parametrize("case", TAKEN)
def test_forged_take_over(taken_over: PlayedFederation, case: str) -> None:
    changes, expected = TAKEN[case]
    ledger = LyingLedger(taken_over.ledger("operator"), events=changed(ev.RoundTakenOver, 1, changes))
    assert expected in failed(audit_federation(ledger, taken_over.artifacts))


@pytest.mark.parametrize(
    "lie", [{"taken_over": False}, {"aggregator": PlayedFederation.address("aggregator")}], ids=["hidden", "undone"]
)
def test_take_over_denied_by_the_state(taken_over: PlayedFederation, lie: dict[str, Any]) -> None:
    ledger = LyingLedger(taken_over.ledger("operator"), states={1: lie})
    assert (1, "take-over") in failed(audit_federation(ledger, taken_over.artifacts))


class WrongCount(RoundPlayer):
    """The aggregator commits an aggregate of fewer ciphertexts than the round has."""

    def change_aggregate(self, aggregate: CiphertextVector) -> CiphertextVector:
        return replace(aggregate, values=aggregate.values[:-1])

    def attest(self) -> None:
        for name in self.active_trustees()[:3]:
            self.federation.ledger(name).attest(self.number, partial_root=OTHER)

    def finalize(self) -> None:
        record = RoundResult(
            federation=self.spec.federation,
            round=self.number,
            spec=self.spec.digest,
            base_model=self.base.digest,
            updates={who: self.store.put(self.updates[who].to_bytes()) for who in self.accepted},
            aggregate=self.store.put(self.product.to_bytes()),
            partials={},
            wrong_partials={},
            plaintexts=OTHER,
            proof=OTHER,
            model=OTHER,
            examples=1,
            evaluation_examples=1,
            metrics={},
        )
        self.ledger.finalize_round(
            self.number,
            plaintext_hash=OTHER,
            proof_hash=OTHER,
            model_hash=OTHER,
            result_hash=self.store.put(record.to_bytes()),
        )


def test_an_aggregate_of_another_length_is_a_reason_that_shows() -> None:
    federation = made()
    lie = played(federation, WrongCount)
    proof = count_proof(disputed(lie), None, leaves(lie.product))
    watcher = federation.ledger("watcher")
    dispute = watcher.challenge_aggregate(1, 0)
    watcher.prove_wrong_count(
        dispute,
        start=proof.start,
        commitments=proof.commitments,
        aggregate_root=proof.aggregate_root,
        count=proof.count,
        tree_hash=proof.tree_hash,
    )
    report = audit(federation)
    assert report.failures == ()
    assert "the aggregate has 2 ciphertexts, and not 3" in (result_of(report, 1, "verdict").found or "")
