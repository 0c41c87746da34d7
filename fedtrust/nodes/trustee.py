"""The trustee: recomputes each committed aggregate from the updates themselves before it takes a single root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.threshold import KeyShare
from fedtrust.errors import RoundError
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Address, Phase, Status
from fedtrust.nodes.client import AggregatorDirectory
from fedtrust.nodes.loop import NodeLoop
from fedtrust.nodes.report import Reporter
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.release import AgreedAggregate, agree, release_partial
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS
from fedtrust.protocol.trustee import Attest, Decrypt, TrusteeCommand, TrusteeMachine
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.store.artifacts import ArtifactReader, ArtifactStore
from fedtrust.store.state import NodeState

PARTIAL = "partial"


class FetchedUpdates(Mapping[Address, EncryptedUpdate]):
    """The updates that the aggregator holds, fetched when they are asked for: one in memory at a time."""

    def __init__(self, artifacts: ArtifactReader, digests: Mapping[Address, bytes], key: PublicKey, count: int) -> None:
        """``digests`` is by account; every update has ``count`` ciphertexts under ``key``."""
        self._artifacts, self._digests, self._key, self._count = artifacts, dict(digests), key, count

    def __getitem__(self, account: Address) -> EncryptedUpdate:
        """Fetch and decode. Raises KeyError, ArtifactError, EncodingError, CiphertextError, ProofError."""
        data = self._artifacts.get(self._digests[account])
        return EncryptedUpdate.from_bytes(data, self._key, expected_count=self._count)

    def __contains__(self, account: object) -> bool:
        """Return whether the aggregator names an update of ``account``; nothing is fetched."""
        return account in self._digests

    def __iter__(self) -> Iterator[Address]:
        """Iterate over the accounts."""
        return iter(self._digests)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._digests)


class TrusteeNode(NodeLoop[TrusteeCommand]):
    """One trustee. See NodeLoop."""

    def __init__(
        self,
        ledger: Ledger,
        aggregators: AggregatorDirectory,
        store: ArtifactStore,
        state: NodeState,
        manifest: KeyManifest,
        share: KeyShare,
        report: Reporter,
        *,
        minimum_quorum: int = MINIMUM_PARTICIPANTS,
    ) -> None:
        """``store`` and ``state`` are our own; ``share`` was checked against the manifest when it was opened."""
        self._store, self._state = store, state
        state.bind(ledger.chain_id, ledger.contract)
        self._manifest, self._share = manifest, share
        super().__init__(ledger, TrusteeMachine(ledger.account), aggregators, report, minimum_quorum=minimum_quorum)

    def carry_out(self, command: TrusteeCommand) -> bool:
        """See NodeLoop."""
        match command:
            case Decrypt():
                if self._state.get(PARTIAL, command.round) is None:
                    self._decrypt(command.round)
            case Attest():
                self.ledger.attest(command.round, partial_root=self._stored(command.round).partial.root())
                self.report("Attested", round=command.round)
                return False
            case _:
                self.client(command.round).upload_partial(command.round, self._stored(command.round).to_bytes())
                self.report("PartialSent", round=command.round)
        return True

    def _decrypt(self, round: int) -> None:
        state = self.ledger.round(round)
        if state.phase is not Phase.DECRYPT:
            raise RoundError(
                f"round {round}: nothing to decrypt now", expected=Phase.DECRYPT.name, got=state.phase.name
            )
        self._require_in_force(round)
        key, client = self._manifest.public_key, self.client(round)
        spec = self.verified_spec(round, self._manifest, client.artifacts)
        count = spec.layout.ciphertexts(key.bits)
        updates = FetchedUpdates(client.artifacts, client.uploads(round), key, count)
        agreed = agree(state, spec, key, self.follower.history.rounds[round].commitments, updates)
        self.report("Decrypting", round=round, accepted=len(agreed.accepted), ciphertexts=count)
        proven = self._release(agreed)
        self._state.put(PARTIAL, round, "", self._store.put(proven.to_bytes()))
        self.report("Decrypted", round=round, accepted=len(agreed.accepted), root=to_hex(proven.partial.root()))

    def _require_in_force(self, round: int) -> None:
        own = self.follower.history.registry.identity(self.ledger.account)
        if own is not None and own.status is Status.LEAVING and round > own.retired_at_round:
            raise RoundError(
                f"round {round}: we left before it was opened",
                expected=f"a round up to {own.retired_at_round}",
                got=round,
                advice="the stake can be released with `fedtrust release` when its time has come",
            )

    def _release(self, agreed: AgreedAggregate) -> ProvenPartial:
        return release_partial(self._manifest, self._share, agreed, self._state)

    def _stored(self, round: int) -> ProvenPartial:
        digest = self._state.get(PARTIAL, round)
        if digest is None:
            raise RoundError(f"round {round}: this node attested a partial that is not on its disk")
        return ProvenPartial.from_bytes(self._store.get(digest), self._manifest.public_key)
