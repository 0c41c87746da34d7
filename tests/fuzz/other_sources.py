"""JSON values and files of folders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fedtrust.crypto.encoding import keccak256, parse_canonical_json
from fedtrust.ledger.outbox import Outbox, Scope, SignedTransaction
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PublicIdentity
from fedtrust.protocol.fields import Fields
from fedtrust.store.state import NodeState
from tests.protocol.protocol_fixtures import FEDERATION, account

# JSON inside JSON: decoders that take a parsed value


def from_value(read: Callable[[Any], object]) -> Callable[[bytes], object]:
    return lambda data: read(parse_canonical_json(data, "document"))


def every_field(value: Any) -> dict[str, object]:
    """Read one field of every kind that Fields knows; what is wrong for one kind is right for the next."""
    fields = Fields(value, "document")
    fields.version(1)
    fields.object("object").end()
    found = {
        "integer": fields.integer("integer"),
        "amount": fields.amount("amount"),
        "number": fields.number("number"),
        "text": fields.text("text"),
        "hash": fields.hash("hash"),
        "blob": fields.blob("blob"),
        "address": fields.address("address"),
        "list": fields.list("list"),
        "mapping": fields.mapping("mapping"),
    }
    fields.end()
    return found


FIELDS_DOCUMENT = {
    "integer": 7,
    "amount": "1000000000000000000",
    "number": 0.5,
    "text": "text",
    "hash": "0x" + "ab" * 32,
    "blob": "0xabcd",
    "address": account("ann"),
    "list": [1],
    "object": {},
    "mapping": {"a": 1},
    "version": 1,
}


# files of folders


def from_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def decode(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            return read(path)

    return decode


def identities() -> list[bytes]:
    return [PublicIdentity(account("ann"), role, b"\x30\x82" + bytes(40), bytes(range(32))).to_bytes() for role in Role]


def node_states() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        state = NodeState(path)
        state.bind(31337, FEDERATION.contract)
        for number in range(1, 40):
            state.put("upload", number, account("ann"), keccak256(bytes([number])) * 3)
        state.close()
        return [path.read_bytes()]


OUTBOX_SCOPE = Scope("31337", FEDERATION.contract, account("ann"))


def signed(transaction: SignedTransaction, _nonce: int) -> SignedTransaction:
    return transaction


def outboxes() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox"
        outbox = Outbox(path)
        for number in range(20):
            transaction = SignedTransaction(keccak256(bytes([number])), bytes(100))
            outbox.reserve(OUTBOX_SCOPE, f"step {number}", transaction.hash, 3, partial(signed, transaction))
        outbox.close()
        return [path.read_bytes()]


def read_outbox(path: Path) -> object:
    outbox = Outbox(path)
    try:
        found = [outbox.find(OUTBOX_SCOPE, f"step {number}") for number in range(20)]
        outbox.pending(OUTBOX_SCOPE)
        transaction = SignedTransaction(keccak256(b"one more"), bytes(100))
        outbox.reserve(OUTBOX_SCOPE, "one more", transaction.hash, 3, partial(signed, transaction))
        return found
    finally:
        outbox.close()


def read_node_state(path: Path) -> object:
    state = NodeState(path)
    try:
        state.bind(31337, FEDERATION.contract)
        facts = [state.get("upload", number, account("ann")) for number in range(1, 40)]
        state.all("upload", 7)
        state.put("upload", 41, account("bob"), b"new")
        return facts
    finally:
        state.close()
