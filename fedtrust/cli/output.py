"""The console that commands print on."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 140
"""Columns when nobody's terminal says how wide it is: wide enough that logs do not break in the middle of a hash."""


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)
