"""Events of a contract as values, for tests of the folds and the machines."""

from __future__ import annotations

from fedtrust.crypto.encoding import keccak256
from fedtrust.ledger.events import (
    AggregateCommitted,
    Attested,
    CommitsClosed,
    IdentityRegistered,
    IdentityRevoked,
    KeyPublished,
    RewardCredited,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    UpdateCommitted,
)
from fedtrust.ledger.types import AbortReason, Address, Deadlines, Role

HASH = keccak256(b"anything")
DEADLINES = Deadlines(commit=100, aggregate=200, finalize=300)


def place(block: int, timestamp: int = 0) -> dict[str, object]:
    """Return where an event is."""
    return {"block": block, "log_index": 0, "timestamp": timestamp, "transaction": keccak256(b"%d" % block)}


def key_published(block: int = 1) -> KeyPublished:
    return KeyPublished(**place(block), key_id=HASH, threshold=2, trustees=3)  # type: ignore[arg-type]


def registered(account: Address, index: int, block: int = 2, role: Role = Role.PARTICIPANT) -> IdentityRegistered:
    return IdentityRegistered(
        **place(block),  # type: ignore[arg-type]
        account=account,
        role=role,
        index=index,
        certificate_fingerprint=HASH,
        sealing_key=bytes(32),
        certificate=account.encode(),
    )


def revoked(account: Address, block: int) -> IdentityRevoked:
    return IdentityRevoked(**place(block), account=account)  # type: ignore[arg-type]


def opened(
    round: int = 1,
    *,
    selected: int = 0b111,
    quorum: int = 2,
    deadlines: Deadlines = DEADLINES,
    block: int = 5,
    at: int = 0,
) -> RoundOpened:
    return RoundOpened(
        **place(block, at),  # type: ignore[arg-type]
        round=round,
        aggregator=Address("0xaggregator"),
        spec_hash=HASH,
        base_model_hash=HASH,
        selected=selected,
        quorum=quorum,
        ciphertexts=2,
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


def aborted(round: int = 1, block: int = 10, at: int = 0) -> RoundAborted:
    reason = AbortReason.COMMIT_QUORUM_MISSED
    return RoundAborted(**place(block, at), round=round, reason=reason, head=HASH)  # type: ignore[arg-type]


def credited(account: Address, round: int = 1, block: int = 11) -> RewardCredited:
    return RewardCredited(**place(block), round=round, account=account, amount=1)  # type: ignore[arg-type]


def settled(round: int = 1, block: int = 11, at: int = 0) -> RoundSettled:
    return RoundSettled(**place(block, at), round=round, credited=0)  # type: ignore[arg-type]
