"""Compile ``contracts/`` with solc-js through py-solc-x and write ``fedtrust/ledger/artifacts/``.

One file for each contract that is deployed: Federation, and Disputes, which Federation's constructor makes.

Needs ``node_modules`` (``make setup``) and downloads nothing. ``--check`` writes nothing and fails if a committed
artifact is not what the sources give.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import solcx

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "fedtrust" / "ledger" / "artifacts"
CONTRACTS = ("Federation", "Disputes")

# The same in hardhat.config.js and foundry.toml; tests/ledger/test_bytecode.py compares the bytecode of all three.
SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "optimizer": {"enabled": True, "runs": 200},
    "viaIR": True,
    # without the trailing metadata the bytecode depends on the sources only, not on paths or comments
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}


class CompilationError(RuntimeError):
    """The contracts do not compile, or the tools to compile them are missing."""


def node_environment() -> dict[str, str]:
    """Return the environment in which ``node`` is the one that ``scripts/node.sh`` picks."""
    if not (ROOT / "node_modules" / "solc").is_dir():
        raise CompilationError("node_modules is missing: run 'make setup' first")
    node = subprocess.run(
        [str(ROOT / "scripts" / "node.sh"), "-p", "process.execPath"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def compile_sources() -> dict[str, Any]:
    """Return the compiler's whole output for ``contracts/``, with the layout of storage."""
    os.environ["PATH"] = node_environment()["PATH"]  # py-solc-x starts the compiler with our own environment
    sources = {
        path.relative_to(ROOT).as_posix(): {"content": path.read_text(encoding="utf-8")}
        for path in sorted((ROOT / "contracts").rglob("*.sol"))
    }
    wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"]
    output: dict[str, Any] = solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": sources,
            "settings": {
                **SETTINGS,
                "outputSelection": {f"contracts/{name}.sol": {name: wanted} for name in CONTRACTS},
            },
        },
        solc_binary=ROOT / "scripts" / "solc.js",
    )
    for warning in output.get("errors", []):
        print(warning["formattedMessage"], file=sys.stderr)
    return output


def artifacts_of(output: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the artifacts: contractName, compiler, settings, abi, bytecode and deployedBytecode (0x-hex)."""
    version = solcx.wrapper.get_version_str_from_solc_binary(ROOT / "scripts" / "solc.js")
    compiled = {name: output["contracts"][f"contracts/{name}.sol"][name] for name in CONTRACTS}
    return {
        name: {
            "contractName": name,
            "compiler": f"solc {version}",
            "settings": SETTINGS,
            "abi": contract["abi"],
            "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
            "deployedBytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
        }
        for name, contract in compiled.items()
    }


def main() -> int:
    """Compile, and write the artifacts that changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a committed artifact differs; write nothing")
    arguments = parser.parse_args()
    try:
        artifacts = artifacts_of(compile_sources())
    except (CompilationError, solcx.exceptions.SolcError) as error:
        print(f"scripts/compile_contracts.py: {error}", file=sys.stderr)
        return 1
    stale = False
    for contract, artifact in artifacts.items():
        path = ARTIFACTS / f"{contract}.json"
        text = json.dumps(artifact, indent=2) + "\n"
        name = path.relative_to(ROOT)
        size = (len(artifact["deployedBytecode"]) - 2) // 2
        if path.exists() and path.read_text(encoding="utf-8") == text:
            print(f"{name} is up to date ({size} bytes deployed)")
        elif arguments.check:
            print(f"{name} is not what contracts/ compiles to: run 'make contracts' and commit it", file=sys.stderr)
            stale = True
        else:
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name} ({size} bytes deployed)")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
