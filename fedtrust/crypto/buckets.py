"""Multi-exponentiation by buckets (Pippenger 1976; Bernstein, Doumen, Lange, Oosterwijk, Indocrypt 2012, section 4).

Every window of the exponents sorts the bases into buckets by digit, at one multiplication for each base that finds
its bucket taken; a running product from the highest bucket down raises each bucket to its digit, at two
multiplications a bucket. That makes count + 2^width multiplications a window. The elements are whatever ``multiply``
and ``square`` take: residues, or the pairs of :mod:`fedtrust.crypto.square_modulus`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from gmpy2 import mpz

Element = TypeVar("Element")
_WIDEST = 16


def windows(count: int, bits: int) -> list[int]:
    """Return the window widths, top first, that need the fewest multiplications for ``count`` exponents of ``bits``."""

    def split(parts: int) -> list[int]:
        return [bits // parts + (part < bits % parts) for part in range(parts)]

    candidates = (split(parts) for parts in range(-(-bits // _WIDEST), bits + 1))
    return min(candidates, key=lambda widths: sum(count + (1 << width) for width in widths))


def multi_exponentiation(
    bases: Sequence[Element],
    exponents: Sequence[mpz],
    multiply: Callable[[Element, Element], Element],
    square: Callable[[Element], Element],
) -> Element | None:
    """Return the product of ``bases[j]^exponents[j]``, or None for the empty product (all exponents zero)."""
    bits = max((exponent.bit_length() for exponent in exponents), default=0)
    if bits == 0:
        return None
    result: Element | None = None
    shift = bits
    for width in windows(len(bases), bits):
        shift -= width
        mask = (1 << width) - 1
        if result is not None:
            for _ in range(width):
                result = square(result)
        buckets: list[Element | None] = [None] * (mask + 1)
        for base, exponent in zip(bases, exponents, strict=True):
            digit = int(exponent >> shift & mask)
            if digit:
                held = buckets[digit]
                buckets[digit] = base if held is None else multiply(held, base)
        total = _weighted_product(buckets, multiply)
        if total is not None:
            result = total if result is None else multiply(result, total)
    return result


def _weighted_product(
    buckets: Sequence[Element | None], multiply: Callable[[Element, Element], Element]
) -> Element | None:
    """Return the product of ``buckets[d]^d``: each bucket enters the running product, which enters d times."""
    running: Element | None = None
    total: Element | None = None
    for bucket in reversed(buckets[1:]):
        if bucket is not None:
            running = bucket if running is None else multiply(running, bucket)
        if running is not None:
            total = running if total is None else multiply(total, running)
    return total
