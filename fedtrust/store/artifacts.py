"""Content-addressed artifacts: named by the sha-256 of their bytes, checked at every read.

Three stores, one conformance suite: a folder (the aggregator's), memory (simulation), HTTP (everybody else's view of
the aggregator's folder). A store never returns bytes that do not have the digest they were asked for by.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fedtrust.crypto.encoding import sha256
from fedtrust.errors import ArtifactError


class ArtifactReader(Protocol):
    """The reading half: all that an auditor needs."""

    def get(self, digest: bytes) -> bytes:
        """Return the artifact's bytes. Raises ArtifactError if it is missing or its bytes were altered."""


class ArtifactStore(ArtifactReader, Protocol):
    """A store that can also be written."""

    def put(self, data: bytes) -> bytes:
        """Store ``data`` and return its digest; storing the same bytes again changes nothing."""

    def has(self, digest: bytes) -> bool:
        """Return whether something is stored under ``digest``."""


def verify_digest(data: bytes, digest: bytes, where: str) -> bytes:
    """Return ``data`` if its sha-256 is ``digest``; raises ArtifactError naming ``where`` it came from."""
    got = sha256(data)
    if got != digest:
        raise ArtifactError(
            f"artifact {digest.hex()} was altered",
            expected=f"sha-256 {digest.hex()}",
            got=f"sha-256 {got.hex()} ({len(data)} bytes) from {where}",
            advice="restore the file from a copy; nothing that was computed from it can be trusted",
        )
    return data


def _missing(digest: bytes, where: str) -> ArtifactError:
    return ArtifactError(
        f"artifact {digest.hex()} is missing",
        expected=f"sha-256 {digest.hex()}",
        got=f"nothing at {where}",
        advice="restore the file from a copy, or name another artifact address",
    )


class MemoryStore:
    """Artifacts in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._items: dict[bytes, bytes] = {}

    def put(self, data: bytes) -> bytes:
        """See ArtifactStore."""
        digest = sha256(data)
        self._items.setdefault(digest, bytes(data))
        return digest

    def has(self, digest: bytes) -> bool:
        """See ArtifactStore."""
        return digest in self._items

    def get(self, digest: bytes) -> bytes:
        """See ArtifactReader."""
        if digest not in self._items:
            raise _missing(digest, "memory")
        return verify_digest(self._items[digest], digest, "memory")


class FolderStore:
    """Artifacts as files ``<two hex digits>/<the other 62>`` in a folder, written atomically."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, creating it if needed."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, digest: bytes) -> Path:
        """Return where the artifact with ``digest`` is or would be."""
        name = digest.hex()
        return self.root / name[:2] / name[2:]

    def put(self, data: bytes) -> bytes:
        """See ArtifactStore. Durable when it returns; a file whose bytes were altered is written anew."""
        digest = sha256(data)
        path = self.path(digest)
        if path.exists() and sha256(path.read_bytes()) == digest:
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        # the names are durable too: the file's in its folder, the folder's in the root
        _sync_folder(path.parent)
        _sync_folder(self.root)
        return digest

    def has(self, digest: bytes) -> bool:
        """See ArtifactStore."""
        return self.path(digest).exists()

    def get(self, digest: bytes) -> bytes:
        """See ArtifactReader."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise _missing(digest, str(path)) from None
        return verify_digest(data, digest, str(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RemoteStore:
    """Read-only view of a store behind HTTP: ``fetch`` maps a digest to bytes, or None where there are none.

    The bytes are checked here, so the server is trusted with nothing.
    """

    def __init__(self, fetch: Callable[[bytes], bytes | None], where: str) -> None:
        """``where`` names the server in errors."""
        self._fetch = fetch
        self._where = where

    def get(self, digest: bytes) -> bytes:
        """See ArtifactReader."""
        data = self._fetch(digest)
        if data is None:
            raise _missing(digest, self._where)
        return verify_digest(data, digest, self._where)
