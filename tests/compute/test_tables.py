from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedtrust.compute.tables import FolderTableStore
from fedtrust.errors import ConfigurationError

NAMES = [f"{i:064x}" for i in range(4)]


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
