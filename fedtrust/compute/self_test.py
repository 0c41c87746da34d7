"""A self-test of the arithmetic that a program would compute with: random operands, against plain gmpy2."""

from __future__ import annotations

import secrets

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import Arithmetic
from fedtrust.errors import ArithmeticFaultError

MODULUS_BITS = 3072
EXPONENT_BITS = 200
COUNT = 19
"""More than the kernel's shortest batches, and no whole number of lanes."""


def verify_arithmetic(arithmetic: Arithmetic) -> None:
    """Compare every batch function on ``COUNT`` random operands modulo n and n^2. Raises ArithmeticFaultError."""
    n = mpz(secrets.randbits(MODULUS_BITS)) | 1 << MODULUS_BITS - 1 | 1
    for modulus in (n, n * n):
        bases = [_unit(modulus) for _ in range(COUNT)]
        exponents = [_exponent() for _ in range(COUNT)]
        base, exponent = bases[0], exponents[0]
        powers = [gmpy2.powmod(b, e, modulus) for b, e in zip(bases, exponents, strict=True)]
        product, other = mpz(1), mpz(1)
        for power, b, e in zip(powers, bases, reversed(exponents), strict=True):
            product = product * power % modulus
            other = other * gmpy2.powmod(b, e, modulus) % modulus
        rows = [exponents, exponents[::-1]]
        expected = {
            "fixed-base powers": [gmpy2.powmod(base, e, modulus) for e in exponents],
            "products": [b * p % modulus for b, p in zip(bases, powers, strict=True)],
            "same-exponent powers": [gmpy2.powmod(b, exponent, modulus) for b in bases],
            "multi-exponentiation": [product],
            "multi-exponentiations": [product, other],
        }
        try:
            found = {
                "fixed-base powers": arithmetic.fixed_base_powers(base, exponents, modulus),
                "products": arithmetic.products([bases, powers], modulus),
                "same-exponent powers": arithmetic.same_exponent_powers(bases, exponent, modulus),
                "multi-exponentiation": [arithmetic.multi_exponentiation(bases, exponents, modulus)],
                "multi-exponentiations": arithmetic.multi_exponentiations(bases, rows, modulus),
            }
        except (AttributeError, TypeError, ValueError) as error:  # how the extension module answers another version
            raise ArithmeticFaultError(
                "the kernel refuses what this package asks of it",
                got=error,
                advice="it was built from another version: install fedtrust again (in a checkout: make setup)",
            ) from error
        for name, values in expected.items():
            wrong = sum(mine != value for mine, value in zip(found[name], values, strict=False))
            if wrong or len(found[name]) != len(values):
                raise ArithmeticFaultError(
                    f"{name} modulo {'n' if modulus == n else 'n^2'} are wrong on this machine",
                    expected=f"{len(values)} results as plain gmpy2 has them",
                    got=f"{wrong} others among {len(found[name])}",
                    advice="run no node here; set FEDTRUST_KERNEL=portable and try again; report it",
                )


def _exponent() -> mpz:
    return mpz(secrets.randbits(EXPONENT_BITS)) | 1 << EXPONENT_BITS - 1


def _unit(modulus: mpz) -> mpz:
    while True:
        value = mpz(secrets.randbelow(int(modulus)))
        if gmpy2.gcd(value, modulus) == 1:
            return value
