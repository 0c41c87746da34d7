"""The ``Ledger`` interface: everything the rest of the system may ask of a chain.

Two implementations, one conformance suite: ``web3_ledger.Web3Ledger`` and ``memory.MemoryLedger``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import (
    Address,
    CommitmentEntry,
    Contribution,
    Deadlines,
    Dispute,
    DisputeOutcome,
    Draw,
    FederationConfig,
    Identity,
    PublishedKey,
    RelayedUpdate,
    Reputation,
    Role,
    RoundState,
    SignedUpdate,
    Status,
)


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
        """Return the identity of ``account`` (admitted, retired and revoked ones too), or None."""

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all that ever registered, by role, index and epoch; only those of ``role`` if given.

        Several accounts may have had one index: all but the last are RETIRED.
        """

    def reputation(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``; all zero if there is none."""

    def eligible(self) -> int:
        """Return the bitmap of the participants that can be drawn: active and not suspended."""

    def draw(self) -> Draw:
        """Return the selection for the next round as the contract would require it in the next block."""

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none was opened."""

    def round(self, number: int) -> RoundState:
        """Return round ``number`` (1-based). Raises RoundError if it was never opened.

        Raises LedgerInconsistentError if the round's events do not lead to what the contract stores.
        """

    def head(self, number: int) -> bytes:
        """Return the hash-chained head after round ``number``, zero until it ended.

        head(0) is the last head of the predecessor, 32 zero bytes without one.
        """

    def verdicts(self) -> bytes:
        """Return the running hash of all voidings; zero before the first."""

    def current_model(self) -> bytes:
        """Return the model hash the next round must start from; zero if round 1 is free to set it."""

    def claimable(self, account: Address) -> int:
        """Return all that ``account`` may withdraw, in units of the asset."""

    def claimable_reward(self, account: Address) -> tuple[int, int]:
        """Return the part of it that is rewards, and the second from which that may be returned to the pool."""

    def reward_pool(self) -> int:
        """Return what is in the pool and reserved by no round, in units of the asset."""

    def total_stake(self) -> int:
        """Return all that is staked, by whomever, in units of the asset."""

    def dispute(self, number: int) -> Dispute:
        """Return dispute ``number`` (1-based). Raises LedgerError if there is none."""

    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all confirmed events of both contracts from ``from_block`` on, in chain order."""

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

    def admit_identity(self, account: Address, role: Role) -> None:
        """Operator: let ``account`` register itself for ``role``, or take over the place of an identity of it."""

    def revoke_identity(self, account: Address) -> None:
        """Operator: revoke ``account``; its stake is held as if it had left."""

    def register_identity(self, certificate: bytes, sealing_key: bytes) -> None:
        """Admitted account: register the sender and pay its role's stake (a token's is approved first).

        ``certificate`` is DER, ``sealing_key`` 32 bytes, zero if it has none.
        """

    def rotate_identity(self, new_account: Address, certificate: bytes, sealing_key: bytes) -> None:
        """Active identity: change the certificate, and hand the place to ``new_account`` if that is another."""

    def leave(self) -> None:
        """Active identity: leave; the stake can be released after the unbonding time."""

    def release_stake(self, account: Address) -> None:
        """Anyone: make the stake of an identity that left or was revoked claimable, after the unbonding time."""

    def resume(self) -> None:
        """Suspended participant: be drawn again."""

    def fund_rewards(self, amount: int, label: str) -> None:
        """Add ``amount`` units of the asset to the pool, once per ``label`` (a token's are approved first)."""

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

    def relay_updates(self, number: int, updates: Sequence[RelayedUpdate]) -> None:
        """Anyone: relay participants' commitments with their EIP-712 signatures, in one transaction.

        What is on chain already is left out.
        """

    def close_commits(self, number: int) -> None:
        """Anyone: close the commit phase once all selected have committed, or at its deadline with a quorum."""

    def take_over(self, number: int) -> None:
        """Standby aggregator: take round ``number`` over after its aggregator missed a deadline."""

    def commit_aggregate(self, number: int, *, accepted: int, aggregate_root: bytes) -> None:
        """Aggregator: fix the accepted set and the aggregate."""

    def attest(self, number: int, *, partial_root: bytes) -> None:
        """Trustee: bind the sender to its partial decryption of the committed aggregate."""

    def finalize_round(
        self, number: int, *, plaintext_hash: bytes, proof_hash: bytes, model_hash: bytes, result_hash: bytes
    ) -> None:
        """Aggregator: commit the result, once enough trustees attested."""

    def abort_round(self, number: int) -> None:
        """Anyone: abort a round that missed its quorum or a deadline, or lost its base or its aggregator."""

    def settle_round(self, number: int) -> None:
        """Anyone: credit the round's rewards after its challenge window."""

    def void_descendant(self, number: int) -> None:
        """Anyone: void a finalised round whose base round was voided."""

    def claim(self, label: str) -> int:
        """Withdraw all that the sender was credited; returns what was paid, 0 if there was nothing."""

    def expire_reward(self, account: Address) -> None:
        """Anyone: return the rewards that ``account`` did not claim in time to the pool."""

    def challenge_aggregate(self, number: int, leaf: int) -> int:
        """Anyone: dispute ciphertext ``leaf`` of round ``number``'s aggregate; pays the bond, returns the dispute.

        This and all other challenges are announced first and brought in a later block.
        """

    def multiply(
        self, dispute: int, *, modulus: bytes, product: bytes, start: bytes, contributions: Sequence[Contribution]
    ) -> None:
        """Challenger: multiply more accepted ciphertexts; ``modulus`` is n^2, ``product`` empty at first."""

    def conclude(
        self,
        dispute: int,
        *,
        modulus: bytes,
        product: bytes,
        aggregate_root: bytes,
        ciphertext: bytes,
        path: Sequence[bytes],
    ) -> DisputeOutcome:
        """Challenger: compare the product of all with the aggregate's ciphertext; returns PROVEN or FAILED."""

    def prove_wrong_count(
        self,
        dispute: int,
        *,
        start: bytes,
        commitments: Sequence[CommitmentEntry],
        aggregate_root: bytes,
        count: int,
        tree_hash: bytes,
    ) -> None:
        """Challenger: show that a root keeps ``count`` leaves, not as many as the round; ends the dispute."""

    def challenge_availability(
        self,
        number: int,
        *,
        participant: Address,
        leaf: int,
        start: bytes,
        commitments: Sequence[CommitmentEntry],
        aggregate_root: bytes,
    ) -> int:
        """Anyone: demand a ciphertext of an accepted update (the zero address: of the aggregate); returns the dispute.

        Pays the bond, which goes to who shows the ciphertext.
        """

    def reveal(self, dispute: int, *, ciphertext: bytes, path: Sequence[bytes]) -> None:
        """Anyone: show the demanded ciphertext with its path."""

    def expire_dispute(self, dispute: int) -> None:
        """Anyone: end a dispute whose deadline has passed."""

    def withdraw_dispute(self, dispute: int) -> None:
        """Anyone: end a dispute about a round that was voided meanwhile; the bond goes back."""

    def challenge_equivocation(
        self, number: int, *, account: Address, first: SignedUpdate, second: SignedUpdate
    ) -> None:
        """Anyone: show two different updates that ``account`` signed for round ``number`` in one epoch."""

    def challenge_omission(
        self, number: int, *, participant: Address, epoch: int, root: bytes, signature: bytes
    ) -> None:
        """Anyone: show the aggregator's receipt for an update that it left out of the accepted set."""


def role_members(identities: Sequence[Identity], bitmap: int) -> tuple[Identity, ...]:
    """Return the present holders of the indices that are set in ``bitmap``, by index (all of one role)."""
    present = (i for i in identities if i.status not in (Status.ADMITTED, Status.RETIRED))
    return tuple(i for i in sorted(present, key=lambda i: i.index) if bitmap >> i.index & 1)
