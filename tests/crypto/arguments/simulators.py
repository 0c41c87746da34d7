"""The simulators and the extractor of docs/cryptography.md, formula by formula.

They know what the page lets them know. No function here takes a prime factor of n, or e = n^-1 modulo the order.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto import key_proof, manifest, partial_proof, plaintext_proof
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector, PublicKey
from fedtrust.crypto.partial_proof import PartialProof
from fedtrust.crypto.plaintext_proof import PlaintextProof, verify_plaintext_knowledge
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import KeyShare, PartialVector
from fedtrust.errors import ProofError
from tests.crypto.arguments.oracle import ProgrammableOracle, Tape, programmable_oracle

_ATTEMPTS = 256


class NoAnswerError(Exception):
    """The prover answers too few challenges to extract from it."""


def random_unit(modulus: mpz) -> mpz:
    while True:
        value = mpz(secrets.randbelow(int(modulus)))
        if gmpy2.gcd(value, modulus) == 1:
            return value


def roots_of(encrypted: EncryptedVector) -> list[mpz]:
    """Section 2: rt(c) = h^a mod n, which whoever encrypts knows."""
    key = encrypted.ciphertexts.key
    return [gmpy2.powmod(key.h, exponent, key.n) for exponent in encrypted.exponents]


def encrypts(key: PublicKey, ciphertext: mpz, plaintext: int, root: mpz) -> bool:
    """Fact 1: the one pair with c = (1 + M n) y^n mod n^2."""
    return bool((1 + plaintext * key.n) * gmpy2.powmod(root, key.n, key.n_squared) % key.n_squared == ciphertext)


# section 7: the committee


def power_from_root(n: mpz, trustees: int, shares: Mapping[int, mpz], index: int, square: mpz, root: mpz) -> mpz:
    """Section 7, Simulation: square^(D e_index) = root^(l_0) square^(sum l_j e_j), where root^n = square.

    ``shares`` are the t - 1 shares that are known; l_0, l_j are D times the Lagrange coefficients at ``index`` for the
    point 0 and theirs.
    """
    points = [0, *shares]
    coefficients = {
        k: math.factorial(trustees)
        * math.prod((Fraction(index - j, k - j) for j in points if j != k), start=Fraction(1))
        for k in points
    }
    assert all(coefficient.denominator == 1 for coefficient in coefficients.values())
    known = sum((int(coefficients[j]) * share for j, share in shares.items()), start=mpz(0))
    return gmpy2.powmod(root, int(coefficients[0]), n) * gmpy2.powmod(square, known, n) % n


def simulated_partials(
    committee: KeyManifest,
    shares: Mapping[int, mpz],
    index: int,
    ciphertexts: CiphertextVector,
    roots: Sequence[mpz],
) -> PartialVector:
    """Section 7: x_i = y^(2 l_0) x^(2 sum l_j e_j) mod n for every ciphertext, x = c mod n."""
    n = committee.public_key.n
    values = [
        power_from_root(n, len(committee.trustees), shares, index, (c % n) ** 2 % n, y**2 % n)
        for c, y in zip(ciphertexts.values, roots, strict=True)
    ]
    return PartialVector(committee.public_key, index, tuple(values))


def simulated_committee(
    oracle: ProgrammableOracle, accounts: KeyManifest, corrupt: Sequence[int]
) -> tuple[KeyManifest, dict[int, KeyShare]]:
    """Section 11, step 5: a manifest and the corrupt trustees' shares, from n alone.

    ``accounts`` says which n, t and trustees; its verification keys, its v and its key proof are not looked at.
    Shares are uniform below n/4. v = u^(2n), so v^e = u^2; the key proof has chosen roots (section 5).
    """
    n, count = accounts.public_key.n, len(accounts.trustees)
    shares = {j: mpz(secrets.randbelow(int(n // 4))) for j in corrupt}
    u = random_unit(n)
    oracle.program(lambda: manifest.verification_base(n), [gmpy2.powmod(u, n, n)])
    v = manifest.verification_base(n)
    proof = tuple(random_unit(n) for _ in range(key_proof.KEY_PROOF_ROOTS))
    oracle.program(lambda: key_proof._challenges(n), [gmpy2.powmod(root, n, n) for root in proof])
    trustees = tuple(
        replace(
            trustee,
            verification=gmpy2.powmod(v, math.factorial(count) * shares[trustee.index], n)
            if trustee.index in shares
            else power_from_root(n, count, shares, trustee.index, v, u * u % n),
        )
        for trustee in accounts.trustees
    )
    simulated = KeyManifest(accounts.public_key, v, accounts.threshold, trustees, proof)
    return simulated, {j: KeyShare(j, share) for j, share in shares.items()}


def simulated_partial_proof(
    oracle: ProgrammableOracle,
    committee: KeyManifest,
    ciphertexts: CiphertextVector,
    partial: PartialVector,
    statement: DecryptionStatement,
) -> PartialProof:
    """Section 8, Zero knowledge: choose c and z, compute a = v^z v_i^-c and b = X^z Z^-c, program."""
    n, trustee = committee.public_key.n, committee.trustee(partial.index)
    transcript, coefficients = partial_proof._coefficients(committee, trustee, ciphertexts, partial, statement)
    x = math.prod(gmpy2.powmod(c, 4 * r, n) for c, r in zip(ciphertexts.values, coefficients, strict=True)) % n
    z = math.prod(gmpy2.powmod(y, 2 * r, n) for y, r in zip(partial.values, coefficients, strict=True)) % n
    challenge = mpz(secrets.randbits(partial_proof.CHALLENGE_BITS))
    response = mpz(secrets.randbits(partial_proof._mask_bits(committee)))
    a = gmpy2.powmod(committee.v, response, n) * gmpy2.powmod(trustee.verification, -challenge, n) % n
    b = gmpy2.powmod(x, response, n) * gmpy2.powmod(z, -challenge, n) % n
    oracle.program(lambda: partial_proof._challenge(transcript, a, b), [challenge])
    return PartialProof(committee.public_key, challenge, response)


# section 4: the proof of plaintext knowledge


def mask_of(ciphertexts: CiphertextVector, coefficients: Sequence[mpz], z: mpz, s: mpz) -> mpz:
    """Section 4: the one first message that fits, Y = (1 + z n) h_s^s prod c_j^(-r_j)."""
    key = ciphertexts.key
    powers = (gmpy2.powmod(c, -r, key.n_squared) for c, r in zip(ciphertexts.values, coefficients, strict=True))
    left = (1 + z * key.n) * gmpy2.powmod(key.h_s, s, key.n_squared)
    return left * math.prod(powers) % key.n_squared


def simulated_plaintext_proof(
    oracle: ProgrammableOracle, ciphertexts: CiphertextVector, statement: UpdateStatement
) -> PlaintextProof:
    """Section 4, Zero knowledge: draw r, z and s, compute Y, program."""
    key = ciphertexts.key
    coefficients = [mpz(secrets.randbits(plaintext_proof.COEFFICIENT_BITS)) for _ in ciphertexts.values]
    z = mpz(secrets.randbelow(int(key.n)))
    s = mpz(secrets.randbits(plaintext_proof._mask_bits(key.bits // 2, len(ciphertexts))))
    mask = mask_of(ciphertexts, coefficients, z, s)
    oracle.program(lambda: plaintext_proof._coefficients(ciphertexts, statement, mask), coefficients)
    return PlaintextProof(key, mask, z, s)


@dataclass(frozen=True)
class Fork:
    """Two accepting transcripts with one first message, whose challenges differ in one place by ``difference``."""

    place: int
    difference: mpz
    first: PlaintextProof
    second: PlaintextProof

    def opening(self, ciphertexts: CiphertextVector) -> tuple[int, mpz]:
        """Section 4, Special soundness: M_j = dz / d mod n, y_j = h^(ds A) (c_j mod n)^B mod n with d A + n B = 1."""
        key = ciphertexts.key
        one, a, b = gmpy2.gcdext(self.difference, key.n)
        assert one == 1
        plaintext = (self.first.z - self.second.z) * gmpy2.invert(self.difference, key.n) % key.n
        root = gmpy2.powmod(key.h, (self.first.s - self.second.s) * a, key.n)
        return int(plaintext), root * gmpy2.powmod(ciphertexts.values[self.place], b, key.n) % key.n


def forked(
    ciphertexts: CiphertextVector,
    statement: UpdateStatement,
    prover: Callable[[], PlaintextProof],
    tape: Tape,
    place: int,
) -> Fork:
    """Section 4, Extracting all J: (i) draw r, (ii) draw r_place again until the rewound prover answers once more.

    ``prover`` proves ``ciphertexts`` for ``statement`` with coins from ``tape``; it may fail for some challenges.
    """
    tape.rewind()
    mask = prover().mask

    def draw() -> mpz:
        return mpz(secrets.randbits(plaintext_proof.COEFFICIENT_BITS))

    def answered(coefficients: Sequence[mpz]) -> PlaintextProof | None:
        with programmable_oracle() as oracle:
            oracle.program(lambda: plaintext_proof._coefficients(ciphertexts, statement, mask), coefficients)
            tape.rewind()
            proof = prover()
            assert proof.mask == mask
            try:
                verify_plaintext_knowledge(ciphertexts.key, ciphertexts, statement, proof)
            except ProofError:
                return None
            return proof

    first = None
    for _ in range(_ATTEMPTS):
        coefficients = [draw() for _ in ciphertexts.values]
        first = answered(coefficients)
        if first is not None:
            break
    for _ in range(_ATTEMPTS if first is not None else 0):
        other = draw()
        second = answered([other if j == place else r for j, r in enumerate(coefficients)])
        if first is not None and second is not None and other != coefficients[place]:
            return Fork(place, coefficients[place] - other, first, second)
    raise NoAnswerError(f"{_ATTEMPTS} challenges without an answer")
