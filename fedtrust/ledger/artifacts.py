"""The compiled contracts that this package was made with, from ``artifacts/``, and what we need of a token's ABI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from fedtrust.errors import ArtifactError

CONTRACT_NAME: Final = "fedtrust.Federation"
CONTRACT_VERSION: Final = 2
"""The contract's ``version()`` that this package speaks."""

TOKEN_ABI: Final[tuple[dict[str, Any], ...]] = (
    {
        "type": "function",
        "name": "approve",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "spender", "type": "address"}, {"name": "value", "type": "uint256"}],
        "outputs": [{"name": "", "type": "bool"}],
    },
    {
        "type": "function",
        "name": "allowance",
        "stateMutability": "view",
        "inputs": [{"name": "owner", "type": "address"}, {"name": "spender", "type": "address"}],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {
        "type": "function",
        "name": "balanceOf",
        "stateMutability": "view",
        "inputs": [{"name": "account", "type": "address"}],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {
        "type": "error",
        "name": "ERC20InsufficientBalance",
        "inputs": [
            {"name": "sender", "type": "address"},
            {"name": "balance", "type": "uint256"},
            {"name": "needed", "type": "uint256"},
        ],
    },
    {
        "type": "error",
        "name": "ERC20InsufficientAllowance",
        "inputs": [
            {"name": "spender", "type": "address"},
            {"name": "allowance", "type": "uint256"},
            {"name": "needed", "type": "uint256"},
        ],
    },
)
"""The part of ERC-20 that paying takes, and the refusals (ERC-6093) that people meet."""


@dataclass(frozen=True, slots=True)
class ContractArtifact:
    """ABI, creation bytecode and runtime bytecode (immutables still zero) of one contract."""

    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes


def federation_artifact() -> ContractArtifact:
    """Return the Federation contract. Raises ArtifactError if the installed file is missing or malformed."""
    return _artifact("Federation.json")


def disputes_artifact() -> ContractArtifact:
    """Return the Disputes contract, which Federation's constructor makes. Raises ArtifactError likewise."""
    return _artifact("Disputes.json")


@cache
def _artifact(name: str) -> ContractArtifact:
    try:
        text = resources.files("fedtrust.ledger").joinpath("artifacts", name).read_text(encoding="utf-8")
        document = json.loads(text)
        return ContractArtifact(
            abi=tuple(document["abi"]),
            bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
            deployed_bytecode=bytes.fromhex(document["deployedBytecode"].removeprefix("0x")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"the contract artifact {name} cannot be read",
            expected="JSON with abi, bytecode and deployedBytecode",
            got=type(error).__name__,
            advice="reinstall fedtrust, or run 'make contracts' in a checkout",
        ) from error
