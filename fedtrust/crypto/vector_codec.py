"""The binary layout that all vectors share: magic, version, fields of the header, count, width, values.

4 bytes   magic
1 byte    version (1)
k bytes   header of the kind (empty for most)
4 bytes   count, big-endian
4 bytes   width of one value in bytes, big-endian
count x width bytes: the values, big-endian
"""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.errors import CiphertextError

_VERSION = 1


def encode_vector(magic: bytes, values: Sequence[int], width: int, header: bytes = b"") -> bytes:
    """Return the file of ``values``, each in ``width`` bytes, after the kind's ``header``."""
    head = magic + bytes([_VERSION]) + header + int_to_fixed(len(values), 4) + int_to_fixed(width, 4)
    return head + b"".join(int_to_fixed(value, width) for value in values)


def decode_vector(
    magic: bytes, data: bytes, width: int, *, what: str, expected_count: int | None = None, header_bytes: int = 0
) -> tuple[bytes, tuple[mpz, ...]]:
    """Return header and values of a file that must be exactly what :func:`encode_vector` writes.

    ``what`` names the kind in the CiphertextError that every deviation raises. Ranges are the caller's to check.
    """
    at = len(magic) + 1
    prefix = at + header_bytes + 8
    if len(data) < prefix or data[: len(magic)] != magic or data[at - 1] != _VERSION:
        raise CiphertextError(
            f"not a {what} file of version {_VERSION}",
            expected=f"a header of {prefix} bytes that starts with {magic.decode()}",
            got=f"{len(data)} bytes that start with {data[:5].hex() or 'nothing'}",
            advice="check that the right file was sent, and by a program of the same version",
        )
    header = data[at : at + header_bytes]
    count = int(fixed_to_int(data[prefix - 8 : prefix - 4]))
    stored_width = int(fixed_to_int(data[prefix - 4 : prefix]))
    if stored_width != width:
        raise CiphertextError(
            f"{what} was made under a key of another size",
            expected=f"{width} bytes a value",
            got=f"{stored_width} bytes a value",
            advice="encrypt again under the key the round names",
        )
    if expected_count is not None and count != expected_count:
        raise CiphertextError(f"{what} has the wrong number of values", expected=expected_count, got=count)
    if count == 0 or len(data) != prefix + count * width:
        raise CiphertextError(
            f"{what} is truncated or has trailing bytes",
            expected=f"{prefix + count * width} bytes for {count} values, and at least one value",
            got=f"{len(data)} bytes",
            advice="transfer the file again",
        )
    return header, tuple(fixed_to_int(data[i : i + width]) for i in range(prefix, len(data), width))
