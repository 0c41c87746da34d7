"""An aggregator in the same process as its clients: simulations and tests without sockets."""

from __future__ import annotations

from fedtrust.errors import FedtrustError, PeerRefusedError
from fedtrust.ledger.types import Address
from fedtrust.nodes.admission import NotYetError
from fedtrust.nodes.aggregator import AggregatorNode
from fedtrust.nodes.client import TryLaterError
from fedtrust.store.artifacts import ArtifactReader, RemoteStore


class DirectClient:
    """Implements AggregatorClient; ``account`` stands for the authenticated TLS certificate."""

    def __init__(self, node: AggregatorNode, store: ArtifactReader, account: Address) -> None:
        """``store`` is the aggregator's."""
        self._node, self._store, self._account = node, store, account

    @property
    def artifacts(self) -> ArtifactReader:
        """See AggregatorClient."""
        return RemoteStore(self._store.get, "this process")

    def uploads(self, round: int) -> dict[Address, bytes]:
        """See AggregatorClient."""
        return {Address(a): d for a, d in self._node.uploads(round).items()}

    def upload_update(self, round: int, data: bytes) -> None:
        """See AggregatorClient."""
        try:
            self._node.receive_update(round, self._account, data)
        except FedtrustError as error:
            raise _as_peer_error(error) from error

    def upload_partial(self, round: int, data: bytes) -> None:
        """See AggregatorClient."""
        try:
            self._node.receive_partial(round, self._account, data)
        except FedtrustError as error:
            raise _as_peer_error(error) from error


def _as_peer_error(error: FedtrustError) -> PeerRefusedError:
    kind = TryLaterError if isinstance(error, NotYetError) else PeerRefusedError
    return kind(f"the aggregator refused: {error.message}", expected=error.expected, got=error.got, advice=error.advice)
