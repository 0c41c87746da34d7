"""Identity folders: an account key, a TLS key with its certificate and a sealing key, each in its standard format.

    identity.json    public: account, role, certificate, sealing key; hand it to the operator
    account.json     the secp256k1 key as an Ethereum keystore (scrypt)
    tls.pem          the P-256 key of the certificate, PKCS 8, encrypted
    sealing.pem      the X25519 key that a trustee's share is sealed to, PKCS 8, encrypted

All three secrets are under one passphrase.
"""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID
from eth_account import Account
from eth_account.signers.local import LocalAccount

from fedtrust.crypto.encoding import canonical_json, parse_canonical_json, sha256, to_hex
from fedtrust.errors import ConfigurationError, EncodingError, KeyFileError, PassphraseError
from fedtrust.ledger.types import Address, Role
from fedtrust.protocol.fields import Fields

PUBLIC_FILE, ACCOUNT_FILE, TLS_FILE, SEALING_FILE = "identity.json", "account.json", "tls.pem", "sealing.pem"
VERSION = 1
CERTIFICATE_DAYS = 825
MINIMUM_PASSPHRASE = 8
_ROLES = {role.name.lower(): role for role in Role}  # none: the operator


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What the operator registers: nothing in it is secret."""

    account: Address
    role: Role
    certificate: bytes  # DER
    sealing_key: bytes  # X25519, 32 bytes

    @property
    def certificate_fingerprint(self) -> bytes:
        """The sha-256 of the DER certificate, as the contract registers it."""
        return sha256(self.certificate)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of ``identity.json``."""
        return canonical_json(
            {
                "account": self.account,
                "certificate": to_hex(self.certificate),
                "role": self.role.name.lower(),
                "sealing_key": to_hex(self.sealing_key),
                "version": VERSION,
            }
        )

    @classmethod
    def read(cls, path: Path) -> PublicIdentity:
        """Read ``identity.json`` (or the folder that holds it). Raises KeyFileError naming the file."""
        file = path / PUBLIC_FILE if path.is_dir() else path
        try:
            fields = Fields(parse_canonical_json(file.read_bytes().strip(), str(file)), str(file))
            fields.version(VERSION)
            identity = cls(
                account=fields.address("account"),
                role=_ROLES[fields.text("role")],
                certificate=fields.blob("certificate"),
                sealing_key=fields.hash("sealing_key"),
            )
            fields.end()
        except FileNotFoundError:
            raise _no_file(file) from None
        except (EncodingError, KeyError) as error:
            raise KeyFileError(
                f"{file} is not an identity file", got=error, advice="make one with `fedtrust identity`"
            ) from error
        return identity


@dataclass(frozen=True, slots=True)
class Identity:
    """An opened identity folder. The secrets never appear in a repr."""

    public: PublicIdentity
    folder: Path
    signer: LocalAccount = field(repr=False)
    sealing: X25519PrivateKey = field(repr=False)
    passphrase: bytes = field(repr=False)

    @property
    def account(self) -> Address:
        """The account."""
        return self.public.account

    @property
    def private_key(self) -> bytes:
        """The secp256k1 key, for EIP-712 signatures."""
        return bytes(self.signer.key)


def create_identity(folder: Path, role: Role, passphrase: str, *, private_key: bytes | None = None) -> PublicIdentity:
    """Make a new identity folder. ``private_key`` brings an existing account; the rest is always new.

    Raises ConfigurationError if the folder already holds one or the passphrase is too short.
    """
    there = [name for name in (PUBLIC_FILE, ACCOUNT_FILE, TLS_FILE, SEALING_FILE) if (folder / name).exists()]
    if there:
        raise ConfigurationError(
            f"{folder} already holds an identity",
            got=", ".join(there),
            advice="name another folder; nothing was overwritten",
        )
    if len(passphrase) < MINIMUM_PASSPHRASE:
        raise ConfigurationError(f"the passphrase is shorter than {MINIMUM_PASSPHRASE} characters")
    signer: LocalAccount = Account.from_key(private_key) if private_key is not None else Account.create()
    tls = ec.generate_private_key(ec.SECP256R1())
    # the name is the account, never a person or an organisation: the certificate goes on chain
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer.address)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(tls.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=CERTIFICATE_DAYS))
        .sign(tls, hashes.SHA256())
    )
    sealing = X25519PrivateKey.generate()
    sealing_public = sealing.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public = PublicIdentity(
        account=Address(signer.address),
        role=role,
        certificate=certificate.public_bytes(serialization.Encoding.DER),
        sealing_key=sealing_public if role is Role.TRUSTEE else bytes(32),
    )
    protection = serialization.BestAvailableEncryption(passphrase.encode())
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(folder / ACCOUNT_FILE, json.dumps(Account.encrypt(signer.key, passphrase)).encode())
    _write_secret(folder / TLS_FILE, tls.private_bytes(*pkcs8) + certificate_pem)
    _write_secret(folder / SEALING_FILE, sealing.private_bytes(*pkcs8))
    (folder / PUBLIC_FILE).write_bytes(public.to_bytes() + b"\n")
    return public


def open_identity(folder: Path, passphrase: str) -> Identity:
    """Open an identity folder. Raises KeyFileError or PassphraseError naming the file."""
    public = PublicIdentity.read(folder)
    keystore = _read(folder / ACCOUNT_FILE)
    try:
        key = Account.decrypt(keystore.decode(), passphrase)
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise PassphraseError(
                f"the passphrase does not open {folder / ACCOUNT_FILE}",
                advice="check --passphrase-file or FEDTRUST_PASSPHRASE",
            ) from None
        raise KeyFileError(f"{folder / ACCOUNT_FILE} is not an Ethereum keystore") from None
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, NotImplementedError):
        raise KeyFileError(f"{folder / ACCOUNT_FILE} is not an Ethereum keystore") from None
    signer: LocalAccount = Account.from_key(key)
    if str(signer.address) != public.account:
        raise KeyFileError(
            f"{folder / ACCOUNT_FILE} belongs to another account", expected=public.account, got=signer.address
        )
    pem = _read(folder / SEALING_FILE)
    try:
        sealing = serialization.load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError):
        raise PassphraseError(
            f"the passphrase does not open {folder / SEALING_FILE}", advice="or the file was altered; restore it"
        ) from None
    if not isinstance(sealing, X25519PrivateKey):
        raise KeyFileError(f"{folder / SEALING_FILE} is not an X25519 key")
    return Identity(public, folder, signer, sealing, passphrase.encode())


def _no_file(path: Path) -> KeyFileError:
    return KeyFileError(
        f"{path} does not exist", advice="make an identity with `fedtrust identity`, or name its folder"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _no_file(path) from None


def _write_secret(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
