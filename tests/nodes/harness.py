"""A whole federation in one process: the real nodes on the in-memory chain, without sockets.

Every rule of the protocol runs for real (keys, encryption, proofs, signatures, the contract's rules); only the
network and the processes are missing. Nodes can be dropped and built again from their own state, as after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount

from fedtrust.crypto.ceremony import Ceremony, TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.threshold import KeyShare
from fedtrust.errors import PeerUnreachableError
from fedtrust.learning.heart import HOSPITALS, LogisticRegression
from fedtrust.learning.source import task_code_digest
from fedtrust.learning.training import initial_model
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.memory import MemoryLedger
from fedtrust.ledger.memory_chain import MemoryChain
from fedtrust.ledger.types import Address, PublishedKey, Role
from fedtrust.nodes.aggregator import AggregatorInputs, AggregatorNode
from fedtrust.nodes.client import AggregatorClient
from fedtrust.nodes.direct import DirectClient, DirectDirectory
from fedtrust.nodes.participant import ParticipantNode
from fedtrust.nodes.report import silent
from fedtrust.nodes.settings import FederationSettings
from fedtrust.nodes.trustee import TrusteeNode
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, TaskReference
from fedtrust.store.artifacts import MemoryStore
from fedtrust.store.state import NodeState
from tests.fixtures.keys import test_primes
from tests.ledger.registered import Member, registered_federation

TASK = "fedtrust.learning.heart:LogisticRegression"
REWARD = 10**18


@cache
def account(name: str) -> LocalAccount:
    """Return the deterministic test account called ``name``."""
    return Account.from_key(name.encode().rjust(32, b"\x01"))


@cache
def sealing_key(name: str) -> X25519PrivateKey:
    """Return the deterministic sealing key of the trustee called ``name``."""
    return X25519PrivateKey.from_private_bytes(name.encode().rjust(32, b"\x02"))


@cache
def ceremony(trustees: int = 5, threshold: int = 3) -> Ceremony:
    """Return a committee's key made from the 2048-bit test primes, once per test session."""
    names = [f"trustee-{i}" for i in range(trustees)]
    identities = [TrusteeIdentity(account(n).address, sealing_key(n).public_key().public_bytes_raw()) for n in names]
    return run_ceremony(identities, threshold, primes=test_primes(2048))


@cache
def key_share(trustees: int, index: int) -> KeyShare:
    """Return the share with the 1-based ``index`` of a committee of :func:`ceremony`, opened by its trustee."""
    made = ceremony(trustees)
    return open_share(made.manifest, index, made.sealed_shares[index - 1], sealing_key(f"trustee-{index - 1}"))


@cache
def task(hospital: str) -> LogisticRegression:
    """Return the records of ``hospital``, which nobody changes."""
    return LogisticRegression.load(hospital)


@dataclass
class Disk:
    """What survives a node's crash."""

    store: MemoryStore = field(default_factory=MemoryStore)
    state: NodeState = field(default_factory=lambda: NodeState(None))


class AggregatorOfTheMoment:
    """What a client reaches at an aggregator's address: whichever process runs there now, if any does."""

    def __init__(self, federation: InProcessFederation, name: str) -> None:
        self._federation, self._name = federation, name

    @property
    def _node(self) -> AggregatorNode:
        if self._name in self._federation.dead:
            raise PeerUnreachableError(f"{self._name} does not answer")
        return self._federation.aggregators[self._name]

    def receive_update(self, round: int, participant: Address, data: bytes) -> Receipt:
        return self._node.receive_update(round, participant, data)

    def receive_partial(self, round: int, trustee: Address, data: bytes) -> bytes:
        return self._node.receive_partial(round, trustee, data)

    def uploads(self, round: int) -> dict[str, bytes]:
        return self._node.uploads(round)

    def aggregate(self, round: int) -> bytes | None:
        return self._node.aggregate(round)

    def get(self, digest: bytes) -> bytes:
        """Return an artifact from the disk of this aggregator, if its process runs."""
        assert self._node is not None
        return self._federation.disk(self._name).store.get(digest)


class InProcessFederation:
    """Operator, aggregators, participants (one per hospital) and trustees on one in-memory chain.

    ``standby`` adds a second aggregator of that name; ``rules`` changes the contract's configuration. Who is in
    ``dead`` does no step and answers nobody.
    """

    def __init__(
        self,
        *,
        rounds: int = 2,
        participants: int = 4,
        trustees: int = 5,
        challenge_window: int = 0,
        standby: bool = False,
        rules: Mapping[str, Any] | None = None,
        **settings: int,
    ) -> None:
        self.operator = account("operator")
        values: dict[str, Any] = {"challenge_window": challenge_window, "round_reward": REWARD, "standby_seconds": 10}
        self.chain = MemoryChain(DeploymentConfig(**{**values, **(rules or {})}), Address(self.operator.address))
        self.dead: set[str] = set()
        self.aggregator_names = ["aggregator", "standby"] if standby else ["aggregator"]
        self.ceremony = ceremony(trustees)
        self.manifest = self.ceremony.manifest
        self.hospitals = HOSPITALS[:participants]
        self.trustee_names = [f"trustee-{i}" for i in range(trustees)]
        federation = {"rounds": rounds, "epochs": 1, "batch_size": 64, "trustee_grace": 0, **settings}
        self.settings = FederationSettings().with_values(federation, "test")
        key = self.manifest
        published = PublishedKey(key.key_id, key.threshold, len(key.trustees), key.public_key.modulus_hash)
        operator = MemoryLedger(self.chain, Address(self.operator.address))
        registered_federation(
            operator,
            lambda account: MemoryLedger(self.chain, account),
            self._members(),
            key=published,
            pool=100 * REWARD,
        )
        self.disks: dict[str, Disk] = {}
        self.tasks = {name: task(name) for name in self.hospitals}
        self.initial_model = initial_model(LogisticRegression, self.settings.seed)
        self.aggregators = {name: self.build_aggregator(name) for name in self.aggregator_names}
        self.participants = {name: self.build_participant(name) for name in self.hospitals}
        self.trustees = {name: self.build_trustee(name) for name in self.trustee_names}

    def _members(self) -> list[Member]:
        named = [(name, Role.AGGREGATOR) for name in self.aggregator_names]
        named += [(name, Role.TRUSTEE) for name in self.trustee_names]
        named += [(name, Role.PARTICIPANT) for name in self.hospitals]

        def sealing(name: str, role: Role) -> bytes:
            return sealing_key(name).public_key().public_bytes_raw() if role is Role.TRUSTEE else bytes(32)

        return [Member(self.address(n), role, self.certificate(n), sealing(n, role)) for n, role in named]

    @property
    def aggregator(self) -> AggregatorNode:
        """The aggregator that is no standby."""
        return self.aggregators["aggregator"]

    @staticmethod
    def address(name: str) -> Address:
        """Return the address of the account called ``name``."""
        return Address(account(name).address)

    def certificate(self, name: str) -> bytes:
        """Return what is registered as the certificate of the account called ``name``."""
        return b"certificate " + name.encode()

    def ledger(self, name: str) -> MemoryLedger:
        """Return the chain as the account called ``name`` uses it."""
        return MemoryLedger(self.chain, self.address(name))

    def disk(self, name: str) -> Disk:
        """Return what the node called ``name`` keeps."""
        return self.disks.setdefault(name, Disk())

    @property
    def artifacts(self) -> MemoryStore:
        """The aggregator's artifact store: what an auditor reads."""
        return self.disk("aggregator").store

    def build_aggregator(self, name: str = "aggregator") -> AggregatorNode:
        """Start an aggregator from its disk."""
        disk = self.disk(name)
        inputs = AggregatorInputs(
            manifest=self.manifest,
            task=TaskReference(TASK, task_code_digest(TASK)),
            metrics=LogisticRegression.metrics,
            initial_model=self.initial_model,
            settings=self.settings,
        )
        return AggregatorNode(
            self.ledger(name),
            disk.store,
            disk.state,
            inputs,
            silent,
            private_key=bytes(account(name).key),
            standby=name == "standby",
            peers=self.directory(name) if len(self.aggregator_names) > 1 else None,
        )

    def client(self, name: str) -> DirectClient:
        """Return the aggregator as the node called ``name`` reaches it."""
        return self.client_of("aggregator", name)

    def client_of(self, aggregator: str, name: str) -> DirectClient:
        """Return the aggregator called ``aggregator`` as the node called ``name`` reaches it."""
        there = AggregatorOfTheMoment(self, aggregator)
        return DirectClient(cast(AggregatorNode, there), there, self.address(name))

    def directory(self, name: str) -> DirectDirectory:
        """Return the aggregators as the node called ``name`` reaches them."""
        first, *others = self.aggregator_names
        clients: dict[Address, AggregatorClient] = {self.address(first): self.client(name)}
        clients.update({self.address(other): self.client_of(other, name) for other in others})
        return DirectDirectory(clients)

    def build_participant(self, name: str) -> ParticipantNode:
        """Start the participant called ``name`` from its disk."""
        disk = self.disk(name)
        registration = self.ledger(name).identity(self.address(name))
        assert registration is not None
        return ParticipantNode(
            self.ledger(name),
            self.directory(name),
            disk.store,
            disk.state,
            self.manifest,
            self.tasks[name],
            task_code_digest(TASK),
            bytes(account(name).key),
            registration,
            silent,
            minimum_quorum=self.minimum_quorum(name),
        )

    def build_trustee(self, name: str) -> TrusteeNode:
        """Start the trustee called ``name`` from its disk."""
        disk = self.disk(name)
        index = next(t.index for t in self.manifest.trustees if t.account == self.address(name))
        share = key_share(len(self.trustee_names), index)
        return TrusteeNode(
            self.ledger(name),
            self.directory(name),
            disk.store,
            disk.state,
            self.manifest,
            share,
            silent,
            minimum_quorum=self.minimum_quorum(name),
        )

    def minimum_quorum(self, name: str) -> int:
        """Return the lowest quorum that the node called ``name`` accepts."""
        return MINIMUM_PARTICIPANTS

    def restart(self, name: str) -> None:
        """Drop the node called ``name`` with all it held in memory, and start it again from its disk."""
        if name in self.aggregator_names:
            self.aggregators[name] = self.build_aggregator(name)
        elif name in self.participants:
            self.participants[name] = self.build_participant(name)
        else:
            self.trustees[name] = self.build_trustee(name)

    def step(self) -> bool:
        """Let every node do one turn. Returns whether anything moved."""
        nodes = {**self.aggregators, **self.participants, **self.trustees}
        moved = [node.step() for name, node in nodes.items() if name not in self.dead]
        return any(moved)

    def run(self, *, turns: int = 2000, seconds_when_idle: int = 1) -> None:
        """Step until every living aggregator is done; when nothing moves, the chain's clock does."""
        for _ in range(turns):
            if all(node.machine.done for name, node in self.aggregators.items() if name not in self.dead):
                return
            if not self.step():
                self.chain.advance(seconds_when_idle)
                self.chain.mine()
        machines = {name: (node.machine.round, node.machine.state.name) for name, node in self.aggregators.items()}
        raise AssertionError(f"not done after {turns} turns: {machines}")

    def models(self, name: str = "aggregator") -> list[bytes]:
        """Return the model hash of every finalised round, in order, as the aggregator called ``name`` saw them."""
        history = self.aggregators[name].follower.history
        return [r.finalized.model_hash for _, r in sorted(history.rounds.items()) if r.finalized is not None]
