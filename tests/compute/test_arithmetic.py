"""One conformance suite for every implementation of the batch seam, against Python's own integers."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from functools import cache

import pytest
from gmpy2 import mpz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.parallel import MINIMUM_BASES, MINIMUM_POWERS, ParallelArithmetic
from fedtrust.crypto.arithmetic import Arithmetic, GmpArithmetic, SelectedArithmetic
from tests.compute.operands import needs_kernel
from tests.fixtures.keys import test_primes

SMALL = mpz(2**127 - 1) * mpz(2**89 - 1)
P_1024, P_1536 = mpz(test_primes(2048)[0]), mpz(test_primes(3072)[0])
ROOT = math.prod(map(mpz, test_primes(2048)))
ROOT_3072 = math.prod(map(mpz, test_primes(3072)))
ROOT_4096 = ROOT_3072 * P_1024
SQUARE = ROOT**2
TOO_LONG = ROOT_4096 * (mpz(2) ** 64 + 13)
MODULI = {
    "short": SMALL,
    "square of a short one": SMALL**2,
    "even": ROOT + 1,
    "square of an even one": (ROOT + 1) ** 2,
    "p^2 of 2048": P_1024**2,
    "p^2 of 3072": P_1536**2,
    "n of 2048": ROOT,
    "n of 3072": ROOT_3072,
    "n of 4096": ROOT_4096,
    "n^2 of 2048, p^2 of 4096": SQUARE,
    "n^2 of 3072": ROOT_3072**2,
    "n^2 of 4096": ROOT_4096**2,
    "too long": TOO_LONG,
    "square of a too long one": TOO_LONG**2,
}
LONG = MINIMUM_POWERS + 3  # long enough for every implementation to leave its short cut, and no whole number of lanes
LANES_NOT_FULL = 19
EXPONENTS = (0, 1, 2, 63, 2**64 + 13, -1, -(2**70), 2**300 - 1, 2**300, 3**200)

IMPLEMENTATIONS = {
    "gmp": GmpArithmetic,
    "gmp without tables": lambda: GmpArithmetic(table_bytes=0),
    "two processes": lambda: ParallelArithmetic(2),
    "native": NativeArithmetic,
    "native, two threads": lambda: NativeArithmetic(2),
}
relaxed = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[needs_kernel] if "native" in name else []) for name in IMPLEMENTATIONS],
)
def arithmetic(request: pytest.FixtureRequest) -> Iterator[Arithmetic]:
    implementation = IMPLEMENTATIONS[request.param]()
    yield implementation
    if isinstance(implementation, ParallelArithmetic | NativeArithmetic):
        implementation.close()


@pytest.fixture(params=MODULI)
def modulus(request: pytest.FixtureRequest) -> mpz:
    return MODULI[request.param]


def edge_values(modulus: mpz, count: int) -> list[mpz]:
    edges = [mpz(0), mpz(1), modulus - 1, modulus, modulus + 1, modulus**2 - 1]
    return (edges + [mpz(secrets.randbelow(int(modulus))) for _ in range(count)])[:count]


# What is expected is computed once, by Python's own integers, for all implementations.


@cache
def fixed_base_case(modulus: mpz, count: int, bits: int) -> tuple[mpz, list[mpz], list[int]]:
    base = mpz(secrets.randbelow(int(modulus)) | 1)
    exponents = ([mpz(0), mpz(1), mpz(2**bits - 1)] + [mpz(secrets.randbits(bits)) for _ in range(count)])[:count]
    return base, exponents, [pow(int(base), int(e), int(modulus)) for e in exponents]


@cache
def same_exponent_case(modulus: mpz, exponent: int, count: int) -> tuple[list[mpz], list[int]]:
    bases = edge_values(modulus, count) if exponent >= 0 else [mpz(3 + 4 * i) for i in range(count)]
    if exponent < 0:
        bases = [base for base in bases if math.gcd(base, modulus) == 1]
    return bases, [pow(int(b), exponent, int(modulus)) for b in bases]


@cache
def multi_exponentiation_case(modulus: mpz, bits: int, count: int) -> tuple[list[mpz], list[mpz], int]:
    bases = edge_values(modulus, count)[::-1]
    bases = [b if b % modulus else mpz(3) for b in bases]  # a zero would hide every other factor
    exponents = [mpz(secrets.randbits(bits)) if bits else mpz(0) for _ in bases]
    expected = 1 % int(modulus)
    for b, e in zip(bases, exponents, strict=True):
        expected = expected * pow(int(b), int(e), int(modulus)) % int(modulus)
    return bases, exponents, expected


def is_large(modulus: mpz) -> bool:
    """Return whether Python's integers need so long that a few values must do."""
    return modulus.bit_length() > 4500


@pytest.mark.parametrize("count", [0, 1, LANES_NOT_FULL, LONG])
def test_fixed_base_powers(arithmetic: Arithmetic, modulus: mpz, count: int) -> None:
    if count == LONG and is_large(modulus):
        count = 9
    for bits in (1, 17, 130):
        base, exponents, expected = fixed_base_case(modulus, count, bits)
        assert arithmetic.fixed_base_powers(base, exponents, modulus) == expected
        assert arithmetic.fixed_base_powers(base, exponents, modulus) == expected  # by the table the first call made


def test_fixed_base_powers_of_a_base_that_is_no_unit(arithmetic: Arithmetic) -> None:
    base, exponents = P_1024, [mpz(secrets.randbits(200)) for _ in range(LONG)]
    expected = [pow(int(base), int(e), int(SQUARE)) for e in exponents]
    assert arithmetic.fixed_base_powers(base, exponents, SQUARE) == expected


def test_same_exponent_powers(arithmetic: Arithmetic, modulus: mpz) -> None:
    for exponent in EXPONENTS[:-3] if is_large(modulus) else EXPONENTS:
        for count in (0, 1, LANES_NOT_FULL if is_large(modulus) or exponent > 2**64 else LONG):
            bases, expected = same_exponent_case(modulus, exponent, count)
            assert arithmetic.same_exponent_powers(bases, mpz(exponent), modulus) == expected


@pytest.mark.parametrize("count", [0, 1, 2, LANES_NOT_FULL, 41, MINIMUM_BASES + 1])
def test_multi_exponentiation(arithmetic: Arithmetic, modulus: mpz, count: int) -> None:
    if count > 41 and modulus != SQUARE:
        count = 40
    for bits in (0, 1, 16, 22, 128, 300) if count <= 2 else (0, 1, 16, 128) if count < 40 else (1, 22):
        bases, exponents, expected = multi_exponentiation_case(modulus, bits, count)
        assert arithmetic.multi_exponentiation(bases, exponents, modulus) == expected


def test_several_multi_exponentiations_of_the_same_bases(arithmetic: Arithmetic, modulus: mpz) -> None:
    for count in (2, LANES_NOT_FULL):
        bases, exponents, expected = multi_exponentiation_case(modulus, 16, count)
        rows = [exponents, [mpz(0)] * count, exponents[::-1]]
        backwards = arithmetic.multi_exponentiation(bases[::-1], exponents, modulus)
        assert arithmetic.multi_exponentiations(bases, rows, modulus) == [expected, 1, backwards]
        assert arithmetic.multi_exponentiations(bases, [], modulus) == []


@pytest.mark.parametrize("count", [1, LANES_NOT_FULL, LONG])
def test_products(arithmetic: Arithmetic, modulus: mpz, count: int) -> None:
    for rows in (1, 2, 5):
        values = [edge_values(modulus, count + shift)[shift:] for shift in range(rows)]
        expected = [math.prod(column) % modulus for column in zip(*values, strict=True)]
        assert arithmetic.products(iter(values), modulus) == expected


def test_a_zero_base_gives_zero(arithmetic: Arithmetic, modulus: mpz) -> None:
    assert arithmetic.multi_exponentiation([mpz(0), mpz(3)], [mpz(5), mpz(7)], modulus) == 0
    assert arithmetic.multi_exponentiation([mpz(0), mpz(3)], [mpz(0), mpz(1)], modulus) == 3


@relaxed
@given(data=st.data())
def test_multi_exponentiation_is_the_product_of_powers(arithmetic: Arithmetic, data: st.DataObject) -> None:
    modulus = data.draw(st.sampled_from([SMALL, SQUARE]))
    exponent = st.one_of(st.integers(0, 3), st.integers(0, 2**16 - 1), st.integers(0, 2**300)).map(mpz)
    pairs = data.draw(st.lists(st.tuples(st.integers(1, int(modulus) - 1).map(mpz), exponent), max_size=20))
    expected = math.prod((pow(int(b), int(e), int(modulus)) for b, e in pairs), start=1) % int(modulus)
    assert arithmetic.multi_exponentiation([b for b, _ in pairs], [e for _, e in pairs], modulus) == expected


@relaxed
@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(st.integers(0, 2**90), min_size=n, max_size=n), min_size=1))
)
def test_products_consume_rows_one_by_one(arithmetic: Arithmetic, rows: list[list[int]]) -> None:
    got = arithmetic.products(iter([[mpz(v) for v in row] for row in rows]), SMALL)
    assert got == [math.prod(column) % SMALL for column in zip(*rows, strict=True)]


def test_misuse_is_refused(arithmetic: Arithmetic) -> None:
    with pytest.raises(ValueError, match="zip"):
        arithmetic.products([[mpz(1)] * LONG, [mpz(1)] * (LONG + 1)], SQUARE)
    with pytest.raises(ValueError, match="one exponent"):
        arithmetic.multi_exponentiation([mpz(2)] * LONG, [mpz(5)] * (LONG + 1), SQUARE)
    with pytest.raises(ValueError, match="at least one row"):
        arithmetic.products([], SMALL)
    with pytest.raises(ValueError, match="zip"):
        arithmetic.products([[mpz(1)], [mpz(1), mpz(2)]], SMALL)
    with pytest.raises(ValueError, match="one exponent"):
        arithmetic.multi_exponentiation([mpz(2)], [], SMALL)
    with pytest.raises(ValueError, match="one exponent"):
        arithmetic.multi_exponentiation([mpz(2)] * 2000, [mpz(5)] * 1999, SMALL)
    with pytest.raises(ValueError, match="one exponent"):
        arithmetic.multi_exponentiations([mpz(2)] * LONG, [[mpz(5)] * LONG, [mpz(5)] * (LONG - 1)], SQUARE)
    for modulus in (SMALL, SQUARE):
        with pytest.raises(ValueError, match="negative"):
            arithmetic.multi_exponentiation([mpz(2)], [mpz(-1)], modulus)
        with pytest.raises(ValueError, match="negative"):
            arithmetic.fixed_base_powers(mpz(2), [mpz(1)] * LONG + [mpz(-1)], modulus)
    for exponent in (-1, -7, -(2**80)):  # gmpy2 would end the process
        with pytest.raises(ZeroDivisionError):
            arithmetic.same_exponent_powers([mpz(2)] * LONG + [P_1024], mpz(exponent), ROOT)


def test_a_program_selects_once_for_all() -> None:
    selected, seen = SelectedArithmetic(), []
    assert isinstance(selected.implementation, GmpArithmetic)

    class Recording(GmpArithmetic):
        def __getattribute__(self, name: str) -> object:
            seen.append(name)
            return super().__getattribute__(name)

    def results(arithmetic: Arithmetic) -> list[object]:
        values, exponents = [mpz(5), mpz(7)], [mpz(3), mpz(2)]
        return [
            arithmetic.fixed_base_powers(mpz(5), exponents, mpz(11)),
            arithmetic.products([values, exponents], mpz(11)),
            arithmetic.same_exponent_powers(values, mpz(3), mpz(11)),
            arithmetic.multi_exponentiation(values, exponents, mpz(11)),
            arithmetic.multi_exponentiations(values, [exponents, values], mpz(11)),
        ]

    selected.select(Recording())
    assert results(selected) == results(GmpArithmetic()) == [[4, 3], [4, 3], [4, 2], 9, [9, 6]]
    functions = [name for name in vars(Arithmetic) if not name.startswith("_")]
    assert set(functions) <= set(seen)
