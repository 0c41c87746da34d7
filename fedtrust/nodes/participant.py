"""The participant: carries out what its state machine wants, beside its own data."""

from __future__ import annotations

from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.errors import ModelError, RoundError, SpecError, UpdateError
from fedtrust.learning.task import Task
from fedtrust.learning.training import initial_model, local_update
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Identity, Phase
from fedtrust.nodes.client import AggregatorClient
from fedtrust.nodes.loop import NodeLoop
from fedtrust.nodes.report import Reporter
from fedtrust.protocol.contribution import clip_to_norm, encode
from fedtrust.protocol.participant import CommitUpdate, ParticipantCommand, ParticipantMachine, PrepareUpdate
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, RoundSpec
from fedtrust.protocol.training import participant_label
from fedtrust.protocol.update import EncryptedUpdate, prepare_update
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

PREPARED = "update"


class ParticipantNode(NodeLoop[ParticipantCommand]):
    """One participant. See NodeLoop."""

    def __init__(
        self,
        ledger: Ledger,
        client: AggregatorClient,
        store: ArtifactStore,
        state: NodeState,
        manifest: KeyManifest,
        task: Task,
        task_code: bytes,
        private_key: bytes,
        registration: Identity,
        report: Reporter,
        *,
        exponent_bits: int | None = None,
        minimum_quorum: int = MINIMUM_PARTICIPANTS,
    ) -> None:
        """``store`` and ``state`` are our own; ``task_code`` is the sha-256 of the task's source.

        ``exponent_bits`` is the length of our encryption exponents; None for half the key's.
        """
        self._exponent_bits = exponent_bits
        self._client, self._store, self._state = client, store, state
        state.bind(ledger.chain_id, ledger.contract)
        self._manifest, self._task, self._task_code, self._private_key = manifest, task, task_code, private_key
        self._registration = registration
        machine = ParticipantMachine(registration.account, registration.index)
        super().__init__(ledger, machine, report, minimum_quorum=minimum_quorum)

    def carry_out(self, command: ParticipantCommand) -> bool:
        """See NodeLoop."""
        match command:
            case PrepareUpdate():
                if self._state.get(PREPARED, command.round) is None:
                    self._prepare(command)
            case CommitUpdate():
                update = self._prepared(command.round)
                self.ledger.commit_update(
                    command.round,
                    root=update.message.root,
                    ciphertexts=update.message.ciphertexts,
                    proof_hash=update.message.proof_hash,
                )
                self.report("Committed", round=command.round, root=to_hex(update.message.root))
                return False
            case _:
                # only reached after CommitsClosed is on chain: nobody can build on what we show now
                self._client.upload_update(command.round, self._prepared(command.round).to_bytes())
                self.report("Uploaded", round=command.round)
        return True

    def _prepare(self, command: PrepareUpdate) -> None:
        state = self.ledger.round(command.round)
        if state.phase is not Phase.COMMIT:
            raise RoundError(
                f"round {command.round}: the commit phase is over", expected=Phase.COMMIT.name, got=state.phase.name
            )
        key = self._manifest.public_key
        spec = self.verified_spec(state, self._manifest, self._client.artifacts)
        self._verify_task(spec)
        base = self._base_model(spec)
        self.report("Training", round=spec.round)
        update = local_update(self._task, base, spec.algorithm.training, spec.round, training_label(self._registration))
        vector = encode(
            spec.layout,
            clip_to_norm(update.delta, spec.privacy.clip_norm),
            examples=update.examples,
            evaluation_examples=update.evaluation.examples,
            metrics=update.evaluation.metrics,
        )

        def sign(message: UpdateMessage) -> bytes:
            return sign_update(self._private_key, self.ledger.chain_id, self.ledger.contract, message)

        self.report("Encrypting", round=spec.round, ciphertexts=spec.layout.ciphertexts(key.bits))
        prepared = prepare_update(
            spec, key, vector, self._registration.account, sign, exponent_bits=self._exponent_bits
        )
        self._state.put(PREPARED, spec.round, "", self._store.put(prepared.to_bytes()))
        self.report("Encrypted", round=spec.round, ciphertexts=prepared.message.ciphertexts)

    def _verify_task(self, spec: RoundSpec) -> None:
        if spec.task.code != self._task_code:
            raise SpecError(
                f"round {spec.round}: the federation trains another task than ours",
                expected=f"{spec.task.name}, sha-256 {to_hex(spec.task.code)}",
                got=f"sha-256 {to_hex(self._task_code)}",
                advice="install the task's agreed version, or ask the operator which one it is",
            )
        if spec.layout.metrics != self._task.metrics:
            raise SpecError(
                f"round {spec.round}: the metrics are not our task's",
                expected=self._task.metrics,
                got=spec.layout.metrics,
            )

    def _base_model(self, spec: RoundSpec) -> Model:
        base = Model.from_bytes(self._client.artifacts.get(spec.base_model))
        initial_model(self._task, 0).require_schema(base)
        if base.parameters != spec.layout.parameters:
            raise ModelError(
                f"round {spec.round}: the base model does not have the layout's number of parameters",
                expected=spec.layout.parameters,
                got=base.parameters,
            )
        return base

    def _prepared(self, round: int) -> EncryptedUpdate:
        digest = self._state.get(PREPARED, round)
        if digest is None:
            raise UpdateError(
                f"round {round}: this node committed an update that is not on its disk",
                advice="restore the node's folder; the round goes on without this update",
            )
        # our own bytes, but disks fail: read through the same door as anybody's
        key = self._manifest.public_key
        state = self.ledger.round(round)
        return EncryptedUpdate.from_bytes(self._store.get(digest), key, expected_count=state.ciphertexts)


def training_label(registration: Identity) -> str:
    """Return the label that seeds a participant's training."""
    return participant_label(registration.index)
