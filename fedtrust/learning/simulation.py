"""A whole federation in one process, without encryption: the same integers, and so the same models to the bit.

Encryption and threshold decryption hand on the sum of the participants' integer vectors unchanged. So this
needs no keys and no chain to say what a real run must give, and it is what a real run is tested against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedtrust.errors import ConfigurationError
from fedtrust.learning.task import Task
from fedtrust.learning.training import local_update
from fedtrust.protocol.contribution import VectorLayout, clip_to_norm, decode, encode
from fedtrust.protocol.training import TrainingParameters
from fedtrust.rules.fedavg import federated_average
from fedtrust.rules.model import Model


@dataclass(frozen=True, slots=True)
class SimulatedRound:
    """What a round gave: the new model, and the weighted means of the *base* model's metrics."""

    number: int
    model: Model
    examples: int
    evaluation_examples: int
    metrics: Mapping[str, float]


def simulate_federation(
    tasks: Mapping[str, Task],
    base: Model,
    rounds: int,
    parameters: TrainingParameters,
    layout: VectorLayout,
    *,
    clip_norm: float,
    server_learning_rate: float = 1.0,
    accepted: Mapping[int, Sequence[str]] | None = None,
) -> tuple[SimulatedRound, ...]:
    """Run rounds 1 to ``rounds`` from ``base`` and return one entry for each round that gave a model.

    ``tasks`` are the participants by label, which is what seeds their training (in a real run the account).
    ``accepted`` says who was in the aggregate of a round, by label: all of them unless it is given, none
    for a round that was aborted (it leaves the model as it was). The other settings are those of a
    RoundSpec. Raises ConfigurationError if it names somebody unknown, and whatever a step of a real round
    would raise.
    """
    completed: list[SimulatedRound] = []
    model = base
    for number in range(1, rounds + 1):
        labels = tuple(tasks) if accepted is None or number not in accepted else tuple(accepted[number])
        unknown = sorted(set(labels) - set(tasks))
        if unknown or len(set(labels)) != len(labels):
            raise ConfigurationError(
                f"round {number}: the accepted participants are not those of the federation",
                expected=f"each at most once of {', '.join(tasks)}",
                got=", ".join(labels),
            )
        if labels:
            result = _simulate_round(
                number,
                {label: tasks[label] for label in labels},
                model,
                parameters,
                layout,
                clip_norm=clip_norm,
                server_learning_rate=server_learning_rate,
            )
            completed.append(result)
            model = result.model
    return tuple(completed)


def _simulate_round(
    number: int,
    tasks: Mapping[str, Task],
    base: Model,
    parameters: TrainingParameters,
    layout: VectorLayout,
    *,
    clip_norm: float,
    server_learning_rate: float,
) -> SimulatedRound:
    sums = np.zeros(layout.length, dtype=np.int64)
    for label, task in tasks.items():
        update = local_update(task, base, parameters, number, label)
        sums += encode(
            layout,
            clip_to_norm(update.delta, clip_norm),
            examples=update.examples,
            evaluation_examples=update.evaluation.examples,
            metrics=update.evaluation.metrics,
        )
    opened = decode(layout, sums, len(tasks))
    model = federated_average(
        base,
        opened.parameter_sums,
        opened.examples,
        clip=layout.value_range,
        max_value=layout.slots.max_value,
        server_learning_rate=server_learning_rate,
    )
    return SimulatedRound(number, model, opened.examples, opened.evaluation_examples, opened.metrics)
