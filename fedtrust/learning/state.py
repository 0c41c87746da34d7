"""A torch module's state as a Model, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fedtrust.errors import ModelError
from fedtrust.rules.model import FloatArray, Model

_NUMPY_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def arrays_of(module: nn.Module) -> dict[str, FloatArray]:
    """Return copies of all parameters and persistent buffers of ``module`` by their state-dict names.

    Raises ModelError naming the first entry that is not a dense float32 or float64 tensor.
    """
    arrays: dict[str, FloatArray] = {}
    for name, tensor in module.state_dict().items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise ModelError(
                f"the state {name!r} is not a dense tensor",
                expected="a dense tensor",
                got=type(tensor).__name__ if not isinstance(tensor, torch.Tensor) else tensor.layout,
                advice="averaging needs plain dense tensors; leave extra state out of the state dict",
            )
        if tensor.dtype not in _NUMPY_DTYPES:
            raise ModelError(
                f"the state {name!r} cannot be averaged",
                expected="float32 or float64",
                got=str(tensor.dtype).removeprefix("torch."),
                advice=(
                    "keep the model in float32"
                    if tensor.is_floating_point()
                    else "integers and booleans have no mean: register the buffer with persistent=False, or use "
                    "a layer without one (GroupNorm or LayerNorm in place of BatchNorm)"
                ),
            )
        arrays[name] = np.array(tensor.detach().cpu().numpy(), copy=True)
    return arrays


def model_of(module: nn.Module) -> Model:
    """Return the state of ``module`` as a Model.

    Raises ModelError naming the tensor if one is not float32 or float64, or not finite.
    """
    return Model(arrays_of(module))


def load_into(module: nn.Module, model: Model) -> None:
    """Set the state of ``module`` to ``model``, in place, on the module's own device.

    Raises ModelError if names, shapes or dtypes differ; then nothing is changed.
    """
    state = module.state_dict()
    Model(arrays_of(module)).require_schema(model)
    with torch.no_grad():
        for name, array in model.tensors.items():
            state[name].copy_(torch.from_numpy(np.array(array, copy=True)))
