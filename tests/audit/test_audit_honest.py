"""An honest history verifies, and the report says what was read and what was not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fedtrust.audit import catalogue
from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, CheckResult, Source, Verdict
from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.types import Phase
from fedtrust.store.artifacts import FolderStore
from tests.audit.audit_fixtures import PlayedFederation, RoundPlayer, audit, verdicts
from tests.nodes.harness import InProcessFederation


def test_history_of_the_real_nodes_verifies(nodes: InProcessFederation) -> None:
    report = audit_federation(nodes.ledger("operator"), nodes.artifacts)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.SETTLED] * 2


def test_honest_history_verifies(honest_report: AuditReport) -> None:
    assert honest_report.failures == ()
    assert honest_report.verified
    assert all(result.verdict is Verdict.PASSED for result in honest_report.results)
    assert [report.phase for report in honest_report.rounds] == [Phase.SETTLED] * 3


def test_every_check_of_the_catalogue_is_carried_out_in_order(honest_report: AuditReport) -> None:
    assert tuple(result.check for result in honest_report.federation) == catalogue.FEDERATION_CHECKS
    special = (catalogue.ABORT, catalogue.TAKE_OVER, catalogue.VERDICT)
    settled = tuple(check for check in catalogue.ROUND_CHECKS if check not in special)
    for report in honest_report.rounds:
        assert tuple(dict.fromkeys(result.check for result in report.results)) == settled


def test_catalogue_has_consecutive_numbers_and_distinct_ids() -> None:
    federation, rounds = catalogue.FEDERATION_CHECKS, catalogue.ROUND_CHECKS
    assert [check.number for check in federation] == [f"F{i}" for i in range(1, len(federation) + 1)]
    assert [check.number for check in rounds] == [f"R{i}" for i in range(1, len(rounds) + 1)]
    assert len({check.id for check in (*federation, *rounds)}) == len(federation) + len(rounds)


def test_every_update_and_every_partial_is_named_by_account_and_digest(
    honest: PlayedFederation, honest_report: AuditReport
) -> None:
    for report in honest_report.rounds:
        for check, names in (("update", honest.hospitals), ("partial", honest.trustee_names)):
            results = [result for result in report.results if result.check.id == check]
            assert {result.subject for result in results} < {honest.address(name) for name in names}
            digests = {r.digest for result in results for r in result.read if r.source is Source.ARTIFACT}
            assert len(digests) == len(results) == 3


def test_report_is_json_with_everything_in_it(honest_report: AuditReport) -> None:
    document = json.loads(json.dumps(honest_report.to_json()))
    assert document["verified"] is True
    assert document["counts"]["failed"] == 0
    assert document["counts"]["passed"] == len(honest_report.results)
    assert [entry["round"] for entry in document["rounds"]] == [1, 2, 3]
    spec = next(entry for entry in document["rounds"][1]["results"] if entry["id"] == "spec")
    assert spec["number"] == "R9"
    assert spec["expected"] == spec["found"] == spec["read"][0]["digest"]
    assert spec["read"][0]["source"] == "artifact"


def test_limits_of_the_audit_are_always_stated(honest_report: AuditReport) -> None:
    stated = [limitation.what for limitation in honest_report.limitations]
    assert stated[: len(catalogue.LIMITATIONS)] == [limitation.what for limitation in catalogue.LIMITATIONS]
    assert any("trained honestly" in what for what in stated)
    # the test key is too short for real data, and the report says so
    assert any("2048 bits" in limitation.why for limitation in honest_report.limitations)


def test_progress_gets_every_result_as_it_is_made(honest: PlayedFederation, honest_report: AuditReport) -> None:
    seen: list[CheckResult] = []
    report = audit_federation(honest.ledger("operator"), honest.artifacts, seen.append)
    assert tuple(seen) == report.results == honest_report.results


def test_each_artifact_is_read_once(honest: PlayedFederation, honest_report: AuditReport) -> None:
    read: list[bytes] = []

    class Counting:
        def get(self, digest: bytes) -> bytes:
            read.append(digest)
            return honest.artifacts.get(digest)

    assert audit_federation(honest.ledger("operator"), Counting()).verified
    assert len(read) == len(set(read))
    named = {r.digest for result in honest_report.results for r in result.read if r.digest is not None}
    assert set(read) == named


def test_audit_of_a_folder_and_by_a_stranger(
    honest: PlayedFederation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = FolderStore(tmp_path_factory.mktemp("artifacts"))
    report = audit_federation(honest.ledger("operator"), honest.artifacts)
    for digest in {r.digest for result in report.results for r in result.read if r.digest is not None}:
        folder.put(honest.artifacts.get(digest))
    # an account nobody registered: the auditor needs no permission
    assert audit_federation(honest.ledger("stranger"), folder).to_json() == report.to_json()


def test_player_of_all_roles_is_honest_by_default(player: RoundPlayer, empty: PlayedFederation) -> None:
    player.play()
    RoundPlayer(empty).play()
    assert audit(empty).failures == ()


def test_federation_without_rounds_verifies(empty: PlayedFederation) -> None:
    report = audit(empty)
    assert report.verified
    assert report.rounds == ()
    assert set(verdicts(report, None).values()) == {Verdict.PASSED}


def test_line_of_a_result_names_round_check_and_artifact(honest: PlayedFederation, honest_report: AuditReport) -> None:
    result = next(r for r in honest_report.results if r.round == 2 and r.check.id == "spec")
    assert str(result) == f"round 2, R9 spec: passed [artifact spec {to_hex(honest.ledger('x').round(2).spec_hash)}]"


def test_auditor_needs_neither_torch_nor_nodes() -> None:
    code = (
        "import sys, fedtrust.audit.auditor\n"
        "bad = [m for m in sys.modules if m == 'torch' or m.startswith(('fedtrust.nodes', 'fedtrust.learning'))]\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
