"""How a check is carried out: it records what it reads, and ends as passed, failed or not checked.

A check that reads the outcome of another one which did not pass is *not checked*, because of that other one: so one
fault is one failure, and everything that does not rest on it is still checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, TypeVar

from fedtrust.audit.checks import Check, CheckResult, Reading, Source, Verdict
from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import (
    ArtifactError,
    CertificateMismatchError,
    ExitCode,
    FedtrustError,
    PeerUnreachableError,
    RpcUnreachableError,
)
from fedtrust.ledger.types import Address
from fedtrust.store.artifacts import ArtifactReader, verify_digest

T = TypeVar("T")
U = TypeVar("U")
Progress = Callable[[CheckResult], None]

_UNREACHABLE = (RpcUnreachableError, PeerUnreachableError, CertificateMismatchError)
"""These say nothing about the federation: an audit that cannot read ends with them, it does not accuse anybody."""


class DiscrepancyError(FedtrustError):
    """Two things that must agree do not."""

    exit_code: ClassVar[ExitCode] = ExitCode.AUDIT_FAILED


class NotCheckedError(Exception):
    """A check cannot be carried out; the message says why. Never leaves this package."""


def require_equal(what: str, expected: object, found: object, advice: str | None = None) -> None:
    """Raise DiscrepancyError unless ``found`` equals ``expected``."""
    if expected != found:
        raise DiscrepancyError(
            f"{what} does not agree", expected=describe(expected), got=describe(found), advice=advice
        )


def describe(value: object) -> str:
    """Return ``value`` for a person: bytes in hexadecimal, members of enumerations by name."""
    match value:
        case bytes():
            return to_hex(value)
        case Enum():
            return value.name
        case tuple() | list():
            return ", ".join(describe(item) for item in value) or "none"
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """What a check that passed established: a value for later checks, and what a person should see of it."""

    value: T
    expected: str
    found: str

    @classmethod
    def of(cls, value: T, found: object) -> Finding[T]:
        """Return a finding whose expected and found are the same."""
        text = describe(found)
        return cls(value, text, text)


@dataclass(frozen=True, slots=True)
class Established(Generic[T]):
    """The outcome of a check, for checks that rest on it."""

    check: Check
    finding: Finding[T] | None

    @property
    def passed(self) -> bool:
        """Whether there is a value."""
        return self.finding is not None

    @property
    def value(self) -> T:
        """The value. Raises NotCheckedError if the check did not pass; whoever reads this then is not checked."""
        if self.finding is None:
            raise NotCheckedError(f"depends on {self.check}")
        return self.finding.value

    def derive(self, function: Callable[[T], U]) -> Established[U]:
        """Return the same outcome with ``function`` of its value."""
        if self.finding is None:
            return Established(self.check, None)
        finding = Finding(function(self.finding.value), self.finding.expected, self.finding.found)
        return Established(self.check, finding)


class ArtifactLibrary:
    """Reads artifacts, checks their digests again, and keeps what the procedure reads twice (models)."""

    def __init__(self, reader: ArtifactReader) -> None:
        """``reader`` is trusted with nothing."""
        self._reader = reader
        self._kept: tuple[bytes, bytes] = (b"", b"")

    def get(self, digest: bytes, *, keep: bool = False) -> bytes:
        """Return the artifact with ``digest``; with ``keep`` it stays until another one is kept."""
        if digest == self._kept[0]:
            return self._kept[1]
        data = verify_digest(self._reader.get(digest), digest, "the artifact store")
        if keep:
            self._kept = (digest, data)
        return data


class Evidence:
    """What one check has read so far."""

    def __init__(self, library: ArtifactLibrary) -> None:
        """Start with nothing read."""
        self._library = library
        self._read: list[Reading] = []

    @property
    def read(self) -> tuple[Reading, ...]:
        """Everything read, in order."""
        return tuple(self._read)

    def chain(self, *facts: str) -> None:
        """Note facts on chain."""
        self._read.extend(Reading(Source.CHAIN, fact) for fact in facts)

    def artifact(self, kind: str, digest: bytes, *, keep: bool = False) -> bytes:
        """Note and return an artifact. Raises ArtifactError naming its kind if it is missing or altered."""
        self._read.append(Reading(Source.ARTIFACT, kind, digest))
        try:
            return self._library.get(digest, keep=keep)
        except ArtifactError as error:
            raise ArtifactError(
                f"{kind}: {error.message}", expected=error.expected, got=error.got, advice=error.advice
            ) from error


class Section:
    """Carries out the checks of the federation or of one round, and collects their results."""

    def __init__(self, library: ArtifactLibrary, round: int | None, progress: Progress | None) -> None:
        """``progress`` gets every result as it is made."""
        self._library, self._round, self._progress = library, round, progress
        self.results: list[CheckResult] = []

    def perform(
        self, check: Check, body: Callable[[Evidence], Finding[T]], subject: Address | None = None
    ) -> Established[T]:
        """Carry out one check.

        It fails with the typed error that ``body`` raises. Unreachable chains and peers, and errors that are not
        ours, pass through.
        """
        evidence = Evidence(self._library)
        finding: Finding[T] | None = None
        verdict, reason, advice = Verdict.PASSED, None, None
        expected: str | None = None
        found: str | None = None
        try:
            finding = body(evidence)
            expected, found = finding.expected, finding.found
        except NotCheckedError as missing:
            verdict, reason = Verdict.NOT_CHECKED, str(missing)
        except _UNREACHABLE:
            raise
        except FedtrustError as error:
            verdict, reason, advice = Verdict.FAILED, error.message, error.advice
            expected, found = error.expected, error.got
        self._report(CheckResult(check, self._round, subject, verdict, evidence.read, expected, found, reason, advice))
        return Established(check, finding)

    def skip(self, check: Check, because: Established[U]) -> None:
        """Report that ``check`` is not carried out at all, because another check did not pass."""
        reason = f"depends on {because.check}"
        self._report(CheckResult(check, self._round, None, Verdict.NOT_CHECKED, (), reason=reason))

    def _report(self, result: CheckResult) -> None:
        self.results.append(result)
        if self._progress is not None:
            self._progress(result)
