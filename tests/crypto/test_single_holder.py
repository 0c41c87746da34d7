"""The single holder: decrypts by Chinese remainders what everybody encrypts, proves it, and hides its primes."""

from __future__ import annotations

import secrets
import traceback

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.decryption_proof import prove_decryption, verify_decryption
from fedtrust.crypto.key_file import MINIMUM_SCRYPT_COST, KeyFileHeader, seal_with_passphrase
from fedtrust.crypto.packing import SlotLayout, pack, unpack
from fedtrust.crypto.paillier import CiphertextVector, InsecureKeyWarning, encrypt_vector
from fedtrust.crypto.primes import is_safe_prime
from fedtrust.crypto.single_holder import PURPOSE, SingleHolderKey, decrypt_vector, nth_roots
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import Opening
from fedtrust.errors import CiphertextError, ConfigurationError, KeyFileError, PassphraseError, ProofError
from tests.crypto.crypto_fixtures import CONTRACT, load_vectors
from tests.fixtures.keys import test_primes

PASSPHRASE = "correct horse battery staple"
CHEAP = MINIMUM_SCRYPT_COST


@pytest.fixture(scope="module")
def holder() -> SingleHolderKey:
    return SingleHolderKey(*map(mpz, test_primes(2048)))


@pytest.fixture(scope="module")
def stored(holder: SingleHolderKey) -> bytes:
    return holder.to_bytes(PASSPHRASE, cost=CHEAP)


def spread(key: SingleHolderKey) -> list[int]:
    """Return plaintexts at the edges of every range, and some in the middle."""
    n, p, q = (int(v) for v in (key.public_key.n, key.p, key.q))
    edges = [0, 1, 2, n - 1, n - 2, n // 2, p, q, p - 1, q + 1, n - p, 1 << 1024]
    return edges + [secrets.randbelow(n) for _ in range(4)]


# decryption


def test_what_was_encrypted_is_what_is_decrypted(holder: SingleHolderKey) -> None:
    plaintexts = spread(holder)
    assert decrypt_vector(holder, encrypt_vector(holder.public_key, plaintexts).ciphertexts) == tuple(plaintexts)


def test_ciphertexts_that_were_made_by_the_textbook_formula(holder: SingleHolderKey) -> None:
    """Python integers only: c = (1 + n)^M r^n mod n^2 with any unit r, not just powers of our h."""
    n = int(holder.public_key.n)
    plaintexts = spread(holder)
    values = [pow(1 + n, m, n * n) * pow(secrets.randbelow(n - 1) + 1, n, n * n) % (n * n) for m in plaintexts]
    vector = CiphertextVector(holder.public_key, tuple(map(mpz, values)))
    assert decrypt_vector(holder, vector) == tuple(plaintexts)
    # and decrypted by Paillier's own formula, with the order of the group
    order = (int(holder.p) - 1) * (int(holder.q) - 1)
    for value, plaintext in zip(values[:3], plaintexts, strict=False):
        assert (pow(value, order, n * n) - 1) // n * pow(order, -1, n) % n == plaintext


def test_at_the_size_for_real_data() -> None:
    holder = SingleHolderKey(*map(mpz, test_primes(3072)))
    plaintexts = spread(holder)
    vector = encrypt_vector(holder.public_key, plaintexts).ciphertexts
    assert decrypt_vector(holder, vector) == tuple(plaintexts)
    assert all(
        gmpy2.powmod(root, holder.public_key.n, holder.public_key.n) == c % holder.public_key.n
        for root, c in zip(nth_roots(holder, vector), vector.values, strict=True)
    )


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_sums_of_packed_updates_come_out_exactly(holder: SingleHolderKey, data: st.DataObject) -> None:
    layout = SlotLayout(
        value_bits=data.draw(st.integers(2, 20)),
        weight_bits=data.draw(st.integers(0, 10)),
        max_participants=data.draw(st.integers(1, 64)),
    )
    participants = data.draw(st.integers(1, min(3, layout.max_participants)))
    count = data.draw(st.integers(1, 200))
    key, bound = holder.public_key, layout.max_slot
    edges = np.array([bound, -bound, 0, 1, -1], dtype=np.int64)
    seed = np.frombuffer(data.draw(st.binary(min_size=count, max_size=count)), dtype=np.uint8)
    updates = [np.resize(np.roll(edges, i), count) * (seed % 2) for i in range(participants)]
    vectors = [encrypt_vector(key, pack(layout, key.bits, key.n, u)).ciphertexts for u in updates]
    total = decrypt_vector(holder, multiply_vectors(key, vectors))
    assert (unpack(layout, key.bits, key.n, total, count, participants) == sum(updates)).all()


def test_a_known_ciphertext(holder: SingleHolderKey) -> None:
    """The stored vectors were made by an independent path (tests/vectors/generate.py)."""
    vectors = load_vectors("paillier")
    n = int(vectors["n"], 16)
    assert n == holder.public_key.n, "the vectors are not under the test key any more"
    vector = CiphertextVector(holder.public_key, tuple(mpz(c, 16) for c in vectors["ciphertexts"]))
    assert decrypt_vector(holder, vector) == tuple(int(m, 16) for m in vectors["plaintexts"])


def test_another_keys_ciphertexts_are_refused(holder: SingleHolderKey) -> None:
    other = SingleHolderKey(*map(mpz, test_primes(3072)))
    vector = CiphertextVector(other.public_key, (mpz(2),))
    for function in (decrypt_vector, nth_roots):
        with pytest.raises(CiphertextError, match="another key"):
            function(holder, vector)


# roots and the public proof


def test_roots_are_the_nth_roots(holder: SingleHolderKey) -> None:
    n = holder.public_key.n
    vector = encrypt_vector(holder.public_key, spread(holder)).ciphertexts
    roots = nth_roots(holder, vector)
    assert [gmpy2.powmod(y, n, n) for y in roots] == [c % n for c in vector.values]
    assert all(0 < y < n for y in roots)


def test_its_decryption_is_publicly_verifiable(holder: SingleHolderKey) -> None:
    key, plaintexts = holder.public_key, spread(holder)
    vector = encrypt_vector(key, plaintexts).ciphertexts
    opened = decrypt_vector(holder, vector)
    statement = DecryptionStatement(31337, CONTRACT, 1, bytes(32), vector.root())
    proof = prove_decryption(key, vector, Opening(opened, nth_roots(holder, vector)), statement)
    verify_decryption(key, vector, plaintexts, statement, proof)
    for index in (0, len(plaintexts) - 1):
        lie = [*plaintexts]
        lie[index] = (lie[index] + 1) % int(key.n)
        with pytest.raises(ProofError):
            verify_decryption(key, vector, lie, statement, proof)


class _FaultyCore:
    """A processor that gets one power modulo ``prime`` wrong: the real arithmetic with one bit flipped."""

    def __init__(self, real: object, prime: mpz) -> None:
        self._real, self._prime = real, prime

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def same_exponent_powers(self, bases: list[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        right: list[mpz] = self._real.same_exponent_powers(bases, exponent, modulus)  # type: ignore[attr-defined]
        return [right[0] ^ 4, *right[1:]] if modulus == self._prime else right


def test_a_faulty_processor_does_not_give_the_factors_away(
    holder: SingleHolderKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedtrust.crypto import single_holder

    n = holder.public_key.n
    vector = encrypt_vector(holder.public_key, [1, 2, 3]).ciphertexts
    monkeypatch.setattr(single_holder, "ARITHMETIC", _FaultyCore(single_holder.ARITHMETIC, holder.q))
    with pytest.raises(ArithmeticError, match="computes wrongly"):
        nth_roots(holder, vector)
    # what would have leaked without the check: one gcd and n is factored
    faulty = single_holder.ARITHMETIC.same_exponent_powers
    modulo = [faulty([v % p for v in vector.values], gmpy2.invert(n, p - 1), p) for p in (holder.p, holder.q)]
    root = single_holder._join(holder, *modulo)[0]
    assert gmpy2.gcd(gmpy2.powmod(root, n, n) - vector.values[0], n) == holder.p


# the key


def test_a_new_key_is_of_the_asked_size_and_works() -> None:
    with pytest.warns(InsecureKeyWarning):
        key = SingleHolderKey.generate(2048)
    assert key.public_key.bits == 2048
    assert key.p < key.q
    assert is_safe_prime(key.p)
    assert is_safe_prime(key.q)
    assert gmpy2.gcd(key.p - 1, key.q - 1) == 2
    assert key.p % 4 == key.q % 4 == 3
    assert gmpy2.gcd(key.public_key.n, (key.p - 1) * (key.q - 1)) == 1
    assert decrypt_vector(key, encrypt_vector(key.public_key, [7]).ciphertexts) == (7,)


def test_the_order_of_the_primes_does_not_matter(holder: SingleHolderKey) -> None:
    swapped = SingleHolderKey(holder.q, holder.p)
    assert swapped == holder
    assert (swapped.p, swapped.q) == (holder.p, holder.q)


def test_the_primes_are_never_shown(holder: SingleHolderKey) -> None:
    shown = repr(holder) + str(holder) + repr([holder]) + f"{holder}"
    for secret in (holder.p, holder.q):
        for text in (str(secret), f"{secret:x}", f"{secret:X}"):
            assert text[40:80] not in shown


def wrong_primes() -> dict[str, tuple[int, int]]:
    p, q = test_primes(2048)
    prime = int(gmpy2.next_prime(mpz(p) + (1 << 1000)))
    while is_safe_prime(prime):
        prime = int(gmpy2.next_prime(prime))
    small, _ = test_primes(3072)
    return {
        "one prime twice": (p, p),
        "a prime that is not safe": (p, prime),
        "two of them": (prime, int(gmpy2.next_prime(mpz(prime) + (1 << 1001)))),
        "a composite": (p, q + 2),
        "of different sizes": (p, small),
        "too small": (1000667, 1000919),
        "too large": (1 << 4097, (1 << 4097) + 1),
        "negative": (-p, -q),
        "one negative": (-p, q),
        "zero": (0, q),
        "close together": (p, p + 2),
    }


@pytest.mark.parametrize("how", wrong_primes())
def test_primes_that_make_no_good_key_are_refused_and_not_repeated(how: str) -> None:
    p, q = wrong_primes()[how]
    with pytest.raises(ConfigurationError, match="single-holder key") as error:
        SingleHolderKey(mpz(p), mpz(q))
    told = "".join(traceback.format_exception(error.value)) + error.value.diagnostics()
    assert all(str(abs(v)) not in told and f"{abs(v):x}" not in told for v in (p, q) if v)


@pytest.mark.parametrize("bits", [0, 1024, 2047, 2056, 8208, -2048])
def test_sizes_that_are_not_admitted_are_refused_before_any_search(bits: int) -> None:
    with pytest.raises(ConfigurationError, match="size"):
        SingleHolderKey.generate(bits)


# the file


def test_the_file_gives_the_key_back(holder: SingleHolderKey, stored: bytes) -> None:
    assert SingleHolderKey.from_bytes(stored, PASSPHRASE, minimum_cost=CHEAP) == holder
    assert KeyFileHeader.read(stored).purpose == PURPOSE
    for secret in (holder.p, holder.q):
        assert int(secret).to_bytes(128, "big")[32:64] not in stored


def test_the_file_opens_with_its_passphrase_only_and_at_its_strength(stored: bytes) -> None:
    with pytest.raises(PassphraseError, match=r"our\.key"):
        SingleHolderKey.from_bytes(stored, "another passphrase", minimum_cost=CHEAP, what="our.key")
    with pytest.raises(KeyFileError, match="weaker"):
        SingleHolderKey.from_bytes(stored, PASSPHRASE)


def contents() -> dict[str, bytes]:
    p, q = sorted(test_primes(2048))
    width = 128
    return {
        "nothing": b"",
        "an odd number of bytes": p.to_bytes(width, "big") + q.to_bytes(width + 1, "big"),
        "the larger prime first": q.to_bytes(width, "big") + p.to_bytes(width, "big"),
        "one prime twice": p.to_bytes(width, "big") * 2,
        "wider than it need be": p.to_bytes(width + 1, "big") + q.to_bytes(width + 1, "big"),
        "not primes": (p - 2).to_bytes(width, "big") + q.to_bytes(width, "big"),
    }


@pytest.mark.parametrize("how", contents())
def test_a_sealed_file_with_something_else_in_it_is_refused(how: str) -> None:
    data = seal_with_passphrase(contents()[how], PASSPHRASE, PURPOSE, cost=CHEAP)
    with pytest.raises(KeyFileError):
        SingleHolderKey.from_bytes(data, PASSPHRASE, minimum_cost=CHEAP)
