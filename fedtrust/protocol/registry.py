"""Who takes part, folded from the identity events: accounts, places, epochs, stakes, and who can be drawn."""

from __future__ import annotations

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
    ParticipantResumed,
    ParticipantSuspended,
    StakeReleased,
)
from fedtrust.ledger.types import ZERO_HASH, Address, Identity, Role, Status

IdentityEvent = (
    IdentityAdmitted
    | IdentityRegistered
    | IdentityRotated
    | IdentityLeaving
    | IdentityRevoked
    | IdentitySlashed
    | StakeReleased
    | ParticipantSuspended
    | ParticipantResumed
)


class Registry:
    """The identities as the events so far leave them."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.eligible = 0
        self._known: dict[Address, Identity] = {}
        self._holders: dict[tuple[Role, int], Address] = {}

    def identity(self, account: Address) -> Identity | None:
        """Return the identity of ``account``, one that is only admitted too, or None."""
        return self._known.get(account)

    def holder(self, role: Role, index: int) -> Address | None:
        """Return the account that has this place now, or had it last."""
        return self._holders.get((role, index))

    def identities(self) -> tuple[Identity, ...]:
        """Return all that ever registered, by role, index and epoch."""
        registered = (i for i in self._known.values() if i.epoch)
        return tuple(sorted(registered, key=lambda i: (i.role, i.index, i.epoch)))

    def active(self, role: Role) -> tuple[Identity, ...]:
        """Return the active identities of ``role``, by index."""
        return tuple(i for i in self.identities() if i.role is role and i.active)

    def fold(self, event: LedgerEvent, newest_round: int) -> None:
        """Fold one event; ``newest_round`` is the last round that was opened before it."""
        match event:
            case IdentityAdmitted():
                self._known[event.account] = _admitted(event)
            case IdentityRegistered():
                self._register(event)
            case IdentityRotated():
                self._rotate(event, newest_round)
            case IdentityLeaving():
                self._set(
                    event.account,
                    status=Status.LEAVING,
                    release_at=event.release_at,
                    retired_at_round=newest_round,
                    eligible=False,
                )
            case IdentityRevoked():
                self._set(event.account, status=Status.REVOKED, release_at=event.release_at, eligible=False)
            case IdentitySlashed():
                self._set(event.account, status=Status.SLASHED, stake=0, eligible=False)
            case StakeReleased():
                revoked = self._require(event.account).status is Status.REVOKED
                self._set(event.account, status=Status.REVOKED if revoked else Status.LEFT, stake=0)
            case ParticipantSuspended():
                self._set(event.account, eligible=False)
            case ParticipantResumed():
                self._set(event.account, eligible=True)
            case _:
                pass

    def _register(self, event: IdentityRegistered) -> None:
        self._known[event.account] = Identity(
            account=event.account,
            role=event.role,
            index=event.index,
            status=Status.ACTIVE,
            epoch=1,
            stake=event.stake,
            release_at=0,
            retired_at_round=0,
            certificate_fingerprint=event.certificate_fingerprint,
            sealing_key=event.sealing_key,
            certificate=event.certificate,
        )
        self._holders[event.role, event.index] = event.account
        if event.role is Role.PARTICIPANT:
            self.eligible |= 1 << event.index

    def _rotate(self, event: IdentityRotated, newest_round: int) -> None:
        old = self._require(event.account)
        if event.new_account != event.account:
            self._known[event.account] = replace(old, status=Status.RETIRED, stake=0, retired_at_round=newest_round)
            self._holders[event.role, event.index] = event.new_account
        self._known[event.new_account] = replace(
            old,
            account=event.new_account,
            epoch=event.epoch,
            certificate_fingerprint=event.certificate_fingerprint,
            sealing_key=event.sealing_key,
            certificate=event.certificate,
        )

    def _set(self, account: Address, *, eligible: bool | None = None, **changes: object) -> None:
        identity = replace(self._require(account), **changes)  # type: ignore[arg-type]
        self._known[account] = identity
        if eligible is not None and identity.role is Role.PARTICIPANT and identity.epoch:
            bit = 1 << identity.index
            self.eligible = self.eligible | bit if eligible else self.eligible & ~bit

    def _require(self, account: Address) -> Identity:
        identity = self._known.get(account)
        if identity is None:
            raise LedgerInconsistentError(
                f"the chain's events name {account}, which was never admitted",
                advice="the endpoint left events out; ask another one",
            )
        return identity


def _admitted(event: IdentityAdmitted) -> Identity:
    return Identity(
        account=event.account,
        role=event.role,
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
