"""``fedtrust trustee``: run a trustee."""

from __future__ import annotations

from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.ceremony import open_share
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import IdentityError, KeyFileError
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.identity import open_identity
from fedtrust.nodes.loop import POLL_SECONDS
from fedtrust.nodes.report import LineReporter
from fedtrust.nodes.tls import client_context, verify_registration
from fedtrust.nodes.trustee import TrusteeNode
from fedtrust.store.artifacts import FolderStore
from fedtrust.store.state import NodeState


@click.command(
    epilog="Example: fedtrust trustee --contract 0x... --identity trustee-1 --home run/trustee-1 "
    "--manifest key/manifest.json --share key/share-1.sealed --aggregator https://127.0.0.1:8443"
)
@options.chain
@options.contract
@click.option("--identity", "identity_folder", type=options.folder, required=True, help="Our identity folder.")
@click.option("--home", type=options.folder, required=True, help="Folder for node state; kept over restarts.")
@click.option("--manifest", type=options.file, required=True, help="The key manifest of the ceremony.")
@click.option("--share", "share_path", type=options.file, required=True, help="Our sealed share of the key.")
@click.option("--aggregator", "url", required=True, help="The aggregator's https:// address.")
@options.passphrase
@options.as_json
def trustee(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folder: Path,
    home: Path,
    manifest: Path,
    share_path: Path,
    url: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Check each round's aggregate against the updates themselves, then help to decrypt the sum, and only the sum.

    Exits with the code of the last refusal if any round was refused.
    """
    report = LineReporter(f"trustee {identity_folder.name}", as_json=as_json)
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home)
    verify_registration(identity.public, ledger.identity(identity.account))
    key = KeyManifest.from_bytes(options.read_file(manifest, "the key manifest"))
    published = ledger.key()
    if published is None or published.key_id != key.key_id:
        raise KeyFileError(f"{manifest} is not the key manifest published on chain")
    index = next((t.index for t in key.trustees if t.account == identity.account), None)
    if index is None:
        raise IdentityError(f"{identity.account} holds no share of this key", advice="use the ceremony's identities")
    sealed = options.read_file(share_path, "the sealed share")
    share = open_share(key, index, sealed, identity.sealing)
    client = HttpsClient(url, client_context(identity, ledger.identities(Role.AGGREGATOR)))
    state = NodeState(home / "state.sqlite")
    node = TrusteeNode(ledger, client, FolderStore(home / "artifacts"), state, key, share, report)
    with stopped_by_signals() as stop:
        report("Started", account=identity.account, share=index)
        node.run(stop, POLL_SECONDS)
    return 0 if node.refusal is None else int(node.refusal.exit_code)
