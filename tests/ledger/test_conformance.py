"""One suite for every implementation of ``Ledger``: the in-memory chain, Anvil, Hardhat. Here: rounds and reading."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from eth_account.signers.local import LocalAccount

from fedtrust.crypto.merkle import merkle_root
from fedtrust.errors import ConfigurationError, LedgerError, RoundError, TransactionError
from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
    round_head,
)
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    PayoutRule,
    Phase,
    PublishedKey,
    RelayedUpdate,
    Reputation,
    Role,
    RoundState,
    Status,
    bitmap_of,
)
from tests.ledger.play import (
    ALL,
    CIPHERTEXTS,
    KEY,
    MEMBERS,
    POOL,
    address,
    aggregate,
    check_conservation,
    commit,
    digest,
    finalize,
    open_round,
    prepare,
    refused,
    register,
    root_of,
    signed,
    to_decrypt,
    to_finalized,
    to_upload,
)
from tests.ledger.registered import certificate_of, sealing_key_of
from tests.ledger.worlds import (
    AGGREGATOR,
    CONFIG,
    OPERATOR,
    PARTICIPANTS,
    STANDBY,
    STRANGER,
    TRUSTEES,
    MemoryWorld,
    World,
    deadlines_from,
    raw,
    without_place,
)

LATE = PARTICIPANTS[3]
"""A participant that nobody registers, unless a test does."""


def check_head(ledger: Ledger, number: int) -> RoundState:
    """Transcript, aggregate hash, verdicts and head follow from the events."""
    state = ledger.round(number)
    assert state.head == ledger.head(number)
    transcript = committed = verdicts = at_the_end = ZERO_HASH
    for event in ledger.events():
        if isinstance(event, ev.RoundVoided):
            verdicts = event.verdicts
        if getattr(event, "round", None) != number:
            continue
        if isinstance(event, ev.RoundOpened):
            transcript = opening_transcript(ledger.chain_id, ledger.contract, ledger.head(number - 1), event)
        elif isinstance(event, ev.UpdateCommitted):
            transcript = commitment_transcript(transcript, event.participant, event.root, event.proof_hash)
            committed = transcript
        elif isinstance(event, ev.AggregateCommitted):
            assert state.aggregate_hash == aggregate_hash(committed, event.accepted, event.aggregate_root)
        elif isinstance(event, ev.Attested):
            transcript = attestation_transcript(transcript, event.trustee, event.partial_root)
        first_end = ev.RoundFinalized | ev.RoundAborted if any(state.model_hash) else ev.RoundAborted | ev.RoundVoided
        if isinstance(event, first_end):
            at_the_end = verdicts
    assert state.transcript == transcript
    assert state.head == round_head(state, transcript=transcript, verdicts=at_the_end)
    assert ledger.verdicts() == verdicts
    return state


# ------------------------------------------------------------------------------------------------ the life of rounds


def play_two_rounds(world: World) -> Sequence[ev.LedgerEvent]:
    """A whole life: a settled round, an aborted one, a revocation, a claim."""
    aggregator = prepare(world)
    to_finalized(world)
    world.advance(CONFIG.challenge_window + 1)
    world.ledger(STRANGER).settle_round(1)
    world.ledger(PARTICIPANTS[0]).claim("first")
    register(world, LATE, Role.PARTICIPANT)
    world.ledger(OPERATOR).revoke_identity(address(PARTICIPANTS[2]))
    deadlines = open_round(aggregator, 2, selected=bitmap_of([0, 1, 3]), quorum=3)
    commit(world.ledger(LATE), 2)
    world.advance_past(deadlines.commit)
    world.ledger(STRANGER).abort_round(2)
    return aggregator.events()


def test_full_life_of_a_round(world: World) -> None:
    aggregator = prepare(world)
    assert aggregator.current_model() == ZERO_HASH
    assert aggregator.last_round() == 0
    deadlines = open_round(aggregator)
    state = aggregator.round(1)
    assert (state.phase, state.aggregator, state.deadlines) == (Phase.COMMIT, AGGREGATOR.address, deadlines)
    assert (state.quorum, state.ciphertexts, state.selected, state.reward) == (2, 7, ALL, CONFIG.round_reward)
    assert (state.base_round, state.base_model_hash, state.taken_over) == (0, digest("model 0"), False)
    assert aggregator.current_model() == digest("model 0")
    assert aggregator.reward_pool() == POOL - CONFIG.round_reward
    for signer in MEMBERS:
        commit(world.ledger(signer))
    assert aggregator.round(1).committed == ALL
    world.ledger(STRANGER).close_commits(1)
    assert aggregator.round(1).phase is Phase.UPLOAD
    aggregator.commit_aggregate(1, accepted=bitmap_of([0, 2]), aggregate_root=digest("aggregate"))
    for signer in reversed(TRUSTEES):
        world.ledger(signer).attest(1, partial_root=digest(signer.address))
    assert aggregator.head(1) == ZERO_HASH
    finalize(aggregator)
    state = check_head(aggregator, 1)
    assert state.phase is Phase.FINALIZED
    assert state.accepted == bitmap_of([0, 2])
    assert state.attested == ALL
    assert state.aggregate_root == digest("aggregate")
    assert (state.plaintext_hash, state.proof_hash) == (digest("plaintext 1"), digest("decryption 1"))
    assert (state.model_hash, state.result_hash) == (digest("model 1"), digest("result 1"))
    assert state.model_hash == aggregator.current_model()
    finalized = aggregator.events()[-1]
    assert isinstance(finalized, ev.RoundFinalized)
    assert state.challenge_end == finalized.challenge_end == finalized.timestamp + CONFIG.challenge_window
    refused(f"RoundChallengeWindowOpen(1, {state.challenge_end})", world.ledger(STRANGER).settle_round, 1)
    world.advance(CONFIG.challenge_window)
    world.ledger(STRANGER).settle_round(1)
    assert check_head(aggregator, 1).phase is Phase.SETTLED
    check_conservation(world)
    # what everybody did is counted: one came late, three attested
    assert aggregator.reputation(Role.PARTICIPANT, 0) == Reputation(1, 0, 0, 0, 0, 0)
    assert aggregator.reputation(Role.PARTICIPANT, 1) == Reputation(0, 1, 0, 0, 0, 0)
    assert aggregator.reputation(Role.TRUSTEE, 2) == Reputation(0, 0, 0, 0, 1, 0)
    assert aggregator.reputation(Role.AGGREGATOR, 0) == Reputation(1, 0, 0, 0, 0, 0)
    assert aggregator.reputation(Role.AGGREGATOR, 7) == Reputation(0, 0, 0, 0, 0, 0)


def test_payouts_are_exact_to_the_wei(world: World) -> None:
    prepare(world)
    to_finalized(world)
    world.advance(CONFIG.challenge_window + 1)
    stranger = world.ledger(STRANGER)
    stranger.settle_round(1)
    reward = CONFIG.round_reward
    # 70 % to three accepted participants, 20 % to two trustees that attested, 10 % to the aggregator, rounded down
    participant, trustee, aggregator = reward * 7000 // 10000 // 3, reward * 2000 // 10000 // 2, reward // 10
    expected = [
        *((signer.address, participant) for signer in MEMBERS),
        *((signer.address, trustee) for signer in TRUSTEES[:2]),
        (AGGREGATOR.address, aggregator),
    ]
    credits = [event for event in stranger.events() if isinstance(event, ev.RewardCredited)]
    assert [(event.account, event.amount) for event in credits] == expected
    total = sum(amount for _, amount in expected)
    assert [e.credited for e in stranger.events() if isinstance(e, ev.RoundSettled)] == [total]
    assert stranger.reward_pool() == POOL - total
    assert stranger.claimable(address(LATE)) == 0
    check_conservation(world)
    before = world.balance(stranger.contract)
    ledger = world.ledger(PARTICIPANTS[0])
    assert ledger.claimable(ledger.account) == participant
    assert ledger.claimable_reward(ledger.account) == (participant, credits[0].timestamp + CONFIG.claim_seconds)
    assert ledger.claim("round 1") == participant
    assert world.balance(ledger.contract) == before - participant
    assert ledger.claimable(ledger.account) == 0
    assert ledger.claimable_reward(ledger.account) == (0, 0)
    # the same label again says what it paid and pays nothing; another label finds nothing
    assert world.again(PARTICIPANTS[0]).claim("round 1") == participant
    assert ledger.claim("later") == 0
    assert sum(isinstance(e, ev.RewardClaimed) for e in ledger.events()) == 1
    assert world.ledger(STRANGER).claim("nothing") == 0
    check_conservation(world)


def test_reliable_members_earn_more(make_world: Callable[..., World]) -> None:
    config = replace(CONFIG, payout_rule=PayoutRule.RELIABILITY, challenge_window=0)
    world = make_world(config)
    aggregator = prepare(world)
    for number in (1, 2):
        deadlines = open_round(aggregator, number)
        for signer in MEMBERS if number == 2 else MEMBERS[:2]:
            commit(world.ledger(signer), number)
        if number == 1:
            world.advance_past(deadlines.commit)
        aggregator.close_commits(number)
        accepted = aggregator.round(number).committed
        aggregator.commit_aggregate(number, accepted=accepted, aggregate_root=digest("aggregate"))
        for signer in TRUSTEES[:2]:
            world.ledger(signer).attest(number, partial_root=digest("p"))
        finalize(aggregator, number)
        aggregator.settle_round(number)
    assert aggregator.reputation(Role.PARTICIPANT, 2) == Reputation(1, 0, 1, 0, 0, 0)
    credits = [e for e in aggregator.events() if isinstance(e, ev.RewardCredited) and e.round == 2]
    pot = config.round_reward * 7000 // 10000
    # two kept their one promise, one missed it: 1000 * 2 / 2 each, and 1000 * 1 / 2
    assert [e.amount for e in credits[:3]] == [pot * 1000 // 2500, pot * 1000 // 2500, pot * 500 // 2500]
    check_conservation(world)


def test_rewards_too_small_to_share_leave_no_credit(make_world: Callable[..., World]) -> None:
    config = DeploymentConfig(challenge_window=0, round_reward=10, aggregator_basis_points=0)
    world = make_world(config)
    prepare(world)
    to_finalized(world)
    ledger = world.ledger(STRANGER)
    ledger.settle_round(1)
    # 7 wei among three, 2 among two, none to the aggregator: 2 and 1 each
    credits = [event.amount for event in ledger.events() if isinstance(event, ev.RewardCredited)]
    assert credits == [2, 2, 2, 1, 1]
    assert ledger.reward_pool() == POOL - 8


def test_empty_pool_reserves_what_is_there(make_world: Callable[..., World]) -> None:
    world = make_world(DeploymentConfig(challenge_window=0, round_reward=2 * POOL))
    aggregator = prepare(world)
    open_round(aggregator)
    assert aggregator.round(1).reward == POOL
    assert aggregator.reward_pool() == 0
    check_conservation(world)


def test_unclaimed_rewards_go_back_to_the_pool(make_world: Callable[..., World]) -> None:
    world = make_world(replace(CONFIG, claim_seconds=5000, challenge_window=0))
    prepare(world)
    to_finalized(world)
    stranger = world.ledger(STRANGER)
    stranger.settle_round(1)
    account = address(PARTICIPANTS[0])
    amount, expires_at = stranger.claimable_reward(account)
    assert amount == stranger.claimable(account) > 0
    refused(f"RewardNotExpired({account}, {expires_at})", raw, stranger, "expireReward", account)
    refused(f"RewardNotExpired({STRANGER.address}, 0)", raw, stranger, "expireReward", STRANGER.address)
    pool = stranger.reward_pool()
    world.advance_past(expires_at)
    stranger.expire_reward(account)
    stranger.expire_reward(account)
    last = stranger.events()[-1]
    assert isinstance(last, ev.RewardExpired)
    assert (last.account, last.amount) == (account, amount)
    assert (stranger.reward_pool(), stranger.claimable(account)) == (pool + amount, 0)
    assert world.ledger(PARTICIPANTS[0]).claim("too late") == 0
    # who has not been asked for it yet can still claim
    assert world.ledger(PARTICIPANTS[1]).claim("late") == amount
    check_conservation(world)


def test_events_are_those_of_the_memory_chain(make_world: Callable[..., World]) -> None:
    reference = play_two_rounds(MemoryWorld())
    events = play_two_rounds(make_world())
    assert [without_place(event) for event in events] == [without_place(event) for event in reference]
    places = [(event.block, event.log_index) for event in events]
    assert places == sorted(set(places))
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)


def test_heads_are_chained_over_finished_and_aborted_rounds(world: World) -> None:
    play_two_rounds(world)
    ledger = world.ledger(STRANGER)
    assert ledger.head(0) == ZERO_HASH
    heads = [check_head(ledger, number).head for number in (1, 2)]
    assert len({ZERO_HASH, *heads}) == 3
    assert ledger.round(2).abort_reason is AbortReason.COMMIT_QUORUM_MISSED
    # a round that gave no result leaves the model where it was
    assert ledger.current_model() == digest("model 1")
    assert ledger.reputation(Role.PARTICIPANT, 1) == Reputation(1, 0, 1, 0, 0, 1)
    assert ledger.reputation(Role.PARTICIPANT, 3) == Reputation(0, 0, 0, 0, 0, 0)
    check_conservation(world)


# ----------------------------------------------------------------------------------------------------- plain reading


def test_reads(world: World) -> None:
    ledger = world.ledger(STRANGER)
    config = ledger.config()
    assert (config.chain_id, config.contract, config.version) == (ledger.chain_id, ledger.contract, 2)
    assert config.owner == OPERATOR.address
    assert config.disputes not in (ZERO_ADDRESS, config.contract)
    assert config.unbonding_seconds == CONFIG.shortest_unbonding
    for name in DeploymentConfig.__slots__:
        if name != "unbonding_seconds":
            assert getattr(config, name) == getattr(CONFIG, name), name
    assert ledger.key() is None
    assert ledger.identities() == ()
    assert ledger.identity(address(AGGREGATOR)) is None
    assert (ledger.total_stake(), ledger.reward_pool(), ledger.eligible()) == (0, 0, 0)
    assert ledger.verdicts() == ZERO_HASH
    assert ledger.draw().selected == 0
    prepare(world)
    assert ledger.key() == KEY
    identities = ledger.identities()
    assert [(each.account, each.role, each.index) for each in identities] == [
        *((signer.address, Role.PARTICIPANT, index) for index, signer in enumerate(MEMBERS)),
        *((signer.address, Role.TRUSTEE, index) for index, signer in enumerate(TRUSTEES)),
        (AGGREGATOR.address, Role.AGGREGATOR, 0),
        (STANDBY.address, Role.AGGREGATOR, 1),
    ]
    assert all((each.status, each.epoch, each.release_at) == (Status.ACTIVE, 1, 0) for each in identities)
    assert [each.stake for each in identities] == [config.stake_of(each.role) for each in identities]
    assert ledger.total_stake() == sum(each.stake for each in identities)
    trustee = ledger.identity(address(TRUSTEES[1]))
    assert trustee == identities[4]
    assert trustee is not None
    assert trustee.certificate == certificate_of(TRUSTEES[1].address)
    assert trustee.certificate_fingerprint == hashlib.sha256(trustee.certificate).digest()
    assert trustee.sealing_key == sealing_key_of(TRUSTEES[1].address)
    assert ledger.identities(Role.TRUSTEE) == identities[3:6]
    assert all(each.active for each in identities)
    assert ledger.eligible() == ledger.draw().selected == ALL
    world.ledger(OPERATOR).revoke_identity(address(TRUSTEES[1]))
    revoked = ledger.identity(address(TRUSTEES[1]))
    assert revoked is not None
    assert not revoked.active
    # events from a block on, block numbers and hashes
    events = ledger.events()
    last = events[-1]
    assert isinstance(last, ev.IdentityRevoked)
    assert ledger.events(last.block) == (last,)
    assert ledger.events(last.block + 1) == ()
    assert last.block <= ledger.block_number()
    assert config.deployed_block <= events[0].block
    assert len(ledger.block_hash(last.block)) == 32
    assert ledger.block_hash(last.block) != ledger.block_hash(last.block - 1)
    with pytest.raises(LedgerError):
        ledger.block_hash(ledger.block_number() + 1000)
    for number in (0, 1):
        with pytest.raises(RoundError):
            ledger.round(number)
    with pytest.raises(LedgerError):
        ledger.dispute(1)
    assert ledger.open_disputes(1) == 0
    assert ledger.head(7) == ZERO_HASH
    assert ledger.now() >= last.timestamp


def test_now_follows_the_chain_without_blocks_or_transactions(world: World) -> None:
    ledger = world.ledger(STRANGER)
    before = ledger.now()
    world.advance(5000)
    assert before + 5000 <= ledger.now() < before + 6000


# -------------------------------------------------------------------------------------------------------- selection


def test_some_are_drawn_by_the_beacon(make_world: Callable[..., World]) -> None:
    world = make_world(replace(CONFIG, participants_per_round=2))
    aggregator = prepare(world)
    drawn = aggregator.draw()
    assert drawn.beacon_block == aggregator.config().deployed_block
    assert drawn.beacon == aggregator.block_hash(drawn.beacon_block)
    assert drawn.selected == draw_indices(drawn.beacon, 1, ALL, 2)
    assert drawn.selected.bit_count() == 2
    refused(f"RoundInvalidSelection({drawn.selected}, {ALL})", open_round, aggregator, selected=ALL)
    deadlines = open_round(aggregator, selected=drawn.selected)
    left_out = next(signer for index, signer in enumerate(MEMBERS) if not drawn.selected >> index & 1)
    refused(f"RoundParticipantNotSelected(1, {left_out.address})", commit, world.ledger(left_out))
    world.advance_past(deadlines.commit)
    aggregator.abort_round(1)
    ended = aggregator.events()[-1].block
    drawn = aggregator.draw()
    assert drawn.beacon_block == ended
    assert drawn.beacon == aggregator.block_hash(ended)
    assert drawn.selected == draw_indices(drawn.beacon, 2, ALL, 2)
    # the beacon stays while the chain goes on
    world.ledger(OPERATOR).fund_rewards(1, "a block")
    assert aggregator.draw() == drawn
    open_round(aggregator, 2)
    assert aggregator.round(2).selected == drawn.selected


def test_who_misses_too_often_is_not_drawn_until_it_resumes(make_world: Callable[..., World]) -> None:
    world = make_world(replace(CONFIG, max_missed=2))
    aggregator = prepare(world)
    lazy = world.ledger(PARTICIPANTS[2])
    refused(f"ParticipantNotSuspended({lazy.account})", raw, lazy, "resume")
    for number in (1, 2):
        assert aggregator.eligible() == ALL
        deadlines = open_round(aggregator, number)
        for signer in MEMBERS[:2]:
            commit(world.ledger(signer), number)
        world.advance_past(deadlines.commit)
        aggregator.close_commits(number)
        world.advance_past(deadlines.aggregate + CONFIG.standby_seconds)
        aggregator.abort_round(number)
    suspensions = [e.account for e in aggregator.events() if isinstance(e, ev.ParticipantSuspended)]
    assert suspensions == [lazy.account]
    assert aggregator.reputation(Role.PARTICIPANT, 2) == Reputation(0, 0, 2, 0, 0, 2)
    assert aggregator.reputation(Role.AGGREGATOR, 0).missed == 2
    assert aggregator.eligible() == aggregator.draw().selected == 0b011
    identity = aggregator.identity(lazy.account)
    assert identity is not None
    assert identity.active
    lazy.resume()
    world.again(PARTICIPANTS[2]).resume()
    assert aggregator.eligible() == ALL
    assert [e.account for e in aggregator.events() if isinstance(e, ev.ParticipantResumed)] == [lazy.account]
    assert aggregator.reputation(Role.PARTICIPANT, 2) == Reputation(0, 0, 2, 0, 0, 0)
    refused(f"ParticipantNotSuspended({AGGREGATOR.address})", raw, aggregator, "resume")
    refused(f"IdentityWrongStatus({STRANGER.address}, 0)", raw, world.ledger(STRANGER), "resume")


# -------------------------------------------------------------------------------------------------- refusals, by name


def test_refusals_of_the_key(world: World) -> None:
    operator = world.ledger(OPERATOR)
    for key in (
        replace(KEY, key_id=ZERO_HASH),
        replace(KEY, threshold=0),
        replace(KEY, threshold=4),
        replace(KEY, trustees=33),
        replace(KEY, modulus_hash=ZERO_HASH),
    ):
        refused("KeyInvalid()", operator.publish_key, key)
    for signer in TRUSTEES[:2]:
        register(world, signer, Role.TRUSTEE)
    refused("KeyInvalid()", operator.publish_key, replace(KEY, threshold=1, trustees=1))
    operator.publish_key(replace(KEY, trustees=2))
    refused("KeyAlreadyPublished()", raw, operator, "publishKey", digest("other"), 1, 1, digest("n"))
    stranger = world.ledger(STRANGER)
    unauthorized = f"OwnableUnauthorizedAccount({STRANGER.address})"
    refused(unauthorized, raw, stranger, "publishKey", KEY.key_id, 2, 3, KEY.modulus_hash)
    # all shares have their trustee
    refused(f"IdentityRoleFull({int(Role.TRUSTEE)})", register, world, TRUSTEES[2], Role.TRUSTEE)


def test_refusals_of_opening(world: World) -> None:
    operator, aggregator = world.ledger(OPERATOR), world.ledger(AGGREGATOR)
    wrong_role = f"IdentityWrongRole({AGGREGATOR.address}, {int(Role.AGGREGATOR)})"
    refused(wrong_role, open_round, aggregator)
    operator.admit_identity(address(AGGREGATOR), Role.AGGREGATOR)
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, 1)", open_round, aggregator)
    aggregator.register_identity(b"certificate", ZERO_HASH)
    refused("KeyMissing()", open_round, aggregator)
    operator.publish_key(KEY)
    refused("RoundInvalidSelection(0, 0)", open_round, aggregator)
    for signer in MEMBERS:
        register(world, signer, Role.PARTICIPANT)
    refused("RoundWrongNumber(1, 2)", open_round, aggregator, 2)
    refused("RoundWrongNumber(1, 0)", open_round, aggregator, 0)
    refused("RoundInvalidSelection(7, 0)", open_round, aggregator, selected=0)
    refused("RoundInvalidSelection(7, 3)", open_round, aggregator, selected=0b011)
    refused("RoundInvalidSelection(7, 19)", open_round, aggregator, selected=0b10011)
    refused("RoundInvalidQuorum(1, 3)", open_round, aggregator, quorum=1)
    refused("RoundInvalidQuorum(4, 3)", open_round, aggregator, quorum=4)
    zero = ZERO_HASH.hex()
    refused(f"RoundWrongBaseModel(0x{zero}, 0x{zero})", raw, aggregator, *opening(aggregator, base=ZERO_HASH))
    refused("RoundZeroHash(1)", raw, aggregator, *opening(aggregator, spec_hash=ZERO_HASH))
    refused("RoundWrongCiphertexts(1, 0)", raw, aggregator, *opening(aggregator, ciphertexts=0))
    now = aggregator.now()
    for deadlines in (
        Deadlines(now - 1, now + 2000, now + 3000),
        Deadlines(now + 2000, now + 2000, now + 3000),
        Deadlines(now + 1000, now + 3000, now + 3000),
        Deadlines(now + 1000, now + 2000, now + CONFIG.max_round_seconds + 1000),
    ):
        refused("RoundInvalidDeadlines()", open_round, aggregator, deadlines=deadlines)
    operator.revoke_identity(address(PARTICIPANTS[1]))
    refused("RoundInvalidSelection(5, 7)", open_round, aggregator, selected=ALL)
    open_round(aggregator)
    refused("RoundStillRunning(1)", open_round, aggregator, 2)
    operator.revoke_identity(address(AGGREGATOR))
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, {int(Status.REVOKED)})", open_round, aggregator, 2)


def opening(
    ledger: Ledger,
    *,
    spec_hash: bytes = b"\x01" * 32,
    base: bytes = b"\x02" * 32,
    ciphertexts: int = CIPHERTEXTS,
) -> tuple[object, ...]:
    deadlines = deadlines_from(ledger)
    moments = (deadlines.commit, deadlines.aggregate, deadlines.finalize)
    return "openRound", 1, spec_hash, base, ALL, 2, ciphertexts, moments


def test_refusals_of_commits(world: World) -> None:
    aggregator = prepare(world)
    first, second, third, late = (world.ledger(signer) for signer in PARTICIPANTS)
    refused("RoundWrongPhase(1, 1, 0)", commit, first)
    refused("RoundWrongPhase(1, 1, 0)", aggregator.close_commits, 1)
    deadlines = open_round(aggregator)
    register(world, LATE, Role.PARTICIPANT)
    refused(f"RoundParticipantNotSelected(1, {LATE.address})", commit, late)
    stranger = world.ledger(STRANGER)
    refused(f"IdentityWrongRole({STRANGER.address}, {int(Role.PARTICIPANT)})", commit, stranger)
    trustee = world.ledger(TRUSTEES[0])
    refused(f"IdentityWrongRole({TRUSTEES[0].address}, {int(Role.PARTICIPANT)})", commit, trustee)
    wrong = {"root": digest("r"), "ciphertexts": CIPHERTEXTS + 1, "proof_hash": digest("p")}
    refused("RoundWrongCiphertexts(1, 8)", first.commit_update, 1, **wrong)
    refused("RoundZeroHash(1)", raw, first, "commitUpdate", 1, ZERO_HASH, CIPHERTEXTS, digest("p"))
    refused("RoundZeroHash(1)", raw, first, "commitUpdate", 1, digest("r"), CIPHERTEXTS, ZERO_HASH)
    commit(first)
    already = f"RoundAlreadyCommitted(1, {PARTICIPANTS[0].address})"
    refused(already, raw, first, "commitUpdate", 1, digest("other"), CIPHERTEXTS, digest("p"))
    refused("RoundCommitsStillOpen(1)", stranger.close_commits, 1)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    for name, action in late_steps(world):
        refused(f"RoundWrongPhase(1, {int(name)}, 1)", action)
    world.ledger(OPERATOR).revoke_identity(address(PARTICIPANTS[1]))
    refused(f"IdentityWrongStatus({PARTICIPANTS[1].address}, {int(Status.REVOKED)})", commit, second)
    world.advance_past(deadlines.commit)
    refused(f"RoundDeadlinePassed(1, {deadlines.commit})", commit, third)
    refused("RoundCommitsStillOpen(1)", stranger.close_commits, 1)


def late_steps(world: World) -> list[tuple[Phase, Callable[[], object]]]:
    """Steps of later phases, with the phase each requires."""
    aggregator, trustee, standby = world.ledger(AGGREGATOR), world.ledger(TRUSTEES[0]), world.ledger(STANDBY)
    return [
        (Phase.UPLOAD, lambda: aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=digest("a"))),
        (Phase.UPLOAD, lambda: standby.take_over(1)),
        (Phase.DECRYPT, lambda: trustee.attest(1, partial_root=digest("p"))),
        (Phase.DECRYPT, lambda: finalize(aggregator)),
        (Phase.FINALIZED, lambda: aggregator.settle_round(1)),
        (Phase.FINALIZED, lambda: aggregator.void_descendant(1)),
    ]


def test_commits_close_at_the_deadline_with_a_quorum(world: World) -> None:
    aggregator = prepare(world)
    deadlines = open_round(aggregator)
    for signer in PARTICIPANTS[:2]:
        commit(world.ledger(signer))
    refused("RoundCommitsStillOpen(1)", aggregator.close_commits, 1)
    world.advance_past(deadlines.commit)
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    aggregator.close_commits(1)
    state = aggregator.round(1)
    assert (state.phase, state.committed) == (Phase.UPLOAD, 0b011)
    assert aggregator.reputation(Role.PARTICIPANT, 2) == Reputation(0, 0, 1, 0, 0, 1)
    wrong = {"accepted": 0b111, "aggregate_root": digest("a")}
    refused("RoundInvalidAcceptedSet(1, 7)", aggregator.commit_aggregate, 1, **wrong)


def test_refusals_of_the_aggregate(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    deadlines = aggregator.round(1).deadlines

    def commit_aggregate(ledger: Ledger, accepted: int = ALL) -> None:
        ledger.commit_aggregate(1, accepted=accepted, aggregate_root=digest("aggregate"))

    register(world, LATE, Role.PARTICIPANT)
    refused("RoundWrongPhase(1, 1, 2)", commit, world.ledger(LATE))
    refused("RoundInvalidAcceptedSet(1, 1)", commit_aggregate, aggregator, 0b001)
    refused("RoundInvalidAcceptedSet(1, 0)", commit_aggregate, aggregator, 0)
    refused("RoundInvalidAcceptedSet(1, 11)", commit_aggregate, aggregator, 0b1011)
    refused("RoundZeroHash(1)", raw, aggregator, "commitAggregate", 1, ALL, ZERO_HASH)
    standby = world.ledger(STANDBY)
    refused(f"RoundNotItsAggregator(1, {STANDBY.address})", commit_aggregate, standby)
    participant = world.ledger(PARTICIPANTS[0])
    refused(f"RoundNotItsAggregator(1, {PARTICIPANTS[0].address})", commit_aggregate, participant)
    world.advance_past(deadlines.aggregate)
    refused(f"RoundDeadlinePassed(1, {deadlines.aggregate})", commit_aggregate, aggregator)
    world.ledger(OPERATOR).revoke_identity(address(AGGREGATOR))
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, {int(Status.REVOKED)})", commit_aggregate, aggregator)


def test_refusals_of_decryption_and_result(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world)
    deadlines = aggregator.round(1).deadlines
    first, second, third = (world.ledger(signer) for signer in TRUSTEES)
    wrong_role = f"IdentityWrongRole({AGGREGATOR.address}, {int(Role.TRUSTEE)})"
    refused(wrong_role, aggregator.attest, 1, partial_root=digest("p"))
    refused("RoundAttestationsMissing(1, 0, 2)", finalize, aggregator)
    refused("RoundZeroHash(1)", raw, first, "attest", 1, ZERO_HASH)
    first.attest(1, partial_root=digest("p"))
    already = f"RoundAlreadyAttested(1, {TRUSTEES[0].address})"
    refused(already, raw, first, "attest", 1, digest("other"))
    refused("RoundAttestationsMissing(1, 1, 2)", finalize, aggregator)
    world.ledger(OPERATOR).revoke_identity(address(TRUSTEES[1]))
    revoked = f"IdentityWrongStatus({TRUSTEES[1].address}, {int(Status.REVOKED)})"
    refused(revoked, second.attest, 1, partial_root=digest("p"))
    third.attest(1, partial_root=digest("p"))
    for missing in range(4):
        hashes = [digest("h")] * 4
        hashes[missing] = ZERO_HASH
        refused("RoundZeroHash(1)", raw, aggregator, "finalizeRound", 1, *hashes)
    refused(f"RoundNotItsAggregator(1, {STRANGER.address})", finalize, world.ledger(STRANGER))
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    world.advance_past(deadlines.finalize)
    refused(f"RoundDeadlinePassed(1, {deadlines.finalize})", finalize, aggregator)
    refused(f"RoundDeadlinePassed(1, {deadlines.finalize})", raw, first, "attest", 1, digest("p"))
    check_conservation(world)


def test_refusals_after_the_end(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    stranger = world.ledger(STRANGER)
    refused("RoundWrongPhase(1, 3, 4)", world.ledger(TRUSTEES[2]).attest, 1, partial_root=digest("p"))
    refused("RoundBaseUndecided(1, 0)", stranger.void_descendant, 1)
    world.advance(10_000)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    stranger.settle_round(1)
    refused("RoundWrongPhase(1, 4, 5)", raw, stranger, "settleRound", 1)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    other, current = digest("other"), digest("model 1")
    wrong = f"RoundWrongBaseModel(0x{current.hex()}, 0x{other.hex()})"
    refused(wrong, open_round, aggregator, 2, base=other)
    open_round(aggregator, 2, base=current)


def test_rounds_settle_in_the_order_of_their_bases(world: World) -> None:
    prepare(world)
    to_finalized(world)
    aggregator = to_finalized(world, 2)
    assert aggregator.round(2).base_round == 1
    world.advance(CONFIG.challenge_window + 1)
    refused("RoundBaseUndecided(2, 1)", aggregator.settle_round, 2)
    refused("RoundBaseUndecided(2, 1)", aggregator.void_descendant, 2)
    for number in (1, 2):
        aggregator.settle_round(number)
        check_conservation(world)
        check_head(aggregator, number)


def test_values_that_the_contract_cannot_hold_never_leave(world: World) -> None:
    ledger = world.ledger(OPERATOR)
    before = len(ledger.events())
    wrong: tuple[Callable[[], object], ...] = (
        lambda: ledger.commit_update(1, root=b"short", ciphertexts=7, proof_hash=digest("p")),
        lambda: ledger.commit_update(1, root=digest("r"), ciphertexts=1 << 32, proof_hash=digest("p")),
        lambda: ledger.relay_updates(1, [RelayedUpdate(address(STRANGER), b"short", digest("p"), b"")]),
        lambda: ledger.fund_rewards(-1, "negative"),
        lambda: ledger.admit_identity(Address(STRANGER.address.lower()), Role.PARTICIPANT),
        lambda: ledger.register_identity(b"certificate", b"short"),
        lambda: ledger.rotate_identity(Address("nobody"), b"certificate", ZERO_HASH),
        lambda: ledger.publish_key(replace(KEY, trustees=256)),
        lambda: ledger.challenge_aggregate(1, 1 << 32),
        lambda: open_round(ledger, deadlines=Deadlines(1, 2, 1 << 40)),
    )
    for action in wrong:
        with pytest.raises(ConfigurationError):
            action()
    assert len(ledger.events()) == before


# ---------------------------------------------------------------------------------------------------- aborted rounds


def check_aborted(world: World, reason: AbortReason) -> None:
    stranger = world.ledger(STRANGER)
    stranger.abort_round(1)
    state = check_head(stranger, 1)
    assert (state.phase, state.abort_reason) == (Phase.ABORTED, reason)
    last = stranger.events()[-1]
    assert isinstance(last, ev.RoundAborted)
    assert (last.reason, last.head) == (reason, state.head)
    # the reserved reward is back, and the next round may start
    assert stranger.reward_pool() == POOL
    check_conservation(world)
    late = reason in (AbortReason.AGGREGATE_DEADLINE_MISSED, AbortReason.FINALIZE_DEADLINE_MISSED)
    assert stranger.reputation(Role.AGGREGATOR, 0).missed == late
    # whose fault it was does not go first the next time
    if reason is not AbortReason.COMMIT_QUORUM_MISSED:
        open_round(world.ledger(STANDBY), 2)
    else:
        open_round(world.ledger(AGGREGATOR), 2)


def test_abort_for_a_missed_quorum(world: World) -> None:
    deadlines = open_round(prepare(world))
    commit(world.ledger(PARTICIPANTS[0]))
    world.advance_past(deadlines.commit)
    check_aborted(world, AbortReason.COMMIT_QUORUM_MISSED)


def test_abort_for_a_missing_aggregate(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    world.advance_past(aggregator.round(1).deadlines.commit)
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    world.advance_past(aggregator.round(1).deadlines.aggregate)
    # a standby has its time first
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    world.advance(CONFIG.standby_seconds)
    check_aborted(world, AbortReason.AGGREGATE_DEADLINE_MISSED)


def test_abort_of_a_round_whose_commits_nobody_closed(world: World) -> None:
    deadlines = open_round(prepare(world))
    for signer in MEMBERS:
        commit(world.ledger(signer))
    world.advance_past(deadlines.aggregate + CONFIG.standby_seconds)
    check_aborted(world, AbortReason.AGGREGATE_DEADLINE_MISSED)


def test_abort_for_a_missing_result(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world)
    world.ledger(TRUSTEES[0]).attest(1, partial_root=digest("p"))
    world.advance_past(aggregator.round(1).deadlines.finalize)
    check_aborted(world, AbortReason.FINALIZE_DEADLINE_MISSED)


def test_abort_for_a_revoked_aggregator(world: World) -> None:
    prepare(world)
    to_upload(world)
    world.ledger(OPERATOR).revoke_identity(address(AGGREGATOR))
    check_aborted(world, AbortReason.AGGREGATOR_REMOVED)


# ----------------------------------------------------------------------------------------------------------- standby


def test_only_the_last_aggregator_opens_at_first(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    ended = aggregator.events()[-1].timestamp
    until = ended + CONFIG.standby_seconds
    standby = world.ledger(STANDBY)
    refused(f"RoundNotYourTurn({AGGREGATOR.address}, {until})", open_round, standby, 2)
    world.advance_past(until)
    open_round(standby, 2)
    assert aggregator.round(2).aggregator == STANDBY.address


def test_a_standby_need_not_wait_for_one_who_left(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    aggregator.leave()
    open_round(world.ledger(STANDBY), 2)


def test_a_standby_takes_a_round_over(world: World) -> None:
    prepare(world)
    aggregator, standby = to_upload(world), world.ledger(STANDBY)
    before = aggregator.round(1).deadlines
    refused("RoundNotTakeable(1)", standby.take_over, 1)
    world.advance_past(before.aggregate)
    refused("RoundNotTakeable(1)", raw, aggregator, "takeOver", 1)
    wrong_role = f"IdentityWrongRole({STRANGER.address}, {int(Role.AGGREGATOR)})"
    refused(wrong_role, world.ledger(STRANGER).take_over, 1)
    standby.take_over(1)
    world.again(STANDBY).take_over(1)
    taken = [event for event in standby.events() if isinstance(event, ev.RoundTakenOver)]
    assert len(taken) == 1
    aggregate_deadline = taken[0].timestamp + CONFIG.standby_seconds
    assert (taken[0].aggregator, taken[0].aggregate_deadline) == (STANDBY.address, aggregate_deadline)
    finalize_deadline = max(before.finalize, aggregate_deadline + CONFIG.standby_seconds)
    assert taken[0].finalize_deadline == finalize_deadline
    state = standby.round(1)
    assert (state.taken_over, state.aggregator) == (True, STANDBY.address)
    assert state.deadlines == Deadlines(before.commit, aggregate_deadline, finalize_deadline)
    assert standby.reputation(Role.AGGREGATOR, 0).missed == 1
    # the first one has lost it for good
    refused("RoundNotTakeable(1)", raw, aggregator, "takeOver", 1)
    root = merkle_root(aggregate())
    refused(
        f"RoundNotItsAggregator(1, {AGGREGATOR.address})",
        aggregator.commit_aggregate,
        1,
        accepted=ALL,
        aggregate_root=root,
    )
    standby.commit_aggregate(1, accepted=ALL, aggregate_root=root)
    for signer in TRUSTEES[:2]:
        world.ledger(signer).attest(1, partial_root=digest("p"))
    finalize(standby)
    world.advance(CONFIG.challenge_window + 1)
    standby.settle_round(1)
    check_head(standby, 1)
    assert standby.claimable(address(STANDBY)) == CONFIG.round_reward // 10
    assert standby.claimable(address(AGGREGATOR)) == 0
    assert standby.reputation(Role.AGGREGATOR, 1).accepted == 1
    check_conservation(world)


def test_who_took_over_and_misses_its_deadline_loses_the_round_at_once(world: World) -> None:
    prepare(world)
    aggregator, standby = to_upload(world), world.ledger(STANDBY)
    world.advance_past(aggregator.round(1).deadlines.aggregate)
    standby.take_over(1)
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    world.advance_past(standby.round(1).deadlines.aggregate)
    aggregator.abort_round(1)
    assert [standby.reputation(Role.AGGREGATOR, index).missed for index in (0, 1)] == [1, 1]
    check_head(standby, 1)


def test_a_round_is_not_taken_over_too_late(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    world.advance_past(aggregator.round(1).deadlines.aggregate + CONFIG.standby_seconds)
    refused("RoundNotTakeable(1)", world.ledger(STANDBY).take_over, 1)
    aggregator.abort_round(1)


# --------------------------------------------------------------------------------------------------- relayed commits


def test_relayed_commits(world: World) -> None:
    open_round(prepare(world))
    relay = world.ledger(STRANGER)
    participant = PARTICIPANTS[0]
    right = signed(relay, participant)

    def relayed(**changes: bytes) -> None:
        relay.relay_updates(1, [replace(right, **changes)])  # type: ignore[arg-type]

    # somebody else's signature, another update, another contract, epoch or spec, a malleated twin, lengths, garbage
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin_s = order - int.from_bytes(right.signature[32:64], "big")
    twin = right.signature[:32] + twin_s.to_bytes(32, "big") + bytes([55 - right.signature[64]])
    for forged in (
        signed(relay, PARTICIPANTS[1], root=right.root).signature,
        signed(relay, participant, root=digest("other")).signature,
        signed(relay, participant, contract=OPERATOR.address).signature,
        signed(relay, participant, epoch=2).signature,
        signed(relay, participant, spec_hash=digest("other")).signature,
        twin,
        right.signature[:-1],
        right.signature + b"\x00",
        bytes(65),
        b"",
    ):
        refused(f"RoundInvalidSignature({participant.address})", relayed, signature=forged)
    refused(f"RoundInvalidSignature({participant.address})", relayed, root=digest("another"))
    refused(f"RoundInvalidSignature({participant.address})", relayed, proof_hash=digest("another"))
    outsider = signed(relay, STRANGER)
    refused(f"IdentityWrongRole({STRANGER.address}, 1)", relay.relay_updates, 1, [right, outsider])
    assert relay.round(1).committed == 0
    # one that was sent before the batch arrives stops nobody
    commit(world.ledger(PARTICIPANTS[1]))
    stale = replace(signed(relay, PARTICIPANTS[1]), root=digest("too late"))
    relay.relay_updates(1, [right, stale, signed(relay, PARTICIPANTS[2])])
    assert relay.round(1).committed == ALL
    commits = [event for event in relay.events() if isinstance(event, ev.UpdateCommitted)]
    order_of_commits = [PARTICIPANTS[1], PARTICIPANTS[0], PARTICIPANTS[2]]
    assert [(e.participant, e.root) for e in commits] == [(s.address, root_of(s.address)) for s in order_of_commits]
    assert len({event.block for event in commits}) == 2
    # what is there is not sent again, by the relay or by the participant itself
    world.again(STRANGER).relay_updates(1, [right])
    commit(world.ledger(participant))
    assert sum(isinstance(event, ev.UpdateCommitted) for event in relay.events()) == 3
    relay.close_commits(1)
    refused("RoundWrongPhase(1, 1, 2)", raw, relay, "relayUpdates", 1, [])


def test_relaying_to_a_round_that_is_not_there(world: World) -> None:
    prepare(world)
    relay = world.ledger(STRANGER)
    refused("RoundWrongPhase(5, 1, 0)", relay.relay_updates, 5, [signed(relay, PARTICIPANTS[0])])


# ------------------------------------------------------------------------------------------------------- idempotence


def test_every_write_can_be_repeated_after_a_restart(world: World) -> None:
    def twice(signer: LocalAccount, action: Callable[[Ledger], object]) -> None:
        first = action(world.ledger(signer))
        events = world.ledger(signer).events()
        blocks = world.ledger(signer).block_number()
        assert action(world.again(signer)) == first
        assert world.ledger(signer).events() == events
        assert world.ledger(signer).block_number() == blocks

    operator = world.ledger(OPERATOR)
    prepare(world)
    twice(OPERATOR, lambda ledger: ledger.admit_identity(address(LATE), Role.PARTICIPANT))
    twice(LATE, lambda ledger: ledger.register_identity(b"late", ZERO_HASH))
    twice(LATE, lambda ledger: ledger.rotate_identity(address(LATE), b"later", ZERO_HASH))
    twice(OPERATOR, lambda ledger: ledger.revoke_identity(address(LATE)))
    twice(OPERATOR, lambda ledger: ledger.publish_key(KEY))
    twice(OPERATOR, lambda ledger: ledger.fund_rewards(5, "gift"))
    assert operator.reward_pool() == POOL + 5
    deadlines = deadlines_from(operator)
    twice(AGGREGATOR, lambda ledger: open_round(ledger, selected=ALL, base=digest("m"), deadlines=deadlines))
    for signer in MEMBERS:
        twice(signer, commit)
    twice(STRANGER, lambda ledger: ledger.close_commits(1))
    root = digest("aggregate")
    twice(AGGREGATOR, lambda ledger: ledger.commit_aggregate(1, accepted=ALL, aggregate_root=root))
    for signer in TRUSTEES[:2]:
        twice(signer, lambda ledger: ledger.attest(1, partial_root=digest("p")))
    twice(AGGREGATOR, finalize)
    world.advance(CONFIG.challenge_window + 1)
    twice(STRANGER, lambda ledger: ledger.settle_round(1))
    twice(PARTICIPANTS[0], lambda ledger: ledger.claim("first"))
    deadlines = open_round(world.ledger(AGGREGATOR), 2)
    world.advance_past(deadlines.commit)
    twice(STRANGER, lambda ledger: ledger.abort_round(2))
    twice(TRUSTEES[2], lambda ledger: ledger.leave())
    world.advance(CONFIG.unbonding + 1)
    twice(STRANGER, lambda ledger: ledger.release_stake(address(TRUSTEES[2])))
    twice(STRANGER, lambda ledger: ledger.release_stake(address(LATE)))
    check_conservation(world)


def test_another_content_for_a_step_that_was_taken_is_refused(world: World) -> None:
    operator = world.ledger(OPERATOR)
    prepare(world)
    aggregator = to_finalized(world)
    events = operator.events()
    other, trustee = digest("other"), world.ledger(TRUSTEES[0])
    root = aggregator.round(1).aggregate_root
    deadlines = aggregator.round(1).deadlines
    participant = world.ledger(PARTICIPANTS[0])
    for action in (
        lambda: operator.publish_key(PublishedKey(other, 2, 3, other)),
        lambda: operator.admit_identity(address(AGGREGATOR), Role.TRUSTEE),
        lambda: aggregator.register_identity(b"other", ZERO_HASH),
        lambda: operator.fund_rewards(POOL + 1, "pool"),
        lambda: open_round(aggregator, quorum=3, base=digest("model 0"), deadlines=deadlines),
        lambda: participant.commit_update(1, root=other, ciphertexts=CIPHERTEXTS, proof_hash=digest("proof")),
        lambda: aggregator.commit_aggregate(1, accepted=0b011, aggregate_root=root),
        lambda: aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=other),
        lambda: trustee.attest(1, partial_root=other),
        lambda: aggregator.finalize_round(
            1, plaintext_hash=other, proof_hash=other, model_hash=other, result_hash=other
        ),
    ):
        with pytest.raises(TransactionError, match="another content"):
            action()
    assert operator.events() == events


def test_a_step_that_somebody_else_took_is_done(world: World) -> None:
    aggregator = prepare(world)
    open_round(aggregator)
    for signer in MEMBERS:
        commit(world.ledger(signer))
    aggregator.close_commits(1)
    events = aggregator.events()
    world.ledger(STRANGER).close_commits(1)
    assert aggregator.events() == events
    # but a round that another aggregator opened is not ours
    standby = world.ledger(STANDBY)
    refused("RoundWrongNumber(2, 1)", open_round, standby, deadlines=aggregator.round(1).deadlines)


def test_a_refused_step_can_be_tried_again(world: World) -> None:
    aggregator = prepare(world)
    participant = world.ledger(PARTICIPANTS[0])
    refused("RoundWrongPhase(1, 1, 0)", commit, participant)
    open_round(aggregator)
    commit(participant)
    assert aggregator.round(1).committed == 1
