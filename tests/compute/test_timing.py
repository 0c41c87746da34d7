"""Statistical tests of the native kernel's timing: the time of a call says nothing about a secret exponent.

The method is dudect's (Reparaz, Balasch, Verbauwhede: Dude, is my code constant time?, DATE 2017): time the same call
on two classes of secrets, interleaved at random, crop the long tail, and compare the means by Welch's t-test. Here |t|
above 10, dudect's mark for a probable leak, must show in three independent samples of growing size before it counts:
other work on the machine makes one sample noisy, a leak makes all three fail. The clock counts the processor time of
this thread only. Nothing here says how fast a call is. The last tests hold the same measure against code that leaks.

What this can see is a path that depends on a secret. An address that does, of a table in the cache, is less than it can
see: the kernel's look-up for public exponents gives |t| below 5. ``test_secret_operands.py`` looks for those, without a
clock: memcheck on secrets marked undefined.
"""

from __future__ import annotations

import gc
import math
import random
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from numpy.typing import NDArray

from fedtrust.compute.kernels import native_kernel
from fedtrust.compute.modulus_constants import modulus_constants
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.native_tables import NativeTableCache
from tests.compute.operands import needs_kernel
from tests.fixtures.keys import test_primes

LEAKING = 10.0
"""dudect's threshold for a probable leak."""
SIZES = (1500, 3000, 6000)
"""Calls of each class in the three attempts."""
CROPS = (100, 99, 95, 90, 75, 50)
"""Percentiles of all times above which a time is noise; the crop that tells the classes apart best counts."""
BITS = 200
LANES = 8
PRIME = mpz(test_primes(3072)[0])

Secret = TypeVar("Secret")
Class = Callable[[], mpz]


def fixed_secret() -> Class:
    """Return the class of one exponent, a new object of it for every call: all classes lie in memory alike."""
    value = int(random_secret())
    return lambda: mpz(value)


def random_secret() -> mpz:
    return mpz(secrets.randbits(BITS - 1) | 1 << BITS - 1)


def light_secret() -> mpz:
    return mpz(1 << BITS - 1 | 1 << secrets.randbelow(BITS - 1) | 1 << secrets.randbelow(BITS - 1))


def heavy_secret() -> mpz:
    return mpz((1 << BITS) - 1 ^ (1 << secrets.randbelow(BITS - 1) | 1 << secrets.randbelow(BITS - 1)))


def zero_windows() -> mpz:
    return mpz(1 << BITS - 1)


def full_windows() -> mpz:
    return mpz((1 << BITS) - 1)


CLASSES: dict[str, tuple[Class, Class]] = {
    "fixed and random": (fixed_secret(), random_secret),
    "few bits and many": (light_secret, heavy_secret),
    "windows of zeros and of ones": (zero_windows, full_windows),
}


def times(
    call: Callable[[Secret], object], classes: tuple[Callable[[], Secret], Callable[[], Secret]], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the processor time (ns) of ``size`` calls on secrets of each class, made before, in random order."""
    order = [0, 1] * size
    random.SystemRandom().shuffle(order)
    operands = [classes[which]() for which in order]
    spent = np.zeros(len(order))
    collecting = gc.isenabled()
    gc.disable()
    try:
        for operand in operands[:20]:  # caches, clock rates
            call(operand)
        for i, operand in enumerate(operands):
            start = time.thread_time_ns()
            call(operand)
            spent[i] = time.thread_time_ns() - start
    finally:
        if collecting:
            gc.enable()
    chosen = np.array(order, dtype=bool)
    return spent[~chosen], spent[chosen]


def welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Welch's t of two samples: the difference of their means in standard errors."""
    error = math.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return float(first.mean() - second.mean()) / error if error else 0.0


def distinction(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest |t| over all crops."""
    both = np.concatenate([first, second])
    found = []
    for crop in CROPS:
        limit = np.percentile(both, crop)
        kept = [sample[sample <= limit] for sample in (first, second)]
        if min(map(len, kept)) >= 20:
            found.append(abs(welch(*kept)))
    return max(found)


def attempts(
    call: Callable[[Secret], object], classes: tuple[Callable[[], Secret], Callable[[], Secret]]
) -> list[float]:
    """Return |t| of one attempt after the other, up to the first that shows no leak."""
    found: list[float] = []
    for size in SIZES:
        found.append(distinction(*times(call, classes, size)))
        if found[-1] <= LEAKING:
            break
    return found


def leaks(found: Sequence[float]) -> bool:
    return len(found) == len(SIZES) and min(found) > LEAKING


@needs_kernel
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_powers_with_a_secret_exponent(classes: tuple[Class, Class]) -> None:
    bases = [mpz(secrets.randbelow(int(PRIME**2))) for _ in range(LANES)]
    arithmetic = NativeArithmetic()

    def call(exponent: mpz) -> object:
        return arithmetic.same_exponent_powers(bases, exponent, PRIME**2)

    assert not leaks(found := attempts(call, classes)), found


@needs_kernel
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_powers_of_a_fixed_base(classes: tuple[Class, Class]) -> None:
    cache, constants = NativeTableCache(native_kernel(), 1 << 26), modulus_constants(PRIME)
    assert constants is not None
    table = cache.table(mpz(3), constants, BITS, 1000)
    assert table is not None

    def call(exponents: list[mpz]) -> object:
        return cache.powers(table, constants, exponents, BITS)

    first, second = classes
    of_eight = (lambda: [first() for _ in range(LANES)], lambda: [second() for _ in range(LANES)])
    assert not leaks(found := attempts(call, of_eight)), found


def test_the_measure_finds_a_window_that_slides() -> None:
    """gmpy2 skips zeros of an exponent, as it is free to do: the portable kernel claims nothing else."""

    def call(exponent: mpz) -> object:
        return gmpy2.powmod(3, exponent, PRIME)

    assert leaks(found := attempts(call, (zero_windows, full_windows))), found


def test_the_measure_finds_a_table_that_is_searched() -> None:
    """A look-up that stops at its entry; the classes differ in where the entries stand, not in how many there are."""
    table = [mpz(entry) for entry in range(32)]

    def call(exponent: mpz) -> object:
        found = mpz(0)
        for at in range(0, BITS, 5):
            digit = exponent >> at & 31
            for entry, value in enumerate(table):
                if entry == digit:
                    found += value
                    break
        return found

    assert leaks(found := attempts(call, (light_secret, heavy_secret))), found


def test_the_measure_finds_nothing_where_nothing_is() -> None:
    """Two classes of the same numbers, under code that leaks: only the order differs."""

    def call(exponent: mpz) -> object:
        return gmpy2.powmod(3, exponent, PRIME)

    assert not leaks(found := attempts(call, (random_secret, random_secret))), found


def test_welch() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.0])
    assert welch(first, second) == pytest.approx(-1.7320508)  # -2.5 / sqrt(5/12 + 5/3)
    assert welch(first, first) == 0
    assert welch(np.ones(3), np.ones(3)) == 0
