"""The aggregator's receipt: one value, one byte string, bound to its federation, round, participant and root."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fedtrust.crypto.encoding import canonical_json, keccak256, sha256
from fedtrust.crypto.signatures import ReceiptMessage, sign_receipt
from fedtrust.errors import EncodingError, ProofError
from fedtrust.protocol.receipt import Receipt
from tests.protocol.protocol_fixtures import FEDERATION, account, signer

MESSAGE = ReceiptMessage(round=3, spec_hash=keccak256(b"spec"), epoch=2, participant=account("ann"), root=bytes(32))


def signed(message: ReceiptMessage = MESSAGE) -> Receipt:
    key = bytes(signer("aggregator").key)
    signature = sign_receipt(key, FEDERATION.chain_id, FEDERATION.contract, message)
    return Receipt(FEDERATION, account("aggregator"), message, signature)


RECEIPT = signed()
JSON = json.loads(RECEIPT.to_bytes())


def test_a_receipt_survives_its_bytes_and_verifies() -> None:
    again = Receipt.from_bytes(RECEIPT.to_bytes())
    assert again == RECEIPT
    assert again.digest == sha256(RECEIPT.to_bytes()) == sha256(canonical_json(JSON))
    assert again.participant == account("ann")
    again.verify()


@pytest.mark.parametrize(
    "altered",
    [
        replace(RECEIPT, federation=replace(FEDERATION, chain_id=1)),
        replace(RECEIPT, federation=replace(FEDERATION, contract=account("eve"))),
        replace(RECEIPT, aggregator=account("eve")),
        replace(RECEIPT, message=replace(MESSAGE, round=4)),
        replace(RECEIPT, message=replace(MESSAGE, epoch=1)),
        replace(RECEIPT, message=replace(MESSAGE, spec_hash=bytes(32))),
        replace(RECEIPT, message=replace(MESSAGE, participant=account("bob"))),
        replace(RECEIPT, message=replace(MESSAGE, root=keccak256(b"another root"))),
        replace(RECEIPT, signature=RECEIPT.signature[::-1]),
    ],
)
def test_a_receipt_for_anything_else_does_not_verify(altered: Receipt) -> None:
    with pytest.raises(ProofError):
        altered.verify()


@pytest.mark.parametrize("name", sorted(JSON))
@pytest.mark.parametrize("value", [None, True, -1, 0, 1.5, "", "0x", [], {}], ids=repr)
def test_malformed_fields_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(EncodingError, match=name):
        Receipt.from_bytes(canonical_json({**JSON, name: value}))
    with pytest.raises(EncodingError, match=name):
        Receipt.from_bytes(canonical_json({k: v for k, v in JSON.items() if k != name}))


def test_unknown_fields_and_other_spellings_are_refused() -> None:
    with pytest.raises(EncodingError, match="unknown"):
        Receipt.from_bytes(canonical_json({**JSON, "note": 1}))
    for data in (b"", b"[]", b"\xff", json.dumps(JSON).encode()):
        with pytest.raises(EncodingError):
            Receipt.from_bytes(data)
