"""Tables for people: what commands print when ``--json`` is not given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.table import Table

from fedtrust.learning.baselines import Comparison, Row


def comparison_table(comparison: Comparison) -> Table:
    """Federated against alone and pooled: accuracy on held-out records of each hospital and of all."""
    hospitals = list(comparison.federated.each)
    table = Table(title="Accuracy on held-out records", title_justify="left")
    table.add_column("model")
    for hospital in hospitals:
        examples = comparison.federated.each[hospital].examples
        table.add_column(f"{hospital}\n({examples})", justify="right")
    table.add_column("all", justify="right")
    table.add_column("AUC", justify="right")

    def add(name: str, row: Row, style: str | None = None) -> None:
        cells = [f"{row.each[h].accuracy:.3f}" for h in hospitals]
        table.add_row(name, *cells, f"{row.overall.accuracy:.3f}", f"{row.overall.auc:.3f}", style=style)

    for name, row in comparison.alone.items():
        add(f"{name} alone", row)
    blanks = [""] * len(hospitals)
    table.add_row("mean of the hospitals alone", *blanks, f"{comparison.mean_alone_accuracy:.3f}", "")
    own = [f"{comparison.alone[h].each[h].accuracy:.3f}" for h in hospitals]
    table.add_row("each its own model, own patients", *own, f"{comparison.own_accuracy:.3f}", "")
    add("federated", comparison.federated, "bold green")
    add("pooled data", comparison.pooled)
    return table


def splits_table(name: str, comparisons: Sequence[Comparison]) -> Table:
    """One line a split, and the means."""
    table = Table(title=f"{name}: accuracy on all held-out records", title_justify="left")
    for column in ("split", "federated", "pooled", "mean alone", "own model, own patients"):
        table.add_column(column, justify="right")
    rows = [
        (c.federated.overall.accuracy, c.pooled.overall.accuracy, c.mean_alone_accuracy, c.own_accuracy)
        for c in comparisons
    ]
    for split, row in enumerate(rows):
        table.add_row(str(split), *(f"{value:.3f}" for value in row))
    table.add_section()
    table.add_row("mean", *(f"{fmean(column):.4f}" for column in zip(*rows, strict=True)), style="bold")
    return table


def payouts_table(credits: Mapping[str, int], names: Mapping[str, str], unit: str = "ether") -> Table:
    """Who earned what."""
    table = Table(title="Payouts", title_justify="left")
    table.add_column("account")
    table.add_column("who")
    table.add_column(unit, justify="right")
    for account, amount in credits.items():
        table.add_row(account, names.get(account, ""), f"{amount / 10**18:.6f}")
    table.add_section()
    table.add_row("all", "", f"{sum(credits.values()) / 10**18:.6f}", style="bold")
    return table
