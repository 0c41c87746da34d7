"""The committed artifact is what py-solc-x, Hardhat and Foundry each compile from ``contracts/``."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from fedtrust.ledger import events
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.refusals import refused
from fedtrust.ledger.types import (
    AbortReason,
    DisputeKind,
    DisputeOutcome,
    FederationConfig,
    PayoutRule,
    Phase,
    Role,
    Status,
)
from tests.ledger.compiled import ROOT, compiler

ARTIFACTS = ROOT / "fedtrust" / "ledger" / "artifacts"
CONTRACTS = ("Federation", "Disputes")
INTERFACES = ROOT / "contracts" / "interfaces"
EIP170_LIMIT = 24_576
EIP3860_LIMIT = 2 * EIP170_LIMIT


def committed(contract: str) -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads((ARTIFACTS / f"{contract}.json").read_text(encoding="utf-8"))
    return artifact


@pytest.fixture(scope="module")
def node_modules() -> Path:
    path = ROOT / "node_modules"
    if not (path / ".bin" / "hardhat").exists() or not (path / ".bin" / "forge").exists():
        pytest.fail("node_modules is missing or incomplete: run 'make setup' first")
    return path


def npx(*arguments: str) -> None:
    command = [str(ROOT / "scripts" / "node.sh"), "npx", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"


def by_text(abi: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in abi)


@pytest.mark.slow
def test_bytecode_py_solc_x(compiled: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    module = compiler()
    monkeypatch.setenv("PATH", module.node_environment()["PATH"])
    built = module.artifacts_of(compiled)
    assert built == {contract: committed(contract) for contract in CONTRACTS}


@pytest.mark.slow
def test_bytecode_hardhat(node_modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true")
    npx("hardhat", "build", "--force")
    for contract in CONTRACTS:
        output = ROOT / "build" / "hardhat" / "artifacts" / "contracts" / f"{contract}.sol" / f"{contract}.json"
        built = json.loads(output.read_text(encoding="utf-8"))
        assert built["bytecode"] == committed(contract)["bytecode"]
        assert built["deployedBytecode"] == committed(contract)["deployedBytecode"]
        assert built["abi"] == committed(contract)["abi"]


@pytest.mark.slow
def test_bytecode_foundry(node_modules: Path, tmp_path: Path) -> None:
    npx(
        "forge",
        "build",
        "contracts",
        "--force",
        "--offline",
        "--out",
        str(tmp_path / "out"),
        "--cache-path",
        str(tmp_path / "c"),
    )
    for contract in CONTRACTS:
        output = tmp_path / "out" / f"{contract}.sol" / f"{contract}.json"
        built = json.loads(output.read_text(encoding="utf-8"))
        assert built["bytecode"]["object"] == committed(contract)["bytecode"]
        assert built["deployedBytecode"]["object"] == committed(contract)["deployedBytecode"]
        # forge orders the entries and their keys in its own way
        assert by_text(built["abi"]) == by_text(committed(contract)["abi"])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_artifact_is_deployable(contract: str) -> None:
    artifact = committed(contract)
    assert artifact["contractName"] == contract
    assert artifact["compiler"].startswith("solc 0.8.37+commit.")
    assert 0 < len(bytes.fromhex(artifact["deployedBytecode"][2:])) <= EIP170_LIMIT
    assert len(bytes.fromhex(artifact["bytecode"][2:])) <= EIP3860_LIMIT
    # no library to link, no metadata that would depend on paths
    assert artifact["settings"]["metadata"] == {"bytecodeHash": "none", "appendCBOR": False}
    assert str(ROOT) not in (ARTIFACTS / f"{contract}.json").read_text(encoding="utf-8")


def test_federation_makes_the_disputes_of_this_release() -> None:
    # the creation code of Disputes is part of Federation's: nobody can deploy one with another
    assert committed("Disputes")["bytecode"][2:] in committed("Federation")["bytecode"]


def test_no_function_is_in_both_contracts() -> None:
    functions = [
        {entry["name"] for entry in committed(contract)["abi"] if entry["type"] == "function"} for contract in CONTRACTS
    ]
    assert not functions[0] & functions[1]


@pytest.mark.parametrize(
    ("interface", "name", "enumeration"),
    [
        ("IFederation", "Role", Role),
        ("IFederation", "Status", Status),
        ("IFederation", "Phase", Phase),
        ("IFederation", "AbortReason", AbortReason),
        ("IFederation", "PayoutRule", PayoutRule),
        ("IDisputes", "Kind", DisputeKind),
        ("IDisputes", "Outcome", DisputeOutcome),
    ],
)
def test_enumerations_match_the_contract(interface: str, name: str, enumeration: type[IntEnum]) -> None:
    source = (INTERFACES / f"{interface}.sol").read_text(encoding="utf-8")
    body = source.split(f"enum {name} {{", 1)[1].split("}", 1)[0]
    names = [each.strip() for each in body.split(",")]
    assert names == [member.name for member in enumeration]
    assert [member.value for member in enumeration] == list(range(len(names)))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_events_match_the_contract(contract: str) -> None:
    for entry in committed(contract)["abi"]:
        # ownership, and the name in OpenZeppelin's EIP712
        if entry["type"] == "event" and not entry["name"].startswith(("Ownership", "EIP712")):
            event = getattr(events, entry["name"])
            own = [field.name for field in fields(event)][len(fields(events.LedgerEvent)) :]
            assert own == [snake_case(each["name"]) for each in entry["inputs"]], entry["name"]


def test_every_refusal_that_can_be_met_has_its_advice() -> None:
    internal = ("Ownable", "Reentrancy", "String", "InvalidShortString", "Modular", "Merkle", "NotDisputes")
    for contract in CONTRACTS:
        for entry in committed(contract)["abi"]:
            if entry["type"] == "error" and not entry["name"].startswith(internal):
                advice = refused("a step", f"{entry['name']}()").advice
                assert advice != refused("a step", "Unheard()").advice, entry["name"]


def test_configuration_matches_the_contract() -> None:
    config = next(each for each in committed("Federation")["abi"] if each.get("name") == "config")
    names = [snake_case(each["name"]) for each in config["outputs"][0]["components"]]
    assert [field.name for field in fields(FederationConfig)][-len(names) :] == names
    assert {field.name for field in fields(DeploymentConfig)} == set(names)


def snake_case(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()
