"""One run: everybody's sum is checked, then everything is timed in interleaved repeats, then the rows are made."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gmpy2
import numpy as np

from benchmarks import limits, phases
from benchmarks.cores import core_count, parallel_arithmetic, pin, unpin
from benchmarks.engine import Engine, Samples
from benchmarks.measuring import interleave
from benchmarks.peers import KNOWN, load
from benchmarks.report import Report
from benchmarks.rows import size_rows, time_rows
from benchmarks.setting import Setting

FULL_PARAMETERS = 100_000
QUICK_PARAMETERS = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    parameters: int = FULL_PARAMETERS
    repeats: int = 5
    samples: Samples = field(default_factory=Samples)

    @classmethod
    def quick(cls) -> Plan:
        """Return the plan of ``make bench-quick``."""
        return cls(QUICK_PARAMETERS, 3, Samples(opening=40, single_holder=20, classical=10))


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(core_count()),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gmpy2": gmpy2.version(),
        "gmp": gmpy2.mp_version(),
    }


def run(plan: Plan, progress: Callable[[str], None]) -> Report:
    """Check and measure everything. Raises AssertionError if somebody's sum is not NumPy's."""
    parallel = parallel_arithmetic()
    pinned = pin()
    try:
        setting = Setting.make(plan.parameters)
        engine = Engine.check(setting, parallel, progress)
        tasks = [*engine.tasks(plan.samples), *limits.tasks(setting)]
        sizes = {phases.ENGINE: engine.sizes()}
        skipped: dict[str, str] = {}
        peers: dict[str, str] = {}
        if parallel is None:
            skipped |= dict.fromkeys((phases.ENCRYPT_ALL, phases.PARTIAL_ALL, phases.OPEN_ALL), "this is one core")
        for known in KNOWN:
            loaded = load(known)
            if loaded is None:
                skipped[known.name] = f"{known.distribution} is not installed"
                peers[known.name] = f"skipped: {known.distribution} is not installed"
                continue
            make, installed = loaded
            progress(f"checking {known.name}")
            peer = make(setting)
            peer.check()
            tasks += peer.tasks()
            sizes[known.name] = peer.sizes()
            peers[known.name] = f"{known.distribution} {installed}; {known.note}"
        # what is compared with each other is timed one right after the other
        tasks.sort(key=lambda task: task.phase)
        measured = interleave(tasks, plan.repeats, progress)
    finally:
        if parallel is not None:
            parallel.close()
        unpin()
    rows = time_rows(measured, skipped, full_sized=plan.parameters == FULL_PARAMETERS)
    described = setting.describe() | {"repeats": plan.repeats, "pinned_to_one_core": pinned}
    return Report(machine(), described, peers, (*rows, *size_rows(sizes, skipped)))
