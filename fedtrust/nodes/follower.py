"""Follows the chain: each confirmed event once, in order, from the first block."""

from __future__ import annotations

from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.interface import LedgerReader
from fedtrust.protocol.history import FederationHistory


class ChainFollower:
    """A cursor over a ledger's events that also keeps the folded history."""

    def __init__(self, ledger: LedgerReader) -> None:
        """Start before the contract's first block."""
        self._ledger = ledger
        self._next_block = ledger.config().deployed_block
        self.history = FederationHistory(deployed_block=self._next_block)

    def poll(self) -> tuple[LedgerEvent, ...]:
        """Return the events confirmed since the last call, folded into ``history``."""
        newest = self._ledger.block_number()
        if newest < self._next_block:
            return ()
        events = tuple(e for e in self._ledger.events(self._next_block) if e.block <= newest)
        self._next_block = newest + 1
        for event in events:
            self.history.fold(event)
        return events
