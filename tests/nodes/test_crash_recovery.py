"""Kill any node at any point of a run: what was committed is not lost, and the models are the same to the bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedtrust.audit.auditor import audit_federation
from tests.nodes.crashing import KillingFederation, Point, is_aggregator, is_participant, is_trustee
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.harness import InProcessFederation
from tests.nodes.misbehaving import SHORT

SMALL = {"rounds": 1, "participants": 2, "trustees": 3}


@pytest.mark.parametrize(
    ("victims", "at_least"),
    [(is_aggregator, 110), (is_participant, 100), (is_trustee, 120), (lambda name: True, 350)],
    ids=["aggregator", "participants", "trustees", "everybody"],
)
def test_killed_before_and_after_every_durable_act_of_two_rounds(victims: Callable[[str], bool], at_least: int) -> None:
    """Each point kills once, so each act is done, and done again, by a node that remembers only its disk."""
    federation = KillingFederation(victims, lambda point: True)
    federation.run()
    assert len(federation.reached) >= at_least
    assert federation.chain.last_round() == 2, "no round was lost"
    assert federation.models() == simulated_models(federation)
    require_audited(federation)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aggregator", "cleveland", "trustee-0"])
def test_killed_once_at_any_single_point(name: str) -> None:
    """One crash only, for every point that a run passes: nothing depends on a second crash to mend the first."""
    map_of_points = KillingFederation(lambda who: who == name, lambda point: True, **SMALL)
    map_of_points.run()
    expected = simulated_models(map_of_points)
    assert len(map_of_points.reached) > 12
    for point in map_of_points.reached:
        once = KillingFederation(lambda who: who == name, lambda p, chosen=point: p == chosen, **SMALL)  # type: ignore[misc]
        once.run()
        assert once.models() == expected, point
        assert once.chain.last_round() == 1, point


@pytest.mark.parametrize(
    ("victims", "at_least"),
    [(lambda name: name == "standby", 60), (is_participant, 25), (lambda name: True, 150)],
    ids=["standby", "participants", "everybody"],
)
def test_killed_at_every_durable_act_around_a_take_over(victims: Callable[[str], bool], at_least: int) -> None:
    """The first aggregator never comes back from the upload phase; the others die, and come back, all the time."""
    federation = KillingFederation(victims, lambda point: True, standby=True, **SMALL, **SHORT)
    while federation.aggregator.machine.state.name != "UPLOAD":
        federation.step()
    federation.dead.add("aggregator")
    federation.run()
    assert len(federation.reached) >= at_least
    assert federation.chain.last_round() == 1, "no round was lost"
    assert federation.chain.round(1).taken_over
    assert federation.models("standby") == simulated_models(federation)
    report = audit_federation(federation.ledger("operator"), federation.disk("standby").store)
    assert report.verified, [str(f) for f in report.failures]


class RestartedInEveryState(KillingFederation):
    """Starts the nodes of ``kind`` again whenever a step took one of them into a state it was not yet restarted in."""

    def __init__(self, kind: Callable[[str], bool]) -> None:
        super().__init__(lambda name: False, lambda point: False)
        self._kind = kind
        self.restarts: set[tuple[str, int, str]] = set()

    def step(self) -> bool:
        moved = super().step()
        for name in ("aggregator", *self.hospitals, *self.trustee_names):
            machine = self.node(name).machine
            here = (name, machine.round, machine.state.name)
            if self._kind(name) and here not in self.restarts and not self.aggregator.machine.done:
                self.restarts.add(here)
                self.restart(name)
                moved = True
        return moved


@pytest.mark.parametrize(
    ("kind", "states"),
    [(is_aggregator, 8), (is_participant, 20), (is_trustee, 20), (lambda name: True, 50)],
    ids=["aggregator", "participants", "trustees", "everybody"],
)
def test_started_again_after_every_step_that_led_somewhere(kind: Callable[[str], bool], states: int) -> None:
    federation = RestartedInEveryState(kind)
    federation.run()
    assert len(federation.restarts) >= states
    assert federation.chain.last_round() == 2
    assert federation.models() == simulated_models(federation)


def test_a_crash_far_apart_from_the_next_run_finds_a_round_in_progress() -> None:
    """Everybody stops in the middle of a round; hours later all start again: that round is lost, and only that one."""
    federation = InProcessFederation()
    while federation.aggregator.machine.state.name != "UPLOAD":
        federation.step()
    for name in ("aggregator", *federation.hospitals, *federation.trustee_names):
        federation.restart(name)
    federation.chain.advance(10_000)
    federation.run()
    rounds = federation.aggregator.follower.history.rounds
    assert rounds[1].aborted is not None
    assert sorted(rounds) == [1, 2, 3]
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


def test_points_are_told_apart() -> None:
    point: Point = ("aggregator", "1", "OPENING", "before ledger.open_round", "1")
    federation = KillingFederation(is_aggregator, lambda p: p == point)
    federation.run()
    assert federation.reached == [point]
