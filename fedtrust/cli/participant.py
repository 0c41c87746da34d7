"""``fedtrust participant``, and :func:`run_participant` for scripts that bring their own task."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger
from fedtrust.cli.main import run
from fedtrust.cli.running import stopped_by_signals
from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import ConfigurationError, FedtrustError, KeyFileError
from fedtrust.learning.source import find_task_source
from fedtrust.learning.task import Task, load_task
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.identity import open_identity
from fedtrust.nodes.loop import POLL_SECONDS
from fedtrust.nodes.participant import ParticipantNode
from fedtrust.nodes.report import LineReporter
from fedtrust.nodes.tls import client_context, verify_registration
from fedtrust.store.artifacts import FolderStore
from fedtrust.store.state import NodeState

_EXAMPLE = (
    "Example: fedtrust participant --contract 0x... --identity clinic --home run/clinic --manifest key/manifest.json "
    "--task fedtrust.learning.heart:LogisticRegression --data cleveland --aggregator https://127.0.0.1:8443"
)

_common = options.options(
    options.chain,
    options.contract,
    click.option("--identity", "identity_folder", type=options.folder, required=True, help="Our identity folder."),
    click.option("--home", type=options.folder, required=True, help="Folder for node state; kept over restarts."),
    click.option("--manifest", type=options.file, required=True, help="The key manifest of the ceremony."),
    click.option("--data", required=True, help="Our data, in the form that the task's load() understands."),
    click.option("--aggregator", "url", required=True, help="The aggregator's https:// address."),
    options.passphrase,
    options.as_json,
)


@click.command(epilog=_EXAMPLE)
@click.option("--task", required=True, help="The task, as package.module:Class or path/to/file.py:Class.")
@_common
def participant(task: str, **settings: object) -> int:
    """Train on our own data each round we are selected for; send nothing but encrypted, signed updates.

    Exits with the code of the last refusal if any round was sat out because something was wrong with it.
    """
    return _run_node(load_task(task), find_task_source(task).digest, **settings)  # type: ignore[arg-type]


def run_participant(task: type[Task]) -> None:
    """Run a participant with a task of your own, defined in the calling script; reads the command line and exits."""
    source = inspect.getsourcefile(task)
    if source is None:
        raise KeyFileError(f"{task.__name__} has no source file", advice="define the task in a script")
    digest = sha256(Path(source).read_bytes())

    @click.command(help=task.__doc__)
    @_common
    def script(**settings: object) -> int:
        return _run_node(task, digest, **settings)  # type: ignore[arg-type]

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
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folder: Path,
    home: Path,
    manifest: Path,
    data: str,
    url: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    report = LineReporter(f"participant {identity_folder.name}", as_json=as_json)
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home)
    registration = verify_registration(identity.public, ledger.identity(identity.account))
    key = KeyManifest.from_bytes(options.read_file(manifest, "the key manifest"))
    published = ledger.key()
    if published is None or published.key_id != key.key_id:
        raise KeyFileError(f"{manifest} is not the key manifest published on chain")
    client = HttpsClient(url, client_context(identity, ledger.identities(Role.AGGREGATOR)))
    node = ParticipantNode(
        ledger,
        client,
        FolderStore(home / "artifacts"),
        NodeState(home / "state.sqlite"),
        key,
        _load(task, data),
        task_code,
        identity.private_key,
        registration,
        report,
    )
    with stopped_by_signals() as stop:
        report("Started", account=identity.account, data=data)
        node.run(stop, POLL_SECONDS)
    return 0 if node.refusal is None else int(node.refusal.exit_code)
