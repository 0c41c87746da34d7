"""The honest steps of a federation, for the conformance suite: each takes a world and plays one part of a round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from fedtrust.crypto.merkle import merkle_path, merkle_root
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.errors import TransactionError
from fedtrust.ledger import events as ev
from fedtrust.ledger.heads import commitment_transcript, opening_transcript
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import (
    Address,
    CommitmentEntry,
    Contribution,
    Deadlines,
    Phase,
    PublishedKey,
    RelayedUpdate,
    Role,
    bitmap_of,
)
from tests.ledger.registered import Member, members_of, register_members, registered_federation
from tests.ledger.worlds import (
    AGGREGATOR,
    OPERATOR,
    PARTICIPANTS,
    SIGNERS,
    STANDBY,
    TRUSTEES,
    World,
    deadlines_from,
)

POOL = 5_000_000
CIPHERTEXTS = 7
MODULUS = (((1 << 127) - 1) ** 2).to_bytes(32, "big")
KEY = PublishedKey(hashlib.sha256(b"manifest").digest(), 2, 3, keccak(MODULUS))
MEMBERS = (*PARTICIPANTS[:3],)
ALL = bitmap_of([0, 1, 2])


def digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def address(signer: LocalAccount) -> Address:
    return Address(signer.address)


def register(world: World, signer: LocalAccount, role: Role) -> None:
    register_members(world.ledger(OPERATOR), ledger_of(world), [Member(address(signer), role)])


def ledger_of(world: World) -> Callable[[Address], Ledger]:
    signers = {signer.address: signer for signer in SIGNERS}
    return lambda account: world.ledger(signers[account])


def prepare(world: World, *, key: PublishedKey = KEY) -> Ledger:
    """Register an aggregator and its standby, three participants, three trustees; return the aggregator's ledger."""
    members = [
        *members_of(Role.AGGREGATOR, [AGGREGATOR, STANDBY]),
        *members_of(Role.PARTICIPANT, MEMBERS),
        *members_of(Role.TRUSTEE, TRUSTEES),
    ]

    def build() -> None:
        registered_federation(world.ledger(OPERATOR), ledger_of(world), members, key=key, pool=POOL)

    world.furnish(build, usual=key == KEY)
    return world.ledger(AGGREGATOR)


# ------------------------------------------------------------------------------------------------------- ciphertexts


@cache
def vector(account: str, number: int = 1) -> tuple[bytes, ...]:
    """The ciphertexts of a participant: numbers below the modulus, as long as it."""
    order = int.from_bytes(MODULUS, "big")
    labels = (f"ciphertext {index} of {account} in {number}" for index in range(CIPHERTEXTS))
    return tuple((int.from_bytes(digest(label), "big") % order).to_bytes(32, "big") for label in labels)


def root_of(account: str, number: int = 1) -> bytes:
    return merkle_root(vector(account, number))


def product(accounts: Sequence[str], number: int = 1) -> tuple[bytes, ...]:
    """The aggregate of these participants' ciphertexts."""
    order, result = int.from_bytes(MODULUS, "big"), [1] * CIPHERTEXTS
    for account in accounts:
        leaves = vector(account, number)
        result = [each * int.from_bytes(leaf, "big") % order for each, leaf in zip(result, leaves, strict=True)]
    return tuple(each.to_bytes(32, "big") for each in result)


def aggregate(number: int = 1, *, wrong: int | None = None) -> tuple[bytes, ...]:
    """The aggregate of all; the ciphertext with index ``wrong`` is another."""
    right = list(product([signer.address for signer in MEMBERS], number))
    if wrong is not None:
        right[wrong] = (int.from_bytes(right[wrong], "big") ^ 1).to_bytes(32, "big")
    return tuple(right)


# ------------------------------------------------------------------------------------------------- steps of a round


def open_round(
    ledger: Ledger,
    number: int = 1,
    *,
    base: bytes | None = None,
    selected: int | None = None,
    quorum: int = 2,
    deadlines: Deadlines | None = None,
) -> Deadlines:
    deadlines = deadlines or deadlines_from(ledger)
    ledger.open_round(
        number,
        spec_hash=digest(f"spec {number}"),
        base_model_hash=base or (ledger.current_model() if any(ledger.current_model()) else digest("model 0")),
        selected=ledger.draw().selected if selected is None else selected,
        quorum=quorum,
        ciphertexts=CIPHERTEXTS,
        deadlines=deadlines,
    )
    return deadlines


def commit(ledger: Ledger, number: int = 1) -> None:
    root = root_of(ledger.account, number)
    ledger.commit_update(number, root=root, ciphertexts=CIPHERTEXTS, proof_hash=digest("proof"))


def signed(
    ledger: Ledger,
    signer: LocalAccount,
    number: int = 1,
    *,
    root: bytes | None = None,
    epoch: int = 1,
    contract: str | None = None,
    spec_hash: bytes | None = None,
) -> RelayedUpdate:
    """A participant's update, signed for relaying."""
    root = root or root_of(signer.address, number)
    spec_hash = spec_hash or digest(f"spec {number}")
    message = UpdateMessage(number, spec_hash, epoch, root, CIPHERTEXTS, digest("proof"))
    signature = sign_update(bytes(signer.key), ledger.chain_id, contract or ledger.contract, message)
    return RelayedUpdate(address(signer), root, digest("proof"), signature)


def finalize(ledger: Ledger, number: int = 1) -> None:
    ledger.finalize_round(
        number,
        plaintext_hash=digest(f"plaintext {number}"),
        proof_hash=digest(f"decryption {number}"),
        model_hash=digest(f"model {number}"),
        result_hash=digest(f"result {number}"),
    )


def to_upload(world: World, number: int = 1, *, runner: LocalAccount = AGGREGATOR) -> Ledger:
    aggregator = world.ledger(runner)
    open_round(aggregator, number)
    for signer in MEMBERS:
        commit(world.ledger(signer), number)
    aggregator.close_commits(number)
    return aggregator


def to_decrypt(world: World, number: int = 1, *, wrong: int | None = None, runner: LocalAccount = AGGREGATOR) -> Ledger:
    aggregator = to_upload(world, number, runner=runner)
    root = merkle_root(aggregate(number, wrong=wrong))
    aggregator.commit_aggregate(number, accepted=ALL, aggregate_root=root)
    return aggregator


def to_finalized(
    world: World, number: int = 1, *, wrong: int | None = None, runner: LocalAccount = AGGREGATOR
) -> Ledger:
    aggregator = to_decrypt(world, number, wrong=wrong, runner=runner)
    for signer in TRUSTEES[:2]:
        world.ledger(signer).attest(number, partial_root=digest(signer.address))
    finalize(aggregator, number)
    return aggregator


# ------------------------------------------------------------------------------------------------------- evidence


def transcripts(ledger: Ledger, number: int = 1) -> tuple[bytes, list[CommitmentEntry], list[bytes]]:
    """The transcript before the first commitment, the commitments, and the transcript after each."""
    events = ledger.events()
    opened = next(event for event in events if isinstance(event, ev.RoundOpened) and event.round == number)
    start = opening_transcript(ledger.chain_id, ledger.contract, ledger.head(number - 1), opened)
    entries, after = [], []
    before = start
    for event in events:
        if isinstance(event, ev.UpdateCommitted) and event.round == number:
            entries.append(CommitmentEntry(event.participant, event.root, event.proof_hash))
            before = commitment_transcript(before, event.participant, event.root, event.proof_hash)
            after.append(before)
    return start, entries, after


def contributions(ledger: Ledger, leaf: int, number: int = 1) -> list[Contribution]:
    """The commitments of a round in which all were accepted, with the ciphertexts of one column."""
    _, entries, _ = transcripts(ledger, number)
    return [
        Contribution(
            each.participant,
            each.root,
            each.proof_hash,
            vector(each.participant, number)[leaf],
            merkle_path(vector(each.participant, number), leaf),
        )
        for each in entries
    ]


# ------------------------------------------------------------------------------------------------------- assertions


def refused(reason: str, action: Callable[..., object], *arguments: object, **options: object) -> None:
    """The action raises TransactionError with exactly this reason of the contract."""
    with pytest.raises(TransactionError) as caught:
        action(*arguments, **options)
    assert caught.value.got == reason
    assert caught.value.advice


def check_conservation(world: World) -> None:
    """Every wei in the contract is in the pool, staked, reserved for a round, a bond, or claimable."""
    ledger = world.ledger(OPERATOR)
    over = (Phase.SETTLED, Phase.ABORTED, Phase.VOIDED)
    states = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
    reserved = sum(state.reward for state in states if state.phase not in over)
    bonds = sum(ledger.open_disputes(state.number) for state in states) * ledger.config().dispute_bond
    claimable = sum(ledger.claimable(address(signer)) for signer in SIGNERS)
    parts = ledger.reward_pool() + ledger.total_stake() + reserved + bonds + claimable
    assert world.balance(ledger.contract) == parts
    assert ledger.total_stake() == sum(each.stake for each in ledger.identities())
