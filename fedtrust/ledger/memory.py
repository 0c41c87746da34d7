"""``MemoryLedger``: the ``Ledger`` interface on an in-memory chain, for simulation and tests without a node."""

from __future__ import annotations

from typing import Final

from eth_utils.crypto import keccak

from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.memory_chain import MemoryChain
from fedtrust.ledger.refusals import conflicting
from fedtrust.ledger.types import (
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
from fedtrust.ledger.writes import LedgerWrites, Step

__all__ = ["MemoryChain", "MemoryLedger"]


class MemoryLedger(LedgerWrites):
    """The ledger of one ``account`` on a shared ``MemoryChain``."""

    def __init__(self, chain: MemoryChain, account: Address) -> None:
        """Bind ``account`` to ``chain``; opens nothing."""
        self._chain: Final = chain
        self._account: Final = account

    @property
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""
        return self._account

    @property
    def chain_id(self) -> int:
        """The chain id."""
        return self._chain.chain_id

    @property
    def contract(self) -> Address:
        """The Federation contract's address."""
        return self._chain.contract

    def _perform(self, step: Step) -> tuple[LedgerEvent, ...]:
        with self._chain.alone():
            record = self._chain.record(self._account, step.key)
            content = (step.function, step.arguments, step.value)
            if step.once and record is not None:
                if record.content != content:
                    raise conflicting(step.key, record.content, content)
                return record.events
            if step.effect(self):
                return ()
            return self._chain.execute(self._account, step.function, step.arguments, value=step.value, key=step.key)

    def _secret(self, key: str) -> bytes:
        # nobody looks into a memory chain's mempool: what repeats to the bit is worth more here than what is secret
        return keccak(text=f"fedtrust.memory {self._chain.contract} {self._account} {key}")

    def config(self) -> FederationConfig:
        """Return the contract's immutable configuration."""
        return self._chain.config()

    def key(self) -> PublishedKey | None:
        """Return the published committee key, or None before the operator published one."""
        return self._chain.key()

    def identity(self, account: Address) -> Identity | None:
        """Return the identity of ``account`` (admitted, retired and revoked ones too), or None."""
        return self._chain.identity(account)

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all that ever registered, by role, index and epoch; only those of ``role`` if given."""
        return self._chain.identities(role)

    def reputation(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``; all zero if there is none."""
        return self._chain.reputation(role, index)

    def eligible(self) -> int:
        """Return the bitmap of the participants that can be drawn: active and not suspended."""
        return self._chain.eligible()

    def draw(self) -> Draw:
        """Return the selection for the next round as the contract would require it in the next block."""
        return self._chain.draw()

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none was opened."""
        return self._chain.last_round()

    def round(self, number: int) -> RoundState:
        """Return round ``number`` (1-based). Raises RoundError if it was never opened."""
        return self._chain.round(number)

    def head(self, number: int) -> bytes:
        """Return the hash-chained head after round ``number``, zero until it ended; head(0) is 32 zero bytes."""
        return self._chain.head(number)

    def verdicts(self) -> bytes:
        """Return the running hash of all voidings; zero before the first."""
        return self._chain.verdicts()

    def current_model(self) -> bytes:
        """Return the model hash the next round must start from; zero if round 1 is free to set it."""
        return self._chain.current_model()

    def claimable(self, account: Address) -> int:
        """Return the wei that ``account`` may withdraw."""
        return self._chain.claimable(account)

    def claimable_reward(self, account: Address) -> tuple[int, int]:
        """Return the part of it that is rewards, and the second from which that may be returned to the pool."""
        return self._chain.claimable_reward(account)

    def reward_pool(self) -> int:
        """Return the wei in the pool that no round has reserved."""
        return self._chain.reward_pool()

    def total_stake(self) -> int:
        """Return the wei that are staked, by whomever."""
        return self._chain.total_stake()

    def dispute(self, number: int) -> Dispute:
        """Return dispute ``number`` (1-based). Raises LedgerError if there is none."""
        return self._chain.dispute(number)

    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""
        return self._chain.open_disputes(number)

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all events of both contracts from ``from_block`` on, in chain order."""
        return self._chain.events(from_block)

    def block_number(self) -> int:
        """Return the number of the newest block."""
        return self._chain.block_number()

    def block_hash(self, number: int) -> bytes:
        """Return the 32-byte hash of block ``number``."""
        return self._chain.block(number).hash

    def now(self) -> int:
        """Return the chain's present in seconds."""
        return self._chain.now()
