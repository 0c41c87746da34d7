"""The update envelope and verify_update: one test for every numbered step, and the attacks that it stops."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import pytest
from gmpy2 import mpz, powmod
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.encoding import canonical_json, keccak256, to_hex
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.plaintext_proof import PlaintextProof
from fedtrust.errors import CiphertextError, EncodingError, FedtrustError, ProofError, UpdateError
from fedtrust.protocol.update import (
    MAXIMUM_HEADER,
    MAXIMUM_PROOF,
    Commitment,
    EncryptedUpdate,
    signed_in_epoch,
    verify_update,
)
from tests.protocol.protocol_fixtures import account, honest_round, make_spec, make_update, public_key, sign_as

SPEC = honest_round().spec
ANN, BOB = account("ann"), account("bob")
UPDATE = honest_round().updates[ANN]
DATA = UPDATE.to_bytes()
LENGTHS = struct.Struct(">4sBII")
_, _, HEADER, PROOF = LENGTHS.unpack_from(DATA)
COUNT = 2


def parse(data: bytes, count: int = COUNT) -> EncryptedUpdate:
    return EncryptedUpdate.from_bytes(data, public_key(), expected_count=count)


def verify(update: EncryptedUpdate, commitment: Commitment | None = None) -> None:
    verify_update(update, SPEC, public_key(), commitment or update.commitment)


def with_message(update: EncryptedUpdate, who: str = "ann", **changes: object) -> EncryptedUpdate:
    """Return ``update`` with an altered message, signed again by ``who``."""
    message = replace(update.message, **changes)  # type: ignore[arg-type]
    return replace(update, message=message, signature=sign_as(who, message))


def with_ciphertexts(update: EncryptedUpdate, values: tuple[mpz, ...], who: str = "ann") -> EncryptedUpdate:
    """Return ``update`` with other ciphertexts, its root and its signature made to fit."""
    vector = CiphertextVector(public_key(), values)
    return with_message(replace(update, ciphertexts=vector), who, root=vector.root(), ciphertexts=len(values))


# the envelope


def test_an_update_survives_its_envelope() -> None:
    again = parse(DATA)
    assert again == UPDATE
    assert again.to_bytes() == DATA
    assert again.digest == UPDATE.digest
    assert again.commitment == UPDATE.commitment
    verify(again)


BOUNDARIES = sorted(
    {
        0,
        1,
        4,
        5,
        9,
        LENGTHS.size - 1,
        LENGTHS.size,
        LENGTHS.size + 1,
        LENGTHS.size + HEADER - 1,
        LENGTHS.size + HEADER,
        LENGTHS.size + HEADER + 1,
        LENGTHS.size + HEADER + PROOF - 1,
        LENGTHS.size + HEADER + PROOF,
        LENGTHS.size + HEADER + PROOF + 1,
        len(DATA) - 513,
        len(DATA) - 512,
        len(DATA) - 511,
        len(DATA) - 1,
    }
)


@pytest.mark.parametrize("length", BOUNDARIES)
def test_a_truncated_envelope_is_refused(length: int) -> None:
    with pytest.raises((EncodingError, CiphertextError, ProofError)):
        parse(DATA[:length])


@pytest.mark.parametrize("tail", [b"\0", b"\n", DATA[-512:], DATA])
def test_trailing_bytes_are_refused(tail: bytes) -> None:
    with pytest.raises((EncodingError, CiphertextError)):
        parse(DATA + tail)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_ciphertexts_than_expected_is_refused(count: int) -> None:
    with pytest.raises(CiphertextError):
        parse(DATA, count)


@pytest.mark.parametrize(
    ("magic", "version", "header", "proof"),
    [
        (b"FTUQ", 2, HEADER, PROOF),
        (b"\0\0\0\0", 2, HEADER, PROOF),
        (b"FTUP", 0, HEADER, PROOF),
        (b"FTUP", 1, HEADER, PROOF),
        (b"FTUP", 2, MAXIMUM_HEADER + 1, PROOF),
        (b"FTUP", 2, 2**32 - 1, PROOF),
        (b"FTUP", 2, HEADER, MAXIMUM_PROOF + 1),
        (b"FTUP", 2, HEADER, 2**32 - 1),
        (b"FTUP", 2, HEADER - 1, PROOF),
        (b"FTUP", 2, HEADER + 1, PROOF),
        (b"FTUP", 2, HEADER, PROOF - 1),
        (b"FTUP", 2, HEADER, PROOF + 1),
        (b"FTUP", 2, 0, 0),
    ],
)
def test_altered_lengths_are_refused(magic: bytes, version: int, header: int, proof: int) -> None:
    with pytest.raises((EncodingError, ProofError)):
        parse(LENGTHS.pack(magic, version, header, proof) + DATA[LENGTHS.size :])


FIELDS = json.loads(DATA[LENGTHS.size : LENGTHS.size + HEADER])


def with_header(fields: object) -> bytes:
    header = fields if isinstance(fields, bytes) else canonical_json(fields)
    return LENGTHS.pack(b"FTUP", 2, len(header), PROOF) + header + DATA[LENGTHS.size + HEADER :]


def test_the_header_has_the_documented_fields() -> None:
    assert set(FIELDS) == {
        "ciphertexts",
        "epoch",
        "participant",
        "proof_hash",
        "root",
        "round",
        "signature",
        "spec_hash",
    }
    assert with_header(FIELDS) == DATA


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_missing_header_field_is_refused_by_name(name: str) -> None:
    with pytest.raises(EncodingError, match=name):
        parse(with_header({k: v for k, v in FIELDS.items() if k != name}))


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("value", [None, True, -1, 1.5, "", "0x", "0xzz", [], {}], ids=repr)
def test_a_malformed_header_field_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(EncodingError, match=name):
        parse(with_header({**FIELDS, name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("round", 0),
        ("epoch", 0),
        ("epoch", 2**32),
        ("ciphertexts", 0),
        ("ciphertexts", 2**32),
        ("participant", ANN.lower()),
        ("signature", "0x" + "00" * 64),
        ("signature", "0x" + "00" * 66),
        ("root", "0x" + "00" * 31),
    ],
)
def test_header_fields_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(EncodingError, match=name):
        parse(with_header({**FIELDS, name: value}))


def test_unknown_header_fields_and_other_spellings_are_refused() -> None:
    with pytest.raises(EncodingError, match="unknown"):
        parse(with_header({**FIELDS, "weight": 1}))
    with pytest.raises(EncodingError, match="canonical"):
        parse(with_header(json.dumps(FIELDS).encode()))
    for other in (b"", b"null", b"[]", b"\xff"):
        with pytest.raises(EncodingError):
            parse(with_header(other))


OTHERS: dict[str, object] = {
    "ciphertexts": 3,
    "epoch": 3,
    "participant": BOB,
    "proof_hash": to_hex(bytes(32)),
    "root": to_hex(bytes(32)),
    "round": 4,
    "signature": to_hex(UPDATE.signature[:64] + bytes([UPDATE.signature[64] ^ 1])),
    "spec_hash": to_hex(bytes(32)),
}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_header_field_is_under_the_signature_or_the_commitment(name: str) -> None:
    """Well-formed but altered on the way: it parses, and is not what was signed and committed."""
    altered = parse(with_header({**FIELDS, name: OTHERS[name]}))
    with pytest.raises((UpdateError, ProofError)):
        verify(altered, UPDATE.commitment)


@settings(max_examples=40)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_no_altered_byte_is_accepted(index: int, flip: int) -> None:
    altered = bytearray(DATA)
    altered[index] ^= flip
    with pytest.raises(FedtrustError):
        verify(parse(bytes(altered)), UPDATE.commitment)


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_no_garbage_raises_anything_but_typed_errors(data: bytes) -> None:
    for attempt in (data, b"FTUP\1" + data, LENGTHS.pack(b"FTUP", 2, min(len(data), 20), 0) + data):
        with pytest.raises((EncodingError, CiphertextError, ProofError)):
            parse(attempt)


# verify_update, step by step


@pytest.mark.parametrize("name", ["ann", "bob", "cid"])
def test_an_honest_update_is_accepted(name: str) -> None:
    verify(honest_round().updates[account(name)])


def test_step_1_an_update_for_another_round_is_refused() -> None:
    with pytest.raises(UpdateError, match="step 1: round"):
        verify(with_message(UPDATE, round=4))


def test_step_1_an_update_for_another_spec_is_refused() -> None:
    other = make_spec(quorum=3)
    with pytest.raises(UpdateError, match="step 1: spec hash"):
        verify(make_update("ann", other))


def test_step_2_somebody_who_was_not_selected_is_refused() -> None:
    with pytest.raises(UpdateError, match=r"step 2: .*not selected"):
        verify(make_update("dan", SPEC))


@pytest.mark.parametrize("values", [UPDATE.ciphertexts.values[:1], UPDATE.ciphertexts.values * 2])
def test_step_3_a_vector_of_another_length_is_refused(values: tuple[mpz, ...]) -> None:
    with pytest.raises(UpdateError, match="step 3"):
        verify(with_ciphertexts(UPDATE, values))


def test_step_3_a_claimed_length_that_is_not_the_vectors_is_refused() -> None:
    with pytest.raises(UpdateError, match="step 3"):
        verify(with_message(UPDATE, ciphertexts=3))
    short = CiphertextVector(public_key(), UPDATE.ciphertexts.values[:1])
    with pytest.raises(UpdateError, match="step 3: length of the vector"):
        verify(with_message(replace(UPDATE, ciphertexts=short), root=short.root()))


def test_step_4_ciphertexts_that_are_not_under_the_signed_root_are_refused() -> None:
    swapped = CiphertextVector(public_key(), UPDATE.ciphertexts.values[::-1])
    with pytest.raises(UpdateError, match="step 4: root of the ciphertexts"):
        verify(replace(UPDATE, ciphertexts=swapped))


def test_step_4_an_update_that_is_not_the_committed_one_is_refused() -> None:
    """A second, perfectly valid update after the commitment: equivocation."""
    second = make_update("ann", SPEC)
    verify(second)
    with pytest.raises(UpdateError, match="step 4: committed root"):
        verify(second, UPDATE.commitment)


def test_step_5_another_proof_than_the_signed_or_committed_one_is_refused() -> None:
    proof = honest_round().updates[BOB].proof
    with pytest.raises(UpdateError, match="step 5: hash of the proof"):
        verify(replace(UPDATE, proof=proof))
    swapped = with_message(replace(UPDATE, proof=proof), proof_hash=keccak256(proof.to_bytes()))
    with pytest.raises(UpdateError, match="step 5: committed proof hash"):
        verify(swapped, UPDATE.commitment)


@pytest.mark.parametrize("who", ["bob", "dan"])
def test_step_6_a_signature_of_somebody_else_is_refused(who: str) -> None:
    with pytest.raises(ProofError, match="not signed by its participant"):
        verify(replace(UPDATE, signature=sign_as(who, UPDATE.message)))


def test_step_6_a_signature_for_another_federation_is_refused() -> None:
    for federation in (replace(SPEC.federation, chain_id=1), replace(SPEC.federation, contract=ANN)):
        with pytest.raises(ProofError, match="not signed by its participant"):
            verify(replace(UPDATE, signature=sign_as("ann", UPDATE.message, federation)))


@pytest.mark.parametrize(
    "signature", [bytes(65), b"\xff" * 65, UPDATE.signature[:64] + b"\x05"], ids=["zeros", "ones", "version"]
)
def test_step_6_nonsense_signatures_are_refused(signature: bytes) -> None:
    with pytest.raises(ProofError, match="signature"):
        verify(replace(UPDATE, signature=signature))


def test_step_6_the_other_signature_of_the_same_key_is_refused() -> None:
    """(r, -s) verifies too on the bare curve: two artifacts for one update."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = int.from_bytes(UPDATE.signature[32:64], "big")
    mirrored = UPDATE.signature[:32] + (order - s).to_bytes(32, "big") + bytes([27 + 28 - UPDATE.signature[64]])
    with pytest.raises(ProofError, match="signature"):
        verify(replace(UPDATE, signature=mirrored))


# step 7, and the attacks it is there for


def mauled(how: str) -> tuple[mpz, ...]:
    """Return somebody's ciphertexts, altered without knowing what they hold."""
    key, values = public_key(), UPDATE.ciphertexts.values
    match how:
        case "times a known plaintext":
            return tuple(v * (1 + 5 * key.n) % key.n_squared for v in values)
        case "doubled":
            return tuple(powmod(v, 2, key.n_squared) for v in values)
        case "re-randomised":
            return tuple(v * powmod(key.h_s, 12345, key.n_squared) % key.n_squared for v in values)
        case "negated":
            return tuple(powmod(v, -1, key.n_squared) for v in values)
        case "one entry only":
            return (values[0], values[1] * (1 + key.n) % key.n_squared)
        case _:
            return values[::-1]


MAULINGS = ["times a known plaintext", "doubled", "re-randomised", "negated", "one entry only", "swapped"]


@pytest.mark.parametrize("how", MAULINGS)
def test_step_7_a_mauled_ciphertext_with_a_new_root_and_signature_is_refused(how: str) -> None:
    with pytest.raises(ProofError, match="plaintext proof"):
        verify(with_ciphertexts(UPDATE, mauled(how)))


@pytest.mark.parametrize("how", [*MAULINGS, "copied"])
def test_step_7_nobody_can_send_what_somebody_else_encrypted(how: str) -> None:
    """Bob copies or mauls Ann's ciphertexts and proof and signs them as his own."""
    values = UPDATE.ciphertexts.values if how == "copied" else mauled(how)
    stolen = with_ciphertexts(replace(UPDATE, participant=BOB), values, "bob")
    with pytest.raises(ProofError, match="plaintext proof"):
        verify(stolen)


def test_step_7_an_update_of_an_earlier_round_cannot_be_sent_again() -> None:
    """Same key, same participant, but the proof is bound to the round and its spec."""
    earlier = make_update("ann", make_spec(round=2))
    with pytest.raises(ProofError, match="plaintext proof"):
        verify(with_message(earlier, round=3, spec_hash=SPEC.digest))


@pytest.mark.parametrize("name", ["mask", "z", "s"])
def test_step_7_a_proof_with_another_response_is_refused(name: str) -> None:
    old = UPDATE.proof
    parts = {"mask": old.mask, "z": old.z, "s": old.s}
    parts[name] += 1
    proof = PlaintextProof(public_key(), **parts)
    with pytest.raises(ProofError, match="plaintext proof"):
        verify(with_message(replace(UPDATE, proof=proof), proof_hash=keccak256(proof.to_bytes())))


def test_ciphertexts_that_are_no_units_never_parse() -> None:
    key = public_key()
    tail = len(DATA) - 512
    for value in (mpz(0), key.n, key.n_squared - key.n, key.n_squared):
        with pytest.raises(CiphertextError):
            parse(DATA[:tail] + int(value).to_bytes(512, "big"))


# epochs


def test_an_update_is_signed_in_the_epoch_in_which_it_was_committed() -> None:
    for epoch in (1, 3):
        with pytest.raises(UpdateError, match="step 6: epoch of the commitment"):
            verify(with_message(UPDATE, epoch=epoch), UPDATE.commitment)
        with pytest.raises(UpdateError, match="step 6: epoch of the commitment"):
            verify(UPDATE, replace(UPDATE.commitment, epoch=epoch))


def test_after_a_rotation_the_same_content_is_signed_again() -> None:
    again = signed_in_epoch(UPDATE, 3, lambda m: sign_as("ann", m))
    assert again.message == replace(UPDATE.message, epoch=3)
    assert (again.ciphertexts, again.proof) == (UPDATE.ciphertexts, UPDATE.proof)
    verify(again, replace(UPDATE.commitment, epoch=3))
    assert signed_in_epoch(UPDATE, UPDATE.message.epoch, lambda m: b"never asked") is UPDATE
