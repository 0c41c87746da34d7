"""Transcripts that write down what they absorb, and that absorb something else than they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from gmpy2 import mpz

from fedtrust.crypto.transcript import Transcript


@dataclass(frozen=True)
class Item:
    """One absorbed value: ``kind`` is bytes, int or ints; ``width`` is that of each of the ints."""

    kind: str
    label: str
    value: object
    width: int = 0


@dataclass
class Recording:
    """What one transcript was given, in order, and what was asked of it: (method, label, count, bits or modulus)."""

    protocol: str
    items: list[Item] = field(default_factory=list)
    asked: list[tuple[str, str, int, int]] = field(default_factory=list)


Change = Callable[[str, list[Item]], Sequence[Item]]
"""Gets a protocol's label and all that was absorbed since the last answer; returns what to absorb instead."""


@contextmanager
def recording(change: Change = lambda _protocol, items: items) -> Iterator[list[Recording]]:
    """Record every transcript that is started meanwhile, and put ``change`` between what is given and absorbed."""
    recordings: list[Recording] = []
    # transcripts have no room for attributes; holding them keeps their ids their own
    held: dict[int, tuple[Transcript, Recording, list[Item]]] = {}
    start = Transcript.__init__
    absorb = {"bytes": Transcript.absorb_bytes, "int": Transcript.absorb_int, "ints": Transcript.absorb_ints}
    coefficients, residues = Transcript.coefficients, Transcript.residues

    def started(self: Transcript, label: str) -> None:
        start(self, label)
        recordings.append(Recording(label))
        held[id(self)] = (self, recordings[-1], [])

    def take(self: Transcript, item: Item) -> None:
        _, record, waiting = held[id(self)]
        record.items.append(item)
        waiting.append(item)

    def flush(self: Transcript, *asked: object) -> None:
        _, record, waiting = held[id(self)]
        record.asked.append(asked)  # type: ignore[arg-type]
        for item in change(record.protocol, list(waiting)):
            widths = (item.width,) if item.kind == "ints" else ()
            absorb[item.kind](self, item.label, item.value, *widths)  # type: ignore[operator]
        waiting.clear()

    def absorbed_bytes(self: Transcript, label: str, data: bytes) -> None:
        take(self, Item("bytes", label, data))

    def absorbed_int(self: Transcript, label: str, value: int) -> None:
        take(self, Item("int", label, value))

    def absorbed_ints(self: Transcript, label: str, values: Sequence[int], width: int) -> None:
        take(self, Item("ints", label, tuple(values), width))

    def asked_coefficients(self: Transcript, count: int, bits: int, label: str) -> list[mpz]:
        flush(self, "coefficients", label, count, bits)
        return coefficients(self, count, bits, label)

    def asked_residues(self: Transcript, count: int, modulus: int, label: str) -> list[mpz]:
        flush(self, "residues", label, count, modulus)
        return residues(self, count, modulus, label)

    with patch.multiple(
        Transcript,
        __init__=started,
        absorb_bytes=absorbed_bytes,
        absorb_int=absorbed_int,
        absorb_ints=absorbed_ints,
        coefficients=asked_coefficients,
        residues=asked_residues,
    ):
        yield recordings
