"""Fixed-base tables in a folder: a cache that may be lost, cut or emptied at any time and then only costs time."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from fedtrust.errors import ConfigurationError

DEFAULT_FOLDER_BYTES = 1 << 30
_SUFFIX = ".table"
_NAME = re.compile(r"[0-9a-f]{64}")


class FolderTableStore:
    """Tables as files ``<name>.table``, mode 0600, at most ``limit`` bytes in all: the oldest go first.

    A table that cannot be written or read is as good as none.
    """

    def __init__(self, folder: Path, *, limit: int = DEFAULT_FOLDER_BYTES) -> None:
        """Take the folder, made when the first table is kept, and the limit in bytes."""
        self._folder = folder
        self._limit = limit

    def load(self, name: str) -> bytes | None:
        """Return the table called ``name``, or None."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def save(self, name: str, data: bytes) -> None:
        """Keep a table, whole or not at all."""
        if len(data) > self._limit:
            return
        path = self._path(name)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(data), path)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).replace(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
        except OSError:
            return

    def _make_room(self, size: int, path: Path) -> None:
        others = [p for p in self._folder.glob(f"*{_SUFFIX}") if p != path]
        by_age = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in others), key=lambda entry: entry[0])
        total = sum(entry[1] for entry in by_age) + size
        for _, freed, old in by_age:
            if total <= self._limit:
                return
            old.unlink(missing_ok=True)
            total -= freed

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError("a table's name is a hash", expected="64 hexadecimal digits", got=repr(name)[:80])
        return self._folder / f"{name}{_SUFFIX}"
