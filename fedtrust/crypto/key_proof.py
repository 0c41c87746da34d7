"""The proof that a modulus is good: gcd(n, phi(n)) = 1, with no trust in whoever made it.

Goldberg, Reyzin, Sagga, Baldimtsi: Efficient Noninteractive Certification of RSA Moduli and Beyond, Asiacrypt 2019,
section 3: six n-th roots modulo n of values hashed from n, with n free of primes below 2^22, show that x -> x^n
permutes Z_n^* except with probability 2^-(6*22) = 2^-132. Then n is squarefree, and plaintexts and roots are unique.
(The paper's parameters are a trade: a higher bound on prime factors buys fewer roots. The public decryption proof
rests on the same bound, and there every combination saved is a power modulo n^2 that its verifier saves.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.primes import primes_below
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import ConfigurationError, ProofError

KEY_PROOF_ROOTS = 6
SMALL_FACTOR_BITS = 22
SMALL_FACTOR_LIMIT = 1 << SMALL_FACTOR_BITS
"""Every prime factor of an accepted modulus is larger."""

_ADVICE = "do not use this key; ask the operator for a new ceremony"


@lru_cache(maxsize=1)
def _product_of_small_primes() -> mpz:
    """Return the product of all primes below the limit: 0.8 MB, made once in a twentieth of a second."""
    return gmpy2.primorial(SMALL_FACTOR_LIMIT - 1)


def _challenges(n: int) -> list[mpz]:
    transcript = Transcript("key proof")
    transcript.absorb_int("n", n)
    return transcript.residues(KEY_PROOF_ROOTS, n, "rho")


def prove_key(n: int, group_order: int) -> tuple[mpz, ...]:
    """Return the six roots. ``group_order`` is the secret phi(n), or any multiple of the exponent of Z_n^*.

    Raises ConfigurationError if n is not coprime to it (then there is nothing to prove).
    """
    if gmpy2.gcd(n, group_order) != 1:
        raise ConfigurationError("this modulus shares a factor with its group order", advice="make a new key")
    exponent = gmpy2.invert(n, group_order)
    return tuple(ARITHMETIC.same_exponent_powers(_challenges(n), exponent, mpz(n)))


def verify_key_proof(n: int, roots: Sequence[int]) -> None:
    """Check that n is an odd composite without small factors and that the six roots hold. Raises ProofError."""
    n = mpz(n)
    # 1. The statement that the roots prove says nothing about a prime, and assumes that n is odd and positive.
    if n < SMALL_FACTOR_LIMIT or n % 2 == 0:
        raise ProofError("key proof: modulus is even or too small", advice=_ADVICE)
    if gmpy2.is_prime(n, 40) or gmpy2.is_power(n):
        raise ProofError("key proof: modulus is a prime or a perfect power", expected="a product", advice=_ADVICE)
    # 2. No prime factor below 2^22: each root then halves the doubt 22 times.
    common = gmpy2.gcd(n, _product_of_small_primes() % n)
    if common != 1:
        smallest = next(prime for prime in primes_below(SMALL_FACTOR_LIMIT).tolist() if common % prime == 0)
        raise ProofError(
            "key proof: modulus has a small factor",
            expected=f"none below 2^{SMALL_FACTOR_BITS}",
            got=smallest,
            advice=_ADVICE,
        )
    # 3. Six units whose n-th powers are the hashed values.
    if len(roots) != KEY_PROOF_ROOTS:
        raise ProofError("key proof has the wrong size", expected=f"{KEY_PROOF_ROOTS} roots", got=len(roots))
    for index, root in enumerate(roots):
        if not 0 < root < n or gmpy2.gcd(root, n) != 1:
            raise ProofError(f"key proof: root {index} is not a unit modulo n", advice=_ADVICE)
    for index, (power, rho) in enumerate(
        zip(ARITHMETIC.same_exponent_powers(list(roots), n, n), _challenges(n), strict=True)
    ):
        if power != rho:
            raise ProofError(f"key proof: root {index} is wrong", expected="root^n = the hashed value", advice=_ADVICE)
