"""What a node of the chain answers: logs, structs, errors, blocks and proofs, and the files made of them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from functools import cache
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from fedtrust.cli import head
from fedtrust.crypto.encoding import canonical_json, keccak256, to_hex
from fedtrust.errors import LedgerError
from fedtrust.ledger import events as ev
from fedtrust.ledger.artifacts import CONTRACT_NAME, CONTRACT_VERSION, disputes_artifact, federation_artifact
from fedtrust.ledger.decoding import decode_log, revert_data, stored_dispute, stored_round
from fedtrust.ledger.head_proof import HeadProof, head_slot
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
    round_head,
)
from fedtrust.ledger.roster import registered, roster
from fedtrust.ledger.round_events import complete_round, ended_in_block
from fedtrust.ledger.storage_proof import BlockHeader, StorageProof
from fedtrust.ledger.types import ZERO_HASH, DisputeKind, DisputeOutcome, Phase, Role, RoundState
from fedtrust.ledger.web3_reader import Web3LedgerReader
from tests.fuzz.mutations import mutate
from tests.fuzz.other_sources import from_value
from tests.ledger.reference_trie import ReferenceTrie
from tests.ledger.test_block_header import GENESIS, HEADER
from tests.ledger.test_block_header import NAMES as HEADER_FIELDS
from tests.protocol.protocol_fixtures import FEDERATION, account, honest_round

ABIS: tuple[Any, ...] = (*federation_artifact().abi, *disputes_artifact().abi)


def abi_entry(kind: str, name: str) -> Any:
    return next(e for e in ABIS if e["type"] == kind and e.get("name") == name)


def abi_type(entry: Any) -> str:
    if entry["type"] != "tuple":
        return str(entry["type"])
    return "(" + ",".join(abi_type(each) for each in entry["components"]) + ")"


@cache
def output_types(function: str) -> list[str]:
    return [abi_type(each) for each in abi_entry("function", function)["outputs"]]


# one log: the number of topics, topics, data


def pack_log(entry: Any, values: Sequence[object]) -> bytes:
    typed = [(each["indexed"], abi_type(each), value) for each, value in zip(entry["inputs"], values, strict=True)]
    plain = [(kind, value) for indexed, kind, value in typed if not indexed]
    topics = [keccak256(f"{entry['name']}({','.join(kind for _, kind, _ in typed)})".encode())]
    topics += [abi_encode([kind], [value]) for indexed, kind, value in typed if indexed]
    return bytes([len(topics)]) + b"".join(topics) + abi_encode([k for k, _ in plain], [v for _, v in plain])


def logs() -> list[bytes]:
    """Return a log of every event of the contracts. The values are those of the events' own types."""
    examples: dict[str, object] = {
        "address": account("ann"),
        "bytes32": keccak256(b"x"),
        "bytes": b"certificate",
        "(uint40,uint40,uint40)": (1, 2, 3),
        "(uint64,uint64,uint64)": (1, 2, 3),
    }
    return [
        pack_log(entry, [examples.get(abi_type(each), 1) for each in entry["inputs"]])
        for entry in ABIS
        if entry["type"] == "event"
    ]


def decode_packed_log(data: bytes, block: int = 1) -> ev.LedgerEvent | None:
    count = data[0] % 8 if data else 0
    end = 1 + 32 * count
    topics = [data[at : at + 32] for at in range(1, end, 32)]
    return decode_log(topics, data[end:], block=block, log_index=0, timestamp=2, transaction=bytes(32))


# the logs of a contract's life, each after its length


def pack_events(events: Sequence[ev.LedgerEvent]) -> bytes:
    return join(
        [
            pack_log(
                abi_entry("event", type(event).__name__), [_plain(getattr(event, f.name)) for f in fields(event)[4:]]
            )
            for event in events
        ]
    )


def _plain(value: Any) -> object:
    return astuple(value) if hasattr(value, "__dataclass_fields__") else value


def join(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def split(data: bytes) -> list[bytes]:
    parts = []
    while data and len(parts) < 200:
        length = int.from_bytes(data[:4], "big")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    return parts


def altered_logs(rng: random.Random, data: bytes) -> bytes:
    """Withhold, repeat, reorder or alter logs, as a node may."""
    parts = split(data)
    at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            del parts[at]
        case 1:
            parts.insert(other, parts[at])
        case 2:
            parts[at], parts[other] = parts[other], parts[at]
        case _:
            parts[at] = mutate(rng, [parts[at]])
    return join(parts)


def unpack_events(data: bytes) -> list[ev.LedgerEvent]:
    found = [decode_packed_log(part, block) for block, part in enumerate(split(data))]
    return [event for event in found if event is not None]


# rounds and disputes


def pack_round(state: RoundState) -> bytes:
    """Return the struct that the contract stores of ``state``."""
    return abi_encode(
        output_types("roundOf"),
        [
            (
                int(state.phase),
                int(state.abort_reason),
                state.quorum,
                state.ciphertexts,
                state.base_round,
                state.aggregator,
                *astuple(state.deadlines),
                state.challenge_end,
                state.reward,
                state.taken_over,
                state.selected,
                state.committed,
                state.accepted,
                state.attested,
                state.spec_hash,
                state.transcript,
                state.aggregate_hash,
                state.model_hash,
                state.head,
            )
        ],
    )


def rounds() -> list[bytes]:
    return [pack_round(honest_round().state)]


def disputes() -> list[bytes]:
    kind, outcome = int(DisputeKind.AGGREGATE), int(DisputeOutcome.OPEN)
    values = (kind, outcome, 3, 1, 2, 1_000, account("ann"), keccak256(b"transcript"), keccak256(b"product"))
    return [abi_encode(output_types("disputeOf"), [values])]


def decode_struct(function: str, data: bytes) -> Any:
    try:
        return abi_decode(output_types(function), data)[0]
    except (DecodingError, ValueError, OverflowError) as error:  # web3's part, which it turns into its own error
        raise LedgerError("not the struct") from error


def decode_round(data: bytes) -> RoundState:
    return stored_round(3, decode_struct("roundOf", data))


def decode_dispute(data: bytes) -> object:
    return stored_dispute(3, decode_struct("disputeOf", data))


WHERE = (1, 0, 2, bytes(32))
HEAD_BEFORE = keccak256(b"the head of the round before")


@cache
def finalized_round() -> tuple[RoundState, bytes]:
    """Return a round as an honest node tells it: what is stored of it, and the logs."""
    state = replace(
        honest_round().state, phase=Phase.FINALIZED, model_hash=keccak256(b"model"), transcript=ZERO_HASH, attested=1
    )
    opened = ev.RoundOpened(
        *WHERE,
        state.number,
        state.aggregator,
        state.spec_hash,
        state.base_model_hash,
        state.selected,
        state.quorum,
        state.ciphertexts,
        state.base_round,
        state.deadlines,
        state.reward,
    )
    commitments = [
        ev.UpdateCommitted(*WHERE, state.number, account(name), keccak256(name.encode()), keccak256(b"proof"))
        for name in ("ann", "bob", "cid")
    ]
    committed = ev.AggregateCommitted(*WHERE, state.number, state.accepted, keccak256(b"aggregate"))
    attested = ev.Attested(*WHERE, state.number, account("trustee"), keccak256(b"partial"))
    transcript = opening_transcript(FEDERATION.chain_id, FEDERATION.contract, HEAD_BEFORE, opened)
    for each in commitments:
        transcript = commitment_transcript(transcript, each.participant, each.root, each.proof_hash)
    state = replace(
        state,
        aggregate_hash=aggregate_hash(transcript, committed.accepted, committed.aggregate_root),
        aggregate_root=committed.aggregate_root,
        transcript=attestation_transcript(transcript, attested.trustee, attested.partial_root),
        plaintext_hash=keccak256(b"plaintexts"),
        proof_hash=keccak256(b"proof"),
        result_hash=keccak256(b"result"),
    )
    verdicts = keccak256(b"verdicts")
    state = replace(state, head=round_head(state, transcript=state.transcript, verdicts=verdicts))
    result = (state.plaintext_hash, state.proof_hash, state.model_hash, state.result_hash)
    events = (
        ev.RoundVoided(*WHERE, state.number - 1, HEAD_BEFORE, verdicts),
        opened,
        *commitments,
        ev.CommitsClosed(*WHERE, state.number, state.committed),
        committed,
        attested,
        ev.RoundFinalized(*WHERE, state.number, *result, state.head, state.challenge_end),
    )
    return state, pack_events(events)


def round_logs() -> list[bytes]:
    return [finalized_round()[1]]


def read_round(data: bytes) -> object:
    """Complete a stored round from logs: the node that gives them cannot tell another story."""
    state, _ = finalized_round()
    events = unpack_events(data)
    ended_in_block(events)
    found = complete_round(
        decode_round(pack_round(state)),
        events,
        chain_id=FEDERATION.chain_id,
        contract=FEDERATION.contract,
        previous_head=HEAD_BEFORE,
    )
    assert found == state, "a round with another story was believed"
    return found


def life_of_members() -> list[bytes]:
    ann, bob, cid = (account(name) for name in ("ann", "bob", "cid"))
    digest = keccak256(b"certificate")
    events: list[ev.LedgerEvent] = []
    for index, each in enumerate((ann, cid)):
        events.append(ev.IdentityAdmitted(*WHERE, each, Role.PARTICIPANT))
        events.append(
            ev.IdentityRegistered(*WHERE, each, Role.PARTICIPANT, index, 10**18, digest, digest, b"certificate")
        )
    events += [
        ev.IdentityAdmitted(*WHERE, bob, Role.PARTICIPANT),
        ev.IdentityRotated(*WHERE, ann, bob, Role.PARTICIPANT, 0, 2, digest, digest, b"certificate"),
        ev.IdentityLeaving(*WHERE, bob, 1_000),
        ev.StakeReleased(*WHERE, bob, 10**18),
        ev.IdentitySlashed(*WHERE, cid, 1, 10**18),
        ev.IdentityRevoked(*WHERE, cid, 1_000),
    ]
    return [pack_events(events)]


def read_roster(data: bytes) -> object:
    return registered(roster(unpack_events(data)).values(), None)


# everything else that the contract answers to


def selector(function: str) -> str:
    types = ",".join(abi_type(each) for each in abi_entry("function", function)["inputs"])
    return to_hex(keccak256(f"{function}({types})".encode())[:4])


class OneAnswerProvider(BaseProvider):
    """A node of a chain with one contract, which answers every other function with bytes from ``answers``."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        super().__init__()
        word = (32).to_bytes(32, "big")
        known = {
            "contractName": word + abi_encode(["string"], [CONTRACT_NAME])[32:],
            "version": abi_encode(output_types("version"), [CONTRACT_VERSION]),
        }
        self.answers = {selector(name): value for name, value in (known | answers).items()}

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        match method:
            case "eth_chainId":
                result = hex(FEDERATION.chain_id)
            case "eth_getCode":
                result = "0x01"
            case "eth_call":
                result = to_hex(self.answers[params[0]["data"][:10]])
            case _:
                raise AssertionError(method)
        return {"jsonrpc": "2.0", "id": 1, "result": result}


ANSWERS = (
    "config",
    "owner",
    "deployedBlock",
    "disputes",
    "headOf",
    "key",
    "reputationOf",
    "claimableReward",
    "disputeOf",
)


def contract_answers() -> list[bytes]:
    examples = {"address": account("ann"), "bytes32": keccak256(b"x"), "bool": True}

    def example(entry: Any) -> object:
        if entry["type"] == "tuple":
            return tuple(example(each) for each in entry["components"])
        return examples.get(entry["type"], 1)

    answers = []
    for function in ANSWERS:
        values = [example(each) for each in abi_entry("function", function)["outputs"]]
        answers.append(abi_encode(output_types(function), values))
    return [join(answers)]


def read_contract(data: bytes) -> object:
    parts = split(data)
    web3 = Web3(OneAnswerProvider({name: parts[i] if i < len(parts) else b"" for i, name in enumerate(ANSWERS)}))
    web3.middleware_onion.remove("validation")  # as fedtrust.ledger.connection does
    reader = Web3LedgerReader(web3, FEDERATION.contract)
    ann = account("ann")
    return (
        reader.config(),
        reader.key(),
        reader.reputation(Role.PARTICIPANT, 0),
        reader.claimable_reward(ann),
        reader.dispute(1),
    )


# errors


def reverts() -> list[bytes]:
    found = []
    for entry in ABIS:
        if entry["type"] == "error":
            types = [abi_type(each) for each in entry["inputs"]]
            selector = keccak256(f"{entry['name']}({','.join(types)})".encode())[:4]
            examples = {"address": account("ann"), "bytes32": bytes(32), "string": "text", "bytes": b"bytes"}
            values = [examples.get(kind, 3) for kind in types]
            found.append(selector + abi_encode(types, values))
    return [*found, bytes.fromhex("08c379a0") + abi_encode(["string"], ["no"]), bytes.fromhex("4e487b71") + bytes(32)]


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


# blocks and proofs


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


@cache
def head_proof() -> HeadProof:
    """Return the proof of the head of round 3, in a state with some other slots and accounts."""
    value = int.from_bytes(keccak256(b"the head"), "big")
    slots = {head_slot(number): value + number - 3 for number in range(1, 20)}
    storage = ReferenceTrie({slot.to_bytes(32, "big"): rlp.encode(held) for slot, held in slots.items()}, hashed=True)
    contract = bytes.fromhex(FEDERATION.contract[2:])
    holders = {bytes([i]) * 20: rlp.encode([i, 0, bytes(32), bytes(32)]) for i in range(1, 20)}
    accounts = ReferenceTrie(holders | {contract: rlp.encode([1, 0, storage.root, keccak256(b"code")])}, hashed=True)
    slot = head_slot(3)
    proof = StorageProof(
        FEDERATION.contract, slot, value, accounts.proof(contract), storage.proof(slot.to_bytes(32, "big"))
    )
    return HeadProof(3, replace(HEADER, state_root=accounts.root).encode(), proof)


def head_files() -> list[bytes]:
    return [head.encode(head_proof(), FEDERATION.chain_id)]


def damaged_head(rng: random.Random, data: bytes) -> bytes:
    """Change the header, a node, or what is claimed of them, in a file that stays one document."""
    document = json.loads(data)
    match rng.randrange(4):
        case 0:
            header = mutate(rng, [bytes.fromhex(document["header"][2:])])
            document |= {"header": to_hex(header), "block_hash": to_hex(keccak256(header))}
        case 1:
            document["round"] = rng.randrange(6)
        case 2:
            document["head"] = to_hex(rng.choice((ZERO_HASH, keccak256(b"another head"))))
        case _:
            nodes = document[rng.choice(("account_proof", "storage_proof"))]
            at = rng.randrange(len(nodes))
            damaged = to_hex(mutate(rng, [bytes.fromhex(nodes[at][2:])]))
            nodes[at : at + 1] = rng.choice(([], [nodes[at]] * 2, [nodes[at]] * 70, [damaged]))
    return canonical_json(document)


def encode_head(found: tuple[HeadProof, int]) -> bytes:
    return head.encode(*found)


def verify_head(data: bytes) -> object:
    """Verify a file as ``fedtrust head verify`` does: what holds is the head that was proven."""
    proof, _ = head.decode(data)
    good = head_proof()
    found = proof.verify(FEDERATION.contract, keccak256(good.header))
    assert (proof.round, found) != (3, ZERO_HASH), "a head that exists was proven absent"
    assert proof.round != 3 or found == good.verify(FEDERATION.contract, keccak256(good.header)), "another head"
    return BlockHeader.decode(proof.header)
