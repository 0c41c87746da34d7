"""The committed artifact is what py-solc-x, Hardhat and Foundry each compile from ``contracts/``."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fedtrust.ledger.types import AbortReason, Phase, Role

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT = ROOT / "fedtrust" / "ledger" / "artifacts" / "Federation.json"
INTERFACE = ROOT / "contracts" / "interfaces" / "IFederation.sol"
EIP170_LIMIT = 24_576


def committed() -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text(encoding="utf-8"))
    return artifact


@pytest.fixture(scope="module")
def node_modules() -> Path:
    path = ROOT / "node_modules"
    if not (path / ".bin" / "hardhat").exists() or not (path / ".bin" / "forge").exists():
        pytest.fail("node_modules is missing or incomplete: run 'make setup' first")
    return path


def compiler() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_contracts", ROOT / "scripts" / "compile_contracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def npx(*arguments: str) -> None:
    command = [str(ROOT / "scripts" / "node.sh"), "npx", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"


def by_text(abi: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in abi)


@pytest.mark.slow
def test_bytecode_py_solc_x(node_modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = compiler()
    monkeypatch.setenv("PATH", module.node_environment()["PATH"])
    assert module.compile_federation() == committed()


@pytest.mark.slow
def test_bytecode_hardhat(node_modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true")
    npx("hardhat", "build", "--force")
    output = ROOT / "build" / "hardhat" / "artifacts" / "contracts" / "Federation.sol" / "Federation.json"
    built = json.loads(output.read_text(encoding="utf-8"))
    assert built["bytecode"] == committed()["bytecode"]
    assert built["deployedBytecode"] == committed()["deployedBytecode"]
    assert built["abi"] == committed()["abi"]


@pytest.mark.slow
def test_bytecode_foundry(node_modules: Path, tmp_path: Path) -> None:
    npx("forge", "build", "--force", "--offline", "--out", str(tmp_path / "out"), "--cache-path", str(tmp_path / "c"))
    built = json.loads((tmp_path / "out" / "Federation.sol" / "Federation.json").read_text(encoding="utf-8"))
    assert built["bytecode"]["object"] == committed()["bytecode"]
    assert built["deployedBytecode"]["object"] == committed()["deployedBytecode"]
    # forge orders the entries and their keys in its own way
    assert by_text(built["abi"]) == by_text(committed()["abi"])


def test_artifact_is_deployable() -> None:
    artifact = committed()
    assert artifact["contractName"] == "Federation"
    assert artifact["compiler"].startswith("solc 0.8.37+commit.")
    assert 0 < len(bytes.fromhex(artifact["deployedBytecode"][2:])) <= EIP170_LIMIT
    # no library to link, no metadata that would depend on paths
    assert artifact["settings"]["metadata"] == {"bytecodeHash": "none", "appendCBOR": False}
    assert str(ROOT) not in ARTIFACT.read_text(encoding="utf-8")


@pytest.mark.parametrize("enumeration", [Role, Phase, AbortReason])
def test_enumerations_match_the_contract(enumeration: type[Role] | type[Phase] | type[AbortReason]) -> None:
    source = INTERFACE.read_text(encoding="utf-8")
    body = source.split(f"enum {enumeration.__name__} {{", 1)[1].split("}", 1)[0]
    names = [name.strip() for name in body.split(",")]
    assert names == [member.name for member in enumeration]
    assert [member.value for member in enumeration] == list(range(len(names)))
