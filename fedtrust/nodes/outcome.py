"""From trustees' partial decryptions to a round's result: everything it names is stored before it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.crypto.decryption_proof import prove_decryption
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.threshold import PartialVector, combine
from fedtrust.ledger.types import Address
from fedtrust.nodes.report import Reporter
from fedtrust.protocol.partial import ProvenPartial, wrong_partials
from fedtrust.protocol.result import RoundResult, apply_sum, decryption_statement
from fedtrust.protocol.spec import RoundSpec
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True)
class OutcomeInputs:
    """Digests of what a round's result is made from, by account. ``refused`` partials may be evidence."""

    spec: RoundSpec
    aggregate: bytes
    updates: Mapping[Address, bytes]
    partials: Mapping[Address, bytes]
    refused: Mapping[Address, bytes]


def compute_outcome(manifest: KeyManifest, store: ArtifactStore, inputs: OutcomeInputs, report: Reporter) -> bytes:
    """Combine, prove, apply; returns the digest of the stored result record.

    Raises UpdateError or CiphertextError for a sum outside the layout, ProofError for partials that do not combine.
    """
    spec, key = inputs.spec, manifest.public_key
    aggregate = CiphertextVector.from_bytes(store.get(inputs.aggregate), key)
    partials = {a: ProvenPartial.from_bytes(store.get(d), key).partial for a, d in inputs.partials.items()}
    report("Opening", round=spec.round, ciphertexts=len(aggregate))
    opening = combine(manifest, aggregate, {p.index: p for p in partials.values()})
    proof = prove_decryption(key, aggregate, opening, decryption_statement(spec, aggregate))
    base = Model.from_bytes(store.get(spec.base_model))
    model, decoded = apply_sum(spec, key, base, opening.plaintexts, len(inputs.updates))
    result = RoundResult(
        federation=spec.federation,
        round=spec.round,
        spec=spec.digest,
        base_model=spec.base_model,
        updates=inputs.updates,
        aggregate=inputs.aggregate,
        partials=inputs.partials,
        wrong_partials=_blamed(manifest, store, inputs, partials, report),
        plaintexts=store.put(PlaintextVector(key, opening.plaintexts).to_bytes()),
        proof=store.put(proof.to_bytes()),
        model=store.put(model.to_bytes()),
        examples=decoded.examples,
        evaluation_examples=decoded.evaluation_examples,
        metrics=decoded.metrics,
    )
    digest = store.put(result.to_bytes())
    report("RoundResult", round=spec.round, examples=decoded.examples, **decoded.metrics)
    return digest


def _blamed(
    manifest: KeyManifest,
    store: ArtifactStore,
    inputs: OutcomeInputs,
    partials: Mapping[Address, PartialVector],
    report: Reporter,
) -> dict[Address, bytes]:
    """Return the refused partials that the proven ones show to be wrong; the others are nobody's guilt."""
    refused = {a: d for a, d in inputs.refused.items() if a not in partials}
    read = {a: ProvenPartial.from_bytes(store.get(d), manifest.public_key).partial for a, d in refused.items()}
    blamed = {a: refused[a] for a in wrong_partials(manifest, partials, read)}
    for account, digest in blamed.items():
        report("WrongPartial", round=inputs.spec.round, trustee=account, evidence=to_hex(digest))
    return blamed
