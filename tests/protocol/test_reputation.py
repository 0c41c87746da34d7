"""Counters folded from events: the rules one by one, and random histories of the in-memory contract."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.errors import RoundError, TransactionError
from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.memory import MemoryChain, MemoryLedger
from fedtrust.ledger.types import AbortReason, Address, Deadlines, Role
from fedtrust.protocol.reputation import NOTHING, ReputationHistory
from tests.ledger.registered import Member, registered_federation

PLACE = (1, 0, 0, bytes(32))
A, B, C, T, G = (Address("0x" + letter * 40) for letter in "abcde")
HASH = b"\x01" * 32


def registered(account: Address, role: Role, index: int) -> ev.IdentityRegistered:
    return ev.IdentityRegistered(*PLACE, account, role, index, 0, HASH, HASH, b"x")


def opened(round: int, selected: int = 0b11) -> ev.RoundOpened:
    return ev.RoundOpened(*PLACE, round, G, HASH, HASH, selected, 2, 1, 0, Deadlines(1, 2, 3), 0)


EVERYBODY = [
    registered(A, Role.PARTICIPANT, 0),
    registered(B, Role.PARTICIPANT, 1),
    registered(T, Role.TRUSTEE, 0),
    registered(G, Role.AGGREGATOR, 0),
]
COMMITS = [ev.UpdateCommitted(*PLACE, 1, who, HASH, HASH) for who in (A, B)]


def counted(*events: ev.LedgerEvent) -> ReputationHistory:
    return ReputationHistory([*EVERYBODY, *events])


def test_a_round_that_is_settled_counts_for_those_who_did_their_part() -> None:
    history = counted(
        opened(1),
        *COMMITS,
        ev.CommitsClosed(*PLACE, 1, 0b11),
        ev.AggregateCommitted(*PLACE, 1, 0b01, HASH),
        ev.Attested(*PLACE, 1, T, HASH),
        ev.RoundSettled(*PLACE, 1, 0),
    )
    assert history.of(Role.PARTICIPANT, 0).accepted == 1
    assert (history.of(Role.PARTICIPANT, 1).accepted, history.of(Role.PARTICIPANT, 1).late) == (0, 1)
    assert history.of(Role.TRUSTEE, 0).attested == 1
    assert history.of(Role.AGGREGATOR, 0).accepted == 1
    # what the payout weighs is what was there before
    settlement = history.settlement(1)
    assert [(e.account, e.reputation) for e in settlement.accepted] == [(A, NOTHING)]
    assert [e.account for e in settlement.attested] == [T]
    assert settlement.aggregator == G


def test_an_unsettled_round_pays_nobody() -> None:
    with pytest.raises(RoundError, match="not settled"):
        counted(opened(1)).settlement(1)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_selections_missed(end: str) -> None:
    over = {
        "close": ev.CommitsClosed(*PLACE, 1, 0b01),
        "abort": ev.RoundAborted(*PLACE, 1, AbortReason.COMMIT_QUORUM_MISSED, HASH),
    }[end]
    history = counted(opened(1), COMMITS[0], over)
    assert history.of(Role.PARTICIPANT, 0) == NOTHING
    missed = history.of(Role.PARTICIPANT, 1)
    assert (missed.missed, missed.missed_in_a_row) == (1, 1)
    assert history.of(Role.AGGREGATOR, 0) == NOTHING
    history.fold(ev.ParticipantResumed(*PLACE, B))
    assert (history.of(Role.PARTICIPANT, 1).missed, history.of(Role.PARTICIPANT, 1).missed_in_a_row) == (1, 0)


@pytest.mark.parametrize(
    ("reason", "missed"),
    [
        (AbortReason.AGGREGATE_DEADLINE_MISSED, 1),
        (AbortReason.FINALIZE_DEADLINE_MISSED, 1),
        (AbortReason.BASE_VOIDED, 0),
        (AbortReason.AGGREGATOR_REMOVED, 0),
    ],
)
def test_deadlines_missed_by_the_aggregator(reason: AbortReason, missed: int) -> None:
    history = counted(opened(1), ev.RoundAborted(*PLACE, 1, reason, HASH))
    assert history.of(Role.AGGREGATOR, 0).missed == missed
    assert history.of(Role.PARTICIPANT, 0) == NOTHING


def test_a_take_over_counts_against_the_first_and_for_the_second() -> None:
    history = counted(
        registered(C, Role.AGGREGATOR, 1),
        opened(1),
        *COMMITS,
        ev.RoundTakenOver(*PLACE, 1, C, 9, 10),
        ev.AggregateCommitted(*PLACE, 1, 0b11, HASH),
        ev.RoundSettled(*PLACE, 1, 0),
    )
    assert history.of(Role.AGGREGATOR, 0).missed == 1
    assert history.of(Role.AGGREGATOR, 1).accepted == 1
    assert history.settlement(1).aggregator == C


def test_counters_stay_with_the_place() -> None:
    rotated = ev.IdentityRotated(*PLACE, B, C, Role.PARTICIPANT, 1, 2, HASH, HASH, b"y")
    history = counted(opened(1), rotated, ev.CommitsClosed(*PLACE, 1, 0), ev.IdentitySlashed(*PLACE, C, 1, 5))
    assert (history.of(Role.PARTICIPANT, 1).missed, history.of(Role.PARTICIPANT, 1).slashed) == (1, 1)
    assert set(history.counters) == {(Role.PARTICIPANT, i) for i in (0, 1)} | {(Role.TRUSTEE, 0), (Role.AGGREGATOR, 0)}


@pytest.mark.parametrize(
    "event",
    [
        ev.UpdateCommitted(*PLACE, 1, A, HASH, HASH),
        ev.RoundSettled(*PLACE, 1, 0),
        ev.IdentitySlashed(*PLACE, C, 1, 0),
        ev.ParticipantResumed(*PLACE, C),
    ],
    ids=["commit", "settle", "slash", "resume"],
)
def test_events_out_of_nowhere_are_refused(event: ev.LedgerEvent) -> None:
    with pytest.raises(RoundError):
        counted(event)


PEOPLE = [Address(f"0x{i:040x}") for i in range(1, 10)]
ROLES = [Role.PARTICIPANT] * 4 + [Role.TRUSTEE] * 3 + [Role.AGGREGATOR] * 2
STEPS = ("commit", "close", "aggregate", "attest", "finalize", "abort", "settle", "take over", "wait", "resume")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 8)), max_size=40))
def test_random_histories_count_as_the_contract_does(steps: list[tuple[str, int]]) -> None:
    config = DeploymentConfig(challenge_window=0, round_reward=0, max_missed=2, standby_seconds=50)
    chain = MemoryChain(config, PEOPLE[0])
    members = [Member(account, role) for account, role in zip(PEOPLE, ROLES, strict=True)]
    registered_federation(MemoryLedger(chain, PEOPLE[0]), lambda a: MemoryLedger(chain, a), members)
    for step, who in [("open", 7), *steps]:
        ledger = MemoryLedger(chain, PEOPLE[who])
        try:
            _take(chain, ledger, step, who)
        except (TransactionError, RoundError):
            continue
    history, ledger = ReputationHistory(chain.events()), MemoryLedger(chain, PEOPLE[0])
    for (role, index), counters in history.counters.items():
        assert counters == ledger.reputation(role, index)


def _take(chain: MemoryChain, ledger: MemoryLedger, step: str, who: int) -> None:
    number = ledger.last_round()
    runs = MemoryLedger(chain, ledger.round(number).aggregator) if number else MemoryLedger(chain, PEOPLE[7])
    match step:
        case "commit":
            for account in (p for p in PEOPLE[:4] if p != PEOPLE[who]):  # all, or all but one
                MemoryLedger(chain, account).commit_update(number, root=HASH, ciphertexts=1, proof_hash=HASH)
        case "close":
            ledger.close_commits(number)
        case "aggregate":
            committed = ledger.round(number).committed
            late = 1 << who if committed.bit_count() > 2 else 0
            runs.commit_aggregate(number, accepted=committed & ~late, aggregate_root=HASH)
        case "attest":
            for account in (t for t in PEOPLE[4:7] if t != PEOPLE[who]):
                MemoryLedger(chain, account).attest(number, partial_root=HASH)
        case "finalize":
            runs.finalize_round(number, plaintext_hash=HASH, proof_hash=HASH, model_hash=HASH, result_hash=HASH)
        case "abort":
            ledger.abort_round(number)
        case "settle":
            ledger.settle_round(number)
        case "take over":
            MemoryLedger(chain, PEOPLE[7 + who % 2]).take_over(number)
        case "wait":
            chain.advance(40)
        case "resume":
            ledger.resume()
        case _:
            pass
    if step in ("open", "finalize", "abort"):
        now, drawn = chain.now(), runs.draw().selected
        runs.open_round(
            runs.last_round() + 1,
            spec_hash=HASH,
            base_model_hash=HASH,
            selected=drawn,
            quorum=2,
            ciphertexts=1,
            deadlines=Deadlines(now + 50, now + 100, now + 150),
        )
