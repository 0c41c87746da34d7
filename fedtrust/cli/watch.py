"""``fedtrust watch``: anybody's watcher, which disputes on chain what it finds wrong."""

from __future__ import annotations

from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger, open_reader
from fedtrust.cli.running import stopped_by_signals
from fedtrust.compute.selection import ComputeSettings, select_arithmetic
from fedtrust.errors import ConfigurationError, ExitCode
from fedtrust.ledger.interface import Ledger, LedgerReader
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.evidence import EvidenceSource, ServedEvidence, folder_evidence
from fedtrust.nodes.identity import open_identity
from fedtrust.nodes.report import LineReporter
from fedtrust.nodes.tls import client_context
from fedtrust.nodes.watcher import DEFAULT_PATIENCE, Watcher, WatchPlan
from fedtrust.store.artifacts import ArtifactStore, FolderStore, MemoryStore
from fedtrust.store.state import NodeState

POLL_SECONDS = 1.0
"""How long a watcher with nothing to do waits before it looks at the chain again."""


@click.command(epilog="Example: fedtrust watch --contract 0x... --identity watcher --artifacts https://127.0.0.1:8443")
@options.chain
@options.contract
@click.option("--identity", "identity_folder", type=options.folder, help="Who disputes: any account that has money.")
@click.option("--home", type=options.folder, help="Evidence, state and outbox [default: the identity folder].")
@click.option(
    "--artifacts",
    "places",
    required=True,
    multiple=True,
    help="Where updates and aggregates are: https:// address of an aggregator, or an artifact folder. Repeatable.",
)
@click.option("--rounds", type=click.IntRange(1), help="Stop when so many rounds have ended.")
@click.option("--once", is_flag=True, help="Stop when nothing that is on chain now is left to decide.")
@click.option(
    "--patience",
    type=click.IntRange(0),
    default=DEFAULT_PATIENCE,
    show_default=True,
    help="Seconds that a ciphertext may be missing before it is demanded on chain.",
)
@click.option("--dry-run", is_flag=True, help="Only report; send nothing. Needs no identity.")
@options.workers
@options.passphrase
@options.as_json
def watch(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folder: Path | None,
    home: Path | None,
    places: tuple[str, ...],
    rounds: int | None,
    once: bool,
    patience: int,
    dry_run: bool,
    workers: int,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Follow the chain, recompute every aggregate, and dispute by itself what it can prove to be wrong.

    Needs no registration: a funded account is all. A proven dispute voids the round, takes the offender's stake and
    pays the bond back with a reward. It also answers demands that it can answer, ends disputes that ran out, and voids
    rounds that build on a voided one.

    Exits with 0 if nothing was found wrong, with 10 if something was, proven on chain or (with --dry-run) only
    reported.
    """
    select_arithmetic(ComputeSettings(workers))
    if dry_run:
        court: Ledger | None = None
        ledger: LedgerReader = open_reader(rpc, chain_id, contract, confirmations)
        name = "watcher"
    else:
        if identity_folder is None:
            raise click.UsageError("--identity is needed to dispute; with --dry-run it is not")
        identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
        home = home or identity_folder
        ledger = court = open_ledger(rpc, chain_id, contract, confirmations, identity, home)
        name = f"watcher {identity_folder.name}"
    report = LineReporter(name, as_json=as_json)
    store: ArtifactStore = MemoryStore() if home is None else FolderStore(home / "artifacts")
    state = NodeState(None if home is None else home / "state.sqlite")
    config = ledger.config()
    if patience >= config.challenge_window:
        report("PatienceTooLong", patience=patience, challenge_window=config.challenge_window)
    watcher = Watcher(
        ledger,
        court,
        [_source(place, ledger) for place in places],
        store,
        state,
        report,
        WatchPlan(patience=patience, rounds=rounds, once=once),
    )
    with stopped_by_signals() as stop:
        report("Started", account=None if court is None else court.account, bond=str(config.dispute_bond))
        watcher.run(stop, POLL_SECONDS)
    report("Stopped", wrong=len(watcher.found))
    return int(ExitCode.AUDIT_FAILED if watcher.found else ExitCode.OK)


def _source(place: str, ledger: LedgerReader) -> EvidenceSource:
    if place.startswith("https://"):
        # the certificates that are registered when it connects, which it does again after every failure
        return ServedEvidence(
            place, lambda: HttpsClient(place, client_context(None, ledger.identities(Role.AGGREGATOR)))
        )
    if "://" in place:
        raise ConfigurationError("--artifacts is neither an https:// address nor a folder", got=place)
    if not Path(place).is_dir():
        raise ConfigurationError(f"the artifact folder {place} does not exist")
    return folder_evidence(Path(place))
