"""The conformance suite, third part: every dispute, what it proves, what it refuses, and what it costs whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from fedtrust.crypto.merkle import merkle_path, merkle_root, merkle_root_of, merkle_tree_hash
from fedtrust.crypto.signatures import ReceiptMessage, UpdateMessage, sign_receipt, sign_update
from fedtrust.ledger import events as ev
from fedtrust.ledger.heads import verdicts_hash
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    AbortReason,
    Address,
    CommitmentEntry,
    DisputeKind,
    DisputeOutcome,
    Phase,
    Role,
    SignedUpdate,
    Status,
    bitmap_of,
)
from tests.ledger.play import (
    ALL,
    CIPHERTEXTS,
    KEY,
    MEMBERS,
    MODULUS,
    POOL,
    address,
    aggregate,
    check_conservation,
    commit,
    contributions,
    digest,
    finalize,
    open_round,
    prepare,
    product,
    refused,
    root_of,
    to_decrypt,
    to_finalized,
    to_upload,
    transcripts,
    vector,
)
from tests.ledger.worlds import (
    AGGREGATOR,
    CHALLENGER,
    CONFIG,
    OPERATOR,
    STANDBY,
    STRANGER,
    TRUSTEES,
    MemoryWorld,
    World,
    raw,
    without_place,
)

LEAF = 3
BOND = CONFIG.dispute_bond
ACCOUNTS = [signer.address for signer in MEMBERS]


def challenge(world: World, number: int = 1, leaf: int = LEAF) -> tuple[Ledger, int]:
    ledger = world.ledger(CHALLENGER)
    return ledger, ledger.challenge_aggregate(number, leaf)


def multiply_all(ledger: Ledger, dispute: int, number: int = 1, leaf: int = LEAF) -> None:
    """Multiply in two steps, as a long column would be."""
    parts, (start, _, after) = contributions(ledger, leaf, number), transcripts(ledger, number)
    ledger.multiply(dispute, modulus=MODULUS, product=b"", start=start, contributions=parts[:1])
    so_far = parts[0].ciphertext
    ledger.multiply(dispute, modulus=MODULUS, product=so_far, start=after[0], contributions=parts[1:])


def conclude(ledger: Ledger, dispute: int, leaves: tuple[bytes, ...], number: int = 1, leaf: int = LEAF) -> object:
    return ledger.conclude(
        dispute,
        modulus=MODULUS,
        product=product(ACCOUNTS, number)[leaf],
        aggregate_root=merkle_root(leaves),
        ciphertext=leaves[leaf],
        path=merkle_path(leaves, leaf),
    )


def convict(world: World, number: int = 1) -> None:
    """Prove that the aggregate of a round is wrong at LEAF."""
    ledger, dispute = challenge(world, number)
    multiply_all(ledger, dispute, number)
    outcome = conclude(ledger, dispute, aggregate(number, wrong=LEAF), number)
    assert outcome is DisputeOutcome.PROVEN


def status_of(ledger: Ledger, signer: LocalAccount) -> Status:
    identity = ledger.identity(address(signer))
    assert identity is not None
    return identity.status


# -------------------------------------------------------------------------------------------------- a wrong aggregate


def test_a_wrong_aggregate_costs_everybody_who_stood_for_it(world: World) -> None:
    prepare(world)
    to_finalized(world, wrong=LEAF)
    ledger, dispute = challenge(world)
    opened = ledger.events()[-1]
    assert isinstance(opened, ev.AggregateChallenged)
    assert (opened.dispute, opened.round, opened.challenger, opened.leaf) == (1, 1, CHALLENGER.address, LEAF)
    assert opened.deadline == opened.timestamp + CONFIG.dispute_seconds
    there = ledger.dispute(1)
    assert (there.number, there.kind, there.outcome) == (1, DisputeKind.AGGREGATE, DisputeOutcome.OPEN)
    assert (there.round, there.leaf, there.counted, there.deadline) == (1, LEAF, 0, opened.deadline)
    assert (there.challenger, there.transcript, there.product_hash) == (CHALLENGER.address, ZERO_HASH, ZERO_HASH)
    assert ledger.open_disputes(1) == 1
    check_conservation(world)
    multiply_all(ledger, dispute)
    there = ledger.dispute(1)
    assert (there.counted, there.transcript) == (3, transcripts(ledger)[2][-1])
    assert there.product_hash == keccak(product(ACCOUNTS)[LEAF])
    before, head = ledger.reward_pool(), ledger.head(1)
    assert conclude(ledger, dispute, aggregate(wrong=LEAF)) is DisputeOutcome.PROVEN
    # the round counts for nothing, and the model before it is the current one
    state = ledger.round(1)
    assert (state.phase, state.head, ledger.head(1)) == (Phase.VOIDED, head, head)
    assert ledger.current_model() == digest("model 0")
    verdict = verdicts_hash(ZERO_HASH, 1, address(AGGREGATOR), DisputeKind.AGGREGATE)
    assert ledger.verdicts() == verdict
    voided = [event for event in ledger.events() if isinstance(event, ev.RoundVoided)]
    assert [(event.round, event.head, event.verdicts) for event in voided] == [(1, head, verdict)]
    decided = [event for event in ledger.events() if isinstance(event, ev.DisputeDecided)]
    assert [(event.outcome, event.offender) for event in decided] == [(DisputeOutcome.PROVEN, AGGREGATOR.address)]
    # the aggregator and both trustees that attested lose their stakes
    slashed = CONFIG.aggregator_stake + 2 * CONFIG.trustee_stake
    assert [status_of(ledger, signer) for signer in (AGGREGATOR, *TRUSTEES)] == [
        *[Status.SLASHED] * 3,
        Status.ACTIVE,
    ]
    assert ledger.reputation(Role.AGGREGATOR, 0).slashed == 1
    assert ledger.reputation(Role.TRUSTEE, 1).slashed == 1
    assert sum(event.amount for event in ledger.events() if isinstance(event, ev.IdentitySlashed)) == slashed
    # the challenger gets its bond and at most the cap, the participants what they would have earned at most
    assert ledger.claimable(ledger.account) == BOND + CONFIG.challenger_reward_cap
    rest = slashed - CONFIG.challenger_reward_cap
    each = min(CONFIG.round_reward * 7000 // 10000, rest) // 3
    assert [ledger.claimable(address(signer)) for signer in MEMBERS] == [each] * 3
    assert ledger.reward_pool() == before + CONFIG.round_reward + rest - 3 * each
    check_conservation(world)
    assert ledger.open_disputes(1) == 0
    # nothing is left to decide about it, and the next round starts from the restored model
    refused("DisputeTooLate(1)", world.ledger(STRANGER).challenge_aggregate, 1, LEAF)
    refused("RoundWrongPhase(1, 4, 7)", ledger.settle_round, 1)
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, 6)", open_round, world.ledger(AGGREGATOR), 2)
    open_round(world.ledger(STANDBY), 2, base=digest("model 0"))
    assert ledger.round(2).base_round == 0
    assert ledger.claim("won") == BOND + CONFIG.challenger_reward_cap
    check_conservation(world)


def test_a_right_aggregate_costs_the_challenger_its_bond(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    ledger, dispute = challenge(world)
    multiply_all(ledger, dispute)
    pool = ledger.reward_pool()
    assert conclude(ledger, dispute, aggregate()) is DisputeOutcome.FAILED
    assert ledger.reward_pool() == pool + BOND
    assert ledger.claimable(ledger.account) == 0
    assert status_of(ledger, AGGREGATOR) is Status.ACTIVE
    decided = ledger.events()[-1]
    assert isinstance(decided, ev.DisputeDecided)
    assert (decided.dispute, decided.kind, decided.outcome, decided.offender) == (
        1,
        DisputeKind.AGGREGATE,
        DisputeOutcome.FAILED,
        ZERO_ADDRESS,
    )
    world.advance(CONFIG.challenge_window)
    aggregator.settle_round(1)
    check_conservation(world)


def test_a_dispute_can_be_brought_before_the_result(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world, wrong=LEAF)
    convict(world)
    state = aggregator.round(1)
    assert state.phase is Phase.VOIDED
    assert any(state.head)
    assert status_of(aggregator, AGGREGATOR) is Status.SLASHED
    assert all(status_of(aggregator, signer) is Status.ACTIVE for signer in TRUSTEES)
    refused("RoundWrongPhase(1, 3, 7)", finalize, aggregator)
    refused("RoundNotAbortable(1)", aggregator.abort_round, 1)
    open_round(world.ledger(STANDBY), 2)
    check_conservation(world)


def test_an_aborted_round_can_still_be_disputed(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world, wrong=LEAF)
    world.advance_past(aggregator.round(1).deadlines.finalize)
    aggregator.abort_round(1)
    convict(world)
    state = aggregator.round(1)
    assert state.phase is Phase.ABORTED
    assert aggregator.verdicts() == ZERO_HASH
    assert status_of(aggregator, AGGREGATOR) is Status.SLASHED
    check_conservation(world)


def test_a_dispute_comes_before_the_end_of_the_window(world: World) -> None:
    prepare(world)
    to_finalized(world)
    to_decrypt(world, 2)
    ledger = world.ledger(CHALLENGER)
    refused("DisputeTooLate(3)", ledger.challenge_aggregate, 3, LEAF)
    refused(f"DisputeNoSuchLeaf({CIPHERTEXTS}, {CIPHERTEXTS})", ledger.challenge_aggregate, 2, CIPHERTEXTS)
    world.advance_past(ledger.round(1).challenge_end)
    refused("DisputeTooLate(1)", ledger.challenge_aggregate, 1, LEAF)
    world.advance_past(ledger.round(2).deadlines.finalize + CONFIG.challenge_window)
    refused("DisputeTooLate(2)", ledger.challenge_aggregate, 2, LEAF)


def test_a_round_without_an_aggregate_has_nothing_to_dispute(world: World) -> None:
    prepare(world)
    to_upload(world)
    refused("DisputeTooLate(1)", world.ledger(CHALLENGER).challenge_aggregate, 1, LEAF)


def test_a_disputed_round_is_not_settled(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world)
    ledger, dispute = challenge(world)
    deadline = ledger.dispute(dispute).deadline
    refused(f"DisputeStillRunning({dispute}, {deadline})", world.ledger(STRANGER).expire_dispute, dispute)
    world.advance(CONFIG.challenge_window)
    refused("RoundDisputed(1)", aggregator.settle_round, 1)
    # what was begun can be finished until its own deadline only
    parts, (start, _, _) = contributions(ledger, LEAF), transcripts(ledger)
    refused(
        f"DisputeExpired({dispute}, {deadline})",
        ledger.multiply,
        dispute,
        modulus=MODULUS,
        product=b"",
        start=start,
        contributions=parts,
    )
    pool = ledger.reward_pool()
    world.ledger(STRANGER).expire_dispute(dispute)
    world.ledger(STRANGER).expire_dispute(dispute)
    assert ledger.dispute(dispute).outcome is DisputeOutcome.FAILED
    assert ledger.reward_pool() == pool + BOND
    aggregator.settle_round(1)
    check_conservation(world)


def test_a_challenge_is_announced_in_an_earlier_block(world: World) -> None:
    prepare(world)
    to_finalized(world)
    ledger, thief = world.ledger(CHALLENGER), world.ledger(STRANGER)
    salt = digest("salt")
    own = announcement(ledger.account, DisputeKind.AGGREGATE, salt)
    refused(f"DisputeNotAnnounced(0x{own.hex()})", challenge_raw, ledger, salt)
    announce(ledger, own)
    announced = ledger.events()[-1]
    assert isinstance(announced, ev.DisputeAnnounced)
    assert (announced.challenger, announced.announcement) == (ledger.account, own)
    # who copies announcement or challenge wins nothing
    announce(thief, own)
    stolen = announcement(thief.account, DisputeKind.AGGREGATE, salt)
    refused(f"DisputeNotAnnounced(0x{stolen.hex()})", challenge_raw, thief, salt)
    refused(f"PaymentWrong({BOND}, {BOND - 1})", challenge_raw, ledger, salt, BOND - 1)
    challenge_raw(ledger, salt)
    assert ledger.dispute(1).challenger == ledger.account
    # an announcement is used up
    refused(f"DisputeNotAnnounced(0x{own.hex()})", challenge_raw, ledger, salt)


def announce(ledger: Ledger, content: bytes) -> None:
    raw(ledger, "announce", content)


def challenge_raw(ledger: Ledger, salt: bytes, value: int = BOND) -> None:
    raw(ledger, "challengeAggregate", 1, LEAF, salt, value=value)


def announcement(account: str, kind: DisputeKind, salt: bytes) -> bytes:
    content = int(kind).to_bytes(32, "big") + (1).to_bytes(32, "big") + LEAF.to_bytes(32, "big")
    return keccak(bytes(12) + bytes.fromhex(account[2:]) + keccak(content) + salt)


def test_steps_of_a_dispute_are_its_challengers_and_exact(world: World) -> None:
    prepare(world)
    aggregator = to_finalized(world, wrong=LEAF)
    ledger, dispute = challenge(world)
    parts, (start, _, after) = contributions(ledger, LEAF), transcripts(ledger)
    stranger = world.ledger(STRANGER)

    def multiply(by: Ledger = ledger, **changes: object) -> None:
        arguments = {"modulus": MODULUS, "product": b"", "start": start, "contributions": parts} | changes
        by.multiply(dispute, **arguments)  # type: ignore[arg-type]

    refused(f"DisputeNotYours({dispute}, {CHALLENGER.address})", multiply, stranger)
    refused("DisputeNotOpen(2)", raw, ledger, "expire", 2)
    refused("DisputeWrongModulus()", multiply, modulus=bytes(31) + b"\x03")
    refused(f"DisputeWrongProduct({dispute})", multiply, product=MODULUS)
    other_leaf = replace(parts[0], ciphertext=vector(parts[0].participant)[0])
    wrong_root = merkle_wrong_root(parts[0].root, other_leaf.ciphertext, parts[0].path)
    refused(wrong_root, multiply, contributions=[other_leaf])
    short = replace(parts[0], path=parts[0].path[:-1])
    refused("MerkleWrongPathLength(3, 2)", multiply, contributions=[short])
    hidden = replace(parts[0], ciphertext=b"", path=())
    refused("MerkleWrongPathLength(3, 0)", multiply, contributions=[hidden])
    # a step that began elsewhere, or leaves somebody out, leads nowhere
    multiply(contributions=parts[:1])
    so_far = parts[0].ciphertext
    refused("DisputeWrongCommitments(1)", multiply, product=so_far, start=start, contributions=parts[1:])
    refused(f"DisputeWrongProduct({dispute})", multiply, start=after[0], contributions=parts[1:])
    refused("DisputeWrongCommitments(1)", conclude, ledger, dispute, aggregate(wrong=LEAF))
    multiply(product=so_far, start=after[0], contributions=parts[1:])
    leaves = aggregate(wrong=LEAF)
    root, path = merkle_root(leaves), merkle_path(leaves, LEAF)
    right = product(ACCOUNTS)[LEAF]
    refused(
        f"DisputeWrongProduct({dispute})",
        ledger.conclude,
        dispute,
        modulus=MODULUS,
        product=so_far,
        aggregate_root=root,
        ciphertext=leaves[LEAF],
        path=path,
    )
    refused(
        merkle_wrong_root(root, right, path),
        ledger.conclude,
        dispute,
        modulus=MODULUS,
        product=right,
        aggregate_root=root,
        ciphertext=right,
        path=path,
    )
    refused("DisputeWrongCommitments(1)", conclude, ledger, dispute, aggregate())
    assert conclude(ledger, dispute, leaves) is DisputeOutcome.PROVEN
    refused(f"DisputeNotOpen({dispute})", raw, stranger, "withdraw", dispute)
    assert aggregator.round(1).phase is Phase.VOIDED


def merkle_wrong_root(root: bytes, leaf: bytes, path: tuple[bytes, ...], index: int = LEAF) -> str:
    node, last, place, rest = keccak(b"\x00" + leaf), CIPHERTEXTS - 1, index, list(path)
    while last > 0:
        if place % 2:
            node = keccak(b"\x01" + rest.pop(0) + node)
        elif place < last:
            node = keccak(b"\x01" + node + rest.pop(0))
        place, last = place >> 1, last >> 1
    actual = merkle_root_of(CIPHERTEXTS, node)
    return f"MerkleWrongRoot(0x{root.hex()}, 0x{actual.hex()})"


def test_a_column_from_the_middle_is_incomplete(world: World) -> None:
    prepare(world)
    to_finalized(world)
    ledger, dispute = challenge(world)
    parts, (_, _, after) = contributions(ledger, LEAF), transcripts(ledger)
    ledger.multiply(dispute, modulus=MODULUS, product=b"", start=after[0], contributions=parts[1:])
    order = int.from_bytes(MODULUS, "big")
    numbers = [int.from_bytes(each.ciphertext, "big") for each in parts[1:]]
    partial = (numbers[0] * numbers[1] % order).to_bytes(len(MODULUS), "big")
    leaves = aggregate()
    refused(
        f"DisputeIncomplete({dispute}, 2, 3)",
        ledger.conclude,
        dispute,
        modulus=MODULUS,
        product=partial,
        aggregate_root=merkle_root(leaves),
        ciphertext=leaves[LEAF],
        path=merkle_path(leaves, LEAF),
    )


@pytest.mark.parametrize("leaf", [MODULUS, b"short", b"\x00" * 64], ids=["not reduced", "short", "long"])
def test_an_accepted_leaf_that_is_no_operand_is_proof(world: World, leaf: bytes) -> None:
    prepare(world)
    aggregator = world.ledger(AGGREGATOR)
    open_round(aggregator)
    helper = world.ledger(MEMBERS[0])
    odd = list(vector(helper.account))
    odd[LEAF] = leaf
    helper.commit_update(1, root=merkle_root(odd), ciphertexts=CIPHERTEXTS, proof_hash=digest("proof"))
    for signer in MEMBERS[1:]:
        commit(world.ledger(signer))
    aggregator.close_commits(1)
    aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=digest("whatever"))
    ledger, dispute = challenge(world)
    parts, (start, _, after) = contributions(ledger, LEAF), transcripts(ledger)
    shown = replace(parts[0], ciphertext=leaf, path=merkle_path(odd, LEAF))
    ledger.multiply(dispute, modulus=MODULUS, product=b"", start=start, contributions=[shown])
    there = ledger.dispute(dispute)
    assert (there.counted, there.product_hash) == (1, (1).to_bytes(32, "big"))
    # the others need no leaf any more, but must be named
    bare = [replace(each, ciphertext=b"", path=()) for each in parts[1:]]
    ledger.multiply(dispute, modulus=MODULUS, product=b"", start=after[0], contributions=bare)
    outcome = ledger.conclude(
        dispute, modulus=b"", product=b"", aggregate_root=digest("whatever"), ciphertext=b"", path=[]
    )
    assert outcome is DisputeOutcome.PROVEN
    assert status_of(ledger, AGGREGATOR) is Status.SLASHED
    check_conservation(world)


def test_a_modulus_that_nobody_can_work_with_proves_nothing(world: World) -> None:
    even = bytes(31) + b"\x04"
    prepare(world, key=replace(KEY, modulus_hash=keccak(even)))
    to_finalized(world)
    ledger, dispute = challenge(world)
    parts, (start, _, _) = contributions(ledger, LEAF), transcripts(ledger)
    step = {"modulus": even, "product": b"", "start": start, "contributions": parts}
    refused("ModularInvalidModulus(32)", ledger.multiply, dispute, **step)


def test_only_accepted_updates_are_multiplied(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    two = [ACCOUNTS[0], ACCOUNTS[2]]
    leaves = product(two)
    aggregator.commit_aggregate(1, accepted=bitmap_of([0, 2]), aggregate_root=merkle_root(leaves))
    ledger, dispute = challenge(world)
    parts, (start, _, _) = contributions(ledger, LEAF), transcripts(ledger)
    parts[1] = replace(parts[1], ciphertext=b"", path=())
    ledger.multiply(dispute, modulus=MODULUS, product=b"", start=start, contributions=parts)
    assert ledger.dispute(dispute).counted == 2
    outcome = ledger.conclude(
        dispute,
        modulus=MODULUS,
        product=leaves[LEAF],
        aggregate_root=merkle_root(leaves),
        ciphertext=leaves[LEAF],
        path=merkle_path(leaves, LEAF),
    )
    assert outcome is DisputeOutcome.FAILED


# -------------------------------------------------------------------------------------------------- a wrong count


def test_a_root_with_another_count_is_proof(world: World) -> None:
    prepare(world)
    aggregator = world.ledger(AGGREGATOR)
    open_round(aggregator)
    helper, more = world.ledger(MEMBERS[1]), (*vector(MEMBERS[1].address), b"one more")
    commit(world.ledger(MEMBERS[0]))
    helper.commit_update(1, root=merkle_root(more), ciphertexts=CIPHERTEXTS, proof_hash=digest("proof"))
    commit(world.ledger(MEMBERS[2]))
    aggregator.close_commits(1)
    root = merkle_root(aggregate())
    aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=root)
    ledger, dispute = challenge(world)
    start, entries, after = transcripts(ledger)

    def prove(**changes: object) -> None:
        arguments = {
            "start": after[0],
            "commitments": entries[1:],
            "aggregate_root": root,
            "count": CIPHERTEXTS + 1,
            "tree_hash": merkle_tree_hash(more),
        } | changes
        ledger.prove_wrong_count(dispute, **arguments)  # type: ignore[arg-type]

    refused("DisputeWrongCommitments(1)", prove, start=start)
    refused("DisputeWrongCommitments(1)", prove, aggregate_root=digest("other"))
    opened = merkle_root_of(CIPHERTEXTS, merkle_tree_hash(more))
    refused(f"MerkleWrongRoot(0x{entries[1].root.hex()}, 0x{opened.hex()})", prove, count=CIPHERTEXTS)
    honest = {"start": start, "commitments": entries, "count": CIPHERTEXTS}
    tree = merkle_tree_hash(vector(MEMBERS[0].address))
    refused(f"DisputeRightCount({CIPHERTEXTS})", prove, tree_hash=tree, **honest)
    aggregate_tree = merkle_tree_hash(aggregate())
    own = {"start": after[-1], "commitments": [], "count": CIPHERTEXTS, "tree_hash": aggregate_tree}
    refused(f"DisputeRightCount({CIPHERTEXTS})", prove, **own)
    prove()
    assert ledger.dispute(dispute).outcome is DisputeOutcome.PROVEN
    assert ledger.round(1).phase is Phase.VOIDED
    check_conservation(world)


# -------------------------------------------------------------------------------------------------- availability


def demand(ledger: Ledger, participant: LocalAccount | None = None, leaf: int = LEAF, **changes: object) -> int:
    start, entries, after = transcripts(ledger)
    place = -1 if participant is None else [each.participant for each in entries].index(address(participant))
    arguments = {
        "participant": ZERO_ADDRESS if participant is None else address(participant),
        "leaf": leaf,
        "start": after[-1] if participant is None else (start, *after)[place],
        "commitments": [] if participant is None else entries[place:],
        "aggregate_root": merkle_root(aggregate()),
    } | changes
    return ledger.challenge_availability(1, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("participant", [None, MEMBERS[0], MEMBERS[2]], ids=["aggregate", "first", "last"])
def test_a_demanded_ciphertext_is_shown(world: World, participant: LocalAccount | None) -> None:
    prepare(world)
    to_finalized(world)
    ledger = world.ledger(CHALLENGER)
    dispute = demand(ledger, participant)
    demanded = ledger.events()[-1]
    assert isinstance(demanded, ev.AvailabilityChallenged)
    account = ZERO_ADDRESS if participant is None else address(participant)
    assert (demanded.dispute, demanded.participant, demanded.leaf) == (dispute, account, LEAF)
    leaves = aggregate() if participant is None else vector(participant.address)
    assert ledger.dispute(dispute).transcript == merkle_root(leaves)
    assert ledger.dispute(dispute).kind is DisputeKind.AVAILABILITY
    shower = world.ledger(STRANGER)
    path = merkle_path(leaves, LEAF)
    wrong = merkle_wrong_root(merkle_root(leaves), leaves[0], path)
    refused(wrong, shower.reveal, dispute, ciphertext=leaves[0], path=path)
    refused("MerkleWrongPathLength(3, 4)", shower.reveal, dispute, ciphertext=leaves[0], path=(*path, ZERO_HASH))
    other_kind = {"modulus": b"", "product": b"", "start": path[0], "contributions": []}
    refused(f"DisputeNotOpen({dispute})", ledger.multiply, dispute, **other_kind)
    shower.reveal(dispute, ciphertext=leaves[LEAF], path=path)
    shower.reveal(dispute, ciphertext=leaves[LEAF], path=path)
    shown = [event for event in ledger.events() if isinstance(event, ev.CiphertextRevealed)]
    assert [(event.dispute, event.sender, event.ciphertext) for event in shown] == [
        (dispute, shower.account, leaves[LEAF])
    ]
    assert ledger.dispute(dispute).outcome is DisputeOutcome.FAILED
    assert (shower.claimable(shower.account), ledger.claimable(ledger.account)) == (BOND, 0)
    check_conservation(world)


def test_what_nobody_shows_convicts_the_aggregator(world: World) -> None:
    prepare(world)
    to_finalized(world)
    ledger = world.ledger(CHALLENGER)
    dispute = demand(ledger, MEMBERS[1])
    deadline = ledger.dispute(dispute).deadline
    world.advance_past(deadline)
    leaves = vector(MEMBERS[1].address)
    refused(
        f"DisputeExpired({dispute}, {deadline})",
        ledger.reveal,
        dispute,
        ciphertext=leaves[LEAF],
        path=merkle_path(leaves, LEAF),
    )
    world.ledger(STRANGER).expire_dispute(dispute)
    assert ledger.dispute(dispute).outcome is DisputeOutcome.PROVEN
    assert ledger.round(1).phase is Phase.VOIDED
    assert status_of(ledger, AGGREGATOR) is Status.SLASHED
    # a trustee that saw the update before it was hidden is not to blame
    assert all(status_of(ledger, signer) is Status.ACTIVE for signer in TRUSTEES)
    assert ledger.claimable(ledger.account) == BOND + min(CONFIG.aggregator_stake // 2, CONFIG.challenger_reward_cap)
    check_conservation(world)


def test_refusals_of_demands(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    leaves = product([ACCOUNTS[0], ACCOUNTS[2]])
    root = merkle_root(leaves)
    aggregator.commit_aggregate(1, accepted=bitmap_of([0, 2]), aggregate_root=root)
    ledger = world.ledger(CHALLENGER)
    start, entries, _ = transcripts(ledger)
    known = {"aggregate_root": root}
    refused(f"DisputeNotAccepted(1, {ACCOUNTS[1]})", demand, ledger, MEMBERS[1], **known)
    refused(f"DisputeNoSuchLeaf({CIPHERTEXTS}, {CIPHERTEXTS})", demand, ledger, MEMBERS[0], CIPHERTEXTS, **known)
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[0], aggregate_root=digest("other"))
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[0], start=digest("made up"), **known)
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[0], commitments=entries[1:], **known)
    swapped = [CommitmentEntry(address(MEMBERS[2]), entries[0].root, entries[0].proof_hash), *entries[1:]]
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[2], start=start, commitments=swapped, **known)
    # the commitments are right, but begin with another than the named
    others = {"start": start, "commitments": entries}
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[2], **others, **known)
    refused("DisputeWrongCommitments(1)", demand, ledger, **others, **known)
    bare = {"start": transcripts(ledger)[2][-1], "commitments": []}
    refused("DisputeWrongCommitments(1)", demand, ledger, MEMBERS[0], **bare, **known)
    assert demand(ledger, **known) == 1


# -------------------------------------------------------------------------------------------------- equivocation


def signed_update(
    ledger: Ledger, signer: LocalAccount, label: str, *, epoch: int = 1, spec: str = "spec 1", number: int = 1
) -> SignedUpdate:
    message = UpdateMessage(number, digest(spec), epoch, digest(label), CIPHERTEXTS, digest("proof"))
    signature = sign_update(bytes(signer.key), ledger.chain_id, ledger.contract, message)
    return SignedUpdate(epoch, digest(label), CIPHERTEXTS, digest("proof"), signature)


def test_two_updates_for_one_round_convict_their_signer(world: World) -> None:
    prepare(world)
    aggregator = to_upload(world)
    liar = MEMBERS[0]
    ledger = world.ledger(CHALLENGER)
    one, other = signed_update(ledger, liar, "one"), signed_update(ledger, liar, "other")
    pool = ledger.reward_pool()
    ledger.challenge_equivocation(1, account=address(liar), first=one, second=other)
    world.again(CHALLENGER).challenge_equivocation(1, account=address(liar), first=one, second=other)
    decided = [event for event in ledger.events() if isinstance(event, ev.DisputeDecided)]
    assert len(decided) == 1
    assert (decided[0].dispute, decided[0].kind, decided[0].outcome) == (
        0,
        DisputeKind.EQUIVOCATION,
        DisputeOutcome.PROVEN,
    )
    assert (decided[0].challenger, decided[0].offender) == (ledger.account, liar.address)
    assert status_of(ledger, liar) is Status.SLASHED
    assert (ledger.eligible(), ledger.reputation(Role.PARTICIPANT, 0).slashed) == (0b110, 1)
    state = ledger.round(1)
    assert (state.phase, state.head) == (Phase.VOIDED, ledger.head(1))
    assert any(state.head)
    # half the stake to the challenger, the rest to the two that were harmed
    reward = CONFIG.participant_stake // 2
    assert ledger.claimable(ledger.account) == BOND + reward
    each = (CONFIG.participant_stake - reward) // 2
    assert [ledger.claimable(address(signer)) for signer in MEMBERS] == [0, each, each]
    assert ledger.reward_pool() == pool + CONFIG.round_reward + CONFIG.participant_stake - reward - 2 * each
    check_conservation(world)
    open_round(aggregator, 2)
    assert aggregator.round(2).selected == 0b110


def test_refusals_of_equivocations(world: World) -> None:
    prepare(world)
    aggregator = world.ledger(AGGREGATOR)
    open_round(aggregator)
    ledger = world.ledger(CHALLENGER)
    accused = MEMBERS[0]
    one, other = signed_update(ledger, accused, "one"), signed_update(ledger, accused, "other")

    def accuse(
        first: SignedUpdate = one, second: SignedUpdate = other, account: str = accused.address, number: int = 1
    ) -> None:
        ledger.challenge_equivocation(number, account=Address(account), first=first, second=second)

    refused("DisputeTooLate(2)", accuse, number=2)
    refused("DisputeSameContent()", accuse, one, one)
    invalid = f"DisputeInvalidSignature({accused.address})"
    refused(invalid, accuse, one, signed_update(ledger, accused, "other", spec="spec 2"))
    refused(invalid, accuse, one, signed_update(ledger, accused, "other", number=2))
    refused(invalid, accuse, one, signed_update(ledger, MEMBERS[1], "other"))
    refused(invalid, accuse, replace(one, root=digest("never signed")))
    not_in_force = f"DisputeNotInForce(1, {accused.address})"
    refused(not_in_force, accuse, one, signed_update(ledger, accused, "other", epoch=2))
    second = [signed_update(ledger, accused, label, epoch=2) for label in ("one", "other")]
    refused(not_in_force, accuse, *second)
    zero = [signed_update(ledger, accused, label, epoch=0) for label in ("one", "other")]
    refused(not_in_force, accuse, *zero)
    refused(f"DisputeNotInForce(1, {STRANGER.address})", accuse, one, other, STRANGER.address)
    refused(f"DisputeNotInForce(1, {AGGREGATOR.address})", accuse, one, other, AGGREGATOR.address)
    assert status_of(ledger, accused) is Status.ACTIVE
    # a key that was handed on is not its holder's any more: it proves nothing about a later round
    world.ledger(OPERATOR).admit_identity(address(STRANGER), Role.PARTICIPANT)
    world.advance_past(aggregator.round(1).deadlines.commit)
    aggregator.abort_round(1)
    world.ledger(accused).rotate_identity(address(STRANGER), b"second", ZERO_HASH)
    open_round(aggregator, 2)
    stolen = [signed_update(ledger, accused, label, spec="spec 2", number=2) for label in ("one", "other")]
    refused(f"DisputeNotInForce(2, {accused.address})", accuse, *stolen, number=2)
    # but for the round in which it was in force it does, and whoever holds the place now pays
    accuse()
    assert status_of(ledger, STRANGER) is Status.SLASHED
    assert status_of(ledger, accused) is Status.RETIRED
    assert ledger.round(1).phase is Phase.ABORTED
    assert ledger.round(2).phase is Phase.COMMIT
    check_conservation(world)


# -------------------------------------------------------------------------------------------------- omission


def receipt(
    ledger: Ledger, participant: LocalAccount, *, signer: LocalAccount = AGGREGATOR, epoch: int = 1, number: int = 1
) -> bytes:
    message = ReceiptMessage(
        number, digest(f"spec {number}"), epoch, address(participant), root_of(participant.address)
    )
    return sign_receipt(bytes(signer.key), ledger.chain_id, ledger.contract, message)


def omit(world: World) -> Ledger:
    """The aggregator leaves the last participant out."""
    prepare(world)
    aggregator = to_upload(world)
    root = merkle_root(product(ACCOUNTS[:2]))
    aggregator.commit_aggregate(1, accepted=0b011, aggregate_root=root)
    return world.ledger(CHALLENGER)


def complain(ledger: Ledger, participant: LocalAccount, signature: bytes, epoch: int = 1) -> None:
    ledger.challenge_omission(
        1, participant=address(participant), epoch=epoch, root=root_of(participant.address), signature=signature
    )


def test_a_receipt_for_an_omitted_update_convicts_the_aggregator(world: World) -> None:
    ledger = omit(world)
    left_out = MEMBERS[2]
    complain(ledger, left_out, receipt(ledger, left_out))
    assert status_of(ledger, AGGREGATOR) is Status.SLASHED
    assert ledger.round(1).phase is Phase.VOIDED
    verdict = verdicts_hash(ZERO_HASH, 1, address(AGGREGATOR), DisputeKind.OMISSION)
    assert ledger.verdicts() == verdict
    assert ledger.claimable(ledger.account) == BOND + CONFIG.challenger_reward_cap
    check_conservation(world)


def test_refusals_of_omissions(world: World) -> None:
    ledger = omit(world)
    left_out, accepted = MEMBERS[2], MEMBERS[0]
    right = receipt(ledger, left_out)
    invalid = f"DisputeInvalidSignature({AGGREGATOR.address})"
    refused(invalid, complain, ledger, left_out, receipt(ledger, left_out, signer=STANDBY))
    refused(invalid, complain, ledger, left_out, receipt(ledger, left_out, number=2))
    refused(invalid, complain, ledger, left_out, receipt(ledger, accepted))
    refused(invalid, complain, ledger, left_out, b"")
    refused(f"DisputeNotOmitted(1, {accepted.address})", complain, ledger, accepted, receipt(ledger, accepted))
    refused(f"DisputeNotOmitted(1, {STRANGER.address})", complain, ledger, STRANGER, receipt(ledger, STRANGER))
    for epoch in (0, 2):
        signature = receipt(ledger, left_out, epoch=epoch)
        refused(f"DisputeNotInForce(1, {AGGREGATOR.address})", complain, ledger, left_out, signature, epoch)
    assert status_of(ledger, AGGREGATOR) is Status.ACTIVE
    complain(ledger, left_out, right)


# ------------------------------------------------------------------------------------- what was built on a lie


def test_what_builds_on_a_voided_round_is_voided(world: World) -> None:
    prepare(world)
    to_finalized(world, wrong=LEAF)
    aggregator = to_finalized(world, 2)
    late = world.ledger(CHALLENGER)
    open_round(aggregator, 3)
    moot = late.challenge_aggregate(2, 0)
    convict(world)
    assert late.current_model() == digest("model 0")
    assert late.round(2).phase is Phase.FINALIZED
    # the round that was running lost its base
    late.abort_round(3)
    assert late.round(3).abort_reason is AbortReason.BASE_VOIDED
    stranger = world.ledger(STRANGER)
    refused(f"DisputeNotMoot({moot})", stranger.withdraw_dispute, moot)
    stranger.void_descendant(2)
    stranger.void_descendant(2)
    assert late.round(2).phase is Phase.VOIDED
    verdict = verdicts_hash(late_verdict(late), 2, ZERO_ADDRESS, DisputeKind.NONE)
    assert late.verdicts() == verdict
    before = late.claimable(late.account)
    stranger.withdraw_dispute(moot)
    stranger.withdraw_dispute(moot)
    assert late.dispute(moot).outcome is DisputeOutcome.MOOT
    assert late.claimable(late.account) == before + BOND
    assert late.reward_pool() >= POOL
    open_round(world.ledger(STANDBY), 4, base=digest("model 0"))
    check_conservation(world)


def late_verdict(ledger: Ledger) -> bytes:
    return next(event.verdicts for event in ledger.events() if isinstance(event, ev.RoundVoided))


def test_a_late_descendant_does_not_take_a_newer_base_along(world: World) -> None:
    """Round 3 builds on 2, which is voided; 4 starts from 1's model; voiding 3 afterwards must not touch 4."""
    prepare(world)
    to_finalized(world)
    aggregator = to_finalized(world, 2)
    to_finalized(world, 3)
    ledger = world.ledger(CHALLENGER)
    first, second = (signed_update(ledger, MEMBERS[0], label, spec="spec 2", number=2) for label in ("a", "b"))
    ledger.challenge_equivocation(2, account=address(MEMBERS[0]), first=first, second=second)
    assert ledger.current_model() == digest("model 1")
    open_round(aggregator, 4)
    for signer in MEMBERS[1:]:
        commit(world.ledger(signer), 4)
    aggregator.close_commits(4)
    aggregator.commit_aggregate(4, accepted=0b110, aggregate_root=digest("aggregate"))
    for signer in TRUSTEES[:2]:
        world.ledger(signer).attest(4, partial_root=digest("p"))
    finalize(aggregator, 4)
    assert ledger.current_model() == digest("model 4")
    ledger.void_descendant(3)
    assert ledger.current_model() == digest("model 4")
    open_round(aggregator, 5)
    assert ledger.round(5).base_round == 4
    check_conservation(world)


# ---------------------------------------------------------------------------------------------- one script on both


def play_disputes(world: World) -> tuple[ev.LedgerEvent, ...]:
    """One of each: a failed and a proven dispute, a shown ciphertext, a voided descendant, a moot dispute."""
    prepare(world)
    to_finalized(world, wrong=LEAF)
    to_finalized(world, 2)
    ledger, dispute = challenge(world, 2, 0)
    multiply_all(ledger, dispute, 2, 0)
    conclude(ledger, dispute, aggregate(2), 2, 0)
    shown = demand(ledger, MEMBERS[0], leaf=1, aggregate_root=merkle_root(aggregate(wrong=LEAF)))
    leaves = vector(MEMBERS[0].address)
    world.ledger(AGGREGATOR).reveal(shown, ciphertext=leaves[1], path=merkle_path(leaves, 1))
    moot = ledger.challenge_aggregate(2, 5)
    convict(world)
    stranger = world.ledger(STRANGER)
    stranger.void_descendant(2)
    stranger.withdraw_dispute(moot)
    world.ledger(MEMBERS[1]).leave()
    open_round(world.ledger(STANDBY), 3)
    accused = MEMBERS[0]
    signed = [signed_update(ledger, accused, label, spec="spec 3", number=3) for label in ("one", "other")]
    ledger.challenge_equivocation(3, account=address(accused), first=signed[0], second=signed[1])
    ledger.claim("all")
    return ledger.events()


def test_events_of_disputes_are_those_of_the_memory_chain(make_world: Callable[..., World]) -> None:
    worlds = [MemoryWorld(), make_world()]
    streams = [[without_place(event) for event in play_disputes(world)] for world in worlds]
    assert streams[0] == streams[1]
    for world in worlds:
        check_conservation(world)
    ledgers = [world.ledger(OPERATOR) for world in worlds]
    for number in range(1, 4):
        states = [ledger.round(number) for ledger in ledgers]
        facts = [(s.phase, s.reward, s.base_round, s.accepted, s.attested, s.aggregate_root) for s in states]
        assert facts[0] == facts[1]
    for number in range(1, 5):
        there = [replace(ledger.dispute(number), deadline=0, transcript=ZERO_HASH) for ledger in ledgers]
        assert there[0] == there[1]
    assert ledgers[0].verdicts() == ledgers[1].verdicts()
    assert ledgers[0].reward_pool() == ledgers[1].reward_pool()
    assert KEY.modulus_hash == keccak(MODULUS)
