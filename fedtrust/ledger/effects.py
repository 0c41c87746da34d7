"""Is the effect of a write on chain already? One question per write, answered from a ``LedgerReader`` alone.

Every function returns whether nothing is left to do, and raises TransactionError if the step was taken with another
content: what is on chain never changes, so sending again could not help. A step that another account took in our
place (a round opened by a standby aggregator) is not our effect: it returns False and the contract says why not.
"""

from __future__ import annotations

from fedtrust.errors import RoundError
from fedtrust.ledger.events import Attested, CommitsClosed, LedgerEvent, UpdateCommitted
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.refusals import conflicting
from fedtrust.ledger.types import Address, Deadlines, Phase, PublishedKey, Role, RoundState

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


def identity_registered(
    reader: LedgerReader, account: Address, role: Role, certificate: bytes, sealing_key: bytes
) -> bool:
    """Is ``account`` registered as this (revoked since, or not)?"""
    identity = reader.identity(account)
    if identity is None:
        return False
    there = (int(identity.role), identity.certificate, identity.sealing_key)
    wanted = (int(role), bytes(certificate), sealing_key)
    if there != wanted:
        raise conflicting(f"registering {account}", there, wanted)
    return True


def identity_revoked(reader: LedgerReader, account: Address) -> bool:
    """Is ``account`` revoked?"""
    identity = reader.identity(account)
    return identity is not None and not identity.active


def round_opened(reader: LedgerReader, account: Address, number: int, content: RoundContent) -> bool:
    """Did ``account`` open round ``number`` with this ``content``?"""
    state = _round(reader, number)
    if state is None or state.aggregator != account:
        return False
    there = (
        state.spec_hash,
        state.base_model_hash,
        state.selected,
        state.quorum,
        state.ciphertexts,
        state.deadlines,
    )
    if there != content:
        raise conflicting(f"opening round {number}", there, content)
    return True


def update_committed(
    reader: LedgerReader, participant: Address, number: int, root: bytes, ciphertexts: int, proof_hash: bytes
) -> bool:
    """Did ``participant`` commit this update in round ``number``, itself or through a relay?"""
    state = _round(reader, number)
    identity = reader.identity(participant)
    if state is None or identity is None or identity.role is not Role.PARTICIPANT:
        return False
    if not state.committed >> identity.index & 1:
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
    if state.phase is not Phase.ABORTED:
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
    if not state.attested >> identity.index & 1:
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


def _round(reader: LedgerReader, number: int) -> RoundState | None:
    try:
        return reader.round(number)
    except RoundError:
        return None


def _events_of(reader: LedgerReader, number: int) -> list[LedgerEvent]:
    return [event for event in reader.events() if getattr(event, "round", None) == number]
