"""The architecture of DESIGN section 5, read off the sources: who imports whom, and what never appears anywhere.

Imports inside functions and under TYPE_CHECKING count like any other. What a module really loads is checked in fresh
processes, because an import of an import is invisible to the first kind of test.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "fedtrust"

RANKS = {
    "errors": 0,
    "crypto": 1,
    "compute": 2,
    "store": 2,
    "ledger": 2,
    "rules": 3,
    "protocol": 4,
    "learning": 5,
    "audit": 6,
    "nodes": 7,
    "explorer": 8,
    "cli": 8,
}
"""A room may import rooms of a lower rank and itself; rooms of one rank are strangers to each other."""

PURE = ("crypto", "rules", "protocol")
PURE_LEDGER = ("types", "events", "interface", "heads", "draw")
"""What rules and protocol take from the ledger: values, and the contract's own hashes and draw of them."""
NETWORK = {"aiohttp", "fastapi", "http", "httpx", "requests", "socket", "ssl", "starlette", "urllib", "uvicorn"}
DISK = {"glob", "io", "os", "pathlib", "shutil", "sqlite3", "sys", "tempfile"}
CLOCK_AND_PROCESSES = {
    "asyncio",
    "concurrent",
    "datetime",
    "logging",
    "multiprocessing",
    "subprocess",
    "threading",
    "time",
}
INPUT_AND_OUTPUT = NETWORK | DISK | CLOCK_AND_PROCESSES
NEVER = {"cloudpickle", "dill", "joblib", "marshal", "phe", "pickle", "random", "shelve", "yaml"}
PHE_IS_FOR = ("fedtrust.crypto.phe_interchange", "phe")
"""The one exception: a module for who wants it, see tests/crypto/test_phe_interchange.py."""
TRAINING_COMMANDS = ("demo", "heart", "learning", "participant", "tables")
TRAINERS = {"fedtrust.nodes.participant"} | {f"fedtrust.cli.{name}" for name in TRAINING_COMMANDS}
"""What only those import who have torch; everything else outside learning must load without it."""


@dataclass(frozen=True)
class Module:
    """A source file of the package, parsed."""

    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first name below the package: its folder, or the module itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield line and absolute dotted name of everything imported, wherever the statement stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno}: a relative import hides who is imported"
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"

    def imported_rooms(self) -> Iterator[tuple[int, str]]:
        """Yield line and room of every import from the package itself."""
        for line, name in self.imports():
            if name.startswith("fedtrust.") and name.split(".")[1] != "__version__":
                yield line, name.split(".")[1]


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("fedtrust", *path.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, ast.parse(path.read_text(), str(path))))
    return tuple(found)


def of_rooms(*rooms: str) -> list[Module]:
    return [m for m in modules() if m.room in rooms]


def test_every_room_has_a_place_in_the_architecture() -> None:
    rooms = {m.room for m in modules()} - {"", "__main__"}
    assert rooms <= set(RANKS)
    assert {"crypto", "compute", "ledger", "store", "rules", "protocol", "learning", "audit", "nodes", "cli"} <= rooms


def test_imports_point_downwards_only() -> None:
    wrong = [
        f"{m.name}:{line} imports {room}"
        for m in modules()
        if m.room in RANKS
        for line, room in m.imported_rooms()
        if room != m.room and RANKS[room] >= RANKS[m.room]
    ]
    assert wrong == []


def test_nothing_imports_a_room_that_the_architecture_does_not_name() -> None:
    unknown = {room for m in modules() for _, room in m.imported_rooms()} - set(RANKS)
    assert unknown == set()


@pytest.mark.parametrize(
    ("room", "strangers"),
    [
        ("learning", {"crypto", "ledger", "store"}),
        ("audit", {"nodes", "learning"}),
        ("rules", {"crypto", "store"}),
        ("protocol", {"store"}),
    ],
)
def test_rooms_that_know_nothing_of_each_other(room: str, strangers: set[str]) -> None:
    wrong = [f"{m.name}:{line} imports {r}" for m in of_rooms(room) for line, r in m.imported_rooms() if r in strangers]
    assert wrong == []


def test_the_pure_rooms_take_only_values_from_the_ledger() -> None:
    wrong = [
        f"{m.name}:{line} imports {name}"
        for m in of_rooms("rules", "protocol")
        for line, name in m.imports()
        if name.startswith("fedtrust.ledger.") and name.split(".")[2] not in PURE_LEDGER
    ]
    assert wrong == []


def test_torch_is_imported_in_learning_only_and_learning_by_those_who_train() -> None:
    for module in modules():
        for line, name in module.imports():
            where = f"{module.name}:{line} imports {name}"
            if name.split(".")[0] == "torch":
                assert module.room == "learning", where
            if name.startswith("fedtrust.learning") and module.room != "learning":
                assert module.room == "cli" or module.name == "fedtrust.nodes.participant", where


def test_web3_is_imported_in_the_ledger_only() -> None:
    wrong = [f"{m.name}:{line}" for m in modules() for line, name in m.imports() if name.split(".")[0] == "web3"]
    assert all(where.startswith("fedtrust.ledger.") for where in wrong)


def test_pure_rooms_import_nothing_that_does_input_or_output() -> None:
    wrong = [
        f"{m.name}:{line} imports {name}"
        for m in of_rooms(*PURE)
        for line, name in m.imports()
        if name.split(".")[0] in INPUT_AND_OUTPUT
    ]
    assert wrong == []


def test_pure_rooms_open_and_print_nothing() -> None:
    wrong = [
        f"{m.name}:{node.lineno} calls {node.func.id}"
        for m in of_rooms(*PURE)
        for node in ast.walk(m.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input")
    ]
    assert wrong == []


def test_no_module_imports_what_may_never_appear() -> None:
    wrong = [
        f"{m.name}:{line} imports {name}"
        for m in modules()
        for line, name in m.imports()
        if name.split(".")[0] in NEVER and (m.name, name.split(".")[0]) != PHE_IS_FOR
    ]
    assert wrong == []


def test_no_assert_eval_exec_or_pickle_in_disguise() -> None:
    wrong = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Assert):
                wrong.append(f"{module.name}:{node.lineno} asserts")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                wrong.append(f"{module.name}:{node.lineno} calls {node.func.id}")
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                whole = f"{node.value.id}.{node.attr}"
                if whole in ("np.random", "numpy.random", "torch.load", "torch.save"):
                    wrong.append(f"{module.name}:{node.lineno} uses {whole}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                wrong.append(f"{module.name}:{node.value.lineno} allows pickle")
    assert wrong == []


def test_room_packages_hold_a_docstring_and_nothing_else() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


_WITHOUT = """
import importlib, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

NAMES, ABSENT = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]))
sys.meta_path.insert(0, Absent())
"""
_LOAD = """
for name in NAMES:
    importlib.import_module(name)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
_HELP = """
from fedtrust.cli.main import cli, run
for name in NAMES:
    words = [*name.split(), "--help"]
    if run(cli, words) != 0:
        sys.exit(f"fedtrust {name} --help failed")
"""


def run_without(absent: tuple[str, ...], script: str, names: list[str]) -> str:
    """Run ``script`` over ``names`` in a fresh process where ``absent`` are not installed; return what it printed."""
    command = [sys.executable, "-c", _WITHOUT + script, json.dumps(names), json.dumps(absent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(names: list[str], *, absent: tuple[str, ...] = ()) -> set[str]:
    """Import ``names`` in a fresh process; return the top-level modules that are loaded then."""
    return set(json.loads(run_without(absent, _LOAD, names)))


def test_crypto_rules_and_protocol_load_neither_torch_nor_web3_nor_a_server() -> None:
    loaded = load([m.name for m in of_rooms(*PURE)])
    assert loaded.isdisjoint({"torch", "web3", "httpx", "fastapi", "uvicorn", "sqlite3"})


def test_everybody_but_the_trainers_works_where_torch_is_not_installed() -> None:
    names = [m.name for m in modules() if m.room not in ("learning", "__main__") and m.name not in TRAINERS]
    loaded = load(names, absent=("torch", "phe"))
    assert "torch" not in loaded


@pytest.mark.parametrize(
    "name",
    ["fedtrust.audit.auditor", "fedtrust.nodes.aggregator", "fedtrust.nodes.trustee", "fedtrust.cli.main"],
)
def test_installed_torch_stays_unloaded_for_those_who_do_not_train(name: str) -> None:
    assert load([name]).isdisjoint({"torch", "phe"})


def test_commands_of_everybody_but_the_trainers_work_where_torch_is_not_installed() -> None:
    names = [
        "audit",
        "aggregator",
        "ceremony",
        "claim",
        "deploy",
        "devnet",
        "identity",
        "key",
        "key verify",
        "register",
        "status",
        "trustee",
    ]
    assert "Usage" in run_without(("torch",), _HELP, names)


def test_the_overview_of_commands_works_where_torch_is_not_installed() -> None:
    assert "Usage" in run_without(("torch",), _HELP, [""])
