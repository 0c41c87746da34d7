"""What the contract knows, as frozen values. No web3 in here: ``protocol`` and ``audit`` build on these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

Address = NewType("Address", str)
"""An account or contract address, EIP-55 checksummed."""

ZERO_HASH = bytes(32)


class Role(IntEnum):
    """The role an identity is registered for; one account has one role."""

    NONE = 0
    PARTICIPANT = 1
    TRUSTEE = 2
    AGGREGATOR = 3


class Phase(IntEnum):
    """The phase of a round on chain. Phases only move forward; FINALIZED moves to SETTLED, the rest as named."""

    NONE = 0
    COMMIT = 1
    UPLOAD = 2
    DECRYPT = 3
    FINALIZED = 4
    SETTLED = 5
    ABORTED = 6
    VOIDED = 7  # reserved for disputes


class AbortReason(IntEnum):
    """Why a round was aborted; the contract decides which applies."""

    NONE = 0
    COMMIT_QUORUM_MISSED = 1
    AGGREGATE_DEADLINE_MISSED = 2
    FINALIZE_DEADLINE_MISSED = 3


@dataclass(frozen=True, slots=True)
class FederationConfig:
    """The immutable configuration of a deployed Federation contract. Amounts in wei, times in seconds."""

    chain_id: int
    contract: Address
    version: int
    owner: Address
    deployed_block: int
    challenge_window: int
    round_reward: int
    participant_basis_points: int
    trustee_basis_points: int
    aggregator_basis_points: int


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The committee key that the operator published: sha-256 of the KeyManifest, and t of T."""

    key_id: bytes
    threshold: int
    trustees: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A registered identity. ``index`` counts from 0 within its role and is its bit in every bitmap of that role."""

    account: Address
    role: Role
    index: int
    active: bool
    certificate_fingerprint: bytes  # sha-256 of the DER certificate
    sealing_key: bytes  # X25519 public key; zero for roles that receive no sealed share
    certificate: bytes  # DER, from the registration event


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadlines of a round, as block timestamps in seconds, strictly ascending."""

    commit: int
    aggregate: int
    finalize: int


@dataclass(frozen=True, slots=True)
class RoundState:
    """A round as the contract holds it now. Hashes are 32 bytes, zero while unwritten; bitmaps are ints."""

    number: int
    phase: Phase
    aggregator: Address
    deadlines: Deadlines
    quorum: int
    ciphertexts: int
    selected: int
    committed: int
    accepted: int
    attested: int
    spec_hash: bytes
    base_model_hash: bytes
    commitments_hash: bytes
    aggregate_root: bytes
    attestations_hash: bytes
    plaintext_hash: bytes
    proof_hash: bytes
    model_hash: bytes
    result_hash: bytes
    head: bytes
    challenge_end: int
    reward: int
    abort_reason: AbortReason


def members(bitmap: int) -> tuple[int, ...]:
    """Return the indices of the set bits of ``bitmap``, ascending."""
    return tuple(i for i in range(bitmap.bit_length()) if bitmap >> i & 1)


def bitmap_of(indices: tuple[int, ...] | list[int]) -> int:
    """Return the bitmap with exactly the given bits set."""
    bitmap = 0
    for index in indices:
        bitmap |= 1 << index
    return bitmap
