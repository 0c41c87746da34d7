"""A node's durable memory: written once, found again after any crash, and nobody else's file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.errors import ConfigurationError, RoundError
from fedtrust.store.state import SCHEMA_VERSION, NodeState

ANN, BOB = "0xAnn", "0xBob"


@pytest.fixture(params=["memory", "file"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> NodeState:
    return NodeState(None if request.param == "memory" else tmp_path / "home" / "state.sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "state.sqlite"


def reopened(state: NodeState, path: Path) -> NodeState:
    state.close()
    return NodeState(path)


# written once


def test_a_fact_is_found_again(state: NodeState) -> None:
    assert state.get("spec", 1) is None
    state.put("spec", 1, "", b"value")
    assert state.get("spec", 1) == b"value"
    assert state.get("spec", 2) is None
    assert state.get("other", 1) is None
    assert state.get("spec", 1, ANN) is None


def test_the_same_value_again_changes_nothing(state: NodeState) -> None:
    for _ in range(3):
        state.put("spec", 1, ANN, b"value")
    assert state.all("spec", 1) == {ANN: b"value"}


@pytest.mark.parametrize("other", [b"", b"valu", b"value\0", b"VALUE"])
def test_another_value_is_refused_and_the_first_stands(state: NodeState, other: bytes) -> None:
    state.put("spec", 1, ANN, b"value")
    with pytest.raises(RoundError, match="already recorded another spec") as error:
        state.put("spec", 1, ANN, other)
    assert ANN in error.value.message
    assert error.value.expected == "0x" + b"value".hex()
    assert state.get("spec", 1, ANN) == b"value"


def test_an_empty_value_is_a_value(state: NodeState) -> None:
    state.put("spec", 1, "", b"")
    assert state.get("spec", 1) == b""
    with pytest.raises(RoundError):
        state.put("spec", 1, "", b"x")


def test_all_are_of_one_kind_and_round_by_account(state: NodeState) -> None:
    for kind, round, account in [("upload", 1, BOB), ("upload", 1, ANN), ("upload", 2, ANN), ("partial", 1, ANN)]:
        state.put(kind, round, account, f"{kind}{round}{account}".encode())
    assert list(state.all("upload", 1)) == [ANN, BOB]
    assert state.all("upload", 1)[BOB] == b"upload10xBob"
    assert state.all("nothing", 1) == {}


def test_forgetting_is_for_one_fact_only(state: NodeState) -> None:
    state.put("spec", 1, "", b"first plan")
    state.put("spec", 2, "", b"second plan")
    state.forget("spec", 1)
    state.forget("spec", 1)
    assert state.get("spec", 1) is None
    assert state.get("spec", 2) == b"second plan"
    state.put("spec", 1, "", b"new plan")
    assert state.get("spec", 1) == b"new plan"


kinds = st.sampled_from(["a", "b", "'; DROP TABLE facts; --", "größe"])
operations = st.lists(st.tuples(kinds, st.integers(0, 2**62), st.sampled_from(["", ANN, BOB]), st.binary(max_size=20)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_it_is_a_dictionary_whose_first_values_stay(tmp_path: Path, made: list[tuple[str, int, str, bytes]]) -> None:
    path = tmp_path / f"{os.urandom(8).hex()}.sqlite"
    state = NodeState(path)
    model: dict[tuple[str, int, str], bytes] = {}
    for kind, round, account, value in made:
        if model.setdefault((kind, round, account), value) == value:
            state.put(kind, round, account, value)
        else:
            with pytest.raises(RoundError):
                state.put(kind, round, account, value)
    state = reopened(state, path)
    assert all(state.get(*key) == value for key, value in model.items())
    for kind, round, _ in model:
        assert state.all(kind, round) == {a: v for (k, r, a), v in sorted(model.items()) if (k, r) == (kind, round)}
    state.close()


# kept


def test_facts_survive_closing_and_opening(path: Path) -> None:
    state = NodeState(path)
    state.put("spec", 1, ANN, b"value")
    state = reopened(state, path)
    assert state.get("spec", 1, ANN) == b"value"
    with pytest.raises(RoundError):
        state.put("spec", 1, ANN, b"other")


_KILLED = """
import os, signal, sys
from pathlib import Path
from fedtrust.store.state import NodeState

state = NodeState(Path(sys.argv[1]))
for number in range(50):
    state.put("spec", number, "", b"%d" % number)
print("written", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_facts_survive_a_kill(path: Path) -> None:
    """No close, no goodbye: what put() returned from is there."""
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == b"written\n"
    state = NodeState(path)
    assert [state.get("spec", number) for number in range(50)] == [b"%d" % number for number in range(50)]


def test_every_write_is_flushed_to_the_disk_itself(path: Path) -> None:
    state = NodeState(path)
    assert state._connection.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL"
    assert state._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_put_that_was_refused_by_the_disk_is_no_fact(path: Path) -> None:
    state = NodeState(path)
    state._connection.execute("PRAGMA max_page_count=4")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        state.put("spec", 1, "", bytes(100_000))
    assert state.get("spec", 1) is None
    state = reopened(state, path)
    assert state.get("spec", 1) is None
    state.put("spec", 1, "", bytes(100_000))


# one federation, one release per round


def test_a_memory_belongs_to_one_federation(path: Path) -> None:
    state = NodeState(path)
    state.bind(1, "0xContract")
    state.bind(1, "0xContract")
    state = reopened(state, path)
    state.bind(1, "0xContract")
    for chain_id, contract in ((2, "0xContract"), (1, "0xOther"), (11, "0xContract")):
        with pytest.raises(ConfigurationError, match="another federation") as error:
            state.bind(chain_id, contract)
        assert error.value.expected == "1/0xContract"
        assert error.value.got == f"{chain_id}/{contract}"


def test_a_release_is_recorded_once_per_round(state: NodeState) -> None:
    state.record_release(1, [ANN, BOB], bytes(32))
    state.record_release(1, [ANN, BOB], bytes(32))
    state.record_release(2, [ANN], bytes(32))
    for accepted, root in (([ANN], bytes(32)), ([BOB, ANN], bytes(32)), ([ANN, BOB], b"\1" * 32), ([], bytes(32))):
        with pytest.raises(RoundError, match="already recorded another release"):
            state.record_release(1, accepted, root)


# files of others


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one" * 30, b"{}", b"\0" * 4096])
def test_a_file_that_is_no_node_state_is_refused_untouched(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not a fedtrust node state") as error:
        NodeState(path)
    assert str(path) in error.value.message
    assert path.read_bytes() == content


def test_a_file_of_another_version_is_refused(path: Path) -> None:
    NodeState(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(ConfigurationError, match="another version") as error:
        NodeState(path)
    assert error.value.expected == str(SCHEMA_VERSION)


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE facts (completely TEXT, different INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="not a fedtrust node state"):
        NodeState(path)
    assert path.read_bytes() == before


def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="not a fedtrust node state"):
        NodeState(path)


# threads


def test_of_many_threads_that_decide_differently_one_wins(state: NodeState) -> None:
    together = threading.Barrier(8)

    def decide(worker: int) -> bool:
        together.wait(timeout=30)
        try:
            state.put("release", 1, "", b"%d" % worker)
        except RoundError:
            return False
        return state.get("release", 1) == b"%d" % worker

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(decide, range(8))) == 1


def test_threads_writing_different_facts_lose_none(state: NodeState) -> None:
    def write(worker: int) -> None:
        for number in range(10):
            state.put("upload", number, f"0x{worker}", b"%d" % worker)
            assert state.get("upload", number, f"0x{worker}") == b"%d" % worker

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    for number in range(10):
        assert state.all("upload", number) == {f"0x{w}": b"%d" % w for w in range(8)}
