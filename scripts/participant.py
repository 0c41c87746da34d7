"""A participant with a model and data of your own: copy this file, change the marked parts, hand it to everybody.

All participants and the aggregator name the same file: its sha-256 is in every round's specification.
"""

import csv
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fedtrust.cli.participant import run_participant
from fedtrust.learning.task import Evaluation, Task
from fedtrust.protocol.training import TrainingParameters

# Your columns. Centre and scale are agreed beforehand: nobody has to publish the statistics of its own data.
COLUMNS = {"age": (50, 10), "male": (0, 1), "resting_blood_pressure": (130, 20), "max_heart_rate": (140, 25)}
LABEL = "diagnosis"


class MyTask(Task):
    """Predict the label of a CSV file from its columns with a small neural network."""

    metrics = ("loss", "accuracy")

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        held_out = torch.arange(len(targets)) % 5 == 0  # every fifth record is for evaluation only
        self.training = TensorDataset(inputs[~held_out], targets[~held_out])
        self.held_out = inputs[held_out], targets[held_out]

    @classmethod
    def load(cls, data: str) -> Self:  # your data loader: `data` is what --data says
        with open(data, newline="") as file:
            rows = list(csv.DictReader(file))
        inputs = [[(float(row[c] or mid) - mid) / scale for c, (mid, scale) in COLUMNS.items()] for row in rows]
        return cls(torch.tensor(inputs), torch.tensor([float(row[LABEL] != "0") for row in rows]))

    @classmethod
    def build_model(cls) -> nn.Module:  # your model: the same architecture for everybody
        return nn.Sequential(nn.Linear(len(COLUMNS), 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))

    def train(self, model: nn.Module, parameters: TrainingParameters, generator: Generator) -> int:
        optimiser = torch.optim.SGD(model.parameters(), lr=parameters.learning_rate)
        loader = DataLoader(self.training, parameters.batch_size, shuffle=True, generator=generator)
        for _ in range(parameters.epochs):
            for inputs, targets in loader:
                optimiser.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(model(inputs), targets).backward()
                optimiser.step()
        return len(self.training)  # the weight of this update in the mean; encrypted, like the update

    def evaluate(self, model: nn.Module) -> Evaluation:
        inputs, targets = self.held_out
        logits = model(inputs)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, targets).item()
        accuracy = ((logits > 0) == (targets > 0.5)).double().mean().item()
        return Evaluation(len(targets), {"loss": loss, "accuracy": accuracy})


if __name__ == "__main__":
    run_participant(MyTask)
