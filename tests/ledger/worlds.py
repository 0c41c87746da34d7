"""What the conformance suite runs on: a federation on the in-memory chain, or on a real node."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import fields, replace

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.devnet import Devnet, development_keys
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.memory import MemoryChain, MemoryLedger
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import ZERO_HASH, Address, Deadlines
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.writes import LedgerWrites, Step

CONFIG = DeploymentConfig(
    challenge_window=600,
    round_reward=1_000_003,
    dispute_seconds=400,
    standby_seconds=200,
    max_round_seconds=9_000,
    participant_stake=10_001,
    trustee_stake=20_003,
    aggregator_stake=50_007,
    dispute_bond=3_001,
    challenger_reward_cap=12_000,
)
KEYS = development_keys(12)
SIGNERS: tuple[LocalAccount, ...] = tuple(Account.from_key(key) for key in KEYS)
OPERATOR, AGGREGATOR, STANDBY = SIGNERS[0:3]
PARTICIPANTS = SIGNERS[3:7]
TRUSTEES = SIGNERS[7:10]
STRANGER, CHALLENGER = SIGNERS[10:12]

_steps = itertools.count()


class World(ABC):
    """One fresh federation and the power over its chain's clock."""

    name: str

    @abstractmethod
    def ledger(self, signer: LocalAccount) -> Ledger:
        """The ledger of ``signer``: the same object each time."""

    @abstractmethod
    def again(self, signer: LocalAccount) -> Ledger:
        """A ledger of ``signer`` after a restart: a new object on the same outbox."""

    @abstractmethod
    def advance(self, seconds: int) -> None:
        """Move the chain's present forward."""

    @abstractmethod
    def balance(self, account: str) -> int:
        """Wei on chain."""

    def advance_past(self, timestamp: int) -> None:
        self.advance(timestamp - self.ledger(OPERATOR).now() + 1)


class MemoryWorld(World):
    name = "memory"

    def __init__(self, config: DeploymentConfig = CONFIG) -> None:
        self.chain = MemoryChain(config, Address(OPERATOR.address))

    def ledger(self, signer: LocalAccount) -> Ledger:
        return MemoryLedger(self.chain, Address(signer.address))

    again = ledger

    def advance(self, seconds: int) -> None:
        self.chain.advance(seconds)

    def balance(self, account: str) -> int:
        return self.chain.balance(Address(account))


class NodeWorld(World):
    def __init__(self, devnet: Devnet, config: DeploymentConfig = CONFIG) -> None:
        self.name = devnet.kind
        self.devnet = devnet
        self.web3 = devnet.web3()
        self.contract = deploy_federation(self.web3, OPERATOR, Address(OPERATOR.address), config).contract
        self._outboxes: dict[str, Outbox] = {}
        self._ledgers: dict[str, Web3Ledger] = {}

    def ledger(self, signer: LocalAccount) -> Ledger:
        if signer.address not in self._ledgers:
            self._ledgers[signer.address] = self.again(signer)
        return self._ledgers[signer.address]

    def again(self, signer: LocalAccount) -> Web3Ledger:
        outbox = self._outboxes.setdefault(signer.address, Outbox(":memory:"))
        return Web3Ledger(self.web3, self.contract, signer, outbox, timeout=30)

    def advance(self, seconds: int) -> None:
        self.devnet.increase_time(seconds)

    def balance(self, account: str) -> int:
        return int(self.web3.eth.get_balance(Web3.to_checksum_address(account)))


def raw(ledger: Ledger, function: str, *arguments: object, value: int = 0) -> None:
    """Send a transaction whatever is on chain already: past the ledger's own idempotence, to the contract's rule."""
    assert isinstance(ledger, LedgerWrites)
    step = Step(f"raw:{next(_steps)}", function, arguments, lambda _: False, value=value, once=True)
    ledger._perform(step)


def deadlines_from(ledger: Ledger, commit: int = 1000, aggregate: int = 2000, finalize: int = 3000) -> Deadlines:
    now = ledger.now()
    return Deadlines(now + commit, now + aggregate, now + finalize)


TIMES = {"challenge_end", "release_at", "deadline", "aggregate_deadline", "finalize_deadline"}
PLACES = {"head", "announcement"}


def without_place(event: LedgerEvent) -> LedgerEvent:
    """The event without block, time, and what follows from contract address, time, or the sender's secret."""
    changes: dict[str, object] = {"block": 0, "log_index": 0, "timestamp": 0, "transaction": b""}
    names = {field.name for field in fields(event)}
    changes.update(dict.fromkeys(names & TIMES, 0))
    changes.update(dict.fromkeys(names & PLACES, ZERO_HASH))
    if "deadlines" in names:
        changes["deadlines"] = Deadlines(0, 0, 0)
    return replace(event, **changes)  # type: ignore[arg-type]
