"""What a run has found, as data: rows of figures, ratios and bars; to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measuring import Measurement, Spread

_FORMAT = "fedtrust.benchmark"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds or bytes, one value a repeat; ``measured`` of ``full`` items were measured and scaled, if they differ."""

    unit: str
    values: tuple[float, ...]
    measured: int = 1
    full: int = 1

    @classmethod
    def of(cls, measurement: Measurement) -> Figure:
        """Return the seconds of a whole phase."""
        return cls("seconds", measurement.scaled, measurement.items, measurement.full)

    @property
    def spread(self) -> Spread:
        """Median and range."""
        return Spread.of(self.values)

    @property
    def sampled(self) -> bool:
        """Whether this is scaled up from a part."""
        return self.measured < self.full


@dataclass(frozen=True, slots=True)
class Bar:
    """What the project asks of a row: its ratio, seconds or bytes at least or at most ``limit``."""

    quantity: str
    relation: str
    limit: float

    def __post_init__(self) -> None:
        """Check the two words."""
        if self.quantity not in ("ratio", "seconds", "bytes") or self.relation not in ("at least", "at most"):
            raise ValueError(f"no such bar: {self.quantity} {self.relation}")

    def met(self, median: float) -> bool:
        """Return whether the median of the repeats meets the bar."""
        return median >= self.limit if self.relation == "at least" else median <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the engine's figure of a phase, and if ``beside`` is somebody, theirs and the ratio theirs / ours.

    A ratio above 1 says that the engine is faster, or smaller. ``skipped`` says why there is no figure.
    """

    phase: str
    ours: Figure | None = None
    beside: str = ""
    theirs: Figure | None = None
    ratios: tuple[float, ...] = ()
    bar: Bar | None = None
    skipped: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar, or if it was skipped."""
        if self.bar is None or self.skipped:
            return None
        values = self.ratios if self.bar.quantity == "ratio" else self.ours.values if self.ours else ()
        return self.bar.met(Spread.of(values).median) if values else None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run: where and on what it was measured, the peers (version, or why skipped), and the rows."""

    machine: Mapping[str, str]
    setting: Mapping[str, Any]
    peers: Mapping[str, str]
    rows: tuple[Row, ...]

    @property
    def missed(self) -> tuple[Row, ...]:
        """The rows whose bar is not met."""
        return tuple(row for row in self.rows if row.met is False)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready mapping, with what a reader would compute: spreads and bars met."""
        rows = []
        for row in self.rows:
            entry = asdict(row) | {"met": row.met}
            if row.ratios:
                entry["ratio"] = asdict(Spread.of(row.ratios))
            rows.append(entry)
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "machine": dict(self.machine),
            "setting": dict(self.setting),
            "peers": dict(self.peers),
            "rows": rows,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Report:
        """Return the report that :meth:`to_json` wrote. Raises ValueError."""
        if value.get("format") != _FORMAT or value.get("version") != _VERSION:
            raise ValueError(f"not a {_FORMAT} of version {_VERSION}")
        return cls(value["machine"], value["setting"], value["peers"], tuple(_row(row) for row in value["rows"]))


def _row(value: Mapping[str, Any]) -> Row:
    return Row(
        phase=value["phase"],
        ours=_figure(value["ours"]),
        beside=value["beside"],
        theirs=_figure(value["theirs"]),
        ratios=tuple(value["ratios"]),
        bar=Bar(**value["bar"]) if value["bar"] else None,
        skipped=value["skipped"],
        note=value["note"],
    )


def _figure(value: Mapping[str, Any] | None) -> Figure | None:
    return Figure(value["unit"], tuple(value["values"]), value["measured"], value["full"]) if value else None
