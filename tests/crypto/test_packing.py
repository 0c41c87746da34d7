from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.packing import MAXIMUM_SLOT_WIDTH, SlotLayout, dequantise, pack, quantise, unpack
from fedtrust.errors import CiphertextError, SpecError, UpdateError
from tests.crypto.crypto_fixtures import load_vectors

KEY_BITS = 1024
N = 2**1024 - 105  # stands for a modulus: packing needs its size only

LAYOUTS = (
    st.builds(
        dict,
        value_bits=st.integers(2, 24),
        weight_bits=st.integers(0, 12),
        max_participants=st.integers(1, 100),
        noise_bits=st.integers(0, 6),
        guard_bits=st.integers(1, 4),
    )
    .filter(
        lambda f: (
            sum(v for k, v in f.items() if k != "max_participants") + (f["max_participants"] - 1).bit_length()
            <= MAXIMUM_SLOT_WIDTH
        )
    )
    .map(lambda f: SlotLayout(**f))
)


def test_widths_of_the_design() -> None:
    equal = SlotLayout(16, 0, 10, guard_bits=1)
    weighted = SlotLayout(16, 10, 64)
    assert (equal.slot_width, weighted.slot_width) == (21, 34)
    assert (equal.max_weight, weighted.max_weight) == (1, 1023)
    assert weighted.max_value == 32767
    assert weighted.max_slot == 32767 * 1023
    assert equal.slots_per_plaintext(3072) == 143
    assert weighted.plaintexts(100_000, 3072) == 1137


def test_vectors(primes: tuple[int, int]) -> None:
    n = primes[0] * primes[1]
    for case in load_vectors("packing")["cases"]:
        layout = SlotLayout.from_json(case["layout"])
        assert layout.slot_width == case["slot_width"]
        assert layout.slots_per_plaintext(2048) == case["slots"]
        values = np.array(case["values"], dtype=np.int64)
        expected = [int(x, 16) for x in case["plaintexts"]]
        assert pack(layout, 2048, n, values) == expected
        assert unpack(layout, 2048, n, expected, len(values), 1).tolist() == case["values"]


@settings(deadline=None)
@given(LAYOUTS, st.data())
def test_sums_of_packed_vectors_unpack_to_sums(layout: SlotLayout, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3 * layout.slots_per_plaintext(KEY_BITS) + 1))
    participants = data.draw(st.integers(1, min(layout.max_participants, 5)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bound = layout.max_slot
    rows = rng.integers(-bound, bound, size=(participants, count), endpoint=True)
    extreme = data.draw(st.sampled_from([-bound, bound, 0]))
    rows[:, 0] = extreme
    packed = [pack(layout, KEY_BITS, N, row) for row in rows]
    assert all(0 <= m < N for row in packed for m in row)
    assert len(packed[0]) == layout.plaintexts(count, KEY_BITS)
    total = [sum(column) % N for column in zip(*packed, strict=True)]
    assert (unpack(layout, KEY_BITS, N, total, count, participants) == rows.sum(axis=0)).all()


@settings(deadline=None)
@given(LAYOUTS)
def test_no_legal_sum_reaches_the_guard_bits(layout: SlotLayout) -> None:
    assert layout.max_participants * layout.max_slot < 1 << layout.slot_width - layout.guard_bits - 1
    assert layout.max_weight <= layout.max_slot or layout.max_value * layout.max_weight == layout.max_slot


def test_the_fullest_legal_sum_unpacks() -> None:
    layout = SlotLayout(8, 4, 7, guard_bits=1)
    count = 2 * layout.slots_per_plaintext(KEY_BITS)
    for extreme in (layout.max_slot, -layout.max_slot):
        row = pack(layout, KEY_BITS, N, np.full(count, extreme, dtype=np.int64))
        total = [7 * m % N for m in row]
        assert (unpack(layout, KEY_BITS, N, total, count, 7) == 7 * extreme).all()


def test_an_overflowed_slot_is_reported_not_wrapped() -> None:
    layout = SlotLayout(8, 4, 4)
    width, slots = layout.slot_width, layout.slots_per_plaintext(KEY_BITS)
    legal = pack(layout, KEY_BITS, N, np.ones(slots, dtype=np.int64))[0]
    too_large = 4 * layout.max_slot + 1
    for slot in (0, 3, slots - 1):
        for sign in (1, -1):
            forged = (legal + sign * (too_large + 2) * (1 << width * slot)) % N
            with pytest.raises(UpdateError, match=f"value {slot} of the sum reaches into the guard bits"):
                unpack(layout, KEY_BITS, N, [forged], slots, 4)


def test_the_bound_depends_on_the_number_of_participants() -> None:
    layout = SlotLayout(8, 4, 4)
    sum_of_two = [(2 * m) % N for m in pack(layout, KEY_BITS, N, np.array([layout.max_slot]))]
    assert unpack(layout, KEY_BITS, N, sum_of_two, 1, 2)[0] == 2 * layout.max_slot
    with pytest.raises(UpdateError, match="guard"):
        unpack(layout, KEY_BITS, N, sum_of_two, 1, 1)


def test_top_bits_must_be_empty() -> None:
    layout = SlotLayout(8, 0, 1)
    for forged in (1 << KEY_BITS - 64, N - (1 << KEY_BITS - 64), N // 2, 1 << KEY_BITS - 30):
        with pytest.raises(UpdateError, match="top bits"):
            unpack(layout, KEY_BITS, N, [forged], 1, 1)


def test_unused_slots_must_be_zero() -> None:
    layout = SlotLayout(8, 0, 1)
    packed = pack(layout, KEY_BITS, N, np.array([1, 2, 3], dtype=np.int64))
    with pytest.raises(UpdateError, match="unused slot"):
        unpack(layout, KEY_BITS, N, packed, 2, 1)


@pytest.mark.parametrize("plaintexts", [[], [0, 0], [N], [-1]])
def test_wrong_plaintexts_are_refused(plaintexts: list[int]) -> None:
    with pytest.raises(CiphertextError):
        unpack(SlotLayout(8, 0, 1), KEY_BITS, N, plaintexts, 3, 1)


@pytest.mark.parametrize("participants", [0, 5])
def test_wrong_participants_are_refused(participants: int) -> None:
    with pytest.raises(SpecError):
        unpack(SlotLayout(8, 0, 4), KEY_BITS, N, [0], 1, participants)


@pytest.mark.parametrize("excess", [1, -1])
def test_pack_names_the_value_out_of_range(excess: int) -> None:
    layout = SlotLayout(8, 2, 4)
    values = np.zeros(9, dtype=np.int64)
    values[6] = excess * (layout.max_slot + 1)
    with pytest.raises(UpdateError, match="value 6 of the update: value outside the layout's range"):
        pack(layout, KEY_BITS, N, values)


def test_pack_refuses_the_most_negative_integer() -> None:
    with pytest.raises(UpdateError, match="value 0"):
        pack(SlotLayout(8, 2, 4), KEY_BITS, N, np.array([np.iinfo(np.int64).min]))


@pytest.mark.parametrize("values", [np.array([], dtype=np.int64), np.zeros((2, 2), dtype=np.int64), np.zeros(2)])
def test_pack_refuses_other_arrays(values: Any) -> None:
    with pytest.raises(UpdateError, match="nothing to pack"):
        pack(SlotLayout(8, 2, 4), KEY_BITS, N, values)


@settings(deadline=None)
@given(st.lists(st.floats(-2.5, 2.5), min_size=1, max_size=30), st.integers(2, 24))
def test_quantise_rounds_to_the_nearest_step(values: list[float], value_bits: int) -> None:
    layout = SlotLayout(value_bits, 0, 2)
    quantised = quantise(np.array(values), 2.5, layout)
    assert quantised.dtype == np.int64
    assert (np.abs(quantised) <= layout.max_value).all()
    error = np.abs(dequantise(quantised, 2.5, layout) - np.array(values))
    assert (error <= 2.5 / layout.max_value / 2 * (1 + 1e-9)).all()


def test_quantise_is_exact_at_the_ends_and_rounds_half_to_even() -> None:
    layout = SlotLayout(8, 0, 1)
    assert quantise(np.array([1.0, -1.0, 0.0]), 1.0, layout).tolist() == [127, -127, 0]
    assert quantise(np.array([0.5, 1.5, 2.5, -0.5]), 127.0, layout).tolist() == [0, 2, 2, 0]
    assert dequantise(np.array([127, -254]), 0.3, layout).tolist() == [0.3, -0.6]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_quantise_names_the_first_value_that_is_not_finite(bad: float) -> None:
    values = np.array([0.0, 0.5, bad, 9.0, bad])
    with pytest.raises(UpdateError, match="value 2 of the update is not finite"):
        quantise(values, 1.0, SlotLayout(8, 0, 1))


def test_quantise_names_the_first_value_out_of_range() -> None:
    with pytest.raises(UpdateError, match="value 1 of the update: value outside the layout's range"):
        quantise(np.array([1.0, np.nextafter(1.0, 2.0), -5.0]), 1.0, SlotLayout(8, 0, 1))
    with pytest.raises(UpdateError, match="not a vector"):
        quantise(np.zeros((2, 2)), 1.0, SlotLayout(8, 0, 1))


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan"), float("inf")])
def test_unusable_clips_are_refused(clip: float) -> None:
    with pytest.raises(SpecError):
        quantise(np.zeros(1), clip, SlotLayout(8, 0, 1))
    with pytest.raises(SpecError):
        dequantise(np.zeros(1, dtype=np.int64), clip, SlotLayout(8, 0, 1))


@settings(deadline=None)
@given(LAYOUTS)
def test_layout_json_round_trips(layout: SlotLayout) -> None:
    assert SlotLayout.from_json(layout.to_json()) == layout


@pytest.mark.parametrize(
    "change",
    [
        {"value_bits": 1},
        {"value_bits": 33},
        {"value_bits": 16.0},
        {"value_bits": "16"},
        {"weight_bits": -1},
        {"max_participants": 0},
        {"max_participants": True},
        {"noise_bits": -1},
        {"guard_bits": 0},
        {"value_bits": 32, "weight_bits": 29},
        {"extra": 1},
    ],
)
def test_bad_layouts_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        SlotLayout.from_json({**SlotLayout(16, 0, 4).to_json(), **change})


@pytest.mark.parametrize("value", [None, [], {}, {"value_bits": 16}])
def test_malformed_layouts_are_refused(value: object) -> None:
    with pytest.raises(SpecError):
        SlotLayout.from_json(value)


def test_a_key_too_small_for_one_slot_is_refused() -> None:
    with pytest.raises(SpecError):
        SlotLayout(32, 20, 64).slots_per_plaintext(100)
