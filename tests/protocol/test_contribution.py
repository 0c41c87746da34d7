"""What a participant adds to the sum: sums of encodings decode to weighted means, and nothing illegal gets in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from fedtrust.crypto.packing import SlotLayout, pack, unpack
from fedtrust.errors import SpecError, UpdateError
from fedtrust.protocol.contribution import HEADER_WEIGHTS, VectorLayout, clip_to_norm, decode, encode

PARAMETERS = 5
SLOTS = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
LAYOUT = VectorLayout(PARAMETERS, ("loss", "accuracy"), SLOTS, value_range=2.0, metric_range=16.0)
METRICS = {"loss": 0.5, "accuracy": 0.75}
FIRST = HEADER_WEIGHTS + 2

deltas = npst.arrays(np.float64, PARAMETERS, elements=st.floats(-2.0, 2.0))
weights = st.integers(1, SLOTS.max_weight)
metric_values = st.floats(-16.0, 16.0)
contributions = st.tuples(deltas, weights, weights, metric_values, metric_values)
Contribution = tuple[NDArray[np.float64], int, int, float, float]


def encoded(contribution: Contribution) -> NDArray[np.int64]:
    delta, examples, evaluation_examples, loss, accuracy = contribution
    return encode(
        LAYOUT,
        delta,
        examples=examples,
        evaluation_examples=evaluation_examples,
        metrics={"accuracy": accuracy, "loss": loss},
    )


def plain(delta: NDArray[np.float64] | None = None, **changes: object) -> NDArray[np.int64]:
    arguments: dict[str, object] = {"examples": 3, "evaluation_examples": 2, "metrics": METRICS, **changes}
    return encode(LAYOUT, np.zeros(PARAMETERS) if delta is None else delta, **arguments)  # type: ignore[arg-type]


@given(st.lists(contributions, min_size=1, max_size=8))
def test_the_sum_of_encodings_decodes_to_the_weighted_means(made: list[Contribution]) -> None:
    sums = np.sum([encoded(c) for c in made], axis=0)
    opened = decode(LAYOUT, sums, len(made))
    examples = sum(c[1] for c in made)
    evaluated = sum(c[2] for c in made)
    assert (opened.examples, opened.evaluation_examples) == (examples, evaluated)
    # quantising errs by half a step at most, and a weighted mean of errors by no more
    mean = opened.parameter_sums / SLOTS.max_value * 2.0 / examples
    expected = sum(c[0] * c[1] for c in made) / examples
    assert np.abs(mean - expected).max() <= 0.5 * 2.0 / SLOTS.max_value * (1 + 1e-9)
    for index, name in ((3, "loss"), (4, "accuracy")):
        expected_metric = sum(c[index] * c[2] for c in made) / evaluated  # type: ignore[operator]
        assert opened.metrics[name] == pytest.approx(expected_metric, abs=0.5 * 16.0 / SLOTS.max_value * (1 + 1e-9))


@given(st.lists(contributions, min_size=1, max_size=8))
def test_no_sum_of_legal_contributions_overflows_its_slots(made: list[Contribution]) -> None:
    n = (1 << 2048) - 1
    packed = [pack(SLOTS, 2048, n, encoded(c)) for c in made]
    total = [sum(column) % n for column in zip(*packed, strict=True)]
    opened = unpack(SLOTS, 2048, n, total, LAYOUT.length, len(made))
    assert opened.tolist() == np.sum([encoded(c) for c in made], axis=0).tolist()


def test_the_extremes_of_the_layout_fit() -> None:
    extreme = (np.full(PARAMETERS, -2.0), SLOTS.max_weight, SLOTS.max_weight, 16.0, -16.0)
    vector = encoded(extreme)
    assert int(np.abs(vector[HEADER_WEIGHTS:]).min()) == SLOTS.max_slot
    opened = decode(LAYOUT, 8 * vector, 8)
    assert opened.metrics == {"loss": 16.0, "accuracy": -16.0}
    assert opened.examples == 8 * SLOTS.max_weight


def test_the_vector_is_laid_out_as_documented() -> None:
    vector = plain(np.array([2.0, 0.0, -2.0, 1.0, 0.0]), examples=7, evaluation_examples=5)
    assert vector.shape == (LAYOUT.length,)
    assert vector.dtype == np.int64
    assert vector[:2].tolist() == [7, 5]
    assert vector[2] == round(0.5 / 16 * SLOTS.max_value) * 5
    assert vector[3] == round(0.75 / 16 * SLOTS.max_value) * 5
    assert vector[FIRST:].tolist() == [7 * 32767, 0, -7 * 32767, 7 * 16384, 0]


@given(st.integers(0, PARAMETERS - 1), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_delta_that_is_not_finite_is_refused(index: int, value: float) -> None:
    delta = np.zeros(PARAMETERS)
    delta[index] = value
    with pytest.raises(UpdateError, match=f"{index}.*not finite"):
        plain(delta)
    with pytest.raises(UpdateError, match=f"not finite at parameter {index}"):
        clip_to_norm(delta, 1.0)


@given(st.integers(0, PARAMETERS - 1), st.floats(min_value=np.nextafter(2.0, 3.0), allow_infinity=False), st.booleans())
def test_a_delta_beyond_the_range_is_refused_not_saturated(index: int, value: float, negative: bool) -> None:
    delta = np.zeros(PARAMETERS)
    delta[index] = -value if negative else value
    with pytest.raises(UpdateError, match=f"value {index} .*range"):
        plain(delta)


@pytest.mark.parametrize("shape", [(PARAMETERS - 1,), (PARAMETERS + 1,), (0,), (PARAMETERS, 1)])
def test_a_delta_of_another_length_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UpdateError, match="wrong length"):
        plain(np.zeros(shape))


@pytest.mark.parametrize("weight", [0, -1, SLOTS.max_weight + 1, 10**9])
def test_weights_that_do_not_fit_their_slot_are_refused(weight: int) -> None:
    with pytest.raises(UpdateError, match="training examples"):
        plain(examples=weight)
    with pytest.raises(UpdateError, match="evaluation examples"):
        plain(evaluation_examples=weight)


def test_metrics_saturate_because_they_only_inform() -> None:
    vector = plain(metrics={"loss": 1e300, "accuracy": -17.0}, evaluation_examples=1)
    assert vector[2:FIRST].tolist() == [SLOTS.max_value, -SLOTS.max_value]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metrics_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(UpdateError, match="metric is not finite"):
        plain(metrics={"loss": value, "accuracy": 0.0})


@pytest.mark.parametrize("metrics", [{}, {"loss": 0.0}, {**METRICS, "auc": 0.5}, {"loss": 0.0, "Accuracy": 0.0}])
def test_other_metrics_than_the_layouts_are_refused(metrics: dict[str, float]) -> None:
    with pytest.raises(UpdateError, match="metrics are not those"):
        plain(metrics=metrics)


@given(st.integers(1, 8), st.sampled_from([0, 1]), st.booleans())
def test_sums_of_weights_that_nobody_could_have_made_are_refused(count: int, slot: int, above: bool) -> None:
    sums = count * plain()
    sums[slot] = count * SLOTS.max_weight + 1 if above else count - 1
    with pytest.raises(UpdateError, match="weights is impossible"):
        decode(LAYOUT, sums, count)


@given(st.lists(contributions, min_size=1, max_size=7), st.integers(HEADER_WEIGHTS, LAYOUT.length - 1), st.booleans())
def test_a_value_too_large_for_its_weight_shows_in_the_sum(made: list[Contribution], slot: int, negative: bool) -> None:
    """A participant claims one example and sends what only the largest weight may send: no guard bit tells."""
    liar = plain(examples=1, evaluation_examples=1, metrics={"loss": 0.0, "accuracy": 0.0})
    sums = np.sum([encoded((np.zeros(PARAMETERS), c[1], c[2], 0.0, 0.0)) for c in made], axis=0) + liar
    weight = int(sums[1] if slot < FIRST else sums[0])
    sums[slot] = -weight * SLOTS.max_value if negative else weight * SLOTS.max_value
    decode(LAYOUT, sums, len(made) + 1)
    sums[slot] += -1 if negative else 1
    assert abs(int(sums[slot])) <= (len(made) + 1) * SLOTS.max_slot, "its slot has room for it"
    with pytest.raises(UpdateError, match="impossible for these weights"):
        decode(LAYOUT, sums, len(made) + 1)


def test_a_sum_of_another_length_is_refused() -> None:
    with pytest.raises(UpdateError, match="wrong length"):
        decode(LAYOUT, plain()[:-1], 1)


# clipping

anything = npst.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e9, 1e9))


@given(anything, st.floats(1e-3, 1e3))
def test_clipping_bounds_the_norm_and_every_coordinate_and_keeps_the_direction(
    delta: NDArray[np.float64], norm: float
) -> None:
    clipped = clip_to_norm(delta, norm)
    length = math.sqrt(math.fsum((delta * delta).tolist()))
    if length <= norm:
        assert clipped is delta
        return
    assert np.abs(clipped).max() <= norm
    assert np.linalg.norm(clipped) == pytest.approx(norm, rel=1e-9)
    assert np.allclose(clipped * length, delta * norm, rtol=1e-9, atol=1e-9 * norm)


@given(anything, st.floats(1e-3, 2.0))
def test_what_was_clipped_always_fits_the_layout(delta: NDArray[np.float64], norm: float) -> None:
    """A clip norm never exceeds the value range (RoundSpec), so encode never refuses what clip_to_norm returned."""
    padded = np.zeros(PARAMETERS)
    padded[: min(PARAMETERS, delta.size)] = delta[:PARAMETERS]
    plain(clip_to_norm(padded, norm))


@given(npst.arrays(np.float64, 3, elements=st.floats(-1.7e308, 1.7e308)))
def test_a_diverged_update_is_clipped_in_its_direction_although_its_squares_overflow(
    delta: NDArray[np.float64],
) -> None:
    clipped = clip_to_norm(delta, 1.0)
    assert np.abs(clipped).max() <= 1.0
    if np.abs(delta).max() > 1.0:
        assert math.hypot(*clipped.tolist()) == pytest.approx(1.0, rel=1e-9)
        assert ((np.sign(clipped) == np.sign(delta)) | (clipped == 0.0)).all()


@pytest.mark.parametrize("size", [1e150, 1.2e154, 1e200, 1.7e308])
def test_two_huge_coordinates_share_the_norm(size: float) -> None:
    assert clip_to_norm(np.array([size, -size]), 1.0).tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])


def test_an_empty_update_stays_empty() -> None:
    assert clip_to_norm(np.array([]), 1.0).size == 0


# the layout itself


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"parameters": 0}, "parameters"),
        ({"metrics": ("a", "a")}, "metrics"),
        ({"metrics": ("not an identifier",)}, "metrics"),
        ({"value_range": 0.0}, "value_range"),
        ({"value_range": math.nan}, "value_range"),
        ({"metric_range": -1.0}, "metric_range"),
        ({"metric_range": math.inf}, "metric_range"),
    ],
)
def test_layouts_that_hold_no_vector_are_refused(changes: dict[str, object], named: str) -> None:
    arguments = {"parameters": 1, "metrics": (), "slots": SLOTS, "value_range": 1.0, "metric_range": 1.0, **changes}
    with pytest.raises(SpecError, match=named):
        VectorLayout(**arguments)  # type: ignore[arg-type]


@given(st.integers(1, 10_000), st.integers(0, 5))
def test_the_number_of_ciphertexts_is_just_enough(parameters: int, metrics: int) -> None:
    layout = VectorLayout(parameters, tuple(f"m{i}" for i in range(metrics)), SLOTS, 1.0, 1.0)
    per = SLOTS.slots_per_plaintext(2048)
    assert (layout.ciphertexts(2048) - 1) * per < layout.length <= layout.ciphertexts(2048) * per
