"""The tools of this folder: an oracle that is programmed answers as told, once, and only to that question."""

from __future__ import annotations

import pytest

from fedtrust.crypto.transcript import Transcript
from tests.crypto.arguments.oracle import AskedBeforeError, programmable_oracle


def ask(item: int, label: str = "r", count: int = 2) -> list[int]:
    transcript = Transcript("a test of the oracle")
    transcript.absorb_int("item", item)
    return [int(value) for value in transcript.coefficients(count, 16, label)]


def test_only_the_programmed_question_has_another_answer() -> None:
    """Section 10: a question is everything absorbed before it, and what is asked for."""
    hashed = ask(1), ask(2), ask(1, "s"), ask(1, "r", 3)
    with programmable_oracle() as oracle:
        oracle.program(lambda: ask(1), [5, 6])
        assert ask(1) == [5, 6] == ask(1)
        assert (ask(2), ask(1, "s"), ask(1, "r", 3)) == hashed[1:]
    assert ask(1) == hashed[0] != [5, 6]


def test_programming_comes_too_late_after_the_question() -> None:
    """Section 4: the simulator fails if its question was asked about before."""
    with programmable_oracle() as oracle:
        ask(1)
        with pytest.raises(AskedBeforeError):
            oracle.program(lambda: ask(1), [5, 6])
        oracle.program(lambda: ask(2), [5, 6])
        with pytest.raises(AskedBeforeError):
            oracle.program(lambda: ask(2), [7, 8])
        with pytest.raises(LookupError, match="no question"):
            oracle.program(lambda: None, [5, 6])
        with pytest.raises(LookupError, match="2 values"):
            oracle.program(lambda: ask(3), [5])
