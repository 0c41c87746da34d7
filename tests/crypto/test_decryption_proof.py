from __future__ import annotations

import math
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption, verify_decryption
from fedtrust.crypto.encoding import from_hex
from fedtrust.crypto.key_proof import verify_key_proof
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import Opening
from fedtrust.errors import ProofError
from tests.crypto.crypto_fixtures import COUNT, Round, load_vectors


@pytest.fixture(scope="module")
def proof(key: PublicKey, round_: Round) -> DecryptionProof:
    return prove_decryption(key, round_.aggregate, round_.opening, round_.decryption)


def check(key: PublicKey, round_: Round, proof: DecryptionProof, **changes: object) -> None:
    verify_decryption(
        key,
        changes.get("ciphertexts", round_.aggregate),  # type: ignore[arg-type]
        changes.get("plaintexts", round_.opening.plaintexts),  # type: ignore[arg-type]
        changes.get("statement", round_.decryption),  # type: ignore[arg-type]
        proof,
    )


def test_an_honest_proof_holds(key: PublicKey, round_: Round, proof: DecryptionProof) -> None:
    check(key, round_, proof)


def test_the_textbooks_proof_is_ours(key: PublicKey, primes: tuple[int, int]) -> None:
    vector = load_vectors("paillier")
    ciphertexts = CiphertextVector(key, tuple(mpz(int(c, 16)) for c in vector["ciphertexts"]))
    plaintexts = tuple(int(m, 16) for m in vector["plaintexts"])
    fields = vector["statement"]
    statement = DecryptionStatement(
        fields["chain_id"],
        fields["contract"],
        fields["round"],
        from_hex(fields["spec_hash"], 32, "spec hash"),
        from_hex(vector["root"], 32, "root"),
    )
    theirs = DecryptionProof(key, tuple(mpz(int(r, 16)) for r in vector["decryption_proof"]))
    verify_decryption(key, ciphertexts, plaintexts, statement, theirs)
    exponent = pow(int(key.n), -1, math.lcm(primes[0] - 1, primes[1] - 1))
    roots = tuple(gmpy2.powmod(c % key.n, exponent, key.n) for c in ciphertexts.values)
    assert prove_decryption(key, ciphertexts, Opening(plaintexts, roots), statement) == theirs


def test_the_file_round_trips_and_its_size_is_constant(key: PublicKey, proof: DecryptionProof) -> None:
    data = proof.to_bytes()
    assert len(data) == 5 + 6 * 256
    assert DecryptionProof.from_bytes(data, key) == proof


def test_damaged_files_are_refused(key: PublicKey, proof: DecryptionProof, primes: tuple[int, int]) -> None:
    data = proof.to_bytes()
    for bad in (
        b"",
        data[:-1],
        data + b"\x00",
        b"FTPK" + data[4:],
        data[:4] + b"\x01" + data[5:],
        data[:-256] + bytes(256),
        data[:-256] + int(key.n).to_bytes(256, "big"),
        data[:-256] + primes[1].to_bytes(256, "big"),
        data[:-256],
    ):
        with pytest.raises(ProofError):
            DecryptionProof.from_bytes(bad, key)
    with pytest.raises(ProofError, match="wrong size"):
        DecryptionProof(key, proof.roots[:5])


@pytest.mark.parametrize(
    "change", [{"chain_id": 1}, {"contract": "0x" + "c1" * 20}, {"round": 4}, {"spec_hash": bytes([8]) * 32}]
)
def test_a_proof_is_bound_to_every_field_of_its_statement(
    key: PublicKey, round_: Round, proof: DecryptionProof, change: dict[str, object]
) -> None:
    with pytest.raises(ProofError):
        check(key, round_, proof, statement=replace(round_.decryption, **change))  # type: ignore[arg-type]


def test_another_aggregate_root_is_refused_by_prover_and_verifier(
    key: PublicKey, round_: Round, proof: DecryptionProof
) -> None:
    other = replace(round_.decryption, aggregate_root=bytes(32))
    with pytest.raises(ProofError, match="another aggregate"):
        check(key, round_, proof, statement=other)
    with pytest.raises(ProofError, match="another aggregate"):
        prove_decryption(key, round_.aggregate, round_.opening, other)


def test_one_wrong_plaintext_anywhere_is_refused(key: PublicKey, round_: Round, proof: DecryptionProof) -> None:
    n = int(key.n)
    for j in range(COUNT):
        for error in (1, n - 1, n // 2):
            lie = list(round_.opening.plaintexts)
            lie[j] = (lie[j] + error) % n
            with pytest.raises(ProofError):
                check(key, round_, proof, plaintexts=lie)


def test_a_lying_combiner_cannot_prove_its_lie(key: PublicKey, round_: Round) -> None:
    """It holds the true roots and makes the whole proof for false plaintexts, coefficients and all."""
    for j in range(COUNT):
        lie = list(round_.opening.plaintexts)
        lie[j] = (lie[j] + 1) % int(key.n)
        forged = prove_decryption(
            key, round_.aggregate, replace(round_.opening, plaintexts=tuple(lie)), round_.decryption
        )
        with pytest.raises(ProofError, match="does not hold"):
            check(key, round_, forged, plaintexts=lie)


def test_errors_that_cancel_in_the_sum_are_refused(key: PublicKey, round_: Round, proof: DecryptionProof) -> None:
    lie = list(round_.opening.plaintexts)
    lie[0], lie[1] = (lie[0] + 1) % int(key.n), (lie[1] - 1) % int(key.n)
    with pytest.raises(ProofError):
        check(key, round_, proof, plaintexts=lie)
    lie = list(round_.opening.plaintexts)
    lie[0], lie[1] = lie[1], lie[0]
    with pytest.raises(ProofError):
        check(key, round_, proof, plaintexts=lie)


def test_plaintexts_are_taken_in_range_and_in_number_only(
    key: PublicKey, round_: Round, proof: DecryptionProof
) -> None:
    true = round_.opening.plaintexts
    for bad in ((true[0] + int(key.n), *true[1:]), (true[0] - int(key.n), *true[1:]), true[:-1], (*true, 0), ()):
        with pytest.raises(ProofError):
            check(key, round_, proof, plaintexts=bad)


def test_every_combined_root_is_checked(key: PublicKey, round_: Round, proof: DecryptionProof) -> None:
    for k in range(6):
        for bad in (proof.roots[k] * 2 % key.n, key.n - proof.roots[k], mpz(1)):
            forged = DecryptionProof(key, (*proof.roots[:k], bad, *proof.roots[k + 1 :]))
            with pytest.raises(ProofError, match=f"combination {k}"):
                check(key, round_, forged)
    with pytest.raises(ProofError):
        check(key, round_, DecryptionProof(key, tuple(reversed(proof.roots))))


def test_changed_ciphertexts_are_refused_even_under_their_own_root(
    key: PublicKey, round_: Round, proof: DecryptionProof
) -> None:
    values = round_.aggregate.values
    for j in range(COUNT):
        changed = CiphertextVector(key, (*values[:j], values[j] * (1 + key.n) % key.n_squared, *values[j + 1 :]))
        with pytest.raises(ProofError):
            check(key, round_, proof, ciphertexts=changed)
        moved = replace(round_.decryption, aggregate_root=changed.root())
        with pytest.raises(ProofError):
            check(key, round_, proof, ciphertexts=changed, statement=moved)


def test_a_proof_of_one_round_does_not_serve_another(key: PublicKey, round_: Round, proof: DecryptionProof) -> None:
    other = encrypt_vector(key, round_.opening.plaintexts).ciphertexts
    with pytest.raises(ProofError):
        check(
            key,
            round_,
            proof,
            ciphertexts=other,
            statement=replace(round_.decryption, aggregate_root=other.root()),
        )


def test_keys_and_lengths_must_belong_together(
    key: PublicKey, toy: PublicKey, round_: Round, proof: DecryptionProof
) -> None:
    with pytest.raises(ProofError, match="another key"):
        check(key, round_, DecryptionProof(toy, (mpz(2),) * 6))
    with pytest.raises(ProofError, match="another key"):
        check(toy, round_, proof)
    short = replace(round_.opening, roots=round_.opening.roots[:-1])
    with pytest.raises(ProofError, match="different lengths"):
        prove_decryption(key, round_.aggregate, short, round_.decryption)


def test_why_the_key_proof_is_needed() -> None:
    """Under a modulus with a small factor f, a dealer forges: errors M_j + n/f vanish when sum r_kj = 0 mod f.

    Here f = 257 and one combination: a lie passes about once in 257 tries, with six combinations about once in
    257^6. The key proof refuses such a modulus outright.
    """
    small, large = mpz(257), gmpy2.next_prime(mpz(1) << 300)
    n, order = small * large, (small - 1) * (large - 1)
    root = gmpy2.invert(n, order)
    c = gmpy2.powmod(3, n, n * n)  # encrypts 0
    lie = n // small
    passed = 0
    for r in range(257 * 4):
        combined = gmpy2.powmod(gmpy2.powmod(c % n, root, n), r, n)
        passed += gmpy2.powmod(combined, n, n * n) * (1 + r * lie * n) % n**2 == gmpy2.powmod(c, r, n * n)
    assert passed == 4
    with pytest.raises(ProofError, match="small factor"):
        verify_key_proof(n, (mpz(1),) * 6)
