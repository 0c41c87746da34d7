"""``Web3Ledger``: the ``Ledger`` interface on a real contract, for one signing account."""

from __future__ import annotations

import threading
import time
from typing import Final

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import TxReceipt

from fedtrust.errors import TransactionError
from fedtrust.ledger.artifacts import TOKEN_ABI
from fedtrust.ledger.connection import node_errors
from fedtrust.ledger.decoding import decode_log
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.outbox import Intent, IntentStatus, Outbox
from fedtrust.ledger.transaction_sender import FIRST_POLL, LONGEST_POLL, Request, TransactionSender
from fedtrust.ledger.types import ZERO_ADDRESS, Address
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.ledger.writes import LedgerWrites, Step

TIMEOUT: Final = 120.0
"""Seconds that one write may take until it is confirmed."""

STUCK_AFTER: Final = 45.0
"""Seconds after which the fee of a waiting transaction is raised."""


_NOT_ANNOUNCED: Final = "DisputeNotAnnounced("


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
        self._token: Final = (
            None
            if self._config.asset == ZERO_ADDRESS
            else web3.eth.contract(address=Web3.to_checksum_address(self._config.asset), abi=TOKEN_ABI)
        )
        self._own_functions: Final = {each["name"] for each in self._contract.abi if each["type"] == "function"}
        self._paying: Final = threading.Lock()  # an allowance is for one payment
        # what the newest block says decides whether to send; what the confirmed one says, whether to return
        self._newest: Final = self if confirmations == 0 else Web3LedgerReader(web3, contract)

    @property
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""
        return self._sender.account

    def _secret(self, key: str) -> bytes:
        return self._sender.secret(key)

    def _perform(self, step: Step) -> tuple[LedgerEvent, ...]:
        with node_errors(step.function):
            if step.value == 0 or self._token is None:
                return self._carry_out(step, self._request(step))
            with self._paying:
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
                # without confirmations the newest block is the one that was asked above
                if (step.once or self._newest is not self) and step.effect(self._newest):
                    return () if step.once else self._await_confirmed(step, deadline)
                try:
                    self._approve(step, deadline)
                    intent = self._submit(step, request, deadline)
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

    def _submit(self, step: Step, request: Request, deadline: float) -> Intent:
        """Submit; what must come in a later block than its announcement waits for one, if the node wants that."""
        if not step.announced:
            return self._sender.submit(step.key, request)
        first = newest = self._web3.eth.block_number
        while True:
            try:
                return self._sender.submit(step.key, request)
            except TransactionError as error:
                # a node without a pending block estimates in the newest, which may be that of the announcement
                if newest > first or not str(error.got).startswith(_NOT_ANNOUNCED):
                    raise
                while newest == first:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(FIRST_POLL)
                    newest = self._web3.eth.block_number

    def _approve(self, step: Step, deadline: float) -> None:
        """Let the Federation take what ``step`` pays, if that is a token; nothing to do if it may already."""
        if step.value == 0 or self._token is None:
            return
        allowance = self._token.functions.allowance(self.account, self._address).call()
        if allowance >= step.value:
            return
        # some tokens refuse to change an allowance that is not zero
        for amount in (0, step.value) if allowance else (step.value,):
            data = self._token.encode_abi("approve", [self._address, amount])
            request = Request("approve", self._config.asset, bytes.fromhex(data[2:]), 0)
            key = f"approve:{amount}:{step.key}"
            intent = self._sender.find(key, request)
            if intent is not None and intent.status is IntentStatus.MINED:
                # that allowance is used up
                self._sender.forget(intent)
                intent = None
            receipt = None
            while receipt is None:
                intent = self._sender.submit(key, request) if intent is None else intent
                receipt = self._sender.settle(intent, request, deadline)
                intent = None
            if receipt["status"] != 1:
                raise self._sender.refusal(request, receipt)

    def _overtaken(self, step: Step) -> bool:
        """Was the step done by somebody else between our look and our attempt?"""
        return not step.once and step.effect(self._newest)

    def _request(self, step: Step) -> Request:
        # no name is in both
        contract = self._contract if step.function in self._own_functions else self._disputes
        data = contract.encode_abi(step.function, list(step.arguments))
        value = step.value if self._token is None else 0
        return Request(step.function, Address(contract.address), bytes.fromhex(data[2:]), value)

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
            if str(log["address"]) in (self._address, self._config.disputes)
        )
        return tuple(event for event in decoded if event is not None)
