"""The contracts' events from a node, read once: bounded ranges, a cache, and a check that the chain is the same."""

from __future__ import annotations

import threading
from typing import Any, Final

from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import BlockNotFound, Web3RPCError
from web3.types import FilterParams, LogReceipt

from fedtrust.errors import LedgerError
from fedtrust.ledger.decoding import decode_log
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import Address

BLOCK_RANGE: Final = 2_000
"""Blocks asked for in one request; halved for nodes that allow fewer."""

_ATTEMPTS: Final = 5


class LogScanner:
    """All events of some contracts up to any block, in chain order. Safe to share between threads.

    What was read is kept together with the hash of the block it reaches to; when that block is no longer on the
    chain (a reorganisation, a devnet set back), everything is read again.
    """

    def __init__(self, web3: Web3, contracts: tuple[Address, ...], first_block: int) -> None:
        """Scan ``contracts`` from ``first_block`` on; nothing is read yet."""
        self._web3: Final = web3
        self._contracts: Final = [Web3.to_checksum_address(contract) for contract in contracts]
        self._first_block: Final = first_block
        self._lock: Final = threading.Lock()
        self._range = BLOCK_RANGE
        self._events: list[LedgerEvent] = []
        self._reach: tuple[int, bytes] | None = None  # the last block scanned, and its hash
        self._timestamps: dict[bytes, int] = {}

    def events(self, last_block: int) -> tuple[LedgerEvent, ...]:
        """Return the events up to and including ``last_block``. Raises LedgerError, RpcUnreachableError."""
        with self._lock:
            for _ in range(_ATTEMPTS):
                if self._extend(last_block):
                    return tuple(event for event in self._events if event.block <= last_block)
                self._events, self._reach = [], None
        raise LedgerError(
            f"the chain kept changing below block {last_block} while its events were read",
            advice="wait for the chain to settle, or ask for more confirmations",
        )

    def _extend(self, last_block: int) -> bool:
        """Read what is missing; False if the chain is not the one that was read before, or changed meanwhile."""
        if self._reach is not None and self._hash(self._reach[0]) != self._reach[1]:
            return False
        start = self._first_block if self._reach is None else self._reach[0] + 1
        if last_block < start:
            return True
        reach = self._hash(last_block)
        found: list[LedgerEvent] = []
        while start <= last_block:
            end = min(start + self._range - 1, last_block)
            logs = self._logs(start, end)
            if logs is None:
                self._range = max(1, (end - start + 1) // 2)
                continue
            for log in logs:
                event = self._decode(log)
                if event is not None:
                    found.append(event)
            start = end + 1
        if reach is None or self._hash(last_block) != reach:
            return False
        self._events.extend(found)
        self._reach = (last_block, reach)
        return True

    def _logs(self, start: int, end: int) -> list[LogReceipt] | None:
        """Return the logs of a range, or None if the node wants a smaller one."""
        query: FilterParams = {
            "address": list(self._contracts),
            "fromBlock": start,
            "toBlock": end,
        }
        try:
            return list(self._web3.eth.get_logs(query))
        except Web3RPCError as error:
            if end > start:
                return None
            raise LedgerError(
                f"the RPC endpoint does not give the logs of block {start}",
                got=error.message,
                advice="use an endpoint that serves eth_getLogs from the contract's deployment on",
            ) from error

    def _decode(self, log: LogReceipt) -> LedgerEvent | None:
        return decode_log(
            log["topics"],
            log["data"],
            block=log["blockNumber"],
            log_index=log["logIndex"],
            timestamp=self._timestamp(log),
            transaction=bytes(log["transactionHash"]),
        )

    def _timestamp(self, log: LogReceipt) -> int:
        """Return the time of the log's block: newer nodes say it in the log, others are asked once a block."""
        hint: Any = log.get("blockTimestamp")
        if hint is not None:
            return int(hint, 16) if isinstance(hint, str) else int(hint)
        block_hash: HexBytes = log["blockHash"]
        known = self._timestamps.get(bytes(block_hash))
        if known is None:
            try:
                known = self._web3.eth.get_block(block_hash)["timestamp"]
            except BlockNotFound:
                # the block was dropped since its log was read: the caller's hash check will start over
                return 0
            self._timestamps[bytes(block_hash)] = known
        return known

    def _hash(self, number: int) -> bytes | None:
        try:
            return bytes(self._web3.eth.get_block(number)["hash"])
        except BlockNotFound:
            return None
