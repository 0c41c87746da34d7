"""Honest federations, made once: one by the real nodes, one by the test's player of all roles."""

from __future__ import annotations

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport
from tests.audit.audit_fixtures import RoundPlayer
from tests.nodes.harness import InProcessFederation


@pytest.fixture(scope="session")
def honest() -> InProcessFederation:
    """Three settled rounds by the real nodes, some of the rewards claimed."""
    federation = InProcessFederation(rounds=3)
    federation.run()
    federation.ledger("trustee-0").claim("test")
    return federation


@pytest.fixture(scope="session")
def honest_report(honest: InProcessFederation) -> AuditReport:
    return audit_federation(honest.ledger("operator"), honest.artifacts)


@pytest.fixture
def empty() -> InProcessFederation:
    """A federation with everybody registered and no round yet."""
    return InProcessFederation()


@pytest.fixture
def player(empty: InProcessFederation) -> RoundPlayer:
    """An honest player of its first round."""
    return RoundPlayer(empty)


@pytest.fixture(scope="session")
def short() -> InProcessFederation:
    """Two settled rounds of three participants and three trustees, by the player of all roles; one reward claimed."""
    federation = InProcessFederation(participants=3)
    RoundPlayer(federation).play()
    RoundPlayer(federation).play()
    federation.ledger("trustee-0").claim("test")
    return federation
