"""Secrets under a passphrase: what opens them, what does not, and that a strange file costs nobody anything."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.key_file import (
    MAXIMUM_SCRYPT_COST,
    MAXIMUM_SECRET_BYTES,
    MINIMUM_PASSPHRASE,
    MINIMUM_SCRYPT_COST,
    SCRYPT_COST,
    KeyFileHeader,
    open_with_passphrase,
    seal_with_passphrase,
)
from fedtrust.errors import ConfigurationError, KeyFileError, PassphraseError

SECRET = b"the only copy of a secret"
PASSPHRASE = "correct horse battery staple"
PURPOSE = "fedtrust/test/v1"
CHEAP = MINIMUM_SCRYPT_COST


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_with_passphrase(SECRET, PASSPHRASE, PURPOSE, cost=CHEAP)


def opened(data: bytes, passphrase: str = PASSPHRASE, purpose: str = PURPOSE) -> bytes:
    return open_with_passphrase(data, passphrase, purpose, minimum_cost=CHEAP)


def test_the_default_is_strong_and_is_what_a_file_gets() -> None:
    data = seal_with_passphrase(SECRET, PASSPHRASE, PURPOSE)
    assert SCRYPT_COST == 17
    assert KeyFileHeader.read(data).cost == SCRYPT_COST
    assert open_with_passphrase(data, PASSPHRASE, PURPOSE) == SECRET


def test_the_file_is_what_its_description_says(sealed: bytes) -> None:
    """Opened by hand, from docs/reference/artifacts.md: another program could."""
    assert sealed[:9] == b"FTKF" + bytes([1, CHEAP, 0, 8, 1])
    salt, rest = sealed[9:41], sealed[41:]
    assert rest[1 : 1 + rest[0]] == PURPOSE.encode()
    head = 42 + rest[0]
    derived = Scrypt(salt=salt, length=44, n=2**CHEAP, r=8, p=1).derive(PASSPHRASE.encode())
    assert AESGCM(derived[:32]).decrypt(derived[32:], sealed[head:], sealed[:head]) == SECRET


def test_one_secret_twice_gives_two_files(sealed: bytes) -> None:
    again = seal_with_passphrase(SECRET, PASSPHRASE, PURPOSE, cost=CHEAP)
    assert again[9:41] != sealed[9:41]
    assert again[-40:] != sealed[-40:]
    assert opened(again) == SECRET


@pytest.mark.parametrize("secret", [b"", b"\0", bytes(MAXIMUM_SECRET_BYTES)], ids=["empty", "a zero", "the longest"])
@pytest.mark.parametrize("passphrase", ["12345678", "pässwörter 密码 🗝", "x" * 1000, "        "])
def test_what_was_sealed_is_what_is_opened(secret: bytes, passphrase: str) -> None:
    data = seal_with_passphrase(secret, passphrase, PURPOSE, cost=CHEAP)
    assert opened(data, passphrase) == secret
    assert secret == b"\0" or secret == b"" or secret not in data


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE + " ", PASSPHRASE.upper(), PASSPHRASE[:-1]])
def test_another_passphrase_opens_nothing_and_nothing_is_repeated(sealed: bytes, passphrase: str) -> None:
    with pytest.raises(PassphraseError) as error:
        opened(sealed, passphrase)
    told = "".join(traceback.format_exception(error.value)) + error.value.diagnostics()
    assert SECRET.decode() not in told
    assert not passphrase or passphrase not in told


def test_a_passphrase_that_is_not_text_is_not_repeated_either() -> None:
    broken = "very secret \udcff passphrase"
    with pytest.raises(PassphraseError) as error:
        seal_with_passphrase(SECRET, broken, PURPOSE, cost=CHEAP)
    assert error.value.__context__ is None
    assert "secret" not in error.value.diagnostics()


def test_a_file_for_another_purpose_does_not_open(sealed: bytes) -> None:
    with pytest.raises(KeyFileError, match="another purpose") as error:
        opened(sealed, purpose="fedtrust/test/v2")
    assert (error.value.expected, error.value.got) == ("fedtrust/test/v2", PURPOSE)
    # and rewriting the purpose in the header does not help
    with pytest.raises(PassphraseError):
        opened(sealed.replace(b"test/v1", b"test/v2"), purpose="fedtrust/test/v2")


def test_every_altered_byte_is_noticed(sealed: bytes) -> None:
    """The fields of the header before scrypt is run, all others by the tag."""
    asked = 0
    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        if 10 < at < 40 or 70 < at < len(sealed) - 20:
            continue  # more of the same; each costs a scrypt
        asked += 1
        with pytest.raises((KeyFileError, PassphraseError)):
            opened(altered)
    assert asked > 40


def test_every_truncation_is_noticed(sealed: bytes) -> None:
    for end in [*range(60), len(sealed) - 1]:
        with pytest.raises((KeyFileError, PassphraseError)):
            opened(sealed[:end])
    with pytest.raises(PassphraseError):
        opened(sealed + b"\0")


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "N of 2^63": lambda d: d[:5] + bytes([63]) + d[6:],
    "N of 2^255": lambda d: d[:5] + bytes([255]) + d[6:],
    "N just above the limit": lambda d: d[:5] + bytes([MAXIMUM_SCRYPT_COST + 1]) + d[6:],
    "N of 1": lambda d: d[:5] + bytes([0]) + d[6:],
    "N just below the least": lambda d: d[:5] + bytes([MINIMUM_SCRYPT_COST - 1]) + d[6:],
    "r of 65535": lambda d: d[:6] + b"\xff\xff" + d[8:],
    "r of 1": lambda d: d[:6] + b"\0\1" + d[8:],
    "p of 255": lambda d: d[:8] + b"\xff" + d[9:],
    "p of 0": lambda d: d[:8] + b"\0" + d[9:],
    "another magic": lambda d: b"FTKX" + d[4:],
    "another version": lambda d: d[:4] + b"\2" + d[5:],
    "no purpose": lambda d: d[:41] + b"\0" + d[42:],
    "a purpose longer than the file": lambda d: d[:41] + b"\xff" + d[42:],
    "a purpose with a line feed": lambda d: d.replace(b"test/v1", b"test\nv1"),
    "a purpose that is not ASCII": lambda d: d.replace(b"test/v1", b"test\xe4v1"),
    "nothing": lambda d: b"",
    "a megabyte": lambda d: d + bytes(1 << 20),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_header_is_refused_before_anything_is_computed(sealed: bytes, how: str) -> None:
    data = HOSTILE[how](sealed)
    assert data != sealed
    started = time.process_time()
    with pytest.raises(KeyFileError):
        opened(data)
    assert time.process_time() - started < 0.02, "scrypt was run"


@given(data=st.binary(max_size=200), magic=st.booleans())
def test_any_bytes_are_a_key_file_or_a_typed_error(data: bytes, magic: bool) -> None:
    whole = (b"FTKF\x01\x0e\x00\x08\x01" if magic else b"") + data
    try:
        header = KeyFileHeader.read(whole)
    except KeyFileError:
        return
    assert magic
    assert whole[42 : header.length].decode() == header.purpose
    assert len(whole) >= header.length + 16


def test_a_weak_file_opens_only_for_who_asks_for_it(sealed: bytes) -> None:
    with pytest.raises(KeyFileError, match="weaker") as error:
        open_with_passphrase(sealed, PASSPHRASE, PURPOSE)
    assert error.value.got == "N = 2^14"
    assert open_with_passphrase(sealed, PASSPHRASE, PURPOSE, minimum_cost=14) == SECRET


@pytest.mark.parametrize("cost", [0, 13, 19, 64, -1, True, 14.0, "14"])
def test_costs_out_of_range_are_refused(sealed: bytes, cost: int) -> None:
    with pytest.raises(ConfigurationError, match="cost"):
        seal_with_passphrase(SECRET, PASSPHRASE, PURPOSE, cost=cost)
    with pytest.raises(ConfigurationError, match="cost"):
        open_with_passphrase(sealed, PASSPHRASE, PURPOSE, minimum_cost=cost)


@pytest.mark.parametrize("passphrase", ["", "x" * (MINIMUM_PASSPHRASE - 1)])
def test_a_short_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(ConfigurationError, match="shorter than 8"):
        seal_with_passphrase(SECRET, passphrase, PURPOSE, cost=CHEAP)


@pytest.mark.parametrize("purpose", ["", "x" * 256, "tab\t", "ä", "line\n"])
def test_a_purpose_that_no_reader_admits_is_not_written(purpose: str) -> None:
    with pytest.raises(ConfigurationError, match="key file"):
        seal_with_passphrase(SECRET, PASSPHRASE, purpose, cost=CHEAP)


def test_a_secret_that_no_reader_admits_is_not_written() -> None:
    with pytest.raises(ConfigurationError, match="key file"):
        seal_with_passphrase(bytes(MAXIMUM_SECRET_BYTES + 1), PASSPHRASE, PURPOSE, cost=CHEAP)


def test_errors_name_the_file(sealed: bytes) -> None:
    for data, passphrase in ((b"", PASSPHRASE), (sealed, "another passphrase")):
        with pytest.raises((KeyFileError, PassphraseError), match=r"clinic/secrets\.key"):
            open_with_passphrase(data, passphrase, PURPOSE, minimum_cost=CHEAP, what="clinic/secrets.key")
