"""Identity folders and committee keys for tests with real processes: made once, used by many federations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

from eth_account import Account

from fedtrust.crypto.ceremony import TrusteeIdentity, run_ceremony
from fedtrust.crypto.key_file import MINIMUM_SCRYPT_COST
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.learning.heart import HOSPITALS
from fedtrust.ledger.devnet import development_keys
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.identity import Identity, PublicIdentity, create_identity, open_identity
from tests.fixtures.keys import test_primes

PASSPHRASE = "correct horse battery staple"
TRUSTEES = tuple(f"trustee-{i}" for i in range(1, 6))
KEY_BITS = 2048
_LIGHT_SCRYPT = 2


@dataclass(frozen=True, slots=True)
class People:
    """Identity folders under one passphrase, by name, and the keys of committees of their trustees."""

    folder: Path

    @property
    def passphrase_file(self) -> Path:
        return self.folder / "passphrase"

    def identity(self, name: str) -> Path:
        return self.folder / name

    def public(self, name: str) -> PublicIdentity:
        return PublicIdentity.read(self.identity(name))

    def account(self, name: str) -> Address:
        return self.public(name).account

    def open(self, name: str) -> Identity:
        with light_key_files():
            return open_identity(self.identity(name), PASSPHRASE)

    def committee(self, threshold: int, trustees: int) -> Path:
        """Return the folder with manifest.json and the sealed shares of a committee of the first trustees."""
        folder = self.folder / f"key-{threshold}-of-{trustees}"
        if not folder.exists():
            identities = [self.public(name) for name in TRUSTEES[:trustees]]
            made = run_ceremony(
                [TrusteeIdentity(i.account, i.sealing_key) for i in identities],
                threshold,
                primes=test_primes(KEY_BITS),
            )
            folder.mkdir()
            (folder / "manifest.json").write_bytes(made.manifest.to_bytes())
            for index, sealed in enumerate(made.sealed_shares, start=1):
                (folder / f"share-{index}.sealed").write_bytes(sealed)
        return folder

    def manifest(self, threshold: int, trustees: int) -> KeyManifest:
        return KeyManifest.from_bytes((self.committee(threshold, trustees) / "manifest.json").read_bytes())


@cache
def make_people(folder: Path, trustees: int = 5, hospitals: Sequence[str] = HOSPITALS) -> People:
    """Make identities in ``folder``: two aggregators, trustees, hospitals; all cheap to open.

    Operator and watcher have funded development accounts; nobody else has anything.
    """
    roles = {"operator": Role.NONE, "watcher": Role.NONE, "aggregator": Role.AGGREGATOR, "standby": Role.AGGREGATOR}
    roles |= dict.fromkeys(TRUSTEES[:trustees], Role.TRUSTEE) | dict.fromkeys(hospitals, Role.PARTICIPANT)
    folder.mkdir(parents=True)
    people = People(folder)
    people.passphrase_file.write_text(PASSPHRASE + "\n")
    funded = dict(zip(("operator", "watcher"), development_keys(2), strict=True))
    with cheap_keystores():
        for name, role in roles.items():
            create_identity(
                people.identity(name),
                role,
                PASSPHRASE,
                private_key=funded.get(name),
                scrypt_cost=MINIMUM_SCRYPT_COST,
            )
    return people


@contextmanager
def cheap_keystores() -> Iterator[None]:
    """Make keystores with a cheap scrypt: the same format, opened in no time.

    Dozens of processes open these folders. What a keystore costs (0.8 s) is paid in tests/nodes and in the demo.
    """
    encrypt = Account.encrypt
    with mock.patch.object(Account, "encrypt", lambda key, text: encrypt(key, text, iterations=_LIGHT_SCRYPT)):
        yield


@contextmanager
def light_key_files() -> Iterator[None]:
    """Let commands of this process open key files that cost the least there is, as those of ``make_people`` do.

    Who refuses such files, and what opening any other costs, is the business of tests/nodes.
    """
    with mock.patch.dict(open_identity.__kwdefaults__, minimum_scrypt_cost=MINIMUM_SCRYPT_COST):
        yield
