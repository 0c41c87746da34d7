"""Write the tables of gas in ``docs/gas.md`` from ``snapshots/Federation.json``, and print them.

``make gas-table`` does it. ``--check`` writes nothing and fails if the page has other tables.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "gas.md"
BEGIN = "<!-- written by `make gas-table` -->"
END = "<!-- end of what `make gas-table` writes -->"

PARTICIPANTS = 10
PEER_LEAST, PEER_MOST = 1_035_117, 1_241_366
PEER_FEWEST_PARTICIPANTS, PEER_MOST_PARTICIPANTS = 6, 8
"""The closest published peer: plaintext rounds of 6 to 8 participants, with hash commit, feedback and settlement."""


class PageError(ValueError):
    """The page has no place for the tables."""


def load_check_gas() -> ModuleType:
    """Return ``scripts/check_gas.py``, which has the bars and reads the snapshot."""
    spec = importlib.util.spec_from_file_location("check_gas", ROOT / "scripts" / "check_gas.py")
    if spec is None or spec.loader is None:
        raise ImportError("scripts/check_gas.py: expected a module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables(gas: Mapping[str, int], bars: Mapping[str, int]) -> str:
    """Return both tables in Markdown: all calls with their bars, and whole rounds beside the peer's."""
    lines = ["| call | gas | bar |", "|---|---|---|"]
    names = [*(name for name in bars if name in gas), *(name for name in sorted(gas) if name not in bars)]
    for name in names:
        lines.append(f"| {name} | {gas[name]:,} | {f'{bars[name]:,}' if name in bars else ''} |")
    relayed = gas["whole round, relayed commits, with settlement"]
    own = gas["whole round, own commits, with settlement"]
    claimed = gas["settle, after everybody has claimed"] - gas["settle"]
    lines += [
        "",
        "| | ours, relayed | ours, everybody sends its own | closest published peer |",
        "|---|---|---|---|",
        f"| participants | {PARTICIPANTS} | {PARTICIPANTS} | {PEER_FEWEST_PARTICIPANTS} to {PEER_MOST_PARTICIPANTS} |",
        f"| a round up to its result | {gas['whole round, relayed commits']:,} "
        f"| {gas['whole round, own commits']:,} | not published apart |",
        f"| with settlement | {relayed:,} | {own:,} | {PEER_LEAST:,} to {PEER_MOST:,} |",
        f"| the same, after everybody has claimed | {relayed + claimed:,} | {own + claimed:,} | not published |",
        f"| with settlement, per participant | {relayed // PARTICIPANTS:,} | {own // PARTICIPANTS:,} "
        f"| {PEER_LEAST // PEER_MOST_PARTICIPANTS:,} at the least |",
        "| updates | encrypted, bound before anybody sees one | the same | in plaintext, hash commit |",
        "| attestations of the aggregate | 3 trustees | 3 trustees | none |",
        "| what proves a wrong aggregate | a dispute on chain | a dispute on chain | nothing |",
    ]
    return "\n".join(lines)


def page_with(page: str, written: str) -> str:
    """Return the page with ``written`` between its marks.

    Raises:
        PageError: the page does not have both marks once, in this order.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise PageError(f"expected {BEGIN!r} and then {END!r}, each once")
    return f"{page[: page.index(BEGIN)]}{BEGIN}\n\n{written}\n\n{page[page.index(END) :]}"


def main() -> int:
    """Print the tables; write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page differs; write nothing")
    arguments = parser.parse_args()
    check_gas = load_check_gas()
    page = PAGE.read_text(encoding="utf-8")
    try:
        written = tables(check_gas.read_gas(check_gas.SNAPSHOT), check_gas.BARS)
        new = page_with(page, written)
    except (check_gas.SnapshotError, PageError, KeyError) as error:
        print(f"scripts/gas_table.py: {error}", file=sys.stderr)
        return 1
    print(written)
    if new != page and arguments.check:
        print("docs/gas.md is not what the snapshot says: run 'make gas-table' and commit it", file=sys.stderr)
        return 1
    if new != page:
        PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
