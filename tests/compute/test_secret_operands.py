"""Secrets decide no branch and no address in the native kernel: valgrind's memcheck follows them as undefined memory.

The kernel is compiled with emulated lanes, because valgrind knows no AVX-512, and without optimisation, because that
takes minutes: the same source, but not the same instructions. ``test_timing.py`` measures the real ones.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.compute.modulus_constants import ModulusConstants, encode_words, modulus_constants
from fedtrust.compute.native_tables import NativeTableCache, table_bytes
from tests.compute.kernel.compiler import SOURCES, c_compiler

SAME_EXPONENT_POWERS, FIXED_BASE_POWERS, PRODUCTS, MULTI_EXPONENTIATION = range(4)
EXPONENTS, BASES, MODULUS = 1, 2, 4
UNDEFINED = 99
"""Exit code of memcheck when a branch or an address depends on a secret, or memory is lost."""
BITS = 75  # more than one word, and no whole number of windows
N = mpz(secrets.randbits(1024)) | 1 << 1023 | 1  # of the shortest numbers that the kernel is compiled for

pytestmark = pytest.mark.slow
Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the harness under memcheck; return its exit code, what it wrote, and what memcheck says."""
    compiler, valgrind = c_compiler(), shutil.which("valgrind")
    if compiler is None or valgrind is None:
        pytest.skip("valgrind or a C compiler is not installed")
    folder = tmp_path_factory.mktemp("harness")
    probe = subprocess.run(
        [compiler, "-fsyntax-only", "-x", "c", "-"],
        input=b"#include <valgrind/memcheck.h>",
        capture_output=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip("the header valgrind/memcheck.h is not installed")
    program = folder / "secret_operands"
    kernel = [path for path in SOURCES if path.name != "module.c"]
    flags = [
        "-std=c11",
        "-O0",
        "-g",
        "-Wno-psabi",
        "-D_GNU_SOURCE",
        "-DFEDTRUST_EMULATED_LANES",
        f"-I{SOURCES[0].parent}",
    ]
    harness = Path(__file__).parent / "kernel" / "secret_operands.c"
    subprocess.run([compiler, *flags, "-o", program, harness, *kernel], check=True, capture_output=True)

    def run(
        function: int,
        secret: int,
        pair: bool,
        bases: Sequence[mpz],
        exponents: Sequence[mpz],
        *more: bytes,
        window: int = 0,
    ) -> tuple[int, bytes, str]:
        constants = _constants()
        words = -(-BITS // 64), 2 * constants.words
        head = struct.pack("<5Q", function, secret, pair, BITS, window)
        fields = (head, constants.data, *_rows(exponents, words[0]), *_rows(bases, words[1]), *more)
        log = folder / "log"
        command = [valgrind, f"--error-exitcode={UNDEFINED}", "--leak-check=full", f"--log-file={log}", program]
        message = b"".join(struct.pack("<Q", len(field) // 8) + field for field in fields)
        done = subprocess.run(command, input=message, capture_output=True, check=False, env=os.environ)
        return done.returncode, done.stdout, log.read_text()

    return run


def _constants() -> ModulusConstants:
    constants = modulus_constants(N)
    if constants is None:
        raise ValueError("the kernel serves 1024 bits")
    return constants


def _rows(values: Sequence[mpz], words: int) -> tuple[bytes, bytes]:
    return struct.pack("<Q", words), b"".join(value.to_bytes(8 * words, "little") for value in values)


def _numbers(data: bytes, count: int) -> list[mpz]:
    width = len(data) // count
    return [mpz.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)]


def _units(modulus: mpz, count: int) -> list[mpz]:
    found: list[mpz] = []
    while len(found) < count:
        value = mpz(secrets.randbelow(int(modulus)))
        found += [value] * (gmpy2.gcd(value, modulus) == 1)
    return found


def _exponents(count: int) -> list[mpz]:
    return [mpz(secrets.randbits(BITS)) for _ in range(count)]


class TableRecorder:
    """Takes the place of the kernel where a table is built, and keeps what it was built from."""

    def __init__(self) -> None:
        self.generators, self.inverses, self.window = b"", b"", 0

    def fixed_base_table(self, constants: bytes, generators: bytes, inverses: bytes, window: int, /) -> object:
        self.generators, self.inverses, self.window = generators, inverses, window
        return self


@pytest.mark.parametrize("pair", [False, True], ids=["n", "n^2"])
def test_same_exponent_powers(run: Run, pair: bool) -> None:
    """Not the exponent alone: bases are secret when randomness is raised, moduli when a key of one holder opens."""
    secret = EXPONENTS | BASES | MODULUS
    modulus = N * N if pair else N
    bases, (exponent,) = _units(modulus, 9), _exponents(1)
    code, out, log = run(SAME_EXPONENT_POWERS, secret, pair, bases, [exponent])
    assert code == 0, log
    assert _numbers(out, 9) == [gmpy2.powmod(base, exponent, modulus) for base in bases]


@pytest.mark.parametrize("widest", [3, 7])
def test_fixed_base_powers(run: Run, widest: int) -> None:
    (base,), exponents, constants, recorder = _units(N * N, 1), _exponents(9), _constants(), TableRecorder()
    limit = table_bytes(constants, 2 * BITS + 320, widest)
    NativeTableCache(recorder, limit).table(base, constants, BITS, 1 << 16)  # type: ignore[arg-type]  # builds one only
    more = (recorder.generators, recorder.inverses)
    code, out, log = run(FIXED_BASE_POWERS, EXPONENTS, True, [], exponents, *more, window=recorder.window)
    assert code == 0, log
    assert _numbers(out, 9) == [gmpy2.powmod(base, exponent, N * N) for exponent in exponents]


def test_products(run: Run) -> None:
    """Of ciphertexts, which are public; but nothing in a product asks what the numbers are."""
    values, constants = _units(N * N, 9), _constants()
    factor = encode_words(constants.pair_digits(gmpy2.powmod(constants.montgomery, 4, N * N)))
    code, out, log = run(PRODUCTS, BASES, True, values, [], factor)
    assert code == 0, log
    assert _numbers(out, 9) == [value * value % (N * N) for value in values]


def test_memcheck_finds_an_exponent_that_decides_an_address(run: Run) -> None:
    """Multi-exponentiation sorts its bases by their exponents, which are public: so this check can fail."""
    bases, exponents = _units(N, 20), _exponents(20)
    expected = math.prod(gmpy2.powmod(b, e, N) for b, e in zip(bases, exponents, strict=True)) % N
    code, out, log = run(MULTI_EXPONENTIATION, 0, False, bases, exponents)
    assert (code, _numbers(out, 1)) == (0, [expected]), log
    code, _, log = run(MULTI_EXPONENTIATION, EXPONENTS, False, bases, exponents)
    assert code == UNDEFINED
    assert "depends on uninitialised value" in log or "Use of uninitialised value" in log
