"""Rows, table, JSON, plot and page: made from figures, nothing lost, nobody who is absent forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import peers, phases
from benchmarks.measuring import Key, Measurement
from benchmarks.plot import available, figures, write_plot
from benchmarks.report import Bar, Figure, Report, Row
from benchmarks.rows import SIZES, TIMES, size_rows, time_rows
from benchmarks.table import HEADINGS, cells, factor, markdown, markers, print_table, quantity, write_into
from tests.docs.markdown import ROOT

OF_THE_NATIVE_KERNEL = (phases.PORTABLE, phases.LIMIT)
ABSENT = {phases.ZPAILLIER: "sf-heu is not installed"}


def measurements(without: str = "") -> dict[Key, Measurement]:
    """Return one second for every call of the engine and four for everybody else's, in three repeats."""
    keys = {line.ours for line in TIMES} | {line.theirs for line in TIMES if line.beside}
    return {
        key: Measurement((1.0, 1.5, 1.0) if key[0] == phases.ENGINE else (4.0, 3.0, 5.0), 1, 1)
        for key in keys
        if key[0] != without
    }


def report(skipped: dict[str, str] | None = None) -> Report:
    skipped = skipped or {}
    absent = next(iter(skipped), "")
    names = {line.phase for line in SIZES}
    sizes = {
        owner: dict.fromkeys(names, size)
        for owner, size in [(phases.ENGINE, 5.0)] + [(known.name, 50.0) for known in peers.KNOWN]
        if owner != absent
    }
    rows = (*time_rows(measurements(absent), skipped, full_sized=True), *size_rows(sizes, skipped))
    layout = {"value_bits": 16}
    setting = {"parameters": 100_000, "layout": layout, "slot_bits": 21, "ciphertexts": 700, "key_bits": 3072}
    machine = {"date": "2026-01-01", "processor": "some processor", "cores": "2", "python": "3.11", "gmp": "GMP 6.3.0"}
    versions = {known.name: skipped.get(known.name, "1.0") for known in peers.KNOWN}
    return Report(machine, setting | {"repeats": 3}, versions, rows)


def row_of(made: Report, phase: str, beside: str) -> Row:
    (found,) = (row for row in made.rows if (row.phase, row.beside) == (phase, beside))
    return found


def test_a_row_has_the_ratio_of_each_repeat() -> None:
    row = row_of(report(), phases.ENCRYPT, phases.ZPAILLIER)
    assert row.ratios == (4.0, 2.0, 5.0)
    assert row.met is True
    slow = row_of(report(), phases.ENCRYPT, phases.PHE)
    assert slow.bar == Bar("ratio", "at least", 2000)
    assert slow.met is False
    assert slow in report().missed


@pytest.mark.parametrize(
    ("bar", "value", "met"),
    [
        (Bar("seconds", "at most", 0.3), 0.3, True),
        (Bar("seconds", "at most", 0.3), 0.31, False),
        (Bar("ratio", "at least", 7), 7.0, True),
        (Bar("ratio", "at least", 7), 6.9, False),
        (Bar("bytes", "at most", 5.5), 5.4, True),
    ],
)
def test_a_bar_is_met_from_its_limit_on(bar: Bar, value: float, met: bool) -> None:
    assert bar.met(value) is met


def test_a_bar_is_compared_with_the_median() -> None:
    bar = Bar("ratio", "at least", 2)
    figure = Figure("seconds", (1.0,) * 3)
    assert Row("x", figure, "y", figure, (1.0, 2.0, 9.0), bar).met is True
    assert Row("x", figure, "y", figure, (1.0, 1.9, 9.0), bar).met is False


def test_a_bar_of_unknown_words_is_refused() -> None:
    with pytest.raises(ValueError, match="no such bar"):
        Bar("ratio", "about", 1)


def test_bars_in_seconds_are_for_the_full_size_only() -> None:
    rows = time_rows(measurements(), {}, full_sized=False)
    left = {row.phase for row in rows if row.bar is not None and row.bar.quantity == "seconds"}
    assert left == {phases.QUANTISE_AND_PACK}  # that one always has a million
    assert sum(row.bar is not None and row.bar.quantity == "ratio" for row in rows) == 17


def test_every_bar_of_the_project_has_its_row() -> None:
    bars = {(line.phase, line.beside): line.bar.limit for line in (*TIMES, *SIZES) if line.bar is not None}
    assert bars == {
        (phases.QUANTISE_AND_PACK, ""): 0.5,
        (phases.ENCRYPT, phases.PHE): 2000,
        (phases.ENCRYPT, phases.ZPAILLIER): 1,
        (phases.ENCRYPT, phases.CKKS): pytest.approx(1 / 2),
        (phases.ENCRYPT_SHORT, phases.PHE): 6000,
        (phases.ENCRYPT_SHORT, phases.CKKS): pytest.approx(1 / 0.7),
        (phases.PROVE_KNOWLEDGE, ""): 0.1,
        (phases.VERIFY_KNOWLEDGE, ""): 0.3,
        (phases.VERIFY_KNOWLEDGE, phases.PORTABLE): 4,
        (phases.AGGREGATE, ""): 0.008,
        (phases.AGGREGATE, phases.CKKS): 1,
        (phases.DECRYPT, phases.PHE): 120,
        (phases.DECRYPT, phases.PORTABLE): 6,
        (phases.PARTIAL, phases.GMP): pytest.approx(1 / 1.15),
        (phases.PARTIAL, phases.CLASSICAL): 7,
        (phases.PARTIAL, phases.PORTABLE): 6,
        (phases.OPEN, phases.PORTABLE): 6,
        (phases.VERIFY_DECRYPTION, ""): 0.3,
        (phases.VERIFY_DECRYPTION, phases.PORTABLE): 4,
        (phases.ENCRYPT_ALL, phases.ONE_CORE): 1.8,
        (phases.PARTIAL_ALL, phases.ONE_CORE): 1.8,
        (phases.OPEN_ALL, phases.ONE_CORE): 1.8,
        (phases.WHOLE_ROUND, ""): 4,
        (phases.BYTES, ""): 5.5,
        (phases.BYTES_WEIGHTED, ""): 9,
        (phases.PROOF_BYTES, ""): 2048,
    }


def test_without_the_native_kernel_its_bars_are_skipped_by_name_and_the_rest_stands() -> None:
    measured = {key: m for key, m in measurements().items() if key[0] not in OF_THE_NATIVE_KERNEL}
    measured[phases.ENGINE, phases.WHOLE_ROUND] = Measurement((9.0, 9.0, 9.0), 1, 1)  # the bar would be missed
    rows = time_rows(measured, {}, full_sized=True, without="there is no native kernel")
    assert [(row.phase, row.beside) for row in rows] == [
        (line.phase, line.beside)
        for line in TIMES
        if line.beside not in OF_THE_NATIVE_KERNEL or (line.bar is not None and line.native)
    ]
    for row in rows:
        (line,) = (line for line in TIMES if (line.phase, line.beside) == (row.phase, row.beside))
        assert bool(row.skipped) == (line.native and line.bar is not None)
        assert row.ours is not None
        if row.skipped:
            assert row.met is None
            assert "there is no native kernel" in cells(row)[-1]


def test_the_distance_to_the_arithmetic_limit_is_said_in_words() -> None:
    measured = measurements() | {(phases.LIMIT, phases.ENCRYPT): Measurement((0.5, 0.5, 0.8), 1, 1)}
    (row,) = (
        row
        for row in time_rows(measured, {}, full_sized=True)
        if (row.phase, row.beside) == (phases.ENCRYPT, phases.LIMIT)
    )
    assert row.ratios == (0.5, 0.5 / 1.5, 0.8)
    assert row.note == "2.00 x the limit"
    scaled = Figure("seconds", (0.5,), measured=10, full=700)
    assert "*" not in cells(Row("encrypt", scaled, phases.LIMIT, scaled, (1.0,)))[3]


def test_the_head_names_the_kernel_and_the_foot_the_steps_of_a_round() -> None:
    made = report()
    setting = {
        **made.setting,
        "whole_round": {phases.ENGINE: {"open": [1.0, 2.0, 4.0], "prove": [0.01]}},
        "multiply_adds_per_second": 3.65e9,
    }
    text = markdown(Report({**made.machine, "kernel": "native (because)"}, setting, {}, ()))
    text = " ".join(text.split())
    assert "kernel: native (because)" in text
    assert "whole round, fedtrust: open 2 s; prove 10 ms." in text
    assert "3.65 thousand million a second" in text
    assert "kernel:" not in markdown(made)


def test_an_absent_peer_is_named_as_skipped_in_every_row_of_its_own() -> None:
    made = report(ABSENT)
    concerned = [row for row in made.rows if row.beside == phases.ZPAILLIER]
    assert len(concerned) == sum(line.beside == phases.ZPAILLIER for line in (*TIMES, *SIZES))
    for row in concerned:
        assert row.skipped == "sf-heu is not installed"
        assert row.ours is not None  # the engine's own figure stands
        assert row.met is None
        assert "skipped: sf-heu is not installed" in cells(row)
    assert not any(row.skipped for row in made.rows if row.beside != phases.ZPAILLIER)
    console = Console(record=True, width=250, file=open("/dev/null", "w"))  # noqa: SIM115
    print_table(made, console)
    text = console.export_text()
    assert text.count("skipped: sf-heu is not installed") == len(concerned)
    assert "sf-heu ZPaillier: sf-heu is not installed" in text


def test_a_peer_that_cannot_be_loaded_is_absent() -> None:
    assert peers.load(peers.Known("nobody", "no-such-distribution-here", "python_paillier", "")) is None
    assert peers.load(peers.Known("nobody", "numpy", "no_such_module_here", "")) is None
    loaded = peers.load(peers.KNOWN[-1])
    assert loaded is not None


def test_the_report_survives_json() -> None:
    made = report(ABSENT)
    again = Report.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert [row.met for row in again.rows] == [row.met for row in made.rows]


@pytest.mark.parametrize("change", [{"format": "another"}, {"version": 99}])
def test_json_of_another_kind_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"fedtrust\.benchmark"):
        Report.from_json(report().to_json() | change)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5, "seconds", "2.5 s"),
        (5300.0, "seconds", "5,300 s"),
        (0.0053, "seconds", "5.3 ms"),
        (0.000012, "seconds", "12 us"),
        (3e-8, "seconds", "30 ns"),
        (5.376, "bytes", "5.38 B"),
        (1378, "bytes", "1,378 B"),
    ],
)
def test_quantities_are_written_for_people(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_factors_are_written_for_people() -> None:
    assert (factor(2513.4), factor(1.234), factor(0.00488)) == ("2,513 x", "1.23 x", "0.00488 x")


def test_a_sample_is_marked_and_explained() -> None:
    sample = Figure("seconds", (2.0,), measured=20, full=700)
    made = Report(report().machine, report().setting, {}, (Row("encrypt", sample),))
    text = markdown(made)
    assert "2 s *" in text
    assert "fedtrust, encrypt: 20 of 700" in text


def test_the_table_in_markdown_has_a_line_for_every_row() -> None:
    made = report(ABSENT)
    lines = [line for line in markdown(made, "benchmarks/engine.svg").splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(made.rows)
    assert all(line.count("|") == len(HEADINGS) + 1 for line in lines)
    assert max(len(line) for line in markdown(made).splitlines() if not line.startswith("|")) <= 120


def test_the_page_is_written_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page, (begin, end) = tmp_path / "page.md", markers("bench")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    write_into(page, "bench", "new")
    write_into(page, "bench", "newer")
    assert page.read_text() == f"before\n{begin}\n\nnewer\n\n{end}\nafter\n"
    page.write_text(f"{begin}{begin}{end}")
    with pytest.raises(ValueError, match="once each"):
        write_into(page, "bench", "new")


@pytest.mark.parametrize("target", ["bench", "bench-million"])
def test_the_committed_page_has_its_markers_and_a_whole_table_or_none(target: str, tmp_path: Path) -> None:
    content = (ROOT / "docs" / "benchmarks.md").read_text()
    copy = tmp_path / "copy.md"
    copy.write_text(content)
    write_into(copy, target, "")  # refuses a page without the markers
    begin, end = markers(target)
    between = content.split(begin)[1].split(end)[0]
    table = [line for line in between.splitlines() if line.startswith("|")]
    assert table or f"`make {target}` writes the table here" in between
    assert len({line.count("|") for line in table}) <= 1
    if table and target == "bench":
        native = "kernel: native" in " ".join(between.split())  # elsewhere there is nothing to compare it with
        expected = {line.beside for line in TIMES if line.beside} - (set() if native else set(OF_THE_NATIVE_KERNEL))
        assert expected <= {row.split("|")[3].strip() for row in table}


def test_the_committed_json_is_that_of_the_committed_table() -> None:
    file, page = ROOT / "docs" / "benchmarks" / "engine.json", (ROOT / "docs" / "benchmarks.md").read_text()
    if not file.exists():
        assert "`make bench` writes the table here" in page
        return
    kept = Report.from_json(json.loads(file.read_text()))
    assert markdown(kept, "benchmarks/engine.svg") in page
    assert (ROOT / "docs" / "benchmarks" / "engine.svg").exists()


@pytest.mark.skipif(not available(), reason="matplotlib is not installed: the extra 'bench' has it")
def test_the_plot_shows_everybody_and_is_the_same_twice(tmp_path: Path) -> None:
    made = report(ABSENT)
    assert phases.ZPAILLIER not in figures(made, phases.ENCRYPT)
    for name in ("first.svg", "second.svg"):
        write_plot(made, tmp_path / name)
    text = (tmp_path / "first.svg").read_text()
    assert text == (tmp_path / "second.svg").read_text()
    for name in (phases.ENGINE, *OF_THE_NATIVE_KERNEL, phases.PHE, phases.CKKS, phases.CKKS_DEFAULT, phases.NUMPY):
        assert f">{name}<" in text
    assert f">{phases.GMP}<" not in text  # the arithmetic limit stands for it
    assert f">{phases.ZPAILLIER}<" not in text
