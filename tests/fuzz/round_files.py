"""Valid files of a round and of its parts, and damage to them that knows their format."""

from __future__ import annotations

import hashlib
import random
import struct
from functools import cache
from typing import Any

import numpy as np
from gmpy2 import mpz

from fedtrust.crypto.aggregation import Aggregation, multiply_vectors
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.fixed_base import FixedBaseTable
from fedtrust.crypto.packing import SlotLayout, pack, unpack
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.partial_proof import PartialProof, prove_partial
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.signatures import SIGNATURE_BYTES, ReceiptMessage
from fedtrust.crypto.threshold import Opening, PartialVector, combine, partial_roots
from fedtrust.protocol import contribution
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.result import RoundResult, decryption_statement
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model
from tests.fuzz.mutations import mutate, mutate_json
from tests.protocol.protocol_fixtures import FEDERATION, LAYOUT, account, ceremony, honest_round, share

# what a round leaves behind


def key() -> PublicKey:
    """Return the committee's key."""
    return ceremony().manifest.public_key


@cache
def aggregate() -> CiphertextVector:
    """Return the product of an honest round."""
    return multiply_vectors(key(), [u.ciphertexts for u in honest_round().updates.values()])


@cache
def partials() -> dict[int, PartialVector]:
    """Return the partial decryptions of two trustees."""
    return {i: partial_roots(ceremony().manifest, share(i), aggregate()) for i in (1, 3)}


@cache
def opening() -> Opening:
    """Return the opened sum."""
    return combine(ceremony().manifest, aggregate(), partials())


@cache
def partial_proof() -> PartialProof:
    """Return the proof of the first trustee's partial."""
    statement = decryption_statement(honest_round().spec, aggregate())
    return prove_partial(ceremony().manifest, share(1), aggregate(), partials()[1], statement)


def aggregations() -> list[bytes]:
    product = Aggregation(key())
    files = [product.to_bytes()]
    for update in honest_round().updates.values():
        product = product.add(update.message.root, update.ciphertexts)
        files.append(product.to_bytes())
    return files[::-1]


def update_seeds() -> list[bytes]:
    return [update.to_bytes() for update in honest_round().updates.values()]


def one_update() -> EncryptedUpdate:
    return next(iter(honest_round().updates.values()))


def pack_leaves(leaves: tuple[bytes, ...]) -> bytes:
    return ENVELOPE.pack(b"FTCV", 1, len(leaves), len(leaves[0])) + b"".join(leaves)


def receipts() -> list[bytes]:
    spec, update = honest_round().spec, one_update()
    message = ReceiptMessage(spec.round, spec.digest, 2, account("ann"), update.message.root)
    return [Receipt(FEDERATION, account("aggregator"), message, bytes(range(SIGNATURE_BYTES))).to_bytes()]


ENVELOPE = struct.Struct(">4sBII")


def update_header(rng: random.Random, data: bytes) -> bytes:
    """Change the JSON header of an update, and its length with it."""
    magic, version, header_length, proof_length = ENVELOPE.unpack_from(data)
    end = ENVELOPE.size + header_length
    header = mutate_json(rng, data[ENVELOPE.size : end])
    return ENVELOPE.pack(magic, version, len(header), proof_length) + header + data[end:]


def model_header(rng: random.Random, data: bytes) -> bytes:
    """Change the JSON header of a safetensors file, and its length with it."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = mutate_json(rng, data[8:end])
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def resealed(rng: random.Random, data: bytes) -> bytes:
    """Damage a file that ends with its own digest, and put a right digest under it."""
    body = mutate(rng, [data[:-32]])
    return body + hashlib.sha256(body).digest()


def result() -> RoundResult:
    digest = keccak256(b"an artifact")
    accounts = [account(n) for n in ("ann", "bob")]
    return RoundResult(
        federation=FEDERATION,
        round=3,
        spec=digest,
        base_model=digest,
        updates=dict.fromkeys(accounts, digest),
        aggregate=digest,
        partials={account("cid"): digest},
        wrong_partials={},
        plaintexts=digest,
        proof=digest,
        model=digest,
        examples=21,
        evaluation_examples=4,
        metrics={"loss": 0.25, "accuracy": 1.0},
    )


def models() -> list[bytes]:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    return [
        Model({"linear.weight": weights, "linear.bias": np.zeros(2)}).to_bytes(),
        Model({"a": np.ones(1, dtype=np.float64)}).to_bytes(),
    ]


def fixed_base_tables() -> list[bytes]:
    n = mpz(2) ** 127 - 1
    return [FixedBaseTable.build(mpz(12345), n, 12, 3).to_bytes()]


def plaintext_seeds() -> list[bytes]:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    values = np.arange(-35, 39, dtype=np.int64) * 1000
    return [PlaintextVector(key(), tuple(pack(slots, key().bits, key().n, values))).to_bytes()]


def unpack_file(data: bytes) -> object:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    plaintexts = PlaintextVector.from_bytes(data, key()).values
    return unpack(slots, key().bits, key().n, plaintexts, 74, 1)


def pack_values(values: Any) -> bytes:
    slots = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
    return PlaintextVector(key(), tuple(pack(slots, key().bits, key().n, values))).to_bytes()


def sums() -> list[bytes]:
    sums = np.zeros(LAYOUT.length, dtype="<i8")
    sums[:2] = 30, 12
    return [sums.tobytes()]


def decode_sums(data: bytes) -> object:
    return contribution.decode(LAYOUT, np.frombuffer(data[: len(data) // 8 * 8], dtype="<i8").astype(np.int64), 3)
