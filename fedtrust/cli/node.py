"""What the aggregator, a trustee and a participant need alike before they start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger
from fedtrust.compute.selection import ComputeSettings, select_arithmetic
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import IdentityError, KeyFileError
from fedtrust.ledger.types import Address, Identity, PublishedKey, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.nodes.client import HttpsDirectory
from fedtrust.nodes.identity import Identity as OwnIdentity
from fedtrust.nodes.identity import open_identity
from fedtrust.nodes.tls import verify_registration
from fedtrust.store.artifacts import FolderStore
from fedtrust.store.state import NodeState

node_options = options.options(
    options.chain,
    options.contract,
    click.option("--identity", "identity_folder", type=options.folder, required=True, help="Our identity folder."),
    click.option("--home", type=options.folder, required=True, help="Our artifacts and state; survives restarts."),
    click.option("--manifest", type=options.file, required=True, help="The key manifest of the ceremony."),
    options.workers,
    options.table_memory,
    options.passphrase,
    options.as_json,
)
"""The options that :func:`open_node` takes, and --json."""

aggregator_urls = click.option(
    "--aggregator",
    "urls",
    multiple=True,
    required=True,
    help="An aggregator's https:// address; again for each standby.",
)


@dataclass(frozen=True, slots=True)
class OpenedNode:
    """An identity whose registration was checked, its ledger, the committee's verified key, and its disk."""

    identity: OwnIdentity
    registration: Identity
    ledger: Web3Ledger
    manifest: KeyManifest
    home: Path

    def store(self) -> FolderStore:
        """Return this node's artifacts."""
        return FolderStore(self.home / "artifacts")

    def state(self) -> NodeState:
        """Return this node's memory."""
        return NodeState(self.home / "state.sqlite")

    def aggregators(self, urls: tuple[str, ...]) -> HttpsDirectory:
        """Return the aggregators at ``urls``; their certificates must be registered ones."""
        return HttpsDirectory(urls, self.identity, lambda: self.ledger.identities(Role.AGGREGATOR))


def open_node(
    role: Role,
    *,
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folder: Path,
    home: Path,
    manifest: Path,
    workers: int,
    table_memory: int,
    passphrase_file: Path | None,
) -> OpenedNode:
    """Open all of it for a node of ``role``, and choose what it computes with.

    Raises the typed error of whatever is missing, wrong or not registered.
    """
    select_arithmetic(ComputeSettings(workers, table_memory << 20), home / "tables")
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    if identity.public.role is not role:
        raise IdentityError(
            f"{identity_folder} is an identity of another role",
            expected=role.name.lower(),
            got=identity.public.role.name.lower(),
            advice="name the folder that was made and registered for this role",
        )
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home)
    registration = verify_registration(identity.public, ledger.identity(identity.account))
    key = KeyManifest.from_bytes(options.read_key_file(manifest, "the key manifest"))
    require_published(key, ledger.key(), manifest)
    return OpenedNode(identity, registration, ledger, key, home)


def require_published(key: KeyManifest, published: PublishedKey | None, manifest: Path) -> None:
    """Check that the manifest in a file is what the operator published. Raises KeyFileError."""
    if published is None or published.key_id != key.key_id:
        raise KeyFileError(
            f"{manifest} is not the key manifest published on chain",
            expected=to_hex(published.key_id) if published else "a published key",
            got=to_hex(key.key_id),
            advice="use the manifest that the operator published",
        )
    if published.modulus_hash != key.public_key.modulus_hash:
        raise KeyFileError(
            "the contract has another modulus than the key manifest: in a dispute, every honest sum would look wrong",
            expected=to_hex(key.public_key.modulus_hash),
            got=to_hex(published.modulus_hash),
            advice="do not take part; the operator has to deploy a new contract",
        )
