"""``python -m benchmarks.million``: a whole round of 1 million parameters, each role in a process of its own.

Ten participants with ten different vectors encrypt and prove; the aggregator verifies and multiplies; three of five
trustees verify, do the same product and send their partials; the aggregator opens and proves; the auditor verifies
all proofs and compares the sum with NumPy's. One role runs at a time, with all cores. This process imports nothing
large: Linux counts a parent's memory into its child's peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIMIT_BYTES = 1 << 30
PARTICIPANTS = 10
TRUSTEES_AT_WORK = 3
PLAN = (
    ("dealer", (0,)),
    ("participant", tuple(range(PARTICIPANTS))),
    ("aggregator", (0,)),
    ("trustee", tuple(range(1, TRUSTEES_AT_WORK + 1))),
    ("finaliser", (0,)),
    ("auditor", (0,)),
)
ENCRYPTION_ONLY = (("dealer", (0,)), ("participant", (0,)))
HEADINGS = ("role", "seconds", "steps", "peak of the process", "peak of its largest worker", "under 1 GiB")


def play(role: str, index: int, folder: Path, parameters: int) -> dict[str, Any]:
    """Run one role to its end and return what it took. Raises CalledProcessError if it failed."""
    command = [sys.executable, "-m", "benchmarks.million_roles", role, "--index", str(index)]
    command += ["--folder", str(folder.resolve()), "--parameters", str(parameters)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parent.parent)
    took: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return took


def under_limit(took: dict[str, Any]) -> bool:
    """Return whether the role's processes stayed under 1 GiB each."""
    return bool(max(took["peak_bytes"], took["largest_worker_peak_bytes"]) < LIMIT_BYTES)


def cells(took: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of one role, in the order of :data:`HEADINGS`."""
    name = f"{took['role']} {took['index']}" if took["role"] in ("participant", "trustee") else took["role"]
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in took["steps"].items())
    mebibytes = [f"{took[k] / 2**20:,.0f} MiB" for k in ("peak_bytes", "largest_worker_peak_bytes")]
    return (name, f"{took['seconds']:.1f}", steps, *mebibytes, "yes" if under_limit(took) else "NO")


def line(values: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(values) + " |"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument(
        "--only-encrypt", action="store_true", help="one participant alone, for its memory; writes no file"
    )
    parser.add_argument("--folder", type=Path, help="where the files go (a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table between the markers of this page")
    parser.add_argument("--check-bars", action="store_true", help="exit with 2 if a process needs 1 GiB or more")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code: 0, 1 if a role failed, 2 if the bar was missed and ``--check-bars`` given."""
    options = parse(arguments)
    start, roles = time.perf_counter(), []
    title = f"{options.parameters:,} parameters"
    print(title, line(HEADINGS), line(["---"] * len(HEADINGS)), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for role, indices in ENCRYPTION_ONLY if options.only_encrypt else PLAN:
            for index in indices:
                try:
                    roles.append(play(role, index, folder, options.parameters))
                except subprocess.CalledProcessError:
                    print(f"{role} {index} failed; what it said is above", file=sys.stderr)
                    return 1
                print(line(cells(roles[-1])), flush=True)
    seconds, first = time.perf_counter() - start, roles[0]
    total = (
        f"{seconds:.0f} s in all, one role after the other, each on {first['cores']} cores, {first['kernel']} kernel."
    )
    print(total)
    missed = 2 if options.check_bars and not all(map(under_limit, roles)) else 0
    if options.only_encrypt:
        return missed
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        found = {"format": "fedtrust.benchmark-million", "version": 1, "parameters": options.parameters, "roles": roles}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.page:
        from benchmarks.table import write_into

        table = [f"{title}:", "", line(HEADINGS), "|" + "---|" * len(HEADINGS), *(line(cells(r)) for r in roles)]
        write_into(options.page, "bench-million", "\n".join([*table, "", total]))
    return missed


if __name__ == "__main__":
    sys.exit(main())
