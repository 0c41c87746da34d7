"""Window tables for many powers of one base modulo n^2: one multiplication a window, no squarings.

base^a = prod_i T_i[a_i] for the digits a_i of a in base 2^window, T_i[d] = base^(d 2^(window i)) (Brickell, Gordon,
McCurley, Wilson: Fast exponentiation with precomputation, Eurocrypt 1992, section 2). An entry is kept as (x, l) with
T = x (1 + l n) mod n^2, x < n: logarithms l only add up, so a step costs two multiplications and two divisions of
|n| bits: 0.65 of a plain one modulo n^2 with GMP at |n| = 3072.

A table is public: it depends on base and modulus alone. Which entries are read depends on the secret exponent, every
window reads exactly one, digit zero included, and memory access is not hidden (docs/limitations.md).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import gmpy2
from gmpy2 import mpz

from fedtrust.errors import EncodingError

_MAGIC = b"FTFB"
_VERSION = 1
_HEAD_BYTES = len(_MAGIC) + 1 + 2 + 2 + 4
_DIGEST_BYTES = 32
_MAXIMUM_WINDOW = 16
_DIGITS_AT_ONCE = 4  # a big shift for every so many digits, small ones in between


class TableStore(Protocol):
    """Where tables outlive a process. A store that has lost or cannot keep one only costs time."""

    def load(self, name: str) -> bytes | None:
        """Return the table called ``name``, or None."""

    def save(self, name: str, data: bytes) -> None:
        """Keep a table under ``name``."""


@dataclass(frozen=True, slots=True)
class FixedBaseTable:
    """The table of a unit ``base`` modulo ``n``^2 for exponents below 2^(window * rows)."""

    n: mpz
    base: mpz
    window: int
    residues: tuple[list[mpz], ...] = field(repr=False)
    logarithms: tuple[list[mpz], ...] = field(repr=False)

    @property
    def exponent_bits(self) -> int:
        """Longest exponent the table serves, in bits."""
        return self.window * len(self.residues)

    @classmethod
    def build(cls, base: mpz, n: mpz, exponent_bits: int, window: int) -> FixedBaseTable:
        """Compute the table: 2^window entries for every window of the exponent. Raises EncodingError for no unit."""
        if gmpy2.gcd(base, n) != 1:
            raise EncodingError("fixed-base table: the base is not a unit")
        # The generator of a row as (x, l), and y = 1/x, which turns carries into logarithms.
        carry, x = divmod(base % (n * n), n)
        y = gmpy2.invert(x, n)
        step = (x, carry * y % n, y)
        rows, logs = [], []
        for _ in range(-(-exponent_bits // window)):
            row, log, entry = [mpz(1)], [mpz(0)], (mpz(1), mpz(0), mpz(1))
            for _ in range((1 << window) - 1):
                entry = _times(entry, step, n)
                row.append(entry[0])
                log.append(entry[1])
            rows.append(row)
            logs.append(log)
            step = _times(entry, step, n)
        return cls(n, base, window, tuple(rows), tuple(logs))

    def powers(self, exponents: Sequence[mpz]) -> list[mpz]:
        """Return ``base^e mod n^2`` for exponents in [0, 2^exponent_bits).

        Every exponent takes as many steps as the longest one: short exponents take few.
        """
        n, mask = self.n, (1 << self.window) - 1
        longest = max((exponent.bit_length() for exponent in exponents), default=0)
        if longest > self.exponent_bits or any(exponent < 0 for exponent in exponents):
            raise ValueError(f"the table serves exponents of at most {self.exponent_bits} bits")
        rows = -(-longest // self.window)
        shifts = [self.window * i for i in range(_DIGITS_AT_ONCE)]
        group, group_mask = self.window * _DIGITS_AT_ONCE, (1 << self.window * _DIGITS_AT_ONCE) - 1
        results = []
        for exponent in exponents:
            digits = [
                digits >> shift & mask
                for at in range(0, longest, group)
                for digits in (int(exponent >> at & group_mask),)
                for shift in shifts
            ]
            x, w, logarithm = mpz(1), mpz(0), mpz(0)
            for row, log, digit in zip(self.residues[:rows], self.logarithms[:rows], digits[:rows], strict=True):
                factor = row[digit]
                carry, product = divmod(x * factor, n)
                w = (w * factor + carry) % n
                x = product
                logarithm += log[digit]
            results.append(x + (w + x * logarithm) % n * n)
        return results

    def to_bytes(self) -> bytes:
        """Return the table's file (``FTFB``): sizes, n, base, entries in fixed width, and a SHA-256 digest of it all.

        The digest finds damage, not malice: the file is as private and as trusted as the program that reads it.
        """
        width = (self.n.bit_length() + 7) // 8
        parts = [_MAGIC, bytes([_VERSION]), self.window.to_bytes(2, "big"), width.to_bytes(2, "big")]
        parts += [len(self.residues).to_bytes(4, "big"), self.n.to_bytes(width, "big")]
        parts.append(self.base.to_bytes(2 * width, "big"))
        for row in (*self.residues, *self.logarithms):
            parts += [value.to_bytes(width, "big") for value in row]
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> FixedBaseTable:
        """Read a table's file; one random power is recomputed without it. Raises EncodingError for damage."""
        view = memoryview(data)
        window, width = int.from_bytes(view[5:7], "big"), int.from_bytes(view[7:9], "big")
        count = int.from_bytes(view[9:_HEAD_BYTES], "big")
        head = _HEAD_BYTES + 3 * width
        size = head + 2 * count * width * (1 << min(window, _MAXIMUM_WINDOW)) + _DIGEST_BYTES
        if view[:5] != _MAGIC + bytes([_VERSION]) or not 1 <= window <= _MAXIMUM_WINDOW or not count or not width:
            raise EncodingError(f"not a fixed-base table of version {_VERSION}")
        if len(view) != size or hashlib.sha256(view[:-_DIGEST_BYTES]).digest() != view[-_DIGEST_BYTES:]:
            raise EncodingError("fixed-base table is damaged", expected=f"{size} bytes that match their digest")
        n = mpz.from_bytes(bytes(view[_HEAD_BYTES : _HEAD_BYTES + width]), "big")
        base = mpz.from_bytes(bytes(view[_HEAD_BYTES + width : head]), "big")
        if n < 3 or n % 2 == 0 or not 0 < base < n * n:
            raise EncodingError("fixed-base table is malformed", expected="an odd modulus and a reduced base")
        row_bytes = width << window

        def row(index: int) -> list[mpz]:
            at = head + index * row_bytes
            return [mpz.from_bytes(data[i : i + width], "big") for i in range(at, at + row_bytes, width)]

        rows = [row(index) for index in range(2 * count)]
        table = cls(n, base, window, tuple(rows[:count]), tuple(rows[count:]))
        probe = mpz(secrets.randbits(table.exponent_bits))
        if table.powers([probe])[0] != gmpy2.powmod(base, probe, n * n):
            raise EncodingError("fixed-base table does not give this base's powers")
        return table


def _times(left: tuple[mpz, mpz, mpz], right: tuple[mpz, mpz, mpz], n: mpz) -> tuple[mpz, mpz, mpz]:
    """Return the product of two entries (x, l, 1/x)."""
    carry, x = divmod(left[0] * right[0], n)
    y = left[2] * right[2] % n
    return x, (left[1] + right[1] + carry * y) % n, y


def table_bytes(n: mpz, exponent_bits: int, window: int) -> int:
    """Return the size of the table's numbers in bytes; in memory a table takes about a fifth more."""
    width = (int(n.bit_length()) + 7) // 8
    return -(-exponent_bits // window) * (2 * width << window)


def best_window(n: mpz, exponent_bits: int, count: int, limit: int) -> int:
    """Return the window that serves ``count`` powers in the least time, table included; 0 if none helps.

    ``limit`` bounds :func:`table_bytes`. An entry costs about 1.5 steps to make.
    """

    def cost(window: int) -> float:
        rows = -(-exponent_bits // window)
        return rows * (1.5 * (1 << window) + count)

    windows = [w for w in range(1, _MAXIMUM_WINDOW + 1) if table_bytes(n, exponent_bits, w) <= limit]
    best = min(windows, key=cost, default=0)
    # Without a table a power costs about 1.6 steps for every bit.
    return best if best and cost(best) < 1.6 * exponent_bits * count else 0
