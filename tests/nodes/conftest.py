"""Real identity folders, made once per session: each costs a second of scrypt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from fedtrust.nodes.identity import Identity
from tests.fixtures.arithmetic import arithmetic_of_programs
from tests.nodes.served import PEOPLE, ServedFederation, made_identity, serving

Serve = Callable[..., AbstractContextManager[ServedFederation]]


@pytest.fixture(scope="module", autouse=True)
def arithmetic() -> Iterator[None]:
    with arithmetic_of_programs():
        yield


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    """The identity folders of everybody in a served federation, and of two who are registered nowhere."""
    folder = tmp_path_factory.mktemp("identities")
    return {name: made_identity(folder / name, name, role) for name, role in PEOPLE.items()}


@pytest.fixture(scope="session")
def served(identities: dict[str, Identity], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFederation]:
    """A federation whose aggregator serves on loopback, before its first round; tests must not step it."""
    with serving(ServedFederation(identities, tmp_path_factory.mktemp("served"))) as federation:
        yield federation


@pytest.fixture
def serve(identities: dict[str, Identity], tmp_path: Path) -> Serve:
    """Start a federation of the test's own on loopback."""

    @contextmanager
    def start(**settings: int) -> Iterator[ServedFederation]:
        with serving(ServedFederation(identities, tmp_path / "served", **settings)) as federation:
            yield federation

    return start
