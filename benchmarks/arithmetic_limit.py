"""The arithmetic limit: what a phase's multiply-adds would take if the unit that makes them did nothing else.

The engine runs a phase once on a kernel that counts what it is asked for (:mod:`benchmarks.multiply_adds`). The count,
over the rate of independent multiply-adds measured in the same repeat, is the limit of this algorithm on this machine:
no carries, no memory, no Python. What the engine leaves to gmpy2 is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from gmpy2 import mpz

from benchmarks import phases
from benchmarks.cores import Computing
from benchmarks.measuring import Measurement, Task
from benchmarks.multiply_adds import MultiplyAdds
from fedtrust.compute.kernels import NativeKernel, native_kernel
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.native_tables import NativeTableCache
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES

ROUNDS = 3_000_000
"""Of the kernel's loop of multiply-adds, 24 in each: some twenty milliseconds."""


class CountingKernel:
    """A :class:`NativeKernel`, and how many multiply-adds it has been asked for. What makes none is passed on."""

    def __init__(self, kernel: NativeKernel) -> None:
        """Take the kernel that computes."""
        self._kernel = kernel
        self._tables: dict[int, tuple[object, MultiplyAdds, int]] = {}
        self._products: dict[int, tuple[object, MultiplyAdds, int, bool]] = {}
        self.count = 0

    def __getattr__(self, name: str) -> object:
        """Return the kernel's own, for what is not counted here."""
        return getattr(self._kernel, name)

    def same_exponent_powers(
        self,
        constants: bytes,
        pair: bool,
        bases: Sequence[mpz],
        exponent: mpz,
        bits: int,
        secret: bool,
        out_words: int,
        /,
    ) -> bytes:
        """See :class:`NativeKernel`."""
        self.count += _of(constants, pair).same_exponent_powers(len(bases), bits, secret)
        return self._kernel.same_exponent_powers(constants, pair, bases, exponent, bits, secret, out_words)

    def multi_exponentiation(
        self, constants: bytes, pair: bool, bases: Sequence[mpz], exponents: Sequence[mpz], bits: int, out_words: int, /
    ) -> bytes:
        """See :class:`NativeKernel`."""
        self.count += _of(constants, pair).multi_exponentiation(len(bases), exponents, bits)
        return self._kernel.multi_exponentiation(constants, pair, bases, exponents, bits, out_words)

    def fixed_base_table(self, constants: bytes, generators: bytes, inverses: bytes, window: int, /) -> object:
        """See :class:`NativeKernel`."""
        formula = _of(constants, True)
        self.count += formula.fixed_base_table(len(inverses) // (8 * 4 * formula.piece), window)
        table = self._kernel.fixed_base_table(constants, generators, inverses, window)
        self._tables[id(table)] = table, formula, window
        return table

    def fixed_base_powers(self, table: object, exponents: Sequence[mpz], bits: int, out_words: int, /) -> bytes:
        """See :class:`NativeKernel`."""
        _, formula, window = self._tables[id(table)]
        self.count += formula.fixed_base_powers(len(exponents), bits, window)
        return self._kernel.fixed_base_powers(table, exponents, bits, out_words)

    def start_product(self, constants: bytes, count: int, /) -> object:
        """See :class:`NativeKernel`."""
        product = self._kernel.start_product(constants, count)
        self._products[id(product)] = product, _of(constants, True), count, True
        return product

    def multiply_product(self, product: object, values: Sequence[mpz], /) -> None:
        """See :class:`NativeKernel`."""
        _, formula, count, first = self._products[id(product)]
        self._products[id(product)] = product, formula, count, False
        self.count += formula.product_row(count, first)
        self._kernel.multiply_product(product, values)

    def product_result(self, product: object, factor: bytes, out_words: int, /) -> bytes:
        """See :class:`NativeKernel`."""
        _, formula, count, _ = self._products.pop(id(product))
        self.count += formula.product_result(count)
        return self._kernel.product_result(product, factor, out_words)


def _of(constants: bytes, pair: bool) -> MultiplyAdds:
    """Return the counts for a modulus: the first word of its constants is the piece."""
    return MultiplyAdds(int.from_bytes(constants[:8], "little"), pair)


class CountingArithmetic(NativeArithmetic):
    """NativeArithmetic on one core, on a kernel that counts."""

    def __init__(self, kernel: CountingKernel) -> None:
        """Take the kernel."""
        super().__init__()
        self._kernel = cast(NativeKernel, kernel)
        self._tables = NativeTableCache(self._kernel, DEFAULT_TABLE_BYTES)


def counting(kernel: CountingKernel) -> Computing:
    """Return arithmetic that counts, for the tasks of one core."""
    return Computing(
        phases.LIMIT, CountingArithmetic(kernel), CountingArithmetic(kernel), None, cast(NativeKernel, kernel)
    )


def tasks(kernel: CountingKernel, counting_tasks: Iterable[Task]) -> list[Task]:
    """Run every one of ``counting_tasks``, the engine's on :func:`counting`; return a task of its limit for each."""
    made = []
    for task in counting_tasks:
        before = kernel.count
        with task.within():
            task.call()
        count = kernel.count - before
        if count:
            made.append(peak_task(task.phase, round(count * task.full / task.items)))
    return made


def peak_task(phase: str, count: int) -> Task:
    """Return the task of making ``count`` multiply-adds as fast as they come: some of them, scaled."""
    kernel = native_kernel()
    return Task(phases.LIMIT, phase, lambda: kernel.multiply_adds(ROUNDS), kernel.multiply_adds(1) * ROUNDS, count)


def rates(measured: Iterable[Measurement]) -> list[float]:
    """Return the multiply-adds of eight lanes a second, by measurement and repeat."""
    return [m.items / seconds for m in measured for seconds in m.seconds]
