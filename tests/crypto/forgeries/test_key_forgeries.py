"""Keys that are not good, and manifests that lie. Each is refused, and accepted where the one check is removed.

The forger is the dealer: it knows the factorisation and everything else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import key_proof
from fedtrust.crypto import manifest as manifest_module
from fedtrust.crypto.encoding import canonical_json
from fedtrust.crypto.key_proof import prove_key, verify_key_proof
from fedtrust.crypto.manifest import KeyManifest, verification_base
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.shamir import split_secret
from fedtrust.crypto.threshold import KeyShare, verify_share
from fedtrust.errors import EncodingError, KeyFileError
from tests.crypto.crypto_fixtures import Committee
from tests.crypto.forgeries.attacks import group_exponent, require_caught_by_one_check
from tests.crypto.weakened import without_call, without_check

equation = partial(without_check, verify_key_proof, "is wrong")
small_factor = partial(without_check, verify_key_proof, "small factor")


def prime(bits: int, after: int = 0) -> mpz:
    """Return the next prime of ``bits`` bits after a fixed start."""
    return gmpy2.next_prime((mpz(3) << bits - 2) + after)


def best_roots(n: mpz, exponent: int) -> tuple[mpz, ...]:
    """Return roots as far as there are any: by the inverse of n modulo the part of the order that is coprime to n."""
    coprime = mpz(exponent)
    while (common := gmpy2.gcd(n, coprime)) != 1:
        coprime //= common
    inverse = gmpy2.invert(n, coprime)
    return tuple(gmpy2.powmod(rho, inverse, n) for rho in key_proof._challenges(n))


# the modulus


def lucky(factor: int, accept: Callable[[mpz], bool], bits: int = 128) -> tuple[mpz, tuple[mpz, ...]]:
    """Return the first n = factor q, q acceptable, for which every challenge happens to have a root, and the roots."""
    q = mpz(3) << bits - 2
    while True:
        q = gmpy2.next_prime(q)
        if accept(q):
            n = factor * q
            roots = best_roots(n, group_exponent((factor, q)))
            # lazy: the first challenge decides nearly always
            if all(
                gmpy2.gcd(rho, n) == 1 and gmpy2.powmod(root, n, n) == rho
                for root, rho in zip(roots, key_proof._challenges(n), strict=True)
            ):
                return n, roots


@pytest.mark.parametrize("factor", [3, 257, 65521])
def test_a_small_factor_with_true_roots(factor: int) -> None:
    """Every root exists: only the search for small factors tells. (What such a key allows: decryption forgeries.)"""
    n, roots = lucky(factor, lambda q: q % factor != 1)
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), small_factor, match="small factor")


def test_a_modulus_that_shares_its_small_factor_with_phi() -> None:
    """n = 3 q with q = 1 mod 3: two numbers in three have no root; the dealer tries q until all challenges have one.

    Taking n-th powers is then no permutation, and roots are not unique. With no factor below the limit the same luck
    has probability 2^-128.
    """
    n, roots = lucky(3, lambda q: q % 9 in (4, 7))
    assert gmpy2.gcd(n, 2 * (n // 3 - 1)) == 3
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), small_factor, match="small factor")


def test_an_even_modulus() -> None:
    """Two locks: two is a small factor too."""
    n, roots = lucky(2, lambda q: q % 4 == 3, bits=64)
    even = partial(without_check, verify_key_proof, "even or too small", operand="% 2")
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), even, small_factor, match="even or too small")


def test_a_prime_with_true_roots() -> None:
    p = prime(512)
    roots = prove_key(p, p - 1)
    require_caught_by_one_check(
        lambda: verify_key_proof(p, roots),
        partial(without_check, verify_key_proof, "prime or a perfect power", operand="is_prime"),
        match="prime or a perfect power",
    )


def test_a_square_has_no_roots_either() -> None:
    p = prime(256)
    n = p * p
    roots = best_roots(n, int(p * (p - 1)))
    power = partial(without_check, verify_key_proof, "prime or a perfect power", operand="is_power")
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), power, equation)


def test_a_modulus_that_is_not_squarefree() -> None:
    p, q = prime(256), prime(300)
    n = p * p * q
    roots = best_roots(n, math.lcm(int(p * (p - 1)), int(q - 1)))
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), equation, match="is wrong")


def test_a_modulus_that_shares_a_large_factor_with_phi() -> None:
    p = prime(200)
    q = next(q for k in range(2, 10**6, 2) if gmpy2.is_prime(q := k * p + 1))
    n = p * q
    roots = best_roots(n, group_exponent((p, q)))
    require_caught_by_one_check(lambda: verify_key_proof(n, roots), equation, match="is wrong")


# the roots


@pytest.fixture(scope="module")
def modulus(primes: tuple[int, int]) -> mpz:
    return mpz(primes[0] * primes[1])


@pytest.fixture(scope="module")
def roots(primes: tuple[int, int]) -> tuple[mpz, ...]:
    return prove_key(primes[0] * primes[1], group_exponent(primes))


def test_a_root_plus_n(modulus: mpz, roots: tuple[mpz, ...]) -> None:
    require_caught_by_one_check(
        lambda: verify_key_proof(modulus, (roots[0] + modulus, *roots[1:])),
        partial(without_check, verify_key_proof, "is not a unit modulo n", operand="< n"),
        match="root 0 is not a unit",
    )


def test_wrong_swapped_and_low_order_roots(modulus: mpz, roots: tuple[mpz, ...], primes: tuple[int, int]) -> None:
    """One, minus one and the dealer's square root of one, in place of a root and times a root; two roots swapped."""
    p, q = primes
    of_order_2 = (gmpy2.invert(p, q) * p * 2 - 1) % modulus
    assert of_order_2**2 % modulus == 1
    wrong = [mpz(1), modulus - 1, of_order_2, modulus - roots[0], roots[0] * of_order_2 % modulus, roots[0] + 1]
    for forged in (*((each, *roots[1:]) for each in wrong), (roots[1], roots[0], *roots[2:])):
        require_caught_by_one_check(partial(verify_key_proof, modulus, forged), equation, match="root 0 is wrong")


@pytest.mark.parametrize("what", ["zero", "n", "p"])
def test_roots_that_are_no_units(modulus: mpz, roots: tuple[mpz, ...], primes: tuple[int, int], what: str) -> None:
    bad = {"zero": mpz(0), "n": modulus, "p": mpz(primes[0])}[what]
    unit = partial(without_check, verify_key_proof, "is not a unit modulo n")
    require_caught_by_one_check(lambda: verify_key_proof(modulus, (bad, *roots[1:])), unit, equation)


# the manifest


class Dealer:
    """Deals any sharing it likes and writes the manifest that goes with it."""

    def __init__(self, honest: KeyManifest, primes: Sequence[int]) -> None:
        self.honest, self.n = honest, honest.public_key.n
        self.order = mpz(group_exponent(primes) // 2)  # the squares': p'q'

    @property
    def secret(self) -> mpz:
        return gmpy2.invert(self.n, self.order)

    def manifest(self, shares: Sequence[int], *, threshold: int = 3, v: mpz | None = None) -> KeyManifest:
        base = verification_base(self.n) if v is None else v
        keys = [gmpy2.powmod(base, self.honest.delta * share, self.n) for share in shares]
        return self.with_keys(keys, threshold=threshold, v=base)

    def with_keys(self, keys: Sequence[mpz], *, threshold: int = 3, v: mpz | None = None) -> KeyManifest:
        trustees = tuple(replace(t, verification=k) for t, k in zip(self.honest.trustees, keys, strict=True))
        return replace(self.honest, trustees=trustees, threshold=threshold, v=self.honest.v if v is None else v)

    def shares(self, threshold: int = 3, secret: int | None = None) -> list[mpz]:
        return split_secret(self.secret if secret is None else mpz(secret), self.order, threshold, 5)


@pytest.fixture(scope="module")
def dealer(committee: Committee, primes: tuple[int, int]) -> Dealer:
    return Dealer(committee.manifest, primes)


def read(manifest: KeyManifest) -> KeyManifest:
    """Read a manifest as a node does, with nothing verified before."""
    with patch.object(manifest_module, "_verified", set()):
        return KeyManifest.from_bytes(manifest.to_bytes())


def test_the_dealers_tools_make_good_manifests_too(dealer: Dealer) -> None:
    read(dealer.manifest(dealer.shares()))


def test_verification_keys_of_another_secret(dealer: Dealer) -> None:
    wrong = dealer.manifest(dealer.shares(secret=dealer.secret + 1))
    require_caught_by_one_check(
        lambda: read(wrong), partial(without_check, KeyManifest._verify_shares, "do not fit"), match="do not fit"
    )


@pytest.mark.parametrize("index", [1, 3, 5])
def test_one_wrong_verification_key(dealer: Dealer, index: int) -> None:
    """An honest trustee would look guilty of every partial it sends."""
    shares = dealer.shares()
    shares[index - 1] += 1
    require_caught_by_one_check(
        lambda: read(dealer.manifest(shares)),
        partial(without_check, KeyManifest._verify_shares, "do not fit"),
        match="do not fit",
    )


def test_two_swapped_verification_keys(dealer: Dealer) -> None:
    shares = dealer.shares()
    shares[0], shares[1] = shares[1], shares[0]
    require_caught_by_one_check(
        lambda: read(dealer.manifest(shares)),
        partial(without_check, KeyManifest._verify_shares, "do not fit"),
        match="do not fit",
    )


def test_a_sharing_that_fewer_trustees_open(dealer: Dealer) -> None:
    """The manifest says 3 of 5, the polynomial has degree 1: any two would do."""
    require_caught_by_one_check(
        lambda: read(dealer.manifest(dealer.shares(threshold=2))),
        partial(without_check, KeyManifest._verify_shares, "fewer than"),
        match="fewer than 3 trustees",
    )


def test_no_check_of_the_verification_keys_at_all(dealer: Dealer) -> None:
    require_caught_by_one_check(
        lambda: read(dealer.with_keys([mpz(4)] * 5)), partial(without_call, KeyManifest.verify, "self._verify_shares")
    )


@pytest.mark.parametrize("chosen", ["a power of it", "one"])
def test_another_base_than_the_hashed_one(dealer: Dealer, chosen: str) -> None:
    """With v = 1 every share would be right, and nobody could ever be blamed."""
    v = mpz(1) if chosen == "one" else dealer.honest.v**2 % dealer.n
    threshold = 1 if chosen == "one" else 3
    manifest = dealer.manifest(dealer.shares(threshold), threshold=threshold, v=v)
    require_caught_by_one_check(
        lambda: read(manifest),
        partial(without_check, KeyManifest.verify, "v is not", operand="verification_base"),
        match="v is not",
    )
    if chosen == "one":
        verify_share(manifest, KeyShare(1, mpz(12345)))


def test_a_verification_key_plus_n(dealer: Dealer) -> None:
    """The same key in other bytes would have two key ids."""
    while True:
        manifest = dealer.manifest(dealer.shares())
        keys = [t.verification for t in manifest.trustees]
        if keys[0] + dealer.n < 1 << manifest.public_key.bits:
            break
    require_caught_by_one_check(
        lambda: read(dealer.with_keys([keys[0] + dealer.n, *keys[1:]])),
        partial(without_check, KeyManifest.verify, "is not a unit", operand="< n"),
        match="is not a unit",
    )


def test_the_proof_of_the_key_is_not_checked(dealer: Dealer) -> None:
    manifest = dealer.manifest(dealer.shares())
    forged = replace(manifest, key_proof=(mpz(1),) * len(manifest.key_proof))
    require_caught_by_one_check(lambda: read(forged), partial(without_call, KeyManifest.verify, "verify_key_proof"))


def test_another_h_than_the_hashed_one(dealer: Dealer) -> None:
    """h = 1 makes ciphertexts deterministic. It is never taken from the file, and a file that says so is refused."""
    document = json.loads(dealer.honest.to_bytes())
    document["h"] = "0x" + (1).to_bytes(dealer.honest.public_key.plaintext_bytes, "big").hex()

    def attack() -> None:
        with patch.object(manifest_module, "_verified", set()):
            assert KeyManifest.from_bytes(canonical_json(document)).public_key.h == dealer.honest.public_key.h

    require_caught_by_one_check(
        attack,
        partial(without_check, KeyManifest.from_bytes, "h is not the value"),
        partial(without_check, KeyManifest.from_bytes, "re-encodes differently"),
        match="h is not the value",
    )


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
def test_a_sign_on_a_verification_key_is_seen_by_its_trustee(committee: Committee, dealer: Dealer, index: int) -> None:
    """-1 has order 2 and vanishes in the squares, where verification keys are compared: the manifest is accepted.

    What a sign can do: the trustee's own share is refused when it opens it (v_i = v^(D e_i) exactly), so the dealer
    is caught before the first round. It never makes another share pass.
    """
    keys = [t.verification for t in committee.manifest.trustees]
    keys[index - 1] = dealer.n - keys[index - 1]
    signed = dealer.with_keys(keys)
    read(signed)
    share = committee.shares[index]
    verify_share(committee.manifest, share)
    require_caught_by_one_check(
        lambda: verify_share(signed, share),
        partial(without_check, verify_share, "key share of trustee "),
        error=KeyFileError,
        match="does not belong",
    )


def test_manifests_with_other_forms_of_the_same_number_are_refused(dealer: Dealer) -> None:
    document = json.loads(dealer.honest.to_bytes())
    document["n"] = "0x00" + document["n"][2:]
    with pytest.raises(EncodingError):
        KeyManifest.from_bytes(canonical_json(document))


def test_a_short_key_is_no_committees(dealer: Dealer) -> None:
    with pytest.raises(EncodingError, match="toy"):
        replace(dealer.honest, public_key=PublicKey.insecure_toy(int(prime(128) * prime(128, 2**64))))
