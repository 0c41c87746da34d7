"""The loop that participants and trustees share: events in, the state's command out, refusals and retries between."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import (
    ArtifactError,
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
from fedtrust.ledger.types import RoundState
from fedtrust.nodes.client import TryLaterError
from fedtrust.nodes.follower import ChainFollower
from fedtrust.nodes.report import Reporter
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
        self, ledger: Ledger, machine: Machine[Command], report: Reporter, *, minimum_quorum: int = MINIMUM_PARTICIPANTS
    ) -> None:
        """Start before the contract's first event; a restarted node replays them all.

        Rounds whose quorum is below ``minimum_quorum`` are refused.
        """
        self._minimum_quorum = minimum_quorum
        self.ledger, self.machine, self.report = ledger, machine, report
        self.follower = ChainFollower(ledger)
        self.refusal: FedtrustError | None = None
        self._sent: Command | None = None
        self._complaint = ""

    @abstractmethod
    def carry_out(self, command: Command) -> bool:
        """Do what ``command`` says. Returns False if the chain's own event will say that it is done."""

    def step(self) -> bool:
        """Take in what is new, carry out what the state wants. Returns whether anything moved."""
        try:
            events = self.follower.poll()
        except RpcUnreachableError as error:
            self._wait_for(error)  # nothing is lost: the next turn asks from the same block on
            return False
        for event in events:
            self.machine.handle(event)
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

    def verified_spec(self, state: RoundState, manifest: KeyManifest, artifacts: ArtifactReader) -> RoundSpec:
        """Fetch the spec of a round and check it against the chain. Raises ArtifactError, EncodingError, SpecError."""
        spec = RoundSpec.from_bytes(artifacts.get(state.spec_hash))
        federation = FederationId(self.ledger.chain_id, self.ledger.contract)
        verify_quorum(spec, self._minimum_quorum)
        verify_spec(spec, state, federation, key_id=manifest.key_id, key_bits=manifest.public_key.bits)
        verify_selection(spec, self.follower.history, self.ledger.block_hash(spec.beacon.block))
        return spec

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Step until ``stop`` is set."""
        while not stop.is_set():
            if not self.step():
                stop.wait(poll_seconds)
