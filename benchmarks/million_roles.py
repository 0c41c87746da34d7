"""One role of the end-to-end run: reads what the others wrote, does its part with all cores, says what it took.

``python -m benchmarks.million_roles ROLE --folder FOLDER --parameters N`` prints one line of JSON: the seconds of its
steps, and the peak resident memory of the process and of its largest worker.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gmpy2 import mpz

from benchmarks.cores import all_core_arithmetic, computing_with, core_count, one_core_arithmetic
from benchmarks.setting import CLIP, LAYOUT, PARTICIPANTS, THRESHOLD, make_committee, read_primes, update
from fedtrust.compute.kernels import choose_kernel
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption, verify_decryption
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import pack, quantise, unpack
from fedtrust.crypto.paillier import CiphertextVector, encrypt_vector
from fedtrust.crypto.partial_proof import PartialProof, prove_partial, verify_partial
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import KeyShare, PartialVector, combine, partial_roots

CONTRACT = "0x" + "11" * 20
CHAIN_ID = 31337


@dataclass
class Role:
    """What every role has: the folder, the length of a vector, and the seconds of its steps so far."""

    folder: Path
    parameters: int
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of what happens within to ``name``."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def manifest(self) -> KeyManifest:
        """Read and verify the manifest."""
        with self.step("verify the key manifest"):
            return KeyManifest.from_bytes((self.folder / "manifest").read_bytes())

    def updates(self, manifest: KeyManifest, *, proven: bool) -> Iterator[CiphertextVector]:
        """Read one update after the other, and verify its proof of knowledge if ``proven``."""
        key = manifest.public_key
        for participant in range(PARTICIPANTS):
            with self.step("read updates"):
                data = (self.folder / f"update-{participant}").read_bytes()
                ciphertexts = CiphertextVector.from_bytes(data, key)
            if proven:
                with self.step("verify proofs of knowledge"):
                    proof = PlaintextProof.from_bytes((self.folder / f"proof-{participant}").read_bytes(), key)
                    verify_plaintext_knowledge(key, ciphertexts, update_statement(participant), proof)
            yield ciphertexts

    def aggregate(self, manifest: KeyManifest) -> CiphertextVector:
        """Read the published aggregate."""
        return CiphertextVector.from_bytes((self.folder / "aggregate").read_bytes(), manifest.public_key)

    def partials(self, manifest: KeyManifest) -> dict[int, PartialVector]:
        """Read the trustees' partials."""
        key = manifest.public_key
        files = {i: (self.folder / f"partial-{i}").read_bytes() for i in range(1, THRESHOLD + 1)}
        return {i: PartialVector.from_bytes(data, key) for i, data in files.items()}


def update_statement(participant: int) -> UpdateStatement:
    """Return what a participant's proof of knowledge is about."""
    return UpdateStatement(CHAIN_ID, CONTRACT, 1, bytes(32), f"0x{participant + 1:040x}")


def decryption_statement(aggregate: CiphertextVector) -> DecryptionStatement:
    """Return what the proofs of partials and of decryption are about."""
    return DecryptionStatement(CHAIN_ID, CONTRACT, 1, bytes(32), aggregate.root())


def deal(role: Role, _: int) -> None:
    """Make the committee's key; the test key's shares may lie in a folder."""
    with role.step("ceremony"):
        manifest, shares = make_committee(read_primes())
    (role.folder / "manifest").write_bytes(manifest.to_bytes())
    for share in shares:
        (role.folder / f"share-{share.index}").write_text(f"{share.value:x}")


def participate(role: Role, index: int) -> None:
    """Quantise, pack, encrypt, prove."""
    manifest = role.manifest()
    key = manifest.public_key
    with role.step("quantise and pack"):
        plaintexts = pack(LAYOUT, key.bits, key.n, quantise(update(index, role.parameters), CLIP, LAYOUT))
    with role.step("encrypt"):
        encrypted = encrypt_vector(key, plaintexts)
    with role.step("prove knowledge"):
        proof = prove_plaintext_knowledge(key, encrypted, plaintexts, update_statement(index))
    (role.folder / f"update-{index}").write_bytes(encrypted.ciphertexts.to_bytes())
    (role.folder / f"proof-{index}").write_bytes(proof.to_bytes())


def aggregate(role: Role, _: int) -> None:
    """Verify every update and multiply, one at a time in memory."""
    manifest = role.manifest()
    with role.step("all of it"):
        product = multiply_vectors(manifest.public_key, role.updates(manifest, proven=True))
    (role.folder / "aggregate").write_bytes(product.to_bytes())


def decrypt(role: Role, index: int) -> None:
    """Do the same product, compare, and send the partial with its proof."""
    manifest = role.manifest()
    share = KeyShare(index, mpz((role.folder / f"share-{index}").read_text(), 16))
    published = role.aggregate(manifest)
    product = multiply_vectors(manifest.public_key, role.updates(manifest, proven=True))
    assert product.root() == published.root(), "the aggregate is not the product of the updates"
    with role.step("partial decryption"):
        partial = partial_roots(manifest, share, product)
    with role.step("prove the partial"):
        proof = prove_partial(manifest, share, product, partial, decryption_statement(product))
    (role.folder / f"partial-{index}").write_bytes(partial.to_bytes())
    (role.folder / f"partial-proof-{index}").write_bytes(proof.to_bytes())


def finalise(role: Role, _: int) -> None:
    """Verify the partials, open, prove."""
    manifest = role.manifest()
    key, product = manifest.public_key, role.aggregate(manifest)
    statement, partials = decryption_statement(product), role.partials(manifest)
    with role.step("verify partials"):
        for i, partial in partials.items():
            proof = PartialProof.from_bytes((role.folder / f"partial-proof-{i}").read_bytes(), key)
            verify_partial(manifest, product, partial, statement, proof)
    with role.step("open"):
        opening = combine(manifest, product, partials)
    with role.step("prove decryption"):
        decryption = prove_decryption(key, product, opening, statement)
    (role.folder / "plaintexts").write_bytes(PlaintextVector(key, opening.plaintexts).to_bytes())
    (role.folder / "decryption-proof").write_bytes(decryption.to_bytes())


def audit(role: Role, _: int) -> None:
    """Verify everything from what is public, and compare the sum with NumPy's."""
    manifest = role.manifest()
    key, published = manifest.public_key, role.aggregate(manifest)
    with role.step("verify the updates and their product"):
        assert multiply_vectors(key, role.updates(manifest, proven=True)).root() == published.root()
    plaintexts = PlaintextVector.from_bytes((role.folder / "plaintexts").read_bytes(), key).values
    with role.step("verify decryption"):
        proof = DecryptionProof.from_bytes((role.folder / "decryption-proof").read_bytes(), key)
        verify_decryption(key, published, plaintexts, decryption_statement(published), proof)
    total = unpack(LAYOUT, key.bits, key.n, plaintexts, role.parameters, PARTICIPANTS)
    for participant in range(PARTICIPANTS):
        total -= quantise(update(participant, role.parameters), CLIP, LAYOUT)
    assert not np.any(total), "the decrypted sum is not NumPy's"


ROLES: dict[str, Callable[[Role, int], None]] = {
    "dealer": deal,
    "participant": participate,
    "aggregator": aggregate,
    "trustee": decrypt,
    "finaliser": finalise,
    "auditor": audit,
}


def peak_bytes(who: int) -> int:
    """Return the peak resident memory of this process, or of the largest of its ended children."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit


def main() -> None:
    """Do the role's part and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parameters", type=int, required=True)
    options = parser.parse_args()
    role = Role(options.folder, options.parameters)
    kernel = choose_kernel().kernel
    parallel = all_core_arithmetic(kernel)
    start = time.perf_counter()
    with computing_with(parallel or one_core_arithmetic(kernel)):
        ROLES[options.role](role, options.index)
    if parallel is not None:
        parallel.close()
    took = {
        "role": options.role,
        "index": options.index,
        "seconds": time.perf_counter() - start,
        "steps": role.seconds,
        "peak_bytes": peak_bytes(resource.RUSAGE_SELF),
        "largest_worker_peak_bytes": peak_bytes(resource.RUSAGE_CHILDREN),
        "cores": core_count(),
        "kernel": str(kernel),
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main()
