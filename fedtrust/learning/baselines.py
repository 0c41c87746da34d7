"""Is it worth it? The federated model against what each could train alone, and against all data in one place.

All start from the same initial model, use the same optimiser and settings, and pass over their training
data equally often (rounds times epochs). All are measured on the held-out records of every participant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from fedtrust.errors import ConfigurationError
from fedtrust.learning.binary import BinaryClassification, Measures, concatenate, measure
from fedtrust.learning.simulation import simulate_federation
from fedtrust.learning.state import load_into
from fedtrust.learning.training import initial_model, local_update
from fedtrust.protocol.contribution import VectorLayout
from fedtrust.protocol.training import TrainingParameters, participant_label
from fedtrust.rules.model import Model


@dataclass(frozen=True, slots=True)
class Row:
    """How one model does: on each participant's held-out records, and on all of them together."""

    each: Mapping[str, Measures]
    overall: Measures

    def to_json(self) -> dict[str, object]:
        """Return the row as JSON-ready mappings; a missing AUC (only one class) is null."""
        return {
            "each": {name: _measures_to_json(m) for name, m in self.each.items()},
            "overall": _measures_to_json(self.overall),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The federated model, each participant's own model (by its name), and the model of pooled data."""

    federated: Row
    alone: Mapping[str, Row]
    pooled: Row

    @property
    def mean_alone_accuracy(self) -> float:
        """The mean over participants of their own model's accuracy on everybody's held-out records."""
        return fmean(row.overall.accuracy for row in self.alone.values())

    @property
    def mean_alone_auc(self) -> float:
        """The mean over participants of their own model's AUC on everybody's held-out records."""
        return fmean(row.overall.auc for row in self.alone.values())

    @property
    def own_accuracy(self) -> float:
        """The accuracy over all held-out records if each participant uses its own model for its own only.

        This is the harder comparison: a model that is only good at home still does well in it.
        """
        home = [row.each[name] for name, row in self.alone.items()]
        return math.fsum(m.accuracy * m.examples for m in home) / sum(m.examples for m in home)

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON-ready mappings."""
        return {
            "federated": self.federated.to_json(),
            "alone": {name: row.to_json() for name, row in self.alone.items()},
            "mean_alone_accuracy": self.mean_alone_accuracy,
            "own_accuracy": self.own_accuracy,
            "pooled": self.pooled.to_json(),
        }


def evaluate_everywhere(tasks: Mapping[str, BinaryClassification], model: Model) -> Row:
    """Measure ``model`` on the held-out records of every task. Raises ModelError if it is not theirs."""
    module = next(iter(tasks.values())).build_model()
    load_into(module, model)
    each = {name: measure(module, task.held_out) for name, task in tasks.items()}
    return Row(each, measure(module, concatenate([task.held_out for task in tasks.values()])))


def train_alone(task: BinaryClassification, rounds: int, parameters: TrainingParameters, label: str) -> Model:
    """Return the initial model after ``rounds`` times ``parameters.epochs`` passes over one task's data."""
    base = initial_model(task, parameters.seed)
    longer = replace(parameters, epochs=rounds * parameters.epochs)
    return base.with_vector(base.to_vector() + local_update(task, base, longer, 1, label).delta)


def compare(
    tasks: Mapping[str, BinaryClassification],
    rounds: int,
    parameters: TrainingParameters,
    layout: VectorLayout,
    *,
    clip_norm: float,
    server_learning_rate: float = 1.0,
) -> Comparison:
    """Train all three ways and measure. The tasks are of one class; settings are those of ``simulate_federation``.

    The order of ``tasks`` is that in which the participants are registered: a real run then gives the same model.

    Raises ConfigurationError if the tasks are not of one class.
    """
    kinds = {type(task) for task in tasks.values()}
    if len(kinds) != 1:
        raise ConfigurationError("the tasks to compare are not of one class", got=sorted(k.__name__ for k in kinds))
    kind = kinds.pop()
    pooled = kind(
        concatenate([task.training for task in tasks.values()]),
        concatenate([task.held_out for task in tasks.values()]),
    )
    federated = simulate_federation(
        {participant_label(index): task for index, task in enumerate(tasks.values())},
        initial_model(kind, parameters.seed),
        rounds,
        parameters,
        layout,
        clip_norm=clip_norm,
        server_learning_rate=server_learning_rate,
    )[-1].model
    return Comparison(
        evaluate_everywhere(tasks, federated),
        {
            name: evaluate_everywhere(tasks, train_alone(task, rounds, parameters, f"alone {name}"))
            for name, task in tasks.items()
        },
        evaluate_everywhere(tasks, train_alone(pooled, rounds, parameters, "pooled")),
    )


def _measures_to_json(measures: Measures) -> dict[str, object]:
    return {
        "examples": measures.examples,
        "accuracy": measures.accuracy,
        "auc": None if math.isnan(measures.auc) else measures.auc,
    }
