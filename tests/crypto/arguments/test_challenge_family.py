"""docs/cryptography.md, section 11, step 7: one challenge w for all honest ciphertexts, and every accepted set A.

Participant i sends c_i = (1 + m_i n) w^(delta_i) rho_i^n. Whatever w hides, the root of the product over A is known
for every A whose delta add up to a multiple of n, although the root of no single c_i is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import chain, combinations

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.threshold import combine, partial_roots
from tests.crypto import textbook
from tests.crypto.arguments.conftest import MakeCommittee
from tests.crypto.arguments.simulators import encrypts, random_unit, simulated_partials
from tests.crypto.crypto_fixtures import Committee

HONEST = range(8)


@dataclass(frozen=True)
class Family:
    """Eight honest participants' two plaintexts, and what the reduction sends for them."""

    key: PublicKey
    w: mpz
    zero: list[int]
    one: list[int]
    rho: list[mpz]
    sent: list[CiphertextVector]

    def delta(self, i: int) -> int:
        return self.one[i] - self.zero[i]

    def quotient(self, accepted: tuple[int, ...]) -> int | None:
        """Return k with sum delta = k n over the accepted set, None where the game stops."""
        k, rest = divmod(sum(self.delta(i) for i in accepted), int(self.key.n))
        return None if rest else k

    def root(self, accepted: tuple[int, ...], k: int) -> mpz:
        """(w mod n)^k prod rho: nothing in it depends on what w hides."""
        root = gmpy2.powmod(self.w, k, self.key.n)
        for i in accepted:
            root = root * self.rho[i] % self.key.n
        return root

    def aggregate(self, accepted: tuple[int, ...]) -> CiphertextVector:
        return multiply_vectors(self.key, [self.sent[i] for i in accepted])


def jacobi_one(n: mpz) -> mpz:
    while True:
        value = random_unit(n)
        if gmpy2.jacobi(value, n) == 1:
            return value


def make_family(key: PublicKey, hidden: int) -> Family:
    """Return the family for w = (1 + hidden n) g^n: hidden = 0 is an n-th residue."""
    n = int(key.n)
    w = (1 + hidden * key.n) * gmpy2.powmod(jacobi_one(key.n), key.n, key.n_squared) % key.n_squared
    first, third = (secrets.randbelow(n - 1) + 1 for _ in range(2))
    deltas = [first, n - first, third, -third, -first, first - n, first, n - first]
    zero = [secrets.randbelow(n - d) if d >= 0 else secrets.randbelow(n + d) - d for d in deltas]
    one = [m + d for m, d in zip(zero, deltas, strict=True)]
    assert all(0 <= m < n for m in zero + one)
    rho = [jacobi_one(key.n) for _ in deltas]
    sent = [
        CiphertextVector(
            key,
            (
                (1 + m * key.n)
                * gmpy2.powmod(w, d, key.n_squared)
                * gmpy2.powmod(r, key.n, key.n_squared)
                % key.n_squared,
            ),
        )
        for m, d, r in zip(zero, deltas, rho, strict=True)
    ]
    return Family(key, w, zero, one, rho, sent)


def accepted_sets() -> list[tuple[int, ...]]:
    """Return every set of at least two of the eight."""
    return list(chain.from_iterable(combinations(HONEST, size) for size in range(2, len(HONEST) + 1)))


@pytest.fixture
def small(make_committee: MakeCommittee) -> Committee:
    return make_committee(256, 3, 5)


def hidden_values(key: PublicKey) -> list[int]:
    return [0, 1, secrets.randbelow(int(key.n))]


@pytest.mark.parametrize("case", [0, 1, 2], ids=["a residue", "K = 1", "K random"])
def test_the_roots_of_all_accepted_sets_are_known(small: Committee, case: int) -> None:
    """Step 7: each of the 247 sets A. Class sum m^0 whatever K is, root (w mod n)^k prod rho; k from -1 to 2."""
    key = small.manifest.public_key
    family = make_family(key, hidden_values(key)[case])
    quotients = []
    for accepted in accepted_sets():
        k = family.quotient(accepted)
        if k is not None:
            quotients.append(k)
            total = sum(family.zero[i] for i in accepted) % int(key.n)
            assert total == sum(family.one[i] for i in accepted) % int(key.n)
            assert encrypts(key, family.aggregate(accepted).values[0], total, family.root(accepted, k))
    assert set(quotients) == {-1, 0, 1, 2}
    assert len(quotients) > 30


@pytest.mark.parametrize("case", [0, 1, 2], ids=["a residue", "K = 1", "K random"])
def test_single_ciphertexts_hide_the_bit_where_the_challenge_does(
    small: Committee, toy_primes: tuple[int, int], case: int
) -> None:
    """Step 7: c_i holds m^0 + K delta = m^1 - (1 - K) delta, so K = 0 is one world, K = 1 the other."""
    key = small.manifest.public_key
    hidden = hidden_values(key)[case]
    family = make_family(key, hidden)
    for i in HONEST:
        held = textbook.decrypt(*toy_primes, int(family.sent[i].values[0]))
        assert held == (family.zero[i] + hidden * family.delta(i)) % key.n
        assert held == (family.one[i] - (1 - hidden) * family.delta(i)) % key.n
        assert case == 2 or held == (family.zero, family.one)[case][i]
        assert gmpy2.jacobi(family.sent[i].values[0], key.n) == 1


def test_where_the_game_stops_the_root_is_not_known(small: Committee, toy_primes: tuple[int, int]) -> None:
    """Step 7: for a set whose sums differ, the opened sum would show K, so the condition on A is needed."""
    key = small.manifest.public_key
    hidden = secrets.randbelow(int(key.n) - 1) + 1
    family = make_family(key, hidden)
    for accepted in [(0, 2), (1, 3), (0, 1, 2), (4, 5, 6, 7, 2)]:
        assert family.quotient(accepted) is None
        total = sum(family.zero[i] for i in accepted)
        shown = (total + hidden * sum(family.delta(i) for i in accepted)) % key.n
        assert textbook.decrypt(*toy_primes, int(family.aggregate(accepted).values[0])) == shown != total % key.n


def answers_are_the_trustees(committee: Committee, family: Family, accepted: tuple[int, ...]) -> None:
    """Check that partials from the known root and two shares are the real ones and open to the sum of both worlds."""
    manifest: KeyManifest = committee.manifest
    k = family.quotient(accepted)
    assert k is not None
    aggregate, root = family.aggregate(accepted), family.root(accepted, k)
    shares = {j: committee.shares[j].value for j in (2, 5)}
    simulated = {i: simulated_partials(manifest, shares, i, aggregate, [root]) for i in (1, 3, 4)}
    assert simulated == {i: partial_roots(manifest, committee.shares[i], aggregate) for i in (1, 3, 4)}
    total = sum(family.zero[i] for i in accepted) % int(family.key.n)
    assert combine(manifest, aggregate, simulated).plaintexts == (total,)


SETS = [(0, 1), (2, 3), (4, 5), (0, 4), (0, 1, 6, 7), tuple(HONEST)]
"""Sums of delta: n, 0, -n, 0, 2 n, and all eight, n."""


@pytest.mark.parametrize("accepted", SETS, ids=str)
def test_the_trustees_are_answered_for_whichever_set_is_accepted(small: Committee, accepted: tuple[int, ...]) -> None:
    """Steps 5 and 7: the reduction plays the committee for a set that is chosen after it sent the ciphertexts."""
    key = small.manifest.public_key
    answers_are_the_trustees(small, make_family(key, secrets.randbelow(int(key.n))), accepted)


def test_the_same_at_2048_bits(committee: Committee, key: PublicKey) -> None:
    """Steps 5 and 7, with a key of a size that is used."""
    family = make_family(key, secrets.randbelow(int(key.n)))
    for accepted in SETS:
        answers_are_the_trustees(committee, family, accepted)
