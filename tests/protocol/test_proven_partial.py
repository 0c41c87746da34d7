"""A trustee's file of partial and proof: read strictly, let in through one door; and who is blamed for a wrong one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.partial_proof import PartialProof, WrongPartialError
from fedtrust.crypto.threshold import PartialVector
from fedtrust.errors import CiphertextError, EncodingError, ProofError
from fedtrust.protocol.partial import ProvenPartial, verify_attested, verify_proven_partial, wrong_partials
from fedtrust.protocol.release import AgreedAggregate, agree, release_partial
from fedtrust.store.state import NodeState
from tests.protocol.protocol_fixtures import (
    SELECTED,
    account,
    ceremony,
    honest_round,
    make_spec,
    prepare_round,
    public_key,
    share,
)

MANIFEST = ceremony().manifest
ZERO, ONE, TWO = (account(f"trustee-{i}") for i in range(3))


@cache
def aggregate(round: int = 3) -> AgreedAggregate:
    shown = honest_round() if round == 3 else prepare_round(make_spec(round=round), SELECTED[:2])
    return agree(shown.state, shown.spec, public_key(), shown.commitments, shown.updates)  # type: ignore[arg-type]


@cache
def released(index: int, round: int = 3) -> ProvenPartial:
    return release_partial(MANIFEST, share(index), aggregate(round), NodeState(None))


def wrong(proven: ProvenPartial) -> ProvenPartial:
    values = proven.partial.values
    changed = (values[0] * 3 % public_key().n, *values[1:])
    return replace(proven, partial=PartialVector(public_key(), proven.partial.index, changed))


def admit(
    proven: ProvenPartial, trustee: str = ZERO, root: bytes | None = None, shown: AgreedAggregate | None = None
) -> None:
    agreed = aggregate() if shown is None else shown
    attested = proven.partial.root() if root is None else root
    verify_proven_partial(MANIFEST, trustee, attested, agreed.ciphertexts, agreed.statement, proven)  # type: ignore[arg-type]


def test_an_honest_partial_is_let_in_and_its_file_is_read_back() -> None:
    proven = released(1)
    admit(proven)
    data = proven.to_bytes()
    assert data[:5] == b"FTTP\x01"
    assert ProvenPartial.from_bytes(data, public_key(), expected_count=2) == proven
    assert ProvenPartial.from_bytes(data, public_key()).digest == proven.digest


def test_a_file_is_read_strictly() -> None:
    data, key = released(1).to_bytes(), public_key()
    head = len(data) - len(released(1).partial.to_bytes())
    for bad in (b"", b"FTTP", b"FTTP\x02" + data[5:], b"FTPV" + data[4:], data[5:], released(1).partial.to_bytes()):
        with pytest.raises(EncodingError):
            ProvenPartial.from_bytes(bad, key)
    for bad in (data[:-1], data + b"\0", data[:head], data[:30], data[:head] + b"FTCV" + data[head + 4 :]):
        with pytest.raises(CiphertextError):
            ProvenPartial.from_bytes(bad, key)
    with pytest.raises(ProofError):
        ProvenPartial.from_bytes(data[:5] + b"FTPK" + data[9:], key)
    with pytest.raises(CiphertextError, match="number of values"):
        ProvenPartial.from_bytes(data, key, expected_count=3)


@settings(max_examples=60)
@given(st.data())
def test_any_altered_file_is_refused_by_type_or_does_not_verify(data: st.DataObject) -> None:
    file = bytearray(released(1).to_bytes())
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        proven = ProvenPartial.from_bytes(bytes(file), public_key(), expected_count=2)
    except (EncodingError, CiphertextError, ProofError):
        return
    with pytest.raises(ProofError):
        admit(proven, root=released(1).partial.root())


def test_a_partial_of_another_share_than_the_senders_is_refused() -> None:
    for trustee in (ONE, TWO, account("ann")):
        with pytest.raises(ProofError, match="not a partial decryption of this aggregate"):
            admit(released(1), trustee)


def test_a_partial_that_was_not_attested_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(ProofError, match="not the one it attested") as error:
        admit(released(1), root=released(2).partial.root())
    assert not isinstance(error.value, WrongPartialError)


def test_a_wrong_partial_names_its_trustee_although_it_was_attested() -> None:
    with pytest.raises(WrongPartialError) as error:
        admit(wrong(released(2)), ONE)
    assert (error.value.index, error.value.account) == (2, ONE)
    assert ONE in error.value.diagnostics()


def test_a_partial_of_another_round_is_refused() -> None:
    """Its own proof is about the other round; in this one it is wrong."""
    with pytest.raises(WrongPartialError):
        admit(released(1, round=4))
    admit(released(1, round=4), shown=aggregate(4))


def test_who_sent_a_wrong_partial_is_blamed_by_the_others_and_needs_no_proof() -> None:
    proven = {ZERO: released(1).partial, TWO: released(3).partial}
    assert wrong_partials(MANIFEST, proven, {}) == ()
    assert wrong_partials(MANIFEST, proven, {ONE: wrong(released(2)).partial}) == (ONE,)
    assert wrong_partials(MANIFEST, proven, {ONE: released(2, round=4).partial}) == (ONE,)


def test_nobody_is_framed_by_a_damaged_proof() -> None:
    """The aggregator swaps the proof of a right partial for rubbish: the door refuses it, and nobody is blamed."""
    rubbish = replace(released(2), proof=PartialProof(public_key(), mpz(1), mpz(1)))
    with pytest.raises(WrongPartialError):
        admit(rubbish, ONE)
    proven = {ZERO: released(1).partial, TWO: released(3).partial}
    assert wrong_partials(MANIFEST, proven, {ONE: rubbish.partial}) == ()


def test_fewer_than_a_threshold_blame_nobody() -> None:
    with pytest.raises(ProofError, match="too few proven partials"):
        wrong_partials(MANIFEST, {ZERO: released(1).partial}, {ONE: wrong(released(2)).partial})


def test_what_was_attested_is_compared_by_root_and_by_share() -> None:
    partial = released(1).partial
    verify_attested(MANIFEST, ZERO, partial.root(), 3, partial)
    negated = PartialVector(public_key(), 1, tuple(public_key().n - x for x in partial.values))
    with pytest.raises(ProofError, match="not the one it attested"):
        verify_attested(MANIFEST, ZERO, partial.root(), 3, negated)
