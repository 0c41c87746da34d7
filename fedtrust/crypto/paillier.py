"""Paillier encryption of vectors in the variant of Damgard, Jurik and Nielsen.

Damgard, Jurik, Nielsen: A generalization of Paillier's public-key system with applications to electronic voting,
International Journal of Information Security 9 (2010), section 4.2: c = (1 + M n) h_s^a mod n^2 with
h = -x^2 mod n and h_s = h^n mod n^2. Multiplying ciphertexts adds plaintexts modulo n.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import int_to_fixed, keccak256
from fedtrust.crypto.merkle import merkle_root
from fedtrust.crypto.transcript import Transcript
from fedtrust.crypto.vector_codec import decode_vector, encode_vector
from fedtrust.errors import CiphertextError, ConfigurationError, UpdateError

MINIMUM_BITS = 2048
"""Shortest modulus admitted at all: for tests and demonstrations."""
RECOMMENDED_BITS = 3072
"""Shortest modulus of 128-bit security (NIST SP 800-57); a shorter one gives an InsecureKeyWarning."""
MAXIMUM_BITS = 8192
SHORT_EXPONENT_BITS = 512
"""Optional |a|: faster, but rests on short exponents of h_s being indistinguishable from long ones as well."""

_MINIMUM_TOY_BITS = 256
_MINIMUM_EXPONENT_BITS = 256
_CIPHERTEXT_MAGIC = b"FTCV"
_AT_ONCE = 4096  # ciphertexts in the making: bounds what encryption holds beside its result


class InsecureKeyWarning(UserWarning):
    """A key is too short for real data."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key n with everything derived from it; h comes from a hash of n, so nobody chose it.

    Raises ConfigurationError for a modulus that is even or of a size not admitted; warns with InsecureKeyWarning
    below 3072 bits. That n is well formed is what the key proof shows (:mod:`fedtrust.crypto.key_proof`).
    """

    n: mpz
    toy: bool = field(default=False, kw_only=True, compare=False)
    h: mpz = field(init=False, repr=False, compare=False)
    h_s: mpz = field(init=False, repr=False, compare=False)
    n_squared: mpz = field(init=False, repr=False, compare=False)
    bits: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Check size and form, and derive the rest."""
        n = mpz(self.n)
        bits = n.bit_length()
        minimum = _MINIMUM_TOY_BITS if self.toy else MINIMUM_BITS
        if n < 0 or n % 2 == 0 or bits % 16 or not minimum <= bits <= MAXIMUM_BITS:
            raise ConfigurationError(
                "modulus of this form or size is not admitted",
                expected=f"an odd modulus of {minimum} to {MAXIMUM_BITS} bits, a multiple of 16",
                got=f"{bits} bits",
                advice=f"make a key of {RECOMMENDED_BITS} bits",
            )
        if bits < RECOMMENDED_BITS:
            warnings.warn(
                f"a key of {bits} bits does not protect real data; use {RECOMMENDED_BITS}",
                InsecureKeyWarning,
                stacklevel=3,
            )
        h, h_s = _generators(n)
        object.__setattr__(self, "n", n)
        object.__setattr__(self, "n_squared", n * n)
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "h", h)
        object.__setattr__(self, "h_s", h_s)

    @classmethod
    def insecure_toy(cls, n: int) -> PublicKey:
        """Return a key that may be as short as 256 bits: for unit tests of the arithmetic only.

        No manifest and no decoder ever admits one.
        """
        return cls(mpz(n), toy=True)

    @property
    def ciphertext_bytes(self) -> int:
        """Width of a ciphertext in bytes: 768 at 3072 bits."""
        return self.bits // 4

    @property
    def plaintext_bytes(self) -> int:
        """Width of a plaintext, a root or a partial in bytes: 384 at 3072 bits."""
        return self.bits // 8

    @property
    def modulus_hash(self) -> bytes:
        """Keccak-256 of n^2, big-endian in the width of a ciphertext: what disputes on chain multiply by."""
        return keccak256(int_to_fixed(self.n_squared, self.ciphertext_bytes))


@lru_cache(maxsize=16)
def _generators(n: mpz) -> tuple[mpz, mpz]:
    """Return h = -x^2 mod n, x hashed from n, and h_s = h^n mod n^2."""
    transcript = Transcript("Damgard-Jurik-Nielsen generator")
    transcript.absorb_int("n", n)
    x = transcript.residues(1, n, "x")[0]
    if gmpy2.gcd(x, n) != 1:
        raise ConfigurationError("modulus has a small factor", advice="make a new key")
    h = -x * x % n
    return h, gmpy2.powmod(h, n, n * n)


def require_units(key: PublicKey, values: Sequence[mpz], modulus: mpz, what: str) -> None:
    """Raise CiphertextError naming the first value outside [1, modulus) or not coprime to n.

    ``modulus`` is n or n^2; ``what`` names one value.
    """
    for index, value in enumerate(values):
        if not 0 < value < modulus:
            raise CiphertextError(
                f"{what} {index} is out of range", expected="1 <= value < the modulus", got=f"{value.bit_length()} bits"
            )
    # One gcd of the product finds that none shares a factor with n; only a failure is worth searching for.
    product = ARITHMETIC.multi_exponentiation(values, [mpz(1)] * len(values), key.n)
    if gmpy2.gcd(product, key.n) != 1:
        index = next(i for i, value in enumerate(values) if gmpy2.gcd(value, key.n) != 1)
        raise CiphertextError(f"{what} {index} is not a unit modulo n", expected="a value coprime to n")


@dataclass(frozen=True, slots=True)
class CiphertextVector:
    """A non-empty vector of ciphertexts under ``key``, each a unit in [1, n^2).

    Raises CiphertextError, naming the index.
    """

    key: PublicKey
    values: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Check that there are ciphertexts and that all are units."""
        if not self.values:
            raise CiphertextError("ciphertext vector is empty", expected="at least one ciphertext")
        require_units(self.key, self.values, self.key.n_squared, "ciphertext")

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def to_bytes(self) -> bytes:
        """Return the ciphertext file: fixed-width big-endian values after a header (``FTCV``)."""
        return encode_vector(_CIPHERTEXT_MAGIC, self.values, self.key.ciphertext_bytes)

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, expected_count: int | None = None) -> CiphertextVector:
        """Decode and validate a ciphertext file. Raises CiphertextError."""
        _, values = decode_vector(
            _CIPHERTEXT_MAGIC, data, key.ciphertext_bytes, what="ciphertext vector", expected_count=expected_count
        )
        return cls(key, values)

    def leaves(self) -> list[bytes]:
        """Return the Merkle leaves: the ciphertexts in fixed width."""
        return [int_to_fixed(value, self.key.ciphertext_bytes) for value in self.values]

    def root(self) -> bytes:
        """Return the Merkle root that commits to every ciphertext, its place and their number."""
        return merkle_root(self.leaves())


@dataclass(frozen=True, slots=True)
class EncryptedVector:
    """What an encryptor keeps: the ciphertexts, and the secret exponents its proof of plaintext knowledge needs."""

    ciphertexts: CiphertextVector
    exponents: tuple[mpz, ...] = field(repr=False)
    exponent_bits: int

    def __post_init__(self) -> None:
        """Check numbers and lengths."""
        if len(self.exponents) != len(self.ciphertexts):
            raise UpdateError("one exponent for each ciphertext", expected=len(self.ciphertexts))
        if any(exponent < 0 or exponent.bit_length() > self.exponent_bits for exponent in self.exponents):
            raise UpdateError("an exponent is out of range", expected=f"{self.exponent_bits} bits")


def encrypt_vector(key: PublicKey, plaintexts: Sequence[int], *, exponent_bits: int | None = None) -> EncryptedVector:
    """Encrypt ``plaintexts``, integers in [0, n), each under a fresh secret exponent.

    ``exponent_bits`` is |a|: by default half of |n|, the length for which the paper proves security under decisional
    composite residuosity alone. :data:`SHORT_EXPONENT_BITS` is admitted and adds its own assumption. Raises
    UpdateError for a plaintext out of range, ConfigurationError for an exponent length out of range.
    """
    longest = key.bits // 2
    bits = longest if exponent_bits is None else exponent_bits
    if not min(_MINIMUM_EXPONENT_BITS, longest) <= bits <= longest:
        raise ConfigurationError(
            "encryption exponents of this length are not admitted",
            expected=f"{_MINIMUM_EXPONENT_BITS} to {longest} bits",
            got=f"{bits} bits",
        )
    for index, plaintext in enumerate(plaintexts):
        if not 0 <= plaintext < key.n:
            raise UpdateError(f"plaintext {index} is out of range", expected="0 <= plaintext < n")
    exponents = tuple(mpz(secrets.randbits(bits)) for _ in plaintexts)
    return EncryptedVector(_encrypt(key, plaintexts, exponents), exponents, bits)


def _encrypt(key: PublicKey, plaintexts: Sequence[int], exponents: Sequence[mpz]) -> CiphertextVector:
    """Return the ciphertexts (1 + M n) h_s^a mod n^2 of the given plaintexts and exponents."""
    values: list[mpz] = []
    for at in range(0, len(plaintexts), _AT_ONCE):
        masks = ARITHMETIC.fixed_base_powers(key.h_s, exponents[at : at + _AT_ONCE], key.n_squared)
        openings = [1 + mpz(plaintext) * key.n for plaintext in plaintexts[at : at + _AT_ONCE]]
        values += ARITHMETIC.products([openings, masks], key.n_squared)
    return CiphertextVector(key, tuple(values))
