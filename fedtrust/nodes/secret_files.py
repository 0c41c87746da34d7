"""Secrets on disk: whole or not there at all, whatever crashes, for their owner's eyes, and never over anything."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fedtrust.errors import ConfigurationError

_ADVICE = "name another place; nothing was overwritten"


def create_secret_file(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600, durably. Raises ConfigurationError if ``path`` exists or cannot be made.

    After a crash the file is there with all of ``data``, or not there; a draft beside it may be left over.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            _write(draft / path.name, data)
            os.link(draft / path.name, path)  # unlike a rename, this fails if there is something
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _sync(path.parent)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already", advice=_ADVICE) from None
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}", got=error.strerror) from None


def create_secret_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make ``folder``, which may exist if it is empty, of mode 0700, with ``files`` of mode 0600 in it, durably.

    After a crash the folder is there with all files, or it is not there (or empty, as before); a draft beside it may be
    left over. Raises ConfigurationError if something is in the folder, or it cannot be made.
    """
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, data in files.items():
                _write(draft / name, data)
            _sync(draft)
            os.rename(draft, target)  # POSIX: in one step, and over nothing but an empty folder
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _sync(target.parent)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {folder}", got=error.strerror, advice=_ADVICE) from None


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
