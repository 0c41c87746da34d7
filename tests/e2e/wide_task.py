"""A task with a model of 100,000 parameters: what the arithmetic of large models goes through, on small data."""

from __future__ import annotations

from torch import nn

from fedtrust.learning.heart import FEATURES, HeartDisease

HIDDEN = 100_000 // (len(FEATURES) + 2)


class WidePerceptron(HeartDisease):
    """One hidden layer, as wide as it takes."""

    @classmethod
    def build_model(cls) -> nn.Module:
        return nn.Sequential(nn.Linear(len(FEATURES), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
