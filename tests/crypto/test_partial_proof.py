"""The proof of a partial decryption: honest ones hold, and everything in the statement decides."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto import partial_proof
from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.encoding import canonical_json, from_hex, to_hex
from fedtrust.crypto.manifest import KeyManifest, TrusteeKey
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.partial_proof import (
    PartialProof,
    WrongPartialError,
    prove_partial,
    verify_partial,
    verify_partial_by_others,
)
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import KeyShare, PartialVector, partial_roots
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import EncodingError, ProofError
from tests.crypto.crypto_fixtures import CONTRACT, COUNT, Committee, Round, load_vectors
from tests.crypto.partial_fixtures import check, prove, with_values
from tests.fixtures.keys import test_primes


@pytest.fixture(scope="module")
def proofs(committee: Committee, round_: Round) -> dict[int, PartialProof]:
    return {i: prove(committee, round_, round_.partials[i]) for i in committee.shares}


# what holds


def test_the_proof_of_every_trustee_holds(committee: Committee, round_: Round, proofs: dict[int, PartialProof]) -> None:
    for index, proof in proofs.items():
        check(committee, round_, round_.partials[index], proof)


def test_textbook_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by plain integers, each power by itself: our verifier takes them, our prover gives the same numbers."""
    vector = load_vectors("partial_proof")
    raw = vector["manifest"]
    key = PublicKey(mpz(int(raw["n"], 16)))
    trustees = tuple(
        TrusteeKey(t["index"], t["account"], bytes.fromhex(t["sealing_key"][2:]), mpz(int(t["verification"], 16)))
        for t in raw["trustees"]
    )
    manifest = KeyManifest(key, mpz(int(raw["v"], 16)), raw["threshold"], trustees, ())
    assert manifest.to_bytes() == canonical_json(raw)
    assert to_hex(manifest.key_id) == vector["key_id"]
    ciphertexts = CiphertextVector(key, tuple(mpz(int(c, 16)) for c in vector["ciphertexts"]))
    fields = vector["statement"]
    statement = DecryptionStatement(
        fields["chain_id"],
        fields["contract"],
        fields["round"],
        from_hex(fields["spec_hash"], 32, "spec hash"),
        from_hex(fields["aggregate_root"], 32, "aggregate root"),
    )
    assert len(vector["trustees"]) == 3
    for each in vector["trustees"]:
        share = KeyShare(each["index"], mpz(int(each["share"], 16)))
        made = partial_roots(manifest, share, ciphertexts)
        assert [hex(x) for x in made.values] == each["partials"]
        proof = PartialProof(key, mpz(int(each["challenge"], 16)), mpz(int(each["response"], 16)))
        verify_partial(manifest, ciphertexts, made, statement, proof)
        monkeypatch.setattr(partial_proof.secrets, "randbits", lambda bits, rho=each["rho"]: int(rho, 16))
        assert prove_partial(manifest, share, ciphertexts, made, statement) == proof
        monkeypatch.undo()


@cache
def small_committee(count: int, threshold: int) -> tuple[KeyManifest, tuple[KeyShare, ...]]:
    private = [X25519PrivateKey.generate() for _ in range(count)]
    identities = [TrusteeIdentity(f"0x{i:040x}", k.public_key().public_bytes_raw()) for i, k in enumerate(private, 1)]
    made = run_ceremony(identities, threshold, primes=test_primes(2048))
    shares = [open_share(made.manifest, i, made.sealed_shares[i - 1], k) for i, k in enumerate(private, 1)]
    return made.manifest, tuple(shares)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_committee_and_any_length(data: st.DataObject) -> None:
    """The proof of a right partial holds, that of a wrong one does not, and t right ones judge the others."""
    count = data.draw(st.integers(1, 6), "trustees")
    threshold = data.draw(st.integers(1, count), "threshold")
    manifest, shares = small_committee(count, threshold)
    plaintexts = data.draw(st.lists(st.integers(0, 2**1900), min_size=1, max_size=4), "plaintexts")
    ciphertexts = encrypt_vector(manifest.public_key, plaintexts).ciphertexts
    statement = DecryptionStatement(1, CONTRACT, data.draw(st.integers(0, 2**64 - 1)), bytes(32), ciphertexts.root())
    made = {s.index: partial_roots(manifest, s, ciphertexts) for s in shares}
    for share in shares:
        proof = prove_partial(manifest, share, ciphertexts, made[share.index], statement)
        verify_partial(manifest, ciphertexts, made[share.index], statement, proof)
    liar = data.draw(st.integers(1, count), "liar")
    at = data.draw(st.integers(0, len(plaintexts) - 1), "entry")
    error = data.draw(st.integers(2, 2**64), "error")
    false = with_values(made[liar], {at: made[liar].values[at] * error % manifest.public_key.n})
    proof = prove_partial(manifest, shares[liar - 1], ciphertexts, false, statement)
    with pytest.raises(WrongPartialError) as caught:
        verify_partial(manifest, ciphertexts, false, statement, proof)
    assert caught.value.index == liar
    others = {i: p for i, p in made.items() if i != liar}
    if len(others) >= threshold:
        verify_partial_by_others(manifest, made[liar], others)
        with pytest.raises(WrongPartialError, match=f"trustee {liar} "):
            verify_partial_by_others(manifest, false, others)


def test_the_error_names_index_and_account(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    for index, account in ((1, "0x" + "0" * 39 + "1"), (4, "0x" + "0" * 39 + "4")):
        false = with_values(round_.partials[index], {2: mpz(2)})
        with pytest.raises(WrongPartialError) as caught:
            check(committee, round_, false, proofs[index])
        assert (caught.value.index, caught.value.account) == (index, account)
        assert account in caught.value.message
        assert caught.value.advice


def test_proofs_of_one_partial_are_all_different(committee: Committee, round_: Round) -> None:
    """rho is fresh: two answers with one rho would give sigma by (z - z') / (c - c')."""
    made = [prove(committee, round_, round_.partials[1]) for _ in range(3)]
    assert len({p.challenge for p in made}) == len({p.response for p in made}) == 3
    with patch.object(partial_proof.secrets, "randbits", lambda bits: 5):
        one = prove(committee, round_, round_.partials[1])
        other = prove(committee, round_, with_values(round_.partials[1], {0: mpz(2)}))
    sigma = committee.manifest.delta * committee.shares[1].value
    assert (one.response - other.response) // (one.challenge - other.challenge) == sigma


def test_the_mask_hides_the_secret_statistically(committee: Committee, round_: Round) -> None:
    """z is longer by 128 bits than the longest c sigma there can be."""
    longest = (
        committee.manifest.public_key.bits
        + int(committee.manifest.delta).bit_length()
        + partial_proof.CHALLENGE_BITS
        + partial_proof.STATISTICAL_BITS
    )
    asked: list[int] = []

    def randbits(bits: int) -> int:
        asked.append(bits)
        return secrets.SystemRandom().getrandbits(bits)

    with patch.object(partial_proof.secrets, "randbits", randbits):
        prove(committee, round_, round_.partials[2])
    assert asked == [longest]


# the file


def test_the_file_round_trips_and_its_size_is_constant(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    sizes = set()
    for proof in proofs.values():
        data = proof.to_bytes()
        assert data[:5] == b"FTPP\x01"
        assert PartialProof.from_bytes(data, key) == proof
        sizes.add(len(data))
    one = CiphertextVector(key, round_.aggregate.values[:1])
    short = prove_partial(
        committee.manifest,
        committee.shares[1],
        one,
        PartialVector(key, 1, round_.partials[1].values[:1]),
        replace(round_.decryption, aggregate_root=one.root()),
    )
    assert sizes == {len(short.to_bytes())} == {5 + 16 + 256 + 47}


def test_damaged_files_are_refused(key: PublicKey, proofs: dict[int, PartialProof]) -> None:
    data = proofs[1].to_bytes()
    for bad in (b"", data[:-1], data + b"\0", b"FTPK" + data[4:], data[:4] + b"\x02" + data[5:], data[:5]):
        with pytest.raises(ProofError, match="not a partial proof"):
            PartialProof.from_bytes(bad, key)
    for challenge, response in ((-1, 0), (1 << 128, 0), (0, -1), (0, 1 << 8 * 303)):
        with pytest.raises(ProofError, match="out of range"):
            PartialProof(key, mpz(challenge), mpz(response))


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 5 + 16 + 256 + 47 - 1), bit=st.integers(0, 7))
def test_no_altered_file_verifies(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof], at: int, bit: int
) -> None:
    data = bytearray(proofs[3].to_bytes())
    data[at] ^= 1 << bit
    with pytest.raises(ProofError):
        check(committee, round_, round_.partials[3], PartialProof.from_bytes(bytes(data), key))


# the transcript


@contextmanager
def altering(label: str, seen: set[str]) -> Iterator[None]:
    """Change the item with ``label`` in every transcript; collect all labels in ``seen``."""
    absorb_bytes, absorb_int, absorb_ints = Transcript.absorb_bytes, Transcript.absorb_int, Transcript.absorb_ints
    answer = Transcript.coefficients

    def with_bytes(self: Transcript, name: str, data: bytes) -> None:
        seen.add(name)
        absorb_bytes(self, name, data[:-1] + bytes([data[-1] ^ 1]) if name == label else data)

    def with_int(self: Transcript, name: str, value: int) -> None:
        seen.add(name)
        absorb_int(self, name, value ^ 1 if name == label else value)

    def with_ints(self: Transcript, name: str, values: Any, width: int) -> None:
        seen.add(name)
        absorb_ints(self, name, [*values[:-1], values[-1] ^ 1] if name == label else values, width)

    def with_label(self: Transcript, count: int, bits: int, name: str) -> list[mpz]:
        seen.add(name)
        return answer(self, count, bits, name + "'" if name == label else name)

    with patch.multiple(
        Transcript, absorb_bytes=with_bytes, absorb_int=with_int, absorb_ints=with_ints, coefficients=with_label
    ):
        yield


ABSORBED = (
    "n",
    "key id",
    "v",
    "trustee",
    "account",
    "verification key",
    "chain id",
    "contract",
    "round",
    "spec hash",
    "aggregate root",
    "ciphertexts",
    "partials",
    "r",
    "a",
    "b",
    "challenge",
)


@pytest.mark.parametrize("label", ABSORBED)
def test_every_absorbed_value_decides(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof], label: str
) -> None:
    seen: set[str] = set()
    with altering("nothing", seen):
        check(committee, round_, round_.partials[1], proofs[1])
    assert seen == set(ABSORBED)
    with altering(label, seen), pytest.raises(WrongPartialError):
        check(committee, round_, round_.partials[1], proofs[1])


def test_the_key_id_covers_the_whole_manifest(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    manifest = committee.manifest
    others = (
        replace(manifest, threshold=2),
        replace(manifest, key_proof=manifest.key_proof[1:]),
        replace(manifest, trustees=manifest.trustees[:4]),
    )
    for other in others:
        with pytest.raises(WrongPartialError):
            check(committee, round_, round_.partials[1], proofs[1], manifest=other)


# arguments that do not belong together


def test_keys_lengths_and_indices_must_belong_together(
    committee: Committee, round_: Round, key: PublicKey, toy: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    right = round_.partials[1]
    short = replace(right, values=right.values[:-1])
    foreign = PartialVector(toy, 1, (mpz(2),) * COUNT)
    for made, match in ((short, "different lengths"), (foreign, "another key")):
        with pytest.raises(ProofError, match=match):
            check(committee, round_, made, proofs[1])
        with pytest.raises(ProofError, match=match):
            prove(committee, round_, made)
    with pytest.raises(ProofError, match="another key"):
        check(committee, round_, right, proofs[1], ciphertexts=encrypt_vector(toy, [1] * COUNT).ciphertexts)
    with pytest.raises(ProofError, match="of another share"):
        prove(committee, round_, right, committee.shares[2])
    with pytest.raises(EncodingError, match="no trustee"):
        check(committee, round_, replace(right, index=6), proofs[1])


def test_neither_proof_nor_errors_show_the_share(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    share = committee.shares[1]
    with pytest.raises(WrongPartialError) as caught:
        check(committee, round_, round_.partials[1], replace(proofs[1], challenge=mpz(3)))
    for text in (repr(proofs[1]), caught.value.diagnostics()):
        assert str(share.value) not in text
        assert str(proofs[1].response) not in text
