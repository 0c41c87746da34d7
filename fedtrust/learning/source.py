"""Where a task's code is, and its digest, which the RoundSpec fixes. Needs no torch: an auditor has none."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fedtrust.errors import ConfigurationError

_FORM = "package.module:Class or path/to/file.py:Class"


@dataclass(frozen=True, slots=True)
class TaskSource:
    """The file that defines a task, and the name of the class in it.

    ``module`` is the importable module's name, or None if the task was named by its file.
    """

    path: Path
    class_name: str
    module: str | None

    @property
    def digest(self) -> bytes:
        """The sha-256 of the file's bytes, 32 bytes. Raises ConfigurationError if it cannot be read."""
        try:
            return hashlib.sha256(self.path.read_bytes()).digest()
        except OSError as error:
            raise ConfigurationError(
                f"the task's code cannot be read: {self.path}",
                expected="a readable Python file",
                got=error.strerror,
            ) from error


def find_task_source(specification: str) -> TaskSource:
    """Find the file of a task named ``package.module:Class`` or ``path/to/file.py:Class``.

    The module itself is not imported (its parent packages are). Raises ConfigurationError if the name is
    malformed or there is no such file.
    """
    place, separator, class_name = specification.rpartition(":")
    if not separator or not place or not class_name.isidentifier():
        raise ConfigurationError("the name of a task is malformed", expected=_FORM, got=repr(specification))
    if place.endswith(".py") or "/" in place:
        path = Path(place)
        if not path.is_file():
            raise ConfigurationError(
                "the task's file does not exist",
                expected="a Python file",
                got=path,
                advice="give the path from the directory in which you run the command",
            )
        return TaskSource(path, class_name, None)
    try:
        found = importlib.util.find_spec(place)
    except (ImportError, ValueError) as error:
        raise _not_found(place, str(error)) from error
    if found is None:
        raise _not_found(place, "no such module")
    if found.origin is None or not found.has_location or not found.origin.endswith(".py"):
        raise _not_found(place, "it has no Python source file")
    return TaskSource(Path(found.origin), class_name, place)


def task_code_digest(specification: str) -> bytes:
    """Return the sha-256 of the source file that defines the task, 32 bytes.

    It covers that one file, not what the file imports: a task that shares code with others should say so in
    its documentation, or be one file. Raises ConfigurationError as :func:`find_task_source` does.
    """
    return find_task_source(specification).digest


def _not_found(module: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the task's module {module!r} cannot be found",
        expected=_FORM,
        got=reason,
        advice="install the package in this environment, or name the file instead",
    )
