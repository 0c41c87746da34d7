"""Which figures stand beside which, and the bar that the project has set for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import phases
from benchmarks.measuring import Key, Measurement, ratios
from benchmarks.report import Bar, Figure, Row


def at_least(factor: float) -> Bar:
    """Return the bar of being at least ``factor`` times as fast as the other."""
    return Bar("ratio", "at least", factor)


def within(seconds: float) -> Bar:
    """Return the bar of taking at most ``seconds``."""
    return Bar("seconds", "at most", seconds)


@dataclass(frozen=True, slots=True)
class Line:
    """One row to be: the engine's phase, and whose figure stands beside it (and of which phase, if another)."""

    phase: str
    beside: str = ""
    bar: Bar | None = None
    note: str = ""
    other_phase: str = ""

    @property
    def ours(self) -> Key:
        """The engine's measurement."""
        return phases.ENGINE, self.phase

    @property
    def theirs(self) -> Key:
        """The measurement beside it; "one core" is the engine's own."""
        owner = phases.ENGINE if self.beside == phases.ONE_CORE else self.beside
        return owner, self.other_phase or self.phase


TIMES = (
    Line(phases.QUANTISE_AND_PACK, bar=within(0.5)),
    Line(phases.TABLE, note="once for a key, then cached on disk"),
    Line(phases.ENCRYPT, phases.PHE, at_least(2000)),
    Line(phases.ENCRYPT, phases.ZPAILLIER, at_least(1), "same exponent length: 1536 bits"),
    Line(phases.ENCRYPT, phases.CKKS, note="theirs includes serialisation"),
    Line(phases.ENCRYPT, phases.CKKS_DEFAULT, note="theirs includes serialisation"),
    Line(phases.ENCRYPT, phases.GMP),
    Line(phases.ENCRYPT_SHORT, phases.PHE, at_least(6000), other_phase=phases.ENCRYPT),
    Line(phases.ENCRYPT_SHORT, phases.ZPAILLIER, None, "theirs has 1536 bits: no option", phases.ENCRYPT),
    Line(phases.ENCRYPT_SHORT, phases.GMP),
    Line(phases.PROVE_KNOWLEDGE, bar=within(0.1), note="no peer has one"),
    Line(phases.VERIFY_KNOWLEDGE, bar=within(0.3), note="no peer has one"),
    Line(phases.READ, phases.ZPAILLIER, note="ours checks that every ciphertext is a unit"),
    Line(phases.READ, phases.CKKS, note="ours checks that every ciphertext is a unit"),
    Line(phases.READ, phases.CKKS_DEFAULT, note="ours checks that every ciphertext is a unit"),
    Line(phases.AGGREGATE, bar=within(0.008)),
    Line(phases.AGGREGATE, phases.PHE),
    Line(phases.AGGREGATE, phases.ZPAILLIER),
    Line(phases.AGGREGATE, phases.CKKS),
    Line(phases.AGGREGATE, phases.CKKS_DEFAULT),
    Line(phases.AGGREGATE, phases.NUMPY),
    Line(phases.AGGREGATE, phases.GMP),
    Line(phases.DECRYPT, phases.PHE, at_least(120)),
    Line(phases.DECRYPT, phases.ZPAILLIER),
    Line(phases.DECRYPT, phases.CKKS),
    Line(phases.DECRYPT, phases.CKKS_DEFAULT),
    Line(phases.DECRYPT, phases.GMP),
    Line(phases.PARTIAL, phases.GMP, at_least(1 / 1.15), "as many gmpy2.powmod calls; bar: within 1.15 x"),
    Line(phases.PARTIAL, phases.CLASSICAL, at_least(7), "c^(2 D s_i) mod n^2"),
    Line(phases.PROVE_PARTIAL),
    Line(phases.VERIFY_PARTIAL),
    Line(phases.OPEN, phases.GMP),
    Line(phases.OPEN, phases.CKKS, None, "theirs needs no committee: one key opens all", phases.DECRYPT),
    Line(phases.PROVE_DECRYPTION, note="no peer has one"),
    Line(phases.VERIFY_DECRYPTION, bar=within(0.3), note="no peer has one"),
    Line(phases.VERIFY_KEY, note="once for a key"),
    Line(phases.ENCRYPT_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.ENCRYPT),
    Line(phases.PARTIAL_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.PARTIAL),
    Line(phases.OPEN_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.OPEN),
)

SIZES = (
    Line(phases.BYTES, bar=Bar("bytes", "at most", 5.5)),
    Line(phases.BYTES, phases.PHE),
    Line(phases.BYTES, phases.ZPAILLIER, note="packed by hand with our layout"),
    Line(phases.BYTES, phases.CKKS),
    Line(phases.BYTES, phases.CKKS_DEFAULT),
    Line(phases.BYTES, phases.NUMPY, note="16-bit values"),
    Line(phases.BYTES_WEIGHTED, bar=Bar("bytes", "at most", 9)),
    Line(phases.PROOF_BYTES, bar=Bar("bytes", "at most", 2048)),
)


def time_rows(measured: Mapping[Key, Measurement], skipped: Mapping[str, str], full_sized: bool) -> list[Row]:
    """Return the rows of :data:`TIMES`.

    ``skipped`` says, by name, why somebody was not measured. The bars in seconds are for the full 100,000
    parameters: without ``full_sized`` only those of ratios, and of phases of a fixed size, are kept.
    """
    rows = []
    for line in TIMES:
        ours = measured.get(line.ours)
        bar = line.bar
        if bar is not None and bar.quantity == "seconds" and not full_sized and line.phase != phases.QUANTISE_AND_PACK:
            bar = None
        reason = "" if ours else skipped.get(line.phase, "not measured")
        theirs = measured.get(line.theirs) if line.beside else None
        if line.beside and theirs is None:
            reason = reason or skipped.get(line.beside, "not measured")
        row = Row(line.phase, Figure.of(ours) if ours else None, line.beside, bar=bar, skipped=reason, note=line.note)
        if ours and theirs:
            other = Figure.of(theirs)
            row = Row(
                row.phase, row.ours, line.beside, other, ratios(other.values, ours.scaled), bar, reason, line.note
            )
        rows.append(row)
    return rows


def size_rows(sizes: Mapping[str, Mapping[str, float]], skipped: Mapping[str, str]) -> list[Row]:
    """Return the rows of :data:`SIZES`; ``sizes`` are bytes by owner and name."""
    rows = []
    for line in SIZES:
        size = sizes[phases.ENGINE][line.phase]
        theirs = sizes.get(line.beside, {}).get(line.phase)
        reason = skipped.get(line.beside, "not measured") if line.beside and theirs is None else ""
        other = Figure("bytes", (theirs,)) if theirs is not None else None
        ratio = (theirs / size,) if theirs is not None else ()
        rows.append(Row(line.phase, Figure("bytes", (size,)), line.beside, other, ratio, line.bar, reason, line.note))
    return rows
