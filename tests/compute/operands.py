"""Moduli and operands that are hard on carries, for the tests of the native kernel; and whether there is one here."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from gmpy2 import mpz
from hypothesis import strategies as st

from fedtrust.compute.kernels import Kernel, choose_kernel
from fedtrust.compute.modulus_constants import RADIX

CHOICE = choose_kernel()
needs_kernel = pytest.mark.skipif(CHOICE.kernel is not Kernel.NATIVE, reason=CHOICE.reason)


@dataclass(frozen=True, slots=True)
class LengthClass:
    """The lengths of n, in bits, that one length of piece serves."""

    piece: int
    shortest: int
    longest: int


CLASSES = (
    LengthClass(6, 601, 1136),
    LengthClass(8, 1137, 1536),
    LengthClass(11, 1537, 2136),
    LengthClass(16, 2137, 3136),
    LengthClass(21, 3137, 4136),
)
"""What kernel/columns.c is compiled for; ``test_modulus_constants.py`` holds it against the product."""


def extreme_moduli(bits: int) -> list[mpz]:
    """Return odd moduli of a length whose digits are nearly all zeros, nearly all ones, or in blocks of both."""
    top = mpz(1) << bits - 1
    blocks = sum(((mpz(1) << RADIX) - 1) << 2 * RADIX * k for k in range(bits // (2 * RADIX)))
    return [top + 1, 2 * top - 1, top + (mpz(1) << RADIX) + 1, 2 * top - (mpz(1) << RADIX) + 1, top | blocks]


def extreme_values(n: mpz, modulus: mpz) -> list[mpz]:
    """Return residues modulo n or n^2 at the borders: of the modulus, of n, of digits and of words."""
    bits = int(modulus.bit_length())
    values = [mpz(0), mpz(1), mpz(2), modulus - 1, modulus - 2, n - 1, n, n + 1, modulus - n, modulus - n + 1]
    values += [n * (n - 1), n * (mpz(1) << int(n.bit_length()) - 1), n * (n >> 1) + n - 1]
    for border in (RADIX, 64, bits // 2, bits - bits % RADIX, bits - bits % 64, bits - 1):
        values += [(mpz(1) << border) + d for d in (-1, 0, 1)]
    values += [modulus - (mpz(1) << border) for border in (1, RADIX, 64, bits // 2)]
    values += [patterned(bits - 1, step, seed) for step in (RADIX, 64) for seed in range(3)]
    return [value % modulus for value in values]


def patterned(bits: int, step: int, seed: int) -> mpz:
    """Return an integer of at most ``bits``, every ``step`` of them all zeros, all ones, one bit, or random."""
    source = random.Random(seed)
    value = 0
    for at in range(0, bits, step):
        digit = source.choice([0, 0, (1 << step) - 1, (1 << step) - 1, 1, 1 << step - 1, source.getrandbits(step)])
        value |= digit << at
    return mpz(value & (1 << bits) - 1)


seeds = st.integers(0, 2**32 - 1)


def integers_of(bits: int) -> st.SearchStrategy[mpz]:
    """Draw integers of at most ``bits`` bits that are hard on carries."""
    ones = mpz(1) << bits
    return st.one_of(
        st.builds(patterned, st.just(bits), st.sampled_from([25, RADIX, 64, 2 * RADIX]), seeds),
        st.builds(lambda k, d: max((mpz(1) << k) + d, mpz(0)) % ones, st.integers(0, bits - 1), st.integers(-1, 1)),
        st.builds(lambda seed: mpz(random.Random(seed).getrandbits(bits)), seeds),
        st.integers(0, 3).map(mpz),
        st.integers(1, 3).map(lambda d: (ones - d) % ones),
    )


@st.composite
def moduli(draw: st.DrawFn) -> mpz:
    """Draw an odd n that the kernel serves."""
    served = draw(st.sampled_from(CLASSES))
    bits = draw(
        st.one_of(st.just(served.shortest), st.just(served.longest), st.integers(served.shortest, served.longest))
    )
    return draw(
        st.one_of(st.sampled_from(extreme_moduli(bits)), integers_of(bits - 1).map(lambda v: v | 1 | 1 << bits - 1))
    )


def residues(n: mpz, modulus: mpz) -> st.SearchStrategy[mpz]:
    """Draw values modulo n or n^2, many of them near multiples of n or multiples of it."""
    return st.one_of(
        st.sampled_from(extreme_values(n, modulus)),
        integers_of(int(modulus.bit_length())).map(lambda v: v % modulus),
        integers_of(int(n.bit_length())).map(lambda v: n * v % modulus),
        integers_of(int(n.bit_length())).map(lambda v: (modulus - v) % modulus),
    )
