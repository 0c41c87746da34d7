"""What trustees may decrypt. Each way to one participant's update that the protocol closes is tried here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.packing import unpack
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.partial_proof import WrongPartialError, verify_partial
from fedtrust.crypto.threshold import KeyShare, combine
from fedtrust.errors import ProofError, RoundError, UpdateError
from fedtrust.ledger.types import Address, bitmap_of
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.release import AgreedAggregate, accepted_accounts, agree, release_partial
from fedtrust.protocol.update import Commitment, EncryptedUpdate
from fedtrust.store.state import NodeState
from tests.protocol.protocol_fixtures import (
    SELECTED,
    PreparedRound,
    account,
    ceremony,
    honest_round,
    make_spec,
    make_update,
    prepare_round,
    public_key,
    share,
    sign_as,
    vector_of,
)

ANN, BOB, CID = (account(n) for n in SELECTED)


class Journal:
    """A journal that notes the order of things, and remembers nothing else."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, tuple[Address, ...], bytes]] = []

    def record_release(self, round: int, accepted: Sequence[Address], aggregate_root: bytes) -> None:
        self.entries.append((round, tuple(accepted), aggregate_root))


class FullDisk:
    """A journal that cannot write."""

    def record_release(self, round: int, accepted: Sequence[Address], aggregate_root: bytes) -> None:
        raise OSError("no space left on device")


def agreed(shown: PreparedRound, **changes: object) -> AgreedAggregate:
    arguments: dict[str, object] = {
        "state": shown.state,
        "spec": shown.spec,
        "key": public_key(),
        "commitments": shown.commitments,
        "updates": shown.updates,
        **changes,
    }
    return agree(**arguments)  # type: ignore[arg-type]


def release(shown: AgreedAggregate, journal: object, index: int = 1) -> ProvenPartial:
    return release_partial(ceremony().manifest, share(index), shown, journal)  # type: ignore[arg-type]


# the rule itself


def test_an_honest_aggregate_is_agreed_released_and_opens_to_the_sum() -> None:
    shown = honest_round()
    aggregate = agreed(shown)
    assert (aggregate.round, aggregate.accepted) == (3, (ANN, BOB, CID))
    assert aggregate.ciphertexts.root() == shown.state.aggregate_root
    released = {index: release(aggregate, Journal(), index) for index in (1, 3)}
    for each in released.values():
        verify_partial(ceremony().manifest, aggregate.ciphertexts, each.partial, aggregate.statement, each.proof)
    partials = {index: each.partial for index, each in released.items()}
    opening = combine(ceremony().manifest, aggregate.ciphertexts, partials)
    layout = shown.spec.layout
    sums = unpack(layout.slots, 2048, public_key().n, opening.plaintexts, layout.length, 3)
    assert sums.tolist() == sum(vector_of(n) for n in SELECTED).tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("names", list(combinations(SELECTED, 2)))
def test_a_quorum_is_enough(names: tuple[str, str]) -> None:
    aggregate = agreed(prepare_round(make_spec(), names))
    assert aggregate.accepted == tuple(account(n) for n in names)


def test_only_agree_makes_an_agreed_aggregate() -> None:
    vector = honest_round().updates[ANN].ciphertexts
    for seal in (None, object(), "_SEAL", True):
        with pytest.raises(RoundError, match="agree"):
            AgreedAggregate(seal, (ANN, BOB), vector, agreed(honest_round()).statement)


@pytest.mark.parametrize("thing", ["a single update", "a plain vector", "a look-alike", "nothing"])
def test_nothing_but_an_agreed_aggregate_is_decrypted(thing: str) -> None:
    vector = honest_round().updates[ANN].ciphertexts

    class LookAlike:
        round, accepted, ciphertexts = 3, (ANN, BOB), vector

    things = {
        "a single update": honest_round().updates[ANN],
        "a plain vector": vector,
        "a look-alike": LookAlike(),
        "nothing": None,
    }
    journal = Journal()
    with pytest.raises(RoundError, match="only an agreed aggregate"):
        release(things[thing], journal)  # type: ignore[arg-type]
    assert journal.entries == []


def test_an_agreed_aggregate_cannot_be_changed_afterwards() -> None:
    aggregate = agreed(honest_round())
    for name in ("round", "accepted", "ciphertexts", "statement", "extra"):
        with pytest.raises(AttributeError):
            setattr(aggregate, name, None)


def test_the_decision_is_recorded_before_anything_is_released() -> None:
    journal = Journal()
    aggregate = agreed(honest_round())
    release(aggregate, journal)
    assert journal.entries == [(3, (ANN, BOB, CID), honest_round().state.aggregate_root)]
    with pytest.raises(OSError, match="no space"):
        release(aggregate, FullDisk())


def test_a_partial_by_a_damaged_share_is_never_released() -> None:
    """What is attested can be held against its author, so a trustee checks its own proof first."""
    good = share(2)
    damaged = KeyShare(good.index, good.value ^ (1 << 100))
    with pytest.raises(WrongPartialError, match=account("trustee-1")):
        release_partial(ceremony().manifest, damaged, agreed(honest_round()), Journal())


# the accepted set


@pytest.mark.parametrize("accepted", [0b000, 0b001, 0b010, 0b100])
def test_a_set_below_the_quorum_is_refused(accepted: int) -> None:
    """One accepted update would be opened as it is."""
    shown = honest_round()
    with pytest.raises(RoundError, match="too few updates"):
        agreed(shown, state=replace(shown.state, accepted=accepted))


def test_the_specs_own_quorum_counts_when_it_is_higher() -> None:
    shown = prepare_round(make_spec(quorum=3), SELECTED[:2])
    with pytest.raises(RoundError, match="too few updates") as error:
        agreed(shown)
    assert error.value.expected == "at least 3"


def test_a_single_update_whose_aggregate_is_itself_is_refused() -> None:
    """The aggregator claims that one update is the sum; root, proof and signature are all right."""
    shown = honest_round()
    single = shown.updates[ANN].ciphertexts
    state = replace(shown.state, accepted=0b001, aggregate_root=single.root())
    with pytest.raises(RoundError, match="too few updates"):
        agreed(shown, state=state)


@pytest.mark.parametrize("accepted", [0b1001, 0b1111, 0b1000, 0b10111, 1 << 255 | 0b111])
def test_accounts_that_were_not_selected_or_do_not_exist_are_refused(accepted: int) -> None:
    shown = honest_round()
    state = replace(shown.state, accepted=accepted)
    with pytest.raises(RoundError, match="did not select"):
        accepted_accounts(state, shown.spec)
    with pytest.raises(RoundError, match="did not select"):
        agreed(shown, state=state)


def test_the_accepted_accounts_are_in_order_of_index() -> None:
    shown = honest_round()
    assert accepted_accounts(shown.state, shown.spec) == (ANN, BOB, CID)
    apart = replace(shown.state, selected=1 << 200 | 0b10010, accepted=1 << 200 | 0b10)
    assert accepted_accounts(apart, shown.spec) == (ANN, CID)


def test_a_spec_that_names_more_or_fewer_than_were_selected_is_refused() -> None:
    shown = honest_round()
    for selected in (0b1111, 0b0011):
        with pytest.raises(RoundError, match="did not select"):
            accepted_accounts(replace(shown.state, selected=selected, accepted=0b11), shown.spec)


def test_a_commitment_of_whoever_took_a_selected_place_over_is_not_in_the_sum() -> None:
    """Ann's place went to Eve after the opening: the spec says Ann, and Ann committed nothing."""
    shown = honest_round()
    commitments = {account("eve") if a == ANN else a: c for a, c in shown.commitments.items()}
    with pytest.raises(UpdateError, match="accepted but never committed"):
        agreed(shown, commitments=commitments)


# the updates


@pytest.mark.parametrize("name", SELECTED)
def test_an_accepted_update_that_is_missing_is_refused(name: str) -> None:
    shown = honest_round()
    updates = {a: u for a, u in shown.updates.items() if a != account(name)}
    with pytest.raises(UpdateError, match=f"accepted update of {account(name)} is missing"):
        agreed(shown, updates=updates)


@pytest.mark.parametrize("name", SELECTED)
def test_an_accepted_update_that_was_never_committed_is_refused(name: str) -> None:
    shown = honest_round()
    commitments = {a: c for a, c in shown.commitments.items() if a != account(name)}
    with pytest.raises(UpdateError, match=f"{account(name)} is accepted but never committed"):
        agreed(shown, commitments=commitments)


def test_an_update_under_anothers_name_is_refused() -> None:
    """Ann's update stands for Bob's: the sum would hold her twice, and two sums would show her alone."""
    shown = honest_round()
    with pytest.raises(UpdateError, match="under another's name"):
        agreed(shown, updates={**shown.updates, BOB: shown.updates[ANN]})


def test_an_update_that_is_not_the_committed_one_is_refused() -> None:
    shown = honest_round()
    with pytest.raises(UpdateError, match="step 4"):
        agreed(shown, updates={**shown.updates, BOB: make_update("bob", shown.spec)})


def test_a_forged_update_is_refused_even_when_the_aggregate_fits_it() -> None:
    """A mauling participant and the aggregator together: everything fits, but nobody knows what was encrypted."""
    shown, key = honest_round(), public_key()
    doubled = CiphertextVector(key, tuple(v * v % key.n_squared for v in shown.updates[ANN].ciphertexts.values))
    message = replace(shown.updates[BOB].message, root=doubled.root())
    forged = replace(shown.updates[BOB], message=message, ciphertexts=doubled, signature=sign_as("bob", message))
    updates: dict[Address, EncryptedUpdate] = {**shown.updates, BOB: forged}
    product = multiply_vectors(key, [u.ciphertexts for u in updates.values()])
    with pytest.raises(ProofError, match="plaintext proof"):
        agreed(
            shown,
            updates=updates,
            commitments={**shown.commitments, BOB: forged.commitment},
            state=replace(shown.state, aggregate_root=product.root()),
        )


def test_more_updates_than_the_accepted_are_no_part_of_the_sum() -> None:
    shown = honest_round()
    pair = prepare_round(shown.spec, SELECTED[:2])
    both = {**pair.updates, CID: shown.updates[CID]}
    commitments: dict[Address, Commitment] = {a: u.commitment for a, u in both.items()}
    assert agreed(pair, updates=both, commitments=commitments).accepted == (ANN, BOB)


# the aggregate


@pytest.mark.parametrize("lie", ["a subset", "one twice", "scaled", "random", "zero", "swapped"])
def test_an_aggregate_that_is_not_the_product_is_refused(lie: str) -> None:
    shown, key = honest_round(), public_key()
    vectors = [shown.updates[a].ciphertexts for a in (ANN, BOB, CID)]
    product = multiply_vectors(key, vectors)
    root = {
        "a subset": multiply_vectors(key, vectors[:2]).root(),
        "one twice": multiply_vectors(key, [*vectors, vectors[0]]).root(),
        "scaled": CiphertextVector(key, tuple(v * (1 + key.n) % key.n_squared for v in product.values)).root(),
        "random": keccak256(b"anything"),
        "zero": bytes(32),
        "swapped": CiphertextVector(key, product.values[::-1]).root(),
    }[lie]
    with pytest.raises(RoundError, match="not the product of the accepted updates"):
        agreed(shown, state=replace(shown.state, aggregate_root=root))


# one set per round, for ever


def other_set() -> AgreedAggregate:
    """Return an agreed aggregate of the same round with Cid left out: together with the first it shows Cid alone."""
    shown = honest_round()
    pair = {a: shown.updates[a] for a in (ANN, BOB)}
    product = multiply_vectors(public_key(), [u.ciphertexts for u in pair.values()])
    return agreed(shown, state=replace(shown.state, accepted=bitmap_of([0, 1]), aggregate_root=product.root()))


def test_a_second_set_in_one_round_is_refused() -> None:
    journal = NodeState(None)
    release(agreed(honest_round()), journal)
    with pytest.raises(RoundError, match="already recorded another release"):
        release(other_set(), journal)


def test_a_second_set_is_refused_after_a_restart_too(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    first = NodeState(path)
    before = release(agreed(honest_round()), first)
    first.close()
    for _ in range(3):
        again = NodeState(path)
        with pytest.raises(RoundError, match="already recorded another release"):
            release(other_set(), again)
        again.close()
    again = NodeState(path)
    assert release(agreed(honest_round()), again).partial == before.partial


def test_a_second_set_is_refused_although_the_first_partial_was_never_sent(tmp_path: Path) -> None:
    """The trustee died between its decision and its work: the decision stands."""
    path = tmp_path / "state.sqlite"
    journal = NodeState(path)
    aggregate = agreed(honest_round())
    journal.record_release(aggregate.round, aggregate.accepted, aggregate.ciphertexts.root())
    journal.close()
    with pytest.raises(RoundError, match="already recorded another release"):
        release(other_set(), NodeState(path))


def test_the_same_set_with_another_aggregate_is_refused() -> None:
    journal = NodeState(None)
    journal.record_release(3, (ANN, BOB), bytes(32))
    with pytest.raises(RoundError, match="already recorded another release"):
        journal.record_release(3, (ANN, BOB), bytes(31) + b"\1")


def test_rounds_do_not_share_their_decisions() -> None:
    journal = NodeState(None)
    release(agreed(honest_round()), journal)
    release(agreed(prepare_round(make_spec(round=4), SELECTED[:2])), journal)
