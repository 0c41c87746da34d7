"""Signed fixed-point values, many to a plaintext, laid out so that no legal sum can overflow.

A plaintext is the signed sum of its slots, S = sum_i v_i 2^(w i), taken modulo n. Adding plaintexts adds slots. A
slot of w bits holds the two's-complement range of

    value bits (sign included) + weight bits + ceil(log2 max participants) + noise bits + guard bits

and the sum of every participant's largest legal slot stays ``guard_bits`` below it, so a slot that reaches into the
guard was overflowed by somebody and is reported, never silently wrapped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fedtrust.errors import CiphertextError, SpecError, UpdateError

EMPTY_TOP_BITS = 64
"""Bits at the top of a plaintext that every legal sum leaves empty (up to its sign)."""
MAXIMUM_SLOT_WIDTH = 62
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class SlotLayout:
    """How values share a plaintext. All fields in bits but ``max_participants``. Raises SpecError.

    ``value_bits`` counts the sign; ``weight_bits`` is 0 when all participants weigh the same; ``noise_bits`` widens
    the range for the tail of added noise: a noised slot may be 2^noise_bits times the largest un-noised one.
    """

    value_bits: int
    weight_bits: int
    max_participants: int
    noise_bits: int = 0
    guard_bits: int = 2

    def __post_init__(self) -> None:
        """Check every field and the slot's width."""
        bounds = {
            "value_bits": (2, 32),
            "weight_bits": (0, 32),
            "max_participants": (1, 1 << 16),
            "noise_bits": (0, 32),
            "guard_bits": (1, 16),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise SpecError(
                    f"slot layout: {name} is out of range", expected=f"an integer in [{low}, {high}]", got=repr(value)
                )
        if self.slot_width > MAXIMUM_SLOT_WIDTH:
            raise SpecError(
                "slot layout: a slot is too wide",
                expected=f"at most {MAXIMUM_SLOT_WIDTH} bits",
                got=f"{self.slot_width} bits",
                advice="use fewer value, weight or noise bits",
            )

    @property
    def slot_width(self) -> int:
        """Width w of a slot in bits."""
        participants = (self.max_participants - 1).bit_length()
        return self.value_bits + self.weight_bits + participants + self.noise_bits + self.guard_bits

    @property
    def max_value(self) -> int:
        """Largest quantised magnitude of one value, before its weight."""
        return (1 << self.value_bits - 1) - 1

    @property
    def max_weight(self) -> int:
        """Largest weight of one participant; 1 when the layout has no weight bits."""
        return max(1, (1 << self.weight_bits) - 1)

    @property
    def max_slot(self) -> int:
        """Largest magnitude that one participant may put into a slot."""
        return (self.max_value * self.max_weight) << self.noise_bits

    def slots_per_plaintext(self, key_bits: int) -> int:
        """Return how many slots fit under the empty top bits of a plaintext. Raises SpecError if none does."""
        slots = (key_bits - EMPTY_TOP_BITS) // self.slot_width
        if slots < 1:
            raise SpecError("slot layout: no slot fits a plaintext", got=f"{key_bits} key bits")
        return slots

    def plaintexts(self, count: int, key_bits: int) -> int:
        """Return how many plaintexts ``count`` values take."""
        return -(-count // self.slots_per_plaintext(key_bits))

    def to_json(self) -> dict[str, int]:
        """Return the layout as a JSON-ready mapping."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, value: object) -> SlotLayout:
        """Return the layout of exactly the mapping that :meth:`to_json` writes. Raises SpecError."""
        names = {f.name for f in fields(cls)}
        if not isinstance(value, Mapping) or set(value) != names:
            raise SpecError(
                "slot layout is malformed", expected=f"an object with {sorted(names)}", got=repr(value)[:200]
            )
        return cls(**value)


def quantise(values: NDArray[np.float64], clip: float, layout: SlotLayout) -> NDArray[np.int64]:
    """Return ``values`` (1-D) as integers in [-max_value, max_value]: round half to even of v / clip * max_value.

    Raises UpdateError naming the first index that is NaN or infinite, or whose magnitude exceeds ``clip``.
    """
    _require_clip(clip)
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise UpdateError("update is not a vector", expected="a 1-D array", got=f"shape {values.shape}")
    finite = np.isfinite(values)
    if not finite.all():
        index = int(np.argmin(finite))
        raise UpdateError(
            f"value {index} of the update is not finite",
            expected="finite numbers",
            got=values[index],
            advice="lower the learning rate or look for a bad record",
        )
    outside = np.abs(values) > clip
    if outside.any():
        index = int(np.argmax(outside))
        raise UpdateError(
            f"value {index} of the update: value outside the layout's range",
            expected=f"at most {clip} in magnitude",
            got=values[index],
            advice="clip the update to the round's bound before quantising it",
        )
    return np.rint(values / clip * layout.max_value).astype(np.int64)


def dequantise(values: NDArray[np.int64], clip: float, layout: SlotLayout) -> NDArray[np.float64]:
    """Return quantised ``values``, or sums of them, as floats: v / max_value * clip."""
    _require_clip(clip)
    return np.asarray(values, dtype=np.int64).astype(np.float64) / layout.max_value * clip


def _require_clip(clip: float) -> None:
    if not (math.isfinite(clip) and clip > 0):
        raise SpecError("clip bound is not usable", expected="a finite number above 0", got=repr(clip))


def pack(layout: SlotLayout, key_bits: int, n: int, values: NDArray[np.int64]) -> list[int]:
    """Return ``values`` (1-D, at least one) packed into plaintexts in [0, n); unused slots are zero.

    Raises UpdateError naming the first value whose magnitude exceeds ``layout.max_slot``.
    """
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0 or values.dtype != np.int64:
        raise UpdateError("nothing to pack", expected="a 1-D int64 array", got=f"{values.dtype} {values.shape}")
    outside = (values > layout.max_slot) | (values < -layout.max_slot)
    if outside.any():
        index = int(np.argmax(outside))
        raise UpdateError(
            f"value {index} of the update: value outside the layout's range",
            expected=f"at most {layout.max_slot} in magnitude",
            got=int(values[index]),
            advice="lower the weight, or open the round with a wider layout",
        )
    slots, width = layout.slots_per_plaintext(key_bits), layout.slot_width
    offset = _offset(slots, width)
    return [(total - offset) % int(n) for total in _join(values + (1 << width - 1), slots, width)]


def unpack(
    layout: SlotLayout, key_bits: int, n: int, plaintexts: Sequence[int], count: int, participants: int
) -> NDArray[np.int64]:
    """Return the ``count`` summed values (int64) in the sum of ``participants`` packed vectors.

    Raises CiphertextError for a wrong number of plaintexts or one outside [0, n), and UpdateError if the empty top
    bits, the guard bits or an unused slot show that a contribution was not packed legally.
    """
    if not 1 <= participants <= layout.max_participants:
        raise SpecError(
            "slot layout is for another number of participants",
            expected=f"1 to {layout.max_participants}",
            got=participants,
        )
    expected = layout.plaintexts(count, key_bits)
    if count < 1 or len(plaintexts) != expected:
        raise CiphertextError(
            "wrong number of plaintexts", expected=f"{expected} for {count} values", got=len(plaintexts)
        )
    slots, width = layout.slots_per_plaintext(key_bits), layout.slot_width
    modulus, offset, limit = int(n), _offset(slots, width), 1 << slots * width
    totals = []
    for index, plaintext in enumerate(plaintexts):
        if not 0 <= plaintext < modulus:
            raise CiphertextError(f"plaintext {index} is out of range", expected="0 <= plaintext < n")
        signed = int(plaintext) if 2 * plaintext < modulus else int(plaintext) - modulus
        if not 0 <= signed + offset < limit:
            raise UpdateError(
                f"plaintext {index} overflows: its top bits are not empty",
                expected=f"a signed sum of {slots} slots of {width} bits",
                advice="a participant sent a contribution outside the layout; leave it out and repeat the round",
            )
        totals.append(signed + offset)
    values = _split(totals, slots, width) - (1 << width - 1)
    bound = participants * layout.max_slot
    overflown = (values > bound) | (values < -bound)
    if overflown.any():
        index = int(np.argmax(overflown))
        raise UpdateError(
            f"value {index} of the sum reaches into the guard bits",
            expected=f"at most {bound} in magnitude for {participants} participants",
            got=int(values[index]),
            advice="a participant sent a contribution outside the layout; leave it out and repeat the round",
        )
    if values[count:].any():
        raise UpdateError("an unused slot of the sum is not zero", expected="zeros after the last value")
    return values[:count]


def _offset(slots: int, width: int) -> int:
    """Return sum_i 2^(w-1) 2^(w i): adding it makes every slot of a legal plaintext non-negative."""
    return (1 << width - 1) * (((1 << slots * width) - 1) // ((1 << width) - 1))


def _join(digits: NDArray[np.int64], slots: int, width: int) -> Iterator[int]:
    """Yield sum_i d_i 2^(w i) for every ``slots`` digits in [0, 2^w); the last group is filled with 2^(w-1)."""
    missing = -digits.size % slots
    rows = np.concatenate([digits, np.full(missing, 1 << width - 1, dtype=np.int64)]).reshape(-1, slots)
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(rows[at : at + _ROWS_AT_ONCE]).astype("<u8")
        bits = np.unpackbits(block.view(np.uint8).reshape(-1, slots, 8), axis=2, bitorder="little")
        joined = np.packbits(bits[:, :, :width].reshape(len(block), slots * width), axis=1, bitorder="little")
        for row in joined:
            yield int.from_bytes(row.tobytes(), "little")


def _split(totals: Sequence[int], slots: int, width: int) -> NDArray[np.int64]:
    """Return the digits of :func:`_join`, all groups one after the other, fillers included."""
    row_bytes = -(-slots * width // 8)
    parts = []
    for at in range(0, len(totals), _ROWS_AT_ONCE):
        block = totals[at : at + _ROWS_AT_ONCE]
        raw = np.frombuffer(b"".join(total.to_bytes(row_bytes, "little") for total in block), dtype=np.uint8)
        bits = np.unpackbits(raw.reshape(len(block), row_bytes), axis=1, bitorder="little")[:, : slots * width]
        padded = np.zeros((len(block), slots, 64), dtype=np.uint8)
        padded[:, :, :width] = bits.reshape(len(block), slots, width)
        parts.append(np.packbits(padded, axis=2, bitorder="little").reshape(-1).view("<u8").astype(np.int64))
    return np.concatenate(parts)
