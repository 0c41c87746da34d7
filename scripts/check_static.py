"""Run Slither over ``contracts/`` and compare what it finds with the table of ``docs/contracts-checks.md``.

Fails if a finding is not explained there, if an explanation has no finding any more, if a detector is excluded in
``slither.config.json`` without a word in that page, or if Slither did not see every contract that was compiled: with
compiler output that it cannot read it reports success on no contracts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "contracts-checks.md"
CONFIGURATION = ROOT / "slither.config.json"
WORK = ROOT / "build" / "slither"
SLITHER = WORK / "venv" / "bin" / "slither"

Finding = tuple[str, str]
"""A detector and the function (``Rounds.openRound``), variable or contract that it names first."""

_NAME = re.compile(r"`([^`]+)`")
_SEEN = re.compile(r"analyzed \((\d+) contracts")


class CheckError(RuntimeError):
    """The tools are missing, or did not do what they were asked."""


def compile_sources() -> None:
    """Compile ``contracts/`` alone, with syntax trees, into ``build/slither/out``.

    Raises:
        CheckError: forge is missing or does not compile them.
    """
    shutil.rmtree(WORK / "out", ignore_errors=True)  # an older build-info would be read too
    environment = {**os.environ, "FOUNDRY_OUT": str(WORK / "out"), "FOUNDRY_CACHE_PATH": str(WORK / "cache")}
    command = ["scripts/node.sh", "npx", "forge", "build", "--offline", "--force", "--ast", "--build-info", "contracts"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise CheckError(f"forge build failed:\n{result.stdout}{result.stderr}")


def compiled_contracts() -> int:
    """Return how many contracts, interfaces and libraries forge compiled.

    Raises:
        CheckError: not exactly one build, or a source of ``contracts/`` is not in it.
    """
    builds = sorted((WORK / "out" / "build-info").glob("*.json"))
    if len(builds) != 1:
        raise CheckError(f"expected one build-info file, got {len(builds)}")
    build: dict[str, Any] = json.loads(builds[0].read_text(encoding="utf-8"))
    sources: dict[str, Any] = build.get("output", {}).get("sources", {})
    missing = {p.relative_to(ROOT).as_posix() for p in (ROOT / "contracts").rglob("*.sol")} - sources.keys()
    if missing:
        raise CheckError(f"forge did not compile {', '.join(sorted(missing))}")
    nodes = [node for source in sources.values() for node in source["ast"]["nodes"]]
    return sum(node["nodeType"] == "ContractDefinition" for node in nodes)


def run_slither() -> tuple[dict[str, Any], str]:
    """Return Slither's report and its log.

    Raises:
        CheckError: Slither is missing or wrote no report.
    """
    if not SLITHER.exists():
        raise CheckError("Slither is not installed: run 'make contracts-static'")
    report = WORK / "report.json"
    report.unlink(missing_ok=True)  # Slither does not overwrite
    # it asks forge for its configuration
    forge = [str(path.parent) for path in sorted(ROOT.glob("node_modules/@foundry-rs/forge-*/bin/forge"))]
    path = os.pathsep.join([*forge, os.environ.get("PATH", "")])
    result = subprocess.run(
        [SLITHER, ".", "--config-file", CONFIGURATION, "--json", report],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    log = result.stdout + result.stderr
    # its exit status is the same for findings and for failures
    if not report.exists():
        raise CheckError(f"Slither wrote no report:\n{log}")
    return json.loads(report.read_text(encoding="utf-8")), log


def findings_of(report: Mapping[str, Any], log: str, contracts: int) -> Counter[Finding]:
    """Return the findings of a report that covers all ``contracts``.

    Raises:
        CheckError: the report says that Slither failed, or it saw none or only some of the contracts.
    """
    if report.get("success") is not True:
        raise CheckError(f"Slither failed: {report.get('error')}\n{log}")
    seen = _SEEN.search(log)
    count = int(seen[1]) if seen else 0
    if contracts == 0 or count != contracts:
        raise CheckError(f"Slither saw {count} contracts, expected {contracts}")
    return Counter((found["check"], _place(found["elements"])) for found in report["results"].get("detectors", []))


def _place(elements: list[dict[str, Any]]) -> str:
    if not elements:
        return "-"
    first = elements[0]
    parent = first.get("type_specific_fields", {}).get("parent", {})
    return f"{parent['name']}.{first['name']}" if parent.get("type") == "contract" else str(first["name"])


def explained(page: str) -> Counter[Finding]:
    """Return the findings that the page's table explains: rows of ``| `detector` | `place`, ... | why |``."""
    return Counter((names[0], place) for names, places, _ in _rows(page) for place in places)


def unexplained_exclusions(page: str, configuration: Mapping[str, Any]) -> list[str]:
    """Return the detectors that the configuration excludes and the page's second table does not explain."""
    names = {name for row in page.splitlines() if row.startswith("| `") and row.count("|") == 3 for name in _cell(row)}
    excluded = str(configuration.get("detectors_to_exclude") or "").split(",")
    return sorted({name.strip() for name in excluded} - names - {""})


def _cell(row: str) -> list[str]:
    return _NAME.findall(row.split("|")[1])


def _rows(page: str) -> Iterator[tuple[list[str], list[str], str]]:
    for line in page.splitlines():
        if line.startswith("| `") and line.count("|") == 4:
            _, detector, places, why, _ = line.split("|")
            if why.strip():
                yield _NAME.findall(detector), _NAME.findall(places), why.strip()


def difference(found: Counter[Finding], page: Counter[Finding]) -> list[str]:
    """Return a line for each finding without an explanation and each explanation without a finding."""
    new = [f"not explained: {check} in {place} ({count})" for (check, place), count in sorted((found - page).items())]
    old = [f"explained, but gone: {check} in {place}" for check, place in sorted(page - found)]
    return new + old


def main() -> int:
    """Compile, analyse, compare."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    page = PAGE.read_text(encoding="utf-8")
    try:
        compile_sources()
        contracts = compiled_contracts()
        report, log = run_slither()
        found = findings_of(report, log, contracts)
    except CheckError as error:
        print(f"scripts/check_static.py: {error}", file=sys.stderr)
        return 1
    excluded = unexplained_exclusions(page, json.loads(CONFIGURATION.read_text(encoding="utf-8")))
    problems = difference(found, explained(page)) + [f"excluded without a reason: {name}" for name in excluded]
    if problems:
        print(log, file=sys.stderr)
        print(
            "\n".join([*problems, f"Repair the contract, or explain it in {PAGE.relative_to(ROOT)}"]), file=sys.stderr
        )
        return 1
    print(f"Slither saw {contracts} contracts; all {found.total()} findings are explained in {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
