"""Everybody who was ever admitted, from the events alone: what the contract's ``identityOf`` says, and more.

Certificates are in events only, and one pass over the events answers for all accounts at any block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fedtrust.errors import LedgerInconsistentError
from fedtrust.ledger.events import (
    IdentityAdmitted,
    IdentityLeaving,
    IdentityRegistered,
    IdentityRevoked,
    IdentityRotated,
    IdentitySlashed,
    LedgerEvent,
    RoundOpened,
    StakeReleased,
)
from fedtrust.ledger.types import ZERO_HASH, Address, Identity, Role, Status


def roster(events: Iterable[LedgerEvent]) -> dict[Address, Identity]:
    """Return the identity of every account after ``events``, which are all up to some block.

    Raises LedgerInconsistentError if an event is about an account that was never admitted.
    """
    identities: dict[Address, Identity] = {}
    newest_round = 0
    for event in events:
        if isinstance(event, RoundOpened):
            newest_round = event.round
        elif isinstance(event, IdentityAdmitted):
            identities[event.account] = _admitted(event.account, event.role)
        else:
            for identity in _after(event, identities, newest_round):
                identities[identity.account] = identity
    return identities


def registered(identities: Iterable[Identity], role: Role | None) -> tuple[Identity, ...]:
    """Return those that ever had a place (of ``role`` if given), by role, index and epoch."""
    chosen = [each for each in identities if each.epoch and role in (None, each.role)]
    return tuple(sorted(chosen, key=lambda each: (each.role, each.index, each.epoch)))


def _after(event: LedgerEvent, identities: dict[Address, Identity], newest_round: int) -> tuple[Identity, ...]:
    """Return the identities that ``event`` changed."""
    match event:
        case IdentityRegistered():
            registration = replace(
                _known(identities, event.account),
                index=event.index,
                status=Status.ACTIVE,
                epoch=1,
                stake=event.stake,
                certificate_fingerprint=event.certificate_fingerprint,
                sealing_key=event.sealing_key,
                certificate=event.certificate,
            )
            return (registration,)
        case IdentityRotated():
            return _rotated(event, identities, newest_round)
        case IdentityLeaving():
            leaving = replace(
                _known(identities, event.account),
                status=Status.LEAVING,
                release_at=event.release_at,
                retired_at_round=newest_round,
            )
            return (leaving,)
        case IdentityRevoked():
            identity = _known(identities, event.account)
            return (replace(identity, status=Status.REVOKED, release_at=event.release_at),)
        case IdentitySlashed():
            return (replace(_known(identities, event.account), status=Status.SLASHED, stake=0),)
        case StakeReleased():
            identity = _known(identities, event.account)
            status = Status.LEFT if identity.status is Status.LEAVING else identity.status
            return (replace(identity, status=status, stake=0),)
        case _:
            return ()


def _rotated(event: IdentityRotated, identities: dict[Address, Identity], newest_round: int) -> tuple[Identity, ...]:
    old, new = _known(identities, event.account), _known(identities, event.new_account)
    holder = replace(
        new,
        index=event.index,
        status=Status.ACTIVE,
        epoch=event.epoch,
        stake=old.stake,
        certificate_fingerprint=event.certificate_fingerprint,
        sealing_key=event.sealing_key,
        certificate=event.certificate,
    )
    if event.new_account == event.account:
        return (holder,)
    return replace(old, status=Status.RETIRED, stake=0, retired_at_round=newest_round), holder


def _admitted(account: Address, role: Role) -> Identity:
    return Identity(
        account=account,
        role=role,
        index=0,
        status=Status.ADMITTED,
        epoch=0,
        stake=0,
        release_at=0,
        retired_at_round=0,
        certificate_fingerprint=ZERO_HASH,
        sealing_key=ZERO_HASH,
        certificate=b"",
    )


def _known(identities: dict[Address, Identity], account: Address) -> Identity:
    identity = identities.get(account)
    if identity is None:
        raise LedgerInconsistentError(
            f"an event is about {account}, which was never admitted",
            advice="the RPC endpoint withheld an event: use another one",
        )
    return identity
