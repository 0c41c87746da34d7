"""What the static check makes of Slither's reports; `make contracts-static` runs Slither itself."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "contracts-checks.md").read_text(encoding="utf-8")
LOG = ". analyzed (26 contracts with 100 detectors), 1 result(s) found"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_static", ROOT / "scripts" / "check_static.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = load()


def report(*found: tuple[str, str, str]) -> dict[str, Any]:
    detectors = [
        {
            "check": check,
            "elements": [
                {"name": name, "type_specific_fields": {"parent": {"type": "contract", "name": contract}}},
                {"name": "amount * 2", "type": "node"},
            ],
        }
        for check, contract, name in found
    ]
    return {"success": True, "error": None, "results": {"detectors": detectors}}


def test_findings_are_named_by_contract_and_function() -> None:
    found = CHECK.findings_of(report(("timestamp", "Rounds", "attest"), ("timestamp", "Rounds", "attest")), LOG, 26)
    assert found == Counter({("timestamp", "Rounds.attest"): 2})


@pytest.mark.parametrize(
    ("log", "contracts"),
    [("", 26), (". analyzed (0 contracts with 100 detectors)", 26), (LOG, 27), (LOG, 25), (LOG.replace("26", "0"), 0)],
)
def test_a_report_without_all_contracts_fails(log: str, contracts: int) -> None:
    with pytest.raises(CHECK.CheckError, match=f"expected {contracts}"):
        CHECK.findings_of(report(), log, contracts)


def test_a_failed_report_fails() -> None:
    with pytest.raises(CHECK.CheckError, match="no compiler"):
        CHECK.findings_of({"success": False, "error": "no compiler", "results": {}}, LOG, 26)


def test_each_finding_needs_its_own_explanation_and_the_other_way_round() -> None:
    page = CHECK.explained(PAGE)
    assert page[("low-level-calls", "Rewards.claim")] == 1
    assert page[("timestamp", "Endings.settleRound")] == 1
    assert CHECK.difference(page, page) == []
    once_more = page + Counter({("low-level-calls", "Rewards.claim"): 1})
    assert CHECK.difference(once_more, page) == ["not explained: low-level-calls in Rewards.claim (1)"]
    new = page + Counter({("reentrancy-eth", "Rewards.claim"): 1})
    assert CHECK.difference(new, page) == ["not explained: reentrancy-eth in Rewards.claim (1)"]
    gone = page - Counter({("low-level-calls", "Rewards.claim"): 1})
    assert CHECK.difference(gone, page) == ["explained, but gone: low-level-calls in Rewards.claim"]


def test_a_row_without_a_reason_explains_nothing() -> None:
    assert CHECK.explained("| `timestamp` | `Rounds.attest` | |") == Counter()
    assert CHECK.explained("| `timestamp` | `Rounds.attest` | meant |") == Counter({("timestamp", "Rounds.attest"): 1})


def test_excluded_detectors_are_explained_and_nothing_is_excluded_by_class() -> None:
    configuration = json.loads((ROOT / "slither.config.json").read_text(encoding="utf-8"))
    assert CHECK.unexplained_exclusions(PAGE, configuration) == []
    more = {"detectors_to_exclude": configuration["detectors_to_exclude"] + ",reentrancy-eth"}
    assert CHECK.unexplained_exclusions(PAGE, more) == ["reentrancy-eth"]
    assert not {key for key in configuration if key.startswith("exclude_") or key == "detectors_to_run"}
    assert configuration["filter_paths"] == "node_modules/"
