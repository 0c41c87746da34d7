"""``fedtrust devnet``: a development chain on the loopback interface."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.devnet import start_devnet

KEY_FILE = "operator.key"


@click.command(epilog="Example: fedtrust devnet --out devnet --block-time 1")
@click.option("--kind", type=click.Choice(["anvil", "hardhat"]), default="anvil", show_default=True, help="Which node.")
@click.option("--port", type=click.IntRange(1, 65535), default=8545, show_default=True, help="Port on 127.0.0.1.")
@click.option("--block-time", type=float, help="Seconds between blocks; without it, a block for every transaction.")
@click.option("--state", type=options.file, help="File that keeps the chain over restarts (Anvil only).")
@click.option("--out", type=options.folder, default=Path("devnet"), show_default=True, help="Folder for log and key.")
@options.as_json
def devnet(kind: str, port: int, block_time: float | None, state: Path | None, out: Path, as_json: bool) -> None:
    """Run a development chain until Ctrl-C. Writes OUT/operator.key, a funded account that anybody knows.

    Never send anything of value to such a chain's accounts.
    """
    out.mkdir(parents=True, exist_ok=True)
    name = "hardhat" if kind == "hardhat" else "anvil"
    with (
        stopped_by_signals() as stop,
        start_devnet(name, port=port, block_time=block_time, state=state, log_path=out / "node.log") as node,  # type: ignore[arg-type]
    ):
        (out / KEY_FILE).write_text(to_hex(node.private_keys[0]) + "\n")
        if as_json:
            body = {"rpc": node.rpc_url, "chain_id": node.chain_id, "pid": node.pid, "key": str(out / KEY_FILE)}
            click.echo(json.dumps(body))
        else:
            click.echo(
                f"{kind} at {node.rpc_url}, chain {node.chain_id}; operator key {out / KEY_FILE}; Ctrl-C stops it"
            )
        stop.wait()
