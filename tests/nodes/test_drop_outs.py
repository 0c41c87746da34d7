"""Somebody is missing at each step: the round goes on with the others, or is aborted, and the next one is fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedtrust.errors import IdentityError, PeerRefusedError, PeerUnreachableError, RpcUnreachableError
from fedtrust.ledger.types import Address, Role
from fedtrust.protocol.receipt import Receipt
from tests.ledger.registered import Member, register_members
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.harness import InProcessFederation
from tests.nodes.misbehaving import Misbehaving, Overriding, honest, lying

ALL = ("cleveland", "hungary", "switzerland", "va")


class AsleepUntilRound2(Misbehaving):
    """Some nodes are away from the start, or from a state on, until round 2 is open."""

    def __init__(self, names: set[str], state: str | None = None, **settings: int) -> None:
        def asleep(name: str, machine: Any) -> bool:
            away = self.chain.last_round() < 2 and name in names
            return away and (state is None or machine.state.name == state)

        super().__init__(asleep=asleep, **settings)


def test_the_models_are_those_of_the_simulation_bit_for_bit() -> None:
    federation = InProcessFederation(rounds=3)
    federation.run()
    assert federation.models() == simulated_models(federation)
    require_audited(federation)


@pytest.mark.parametrize("state", [None, "COMMITTING", "UPLOADING"])
@pytest.mark.parametrize("missing", [("hungary",), ("cleveland", "va")], ids=["one", "two"])
def test_participants_missing_at_any_step_are_left_out(state: str | None, missing: tuple[str, ...]) -> None:
    federation = AsleepUntilRound2(set(missing), state)
    federation.run()
    there = tuple(name for name in ALL if name not in missing)
    assert federation.accepted(1) == there
    assert federation.accepted(2) == ALL
    assert federation.models() == simulated_models(federation, {1: there, 2: ALL})
    require_audited(federation)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "COMMIT_QUORUM_MISSED"),
        ("COMMITTING", "COMMIT_QUORUM_MISSED"),
        ("UPLOADING", "AGGREGATE_DEADLINE_MISSED"),
    ],
)
def test_too_few_participants_cost_one_round(state: str | None, reason: str) -> None:
    federation = AsleepUntilRound2({"cleveland", "hungary", "va"}, state)
    federation.run()
    assert federation.outcome(1) == reason
    assert [federation.outcome(n) for n in (2, 3)] == ["finalized"] * 2
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


def test_it_gives_up_when_nobody_ever_comes() -> None:
    federation = Misbehaving(asleep=lambda name, machine: name in ALL, max_aborts=2)
    with pytest.raises(Exception, match="2 rounds in a row were aborted"):
        federation.run()
    federation.restart("aggregator")
    federation._asleep = lambda name, machine: False
    federation.run()
    assert [federation.outcome(n) for n in (1, 2, 3, 4)] == ["COMMIT_QUORUM_MISSED"] * 2 + ["finalized"] * 2


def test_a_round_waits_until_enough_participants_are_registered() -> None:
    federation = Misbehaving(participants=3, quorum=4)
    for _ in range(5):
        federation.step()
    assert federation.chain.last_round() == 0
    operator = InProcessFederation.ledger(federation, "operator")
    ledger = InProcessFederation.ledger(federation, "va")
    register_members(operator, lambda _: ledger, [Member(federation.address("va"), Role.PARTICIPANT)])
    federation.until(lambda: federation.chain.last_round() == 1)
    assert federation.chain.round(1).selected == 0b1111


def test_revoked_participants_are_not_selected() -> None:
    federation = Misbehaving(rounds=1)
    operator = InProcessFederation.ledger(federation, "operator")
    operator.revoke_identity(federation.address("hungary"))
    with pytest.raises(IdentityError, match="is revoked"):
        federation.participants["hungary"].step()
    federation.dead.add("hungary")
    federation.run()
    assert federation.accepted(1) == ("cleveland", "switzerland", "va")
    require_audited(federation)


def test_a_draw_of_some_leaves_the_others_idle() -> None:
    federation = Misbehaving(rounds=3, rules={"participants_per_round": 2})
    federation.run()
    drawn = {n: federation.accepted(n) for n in (1, 2, 3)}
    assert all(len(names) == 2 for names in drawn.values())
    assert federation.models() == simulated_models(federation, drawn)
    require_audited(federation)


# trustees


@pytest.mark.parametrize("state", [None, "ATTESTING"])
@pytest.mark.parametrize("count", [1, 2])
def test_missing_trustees_up_to_the_threshold_are_not_needed(state: str | None, count: int) -> None:
    federation = AsleepUntilRound2({f"trustee-{i}" for i in range(count)}, state)
    federation.run()
    assert federation.outcome(1) == "finalized"
    assert federation.models() == simulated_models(federation)
    require_audited(federation)


@pytest.mark.parametrize("state", [None, "ATTESTING", "SENDING"])
def test_too_few_trustees_cost_one_round(state: str | None) -> None:
    away = {"trustee-0", "trustee-2", "trustee-4"}
    if state == "SENDING":
        # they attest and are never heard of again in that round

        def silent(client: Any) -> Any:
            def upload(round: int, data: bytes) -> None:
                if round == 1:
                    raise PeerUnreachableError("no route")
                client.upload_partial(round, data)

            return Overriding(client, upload_partial=upload)

        federation: Misbehaving = Misbehaving(lines=dict.fromkeys(away, silent))
    else:
        federation = AsleepUntilRound2(away, state)
    federation.run()
    assert federation.chain.round(1).attested.bit_count() == (5 if state == "SENDING" else 2)
    assert federation.outcome(1) == "FINALIZE_DEADLINE_MISSED"
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


def test_liars_do_not_count_and_the_aggregator_waits_for_others() -> None:
    """Two liars are first: with one honest trustee beside them there is no threshold until another one comes."""
    federation = Misbehaving(
        rounds=1, asleep=lambda name, machine: name in late and federation.chain.now() < start + 12
    )
    late = {"trustee-3", "trustee-4"}
    start = federation.chain.now()
    for name in ("trustee-0", "trustee-1"):
        lying(federation.trustees[name])
    federation.run()
    assert federation.outcome(1) == "finalized"
    assert federation.models() == simulated_models(federation)


def test_wrong_partials_of_a_majority_cost_one_round() -> None:
    federation = Misbehaving()
    liars = [federation.trustees[f"trustee-{i}"] for i in (0, 2, 4)]
    for node in liars:
        lying(node)
    federation.until(lambda: federation.chain.last_round() == 2)
    assert federation.outcome(1) == "FINALIZE_DEADLINE_MISSED"
    for node in liars:
        honest(node)
    federation.run()
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


# the lines between them


class Cut:
    """Requests fail ``times`` before they go through."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self._error = times, error

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*arguments: Any, **named: Any) -> Any:
            if self.left:
                self.left -= 1
                raise self._error
            return function(*arguments, **named)

        return attempt


def test_a_line_that_is_down_for_a_while_costs_nothing() -> None:
    cut = Cut(7, PeerUnreachableError("no route"))

    def line(client: Any) -> Any:
        return Overriding(client, upload_update=cut.around(client.upload_update))

    federation = Misbehaving(rounds=1, lines={"va": line})
    federation.run()
    assert cut.left == 0
    assert federation.accepted(1) == ALL


def test_a_chain_that_cannot_be_reached_for_a_while_costs_nothing() -> None:
    cuts: dict[str, Cut] = {}

    def chain(name: str, write: str) -> Callable[[Any], Any]:
        cuts[name] = Cut(4, RpcUnreachableError("no endpoint"))
        return lambda ledger: Overriding(ledger, **{write: cuts[name].around(getattr(ledger, write))})

    federation = Misbehaving(
        rounds=1,
        chains={
            "aggregator": chain("aggregator", "commit_aggregate"),
            "va": chain("va", "commit_update"),
            "trustee-1": chain("trustee-1", "attest"),
        },
        trustee_grace=5,
    )
    federation.run()
    assert [cut.left for cut in cuts.values()] == [0, 0, 0]
    assert federation.accepted(1) == ALL
    assert federation.chain.round(1).attested == 0b11111


def test_a_participant_whose_upload_is_refused_sits_out_that_round_only() -> None:
    def garbage(client: Any) -> Any:
        def upload(round: int, data: bytes) -> Receipt:
            return client.upload_update(round, data[:-1] + bytes([data[-1] ^ 1]) if round == 1 else data)

        return Overriding(client, upload_update=upload)

    federation = Misbehaving(lines={"hungary": garbage})
    federation.until(lambda: federation.chain.last_round() == 2)
    assert isinstance(federation.refusal("hungary"), PeerRefusedError)
    federation.run()
    others = ("cleveland", "switzerland", "va")
    assert (federation.accepted(1), federation.accepted(2)) == (others, ALL)
    assert federation.models() == simulated_models(federation, {1: others, 2: ALL})


def test_everybody_is_paid_for_the_rounds_they_were_in() -> None:
    federation = AsleepUntilRound2({"hungary", "trustee-4"})
    federation.run()

    def claimable(name: str) -> int:
        return InProcessFederation.ledger(federation, name).claimable(Address(federation.address(name)))

    assert claimable("cleveland") > claimable("hungary") > 0
    assert claimable("trustee-0") > claimable("trustee-4") > 0
    assert claimable("aggregator") > 0
