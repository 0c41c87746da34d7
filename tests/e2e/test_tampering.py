"""One byte changed in any stored artifact: the audit fails and says in which round, at which check, in what."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import ExitCode
from fedtrust.ledger.types import RoundState
from fedtrust.protocol.payment import payout_record
from fedtrust.protocol.reputation import ReputationHistory
from fedtrust.protocol.result import RoundResult
from fedtrust.store.artifacts import FolderStore
from tests.e2e.federation import Federation

ROUND = 2


@pytest.fixture(scope="module")
def copy(on_anvil: Federation, tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    folder = tmp_path_factory.mktemp("tampering") / "artifacts"
    shutil.copytree(on_anvil.artifacts, folder)
    return FolderStore(folder)


Find = Callable[[Federation, RoundState, RoundResult], bytes]


def _payout_record(made: Federation, state: RoundState, _: RoundResult) -> bytes:
    reputations = ReputationHistory()
    for event in made.reader.events():
        reputations.fold(event)
    return payout_record(made.reader.config(), state, reputations).digest


# what is altered -> (where its digest is found, which check must fail, how the check calls it)
KINDS: dict[str, tuple[Find, str, str]] = {
    "spec": (lambda _, s, r: s.spec_hash, "R9 spec", "spec"),
    "result": (lambda _, s, r: s.result_hash, "R11 result-record", "result record"),
    "base model": (lambda _, s, r: s.base_model_hash, "R12 base-model", "base model"),
    "update": (lambda _, s, r: sorted(r.updates.values())[0], "R13 update", "update"),
    "aggregate": (lambda _, s, r: r.aggregate, "R15 aggregate", "aggregate"),
    "partial decryption": (lambda _, s, r: sorted(r.partials.values())[0], "R16 partial", "partial decryption"),
    "plaintexts": (lambda _, s, r: r.plaintexts, "R17 plaintexts", "plaintexts"),
    "proof": (lambda _, s, r: r.proof, "R18 decryption-proof", "decryption proof"),
    "model": (lambda _, s, r: s.model_hash, "R20 model", "model"),
    "payout record": (_payout_record, "R23 payout-record", "payout record"),
    "key manifest": (lambda made, s, r: made.reader.key().key_id, "F5 key-manifest", "key manifest"),  # type: ignore[union-attr]
}


def _alter(path: Path, position: float) -> bytes:
    original = path.read_bytes()
    changed = bytearray(original)
    changed[int(position * (len(original) - 1))] ^= 1
    path.write_bytes(changed)
    return original


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_fails_the_audit_and_is_named(on_anvil: Federation, copy: FolderStore, kind: str) -> None:
    find, check, name = KINDS[kind]
    state = on_anvil.reader.round(ROUND)
    digest = find(on_anvil, state, RoundResult.from_bytes(on_anvil.store.get(state.result_hash)))
    path = copy.path(digest)
    original = _alter(path, 0.5)
    try:
        outcome = on_anvil.audit(copy.root, "--json")
    finally:
        path.write_bytes(original)
    assert outcome.code == ExitCode.AUDIT_FAILED
    report = outcome.json
    assert report["verified"] is False
    results = report["federation"] + [r for each in report["rounds"] for r in each["results"]]
    failed = [r for r in results if r["verdict"] == "failed"]
    wanted_round = None if check.startswith("F") else ROUND
    named = [
        r for r in failed
        if f"{r['number']} {r['id']}" == check and r["round"] == wanted_round
        and {"source": "artifact", "name": name, "digest": to_hex(digest)} in r["read"]
    ]  # fmt: skip
    assert len(named) == 1
    assert named[0]["reason"].endswith(f"artifact {digest.hex()} was altered")
    # nothing else is accused: only those who read the same file fail
    assert all(any(read["digest"] == to_hex(digest) for read in r["read"]) for r in failed)
    # and the rounds that have nothing to do with it are still verified
    untouched = [r for r in results if r["round"] == ROUND + 1 and r["verdict"] == "passed"]
    assert untouched or kind == "key manifest"


def test_people_are_told_the_round_the_check_and_the_artifact(on_anvil: Federation, copy: FolderStore) -> None:
    digest = on_anvil.reader.round(ROUND).spec_hash
    original = _alter(copy.path(digest), 1.0)
    try:
        outcome = on_anvil.audit(copy.root)
    finally:
        copy.path(digest).write_bytes(original)
    assert outcome.code == ExitCode.AUDIT_FAILED
    lines = [line for line in outcome.out.splitlines() if line.startswith("FAILED round")]
    assert len(lines) == 1
    assert lines[0].startswith(f"FAILED round {ROUND}, R9 spec: failed: ")
    assert lines[0].endswith(f"artifact {digest.hex()} was altered [artifact spec {to_hex(digest)}]")
    assert "restore the file from a copy" in outcome.out


def test_a_missing_artifact_fails_the_audit(on_anvil: Federation, copy: FolderStore) -> None:
    path = copy.path(on_anvil.reader.round(ROUND).proof_hash)
    original = path.read_bytes()
    path.unlink()
    try:
        outcome = on_anvil.audit(copy.root)
    finally:
        path.write_bytes(original)
    assert outcome.code == ExitCode.AUDIT_FAILED
    assert f"round {ROUND}, R18 decryption-proof" in outcome.out
    assert "is missing" in outcome.out


def test_the_untouched_copy_is_verified(on_anvil: Federation, copy: FolderStore) -> None:
    assert on_anvil.audit(copy.root, "--json").code == ExitCode.OK
