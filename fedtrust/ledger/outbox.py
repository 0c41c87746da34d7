"""The outbox: signed transactions on disk before they are sent, so that a crash never sends a step twice.

An *intent* is one step of one account on one contract ("commit_update:3"), with one nonce. It has one signed
transaction, and one more each time its fee was raised; they share the nonce, so at most one of them can be mined.
What is stored is signed and public by nature: there is no key in this file. The secrets beside it hide what a dispute
is about between its announcement and its beginning; who reads one could at most announce the same.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from fedtrust.errors import ConfigurationError, LedgerError
from fedtrust.ledger.refusals import conflicting
from fedtrust.ledger.types import Address

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    contract TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    content BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'mined', 'failed', 'replaced'))
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_live_intent ON intents (chain, contract, account, key)
    WHERE status IN ('pending', 'mined');
CREATE UNIQUE INDEX IF NOT EXISTS one_pending_nonce ON intents (chain, account, nonce) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS transactions (
    hash BLOB PRIMARY KEY,
    intent INTEGER NOT NULL REFERENCES intents (id),
    raw BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS transactions_of_intent ON transactions (intent);
CREATE TABLE IF NOT EXISTS secrets (
    chain TEXT NOT NULL,
    contract TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (chain, contract, account, key)
) STRICT;
"""
_SCHEMA_VERSION: Final = 1
_BUSY_SECONDS: Final = 30.0


class IntentStatus(StrEnum):
    """What became of an intent; FAILED and REPLACED ones leave their key free for another try."""

    PENDING = "pending"  # stored, perhaps sent, not known to be mined
    MINED = "mined"  # confirmed with success
    FAILED = "failed"  # mined and reverted, or refused by the node
    REPLACED = "replaced"  # its nonce was used by another transaction


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose steps: an account on a contract on a chain. ``chain`` also tells a restarted devnet from the old one."""

    chain: str
    contract: Address
    account: Address


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed transaction as it goes to the node."""

    hash: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Intent:
    """One step and its transactions, oldest first. ``content`` is the digest of what the step asks."""

    id: int
    key: str
    content: bytes
    nonce: int
    status: IntentStatus
    transactions: tuple[SignedTransaction, ...]


class Outbox:
    """Intents in SQLite, in a file or (``":memory:"``) for the life of the process. Safe between threads and processes.

    Raises ConfigurationError for a file that is no outbox.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create the outbox at ``path``."""
        self._lock: Final = threading.RLock()
        try:
            self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            # a step must not be forgotten once it was sent, not even by a power cut
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise self._unusable(path, f"schema version {version}")
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        except (sqlite3.Error, UnicodeDecodeError) as error:  # names in a damaged schema need not be UTF-8
            raise self._unusable(path, str(error)) from error

    def close(self) -> None:
        """Close the database; the outbox cannot be used afterwards."""
        with self._lock:
            self._database.close()

    def find(self, scope: Scope, key: str) -> Intent | None:
        """Return the pending or mined intent under ``key``, or None. Raises LedgerError for a damaged file."""
        with self._reading():
            row = self._database.execute(
                "SELECT id, key, content, nonce, status FROM intents WHERE chain = ? AND contract = ? AND account = ?"
                " AND key = ? AND status IN ('pending', 'mined')",
                (scope.chain, scope.contract, scope.account, key),
            ).fetchone()
            return None if row is None else self._intent(row)

    def reserve(
        self,
        scope: Scope,
        key: str,
        content: bytes,
        next_nonce: int,
        sign: Callable[[int], SignedTransaction],
    ) -> Intent:
        """Store a new pending intent and return it, or return the live one that is already there.

        ``next_nonce`` is the chain's; the intent gets the first nonce from there on that no pending intent of the
        account holds. ``sign`` makes the transaction for that nonce while the outbox is locked. Raises
        TransactionError if the live intent has another ``content``.
        """
        with self._writing() as database:
            there = self.find(scope, key)
            if there is not None:
                if there.content != content:
                    raise conflicting(key, there.content, content)
                return there
            taken = {
                row[0]
                for row in database.execute(
                    "SELECT nonce FROM intents WHERE chain = ? AND account = ? AND status = 'pending'",
                    (scope.chain, scope.account),
                )
            }
            nonce = next_nonce
            while nonce in taken:
                nonce += 1
            transaction = sign(nonce)
            cursor = database.execute(
                "INSERT INTO intents (chain, contract, account, key, content, nonce, status)"
                " VALUES (?, ?, ?, ?, ?, ?, 'pending')",
                (scope.chain, scope.contract, scope.account, key, content, nonce),
            )
            identifier = cursor.lastrowid or 0
            database.execute(
                "INSERT INTO transactions (hash, intent, raw) VALUES (?, ?, ?)",
                (transaction.hash, identifier, transaction.raw),
            )
            return Intent(identifier, key, content, nonce, IntentStatus.PENDING, (transaction,))

    def add(self, intent: Intent, transaction: SignedTransaction) -> Intent:
        """Store one more transaction of the same nonce (a raised fee) and return the intent with it."""
        with self._writing() as database:
            database.execute(
                "INSERT OR IGNORE INTO transactions (hash, intent, raw) VALUES (?, ?, ?)",
                (transaction.hash, intent.id, transaction.raw),
            )
            return replace(intent, transactions=self._transactions(intent.id))

    def mark(self, intent: Intent, status: IntentStatus) -> None:
        """Write down what became of ``intent``."""
        with self._writing() as database:
            database.execute("UPDATE intents SET status = ? WHERE id = ?", (status.value, intent.id))

    def secret(self, scope: Scope, key: str) -> bytes:
        """Return the 32 random bytes under ``key``, drawn when first asked for. Raises LedgerError."""
        with self._writing() as database:
            place = (scope.chain, scope.contract, scope.account, key)
            database.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?, ?, ?, ?)", (*place, secrets.token_bytes(32)))
            row = database.execute(
                "SELECT value FROM secrets WHERE chain = ? AND contract = ? AND account = ? AND key = ?", place
            ).fetchone()
            return bytes(row[0])

    def pending(self, scope: Scope) -> tuple[Intent, ...]:
        """Return all pending intents of the account on the chain, on any contract, by nonce. Raises LedgerError."""
        with self._reading():
            rows = self._database.execute(
                "SELECT id, key, content, nonce, status FROM intents"
                " WHERE chain = ? AND account = ? AND status = 'pending' ORDER BY nonce",
                (scope.chain, scope.account),
            ).fetchall()
            return tuple(self._intent(row) for row in rows)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the lock of this process; what a damaged file gives becomes LedgerError."""
        with self._lock:
            try:
                yield
            except (sqlite3.Error, ValueError) as error:
                raise LedgerError(
                    "the outbox cannot be read, so nothing was sent",
                    got=error,
                    advice="restore the file from a copy; without it a transaction in flight could be sent twice",
                ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the one write lock of the file, commit at the end, undo on an exception."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise LedgerError(
                    "the outbox cannot be written, so nothing was sent",
                    got=error,
                    advice="check the disk and the file's permissions",
                ) from error

    def _intent(self, row: tuple[int, str, bytes, int, str]) -> Intent:
        identifier, key, content, nonce, status = row
        return Intent(identifier, key, content, nonce, IntentStatus(status), self._transactions(identifier))

    def _transactions(self, identifier: int) -> tuple[SignedTransaction, ...]:
        rows = self._database.execute(
            "SELECT hash, raw FROM transactions WHERE intent = ? ORDER BY rowid", (identifier,)
        )
        return tuple(SignedTransaction(digest, raw) for digest, raw in rows)

    @staticmethod
    def _unusable(path: Path | str, got: str) -> ConfigurationError:
        return ConfigurationError(
            f"{path} cannot be used as an outbox",
            expected="an outbox of this release of fedtrust, or a path where one can be made",
            got=got,
            advice="give another path; never delete an outbox while its transactions are in flight",
        )
