"""The heart-disease example as the demo and ``fedtrust compare`` run it."""

from __future__ import annotations

from fedtrust.learning.baselines import Comparison, compare
from fedtrust.learning.heart import CLIP_NORM, HOSPITALS, MLP, ROUNDS, TRAINING, HeartDisease, LogisticRegression
from fedtrust.learning.training import initial_model
from fedtrust.nodes.settings import FederationSettings

HEART_TASKS: dict[str, type[HeartDisease]] = {"logistic": LogisticRegression, "mlp": MLP}


def heart_settings(rounds: int | None = None) -> FederationSettings:
    """Return the settings of the example: hyper-parameters chosen on other splits than those it reports."""
    return FederationSettings(
        rounds=ROUNDS if rounds is None else rounds,
        quorum=3,
        epochs=TRAINING.epochs,
        batch_size=TRAINING.batch_size,
        learning_rate=TRAINING.learning_rate,
        seed=TRAINING.seed,
        clip_norm=CLIP_NORM,
        value_range=CLIP_NORM,
    )


def hospital_tasks(kind: type[HeartDisease], split: int = 0) -> dict[str, HeartDisease]:
    """Return every hospital's task, by name, in the order in which they are registered."""
    return {hospital: kind.load(f"{hospital}@{split}") for hospital in HOSPITALS}


def compare_heart(kind: type[HeartDisease], settings: FederationSettings, split: int) -> Comparison:
    """Train federated, alone and pooled on one split."""
    return compare(
        hospital_tasks(kind, split),
        settings.rounds,
        settings.training,
        settings.layout(initial_model(kind, settings.seed).parameters, kind.metrics),
        clip_norm=settings.clip_norm,
        server_learning_rate=settings.server_learning_rate,
    )
