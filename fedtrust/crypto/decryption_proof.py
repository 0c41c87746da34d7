"""Public proof of decryption, of constant size: anyone checks that the plaintexts belong to the aggregate.

docs/cryptography.md, section 6. From the n-th roots y_j (c_j = (1 + M_j n) y_j^n mod n^2): for k = 1..6, 22-bit
coefficients r_kj from the transcript, R_k = prod_j y_j^(r_kj) mod n. Check, for every k,
R_k^n (1 + n sum_j r_kj M_j) = prod_j c_j^(r_kj) mod n^2.

Sound for keys whose key proof holds: Z*_{n^2} modulo n-th residues is Z_n when gcd(n, phi(n)) = 1; a false M_j is
non-zero modulo some prime factor of n, all above 2^22, so each combination misses it with probability at most 2^-22
and all six with 2^-132. No trust in trustees or dealer. (One combination with 128-bit coefficients would be sound
only if n had no factor under 2^128, which nobody can check.) Six powers modulo n^2 are most of what a verifier pays;
a bound of 2^16 on the factors would need eight of them.

A threshold opening knows w_j with w_j^n = c_j^g mod n, g = 4 D^2, instead of y_j. With g A + n B = 1 the combination
is R_k = (prod w_j^(r_kj))^A (prod c_j^(r_kj))^B mod n: one long power for each combination, none for a ciphertext.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.key_proof import SMALL_FACTOR_BITS
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import Opening
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import CiphertextError, ProofError

COMBINATIONS = 6
COEFFICIENT_BITS = SMALL_FACTOR_BITS

_MAGIC = b"FTDP"
_VERSION = 2
_ADVICE = "do not accept this round's result"


@dataclass(frozen=True, slots=True)
class DecryptionProof:
    """The six combined roots R_k under ``key``, units in [1, n). Raises ProofError."""

    key: PublicKey
    roots: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Check number and range of the roots."""
        if len(self.roots) != COMBINATIONS:
            raise ProofError("decryption proof has the wrong size", expected=COMBINATIONS, got=len(self.roots))
        for k, root in enumerate(self.roots):
            if not 0 < root < self.key.n or gmpy2.gcd(root, self.key.n) != 1:
                raise ProofError(f"decryption proof: root {k} is not a unit modulo n", advice=_ADVICE)

    def to_bytes(self) -> bytes:
        """Return the proof file (``FTDP``): version, then six values in fixed width; 2,309 bytes at 3072 bits."""
        width = self.key.plaintext_bytes
        return _MAGIC + bytes([_VERSION]) + b"".join(int_to_fixed(root, width) for root in self.roots)

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey) -> DecryptionProof:
        """Decode and range-check a proof file. Raises ProofError."""
        head, width = len(_MAGIC) + 1, key.plaintext_bytes
        size = head + COMBINATIONS * width
        if len(data) != size or data[:head] != _MAGIC + bytes([_VERSION]):
            raise ProofError(
                f"not a decryption proof of version {_VERSION} under this key",
                expected=f"{size} bytes that start with {_MAGIC.decode()}",
                got=f"{len(data)} bytes",
                advice=_ADVICE,
            )
        return cls(key, tuple(fixed_to_int(data[at : at + width]) for at in range(head, size, width)))


def _coefficients(
    ciphertexts: CiphertextVector, plaintexts: Sequence[int], statement: DecryptionStatement
) -> list[list[mpz]]:
    """Return the six rows r_k of coefficients."""
    key = ciphertexts.key
    transcript = Transcript("proof of decryption")
    transcript.absorb_int("n", key.n)
    transcript.absorb_int("h", key.h)
    statement.absorb_into(transcript)
    transcript.absorb_ints("ciphertexts", ciphertexts.values, key.ciphertext_bytes)
    transcript.absorb_ints("plaintexts", plaintexts, key.plaintext_bytes)
    return [transcript.coefficients(len(ciphertexts), COEFFICIENT_BITS, f"r{k}") for k in range(COMBINATIONS)]


def _require_aggregate(key: PublicKey, ciphertexts: CiphertextVector, statement: DecryptionStatement) -> None:
    if ciphertexts.key.n != key.n:
        raise ProofError("decryption proof: ciphertexts are under another key", advice=_ADVICE)
    root = ciphertexts.root()
    if root != statement.aggregate_root:
        raise ProofError(
            "decryption proof is about another aggregate",
            expected=statement.aggregate_root.hex(),
            got=root.hex(),
            advice=_ADVICE,
        )


def prove_decryption(
    key: PublicKey, ciphertexts: CiphertextVector, opening: Opening, statement: DecryptionStatement
) -> DecryptionProof:
    """Return the proof that ``opening`` opens ``ciphertexts``. Raises ProofError if they are not the statement's."""
    _require_aggregate(key, ciphertexts, statement)
    if not len(opening.plaintexts) == len(opening.roots) == len(ciphertexts):
        raise ProofError("decryption proof: opening and aggregate have different lengths")
    rows = _coefficients(ciphertexts, opening.plaintexts, statement)
    combined = ARITHMETIC.multi_exponentiations(opening.roots, rows, key.n)
    return DecryptionProof(key, tuple(_nth_roots(key, ciphertexts, rows, combined, opening.power)))


def _nth_roots(
    key: PublicKey, ciphertexts: CiphertextVector, rows: Sequence[Sequence[mpz]], combined: Sequence[mpz], power: mpz
) -> list[mpz]:
    """Return R_k from W_k = R_k^power: W_k^A X_k^B with power A + n B = 1 and X_k = prod_j c_j^(r_kj) mod n."""
    if power == 1:
        return list(combined)
    a = gmpy2.invert(power, key.n)
    b = (1 - power * a) // key.n
    residues = [value % key.n for value in ciphertexts.values]
    bases = ARITHMETIC.multi_exponentiations(residues, rows, key.n)
    return ARITHMETIC.products(
        [ARITHMETIC.same_exponent_powers(combined, a, key.n), ARITHMETIC.same_exponent_powers(bases, b, key.n)], key.n
    )


def verify_decryption(
    key: PublicKey,
    ciphertexts: CiphertextVector,
    plaintexts: Sequence[int],
    statement: DecryptionStatement,
    proof: DecryptionProof,
) -> None:
    """Check that ``plaintexts`` are the decryption of ``ciphertexts``. Raises ProofError.

    ``key`` must be that of a verified manifest: soundness rests on its key proof.
    """
    # 1. One key, and the aggregate the statement names. Ciphertexts are units in [1, n^2) by construction.
    _require_aggregate(key, ciphertexts, statement)
    if proof.key.n != key.n:
        raise ProofError("decryption proof is under another key", advice=_ADVICE)
    # 2. As many plaintexts as ciphertexts, each in [0, n).
    if len(plaintexts) != len(ciphertexts):
        raise ProofError("decryption proof: wrong number of plaintexts", expected=len(ciphertexts), got=len(plaintexts))
    try:
        values = PlaintextVector(key, tuple(plaintexts)).values
    except CiphertextError as error:
        raise ProofError(f"decryption proof: {error.message}", expected=error.expected, advice=_ADVICE) from error
    # 3. R_k^n (1 + n sum_j r_kj M_j) = prod_j c_j^(r_kj) mod n^2 for every k.
    rows = _coefficients(ciphertexts, values, statement)
    powers = ARITHMETIC.same_exponent_powers(proof.roots, key.n, key.n_squared)
    combined = ARITHMETIC.multi_exponentiations(ciphertexts.values, rows, key.n_squared)
    for k, (row, power, right) in enumerate(zip(rows, powers, combined, strict=True)):
        total = sum(r * m for r, m in zip(row, values, strict=True)) % key.n
        left = power * (1 + total * key.n) % key.n_squared
        if left != right:
            raise ProofError(
                f"decryption proof of round {statement.round} does not hold in combination {k}",
                expected="plaintexts that belong to the aggregate",
                advice=_ADVICE,
            )
