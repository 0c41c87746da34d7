"""Is the effect of a write on chain already? One question per write, answered from a ``LedgerReader`` alone.

Every function returns whether nothing is left to do, and raises TransactionError if the step was taken with another
content: what is on chain never changes, so sending again could not help. A step that another account took in our
place (a round opened by a standby aggregator) is not our effect: it returns False and the contract says why not.
"""

from __future__ import annotations

from collections.abc import Iterator

from fedtrust.errors import RoundError
from fedtrust.ledger.events import (
    AggregateChallenged,
    Attested,
    AvailabilityChallenged,
    CommitsClosed,
    DisputeAnnounced,
    DisputeDecided,
    IdentityRegistered,
    IdentityRotated,
    LedgerEvent,
    RoundOpened,
    UpdateCommitted,
)
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.refusals import conflicting
from fedtrust.ledger.round_events import commitment_transcripts
from fedtrust.ledger.types import (
    ZERO_HASH,
    Address,
    Deadlines,
    DisputeKind,
    DisputeOutcome,
    Phase,
    PublishedKey,
    Role,
    RoundState,
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
    state = _round(reader, number)
    return state is not None and state.taken_over and state.aggregator == account


def all_committed(reader: LedgerReader, number: int, participants: tuple[Address, ...]) -> bool:
    """Did all these ``participants`` commit in round ``number``, themselves or through a relay, whatever it was?"""
    committed = {event.participant for event in _events_of(reader, number) if isinstance(event, UpdateCommitted)}
    return committed.issuperset(participants)


def update_committed(
    reader: LedgerReader, participant: Address, number: int, root: bytes, ciphertexts: int, proof_hash: bytes
) -> bool:
    """Did ``participant`` commit this update in round ``number``, itself or through a relay?"""
    state = _round(reader, number)
    identity = reader.identity(participant)
    if state is None or identity is None or identity.role is not Role.PARTICIPANT:
        return False
    for event in _events_of(reader, number):
        if isinstance(event, UpdateCommitted) and event.participant == participant:
            there = (event.root, state.ciphertexts, event.proof_hash)
            if there != (root, ciphertexts, proof_hash):
                raise conflicting(f"committing to round {number}", there, (root, ciphertexts, proof_hash))
            return True
    return False


def commits_closed(reader: LedgerReader, number: int) -> bool:
    """Was the commit phase of round ``number`` closed, by anyone?"""
    state = _round(reader, number)
    if state is None or state.phase is Phase.COMMIT:
        return False
    if state.phase not in (Phase.ABORTED, Phase.VOIDED):
        return True
    return any(isinstance(event, CommitsClosed) for event in _events_of(reader, number))


def aggregate_committed(
    reader: LedgerReader, account: Address, number: int, accepted: int, aggregate_root: bytes
) -> bool:
    """Did ``account`` fix this accepted set and aggregate in round ``number``?"""
    state = _round(reader, number)
    if state is None or state.aggregator != account or state.accepted == 0:
        return False
    if (state.accepted, state.aggregate_root) != (accepted, aggregate_root):
        raise conflicting(
            f"committing the aggregate of round {number}",
            (state.accepted, state.aggregate_root),
            (accepted, aggregate_root),
        )
    return True


def attested(reader: LedgerReader, trustee: Address, number: int, partial_root: bytes) -> bool:
    """Did ``trustee`` attest ``partial_root`` in round ``number``?"""
    state = _round(reader, number)
    identity = reader.identity(trustee)
    if state is None or identity is None or identity.role is not Role.TRUSTEE:
        return False
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
    state = _round(reader, number)
    if state is None or state.aggregator != account or not any(state.plaintext_hash):
        return False
    there = (state.plaintext_hash, state.proof_hash, state.model_hash, state.result_hash)
    if there != hashes:
        raise conflicting(f"finalising round {number}", there, hashes)
    return True


def round_aborted(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` aborted, by anyone?"""
    state = _round(reader, number)
    return state is not None and state.phase is Phase.ABORTED


def round_settled(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` settled, by anyone?"""
    state = _round(reader, number)
    return state is not None and state.phase is Phase.SETTLED


def round_voided(reader: LedgerReader, number: int) -> bool:
    """Is round ``number`` voided, by whatever?"""
    state = _round(reader, number)
    return state is not None and state.phase is Phase.VOIDED


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


def _round(reader: LedgerReader, number: int) -> RoundState | None:
    try:
        return reader.round(number)
    except RoundError:
        return None


def _events_of(reader: LedgerReader, number: int) -> Iterator[LedgerEvent]:
    return (event for event in reader.events() if getattr(event, "round", None) == number)
