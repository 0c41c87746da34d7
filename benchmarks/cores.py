"""On how many cores a task runs: which processors this process may use, and what stands behind the batch seam."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.crypto.arithmetic import ARITHMETIC, Arithmetic

_ALL = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def core_count() -> int:
    """Return how many processors this process could use when it started."""
    return len(_ALL) if _ALL is not None else os.cpu_count() or 1


def pin() -> bool:
    """Keep this process, and the threads it starts from now on, on one processor; return whether that is possible.

    Peers bring thread pools of their own; this is what makes "one core" mean the same for all of them.
    """
    if _ALL is None:
        return False
    os.sched_setaffinity(0, {max(_ALL)})
    return True


def unpin() -> None:
    """Give this process back all its processors."""
    if _ALL is not None:
        os.sched_setaffinity(0, _ALL)


@contextmanager
def computing_with(arithmetic: Arithmetic) -> Iterator[None]:
    """Select ``arithmetic`` for the engine, and what was selected before again at the end."""
    before = ARITHMETIC.implementation
    ARITHMETIC.select(arithmetic)
    try:
        yield
    finally:
        ARITHMETIC.select(before)


@contextmanager
def on_all_cores(arithmetic: Arithmetic) -> Iterator[None]:
    """As :func:`computing_with`, on every processor."""
    unpin()
    try:
        with computing_with(arithmetic):
            yield
    finally:
        pin()


def parallel_arithmetic() -> ParallelArithmetic | None:
    """Return the engine's arithmetic for all cores, or None on a machine of one core. Its processes start when used."""
    return ParallelArithmetic(core_count()) if core_count() > 1 else None
