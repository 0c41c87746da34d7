"""Aggregates with all that their trustees know together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.statements import DecryptionStatement
from tests.crypto.forgeries.attacks import roots_of


@dataclass(frozen=True)
class Sum:
    """An aggregate with all that its trustees know together."""

    ciphertexts: CiphertextVector
    plaintexts: tuple[int, ...]
    roots: tuple[mpz, ...]

    @property
    def statement(self) -> DecryptionStatement:
        return statement(self.ciphertexts)


def statement(ciphertexts: CiphertextVector) -> DecryptionStatement:
    return DecryptionStatement(31337, "0x" + "c0" * 20, 3, bytes([7]) * 32, ciphertexts.root())


def make_sum(key: PublicKey, primes: Sequence[int], count: int) -> Sum:
    plaintexts = tuple(1000 + j for j in range(count))
    ciphertexts = encrypt_vector(key, plaintexts).ciphertexts
    return Sum(ciphertexts, plaintexts, tuple(roots_of(key, primes, ciphertexts)))
