"""JSON values, files of folders, and what a node of the chain answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import astuple, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError

from fedtrust.crypto.encoding import canonical_json, keccak256, parse_canonical_json, to_hex
from fedtrust.errors import LedgerError
from fedtrust.ledger.artifacts import federation_artifact
from fedtrust.ledger.decoding import decode_log, revert_data, round_state
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.outbox import Outbox, Scope, SignedTransaction
from fedtrust.ledger.storage_proof import StorageProof
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PublicIdentity
from fedtrust.protocol.fields import Fields
from fedtrust.store.state import NodeState
from tests.ledger.test_block_header import GENESIS, HEADER
from tests.ledger.test_block_header import NAMES as HEADER_FIELDS
from tests.protocol.protocol_fixtures import FEDERATION, account, honest_round

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


# the chain


def abi_entry(kind: str, name: str) -> Any:
    return next(e for e in federation_artifact().abi if e["type"] == kind and e.get("name") == name)


def logs() -> list[bytes]:
    """Return logs as: number of topics, topics, data. The values are those of the events' own types."""
    examples: dict[str, object] = {
        "address": account("ann"),
        "bytes32": keccak256(b"x"),
        "bytes": b"certificate",
        "(uint64,uint64,uint64)": (1, 2, 3),
    }
    logs = []
    for entry in federation_artifact().abi:
        if entry["type"] == "event":
            types = {True: [], False: []}  # type: dict[bool, list[str]]
            for each in entry["inputs"]:
                types[each["indexed"]].append(abi_type(each))
            signature = f"{entry['name']}({','.join(abi_type(each) for each in entry['inputs'])})"
            topics = [keccak256(signature.encode())]
            topics += [abi_encode([kind], [examples.get(kind, 1)]) for kind in types[True]]
            data = abi_encode(types[False], [examples.get(kind, 1) for kind in types[False]])
            logs.append(bytes([len(topics)]) + b"".join(topics) + data)
    return logs


def abi_type(entry: Any) -> str:
    if entry["type"] != "tuple":
        return str(entry["type"])
    return "(" + ",".join(abi_type(each) for each in entry["components"]) + ")"


def decode_packed_log(data: bytes) -> LedgerEvent | None:
    count = data[0] % 8 if data else 0
    end = 1 + 32 * count
    topics = [data[at : at + 32] for at in range(1, end, 32)]
    return decode_log(topics, data[end:], block=1, log_index=0, timestamp=2, transaction=bytes(32))


def reverts() -> list[bytes]:
    found = []
    for entry in federation_artifact().abi:
        if entry["type"] == "error":
            types = [abi_type(each) for each in entry["inputs"]]
            selector = keccak256(f"{entry['name']}({','.join(types)})".encode())[:4]
            examples = {"address": account("ann"), "bytes32": bytes(32), "string": "text", "bytes": b"bytes"}
            values = [examples.get(kind, 3) for kind in types]
            found.append(selector + abi_encode(types, values))
    return [*found, bytes.fromhex("08c379a0") + abi_encode(["string"], ["no"]), bytes.fromhex("4e487b71") + bytes(32)]


@cache
def round_types() -> list[str]:
    return [abi_type(each) for each in abi_entry("function", "roundOf")["outputs"]]


def rounds() -> list[bytes]:
    # the struct in the contract's order is RoundState's without the number
    state = honest_round().state
    phase, aggregator, deadlines, *middle, challenge_end, reward, reason = (
        getattr(state, name) for name in state.__slots__[1:]
    )
    values = (int(phase), aggregator, astuple(deadlines), *middle, challenge_end, reward, int(reason))
    return [abi_encode(round_types(), [values])]


def decode_round(data: bytes) -> object:
    try:
        values = abi_decode(round_types(), data)[0]
    except (DecodingError, ValueError, OverflowError) as error:  # web3's part, which it turns into its own error
        raise LedgerError("not the struct") from error
    return round_state(3, values)


def json_rpc_errors() -> list[bytes]:
    data = to_hex(reverts()[0])
    return [
        json.dumps(value).encode()
        for value in (
            {"code": 3, "message": "execution reverted", "data": data},
            {"code": -32000, "message": "revert", "data": {"data": {"data": data}}},
            {"message": "VM Exception: reverted"},
        )
    ]


def decode_json_rpc_error(data: bytes) -> object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return revert_data(value)


def headers() -> list[bytes]:
    before_london = replace(HEADER, **dict.fromkeys(HEADER_FIELDS[15:]))
    return [HEADER.encode(), before_london.encode()]


def blocks() -> list[bytes]:
    return [canonical_json(GENESIS)]


def storage_proofs() -> list[bytes]:
    entry = {"key": "0x7", "value": "0x2a", "proof": ["0x" + "ab" * 40, "0xc0"]}
    answer = {"address": "0x" + "11" * 20, "accountProof": ["0x" + "cd" * 60], "storageProof": [entry]}
    return [canonical_json(answer)]


def read_storage_proof(data: bytes) -> object:
    return from_value(lambda answer: StorageProof.from_json(answer, 7))(data)
