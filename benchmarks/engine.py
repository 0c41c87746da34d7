"""The engine beside phe: time per phase and ratios with their spread, in one process tree, results checked first.

    python benchmarks/engine.py [--parameters 10000] [--repeats 5] [--json FILE]

phe encrypts one number to a ciphertext; the engine packs many. Both add the same vectors under the same key, and both
sums are compared with NumPy's before anything is timed. phe uses gmpy2 too, as it is installed here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import phe
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from rich.console import Console
from rich.table import Table

from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.decryption_proof import prove_decryption, verify_decryption
from fedtrust.crypto.packing import SlotLayout, pack, quantise, unpack
from fedtrust.crypto.paillier import encrypt_vector, multiply_vectors
from fedtrust.crypto.plaintext_proof import prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import combine, partial_roots

KEY = Path(__file__).parent.parent / "tests" / "fixtures" / "test_key_3072.json"
CONTRACT = "0x" + "11" * 20
PARTICIPANT = "0x" + "22" * 20
PHE_SAMPLE = 20


def measure(repeats: int, function: Callable[[], object]) -> list[float]:
    """Return the seconds of ``repeats`` calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    primes = json.loads(KEY.read_text())
    p, q = int(primes["p"], 16), int(primes["q"], 16)
    sealing = [X25519PrivateKey.generate() for _ in range(5)]
    trustees = [TrusteeIdentity(f"0x{i + 1:040x}", s.public_key().public_bytes_raw()) for i, s in enumerate(sealing)]
    made = run_ceremony(trustees, 3, primes=(p, q))
    manifest, key = made.manifest, made.manifest.public_key
    shares = [open_share(manifest, i + 1, made.sealed_shares[i], sealing[i]) for i in range(5)]
    layout = SlotLayout(value_bits=16, weight_bits=10, max_participants=64)
    generator = np.random.default_rng(1)
    deltas = [generator.normal(0, 0.3, arguments.parameters).clip(-1, 1) for _ in range(2)]

    # correctness first
    vectors = [quantise(d, 1.0, layout) for d in deltas]
    packed = [pack(layout, key.bits, key.n, v) for v in vectors]
    encrypted = [encrypt_vector(key, plaintexts) for plaintexts in packed]
    update = UpdateStatement(31337, CONTRACT, 1, bytes(32), PARTICIPANT)
    proof = prove_plaintext_knowledge(key, encrypted[0], packed[0], update)
    verify_plaintext_knowledge(key, encrypted[0].ciphertexts, update, proof)
    aggregate = multiply_vectors(key, [e.ciphertexts for e in encrypted])
    partials = {s.index: partial_roots(manifest, s, aggregate) for s in shares[:3]}
    opening = combine(manifest, aggregate, partials)
    total = unpack(layout, key.bits, key.n, opening.plaintexts, arguments.parameters, 2)
    assert np.array_equal(total, vectors[0] + vectors[1])
    statement = DecryptionStatement(31337, CONTRACT, 1, bytes(32), aggregate.root())
    decryption = prove_decryption(key, aggregate, opening, statement)
    verify_decryption(key, aggregate, opening.plaintexts, statement, decryption)
    phe_public = phe.PaillierPublicKey(int(key.n))
    phe_private = phe.PaillierPrivateKey(phe_public, p, q)
    numbers = [int(x) for x in vectors[0][:PHE_SAMPLE]]
    phe_encrypted = [phe_public.encrypt(x) for x in numbers]
    assert [phe_private.decrypt(c + c) for c in phe_encrypted] == [2 * x for x in numbers]

    repeats, n = arguments.repeats, arguments.parameters
    ours: dict[str, list[float]] = {
        "quantise and pack": measure(repeats, lambda: pack(layout, key.bits, key.n, quantise(deltas[0], 1.0, layout))),
        "encrypt": measure(repeats, lambda: encrypt_vector(key, packed[0])),
        "prove knowledge": measure(repeats, lambda: prove_plaintext_knowledge(key, encrypted[0], packed[0], update)),
        "verify knowledge": measure(
            repeats, lambda: verify_plaintext_knowledge(key, encrypted[0].ciphertexts, update, proof)
        ),
        "add two vectors": measure(repeats, lambda: multiply_vectors(key, [e.ciphertexts for e in encrypted])),
        "partial decryption": measure(repeats, lambda: partial_roots(manifest, shares[0], aggregate)),
        "combine 3 of 5": measure(repeats, lambda: combine(manifest, aggregate, partials)),
        "prove decryption": measure(repeats, lambda: prove_decryption(key, aggregate, opening, statement)),
        "verify decryption": measure(
            repeats, lambda: verify_decryption(key, aggregate, opening.plaintexts, statement, decryption)
        ),
    }
    peers: dict[str, list[float]] = {
        "encrypt": measure(repeats, lambda: [phe_public.encrypt(x) for x in numbers]),
        "add two vectors": measure(repeats, lambda: [c + c for c in phe_encrypted]),
        "combine 3 of 5": measure(repeats, lambda: [phe_private.decrypt(c) for c in phe_encrypted]),
    }
    table = Table("phase", "ms", "spread", "us a parameter", "phe, us a parameter", "phe / fedtrust", "from - to")
    rows = []
    for phase, seconds in ours.items():
        median = statistics.median(seconds)
        spread = (max(seconds) - min(seconds)) / median
        row: dict[str, object] = {"phase": phase, "seconds": seconds, "per_parameter": median / n}
        cells = [phase, f"{median * 1e3:.1f}", f"{spread:.0%}", f"{median / n * 1e6:.2f}"]
        if phase in peers:
            each = [s / PHE_SAMPLE for s in peers[phase]]
            ratios = [e / (s / n) for e, s in zip(each, seconds, strict=True)]
            row |= {"phe_per_parameter": statistics.median(each), "ratios": ratios}
            cells += [f"{statistics.median(each) * 1e6:.0f}", f"{statistics.median(ratios):.0f} x"]
            cells += [f"{min(ratios):.0f} - {max(ratios):.0f}"]
        table.add_row(*cells)
        rows.append(row)
    size = len(aggregate.to_bytes()) / n
    Console().print(table)
    print(f"{n} parameters, {key.bits} bits, {len(aggregate.values)} ciphertexts, {size:.2f} bytes a parameter")
    print("phe's decryption holds the whole secret key; ours is 3 of 5 trustees and checks every root.")
    if arguments.json:
        arguments.json.write_text(json.dumps({"parameters": n, "bytes_per_parameter": size, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
