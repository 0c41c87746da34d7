"""The formulas of the arithmetic limit, held against the kernel's own source: compiled so that it counts."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess

import pytest
from gmpy2 import mpz

from benchmarks.multiply_adds import LANES, MultiplyAdds, bucket_window, power_window
from fedtrust.compute.modulus_constants import ModulusConstants, modulus_constants
from tests.docs.markdown import ROOT

KERNEL = ROOT / "fedtrust" / "compute" / "kernel"
COMPILER = shutil.which(os.environ.get("CC", "cc"))
COUNTING = """
#define FEDTRUST_EMULATED_LANES
#include "lanes.h"
extern uint64_t counted;
#define add_low(sum, a, b) (counted++, (sum))
#define add_high(sum, a, b) (counted++, (sum))
"""
"""The emulated lanes, but a multiply-add counts and leaves the sum as it is: nothing in the kernel branches on it."""


class Constants(ctypes.Structure):
    _fields_ = (("words", ctypes.c_void_p), ("count", ctypes.c_size_t))


class Rows(ctypes.Structure):
    _fields_ = (("words", ctypes.c_void_p), ("count", ctypes.c_size_t), ("stride", ctypes.c_size_t))


class CountingLibrary:
    """The kernel for one modulus; its results mean nothing."""

    def __init__(self, library: ctypes.CDLL, constants: ModulusConstants) -> None:
        self._library, self._constants = library, constants
        self._data = ctypes.create_string_buffer(constants.data, len(constants.data))
        self._kept: list[object] = []

    def constants(self) -> Constants:
        return Constants(ctypes.addressof(self._data), len(self._constants.data) // 8)

    def words(self, count: int) -> int:
        self._kept.append(buffer := ctypes.create_string_buffer(8 * count))
        return ctypes.addressof(buffer)

    def rows(self, count: int, words: int) -> Rows:
        stride = -(-words // 8) * 8
        return Rows(self.words(count * stride), count, stride)

    def numbers(self, count: int) -> Rows:
        return self.rows(count, 2 * self._constants.words)

    def exponents(self, values: list[mpz]) -> Rows:
        rows = self.rows(len(values), 1)
        for i, value in enumerate(values):
            ctypes.memmove(rows.words + 8 * rows.stride * i, int(value).to_bytes(8, "little"), 8)
        return rows

    def call(self, name: str, *arguments: object, result: object = ctypes.c_int) -> tuple[int, int]:
        """Return what a function returns, and the multiply-adds that it made."""
        counted = ctypes.c_uint64.in_dll(self._library, "counted")
        function = self._library[name]
        function.restype = result
        counted.value = 0
        returned = function(*arguments)
        assert returned
        return returned, counted.value


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("counting")
    (folder / "counting.h").write_text(COUNTING)
    (folder / "counted.c").write_text("#include <stdint.h>\nuint64_t counted;\n")
    sources = sorted(str(p) for p in KERNEL.glob("*.c") if p.name not in ("module.c", "peak.c"))
    flags = ["-shared", "-fPIC", "-O1", "-w", "-I", str(KERNEL)]
    library = folder / "counting.so"
    included = ["-include", str(folder / "counting.h"), *sources, str(folder / "counted.c")]
    subprocess.run([COMPILER, *flags, *included, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(params=[(1024, 6), (1536, 8)], ids=["1024 bits", "1536 bits"])
def case(request: pytest.FixtureRequest, compiled: ctypes.CDLL) -> tuple[CountingLibrary, int]:
    bits, piece = request.param
    constants = modulus_constants((mpz(1) << bits) - 1)
    assert constants is not None
    assert constants.piece == piece
    return CountingLibrary(compiled, constants), piece


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize(("count", "bits"), [(1, 3), (20, 33), (8, 400)])
def test_powers_with_one_exponent(
    case: tuple[CountingLibrary, int], pair: bool, secret: bool, count: int, bits: int
) -> None:
    kernel, piece = case
    numbers, out, exponent = kernel.numbers(count), kernel.numbers(count), ctypes.c_void_p(kernel.words(bits // 64 + 1))
    arguments = (kernel.constants(), int(pair), numbers, exponent, ctypes.c_size_t(bits), int(secret), out)
    _, counted = kernel.call("kernel_same_exponent_powers", *arguments)
    assert counted == MultiplyAdds(piece, pair).same_exponent_powers(count, bits, secret)


def test_a_table_and_its_powers(case: tuple[CountingLibrary, int]) -> None:
    kernel, piece = case
    formula, rows, window = MultiplyAdds(piece, True), 9, 3
    generators, inverses = (ctypes.c_void_p(kernel.words(rows * k * 4 * piece)) for k in (2, 1))
    arguments = (kernel.constants(), generators, inverses, ctypes.c_size_t(rows), window)
    table, counted = kernel.call("kernel_fixed_base_table", *arguments, result=ctypes.c_void_p)
    assert counted == formula.fixed_base_table(rows, window)
    for count, bits in ((1, 1), (17, 27)):
        exponents, out = kernel.exponents([mpz(1)] * count), kernel.numbers(count)
        _, counted = kernel.call(
            "kernel_fixed_base_powers", ctypes.c_void_p(table), exponents, ctypes.c_size_t(bits), out
        )
        assert counted == formula.fixed_base_powers(count, bits, window)


def test_a_running_product(case: tuple[CountingLibrary, int]) -> None:
    kernel, piece = case
    formula, count = MultiplyAdds(piece, True), 10
    product, counted = kernel.call("kernel_product", kernel.constants(), ctypes.c_size_t(count), result=ctypes.c_void_p)
    assert counted == 0
    for first in (True, False):
        _, counted = kernel.call("kernel_product_multiply", ctypes.c_void_p(product), kernel.numbers(count))
        assert counted == formula.product_row(count, first)
    factor = ctypes.c_void_p(kernel.words(8 * piece))
    _, counted = kernel.call("kernel_product_result", ctypes.c_void_p(product), factor, kernel.numbers(count))
    assert counted == formula.product_result(count)


@pytest.mark.parametrize(("bits", "combinations"), [(1, 1), (24, 1), (24, 6)])
def test_multi_exponentiations_have_few_empty_lanes(
    case: tuple[CountingLibrary, int], bits: int, combinations: int
) -> None:
    kernel, piece = case
    source, count = random.Random(bits), 700
    values = [mpz(source.getrandbits(bits)) for _ in range(combinations * count)]
    exponents, out = kernel.exponents(values), kernel.numbers(combinations)
    arguments = (kernel.constants(), 0, kernel.numbers(count), exponents, ctypes.c_size_t(bits), out)
    _, counted = kernel.call("kernel_multi_exponentiation", *arguments)
    least = MultiplyAdds(piece, False).multi_exponentiation(count, values, bits)
    assert least <= counted <= 1.1 * least


def test_counts_by_hand() -> None:
    ours = MultiplyAdds(16, False)
    assert (ours.product, ours.square) == (9 * 2 * 256, 9 * 2 * 136)
    assert ours.residue_multiplication == ours.product + ours.reduction
    pairs = MultiplyAdds(16, True)
    assert pairs.multiplication == 3 * pairs.product + 2 * pairs.reduction
    assert pairs.squaring == pairs.square + pairs.product + 2 * pairs.reduction
    # three bases to the powers 1, 2 and 3: window 1; the lower bit is set in two, the upper in two
    assert bucket_window(3, 2) == 1
    shared, put_together = 2, 1
    expected = ours.loading + -(-shared // LANES) * ours.multiplication + put_together * ours.multiplication
    assert ours.multi_exponentiation(3, [mpz(1), mpz(2), mpz(3)], 2) == expected + ours.squaring + ours.storing


def test_windows_grow_with_the_exponent_and_more_so_where_nothing_is_secret() -> None:
    windows = [power_window(bits, secret=True) for bits in (1, 3, 64, 512, 3072)]
    assert windows == sorted(windows)
    assert windows[-1] == 5
    assert power_window(3072, secret=False) == 6
    assert bucket_window(700, 128) > bucket_window(70, 128)
