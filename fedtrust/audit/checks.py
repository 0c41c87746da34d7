"""What an audit says: frozen values with a JSON form, nothing that computes. Rendering for people is the CLI's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.types import Address, Phase

REPORT_VERSION = 1


class Verdict(StrEnum):
    """How a check ended. NOT_CHECKED always comes with a reason, and never means that something is right."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


class Source(StrEnum):
    """Where a fact came from."""

    CHAIN = "chain"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True)
class Check:
    """One step of the procedure.

    ``number`` is its place (F for the federation, R for a round), ``id`` its name for programs, which never changes
    its meaning, ``title`` what it establishes.
    """

    number: str
    id: str
    title: str

    def __str__(self) -> str:
        """Return for example ``R9 spec``."""
        return f"{self.number} {self.id}"


@dataclass(frozen=True, slots=True)
class Reading:
    """Something a check looked at: a fact on chain, or the artifact of kind ``name`` with this sha-256."""

    source: Source
    name: str
    digest: bytes | None = None

    def __str__(self) -> str:
        """Return for example ``artifact spec 0x12...``."""
        return f"{self.source.value} {self.name}" + ("" if self.digest is None else f" {to_hex(self.digest)}")

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        digest = None if self.digest is None else to_hex(self.digest)
        return {"source": self.source.value, "name": self.name, "digest": digest}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended, and on what evidence.

    ``round`` is None for checks of the whole federation; ``subject`` is the account concerned where a check is done
    once for each of several. ``reason`` says what is wrong, or why nothing was checked; it is None when passed.
    """

    check: Check
    round: int | None
    subject: Address | None
    verdict: Verdict
    read: tuple[Reading, ...]
    expected: str | None = None
    found: str | None = None
    reason: str | None = None
    advice: str | None = None

    @property
    def place(self) -> str:
        """For example ``round 3, R13 update of 0xAb...``."""
        where = "federation" if self.round is None else f"round {self.round}"
        return f"{where}, {self.check}" + ("" if self.subject is None else f" of {self.subject}")

    def __str__(self) -> str:
        """Return place, verdict, reason and the artifacts read, on one line."""
        artifacts = [str(reading) for reading in self.read if reading.source is Source.ARTIFACT]
        reason = "" if self.reason is None else f": {self.reason}"
        return f"{self.place}: {self.verdict.value}{reason}" + (f" [{', '.join(artifacts)}]" if artifacts else "")

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "number": self.check.number,
            "id": self.check.id,
            "title": self.check.title,
            "round": self.round,
            "subject": self.subject,
            "verdict": self.verdict.value,
            "read": [reading.to_json() for reading in self.read],
            "expected": self.expected,
            "found": self.found,
            "reason": self.reason,
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class RoundReport:
    """All checks of one round; ``phase`` is the chain's."""

    number: int
    phase: Phase
    results: tuple[CheckResult, ...]

    @property
    def in_progress(self) -> bool:
        """Whether the round has not ended yet, so that most of it could not be checked."""
        return self.phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "round": self.number,
            "phase": self.phase.name,
            "in_progress": self.in_progress,
            "results": [result.to_json() for result in self.results],
        }


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that this audit did not establish, and why."""

    what: str
    why: str

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The whole audit of one federation, as of block ``block`` of chain ``chain_id``."""

    chain_id: int
    contract: Address
    block: int
    federation: tuple[CheckResult, ...]
    rounds: tuple[RoundReport, ...]
    limitations: tuple[Limitation, ...]

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """All results in the order of the procedure."""
        return self.federation + tuple(result for report in self.rounds for result in report.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.verdict is Verdict.FAILED)

    @property
    def verified(self) -> bool:
        """Whether nothing failed; ``limitations`` says what that does not cover."""
        return not self.failures

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON-ready mapping."""
        counts = {verdict.value: sum(r.verdict is verdict for r in self.results) for verdict in Verdict}
        return {
            "version": REPORT_VERSION,
            "chain_id": self.chain_id,
            "contract": self.contract,
            "block": self.block,
            "verified": self.verified,
            "counts": counts,
            "federation": [result.to_json() for result in self.federation],
            "rounds": [report.to_json() for report in self.rounds],
            "limitations": [limitation.to_json() for limitation in self.limitations],
        }
