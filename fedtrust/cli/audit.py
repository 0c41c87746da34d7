"""``fedtrust audit``: verify a federation from the chain and the stored artifacts alone."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, CheckResult, Verdict
from fedtrust.cli import options
from fedtrust.cli.chain import open_artifacts, open_reader
from fedtrust.cli.output import console
from fedtrust.compute.selection import ComputeSettings, select_arithmetic
from fedtrust.errors import ExitCode
from fedtrust.ledger.types import Address, Phase

_STYLES = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.NOT_CHECKED: "yellow"}
_MARKS = {Verdict.PASSED: "", Verdict.FAILED: " FAILED", Verdict.NOT_CHECKED: " (not checked)"}


@click.command(epilog="Example: fedtrust audit --contract 0x... --artifacts https://127.0.0.1:8443")
@options.chain
@options.contract
@click.option("--artifacts", "place", required=True, help="Where the artifacts are: https:// address or a folder.")
@click.option("--verbose", is_flag=True, help="Print every check with what it read, not only the failed ones.")
@options.workers
@options.as_json
def audit(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    place: str,
    verbose: bool,
    workers: int,
    as_json: bool,
) -> int:
    """Verify every round: from the signed updates to the model and the payouts, with no secret and no permission.

    Exits with 0 if everything that could be checked holds, with 10 if anything failed.
    """
    select_arithmetic(ComputeSettings(workers))
    ledger = open_reader(rpc, chain_id, contract, confirmations)
    with console(stderr=True).status("reading the chain") as status:
        report = audit_federation(
            ledger, open_artifacts(place, ledger), lambda result: status.update(f"checked {escape(result.place)}")
        )
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        show(report, console(), verbose)
    return int(ExitCode.OK if report.verified else ExitCode.AUDIT_FAILED)


def show(report: AuditReport, out: Console, verbose: bool) -> None:
    """Print a verdict per round and per check, every failure in full, and what was not checked."""
    out.print(f"Federation {report.contract} on chain {report.chain_id}, as of block {report.block}\n")
    _show_checks(out, "federation", report.federation, verbose)
    for round_report in report.rounds:
        title = f"round {round_report.number} ({round_report.phase.name.lower()})"
        word = "running" if round_report.in_progress else "verified"
        word = "voided" if round_report.phase is Phase.VOIDED else word
        _show_checks(out, title, round_report.results, verbose, word)
    for failure in report.failures:
        out.print(f"[bold red]FAILED[/] {escape(str(failure))}", soft_wrap=True)
        for label, text in (("expected", failure.expected), ("found", failure.found), ("what to do", failure.advice)):
            if text is not None:
                out.print(f"  {label}: {escape(text)}", soft_wrap=True)
    out.print("\nNot established by this audit:")
    for limitation in report.limitations:
        out.print(f"  - {escape(limitation.what)}: {escape(limitation.why)}", soft_wrap=True)
    verdict = "[bold green]verified[/]" if report.verified else f"[bold red]{len(report.failures)} checks failed[/]"
    running = sum(r.in_progress for r in report.rounds)
    remark = f" ({running} still in progress)" if running else ""
    out.print(f"\n{len(report.rounds)} rounds{remark}: {verdict}")


def _show_checks(
    out: Console, title: str, results: tuple[CheckResult, ...], verbose: bool, word: str = "verified"
) -> None:
    """Print one section; ``word`` is what it is called unless a check of it failed."""
    verdict = Verdict.PASSED if word == "verified" else Verdict.NOT_CHECKED
    if any(r.verdict is Verdict.FAILED for r in results):
        verdict, word = Verdict.FAILED, "FAILED"
    open_checks = sum(r.verdict is Verdict.NOT_CHECKED for r in results)
    remark = f", {open_checks} not checked" if open_checks else ""
    out.print(f"[{_STYLES[verdict]}]{word:9}[/] {title}: {len(results)} checks{remark}")
    if verbose:
        table = Table("check", "establishes", "of", "verdict", "read", box=None, padding=(0, 1))
        for result in results:
            table.add_row(
                str(result.check),
                result.check.title,
                result.subject or "",
                f"[{_STYLES[result.verdict]}]{result.verdict.value}[/]",
                ", ".join(r.name if r.digest is None else f"{r.name} {r.digest.hex()[:8]}" for r in result.read),
            )
        out.print(table)
        return
    words: dict[str, Verdict] = {}
    for result in results:
        worst = words.get(str(result.check))
        if worst is None or result.verdict is Verdict.FAILED:
            words[str(result.check)] = result.verdict
    line = "  ".join(f"[{_STYLES[v]}]{escape(name)}{_MARKS[v]}[/]" for name, v in words.items())
    out.print(f"          {line}")
