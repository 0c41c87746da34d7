"""What a Federation is deployed with. No web3 in here: the in-memory chain takes the same value."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.errors import ConfigurationError

BASIS_POINTS = 10_000
"""Basis points of the whole reward."""


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """The immutable settings of a new Federation contract.

    ``challenge_window`` is in seconds, ``round_reward`` in wei. The three shares of a round's reward are in basis
    points and add up to at most 10,000; what they leave goes back to the pool. Raises ConfigurationError.
    """

    challenge_window: int
    round_reward: int
    participant_basis_points: int = 7_000
    trustee_basis_points: int = 2_000
    aggregator_basis_points: int = 1_000

    def __post_init__(self) -> None:
        """Refuse values that the contract could not hold or would refuse."""
        for name, bits in (
            ("challenge_window", 64),
            ("round_reward", 128),
            ("participant_basis_points", 16),
            ("trustee_basis_points", 16),
            ("aggregator_basis_points", 16),
        ):
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
