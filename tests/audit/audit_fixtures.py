"""One player of all roles, who may cheat at every step; a ledger that lies; stores that lose and alter artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, CheckResult, Source, Verdict
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.ceremony import Ceremony
from fedtrust.crypto.decryption_proof import prove_decryption
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import SlotLayout
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.partial_proof import prove_partial
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.signatures import sign_update
from fedtrust.crypto.threshold import combine, partial_roots
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.memory import MemoryChain, MemoryLedger
from fedtrust.ledger.memory_contract import MemoryContract
from fedtrust.ledger.types import (
    ZERO_HASH,
    Address,
    Deadlines,
    PublishedKey,
    Role,
    RoundState,
    bitmap_of,
    members,
)
from fedtrust.protocol.contribution import VectorLayout, encode
from fedtrust.protocol.dispute import square_modulus_bytes
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.payment import payout_record
from fedtrust.protocol.reputation import ReputationHistory
from fedtrust.protocol.result import RoundResult, apply_sum, decryption_statement
from fedtrust.protocol.spec import Algorithm, Beacon, FederationId, Privacy, RoundSpec, TaskReference
from fedtrust.protocol.training import TrainingParameters
from fedtrust.protocol.update import EncryptedUpdate, prepare_update
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import MemoryStore, RemoteStore
from tests.ledger.registered import Member, register_members
from tests.nodes.harness import account, ceremony, key_share, sealing_key

METRICS = ("loss", "accuracy")
REWARD = 10**18


class Clock(Protocol):
    """A chain whose time can be moved."""

    def advance(self, seconds: int) -> None: ...


class Federation(Protocol):
    """What a RoundPlayer needs."""

    chain: Clock
    artifacts: MemoryStore
    ceremony: Ceremony
    manifest: KeyManifest
    hospitals: tuple[str, ...]
    trustee_names: tuple[str, ...]
    initial_model: Model
    quorum: int

    def ledger(self, name: str) -> Ledger: ...

    @staticmethod
    def address(name: str) -> Address: ...


def published_key(manifest: KeyManifest) -> PublishedKey:
    """Return what the operator publishes of a manifest."""
    modulus_hash = keccak256(square_modulus_bytes(manifest.public_key))
    return PublishedKey(manifest.key_id, manifest.threshold, len(manifest.trustees), modulus_hash)


@dataclass
class PlayedFederation:
    """Members registered on an in-memory chain, and no node: a RoundPlayer acts for all of them."""

    chain: MemoryChain
    ceremony: Ceremony
    hospitals: tuple[str, ...]
    trustee_names: tuple[str, ...]
    artifacts: MemoryStore
    initial_model: Model
    quorum: int = 2

    @classmethod
    def make(
        cls, *, participants: int = 4, trustees: int = 5, quorum: int = 2, pool: int = 100 * REWARD, **settings: Any
    ) -> PlayedFederation:
        """Deploy with ``settings`` of the contract and register everybody: also an aggregator called standby."""
        values = {"challenge_window": 0, "round_reward": REWARD, **settings}
        chain = MemoryChain(DeploymentConfig(**values), cls.address("operator"))
        names = tuple(f"hospital-{i}" for i in range(participants))
        holders = tuple(f"trustee-{i}" for i in range(trustees))
        made = cls(chain, ceremony(trustees), names, holders, MemoryStore(), small_model(), quorum)
        made.artifacts.put(made.manifest.to_bytes())
        operator = made.ledger("operator")
        operator.publish_key(published_key(made.manifest))
        operator.fund_rewards(pool, "initial")
        for role, accounts in (
            (Role.AGGREGATOR, ("aggregator", "standby")),
            (Role.TRUSTEE, holders),
            (Role.PARTICIPANT, names),
        ):
            register_members(operator, made.ledger_of, [made.member(name, role) for name in accounts])
        return made

    @property
    def manifest(self) -> KeyManifest:
        return self.ceremony.manifest

    @staticmethod
    def address(name: str) -> Address:
        return Address(account(name).address)

    @staticmethod
    def member(name: str, role: Role) -> Member:
        public = sealing_key(name).public_key().public_bytes_raw() if role is Role.TRUSTEE else None
        return Member(Address(account(name).address), role, f"certificate {name}".encode(), public)

    def ledger_of(self, who: Address) -> MemoryLedger:
        return MemoryLedger(self.chain, who)

    def ledger(self, name: str) -> MemoryLedger:
        return self.ledger_of(self.address(name))


def small_model() -> Model:
    """Return a model of some ciphertexts, made without torch."""
    return Model({"bias": np.zeros(1), "weights": np.linspace(-1, 1, 150)})


class RoundPlayer:
    """Plays one round in the name of everybody, honestly; a subclass overrides the step at which somebody cheats.

    What follows a cheat is recomputed from it, so every hash and every digest fits.
    """

    trustees = 3
    """How many of them attest."""

    aggregator = "aggregator"
    """Who opens the round."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.chain = federation.chain
        self.store: MemoryStore = federation.artifacts
        self.manifest = federation.manifest
        self.key = federation.manifest.public_key
        self.ledger = federation.ledger(self.aggregator)
        self.number = self.ledger.last_round() + 1
        self.names = {federation.address(name): name for name in federation.hospitals}
        self.updates: dict[Address, EncryptedUpdate] = {}
        self.partials: dict[Address, ProvenPartial] = {}
        self.wrong: dict[Address, ProvenPartial] = {}
        self.store.put(self.manifest.to_bytes())

    # where a subclass may cheat

    def select(self, drawn: int) -> int:
        """The bitmap of who is selected; the contract refuses any other than the one drawn."""
        return drawn

    def accept(self, committed: list[Address]) -> list[Address]:
        return committed

    def change_spec(self, spec: RoundSpec) -> RoundSpec:
        """What is put on chain and published; the rest of the round follows it."""
        return spec

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        return update

    def change_aggregate(self, aggregate: CiphertextVector) -> CiphertextVector:
        return aggregate

    def attested_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        """What a trustee attests and hands in; the record blames whoever is in ``wrong``."""
        return proven

    def change_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        """What is published, after the trustee has attested the right one."""
        return proven

    def change_plaintexts(self, plaintexts: tuple[int, ...]) -> tuple[int, ...]:
        return plaintexts

    def change_model(self, model: Model) -> Model:
        return model

    def change_record(self, record: RoundResult) -> RoundResult:
        return record

    # the round

    def play(self) -> None:
        self.open()
        self.commit()
        self.close()
        self.aggregate()
        self.attest()
        self.finalize()
        self.settle()

    def open(self) -> None:
        current = self.ledger.current_model()
        self.base = self.federation.initial_model if current == ZERO_HASH else Model.from_bytes(self.store.get(current))
        self.store.put(self.base.to_bytes())
        draw, now = self.ledger.draw(), self.ledger.now()
        participants = [i for i in self.ledger.identities(Role.PARTICIPANT) if i.retired_at_round == 0]
        holders = {identity.index: identity.account for identity in participants}
        bitmap = self.select(draw.selected)
        self.selected = {holders[index]: index for index in members(bitmap)}
        spec = RoundSpec(
            federation=FederationId(self.ledger.chain_id, self.ledger.contract),
            round=self.number,
            base_model=self.base.digest,
            algorithm=Algorithm("fedavg", 1.0, TrainingParameters(1, 64, 0.1, 0)),
            task=TaskReference("test", bytes(32)),
            layout=VectorLayout(self.base.parameters, METRICS, SlotLayout(16, 10, 64), 8.0, 16.0),
            key_id=self.manifest.key_id,
            privacy=Privacy(8.0),
            payout_rule=self.ledger.config().payout_rule,
            beacon=Beacon(draw.beacon_block, draw.beacon),
            participants=tuple(self.selected),
            quorum=self.federation.quorum,
            deadlines=Deadlines(now + 100, now + 200, now + 300),
        )
        self.spec = self.change_spec(spec)
        self.ledger.open_round(
            self.number,
            spec_hash=self.store.put(self.spec.to_bytes()),
            base_model_hash=spec.base_model,
            selected=bitmap,
            quorum=spec.quorum,
            ciphertexts=spec.layout.ciphertexts(self.key.bits),
            deadlines=spec.deadlines,
        )

    def commit(self, limit: int | None = None) -> None:
        rng = np.random.default_rng(self.number)
        for who, index in list(self.selected.items())[:limit]:
            delta = rng.normal(0, 0.1, self.base.parameters)
            metrics = {"loss": 0.5, "accuracy": 0.75}
            vector = encode(self.spec.layout, delta, examples=50 + index, evaluation_examples=9, metrics=metrics)
            update = self.change_update(who, self.encrypt(vector, who))
            self.updates[who] = update
            self.federation.ledger(self.names[who]).commit_update(
                self.number,
                root=update.message.root,
                ciphertexts=update.message.ciphertexts,
                proof_hash=update.message.proof_hash,
            )

    def encrypt(self, vector: Any, who: Address, signer: str | None = None) -> EncryptedUpdate:
        private = bytes(account(signer or self.names[who]).key)
        federation = self.spec.federation
        return prepare_update(
            self.spec,
            self.key,
            vector,
            who,
            lambda message: sign_update(private, federation.chain_id, federation.contract, message),
            epoch=self.epoch(who),
        )

    def epoch(self, who: Address) -> int:
        identity = self.ledger.identity(who)
        assert identity is not None
        return identity.epoch

    def close(self) -> None:
        self.ledger.close_commits(self.number)

    def aggregate(self) -> None:
        self.accepted = self.accept(list(self.updates))
        product = multiply_vectors(self.key, [self.updates[who].ciphertexts for who in self.accepted])
        self.product = self.change_aggregate(product)
        bits = bitmap_of([self.selected[who] for who in self.accepted])
        self.ledger.commit_aggregate(self.number, accepted=bits, aggregate_root=self.product.root())

    def attest(self) -> None:
        statement = decryption_statement(self.spec, self.product)
        for name in self.active_trustees()[: self.trustees]:
            who = self.federation.address(name)
            index = next(t.index for t in self.manifest.trustees if t.account == who)
            share = key_share(len(self.manifest.trustees), index)
            partial = partial_roots(self.manifest, share, self.product)
            proof = prove_partial(self.manifest, share, self.product, partial, statement)
            right = ProvenPartial(partial, proof)
            sent = self.attested_partial(who, right)
            (self.partials if sent.partial == partial else self.wrong)[who] = sent
            self.federation.ledger(name).attest(self.number, partial_root=sent.partial.root())

    def active_trustees(self) -> list[str]:
        active = {i.account for i in self.ledger.identities(Role.TRUSTEE) if i.active}
        return [name for name in self.federation.trustee_names if self.federation.address(name) in active]

    def finalize(self) -> None:
        put = self.store.put
        opening = combine(self.manifest, self.product, {p.partial.index: p.partial for p in self.partials.values()})
        opening = replace(opening, plaintexts=self.change_plaintexts(opening.plaintexts))
        proof = prove_decryption(self.key, self.product, opening, decryption_statement(self.spec, self.product))
        model, decoded = apply_sum(self.spec, self.key, self.base, opening.plaintexts, len(self.accepted))
        record = RoundResult(
            federation=self.spec.federation,
            round=self.number,
            spec=self.spec.digest,
            base_model=self.base.digest,
            updates={who: put(self.updates[who].to_bytes()) for who in self.accepted},
            aggregate=put(self.product.to_bytes()),
            partials={who: put(self.change_partial(who, p).to_bytes()) for who, p in self.partials.items()},
            wrong_partials={who: put(p.to_bytes()) for who, p in self.wrong.items()},
            plaintexts=put(PlaintextVector(self.key, opening.plaintexts).to_bytes()),
            proof=put(proof.to_bytes()),
            model=put(self.change_model(model).to_bytes()),
            examples=decoded.examples,
            evaluation_examples=decoded.evaluation_examples,
            metrics=decoded.metrics,
        )
        self.ledger.finalize_round(
            self.number,
            plaintext_hash=record.plaintexts,
            proof_hash=record.proof,
            model_hash=record.model,
            result_hash=put(self.change_record(record).to_bytes()),
        )

    def settle(self) -> None:
        self.ledger.settle_round(self.number)
        state = self.ledger.round(self.number)
        record = payout_record(self.ledger.config(), state, ReputationHistory(self.ledger.events()))
        self.store.put(record.to_bytes())


def forge(federation: PlayedFederation, contract: type[MemoryContract]) -> None:
    """Put another contract's rules in the place of the real ones."""
    there = federation.chain._federation
    there.__class__ = contract
    for name, function in list(there._functions.items()):
        there._functions[name] = getattr(there, function.__name__)


class LyingLedger:
    """A chain's reader that changes what it passes on: states and heads by round, events, and whole answers."""

    def __init__(
        self,
        truth: Ledger,
        *,
        states: Mapping[int, Mapping[str, Any]] | None = None,
        events: Callable[[LedgerEvent], LedgerEvent | None] = lambda event: event,
        answers: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        self._truth, self._states, self._change, self._answers = truth, states or {}, events, answers or {}

    def round(self, number: int) -> RoundState:
        return replace(self._truth.round(number), **self._states.get(number, {}))

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        changed = (self._change(event) for event in self._truth.events(from_block))
        return tuple(event for event in changed if event is not None)

    def __getattr__(self, name: str) -> Any:
        answer = getattr(self._truth, name)
        change = self._answers.get(name)
        if change is None:
            return answer
        return (lambda *arguments: change(answer(*arguments))) if callable(answer) else change(answer)


def replaced(store: MemoryStore, changes: Mapping[bytes, bytes | None]) -> RemoteStore:
    """Return ``store`` with some artifacts' bytes changed, or missing (None)."""

    def fetch(digest: bytes) -> bytes | None:
        return changes[digest] if digest in changes else store.get(digest)

    return RemoteStore(fetch, "the test")


def audit(federation: Federation) -> AuditReport:
    return audit_federation(federation.ledger("operator"), federation.artifacts)


def failed(report: AuditReport) -> set[tuple[int | None, str]]:
    """Return round and id of every failed check."""
    return {(result.round, result.check.id) for result in report.failures}


def verdicts(report: AuditReport, round: int | None) -> dict[str, Verdict]:
    """Return the worst verdict by check id of one round."""
    order = (Verdict.PASSED, Verdict.NOT_CHECKED, Verdict.FAILED)
    found: dict[str, Verdict] = {}
    for result in report.results:
        if result.round == round:
            worst = max(order.index(result.verdict), order.index(found.get(result.check.id, Verdict.PASSED)))
            found[result.check.id] = order[worst]
    return found


def result_of(report: AuditReport, round: int | None, check: str) -> CheckResult:
    """Return the first result of a check that did not pass, or else its first."""
    results = [r for r in report.results if r.round == round and r.check.id == check]
    return next((r for r in results if r.verdict is not Verdict.PASSED), results[0])


def artifact_of(report: AuditReport, round: int | None, check: str) -> tuple[str, bytes]:
    """Return kind and digest of the artifact that a check read first."""
    for reading in result_of(report, round, check).read:
        if reading.source is Source.ARTIFACT and reading.digest is not None:
            return reading.name, reading.digest
    raise AssertionError(f"{check} read no artifact")
