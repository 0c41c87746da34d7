"""Every test that docs/contracts.md names is there, and every slot that it publishes is in the test of slots."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "contracts").glob("*.sol")}


def test_every_named_test_exists() -> None:
    functions = set(re.findall(r"function (\w+)", "\n".join(SOURCES.values())))
    named = re.findall(r"`((?:test|testFuzz|check|invariant)_[\w*]+)`", PAGE)
    assert len(named) > 40
    for name in named:
        pattern = re.compile(name.replace("*", r"\w*"))
        assert any(pattern.fullmatch(function) for function in functions), name


def test_every_named_file_exists() -> None:
    for name in re.findall(r"`(\w+(?:\.\w+)*\.sol)`", PAGE):
        assert name in SOURCES, name


def test_the_slots_are_those_of_the_test() -> None:
    constants = {
        name: int(value)
        for name, value in re.findall(r"uint256 private constant (\w+) = (\d+);", SOURCES["Storage.t.sol"])
    }
    assert f"keccak256(abi.encode(r, {constants['ROUNDS_SLOT']}))" in PAGE
    assert f"keccak256(abi.encode(account, {constants['IDENTITIES_SLOT']}))" in PAGE
    assert f"| verdicts | {constants['VERDICTS_SLOT']} |" in PAGE
    assert f"| eligible participants | {constants['ELIGIBLE_SLOT']} |" in PAGE
    assert f"| key id | {constants['KEY_ID_SLOT']} |" in PAGE
    assert f"| pool, all stakes | {constants['POOL_SLOT']}, {constants['TOTAL_STAKE_SLOT']} |" in PAGE
    assert f"{constants['HEAD_WORD']}: **head**" in PAGE
    python = (ROOT / "fedtrust" / "ledger" / "head_proof.py").read_text(encoding="utf-8")
    assert f"ROUNDS_SLOT: Final = {constants['ROUNDS_SLOT']}\n" in python
    assert f"HEAD_OFFSET: Final = {constants['HEAD_WORD']}\n" in python
