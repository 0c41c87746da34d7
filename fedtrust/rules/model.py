"""A global model as named tensors, and its one canonical encoding (safetensors).

The model hash that goes on chain is the sha-256 of :meth:`Model.to_bytes`, so two models are the same model
exactly when their bytes are the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from fedtrust.errors import ModelError

FloatArray = NDArray[np.floating[Any]]
"""A tensor of a model."""

Vector = NDArray[np.float64]
"""A model or an update flattened to one dimension, in schema order."""

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}
)
"""The dtypes a model may have, by the name used in schemas."""

_SAFETENSORS_DTYPES = {"F32": "float32", "F64": "float64"}
_RESERVED_NAME = "__metadata__"  # safetensors keeps it for itself
_FLOAT_ADVICE = "only float32 and float64 can be averaged; convert the tensor or leave it out of the model"


@dataclass(frozen=True, slots=True)
class TensorSchema:
    """Name, dtype (``float32`` or ``float64``) and shape of one tensor. Raises ModelError if malformed."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise ModelError if a field is malformed."""
        if not isinstance(self.name, str) or self.name in ("", _RESERVED_NAME) or not _is_unicode(self.name):
            raise ModelError(
                "a tensor has no usable name",
                expected=f"a non-empty Unicode string other than {_RESERVED_NAME}",
                got=repr(self.name),
            )
        if self.dtype not in DTYPES:
            raise ModelError(
                f"tensor {self.name!r} has a dtype that cannot be averaged",
                expected=" or ".join(DTYPES),
                got=self.dtype,
                advice=_FLOAT_ADVICE,
            )
        if not isinstance(self.shape, tuple) or any(type(n) is not int or n < 0 for n in self.shape):
            raise ModelError(
                f"tensor {self.name!r} has a malformed shape",
                expected="a tuple of non-negative integers",
                got=repr(self.shape),
            )

    @property
    def parameters(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def to_json(self) -> dict[str, object]:
        """Return ``{"name": ..., "dtype": ..., "shape": [...]}``."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, value: object) -> TensorSchema:
        """Read what :meth:`to_json` wrote. Raises ModelError on anything else."""
        if not isinstance(value, dict) or set(value) != {"name", "dtype", "shape"}:
            raise ModelError(
                "malformed tensor schema",
                expected="an object with exactly name, dtype and shape",
                got=sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__,
            )
        shape = value["shape"]
        if not isinstance(value["dtype"], str) or not isinstance(shape, list):
            raise ModelError("malformed tensor schema", expected="dtype a string, shape a list", got=value)
        return cls(value["name"], value["dtype"], tuple(shape))

    def __str__(self) -> str:
        """Return for example ``linear.weight float32[1, 28]``."""
        return f"{self.name} {self.dtype}{list(self.shape)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model:
    """An immutable model: tensors by name, names ascending, float32 or float64, all finite.

    The arrays are copied in, made C-contiguous and read-only. Raises ModelError naming a tensor that breaks
    a rule.
    """

    tensors: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        """Copy and check every tensor."""
        if not self.tensors:
            raise ModelError("a model has no tensors", expected="at least one tensor", got="none")
        own: dict[str, FloatArray] = {}
        for name in sorted(self.tensors):
            own[name] = _own(name, self.tensors[name])
        if sum(array.size for array in own.values()) == 0:
            raise ModelError("a model has no parameters", expected="at least one parameter", got=0)
        object.__setattr__(self, "tensors", MappingProxyType(own))

    @property
    def schema(self) -> tuple[TensorSchema, ...]:
        """Names, dtypes and shapes, in the order in which vectors lay the tensors out."""
        return tuple(TensorSchema(name, array.dtype.name, tuple(array.shape)) for name, array in self.tensors.items())

    @property
    def parameters(self) -> int:
        """The number of parameters, which is the length of :meth:`to_vector`."""
        return sum(array.size for array in self.tensors.values())

    @property
    def digest(self) -> bytes:
        """The model hash: sha-256 of :meth:`to_bytes`, 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Return the canonical safetensors encoding: no metadata, the library's own order of tensors."""
        return bytes(safetensors.numpy.save(dict(self.tensors)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Decode and validate; the only door for a model from outside.

        Raises ModelError if ``data`` is not safetensors, holds a tensor that a model may not have, or is not
        the canonical encoding (metadata, padding or another order: the same model would have two hashes).
        """
        try:
            entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
        except safetensors.SafetensorError as error:
            raise ModelError(
                "a model file is not valid safetensors",
                expected="a complete safetensors file",
                got=f"{len(data)} bytes: {error}",
                advice="fetch the file again; if it stays so, it was not written by fedtrust",
            ) from error
        tensors: dict[str, FloatArray] = {}
        for name, entry in entries:
            dtype = _SAFETENSORS_DTYPES.get(entry["dtype"], entry["dtype"])
            schema = TensorSchema(name, dtype, tuple(entry["shape"]))
            flat = np.frombuffer(entry["data"], dtype=DTYPES[dtype].newbyteorder("<"))
            try:
                tensors[name] = flat.reshape(schema.shape)
            except ValueError as error:  # a format that allows shapes no array can have
                raise ModelError(
                    f"tensor {name!r} has a shape that no array can have", got=list(schema.shape)
                ) from error
        model = cls(tensors)
        if model.to_bytes() != data:
            raise ModelError(
                "a model file is not in canonical form",
                expected="the bytes that writing its tensors again gives",
                got="other bytes for the same tensors (metadata, padding or another order)",
                advice="load the tensors and write them with fedtrust",
            )
        return model

    def to_vector(self) -> Vector:
        """Return all parameters, float64 of shape (parameters,): tensors in schema order, each row-major."""
        return np.concatenate([array.ravel().astype(np.float64) for array in self.tensors.values()])

    def with_vector(self, vector: Vector) -> Model:
        """Return a model of this schema with the given parameters, each rounded to its tensor's dtype.

        ``vector`` is as from :meth:`to_vector`. Raises ModelError if it has another shape or dtype, or a
        value that is not finite, before or after rounding.
        """
        if vector.shape != (self.parameters,) or vector.dtype != np.float64:
            raise ModelError(
                "a parameter vector does not fit the model",
                expected=f"float64[{self.parameters}]",
                got=f"{vector.dtype}{list(vector.shape)}",
            )
        tensors: dict[str, FloatArray] = {}
        start = 0
        for name, array in self.tensors.items():
            part = vector[start : start + array.size]
            start += array.size
            with np.errstate(over="ignore"):  # an overflow to infinity is caught by Model's own check
                rounded = part.astype(DTYPES[array.dtype.name])
            tensors[name] = rounded.reshape(array.shape)
        return Model(tensors)

    def require_schema(self, other: Model | Sequence[TensorSchema]) -> None:
        """Check that ``other`` (a model or a schema) is the schema of this model.

        Raises ModelError naming the first difference; expected is ``other``, got is this model.
        """
        expected = other.schema if isinstance(other, Model) else tuple(other)
        got = self.schema
        if got == expected:
            return
        advice = "build the model with the same code and settings as the federation's"
        theirs, ours = {s.name: s for s in expected}, {s.name: s for s in got}
        missing, extra = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
        if missing or extra:
            raise ModelError(
                f"a model has other tensors than agreed (missing {missing}, unexpected {extra})",
                expected=", ".join(sorted(theirs)),
                got=", ".join(ours),
                advice=advice,
            )
        for name, schema in ours.items():
            if schema != theirs[name]:
                raise ModelError(f"tensor {name!r} is not as agreed", expected=theirs[name], got=schema, advice=advice)
        raise ModelError("a schema lists its tensors out of order", expected=", ".join(ours), got=[*theirs])

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` is a model of the same bytes."""
        return self.to_bytes() == other.to_bytes() if isinstance(other, Model) else NotImplemented

    def __hash__(self) -> int:
        """Return a hash of the digest."""
        return hash(self.digest)

    def __repr__(self) -> str:
        """Return the schema and the digest, never the parameters."""
        return f"Model({', '.join(map(str, self.schema))}; sha256 {self.digest.hex()})"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)  # lone surrogates have no UTF-8


def _own(name: str, array: FloatArray) -> FloatArray:
    """Return a private, contiguous, read-only copy in native byte order; ModelError names the tensor."""
    if not isinstance(array, np.ndarray):
        raise ModelError(f"tensor {name!r} is not an array", expected="numpy.ndarray", got=type(array).__name__)
    TensorSchema(name, array.dtype.name, tuple(array.shape))
    copy: FloatArray = np.array(array, dtype=DTYPES[array.dtype.name], order="C", copy=True)
    if not np.isfinite(copy).all():
        raise ModelError(
            f"tensor {name!r} holds a value that is not finite",
            expected="finite numbers",
            got=f"{int(copy.size - np.isfinite(copy).sum())} of {copy.size} values are infinite or NaN",
            advice="lower the learning rate or clip the gradients; register masks as non-persistent buffers",
        )
    copy.setflags(write=False)
    return copy
