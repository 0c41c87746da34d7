"""A federation in one process: exact, order-independent, and the same as its parts."""

from __future__ import annotations

import numpy as np
import pytest

from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import ConfigurationError, UpdateError
from fedtrust.learning.heart import CLIP_NORM, TRAINING, LogisticRegression, load_hospitals
from fedtrust.learning.simulation import simulate_federation
from fedtrust.learning.training import evaluate_model, initial_model, local_update
from fedtrust.protocol.contribution import VectorLayout

BASE = initial_model(LogisticRegression, 0)
LAYOUT = VectorLayout(BASE.parameters, LogisticRegression.metrics, SlotLayout(16, 10, 64), CLIP_NORM, 10.0)
TASKS = load_hospitals(LogisticRegression)


def digests(rounds: int = 3, tasks: dict[str, LogisticRegression] = TASKS, **changes: object) -> list[bytes]:
    arguments: dict[str, object] = {"clip_norm": CLIP_NORM} | changes
    completed = simulate_federation(tasks, BASE, rounds, TRAINING, LAYOUT, **arguments)  # type: ignore[arg-type]
    return [r.model.digest for r in completed]


def test_the_same_twice_and_in_any_order_of_participants() -> None:
    backwards = dict(reversed(TASKS.items()))
    assert digests() == digests() == digests(tasks=backwards)
    assert len(set(digests())) == 3


def test_one_round_is_the_weighted_mean_of_float_updates() -> None:
    (result,) = simulate_federation(TASKS, BASE, 1, TRAINING, LAYOUT, clip_norm=CLIP_NORM)
    updates = [local_update(task, BASE, TRAINING, 1, label) for label, task in TASKS.items()]
    weights = np.array([u.examples for u in updates], dtype=np.float64)
    mean = (weights[:, None] * np.array([u.delta for u in updates])).sum(axis=0) / weights.sum()
    half_a_step = CLIP_NORM / LAYOUT.slots.max_value / 2
    error = np.abs(result.model.to_vector() - (BASE.to_vector() + mean))
    assert error.max() <= half_a_step + 1e-7  # and the rounding to float32
    assert result.examples == weights.sum() == sum(len(t.training) for t in TASKS.values())
    held_out = sum(len(t.held_out) for t in TASKS.values())
    assert result.evaluation_examples == held_out
    loss = sum(u.evaluation.metrics["loss"] * u.evaluation.examples for u in updates) / held_out
    assert result.metrics["loss"] == pytest.approx(loss, abs=10.0 / LAYOUT.slots.max_value)


def test_metrics_of_a_round_are_those_of_the_model_before_it() -> None:
    first, second = simulate_federation(TASKS, BASE, 2, TRAINING, LAYOUT, clip_norm=CLIP_NORM)
    after_one = [evaluate_model(task, first.model) for task in TASKS.values()]
    accuracy = sum(e.metrics["accuracy"] * e.examples for e in after_one) / sum(e.examples for e in after_one)
    assert second.metrics["accuracy"] == pytest.approx(accuracy, abs=1e-3)


def test_drop_outs_and_aborted_rounds() -> None:
    three = tuple(TASKS)[:3]
    assert digests(accepted={1: three})[0] == digests(1, {label: TASKS[label] for label in three})[0]
    assert digests(accepted={1: three})[0] == digests(accepted={1: three[::-1]})[0]
    assert len(digests(accepted={2: ()})) == 2
    assert digests(accepted={2: ()})[0] == digests()[0]
    # round 3 starts from round 1's model, with round 3's seeds
    assert digests(accepted={2: ()})[1] != digests()[1]
    for wrong in (("boston",), (three[0], three[0])):
        with pytest.raises(ConfigurationError, match="round 2"):
            digests(accepted={2: wrong})


def test_clipping_bounds_the_step_and_the_server_rate_scales_it() -> None:
    completed = simulate_federation(TASKS, BASE, 1, TRAINING, LAYOUT, clip_norm=0.01)
    step = completed[0].model.to_vector() - BASE.to_vector()
    assert 0 < np.linalg.norm(step) <= 0.011
    assert digests(1, server_learning_rate=0.5) != digests(1)
    narrow = VectorLayout(BASE.parameters, LAYOUT.metrics, LAYOUT.slots, 0.01, 10.0)
    with pytest.raises(UpdateError, match="range"):  # a norm above the layout's range does not pass quietly
        simulate_federation(TASKS, BASE, 1, TRAINING, narrow, clip_norm=CLIP_NORM)
