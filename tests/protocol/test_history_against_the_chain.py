"""What is folded from events alone is what the contract holds, after any random history of calls."""

from __future__ import annotations

import pytest

from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.types import ZERO_HASH, Phase
from fedtrust.protocol.aggregator import AggregatorMachine, AggregatorPlan
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.machine import Clock
from tests.ledger.test_memory_properties import CONFIG, Player
from tests.ledger.worlds import AGGREGATOR, STRANGER, MemoryWorld


@pytest.mark.parametrize("seed", range(12))
def test_the_history_of_random_calls_is_what_the_contract_holds(seed: int) -> None:
    world = MemoryWorld(CONFIG)
    player, ledger = Player(world, seed), world.ledger(STRANGER)
    player.prepare()
    player.play(150)
    config, events = ledger.config(), ledger.events()
    history = FederationHistory(events, deployed_block=config.deployed_block)
    assert history.identities() == ledger.identities()
    assert history.registry.eligible == ledger.eligible()
    assert history.verdicts == ledger.verdicts()
    for identity in history.identities():
        assert ledger.identity(identity.account) == identity
    assert len(history.rounds) == ledger.last_round()
    for number, seen in history.rounds.items():
        state = ledger.round(number)
        assert (seen.aggregator, seen.deadlines) == (state.aggregator, state.deadlines)
        assert seen.bitmap(list(seen.commitments)) & ~state.selected == 0
        assert len(seen.commitments) == state.committed.bit_count()
        assert (seen.voided is not None) == (state.phase is Phase.VOIDED)
        assert (seen.ended is None) == (state.phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT))
        beacon = ledger.block_hash(history.beacon_block(number))
        assert draw_indices(beacon, number, seen.eligible, config.participants_per_round) == state.selected
        if history.doomed(number) and state.phase is Phase.FINALIZED:
            assert number != history.model_round
    model = history.model_round
    assert ledger.current_model() == (ledger.round(model).model_hash if model else _first_model(history))


def _first_model(history: FederationHistory) -> bytes:
    return history.rounds[1].opened.base_model_hash if history.rounds else ZERO_HASH


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("standby", [False, True])
def test_an_aggregators_machine_lives_through_any_history(seed: int, standby: bool) -> None:
    """It never stumbles, never wants two things of one round at once, and settles nothing that is voided."""
    world = MemoryWorld(CONFIG)
    player, ledger = Player(world, seed), world.ledger(STRANGER)
    player.prepare()
    player.play(120)
    plan = AggregatorPlan(rounds=3, threshold=1, trustees=2, max_aborts=10**6, standby=standby)
    machine = AggregatorMachine(world.ledger(AGGREGATOR).account, plan)
    for event in ledger.events():
        machine.handle(event)
        machine.handle(Clock(event.timestamp))
        command, chores = machine.command, machine.chores
        assert command is None or command.round in (machine.round, machine.round + 1)
        assert len(set(chores)) == len(chores)
        for chore in chores:
            assert machine.history.rounds[chore.round].voided is None
    machine.handle(Clock(ledger.now() + 10**6))
    assert machine.round == ledger.last_round()
