"""The peers, one module each; every one is optional, and an absent one is named as skipped."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from benchmarks import phases
from benchmarks.measuring import Task
from benchmarks.setting import Setting


class Peer(Protocol):
    """Somebody else's scheme, measured on the same vectors."""

    def check(self) -> None:
        """Add up the ten vectors (or a sample of them) and compare with NumPy's sum. Raises AssertionError."""

    def tasks(self) -> list[Task]:
        """Return everything that is timed."""

    def sizes(self) -> dict[str, float]:
        """Return sizes in bytes by phase name, as the engine's ``sizes`` does."""


@dataclass(frozen=True, slots=True)
class Known:
    """A peer that may be installed: its distribution, and the module here that measures it."""

    name: str
    distribution: str
    module: str
    note: str


KNOWN = (
    Known(phases.PHE, "phe", "python_paillier", "one number a ciphertext, full-length randomness, gmpy2 underneath"),
    Known(
        phases.ZPAILLIER,
        "sf-heu",
        "heu_zpaillier",
        "packed by hand with our layout; its exponents are |n|/2 bits, as our default, and cannot be chosen",
    ),
    Known(
        phases.CKKS,
        "tenseal",
        "tenseal_ckks:four_primes",
        "poly 8192, scale 2^40, public-key encryption; approximate, one key decrypts all, no proofs",
    ),
    Known(
        phases.CKKS_DEFAULT,
        "tenseal",
        "tenseal_ckks:nvflare_default",
        "poly 8192, scale 2^40, what NVFlare's HEBuilder makes by default: symmetric, every client holds the key",
    ),
    Known(phases.NUMPY, "numpy", "numpy_floor", "addition of the plain integers: the floor"),
)

Made = Callable[[Setting], Peer]


def load(known: Known) -> tuple[Made, str] | None:
    """Return what makes the peer, and its version; None if it is not installed."""
    try:
        installed = version(known.distribution)
        name, _, factory = known.module.partition(":")
        module = importlib.import_module(f"benchmarks.peers.{name}")
    except (PackageNotFoundError, ImportError):
        return None
    made: Made = getattr(module, factory or "make")
    return made, installed
