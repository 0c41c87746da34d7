"""A node's durable memory: a write-once map in SQLite. What was decided once is found again after any crash."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import ConfigurationError, RoundError

SCHEMA_VERSION = 1

_MACHINE = {"SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_IOERR"}
"""Failures that say nothing about the file."""


class NodeState:
    """Facts ``(kind, round, account) -> bytes`` that are written once and never changed.

    One process owns the file. Every write is committed with ``synchronous=FULL`` before the call returns; calls may
    come from any thread.
    """

    def __init__(self, path: Path | None) -> None:
        """Open or create the file at ``path``; None keeps everything in memory. Raises ConfigurationError."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._path = path
        try:
            self._connection = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
            try:
                self._prepare(path)
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # names in a damaged schema need not be UTF-8
            raise _foreign(path, error) from error

    def _prepare(self, path: Path | None) -> None:
        connection = self._connection
        # nothing is written to a file before it is known to be ours or empty
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise ConfigurationError(
                f"{path} was written by another version of fedtrust", expected=SCHEMA_VERSION, got=version
            )
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _foreign(path, "a database of something else")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS facts (kind TEXT, round INTEGER, account TEXT, value BLOB NOT NULL,"
                " PRIMARY KEY (kind, round, account)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def put(self, kind: str, round: int, account: str, value: bytes) -> None:
        """Record a fact. The same value again changes nothing; another value raises RoundError."""
        with self._undamaged(), self._connection as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", (kind, round, account, value))
            stored = self._select(kind, round, account)
        if stored != value:
            raise RoundError(
                f"round {round}: this node already recorded another {kind}" + (f" of {account}" if account else ""),
                expected=to_hex(stored or b""),
                got=to_hex(value),
                advice="the first decision stands; the second is refused",
            )

    def get(self, kind: str, round: int, account: str = "") -> bytes | None:
        """Return a fact, or None. Raises ConfigurationError if the file is damaged, as every method does."""
        with self._undamaged():
            return self._select(kind, round, account)

    def all(self, kind: str, round: int) -> dict[str, bytes]:
        """Return all facts of a kind and round, by account."""
        with self._undamaged():
            rows = self._connection.execute(
                "SELECT account, value FROM facts WHERE kind = ? AND round = ? ORDER BY account", (kind, round)
            ).fetchall()
            return {account: self._value(value) for account, value in rows}

    def forget(self, kind: str, round: int, account: str = "") -> None:
        """Remove a fact that never took effect (a plan whose transaction the chain refused)."""
        with self._undamaged(), self._connection as connection:
            connection.execute("DELETE FROM facts WHERE kind = ? AND round = ? AND account = ?", (kind, round, account))

    def bind(self, chain_id: int, contract: str) -> None:
        """Tie this memory to one federation, for good. Raises ConfigurationError if it belongs to another."""
        name = f"{chain_id}/{contract}".encode()
        with self._undamaged(), self._connection as connection:
            connection.execute("INSERT OR IGNORE INTO facts VALUES ('federation', 0, '', ?)", (name,))
            stored = self._select("federation", 0, "")
        if stored != name:
            raise ConfigurationError(
                "this home folder belongs to another federation",
                expected=(stored or b"").decode(errors="replace"),
                got=name.decode(),
                advice="name another folder with --home; what one federation decided says nothing about another",
            )

    def record_release(self, round: int, accepted: Sequence[str], aggregate_root: bytes) -> None:
        """Implement protocol.release.ReleaseJournal."""
        self.put("release", round, "", aggregate_root + "".join(accepted).encode())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _select(self, kind: str, round: int, account: str) -> bytes | None:
        row = self._connection.execute(
            "SELECT value FROM facts WHERE kind = ? AND round = ? AND account = ?", (kind, round, account)
        ).fetchone()
        return None if row is None else self._value(row[0])

    def _value(self, stored: object) -> bytes:
        # SQLite keeps any type in any column: a damaged page can turn a blob into a number
        if not isinstance(stored, bytes):
            raise _damaged(self._path, f"a fact of type {type(stored).__name__}")
        return stored

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """Hold the lock; what SQLite says about a damaged file becomes ConfigurationError."""
        with self._lock:
            try:
                yield
            except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
                raise  # ours, not the file's
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if any(getattr(error, "sqlite_errorname", "").startswith(name) for name in _MACHINE):
                    raise
                raise _damaged(self._path, error) from error


def _damaged(path: Path | None, got: object) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: this node's state is damaged",
        expected="the file as this node wrote it",
        got=got,
        advice="restore the node's folder from a copy; what it had decided cannot be told otherwise",
    )


def _foreign(path: Path | None, got: object) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is not a fedtrust node state", got=got, advice="name another folder with --home; nothing was changed"
    )
