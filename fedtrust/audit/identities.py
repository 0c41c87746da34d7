"""Who was admitted, registered, rotated, gone or slashed, and when: the contract's rules on its own identity events.

Nothing is trusted here: an event that the contract's rules do not allow is kept as a problem, and the fold goes on.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeVar

from fedtrust.crypto.encoding import sha256
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
    RoundOpened,
    StakeReleased,
)
from fedtrust.ledger.types import ZERO_HASH, Address, FederationConfig, Identity, Role, Status
from fedtrust.protocol.registry import IdentityEvent, Registry

Position = tuple[int, int]
"""Block and log index."""
T = TypeVar("T")


def position(event: LedgerEvent) -> Position:
    """Return where on the chain an event is."""
    return event.block, event.log_index


class IdentityLog:
    """The identities over time. ``problems`` says which events the contract cannot have emitted, and why."""

    def __init__(self, config: FederationConfig) -> None:
        """Start with nobody."""
        self.problems: list[str] = []
        self._config = config
        self._registry = Registry()
        self._places: list[Position] = []  # of every change of an identity or of the eligible, in order
        self._identities: list[dict[Address, Identity]] = [{}]
        self._eligible: list[int] = [0]
        self._certificates: set[bytes] = set()
        self._newest_round = 0

    # --------------------------------------------------------------------------------------------------- questions

    def knows(self, account: Address) -> bool:
        """Return whether ``account`` was ever admitted."""
        return self._registry.identity(account) is not None

    def identities(self) -> tuple[Identity, ...]:
        """Return all that ever registered, as of now, in the order of a ledger's answer."""
        return self._registry.identities()

    def at(self, account: Address, event: LedgerEvent) -> Identity | None:
        """Return the identity of ``account`` just before ``event``, or None."""
        return self._before(self._identities, event).get(account)

    def eligible(self, event: LedgerEvent | None = None) -> int:
        """Return the bitmap of the participants that could be drawn just before ``event``, or now."""
        return self._eligible[-1] if event is None else self._before(self._eligible, event)

    def holders(self, role: Role, event: LedgerEvent | None = None) -> dict[int, Identity]:
        """Return who held each index of ``role`` just before ``event``, or now."""
        known = self._identities[-1] if event is None else self._before(self._identities, event)
        seated = (i for i in known.values() if i.role is role and i.epoch > 0 and i.status is not Status.RETIRED)
        return {identity.index: identity for identity in sorted(seated, key=lambda i: i.index)}

    def in_force(self, account: Address, role: Role, round: int, event: LedgerEvent) -> Identity | None:
        """Return the identity of ``account`` if it could act as ``role`` in ``round`` just before ``event``.

        It is active, or leaving and was active when the round was opened.
        """
        identity = self.at(account, event)
        if identity is None or identity.role is not role:
            return None
        leaving = identity.status is Status.LEAVING and round <= identity.retired_at_round
        return identity if identity.active or leaving else None

    def _before(self, history: list[T], event: LedgerEvent) -> T:
        return history[bisect_left(self._places, position(event))]

    # -------------------------------------------------------------------------------------------------------- fold

    def open_round(self, opened: RoundOpened) -> None:
        """Note the newest round, which tells until when a leaving or rotated account is in force."""
        self._newest_round = opened.round

    def fold(self, event: IdentityEvent) -> bool:
        """Fold one more event; False if it is about an account that nobody admitted, and so was left out."""
        identity = self._registry.identity(event.account)
        if identity is None and not isinstance(event, IdentityAdmitted):
            return False
        if identity is not None:
            self._check(event, identity)
        accounts = [event.account]
        if isinstance(event, IdentityRotated):
            accounts.append(event.new_account)
        self._registry.fold(event, self._newest_round)
        known = dict(self._identities[-1])
        for account in accounts:
            now = self._registry.identity(account)
            if now is not None:
                known[account] = now
        self._places.append(position(event))
        self._identities.append(known)
        self._eligible.append(self._registry.eligible)
        return True

    def _check(self, event: IdentityEvent, identity: Identity) -> None:
        """Hold one event against the contract's rules; ``identity`` is its account's just before."""
        selectable = bool(self._registry.eligible & _bit(identity))
        match event:
            case IdentityAdmitted():
                self._require(False, event, "admits an account again")
            case IdentityRegistered():
                self._check_registration(event, identity)
            case IdentityRotated():
                self._check_rotation(event, identity)
            case IdentityLeaving():
                self._require(identity.active, event, "lets an account leave that is not active")
                self._check_unbonding(event)
            case IdentityRevoked():
                if identity.active:
                    self._check_unbonding(event)
                else:
                    left = identity.status in (Status.ADMITTED, Status.LEAVING)
                    held = left and event.release_at == identity.release_at
                    self._require(held, event, "revokes an account that is gone, or holds its stake anew")
            case IdentitySlashed():
                self._require(identity.epoch > 0, event, "slashes an account that never registered")
                self._require(event.amount == identity.stake, event, "takes another amount than the whole stake")
            case StakeReleased():
                gone = identity.status is Status.LEAVING or (identity.status is Status.REVOKED and identity.stake > 0)
                self._require(gone, event, "releases the stake of an account that has not left")
                self._require(event.amount == identity.stake, event, "releases another amount than the stake")
                self._require(event.timestamp >= identity.release_at, event, "releases a stake that is still held")
            case ParticipantSuspended():
                self._require(selectable, event, "suspends an account that could not be drawn")
            case ParticipantResumed():
                held = identity.role is Role.PARTICIPANT and identity.active and not selectable
                self._require(held, event, "resumes an account that was not suspended")

    def _check_registration(self, event: IdentityRegistered, identity: Identity) -> None:
        self._require(identity.status is Status.ADMITTED, event, "registers an account that was not waiting for it")
        self._require(identity.role is event.role, event, "registers an account for another role than its admission")
        # places are counted, whoever holds them
        count = len({i.index for i in self._registry.identities() if i.role is event.role})
        self._require(event.index == count, event, f"gives the index {event.index}, and not the next one, {count}")
        self._require(event.stake == self._config.stake_of(event.role), event, "takes another stake than the role's")
        self._take_certificate(event)

    def _check_rotation(self, event: IdentityRotated, identity: Identity) -> None:
        self._require(identity.active, event, "rotates an account that is not active")
        place, claimed = (identity.role, identity.index), (event.role, event.index)
        self._require(place == claimed, event, "rotates another place than the account's")
        self._require(event.epoch == identity.epoch + 1, event, f"starts epoch {event.epoch}, not the next one")
        self._take_certificate(event)
        if event.new_account != event.account:
            heir = self._registry.identity(event.new_account)
            waiting = heir is not None and heir.status is Status.ADMITTED and heir.role is identity.role
            self._require(waiting, event, "hands a place to an account that was not admitted for it")

    def _check_unbonding(self, event: IdentityLeaving | IdentityRevoked) -> None:
        due = event.timestamp + self._config.unbonding_seconds
        self._require(event.release_at == due, event, "holds the stake for another time than the unbonding")

    def _take_certificate(self, event: IdentityRegistered | IdentityRotated) -> None:
        fingerprint = sha256(event.certificate)
        self._require(fingerprint == event.certificate_fingerprint, event, "names another fingerprint than its own")
        self._require(fingerprint not in self._certificates, event, "uses a certificate again")
        self._certificates.add(fingerprint)
        if event.role is Role.TRUSTEE:
            self._require(event.sealing_key != ZERO_HASH, event, "gives a trustee no sealing key")

    def _require(self, holds: bool, event: LedgerEvent, otherwise: str) -> None:
        if not holds:
            self.problems.append(f"{name_of(event)} {otherwise} ({getattr(event, 'account', '')})")


def name_of(event: LedgerEvent) -> str:
    """Return for example ``RoundOpened in block 7, log 0``."""
    return f"{type(event).__name__} in block {event.block}, log {event.log_index}"


def _bit(identity: Identity) -> int:
    return 1 << identity.index if identity.role is Role.PARTICIPANT and identity.epoch > 0 else 0
