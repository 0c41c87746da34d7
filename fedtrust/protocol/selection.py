"""Who takes part in a round: drawn from a chain beacon, so that anyone can draw again.

The beacon of round r is the hash of the block in which round r-1 ended (for round 1: the block in which the
committee's key was published). Nobody chooses it at opening time.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedtrust.crypto.encoding import keccak256, to_hex
from fedtrust.errors import SpecError
from fedtrust.ledger.types import Identity, Role, bitmap_of
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.spec import RoundSpec


class TooFewParticipantsError(SpecError):
    """Fewer participants are registered and active than a round needs."""


def draw_participants(beacon: bytes, round: int, candidates: Sequence[Identity], count: int) -> tuple[Identity, ...]:
    """Return ``count`` of the active participants among ``candidates``, by index.

    Each candidate gets the ticket keccak256(tag, beacon, round, account); the lowest tickets win. Raises
    TooFewParticipantsError if there are fewer than ``count``.
    """
    active = [c for c in candidates if c.role is Role.PARTICIPANT and c.active]
    if not 1 <= count <= len(active):
        raise TooFewParticipantsError(
            "too few active participants are registered for a round",
            expected=f"at least {max(count, 1)}",
            got=len(active),
            advice="register more participants or lower participants_per_round",
        )

    def ticket(identity: Identity) -> bytes:
        account = bytes.fromhex(identity.account.removeprefix("0x"))
        return keccak256(b"fedtrust.selection.v1" + beacon + round.to_bytes(8, "big") + account)

    return tuple(sorted(sorted(active, key=ticket)[:count], key=lambda c: c.index))


def verify_selection(spec: RoundSpec, history: FederationHistory, block_hash: bytes) -> None:
    """Draw the participants of ``spec`` again. ``block_hash`` is the chain's hash of the spec's beacon block.

    Raises SpecError if the beacon is not the rule's, the candidates were counted at an impossible time, or the
    selection (in the spec or in the bitmap on chain) is not the one drawn.
    """
    opened = history.rounds[spec.round].opened
    block = history.beacon_block(spec.round)
    if (spec.beacon.block, spec.beacon.hash) != (block, block_hash):
        raise SpecError(
            f"round {spec.round}: the beacon is not the one the rule names",
            expected=f"block {block}, {to_hex(block_hash)}",
            got=f"block {spec.beacon.block}, {to_hex(spec.beacon.hash)}",
        )
    if not block <= spec.beacon.candidates <= opened.block:
        raise SpecError(
            f"round {spec.round}: candidates were counted outside the time between two rounds",
            expected=f"block {block} to {opened.block}",
            got=spec.beacon.candidates,
        )
    candidates = history.participants(spec.beacon.candidates)
    drawn = draw_participants(block_hash, spec.round, candidates, len(spec.participants))
    if tuple(i.account for i in drawn) != spec.participants or bitmap_of([i.index for i in drawn]) != opened.selected:
        raise SpecError(
            f"round {spec.round}: the selected participants are not the ones drawn",
            expected=[i.account for i in drawn],
            got=list(spec.participants),
            advice="the aggregator chose the participants itself; do not take part in this round",
        )
