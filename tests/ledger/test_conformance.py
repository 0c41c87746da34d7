"""One suite for every implementation of ``Ledger``: the in-memory chain, Anvil, Hardhat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from fedtrust.errors import ConfigurationError, LedgerError, RoundError, TransactionError
from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.heads import attestation_accumulator, commitment_accumulator, round_head
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    Phase,
    PublishedKey,
    Role,
    RoundState,
    bitmap_of,
)
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

KEY = PublishedKey(hashlib.sha256(b"manifest").digest(), 2, 3)
POOL = 5_000_000
ALL = bitmap_of([0, 1, 2])


def digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def address(signer: LocalAccount) -> Address:
    return Address(signer.address)


def certificate(signer: LocalAccount) -> bytes:
    return b"certificate of " + signer.address.encode()


def register(operator: Ledger, signer: LocalAccount, role: Role) -> None:
    sealing_key = digest(signer.address) if role is Role.TRUSTEE else ZERO_HASH
    operator.register_identity(address(signer), role, certificate(signer), sealing_key)


def prepare(world: World) -> Ledger:
    """Register everybody, publish the key, fund the pool; return the aggregator's ledger."""
    operator = world.ledger(OPERATOR)
    register(operator, AGGREGATOR, Role.AGGREGATOR)
    for signer in PARTICIPANTS:
        register(operator, signer, Role.PARTICIPANT)
    for signer in TRUSTEES:
        register(operator, signer, Role.TRUSTEE)
    operator.publish_key(KEY)
    operator.fund_rewards(POOL, "first")
    return world.ledger(AGGREGATOR)


def open_round(
    ledger: Ledger,
    number: int = 1,
    *,
    base: bytes | None = None,
    selected: int = ALL,
    quorum: int = 2,
    deadlines: Deadlines | None = None,
) -> Deadlines:
    deadlines = deadlines or deadlines_from(ledger)
    ledger.open_round(
        number,
        spec_hash=digest(f"spec {number}"),
        base_model_hash=digest("model 0") if base is None else base,
        selected=selected,
        quorum=quorum,
        ciphertexts=7,
        deadlines=deadlines,
    )
    return deadlines


def commit(ledger: Ledger, number: int = 1, label: str = "") -> None:
    root = digest(f"root {ledger.account} {number} {label}")
    ledger.commit_update(number, root=root, ciphertexts=7, proof_hash=digest("proof"))


def finalize(ledger: Ledger, number: int = 1) -> None:
    ledger.finalize_round(
        number,
        plaintext_hash=digest(f"plaintext {number}"),
        proof_hash=digest(f"decryption {number}"),
        model_hash=digest(f"model {number}"),
        result_hash=digest(f"result {number}"),
    )


def to_upload(world: World, number: int = 1, **options: bytes) -> Ledger:
    aggregator = world.ledger(AGGREGATOR)
    open_round(aggregator, number, **options)  # type: ignore[arg-type]
    for signer in PARTICIPANTS[:3]:
        commit(world.ledger(signer), number)
    aggregator.close_commits(number)
    return aggregator


def to_decrypt(world: World, number: int = 1, **options: bytes) -> Ledger:
    aggregator = to_upload(world, number, **options)
    aggregator.commit_aggregate(number, accepted=ALL, aggregate_root=digest("aggregate"))
    return aggregator


def to_finalized(world: World, number: int = 1, **options: bytes) -> Ledger:
    aggregator = to_decrypt(world, number, **options)
    for signer in TRUSTEES[:2]:
        world.ledger(signer).attest(number, partial_root=digest(signer.address))
    finalize(aggregator, number)
    return aggregator


def refused(reason: str, action: Callable[..., object], *arguments: object, **options: object) -> None:
    """The action raises TransactionError with exactly this reason of the contract."""
    with pytest.raises(TransactionError) as caught:
        action(*arguments, **options)
    assert caught.value.got == reason
    assert caught.value.advice


def check_head(ledger: Ledger, number: int) -> RoundState:
    """The head and both accumulators follow from public facts."""
    state = ledger.round(number)
    assert state.head == ledger.head(number)
    assert state.head == round_head(ledger.chain_id, ledger.contract, ledger.head(number - 1), state)
    commitments, attestations = ZERO_HASH, ZERO_HASH
    for event in ledger.events():
        if isinstance(event, ev.UpdateCommitted) and event.round == number:
            commitments = commitment_accumulator(commitments, event.participant, event.root, event.proof_hash)
        if isinstance(event, ev.Attested) and event.round == number:
            attestations = attestation_accumulator(attestations, event.trustee, event.partial_root)
    assert (state.commitments_hash, state.attestations_hash) == (commitments, attestations)
    return state


def check_conservation(world: World) -> None:
    """Every wei in the contract is in the pool, reserved for a round, or claimable."""
    ledger = world.ledger(OPERATOR)
    reserved = sum(
        state.reward
        for state in map(ledger.round, range(1, ledger.last_round() + 1))
        if state.phase not in (Phase.SETTLED, Phase.ABORTED)
    )
    accounts = [AGGREGATOR, STANDBY, *PARTICIPANTS, *TRUSTEES]
    claimable = sum(ledger.claimable(address(signer)) for signer in accounts)
    assert world.balance(ledger.contract) == ledger.reward_pool() + reserved + claimable


# ------------------------------------------------------------------------------------------------ the life of rounds


def play_two_rounds(world: World) -> Sequence[ev.LedgerEvent]:
    """A whole life: a settled round, an aborted one, a revocation, a claim."""
    aggregator = prepare(world)
    to_finalized(world)
    world.advance(CONFIG.challenge_window + 1)
    world.ledger(STRANGER).settle_round(1)
    world.ledger(PARTICIPANTS[0]).claim("first")
    world.ledger(OPERATOR).revoke_identity(address(PARTICIPANTS[2]))
    deadlines = open_round(aggregator, 2, base=digest("model 1"), selected=bitmap_of([0, 1, 3]), quorum=3)
    commit(world.ledger(PARTICIPANTS[3]), 2)
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
    assert aggregator.current_model() == digest("model 0")
    assert aggregator.reward_pool() == POOL - CONFIG.round_reward
    for signer in PARTICIPANTS[:3]:
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
    assert state.model_hash == aggregator.current_model() == digest("model 1")
    finalized = aggregator.events()[-1]
    assert isinstance(finalized, ev.RoundFinalized)
    assert state.challenge_end == finalized.challenge_end == finalized.timestamp + CONFIG.challenge_window
    refused(f"RoundChallengeWindowOpen(1, {state.challenge_end})", world.ledger(STRANGER).settle_round, 1)
    world.advance(CONFIG.challenge_window)
    world.ledger(STRANGER).settle_round(1)
    assert check_head(aggregator, 1).phase is Phase.SETTLED
    check_conservation(world)


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
        *((signer.address, participant) for signer in PARTICIPANTS[:3]),
        *((signer.address, trustee) for signer in TRUSTEES[:2]),
        (AGGREGATOR.address, aggregator),
    ]
    credits = [event for event in stranger.events() if isinstance(event, ev.RewardCredited)]
    assert [(event.account, event.amount) for event in credits] == expected
    total = sum(amount for _, amount in expected)
    assert [e.credited for e in stranger.events() if isinstance(e, ev.RoundSettled)] == [total]
    assert stranger.reward_pool() == POOL - total
    assert stranger.claimable(address(PARTICIPANTS[3])) == 0
    check_conservation(world)
    before = world.balance(stranger.contract)
    ledger = world.ledger(PARTICIPANTS[0])
    assert ledger.claimable(ledger.account) == participant
    assert ledger.claim("round 1") == participant
    assert world.balance(ledger.contract) == before - participant
    assert ledger.claimable(ledger.account) == 0
    # the same label again says what it paid and pays nothing; another label finds nothing
    assert world.again(PARTICIPANTS[0]).claim("round 1") == participant
    assert ledger.claim("later") == 0
    assert sum(isinstance(e, ev.RewardClaimed) for e in ledger.events()) == 1
    assert world.ledger(STRANGER).claim("nothing") == 0
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
    check_conservation(world)


# ----------------------------------------------------------------------------------------------------- plain reading


def test_reads(world: World) -> None:
    ledger = world.ledger(STRANGER)
    config = ledger.config()
    assert (config.chain_id, config.contract, config.version) == (ledger.chain_id, ledger.contract, 1)
    assert config.owner == OPERATOR.address
    assert (config.challenge_window, config.round_reward) == (CONFIG.challenge_window, CONFIG.round_reward)
    shares = (
        config.participant_basis_points,
        config.trustee_basis_points,
        config.aggregator_basis_points,
    )
    assert shares == (7000, 2000, 1000)
    assert ledger.key() is None
    assert ledger.identities() == ()
    assert ledger.identity(address(AGGREGATOR)) is None
    prepare(world)
    assert ledger.key() == KEY
    identities = ledger.identities()
    assert [(each.account, each.role, each.index) for each in identities] == [
        *((signer.address, Role.PARTICIPANT, index) for index, signer in enumerate(PARTICIPANTS)),
        *((signer.address, Role.TRUSTEE, index) for index, signer in enumerate(TRUSTEES)),
        (AGGREGATOR.address, Role.AGGREGATOR, 0),
    ]
    trustee = ledger.identity(address(TRUSTEES[1]))
    assert trustee == identities[5]
    assert trustee is not None
    assert trustee.certificate == certificate(TRUSTEES[1])
    assert trustee.certificate_fingerprint == hashlib.sha256(trustee.certificate).digest()
    assert trustee.sealing_key == digest(TRUSTEES[1].address)
    assert ledger.identities(Role.TRUSTEE) == identities[4:7]
    assert all(each.active for each in identities)
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
    assert ledger.head(7) == ZERO_HASH
    assert ledger.now() >= last.timestamp


def test_now_follows_the_chain_without_blocks_or_transactions(world: World) -> None:
    ledger = world.ledger(STRANGER)
    before = ledger.now()
    world.advance(5000)
    assert before + 5000 <= ledger.now() < before + 6000


# -------------------------------------------------------------------------------------------------- refusals, by name


def test_refusals_of_registration(world: World) -> None:
    operator, stranger = world.ledger(OPERATOR), world.ledger(STRANGER)
    someone, zero = address(PARTICIPANTS[0]), Address("0x" + "00" * 20)
    refused(
        f"OwnableUnauthorizedAccount({STRANGER.address})",
        register,
        stranger,
        PARTICIPANTS[0],
        Role.PARTICIPANT,
    )
    refused(
        f"OwnableUnauthorizedAccount({STRANGER.address})",
        raw,
        stranger,
        "publishKey",
        KEY.key_id,
        2,
        3,
    )
    refused(f"OwnableUnauthorizedAccount({STRANGER.address})", raw, stranger, "revokeIdentity", someone)
    refused("IdentityZeroAccount()", operator.register_identity, zero, Role.PARTICIPANT, b"c", ZERO_HASH)
    refused("IdentityRoleMissing()", operator.register_identity, someone, Role.NONE, b"c", ZERO_HASH)
    refused(
        "IdentityCertificateLength(0)",
        operator.register_identity,
        someone,
        Role.PARTICIPANT,
        b"",
        ZERO_HASH,
    )
    refused(
        "IdentityCertificateLength(4097)",
        operator.register_identity,
        someone,
        Role.PARTICIPANT,
        bytes(4097),
        ZERO_HASH,
    )
    refused("IdentitySealingKeyMissing()", operator.register_identity, someone, Role.TRUSTEE, b"c", ZERO_HASH)
    refused(f"IdentityUnknown({someone})", operator.revoke_identity, someone)
    operator.register_identity(someone, Role.PARTICIPANT, bytes(4096), ZERO_HASH)
    fingerprint = hashlib.sha256(bytes(4096)).hexdigest()
    refused(
        f"IdentityCertificateTaken(0x{fingerprint})",
        operator.register_identity,
        address(PARTICIPANTS[1]),
        Role.PARTICIPANT,
        bytes(4096),
        ZERO_HASH,
    )
    refused(
        f"IdentityAlreadyRegistered({someone})",
        raw,
        operator,
        "registerIdentity",
        someone,
        int(Role.AGGREGATOR),
        b"other",
        ZERO_HASH,
    )
    operator.revoke_identity(someone)
    refused(f"IdentityInactive({someone})", raw, operator, "revokeIdentity", someone)


def test_refusals_of_the_key(world: World) -> None:
    operator = world.ledger(OPERATOR)
    for key in (
        PublishedKey(ZERO_HASH, 2, 3),
        PublishedKey(KEY.key_id, 0, 3),
        PublishedKey(KEY.key_id, 4, 3),
    ):
        refused("KeyInvalid()", operator.publish_key, key)
    operator.publish_key(KEY)
    refused("KeyAlreadyPublished()", raw, operator, "publishKey", digest("other"), 1, 1)


def test_refusals_of_opening(world: World) -> None:
    operator, aggregator = world.ledger(OPERATOR), world.ledger(AGGREGATOR)
    wrong_role = f"IdentityWrongRole({AGGREGATOR.address}, {int(Role.AGGREGATOR)})"
    refused(wrong_role, open_round, aggregator)
    register(operator, AGGREGATOR, Role.AGGREGATOR)
    refused("KeyMissing()", open_round, aggregator)
    operator.publish_key(KEY)
    for signer in PARTICIPANTS:
        register(operator, signer, Role.PARTICIPANT)
    refused("RoundWrongNumber(1, 2)", open_round, aggregator, 2)
    refused("RoundWrongNumber(1, 0)", open_round, aggregator, 0)
    refused("RoundInvalidSelection(0)", open_round, aggregator, selected=0)
    refused("RoundInvalidSelection(19)", open_round, aggregator, selected=0b10011)
    refused("RoundInvalidQuorum(1, 3)", open_round, aggregator, quorum=1)
    refused("RoundInvalidQuorum(4, 3)", open_round, aggregator, quorum=4)
    zero = ZERO_HASH.hex()
    refused(f"RoundWrongBaseModel(0x{zero}, 0x{zero})", open_round, aggregator, base=ZERO_HASH)
    now = aggregator.now()
    for deadlines in (
        Deadlines(now - 1, now + 2000, now + 3000),
        Deadlines(now + 2000, now + 2000, now + 3000),
        Deadlines(now + 1000, now + 3000, now + 3000),
    ):
        refused("RoundInvalidDeadlines()", open_round, aggregator, deadlines=deadlines)
    moments = (now + 1000, now + 2000, now + 3000)
    refused(
        "RoundWrongCiphertexts(1, 0)",
        raw,
        aggregator,
        "openRound",
        1,
        digest("s"),
        digest("m"),
        ALL,
        2,
        0,
        moments,
    )
    operator.revoke_identity(address(PARTICIPANTS[1]))
    refused("RoundInvalidSelection(7)", open_round, aggregator)
    open_round(aggregator, selected=0b1101)
    refused("RoundStillRunning(1)", open_round, aggregator, 2)
    operator.revoke_identity(address(AGGREGATOR))
    refused(f"IdentityInactive({AGGREGATOR.address})", open_round, aggregator, 2)


def test_refusals_of_commits(world: World) -> None:
    aggregator = prepare(world)
    first, second, third, unselected = (world.ledger(signer) for signer in PARTICIPANTS)
    refused("RoundWrongPhase(1, 1, 0)", commit, first)
    refused("RoundWrongPhase(1, 1, 0)", aggregator.close_commits, 1)
    deadlines = open_round(aggregator)
    refused(f"RoundParticipantNotSelected(1, {PARTICIPANTS[3].address})", commit, unselected)
    stranger = world.ledger(STRANGER)
    refused(f"IdentityWrongRole({STRANGER.address}, {int(Role.PARTICIPANT)})", commit, stranger)
    trustee = world.ledger(TRUSTEES[0])
    refused(f"IdentityWrongRole({TRUSTEES[0].address}, {int(Role.PARTICIPANT)})", commit, trustee)
    refused(
        "RoundWrongCiphertexts(1, 8)",
        first.commit_update,
        1,
        root=digest("r"),
        ciphertexts=8,
        proof_hash=digest("p"),
    )
    commit(first)
    already = f"RoundAlreadyCommitted(1, {PARTICIPANTS[0].address})"
    refused(already, raw, first, "commitUpdate", 1, digest("other"), 7, digest("p"))
    refused("RoundCommitsStillOpen(1)", stranger.close_commits, 1)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    for name, action in late_steps(world):
        refused(f"RoundWrongPhase(1, {int(name)}, 1)", action)
    world.ledger(OPERATOR).revoke_identity(address(PARTICIPANTS[1]))
    refused(f"IdentityInactive({PARTICIPANTS[1].address})", commit, second)
    world.advance_past(deadlines.commit)
    refused(f"RoundDeadlinePassed(1, {deadlines.commit})", commit, third)
    refused("RoundCommitsStillOpen(1)", stranger.close_commits, 1)


def late_steps(world: World) -> list[tuple[Phase, Callable[[], object]]]:
    """Steps of later phases, with the phase each requires."""
    aggregator, trustee = world.ledger(AGGREGATOR), world.ledger(TRUSTEES[0])
    return [
        (Phase.UPLOAD, lambda: aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=digest("a"))),
        (Phase.DECRYPT, lambda: trustee.attest(1, partial_root=digest("p"))),
        (Phase.DECRYPT, lambda: finalize(aggregator)),
        (Phase.FINALIZED, lambda: aggregator.settle_round(1)),
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
    refused(
        "RoundInvalidAcceptedSet(1, 7)",
        aggregator.commit_aggregate,
        1,
        accepted=0b111,
        aggregate_root=digest("a"),
    )


def test_refusals_of_the_aggregate(world: World) -> None:
    prepare(world)
    register(world.ledger(OPERATOR), STANDBY, Role.AGGREGATOR)
    aggregator = to_upload(world)
    deadlines = aggregator.round(1).deadlines

    def commit_aggregate(ledger: Ledger, accepted: int = ALL) -> None:
        ledger.commit_aggregate(1, accepted=accepted, aggregate_root=digest("aggregate"))

    refused("RoundWrongPhase(1, 1, 2)", commit, world.ledger(PARTICIPANTS[3]))
    refused("RoundInvalidAcceptedSet(1, 1)", commit_aggregate, aggregator, 0b001)
    refused("RoundInvalidAcceptedSet(1, 0)", commit_aggregate, aggregator, 0)
    refused("RoundInvalidAcceptedSet(1, 11)", commit_aggregate, aggregator, 0b1011)
    standby = world.ledger(STANDBY)
    refused(f"RoundNotItsAggregator(1, {STANDBY.address})", commit_aggregate, standby)
    participant = world.ledger(PARTICIPANTS[0])
    refused(f"RoundNotItsAggregator(1, {PARTICIPANTS[0].address})", commit_aggregate, participant)
    world.advance_past(deadlines.aggregate)
    refused(f"RoundDeadlinePassed(1, {deadlines.aggregate})", commit_aggregate, aggregator)
    world.ledger(OPERATOR).revoke_identity(address(AGGREGATOR))
    refused(f"IdentityInactive({AGGREGATOR.address})", commit_aggregate, aggregator)


def test_refusals_of_decryption_and_result(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world)
    deadlines = aggregator.round(1).deadlines
    first, second, third = (world.ledger(signer) for signer in TRUSTEES)
    wrong_role = f"IdentityWrongRole({AGGREGATOR.address}, {int(Role.TRUSTEE)})"
    refused(wrong_role, aggregator.attest, 1, partial_root=digest("p"))
    refused("RoundAttestationsMissing(1, 0, 2)", finalize, aggregator)
    first.attest(1, partial_root=digest("p"))
    already = f"RoundAlreadyAttested(1, {TRUSTEES[0].address})"
    refused(already, raw, first, "attest", 1, digest("other"))
    refused("RoundAttestationsMissing(1, 1, 2)", finalize, aggregator)
    world.ledger(OPERATOR).revoke_identity(address(TRUSTEES[1]))
    refused(f"IdentityInactive({TRUSTEES[1].address})", second.attest, 1, partial_root=digest("p"))
    third.attest(1, partial_root=digest("p"))
    for missing in range(4):
        hashes = [digest("h")] * 4
        hashes[missing] = ZERO_HASH
        refused("RoundZeroHash(1)", raw, aggregator, "finalizeRound", 1, *hashes)
    refused(f"RoundNotItsAggregator(1, {STRANGER.address})", finalize, world.ledger(STRANGER))
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    world.advance_past(deadlines.finalize)
    refused(f"RoundDeadlinePassed(1, {deadlines.finalize})", finalize, aggregator)
    refused(f"RoundDeadlinePassed(1, {deadlines.finalize})", second_chance(world), 1)


def second_chance(world: World) -> Callable[[int], None]:
    """A trustee that was registered too late to matter, and is late too."""
    register(world.ledger(OPERATOR), STANDBY, Role.TRUSTEE)
    return lambda number: world.ledger(STANDBY).attest(number, partial_root=digest("p"))


def test_refusals_after_the_end(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    stranger = world.ledger(STRANGER)
    refused("RoundWrongPhase(1, 3, 4)", world.ledger(TRUSTEES[2]).attest, 1, partial_root=digest("p"))
    world.advance(10_000)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    stranger.settle_round(1)
    refused("RoundWrongPhase(1, 4, 5)", raw, stranger, "settleRound", 1)
    refused("RoundNotAbortable(1)", stranger.abort_round, 1)
    other, current = digest("other"), digest("model 1")
    wrong = f"RoundWrongBaseModel(0x{current.hex()}, 0x{other.hex()})"
    refused(wrong, open_round, aggregator, 2, base=other)
    open_round(aggregator, 2, base=current)


def test_round_may_open_before_the_previous_one_is_settled(world: World) -> None:
    prepare(world)
    to_finalized(world)
    aggregator = to_finalized(world, 2, base=digest("model 1"))
    world.advance(CONFIG.challenge_window + 1)
    for number in (2, 1):
        aggregator.settle_round(number)
        check_conservation(world)
        check_head(aggregator, number)


def test_values_that_the_contract_cannot_hold_never_leave(world: World) -> None:
    ledger = world.ledger(OPERATOR)
    before = len(ledger.events())
    with pytest.raises(ConfigurationError):
        ledger.commit_update(1, root=b"short", ciphertexts=7, proof_hash=digest("p"))
    with pytest.raises(ConfigurationError):
        ledger.commit_update(1, root=digest("r"), ciphertexts=1 << 32, proof_hash=digest("p"))
    with pytest.raises(ConfigurationError):
        ledger.fund_rewards(-1, "negative")
    with pytest.raises(ConfigurationError):
        ledger.register_identity(Address(STRANGER.address.lower()), Role.PARTICIPANT, b"c", ZERO_HASH)
    with pytest.raises(ConfigurationError):
        ledger.publish_key(PublishedKey(KEY.key_id, 1, 256))
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
    check_aborted(world, AbortReason.AGGREGATE_DEADLINE_MISSED)


def test_abort_of_a_round_whose_commits_nobody_closed(world: World) -> None:
    deadlines = open_round(prepare(world))
    for signer in PARTICIPANTS[:3]:
        commit(world.ledger(signer))
    world.advance_past(deadlines.aggregate)
    check_aborted(world, AbortReason.AGGREGATE_DEADLINE_MISSED)


def test_abort_for_a_missing_result(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world)
    world.ledger(TRUSTEES[0]).attest(1, partial_root=digest("p"))
    world.advance_past(aggregator.round(1).deadlines.finalize)
    check_aborted(world, AbortReason.FINALIZE_DEADLINE_MISSED)


# --------------------------------------------------------------------------------------------------- relayed commits


def sign(ledger: Ledger, signer: LocalAccount, root: bytes, *, contract: str | None = None) -> bytes:
    fields = ("round:uint256", "specHash:bytes32", "root:bytes32", "ciphertexts:uint32", "proofHash:bytes32")
    message = encode_typed_data(
        {
            "name": "fedtrust",
            "version": "1",
            "chainId": ledger.chain_id,
            "verifyingContract": contract or ledger.contract,
        },
        {"Update": [dict(zip(("name", "type"), field.split(":"), strict=True)) for field in fields]},
        {
            "round": 1,
            "specHash": digest("spec 1"),
            "root": root,
            "ciphertexts": 7,
            "proofHash": digest("p"),
        },
    )
    return bytes(signer.sign_message(message).signature)


def test_relayed_commit(world: World) -> None:
    open_round(prepare(world))
    relay = world.ledger(STRANGER)
    participant, root = PARTICIPANTS[0], digest("relayed")
    signature = sign(relay, participant, root)

    def commit_for(signer: LocalAccount, given: bytes, root: bytes = root) -> None:
        relay.commit_update_for(
            1,
            address(signer),
            root=root,
            ciphertexts=7,
            proof_hash=digest("p"),
            signature=given,
        )

    # somebody else's signature, another update, another contract, a malleated twin, other lengths, garbage
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin_s = order - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + twin_s.to_bytes(32, "big") + bytes([55 - signature[64]])
    wrong = f"RoundInvalidSignature({participant.address})"
    for forged in (
        sign(relay, PARTICIPANTS[1], root),
        sign(relay, participant, digest("another")),
        sign(relay, participant, root, contract=STRANGER.address),
        twin,
        signature[:64],
        signature + b"\x00",
        signature[:64] + bytes([signature[64] - 27]),
        bytes(65),
        b"",
    ):
        refused(wrong, commit_for, participant, forged)
    refused(f"RoundInvalidSignature({PARTICIPANTS[1].address})", commit_for, PARTICIPANTS[1], signature)
    not_selected = sign(relay, PARTICIPANTS[3], root)
    refused(
        f"RoundParticipantNotSelected(1, {PARTICIPANTS[3].address})",
        commit_for,
        PARTICIPANTS[3],
        not_selected,
    )
    commit_for(participant, signature)
    committed = relay.events()[-1]
    assert isinstance(committed, ev.UpdateCommitted)
    assert (committed.participant, committed.root) == (participant.address, root)
    # the participant itself finds it done, and cannot commit anything else
    events = relay.events()
    own = world.ledger(participant)
    own.commit_update(1, root=root, ciphertexts=7, proof_hash=digest("p"))
    commit_for(participant, signature)
    with pytest.raises(TransactionError, match="another content"):
        commit(own)
    assert relay.events() == events


# -------------------------------------------------------------------------------------------------------- idempotence


def test_every_write_is_idempotent_over_a_restart(world: World) -> None:
    """Each step again, by the same ledger and by one after a restart: nothing new is sent."""
    operator, aggregator = world.ledger(OPERATOR), prepare(world)
    deadlines = deadlines_from(aggregator)

    def twice(signer: LocalAccount, action: Callable[[Ledger], object]) -> None:
        action(world.ledger(signer))
        events, sent = operator.events(), operator.block_number()
        action(world.ledger(signer))
        action(world.again(signer))
        assert operator.events() == events
        assert operator.block_number() == sent

    twice(OPERATOR, lambda ledger: register(ledger, STANDBY, Role.AGGREGATOR))
    twice(OPERATOR, lambda ledger: ledger.revoke_identity(address(STANDBY)))
    twice(OPERATOR, lambda ledger: register(ledger, STANDBY, Role.AGGREGATOR))
    twice(OPERATOR, lambda ledger: ledger.publish_key(KEY))
    twice(STRANGER, lambda ledger: ledger.fund_rewards(5, "gift"))
    assert operator.reward_pool() == POOL + 5
    twice(AGGREGATOR, lambda ledger: open_round(ledger, deadlines=deadlines))
    for signer in PARTICIPANTS[:3]:
        twice(signer, commit)
    twice(STRANGER, lambda ledger: ledger.close_commits(1))
    twice(
        AGGREGATOR,
        lambda ledger: ledger.commit_aggregate(1, accepted=ALL, aggregate_root=digest("aggregate")),
    )
    for signer in TRUSTEES[:2]:
        twice(signer, lambda ledger: ledger.attest(1, partial_root=digest("p")))
    twice(AGGREGATOR, finalize)
    world.advance(CONFIG.challenge_window + 1)
    twice(STRANGER, lambda ledger: ledger.settle_round(1))
    twice(PARTICIPANTS[0], lambda ledger: ledger.claim("first"))
    deadlines = open_round(aggregator, 2, base=digest("model 1"))
    world.advance_past(deadlines.commit)
    twice(STRANGER, lambda ledger: ledger.abort_round(2))
    check_conservation(world)


def test_another_content_for_a_step_that_was_taken_is_refused(world: World) -> None:
    operator = world.ledger(OPERATOR)
    prepare(world)
    aggregator = to_finalized(world)
    events = operator.events()
    other, trustee = digest("other"), world.ledger(TRUSTEES[0])
    for action in (
        lambda: operator.publish_key(PublishedKey(other, 2, 3)),
        lambda: operator.register_identity(address(AGGREGATOR), Role.AGGREGATOR, b"other", ZERO_HASH),
        lambda: operator.fund_rewards(POOL + 1, "first"),
        lambda: open_round(aggregator, quorum=3, deadlines=aggregator.round(1).deadlines),
        lambda: commit(world.ledger(PARTICIPANTS[0]), label="other"),
        lambda: aggregator.commit_aggregate(1, accepted=0b011, aggregate_root=digest("aggregate")),
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
    for signer in PARTICIPANTS[:3]:
        commit(world.ledger(signer))
    aggregator.close_commits(1)
    events = aggregator.events()
    world.ledger(STRANGER).close_commits(1)
    assert aggregator.events() == events
    # but a round that another aggregator opened is not ours
    register(world.ledger(OPERATOR), STANDBY, Role.AGGREGATOR)
    standby = world.ledger(STANDBY)
    refused("RoundWrongNumber(2, 1)", open_round, standby, deadlines=aggregator.round(1).deadlines)


def test_a_refused_step_can_be_tried_again(world: World) -> None:
    aggregator = prepare(world)
    participant = world.ledger(PARTICIPANTS[0])
    refused("RoundWrongPhase(1, 1, 0)", commit, participant)
    open_round(aggregator)
    commit(participant)
    assert aggregator.round(1).committed == 1
