"""Child processes of the demo: started with a log each, watched, and all stopped on the way out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fedtrust.errors import ConfigurationError, ExitCode, FedtrustError, RoundError

STOP_SECONDS = 10.0


class ChildFailedError(FedtrustError):
    """A process of the demo ended with an error; the message has its exit code and the end of its log."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        """Quote the end of its log."""
        tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-12:])
        super().__init__(f"{name} ended with exit code {code}", got=f"the end of {log}:\n    {tail}")


@dataclass(slots=True)
class Child:
    """A running process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stream: IO[bytes]


class Processes:
    """Starts ``fedtrust`` commands as processes of their own. A context manager that stops what still runs."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        """``environment`` is added to ours."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        # arithmetic scales by processes here: one thread each keeps eleven of them off each other's feet
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Processes:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything that still runs: SIGTERM, then SIGKILL, each to the process we started."""
        for child in self.children.values():
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            child.stream.close()

    def start(self, name: str, *arguments: str) -> Child:
        """Start ``fedtrust ARGUMENTS`` with its output in ``NAME.log``."""
        log = self._logs / f"{name}.log"
        stream = log.open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "fedtrust", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
        )
        self.children[name] = child = Child(name, process, log, stream)
        return child

    def call(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run ``fedtrust ARGUMENTS`` to its end and return the last JSON line it printed."""
        return self.result(self.start(name, *arguments))

    def result(self, child: Child) -> dict[str, Any]:
        """Wait for a command's end and return the last JSON line it printed. Raises ChildFailedError."""
        code = child.process.wait()
        if code != 0:
            raise ChildFailedError(child.name, code, child.log)
        return _last_json(child.log)

    def await_event(self, child: Child, event: str, seconds: float) -> dict[str, Any]:
        """Return the first happening called ``event`` in a node's JSON lines. Raises if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while time.monotonic() < deadline:
            for line in child.log.read_text(errors="replace").splitlines():
                if line.startswith("{") and line.endswith("}"):
                    value: dict[str, Any] = json.loads(line)
                    if value.get("event") == event:
                        return value
            self.check(child)
            pause.wait(0.1)
        raise RoundError(f"{child.name} did not report {event} within {seconds:.0f} seconds", advice=f"see {child.log}")

    def check(self, child: Child) -> None:
        """Raise ChildFailedError if the process has ended."""
        code = child.process.poll()
        if code is not None:
            raise ChildFailedError(child.name, code, child.log)


def _last_json(log: Path) -> dict[str, Any]:
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if line.startswith("{"):
            value: dict[str, Any] = json.loads(line)
            return value
    raise ConfigurationError(f"{log} holds no JSON line", advice=f"exit code {int(ExitCode.INTERNAL)}")
