"""Checks R9 to R21: what the artifacts of a round say, recomputed from the updates to the new model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.audit import catalogue as c
from fedtrust.audit.chain_facts import ChainOutcome, RoundFacts
from fedtrust.audit.evidence import (
    DiscrepancyError,
    Established,
    Evidence,
    Finding,
    NotCheckedError,
    Section,
    describe,
    require_equal,
)
from fedtrust.crypto.aggregation import Aggregation
from fedtrust.crypto.decryption_proof import DecryptionProof, verify_decryption
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.threshold import PartialVector
from fedtrust.errors import ArtifactError
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import ZERO_HASH, Address, members
from fedtrust.protocol.contribution import DecodedSum
from fedtrust.protocol.partial import ProvenPartial, verify_proven_partial
from fedtrust.protocol.result import RoundResult, apply_sum, decryption_statement
from fedtrust.protocol.selection import verify_selection
from fedtrust.protocol.spec import FederationId, RoundSpec, verify_spec
from fedtrust.protocol.update import EncryptedUpdate, verify_update
from fedtrust.rules.model import Model


@dataclass(frozen=True, slots=True)
class RoundArtifacts:
    """What the checks of one round's artifacts rest on."""

    facts: RoundFacts
    chain: ChainOutcome
    manifest: Established[KeyManifest]

    @property
    def federation(self) -> FederationId:
        """The federation that every artifact must name."""
        return FederationId(self.facts.snapshot.chain_id, self.facts.snapshot.contract)

    def count(self, spec: RoundSpec) -> int:
        """Return the number of ciphertexts of an update under the verified key."""
        return spec.layout.ciphertexts(self.manifest.value.public_key.bits)


def check_spec(section: Section, inputs: RoundArtifacts, ledger: LedgerReader) -> Established[RoundSpec]:
    """Carry out R9 and R10, which apply to every round that was opened."""
    spec = section.perform(c.SPEC, lambda e: _spec(e, inputs))
    section.perform(c.SELECTION, lambda e: _selection(e, inputs, spec, ledger))
    return spec


@dataclass(frozen=True, slots=True)
class ResultArtifacts:
    """The result record, and the partial decryptions of those trustees for whom R16 was carried out."""

    record: Established[RoundResult]
    partials: Mapping[Address, Established[PartialVector]]


def check_result(section: Section, inputs: RoundArtifacts, spec: Established[RoundSpec]) -> ResultArtifacts:
    """Carry out R11 to R21, which apply to rounds with a result."""
    record = section.perform(c.RESULT_RECORD, lambda e: _result_record(e, inputs))
    base = section.perform(c.BASE_MODEL, lambda e: _base_model(e, inputs, spec))
    updates: dict[Address, Established[None]] = {}
    running = _RunningProduct()
    if not inputs.chain.accepted.passed:
        section.skip(c.UPDATE, inputs.chain.accepted)
    else:
        for account in inputs.chain.accepted.value:
            updates[account] = section.perform(c.UPDATE, _Update(inputs, spec, record, account, running), account)
    product = section.perform(c.PRODUCT, lambda e: _product(e, inputs, updates, running))
    stored = section.perform(c.AGGREGATE, lambda e: _aggregate(e, inputs, spec.value, record.value, product))
    aggregate = stored if stored.passed else product  # either is the one on chain
    partials: dict[Address, Established[PartialVector]] = {}
    if not record.passed:
        section.skip(c.PARTIAL, record)
    else:
        for account in record.value.partials:
            check = _Partial(inputs, spec, record, aggregate, account)
            partials[account] = section.perform(c.PARTIAL, check, account)
    plaintexts = section.perform(c.PLAINTEXTS, lambda e: _plaintexts(e, inputs, spec.value))
    section.perform(c.DECRYPTION_PROOF, lambda e: _decryption(e, inputs, spec.value, aggregate, plaintexts))
    new = section.perform(c.NEW_MODEL, lambda e: _new_model(e, inputs, spec.value, base, plaintexts))
    section.perform(c.MODEL, lambda e: _model(e, inputs, new))
    section.perform(c.METRICS, lambda e: _metrics(e, record.value, new))
    return ResultArtifacts(record, partials)


def _spec(evidence: Evidence, inputs: RoundArtifacts) -> Finding[RoundSpec]:
    state, manifest = inputs.facts.state, inputs.manifest.value
    try:
        data = evidence.artifact("spec", state.spec_hash)
    except ArtifactError as error:
        if inputs.facts.had_result:
            raise
        # nothing rests on the spec of a round without a result, and nobody need keep it
        raise NotCheckedError(f"a round without a result, and {error.message}") from error
    spec = RoundSpec.from_bytes(data)
    verify_spec(
        spec,
        inputs.facts.opened,
        inputs.federation,
        key_id=manifest.key_id,
        key_bits=manifest.public_key.bits,
        payout_rule=inputs.facts.snapshot.config.payout_rule,
    )
    return Finding(spec, to_hex(state.spec_hash), to_hex(spec.digest))


def _selection(
    evidence: Evidence, inputs: RoundArtifacts, spec: Established[RoundSpec], ledger: LedgerReader
) -> Finding[None]:
    evidence.chain("beacon block's hash", "identities", "eligible", "RoundOpened.selected")
    facts = inputs.facts
    opened, history = facts.opened, facts.timeline.history
    # 1. What the contract drew: the chain alone says it.
    eligible = facts.timeline.identities.eligible(opened)
    count = facts.snapshot.config.participants_per_round
    beacon = ZERO_HASH  # all are drawn, whatever it is
    if 0 < count < eligible.bit_count():
        beacon = ledger.block_hash(history.beacon_block(facts.number))
    drawn = draw_indices(beacon, facts.number, eligible, count)
    for where, selected in (("the event", opened.selected), ("the state", facts.state.selected)):
        require_equal(f"the selected participants in {where}", members(drawn), members(selected))
    # 2. What the spec says of it.
    verify_selection(spec.value, history, beacon, count)
    return Finding.of(None, list(spec.value.participants))


def _result_record(evidence: Evidence, inputs: RoundArtifacts) -> Finding[RoundResult]:
    state, chain = inputs.facts.state, inputs.chain
    record = RoundResult.from_bytes(evidence.artifact("result record", state.result_hash))
    for name, on_chain, written in (
        ("result hash", state.result_hash, record.digest),
        ("federation", inputs.federation, record.federation),
        ("round", state.number, record.round),
        ("spec", state.spec_hash, record.spec),
        ("base model", state.base_model_hash, record.base_model),
        ("plaintexts", state.plaintext_hash, record.plaintexts),
        ("decryption proof", state.proof_hash, record.proof),
        ("model", state.model_hash, record.model),
        ("set of updates", sorted(chain.accepted.value), sorted(record.updates)),
    ):
        require_equal(f"the result record's {name}", on_chain, written)
    attested = chain.attestations.value
    strangers = [account for account in record.partials if account not in attested]
    if strangers:
        raise DiscrepancyError(
            "the result record names partial decryptions of trustees that did not attest", got=describe(strangers)
        )
    threshold = inputs.manifest.value.threshold
    if len(record.partials) < threshold:
        raise DiscrepancyError(
            "the result record names too few partial decryptions",
            expected=f"at least {threshold}",
            got=len(record.partials),
        )
    return Finding(record, to_hex(state.result_hash), to_hex(record.digest))


def _base_model(evidence: Evidence, inputs: RoundArtifacts, spec: Established[RoundSpec]) -> Finding[Model]:
    digest = inputs.facts.state.base_model_hash
    model = Model.from_bytes(evidence.artifact("base model", digest, keep=True))
    require_equal("the base model's digest", digest, model.digest)
    if spec.passed:
        require_equal("the base model's number of parameters", spec.value.layout.parameters, model.parameters)
    return Finding(model, to_hex(digest), to_hex(model.digest))


@dataclass(slots=True)
class _RunningProduct:
    """The product of the updates that R13 has verified so far: one vector, however many there are."""

    aggregation: Aggregation | None = None

    def add(self, key: PublicKey, update: EncryptedUpdate) -> None:
        """Multiply one more update in."""
        self.aggregation = (self.aggregation or Aggregation(key)).add(update.message.root, update.ciphertexts)


@dataclass(frozen=True, slots=True)
class _Update:
    """R13 for one account."""

    inputs: RoundArtifacts
    spec: Established[RoundSpec]
    record: Established[RoundResult]
    account: Address
    running: _RunningProduct

    def __call__(self, evidence: Evidence) -> Finding[None]:
        digest = self.record.value.updates[self.account]
        spec, key = self.spec.value, self.inputs.manifest.value.public_key
        commitment = self.inputs.chain.commitments.value.get(self.account)
        evidence.chain("UpdateCommitted")
        if commitment is None:
            raise DiscrepancyError("an update was accepted that was never committed", got=self.account)
        data = evidence.artifact("update", digest)
        update = EncryptedUpdate.from_bytes(data, key, expected_count=self.inputs.count(spec))
        require_equal("the update's participant", self.account, update.participant)
        # verify_update: round, spec, selection, length, committed root, committed proof, signature, proof of knowledge.
        verify_update(update, spec, key, commitment)
        self.running.add(key, update)
        return Finding(None, to_hex(commitment.root), to_hex(update.message.root))


def _product(
    evidence: Evidence, inputs: RoundArtifacts, updates: dict[Address, Established[None]], running: _RunningProduct
) -> Finding[CiphertextVector]:
    # What protocol.release.agree recomputes, from updates that R13 has verified already.
    evidence.chain("accepted", "aggregate root")
    for account in inputs.chain.accepted.value:
        _ = updates[account].value  # not checked without every one of them
    product = (running.aggregation or Aggregation(inputs.manifest.value.public_key)).product()
    root = product.root()
    if root != inputs.facts.state.aggregate_root:
        raise DiscrepancyError(
            "the committed aggregate is not the product of the accepted updates",
            expected=to_hex(root),
            got=to_hex(inputs.facts.state.aggregate_root),
            advice="the aggregator lied about the sum",
        )
    return Finding.of(product, root)


def _aggregate(
    evidence: Evidence,
    inputs: RoundArtifacts,
    spec: RoundSpec,
    record: RoundResult,
    product: Established[CiphertextVector],
) -> Finding[CiphertextVector]:
    evidence.chain("aggregate root")
    data = evidence.artifact("aggregate", record.aggregate)
    aggregate = CiphertextVector.from_bytes(data, inputs.manifest.value.public_key, inputs.count(spec))
    require_equal("the root of the stored aggregate", inputs.facts.state.aggregate_root, aggregate.root())
    if product.passed and product.value.to_bytes() != data:
        raise DiscrepancyError("the stored aggregate is not the product, byte for byte")
    return Finding.of(aggregate, inputs.facts.state.aggregate_root)


@dataclass(frozen=True, slots=True)
class _Partial:
    """R16 for one trustee."""

    inputs: RoundArtifacts
    spec: Established[RoundSpec]
    record: Established[RoundResult]
    aggregate: Established[CiphertextVector]
    account: Address

    def __call__(self, evidence: Evidence) -> Finding[PartialVector]:
        manifest, attested = self.inputs.manifest.value, self.inputs.chain.attestations.value[self.account]
        spec = self.spec.value
        evidence.chain("Attested")
        data = evidence.artifact("partial decryption", self.record.value.partials[self.account])
        proven = ProvenPartial.from_bytes(data, manifest.public_key, expected_count=self.inputs.count(spec))
        aggregate = self.aggregate.value
        # verify_proven_partial: the trustee's own share, the attested root, the proof.
        verify_proven_partial(
            manifest, self.account, attested, aggregate, decryption_statement(spec, aggregate), proven
        )
        return Finding.of(proven.partial, attested)


def _plaintexts(evidence: Evidence, inputs: RoundArtifacts, spec: RoundSpec) -> Finding[PlaintextVector]:
    digest = inputs.facts.state.plaintext_hash
    key, count = inputs.manifest.value.public_key, inputs.count(spec)
    vector = PlaintextVector.from_bytes(evidence.artifact("plaintexts", digest), key, count)
    return Finding.of(vector, f"{len(vector)} plaintexts, {to_hex(digest)}")


def _decryption(
    evidence: Evidence,
    inputs: RoundArtifacts,
    spec: RoundSpec,
    aggregate: Established[CiphertextVector],
    plaintexts: Established[PlaintextVector],
) -> Finding[None]:
    state, key = inputs.facts.state, inputs.manifest.value.public_key
    proof = DecryptionProof.from_bytes(evidence.artifact("decryption proof", state.proof_hash), key)
    ciphertexts, values = aggregate.value, plaintexts.value.values
    verify_decryption(key, ciphertexts, values, decryption_statement(spec, ciphertexts), proof)
    return Finding.of(None, state.proof_hash)


def _new_model(
    evidence: Evidence,
    inputs: RoundArtifacts,
    spec: RoundSpec,
    base: Established[Model],
    plaintexts: Established[PlaintextVector],
) -> Finding[tuple[Model, DecodedSum]]:
    evidence.chain("model hash")
    state, key = inputs.facts.state, inputs.manifest.value.public_key
    accepted = len(inputs.chain.accepted.value)
    model, decoded = apply_sum(spec, key, base.value, plaintexts.value.values, accepted)
    require_equal(
        "the new model", model.digest, state.model_hash, "the aggregator committed another model than the updates give"
    )
    return Finding((model, decoded), to_hex(state.model_hash), to_hex(model.digest))


def _model(evidence: Evidence, inputs: RoundArtifacts, new: Established[tuple[Model, DecodedSum]]) -> Finding[None]:
    digest = inputs.facts.state.model_hash
    data = evidence.artifact("model", digest, keep=True)
    if new.passed and new.value[0].to_bytes() != data:
        raise DiscrepancyError("the stored model is not the recomputed one, byte for byte")
    return Finding.of(None, digest)


def _metrics(evidence: Evidence, record: RoundResult, new: Established[tuple[Model, DecodedSum]]) -> Finding[None]:
    evidence.chain("result hash")
    decoded = new.value[1]
    require_equal("the number of examples", decoded.examples, record.examples)
    require_equal("the number of evaluation examples", decoded.evaluation_examples, record.evaluation_examples)
    require_equal("the metrics", decoded.metrics, dict(record.metrics))
    shown = ", ".join(f"{name} {value}" for name, value in decoded.metrics.items())
    return Finding.of(None, f"{decoded.examples} examples, {decoded.evaluation_examples} held out, {shown}")
