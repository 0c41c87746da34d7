"""How anybody proves that a round was run wrongly; as ``contracts/disputes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from fedtrust.crypto.merkle import merkle_root_of, verify_merkle_path
from fedtrust.crypto.signatures import (
    ReceiptMessage,
    UpdateMessage,
    verify_receipt_signature,
    verify_update_signature,
)
from fedtrust.errors import ProofError
from fedtrust.ledger import events as ev
from fedtrust.ledger.heads import aggregate_hash, commitment_transcript
from fedtrust.ledger.memory_endings import MemoryEndings
from fedtrust.ledger.memory_state import Call, Revert
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    CommitmentEntry,
    Contribution,
    Dispute,
    DisputeKind,
    DisputeOutcome,
    Phase,
    Role,
    RoundState,
    SignedUpdate,
    Status,
)

UNFIT: Final = (1).to_bytes(32, "big")
"""The product's hash once an accepted leaf was unfit to multiply."""

MAXIMUM_MODULUS_BYTES: Final = 1024

CommitmentTuple = tuple[Address, bytes, bytes]
ContributionTuple = tuple[Address, bytes, bytes, bytes, Sequence[bytes]]
SignedUpdateTuple = tuple[int, bytes, int, bytes, bytes]


class MemoryDisputes(MemoryEndings):
    """Announcements, and the four kinds of disputes."""

    # ------------------------------------------------------------------------------------------------ for all kinds

    def announce(self, call: Call, announcement: bytes) -> None:
        """Anyone: announce a dispute."""
        self.state.announcements.setdefault(announcement, call.block)
        call.emit(ev.DisputeAnnounced, challenger=call.sender, announcement=announcement)

    def expire(self, call: Call, number: int) -> None:
        """Anyone: end a dispute after its deadline."""
        current = self._require_open(number)
        if call.timestamp <= current.deadline:
            raise Revert("DisputeStillRunning", number, current.deadline)
        disputed = self._undecided_round(current.round)
        if current.kind is DisputeKind.AVAILABILITY:
            self._prove(call, current, disputed.aggregator, attested=False)
        else:
            self._close(call, current, DisputeOutcome.FAILED)
            self._credit_bond(call, None)

    def withdraw(self, call: Call, number: int) -> None:
        """Anyone: end a dispute about a round that was voided meanwhile."""
        current = self._require_open(number)
        if self.state.rounds[current.round - 1].phase is not Phase.VOIDED:
            raise Revert("DisputeNotMoot", number)
        self._close(call, current, DisputeOutcome.MOOT)
        self._credit_bond(call, current.challenger)

    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""
        return sum(each.round == number and each.outcome is DisputeOutcome.OPEN for each in self.state.disputes)

    # -------------------------------------------------------------------------------------------- a wrong aggregate

    def challenge_aggregate(self, call: Call, number: int, leaf: int, salt: bytes) -> None:
        """Anyone, with a bond: dispute one ciphertext of the aggregate."""
        disputed = self._disputable_round(call, number, with_aggregate=True)
        self._require_leaf(disputed, leaf)
        content = encode(["uint8", "uint256", "uint32"], [int(DisputeKind.AGGREGATE), number, leaf])
        self._use_announcement(call, content, salt)
        opened = self._open_dispute(call, DisputeKind.AGGREGATE, number, leaf)
        call.emit(
            ev.AggregateChallenged,
            dispute=opened.number,
            round=number,
            challenger=call.sender,
            leaf=leaf,
            deadline=opened.deadline,
        )
        self._take_bond(call)

    def multiply(
        self,
        call: Call,
        number: int,
        modulus: bytes,
        product: bytes,
        start: bytes,
        contributions: Sequence[ContributionTuple],
    ) -> None:
        """The challenger: multiply more of the accepted ciphertexts, in the order of the commitments."""
        current = self._require_yours(call, number)
        disputed = self._undecided_round(current.round)
        if current.transcript not in (ZERO_HASH, start):
            raise Revert("DisputeWrongCommitments", current.round)
        self._require_modulus(modulus)
        self._require_product_so_far(modulus, product, current)
        factor_of_all = int.from_bytes(product, "big")
        current = replace(current, transcript=start)
        for participant, root, proof_hash, ciphertext, path in contributions:
            each = Contribution(participant, root, proof_hash, ciphertext, tuple(path))
            transcript = commitment_transcript(current.transcript, participant, root, proof_hash)
            current = replace(current, transcript=transcript)
            if current.product_hash == UNFIT or not self._is_among(participant, disputed.accepted):
                continue
            _require_path(root, disputed.ciphertexts, current.leaf, ciphertext, each.path)
            _require_odd_words(modulus)
            if len(ciphertext) != len(modulus) or ciphertext >= modulus:
                product_hash = UNFIT
            else:
                factor = int.from_bytes(ciphertext, "big")
                order = int.from_bytes(modulus, "big")
                factor_of_all = factor if current.counted == 0 else factor_of_all * factor % order
                product_hash = keccak(factor_of_all.to_bytes(len(modulus), "big"))
            current = replace(current, counted=current.counted + 1, product_hash=product_hash)
        self._write_dispute(current)

    def conclude(
        self,
        call: Call,
        number: int,
        modulus: bytes,
        product: bytes,
        aggregate_root: bytes,
        ciphertext: bytes,
        path: Sequence[bytes],
    ) -> None:
        """The challenger, when all are multiplied: compare the product with the aggregate's ciphertext."""
        current = self._require_yours(call, number)
        disputed = self._undecided_round(current.round)
        self._require_aggregate(disputed, current.transcript, aggregate_root)
        if current.product_hash != UNFIT:
            if current.counted != disputed.accepted.bit_count():
                raise Revert("DisputeIncomplete", number, current.counted, disputed.accepted.bit_count())
            self._require_modulus(modulus)
            if keccak(product) != current.product_hash:
                raise Revert("DisputeWrongProduct", number)
            _require_path(aggregate_root, disputed.ciphertexts, current.leaf, ciphertext, path)
            if ciphertext == product:
                self._close(call, current, DisputeOutcome.FAILED)
                self._credit_bond(call, None)
                return
        self._prove(call, current, disputed.aggregator, attested=True)

    def prove_wrong_count(
        self,
        call: Call,
        number: int,
        start: bytes,
        commitments: Sequence[CommitmentTuple],
        aggregate_root: bytes,
        count: int,
        tree_hash: bytes,
    ) -> None:
        """The challenger: show that an accepted root, or the aggregate's, keeps another number of ciphertexts."""
        current = self._require_yours(call, number)
        disputed = self._undecided_round(current.round)
        entries = [CommitmentEntry(*each) for each in commitments]
        self._require_last(disputed, start, entries, aggregate_root)
        root = aggregate_root
        if entries:
            if not self._is_among(entries[0].participant, disputed.accepted):
                raise Revert("DisputeNotAccepted", disputed.number, entries[0].participant)
            root = entries[0].root
        opened = merkle_root_of(count, tree_hash)
        if opened != root:
            raise Revert("MerkleWrongRoot", root, opened)
        if count == disputed.ciphertexts:
            raise Revert("DisputeRightCount", count)
        self._prove(call, current, disputed.aggregator, attested=True)

    # ------------------------------------------------------------------------------------------------- availability

    def challenge_availability(
        self,
        call: Call,
        number: int,
        participant: Address,
        leaf: int,
        start: bytes,
        commitments: Sequence[CommitmentTuple],
        aggregate_root: bytes,
        salt: bytes,
    ) -> None:
        """Anyone, with a bond: demand that a committed ciphertext is shown."""
        disputed = self._disputable_round(call, number, with_aggregate=True)
        self._require_leaf(disputed, leaf)
        kinds = ["uint8", "uint256", "address", "uint32"]
        content = encode(kinds, [int(DisputeKind.AVAILABILITY), number, participant, leaf])
        self._use_announcement(call, content, salt)
        entries = [CommitmentEntry(*each) for each in commitments]
        self._require_last(disputed, start, entries, aggregate_root)
        root = aggregate_root
        if entries:
            if entries[0].participant != participant:
                raise Revert("DisputeWrongCommitments", number)
            if not self._is_among(participant, disputed.accepted):
                raise Revert("DisputeNotAccepted", number, participant)
            root = entries[0].root
        elif participant != ZERO_ADDRESS:
            raise Revert("DisputeWrongCommitments", number)
        opened = self._write_dispute(
            replace(self._open_dispute(call, DisputeKind.AVAILABILITY, number, leaf), transcript=root)
        )
        call.emit(
            ev.AvailabilityChallenged,
            dispute=opened.number,
            round=number,
            challenger=call.sender,
            participant=participant,
            leaf=leaf,
            deadline=opened.deadline,
        )
        self._take_bond(call)

    def reveal(self, call: Call, number: int, ciphertext: bytes, path: Sequence[bytes]) -> None:
        """Anyone, before the deadline: show the demanded ciphertext."""
        current = self._require_running(call, number, DisputeKind.AVAILABILITY)
        disputed = self._undecided_round(current.round)
        _require_path(current.transcript, disputed.ciphertexts, current.leaf, ciphertext, path)
        call.emit(ev.CiphertextRevealed, dispute=number, sender=call.sender, ciphertext=ciphertext)
        self._close(call, current, DisputeOutcome.FAILED)
        self._credit_bond(call, call.sender)

    # ------------------------------------------------------------------------------------------------- what is signed

    def challenge_equivocation(
        self,
        call: Call,
        number: int,
        account: Address,
        first: SignedUpdateTuple,
        second: SignedUpdateTuple,
        salt: bytes,
    ) -> None:
        """Anyone, with a bond that comes back: show two updates of different content that ``account`` signed."""
        disputed = self._disputable_round(call, number, with_aggregate=False)
        one, other = SignedUpdate(*first), SignedUpdate(*second)
        evidence = [keccak(one.signature), keccak(other.signature)]
        content = encode(
            ["uint8", "uint256", "address", "bytes32", "bytes32"],
            [int(DisputeKind.EQUIVOCATION), number, account, *evidence],
        )
        self._use_announcement(call, content, salt)
        self._require_in_force(disputed, account, one.epoch, other.epoch)
        if (one.root, one.ciphertexts, one.proof_hash) == (other.root, other.ciphertexts, other.proof_hash):
            raise Revert("DisputeSameContent")
        for each in (one, other):
            message = UpdateMessage(
                number, disputed.spec_hash, each.epoch, each.root, each.ciphertexts, each.proof_hash
            )
            self._require_signature(verify_update_signature, message, each.signature, account)
        self._decide(call, number, DisputeKind.EQUIVOCATION, account)

    def challenge_omission(
        self, call: Call, number: int, participant: Address, epoch: int, root: bytes, signature: bytes, salt: bytes
    ) -> None:
        """Anyone, with a bond that comes back: show the receipt for an update that the aggregator left out."""
        disputed = self._disputable_round(call, number, with_aggregate=True)
        content = encode(
            ["uint8", "uint256", "address", "bytes32"],
            [int(DisputeKind.OMISSION), number, participant, keccak(signature)],
        )
        self._use_announcement(call, content, salt)
        if not self._is_among(participant, disputed.committed & ~disputed.accepted):
            raise Revert("DisputeNotOmitted", number, participant)
        if not 0 < epoch <= self._identity(disputed.aggregator).epoch:
            raise Revert("DisputeNotInForce", number, disputed.aggregator)
        message = ReceiptMessage(number, disputed.spec_hash, epoch, participant, root)
        self._require_signature(verify_receipt_signature, message, signature, disputed.aggregator)
        self._decide(call, number, DisputeKind.OMISSION, disputed.aggregator)

    # ----------------------------------------------------------------------------------------------------- internal

    def _use_announcement(self, call: Call, content: bytes, salt: bytes) -> None:
        announcement = keccak(encode(["address", "bytes32", "bytes32"], [call.sender, keccak(content), salt]))
        if self.state.announcements.get(announcement, call.block) == call.block:
            raise Revert("DisputeNotAnnounced", announcement)
        del self.state.announcements[announcement]

    def _open_dispute(self, call: Call, kind: DisputeKind, number: int, leaf: int) -> Dispute:
        opened = Dispute(
            number=len(self.state.disputes) + 1,
            kind=kind,
            outcome=DisputeOutcome.OPEN,
            round=number,
            leaf=leaf,
            counted=0,
            deadline=call.timestamp + self.settings.dispute_seconds,
            challenger=call.sender,
            transcript=ZERO_HASH,
            product_hash=ZERO_HASH,
        )
        self.state.disputes.append(opened)
        return opened

    def _write_dispute(self, changed: Dispute) -> Dispute:
        self.state.disputes[changed.number - 1] = changed
        return changed

    def _close(self, call: Call, current: Dispute, outcome: DisputeOutcome, offender: Address = ZERO_ADDRESS) -> None:
        self._write_dispute(replace(current, outcome=outcome))
        call.emit(
            ev.DisputeDecided,
            dispute=current.number,
            round=current.round,
            kind=current.kind,
            outcome=outcome,
            challenger=current.challenger,
            offender=offender,
        )

    def _prove(self, call: Call, current: Dispute, offender: Address, *, attested: bool) -> None:
        self._close(call, current, DisputeOutcome.PROVEN, offender)
        challenger = current.challenger
        self._convict(call, current.round, offender, attested=attested, challenger=challenger, kind=current.kind)
        self._credit_bond(call, challenger)

    def _decide(self, call: Call, number: int, kind: DisputeKind, offender: Address) -> None:
        """Pass the verdict of a dispute that needs no number."""
        call.emit(
            ev.DisputeDecided,
            dispute=0,
            round=number,
            kind=kind,
            outcome=DisputeOutcome.PROVEN,
            challenger=call.sender,
            offender=offender,
        )
        self._take_bond(call)
        self._convict(call, number, offender, attested=False, challenger=call.sender, kind=kind)
        self._credit_bond(call, call.sender)

    def _require_open(self, number: int) -> Dispute:
        if not 1 <= number <= len(self.state.disputes):
            raise Revert("DisputeNotOpen", number)
        current = self.state.disputes[number - 1]
        if current.outcome is not DisputeOutcome.OPEN:
            raise Revert("DisputeNotOpen", number)
        return current

    def _require_running(self, call: Call, number: int, kind: DisputeKind) -> Dispute:
        current = self._require_open(number)
        if current.kind is not kind:
            raise Revert("DisputeNotOpen", number)
        if call.timestamp > current.deadline:
            raise Revert("DisputeExpired", number, current.deadline)
        return current

    def _require_yours(self, call: Call, number: int) -> Dispute:
        current = self._require_running(call, number, DisputeKind.AGGREGATE)
        if call.sender != current.challenger:
            raise Revert("DisputeNotYours", number, current.challenger)
        return current

    def _undecided_round(self, number: int) -> RoundState:
        disputed = self.state.rounds[number - 1]
        if disputed.phase is Phase.VOIDED:
            raise Revert("DisputeTooLate", number)
        return disputed

    def _disputable_round(self, call: Call, number: int, *, with_aggregate: bool) -> RoundState:
        disputed = self._round(number)
        over = disputed is None or disputed.phase in (Phase.SETTLED, Phase.VOIDED)
        if disputed is None or over or (with_aggregate and disputed.aggregate_hash == ZERO_HASH):
            raise Revert("DisputeTooLate", number)
        finalized = disputed.phase is Phase.FINALIZED
        end = disputed.challenge_end if finalized else disputed.deadlines.finalize + self.settings.challenge_window
        if call.timestamp >= end:
            raise Revert("DisputeTooLate", number)
        return disputed

    def _require_last(
        self, disputed: RoundState, start: bytes, entries: Sequence[CommitmentEntry], aggregate_root: bytes
    ) -> None:
        transcript = start
        for each in entries:
            transcript = commitment_transcript(transcript, each.participant, each.root, each.proof_hash)
        self._require_aggregate(disputed, transcript, aggregate_root)

    @staticmethod
    def _require_aggregate(disputed: RoundState, transcript: bytes, aggregate_root: bytes) -> None:
        if aggregate_hash(transcript, disputed.accepted, aggregate_root) != disputed.aggregate_hash:
            raise Revert("DisputeWrongCommitments", disputed.number)

    @staticmethod
    def _require_leaf(disputed: RoundState, leaf: int) -> None:
        if leaf >= disputed.ciphertexts:
            raise Revert("DisputeNoSuchLeaf", leaf, disputed.ciphertexts)

    def _require_modulus(self, modulus: bytes) -> None:
        if self.state.key is None or keccak(modulus) != self.state.key.modulus_hash:
            raise Revert("DisputeWrongModulus")

    @staticmethod
    def _require_product_so_far(modulus: bytes, product: bytes, current: Dispute) -> None:
        if current.product_hash == UNFIT:
            return
        if current.product_hash == ZERO_HASH:
            if product:
                raise Revert("DisputeWrongProduct", current.number)
            return
        if keccak(product) != current.product_hash:
            raise Revert("DisputeWrongProduct", current.number)
        _require_odd_words(modulus)

    def _is_among(self, account: Address, bitmap: int) -> bool:
        """Tell whether ``account`` is, or was, one of these participants."""
        place = self._identity(account)
        return place.role is Role.PARTICIPANT and bool(bitmap >> place.index & 1)

    def _require_in_force(self, disputed: RoundState, account: Address, epoch: int, other: int) -> None:
        place = self._identity(account)
        retired = place.status is Status.RETIRED and disputed.number > place.retired_at_round
        if not self._is_among(account, disputed.selected) or epoch != other or not 0 < epoch <= place.epoch or retired:
            raise Revert("DisputeNotInForce", disputed.number, account)

    def _require_signature(self, verify: Any, message: object, signature: bytes, account: Address) -> None:
        try:
            # plain accounts only: there are no contract wallets on this chain
            verify(self.chain_id, self.address, message, signature, account)
        except ProofError:
            raise Revert("DisputeInvalidSignature", account) from None


def _require_odd_words(modulus: bytes) -> None:
    length = len(modulus)
    if length == 0 or length % 32 or length > MAXIMUM_MODULUS_BYTES or not modulus[-1] & 1:
        raise Revert("ModularInvalidModulus", length)


def _require_path(root: bytes, count: int, index: int, leaf: bytes, path: Sequence[bytes]) -> None:
    expected, place, last = 0, index, count - 1
    while last > 0:
        expected += bool(place % 2 or place < last)
        place, last = place >> 1, last >> 1
    if len(path) != expected:
        raise Revert("MerkleWrongPathLength", expected, len(path))
    try:
        verify_merkle_path(root, count, index, leaf, path)
    except ProofError as error:
        raise Revert("MerkleWrongRoot", root, bytes.fromhex(str(error.got))) from None
