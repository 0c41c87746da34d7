"""``fedtrust aggregator``: run the aggregator's service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from fedtrust.cli import options
from fedtrust.cli.node import node_options, open_node
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import ConfigurationError
from fedtrust.learning.source import find_task_source
from fedtrust.ledger.types import Role
from fedtrust.nodes.aggregator import AggregatorInputs, AggregatorNode
from fedtrust.nodes.loop import POLL_SECONDS
from fedtrust.nodes.report import LineReporter
from fedtrust.nodes.service import ServiceThread, build_app, listen
from fedtrust.nodes.settings import FederationSettings
from fedtrust.nodes.tls import ServerTrust
from fedtrust.protocol.spec import FederationId, TaskReference
from fedtrust.rules.model import Model


@click.command(
    epilog="Example: fedtrust aggregator --contract 0x... --identity aggregator --home run/aggregator "
    "--manifest key/manifest.json --task fedtrust.learning.heart:LogisticRegression "
    "--initial-model initial.safetensors --rounds 10"
)
@node_options
@click.option("--task", required=True, help="The task, as package.module:Class or path/to/file.py:Class.")
@click.option("--metrics", default="loss,accuracy", show_default=True, help="The task's metrics, comma-separated.")
@click.option("--initial-model", type=options.file, help="safetensors file that round 1 starts from.")
@click.option("--settings", "settings_file", type=options.file, help="TOML file of federation settings.")
@click.option("--rounds", type=click.IntRange(1), help="How many rounds to finalise (overrides the settings file).")
@click.option("--listen", "listen_on", default="127.0.0.1:8443", show_default=True, help="Address to serve on.")
@click.option("--standby", is_flag=True, help="Stand by: run rounds only when the one whose turn it is does not.")
@click.option("--peer", "peers", multiple=True, help="Another aggregator's https:// address; a standby needs them.")
@click.option("--exit-when-done", is_flag=True, help="Exit after the last round instead of serving artifacts on.")
def aggregator(
    task: str,
    metrics: str,
    initial_model: Path | None,
    settings_file: Path | None,
    rounds: int | None,
    listen_on: str,
    standby: bool,
    peers: tuple[str, ...],
    exit_when_done: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Open rounds, collect encrypted updates, add them, publish the results.

    The aggregator cannot read an update: it has no share of the decryption key. Started again after a crash, it picks
    the round up from the chain and its home folder. It answers demands for ciphertexts as long as it runs.
    """
    if standby and not peers:
        raise click.UsageError("--standby needs --peer: what it takes over is at the other aggregator's address")
    report = LineReporter("standby" if standby else "aggregator", as_json=as_json)
    federation_settings = FederationSettings() if settings_file is None else FederationSettings.read(settings_file)
    if rounds is not None:
        federation_settings = replace(federation_settings, rounds=rounds)
    opened = open_node(Role.AGGREGATOR, **settings)
    ledger = opened.ledger
    source = find_task_source(task)
    inputs = AggregatorInputs(
        manifest=opened.manifest,
        task=TaskReference(source.class_name, source.digest),
        metrics=tuple(m.strip() for m in metrics.split(",")) if metrics else (),
        initial_model=None
        if initial_model is None
        else Model.from_bytes(options.read_file(initial_model, "the initial model")),
        settings=federation_settings,
    )
    store = opened.store()
    node = AggregatorNode(
        ledger,
        store,
        opened.state(),
        inputs,
        report,
        private_key=opened.identity.private_key,
        standby=standby,
        peers=opened.aggregators(peers) if peers else None,
    )
    trust = ServerTrust(opened.identity)
    trust.follow(ledger.identities())
    sock = listen(*_host_and_port(listen_on))
    federation = FederationId(ledger.chain_id, ledger.contract)
    with stopped_by_signals() as stop, ServiceThread(build_app(node, store, trust, federation), sock, trust) as service:
        report("Serving", url=service.url, account=opened.identity.account, artifacts=str(store.root))
        done = False
        while not stop.is_set() and not (done and exit_when_done):
            if not node.step():
                stop.wait(POLL_SECONDS)
            trust.follow(node.follower.history.identities())
            if node.machine.done and not done:
                report("Done", rounds=node.machine.finalized, model=to_hex(ledger.current_model()))
            done = node.machine.done  # it goes on serving, and answers who demands a ciphertext on chain


def _host_and_port(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname is None or parts.port is None or parts.path:
            raise ValueError(text)
        return parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("--listen is not an address", expected="host:port", got=text) from None
