"""The Fiat-Shamir transcript: one module turns statements into challenges, for every proof of this package.

A transcript is SHAKE-256 over an injective encoding: every item carries its kind, its label and its length, so two
different sequences of items never give the same bytes. What is asked for (label, count, size) is absorbed before it
is answered, so challenges are bound to their place and purpose too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gmpy2 import mpz

from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed

_DOMAIN = b"fedtrust/transcript/v2"
_KIND_START, _KIND_BYTES, _KIND_INT, _KIND_INTS, _KIND_COEFFICIENTS, _KIND_RESIDUES = range(6)
_EXTRA_BITS = 128  # makes a reduction modulo n indistinguishable from uniform


class Transcript:
    """A running Fiat-Shamir transcript with the protocol's ``label``."""

    __slots__ = ("_state",)

    def __init__(self, label: str) -> None:
        """Start a transcript of the protocol called ``label``."""
        self._state = hashlib.shake_256(_DOMAIN)
        self._open(_KIND_START, label)

    def _open(self, kind: int, label: str) -> None:
        name = label.encode()
        self._state.update(bytes([kind]) + int_to_fixed(len(name), 4) + name)

    def absorb_bytes(self, label: str, data: bytes) -> None:
        """Absorb ``data`` of any length."""
        self._open(_KIND_BYTES, label)
        self._state.update(int_to_fixed(len(data), 8))
        self._state.update(data)

    def absorb_int(self, label: str, value: int) -> None:
        """Absorb a non-negative integer of any size."""
        width = (value.bit_length() + 7) // 8
        self._open(_KIND_INT, label)
        self._state.update(int_to_fixed(width, 8) + int_to_fixed(value, width))

    def absorb_ints(self, label: str, values: Sequence[int], width: int) -> None:
        """Absorb a vector of non-negative integers, each in ``width`` bytes. Raises EncodingError if one is longer."""
        self._open(_KIND_INTS, label)
        self._state.update(int_to_fixed(len(values), 8) + int_to_fixed(width, 8))
        for value in values:
            self._state.update(int_to_fixed(value, width))

    def coefficients(self, count: int, bits: int, label: str) -> list[mpz]:
        """Return ``count`` challenges, uniform over ``bits`` bits. Raises ValueError without bits."""
        if bits <= 0:
            raise ValueError("a coefficient needs at least one bit")
        mask = (1 << bits) - 1
        return [value & mask for value in self._answer(_KIND_COEFFICIENTS, label, count, bits)]

    def residues(self, count: int, modulus: int, label: str) -> list[mpz]:
        """Return ``count`` challenges, uniform modulo ``modulus`` up to 2^-128."""
        bits = modulus.bit_length() + _EXTRA_BITS
        return [value % modulus for value in self._answer(_KIND_RESIDUES, label, count, bits)]

    def _answer(self, kind: int, label: str, count: int, bits: int) -> list[mpz]:
        """Return ``count`` integers of ``bits`` bits, rounded up to whole bytes."""
        self._open(kind, label)
        self._state.update(int_to_fixed(count, 8) + int_to_fixed(bits, 8))
        width = (bits + 7) // 8
        stream = self._state.digest(count * width)
        return [fixed_to_int(stream[at : at + width]) for at in range(0, count * width, width)]
