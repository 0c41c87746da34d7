from __future__ import annotations

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto.key_proof import prove_key, verify_key_proof
from fedtrust.errors import ConfigurationError, ProofError
from tests.crypto.crypto_fixtures import load_vectors


@pytest.fixture(scope="module")
def modulus(primes: tuple[int, int]) -> mpz:
    return mpz(primes[0] * primes[1])


@pytest.fixture(scope="module")
def roots(primes: tuple[int, int]) -> tuple[mpz, ...]:
    p, q = primes
    return prove_key(p * q, (p - 1) * (q - 1))


def prime(bits: int, condition: int = 0) -> mpz:
    """The next prime after a fixed start; congruent to 1 modulo ``condition`` if given."""
    candidate = gmpy2.next_prime(mpz(3) << bits - 2)
    while condition and candidate % condition != 1:
        candidate = gmpy2.next_prime(candidate)
    return candidate


def test_an_honest_proof_holds_and_is_the_textbooks(modulus: mpz, roots: tuple[mpz, ...]) -> None:
    verify_key_proof(modulus, roots)
    assert [hex(r) for r in roots] == load_vectors("paillier")["key_proof"]


def test_every_root_is_checked(modulus: mpz, roots: tuple[mpz, ...]) -> None:
    for k in range(6):
        for bad in (roots[k] + 1, modulus - roots[k], mpz(0), roots[k] + modulus, mpz(1), -roots[k]):
            with pytest.raises(ProofError):
                verify_key_proof(modulus, (*roots[:k], bad, *roots[k + 1 :]))
    for wrong in (roots[:5], (*roots, roots[0]), (), tuple(reversed(roots))):
        with pytest.raises(ProofError):
            verify_key_proof(modulus, wrong)


def test_roots_of_another_modulus_do_not_hold(modulus: mpz, roots: tuple[mpz, ...]) -> None:
    other = modulus + 2 * prime(64)
    with pytest.raises(ProofError):
        verify_key_proof(other, [r % other for r in roots])


def test_a_modulus_with_a_small_factor_is_refused_even_with_true_roots() -> None:
    small, large = mpz(65521), prime(512)
    n = small * large
    order = (small - 1) * (large - 1)
    with pytest.raises(ProofError, match="small factor") as caught:
        verify_key_proof(n, prove_key(n, order))
    assert caught.value.got == "65521"


def test_primes_and_powers_are_refused_even_with_true_roots() -> None:
    p = prime(512)
    with pytest.raises(ProofError, match="prime or a perfect power"):
        verify_key_proof(p, prove_key(p, p - 1))
    with pytest.raises(ProofError, match="prime or a perfect power"):
        verify_key_proof(p**2, (mpz(1),) * 6)


def test_even_and_tiny_moduli_are_refused(modulus: mpz, roots: tuple[mpz, ...]) -> None:
    for n in (2 * modulus, mpz(0), mpz(15), -modulus):
        with pytest.raises(ProofError, match="even or too small"):
            verify_key_proof(n, roots)


def test_a_modulus_that_shares_a_factor_with_its_group_order_cannot_be_proved() -> None:
    """q = 1 mod p: x -> x^n is then no permutation, and the dealer, knowing all, finds no roots."""
    p = prime(64)
    k = mpz(2)
    while not gmpy2.is_prime(k * p + 1):
        k += 2
    q = k * p + 1
    n, order = p * q, (p - 1) * (q - 1)
    with pytest.raises(ConfigurationError):
        prove_key(n, order)
    # Best effort: roots modulo the part of the order that is coprime to n. Right only where rho is a p-th power.
    exponent = gmpy2.invert(n, order // p)
    from fedtrust.crypto.key_proof import _challenges

    with pytest.raises(ProofError, match="is wrong"):
        verify_key_proof(n, [gmpy2.powmod(rho, exponent, n) for rho in _challenges(n)])


def test_a_modulus_that_is_not_squarefree_cannot_be_proved() -> None:
    p, q = prime(128), prime(200)
    n = p * p * q
    from fedtrust.crypto.key_proof import _challenges

    exponent = gmpy2.invert(n, (p - 1) * (q - 1))
    with pytest.raises(ProofError, match="is wrong"):
        verify_key_proof(n, [gmpy2.powmod(rho, exponent, n) for rho in _challenges(n)])
