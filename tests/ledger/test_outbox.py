"""The outbox by itself: one live intent to a key, one nonce to an intent, whatever crashes or runs beside it."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fedtrust.errors import ConfigurationError, TransactionError
from fedtrust.ledger.outbox import Intent, IntentStatus, Outbox, Scope, SignedTransaction
from fedtrust.ledger.types import Address

SCOPE = Scope("1:genesis", Address("0xC0ffee"), Address("0xA11ce"))


def sign(nonce: int) -> SignedTransaction:
    return SignedTransaction(b"hash %d" % nonce, b"raw %d" % nonce)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def reserve(outbox: Outbox, key: str, next_nonce: int = 0, scope: Scope = SCOPE) -> Intent:
    signed = lambda nonce: SignedTransaction(f"{scope} {key} {nonce}".encode(), b"raw")  # noqa: E731
    return outbox.reserve(scope, key, b"content", next_nonce, signed)


def test_survives_a_restart(path: Path) -> None:
    first = Outbox(path)
    stored = first.reserve(SCOPE, "step", b"content", 5, sign)
    assert stored == Intent(1, "step", b"content", 5, IntentStatus.PENDING, (sign(5),))
    # no close: the process just ends
    second = Outbox(path)
    assert second.find(SCOPE, "step") == stored
    assert second.pending(SCOPE) == (stored,)
    assert second.reserve(SCOPE, "step", b"content", 9, sign) == stored


def test_raised_fee_keeps_the_nonce_and_the_older_transaction(path: Path) -> None:
    outbox = Outbox(path)
    intent = outbox.reserve(SCOPE, "step", b"content", 5, sign)
    raised = outbox.add(intent, SignedTransaction(b"dearer", b"raw"))
    assert raised == replace(intent, transactions=(sign(5), SignedTransaction(b"dearer", b"raw")))
    assert Outbox(path).find(SCOPE, "step") == raised


def test_pending_nonces_are_never_given_twice() -> None:
    outbox = Outbox(":memory:")
    assert [reserve(outbox, key).nonce for key in "abc"] == [0, 1, 2]
    # the node knows of two of them
    assert reserve(outbox, "d", 2).nonce == 3
    # one that was refused leaves its nonce free, so that no gap remains
    found = outbox.find(SCOPE, "b")
    assert found is not None
    outbox.mark(found, IntentStatus.FAILED)
    assert reserve(outbox, "e", 0).nonce == 1
    assert [intent.nonce for intent in outbox.pending(SCOPE)] == [0, 1, 2, 3]


def test_nonces_are_counted_by_account_and_chain_but_not_by_contract() -> None:
    outbox = Outbox(":memory:")
    other_contract = replace(SCOPE, contract=Address("0x0ther"))
    assert reserve(outbox, "a").nonce == 0
    assert reserve(outbox, "a", scope=other_contract).nonce == 1
    assert reserve(outbox, "a", scope=replace(SCOPE, account=Address("0xB0b"))).nonce == 0
    assert reserve(outbox, "a", scope=replace(SCOPE, chain="1:restarted")).nonce == 0
    assert len(outbox.pending(SCOPE)) == 2


@pytest.mark.parametrize("status", [IntentStatus.FAILED, IntentStatus.REPLACED])
def test_key_of_a_dead_intent_is_free(status: IntentStatus) -> None:
    outbox = Outbox(":memory:")
    outbox.mark(outbox.reserve(SCOPE, "step", b"content", 5, sign), status)
    assert outbox.find(SCOPE, "step") is None
    again = outbox.reserve(SCOPE, "step", b"other content", 6, sign)
    assert (again.nonce, again.content) == (6, b"other content")


@pytest.mark.parametrize("status", [IntentStatus.PENDING, IntentStatus.MINED])
def test_live_key_takes_no_other_content(status: IntentStatus) -> None:
    outbox = Outbox(":memory:")
    outbox.mark(outbox.reserve(SCOPE, "step", b"content", 5, sign), status)
    with pytest.raises(TransactionError):
        outbox.reserve(SCOPE, "step", b"other content", 6, sign)
    assert outbox.reserve(SCOPE, "step", b"content", 6, sign).nonce == 5


def test_failure_to_sign_stores_nothing(path: Path) -> None:
    outbox = Outbox(path)

    def broken(nonce: int) -> SignedTransaction:
        raise KeyError(nonce)

    with pytest.raises(KeyError):
        outbox.reserve(SCOPE, "step", b"content", 5, broken)
    assert outbox.find(SCOPE, "step") is None
    assert Outbox(path).reserve(SCOPE, "step", b"content", 5, sign).nonce == 5


def test_many_writers_on_one_file(path: Path) -> None:
    boxes = [Outbox(path) for _ in range(4)]
    nonces: list[int] = []

    def work(place: int) -> None:
        for step in range(10):
            nonces.append(reserve(boxes[place], f"{place} {step}").nonce)
            nonces.append(reserve(boxes[place], f"shared {step}").nonce)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(set(nonces)) == list(range(50))
    assert len(nonces) == 80


def test_file_that_is_no_outbox(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 10)
    with pytest.raises(ConfigurationError):
        Outbox(path)
    with pytest.raises(ConfigurationError):
        Outbox(tmp_path / "missing" / "outbox.sqlite")
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError):
        Outbox(newer)


def test_secrets_are_drawn_once_and_kept(path: Path) -> None:
    first = Outbox(path)
    secret = first.secret(SCOPE, "announcements")
    assert len(secret) == 32
    assert first.secret(SCOPE, "announcements") == secret
    assert Outbox(path).secret(SCOPE, "announcements") == secret
    others = [
        first.secret(SCOPE, "other"),
        first.secret(replace(SCOPE, chain="1:other"), "announcements"),
        first.secret(replace(SCOPE, contract=Address("0xother")), "announcements"),
        first.secret(replace(SCOPE, account=Address("0xB0b")), "announcements"),
        Outbox(":memory:").secret(SCOPE, "announcements"),
    ]
    assert len({secret, *others}) == 6


def test_an_outbox_from_before_there_were_secrets(path: Path) -> None:
    first = Outbox(path)
    reserve(first, "step")
    first.close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE secrets")
    again = Outbox(path)
    assert len(again.secret(SCOPE, "announcements")) == 32
    assert again.find(SCOPE, "step") is not None
