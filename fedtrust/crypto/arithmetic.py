"""The batch seam: all heavy modular arithmetic goes through these five functions.

:class:`GmpArithmetic` computes on one core with gmpy2; :class:`fedtrust.compute.parallel.ParallelArithmetic` spreads
the same work over worker processes; :class:`fedtrust.compute.native.NativeArithmetic` computes on the native kernel.
Callers never choose: every module computes with :data:`ARITHMETIC`, and a program selects once, at its start, what
stands behind it.

Secret exponents (encryption randomness, key shares) belong into ``fixed_base_powers`` and ``same_exponent_powers``
only: on the native kernel no branch and no address in these depends on an exponent's bits. With gmpy2 nothing runs in
constant time; ``multi_exponentiation`` nowhere does. docs/limitations.md says what follows from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto import buckets, square_modulus
from fedtrust.crypto.fixed_base import TableStore
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES, TableCache


class Arithmetic(Protocol):
    """Modular arithmetic on vectors. All values are reduced: results lie in [0, modulus)."""

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """Return ``base^e mod modulus`` for every ``e`` of ``exponents``. Raises ValueError for a negative one."""

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """Return the elementwise product modulo ``modulus`` of at least one row, all of one length.

        Rows are consumed one after the other, so only one needs to be in memory.
        """

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """Return ``b^exponent mod modulus`` for every ``b``.

        Raises ZeroDivisionError for a negative exponent of a base that is no unit.
        """

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """Return the product of ``bases[j]^exponents[j]`` modulo ``modulus``. Raises ValueError for negative ones."""

    def multi_exponentiations(self, bases: Sequence[mpz], rows: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """Return :meth:`multi_exponentiation` of the same bases by each row of exponents."""


class GmpArithmetic:
    """:class:`Arithmetic` on gmpy2, on one core.

    Long powers modulo a square n^2 are taken on pairs (:mod:`fedtrust.crypto.square_modulus`), repeated ones of one
    base by tables of at most ``table_bytes`` bytes, which ``tables`` keeps between runs.
    """

    def __init__(self, *, table_bytes: int = DEFAULT_TABLE_BYTES, tables: TableStore | None = None) -> None:
        """Take the limit of one table in bytes (0: no tables) and where tables are kept."""
        self.tables = TableCache(table_bytes, tables)

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.fixed_base_powers`."""
        bits = require_exponents(exponents)
        n = square_modulus.square_root(modulus)
        table = self.tables.table(base, n, bits, len(exponents)) if n is not None and bits else None
        if table is not None:
            return table.powers(exponents)
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
        bases, exponent = without_sign(bases, exponent, modulus)
        if exponent.bit_length() >= square_modulus.MINIMUM_EXPONENT_BITS:
            n = square_modulus.square_root(modulus)
            if n is not None:
                return square_modulus.same_exponent_powers(bases, exponent, n)
        return list(gmpy2.powmod_base_list(list(bases), exponent, modulus))

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """See :meth:`Arithmetic.multi_exponentiation`."""
        if len(bases) != len(exponents):
            raise ValueError("one exponent for each base")
        bits = require_exponents(exponents)
        n = square_modulus.square_root(modulus) if bits > 1 else None
        if n is not None:
            return square_modulus.multi_exponentiation(bases, exponents, n)
        result = buckets.multi_exponentiation(
            bases, exponents, lambda left, right: left * right % modulus, lambda value: value * value % modulus
        )
        return (mpz(1) if result is None else result) % modulus

    def multi_exponentiations(self, bases: Sequence[mpz], rows: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.multi_exponentiations`."""
        return [self.multi_exponentiation(bases, row, modulus) for row in rows]


class SelectedArithmetic:
    """The :class:`Arithmetic` that a program has selected; GmpArithmetic until it does."""

    def __init__(self) -> None:
        """Start with one core and tables in memory only."""
        self.implementation: Arithmetic = GmpArithmetic()

    def select(self, implementation: Arithmetic) -> None:
        """Compute with ``implementation`` from now on, in this process."""
        self.implementation = implementation

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.fixed_base_powers`."""
        return self.implementation.fixed_base_powers(base, exponents, modulus)

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.products`."""
        return self.implementation.products(rows, modulus)

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.same_exponent_powers`."""
        return self.implementation.same_exponent_powers(bases, exponent, modulus)

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """See :meth:`Arithmetic.multi_exponentiation`."""
        return self.implementation.multi_exponentiation(bases, exponents, modulus)

    def multi_exponentiations(self, bases: Sequence[mpz], rows: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.multi_exponentiations`."""
        return self.implementation.multi_exponentiations(bases, rows, modulus)


def without_sign(bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> tuple[Sequence[mpz], mpz]:
    """Return bases and exponent of the same powers, the exponent not negative. Raises ZeroDivisionError.

    gmpy2's lists of powers end the process with a signal when an inverse does not exist, so they never see one.
    """
    if exponent >= 0:
        return bases, exponent
    return [gmpy2.invert(base, modulus) for base in bases], -exponent


def require_exponents(exponents: Sequence[mpz]) -> int:
    """Return the bits of the longest exponent, 0 for none. Raises ValueError for a negative one."""
    if any(exponent < 0 for exponent in exponents):
        raise ValueError("exponents must not be negative")
    return max((exponent.bit_length() for exponent in exponents), default=0)


ARITHMETIC = SelectedArithmetic()
"""What every module of this package computes with."""
