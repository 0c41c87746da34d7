"""The fuzzing targets: for every decoder valid files to start from, how to call it, and how to write again."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from gmpy2 import mpz

from fedtrust.crypto.aggregation import Aggregation, multiply_vectors
from fedtrust.crypto.ceremony import open_share
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption
from fedtrust.crypto.encoding import canonical_json, from_hex, keccak256, parse_canonical_json, to_hex
from fedtrust.crypto.fixed_base import FixedBaseTable
from fedtrust.crypto.key_file import KeyFileHeader, open_with_passphrase, seal_with_passphrase
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import SlotLayout, pack, unpack
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.partial_proof import PartialProof, prove_partial
from fedtrust.crypto.plaintext_proof import PlaintextProof
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.sealing import open_sealed, seal
from fedtrust.crypto.single_holder import SingleHolderKey
from fedtrust.crypto.threshold import Opening, PartialVector, combine, partial_roots
from fedtrust.crypto.vector_codec import decode_vector, encode_vector
from fedtrust.errors import LedgerError
from fedtrust.ledger.artifacts import federation_artifact
from fedtrust.ledger.decoding import decode_log, decode_revert, revert_data, round_state
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.outbox import Outbox, Scope, SignedTransaction
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PublicIdentity
from fedtrust.nodes.settings import FederationSettings
from fedtrust.protocol import contribution
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.result import RoundResult, decryption_statement
from fedtrust.protocol.spec import FederationId, RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model, TensorSchema
from fedtrust.store.state import NodeState
from tests.fixtures.keys import test_primes
from tests.fuzz.mutations import mutate, mutate_json
from tests.protocol.protocol_fixtures import FEDERATION, LAYOUT, account, ceremony, honest_round, make_spec, share

PASSPHRASE = "a passphrase for tests"


class AcceptedForgeryError(Exception):
    """Something was opened that nobody sealed."""


@dataclass(frozen=True)
class Target:
    """One decoder. ``encode`` writes what was decoded again and must give the very bytes; None where many spellings
    are legal, for the reason in ``spellings``. ``special`` mutates with knowledge of the format.
    """

    seeds: Callable[[], Sequence[bytes]]
    decode: Callable[[bytes], object]
    encode: Callable[[Any], bytes] | None
    inputs: int = 400
    special: Callable[[random.Random, bytes], bytes] | None = None
    spellings: str = ""

    def mutant(self, rng: random.Random) -> bytes:
        """Return a damaged file."""
        seeds = self.seeds()
        if self.special is not None and rng.random() < 0.5:
            return self.special(rng, rng.choice(seeds))
        return mutate(rng, seeds)


def _seeds(make: Callable[[], Sequence[bytes]]) -> Callable[[], Sequence[bytes]]:
    return cache(make)


# what a round leaves behind


def key() -> PublicKey:
    """Return the committee's key."""
    return ceremony().manifest.public_key


@cache
def aggregate() -> CiphertextVector:
    """Return the product of an honest round."""
    return multiply_vectors(key(), [u.ciphertexts for u in honest_round().updates.values()])


@cache
def partials() -> dict[int, PartialVector]:
    """Return the partial decryptions of two trustees."""
    return {i: partial_roots(ceremony().manifest, share(i), aggregate()) for i in (1, 3)}


@cache
def opening() -> Opening:
    """Return the opened sum."""
    return combine(ceremony().manifest, aggregate(), partials())


@cache
def partial_proof() -> PartialProof:
    """Return the proof of the first trustee's partial."""
    statement = decryption_statement(honest_round().spec, aggregate())
    return prove_partial(ceremony().manifest, share(1), aggregate(), partials()[1], statement)


def _aggregations() -> list[bytes]:
    product = Aggregation(key())
    files = [product.to_bytes()]
    for update in honest_round().updates.values():
        product = product.add(update.message.root, update.ciphertexts)
        files.append(product.to_bytes())
    return files[::-1]


def _update_seeds() -> list[bytes]:
    return [update.to_bytes() for update in honest_round().updates.values()]


def _one_update() -> EncryptedUpdate:
    return next(iter(honest_round().updates.values()))


_ENVELOPE = struct.Struct(">4sBII")


def _update_header(rng: random.Random, data: bytes) -> bytes:
    """Change the JSON header of an update, and its length with it."""
    magic, version, header_length, proof_length = _ENVELOPE.unpack_from(data)
    end = _ENVELOPE.size + header_length
    header = mutate_json(rng, data[_ENVELOPE.size : end])
    return _ENVELOPE.pack(magic, version, len(header), proof_length) + header + data[end:]


def _model_header(rng: random.Random, data: bytes) -> bytes:
    """Change the JSON header of a safetensors file, and its length with it."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = mutate_json(rng, data[8:end])
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _resealed(rng: random.Random, data: bytes) -> bytes:
    """Damage a file that ends with its own digest, and put a right digest under it."""
    body = mutate(rng, [data[:-32]])
    return body + hashlib.sha256(body).digest()


def _result() -> RoundResult:
    digest = keccak256(b"an artifact")
    accounts = [account(n) for n in ("ann", "bob")]
    return RoundResult(
        federation=FEDERATION,
        round=3,
        spec=digest,
        base_model=digest,
        updates=dict.fromkeys(accounts, digest),
        aggregate=digest,
        partials={account("cid"): digest},
        wrong_partials={},
        plaintexts=digest,
        proof=digest,
        model=digest,
        examples=21,
        evaluation_examples=4,
        metrics={"loss": 0.25, "accuracy": 1.0},
    )


def _models() -> list[bytes]:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    return [
        Model({"linear.weight": weights, "linear.bias": np.zeros(2)}).to_bytes(),
        Model({"a": np.ones(1, dtype=np.float64)}).to_bytes(),
    ]


# JSON inside JSON: decoders that take a parsed value


def _parsed(read: Callable[[Any], object]) -> Callable[[bytes], object]:
    return lambda data: read(parse_canonical_json(data, "document"))


def _every_field(value: Any) -> dict[str, object]:
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


_FIELDS_DOCUMENT = {
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


def _from_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def decode(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            return read(path)

    return decode


def _identities() -> list[bytes]:
    return [PublicIdentity(account("ann"), role, b"\x30\x82" + bytes(40), bytes(range(32))).to_bytes() for role in Role]


def _node_states() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        state = NodeState(path)
        state.bind(31337, FEDERATION.contract)
        for number in range(1, 40):
            state.put("upload", number, account("ann"), keccak256(bytes([number])) * 3)
        state.close()
        return [path.read_bytes()]


OUTBOX_SCOPE = Scope("31337", FEDERATION.contract, account("ann"))


def _signed(transaction: SignedTransaction, _nonce: int) -> SignedTransaction:
    return transaction


def _outboxes() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox"
        outbox = Outbox(path)
        for number in range(20):
            transaction = SignedTransaction(keccak256(bytes([number])), bytes(100))
            outbox.reserve(OUTBOX_SCOPE, f"step {number}", transaction.hash, 3, partial(_signed, transaction))
        outbox.close()
        return [path.read_bytes()]


def _read_outbox(path: Path) -> object:
    outbox = Outbox(path)
    try:
        found = [outbox.find(OUTBOX_SCOPE, f"step {number}") for number in range(20)]
        outbox.pending(OUTBOX_SCOPE)
        transaction = SignedTransaction(keccak256(b"one more"), bytes(100))
        outbox.reserve(OUTBOX_SCOPE, "one more", transaction.hash, 3, partial(_signed, transaction))
        return found
    finally:
        outbox.close()


def _read_node_state(path: Path) -> object:
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


def _abi(kind: str, name: str) -> Any:
    return next(e for e in federation_artifact().abi if e["type"] == kind and e.get("name") == name)


def _logs() -> list[bytes]:
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
                types[each["indexed"]].append(_type(each))
            signature = f"{entry['name']}({','.join(_type(each) for each in entry['inputs'])})"
            topics = [keccak256(signature.encode())]
            topics += [abi_encode([kind], [examples.get(kind, 1)]) for kind in types[True]]
            data = abi_encode(types[False], [examples.get(kind, 1) for kind in types[False]])
            logs.append(bytes([len(topics)]) + b"".join(topics) + data)
    return logs


def _type(entry: Any) -> str:
    if entry["type"] != "tuple":
        return str(entry["type"])
    return "(" + ",".join(_type(each) for each in entry["components"]) + ")"


def _decode_log(data: bytes) -> LedgerEvent | None:
    count = data[0] % 8 if data else 0
    end = 1 + 32 * count
    topics = [data[at : at + 32] for at in range(1, end, 32)]
    return decode_log(topics, data[end:], block=1, log_index=0, timestamp=2, transaction=bytes(32))


def _reverts() -> list[bytes]:
    found = []
    for entry in federation_artifact().abi:
        if entry["type"] == "error":
            types = [_type(each) for each in entry["inputs"]]
            selector = keccak256(f"{entry['name']}({','.join(types)})".encode())[:4]
            examples = {"address": account("ann"), "bytes32": bytes(32), "string": "text", "bytes": b"bytes"}
            values = [examples.get(kind, 3) for kind in types]
            found.append(selector + abi_encode(types, values))
    return [*found, bytes.fromhex("08c379a0") + abi_encode(["string"], ["no"]), bytes.fromhex("4e487b71") + bytes(32)]


@cache
def _round_types() -> list[str]:
    return [_type(each) for each in _abi("function", "roundOf")["outputs"]]


def _rounds() -> list[bytes]:
    # the struct in the contract's order is RoundState's without the number
    state = honest_round().state
    phase, aggregator, deadlines, *middle, challenge_end, reward, reason = (
        getattr(state, name) for name in state.__slots__[1:]
    )
    values = (int(phase), aggregator, astuple(deadlines), *middle, challenge_end, reward, int(reason))
    return [abi_encode(_round_types(), [values])]


def _decode_round(data: bytes) -> object:
    try:
        values = abi_decode(_round_types(), data)[0]
    except (DecodingError, ValueError, OverflowError) as error:  # web3's part, which it turns into its own error
        raise LedgerError("not the struct") from error
    return round_state(3, values)


def _json_rpc_errors() -> list[bytes]:
    data = to_hex(_reverts()[0])
    return [
        json.dumps(value).encode()
        for value in (
            {"code": 3, "message": "execution reverted", "data": data},
            {"code": -32000, "message": "revert", "data": {"data": {"data": data}}},
            {"message": "VM Exception: reverted"},
        )
    ]


def _decode_json_rpc_error(data: bytes) -> object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return revert_data(value)


# secrets


@cache
def _recipient() -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def _sealed() -> list[bytes]:
    public = _recipient().public_key().public_bytes_raw()
    return [seal(public, b"a secret", b"context"), seal(public, b"", b"context")]


def _open_sealed(data: bytes) -> object:
    opened = open_sealed(_recipient(), data, b"context")
    if data not in _sealed():
        raise AcceptedForgeryError
    return opened


def _trustee_key() -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(b"trustee-0".rjust(32, b"\x04"))


def _open_share(data: bytes) -> object:
    made = ceremony()
    opened = open_share(made.manifest, 1, data, _trustee_key())
    if data != made.sealed_shares[0]:
        raise AcceptedForgeryError
    return opened


@cache
def _key_files() -> list[bytes]:
    return [seal_with_passphrase(b"a secret", PASSPHRASE, "purpose", cost=14)]


def _open_key_file(data: bytes) -> object:
    opened = open_with_passphrase(data, PASSPHRASE, "purpose", minimum_cost=14)
    if data not in _key_files():
        raise AcceptedForgeryError
    return opened


@cache
def _single_holders() -> list[bytes]:
    p, q = test_primes(2048)
    return [SingleHolderKey(mpz(p), mpz(q)).to_bytes(PASSPHRASE, cost=14)]


def _open_single_holder(data: bytes) -> object:
    opened = SingleHolderKey.from_bytes(data, PASSPHRASE, minimum_cost=14)
    if data not in _single_holders():
        raise AcceptedForgeryError
    return opened


def _fixed_base_tables() -> list[bytes]:
    n = mpz(2) ** 127 - 1
    return [FixedBaseTable.build(mpz(12345), n, 12, 3).to_bytes()]


def _plaintext_seeds() -> list[bytes]:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    values = np.arange(-35, 39, dtype=np.int64) * 1000
    return [PlaintextVector(key(), tuple(pack(slots, key().bits, key().n, values))).to_bytes()]


def _unpack(data: bytes) -> object:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    plaintexts = PlaintextVector.from_bytes(data, key()).values
    return unpack(slots, key().bits, key().n, plaintexts, 74, 1)


def _pack(values: Any) -> bytes:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    return PlaintextVector(key(), tuple(pack(slots, key().bits, key().n, values))).to_bytes()


def _sums() -> list[bytes]:
    sums = np.zeros(LAYOUT.length, dtype="<i8")
    sums[:2] = 30, 12
    return [sums.tobytes()]


def _decode_sums(data: bytes) -> object:
    return contribution.decode(LAYOUT, np.frombuffer(data[: len(data) // 8 * 8], dtype="<i8").astype(np.int64), 3)


TARGETS: dict[str, Target] = {
    "fedtrust.crypto.aggregation.Aggregation.from_bytes": Target(
        _seeds(_aggregations), lambda data: Aggregation.from_bytes(data, key()), Aggregation.to_bytes, special=_resealed
    ),
    "fedtrust.crypto.ceremony.open_share": Target(lambda: ceremony().sealed_shares[:1], _open_share, None),
    "fedtrust.crypto.decryption_proof.DecryptionProof.from_bytes": Target(
        _seeds(
            lambda: [
                prove_decryption(
                    key(), aggregate(), opening(), decryption_statement(honest_round().spec, aggregate())
                ).to_bytes()
            ]
        ),
        lambda data: DecryptionProof.from_bytes(data, key()),
        DecryptionProof.to_bytes,
    ),
    "fedtrust.crypto.encoding.parse_canonical_json": Target(
        _seeds(lambda: [honest_round().spec.to_bytes(), b'{"a":[1,-2.5,"\\u0000",true,null]}', b'"text"', b"[]"]),
        lambda data: parse_canonical_json(data, "document"),
        canonical_json,
        inputs=2000,
    ),
    "fedtrust.crypto.encoding.from_hex": Target(
        lambda: [b"0x", b"0x00", b"0x" + b"ab" * 32],
        lambda data: from_hex(data.decode("latin-1"), None, "field"),
        lambda value: to_hex(value).encode(),
    ),
    "fedtrust.crypto.fixed_base.FixedBaseTable.from_bytes": Target(
        _seeds(_fixed_base_tables), FixedBaseTable.from_bytes, FixedBaseTable.to_bytes, special=_resealed
    ),
    "fedtrust.crypto.key_file.KeyFileHeader.read": Target(
        _key_files, KeyFileHeader.read, None, spellings="the header only; whole files are opened below"
    ),
    "fedtrust.crypto.key_file.open_with_passphrase": Target(_key_files, _open_key_file, None, inputs=60),
    "fedtrust.crypto.manifest.KeyManifest.from_bytes": Target(
        _seeds(lambda: [ceremony().manifest.to_bytes()]), KeyManifest.from_bytes, KeyManifest.to_bytes, inputs=200
    ),
    "fedtrust.crypto.packing.unpack": Target(_seeds(_plaintext_seeds), _unpack, _pack),
    "fedtrust.crypto.packing.SlotLayout.from_json": Target(
        _seeds(lambda: [canonical_json(LAYOUT.slots.to_json())]),
        _parsed(SlotLayout.from_json),
        lambda layout: canonical_json(layout.to_json()),
    ),
    "fedtrust.crypto.paillier.CiphertextVector.from_bytes": Target(
        _seeds(lambda: [aggregate().to_bytes(), _one_update().ciphertexts.to_bytes()]),
        lambda data: CiphertextVector.from_bytes(data, key()),
        CiphertextVector.to_bytes,
    ),
    "fedtrust.crypto.partial_proof.PartialProof.from_bytes": Target(
        _seeds(lambda: [partial_proof().to_bytes()]),
        lambda data: PartialProof.from_bytes(data, key()),
        PartialProof.to_bytes,
    ),
    "fedtrust.crypto.plaintext_proof.PlaintextProof.from_bytes": Target(
        _seeds(lambda: [_one_update().proof.to_bytes()]),
        lambda data: PlaintextProof.from_bytes(data, key()),
        PlaintextProof.to_bytes,
    ),
    "fedtrust.crypto.plaintexts.PlaintextVector.from_bytes": Target(
        _seeds(lambda: [PlaintextVector(key(), opening().plaintexts).to_bytes()]),
        lambda data: PlaintextVector.from_bytes(data, key()),
        PlaintextVector.to_bytes,
    ),
    "fedtrust.crypto.sealing.open_sealed": Target(_sealed, _open_sealed, None),
    "fedtrust.crypto.single_holder.SingleHolderKey.from_bytes": Target(
        _single_holders, _open_single_holder, None, inputs=40
    ),
    "fedtrust.crypto.threshold.PartialVector.from_bytes": Target(
        _seeds(lambda: [p.to_bytes() for p in partials().values()]),
        lambda data: PartialVector.from_bytes(data, key()),
        PartialVector.to_bytes,
    ),
    "fedtrust.crypto.vector_codec.decode_vector": Target(
        lambda: [encode_vector(b"TEST", [1, 2, 3], 5, b"hh"), encode_vector(b"TEST", [0], 5, b"hh")],
        lambda data: decode_vector(b"TEST", data, 5, what="vector", header_bytes=2),
        lambda found: encode_vector(b"TEST", found[1], 5, found[0]),
        inputs=2000,
    ),
    "fedtrust.ledger.decoding.decode_log": Target(
        _seeds(_logs), _decode_log, None, inputs=1500, spellings="the ABI allows trailing data and other offsets"
    ),
    "fedtrust.ledger.decoding.decode_revert": Target(
        _seeds(_reverts), decode_revert, None, inputs=1000, spellings="text for a person"
    ),
    "fedtrust.ledger.decoding.revert_data": Target(
        _seeds(_json_rpc_errors), _decode_json_rpc_error, None, inputs=600, spellings="nodes disagree on the form"
    ),
    "fedtrust.ledger.decoding.round_state": Target(
        _seeds(_rounds), _decode_round, None, inputs=600, spellings="decoded by web3 before"
    ),
    "fedtrust.ledger.outbox.Outbox": Target(
        _seeds(_outboxes), _from_file(_read_outbox), None, inputs=60, spellings="SQLite's own format"
    ),
    "fedtrust.nodes.identity.PublicIdentity.read": Target(
        _seeds(_identities),
        _from_file(PublicIdentity.read),
        lambda identity: identity.to_bytes(),
        spellings="white space around the document is allowed",
    ),
    "fedtrust.nodes.settings.FederationSettings.read": Target(
        _seeds(lambda: [FederationSettings().to_toml().encode()]),
        _from_file(FederationSettings.read),
        None,
        spellings="TOML, written by a person",
    ),
    "fedtrust.protocol.contribution.decode": Target(
        _seeds(_sums), _decode_sums, None, spellings="an array, not a file"
    ),
    "fedtrust.protocol.fields.Fields": Target(
        _seeds(lambda: [canonical_json(_FIELDS_DOCUMENT)]),
        _parsed(_every_field),
        None,
        inputs=1500,
        spellings="the documents that are read with it are targets of their own",
    ),
    "fedtrust.protocol.partial.ProvenPartial.from_bytes": Target(
        _seeds(lambda: [ProvenPartial(partials()[1], partial_proof()).to_bytes()]),
        lambda data: ProvenPartial.from_bytes(data, key()),
        ProvenPartial.to_bytes,
    ),
    "fedtrust.protocol.result.RoundResult.from_bytes": Target(
        _seeds(lambda: [_result().to_bytes()]), RoundResult.from_bytes, RoundResult.to_bytes, inputs=1500
    ),
    "fedtrust.protocol.spec.FederationId.from_fields": Target(
        _seeds(lambda: [canonical_json(FEDERATION.to_json())]),
        _parsed(lambda value: FederationId.from_fields(Fields(value, "federation"))),
        lambda federation: canonical_json(federation.to_json()),
    ),
    "fedtrust.protocol.spec.RoundSpec.from_bytes": Target(
        _seeds(lambda: [honest_round().spec.to_bytes(), make_spec(quorum=3).to_bytes()]),
        RoundSpec.from_bytes,
        RoundSpec.to_bytes,
        inputs=1500,
    ),
    "fedtrust.protocol.update.EncryptedUpdate.from_bytes": Target(
        _seeds(_update_seeds),
        lambda data: EncryptedUpdate.from_bytes(data, key(), expected_count=2),
        EncryptedUpdate.to_bytes,
        inputs=1000,
        special=_update_header,
    ),
    "fedtrust.rules.model.Model.from_bytes": Target(
        _seeds(_models), Model.from_bytes, Model.to_bytes, inputs=1500, special=_model_header
    ),
    "fedtrust.rules.model.TensorSchema.from_json": Target(
        _seeds(lambda: [canonical_json(TensorSchema("w", "float32", (2, 3)).to_json())]),
        _parsed(TensorSchema.from_json),
        lambda schema: canonical_json(schema.to_json()),
    ),
    "fedtrust.store.state.NodeState": Target(
        _seeds(_node_states), _from_file(_read_node_state), None, inputs=60, spellings="SQLite's own format"
    ),
}
