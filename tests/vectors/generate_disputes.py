"""Writes modular_multiplication.json beside it, with Python's integers alone; imports nothing of fedtrust.

Run ``python tests/vectors/generate_disputes.py``; it is deterministic, and a test checks the file against it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAME = "modular_multiplication.json"
sys.path.insert(0, str(HERE.parents[1]))

from tests.fixtures.keys import test_primes  # noqa: E402


def draw(label: str, length: int) -> int:
    """A reproducible number of at most ``length`` bytes."""
    return int.from_bytes(hashlib.shake_256(label.encode()).digest(length), "big")


def moduli() -> dict[str, int]:
    """The squares of keys, and the odd numbers at both ends of what fits: any odd modulus must work."""
    keys = {bits: test_primes(bits)[0] * test_primes(bits)[1] for bits in (2048, 3072)}
    keys[4096] = draw("n of 4096 bits", 512) | 1 << 4095 | 1  # its factors are nobody's business
    return {
        **{f"n^2, n of {bits} bits": n * n for bits, n in keys.items()},
        "largest of 1024 bytes": (1 << 8192) - 1,
        "largest of 64 bytes": (1 << 512) - 1,
        "least odd of 64 bytes with its top bit": (1 << 511) + 1,
        "64 bytes, mostly zeros": 3,
        "64 bytes, one": 1,
    }


def case(name: str, modulus: int) -> object:
    length = 64 if "64" in name else -(-modulus.bit_length() // 8)

    def text(number: int, width: int = length) -> str:
        return "0x" + number.to_bytes(width, "big").hex()

    half = modulus // 2
    low_words = (1 << 4 * length) - 1  # carries and borrows run through half of the words
    edges = [0, 1, 2, half, half + 1, modulus - 2, modulus - 1, low_words, low_words + 1]
    drawn = [draw(f"operand {name} {i}", length + 16) for i in range(3)]
    operands = list(dict.fromkeys(number % modulus for number in [*edges, *drawn]))
    at = {number: i for i, number in enumerate(operands)}
    squares = [(number, number) for number in operands]
    pairs = [
        *squares,
        *((edge % modulus, drawn[0] % modulus) for edge in edges),
        *((drawn[i] % modulus, drawn[i + 1] % modulus) for i in range(2)),
        *(((modulus - 1) % modulus, edge % modulus) for edge in edges),
        ((modulus - 2) % modulus, half),
        (low_words % modulus, (low_words + 1) % modulus),
    ]
    # a long number is many bytes: every second pair will do
    kept = list(dict.fromkeys(pairs))[:: 1 if length <= 64 else 2]
    factors = [draw(f"factor {name} {i}", length + 16) % modulus for i in range(10 if length == 768 else 3)]
    product = 1
    for factor in factors:
        product = product * factor % modulus
    return {
        "name": name,
        "modulus": text(modulus),
        "operands": [text(number) for number in operands],
        # the i-th product is that of the operands number xs[i] and ys[i]
        "xs": [at[x] for x, _ in kept],
        "ys": [at[y] for _, y in kept],
        "products": [text(x * y % modulus) for x, y in kept],
        "factors": [text(number) for number in factors],
        "product_of_factors": text(product % modulus),
        "not_reduced": [text(number) for number in (modulus, modulus + 1) if number < 1 << 8 * length],
        "wrong_lengths": [0, length - 1, length + 1],
    }


def document() -> str:
    """The content of the file."""
    cases = [case(name, modulus) for name, modulus in moduli().items()]
    return json.dumps({"numbers": "big-endian, as long as the modulus", "cases": cases}, indent=1) + "\n"


if __name__ == "__main__":
    (HERE / NAME).write_text(document())
