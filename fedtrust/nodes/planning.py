"""What an aggregator starts with, and the spec of a round that it plans from it."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import ConfigurationError
from fedtrust.ledger.types import Address, Deadlines, PayoutRule, PublishedKey
from fedtrust.nodes.settings import FederationSettings
from fedtrust.protocol.spec import Algorithm, Beacon, FederationId, Privacy, RoundSpec, TaskReference
from fedtrust.rules.model import Model


@dataclass(frozen=True, slots=True)
class AggregatorInputs:
    """What the operator hands the aggregator: the committee's key, the task, the model to start from."""

    manifest: KeyManifest
    task: TaskReference
    metrics: tuple[str, ...]
    initial_model: Model | None
    settings: FederationSettings


def plan_round(
    federation: FederationId,
    number: int,
    base: Model,
    inputs: AggregatorInputs,
    beacon: Beacon,
    participants: tuple[Address, ...],
    payout_rule: PayoutRule,
    now: int,
) -> RoundSpec:
    """Return the spec of round ``number`` from model ``base``, opened ``now`` for the drawn ``participants``."""
    settings = inputs.settings
    commit = now + settings.commit_seconds
    aggregate = commit + settings.aggregate_seconds
    return RoundSpec(
        federation=federation,
        round=number,
        base_model=base.digest,
        algorithm=Algorithm("fedavg", settings.server_learning_rate, settings.training),
        task=inputs.task,
        layout=settings.layout(base.parameters, inputs.metrics),
        key_id=inputs.manifest.key_id,
        privacy=Privacy(settings.clip_norm),
        payout_rule=payout_rule,
        beacon=beacon,
        participants=participants,
        quorum=settings.quorum,
        deadlines=Deadlines(commit, aggregate, aggregate + settings.finalize_seconds),
    )


def require_published(manifest: KeyManifest, published: PublishedKey | None) -> None:
    """Check that a verified manifest is what the operator published. Raises ConfigurationError."""
    if published is None or published.key_id != manifest.key_id:
        raise ConfigurationError(
            "the key manifest is not the one published on chain",
            expected=to_hex(published.key_id) if published else "a published key",
            got=to_hex(manifest.key_id),
            advice="use the manifest that the operator published, or publish this one with `fedtrust deploy`",
        )
    modulus_hash = manifest.public_key.modulus_hash
    if published.modulus_hash != modulus_hash:
        raise ConfigurationError(
            "the contract has another modulus than the key manifest: every honest aggregate would look wrong",
            expected=to_hex(modulus_hash),
            got=to_hex(published.modulus_hash),
            advice="do not take part; the operator has to deploy a new contract",
        )
