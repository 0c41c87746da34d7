"""``python -m benchmarks``: check, measure, print the table, write JSON, plot and the page's table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.plot import available, write_plot
from benchmarks.run import Plan, run
from benchmarks.table import markdown, print_table, write_into
from fedtrust.errors import ConfigurationError


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The engine beside its peers.")
    parser.add_argument("--quick", action="store_true", help="10,000 parameters, 3 repeats, small samples")
    parser.add_argument("--parameters", type=int, help="length of a vector (100,000)")
    parser.add_argument("--repeats", type=int, help="how often everything is measured (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot as SVG (needs matplotlib)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table between the markers of this page")
    parser.add_argument("--check-bars", action="store_true", help="exit with 2 if a bar is missed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code: 0, 1 if a result was wrong, 2 if a bar was missed and ``--check-bars`` given.

    A kernel that the environment asks for, and that is not there, has the exit code of a configuration error.
    """
    options = parse(arguments)
    plan = Plan.quick() if options.quick else Plan()
    if options.parameters:
        plan = replace(plan, parameters=options.parameters)
    if options.repeats:
        plan = replace(plan, repeats=options.repeats)
    status, console = Console(stderr=True), Console(width=None if sys.stdout.isatty() else 200)
    try:
        with status.status("starting") as line:
            report = run(plan, line.update)
    except AssertionError as error:
        status.print(f"A result is wrong: {error}", style="bold red")
        return 1
    except ConfigurationError as error:
        status.print(error.diagnostics(), style="bold red", highlight=False)
        return int(error.exit_code)
    print_table(report, console)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    plot = ""
    if options.plot and available():
        write_plot(report, options.plot)
        plot = options.plot.name
    elif options.plot:
        console.print("plot: skipped, matplotlib is not installed")
    if options.page:
        folder = options.plot.parent.name if options.plot else ""
        write_into(options.page, "bench", markdown(report, f"{folder}/{plot}" if plot else ""))
    for row in report.missed:
        console.print(f"missed: {row.phase}{f', beside {row.beside}' if row.beside else ''}", style="bold red")
    return 2 if options.check_bars and report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
