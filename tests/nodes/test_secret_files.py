"""Secrets on disk: a process that dies at any step leaves all of it or nothing, and nothing is overwritten."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from fedtrust.errors import ConfigurationError
from fedtrust.nodes.secret_files import create_secret_file, create_secret_folder

FILES = {"account.json": b"one" * 1000, "secrets.key": bytes(range(256)), "identity.json": b"{}"}
STEPS = ("open", "fsync", "rename", "link")
"""The calls of the operating system between which a process may die."""


def make_folder(place: Path) -> None:
    create_secret_folder(place, FILES)


def make_file(place: Path) -> None:
    create_secret_file(place, FILES["secrets.key"])


@contextmanager
def interrupted_at(step: int, action: Callable[[], None]) -> Iterator[list[int]]:
    """Do ``action`` instead of the call number ``step``, counted over all of STEPS."""
    calls = [0]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            calls[0] += 1
            if calls[0] == step:
                action()
            return real(*arguments, **named)

        return call

    patches = [mock.patch.object(os, name, counted(getattr(os, name))) for name in STEPS]
    for patch in patches:
        patch.start()
    try:
        yield calls
    finally:
        for patch in patches:
            patch.stop()


def die_at(step: int, make: Callable[[Path], None], place: Path) -> int:
    """Run ``make`` in a child that is gone at call ``step``, without any clean-up; returns its exit code."""
    child = os.fork()
    if child == 0:
        with interrupted_at(step, lambda: os._exit(9)):
            make(place)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("before", ["nothing", "an empty folder"])
def test_a_folder_is_whole_or_not_there_whenever_its_maker_dies(tmp_path: Path, before: str) -> None:
    seen = set()
    for step in range(1, 100):
        place = tmp_path / f"{step}" / "identity"
        if before == "an empty folder":
            place.mkdir(parents=True)
        code = die_at(step, make_folder, place)
        there = content(place) if place.exists() else {}
        assert there in ({}, FILES)
        seen.add(bool(there))
        if code == 0:
            assert there == FILES
            break
        assert code == 9
        if not there:
            make_folder(place)  # the next try is not in the way of the last one
            assert content(place) == FILES
    else:
        pytest.fail("never finished")
    assert step > 2 * len(FILES) + 2
    assert seen == {True, False}


def test_a_file_is_whole_or_not_there_whenever_its_maker_dies(tmp_path: Path) -> None:
    for step in range(1, 50):
        place = tmp_path / f"{step}" / "our.key"
        code = die_at(step, make_file, place)
        assert not place.exists() or place.read_bytes() == FILES["secrets.key"]
        if code == 0:
            assert place.exists()
            break
        assert code == 9
        if not place.exists():
            make_file(place)
            assert place.read_bytes() == FILES["secrets.key"]
    else:
        pytest.fail("never finished")
    assert step > 4


@pytest.mark.parametrize("make", [make_folder, make_file])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_step_that_fails_leaves_nothing_behind(
    tmp_path: Path, make: Callable[[Path], None], error: BaseException
) -> None:
    place = tmp_path / "new"

    def fail() -> None:
        raise error

    with interrupted_at(2, fail), pytest.raises((ConfigurationError, KeyboardInterrupt)) as caught:
        make(place)
    if isinstance(caught.value, ConfigurationError):
        assert "No space left" in caught.value.diagnostics()
    assert list(tmp_path.iterdir()) == []


def test_modes(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        make_folder(tmp_path / "identity")
        make_file(tmp_path / "our.key")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o700
    for path in (*(tmp_path / "identity").iterdir(), tmp_path / "our.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(b"mine")
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes").write_bytes(b"mine")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for make, place in ((make_file, taken), (make_folder, taken), (make_folder, full), (make_file, full)):
        with pytest.raises(ConfigurationError, match=place.name):
            make(place)
    with pytest.raises(ConfigurationError, match="exists already"):
        make_file(dangling)
    assert taken.read_bytes() == b"mine"
    assert content(full) == {"notes": b"mine"}
    assert {p.name for p in tmp_path.iterdir()} == {"taken", "full", "dangling"}


def test_of_several_at_once_one_wins_and_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "identity"
    refused: list[ConfigurationError] = []
    ready = threading.Barrier(8)

    def contend(number: int) -> None:
        ready.wait()
        try:
            create_secret_folder(place, {name: bytes([number]) + data for name, data in FILES.items()})
        except ConfigurationError as error:
            refused.append(error)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 7
    assert len({data[0] for data in content(place).values()}) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["identity"]
