"""The payout record: who earned what in a round, as canonical JSON computed from facts on chain alone.

Anyone can compute it, so its digest needs no slot on chain; the auditor compares it with the credits on chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.crypto.encoding import canonical_json, sha256
from fedtrust.errors import RoundError
from fedtrust.ledger.types import FederationConfig, PayoutRule, Reputation, Role, RoundState
from fedtrust.protocol.reputation import ReputationHistory, Settlement
from fedtrust.protocol.spec import FederationId
from fedtrust.rules.payout import Payout, round_payouts

PAYOUT_VERSION = 2


@dataclass(frozen=True, slots=True)
class PayoutRecord:
    """The payouts of a settled round, in the order in which they are credited, and what they rest on.

    ``settlement`` has who earned, with the counters that the rule RELIABILITY weighs. Amounts are in the smallest
    unit of the federation's asset.
    """

    federation: FederationId
    round: int
    reward: int
    rule: PayoutRule
    settlement: Settlement
    payouts: tuple[Payout, ...]

    @property
    def returned(self) -> int:
        """The part of the round's reward that nobody earned."""
        return self.reward - sum(p.amount for p in self.payouts)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON; amounts are decimal strings, counters those before the settlement."""
        earners = [(earner, Role.PARTICIPANT) for earner in self.settlement.accepted]
        earners += [(earner, Role.TRUSTEE) for earner in self.settlement.attested]
        return canonical_json(
            {
                "earners": [
                    {"account": e.account, "counters": _counters(e.reputation), "role": _name(role)}
                    for e, role in earners
                ],
                "federation": self.federation.to_json(),
                "payouts": [
                    {"account": p.account, "amount": str(p.amount), "role": _name(p.role)} for p in self.payouts
                ],
                "returned": str(self.returned),
                "reward": str(self.reward),
                "round": self.round,
                "rule": self.rule.name.lower(),
                "version": PAYOUT_VERSION,
            }
        )

    @property
    def digest(self) -> bytes:
        """The artifact's name."""
        return sha256(self.to_bytes())


def payout_record(config: FederationConfig, state: RoundState, reputations: ReputationHistory) -> PayoutRecord:
    """Apply the federation's payout rule to a settled round.

    ``reputations`` is folded from all events up to the round's settlement, or further. Raises RoundError if it is not
    settled there, or if ``state`` is of another round than those events tell of.
    """
    settlement = reputations.settlement(state.number)
    counted = (state.accepted.bit_count(), state.attested.bit_count())
    if counted != (len(settlement.accepted), len(settlement.attested)):
        raise RoundError(
            f"round {state.number}: its events count other participants and trustees than its state",
            expected=counted,
            got=(len(settlement.accepted), len(settlement.attested)),
        )
    payouts = round_payouts(state.reward, config, settlement.accepted, settlement.attested, settlement.aggregator)
    federation = FederationId(config.chain_id, config.contract)
    return PayoutRecord(federation, state.number, state.reward, PayoutRule(config.payout_rule), settlement, payouts)


def _counters(reputation: Reputation) -> dict[str, object]:
    return {
        "accepted": reputation.accepted,
        "attested": reputation.attested,
        "late": reputation.late,
        "missed": reputation.missed,
    }


def _name(role: Role) -> str:
    return Role(role).name.lower()
