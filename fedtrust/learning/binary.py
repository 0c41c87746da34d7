"""Binary classification on tensors that fit in memory: plain SGD, and the usual measures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedtrust.errors import ConfigurationError
from fedtrust.learning.task import Evaluation, Task
from fedtrust.protocol.training import TrainingParameters


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled examples: ``inputs`` float32 (examples, features), ``targets`` float32 (examples,), 0 or 1."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __post_init__(self) -> None:
        """Raise ConfigurationError if the two do not belong together, or there are no examples."""
        if self.inputs.ndim != 2 or self.targets.shape != self.inputs.shape[:1] or not len(self.targets):
            raise ConfigurationError(
                "inputs and targets do not belong together",
                expected="(examples, features) and (examples,), at least one example",
                got=f"{tuple(self.inputs.shape)} and {tuple(self.targets.shape)}",
            )

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Return all the examples of ``parts``, in their order."""
    return Examples(torch.cat([p.inputs for p in parts]), torch.cat([p.targets for p in parts]))


class BinaryClassification(Task):
    """A task with one logit per example, trained with minibatch SGD on the mean cross-entropy.

    A subclass supplies :meth:`load` and :meth:`build_model`; the module maps (examples, features) to logits
    of shape (examples, 1).
    """

    def __init__(self, training: Examples, held_out: Examples) -> None:
        """Keep the two disjoint sets of examples."""
        self.training = training
        self.held_out = held_out

    @classmethod
    @abstractmethod
    def load(cls, data: str) -> Self:
        """Load one participant's examples."""

    def train(self, model: nn.Module, parameters: TrainingParameters, generator: torch.Generator) -> int:
        """Run ``parameters.epochs`` passes of SGD, each over a fresh shuffle of the training examples."""
        optimiser = torch.optim.SGD(model.parameters(), lr=parameters.learning_rate)
        loss_function = nn.BCEWithLogitsLoss()
        for _ in range(parameters.epochs):
            order = torch.randperm(len(self.training), generator=generator)
            for start in range(0, len(order), parameters.batch_size):
                batch = order[start : start + parameters.batch_size]
                optimiser.zero_grad()
                logits = model(self.training.inputs[batch]).squeeze(1)
                loss = loss_function(logits, self.training.targets[batch])
                loss.backward()
                optimiser.step()
        return len(self.training)

    def evaluate(self, model: nn.Module) -> Evaluation:
        """Return mean cross-entropy and accuracy at a threshold of one half."""
        logits = model(self.held_out.inputs).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, self.held_out.targets)
        correct = (logits > 0) == (self.held_out.targets > 0.5)
        metrics = {"loss": loss.item(), "accuracy": correct.double().mean().item()}
        return Evaluation(len(self.held_out), metrics)


@dataclass(frozen=True, slots=True)
class Measures:
    """Accuracy at a threshold of one half, and the area under the ROC curve (NaN with only one class)."""

    examples: int
    accuracy: float
    auc: float


def measure(module: nn.Module, examples: Examples) -> Measures:
    """Return the measures of ``module`` on ``examples``."""
    module.eval()
    with torch.no_grad():
        logits = module(examples.inputs).squeeze(1).double().numpy()
    positive = examples.targets.numpy() > 0.5
    accuracy = float(np.mean((logits > 0) == positive))
    return Measures(len(examples), accuracy, area_under_curve(logits, positive))


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive example scores above a negative one, ties counting half.

    This is the Mann-Whitney statistic, which equals the area under the ROC curve (Hanley and McNeil 1982).
    NaN if there are no positive or no negative examples.
    """
    positives = int(positive.sum())
    negatives = positive.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2  # ranks from 1, ties share their mean
    rank_sum = float(mean_ranks[inverse][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
