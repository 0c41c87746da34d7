"""What a participant adds to the sum, as integers: header slots, then weighted quantised parameters.

The vector of a round is ``[examples, evaluation examples, metrics..., parameters...]``. Parameter slots hold the
quantised delta times the number of training examples, metric slots the quantised metric of the *base* model times
the number of held-out examples, so that sample counts, metrics and parameters all stay private and the sums give
weighted means (McMahan et al. 2017, Algorithm 1, on deltas). Integers make the sum exact: any order, same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedtrust.crypto.packing import SlotLayout, dequantise, quantise
from fedtrust.errors import SpecError, UpdateError

HEADER_WEIGHTS = 2
_LARGEST_TO_SQUARE = 2.0**400


@dataclass(frozen=True, slots=True)
class VectorLayout:
    """Where everything is in the vector of a round, and the fixed-point ranges.

    ``parameters`` counts model parameters; ``value_range`` and ``metric_range`` are the largest magnitudes a delta
    coordinate and a metric can have (fixed point: range / slots.max_value is one step).
    """

    parameters: int
    metrics: tuple[str, ...]
    slots: SlotLayout
    value_range: float
    metric_range: float

    def __post_init__(self) -> None:
        """Raise SpecError on a layout that cannot hold a round's vector."""
        if self.parameters < 1:
            raise SpecError("layout.parameters must be at least 1", got=self.parameters)
        if len(set(self.metrics)) != len(self.metrics) or not all(m.isidentifier() for m in self.metrics):
            raise SpecError("layout.metrics must be distinct identifiers", got=self.metrics)
        for name, value in (("value_range", self.value_range), ("metric_range", self.metric_range)):
            if not (math.isfinite(value) and value > 0):
                raise SpecError(f"layout.{name} must be finite and positive", got=value)

    @property
    def length(self) -> int:
        """The number of slots in use."""
        return HEADER_WEIGHTS + len(self.metrics) + self.parameters

    def ciphertexts(self, key_bits: int) -> int:
        """Return the number of ciphertexts that hold the vector under a key of ``key_bits``."""
        return self.slots.plaintexts(self.length, key_bits)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "metric_range": self.metric_range,
            "metrics": list(self.metrics),
            "parameters": self.parameters,
            "slots": self.slots.to_json(),
            "value_range": self.value_range,
        }


@dataclass(frozen=True, slots=True)
class DecodedSum:
    """The opened sum of a round: total weights, mean metrics, and the weighted sums of quantised deltas."""

    examples: int
    evaluation_examples: int
    metrics: dict[str, float]
    parameter_sums: NDArray[np.int64]


def clip_to_norm(delta: NDArray[np.float64], norm: float) -> NDArray[np.float64]:
    """Scale ``delta`` down to L2 norm ``norm`` if it is longer; coordinates then never exceed ``norm``.

    Raises UpdateError on NaN or infinite values.
    """
    if not np.isfinite(delta).all():
        index = int(np.flatnonzero(~np.isfinite(delta))[0])
        raise UpdateError(
            f"the update is not finite at parameter {index}",
            got=delta[index],
            advice="lower the learning rate or look for empty batches; nothing was sent",
        )
    # squares beyond 2^1023 overflow: bring a diverged update into range first, by a power of two, which is exact
    largest = float(np.abs(delta).max(initial=0.0))
    scale = 2.0 ** (math.frexp(largest)[1] - 1) if largest > _LARGEST_TO_SQUARE else 1.0
    scaled = delta / scale
    length = math.sqrt(math.fsum((scaled * scaled).tolist()))
    if length * scale <= norm:
        return delta
    return np.clip(scaled * (norm / length), -norm, norm)


def encode(
    layout: VectorLayout,
    delta: NDArray[np.float64],
    *,
    examples: int,
    evaluation_examples: int,
    metrics: Mapping[str, float],
) -> NDArray[np.int64]:
    """Return the integer vector a participant encrypts, shape (layout.length,).

    Metrics beyond ``metric_range`` saturate: they only inform. A delta beyond ``value_range``, NaN, infinite
    values, a weight outside [1, max_weight] or missing metrics raise UpdateError.
    """
    if delta.shape != (layout.parameters,):
        raise UpdateError("the update has the wrong length", expected=(layout.parameters,), got=delta.shape)
    for name, weight in (("training", examples), ("evaluation", evaluation_examples)):
        if not 1 <= weight <= layout.slots.max_weight:
            raise UpdateError(
                f"the number of {name} examples does not fit the layout's weight slot",
                expected=f"1 to {layout.slots.max_weight}",
                got=weight,
                advice="ask the operator for a layout with more weight bits",
            )
    if set(metrics) != set(layout.metrics):
        raise UpdateError("the metrics are not those of the layout", expected=layout.metrics, got=sorted(metrics))
    measured = np.array([metrics[name] for name in layout.metrics], dtype=np.float64)
    if not np.isfinite(measured).all():
        raise UpdateError("a metric is not finite", got=dict(metrics))
    measured = np.clip(measured, -layout.metric_range, layout.metric_range)
    vector = np.empty(layout.length, dtype=np.int64)
    vector[0], vector[1] = examples, evaluation_examples
    first = HEADER_WEIGHTS + len(layout.metrics)
    vector[HEADER_WEIGHTS:first] = quantise(measured, layout.metric_range, layout.slots) * evaluation_examples
    vector[first:] = quantise(delta, layout.value_range, layout.slots) * examples
    return vector


def decode(layout: VectorLayout, sums: NDArray[np.int64], participants: int) -> DecodedSum:
    """Split an opened sum of ``participants`` vectors, shape (layout.length,), into its parts.

    Raises UpdateError if the weights are impossible for that many participants, or a value for these weights.
    """
    if sums.shape != (layout.length,):
        raise UpdateError("the sum has the wrong length", expected=(layout.length,), got=sums.shape)
    examples, evaluation_examples = int(sums[0]), int(sums[1])
    for name, weight in (("training", examples), ("evaluation", evaluation_examples)):
        if not participants <= weight <= participants * layout.slots.max_weight:
            raise UpdateError(
                f"the sum of {name} weights is impossible",
                expected=f"{participants} to {participants * layout.slots.max_weight}",
                got=weight,
                advice="a participant sent values outside the layout; abort the round",
            )
    first = HEADER_WEIGHTS + len(layout.metrics)
    for name, weight, part in (
        ("metrics", evaluation_examples, sums[HEADER_WEIGHTS:first]),
        ("deltas", examples, sums[first:]),
    ):
        # everybody's slot is at most its weight times the largest value, so the sum of slots is too
        bound = (weight * layout.slots.max_value) << layout.slots.noise_bits
        if part.size and max(int(part.max()), -int(part.min())) > bound:
            raise UpdateError(
                f"the sum of {name} is impossible for these weights",
                expected=f"at most {bound} in magnitude",
                got=f"{int(part.min())} to {int(part.max())}",
                advice="a participant sent values outside the layout; abort the round",
            )
    means = dequantise(sums[HEADER_WEIGHTS:first], layout.metric_range, layout.slots) / evaluation_examples
    return DecodedSum(
        examples,
        evaluation_examples,
        dict(zip(layout.metrics, (float(m) for m in means), strict=True)),
        sums[first:],
    )
