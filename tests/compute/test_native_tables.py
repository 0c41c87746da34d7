"""Which table of the native kernel serves which call: its window, headroom, limit, and who builds it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise

import pytest
from gmpy2 import mpz

from fedtrust.compute.kernels import NativeKernel, native_kernel
from fedtrust.compute.modulus_constants import ModulusConstants, modulus_constants
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.native_tables import NativeTable, NativeTableCache, best_window, table_bytes
from tests.compute.operands import CLASSES, extreme_moduli, needs_kernel, patterned

N = extreme_moduli(1024)[4]
BASE = mpz(5)
BITS = 100
ENOUGH = 1 << 26
MASK_BITS = 289
"""By so much the mask of a proof of plaintext knowledge is longer than the exponents it hides."""


def constants_of(n: mpz) -> ModulusConstants:
    constants = modulus_constants(n)
    assert constants is not None
    return constants


CONSTANTS = constants_of(N)


class Counting:
    """The kernel itself, and how many tables it has built."""

    def __init__(self, kernel: NativeKernel) -> None:
        self._kernel = kernel
        self.built = 0

    def fixed_base_table(self, constants: bytes, generators: bytes, inverses: bytes, window: int, /) -> object:
        self.built += 1
        return self._kernel.fixed_base_table(constants, generators, inverses, window)

    def fixed_base_powers(self, table: object, exponents: Sequence[mpz], bits: int, out_words: int, /) -> bytes:
        return self._kernel.fixed_base_powers(table, exponents, bits, out_words)


@pytest.fixture
def kernel() -> Counting:
    return Counting(native_kernel())


def cache_of(kernel: Counting, limit: int = ENOUGH) -> NativeTableCache:
    return NativeTableCache(kernel, limit)  # type: ignore[arg-type]  # all that the cache needs of a kernel


def check(cache: NativeTableCache, table: NativeTable | None, bits: int) -> None:
    """Assert that the table gives powers for exponents of ``bits``."""
    assert table is not None
    assert table.exponent_bits >= bits
    exponents = [mpz(0), mpz(1), (mpz(1) << bits) - 1, mpz(1) << bits - 1, patterned(bits, 8, 1)]
    data, width = cache.powers(table, CONSTANTS, exponents, bits), 16 * CONSTANTS.words
    found = [int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)]
    assert found == [pow(int(BASE), int(exponent), int(N * N)) for exponent in exponents]


@needs_kernel
def test_a_table_is_built_once(kernel: Counting) -> None:
    cache = cache_of(kernel)
    first = cache.table(BASE, CONSTANTS, BITS, 8)
    check(cache, first, BITS)
    assert cache.table(BASE, CONSTANTS, BITS, 8) is first
    assert cache.table(BASE, CONSTANTS, 1, 1) is first
    assert kernel.built == 1


@needs_kernel
def test_headroom_is_for_the_mask_of_a_proof(kernel: Counting) -> None:
    cache = cache_of(kernel)
    first = cache.table(BASE, CONSTANTS, BITS, 8)
    check(cache, cache.table(BASE, CONSTANTS, BITS + MASK_BITS, 1), BITS + MASK_BITS)
    assert cache.table(BASE, CONSTANTS, BITS + MASK_BITS, 1) is first
    assert kernel.built == 1


@needs_kernel
def test_longer_exponents_take_a_longer_table(kernel: Counting) -> None:
    cache = cache_of(kernel)
    first = cache.table(BASE, CONSTANTS, BITS, 8)
    second = cache.table(BASE, CONSTANTS, BITS + 1000, 8)
    assert first is not None
    check(cache, first, first.exponent_bits)  # whoever has it still may use it
    check(cache, second, BITS + 1000)
    assert cache.table(BASE, CONSTANTS, BITS, 8) is second
    assert kernel.built == 2


@needs_kernel
def test_the_window_grows_with_what_is_asked(kernel: Counting) -> None:
    cache = cache_of(kernel)
    windows: list[int] = []
    for _ in range(12):
        table = cache.table(BASE, CONSTANTS, BITS, 10)
        check(cache, table, BITS)
        assert table is not None
        windows.append(table.window)
    table = cache.table(BASE, CONSTANTS, BITS, 100_000)
    check(cache, table, BITS)
    assert table is not None
    windows.append(table.window)
    grown = [b for a, b in pairwise(windows) if b != a]
    assert all(b >= a + 2 or b == a for a, b in pairwise(windows)), windows
    assert kernel.built == 1 + len(grown) > 1


@needs_kernel
def test_bases_and_moduli_have_their_own_tables(kernel: Counting) -> None:
    cache, other = cache_of(kernel), constants_of(extreme_moduli(1024)[2])
    tables = [
        cache.table(base, constants, BITS, 8)
        for base in (BASE, BASE + 2, BASE + N**2)
        for constants in (CONSTANTS, other)
    ]
    assert len({id(table) for table in tables}) == len(tables) == kernel.built
    check(cache, tables[0], BITS)
    check(cache, tables[4], BITS)  # BASE + n^2 is BASE


@needs_kernel
def test_no_table_for_what_is_no_unit(kernel: Counting) -> None:
    p = extreme_moduli(601)[4]
    constants = constants_of(p * 3)
    assert [cache_of(kernel).table(base, constants, BITS, 8) for base in (mpz(3), p, mpz(0), p * 3)] == [None] * 4
    assert kernel.built == 0


@needs_kernel
def test_the_limit_is_in_bytes(kernel: Counting) -> None:
    rounded = -(-(BITS + 320) // 64) * 64
    narrowest = table_bytes(CONSTANTS, rounded, 3)
    assert cache_of(kernel, 0).table(BASE, CONSTANTS, BITS, 10**6) is None
    assert cache_of(kernel, narrowest - 1).table(BASE, CONSTANTS, BITS, 10**6) is None
    assert kernel.built == 0
    cache = cache_of(kernel, narrowest)
    table = cache.table(BASE, CONSTANTS, BITS, 10**6)
    assert table is not None
    assert table.window == 3
    check(cache, table, BITS)


@needs_kernel
def test_a_table_that_does_not_fit_leaves_the_shorter_one(kernel: Counting) -> None:
    cache = cache_of(kernel, table_bytes(CONSTANTS, 448, 3))
    short = cache.table(BASE, CONSTANTS, BITS, 8)
    assert cache.table(BASE, CONSTANTS, BITS + 2000, 8) is None
    assert cache.table(BASE, CONSTANTS, BITS, 8) is short
    exponents = [(mpz(1) << BITS + 2000) - i for i in range(1, 9)]
    with NativeArithmetic(table_bytes=table_bytes(CONSTANTS, 448, 3)) as arithmetic:
        expected = [pow(int(BASE), int(e), int(N * N)) for e in exponents]
        assert arithmetic.fixed_base_powers(BASE, exponents, N * N) == expected


@needs_kernel
def test_threads_that_ask_at_once_share_one_table(kernel: Counting) -> None:
    cache, start = cache_of(kernel), threading.Barrier(6)
    tables: list[NativeTable | None] = []

    def ask() -> None:
        start.wait()
        tables.append(cache.table(BASE, CONSTANTS, BITS, 8))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tables) == 6
    final = cache.table(BASE, CONSTANTS, BITS, 1)
    for table in tables:
        check(cache, table, BITS)
    assert kernel.built == len({id(table) for table in [*tables, final]})  # none is built twice and thrown away


@needs_kernel
def test_a_table_outlives_its_cache(kernel: Counting) -> None:
    cache = cache_of(kernel)
    table = cache.table(BASE, CONSTANTS, BITS, 8)
    other = cache_of(kernel)
    del cache
    check(other, table, BITS)


def test_windows_widen_with_the_count_and_fit_the_limit() -> None:
    for served in CLASSES:
        constants = constants_of(extreme_moduli(served.longest)[0])
        windows = [best_window(constants, 2048, count, 1 << 30) for count in (1, 8, 100, 1000, 10**4, 10**6)]
        assert windows == sorted(windows)
        assert windows[0] < windows[-1]
        for limit in (0, 1 << 16, 1 << 20, 1 << 22, 1 << 24):
            window = best_window(constants, 2048, 10**6, limit)
            assert not window or table_bytes(constants, 2048, window) <= limit
        assert best_window(constants, 2048, 10**6, 0) == 0


def test_the_size_of_a_table_is_that_of_its_entries() -> None:
    for served in CLASSES:
        constants = constants_of(extreme_moduli(served.shortest)[0])
        pair = len(constants.pair_digits(mpz(1)))
        assert table_bytes(constants, 700, 7) == 100 * pair * 8 * 128
        assert table_bytes(constants, 701, 7) == 101 * pair * 8 * 128


def test_a_table_has_no_more_rows_than_the_kernel_adds_up() -> None:
    """Logarithms are added without carries: see KERNEL_MAXIMUM_WINDOWS in kernel/kernel.h."""
    for bits in (3 * 1024, 7 * 1024):
        assert 0 < -(-bits // best_window(CONSTANTS, bits, 1, 1 << 40)) <= 1024
    assert best_window(CONSTANTS, 7 * 1024 + 1, 1, 1 << 40) == 0
