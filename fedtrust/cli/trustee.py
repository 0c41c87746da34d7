"""``fedtrust trustee``: run a trustee."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fedtrust.cli import options
from fedtrust.cli.node import aggregator_urls, node_options, open_node
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.ceremony import open_share
from fedtrust.errors import IdentityError
from fedtrust.ledger.types import Role
from fedtrust.nodes.loop import POLL_SECONDS
from fedtrust.nodes.report import LineReporter
from fedtrust.nodes.trustee import TrusteeNode


@click.command(
    epilog="Example: fedtrust trustee --contract 0x... --identity trustee-1 --home run/trustee-1 "
    "--manifest key/manifest.json --share key/share-1.sealed --aggregator https://127.0.0.1:8443"
)
@node_options
@click.option("--share", "share_path", type=options.file, required=True, help="Our sealed share of the key.")
@aggregator_urls
@options.minimum_quorum
def trustee(share_path: Path, urls: tuple[str, ...], minimum_quorum: int, as_json: bool, **settings: Any) -> int:
    """Check each round's aggregate against the updates themselves, then help to decrypt the sum, and only the sum.

    Exits with the code of the last refusal if any round was refused.
    """
    node = open_node(Role.TRUSTEE, **settings)
    report = LineReporter(f"trustee {node.identity.folder.name}", as_json=as_json)
    key, account = node.manifest, node.identity.account
    index = next((t.index for t in key.trustees if t.account == account), None)
    if index is None:
        raise IdentityError(f"{account} holds no share of this key", advice="use the ceremony's identities")
    sealed = options.read_key_file(share_path, "the sealed share")
    share = open_share(key, index, sealed, node.identity.sealing)
    trustee_node = TrusteeNode(
        node.ledger,
        node.aggregators(urls),
        node.store(),
        node.state(),
        key,
        share,
        report,
        minimum_quorum=minimum_quorum,
    )
    with stopped_by_signals() as stop:
        report("Started", account=account, share=index)
        trustee_node.run(stop, POLL_SECONDS)
    return 0 if trustee_node.refusal is None else int(trustee_node.refusal.exit_code)
