"""The contract's events as frozen values, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.ledger.types import AbortReason, Address, Deadlines, Role


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """Base: where on the chain an event is. ``timestamp`` is the block's, in seconds."""

    block: int
    log_index: int
    timestamp: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class IdentityRegistered(LedgerEvent):
    """An identity was admitted."""

    account: Address
    role: Role
    index: int
    certificate_fingerprint: bytes
    sealing_key: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class IdentityRevoked(LedgerEvent):
    """An identity was revoked."""

    account: Address


@dataclass(frozen=True, slots=True)
class KeyPublished(LedgerEvent):
    """The operator published the committee's key."""

    key_id: bytes
    threshold: int
    trustees: int


@dataclass(frozen=True, slots=True)
class RewardsFunded(LedgerEvent):
    """Somebody added to the reward pool."""

    sender: Address
    amount: int


@dataclass(frozen=True, slots=True)
class RoundOpened(LedgerEvent):
    """A round was opened."""

    round: int
    aggregator: Address
    spec_hash: bytes
    base_model_hash: bytes
    selected: int
    quorum: int
    ciphertexts: int
    deadlines: Deadlines
    reward: int


@dataclass(frozen=True, slots=True)
class UpdateCommitted(LedgerEvent):
    """A participant bound itself to an encrypted update."""

    round: int
    participant: Address
    root: bytes
    proof_hash: bytes


@dataclass(frozen=True, slots=True)
class CommitsClosed(LedgerEvent):
    """The commit phase closed; uploads may begin."""

    round: int
    committed: int


@dataclass(frozen=True, slots=True)
class AggregateCommitted(LedgerEvent):
    """The accepted set and the root of the aggregate were fixed."""

    round: int
    accepted: int
    aggregate_root: bytes


@dataclass(frozen=True, slots=True)
class Attested(LedgerEvent):
    """A trustee recomputed the aggregate and bound itself to its partial decryption."""

    round: int
    trustee: Address
    partial_root: bytes


@dataclass(frozen=True, slots=True)
class RoundFinalized(LedgerEvent):
    """The result was committed; the challenge window runs until ``challenge_end``."""

    round: int
    plaintext_hash: bytes
    proof_hash: bytes
    model_hash: bytes
    result_hash: bytes
    head: bytes
    challenge_end: int


@dataclass(frozen=True, slots=True)
class RoundAborted(LedgerEvent):
    """The round ended without a result."""

    round: int
    reason: AbortReason
    head: bytes


@dataclass(frozen=True, slots=True)
class RewardCredited(LedgerEvent):
    """A reward became claimable by ``account``."""

    round: int
    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class RoundSettled(LedgerEvent):
    """The round's rewards were credited; ``credited`` is their sum, the rest went back to the pool."""

    round: int
    credited: int


@dataclass(frozen=True, slots=True)
class RewardClaimed(LedgerEvent):
    """An account withdrew what it had been credited."""

    account: Address
    amount: int
