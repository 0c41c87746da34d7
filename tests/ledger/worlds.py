"""What the conformance suite runs on: a federation on the in-memory chain, or on a real node."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import RPCEndpoint

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

    def furnish(self, build: Callable[[], None], *, usual: bool) -> None:
        """Do ``build`` as the world's first act. ``usual`` says that it does the same in every world of ``CONFIG``."""
        build()

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


@dataclass(frozen=True)
class Furnished:
    """The usual federation on a node right after it was made, and its ledgers: they notice when a chain is set back."""

    snapshot: str
    contract: Address
    remembered: Mapping[str, Outbox]
    outboxes: dict[str, Outbox]
    ledgers: dict[str, Web3Ledger]


class NodeWorld(World):
    """A federation on a node, deployed when it is first asked for.

    Most of the suite's time went into making the same federation for every test. A node makes it once; the worlds after
    that take the node's chain, and the outboxes, back to that moment, so there is one world of a node at a time.
    """

    _furnished: ClassVar[dict[Devnet, Furnished]] = {}
    _deployed: ClassVar[dict[Devnet, list[NodeWorld]]] = {}

    def __init__(self, devnet: Devnet, config: DeploymentConfig = CONFIG) -> None:
        self.name = devnet.kind
        self.devnet = devnet
        self.web3 = devnet.web3()
        self.config = config
        self._contract: Address | None = None
        self._gone = False
        self._outboxes: dict[str, Outbox] = {}
        self._ledgers: dict[str, Web3Ledger] = {}

    @property
    def contract(self) -> Address:
        assert not self._gone, "a later world took the chain back to before this one"
        if self._contract is None:
            self._contract = deploy_federation(self.web3, OPERATOR, Address(OPERATOR.address), self.config).contract
            self._deployed.setdefault(self.devnet, []).append(self)
        return self._contract

    def furnish(self, build: Callable[[], None], *, usual: bool) -> None:
        if not usual or self.config != CONFIG or self._contract is not None:
            build()
            return
        made = self._furnished.get(self.devnet)
        if made is None:
            build()
            remembered = {who: Outbox(":memory:") for who in self._outboxes}
            for who, outbox in self._outboxes.items():
                overwrite(remembered[who], outbox)
            made = Furnished("", self.contract, remembered, self._outboxes, self._ledgers)
        else:
            assert self._request("evm_revert", [made.snapshot]) is True
            for world in self._deployed[self.devnet]:
                world._gone = True
            self._deployed[self.devnet] = [self]
            self._contract, self._outboxes, self._ledgers = made.contract, made.outboxes, made.ledgers
            for who, outbox in self._outboxes.items():
                overwrite(outbox, made.remembered.get(who) or Outbox(":memory:"))
        # a snapshot can be gone back to once
        self._furnished[self.devnet] = replace(made, snapshot=str(self._request("evm_snapshot", [])))

    def _request(self, method: str, parameters: list[object]) -> object:
        answer = self.web3.provider.make_request(RPCEndpoint(method), parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def ledger(self, signer: LocalAccount) -> Ledger:
        assert not self._gone
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


def overwrite(outbox: Outbox, other: Outbox) -> None:
    """Let ``outbox`` remember what ``other`` does, and nothing else."""
    other._database.backup(outbox._database)


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
