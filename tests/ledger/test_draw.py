"""The draw against vectors that the contract's tests read too, and what holds for every draw."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.ledger.draw import draw_indices
from tests.crypto.crypto_fixtures import load_vectors

CASES = load_vectors("draw")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"round {case['round']}")
def test_vectors(case: dict[str, Any]) -> None:
    beacon, eligible = bytes.fromhex(case["beacon"][2:]), int(case["eligible"], 16)
    assert draw_indices(beacon, int(case["round"]), eligible, int(case["count"])) == int(case["selected"], 16)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**40), st.integers(0, 2**256 - 1), st.integers(0, 300))
def test_a_draw_is_a_subset_of_the_size_asked_for(beacon: bytes, round: int, eligible: int, count: int) -> None:
    drawn = draw_indices(beacon, round, eligible, count)
    assert drawn & ~eligible == 0
    assert drawn.bit_count() == (min(count, eligible.bit_count()) if count else eligible.bit_count())
