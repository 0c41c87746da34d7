"""Federated averaging: right, exact to the bit, and closed to what is malformed."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import FedtrustError, ModelError, SpecError, UpdateError
from fedtrust.protocol.contribution import VectorLayout, decode, encode
from fedtrust.rules.fedavg import federated_average
from fedtrust.rules.model import Model

SLOTS = SlotLayout(value_bits=16, weight_bits=10, max_participants=64)
CLIP = 2.0
PARAMETERS = 5
LAYOUT = VectorLayout(PARAMETERS, ("loss",), SLOTS, CLIP, 10.0)


def base_model() -> Model:
    return Model({"a": np.array([0.25, -1.0]), "b": np.array([[3.0], [0.0], [1e-3]])})


def average(base: Model, sums: NDArray[np.int64], weight: int, rate: float = 1.0) -> Model:
    return federated_average(base, sums, weight, clip=CLIP, max_value=SLOTS.max_value, server_learning_rate=rate)


contributions = st.lists(
    st.tuples(
        st.lists(st.floats(-CLIP, CLIP), min_size=PARAMETERS, max_size=PARAMETERS),
        st.integers(1, SLOTS.max_weight),
    ),
    min_size=1,
    max_size=8,
)


def through_integers(parts: list[tuple[list[float], int]]) -> Model:
    sums = np.zeros(LAYOUT.length, dtype=np.int64)
    for delta, examples in parts:
        sums += encode(LAYOUT, np.array(delta), examples=examples, evaluation_examples=1, metrics={"loss": 0.5})
    opened = decode(LAYOUT, sums, len(parts))
    return average(base_model(), opened.parameter_sums, opened.examples)


@given(contributions)
def test_equals_the_weighted_mean_within_quantisation(parts: list[tuple[list[float], int]]) -> None:
    weights = np.array([examples for _, examples in parts], dtype=np.float64)
    deltas = np.array([delta for delta, _ in parts])
    reference = base_model().to_vector() + (weights[:, None] * deltas).sum(axis=0) / weights.sum()
    half_a_step = CLIP / SLOTS.max_value / 2
    error = np.abs(through_integers(parts).to_vector() - reference)
    assert error.max() <= half_a_step + 1e-12


@given(contributions, st.randoms(use_true_random=False))
def test_the_order_of_participants_does_not_change_a_bit(parts: list[tuple[list[float], int]], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert through_integers(parts).to_bytes() == through_integers(shuffled).to_bytes()


@given(st.lists(st.integers(-(2**40), 2**40), min_size=PARAMETERS, max_size=PARAMETERS), st.integers(1, 10**6))
def test_every_step_is_one_correctly_rounded_operation(sums: list[int], weight: int) -> None:
    """An independent path: each operation exactly in rationals, then rounded to the nearest double."""
    rate = 0.7

    def rounded(value: Fraction) -> Fraction:
        return Fraction(float(value))  # Python rounds a quotient of integers correctly

    got = average(base_model(), np.array(sums, dtype=np.int64), weight, rate).to_vector()
    for start, total, result in zip(base_model().to_vector(), sums, got, strict=True):
        mean = rounded(Fraction(total) * Fraction(CLIP))
        mean = rounded(mean / SLOTS.max_value)
        mean = rounded(mean / weight)
        mean = rounded(mean * Fraction(rate))
        assert Fraction(float(result)) == rounded(Fraction(float(start)) + mean)


def test_a_known_round() -> None:
    sums = np.array([SLOTS.max_value * 4, 0, -SLOTS.max_value, 0, 0], dtype=np.int64)
    assert average(base_model(), sums, 4).to_vector().tolist() == [2.25, -1.0, 2.5, 0.0, 1e-3]
    assert average(base_model(), sums, 4, 0.5).to_vector().tolist() == [1.25, -1.0, 2.75, 0.0, 1e-3]


def test_float32_models_stay_float32() -> None:
    base = Model({"w": np.array([1.0], dtype=np.float32)})
    new = average(base, np.array([1], dtype=np.int64), 3)
    assert new.schema == base.schema
    assert new.tensors["w"][0] == np.float32(1.0 + 1 * CLIP / SLOTS.max_value / 3)


def test_zero_sum_gives_the_same_model() -> None:
    base = base_model()
    assert average(base, np.zeros(PARAMETERS, dtype=np.int64), 17).digest == base.digest


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sums": np.zeros(4, dtype=np.int64)}, UpdateError),
        ({"sums": np.zeros((5, 1), dtype=np.int64)}, UpdateError),
        ({"sums": np.zeros(5, dtype=np.int32)}, UpdateError),
        ({"sums": np.zeros(5)}, UpdateError),
        ({"sums": np.full(5, 2**53, dtype=np.int64)}, UpdateError),
        ({"sums": np.full(5, -(2**63), dtype=np.int64)}, UpdateError),
        ({"weight": 0}, UpdateError),
        ({"weight": -3}, UpdateError),
        ({"clip": float("nan")}, SpecError),
        ({"clip": 0.0}, SpecError),
        ({"max_value": 0}, SpecError),
        ({"server_learning_rate": float("inf")}, SpecError),
        ({"server_learning_rate": -1.0}, SpecError),
        ({"sums": np.full(5, 2**52, dtype=np.int64), "clip": 1e300, "max_value": 1}, ModelError),
    ],
)
def test_malformed_input_is_refused(changes: dict[str, object], error: type[FedtrustError]) -> None:
    arguments: dict[str, object] = {
        "sums": np.zeros(5, dtype=np.int64),
        "weight": 3,
        "clip": CLIP,
        "max_value": SLOTS.max_value,
        "server_learning_rate": 1.0,
    }
    with pytest.raises(error):
        federated_average(base_model(), **(arguments | changes))  # type: ignore[arg-type]


def test_rules_need_no_torch_and_no_web3() -> None:
    code = (
        "import sys, fedtrust.rules.model, fedtrust.rules.fedavg, fedtrust.rules.payout\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'web3')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
