"""What a Federation is deployed with. No web3 in here: the in-memory chain takes the same value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fedtrust.errors import ConfigurationError
from fedtrust.ledger.types import ZERO_ADDRESS, Address, PayoutRule

BASIS_POINTS = 10_000
"""Basis points of the whole reward."""

LONGEST = 3650 * 86_400
"""The longest time that a federation may name, in seconds."""

MINIMUM_QUORUM = 2
"""An aggregate of one update is an update in the clear."""

_BITS: Final = (
    ("challenge_window", 40),
    ("dispute_seconds", 40),
    ("standby_seconds", 40),
    ("max_round_seconds", 40),
    ("unbonding", 40),
    ("claim_seconds", 40),
    ("round_reward", 88),
    ("participant_basis_points", 16),
    ("trustee_basis_points", 16),
    ("aggregator_basis_points", 16),
    ("participant_stake", 96),
    ("trustee_stake", 96),
    ("aggregator_stake", 96),
    ("dispute_bond", 96),
    ("challenger_reward_cap", 96),
    ("minimum_quorum", 16),
    ("participants_per_round", 16),
    ("max_missed", 8),
)


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """The immutable settings of a new Federation contract, as in ``IFederation.Config``. Raises ConfigurationError.

    Times are in seconds, amounts in the smallest unit of ``asset``, which is an ERC-20 token or, if zero, the chain's
    own coin. The three shares of a round's reward are in basis points and add up to at most 10,000; what they leave
    goes back to the pool.

    ``predecessor`` is the federation that this one continues. ``dispute_seconds`` bounds one dispute.
    ``standby_seconds`` is how long only the last aggregator may open the next round, and how long after a missed
    deadline a standby may take a round over. ``unbonding_seconds`` is how long a stake is held after leaving; None
    for the shortest time that leaves no dispute too late. ``claim_seconds`` is how long a reward can be claimed.
    ``participants_per_round`` are drawn, 0 for all; after ``max_missed`` missed selections in a row a participant is
    suspended, 0 for never.
    """

    challenge_window: int
    round_reward: int
    participant_basis_points: int = 7_000
    trustee_basis_points: int = 2_000
    aggregator_basis_points: int = 1_000
    asset: Address = ZERO_ADDRESS
    predecessor: Address = ZERO_ADDRESS
    dispute_seconds: int = 120
    standby_seconds: int = 30
    max_round_seconds: int = 7 * 86_400
    unbonding_seconds: int | None = None
    claim_seconds: int = 365 * 86_400
    payout_rule: PayoutRule = PayoutRule.EQUAL
    participant_stake: int = 0
    trustee_stake: int = 0
    aggregator_stake: int = 0
    dispute_bond: int = 0
    challenger_reward_cap: int = 0
    minimum_quorum: int = 2
    participants_per_round: int = 0
    max_missed: int = 0

    @property
    def shortest_unbonding(self) -> int:
        """How long a stake must be held at least, so that no dispute comes too late."""
        return self.max_round_seconds + 3 * self.standby_seconds + self.challenge_window + self.dispute_seconds

    @property
    def unbonding(self) -> int:
        """How long a stake is held after leaving: what was asked for, or the shortest allowed."""
        return self.shortest_unbonding if self.unbonding_seconds is None else self.unbonding_seconds

    def __post_init__(self) -> None:
        """Refuse values that the contract could not hold or would refuse."""
        for name, bits in _BITS:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
                raise ConfigurationError(
                    f"{name} does not fit the contract", expected=f"an integer of at most {bits} bits", got=value
                )
        total = self.participant_basis_points + self.trustee_basis_points + self.aggregator_basis_points
        if total > BASIS_POINTS:
            raise ConfigurationError(
                "the reward shares add up to more than the whole reward",
                expected=f"at most {BASIS_POINTS} basis points",
                got=total,
                advice="lower one of participant, trustee or aggregator basis points",
            )
        for name in ("dispute_seconds", "max_round_seconds", "claim_seconds"):
            if not 1 <= getattr(self, name) <= LONGEST:
                raise ConfigurationError(
                    f"{name} is out of range", expected=f"1 to {LONGEST} seconds", got=getattr(self, name)
                )
        if not self.shortest_unbonding <= self.unbonding <= LONGEST:
            raise ConfigurationError(
                "the unbonding time does not fit: disputes would come too late, or stakes never come back",
                expected=f"at least {self.shortest_unbonding} seconds (the longest round, three times the standby time,"
                f" the challenge window and the longest dispute together), at most {LONGEST}",
                got=self.unbonding,
                advice="leave unbonding_seconds out, or shorten max_round_seconds",
            )
        if self.minimum_quorum < MINIMUM_QUORUM:
            raise ConfigurationError(
                "a round of one update would publish that update",
                expected=f"a minimum quorum of {MINIMUM_QUORUM} or more",
                got=self.minimum_quorum,
            )
        if 0 < self.participants_per_round < self.minimum_quorum:
            raise ConfigurationError(
                "fewer participants would be drawn than a round needs",
                expected=f"0 for all, or at least the minimum quorum of {self.minimum_quorum}",
                got=self.participants_per_round,
            )
        if not isinstance(self.payout_rule, PayoutRule):
            raise ConfigurationError(
                "there is no such payout rule", expected=[rule.name for rule in PayoutRule], got=self.payout_rule
            )
