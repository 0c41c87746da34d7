"""Plain NumPy addition of the same integers: what aggregation costs when nothing is hidden."""

from __future__ import annotations

import numpy as np

from benchmarks import phases
from benchmarks.measuring import Task
from benchmarks.setting import PARTICIPANTS, Setting


class NumpyFloor:
    """Adds nine vectors to the first."""

    def __init__(self, setting: Setting) -> None:
        """Take the vectors from the setting."""
        self._setting = setting

    def _add(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        total = self._setting.values[0].copy()
        for values in self._setting.values[1:]:
            total += values
        return total

    def check(self) -> None:
        """See :meth:`benchmarks.peers.Peer.check`."""
        assert np.array_equal(self._add(), self._setting.total)

    def tasks(self) -> list[Task]:
        """See :meth:`benchmarks.peers.Peer.tasks`."""
        return [Task(phases.NUMPY, phases.AGGREGATE, self._add, PARTICIPANTS - 1, 1)]

    def sizes(self) -> dict[str, float]:
        """See :meth:`benchmarks.peers.Peer.sizes`; 16-bit values."""
        return {phases.BYTES: 2.0}


make = NumpyFloor
