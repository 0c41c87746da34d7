"""Loading a user's task by name, with errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedtrust.errors import ConfigurationError
from fedtrust.learning import heart
from fedtrust.learning.task import Evaluation, load_task
from fedtrust.learning.training import evaluate_model, initial_model

OWN_TASK = '''
from dataclasses import dataclass
import torch
from torch import nn
from fedtrust.learning.task import Evaluation, Task

@dataclass
class Mean(Task):
    """Learns the mean of its numbers."""
    numbers: torch.Tensor
    metrics = ("loss",)

    @classmethod
    def load(cls, data):
        return cls(torch.tensor([float(x) for x in data.split(",")]))

    @classmethod
    def build_model(cls):
        return nn.Linear(1, 1, bias=False)

    def train(self, model, parameters, generator):
        with torch.no_grad():
            model.weight.fill_(self.numbers.mean())
        return len(self.numbers)

    def evaluate(self, model):
        return Evaluation(len(self.numbers), {"loss": (self.numbers - model.weight).square().mean()})

class Half(Task):
    metrics = ("loss",)

class Odd(Mean):
    metrics = ("not a name",)
'''


def test_a_task_of_the_package() -> None:
    assert load_task("fedtrust.learning.heart:LogisticRegression") is heart.LogisticRegression


def test_a_task_in_the_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "own_task.py"
    path.write_text(OWN_TASK)
    kind = load_task(f"{path}:Mean")
    assert load_task(f"{path}:Mean") is kind  # loaded once
    task = kind.load("1,2,6")
    zero = initial_model(kind, 1).with_vector(np.zeros(1))
    evaluation = evaluate_model(task, zero)
    assert evaluation.examples == 3
    assert evaluation.metrics == {"loss": pytest.approx(41 / 3)}


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "own_task.py"
    path.write_text(OWN_TASK)
    with pytest.raises(ConfigurationError, match="no task 'Missing'") as caught:
        load_task(f"{path}:Missing")
    assert "Mean" in str(caught.value.advice)
    assert "Half" not in str(caught.value.advice)
    with pytest.raises(ConfigurationError, match="no task 'nn'"):
        load_task(f"{path}:nn")
    with pytest.raises(ConfigurationError, match="incomplete") as caught:
        load_task(f"{path}:Half")
    assert caught.value.got == "no build_model, evaluate, load, train"
    with pytest.raises(ConfigurationError, match="metrics"):
        load_task(f"{path}:Odd")


@pytest.mark.parametrize(
    ("code", "got"),
    [("1 +", "SyntaxError"), ("import no_such_thing", "ModuleNotFoundError"), ("1 / 0", "ZeroDivisionError")],
)
def test_code_that_does_not_import_is_reported(tmp_path: Path, code: str, got: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(code)
    for _ in range(2):  # the second time, nothing half-loaded is found
        with pytest.raises(ConfigurationError, match="does not import") as caught:
            load_task(f"{path}:Task")
        assert str(caught.value.got).startswith(got)


def test_an_evaluation_needs_examples_and_cannot_be_changed() -> None:
    with pytest.raises(ConfigurationError):
        Evaluation(0, {"loss": 1.0})
    evaluation = Evaluation(2, {"loss": 1.0})
    with pytest.raises(TypeError):
        evaluation.metrics["loss"] = 0.0  # type: ignore[index]
