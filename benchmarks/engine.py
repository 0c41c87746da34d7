"""The engine's phases, on one core and on all, on either kernel; checked against NumPy's sum before it is timed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import gmpy2
import numpy as np
from gmpy2 import mpz

from benchmarks import phases
from benchmarks.classical import ClassicalCommittee
from benchmarks.cores import Computing, computing_with, on_all_cores
from benchmarks.critical_path import CriticalPath, decryption_statement, update_statement
from benchmarks.measuring import Task
from benchmarks.setting import CLIP, LAYOUT, PARTICIPANTS, THRESHOLD, WEIGHTED_LAYOUT, Setting, update
from fedtrust.compute.kernels import NativeKernel
from fedtrust.compute.modulus_constants import modulus_constants
from fedtrust.compute.native_tables import NativeTableCache
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
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.crypto.threshold import Opening, PartialVector, combine, partial_roots

MILLION = 1_000_000
_WARMING_POWERS = 1024
"""So many powers of one base that a table has the width of a program's that has encrypted for some rounds."""

Within = Callable[[], AbstractContextManager[object]]


def table_window(setting: Setting, exponent_bits: int) -> int:
    """Return the window of the widest table that the default limit admits."""
    return best_window(setting.n, exponent_bits, 1 << 20, DEFAULT_TABLE_BYTES)


@dataclass(frozen=True, slots=True)
class Samples:
    """How many ciphertexts the slow phases are measured on, at most: whole groups of eight, as all nearly are.

    (The native kernel takes as long for 100 as for 104.) Those of the opening fill two cores evenly as well.
    """

    opening: int = 128
    single_holder: int = 128
    classical: int = 30


@dataclass(frozen=True)
class Engine:
    """What a round has produced, each part checked, ready to be measured again."""

    setting: Setting
    encrypted: EncryptedVector
    proofs: list[PlaintextProof]
    updates: list[CiphertextVector]
    aggregate: CiphertextVector
    partials: dict[int, PartialVector]
    opening: Opening
    statement: DecryptionStatement
    decryption: DecryptionProof
    holder: SingleHolderKey

    @classmethod
    def check(cls, setting: Setting, computing: Computing, progress: Callable[[str], None]) -> Engine:
        """Run one round of ten participants and compare its result with NumPy's. Raises AssertionError."""
        key, manifest = setting.key, setting.manifest
        progress("checking fedtrust: encrypting for ten participants")
        with _every_core(computing):
            encrypted = [encrypt_vector(key, plaintexts) for plaintexts in setting.packed]
            updates = [e.ciphertexts for e in encrypted]
            proofs = [
                prove_plaintext_knowledge(key, encryption, plaintexts, update_statement(i))
                for i, (encryption, plaintexts) in enumerate(zip(encrypted, setting.packed, strict=True))
            ]
            verify_plaintext_knowledge(key, updates[0], update_statement(0), proofs[0])
            aggregate = multiply_vectors(key, updates)
            progress("checking fedtrust: decrypting")
            partials = {s.index: partial_roots(manifest, s, aggregate) for s in setting.shares[:THRESHOLD]}
            opening = combine(manifest, aggregate, partials)
            statement = decryption_statement(aggregate)
            decryption = prove_decryption(key, aggregate, opening, statement)
            verify_decryption(key, aggregate, opening.plaintexts, statement, decryption)
        total = unpack(LAYOUT, key.bits, key.n, opening.plaintexts, setting.parameters, PARTICIPANTS)
        assert np.array_equal(total, setting.total), "the engine's sum is not NumPy's"
        holder = SingleHolderKey(*setting.primes)
        return cls(setting, encrypted[0], proofs, updates, aggregate, partials, opening, statement, decryption, holder)

    def check_kernel(self, computing: Computing, progress: Callable[[str], None]) -> None:
        """Build the tables of ``computing``, and compare some of its results with those of :meth:`check`.

        Raises AssertionError.
        """
        progress(f"checking {computing.owner}: tables, and the same results")
        key, manifest, plaintexts = self.setting.key, self.setting.manifest, self.setting.packed[0]
        few, partials = self._sample(5)
        opened = list(self.opening.plaintexts[: len(few)])
        bits = key.bits // 2
        _widest_table(computing.one, self.setting, bits)
        _widest_table(computing.short, self.setting, SHORT_EXPONENT_BITS)
        with computing_with(computing.one):
            assert partial_roots(manifest, self.setting.shares[0], few).values == partials[1].values
            assert list(combine(manifest, few, partials).plaintexts) == opened
            assert list(decrypt_vector(self.holder, few)) == opened
            assert encrypt_vector(key, plaintexts).exponent_bits == bits
        with computing_with(computing.short):
            brief = encrypt_vector(key, plaintexts, exponent_bits=SHORT_EXPONENT_BITS).ciphertexts
            assert list(decrypt_vector(self.holder, _first(brief, 5))) == plaintexts[: len(few)]
        if computing.all_cores is not None:
            with on_all_cores(computing.all_cores):
                _widest_table(computing.all_cores, self.setting, bits)
                encrypted = encrypt_vector(key, plaintexts)  # workers are started, and have the table
            assert list(decrypt_vector(self.holder, _first(encrypted.ciphertexts, 5))) == plaintexts[: len(few)]

    def tasks(self, computing: Computing, samples: Samples) -> list[Task]:
        """Return everything that is timed on one core of one kernel."""
        return [
            *self._update_tasks(computing),
            *self._decryption_tasks(computing, samples),
            *self._proof_tasks(computing),
        ]

    def _update_tasks(self, computing: Computing) -> list[Task]:
        setting, key = self.setting, self.setting.key
        plaintexts, count = setting.packed[0], setting.ciphertexts
        one, short = partial(computing_with, computing.one), partial(computing_with, computing.short)
        data, statement = self.updates[0].to_bytes(), update_statement(0)

        def encrypt_short() -> EncryptedVector:
            return encrypt_vector(key, plaintexts, exponent_bits=SHORT_EXPONENT_BITS)

        def make(phase: str, call: Callable[[], object], within: Within = one) -> Task:
            return Task(computing.owner, phase, call, count, count, within)

        def add() -> CiphertextVector:
            return multiply_vectors(key, self.updates)

        return [
            Task(computing.owner, phases.TABLE, partial(build_table, computing.native, setting), 1, 1),
            make(phases.ENCRYPT, lambda: encrypt_vector(key, plaintexts)),
            make(phases.ENCRYPT_SHORT, encrypt_short, short),
            make(phases.READ, lambda: CiphertextVector.from_bytes(data, key)),
            make(phases.PROVE_KNOWLEDGE, lambda: prove_plaintext_knowledge(key, self.encrypted, plaintexts, statement)),
            make(
                phases.VERIFY_KNOWLEDGE,
                lambda: verify_plaintext_knowledge(key, self.updates[0], statement, self.proofs[0]),
            ),
            Task(computing.owner, phases.AGGREGATE, add, PARTICIPANTS - 1, 1, one),
        ]

    def _decryption_tasks(self, computing: Computing, samples: Samples) -> list[Task]:
        manifest, share, aggregate = self.setting.manifest, self.setting.shares[0], self.aggregate
        count = len(aggregate)
        few, partials = self._sample(samples.opening)
        single = _first(aggregate, samples.single_holder)

        def make(phase: str, call: Callable[[], object], items: int) -> Task:
            return Task(computing.owner, phase, call, items, count, partial(computing_with, computing.one))

        return [
            make(phases.PARTIAL, lambda: partial_roots(manifest, share, aggregate), count),
            make(phases.OPEN, lambda: combine(manifest, few, partials), len(few)),
            make(phases.DECRYPT, lambda: decrypt_vector(self.holder, single), len(single)),
        ]

    def _proof_tasks(self, computing: Computing) -> list[Task]:
        key, manifest, count = self.setting.key, self.setting.manifest, len(self.aggregate)
        aggregate, opening, statement = self.aggregate, self.opening, self.statement
        share, partials = self.setting.shares[0], self.partials[1]
        proof = prove_partial(manifest, share, aggregate, partials, statement)

        def make(phase: str, call: Callable[[], object]) -> Task:
            return Task(computing.owner, phase, call, count, count, partial(computing_with, computing.one))

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

    def yardsticks(self, samples: Samples) -> list[Task]:
        """Return what is timed beside the engine and has no kernel: packing, powmod and the classical partial."""
        setting, aggregate, count = self.setting, self.aggregate, len(self.aggregate)
        key, million = setting.key, update(0, MILLION)
        exponent = 2 * setting.manifest.delta * setting.shares[0].value
        classical = ClassicalCommittee.make(setting)
        classical.check(_first(aggregate, 1), self.opening.plaintexts[:1])
        few = _first(aggregate, samples.classical)

        def quantise_and_pack() -> list[int]:
            return pack(LAYOUT, key.bits, key.n, quantise(million, CLIP, LAYOUT))

        return [
            Task(phases.ENGINE, phases.QUANTISE_AND_PACK, quantise_and_pack, MILLION, MILLION),
            Task(phases.GMP, phases.PARTIAL, lambda: raw_powers(aggregate, exponent), count, count),
            Task(phases.CLASSICAL, phases.PARTIAL, lambda: classical.partial(1, few), len(few), count),
        ]

    def all_core_tasks(self, computing: Computing, samples: Samples) -> list[Task]:
        """Return what is timed on all cores of one kernel, the whole round left out; nothing on a machine of one."""
        if computing.all_cores is None:
            return []
        setting, aggregate = self.setting, self.aggregate
        plaintexts, share = setting.packed[0], setting.shares[0]
        few, partials = self._sample(samples.opening)
        count = len(aggregate)
        within = partial(on_all_cores, computing.all_cores)

        def make(phase: str, call: Callable[[], object], items: int = count) -> Task:
            return Task(computing.owner, phase, call, items, count, within, warm=True)

        return [
            make(phases.ENCRYPT_ALL, lambda: encrypt_vector(setting.key, plaintexts)),
            make(phases.PARTIAL_ALL, lambda: partial_roots(setting.manifest, share, aggregate)),
            make(phases.OPEN_ALL, lambda: combine(setting.manifest, few, partials), len(few)),
        ]

    def critical_path(self) -> CriticalPath:
        """Return the whole round as one call."""
        files = [(u.to_bytes(), proof.to_bytes()) for u, proof in zip(self.updates, self.proofs, strict=True)]
        return CriticalPath(self.setting, files, self.partials, self.opening.plaintexts)

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
            phases.PROOF_BYTES: len(self.proofs[0].to_bytes()),
        }


def _every_core(computing: Computing) -> AbstractContextManager[object]:
    return on_all_cores(computing.all_cores) if computing.all_cores else computing_with(computing.one)


def _widest_table(arithmetic: Arithmetic, setting: Setting, exponent_bits: int) -> None:
    """Build the widest table, as a process has it that has encrypted for a while: the same for one core and for all."""
    h_s, n = setting.key.h_s, setting.n
    if isinstance(arithmetic, GmpArithmetic | ParallelArithmetic):
        arithmetic.tables.table(h_s, n, exponent_bits, 1 << 20)
    else:
        longest = (mpz(1) << exponent_bits) - 1
        arithmetic.fixed_base_powers(h_s, [longest] * _WARMING_POWERS, setting.key.n_squared)


def build_table(kernel: NativeKernel | None, setting: Setting) -> object:
    """Build the widest table for encryption that the native ``kernel`` uses, or the portable one, and forget it."""
    h_s, n, bits = setting.key.h_s, setting.n, setting.key.bits // 2
    if kernel is None:
        return FixedBaseTable.build(h_s, n, bits, table_window(setting, bits))
    constants = modulus_constants(n)
    assert constants is not None, "the native kernel has no table for this modulus"
    return NativeTableCache(kernel, DEFAULT_TABLE_BYTES).table(h_s, constants, bits, _WARMING_POWERS)


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
