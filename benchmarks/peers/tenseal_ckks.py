"""TenSEAL's CKKS as federated-learning frameworks set it: 4096 real numbers to a ciphertext, sums are approximate.

Twice: with the primes 60, 40, 40, 60 and a public key, and as NVFlare's ``HEBuilder`` makes it by default (60, 40, 40;
symmetric: every client holds the key that opens every other client's update).
"""

from __future__ import annotations

import numpy as np
import tenseal as ts
from numpy.typing import NDArray

from benchmarks import phases
from benchmarks.measuring import Task
from benchmarks.setting import PARTICIPANTS, Setting

_POLYNOMIAL_DEGREE = 8192
_SLOTS = _POLYNOMIAL_DEGREE // 2
_TOLERANCE = 0.01  # of one unit of a 16-bit value


class TensealCkks:
    """CKKS on one thread, on the quantised values as real numbers."""

    def __init__(self, setting: Setting, name: str, primes: list[int], *, symmetric: bool) -> None:
        """Make a context, and encrypt all ten vectors."""
        self._setting = setting
        self._name = name
        kind = ts.ENCRYPTION_TYPE.SYMMETRIC if symmetric else ts.ENCRYPTION_TYPE.ASYMMETRIC
        self._context = ts.context(
            ts.SCHEME_TYPE.CKKS, _POLYNOMIAL_DEGREE, coeff_mod_bit_sizes=primes, encryption_type=kind, n_threads=1
        )
        self._context.global_scale = 2**40
        largest = float(np.iinfo(np.int16).max)
        chunks = range(0, setting.parameters, _SLOTS)
        self._chunks = [[values[at : at + _SLOTS] / largest for at in chunks] for values in setting.values]
        self._total: NDArray[np.float64] = setting.total / largest
        self._unit = 1 / largest
        self._updates = [self._encrypt(update) for update in self._chunks]
        self._files = [vector.serialize() for vector in self._updates[0]]
        self._sum = self._add()

    def _encrypt(self, chunks: list[NDArray[np.float64]]) -> list[ts.CKKSVector]:
        return [ts.ckks_vector(self._context, chunk) for chunk in chunks]

    def _add(self) -> list[ts.CKKSVector]:
        total = [a + b for a, b in zip(self._updates[0], self._updates[1], strict=True)]
        for update in self._updates[2:]:
            for summed, vector in zip(total, update, strict=True):
                summed.add_(vector)
        return total

    def check(self) -> None:
        """See :meth:`benchmarks.peers.Peer.check`; to a hundredth of a quantisation step."""
        opened = np.concatenate([np.asarray(vector.decrypt()) for vector in self._sum])
        assert np.abs(opened - self._total).max() < _TOLERANCE * self._unit, "the CKKS sum is not near NumPy's"

    def tasks(self) -> list[Task]:
        """See :meth:`benchmarks.peers.Peer.tasks`; encryption includes serialisation, as in NVFlare's filter."""
        full = self._setting.parameters

        def encrypt() -> list[bytes]:
            return [vector.serialize() for vector in self._encrypt(self._chunks[0])]

        def read() -> list[ts.CKKSVector]:
            vectors = [ts.ckks_vector_from(self._context, data) for data in self._files]
            for vector in vectors:
                vector.ciphertext()  # parsed lazily otherwise
            return vectors

        return [
            Task(self._name, phases.ENCRYPT, encrypt, full, full),
            Task(self._name, phases.READ, read, full, full),
            Task(self._name, phases.AGGREGATE, self._add, PARTICIPANTS - 1, 1),
            Task(self._name, phases.DECRYPT, lambda: [vector.decrypt() for vector in self._sum], full, full),
        ]

    def sizes(self) -> dict[str, float]:
        """See :meth:`benchmarks.peers.Peer.sizes`; whole ciphertexts only, so that a short last one does not count."""
        return {phases.BYTES: len(self._files[0]) / min(_SLOTS, self._setting.parameters)}


def four_primes(setting: Setting) -> TensealCkks:
    """Return the peer with the primes 60, 40, 40, 60 and a public key."""
    return TensealCkks(setting, phases.CKKS, [60, 40, 40, 60], symmetric=False)


def nvflare_default(setting: Setting) -> TensealCkks:
    """Return the peer as NVFlare's HEBuilder makes it by default."""
    return TensealCkks(setting, phases.CKKS_DEFAULT, [60, 40, 40], symmetric=True)
