from __future__ import annotations

from dataclasses import replace

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import from_hex
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector, PublicKey, encrypt_vector
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import UpdateStatement
from fedtrust.errors import ProofError, UpdateError
from tests.crypto.crypto_fixtures import COUNT, Round, load_vectors


@pytest.fixture(scope="module")
def proof(key: PublicKey, round_: Round) -> PlaintextProof:
    return prove_plaintext_knowledge(key, round_.encrypted[0], round_.plaintexts[0], round_.update)


def test_an_honest_proof_holds(key: PublicKey, round_: Round, proof: PlaintextProof) -> None:
    verify_plaintext_knowledge(key, round_.encrypted[0].ciphertexts, round_.update, proof)


def test_a_proof_made_by_the_textbook_holds(key: PublicKey) -> None:
    vector = load_vectors("paillier")
    ciphertexts = CiphertextVector(key, tuple(mpz(int(c, 16)) for c in vector["ciphertexts"]))
    fields = vector["statement"]
    statement = UpdateStatement(
        fields["chain_id"],
        fields["contract"],
        fields["round"],
        from_hex(fields["spec_hash"], 32, "spec hash"),
        fields["participant"],
    )
    numbers = {name: mpz(int(value, 16)) for name, value in vector["plaintext_proof"].items()}
    verify_plaintext_knowledge(key, ciphertexts, statement, PlaintextProof(key, **numbers))


@pytest.mark.parametrize("bits", [None, 512])
@pytest.mark.parametrize("count", [1, 2, 17])
def test_every_length_of_vector_and_exponent(key: PublicKey, round_: Round, count: int, bits: int | None) -> None:
    encrypted = encrypt_vector(key, range(count), exponent_bits=bits)
    proof = prove_plaintext_knowledge(key, encrypted, range(count), round_.update)
    verify_plaintext_knowledge(key, encrypted.ciphertexts, round_.update, proof)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_honest_proofs_hold_for_any_plaintexts(toy: PublicKey, round_: Round, data: st.DataObject) -> None:
    n = int(toy.n)
    plaintexts = data.draw(
        st.lists(st.one_of(st.sampled_from([0, n - 1]), st.integers(0, n - 1)), min_size=1, max_size=6)
    )
    encrypted = encrypt_vector(toy, plaintexts)
    proof = prove_plaintext_knowledge(toy, encrypted, plaintexts, round_.update)
    verify_plaintext_knowledge(toy, encrypted.ciphertexts, round_.update, proof)


def test_the_file_round_trips_and_its_size_is_constant(key: PublicKey, round_: Round, proof: PlaintextProof) -> None:
    data = proof.to_bytes()
    assert PlaintextProof.from_bytes(data, key) == proof
    one = encrypt_vector(key, [1])
    assert len(prove_plaintext_knowledge(key, one, [1], round_.update).to_bytes()) == len(data) < 2048


def test_damaged_files_are_refused(key: PublicKey, proof: PlaintextProof) -> None:
    data = proof.to_bytes()
    bad_z = data[: 5 + 512] + int(key.n).to_bytes(256, "big") + data[5 + 512 + 256 :]
    bad_mask = data[:5] + bytes(512) + data[5 + 512 :]
    non_unit = data[:5] + int(key.n).to_bytes(512, "big") + data[5 + 512 :]
    wide_mask = data[:5] + int(key.n_squared).to_bytes(512, "big") + data[5 + 512 :]
    wrong_head = [b"", data[:-1], data + b"\x00", b"XXXX" + data[4:], data[:4] + b"\x01" + data[5:]]
    for bad in (*wrong_head, bad_z, bad_mask, non_unit, wide_mask):
        with pytest.raises(ProofError):
            PlaintextProof.from_bytes(bad, key)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"contract": "0x" + "c1" * 20},
        {"round": 4},
        {"spec_hash": bytes([8]) * 32},
        {"participant": "0x" + "a2" * 20},
    ],
)
def test_a_proof_is_bound_to_every_field_of_its_statement(
    key: PublicKey, round_: Round, proof: PlaintextProof, change: dict[str, object]
) -> None:
    other = replace(round_.update, **change)  # type: ignore[arg-type]
    with pytest.raises(ProofError):
        verify_plaintext_knowledge(key, round_.encrypted[0].ciphertexts, other, proof)


def test_the_letter_case_of_addresses_does_not_matter(key: PublicKey, round_: Round, proof: PlaintextProof) -> None:
    upper = replace(round_.update, participant="0x" + "A1" * 20)
    verify_plaintext_knowledge(key, round_.encrypted[0].ciphertexts, upper, proof)


def test_mutated_proofs_are_refused(key: PublicKey, round_: Round, proof: PlaintextProof) -> None:
    ciphertexts = round_.encrypted[0].ciphertexts
    mutations = [
        replace(proof, mask=proof.mask * key.h_s % key.n_squared),
        replace(proof, mask=key.n_squared - proof.mask),
        replace(proof, z=(proof.z + 1) % key.n),
        replace(proof, z=mpz(0)),
        replace(proof, s=proof.s + 1),
        replace(proof, s=mpz(0)),
    ]
    for forged in mutations:
        with pytest.raises(ProofError):
            verify_plaintext_knowledge(key, ciphertexts, round_.update, forged)


def test_every_ciphertext_and_its_place_is_bound(key: PublicKey, round_: Round, proof: PlaintextProof) -> None:
    values = round_.encrypted[0].ciphertexts.values
    for j in range(COUNT):
        changed = (*values[:j], values[j] * key.h_s % key.n_squared, *values[j + 1 :])
        with pytest.raises(ProofError):
            verify_plaintext_knowledge(key, CiphertextVector(key, changed), round_.update, proof)
    for other in (tuple(reversed(values)), values[:-1], (*values, values[0])):
        with pytest.raises(ProofError):
            verify_plaintext_knowledge(key, CiphertextVector(key, other), round_.update, proof)


@pytest.mark.parametrize("how", ["copy", "square", "negate", "re-randomise", "product"])
def test_mauling_somebodys_update_is_refused(key: PublicKey, round_: Round, proof: PlaintextProof, how: str) -> None:
    """The attack the proof exists for: commit a function of the victim's ciphertexts and read it off the sum.

    The attacker has the victim's ciphertexts and proof, and knows neither plaintexts nor exponents.
    """
    victim = round_.encrypted[0].ciphertexts
    attacker = replace(round_.update, participant="0x" + "ee" * 20)
    own = encrypt_vector(key, [0] * COUNT)
    n_squared = key.n_squared
    mauled, known_exponents = {
        "copy": (victim, [mpz(0)] * COUNT),
        "square": (CiphertextVector(key, tuple(c * c % n_squared for c in victim.values)), [mpz(0)] * COUNT),
        "negate": (CiphertextVector(key, tuple(pow(c, -1, n_squared) for c in victim.values)), [mpz(0)] * COUNT),
        "re-randomise": (multiply_vectors(key, [victim, own.ciphertexts]), list(own.exponents)),
        "product": (multiply_vectors(key, [victim, round_.encrypted[1].ciphertexts]), [mpz(0)] * COUNT),
    }[how]
    # 1. The victim's own proof does not carry over, nor any power of it.
    for replayed in (
        proof,
        replace(proof, mask=proof.mask**2 % n_squared, z=2 * proof.z % key.n, s=2 * proof.s),
        replace(proof, mask=pow(proof.mask, -1, n_squared), z=-proof.z % key.n),
    ):
        with pytest.raises(ProofError):
            verify_plaintext_knowledge(key, mauled, attacker, replayed)
    # 2. Nor does a proof made with all the attacker knows.
    forged = prove_plaintext_knowledge(
        key, EncryptedVector(mauled, tuple(known_exponents), 1024), [0] * COUNT, attacker
    )
    with pytest.raises(ProofError):
        verify_plaintext_knowledge(key, mauled, attacker, forged)


def test_a_proof_with_one_wrong_plaintext_does_not_hold(key: PublicKey, round_: Round) -> None:
    for j in range(COUNT):
        lie = list(round_.plaintexts[0])
        lie[j] = (lie[j] + 1) % int(key.n)
        forged = prove_plaintext_knowledge(key, round_.encrypted[0], lie, round_.update)
        with pytest.raises(ProofError):
            verify_plaintext_knowledge(key, round_.encrypted[0].ciphertexts, round_.update, forged)


def test_the_length_of_s_is_bounded(
    key: PublicKey, round_: Round, proof: PlaintextProof, primes: tuple[int, int]
) -> None:
    """Adding the secret order of h_s to s leaves the equation true; only the bound on |s| refuses it."""
    order = (primes[0] - 1) * (primes[1] - 1) // 2
    with pytest.raises(ProofError, match="s is out of range"):
        replace(proof, s=proof.s + order)
    single = encrypt_vector(key, [3])
    honest = prove_plaintext_knowledge(key, single, [3], round_.update)
    with pytest.raises(ProofError, match="s is too long"):
        verify_plaintext_knowledge(key, single.ciphertexts, round_.update, replace(honest, s=honest.s + (1 << 1281)))


def test_keys_and_lengths_must_belong_together(
    key: PublicKey, toy: PublicKey, round_: Round, proof: PlaintextProof
) -> None:
    other = encrypt_vector(toy, [1] * COUNT)
    with pytest.raises(ProofError, match="another key"):
        verify_plaintext_knowledge(key, other.ciphertexts, round_.update, proof)
    with pytest.raises(UpdateError):
        prove_plaintext_knowledge(key, other, [1] * COUNT, round_.update)
    with pytest.raises(UpdateError):
        prove_plaintext_knowledge(toy, other, [1], round_.update)


def test_the_masked_exponent_hides_the_secret_ones(key: PublicKey, round_: Round) -> None:
    """s has the mask's length, 128 bits above what it hides, and differs from proof to proof."""
    proofs = [
        prove_plaintext_knowledge(key, round_.encrypted[0], round_.plaintexts[0], round_.update) for _ in range(4)
    ]
    assert len({p.s for p in proofs}) == len({p.z for p in proofs}) == len({p.mask for p in proofs}) == 4
    assert max(p.s.bit_length() for p in proofs) > 1024 + 128 + 128 - 20
