"""RoundSpec: everything a round fixes before it starts, as canonical JSON; its sha-256 goes on chain (DESIGN 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fedtrust.crypto.encoding import canonical_json, parse_canonical_json, sha256, to_hex
from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import EncodingError, SpecError
from fedtrust.ledger.events import RoundOpened
from fedtrust.ledger.types import Address, Deadlines, PayoutRule
from fedtrust.protocol.contribution import VectorLayout
from fedtrust.protocol.fields import Fields, address
from fedtrust.protocol.training import TrainingParameters

SPEC_VERSION = 2
MINIMUM_PARTICIPANTS = 2
"""Fewer accepted updates than this would open a single participant's update; no quorum may be lower."""


@dataclass(frozen=True, slots=True)
class FederationId:
    """Which federation: the chain and the contract on it."""

    chain_id: int
    contract: Address

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"chain_id": self.chain_id, "contract": self.contract}

    @classmethod
    def from_fields(cls, fields: Fields) -> FederationId:
        """Read and end the JSON form."""
        value = cls(fields.integer("chain_id", 1), fields.address("contract"))
        fields.end()
        return value


@dataclass(frozen=True, slots=True)
class Privacy:
    """What bounds a participant's influence and adds noise. ``clip_norm`` is an L2 norm; ``noise`` is ``none``.

    Distributed noise is not offered yet; a spec that asks for any is refused rather than run without it.
    """

    clip_norm: float
    noise: str = "none"

    def __post_init__(self) -> None:
        """Raise SpecError on parameters this version cannot honour."""
        if not (math.isfinite(self.clip_norm) and self.clip_norm > 0):
            raise SpecError("privacy.clip_norm must be finite and positive", got=self.clip_norm)
        if self.noise != "none":
            raise SpecError("privacy.noise is not supported", expected="none", got=self.noise)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """The server's update rule and the participants' training."""

    name: str
    server_learning_rate: float
    training: TrainingParameters

    def __post_init__(self) -> None:
        """Raise SpecError on a rule this version does not have."""
        if self.name != "fedavg":
            raise SpecError("unknown algorithm", expected="fedavg", got=self.name)
        if not (math.isfinite(self.server_learning_rate) and self.server_learning_rate > 0):
            raise SpecError("server_learning_rate must be finite and positive", got=self.server_learning_rate)


@dataclass(frozen=True, slots=True)
class TaskReference:
    """The task everybody trains: its name and the sha-256 of its code."""

    name: str
    code: bytes


@dataclass(frozen=True, slots=True)
class Beacon:
    """What the selection was drawn from: the hash of ``block``."""

    block: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class RoundSpec:
    """All that is fixed when a round opens. See the module's docstring; field order is the reading order."""

    federation: FederationId
    round: int
    base_model: bytes
    algorithm: Algorithm
    task: TaskReference
    layout: VectorLayout
    key_id: bytes
    privacy: Privacy
    payout_rule: PayoutRule
    beacon: Beacon
    participants: tuple[Address, ...]
    quorum: int
    deadlines: Deadlines

    def __post_init__(self) -> None:
        """Raise SpecError if the parts contradict each other."""
        if self.round < 1:
            raise SpecError("round numbers start at 1", got=self.round)
        if len(set(self.participants)) != len(self.participants):
            raise SpecError("a participant is selected twice", got=self.participants)
        if not MINIMUM_PARTICIPANTS <= self.quorum <= len(self.participants):
            raise SpecError(
                "the quorum must be at least two and at most the number of selected participants",
                expected=f"{MINIMUM_PARTICIPANTS} to {len(self.participants)}",
                got=self.quorum,
                advice="with one participant the sum is its update; register more participants",
            )
        if len(self.participants) > self.layout.slots.max_participants:
            raise SpecError(
                "the layout's slots could overflow with that many participants",
                expected=f"at most {self.layout.slots.max_participants}",
                got=len(self.participants),
            )
        if self.privacy.clip_norm > self.layout.value_range:
            raise SpecError(
                "privacy.clip_norm exceeds layout.value_range: a clipped update could leave the layout",
                expected=f"at most {self.layout.value_range}",
                got=self.privacy.clip_norm,
            )
        if not self.deadlines.commit < self.deadlines.aggregate < self.deadlines.finalize:
            raise SpecError("deadlines must be strictly ascending", got=self.deadlines)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON (RFC 8785)."""
        return canonical_json(
            {
                "algorithm": {
                    "name": self.algorithm.name,
                    "server_learning_rate": self.algorithm.server_learning_rate,
                    "training": self.algorithm.training.to_json(),
                },
                "base_model": to_hex(self.base_model),
                "beacon": {"block": self.beacon.block, "hash": to_hex(self.beacon.hash)},
                "deadlines": {
                    "aggregate": self.deadlines.aggregate,
                    "commit": self.deadlines.commit,
                    "finalize": self.deadlines.finalize,
                },
                "federation": self.federation.to_json(),
                "key_id": to_hex(self.key_id),
                "layout": self.layout.to_json(),
                "participants": list(self.participants),
                "payout_rule": self.payout_rule.name.lower(),
                "privacy": {"clip_norm": self.privacy.clip_norm, "noise": self.privacy.noise},
                "quorum": self.quorum,
                "round": self.round,
                "task": {"code": to_hex(self.task.code), "name": self.task.name},
                "version": SPEC_VERSION,
            }
        )

    @property
    def digest(self) -> bytes:
        """The sha-256 of the canonical JSON: the spec hash on chain and the artifact's name."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> RoundSpec:
        """Parse canonical JSON strictly. Raises EncodingError or SpecError naming the field."""
        fields = Fields(parse_canonical_json(data, "round spec"), "round spec")
        fields.version(SPEC_VERSION)
        algorithm = fields.object("algorithm")
        training = algorithm.object("training")
        parameters = TrainingParameters(
            epochs=training.integer("epochs"),
            batch_size=training.integer("batch_size"),
            learning_rate=training.number("learning_rate"),
            seed=training.integer("seed"),
        )
        training.end()
        rule = Algorithm(algorithm.text("name"), algorithm.number("server_learning_rate"), parameters)
        algorithm.end()
        beacon = fields.object("beacon")
        drawn = Beacon(beacon.integer("block"), beacon.hash("hash"))
        beacon.end()
        times = fields.object("deadlines")
        deadlines = Deadlines(
            commit=times.integer("commit"), aggregate=times.integer("aggregate"), finalize=times.integer("finalize")
        )
        times.end()
        privacy = fields.object("privacy")
        bound = Privacy(privacy.number("clip_norm"), privacy.text("noise"))
        privacy.end()
        task = fields.object("task")
        reference = TaskReference(task.text("name"), task.hash("code"))
        task.end()
        spec = cls(
            federation=FederationId.from_fields(fields.object("federation")),
            round=fields.integer("round"),
            base_model=fields.hash("base_model"),
            algorithm=rule,
            task=reference,
            layout=_layout(fields.object("layout")),
            key_id=fields.hash("key_id"),
            privacy=bound,
            payout_rule=_payout_rule(fields.text("payout_rule")),
            beacon=drawn,
            participants=tuple(address(p, "round spec.participants") for p in fields.list("participants")),
            quorum=fields.integer("quorum"),
            deadlines=deadlines,
        )
        fields.end()
        return spec


def _payout_rule(name: str) -> PayoutRule:
    names = {rule.name.lower(): rule for rule in PayoutRule}
    if name not in names:
        raise SpecError("unknown payout rule", expected=" or ".join(names), got=name)
    return names[name]


def _layout(fields: Fields) -> VectorLayout:
    metrics: list[Any] = fields.list("metrics")
    if not all(isinstance(m, str) for m in metrics):
        raise EncodingError("round spec.layout.metrics must be strings", got=metrics)
    slots = fields.object("slots")
    layout = VectorLayout(
        parameters=fields.integer("parameters"),
        metrics=tuple(metrics),
        slots=SlotLayout(
            value_bits=slots.integer("value_bits"),
            weight_bits=slots.integer("weight_bits"),
            max_participants=slots.integer("max_participants"),
            noise_bits=slots.integer("noise_bits"),
            guard_bits=slots.integer("guard_bits"),
        ),
        value_range=fields.number("value_range"),
        metric_range=fields.number("metric_range"),
    )
    slots.end()
    fields.end()
    return layout


def verify_quorum(spec: RoundSpec, least: int) -> None:
    """Check that a round's quorum is not below what this node asks for. Raises SpecError.

    The aggregator chooses the quorum, and with K corrupt participants a sum of K + 1 updates is one honest update. So
    whoever reckons with K of them asks for K + 2 (docs/cryptography.md, section 11).
    """
    if spec.quorum < least:
        raise SpecError(
            f"round {spec.round}: the quorum is lower than this node accepts",
            expected=f"at least {least}",
            got=spec.quorum,
            advice="agree with the operator on a quorum; lower --minimum-quorum only if fewer may collude",
        )


def verify_spec(
    spec: RoundSpec,
    opened: RoundOpened,
    federation: FederationId,
    *,
    key_id: bytes,
    key_bits: int,
    payout_rule: PayoutRule,
) -> None:
    """Check a parsed spec against what the chain said when its round was opened. Raises SpecError naming the field.

    ``payout_rule`` is the contract's. A take-over moves deadlines; the spec names those of the opening.
    """
    checks: tuple[tuple[str, object, object], ...] = (
        ("spec hash", to_hex(opened.spec_hash), to_hex(spec.digest)),
        ("federation", federation, spec.federation),
        ("round", opened.round, spec.round),
        ("base model", to_hex(opened.base_model_hash), to_hex(spec.base_model)),
        ("key id", to_hex(key_id), to_hex(spec.key_id)),
        ("payout rule", payout_rule.name.lower(), spec.payout_rule.name.lower()),
        ("quorum", opened.quorum, spec.quorum),
        ("deadlines", opened.deadlines, spec.deadlines),
        ("number of ciphertexts", opened.ciphertexts, spec.layout.ciphertexts(key_bits)),
        ("number of participants", opened.selected.bit_count(), len(spec.participants)),
    )
    for name, on_chain, written in checks:
        if on_chain != written:
            raise SpecError(
                f"round {opened.round}: the spec's {name} is not the one on chain",
                expected=on_chain,
                got=written,
                advice="do not take part in this round; the aggregator published a spec it did not commit",
            )
