"""The random oracle in the hands of a simulator or an extractor, and the prover's coins on a tape.

Nothing of a proof is replaced: the real prover and the real verifier run, and every question is put by the real
transcript. Only answers that were programmed differ from SHAKE-256's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

from gmpy2 import mpz

from fedtrust.crypto.transcript import Transcript


class AskedBeforeError(Exception):
    """The question has been answered already: programming comes too late."""


class ProgrammableOracle:
    """Answers by SHAKE-256, except where it was told what to answer."""

    def __init__(self) -> None:
        self._answers: dict[bytes, list[mpz]] = {}
        self._asked: set[bytes] = set()
        self._planned: list[mpz] | None = None
        self._hash = Transcript._answer

    def program(self, ask: Callable[[], object], answer: Sequence[int]) -> None:
        """Answer the one question that ``ask`` puts with ``answer``, from now on."""
        self._planned = [mpz(value) for value in answer]
        try:
            ask()
            if self._planned is not None:
                raise LookupError("no question was put")
        finally:
            self._planned = None

    def answer(self, transcript: Transcript, kind: int, label: str, count: int, bits: int) -> list[mpz]:
        """Stand in for Transcript._answer. A question is the transcript's state after it: all that was absorbed."""
        hashed = self._hash(transcript, kind, label, count, bits)
        question = transcript._state.digest(32)
        if self._planned is not None:
            if question in self._asked:
                raise AskedBeforeError(label)
            if len(self._planned) != count:
                raise LookupError(f"{label}: {count} values are asked for")
            self._answers[question], self._planned = self._planned, None
        self._asked.add(question)
        return list(self._answers.get(question, hashed))


@contextmanager
def programmable_oracle() -> Iterator[ProgrammableOracle]:
    """Put every transcript of the process before one programmable oracle."""
    oracle = ProgrammableOracle()

    def answer(self: Transcript, kind: int, label: str, count: int, bits: int) -> list[mpz]:
        return oracle.answer(self, kind, label, count, bits)

    with patch.object(Transcript, "_answer", answer):
        yield oracle


class Tape:
    """Random coins that can be used again: a prover that reads a rewound tape sends the same first message."""

    def __init__(self) -> None:
        self._coins: list[int] = []
        self._at = 0

    def rewind(self) -> None:
        self._at = 0

    def randbelow(self, limit: int) -> int:
        return self._next(lambda: secrets.randbelow(limit))

    def randbits(self, bits: int) -> int:
        return self._next(lambda: secrets.randbits(bits))

    def _next(self, draw: Callable[[], int]) -> int:
        if self._at == len(self._coins):
            self._coins.append(draw())
        self._at += 1
        return self._coins[self._at - 1]


@contextmanager
def coins_of(module: ModuleType) -> Iterator[Tape]:
    """Let ``module`` draw its secrets from a tape."""
    tape = Tape()
    with patch.object(module, "secrets", tape):
        yield tape
