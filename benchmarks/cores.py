"""On which cores and which kernel a task runs: this process's processors, and what stands behind the batch seam."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fedtrust.compute.kernels import Kernel, NativeKernel, native_kernel
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.crypto.arithmetic import ARITHMETIC, Arithmetic, GmpArithmetic

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


@dataclass(frozen=True, slots=True)
class Computing:
    """One kernel as tasks use it: on one core, the same with a table for short exponents, and on all cores.

    ``owner`` is whose tasks these are. ``all_cores`` is None on a machine of one core; ``native`` is the native kernel,
    to build a table with, or None on the portable one.
    """

    owner: str
    one: Arithmetic
    short: Arithmetic
    all_cores: NativeArithmetic | ParallelArithmetic | None
    native: NativeKernel | None = None

    @classmethod
    def on(cls, kernel: Kernel, owner: str) -> Computing:
        """Return the arithmetic of ``kernel``. Raises ConfigurationError where it cannot run."""
        one, short, all_cores = one_core_arithmetic(kernel), one_core_arithmetic(kernel), all_core_arithmetic(kernel)
        return cls(owner, one, short, all_cores, native_kernel() if kernel is Kernel.NATIVE else None)

    def close(self) -> None:
        """End the processes of the other cores."""
        if self.all_cores is not None:
            self.all_cores.close()


def one_core_arithmetic(kernel: Kernel) -> NativeArithmetic | GmpArithmetic:
    """Return the arithmetic of ``kernel`` for one core. Raises ConfigurationError where the kernel cannot run."""
    return NativeArithmetic() if kernel is Kernel.NATIVE else GmpArithmetic()


def all_core_arithmetic(kernel: Kernel) -> NativeArithmetic | ParallelArithmetic | None:
    """Return that for all cores, or None on a machine of one core. Its threads or processes start when used."""
    if core_count() == 1:
        return None
    return NativeArithmetic(core_count()) if kernel is Kernel.NATIVE else ParallelArithmetic(core_count())
