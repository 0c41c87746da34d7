"""What forgers have: provers that lie, the dealer's knowledge of the primes, and how an attack is judged."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import decryption_proof, plaintext_proof
from fedtrust.crypto.decryption_proof import DecryptionProof
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.plaintext_proof import PlaintextProof
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.errors import FedtrustError, ProofError

Attack = Callable[[], object]
"""Ends quietly if it succeeds; otherwise the verifier's error comes out."""


def require_caught_by_one_check(
    attack: Attack,
    *removed: Callable[[], AbstractContextManager[None]],
    error: type[FedtrustError] = ProofError,
    match: str | None = None,
) -> None:
    """Fail unless ``attack`` is refused by the real verifier and succeeds without the one check ``removed``.

    Where several locks hold the same door, ``removed`` names them all: with any one of them back, the attack must
    be refused again.
    """
    with pytest.raises(error, match=match):
        attack()
    if len(removed) > 1:
        for back in range(len(removed)):
            with pytest.raises(FedtrustError):
                _without(removed[:back] + removed[back + 1 :], attack)
    _without(removed, attack)
    with pytest.raises(error, match=match):
        attack()


def _without(removed: Sequence[Callable[[], AbstractContextManager[None]]], attack: Attack) -> None:
    with ExitStack() as stack:
        for each in removed:
            stack.enter_context(each())
        attack()


def group_exponent(primes: Sequence[int]) -> int:
    """Return the exponent of Z_n^* for n the product of distinct ``primes``."""
    return math.lcm(*(int(p) - 1 for p in primes))


def decrypt(key: PublicKey, primes: Sequence[int], ciphertexts: Sequence[mpz]) -> list[int]:
    """Return the plaintexts, as whoever knows the factorisation gets them (Paillier 1999, section 4)."""
    exponent = mpz(group_exponent(primes))
    inverse = gmpy2.invert(exponent, key.n)
    opened = (gmpy2.powmod(c, exponent, key.n_squared) for c in ciphertexts)
    return [int((u - 1) // key.n * inverse % key.n) for u in opened]


def prove_knowledge(
    ciphertexts: CiphertextVector,
    plaintexts: Sequence[int],
    exponents: Sequence[mpz],
    statement: UpdateStatement,
    *,
    hashed: CiphertextVector | None = None,
    unreduced: int = 0,
) -> PlaintextProof:
    """Return a proof of plaintext knowledge as a prover with other habits makes it.

    ``hashed`` is what the prover takes the challenge of, if not the ciphertexts themselves; ``unreduced`` is added to
    the mask before the challenge is taken.
    """
    key = ciphertexts.key
    y = mpz(secrets.randbelow(int(key.n)))
    b = mpz(secrets.randbits(key.bits // 2 + 128 + 64))
    mask = (1 + y * key.n) * gmpy2.powmod(key.h_s, b, key.n_squared) % key.n_squared + unreduced
    r = plaintext_proof._coefficients(hashed or ciphertexts, statement, mask)
    z = (y + sum(c * m for c, m in zip(r, plaintexts, strict=True))) % key.n
    return PlaintextProof(key, mask, z, b + sum(c * a for c, a in zip(r, exponents, strict=True)))


def roots_of(key: PublicKey, primes: Sequence[int], ciphertexts: CiphertextVector) -> list[mpz]:
    """Return the n-th roots modulo n of the ciphertexts: what the combiner holds, or a dealer computes."""
    exponent = gmpy2.invert(key.n, group_exponent(primes))
    return [gmpy2.powmod(c % key.n, exponent, key.n) for c in ciphertexts.values]


def prove_opening(
    ciphertexts: CiphertextVector,
    plaintexts: Sequence[int],
    roots: Sequence[mpz],
    statement: DecryptionStatement,
    *,
    unreduced: int = 0,
) -> DecryptionProof:
    """Return the proof of decryption from true ``roots``, true or false ``plaintexts``."""
    n = ciphertexts.key.n
    rows = decryption_proof._coefficients(ciphertexts, plaintexts, statement)
    combined = [
        math.prod(gmpy2.powmod(y, r, n) for y, r in zip(roots, row, strict=True)) % n + unreduced for row in rows
    ]
    return DecryptionProof(ciphertexts.key, tuple(combined))
