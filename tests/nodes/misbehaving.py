"""Federations in which somebody is missing, slow or lies. Everything that is not said to lie is the real code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.packing import pack
from fedtrust.crypto.paillier import encrypt_vector
from fedtrust.crypto.partial_proof import prove_partial
from fedtrust.crypto.plaintext_proof import prove_plaintext_knowledge
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.crypto.threshold import KeyShare, partial_roots
from fedtrust.nodes.aggregator import AggregatorNode
from fedtrust.nodes.participant import PREPARED, ParticipantNode
from fedtrust.nodes.trustee import TrusteeNode
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.release import AgreedAggregate
from fedtrust.protocol.spec import RoundSpec
from fedtrust.protocol.update import EncryptedUpdate, prepare_update, update_statement
from tests.nodes.harness import InProcessFederation, account

SHORT = {"commit_seconds": 20, "aggregate_seconds": 20, "finalize_seconds": 20, "upload_margin": 5}
"""Deadlines that an idle federation reaches in few turns."""


class Overriding:
    """``target`` with some of its attributes replaced."""

    def __init__(self, target: object, **replaced: object) -> None:
        self._target, self._replaced = target, replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced[name] if name in self._replaced else getattr(self._target, name)


class Misbehaving(InProcessFederation):
    """``asleep(name, machine)`` says whose step is left out; ``lines`` and ``chains`` replace what nodes talk through.

    ``lines`` maps a name to a function from its client to another, ``chains`` from its ledger to another.
    """

    def __init__(
        self,
        *,
        asleep: Callable[[str, Any], bool] = lambda name, machine: False,
        lines: Mapping[str, Callable[[Any], Any]] | None = None,
        chains: Mapping[str, Callable[[Any], Any]] | None = None,
        **settings: Any,
    ) -> None:
        self._asleep, self._lines, self._chains = asleep, dict(lines or {}), dict(chains or {})
        super().__init__(**{**SHORT, **settings})

    def client(self, name: str) -> Any:
        return self._lines.get(name, lambda client: client)(super().client(name))

    def ledger(self, name: str) -> Any:
        return self._chains.get(name, lambda ledger: ledger)(super().ledger(name))

    def step(self) -> bool:
        moved = [node.step() for node in self._awake()]
        return any(moved)

    def _awake(self) -> Iterator[AggregatorNode | ParticipantNode | TrusteeNode]:
        nodes = (*self.aggregators.items(), *self.participants.items(), *self.trustees.items())
        return (n for name, n in nodes if name not in self.dead and not self._asleep(name, n.machine))

    # what happened

    def until(self, condition: Callable[[], bool], turns: int = 500) -> None:
        """Step node by node until ``condition`` holds, and no further; the clock moves when nothing else does."""
        for _ in range(turns):
            moved = False
            for node in self._awake():
                moved = node.step() or moved
                if condition():
                    return
            if not moved:
                self.chain.advance(1)
                self.chain.mine()
        raise AssertionError(f"never so: {self.aggregator.machine.round}, {self.aggregator.machine.state}")

    def outcome(self, number: int) -> str:
        """Return ``finalized``, the reason of the abort, or ``open``."""
        seen = self.aggregator.follower.history.rounds[number]
        if seen.aborted is not None:
            return seen.aborted.reason.name
        return "finalized" if seen.finalized is not None else "open"

    def accepted(self, number: int) -> tuple[str, ...]:
        """Return the hospitals whose updates are in the sum of a round."""
        bitmap = self.chain.round(number).accepted
        return tuple(name for index, name in enumerate(self.hospitals) if bitmap >> index & 1)

    def refusal(self, name: str) -> BaseException | None:
        """Return why the node last sat a round out."""
        node = self.participants.get(name) or self.trustees[name]
        return node.refusal

    # how to cheat

    def spec(self, number: int = 1) -> RoundSpec:
        """Return the spec of a round, as its aggregator published it."""
        return RoundSpec.from_bytes(self.artifacts.get(self.chain.round(number).spec_hash))

    def signature(self, name: str, message: UpdateMessage) -> bytes:
        """Return the signature of ``name``."""
        return sign_update(bytes(account(name).key), self.chain.chain_id, self.chain.contract, message)

    def another_update(self, name: str, number: int = 1) -> EncryptedUpdate:
        """Return a perfectly valid update of ``name``, other than the one it makes by itself."""
        spec = self.spec(number)
        vector = np.ones(spec.layout.length, dtype=np.int64)
        key, address = self.manifest.public_key, self.address(name)
        return prepare_update(spec, key, vector, address, lambda m: self.signature(name, m), epoch=1)

    def illegal_update(self, name: str, plaintext: Callable[[int], int], number: int = 1) -> EncryptedUpdate:
        """Return an update whose first plaintext is ``plaintext(n)``: properly encrypted, proved and signed."""
        spec, key, address = self.spec(number), self.manifest.public_key, self.address(name)
        plaintexts = pack(spec.layout.slots, key.bits, key.n, np.ones(spec.layout.length, dtype=np.int64))
        plaintexts[0] = plaintext(int(key.n)) % int(key.n)
        encrypted = encrypt_vector(key, plaintexts)
        proof = prove_plaintext_knowledge(key, encrypted, plaintexts, update_statement(spec, address))
        vector = encrypted.ciphertexts
        message = UpdateMessage(number, spec.digest, 1, vector.root(), len(vector), keccak256(proof.to_bytes()))
        return EncryptedUpdate(address, message, self.signature(name, message), proof, vector)

    def parsed(self, data: bytes) -> EncryptedUpdate:
        """Return the update in an envelope of this federation."""
        key = self.manifest.public_key
        return EncryptedUpdate.from_bytes(data, key, expected_count=self.chain.round(1).ciphertexts)

    def plant(self, name: str, update: EncryptedUpdate, number: int = 1) -> None:
        """Make ``update`` what the node called ``name`` finds on its disk as its own work of a round."""
        disk = self.disk(name)
        disk.state.put(PREPARED, number, "", disk.store.put(update.to_bytes()))


def lying(node: TrusteeNode) -> None:
    """Let a trustee compute with a share that is not its own, and skip its own check: wrong, but consistent.

    What it attests is what it sends, and the proof is the one that this share gives.
    """
    share = node._share
    false = KeyShare(share.index, share.value + 7**share.index)

    def release(agreed: AgreedAggregate) -> ProvenPartial:
        node._state.record_release(agreed.round, agreed.accepted, agreed.statement.aggregate_root)
        partial = partial_roots(node._manifest, false, agreed.ciphertexts)
        proof = prove_partial(node._manifest, false, agreed.ciphertexts, partial, agreed.statement)
        return ProvenPartial(partial, proof)

    node._release = release  # type: ignore[method-assign]


def honest(node: TrusteeNode) -> None:
    """Undo :func:`lying`."""
    del node._release
