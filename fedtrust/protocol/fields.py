"""Strict reading of JSON objects: every key known, every value of its type, errors that name the field."""

from __future__ import annotations

from typing import Any

from eth_utils.address import is_checksum_address

from fedtrust.crypto.encoding import from_hex
from fedtrust.errors import EncodingError
from fedtrust.ledger.types import Address

_AMOUNT_DIGITS = len(str(1 << 256))


class Fields:
    """One JSON object being read; ``what`` names it in errors. Call :meth:`end` last: it refuses unknown keys."""

    def __init__(self, value: Any, what: str) -> None:
        """Raise EncodingError unless ``value`` is a JSON object."""
        if not isinstance(value, dict):
            raise EncodingError(f"{what} is not an object", got=type(value).__name__)
        self._rest: dict[str, Any] = dict(value)
        self._what = what

    def take(self, name: str, *types: type) -> Any:
        """Remove and return field ``name``, which must be of one of ``types`` (a bool is never an int)."""
        if name not in self._rest:
            raise EncodingError(f"{self._what} has no field {name!r}")
        value = self._rest.pop(name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise EncodingError(
                f"{self._what}.{name} has the wrong type",
                expected=" or ".join(t.__name__ for t in types),
                got=type(value).__name__,
            )
        return value

    def integer(self, name: str, minimum: int = 0, maximum: int = 2**53 - 1) -> int:
        """Return an integer field within [minimum, maximum]."""
        value: int = self.take(name, int)
        if not minimum <= value <= maximum:
            raise EncodingError(f"{self._what}.{name} is out of range", expected=f"{minimum} to {maximum}", got=value)
        return value

    def amount(self, name: str) -> int:
        """Return an integer of the EVM's range [0, 2^256), written as a decimal string (wei exceed 2^53)."""
        text: str = self.take(name, str)
        # the length first: converting a long string takes quadratic time, and Python refuses one of 4,301 digits
        if not text.isascii() or not text.isdigit() or len(text) > _AMOUNT_DIGITS or (text[0] == "0" and text != "0"):
            raise EncodingError(f"{self._what}.{name} is not a canonical decimal", got=text[:_AMOUNT_DIGITS])
        value = int(text)
        if value >= 1 << 256:
            raise EncodingError(f"{self._what}.{name} is out of range", expected="below 2^256", got=text)
        return value

    def number(self, name: str) -> float:
        """Return a finite number as a float."""
        return float(self.take(name, int, float))

    def text(self, name: str) -> str:
        """Return a string field."""
        value: str = self.take(name, str)
        return value

    def hash(self, name: str, size: int = 32) -> bytes:
        """Return a field of ``size`` bytes written as 0x and lower-case hex."""
        return from_hex(self.take(name, str), size, f"{self._what}.{name}")

    def blob(self, name: str) -> bytes:
        """Return a field of any number of bytes written as 0x and lower-case hex."""
        return from_hex(self.take(name, str), None, f"{self._what}.{name}")

    def address(self, name: str) -> Address:
        """Return an EIP-55 checksummed address."""
        return address(self.take(name, str), f"{self._what}.{name}")

    def list(self, name: str) -> list[Any]:
        """Return an array field."""
        value: list[Any] = self.take(name, list)
        return value

    def object(self, name: str) -> Fields:
        """Return an object field, to be read and ended by the caller."""
        return Fields(self.take(name, dict), f"{self._what}.{name}")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object field with free keys."""
        value: dict[str, Any] = self.take(name, dict)
        return value

    def version(self, supported: int) -> None:
        """Read ``version`` and refuse any but ``supported``."""
        got = self.integer("version")
        if got != supported:
            raise EncodingError(
                f"{self._what} has another version",
                expected=supported,
                got=got,
                advice="use a fedtrust release that speaks this version",
            )

    def end(self) -> None:
        """Refuse fields nobody asked for."""
        if self._rest:
            raise EncodingError(f"{self._what} has unknown fields", got=sorted(self._rest))


def address(text: object, what: str) -> Address:
    """Return ``text`` as an address; raises EncodingError unless it is EIP-55 checksummed."""
    if not isinstance(text, str) or not is_checksum_address(text):
        raise EncodingError(f"{what} is not an EIP-55 checksummed address", got=text)
    return Address(text)
