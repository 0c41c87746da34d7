"""Rounds that were aborted, that are in progress, or that wait for their settlement, are reported as what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, RoundReport, Verdict
from fedtrust.ledger import events as ev
from fedtrust.ledger.types import AbortReason, Phase
from tests.audit.audit_fixtures import (
    LyingLedger,
    PlayedFederation,
    RoundPlayer,
    audit,
    failed,
    replaced,
    result_of,
    verdicts,
)
from tests.nodes.harness import InProcessFederation

BEFORE_RESULT = {"opening", "order", "deadlines", "commitments", "accepted", "attestations"}
ARTIFACTS = {"spec", "selection"}

STAGES: dict[str, tuple[tuple[str, ...], Phase]] = {
    "opened": (("open",), Phase.COMMIT),
    "some committed": (("open", "commit_two"), Phase.COMMIT),
    "closed": (("open", "commit", "close"), Phase.UPLOAD),
    "aggregated": (("open", "commit", "close", "aggregate"), Phase.DECRYPT),
    "attested": (("open", "commit", "close", "aggregate", "attest"), Phase.DECRYPT),
}


class Stepwise(RoundPlayer):
    """Plays up to a stage."""

    def commit_two(self) -> None:
        self.commit(2)

    def play_to(self, stage: str) -> None:
        for step in STAGES[stage][0]:
            getattr(self, step)()


def last(report: AuditReport) -> RoundReport:
    return report.rounds[-1]


@pytest.mark.parametrize("stage", STAGES)
def test_round_in_progress_is_not_failed(empty: PlayedFederation, stage: str) -> None:
    RoundPlayer(empty).play()
    Stepwise(empty).play_to(stage)
    phase = STAGES[stage][1]
    report = audit(empty)
    assert report.verified
    assert (last(report).number, last(report).phase, last(report).in_progress) == (2, phase, True)
    # what can be said already is checked, nothing is claimed about the rest
    assert verdicts(report, 2) == dict.fromkeys(BEFORE_RESULT | ARTIFACTS | {"payouts", "disputes"}, Verdict.PASSED)
    assert any("round 2" in x.what and x.why == "the round is still in progress" for x in report.limitations)
    assert report.to_json()["rounds"][1]["in_progress"] is True  # type: ignore[index]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_aborted_for_its_reason(empty: PlayedFederation, stage: str) -> None:
    if stage == "some committed":
        empty.quorum = 3
    player = Stepwise(empty)
    player.play_to(stage)
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)
    RoundPlayer(empty).play()
    report = audit(empty)
    assert report.verified
    assert [each.phase for each in report.rounds] == [Phase.ABORTED, Phase.SETTLED]
    assert verdicts(report, 1) == dict.fromkeys(
        BEFORE_RESULT | ARTIFACTS | {"abort", "payouts", "disputes"}, Verdict.PASSED
    )
    expected = {
        "opened": AbortReason.COMMIT_QUORUM_MISSED,
        "some committed": AbortReason.COMMIT_QUORUM_MISSED,
        "closed": AbortReason.AGGREGATE_DEADLINE_MISSED,
        "aggregated": AbortReason.FINALIZE_DEADLINE_MISSED,
        "attested": AbortReason.FINALIZE_DEADLINE_MISSED,
    }[stage]
    assert result_of(report, 1, "abort").found == expected.name


def test_spec_of_an_aborted_round_may_be_lost(empty: PlayedFederation) -> None:
    player = RoundPlayer(empty)
    player.open()
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)
    report = audit_federation(empty.ledger("operator"), replaced(empty.artifacts, {player.spec.digest: None}))
    assert report.verified
    for check in ARTIFACTS:
        assert result_of(report, 1, check).verdict is Verdict.NOT_CHECKED
    assert any("round 1" in limitation.what and "missing" in limitation.why for limitation in report.limitations)


def test_wrong_spec_of_an_aborted_round_is_found(empty: PlayedFederation) -> None:
    class OtherQuorum(RoundPlayer):
        def change_spec(self, spec):  # type: ignore[no-untyped-def]
            return replace(spec, quorum=3)

    player = OtherQuorum(empty)
    player.open()
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)
    assert failed(audit(empty)) == {(1, "spec")}


@pytest.mark.parametrize(
    "lie",
    [
        {"abort_reason": AbortReason.FINALIZE_DEADLINE_MISSED},
        {"abort_reason": AbortReason.NONE},
        {"model_hash": b"\x01" * 32},
    ],
    ids=["another reason", "no reason", "a result"],
)
def test_aborted_round_told_otherwise(empty: PlayedFederation, lie: dict[str, object]) -> None:
    player = RoundPlayer(empty)
    player.open()
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)
    ledger = LyingLedger(empty.ledger("operator"), states={1: lie})
    assert (1, "abort") in failed(audit_federation(ledger, empty.artifacts))


def test_round_aborted_before_its_deadline(empty: PlayedFederation) -> None:
    player = RoundPlayer(empty)
    player.open()
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)

    def early(event: ev.LedgerEvent) -> ev.LedgerEvent:
        return replace(event, timestamp=player.spec.deadlines.commit) if isinstance(event, ev.RoundAborted) else event

    ledger = LyingLedger(empty.ledger("operator"), events=early)
    assert failed(audit_federation(ledger, empty.artifacts)) == {(1, "abort")}


def test_aborted_round_that_was_paid_for(empty: PlayedFederation) -> None:
    player = RoundPlayer(empty)
    player.open()
    empty.chain.advance(10_000)
    player.ledger.abort_round(1)

    class Paying(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            events = super().events(from_block)
            last = events[-1]
            place = (last.block, last.log_index + 1, last.timestamp, last.transaction)
            return (*events, ev.RewardCredited(*place, 1, player.ledger.account, 5))

    report = audit_federation(Paying(empty.ledger("operator")), empty.artifacts)
    assert {(1, "payouts"), (1, "order"), (None, "rewards")} <= failed(report)


def test_round_within_its_challenge_window() -> None:
    federation = PlayedFederation.make(challenge_window=1000)
    player = RoundPlayer(federation)
    for step in (player.open, player.commit, player.close, player.aggregate, player.attest, player.finalize):
        step()
    report = audit(federation)
    assert report.verified
    assert last(report).phase is Phase.FINALIZED
    found = verdicts(report, 1)
    assert found.pop("payout-record") is Verdict.NOT_CHECKED
    assert set(found.values()) == {Verdict.PASSED}
    assert "challenge window" in (result_of(report, 1, "payout-record").reason or "")
    federation.chain.advance(1000)
    player.settle()
    assert verdicts(audit(federation), 1)["payout-record"] is Verdict.PASSED


def test_real_nodes_with_a_round_that_misses_its_quorum() -> None:
    federation = InProcessFederation(rounds=2, participants=3, quorum=3)
    absent = federation.participants.pop(federation.hospitals[0])
    for _ in range(400):
        if federation.ledger("x").last_round() == 2:
            break
        if not federation.step():
            federation.chain.advance(5)
            federation.chain.mine()
    federation.participants[federation.hospitals[0]] = absent
    federation.run()
    report = audit(federation)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.ABORTED, Phase.SETTLED, Phase.SETTLED]


def test_federation_without_a_key_is_not_failed(empty: PlayedFederation) -> None:
    class Fresh(LyingLedger):
        def events(self, from_block: int = 0) -> tuple[ev.LedgerEvent, ...]:
            return tuple(e for e in super().events(from_block) if not isinstance(e, ev.KeyPublished))

    report = audit_federation(Fresh(empty.ledger("operator"), answers={"key": lambda _: None}), empty.artifacts)
    assert report.verified
    for check in ("key-published", "key-manifest", "trustees"):
        assert verdicts(report, None)[check] is Verdict.NOT_CHECKED
