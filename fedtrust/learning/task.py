"""The Task: the one class a user writes to train a model of their own together with others."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import ClassVar, Self

import torch
from torch import nn

from fedtrust.errors import ConfigurationError
from fedtrust.learning.source import TaskSource, find_task_source
from fedtrust.protocol.training import TrainingParameters


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of a model, each the mean over ``examples`` held-out examples."""

    examples: int
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        """Copy the metrics; raise ConfigurationError if there were no examples."""
        if self.examples < 1:
            raise ConfigurationError(
                "a model was evaluated on no examples",
                expected="at least 1 held-out example",
                got=self.examples,
                advice="Task.evaluate must use this participant's own held-out data",
            )
        metrics = {name: float(value) for name, value in self.metrics.items()}
        object.__setattr__(self, "metrics", MappingProxyType(metrics))


class Task(ABC):
    """One participant's data, and the model that is trained on it.

    An instance holds the data of one participant. The framework loads it once, then each round puts the
    global model's parameters into a fresh module, evaluates it, trains it, and takes the difference.
    ``metrics`` names what :meth:`evaluate` returns; it is the same for all participants.

    All randomness must come from torch (its global generator is seeded for each round, and so is the one
    handed to :meth:`train`): then the same inputs give the same update, bit for bit, on the same machine.
    """

    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

    @classmethod
    @abstractmethod
    def load(cls, data: str) -> Self:
        """Load this participant's data; ``data`` is what the user gave on the command line (a path, a name).

        Raises ConfigurationError if there is no such data.
        """

    @classmethod
    @abstractmethod
    def build_model(cls) -> nn.Module:
        """Return a new module: float32 or float64 state only, the same architecture for everyone."""

    @abstractmethod
    def train(self, model: nn.Module, parameters: TrainingParameters, generator: torch.Generator) -> int:
        """Train ``model`` in place on this participant's training data; return how many examples it has.

        ``generator`` is for shuffling. The number weighs the update in the mean; it is encrypted like the
        update.
        """

    @abstractmethod
    def evaluate(self, model: nn.Module) -> Evaluation:
        """Return the metrics of ``model`` on this participant's held-out data, which ``train`` never uses.

        It runs in evaluation mode and without gradients.
        """


def load_task(specification: str) -> type[Task]:
    """Return the Task class named ``package.module:Class`` or ``path/to/file.py:Class``.

    Raises ConfigurationError if there is no such file, it does not import, or the class is no complete Task.
    """
    source = find_task_source(specification)
    module = _import(source)
    found = getattr(module, source.class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        names = sorted(
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Task) and not value.__abstractmethods__
        )
        raise ConfigurationError(
            f"{source.path} defines no task {source.class_name!r}",
            expected="a subclass of fedtrust.learning.task.Task",
            got="nothing of that name" if found is None else repr(found),
            advice=f"the tasks it has: {', '.join(names) or 'none'}",
        )
    missing = sorted(found.__abstractmethods__)
    if missing:
        raise ConfigurationError(
            f"the task {source.class_name} is incomplete",
            expected="load, build_model, train and evaluate",
            got=f"no {', '.join(missing)}",
        )
    if not all(isinstance(name, str) and name.isidentifier() for name in found.metrics):
        raise ConfigurationError(
            f"the metrics of the task {source.class_name} are malformed",
            expected="a tuple of identifiers",
            got=found.metrics,
        )
    return found


def _import(source: TaskSource) -> ModuleType:
    try:
        if source.module is not None:
            return importlib.import_module(source.module)
        name = f"fedtrust_task_{source.digest.hex()[:16]}"  # one module for each version of the file
        if name in sys.modules:
            return sys.modules[name]
        specification = importlib.util.spec_from_file_location(name, source.path)
        if specification is None or specification.loader is None:
            raise ImportError(f"{source.path} is not a Python file")
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        try:
            specification.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except Exception as error:  # whatever the user's file raises when it is run
        raise ConfigurationError(
            f"the task's code does not import: {source.path}",
            expected="a module that imports without an error",
            got=f"{type(error).__name__}: {error}",
            advice="import it in a Python shell to see the whole traceback",
        ) from error
