"""What the contract knows, as frozen values. No web3 in here: ``protocol`` and ``audit`` build on these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

Address = NewType("Address", str)
"""An account or contract address, EIP-55 checksummed."""

ZERO_HASH = bytes(32)
ZERO_ADDRESS = Address("0x" + 40 * "0")


class Role(IntEnum):
    """The role an account is admitted for; one account has one role."""

    NONE = 0
    PARTICIPANT = 1
    TRUSTEE = 2
    AGGREGATOR = 3


class Status(IntEnum):
    """Where an identity is in its life: NONE, ADMITTED, ACTIVE, LEAVING, LEFT; or one of the three other ends."""

    NONE = 0
    ADMITTED = 1
    ACTIVE = 2
    LEAVING = 3
    LEFT = 4
    REVOKED = 5
    SLASHED = 6
    RETIRED = 7


class Phase(IntEnum):
    """The phase of a round on chain. Phases only move forward; any of the first four may end in VOIDED."""

    NONE = 0
    COMMIT = 1
    UPLOAD = 2
    DECRYPT = 3
    FINALIZED = 4
    SETTLED = 5
    ABORTED = 6
    VOIDED = 7


class AbortReason(IntEnum):
    """Why a round was aborted; the contract decides which applies."""

    NONE = 0
    COMMIT_QUORUM_MISSED = 1
    AGGREGATE_DEADLINE_MISSED = 2
    FINALIZE_DEADLINE_MISSED = 3
    BASE_VOIDED = 4
    AGGREGATOR_REMOVED = 5


class PayoutRule(IntEnum):
    """How the participants' pot and the trustees' pot are divided; see ``rules/payout.py``."""

    EQUAL = 0
    RELIABILITY = 1


class DisputeKind(IntEnum):
    """What is disputed. A descendant of a voided round is voided with kind NONE."""

    NONE = 0
    AGGREGATE = 1
    EQUIVOCATION = 2
    AVAILABILITY = 3
    OMISSION = 4


class DisputeOutcome(IntEnum):
    """Where a dispute is: OPEN, or how it ended."""

    NONE = 0
    OPEN = 1
    PROVEN = 2
    FAILED = 3
    MOOT = 4


@dataclass(frozen=True, slots=True)
class FederationConfig:
    """The configuration of a deployed Federation contract; only ``owner`` can change. Times in seconds.

    Amounts are in the smallest unit of ``asset``: wei if that is the zero address. The fields from ``asset`` on are
    those of ``DeploymentConfig``, which explains them.
    """

    chain_id: int
    contract: Address
    version: int
    owner: Address
    deployed_block: int
    disputes: Address
    asset: Address
    predecessor: Address
    challenge_window: int
    dispute_seconds: int
    standby_seconds: int
    max_round_seconds: int
    unbonding_seconds: int
    claim_seconds: int
    round_reward: int
    participant_basis_points: int
    trustee_basis_points: int
    aggregator_basis_points: int
    payout_rule: PayoutRule
    participant_stake: int
    trustee_stake: int
    aggregator_stake: int
    dispute_bond: int
    challenger_reward_cap: int
    minimum_quorum: int
    participants_per_round: int
    max_missed: int

    def stake_of(self, role: Role) -> int:
        """Return what an identity of ``role`` stakes."""
        stakes = (0, self.participant_stake, self.trustee_stake, self.aggregator_stake)
        return stakes[role]


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The committee key that the operator published: sha-256 of the KeyManifest, t of T, and keccak-256 of n^2."""

    key_id: bytes
    threshold: int
    trustees: int
    modulus_hash: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """An account's identity. ``index`` counts from 0 within its role and is its bit in every bitmap of that role.

    One that is only ADMITTED has no index yet: 0, as have all fields after ``status``. A RETIRED one handed its index
    to another account. ``release_at`` is in seconds, 0 unless it leaves or was revoked.
    """

    account: Address
    role: Role
    index: int
    status: Status
    epoch: int
    stake: int
    release_at: int
    retired_at_round: int
    certificate_fingerprint: bytes  # sha-256 of the DER certificate
    sealing_key: bytes  # X25519 public key; zero for roles that receive no sealed share
    certificate: bytes  # DER, from the newest event that brought one

    @property
    def active(self) -> bool:
        """Whether it may do all that its role may."""
        return self.status is Status.ACTIVE


@dataclass(frozen=True, slots=True)
class Reputation:
    """What the identity of a role and index did, counted on chain; survives rotations."""

    accepted: int
    late: int
    missed: int
    slashed: int
    attested: int
    missed_in_a_row: int


@dataclass(frozen=True, slots=True)
class Draw:
    """The selection for the next round, as it would be drawn now. ``selected`` is a bitmap of participants."""

    beacon_block: int
    beacon: bytes
    selected: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadlines of a round, as block timestamps in seconds, strictly ascending."""

    commit: int
    aggregate: int
    finalize: int


@dataclass(frozen=True, slots=True)
class RoundState:
    """A round as it is on chain now. Hashes are 32 bytes, zero while unwritten; bitmaps are ints.

    The contract stores eleven words of it; base_model_hash, aggregate_root, plaintext_hash, proof_hash and
    result_hash come from its events. Deadlines and aggregator are the present ones, also after a take-over.
    """

    number: int
    phase: Phase
    abort_reason: AbortReason
    quorum: int
    ciphertexts: int
    base_round: int
    aggregator: Address
    deadlines: Deadlines
    challenge_end: int
    reward: int
    taken_over: bool
    selected: int
    committed: int
    accepted: int
    attested: int
    spec_hash: bytes
    base_model_hash: bytes
    transcript: bytes
    aggregate_hash: bytes
    aggregate_root: bytes
    plaintext_hash: bytes
    proof_hash: bytes
    model_hash: bytes
    result_hash: bytes
    head: bytes


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute about an aggregate or about availability. ``round`` is 0 if there is none with this number."""

    number: int
    kind: DisputeKind
    outcome: DisputeOutcome
    round: int
    leaf: int
    counted: int
    deadline: int
    challenger: Address
    transcript: bytes
    product_hash: bytes


@dataclass(frozen=True, slots=True)
class RelayedUpdate:
    """A commitment that somebody else sends for ``participant``, with its EIP-712 signature."""

    participant: Address
    root: bytes
    proof_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class CommitmentEntry:
    """A commitment of a round, in a dispute."""

    participant: Address
    root: bytes
    proof_hash: bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """A commitment of a round with the disputed leaf of its update and its path; both empty if it was not accepted."""

    participant: Address
    root: bytes
    proof_hash: bytes
    ciphertext: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SignedUpdate:
    """What a participant signed for a round, without round and spec hash; evidence of an equivocation."""

    epoch: int
    root: bytes
    ciphertexts: int
    proof_hash: bytes
    signature: bytes


def members(bitmap: int) -> tuple[int, ...]:
    """Return the indices of the set bits of ``bitmap``, ascending."""
    return tuple(i for i in range(bitmap.bit_length()) if bitmap >> i & 1)


def bitmap_of(indices: tuple[int, ...] | list[int]) -> int:
    """Return the bitmap with exactly the given bits set."""
    bitmap = 0
    for index in indices:
        bitmap |= 1 << index
    return bitmap
