"""Recompute in Python what the contract accumulates: commitments, attestations and the chained round heads.

All three follow the contract to the byte (``contracts/interfaces/IFederation.sol``): keccak-256 over the standard
ABI encoding. An auditor recomputes them from events alone and compares them with what the chain holds.
"""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from fedtrust.ledger.types import Address, Phase, RoundState

ROUND_HEAD_TAG: Final[bytes] = keccak(text="fedtrust.round.v1")


def commitment_accumulator(previous: bytes, participant: Address, root: bytes, proof_hash: bytes) -> bytes:
    """Return the commitments hash after ``participant`` committed ``root``; ``previous`` starts at 32 zero bytes."""
    return keccak(encode(["bytes32", "address", "bytes32", "bytes32"], [previous, participant, root, proof_hash]))


def attestation_accumulator(previous: bytes, trustee: Address, partial_root: bytes) -> bytes:
    """Return the attestations hash after ``trustee`` attested; ``previous`` starts at 32 zero bytes."""
    return keccak(encode(["bytes32", "address", "bytes32"], [previous, trustee, partial_root]))


def round_head(chain_id: int, contract: Address, previous_head: bytes, state: RoundState) -> bytes:
    """Return the head that the contract chains for a finished round.

    ``previous_head`` is the head of round ``state.number - 1`` (32 zero bytes for round 1). A settled round keeps
    the head it got when it was finalised. The head of a round that is still open is not defined on chain; for such
    a state this returns the head it would get if it were finalised as it stands.
    """
    phase = Phase.ABORTED if state.phase is Phase.ABORTED else Phase.FINALIZED
    fields: list[tuple[str, object]] = [
        ("bytes32", ROUND_HEAD_TAG),
        ("uint256", chain_id),
        ("address", contract),
        ("uint256", state.number),
        ("bytes32", previous_head),
        ("uint8", int(phase)),
        ("uint8", int(state.abort_reason)),
        ("bytes32", state.spec_hash),
        ("bytes32", state.base_model_hash),
        ("uint256", state.selected),
        ("bytes32", state.commitments_hash),
        ("uint256", state.accepted),
        ("bytes32", state.aggregate_root),
        ("bytes32", state.attestations_hash),
        ("bytes32", state.plaintext_hash),
        ("bytes32", state.proof_hash),
        ("bytes32", state.model_hash),
        ("bytes32", state.result_hash),
    ]
    return keccak(encode([kind for kind, _ in fields], [value for _, value in fields]))
