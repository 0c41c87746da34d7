"""Who takes part in a round: drawn from a chain beacon, so that anyone can draw again.

The contract draws when a round is opened, by the rule of its ``drawOf``; the beacon is the hash of the block in which
the round before ended (``FederationHistory.beacon_block``). Nobody chooses it.
"""

from __future__ import annotations

from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import SpecError
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.types import members
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.spec import RoundSpec


class TooFewParticipantsError(SpecError):
    """Fewer participants can be drawn than a round needs."""


def verify_selection(spec: RoundSpec, history: FederationHistory, block_hash: bytes, count: int) -> None:
    """Draw the participants of ``spec`` again.

    ``block_hash`` is the chain's hash of ``history.beacon_block(spec.round)``, ``count`` the contract's
    participants_per_round. The beacon that the spec names is compared only if one was needed: where all who could be
    drawn take part, waiting for another beacon changes nothing. Raises SpecError if the bitmap on chain or the spec's
    list is not what was drawn.
    """
    found = history.rounds[spec.round]
    drawn = draw_indices(block_hash, spec.round, found.eligible, count)
    if drawn != found.opened.selected:
        raise SpecError(
            f"round {spec.round}: the selection on chain is not the one drawn",
            expected=list(members(drawn)),
            got=list(members(found.opened.selected)),
            advice="the endpoint or the contract is not what it claims to be; do not take part in this round",
        )
    block = history.beacon_block(spec.round)
    if drawn != found.eligible and (spec.beacon.block, spec.beacon.hash) != (block, block_hash):
        raise SpecError(
            f"round {spec.round}: the beacon is not the one the rule names",
            expected=f"block {block}, {to_hex(block_hash)}",
            got=f"block {spec.beacon.block}, {to_hex(spec.beacon.hash)}",
        )
    if found.members != spec.participants:
        raise SpecError(
            f"round {spec.round}: the selected participants are not the ones drawn",
            expected=list(found.members),
            got=list(spec.participants),
            advice="the aggregator published a list of its own; do not take part in this round",
        )
