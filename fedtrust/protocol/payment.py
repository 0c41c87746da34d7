"""The payout record: who earned what in a round, as canonical JSON computed from facts on chain alone.

Anyone can compute it, so its digest needs no slot on chain; the auditor compares it with the credits on chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedtrust.crypto.encoding import canonical_json, sha256
from fedtrust.ledger.interface import role_members
from fedtrust.ledger.types import FederationConfig, Identity, Role, RoundState
from fedtrust.protocol.spec import FederationId
from fedtrust.rules.payout import Payout, round_payouts

PAYOUT_VERSION = 1


@dataclass(frozen=True, slots=True)
class PayoutRecord:
    """The payouts of a settled round, in the order in which they are credited, and what returned to the pool."""

    federation: FederationId
    round: int
    reward: int
    payouts: tuple[Payout, ...]

    @property
    def returned(self) -> int:
        """The wei of the round's reward that nobody earned."""
        return self.reward - sum(p.amount for p in self.payouts)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON; amounts are decimal strings in wei."""
        return canonical_json(
            {
                "federation": self.federation.to_json(),
                "payouts": [
                    {"account": p.account, "amount": str(p.amount), "role": Role(p.role).name.lower()}
                    for p in self.payouts
                ],
                "returned": str(self.returned),
                "reward": str(self.reward),
                "round": self.round,
                "version": PAYOUT_VERSION,
            }
        )

    @property
    def digest(self) -> bytes:
        """The artifact's name."""
        return sha256(self.to_bytes())


def payout_record(config: FederationConfig, state: RoundState, identities: Sequence[Identity]) -> PayoutRecord:
    """Apply the payout rule to a finalised round. ``identities`` are all that were ever registered."""

    def accounts(role: Role, bitmap: int) -> list[Identity]:
        return list(role_members([i for i in identities if i.role is role], bitmap))

    payouts = round_payouts(
        state.reward,
        config,
        accepted=[i.account for i in accounts(Role.PARTICIPANT, state.accepted)],
        attested=[i.account for i in accounts(Role.TRUSTEE, state.attested)],
        aggregator=state.aggregator,
    )
    return PayoutRecord(FederationId(config.chain_id, config.contract), state.number, state.reward, tuple(payouts))
