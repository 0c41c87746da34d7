"""The hyper-parameters of local training, as the RoundSpec fixes them. Pure data: no torch in here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedtrust.errors import SpecError


def participant_label(index: int) -> str:
    """Return the label that seeds the training of the participant with that index on chain.

    The index and not the account, so that a rerun with new accounts gives the same models.
    """
    return f"participant {index}"


@dataclass(frozen=True, slots=True)
class TrainingParameters:
    """Hyper-parameters of one participant's local training.

    ``epochs`` passes over the local data in batches of ``batch_size`` with step ``learning_rate``; ``seed`` is the
    federation's seed, from which each participant derives its own per round.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int

    def __post_init__(self) -> None:
        """Raise SpecError on values that no training can use."""
        if self.epochs < 1 or self.batch_size < 1:
            raise SpecError(
                "training.epochs and training.batch_size must be at least 1", got=(self.epochs, self.batch_size)
            )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise SpecError("training.learning_rate must be finite and positive", got=self.learning_rate)
        if not 0 <= self.seed < 2**53:
            raise SpecError("training.seed must be in [0, 2^53)", got=self.seed)

    def to_json(self) -> dict[str, int | float]:
        """Return the JSON form."""
        return {
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
        }
