from __future__ import annotations

import math

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.arithmetic import ARITHMETIC, Arithmetic, GmpArithmetic
from fedtrust.crypto.shamir import lagrange_coefficients, split_secret

MODULUS = mpz(2**127 - 1) * mpz(2**89 - 1)
RESIDUE = st.integers(1, 2**89 - 2).map(mpz)
EXPONENT = st.one_of(st.integers(0, 3), st.integers(0, 2**16 - 1), st.integers(0, 2**300)).map(mpz)


def test_the_default_implements_the_protocol() -> None:
    seam: Arithmetic = GmpArithmetic()
    assert type(seam) is type(ARITHMETIC)


@settings(deadline=None)
@given(st.lists(st.tuples(RESIDUE, EXPONENT), max_size=80))
def test_multi_exponentiation_is_the_product_of_powers(pairs: list[tuple[mpz, mpz]]) -> None:
    expected = math.prod((pow(int(b), int(e), int(MODULUS)) for b, e in pairs), start=1) % int(MODULUS)
    assert ARITHMETIC.multi_exponentiation([b for b, _ in pairs], [e for _, e in pairs], MODULUS) == expected


@settings(deadline=None)
@given(st.integers(1, 700), st.sampled_from([1, 8, 16, 128]), st.integers(0, 2**32))
def test_multi_exponentiation_of_long_vectors(count: int, bits: int, seed: int) -> None:
    bases = [mpz(3 + seed + i * i) for i in range(count)]
    exponents = [mpz(pow(7, seed + i, 2**bits)) for i in range(count)]
    expected = math.prod(pow(int(b), int(e), int(MODULUS)) for b, e in zip(bases, exponents, strict=True))
    assert ARITHMETIC.multi_exponentiation(bases, exponents, MODULUS) == expected % MODULUS


@settings(deadline=None)
@given(RESIDUE, st.lists(EXPONENT, max_size=8))
def test_fixed_base_powers(base: mpz, exponents: list[mpz]) -> None:
    got = ARITHMETIC.fixed_base_powers(base, exponents, MODULUS)
    assert got == [pow(int(base), int(e), int(MODULUS)) for e in exponents]


@settings(deadline=None)
@given(st.lists(RESIDUE, max_size=8), st.integers(-(2**100), 2**100))
def test_same_exponent_powers_also_negative(bases: list[mpz], exponent: int) -> None:
    got = ARITHMETIC.same_exponent_powers(bases, mpz(exponent), MODULUS)
    assert got == [pow(int(b), exponent, int(MODULUS)) for b in bases]


@settings(deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(RESIDUE, min_size=n, max_size=n), min_size=1)))
def test_products_consume_rows_one_by_one(rows: list[list[mpz]]) -> None:
    got = ARITHMETIC.products(iter(rows), MODULUS)
    assert got == [math.prod(column) % MODULUS for column in zip(*rows, strict=True)]


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        ARITHMETIC.products([], MODULUS)
    with pytest.raises(ValueError, match="zip"):
        ARITHMETIC.products([[mpz(1)], [mpz(1), mpz(2)]], MODULUS)
    with pytest.raises(ValueError, match="one exponent"):
        ARITHMETIC.multi_exponentiation([mpz(2)], [], MODULUS)
    with pytest.raises(ValueError, match="negative"):
        ARITHMETIC.multi_exponentiation([mpz(2)], [mpz(-1)], MODULUS)


@settings(deadline=None)
@given(st.data(), st.integers(1, 8))
def test_any_threshold_of_shares_interpolates(data: st.DataObject, count: int) -> None:
    threshold = data.draw(st.integers(1, count))
    secret = data.draw(st.integers(0, int(MODULUS) - 1))
    subset = data.draw(st.permutations(range(1, count + 1)))[:threshold]
    shares = split_secret(mpz(secret), MODULUS, threshold, count)
    weights = lagrange_coefficients(subset, count)
    total = sum(weights[i] * shares[i - 1] for i in subset)
    assert total % MODULUS == math.factorial(count) * secret % MODULUS


def test_lagrange_coefficients_are_exact_integers() -> None:
    from tests.crypto import textbook

    for subset in ([1, 2, 3], [2, 5, 9], [1, 10], [7]):
        exact = textbook.lagrange_at_zero(subset)
        assert lagrange_coefficients(subset, 10) == {i: math.factorial(10) * exact[i] for i in subset}


def test_fewer_shares_than_the_threshold_miss_the_secret() -> None:
    shares = split_secret(mpz(123456789), MODULUS, 3, 5)
    weights = lagrange_coefficients([1, 2], 5)
    assert sum(weights[i] * shares[i - 1] for i in (1, 2)) % MODULUS != math.factorial(5) * 123456789 % MODULUS
