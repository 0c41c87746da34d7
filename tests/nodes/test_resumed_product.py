"""The aggregator's product of the updates: one in memory at a time, and taken up again where a crash left it."""

from __future__ import annotations

import pytest

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.paillier import PublicKey
from fedtrust.nodes import product
from fedtrust.nodes.admission import UPDATE
from fedtrust.nodes.product import multiply_updates
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.store.artifacts import MemoryStore
from tests.nodes.harness import Disk
from tests.nodes.misbehaving import Misbehaving


class Flaky(MemoryStore):
    """A store that fails at the n-th read of an update, and counts the reads."""

    def __init__(self, inner: MemoryStore, updates: set[bytes], fail_at: int | None) -> None:
        super().__init__()
        self._items, self._updates, self._fail_at = inner._items, updates, fail_at
        self.reads = 0

    def get(self, digest: bytes) -> bytes:
        if digest in self._updates:
            self.reads += 1
            if self.reads == self._fail_at:
                raise OSError("the disk is gone")
        return super().get(digest)


@pytest.fixture(scope="module")
def admitted() -> tuple[PublicKey, Disk, list[bytes], int]:
    """The aggregator's disk when four updates have been admitted and nothing is committed yet."""
    federation = Misbehaving(rounds=1)
    disk = federation.disk("aggregator")
    federation.until(lambda: len(disk.state.all(UPDATE, 1)) == 4)
    digests = list(disk.state.all(UPDATE, 1).values())
    return federation.manifest.public_key, disk, digests, federation.chain.round(1).ciphertexts


def test_small_products_are_never_kept(admitted: tuple[PublicKey, Disk, list[bytes], int]) -> None:
    key, disk, digests, count = admitted
    before = set(disk.store._items)
    multiply_updates(disk.store, disk.state, 99, digests, key, count)
    assert set(disk.store._items) == before
    assert disk.state.all(product.UNFINISHED, 99) == {}


def test_a_lost_or_damaged_unfinished_product_costs_time_only(
    admitted: tuple[PublicKey, Disk, list[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, disk, digests, count = admitted
    monkeypatch.setattr(product, "CHECKPOINT_CIPHERTEXTS", 1)
    expected = multiply_updates(disk.store, disk.state, 150, digests, key, count)
    kept = disk.state.all(product.UNFINISHED, 150)
    assert set(kept) == {"1", "2", "3"}
    store = MemoryStore()
    store._items = {d: data for d, data in disk.store._items.items() if d != kept["3"]} | {kept["2"]: b"damaged"}
    again = Flaky(store, set(digests), None)
    assert multiply_updates(again, disk.state, 150, digests, key, count) == expected
    assert again.reads == 3  # from the product of one


@pytest.mark.parametrize("crash", [None, 1, 2, 3, 4])
def test_an_interrupted_product_reads_only_what_is_missing(
    admitted: tuple[PublicKey, Disk, list[bytes], int], monkeypatch: pytest.MonkeyPatch, crash: int | None
) -> None:
    key, disk, digests, count = admitted
    round = 100 + (crash or 0)
    vectors = [EncryptedUpdate.from_bytes(disk.store.get(d), key, expected_count=count).ciphertexts for d in digests]
    monkeypatch.setattr(product, "CHECKPOINT_CIPHERTEXTS", 1)
    if crash is not None:
        with pytest.raises(OSError, match="the disk is gone"):
            multiply_updates(Flaky(disk.store, set(digests), crash), disk.state, round, digests, key, count)
    again = Flaky(disk.store, set(digests), None)
    assert multiply_updates(again, disk.state, round, digests, key, count) == multiply_vectors(key, vectors)
    assert again.reads == len(digests) - ((crash or 1) - 1)
