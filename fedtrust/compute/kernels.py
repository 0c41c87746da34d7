"""Which kernel computes: the native one, where it was built and the processor has the instructions, or the portable.

``FEDTRUST_KERNEL`` overrides: ``portable`` is gmpy2 everywhere; ``native`` refuses to start where there is none.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

from gmpy2 import mpz

from fedtrust.errors import ConfigurationError

VARIABLE = "FEDTRUST_KERNEL"
_MODULE = "fedtrust.compute._kernel"


class Kernel(StrEnum):
    """What stands behind the batch seam."""

    NATIVE = "native"
    PORTABLE = "portable"


class NativeKernel(Protocol):
    """The functions of the extension module (``kernel/module.c``); results are little-endian, in fixed width."""

    def supported(self) -> bool:
        """Return whether this processor has the instructions; if not, nothing else may be called."""

    def fits(self, values: Sequence[mpz], bits: int, /) -> bool:
        """Return whether all values are mpz in [0, 2^bits)."""

    def multiply_adds(self, rounds: int, /) -> int:
        """Make nothing but independent multiply-adds of eight lanes, as fast as they come; return how many."""

    def same_exponent_powers(
        self,
        constants: bytes,
        pair: bool,
        bases: Sequence[mpz],
        exponent: mpz,
        bits: int,
        secret: bool,
        out_words: int,
        /,
    ) -> bytes:
        """Return ``b^exponent`` modulo n, or with ``pair`` n^2, for every base below n^2."""

    def multi_exponentiation(
        self, constants: bytes, pair: bool, bases: Sequence[mpz], exponents: Sequence[mpz], bits: int, out_words: int, /
    ) -> bytes:
        """Return the products of powers: as many combinations as there are times more exponents than bases."""

    def fixed_base_table(self, constants: bytes, generators: bytes, inverses: bytes, window: int, /) -> object:
        """Return a table for powers of one base."""

    def fixed_base_powers(self, table: object, exponents: Sequence[mpz], bits: int, out_words: int, /) -> bytes:
        """Return the base's powers modulo n^2."""

    def start_product(self, constants: bytes, count: int, /) -> object:
        """Return an empty product of vectors of ``count`` numbers."""

    def multiply_product(self, product: object, values: Sequence[mpz], /) -> None:
        """Multiply a vector in; one thread at a time for one product."""

    def product_result(self, product: object, factor: bytes, out_words: int, /) -> bytes:
        """Return the product modulo n^2, times ``factor`` over R^(2 k)."""


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """The kernel that computes here, the reason in a few words, and what to do if another is wanted."""

    kernel: Kernel
    reason: str
    advice: str | None = None


def native_kernel() -> NativeKernel:
    """Return the native kernel. Raises ConfigurationError if it was not built, or not for this system or processor."""
    try:
        module = cast(NativeKernel, importlib.import_module(_MODULE))
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the native kernel is not built",
            got=str(error),
            advice="install a C compiler and install fedtrust again, or go on with the portable kernel",
        ) from error
    except ImportError as error:
        raise ConfigurationError(
            "the native kernel cannot be loaded",
            got=str(error),
            advice="install fedtrust again from source on this machine, or go on with the portable kernel",
        ) from error
    if not module.supported():
        raise ConfigurationError(
            "the native kernel cannot run on this processor",
            expected="the instructions AVX-512 F, DQ, VL, BW and IFMA, and BMI2",
            advice="go on with the portable kernel",
        )
    return module


def choose_kernel() -> KernelChoice:
    """Return which kernel to use. Raises ConfigurationError if the environment asks for what is not there."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", *Kernel):
        raise ConfigurationError(
            f"{VARIABLE} is not the name of a kernel", expected=" or ".join(Kernel), got=repr(wanted)[:80]
        )
    if wanted == Kernel.PORTABLE:
        return KernelChoice(Kernel.PORTABLE, f"{VARIABLE} asks for it")
    try:
        native_kernel()
    except ConfigurationError as error:
        if wanted == Kernel.NATIVE:
            raise
        return KernelChoice(Kernel.PORTABLE, error.message, error.advice)
    return KernelChoice(Kernel.NATIVE, "AVX-512 IFMA, eight numbers at a time")
