"""Where a watcher finds the updates and the aggregate of a round: at aggregators' addresses, or in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from fedtrust.crypto.encoding import from_hex
from fedtrust.errors import CiphertextError, EncodingError, FedtrustError
from fedtrust.ledger.types import Address
from fedtrust.nodes.client import HttpsClient
from fedtrust.protocol.dispute import ShownUpdate
from fedtrust.protocol.receipt import Receipt
from fedtrust.store.artifacts import ArtifactReader, FolderStore

T = TypeVar("T")
_LARGEST_RECEIPT = 4096


class EvidenceSource(Protocol):
    """What somebody shows of a round. Nothing is believed: the chain's roots decide what is what.

    Every method raises a FedtrustError when the source cannot be reached or refuses.
    """

    @property
    def name(self) -> str:
        """What to call it in reports."""

    def updates(self, round: int) -> Mapping[Address, tuple[bytes, ...]]:
        """Return the digests of what it shows as updates of a round, by account."""

    def aggregates(self, round: int) -> tuple[bytes, ...]:
        """Return the digests of what it shows as the aggregate of a round."""

    def receipts(self, round: int) -> tuple[Receipt, ...]:
        """Return the receipts of a round that it shows."""

    def get(self, digest: bytes) -> bytes:
        """Return an artifact, verified. Raises ArtifactError."""


class ServedEvidence:
    """An aggregator's service. ``connect`` opens a client; a failed one is opened again at the next question."""

    def __init__(self, name: str, connect: Callable[[], HttpsClient]) -> None:
        """Connect at the first question, so that an aggregator that is away now may be back then."""
        self._name, self._connect = name, connect
        self._client: HttpsClient | None = None

    @property
    def name(self) -> str:
        """See EvidenceSource."""
        return self._name

    def updates(self, round: int) -> Mapping[Address, tuple[bytes, ...]]:
        """See EvidenceSource."""
        return {account: (digest,) for account, digest in self._ask(lambda client: client.uploads(round)).items()}

    def aggregates(self, round: int) -> tuple[bytes, ...]:
        """See EvidenceSource."""
        digest = self._ask(lambda client: client.aggregate(round))
        return () if digest is None else (digest,)

    def receipts(self, round: int) -> tuple[Receipt, ...]:
        """See EvidenceSource: an aggregator shows nothing against itself."""
        return ()

    def get(self, digest: bytes) -> bytes:
        """See EvidenceSource."""
        return self._ask(lambda client: client.artifacts.get(digest))

    def _ask(self, question: Callable[[HttpsClient], T]) -> T:
        if self._client is None:
            self._client = self._connect()
        try:
            return question(self._client)
        except FedtrustError:
            # the next connection trusts the certificates that are registered by then
            self._client.close()
            self._client = None
            raise


class ArtifactEvidence:
    """A store of artifacts whose digests nobody tells: every file is looked at once.

    ``digests`` lists what is there now.
    """

    def __init__(self, name: str, store: ArtifactReader, digests: Callable[[], Iterator[bytes]]) -> None:
        """Look at nothing yet."""
        self._name, self._store, self._digests = name, store, digests
        self._seen: set[bytes] = set()
        self._updates: dict[int, dict[Address, tuple[bytes, ...]]] = {}
        self._vectors: list[bytes] = []
        self._receipts: list[Receipt] = []

    @property
    def name(self) -> str:
        """See EvidenceSource."""
        return self._name

    def updates(self, round: int) -> Mapping[Address, tuple[bytes, ...]]:
        """See EvidenceSource."""
        self._look()
        return self._updates.get(round, {})

    def aggregates(self, round: int) -> tuple[bytes, ...]:
        """See EvidenceSource: any ciphertext file may be the aggregate."""
        self._look()
        return tuple(self._vectors)

    def receipts(self, round: int) -> tuple[Receipt, ...]:
        """See EvidenceSource."""
        self._look()
        return tuple(receipt for receipt in self._receipts if receipt.message.round == round)

    def get(self, digest: bytes) -> bytes:
        """See EvidenceSource."""
        return self._store.get(digest)

    def _look(self) -> None:
        for digest in self._digests():
            if digest in self._seen:
                continue
            try:
                data = self._store.get(digest)
            except FedtrustError:
                continue  # perhaps it is being written: look again
            self._seen.add(digest)
            self._take_in(digest, data)

    def _take_in(self, digest: bytes, data: bytes) -> None:
        if data.startswith(b"FTCV"):
            self._vectors.append(digest)
        elif data.startswith(b"FTUP"):
            with suppress(EncodingError, CiphertextError):
                update = ShownUpdate.from_bytes(data)
                of_round = self._updates.setdefault(update.message.round, {})
                of_round[update.participant] = (*of_round.get(update.participant, ()), digest)
        elif len(data) <= _LARGEST_RECEIPT:
            with suppress(EncodingError):
                self._receipts.append(Receipt.from_bytes(data))


def folder_evidence(folder: Path) -> ArtifactEvidence:
    """Return what lies in an artifact folder (of an aggregator, or a copy of one)."""
    store = FolderStore(folder)

    def digests() -> Iterator[bytes]:
        for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
            if len(path.name) == 62 and not path.name.startswith("."):
                try:
                    yield from_hex(f"0x{path.parent.name}{path.name}", 32, "artifact name")
                except EncodingError:
                    continue

    return ArtifactEvidence(str(folder), store, digests)
