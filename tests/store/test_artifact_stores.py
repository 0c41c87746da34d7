"""One conformance suite over every artifact store; then what only files can suffer: alteration, truncation, crashes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.crypto.encoding import sha256
from fedtrust.errors import ArtifactError
from fedtrust.store.artifacts import ArtifactReader, ArtifactStore, FolderStore, MemoryStore, RemoteStore, verify_digest


@dataclass(frozen=True)
class Stand:
    """A store to write to, and how readers see it: the store itself, or its remote view."""

    store: ArtifactStore
    reader: ArtifactReader


def _fetch(store: ArtifactStore) -> Callable[[bytes], bytes | None]:
    def fetch(digest: bytes) -> bytes | None:
        return store.get(digest) if store.has(digest) else None

    return fetch


@pytest.fixture(params=["memory", "folder", "remote memory", "remote folder"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Stand:
    store: ArtifactStore = FolderStore(tmp_path / "artifacts") if "folder" in request.param else MemoryStore()
    return Stand(store, RemoteStore(_fetch(store), "https://far.away") if "remote" in request.param else store)


same_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)


@same_fixture
@given(st.binary(max_size=5_000))
def test_what_was_put_is_what_is_got(stand: Stand, data: bytes) -> None:
    digest = stand.store.put(data)
    assert digest == sha256(data)
    assert stand.store.has(digest)
    assert stand.reader.get(digest) == data


@pytest.mark.parametrize(
    "data", [b"", b"\0", bytes(1 << 20), os.urandom(3_000_017)], ids=["empty", "zero", "zeros", "random"]
)
def test_any_size_is_kept(stand: Stand, data: bytes) -> None:
    assert stand.reader.get(stand.store.put(data)) == data


def test_putting_again_changes_nothing(stand: Stand) -> None:
    digests = {stand.store.put(b"once") for _ in range(3)}
    assert len(digests) == 1
    assert stand.reader.get(digests.pop()) == b"once"


def test_what_is_missing_is_refused_with_its_name(stand: Stand) -> None:
    digest = sha256(b"never stored")
    assert not stand.store.has(digest)
    with pytest.raises(ArtifactError, match="missing") as error:
        stand.reader.get(digest)
    assert digest.hex() in error.value.message
    assert error.value.advice


def test_a_store_keeps_its_own_copy(stand: Stand) -> None:
    data = bytearray(b"mutable")
    digest = stand.store.put(bytes(data))
    data[0] ^= 1
    assert stand.reader.get(digest) == b"mutable"


def test_concurrent_puts_of_the_same_and_of_other_bytes(stand: Stand) -> None:
    contents = [os.urandom(20_000) for _ in range(8)]
    together = threading.Barrier(8)

    def work(worker: int) -> list[bytes]:
        together.wait(timeout=30)
        return [stand.store.put(contents[(worker + i) % 8]) for i in range(8)]

    with ThreadPoolExecutor(8) as pool:
        digests = {d for found in pool.map(work, range(8)) for d in found}
    assert digests == {sha256(c) for c in contents}
    assert sorted(stand.reader.get(d) for d in digests) == sorted(contents)


def test_the_digest_check_says_what_was_expected_and_where() -> None:
    assert verify_digest(b"data", sha256(b"data"), "here") == b"data"
    with pytest.raises(ArtifactError, match="altered") as error:
        verify_digest(b"dada", sha256(b"data"), "here")
    assert sha256(b"data").hex() in str(error.value.expected)
    assert sha256(b"dada").hex() in str(error.value.got)
    assert "here" in str(error.value.got)


# a server that lies


@pytest.mark.parametrize("answer", [b"", b"other", b"data\0", b"dat", b"Data"])
def test_a_remote_server_is_trusted_with_nothing(answer: bytes) -> None:
    reader = RemoteStore(lambda digest: answer, "https://liar.example")
    with pytest.raises(ArtifactError, match="altered") as error:
        reader.get(sha256(b"data"))
    assert "https://liar.example" in str(error.value.got)


def test_a_remote_server_that_answers_another_artifact_is_caught() -> None:
    store = MemoryStore()
    wanted, other = store.put(b"wanted"), store.put(b"other")
    with pytest.raises(ArtifactError, match="altered"):
        RemoteStore(lambda digest: store.get(other), "there").get(wanted)


# files


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "artifacts")


DATA = bytes(range(256)) * 8


def files(store: FolderStore) -> set[str]:
    return {str(p.relative_to(store.root)) for p in store.root.rglob("*") if p.is_file()}


def test_files_are_named_by_their_digest(folder: FolderStore) -> None:
    name = folder.put(DATA).hex()
    assert files(folder) == {f"{name[:2]}/{name[2:]}"}
    assert folder.path(bytes.fromhex(name)).read_bytes() == DATA


def test_a_new_process_finds_what_the_old_one_stored(folder: FolderStore) -> None:
    digest = folder.put(DATA)
    assert FolderStore(folder.root).get(digest) == DATA


@given(index=st.integers(0, len(DATA) - 1), flip=st.integers(1, 255))
@same_fixture
def test_any_altered_byte_is_noticed(folder: FolderStore, index: int, flip: int) -> None:
    digest = folder.put(DATA)
    altered = bytearray(DATA)
    altered[index] ^= flip
    folder.path(digest).write_bytes(altered)
    with pytest.raises(ArtifactError, match="altered") as error:
        folder.get(digest)
    assert str(folder.path(digest)) in str(error.value.got)


@pytest.mark.parametrize("length", [0, 1, len(DATA) - 1, len(DATA) + 1])
def test_a_truncated_or_lengthened_file_is_noticed(folder: FolderStore, length: int) -> None:
    digest = folder.put(DATA)
    folder.path(digest).write_bytes((DATA + b"\0")[:length])
    with pytest.raises(ArtifactError, match="altered"):
        folder.get(digest)


def test_a_deleted_file_is_missing(folder: FolderStore) -> None:
    digest = folder.put(DATA)
    folder.path(digest).unlink()
    assert not folder.has(digest)
    with pytest.raises(ArtifactError, match="missing"):
        folder.get(digest)


def test_putting_again_mends_an_altered_file(folder: FolderStore) -> None:
    digest = folder.put(DATA)
    folder.path(digest).write_bytes(b"rot")
    assert folder.put(DATA) == digest
    assert folder.get(digest) == DATA


def test_leftovers_of_a_crash_are_no_artifacts(folder: FolderStore) -> None:
    """A process killed between writing and renaming leaves a .part file: nobody ever reads it, and puts still work."""
    digest = sha256(DATA)
    path = folder.path(digest)
    path.parent.mkdir(parents=True)
    leftover = path.parent / ".part-abcdef"
    leftover.write_bytes(DATA[:100])
    assert not folder.has(digest)
    with pytest.raises(ArtifactError, match="missing"):
        folder.get(digest)
    assert folder.put(DATA) == digest
    assert folder.get(digest) == DATA
    assert leftover.read_bytes() == DATA[:100]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_put_that_fails_leaves_nothing_behind(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "fsync", fail) if where == "fsync" else (Path, "replace", fail)))
        with pytest.raises(OSError, match="no space"):
            folder.put(DATA)
    assert files(folder) == set()
    assert not folder.has(sha256(DATA))
    assert folder.get(folder.put(DATA)) == DATA


def test_a_file_appears_whole_or_not_at_all(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on disk at the moment of the rename is already the whole artifact."""
    seen: list[bytes] = []
    rename = Path.replace

    def watch(self: Path, target: Path) -> Path:
        assert not target.exists()
        seen.append(self.read_bytes())
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    folder.put(DATA)
    assert seen == [DATA]


def test_readers_never_see_half_a_file(folder: FolderStore) -> None:
    """One thread mends an altered file over and over while others read it: bad, missing or whole, never half."""
    big = os.urandom(200_000)
    digest = folder.put(big)
    stop = threading.Event()
    wrong: list[bytes] = []

    def read() -> None:
        while not stop.is_set():
            found = folder.path(digest).read_bytes()
            if found not in (big, b"rot"):
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(30):
        rotten = folder.root / "rotten"
        rotten.write_bytes(b"rot")
        rotten.replace(folder.path(digest))
        folder.put(big)
    stop.set()
    for reader in readers:
        reader.join(timeout=30)
    assert wrong == []
    assert folder.get(digest) == big


def test_a_put_is_durable_when_it_returns(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes, the file's name in its folder and the folder's name in the root have reached the disk."""
    synced: list[str] = []
    flush = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    path = folder.path(folder.put(DATA))
    assert len(synced) == 3
    assert Path(synced[0]).parent == path.parent
    assert synced[1:] == [str(path.parent), str(folder.root)]
