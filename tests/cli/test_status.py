"""``fedtrust status`` tells whose turn it is in every phase, and shows stakes, reputation and disputes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fedtrust.cli.output import console
from fedtrust.cli.status import describe, show
from fedtrust.ledger.types import Phase, Role
from tests.ledger import play
from tests.ledger.worlds import AGGREGATOR, CONFIG, OPERATOR, PARTICIPANTS, STANDBY, MemoryWorld, World


def opened() -> World:
    world = MemoryWorld()
    play.prepare(world)
    play.open_round(world.ledger(AGGREGATOR))
    return world


def turn(world: World) -> dict[str, Any]:
    body = describe(world.ledger(OPERATOR))
    json.dumps(body)  # nothing in it that JSON has no word for
    found: dict[str, Any] = body["turn"]
    return found


def past(world: World, deadline: Callable[[Any], int]) -> None:
    world.advance_past(deadline(world.ledger(OPERATOR).round(1).deadlines))


def test_before_the_first_round_anybody_may_open_it() -> None:
    world = MemoryWorld()
    play.prepare(world)
    assert turn(world)["text"] == "any aggregator may open round 1"


def test_whose_turn_it_is_within_a_round() -> None:
    world = opened()
    aggregator, standby = AGGREGATOR.address, STANDBY.address
    assert turn(world) == {
        "round": 1, "aggregator": aggregator, "until": None, "text": f"{aggregator} runs round 1"
    }  # fmt: skip
    for signer in play.MEMBERS[:2]:
        play.commit(world.ledger(signer))
    past(world, lambda d: d.commit)
    assert "anybody may close its commit phase" in turn(world)["text"]
    world.ledger(OPERATOR).close_commits(1)
    assert turn(world)["text"] == f"{aggregator} runs round 1"
    past(world, lambda d: d.aggregate)
    until = world.ledger(OPERATOR).round(1).deadlines.aggregate + CONFIG.standby_seconds
    assert turn(world)["until"] == until
    assert "another aggregator may take it over" in turn(world)["text"]
    world.ledger(STANDBY).take_over(1)
    assert turn(world)["text"] == f"{standby} runs round 1"
    past(world, lambda d: d.aggregate)
    assert "anybody may abort it" in turn(world)["text"]
    world.ledger(OPERATOR).abort_round(1)
    # it missed a deadline, so it has no first right to the next round
    assert turn(world) == {
        "round": 2, "aggregator": None, "until": None, "text": "any aggregator may open round 2"
    }  # fmt: skip
    rounds = describe(world.ledger(OPERATOR))["rounds"]
    assert (rounds[0]["taken_over"], rounds[0]["abort_reason"]) == (True, "aggregate_deadline_missed")


def test_who_ran_a_round_opens_the_next_for_a_while() -> None:
    world = opened()
    past(world, lambda d: d.commit)
    assert "anybody may abort it" in turn(world)["text"]
    world.ledger(OPERATOR).abort_round(1)
    found = turn(world)
    assert (found["round"], found["aggregator"]) == (2, AGGREGATOR.address)
    world.advance_past(found["until"])
    assert turn(world)["aggregator"] is None


def test_people_see_what_is_at_stake_and_what_everybody_did(capsys: Any) -> None:
    world = opened()
    play.commit(world.ledger(play.MEMBERS[0]))
    past(world, lambda d: d.commit)
    world.ledger(OPERATOR).abort_round(1)
    late = PARTICIPANTS[3]
    world.ledger(OPERATOR).admit_identity(play.address(late), Role.PARTICIPANT)
    world.ledger(PARTICIPANTS[1]).leave()
    body = describe(world.ledger(OPERATOR))
    by = {each["account"]: each for each in body["identities"]}
    assert by[late.address]["status"] == "admitted"
    assert by[PARTICIPANTS[1].address]["status"] == "leaving"
    assert by[PARTICIPANTS[1].address]["reputation"]["missed"] == 1
    assert by[PARTICIPANTS[0].address]["reputation"]["missed"] == 0
    assert body["total_stake"] == str(sum(int(each["stake"]) for each in body["identities"]))
    assert body["config"]["participant_stake"] == str(CONFIG.participant_stake)
    assert Phase[body["rounds"][0]["phase"].upper()] is Phase.ABORTED
    show(body, console())
    told = " ".join(capsys.readouterr().out.split())
    for words in ("stakes: participant", "disputes: bond", "next:", "leaving", "admitted", "commit_quorum_missed"):
        assert words in told
