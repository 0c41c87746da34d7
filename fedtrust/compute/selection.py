"""What a program computes with: chosen once, at its start, from its options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fedtrust.compute.kernels import Kernel, choose_kernel
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.compute.tables import FolderTableStore
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.errors import ConfigurationError

MAXIMUM_WORKERS = 256


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """How many cores, and how much memory (bytes) one fixed-base table may take in each process; 0: no tables."""

    workers: int = 1
    table_bytes: int = DEFAULT_TABLE_BYTES

    def __post_init__(self) -> None:
        """Raise ConfigurationError on numbers out of range."""
        if not 1 <= self.workers <= MAXIMUM_WORKERS:
            raise ConfigurationError("workers are out of range", expected=f"1 to {MAXIMUM_WORKERS}", got=self.workers)
        if self.table_bytes < 0:
            raise ConfigurationError("table memory is negative", got=self.table_bytes)


def available_cores() -> int:
    """Return how many cores this process may run on."""
    return min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MAXIMUM_WORKERS
    )


def make_arithmetic(
    settings: ComputeSettings, tables: Path | None = None
) -> NativeArithmetic | GmpArithmetic | ParallelArithmetic:
    """Return what computes by ``settings``; ``tables`` is a folder to keep tables in.

    On the native kernel workers are threads, on the portable one processes. Raises ConfigurationError if the
    environment asks for a kernel that is not there.
    """
    store = FolderTableStore(tables) if tables is not None and settings.table_bytes else None
    workers, table_bytes = settings.workers, settings.table_bytes
    if choose_kernel().kernel is Kernel.NATIVE:
        return NativeArithmetic(workers, table_bytes=table_bytes, tables=store)
    if workers == 1:
        return GmpArithmetic(table_bytes=table_bytes, tables=store)
    return ParallelArithmetic(workers, table_bytes=table_bytes, tables=store)


def select_arithmetic(settings: ComputeSettings, tables: Path | None = None) -> None:
    """Make every module of ``crypto`` compute by ``settings`` in this process; see :func:`make_arithmetic`."""
    ARITHMETIC.select(make_arithmetic(settings, tables))
