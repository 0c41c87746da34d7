"""Random histories: the in-memory chain keeps its invariants, and a real contract decides every step alike."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.errors import ConfigurationError, LedgerError, RoundError, TransactionError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.events import RewardClaimed, RewardsFunded
from fedtrust.ledger.heads import round_head
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.memory import MemoryChain, MemoryLedger
from fedtrust.ledger.types import ZERO_HASH, Address, Phase, Role
from tests.ledger.worlds import (
    AGGREGATOR,
    OPERATOR,
    PARTICIPANTS,
    STRANGER,
    TRUSTEES,
    MemoryWorld,
    NodeWorld,
    World,
    raw,
    without_place,
)

ACTORS = (OPERATOR, AGGREGATOR, *PARTICIPANTS[:3], *TRUSTEES[:2], STRANGER)
CONFIG = DeploymentConfig(
    challenge_window=130, round_reward=1009, participant_basis_points=6999, aggregator_basis_points=1001
)
STEP = 100  # seconds; far more than a test takes, so that a node's own clock decides nothing


class Player:
    """Draws one random transaction after the other, many of them sensible, some of them not."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.start = world.ledger(OPERATOR).now()
        self.outcomes: list[str] = []

    def ledger(self, signer: LocalAccount) -> Ledger:
        return self.world.ledger(signer)

    def prepare(self) -> None:
        operator = self.ledger(OPERATOR)
        members = [(AGGREGATOR, Role.AGGREGATOR)]
        members += [(signer, Role.PARTICIPANT) for signer in PARTICIPANTS[:3]]
        members += [(signer, Role.TRUSTEE) for signer in TRUSTEES[:2]]
        for signer, role in members:
            self.send(OPERATOR, "registerIdentity", signer.address, int(role), signer.key, b"\x01" * 32)
        self.send(OPERATOR, "publishKey", b"\x02" * 32, 1, 2)
        operator.fund_rewards(3000, "start")

    def send(self, signer: LocalAccount, function: str, *arguments: object, value: int = 0) -> None:
        try:
            raw(self.ledger(signer), function, *arguments, value=value)
            self.outcomes.append(f"{function} accepted")
        except TransactionError as error:
            self.outcomes.append(f"{function} refused: {self.relative(str(error.got))}")

    def relative(self, text: str) -> str:
        """Times count from the start, so that two chains can be compared, to the step."""
        moments = re.compile(r"\b1\d{9}\b")
        return moments.sub(lambda found: f"t+{(int(found[0]) - self.start) // STEP}", text)

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        draw, ledger = self.random, self.ledger(STRANGER)
        number = ledger.last_round()
        state = ledger.round(number) if number else None
        likely: dict[Phase, list[str]] = {
            Phase.COMMIT: ["commit", "commit", "commit", "close"],
            Phase.UPLOAD: ["aggregate"],
            Phase.DECRYPT: ["attest", "finalize"],
        }
        choices = likely.get(state.phase, ["open", "settle"]) if state else ["open"]
        choices = 3 * choices + ["advance", "abort", "settle", "claim", "open", "attest", "fund", "revoke"]
        action = draw.choice(choices)
        target = number if draw.random() < 0.9 else draw.randrange(number + 2)
        if action == "advance":
            self.world.advance(draw.choice([1, 2, 4]) * STEP)
        elif action == "open":
            # half a step off the moments that advance() reaches: no deadline is hit to the second by chance
            passed = self.ledger(OPERATOR).now() - self.start
            now = self.start + passed // STEP * STEP + STEP // 2
            offsets = draw.choice([(2, 5, 8), (2, 5, 8), (5, 3, 8)])
            moments = tuple(now + offset * STEP for offset in offsets)
            base = ledger.current_model()
            base = base if any(base) and draw.random() < 0.9 else bytes([draw.randrange(2)]) * 32
            quorum, selected = draw.randrange(1, 4), draw.choice([7, 7, 7, 3, 5, 8, 0])
            signer = draw.choice([AGGREGATOR, AGGREGATOR, AGGREGATOR, STRANGER])
            number += draw.choice([1, 1, 1, 1, 0])
            self.send(signer, "openRound", number, b"\x03" * 32, base, selected, quorum, 5, moments)
        elif action == "commit":
            signer = draw.choice(ACTORS[2:6])
            self.send(signer, "commitUpdate", target, draw.randbytes(32), draw.choice([5, 5, 5, 6]), ZERO_HASH)
        elif action == "close":
            self.send(STRANGER, "closeCommits", target)
        elif action == "aggregate":
            accepted = draw.choice([7, 7, state.committed if state else 0, 3, 1])
            self.send(AGGREGATOR, "commitAggregate", target, accepted, draw.randbytes(32))
        elif action == "attest":
            self.send(draw.choice([*TRUSTEES[:2], STRANGER]), "attest", target, draw.randbytes(32))
        elif action == "finalize":
            hashes = [draw.randbytes(32) if draw.random() < 0.95 else ZERO_HASH for _ in range(4)]
            self.send(AGGREGATOR, "finalizeRound", target, *hashes)
        elif action == "abort":
            self.send(STRANGER, "abortRound", target)
        elif action == "settle":
            self.send(STRANGER, "settleRound", target)
        elif action == "claim":
            self.send(draw.choice(ACTORS), "claim")
        elif action == "fund":
            self.send(STRANGER, "fundRewards", value=draw.randrange(500))
        elif draw.random() < 0.1:
            self.send(OPERATOR, "revokeIdentity", draw.choice(ACTORS[1:]).address)


def check_invariants(ledger: Ledger, balance: int, seen: dict[int, Phase]) -> None:
    """What holds after every transaction, however absurd the history."""
    rounds = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
    claimable = sum(ledger.claimable(Address(signer.address)) for signer in ACTORS)
    reserved = sum(each.reward for each in rounds if each.phase not in (Phase.SETTLED, Phase.ABORTED))
    events = ledger.events()
    paid_in = sum(event.amount for event in events if isinstance(event, RewardsFunded))
    paid_out = sum(event.amount for event in events if isinstance(event, RewardClaimed))
    assert balance == paid_in - paid_out == ledger.reward_pool() + reserved + claimable
    for state in rounds:
        ended = state.phase in (Phase.FINALIZED, Phase.SETTLED, Phase.ABORTED)
        assert seen.get(state.number, Phase.NONE) <= state.phase
        seen[state.number] = state.phase
        assert state.committed & ~state.selected == 0
        assert state.accepted & ~state.committed == 0
        assert state.head == ledger.head(state.number)
        assert any(state.head) == ended
        if ended:
            previous = ledger.head(state.number - 1)
            assert state.head == round_head(ledger.chain_id, ledger.contract, previous, state)
    assert [state.number for state in rounds if not any(state.head)] in ([], [len(rounds)])


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_histories_keep_the_invariants(seed: int) -> None:
    world = MemoryWorld(CONFIG)
    player = Player(world, seed)
    player.prepare()
    ledger, seen = world.ledger(STRANGER), dict[int, Phase]()
    for _ in range(60):
        before = (ledger.events(), ledger.block_number(), world.balance(ledger.contract))
        rounds = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
        count = len(player.outcomes)
        player.step()
        if len(player.outcomes) > count and "refused" in player.outcomes[-1]:
            # a refusal leaves no trace
            assert (ledger.events(), ledger.block_number(), world.balance(ledger.contract)) == before
            assert [ledger.round(number) for number in range(1, ledger.last_round() + 1)] == rounds
        check_invariants(ledger, world.balance(ledger.contract), seen)


@pytest.mark.parametrize("seed", [6, 7, 20])
def test_contract_and_memory_chain_decide_alike(anvil: Devnet, seed: int) -> None:
    """The same random history on both: same acceptances, same reasons, same events, same state."""
    players = [Player(MemoryWorld(CONFIG), seed), Player(NodeWorld(anvil, CONFIG), seed)]
    for player in players:
        player.prepare()
        player.play(160)
    memory, node = players
    assert memory.outcomes == node.outcomes
    reached = " ".join(memory.outcomes)
    assert reached.count("accepted") >= 40
    assert reached.count("refused") >= 20
    assert "finalizeRound accepted" in reached
    events = [[without_place(event) for event in player.ledger(STRANGER).events()] for player in players]
    assert events[0] == events[1]
    for number in range(1, memory.ledger(STRANGER).last_round() + 1):
        states = [player.ledger(STRANGER).round(number) for player in players]
        facts: list[Any] = [
            (s.phase, s.committed, s.accepted, s.attested, s.reward, s.abort_reason, s.commitments_hash) for s in states
        ]
        assert facts[0] == facts[1]
    check_invariants(node.ledger(STRANGER), node.world.balance(node.ledger(STRANGER).contract), {})


# ---------------------------------------------------------------------------------------------- the chain in memory


def chain(**options: Any) -> MemoryChain:
    return MemoryChain(CONFIG, Address(OPERATOR.address), **options)


def test_clock_moves_only_when_told_to() -> None:
    still = chain(timestamp=1000)
    assert (still.now(), still.block_number()) == (1000, 1)
    still.advance(5)
    assert (still.now(), still.block_number()) == (1005, 1)
    assert still.mine().timestamp == 1005
    with pytest.raises(ConfigurationError):
        still.advance(-1)


def test_clock_from_outside_never_goes_back() -> None:
    moments = [500]
    following = chain(timestamp=100, clock=lambda: moments[0])
    assert following.now() == 500
    assert following.mine().timestamp == 500
    moments[0] = 400
    assert following.now() == 500
    moments[0] = 700
    assert following.now() == 700


def test_history_repeats_to_the_bit() -> None:
    chains = [chain(), chain()]
    for each in chains:
        ledger = MemoryLedger(each, Address(OPERATOR.address))
        ledger.fund_rewards(5, "gift")
        each.mine()
    assert chains[0].events() == chains[1].events()
    assert chains[0].block(3) == chains[1].block(3)
    assert chain(chain_id=5).contract != chains[0].contract
    with pytest.raises(LedgerError):
        chains[0].block(4)
    with pytest.raises(RoundError):
        chains[0].round(1)


def test_account_cannot_pay_what_it_does_not_have() -> None:
    poor = chain()
    ledger = MemoryLedger(poor, Address(STRANGER.address))
    with pytest.raises(TransactionError):
        ledger.fund_rewards(10_000 * 10**18 + 1, "too much")
    ledger.fund_rewards(10_000 * 10**18, "all of it")
    assert poor.balance(Address(STRANGER.address)) == 0
    assert poor.balance(poor.contract) == 10_000 * 10**18


def test_contract_needs_an_owner_and_sane_shares() -> None:
    with pytest.raises(ConfigurationError):
        MemoryChain(CONFIG, Address("0x" + "00" * 20))
    with pytest.raises(ConfigurationError):
        DeploymentConfig(challenge_window=0, round_reward=0, participant_basis_points=7001)
    with pytest.raises(ConfigurationError):
        DeploymentConfig(challenge_window=-1, round_reward=0)
    with pytest.raises(ConfigurationError):
        DeploymentConfig(challenge_window=0, round_reward=1 << 128)
