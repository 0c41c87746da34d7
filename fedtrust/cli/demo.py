"""``fedtrust demo``: four hospitals train a model; every party is a process of its own; an auditor verifies it all."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from fedtrust.cli import options
from fedtrust.cli.ceremony import MANIFEST_FILE, share_file
from fedtrust.cli.chain import open_artifacts
from fedtrust.cli.demo_progress import follow_rounds
from fedtrust.cli.heart import HEART_TASKS, compare_heart, heart_settings, hospital_tasks
from fedtrust.cli.members_table import members_table
from fedtrust.cli.output import console
from fedtrust.cli.processes import Child, ChildFailedError, Processes
from fedtrust.cli.status import describe
from fedtrust.cli.tables import comparison_table, payouts_table
from fedtrust.errors import ConfigurationError
from fedtrust.learning.baselines import Comparison, evaluate_everywhere
from fedtrust.learning.heart import HOSPITALS, HeartDisease
from fedtrust.ledger.connection import connect
from fedtrust.ledger.devnet import free_port, start_devnet
from fedtrust.ledger.types import Address, Role
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.nodes.identity import create_identity
from fedtrust.rules.model import Model

AGGREGATORS = ("aggregator", "standby")
TRUSTEES = tuple(f"trustee-{i}" for i in range(1, 6))
THRESHOLD = 3
MEMBERS = (*AGGREGATORS, *TRUSTEES, *HOSPITALS)
RULES = (
    *("--challenge-window", "2", "--dispute-seconds", "60", "--standby-seconds", "30"),
    *("--payout-rule", "reliability"),
)
"""A patient standby: on a busy machine, a slow aggregator is not a dead one."""
START_SECONDS = 120.0
"""Generous: twelve processes start at once, on two cores perhaps."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to run."""

    folder: Path
    kind: type[HeartDisease]
    rounds: int | None
    split: int
    bits: int
    test_key: Path | None
    chain: str
    block_time: float | None


@click.command(epilog="Example: fedtrust demo --model mlp --rounds 10")
@click.option("--model", type=click.Choice(list(HEART_TASKS)), default="logistic", show_default=True, help="The model.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds to finalise [default: 20].")
@click.option("--split", type=click.IntRange(0), default=0, show_default=True, help="Seed of the held-out split.")
@click.option("--bits", type=click.IntRange(2048), default=3072, show_default=True, help="Size of the committee's key.")
@click.option("--test-key", type=options.file, help="Use this public test key instead of a real ceremony.")
@click.option("--chain", type=click.Choice(["anvil", "hardhat"]), default="anvil", show_default=True, help="Devnet.")
@click.option("--block-time", type=float, help="Seconds between blocks; without it, a block for every transaction.")
@click.option("--out", type=options.folder, help="Run folder [default: runs/TIME].")
@options.as_json
def demo(
    model: str,
    rounds: int | None,
    split: int,
    bits: int,
    test_key: Path | None,
    chain: str,
    block_time: float | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run a whole federation on this machine: devnet, ceremony, twelve processes, real data, audit.

    Everything it makes stays in one run folder; every process it starts is stopped at the end, also on Ctrl-C.
    """
    folder = out or Path("runs") / time.strftime("%Y-%m-%d-%H%M%S")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"the run folder {folder} is not empty", advice="name another with --out")
    plan = DemoPlan(folder.resolve(), HEART_TASKS[model], rounds, split, bits, test_key, chain, block_time)
    screen = console(stderr=as_json)

    def terminate(*_: object) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, terminate) for number in _SIGNALS}
    try:
        summary = run_demo(plan, screen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        screen.print(f"\neverything is in {plan.folder}; all processes are stopped", soft_wrap=True)
    if as_json:
        click.echo(json.dumps(summary))
    return int(summary["audit_exit_code"])


def _ignore_signals() -> None:
    """An impatient second Ctrl-C must not stop us from stopping what we started; that takes seconds at most."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run_demo(plan: DemoPlan, screen: Console) -> dict[str, Any]:
    """Run the federation of ``plan`` and return a JSON-ready summary."""
    started = time.monotonic()
    folder = plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    passphrase = folder / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_urlsafe(24) + "\n")
    settings = heart_settings(plan.rounds)
    (folder / "federation.toml").write_text(settings.to_toml())
    with ExitStack() as stack:
        node = stack.enter_context(
            start_devnet(plan.chain, block_time=plan.block_time, log_path=folder / "devnet.log")  # type: ignore[arg-type]
        )
        screen.print(f"{plan.chain} devnet at {node.rpc_url}, chain {node.chain_id}")
        environment = {"FEDTRUST_RPC": node.rpc_url, "FEDTRUST_PASSPHRASE_FILE": str(passphrase)}
        processes = stack.enter_context(Processes(folder / "logs", environment))
        stack.callback(_ignore_signals)  # the first thing on the way out, whatever the reason
        funded = {"operator": node.private_keys[0], "watcher": node.private_keys[1]}
        names = _make_identities(plan, passphrase.read_text().strip(), funded)
        screen.print(f"{len(names)} identities, each with its own account, certificate and folder")
        contract = _set_up(plan, processes, screen)
        url, nodes = _start_nodes(plan, processes, contract)
        screen.print(
            f"aggregator at {url} and a standby; {len(TRUSTEES)} trustees, {len(HOSPITALS)} participants, "
            "a watcher, all running\n"
        )
        reader = Web3LedgerReader(connect(node.rpc_url), Address(contract))
        artifacts = open_artifacts(str(folder / "aggregator" / "artifacts"), reader)

        def check() -> None:
            for child in nodes:
                processes.check(child)

        models = follow_rounds(reader, artifacts, settings.rounds, names, screen, check)
        final = Model.from_bytes(artifacts.get(reader.current_model()))
        (folder / "model.safetensors").write_bytes(final.to_bytes())
        comparison = _compare(plan, final)
        screen.print()
        screen.print(comparison_table(comparison))
        credits = {a: reader.claimable(Address(a)) for a in names if reader.claimable(Address(a))}
        screen.print(payouts_table(credits, names))
        members = [member | {"name": names[member["account"]]} for member in describe(reader)["identities"]]
        screen.print(members_table(members, names=names))
        trained = time.monotonic() - started
        screen.print("\n[bold]auditor[/] (a process with the RPC, contract and artifact addresses, and nothing else)")
        code = _audit(processes, node.rpc_url, contract, url, screen)
    return {
        "folder": str(folder),
        "contract": contract,
        "rounds": settings.rounds,
        "model": "0x" + final.digest.hex(),
        "models": models,
        "comparison": comparison.to_json(),
        "payouts": {account: str(amount) for account, amount in credits.items()},
        "members": members,
        "audit_exit_code": code,
        "seconds": round(trained, 1),
    }


def _make_identities(plan: DemoPlan, passphrase: str, keys: Mapping[str, bytes]) -> dict[str, str]:
    """Make all identity folders, some with the ``keys`` of funded accounts; returns who has which account."""
    roles = {"operator": Role.NONE, "watcher": Role.NONE} | dict.fromkeys(AGGREGATORS, Role.AGGREGATOR)
    roles |= dict.fromkeys(TRUSTEES, Role.TRUSTEE) | dict.fromkeys(HOSPITALS, Role.PARTICIPANT)
    with ProcessPoolExecutor(max_workers=2) as pool:
        made = {
            name: pool.submit(
                create_identity,
                plan.folder / "identities" / name,
                role,
                passphrase,
                private_key=keys.get(name),
            )
            for name, role in roles.items()
        }
        return {future.result().account: name for name, future in made.items()}


def _set_up(plan: DemoPlan, processes: Processes, screen: Console) -> str:
    """Ceremony, deployment, registration, the model to start from. Returns the contract's address."""
    folder, identities = plan.folder, plan.folder / "identities"
    task = f"{plan.kind.__module__}:{plan.kind.__name__}"
    model = processes.start("model", "model", "--json", "--task", task, "--out", str(folder / "initial.safetensors"))
    key = ("--test-key", str(plan.test_key)) if plan.test_key is not None else ("--bits", str(plan.bits))
    made = processes.call(
        "ceremony",
        *("ceremony", "--json", "--threshold", str(THRESHOLD), "--out", str(folder / "key"), *key),
        *(str(identities / name) for name in TRUSTEES),
    )
    screen.print(f"key ceremony: {THRESHOLD} of {len(TRUSTEES)}, {made['bits']} bits, key {made['key_id'][:18]}")
    operator = ("--identity", str(identities / "operator"), "--json")
    deployed = processes.call(
        "deploy", *("deploy", *operator, "--manifest", str(folder / "key" / MANIFEST_FILE)),
        *("--fund", "10", *RULES, "--out", str(folder / "deployment.json")),
    )  # fmt: skip
    contract = str(deployed["contract"])
    people = [str(identities / name) for name in MEMBERS]
    money = ("--gas-money", "10", "--stake-money")
    processes.call("admit", "admit", *operator, "--contract", contract, *money, *people)
    each = [word for path in people for word in ("--identity", path)]
    processes.call("register", "register", "--json", "--contract", contract, "--home", str(folder), *each)
    processes.result(model)
    screen.print(f"contract {contract}, 10 ether in the reward pool; {len(people)} members registered with stakes")
    return contract


def _start_nodes(plan: DemoPlan, processes: Processes, contract: str) -> tuple[str, list[Child]]:
    """Start all nodes and a watcher; returns where the first aggregator serves, and the processes."""
    folder, identities = plan.folder, plan.folder / "identities"
    task = f"{plan.kind.__module__}:{plan.kind.__name__}"
    common = ("--contract", contract, "--manifest", str(folder / "key" / MANIFEST_FILE), "--json")
    addresses = {name: f"127.0.0.1:{free_port()}" for name in AGGREGATORS}
    urls = [word for address in addresses.values() for word in ("--aggregator", f"https://{address}")]

    def who(name: str) -> tuple[str, ...]:
        return ("--identity", str(identities / name), "--home", str(folder / name))

    nodes = []
    for name, address in addresses.items():
        others = [f"https://{each}" for other, each in addresses.items() if other != name]
        arguments = (
            *("aggregator", *common, *who(name), "--task", task, "--listen", address),
            *("--initial-model", str(folder / "initial.safetensors"), "--settings", str(folder / "federation.toml")),
            *(word for url in others for word in ("--peer", url)),
        )
        nodes.append(processes.start(name, *arguments, *(("--standby",) if name == "standby" else ())))
    for index, name in enumerate(TRUSTEES, start=1):
        share = str(folder / "key" / share_file(index))
        nodes.append(processes.start(name, "trustee", *common, *who(name), "--share", share, *urls))
    for name in HOSPITALS:
        data = f"{name}@{plan.split}"
        nodes.append(processes.start(name, "participant", *common, *who(name), "--task", task, "--data", data, *urls))
    places = [word for address in addresses.values() for word in ("--artifacts", f"https://{address}")]
    nodes.append(processes.start("watcher", "watch", "--json", "--contract", contract, *who("watcher"), *places))
    for child in nodes[: len(AGGREGATORS)]:  # who asks one before it serves will ask again
        processes.await_event(child, "Serving", START_SECONDS)
    return f"https://{addresses['aggregator']}", nodes


def _compare(plan: DemoPlan, final: Model) -> Comparison:
    """Train alone and pooled, and put the model that this run made beside them."""
    comparison = compare_heart(plan.kind, heart_settings(plan.rounds), plan.split)
    return replace(comparison, federated=evaluate_everywhere(hospital_tasks(plan.kind, plan.split), final))


def _audit(processes: Processes, rpc: str, contract: str, url: str, screen: Console) -> int:
    child = processes.start("audit", "audit", "--rpc", rpc, "--contract", contract, "--artifacts", url)
    code = child.process.wait()
    screen.print(child.log.read_text(), markup=False, highlight=False, soft_wrap=True)
    if code not in (0, 10):
        raise ChildFailedError("audit", code, child.log)
    return code
