"""Prove the head of a round to somebody who trusts a block hash and nothing else.

A head is one storage word of the Federation, at a place that is published here and checked against the compiler by a
test. One node's answer (the block's header, and ``eth_getProof`` of the word) is the whole proof: ``verify`` needs no
node. A head that is proven binds everything about its round and all rounds before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3 import Web3
from web3.types import RPCEndpoint

from fedtrust.errors import LedgerError, ProofError
from fedtrust.ledger.connection import node_errors
from fedtrust.ledger.storage_proof import BlockHeader, StorageProof, verify_header, verify_storage_proof
from fedtrust.ledger.types import Address

ROUNDS_SLOT: Final = 16
"""The storage slot of the mapping from round numbers to rounds."""

HEAD_OFFSET: Final = 10
"""The word of a round that is its head, counted from 0: the last of eleven."""


@dataclass(frozen=True, slots=True)
class HeadProof:
    """A block's header in RLP, and the proof of one storage word of a Federation in that block."""

    round: int
    header: bytes
    proof: StorageProof

    def verify(self, contract: Address, block_hash: bytes) -> bytes:
        """Return the head of the round after the block whose hash is ``block_hash``.

        Zero proves that the round had not ended by then. Raises ProofError if the proof does not hold, or is about
        another contract or block.
        """
        header = verify_header(self.header, block_hash)
        value = verify_storage_proof(header.state_root, contract, head_slot(self.round), self.proof)
        return value.to_bytes(32, "big")


def head_slot(round: int) -> int:
    """Return the storage slot of the head of ``round``; round 0 is what the federation started from."""
    if not 0 <= round < 1 << 256:
        raise ProofError("there is no such round", expected="0 or more", got=round)
    place = keccak(encode(["uint256", "uint256"], [round, ROUNDS_SLOT]))
    return (int.from_bytes(place, "big") + HEAD_OFFSET) % (1 << 256)


def fetch_head_proof(web3: Web3, contract: Address, round: int, block: int | None = None) -> HeadProof:
    """Ask a node for the proof of the head of ``round``, as of ``block`` or its latest; nothing is verified.

    Raises LedgerError if the node gives none, and ProofError if its answer is none.
    """
    slot = head_slot(round)
    header = _ask(web3, "eth_getBlockByNumber", ["latest" if block is None else hex(block), False])
    number = BlockHeader.from_json(header).number
    answer = _ask(web3, "eth_getProof", [contract, [f"0x{slot:064x}"], hex(number)])
    return HeadProof(round, BlockHeader.from_json(header).encode(), StorageProof.from_json(answer, slot))


def _ask(web3: Web3, method: str, parameters: list[Any]) -> Mapping[str, object]:
    with node_errors(method):
        answer = web3.provider.make_request(RPCEndpoint(method), parameters)
    result = answer.get("result")
    if not isinstance(result, Mapping):
        raise LedgerError(
            f"the node gave no usable answer to {method}",
            expected="an object",
            got=str(answer.get("error", result))[:200],
            advice="the node may not keep proofs of that block; ask for a newer block, or another node",
        )
    return result
