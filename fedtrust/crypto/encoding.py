"""Canonical encodings and hashes: the only way a value becomes bytes that are hashed, signed or stored."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NoReturn

import rfc8785
from eth_hash.auto import keccak
from gmpy2 import mpz

from fedtrust.errors import EncodingError

HASH_BYTES = 32

_INTEGER_LIMIT = 1 << 53
_LONGEST_INTEGER = len(str(-_INTEGER_LIMIT))
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")

MAXIMUM_NESTING = 32
_TOKENS = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)  # one pass, no backtracking: an unclosed string costs no more


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON (RFC 8785), UTF-8.

    Raises EncodingError for what JSON cannot say exactly: NaN, infinities, integers beyond 2^53, lone surrogates,
    keys that are not strings, other types.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise EncodingError(
            "value has no canonical JSON encoding",
            expected="JSON types, finite numbers, integers below 2^53",
            got=str(error),
        ) from error


def parse_canonical_json(data: bytes, what: str) -> Any:
    """Parse ``data`` strictly: it must be exactly the canonical JSON (RFC 8785) of the value it holds.

    So one value has one byte string and one hash. Numbers are IEEE doubles (RFC 8785, section 3.2.2.3): an integer of
    2^53 or more comes back as a float. ``what`` names the document in the error. Raises EncodingError.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    def integer(text: str) -> int | float:
        exact = len(text) <= _LONGEST_INTEGER and abs(int(text)) < _INTEGER_LIMIT
        return int(text) if exact else float(text)

    if _nesting(data) > MAXIMUM_NESTING:  # the parser recurses in C: its stack is not ours to overflow
        raise EncodingError(f"{what} is nested too deeply", expected=f"at most {MAXIMUM_NESTING} levels")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=refuse, parse_int=integer)
    except (ValueError, RecursionError) as error:
        raise EncodingError(
            f"{what} is not JSON in UTF-8",
            expected="canonical JSON (RFC 8785)",
            got=f"{len(data)} bytes: {error}",
            advice="fetch the file again; if it stays, its author wrote it wrongly",
        ) from error
    if canonical_json(value) != data:
        raise EncodingError(
            f"{what} is not in canonical form",
            expected="canonical JSON (RFC 8785): sorted unique keys, no spaces, shortest numbers",
            got=f"{len(data)} bytes that re-encode differently",
            advice="do not edit or re-format this file; its hash is what others agreed on",
        )
    return value


def _nesting(data: bytes) -> int:
    """Return how deeply arrays and objects are nested in JSON text; brackets in strings do not count."""
    depth = deepest = 0
    inside = False
    for token in _TOKENS.findall(data):
        if token == b'"':
            inside = not inside
        elif not inside and len(token) == 1:
            depth += 1 if token in b"[{" else -1
            deepest = max(deepest, depth)
    return deepest


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 digest; names artifacts, models and keys."""
    return hashlib.sha256(data).digest()


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest, as the EVM computes it."""
    return bytes(keccak(data))


def to_hex(data: bytes) -> str:
    """Return ``data`` as lower-case hexadecimal with an ``0x`` prefix."""
    return "0x" + data.hex()


def from_hex(text: object, size: int | None, what: str) -> bytes:
    """Return the bytes of ``text``, which must be what :func:`to_hex` writes, of ``size`` bytes unless None.

    ``what`` names the field in the EncodingError.
    """
    wanted = "0x and lower-case hexadecimal digits"
    if size is not None:
        wanted += f", {size} bytes"
    if not isinstance(text, str):
        raise EncodingError(f"{what} is not a string", expected=wanted, got=type(text).__name__)
    if _HEX.fullmatch(text) is None:
        raise EncodingError(f"{what} is not hexadecimal", expected=wanted, got=f"{len(text)} characters")
    data = bytes.fromhex(text[2:])
    if size is not None and len(data) != size:
        raise EncodingError(f"{what} has the wrong size", expected=wanted, got=f"{len(data)} bytes")
    return data


def int_to_fixed(value: int, width: int) -> bytes:
    """Return ``value`` big-endian in exactly ``width`` bytes. Raises EncodingError if it is negative or too long."""
    if value < 0 or value.bit_length() > 8 * width:
        raise EncodingError("integer does not fit its field", expected=f"0 <= value < 2^{8 * width}")
    return int(value).to_bytes(width, "big")


def fixed_to_int(data: bytes) -> mpz:
    """Return the non-negative integer whose big-endian bytes are ``data``."""
    return mpz.from_bytes(data, "big")
