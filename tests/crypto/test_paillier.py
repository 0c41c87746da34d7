from __future__ import annotations

import math
import secrets
import subprocess
import sys
import warnings

import phe
import pytest
from eth_hash.auto import keccak
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import from_hex
from fedtrust.crypto.paillier import CiphertextVector, InsecureKeyWarning, PublicKey, _encrypt, encrypt_vector
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.threshold import combine, partial_roots
from fedtrust.errors import CiphertextError, ConfigurationError, UpdateError
from tests.crypto import textbook
from tests.crypto.crypto_fixtures import COUNT, Committee, Round, load_vectors


def test_vectors(key: PublicKey) -> None:
    vector = load_vectors("paillier")
    assert (hex(key.n), hex(key.h)) == (vector["n"], vector["h"])
    plaintexts, exponents, ciphertexts = (
        [mpz(int(x, 16)) for x in vector[name]] for name in ("plaintexts", "exponents", "ciphertexts")
    )
    made = _encrypt(key, plaintexts, exponents)
    assert list(made.values) == ciphertexts
    assert made.root() == from_hex(vector["root"], 32, "root")


def test_the_generator_is_minus_a_square_hashed_from_n(key: PublicKey, primes: tuple[int, int]) -> None:
    assert key.h == textbook.generator(int(key.n))
    assert key.h_s == pow(int(key.h), int(key.n), int(key.n_squared))
    assert key.h not in (1, key.n - 1)
    for p in primes:  # p = q = 3 mod 4, so minus a square is no square: h has Jacobi symbol 1 and is of high order
        assert pow(int(key.h), (p - 1) // 2, p) == p - 1


def test_the_modulus_hash_is_over_twice_the_bytes_of_n(key: PublicKey, toy: PublicKey) -> None:
    for each in (key, toy):
        square = int(each.n) ** 2
        assert each.modulus_hash == keccak(square.to_bytes(2 * (int(each.n).bit_length() // 8), "big"))
    assert PublicKey(key.n).modulus_hash == key.modulus_hash != toy.modulus_hash


def test_phe_decrypts_our_sums(key: PublicKey, primes: tuple[int, int], round_: Round) -> None:
    theirs = phe.PaillierPrivateKey(phe.PaillierPublicKey(int(key.n)), *primes)
    for j in range(COUNT):
        expected = sum(vector[j] for vector in round_.plaintexts) % int(key.n)
        assert theirs.raw_decrypt(int(round_.aggregate.values[j])) == expected
        assert textbook.decrypt(*primes, int(round_.aggregate.values[j])) == expected


def test_the_committee_opens_sums_of_phe_ciphertexts(key: PublicKey, committee: Committee) -> None:
    theirs = phe.PaillierPublicKey(int(key.n))
    plaintexts = [[secrets.randbelow(int(key.n)) for _ in range(3)] for _ in range(2)]
    vectors = [CiphertextVector(key, tuple(mpz(theirs.raw_encrypt(m)) for m in row)) for row in plaintexts]
    ours = encrypt_vector(key, [1, 2, 3]).ciphertexts
    total = multiply_vectors(key, [*vectors, ours])
    partials = {i: partial_roots(committee.manifest, committee.shares[i], total) for i in (1, 2, 3)}
    opened = combine(committee.manifest, total, partials).plaintexts
    assert list(opened) == [(a + b + c) % int(key.n) for a, b, c in zip(*plaintexts, (1, 2, 3), strict=True)]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_products_decrypt_to_sums_modulo_n(toy: PublicKey, toy_primes: tuple[int, int], data: st.DataObject) -> None:
    n = int(toy.n)
    plaintext = st.one_of(st.sampled_from([0, 1, n - 1, n // 2]), st.integers(0, n - 1))
    rows = data.draw(st.lists(st.lists(plaintext, min_size=3, max_size=3), min_size=1, max_size=4))
    product = multiply_vectors(toy, (encrypt_vector(toy, row).ciphertexts for row in rows))
    sums = [sum(column) % n for column in zip(*rows, strict=True)]
    assert [textbook.decrypt(*toy_primes, int(c)) for c in product.values] == sums


def test_the_order_of_the_vectors_does_not_matter(round_: Round, key: PublicKey) -> None:
    vectors = [e.ciphertexts for e in round_.encrypted]
    assert multiply_vectors(key, reversed(vectors)).to_bytes() == round_.aggregate.to_bytes()


def test_encryption_is_randomised(key: PublicKey) -> None:
    first, second = encrypt_vector(key, [5, 5]), encrypt_vector(key, [5, 5])
    assert len({*first.ciphertexts.values, *second.ciphertexts.values}) == 4
    assert first.exponent_bits == 1024
    assert max(e.bit_length() for e in first.exponents + second.exponents) > 1000


def test_short_exponents_are_an_option(toy: PublicKey, key: PublicKey, primes: tuple[int, int]) -> None:
    short = encrypt_vector(key, [7], exponent_bits=512)
    assert short.exponents[0].bit_length() <= 512
    assert textbook.decrypt(*primes, int(short.ciphertexts.values[0])) == 7
    for bits in (0, 255, 1025):
        with pytest.raises(ConfigurationError):
            encrypt_vector(key, [7], exponent_bits=bits)


@pytest.mark.parametrize("offset", [-1, "n", "n+1"])
def test_plaintexts_out_of_range_are_refused(key: PublicKey, offset: int | str) -> None:
    bad = {-1: -1, "n": key.n, "n+1": key.n + 1}[offset]
    with pytest.raises(UpdateError, match="plaintext 1"):
        encrypt_vector(key, [0, bad])


def test_key_sizes(primes: tuple[int, int], toy_primes: tuple[int, int]) -> None:
    n = primes[0] * primes[1]
    with pytest.warns(InsecureKeyWarning, match="2048 bits"):
        key = PublicKey(mpz(n))
    assert (key.bits, key.ciphertext_bytes, key.plaintext_bytes) == (2048, 512, 256)
    for bad in (toy_primes[0] * toy_primes[1], n + 1, n >> 1 | 1, 2**8192 + 1, -n):
        with pytest.raises(ConfigurationError):
            PublicKey(mpz(bad))
    with pytest.raises(ConfigurationError):
        PublicKey.insecure_toy(2**128 + 1)


def test_a_3072_bit_key_does_not_warn() -> None:
    from tests.fixtures.keys import test_primes

    p, q = test_primes(3072)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InsecureKeyWarning)
        key = PublicKey(mpz(p * q))
    assert (key.ciphertext_bytes, key.plaintext_bytes) == (768, 384)


def test_ciphertext_file_round_trips(round_: Round, key: PublicKey) -> None:
    data = round_.aggregate.to_bytes()
    assert data[:4] == b"FTCV"
    assert len(data) == 13 + COUNT * 512
    assert CiphertextVector.from_bytes(data, key) == round_.aggregate
    assert CiphertextVector.from_bytes(data, key, COUNT).root() == round_.aggregate.root()


def test_damaged_ciphertext_files_are_refused(round_: Round, key: PublicKey) -> None:
    data = round_.aggregate.to_bytes()
    head = data[:13]
    damaged = [
        b"",
        data[:3],
        data[:12],
        head,
        data[:-1],
        data[: -key.ciphertext_bytes],
        data + b"\x00",
        data + data[-512:],
        b"FTPV" + data[4:],
        data[:4] + b"\x02" + data[5:],
        data[:5] + (COUNT + 1).to_bytes(4, "big") + data[9:],
        data[:5] + bytes(4) + data[9:],
        data[:5] + bytes(4) + data[9:13],
        data[:5] + b"\xff" * 4 + data[9:],
        data[:9] + (511).to_bytes(4, "big") + data[13:],
    ]
    for bad in damaged:
        with pytest.raises(CiphertextError):
            CiphertextVector.from_bytes(bad, key)
    with pytest.raises(CiphertextError, match="number of values"):
        CiphertextVector.from_bytes(data, key, COUNT + 1)


def test_bad_ciphertexts_are_named_by_index(round_: Round, key: PublicKey, primes: tuple[int, int]) -> None:
    good = list(round_.aggregate.values)
    for bad in (
        mpz(0),
        key.n_squared,
        key.n_squared + 1,
        key.n,
        3 * key.n,
        mpz(primes[0]),
        mpz(primes[1] ** 2),
        mpz(-1),
    ):
        with pytest.raises(CiphertextError, match="ciphertext 2"):
            CiphertextVector(key, (*good[:2], bad, *good[3:]))
    at = 13 + 2 * 512
    file = round_.aggregate.to_bytes()
    for value in (0, primes[0], int(key.n_squared)):
        with pytest.raises(CiphertextError, match="ciphertext 2"):
            CiphertextVector.from_bytes(file[:at] + value.to_bytes(512, "big") + file[at + 512 :], key)
    with pytest.raises(CiphertextError, match="empty"):
        CiphertextVector(key, ())


def test_multiplying_needs_vectors_that_belong_together(round_: Round, key: PublicKey, toy: PublicKey) -> None:
    one = round_.encrypted[0].ciphertexts
    with pytest.raises(CiphertextError, match="nothing"):
        multiply_vectors(key, [])
    with pytest.raises(CiphertextError, match="vector 1 has another length"):
        multiply_vectors(key, [one, CiphertextVector(key, one.values[:2])])
    with pytest.raises(CiphertextError, match="vector 1 is under another key"):
        multiply_vectors(key, [one, encrypt_vector(toy, [1] * COUNT).ciphertexts])


def test_secrets_are_not_in_the_repr(round_: Round) -> None:
    encrypted = round_.encrypted[0]
    shown = repr(encrypted)
    assert "exponents" not in shown
    assert all(str(e) not in shown for e in encrypted.exponents)


def test_roots_bind_value_place_and_number(round_: Round, key: PublicKey) -> None:
    values = round_.aggregate.values
    others = [
        CiphertextVector(key, tuple(reversed(values))),
        CiphertextVector(key, values[:-1]),
        CiphertextVector(key, (*values[:-1], values[-1] * values[0] % key.n_squared)),
    ]
    assert len({v.root() for v in (round_.aggregate, *others)}) == 4


def test_plaintext_file_round_trips_and_is_strict(round_: Round, key: PublicKey) -> None:
    vector = PlaintextVector(key, round_.opening.plaintexts)
    data = vector.to_bytes()
    assert data[:4] == b"FTMV"
    assert len(vector) == COUNT
    assert PlaintextVector.from_bytes(data, key, COUNT) == vector
    for bad in (data[:-1], data + b"\x00", b"FTCV" + data[4:], data[:13]):
        with pytest.raises(CiphertextError):
            PlaintextVector.from_bytes(bad, key)
    with pytest.raises(CiphertextError, match="plaintext 4"):
        PlaintextVector.from_bytes(data[:-256] + int(key.n).to_bytes(256, "big"), key)
    with pytest.raises(CiphertextError):
        PlaintextVector(key, ())
    with pytest.raises(CiphertextError, match="plaintext 0"):
        PlaintextVector(key, (-1,))


def test_the_generator_has_high_order(toy: PublicKey, toy_primes: tuple[int, int]) -> None:
    """A small-order h would make encryption deterministic: its order must be a multiple of p' or q'."""
    halves = [(p - 1) // 2 for p in toy_primes]
    order = 2 * math.prod(halves)
    assert pow(int(toy.h), order, int(toy.n)) == 1
    for half in halves:
        assert pow(int(toy.h), order // half, int(toy.n)) != 1


def test_crypto_imports_neither_torch_nor_web3() -> None:
    """The room is pure: a fresh interpreter that imports all of it has loaded nothing heavy and no network client."""
    code = (
        "import importlib, pkgutil, sys, fedtrust.crypto as c\n"
        "for m in pkgutil.iter_modules(c.__path__): importlib.import_module('fedtrust.crypto.' + m.name)\n"
        "ours = [m for m in sys.modules if m.startswith('fedtrust.')]\n"
        "above = [m for m in ours if m.split('.')[1] not in ('crypto', 'errors')]\n"
        "print(above, [m for m in ('torch', 'web3', 'phe', 'requests', 'httpx', 'aiohttp') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
