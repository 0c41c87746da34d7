"""Honest federations, made once: one by the real nodes, the others by the tests' player of all roles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport
from fedtrust.ledger.types import PayoutRule
from tests.audit.audit_fixtures import PlayedFederation, RoundPlayer
from tests.fixtures.arithmetic import arithmetic_of_programs
from tests.nodes.harness import InProcessFederation


@pytest.fixture(scope="module", autouse=True)
def arithmetic() -> Iterator[None]:
    with arithmetic_of_programs():
        yield


@pytest.fixture(scope="session")
def nodes() -> InProcessFederation:
    """Two settled rounds by the real nodes."""
    federation = InProcessFederation(rounds=2)
    federation.run()
    return federation


@pytest.fixture(scope="session")
def honest() -> PlayedFederation:
    """Three settled rounds, each of three drawn from four, with stakes, by reliability; some rewards claimed."""
    federation = PlayedFederation.make(
        participants_per_round=3, payout_rule=PayoutRule.RELIABILITY, participant_stake=5, aggregator_stake=7
    )
    for _ in range(3):
        RoundPlayer(federation).play()
    federation.ledger("trustee-0").claim("test")
    return federation


@pytest.fixture(scope="session")
def honest_report(honest: PlayedFederation) -> AuditReport:
    return audit_federation(honest.ledger("operator"), honest.artifacts)


@pytest.fixture
def empty() -> PlayedFederation:
    """A federation with everybody registered and no round yet."""
    return PlayedFederation.make()


@pytest.fixture
def player(empty: PlayedFederation) -> RoundPlayer:
    """An honest player of its first round."""
    return RoundPlayer(empty)


@pytest.fixture(scope="session")
def short() -> PlayedFederation:
    """Two settled rounds of three participants, of four, and three trustees; one reward claimed."""
    federation = PlayedFederation.make(participants_per_round=3, participant_stake=5)
    RoundPlayer(federation).play()
    RoundPlayer(federation).play()
    federation.ledger("trustee-0").claim("test")
    return federation
