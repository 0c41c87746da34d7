"""Measure which lines and branches of ``contracts/`` the Solidity tests reach, and fail below 95 %.

Forge measures twice, on copies of the sources in ``build/coverage``. First everything, compiled through the IR with
almost no optimisation. Then one expression has too many values for the stack; in the copy it is split in two, which
gives the same bytes. Through the IR, forge does not see assembly in the libraries, so these are measured again with
their own tests, compiled without it; a line or branch is reached if either has reached it. The tests of gas and the
stateful test are left out: the first make no sense there, the second takes too long.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "coverage"
LEAST = 95.0
LEFT_OUT = ("*Gas.t.sol", "*.invariant.t.sol", "*.symbolic.t.sol")
OF_GAS = "fitsOneTransaction"
TOO_LONG = re.compile(
    r"abi\.encode\(\s*(ROUND_TAG,.*?opened\.baseRound),(\s*opened\.selected,.*?opened\.reward)\s*\)", re.S
)

LIBRARIES = ("Limbs.sol", "MerklePath.sol", "ModularMultiplication.sol")
LIBRARY_TESTS = (
    "Base.sol",
    "DisputesFixture.sol",
    "MerkleTree.sol",
    "Schoolbook.sol",
    "MerklePath.t.sol",
    "ModularMultiplication.t.sol",
)

Hits = dict[tuple[str, str], bool]
"""Whether a line or branch, named by source and place, was reached."""


class CoverageError(RuntimeError):
    """Forge did not measure what it was asked."""


def copy_everything(work: Path) -> None:
    """Make the copy that is compiled through the IR.

    Raises:
        CoverageError: the expression that has to be split is not there.
    """
    _copy_tools(work)
    shutil.copytree(ROOT / "contracts", work / "contracts")
    shutil.copytree(
        ROOT / "tests" / "contracts", work / "tests" / "contracts", ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    rounds = work / "contracts" / "rounds" / "Rounds.sol"
    text, count = TOO_LONG.subn(r"bytes.concat(abi.encode(\1), abi.encode(\2))", rounds.read_text(encoding="utf-8"))
    if count != 1:
        raise CoverageError(f"{rounds}: expected the encoding of an opening once, got {count}")
    rounds.write_text(text, encoding="utf-8")


def copy_libraries(work: Path) -> None:
    """Make the copy of the libraries with assembly and their tests."""
    _copy_tools(work)
    for folder, names in (("contracts/disputes", LIBRARIES), ("tests/contracts", LIBRARY_TESTS)):
        (work / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(ROOT / folder / name, work / folder / name)
    settings = (work / "foundry.toml").read_text(encoding="utf-8")
    (work / "foundry.toml").write_text(settings.replace("via_ir = true", "via_ir = false"), encoding="utf-8")


def _copy_tools(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    (work / "scripts").mkdir(parents=True)
    shutil.copytree(ROOT / "tests" / "vectors", work / "tests" / "vectors")
    for name in ("foundry.toml", "package.json", "scripts/node.sh", "scripts/solc.js"):
        shutil.copy(ROOT / name, work / name)
    for name in ("node_modules", ".venv"):
        (work / name).symlink_to(ROOT / name)


def measure(work: Path, *options: str) -> str:
    """Return forge's report in the format of lcov.

    Raises:
        CoverageError: it does not compile, or a test fails.
    """
    environment = {**os.environ, "FEDERATION_ARTIFACT": "Federation.sol:Federation", "FOUNDRY_FUZZ_RUNS": "16"}
    command = ["scripts/node.sh", "npx", "forge", "coverage", "--offline", "--force", "--report", "lcov", *options]
    result = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    report = work / "lcov.info"
    if result.returncode != 0 or not report.exists():
        raise CoverageError(f"forge coverage failed:\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return report.read_text(encoding="utf-8")


def hits_of(report: str) -> Hits:
    """Return what the report says of the lines and branches of ``contracts/``."""
    hits: Hits = {}
    source = ""
    for line in report.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            source = value
        elif key in ("DA", "BRDA") and source.startswith("contracts/"):
            fields = value.split(",")
            place = f"line {fields[0]}" if key == "DA" else f"branch {','.join(fields[:3])}"
            hits[source, place] = hits.get((source, place), False) or fields[-1 if key == "BRDA" else 1] not in (
                "0",
                "-",
            )
    return hits


def merge(everything: Hits, libraries: Hits) -> Hits:
    """Return the first with what the second has reached of the sources that both measured.

    Lines are the same in both. Branches are numbered as forge finds them, so of a library only the second one's count.
    """
    again = {source for source, _ in libraries}
    kept = {key: hit for key, hit in everything.items() if key[0] not in again}
    lines = {
        key: hit or everything.get(key, False) if key[1].startswith("line") else hit for key, hit in libraries.items()
    }
    return {**kept, **lines}


def table(hits: Hits) -> tuple[str, float, float]:
    """Return a table of all sources, and the percentages of lines and branches."""
    rows = [f"{'source':44}  {'lines':>14}  {'branches':>14}"]
    percentages: dict[str, float] = {}
    for source in [*sorted({source for source, _ in hits}), "all"]:
        cells = []
        for kind in ("line", "branch"):
            reached = [hit for (name, place), hit in hits.items() if source in (name, "all") and place.startswith(kind)]
            cells.append(_share(sum(reached), len(reached)))
            percentages[kind] = 100 * sum(reached) / max(len(reached), 1)
        rows.append(f"{source:44}  {cells[0]:>14}  {cells[1]:>14}")
    return "\n".join(rows), percentages["line"], percentages["branch"]


def _share(part: int, whole: int) -> str:
    return "-" if whole == 0 else f"{part}/{whole} {100 * part / whole:5.1f}"


def main() -> int:
    """Copy, measure, print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        copy_libraries(WORK / "libraries")
        libraries = hits_of(measure(WORK / "libraries"))
        copy_everything(WORK / "everything")
        everything = hits_of(measure(WORK / "everything", "--ir-minimum", "--no-match-test", OF_GAS))
        if not everything or not libraries:
            raise CoverageError("a report names no source of contracts/")
    except CoverageError as error:
        print(f"scripts/contracts_coverage.py: {error}", file=sys.stderr)
        return 1
    text, lines, branches = table(merge(everything, libraries))
    print(text)
    if min(lines, branches) < LEAST:
        print(f"scripts/contracts_coverage.py: expected {LEAST} % at least", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
