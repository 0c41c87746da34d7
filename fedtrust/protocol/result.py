"""The result of a round: from opened plaintexts to the new model, and the record that names every artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedtrust.crypto.encoding import canonical_json, parse_canonical_json, sha256, to_hex
from fedtrust.crypto.packing import unpack
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.errors import EncodingError, ModelError
from fedtrust.ledger.types import Address
from fedtrust.protocol.contribution import DecodedSum, decode
from fedtrust.protocol.fields import Fields, address
from fedtrust.protocol.spec import FederationId, RoundSpec
from fedtrust.rules.fedavg import federated_average
from fedtrust.rules.model import Model

RESULT_VERSION = 1


def apply_sum(
    spec: RoundSpec, key: PublicKey, base: Model, plaintexts: Sequence[int], accepted: int
) -> tuple[Model, DecodedSum]:
    """Unpack the opened sum of ``accepted`` updates and apply the spec's rule to the base model.

    Pure and exact: the aggregator and every auditor get the same bits. Raises ModelError if ``base`` is not the
    spec's, CiphertextError or UpdateError if the sum leaves the layout.
    """
    if base.digest != spec.base_model:
        raise ModelError(
            f"round {spec.round}: wrong base model", expected=to_hex(spec.base_model), got=to_hex(base.digest)
        )
    sums = unpack(spec.layout.slots, key.bits, key.n, plaintexts, spec.layout.length, accepted)
    decoded = decode(spec.layout, sums, accepted)
    model = federated_average(
        base,
        decoded.parameter_sums,
        decoded.examples,
        clip=spec.layout.value_range,
        max_value=spec.layout.slots.max_value,
        server_learning_rate=spec.algorithm.server_learning_rate,
    )
    return model, decoded


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a finalised round left behind; its sha-256 is the result hash on chain.

    ``updates`` and ``partials`` map accounts to artifact digests; so does ``wrong_partials``: trustees that attested,
    and handed in, a partial that the proven ones show to be wrong. ``metrics`` are the weighted means of the *base*
    model on the participants' held-out records.
    """

    federation: FederationId
    round: int
    spec: bytes
    base_model: bytes
    updates: Mapping[Address, bytes]
    aggregate: bytes
    partials: Mapping[Address, bytes]
    wrong_partials: Mapping[Address, bytes]
    plaintexts: bytes
    proof: bytes
    model: bytes
    examples: int
    evaluation_examples: int
    metrics: Mapping[str, float]

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(
            {
                "aggregate": to_hex(self.aggregate),
                "base_model": to_hex(self.base_model),
                "evaluation_examples": self.evaluation_examples,
                "examples": self.examples,
                "federation": self.federation.to_json(),
                "metrics": dict(self.metrics),
                "model": to_hex(self.model),
                "partials": {a: to_hex(d) for a, d in self.partials.items()},
                "plaintexts": to_hex(self.plaintexts),
                "proof": to_hex(self.proof),
                "round": self.round,
                "spec": to_hex(self.spec),
                "updates": {a: to_hex(d) for a, d in self.updates.items()},
                "version": RESULT_VERSION,
                "wrong_partials": {a: to_hex(d) for a, d in self.wrong_partials.items()},
            }
        )

    @property
    def digest(self) -> bytes:
        """The artifact's name and the result hash on chain."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundResult:
        """Parse canonical JSON strictly. Raises EncodingError naming the field."""
        fields = Fields(parse_canonical_json(data, "round result"), "round result")
        fields.version(RESULT_VERSION)
        metrics = fields.mapping("metrics")
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in metrics.values()):
            raise EncodingError("round result.metrics must be numbers", got=metrics)
        result = cls(
            federation=FederationId.from_fields(fields.object("federation")),
            round=fields.integer("round", 1),
            spec=fields.hash("spec"),
            base_model=fields.hash("base_model"),
            updates=_digests(fields.mapping("updates"), "round result.updates"),
            aggregate=fields.hash("aggregate"),
            partials=_digests(fields.mapping("partials"), "round result.partials"),
            wrong_partials=_digests(fields.mapping("wrong_partials"), "round result.wrong_partials"),
            plaintexts=fields.hash("plaintexts"),
            proof=fields.hash("proof"),
            model=fields.hash("model"),
            examples=fields.integer("examples", 1),
            evaluation_examples=fields.integer("evaluation_examples", 1),
            metrics={k: float(v) for k, v in metrics.items()},
        )
        fields.end()
        return result


def _digests(mapping: Mapping[str, object], what: str) -> dict[Address, bytes]:
    fields = Fields(dict(mapping), what)
    return {address(name, what): fields.hash(name) for name in mapping}


def decryption_statement(spec: RoundSpec, aggregate: CiphertextVector) -> DecryptionStatement:
    """Return what the public proof of decryption of a round is bound to."""
    return DecryptionStatement(
        chain_id=spec.federation.chain_id,
        contract=spec.federation.contract,
        round=spec.round,
        spec_hash=spec.digest,
        aggregate_root=aggregate.root(),
    )
