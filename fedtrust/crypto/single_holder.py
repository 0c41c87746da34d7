"""One holder of the whole key, for use inside one organisation: WHO HOLDS IT CAN READ EVERY SINGLE UPDATE.

A federation of several parties must not use this: its updates are private because no fewer than t trustees can decrypt
(:mod:`fedtrust.crypto.threshold`). A single holder is for one organisation that encrypts against others (a storage, an
aggregator it hires) and not against itself.

Decryption is by Chinese remainders (Paillier, Eurocrypt 1999, section 7): from c^(p-1) = 1 + (p-1) M n mod p^2 follows
M mod p = L_p(c^(p-1) mod p^2) h_p mod p with L_p(x) = (x - 1) / p and h_p = -q^-1 mod p, since (p - 1) q = -q mod p;
and alike for q.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.key_file import SCRYPT_COST, open_with_passphrase, seal_with_passphrase
from fedtrust.crypto.paillier import MAXIMUM_BITS, MINIMUM_BITS, RECOMMENDED_BITS, CiphertextVector, PublicKey
from fedtrust.crypto.primes import is_safe_prime, safe_prime
from fedtrust.errors import CiphertextError, ConfigurationError, KeyFileError

PURPOSE = "fedtrust/single-holder-key/v1"
"""What the key file of a single-holder key says it is for."""

_MINIMUM_PRIME_DISTANCE_BITS = 100  # FIPS 186-5, A.1.3: |p - q| > 2^(|p| - 100)
_CHECK_BITS = 128


@dataclass(frozen=True, slots=True)
class SingleHolderKey:
    """The two safe primes p and q of n, all of the key in one hand. Its holder can read every single update.

    p and q must be distinct safe primes of one size, not close together. That implies all that the encryption of
    Damgard, Jurik and Nielsen asks for (p = q = 3 mod 4, gcd(p - 1, q - 1) = 2, n squarefree, gcd(n, phi(n)) = 1), and
    that no element of Z_n^* but a few has a small order, which the arguments for all our proofs and for half-length
    exponents use. The smaller prime is kept as ``p``. Raises ConfigurationError, which never holds a prime.
    """

    p: mpz = field(repr=False)
    q: mpz = field(repr=False)
    public_key: PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the primes and make the public key."""
        p, q = sorted((mpz(self.p), mpz(self.q)))
        half = p.bit_length()
        if not (p > 0 and half == q.bit_length() and MINIMUM_BITS <= 2 * half <= MAXIMUM_BITS):
            raise ConfigurationError(
                "single-holder key: primes of this size are not admitted",
                expected=f"two primes of one size, {MINIMUM_BITS // 2} to {MAXIMUM_BITS // 2} bits",
                got=f"{half} and {q.bit_length()} bits",
            )
        if (q - p).bit_length() <= half - _MINIMUM_PRIME_DISTANCE_BITS:
            raise ConfigurationError(
                "single-holder key: the two primes are too close together", advice="make a new key"
            )
        if not (is_safe_prime(p) and is_safe_prime(q)):
            raise ConfigurationError(
                "single-holder key: not made of safe primes",
                expected="p and (p - 1) / 2 both prime, q alike",
                advice="make a key with `fedtrust key create --single-holder`",
            )
        object.__setattr__(self, "p", p)
        object.__setattr__(self, "q", q)
        object.__setattr__(self, "public_key", PublicKey(p * q))

    @classmethod
    def generate(cls, bits: int = RECOMMENDED_BITS, progress: Callable[[str], None] | None = None) -> SingleHolderKey:
        """Make a new key with n of ``bits`` bits, a multiple of 16. ``progress`` receives lines for a person.

        Raises ConfigurationError for a size that is not admitted.
        """
        if not MINIMUM_BITS <= bits <= MAXIMUM_BITS or bits % 16:
            raise ConfigurationError(
                "single-holder key: key size is not admitted",
                expected=f"{MINIMUM_BITS} to {MAXIMUM_BITS} bits, a multiple of 16",
                got=bits,
            )
        p, q = safe_prime(bits // 2, progress), safe_prime(bits // 2, progress)
        while abs(p - q).bit_length() <= bits // 2 - _MINIMUM_PRIME_DISTANCE_BITS:
            q = safe_prime(bits // 2, progress)
        return cls(p, q)

    def to_bytes(self, passphrase: str, *, cost: int = SCRYPT_COST) -> bytes:
        """Return the key file of p and q under ``passphrase``. See :func:`seal_with_passphrase`."""
        width = self.public_key.bits // 16
        secret = int_to_fixed(self.p, width) + int_to_fixed(self.q, width)
        return seal_with_passphrase(secret, passphrase, PURPOSE, cost=cost)

    @classmethod
    def from_bytes(
        cls, data: bytes, passphrase: str, *, minimum_cost: int = SCRYPT_COST, what: str = "the key file"
    ) -> SingleHolderKey:
        """Open a key file and check the key in it. See :func:`open_with_passphrase`; ``what`` names it in errors.

        Raises KeyFileError or PassphraseError.
        """
        secret = open_with_passphrase(data, passphrase, PURPOSE, minimum_cost=minimum_cost, what=what)
        width = len(secret) // 2
        p, q = fixed_to_int(secret[:width]), fixed_to_int(secret[width:])
        if len(secret) % 2 or p.bit_length() != 8 * width or not p < q:
            raise KeyFileError(f"{what} holds no single-holder key", expected="p and q in one width, p < q")
        try:
            return cls(p, q)
        except ConfigurationError as error:
            raise KeyFileError(
                f"{what}: {error.message}", expected=error.expected, got=error.got, advice=error.advice
            ) from None


def decrypt_vector(key: SingleHolderKey, ciphertexts: CiphertextVector) -> tuple[int, ...]:
    """Return the plaintexts in [0, n), in order. Raises CiphertextError for another key's ciphertexts."""
    _require_key(key, ciphertexts)
    modulo_p = _decrypt_modulo(key.p, key.q, ciphertexts.values)
    modulo_q = _decrypt_modulo(key.q, key.p, ciphertexts.values)
    return tuple(int(m) for m in _join(key, modulo_p, modulo_q))


def _decrypt_modulo(p: mpz, q: mpz, ciphertexts: Sequence[mpz]) -> list[mpz]:
    """Return every M mod p."""
    square = p * p
    powers = ARITHMETIC.same_exponent_powers([c % square for c in ciphertexts], p - 1, square)
    factor = gmpy2.invert(-q, p)
    return [(power - 1) // p * factor % p for power in powers]


def nth_roots(key: SingleHolderKey, ciphertexts: CiphertextVector) -> tuple[mpz, ...]:
    """Return the n-th roots y_j of c_j modulo n: what the public proof of decryption is made from.

    By Chinese remainders: (c mod p)^(n^-1 mod p - 1) mod p, and alike for q. The result is checked before it leaves: a
    root that a faulty processor got right modulo one prime only would hand out the factors of n (Boneh, DeMillo,
    Lipton, Eurocrypt 1997). Raises CiphertextError for another key's ciphertexts, ArithmeticError for such a fault.
    """
    _require_key(key, ciphertexts)
    n = key.public_key.n
    modulo_p, modulo_q = (
        ARITHMETIC.same_exponent_powers([c % prime for c in ciphertexts.values], gmpy2.invert(n, prime - 1), prime)
        for prime in (key.p, key.q)
    )
    roots = _join(key, modulo_p, modulo_q)
    # (prod y_j^(r_j))^n = prod c_j^(r_j) mod n for secret random r_j. A wrong root passes with probability 2^-128, or
    # 1/2 if nothing is wrong but its sign modulo one prime, which no fault of an arithmetic unit does.
    weights = [mpz(secrets.randbits(_CHECK_BITS)) for _ in roots]
    combined = ARITHMETIC.multi_exponentiation(roots, weights, n)
    bases = [c % n for c in ciphertexts.values]
    if gmpy2.powmod(combined, n, n) != ARITHMETIC.multi_exponentiation(bases, weights, n):
        raise ArithmeticError("the n-th roots do not hold: this machine computes wrongly")
    return tuple(roots)


def _join(key: SingleHolderKey, modulo_p: Sequence[mpz], modulo_q: Sequence[mpz]) -> list[mpz]:
    """Return the residues modulo n that are ``modulo_p`` modulo p and ``modulo_q`` modulo q (Garner)."""
    inverse = gmpy2.invert(key.p, key.q)
    return [a + (b - a) * inverse % key.q * key.p for a, b in zip(modulo_p, modulo_q, strict=True)]


def _require_key(key: SingleHolderKey, ciphertexts: CiphertextVector) -> None:
    if ciphertexts.key.n != key.public_key.n:
        raise CiphertextError("ciphertexts are under another key than the holder's")
