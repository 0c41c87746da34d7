"""The vectors of the contract's modular multiplication say what Python's integers and the engine's products say."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC

VECTORS = Path(__file__).parents[1] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "modular_multiplication.json").read_text())["cases"]


def number(text: str) -> int:
    return int(text, 16)


def test_the_file_is_what_its_generator_writes() -> None:
    written = runpy.run_path(str(VECTORS / "generate_disputes.py"))["document"]()
    assert (VECTORS / "modular_multiplication.json").read_text() == written


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_products(case: dict[str, Any]) -> None:
    modulus = number(case["modulus"])
    operands = [number(text) for text in case["operands"]]
    assert len(case["xs"]) == len(case["ys"]) == len(case["products"]) > 0
    for x, y, product in zip(case["xs"], case["ys"], case["products"], strict=True):
        assert operands[x] * operands[y] % modulus == number(product)
    assert math.prod(number(text) for text in case["factors"]) % modulus == number(case["product_of_factors"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_number_is_as_long_as_the_modulus(case: dict[str, Any]) -> None:
    length = len(case["modulus"])
    texts = [*case["operands"], *case["products"], *case["factors"], case["product_of_factors"], *case["not_reduced"]]
    assert {len(text) for text in texts} == {length}
    assert all(number(text) < number(case["modulus"]) for text in texts[: -len(case["not_reduced"])])
    assert all(number(text) >= number(case["modulus"]) for text in case["not_reduced"])
    assert (length // 2 - 1) not in case["wrong_lengths"]


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_the_engine_multiplies_alike(bits: int) -> None:
    """The product that the aggregator computes is the one that the contract will."""
    case = next(case for case in CASES if case["name"] == f"n^2, n of {bits} bits")
    modulus = number(case["modulus"])
    assert math.isqrt(modulus) ** 2 == modulus
    assert math.isqrt(modulus).bit_length() == bits
    rows = [[mpz(number(text))] for text in case["factors"]]
    assert [int(x) for x in ARITHMETIC.products(rows, mpz(modulus))] == [number(case["product_of_factors"])]
