"""``fedtrust`` commands as processes of their own, forked from one that imported the package and did nothing else.

The imports of one process take a core 1.5 to 3 seconds, and tests start hundreds of them. What else happens between
``python -m fedtrust`` and the command is in the tests of the documents and of the demo, which run that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import pytest

from fedtrust.cli.main import COMMANDS, main
from tests.e2e.people import light_key_files

_FORKS = multiprocessing.get_context("forkserver")


@cache
def _start_server() -> None:
    """Start the process that all others are forked from; OpenMP reads its threads once, when it is loaded."""
    _FORKS.set_forkserver_preload(sorted({module for module, _ in COMMANDS.values()}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        ensure_running()


class CommandProcess:
    """A running command: what tests use of ``subprocess.Popen``."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
        """Start ``fedtrust WORDS``; ``out`` and ``err``, which may be one file, are appended to."""
        _start_server()
        # a daemon, so that it ends with the tests whatever happens to them
        arguments = (list(words), dict(environment), str(out), str(err))
        self._words, self._process = list(words), _FORKS.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._words, seconds)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(words: list[str], environment: dict[str, str], out: str, err: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv = ["fedtrust", *words]
    with light_key_files():
        main()
