"""An exact model of the native kernel's reduction: ``columns.c`` and ``modulus.c``, one lane, in Python's integers.

Every function here does what its namesake in C does, in the same order, with the columns the size they have there. On
integers it computes; on :class:`Interval` the same lines are an analysis of the worst case. Either way a column that
leaves a signed 64-bit lane, or an operand that leaves the 52 bits of a multiply-add, raises OverflowError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gmpy2 import mpz

from fedtrust.compute.modulus_constants import RADIX, ModulusConstants

PRODUCT_BITS = 52
DIGIT_MASK = (1 << RADIX) - 1
BASE = 1 << RADIX
RESIDUE_EXCESS = 1 << 10
"""Residues are below n times this."""
SPLIT_EXCESS = 1 << 21
"""The second part of a split number is below n times this."""
LOGARITHMS = 1 << 8
"""A sum of this many residues may still be multiplied by one (``modulus_constants._fits``)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """All integers from ``low`` to ``high``."""

    low: int
    high: int

    def __add__(self, other: Number) -> Interval:
        other = interval(other)
        return Interval(self.low + other.low, self.high + other.high)

    __radd__ = __add__

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Number) -> Interval:
        return self + -interval(other)

    def __rsub__(self, other: Number) -> Interval:
        return interval(other) - self

    def __lshift__(self, bits: int) -> Interval:
        return Interval(self.low << bits, self.high << bits)

    def __rshift__(self, bits: int) -> Interval:
        return Interval(self.low >> bits, self.high >> bits)


Number: TypeAlias = int | Interval
Numbers: TypeAlias = Sequence[Number]

DIGIT = Interval(0, DIGIT_MASK)


def interval(value: Number) -> Interval:
    """Return the value as an interval."""
    return value if isinstance(value, Interval) else Interval(value, value)


def lane(value: Number) -> Number:
    """Return the value. Raises OverflowError unless a signed 64-bit lane holds it."""
    bounds = interval(value)
    if not -(1 << 63) <= bounds.low <= bounds.high < 1 << 63:
        raise OverflowError(f"a column of {max(-bounds.low, bounds.high).bit_length()} bits")
    return value


def digit(value: Number) -> Number:
    """Return the value modulo 2^50."""
    if isinstance(value, int):
        return value & DIGIT_MASK
    return value if value.low >= 0 and value.high <= DIGIT_MASK else DIGIT


def _operands(a: Number, b: Number) -> tuple[Interval, Interval]:
    first, second = interval(a), interval(b)
    for operand in (first, second):
        if operand.low < 0 or operand.high >> PRODUCT_BITS:
            raise OverflowError(f"an operand of a multiply-add from {operand.low} to {operand.high}")
    return first, second


def low_half(a: Number, b: Number) -> Number:
    """Return a b modulo 2^52."""
    first, second = _operands(a, b)
    mask = (1 << PRODUCT_BITS) - 1
    if isinstance(a, int) and isinstance(b, int):
        return a * b & mask
    return Interval(0, min(mask, first.high * second.high))


def high_half(a: Number, b: Number) -> Number:
    """Return a b / 2^52, rounded down."""
    first, second = _operands(a, b)
    if isinstance(a, int) and isinstance(b, int):
        return a * b >> PRODUCT_BITS
    return Interval(first.low * second.low >> PRODUCT_BITS, first.high * second.high >> PRODUCT_BITS)


def _columns(products: Sequence[Sequence[tuple[Number, Number]]]) -> list[Number]:
    """Return the columns of sums of products, and one more: upper halves stand four units of a column further up."""
    out: list[Number] = []
    above: Number = 0
    for column in products:
        low: Number = 0
        high: Number = 0
        for a, b in column:
            low = lane(low + low_half(a, b))
            high = lane(high + high_half(a, b))
        out.append(lane(low + lane(above << 2)))
        above = high
    return [*out, lane(above << 2)]


def _schoolbook(a: Numbers, b: Numbers) -> list[Number]:
    count = len(a)
    return _columns(
        [[(a[i], b[k - i]) for i in range(max(0, k - count + 1), min(k, count - 1) + 1)] for k in range(2 * count - 1)]
    )


def multiply_columns(a: Numbers, b: Numbers, levels: int = 2) -> list[Number]:
    """Return the columns of a b by ``levels`` of Karatsuba; not carried, and signed."""
    if not levels:
        return _schoolbook(a, b)
    count = len(a) // 2
    out = [
        *multiply_columns(a[:count], b[:count], levels - 1),
        *multiply_columns(a[count:], b[count:], levels - 1),
    ]
    a_sum = [a[k] + a[k + count] for k in range(count)]
    b_sum = [b[k] + b[k + count] for k in range(count)]
    middle = multiply_columns(a_sum, b_sum, levels - 1)
    for k in range(count):
        low, low_next, high, high_next = (out[k + j * count] for j in range(4))
        out[k + count] = lane(lane(low_next + middle[k]) - low - high)
        out[k + 2 * count] = lane(lane(high + middle[k + count]) - low_next - high_next)
    return out


def lower_triangle(matrix: Numbers, v: Numbers) -> list[Number]:
    """Return columns [0, count) of the product."""
    return _columns([[(matrix[k - j], v[j]) for j in range(k + 1)] for k in range(len(v))])[:-1]


def upper_triangle(matrix: Numbers, v: Numbers) -> list[Number]:
    """Return columns from count - 1 on, without what the columns below carry into them."""
    count = len(v)
    return _columns([[(matrix[count - 1 - (j - k)], v[j]) for j in range(k, count)] for k in range(count)])


@dataclass(frozen=True, slots=True)
class Toeplitz:
    """Three matrices of half the rows; see ``columns.h``."""

    middle: Numbers
    upper: Numbers
    lower: Numbers

    def times(self, v: Numbers, excess: Number) -> list[Number]:
        """Return the columns of the product, ``excess`` taken off all but the first."""
        piece = len(v) // 2
        first: Number = 0
        second: Number = 0
        for k in range(piece):
            first, second = first + v[k], second + v[k + piece]
        first, second = lane(lane(first << 1) + excess), lane(lane(second << 1) + excess)
        middle = _toeplitz_piece(self.middle, [v[k] + v[k + piece] for k in range(piece)])
        out = [*_toeplitz_piece(self.upper, v[piece:]), *([0] * piece)]
        lower = _toeplitz_piece(self.lower, v[:piece])
        out[0] = lane(out[0] + middle[0])
        for k in range(1, piece):
            out[k] = lane(out[k] + lane(middle[k] - second))
        out[piece] = lane(out[piece] + lane(middle[piece] - second) + lower[0] + middle[0])
        for k in range(1, piece + 1):
            out[piece + k] = lane(lane(lower[k] + middle[k]) - first)
        return out


def _toeplitz_piece(matrix: Numbers, v: Numbers) -> list[Number]:
    count = len(v)
    return _columns([[(matrix[k - j + count - 1], v[j]) for j in range(count)] for k in range(count)])


@dataclass(frozen=True, slots=True)
class Circulant:
    """Two matrices of half the rows, and what the offset of the second adds; see ``columns.h``."""

    even: Numbers
    odd: Numbers
    odd_rows: Numbers

    def times_twice(self, v: Numbers, excess: Number) -> list[Number]:
        """Return the columns of twice the product, ``excess`` taken off all but the first."""
        piece = len(v) // 2
        sums = [v[k] + v[k + piece] for k in range(piece)]
        differences = [v[k] - v[k + piece] + 2 * BASE for k in range(piece)]
        total: Number = 0
        for difference in differences:
            total = lane(total + difference)
        total = lane(total << 1)
        even, odd = _toeplitz_piece(self.even, sums), _toeplitz_piece(self.odd, differences)
        columns = [odd[0], *(lane(lane(odd[k] - total) - self.odd_rows[k - 1]) for k in range(1, piece + 1))]
        common = [even[0], *(lane(even[k] - excess) for k in range(1, piece + 1))]
        out = [lane(common[k] + columns[k]) for k in range(piece)]
        out.append(lane(lane(lane(even[0] - odd[0]) + common[piece]) + columns[piece]))
        return out + [lane(common[k] - columns[k]) for k in range(1, piece + 1)]


@dataclass(frozen=True, slots=True)
class Model:
    """A modulus as the kernel reads it (``batch.c``)."""

    piece: int
    top: int
    digits: Numbers
    inverse: Numbers
    quotient: Numbers
    sum: Circulant
    difference: Toeplitz
    into: Numbers
    one: Numbers
    into_pair: Numbers
    digit_sum: Number

    @property
    def half(self) -> int:
        """Digits of half a number: h."""
        return 2 * self.piece

    @property
    def count(self) -> int:
        """Digits of a number: m."""
        return 4 * self.piece


def model_of(constants: ModulusConstants) -> Model:
    """Return the model that the words of the constants describe. Raises ValueError if they are not all used."""
    data = constants.data
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    piece, top = words[:2]
    at = 2

    def take(count: int) -> list[int]:
        nonlocal at
        at += count
        return words[at - count : at]

    def signed(value: int) -> int:
        return value - (value >> 63 << 64)

    size = 2 * piece - 1
    model = Model(
        piece, top, take(4 * piece), take(2 * piece), take(2 * piece),
        Circulant(take(size), take(size), [signed(row) for row in take(piece)]),
        Toeplitz(take(size), take(size), take(size)),
        take(4 * piece), take(8 * piece), take(8 * piece), take(1)[0],
    )  # fmt: skip
    if at != len(words):
        raise ValueError(f"{len(words) - at} words are left over")
    return model


def any_modulus(model: Model) -> Model:
    """Return a model of every modulus of the same shape: constants are intervals."""
    size = 2 * model.piece - 1
    outer = [Interval(0, 4 * BASE - 1)] * size
    rows = [Interval(-4 * BASE * model.piece, 4 * BASE * model.piece)] * model.piece
    half = [DIGIT] * model.half
    return replace(
        model,
        digits=half * 2,
        inverse=half,
        quotient=half,
        sum=Circulant(outer, outer, rows),
        difference=Toeplitz([Interval(0, 2 * BASE - 1)] * size, outer, outer),
        digit_sum=Interval(0, model.count * DIGIT_MASK),
    )


@dataclass(frozen=True, slots=True)
class Reduction:
    """z = T / R, and the quotients from below and from above."""

    z: list[Number]
    low: list[Number]
    top: list[Number]


def reduce(model: Model, columns: Numbers) -> Reduction:
    """Return T / R and the quotients: ``reduce()`` of modulus.c, line by line."""
    half, count, top = model.half, model.count, model.top
    t = list(columns)
    upper: list[Number] = []
    entering: Number = 0
    entering_upper: Number = (t[top - 1] >> RADIX) - 1
    for k in range(half):
        entering_upper = lane(entering_upper + t[top + k])
        upper.append(digit(entering_upper))
        entering_upper = entering_upper >> RADIX
    for k in range(half):
        entering = lane(entering + t[k])
        t[k] = digit(entering)
        entering = entering >> RADIX
    nothing_above = entering_upper == -1
    if isinstance(entering_upper, int) and entering_upper not in (0, -1):  # a mask: all ones or zero
        raise OverflowError(f"the product is too long by {entering_upper}")
    t[half] = lane(t[half] + entering)

    low_work, top_work = lower_triangle(model.inverse, t[:half]), upper_triangle(model.quotient, upper)
    q: list[Number] = []
    p: list[Number] = []
    sums: list[Number] = []
    differences: list[Number] = []
    total: Number = 0
    entering, entering_upper = 0, top_work[0] >> RADIX
    for k in range(half):
        entering = lane(entering + low_work[k])
        entering_upper = lane(entering_upper + top_work[k + 1])
        q.append(digit(entering))
        p.append(0 if nothing_above else digit(entering_upper))
        entering, entering_upper = entering >> RADIX, entering_upper >> RADIX
        sums.append(q[k] + p[k])
        differences.append(q[k] - p[k] + BASE)
        total = lane(total + sums[k])

    d = model.difference.times(sums, total)
    a = model.sum.times_twice(differences, lane(model.digit_sum << 1))
    last = lane(digit(t[count + half - 1]) + (t[count + half - 2] >> RADIX) + t[half - 1])
    entering = lane(lane(last << 2) + a[half - 1] + lane(d[half - 1] << 1))
    entering = lane(entering + (BASE >> 1)) >> RADIX
    around = lane(entering << RADIX)
    before_1: Number = 0
    before_2 = t[count + half - 1] >> RADIX
    entering = lane(entering + a[half] + lane(d[half] << 1))
    z: list[Number] = []
    for k in range(half):
        column_1, column_2 = t[half + k], t[count + half + k]
        entering = lane(entering + ((digit(column_1) + digit(column_2) + before_1 + before_2) << 2))
        entering = lane(lane(entering + a[k]) - (d[k] << 1))
        before_1, before_2 = column_1 >> RADIX, column_2 >> RADIX
        z.append(digit(entering))
        entering = entering >> RADIX
    entering = lane(lane(entering + (before_2 << 2) + a[half]) - (d[half] << 1))
    for k in range(half):
        column = t[count + k]
        entering = lane(entering + ((digit(column) + t[k] + before_1) << 2))
        entering = lane(lane(entering + a[k]) + (d[k] << 1))
        before_1 = column >> RADIX
        if k == half - 1:
            entering = lane(entering - around)
        z.append(digit(entering))
        entering = entering >> RADIX
    return Reduction(z, q, p)


def add_quotients(model: Model, columns: Numbers, reduction: Reduction) -> list[Number]:
    """Add p B^h - q + n: the carry of the first component of a pair."""
    carried = [-value for value in reduction.low] + list(reduction.top)
    both = [lane(c + (n + q)) for c, n, q in zip(columns, model.digits, carried, strict=False)]
    return both + list(columns[model.count :])


def multiply_pairs(model: Model, x: Numbers, y: Numbers) -> tuple[Reduction, Reduction]:
    """Return both components of x y / R; x and y are digits of x, then of w."""
    count = model.count
    cross = [
        lane(a + b)
        for a, b in zip(multiply_columns(x[:count], y[count:]), multiply_columns(x[count:], y[:count]), strict=True)
    ]
    first = reduce(model, multiply_columns(x[:count], y[:count]))
    return first, reduce(model, add_quotients(model, cross, first))


def square_pairs(model: Model, x: Numbers) -> tuple[Reduction, Reduction]:
    """Return both components of x^2 / R."""
    count = model.count
    cross = [lane(column << 1) for column in multiply_columns(x[:count], x[count:])]
    first = reduce(model, multiply_columns(x[:count], x[:count]))
    return first, reduce(model, add_quotients(model, cross, first))


def put_quotients(model: Model, reduction: Reduction, more: Numbers) -> list[Number]:
    """Return the digits of p B^h - q + n + ``more``."""
    out: list[Number] = []
    entering: Number = 0
    for quotient, n, other in zip([-q for q in reduction.low] + list(reduction.top), model.digits, more, strict=True):
        entering = lane(entering + (n + quotient) + other)
        out.append(digit(entering))
        entering = entering >> RADIX
    return out


def multiply_split(model: Model, x: Numbers, y: Numbers) -> list[Number]:
    """Return x y / R^2 for split numbers (x, y), which stand for R x + y n (``modulus.h``)."""
    count = model.count
    cross = [
        lane(a + b)
        for a, b in zip(multiply_columns(x[:count], y[count:]), multiply_columns(x[count:], y[:count]), strict=True)
    ]
    more = reduce(model, cross).z
    first = reduce(model, multiply_columns(x[:count], y[:count]))
    return [*first.z, *put_quotients(model, first, more)]


def split(model: Model, columns: Numbers) -> list[Number]:
    """Return a number split."""
    first = reduce(model, columns)
    return [*first.z, *put_quotients(model, first, [0] * model.count)]


def value_of(columns: Numbers) -> mpz:
    """Return the number of which these are the columns."""
    value = mpz(0)
    for column in reversed(columns):
        if not isinstance(column, int):
            raise TypeError("an interval is not a number")
        value = (value << RADIX) + column
    return value


def digits_of(value: int, count: int) -> list[Number]:
    """Return ``count`` digits. Raises OverflowError if there are more."""
    value = int(value)
    if value >> RADIX * count:
        raise OverflowError(f"more than {count} digits")
    return [value >> RADIX * k & DIGIT_MASK for k in range(count)]


def shortfall_bound(piece: int) -> int:
    """Return by how much the quotient from above is at most below T / (n B^h), rounded down.

    With T < B^(top + h) and B^top < n B^h: 2 for the columns below ``top`` (rounding, and the one taken off), 1 for
    rounding B^top / n, less than h for the columns of the product that are left out, and 1 for rounding the last of
    them. The columns below ``top - 1`` are of 63 bits at most, which is less than another 1 in all of these.
    """
    half = 2 * piece
    left_out = sum((column + 1) * DIGIT_MASK**2 * BASE**column for column in range(half - 1))
    return 2 + 1 + -(-left_out // BASE**half) + 1 + 1
