"""Compare the gas that the tests in ``tests/contracts/*Gas.t.sol`` measured with the bars and the committed snapshot.

``make gas-check`` measures and compares: it fails if a call costs more than its bar or over 2 % more than in
``snapshots/Federation.json``, if a call with a bar was not measured, or if the two do not name the same calls.
``make gas-snapshot`` measures and writes the snapshot, which can miss a bar no more than that. ``scripts/gas_table.py``
writes the table of `docs/gas.md` from the snapshot.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "snapshots" / "Federation.json"
MEASURED = ROOT / "build" / "foundry" / "snapshots" / "Federation.json"
ALLOWED_RISE = 0.02

BARS: dict[str, int] = {
    "open a round": 180_000,
    "commit an update, own transaction": 75_000,
    "commit an update, relayed": 35_000,
    "commit the aggregate": 110_000,
    "attest": 60_000,
    "finalise": 160_000,
    "claim a reward": 60_000,
    "wrong-aggregate dispute, per participant": 95_000,
    "whole round, relayed commits": 1_000_000,
    "whole round, own commits": 1_400_000,
}
"""The most gas that a call may cost. ``relayed`` is each update in a batch of 50."""


class SnapshotError(ValueError):
    """A file of gas numbers is missing or is not one."""


def read_gas(path: Path) -> dict[str, int]:
    """Return gas by name of the call, from forge's JSON.

    Raises:
        SnapshotError: the file is missing, empty, or not an object from names to positive whole numbers.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        gas = {str(name): int(value) for name, value in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{path}: expected gas by name of the call, got {error}") from error
    if not gas or min(gas.values()) <= 0:
        raise SnapshotError(f"{path}: expected positive numbers, got {gas}")
    return gas


def compare(measured: Mapping[str, int], snapshot: Mapping[str, int]) -> list[str]:
    """Return a line for each call that costs too much more than before, is new, or is gone."""
    problems = []
    for name in sorted(measured.keys() | snapshot.keys()):
        if name not in snapshot:
            problems.append(f"{name}: not in the snapshot")
        elif name not in measured:
            problems.append(f"{name}: in the snapshot, not measured")
        elif measured[name] > snapshot[name] * (1 + ALLOWED_RISE):
            problems.append(f"{name}: {measured[name]:,} gas, {_change(measured[name], snapshot[name])}")
    return problems


def missed(measured: Mapping[str, int], bars: Mapping[str, int]) -> list[str]:
    """Return a line for each bar that is missed, or whose call was not measured."""
    problems = []
    for name, bar in bars.items():
        if name not in measured:
            problems.append(f"{name}: has a bar, and was not measured")
        elif measured[name] > bar:
            problems.append(f"{name}: {measured[name]:,} gas, above its bar of {bar:,}")
    return problems


def table(measured: Mapping[str, int], snapshot: Mapping[str, int], bars: Mapping[str, int] = BARS) -> str:
    """Return the table of all measured calls and all bars."""
    rows = [("call", "gas", "change", "bar", "")]
    for name in [*bars, *(name for name in measured if name not in bars)]:
        gas, bar = measured.get(name), bars.get(name)
        change = _change(gas, snapshot[name]) if gas is not None and name in snapshot else "-"
        verdict = "" if gas is None or bar is None else "holds" if gas <= bar else f"missed by {gas - bar:,}"
        rows.append((name, _number(gas), change, _number(bar), verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[c].rjust(widths[c]) for c in (1, 2, 3)), row[4]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _change(now: int, before: int) -> str:
    return f"{100 * (now - before) / before:+.2f} %"


def main() -> int:
    """Print the table; compare, or write the snapshot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what was measured the new snapshot")
    parser.add_argument("--measured", type=Path, default=MEASURED, help="what forge measured")
    parser.add_argument("--snapshot", type=Path, default=SNAPSHOT, help="the committed snapshot")
    parser.add_argument("--bars", type=Path, default=None, help="bars by name of the call, instead of ours")
    arguments = parser.parse_args()
    try:
        measured = read_gas(arguments.measured)
        if arguments.write:
            arguments.snapshot.parent.mkdir(parents=True, exist_ok=True)
            arguments.snapshot.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        snapshot = read_gas(arguments.snapshot)
        bars = BARS if arguments.bars is None else read_gas(arguments.bars)
    except SnapshotError as error:
        print(f"scripts/check_gas.py: {error}", file=sys.stderr)
        return 1
    print(table(measured, snapshot, bars))
    changes, above = compare(measured, snapshot), missed(measured, bars)
    problems = changes + above
    for problem in problems:
        print(f"scripts/check_gas.py: {problem}", file=sys.stderr)
    if changes:
        print("If it is meant, run 'make gas-snapshot' and commit it", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
