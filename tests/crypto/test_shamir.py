from __future__ import annotations

import math

from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.shamir import lagrange_coefficients, split_secret
from tests.crypto import textbook

MODULUS = mpz(2**127 - 1) * mpz(2**89 - 1)


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
    for subset in ([1, 2, 3], [2, 5, 9], [1, 10], [7]):
        exact = textbook.lagrange_at_zero(subset)
        assert lagrange_coefficients(subset, 10) == {i: math.factorial(10) * exact[i] for i in subset}


def test_fewer_shares_than_the_threshold_miss_the_secret() -> None:
    shares = split_secret(mpz(123456789), MODULUS, 3, 5)
    weights = lagrange_coefficients([1, 2], 5)
    assert sum(weights[i] * shares[i - 1] for i in (1, 2)) % MODULUS != math.factorial(5) * 123456789 % MODULUS
