"""Safe primes, found with a NumPy sieve, and the small primes that verifiers divide by."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import lru_cache

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

MINIMUM_SAFE_PRIME_BITS = 64
_SIEVE_LIMIT = 1 << 21
_WINDOW = 1 << 19


@lru_cache(maxsize=4)
def primes_below(limit: int) -> NDArray[np.int64]:
    """Return all primes below ``limit``, ascending, as a read-only int64 array."""
    sieve = np.ones(max(limit, 2), dtype=bool)
    sieve[:2] = False
    for candidate in range(2, int(limit**0.5) + 1):
        if sieve[candidate]:
            sieve[candidate * candidate :: candidate] = False
    primes = np.flatnonzero(sieve[:limit]).astype(np.int64)
    primes.flags.writeable = False
    return primes


def is_safe_prime(value: int) -> bool:
    """Return whether ``value`` and ``(value - 1) / 2`` are both (probable, 40 rounds) primes."""
    if value < 5 or value % 2 == 0:
        return False
    return bool(gmpy2.is_prime(mpz(value) >> 1, 40) and gmpy2.is_prime(mpz(value), 40))


def safe_prime(bits: int, progress: Callable[[str], None] | None = None) -> mpz:
    """Return a random safe prime p = 2p' + 1 of exactly ``bits`` bits, its two top bits set.

    Candidates p' = 6k + 5 from a random start are sieved, for p' and 2p' + 1 at once, by all primes below 2^21 (small
    sizes: below 2^(bits/4)); the survivors are tested in order. Like every incremental search this favours primes after
    long gaps a little, which costs next to no entropy (Brandt and Damgard, Crypto 1992). Randomness comes
    from ``secrets``. ``progress`` receives a line for every window.
    """
    if bits < MINIMUM_SAFE_PRIME_BITS:
        raise ValueError(f"a safe prime needs at least {MINIMUM_SAFE_PRIME_BITS} bits")
    small = primes_below(min(_SIEVE_LIMIT, 1 << bits // 4))[2:]  # 2 and 3 are excluded by p' = 6k + 5
    inverse_of_6 = np.array([pow(6, -1, prime) for prime in small.tolist()], dtype=np.int64)
    window = 0
    while True:
        window += 1
        if progress is not None:
            progress(f"searching a {bits}-bit safe prime, window {window}")
        # Top two bits of p' set, so that the product of two such primes has exactly twice the bits.
        start = mpz(secrets.randbits(bits - 3)) | mpz(3) << (bits - 3)
        start += (5 - start) % 6
        found = _first_in_window(start, small, inverse_of_6, bits)
        if found is not None:
            return found


def _first_in_window(start: mpz, small: NDArray[np.int64], inverse_of_6: NDArray[np.int64], bits: int) -> mpz | None:
    """Return the first safe prime 2(start + 6k) + 1 with k in the window, or None."""
    residues = np.array([int(start % prime) for prime in small.tolist()], dtype=np.int64)
    survives = np.ones(_WINDOW, dtype=bool)
    # start + 6k = 0 mod r rules out p'; start + 6k = (r-1)/2 mod r rules out 2p'+1.
    first_p_prime = (-residues * inverse_of_6) % small
    first_p = (((small - 1) // 2 - residues) * inverse_of_6) % small
    for prime, a, b in zip(small.tolist(), first_p_prime.tolist(), first_p.tolist(), strict=True):
        survives[a::prime] = False
        survives[b::prime] = False
    for k in np.flatnonzero(survives).tolist():
        half = start + 6 * k
        # One cheap Fermat test to base 2 each; the full test only for what is left.
        if gmpy2.powmod(2, half - 1, half) != 1:
            continue
        candidate = 2 * half + 1
        if candidate.bit_length() != bits or gmpy2.powmod(2, 2 * half, candidate) != 1:
            continue
        if is_safe_prime(candidate):
            return candidate
    return None
