"""``fedtrust participant``, and :func:`run_participant` for scripts that bring their own task."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click

from fedtrust.cli import options
from fedtrust.cli.main import run
from fedtrust.cli.node import aggregator_urls, node_options, open_node
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.paillier import SHORT_EXPONENT_BITS
from fedtrust.errors import ConfigurationError, FedtrustError, KeyFileError
from fedtrust.learning.source import find_task_source
from fedtrust.learning.task import Task, load_task
from fedtrust.ledger.types import Role
from fedtrust.nodes.loop import POLL_SECONDS
from fedtrust.nodes.participant import ParticipantNode
from fedtrust.nodes.report import LineReporter

_EXAMPLE = (
    "Example: fedtrust participant --contract 0x... --identity clinic --home run/clinic --manifest key/manifest.json "
    "--task fedtrust.learning.heart:LogisticRegression --data cleveland --aggregator https://127.0.0.1:8443"
)

_common = options.options(
    node_options,
    click.option("--data", required=True, help="Our data, in the form that the task's load() understands."),
    aggregator_urls,
    options.minimum_quorum,
    click.option(
        "--short-exponents",
        is_flag=True,
        help=f"Encrypt with exponents of {SHORT_EXPONENT_BITS} bits: three times as fast, under one more assumption.",
    ),
)


@click.command(epilog=_EXAMPLE)
@click.option("--task", required=True, help="The task, as package.module:Class or path/to/file.py:Class.")
@_common
def participant(task: str, **settings: Any) -> int:
    """Train on our own data each round we are selected for; send nothing but encrypted, signed updates.

    Exits with the code of the last refusal if any round was sat out because something was wrong with it.
    """
    return _run_node(load_task(task), find_task_source(task).digest, **settings)


def run_participant(task: type[Task]) -> None:
    """Run a participant with a task of your own, defined in the calling script; reads the command line and exits."""
    source = inspect.getsourcefile(task)
    if source is None:
        raise KeyFileError(f"{task.__name__} has no source file", advice="define the task in a script")
    digest = sha256(Path(source).read_bytes())

    @click.command(help=task.__doc__)
    @_common
    def script(**settings: Any) -> int:
        return _run_node(task, digest, **settings)

    sys.exit(run(script, name=Path(source).name))


def _load(task: type[Task], data: str) -> Task:
    try:
        return task.load(data)
    except FedtrustError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise ConfigurationError(
            f"{task.__name__} cannot load the data {data!r}",
            got=f"{type(error).__name__}: {error}",
            advice="call load() in a Python shell to see the whole traceback",
        ) from error


def _run_node(
    task: type[Task],
    task_code: bytes,
    *,
    data: str,
    urls: tuple[str, ...],
    short_exponents: bool,
    minimum_quorum: int,
    as_json: bool,
    **settings: Any,
) -> int:
    node = open_node(Role.PARTICIPANT, **settings)
    report = LineReporter(f"participant {node.identity.folder.name}", as_json=as_json)
    participant_node = ParticipantNode(
        node.ledger,
        node.aggregators(urls),
        node.store(),
        node.state(),
        node.manifest,
        _load(task, data),
        task_code,
        node.identity.private_key,
        node.registration,
        report,
        exponent_bits=SHORT_EXPONENT_BITS if short_exponents else None,
        minimum_quorum=minimum_quorum,
    )
    with stopped_by_signals() as stop:
        report("Started", account=node.identity.account, data=data)
        participant_node.run(stop, POLL_SECONDS)
    return 0 if participant_node.refusal is None else int(participant_node.refusal.exit_code)
