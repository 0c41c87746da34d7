"""A chain in memory: blocks, a clock that moves when told to, balances, and one Federation contract.

It is not a mock: the conformance suite in ``tests/ledger`` runs the same cases against it and against the compiled
contract on real nodes. Every transaction is a block of its own, as on a devnet that mines at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from fedtrust.errors import ConfigurationError, LedgerError, RoundError, TransactionError
from fedtrust.ledger.artifacts import CONTRACT_VERSION
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.memory_contract import Call, MemoryContract, Revert
from fedtrust.ledger.refusals import refused
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Dispute,
    Draw,
    FederationConfig,
    Identity,
    PublishedKey,
    Reputation,
    Role,
    RoundState,
)

INITIAL_BALANCE: Final = 10_000 * 10**18
"""Wei that every account of the in-memory chain starts with; gas costs nothing."""

GENESIS_TIMESTAMP: Final = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the in-memory chain; ``timestamp`` in seconds."""

    number: int
    timestamp: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What an account did under a key, as its outbox would remember it."""

    content: tuple[object, ...]
    events: tuple[LedgerEvent, ...]


class MemoryChain:
    """A chain with one Federation contract, shared by any number of ``MemoryLedger`` objects and threads.

    ``timestamp`` is the time of the deployment block, in seconds. With ``clock`` the chain's present follows that
    function (it never goes back); without, it moves by :meth:`advance` alone. Addresses and hashes are a function
    of the arguments and of what was sent, so a simulation repeats to the bit.
    """

    def __init__(
        self,
        config: DeploymentConfig,
        owner: Address,
        *,
        chain_id: int = 31337,
        timestamp: int = GENESIS_TIMESTAMP,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Start a chain and deploy the contract in block 1."""
        if owner == ZERO_ADDRESS:
            raise ConfigurationError("the contract needs an owner", got=owner)
        seed = keccak(encode(["string", "uint256", "address"], ["fedtrust.memory", chain_id, owner]))
        self.chain_id: Final = chain_id
        self.contract: Final = Address(to_checksum_address(seed[12:]))
        self._federation: Final = MemoryContract(config, owner, chain_id, self.contract)
        self._clock: Final = clock
        self._start: Final = timestamp
        self._offset = 0
        self._lock: Final = threading.RLock()
        self._blocks = [Block(0, timestamp, seed)]
        self.disputes: Final = Address(to_checksum_address(keccak(seed)[12:]))
        self._deployed_block: Final = self._append_block(timestamp, b"").number
        self._federation.state.ended_block = self._deployed_block
        self._events: list[LedgerEvent] = []
        self._balances: dict[Address, int] = {}
        self._records: dict[tuple[Address, str], Record] = {}

    # ------------------------------------------------------------------------------------------------ the chain

    def now(self) -> int:
        """Return the chain's present in seconds: the timestamp that a block made now would have."""
        with self._lock:
            moment = self._start if self._clock is None else self._clock()
            return max(moment + self._offset, self._blocks[-1].timestamp)

    def advance(self, seconds: int) -> None:
        """Move the chain's present forward by ``seconds``; makes no block."""
        if seconds < 0:
            raise ConfigurationError("the chain's clock only moves forward", expected=">= 0", got=seconds)
        with self._lock:
            self._offset += seconds

    def mine(self) -> Block:
        """Append an empty block at the present."""
        with self._lock:
            return self._append_block(self.now(), b"")

    def block(self, number: int) -> Block:
        """Return block ``number``. Raises LedgerError if there is none."""
        with self._lock:
            if not 0 <= number < len(self._blocks):
                raise LedgerError(f"there is no block {number}", expected=f"0 to {len(self._blocks) - 1}", got=number)
            return self._blocks[number]

    def block_number(self) -> int:
        """Return the number of the newest block."""
        with self._lock:
            return len(self._blocks) - 1

    def balance(self, account: Address) -> int:
        """Return the wei of ``account``, which may be the contract."""
        with self._lock:
            if account == self.contract:
                return self._federation.balance()
            return self._balances.get(account, INITIAL_BALANCE)

    def execute(
        self,
        sender: Address,
        function: str,
        arguments: tuple[object, ...],
        *,
        value: int = 0,
        key: str | None = None,
    ) -> tuple[LedgerEvent, ...]:
        """Run one transaction of either contract's ABI and return its events.

        With ``key`` the events are remembered for :meth:`record`. Raises TransactionError, with the contract's
        reason in ``got`` and nothing changed, when it is refused.
        """
        with self._lock:
            balance = self.balance(sender)
            if balance < value:
                raise TransactionError(
                    f"{sender} cannot pay for {function}",
                    expected=f"a balance of at least {value} wei",
                    got=f"{balance} wei",
                    advice="fund the account",
                )
            content = (function, arguments, value)
            number = len(self._blocks)
            digest = keccak(text=repr((self.chain_id, self.contract, number, sender, content)))
            call = Call(sender, value, number, self.now(), digest, self._beacon)
            try:
                self._federation.run(call, function, arguments)
            except Revert as revert:
                raise refused(function, revert.reason) from None
            self._balances[sender] = balance - value + call.paid
            self._append_block(call.timestamp, digest)
            self._events.extend(call.events)
            events = tuple(call.events)
            if key is not None:
                self._records[sender, key] = Record(content, events)
            return events

    def alone(self) -> AbstractContextManager[object]:
        """Return a context in which no other thread changes the chain: to look and then act on what was seen."""
        return self._lock

    def record(self, sender: Address, key: str) -> Record | None:
        """Return what ``sender`` did under ``key``, or None."""
        with self._lock:
            return self._records.get((sender, key))

    def _beacon(self, number: int) -> bytes:
        """Return the hash of an earlier block."""
        return self._blocks[number].hash

    def _append_block(self, timestamp: int, content: bytes) -> Block:
        parent = self._blocks[-1]
        kinds = ["bytes32", "uint256", "uint256", "bytes"]
        digest = keccak(encode(kinds, [parent.hash, parent.number + 1, timestamp, content]))
        block = Block(parent.number + 1, timestamp, digest)
        self._blocks.append(block)
        return block

    # ------------------------------------------------------------------------------------- views of the contract

    def config(self) -> FederationConfig:
        """Return the contract's immutable configuration."""
        settings = self._federation.settings
        return FederationConfig(
            chain_id=self.chain_id,
            contract=self.contract,
            version=CONTRACT_VERSION,
            owner=self._federation.owner,
            deployed_block=self._deployed_block,
            disputes=self.disputes,
            asset=settings.asset,
            predecessor=settings.predecessor,
            challenge_window=settings.challenge_window,
            dispute_seconds=settings.dispute_seconds,
            standby_seconds=settings.standby_seconds,
            max_round_seconds=settings.max_round_seconds,
            unbonding_seconds=settings.unbonding,
            claim_seconds=settings.claim_seconds,
            round_reward=settings.round_reward,
            participant_basis_points=settings.participant_basis_points,
            trustee_basis_points=settings.trustee_basis_points,
            aggregator_basis_points=settings.aggregator_basis_points,
            payout_rule=settings.payout_rule,
            participant_stake=settings.participant_stake,
            trustee_stake=settings.trustee_stake,
            aggregator_stake=settings.aggregator_stake,
            dispute_bond=settings.dispute_bond,
            challenger_reward_cap=settings.challenger_reward_cap,
            minimum_quorum=settings.minimum_quorum,
            participants_per_round=settings.participants_per_round,
            max_missed=settings.max_missed,
        )

    def key(self) -> PublishedKey | None:
        """Return the published key, or None."""
        with self._lock:
            return self._federation.state.key

    def identity(self, account: Address) -> Identity | None:
        """Return the identity of ``account``, or None."""
        with self._lock:
            return self._federation.state.identities.get(account)

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all that ever registered, by role, index and epoch; only those of ``role`` if given."""
        with self._lock:
            known = self._federation.state.identities.values()
            registered = (each for each in known if each.epoch and role in (None, each.role))
            return tuple(sorted(registered, key=lambda each: (each.role, each.index, each.epoch)))

    def reputation(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``."""
        with self._lock:
            return self._federation.reputation_of(role, index)

    def eligible(self) -> int:
        """Return the bitmap of the participants that can be drawn."""
        with self._lock:
            return self._federation.state.eligible

    def draw(self) -> Draw:
        """Return the selection for the next round as it would be drawn in the next block."""
        with self._lock:
            return self._federation.draw_for(self.last_round() + 1, len(self._blocks), self._beacon)

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none."""
        with self._lock:
            return len(self._federation.state.rounds)

    def round(self, number: int) -> RoundState:
        """Return round ``number``. Raises RoundError if it was never opened."""
        with self._lock:
            last = self.last_round()
            if not 1 <= number <= last:
                raise RoundError(f"round {number} was never opened", expected=f"1 to {last}", got=number)
            return self._federation.state.rounds[number - 1]

    def head(self, number: int) -> bytes:
        """Return the head of round ``number``; zero for round 0 and while it is not finished."""
        with self._lock:
            return self.round(number).head if 1 <= number <= self.last_round() else ZERO_HASH

    def verdicts(self) -> bytes:
        """Return the running hash of all voidings."""
        with self._lock:
            return self._federation.state.verdicts

    def current_model(self) -> bytes:
        """Return the model hash that the next round must start from."""
        with self._lock:
            return self._federation.current_model()

    def claimable(self, account: Address) -> int:
        """Return the wei that ``account`` may claim."""
        with self._lock:
            credit = self._federation.credit_of(account)
            return credit.deposits + credit.rewards

    def claimable_reward(self, account: Address) -> tuple[int, int]:
        """Return the part of it that is rewards, and when that expires."""
        with self._lock:
            credit = self._federation.credit_of(account)
            return credit.rewards, credit.expires_at

    def reward_pool(self) -> int:
        """Return the wei that no round has reserved."""
        with self._lock:
            return self._federation.state.pool

    def total_stake(self) -> int:
        """Return all that is staked."""
        with self._lock:
            return self._federation.state.stakes

    def dispute(self, number: int) -> Dispute:
        """Return dispute ``number``. Raises LedgerError if there is none."""
        with self._lock:
            disputes = self._federation.state.disputes
            if not 1 <= number <= len(disputes):
                raise LedgerError(f"there is no dispute {number}", expected=f"1 to {len(disputes)}", got=number)
            return disputes[number - 1]

    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""
        with self._lock:
            return self._federation.open_disputes(number)

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return the events from ``from_block`` on, in chain order."""
        with self._lock:
            return tuple(event for event in self._events if event.block >= from_block)
