"""Who takes part: the draw's verification, the registry, and the history that both are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.encoding import keccak256
from fedtrust.errors import LedgerInconsistentError, RoundError, SpecError
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import Address, Deadlines, DisputeKind, DisputeOutcome, Role, Status, members
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.selection import verify_selection
from fedtrust.protocol.spec import Beacon, RoundSpec
from tests.protocol import chain_events as ev
from tests.protocol.protocol_fixtures import account, make_spec

BEACON = keccak256(b"beacon")
ACCOUNTS = tuple(account(f"p{index}") for index in range(12))
COUNT = 3

# the selection's verification

BLOCK = 20
"""Where round 1 ended in SCENE: the beacon block of round 2."""

SCENE: tuple[LedgerEvent, ...] = (
    ev.key_published(1),
    *(ev.registered(a, index, block=2) for index, a in enumerate(ACCOUNTS[:6])),
    ev.opened(1, block=10),
    ev.aborted(1, block=BLOCK),
    ev.registered(ACCOUNTS[6], 6, block=25),
    ev.revoked(ACCOUNTS[0], block=26),
)
ELIGIBLE = 0b1111110


def scene(
    *, count: int = COUNT, opened_at: int = 31, before: Sequence[LedgerEvent] = SCENE, eligible: int = ELIGIBLE
) -> tuple[RoundSpec, FederationHistory]:
    """Return an honest spec of round 2 and the history with its opening."""
    selected = draw_indices(BEACON, 2, eligible, count)
    history = FederationHistory((*before, ev.opened(2, selected=selected, block=opened_at)), deployed_block=1)
    drawn = tuple(ACCOUNTS[i] for i in members(selected))
    return make_spec(round=2, beacon=Beacon(BLOCK, BEACON), participants=drawn, quorum=2), history


@pytest.mark.parametrize("count", [0, 2, 5, 6, 200])
def test_the_drawn_selection_is_accepted(count: int) -> None:
    spec, history = scene(count=count)
    verify_selection(spec, history, BEACON, count)
    assert len(spec.participants) == (count if 0 < count < 6 else 6)


@pytest.mark.parametrize(
    ("happened", "eligible"),
    [
        ([ev.leaving(ACCOUNTS[1])], 0b1111100),
        ([ev.slashed(ACCOUNTS[2])], 0b1111010),
        ([ev.suspended(ACCOUNTS[3])], 0b1110110),
        ([ev.suspended(ACCOUNTS[3]), ev.resumed(ACCOUNTS[3])], 0b1111110),
        ([ev.admitted(ACCOUNTS[7])], 0b1111110),
        ([ev.registered(ACCOUNTS[7], 7)], 0b11111110),
        ([ev.registered(account("t"), 9, role=Role.TRUSTEE)], 0b1111110),
    ],
)
def test_who_can_be_drawn_follows_the_events_up_to_the_opening(happened: list[LedgerEvent], eligible: int) -> None:
    """Also those in the opening's own block: the order of the chain counts, not the block."""
    spec, history = scene(before=(*SCENE, *happened), eligible=eligible)
    verify_selection(spec, history, BEACON, COUNT)
    assert history.rounds[2].eligible == eligible
    history.fold(ev.revoked(ACCOUNTS[4]))
    verify_selection(spec, history, BEACON, COUNT)


def test_a_place_that_changed_hands_is_drawn_under_its_new_account() -> None:
    before = (*SCENE, *(ev.rotated(ACCOUNTS[i], account(f"new {i}"), i) for i in range(1, 7)))
    spec, history = scene(before=before)
    with pytest.raises(SpecError, match="not the ones drawn"):
        verify_selection(spec, history, BEACON, COUNT)
    renamed = tuple(account(f"new {ACCOUNTS.index(a)}") for a in spec.participants)
    verify_selection(replace(spec, participants=renamed), history, BEACON, COUNT)


@pytest.mark.parametrize("beacon", [Beacon(BLOCK - 1, BEACON), Beacon(31, BEACON), Beacon(BLOCK, bytes(32))])
def test_a_beacon_that_is_not_the_rules_is_refused(beacon: Beacon) -> None:
    spec, history = scene()
    with pytest.raises(SpecError, match="beacon is not the one"):
        verify_selection(replace(spec, beacon=beacon), history, BEACON, COUNT)
    everybody, history = scene(count=0)
    verify_selection(replace(everybody, beacon=beacon), history, BEACON, 0)


def test_a_selection_drawn_from_another_hash_or_for_another_number_is_refused() -> None:
    spec, history = scene()
    with pytest.raises(SpecError, match="not the one drawn"):
        verify_selection(spec, history, keccak256(b"the chain's real hash"), COUNT)
    with pytest.raises(SpecError, match="not the one drawn"):
        verify_selection(spec, history, BEACON, COUNT + 1)


def test_participants_that_were_not_drawn_are_refused() -> None:
    spec, history = scene()
    outsider = next(a for a in ACCOUNTS[1:7] if a not in spec.participants)
    for chosen in ((*spec.participants[:2], outsider), spec.participants[::-1], spec.participants[:2]):
        with pytest.raises(SpecError, match="not the ones drawn"):
            verify_selection(replace(spec, participants=chosen), history, BEACON, COUNT)


# the beacon's block


def test_the_beacon_is_where_the_round_before_ended_and_first_the_deployment() -> None:
    events = [ev.opened(1, block=5), ev.finalized(1, block=40), ev.opened(2, block=41), ev.aborted(2, block=50)]
    events += [ev.opened(3, block=51), ev.voided(3, block=60), ev.voided(1, block=61), ev.opened(4, block=70)]
    history = FederationHistory(events, deployed_block=3)
    assert [history.beacon_block(r) for r in (1, 2, 3, 4)] == [3, 40, 50, 60]


@pytest.mark.parametrize(
    ("opened", "beacon"), [(40, 40), (41, 40), (296, 40), (297, 296), (552, 296), (553, 552), (40 + 2561, 2600)]
)
def test_a_forgotten_beacon_rolls_forward_by_256_blocks(opened: int, beacon: int) -> None:
    history = FederationHistory([ev.opened(1), ev.finalized(1, block=40), ev.opened(2, block=opened)])
    assert history.beacon_block(2) == beacon
    assert opened == 40 or 1 <= opened - beacon <= 256, "the chain still knew the hash when the round was opened"


@pytest.mark.parametrize(("events", "round"), [((), 1), ((ev.opened(1), ev.opened(2)), 2), ((ev.opened(1),), 5)])
def test_there_is_no_beacon_before_the_round_before_ended(events: tuple[LedgerEvent, ...], round: int) -> None:
    with pytest.raises(RoundError):
        FederationHistory(events).beacon_block(round)


# identities


def test_identities_are_as_of_the_end_of_a_block() -> None:
    history = FederationHistory(SCENE)
    assert history.identities(1) == ()
    indices = {b: [i.index for i in history.participants(b)] for b in (2, 24, 25, None)}
    assert indices == {2: [*range(6)], 24: [*range(6)], 25: [*range(7)], None: [*range(7)]}
    active = {block: [i.index for i in history.participants(block) if i.active] for block in (25, 26, None)}
    assert active == {25: [0, 1, 2, 3, 4, 5, 6], 26: [1, 2, 3, 4, 5, 6], None: [1, 2, 3, 4, 5, 6]}


def test_identities_are_by_role_then_index() -> None:
    history = FederationHistory(
        [
            ev.registered(account("t"), 0, role=Role.TRUSTEE),
            ev.registered(account("g"), 0, role=Role.AGGREGATOR),
            ev.registered(account("p"), 0),
        ]
    )
    assert [i.role for i in history.identities()] == [Role.PARTICIPANT, Role.TRUSTEE, Role.AGGREGATOR]
    assert [i.account for i in history.participants()] == [account("p")]


@pytest.mark.parametrize(
    ("happened", "status", "stake", "release_at"),
    [
        ([], Status.ACTIVE, ev.STAKE, 0),
        ([ev.leaving(ACCOUNTS[0])], Status.LEAVING, ev.STAKE, 99),
        ([ev.leaving(ACCOUNTS[0]), ev.released(ACCOUNTS[0])], Status.LEFT, 0, 99),
        ([ev.leaving(ACCOUNTS[0]), ev.revoked(ACCOUNTS[0])], Status.REVOKED, ev.STAKE, 99),
        ([ev.revoked(ACCOUNTS[0])], Status.REVOKED, ev.STAKE, 99),
        ([ev.revoked(ACCOUNTS[0]), ev.released(ACCOUNTS[0])], Status.REVOKED, 0, 99),
        ([ev.slashed(ACCOUNTS[0])], Status.SLASHED, 0, 0),
        ([ev.leaving(ACCOUNTS[0]), ev.slashed(ACCOUNTS[0])], Status.SLASHED, 0, 99),
        ([ev.rotated(ACCOUNTS[0], ACCOUNTS[0], 0)], Status.ACTIVE, ev.STAKE, 0),
        ([ev.rotated(ACCOUNTS[0], ACCOUNTS[1], 0)], Status.RETIRED, 0, 0),
    ],
)
def test_an_identity_has_the_status_that_its_events_give_it(
    happened: list[LedgerEvent], status: Status, stake: int, release_at: int
) -> None:
    start = [ev.admitted(ACCOUNTS[0]), ev.registered(ACCOUNTS[0], 0), ev.opened(1), ev.aborted(1)]
    registry = FederationHistory([*start, *happened]).registry
    found = registry.identity(ACCOUNTS[0])
    assert found is not None
    assert (found.status, found.stake, found.release_at) == (status, stake, release_at)
    assert bool(registry.eligible) == (status in (Status.ACTIVE, Status.RETIRED))
    assert found.retired_at_round == (1 if {Status.LEAVING, Status.RETIRED} & {status, found.status} else 0) or (
        status in (Status.LEFT, Status.REVOKED, Status.SLASHED)
    )


def test_who_is_only_admitted_is_known_but_not_listed() -> None:
    history = FederationHistory([ev.admitted(account("p"))])
    found = history.registry.identity(account("p"))
    assert found is not None
    assert (found.status, found.role, found.epoch) == (Status.ADMITTED, Role.PARTICIPANT, 0)
    assert history.identities() == ()
    history.fold(ev.revoked(account("p"), release_at=0))
    assert history.identities() == ()
    assert history.registry.eligible == 0


def test_a_rotation_moves_place_stake_and_epoch() -> None:
    old, new = account("old"), account("new")
    history = FederationHistory([ev.registered(old, 3), ev.admitted(new), ev.suspended(old), ev.rotated(old, new, 3)])
    first, second = history.participants()
    assert (first.account, first.status, first.stake, first.epoch) == (old, Status.RETIRED, 0, 1)
    assert (second.account, second.status, second.stake, second.epoch) == (new, Status.ACTIVE, ev.STAKE, 2)
    assert second.certificate == b"another certificate" != first.certificate
    assert history.registry.holder(Role.PARTICIPANT, 3) == new
    assert history.registry.eligible == 0, "who was suspended stays so"
    assert [i.account for i in history.registry.active(Role.PARTICIPANT)] == [new]


@pytest.mark.parametrize("event", [ev.revoked(account("p")), ev.committed(account("p")), ev.settled(1), ev.voided(1)])
def test_events_whose_beginning_is_missing_are_refused(event: LedgerEvent) -> None:
    with pytest.raises(LedgerInconsistentError, match="never"):
        FederationHistory([event])


# rounds


def test_a_round_keeps_everything_the_chain_said_of_it() -> None:
    ann, bob = account("ann"), account("bob")
    events = (
        ev.key_published(),
        ev.registered(ann, 0),
        ev.registered(bob, 2),
        opened := ev.opened(1, selected=0b101),
        ev.committed(bob),
        ev.committed(ann),
        closed := ev.closed(),
        aggregate := ev.aggregated(),
        ev.attested(ann),
        finalized := ev.finalized(),
        demanded := ev.demanded(1, 1),
        decided := ev.decided(1),
        credit := ev.credited(bob),
        settled := ev.settled(),
    )
    history = FederationHistory(events)
    seen = history.rounds[1]
    assert (seen.opened, seen.closed, seen.aggregate, seen.finalized) == (opened, closed, aggregate, finalized)
    assert (seen.settled, seen.aborted, seen.voided, seen.credits) == (settled, None, None, [credit])
    assert list(seen.commitments) == [bob, ann], "in the order of the chain"
    assert (seen.commitments[ann].root, seen.commitments[ann].epoch) == (ev.HASH, 1)
    assert seen.attestations == {ann: ev.HASH}
    assert seen.members == (ann, bob)
    assert (seen.bitmap([bob]), seen.bitmap([ann, bob]), seen.bitmap([])) == (0b100, 0b101, 0)
    with pytest.raises(RoundError, match="not selected"):
        seen.bitmap([account("eve")])
    assert (seen.disputes[1].opened, seen.disputes[1].decided, seen.decisions) == (demanded, decided, [decided])
    assert history.disputes[1] is seen.disputes[1]


def test_a_commitment_keeps_the_epoch_in_which_it_was_made() -> None:
    ann = account("ann")
    events = [ev.registered(ann, 0), ev.rotated(ann, ann, 0, epoch=2), ev.opened(1), ev.committed(ann)]
    history = FederationHistory([*events, ev.rotated(ann, ann, 0, epoch=3)])
    assert history.rounds[1].commitments[ann].epoch == 2


def test_a_take_over_changes_who_runs_the_round_and_its_deadlines() -> None:
    history = FederationHistory([ev.opened(1), ev.closed(1)])
    seen = history.rounds[1]
    assert (seen.aggregator, seen.deadlines) == (ev.AGGREGATOR, ev.DEADLINES)
    history.fold(ev.taken_over(account("standby"), 1, deadlines=(240, 310)))
    assert (seen.aggregator, seen.deadlines) == (account("standby"), Deadlines(100, 240, 310))
    assert seen.opened.aggregator == ev.AGGREGATOR


def finished(round: int, base: int) -> list[LedgerEvent]:
    return [ev.opened(round, base_round=base), ev.finalized(round)]


def test_the_next_round_builds_on_the_newest_that_stands() -> None:
    history = FederationHistory([*finished(1, 0), *finished(2, 1), *finished(3, 2)])
    assert history.model_round == 3
    history.fold(ev.voided(2))
    assert history.model_round == 1
    assert [history.doomed(r) for r in (1, 2, 3)] == [False, False, True]
    for event in finished(4, 1):
        history.fold(event)
    history.fold(ev.voided(3))
    assert history.model_round == 4, "a descendant of what was voided is not what the new rounds build on"
    assert not history.doomed(3)
    history.fold(ev.voided(1))
    assert history.model_round == 0
    assert history.doomed(4)
    assert history.verdicts == keccak256(b"1")


def test_a_running_round_that_is_voided_ends_and_moves_no_model() -> None:
    history = FederationHistory([*finished(1, 0), ev.opened(2, base_round=1), voided := ev.voided(2)])
    assert history.model_round == 1
    assert history.rounds[2].ended == voided
    history.fold(ev.decided(0, 2, DisputeKind.EQUIVOCATION, DisputeOutcome.PROVEN))
    assert history.rounds[2].decisions[0].kind is DisputeKind.EQUIVOCATION
    assert history.disputes == {}


@given(st.integers(0, len(SCENE)))
def test_folding_in_two_parts_is_folding_at_once(at: int) -> None:
    whole, parts = FederationHistory(SCENE), FederationHistory(SCENE[:at])
    for event in SCENE[at:]:
        parts.fold(event)
    assert parts.rounds == whole.rounds
    assert parts.identities() == whole.identities()
    assert (parts.key, parts.registry.eligible) == (whole.key, whole.registry.eligible)


def test_order_comes_from_the_index_alone() -> None:
    """Never from how an address happens to be spelled."""
    names = sorted((account(n) for n in "abcdef"), reverse=True)
    history = FederationHistory([*(ev.registered(a, i) for i, a in enumerate(names)), ev.opened(1, selected=0b111111)])
    assert history.rounds[1].members == tuple(Address(a) for a in names)
