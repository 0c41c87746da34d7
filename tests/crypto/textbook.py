"""The formulas and formats written down a second time, on Python integers, without importing the package.

Slow and literal on purpose: the vectors in tests/vectors come from here, so an error would have to be made twice.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def merkle_tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, by its recursive definition."""
    if len(leaves) == 1:
        return keccak256(b"\x00" + leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return keccak256(b"\x01" + merkle_tree_hash(leaves[:k]) + merkle_tree_hash(leaves[k:]))


def merkle_root(leaves: list[bytes]) -> bytes:
    return keccak256(b"\x02" + len(leaves).to_bytes(8, "big") + merkle_tree_hash(leaves))


def merkle_path(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, by its recursive definition."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*merkle_path(leaves[:k], index), merkle_tree_hash(leaves[k:])]
    return [*merkle_path(leaves[k:], index - k), merkle_tree_hash(leaves[:k])]


class Transcript:
    """The transcript's format: everything ever absorbed, as one byte string."""

    def __init__(self, label: str) -> None:
        self.data = b"fedtrust/transcript/v2" + self._head(0, label)

    @staticmethod
    def _head(kind: int, label: str) -> bytes:
        return bytes([kind]) + len(label).to_bytes(4, "big") + label.encode()

    def bytes(self, label: str, data: bytes) -> None:
        self.data += self._head(1, label) + len(data).to_bytes(8, "big") + data

    def int(self, label: str, value: int) -> None:
        width = -(-value.bit_length() // 8)
        self.data += self._head(2, label) + width.to_bytes(8, "big") + value.to_bytes(width, "big")

    def ints(self, label: str, values: list[int], width: int) -> None:
        self.data += self._head(3, label) + len(values).to_bytes(8, "big") + width.to_bytes(8, "big")
        self.data += b"".join(value.to_bytes(width, "big") for value in values)

    def _answer(self, kind: int, label: str, count: int, bits: int) -> list[int]:
        self.data += self._head(kind, label) + count.to_bytes(8, "big") + bits.to_bytes(8, "big")
        width = -(-bits // 8)
        stream = hashlib.shake_256(self.data).digest(count * width)
        return [int.from_bytes(stream[i * width : (i + 1) * width], "big") for i in range(count)]

    def coefficients(self, count: int, bits: int, label: str) -> list[int]:
        return [value % 2**bits for value in self._answer(4, label, count, bits)]

    def residues(self, count: int, modulus: int, label: str) -> list[int]:
        return [value % modulus for value in self._answer(5, label, count, modulus.bit_length() + 128)]


def generator(n: int) -> int:
    t = Transcript("Damgard-Jurik-Nielsen generator")
    t.int("n", n)
    return -(t.residues(1, n, "x")[0] ** 2) % n


def encrypt(n: int, plaintext: int, exponent: int) -> int:
    """The definition, without h_s: c = (1 + n)^M h^(n a) mod n^2."""
    return pow(1 + n, plaintext, n * n) * pow(generator(n), n * exponent, n * n) % (n * n)


def decrypt(p: int, q: int, ciphertext: int) -> int:
    """Paillier's own decryption with lambda and mu (Paillier 1999)."""
    n = p * q
    order = math.lcm(p - 1, q - 1)
    return (pow(ciphertext, order, n * n) - 1) // n * pow(order, -1, n) % n


def pack(width: int, slots: int, n: int, values: list[int]) -> list[int]:
    return [
        sum(v << width * i for i, v in enumerate(values[at : at + slots])) % n for at in range(0, len(values), slots)
    ]


def lagrange_at_zero(indices: list[int]) -> dict[int, Fraction]:
    return {i: math.prod((Fraction(j, j - i) for j in indices if j != i), start=Fraction(1)) for i in indices}


def _statement(t: Transcript, fields: dict[str, object]) -> None:
    for label, value in fields.items():
        if isinstance(value, int):
            t.int(label, value)
        else:
            t.bytes(label, value)  # type: ignore[arg-type]


def plaintext_proof(
    n: int, plaintexts: list[int], exponents: list[int], statement: dict[str, object], y: int, b: int
) -> tuple[int, int, int]:
    ciphertexts = [encrypt(n, m, a) for m, a in zip(plaintexts, exponents, strict=True)]
    mask = encrypt(n, y, b)
    t = Transcript("proof of plaintext knowledge")
    t.int("n", n)
    t.int("h", generator(n))
    _statement(t, statement)
    t.ints("ciphertexts", ciphertexts, n.bit_length() // 4)
    t.int("mask", mask)
    r = t.coefficients(len(ciphertexts), 128, "r")
    return (
        mask,
        (y + sum(k * m for k, m in zip(r, plaintexts, strict=True))) % n,
        b + sum(k * a for k, a in zip(r, exponents, strict=True)),
    )


def decryption_proof(
    p: int, q: int, ciphertexts: list[int], plaintexts: list[int], statement: dict[str, object]
) -> list[int]:
    """With the secret key: the roots are (c mod n)^(n^-1 mod lambda), as the threshold committee would find them."""
    n = p * q
    root = pow(n, -1, math.lcm(p - 1, q - 1))
    roots = [pow(c % n, root, n) for c in ciphertexts]
    t = Transcript("proof of decryption")
    t.int("n", n)
    t.int("h", generator(n))
    _statement(t, statement)
    t.ints("ciphertexts", ciphertexts, n.bit_length() // 4)
    t.ints("plaintexts", plaintexts, n.bit_length() // 8)
    combined = []
    for k in range(6):
        r = t.coefficients(len(ciphertexts), 22, f"r{k}")
        combined.append(math.prod(pow(y, e, n) for y, e in zip(roots, r, strict=True)) % n)
    return combined


def key_proof(p: int, q: int) -> list[int]:
    n = p * q
    t = Transcript("key proof")
    t.int("n", n)
    root = pow(n, -1, math.lcm(p - 1, q - 1))
    return [pow(rho, root, n) for rho in t.residues(6, n, "rho")]
