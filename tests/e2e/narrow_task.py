"""A task whose updates take a handful of ciphertexts: columns to choose from, and nothing that takes long."""

from __future__ import annotations

from torch import nn

from fedtrust.learning.heart import FEATURES, HeartDisease

HIDDEN = 20


class NarrowPerceptron(HeartDisease):
    """One small hidden layer."""

    @classmethod
    def build_model(cls) -> nn.Module:
        return nn.Sequential(nn.Linear(len(FEATURES), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
