"""A federation whose nodes talk over real sockets, TLS 1.3 and certificates; only the chain is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedtrust.crypto.key_file import MINIMUM_SCRYPT_COST
from fedtrust.ledger.types import Role
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.identity import Identity, create_identity, open_identity
from fedtrust.nodes.service import ServiceThread, build_app, listen
from fedtrust.nodes.tls import ServerTrust, client_context
from fedtrust.protocol.spec import FederationId
from fedtrust.store.artifacts import FolderStore
from tests.e2e.people import cheap_keystores
from tests.nodes.harness import Disk, InProcessFederation, account

PASSPHRASE = "a passphrase for tests"
PEOPLE = {
    "aggregator": Role.AGGREGATOR,
    "cleveland": Role.PARTICIPANT,
    "hungary": Role.PARTICIPANT,
    "trustee-0": Role.TRUSTEE,
    "trustee-1": Role.TRUSTEE,
    "trustee-2": Role.TRUSTEE,
    "stranger": Role.PARTICIPANT,
    "impostor": Role.AGGREGATOR,
}


def made_identity(folder: Path, name: str, role: Role) -> Identity:
    """Make the identity folder of the harness's account called ``name`` and return it opened."""
    cost = MINIMUM_SCRYPT_COST  # what the default costs is paid in the tests of identities
    with cheap_keystores():
        create_identity(folder, role, PASSPHRASE, private_key=bytes(account(name).key), scrypt_cost=cost)
        return open_identity(folder, PASSPHRASE, minimum_scrypt_cost=cost)


class ServedFederation(InProcessFederation):
    """Two participants and three trustees; clients are HTTPS once ``url`` is known."""

    def __init__(self, identities: dict[str, Identity], folder: Path, **settings: int) -> None:
        self._identities, self._folder = identities, folder
        self.url: str | None = None
        self.trust = ServerTrust(identities["aggregator"])
        self._clients: list[HttpsClient] = []
        super().__init__(**{"participants": 2, "trustees": 3, **settings})
        self.trust.follow(self.ledger("operator").identities())

    def certificate(self, name: str) -> bytes:
        return self._identities[name].public.certificate

    def disk(self, name: str) -> Disk:
        found = super().disk(name)
        if name == "aggregator" and not isinstance(found.store, FolderStore):
            found.store = FolderStore(self._folder / "artifacts")  # type: ignore[assignment]
        return found

    @property
    def folder_store(self) -> FolderStore:
        """The aggregator's artifacts, as its service reads them."""
        store: Any = self.disk("aggregator").store
        assert isinstance(store, FolderStore)
        return store

    def client(self, name: str) -> Any:
        return super().client(name) if self.url is None else self.https(name)

    def https(self, name: str | None) -> HttpsClient:
        """Return a client with the certificate of ``name``, or anonymous."""
        own = None if name is None else self._identities[name]
        assert self.url is not None
        made = HttpsClient(self.url, client_context(own, self.ledger("operator").identities(Role.AGGREGATOR)))
        self._clients.append(made)
        return made

    def rebuild_clients(self) -> None:
        """Build participants and trustees again, now over HTTPS."""
        self.participants = {name: self.build_participant(name) for name in self.hospitals}
        self.trustees = {name: self.build_trustee(name) for name in self.trustee_names}

    def close(self) -> None:
        """Close every client's connections."""
        for client in self._clients:
            client.close()


@contextmanager
def serving(federation: ServedFederation) -> Iterator[ServedFederation]:
    """Serve the federation's aggregator on a free port of loopback."""
    name = FederationId(federation.chain.chain_id, federation.chain.contract)
    app = build_app(federation.aggregator, federation.folder_store, federation.trust, name)
    with ServiceThread(app, listen("127.0.0.1", 0), federation.trust) as service:
        federation.url = service.url
        try:
            yield federation
        finally:
            federation.close()
