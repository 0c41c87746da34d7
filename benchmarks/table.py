"""The table, for a terminal and for docs/benchmarks.md."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import phases
from benchmarks.measuring import Spread
from benchmarks.report import Bar, Figure, Report, Row

HEADINGS = ("phase", "fedtrust", "beside", "theirs", "theirs / ours", "from - to", "bar", "met", "note")


def quantity(value: float, unit: str) -> str:
    """Return seconds or bytes for a person."""
    if unit == "bytes":
        return f"{value:,.2f} B" if value < 100 else f"{value:,.0f} B"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:,.0f} {name}" if value * factor >= 100 else f"{value * factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def factor(value: float) -> str:
    """Return a ratio for a person."""
    return f"{value:,.0f} x" if value >= 100 else f"{value:.3g} x"


def _figure(figure: Figure | None, owner: str = phases.ENGINE) -> str:
    if figure is None:
        return "-"
    starred = figure.sampled and owner != phases.LIMIT
    return quantity(figure.spread.median, figure.unit) + (" *" if starred else "")


def _bar(bar: Bar | None) -> str:
    if bar is None:
        return "-"
    limit = factor(bar.limit) if bar.quantity == "ratio" else quantity(bar.limit, bar.quantity)
    return f"{bar.relation} {limit}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row, in the order of :data:`HEADINGS`."""
    ratio = span = "-"
    if row.ratios:
        spread = Spread.of(row.ratios)
        ratio, span = factor(spread.median), f"{factor(spread.minimum)} - {factor(spread.maximum)}"
    elif row.ours is not None and not row.beside and len(row.ours.values) > 1:
        spread = row.ours.spread
        span = f"{quantity(spread.minimum, row.ours.unit)} - {quantity(spread.maximum, row.ours.unit)}"
    met = {True: "met", False: "NOT MET", None: "-"}[row.met]
    note = f"skipped: {row.skipped}" if row.skipped else row.note
    theirs = _figure(row.theirs, row.beside)
    return (row.phase, _figure(row.ours), row.beside or "-", theirs, ratio, span, _bar(row.bar), met, note)


def footnotes(report: Report) -> list[str]:
    """Return what must be known to read the table."""
    sampled = {
        f"{name}, {row.phase}: {figure.measured:,} of {figure.full:,}"
        for row in report.rows
        for name, figure in (("fedtrust", row.ours), (row.beside, row.theirs))
        if figure is not None and figure.sampled and name not in (phases.GMP, phases.LIMIT)
    }
    lines = [f"{name}: {text}" for name, text in report.peers.items()]
    lines.append("theirs / ours above 1: the engine is faster, or smaller; below 1: the other is. Medians of repeats.")
    if sampled:
        lines.append("Starred figures are of a sample, scaled linearly: " + "; ".join(sorted(sampled)) + ".")
    lines.append("raw GMP: the phase's number of multiplications `x * y % m` (partial: powmod calls) times one's time.")
    if peak := report.setting.get("multiply_adds_per_second"):
        lines.append(
            "arithmetic limit: the multiply-adds that the native kernel makes in the phase, over the rate of "
            f"independent ones in the same repeat; {peak / 1e9:.2f} thousand million a second, eight lanes each."
        )
    for owner, steps in report.setting.get("whole_round", {}).items():
        medians = "; ".join(f"{step} {quantity(Spread.of(v).median, 'seconds')}" for step, v in steps.items())
        lines.append(f"whole round, {owner}: {medians}.")
    return lines


def summary(report: Report) -> str:
    """Return one line on what was measured and where."""
    setting, machine = report.setting, report.machine
    kernel = f"kernel: {machine['kernel']}; " if "kernel" in machine else ""
    return (
        f"{setting['parameters']:,} parameters of {setting['layout']['value_bits']} bits, {setting['slot_bits']}-bit "
        f"slots, {setting['ciphertexts']} ciphertexts, {setting['key_bits']}-bit n, {setting['repeats']} repeats, "
        f"one core; {kernel}{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{machine['gmp']}"
    )


def print_table(report: Report, console: Console) -> None:
    """Print the table with its footnotes."""
    table = Table(*HEADINGS)
    for row in report.rows:
        style = {True: "green", False: "bold red", None: ""}[row.met]
        table.add_row(*cells(row), style="dim" if row.skipped else style)
    console.print(summary(report), highlight=False)
    console.print(table)
    for line in footnotes(report):
        console.print(line, highlight=False, markup=False)


def markdown(report: Report, plot: str = "") -> str:
    """Return the table as Markdown, with a link to ``plot`` if there is one."""
    lines = [f"Measured {report.machine['date']}:", *wrapped(summary(report)), ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in report.rows]
    lines += ["", *(part for line in footnotes(report) for part in wrapped("- " + line))]
    if plot:
        lines += ["", f"![time and size of each phase, engine and peers]({plot})"]
    return "\n".join(lines)


def wrapped(text: str) -> list[str]:
    """Return a paragraph, or an item of a list, in lines of a page's width."""
    return textwrap.wrap(text, 118, subsequent_indent="  " if text.startswith("- ") else "", break_long_words=False)


def markers(target: str) -> tuple[str, str]:
    """Return the comments between which ``make <target>`` writes."""
    return f"<!-- made by make {target}: begin -->", f"<!-- made by make {target}: end -->"


def write_into(page: Path, target: str, text: str) -> None:
    """Replace what stands between the markers of ``page``. Raises ValueError if they are not there once each."""
    begin, end = markers(target)
    content = page.read_text()
    if content.count(begin) != 1 or content.count(end) != 1:
        raise ValueError(f"{page}: expected the markers {begin} and {end} once each")
    head, rest = content.split(begin)
    _, tail = rest.split(end)
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
