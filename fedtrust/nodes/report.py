"""What a running node tells: one line per happening, for people or as JSON lines."""

from __future__ import annotations

import json
import sys
from typing import Protocol, TextIO


class Reporter(Protocol):
    """Receives what happens. ``event`` is a short stable name; fields are JSON-ready and never secret."""

    def __call__(self, event: str, /, **fields: object) -> None:
        """Report one happening."""


def silent(event: str, /, **fields: object) -> None:
    """Report nothing."""


class LineReporter:
    """Writes one line per happening, flushed at once."""

    def __init__(self, name: str, *, as_json: bool, stream: TextIO | None = None) -> None:
        """``name`` says whose lines these are."""
        self._name, self._as_json, self._stream = name, as_json, stream or sys.stdout

    def __call__(self, event: str, /, **fields: object) -> None:
        """See Reporter."""
        if self._as_json:
            line = json.dumps({"node": self._name, "event": event, **fields}, default=str)
        else:
            text = "  ".join(f"{key}={value}" for key, value in fields.items())
            line = f"[{self._name}] {event}" + (f"  {text}" if text else "")
        print(line, file=self._stream, flush=True)
