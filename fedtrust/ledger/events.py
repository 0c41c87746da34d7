"""The events of both contracts as frozen values, named and ordered as in Solidity."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.ledger.types import AbortReason, Address, Deadlines, DisputeKind, DisputeOutcome, Role


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """Base: where on the chain an event is. ``timestamp`` is the block's, in seconds."""

    block: int
    log_index: int
    timestamp: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class IdentityAdmitted(LedgerEvent):
    """The operator admitted an account; it may register itself."""

    account: Address
    role: Role


@dataclass(frozen=True, slots=True)
class IdentityRegistered(LedgerEvent):
    """An admitted account registered itself."""

    account: Address
    role: Role
    index: int
    stake: int
    certificate_fingerprint: bytes
    sealing_key: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class IdentityRotated(LedgerEvent):
    """An identity changed its certificate, and its account if ``new_account`` is another."""

    account: Address
    new_account: Address
    role: Role
    index: int
    epoch: int
    certificate_fingerprint: bytes
    sealing_key: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class IdentityLeaving(LedgerEvent):
    """An identity leaves; its stake may be released at ``release_at``."""

    account: Address
    release_at: int


@dataclass(frozen=True, slots=True)
class IdentityRevoked(LedgerEvent):
    """The operator revoked an identity; its stake, if any, may be released at ``release_at``."""

    account: Address
    release_at: int


@dataclass(frozen=True, slots=True)
class IdentitySlashed(LedgerEvent):
    """A dispute took an identity's whole stake."""

    account: Address
    round: int
    amount: int


@dataclass(frozen=True, slots=True)
class StakeReleased(LedgerEvent):
    """The stake of an identity that left became claimable."""

    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class ParticipantSuspended(LedgerEvent):
    """A participant missed too many selections in a row and is not drawn any more."""

    account: Address


@dataclass(frozen=True, slots=True)
class ParticipantResumed(LedgerEvent):
    """A suspended participant may be drawn again."""

    account: Address


@dataclass(frozen=True, slots=True)
class KeyPublished(LedgerEvent):
    """The operator published the committee's key."""

    key_id: bytes
    threshold: int
    trustees: int
    modulus_hash: bytes


@dataclass(frozen=True, slots=True)
class RewardsFunded(LedgerEvent):
    """Somebody added to the reward pool."""

    sender: Address
    amount: int


@dataclass(frozen=True, slots=True)
class RewardClaimed(LedgerEvent):
    """An account withdrew all it had been credited."""

    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class RewardExpired(LedgerEvent):
    """A reward that nobody claimed in time went back to the pool."""

    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class DepositCredited(LedgerEvent):
    """Something other than a reward became claimable: a bond, a challenger's reward, a compensation."""

    account: Address
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
    base_round: int
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
class RoundTakenOver(LedgerEvent):
    """A standby took the round over after a missed deadline."""

    round: int
    aggregator: Address
    aggregate_deadline: int
    finalize_deadline: int


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
class RoundVoided(LedgerEvent):
    """The round counts for nothing. ``verdicts`` is the running hash of all voidings after this one."""

    round: int
    head: bytes
    verdicts: bytes


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
class DisputeAnnounced(LedgerEvent):
    """A dispute was announced."""

    challenger: Address
    announcement: bytes


@dataclass(frozen=True, slots=True)
class AggregateChallenged(LedgerEvent):
    """A dispute over a wrong aggregate was opened."""

    dispute: int
    round: int
    challenger: Address
    leaf: int
    deadline: int


@dataclass(frozen=True, slots=True)
class AvailabilityChallenged(LedgerEvent):
    """A ciphertext was demanded: of ``participant``'s update, or of the aggregate if that is zero."""

    dispute: int
    round: int
    challenger: Address
    participant: Address
    leaf: int
    deadline: int


@dataclass(frozen=True, slots=True)
class CiphertextRevealed(LedgerEvent):
    """The demanded ciphertext was shown."""

    dispute: int
    sender: Address
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class DisputeDecided(LedgerEvent):
    """A dispute ended; decided at once it has number 0. ``offender`` is zero unless it was PROVEN."""

    dispute: int
    round: int
    kind: DisputeKind
    outcome: DisputeOutcome
    challenger: Address
    offender: Address
