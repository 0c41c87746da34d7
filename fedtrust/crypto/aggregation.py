"""The running product of ciphertext vectors: one pass, one vector in memory beside it, resumable at any point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import HASH_BYTES, int_to_fixed, sha256
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.statements import require_hash
from fedtrust.errors import CiphertextError

_MAGIC = b"FTAG"
_VERSION = 1
_HEAD_BYTES = len(_MAGIC) + 1 + 4
_MAXIMUM_VECTORS = 1 << 16


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The elementwise product of the vectors called ``names``, in the order they were added.

    A name is a hash that tells vectors apart, the Merkle root for instance; an interrupted product goes on with the
    first vector whose name is not in it. Values are units modulo n^2, as products of checked vectors.
    """

    key: PublicKey
    names: tuple[bytes, ...] = ()
    values: tuple[mpz, ...] = field(default=(), repr=False)

    def add(self, name: bytes, vector: CiphertextVector) -> Aggregation:
        """Return the product with one more vector.

        Raises CiphertextError if it is under another key, of another length, or in the product already.
        """
        require_hash(name, "name of a ciphertext vector")
        position = len(self.names)
        if name in self.names:
            raise CiphertextError(f"ciphertext vector {position} is in the product already", got=name.hex())
        _require_factor(self.key, len(self.values) if self.names else len(vector), position, vector)
        if not self.names:
            return Aggregation(self.key, (name,), vector.values)
        product = ARITHMETIC.products([self.values, vector.values], self.key.n_squared)
        return Aggregation(self.key, (*self.names, name), tuple(product))

    def product(self) -> CiphertextVector:
        """Return the product, which encrypts the sum of the plaintexts modulo n. Raises CiphertextError for none."""
        if not self.names:
            raise CiphertextError("nothing to multiply", expected="at least one ciphertext vector")
        return CiphertextVector(self.key, self.values)

    def to_bytes(self) -> bytes:
        """Return the file of an unfinished product (``FTAG``): names, the product's file, and a digest of it all."""
        head = _MAGIC + bytes([_VERSION]) + int_to_fixed(len(self.names), 4)
        body = head + b"".join(self.names) + (self.product().to_bytes() if self.names else b"")
        return body + sha256(body)

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey) -> Aggregation:
        """Read an unfinished product. Raises CiphertextError for a file that is damaged or under another key."""
        body, digest = data[:-HASH_BYTES], data[-HASH_BYTES:]
        count = int.from_bytes(body[_HEAD_BYTES - 4 : _HEAD_BYTES], "big")
        start = _HEAD_BYTES + count * HASH_BYTES
        if body[: len(_MAGIC) + 1] != _MAGIC + bytes([_VERSION]) or sha256(body) != digest or len(body) < start:
            raise CiphertextError(
                f"not an unfinished product of version {_VERSION}, or a damaged one", advice="start the product afresh"
            )
        names = tuple(body[at : at + HASH_BYTES] for at in range(_HEAD_BYTES, start, HASH_BYTES))
        if count > _MAXIMUM_VECTORS or len(set(names)) != count or (not names and body[start:]):
            raise CiphertextError("unfinished product is malformed", advice="start the product afresh")
        if not names:
            return cls(key)
        return cls(key, names, CiphertextVector.from_bytes(body[start:], key).values)


def multiply_vectors(key: PublicKey, vectors: Iterable[CiphertextVector]) -> CiphertextVector:
    """Return the elementwise product, which encrypts the sum of the plaintexts modulo n.

    Vectors are consumed one after the other, so they may come from disk. Raises CiphertextError if there is none,
    or one is under another key or of another length.
    """
    rows = _checked_rows(key, vectors)
    first = next(rows, None)
    if first is None:
        raise CiphertextError("nothing to multiply", expected="at least one ciphertext vector")
    return CiphertextVector(key, tuple(ARITHMETIC.products(chain([first], rows), key.n_squared)))


def _checked_rows(key: PublicKey, vectors: Iterable[CiphertextVector]) -> Iterator[tuple[mpz, ...]]:
    length = None
    for position, vector in enumerate(vectors):
        length = len(vector) if length is None else length
        _require_factor(key, length, position, vector)
        yield vector.values


def _require_factor(key: PublicKey, length: int, position: int, vector: CiphertextVector) -> None:
    """Raise CiphertextError if the vector is under another key or of another length."""
    if vector.key.n != key.n:
        raise CiphertextError(f"ciphertext vector {position} is under another key")
    if len(vector) != length:
        raise CiphertextError(f"ciphertext vector {position} has another length", expected=length, got=len(vector))
