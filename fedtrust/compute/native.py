"""The batch seam on the native kernel: eight numbers at a time in AVX-512 IFMA, threads for cores.

Same inputs, same results as every other implementation. What the kernel cannot do goes to the portable one: a modulus
that is even, below 600 bits or above about 4,100, products modulo anything but a square, and work that would leave the
lanes empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from types import TracebackType
from typing import TypeVar

import gmpy2
from gmpy2 import mpz

from fedtrust.compute.kernels import native_kernel
from fedtrust.compute.modulus_constants import ModulusConstants, encode_words, modulus_constants
from fedtrust.compute.native_tables import NativeTableCache
from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.crypto.arithmetic import GmpArithmetic, require_exponents, without_sign
from fedtrust.crypto.fixed_base import TableStore
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES

LANES = 8
"""Numbers that the kernel works on at once."""
MINIMUM_PRODUCTS = 2 * LANES
"""Shortest vectors whose products are worth leaving Python's integers for."""
MINIMUM_BASES = 2 * LANES
"""Shortest multi-exponentiation that fills the lanes."""
_MAXIMUM_EXPONENT_BITS = 1 << 24
_PARTS_FOR_EACH = 2  # a slower core ends with less; more parts would read a table from memory more often
_BASES_FOR_EACH = 256  # fewest bases that are worth a core: every part sums its own buckets

Part = TypeVar("Part")
Result = TypeVar("Result")


class NativeArithmetic:
    """:class:`~fedtrust.crypto.arithmetic.Arithmetic` on the native kernel and ``workers`` threads.

    Raises ConfigurationError where there is no kernel.
    """

    def __init__(
        self, workers: int = 1, *, table_bytes: int = DEFAULT_TABLE_BYTES, tables: TableStore | None = None
    ) -> None:
        """Take the number of cores to use; the rest as for GmpArithmetic, which the portable side works with."""
        if workers < 1:
            raise ValueError("at least one worker")
        self._kernel = native_kernel()
        self._count = workers
        self._tables = NativeTableCache(self._kernel, table_bytes)
        self._portable: GmpArithmetic | ParallelArithmetic = (
            GmpArithmetic(table_bytes=table_bytes, tables=tables)
            if workers == 1
            else ParallelArithmetic(workers, table_bytes=table_bytes, tables=tables)
        )
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="kernel") if workers > 1 else None

    def __enter__(self) -> NativeArithmetic:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the processes of the portable side; later batches start new ones."""
        if isinstance(self._portable, ParallelArithmetic):
            self._portable.close()

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.fixed_base_powers`."""
        bits = require_exponents(exponents)
        constants, pair = _field(modulus)
        table = self._tables.table(base, constants, bits, len(exponents)) if constants and pair and bits else None
        if constants is None or table is None:
            return self._portable.fixed_base_powers(base, exponents, modulus)

        def powers(part: Sequence[mpz]) -> bytes:
            return self._tables.powers(table, constants, part, bits)

        return _integers(self._in_threads(powers, self._parts(exponents)), 2 * constants.words)

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.products`."""
        rows = iter(rows)
        first = next(rows, None)
        constants, pair = _field(modulus)
        if constants is None or not pair or first is None or len(first) < MINIMUM_PRODUCTS or not constants.splits:
            return self._portable.products(rows if first is None else chain([first], rows), modulus)
        spans = self._spans(len(first))
        products = [self._kernel.start_product(constants.data, to - at) for at, to in spans]
        count = 0
        for row in chain([first], rows):
            if len(row) != len(first):
                raise ValueError(f"zip(): row {count} has {len(row)} values, the rows before {len(first)}")
            values = self._readable(row, constants)
            parts = [(product, values[at:to]) for product, (at, to) in zip(products, spans, strict=True)]
            self._in_threads(lambda part: self._kernel.multiply_product(*part), parts)
            count += 1
        factor = encode_words(constants.pair_digits(gmpy2.powmod(constants.montgomery, 2 * count, modulus)))
        words = 2 * constants.words
        return _integers(
            self._in_threads(lambda product: self._kernel.product_result(product, factor, words), products), words
        )

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.same_exponent_powers`."""
        bases, exponent = without_sign(bases, exponent, modulus)
        constants, pair = _field(modulus)
        bits = exponent.bit_length()
        if constants is None or not 0 < bits <= _MAXIMUM_EXPONENT_BITS:
            return self._portable.same_exponent_powers(bases, exponent, modulus)
        words = (1 + pair) * constants.words
        # Every exponent is taken for a secret but n itself, which verification and opening raise to. (Modulo p^2, with
        # a secret p in the place of n, nothing is ever raised to p.)
        secret = exponent != constants.n

        def powers(part: Sequence[mpz]) -> bytes:
            return self._kernel.same_exponent_powers(constants.data, pair, part, mpz(exponent), bits, secret, words)

        return _integers(self._in_threads(powers, self._parts(self._readable(bases, constants))), words)

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """See :meth:`Arithmetic.multi_exponentiation`."""
        return self.multi_exponentiations(bases, [exponents], modulus)[0]

    def multi_exponentiations(self, bases: Sequence[mpz], rows: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.multi_exponentiations`."""
        constants, pair = _field(modulus)
        fit = len(bases) >= MINIMUM_BASES and all(len(row) == len(bases) for row in rows)
        bits = max((require_exponents(row) for row in rows), default=0)
        if constants is None or not fit or not 0 < bits <= _MAXIMUM_EXPONENT_BITS:
            return self._portable.multi_exponentiations(bases, rows, modulus)
        words = (1 + pair) * constants.words
        values = self._readable(bases, constants)
        parts = max(min(self._count, len(bases) // _BASES_FOR_EACH), 1)
        size = -(-len(bases) // parts)

        def combinations(at: int) -> list[mpz]:
            exponents = [mpz(exponent) for row in rows for exponent in row[at : at + size]]
            part = values[at : at + size]
            data = self._kernel.multi_exponentiation(constants.data, pair, part, exponents, bits, words)
            return _integers([data], words)

        results = self._in_threads(combinations, list(range(0, len(bases), size)))
        return results[0] if len(results) == 1 else self._portable.products(results, modulus)

    def _readable(self, values: Sequence[mpz], constants: ModulusConstants) -> Sequence[mpz]:
        """Return the values as the kernel takes them, reduced where they are out of its range: [0, 2^(2 bits))."""
        modulus = constants.n * constants.n
        if self._kernel.fits(values, modulus.bit_length()):
            return values
        return [mpz(value) % modulus for value in values]

    def _spans(self, count: int) -> list[tuple[int, int]]:
        """Return where parts begin and end: whole groups of lanes, a few parts for every thread."""
        groups = -(-count // LANES)
        parts = 1 if self._threads is None else _PARTS_FOR_EACH * self._count
        size = max(-(-groups // parts), 1) * LANES
        return [(at, min(at + size, count)) for at in range(0, count, size)]

    def _parts(self, values: Sequence[mpz]) -> list[Sequence[mpz]]:
        return [values[at:to] for at, to in self._spans(len(values))]

    def _in_threads(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        if self._threads is None or len(parts) == 1:
            return [function(part) for part in parts]
        return list(self._threads.map(function, parts))


@lru_cache(maxsize=64)
def _field(modulus: mpz) -> tuple[ModulusConstants | None, bool]:
    """Return the constants that serve a modulus, and whether it is the square of theirs; None if the kernel cannot."""
    root, remainder = gmpy2.isqrt_rem(modulus)
    return modulus_constants(modulus if remainder else root), remainder == 0


def _integers(parts: Sequence[bytes], words: int) -> list[mpz]:
    width = 8 * words
    return [mpz.from_bytes(data[at : at + width], "little") for data in parts for at in range(0, len(data), width)]
