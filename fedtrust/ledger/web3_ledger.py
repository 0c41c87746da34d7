"""``Web3Ledger``: the ``Ledger`` interface on a real contract, for one signing account."""

from __future__ import annotations

import time
from typing import Final

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import TxReceipt

from fedtrust.errors import TransactionError
from fedtrust.ledger.connection import node_errors
from fedtrust.ledger.decoding import decode_log
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.outbox import IntentStatus, Outbox
from fedtrust.ledger.transaction_sender import FIRST_POLL, LONGEST_POLL, Request, TransactionSender
from fedtrust.ledger.types import Address
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.ledger.writes import LedgerWrites, Step

TIMEOUT: Final = 120.0
"""Seconds that one write may take until it is confirmed."""

STUCK_AFTER: Final = 45.0
"""Seconds after which the fee of a waiting transaction is raised."""


class Web3Ledger(Web3LedgerReader, LedgerWrites):
    """The ledger of ``signer`` on the Federation at ``contract``.

    Reads and writes count once ``confirmations`` blocks follow them. ``outbox`` remembers what was sent over a
    crash; give every process of one account the same file. ``timeout`` bounds each write and ``stuck_after`` is how
    long a transaction may wait before its fee is raised, both in seconds. Raises on construction what
    ``Web3LedgerReader`` raises.
    """

    def __init__(
        self,
        web3: Web3,
        contract: Address,
        signer: LocalAccount,
        outbox: Outbox,
        confirmations: int = 0,
        *,
        timeout: float = TIMEOUT,
        stuck_after: float = STUCK_AFTER,
    ) -> None:
        """Check the contract and bind the signer; nothing is sent."""
        super().__init__(web3, contract, confirmations)
        self._timeout: Final = timeout
        self._sender: Final = TransactionSender(
            web3,
            signer,
            outbox,
            self._address,
            confirmations=confirmations,
            timeout=timeout,
            stuck_after=stuck_after,
        )
        # what the newest block says decides whether to send; what the confirmed one says, whether to return
        self._newest: Final = self if confirmations == 0 else Web3LedgerReader(web3, contract)

    @property
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""
        return self._sender.account

    def _perform(self, step: Step) -> tuple[LedgerEvent, ...]:
        with node_errors(step.function):
            return self._carry_out(step, self._request(step))

    def _carry_out(self, step: Step, request: Request) -> tuple[LedgerEvent, ...]:
        deadline = time.monotonic() + self._timeout
        while True:
            if not step.once and step.effect(self):
                return ()
            intent = self._sender.find(step.key, request)
            if intent is not None and intent.status is IntentStatus.MINED:
                receipt = self._sender.receipt(intent)
                if receipt is not None:
                    return self._events_in(receipt) if step.once else self._await_confirmed(step, deadline)
                # mined once, gone now: the chain was reorganised, so the step is open again
                self._sender.forget(intent)
                intent = None
            resumed = intent is not None
            if intent is None:
                if step.effect(self._newest):
                    return () if step.once else self._await_confirmed(step, deadline)
                try:
                    intent = self._sender.submit(step.key, request)
                except TransactionError:
                    if self._overtaken(step):
                        return self._await_confirmed(step, deadline)
                    raise
            receipt = self._sender.settle(intent, request, deadline)
            if receipt is None:
                continue
            if receipt["status"] == 1:
                return self._events_in(receipt)
            if self._overtaken(step):
                return self._await_confirmed(step, deadline)
            if not resumed:
                raise self._sender.refusal(request, receipt)
            # what was refused is an attempt from before a restart; its reason may be over, so try now

    def _overtaken(self, step: Step) -> bool:
        """Was the step done by somebody else between our look and our attempt?"""
        return not step.once and step.effect(self._newest)

    def _request(self, step: Step) -> Request:
        function = self._contract.get_function_by_name(step.function)(*step.arguments)
        data = function._encode_transaction_data()
        return Request(step.function, self._address, bytes.fromhex(data[2:]), step.value)

    def _await_confirmed(self, step: Step, deadline: float) -> tuple[LedgerEvent, ...]:
        """Wait until an effect of the newest block is one of the confirmed block; returns no events."""
        pause = FIRST_POLL
        while not step.effect(self):
            if time.monotonic() >= deadline:
                raise TransactionError(
                    f"{step.function} is on chain but was not confirmed within {self._timeout:g} s",
                    expected="more blocks on top of it",
                    advice="wait, or lower the number of confirmations",
                )
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_POLL)
        return ()

    def _events_in(self, receipt: TxReceipt) -> tuple[LedgerEvent, ...]:
        timestamp = self._web3.eth.get_block(receipt["blockNumber"])["timestamp"]
        decoded = (
            decode_log(
                log["topics"],
                log["data"],
                block=log["blockNumber"],
                log_index=log["logIndex"],
                timestamp=timestamp,
                transaction=bytes(log["transactionHash"]),
            )
            for log in receipt["logs"]
            if str(log["address"]) == self._address
        )
        return tuple(event for event in decoded if event is not None)
