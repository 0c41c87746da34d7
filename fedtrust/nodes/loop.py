"""The loop that participants and trustees share: events in, the state's command out, refusals and retries between."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from fedtrust.crypto.manifest import KeyManifest
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
    SpecError,
    TransactionError,
    UpdateError,
)
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.interface import Ledger
from fedtrust.nodes.client import AggregatorClient, AggregatorDirectory, TryLaterError
from fedtrust.nodes.follower import ChainFollower
from fedtrust.nodes.report import Reporter
from fedtrust.nodes.standing import require_in_force
from fedtrust.protocol.machine import StepDone, StepRefused
from fedtrust.protocol.selection import verify_selection
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, FederationId, RoundSpec, verify_quorum, verify_spec
from fedtrust.store.artifacts import ArtifactReader

POLL_SECONDS = 0.2
"""How long a node that has nothing to do waits before it looks at the chain again."""

TRANSIENT = (PeerUnreachableError, TryLaterError, RpcUnreachableError, TransactionError)
"""What another try may mend; the chain says when it is too late."""

REFUSALS = (
    PeerRefusedError,
    SpecError,
    ModelError,
    UpdateError,
    ArtifactError,
    EncodingError,
    CiphertextError,
    ProofError,
    RoundError,
    CertificateMismatchError,
)
"""What makes a node sit a round out: a cheat costs at most the round it happens in. Anything else ends the node."""


class RoundCommand(Protocol):
    """A command of a state machine: it is for one round."""

    @property
    def round(self) -> int:
        """The round."""


Command = TypeVar("Command", bound=RoundCommand)


class Machine(Protocol[Command]):  # type: ignore[misc]  # Command only ever leaves a machine
    """A state machine of ``protocol``, as the loop drives it."""

    @property
    def command(self) -> Command | None:
        """What the present state wants done."""

    def handle(self, event: LedgerEvent | StepDone | StepRefused, /) -> None:
        """Fold one event."""


class NodeLoop(ABC, Generic[Command]):
    """A node around a machine. ``refusal`` is why it last sat a round out, if it ever did."""

    def __init__(
        self,
        ledger: Ledger,
        machine: Machine[Command],
        aggregators: AggregatorDirectory,
        report: Reporter,
        *,
        minimum_quorum: int = MINIMUM_PARTICIPANTS,
    ) -> None:
        """Start before the contract's first event; a restarted node replays them all.

        Rounds whose quorum is below ``minimum_quorum`` are refused.
        """
        self._minimum_quorum = minimum_quorum
        self.ledger, self.machine, self.report = ledger, machine, report
        self._aggregators, self._config = aggregators, ledger.config()
        self.follower = ChainFollower(ledger)
        self.refusal: FedtrustError | None = None
        self._sent: Command | None = None
        self._complaint = ""

    @abstractmethod
    def carry_out(self, command: Command) -> bool:
        """Do what ``command`` says. Returns False if the chain's own event will say that it is done."""

    def step(self) -> bool:
        """Take in what is new, carry out what the state wants. Returns whether anything moved.

        Raises IdentityError when our own identity is out of force: there is nothing left to do.
        """
        try:
            events = self.follower.poll()
        except RpcUnreachableError as error:
            self._wait_for(error)  # nothing is lost: the next turn asks from the same block on
            return False
        for event in events:
            self.machine.handle(event)
        own = self.follower.history.registry.identity(self.ledger.account)
        if own is not None:
            require_in_force(own)
        command = self.machine.command
        if command is None or command == self._sent:
            return bool(events)
        try:
            done = self.carry_out(command)
        except TRANSIENT as error:
            self._wait_for(error, round=command.round)
            return bool(events)
        except REFUSALS as error:
            self.refusal = error
            self.machine.handle(StepRefused(command.round, error.message))
            self.report("SittingOut", round=command.round, reason=error.diagnostics())
            return True
        self._complaint = ""
        if done:
            self.machine.handle(StepDone(command.round))
        else:
            self._sent = command
        return True

    def _wait_for(self, error: FedtrustError, **fields: object) -> None:
        if error.message != self._complaint:
            self._complaint = error.message
            self.report("Waiting", **fields, reason=error.diagnostics())

    def client(self, round: int) -> AggregatorClient:
        """Return the aggregator that runs ``round`` now. Raises PeerUnreachableError or CertificateMismatchError."""
        return self._aggregators.client(self.follower.history.rounds[round].aggregator)

    def verified_spec(self, round: int, manifest: KeyManifest, artifacts: ArtifactReader) -> RoundSpec:
        """Fetch the spec of a round and check it against the chain. Raises ArtifactError, EncodingError, SpecError."""
        history, config = self.follower.history, self._config
        opened = history.rounds[round].opened
        spec = RoundSpec.from_bytes(artifacts.get(opened.spec_hash))
        verify_quorum(spec, self._minimum_quorum)
        verify_spec(
            spec,
            opened,
            FederationId(self.ledger.chain_id, self.ledger.contract),
            key_id=manifest.key_id,
            key_bits=manifest.public_key.bits,
            payout_rule=config.payout_rule,
        )
        beacon = self.ledger.block_hash(history.beacon_block(round))
        verify_selection(spec, history, beacon, config.participants_per_round)
        return spec

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Step until ``stop`` is set."""
        while not stop.is_set():
            if not self.step():
                stop.wait(poll_seconds)
