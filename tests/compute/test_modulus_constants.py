"""The kernel's constants against their definitions, and its bounds: by an exact model and by its worst case."""

from __future__ import annotations

import random

import pytest
from gmpy2 import f_mod_2exp, mpz
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fedtrust.compute.modulus_constants import PIECES, RADIX, ModulusConstants, modulus_constants
from tests.compute.kernel_model import (
    BASE,
    DIGIT,
    LOGARITHMS,
    RESIDUE_EXCESS,
    SPLIT_EXCESS,
    Circulant,
    Interval,
    Model,
    Reduction,
    Toeplitz,
    any_modulus,
    digits_of,
    lane,
    model_of,
    multiply_columns,
    multiply_pairs,
    multiply_split,
    reduce,
    shortfall_bound,
    split,
    square_pairs,
    value_of,
)
from tests.compute.operands import CLASSES, LengthClass, extreme_moduli, integers_of, moduli

few = settings(deadline=None, max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def constants_of(n: mpz) -> ModulusConstants:
    constants = modulus_constants(n)
    assert constants is not None
    return constants


@pytest.fixture(params=CLASSES, ids=lambda served: f"piece {served.piece}")
def served(request: pytest.FixtureRequest) -> LengthClass:
    return request.param


def toeplitz_entries(matrix: Toeplitz, piece: int) -> list[int]:
    """Return the entries of a matrix of 2 ``piece`` rows by row less column, from 1 - 2 piece on."""
    middle = dict(zip(range(1 - piece, piece), matrix.middle, strict=True))
    entries = dict(middle)
    for d, upper, lower in zip(middle, matrix.upper, matrix.lower, strict=True):
        for key, value in ((d - piece, upper + middle[d]), (d + piece, lower + middle[d])):
            assert entries.setdefault(key, value - 2 * BASE) == value - 2 * BASE  # blocks agree where they meet
    return [entries[d] for d in range(1 - 2 * piece, 2 * piece)]


def circulant_entries(matrix: Circulant, piece: int) -> list[int]:
    """The same for a circulant matrix of 2 ``piece`` rows."""
    both = {
        d: (even, odd - 2 * BASE) for d, even, odd in zip(range(1 - piece, piece), matrix.even, matrix.odd, strict=True)
    }
    column = [(even + odd) // 2 for d, (even, odd) in both.items() if d >= 0]
    column += [(even - odd) // 2 for d, (even, odd) in both.items() if d >= 0]
    entries = [column[d % (2 * piece)] for d in range(1 - 2 * piece, 2 * piece)]
    for d, (even, odd) in both.items():
        assert (even, odd) == (
            column[d] + column[(d + piece) % (2 * piece)],
            column[d] - column[(d + piece) % (2 * piece)],
        )
    assert list(matrix.odd_rows) == [2 * sum(both[k - j][1] for j in range(piece)) for k in range(piece)]
    return entries


@pytest.mark.parametrize("border", ["shortest", "longest", "between"])
def test_constants_are_what_their_names_say(served: LengthClass, border: str) -> None:
    bits = (served.shortest + served.longest) // 2 if border == "between" else getattr(served, border)
    for n in [*extreme_moduli(bits), mpz(random.getrandbits(bits - 2)) | 1 | mpz(1) << bits - 1]:
        constants = constants_of(n)
        model = model_of(constants)
        half, count, base = model.half, model.count, mpz(BASE) ** model.half
        montgomery = base // 4
        assert (constants.piece, constants.montgomery) == (served.piece, montgomery)
        assert constants.words == -(-bits // 64)
        assert value_of(model.digits) == n
        assert f_mod_2exp(value_of(model.inverse) * n, RADIX * half) == base - 1  # -1 / n
        assert value_of(model.quotient) == mpz(BASE) ** model.top // n
        assert value_of(model.into) == pow(montgomery, 3, n)
        assert [value_of(model.one[:count]), value_of(model.one[count:])] == [montgomery, 0]
        into = pow(montgomery, 3, n * n)
        assert [value_of(model.into_pair[:count]), value_of(model.into_pair[count:])] == [into % n, into // n]
        assert model.digit_sum == sum(model.digits)
        assert constants.pair_digits(into) == list(model.into_pair)
        assert all(0 <= d < BASE for d in [*model.digits, *model.inverse, *model.quotient, *model.into_pair])


def test_the_matrices_give_the_product_of_the_quotients_and_n(served: LengthClass) -> None:
    for n in extreme_moduli(served.longest):
        model = model_of(constants_of(n))
        half, count = model.half, model.count
        q, p = ([random.getrandbits(RADIX) for _ in range(half)] for _ in range(2))
        sums = circulant_entries(model.sum, model.piece)
        differences = [entry - BASE for entry in toeplitz_entries(model.difference, model.piece)]

        def times(entries: list[int], v: list[int], half: int = half) -> mpz:
            return value_of([sum(entries[k - j + half - 1] * v[j] for j in range(half)) for k in range(half)])

        a = times(sums, [low - top for low, top in zip(q, p, strict=True)])
        d = times(differences, [low + top for low, top in zip(q, p, strict=True)])
        base, around = mpz(BASE) ** half, mpz(BASE) ** count - 1
        n0, n1 = n % base, n // base
        assert (a - (n0 + n1) * (value_of(q) - value_of(p))) % (base - 1) == 0
        assert (d - (n0 - n1) * (value_of(q) + value_of(p))) % (base + 1) == 0
        assert (a * (base + 1) - d * (base - 1) - 2 * n * (value_of(q) - value_of(p) * base)) % around == 0


def test_which_moduli_are_served() -> None:
    by_bits = {bits: modulus_constants((mpz(1) << bits - 1) + 1) for bits in range(2, 4300)}
    expected = {bits: served.piece for served in CLASSES for bits in range(served.shortest, served.longest + 1)}
    assert {bits: constants.piece for bits, constants in by_bits.items() if constants} == expected
    assert tuple(served.piece for served in CLASSES) == PIECES
    assert modulus_constants(mpz(1) << 2047) is None
    assert modulus_constants((mpz(1) << 2047) + 2) is None


def test_no_column_leaves_its_lane(served: LengthClass) -> None:
    """For every modulus and all digits: lane() and the operands of multiply-adds raise where a bound is passed."""
    constants = constants_of((mpz(1) << served.longest - 1) + 1)
    shortest = model_of(constants_of((mpz(1) << served.shortest - 1) + 1))
    for model in (any_modulus(model_of(constants)), any_modulus(shortest)):
        number = [DIGIT] * model.count
        multiply_pairs(model, number * 2, number * 2)
        square_pairs(model, number * 2)
        multiply_split(model, number * 2, number * 2)
        # a number of words as columns, times R^-1 (load_reduced), and n w + x (store_plain)
        assert reduce(model, number * 2).z == number
        for column in multiply_columns(number, model.digits):
            lane(column + DIGIT)


def test_the_model_refuses_what_is_too_large() -> None:
    model = any_modulus(model_of(constants_of((mpz(1) << 4135) + 1)))
    too_large = [Interval(0, 2 * BASE)] * model.count  # sums of four such digits have 53 bits
    with pytest.raises(OverflowError, match="operand"):
        multiply_columns(too_large, too_large)
    with pytest.raises(OverflowError, match="column"):
        reduce(model, [Interval(0, (1 << 63) - 1)] * 2 * model.count)


def test_the_bounds_hold_for_every_length() -> None:
    for served in CLASSES:
        half, count = 2 * served.piece, 4 * served.piece
        short = shortfall_bound(served.piece)
        assert short <= half + 5 < LOGARITHMS + 4
        # T / (n B^h) - p < short + 1 and q < B^h give z < 4 (short + 2) n
        residue = 4 * (short + 2)
        assert residue < RESIDUE_EXCESS
        for bits in range(served.shortest, served.longest + 1):
            n, shortest_n = (1 << bits) - 1, 1 << bits - 1
            top = half + (bits - 1) // RADIX
            assert n * RESIDUE_EXCESS <= BASE ** (count - 1)  # the last digit of a residue is zero
            assert shortest_n >= BASE ** (top - half)  # B^top / n fits in h digits: n is odd, so never equal
            assert shortest_n > BASE**half // 4
            longest = max(
                2 * (residue * n) ** 2 + n + BASE**count,  # multiply_pairs, and the carry of the first component
                (LOGARITHMS * RESIDUE_EXCESS * n) * (RESIDUE_EXCESS * n),  # finish() of fixed_base.c
                n * n,
            )
            assert longest < BASE ** (top + half)
            assert 1 <= top <= 2 * count - half
            # A split number's second part is below T / n + n + a residue; products of two are only made where they fit.
            second = 4 * residue**2 * n
            assert max((residue * n) ** 2 // n, n * n // n) + n + residue * n <= second < SPLIT_EXCESS * n < BASE**count
            if bits % 8 == 0 and constants_of(mpz(shortest_n + 1)).splits:
                assert 2 * (residue * n) * second < BASE ** (top + half)


def check(model: Model, n: mpz, columns: list[int]) -> Reduction:
    """Assert that the model's reduction of these columns is one, within all bounds."""
    base = mpz(BASE) ** model.half
    t = value_of(columns)
    reduction = reduce(model, columns)
    z, q, p = value_of(reduction.z), value_of(reduction.low), value_of(reduction.top)
    assert z * (base // 4) == t + q * n - p * n * base
    assert 0 <= z < RESIDUE_EXCESS * n
    assert 0 <= t // (n * base) - p <= shortfall_bound(model.piece) < LOGARITHMS + 4
    return reduction


@few
@given(moduli(), st.data())
def test_the_model_reduces_every_number(n: mpz, data: st.DataObject) -> None:
    model = model_of(constants_of(n))
    largest = RESIDUE_EXCESS * n - 1
    residue = st.one_of(
        st.just(largest), st.just(mpz(0)), integers_of(int(largest.bit_length())).map(lambda v: v % largest)
    )
    x, y = (digits_of(data.draw(residue), model.count) for _ in range(2))
    check(model, n, multiply_columns(x, y))
    for multiple in (n, n * n, n * mpz(BASE) ** model.half):  # T near a multiple of what is taken off
        for small in (-1, 0, 1):
            check(model, n, digits_of(multiple + small, 2 * model.count))
    check(model, n, digits_of(data.draw(integers_of(2 * int(n.bit_length()))) % (n * n), 2 * model.count))


def test_the_model_multiplies_split_numbers(served: LengthClass) -> None:
    for n in extreme_moduli(served.longest - 60)[1:5:3]:
        model = model_of(constants_of(n))
        montgomery, square = mpz(BASE) ** model.half // 4, n * n
        values = [square - 1, n, mpz(0), square - n, mpz(1), mpz(random.getrandbits(2 * int(n.bit_length()) - 2))]
        product = split(model, digits_of(values[0], 2 * model.count))
        expected = values[0]
        for value in values[1:2] * 3 + values[3:]:
            product = multiply_split(model, product, split(model, digits_of(value, 2 * model.count)))
            expected = expected * value * pow(montgomery, -2, square) % square
            x, y = value_of(product[: model.count]), value_of(product[model.count :])
            assert (montgomery * x + y * n - expected) % square == 0
            assert x < RESIDUE_EXCESS * n
            assert y < SPLIT_EXCESS * n


@pytest.mark.parametrize("seed", range(3))
def test_the_model_multiplies_pairs(served: LengthClass, seed: int) -> None:
    bits = [served.shortest, served.longest, served.longest - 7][seed]
    source = random.Random(seed)
    for n in extreme_moduli(bits)[seed:]:
        model = model_of(constants_of(n))
        limit, base = RESIDUE_EXCESS * n, mpz(BASE) ** model.half
        largest = limit - 1
        x, w, y, v = (source.choice([largest, mpz(source.getrandbits(bits + 9)), mpz(0)]) for _ in range(4))
        pairs = [digits_of(a, model.count) + digits_of(b, model.count) for a, b in ((x, w), (y, v))]
        for first, second, expected in (
            (*multiply_pairs(model, *pairs), (x + w * n) * (y + v * n)),
            (*square_pairs(model, pairs[0]), (x + w * n) ** 2),
        ):
            result = value_of(first.z) + value_of(second.z) * n
            assert (result * (base // 4) - expected) % (n * n) == 0
            assert max(value_of(first.z), value_of(second.z)) < limit
