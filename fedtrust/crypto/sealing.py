"""Sealing a secret to one recipient's X25519 key: ephemeral Diffie-Hellman, HKDF-SHA256, AES-256-GCM.

    1 byte    version (1)
    32 bytes  ephemeral public key
    rest      ciphertext with its 16-byte tag

The key and nonce are derived from the shared secret, both public keys and the context, so a sealed secret opens only
with the recipient's key and for the purpose it was sealed for. (The shape of HPKE's base mode, RFC 9180, not its
wire format.)
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedtrust.crypto.encoding import int_to_fixed
from fedtrust.errors import KeyFileError

_VERSION = b"\x01"
_DOMAIN = b"fedtrust/seal/v1"
_PUBLIC_BYTES = 32
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16


def _cipher(shared: bytes, ephemeral: bytes, recipient: bytes, context: bytes) -> tuple[AESGCM, bytes]:
    # Fixed-width public keys and a length make the info string unambiguous. One key seals one message.
    info = _DOMAIN + ephemeral + recipient + int_to_fixed(len(context), 8) + context
    okm = HKDF(algorithm=SHA256(), length=_KEY_BYTES + _NONCE_BYTES, salt=None, info=info).derive(shared)
    return AESGCM(okm[:_KEY_BYTES]), okm[_KEY_BYTES:]


def seal(recipient_public: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Return ``plaintext`` sealed to the raw X25519 key ``recipient_public`` for ``context``.

    Raises KeyFileError if the recipient's key is malformed or of small order.
    """
    private = X25519PrivateKey.generate()
    ephemeral = private.public_key().public_bytes_raw()
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(recipient_public))
    except (ValueError, TypeError):
        raise KeyFileError(
            "recipient's sealing key is not usable", expected="a 32-byte X25519 public key", advice="register a new key"
        ) from None
    cipher, nonce = _cipher(shared, ephemeral, recipient_public, context)
    return _VERSION + ephemeral + cipher.encrypt(nonce, plaintext, context)


def open_sealed(private_key: X25519PrivateKey, sealed: bytes, context: bytes) -> bytes:
    """Return the plaintext of ``sealed``.

    Raises KeyFileError if it was sealed to another key or for another context, or was altered.
    """
    head = len(_VERSION) + _PUBLIC_BYTES
    if len(sealed) < head + _TAG_BYTES or sealed[:1] != _VERSION:
        raise KeyFileError(
            "not a sealed secret of this version",
            expected=f"version {_VERSION[0]} and at least {head + _TAG_BYTES} bytes",
            got=f"{len(sealed)} bytes",
        )
    ephemeral = sealed[1:head]
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        cipher, nonce = _cipher(shared, ephemeral, private_key.public_key().public_bytes_raw(), context)
        return cipher.decrypt(nonce, sealed[head:], context)
    except (InvalidTag, ValueError):
        raise KeyFileError(
            "sealed secret does not open with this key",
            expected="a secret sealed to this identity for this purpose",
            advice="check that identity, key and sealed file belong together; ask the dealer for the file again",
        ) from None
