from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import EncodingError
from tests.crypto import textbook

ITEM = st.one_of(
    st.tuples(st.just("bytes"), st.text(max_size=4), st.binary(max_size=8)),
    st.tuples(st.just("int"), st.text(max_size=4), st.integers(0, 2**40)),
    st.tuples(st.just("ints"), st.text(max_size=4), st.lists(st.integers(0, 255), max_size=4)),
)


def challenge(items: list[tuple[str, str, object]]) -> int:
    transcript = Transcript("test")
    for kind, label, value in items:
        if kind == "bytes":
            transcript.absorb_bytes(label, value)  # type: ignore[arg-type]
        elif kind == "int":
            transcript.absorb_int(label, value)  # type: ignore[call-overload]
        else:
            transcript.absorb_ints(label, value, 1)  # type: ignore[arg-type]
    return int(transcript.coefficients(1, 256, "r")[0])


@settings(deadline=None)
@given(st.lists(ITEM, max_size=5), st.lists(ITEM, max_size=5))
def test_different_items_give_different_challenges(
    left: list[tuple[str, str, object]], right: list[tuple[str, str, object]]
) -> None:
    assert (challenge(left) == challenge(right)) == (left == right)


def test_moving_a_boundary_changes_the_challenge() -> None:
    assert challenge([("bytes", "a", b"bc")]) != challenge([("bytes", "ab", b"c")])
    assert challenge([("bytes", "a", b"b"), ("bytes", "c", b"d")]) != challenge(
        [("bytes", "a", b"bd"), ("bytes", "c", b"")]
    )
    assert challenge([("ints", "v", [1, 2])]) != challenge([("ints", "v", [1]), ("ints", "v", [2])])


def test_labels_counts_sizes_and_order_bind() -> None:
    def first(label: str, count: int, bits: int, protocol: str = "p") -> int:
        return int(Transcript(protocol).coefficients(count, bits, label)[0])

    reference = first("r", 2, 128)
    assert reference == first("r", 2, 128)
    assert reference not in (first("s", 2, 128), first("r", 3, 128), first("r", 2, 127), first("r", 2, 128, "q"))
    transcript = Transcript("p")
    assert transcript.coefficients(2, 128, "r") != transcript.coefficients(2, 128, "r")


@settings(deadline=None)
@given(st.integers(1, 40), st.sampled_from([1, 8, 12, 22, 128]), st.integers(2**64, 2**70))
def test_answers_are_in_range_and_match_the_textbook(count: int, bits: int, modulus: int) -> None:
    ours, theirs = Transcript("p"), textbook.Transcript("p")
    ours.absorb_int("modulus", modulus)
    theirs.int("modulus", modulus)
    coefficients = ours.coefficients(count, bits, "r")
    assert coefficients == theirs.coefficients(count, bits, "r")
    assert all(0 <= c < 1 << bits for c in coefficients)
    residues = ours.residues(count, modulus, "x")
    assert residues == theirs.residues(count, modulus, "x")
    assert all(0 <= r < modulus for r in residues)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one bit"):
        Transcript("p").coefficients(1, 0, "r")
    with pytest.raises(EncodingError):
        Transcript("p").absorb_ints("v", [256], 1)
    with pytest.raises(EncodingError):
        Transcript("p").absorb_int("v", -1)


GOOD_UPDATE = {
    "chain_id": 1,
    "contract": "0x" + "11" * 20,
    "round": 2,
    "spec_hash": bytes(32),
    "participant": "0x" + "22" * 20,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", -1),
        ("chain_id", True),
        ("chain_id", 2**64),
        ("contract", "11" * 20),
        ("contract", "0x" + "11" * 19),
        ("contract", "0x" + "1g" * 20),
        ("round", 1.0),
        ("spec_hash", bytes(31)),
        ("spec_hash", "00" * 32),
        ("participant", ""),
    ],
)
def test_statements_are_validated(field: str, value: object) -> None:
    UpdateStatement(**GOOD_UPDATE)  # type: ignore[arg-type]
    with pytest.raises(EncodingError):
        UpdateStatement(**{**GOOD_UPDATE, field: value})  # type: ignore[arg-type]


def test_decryption_statement_needs_a_root() -> None:
    with pytest.raises(EncodingError):
        DecryptionStatement(1, "0x" + "11" * 20, 1, bytes(32), b"")
