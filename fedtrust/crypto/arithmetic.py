"""The batch seam: all heavy modular arithmetic goes through these four functions.

One implementation on gmpy2 for now; a native kernel or a GPU can stand behind the same Protocol. Callers outside
this package never choose: the module default :data:`ARITHMETIC` is what every other module uses.

None of this runs in constant time. The secret exponents that pass through here (encryption randomness, key shares)
are used by processes that answer on the scale of rounds, and the threat model says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import gmpy2
from gmpy2 import mpz


class Arithmetic(Protocol):
    """Modular arithmetic on vectors. All values are reduced: results lie in [0, modulus)."""

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """Return ``base^e mod modulus`` for every ``e`` of ``exponents`` (non-negative)."""

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """Return the elementwise product modulo ``modulus`` of at least one row, all of one length.

        Rows are consumed one after the other, so only one needs to be in memory.
        """

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """Return ``b^exponent mod modulus`` for every ``b``; a negative exponent needs units."""

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """Return the product of ``bases[j]^exponents[j]`` modulo ``modulus``; exponents are non-negative."""


class GmpArithmetic:
    """:class:`Arithmetic` on gmpy2. The power functions release the GIL."""

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.fixed_base_powers`."""
        return list(gmpy2.powmod_exp_list(base, list(exponents), modulus))

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.products`."""
        product: list[mpz] | None = None
        for row in rows:
            if product is None:
                product = [value % modulus for value in row]
            else:
                product = [left * right % modulus for left, right in zip(product, row, strict=True)]
        if product is None:
            raise ValueError("a product needs at least one row")
        return product

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.same_exponent_powers`."""
        return list(gmpy2.powmod_base_list(list(bases), exponent, modulus))

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """See :meth:`Arithmetic.multi_exponentiation`; the bucket method (Pippenger 1976)."""
        if len(bases) != len(exponents):
            raise ValueError("one exponent for each base")
        if any(exponent < 0 for exponent in exponents):
            raise ValueError("exponents must not be negative")
        bits = max((exponent.bit_length() for exponent in exponents), default=0)
        # A window of w bits costs len(bases) multiplications to fill its buckets and 2^(w+1) to sum them.
        window = max(1, min(len(bases).bit_length() - 2, 12, bits))
        mask = (1 << window) - 1
        result = mpz(1)
        for shift in range((bits - 1) // window * window, -1, -window) if bits else ():
            for _ in range(window):
                result = result * result % modulus
            buckets: list[mpz | None] = [None] * (mask + 1)
            for base, exponent in zip(bases, exponents, strict=True):
                digit = int(exponent >> shift & mask)
                if digit:
                    held = buckets[digit]
                    buckets[digit] = base if held is None else held * base % modulus
            running: mpz | None = None
            total: mpz | None = None
            for bucket in reversed(buckets[1:]):
                if bucket is not None:
                    running = bucket if running is None else running * bucket % modulus
                if running is not None:
                    total = running if total is None else total * running % modulus
            if total is not None:
                result = result * total % modulus
        return result % modulus


ARITHMETIC: Arithmetic = GmpArithmetic()
"""What every module of this package computes with."""
