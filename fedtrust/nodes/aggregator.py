"""The aggregator: carries out what its state machine wants, on the chain, the artifact store and its own memory.

It holds its identity and public things only; nothing in here could decrypt anything.
"""

from __future__ import annotations

import queue
import threading
from collections import deque

from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.merkle import merkle_path
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.signatures import ReceiptMessage, sign_receipt
from fedtrust.errors import (
    ArtifactError,
    CertificateMismatchError,
    CiphertextError,
    EncodingError,
    FedtrustError,
    ModelError,
    PeerRefusedError,
    PeerUnreachableError,
    ProofError,
    RoundError,
    RpcUnreachableError,
    TransactionError,
    UpdateError,
)
from fedtrust.ledger.events import AvailabilityChallenged, LedgerEvent, RoundSettled
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import ZERO_ADDRESS, ZERO_HASH, Address, Draw, Role, members
from fedtrust.nodes.admission import ACCEPTED, AGGREGATE, PARTIAL, REFUSED, UPDATE, Admission, OpenRoundView
from fedtrust.nodes.client import AggregatorDirectory
from fedtrust.nodes.follower import ChainFollower
from fedtrust.nodes.mirror import Mirror, NotCopiedError
from fedtrust.nodes.outcome import OutcomeInputs, compute_outcome
from fedtrust.nodes.planning import AggregatorInputs, plan_round, require_published
from fedtrust.nodes.product import multiply_updates
from fedtrust.nodes.report import Reporter
from fedtrust.nodes.standing import require_in_force
from fedtrust.protocol.aggregator import (
    AbortRound,
    AggregatorChore,
    AggregatorCommand,
    AggregatorMachine,
    AggregatorPlan,
    CloseCommits,
    CommitAggregate,
    FinalizeRound,
    OpenRound,
    Reveal,
    SettleRound,
    TakeOver,
    VoidDescendant,
)
from fedtrust.protocol.machine import Clock, PartialAccepted, UpdateAccepted
from fedtrust.protocol.payment import payout_record
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.reputation import ReputationHistory
from fedtrust.protocol.result import RoundResult
from fedtrust.protocol.selection import TooFewParticipantsError
from fedtrust.protocol.spec import Beacon, FederationId, RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

__all__ = ["AggregatorInputs", "AggregatorNode"]

SPEC, RESULT = "spec", "result"
MINIMUM_LEAD = 5
"""A stored plan whose commit deadline is nearer than this many seconds is replaced by a new one."""


class AggregatorNode:
    """One aggregator. ``step`` does one turn of the loop; the service calls ``admission`` from its threads."""

    def __init__(
        self,
        ledger: Ledger,
        store: ArtifactStore,
        state: NodeState,
        inputs: AggregatorInputs,
        report: Reporter,
        *,
        private_key: bytes,
        standby: bool = False,
        peers: AggregatorDirectory | None = None,
    ) -> None:
        """Verify the key manifest and compare it with the chain. Raises typed errors on anything that disagrees.

        ``private_key`` is our account's: it signs receipts. A ``standby`` acts where another aggregator did not in
        time. ``peers`` are the other aggregators: what their rounds made is copied from them, so that the federation
        can go on without them.
        """
        self._ledger, self._store, self._state, self._inputs, self._report = ledger, store, state, inputs, report
        self._private_key, self._config = private_key, ledger.config()
        state.bind(ledger.chain_id, ledger.contract)
        manifest, settings = inputs.manifest, inputs.settings
        manifest.verify()
        require_published(manifest, ledger.key())
        settings.require_allowed(self._config)
        store.put(manifest.to_bytes())
        if inputs.initial_model is not None:
            store.put(inputs.initial_model.to_bytes())
        self.admission = Admission(manifest, store, state)
        self.follower = ChainFollower(ledger)
        self.machine = AggregatorMachine(
            ledger.account,
            AggregatorPlan(
                rounds=settings.rounds,
                threshold=manifest.threshold,
                trustees=len(manifest.trustees),
                upload_margin=settings.upload_margin,
                trustee_grace=settings.trustee_grace,
                max_aborts=settings.max_aborts,
                standby=standby,
                standby_seconds=self._config.standby_seconds,
                challenge_window=self._config.challenge_window,
            ),
            deployed_block=self._config.deployed_block,
        )
        self._mirror = None if peers is None else Mirror(store, peers)
        self._reputations = ReputationHistory()
        self._inbox: queue.Queue[UpdateAccepted | PartialAccepted] = queue.Queue()
        self._carried_out: AggregatorCommand | None = None
        self._unusable: set[int] = set()
        self._reputations_at = (-1, -1)
        self._complaints: dict[str, str] = {}
        self._not_revealed: set[int] = set()
        self._events: deque[LedgerEvent] = deque()
        self._readmitted = 0

    # what the service calls, from its threads

    def receive_update(self, round: int, participant: Address, data: bytes) -> Receipt:
        """Admit an upload; returns our receipt for it, by which we are bound. See Admission.admit_update."""
        _, event = self.admission.admit_update(round, participant, data)
        self._inbox.put(event)
        history = self.follower.history
        own, seen = history.registry.identity(self._ledger.account), history.rounds[round]
        message = ReceiptMessage(
            round=round,
            spec_hash=seen.opened.spec_hash,
            epoch=1 if own is None else own.epoch,
            participant=participant,
            root=seen.commitments[participant].root,
        )
        federation = FederationId(self._ledger.chain_id, self._ledger.contract)
        signature = sign_receipt(self._private_key, federation.chain_id, federation.contract, message)
        return Receipt(federation, self._ledger.account, message, signature)

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

    def aggregate(self, round: int) -> bytes | None:
        """Return the digest of the product that we committed in a round."""
        return self._state.get(AGGREGATE, round)

    # the loop

    def step(self) -> bool:
        """Take in what is new, carry out what the state wants. Returns whether anything moved.

        Raises IdentityError when our own identity is out of force.
        """
        try:
            moved = self._take_in()
        except RpcUnreachableError as error:
            self._wait_for(error)  # nothing is lost: the next turn goes on where this one stopped
            return False
        own = self.follower.history.registry.identity(self._ledger.account)
        if own is not None:
            require_in_force(own)
        moved = self._copy_from_peers() or moved
        command = self.machine.command
        if command is not None and command != self._carried_out and self._attempt(command):
            self._carried_out, moved = command, True
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
                self._store_payouts(event)
            elif self._reputations_at < (event.block, event.log_index):
                self._reputations.fold(event)
                self._reputations_at = (event.block, event.log_index)
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
        if history is None or history.aggregator != self._ledger.account:
            self.admission.show(None)
            return
        self.admission.show(OpenRoundView(self._spec(self.machine.round), history))

    def _copy_from_peers(self) -> bool:
        if self._mirror is None:
            return False
        try:
            copied = self._mirror.copy_one(self.follower.history, self._ledger.account)
        except (
            PeerUnreachableError,
            CertificateMismatchError,
            PeerRefusedError,
            ArtifactError,
            EncodingError,
        ) as error:
            self._wait_for(error, "copy")  # it may be there at the next turn
            return False
        self._complaints.pop("copy", None)
        return copied

    def _attempt(self, command: AggregatorCommand | AggregatorChore) -> bool:
        try:
            self._carry_out(command)
        except (TransactionError, RpcUnreachableError, TooFewParticipantsError, NotCopiedError) as error:
            # the chain moved on, or cannot be reached, or too few are registered: look again at the next turn
            self._wait_for(error, type(command).__name__, round=command.round)
            return False
        self._complaints.pop(type(command).__name__, None)
        return True

    def _wait_for(self, error: FedtrustError, command: str = "", **fields: object) -> None:
        """Report why ``command`` (or the whole turn) waits, once per reason."""
        if self._complaints.get(command) != error.message:
            self._complaints[command] = error.message
            named = {"command": command} if command else {}
            self._report("Waiting", **named, **fields, reason=error.diagnostics())

    def _carry_out(self, command: AggregatorCommand | AggregatorChore) -> None:
        match command:
            case OpenRound():
                self._open(command.round)
            case CloseCommits():
                self._ledger.close_commits(command.round)
            case TakeOver():
                self._spec(command.round)  # without it we could not run the round
                self._ledger.take_over(command.round)
            case CommitAggregate():
                self._aggregate(command.round)
            case FinalizeRound():
                self._finalize(command)
            case AbortRound():
                self._ledger.abort_round(command.round)
            case SettleRound():
                self._ledger.settle_round(command.round)
            case VoidDescendant():
                self._ledger.void_descendant(command.round)
            case Reveal():
                self._reveal(command)

    # the commands

    def _open(self, number: int) -> None:
        draw = self._ledger.draw()
        planned = self._state.get(SPEC, number)
        spec = None if planned is None else RoundSpec.from_bytes(self._store.get(planned))
        if spec is None or not self._still_good(spec, draw):
            if planned is not None:
                self._state.forget(SPEC, number)
            spec = self._plan(number, draw)
            self._state.put(SPEC, number, "", self._store.put(spec.to_bytes()))
        self._ledger.open_round(
            number,
            spec_hash=spec.digest,
            base_model_hash=spec.base_model,
            selected=draw.selected,
            quorum=spec.quorum,
            ciphertexts=spec.layout.ciphertexts(self._inputs.manifest.public_key.bits),
            deadlines=spec.deadlines,
        )

    def _still_good(self, spec: RoundSpec, draw: Draw) -> bool:
        """Whether a round that was planned before a crash, or before a refusal, can still be opened as it is."""
        model = self._ledger.current_model()
        return (
            spec.deadlines.commit >= self._ledger.now() + MINIMUM_LEAD
            and spec.beacon == Beacon(draw.beacon_block, draw.beacon)
            and spec.participants == self._drawn(draw)
            and model in (ZERO_HASH, spec.base_model)
        )

    def _drawn(self, draw: Draw) -> tuple[Address, ...]:
        holders = (self.follower.history.registry.holder(Role.PARTICIPANT, i) for i in members(draw.selected))
        return tuple(account for account in holders if account is not None)

    def _plan(self, number: int, draw: Draw) -> RoundSpec:
        settings, participants = self._inputs.settings, self._drawn(draw)
        base = self._base_model()
        if len(participants) < settings.quorum or len(participants) != draw.selected.bit_count():
            raise TooFewParticipantsError(
                f"round {number} cannot open: too few participants can be drawn",
                expected=f"at least {settings.quorum}",
                got=len(participants),
                advice="more have to register; who is suspended can run `fedtrust resume`",
            )
        return plan_round(
            FederationId(self._ledger.chain_id, self._ledger.contract),
            number,
            base,
            self._inputs,
            Beacon(draw.beacon_block, draw.beacon),
            participants,
            self._config.payout_rule,
            self._ledger.now(),
        )

    def _base_model(self) -> Model:
        current = self._ledger.current_model()
        if current != ZERO_HASH:
            return Model.from_bytes(self._copied(current, self.follower.history.model_round, "model"))
        if self._inputs.initial_model is None:
            raise ModelError(
                "round 1 needs a model to start from", advice="make one with `fedtrust model` and pass --initial-model"
            )
        return self._inputs.initial_model

    def _copied(self, digest: bytes, number: int, what: str) -> bytes:
        """Return what another aggregator may have made; raises NotCopiedError while we wait for a copy of it."""
        seen = self.follower.history.rounds.get(number)
        if seen is not None and self._mirror is not None and not self._store.has(digest):
            raise NotCopiedError(
                f"the {what} of round {number} is not here yet",
                expected=to_hex(digest),
                got=f"no copy from {seen.aggregator}",
                advice="it is copied when its aggregator answers; name its address with --peer",
            )
        return self._store.get(digest)

    def _aggregate(self, number: int) -> None:
        spec, key = self._spec(number), self._inputs.manifest.public_key
        if self._ledger.now() > self.follower.history.rounds[number].deadlines.aggregate:
            return  # too late; the machine goes on when the clock says so
        chosen = self.admission.close(number, spec.participants)
        uploads = self.uploads(number)
        count = spec.layout.ciphertexts(key.bits)
        product = multiply_updates(self._store, self._state, number, [uploads[a] for a in chosen], key, count)
        self._state.put(AGGREGATE, number, "", self._store.put(product.to_bytes()))
        accepted = self.follower.history.rounds[number].bitmap(chosen)
        self._ledger.commit_aggregate(number, accepted=accepted, aggregate_root=product.root())

    def _reveal(self, command: Reveal) -> None:
        """Show what an availability dispute demands: who does not loses its stake."""
        demanded = self.machine.history.disputes[command.dispute].opened
        if not isinstance(demanded, AvailabilityChallenged):
            return
        key, number = self._inputs.manifest.public_key, command.round
        if demanded.participant == ZERO_ADDRESS:
            digest = self._state.get(AGGREGATE, number)
        else:
            digest = self._state.get(UPDATE, number, demanded.participant)
        if digest is None:
            if command.dispute not in self._not_revealed:
                self._not_revealed.add(command.dispute)
                self._report("CannotReveal", round=number, dispute=command.dispute)
            return
        data = self._store.get(digest)
        if demanded.participant == ZERO_ADDRESS:
            vector = CiphertextVector.from_bytes(data, key)
        else:
            count = self.follower.history.rounds[number].opened.ciphertexts
            vector = EncryptedUpdate.from_bytes(data, key, expected_count=count).ciphertexts
        leaves = vector.leaves()
        self._ledger.reveal(command.dispute, ciphertext=leaves[demanded.leaf], path=merkle_path(leaves, demanded.leaf))
        self._report("Revealed", round=number, dispute=command.dispute, leaf=demanded.leaf)

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
        number = command.round
        aggregate = self._state.get(AGGREGATE, number)
        if aggregate is None:
            raise RoundError(f"round {number}: this node did not compute the aggregate", advice="restore its state")
        accepted = (self._state.get(ACCEPTED, number) or b"").decode().split()
        uploads = self.uploads(number)
        partials = self._state.all(PARTIAL, number)
        inputs = OutcomeInputs(
            spec=self._spec(number),
            aggregate=aggregate,
            updates={Address(a): uploads[a] for a in accepted},
            partials={Address(a): d for a, d in partials.items() if a in command.trustees},
            refused={Address(a): d for a, d in self._state.all(REFUSED, number).items()},
        )
        digest = compute_outcome(self._inputs.manifest, self._store, inputs, self._report)
        self._state.put(RESULT, number, "", digest)
        return digest

    def _store_payouts(self, event: RoundSettled) -> None:
        state = self._ledger.round(event.round)  # before anything is folded: a chain out of reach leaves all as it was
        if self._reputations_at < (event.block, event.log_index):
            self._reputations.fold(event)
            self._reputations_at = (event.block, event.log_index)
        self._store.put(payout_record(self._config, state, self._reputations).to_bytes())

    def _spec(self, number: int) -> RoundSpec:
        opened = self.follower.history.rounds[number].opened
        return RoundSpec.from_bytes(self._copied(opened.spec_hash, number, "spec"))


def _summary(event: object) -> dict[str, object]:
    names = (
        "round",
        "account",
        "role",
        "participant",
        "trustee",
        "aggregator",
        "reason",
        "amount",
        "dispute",
        "outcome",
    )
    found = {name: getattr(event, name) for name in names if hasattr(event, name)}
    return {name: getattr(value, "name", value) for name, value in found.items()}
