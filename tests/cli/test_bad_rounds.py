"""Bad input that only shows in a round: models, updates, ciphertexts. Real processes, real TLS, exit codes at the end.

A node that meets something wrong sits the round out, says so, and ends with the code of that when it is stopped.
"""

from __future__ import annotations

import json
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrust.crypto.encoding import canonical_json, sha256, to_hex
from fedtrust.errors import ExitCode
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Phase, Role
from fedtrust.nodes.tls import client_context
from fedtrust.protocol.receipt import Receipt
from tests.e2e.federation import Federation, federation
from tests.e2e.people import People

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TASK = f"{Path(__file__).parent / 'faulty_task.py'}:FaultyTask"
LOGISTIC, MLP = (f"fedtrust.learning.heart:{name}" for name in ("LogisticRegression", "MLP"))


def test_updates_that_are_not_finite_or_out_of_range_stay_at_home(
    tmp_path: Path, anvil: Devnet, people: People
) -> None:
    data = {"hungary": "hungary:nan", "switzerland": "switzerland:heavy", "va": "va:far"}
    with federation(tmp_path, anvil, people, participants=4, task=TASK, data=data, rounds=1) as made:
        made.start_all()
        nan = made.await_event("hungary", "SittingOut", round=1)["reason"]
        assert "not finite" in nan
        assert "nothing was sent" in nan
        heavy = made.await_event("switzerland", "SittingOut", round=1)["reason"]
        assert "the number of training examples does not fit the layout's weight slot" in heavy
        assert "1 to 1023" in heavy
        assert "ask the operator for a layout with more weight bits" in heavy
        # a delta of any length is clipped to the layout's range, and takes part
        made.await_committed(1, 2)
        anvil.increase_time(made.settings.commit_seconds + 1)
        made.await_done()  # the round went on without the two
        assert made.models() == made.simulated({1: ["cleveland", "va"]})
        codes = {name: made.stop(name) for name in made.hospitals}
    assert codes == {
        "cleveland": ExitCode.OK, "hungary": ExitCode.UPDATE, "switzerland": ExitCode.UPDATE, "va": ExitCode.OK,
    }  # fmt: skip


def test_an_infinite_update_stays_at_home(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, task=TASK, data={"cleveland": "cleveland:infinite"}) as made:
        made.start("aggregator", "cleveland")
        reason = made.await_event("cleveland", "SittingOut", round=1)["reason"]
        assert "infinite or NaN" in reason
        assert "lower the learning rate" in reason
        assert made.reader.round(1).committed == 0
        assert made.stop("cleveland") == ExitCode.UPDATE


def test_a_base_model_with_other_shapes_is_refused(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, initial_task=MLP) as made:
        made.start("aggregator", *made.hospitals)
        for name in made.hospitals:
            reason = made.await_event(name, "SittingOut", round=1)["reason"]
            assert "tensor" in reason
            assert "expected" in reason
        assert made.reader.round(1).committed == 0
        assert {made.stop(name) for name in made.hospitals} == {int(ExitCode.MODEL)}


def test_another_task_than_the_federations_is_refused(tmp_path: Path, anvil: Devnet, people: People) -> None:
    other = tmp_path / "other_task.py"
    shutil.copy(Path(__file__).parent / "faulty_task.py", other)
    other.write_text(other.read_text() + "# another version\n")
    with federation(tmp_path / "run", anvil, people, task=TASK) as made:
        made.start("aggregator")
        made.start("cleveland", task=f"{other}:FaultyTask")
        reason = made.await_event("cleveland", "SittingOut", round=1)["reason"]
        assert "the federation trains another task than ours" in reason
        assert made.stop("cleveland") == ExitCode.SPEC


@contextmanager
def _rogue_aggregator(people: People, answers: Mapping[str, bytes]) -> Iterator[str]:
    """Serve ``answers`` by path under the registered aggregator's own certificate, as a dishonest one could."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"{}")

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = people.open("aggregator")
    context.load_cert_chain(own.folder / "tls.pem", password=own.tls_password)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _as(made: Federation, name: str | None) -> httpx.Client:
    """Return a client with the TLS certificate of ``name``, or without one."""
    own = None if name is None else made.people.open(name)
    context = client_context(own, made.reader.identities(Role.AGGREGATOR))
    return httpx.Client(base_url=made.url, verify=context, timeout=30, trust_env=False)


def _post(made: Federation, name: str | None, data: bytes, path: str = "/rounds/1/updates") -> tuple[int, Any]:
    with _as(made, name) as client:
        response = client.post(path, content=data)
        return response.status_code, response.json()


def _flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def test_uploads_and_downloads_of_bad_ciphertexts(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, rounds=1) as made:
        # cleveland commits and dies; the test uploads in its place
        made.start_aggregator()
        made.start("cleveland")
        made.await_committed(1, 1)
        made.kill("cleveland")
        (stored,) = (p for p in (made.folder / "cleveland" / "artifacts").rglob("*") if p.is_file())
        good = stored.read_bytes()
        key = people.manifest(2, 3).public_key
        width = key.ciphertext_bytes
        no_unit = good[:-width] + int(key.n).to_bytes(width, "big")
        too_large = good[:-width] + b"\xff" * width

        # before the commit phase has closed nobody's ciphertexts are taken
        status, body = _post(made, "cleveland", good)
        assert status == 425
        assert "the commit phase has not closed yet" in body["message"]
        assert "upload when it has" in body["advice"]

        made.start("hungary")
        made.await_event("hungary", "Uploaded", round=1)
        assert made.reader.round(1).phase is Phase.UPLOAD
        hungary = made.store.get(made.uploads(1)[people.account("hungary")])
        # (who, what, HTTP status, exit code, words of the message)
        refusals: tuple[tuple[str | None, bytes, int, ExitCode, str], ...] = (
            ("cleveland", good[:-1], 422, ExitCode.CIPHERTEXT, "vector"),
            ("cleveland", good + b"\0", 422, ExitCode.CIPHERTEXT, "vector"),
            ("cleveland", no_unit, 422, ExitCode.CIPHERTEXT, "unit"),
            ("cleveland", too_large, 422, ExitCode.CIPHERTEXT, "out of range"),
            ("cleveland", good[:100], 422, ExitCode.ARTIFACT, "truncated"),
            ("cleveland", b"", 422, ExitCode.ARTIFACT, "truncated"),
            ("cleveland", b"x" * 10_000_000, 422, ExitCode.ARTIFACT, "larger than anything this round admits"),
            ("cleveland", _flipped(good, -1), 409, ExitCode.UPDATE, "root of the ciphertexts does not match"),
            ("cleveland", hungary, 409, ExitCode.UPDATE, "names another participant"),
            ("hungary", good, 409, ExitCode.UPDATE, "names another participant"),
            ("hungary", _flipped(hungary, -1), 409, ExitCode.UPDATE, "root of the ciphertexts does not match"),
            ("trustee-1", good, 403, ExitCode.IDENTITY, "another role"),
            (None, good, 401, ExitCode.CERTIFICATE_MISMATCH, "no client certificate"),
        )
        for who, data, expected, code, words in refusals:
            status, body = _post(made, who, data)
            assert (status, body["exit_code"]) == (expected, code), body
            assert words in body["message"], body
        assert made.reader.round(1).phase is Phase.UPLOAD

        # the right one is taken; the same again is welcome, from whoever uploaded it
        for _ in range(2):
            status, body = _post(made, "cleveland", good)
            assert status == 201, body
            receipt = Receipt.from_bytes(canonical_json(body))
            receipt.verify()
            parties = (receipt.aggregator, receipt.participant)
            assert parties == (people.account("aggregator"), people.account("cleveland"))
        made.await_phase(1, Phase.DECRYPT)

        # late: the aggregate is committed
        made.await_event("aggregator", "AggregateCommitted")
        status, body = _post(made, "cleveland", _flipped(good, -1))
        assert (status, body["exit_code"]) == (409, ExitCode.UPDATE)
        assert "is late" in body["message"]
        assert "the next round is open to it" in body["advice"]
        assert _post(made, "cleveland", good)[0] == 201  # what it has it has
        status, body = _post(made, "cleveland", good, "/rounds/7/updates")
        assert status == 425
        assert "round 7 is not open yet" in body["message"]

        # trustees that are shown bad files sit the round out, each with the code of what it saw
        state = made.reader.round(1)
        uploads = {account: to_hex(digest) for account, digest in made.uploads(1).items()}
        made.kill("aggregator")
        seen = {
            "trustee-1": (good[:-1], ExitCode.CIPHERTEXT, "vector"),
            "trustee-2": (no_unit, ExitCode.CIPHERTEXT, "unit"),
            "trustee-3": (_flipped(good, -1), ExitCode.UPDATE, "root of the ciphertexts does not match"),
        }
        for name, (data, code, words) in seen.items():
            answers = {
                f"/artifacts/{state.spec_hash.hex()}": made.store.get(state.spec_hash),
                "/rounds/1/updates": json.dumps(uploads | {people.account("cleveland"): to_hex(sha256(data))}).encode(),
                f"/artifacts/{sha256(data).hex()}": data,
                f"/artifacts/{sha256(hungary).hex()}": hungary,
            }
            with _rogue_aggregator(people, answers) as url:
                made.start(name, aggregator=url)
                reason = made.await_event(name, "SittingOut", round=1)["reason"]
                assert words in reason
                assert made.stop(name) == code
        assert made.reader.round(1).attested == 0


def test_an_artifact_store_that_serves_another_model(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, rounds=1) as made:
        made.start_aggregator()
        state = made.await_phase(1, Phase.COMMIT)
        answers = {
            f"/artifacts/{state.spec_hash.hex()}": made.store.get(state.spec_hash),
            f"/artifacts/{state.base_model_hash.hex()}": _flipped(made.store.get(state.base_model_hash), -1),
        }
        with _rogue_aggregator(people, answers) as url:
            made.start("cleveland", aggregator=url)
            reason = made.await_event("cleveland", "SittingOut", round=1)["reason"]
            assert f"artifact {state.base_model_hash.hex()} was altered" in reason
            assert url in reason
            assert made.stop("cleveland") == ExitCode.ARTIFACT
        assert made.reader.round(1).committed == 0


def test_a_damaged_home_folder_is_noticed(tmp_path: Path, anvil: Devnet, people: People) -> None:
    """A participant whose own ciphertext file was truncated or altered after it committed uploads nothing."""
    with federation(tmp_path, anvil, people, rounds=1) as made:
        made.start_aggregator()
        made.start("cleveland")
        made.await_committed(1, 1)
        made.kill("cleveland")
        (stored,) = (p for p in (made.folder / "cleveland" / "artifacts").rglob("*") if p.is_file())
        stored.write_bytes(stored.read_bytes()[:-1])
        made.start("hungary", "cleveland")
        reason = made.await_event("cleveland", "SittingOut", round=1)["reason"]
        assert "was altered" in reason
        assert "restore the file from a copy" in reason
        assert made.stop("cleveland") == ExitCode.ARTIFACT
