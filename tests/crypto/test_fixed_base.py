from __future__ import annotations

import hashlib
import math
import secrets

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.fixed_base import FixedBaseTable, best_window, table_bytes
from fedtrust.crypto.table_cache import TableCache, table_name
from fedtrust.errors import EncodingError
from tests.fixtures.keys import test_primes

N = math.prod(map(mpz, test_primes(2048)))
BASE = gmpy2.powmod(7, N, N * N)


@pytest.fixture(scope="module")
def table() -> FixedBaseTable:
    return FixedBaseTable.build(BASE, N, 130, 5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 90), st.data())
def test_powers_are_powers(window: int, bits: int, data: st.DataObject) -> None:
    base = mpz(data.draw(st.integers(1, 2**40)) * 2 + 1)
    made = FixedBaseTable.build(base, N, bits, window)
    assert bits <= made.exponent_bits < bits + window
    edges = [0, 1, 2**made.exponent_bits - 1]
    exponents = [mpz(e) for e in (*edges, *data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=3)))]
    assert made.powers(exponents) == [pow(int(base), int(e), int(N * N)) for e in exponents]


def test_exponents_out_of_range_are_refused(table: FixedBaseTable) -> None:
    for bad in (mpz(-1), mpz(1) << table.exponent_bits):
        with pytest.raises(ValueError, match="130 bits"):
            table.powers([mpz(1), bad])


def test_a_base_that_is_no_unit_has_no_table() -> None:
    with pytest.raises(EncodingError, match="not a unit"):
        FixedBaseTable.build(mpz(test_primes(2048)[0]), N, 64, 4)


def test_the_file_round_trips(table: FixedBaseTable) -> None:
    data = table.to_bytes()
    assert FixedBaseTable.from_bytes(data) == table
    assert len(data) == table_bytes(N, 130, 5) + 13 + 3 * 256 + 32


def test_every_damage_is_found(table: FixedBaseTable) -> None:
    data = table.to_bytes()
    for at in (0, 4, 6, 8, 12, 13, 300, 800, len(data) // 2, len(data) - 40, len(data) - 1):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(EncodingError):
            FixedBaseTable.from_bytes(flipped)
    for bad in (b"", data[:12], data[:-1], data + b"\x00", data[:5] + bytes(8) + data[13:]):
        with pytest.raises(EncodingError):
            FixedBaseTable.from_bytes(bad)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_a_modulus_that_is_none_with_a_right_digest_is_found(table: FixedBaseTable, n: int) -> None:
    body = table.to_bytes()[:-32]
    forged = body[:13] + n.to_bytes(256, "big") + body[13 + 256 :]
    with pytest.raises(EncodingError, match="malformed"):
        FixedBaseTable.from_bytes(forged + hashlib.sha256(forged).digest())


def test_a_table_of_other_numbers_with_a_right_digest_is_found(table: FixedBaseTable) -> None:
    """A table of ones would encrypt without randomness: every entry is wrong, so any probe finds it."""
    ones = [[mpz(1)] * 32 for _ in table.residues]
    zeros = [[mpz(0)] * 32 for _ in table.residues]
    forged = FixedBaseTable(N, BASE, 5, tuple(ones), tuple(zeros))
    with pytest.raises(EncodingError, match="this base's powers"):
        FixedBaseTable.from_bytes(forged.to_bytes())


def test_the_window_grows_with_the_work_and_stays_under_the_limit() -> None:
    chosen = [best_window(N, 1024, count, 1 << 30) for count in (1, 10, 100, 1000, 10_000, 100_000)]
    assert chosen == sorted(chosen)
    assert chosen[0] == 0 < chosen[1] < chosen[-1]
    for limit in (0, 1 << 16, 1 << 20, 1 << 24):
        window = best_window(N, 1024, 10_000, limit)
        assert window == 0 or table_bytes(N, 1024, window) <= limit
    assert best_window(N, 1024, 10_000, 0) == 0


class Store:
    """A store in memory that counts."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.loads = 0

    def load(self, name: str) -> bytes | None:
        self.loads += 1
        return self.kept.get(name)

    def save(self, name: str, data: bytes) -> None:
        self.kept[name] = data


def test_a_table_outlives_its_cache() -> None:
    store = Store()
    made = TableCache(1 << 20, store).table(BASE, N, 128, 40)
    assert made is not None
    assert store.kept == {table_name(BASE, N): made.to_bytes()}
    again = TableCache(1 << 20, store)
    assert again.table(BASE, N, 128, 40) == made
    assert store.loads == 2
    assert again.table(BASE, N, 128, 40) is again.table(BASE, N, 128, 40)


@pytest.mark.parametrize("damage", ["cut", "another base"])
def test_a_damaged_table_is_built_again_and_overwritten(damage: str, table: FixedBaseTable) -> None:
    store = Store()
    good = TableCache(1 << 20, store).table(BASE, N, 128, 40)
    name = table_name(BASE, N)
    other = FixedBaseTable.build(mpz(3), N, 128, 5).to_bytes()
    store.kept[name] = store.kept[name][:-1] if damage == "cut" else other
    assert TableCache(1 << 20, store).table(BASE, N, 128, 40) == good
    assert FixedBaseTable.from_bytes(store.kept[name]) == good


def test_a_longer_exponent_gets_no_shorter_table() -> None:
    cache = TableCache(1 << 20)
    short = cache.table(BASE, N, 128, 40)
    assert short is not None
    assert cache.table(BASE, N, 700, 1) is None  # one mask: a plain power costs less than a table
    assert cache.table(BASE, N, 128, 1) is short
    longer = cache.table(BASE, N, 700, 400)
    assert longer is not None
    assert longer.exponent_bits >= 700


def test_without_room_there_is_no_table() -> None:
    assert TableCache(0).table(BASE, N, 128, 1000) is None


def test_a_table_says_nothing_of_secrets_in_its_repr(table: FixedBaseTable) -> None:
    assert str(table.residues[1][3]) not in repr(table)
    exponent = mpz(secrets.randbits(130))
    table.powers([exponent])
    assert str(exponent) not in repr(table)
