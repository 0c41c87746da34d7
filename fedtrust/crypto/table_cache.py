"""Which fixed-base table serves which call: built when it pays, grown when more is asked, kept in a store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.fixed_base import FixedBaseTable, TableStore, best_window
from fedtrust.errors import EncodingError

DEFAULT_TABLE_BYTES = 128 << 20
"""Default limit of one table: window 10 for half-length exponents at 3072 bits, about 1.5 s to build."""
_ANTICIPATED = 16
"""A base that was asked for k powers is expected to be asked for this many times k: rounds repeat."""
_GROWTH = 2  # rebuild when the window that pays is longer by this much
_WORTH_LOADING = 32
_EXPONENT_GRAIN = 64


@dataclass(slots=True)
class _Base:
    """What is known of one base: its table, how many powers it was asked for, whether the store was asked."""

    table: FixedBaseTable | None = None
    served: int = 0
    asked_store: bool = False


class TableCache:
    """Tables by base and modulus, at most ``limit`` bytes each, in memory and in ``store``.

    Threads may share it; two that ask for a new base at once both build its table, and one of the two stays.
    """

    def __init__(self, limit: int = DEFAULT_TABLE_BYTES, store: TableStore | None = None) -> None:
        """Take the limit in bytes (0: never a table) and the store, if tables are to outlive the process."""
        self._limit = limit
        self._store = store
        self._bases: dict[tuple[mpz, mpz], _Base] = {}

    def table(self, base: mpz, n: mpz, exponent_bits: int, count: int) -> FixedBaseTable | None:
        """Return the table for ``count`` powers of the unit ``base`` modulo n^2; None where none pays, or n is even."""
        if gmpy2.gcd(base, n) != 1 or gmpy2.is_even(n):
            return None
        bits = -(-exponent_bits // _EXPONENT_GRAIN) * _EXPONENT_GRAIN
        known = self._bases.setdefault((base, n), _Base())
        expected = _ANTICIPATED * (known.served + count)
        if known.table is not None and known.table.exponent_bits < bits:
            # One longer exponent (a proof's mask) is not worth a table of its own.
            expected = count
        window = best_window(n, bits, expected, self._limit)
        if window:
            self._provide(known, base, n, bits, window, known.served + count)
        known.served += count
        table = known.table
        return table if table is not None and table.exponent_bits >= bits else None

    def _provide(self, known: _Base, base: mpz, n: mpz, bits: int, window: int, asked: int) -> None:
        def good(table: FixedBaseTable | None) -> bool:
            return table is not None and table.exponent_bits >= bits and table.window > window - _GROWTH

        if good(known.table):
            return
        if self._store is not None and not known.asked_store and asked >= _WORTH_LOADING:
            known.asked_store = True
            stored = _load(self._store, base, n)
            if good(stored):
                known.table = stored
                return
        known.table = FixedBaseTable.build(base, n, bits, window)
        if self._store is not None and asked >= _WORTH_LOADING:
            self._store.save(table_name(base, n), known.table.to_bytes())


def table_name(base: mpz, n: mpz) -> str:
    """Return the name of the table in a store: a hash of modulus and base."""
    return hashlib.sha256(f"fedtrust/fixed-base-table/v1:{n:x}:{base:x}".encode()).hexdigest()


def _load(store: TableStore, base: mpz, n: mpz) -> FixedBaseTable | None:
    data = store.load(table_name(base, n))
    if data is None:
        return None
    try:
        table = FixedBaseTable.from_bytes(data)
    except EncodingError:
        return None  # a damaged cache is rebuilt and overwritten: nothing weaker takes its place
    return table if (table.base, table.n) == (base, n) else None
