"""Recompute in Python what the contract accumulates: transcripts, aggregate hashes, verdicts and the round heads.

All follow the contract to the byte (``headOf`` and ``verdicts`` in ``contracts/interfaces/IFederation.sol``):
keccak-256 over the standard ABI encoding. An auditor recomputes them from events alone and compares them with what
the chain holds.
"""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from fedtrust.errors import RoundError
from fedtrust.ledger.events import RoundOpened
from fedtrust.ledger.types import ZERO_HASH, Address, DisputeKind, Phase, RoundState

ROUND_TAG: Final[bytes] = keccak(text="fedtrust.round.v2")
HEAD_TAG: Final[bytes] = keccak(text="fedtrust.head.v2")

_COMMITMENT: Final = 1
_ATTESTATION: Final = 2


def opening_transcript(
    chain_id: int, contract: Address, previous_head: bytes, state: RoundState | RoundOpened
) -> bytes:
    """Return a round's transcript when it was opened.

    ``previous_head`` is the head of the round before (for round 1: head 0). A take-over changes aggregator and
    deadlines, so such a round's state does not do: raises RoundError, give its RoundOpened event instead.
    """
    if isinstance(state, RoundState) and state.taken_over:
        raise RoundError(
            f"round {state.number} was taken over: its state is not the one it was opened with",
            advice="give its RoundOpened event",
        )
    fields: list[tuple[str, object]] = [
        ("bytes32", ROUND_TAG),
        ("uint256", chain_id),
        ("address", contract),
        ("uint256", state.number if isinstance(state, RoundState) else state.round),
        ("bytes32", previous_head),
        ("address", state.aggregator),
        ("bytes32", state.spec_hash),
        ("bytes32", state.base_model_hash),
        ("uint32", state.base_round),
        ("uint256", state.selected),
        ("uint16", state.quorum),
        ("uint32", state.ciphertexts),
        ("uint40", state.deadlines.commit),
        ("uint40", state.deadlines.aggregate),
        ("uint40", state.deadlines.finalize),
        ("uint256", state.reward),
    ]
    return _hash(fields)


def commitment_transcript(before: bytes, participant: Address, root: bytes, proof_hash: bytes) -> bytes:
    """Return the transcript after ``participant`` committed ``root``."""
    return _step(before, _COMMITMENT, participant, root, proof_hash)


def attestation_transcript(before: bytes, trustee: Address, partial_root: bytes) -> bytes:
    """Return the transcript after ``trustee`` attested."""
    return _step(before, _ATTESTATION, trustee, partial_root, ZERO_HASH)


def aggregate_hash(committed: bytes, accepted: int, aggregate_root: bytes) -> bytes:
    """Return the aggregate's hash; ``committed`` is the transcript after the last commitment."""
    return _hash([("bytes32", committed), ("uint256", accepted), ("bytes32", aggregate_root)])


def verdicts_hash(before: bytes, round: int, offender: Address, kind: DisputeKind) -> bytes:
    """Return the hash of all voidings after one more; a descendant has no offender (zero) and kind NONE."""
    return _hash([("bytes32", before), ("uint256", round), ("address", offender), ("uint8", int(kind))])


def round_head(state: RoundState, *, transcript: bytes, verdicts: bytes) -> bytes:
    """Return the head that the contract chains for a round that ended.

    ``transcript`` is the round's at its end, ``verdicts`` the hash of all voidings when the head was written. A
    settled round, and a voided one that was finalised before, keep the head they got at finalisation. The head of a
    round that is still open is not defined on chain; for such a state this returns the head it would get if it were
    finalised as it stands.
    """
    if state.phase is Phase.ABORTED:
        phase = Phase.ABORTED
    elif state.phase is Phase.VOIDED and state.model_hash == ZERO_HASH:
        phase = Phase.VOIDED
    else:
        phase = Phase.FINALIZED
    fields: list[tuple[str, object]] = [
        ("bytes32", HEAD_TAG),
        ("bytes32", transcript),
        ("uint8", int(phase)),
        ("uint8", int(state.abort_reason)),
        ("address", state.aggregator),
        ("bytes32", state.aggregate_hash),
        ("bytes32", state.plaintext_hash),
        ("bytes32", state.proof_hash),
        ("bytes32", state.model_hash),
        ("bytes32", state.result_hash),
        ("bytes32", verdicts),
    ]
    return _hash(fields)


def _step(before: bytes, kind: int, account: Address, first: bytes, second: bytes) -> bytes:
    return _hash([("bytes32", before), ("uint8", kind), ("address", account), ("bytes32", first), ("bytes32", second)])


def _hash(fields: list[tuple[str, object]]) -> bytes:
    return keccak(encode([kind for kind, _ in fields], [value for _, value in fields]))
