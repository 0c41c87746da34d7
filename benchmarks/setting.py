"""What all measure on: the key, the layout, the vectors of ten participants, and the committee."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz
from numpy.typing import NDArray

from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import SlotLayout, pack, quantise
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.threshold import KeyShare

PARTICIPANTS = 10
TRUSTEES = 5
THRESHOLD = 3
CLIP = 1.0
KEY_FILE = Path(__file__).parent.parent / "tests" / "fixtures" / "test_key_3072.json"
LAYOUT = SlotLayout(value_bits=16, weight_bits=0, max_participants=PARTICIPANTS, noise_bits=0, guard_bits=1)
"""21-bit slots: 16-bit values of 10 participants of equal weight."""
WEIGHTED_LAYOUT = SlotLayout(value_bits=16, weight_bits=10, max_participants=64, noise_bits=0, guard_bits=2)
"""34-bit slots: 16-bit values, 10-bit weights, 64 participants."""


def read_primes(path: Path = KEY_FILE) -> tuple[int, int]:
    """Return the two safe primes of the public test key."""
    stored = json.loads(path.read_text())
    return int(stored["p"], 16), int(stored["q"], 16)


def update(participant: int, parameters: int) -> NDArray[np.float64]:
    """Return the update of one participant: normal values clipped to [-1, 1], the same in every process."""
    return np.random.default_rng(participant).normal(0, 0.3, parameters).clip(-CLIP, CLIP)


def make_committee(primes: tuple[int, int]) -> tuple[KeyManifest, list[KeyShare]]:
    """Run the ceremony of the five trustees; return the manifest and their shares."""
    sealing = [X25519PrivateKey.generate() for _ in range(TRUSTEES)]
    trustees = [TrusteeIdentity(f"0x{i + 1:040x}", s.public_key().public_bytes_raw()) for i, s in enumerate(sealing)]
    made = run_ceremony(trustees, THRESHOLD, primes=primes)
    shares = [
        open_share(made.manifest, i, sealed, key)
        for i, (sealed, key) in enumerate(zip(made.sealed_shares, sealing, strict=True), 1)
    ]
    return made.manifest, shares


@dataclass(frozen=True)
class Setting:
    """One benchmark: ``parameters`` values of each of ten participants under the 3072-bit test key."""

    parameters: int
    primes: tuple[int, int]
    manifest: KeyManifest
    shares: list[KeyShare]

    @classmethod
    def make(cls, parameters: int) -> Setting:
        """Make the committee's key from the test primes."""
        primes = read_primes()
        return cls(parameters, primes, *make_committee(primes))

    @property
    def key(self) -> PublicKey:
        """The committee's public key."""
        return self.manifest.public_key

    @property
    def n(self) -> mpz:
        """The modulus."""
        return self.key.n

    @cached_property
    def values(self) -> list[NDArray[np.int64]]:
        """The quantised vectors of the ten."""
        return [quantise(update(i, self.parameters), CLIP, LAYOUT) for i in range(PARTICIPANTS)]

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """NumPy's sum of :attr:`values`: what every scheme's result is compared with."""
        return np.asarray(np.sum(self.values, axis=0), dtype=np.int64)

    @cached_property
    def packed(self) -> list[list[int]]:
        """The plaintexts of the ten, integers in [0, n)."""
        return [pack(LAYOUT, self.key.bits, self.n, v) for v in self.values]

    @property
    def ciphertexts(self) -> int:
        """How many ciphertexts one vector takes."""
        return LAYOUT.plaintexts(self.parameters, self.key.bits)

    def describe(self) -> dict[str, object]:
        """Return the setting for the report."""
        return {
            "parameters": self.parameters,
            "ciphertexts": self.ciphertexts,
            "key_bits": self.key.bits,
            "exponent_bits": self.key.bits // 2,
            "participants": PARTICIPANTS,
            "trustees": TRUSTEES,
            "threshold": THRESHOLD,
            "layout": LAYOUT.to_json(),
            "slot_bits": LAYOUT.slot_width,
        }
