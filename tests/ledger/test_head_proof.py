"""The head of a round, proven to somebody who has a block hash only: by real nodes, at published places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from fedtrust.errors import LedgerError, ProofError
from fedtrust.ledger.head_proof import HEAD_OFFSET, ROUNDS_SLOT, HeadProof, fetch_head_proof, head_slot
from fedtrust.ledger.types import ZERO_HASH, Address
from tests.ledger.play import prepare, to_finalized
from tests.ledger.worlds import CONFIG, OPERATOR, NodeWorld


@pytest.fixture(params=["anvil", pytest.param("hardhat", marks=pytest.mark.slow)])
def node_world(request: pytest.FixtureRequest) -> NodeWorld:
    return NodeWorld(request.getfixturevalue(request.param))


@pytest.mark.slow
def test_the_published_places_are_the_compilers(compiled: dict[str, Any]) -> None:
    layout = compiled["contracts"]["contracts/Federation.sol"]["Federation"]["storageLayout"]
    mapping = next(entry for entry in layout["storage"] if entry["label"] == "_rounds")
    assert (int(mapping["slot"]), mapping["offset"]) == (ROUNDS_SLOT, 0)
    round_type = layout["types"][layout["types"][mapping["type"]]["value"]]
    head = next(member for member in round_type["members"] if member["label"] == "head")
    assert (head["type"], int(head["slot"]), head["offset"]) == ("t_bytes32", HEAD_OFFSET, 0)
    assert int(round_type["numberOfBytes"]) == 32 * (HEAD_OFFSET + 1)  # eleven words, the head last


def block_hash(world: NodeWorld, number: int) -> bytes:
    return bytes(world.web3.eth.get_block(number)["hash"])


def test_heads_from_block_hashes(node_world: NodeWorld) -> None:
    prepare(node_world)
    web3, contract = node_world.web3, node_world.contract
    ledger = to_finalized(node_world)
    first = web3.eth.block_number

    def proven(number: int, block: int) -> bytes:
        return fetch_head_proof(web3, contract, number, block).verify(contract, block_hash(node_world, block))

    head = ledger.head(1)
    assert proven(1, first) == head != ZERO_HASH
    assert proven(2, first) == ZERO_HASH  # no second round, and that is proven too
    # the same head from the same block when the chain has gone on, and from the new one
    to_finalized(node_world, 2)
    node_world.devnet.mine(3)
    newest = web3.eth.block_number
    assert proven(1, first) == proven(1, newest) == head
    assert proven(2, first) == ZERO_HASH
    assert proven(2, newest) == ledger.head(2)
    assert fetch_head_proof(web3, contract, 2).verify(contract, block_hash(node_world, newest)) == ledger.head(2)


def test_a_successor_starts_from_a_proven_head(node_world: NodeWorld) -> None:
    prepare(node_world)
    ledger = to_finalized(node_world)
    successor = NodeWorld(node_world.devnet, replace(CONFIG, predecessor=node_world.contract))
    assert successor.ledger(OPERATOR).head(0) == ledger.head(1) != ZERO_HASH
    assert successor.ledger(OPERATOR).current_model() == ledger.current_model() != ZERO_HASH
    web3, contract = successor.web3, successor.contract
    proof = fetch_head_proof(web3, contract, 0)
    assert proof.verify(contract, block_hash(successor, web3.eth.block_number)) == ledger.head(1)
    # and goes on from there: its first round's transcript begins with that head
    prepare(successor)
    assert to_finalized(successor).round(1).base_model_hash == ledger.round(1).model_hash


def test_a_proof_is_of_its_contract_block_and_round(node_world: NodeWorld) -> None:
    prepare(node_world)
    web3, contract = node_world.web3, node_world.contract
    to_finalized(node_world)
    block = web3.eth.block_number
    good, trusted = fetch_head_proof(web3, contract, 1, block), block_hash(node_world, block)
    other = fetch_head_proof(web3, contract, 2, block)
    before = fetch_head_proof(web3, contract, 1, block - 1)
    stranger = Address(to_checksum_address(b"\x11" * 20))
    for wrong, address, block_digest in (
        (good, stranger, trusted),
        (good, contract, block_hash(node_world, block - 1)),
        (replace(good, round=2), contract, trusted),
        (replace(other, round=1), contract, trusted),
        (replace(good, header=before.header), contract, trusted),
        (replace(good, proof=before.proof), contract, trusted),
        (replace(good, proof=replace(good.proof, value=0)), contract, trusted),
        (replace(good, proof=replace(good.proof, value=good.proof.value ^ 1)), contract, trusted),
        (replace(good, proof=replace(good.proof, storage_nodes=good.proof.storage_nodes[:-1])), contract, trusted),
        (HeadProof(1, good.header[:-1], good.proof), contract, trusted),
    ):
        with pytest.raises(ProofError):
            wrong.verify(address, block_digest)
    with pytest.raises(LedgerError):
        fetch_head_proof(web3, contract, 1, block + 1_000)


def test_rounds_that_cannot_be() -> None:
    for number in (-1, 1 << 256):
        with pytest.raises(ProofError):
            head_slot(number)
    assert len({head_slot(number) for number in range(100)}) == 100
