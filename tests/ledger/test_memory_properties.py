"""Random histories: the in-memory chain keeps its invariants, and a real contract decides every step alike."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.errors import ConfigurationError, LedgerError, RoundError, TransactionError
from fedtrust.ledger import events as ev
from fedtrust.ledger import memory_rounds
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.memory import MemoryChain, MemoryLedger
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    PayoutRule,
    Phase,
    PublishedKey,
    Role,
    RoundState,
    Status,
)
from tests.ledger.play import KEY, MEMBERS, ledger_of, open_round, prepare, to_finalized, transcripts
from tests.ledger.registered import members_of, registered_federation
from tests.ledger.worlds import (
    AGGREGATOR,
    CHALLENGER,
    OPERATOR,
    PARTICIPANTS,
    STANDBY,
    STRANGER,
    TRUSTEES,
    MemoryWorld,
    NodeWorld,
    World,
    raw,
    without_place,
)

ACTORS = (OPERATOR, AGGREGATOR, STANDBY, *PARTICIPANTS[:3], *TRUSTEES[:2], STRANGER, CHALLENGER)
STEP = 10_000  # seconds; far more than a test takes, so that a node's own clock decides nothing
CONFIG = DeploymentConfig(
    challenge_window=23 * STEP // 10,
    round_reward=1009,
    participant_basis_points=6999,
    aggregator_basis_points=1001,
    dispute_seconds=25 * STEP // 10,
    standby_seconds=15 * STEP // 10,
    max_round_seconds=20 * STEP,
    claim_seconds=30 * STEP,
    payout_rule=PayoutRule.RELIABILITY,
    participant_stake=101,
    trustee_stake=203,
    aggregator_stake=507,
    dispute_bond=33,
    challenger_reward_cap=120,
    max_missed=2,
)
SPEC = b"\x03" * 32
OVER = (Phase.SETTLED, Phase.ABORTED, Phase.VOIDED)


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
        roles = ((Role.AGGREGATOR, [AGGREGATOR, STANDBY]), (Role.PARTICIPANT, MEMBERS), (Role.TRUSTEE, TRUSTEES[:2]))
        members = [member for role, signers in roles for member in members_of(role, signers)]
        key = PublishedKey(b"\x02" * 32, 1, 2, KEY.modulus_hash)
        registered_federation(self.ledger(OPERATOR), ledger_of(self.world), members, key=key, pool=3000)

    def send(self, signer: LocalAccount, function: str, *arguments: object, value: int = 0) -> None:
        try:
            raw(self.ledger(signer), function, *arguments, value=value)
            self.outcomes.append(f"{function} accepted")
        except TransactionError as error:
            self.outcomes.append(f"{function} refused: {self.relative(str(error.got))}")

    def relative(self, text: str) -> str:
        """Times count from the start, so that two chains can be compared, to the step; hashes are of one chain."""
        moments = re.compile(r"\b1\d{9}\b")
        text = moments.sub(lambda found: f"t+{(int(found[0]) - self.start) // STEP}", text)
        return re.sub(r"DisputeNotAnnounced\(.*\)", "DisputeNotAnnounced", text)

    def moments(self, offsets: Sequence[int]) -> tuple[int, ...]:
        """Half a step off the moments that advance() reaches: no deadline is hit to the second by chance."""
        passed = self.ledger(OPERATOR).now() - self.start
        return tuple(self.start + passed // STEP * STEP + STEP // 2 + offset * STEP for offset in offsets)

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        draw, ledger = self.random, self.ledger(STRANGER)
        number = ledger.last_round()
        state = ledger.round(number) if number else None
        likely: dict[Phase, list[str]] = {
            Phase.COMMIT: ["commit", "commit", "commit", "relay", "close"],
            Phase.UPLOAD: ["aggregate", "aggregate", "take over", "advance"],
            Phase.DECRYPT: ["attest", "attest", "finalize", "finalize"],
            Phase.FINALIZED: ["open", "settle", "settle", "advance", "advance"],
        }
        choices = likely.get(state.phase, ["open", "settle"]) if state else ["open"]
        others = ["advance", "abort", "settle", "claim", "open", "attest", "fund", "expire", "challenge"]
        rare = ["revoke", "leave", "rotate", "release", "resume", "void", "withdraw", "equivocate", "expire reward"]
        action = draw.choice(4 * choices + others + [draw.choice(rare)])
        target = number if draw.random() < 0.9 else draw.randrange(number + 2)
        dispute = self.last_dispute()
        if action == "advance":
            self.world.advance(draw.choice([1, 2, 4]) * STEP)
        elif action == "open":
            self.open(number + draw.choice([1, 1, 1, 1, 0]))
        elif action == "commit":
            signer = draw.choice((*MEMBERS, *MEMBERS, AGGREGATOR))
            self.send(signer, "commitUpdate", target, draw.randbytes(32), draw.choice([5, 5, 5, 6]), SPEC)
        elif action == "relay":
            signers = draw.sample(MEMBERS, draw.randrange(1, 4))
            epoch = draw.choice([1, 1, 1, 1, 2])
            updates = tuple(self.signed(signer, target, epoch, draw.randbytes(32)) for signer in signers)
            self.send(STRANGER, "relayUpdates", target, updates)
        elif action == "close":
            self.send(STRANGER, "closeCommits", target)
        elif action == "take over":
            self.send(draw.choice([STANDBY, STANDBY, AGGREGATOR]), "takeOver", target)
        elif action == "aggregate":
            accepted = draw.choice([7, 7, state.committed if state else 0, 3, 1])
            self.send(self.runner(state), "commitAggregate", target, accepted, draw.randbytes(32))
        elif action == "attest":
            self.send(draw.choice([*TRUSTEES[:2], STRANGER]), "attest", target, draw.randbytes(32))
        elif action == "finalize":
            hashes = [draw.randbytes(32) if draw.random() < 0.95 else ZERO_HASH for _ in range(4)]
            self.send(self.runner(state), "finalizeRound", target, *hashes)
        elif action == "abort":
            self.send(STRANGER, "abortRound", target)
        elif action == "settle":
            self.send(STRANGER, "settleRound", target if draw.random() < 0.5 else draw.randrange(number + 1))
        elif action == "claim":
            self.send(draw.choice(ACTORS), "claim")
        elif action == "fund":
            amount = draw.randrange(500)
            self.send(STRANGER, "fundRewards", amount, value=amount)
        elif action == "expire reward":
            self.send(STRANGER, "expireReward", draw.choice(ACTORS).address)
        elif action == "challenge":
            self.challenge(target)
        elif action == "expire":
            self.send(STRANGER, "expire", dispute)
        elif action == "withdraw":
            self.send(STRANGER, "withdraw", draw.randrange(dispute + 1))
        elif action == "void":
            self.send(STRANGER, "voidDescendant", target)
        elif action == "equivocate":
            self.equivocate(target)
        elif action == "release":
            self.send(STRANGER, "releaseStake", draw.choice(ACTORS).address)
        elif action == "resume":
            self.send(draw.choice(MEMBERS), "resume")
        elif action == "rotate":
            signer = draw.choice(ACTORS)
            self.send(signer, "rotateIdentity", signer.address, draw.randbytes(40), SPEC)
        elif draw.random() < 0.3:
            signer = draw.choice(ACTORS[1:])
            if action == "leave":
                self.send(signer, "leaveFederation")
            else:
                self.send(OPERATOR, "revokeIdentity", signer.address)

    def open(self, number: int) -> None:
        draw, ledger = self.random, self.ledger(STRANGER)
        moments = self.moments(draw.choice([(2, 5, 8), (2, 5, 8), (5, 3, 8)]))
        base = ledger.current_model()
        base = base if any(base) and draw.random() < 0.9 else bytes([draw.randrange(1, 3)]) * 32
        quorum, drawn = draw.randrange(1, 4), ledger.draw().selected
        selected = draw.choice([drawn, drawn, drawn, 3, 8])
        signer = draw.choice([AGGREGATOR, AGGREGATOR, STANDBY, STRANGER])
        self.send(signer, "openRound", number, SPEC, base, selected, quorum, 5, moments)

    def runner(self, state: RoundState | None) -> LocalAccount:
        likely = STANDBY if state is not None and state.aggregator == STANDBY.address else AGGREGATOR
        return likely if self.random.random() < 0.9 else STRANGER

    def last_dispute(self) -> int:
        opened = (ev.AggregateChallenged, ev.AvailabilityChallenged)
        return max((event.dispute for event in self.ledger(STRANGER).events() if isinstance(event, opened)), default=0)

    def signed(self, signer: LocalAccount, number: int, epoch: int, root: bytes) -> tuple[str, bytes, bytes, bytes]:
        ledger = self.ledger(signer)
        message = UpdateMessage(number, SPEC, epoch, root, 5, SPEC)
        signature = sign_update(bytes(signer.key), ledger.chain_id, ledger.contract, message)
        return signer.address, root, SPEC, signature

    def challenge(self, number: int) -> None:
        """Demand the aggregate's ciphertext, or dispute it: nobody can answer for made-up roots."""
        ledger = self.ledger(CHALLENGER)
        salt = self.random.randbytes(32)
        leaf = self.random.randrange(6)
        if self.random.random() < 0.6:
            self.announce([("uint8", 1), ("uint256", number), ("uint32", leaf)], salt)
            self.send(CHALLENGER, "challengeAggregate", number, leaf, salt, value=33)
            return
        if not 1 <= number <= ledger.last_round():
            return
        committed = transcripts(ledger, number)[2]
        start = committed[-1] if committed else SPEC
        root = ledger.round(number).aggregate_root
        content = [("uint8", 3), ("uint256", number), ("address", ZERO_ADDRESS), ("uint32", leaf)]
        self.announce(content, salt)
        arguments = (number, ZERO_ADDRESS, leaf, start, (), root, salt)
        self.send(CHALLENGER, "challengeAvailability", *arguments, value=33)

    def equivocate(self, number: int) -> None:
        signer, salt = self.random.choice(MEMBERS), self.random.randbytes(32)
        messages = [self.signed(signer, number, 1, self.random.randbytes(32)) for _ in range(2)]
        signed = [(1, root, 5, proof_hash, signature) for _, root, proof_hash, signature in messages]
        self.announce([("uint8", 2), ("uint256", number), ("address", signer.address)], salt)
        self.send(CHALLENGER, "challengeEquivocation", number, signer.address, *signed, salt, value=33)

    def announce(self, content: list[tuple[str, object]], salt: bytes) -> None:
        digest = keccak(encode([kind for kind, _ in content], [value for _, value in content]))
        fields = [CHALLENGER.address, digest, salt]
        self.send(CHALLENGER, "announce", keccak(encode(["address", "bytes32", "bytes32"], fields)))


def check_invariants(ledger: Ledger, balance: int, seen: dict[int, Phase]) -> None:
    """What holds after every transaction, however absurd the history."""
    rounds = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
    claimable = sum(ledger.claimable(Address(signer.address)) for signer in ACTORS)
    reserved = sum(each.reward for each in rounds if each.phase not in OVER)
    bonds = CONFIG.dispute_bond * sum(ledger.open_disputes(each.number) for each in rounds)
    assert balance == ledger.reward_pool() + ledger.total_stake() + reserved + bonds + claimable
    assert ledger.total_stake() == sum(each.stake for each in ledger.identities())
    for state in rounds:
        ended = state.phase > Phase.DECRYPT
        assert seen.get(state.number, Phase.NONE) <= state.phase
        assert seen.get(state.number, Phase.NONE) not in OVER or seen[state.number] is state.phase
        seen[state.number] = state.phase
        assert state.committed & ~state.selected == 0
        assert state.accepted & ~state.committed == 0
        assert state.head == ledger.head(state.number)
        assert any(state.head) == ended
        # a settled round stands on settled ones, and what is voided is not the current model
        base = rounds[state.base_round - 1] if state.base_round else None
        if state.phase is Phase.SETTLED and base is not None:
            assert base.phase is Phase.SETTLED
        assert base is None or (base.model_hash == state.base_model_hash and base.number < state.number)
    standing = [each for each in rounds if each.phase in (Phase.FINALIZED, Phase.SETTLED)]
    voided = {each.number for each in rounds if each.phase is Phase.VOIDED}
    firm = [each for each in standing if not voided & set(lineage(rounds, each))]
    first = rounds[0].base_model_hash if rounds else ZERO_HASH
    assert ledger.current_model() == (firm[-1].model_hash if firm else first)
    # who is honest is never slashed: here only participants that signed twice and aggregators that hid something are
    for identity in ledger.identities(Role.TRUSTEE):
        assert identity.status is not Status.SLASHED
    assert [state.number for state in rounds if not any(state.head)] in ([], [len(rounds)])


def lineage(rounds: list[RoundState], state: RoundState) -> list[int]:
    """The rounds that this one builds on."""
    numbers = []
    while state.base_round:
        numbers.append(state.base_round)
        state = rounds[state.base_round - 1]
    return numbers


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_histories_keep_the_invariants(seed: int) -> None:
    world = MemoryWorld(CONFIG)
    player = Player(world, seed)
    player.prepare()
    ledger, seen = world.ledger(STRANGER), dict[int, Phase]()
    for _ in range(60):
        before = (ledger.events(), ledger.block_number(), world.balance(ledger.contract), ledger.identities())
        rounds = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
        count = len(player.outcomes)
        player.step()
        if len(player.outcomes) == count + 1 and "refused" in player.outcomes[-1]:
            # a refusal leaves no trace
            after = (ledger.events(), ledger.block_number(), world.balance(ledger.contract), ledger.identities())
            assert after == before
            assert [ledger.round(number) for number in range(1, ledger.last_round() + 1)] == rounds
        check_invariants(ledger, world.balance(ledger.contract), seen)


@pytest.mark.parametrize("seed", [19, 23, 35])
def test_contract_and_memory_chain_decide_alike(anvil: Devnet, seed: int) -> None:
    """The same random history on both: same acceptances, same reasons, same events, same state."""
    players = [Player(MemoryWorld(CONFIG), seed), Player(NodeWorld(anvil, CONFIG), seed)]
    for player in players:
        player.prepare()
        player.play(200)
    memory, node = players
    assert memory.outcomes == node.outcomes
    reached = " ".join(memory.outcomes)
    assert reached.count("accepted") >= 40
    assert reached.count("refused") >= 20
    assert "settleRound accepted" in reached
    events = [[without_place(event) for event in player.ledger(STRANGER).events()] for player in players]
    assert events[0] == events[1]
    for number in range(1, memory.ledger(STRANGER).last_round() + 1):
        states = [player.ledger(STRANGER).round(number) for player in players]
        facts: list[Any] = [
            (s.phase, s.committed, s.accepted, s.attested, s.reward, s.abort_reason, s.base_round, s.aggregator)
            for s in states
        ]
        assert facts[0] == facts[1]
    assert standing(memory.ledger(STRANGER)) == standing(node.ledger(STRANGER))
    check_invariants(node.ledger(STRANGER), node.world.balance(node.ledger(STRANGER).contract), {})


def standing(ledger: Ledger) -> dict[str, object]:
    """All that the views say, but for times and what follows from the contract's address."""
    places = [(role, index) for role in (Role.PARTICIPANT, Role.TRUSTEE, Role.AGGREGATOR) for index in range(4)]
    opened = (ev.AggregateChallenged, ev.AvailabilityChallenged)
    disputes = [ledger.dispute(event.dispute) for event in ledger.events() if isinstance(event, opened)]
    rewards = [ledger.claimable_reward(Address(signer.address)) for signer in ACTORS]
    return {
        "identities": [replace(each, release_at=bool(each.release_at)) for each in ledger.identities()],
        "reputations": [ledger.reputation(role, index) for role, index in places],
        "claimable": [ledger.claimable(Address(signer.address)) for signer in ACTORS],
        "rewards": [(amount, bool(expires_at)) for amount, expires_at in rewards],
        "money": (ledger.reward_pool(), ledger.total_stake()),
        "draw": (ledger.eligible(), ledger.draw().selected),
        "models": (ledger.current_model(), ledger.verdicts()),
        "disputes": [replace(each, deadline=0, transcript=ZERO_HASH) for each in disputes],
        "open disputes": [ledger.open_disputes(number + 1) for number in range(ledger.last_round())],
    }


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
        DeploymentConfig(challenge_window=0, round_reward=1 << 88)
    for other in (
        replace(CONFIG, asset=Address(STRANGER.address)),
        replace(CONFIG, predecessor=Address(STRANGER.address)),
    ):
        with pytest.raises(ConfigurationError):
            MemoryChain(other, Address(OPERATOR.address))


def test_so_many_rounds_wait_for_their_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_rounds, "MAXIMUM_UNSETTLED", 1)
    world = MemoryWorld()
    prepare(world)
    aggregator = to_finalized(world)
    with pytest.raises(TransactionError) as caught:
        open_round(aggregator, 2)
    assert caught.value.got == "RoundsUnsettled(1)"
    world.advance(600)
    aggregator.settle_round(1)
    open_round(aggregator, 2)


def test_an_old_beacon_rolls_forward() -> None:
    old = chain()
    ledger = MemoryLedger(old, Address(OPERATOR.address))
    for _ in range(255):
        old.mine()
    # in the next block, 257, the hash of the deployment's block 1 is known for the last time
    assert ledger.draw().beacon_block == 1
    old.mine()
    assert ledger.draw().beacon_block == 257
    assert ledger.draw().beacon == old.block(257).hash
    for _ in range(255):
        old.mine()
    assert ledger.draw().beacon_block == 257
    old.mine()
    assert ledger.draw().beacon_block == 513
