"""A federation whose nodes are killed: around every durable act, or after every step. Deterministic, in one process.

A kill is an exception that no code catches, thrown just before or just after a write to the chain, to a node's store,
to its memory, or a request to the aggregator. The node is then built again from its disk, like a new process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedtrust.errors import PeerUnreachableError
from fedtrust.nodes.aggregator import AggregatorNode
from fedtrust.nodes.direct import DirectClient
from fedtrust.nodes.participant import ParticipantNode
from fedtrust.nodes.trustee import TrusteeNode
from tests.nodes.harness import Disk, InProcessFederation

DURABLE = {
    "ledger": (
        "open_round",
        "commit_update",
        "close_commits",
        "take_over",
        "commit_aggregate",
        "attest",
        "finalize_round",
        "abort_round",
        "settle_round",
        "void_descendant",
        "reveal",
    ),
    "store": ("put",),
    "state": ("put", "forget", "bind"),
    "client": ("upload_update", "upload_partial"),
}

Point = tuple[str, ...]
"""Where a node can be killed: who, in which round and state, before or after what, for which time in this step."""


class Killed(BaseException):
    """The node called ``owner`` is gone; no handler of errors may hold on to it."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class Fragile:
    """Hands every call on to ``target``; asks ``gate`` before and after the durable ones."""

    def __init__(self, target: object, durable: tuple[str, ...], gate: Callable[[str], None], what: str) -> None:
        self._target, self._durable, self._gate, self._what = target, durable, gate, what

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in self._durable:
            return found

        def guarded(*arguments: Any, **named: Any) -> Any:
            self._gate(f"before {self._what}.{name}")
            result = found(*arguments, **named)
            self._gate(f"after {self._what}.{name}")
            return result

        return guarded


class KillingFederation(InProcessFederation):
    """Kills ``victims`` at every point where ``kills`` says so, the first time that point is reached."""

    def __init__(self, victims: Callable[[str], bool], kills: Callable[[Point], bool], **settings: Any) -> None:
        self._victims, self._kills = victims, kills
        self._armed = False
        self._acting: dict[str, int] = {}
        self.reached: list[Point] = []
        self._disks: dict[str, Disk] = {}
        super().__init__(**settings)
        self._armed = True

    def node(self, name: str) -> AggregatorNode | ParticipantNode | TrusteeNode:
        if name in self.aggregators:
            return self.aggregators[name]
        return self.participants[name] if name in self.participants else self.trustees[name]

    def _gate(self, owner: str) -> Callable[[str], None]:
        def gate(act: str) -> None:
            if not self._armed or not self._victims(owner):
                return
            machine = self.node(owner).machine
            self._acting[act] = self._acting.get(act, 0) + 1
            point = (owner, str(machine.round), machine.state.name, act, str(self._acting[act]))
            if point in self.reached or not self._kills(point):
                return
            self.reached.append(point)
            raise Killed(owner)

        return gate

    def disk(self, name: str) -> Disk:
        """The same memory for every life of the node, seen through its gates."""
        if name not in self._disks:
            real, gate = Disk(), self._gate(name)
            store: Any = Fragile(real.store, DURABLE["store"], gate, "store")
            state: Any = Fragile(real.state, DURABLE["state"], gate, "state")
            self._disks[name] = Disk(store, state)
        return self._disks[name]

    def ledger(self, name: str) -> Any:
        return Fragile(super().ledger(name), DURABLE["ledger"], self._gate(name), "ledger")

    def client_of(self, aggregator: str, name: str) -> Any:
        return Fragile(_Line(super().client_of(aggregator, name), self), DURABLE["client"], self._gate(name), "client")

    def survive(self, act: Callable[[], bool], owner: str) -> bool:
        """Do ``act`` of ``owner``; a node that is killed in it is started again, as often as it takes."""
        self._acting = {}
        try:
            return act()
        except Killed as killed:
            self.revive(killed.owner)
            return True

    def revive(self, name: str) -> None:
        """Start a killed node again, which may be killed while it starts."""
        while True:
            self._acting = {}
            try:
                self.restart(name)
            except Killed:
                continue
            return

    def step(self) -> bool:
        moved = False
        for name in (*self.aggregator_names, *self.hospitals, *self.trustee_names):
            if name in self.dead:
                continue
            moved = self.survive(lambda name=name: self.node(name).step(), name) or moved  # type: ignore[misc]
        return moved


class _Line:
    """The line to the aggregator: when the aggregator dies while it answers, the caller sees a dead peer."""

    def __init__(self, client: DirectClient, federation: KillingFederation) -> None:
        self._client, self._federation = client, federation

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in DURABLE["client"]:
            return found

        def call(*arguments: Any) -> Any:
            try:
                return found(*arguments)
            except Killed as killed:
                self._federation.revive(killed.owner)
                raise PeerUnreachableError("the aggregator died while it answered") from None

        return call


def is_participant(name: str) -> bool:
    return not is_aggregator(name) and not name.startswith("trustee")


def is_trustee(name: str) -> bool:
    return name.startswith("trustee")


def is_aggregator(name: str) -> bool:
    return name in ("aggregator", "standby")
