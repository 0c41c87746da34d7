"""The ``Ledger`` interface: everything the rest of the system may ask of a chain.

Two implementations, one conformance suite: ``web3_ledger.Web3Ledger`` and ``memory.MemoryLedger``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import Address, Deadlines, FederationConfig, Identity, PublishedKey, Role, RoundState


class LedgerReader(Protocol):
    """The reading half: all that an auditor needs. Reads are as of the latest confirmed block."""

    @property
    def chain_id(self) -> int:
        """The chain id, from the endpoint."""

    @property
    def contract(self) -> Address:
        """The Federation contract's address."""

    def config(self) -> FederationConfig:
        """Return the contract's immutable configuration."""

    def key(self) -> PublishedKey | None:
        """Return the published committee key, or None before the operator published one."""

    def identity(self, account: Address) -> Identity | None:
        """Return the identity registered for ``account`` (revoked ones too), or None."""

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all identities ever registered, by role and then index; only those of ``role`` if given."""

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none was opened."""

    def round(self, number: int) -> RoundState:
        """Return round ``number`` (1-based). Raises RoundError if it was never opened."""

    def head(self, number: int) -> bytes:
        """Return the hash-chained head after round ``number``; head(0) is 32 zero bytes."""

    def current_model(self) -> bytes:
        """Return the model hash the next round must start from; zero before round 1 was opened."""

    def claimable(self, account: Address) -> int:
        """Return the wei that ``account`` may claim."""

    def reward_pool(self) -> int:
        """Return the wei in the pool that no round has reserved."""

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all confirmed events of the contract from ``from_block`` on, in chain order."""

    def block_number(self) -> int:
        """Return the number of the newest confirmed block."""

    def block_hash(self, number: int) -> bytes:
        """Return the 32-byte hash of block ``number``."""

    def now(self) -> int:
        """Return the chain's present in seconds: the newest (pending included) block timestamp."""


class Ledger(LedgerReader, Protocol):
    """The writing half, bound to one sending account.

    Every write is idempotent by its meaning: asked again, also after a crash and restart, it sends nothing new when
    its effect is already on chain by this account, and re-broadcasts the same signed transaction when one is in
    flight. It returns when the transaction is confirmed and raises TransactionError with the contract's reason when
    it is refused.
    """

    @property
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""

    def publish_key(self, key: PublishedKey) -> None:
        """Operator: publish the committee's key, once."""

    def register_identity(self, account: Address, role: Role, certificate: bytes, sealing_key: bytes) -> None:
        """Operator: admit ``account``; ``certificate`` is DER, ``sealing_key`` 32 bytes (zero if none)."""

    def revoke_identity(self, account: Address) -> None:
        """Operator: revoke ``account``."""

    def fund_rewards(self, amount: int, label: str) -> None:
        """Add ``amount`` wei to the pool, once per ``label``."""

    def open_round(
        self,
        number: int,
        *,
        spec_hash: bytes,
        base_model_hash: bytes,
        selected: int,
        quorum: int,
        ciphertexts: int,
        deadlines: Deadlines,
    ) -> None:
        """Aggregator: open round ``number``, which must be last_round() + 1."""

    def commit_update(self, number: int, *, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
        """Participant: bind the sender to its encrypted update."""

    def commit_update_for(
        self,
        number: int,
        participant: Address,
        *,
        root: bytes,
        ciphertexts: int,
        proof_hash: bytes,
        signature: bytes,
    ) -> None:
        """Anyone: relay a participant's commitment with its EIP-712 signature."""

    def close_commits(self, number: int) -> None:
        """Anyone: close the commit phase once all selected have committed, or at its deadline with a quorum."""

    def commit_aggregate(self, number: int, *, accepted: int, aggregate_root: bytes) -> None:
        """Aggregator: fix the accepted set and the aggregate."""

    def attest(self, number: int, *, partial_root: bytes) -> None:
        """Trustee: bind the sender to its partial decryption of the committed aggregate."""

    def finalize_round(
        self, number: int, *, plaintext_hash: bytes, proof_hash: bytes, model_hash: bytes, result_hash: bytes
    ) -> None:
        """Aggregator: commit the result, once enough trustees attested."""

    def abort_round(self, number: int) -> None:
        """Anyone: abort a round that missed its quorum or a deadline."""

    def settle_round(self, number: int) -> None:
        """Anyone: credit the round's rewards after its challenge window."""

    def claim(self, label: str) -> int:
        """Withdraw what the sender was credited; returns the wei paid, 0 if there was nothing."""


def role_members(identities: Sequence[Identity], bitmap: int) -> tuple[Identity, ...]:
    """Return the identities (all of one role) whose index is set in ``bitmap``, by index."""
    return tuple(i for i in sorted(identities, key=lambda i: i.index) if bitmap >> i.index & 1)
