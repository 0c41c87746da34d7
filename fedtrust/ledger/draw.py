"""Who is drawn for a round: the rule of ``drawOf`` in ``contracts/interfaces/IFederation.sol``, byte for byte."""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from fedtrust.ledger.types import bitmap_of, members

DRAW_TAG: Final[bytes] = keccak(text="fedtrust.draw.v2")


def draw_indices(beacon: bytes, round: int, eligible: int, count: int) -> int:
    """Return the bitmap of the ``count`` indices drawn for ``round`` from the bitmap ``eligible``.

    All are drawn, whatever the ``beacon`` (32 bytes), if ``count`` is 0 or not below their number.
    """
    indices = list(members(eligible))
    if count == 0 or count >= len(indices):
        return eligible
    for i in range(count):
        ticket = keccak(encode(["bytes32", "bytes32", "uint256", "uint256"], [DRAW_TAG, beacon, round, i]))
        j = i + int.from_bytes(ticket, "big") % (len(indices) - i)
        indices[i], indices[j] = indices[j], indices[i]
    return bitmap_of(indices[:count])
