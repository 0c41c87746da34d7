"""Fixed-base tables of the native kernel: built when first asked for, widened when more is asked, in memory only.

Such a table takes a tenth of a second to build, so it is not worth a file. The kernel reads whole windows, never an
entry alone, so windows stay narrow and tables small: 35 MB for half-length exponents at 3072 bits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from fedtrust.compute.kernels import NativeKernel
from fedtrust.compute.modulus_constants import ModulusConstants, encode_words

_NARROWEST, _WIDEST = 3, 7
_MAXIMUM_ROWS = 1024  # KERNEL_MAXIMUM_WINDOWS
_LANES = 8
_ANTICIPATED = 16
"""A base that was asked for k powers is expected to be asked for this many times k: rounds repeat."""
_HEADROOM_BITS = 320
"""The mask of a proof of plaintext knowledge is up to 289 bits longer than the exponents it hides."""
_GRAIN = 64
_GROWTH = 2  # rebuild when the window that pays is longer by this much
_ENTRY_STEPS = 2.2  # an entry costs this many steps of a power to make


@dataclass(frozen=True, slots=True)
class NativeTable:
    """A table in the kernel's memory for exponents of at most ``exponent_bits``."""

    handle: object
    exponent_bits: int
    window: int


class NativeTableCache:
    """Tables by base and modulus, at most ``limit`` bytes each. Threads may share it."""

    def __init__(self, kernel: NativeKernel, limit: int) -> None:
        """Take the kernel and the limit in bytes (0: never a table)."""
        self._kernel = kernel
        self._limit = limit
        self._lock = threading.Lock()
        self._tables: dict[tuple[mpz, mpz], NativeTable] = {}
        self._served: dict[tuple[mpz, mpz], int] = {}

    def table(self, base: mpz, constants: ModulusConstants, bits: int, count: int) -> NativeTable | None:
        """Return the table for ``count`` powers of the unit ``base`` modulo n^2, or None where none pays."""
        key = (base, constants.n)
        with self._lock:
            if gmpy2.gcd(base, constants.n) != 1:
                return None
            known, served = self._tables.get(key), self._served.get(key, 0) + count
            self._served[key] = served
            if known is not None and known.exponent_bits < bits:
                known = None
            rounded = known.exponent_bits if known else -(-(bits + _HEADROOM_BITS) // _GRAIN) * _GRAIN
            window = best_window(constants, rounded, _ANTICIPATED * served, self._limit)
            if not window or (known is not None and window < known.window + _GROWTH):
                return known
            self._tables[key] = self._build(base, constants, rounded, window)
            return self._tables[key]

    def _build(self, base: mpz, constants: ModulusConstants, bits: int, window: int) -> NativeTable:
        n, montgomery = constants.n, constants.montgomery
        modulus = n * n
        generator, inverse = base % modulus, gmpy2.invert(base, n)
        generators: list[int] = []
        inverses: list[int] = []
        rows = -(-bits // window)
        for _ in range(rows):
            generators += constants.pair_digits(generator * montgomery)
            inverses += constants.digits(inverse * montgomery % n)
            generator = gmpy2.powmod(generator, 1 << window, modulus)
            inverse = gmpy2.powmod(inverse, 1 << window, n)
        handle = self._kernel.fixed_base_table(constants.data, encode_words(generators), encode_words(inverses), window)
        return NativeTable(handle, rows * window, window)

    def powers(self, table: NativeTable, constants: ModulusConstants, exponents: Sequence[mpz], bits: int) -> bytes:
        """Return the powers for exponents of at most ``bits``, as little-endian numbers of twice the words of n."""
        return self._kernel.fixed_base_powers(table.handle, exponents, bits, 2 * constants.words)


def table_bytes(constants: ModulusConstants, bits: int, window: int) -> int:
    """Return the size of a table in bytes."""
    return -(-bits // window) * (8 * constants.piece * 8 << window)


def best_window(constants: ModulusConstants, bits: int, count: int, limit: int) -> int:
    """Return the window that serves ``count`` powers in the least time, table included; 0 if none fits."""
    windows = [
        w
        for w in range(_NARROWEST, _WIDEST + 1)
        if table_bytes(constants, bits, w) <= limit and -(-bits // w) <= _MAXIMUM_ROWS
    ]
    groups = -(-count // _LANES)
    return min(windows, key=lambda w: -(-bits // w) * (_ENTRY_STEPS * (1 << w) / _LANES + groups), default=0)
