"""``fedtrust doctor`` says what computes, why, and whether it computes rightly."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterable, Sequence

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust import __version__
from fedtrust.cli import doctor
from fedtrust.compute.kernels import VARIABLE, Kernel, choose_kernel
from fedtrust.compute.modulus_constants import encode_words
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.self_test import verify_arithmetic
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.errors import ArithmeticFaultError, ExitCode
from tests.e2e.federation import fedtrust_here


class Faulty(GmpArithmetic):
    """Wrong in one bit of one result of one function, for moduli of one kind."""

    def __init__(self, function: str, *, square: bool) -> None:
        super().__init__()
        self._function, self._square = function, square

    def _spoilt(self, function: str, values: list[mpz], modulus: mpz) -> list[mpz]:
        if function == self._function and bool(gmpy2.is_square(modulus)) is self._square:
            values[-1] ^= mpz(1) << 1000
        return values

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        return self._spoilt("fixed-base powers", super().fixed_base_powers(base, exponents, modulus), modulus)

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        return self._spoilt("products", super().products(rows, modulus), modulus)

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        return self._spoilt("same-exponent powers", super().same_exponent_powers(bases, exponent, modulus), modulus)

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        return self._spoilt("multi-exponentiation", [super().multi_exponentiation(bases, exponents, modulus)], modulus)[
            0
        ]


class Watched(GmpArithmetic):
    """The portable side of the native arithmetic; keeps what was handed to it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()

    def _ask(self, function: str, modulus: mpz) -> None:
        self.asked.add((function, "n^2" if gmpy2.is_square(modulus) else "n"))

    def fixed_base_powers(self, base: mpz, exponents: Sequence[mpz], modulus: mpz) -> list[mpz]:
        self._ask("fixed-base powers", modulus)
        return super().fixed_base_powers(base, exponents, modulus)

    def products(self, rows: Iterable[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        self._ask("products", modulus)
        return super().products(rows, modulus)

    def same_exponent_powers(self, bases: Sequence[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
        self._ask("same-exponent powers", modulus)
        return super().same_exponent_powers(bases, exponent, modulus)

    def multi_exponentiation(self, bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
        self._ask("multi-exponentiation", modulus)
        return super().multi_exponentiation(bases, exponents, modulus)


FUNCTIONS = ["fixed-base powers", "products", "same-exponent powers", "multi-exponentiation"]


def test_it_says_what_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    before = ARITHMETIC.implementation
    outcome = fedtrust_here("doctor", "--json")
    assert outcome.code == ExitCode.OK, outcome.err
    body = json.loads(outcome.out)
    assert body["version"] == __version__
    assert body["python"].endswith(platform.python_version())
    assert body["cores"] >= 1
    assert (body["kernel"], body["reason"]) == (choose_kernel().kernel, choose_kernel().reason)
    assert body["self_test"] == "verified"
    assert body["gmpy2"] == gmpy2.version()
    assert body["gmp"] == gmpy2.mp_version()
    assert "SSL" in body["openssl"]
    assert ARITHMETIC.implementation is before


def test_the_table_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "portable")
    outcome = fedtrust_here("doctor")
    assert outcome.code == ExitCode.OK, outcome.err
    assert f"portable: {VARIABLE} asks for it" in outcome.out
    assert "verified" in outcome.out
    assert "to do" not in outcome.out


def test_without_a_kernel_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "fedtrust.compute._kernel", None)
    outcome = fedtrust_here("doctor")
    assert outcome.code == ExitCode.OK, outcome.err
    assert "portable: the native kernel is not built" in outcome.out
    assert "install a C compiler" in outcome.out


@pytest.mark.parametrize("wanted", ["native", "gpu"])
def test_a_kernel_that_is_not_there(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    monkeypatch.setitem(sys.modules, "fedtrust.compute._kernel", None)
    outcome = fedtrust_here("doctor", "--json")
    assert outcome.code == ExitCode.CONFIGURATION
    assert outcome.out == ""
    assert json.loads(outcome.err)["exit_code"] == ExitCode.CONFIGURATION


@pytest.mark.parametrize("square", [False, True], ids=["n", "n^2"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_self_test_finds_one_wrong_bit(function: str, square: bool) -> None:
    with pytest.raises(ArithmeticFaultError, match=function):
        verify_arithmetic(Faulty(function, square=square))


def test_a_kernel_of_another_version_is_told_from_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    choice = choose_kernel()
    if choice.kernel is not Kernel.NATIVE:
        pytest.skip(choice.reason)
    monkeypatch.setattr("fedtrust.compute.modulus_constants.encode_words", lambda words: encode_words([*words, 0]))
    outcome = fedtrust_here("doctor")
    assert outcome.code == ExitCode.ARITHMETIC, outcome.err
    assert "make setup" in outcome.err


def test_the_self_test_reaches_the_native_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel does not do by design aside, nothing in the self-test is short enough for the portable side."""
    monkeypatch.delenv(VARIABLE, raising=False)
    choice = choose_kernel()
    if choice.kernel is not Kernel.NATIVE:
        pytest.skip(choice.reason)
    arithmetic, portable = NativeArithmetic(), Watched()
    monkeypatch.setattr(arithmetic, "_portable", portable)
    verify_arithmetic(arithmetic)
    assert portable.asked == {("fixed-base powers", "n"), ("products", "n")}


def test_a_wrong_result_ends_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "make_arithmetic", lambda settings: Faulty("products", square=True))
    outcome = fedtrust_here("doctor")
    assert outcome.code == ExitCode.ARITHMETIC
    assert "verified" not in outcome.out
    assert "products modulo n^2 are wrong on this machine" in outcome.err
