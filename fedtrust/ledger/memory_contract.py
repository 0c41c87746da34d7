"""The rules of the Federation contract in Python: same checks, in the same order, refused with the same errors.

Written beside ``contracts/`` and held to it by the conformance suite. Every function checks first and writes last,
so a refused transaction changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fedtrust.crypto.signatures import UpdateMessage, verify_update_signature
from fedtrust.errors import ProofError
from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import BASIS_POINTS, DeploymentConfig
from fedtrust.ledger.heads import attestation_accumulator, commitment_accumulator, round_head
from fedtrust.ledger.refusals import format_reason
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    Identity,
    Phase,
    PublishedKey,
    Role,
    RoundState,
    bitmap_of,
    members,
)

ZERO_ADDRESS: Final = Address("0x" + "00" * 20)
MAXIMUM_CERTIFICATE_BYTES: Final = 4096
MAXIMUM_PER_ROLE: Final = 256
MINIMUM_QUORUM: Final = 2  # an aggregate of one is an update in the clear


class Revert(Exception):  # noqa: N818 -- named after what the contract does
    """The contract refuses a transaction; ``reason`` is its error with arguments."""

    def __init__(self, name: str, *arguments: object) -> None:
        """Refuse with the contract's error ``name``."""
        super().__init__(name)
        self.reason = format_reason(name, arguments)


@dataclass(slots=True)
class Call:
    """The transaction being run: who sent it, when and where, and what it has emitted so far."""

    sender: Address
    value: int
    block: int
    timestamp: int
    transaction: bytes
    events: list[ev.LedgerEvent] = field(default_factory=list)

    def emit(self, event_type: Callable[..., ev.LedgerEvent], **fields: Any) -> None:
        """Append an event at this place of the chain."""
        place = {
            "block": self.block,
            "log_index": len(self.events),
            "timestamp": self.timestamp,
            "transaction": self.transaction,
        }
        self.events.append(event_type(**place, **fields))


class MemoryContract:
    """State and functions of one Federation contract; not thread-safe, the chain around it is."""

    def __init__(self, config: DeploymentConfig, owner: Address, chain_id: int, address: Address) -> None:
        """Deploy: ``address`` is where the contract is, ``owner`` the operator."""
        self.settings: Final = config
        self.owner: Final = owner
        self.chain_id: Final = chain_id
        self.address: Final = address
        self.identities: dict[Address, Identity] = {}
        self.accounts: dict[Role, list[Address]] = {role: [] for role in Role}
        self.key: PublishedKey | None = None
        self.rounds: list[RoundState] = []
        self.current_model = ZERO_HASH
        self.pool = 0
        self.claimable: dict[Address, int] = {}
        self.functions: Final[dict[str, Callable[..., None]]] = {
            "registerIdentity": self._register_identity,
            "revokeIdentity": self._revoke_identity,
            "publishKey": self._publish_key,
            "fundRewards": self._fund_rewards,
            "claim": self._claim,
            "openRound": self._open_round,
            "commitUpdate": self._commit_update,
            "commitUpdateFor": self._commit_update_for,
            "closeCommits": self._close_commits,
            "commitAggregate": self._commit_aggregate,
            "attest": self._attest,
            "finalizeRound": self._finalize_round,
            "abortRound": self._abort_round,
            "settleRound": self._settle_round,
        }

    def balance(self) -> int:
        """Return the wei in the contract: pool, reserved for rounds, and claimable."""
        return self.pool + self._reserved() + sum(self.claimable.values())

    def _reserved(self) -> int:
        return sum(r.reward for r in self.rounds if r.phase not in (Phase.SETTLED, Phase.ABORTED))

    # ------------------------------------------------------------------------------- identities, key and rewards

    def _register_identity(
        self, call: Call, account: Address, role: int, certificate: bytes, sealing_key: bytes
    ) -> None:
        self._require_owner(call)
        if account == ZERO_ADDRESS:
            raise Revert("IdentityZeroAccount")
        if role == Role.NONE:
            raise Revert("IdentityRoleMissing")
        if account in self.identities:
            raise Revert("IdentityAlreadyRegistered", account)
        if not 0 < len(certificate) <= MAXIMUM_CERTIFICATE_BYTES:
            raise Revert("IdentityCertificateLength", len(certificate))
        if role == Role.TRUSTEE and sealing_key == ZERO_HASH:
            raise Revert("IdentitySealingKeyMissing")
        fingerprint = hashlib.sha256(certificate).digest()
        if any(identity.certificate_fingerprint == fingerprint for identity in self.identities.values()):
            raise Revert("IdentityCertificateTaken", fingerprint)
        accounts = self.accounts[Role(role)]
        if len(accounts) >= MAXIMUM_PER_ROLE:
            raise Revert("IdentityRoleFull", role)
        identity = Identity(account, Role(role), len(accounts), True, fingerprint, sealing_key, certificate)
        accounts.append(account)
        self.identities[account] = identity
        call.emit(
            ev.IdentityRegistered,
            account=account,
            role=identity.role,
            index=identity.index,
            certificate_fingerprint=fingerprint,
            sealing_key=sealing_key,
            certificate=certificate,
        )

    def _revoke_identity(self, call: Call, account: Address) -> None:
        self._require_owner(call)
        identity = self.identities.get(account)
        if identity is None:
            raise Revert("IdentityUnknown", account)
        if not identity.active:
            raise Revert("IdentityInactive", account)
        self.identities[account] = replace(identity, active=False)
        call.emit(ev.IdentityRevoked, account=account)

    def _publish_key(self, call: Call, key_id: bytes, threshold: int, trustees: int) -> None:
        self._require_owner(call)
        if self.key is not None:
            raise Revert("KeyAlreadyPublished")
        if key_id == ZERO_HASH or not 0 < threshold <= trustees:
            raise Revert("KeyInvalid")
        self.key = PublishedKey(key_id, threshold, trustees)
        call.emit(ev.KeyPublished, key_id=key_id, threshold=threshold, trustees=trustees)

    def _fund_rewards(self, call: Call) -> None:
        self.pool += call.value
        call.emit(ev.RewardsFunded, sender=call.sender, amount=call.value)

    def _claim(self, call: Call) -> None:
        amount = self.claimable.get(call.sender, 0)
        if amount:
            self.claimable[call.sender] = 0
            call.emit(ev.RewardClaimed, account=call.sender, amount=amount)

    # ------------------------------------------------------------------------------------------ opening and commits

    def _open_round(
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
        self._require_active(call.sender, Role.AGGREGATOR)
        if self.key is None:
            raise Revert("KeyMissing")
        last = len(self.rounds)
        if number != last + 1:
            raise Revert("RoundWrongNumber", last + 1, number)
        if last and self.rounds[-1].phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT):
            raise Revert("RoundStillRunning", last)
        participants = [self.identities[account] for account in self.accounts[Role.PARTICIPANT]]
        active = bitmap_of([identity.index for identity in participants if identity.active])
        if selected == 0 or selected & ~active:
            raise Revert("RoundInvalidSelection", selected)
        if not MINIMUM_QUORUM <= quorum <= selected.bit_count():
            raise Revert("RoundInvalidQuorum", quorum, selected.bit_count())
        if ciphertexts == 0:
            raise Revert("RoundWrongCiphertexts", number, ciphertexts)
        if not call.timestamp < deadlines[0] < deadlines[1] < deadlines[2]:
            raise Revert("RoundInvalidDeadlines")
        if base_model_hash == ZERO_HASH or self.current_model not in (ZERO_HASH, base_model_hash):
            raise Revert("RoundWrongBaseModel", self.current_model, base_model_hash)
        self.current_model = base_model_hash
        reward = min(self.pool, self.settings.round_reward)
        self.pool -= reward
        state = RoundState(
            number=number,
            phase=Phase.COMMIT,
            aggregator=call.sender,
            deadlines=Deadlines(*deadlines),
            quorum=quorum,
            ciphertexts=ciphertexts,
            selected=selected,
            committed=0,
            accepted=0,
            attested=0,
            spec_hash=spec_hash,
            base_model_hash=base_model_hash,
            commitments_hash=ZERO_HASH,
            aggregate_root=ZERO_HASH,
            attestations_hash=ZERO_HASH,
            plaintext_hash=ZERO_HASH,
            proof_hash=ZERO_HASH,
            model_hash=ZERO_HASH,
            result_hash=ZERO_HASH,
            head=ZERO_HASH,
            challenge_end=0,
            reward=reward,
            abort_reason=AbortReason.NONE,
        )
        self.rounds.append(state)
        call.emit(
            ev.RoundOpened,
            round=number,
            aggregator=call.sender,
            spec_hash=spec_hash,
            base_model_hash=base_model_hash,
            selected=selected,
            quorum=quorum,
            ciphertexts=ciphertexts,
            deadlines=state.deadlines,
            reward=reward,
        )

    def _commit_update(self, call: Call, number: int, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
        self._commit(call, number, call.sender, root, ciphertexts, proof_hash)

    def _commit_update_for(
        self,
        call: Call,
        number: int,
        participant: Address,
        root: bytes,
        ciphertexts: int,
        proof_hash: bytes,
        signature: bytes,
    ) -> None:
        spec_hash = self.rounds[number - 1].spec_hash if 1 <= number <= len(self.rounds) else ZERO_HASH
        message = UpdateMessage(number, spec_hash, root, ciphertexts, proof_hash)
        try:
            # plain accounts only: there are no contract wallets on this chain
            verify_update_signature(self.chain_id, self.address, message, signature, participant)
        except ProofError:
            raise Revert("RoundInvalidSignature", participant) from None
        self._commit(call, number, participant, root, ciphertexts, proof_hash)

    def _commit(
        self, call: Call, number: int, participant: Address, root: bytes, ciphertexts: int, proof_hash: bytes
    ) -> None:
        state = self._require_phase(number, Phase.COMMIT)
        bit = self._require_active(participant, Role.PARTICIPANT)
        if not state.selected & bit:
            raise Revert("RoundParticipantNotSelected", number, participant)
        if state.committed & bit:
            raise Revert("RoundAlreadyCommitted", number, participant)
        self._require_not_after(call, number, state.deadlines.commit)
        if ciphertexts != state.ciphertexts:
            raise Revert("RoundWrongCiphertexts", number, ciphertexts)
        self._write(
            state,
            committed=state.committed | bit,
            commitments_hash=commitment_accumulator(state.commitments_hash, participant, root, proof_hash),
        )
        call.emit(ev.UpdateCommitted, round=number, participant=participant, root=root, proof_hash=proof_hash)

    def _close_commits(self, call: Call, number: int) -> None:
        state = self._require_phase(number, Phase.COMMIT)
        complete = state.committed == state.selected
        expired = call.timestamp > state.deadlines.commit and state.committed.bit_count() >= state.quorum
        if not complete and not expired:
            raise Revert("RoundCommitsStillOpen", number)
        self._write(state, phase=Phase.UPLOAD)
        call.emit(ev.CommitsClosed, round=number, committed=state.committed)

    # ------------------------------------------------------------------------------------------ aggregate and result

    def _commit_aggregate(self, call: Call, number: int, accepted: int, aggregate_root: bytes) -> None:
        state = self._require_phase(number, Phase.UPLOAD)
        self._require_its_aggregator(call, state)
        self._require_not_after(call, number, state.deadlines.aggregate)
        if accepted & ~state.committed or accepted.bit_count() < state.quorum:
            raise Revert("RoundInvalidAcceptedSet", number, accepted)
        self._write(state, phase=Phase.DECRYPT, accepted=accepted, aggregate_root=aggregate_root)
        call.emit(ev.AggregateCommitted, round=number, accepted=accepted, aggregate_root=aggregate_root)

    def _attest(self, call: Call, number: int, partial_root: bytes) -> None:
        state = self._require_phase(number, Phase.DECRYPT)
        bit = self._require_active(call.sender, Role.TRUSTEE)
        self._require_not_after(call, number, state.deadlines.finalize)
        if state.attested & bit:
            raise Revert("RoundAlreadyAttested", number, call.sender)
        self._write(
            state,
            attested=state.attested | bit,
            attestations_hash=attestation_accumulator(state.attestations_hash, call.sender, partial_root),
        )
        call.emit(ev.Attested, round=number, trustee=call.sender, partial_root=partial_root)

    def _finalize_round(
        self,
        call: Call,
        number: int,
        plaintext_hash: bytes,
        proof_hash: bytes,
        model_hash: bytes,
        result_hash: bytes,
    ) -> None:
        state = self._require_phase(number, Phase.DECRYPT)
        self._require_its_aggregator(call, state)
        self._require_not_after(call, number, state.deadlines.finalize)
        threshold = 0 if self.key is None else self.key.threshold
        if state.attested.bit_count() < threshold:
            raise Revert("RoundAttestationsMissing", number, state.attested.bit_count(), threshold)
        if ZERO_HASH in (plaintext_hash, proof_hash, model_hash, result_hash):
            raise Revert("RoundZeroHash", number)
        hashes: dict[str, Any] = {
            "plaintext_hash": plaintext_hash,
            "proof_hash": proof_hash,
            "model_hash": model_hash,
            "result_hash": result_hash,
        }
        challenge_end = call.timestamp + self.settings.challenge_window
        finished = replace(state, phase=Phase.FINALIZED, challenge_end=challenge_end, **hashes)
        head = self._head_of(finished)
        self._write(finished, head=head)
        self.current_model = model_hash
        call.emit(ev.RoundFinalized, round=number, **hashes, head=head, challenge_end=challenge_end)

    # -------------------------------------------------------------------------------------------------- both endings

    def _abort_round(self, call: Call, number: int) -> None:
        reason = self._abort_reason(call, number)
        if reason is AbortReason.NONE:
            raise Revert("RoundNotAbortable", number)
        aborted = replace(self.rounds[number - 1], phase=Phase.ABORTED, abort_reason=reason)
        head = self._head_of(aborted)
        self._write(aborted, head=head)
        self.pool += aborted.reward
        call.emit(ev.RoundAborted, round=number, reason=reason, head=head)

    def _abort_reason(self, call: Call, number: int) -> AbortReason:
        state = self.rounds[number - 1] if 1 <= number <= len(self.rounds) else None
        if state is None:
            return AbortReason.NONE
        if state.phase is Phase.DECRYPT and call.timestamp > state.deadlines.finalize:
            return AbortReason.FINALIZE_DEADLINE_MISSED
        if state.phase not in (Phase.COMMIT, Phase.UPLOAD):
            return AbortReason.NONE
        short = state.phase is Phase.COMMIT and state.committed.bit_count() < state.quorum
        if short and call.timestamp > state.deadlines.commit:
            return AbortReason.COMMIT_QUORUM_MISSED
        late = call.timestamp > state.deadlines.aggregate
        return AbortReason.AGGREGATE_DEADLINE_MISSED if late else AbortReason.NONE

    def _settle_round(self, call: Call, number: int) -> None:
        state = self._require_phase(number, Phase.FINALIZED)
        if call.timestamp < state.challenge_end:
            raise Revert("RoundChallengeWindowOpen", number, state.challenge_end)
        credits = self._credits(state)
        for account, amount in credits:
            self.claimable[account] = self.claimable.get(account, 0) + amount
            call.emit(ev.RewardCredited, round=number, account=account, amount=amount)
        credited = sum(amount for _, amount in credits)
        self.pool += state.reward - credited
        self._write(state, phase=Phase.SETTLED)
        call.emit(ev.RoundSettled, round=number, credited=credited)

    def _credits(self, state: RoundState) -> list[tuple[Address, int]]:
        """Return who is owed what: participants and trustees by index, then the aggregator; none of zero."""
        settings = self.settings
        shares: list[tuple[list[Address], int]] = [
            (self._members(Role.PARTICIPANT, state.accepted), settings.participant_basis_points),
            (self._members(Role.TRUSTEE, state.attested), settings.trustee_basis_points),
            ([state.aggregator], settings.aggregator_basis_points),
        ]
        credits: list[tuple[Address, int]] = []
        for accounts, basis_points in shares:
            if accounts:
                each = state.reward * basis_points // BASIS_POINTS // len(accounts)
                credits.extend((account, each) for account in accounts if each)
        return credits

    # ------------------------------------------------------------------------------------------------------ internal

    def _members(self, role: Role, bitmap: int) -> list[Address]:
        return [self.accounts[role][index] for index in members(bitmap)]

    def _head_of(self, state: RoundState) -> bytes:
        previous = self.rounds[state.number - 2].head if state.number > 1 else ZERO_HASH
        return round_head(self.chain_id, self.address, previous, state)

    def _write(self, state: RoundState, **changes: Any) -> None:
        self.rounds[state.number - 1] = replace(state, **changes)

    def _require_owner(self, call: Call) -> None:
        if call.sender != self.owner:
            raise Revert("OwnableUnauthorizedAccount", call.sender)

    def _require_active(self, account: Address, role: Role) -> int:
        identity = self.identities.get(account)
        if identity is None or identity.role is not role:
            raise Revert("IdentityWrongRole", account, role)
        if not identity.active:
            raise Revert("IdentityInactive", account)
        return 1 << identity.index

    def _require_phase(self, number: int, required: Phase) -> RoundState:
        known = 1 <= number <= len(self.rounds)
        actual = self.rounds[number - 1].phase if known else Phase.NONE
        if actual is not required:
            raise Revert("RoundWrongPhase", number, required, actual)
        return self.rounds[number - 1]

    def _require_its_aggregator(self, call: Call, state: RoundState) -> None:
        if call.sender != state.aggregator:
            raise Revert("RoundNotItsAggregator", state.number, call.sender)
        self._require_active(call.sender, Role.AGGREGATOR)

    @staticmethod
    def _require_not_after(call: Call, number: int, deadline: int) -> None:
        if call.timestamp > deadline:
            raise Revert("RoundDeadlinePassed", number, deadline)
