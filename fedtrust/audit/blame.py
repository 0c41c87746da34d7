"""Check R24: whom a round's record blames for a wrong partial decryption.

Nothing of this rests on the aggregator's word or on the proof that came with the partial: the trustee attested its
root on chain, and the proven partials of others (R16) determine what it had to be.
"""

from __future__ import annotations

from fedtrust.audit import catalogue as c
from fedtrust.audit.artifacts import ResultArtifacts, RoundArtifacts
from fedtrust.audit.evidence import DiscrepancyError, Evidence, Finding, Section, describe
from fedtrust.crypto.threshold import PartialVector
from fedtrust.ledger.types import Address
from fedtrust.protocol.partial import ProvenPartial, verify_attested, wrong_partials


def check_blame(section: Section, inputs: RoundArtifacts, result: ResultArtifacts) -> None:
    """Carry out R24, for rounds with a result."""
    section.perform(c.BLAME, lambda e: _blame(e, inputs, result))


def _blame(evidence: Evidence, inputs: RoundArtifacts, result: ResultArtifacts) -> Finding[None]:
    record = result.record.value
    if not record.wrong_partials:
        return Finding.of(None, "nobody is blamed")
    manifest, attestations = inputs.manifest.value, inputs.chain.attestations.value
    proven = {account: partial.value for account, partial in result.partials.items()}
    evidence.chain("Attested")
    accused: dict[Address, PartialVector] = {}
    for account, digest in record.wrong_partials.items():
        if account not in attestations or account in proven:
            raise DiscrepancyError("the record blames a trustee that attested nothing, or is right", got=account)
        data = evidence.artifact("refused partial decryption", digest)
        partial = ProvenPartial.from_bytes(data, manifest.public_key).partial
        verify_attested(manifest, account, attestations[account], record.round, partial)
        accused[account] = partial
    wrong = wrong_partials(manifest, proven, accused)
    innocent = [account for account in accused if account not in wrong]
    if innocent:
        raise DiscrepancyError(
            "the record blames trustees whose partial decryption is right",
            expected="a partial that the proven ones refute",
            got=describe(innocent),
            advice="the aggregator accuses them falsely",
        )
    return Finding.of(None, "wrong, and attested: " + describe(sorted(accused)))
