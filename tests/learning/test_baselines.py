"""The reason to federate, as figures over ten splits; and the measures they rest on."""

from __future__ import annotations

import json
import math
from statistics import fmean

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import ConfigurationError
from fedtrust.learning.baselines import Comparison, compare, train_alone
from fedtrust.learning.binary import Examples, area_under_curve, concatenate
from fedtrust.learning.heart import (
    CLIP_NORM,
    HOSPITALS,
    MLP,
    ROUNDS,
    TRAINING,
    HeartDisease,
    LogisticRegression,
    load_hospitals,
)
from fedtrust.learning.simulation import simulate_federation
from fedtrust.learning.training import initial_model
from fedtrust.protocol.contribution import VectorLayout

SPLITS = range(10)


def layout(task: type[HeartDisease]) -> VectorLayout:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=64)
    return VectorLayout(initial_model(task, 0).parameters, task.metrics, slots, CLIP_NORM, 10.0)


def comparison(task: type[HeartDisease], seed: int) -> Comparison:
    return compare(load_hospitals(task, seed), ROUNDS, TRAINING, layout(task), clip_norm=CLIP_NORM)


@pytest.mark.slow
@pytest.mark.parametrize("task", [LogisticRegression, MLP])
def test_over_ten_splits_federated_is_near_pooled_and_above_alone(task: type[HeartDisease]) -> None:
    all_splits = [comparison(task, seed) for seed in SPLITS]
    federated = fmean(c.federated.overall.accuracy for c in all_splits)
    pooled = fmean(c.pooled.overall.accuracy for c in all_splits)
    alone = fmean(c.mean_alone_accuracy for c in all_splits)
    assert federated > pooled - 0.01
    assert federated > alone + 0.05
    federated_auc = fmean(c.federated.overall.auc for c in all_splits)
    pooled_auc = fmean(c.pooled.overall.auc for c in all_splits)
    assert federated_auc > pooled_auc - 0.01
    assert federated_auc > fmean(c.mean_alone_auc for c in all_splits)
    assert all(c.federated.overall.accuracy > c.mean_alone_accuracy for c in all_splits)


@pytest.mark.parametrize("task", [LogisticRegression, MLP])
def test_the_default_split(task: type[HeartDisease]) -> None:
    result = comparison(task, 0)
    assert result.federated.overall.accuracy > result.pooled.overall.accuracy - 0.03
    assert result.federated.overall.accuracy > result.mean_alone_accuracy
    assert tuple(result.alone) == HOSPITALS
    assert result.federated.overall.examples == 230
    for row in (result.federated, result.pooled, *result.alone.values()):
        correct = sum(m.accuracy * m.examples for m in row.each.values())
        assert correct == pytest.approx(row.overall.accuracy * row.overall.examples)
    home = [result.alone[h].each[h] for h in HOSPITALS]
    assert result.own_accuracy == pytest.approx(sum(m.accuracy * m.examples for m in home) / 230)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False)) == result.to_json()


def test_no_update_of_the_defaults_is_clipped() -> None:
    tasks = load_hospitals(LogisticRegression)
    base = initial_model(LogisticRegression, 0)
    wide = VectorLayout(base.parameters, LogisticRegression.metrics, SlotLayout(16, 10, 64), CLIP_NORM, 10.0)
    clipped = simulate_federation(tasks, base, 3, TRAINING, wide, clip_norm=CLIP_NORM)
    free = simulate_federation(tasks, base, 3, TRAINING, wide, clip_norm=1e9)
    assert clipped[-1].model == free[-1].model


def test_alone_passes_over_the_data_as_often_as_the_federation() -> None:
    task = LogisticRegression.load("switzerland")
    assert train_alone(task, 1, TRAINING, "x") != train_alone(task, 2, TRAINING, "x")
    assert train_alone(task, 2, TRAINING, "x") == train_alone(task, 2, TRAINING, "x")


def test_tasks_of_two_kinds_are_refused() -> None:
    tasks: dict[str, HeartDisease] = {"a": MLP.load("va"), "b": LogisticRegression.load("va")}
    with pytest.raises(ConfigurationError):
        compare(tasks, 1, TRAINING, layout(MLP), clip_norm=1.0)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), max_size=30))
def test_area_under_curve_is_the_share_of_ordered_pairs(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([label for _, label in pairs], dtype=bool)
    above = [s for s, label in pairs if label]
    below = [s for s, label in pairs if not label]
    got = area_under_curve(scores, positive)
    if not above or not below:
        assert math.isnan(got)
        return
    share = sum((a > b) + (a == b) / 2 for a in above for b in below) / (len(above) * len(below))
    assert got == pytest.approx(share)


def test_examples_must_belong_together() -> None:
    good = Examples(torch.zeros(2, 3), torch.ones(2))
    assert len(concatenate([good, good])) == 4
    for inputs, targets in (
        (torch.zeros(2, 3), torch.ones(3)),
        (torch.zeros(2), torch.ones(2)),
        (torch.zeros(0, 3), torch.ones(0)),
    ):
        with pytest.raises(ConfigurationError):
            Examples(inputs, targets)
