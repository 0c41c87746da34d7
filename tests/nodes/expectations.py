"""What a federation must give: the same training without keys, chain or network; and an audit without a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedtrust.audit.auditor import audit_federation
from fedtrust.learning.heart import LogisticRegression
from fedtrust.learning.simulation import simulate_federation
from fedtrust.protocol.training import participant_label
from tests.nodes.harness import InProcessFederation


def simulated_models(
    federation: InProcessFederation, accepted: Mapping[int, Sequence[str]] | None = None, *, rounds: int | None = None
) -> list[bytes]:
    """Return the model hashes that learning.simulation says; ``accepted`` names hospitals by round, none if aborted."""
    labels = {name: participant_label(index) for index, name in enumerate(federation.hospitals)}
    base, settings = federation.initial_model, federation.settings
    done = simulate_federation(
        {labels[name]: task for name, task in federation.tasks.items()},
        base,
        settings.rounds if rounds is None else rounds,
        settings.training,
        settings.layout(base.parameters, LogisticRegression.metrics),
        clip_norm=settings.clip_norm,
        server_learning_rate=settings.server_learning_rate,
        accepted=accepted and {r: [labels[n] for n in names] for r, names in accepted.items()},
    )
    return [r.model.digest for r in done]


def require_audited(federation: InProcessFederation) -> None:
    """Fail unless an auditor who was never there finds nothing."""
    report = audit_federation(federation.ledger("operator"), federation.artifacts)
    assert report.verified, [str(f) for f in report.failures]
