"""Federated averaging on the opened sum of a round.

McMahan, Moore, Ramage, Hampson, Aguera y Arcas, "Communication-Efficient Learning of Deep Networks from
Decentralized Data", AISTATS 2017, Algorithm 1, in the form on deltas with a server step size (Reddi et al.,
"Adaptive Federated Optimization", ICLR 2021, Algorithm 1; a server learning rate of 1 is plain FedAvg).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fedtrust.errors import SpecError, UpdateError
from fedtrust.rules.model import Model

_EXACT = 2**53  # integers up to here are float64 values


def federated_average(
    base: Model,
    sums: NDArray[np.int64],
    weight: int,
    *,
    clip: float,
    max_value: int,
    server_learning_rate: float,
) -> Model:
    """Return the next global model.

    ``sums`` has shape (base.parameters,) and holds, per parameter in schema order, the sum over the accepted
    participants of examples times quantised delta; ``weight`` is the sum of their examples. A quantised
    delta q stands for q * ``clip`` / ``max_value``, in units of the parameter.

    Each step is one elementwise IEEE 754 operation in float64, rounded to nearest, in exactly this order, and
    the last one rounds to each tensor's dtype, so the bits are the same on every machine::

        mean = ((sums * clip) / max_value) / weight
        new  = base + server_learning_rate * mean

    Raises UpdateError on sums that do not fit the model, are not exact in float64, or with a weight under 1,
    SpecError on bad settings, ModelError if the new model would not be finite.
    """
    if sums.shape != (base.parameters,) or sums.dtype != np.int64:
        raise UpdateError(
            "the sum of the updates does not fit the base model",
            expected=f"int64[{base.parameters}]",
            got=f"{sums.dtype}{list(sums.shape)}",
            advice="the round was opened with another model's layout",
        )
    if weight < 1:
        raise UpdateError("the sum of the examples must be positive", expected="at least 1", got=weight)
    if not (math.isfinite(clip) and clip > 0 and max_value >= 1):
        raise SpecError("the fixed-point range is malformed", expected="positive, finite", got=(clip, max_value))
    if not (math.isfinite(server_learning_rate) and server_learning_rate > 0):
        raise SpecError("the server learning rate must be finite and positive", got=server_learning_rate)
    if bool(((sums >= _EXACT) | (sums <= -_EXACT)).any()):
        raise UpdateError(
            "the sum of the updates is too large to be exact in float64",
            expected="magnitudes below 2^53",
            got=f"{int(sums.min())} to {int(sums.max())}",
            advice="the layout's slots are too wide; use fewer value or weight bits",
        )
    with np.errstate(over="ignore", invalid="ignore"):  # with_vector refuses what is not finite
        mean = sums.astype(np.float64)
        mean *= np.float64(clip)
        mean /= np.float64(max_value)
        mean /= np.float64(weight)
        mean *= np.float64(server_learning_rate)
        return base.with_vector(base.to_vector() + mean)
