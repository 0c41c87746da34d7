"""A secret under a passphrase: scrypt (RFC 7914) and AES-256-GCM.

    4 bytes   magic FTKF
    1 byte    version (1)
    1 byte    scrypt cost: N = 2^cost
    2 bytes   scrypt block size r, big-endian (8)
    1 byte    scrypt parallelism p (1)
    32 bytes  salt
    1 byte    length of the purpose, then the purpose in printable ASCII
    rest      ciphertext with its 16-byte tag

Everything before the ciphertext is authenticated with it. scrypt gives AES's key and nonce at once: the salt is fresh
for every file, so one key seals one message. The purpose says what the secret is for, and whose it is; a file made
for one purpose does not open for another.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedtrust.errors import ConfigurationError, KeyFileError, PassphraseError

MINIMUM_PASSPHRASE = 8
"""Shortest passphrase in characters that anything is put under."""
SCRYPT_COST = 17
"""N = 2^17 with r = 8, p = 1: 128 MiB and about 0.3 s for each guess (the OWASP recommendation)."""
MINIMUM_SCRYPT_COST = 14
"""The least that a caller may ask for (RFC 7914's interactive setting): 16 MiB. For tests."""
MAXIMUM_SCRYPT_COST = 18
"""The most that opening a file may cost, whoever wrote its header: 256 MiB."""
MAXIMUM_SECRET_BYTES = 1 << 16

_MAGIC = b"FTKF"
_VERSION = 1
_BLOCK_SIZE, _PARALLELISM = 8, 1
_SALT_BYTES, _KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 32, 12, 16
_SALT_AT = len(_MAGIC) + 5
_PURPOSE_AT = _SALT_AT + _SALT_BYTES + 1
_PURPOSE = re.compile(r"[ -~]{1,255}")


@dataclass(frozen=True, slots=True)
class KeyFileHeader:
    """What a key file says of itself to anybody: what it is for, and what a guess at its passphrase costs."""

    purpose: str
    cost: int
    salt: bytes
    length: int  # of the header in bytes

    @classmethod
    def read(cls, data: bytes, what: str = "the key file") -> KeyFileHeader:
        """Parse the header of a key file and check every field. Raises KeyFileError naming ``what``.

        Nothing in it is authentic before the file has been opened.
        """
        if len(data) < _PURPOSE_AT or data[: len(_MAGIC)] != _MAGIC:
            raise KeyFileError(
                f"{what} is not a key file",
                expected=f"a file that starts with {_MAGIC.decode()}",
                got=f"{len(data)} bytes that start with {data[:4].hex() or 'nothing'}",
                advice="name the right file, or restore it from a copy",
            )
        version, cost, parallelism = data[4], data[5], data[8]
        block_size = int.from_bytes(data[6:8], "big")
        if version != _VERSION:
            raise KeyFileError(
                f"{what} is of another version", expected=_VERSION, got=version, advice="use the release that made it"
            )
        # Bounded before anything is computed: a strange file may neither exhaust memory nor be weaker than it looks.
        if not (
            MINIMUM_SCRYPT_COST <= cost <= MAXIMUM_SCRYPT_COST
            and block_size == _BLOCK_SIZE
            and parallelism == _PARALLELISM
        ):
            raise KeyFileError(
                f"{what} asks for scrypt parameters that are not admitted",
                expected=f"N from 2^{MINIMUM_SCRYPT_COST} to 2^{MAXIMUM_SCRYPT_COST}, "
                f"r = {_BLOCK_SIZE}, p = {_PARALLELISM}",
                got=f"N = 2^{cost}, r = {block_size}, p = {parallelism}",
                advice="restore the file from a copy",
            )
        end = _PURPOSE_AT + data[_PURPOSE_AT - 1]
        purpose = data[_PURPOSE_AT:end].decode("latin-1")
        if (
            not _PURPOSE.fullmatch(purpose)
            or not end + _TAG_BYTES <= len(data) <= end + MAXIMUM_SECRET_BYTES + _TAG_BYTES
        ):
            raise KeyFileError(
                f"{what} is truncated, too long or malformed",
                expected="a purpose in printable ASCII, then a ciphertext with its tag",
                got=f"{len(data)} bytes",
                advice="restore the file from a copy",
            )
        return cls(purpose, cost, data[_SALT_AT : _PURPOSE_AT - 1], end)


def require_passphrase(passphrase: str) -> None:
    """Check that a secret may be put under ``passphrase``. Raises ConfigurationError if it is too short."""
    _text(passphrase)
    if len(passphrase) < MINIMUM_PASSPHRASE:
        raise ConfigurationError(
            f"the passphrase is shorter than {MINIMUM_PASSPHRASE} characters", advice="take a longer one"
        )


def seal_with_passphrase(secret: bytes, passphrase: str, purpose: str, *, cost: int = SCRYPT_COST) -> bytes:
    """Return the key file of ``secret`` (at most 64 KiB) under ``passphrase`` for ``purpose``.

    ``cost`` is log2 of scrypt's N; a file of less than the default opens only for who asks for it. Raises
    ConfigurationError for a short passphrase or arguments out of range, PassphraseError for one that is not text.
    """
    require_passphrase(passphrase)
    _require_cost(cost)
    if not _PURPOSE.fullmatch(purpose) or len(secret) > MAXIMUM_SECRET_BYTES:
        raise ConfigurationError(
            "this cannot be put into a key file",
            expected=f"a purpose in printable ASCII, at most 255; a secret of at most {MAXIMUM_SECRET_BYTES} bytes",
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    head = _MAGIC + bytes([_VERSION, cost]) + _BLOCK_SIZE.to_bytes(2, "big") + bytes([_PARALLELISM])
    head += salt + bytes([len(purpose)]) + purpose.encode("ascii")
    cipher, nonce = _cipher(passphrase, salt, cost)
    return head + cipher.encrypt(nonce, secret, head)


def open_with_passphrase(
    data: bytes, passphrase: str, purpose: str, *, minimum_cost: int = SCRYPT_COST, what: str = "the key file"
) -> bytes:
    """Return the secret of a key file.

    ``minimum_cost`` is the least scrypt cost (log2 N) that is accepted; ``what`` names the file in errors. Raises
    KeyFileError for a file that is malformed, weaker, or for another purpose, PassphraseError for a wrong passphrase or
    an altered file: the two cannot be told apart.
    """
    _require_cost(minimum_cost)
    header = KeyFileHeader.read(data, what)
    if header.purpose != purpose:
        raise KeyFileError(
            f"{what} is for another purpose", expected=purpose, got=header.purpose, advice="name the right file"
        )
    if header.cost < minimum_cost:
        raise KeyFileError(
            f"{what} is weaker than it should be",
            expected=f"scrypt with N = 2^{minimum_cost} or more",
            got=f"N = 2^{header.cost}",
            advice="make it again with the default cost",
        )
    cipher, nonce = _cipher(passphrase, header.salt, header.cost)
    try:
        return cipher.decrypt(nonce, data[header.length :], data[: header.length])
    except InvalidTag:
        raise PassphraseError(
            f"the passphrase does not open {what}",
            advice="check the passphrase; if it is right, the file was altered: restore it from a copy",
        ) from None


def _require_cost(cost: int) -> None:
    if isinstance(cost, bool) or not isinstance(cost, int) or not MINIMUM_SCRYPT_COST <= cost <= MAXIMUM_SCRYPT_COST:
        raise ConfigurationError(
            "scrypt cost is out of range", expected=f"{MINIMUM_SCRYPT_COST} to {MAXIMUM_SCRYPT_COST}", got=repr(cost)
        )


def _text(passphrase: str) -> bytes:
    # Looked for, not caught: an error of the codec would carry the passphrase.
    if any("\ud800" <= character <= "\udfff" for character in passphrase):
        raise PassphraseError("the passphrase is not text in UTF-8", advice="check how it was typed or stored")
    return passphrase.encode("utf-8")


def _cipher(passphrase: str, salt: bytes, cost: int) -> tuple[AESGCM, bytes]:
    derived = Scrypt(salt=salt, length=_KEY_BYTES + _NONCE_BYTES, n=1 << cost, r=_BLOCK_SIZE, p=_PARALLELISM).derive(
        _text(passphrase)
    )
    return AESGCM(derived[:_KEY_BYTES]), derived[_KEY_BYTES:]
