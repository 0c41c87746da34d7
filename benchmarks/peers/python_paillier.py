"""phe (python-paillier): one number to a ciphertext, so a few numbers are measured and scaled to the vector."""

from __future__ import annotations

import phe

from benchmarks import phases
from benchmarks.measuring import Task
from benchmarks.setting import PARTICIPANTS, Setting

SAMPLE = 20


class PythonPaillier:
    """phe under the setting's own key, on the first numbers of each vector."""

    def __init__(self, setting: Setting) -> None:
        """Take key and numbers from the setting."""
        self._setting = setting
        self._public = phe.PaillierPublicKey(int(setting.n))
        self._private = phe.PaillierPrivateKey(self._public, *setting.primes)
        size = min(SAMPLE, setting.parameters)
        self._numbers = [[int(x) for x in values[:size]] for values in setting.values]
        self._encrypted = [[self._public.encrypt(x) for x in numbers] for numbers in self._numbers[:2]]

    def check(self) -> None:
        """See :meth:`benchmarks.peers.Peer.check`; two vectors' samples, and one number of all ten."""
        sums = [self._private.decrypt(a + b) for a, b in zip(*self._encrypted, strict=True)]
        assert sums == [a + b for a, b in zip(*self._numbers[:2], strict=True)], "phe's sum is not NumPy's"
        total = sum((self._public.encrypt(numbers[0]) for numbers in self._numbers[1:]), self._encrypted[0][0])
        assert self._private.decrypt(total) == int(self._setting.total[0]), "phe's sum is not NumPy's"

    def tasks(self) -> list[Task]:
        """See :meth:`benchmarks.peers.Peer.tasks`."""
        first, second = self._encrypted
        size, full = len(first), self._setting.parameters

        def add() -> list[phe.EncryptedNumber]:
            return [a + b for _ in range(PARTICIPANTS - 1) for a, b in zip(first, second, strict=True)]

        return [
            Task(phases.PHE, phases.ENCRYPT, lambda: [self._public.encrypt(x) for x in self._numbers[0]], size, full),
            Task(phases.PHE, phases.AGGREGATE, add, size * (PARTICIPANTS - 1), full),
            Task(phases.PHE, phases.DECRYPT, lambda: [self._private.decrypt(c) for c in first], size, full),
        ]

    def sizes(self) -> dict[str, float]:
        """See :meth:`benchmarks.peers.Peer.sizes`; a ciphertext in fixed width."""
        return {phases.BYTES: float(self._setting.key.ciphertext_bytes)}


make = PythonPaillier
