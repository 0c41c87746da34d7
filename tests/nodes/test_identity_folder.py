"""Identity folders: three secrets under one passphrase, nothing overwritten, nothing shown."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from eth_account import Account

from fedtrust.crypto.key_file import MINIMUM_SCRYPT_COST, SCRYPT_COST, KeyFileHeader, seal_with_passphrase
from fedtrust.errors import ConfigurationError, KeyFileError, PassphraseError
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import (
    ACCOUNT_FILE,
    PUBLIC_FILE,
    SECRETS_FILE,
    TLS_FILE,
    Identity,
    PublicIdentity,
    create_identity,
    open_identity,
)
from fedtrust.nodes.tls import ServerTrust
from tests.e2e.people import cheap_keystores
from tests.nodes.harness import account
from tests.nodes.served import PASSPHRASE

SECRET_FILES = (ACCOUNT_FILE, TLS_FILE, SECRETS_FILE)
CHEAP = MINIMUM_SCRYPT_COST


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("identity") / "trustee"
    create_identity(folder, Role.TRUSTEE, PASSPHRASE)
    return open_identity(folder, PASSPHRASE)


@pytest.fixture
def folder(opened: Identity, tmp_path: Path) -> Path:
    """A copy of the folder that a test may break."""
    return Path(shutil.copytree(opened.folder, tmp_path / "copy"))


def test_what_was_made_is_what_is_opened(opened: Identity) -> None:
    public = PublicIdentity.read(opened.folder)
    assert public == opened.public == PublicIdentity.read(opened.folder / PUBLIC_FILE)
    assert public.role is Role.TRUSTEE
    assert opened.account == opened.signer.address == public.account
    assert opened.sealing.public_key().public_bytes_raw() == public.sealing_key
    assert Account.from_key(opened.private_key).address == public.account
    ServerTrust(opened)  # the TLS key opens too


def test_the_certificate_names_the_account_and_nobody(opened: Identity) -> None:
    certificate = x509.load_der_x509_certificate(opened.public.certificate)
    assert [a.value for a in certificate.subject] == [opened.account]
    assert {a.oid for a in certificate.subject} == {NameOID.COMMON_NAME}
    assert certificate.issuer == certificate.subject
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert len(opened.public.certificate) < 4096, "the contract takes no longer one"


def test_secrets_are_for_the_owners_eyes_only(opened: Identity) -> None:
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in opened.folder.iterdir()}
    assert set(modes) == {PUBLIC_FILE, *SECRET_FILES}
    assert all(modes[name] == 0o600 for name in SECRET_FILES)
    assert stat.S_IMODE(opened.folder.stat().st_mode) == 0o700


def test_no_secret_is_in_the_clear_on_disk_or_in_a_repr(opened: Identity) -> None:
    key = opened.private_key
    sealing = opened.sealing.private_bytes_raw()
    shown = repr(opened) + str(opened) + repr(opened.public)
    for secret in (key, sealing, opened.tls_password, bytes.fromhex(opened.tls_password.decode()), PASSPHRASE.encode()):
        assert secret.hex() not in shown
        for path in opened.folder.iterdir():
            content = path.read_bytes()
            assert secret not in content
            assert secret.hex().encode() not in content.lower()
    assert PASSPHRASE not in shown
    assert opened.tls_password.decode() not in shown
    assert b"ENCRYPTED" in (opened.folder / TLS_FILE).read_bytes()
    assert KeyFileHeader.read((opened.folder / SECRETS_FILE).read_bytes()).cost == SCRYPT_COST
    assert json.loads((opened.folder / ACCOUNT_FILE).read_bytes())["crypto"]["kdf"] == "scrypt"


@pytest.mark.parametrize("passphrase", ["", "another passphrase", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(opened: Identity, passphrase: str) -> None:
    with pytest.raises(PassphraseError, match=ACCOUNT_FILE) as error:
        open_identity(opened.folder, passphrase)
    assert error.value.__cause__ is None
    assert not passphrase.strip() or passphrase not in error.value.diagnostics()


def test_a_passphrase_that_is_not_text_is_told_as_that(cheap: Path, tmp_path: Path) -> None:
    """An environment variable can hold any bytes; Python gives those that are not UTF-8 as lone surrogates."""
    broken = "secret \udcff word"
    for use in (
        lambda: open_identity(cheap, broken, minimum_scrypt_cost=CHEAP),
        lambda: create_identity(tmp_path / "new", Role.PARTICIPANT, broken),
    ):
        with pytest.raises(PassphraseError, match="not text") as error:
            use()
        assert "secret" not in error.value.diagnostics()
    assert not (tmp_path / "new").exists()


def test_an_existing_folder_is_not_overwritten(opened: Identity) -> None:
    before = {p.name: p.read_bytes() for p in opened.folder.iterdir()}
    with pytest.raises(ConfigurationError, match="already holds an identity"):
        create_identity(opened.folder, Role.PARTICIPANT, PASSPHRASE)
    assert {p.name: p.read_bytes() for p in opened.folder.iterdir()} == before


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_leftover_key_is_never_overwritten(tmp_path: Path, name: str) -> None:
    """Nobody knows whose it is, but it may be somebody's only one."""
    (tmp_path / name).write_bytes(b"somebody's key")
    with pytest.raises(ConfigurationError, match="already holds an identity") as error:
        create_identity(tmp_path, Role.PARTICIPANT, PASSPHRASE)
    assert error.value.got == name
    assert (tmp_path / name).read_bytes() == b"somebody's key"
    assert not (tmp_path / PUBLIC_FILE).exists()


@pytest.mark.parametrize("passphrase", ["", "1234567"])
def test_a_short_passphrase_is_refused_before_anything_is_made(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(ConfigurationError, match="shorter than 8"):
        create_identity(tmp_path / "new", Role.PARTICIPANT, passphrase)
    assert not (tmp_path / "new").exists()


def test_an_account_can_be_brought_and_participants_have_no_sealing_key(tmp_path: Path) -> None:
    public = create_identity(tmp_path, Role.PARTICIPANT, PASSPHRASE, private_key=bytes(account("va").key))
    assert public.account == account("va").address
    assert public.sealing_key == bytes(32)


# broken folders


@pytest.mark.parametrize("name", [PUBLIC_FILE, ACCOUNT_FILE, SECRETS_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(KeyFileError, match=f"{name} does not exist") as error:
        open_identity(folder, PASSPHRASE)
    assert error.value.advice


def test_a_missing_or_altered_tls_key_is_named(folder: Path, opened: Identity) -> None:
    broken = replace(opened, folder=folder)
    path = folder / TLS_FILE
    whole = path.read_bytes()
    middle = len(whole) // 4
    path.write_bytes(whole[:middle] + b"AAAA" + whole[middle + 4 :])
    with pytest.raises(KeyFileError, match=TLS_FILE):
        ServerTrust(broken)
    path.unlink()
    with pytest.raises(KeyFileError, match=TLS_FILE):
        ServerTrust(broken)
    path.write_bytes(whole)
    for password in (PASSPHRASE.encode(), bytes(64), b""):
        with pytest.raises(KeyFileError, match=TLS_FILE):
            ServerTrust(replace(broken, tls_password=password))
    ServerTrust(broken)


def test_the_passphrase_stands_behind_scrypt_alone(opened: Identity) -> None:
    """No file of the folder lets a guess be checked for less: tls.pem does not know the passphrase at all."""
    pem = (opened.folder / TLS_FILE).read_bytes()
    with pytest.raises(ValueError):  # noqa: PT011 - one wrong key in 256 decrypts to padding by chance
        serialization.load_pem_private_key(pem, PASSPHRASE.encode())
    assert serialization.load_pem_private_key(pem, opened.tls_password)
    assert len(bytes.fromhex(opened.tls_password.decode())) == 32
    keystore = json.loads((opened.folder / ACCOUNT_FILE).read_bytes())["crypto"]["kdfparams"]
    assert keystore["n"] * keystore["r"] * keystore["p"] >= 1 << 20
    assert {p.name for p in opened.folder.iterdir()} == {PUBLIC_FILE, ACCOUNT_FILE, TLS_FILE, SECRETS_FILE}


def test_two_identities_under_one_passphrase_share_nothing(opened: Identity, cheap: Path) -> None:
    other = open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP)
    assert other.tls_password != opened.tls_password
    assert other.sealing.private_bytes_raw() != opened.sealing.private_bytes_raw()


KEYSTORES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-10],
    "no JSON": lambda data: b"\xff" + data,
    "an array": lambda data: b"[]",
    "a string": lambda data: b'"x"',
    "null": lambda data: b"null",
    "no crypto": lambda data: b'{"version": 3}',
    "another version": lambda data: data.replace(b'"version": 3', b'"version": 9'),
    "another kdf": lambda data: data.replace(b'"scrypt"', b'"bcrypt"'),
    "no salt": lambda data: data.replace(b'"salt"', b'"pepper"'),
    "odd ciphertext": lambda data: data.replace(b'"ciphertext": "', b'"ciphertext": "0'),
    "no hex": lambda data: data.replace(b'"ciphertext": "', b'"ciphertext": "zz'),
    "a list for a kdf": lambda data: data.replace(b'"kdf": "scrypt"', b'"kdf": []'),
    "text for a number": lambda data: data.replace(b'"n": ', b'"n": "x", "m": '),
}


@pytest.mark.parametrize("how", sorted(KEYSTORES))
def test_an_altered_keystore_is_named(folder: Path, how: str) -> None:
    path = folder / ACCOUNT_FILE
    altered = KEYSTORES[how](path.read_bytes())
    assert altered != path.read_bytes()
    path.write_bytes(altered)
    with pytest.raises((KeyFileError, PassphraseError), match=ACCOUNT_FILE):
        open_identity(folder, PASSPHRASE)


def test_an_altered_ciphertext_of_the_keystore_is_named(folder: Path) -> None:
    stored = json.loads((folder / ACCOUNT_FILE).read_bytes())
    text = stored["crypto"]["ciphertext"]
    stored["crypto"]["ciphertext"] = ("0" if text[0] != "0" else "1") + text[1:]
    (folder / ACCOUNT_FILE).write_text(json.dumps(stored))
    with pytest.raises(PassphraseError, match=ACCOUNT_FILE):
        open_identity(folder, PASSPHRASE)


def test_a_keystore_of_another_account_is_named(folder: Path) -> None:
    other = Account.encrypt(account("mallory").key, PASSPHRASE, iterations=2)
    (folder / ACCOUNT_FILE).write_text(json.dumps(other))
    with pytest.raises(KeyFileError, match="belongs to another account") as error:
        open_identity(folder, PASSPHRASE)
    assert error.value.got == account("mallory").address


# secrets.key


@pytest.fixture(scope="module")
def made_cheaply(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity") / "cheap"
    with cheap_keystores():
        create_identity(folder, Role.TRUSTEE, PASSPHRASE, scrypt_cost=CHEAP)
    return folder


@pytest.fixture
def cheap(made_cheaply: Path, tmp_path: Path) -> Path:
    """A copy of an identity of little scrypt, that a test may break."""
    return Path(shutil.copytree(made_cheaply, tmp_path / "cheap"))


def test_a_weak_folder_opens_only_for_who_asks_for_it(cheap: Path) -> None:
    with pytest.raises(KeyFileError, match=rf"{SECRETS_FILE} is weaker"):
        open_identity(cheap, PASSPHRASE)
    assert open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP).public.role is Role.TRUSTEE


@pytest.mark.parametrize("content", [b"", b"FTKF", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"\xff\x00" * 100])
def test_a_broken_secrets_file_is_named(cheap: Path, content: bytes) -> None:
    (cheap / SECRETS_FILE).write_bytes(content)
    with pytest.raises(KeyFileError, match=SECRETS_FILE):
        open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP)


@pytest.mark.parametrize("at", [5, 20, 60, 90, -1])
def test_an_altered_secrets_file_is_named(cheap: Path, at: int) -> None:
    data = bytearray((cheap / SECRETS_FILE).read_bytes())
    data[at] ^= 1
    (cheap / SECRETS_FILE).write_bytes(data)
    with pytest.raises((KeyFileError, PassphraseError), match=SECRETS_FILE):
        open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP)


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_a_secrets_file_with_something_else_in_it_is_named(cheap: Path, size: int) -> None:
    purpose = f"fedtrust/identity/v1/{PublicIdentity.read(cheap).account}"
    (cheap / SECRETS_FILE).write_bytes(seal_with_passphrase(bytes(size), PASSPHRASE, purpose, cost=CHEAP))
    with pytest.raises(KeyFileError, match=SECRETS_FILE):
        open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP)


def test_the_secrets_of_another_identity_are_named(cheap: Path, tmp_path: Path) -> None:
    with cheap_keystores():
        public = create_identity(tmp_path / "other", Role.TRUSTEE, PASSPHRASE, scrypt_cost=CHEAP)
    shutil.copy(tmp_path / "other" / SECRETS_FILE, cheap)
    with pytest.raises(KeyFileError, match=rf"{SECRETS_FILE} is for another purpose") as error:
        open_identity(cheap, PASSPHRASE, minimum_scrypt_cost=CHEAP)
    assert error.value.got is not None
    assert public.account in error.value.got


def test_a_folder_of_an_earlier_version_is_refused_with_advice(cheap: Path) -> None:
    (cheap / SECRETS_FILE).rename(cheap / "sealing.pem")
    with pytest.raises(KeyFileError, match="earlier version") as error:
        open_identity(cheap, PASSPHRASE)
    assert error.value.advice is not None
    assert "make a new identity" in error.value.advice
    with pytest.raises(ConfigurationError, match="already holds an identity"):
        create_identity(cheap, Role.TRUSTEE, PASSPHRASE)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with cheap_keystores(), pytest.raises(ConfigurationError, match="cannot make the folder"):
        create_identity(tmp_path, Role.PARTICIPANT, PASSPHRASE, scrypt_cost=CHEAP)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert not [p for p in tmp_path.parent.iterdir() if p.name.startswith(f".{tmp_path.name}")]


PUBLICS: dict[str, Callable[[dict[str, object]], object]] = {
    "no object": lambda v: [],
    "no account": lambda v: {k: x for k, x in v.items() if k != "account"},
    "a lower-case account": lambda v: {**v, "account": str(v["account"]).lower()},
    "another role": lambda v: {**v, "role": "king"},
    "role in capitals": lambda v: {**v, "role": "TRUSTEE"},
    "another version": lambda v: {**v, "version": 2},
    "a surprise": lambda v: {**v, "surprise": 1},
    "a certificate that is none": lambda v: {**v, "certificate": 5},
    "a short sealing key": lambda v: {**v, "sealing_key": "0x00"},
}


@pytest.mark.parametrize("how", sorted(PUBLICS))
def test_an_altered_public_file_is_named(folder: Path, how: str) -> None:
    path = folder / PUBLIC_FILE
    value = PUBLICS[how](json.loads(path.read_bytes()))
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")))
    with pytest.raises(KeyFileError, match=PUBLIC_FILE):
        PublicIdentity.read(folder)


def test_a_public_file_that_was_reformatted_or_is_binary_is_named(folder: Path) -> None:
    path = folder / PUBLIC_FILE
    whole = path.read_bytes()
    for content in (json.dumps(json.loads(whole), indent=2).encode(), b"\xff\xfe", b"", whole[:-5]):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=PUBLIC_FILE):
            PublicIdentity.read(path)
