"""The tables of docs/gas.md are what the command writes from the committed snapshot."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = load("gas_table")
CHECK = load("check_gas")


def test_the_page_is_what_the_command_writes() -> None:
    command = [sys.executable, "scripts/gas_table.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in TABLE.PAGE.read_text(encoding="utf-8")


def test_every_call_and_every_bar_is_in_the_table() -> None:
    gas = CHECK.read_gas(CHECK.SNAPSHOT)
    written = TABLE.tables(gas, CHECK.BARS)
    for name, value in gas.items():
        bar = f"{CHECK.BARS[name]:,}" if name in CHECK.BARS else ""
        assert f"| {name} | {value:,} | {bar} |" in written
    assert CHECK.missed(gas, CHECK.BARS) == []
    assert "1,035,117 to 1,241,366" in written


def test_other_numbers_make_another_page() -> None:
    gas = CHECK.read_gas(CHECK.SNAPSHOT)
    page = TABLE.PAGE.read_text(encoding="utf-8")
    dearer = {**gas, "attest": gas["attest"] + 1}
    assert TABLE.page_with(page, TABLE.tables(gas, CHECK.BARS)) == page
    assert TABLE.page_with(page, TABLE.tables(dearer, CHECK.BARS)) != page


@pytest.mark.parametrize("page", ["", TABLE.BEGIN, TABLE.END + TABLE.BEGIN, 2 * TABLE.BEGIN + TABLE.END])
def test_a_page_without_a_place_is_refused(page: str) -> None:
    with pytest.raises(TABLE.PageError, match="expected"):
        TABLE.page_with(page, "")
