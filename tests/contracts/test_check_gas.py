"""The gas check fails on what it must, and passes on the rest: the script itself, over files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "snapshots" / "Federation.json"


def committed() -> dict[str, int]:
    return {name: int(gas) for name, gas in json.loads(SNAPSHOT.read_text(encoding="utf-8")).items()}


def write(path: Path, gas: dict[str, int]) -> Path:
    path.write_text(json.dumps({name: str(value) for name, value in gas.items()}), encoding="utf-8")
    return path


def check(
    measured: Path, snapshot: Path = SNAPSHOT, *options: str, bars: Path | None = None
) -> subprocess.CompletedProcess[str]:
    files = ["--measured", str(measured), "--snapshot", str(snapshot)]
    if bars is not None:
        files += ["--bars", str(bars)]
    command = [sys.executable, "scripts/check_gas.py", *files, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_same_passes_and_shows_the_bars() -> None:
    result = check(SNAPSHOT)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["attest", f"{committed()['attest']:,}", "+0.00", "%", "60,000"] in [row[:5] for row in rows]
    for name in committed():
        assert any(line.startswith(name + "  ") for line in result.stdout.splitlines()), name


@pytest.mark.parametrize(("gas", "status"), [(102_000, 0), (102_001, 1), (50_000, 0)])
def test_a_rise_of_more_than_two_percent_fails(tmp_path: Path, gas: int, status: int) -> None:
    before = write(tmp_path / "before.json", {"attest": 100_000, "finalise": 7})
    bars = write(tmp_path / "bars.json", {"attest": 200_000})
    result = check(write(tmp_path / "now.json", {"attest": gas, "finalise": 7}), before, bars=bars)
    assert result.returncode == status
    assert ("attest" in result.stderr) == bool(status)
    assert "finalise" not in result.stderr


@pytest.mark.parametrize(("gas", "status"), [(60_000, 0), (60_001, 1)])
def test_a_missed_bar_fails_whatever_the_snapshot_says(tmp_path: Path, gas: int, status: int) -> None:
    now = write(tmp_path / "now.json", {"attest": gas})
    bars = write(tmp_path / "bars.json", {"attest": 60_000})
    for options in ((), ("--write",)):
        result = check(now, write(tmp_path / "before.json", {"attest": gas}), *options, bars=bars)
        assert result.returncode == status
        assert ("above its bar of 60,000" in result.stderr) == bool(status)


def test_a_bar_that_was_not_measured_fails(tmp_path: Path) -> None:
    now = write(tmp_path / "now.json", {"attest": 1})
    result = check(now, now, bars=write(tmp_path / "bars.json", {"attest": 1, "claim": 1}))
    assert result.returncode == 1
    assert "claim: has a bar, and was not measured" in result.stderr


@pytest.mark.parametrize("name", sorted(committed()))
def test_each_call_of_the_snapshot_is_guarded(tmp_path: Path, name: str) -> None:
    gas = committed()
    now = {**gas, name: gas[name] * 103 // 100}
    result = check(write(tmp_path / "now.json", now))
    assert result.returncode == 1
    assert f"{name}: {now[name]:,} gas" in result.stderr


def test_a_call_more_or_less_fails(tmp_path: Path) -> None:
    gas = committed()
    more = check(write(tmp_path / "more.json", {**gas, "something new": 1}))
    assert more.returncode == 1
    assert "something new: not in the snapshot" in more.stderr
    del gas["attest"]
    less = check(write(tmp_path / "less.json", gas))
    assert less.returncode == 1
    assert "attest: in the snapshot, not measured" in less.stderr


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"attest": "many"}', '{"attest": "0"}', '{"attest": null}'])
def test_no_measurement_fails(tmp_path: Path, content: str) -> None:
    path = tmp_path / "measured.json"
    assert check(path).returncode == 1
    path.write_text(content, encoding="utf-8")
    result = check(path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_write_makes_the_measurement_the_snapshot(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / "Federation.json"
    measured = write(tmp_path / "measured.json", {"settle": 2, "attest": 1})
    bars = write(tmp_path / "bars.json", {"attest": 1})
    assert check(measured, snapshot, bars=bars).returncode == 1
    assert check(measured, snapshot, "--write", bars=bars).returncode == 0
    assert snapshot.read_text(encoding="utf-8") == '{\n  "attest": 1,\n  "settle": 2\n}\n'
    assert check(measured, snapshot, bars=bars).returncode == 0
