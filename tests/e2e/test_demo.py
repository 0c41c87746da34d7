"""``fedtrust demo`` interrupted and failing: every process it started is gone, and the run folder is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedtrust.errors import ExitCode
from tests.docs.session import KEYSTORES
from tests.e2e.federation import await_, environment

TEST_KEY = Path(__file__).parents[1] / "fixtures" / "test_key_2048.json"
NODES = (
    "aggregator",
    "standby",
    "watcher",
    "cleveland",
    "hungary",
    "switzerland",
    "va",
    *(f"trustee-{i}" for i in range(1, 6)),
)


class Demo:
    """A running demo, with its output in a file."""

    def __init__(self, folder: Path) -> None:
        self.run, self.output = folder / "run", folder / "output"
        self.started: dict[int, str] = {}
        command = ("demo", "--rounds", "99", "--test-key", TEST_KEY, "--out", self.run)
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fedtrust", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment(**KEYSTORES),
            )

    @property
    def text(self) -> str:
        return " ".join(self.output.read_text().split())

    def descendants(self) -> dict[int, str]:
        """Return the command lines of all processes that come from the demo, by pid."""
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # the name, in brackets, may hold spaces; what follows is state and parent
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
        found, new = set[int](), {self.process.pid}
        while new:
            found |= new
            new = {pid for pid, parent in parents.items() if parent in new}
        return {pid: _command_line(pid) for pid in found - {self.process.pid}}

    def await_training(self) -> dict[int, str]:
        """Wait until all nodes run and the second round is open; returns all processes."""
        log = self.run / "logs" / "aggregator.log"

        def second_round() -> bool:
            assert self.process.poll() is None, self.text
            return log.exists() and '"event": "RoundOpened"' in log.read_text().partition("RoundFinalized")[2]

        await_("the demo's second round", second_round, 180)
        started = self.started = self.descendants()
        for name in NODES:
            assert any(f"/identities/{name} " in f"{line} " for line in started.values()), name
        assert any("anvil" in line for line in started.values())
        return started


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _running(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for has no command line any more."""
    return bool(_command_line(pid))


@contextmanager
def _demo(folder: Path) -> Iterator[Demo]:
    demo = Demo(folder)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()  # it stops its children then
            demo.process.wait(60)
        for pid, line in demo.started.items():
            if _command_line(pid) == line:
                os.kill(pid, signal.SIGKILL)  # only when the test has failed: it is what this file is about


def _assert_cleared_up(demo: Demo, started: dict[int, str]) -> None:
    # the pids may be used again by others: what matters is that none of them is what it was
    await_("all processes of the demo to be gone", lambda: all(_command_line(p) != c for p, c in started.items()), 5)
    assert f"everything is in {demo.run}; all processes are stopped" in demo.text
    assert (demo.run / "model.safetensors").exists() is False
    for kept in ("key/manifest.json", "deployment.json", "aggregator/state.sqlite", "logs/aggregator.log"):
        assert (demo.run / kept).exists(), kept


def test_ctrl_c_stops_every_process(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        started = demo.await_training()
        # one node does not react any more, so that stopping takes a while
        stuck = next(p for p, line in started.items() if "/identities/va " in line)
        os.kill(stuck, signal.SIGSTOP)
        demo.process.send_signal(signal.SIGINT)
        others = [p for p, line in started.items() if "/identities/trustee-" in line]
        await_("the trustees to be stopped", lambda: not any(_running(p) for p in others))
        # an impatient second one must not leave anybody behind
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == ExitCode.INTERRUPTED
        _assert_cleared_up(demo, started)


def test_a_node_that_fails_ends_the_demo_and_is_named(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        started = demo.await_training()
        aggregator = next(p for p, line in started.items() if "/identities/aggregator " in line)
        os.kill(aggregator, signal.SIGKILL)
        assert demo.process.wait(60) not in (ExitCode.OK, ExitCode.INTERRUPTED)
        assert "error: aggregator ended with exit code -9" in demo.text
        assert "logs/aggregator.log" in demo.text
        _assert_cleared_up(demo, started)
        last = (demo.run / "logs" / "aggregator.log").read_text().splitlines()[-1]
        assert json.loads(last)["node"] == "aggregator"
