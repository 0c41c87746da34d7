"""The classical threshold decryption, as a yardstick: partials are powers modulo n^2 with exponents of 2 |n| bits.

Damgard, Jurik: A generalisation, a simplification and some applications of Paillier's probabilistic public-key system,
PKC 2001, section 4.1: d = 0 mod m and d = 1 mod n, shared over Z_(n m); a partial is c^(2 D s_i) mod n^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from benchmarks.setting import THRESHOLD, TRUSTEES, Setting
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.shamir import lagrange_coefficients, split_secret


@dataclass(frozen=True)
class ClassicalCommittee:
    """The shares s_i of five trustees."""

    delta: mpz
    shares: list[mpz]

    @classmethod
    def make(cls, setting: Setting) -> ClassicalCommittee:
        """Share d of the setting's key."""
        p, q = setting.primes
        m, n = mpz((p - 1) // 2 * ((q - 1) // 2)), setting.n
        d = m * gmpy2.invert(m, n)
        return cls(setting.manifest.delta, split_secret(d, n * m, THRESHOLD, TRUSTEES))

    def partial(self, index: int, ciphertexts: CiphertextVector) -> list[mpz]:
        """Return trustee ``index``'s partials, by nothing but gmpy2's powmod."""
        exponent, n_squared = 2 * self.delta * self.shares[index - 1], ciphertexts.key.n_squared
        return [gmpy2.powmod(c, exponent, n_squared) for c in ciphertexts.values]

    def check(self, ciphertexts: CiphertextVector, plaintexts: Sequence[int]) -> None:
        """Decrypt with three partials and compare. Raises AssertionError."""
        key, indices = ciphertexts.key, (1, 2, 3)
        partials = [self.partial(i, ciphertexts) for i in indices]
        coefficients = lagrange_coefficients(indices, TRUSTEES)
        scale = gmpy2.invert(4 * self.delta**2, key.n)
        for j, plaintext in enumerate(plaintexts):
            product = mpz(1)
            for i, values in zip(indices, partials, strict=True):
                product = product * gmpy2.powmod(values[j], 2 * coefficients[i], key.n_squared) % key.n_squared
            assert (product - 1) // key.n * scale % key.n == plaintext, "classical decryption gives another plaintext"
