"""Nodes for the ledger tests, one of each kind for the whole session, and the compiled contracts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.devnet import Devnet, start_devnet
from tests.ledger.compiled import compiled_once
from tests.ledger.worlds import CONFIG, MemoryWorld, NodeWorld, World


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    log: Path = tmp_path_factory.mktemp("anvil") / "anvil.log"
    with start_devnet("anvil", log_path=log) as devnet:
        yield devnet


@pytest.fixture(scope="session")
def hardhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    log: Path = tmp_path_factory.mktemp("hardhat") / "hardhat.log"
    with start_devnet("hardhat", log_path=log) as devnet:
        yield devnet


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What py-solc-x makes of ``contracts/``."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "compiled-contracts"
    folder.mkdir(exist_ok=True)
    return compiled_once(folder)


@pytest.fixture(params=["memory", "anvil", pytest.param("hardhat", marks=pytest.mark.slow)])
def make_world(request: pytest.FixtureRequest) -> Callable[..., World]:
    """Make a fresh federation, on each implementation in turn."""
    kind: str = request.param
    if kind == "memory":
        return MemoryWorld
    devnet: Devnet = request.getfixturevalue(kind)

    def make(config: DeploymentConfig = CONFIG) -> World:
        return NodeWorld(devnet, config)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
