"""Proof of plaintext knowledge for a whole vector, of constant size.

Cramer, Damgard, Nielsen: Multiparty computation from threshold homomorphic encryption, Eurocrypt 2001, section 6.1.2,
batched and made non-interactive (DESIGN.md section 4): a masking ciphertext Y = (1 + y n) h_s^b, coefficients r_j from
the transcript, z = y + sum r_j m_j mod n, s = b + sum r_j a_j; check (1 + z n) h_s^s = Y prod c_j^(r_j) mod n^2.

It stops a participant from committing a multiple of somebody else's ciphertext. It bounds no values.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector, PublicKey
from fedtrust.crypto.statements import UpdateStatement
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import ProofError, UpdateError

COEFFICIENT_BITS = 128
STATISTICAL_BITS = 128
"""By how many bits the mask b exceeds what it hides: s is uniform up to 2^-128, and losses add up over all proofs."""

_MAGIC = b"FTPK"
_VERSION = 2
_ADVICE = "refuse this update; its sender must prove again what it encrypted"


@dataclass(frozen=True, slots=True)
class PlaintextProof:
    """The proof (Y, z, s) under ``key``: a unit modulo n^2, a residue modulo n, a non-negative integer.

    Raises ProofError for values out of range.
    """

    key: PublicKey
    mask: mpz
    z: mpz
    s: mpz

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 < self.mask < self.key.n_squared or gmpy2.gcd(self.mask, self.key.n) != 1:
            raise ProofError("plaintext proof: the mask is not a unit modulo n^2", advice=_ADVICE)
        if not 0 <= self.z < self.key.n:
            raise ProofError("plaintext proof: z is out of range", expected="0 <= z < n", advice=_ADVICE)
        if self.s < 0 or self.s.bit_length() > 8 * _exponent_bytes(self.key):
            raise ProofError("plaintext proof: s is out of range", advice=_ADVICE)

    def to_bytes(self) -> bytes:
        """Return the proof file (``FTPK``): version, then Y, z and s in fixed width; under 2 KB at 3072 bits."""
        return (
            _MAGIC
            + bytes([_VERSION])
            + int_to_fixed(self.mask, self.key.ciphertext_bytes)
            + int_to_fixed(self.z, self.key.plaintext_bytes)
            + int_to_fixed(self.s, _exponent_bytes(self.key))
        )

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey) -> PlaintextProof:
        """Decode and range-check a proof file. Raises ProofError."""
        head = len(_MAGIC) + 1
        z_at = head + key.ciphertext_bytes
        s_at = z_at + key.plaintext_bytes
        size = s_at + _exponent_bytes(key)
        if len(data) != size or data[:head] != _MAGIC + bytes([_VERSION]):
            raise ProofError(
                f"not a plaintext proof of version {_VERSION} under this key",
                expected=f"{size} bytes that start with {_MAGIC.decode()}",
                got=f"{len(data)} bytes",
                advice=_ADVICE,
            )
        return cls(key, fixed_to_int(data[head:z_at]), fixed_to_int(data[z_at:s_at]), fixed_to_int(data[s_at:]))


def _mask_bits(exponent_bits: int, count: int) -> int:
    """Return |b| = |a| + 128 + 128 + ceil(log2 J)."""
    return exponent_bits + COEFFICIENT_BITS + STATISTICAL_BITS + (count - 1).bit_length()


def _exponent_bytes(key: PublicKey) -> int:
    """Return the fixed width of s: |n|/2 + 128 + 128 bits, 32 for any vector length and one for the carry."""
    return (key.bits // 2 + COEFFICIENT_BITS + STATISTICAL_BITS + 33 + 7) // 8


@lru_cache(maxsize=16)
def _inverse_steps(key: PublicKey) -> tuple[mpz, ...]:
    """Return h_s^(-2^(128 i)) modulo n^2, for all digits that an s may have."""
    steps = [gmpy2.invert(key.h_s, key.n_squared)]
    while len(steps) * COEFFICIENT_BITS < 8 * _exponent_bytes(key):
        steps.append(gmpy2.powmod(steps[-1], 1 << COEFFICIENT_BITS, key.n_squared))
    return tuple(steps)


def _coefficients(ciphertexts: CiphertextVector, statement: UpdateStatement, mask: mpz) -> list[mpz]:
    key = ciphertexts.key
    transcript = Transcript("proof of plaintext knowledge")
    transcript.absorb_int("n", key.n)
    transcript.absorb_int("h", key.h)
    statement.absorb_into(transcript)
    transcript.absorb_ints("ciphertexts", ciphertexts.values, key.ciphertext_bytes)
    transcript.absorb_int("mask", mask)
    return transcript.coefficients(len(ciphertexts), COEFFICIENT_BITS, "r")


def prove_plaintext_knowledge(
    key: PublicKey, encrypted: EncryptedVector, plaintexts: Sequence[int], statement: UpdateStatement
) -> PlaintextProof:
    """Return the proof that the prover knows what ``encrypted`` holds, bound to ``statement``.

    Raises UpdateError if ``key`` or the number of ``plaintexts`` is not that of ``encrypted``.
    """
    ciphertexts = encrypted.ciphertexts
    if key.n != ciphertexts.key.n or len(plaintexts) != len(ciphertexts):
        raise UpdateError("plaintext proof: plaintexts and ciphertexts do not belong together")
    # 1. The masking ciphertext.
    y = mpz(secrets.randbelow(int(key.n)))
    b = mpz(secrets.randbits(_mask_bits(encrypted.exponent_bits, len(ciphertexts))))
    mask = (1 + y * key.n) * ARITHMETIC.fixed_base_powers(key.h_s, [b], key.n_squared)[0] % key.n_squared
    # 2. The challenge and 3. the responses.
    coefficients = _coefficients(ciphertexts, statement, mask)
    z = (y + sum(r * m for r, m in zip(coefficients, plaintexts, strict=True))) % key.n
    s = b + sum(r * a for r, a in zip(coefficients, encrypted.exponents, strict=True))
    return PlaintextProof(key, mask, z, s)


def verify_plaintext_knowledge(
    key: PublicKey, ciphertexts: CiphertextVector, statement: UpdateStatement, proof: PlaintextProof
) -> None:
    """Check ``proof`` of ``ciphertexts`` for ``statement``. Raises ProofError."""
    # 1. One key for everything.
    if not key.n == ciphertexts.key.n == proof.key.n:
        raise ProofError("plaintext proof: proof or ciphertexts are under another key", advice=_ADVICE)
    # 2. s is no longer than an honest prover's can be (one bit for the carry of the sum).
    longest = _mask_bits(key.bits // 2, len(ciphertexts)) + 1
    if proof.s.bit_length() > longest:
        raise ProofError(
            "plaintext proof: s is too long", expected=f"{longest} bits", got=proof.s.bit_length(), advice=_ADVICE
        )
    # 3. (1 + z n) h_s^s = Y prod c_j^(r_j) mod n^2, h_s^s on the other side and in digits of s as long as the r_j: one
    # product, for which a verifier needs no table.
    coefficients = _coefficients(ciphertexts, statement, proof.mask)
    steps = _inverse_steps(key)
    digits = [proof.s >> COEFFICIENT_BITS * i & (1 << COEFFICIENT_BITS) - 1 for i in range(len(steps) - 1)]
    digits.append(proof.s >> COEFFICIENT_BITS * len(digits))
    product = ARITHMETIC.multi_exponentiation((*ciphertexts.values, *steps), coefficients + digits, key.n_squared)
    if (1 + proof.z * key.n) % key.n_squared != proof.mask * product % key.n_squared:
        raise ProofError(
            f"plaintext proof of {statement.participant} for round {statement.round} does not hold", advice=_ADVICE
        )
