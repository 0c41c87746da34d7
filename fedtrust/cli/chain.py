"""Opening the chain and the artifacts for a command."""

from __future__ import annotations

from pathlib import Path

from fedtrust.errors import ConfigurationError
from fedtrust.ledger.connection import connect
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import Address, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.identity import Identity
from fedtrust.nodes.tls import client_context
from fedtrust.store.artifacts import ArtifactReader, FolderStore


def open_reader(rpc: str, chain_id: int | None, contract: Address, confirmations: int) -> LedgerReader:
    """Return the ledger, read-only."""
    return Web3LedgerReader(connect(rpc, chain_id), contract, confirmations)


def open_ledger(
    rpc: str, chain_id: int | None, contract: Address, confirmations: int, identity: Identity, home: Path
) -> Web3Ledger:
    """Return the ledger as ``identity`` uses it; its outbox is in ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    outbox = Outbox(home / "outbox.sqlite")
    return Web3Ledger(connect(rpc, chain_id), contract, identity.signer, outbox, confirmations)


def open_artifacts(place: str, ledger: LedgerReader) -> ArtifactReader:
    """Return the artifacts at an https:// address (its certificate pinned to the chain) or in a folder.

    Raises PeerUnreachableError or CertificateMismatchError at once: that says nothing about the artifacts.
    """
    if place.startswith("https://"):
        client = HttpsClient(place, client_context(None, ledger.identities(Role.AGGREGATOR)))
        client.reach()
        return client.artifacts
    if "://" in place:
        raise ConfigurationError("--artifacts is neither an https:// address nor a folder", got=place)
    if not Path(place).is_dir():
        raise ConfigurationError(f"the artifact folder {place} does not exist")
    return FolderStore(Path(place))
