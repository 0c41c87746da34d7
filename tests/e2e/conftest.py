"""One Anvil and one set of identity folders for all end-to-end tests; each test deploys a contract of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fedtrust.ledger.devnet import Devnet, start_devnet
from tests.e2e.federation import Federation, federation
from tests.e2e.people import People, make_people

ROUNDS = 3
"""Rounds of the federation that several files look at."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.getbasetemp() / "people")


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with start_devnet("anvil", log_path=tmp_path_factory.mktemp("anvil") / "anvil.log") as devnet:
        yield devnet


@pytest.fixture(scope="session")
def on_anvil(tmp_path_factory: pytest.TempPathFactory, anvil: Devnet, people: People) -> Iterator[Federation]:
    """A federation whose rounds are all settled; its nodes may have been stopped since."""
    with federation(tmp_path_factory.mktemp("on-anvil"), anvil, people, rounds=ROUNDS) as made:
        made.start_all()
        made.await_done()
        made.rest()
        yield made
