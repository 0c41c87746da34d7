"""Two aggregators on one federation: when one dies, at whatever moment, the other goes on, and all are paid."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.errors import IdentityError
from fedtrust.ledger.types import AbortReason, Phase
from fedtrust.nodes.participant import RECEIPT
from fedtrust.protocol.aggregator import AggregatorState
from fedtrust.protocol.receipt import Receipt
from tests.nodes.expectations import simulated_models
from tests.nodes.misbehaving import Misbehaving

S = AggregatorState
PLAN = {"rounds": 2, "participants": 3, "trustees": 3}


def with_standby(**settings: int) -> Misbehaving:
    return Misbehaving(standby=True, **{**PLAN, **settings})


def in_state(federation: Misbehaving, state: AggregatorState, round: int = 1) -> Callable[[], bool]:
    machine = federation.aggregator.machine
    return lambda: machine.state is state and machine.round == round


def finish(federation: Misbehaving) -> None:
    """Run until the living aggregators are done, and check that nothing was lost by the change."""
    federation.run()
    assert federation.aggregators["standby"].machine.finalized == federation.settings.rounds


def ran(federation: Misbehaving) -> list[str]:
    """Return who ran each round at its end."""
    names = {federation.address(name): name for name in federation.aggregator_names}
    return [names[federation.chain.round(r).aggregator] for r in range(1, federation.chain.last_round() + 1)]


def test_while_the_first_lives_the_standby_only_follows() -> None:
    federation = with_standby()
    federation.run()
    assert ran(federation) == ["aggregator", "aggregator"]
    assert federation.models() == simulated_models(federation)
    standby = federation.disk("standby").store
    last = federation.aggregator.follower.history.rounds[2].finalized
    assert last is not None
    assert standby.has(last.model_hash), "a standby holds what it would need to go on"
    report = audit_federation(federation.ledger("operator"), standby)
    assert report.verified, [str(f) for f in report.failures]


@pytest.mark.parametrize("uploads", [0, 1, 2])
def test_the_first_dies_before_the_aggregate_and_the_standby_finishes_the_round(uploads: int) -> None:
    federation = with_standby()
    uploading = in_state(federation, S.UPLOAD)
    federation.until(lambda: uploading() and len(federation.aggregator.uploads(1)) == uploads)
    federation.dead.add("aggregator")
    finish(federation)
    assert ran(federation) == ["standby", "standby"]
    first = federation.chain.round(1)
    assert first.taken_over
    assert first.phase is Phase.SETTLED
    assert first.accepted.bit_count() == 3, "everybody handed its update in again"


def test_the_first_dies_before_commits_are_closed_and_the_standby_closes_and_takes_over() -> None:
    federation = with_standby()
    federation.until(in_state(federation, S.COMMIT))
    federation.dead.add("aggregator")
    finish(federation)
    assert ran(federation) == ["standby", "standby"]
    assert federation.chain.round(1).taken_over


def test_the_first_dies_before_it_finalises_and_the_standby_aborts_and_opens_the_next() -> None:
    federation = with_standby()
    federation.until(in_state(federation, S.DECRYPT))
    federation.dead.add("aggregator")
    finish(federation)
    assert ran(federation) == ["aggregator", "standby", "standby"]
    assert federation.chain.round(1).abort_reason is AbortReason.FINALIZE_DEADLINE_MISSED


def test_the_first_dies_after_it_finalised_and_the_standby_opens_the_next_from_its_model() -> None:
    federation = with_standby()
    federation.until(
        lambda: federation.chain.round(1).phase is Phase.FINALIZED if federation.chain.last_round() else False
    )
    while not federation.disk("standby").store.has(federation.chain.current_model()):
        federation.aggregators["standby"].step()
    federation.dead.add("aggregator")
    finish(federation)
    assert ran(federation) == ["aggregator", "standby"]
    assert federation.chain.round(2).base_round == 1


@pytest.mark.parametrize("crashed", [False, True])
def test_the_first_comes_back_and_follows(crashed: bool) -> None:
    federation = with_standby()
    federation.until(in_state(federation, S.UPLOAD))
    federation.dead.add("aggregator")
    federation.until(lambda: federation.chain.round(1).taken_over)
    federation.dead.clear()
    if crashed:
        federation.restart("aggregator")
    federation.run()
    assert ran(federation) == ["standby", "standby"]
    assert federation.aggregator.machine.finalized == 2
    report = audit_federation(federation.ledger("operator"), federation.artifacts)
    assert report.verified, [str(f) for f in report.failures]


def test_receipts_are_kept_and_name_the_aggregator_that_gave_them() -> None:
    federation = with_standby(rounds=1)
    federation.until(lambda: len(federation.aggregator.uploads(1)) == 2 if federation.chain.last_round() else False)
    federation.dead.add("aggregator")
    finish(federation)
    kept = {name: federation.disk(name).state.all(RECEIPT, 1) for name in federation.hospitals}
    for name, digests in kept.items():
        for account, digest in digests.items():
            receipt = Receipt.from_bytes(federation.disk(name).store.get(digest))
            receipt.verify()
            assert (receipt.aggregator, receipt.participant) == (account, federation.address(name))
        assert federation.address("standby") in digests
    assert sum(federation.address("aggregator") in digests for digests in kept.values()) in (1, 2)


def test_a_revoked_aggregator_stops_and_its_round_is_aborted_at_once() -> None:
    federation = with_standby()
    federation.until(in_state(federation, S.UPLOAD))
    federation.ledger("operator").revoke_identity(federation.address("aggregator"))
    with pytest.raises(IdentityError, match="revoked"):
        federation.aggregator.step()
    federation.dead.add("aggregator")
    finish(federation)
    assert federation.chain.round(1).abort_reason is AbortReason.AGGREGATOR_REMOVED
    assert ran(federation)[1:] == ["standby", "standby"]


def test_an_aggregator_that_leaves_finishes_its_round_and_the_standby_goes_on() -> None:
    federation = with_standby()
    federation.until(in_state(federation, S.UPLOAD))
    federation.ledger("aggregator").leave()
    finish(federation)
    assert ran(federation) == ["aggregator", "standby"]
    assert federation.aggregator.machine.done
