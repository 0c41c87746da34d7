"""One run: everybody's sum is checked, then everything is timed in interleaved repeats, then the rows are made."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import gmpy2
import numpy as np

from benchmarks import arithmetic_limit, limits, phases
from benchmarks.cores import Computing, core_count, on_all_cores, pin, unpin
from benchmarks.critical_path import CriticalPath
from benchmarks.engine import Engine, Samples
from benchmarks.measuring import Key, Measurement, Spread, Task, interleave
from benchmarks.peers import KNOWN, Peer, load
from benchmarks.report import Report
from benchmarks.rows import size_rows, time_rows
from benchmarks.setting import Setting
from fedtrust.compute.kernels import Kernel, KernelChoice, choose_kernel, native_kernel

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
        return cls(QUICK_PARAMETERS, 3, Samples(opening=32, single_holder=24, classical=10))


def machine(choice: KernelChoice) -> dict[str, str]:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(core_count()),
        "kernel": f"{choice.kernel} ({choice.reason})",
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gmpy2": gmpy2.version(),
        "gmp": gmpy2.mp_version(),
    }


def run(plan: Plan, progress: Callable[[str], None]) -> Report:
    """Check and measure everything. Raises AssertionError if somebody's sum is not NumPy's.

    Raises ConfigurationError if the environment asks for a kernel that is not there.
    """
    choice = choose_kernel()
    native = choice.kernel is Kernel.NATIVE
    kernels = [Computing.on(choice.kernel, phases.ENGINE)]
    if native:
        kernels.append(Computing.on(Kernel.PORTABLE, phases.PORTABLE))
    pinned = pin()
    try:
        setting = Setting.make(plan.parameters)
        engine = Engine.check(setting, kernels[0], progress)
        tasks = [*engine.yardsticks(plan.samples), *limits.tasks(setting)]
        rounds: dict[Key, CriticalPath] = {}
        for computing in kernels:
            engine.check_kernel(computing, progress)
            tasks += engine.tasks(computing, plan.samples)
            tasks += _whole_round(engine, computing, rounds)
        tasks += engine.all_core_tasks(kernels[0], plan.samples)
        if native:
            progress("counting multiply-adds")
            counting_kernel = arithmetic_limit.CountingKernel(native_kernel())
            counting = arithmetic_limit.counting(counting_kernel)
            engine.check_kernel(counting, progress)
            tasks += arithmetic_limit.tasks(counting_kernel, engine.tasks(counting, plan.samples))
        skipped: dict[str, str] = {}
        if kernels[0].all_cores is None:
            all_cores = (phases.ENCRYPT_ALL, phases.PARTIAL_ALL, phases.OPEN_ALL, phases.WHOLE_ROUND)
            skipped |= dict.fromkeys(all_cores, "this is one core")
        peers, versions = _peers(setting, skipped, progress)
        for peer in peers.values():
            tasks += peer.tasks()
        sizes = {phases.ENGINE: engine.sizes()} | {name: peer.sizes() for name, peer in peers.items()}
        # what is compared with each other is timed one right after the other
        tasks.sort(key=lambda task: task.phase)
        measured = interleave(tasks, plan.repeats, progress)
    finally:
        for computing in kernels:
            computing.close()
        unpin()
    without = "" if native else f"this run is on the portable kernel ({choice.reason})"
    rows = time_rows(measured, skipped, full_sized=plan.parameters == FULL_PARAMETERS, without=without)
    described = setting.describe() | {"repeats": plan.repeats, "pinned_to_one_core": pinned}
    described["whole_round"] = {owner: path.seconds() for (owner, _), path in rounds.items()}
    if native:
        described["multiply_adds_per_second"] = _peak(measured)
    return Report(machine(choice), described, versions, (*rows, *size_rows(sizes, skipped)))


def _peers(
    setting: Setting, skipped: dict[str, str], progress: Callable[[str], None]
) -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the installed peers, each checked, and what the report says of all; ``skipped`` takes the others."""
    peers: dict[str, Peer] = {}
    versions: dict[str, str] = {}
    for known in KNOWN:
        loaded = load(known)
        if loaded is None:
            skipped[known.name] = f"{known.distribution} is not installed"
            versions[known.name] = f"skipped: {skipped[known.name]}"
            continue
        make, installed = loaded
        progress(f"checking {known.name}")
        peers[known.name] = make(setting)
        peers[known.name].check()
        versions[known.name] = f"{known.distribution} {installed}; {known.note}"
    return peers, versions


def _whole_round(engine: Engine, computing: Computing, rounds: dict[Key, CriticalPath]) -> list[Task]:
    """Return the whole round as a task, and put into ``rounds`` what keeps the seconds of its steps."""
    if computing.all_cores is None:
        return []
    within = partial(on_all_cores, computing.all_cores)
    with within():
        path = engine.critical_path()
    task = Task(computing.owner, phases.WHOLE_ROUND, path, 1, 1, within)
    rounds[task.key] = path
    return [task]


def _peak(measured: Mapping[Key, Measurement]) -> float:
    """Return the median rate of multiply-adds of eight lanes."""
    return Spread.of(arithmetic_limit.rates(m for (owner, _), m in measured.items() if owner == phases.LIMIT)).median
