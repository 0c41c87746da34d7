"""How many multiply-adds the native kernel makes: eight products of 52-bit integers, and eight sums, each.

The formulas follow ``fedtrust/compute/kernel``; ``tests/benchmarks/test_multiply_adds.py`` compiles that very source
with a multiply-add that counts, and compares. A number has four pieces of p digits, and every product of two digits
takes two multiply-adds, for its lower and its upper half. Then, for eight numbers at once (columns.c, modulus.c):

- a product of two numbers is nine of pieces, by Karatsuba twice: 9 * 2 p^2; a square has p (p + 1) / 2 in place of p^2;
- a reduction is two triangles of half the digits, 2 * 2 * p (2 p + 1), and two products of a structured matrix with a
  vector of half the digits, which take three and two products of pieces: 5 * 2 p^2;
- modulo n^2, on pairs: two reductions, and three products (multiplication), one product and one square (squaring), or
  two products (a pair times a residue).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

LANES = 8
_HALVES = 2  # of a product of two digits
_PIECES_OF_PRODUCT = 9
_PIECES_OF_MATRICES = 3 + 2


def _groups(count: int) -> int:
    """Return how many registers ``count`` numbers take."""
    return -(-count // LANES)


def power_window(bits: int, secret: bool) -> int:
    """Return the window of powers with one exponent (powers.c): the cheapest of 1 to 5, or 6 for a public exponent."""
    return min(range(1, 6 if secret else 7), key=lambda window: -(-bits // window) + (1 << window))


def bucket_window(count: int, bits: int) -> int:
    """Return the window of a multi-exponentiation of ``count`` bases (buckets.c)."""
    return min(range(1, 17), key=lambda window: -(-bits // window) * (count + (2 << window if window > 1 else 0)))


@dataclass(frozen=True, slots=True)
class MultiplyAdds:
    """The counts for a modulus of four pieces of ``piece`` digits; with ``pair``, modulo its square."""

    piece: int
    pair: bool

    @property
    def product(self) -> int:
        """Of eight products of two numbers, not reduced."""
        return _PIECES_OF_PRODUCT * _HALVES * self.piece**2

    @property
    def square(self) -> int:
        """Of eight squares, not reduced."""
        return _PIECES_OF_PRODUCT * _HALVES * (self.piece * (self.piece + 1) // 2)

    @property
    def reduction(self) -> int:
        """Of eight reductions modulo n."""
        return _HALVES * (2 * self.piece * (2 * self.piece + 1) + _PIECES_OF_MATRICES * self.piece**2)

    @property
    def residue_multiplication(self) -> int:
        """Of eight multiplications modulo n."""
        return self.product + self.reduction

    @property
    def multiplication(self) -> int:
        """Of eight multiplications."""
        return 3 * self.product + 2 * self.reduction if self.pair else self.residue_multiplication

    @property
    def squaring(self) -> int:
        """Of eight squarings."""
        return self.square + self.reduction + (self.product + self.reduction if self.pair else 0)

    @property
    def scaling(self) -> int:
        """Of eight multiplications by a residue."""
        return 2 * self.product + 2 * self.reduction if self.pair else self.residue_multiplication

    @property
    def loading(self) -> int:
        """Of eight integers made residues or pairs, and then their Montgomery form (batch.c)."""
        return (1 + self.pair) * self.reduction + self.multiplication

    @property
    def writing(self) -> int:
        """Of eight pairs made integers: x + w n."""
        return self.product if self.pair else 0

    @property
    def storing(self) -> int:
        """Of eight integers from Montgomery form."""
        return self.scaling + self.writing

    def same_exponent_powers(self, count: int, bits: int, secret: bool) -> int:
        """Of ``count`` powers with one exponent of ``bits`` bits, by fixed windows (powers.c)."""
        window = power_window(bits, secret)
        windows = -(-bits // window)
        multiplications = (1 << window) + windows
        return _groups(count) * (
            self.loading + multiplications * self.multiplication + (windows - 1) * window * self.squaring + self.storing
        )

    def fixed_base_table(self, rows: int, window: int) -> int:
        """Of a table of ``rows`` generators (fixed_base.c)."""
        return _groups(rows) * (1 << window) * (self.multiplication + 2 * self.residue_multiplication)

    def fixed_base_powers(self, count: int, bits: int, window: int) -> int:
        """Of ``count`` powers of one base by its table; the logarithms take one multiplication in all."""
        return _groups(count) * (-(-bits // window) * self.scaling + self.residue_multiplication + self.storing)

    def product_row(self, count: int, first: bool) -> int:
        """Of ``count`` numbers multiplied into a running product, split as they are by a power of two (products.c)."""
        return _groups(count) * (self.reduction + (0 if first else self.multiplication))

    def product_result(self, count: int) -> int:
        """Of the ``count`` numbers of a running product made pairs by a reduction, and written out."""
        return _groups(count) * (self.reduction + self.multiplication + self.writing)

    def multi_exponentiation(self, count: int, exponents: Sequence[mpz], bits: int) -> int:
        """Of the combinations of ``count`` bases by these exponents, one row after the other (buckets.c).

        If no lane is ever empty but in the last part: a bucket that k of a window's digits fall into takes k - 1
        multiplications; then two for every step down the buckets, less where a bucket is empty. The windows of eight
        combinations are put together by squarings.
        """
        window = bucket_window(count, bits)
        windows, combinations = -(-bits // window), len(exponents) // count
        shared = 0
        for first in range(0, combinations * count, count):
            for at in range(0, bits, window):
                digits = [int(exponent >> at) & ((1 << window) - 1) for exponent in exponents[first : first + count]]
                occupied = {digit for digit in digits if digit}
                if occupied:
                    filling = sum(map(bool, digits)) - len(occupied)
                    shared += filling + len(occupied) - 1 + max(occupied) - 1
        putting_together = (windows - 1) * (window * self.squaring + self.multiplication)
        return (
            _groups(count) * self.loading
            + _groups(shared) * self.multiplication
            + _groups(combinations) * (putting_together + self.storing)
        )
