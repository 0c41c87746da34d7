"""An aggregate's partials, right and wrong, and shorthands to prove and to verify them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.partial_proof import (
    PartialProof,
    prove_partial,
    verify_partial,
)
from fedtrust.crypto.threshold import KeyShare, PartialVector, partial_roots
from tests.crypto.crypto_fixtures import COUNT, Committee, Round


def prove(committee: Committee, round_: Round, made: PartialVector, share: KeyShare | None = None) -> PartialProof:
    own = committee.shares[made.index] if share is None else share
    return prove_partial(committee.manifest, own, round_.aggregate, made, round_.decryption)


def check(committee: Committee, round_: Round, made: PartialVector, proof: PartialProof, **changes: Any) -> None:
    verify_partial(
        changes.get("manifest", committee.manifest),
        changes.get("ciphertexts", round_.aggregate),
        made,
        changes.get("statement", round_.decryption),
        proof,
    )


def with_values(made: PartialVector, values: dict[int, mpz]) -> PartialVector:
    return replace(made, values=tuple(values.get(j, x) for j, x in enumerate(made.values)))


def false_partials(committee: Committee, round_: Round, primes: tuple[int, int]) -> dict[str, PartialVector]:
    """What trustee 2 might send in place of its partial; it proves each with its right share."""
    right, n = round_.partials[2], committee.manifest.public_key.n
    long_order = mpz(4)  # a square: its order is p'q', p' or q'
    half = gmpy2.powmod(long_order, (primes[0] - 1) // 2, n)  # of order q': only who knows the factors has it
    return {
        "one entry": with_values(right, {3: right.values[3] * 5 % n}),
        "one entry, an element of half the group": with_values(right, {0: right.values[0] * half % n}),
        "one entry is 1": with_values(right, {0: mpz(1)}),
        "one entry is -1": with_values(right, {0: n - 1}),
        "all are 1": with_values(right, dict.fromkeys(range(COUNT), mpz(1))),
        "a single update's": partial_roots(committee.manifest, committee.shares[2], round_.encrypted[0].ciphertexts),
        "the inverse": with_values(right, {j: gmpy2.invert(x, n) for j, x in enumerate(right.values)}),
        "the square": with_values(right, {j: x * x % n for j, x in enumerate(right.values)}),
        "another trustee's": replace(round_.partials[3], index=2),
        "random": with_values(right, {j: mpz(1 + secrets.randbelow(int(n) - 1)) for j in range(COUNT)}),
    }


FALSE = (
    "one entry",
    "one entry, an element of half the group",
    "one entry is 1",
    "one entry is -1",
    "all are 1",
    "a single update's",
    "the inverse",
    "the square",
    "another trustee's",
    "random",
)
