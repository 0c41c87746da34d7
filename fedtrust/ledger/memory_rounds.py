"""A round from its opening to its result; as ``contracts/rounds/Rounds.sol``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from fedtrust.crypto.signatures import UpdateMessage, verify_update_signature
from fedtrust.errors import ProofError
from fedtrust.ledger import events as ev
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
    round_head,
)
from fedtrust.ledger.memory_identities import MemoryIdentities
from fedtrust.ledger.memory_state import Call, Revert
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    Draw,
    Phase,
    RelayedUpdate,
    Role,
    RoundState,
    Status,
    members,
)

HASHES: Final = 256
"""How many blocks back the chain knows a hash."""

MAXIMUM_UNSETTLED: Final = 1024
"""How many finalised rounds may wait for their settlement: what voiding may have to go through."""

LIVE: Final = (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT)


class MemoryRounds(MemoryIdentities):
    """Opening, commitments, aggregate, attestations, result."""

    # ---------------------------------------------------------------------------------------------------- opening

    def open_round(
        self,
        call: Call,
        number: int,
        spec_hash: bytes,
        base_model_hash: bytes,
        selected: int,
        quorum: int,
        ciphertexts: int,
        deadlines: tuple[int, int, int],
    ) -> None:
        """Aggregator: open the next round."""
        self._require_aggregator(call.sender)
        if self.state.key is None:
            raise Revert("KeyMissing")
        self._require_next_round(call, number)
        if self.state.unsettled >= MAXIMUM_UNSETTLED:
            raise Revert("RoundsUnsettled", self.state.unsettled)
        if spec_hash == ZERO_HASH:
            raise Revert("RoundZeroHash", number)
        drawn = self.draw_for(number, call.block, call.block_hash).selected
        if selected != drawn or drawn == 0:
            raise Revert("RoundInvalidSelection", drawn, selected)
        if not self.settings.minimum_quorum <= quorum <= selected.bit_count():
            raise Revert("RoundInvalidQuorum", quorum, selected.bit_count())
        if ciphertexts == 0:
            raise Revert("RoundWrongCiphertexts", number, ciphertexts)
        latest = call.timestamp + self.settings.max_round_seconds
        if not call.timestamp < deadlines[0] < deadlines[1] < deadlines[2] <= latest:
            raise Revert("RoundInvalidDeadlines")
        self._require_base_model(base_model_hash)
        reward = min(self.state.pool, self.settings.round_reward)
        self.state.pool -= reward
        opened = RoundState(
            number=number,
            phase=Phase.COMMIT,
            abort_reason=AbortReason.NONE,
            quorum=quorum,
            ciphertexts=ciphertexts,
            base_round=self.state.model_round,
            aggregator=call.sender,
            deadlines=Deadlines(*deadlines),
            challenge_end=0,
            reward=reward,
            taken_over=False,
            selected=selected,
            committed=0,
            accepted=0,
            attested=0,
            spec_hash=spec_hash,
            base_model_hash=base_model_hash,
            transcript=ZERO_HASH,
            aggregate_hash=ZERO_HASH,
            aggregate_root=ZERO_HASH,
            plaintext_hash=ZERO_HASH,
            proof_hash=ZERO_HASH,
            model_hash=ZERO_HASH,
            result_hash=ZERO_HASH,
            head=ZERO_HASH,
        )
        previous = self.state.rounds[-1].head if self.state.rounds else ZERO_HASH
        transcript = opening_transcript(self.chain_id, self.address, previous, opened)
        self.state.rounds.append(replace(opened, transcript=transcript))
        call.emit(
            ev.RoundOpened,
            round=number,
            aggregator=call.sender,
            spec_hash=spec_hash,
            base_model_hash=base_model_hash,
            selected=selected,
            quorum=quorum,
            ciphertexts=ciphertexts,
            base_round=opened.base_round,
            deadlines=opened.deadlines,
            reward=reward,
        )

    # ------------------------------------------------------------------------------------------------- committing

    def commit_update(self, call: Call, number: int, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
        """Selected participant: bind the sender to an encrypted update."""
        current = self._require_committing(call, number)
        if ciphertexts != current.ciphertexts:
            raise Revert("RoundWrongCiphertexts", number, ciphertexts)
        bit = self._require_selected(current, call.sender)
        if current.committed & bit:
            raise Revert("RoundAlreadyCommitted", number, call.sender)
        self._commit(call, current, bit, call.sender, root, proof_hash)

    def relay_updates(self, call: Call, number: int, updates: Sequence[tuple[Address, bytes, bytes, bytes]]) -> None:
        """Anyone: relay signed updates; one whose participant has committed already is left out."""
        current = self._require_committing(call, number)
        for update in (RelayedUpdate(*each) for each in updates):
            bit = self._require_selected(current, update.participant)
            if current.committed & bit:
                continue
            self._require_signed(current, update)
            current = self._commit(call, current, bit, update.participant, update.root, update.proof_hash)

    def close_commits(self, call: Call, number: int) -> None:
        """Anyone: close the commit phase."""
        current = self._require_phase(number, Phase.COMMIT)
        complete = current.committed == current.selected
        expired = call.timestamp > current.deadlines.commit and current.committed.bit_count() >= current.quorum
        if not complete and not expired:
            raise Revert("RoundCommitsStillOpen", number)
        self._write(current, phase=Phase.UPLOAD)
        self._miss_selections(call, current)
        call.emit(ev.CommitsClosed, round=number, committed=current.committed)

    # -------------------------------------------------------------------------------------- aggregate and result

    def take_over(self, call: Call, number: int) -> None:
        """Another active aggregator: take the round over."""
        current = self._require_phase(number, Phase.UPLOAD)
        self._require_aggregator(call.sender)
        deadline, standby = current.deadlines.aggregate, self.settings.standby_seconds
        lately = deadline < call.timestamp <= deadline + standby
        if current.taken_over or call.sender == current.aggregator or not lately:
            raise Revert("RoundNotTakeable", number)
        self._count(Role.AGGREGATOR, self._identity(current.aggregator).index, "missed")
        aggregate = call.timestamp + standby
        deadlines = Deadlines(current.deadlines.commit, aggregate, max(aggregate + standby, current.deadlines.finalize))
        self._write(current, taken_over=True, aggregator=call.sender, deadlines=deadlines)
        call.emit(
            ev.RoundTakenOver,
            round=number,
            aggregator=call.sender,
            aggregate_deadline=deadlines.aggregate,
            finalize_deadline=deadlines.finalize,
        )

    def commit_aggregate(self, call: Call, number: int, accepted: int, aggregate_root: bytes) -> None:
        """The round's aggregator: fix the accepted set and the aggregate."""
        current = self._require_phase(number, Phase.UPLOAD)
        self._require_its_aggregator(call, current)
        self._require_not_after(call, number, current.deadlines.aggregate)
        if accepted & ~current.committed or accepted.bit_count() < current.quorum:
            raise Revert("RoundInvalidAcceptedSet", number, accepted)
        if aggregate_root == ZERO_HASH:
            raise Revert("RoundZeroHash", number)
        self._write(
            current,
            phase=Phase.DECRYPT,
            accepted=accepted,
            aggregate_hash=aggregate_hash(current.transcript, accepted, aggregate_root),
            aggregate_root=aggregate_root,
        )
        for index in members(current.committed & ~accepted):
            self._count(Role.PARTICIPANT, index, "late")
        call.emit(ev.AggregateCommitted, round=number, accepted=accepted, aggregate_root=aggregate_root)

    def attest(self, call: Call, number: int, partial_root: bytes) -> None:
        """Trustee: bind the sender to its partial decryption of the aggregate."""
        current = self._require_phase(number, Phase.DECRYPT)
        bit = 1 << self.in_force(call.sender, Role.TRUSTEE, number).index
        self._require_not_after(call, number, current.deadlines.finalize)
        if partial_root == ZERO_HASH:
            raise Revert("RoundZeroHash", number)
        if current.attested & bit:
            raise Revert("RoundAlreadyAttested", number, call.sender)
        transcript = attestation_transcript(current.transcript, call.sender, partial_root)
        self._write(current, attested=current.attested | bit, transcript=transcript)
        call.emit(ev.Attested, round=number, trustee=call.sender, partial_root=partial_root)

    def finalize_round(
        self,
        call: Call,
        number: int,
        plaintext_hash: bytes,
        proof_hash: bytes,
        model_hash: bytes,
        result_hash: bytes,
    ) -> None:
        """The round's aggregator: commit the result."""
        current = self._require_phase(number, Phase.DECRYPT)
        self._require_its_aggregator(call, current)
        self._require_not_after(call, number, current.deadlines.finalize)
        threshold = 0 if self.state.key is None else self.state.key.threshold
        if current.attested.bit_count() < threshold:
            raise Revert("RoundAttestationsMissing", number, current.attested.bit_count(), threshold)
        if ZERO_HASH in (plaintext_hash, proof_hash, model_hash, result_hash):
            raise Revert("RoundZeroHash", number)
        if self.state.model_round != current.base_round:
            raise Revert("RoundBaseUndecided", number, current.base_round)
        self.state.model_round = number
        self.state.unsettled += 1
        finalized = self._end(
            call,
            replace(
                current,
                phase=Phase.FINALIZED,
                challenge_end=call.timestamp + self.settings.challenge_window,
                plaintext_hash=plaintext_hash,
                proof_hash=proof_hash,
                model_hash=model_hash,
                result_hash=result_hash,
            ),
        )
        call.emit(
            ev.RoundFinalized,
            round=number,
            plaintext_hash=plaintext_hash,
            proof_hash=proof_hash,
            model_hash=model_hash,
            result_hash=result_hash,
            head=finalized.head,
            challenge_end=finalized.challenge_end,
        )

    # ------------------------------------------------------------------------------------------------------ views

    def draw_for(self, number: int, block: int, block_hash: Callable[[int], bytes]) -> Draw:
        """Return the draw for round ``number`` as it is in ``block``."""
        ended = self.state.ended_block
        beacon_block = ended if block <= ended else ended + HASHES * ((block - 1 - ended) // HASHES)
        beacon = block_hash(beacon_block)
        wanted = self.settings.participants_per_round
        return Draw(beacon_block, beacon, draw_indices(beacon, number, self.state.eligible, wanted))

    def current_model(self) -> bytes:
        """Return the model that the next round must start from."""
        number = self.state.model_round
        return self.state.rounds[number - 1].model_hash if number else self.state.first_model

    # --------------------------------------------------------------------------------------------------- internal

    def _end(self, call: Call, ended: RoundState) -> RoundState:
        """Write a round that ends now, with its head."""
        self.state.ended_at, self.state.ended_block = call.timestamp, call.block
        head = round_head(ended, transcript=ended.transcript, verdicts=self.state.verdicts)
        return self._write(ended, head=head)

    def _miss_selections(self, call: Call, current: RoundState) -> None:
        for index in members(current.selected & ~current.committed):
            self._count_missed_selection(call, index)

    def _require_phase(self, number: int, required: Phase) -> RoundState:
        current = self._round(number)
        if current is None or current.phase is not required:
            raise Revert("RoundWrongPhase", number, required, Phase.NONE if current is None else current.phase)
        return current

    def _require_next_round(self, call: Call, number: int) -> None:
        last = self.state.rounds[-1] if self.state.rounds else None
        expected = len(self.state.rounds) + 1
        if number != expected:
            raise Revert("RoundWrongNumber", expected, number)
        if last is None:
            return
        if last.phase in LIVE:
            raise Revert("RoundStillRunning", last.number)
        until = self.state.ended_at + self.settings.standby_seconds
        did_its_part = last.phase in (Phase.FINALIZED, Phase.SETTLED) or (
            last.phase is Phase.ABORTED and last.abort_reason is AbortReason.COMMIT_QUORUM_MISSED
        )
        in_force = self._identity(last.aggregator).status is Status.ACTIVE
        if call.sender != last.aggregator and did_its_part and call.timestamp <= until and in_force:
            raise Revert("RoundNotYourTurn", last.aggregator, until)

    def _require_base_model(self, base_model_hash: bytes) -> None:
        current = self.current_model()
        if base_model_hash == ZERO_HASH or current not in (ZERO_HASH, base_model_hash):
            raise Revert("RoundWrongBaseModel", current, base_model_hash)
        if current == ZERO_HASH:
            self.state.first_model = base_model_hash

    def _require_committing(self, call: Call, number: int) -> RoundState:
        current = self._require_phase(number, Phase.COMMIT)
        self._require_not_after(call, number, current.deadlines.commit)
        return current

    def _require_selected(self, current: RoundState, participant: Address) -> int:
        bit = 1 << self.in_force(participant, Role.PARTICIPANT, current.number).index
        if not current.selected & bit:
            raise Revert("RoundParticipantNotSelected", current.number, participant)
        return bit

    def _require_signed(self, current: RoundState, update: RelayedUpdate) -> None:
        epoch = self._identity(update.participant).epoch
        message = UpdateMessage(
            current.number, current.spec_hash, epoch, update.root, current.ciphertexts, update.proof_hash
        )
        try:
            # plain accounts only: there are no contract wallets on this chain
            verify_update_signature(self.chain_id, self.address, message, update.signature, update.participant)
        except ProofError:
            raise Revert("RoundInvalidSignature", update.participant) from None

    def _commit(
        self, call: Call, current: RoundState, bit: int, participant: Address, root: bytes, proof_hash: bytes
    ) -> RoundState:
        if ZERO_HASH in (root, proof_hash):
            raise Revert("RoundZeroHash", current.number)
        call.emit(ev.UpdateCommitted, round=current.number, participant=participant, root=root, proof_hash=proof_hash)
        transcript = commitment_transcript(current.transcript, participant, root, proof_hash)
        return self._write(current, committed=current.committed | bit, transcript=transcript)

    def _require_its_aggregator(self, call: Call, current: RoundState) -> None:
        if call.sender != current.aggregator:
            raise Revert("RoundNotItsAggregator", current.number, call.sender)
        self.in_force(call.sender, Role.AGGREGATOR, current.number)

    @staticmethod
    def _require_not_after(call: Call, number: int, deadline: int) -> None:
        if call.timestamp > deadline:
            raise Revert("RoundDeadlinePassed", number, deadline)
