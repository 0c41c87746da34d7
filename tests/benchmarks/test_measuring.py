"""Measuring: what is timed, how often, in which order, and what is computed from it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.cores import computing_with, core_count, on_all_cores, pin, unpin
from benchmarks.measuring import Measurement, Spread, Task, interleave, ratios
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic


def test_a_spread_is_median_and_range() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert Spread.of([1.0, 2.0, 4.0, 8.0]) == Spread(3.0, 1.0, 8.0)
    assert Spread.of([5.0]) == Spread(5.0, 5.0, 5.0)


def test_ratios_are_those_of_each_repeat_and_not_of_medians() -> None:
    theirs, ours = [10.0, 80.0, 30.0], [1.0, 2.0, 30.0]
    assert ratios(theirs, ours) == (10.0, 40.0, 1.0)
    assert Spread.of(ratios(theirs, ours)).median == 10.0  # the ratio of the medians would be 15


def test_ratios_of_different_numbers_of_repeats_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0, 2.0], [1.0])


def test_a_sample_is_scaled_to_the_whole() -> None:
    sample = Measurement((0.5, 1.0), items=20, full=100)
    assert sample.scaled == (2.5, 5.0)
    assert sample.sampled
    whole = Measurement((0.5,), items=100, full=100)
    assert whole.scaled == (0.5,)
    assert not whole.sampled
    assert Measurement((9.0,), items=9, full=1).scaled == (1.0,)  # nine additions, scaled to one


@pytest.mark.parametrize(("items", "full"), [(0, 1), (1, 0), (-1, 1)])
def test_a_task_measures_something(items: int, full: int) -> None:
    with pytest.raises(ValueError, match="items"):
        Task("a", "b", list, items, full)


def test_repeats_are_interleaved_and_each_call_is_made_within_its_surroundings() -> None:
    calls: list[str] = []

    @contextmanager
    def surroundings() -> Iterator[None]:
        calls.append("in")
        yield
        calls.append("out")

    tasks = [
        Task("a", "x", lambda: calls.append("ax"), 1, 1),
        Task("b", "x", lambda: calls.append("bx"), 1, 2, surroundings, warm=True),
    ]
    said: list[str] = []
    measured = interleave(tasks, 2, said.append)
    assert calls == ["in", "bx", "out"] + ["ax", "in", "bx", "out"] * 2
    assert set(measured) == {("a", "x"), ("b", "x")}
    assert all(len(m.seconds) == 2 and min(m.seconds) >= 0 for m in measured.values())
    assert measured["b", "x"].full == 2
    assert said[0] == "warming: b, x"
    assert said[-1] == "repeat 2 of 2: b, x"


def test_the_garbage_collector_rests_during_a_call_and_works_after_a_failed_one() -> None:
    states: list[bool] = []

    def fail() -> None:
        states.append(gc.isenabled())
        raise RuntimeError("the peer crashed")

    with pytest.raises(RuntimeError, match="crashed"):
        interleave([Task("a", "x", fail, 1, 1)], 1)
    assert states == [False]
    assert gc.isenabled()


def test_two_tasks_of_one_name_and_no_repeats_are_refused() -> None:
    task = Task("a", "x", list, 1, 1)
    with pytest.raises(ValueError, match="one task of a name"):
        interleave([task, task], 1)
    with pytest.raises(ValueError, match="at least one repeat"):
        interleave([task], 0)


def test_the_arithmetic_is_the_selected_one_only_within() -> None:
    before, mine = ARITHMETIC.implementation, GmpArithmetic(table_bytes=0)
    with computing_with(mine):
        assert ARITHMETIC.implementation is mine
    assert ARITHMETIC.implementation is before


def test_one_core_is_one_processor_and_all_cores_are_all() -> None:
    os = pytest.importorskip("os")
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not pin processes")
    try:
        assert pin()
        assert len(os.sched_getaffinity(0)) == 1
        with on_all_cores(GmpArithmetic(table_bytes=0)):
            assert len(os.sched_getaffinity(0)) == core_count()
        assert len(os.sched_getaffinity(0)) == 1
    finally:
        unpin()
    assert len(os.sched_getaffinity(0)) == core_count()
