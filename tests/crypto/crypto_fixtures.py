"""Types and helpers that the tests of this room share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.crypto.ceremony import Ceremony
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, EncryptedVector
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import KeyShare, Opening, PartialVector

TESTS = Path(__file__).parents[1]
CONTRACT = "0x" + "c0" * 20
COUNT = 5


def load_vectors(name: str) -> Any:
    return json.loads((TESTS / "vectors" / f"{name}.json").read_text())


@dataclass(frozen=True)
class Committee:
    ceremony: Ceremony
    manifest: KeyManifest
    shares: dict[int, KeyShare]
    sealing_keys: list[X25519PrivateKey]


@dataclass(frozen=True)
class Round:
    """Three encrypted updates, their aggregate, all partials of it, and its opening."""

    plaintexts: list[list[int]]
    encrypted: list[EncryptedVector]
    aggregate: CiphertextVector
    partials: dict[int, PartialVector]
    opening: Opening
    update: UpdateStatement
    decryption: DecryptionStatement
