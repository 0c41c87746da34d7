"""Evidence for disputes: what is returned would convict, what would not is refused before it costs a bond.

The contract's side is written out a second time here, from ``IDisputes.sol``, and every proof goes through it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import pytest
from eth_account import Account
from hypothesis import assume, given
from hypothesis import strategies as st

from fedtrust.crypto.encoding import canonical_json, int_to_fixed, keccak256, to_hex
from fedtrust.crypto.merkle import merkle_path, merkle_root, merkle_root_of, verify_merkle_path
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.signatures import ReceiptMessage, UpdateMessage, sign_receipt, sign_update
from fedtrust.crypto.vector_codec import encode_vector
from fedtrust.errors import CiphertextError, EncodingError, ProofError
from fedtrust.ledger.heads import aggregate_hash, commitment_transcript
from fedtrust.ledger.types import ZERO_ADDRESS, Address, CommitmentEntry, Contribution, bitmap_of
from fedtrust.protocol import dispute as room
from fedtrust.protocol.dispute import (
    ColumnProof,
    DisputedRound,
    Opening,
    ShownUpdate,
    answer,
    column_proof,
    count_proof,
    demand,
    equivocation_proof,
    multiply_columns,
    omission_proof,
    shown_leaves,
    square_modulus_bytes,
)
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.spec import FederationId
from fedtrust.protocol.update import MAGIC, VERSION
from tests.fixtures.keys import test_primes

KEY = PublicKey.insecure_toy((2**127 - 1) * (2**129 - 25))  # odd, 256 bits: no column asks for more
WIDTH, MODULUS = KEY.ciphertext_bytes, int(KEY.n_squared)
CHAIN, CONTRACT = 31337, Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
SPEC_HASH, OPENING = keccak256(b"spec"), keccak256(b"opening")


def signer(index: int):  # type: ignore[no-untyped-def]
    return Account.from_key(index.to_bytes(32, "big"))


def account(index: int) -> Address:
    return Address(signer(index + 1).address)


def leaf(value: int) -> bytes:
    return int_to_fixed(value, WIDTH)


@dataclass(frozen=True)
class Case:
    """A round: every participant's leaves by index, who was accepted, and the committed aggregate."""

    vectors: tuple[tuple[bytes, ...], ...]
    accepted: tuple[int, ...]
    aggregate: tuple[bytes, ...]
    ciphertexts: int

    @property
    def round(self) -> DisputedRound:
        entries = tuple(
            CommitmentEntry(account(i), merkle_root(v), keccak256(bytes([i]))) for i, v in enumerate(self.vectors)
        )
        running = OPENING
        for each in entries:
            running = commitment_transcript(running, each.participant, each.root, each.proof_hash)
        bitmap, root = bitmap_of(list(self.accepted)), merkle_root(self.aggregate)
        return DisputedRound(
            number=3,
            spec_hash=SPEC_HASH,
            ciphertexts=self.ciphertexts,
            opening=OPENING,
            commitments=entries,
            accepted=frozenset(account(i) for i in self.accepted),
            accepted_bitmap=bitmap,
            aggregate_root=root,
            aggregate_hash=aggregate_hash(running, bitmap, root),
        )

    def openings(self, index: int) -> dict[Address, Opening]:
        return {account(i): Opening.of(self.vectors[i], index) for i in self.accepted}

    def column(self, index: int) -> int:
        return prod(int.from_bytes(self.vectors[i][index], "big") for i in self.accepted) % MODULUS


def honest(vectors: Sequence[Sequence[int]], accepted: Sequence[int]) -> Case:
    made = Case(tuple(tuple(map(leaf, v)) for v in vectors), tuple(accepted), (), len(vectors[0]))
    return replace(made, aggregate=tuple(leaf(made.column(j)) for j in range(made.ciphertexts)))


def lying(case: Case, index: int, value: bytes) -> Case:
    return replace(case, aggregate=(*case.aggregate[:index], value, *case.aggregate[index + 1 :]))


class Court:
    """What the contract does with a dispute over an aggregate: see AggregateDisputes.sol."""

    def __init__(self, case: Case, index: int) -> None:
        self.round, self.accepted, self.index = case.round, {account(i) for i in case.accepted}, index
        self.transcript, self.product, self.counted, self.unfit = bytes(32), b"", 0, False

    def multiply(self, modulus: bytes, product: bytes, start: bytes, contributions: Sequence[Contribution]) -> None:
        assert keccak256(modulus) == KEY.modulus_hash
        assert self.transcript in (bytes(32), start)
        assert self.unfit or product == self.product
        transcript = start
        for each in contributions:
            transcript = commitment_transcript(transcript, each.participant, each.root, each.proof_hash)
            if self.unfit or each.participant not in self.accepted:
                continue
            verify_merkle_path(each.root, self.round.ciphertexts, self.index, each.ciphertext, each.path)
            factor = int.from_bytes(each.ciphertext, "big")
            self.counted += 1
            if len(each.ciphertext) != WIDTH or factor >= MODULUS:
                self.unfit = True
            elif self.counted == 1:
                self.product = each.ciphertext
            else:
                self.product = leaf(int.from_bytes(self.product, "big") * factor % MODULUS)
        self.transcript = transcript

    def conclude(self, proof: ColumnProof) -> bool:
        end = proof.conclusion
        assert aggregate_hash(self.transcript, self.round.accepted_bitmap, end.aggregate_root) == (
            self.round.aggregate_hash
        )
        if self.unfit:
            return True
        assert self.counted == len(self.accepted)
        assert end.product == self.product
        verify_merkle_path(end.aggregate_root, self.round.ciphertexts, self.index, end.ciphertext, end.path)
        return end.ciphertext != self.product

    def run(self, proof: ColumnProof, *, crash_after: int | None = None) -> bool:
        steps = proof.steps()
        for place, step in enumerate(steps):
            if place == crash_after:
                rest = proof.steps(None if self.transcript == bytes(32) else self.transcript)
                assert [s.start for s in rest] == [s.start for s in steps[place:]]
            self.multiply(proof.modulus, step.product, step.start, step.contributions)
            assert step.transcript == self.transcript
        return self.conclude(proof)


units = st.integers(min_value=0, max_value=MODULUS - 1)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count, people = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    vectors = draw(st.lists(st.lists(units, min_size=count, max_size=count), min_size=people, max_size=people))
    accepted = sorted(draw(st.sets(st.integers(0, people - 1), min_size=1)))
    return honest(vectors, accepted)


@given(cases(), st.data())
def test_every_wrong_column_is_found_and_convicts(case: Case, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, case.ciphertexts - 1))
    value = data.draw(st.one_of(units.map(leaf), st.binary(min_size=1, max_size=WIDTH + 3)))
    assume(value != case.aggregate[index])
    case = lying(case, index, value)
    columns = multiply_columns(KEY, [case.vectors[i] for i in case.accepted])
    assert columns.first_wrong(case.aggregate) == index
    proof = column_proof(case.round, KEY, index, case.openings(index), Opening.of(case.aggregate, index))
    assert Court(case, index).run(proof)


@given(cases(), st.data())
def test_an_honest_aggregate_cannot_be_disputed(case: Case, data: st.DataObject) -> None:
    columns = multiply_columns(KEY, [case.vectors[i] for i in case.accepted])
    assert columns.product == case.aggregate
    assert columns.first_wrong(case.aggregate) is None
    index = data.draw(st.integers(0, case.ciphertexts - 1))
    with pytest.raises(ProofError, match="is the product"):
        column_proof(case.round, KEY, index, case.openings(index), Opening.of(case.aggregate, index))


@given(cases(), st.data())
def test_a_dispute_goes_on_wherever_it_was_left(case: Case, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, case.ciphertexts - 1))
    case = lying(case, index, leaf((case.column(index) + 1) % MODULUS))
    proof = column_proof(case.round, KEY, index, case.openings(index), Opening.of(case.aggregate, index))
    limit, room.MAXIMUM_STEP_GAS = room.MAXIMUM_STEP_GAS, 300_000  # one or two contributions a step
    try:
        steps = proof.steps()
        assert len(steps) > 1 or len(case.accepted) < 2
        assert Court(case, index).run(proof, crash_after=data.draw(st.integers(0, len(steps) - 1)))
    finally:
        room.MAXIMUM_STEP_GAS = limit


@pytest.mark.parametrize("unfit", [leaf(MODULUS), b"\xff" * WIDTH, leaf(5)[1:], leaf(5) + b"\0", b""])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_accepted_leaf_that_cannot_be_multiplied_is_proof_enough(unfit: bytes, place: int) -> None:
    case = honest([[3, 4], [5, 6], [7, 8], [9, 10]], [0, 1, 2])
    vectors = list(case.vectors)
    vectors[place] = (vectors[place][0], unfit)
    case = replace(case, vectors=tuple(vectors))
    columns = multiply_columns(KEY, [case.vectors[i] for i in case.accepted])
    assert columns.unfit == 1
    assert columns.first_wrong(case.aggregate) == 1
    openings = case.openings(1)
    for later in range(place + 1, 3):
        del openings[account(later)]  # what comes after it need not be shown
    proof = column_proof(case.round, KEY, 1, openings, None)
    assert proof.unfit == place
    assert Court(case, 1).run(proof)
    sound = column_proof(
        lying(case, 0, leaf(1)).round, KEY, 0, case.openings(0), Opening.of((leaf(1), case.aggregate[1]), 0)
    )
    assert sound.unfit is None


def test_a_step_fits_a_transaction() -> None:
    key = PublicKey(prod(test_primes(3072)))
    width = key.ciphertext_bytes
    vectors = tuple(((i + 2).to_bytes(width, "big"),) for i in range(200))
    case = Case(vectors, tuple(range(0, 200, 2)), ((1).to_bytes(width, "big"),), 1)
    proof = column_proof(case.round, key, 0, case.openings(0), Opening.of(case.aggregate, 0))
    steps = proof.steps()
    assert sum(len(s.contributions) for s in steps) == 200
    for step in steps:
        size = sum(len(c.ciphertext) + 32 * len(c.path) + 96 for c in step.contributions) + 2 * width
        assert size < room.MAXIMUM_STEP_BYTES
        assert len(step.contributions) > 10
    assert proof.modulus == square_modulus_bytes(key)
    assert len(proof.modulus) == width


class TestFactsOfARound:
    case = honest([[3, 4], [5, 6], [7, 8]], [0, 2])

    def test_events_that_were_left_out_are_seen(self) -> None:
        whole = self.case.round
        for altered in (
            {"commitments": whole.commitments[1:]},
            {"commitments": whole.commitments[::-1]},
            {"opening": keccak256(b"another")},
            {"aggregate_root": keccak256(b"another")},
            {"accepted_bitmap": 0b111},
        ):
            with pytest.raises(ProofError, match="do not lead"):
                replace(whole, **altered)  # type: ignore[arg-type]

    def test_the_accepted_are_among_the_committed(self) -> None:
        for accepted in ({account(0)}, {account(0), account(7)}):
            with pytest.raises(ProofError):
                replace(self.case.round, accepted=frozenset(accepted))

    def test_a_missing_opening_is_no_proof(self) -> None:
        case = lying(self.case, 0, leaf(1))
        openings = case.openings(0)
        with pytest.raises(ProofError, match="aggregate's ciphertext 0 is not shown"):
            column_proof(case.round, KEY, 0, openings, None)
        del openings[account(2)]
        with pytest.raises(ProofError, match="is not shown"):
            column_proof(case.round, KEY, 0, openings, Opening.of(case.aggregate, 0))

    def test_a_leaf_of_another_place_participant_or_tree_is_no_proof(self) -> None:
        case = lying(self.case, 0, leaf(1))
        shown = Opening.of(case.aggregate, 0)
        for wrong in (
            Opening.of(case.vectors[0], 1),
            Opening.of(case.vectors[2], 0),
            Opening(leaf(99), merkle_path(case.vectors[0], 0)),
        ):
            with pytest.raises(ProofError):
                column_proof(case.round, KEY, 0, {**case.openings(0), account(0): wrong}, shown)
        with pytest.raises(ProofError):
            column_proof(case.round, KEY, 0, case.openings(0), Opening.of(self.case.aggregate, 0))

    def test_a_transcript_of_another_round_cannot_be_gone_on_from(self) -> None:
        case = lying(self.case, 0, leaf(1))
        proof = column_proof(case.round, KEY, 0, case.openings(0), Opening.of(case.aggregate, 0))
        with pytest.raises(ProofError, match="other commitments"):
            proof.steps(keccak256(b"elsewhere"))

    def test_vectors_of_different_lengths_have_no_columns(self) -> None:
        with pytest.raises(ProofError, match="different lengths"):
            multiply_columns(KEY, [(leaf(1),), (leaf(1), leaf(2))])
        with pytest.raises(ProofError, match="another length"):
            multiply_columns(KEY, [(leaf(1),)]).first_wrong((leaf(1), leaf(2)))


class TestCounts:
    @pytest.mark.parametrize("participant", [0, 2, None])
    @pytest.mark.parametrize("count", [1, 3])
    def test_a_wrong_count_is_proven(self, participant: int | None, count: int) -> None:
        case = honest([[3, 4], [5, 6], [7, 8]], [0, 2])
        wrong = tuple(leaf(i) for i in range(count))
        if participant is None:
            case = replace(case, aggregate=wrong)
        else:
            vectors = tuple(wrong if i == participant else v for i, v in enumerate(case.vectors))
            case = replace(case, vectors=vectors)
        who = None if participant is None else account(participant)
        proof = count_proof(case.round, who, wrong)
        running = proof.start
        for each in proof.commitments:
            running = commitment_transcript(running, each.participant, each.root, each.proof_hash)
        whole = case.round
        assert aggregate_hash(running, whole.accepted_bitmap, proof.aggregate_root) == whole.aggregate_hash
        root = proof.commitments[0].root if proof.commitments else proof.aggregate_root
        assert merkle_root_of(proof.count, proof.tree_hash) == root
        assert proof.count == count
        assert len(proof.commitments) == (0 if participant is None else 3 - participant)

    def test_a_right_count_other_leaves_or_one_not_accepted_are_refused(self) -> None:
        case = honest([[3, 4], [5, 6], [7, 8]], [0, 2])
        with pytest.raises(ProofError, match="as many leaves"):
            count_proof(case.round, account(0), case.vectors[0])
        with pytest.raises(ProofError, match="not the leaves"):
            count_proof(case.round, account(0), case.vectors[0][:1])
        with pytest.raises(ProofError, match="not among the accepted"):
            count_proof(case.round, account(1), case.vectors[1])


class TestDemands:
    case = honest([[3, 4], [5, 6], [7, 8]], [0, 2])

    @pytest.mark.parametrize("participant", [0, 2, None])
    def test_a_demand_finds_the_root_and_is_answered(self, participant: int | None) -> None:
        who = None if participant is None else account(participant)
        wanted = demand(self.case.round, who, 1)
        assert wanted.participant == (who or ZERO_ADDRESS)
        assert (wanted.start, wanted.commitments) == self.case.round.behind(who)
        leaves = self.case.aggregate if participant is None else self.case.vectors[participant]
        opening = answer(self.case.round, who, 1, leaves)
        verify_merkle_path(self.case.round.root_of(who), 2, 1, opening.leaf, opening.path)

    def test_nothing_is_demanded_or_answered_that_the_contract_refuses(self) -> None:
        for who, index in ((account(1), 0), (account(9), 0), (account(0), 2), (None, -1)):
            with pytest.raises(ProofError):
                demand(self.case.round, who, index)
        with pytest.raises(ProofError):
            answer(self.case.round, account(0), 1, self.case.vectors[2])
        with pytest.raises(ProofError):
            answer(self.case.round, account(0), 2, self.case.vectors[0])


def envelope(index: int = 0, **changes: object) -> ShownUpdate:
    values: dict[str, object] = {
        "round": 3, "spec_hash": SPEC_HASH, "epoch": 1, "root": keccak256(b"root"), "ciphertexts": 2,
        "proof_hash": keccak256(b"proof"), **changes,
    }  # fmt: skip
    message = UpdateMessage(**values)  # type: ignore[arg-type]
    key = bytes(signer(index + 1).key)
    return ShownUpdate(account(index), message, sign_update(key, CHAIN, CONTRACT, message), (leaf(1),))


class TestEquivocation:
    @pytest.mark.parametrize("change", [{"root": keccak256(b"x")}, {"proof_hash": keccak256(b"x")}, {"ciphertexts": 3}])
    def test_two_different_updates_of_one_round_convict(self, change: dict[str, object]) -> None:
        first, second = envelope(), envelope(**change)
        proof = equivocation_proof(CHAIN, CONTRACT, 3, SPEC_HASH, first, second)
        assert proof.account == account(0)
        assert (proof.first.root, proof.second.root) == (first.message.root, second.message.root)
        assert (proof.first.signature, proof.second.signature) == (first.signature, second.signature)

    @pytest.mark.parametrize(
        "second",
        [
            envelope(),
            envelope(1, root=keccak256(b"x")),
            envelope(root=keccak256(b"x"), epoch=2),
            envelope(root=keccak256(b"x"), round=4),
            envelope(root=keccak256(b"x"), spec_hash=keccak256(b"x")),
            replace(envelope(root=keccak256(b"x")), signature=envelope().signature),
            replace(envelope(1, root=keccak256(b"x")), participant=account(0)),
        ],
        ids=["the same", "another's", "another epoch", "another round", "another spec", "unsigned", "forged"],
    )
    def test_anything_else_does_not(self, second: ShownUpdate) -> None:
        with pytest.raises(ProofError):
            equivocation_proof(CHAIN, CONTRACT, 3, SPEC_HASH, envelope(), second)


class TestOmission:
    case = honest([[3, 4], [5, 6], [7, 8]], [0, 2])

    def receipt(self, who: int = 1, by: int = 40, **changes: object) -> Receipt:
        values: dict[str, object] = {
            "round": 3, "spec_hash": SPEC_HASH, "epoch": 1, "participant": account(who),
            "root": keccak256(b"root"), **changes,
        }  # fmt: skip
        message = ReceiptMessage(**values)  # type: ignore[arg-type]
        signature = sign_receipt(bytes(signer(by + 1).key), CHAIN, CONTRACT, message)
        return Receipt(FederationId(CHAIN, CONTRACT), account(by), message, signature)

    def test_a_receipt_of_what_was_left_out_convicts(self) -> None:
        receipt = self.receipt()
        proof = omission_proof(self.case.round, account(40), receipt)
        assert (proof.participant, proof.epoch) == (account(1), 1)
        assert (proof.root, proof.signature) == (receipt.message.root, receipt.signature)

    def test_any_other_does_not(self) -> None:
        for receipt in (
            self.receipt(0),
            self.receipt(7),
            self.receipt(by=41),
            self.receipt(round=4),
            self.receipt(spec_hash=keccak256(b"x")),
            replace(self.receipt(), signature=self.receipt(epoch=2).signature),
        ):
            with pytest.raises(ProofError):
                omission_proof(self.case.round, account(40), receipt)


class TestShownFiles:
    def test_leaves_are_read_as_they_are(self) -> None:
        values = [0, MODULUS, 5]  # no ciphertext among them but one
        data = encode_vector(b"FTCV", values, WIDTH)
        assert shown_leaves(data) == tuple(map(leaf, values))
        assert shown_leaves(encode_vector(b"FTCV", [7], 3)) == (b"\0\0\7",)

    @pytest.mark.parametrize("cut", [0, 5, 12, 14])
    def test_what_is_no_file_of_leaves_is_refused(self, cut: int) -> None:
        data = encode_vector(b"FTCV", [1, 2], 4)
        with pytest.raises(CiphertextError):
            shown_leaves(data[:cut])
        with pytest.raises(CiphertextError):
            shown_leaves(b"XXXX" + data[4:])

    @staticmethod
    def file(update: ShownUpdate, proof: bytes = b"proof") -> bytes:
        message = update.message
        header = canonical_json(
            {
                "ciphertexts": message.ciphertexts, "epoch": message.epoch, "participant": update.participant,
                "proof_hash": to_hex(message.proof_hash), "root": to_hex(message.root), "round": message.round,
                "signature": to_hex(update.signature), "spec_hash": to_hex(message.spec_hash),
            }
        )  # fmt: skip
        lengths = bytes([VERSION]) + len(header).to_bytes(4, "big") + len(proof).to_bytes(4, "big")
        vector = encode_vector(b"FTCV", [int.from_bytes(x, "big") for x in update.leaves], WIDTH)
        return MAGIC + lengths + header + proof + vector

    def test_an_envelope_is_read_leniently(self) -> None:
        update = replace(envelope(), leaves=(leaf(MODULUS), leaf(0)))
        read = ShownUpdate.from_bytes(self.file(update))
        assert read == update
        read.verify_signature(CHAIN, CONTRACT, 3, SPEC_HASH)

    @given(st.binary(max_size=300))
    def test_garbage_is_refused_with_a_typed_error(self, data: bytes) -> None:
        for candidate in (data, MAGIC + bytes([VERSION]) + data, self.file(envelope())[: len(data)] + data):
            with contextlib.suppress(EncodingError, CiphertextError):
                ShownUpdate.from_bytes(candidate)
