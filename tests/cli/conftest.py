"""A deployed federation that no node runs for: what most commands need before they can refuse something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedtrust.ledger.devnet import Devnet, start_devnet
from tests.e2e.federation import Federation, federation
from tests.e2e.people import People, make_people


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.getbasetemp() / "people")


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with start_devnet("anvil", log_path=tmp_path_factory.mktemp("anvil") / "anvil.log") as devnet:
        yield devnet


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet, people: People) -> Iterator[Federation]:
    with federation(tmp_path_factory.mktemp("deployed"), anvil, people) as made:
        yield made
