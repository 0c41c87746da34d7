"""Forgeries of the proof of plaintext knowledge. Each is refused, and succeeds where the one check is removed.

The attacker sees the victim's ciphertexts and proof, and wants its own update to hold what the victim encrypted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto import plaintext_proof
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector, require_units
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import UpdateStatement
from fedtrust.errors import CiphertextError, ProofError
from tests.crypto.forgeries.attacks import decrypt, prove_knowledge, require_caught_by_one_check
from tests.crypto.weakened import forgetting, one_coefficient_for_all, without_check

STATEMENT = UpdateStatement(31337, "0x" + "c0" * 20, 3, bytes([7]) * 32, "0x" + "a1" * 20)
MALLORY = replace(STATEMENT, participant="0x" + "ee" * 20)
VICTIMS = [1234567, 7654321]

equation = partial(without_check, verify_plaintext_knowledge, "does not hold")


def verify(ciphertexts: CiphertextVector, statement: UpdateStatement, proof: PlaintextProof) -> None:
    verify_plaintext_knowledge(ciphertexts.key, ciphertexts, statement, proof)


@pytest.fixture(scope="module")
def victim(key: PublicKey) -> CiphertextVector:
    return encrypt_vector(key, VICTIMS).ciphertexts


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("chain id", {"chain_id": 1}),
        ("contract", {"contract": "0x" + "c1" * 20}),
        ("round", {"round": 4}),
        ("spec hash", {"spec_hash": bytes([8]) * 32}),
        ("participant", {"participant": MALLORY.participant}),
    ],
)
def test_the_proof_of_another_round_participant_chain_or_contract(
    key: PublicKey, label: str, change: dict[str, object]
) -> None:
    """The victim's ciphertexts and proof, sent again where they were not made for."""

    def attack() -> None:
        encrypted = encrypt_vector(key, VICTIMS)
        seen = prove_plaintext_knowledge(key, encrypted, VICTIMS, STATEMENT)
        verify(encrypted.ciphertexts, replace(STATEMENT, **change), seen)  # type: ignore[arg-type]

    require_caught_by_one_check(attack, partial(forgetting, label), match="does not hold")


def test_the_copied_ciphertext_with_a_mask_made_to_fit(key: PublicKey, victim: CiphertextVector) -> None:
    """Where the challenge does not depend on the mask: choose z and s first, then solve for the mask."""

    def attack() -> None:
        r = plaintext_proof._coefficients(victim, MALLORY, mpz(1))
        z, s, modulus = mpz(5), mpz(7), key.n_squared
        combined = gmpy2.powmod(victim.values[0], r[0], modulus) * gmpy2.powmod(victim.values[1], r[1], modulus)
        mask = (1 + z * key.n) * gmpy2.powmod(key.h_s, s, modulus) * gmpy2.invert(combined, modulus) % modulus
        verify(victim, MALLORY, PlaintextProof(key, mask, z, s))

    require_caught_by_one_check(attack, partial(forgetting, "mask"), match="does not hold")


def test_multiples_of_the_victims_ciphertext_that_cancel_in_the_challenge(
    key: PublicKey, victim: CiphertextVector, primes: tuple[int, int]
) -> None:
    """Where the challenge leaves out the ciphertexts: c_1 holds r_2 times the victim's value, c_2 -r_1 times."""

    def attack() -> None:
        own = encrypt_vector(key, [3, 4])
        mask_exponent, modulus = mpz(9), key.n_squared
        mask = gmpy2.powmod(key.h_s, mask_exponent, modulus)
        r = plaintext_proof._coefficients(own.ciphertexts, MALLORY, mask)
        stolen = CiphertextVector(
            key,
            tuple(
                c * gmpy2.powmod(victim.values[0], power, modulus) % modulus
                for c, power in zip(own.ciphertexts.values, (r[1], -r[0]), strict=True)
            ),
        )
        z = (3 * r[0] + 4 * r[1]) % key.n
        s = mask_exponent + r[0] * own.exponents[0] + r[1] * own.exponents[1]
        verify(stolen, MALLORY, PlaintextProof(key, mask, z, s))
        assert decrypt(key, primes, stolen.values)[0] == (3 + r[1] * VICTIMS[0]) % key.n

    require_caught_by_one_check(attack, partial(forgetting, "ciphertexts"), match="does not hold")


def test_entries_that_cancel_in_the_sum(key: PublicKey, victim: CiphertextVector, primes: tuple[int, int]) -> None:
    """With one coefficient for all entries: c_1 holds the victim's value and c_2 takes it away again."""

    def attack() -> None:
        own = encrypt_vector(key, [3, 4])
        first, second = own.ciphertexts.values
        inverse = gmpy2.invert(victim.values[0], key.n_squared)
        stolen = CiphertextVector(key, (first * victim.values[0] % key.n_squared, second * inverse % key.n_squared))
        verify(stolen, MALLORY, prove_knowledge(stolen, [3, 4], own.exponents, MALLORY))
        assert decrypt(key, primes, stolen.values)[0] == 3 + VICTIMS[0]

    require_caught_by_one_check(attack, one_coefficient_for_all, match="does not hold")


def test_swapped_entries(key: PublicKey) -> None:
    """Knowing two plaintexts, a participant claims them in the wrong order."""

    def attack() -> None:
        encrypted = encrypt_vector(key, [3, 4])
        verify(
            encrypted.ciphertexts,
            STATEMENT,
            prove_knowledge(encrypted.ciphertexts, [4, 3], encrypted.exponents[::-1], STATEMENT),
        )

    require_caught_by_one_check(attack, one_coefficient_for_all, match="does not hold")


def test_a_wrong_plaintext(key: PublicKey) -> None:
    def attack() -> None:
        encrypted = encrypt_vector(key, [3, 4])
        lie = prove_plaintext_knowledge(key, encrypted, [3, 5], STATEMENT)
        verify(encrypted.ciphertexts, STATEMENT, lie)

    require_caught_by_one_check(attack, equation, match="does not hold")


@pytest.mark.parametrize("power", [1, 2, -1, 1 << 40])
def test_a_mauled_ciphertext(key: PublicKey, victim: CiphertextVector, power: int) -> None:
    """The victim's values, of this round or an earlier one, times anything; the exponents are only the attacker's."""

    def attack() -> None:
        own = encrypt_vector(key, [3, 4])
        mauled = CiphertextVector(
            key,
            tuple(
                c * gmpy2.powmod(v, power, key.n_squared) % key.n_squared
                for c, v in zip(own.ciphertexts.values, victim.values, strict=True)
            ),
        )
        verify(mauled, MALLORY, prove_knowledge(mauled, [3, 4], own.exponents, MALLORY))

    require_caught_by_one_check(attack, equation, match="does not hold")


# values that are not reduced: one update would have several files, digests and roots


def test_z_plus_n_from_a_file(key: PublicKey) -> None:
    def attack() -> None:
        while True:
            encrypted = encrypt_vector(key, [3])
            proof = prove_plaintext_knowledge(key, encrypted, [3], STATEMENT)
            if proof.z + key.n < 1 << key.bits:
                break
        data, width = proof.to_bytes(), key.plaintext_bytes
        at = 5 + key.ciphertext_bytes
        wide = data[:at] + int(proof.z + key.n).to_bytes(width, "big") + data[at + width :]
        verify(encrypted.ciphertexts, STATEMENT, PlaintextProof.from_bytes(wide, key))

    require_caught_by_one_check(
        attack, partial(without_check, PlaintextProof.__post_init__, "z is out of range"), match="z is out of range"
    )


def test_a_mask_plus_n_squared(key: PublicKey) -> None:
    def attack() -> None:
        encrypted = encrypt_vector(key, [3])
        proof = prove_knowledge(
            encrypted.ciphertexts, [3], encrypted.exponents, STATEMENT, unreduced=int(key.n_squared)
        )
        verify(encrypted.ciphertexts, STATEMENT, proof)

    require_caught_by_one_check(
        attack,
        partial(without_check, PlaintextProof.__post_init__, "mask is not a unit", operand="n_squared"),
        match="mask is not a unit",
    )


def test_a_ciphertext_plus_n_squared_from_a_file(key: PublicKey) -> None:
    width = key.ciphertext_bytes

    def attack() -> None:
        while True:
            encrypted = encrypt_vector(key, [3])
            unreduced = encrypted.ciphertexts.values[0] + key.n_squared
            if unreduced < 1 << 8 * width:
                break
        data = encrypted.ciphertexts.to_bytes()
        vector = CiphertextVector.from_bytes(data[:-width] + int(unreduced).to_bytes(width, "big"), key)
        verify(vector, STATEMENT, prove_knowledge(vector, [3], encrypted.exponents, STATEMENT))
        assert vector.root() != encrypted.ciphertexts.root()

    require_caught_by_one_check(
        attack, partial(without_check, require_units, "is out of range"), error=CiphertextError, match="out of range"
    )


@pytest.mark.parametrize("times", [1, 5])
def test_an_s_longer_than_an_honest_one(key: PublicKey, primes: tuple[int, int], times: int) -> None:
    """A multiple of the order of h_s, added by whoever knows it: the same proof in other bytes. Two locks."""
    order = (primes[0] - 1) * (primes[1] - 1) // 2
    locks = [
        partial(without_check, PlaintextProof.__post_init__, "s is out of range"),
        partial(without_check, verify_plaintext_knowledge, "s is too long"),
    ]

    def attack() -> None:
        encrypted = encrypt_vector(key, [3])
        proof = prove_plaintext_knowledge(key, encrypted, [3], STATEMENT)
        verify(encrypted.ciphertexts, STATEMENT, replace(proof, s=proof.s + times * order))

    require_caught_by_one_check(attack, *locks, match="s is")


def test_a_long_s_that_fits_the_file(key: PublicKey) -> None:
    """Between the bound for this vector and the width of the file there is room; the verifier closes it."""

    def attack() -> None:
        encrypted = encrypt_vector(key, [3])
        bits = key.bits // 2 + 128 + 128 + 20
        mask_exponent = mpz(1) << bits
        mask = gmpy2.powmod(key.h_s, mask_exponent, key.n_squared)
        r = plaintext_proof._coefficients(encrypted.ciphertexts, STATEMENT, mask)[0]
        proof = PlaintextProof(key, mask, 3 * r % key.n, mask_exponent + r * encrypted.exponents[0])
        verify(encrypted.ciphertexts, STATEMENT, PlaintextProof.from_bytes(proof.to_bytes(), key))

    require_caught_by_one_check(
        attack, partial(without_check, verify_plaintext_knowledge, "s is too long"), match="s is too long"
    )


# zero, n, one, and elements of small order


@pytest.mark.parametrize("what", ["zero", "n", "n^2 - n", "p", "q^2"])
def test_what_is_no_unit_has_no_proof_even_behind_the_door(key: PublicKey, primes: tuple[int, int], what: str) -> None:
    """Such a vector would make the aggregate garbage for everybody. Two locks: the door, and the equation."""
    p, q = primes
    bad = {"zero": mpz(0), "n": key.n, "n^2 - n": key.n_squared - key.n, "p": mpz(p), "q^2": mpz(q) ** 2}[what]

    def attack() -> None:
        own = encrypt_vector(key, [3])
        vector = CiphertextVector(key, (bad, *own.ciphertexts.values))
        verify(vector, MALLORY, prove_knowledge(vector, [0, 3], [mpz(0), *own.exponents], MALLORY))

    with pytest.raises(CiphertextError):
        attack()
    with without_check(require_units, "is out of range"), without_check(require_units, "is not a unit"):
        with pytest.raises(ProofError, match="does not hold"):
            attack()
        with equation():
            attack()


@pytest.mark.parametrize("mask", [0, "n", "p"])
def test_a_mask_that_is_no_unit_fits_nothing(key: PublicKey, primes: tuple[int, int], mask: object) -> None:
    value = {0: mpz(0), "n": key.n, "p": mpz(primes[0])}[mask]
    own = encrypt_vector(key, [3]).ciphertexts
    with pytest.raises(ProofError, match="mask is not a unit"):
        PlaintextProof(key, value, mpz(0), mpz(0))
    with without_check(PlaintextProof.__post_init__, "mask is not a unit"), pytest.raises(ProofError):
        verify(own, STATEMENT, PlaintextProof(key, value, mpz(0), mpz(0)))


def test_one_is_an_encryption_of_zero_and_nothing_more(key: PublicKey) -> None:
    """A constant 1 hides nothing, but it is its sender's own zero: the proof holds, and no other's value is in it."""
    ones = CiphertextVector(key, (mpz(1), mpz(1)))
    verify(ones, MALLORY, prove_knowledge(ones, [0, 0], [mpz(0), mpz(0)], MALLORY))
    with pytest.raises(ProofError, match="does not hold"):
        verify(ones, MALLORY, prove_knowledge(ones, [0, 1], [mpz(0), mpz(0)], MALLORY))


def test_minus_one_changes_a_ciphertext_but_not_what_it_holds(
    key: PublicKey, primes: tuple[int, int], victim: CiphertextVector
) -> None:
    """-1 = n^2 - 1 has order 2: it vanishes under an even coefficient, so the proof cannot exclude it.

    It need not: -1 is an n-th power, an encryption of zero. The negated ciphertext of one's own holds the same
    plaintext, and the negated ciphertext of somebody else is as hard to prove as before.
    """
    own = encrypt_vector(key, [3])
    negated = CiphertextVector(key, (key.n_squared - own.ciphertexts.values[0],))
    assert gmpy2.powmod(key.n - 1, key.n, key.n_squared) == key.n_squared - 1
    assert decrypt(key, primes, negated.values) == [3]
    outcomes = set()
    for _ in range(64):
        proof = prove_knowledge(negated, [3], own.exponents, MALLORY)
        even = plaintext_proof._coefficients(negated, MALLORY, proof.mask)[0] % 2 == 0
        outcomes.add(even)
        if even:
            verify(negated, MALLORY, proof)
        else:
            with pytest.raises(ProofError, match="does not hold"):
                verify(negated, MALLORY, proof)
        if len(outcomes) == 2:
            break
    assert outcomes == {True, False}
    copied = CiphertextVector(key, tuple(key.n_squared - c for c in victim.values))
    with pytest.raises(ProofError, match="does not hold"):
        verify(copied, MALLORY, prove_knowledge(copied, [0, 0], [mpz(0), mpz(0)], MALLORY))


def test_a_vector_under_another_key(key: PublicKey) -> None:
    """Ciphertexts labelled with a modulus of the attacker's making, proved under the round's key."""
    other = PublicKey(gmpy2.next_prime(key.n))

    def attack() -> None:
        own = encrypt_vector(key, [3])
        vector = CiphertextVector(other, own.ciphertexts.values)
        mask = gmpy2.powmod(key.h_s, 9, key.n_squared)
        r = plaintext_proof._coefficients(vector, MALLORY, mask)[0]
        proof = PlaintextProof(key, mask, 3 * r % key.n, 9 + r * own.exponents[0])
        verify_plaintext_knowledge(key, vector, MALLORY, proof)

    require_caught_by_one_check(
        attack, partial(without_check, verify_plaintext_knowledge, "another key"), match="another key"
    )
