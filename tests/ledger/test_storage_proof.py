"""Storage proven from a block hash alone: against made-up states, and against what real nodes answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.types import RPCEndpoint

from fedtrust.errors import ProofError
from fedtrust.ledger.merkle_patricia import EMPTY_ROOT, MAX_NODE_BYTES
from fedtrust.ledger.storage_proof import (
    Account,
    BlockHeader,
    StorageProof,
    verify_account_proof,
    verify_header,
    verify_storage_proof,
)
from fedtrust.ledger.types import Address
from tests.ledger.reference_trie import Form, ReferenceTrie
from tests.ledger.worlds import AGGREGATOR, OPERATOR, NodeWorld

CONTRACT = Address(to_checksum_address(b"\x11" * 20))
PLAIN = Address(to_checksum_address(b"\x22" * 20))
ABSENT = Address(to_checksum_address(b"\x33" * 20))
LARGEST = 2**256 - 1
OWNER_SLOT = 6
"""Where the Federation keeps its owner: some slot that is not zero."""
# the hashes of these two slots share their first 32 bits, so that small values lie in nodes embedded in a branch
NEIGHBOURS = (40_364, 105_566)
SLOTS = {0: 1, 1: 127, 2: 128, 3: LARGEST, 2**255: 5, NEIGHBOURS[0]: 7, NEIGHBOURS[1]: 8}


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def as_hex(data: bytes) -> str:
    return "0x" + data.hex()


class State:
    """A state with a contract that holds ``SLOTS``, a plain account, and enough others for a branch or two."""

    def __init__(self) -> None:
        self.storage = ReferenceTrie({word(k): rlp.encode(v) for k, v in SLOTS.items()}, hashed=True)
        self.contract = Account(1, 10**18, self.storage.root, keccak(b"code"))
        self.plain = Account(0, 0, EMPTY_ROOT, keccak(b""))
        accounts = {bytes([i]) * 20: replace(self.plain, nonce=i) for i in range(100, 140)}
        accounts |= {bytes.fromhex(CONTRACT[2:]): self.contract, bytes.fromhex(PLAIN[2:]): self.plain}
        leaves = {
            key: rlp.encode([account.nonce, account.balance, account.storage_root, account.code_hash])
            for key, account in accounts.items()
        }
        self.trie = ReferenceTrie(leaves, hashed=True)

    def proof(self, slot: int, form: Form = "as geth", address: Address = CONTRACT) -> StorageProof:
        return StorageProof(
            address,
            slot,
            SLOTS.get(slot, 0) if address == CONTRACT else 0,
            self.trie.proof(bytes.fromhex(address[2:]), form),
            self.storage.proof(word(slot), form) if address == CONTRACT else (),
        )


STATE = State()


# -------------------------------------------------------------------------------------------------------- accounts


@pytest.mark.parametrize("form", ["as geth", "as Anvil"])
def test_storage_is_proven_from_a_state_root(form: Form) -> None:
    for slot, value in SLOTS.items():
        assert verify_storage_proof(STATE.trie.root, CONTRACT, slot, STATE.proof(slot, form)) == value
    for slot in (4, LARGEST):
        assert verify_storage_proof(STATE.trie.root, CONTRACT, slot, STATE.proof(slot, form)) == 0
    assert verify_storage_proof(STATE.trie.root, PLAIN, 0, STATE.proof(0, form, PLAIN)) == 0


def test_the_neighbours_lie_in_embedded_nodes() -> None:
    for slot in NEIGHBOURS:
        repeated, left_out = STATE.proof(slot, "as Anvil"), STATE.proof(slot)
        assert repeated.storage_nodes[:-1] == left_out.storage_nodes
        assert len(repeated.storage_nodes[-1]) < 32
        assert verify_storage_proof(STATE.trie.root, CONTRACT, slot, left_out) == SLOTS[slot]


def test_accounts_and_their_absence() -> None:
    def nodes(address: Address) -> tuple[bytes, ...]:
        return STATE.trie.proof(bytes.fromhex(address[2:]))

    assert verify_account_proof(STATE.trie.root, CONTRACT, nodes(CONTRACT)) == STATE.contract
    assert verify_account_proof(STATE.trie.root, PLAIN, nodes(PLAIN)) == STATE.plain
    assert verify_account_proof(STATE.trie.root, ABSENT, nodes(ABSENT)) is None
    with pytest.raises(ProofError):
        verify_account_proof(STATE.trie.root, CONTRACT, nodes(PLAIN))
    # no account is no contract whose storage is empty
    with pytest.raises(ProofError, match=r"no account at .* proven"):
        verify_storage_proof(STATE.trie.root, ABSENT, 0, STATE.proof(0, address=ABSENT))


GOOD = STATE.proof(3)


@pytest.mark.parametrize(
    ("proof", "message"),
    [
        (replace(GOOD, value=5), "another value"),
        (replace(GOOD, value=0), "another value"),
        (replace(GOOD, slot=2), "another account or slot"),
        (replace(GOOD, address=PLAIN), "another account or slot"),
        (replace(STATE.proof(2), slot=3, value=128), "is not the one its parent names|not on the path|ends before"),
        (replace(GOOD, account_nodes=STATE.proof(0, address=PLAIN).account_nodes), "account proof"),
        (replace(GOOD, account_nodes=()), "account proof ends before"),
        (replace(GOOD, account_nodes=GOOD.account_nodes[:-1]), "account proof ends before"),
        (replace(GOOD, account_nodes=GOOD.account_nodes[::-1]), "node 0 of the account proof"),
        (replace(GOOD, storage_nodes=()), "storage proof ends before"),
        (replace(GOOD, storage_nodes=(b"\x80",)), "node 0 of the storage proof"),
        (replace(GOOD, storage_nodes=GOOD.storage_nodes[:-1]), "storage proof ends before"),
        (replace(GOOD, storage_nodes=GOOD.storage_nodes[::-1]), "node 0 of the storage proof"),
        (replace(GOOD, storage_nodes=(*GOOD.storage_nodes, b"\x80")), "not on the path"),
        (replace(GOOD, storage_nodes=GOOD.account_nodes), "node 0 of the storage proof"),
        (replace(GOOD, account_nodes=GOOD.storage_nodes), "node 0 of the account proof"),
    ],
)
def test_proofs_that_prove_something_else(proof: StorageProof, message: str) -> None:
    assert verify_storage_proof(STATE.trie.root, CONTRACT, 3, GOOD) == LARGEST
    with pytest.raises(ProofError, match=message) as caught:
        verify_storage_proof(STATE.trie.root, CONTRACT, 3, proof)
    assert caught.value.expected is not None
    assert caught.value.got is not None


def test_an_empty_slot_claimed_full() -> None:
    with pytest.raises(ProofError, match="another value"):
        verify_storage_proof(STATE.trie.root, CONTRACT, 4, replace(STATE.proof(4), value=1))


def test_a_proof_of_another_state() -> None:
    with pytest.raises(ProofError, match="node 0 of the account proof"):
        verify_storage_proof(STATE.storage.root, CONTRACT, 3, GOOD)
    with pytest.raises(ProofError, match="not a hash"):
        verify_storage_proof(b"", CONTRACT, 3, GOOD)


@pytest.mark.parametrize("leaf", [b"\x80", b"\x00", rlp.encode(b"\x00\x01"), rlp.encode(b"\x01" * 33), b"\xc1\x01"])
def test_a_stored_value_that_is_none(leaf: bytes) -> None:
    storage = ReferenceTrie({word(0): leaf}, hashed=True)
    account = rlp.encode([0, 0, storage.root, keccak(b"code")])
    trie = ReferenceTrie({bytes.fromhex(CONTRACT[2:]): account}, hashed=True)
    nodes = trie.proof(bytes.fromhex(CONTRACT[2:]))
    with pytest.raises(ProofError, match="stored value"):
        verify_storage_proof(trie.root, CONTRACT, 0, StorageProof(CONTRACT, 0, 0, nodes, storage.proof(word(0))))


@pytest.mark.parametrize(
    "leaf",
    [
        rlp.encode([0, 0, EMPTY_ROOT]),
        rlp.encode([0, 0, EMPTY_ROOT, EMPTY_ROOT, b""]),
        rlp.encode([0, 0, EMPTY_ROOT[1:], EMPTY_ROOT]),
        rlp.encode([0, 0, EMPTY_ROOT, EMPTY_ROOT[1:]]),
        rlp.encode([b"\x00", 0, EMPTY_ROOT, EMPTY_ROOT]),
        rlp.encode([0, [], EMPTY_ROOT, EMPTY_ROOT]),
        b"account",
    ],
)
def test_an_account_that_is_none(leaf: bytes) -> None:
    trie = ReferenceTrie({bytes.fromhex(CONTRACT[2:]): leaf}, hashed=True)
    with pytest.raises(ProofError, match="account"):
        verify_account_proof(trie.root, CONTRACT, trie.proof(bytes.fromhex(CONTRACT[2:])))


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x1234"},
        {"address": "0x" + OPERATOR.address[2:].swapcase()},  # a checksum that is wrong
        {"slot": -1},
        {"slot": 2**256},
        {"value": -1},
        {"value": 2**256},
        {"account_nodes": (b"\x80",) * 66},
        {"storage_nodes": (bytes(MAX_NODE_BYTES + 1),)},
    ],
)
def test_claims_that_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        replace(GOOD, **change)


# ----------------------------------------------------------------------------------------------------------- answers


def answer_of(*proofs: StorageProof) -> dict[str, Any]:
    return {
        "address": proofs[0].address.lower(),
        "accountProof": [as_hex(node) for node in proofs[0].account_nodes],
        "balance": "0x0",
        "storageProof": [
            {"key": as_hex(word(p.slot)), "value": hex(p.value), "proof": [as_hex(node) for node in p.storage_nodes]}
            for p in proofs
        ],
    }


def test_an_answer_is_read_whatever_its_zeros() -> None:
    answer = answer_of(STATE.proof(0), GOOD)
    assert StorageProof.from_json(answer, 3) == GOOD
    answer["storageProof"][0] |= {"key": "0x0", "value": as_hex(word(1))}
    assert StorageProof.from_json(answer, 0) == STATE.proof(0)


@pytest.mark.parametrize(
    "change",
    [
        {"address": None},
        {"address": "0x1234"},
        {"accountProof": None},
        {"accountProof": ["0x123"]},
        {"accountProof": [5]},
        {"storageProof": None},
        {"storageProof": []},
        {"storageProof": ["0x"]},
        {"storageProof": [{"key": "0x3"}]},
        {"storageProof": [{"key": "0x3", "value": "0x1", "proof": "0x80"}]},
        {"storageProof": [{"key": "0x3", "value": "0x" + "1" * 65, "proof": []}]},
        {"storageProof": [{"key": "0x3", "value": "0x1", "proof": []}] * 2},
        {"storageProof": [{"key": "0x4", "value": "0x1", "proof": []}]},
        {"storageProof": [{"key": 3, "value": "0x1", "proof": []}]},
    ],
)
def test_answers_that_are_no_proof(change: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        StorageProof.from_json({**answer_of(GOOD), **change}, 3)


# -------------------------------------------------------------------------------------------------------- real nodes


def request(web3: Web3, method: str, *parameters: object) -> Any:
    answer = web3.provider.make_request(RPCEndpoint(method), list(parameters))
    assert "error" not in answer, answer
    return answer["result"]


def header_of(web3: Web3, block: str) -> BlockHeader:
    answer = request(web3, "eth_getBlockByNumber", block, False)
    header = verify_header(BlockHeader.from_json(answer).encode(), bytes.fromhex(answer["hash"][2:]))
    assert header.number == int(answer["number"], 16)
    assert header.requests_hash is not None  # Prague's last field is there
    return header


def prove(web3: Web3, contract: Address, slot: int, block: str = "latest") -> int:
    """What an outsider does: a header by its hash, a proof for its state root, no word of the node believed."""
    header = header_of(web3, block)
    answer = request(web3, "eth_getProof", contract, [as_hex(word(slot))], hex(header.number))
    return verify_storage_proof(header.state_root, contract, slot, StorageProof.from_json(answer, slot))


@pytest.fixture(params=["anvil", pytest.param("hardhat", marks=pytest.mark.slow)])
def node_world(request: pytest.FixtureRequest) -> NodeWorld:
    return NodeWorld(request.getfixturevalue(request.param))


def test_real_proofs_do_not_prove_other_things(node_world: NodeWorld) -> None:
    web3, contract = node_world.web3, node_world.contract
    header = header_of(web3, "latest")
    answer = request(web3, "eth_getProof", contract, [as_hex(word(OWNER_SLOT)), as_hex(word(0))], hex(header.number))
    owner = StorageProof.from_json(answer, OWNER_SLOT)
    assert verify_storage_proof(header.state_root, contract, OWNER_SLOT, owner) == int(OPERATOR.address, 16)
    for wrong in (
        replace(owner, value=int(AGGREGATOR.address, 16)),
        replace(owner, storage_nodes=owner.storage_nodes[:-1]),
        replace(owner, storage_nodes=owner.storage_nodes[::-1]),
        replace(owner, account_nodes=owner.account_nodes[:-1]),
        replace(StorageProof.from_json(answer, 0), slot=OWNER_SLOT),
    ):
        with pytest.raises(ProofError):
            verify_storage_proof(header.state_root, contract, OWNER_SLOT, wrong)
    # the state of the block before is not this one
    with pytest.raises(ProofError):
        verify_storage_proof(header_of(web3, hex(header.number - 1)).state_root, contract, OWNER_SLOT, owner)


def test_real_accounts(node_world: NodeWorld) -> None:
    web3, deployed = node_world.web3, node_world.contract
    header = header_of(web3, "latest")

    def account(address: Address) -> Account | None:
        answer = request(web3, "eth_getProof", address, [], hex(header.number))
        return verify_account_proof(
            header.state_root, address, tuple(bytes.fromhex(node[2:]) for node in answer["accountProof"])
        )

    contract = account(deployed)
    assert contract is not None
    assert contract.code_hash == keccak(web3.eth.get_code(Web3.to_checksum_address(deployed)))
    operator = account(Address(OPERATOR.address))
    assert operator is not None
    assert operator.balance == node_world.balance(OPERATOR.address)
    assert account(ABSENT) is None


def test_real_nodes_of_less_than_32_bytes(node_world: NodeWorld) -> None:
    web3, contract = node_world.web3, node_world.contract
    for slot, value in SLOTS.items():
        if slot in NEIGHBOURS:
            request(web3, f"{node_world.name}_setStorageAt", contract, as_hex(word(slot)), as_hex(word(value)))
    node_world.devnet.mine()
    header = header_of(web3, "latest")
    for slot in NEIGHBOURS:
        answer = request(web3, "eth_getProof", contract, [as_hex(word(slot))], hex(header.number))
        proof = StorageProof.from_json(answer, slot)
        assert len(proof.storage_nodes[-1]) < 32  # the form of these two nodes; geth's leaves it out
        for storage_nodes in (proof.storage_nodes, proof.storage_nodes[:-1]):
            given = replace(proof, storage_nodes=storage_nodes)
            assert verify_storage_proof(header.state_root, contract, slot, given) == SLOTS[slot]
