"""Sealed and encrypted secrets: what opens must be what was sealed."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz

from fedtrust.crypto.ceremony import open_share
from fedtrust.crypto.key_file import open_with_passphrase, seal_with_passphrase
from fedtrust.crypto.sealing import open_sealed, seal
from fedtrust.crypto.single_holder import SingleHolderKey
from tests.fixtures.keys import test_primes
from tests.protocol.protocol_fixtures import ceremony

PASSPHRASE = "a passphrase for tests"


class AcceptedForgeryError(Exception):
    """Something was opened that nobody sealed."""


@cache
def recipient() -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def sealed() -> list[bytes]:
    public = recipient().public_key().public_bytes_raw()
    return [seal(public, b"a secret", b"context"), seal(public, b"", b"context")]


def open_for_recipient(data: bytes) -> object:
    opened = open_sealed(recipient(), data, b"context")
    if data not in sealed():
        raise AcceptedForgeryError
    return opened


def trustee_key() -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(b"trustee-0".rjust(32, b"\x04"))


def open_first_share(data: bytes) -> object:
    made = ceremony()
    opened = open_share(made.manifest, 1, data, trustee_key())
    if data != made.sealed_shares[0]:
        raise AcceptedForgeryError
    return opened


@cache
def key_files() -> list[bytes]:
    return [seal_with_passphrase(b"a secret", PASSPHRASE, "purpose", cost=14)]


def open_key_file(data: bytes) -> object:
    opened = open_with_passphrase(data, PASSPHRASE, "purpose", minimum_cost=14)
    if data not in key_files():
        raise AcceptedForgeryError
    return opened


@cache
def single_holders() -> list[bytes]:
    p, q = test_primes(2048)
    return [SingleHolderKey(mpz(p), mpz(q)).to_bytes(PASSPHRASE, cost=14)]


def open_single_holder(data: bytes) -> object:
    opened = SingleHolderKey.from_bytes(data, PASSPHRASE, minimum_cost=14)
    if data not in single_holders():
        raise AcceptedForgeryError
    return opened
