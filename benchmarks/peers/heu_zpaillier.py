"""sf-heu's ZPaillier, the nearest relative: the same variant of Paillier with a fixed-base table, in C++.

It has no packing of our kind, so it gets our packed plaintexts as big integers, through its array interface (faster
than number by number). Its random exponents have half the key's bits, set with the key's size and by no option
(heu/library/algorithms/paillier_zahlen/encryptor.cc, GetRn): the same as the engine's default. It makes its own key.
"""

from __future__ import annotations

import numpy as np
from heu import numpy as heu_numpy
from heu import phe as heu_phe

from benchmarks import phases
from benchmarks.measuring import Task
from benchmarks.setting import LAYOUT, PARTICIPANTS, Setting
from fedtrust.crypto.packing import unpack

_DECRYPTED_SAMPLE = 100


class HeuZPaillier:
    """ZPaillier with a key of the setting's size and its packed plaintexts."""

    def __init__(self, setting: Setting) -> None:
        """Make a key, and sign the plaintexts: theirs lie in [-n/2, n/2] of another n."""
        self._setting = setting
        self._kit = heu_numpy.setup(heu_phe.SchemaType.ZPaillier, setting.key.bits)
        self._encoder = self._kit.bigint_encoder()
        self._encryptor, self._decryptor = self._kit.encryptor(), self._kit.decryptor()
        self._evaluator = self._kit.evaluator()
        half, n = setting.n // 2, int(setting.n)
        self._plaintexts = [[m if m < half else m - n for m in packed] for packed in setting.packed]
        # two vectors are enough to time additions; the sum of all ten is checked on the first ciphertexts
        self._pair = [self._encrypt(self._plaintexts[i]) for i in range(2)]

    def _encrypt(self, plaintexts: list[int]) -> heu_numpy.CiphertextArray:
        return self._encryptor.encrypt(heu_numpy.array(plaintexts, self._encoder))

    def _decrypt(self, ciphertexts: heu_numpy.CiphertextArray) -> list[int]:
        return [int(x) for x in self._decryptor.decrypt(ciphertexts).to_numpy(self._encoder)]

    def check(self) -> None:
        """See :meth:`benchmarks.peers.Peer.check`; ten vectors, the first ciphertexts."""
        setting, some = self._setting, 4
        total = self._encrypt(self._plaintexts[0][:some])
        for plaintexts in self._plaintexts[1:]:
            total = self._evaluator.add(total, self._encrypt(plaintexts[:some]))
        opened = [m % int(setting.n) for m in self._decrypt(total)]
        slots = LAYOUT.slots_per_plaintext(setting.key.bits)
        count = min(len(opened) * slots, setting.parameters)
        summed = unpack(LAYOUT, setting.key.bits, int(setting.n), opened, count, PARTICIPANTS)
        assert np.array_equal(summed, setting.total[:count]), "sf-heu's sum is not NumPy's"

    def tasks(self) -> list[Task]:
        """See :meth:`benchmarks.peers.Peer.tasks`."""
        first, second = self._pair
        full = self._setting.ciphertexts
        size = min(_DECRYPTED_SAMPLE, full)
        few = self._encrypt(self._plaintexts[0][:size])
        data = first.serialize()

        def add() -> None:
            total = first
            for _ in range(PARTICIPANTS - 1):
                total = self._evaluator.add(total, second)

        return [
            Task(phases.ZPAILLIER, phases.ENCRYPT, lambda: self._encrypt(self._plaintexts[0]), full, full),
            Task(phases.ZPAILLIER, phases.READ, lambda: heu_numpy.CiphertextArray.load_from(data), full, full),
            Task(phases.ZPAILLIER, phases.AGGREGATE, add, PARTICIPANTS - 1, 1),
            Task(phases.ZPAILLIER, phases.DECRYPT, lambda: self._decrypt(few), size, full),
        ]

    def sizes(self) -> dict[str, float]:
        """See :meth:`benchmarks.peers.Peer.sizes`."""
        return {phases.BYTES: len(self._pair[0].serialize()) / self._setting.parameters}


make = HeuZPaillier
