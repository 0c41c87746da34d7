"""Who takes part, with what at stake, under which certificate; as ``contracts/identity``."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Final

from fedtrust.ledger import events as ev
from fedtrust.ledger.memory_rewards import MemoryRewards
from fedtrust.ledger.memory_state import Call, Revert
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Identity,
    Phase,
    PublishedKey,
    Reputation,
    Role,
    Status,
)

MAXIMUM_CERTIFICATE_BYTES: Final = 4096
MAXIMUM_PER_ROLE: Final = 256
MAXIMUM_TRUSTEES: Final = 32  # a round with as many, and 256 participants, settles in one transaction


class MemoryIdentities(MemoryRewards):
    """Identities from their admission to the release of their stake, and the committee's key."""

    # ------------------------------------------------------------------------------------------------ the operator

    def admit_identity(self, call: Call, account: Address, role: int) -> None:
        """Owner: let ``account`` register itself for ``role``."""
        self._require_owner(call)
        if account == ZERO_ADDRESS:
            raise Revert("IdentityZeroAccount")
        if role == Role.NONE:
            raise Revert("IdentityRoleMissing")
        if account in self.state.identities:
            raise Revert("IdentityAlreadyAdmitted", account)
        self.state.identities[account] = Identity(
            account=account,
            role=Role(role),
            index=0,
            status=Status.ADMITTED,
            epoch=0,
            stake=0,
            release_at=0,
            retired_at_round=0,
            certificate_fingerprint=ZERO_HASH,
            sealing_key=ZERO_HASH,
            certificate=b"",
        )
        call.emit(ev.IdentityAdmitted, account=account, role=Role(role))

    def revoke_identity(self, call: Call, account: Address) -> None:
        """Owner: revoke ``account``."""
        self._require_owner(call)
        identity = self.state.identities.get(account)
        if identity is None:
            raise Revert("IdentityUnknown", account)
        if identity.status is Status.ACTIVE:
            identity = self._unbond(call, identity)
        elif identity.status not in (Status.ADMITTED, Status.LEAVING):
            raise Revert("IdentityWrongStatus", account, identity.status)
        self._update(identity, status=Status.REVOKED)
        call.emit(ev.IdentityRevoked, account=account, release_at=identity.release_at)

    def publish_key(self, call: Call, key_id: bytes, threshold: int, trustees: int, modulus_hash: bytes) -> None:
        """Owner: publish the committee's key, once."""
        self._require_owner(call)
        if self.state.key is not None:
            raise Revert("KeyAlreadyPublished")
        registered = len(self.state.accounts[Role.TRUSTEE])
        if (
            ZERO_HASH in (key_id, modulus_hash)
            or not 0 < threshold <= trustees <= MAXIMUM_TRUSTEES
            or registered > trustees
        ):
            raise Revert("KeyInvalid")
        self.state.key = PublishedKey(key_id, threshold, trustees, modulus_hash)
        call.emit(ev.KeyPublished, key_id=key_id, threshold=threshold, trustees=trustees, modulus_hash=modulus_hash)

    # ------------------------------------------------------------------------------------------- the identity itself

    def register_identity(self, call: Call, certificate: bytes, sealing_key: bytes) -> None:
        """Admitted account: register with its stake."""
        identity = self._require_status(call.sender, Status.ADMITTED)
        role, key = identity.role, self.state.key
        accounts = self.state.accounts[role]
        most = MAXIMUM_PER_ROLE
        if role is Role.TRUSTEE:
            most = MAXIMUM_TRUSTEES if key is None else key.trustees
        if len(accounts) >= most:
            raise Revert("IdentityRoleFull", role)
        fingerprint = self._use_certificate(role, certificate, sealing_key)
        stake = self.stake_of_role(role)
        self._take(call, stake)
        self.state.stakes += stake
        self.state.accounts[role] = (*accounts, call.sender)
        registered = replace(
            identity,
            index=len(accounts),
            status=Status.ACTIVE,
            epoch=1,
            stake=stake,
            certificate_fingerprint=fingerprint,
            sealing_key=sealing_key,
            certificate=certificate,
        )
        self.state.identities[call.sender] = registered
        if role is Role.PARTICIPANT:
            self.state.eligible |= 1 << registered.index
        call.emit(
            ev.IdentityRegistered,
            account=call.sender,
            role=role,
            index=registered.index,
            stake=stake,
            certificate_fingerprint=fingerprint,
            sealing_key=sealing_key,
            certificate=certificate,
        )

    def rotate_identity(self, call: Call, new_account: Address, certificate: bytes, sealing_key: bytes) -> None:
        """Active identity: change the certificate, and hand the place to ``new_account`` if that is another."""
        identity = self._require_status(call.sender, Status.ACTIVE)
        fingerprint = self._use_certificate(identity.role, certificate, sealing_key)
        if new_account != call.sender:
            self._require_successor(identity, new_account)
            self.state.identities[call.sender] = replace(
                identity, status=Status.RETIRED, stake=0, retired_at_round=len(self.state.rounds)
            )
            accounts = list(self.state.accounts[identity.role])
            accounts[identity.index] = new_account
            self.state.accounts[identity.role] = tuple(accounts)
        rotated = replace(
            identity,
            account=new_account,
            epoch=identity.epoch + 1,
            certificate_fingerprint=fingerprint,
            sealing_key=sealing_key,
            certificate=certificate,
        )
        self.state.identities[new_account] = rotated
        call.emit(
            ev.IdentityRotated,
            account=call.sender,
            new_account=new_account,
            role=rotated.role,
            index=rotated.index,
            epoch=rotated.epoch,
            certificate_fingerprint=fingerprint,
            sealing_key=sealing_key,
            certificate=certificate,
        )

    def leave_federation(self, call: Call) -> None:
        """Active identity: leave."""
        identity = self._unbond(call, self._require_status(call.sender, Status.ACTIVE))
        self._update(identity, status=Status.LEAVING, retired_at_round=len(self.state.rounds))
        call.emit(ev.IdentityLeaving, account=call.sender, release_at=identity.release_at)

    def release_stake(self, call: Call, account: Address) -> None:
        """Anyone: after the unbonding time, make a stake claimable."""
        identity = self._identity(account)
        held = identity.status is Status.REVOKED and identity.stake != 0
        if identity.status is not Status.LEAVING and not held:
            raise Revert("IdentityWrongStatus", account, identity.status)
        if call.timestamp < identity.release_at:
            raise Revert("StakeHeld", account, identity.release_at)
        status = Status.LEFT if identity.status is Status.LEAVING else identity.status
        self._update(identity, status=status, stake=0)
        self.state.stakes -= identity.stake
        self._credit_deposit(call, account, identity.stake)
        call.emit(ev.StakeReleased, account=account, amount=identity.stake)

    def resume(self, call: Call) -> None:
        """Suspended participant: be drawn again."""
        identity = self._require_status(call.sender, Status.ACTIVE)
        bit = 1 << identity.index
        if identity.role is not Role.PARTICIPANT or self.state.eligible & bit:
            raise Revert("ParticipantNotSuspended", call.sender)
        self.state.eligible |= bit
        self._set_counters(Role.PARTICIPANT, identity.index, missed_in_a_row=0)
        call.emit(ev.ParticipantResumed, account=call.sender)

    # ---------------------------------------------------------------------------------------------------- internal

    def stake_of_role(self, role: Role) -> int:
        """Return what an identity of ``role`` stakes."""
        settings = self.settings
        stakes = {
            Role.PARTICIPANT: settings.participant_stake,
            Role.TRUSTEE: settings.trustee_stake,
            Role.AGGREGATOR: settings.aggregator_stake,
        }
        return stakes[role]

    def reputation_of(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``."""
        return self.state.reputations.get((role, index), Reputation(0, 0, 0, 0, 0, 0))

    def in_force(self, account: Address, role: Role, number: int) -> Identity:
        """Return the identity of ``account``. Refuses unless it is active, or leaving since round ``number``."""
        identity = self._identity(account)
        if identity.role is not role:
            raise Revert("IdentityWrongRole", account, role)
        leaving = identity.status is Status.LEAVING and number <= identity.retired_at_round
        if identity.status is not Status.ACTIVE and not leaving:
            raise Revert("IdentityWrongStatus", account, identity.status)
        return identity

    def _require_aggregator(self, account: Address) -> None:
        identity = self._identity(account)
        if identity.role is not Role.AGGREGATOR:
            raise Revert("IdentityWrongRole", account, Role.AGGREGATOR)
        if identity.status is not Status.ACTIVE:
            raise Revert("IdentityWrongStatus", account, identity.status)

    def _set_counters(self, role: Role, index: int, **changes: int) -> None:
        self.state.reputations[role, index] = replace(self.reputation_of(role, index), **changes)

    def _count(self, role: Role, index: int, *names: str) -> None:
        """Add one to each of these counters."""
        before = self.reputation_of(role, index)
        self._set_counters(role, index, **{name: getattr(before, name) + 1 for name in names})

    def _count_missed_selection(self, call: Call, index: int) -> None:
        """Count it, and suspend who missed too many in a row."""
        self._count(Role.PARTICIPANT, index, "missed")
        in_a_row = min(self.reputation_of(Role.PARTICIPANT, index).missed_in_a_row + 1, 255)
        self._set_counters(Role.PARTICIPANT, index, missed_in_a_row=in_a_row)
        if self.settings.max_missed and in_a_row >= self.settings.max_missed and self.state.eligible >> index & 1:
            self.state.eligible &= ~(1 << index)
            call.emit(ev.ParticipantSuspended, account=self.state.accounts[Role.PARTICIPANT][index])

    def _slash(self, call: Call, account: Address, number: int) -> int:
        """Take the whole stake of whoever holds the place of ``account`` now; return how much it was."""
        place = self._identity(account)
        holder = self.state.identities[self.state.accounts[place.role][place.index]]
        self._update(holder, status=Status.SLASHED, stake=0)
        self.state.stakes -= holder.stake
        self._count(holder.role, holder.index, "slashed")
        if holder.role is Role.PARTICIPANT:
            self.state.eligible &= ~(1 << holder.index)
        call.emit(ev.IdentitySlashed, account=holder.account, round=number, amount=holder.stake)
        return holder.stake

    def _identity(self, account: Address) -> Identity:
        """Return the identity of ``account``; with role and status NONE if there is none."""
        unknown = (account, Role.NONE, 0, Status.NONE, 0, 0, 0, 0, ZERO_HASH, ZERO_HASH, b"")
        return self.state.identities.get(account) or Identity(*unknown)

    def _require_status(self, account: Address, required: Status) -> Identity:
        identity = self._identity(account)
        if identity.status is not required:
            raise Revert("IdentityWrongStatus", account, identity.status)
        return identity

    def _use_certificate(self, role: Role, certificate: bytes, sealing_key: bytes) -> bytes:
        if not 0 < len(certificate) <= MAXIMUM_CERTIFICATE_BYTES:
            raise Revert("IdentityCertificateLength", len(certificate))
        if role is Role.TRUSTEE and sealing_key == ZERO_HASH:
            raise Revert("IdentitySealingKeyMissing")
        fingerprint = hashlib.sha256(certificate).digest()
        if fingerprint in self.state.certificates:
            raise Revert("IdentityCertificateTaken", fingerprint)
        self.state.certificates.add(fingerprint)
        return fingerprint

    def _require_successor(self, identity: Identity, new_account: Address) -> None:
        successor = self._require_status(new_account, Status.ADMITTED)
        if successor.role is not identity.role:
            raise Revert("IdentityWrongRole", new_account, identity.role)
        last = self.state.rounds[-1] if self.state.rounds else None
        running = last is not None and last.phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT)
        if last is not None and running and last.aggregator == identity.account:
            raise Revert("IdentityBusy", identity.account, last.number)

    def _unbond(self, call: Call, identity: Identity) -> Identity:
        if identity.role is Role.PARTICIPANT:
            self.state.eligible &= ~(1 << identity.index)
        return replace(identity, release_at=call.timestamp + self.settings.unbonding)

    def _update(self, identity: Identity, **changes: Any) -> None:
        self.state.identities[identity.account] = replace(identity, **changes)
