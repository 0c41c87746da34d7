"""A worker process: reads batches of modular arithmetic from standard input, answers on standard output.

``python -P -m fedtrust.compute.worker``. A message is an operation and byte fields, lengths first; there is no pickle
in it, nothing but integers and tables. The end of standard input is the order to stop, so a worker never outlives the
process that started it by more than one batch.
"""

from __future__ import annotations

import signal
import struct
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import IO

from gmpy2 import mpz

from fedtrust.crypto.arithmetic import GmpArithmetic
from fedtrust.crypto.fixed_base import FixedBaseTable

_HEAD = struct.Struct(">BB")
_LENGTH = struct.Struct(">Q")
_WIDTH = struct.Struct(">I")


class Operation(IntEnum):
    """What a message asks for; ANSWER is what comes back."""

    TABLE = 1  # a fixed-base table, for all TABLE_POWERS after it
    TABLE_POWERS = 2  # exponents
    SAME_EXPONENT_POWERS = 3  # bases, exponent, modulus
    MULTI_EXPONENTIATION = 4  # bases, exponents, modulus
    ANSWER = 5  # the results


def encode_integers(values: Sequence[mpz]) -> bytes:
    """Return non-negative integers as one field: their common width in bytes, then the integers big-endian."""
    width = max(((value.bit_length() + 7) // 8 for value in values), default=1) or 1
    return _WIDTH.pack(width) + b"".join([value.to_bytes(width, "big") for value in values])


def decode_integers(data: bytes) -> list[mpz]:
    """Return the integers of a field."""
    (width,) = _WIDTH.unpack_from(data)
    return [mpz.from_bytes(data[at : at + width], "big") for at in range(_WIDTH.size, len(data), width)]


def write_message(stream: IO[bytes], operation: Operation, fields: Sequence[bytes]) -> None:
    """Write one message."""
    stream.write(_HEAD.pack(operation, len(fields)))
    for data in fields:
        stream.write(_LENGTH.pack(len(data)))
        stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[Operation, list[bytes]] | None:
    """Read one message, or None at the end of the stream. Raises EOFError if it ends inside a message."""
    head = stream.read(_HEAD.size)
    if not head:
        return None
    operation, count = _HEAD.unpack(head)
    return Operation(operation), [_read(stream, _LENGTH.unpack(_read(stream, _LENGTH.size))[0]) for _ in range(count)]


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError("a message between processes is cut off")
    return data


def main() -> None:
    """Answer messages until standard input ends."""
    # Control-C reaches the whole group of processes; this one ends when its parent closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    arithmetic = GmpArithmetic(table_bytes=0)
    table: FixedBaseTable | None = None
    while (message := read_message(reader)) is not None:
        operation, fields = message
        answer: list[mpz] = []
        if operation is Operation.TABLE:
            table = FixedBaseTable.from_bytes(fields[0])
        elif operation is Operation.TABLE_POWERS and table is not None:
            answer = table.powers(decode_integers(fields[0]))
        elif operation is Operation.SAME_EXPONENT_POWERS:
            bases, (exponent,), (modulus,) = map(decode_integers, fields)
            answer = arithmetic.same_exponent_powers(bases, exponent, modulus)
        elif operation is Operation.MULTI_EXPONENTIATION:
            bases, exponents, (modulus,) = map(decode_integers, fields)
            answer = [arithmetic.multi_exponentiation(bases, exponents, modulus)]
        else:
            raise ValueError(f"a worker cannot do {operation.name}")
        write_message(writer, Operation.ANSWER, [encode_integers(answer)])


if __name__ == "__main__":
    main()
