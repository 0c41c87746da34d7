"""The reference pages are complete and say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from fedtrust.errors import ExitCode
from fedtrust.nodes.settings import FederationSettings
from tests.docs.markdown import ROOT, table_rows

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("script", ["generate_protocol_tables.py", "generate_reference.py"])
def test_generated_parts_are_up_to_date(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), "--check"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stderr}\nrun: python scripts/{script}"


def test_every_exit_code_has_its_row_and_no_other_has() -> None:
    rows = [row for row in table_rows(REFERENCE / "exit-codes.md") if row[0].isdigit()]
    assert [(int(row[0]), row[1]) for row in rows] == [(code.value, f"`{code.name}`") for code in ExitCode]
    assert all(len(row) == 4 and row[2] and row[3] for row in rows)


def test_every_setting_has_its_row_with_its_default() -> None:
    rows = [row for row in table_rows(REFERENCE / "settings.md") if row[0].startswith("`")]
    assert [(row[0].strip("`"), row[1]) for row in rows] == [
        (field.name, f"{field.default}") for field in fields(FederationSettings)
    ]
    assert all(len(row) == 3 and row[2] for row in rows)


def test_the_settings_of_the_scripts_are_settings() -> None:
    read = FederationSettings.read(ROOT / "scripts" / "federation.toml")
    assert read.clip_norm <= read.value_range
    assert read.training.epochs == 1


def test_every_binary_format_is_described() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "fedtrust").rglob("*.py"))
    magics = set(re.findall(r'MAGIC = b"(\w{4})"', sources))
    described = set(re.findall(r"`(FT\w\w)`", (REFERENCE / "artifacts.md").read_text()))
    assert magics
    assert described == magics


def test_every_environment_variable_is_described() -> None:
    package: list[Path] = [*(ROOT / "fedtrust").rglob("*.py")]
    used = set(re.findall(r'"(FEDTRUST_[A-Z_]+)"', "".join(path.read_text() for path in package)))
    assert used
    assert used == {row[0].strip("`") for row in table_rows(REFERENCE / "commands.md") if row[0].startswith("`FED")}
