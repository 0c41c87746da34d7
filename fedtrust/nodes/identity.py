"""Identity folders: an account key, a TLS key with its certificate and a sealing key, under one passphrase.

    identity.json    public: account, role, certificate, sealing key; hand it to the operator
    account.json     the secp256k1 key as an Ethereum keystore (scrypt)
    secrets.key      a key file (scrypt): the X25519 key a trustee's share is sealed to, and the password of tls.pem
    tls.pem          the P-256 key of the certificate, PKCS 8, encrypted under that password

Whoever has the folder can guess at the passphrase, and each guess costs an scrypt. PKCS 8 as OpenSSL writes it (PBKDF2
of a few rounds) never stands between a guess and its check: the password of tls.pem is random, 256 bits. The file is
there because the ssl module takes nothing else.
"""

from __future__ import annotations

import datetime
import json
import secrets
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
from fedtrust.crypto.key_file import SCRYPT_COST, open_with_passphrase, require_passphrase, seal_with_passphrase
from fedtrust.errors import ConfigurationError, EncodingError, KeyFileError, PassphraseError
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.secret_files import create_secret_folder
from fedtrust.protocol.fields import Fields

PUBLIC_FILE, ACCOUNT_FILE, TLS_FILE, SECRETS_FILE = "identity.json", "account.json", "tls.pem", "secrets.key"
VERSION = 1
CERTIFICATE_DAYS = 825
_EARLIER_SEALING_FILE = "sealing.pem"  # of 0.1.0 before key files; under the passphrase with PBKDF2 only
_SEALING_BYTES = _TLS_PASSWORD_BYTES = 32
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
    tls_password: bytes = field(repr=False)

    @property
    def account(self) -> Address:
        """The account."""
        return self.public.account

    @property
    def private_key(self) -> bytes:
        """The secp256k1 key, for EIP-712 signatures."""
        return bytes(self.signer.key)


def create_identity(
    folder: Path,
    role: Role,
    passphrase: str,
    *,
    private_key: bytes | None = None,
    sealing: X25519PrivateKey | None = None,
    scrypt_cost: int = SCRYPT_COST,
) -> PublicIdentity:
    """Make a new identity folder, whole or not at all. ``private_key`` brings an account, ``sealing`` a sealing key.

    ``scrypt_cost`` is log2 N of ``secrets.key``; less than the default opens only for who asks for it. Raises
    ConfigurationError if the folder already holds something or the passphrase is too short.
    """
    files = (PUBLIC_FILE, ACCOUNT_FILE, TLS_FILE, SECRETS_FILE, _EARLIER_SEALING_FILE)
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise ConfigurationError(
            f"{folder} already holds an identity",
            got=", ".join(there),
            advice="name another folder; nothing was overwritten",
        )
    require_passphrase(passphrase)
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
    sealing = sealing or X25519PrivateKey.generate()
    sealing_public = sealing.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public = PublicIdentity(
        account=Address(signer.address),
        role=role,
        certificate=certificate.public_bytes(serialization.Encoding.DER),
        sealing_key=sealing_public if role is Role.TRUSTEE else bytes(32),
    )
    password = secrets.token_bytes(_TLS_PASSWORD_BYTES)
    secret = sealing.private_bytes_raw() + password
    pem = tls.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(_pem_password(password)),
    )
    create_secret_folder(
        folder,
        {
            ACCOUNT_FILE: json.dumps(Account.encrypt(signer.key, passphrase)).encode(),
            SECRETS_FILE: seal_with_passphrase(secret, passphrase, _purpose(public), cost=scrypt_cost),
            TLS_FILE: pem + certificate.public_bytes(serialization.Encoding.PEM),
            PUBLIC_FILE: public.to_bytes() + b"\n",
        },
    )
    return public


def open_identity(folder: Path, passphrase: str, *, minimum_scrypt_cost: int = SCRYPT_COST) -> Identity:
    """Open an identity folder. Raises KeyFileError or PassphraseError naming the file.

    ``minimum_scrypt_cost`` is the least cost of ``secrets.key`` that is accepted.
    """
    public = PublicIdentity.read(folder)
    if (folder / _EARLIER_SEALING_FILE).exists() and not (folder / SECRETS_FILE).exists():
        raise KeyFileError(
            f"{folder} is an identity folder of an earlier version",
            expected=SECRETS_FILE,
            got=f"{_EARLIER_SEALING_FILE}, which is too weak against guesses at its passphrase",
            advice="make a new identity with `fedtrust identity` and have it registered in place of this one; "
            "a trustee needs a new key ceremony",
        )
    signer = _open_account(folder / ACCOUNT_FILE, public, passphrase)
    path = folder / SECRETS_FILE
    secret = open_with_passphrase(
        _read(path), passphrase, _purpose(public), minimum_cost=minimum_scrypt_cost, what=str(path)
    )
    if len(secret) != _SEALING_BYTES + _TLS_PASSWORD_BYTES:
        raise KeyFileError(f"{path} does not hold what an identity needs", got=f"{len(secret)} bytes")
    sealing = X25519PrivateKey.from_private_bytes(secret[:_SEALING_BYTES])
    return Identity(public, folder, signer, sealing, _pem_password(secret[_SEALING_BYTES:]))


def _open_account(path: Path, public: PublicIdentity, passphrase: str) -> LocalAccount:
    keystore = _read(path)
    try:
        key = Account.decrypt(keystore.decode(), passphrase)
    except UnicodeEncodeError:
        raise PassphraseError(
            "the passphrase is not text in UTF-8", advice="check how it was typed or stored"
        ) from None
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise PassphraseError(
                f"the passphrase does not open {path}", advice="check --passphrase-file or FEDTRUST_PASSPHRASE"
            ) from None
        raise KeyFileError(f"{path} is not an Ethereum keystore") from None
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, NotImplementedError):
        raise KeyFileError(f"{path} is not an Ethereum keystore") from None
    signer: LocalAccount = Account.from_key(key)
    if str(signer.address) != public.account:
        raise KeyFileError(f"{path} belongs to another account", expected=public.account, got=signer.address)
    return signer


def _purpose(public: PublicIdentity) -> str:
    return f"fedtrust/identity/v1/{public.account}"


def _pem_password(password: bytes) -> bytes:
    """Return the password as OpenSSL takes it: hexadecimal, since bytes could hold a zero."""
    return password.hex().encode()


def _no_file(path: Path) -> KeyFileError:
    return KeyFileError(
        f"{path} does not exist", advice="make an identity with `fedtrust identity`, or name its folder"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _no_file(path) from None
