"""The writing half of ``Ledger``, once for every implementation.

Each write becomes a :class:`Step`: the contract call, a key that names what it means ("commit_update:3"), and a
test of whether its effect is on chain already. An implementation only has to carry a step out.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from fedtrust.errors import ConfigurationError
from fedtrust.ledger import effects
from fedtrust.ledger.events import LedgerEvent, ParticipantSuspended, RewardClaimed
from fedtrust.ledger.heads import commitment_transcript
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import (
    Address,
    CommitmentEntry,
    Contribution,
    Deadlines,
    DisputeKind,
    DisputeOutcome,
    PublishedKey,
    RelayedUpdate,
    Role,
    SignedUpdate,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One write: ``function`` and ``arguments`` as in the contract's ABI, ``value`` in units of the asset.

    It goes to the Federation or its Disputes contract, whichever has ``function``. ``value`` is sent along, or if the
    asset is a token, taken from an allowance by the Federation. ``announced`` says that the chain takes it only in a
    later block than that of its announcement.

    ``key`` names the step among all steps of one account on one contract. ``effect`` tells from the chain whether
    nothing is left to do; it raises TransactionError if the step was taken with another content. With ``once`` the
    chain cannot tell and the key alone decides: a key that was carried out is never carried out again.
    """

    key: str
    function: str
    arguments: tuple[object, ...]
    effect: Callable[[LedgerReader], bool]
    value: int = 0
    once: bool = False
    announced: bool = False


class LedgerWrites(LedgerReader, ABC):
    """All writes of the ``Ledger`` protocol, as steps; subclasses implement reading, and how a step is carried out."""

    @property
    @abstractmethod
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""

    @abstractmethod
    def _perform(self, step: Step) -> tuple[LedgerEvent, ...]:
        """Carry ``step`` out unless its effect is there; return the events of the transaction under its key."""

    @abstractmethod
    def _secret(self, key: str) -> bytes:
        """Return 32 bytes that nobody else can guess, always the same for ``key``, also after a restart."""

    def publish_key(self, key: PublishedKey) -> None:
        """Operator: publish the committee's key, once."""
        _require_hash("key_id", key.key_id)
        _require_uint("threshold", key.threshold, 8)
        _require_uint("trustees", key.trustees, 8)
        _require_hash("modulus_hash", key.modulus_hash)
        self._perform(
            Step(
                "publish_key",
                "publishKey",
                (key.key_id, key.threshold, key.trustees, key.modulus_hash),
                lambda reader: effects.key_published(reader, key),
            )
        )

    def admit_identity(self, account: Address, role: Role) -> None:
        """Operator: let ``account`` register itself for ``role``, or take over the place of an identity of it."""
        _require_address("account", account)
        self._perform(
            Step(
                f"admit_identity:{account}",
                "admitIdentity",
                (account, int(role)),
                lambda reader: effects.identity_admitted(reader, account, role),
            )
        )

    def revoke_identity(self, account: Address) -> None:
        """Operator: revoke ``account``; its stake is held as if it had left."""
        _require_address("account", account)
        self._perform(
            Step(
                f"revoke_identity:{account}",
                "revokeIdentity",
                (account,),
                lambda reader: effects.identity_revoked(reader, account),
            )
        )

    def register_identity(self, certificate: bytes, sealing_key: bytes) -> None:
        """Admitted account: register the sender and pay its role's stake."""
        _require_hash("sealing_key", sealing_key)
        identity = self.identity(self.account)
        self._perform(
            Step(
                "register_identity",
                "registerIdentity",
                (bytes(certificate), sealing_key),
                lambda reader: effects.identity_registered(reader, self.account, certificate, sealing_key),
                # who was not admitted has no role: the contract says so
                value=0 if identity is None else self.config().stake_of(identity.role),
            )
        )

    def rotate_identity(self, new_account: Address, certificate: bytes, sealing_key: bytes) -> None:
        """Active identity: change the certificate, and hand the place to ``new_account`` if that is another."""
        _require_address("new_account", new_account)
        _require_hash("sealing_key", sealing_key)
        fingerprint = hashlib.sha256(certificate).digest()
        self._perform(
            Step(
                f"rotate_identity:{fingerprint.hex()}",
                "rotateIdentity",
                (new_account, bytes(certificate), sealing_key),
                lambda reader: effects.identity_rotated(reader, self.account, new_account, fingerprint, sealing_key),
            )
        )

    def leave(self) -> None:
        """Active identity: leave; the stake can be released after the unbonding time."""
        self._perform(
            Step(
                "leave",
                "leaveFederation",
                (),
                lambda reader: effects.identity_left(reader, self.account),
            )
        )

    def release_stake(self, account: Address) -> None:
        """Anyone: make the stake of an identity that left or was revoked claimable, after the unbonding time."""
        _require_address("account", account)
        self._perform(
            Step(
                f"release_stake:{account}",
                "releaseStake",
                (account,),
                lambda reader: effects.stake_released(reader, account),
            )
        )

    def resume(self) -> None:
        """Suspended participant: be drawn again."""
        # each suspension can be ended once, so its number names the step
        suspended = (event for event in self.events() if isinstance(event, ParticipantSuspended))
        number = sum(event.account == self.account for event in suspended)
        self._perform(
            Step(
                f"resume:{number}",
                "resume",
                (),
                lambda reader: effects.participant_resumed(reader, self.account),
            )
        )

    def fund_rewards(self, amount: int, label: str) -> None:
        """Add ``amount`` units of the asset to the pool, once per ``label``."""
        _require_uint("amount", amount, 256)
        self._perform(Step(f"fund_rewards:{label}", "fundRewards", (amount,), lambda _: False, value=amount, once=True))

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
        _require_uint("round number", number, 256)
        _require_hash("spec_hash", spec_hash)
        _require_hash("base_model_hash", base_model_hash)
        _require_uint("selected", selected, 256)
        _require_uint("quorum", quorum, 16)
        _require_uint("ciphertexts", ciphertexts, 32)
        moments = (deadlines.commit, deadlines.aggregate, deadlines.finalize)
        for moment in moments:
            _require_uint("deadline", moment, 40)
        content = (spec_hash, base_model_hash, selected, quorum, ciphertexts, deadlines)
        self._perform(
            Step(
                f"open_round:{number}",
                "openRound",
                (number, spec_hash, base_model_hash, selected, quorum, ciphertexts, moments),
                lambda reader: effects.round_opened(reader, self.account, number, content),
            )
        )

    def commit_update(self, number: int, *, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
        """Participant: bind the sender to its encrypted update."""
        _require_update(number, root, ciphertexts, proof_hash)
        self._perform(
            Step(
                f"commit_update:{number}",
                "commitUpdate",
                (number, root, ciphertexts, proof_hash),
                lambda reader: effects.update_committed(reader, self.account, number, root, ciphertexts, proof_hash),
            )
        )

    def relay_updates(self, number: int, updates: Sequence[RelayedUpdate]) -> None:
        """Anyone: relay participants' commitments; the contract leaves out who has committed already."""
        _require_uint("round number", number, 256)
        for update in updates:
            _require_address("participant", update.participant)
            _require_hash("root", update.root)
            _require_hash("proof_hash", update.proof_hash)
        batch = [(each.participant, each.root, each.proof_hash, bytes(each.signature)) for each in updates]
        digest = keccak(encode(["(address,bytes32,bytes32,bytes)[]"], [batch]))
        participants = tuple(each.participant for each in updates)
        self._perform(
            Step(
                f"relay_updates:{number}:{digest.hex()}",
                "relayUpdates",
                (number, tuple(batch)),
                lambda reader: effects.all_committed(reader, number, participants),
            )
        )

    def close_commits(self, number: int) -> None:
        """Anyone: close the commit phase once all selected have committed, or at its deadline with a quorum."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"close_commits:{number}",
                "closeCommits",
                (number,),
                lambda reader: effects.commits_closed(reader, number),
            )
        )

    def take_over(self, number: int) -> None:
        """Standby aggregator: take round ``number`` over after its aggregator missed a deadline."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"take_over:{number}",
                "takeOver",
                (number,),
                lambda reader: effects.round_taken_over(reader, self.account, number),
            )
        )

    def commit_aggregate(self, number: int, *, accepted: int, aggregate_root: bytes) -> None:
        """Aggregator: fix the accepted set and the aggregate."""
        _require_uint("round number", number, 256)
        _require_uint("accepted", accepted, 256)
        _require_hash("aggregate_root", aggregate_root)
        self._perform(
            Step(
                f"commit_aggregate:{number}",
                "commitAggregate",
                (number, accepted, aggregate_root),
                lambda reader: effects.aggregate_committed(reader, self.account, number, accepted, aggregate_root),
            )
        )

    def attest(self, number: int, *, partial_root: bytes) -> None:
        """Trustee: bind the sender to its partial decryption of the committed aggregate."""
        _require_uint("round number", number, 256)
        _require_hash("partial_root", partial_root)
        self._perform(
            Step(
                f"attest:{number}",
                "attest",
                (number, partial_root),
                lambda reader: effects.attested(reader, self.account, number, partial_root),
            )
        )

    def finalize_round(
        self, number: int, *, plaintext_hash: bytes, proof_hash: bytes, model_hash: bytes, result_hash: bytes
    ) -> None:
        """Aggregator: commit the result, once enough trustees attested."""
        _require_uint("round number", number, 256)
        hashes = (plaintext_hash, proof_hash, model_hash, result_hash)
        for value in hashes:
            _require_hash("result hash", value)
        self._perform(
            Step(
                f"finalize_round:{number}",
                "finalizeRound",
                (number, *hashes),
                lambda reader: effects.round_finalized(reader, self.account, number, hashes),
            )
        )

    def abort_round(self, number: int) -> None:
        """Anyone: abort a round that missed its quorum or a deadline, or lost its base or its aggregator."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"abort_round:{number}",
                "abortRound",
                (number,),
                lambda reader: effects.round_aborted(reader, number),
            )
        )

    def settle_round(self, number: int) -> None:
        """Anyone: credit the round's rewards after its challenge window."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"settle_round:{number}",
                "settleRound",
                (number,),
                lambda reader: effects.round_settled(reader, number),
            )
        )

    def void_descendant(self, number: int) -> None:
        """Anyone: void a finalised round whose base round was voided."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"void_descendant:{number}",
                "voidDescendant",
                (number,),
                lambda reader: effects.round_voided(reader, number),
            )
        )

    def expire_reward(self, account: Address) -> None:
        """Anyone: return the rewards that ``account`` did not claim in time to the pool."""
        _require_address("account", account)
        _, expires_at = self.claimable_reward(account)
        self._perform(
            Step(
                f"expire_reward:{account}:{expires_at}",
                "expireReward",
                (account,),
                lambda reader: effects.reward_expired(reader, account, expires_at),
            )
        )

    def claim(self, label: str) -> int:
        """Withdraw all that the sender was credited; returns what was paid, 0 if there was nothing.

        Asked again with a ``label`` that paid, it returns what was paid then and sends nothing.
        """
        events = self._perform(
            Step(
                f"claim:{label}",
                "claim",
                (),
                lambda reader: reader.claimable(self.account) == 0,
                once=True,
            )
        )
        return sum(event.amount for event in events if isinstance(event, RewardClaimed))

    # -------------------------------------------------------------------------------------------------- disputes

    def challenge_aggregate(self, number: int, leaf: int) -> int:
        """Anyone: dispute ciphertext ``leaf`` of round ``number``'s aggregate; returns the dispute's number.

        An account disputes a leaf once: asked again, the first dispute is returned, however it ended.
        """
        _require_uint("leaf", leaf, 32)
        self._challenge(
            f"challenge_aggregate:{number}:{leaf}",
            "challengeAggregate",
            (number, leaf),
            _content(DisputeKind.AGGREGATE, number, ("uint32", leaf)),
            lambda reader: effects.aggregate_challenged(reader, self.account, number, leaf) != 0,
        )
        return effects.aggregate_challenged(self, self.account, number, leaf)

    def multiply(
        self, dispute: int, *, modulus: bytes, product: bytes, start: bytes, contributions: Sequence[Contribution]
    ) -> None:
        """Challenger: multiply more accepted ciphertexts; ``modulus`` is n^2, ``product`` empty at first."""
        _require_uint("dispute", dispute, 256)
        _require_hash("start", start)
        end = start
        for each in contributions:
            _require_commitment(each)
            end = commitment_transcript(end, each.participant, each.root, each.proof_hash)
        rows = tuple(
            (each.participant, each.root, each.proof_hash, bytes(each.ciphertext), tuple(each.path))
            for each in contributions
        )
        self._perform(
            Step(
                f"multiply:{dispute}:{end.hex()}",
                "multiply",
                (dispute, bytes(modulus), bytes(product), start, rows),
                lambda reader: effects.multiplied(reader, dispute, end),
            )
        )

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
        _require_hash("aggregate_root", aggregate_root)
        arguments = (dispute, bytes(modulus), bytes(product), aggregate_root, bytes(ciphertext), tuple(path))
        self._end_dispute("conclude", "conclude", dispute, arguments, DisputeOutcome.PROVEN, DisputeOutcome.FAILED)
        return self.dispute(dispute).outcome

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
        _require_hash("start", start)
        _require_hash("aggregate_root", aggregate_root)
        _require_uint("count", count, 32)
        _require_hash("tree_hash", tree_hash)
        arguments = (dispute, start, _rows(commitments), aggregate_root, count, tree_hash)
        self._end_dispute("prove_wrong_count", "proveWrongCount", dispute, arguments, DisputeOutcome.PROVEN)

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
        """Anyone: demand a ciphertext of an accepted update (the zero address: of the aggregate).

        Returns the dispute's number. An account demands a leaf once, as in :meth:`challenge_aggregate`.
        """
        _require_address("participant", participant)
        _require_uint("leaf", leaf, 32)
        _require_hash("start", start)
        _require_hash("aggregate_root", aggregate_root)
        self._challenge(
            f"challenge_availability:{number}:{participant}:{leaf}",
            "challengeAvailability",
            (number, participant, leaf, start, _rows(commitments), aggregate_root),
            _content(DisputeKind.AVAILABILITY, number, ("address", participant), ("uint32", leaf)),
            lambda reader: effects.availability_challenged(reader, self.account, number, participant, leaf) != 0,
        )
        return effects.availability_challenged(self, self.account, number, participant, leaf)

    def reveal(self, dispute: int, *, ciphertext: bytes, path: Sequence[bytes]) -> None:
        """Anyone: show the demanded ciphertext with its path."""
        arguments = (dispute, bytes(ciphertext), tuple(path))
        self._end_dispute("reveal", "reveal", dispute, arguments, DisputeOutcome.FAILED)

    def expire_dispute(self, dispute: int) -> None:
        """Anyone: end a dispute whose deadline has passed."""
        self._end_dispute("expire_dispute", "expire", dispute, (dispute,), *_ENDED)

    def withdraw_dispute(self, dispute: int) -> None:
        """Anyone: end a dispute about a round that was voided meanwhile; the bond goes back."""
        self._end_dispute("withdraw_dispute", "withdraw", dispute, (dispute,), *_ENDED)

    def challenge_equivocation(
        self, number: int, *, account: Address, first: SignedUpdate, second: SignedUpdate
    ) -> None:
        """Anyone: show two different updates that ``account`` signed for round ``number`` in one epoch."""
        _require_address("account", account)
        signed = tuple(
            (each.epoch, each.root, each.ciphertexts, each.proof_hash, bytes(each.signature))
            for each in (first, second)
        )
        self._challenge(
            f"challenge_equivocation:{number}:{account}",
            "challengeEquivocation",
            (number, account, *signed),
            # with the evidence, so that nobody can announce it in advance who has not seen it
            _content(
                DisputeKind.EQUIVOCATION,
                number,
                ("address", account),
                ("bytes32", keccak(bytes(first.signature))),
                ("bytes32", keccak(bytes(second.signature))),
            ),
            lambda reader: effects.decided_at_once(reader, self.account, number, DisputeKind.EQUIVOCATION, account),
        )

    def challenge_omission(
        self, number: int, *, participant: Address, epoch: int, root: bytes, signature: bytes
    ) -> None:
        """Anyone: show the aggregator's receipt for an update that it left out of the accepted set."""
        _require_address("participant", participant)
        _require_uint("epoch", epoch, 32)
        _require_hash("root", root)
        self._challenge(
            f"challenge_omission:{number}:{participant}",
            "challengeOmission",
            (number, participant, epoch, root, bytes(signature)),
            _content(DisputeKind.OMISSION, number, ("address", participant), ("bytes32", keccak(bytes(signature)))),
            # one is enough: the aggregator has no more to lose
            lambda reader: effects.decided_at_once(reader, self.account, number, DisputeKind.OMISSION),
        )

    def _challenge(
        self,
        key: str,
        function: str,
        arguments: tuple[object, ...],
        content: bytes,
        effect: Callable[[LedgerReader], bool],
    ) -> None:
        """Announce a dispute by the hash of its ``content``, then bring it, with the bond; the salt comes last."""
        _require_uint("round number", arguments[0], 256)
        if effect(self):
            return
        # nobody can tell from the announcement what will be disputed, and a restart finds the same salt
        salt = keccak(self._secret("announcements") + keccak(content))
        announcement = keccak(encode(["address", "bytes32", "bytes32"], [self.account, keccak(content), salt]))
        self._perform(
            Step(
                f"announce:{announcement.hex()}",
                "announce",
                (announcement,),
                lambda reader: effects.dispute_announced(reader, self.account, announcement),
            )
        )
        bond = self.config().dispute_bond
        self._perform(Step(key, function, (*arguments, salt), effect, value=bond, announced=True))

    def _end_dispute(
        self, step: str, function: str, dispute: int, arguments: tuple[object, ...], *outcomes: DisputeOutcome
    ) -> None:
        """Perform what leaves ``dispute`` with one of these ``outcomes``."""
        _require_uint("dispute", dispute, 256)
        self._perform(
            Step(
                f"{step}:{dispute}",
                function,
                arguments,
                lambda reader: reader.dispute(dispute).outcome in outcomes,
            )
        )


_ENDED: Final = (DisputeOutcome.PROVEN, DisputeOutcome.FAILED, DisputeOutcome.MOOT)


def _require_uint(name: str, value: object, bits: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise ConfigurationError(
            f"{name} does not fit the contract", expected=f"an unsigned integer of {bits} bits", got=value
        )


def _require_hash(name: str, value: bytes) -> None:
    if not isinstance(value, bytes) or len(value) != 32:
        got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
        raise ConfigurationError(f"{name} does not fit the contract", expected="32 bytes", got=got)


def _require_address(name: str, value: str) -> None:
    if not is_checksum_address(value):
        raise ConfigurationError(
            f"{name} is not an account address", expected="an EIP-55 checksummed address", got=value
        )


def _require_update(number: int, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
    _require_uint("round number", number, 256)
    _require_hash("root", root)
    _require_uint("ciphertexts", ciphertexts, 32)
    _require_hash("proof_hash", proof_hash)


def _content(kind: DisputeKind, number: int, *fields: tuple[str, object]) -> bytes:
    """Return what ``IDisputes.announce`` says the content of a dispute is."""
    return encode(["uint8", "uint256", *(name for name, _ in fields)], [int(kind), number, *(v for _, v in fields)])


def _require_commitment(entry: CommitmentEntry | Contribution) -> None:
    _require_address("participant", entry.participant)
    _require_hash("root", entry.root)
    _require_hash("proof_hash", entry.proof_hash)


def _rows(commitments: Sequence[CommitmentEntry]) -> tuple[tuple[Address, bytes, bytes], ...]:
    for entry in commitments:
        _require_commitment(entry)
    return tuple((entry.participant, entry.root, entry.proof_hash) for entry in commitments)
