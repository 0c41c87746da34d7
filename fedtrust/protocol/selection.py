"""Who takes part in a round: drawn from a chain beacon, so that anyone can draw again.

The beacon of round r is the hash of the block in which round r-1 ended (for round 1: the block in which the
committee's key was published). Nobody chooses it at opening time.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedtrust.crypto.encoding import keccak256
from fedtrust.errors import SpecError
from fedtrust.ledger.types import Identity, Role


def draw_participants(beacon: bytes, round: int, candidates: Sequence[Identity], count: int) -> tuple[Identity, ...]:
    """Return ``count`` of the active participants among ``candidates``, by index.

    Each candidate gets the ticket keccak256(tag, beacon, round, account); the lowest tickets win. Raises SpecError
    if there are fewer than ``count``.
    """
    active = [c for c in candidates if c.role is Role.PARTICIPANT and c.active]
    if not 1 <= count <= len(active):
        raise SpecError(
            "too few active participants are registered for a round",
            expected=f"at least {max(count, 1)}",
            got=len(active),
            advice="register more participants or lower participants_per_round",
        )

    def ticket(identity: Identity) -> bytes:
        return keccak256(
            b"fedtrust.selection.v1"
            + beacon
            + round.to_bytes(8, "big")
            + bytes.fromhex(identity.account.removeprefix("0x"))
        )

    return tuple(sorted(sorted(active, key=ticket)[:count], key=lambda c: c.index))
