"""To phe and back: each library decrypts and adds what the other encrypted; keys that do not fit are refused."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st
from phe import paillier

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.packing import SlotLayout, pack, unpack
from fedtrust.crypto.paillier import CiphertextVector, encrypt_vector
from fedtrust.crypto.phe_interchange import (
    ciphertexts_from_phe,
    ciphertexts_to_phe,
    private_key_from_phe,
    private_key_from_pheutil,
    private_key_to_phe,
    private_key_to_pheutil,
    public_key_from_phe,
    public_key_to_phe,
    public_key_to_pheutil,
)
from fedtrust.crypto.single_holder import SingleHolderKey, decrypt_vector
from fedtrust.errors import CiphertextError, ConfigurationError, FedtrustError, KeyFileError
from tests.fixtures.keys import test_primes

ROOT = Path(__file__).parents[2]
FEW = settings(max_examples=8, deadline=None)


@pytest.fixture(scope="module")
def holder() -> SingleHolderKey:
    return SingleHolderKey(*map(mpz, test_primes(2048)))


@pytest.fixture(scope="module")
def private(holder: SingleHolderKey) -> paillier.PaillierPrivateKey:
    return private_key_to_phe(holder)


@pytest.fixture(scope="module")
def made_by_phe() -> tuple[paillier.PaillierPublicKey, paillier.PaillierPrivateKey]:
    made: tuple[paillier.PaillierPublicKey, paillier.PaillierPrivateKey] = paillier.generate_paillier_keypair(
        n_length=2048
    )
    return made


# keys


def test_keys_go_there_and_back(holder: SingleHolderKey, private: paillier.PaillierPrivateKey) -> None:
    assert private_key_from_phe(private) == holder
    public = public_key_to_phe(holder.public_key)
    assert public == private.public_key
    assert public_key_from_phe(public, made_of_safe_primes=True) == holder.public_key


def test_a_private_key_that_phe_made_is_refused_with_the_reason(
    made_by_phe: tuple[paillier.PaillierPublicKey, paillier.PaillierPrivateKey],
) -> None:
    _, private = made_by_phe
    with pytest.raises(ConfigurationError, match="not made of safe primes") as error:
        private_key_from_phe(private)
    told = error.value.diagnostics()
    assert "decrypt with phe" in told
    for secret in (private.p, private.q):
        assert str(secret)[:40] not in told
        assert f"{secret:x}"[:40] not in told


@pytest.mark.parametrize("stated", [False, None, 1, "yes"])
def test_a_public_key_needs_the_statement_that_nobody_can_check(
    made_by_phe: tuple[paillier.PaillierPublicKey, paillier.PaillierPrivateKey], stated: bool
) -> None:
    with pytest.raises(ConfigurationError, match="must not be encrypted under"):
        public_key_from_phe(made_by_phe[0], made_of_safe_primes=stated)


@pytest.mark.parametrize(
    "n", [15, 1 << 2047, (1 << 2048) + 1, 0, -7, test_primes(3072)[0] ** 2, 2 ** (1 << 15) + 1],
    ids=["tiny", "even", "an odd size", "zero", "negative", "a square", "huge"],
)  # fmt: skip
def test_a_public_key_of_another_form_is_refused(n: int) -> None:
    with pytest.raises(ConfigurationError):
        public_key_from_phe(paillier.PaillierPublicKey(n), made_of_safe_primes=True)


def test_a_prime_is_no_public_key() -> None:
    prime = int(gmpy2.next_prime(mpz(1) << 2047))
    with pytest.raises(ConfigurationError, match="prime or a power"):
        public_key_from_phe(paillier.PaillierPublicKey(prime), made_of_safe_primes=True)


def test_a_private_key_of_another_size_is_refused() -> None:
    small = paillier.generate_paillier_keypair(n_length=512)[1]
    with pytest.raises(ConfigurationError):
        private_key_from_phe(small)


@pytest.mark.parametrize("value", [None, 5, "key", object()])
def test_what_is_no_object_of_phe_is_refused(holder: SingleHolderKey, value: Any) -> None:
    for function in (
        private_key_from_phe,
        lambda v: public_key_from_phe(v, made_of_safe_primes=True),
        lambda v: ciphertexts_from_phe(holder.public_key, [v]),
    ):
        with pytest.raises(ConfigurationError, match="not an object of phe"):
            function(value)


# ciphertexts


@FEW
@given(values=st.lists(st.integers(-(2**600), 2**600) | st.sampled_from([0, 1, -1]), min_size=1, max_size=4))
def test_phe_encrypts_and_we_decrypt(
    holder: SingleHolderKey, private: paillier.PaillierPrivateKey, values: list[int]
) -> None:
    numbers = [private.public_key.encrypt(value) for value in values]
    vector = ciphertexts_from_phe(holder.public_key, numbers)
    assert decrypt_vector(holder, vector) == tuple(v % int(holder.public_key.n) for v in values)


@FEW
@given(data=st.data())
def test_we_encrypt_packed_and_phe_decrypts_the_sum_that_either_made(
    holder: SingleHolderKey, private: paillier.PaillierPrivateKey, data: st.DataObject
) -> None:
    layout = SlotLayout(value_bits=data.draw(st.integers(2, 18)), weight_bits=0, max_participants=4)
    count, key = data.draw(st.integers(1, 120)), holder.public_key
    drawn = st.lists(st.integers(-layout.max_slot, layout.max_slot), min_size=count, max_size=count)
    updates = [np.array(data.draw(drawn), dtype=np.int64) for _ in range(3)]
    vectors = [encrypt_vector(key, pack(layout, key.bits, key.n, u)).ciphertexts for u in updates]
    ours = ciphertexts_to_phe(multiply_vectors(key, vectors))
    theirs = [sum(column) for column in zip(*map(ciphertexts_to_phe, vectors), strict=True)]
    for numbers in (ours, theirs):
        assert all(number.exponent == 0 for number in numbers)
        opened = [int(private.raw_decrypt(int(number.ciphertext()))) for number in numbers]
        assert (unpack(layout, key.bits, key.n, opened, count, 3) == sum(updates)).all()
    # and phe's sum comes back to be decrypted here
    back = decrypt_vector(holder, ciphertexts_from_phe(key, theirs))
    assert (unpack(layout, key.bits, key.n, back, count, 3) == sum(updates)).all()


def test_small_integers_are_small_integers_in_phe(
    holder: SingleHolderKey, private: paillier.PaillierPrivateKey
) -> None:
    n = int(holder.public_key.n)
    values = [0, 5, -3, 2**500, -(2**500)]
    numbers = ciphertexts_to_phe(encrypt_vector(holder.public_key, [v % n for v in values]).ciphertexts)
    assert [private.decrypt(number) for number in numbers] == values
    assert private.decrypt(numbers[1] * 4 + numbers[2] + 1) == 18


def test_what_phe_did_not_obfuscate_is_obfuscated_on_the_way(
    holder: SingleHolderKey, private: paillier.PaillierPrivateKey
) -> None:
    """A number of phe plus a public one shows what was added, until it is multiplied by a fresh r^n."""
    key = holder.public_key
    first = private.public_key.encrypt(10)
    total = first + 32
    shown = mpz(total.ciphertext(be_secure=False))
    assert shown == mpz(first.ciphertext()) * (1 + 32 * key.n) % key.n_squared  # anyone reads the 32 off these two
    taken = ciphertexts_from_phe(key, [total]).values[0]
    assert taken != shown
    assert decrypt_vector(holder, CiphertextVector(key, (taken, shown))) == (42, 42)


def test_each_index_that_is_wrong_is_named(
    holder: SingleHolderKey,
    private: paillier.PaillierPrivateKey,
    made_by_phe: tuple[paillier.PaillierPublicKey, paillier.PaillierPrivateKey],
) -> None:
    public, key = private.public_key, holder.public_key
    good = public.encrypt(1)
    wrong: dict[str, Any] = {
        "ciphertext 1 is under another key": made_by_phe[0].encrypt(1),
        "ciphertext 1 of phe is not an integer": public.encrypt(1.5),
        "ciphertext 1 is not a unit": paillier.EncryptedNumber(public, int(holder.p), 0),
        "ciphertext 1 is out of range": paillier.EncryptedNumber(public, 0, 0),
    }
    for message, number in wrong.items():
        with pytest.raises(CiphertextError, match=message):
            ciphertexts_from_phe(key, [good, number])
    with pytest.raises(CiphertextError, match="empty"):
        ciphertexts_from_phe(key, [])


# files of pheutil


def pheutil(*words: object) -> str:
    done = subprocess.run(
        [Path(sys.executable).parent / "pheutil", *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pheutil_reads_our_files(tmp_path: Path, holder: SingleHolderKey) -> None:
    secret, public, extracted, number = (tmp_path / name for name in ("private", "public", "extracted", "number"))
    secret.write_bytes(private_key_to_pheutil(holder))
    public.write_bytes(public_key_to_pheutil(holder.public_key))
    pheutil("extract", secret, extracted)
    assert json.loads(extracted.read_text()) == json.loads(public.read_text())
    pheutil("encrypt", "--output", number, public, "2.5")
    assert pheutil("decrypt", secret, number).strip() == "2.5"


def test_our_files_come_back(holder: SingleHolderKey) -> None:
    assert private_key_from_pheutil(private_key_to_pheutil(holder)) == holder


def test_a_key_of_pheutil_is_refused_with_the_reason(tmp_path: Path) -> None:
    pheutil("genpkey", tmp_path / "private", "--keysize", "2048")
    with pytest.raises(ConfigurationError, match="not made of safe primes"):
        private_key_from_pheutil((tmp_path / "private").read_bytes())


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda v: [v],
    "null": lambda v: None,
    "another type": lambda v: {**v, "kty": "RSA"},
    "a public key": lambda v: v["pub"],
    "another algorithm": lambda v: {**v, "pub": {**v["pub"], "alg": "RS256"}},
    "operations that are a number": lambda v: {**v, "key_ops": 5},
    "encrypting only": lambda v: {**v, "key_ops": ["encrypt"]},
    "no p": lambda v: {k: x for k, x in v.items() if k != "p"},
    "a p that is a number": lambda v: {**v, "p": 5},
    "a p that is empty": lambda v: {**v, "p": ""},
    "a p that is not base64url": lambda v: {**v, "p": "+/+/"},
    "a padded p": lambda v: {**v, "p": v["p"] + "="},
    "a p of one character": lambda v: {**v, "p": "A"},
    "another n": lambda v: {**v, "pub": {**v["pub"], "n": v["p"]}},
    "an n that is missing": lambda v: {**v, "pub": {}},
    "a pub that is text": lambda v: {**v, "pub": "n"},
    "the primes of another n": lambda v: {**v, "p": v["q"]},
    "a file that is too long": lambda v: {**v, "comment": "x" * (1 << 15)},
}


@pytest.mark.parametrize("how", CHANGES)
def test_an_altered_file_of_pheutil_is_refused_and_not_repeated(holder: SingleHolderKey, how: str) -> None:
    whole = json.loads(private_key_to_pheutil(holder))
    with pytest.raises(KeyFileError, match=r"clinic\.json is not a private key of pheutil") as error:
        private_key_from_pheutil(json.dumps(CHANGES[how](whole)).encode(), "clinic.json")
    assert error.value.__cause__ is None
    assert whole["p"][5:40] not in error.value.diagnostics()


@given(data=st.binary(max_size=100) | st.text(max_size=100).map(str.encode) | st.just(b"[" * 10_000))
def test_any_bytes_are_a_typed_error(data: bytes) -> None:
    with pytest.raises(FedtrustError):
        private_key_from_pheutil(data)


# phe is an option


def test_importing_everything_else_does_not_import_phe() -> None:
    """The GPL reaches who imports it: in a fresh process, all modules but this one, and phe is still not loaded."""
    folder = ROOT / "fedtrust"
    names = [".".join(("fedtrust", *p.relative_to(folder).with_suffix("").parts)) for p in folder.rglob("*.py")]
    others = [n.removesuffix(".__init__") for n in names if not n.endswith((".phe_interchange", ".__main__"))]
    assert len(others) == len(names) - 2
    script = "import importlib, sys\nfor n in sys.argv[1:]: importlib.import_module(n)\nprint('phe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *others], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_nothing_imports_this_module_but_the_command_that_needs_it_when_it_runs() -> None:
    importers = set()
    for path in (ROOT / "fedtrust").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = getattr(node, "module", None) or ""
            if any("phe_interchange" in f"{module}.{name}" for name in names):
                importers.add(path.relative_to(ROOT / "fedtrust").as_posix())
                assert node not in tree.body, "imported when the module is loaded"
    assert importers <= {"cli/key.py"}


def test_without_phe_the_error_says_how_to_get_it(holder: SingleHolderKey, monkeypatch: pytest.MonkeyPatch) -> None:
    data = private_key_to_pheutil(holder)
    vector = CiphertextVector(holder.public_key, (mpz(2),))
    monkeypatch.setitem(sys.modules, "phe", None)  # what Python itself does for a module that must not be found
    calls: list[Callable[[], object]] = [
        lambda: private_key_to_phe(holder),
        lambda: public_key_to_phe(holder.public_key),
        lambda: private_key_from_phe(None),
        lambda: ciphertexts_to_phe(vector),
        lambda: ciphertexts_from_phe(holder.public_key, [None]),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="phe is not installed") as error:
            call()
        assert error.value.advice == 'pip install "fedtrust[phe]"'
    assert private_key_from_pheutil(data) == holder  # files need no phe


def test_the_module_itself_loads_without_phe() -> None:
    script = "import sys; sys.modules['phe'] = None; import fedtrust.crypto.phe_interchange"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
