"""Local training: the right difference, the same to the bit, closed to what cannot be sent."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedtrust.errors import ConfigurationError, ModelError, UpdateError
from fedtrust.learning.heart import MLP, TRAINING, LogisticRegression
from fedtrust.learning.state import load_into
from fedtrust.learning.task import Evaluation
from fedtrust.learning.training import derive_seed, deterministic, evaluate_model, initial_model, local_update
from fedtrust.protocol.training import TrainingParameters
from fedtrust.rules.model import Model

PRINT_UPDATE = """
import hashlib
from fedtrust.learning.heart import MLP, TRAINING
from fedtrust.learning.training import initial_model, local_update
base = initial_model(MLP, 5)
update = local_update(MLP.load("hungary"), base, TRAINING, 3, "0xabc")
print(base.digest.hex(), hashlib.sha256(update.delta.tobytes()).hexdigest(), update.evaluation.metrics["loss"].hex())
"""


def update_in_another_process(threads: int) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(threads)}
    run = subprocess.run(
        [sys.executable, "-c", PRINT_UPDATE], check=True, capture_output=True, text=True, env=environment
    )
    return run.stdout


def test_two_runs_and_other_processes_give_the_same_bits() -> None:
    base = initial_model(MLP, 5)
    task = MLP.load("hungary")
    first = local_update(task, base, TRAINING, 3, "0xabc")
    torch.manual_seed(99)  # what happened before must not matter
    torch.rand(7)
    second = local_update(MLP.load("hungary"), base, TRAINING, 3, "0xabc")
    assert first.delta.tobytes() == second.delta.tobytes()
    assert first.evaluation == second.evaluation
    delta = hashlib.sha256(first.delta.tobytes()).hexdigest()
    here = f"{base.digest.hex()} {delta} {first.evaluation.metrics['loss'].hex()}\n"
    assert update_in_another_process(1) == here
    assert update_in_another_process(2) == here


def test_rounds_participants_and_seeds_differ() -> None:
    base = initial_model(MLP, 5)
    task = MLP.load("hungary")
    deltas = {
        local_update(task, base, parameters, round, label).delta.tobytes()
        for parameters, round, label in (
            (TRAINING, 1, "a"),
            (TRAINING, 2, "a"),
            (TRAINING, 1, "b"),
            (replace(TRAINING, seed=1), 1, "a"),
        )
    }
    assert len(deltas) == 4
    assert initial_model(MLP, 1) != initial_model(MLP, 2)
    assert initial_model(MLP, 1) == initial_model(MLP.load("va"), 1)


@given(st.integers(0, 2**53 - 1), st.integers(0, 10**6), st.text(max_size=50))
def test_seeds_fit_torch_and_depend_on_everything(seed: int, round: int, label: str) -> None:
    value = derive_seed(seed, round, label)
    assert 0 <= value < 2**63
    assert value == derive_seed(seed, round, label)
    assert len({value, derive_seed(seed + 1, round, label), derive_seed(seed, round + 1, label)}) == 3
    assert value != derive_seed(seed, round, label + "x")


def test_a_seed_is_pinned() -> None:
    # A change would change what every federation's replay gives.
    digest = hashlib.sha256(b"fedtrust.seed.v1\x000\x001\x00cleveland").hexdigest()
    assert derive_seed(0, 1, "cleveland") == int(digest[:16], 16) // 2 == 7807691187044803600


def test_the_delta_is_the_difference_of_gradient_descent() -> None:
    """Full-batch, one step: against the gradient worked out by hand in NumPy."""
    task = LogisticRegression.load("cleveland")
    base = initial_model(task, 0)
    parameters = TrainingParameters(epochs=1, batch_size=10_000, learning_rate=0.1, seed=0)
    update = local_update(task, base, parameters, 1, "x")
    inputs, targets = task.training.inputs.double().numpy(), task.training.targets.double().numpy()
    bias, weight = base.to_vector()[0], base.to_vector()[1:]
    residual = 1 / (1 + np.exp(-(inputs @ weight + bias))) - targets
    gradient = np.concatenate([[residual.mean()], (inputs * residual[:, None]).mean(axis=0)])
    assert update.examples == len(targets) == 227
    np.testing.assert_allclose(update.delta, -0.1 * gradient, rtol=0, atol=1e-6)


def test_the_evaluation_is_of_the_base_model_on_held_out_data() -> None:
    task = LogisticRegression.load("cleveland")
    base = initial_model(task, 0)
    update = local_update(task, base, TRAINING, 1, "x")
    assert update.evaluation == evaluate_model(task, base)
    assert update.evaluation.examples == len(task.held_out) == 76
    module = task.build_model()
    load_into(module, base)
    logits = module(task.held_out.inputs).squeeze(1).detach()
    accuracy = ((logits > 0) == (task.held_out.targets > 0.5)).double().mean().item()
    assert update.evaluation.metrics["accuracy"] == accuracy


def test_settings_are_put_back() -> None:
    threads = torch.get_num_threads()
    state = torch.get_rng_state()

    def fails_inside() -> None:
        with deterministic(1):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            torch.rand(3)
            raise RuntimeError("from inside")

    with pytest.raises(RuntimeError, match="from inside"):
        fails_inside()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)


class Misbehaving(LogisticRegression):
    """Trains or evaluates as ``how`` says; an attack or an accident on the participant's side."""

    how: Any = None

    def train(self, model: nn.Module, parameters: TrainingParameters, generator: torch.Generator) -> int:
        if isinstance(self.how, float):
            with torch.no_grad():
                model[0].bias.fill_(self.how)  # type: ignore[index]
        if self.how == "cast":
            model.double()
        examples = super().train(model, parameters, generator) if self.how is None else 3
        return self.how[0] if isinstance(self.how, list) else examples

    def evaluate(self, model: nn.Module) -> Evaluation:
        return Evaluation(3, {"f1": 1.0}) if self.how == "metrics" else super().evaluate(model)


def misbehave(how: Any) -> None:
    task = Misbehaving.load("switzerland")
    task.how = how
    local_update(task, initial_model(task, 0), TRAINING, 1, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_training_that_diverges_is_reported_and_not_sent(value: float) -> None:
    with pytest.raises(UpdateError, match="bias") as caught:
        misbehave(value)
    assert "learning rate" in str(caught.value.advice)


@pytest.mark.parametrize("examples", [0, -1, 1.5, None, True, torch.tensor(3)])
def test_a_number_of_examples_that_is_none_is_refused(examples: object) -> None:
    with pytest.raises(UpdateError, match="number"):
        misbehave([examples])


def test_training_must_keep_the_schema() -> None:
    with pytest.raises(ModelError, match=r"'0\.bias'"):
        misbehave("cast")


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="metrics") as caught:
        misbehave("metrics")
    assert caught.value.expected == "loss, accuracy"


def test_a_base_model_of_another_task_is_refused() -> None:
    with pytest.raises(ModelError):
        local_update(MLP.load("va"), initial_model(LogisticRegression, 0), TRAINING, 1, "x")
    with pytest.raises(ModelError):
        evaluate_model(MLP.load("va"), Model({"w": np.ones(3)}))
