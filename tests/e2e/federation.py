"""A federation of real processes: each node its own ``fedtrust`` command, real TLS, a real Ethereum node.

Nodes are started, stopped, killed, paused and continued one by one; a phase is held by pausing, or not starting, the
nodes it waits for. Every wait polls a condition with a deadline, and says what it saw when the deadline passes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fedtrust.cli.main import cli, run
from fedtrust.learning.heart import HOSPITALS
from fedtrust.learning.simulation import simulate_federation
from fedtrust.learning.task import load_task
from fedtrust.learning.training import initial_model
from fedtrust.ledger.connection import connect
from fedtrust.ledger.devnet import Devnet, free_port
from fedtrust.ledger.types import Address, Phase, Role, RoundState
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.nodes.client import HttpsClient
from fedtrust.nodes.settings import FederationSettings
from fedtrust.nodes.tls import client_context
from fedtrust.store.artifacts import FolderStore
from tests.e2e.people import TRUSTEES, People, light_key_files
from tests.e2e.processes import CommandProcess

TASK = "fedtrust.learning.heart:LogisticRegression"
PATIENCE = 180.0
"""Seconds that a wait may take; generous, since two tests share CI's two cores. Nothing ever takes this long."""

T = TypeVar("T")
_PAUSE = threading.Event()


def await_(what: str, condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Return the first true value of ``condition``; fails when there is none within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        _PAUSE.wait(0.05)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**values: str) -> dict[str, str]:
    """Return our environment without settings of fedtrust, one arithmetic thread for each process."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FEDTRUST_") or k == "FEDTRUST_ANVIL"}
    return {**kept, "OMP_NUM_THREADS": "1", **values}


def fedtrust(*arguments: object, seconds: float = PATIENCE, **values: str) -> Outcome:
    """Run a command as a process of its own; ``values`` are added to its environment."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = CommandProcess([str(a) for a in arguments], environment(**values), out, err)
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        return Outcome(code, out.read_text(), err.read_text())


def fedtrust_here(*arguments: object) -> Outcome:
    """Run a command in this process, by the same entry point."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), light_key_files():
        code = run(cli, [str(a) for a in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


@dataclass(slots=True)
class Node:
    """A started node."""

    name: str
    process: subprocess.Popen[bytes] | CommandProcess
    log: Path
    expected_to_end: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def events(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """Return what the node reported so far (over all its lives), of one kind and with these fields if given."""
        lines = self.log.read_text(errors="replace").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [
            e
            for e in found
            if (event is None or e.get("event") == event) and all(e.get(k) == v for k, v in fields.items())
        ]

    def tail(self, lines: int = 12) -> str:
        return "\n    ".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Federation:
    """A deployed federation and its running nodes. Use :func:`federation`, which stops them all."""

    folder: Path
    devnet: Devnet
    people: People
    hospitals: tuple[str, ...]
    trustees: int
    threshold: int
    settings: FederationSettings
    task: str
    initial_task: str
    data: Mapping[str, str]
    challenge_window: int
    standby: bool = False
    rules: Mapping[str, object] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    """What stands in the environment of the node of a name, beside what all have."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.urls = {name: f"https://127.0.0.1:{free_port()}" for name in self.aggregators}
        self.key = self.people.committee(self.threshold, self.trustees)
        (self.folder / "federation.toml").write_text(self.settings.to_toml())
        base = initial_model(load_task(self.initial_task), self.settings.seed)
        (self.folder / "initial.safetensors").write_bytes(base.to_bytes())
        rules = [word for option, value in self.rules.items() for word in ("--" + option.replace("_", "-"), value)]
        deployed = self.operate(
            "deploy", "--manifest", self.key / "manifest.json", "--fund", 10,
            "--challenge-window", self.challenge_window, *rules,
        )  # fmt: skip
        self.contract = Address(deployed.json["contract"])
        self.admit(*self.everybody)
        self.register(*self.everybody)

    # set-up and commands

    @property
    def trustee_names(self) -> tuple[str, ...]:
        return TRUSTEES[: self.trustees]

    @property
    def aggregators(self) -> tuple[str, ...]:
        return ("aggregator", "standby") if self.standby else ("aggregator",)

    @property
    def everybody(self) -> tuple[str, ...]:
        return (*self.aggregators, *self.trustee_names, *self.hospitals)

    @property
    def url(self) -> str:
        """Where the first aggregator serves."""
        return self.urls["aggregator"]

    @property
    def as_operator(self) -> tuple[object, ...]:
        folder = self.people.identity("operator")
        return ("--identity", folder, "--home", self.folder / "operator", *self.passphrase)

    @property
    def passphrase(self) -> tuple[object, ...]:
        return ("--passphrase-file", self.people.passphrase_file)

    @property
    def chain(self) -> tuple[object, ...]:
        return ("--rpc", self.devnet.rpc_url, "--contract", self.contract)

    @property
    def artifacts(self) -> Path:
        return self.folder / "aggregator" / "artifacts"

    def operate(self, command: str, *arguments: object) -> Outcome:
        """Run an operator's command; it must succeed."""
        outcome = fedtrust_here(command, "--rpc", self.devnet.rpc_url, *self.as_operator, "--json", *arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    def admit(self, *names: str) -> None:
        """As the operator, admit people and send them money for gas and stakes."""
        folders = [self.people.identity(name) for name in names]
        self.operate("admit", "--contract", self.contract, "--gas-money", 10, "--stake-money", *folders)

    def register(self, *names: str) -> None:
        """As themselves, register people, in this order: it gives their indices."""
        words = [word for name in names for word in ("--identity", self.people.identity(name))]
        home = self.folder if len(names) > 1 else self.folder / names[0]
        outcome = fedtrust_here("register", *self.chain, *self.passphrase, "--json", "--home", home, *words)
        assert outcome.code == 0, outcome.err

    def as_(self, name: str, command: str, *arguments: object) -> Outcome:
        """Run a command of ``name``'s, which may fail."""
        own = ("--identity", self.people.identity(name), "--home", self.folder / name, *self.passphrase)
        return fedtrust_here(command, *self.chain, *own, "--json", *arguments)

    def audit(self, place: object, *options: object) -> Outcome:
        """Run the auditor as a process that knows three addresses and nothing else."""
        return fedtrust("audit", *self.chain, "--artifacts", place, *options)

    def status(self) -> Any:
        outcome = fedtrust("status", *self.chain, "--json")
        assert outcome.code == 0, outcome.err
        return outcome.json

    # nodes

    def arguments(self, name: str) -> tuple[object, ...]:
        """Return the command line of the node called ``name``."""
        common = (
            *self.chain, *self.passphrase, "--json", "--manifest", self.key / "manifest.json",
            "--identity", self.people.identity(name), "--home", self.folder / name,
        )  # fmt: skip
        if name in self.aggregators:
            others = [url for other, url in self.urls.items() if other != name]
            return (
                "aggregator", *common, "--task", self.task, "--listen", self.urls[name].removeprefix("https://"),
                "--initial-model", self.folder / "initial.safetensors", "--settings", self.folder / "federation.toml",
                "--metrics", ",".join(load_task(self.task).metrics), *(("--standby",) if name == "standby" else ()),
                *(word for url in others for word in ("--peer", url)),
            )  # fmt: skip
        aggregators = [word for url in self.urls.values() for word in ("--aggregator", url)]
        if name in self.trustee_names:
            share = self.key / f"share-{self.trustee_names.index(name) + 1}.sealed"
            return ("trustee", *common, "--share", share, *aggregators)
        data = self.data.get(name, name)
        return ("participant", *common, "--task", self.task, "--data", data, *aggregators)

    def start(self, *names: str, **replaced: str) -> None:
        """Start nodes, also again. ``replaced`` gives an option another value, e.g. ``aggregator="https://..."``."""
        for name in names:
            words = [str(a) for a in self.arguments(name)]
            for option, value in replaced.items():
                words[words.index("--" + option.replace("_", "-")) + 1] = value
            self.start_command(name, words)

    def start_command(self, name: str, words: Sequence[str]) -> None:
        """Start ``fedtrust WORDS`` as one of the nodes."""
        log = self.folder / f"{name}.log"
        log.touch()
        self.nodes[name] = Node(name, CommandProcess(words, environment(**self.variables.get(name, {})), log, log), log)

    def start_aggregator(self, name: str = "aggregator") -> None:
        """Start an aggregator and wait until it serves."""
        lives = len(self.nodes[name].events("Serving")) if name in self.nodes else 0
        self.start(name)
        self.await_(f"{name} to serve", lambda: len(self.nodes[name].events("Serving")) > lives)

    def start_all(self) -> None:
        """Start every node."""
        self.start(*self.aggregators, *self.hospitals, *self.trustee_names)

    def signal(self, number: int, *names: str) -> None:
        for name in names:
            self.nodes[name].process.send_signal(number)

    def pause(self, *names: str) -> None:
        self.signal(signal.SIGSTOP, *names)

    def resume(self, *names: str) -> None:
        self.signal(signal.SIGCONT, *names)

    def rest(self) -> None:
        """Pause all but the aggregator, whose artifacts others want: who has nothing to do need not look for it."""
        self.pause(*(name for name in self.nodes if name != "aggregator"))

    def kill(self, *names: str) -> None:
        """SIGKILL: nothing of the node's own code runs any more."""
        for name in names:
            node = self.nodes[name]
            node.expected_to_end = True
            node.process.kill()
            node.process.wait(PATIENCE)

    def stop(self, name: str) -> int:
        """SIGTERM, as an operator stops a node; returns its exit code."""
        node = self.nodes[name]
        node.expected_to_end = True
        node.process.send_signal(signal.SIGCONT)
        node.process.terminate()
        return node.process.wait(PATIENCE)

    def stop_everything(self) -> None:
        """Kill what still runs: each a process that we started, by its own id."""
        for node in self.nodes.values():
            if node.process.poll() is None:
                node.process.kill()
                node.process.wait(PATIENCE)

    # looking

    @cached_property
    def reader(self) -> Web3LedgerReader:
        return Web3LedgerReader(connect(self.devnet.rpc_url), self.contract)

    @property
    def store(self) -> FolderStore:
        """The aggregator's artifacts, read behind its back."""
        return FolderStore(self.artifacts)

    def await_(self, what: str, condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """Wait as :func:`await_` does; fails at once, with the end of its log, if a node ends on its own."""

        def watched() -> T | None:
            for node in self.nodes.values():
                code = None if node.expected_to_end else node.process.poll()
                assert code is None, f"{node.name} ended with exit code {code}:\n    {node.tail()}"
            return condition()

        try:
            return await_(what, watched, seconds)
        except AssertionError as error:
            tails = "".join(f"\n  {n.name}\n    {n.tail(6)}" for n in self.nodes.values())
            raise AssertionError(f"{error}{tails}") from None

    def round(self, number: int) -> RoundState | None:
        return self.reader.round(number) if self.reader.last_round() >= number else None

    def await_phase(self, number: int, *phases: Phase) -> RoundState:
        """Wait until round ``number`` is in one of ``phases``."""

        def reached() -> RoundState | None:
            state = self.round(number)
            return state if state is not None and state.phase in phases else None

        return self.await_(f"round {number} to be {' or '.join(p.name for p in phases)}", reached)

    def await_committed(self, number: int, count: int) -> None:
        """Wait until ``count`` participants have committed in round ``number``."""

        def reached() -> bool:
            state = self.round(number)
            return state is not None and state.committed.bit_count() >= count

        self.await_(f"{count} commitments in round {number}", reached)

    def await_event(self, name: str, event: str, count: int = 1, **fields: object) -> dict[str, Any]:
        """Wait until the node called ``name`` has reported ``event`` ``count`` times; returns the last of them."""

        def reached() -> dict[str, Any] | None:
            found = self.nodes[name].events(event, **fields)
            return found[-1] if len(found) >= count else None

        return self.await_(f"{count} x {event} {fields or ''} of {name}", reached)

    def await_done(self) -> None:
        """Wait until the aggregator has finalised and settled all its rounds."""
        self.await_event("aggregator", "Done")

    def states(self) -> list[RoundState]:
        return [self.reader.round(n) for n in range(1, self.reader.last_round() + 1)]

    def balance(self) -> int:
        """Return all the wei that the contract holds."""
        return self.devnet.web3().eth.get_balance(self.contract)  # type: ignore[arg-type]

    def models(self) -> list[bytes]:
        """Return the model hash of every round that has a result, in order."""
        return [s.model_hash for s in self.states() if s.phase in (Phase.FINALIZED, Phase.SETTLED)]

    def uploads(self, number: int) -> dict[str, bytes]:
        """Return the digests of the updates that the aggregator lists for a round, as anybody may ask it."""
        context = client_context(None, self.reader.identities(Role.AGGREGATOR))
        with contextlib.closing(HttpsClient(self.url, context)) as client:
            return {str(account): digest for account, digest in client.uploads(number).items()}

    def simulated(self, accepted: Mapping[int, Sequence[str]] | None = None, rounds: int = 0) -> list[bytes]:
        """Return the model hashes that plain integers give. ``accepted`` names the hospitals of unusual rounds."""
        settings, task = self.settings, load_task(self.task)
        labels = {name: f"participant {index}" for index, name in enumerate(self.hospitals)}
        base = initial_model(load_task(self.initial_task), settings.seed)
        completed = simulate_federation(
            {labels[name]: task.load(self.data.get(name, name)) for name in self.hospitals},
            base,
            rounds or settings.rounds,
            settings.training,
            settings.layout(base.parameters, task.metrics),
            clip_norm=settings.clip_norm,
            server_learning_rate=settings.server_learning_rate,
            accepted={r: [labels[n] for n in names] for r, names in (accepted or {}).items()},
        )
        return [each.model.digest for each in completed]


@contextmanager
def federation(
    folder: Path,
    devnet: Devnet,
    people: People,
    *,
    participants: int = 2,
    trustees: int = 3,
    threshold: int = 2,
    task: str = TASK,
    initial_task: str | None = None,
    data: Mapping[str, str] | None = None,
    challenge_window: int = 0,
    standby: bool = False,
    rules: Mapping[str, object] | None = None,
    **settings: float,
) -> Iterator[Federation]:
    """Deploy a federation with heart-disease hospitals as participants; at the end, stop all its nodes.

    ``rules`` are options of ``deploy``, such as ``standby_seconds=5``. With ``standby`` there is a second aggregator.
    Deadlines are far away: tests that need one to pass move the chain's clock.
    """
    values: dict[str, Any] = {
        "rounds": 2, "quorum": 2, "epochs": 1, "batch_size": 32, "learning_rate": 0.5, "clip_norm": 2.0,
        "value_range": 2.0, "trustee_grace": 1, "commit_seconds": 1000, "aggregate_seconds": 1000,
        "finalize_seconds": 1000, **settings,
    }  # fmt: skip
    made = Federation(
        folder=folder,
        devnet=devnet,
        people=people,
        hospitals=HOSPITALS[:participants],
        trustees=trustees,
        threshold=threshold,
        settings=FederationSettings().with_values(values, "test"),
        task=task,
        initial_task=initial_task or task,
        data=data or {},
        challenge_window=challenge_window,
        standby=standby,
        rules=rules or {},
    )
    try:
        yield made
    finally:
        made.stop_everything()
