"""A whole round's cryptography, step after step: from a participant's start to the published and verified result.

What many do at the same time on machines of their own counts once: one participant, one trustee. What waits for
something else counts in turn. Every step has all cores of this machine, as it would at home. Files are written and
read, hashed and checked as in a round; there is no network, no chain and no training here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.setting import CLIP, LAYOUT, THRESHOLD, Setting, update
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption, verify_decryption
from fedtrust.crypto.packing import pack, quantise
from fedtrust.crypto.paillier import CiphertextVector, encrypt_vector
from fedtrust.crypto.partial_proof import prove_partial, verify_partial
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import PartialVector, combine, partial_roots

CONTRACT = "0x" + "11" * 20


def update_statement(participant: int) -> UpdateStatement:
    """Return what a participant's proof of knowledge is about."""
    return UpdateStatement(31337, CONTRACT, 1, bytes(32), f"0x{participant + 1:040x}")


def decryption_statement(aggregate: CiphertextVector) -> DecryptionStatement:
    """Return what the proofs of partials and of decryption are about."""
    return DecryptionStatement(31337, CONTRACT, 1, bytes(32), aggregate.root())


class CriticalPath:
    """The round as one call; the seconds of its steps are kept, one mapping for each call."""

    def __init__(
        self,
        setting: Setting,
        files: Sequence[tuple[bytes, bytes]],
        partials: Mapping[int, PartialVector],
        plaintexts: Sequence[int],
    ) -> None:
        """Take the ten updates with their proofs, as files; what the other trustees send; and what must come out."""
        manifest, files = setting.manifest, list(files)
        self._setting = setting
        self._files = files
        self._expected = tuple(plaintexts)
        aggregate = multiply_vectors(setting.key, [CiphertextVector.from_bytes(f, setting.key) for f, _ in files])
        statement = decryption_statement(aggregate)
        shares = {share.index: share for share in setting.shares}
        self._partials = {
            i: (partial.to_bytes(), prove_partial(manifest, shares[i], aggregate, partial, statement))
            for i, partial in partials.items()
        }
        self.steps: list[dict[str, float]] = []

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.steps[-1][name] = self.steps[-1].get(name, 0.0) + time.perf_counter() - start

    def __call__(self) -> None:
        """Go through the round. Raises AssertionError if its result is not the one expected."""
        self.steps.append({})
        self._participant()
        with self._step("aggregator: read and verify 10 updates, multiply"):
            aggregate = self._multiply()
            published = aggregate.to_bytes()
        self._trustee(published)
        self._opening(published)

    def _participant(self) -> None:
        key, parameters = self._setting.key, self._setting.parameters
        values = update(0, parameters)
        with self._step("participant: quantise, pack, encrypt, prove"):
            plaintexts = pack(LAYOUT, key.bits, key.n, quantise(values, CLIP, LAYOUT))
            encrypted = encrypt_vector(key, plaintexts)
            proof = prove_plaintext_knowledge(key, encrypted, plaintexts, update_statement(0))
            encrypted.ciphertexts.root()
            encrypted.ciphertexts.to_bytes()
            proof.to_bytes()

    def _multiply(self) -> CiphertextVector:
        """Read, hash and verify the ten updates one after the other, and return their product."""
        key = self._setting.key

        def verified() -> Iterator[CiphertextVector]:
            for participant, (file, proof) in enumerate(self._files):
                ciphertexts = CiphertextVector.from_bytes(file, key)
                ciphertexts.root()
                statement = update_statement(participant)
                verify_plaintext_knowledge(key, ciphertexts, statement, PlaintextProof.from_bytes(proof, key))
                yield ciphertexts

        return multiply_vectors(key, verified())

    def _trustee(self, published: bytes) -> None:
        """Do what a trustee does before and after it answers: fedtrust/protocol/release.py."""
        manifest, share = self._setting.manifest, self._setting.shares[0]
        with self._step("trustee: read and verify 10 updates, multiply, compare"):
            aggregate = self._multiply()
            statement = decryption_statement(aggregate)
            assert CiphertextVector.from_bytes(published, manifest.public_key).root() == statement.aggregate_root
        with self._step("trustee: partial decryption, prove, verify"):
            partial = partial_roots(manifest, share, aggregate)
            proof = prove_partial(manifest, share, aggregate, partial, statement)
            verify_partial(manifest, aggregate, partial, statement, proof)
            partial.to_bytes()

    def _opening(self, published: bytes) -> None:
        manifest, key = self._setting.manifest, self._setting.key
        with self._step(f"aggregator: read and verify {THRESHOLD} partials"):
            aggregate = CiphertextVector.from_bytes(published, key)
            statement = decryption_statement(aggregate)
            partials = {}
            for index, (file, proof) in self._partials.items():
                partials[index] = PartialVector.from_bytes(file, key)
                verify_partial(manifest, aggregate, partials[index], statement, proof)
        with self._step("aggregator: open"):
            opening = combine(manifest, aggregate, partials)
        with self._step("aggregator: prove decryption"):
            decryption = prove_decryption(key, aggregate, opening, statement).to_bytes()
        with self._step("anybody: verify decryption"):
            proven = DecryptionProof.from_bytes(decryption, key)
            verify_decryption(key, aggregate, opening.plaintexts, statement, proven)
        assert opening.plaintexts == self._expected, "the round opens to another sum"

    def seconds(self) -> dict[str, list[float]]:
        """Return the seconds of each step, one a call."""
        return {name: [steps[name] for steps in self.steps] for name in self.steps[0]} if self.steps else {}
