"""The file of the summed plaintexts: what a decrypted round publishes."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.vector_codec import decode_vector, encode_vector
from fedtrust.errors import CiphertextError

_MAGIC = b"FTMV"


@dataclass(frozen=True, slots=True)
class PlaintextVector:
    """A non-empty vector of plaintexts under ``key``, each in [0, n). Raises CiphertextError naming the index."""

    key: PublicKey
    values: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Check ranges."""
        if not self.values:
            raise CiphertextError("plaintext vector is empty", expected="at least one plaintext")
        for index, value in enumerate(self.values):
            if not 0 <= value < self.key.n:
                raise CiphertextError(f"plaintext {index} is out of range", expected="0 <= plaintext < n")

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def to_bytes(self) -> bytes:
        """Return the plaintext file: fixed-width big-endian values after a header (``FTMV``)."""
        return encode_vector(_MAGIC, self.values, self.key.plaintext_bytes)

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, expected_count: int | None = None) -> PlaintextVector:
        """Decode and validate a plaintext file. Raises CiphertextError."""
        _, values = decode_vector(
            _MAGIC, data, key.plaintext_bytes, what="plaintext vector", expected_count=expected_count
        )
        return cls(key, tuple(int(value) for value in values))
