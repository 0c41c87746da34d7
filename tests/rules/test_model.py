"""Model: one encoding, strict decoding, immutable, vectors and schemas."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedtrust.errors import ExitCode, ModelError
from fedtrust.rules.model import Model, TensorSchema

names = st.text(min_size=1, max_size=12).filter(lambda n: n != "__metadata__")


@st.composite
def models(draw: st.DrawFn) -> Model:
    def tensor(dtype: str) -> st.SearchStrategy[np.ndarray]:
        width: Literal[32, 64] = 32 if dtype == "float32" else 64
        shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
        finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
        return shapes.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=finite))

    one = st.sampled_from(["float32", "float64"]).flatmap(tensor)
    return Model(draw(st.dictionaries(names, one, min_size=1, max_size=4)))


def small() -> Model:
    return Model(
        {
            "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "bias": np.array([0.5, -0.5], dtype=np.float64),
        }
    )


def safetensors_file(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


@given(models())
def test_round_trip_of_any_model_gives_the_same_bytes(model: Model) -> None:
    data = model.to_bytes()
    again = Model.from_bytes(data)
    assert again.to_bytes() == data
    assert again == model
    assert hash(again) == hash(model)
    assert again.digest == hashlib.sha256(data).digest()
    assert again.schema == model.schema


@given(models())
def test_vector_round_trip_is_exact(model: Model) -> None:
    vector = model.to_vector()
    assert vector.dtype == np.float64
    assert vector.shape == (model.parameters,)
    assert model.with_vector(vector).to_bytes() == model.to_bytes()


@given(models())
def test_schema_survives_json(model: Model) -> None:
    text = json.dumps([s.to_json() for s in model.schema])
    assert tuple(TensorSchema.from_json(s) for s in json.loads(text)) == model.schema
    model.require_schema(model)
    model.require_schema(model.schema)


def test_the_bytes_are_pinned() -> None:
    # The model hash is on chain: a change of these bytes is a change of every federation's history.
    expected = safetensors_file(
        b'{"bias":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},'
        b'"weight":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]}}',
        struct.pack("<2d", 0.5, -0.5) + struct.pack("<6f", 0, 1, 2, 3, 4, 5),
    )
    assert small().to_bytes() == expected
    assert Model.from_bytes(expected) == small()


def test_vector_is_laid_out_by_name_then_row_major() -> None:
    assert small().to_vector().tolist() == [0.5, -0.5, 0, 1, 2, 3, 4, 5]
    assert [s.name for s in small().schema] == ["bias", "weight"]


def test_memory_layout_and_order_of_names_do_not_change_the_bytes() -> None:
    weight = np.arange(6, dtype=">f4").reshape(3, 2).T
    plain = Model({"a": np.array(weight, dtype=np.float32, order="C"), "b": np.ones(1)})
    assert Model({"b": np.ones(1), "a": weight}).to_bytes() == plain.to_bytes()


def test_a_model_cannot_be_changed_from_outside() -> None:
    source = np.zeros(3)
    model = Model({"w": source})
    source[0] = 7
    assert model.to_vector().tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        model.tensors["w"][0] = 1
    with pytest.raises(TypeError):
        model.tensors["v"] = source  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["int64", "float16", "bool", "complex64", "uint8"])
def test_a_dtype_without_a_mean_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(ModelError, match="'counter'") as caught:
        Model({"w": np.ones(2), "counter": np.ones(2, dtype=dtype)})
    assert caught.value.got == dtype
    assert caught.value.advice
    assert caught.value.exit_code == ExitCode.MODEL


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_name(bad: float) -> None:
    with pytest.raises(ModelError, match="'w'"):
        Model({"b": np.ones(2), "w": np.array([1.0, bad])})
    with pytest.raises(ModelError, match="'weight'"):
        small().with_vector(np.array([0, 0, 0, 0, 0, 0, 0, bad]))


def test_a_value_that_overflows_its_dtype_is_refused() -> None:
    vector = small().to_vector()
    vector[0] = 1e300  # fits the float64 bias
    assert small().with_vector(vector).to_vector()[0] == 1e300
    vector[2] = 1e300  # does not fit the float32 weight
    with pytest.raises(ModelError, match="'weight'"):
        small().with_vector(vector)


@pytest.mark.parametrize("vector", [np.zeros(7), np.zeros(9), np.zeros((2, 4)), np.zeros(8, dtype=np.float32)])
def test_a_vector_of_another_form_is_refused(vector: np.ndarray) -> None:
    with pytest.raises(ModelError) as caught:
        small().with_vector(vector)
    assert caught.value.expected == "float64[8]"


def test_empty_models_and_odd_names_are_refused() -> None:
    for tensors in (
        {},
        {"w": np.zeros((0, 3))},
        {"": np.ones(1)},
        {"\ud800": np.ones(1)},
        {"__metadata__": np.ones(1)},
    ):
        with pytest.raises(ModelError):
            Model(tensors)


def test_no_altered_or_cut_file_is_taken_for_the_same_model() -> None:
    model = small()
    data = model.to_bytes()
    for length in range(len(data)):
        with pytest.raises(ModelError):
            Model.from_bytes(data[:length])
    with pytest.raises(ModelError):
        Model.from_bytes(data + b"\0")
    for index in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[index] ^= 1 << bit
            try:
                other = Model.from_bytes(bytes(altered))
            except ModelError:
                continue
            assert other.to_bytes() == bytes(altered)
            assert other.digest != model.digest


@given(st.binary(max_size=200))
def test_random_bytes_raise_a_typed_error(data: bytes) -> None:
    with pytest.raises(ModelError):
        Model.from_bytes(data)


def test_other_encodings_of_the_same_tensors_are_refused() -> None:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    values = struct.pack("<2f", 1, 2)
    spaced = json.dumps({"w": entry}).encode()
    for header in (
        {"__metadata__": {"note": "hidden"}, "w": entry},
        spaced + b" " * (-len(spaced) % 8),
        json.dumps({"w": entry}, separators=(",", ":")).encode() + b" " * 64,
    ):
        with pytest.raises(ModelError, match="canonical"):
            Model.from_bytes(safetensors_file(header, values))
    two = {
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
    }
    with pytest.raises(ModelError, match="canonical"):
        Model.from_bytes(safetensors_file(two, values))


@pytest.mark.parametrize("dtype", ["F16", "BF16", "I64", "U8"])
def test_a_file_with_another_dtype_is_refused_by_name(dtype: str) -> None:
    size = {"F16": 2, "BF16": 2, "I64": 8, "U8": 1}[dtype]
    header = {"steps": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}
    with pytest.raises(ModelError, match="'steps'"):
        Model.from_bytes(safetensors_file(header, bytes(size)))


def test_schema_differences_are_named() -> None:
    base = small()
    with pytest.raises(ModelError, match=r"missing.*'bias'.*unexpected.*'scale'"):
        Model({"weight": base.tensors["weight"], "scale": np.ones(2)}).require_schema(base)
    with pytest.raises(ModelError, match="'weight'") as caught:
        Model({"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(2)}).require_schema(base)
    assert caught.value.expected == "weight float32[2, 3]"
    assert caught.value.got == "weight float32[3, 2]"
    with pytest.raises(ModelError, match="'bias'"):
        Model({"weight": base.tensors["weight"], "bias": np.zeros(2, np.float32)}).require_schema(base)
    with pytest.raises(ModelError, match="order"):
        base.require_schema(tuple(reversed(base.schema)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"name": "w", "dtype": "float32"},
        {"name": "w", "dtype": "float32", "shape": [2], "extra": 1},
        {"name": "w", "dtype": "float16", "shape": [2]},
        {"name": "w", "dtype": ["float32"], "shape": [2]},
        {"name": "w", "dtype": "float32", "shape": [-1]},
        {"name": "w", "dtype": "float32", "shape": [True]},
        {"name": "w", "dtype": "float32", "shape": "2"},
        {"name": 3, "dtype": "float32", "shape": [2]},
        {"name": "", "dtype": "float32", "shape": [2]},
    ],
)
def test_a_malformed_schema_is_refused(value: object) -> None:
    with pytest.raises(ModelError):
        TensorSchema.from_json(value)


def test_repr_shows_no_parameters() -> None:
    assert "1.5" not in repr(Model({"w": np.full(3, 1.5)}))


@pytest.mark.parametrize("shape", [[1] * 65, [0, 2**62, 2**62]], ids=["65 dimensions", "overflowing zero size"])
def test_a_shape_that_no_array_can_have_is_refused(shape: list[int]) -> None:
    size = 0 if 0 in shape else 4
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header) % 8)
    with pytest.raises(ModelError):
        Model.from_bytes(len(padded).to_bytes(8, "little") + padded + bytes(size))
