"""``fedtrust model`` and ``fedtrust compare``: what can be done without a chain."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.progress import track

from fedtrust.cli import options
from fedtrust.cli.heart import HEART_TASKS, compare_heart, heart_settings
from fedtrust.cli.output import console
from fedtrust.cli.tables import splits_table
from fedtrust.errors import ConfigurationError
from fedtrust.learning.task import load_task
from fedtrust.learning.training import initial_model


@click.command(epilog="Example: fedtrust model --task fedtrust.learning.heart:MLP --out initial.safetensors")
@click.option("--task", required=True, help="The task, as package.module:Class or path/to/file.py:Class.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The federation's seed.")
@click.option("--out", type=options.file, required=True, help="The safetensors file to write.")
@options.as_json
def model(task: str, seed: int, out: Path, as_json: bool) -> None:
    """Write the model that round 1 starts from."""
    if out.exists():
        raise ConfigurationError(f"{out} exists already", advice="name another file; nothing was overwritten")
    made = initial_model(load_task(task), seed)
    out.write_bytes(made.to_bytes())
    body = {"file": str(out), "parameters": made.parameters, "sha256": made.digest.hex()}
    click.echo(json.dumps(body) if as_json else f"{made.parameters} parameters, sha-256 {made.digest.hex()}: {out}")


@click.command(epilog="Example: fedtrust compare --model logistic --splits 10")
@click.option(
    "--model", "name", type=click.Choice(list(HEART_TASKS)), default="logistic", show_default=True, help="Model."
)
@click.option("--splits", type=click.IntRange(1), default=10, show_default=True, help="How many seeded splits.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of federated averaging [default: the demo's].")
@options.as_json
def compare(name: str, splits: int, rounds: int | None, as_json: bool) -> None:
    """Compare federated, alone and pooled training on the heart-disease records, over several seeded splits.

    The federated models are computed on the integers that a real run adds up under encryption, so they are the real
    run's models, bit for bit.
    """
    settings = heart_settings(rounds)
    numbers = range(splits)
    if not as_json:
        numbers = track(numbers, description="splits", console=console(stderr=True))  # type: ignore[assignment]
    comparisons = [compare_heart(HEART_TASKS[name], settings, split) for split in numbers]
    if as_json:
        click.echo(json.dumps({"model": name, "splits": [c.to_json() for c in comparisons]}))
    else:
        console().print(splits_table(name, comparisons))
