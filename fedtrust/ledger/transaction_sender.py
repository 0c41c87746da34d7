"""Send one account's transactions: nonces, fees, write-before-send, rebroadcast, confirmation.

A transaction is stored in the outbox before the node sees it. From then on the only question is what became of it,
and asking is safe at any time and from any restart: it is mined (once, whatever was broadcast how often), or its
nonce was used by something else, or it is still waiting and is broadcast again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import RPCEndpoint, TxReceipt

from fedtrust.errors import TransactionError
from fedtrust.ledger.decoding import NO_REASON, decode_revert, revert_data
from fedtrust.ledger.outbox import Intent, IntentStatus, Outbox, Scope, SignedTransaction
from fedtrust.ledger.refusals import conflicting, refused
from fedtrust.ledger.types import Address

FIRST_POLL: Final = 0.05
LONGEST_POLL: Final = 1.0
"""Seconds between two questions about a transaction."""

REBROADCAST_AFTER: Final = 15.0
"""Seconds after which a waiting transaction is sent to the node again, which may have forgotten it."""

MAXIMUM_BUMPS: Final = 6
"""How often a fee is raised, by an eighth each time: at most to the double."""

MAXIMUM_GAS: Final = 1 << 24
"""The gas limit of one transaction (EIP-7825)."""

MISSING_POLLS: Final = 3
"""Polls in a row that must find the nonce used but no receipt before we believe that we were replaced."""

_FALLBACK_PRIORITY_FEE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction to be made: call ``data`` and ``value`` in wei to ``to``; ``step`` names it to people."""

    step: str
    to: Address
    data: bytes
    value: int

    def content(self) -> bytes:
        """Return the digest of what is asked, without nonce and fees."""
        return keccak(self.value.to_bytes(32, "big") + bytes.fromhex(self.to[2:]) + self.data)


class TransactionSender:
    """Sends for ``signer``, one outbox at its side.

    ``timeout`` bounds one :meth:`settle` in seconds, ``stuck_after`` is how long a transaction may wait before its
    fee is raised. The signer's key never leaves its object.
    """

    def __init__(
        self,
        web3: Web3,
        signer: LocalAccount,
        outbox: Outbox,
        contract: Address,
        *,
        confirmations: int,
        timeout: float,
        stuck_after: float,
    ) -> None:
        """Bind signer, node and outbox; the outbox's scope gets the chain's genesis, so a new devnet is new."""
        self._web3: Final = web3
        self._signer: Final = signer
        self._outbox: Final = outbox
        self._confirmations: Final = confirmations
        self._timeout: Final = timeout
        self._stuck_after: Final = stuck_after
        self._account: Final = Address(signer.address)
        self._chain_id: Final = web3.eth.chain_id
        genesis = bytes(web3.eth.get_block(0)["hash"])
        self._submitting: Final = threading.Lock()
        self._scope: Final = Scope(f"{self._chain_id}:{genesis.hex()}", contract, self._account)

    @property
    def account(self) -> Address:
        """The account that signs."""
        return self._account

    def secret(self, key: str) -> bytes:
        """Return 32 random bytes that the outbox drew for this account, chain and ``key``, and keeps."""
        return self._outbox.secret(self._scope, key)

    def find(self, key: str, request: Request) -> Intent | None:
        """Return the live intent under ``key``.

        Raises TransactionError if it asks for something else and was mined, or may still be.
        """
        intent = self._outbox.find(self._scope, key)
        if intent is None or intent.content == request.content():
            return intent
        receipt = self._receipt(intent)
        if receipt is not None and receipt["status"] == 0:
            # an attempt of an earlier run that was refused binds nobody
            self._conclude(intent, receipt)
            return None
        raise conflicting(key, intent.content, request.content())

    def submit(self, key: str, request: Request) -> Intent:
        """Estimate, sign, store and only then broadcast. Raises TransactionError if the contract would refuse."""
        with self._submitting:
            return self._submit(key, request)

    def _submit(self, key: str, request: Request) -> Intent:
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "to": request.to,
            "data": "0x" + request.data.hex(),
            "value": request.value,
            "gas": self._gas(request),
            **self._fees(),
        }
        self._resume_earlier()
        nonce = self._web3.eth.get_transaction_count(self._signer.address, "pending")
        intent = self._outbox.reserve(
            self._scope, key, request.content(), nonce, lambda chosen: self._sign(transaction, chosen)
        )
        problem = self._broadcast(intent)
        if problem is not None:
            self._outbox.mark(intent, IntentStatus.FAILED)
            raise problem
        return intent

    def settle(self, intent: Intent, request: Request, deadline: float) -> TxReceipt | None:
        """Wait until ``intent`` is confirmed and return its receipt, or None if its nonce was used by another.

        The receipt's status says whether it reverted. Raises TransactionError if it is not confirmed by ``deadline``
        (``time.monotonic()``); then it stays in the outbox and the same step resumes it.
        """
        broadcast_at = bumped_at = time.monotonic()
        pause, missing, bumps = FIRST_POLL, 0, len(intent.transactions) - 1
        if self._receipt(intent) is None:
            self._broadcast(intent)
        while True:
            used = self._web3.eth.get_transaction_count(self._signer.address, "latest") > intent.nonce
            receipt = self._receipt(intent)
            if receipt is not None:
                missing = 0
                if self._web3.eth.block_number >= receipt["blockNumber"] + self._confirmations:
                    self._conclude(intent, receipt)
                    return receipt
            elif used:
                missing += 1
                if missing >= MISSING_POLLS:
                    self._outbox.mark(intent, IntentStatus.REPLACED)
                    return None
            now = time.monotonic()
            if now >= deadline:
                raise self._late(intent, request, receipt is not None)
            if receipt is None and not used:
                if now - bumped_at >= self._stuck_after and bumps < MAXIMUM_BUMPS:
                    intent, bumps, bumped_at, broadcast_at = self._bump(intent), bumps + 1, now, now
                elif now - broadcast_at >= REBROADCAST_AFTER:
                    broadcast_at = now
                    self._broadcast(intent)
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_POLL)

    def receipt(self, intent: Intent) -> TxReceipt | None:
        """Return the receipt of whichever of the intent's transactions was mined, or None."""
        return self._receipt(intent)

    def forget(self, intent: Intent) -> None:
        """Free the key of an intent that the chain does not know any more (a reorganisation)."""
        self._outbox.mark(intent, IntentStatus.REPLACED)

    def refusal(self, request: Request, receipt: TxReceipt) -> TransactionError:
        """Return the error for a transaction that was mined and reverted, with the contract's reason.

        The node is asked why: it replays the call on the state at the end of the block that refused it.
        """
        answer = self._web3.provider.make_request(
            RPCEndpoint("eth_call"), [self._call_object(request), hex(receipt["blockNumber"])]
        )
        data = revert_data(answer.get("error"))
        return refused(request.step, NO_REASON if data is None else decode_revert(data))

    def _conclude(self, intent: Intent, receipt: TxReceipt) -> None:
        self._outbox.mark(intent, IntentStatus.MINED if receipt["status"] == 1 else IntentStatus.FAILED)

    def _resume_earlier(self) -> None:
        """Send again what the node may have forgotten: a gap in the nonces would hold up the new transaction."""
        mined = self._web3.eth.get_transaction_count(self._signer.address, "latest")
        for earlier in self._outbox.pending(self._scope):
            receipt = self._receipt(earlier) if earlier.nonce < mined else None
            if receipt is not None:
                self._conclude(earlier, receipt)
            elif earlier.nonce >= mined:
                self._broadcast(earlier)

    def _late(self, intent: Intent, request: Request, mined: bool) -> TransactionError:
        state = "mined but has too few blocks on top" if mined else "not mined"
        return TransactionError(
            f"{request.step} was not confirmed within {self._timeout:g} s",
            expected=f"a receipt with {self._confirmations} confirmations",
            got=f"transaction 0x{intent.transactions[-1].hash.hex()} is {state}",
            advice="it stays in the outbox; run the same step again to wait for it, nothing is sent twice",
        )

    def _gas(self, request: Request) -> int:
        """Estimate on the pending block, whose time is the present, with room for state that changes meanwhile."""
        answer = self._web3.provider.make_request(
            RPCEndpoint("eth_estimateGas"), [self._call_object(request), "pending"]
        )
        error = answer.get("error")
        if error is not None:
            data = revert_data(error)
            if data is not None:
                raise refused(request.step, decode_revert(data))
            raise self._rejected(request.step, _message(error))
        estimate = int(str(answer["result"]), 16)
        return min(estimate + estimate // 4 + 10_000, MAXIMUM_GAS)

    def _fees(self) -> dict[str, int]:
        """Return EIP-1559 fees that stay valid while the base fee doubles."""
        base = int(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
        try:
            priority = int(self._web3.eth.max_priority_fee)
        except Web3RPCError:
            priority = _FALLBACK_PRIORITY_FEE
        return {"maxFeePerGas": 2 * base + priority, "maxPriorityFeePerGas": priority}

    def _sign(self, transaction: dict[str, Any], nonce: int) -> SignedTransaction:
        signed = self._signer.sign_transaction({**transaction, "nonce": nonce})
        return SignedTransaction(bytes(signed.hash), bytes(signed.raw_transaction))

    def _bump(self, intent: Intent) -> Intent:
        """Sign the same transaction with a fee that nodes accept as a replacement (an eighth more), and send it."""
        fields = dict(TypedTransaction.from_bytes(HexBytes(intent.transactions[-1].raw)).as_dict())
        for name in ("v", "r", "s"):
            del fields[name]
        for name, value in self._fees().items():
            fields[name] = max(fields[name] + fields[name] // 8 + 1, value)
        fields["data"] = HexBytes(fields["data"])
        fields["to"] = Web3.to_checksum_address(fields["to"])
        intent = self._outbox.add(intent, self._sign(fields, intent.nonce))
        self._broadcast(intent)
        return intent

    def _broadcast(self, intent: Intent) -> TransactionError | None:
        """Send the newest transaction of ``intent``; return why the node does not want it, or None."""
        try:
            self._web3.eth.send_raw_transaction(HexBytes(intent.transactions[-1].raw))
        except (Web3RPCError, ContractLogicError, ValueError) as error:
            message = str(error)
            lowered = message.lower()
            known = ("already known", "already imported", "known transaction", "already exists")
            elsewhere = ("nonce too low", "nonce is too low", "replacement transaction", "already been used")
            if any(text in lowered for text in (*known, *elsewhere)):
                # it is there, or its nonce is contested: what became of it is for settle() to find out
                return None
            if self._receipt(intent) is not None:
                # some devnets report a revert as the error of a transaction that they did mine
                return None
            return self._rejected(intent.key, message)
        return None

    def _rejected(self, step: str, message: str) -> TransactionError:
        poor = "insufficient funds" in message.lower() or "enough funds" in message.lower()
        return TransactionError(
            f"the node did not take the transaction of {step}",
            got=message[:300],
            advice=f"send ether to {self._account} for value and gas" if poor else "check the node's log",
        )

    def _receipt(self, intent: Intent) -> TxReceipt | None:
        for transaction in intent.transactions:
            try:
                return self._web3.eth.get_transaction_receipt(HexBytes(transaction.hash))
            except TransactionNotFound:
                continue
        return None

    def _call_object(self, request: Request) -> dict[str, str]:
        return {
            "from": self._account,
            "to": request.to,
            "data": "0x" + request.data.hex(),
            "value": hex(request.value),
        }


def _message(error: object) -> str:
    if isinstance(error, dict):
        return str(error.get("message", error))
    return str(error)
