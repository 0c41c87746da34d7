"""Events of a contract as values, for tests of the folds and the machines."""

from __future__ import annotations

from fedtrust.crypto.encoding import keccak256
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    AvailabilityChallenged,
    CiphertextRevealed,
    CommitsClosed,
    DisputeDecided,
    IdentityAdmitted,
    IdentityLeaving,
    IdentityRegistered,
    IdentityRevoked,
    IdentityRotated,
    IdentitySlashed,
    KeyPublished,
    ParticipantResumed,
    ParticipantSuspended,
    RewardCredited,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    RoundTakenOver,
    RoundVoided,
    StakeReleased,
    UpdateCommitted,
)
from fedtrust.ledger.types import ZERO_ADDRESS, AbortReason, Address, Deadlines, DisputeKind, DisputeOutcome, Role

HASH = keccak256(b"anything")
DEADLINES = Deadlines(commit=100, aggregate=200, finalize=300)
AGGREGATOR = Address("0xaggregator")
STAKE = 7


def place(block: int, timestamp: int = 0) -> dict[str, object]:
    """Return where an event is."""
    return {"block": block, "log_index": 0, "timestamp": timestamp, "transaction": keccak256(b"%d" % block)}


def key_published(block: int = 1) -> KeyPublished:
    return KeyPublished(**place(block), key_id=HASH, threshold=2, trustees=3, modulus_hash=HASH)  # type: ignore[arg-type]


def admitted(account: Address, block: int = 2, role: Role = Role.PARTICIPANT) -> IdentityAdmitted:
    return IdentityAdmitted(**place(block), account=account, role=role)  # type: ignore[arg-type]


def registered(account: Address, index: int, block: int = 2, role: Role = Role.PARTICIPANT) -> IdentityRegistered:
    return IdentityRegistered(
        **place(block),  # type: ignore[arg-type]
        account=account,
        role=role,
        index=index,
        stake=STAKE,
        certificate_fingerprint=HASH,
        sealing_key=bytes(32),
        certificate=account.encode(),
    )


def rotated(
    account: Address,
    new_account: Address,
    index: int,
    epoch: int = 2,
    block: int = 3,
    role: Role = Role.PARTICIPANT,
) -> IdentityRotated:
    return IdentityRotated(
        **place(block),  # type: ignore[arg-type]
        account=account,
        new_account=new_account,
        role=role,
        index=index,
        epoch=epoch,
        certificate_fingerprint=keccak256(b"another certificate"),
        sealing_key=bytes(32),
        certificate=b"another certificate",
    )


def revoked(account: Address, block: int = 4, release_at: int = 99) -> IdentityRevoked:
    return IdentityRevoked(**place(block), account=account, release_at=release_at)  # type: ignore[arg-type]


def leaving(account: Address, block: int = 4, release_at: int = 99) -> IdentityLeaving:
    return IdentityLeaving(**place(block), account=account, release_at=release_at)  # type: ignore[arg-type]


def slashed(account: Address, round: int = 1, block: int = 12) -> IdentitySlashed:
    return IdentitySlashed(**place(block), account=account, round=round, amount=STAKE)  # type: ignore[arg-type]


def released(account: Address, block: int = 12) -> StakeReleased:
    return StakeReleased(**place(block), account=account, amount=STAKE)  # type: ignore[arg-type]


def suspended(account: Address, block: int = 7) -> ParticipantSuspended:
    return ParticipantSuspended(**place(block), account=account)  # type: ignore[arg-type]


def resumed(account: Address, block: int = 8) -> ParticipantResumed:
    return ParticipantResumed(**place(block), account=account)  # type: ignore[arg-type]


def opened(
    round: int = 1,
    *,
    selected: int = 0b111,
    quorum: int = 2,
    deadlines: Deadlines = DEADLINES,
    block: int = 5,
    at: int = 0,
    aggregator: Address = AGGREGATOR,
    base_round: int = 0,
) -> RoundOpened:
    return RoundOpened(
        **place(block, at),  # type: ignore[arg-type]
        round=round,
        aggregator=aggregator,
        spec_hash=HASH,
        base_model_hash=HASH,
        selected=selected,
        quorum=quorum,
        ciphertexts=2,
        base_round=base_round,
        deadlines=deadlines,
        reward=0,
    )


def committed(participant: Address, round: int = 1, block: int = 6, at: int = 0) -> UpdateCommitted:
    return UpdateCommitted(**place(block, at), round=round, participant=participant, root=HASH, proof_hash=HASH)  # type: ignore[arg-type]


def closed(round: int = 1, block: int = 7, at: int = 0) -> CommitsClosed:
    return CommitsClosed(**place(block, at), round=round, committed=0b111)  # type: ignore[arg-type]


def aggregated(round: int = 1, block: int = 8, at: int = 0) -> AggregateCommitted:
    return AggregateCommitted(**place(block, at), round=round, accepted=0b111, aggregate_root=HASH)  # type: ignore[arg-type]


def attested(trustee: Address, round: int = 1, block: int = 9, at: int = 0) -> Attested:
    return Attested(**place(block, at), round=round, trustee=trustee, partial_root=HASH)  # type: ignore[arg-type]


def finalized(round: int = 1, block: int = 10, at: int = 0, challenge_end: int = 0) -> RoundFinalized:
    return RoundFinalized(
        **place(block, at),  # type: ignore[arg-type]
        round=round,
        plaintext_hash=HASH,
        proof_hash=HASH,
        model_hash=HASH,
        result_hash=HASH,
        head=HASH,
        challenge_end=challenge_end,
    )


def taken_over(
    aggregator: Address, round: int = 1, block: int = 8, at: int = 0, deadlines: tuple[int, int] = (240, 300)
) -> RoundTakenOver:
    return RoundTakenOver(
        **place(block, at),  # type: ignore[arg-type]
        round=round,
        aggregator=aggregator,
        aggregate_deadline=deadlines[0],
        finalize_deadline=deadlines[1],
    )


def voided(round: int = 1, block: int = 11, at: int = 0) -> RoundVoided:
    return RoundVoided(**place(block, at), round=round, head=HASH, verdicts=keccak256(b"%d" % round))  # type: ignore[arg-type]


def demanded(dispute: int = 1, round: int = 1, leaf: int = 0, deadline: int = 500) -> AvailabilityChallenged:
    return AvailabilityChallenged(
        **place(11),  # type: ignore[arg-type]
        dispute=dispute,
        round=round,
        challenger=AGGREGATOR,
        participant=ZERO_ADDRESS,
        leaf=leaf,
        deadline=deadline,
    )


def revealed(dispute: int = 1) -> CiphertextRevealed:
    return CiphertextRevealed(**place(12), dispute=dispute, sender=AGGREGATOR, ciphertext=b"")  # type: ignore[arg-type]


def decided(
    dispute: int = 1,
    round: int = 1,
    kind: DisputeKind = DisputeKind.AVAILABILITY,
    outcome: DisputeOutcome = DisputeOutcome.FAILED,
) -> DisputeDecided:
    return DisputeDecided(
        **place(12),  # type: ignore[arg-type]
        dispute=dispute,
        round=round,
        kind=kind,
        outcome=outcome,
        challenger=AGGREGATOR,
        offender=ZERO_ADDRESS,
    )


def aborted(
    round: int = 1, block: int = 10, at: int = 0, reason: AbortReason = AbortReason.COMMIT_QUORUM_MISSED
) -> RoundAborted:
    return RoundAborted(**place(block, at), round=round, reason=reason, head=HASH)  # type: ignore[arg-type]


def credited(account: Address, round: int = 1, block: int = 11, at: int = 0) -> RewardCredited:
    return RewardCredited(**place(block, at), round=round, account=account, amount=1)  # type: ignore[arg-type]


def settled(round: int = 1, block: int = 11, at: int = 0) -> RoundSettled:
    return RoundSettled(**place(block, at), round=round, credited=0)  # type: ignore[arg-type]
