"""Whether an identity may (still) act, and what to tell whoever runs it if not."""

from __future__ import annotations

from fedtrust.errors import IdentityError
from fedtrust.ledger.types import Identity, Status

_REASONS = {
    Status.NONE: ("is not admitted", "send identity.json to the operator, who runs `fedtrust admit`"),
    Status.ADMITTED: ("is admitted, but did not register yet", "run `fedtrust register` with this identity"),
    Status.LEFT: ("left the federation", "nobody comes back; ask the operator to admit another account"),
    Status.REVOKED: ("is revoked", "ask the operator why"),
    Status.SLASHED: ("lost its stake in a dispute", "`fedtrust status` shows the round; a new identity is needed"),
    Status.RETIRED: ("handed its place to another account", "use the identity folder of the account that took it over"),
}


def in_force(identity: Identity) -> bool:
    """Return whether an identity acts in rounds: it is active, or leaves and finishes what it began."""
    return identity.status in (Status.ACTIVE, Status.LEAVING)


def require_in_force(identity: Identity) -> None:
    """Raise IdentityError, with what to do, unless ``identity`` is in force."""
    if not in_force(identity):
        reason, advice = _REASONS[identity.status]
        raise IdentityError(
            f"{identity.account} {reason}",
            expected=f"{Status.ACTIVE.name} or {Status.LEAVING.name}",
            got=identity.status.name,
            advice=advice,
        )
