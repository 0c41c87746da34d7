"""Amounts on the command line are exact, and what is no amount is refused by name."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.cli.account import UNIT, Amount, plain

AMOUNT = Amount()


@given(st.integers(0, 10**9 * UNIT))
def test_what_is_printed_reads_back_to_the_last_unit(amount: int) -> None:
    assert AMOUNT.convert(plain(amount), None, None) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("0", 0), ("0.1", UNIT // 10), ("007.50", 15 * UNIT // 2), ("0.000000000000000001", 1)]
)
def test_amounts(text: str, amount: int) -> None:
    assert AMOUNT.convert(text, None, None) == amount


@pytest.mark.parametrize(
    "text", ["", "-1", "1.", ".", "1e3", "0x10", "1,5", "NaN", "1_000", "٣", "0.0000000000000000001", "1000000001"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is not an amount|is out of range"):
        AMOUNT.convert(text, None, None)
