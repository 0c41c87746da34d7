from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.crypto.aggregation import Aggregation, multiply_vectors
from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.errors import CiphertextError, EncodingError
from tests.crypto.crypto_fixtures import COUNT, Round


def parts(round_: Round) -> list[tuple[bytes, CiphertextVector]]:
    return [(e.ciphertexts.root(), e.ciphertexts) for e in round_.encrypted]


def test_one_by_one_is_all_at_once_in_any_order(key: PublicKey, round_: Round) -> None:
    for order in itertools.permutations(parts(round_)):
        aggregation = Aggregation(key)
        for name, vector in order:
            aggregation = aggregation.add(name, vector)
        assert aggregation.product() == round_.aggregate
        assert aggregation.names == tuple(name for name, _ in order)


@pytest.mark.parametrize("stop", [0, 1, 2, 3])
def test_an_interrupted_product_goes_on(key: PublicKey, round_: Round, stop: int) -> None:
    aggregation = Aggregation(key)
    for name, vector in parts(round_)[:stop]:
        aggregation = aggregation.add(name, vector)
    again = Aggregation.from_bytes(aggregation.to_bytes(), key)
    assert again == aggregation
    for name, vector in parts(round_):
        if name not in again.names:
            again = again.add(name, vector)
    assert again.product() == round_.aggregate


def test_nothing_is_added_twice_or_of_another_kind(key: PublicKey, toy: PublicKey, round_: Round) -> None:
    (name, vector), (other, _), _ = parts(round_)
    aggregation = Aggregation(key).add(name, vector)
    with pytest.raises(CiphertextError, match="in the product already"):
        aggregation.add(name, vector)
    with pytest.raises(CiphertextError, match="another length"):
        aggregation.add(other, CiphertextVector(key, vector.values[:2]))
    with pytest.raises(CiphertextError, match="another key"):
        aggregation.add(other, encrypt_vector(toy, [1] * COUNT).ciphertexts)
    with pytest.raises(EncodingError, match="32-byte hash"):
        aggregation.add(b"short", vector)
    with pytest.raises(CiphertextError, match="nothing to multiply"):
        Aggregation(key).product()
    with pytest.raises(CiphertextError, match="nothing to multiply"):
        multiply_vectors(key, [])


def test_damaged_files_are_refused(key: PublicKey, toy: PublicKey, round_: Round) -> None:
    (name, vector), *_ = parts(round_)
    data = Aggregation(key).add(name, vector).to_bytes()
    doubled = data[:5] + (2).to_bytes(4, "big") + name + data[9:-32]
    extra = Aggregation(key).to_bytes()[:-32] + vector.to_bytes()
    huge = data[:5] + b"\xff" * 4 + data[9:-32]
    for body in (doubled, extra, huge, data[:9], data[:41], b""):
        with pytest.raises(CiphertextError):
            Aggregation.from_bytes(body + sha256(body), key)
    for bad in (b"", data[:-1], data + b"\x00", b"FTCV" + data[4:], data[:50] + bytes([data[50] ^ 1]) + data[51:]):
        with pytest.raises(CiphertextError):
            Aggregation.from_bytes(bad, key)
    with pytest.raises(CiphertextError, match="another size"):
        Aggregation.from_bytes(data, toy)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.integers(0, 2**60), min_size=n, max_size=n), min_size=1))
)
def test_products_encrypt_sums(toy: PublicKey, toy_primes: tuple[int, int], rows: list[list[int]]) -> None:
    from tests.crypto import textbook

    aggregation = Aggregation(toy)
    for index, row in enumerate(rows):
        aggregation = aggregation.add(index.to_bytes(32, "big"), encrypt_vector(toy, row).ciphertexts)
    expected = [sum(column) % int(toy.n) for column in zip(*rows, strict=True)]
    assert [textbook.decrypt(*toy_primes, int(c)) for c in aggregation.product().values] == expected
