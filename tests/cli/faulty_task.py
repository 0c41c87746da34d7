"""The heart-disease task with a participant that goes wrong on purpose: data ``HOSPITAL:FAULT``."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from fedtrust.learning.heart import LogisticRegression
from fedtrust.protocol.training import TrainingParameters

FAULTS = {"nan": float("nan"), "infinite": float("inf"), "far": 1e6, "heavy": 0.0}


class FaultyTask(LogisticRegression):
    """Logistic regression whose training may add something to the first weight, or claim too many examples."""

    fault: str = ""

    @classmethod
    def load(cls, data: str) -> Self:
        hospital, _, fault = data.partition(":")
        task = super().load(hospital)
        task.fault = fault
        return task

    def train(self, model: nn.Module, parameters: TrainingParameters, generator: torch.Generator) -> int:
        examples = super().train(model, parameters, generator)
        if self.fault:
            with torch.no_grad():
                next(model.parameters())[0, 0] += FAULTS[self.fault]
        return 10**6 if self.fault == "heavy" else examples
