"""The engine's phases, on one core and on all; checked against NumPy's sum before anything is timed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import gmpy2
import numpy as np

from benchmarks import phases
from benchmarks.classical import ClassicalCommittee
from benchmarks.cores import computing_with, on_all_cores
from benchmarks.measuring import Task
from benchmarks.setting import CLIP, LAYOUT, PARTICIPANTS, THRESHOLD, WEIGHTED_LAYOUT, Setting, update
from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.arithmetic import Arithmetic, GmpArithmetic
from fedtrust.crypto.decryption_proof import DecryptionProof, prove_decryption, verify_decryption
from fedtrust.crypto.fixed_base import FixedBaseTable, best_window
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.packing import pack, quantise, unpack
from fedtrust.crypto.paillier import (
    SHORT_EXPONENT_BITS,
    CiphertextVector,
    EncryptedVector,
    encrypt_vector,
)
from fedtrust.crypto.partial_proof import prove_partial, verify_partial
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.single_holder import SingleHolderKey, decrypt_vector
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.crypto.threshold import Opening, PartialVector, combine, partial_roots

CONTRACT = "0x" + "11" * 20
UPDATE = UpdateStatement(31337, CONTRACT, 1, bytes(32), "0x" + "22" * 20)
MILLION = 1_000_000

Within = Callable[[], AbstractContextManager[object]]


def table_window(setting: Setting, exponent_bits: int) -> int:
    """Return the window of the widest table that the default limit admits."""
    return best_window(setting.n, exponent_bits, 1 << 20, DEFAULT_TABLE_BYTES)


@dataclass(frozen=True, slots=True)
class Samples:
    """How many ciphertexts the slow phases are measured on, at most."""

    opening: int = 100
    single_holder: int = 100
    classical: int = 30


@dataclass(frozen=True)
class Engine:
    """What a round has produced, each part checked, ready to be measured again."""

    setting: Setting
    encrypted: EncryptedVector
    proof: PlaintextProof
    updates: list[CiphertextVector]
    aggregate: CiphertextVector
    partials: dict[int, PartialVector]
    opening: Opening
    statement: DecryptionStatement
    decryption: DecryptionProof
    holder: SingleHolderKey
    arithmetic: Arithmetic
    short_arithmetic: Arithmetic
    parallel: ParallelArithmetic | None

    @classmethod
    def check(cls, setting: Setting, parallel: ParallelArithmetic | None, progress: Callable[[str], None]) -> Engine:
        """Run one round of ten participants and compare its result with NumPy's. Raises AssertionError."""
        key, manifest = setting.key, setting.manifest
        one, short = GmpArithmetic(), GmpArithmetic()
        for arithmetic in (one, parallel) if parallel else (one,):
            _widest_table(arithmetic, setting, key.bits // 2)
        _widest_table(short, setting, SHORT_EXPONENT_BITS)
        progress("checking fedtrust: encrypting for ten participants")
        with on_all_cores(parallel) if parallel else computing_with(one):
            encrypted = [encrypt_vector(key, plaintexts) for plaintexts in setting.packed]
            updates = [e.ciphertexts for e in encrypted]
            proof = prove_plaintext_knowledge(key, encrypted[0], setting.packed[0], UPDATE)
            verify_plaintext_knowledge(key, updates[0], UPDATE, proof)
            aggregate = multiply_vectors(key, updates)
            progress("checking fedtrust: decrypting")
            partials = {s.index: partial_roots(manifest, s, aggregate) for s in setting.shares[:THRESHOLD]}
            opening = combine(manifest, aggregate, partials)
            statement = DecryptionStatement(31337, CONTRACT, 1, bytes(32), aggregate.root())
            decryption = prove_decryption(key, aggregate, opening, statement)
            verify_decryption(key, aggregate, opening.plaintexts, statement, decryption)
        total = unpack(LAYOUT, key.bits, key.n, opening.plaintexts, setting.parameters, PARTICIPANTS)
        assert np.array_equal(total, setting.total), "the engine's sum is not NumPy's"
        holder = SingleHolderKey(*setting.primes)
        few = _first(aggregate, 5)
        with computing_with(one):
            assert list(decrypt_vector(holder, few)) == list(opening.plaintexts[: len(few)])
            assert encrypt_vector(key, setting.packed[0]).exponent_bits == key.bits // 2
        with computing_with(short):
            brief = encrypt_vector(key, setting.packed[0], exponent_bits=SHORT_EXPONENT_BITS).ciphertexts
            assert list(decrypt_vector(holder, _first(brief, 5))) == setting.packed[0][: len(few)]
        first = encrypted[0]
        return cls(
            setting, first, proof, updates, aggregate, partials, opening, statement, decryption, holder, one, short,
            parallel,
        )  # fmt: skip

    def tasks(self, samples: Samples) -> list[Task]:
        """Return everything that is timed."""
        one: Within = partial(computing_with, self.arithmetic)
        tasks = [*self._update_tasks(one), *self._decryption_tasks(one, samples), *self._proof_tasks(one)]
        if self.parallel is not None:
            tasks += self._all_core_tasks(partial(on_all_cores, self.parallel), samples)
        return tasks

    def _update_tasks(self, one: Within) -> list[Task]:
        setting, key = self.setting, self.setting.key
        plaintexts, count = setting.packed[0], setting.ciphertexts
        short: Within = partial(computing_with, self.short_arithmetic)
        million = update(0, MILLION)
        bits = key.bits // 2
        data = self.updates[0].to_bytes()

        def table() -> FixedBaseTable:
            return FixedBaseTable.build(key.h_s, key.n, bits, table_window(setting, bits))

        def quantise_and_pack() -> list[int]:
            return pack(LAYOUT, key.bits, key.n, quantise(million, CLIP, LAYOUT))

        def encrypt_short() -> EncryptedVector:
            return encrypt_vector(key, plaintexts, exponent_bits=SHORT_EXPONENT_BITS)

        def make(phase: str, call: Callable[[], object], within: Within = one) -> Task:
            return Task(phases.ENGINE, phase, call, count, count, within)

        def add() -> CiphertextVector:
            return multiply_vectors(key, self.updates)

        return [
            Task(phases.ENGINE, phases.QUANTISE_AND_PACK, quantise_and_pack, MILLION, MILLION),
            Task(phases.ENGINE, phases.TABLE, table, 1, 1),
            make(phases.ENCRYPT, lambda: encrypt_vector(key, plaintexts)),
            make(phases.ENCRYPT_SHORT, encrypt_short, short),
            make(phases.READ, lambda: CiphertextVector.from_bytes(data, key)),
            make(phases.PROVE_KNOWLEDGE, lambda: prove_plaintext_knowledge(key, self.encrypted, plaintexts, UPDATE)),
            make(
                phases.VERIFY_KNOWLEDGE,
                lambda: verify_plaintext_knowledge(key, self.updates[0], UPDATE, self.proof),
            ),
            Task(phases.ENGINE, phases.AGGREGATE, add, PARTICIPANTS - 1, 1, one),
        ]

    def _decryption_tasks(self, one: Within, samples: Samples) -> list[Task]:
        manifest, share, aggregate = self.setting.manifest, self.setting.shares[0], self.aggregate
        count = len(aggregate)
        few, partials = self._sample(samples.opening)
        single = _first(aggregate, samples.single_holder)
        classical = ClassicalCommittee.make(self.setting)
        classical.check(_first(aggregate, 1), self.opening.plaintexts[:1])
        classical_few = _first(aggregate, samples.classical)
        exponent = 2 * manifest.delta * share.value
        return [
            Task(phases.ENGINE, phases.PARTIAL, lambda: partial_roots(manifest, share, aggregate), count, count, one),
            Task(phases.GMP, phases.PARTIAL, lambda: raw_powers(aggregate, exponent), count, count),
            Task(
                phases.CLASSICAL, phases.PARTIAL, lambda: classical.partial(1, classical_few), len(classical_few), count
            ),
            Task(phases.ENGINE, phases.OPEN, lambda: combine(manifest, few, partials), len(few), count, one),
            Task(phases.ENGINE, phases.DECRYPT, lambda: decrypt_vector(self.holder, single), len(single), count, one),
        ]

    def _proof_tasks(self, one: Within) -> list[Task]:
        key, manifest, count = self.setting.key, self.setting.manifest, len(self.aggregate)
        aggregate, opening, statement = self.aggregate, self.opening, self.statement
        share, partials = self.setting.shares[0], self.partials[1]
        proof = prove_partial(manifest, share, aggregate, partials, statement)

        def make(phase: str, call: Callable[[], object]) -> Task:
            return Task(phases.ENGINE, phase, call, count, count, one)

        return [
            make(phases.PROVE_PARTIAL, lambda: prove_partial(manifest, share, aggregate, partials, statement)),
            make(phases.VERIFY_PARTIAL, lambda: verify_partial(manifest, aggregate, partials, statement, proof)),
            make(phases.PROVE_DECRYPTION, lambda: prove_decryption(key, aggregate, opening, statement)),
            make(
                phases.VERIFY_DECRYPTION,
                lambda: verify_decryption(key, aggregate, opening.plaintexts, statement, self.decryption),
            ),
            make(phases.VERIFY_KEY, lambda: unverified(manifest).verify()),
        ]

    def _all_core_tasks(self, within: Within, samples: Samples) -> list[Task]:
        setting, aggregate = self.setting, self.aggregate
        plaintexts, share = setting.packed[0], setting.shares[0]
        few, partials = self._sample(samples.opening)
        count = len(aggregate)

        def make(phase: str, call: Callable[[], object], items: int = count) -> Task:
            return Task(phases.ENGINE, phase, call, items, count, within, warm=True)

        return [
            make(phases.ENCRYPT_ALL, lambda: encrypt_vector(setting.key, plaintexts)),
            make(phases.PARTIAL_ALL, lambda: partial_roots(setting.manifest, share, aggregate)),
            make(phases.OPEN_ALL, lambda: combine(setting.manifest, few, partials), len(few)),
        ]

    def _sample(self, size: int) -> tuple[CiphertextVector, dict[int, PartialVector]]:
        """Return the first ciphertexts of the aggregate and their partials."""
        key = self.setting.key
        return _first(self.aggregate, size), {
            i: PartialVector(key, i, p.values[:size]) for i, p in self.partials.items()
        }

    def sizes(self) -> dict[str, float]:
        """Return the sizes in bytes: of ciphertext files, by parameter, and of the proof of knowledge."""
        weighted = WEIGHTED_LAYOUT.plaintexts(self.setting.parameters, self.setting.key.bits)
        head = len(self.aggregate.to_bytes()) - len(self.aggregate) * self.setting.key.ciphertext_bytes
        return {
            phases.BYTES: len(self.updates[0].to_bytes()) / self.setting.parameters,
            phases.BYTES_WEIGHTED: (weighted * self.setting.key.ciphertext_bytes + head) / self.setting.parameters,
            phases.PROOF_BYTES: len(self.proof.to_bytes()),
        }


def _widest_table(arithmetic: GmpArithmetic | ParallelArithmetic, setting: Setting, exponent_bits: int) -> None:
    """Build the widest table, as a process has it that has encrypted for a while: the same for one core and for all."""
    arithmetic.tables.table(setting.key.h_s, setting.n, exponent_bits, 1 << 20)


def raw_powers(ciphertexts: CiphertextVector, exponent: int) -> list[object]:
    """Return as many powers modulo n as a partial decryption takes, by nothing but gmpy2's powmod."""
    n = ciphertexts.key.n
    return [gmpy2.powmod(value % n, exponent, n) for value in ciphertexts.values]


def unverified(manifest: KeyManifest) -> KeyManifest:
    """Return the manifest with other sealing keys: the same proofs, but not remembered as verified."""
    trustees = tuple(replace(trustee, sealing_key=os.urandom(32)) for trustee in manifest.trustees)
    return replace(manifest, trustees=trustees)


def _first(ciphertexts: CiphertextVector, size: int) -> CiphertextVector:
    return CiphertextVector(ciphertexts.key, ciphertexts.values[:size])
