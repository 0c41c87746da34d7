"""The plot: time and bytes per parameter of every phase, engine and peers side by side, on logarithmic scales.

The arithmetic limit is a line across the engine's bar, and no bar of its own. Where there is one, raw GMP is left out.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import phases
from benchmarks.measuring import Spread
from benchmarks.report import Figure, Report

PHASES = (
    (phases.ENCRYPT, "encrypt"),
    (phases.READ, "read and\ncheck"),
    (phases.AGGREGATE, "add one\nparticipant"),
    (phases.DECRYPT, "decrypt,\none holder"),
    (phases.PARTIAL, "threshold:\none partial"),
    (phases.OPEN, "threshold:\nopen, 3 of 5"),
    (phases.VERIFY_DECRYPTION, "verify\ndecryption"),
    (phases.WHOLE_ROUND, "whole round,\nall cores"),
)
COLOURS = {
    phases.ENGINE: "#0b6e4f",
    phases.PORTABLE: "#7fbf9f",
    phases.PHE: "#9aa0a6",
    phases.ZPAILLIER: "#d98e04",
    phases.CKKS: "#2f6db5",
    phases.CKKS_DEFAULT: "#8bb8e8",
    phases.NUMPY: "#222222",
    phases.GMP: "#c94f7c",
    phases.CLASSICAL: "#7b5ea7",
}
LIMIT_COLOUR = "#e0218a"


def figures(report: Report, phase: str) -> dict[str, Figure]:
    """Return everybody's figure of a phase, by name; the engine first."""
    found: dict[str, Figure] = {}
    for row in report.rows:
        if row.phase == phase and row.ours is not None:
            found.setdefault(phases.ENGINE, row.ours)
            if row.theirs is not None:
                found[row.beside] = row.theirs
    return found


def available() -> bool:
    """Return whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def write_plot(report: Report, path: Path) -> None:
    """Write the plot as SVG. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "fedtrust", "font.size": 9}
    from matplotlib import pyplot

    parameters = report.setting["parameters"]
    figure, (times, sizes) = pyplot.subplots(1, 2, figsize=(13, 5.5), width_ratios=(4, 1.3), layout="constrained")
    width = 0.12
    for at, (phase, _) in enumerate(PHASES):
        found = figures(report, phase)
        limit = found.pop(phases.LIMIT, None)
        shown = [name for name in COLOURS if name in found and not (limit and name == phases.GMP)]
        for place, name in enumerate(shown):
            spread = Spread.of([value / parameters * 1e6 for value in found[name].values])
            x = at + (place - (len(shown) - 1) / 2) * width
            error = [[spread.median - spread.minimum], [spread.maximum - spread.median]]
            times.bar(x, spread.median, width, color=COLOURS[name], yerr=error, ecolor="#444444", label=name)
            label = f"{spread.median:.2g}" if spread.median < 100 else f"{spread.median:,.0f}"
            times.annotate(
                label, (x, spread.maximum), (0, 2), textcoords="offset points", ha="center", fontsize=6, rotation=45
            )
            if limit and name == phases.ENGINE:
                at_limit = limit.spread.median / parameters * 1e6
                ends = x - 0.6 * width, x + 0.6 * width
                times.hlines(at_limit, *ends, color=LIMIT_COLOUR, linewidth=1.5, label=phases.LIMIT, zorder=3)
    times.set_yscale("log")
    times.set_ylim(top=times.get_ylim()[1] * 4)  # room for the labels
    times.set_xticks(range(len(PHASES)), [label for _, label in PHASES])
    times.set_ylabel("microseconds per parameter (log scale; lower is better)")
    times.set_title(f"Time, one core unless said, {parameters:,} parameters; whiskers: all repeats")
    handles = {label: handle for handle, label in zip(*times.get_legend_handles_labels(), strict=True)}
    names = [name for name in (*COLOURS, phases.LIMIT) if name in handles]
    times.legend(
        [handles[name] for name in names], names, fontsize=7, loc="upper center", ncols=4, bbox_to_anchor=(0.5, -0.13)
    )

    sizes_found = figures(report, phases.BYTES)
    shown = [name for name in COLOURS if name in sizes_found]
    values = [sizes_found[name].spread.median for name in shown]
    sizes.barh(range(len(shown)), values, color=[COLOURS[name] for name in shown])
    for place, value in enumerate(values):
        sizes.annotate(f" {value:.3g}", (value, place), va="center", fontsize=8)
    sizes.set_yticks(range(len(shown)), [name.replace(" ", "\n", 1) for name in shown], fontsize=7)
    sizes.invert_yaxis()
    sizes.set_xscale("log")
    sizes.set_xlim(1, max(values) * 4)
    sizes.set_xlabel("bytes per parameter (log scale)")
    sizes.set_title("Ciphertext size")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
