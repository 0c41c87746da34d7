"""Shamir secret sharing with integer Lagrange coefficients (Shamir 1979; Shoup, Eurocrypt 2000, section 3).

The modulus of the sharing is secret, so nobody can divide modulo it: coefficients at zero are multiplied by
D = T! and become integers, L_i = D prod_{j != i} j / (j - i).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence

from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC


def split_secret(secret: mpz, modulus: mpz, threshold: int, count: int) -> list[mpz]:
    """Return ``count`` shares f(1), f(2), ... modulo ``modulus`` of ``secret`` = f(0), deg f = threshold - 1.

    Any ``threshold`` of them determine the secret; fewer say nothing about it, provided that no prime factor of
    ``modulus`` is ``count`` or less.
    """
    coefficients = [secret, *(mpz(secrets.randbelow(int(modulus))) for _ in range(threshold - 1))]
    shares = []
    for x in range(1, count + 1):
        value = mpz(0)
        for coefficient in reversed(coefficients):
            value = (value * x + coefficient) % modulus
        shares.append(value)
    return shares


def lagrange_coefficients(indices: Sequence[int], count: int) -> dict[int, mpz]:
    """Return the integers L_i = D prod_{j != i} j / (j - i), D = ``count``!, of interpolation at zero.

    For every polynomial f of degree below len(indices): sum_i L_i f(i) = D f(0).
    """
    delta = mpz(math.factorial(count))
    result = {}
    for i in indices:
        numerator, denominator = delta, mpz(1)
        for j in indices:
            if j != i:
                numerator *= j
                denominator *= j - i
        result[i] = numerator // denominator  # exact: the denominator divides D
    return result


def interpolate_exponents(
    values: Mapping[int, Sequence[mpz]], coefficients: Mapping[int, mpz], modulus: mpz
) -> list[mpz]:
    """Return, elementwise, prod_i values[i]^(coefficients[i]) mod ``modulus``; values are vectors of units."""
    return ARITHMETIC.products(
        (ARITHMETIC.same_exponent_powers(values[i], power, modulus) for i, power in coefficients.items()), modulus
    )
