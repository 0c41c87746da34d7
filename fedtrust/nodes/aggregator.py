"""The aggregator: carries out what its state machine wants, on the chain, the artifact store and its own memory.

It holds its identity and public things only; nothing in here could decrypt anything.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.crypto.decryption_proof import prove_decryption
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.threshold import PartialVector, combine
from fedtrust.errors import (
    CiphertextError,
    ConfigurationError,
    FedtrustError,
    ModelError,
    ProofError,
    RoundError,
    RpcUnreachableError,
    TransactionError,
    UpdateError,
)
from fedtrust.ledger.events import LedgerEvent, RoundSettled
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import ZERO_HASH, Address, Deadlines, Phase, bitmap_of
from fedtrust.nodes.admission import AGGREGATE, PARTIAL, REFUSED, UPDATE, Admission, OpenRoundView
from fedtrust.nodes.follower import ChainFollower
from fedtrust.nodes.product import multiply_updates
from fedtrust.nodes.report import Reporter
from fedtrust.nodes.settings import FederationSettings
from fedtrust.protocol.aggregator import (
    AbortRound,
    AggregatorCommand,
    AggregatorMachine,
    AggregatorPlan,
    CloseCommits,
    CommitAggregate,
    FinalizeRound,
    OpenRound,
    SettleRound,
)
from fedtrust.protocol.machine import Clock, PartialAccepted, UpdateAccepted
from fedtrust.protocol.partial import ProvenPartial, wrong_partials
from fedtrust.protocol.payment import payout_record
from fedtrust.protocol.result import RoundResult, apply_sum, decryption_statement
from fedtrust.protocol.selection import TooFewParticipantsError, draw_participants
from fedtrust.protocol.spec import Algorithm, Beacon, FederationId, Privacy, RoundSpec, TaskReference
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

SPEC, ACCEPTED, RESULT = "spec", "accepted", "result"
MINIMUM_LEAD = 5
"""A stored plan whose commit deadline is nearer than this many seconds is replaced by a new one."""


@dataclass(frozen=True, slots=True)
class AggregatorInputs:
    """What the operator hands the aggregator: the committee's key, the task, the model to start from."""

    manifest: KeyManifest
    task: TaskReference
    metrics: tuple[str, ...]
    initial_model: Model | None
    settings: FederationSettings


class AggregatorNode:
    """One aggregator. ``step`` does one turn of the loop; the service calls ``admission`` from its threads."""

    def __init__(
        self,
        ledger: Ledger,
        store: ArtifactStore,
        state: NodeState,
        inputs: AggregatorInputs,
        report: Reporter,
    ) -> None:
        """Verify the key manifest and compare it with the chain. Raises typed errors on anything that disagrees."""
        self._ledger, self._store, self._state, self._inputs, self._report = ledger, store, state, inputs, report
        state.bind(ledger.chain_id, ledger.contract)
        manifest, settings = inputs.manifest, inputs.settings
        manifest.verify()
        published = ledger.key()
        if published is None or published.key_id != manifest.key_id:
            raise ConfigurationError(
                "the key manifest is not the one published on chain",
                expected=to_hex(published.key_id) if published else "a published key",
                got=to_hex(manifest.key_id),
                advice="use the manifest that the operator published, or publish this one with `fedtrust deploy`",
            )
        store.put(manifest.to_bytes())
        self.admission = Admission(manifest, store, state)
        self.follower = ChainFollower(ledger)
        self.machine = AggregatorMachine(
            AggregatorPlan(
                rounds=settings.rounds,
                threshold=manifest.threshold,
                trustees=len(manifest.trustees),
                upload_margin=settings.upload_margin,
                trustee_grace=settings.trustee_grace,
                max_aborts=settings.max_aborts,
            )
        )
        self._inbox: queue.Queue[UpdateAccepted | PartialAccepted] = queue.Queue()
        self._carried_out: AggregatorCommand | None = None
        self._unusable: set[int] = set()
        self._complaint = ""
        self._events: deque[LedgerEvent] = deque()
        self._readmitted = 0

    # what the service calls, from its threads

    def receive_update(self, round: int, participant: Address, data: bytes) -> bytes:
        """Admit an upload; returns its digest. See Admission.admit_update."""
        digest, event = self.admission.admit_update(round, participant, data)
        self._inbox.put(event)
        return digest

    def receive_partial(self, round: int, trustee: Address, data: bytes) -> bytes:
        """Admit a partial decryption; returns its digest. See Admission.admit_partial."""
        try:
            digest, event = self.admission.admit_partial(round, trustee, data)
        except ProofError as error:
            self._report("PartialRefused", round=round, trustee=trustee, reason=error.diagnostics())
            raise
        self._inbox.put(event)
        return digest

    def uploads(self, round: int) -> dict[str, bytes]:
        """Return the digests of the admitted updates of a round, by account."""
        return self._state.all(UPDATE, round)

    # the loop

    def step(self) -> bool:
        """Take in what is new, carry out what the state wants. Returns whether anything moved."""
        try:
            moved = self._take_in()
        except RpcUnreachableError as error:
            self._wait_for(error)  # nothing is lost: the next turn goes on where this one stopped
            return False
        command = self.machine.command
        if command is not None and command != self._carried_out:
            moved = self._attempt(command) or moved
        for chore in self.machine.chores:
            moved = self._attempt(chore) or moved
        return moved

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Step until the planned rounds are finalised and settled, or ``stop`` is set."""
        while not stop.is_set() and not self.machine.done:
            if not self.step():
                stop.wait(poll_seconds)

    def _take_in(self) -> bool:
        self._events.extend(self.follower.poll())
        moved = bool(self._events)
        while self._events:
            event = self._events[0]
            if isinstance(event, RoundSettled):
                self._store_payouts(event.round)
            self._events.popleft()
            self.machine.handle(event)
            self._report(type(event).__name__, block=event.block, **_summary(event))
        if self.machine.round != self._readmitted:
            self._readmitted = self.machine.round
            # after a restart: what was admitted before the crash counts again
            for account in self._state.all(UPDATE, self.machine.round):
                self.machine.handle(UpdateAccepted(self.machine.round, Address(account)))
            for account in self._state.all(PARTIAL, self.machine.round):
                self.machine.handle(PartialAccepted(self.machine.round, Address(account)))
        if moved:
            self._show_round()
        while not self._inbox.empty():
            moved = True
            accepted = self._inbox.get_nowait()
            self.machine.handle(accepted)
            self._report(type(accepted).__name__, **_summary(accepted))
        self.machine.handle(Clock(self._ledger.now()))
        return moved

    def _show_round(self) -> None:
        history = self.follower.history.rounds.get(self.machine.round)
        if history is None:
            self.admission.show(None)
            return
        self.admission.show(OpenRoundView(self._spec(self.machine.round), history))

    def _attempt(self, command: AggregatorCommand) -> bool:
        try:
            self._carry_out(command)
        except (TransactionError, RpcUnreachableError, TooFewParticipantsError) as error:
            # the chain moved on, or cannot be reached, or too few are registered: look again at the next turn
            self._wait_for(error, command=type(command).__name__, round=command.round)
            return False
        if not isinstance(command, SettleRound):
            self._carried_out = command
        self._complaint = ""
        return True

    def _wait_for(self, error: FedtrustError, **fields: object) -> None:
        if error.message != self._complaint:
            self._complaint = error.message
            self._report("Waiting", **fields, reason=error.diagnostics())

    def _carry_out(self, command: AggregatorCommand) -> None:
        match command:
            case OpenRound():
                self._open(command.round)
            case CloseCommits():
                self._ledger.close_commits(command.round)
            case CommitAggregate():
                self._aggregate(command.round)
            case FinalizeRound():
                self._finalize(command)
            case AbortRound():
                self._ledger.abort_round(command.round)
            case SettleRound():
                self._ledger.settle_round(command.round)

    # the commands

    def _open(self, number: int) -> None:
        planned = self._state.get(SPEC, number)
        spec = None if planned is None else RoundSpec.from_bytes(self._store.get(planned))
        if spec is None or spec.deadlines.commit < self._ledger.now() + MINIMUM_LEAD:
            if planned is not None:
                self._state.forget(SPEC, number)
            spec = self._plan(number)
            self._state.put(SPEC, number, "", self._store.put(spec.to_bytes()))
        selected = [i.index for i in self.follower.history.participants() if i.account in spec.participants]
        self._ledger.open_round(
            number,
            spec_hash=spec.digest,
            base_model_hash=spec.base_model,
            selected=bitmap_of(selected),
            quorum=spec.quorum,
            ciphertexts=spec.layout.ciphertexts(self._inputs.manifest.public_key.bits),
            deadlines=spec.deadlines,
        )

    def _plan(self, number: int) -> RoundSpec:
        history, settings = self.follower.history, self._inputs.settings
        base = self._base_model()
        block = history.beacon_block(number)
        beacon = self._ledger.block_hash(block)
        active = sum(i.active for i in history.participants())
        count = settings.participants_per_round or active
        if active < max(count, settings.quorum):
            raise TooFewParticipantsError(
                f"round {number} cannot open: too few active participants are registered",
                expected=f"at least {max(count, settings.quorum)}",
                got=active,
            )
        candidates = self._ledger.block_number()
        drawn = draw_participants(beacon, number, history.participants(candidates), count)
        now = self._ledger.now()
        return RoundSpec(
            federation=FederationId(self._ledger.chain_id, self._ledger.contract),
            round=number,
            base_model=base.digest,
            algorithm=Algorithm("fedavg", settings.server_learning_rate, settings.training),
            task=self._inputs.task,
            layout=settings.layout(base.parameters, self._inputs.metrics),
            key_id=self._inputs.manifest.key_id,
            privacy=Privacy(settings.clip_norm),
            beacon=Beacon(block, beacon, candidates),
            participants=tuple(i.account for i in drawn),
            quorum=settings.quorum,
            deadlines=Deadlines(
                commit=now + settings.commit_seconds,
                aggregate=now + settings.commit_seconds + settings.aggregate_seconds,
                finalize=now + settings.commit_seconds + settings.aggregate_seconds + settings.finalize_seconds,
            ),
        )

    def _base_model(self) -> Model:
        current = self._ledger.current_model()
        if current != ZERO_HASH:
            return Model.from_bytes(self._store.get(current))
        if self._inputs.initial_model is None:
            raise ModelError(
                "round 1 needs a model to start from", advice="make one with `fedtrust model` and pass --initial-model"
            )
        self._store.put(self._inputs.initial_model.to_bytes())
        return self._inputs.initial_model

    def _aggregate(self, number: int) -> None:
        spec, key = self._spec(number), self._inputs.manifest.public_key
        recorded = self._state.get(ACCEPTED, number)
        uploads = self.uploads(number)
        chosen = recorded.decode().split() if recorded else [a for a in spec.participants if a in uploads]
        self._state.put(ACCEPTED, number, "", " ".join(chosen).encode())
        count = spec.layout.ciphertexts(key.bits)
        product = multiply_updates(self._store, self._state, number, [uploads[a] for a in chosen], key, count)
        self._state.put(AGGREGATE, number, "", self._store.put(product.to_bytes()))
        indices = [i.index for i in self.follower.history.participants() if i.account in chosen]
        self._ledger.commit_aggregate(number, accepted=bitmap_of(indices), aggregate_root=product.root())

    def _finalize(self, command: FinalizeRound) -> None:
        number = command.round
        if number in self._unusable:
            return
        recorded = self._state.get(RESULT, number)
        if recorded is None:
            try:
                recorded = self._compute_result(command)
            except (UpdateError, CiphertextError, ProofError) as error:
                # values outside the layout, or a bad key: nobody can use this sum, the round runs into its deadline
                self._unusable.add(number)
                self._report("SumUnusable", round=number, reason=error.diagnostics())
                return
        result = RoundResult.from_bytes(self._store.get(recorded))
        self._ledger.finalize_round(
            number,
            plaintext_hash=result.plaintexts,
            proof_hash=result.proof,
            model_hash=result.model,
            result_hash=result.digest,
        )

    def _compute_result(self, command: FinalizeRound) -> bytes:
        number, manifest = command.round, self._inputs.manifest
        spec, key = self._spec(number), manifest.public_key
        aggregate_digest = self._state.get(AGGREGATE, number)
        if aggregate_digest is None:
            raise RoundError(f"round {number}: this node did not compute the aggregate", advice="restore its state")
        aggregate = CiphertextVector.from_bytes(self._store.get(aggregate_digest), key)
        digests = {Address(a): d for a, d in self._state.all(PARTIAL, number).items() if a in command.trustees}
        partials = {a: ProvenPartial.from_bytes(self._store.get(d), key).partial for a, d in digests.items()}
        self._report("Opening", round=number, ciphertexts=len(aggregate))
        opening = combine(manifest, aggregate, {p.index: p for p in partials.values()})
        statement = decryption_statement(spec, aggregate)
        proof = prove_decryption(key, aggregate, opening, statement)
        accepted = (self._state.get(ACCEPTED, number) or b"").decode().split()
        base = Model.from_bytes(self._store.get(spec.base_model))
        model, decoded = apply_sum(spec, key, base, opening.plaintexts, len(accepted))
        uploads = self.uploads(number)
        result = RoundResult(
            federation=spec.federation,
            round=number,
            spec=spec.digest,
            base_model=spec.base_model,
            updates={Address(a): uploads[a] for a in accepted},
            aggregate=aggregate_digest,
            partials=digests,
            wrong_partials=self._blamed(number, partials),
            plaintexts=self._store.put(PlaintextVector(key, opening.plaintexts).to_bytes()),
            proof=self._store.put(proof.to_bytes()),
            model=self._store.put(model.to_bytes()),
            examples=decoded.examples,
            evaluation_examples=decoded.evaluation_examples,
            metrics=decoded.metrics,
        )
        digest = self._store.put(result.to_bytes())
        self._state.put(RESULT, number, "", digest)
        self._report("RoundResult", round=number, examples=decoded.examples, **decoded.metrics)
        return digest

    def _blamed(self, number: int, partials: Mapping[Address, PartialVector]) -> dict[Address, bytes]:
        """Return the refused partials that the proven ones show to be wrong; the others are nobody's guilt."""
        refused = {Address(a): d for a, d in self._state.all(REFUSED, number).items() if a not in partials}
        key = self._inputs.manifest.public_key
        read = {a: ProvenPartial.from_bytes(self._store.get(d), key).partial for a, d in refused.items()}
        blamed = {a: refused[a] for a in wrong_partials(self._inputs.manifest, partials, read)}
        for account, digest in blamed.items():
            self._report("WrongPartial", round=number, trustee=account, evidence=to_hex(digest))
        return blamed

    def _store_payouts(self, number: int) -> None:
        state = self._ledger.round(number)
        if state.phase is Phase.SETTLED:
            record = payout_record(self._ledger.config(), state, self.follower.history.identities())
            self._store.put(record.to_bytes())

    def _spec(self, number: int) -> RoundSpec:
        opened = self.follower.history.rounds[number].opened
        return RoundSpec.from_bytes(self._store.get(opened.spec_hash))


def _summary(event: object) -> dict[str, object]:
    names = ("round", "account", "role", "participant", "trustee", "reason", "amount")
    found = {name: getattr(event, name) for name in names if hasattr(event, name)}
    return {name: getattr(value, "name", value) for name, value in found.items()}
