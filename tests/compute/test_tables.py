from __future__ import annotations

import math
import os
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.compute.selection import ComputeSettings, available_cores, select_arithmetic
from fedtrust.compute.tables import FolderTableStore
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.errors import ConfigurationError
from tests.fixtures.keys import test_primes

NAMES = [f"{i:064x}" for i in range(4)]
N = math.prod(map(mpz, test_primes(2048)))


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    store = FolderTableStore(tmp_path / "tables")
    assert store.load(NAMES[0]) is None
    store.save(NAMES[0], b"table")
    assert FolderTableStore(tmp_path / "tables").load(NAMES[0]) == b"table"
    store.save(NAMES[0], b"larger table")
    assert store.load(NAMES[0]) == b"larger table"
    (file,) = (tmp_path / "tables").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_oldest_make_room(tmp_path: Path) -> None:
    store = FolderTableStore(tmp_path, limit=250)
    for age, name in enumerate(NAMES[:2]):
        store.save(name, bytes(100))
        os.utime(tmp_path / f"{name}.table", (age, age))
    store.save(NAMES[2], bytes(100))
    assert [store.load(name) is not None for name in NAMES] == [False, True, True, False]
    store.save(NAMES[3], bytes(251))  # larger than everything: not kept, nothing lost for it
    assert [store.load(name) is not None for name in NAMES] == [False, True, True, False]


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("a file where the folder should be")
    store = FolderTableStore(tmp_path / "tables")
    store.save(NAMES[0], b"table")
    assert store.load(NAMES[0]) is None


@pytest.mark.parametrize("name", ["", "../up", NAMES[0] + "0", "G" * 64])
def test_a_name_is_a_hash(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError):
        FolderTableStore(tmp_path).load(name)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_selected_engine_keeps_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(ARITHMETIC, "implementation", ARITHMETIC.implementation)  # put back at the end
    exponents = [mpz(3) ** 80 + i for i in range(40)]
    expected = [gmpy2.powmod(5, e, N * N) for e in exponents]
    for _ in range(2):
        select_arithmetic(ComputeSettings(workers, 1 << 22), tmp_path / "tables")
        assert isinstance(ARITHMETIC.implementation, GmpArithmetic if workers == 1 else ParallelArithmetic)
        assert ARITHMETIC.fixed_base_powers(mpz(5), exponents, N * N) == expected
        if isinstance(ARITHMETIC.implementation, ParallelArithmetic):
            ARITHMETIC.implementation.close()
        (file,) = (tmp_path / "tables").iterdir()
        assert file.stat().st_size <= (1 << 22) + 1000


def test_without_table_memory_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ARITHMETIC, "implementation", ARITHMETIC.implementation)
    select_arithmetic(ComputeSettings(1, 0), tmp_path / "tables")
    ARITHMETIC.fixed_base_powers(mpz(5), [mpz(3) ** 80] * 50, N * N)
    assert not (tmp_path / "tables").exists()


def test_settings_are_checked() -> None:
    assert 1 <= available_cores() <= 256
    for bad in ({"workers": 0}, {"workers": 257}, {"table_bytes": -1}):
        with pytest.raises(ConfigurationError):
            ComputeSettings(**bad)
