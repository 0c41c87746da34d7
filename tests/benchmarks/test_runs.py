"""Whole runs with short vectors: every row there, every sum checked; the bars are not asserted on."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpz

from benchmarks import __main__ as program
from benchmarks import arithmetic_limit, million, phases
from benchmarks.classical import ClassicalCommittee
from benchmarks.cores import Computing, computing_with
from benchmarks.critical_path import CriticalPath
from benchmarks.engine import Engine, unverified
from benchmarks.limits import multiplications, power_multiplications, table_multiplications
from benchmarks.measuring import Measurement, Task
from benchmarks.multiply_adds import MultiplyAdds
from benchmarks.report import Report
from benchmarks.setting import PARTICIPANTS, Setting
from fedtrust.compute.kernels import VARIABLE, Kernel, choose_kernel, native_kernel
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.errors import ExitCode, FedtrustError, ProofError

ROLES_IN_TURN = ["aggregator", "trustee", "trustee", "aggregator", "aggregator", "aggregator", "anybody"]


def portable() -> Computing:
    return Computing(phases.ENGINE, GmpArithmetic(table_bytes=1 << 20), GmpArithmetic(table_bytes=1 << 20), None)


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
        Engine.check(wrong, portable(), lambda _: None)


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


class WrongOpenings(GmpArithmetic):
    """A kernel that computes wrongly: every power with one exponent is the base."""

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        return list(bases)


@pytest.fixture(scope="module")
def engine(setting: Setting) -> Engine:
    return Engine.check(setting, portable(), lambda _: None)


def test_a_kernel_with_other_results_stops_the_run(engine: Engine) -> None:
    good = portable()
    engine.check_kernel(good, lambda _: None)
    with pytest.raises(AssertionError):
        engine.check_kernel(replace(good, one=WrongOpenings()), lambda _: None)


def test_the_whole_round_goes_step_after_step_and_compares_its_sum(engine: Engine, setting: Setting) -> None:
    path = engine.critical_path()
    start = time.perf_counter()
    with computing_with(portable().one):
        path()
    passed = time.perf_counter() - start
    seconds = path.seconds()
    assert [name.split(":")[0] for name in seconds] == ["participant", *ROLES_IN_TURN]
    assert all(len(values) == 1 and min(values) > 0 for values in seconds.values())
    assert sum(map(sum, seconds.values())) <= passed
    files = [(u.to_bytes(), p.to_bytes()) for u, p in zip(engine.updates, engine.proofs, strict=True)]
    other = [*engine.opening.plaintexts[:-1], engine.opening.plaintexts[-1] ^ 1]
    wrong = CriticalPath(setting, files, engine.partials, other)
    with computing_with(portable().one), pytest.raises(AssertionError, match="another sum"):
        wrong()
    files[3] = (files[3][0], files[4][1])
    with pytest.raises(ProofError):
        CriticalPath(setting, files, engine.partials, engine.opening.plaintexts)()


@pytest.mark.skipif(choose_kernel().kernel is not Kernel.NATIVE, reason="no native kernel here")
def test_multiply_adds_are_counted_by_what_the_kernel_is_asked_for(setting: Setting) -> None:
    kernel = arithmetic_limit.CountingKernel(native_kernel())
    arithmetic = arithmetic_limit.CountingArithmetic(kernel)
    bases = [mpz(k + 2) for k in range(20)]
    exponent, bits = mpz(1) << 99, 100
    assert arithmetic.same_exponent_powers(bases, exponent, setting.n) == [
        pow(base, exponent, setting.n) for base in bases
    ]
    expected = MultiplyAdds(16, False).same_exponent_powers(20, bits, secret=True)
    assert kernel.count == expected
    task = Task("anybody", "a phase", lambda: arithmetic.same_exponent_powers(bases, exponent, setting.n), 20, 700)
    idle = Task("anybody", "nothing", list, 1, 1)
    (limit,) = arithmetic_limit.tasks(kernel, [task, idle])
    assert (limit.owner, limit.phase, limit.full) == (phases.LIMIT, "a phase", round(expected * 700 / 20))
    assert limit.items == limit.call()  # so many the kernel makes in one call
    assert arithmetic_limit.rates([Measurement((2.0, 4.0), limit.items, limit.full)]) == [
        limit.items / 2,
        limit.items / 4,
    ]


@pytest.mark.skipif(choose_kernel().kernel is not Kernel.NATIVE, reason="no native kernel here")
def test_tables_and_products_are_counted_too(setting: Setting) -> None:
    kernel, formula = arithmetic_limit.CountingKernel(native_kernel()), MultiplyAdds(16, True)
    arithmetic = arithmetic_limit.CountingArithmetic(kernel)
    modulus, values = setting.key.n_squared, [mpz(k + 2) for k in range(16)]
    assert arithmetic.products([values, values, values], modulus) == [value**3 for value in values]
    rows = formula.product_row(16, True) + 2 * formula.product_row(16, False)
    assert kernel.count == rows + formula.product_result(16)
    arithmetic.fixed_base_powers(setting.key.h_s, [mpz(3)] * 16, modulus)  # builds the table
    before = kernel.count
    arithmetic.fixed_base_powers(setting.key.h_s, [mpz(3)] * 16, modulus)
    again = kernel.count - before
    assert again in {formula.fixed_base_powers(16, 2, window) for window in range(3, 9)}
    assert before > rows + formula.product_result(16) + again  # there was a table to build
    weights = [mpz(k) for k in range(16)]
    before = kernel.count
    arithmetic.multi_exponentiation(values, weights, modulus)
    assert kernel.count - before == formula.multi_exponentiation(16, weights, 4)


def test_a_kernel_that_does_not_exist_ends_the_program_before_it_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "quantum")
    assert program.main(["--quick"]) == ExitCode.CONFIGURATION
    assert "quantum" in capsys.readouterr().err
