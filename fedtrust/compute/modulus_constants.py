"""What the native kernel must know of a modulus, computed once by Python's own integers.

The numbers are those of ``kernel/modulus.h``: digits in radix 2^50, four pieces of them to a number, B = 2^50,
h = two pieces, R = B^h / 4. The kernel adds no parameter of its own to the cryptography: these are functions of n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from gmpy2 import invert, mpz, powmod

RADIX = 50
PIECES = (6, 8, 11, 16, 21)
"""Digits to a piece that the kernel is compiled for: n, or a prime of it, of 1024, 1536, 2048, 3072 and 4096 bits."""
_EXCESS_BITS = 10  # residues are below n times 2 to this
_MASK = (1 << RADIX) - 1
_SUM_OFFSET = 1 << RADIX
_MATRIX_OFFSET = 1 << RADIX + 1


@dataclass(frozen=True, slots=True)
class ModulusConstants:
    """The constants of an odd ``n``, as the kernel reads them (``data``: little-endian 64-bit words)."""

    n: mpz = field(repr=False)  # a secret prime, where a holder of the whole key decrypts
    piece: int
    data: bytes = field(repr=False)

    @property
    def montgomery(self) -> mpz:
        """R: the kernel's products are divided by it."""
        return mpz(1) << (RADIX * 2 * self.piece - 2)

    @property
    def splits(self) -> bool:
        """Whether products may be kept split (kernel/modulus.h): two products of a residue and 2^21 n fit."""
        bits = int(self.n.bit_length())
        return _longest_product(bits, self.piece) >= 2 * bits + _EXCESS_BITS + 22

    @property
    def words(self) -> int:
        """64-bit words of a residue modulo n."""
        return (int(self.n.bit_length()) + 63) // 64

    def pair_digits(self, value: mpz) -> list[int]:
        """Return the digits of ``value`` modulo n^2 as a pair (x, w), value = x + w n."""
        w, x = divmod(value % (self.n * self.n), self.n)
        return [*self.digits(x), *self.digits(w)]

    def digits(self, value: mpz) -> list[int]:
        """Return the digits of ``value``, lowest first, as many as a residue has."""
        return _digits(value, 4 * self.piece)


@lru_cache(maxsize=32)
def modulus_constants(n: mpz) -> ModulusConstants | None:
    """Return the constants of ``n``, or None if the kernel cannot compute modulo it (even, too short or too long)."""
    bits = n.bit_length()
    piece = next((p for p in PIECES if _fits(bits, p)), None)
    if n % 2 == 0 or piece is None:
        return None
    half, count = 2 * piece, 4 * piece
    base = mpz(1) << (RADIX * half)
    top = half + (bits - 1) // RADIX
    digits = _digits(n, count)
    montgomery = base >> 2

    def pair(value: mpz) -> list[int]:
        w, x = divmod(value % (n * n), n)
        return [*_digits(x, count), *_digits(w, count)]

    words = [piece, top, *digits]
    words += _digits(base - invert(n, base), half)
    words += _digits((mpz(1) << (RADIX * top)) // n, half)
    # n as a matrix: X of the entries n[d], Y of n[h + d], d = row - column, indices modulo m
    words += _circulant([digits[k] + digits[half + k] for k in range(half)], piece)
    words += _toeplitz(lambda d: digits[d % count] - digits[(half + d) % count] + _SUM_OFFSET, piece)
    words += _digits(powmod(montgomery, 3, n), count)
    words += [*_digits(montgomery, count), *([0] * count)]
    words += pair(powmod(montgomery, 3, n * n))
    words.append(sum(digits))
    return ModulusConstants(n, piece, encode_words(words))


def encode_words(words: Sequence[int]) -> bytes:
    """Return the words as the kernel reads them."""
    return np.array(words, dtype="<u8").tobytes()


def _fits(bits: int, piece: int) -> bool:
    """Return whether the bounds of the kernel's reduction hold (kernel/modulus.h)."""
    half, count = 2 * piece, 4 * piece
    top = half + (bits - 1) // RADIX
    # The last digit of a residue is zero, R is below n, and the quotient from above looks at all of the longest
    # product: that of a residue and a sum of up to 2^8 logarithms.
    return (
        bits + _EXCESS_BITS <= RADIX * (count - 1)
        and bits > RADIX * half
        and 2 * bits + 2 * _EXCESS_BITS + 8 <= _longest_product(bits, piece)
        and top + half <= 2 * count
    )


def _longest_product(bits: int, piece: int) -> int:
    """Return how many bits the quotient from above looks at."""
    return RADIX * (2 * 2 * piece + (bits - 1) // RADIX)


def _digits(value: mpz, count: int) -> list[int]:
    return [int(value >> RADIX * k & _MASK) for k in range(count)]


def _circulant(column: Sequence[int], piece: int) -> list[int]:
    """Return the circulant matrix with this first column as two of ``piece`` rows (kernel/columns.h)."""
    differences = range(1 - piece, piece)
    even = [column[d % piece] + column[d % piece + piece] for d in differences]
    odd = [column[d % (2 * piece)] - column[(d + piece) % (2 * piece)] for d in differences]
    rows = [2 * sum(odd[k : k + piece]) % (1 << 64) for k in range(piece)]
    return [*even, *(entry + _MATRIX_OFFSET for entry in odd), *rows]


def _toeplitz(entry: Callable[[int], int], piece: int) -> list[int]:
    """Return a Toeplitz matrix of 2 ``piece`` rows as three of ``piece`` rows, kept positive (kernel/columns.h)."""
    differences = range(1 - piece, piece)
    middle = [entry(d) for d in differences]
    upper = [entry(d - piece) - entry(d) + _MATRIX_OFFSET for d in differences]
    lower = [entry(d + piece) - entry(d) + _MATRIX_OFFSET for d in differences]
    return middle + upper + lower
