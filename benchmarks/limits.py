"""The raw-GMP limit: the modular multiplications that a phase needs, times what one costs on this machine.

One multiplication is ``x * y % m`` in gmpy2. The engine can come out below the limit: on pairs modulo n^2 it makes
cheaper multiplications than that one (``fedtrust.crypto.square_modulus``), and so does GMP inside ``powmod``.
"""

from __future__ import annotations

import gmpy2
from gmpy2 import mpz

from benchmarks import phases
from benchmarks.engine import table_window
from benchmarks.measuring import Task
from benchmarks.setting import Setting
from fedtrust.crypto.paillier import SHORT_EXPONENT_BITS

_CALLS = 2000
_WINDOW = 6


def power_multiplications(exponent_bits: int) -> int:
    """Return how many multiplications a sliding window of six bits takes on average, its table included."""
    return exponent_bits + -(-exponent_bits // (_WINDOW + 1)) + (1 << _WINDOW - 1)


def table_multiplications(exponent_bits: int, window: int) -> int:
    """Return how many multiplications encryption takes: one less than there are windows, and one by 1 + M n."""
    return -(-exponent_bits // window)


def multiplications(setting: Setting) -> dict[str, tuple[int, mpz]]:
    """Return, by phase, the number of multiplications for one vector and their modulus."""
    key, count = setting.key, setting.ciphertexts
    long, short = key.bits // 2, SHORT_EXPONENT_BITS
    square_of_prime = mpz(setting.primes[0]) ** 2
    return {
        phases.ENCRYPT: (count * table_multiplications(long, table_window(setting, long)), key.n_squared),
        phases.ENCRYPT_SHORT: (count * table_multiplications(short, table_window(setting, short)), key.n_squared),
        phases.AGGREGATE: (count, key.n_squared),
        phases.OPEN: (count * power_multiplications(key.bits), key.n_squared),
        phases.DECRYPT: (2 * count * power_multiplications(key.bits // 2), square_of_prime),
    }


def tasks(setting: Setting) -> list[Task]:
    """Return one task for each phase with a limit: some multiplications, scaled to the phase's number of them."""
    return [
        Task(phases.GMP, phase, _Multiplications(modulus), _CALLS, number)
        for phase, (number, modulus) in multiplications(setting).items()
    ]


class _Multiplications:
    """Multiplies two residues of full size again and again."""

    def __init__(self, modulus: mpz) -> None:
        state = gmpy2.random_state(1)
        self._x, self._y = gmpy2.mpz_random(state, modulus), gmpy2.mpz_random(state, modulus)
        self._modulus = modulus

    def __call__(self) -> None:
        x, y, modulus = self._x, self._y, self._modulus
        for _ in range(_CALLS):
            x * y % modulus
