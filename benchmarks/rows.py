"""Which figures stand beside which, and the bar that the project has set for each.

What follows from the native kernel, is kept where the engine runs on it. Elsewhere those of its rows that
have a bar say that they are skipped, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import phases
from benchmarks.measuring import Key, Measurement, Spread, ratios
from benchmarks.report import Bar, Figure, Row


def at_least(factor: float) -> Bar:
    """Return the bar of being at least ``factor`` times as fast as the other."""
    return Bar("ratio", "at least", factor)


def within(seconds: float) -> Bar:
    """Return the bar of taking at most ``seconds``."""
    return Bar("seconds", "at most", seconds)


@dataclass(frozen=True, slots=True)
class Line:
    """One row to be: the engine's phase, and whose figure stands beside it (and of which phase, if another).

    A bar that is ``native`` is one of the native kernel only.
    """

    phase: str
    beside: str = ""
    bar: Bar | None = None
    note: str = ""
    other_phase: str = ""
    native: bool = False

    @property
    def ours(self) -> Key:
        """The engine's measurement."""
        return phases.ENGINE, self.phase

    @property
    def theirs(self) -> Key:
        """The measurement beside it; "one core" is the engine's own."""
        owner = phases.ENGINE if self.beside == phases.ONE_CORE else self.beside
        return owner, self.other_phase or self.phase


def _beside_kernels(phase: str, bar: Bar | None = None) -> tuple[Line, Line]:
    """Return the rows of a phase beside the portable kernel and beside the arithmetic limit."""
    return Line(phase, phases.PORTABLE, bar, native=True), Line(phase, phases.LIMIT, native=True)


TIMES = (
    Line(phases.QUANTISE_AND_PACK, bar=within(0.5)),
    Line(phases.TABLE, note="once for a key; the portable kernel's is cached on disk"),
    *_beside_kernels(phases.TABLE),
    Line(phases.ENCRYPT, phases.PHE, at_least(2000)),
    Line(phases.ENCRYPT, phases.ZPAILLIER, at_least(1), "same exponent length: 1536 bits"),
    Line(phases.ENCRYPT, phases.CKKS, at_least(1 / 2), "theirs includes serialisation; bar: at most 2 x", native=True),
    Line(phases.ENCRYPT, phases.CKKS_DEFAULT, note="theirs includes serialisation"),
    Line(phases.ENCRYPT, phases.GMP),
    *_beside_kernels(phases.ENCRYPT),
    Line(phases.ENCRYPT_SHORT, phases.PHE, at_least(6000), other_phase=phases.ENCRYPT),
    Line(phases.ENCRYPT_SHORT, phases.ZPAILLIER, None, "theirs has 1536 bits: no option", phases.ENCRYPT),
    Line(
        phases.ENCRYPT_SHORT,
        phases.CKKS,
        at_least(1 / 0.7),
        "theirs includes serialisation; bar: at most 0.7 x",
        phases.ENCRYPT,
        native=True,
    ),
    Line(phases.ENCRYPT_SHORT, phases.CKKS_DEFAULT, None, "theirs includes serialisation", phases.ENCRYPT),
    Line(phases.ENCRYPT_SHORT, phases.GMP),
    *_beside_kernels(phases.ENCRYPT_SHORT),
    Line(phases.PROVE_KNOWLEDGE, bar=within(0.1), note="no peer has one"),
    *_beside_kernels(phases.PROVE_KNOWLEDGE),
    Line(phases.VERIFY_KNOWLEDGE, bar=within(0.3), note="no peer has one"),
    *_beside_kernels(phases.VERIFY_KNOWLEDGE, at_least(4)),
    Line(phases.READ, phases.ZPAILLIER, note="ours checks that every ciphertext is a unit"),
    Line(phases.READ, phases.CKKS, note="ours checks that every ciphertext is a unit"),
    Line(phases.READ, phases.CKKS_DEFAULT, note="ours checks that every ciphertext is a unit"),
    *_beside_kernels(phases.READ),
    Line(phases.AGGREGATE, bar=within(0.008)),
    Line(phases.AGGREGATE, phases.PHE),
    Line(phases.AGGREGATE, phases.ZPAILLIER),
    Line(phases.AGGREGATE, phases.CKKS, at_least(1), native=True),
    Line(phases.AGGREGATE, phases.CKKS_DEFAULT),
    Line(phases.AGGREGATE, phases.NUMPY),
    Line(phases.AGGREGATE, phases.GMP),
    *_beside_kernels(phases.AGGREGATE),
    Line(phases.DECRYPT, phases.PHE, at_least(120)),
    Line(phases.DECRYPT, phases.ZPAILLIER),
    Line(phases.DECRYPT, phases.CKKS),
    Line(phases.DECRYPT, phases.CKKS_DEFAULT),
    Line(phases.DECRYPT, phases.GMP),
    *_beside_kernels(phases.DECRYPT, at_least(6)),
    Line(phases.PARTIAL, phases.GMP, at_least(1 / 1.15), "as many gmpy2.powmod calls; bar: within 1.15 x"),
    Line(phases.PARTIAL, phases.CLASSICAL, at_least(7), "c^(2 D s_i) mod n^2"),
    *_beside_kernels(phases.PARTIAL, at_least(6)),
    Line(phases.PROVE_PARTIAL),
    *_beside_kernels(phases.PROVE_PARTIAL),
    Line(phases.VERIFY_PARTIAL),
    *_beside_kernels(phases.VERIFY_PARTIAL),
    Line(phases.OPEN, phases.GMP),
    Line(phases.OPEN, phases.CKKS, None, "theirs needs no committee: one key opens all", phases.DECRYPT),
    *_beside_kernels(phases.OPEN, at_least(6)),
    Line(phases.PROVE_DECRYPTION, note="no peer has one"),
    *_beside_kernels(phases.PROVE_DECRYPTION),
    Line(phases.VERIFY_DECRYPTION, bar=within(0.3), note="no peer has one"),
    *_beside_kernels(phases.VERIFY_DECRYPTION, at_least(4)),
    Line(phases.VERIFY_KEY, note="once for a key"),
    *_beside_kernels(phases.VERIFY_KEY),
    Line(phases.ENCRYPT_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.ENCRYPT),
    Line(phases.PARTIAL_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.PARTIAL),
    Line(phases.OPEN_ALL, phases.ONE_CORE, at_least(1.8), other_phase=phases.OPEN),
    Line(phases.WHOLE_ROUND, bar=within(4.0), native=True),
    Line(phases.WHOLE_ROUND, phases.PORTABLE, native=True),
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


def time_rows(
    measured: Mapping[Key, Measurement],
    skipped: Mapping[str, str],
    full_sized: bool,
    without: str = "",
) -> list[Row]:
    """Return the rows of :data:`TIMES`.

    ``skipped`` says, by name, why somebody was not measured; ``without``, why the native kernel was not, if so. The
    bars in seconds are for the full 100,000 parameters: without ``full_sized`` only those of ratios, and of phases of a
    fixed size, are kept.
    """
    rows = []
    for line in TIMES:
        ours = measured.get(line.ours)
        theirs = measured.get(line.theirs) if line.beside else None
        if without and line.native and line.bar is None and line.beside in (phases.PORTABLE, phases.LIMIT):
            continue
        bar = line.bar
        if bar is not None and bar.quantity == "seconds" and not full_sized and line.phase != phases.QUANTISE_AND_PACK:
            bar = None
        reason = "" if ours else skipped.get(line.phase, "not measured")
        if line.beside and theirs is None:
            reason = reason or (without if line.native else "") or skipped.get(line.beside, "not measured")
        if without and line.native and line.bar is not None and not reason:
            reason = f"the bar is of the native kernel; {without}"
        row = Row(line.phase, Figure.of(ours) if ours else None, line.beside, bar=bar, skipped=reason, note=line.note)
        if ours and theirs:
            other = Figure.of(theirs)
            compared = ratios(other.values, ours.scaled)
            note = f"{1 / Spread.of(compared).median:.2f} x the limit" if line.beside == phases.LIMIT else line.note
            row = Row(row.phase, row.ours, line.beside, other, compared, bar, reason, note)
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
