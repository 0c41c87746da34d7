"""Every kind of artifact, altered or missing, one at a time: the right check fails, only what rests on it stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, Verdict
from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import PeerUnreachableError, RpcUnreachableError
from fedtrust.ledger.memory import MemoryLedger
from fedtrust.store.artifacts import FolderStore
from tests.audit.audit_fixtures import LyingLedger, PlayedFederation, artifact_of, failed, replaced, result_of, verdicts

ROUND = 2

RESTS_ON_UPDATE = {"product"}
RESTS_ON_PLAINTEXTS = {"decryption-proof", "new-model", "metrics"}
RESTS_ON_RECORD = {"update", "product", "aggregate", "partial", "decryption-proof", "metrics", "blame"}
RESTS_ON_SPEC = {
    "selection",
    "update",
    "product",
    "aggregate",
    "partial",
    "plaintexts",
    "decryption-proof",
    "new-model",
    "metrics",
}

CASES = {
    # check of round 2 that reads the artifact: (its kind, all checks that fail, checks that cannot be done)
    "spec": ("spec", {(2, "spec")}, RESTS_ON_SPEC),
    "result-record": ("result record", {(2, "result-record")}, RESTS_ON_RECORD),
    "base-model": ("base model", {(2, "base-model"), (1, "model")}, {"new-model", "metrics"}),
    "update": ("update", {(2, "update")}, RESTS_ON_UPDATE),
    "aggregate": ("aggregate", {(2, "aggregate")}, set()),
    "partial": ("partial decryption", {(2, "partial")}, set()),
    "plaintexts": ("plaintexts", {(2, "plaintexts")}, RESTS_ON_PLAINTEXTS),
    "decryption-proof": ("decryption proof", {(2, "decryption-proof")}, set()),
    "model": ("model", {(2, "model"), (3, "base-model")}, set()),
    "payout-record": ("payout record", {(2, "payout-record")}, set()),
}


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("missing", [False, True], ids=["altered", "missing"])
@pytest.mark.parametrize("check", CASES)
def test_one_bad_artifact(honest: PlayedFederation, honest_report: AuditReport, check: str, missing: bool) -> None:
    kind, failing, stopped = CASES[check]
    name, digest = artifact_of(honest_report, ROUND, check)
    assert name == kind
    change = None if missing else flipped(honest.artifacts.get(digest))
    report = audit_federation(honest.ledger("operator"), replaced(honest.artifacts, {digest: change}))

    assert not report.verified
    assert failed(report) == failing
    result = result_of(report, ROUND, check)
    assert result.verdict is Verdict.FAILED
    line = str(result)
    for part in (
        f"round {ROUND}",
        result.check.number,
        check,
        kind,
        to_hex(digest),
        "missing" if missing else "altered",
    ):
        assert part in line
    # what rests on it is not checked and says on what it rests; everything else is checked
    unchecked = {i for i, verdict in verdicts(report, ROUND).items() if verdict is Verdict.NOT_CHECKED}
    assert unchecked == stopped
    for each in report.results:
        if each.verdict is Verdict.NOT_CHECKED:
            assert each.reason is not None
            assert each.reason.startswith("depends on ")
    others = {number for number, _ in failing}
    for number in {1, 2, 3} - {n for n in others if n is not None}:
        assert set(verdicts(report, number).values()) == {Verdict.PASSED}


@pytest.mark.parametrize("missing", [False, True], ids=["altered", "missing"])
def test_bad_key_manifest(honest: PlayedFederation, honest_report: AuditReport, missing: bool) -> None:
    kind, digest = artifact_of(honest_report, None, "key-manifest")
    assert kind == "key manifest"
    change = None if missing else flipped(honest.artifacts.get(digest))
    report = audit_federation(honest.ledger("operator"), replaced(honest.artifacts, {digest: change}))
    assert failed(report) == {(None, "key-manifest")}
    assert verdicts(report, None)["trustees"] is Verdict.NOT_CHECKED
    for number in (1, 2, 3):
        found = verdicts(report, number)
        # nothing that rests on the key is checked, what the chain says is
        assert found["spec"] is found["update"] is found["decryption-proof"] is Verdict.NOT_CHECKED
        assert found["commitments"] is found["payouts"] is Verdict.PASSED


@pytest.mark.parametrize("check", ["update", "partial"])
def test_the_last_of_several_counts_as_much(honest: PlayedFederation, honest_report: AuditReport, check: str) -> None:
    result = [r for r in honest_report.results if r.round == 1 and r.check.id == check][-1]
    digest = next(reading.digest for reading in result.read if reading.digest is not None)
    report = audit_federation(honest.ledger("operator"), replaced(honest.artifacts, {digest: None}))
    assert [(failure.check.id, failure.subject) for failure in report.failures] == [(check, result.subject)]


def test_decryption_is_checked_against_the_recomputed_product_when_the_aggregate_is_lost(
    honest: PlayedFederation, honest_report: AuditReport
) -> None:
    _, digest = artifact_of(honest_report, ROUND, "aggregate")
    report = audit_federation(honest.ledger("operator"), replaced(honest.artifacts, {digest: None}))
    assert verdicts(report, ROUND)["decryption-proof"] is Verdict.PASSED


def test_a_store_that_does_not_check_its_bytes_is_not_believed(
    honest: PlayedFederation, honest_report: AuditReport
) -> None:
    _, digest = artifact_of(honest_report, ROUND, "spec")

    class Careless:
        def get(self, wanted: bytes) -> bytes:
            data = honest.artifacts.get(wanted)
            return flipped(data) if wanted == digest else data

    report = audit_federation(honest.ledger("operator"), Careless())
    assert failed(report) == {(ROUND, "spec")}


def test_byte_flipped_on_disk(honest: PlayedFederation, honest_report: AuditReport, tmp_path: Path) -> None:
    folder = FolderStore(tmp_path)
    for digest in {r.digest for result in honest_report.results for r in result.read if r.digest is not None}:
        folder.put(honest.artifacts.get(digest))
    _, digest = artifact_of(honest_report, 3, "update")
    path = folder.path(digest)
    path.write_bytes(flipped(path.read_bytes()))
    assert failed(audit_federation(honest.ledger("operator"), folder)) == {(3, "update")}


def test_unreachable_server_or_chain_accuses_nobody(honest: PlayedFederation) -> None:
    class Down:
        def get(self, digest: bytes) -> bytes:
            raise PeerUnreachableError("the aggregator's service does not answer")

    with pytest.raises(PeerUnreachableError):
        audit_federation(honest.ledger("operator"), Down())

    class Offline(MemoryLedger):
        def block_hash(self, number: int) -> bytes:
            raise RpcUnreachableError("the endpoint does not answer")

    with pytest.raises(RpcUnreachableError):
        audit_federation(Offline(honest.chain, honest.address("operator")), honest.artifacts)


def test_errors_that_are_not_ours_are_not_swallowed(honest: PlayedFederation) -> None:
    def broken(_answer: bytes) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        audit_federation(LyingLedger(honest.ledger("operator"), answers={"block_hash": broken}), honest.artifacts)
