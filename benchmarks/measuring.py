"""Times calls side by side: every repeat runs every task once, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

Key = tuple[str, str]
"""What a task is known by: who computes (the engine, or a peer's name) and the phase."""


@dataclass(frozen=True, slots=True)
class Task:
    """A call to be timed: ``phase`` as ``owner`` does it.

    One call handles ``items`` items and the phase has ``full``; where the two differ, times are scaled linearly (a
    sample up, nine additions down to one). ``within`` is entered around every call, outside the timing (it selects the
    cores and the arithmetic). ``warm`` asks for one call that is not timed, before all others.
    """

    owner: str
    phase: str
    call: Callable[[], object]
    items: int
    full: int
    within: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)
    warm: bool = False

    def __post_init__(self) -> None:
        """Refuse a measurement of nothing."""
        if self.items < 1 or self.full < 1:
            raise ValueError(f"{self.owner}, {self.phase}: {self.items} of {self.full} items")

    @property
    def key(self) -> Key:
        """What measurements are found by."""
        return self.owner, self.phase


@dataclass(frozen=True, slots=True)
class Measurement:
    """The seconds that the calls of a task took, one a repeat, and which part of the phase they handled."""

    seconds: tuple[float, ...]
    items: int
    full: int

    @property
    def scaled(self) -> tuple[float, ...]:
        """Seconds for the whole phase, one a repeat."""
        return tuple(s * self.full / self.items for s in self.seconds)

    @property
    def sampled(self) -> bool:
        """Whether only a part was measured."""
        return self.items < self.full


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of repeated values."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of every repeat; the two were measured in the same repeats."""
    return tuple(a / b for a, b in zip(numerator, denominator, strict=True))


def interleave(
    tasks: Iterable[Task], repeats: int, progress: Callable[[str], None] = lambda _: None
) -> dict[Key, Measurement]:
    """Time all ``tasks`` ``repeats`` times, one after the other within each repeat, and return the measurements."""
    tasks = list(tasks)
    if repeats < 1 or len({task.key for task in tasks}) != len(tasks):
        raise ValueError("interleave needs at least one repeat, and one task of a name")
    for task in tasks:
        if task.warm:
            progress(f"warming: {task.owner}, {task.phase}")
            with task.within():
                task.call()
    seconds: dict[Key, list[float]] = {task.key: [] for task in tasks}
    for repeat in range(repeats):
        for task in tasks:
            progress(f"repeat {repeat + 1} of {repeats}: {task.owner}, {task.phase}")
            with task.within():
                seconds[task.key].append(_timed(task.call))
    return {task.key: Measurement(tuple(seconds[task.key]), task.items, task.full) for task in tasks}


def _timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call, with the garbage collector out of the way as ``timeit`` has it."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    finally:
        gc.enable()
