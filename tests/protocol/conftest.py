"""Protocol tests compute as programs do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.arithmetic import arithmetic_of_programs


@pytest.fixture(scope="module", autouse=True)
def arithmetic() -> Iterator[None]:
    with arithmetic_of_programs():
        yield
