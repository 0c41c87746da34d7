"""Measure which lines and branches of ``contracts/`` the Solidity tests reach, and fail below 95 %.

Forge instruments a copy of the sources in ``build/coverage`` that it compiles with almost no optimisation. Then one
expression has too many values for the stack; in the copy it is split in two, which gives the same bytes. The tests of
gas and the stateful test are left out: the first make no sense there, the second takes too long.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "coverage"
LEAST = 95.0
LEFT_OUT = ("*Gas.t.sol", "*.invariant.t.sol", "*.symbolic.t.sol")
TOO_LONG = re.compile(
    r"abi\.encode\(\s*(ROUND_TAG,.*?opened\.baseRound),(\s*opened\.selected,.*?opened\.reward)\s*\)", re.S
)

Counts = dict[str, list[int]]
"""Lines found, lines hit, branches found, branches hit, by source."""


class CoverageError(RuntimeError):
    """Forge did not measure what it was asked."""


def copy_sources() -> None:
    """Make the copy that is measured.

    Raises:
        CoverageError: the expression that has to be split is not there.
    """
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "scripts").mkdir(parents=True)
    shutil.copytree(ROOT / "contracts", WORK / "contracts")
    shutil.copytree(
        ROOT / "tests" / "contracts", WORK / "tests" / "contracts", ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    shutil.copytree(ROOT / "tests" / "vectors", WORK / "tests" / "vectors")
    for name in ("foundry.toml", "package.json", "scripts/node.sh", "scripts/solc.js"):
        shutil.copy(ROOT / name, WORK / name)
    for name in ("node_modules", ".venv"):
        (WORK / name).symlink_to(ROOT / name)
    rounds = WORK / "contracts" / "rounds" / "Rounds.sol"
    text, count = TOO_LONG.subn(r"bytes.concat(abi.encode(\1), abi.encode(\2))", rounds.read_text(encoding="utf-8"))
    if count != 1:
        raise CoverageError(f"{rounds}: expected the encoding of an opening once, got {count}")
    rounds.write_text(text, encoding="utf-8")


def measure() -> str:
    """Return forge's report in the format of lcov.

    Raises:
        CoverageError: it does not compile, or a test fails.
    """
    environment = {**os.environ, "FEDERATION_ARTIFACT": "Federation.sol:Federation", "FOUNDRY_FUZZ_RUNS": "16"}
    command = [
        "scripts/node.sh",
        "npx",
        "forge",
        "coverage",
        "--offline",
        "--force",
        "--ir-minimum",
        "--report",
        "lcov",
    ]
    result = subprocess.run(command, cwd=WORK, env=environment, capture_output=True, text=True)
    report = WORK / "lcov.info"
    if result.returncode != 0 or not report.exists():
        raise CoverageError(f"forge coverage failed:\n{result.stdout[-8000:]}{result.stderr[-4000:]}")
    return report.read_text(encoding="utf-8")


def counts_of(report: str) -> Counts:
    """Return what the report says of the sources of ``contracts/``."""
    counts: Counts = defaultdict(lambda: [0, 0, 0, 0])
    source = ""
    for line in report.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            source = value
        elif source.startswith("contracts/") and key in ("LF", "LH", "BRF", "BRH"):
            counts[source][("LF", "LH", "BRF", "BRH").index(key)] += int(value)
    return dict(counts)


def table(counts: Counts) -> tuple[str, float, float]:
    """Return a table of all sources, and the percentages of lines and branches."""
    rows = [f"{'source':44}  {'lines':>14}  {'branches':>14}"]
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    for name, (lines, hit, branches, taken) in [*sorted(counts.items()), ("all", total)]:
        rows.append(f"{name:44}  {_share(hit, lines):>14}  {_share(taken, branches):>14}")
    return "\n".join(rows), 100 * total[1] / max(total[0], 1), 100 * total[3] / max(total[2], 1)


def _share(part: int, whole: int) -> str:
    return "-" if whole == 0 else f"{part}/{whole} {100 * part / whole:5.1f}"


def main() -> int:
    """Copy, measure, print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        copy_sources()
        counts = counts_of(measure())
        if not counts:
            raise CoverageError("the report names no source of contracts/")
    except CoverageError as error:
        print(f"scripts/contracts_coverage.py: {error}", file=sys.stderr)
        return 1
    text, lines, branches = table(counts)
    print(text)
    if min(lines, branches) < LEAST:
        print(f"scripts/contracts_coverage.py: expected {LEAST} % at least", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
