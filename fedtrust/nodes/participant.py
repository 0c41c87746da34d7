"""The participant: carries out what its state machine wants, beside its own data."""

from __future__ import annotations

from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.signatures import ReceiptMessage, UpdateMessage, sign_update
from fedtrust.errors import ModelError, ProofError, RoundError, SpecError, UpdateError
from fedtrust.learning.task import Task
from fedtrust.learning.training import initial_model, local_update
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Identity, Phase
from fedtrust.nodes.client import AggregatorDirectory
from fedtrust.nodes.loop import NodeLoop
from fedtrust.nodes.report import Reporter
from fedtrust.protocol.contribution import clip_to_norm, encode
from fedtrust.protocol.history import RoundHistory
from fedtrust.protocol.participant import CommitUpdate, ParticipantCommand, ParticipantMachine, PrepareUpdate
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, FederationId, RoundSpec
from fedtrust.protocol.training import participant_label
from fedtrust.protocol.update import EncryptedUpdate, prepare_update, signed_in_epoch
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import ArtifactReader, ArtifactStore
from fedtrust.store.state import NodeState

PREPARED, RECEIPT = "update", "receipt"
"""In a node's state: the digest of our update of a round, and of the receipt for it by the aggregator that gave it."""


class ParticipantNode(NodeLoop[ParticipantCommand]):
    """One participant. See NodeLoop."""

    def __init__(
        self,
        ledger: Ledger,
        aggregators: AggregatorDirectory,
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
        self._store, self._state = store, state
        state.bind(ledger.chain_id, ledger.contract)
        self._manifest, self._task, self._task_code, self._private_key = manifest, task, task_code, private_key
        self._registration = registration
        machine = ParticipantMachine(registration.account, registration.index)
        super().__init__(ledger, machine, aggregators, report, minimum_quorum=minimum_quorum)

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
                self._upload(command.round)
        return True

    def _prepare(self, command: PrepareUpdate) -> None:
        state = self.ledger.round(command.round)
        if state.phase is not Phase.COMMIT:
            raise RoundError(
                f"round {command.round}: the commit phase is over", expected=Phase.COMMIT.name, got=state.phase.name
            )
        key = self._manifest.public_key
        artifacts = self.client(command.round).artifacts
        spec = self.verified_spec(command.round, self._manifest, artifacts)
        if self._registration.account not in spec.participants:
            raise SpecError(
                f"round {spec.round}: another account held our place when the round was opened",
                expected=self._registration.account,
                got=list(spec.participants),
                advice="nothing to do: the next round is open to this account",
            )
        self._verify_task(spec)
        base = self._base_model(spec, artifacts)
        self.report("Training", round=spec.round)
        update = local_update(self._task, base, spec.algorithm.training, spec.round, training_label(self._registration))
        vector = encode(
            spec.layout,
            clip_to_norm(update.delta, spec.privacy.clip_norm),
            examples=update.examples,
            evaluation_examples=update.evaluation.examples,
            metrics=update.evaluation.metrics,
        )

        self.report("Encrypting", round=spec.round, ciphertexts=spec.layout.ciphertexts(key.bits))
        prepared = prepare_update(
            spec,
            key,
            vector,
            self._registration.account,
            self._sign,
            epoch=self._epoch(),
            exponent_bits=self._exponent_bits,
        )
        self._state.put(PREPARED, spec.round, "", self._store.put(prepared.to_bytes()))
        self.report("Encrypted", round=spec.round, ciphertexts=prepared.message.ciphertexts)

    def _upload(self, round: int) -> None:
        seen = self.follower.history.rounds[round]
        committed = seen.commitments[self._registration.account]
        # a rotation between signing and committing asks for another signature of the same content
        update = signed_in_epoch(self._prepared(round), committed.epoch, self._sign)
        receipt = self.client(round).upload_update(round, update.to_bytes())
        self._keep_receipt(receipt, update, seen)
        self.report("Uploaded", round=round, receipt=to_hex(receipt.digest))

    def _keep_receipt(self, receipt: Receipt, update: EncryptedUpdate, seen: RoundHistory) -> None:
        """Check that the aggregator bound itself to our update, and keep its word: it is evidence if it breaks it."""
        aggregator = self.follower.history.registry.identity(seen.aggregator)
        epoch = receipt.message.epoch
        expected = Receipt(
            federation=FederationId(self.ledger.chain_id, self.ledger.contract),
            aggregator=seen.aggregator,
            message=ReceiptMessage(
                round=update.message.round,
                spec_hash=update.message.spec_hash,
                epoch=epoch,
                participant=update.participant,
                root=update.message.root,
            ),
            signature=receipt.signature,
        )
        if receipt != expected or aggregator is None or not 1 <= epoch <= aggregator.epoch:
            raise ProofError(
                f"round {update.message.round}: the aggregator's receipt is for something else than our update",
                expected=expected.to_bytes().decode(),
                got=receipt.to_bytes().decode(),
                advice="without a receipt nobody can prove that the update was left out; watch this aggregator",
            )
        receipt.verify()
        digest = self._store.put(receipt.to_bytes())
        if self._state.get(RECEIPT, update.message.round, seen.aggregator) is None:
            self._state.put(RECEIPT, update.message.round, seen.aggregator, digest)

    def _sign(self, message: UpdateMessage) -> bytes:
        return sign_update(self._private_key, self.ledger.chain_id, self.ledger.contract, message)

    def _epoch(self) -> int:
        own = self.follower.history.registry.identity(self._registration.account)
        return self._registration.epoch if own is None else own.epoch

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

    def _base_model(self, spec: RoundSpec, artifacts: ArtifactReader) -> Model:
        base = Model.from_bytes(artifacts.get(spec.base_model))
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
