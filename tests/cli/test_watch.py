"""``fedtrust watch``: what is wrong with its arguments is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account

from fedtrust.cli.main import cli, run
from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.ledger.devnet import free_port

CONTRACT = Account.from_key(b"\1" * 32).address


@pytest.fixture(autouse=True)
def selection_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command selects the arithmetic of its process, which here is that of all tests."""
    monkeypatch.setattr(ARITHMETIC, "implementation", ARITHMETIC.implementation)


def watch(*arguments: object) -> int:
    return run(cli, ["watch", "--contract", CONTRACT, *map(str, arguments)])


def test_it_needs_an_identity_to_dispute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch("--artifacts", tmp_path) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_it_needs_somewhere_to_look() -> None:
    assert watch("--dry-run") == 2


@pytest.mark.parametrize("option", ["--rounds 0", "--patience -1", "--patience soon"])
def test_numbers_are_in_range(tmp_path: Path, option: str) -> None:
    assert watch("--dry-run", "--artifacts", tmp_path, *option.split()) == 2


def test_a_chain_that_does_not_answer_has_its_exit_code(tmp_path: Path) -> None:
    assert watch("--dry-run", "--artifacts", tmp_path, "--rpc", f"http://127.0.0.1:{free_port()}") == 20
