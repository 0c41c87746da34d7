"""What processes add to the seam: they start late, end with their owner, and fail with a typed error."""

from __future__ import annotations

import io
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from gmpy2 import mpz

from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.compute.worker import Operation, decode_integers, encode_integers, read_message, write_message
from fedtrust.crypto.arithmetic import GmpArithmetic
from fedtrust.errors import ExitCode, WorkerError
from tests.fixtures.keys import test_primes

N = math.prod(map(mpz, test_primes(2048)))
BASES = [mpz(3 + i) for i in range(40)]


def children() -> set[int]:
    """Our children that run a worker."""
    own = {int(p) for p in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    for task in Path("/proc/self/task").iterdir():
        own |= {int(p) for p in (task / "children").read_text().split()}
    return {p for p in own if b"fedtrust.compute.worker" in Path(f"/proc/{p}/cmdline").read_bytes()}


def gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return True


def test_processes_start_with_the_first_large_batch_and_end_with_close() -> None:
    before = children()
    with ParallelArithmetic(2) as arithmetic:
        arithmetic.same_exponent_powers(BASES[:3], N, N * N)
        arithmetic.same_exponent_powers(BASES, N, N)  # modulo n: threads
        assert children() == before
        expected = GmpArithmetic().same_exponent_powers(BASES, N, N * N)
        assert arithmetic.same_exponent_powers(BASES, N, N * N) == expected
        started = children() - before
        assert len(started) == 2
        arithmetic.close()
        assert children() == before
        assert arithmetic.same_exponent_powers(BASES, N, N * N) == expected  # and start again
    assert children() == before


def test_a_killed_worker_is_a_typed_error_and_the_next_batch_works() -> None:
    before = children()
    with ParallelArithmetic(2) as arithmetic:
        expected = arithmetic.same_exponent_powers(BASES, N, N * N)
        victim = min(children() - before)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(WorkerError, match="worker process has ended") as caught:
            arithmetic.same_exponent_powers(BASES, N, N * N)
        assert caught.value.exit_code is ExitCode.WORKER
        assert arithmetic.same_exponent_powers(BASES, N, N * N) == expected
    assert children() == before


def test_many_threads_may_ask_at_once() -> None:
    expected = GmpArithmetic().same_exponent_powers(BASES, N, N * N)
    results: list[list[mpz]] = []
    with ParallelArithmetic(2) as arithmetic:
        threads = [
            threading.Thread(target=lambda: results.append(arithmetic.same_exponent_powers(BASES, N, N * N)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [expected] * 4


def test_workers_end_with_a_parent_that_was_killed() -> None:
    program = (
        "import os, signal\n"
        "from tests.compute.test_parallel import BASES, N, children\n"
        "from fedtrust.compute.parallel import ParallelArithmetic\n"
        "arithmetic = ParallelArithmetic(2)\n"
        "arithmetic.same_exponent_powers(BASES, N, N * N)\n"
        "print(*children(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL
    orphans = [int(pid) for pid in run.stdout.split()]
    assert len(orphans) == 2
    deadline = time.monotonic() + 20
    while not all(gone(pid) for pid in orphans):
        assert time.monotonic() < deadline, "workers outlive their parent"
        threading.Event().wait(0.02)


def test_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ParallelArithmetic(0)


def test_messages_round_trip() -> None:
    stream = io.BytesIO()
    values = [mpz(0), mpz(255), N]
    write_message(stream, Operation.ANSWER, [encode_integers(values), encode_integers([]), encode_integers([mpz(0)])])
    stream.seek(0)
    message = read_message(stream)
    assert message is not None
    assert message[0] is Operation.ANSWER
    assert [decode_integers(field) for field in message[1]] == [values, [], [0]]
    assert read_message(stream) is None


def test_a_message_cut_off_is_an_error() -> None:
    stream = io.BytesIO()
    write_message(stream, Operation.ANSWER, [encode_integers([N])])
    for size in (3, 9, 20, len(stream.getvalue()) - 1):
        with pytest.raises(EOFError):
            read_message(io.BytesIO(stream.getvalue()[:size]))


def test_a_worker_refuses_what_it_cannot_do() -> None:
    stream = io.BytesIO()
    write_message(stream, Operation.TABLE_POWERS, [encode_integers([mpz(5)])])
    command = [sys.executable, "-P", "-m", "fedtrust.compute.worker"]
    run = subprocess.run(command, input=stream.getvalue(), capture_output=True, timeout=30, check=False)
    assert run.returncode != 0
    assert b"cannot do TABLE_POWERS" in run.stderr
