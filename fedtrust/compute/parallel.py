"""The batch seam over all cores: worker processes for Python's loops, threads where gmpy2 releases the GIL.

A batch too small to be worth a message is computed here. Exponents of powers modulo n, such as a trustee's share,
never leave the process: those powers run in threads. Encryption exponents do go to workers, through pipes of this
process only.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain
from types import TracebackType
from typing import TypeVar

import gmpy2
from gmpy2 import mpz

from fedtrust.compute.worker import Operation, decode_integers, encode_integers, read_message, write_message
from fedtrust.crypto import square_modulus
from fedtrust.crypto.arithmetic import GmpArithmetic, require_exponents, without_sign
from fedtrust.crypto.fixed_base import FixedBaseTable, TableStore
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.errors import WorkerError

MINIMUM_POWERS = 32
"""Fewest powers that are worth a message."""
MINIMUM_BASES = 1024
"""Shortest multi-exponentiation that is worth splitting: every part sums its own buckets."""
_PARTS_FOR_EACH = 16  # so that a slower core ends with less, and nobody waits long for the last part
_STOP_SECONDS = 5

Part = TypeVar("Part")
Result = TypeVar("Result")


class Worker:
    """One worker process, and the table it holds."""

    def __init__(self) -> None:
        """Start the process."""
        self._table: FixedBaseTable | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fedtrust.compute.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, operation: Operation, *fields: bytes) -> list[mpz]:
        """Return the answer to one message. Raises WorkerError if the process is gone."""
        reader, writer = self._process.stdout, self._process.stdin
        try:
            if reader is None or writer is None:
                raise EOFError
            write_message(writer, operation, fields)
            message = read_message(reader)
        except (OSError, EOFError, ValueError):
            message = None
        if message is None or message[0] is not Operation.ANSWER:
            raise WorkerError(
                "a worker process has ended in the middle of its work",
                got=f"exit code {self._process.poll()}",
                advice="look for a lack of memory; try again with fewer workers",
            )
        return decode_integers(message[1][0])

    def hold(self, table: FixedBaseTable, data: Callable[[], bytes]) -> None:
        """Give the process ``table``, whose file ``data`` returns, unless it has it."""
        if self._table is not table:
            self.ask(Operation.TABLE, data())
            self._table = table

    def stop(self) -> None:
        """End the process: closing its input is the order, a kill the last resort."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not flushed has no reader any more
                    continue
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ParallelArithmetic:
    """:class:`~fedtrust.crypto.arithmetic.Arithmetic` on ``workers`` cores.

    Processes start with the first batch that is large enough, and end with :meth:`close` or with this process.
    """

    def __init__(
        self, workers: int, *, table_bytes: int = DEFAULT_TABLE_BYTES, tables: TableStore | None = None
    ) -> None:
        """Take the number of cores to use; the rest as for GmpArithmetic."""
        if workers < 1:
            raise ValueError("at least one worker")
        self._count = workers
        self._local = GmpArithmetic(table_bytes=table_bytes, tables=tables)
        self.tables = self._local.tables
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="arithmetic")
        self._workers: list[Worker] = []
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop_all, self._workers)

    def __enter__(self) -> ParallelArithmetic:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the worker processes; later batches start new ones."""
        with self._lock:
            while not self._idle.empty():
                self._idle.get()
            _stop_all(self._workers)

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.fixed_base_powers`."""
        bits = require_exponents(exponents)
        n = square_modulus.square_root(modulus)
        table = self.tables.table(base, n, bits, len(exponents)) if n is not None and bits else None
        if table is None:
            return self._in_threads(lambda part: list(gmpy2.powmod_exp_list(base, part, modulus)), exponents)
        if len(exponents) < MINIMUM_POWERS:
            return table.powers(exponents)
        file = _once(table.to_bytes)

        def powers(worker: Worker, part: Sequence[mpz]) -> list[mpz]:
            worker.hold(table, file)
            return worker.ask(Operation.TABLE_POWERS, encode_integers(part))

        return list(chain.from_iterable(self._in_workers(powers, self._parts(exponents))))

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.products`: moving the numbers would cost as much as multiplying them."""
        return self._local.products(rows, modulus)

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.same_exponent_powers`."""
        bases, exponent = without_sign(bases, exponent, modulus)
        long = exponent.bit_length() >= square_modulus.MINIMUM_EXPONENT_BITS
        if not long or square_modulus.square_root(modulus) is None:
            return self._in_threads(lambda part: list(gmpy2.powmod_base_list(part, exponent, modulus)), bases)
        if len(bases) < MINIMUM_POWERS:
            return self._local.same_exponent_powers(bases, exponent, modulus)
        constants = (encode_integers([exponent]), encode_integers([modulus]))

        def powers(worker: Worker, part: Sequence[mpz]) -> list[mpz]:
            return worker.ask(Operation.SAME_EXPONENT_POWERS, encode_integers([b % modulus for b in part]), *constants)

        return list(chain.from_iterable(self._in_workers(powers, self._parts(bases))))

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        """See :meth:`Arithmetic.multi_exponentiation`."""
        if len(bases) < MINIMUM_BASES or len(bases) != len(exponents) or require_exponents(exponents) <= 1:
            return self._local.multi_exponentiation(bases, exponents, modulus)
        size = -(-len(bases) // self._count)
        parts = [(bases[at : at + size], exponents[at : at + size]) for at in range(0, len(bases), size)]

        def product(worker: Worker, part: tuple[Sequence[mpz], Sequence[mpz]]) -> mpz:
            fields = encode_integers([b % modulus for b in part[0]]), encode_integers(part[1])
            return worker.ask(Operation.MULTI_EXPONENTIATION, *fields, encode_integers([modulus]))[0]

        return self._local.products([[value] for value in self._in_workers(product, parts)], modulus)[0]

    def multi_exponentiations(self, bases: Sequence[mpz], rows: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        """See :meth:`Arithmetic.multi_exponentiations`."""
        return [self.multi_exponentiation(bases, row, modulus) for row in rows]

    def _parts(self, values: Sequence[mpz]) -> list[Sequence[mpz]]:
        size = max(-(-len(values) // (_PARTS_FOR_EACH * self._count)), 1)
        return [values[at : at + size] for at in range(0, len(values), size)]

    def _in_threads(self, function: Callable[[list[mpz]], list[mpz]], values: Sequence[mpz]) -> list[mpz]:
        return list(chain.from_iterable(self._threads.map(lambda part: function(list(part)), self._parts(values))))

    def _in_workers(self, function: Callable[[Worker, Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Return ``function`` of an idle worker and each part, in order. Raises WorkerError."""
        with self._lock:
            for _ in range(len(self._workers), self._count):
                worker = Worker()
                self._workers.append(worker)
                self._idle.put(worker)

        def run(part: Part) -> Result:
            worker = self._idle.get()
            try:
                return function(worker, part)
            finally:
                self._idle.put(worker)

        futures = [self._threads.submit(run, part) for part in parts]
        wait(futures)  # all of them, so that no worker is in use when one has failed
        if any(isinstance(future.exception(), WorkerError) for future in futures):
            self.close()  # the next batch starts afresh
        return [future.result() for future in futures]


def _stop_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().stop()


def _once(function: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return ``function`` computed at most once, whichever thread asks first."""
    lock = threading.Lock()
    results: list[bytes] = []

    def result() -> bytes:
        with lock:
            if not results:
                results.append(function())
            return results[0]

    return result
