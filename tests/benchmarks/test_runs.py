"""Whole runs with short vectors: every row there, every sum checked; the bars are not asserted on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as program
from benchmarks import million, phases
from benchmarks.classical import ClassicalCommittee
from benchmarks.cores import computing_with
from benchmarks.engine import Engine, unverified
from benchmarks.limits import multiplications, power_multiplications, table_multiplications
from benchmarks.report import Report
from benchmarks.setting import PARTICIPANTS, Setting
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.errors import FedtrustError, ProofError


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting.make(300)


def test_the_setting_is_that_of_the_bars(setting: Setting) -> None:
    described = setting.describe()
    assert (described["key_bits"], described["slot_bits"], described["exponent_bits"]) == (3072, 21, 1536)
    assert len(setting.values) == PARTICIPANTS
    assert not np.array_equal(setting.values[0], setting.values[1])
    assert np.array_equal(Setting.make(300).total, setting.total)  # the same in every process
    assert replace(setting, parameters=100_000).ciphertexts == 700


def test_a_wrong_sum_of_the_engine_stops_the_run(setting: Setting) -> None:
    wrong = replace(setting)
    wrong.values[3][7] += 1
    _ = wrong.packed
    wrong.values[3][7] -= 1
    assert np.array_equal(wrong.total, setting.total)
    with pytest.raises(AssertionError, match="not NumPy's"):
        Engine.check(wrong, None, lambda _: None)


def test_the_classical_yardstick_decrypts(setting: Setting) -> None:
    from fedtrust.crypto.paillier import encrypt_vector

    with computing_with(GmpArithmetic(table_bytes=0)):
        ciphertexts = encrypt_vector(setting.key, setting.packed[0][:1]).ciphertexts
    classical = ClassicalCommittee.make(setting)
    classical.check(ciphertexts, setting.packed[0][:1])
    with pytest.raises(AssertionError, match="another plaintext"):
        classical.check(ciphertexts, [setting.packed[0][0] ^ 1])


def test_the_manifest_is_verified_anew(setting: Setting) -> None:
    fresh = unverified(setting.manifest)
    assert fresh.key_id != setting.manifest.key_id
    fresh.verify()
    bad = replace(fresh, v=fresh.v + 1)
    with pytest.raises((ProofError, FedtrustError)):
        unverified(bad).verify()


def test_multiplications_are_counted_as_gmp_would_need_them(setting: Setting) -> None:
    assert table_multiplications(1536, 10) == 154  # 153 inside the table's product, one by 1 + M n
    assert power_multiplications(3072) == 3072 + 439 + 32
    counted = multiplications(setting)
    assert counted[phases.AGGREGATE] == (setting.ciphertexts, setting.n**2)
    assert counted[phases.ENCRYPT][0] > counted[phases.ENCRYPT_SHORT][0]


@pytest.mark.slow
def test_a_quick_run_with_short_vectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ARITHMETIC.implementation
    page = tmp_path / "page.md"
    page.write_text("<!-- made by make bench: begin -->\n<!-- made by make bench: end -->\n")
    files = ["--json", str(tmp_path / "o" / "b.json"), "--plot", str(tmp_path / "o" / "b.svg"), "--page", str(page)]
    assert program.main(["--quick", "--parameters", "6000", "--repeats", "1", *files]) == 0
    assert ARITHMETIC.implementation is before
    made = Report.from_json(json.loads((tmp_path / "o" / "b.json").read_text()))
    assert made.setting["parameters"] == 6000
    for row in made.rows:
        if row.ours is None:  # only where this machine has one core
            assert row.skipped
        elif not row.skipped:
            assert min(row.ours.values) > 0
            assert len(row.ratios) == (1 if row.beside else 0)
    printed = capsys.readouterr().out
    for name, found in made.peers.items():
        assert f"{name}: {found.split(';')[0]}" in printed
        assert found.startswith("skipped: ") == any(r.skipped and r.beside == name for r in made.rows)
    assert "| encrypt | " in page.read_text()


@pytest.mark.slow
def test_a_whole_round_in_processes_of_their_own(tmp_path: Path) -> None:
    assert million.main(["--parameters", "300", "--folder", str(tmp_path / "f"), "--json", str(tmp_path / "m")]) == 0
    found = json.loads((tmp_path / "m").read_text())
    played = [(role["role"], role["index"]) for role in found["roles"]]
    assert played == [(role, index) for role, indices in million.PLAN for index in indices]
    assert all(role["peak_bytes"] > 1 << 20 for role in found["roles"])
    # the files are real: the auditor refuses the round once a plaintext is another
    plaintexts = tmp_path / "f" / "plaintexts"
    data = bytearray(plaintexts.read_bytes())
    data[-1] ^= 1
    plaintexts.write_bytes(bytes(data))
    with pytest.raises(million.subprocess.CalledProcessError):
        million.play("auditor", 0, tmp_path / "f", 300)


def test_the_bar_is_for_workers_too() -> None:
    assert million.under_limit({"peak_bytes": 1 << 20, "largest_worker_peak_bytes": (1 << 30) - 1})
    assert not million.under_limit({"peak_bytes": 1 << 20, "largest_worker_peak_bytes": 1 << 30})
    assert not million.under_limit({"peak_bytes": 1 << 30, "largest_worker_peak_bytes": 0})
