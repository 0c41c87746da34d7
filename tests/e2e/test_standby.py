"""The aggregator dies; the standby, a process of its own, goes on with the round or opens the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Phase, Role
from fedtrust.protocol.result import RoundResult
from fedtrust.store.artifacts import FolderStore
from tests.e2e.federation import Federation, federation
from tests.e2e.people import People

STANDBY_SECONDS = 200
"""Long enough for slow machines: chains' clocks go on while tests wait."""


@contextmanager
def _running(folder: Path, devnet: Devnet, people: People, **options: Any) -> Iterator[Federation]:
    rules = {"standby_seconds": STANDBY_SECONDS, "payout_rule": "reliability"}
    with federation(folder, devnet, people, standby=True, rules=rules, **options) as made:
        for name in made.aggregators:
            made.start_aggregator(name)
        made.start(*made.trustee_names, *made.hospitals)
        yield made


def _has_copied(made: Federation, number: int) -> bool:
    """Whether the standby has all that the round left behind: the first aggregator may then go for good."""
    store, state = FolderStore(made.folder / "standby" / "artifacts"), made.reader.round(number)
    if not store.has(state.result_hash):
        return False
    result = RoundResult.from_bytes(store.get(state.result_hash))
    named = (result.aggregate, result.plaintexts, result.proof, *result.updates.values(), *result.partials.values())
    return all(store.has(digest) for digest in (*named, state.spec_hash, state.base_model_hash, state.model_hash))


def test_a_standby_takes_over_in_the_middle_of_a_round(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with _running(tmp_path, anvil, people, rounds=2) as made:
        # the second participant has committed, and its update is not uploaded yet
        made.await_committed(1, 1)
        made.pause("hungary")
        made.await_event("cleveland", "Committed", round=1)
        if made.reader.round(1).committed != 0b11:
            made.resume("hungary")
        made.await_phase(1, Phase.UPLOAD)
        made.kill("aggregator")
        late = made.reader.round(1).deadlines.aggregate - made.reader.now() + 1
        anvil.increase_time(late)
        anvil.mine()
        made.resume("hungary")

        state = made.await_phase(1, Phase.FINALIZED, Phase.SETTLED)
        assert state.taken_over
        assert state.aggregator == people.account("standby")
        assert state.accepted == 0b11
        made.await_phase(2, Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT, Phase.FINALIZED, Phase.SETTLED)
        assert made.reader.round(2).aggregator == people.account("standby")  # whoever finishes a round opens the next

        # the dead one comes back, and finds that the others went on
        made.start_aggregator()
        made.await_event("standby", "Done")
        made.await_done()
        assert [s.phase for s in made.states()] == [Phase.SETTLED] * 2
        assert made.models() == made.simulated()
        assert made.reader.reputation(Role.AGGREGATOR, 0).missed == 1
        assert made.reader.reputation(Role.AGGREGATOR, 1).accepted == 2
        assert made.reader.claimable(people.account("aggregator")) == 0
        assert made.reader.claimable(people.account("standby")) == 2 * 10**16
        outcome = made.audit(made.urls["standby"], "--json")
        assert outcome.code == 0, outcome.out
        assert {"missed": 1, "accepted": 0}.items() <= made.status()["identities"][-2]["reputation"].items()


def test_a_standby_opens_the_next_round_when_nobody_else_does(tmp_path: Path, anvil: Devnet, people: People) -> None:
    rules = {"standby_seconds": STANDBY_SECONDS}
    with federation(tmp_path, anvil, people, standby=True, rules=rules, rounds=2) as made:
        # the first aggregator wants one round only; the standby, two
        one = tmp_path / "one.toml"
        one.write_text(replace(made.settings, rounds=1).to_toml())
        made.start("aggregator", settings=str(one))
        made.start("standby", *made.trustee_names, *made.hospitals)
        made.await_done()
        made.await_("the standby to copy the round", lambda: _has_copied(made, 1))
        made.kill("aggregator")
        assert made.reader.last_round() == 1
        turn = made.status()["turn"]
        assert (turn["round"], turn["aggregator"]) == (2, people.account("aggregator"))
        anvil.increase_time(STANDBY_SECONDS + 1)
        anvil.mine()
        made.await_event("standby", "Done")
        assert [s.phase for s in made.states()] == [Phase.SETTLED] * 2
        assert [s.aggregator for s in made.states()] == [people.account(name) for name in made.aggregators]
        assert made.models() == made.simulated()
        assert made.reader.reputation(Role.AGGREGATOR, 0).missed == 0
        outcome = made.audit(made.urls["standby"], "--json")
        assert outcome.code == 0, outcome.out
