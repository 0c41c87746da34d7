"""How a round ends: aborted, settled or voided, and who is paid or slashed; as ``contracts/rounds/Endings.sol``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Final

from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import BASIS_POINTS
from fedtrust.ledger.heads import verdicts_hash
from fedtrust.ledger.memory_rounds import LIVE, MemoryRounds
from fedtrust.ledger.memory_state import Call, Revert
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    AbortReason,
    Address,
    DisputeKind,
    PayoutRule,
    Phase,
    Role,
    RoundState,
    Status,
    members,
)

SCALE: Final = 1000
"""What weighs a perfect record in the payout rule RELIABILITY."""


class MemoryEndings(MemoryRounds, ABC):
    """Aborts, settlements, verdicts."""

    def abort_round(self, call: Call, number: int) -> None:
        """Anyone: abort a round that cannot go on."""
        current = self._round(number)
        reason = AbortReason.NONE if current is None else self._abort_reason(call, current)
        if current is None or reason is AbortReason.NONE:
            raise Revert("RoundNotAbortable", number)
        if reason is AbortReason.COMMIT_QUORUM_MISSED:
            self._miss_selections(call, current)
        elif reason in (AbortReason.AGGREGATE_DEADLINE_MISSED, AbortReason.FINALIZE_DEADLINE_MISSED):
            self._count(Role.AGGREGATOR, self._identity(current.aggregator).index, "missed")
        aborted = self._end(call, replace(current, phase=Phase.ABORTED, abort_reason=reason))
        self.state.pool += current.reward
        call.emit(ev.RoundAborted, round=number, reason=reason, head=aborted.head)

    def settle_round(self, call: Call, number: int) -> None:
        """Anyone: credit the rewards of a finalised round after its challenge window."""
        current = self._require_phase(number, Phase.FINALIZED)
        if call.timestamp < current.challenge_end:
            raise Revert("RoundChallengeWindowOpen", number, current.challenge_end)
        if self.open_disputes(number):
            raise Revert("RoundDisputed", number)
        base = self._round(current.base_round)
        if base is not None and base.phase is not Phase.SETTLED:
            raise Revert("RoundBaseUndecided", number, base.number)
        self._write(current, phase=Phase.SETTLED)
        self.state.unsettled -= 1
        settings = self.settings
        pot = current.reward * settings.participant_basis_points // BASIS_POINTS
        credited = self._credit_pot(call, number, Role.PARTICIPANT, current.accepted, pot)
        pot = current.reward * settings.trustee_basis_points // BASIS_POINTS
        credited += self._credit_pot(call, number, Role.TRUSTEE, current.attested, pot)
        place = self._identity(current.aggregator)
        pot = current.reward * settings.aggregator_basis_points // BASIS_POINTS
        self._count_kept(place.role, place.index)
        self._credit_reward(call, number, self.state.accounts[place.role][place.index], pot)
        credited += pot
        self.state.pool += current.reward - credited
        call.emit(ev.RoundSettled, round=number, credited=credited)

    def void_descendant(self, call: Call, number: int) -> None:
        """Anyone: void a finalised round whose base round was voided."""
        current = self._require_phase(number, Phase.FINALIZED)
        base = self._round(current.base_round)
        if base is None or base.phase is not Phase.VOIDED:
            raise Revert("RoundBaseUndecided", number, current.base_round)
        self._void(call, current, ZERO_ADDRESS, DisputeKind.NONE)

    # ------------------------------------------------------------------------------------------------ for disputes

    @abstractmethod
    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""

    def _take_bond(self, call: Call) -> None:
        self._take(call, self.settings.dispute_bond)

    def _credit_bond(self, call: Call, account: Address | None) -> None:
        """Make a bond claimable by ``account``, or put it into the pool."""
        if account is None:
            self.state.pool += self.settings.dispute_bond
        else:
            self._credit_deposit(call, account, self.settings.dispute_bond)

    def _convict(
        self, call: Call, number: int, offender: Address, *, attested: bool, challenger: Address, kind: DisputeKind
    ) -> None:
        """Slash the offender, and every trustee that attested; pay the challenger; compensate; void the round."""
        current = self.state.rounds[number - 1]
        slashed = self._slash(call, offender, number)
        if attested:
            trustees = self.state.accounts[Role.TRUSTEE]
            slashed += sum(self._slash(call, trustees[index], number) for index in members(current.attested))
        reward = min(slashed // 2, self.settings.challenger_reward_cap)
        self._credit_deposit(call, challenger, reward)
        rest = slashed - reward
        self.state.pool += rest - self._compensate(call, current, offender, rest)
        if current.phase in (*LIVE, Phase.FINALIZED):
            self._void(call, current, offender, kind)

    # --------------------------------------------------------------------------------------------------- internal

    def _credit_pot(self, call: Call, number: int, role: Role, bitmap: int, pot: int) -> int:
        """Credit ``pot`` to the members of ``bitmap`` by the payout rule and count their part; return the sum."""
        weights = {index: self._weight(role, index) for index in members(bitmap)}
        whole, credited = sum(weights.values()) or 1, 0  # weights of zero: nobody gets anything
        for index, weight in weights.items():
            part = pot * weight // whole
            credited += part
            self._count_kept(role, index)
            self._credit_reward(call, number, self.state.accounts[role][index], part)
        return credited

    def _weight(self, role: Role, index: int) -> int:
        if self.settings.payout_rule is PayoutRule.EQUAL:
            return 1
        counters = self.reputation_of(role, index)
        kept = 1 + counters.accepted + counters.attested
        return SCALE * kept // (kept + counters.late + counters.missed)

    def _count_kept(self, role: Role, index: int) -> None:
        self._count(role, index, "attested" if role is Role.TRUSTEE else "accepted")
        self._set_counters(role, index, missed_in_a_row=0)

    def _compensate(self, call: Call, current: RoundState, offender: Address, rest: int) -> int:
        """Pay the participants for the work they lose, at most what they would have earned; return the sum."""
        harmed = current.accepted or current.committed
        place = self._identity(offender)
        if place.role is Role.PARTICIPANT:
            harmed &= ~(1 << place.index)
        if harmed == 0:
            return 0
        pot = current.reward * self.settings.participant_basis_points // BASIS_POINTS
        each = min(pot, rest) // harmed.bit_count()
        for index in members(harmed):
            self._credit_deposit(call, self.state.accounts[Role.PARTICIPANT][index], each)
        return each * harmed.bit_count()

    def _void(self, call: Call, current: RoundState, offender: Address, kind: DisputeKind) -> None:
        number, live = current.number, current.phase in LIVE
        self.state.verdicts = verdicts_hash(self.state.verdicts, number, offender, kind)
        if not live:
            self.state.unsettled -= 1
            if self._builds_on(number):
                self.state.model_round = current.base_round
        voided = replace(current, phase=Phase.VOIDED)
        voided = self._end(call, voided) if live else self._write(voided)
        self.state.pool += current.reward
        call.emit(ev.RoundVoided, round=number, head=voided.head, verdicts=self.state.verdicts)

    def _builds_on(self, number: int) -> bool:
        """Tell whether the current model is that of round ``number`` or builds on it."""
        model_round = self.state.model_round
        while model_round > number:
            model_round = self.state.rounds[model_round - 1].base_round
        return model_round == number

    def _abort_reason(self, call: Call, current: RoundState) -> AbortReason:
        if current.phase not in LIVE:
            return AbortReason.NONE
        if self.state.model_round != current.base_round:
            return AbortReason.BASE_VOIDED
        if self._identity(current.aggregator).status not in (Status.ACTIVE, Status.LEAVING):
            return AbortReason.AGGREGATOR_REMOVED
        if current.phase is Phase.DECRYPT:
            late = call.timestamp > current.deadlines.finalize
            return AbortReason.FINALIZE_DEADLINE_MISSED if late else AbortReason.NONE
        short = current.phase is Phase.COMMIT and current.committed.bit_count() < current.quorum
        if short and call.timestamp > current.deadlines.commit:
            return AbortReason.COMMIT_QUORUM_MISSED
        # a standby has its time before anybody can end the round
        patience = 0 if current.taken_over else self.settings.standby_seconds
        late = call.timestamp > current.deadlines.aggregate + patience
        return AbortReason.AGGREGATE_DEADLINE_MISSED if late else AbortReason.NONE
