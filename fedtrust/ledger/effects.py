"""Is the effect of a write on chain already? One question per write, answered from a ``LedgerReader`` alone.

Every function returns whether nothing is left to do, and raises TransactionError if the step was taken with another
content: what is on chain never changes, so sending again could not help. A step that another account took in our
place (a round opened by a standby aggregator) is not our effect: it returns False and the contract says why not.
"""

from __future__ import annotations

from collections.abc import Iterator

from fedtrust.ledger.events import (
    AggregateChallenged,
    AggregateCommitted,
    Attested,
    AvailabilityChallenged,
    CommitsClosed,
    DisputeAnnounced,
    DisputeDecided,
    IdentityRegistered,
    IdentityRotated,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundSettled,
    RoundTakenOver,
    RoundVoided,
    UpdateCommitted,
)
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.refusals import conflicting
from fedtrust.ledger.round_events import commitment_transcripts
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Deadlines,
    DisputeKind,
    DisputeOutcome,
    PublishedKey,
    Role,
    Status,
)

RoundContent = tuple[bytes, bytes, int, int, int, Deadlines]
"""spec hash, base model hash, selected, quorum, ciphertexts, deadlines."""


def key_published(reader: LedgerReader, key: PublishedKey) -> bool:
    """Is ``key`` the published key?"""
    published = reader.key()
    if published is None:
        return False
    if published != key:
        raise conflicting("publishing the key", published.key_id, key.key_id)
    return True


def identity_admitted(reader: LedgerReader, account: Address, role: Role) -> bool:
    """Was ``account`` admitted for ``role`` (whatever became of it)?"""
    identity = reader.identity(account)
    if identity is None:
        return False
    if identity.role is not role:
        raise conflicting(f"admitting {account}", identity.role.name, role.name)
    return True


def identity_registered(reader: LedgerReader, account: Address, certificate: bytes, sealing_key: bytes) -> bool:
    """Did ``account`` register itself with this certificate and sealing key?"""
    for event in reader.events():
        if isinstance(event, IdentityRegistered) and event.account == account:
            there = (event.certificate, event.sealing_key)
            if there != (bytes(certificate), sealing_key):
                raise conflicting(f"registering {account}", there, (bytes(certificate), sealing_key))
            return True
    return False


def identity_rotated(
    reader: LedgerReader, account: Address, new_account: Address, fingerprint: bytes, sealing_key: bytes
) -> bool:
    """Did ``account`` rotate to this account, certificate and sealing key? No certificate can be used twice."""
    for event in reader.events():
        if isinstance(event, IdentityRotated) and event.certificate_fingerprint == fingerprint:
            there = (event.account, event.new_account, event.sealing_key)
            if there != (account, new_account, sealing_key):
                raise conflicting(f"rotating {account}", there, (account, new_account, sealing_key))
            return True
    return False


def identity_left(reader: LedgerReader, account: Address) -> bool:
    """Is ``account`` leaving, or gone?"""
    identity = reader.identity(account)
    return identity is not None and identity.status in (Status.LEAVING, Status.LEFT)


def stake_released(reader: LedgerReader, account: Address) -> bool:
    """Is no stake of ``account`` held any more, after it left or was revoked?"""
    identity = reader.identity(account)
    if identity is None:
        return False
    return identity.status is Status.LEFT or (identity.status is Status.REVOKED and identity.stake == 0)


def participant_resumed(reader: LedgerReader, account: Address) -> bool:
    """Can the participant ``account`` be drawn?"""
    identity = reader.identity(account)
    if identity is None or identity.role is not Role.PARTICIPANT or not identity.active:
        return False
    return bool(reader.eligible() >> identity.index & 1)


def identity_revoked(reader: LedgerReader, account: Address) -> bool:
    """Is ``account`` revoked?"""
    identity = reader.identity(account)
    return identity is not None and identity.status is Status.REVOKED


def round_opened(reader: LedgerReader, account: Address, number: int, content: RoundContent) -> bool:
    """Did ``account`` open round ``number`` with this ``content``?"""
    for event in _events_of(reader, number):
        if not isinstance(event, RoundOpened):
            continue
        if event.aggregator != account:
            return False
        there = (
            event.spec_hash,
            event.base_model_hash,
            event.selected,
            event.quorum,
            event.ciphertexts,
            event.deadlines,
        )
        if there != content:
            raise conflicting(f"opening round {number}", there, content)
        return True
    return False


def round_taken_over(reader: LedgerReader, account: Address, number: int) -> bool:
    """Did ``account`` take round ``number`` over?"""
    taken = (event for event in _events_of(reader, number) if isinstance(event, RoundTakenOver))
    return any(event.aggregator == account for event in taken)


def all_committed(reader: LedgerReader, number: int, participants: tuple[Address, ...]) -> bool:
    """Did all these ``participants`` commit in round ``number``, themselves or through a relay, whatever it was?"""
    committed = {event.participant for event in _events_of(reader, number) if isinstance(event, UpdateCommitted)}
    return committed.issuperset(participants)


def update_committed(
    reader: LedgerReader, participant: Address, number: int, root: bytes, ciphertexts: int, proof_hash: bytes
) -> bool:
    """Did ``participant`` commit this update in round ``number``, itself or through a relay?"""
    expected = 0
    for event in _events_of(reader, number):
        if isinstance(event, RoundOpened):
            expected = event.ciphertexts
        elif isinstance(event, UpdateCommitted) and event.participant == participant:
            there = (event.root, expected, event.proof_hash)
            if there != (root, ciphertexts, proof_hash):
                raise conflicting(f"committing to round {number}", there, (root, ciphertexts, proof_hash))
            return True
    return False


def commits_closed(reader: LedgerReader, number: int) -> bool:
    """Was the commit phase of round ``number`` closed, by anyone?"""
    return _happened(reader, number, CommitsClosed)


def aggregate_committed(
    reader: LedgerReader, account: Address, number: int, accepted: int, aggregate_root: bytes
) -> bool:
    """Did ``account`` fix this accepted set and aggregate in round ``number``?"""
    for runner, event in _steps_of(reader, number):
        if isinstance(event, AggregateCommitted) and runner == account:
            there = (event.accepted, event.aggregate_root)
            if there != (accepted, aggregate_root):
                raise conflicting(f"committing the aggregate of round {number}", there, (accepted, aggregate_root))
            return True
    return False


def attested(reader: LedgerReader, trustee: Address, number: int, partial_root: bytes) -> bool:
    """Did ``trustee`` attest ``partial_root`` in round ``number``?"""
    for event in _events_of(reader, number):
        if isinstance(event, Attested) and event.trustee == trustee:
            if event.partial_root != partial_root:
                raise conflicting(f"attesting round {number}", event.partial_root, partial_root)
            return True
    return False


def round_finalized(
    reader: LedgerReader, account: Address, number: int, hashes: tuple[bytes, bytes, bytes, bytes]
) -> bool:
    """Did ``account`` finalise round ``number`` with these plaintext, proof, model and result hashes?"""
    for runner, event in _steps_of(reader, number):
        if isinstance(event, RoundFinalized) and runner == account:
            there = (event.plaintext_hash, event.proof_hash, event.model_hash, event.result_hash)
            if there != hashes:
                raise conflicting(f"finalising round {number}", there, hashes)
            return True
    return False


def round_aborted(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` aborted, by anyone?"""
    return _happened(reader, number, RoundAborted)


def round_settled(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` settled, by anyone?"""
    return _happened(reader, number, RoundSettled)


def round_voided(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` voided, by whatever?"""
    return _happened(reader, number, RoundVoided)


def reward_expired(reader: LedgerReader, account: Address, expires_at: int) -> bool:
    """Is the reward of ``account`` that could expire at ``expires_at`` not there any more?"""
    amount, there = reader.claimable_reward(account)
    return amount == 0 or there != expires_at


def dispute_announced(reader: LedgerReader, account: Address, announcement: bytes) -> bool:
    """Did ``account`` make this ``announcement``?"""
    made = (event for event in reader.events() if isinstance(event, DisputeAnnounced))
    return any((event.challenger, event.announcement) == (account, announcement) for event in made)


def aggregate_challenged(reader: LedgerReader, account: Address, number: int, leaf: int) -> int:
    """Return the number of the dispute that ``account`` brought over this leaf of the aggregate, or 0."""
    for event in _events_of(reader, number):
        if isinstance(event, AggregateChallenged) and (event.challenger, event.leaf) == (account, leaf):
            return event.dispute
    return 0


def availability_challenged(
    reader: LedgerReader, account: Address, number: int, participant: Address, leaf: int
) -> int:
    """Return the number of the dispute in which ``account`` demanded this leaf, or 0."""
    for event in _events_of(reader, number):
        if isinstance(event, AvailabilityChallenged):
            there = (event.challenger, event.participant, event.leaf)
            if there == (account, participant, leaf):
                return event.dispute
    return 0


def decided_at_once(
    reader: LedgerReader, account: Address, number: int, kind: DisputeKind, offender: Address | None = None
) -> bool:
    """Did ``account`` prove this in a dispute without a number, against ``offender`` if given?"""
    return any(
        event.dispute == 0
        and (event.kind, event.outcome, event.challenger) == (kind, DisputeOutcome.PROVEN, account)
        and offender in (None, event.offender)
        for event in _events_of(reader, number)
        if isinstance(event, DisputeDecided)
    )


def multiplied(reader: LedgerReader, dispute: int, end: bytes) -> bool:
    """Did ``dispute`` go through all commitments up to the one after which the transcript is ``end``, or further?"""
    there = reader.dispute(dispute)
    if there.transcript == ZERO_HASH:
        return False
    transcripts = commitment_transcripts(reader, there.round)
    if there.transcript not in transcripts or end not in transcripts:
        return there.transcript == end
    return transcripts.index(there.transcript) >= transcripts.index(end)


def _happened(reader: LedgerReader, number: int, kind: type[LedgerEvent]) -> bool:
    return any(isinstance(event, kind) for event in _events_of(reader, number))


def _steps_of(reader: LedgerReader, number: int) -> Iterator[tuple[Address, LedgerEvent]]:
    """Yield the events of round ``number``, each with the aggregator that ran it then."""
    runner = ZERO_ADDRESS
    for event in _events_of(reader, number):
        if isinstance(event, RoundOpened | RoundTakenOver):
            runner = event.aggregator
        yield runner, event


def _events_of(reader: LedgerReader, number: int) -> Iterator[LedgerEvent]:
    return (event for event in reader.events() if getattr(event, "round", None) == number)
