"""Federations whose members are admitted and registered, on any implementation of ``Ledger``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import ZERO_HASH, Address, PublishedKey, Role

KEY = PublishedKey(
    key_id=hashlib.sha256(b"manifest").digest(),
    threshold=2,
    trustees=3,
    modulus_hash=hashlib.sha256(b"modulus").digest(),
)
"""A key of no committee, for tests that decrypt nothing."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who is to be registered. Without ``certificate`` and ``sealing_key`` it gets made-up ones of its own."""

    account: Address
    role: Role
    certificate: bytes | None = None
    sealing_key: bytes | None = None


def members_of(role: Role, signers: Iterable[LocalAccount]) -> list[Member]:
    """Return members of ``role`` with made-up certificates."""
    return [Member(Address(signer.address), role) for signer in signers]


def certificate_of(account: str) -> bytes:
    """Return the made-up certificate of ``account``."""
    return b"certificate of " + account.encode()


def sealing_key_of(account: str) -> bytes:
    """Return the made-up sealing key of ``account``."""
    return hashlib.sha256(b"sealing key of " + account.encode()).digest()


def register_members(operator: Ledger, ledger_of: Callable[[Address], Ledger], members: Iterable[Member]) -> None:
    """Admit every member as the operator, and register it, with its stake, as itself; in this order."""
    for member in members:
        operator.admit_identity(member.account, member.role)
        trustee = member.role is Role.TRUSTEE
        sealing_key = member.sealing_key or (sealing_key_of(member.account) if trustee else ZERO_HASH)
        ledger_of(member.account).register_identity(member.certificate or certificate_of(member.account), sealing_key)


def registered_federation(
    operator: Ledger,
    ledger_of: Callable[[Address], Ledger],
    members: Iterable[Member],
    *,
    key: PublishedKey = KEY,
    pool: int = 0,
) -> None:
    """Make a new contract a federation: its members registered, its key published, ``pool`` in its reward pool."""
    register_members(operator, ledger_of, members)
    operator.publish_key(key)
    if pool:
        operator.fund_rewards(pool, "pool")
