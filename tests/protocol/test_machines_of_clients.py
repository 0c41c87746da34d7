"""The participant's and the trustee's machine: every row of their tables, and every pair that has no row."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.errors import RoundError
from fedtrust.ledger.events import LedgerEvent
from fedtrust.protocol.machine import StepDone, StepRefused, Table
from fedtrust.protocol.participant import TRANSITIONS as PARTICIPANT_TABLE
from fedtrust.protocol.participant import (
    CommitUpdate,
    ParticipantMachine,
    ParticipantState,
    ParticipantTrigger,
    PrepareUpdate,
    UploadUpdate,
)
from fedtrust.protocol.trustee import TRANSITIONS as TRUSTEE_TABLE
from fedtrust.protocol.trustee import Attest, Decrypt, SendPartial, TrusteeMachine, TrusteeState, TrusteeTrigger
from tests.protocol import chain_events as ev
from tests.protocol.protocol_fixtures import account

Event = LedgerEvent | StepDone | StepRefused
ANN, BOB = account("ann"), account("bob")
INDEX = 1
P, PT = ParticipantState, ParticipantTrigger
Q, QT = TrusteeState, TrusteeTrigger

# how the participant gets into each state, and what stands for each trigger, in round 2

TO_PARTICIPANT_STATE: dict[ParticipantState, Sequence[Event]] = {
    P.IDLE: [ev.opened(2), StepDone(2), ev.committed(ANN, 2), ev.closed(2), StepDone(2)],
    P.TRAINING: [ev.opened(2)],
    P.COMMITTING: [ev.opened(2), StepDone(2)],
    P.COMMITTED: [ev.opened(2), StepDone(2), ev.committed(ANN, 2)],
    P.UPLOADING: [ev.opened(2), StepDone(2), ev.committed(ANN, 2), ev.closed(2)],
}
PARTICIPANT_EVENTS: dict[ParticipantTrigger, Sequence[Event]] = {
    PT.DONE: [StepDone(2)],
    PT.REFUSED: [StepRefused(2, "because")],
    PT.COMMIT_CONFIRMED: [ev.committed(ANN, 2)],
    PT.COMMITS_CLOSED: [ev.closed(2)],
    PT.TAKEN_OVER: [ev.taken_over(BOB, 2)],
    PT.ROUND_MOVED_ON: [ev.aggregated(2), ev.finalized(2), ev.aborted(2), ev.voided(2)],
}
PARTICIPANT_COMMANDS = {
    P.IDLE: None,
    P.TRAINING: PrepareUpdate(2, ev.HASH),
    P.COMMITTING: CommitUpdate(2),
    P.COMMITTED: None,
    P.UPLOADING: UploadUpdate(2),
}

TO_TRUSTEE_STATE: dict[TrusteeState, Sequence[Event]] = {
    Q.IDLE: [ev.aggregated(2), ev.aborted(2)],
    Q.DECRYPTING: [ev.aggregated(2)],
    Q.ATTESTING: [ev.aggregated(2), StepDone(2)],
    Q.SENDING: [ev.aggregated(2), StepDone(2), ev.attested(ANN, 2)],
}
TRUSTEE_EVENTS: dict[TrusteeTrigger, Sequence[Event]] = {
    QT.DONE: [StepDone(2)],
    QT.REFUSED: [StepRefused(2, "because")],
    QT.ATTEST_CONFIRMED: [ev.attested(ANN, 2)],
    QT.ROUND_OVER: [ev.finalized(2), ev.aborted(2), ev.voided(2)],
}
TRUSTEE_COMMANDS = {Q.IDLE: None, Q.DECRYPTING: Decrypt(2), Q.ATTESTING: Attest(2), Q.SENDING: SendPartial(2)}

# what belongs to somebody else, another round, or says nothing to these machines
FOREIGN: list[Event] = [
    StepDone(1),
    StepRefused(3, "because"),
    ev.committed(BOB, 2),
    ev.committed(ANN, 1),
    ev.closed(1),
    ev.aborted(1),
    ev.voided(1),
    ev.taken_over(BOB, 1),
    ev.finalized(3),
    ev.attested(BOB, 2),
    ev.attested(ANN, 1),
    ev.settled(2),
    ev.credited(ANN, 2),
    ev.key_published(),
    ev.registered(BOB, 7),
    ev.revoked(BOB, 7),
]


def participant(*events: Event) -> ParticipantMachine:
    machine = ParticipantMachine(ANN, INDEX)
    for event in events:
        machine.handle(event)
    return machine


def trustee(*events: Event) -> TrusteeMachine:
    machine = TrusteeMachine(ANN)
    for event in events:
        machine.handle(event)
    return machine


# the participant


@pytest.mark.parametrize("state", list(P))
def test_every_participant_state_is_reached_and_wants_its_command(state: ParticipantState) -> None:
    machine = participant(*TO_PARTICIPANT_STATE[state])
    assert machine.state is state
    assert machine.round == 2
    assert machine.command == PARTICIPANT_COMMANDS[state]


@pytest.mark.parametrize("trigger", list(PARTICIPANT_EVENTS))
@pytest.mark.parametrize("state", list(P))
def test_participant_follows_its_table_and_nothing_else(state: ParticipantState, trigger: ParticipantTrigger) -> None:
    for event in PARTICIPANT_EVENTS[trigger]:
        machine = participant(*TO_PARTICIPANT_STATE[state], event)
        assert machine.state is PARTICIPANT_TABLE.rows.get((state, trigger), state)


@pytest.mark.parametrize("state", list(P))
def test_a_new_round_takes_the_participant_out_of_any_state(state: ParticipantState) -> None:
    selected = participant(*TO_PARTICIPANT_STATE[state], ev.opened(3))
    assert (selected.state, selected.round) == (P.TRAINING, 3)
    left_out = participant(*TO_PARTICIPANT_STATE[state], ev.opened(3, selected=0b101))
    assert (left_out.state, left_out.round) == (P.IDLE, 3)


@pytest.mark.parametrize("state", list(P))
@pytest.mark.parametrize("event", FOREIGN, ids=lambda e: type(e).__name__)
def test_what_concerns_others_leaves_the_participant_alone(state: ParticipantState, event: Event) -> None:
    assert participant(*TO_PARTICIPANT_STATE[state], event).state is state


def test_who_committed_nothing_hands_nothing_in_after_a_take_over() -> None:
    left_out = participant(ev.opened(2, selected=0b101), ev.closed(2), ev.taken_over(BOB, 2))
    late = participant(ev.opened(2), StepDone(2), ev.closed(2), ev.taken_over(BOB, 2))
    assert left_out.command is late.command is None


def test_a_refused_upload_is_tried_with_who_took_the_round_over() -> None:
    refused = participant(*TO_PARTICIPANT_STATE[P.UPLOADING], StepRefused(2, "because"))
    assert refused.command is None
    refused.handle(ev.taken_over(BOB, 2))
    assert refused.command == UploadUpdate(2)


def test_before_any_round_the_participant_waits() -> None:
    assert participant().command is None
    assert participant(StepDone(2), ev.committed(ANN, 2), ev.closed(2)).state is P.IDLE


@pytest.mark.parametrize("state", [P.TRAINING, P.COMMITTING])
def test_a_participant_that_was_too_late_counts_it_and_never_uploads(state: ParticipantState) -> None:
    machine = participant(*TO_PARTICIPANT_STATE[state], ev.closed(2))
    assert (machine.state, machine.missed) == (P.IDLE, 1)
    for event in (StepDone(2), ev.committed(ANN, 2)):
        machine.handle(event)
        assert machine.command is None


@pytest.mark.parametrize("index", range(5))
def test_the_bit_of_the_participants_index_selects_it(index: int) -> None:
    machine = ParticipantMachine(ANN, index)
    machine.handle(ev.opened(1, selected=0b01101))
    assert (machine.state is P.TRAINING) == (index in (0, 2, 3))


def test_nothing_is_uploaded_before_the_commit_phase_closed_on_chain() -> None:
    """Ciphertexts are malleable: whoever sees one before the phase closes could commit a multiple of it."""
    rows = PARTICIPANT_TABLE.rows
    into_upload = {(state, trigger) for (state, trigger), target in rows.items() if target is P.UPLOADING}
    # a round is taken over only after its commit phase closed (contract), and only who committed is fired at
    assert into_upload == {(P.COMMITTED, PT.COMMITS_CLOSED), (P.IDLE, PT.TAKEN_OVER)}
    assert {s for (s, t), target in rows.items() if target is P.COMMITTED} == {P.TRAINING, P.COMMITTING}
    assert {t for (s, t), target in rows.items() if target is P.COMMITTED} == {PT.COMMIT_CONFIRMED}


@pytest.mark.parametrize("cut", range(4))
def test_a_participant_restarted_at_any_point_resumes_from_the_chain(cut: int) -> None:
    """After a crash only the chain's events come again; steps done before the crash are found on its disk."""
    chain = [ev.opened(1), ev.aborted(1), ev.opened(2), ev.committed(ANN, 2), ev.closed(2)]
    seen = chain[: 2 + cut]
    machine = participant(*seen)
    expected = [None, PrepareUpdate(2, ev.HASH), None, UploadUpdate(2)][cut]
    assert machine.command == expected


# the trustee


@pytest.mark.parametrize("state", list(Q))
def test_every_trustee_state_is_reached_and_wants_its_command(state: TrusteeState) -> None:
    machine = trustee(*TO_TRUSTEE_STATE[state])
    assert machine.state is state
    assert machine.command == TRUSTEE_COMMANDS[state]


@pytest.mark.parametrize("trigger", list(TRUSTEE_EVENTS))
@pytest.mark.parametrize("state", list(Q))
def test_trustee_follows_its_table_and_nothing_else(state: TrusteeState, trigger: TrusteeTrigger) -> None:
    for event in TRUSTEE_EVENTS[trigger]:
        machine = trustee(*TO_TRUSTEE_STATE[state], event)
        assert machine.state is TRUSTEE_TABLE.rows.get((state, trigger), state)


@pytest.mark.parametrize("state", list(Q))
def test_a_new_aggregate_takes_the_trustee_out_of_any_state(state: TrusteeState) -> None:
    machine = trustee(*TO_TRUSTEE_STATE[state], ev.aggregated(3))
    assert (machine.state, machine.command) == (Q.DECRYPTING, Decrypt(3))


@pytest.mark.parametrize("state", list(Q))
@pytest.mark.parametrize("event", [*FOREIGN, ev.opened(3), ev.closed(2)], ids=lambda e: type(e).__name__)
def test_what_concerns_others_leaves_the_trustee_alone(state: TrusteeState, event: Event) -> None:
    assert trustee(*TO_TRUSTEE_STATE[state], event).state is state


@pytest.mark.parametrize("cut", range(5))
def test_a_trustee_restarted_at_any_point_resumes_from_the_chain(cut: int) -> None:
    chain = [ev.opened(1), ev.aggregated(1), ev.attested(BOB, 1), ev.attested(ANN, 1), ev.finalized(1)]
    expected = [None, Decrypt(1), Decrypt(1), SendPartial(1), None][cut]
    assert trustee(*chain[: cut + 1]).command == expected


# both


@pytest.mark.parametrize("table", [PARTICIPANT_TABLE, TRUSTEE_TABLE], ids=["participant", "trustee"])
def test_tables_name_every_state_and_trigger(table: Table[Enum, Enum]) -> None:
    rows = table.rows
    some = next(iter(rows))
    assert {s for s, _ in rows} | set(rows.values()) == set(type(some[0]))
    assert {t for _, t in rows} == set(type(some[1]))


def test_a_table_is_closed_to_changes_and_says_what_is_possible() -> None:
    table = PARTICIPANT_TABLE
    table.rows.clear()  # type: ignore[attr-defined]
    assert table.rows
    assert table.require(P.IDLE, PT.SELECTED) is P.TRAINING
    with pytest.raises(RoundError, match="DONE is not possible now") as error:
        table.require(P.IDLE, PT.DONE)
    assert error.value.got == "IDLE"
    assert error.value.expected == "['TRAINING', 'UPLOADING']"
    assert table.next(P.IDLE, PT.DONE) is None


def _rounds(round: int) -> list[Event]:
    return [
        ev.opened(round),
        ev.opened(round, selected=0b101),
        ev.committed(ANN, round),
        ev.committed(BOB, round),
        ev.closed(round),
        ev.aggregated(round),
        ev.attested(ANN, round),
        ev.finalized(round),
        ev.aborted(round),
        ev.settled(round),
        StepDone(round),
        StepRefused(round, "because"),
    ]


any_events = st.lists(st.sampled_from([*_rounds(1), *_rounds(2), *_rounds(3), *FOREIGN]), max_size=40)


@given(any_events)
def test_any_order_of_events_is_taken_and_commands_are_for_the_round_in_progress(events: list[Event]) -> None:
    ours, theirs = participant(), trustee()
    latest_opened = latest_aggregate = 0
    for event in events:
        ours.handle(event)
        theirs.handle(event)
        latest_opened = event.round if isinstance(event, type(ev.opened())) else latest_opened
        latest_aggregate = event.round if isinstance(event, type(ev.aggregated())) else latest_aggregate
        assert ours.command is None or ours.command.round == latest_opened
        assert theirs.command is None or theirs.command.round == latest_aggregate


@given(any_events)
def test_uploading_needs_our_commitment_and_the_close_on_chain(events: list[Event]) -> None:
    machine = participant()
    committed: set[int] = set()
    closed: set[int] = set()
    for event in events:
        machine.handle(event)
        if event == ev.committed(ANN, getattr(event, "round", 0)):
            committed.add(event.round)  # type: ignore[union-attr]
        if isinstance(event, type(ev.closed())):
            closed.add(event.round)
        if isinstance(machine.command, UploadUpdate):
            assert machine.command.round in committed & closed
