"""A participant's local step, the same to the bit each time it is run on the same machine.

McMahan et al. 2017, Algorithm 1, ClientUpdate; the update is the difference to the global model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fedtrust.errors import ConfigurationError, UpdateError
from fedtrust.learning.state import arrays_of, load_into, model_of
from fedtrust.learning.task import Evaluation, Task
from fedtrust.protocol.training import TrainingParameters
from fedtrust.rules.model import Model, Vector

INITIAL_LABEL = "initial model"
"""The label from which the seed of the initial model is derived, with round 0."""


@dataclass(frozen=True, slots=True)
class LocalUpdate:
    """What local training gives. ``delta`` is float64, shape (base.parameters,), in schema order, all finite.

    ``examples`` is the number of training examples; ``evaluation`` is that of the *base* model, so that all
    participants' metrics in a round speak of the same model.
    """

    delta: Vector
    examples: int
    evaluation: Evaluation


def derive_seed(seed: int, round: int, label: str) -> int:
    """Return a seed in [0, 2^63) for one party (``label``) in one round, from the federation's ``seed``.

    The first 63 bits of sha-256 over a tag, the two numbers and the label, so that seeds are unrelated.
    """
    text = f"fedtrust.seed.v1\0{seed}\0{round}\0{label}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def deterministic(seed: int) -> Iterator[torch.Generator]:
    """Run a block on one thread, with deterministic algorithms and freshly seeded generators.

    Yields a CPU generator seeded with ``seed``; torch's global one is seeded with it too. Threads,
    algorithms and the global generator are restored afterwards. Sums over several threads round
    differently, so one it is.
    """
    threads = torch.get_num_threads()
    algorithms = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True)
            torch.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(algorithms, warn_only=warn_only)


def initial_model(task: Task | type[Task], seed: int) -> Model:
    """Return the model from which a federation with this seed starts. Raises ModelError as model_of does."""
    with deterministic(derive_seed(seed, 0, INITIAL_LABEL)):
        return model_of(task.build_model())


def evaluate_model(task: Task, model: Model) -> Evaluation:
    """Return the metrics of ``model`` on the held-out data of ``task``.

    Raises ModelError if the model is not the task's, ConfigurationError if the metrics are not those it
    names.
    """
    with deterministic(derive_seed(0, 0, "evaluation")):
        return _evaluate(task, _module(task, model))


def local_update(task: Task, base: Model, parameters: TrainingParameters, round: int, label: str) -> LocalUpdate:
    """Evaluate ``base``, train it on the data of ``task``, and return the difference.

    ``label`` names the participant (its account); with ``parameters.seed`` and ``round`` it seeds
    everything. Raises ModelError if ``base`` is not the task's model, UpdateError if the trained model is
    not finite or the number of examples is not positive, ConfigurationError if the metrics are not those
    the task names.
    """
    with deterministic(derive_seed(parameters.seed, round, label)) as generator:
        evaluation = _evaluate(task, _module(task, base))
        module = _module(task, base)
        module.train()
        examples = task.train(module, parameters, generator)
        arrays = arrays_of(module)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UpdateError(
                f"training gave values that are not finite in tensor {name!r}",
                expected="finite numbers",
                got=f"{int(array.size - np.isfinite(array).sum())} of {array.size} are infinite or NaN",
                advice="lower the learning rate, clip gradients, or look for empty batches; nothing was sent",
            )
    if type(examples) is not int or examples < 1:
        raise UpdateError(
            "Task.train must return the number of its training examples",
            expected="an int, at least 1",
            got=examples,
        )
    trained = Model(arrays)
    trained.require_schema(base)
    return LocalUpdate(trained.to_vector() - base.to_vector(), examples, evaluation)


def _module(task: Task, model: Model) -> nn.Module:
    module = task.build_model()
    load_into(module, model)
    return module


def _evaluate(task: Task, module: nn.Module) -> Evaluation:
    module.eval()
    with torch.no_grad():
        evaluation = task.evaluate(module)
    if set(evaluation.metrics) != set(task.metrics):
        raise ConfigurationError(
            f"{type(task).__name__}.evaluate returned other metrics than the task names",
            expected=", ".join(task.metrics),
            got=", ".join(evaluation.metrics),
        )
    return evaluation
