"""A module's state as a Model and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from fedtrust.errors import ModelError
from fedtrust.learning.state import load_into, model_of
from fedtrust.rules.model import FloatArray, Model


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Flatten(), nn.Linear(8, 3).double())


def test_round_trip_restores_every_bit() -> None:
    first, second = network(), network()
    model = model_of(first)
    assert model_of(second) != model
    load_into(second, model)
    assert model_of(second).to_bytes() == model.to_bytes()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert [s.name for s in model.schema] == sorted(first.state_dict())
    assert model.parameters == sum(p.numel() for p in first.parameters())


def test_the_model_is_a_copy() -> None:
    module = nn.Linear(2, 1)
    model = model_of(module)
    before = model.digest
    with torch.no_grad():
        module.weight.fill_(9)
    assert model.digest == before
    load_into(module, model)
    with torch.no_grad():
        module.weight.fill_(9)
    assert model.digest == before


def test_gradients_still_flow_after_loading() -> None:
    module = nn.Linear(2, 1)
    load_into(module, model_of(nn.Linear(2, 1)))
    module(torch.ones(1, 2)).sum().backward()
    assert module.weight.grad is not None


def test_float_buffers_are_part_of_the_state() -> None:
    module = nn.Linear(2, 1)
    module.register_buffer("scale", torch.full((2,), 3.0))
    assert model_of(module).tensors["scale"].tolist() == [3.0, 3.0]


class WithExtra(nn.Linear):
    def get_extra_state(self) -> str:
        return "anything"


def sparse() -> nn.Module:
    module = nn.Linear(2, 1)
    module.register_buffer("table", torch.eye(2).to_sparse())
    return module


@pytest.mark.parametrize(
    ("build", "name", "advice"),
    [
        (lambda: nn.BatchNorm1d(3), "num_batches_tracked", "GroupNorm"),
        (lambda: nn.Linear(2, 1).half(), "bias", "float32"),
        (lambda: nn.Linear(2, 1).bfloat16(), "bias", "float32"),
        (sparse, "table", "dense"),
        (lambda: WithExtra(2, 1), "_extra_state", "dense"),
    ],
)
def test_what_has_no_mean_is_refused_with_advice(build: Callable[[], nn.Module], name: str, advice: str) -> None:
    module = build()
    with pytest.raises(ModelError) as caught:
        model_of(module)
    assert advice in str(caught.value.advice)
    assert name in caught.value.message or "weight" in caught.value.message


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused_by_name(bad: float) -> None:
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.bias.fill_(bad)
    with pytest.raises(ModelError, match="'bias'"):
        model_of(module)


def test_mismatches_are_refused_and_change_nothing() -> None:
    module = nn.Linear(2, 1)
    before = model_of(module).digest
    weight, bias = np.zeros((1, 2), np.float32), np.zeros(1, np.float32)
    mismatches: list[dict[str, FloatArray]] = [
        {"weight": weight},
        {"weight": weight, "bias": bias, "extra": bias},
        {"weight": weight.T, "bias": bias},
        {"weight": weight.astype(np.float64), "bias": bias},
        {"Weight": weight, "bias": bias},
    ]
    for tensors in mismatches:
        with pytest.raises(ModelError):
            load_into(module, Model(tensors))
    assert model_of(module).digest == before
