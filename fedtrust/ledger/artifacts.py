"""The compiled contract that this package was made with, from ``artifacts/Federation.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from fedtrust.errors import ArtifactError

CONTRACT_NAME: Final = "fedtrust.Federation"
CONTRACT_VERSION: Final = 1
"""The contract's ``version()`` that this package speaks."""


@dataclass(frozen=True, slots=True)
class ContractArtifact:
    """ABI, creation bytecode and runtime bytecode (immutables still zero) of one contract."""

    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes


@cache
def federation_artifact() -> ContractArtifact:
    """Return the Federation contract. Raises ArtifactError if the installed file is missing or malformed."""
    name = "Federation.json"
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
