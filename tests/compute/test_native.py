"""The native kernel against Python's integers, on operands that are hard on carries; and what it refuses."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache

import pytest
from gmpy2 import mpz
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fedtrust.compute.kernels import NativeKernel, native_kernel
from fedtrust.compute.modulus_constants import ModulusConstants, encode_words, modulus_constants
from fedtrust.compute.native import LANES, MINIMUM_BASES, MINIMUM_PRODUCTS, NativeArithmetic
from fedtrust.crypto.arithmetic import GmpArithmetic
from tests.compute.kernel_model import model_of, multiply_pairs, value_of
from tests.compute.operands import (
    CLASSES,
    LengthClass,
    extreme_moduli,
    extreme_values,
    integers_of,
    moduli,
    needs_kernel,
    patterned,
    residues,
)

pytestmark = needs_kernel
N = extreme_moduli(1024)[4]
WINDOWS = range(3, 8)
# What fails is shown as it was found: shrinking numbers of thousands of bits takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
often = settings(deadline=None, max_examples=60, phases=PHASES)
seldom = settings(deadline=None, max_examples=25, phases=PHASES)


@pytest.fixture(scope="module")
def kernel() -> NativeKernel:
    return native_kernel()


@pytest.fixture(scope="module")
def arithmetic() -> NativeArithmetic:
    return NativeArithmetic()


@pytest.fixture(params=CLASSES, ids=lambda served: f"piece {served.piece}")
def served(request: pytest.FixtureRequest) -> LengthClass:
    return request.param


@cache
def constants_of(n: mpz) -> ModulusConstants:
    constants = modulus_constants(n)
    assert constants is not None
    return constants


def power(base: mpz, exponent: mpz, modulus: mpz) -> int:
    """Python's own, not gmpy2's, which the product computes with."""
    return pow(int(base), int(exponent), int(modulus))


def table_of(kernel: NativeKernel, base: mpz, n: mpz, bits: int, window: int) -> object:
    """Make a table as native_tables.py does, for any window."""
    constants = constants_of(n)
    generators: list[int] = []
    inverses: list[int] = []
    inverse = mpz(pow(int(base), -1, int(n)))
    for row in range(-(-bits // window)):
        exponent = mpz(1) << row * window
        generators += constants.pair_digits(power(base, exponent, n * n) * constants.montgomery)
        inverses += constants.digits(power(inverse, exponent, n) * constants.montgomery % n)
    return kernel.fixed_base_table(constants.data, encode_words(generators), encode_words(inverses), window)


def integers(data: bytes, words: int) -> list[int]:
    return [int.from_bytes(data[at : at + 8 * words], "little") for at in range(0, len(data), 8 * words)]


# --- the borders of numbers, digits and words --------------------------------------------------------------------


@pytest.mark.parametrize("border", ["shortest", "longest"])
def test_products_of_extreme_values(arithmetic: NativeArithmetic, served: LengthClass, border: str) -> None:
    for n in extreme_moduli(getattr(served, border)):
        square = n * n
        values = extreme_values(n, square)
        for shift in range(0, len(values), 3):  # each with a third of all others
            row = values[shift:] + values[:shift]
            expected = [a * b % square for a, b in zip(values, row, strict=True)]
            assert arithmetic.products([values, row], square) == expected
        assert arithmetic.products([values] * 7, square) == [power(v, mpz(7), square) for v in values]


@pytest.mark.parametrize("border", ["shortest", "longest"])
@pytest.mark.parametrize("pair", [False, True], ids=["n", "n^2"])
def test_powers_of_extreme_values(arithmetic: NativeArithmetic, served: LengthClass, border: str, pair: bool) -> None:
    for n in extreme_moduli(getattr(served, border)):
        modulus = n * n if pair else n
        values = extreme_values(n, modulus)
        for exponent in (1, 2, 3, 13):  # 2 and 3 take the kernel's squarings through all values
            expected = [power(v, mpz(exponent), modulus) for v in values]
            assert arithmetic.same_exponent_powers(values, mpz(exponent), modulus) == expected


def test_values_that_are_not_reduced(arithmetic: NativeArithmetic) -> None:
    square = N * N
    values = [square, square + 1, -mpz(1), -square, square**2 - 1, mpz(1) << 5000, mpz(7), -mpz(3)] * 3
    assert arithmetic.same_exponent_powers(values, mpz(9), square) == [power(v, mpz(9), square) for v in values]
    assert arithmetic.same_exponent_powers(values, mpz(9), N) == [power(v, mpz(9), N) for v in values]
    assert arithmetic.products([values, values], square) == [v * v % square for v in values]
    expected = math.prod(power(v, mpz(i), square) for i, v in enumerate(values)) % square
    assert arithmetic.multi_exponentiation(values, [mpz(i) for i in range(len(values))], square) == expected


@pytest.mark.parametrize("border", ["shortest", "longest"])
def test_the_exact_model_agrees(arithmetic: NativeArithmetic, served: LengthClass, border: str) -> None:
    """kernel_model.py, whose columns test_modulus_constants.py bounds, computes what the kernel does."""
    n = extreme_moduli(getattr(served, border))[4]
    square, model, constants = n * n, model_of(constants_of(n)), constants_of(n)
    values = extreme_values(n, square)
    found = arithmetic.products([values, values[::-1]], square)
    for at in range(0, len(values), 6):
        pairs = [constants.pair_digits(value) for value in (values[at], values[-1 - at])]
        first, second = multiply_pairs(model, *pairs)
        of_model = (value_of(first.z) + value_of(second.z) * n) * constants.montgomery % square
        assert found[at] == of_model


# --- whatever hypothesis finds -----------------------------------------------------------------------------------


@often
@given(moduli(), st.integers(1, 4), st.integers(MINIMUM_PRODUCTS, 26), st.data())
def test_products(n: mpz, rows: int, count: int, data: st.DataObject) -> None:
    square = n * n
    few = data.draw(st.lists(residues(n, square), min_size=4, max_size=4))
    values = [[few[(row * row + column * (row + 1)) % 4] + column for column in range(count)] for row in range(rows)]
    expected = [math.prod(column) % square for column in zip(*values, strict=True)]
    assert NativeArithmetic().products(values, square) == expected


@often
@given(moduli(), st.booleans(), st.data())
def test_same_exponent_powers(n: mpz, pair: bool, data: st.DataObject) -> None:
    modulus = n * n if pair else n
    bases = data.draw(st.lists(residues(n, modulus), min_size=1, max_size=10))
    exponent = data.draw(st.sampled_from([2, 15, 64, 65, 130]).flatmap(integers_of))
    expected = [power(base, exponent, modulus) for base in bases]
    assert NativeArithmetic().same_exponent_powers(bases, exponent, modulus) == expected


@often
@given(moduli(), st.booleans(), st.sampled_from([1, 7, 16, 64, 100]), st.data())
def test_multi_exponentiation(n: mpz, pair: bool, bits: int, data: st.DataObject) -> None:
    modulus = n * n if pair else n
    few = data.draw(st.lists(residues(n, modulus), min_size=3, max_size=3))
    bases = [few[i % 3] + i for i in range(data.draw(st.integers(MINIMUM_BASES, 23)))]
    some = data.draw(st.lists(integers_of(bits), min_size=5, max_size=5))
    exponents = [some[i % 5] for i in range(len(bases))]
    expected = math.prod(power(b, e, modulus) for b, e in zip(bases, exponents, strict=True)) % modulus
    assert NativeArithmetic().multi_exponentiation(bases, exponents, modulus) == expected


@often
@given(moduli(), st.sampled_from([1, 17, 64, 100]), st.data())
def test_fixed_base_powers(n: mpz, bits: int, data: st.DataObject) -> None:
    base = data.draw(residues(n, n * n))
    exponents = data.draw(st.lists(integers_of(bits), min_size=1, max_size=10))
    expected = [power(base, exponent, n * n) for exponent in exponents]
    assert NativeArithmetic().fixed_base_powers(base, exponents, n * n) == expected


@seldom
@given(moduli(), st.sampled_from(WINDOWS), st.sampled_from([1, 63, 65, 128]), st.data())
def test_every_window_of_a_table(n: mpz, window: int, bits: int, data: st.DataObject) -> None:
    kernel, constants = native_kernel(), constants_of(n)
    base = data.draw(residues(n, n * n).filter(lambda value: math.gcd(value, n) == 1))
    table = table_of(kernel, base, n, bits, window)
    exponents = data.draw(st.lists(integers_of(bits), min_size=1, max_size=9))
    served_bits = -(-bits // window) * window
    exponents.append((mpz(1) << served_bits) - 1)
    words = 2 * constants.words
    found = integers(kernel.fixed_base_powers(table, exponents, served_bits, words), words)
    assert found == [power(base, exponent, n * n) for exponent in exponents]


# --- exponents and counts ----------------------------------------------------------------------------------------


def border_exponents(bits: int) -> list[mpz]:
    one = mpz(1)
    exponents = [one << bits - 1, (one << bits) - 1, (one << bits - 1) + 1, (one << bits) - (one << bits // 2)]
    return [exponent for exponent in exponents if exponent.bit_length() == bits]


@pytest.mark.parametrize("pair", [False, True], ids=["n", "n^2"])
def test_exponents_at_the_borders_of_windows_and_words(arithmetic: NativeArithmetic, pair: bool) -> None:
    modulus = N * N if pair else N
    bases = [N - 1, patterned(1000, 64, 1), mpz(2)]
    for bits in [*range(1, 24), *range(60, 70), *range(124, 132), 191, 192, 193, 255, 256, 257, 320, 640]:
        for exponent in border_exponents(bits):
            expected = [power(base, exponent, modulus) for base in bases]
            assert arithmetic.same_exponent_powers(bases, exponent, modulus) == expected, hex(exponent)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_entry_of_a_table_is_found(kernel: NativeKernel, window: int) -> None:
    bits, words = 2 * 64 + 7, 2 * constants_of(N).words
    table = table_of(kernel, mpz(3), N, bits, window)
    entries = range(1 << window)
    exponents = [mpz(entry) << window * row for row in (0, 1, 64 // window, bits // window - 1) for entry in entries]
    found = integers(kernel.fixed_base_powers(table, exponents, bits, words), words)
    assert found == [power(mpz(3), exponent, N * N) for exponent in exponents]


def test_a_public_exponent(arithmetic: NativeArithmetic, served: LengthClass) -> None:
    """An exponent that is n goes straight to its entries, by wider windows."""
    for border, pair in ((served.shortest, True), (served.longest, False)):
        for n in extreme_moduli(border)[1:5:3]:
            modulus = n * n if pair else n
            bases = [modulus - 1, patterned(border, 50, 3)]
            assert arithmetic.same_exponent_powers(bases, n, modulus) == [power(base, n, modulus) for base in bases]


@pytest.mark.parametrize("secret", [False, True], ids=["public", "secret"])
def test_public_and_secret_exponents_give_the_same(kernel: NativeKernel, secret: bool) -> None:
    base, words = patterned(2000, 64, 5), WORDS
    for bits in (1, 2, 9, 64, 65, 200, 959, 1100, 1500):  # windows of one bit to the widest
        for exponent in border_exponents(bits):
            data = kernel.same_exponent_powers(DATA, True, [base], exponent, bits, secret, words)
            assert integers(data, words) == [power(base, exponent, N * N)], hex(exponent)


@pytest.mark.parametrize("pair", [False, True], ids=["n", "n^2"])
def test_several_combinations(arithmetic: NativeArithmetic, pair: bool) -> None:
    modulus = N * N if pair else N
    bases = [patterned(1000 + 900 * pair, 50, seed) for seed in range(MINIMUM_BASES + 1)]
    rows = [[patterned(60, 6, 100 * row + i) for i in range(len(bases))] for row in range(17)]
    rows[1] = [mpz(0)] * len(bases)
    rows[9] = [mpz(0)] * 16 + [mpz(1)]
    rows[15] = [(mpz(1) << 60) - 1] * len(bases)
    expected = [math.prod(power(b, e, modulus) for b, e in zip(bases, row, strict=True)) % modulus for row in rows]
    for count in (0, 1, 2, 7, 8, 9, 16, 17):
        assert arithmetic.multi_exponentiations(bases, rows[:count], modulus) == expected[:count]
    assert arithmetic.multi_exponentiations(bases, [rows[1]] * 2, modulus) == [1, 1]
    with pytest.raises(ValueError, match="one exponent"):
        arithmetic.multi_exponentiations(bases, [rows[0], rows[0][:-1]], modulus)
    with pytest.raises(ValueError, match="negative"):
        arithmetic.multi_exponentiations(bases, [rows[0], [-e - 1 for e in rows[0]]], modulus)


def test_combinations_of_many_bases_are_split_among_threads() -> None:
    bases, square = [mpz(3 + i) for i in range(1100)], N * N
    rows = [[mpz((i * i + row) % 7) for i in range(1100)] for row in range(3)] + [[mpz(0)] * 1100]
    expected = [math.prod(power(b, e, square) for b, e in zip(bases, row, strict=True)) % square for row in rows]
    assert NativeArithmetic(2).multi_exponentiations(bases, rows, square) == expected


@pytest.mark.parametrize("longest", [1, 21, 64, 200])
def test_bucket_exponents(arithmetic: NativeArithmetic, longest: int) -> None:
    """Buckets of one, two and many elements, empty ones, and windows without any."""
    square = N * N
    bases = [patterned(2000, 50, seed) % square for seed in range(33)]
    for exponents in (
        [mpz(1) << longest - 1] * 33,
        [(mpz(1) << longest) - 1] * 33,
        [mpz(0)] * 32 + [(mpz(1) << longest) - 1],
        [(mpz(1) << i % longest) for i in range(33)],
        [mpz(i) % (mpz(1) << longest) << longest // 2 for i in range(33)],
    ):
        expected = math.prod(power(b, e, square) for b, e in zip(bases, exponents, strict=True)) % square
        assert arithmetic.multi_exponentiation(bases, exponents, square) == expected


@pytest.mark.parametrize("count", [16, 20, 70, 200, 600])
def test_windows_of_buckets_at_the_borders_of_words(arithmetic: NativeArithmetic, count: int) -> None:
    """The count decides how wide the windows are, and so which of them reach over a border of words, and how far."""
    n = extreme_moduli(601)[4]
    bases = [patterned(600, 50, seed) for seed in range(count)]
    for bits in (64, 65, 259, 390):
        exponents = [(mpz(1) << bits) - 1 - (mpz(1) << i % bits) for i in range(count)]
        expected = math.prod(power(b, e, n) for b, e in zip(bases, exponents, strict=True)) % n
        assert arithmetic.multi_exponentiation(bases, exponents, n) == expected


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_values(workers: int) -> None:
    arithmetic, square = NativeArithmetic(workers), N * N
    values = [patterned(2047, 64, seed) % square for seed in range(210)]
    exponents = [patterned(40, 8, seed) for seed in range(210)]
    powers = [power(value, mpz(5), square) for value in values]
    of_three = [power(mpz(3), exponent, square) for exponent in exponents]
    for count in [*range(18), 24, 31, 32, 33, 63, 64, 65, 66, 193, 210]:
        assert arithmetic.same_exponent_powers(values[:count], mpz(5), square) == powers[:count]
        assert arithmetic.fixed_base_powers(mpz(3), exponents[:count], square) == of_three[:count]
        if count:
            expected = [a * b % square for a, b in zip(values[:count], powers, strict=False)]
            assert arithmetic.products([values[:count], powers[:count]], square) == expected
        product = math.prod(power(b, e, square) for b, e in zip(values[:count], exponents, strict=False)) % square
        assert arithmetic.multi_exponentiation(values[:count], exponents[:count], square) == product


def test_long_batches_are_split_among_threads() -> None:
    square = N * N
    bases = [mpz(3 + i) for i in range(1300)]
    exponents = [mpz(i % 5) for i in range(1300)]
    exponents[:650] = [mpz(0)] * 650  # a part without any exponent
    expected = math.prod(power(b, e, square) for b, e in zip(bases, exponents, strict=True)) % square
    assert NativeArithmetic(2).multi_exponentiation(bases, exponents, square) == expected
    assert NativeArithmetic(2).multi_exponentiation(bases, [mpz(0)] * 1300, square) == 1


def test_long_exponents(arithmetic: NativeArithmetic) -> None:
    """What a table would have too many rows for is computed all the same."""
    n = extreme_moduli(601)[0]
    for bits in (3072, 9000, 60000):
        exponents = [(mpz(1) << bits) - 1, patterned(bits, 64, 1)]
        expected = [power(mpz(3), e, n * n) for e in exponents]
        assert arithmetic.fixed_base_powers(mpz(3), exponents, n * n) == expected
    exponent = (mpz(1) << 5000) - 1
    assert arithmetic.same_exponent_powers([mpz(3)], exponent, n) == [power(mpz(3), exponent, n)]


def test_many_threads_may_ask_at_once() -> None:
    square = N * N
    values = [patterned(2047, 64, seed) % square for seed in range(40)]
    expected = [power(value, mpz(77), square) for value in values]
    of_seven = [power(mpz(7), value >> 1900, square) for value in values]
    failures: list[object] = []
    with NativeArithmetic(2) as arithmetic:

        def ask() -> None:
            for _ in range(5):
                if arithmetic.same_exponent_powers(values, mpz(77), square) != expected:
                    failures.append("powers")
                if arithmetic.fixed_base_powers(mpz(7), [v >> 1900 for v in values], square) != of_seven:
                    failures.append("fixed base")
                if arithmetic.products([values, values], square) != [v * v % square for v in values]:
                    failures.append("products")

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


# --- what is refused ---------------------------------------------------------------------------------------------


def test_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="at least one"):
        NativeArithmetic(0)


def test_rows_of_different_lengths(arithmetic: NativeArithmetic) -> None:
    for count in (MINIMUM_PRODUCTS - 1, MINIMUM_PRODUCTS, MINIMUM_PRODUCTS + 2):
        with pytest.raises(ValueError, match="zip"):
            arithmetic.products([[mpz(1)] * MINIMUM_PRODUCTS, [mpz(1)] * count, [mpz(1)] * (count + 1)], N * N)
    with pytest.raises(ValueError, match="at least one row"):
        arithmetic.products([], N * N)


@pytest.mark.parametrize("modulus", [0, 1, 2, 4, 9, N + 1, (N + 1) ** 2], ids=lambda m: f"{m.bit_length()} bits")
def test_a_modulus_that_is_none_of_the_kernels_is_the_portable_sides(
    arithmetic: NativeArithmetic, modulus: int
) -> None:
    portable, modulus, values = GmpArithmetic(), mpz(modulus), [mpz(i) for i in range(3, 21)]

    def outcome(function: Callable[[], object]) -> object:
        try:
            return function()
        except (ArithmeticError, ValueError) as error:
            return type(error)

    def outcomes(of: GmpArithmetic | NativeArithmetic) -> list[object]:
        return [
            outcome(lambda: of.same_exponent_powers(values, mpz(5), modulus)),
            outcome(lambda: of.multi_exponentiation(values, values, modulus)),
            outcome(lambda: of.fixed_base_powers(mpz(3), values, modulus)),
            outcome(lambda: of.products([values, values], modulus)),
        ]

    assert outcomes(arithmetic) == outcomes(portable)


CONSTANTS = modulus_constants(N)
DATA = CONSTANTS.data if CONSTANTS else b""
WORDS = 32
SOME = [mpz(3)] * LANES
FIVE = mpz(5)


def calls(kernel: NativeKernel) -> dict[str, Callable[..., object]]:
    """Calls of every function that succeed as they are, and take one argument from a test instead."""
    table = table_of(kernel, mpz(3), N, 30, 4)
    generators = encode_words([1] * 2 * 24)
    return {
        "powers": lambda data=DATA, bases=SOME, exponent=FIVE, bits=3, words=WORDS: kernel.same_exponent_powers(
            data, True, bases, exponent, bits, True, words
        ),
        "buckets": lambda data=DATA, bases=SOME, exponents=SOME, bits=2, words=WORDS: kernel.multi_exponentiation(
            data, True, bases, exponents, bits, words
        ),
        "table": lambda data=DATA, generators=generators, inverses=generators[:192], window=4: kernel.fixed_base_table(
            data, generators, inverses, window
        ),
        "fixed": lambda table=table, exponents=SOME, bits=32, words=WORDS: kernel.fixed_base_powers(
            table, exponents, bits, words
        ),
        "start": lambda data=DATA, count=8: kernel.start_product(data, count),
        "multiply": lambda product=None, values=SOME: kernel.multiply_product(
            kernel.start_product(DATA, LANES) if product is None else product, values
        ),
        "result": lambda product=None, factor=bytes(8 * 48), words=WORDS: kernel.product_result(
            one_row(kernel) if product is None else product, factor, words
        ),
    }


def one_row(kernel: NativeKernel) -> object:
    product = kernel.start_product(DATA, LANES)
    kernel.multiply_product(product, SOME)
    return product


def forged(index: int, word: int) -> bytes:
    return DATA[: 8 * index] + word.to_bytes(8, "little") + DATA[8 * index + 8 :]


HUGE = (2**31, 2**62, 2**63 - 1)
NUMBERS: Sequence[object] = (0, -1, *HUGE)
BAD_DATA: Sequence[object] = (
    b"", DATA[:8], DATA[:-8], DATA + bytes(8), DATA[:-1], bytes(len(DATA)), bytearray(DATA), None, "words",
    *(forged(0, piece) for piece in (0, 5, 7, 8, 2**63, 2**64 - 6)),
    *(forged(1, top) for top in (0, 37, 2**32, 2**63, 2**64 - 1)),
)  # fmt: skip
TOO_LONG = mpz(1) << 4000
NOT_INTEGERS: Sequence[object] = (None, 5, [5] * 8, [None] * 8, [mpz(-1)] * 8, [mpz(3)] * 7 + [TOO_LONG], [2.5] * 8)
HOSTILE: dict[str, dict[str, Sequence[object]]] = {
    "powers": {
        "data": BAD_DATA,
        "bases": NOT_INTEGERS,
        "exponent": (5, None, mpz(-5), mpz(8), mpz(255), TOO_LONG),
        "bits": (*NUMBERS, 2),
        "words": (*NUMBERS, 38, 75),
    },
    "buckets": {
        "data": BAD_DATA,
        "bases": (*NOT_INTEGERS, [], SOME[:7], SOME * 2),
        "exponents": (*NOT_INTEGERS, [], SOME[:7], [mpz(4)] * 8),
        "bits": (*NUMBERS, 1),
        "words": (*NUMBERS, 38),
    },
    "table": {
        "data": BAD_DATA,
        "generators": (b"", bytes(8), bytes(8 * 49), None, bytes(8 * 96)),
        "inverses": (b"", bytes(8), bytes(8 * 23), bytes(8 * 48), None),
        "window": (-1, 0, 2, 8, 9, 2**31 - 1, -(2**31)),
    },
    "fixed": {
        "table": (None, DATA, 5),
        "exponents": (*NOT_INTEGERS, [mpz(1) << 32] * 8),
        "bits": (*NUMBERS, 33, 1),
        "words": (*NUMBERS, 38),
    },
    "start": {"data": BAD_DATA, "count": (0, -1, 2**57, 2**61, 2**62, 2**63 - 1)},
    "multiply": {"product": (DATA, 5), "values": (*NOT_INTEGERS, [], SOME[:7], SOME * 2)},
    "result": {"product": (DATA, 5), "factor": (b"", bytes(8), bytes(8 * 49), None), "words": (*NUMBERS, 38)},
}
ERRORS = (TypeError, ValueError, OverflowError, MemoryError)


def refuse_all(kernel: NativeKernel) -> int:
    """Make every hostile call. Returns how many; raises AssertionError for one that is not refused."""
    count = 0
    for name, call in calls(kernel).items():
        call()
        for argument, values in HOSTILE[name].items():
            for value in values:
                count += 1
                try:
                    call(**{argument: value})
                except ERRORS:
                    continue
                raise AssertionError(f"{name} takes {argument} = {str(value)[:80]}")
    return count


def test_direct_calls_with_hostile_arguments_are_refused() -> None:
    """In a process of its own, so that a crash is a failure of this test and not the end of all."""
    # conftest takes another build of the kernel, where one is asked for
    program = (
        "from tests.compute import conftest, test_native\nprint(test_native.refuse_all(test_native.native_kernel()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) == sum(len(values) for arguments in HOSTILE.values() for values in arguments.values())


def test_a_product_and_a_table_do_not_stand_for_each_other(kernel: NativeKernel) -> None:
    table, product = table_of(kernel, mpz(3), N, 30, 4), kernel.start_product(DATA, LANES)
    with pytest.raises(ValueError, match="PyCapsule"):
        kernel.fixed_base_powers(product, SOME, 32, WORDS)
    with pytest.raises(ValueError, match="PyCapsule"):
        kernel.multiply_product(table, SOME)
    with pytest.raises(ValueError, match="no rows"):
        kernel.product_result(product, bytes(8 * 48), WORDS)
    with pytest.raises(ValueError, match="another length"):
        kernel.multiply_product(product, SOME[:7])


def test_a_table_holds_its_modulus(kernel: NativeKernel) -> None:
    """The constants may go while a table or a product lives."""
    data = bytearray(DATA)
    product = kernel.start_product(bytes(data), LANES)
    for i in range(len(data)):
        data[i] = 0
    kernel.multiply_product(product, SOME)
    factor = encode_words(constants_of(N).pair_digits(power(constants_of(N).montgomery, mpz(2), N * N)))
    assert integers(kernel.product_result(product, factor, WORDS), WORDS) == [3] * LANES


def test_fits(kernel: NativeKernel) -> None:
    top = mpz(1) << 100
    assert kernel.fits([mpz(0), top - 1], 100)
    assert kernel.fits([], 100)
    for values in ([top], [mpz(-1)], [mpz(1), 1], [None], [mpz(1) << 128]):
        assert not kernel.fits(values, 100)
    assert not kernel.fits([mpz(0)], 0)
    assert not kernel.fits([mpz(0)], -1)
    with pytest.raises(TypeError):
        kernel.fits(5, 100)  # type: ignore[arg-type]
