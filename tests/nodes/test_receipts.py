"""A receipt is a promise at the price of a stake: none is ever given for an update that is then left out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedtrust.crypto.signatures import ReceiptMessage, sign_receipt
from fedtrust.errors import FedtrustError, ProofError, UpdateError
from fedtrust.ledger.types import Address
from fedtrust.nodes.admission import ACCEPTED, UPDATE, Admission
from fedtrust.nodes.participant import PREPARED, RECEIPT
from fedtrust.protocol.aggregator import AggregatorState
from fedtrust.protocol.receipt import Receipt
from fedtrust.store.artifacts import MemoryStore
from fedtrust.store.state import NodeState
from tests.nodes.crashing import KillingFederation, is_aggregator, is_participant
from tests.nodes.harness import InProcessFederation, account
from tests.nodes.misbehaving import Misbehaving, Overriding

S = AggregatorState


def receipts(federation: InProcessFederation, number: int = 1) -> dict[str, Receipt]:
    """Return the receipts that participants hold for a round, by hospital."""
    held: dict[str, Receipt] = {}
    for name in federation.hospitals:
        for digest in federation.disk(name).state.all(RECEIPT, number).values():
            held[name] = Receipt.from_bytes(federation.disk(name).store.get(digest))
            held[name].verify()
    return held


def accepted(federation: InProcessFederation, number: int = 1) -> set[str]:
    bitmap = federation.chain.round(number).accepted
    return {name for index, name in enumerate(federation.hospitals) if bitmap >> index & 1}


def in_upload(**settings: Any) -> Misbehaving:
    """Return a federation in the upload phase, where nobody has uploaded anything yet."""
    federation = Misbehaving(**{"rounds": 1, "trustees": 3, **settings})
    federation.until(lambda: federation.aggregator.machine.state is S.UPLOAD)
    assert federation.aggregator.uploads(1) == {}
    return federation


def prepared(federation: Misbehaving) -> dict[Address, bytes]:
    """Return the bytes that each participant would upload."""
    found: dict[Address, bytes] = {}
    for name in federation.hospitals:
        digest = federation.disk(name).state.get(PREPARED, 1)
        assert digest is not None
        found[federation.address(name)] = federation.disk(name).store.get(digest)
    return found


def test_everybody_who_uploads_gets_a_receipt_and_keeps_it() -> None:
    federation = in_upload()
    federation.run()
    held = receipts(federation)
    assert set(held) == accepted(federation) == set(federation.hospitals)
    for name, receipt in held.items():
        assert receipt.aggregator == federation.address("aggregator")
        assert receipt.participant == federation.address(name)
        commitment = federation.aggregator.follower.history.rounds[1].commitments[receipt.participant]
        assert (receipt.message.root, receipt.message.epoch) == (commitment.root, 1)


def test_the_same_upload_again_gets_the_same_receipt_also_after_the_set_was_closed() -> None:
    federation = in_upload()
    (participant, data), *_ = prepared(federation).items()
    first = federation.aggregator.receive_update(1, participant, data)
    federation.aggregator.admission.close(1, federation.spec().participants)
    assert federation.aggregator.receive_update(1, participant, data) == first
    federation.restart("aggregator")
    federation.aggregator.step()
    assert federation.aggregator.receive_update(1, participant, data) == first


def test_after_the_set_is_closed_nobody_new_is_admitted_also_after_a_restart() -> None:
    federation = in_upload()
    (one, data), (other, more), *rest = prepared(federation).items()
    for participant, update in ((one, data), *rest):
        federation.aggregator.receive_update(1, participant, update)
    chosen = federation.aggregator.admission.close(1, federation.spec().participants)
    assert other not in chosen
    for _ in range(2):
        with pytest.raises(UpdateError, match="is late"):
            federation.aggregator.receive_update(1, other, more)
        federation.restart("aggregator")
        federation.aggregator.step()
        assert federation.aggregator.admission.close(1, federation.spec().participants) == chosen
    assert other not in federation.aggregator.uploads(1)


def upload_at(
    gate: threading.Barrier, admission: Admission, into: dict[Address, object], participant: Address, data: bytes
) -> None:
    gate.wait(10)
    try:
        into[participant] = admission.admit_update(1, participant, data)
    except FedtrustError as error:
        into[participant] = error


@pytest.mark.parametrize("before_closing", [0, 1, 2, 3])
def test_closing_the_set_and_admitting_race_and_never_disagree(before_closing: int) -> None:
    """Real threads: whoever was let in is in the set, whoever was not got an error and no receipt."""
    federation = in_upload()
    uploads, view = prepared(federation), federation.aggregator.admission._view
    order = federation.spec().participants
    for _ in range(5):
        state = NodeState(None)
        admission = Admission(federation.manifest, MemoryStore(), state)
        admission.show(view)
        outcome: dict[Address, object] = {}
        gate = threading.Barrier(len(uploads) + 1)
        threads = [
            threading.Thread(target=upload_at, args=(gate, admission, outcome, participant, data))
            for participant, data in uploads.items()
        ]
        for thread in threads:
            thread.start()
        gate.wait(10)
        while len(state.all(UPDATE, 1)) < before_closing and any(t.is_alive() for t in threads):
            pass
        chosen = admission.close(1, order)
        for thread in threads:
            thread.join(30)
        admitted = {a for a, result in outcome.items() if not isinstance(result, FedtrustError)}
        assert admitted == set(chosen) == set(state.all(UPDATE, 1))
        assert len(chosen) >= before_closing
        assert all(isinstance(outcome[a], UpdateError) for a in uploads.keys() - admitted)
        assert admission.close(1, order) == chosen
        assert state.get(ACCEPTED, 1) == " ".join(chosen).encode()


@pytest.mark.parametrize("victims", [is_aggregator, is_participant], ids=["aggregator", "participants"])
def test_whoever_holds_a_receipt_is_in_the_sum_wherever_nodes_were_killed(victims: Callable[[str], bool]) -> None:
    federation = KillingFederation(victims, lambda point: True, rounds=1, participants=3, trustees=3)
    federation.run()
    assert set(receipts(federation)) <= accepted(federation)
    assert accepted(federation) == set(federation.hospitals)


# receipts that are none


def with_receipts(change: Callable[[Receipt], Receipt]) -> Misbehaving:
    """Return a federation in which the answers to one participant's uploads are changed."""

    def line(client: Any) -> Any:
        return Overriding(client, upload_update=lambda r, data: change(client.upload_update(r, data)))

    return Misbehaving(rounds=1, trustees=3, lines={"va": line})


def signed_by(name: str, receipt: Receipt, **changes: object) -> Receipt:
    message = replace(receipt.message, **changes)  # type: ignore[arg-type]
    federation = receipt.federation
    key = bytes(account(name).key)
    return replace(
        receipt, message=message, signature=sign_receipt(key, federation.chain_id, federation.contract, message)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, signature=bytes(65)),
        lambda r: signed_by("stranger", r),
        lambda r: replace(signed_by("stranger", r), aggregator=Address(account("stranger").address)),
        lambda r: signed_by("aggregator", r, root=bytes(32)),
        lambda r: signed_by("aggregator", r, round=2),
        lambda r: signed_by("aggregator", r, spec_hash=bytes(32)),
        lambda r: signed_by("aggregator", r, epoch=2),
        lambda r: signed_by("aggregator", r, participant=account("stranger").address),
        lambda r: replace(r, federation=replace(r.federation, chain_id=1)),
    ],
    ids=["zero", "another", "another-name", "root", "round", "spec", "epoch", "participant", "federation"],
)
def test_a_receipt_that_proves_nothing_is_noticed(change: Callable[[Receipt], Receipt]) -> None:
    federation = with_receipts(change)
    federation.run()
    assert isinstance(federation.refusal("va"), ProofError)
    assert federation.disk("va").state.all(RECEIPT, 1) == {}
    assert set(receipts(federation)) == {"cleveland", "hungary", "switzerland"}


def test_a_rotated_aggregator_signs_in_its_present_epoch() -> None:
    federation = in_upload()
    federation.ledger("aggregator").rotate_identity(federation.address("aggregator"), b"a newer certificate", bytes(32))
    federation.run()
    assert {r.message.epoch for r in receipts(federation).values()} == {2}
    assert isinstance(next(iter(receipts(federation).values())).message, ReceiptMessage)
