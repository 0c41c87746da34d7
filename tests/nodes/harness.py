"""A whole federation in one process: the real nodes on the in-memory chain, without sockets.

Every rule of the protocol runs for real (keys, encryption, proofs, signatures, the contract's rules); only the
network and the processes are missing. Nodes can be dropped and built again from their own state, as after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount

from fedtrust.crypto.ceremony import Ceremony, TrusteeIdentity, open_share, run_ceremony
from fedtrust.learning.heart import HOSPITALS, LogisticRegression
from fedtrust.learning.source import task_code_digest
from fedtrust.learning.training import initial_model
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.memory import MemoryLedger
from fedtrust.ledger.memory_chain import MemoryChain
from fedtrust.ledger.types import Address, PublishedKey, Role
from fedtrust.nodes.aggregator import AggregatorInputs, AggregatorNode
from fedtrust.nodes.direct import DirectClient
from fedtrust.nodes.participant import ParticipantNode
from fedtrust.nodes.report import silent
from fedtrust.nodes.settings import FederationSettings
from fedtrust.nodes.trustee import TrusteeNode
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, TaskReference
from fedtrust.store.artifacts import MemoryStore
from fedtrust.store.state import NodeState
from tests.fixtures.keys import test_primes

TASK = "fedtrust.learning.heart:LogisticRegression"
REWARD = 10**18


def account(name: str) -> LocalAccount:
    """Return the deterministic test account called ``name``."""
    return Account.from_key(name.encode().rjust(32, b"\x01"))


@lru_cache
def sealing_key(name: str) -> X25519PrivateKey:
    """Return the deterministic sealing key of the trustee called ``name``."""
    return X25519PrivateKey.from_private_bytes(name.encode().rjust(32, b"\x02"))


@lru_cache
def ceremony(trustees: int = 5, threshold: int = 3) -> Ceremony:
    """Return a committee's key made from the 2048-bit test primes, once per test session."""
    names = [f"trustee-{i}" for i in range(trustees)]
    identities = [TrusteeIdentity(account(n).address, sealing_key(n).public_key().public_bytes_raw()) for n in names]
    return run_ceremony(identities, threshold, primes=test_primes(2048))


@dataclass
class Disk:
    """What survives a node's crash."""

    store: MemoryStore = field(default_factory=MemoryStore)
    state: NodeState = field(default_factory=lambda: NodeState(None))


class AggregatorOfTheMoment:
    """What a client reaches at the aggregator's address: whichever process runs there now."""

    def __init__(self, federation: InProcessFederation) -> None:
        self._federation = federation

    def receive_update(self, round: int, participant: Address, data: bytes) -> bytes:
        return self._federation.aggregator.receive_update(round, participant, data)

    def receive_partial(self, round: int, trustee: Address, data: bytes) -> bytes:
        return self._federation.aggregator.receive_partial(round, trustee, data)

    def uploads(self, round: int) -> dict[str, bytes]:
        return self._federation.aggregator.uploads(round)


class InProcessFederation:
    """Operator, one aggregator, participants (one per hospital) and trustees on one in-memory chain."""

    def __init__(
        self, *, rounds: int = 2, participants: int = 4, trustees: int = 5, challenge_window: int = 0, **settings: int
    ) -> None:
        self.operator = account("operator")
        config = DeploymentConfig(challenge_window=challenge_window, round_reward=REWARD)
        self.chain = MemoryChain(config, Address(self.operator.address))
        self.ceremony = ceremony(trustees)
        self.manifest = self.ceremony.manifest
        self.hospitals = HOSPITALS[:participants]
        self.trustee_names = [f"trustee-{i}" for i in range(trustees)]
        values = {"rounds": rounds, "epochs": 1, "batch_size": 64, "trustee_grace": 0, **settings}
        self.settings = FederationSettings().with_values(values, "test")
        operator = MemoryLedger(self.chain, Address(self.operator.address))
        operator.publish_key(PublishedKey(self.manifest.key_id, self.manifest.threshold, len(self.manifest.trustees)))
        operator.fund_rewards(100 * REWARD, "initial")
        aggregator = self.address("aggregator")
        operator.register_identity(aggregator, Role.AGGREGATOR, self.certificate("aggregator"), bytes(32))
        for name in self.trustee_names:
            public = sealing_key(name).public_key().public_bytes_raw()
            operator.register_identity(self.address(name), Role.TRUSTEE, self.certificate(name), public)
        for name in self.hospitals:
            operator.register_identity(self.address(name), Role.PARTICIPANT, self.certificate(name), bytes(32))
        self.disks: dict[str, Disk] = {}
        self.tasks = {name: LogisticRegression.load(name) for name in self.hospitals}
        self.initial_model = initial_model(LogisticRegression, self.settings.seed)
        self.aggregator = self.build_aggregator()
        self.participants = {name: self.build_participant(name) for name in self.hospitals}
        self.trustees = {name: self.build_trustee(name) for name in self.trustee_names}

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

    def build_aggregator(self) -> AggregatorNode:
        """Start the aggregator from its disk."""
        disk = self.disk("aggregator")
        inputs = AggregatorInputs(
            manifest=self.manifest,
            task=TaskReference(TASK, task_code_digest(TASK)),
            metrics=LogisticRegression.metrics,
            initial_model=self.initial_model,
            settings=self.settings,
        )
        return AggregatorNode(self.ledger("aggregator"), disk.store, disk.state, inputs, silent)

    def client(self, name: str) -> DirectClient:
        """Return the aggregator as the node called ``name`` reaches it."""
        there = cast(AggregatorNode, AggregatorOfTheMoment(self))
        return DirectClient(there, self.artifacts, self.address(name))

    def build_participant(self, name: str) -> ParticipantNode:
        """Start the participant called ``name`` from its disk."""
        disk = self.disk(name)
        registration = self.ledger(name).identity(self.address(name))
        assert registration is not None
        return ParticipantNode(
            self.ledger(name),
            self.client(name),
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
        share = open_share(self.manifest, index, self.ceremony.sealed_shares[index - 1], sealing_key(name))
        return TrusteeNode(
            self.ledger(name),
            self.client(name),
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
        if name == "aggregator":
            self.aggregator = self.build_aggregator()
        elif name in self.participants:
            self.participants[name] = self.build_participant(name)
        else:
            self.trustees[name] = self.build_trustee(name)

    def step(self) -> bool:
        """Let every node do one turn. Returns whether anything moved."""
        moved = self.aggregator.step()
        for node in (*self.participants.values(), *self.trustees.values()):
            moved = node.step() or moved
        return moved

    def run(self, *, turns: int = 2000, seconds_when_idle: int = 1) -> None:
        """Step until the aggregator is done; when nothing moves, the chain's clock does."""
        for _ in range(turns):
            if self.aggregator.machine.done:
                return
            if not self.step():
                self.chain.advance(seconds_when_idle)
                self.chain.mine()
        raise AssertionError(
            f"not done after {turns} turns: round {self.aggregator.machine.round}, {self.aggregator.machine.state}"
        )

    def models(self) -> list[bytes]:
        """Return the model hash of every finalised round, in order."""
        history = self.aggregator.follower.history
        return [r.finalized.model_hash for _, r in sorted(history.rounds.items()) if r.finalized is not None]
