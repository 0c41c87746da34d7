"""The forgery that a modulus with a small factor allows, and why the key proof refuses such a modulus.

Everything else is in order: gcd(n, phi(n)) = 1, every root exists, the key proof's roots are true ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from unittest.mock import patch

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto import decryption_proof, key_proof
from fedtrust.crypto.decryption_proof import verify_decryption
from fedtrust.crypto.key_proof import prove_key, verify_key_proof
from fedtrust.crypto.paillier import PublicKey
from fedtrust.errors import ConfigurationError
from tests.crypto.forgeries.attacks import decrypt, group_exponent, prove_opening, require_caught_by_one_check
from tests.crypto.forgeries.sums import make_sum
from tests.crypto.weakened import without_check


@dataclass(frozen=True)
class BadKey:
    """A modulus with a small factor and gcd(n, phi(n)) = 1: every root exists, and its key proof is a true one."""

    key: PublicKey
    primes: tuple[int, ...]
    roots: tuple[mpz, ...]


def bad_key(factor: int, p: int) -> BadKey:
    """Make a 2048-bit modulus factor * p * q. The dealer tries q until all values hashed from n are units."""
    q = (mpz(3) << 2046) // (factor * p)
    while True:
        q = gmpy2.next_prime(q)
        n = factor * p * q
        if q % factor != 1 and gmpy2.gcd(prod(key_proof._challenges(n)), factor) == 1:
            try:
                key = PublicKey(n)
            except ConfigurationError:
                continue
            primes = (factor, p, int(q))
            return BadKey(key, primes, prove_key(n, group_exponent(primes)))


def forge_decryption(bad: BadKey, count: int) -> int:
    """Try lies that are off by multiples of n / factor until one fits every combination; return how many it took.

    Goes through the key proof and the decryption proof as a verifier does, and so raises what they raise.
    """
    key, factor = bad.key, bad.primes[0]
    one = make_sum(key, bad.primes, count)
    step = int(key.n) // factor
    candidates = itertools.islice(itertools.product(range(factor), repeat=count), 1, None)
    tries = 0
    for error in candidates:
        tries += 1
        lie = [int((m + e * step) % key.n) for m, e in zip(one.plaintexts, error, strict=True)]
        rows = decryption_proof._coefficients(one.ciphertexts, lie, one.statement)
        if not any(sum(r * e for r, e in zip(row, error, strict=True)) % factor for row in rows):
            break
    assert lie != decrypt(key, bad.primes, one.ciphertexts.values)
    verify_key_proof(key.n, bad.roots)
    forged = prove_opening(one.ciphertexts, lie, one.roots, one.statement)
    verify_decryption(key, one.ciphertexts, lie, one.statement, forged)
    return tries


small_factor = partial(without_check, verify_key_proof, "small factor")


@contextmanager
def one_long_combination() -> Iterator[None]:
    """The cheaper proof that is not used: a single combination with coefficients of 128 bits."""
    with patch.multiple(decryption_proof, COMBINATIONS=1, COEFFICIENT_BITS=128):
        yield


def test_one_long_combination_and_a_factor_of_257(primes: tuple[int, int]) -> None:
    """128 bits in one coefficient look like enough. With a factor of 257 one lie in 257 passes all the same."""
    bad = bad_key(257, primes[0])
    with one_long_combination():
        require_caught_by_one_check(lambda: forge_decryption(bad, 2), small_factor, match="small factor")
        with small_factor():
            tries = forge_decryption(bad, 2)
    assert tries < 257 * 30


def test_the_real_combinations_and_a_factor_of_3(primes: tuple[int, int]) -> None:
    """Six combinations of 22 bits are no help against a factor of 3: one lie in 3^6 = 729 passes them all."""
    bad = bad_key(3, primes[0])
    require_caught_by_one_check(lambda: forge_decryption(bad, 9), small_factor, match="small factor")
