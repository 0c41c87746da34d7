"""The audit of a whole federation, from a ledger and an artifact store: no secret, no key file, nobody's own records.

The procedure is numbered in :mod:`fedtrust.audit.catalogue`; what it cannot establish is listed there too and part of
every report.
"""

from __future__ import annotations

from fedtrust.audit import catalogue
from fedtrust.audit.artifacts import RoundArtifacts, check_result, check_spec
from fedtrust.audit.blame import check_blame
from fedtrust.audit.chain_facts import RUNNING, RoundFacts, check_chain_facts
from fedtrust.audit.checks import AuditReport, Limitation, RoundReport, Verdict
from fedtrust.audit.disputes import check_disputes
from fedtrust.audit.evidence import ArtifactLibrary, Established, Progress, Section
from fedtrust.audit.federation import check_federation
from fedtrust.audit.payouts import check_payouts
from fedtrust.audit.snapshot import Snapshot, take_snapshot
from fedtrust.audit.timeline import Timeline
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import RECOMMENDED_BITS
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import ZERO_ADDRESS, Phase
from fedtrust.store.artifacts import ArtifactReader


def audit_federation(ledger: LedgerReader, artifacts: ArtifactReader, progress: Progress | None = None) -> AuditReport:
    """Verify everything that can be verified of a federation; ``progress`` gets each result as it is made.

    What is wrong with the federation is in the report, never an exception. Raises RpcUnreachableError,
    PeerUnreachableError or another LedgerError if ledger or artifact server cannot be read: then there is no audit.
    """
    # 1. One moment of the chain.
    snapshot = take_snapshot(ledger)
    timeline = Timeline(snapshot.events, snapshot.config)
    library = ArtifactLibrary(artifacts)
    # 2. F1 to F12: the federation.
    federation = Section(library, None, progress)
    manifest = check_federation(federation, snapshot, timeline)
    # 3. R1 to R27: every round, each on its own.
    rounds: list[RoundReport] = []
    for number, state in snapshot.rounds.items():
        section = Section(library, number, progress)
        facts = RoundFacts(snapshot, timeline, state, timeline.of_round(number))
        _check_round(section, facts, manifest, ledger)
        rounds.append(RoundReport(number, state.phase, tuple(section.results)))
    # 4. What none of this says.
    return AuditReport(
        chain_id=snapshot.chain_id,
        contract=snapshot.contract,
        block=snapshot.block,
        federation=tuple(federation.results),
        rounds=tuple(rounds),
        limitations=catalogue.LIMITATIONS + tuple(_found_limitations(rounds, snapshot, manifest)),
    )


def _check_round(section: Section, facts: RoundFacts, manifest: Established[KeyManifest], ledger: LedgerReader) -> None:
    chain = check_chain_facts(section, facts)
    inputs = RoundArtifacts(facts, chain, manifest)
    spec = check_spec(section, inputs, ledger)
    # the result of a voided round counts for nothing, so it is not judged again; R27 asks whether that was right
    result = check_result(section, inputs, spec) if facts.finished else None
    check_payouts(section, facts)
    if result is not None:
        check_blame(section, inputs, result)
    check_disputes(section, facts, manifest)


def _found_limitations(
    rounds: list[RoundReport], snapshot: Snapshot, manifest: Established[KeyManifest]
) -> list[Limitation]:
    """Return what this federation's own state leaves open."""
    found: list[Limitation] = []
    if snapshot.config.predecessor != ZERO_ADDRESS:
        what = f"that head and model which this federation began with are those of {snapshot.config.predecessor}"
        found.append(Limitation(what, "its predecessor is another contract; audit that as well"))
    if manifest.passed and manifest.value.public_key.bits < RECOMMENDED_BITS:
        why = f"its modulus has {manifest.value.public_key.bits} bits; real data needs {RECOMMENDED_BITS}"
        found.append(Limitation("that updates under this key stay secret", why))
    for report in rounds:
        state = snapshot.rounds[report.number]
        if state.phase is Phase.VOIDED:
            what = f"round {report.number}: what its updates gave"
            found.append(Limitation(what, "the round was voided; its model is no part of any later one"))
        if state.phase in RUNNING:
            what = f"round {report.number}: everything after phase {state.phase.name}"
            found.append(Limitation(what, "the round is still in progress"))
        found.extend(
            Limitation(f"round {report.number}: {result.check.title}", result.reason or "")
            for result in report.results
            if result.verdict is Verdict.NOT_CHECKED
        )
    return found
