"""An aggregator in the same process as its clients: simulations and tests without sockets."""

from __future__ import annotations

from collections.abc import Mapping

from fedtrust.errors import FedtrustError, PeerRefusedError, PeerUnreachableError
from fedtrust.ledger.types import Address
from fedtrust.nodes.admission import NotYetError
from fedtrust.nodes.aggregator import AggregatorNode
from fedtrust.nodes.client import AggregatorClient, TryLaterError
from fedtrust.protocol.receipt import Receipt
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

    def aggregate(self, round: int) -> bytes | None:
        """See AggregatorClient."""
        return self._node.aggregate(round)

    def upload_update(self, round: int, data: bytes) -> Receipt:
        """See AggregatorClient."""
        try:
            return self._node.receive_update(round, self._account, data)
        except FedtrustError as error:
            raise _as_peer_error(error) from error

    def upload_partial(self, round: int, data: bytes) -> None:
        """See AggregatorClient."""
        try:
            self._node.receive_partial(round, self._account, data)
        except FedtrustError as error:
            raise _as_peer_error(error) from error


class DirectDirectory:
    """Aggregators in the same process, by account. Implements AggregatorDirectory."""

    def __init__(self, clients: Mapping[Address, AggregatorClient]) -> None:
        """Take the clients as they are; who adds to them later adds aggregators."""
        self._clients = clients

    def client(self, aggregator: Address) -> AggregatorClient:
        """See AggregatorDirectory."""
        found = self._clients.get(aggregator)
        if found is None:
            raise PeerUnreachableError(f"the aggregator {aggregator} is not in this process")
        return found


def _as_peer_error(error: FedtrustError) -> PeerRefusedError:
    kind = TryLaterError if isinstance(error, NotYetError) else PeerRefusedError
    return kind(f"the aggregator refused: {error.message}", expected=error.expected, got=error.got, advice=error.advice)
