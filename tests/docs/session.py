"""Somebody at a few terminals, following a document: the blocks of a page, run as they stand.

The session's folder looks like a fresh checkout (links to what is in ours), so relative paths mean what the document
says. What a test must change (ports, and what takes long) is a replacement that has to occur in the text.
New keystores are made with the other of the standard's two key derivations, which takes a third of the time.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.markdown import ROOT, Block, blocks

PATIENCE = 300.0
_PAUSE = threading.Event()
KEYSTORES = {"ETH_ACCOUNT_KDF": "pbkdf2"}
"""A setting of eth-account: dozens of processes open these keystores."""
_PRELUDE = "set -euo pipefail\n"


class Terminal:
    """A shell that runs one script; its output is a file."""

    def __init__(self, name: str, script: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.terminal"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", _PRELUDE + script],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def await_text(self, text: str, others: Sequence[Terminal] = ()) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            for terminal in (self, *others):
                code = terminal.process.poll()
                assert code is None, f"terminal {terminal.name} ended with {code}:\n{terminal.output}"
            assert time.monotonic() < deadline, f"terminal {self.name} never said {text!r}:\n{self.output}"
            _PAUSE.wait(0.1)

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"terminal {self.name} ignored Ctrl-C:\n{self.output}") from None


class Session:
    """A context manager: every terminal that is still open at the end gets Ctrl-C and must end with 0."""

    def __init__(self, folder: Path, replacements: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._replacements = dict(replacements)
        self._unused = set(replacements)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FEDTRUST_") or k == "FEDTRUST_ANVIL"}
        self._environment = {**kept, **KEYSTORES, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment}
        self.terminals: dict[str, Terminal] = {}
        self._starting: dict[str, str] = {}
        for entry in ROOT.iterdir():
            if entry.name not in (".git", ".venv", "build", "runs", "run"):
                (folder / entry.name).symlink_to(entry)
        (folder / ".venv").symlink_to(sys.prefix)
        self._exports = folder / ".exports"
        self._exports.touch()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        codes = {name: t.interrupt() for name, t in reversed(self.terminals.items())}
        if kind is None:
            bad = {name: code for name, code in codes.items() if code != 0}
            assert not bad, "\n".join(f"{n} ended with {c}:\n{self.terminals[n].output}" for n, c in bad.items())
            assert not self._unused, f"the document no longer says {sorted(self._unused)}"

    def follow(self, document: Path) -> None:
        """Do everything that ``document`` says."""
        for block in blocks(document, "sh"):
            self.do(block)

    def do(self, block: Block) -> None:
        """Do what one block says, as the comment above it says."""
        if block.reason_not_run:
            return
        text = self._replaced(block.text)
        match block.words:
            case ["terminal", name, "until", expected]:
                self.open(name, text, expected)
            case ["terminal", name, "for", variable, "in", *values, "until", expected]:
                pattern = re.compile(rf"^{variable}=\S+", re.MULTILINE)
                assert len(pattern.findall(text)) == 1, f"{block.place}: no single line {variable}=..."
                started = [self.open(f"{name}-{value}", pattern.sub(f"{variable}={value}", text)) for value in values]
                for terminal in started:
                    terminal.await_text(expected)
            case ["after", name, "says", expected]:
                self.terminals[name].await_text(expected, list(self.terminals.values()))
                self.type(text, block.place)
            case []:
                self.type(text, block.place)
            case _:
                raise AssertionError(f"{block.place}: a comment that says nothing: {block.comment}")

    def open(self, name: str, text: str, expected: str | None = None) -> Terminal:
        """Run ``text`` in a new terminal; the next command in the main one waits for ``expected`` in its output."""
        assert name not in self.terminals, f"there is a terminal {name} already"
        script = f"{self._exports.read_text()}\n{text}"  # as they are now, not when the shell has come up
        self.terminals[name] = terminal = Terminal(name, script, self.folder, self._environment)
        if expected is not None:
            self._starting[name] = expected
        return terminal

    def close(self, name: str) -> None:
        """Press Ctrl-C in a terminal, which must end with 0, and close it."""
        terminal = self.terminals.pop(name)
        code = terminal.interrupt()
        assert code == 0, f"{name} ended with {code}:\n{terminal.output}"

    def type(self, text: str, what: str) -> str:
        """Run ``text`` to its end in the main terminal, which keeps its exported variables; returns the output."""
        while self._starting:
            name, expected = self._starting.popitem()
            self.terminals[name].await_text(expected, list(self.terminals.values()))
        script = f". {self._exports}\n{text}\nexport -p > {self._exports}\n"
        done = subprocess.run(
            ["bash", "-c", _PRELUDE + script],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{what} ended with {done.returncode}:\n{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def adopt_exports(self, **values: str) -> None:
        """Go on as somebody with other settings: what the main terminal and new ones export from now on."""
        with self._exports.open("a") as file:
            file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())

    def _replaced(self, text: str) -> str:
        for old, new in self._replacements.items():
            if old in text:
                self._unused.discard(old)
                text = text.replace(old, new)
        return text
