"""Who takes part: the draw, its verification, and the history both are read from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.encoding import keccak256
from fedtrust.errors import RoundError, SpecError
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import Address, Identity, Role, bitmap_of
from fedtrust.protocol.history import FederationHistory
from fedtrust.protocol.selection import TooFewParticipantsError, draw_participants, verify_selection
from fedtrust.protocol.spec import Beacon, RoundSpec
from tests.protocol import chain_events as ev
from tests.protocol.protocol_fixtures import account, identity, make_spec

BEACON = keccak256(b"beacon")
CROWD = tuple(identity(f"p{index}", index) for index in range(12))
ACCOUNTS = tuple(i.account for i in CROWD)

beacons = st.binary(min_size=32, max_size=32)
rounds = st.integers(1, 2**63)


def indices(drawn: tuple[Identity, ...]) -> list[int]:
    return [i.index for i in drawn]


# the draw


@given(beacons, rounds, st.integers(1, 12), st.randoms(use_true_random=False))
def test_a_draw_is_sorted_distinct_and_independent_of_the_order_of_candidates(
    beacon: bytes, round: int, count: int, shuffle: object
) -> None:
    shuffled = list(CROWD)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    drawn = draw_participants(beacon, round, CROWD, count)
    assert len(drawn) == len(set(drawn)) == count
    assert indices(drawn) == sorted(indices(drawn))
    assert draw_participants(beacon, round, shuffled, count) == drawn


@given(beacons, rounds, st.integers(1, 11))
def test_a_larger_draw_contains_the_smaller(beacon: bytes, round: int, count: int) -> None:
    fewer, more = (draw_participants(beacon, round, CROWD, c) for c in (count, count + 1))
    assert set(fewer) < set(more)


@given(beacons, rounds, st.sets(st.integers(0, 11), max_size=10))
def test_revoked_participants_and_other_roles_are_never_drawn(beacon: bytes, round: int, gone: set[int]) -> None:
    crowd = [replace(i, active=i.index not in gone) for i in CROWD]
    others = [identity(f"t{i}", i, role=Role.TRUSTEE) for i in range(3)]
    drawn = draw_participants(beacon, round, [*others, *crowd], 12 - len(gone))
    assert set(indices(drawn)) == set(range(12)) - gone
    assert all(i.role is Role.PARTICIPANT for i in drawn)


@given(beacons, rounds, st.integers(0, 11), st.integers(1, 10))
def test_removing_one_candidate_moves_nobody_else(beacon: bytes, round: int, gone: int, count: int) -> None:
    """Tickets are per account: who leaves is replaced by the next, the others stay."""
    before = set(draw_participants(beacon, round, CROWD, count))
    after = set(draw_participants(beacon, round, [i for i in CROWD if i.index != gone], count))
    assert before - after <= {CROWD[gone]}
    assert len(after - before) == len(before - after)


def test_beacon_and_round_both_decide() -> None:
    draws = {tuple(indices(draw_participants(BEACON, r, CROWD, 4))) for r in range(1, 40)}
    assert len(draws) > 30
    draws = {tuple(indices(draw_participants(keccak256(b"%d" % b), 1, CROWD, 4))) for b in range(40)}
    assert len(draws) > 30


def test_everybody_is_drawn_about_as_often() -> None:
    counts = [0] * 12
    for number in range(1, 1201):
        for index in indices(draw_participants(BEACON, number, CROWD, 3)):
            counts[index] += 1
    # binomial(1200, 1/4): mean 300, deviation 15; six deviations either side
    assert all(210 < c < 390 for c in counts), counts


def test_the_tickets_are_the_documented_hash() -> None:
    def ticket(i: Identity) -> bytes:
        return keccak256(b"fedtrust.selection.v1" + BEACON + (7).to_bytes(8, "big") + bytes.fromhex(i.account[2:]))

    lowest = sorted(CROWD, key=ticket)[:5]
    assert set(draw_participants(BEACON, 7, CROWD, 5)) == set(lowest)


@pytest.mark.parametrize("count", [0, -1, 13, 1000])
def test_draws_of_an_impossible_number_are_refused(count: int) -> None:
    with pytest.raises(TooFewParticipantsError):
        draw_participants(BEACON, 1, CROWD, count)


def test_a_draw_from_nobody_is_refused() -> None:
    with pytest.raises(TooFewParticipantsError):
        draw_participants(BEACON, 1, [], 1)


# its verification

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


def scene(
    *, count: int = 3, candidates: int = 30, opened_at: int = 31, **changes: object
) -> tuple[RoundSpec, FederationHistory]:
    """Return an honest spec of round 2 and the history with its opening, ``changes`` made to the spec."""
    history = FederationHistory(SCENE)
    drawn = draw_participants(BEACON, 2, history.participants(candidates), count)
    spec = make_spec(
        round=2, beacon=Beacon(BLOCK, BEACON, candidates), participants=tuple(i.account for i in drawn), quorum=2
    )
    history.fold(ev.opened(2, selected=bitmap_of(indices(drawn)), block=opened_at))
    return replace(spec, **changes), history  # type: ignore[arg-type]


@pytest.mark.parametrize("candidates", [BLOCK, 24, 25, 26, 31])
@pytest.mark.parametrize("count", [2, 5])
def test_the_drawn_selection_is_accepted_whenever_candidates_were_counted_between_rounds(
    candidates: int, count: int
) -> None:
    spec, history = scene(candidates=candidates, count=count)
    verify_selection(spec, history, BEACON)


def test_the_first_rounds_beacon_is_where_the_key_was_published() -> None:
    history = FederationHistory(SCENE[:7])
    assert history.beacon_block(1) == 1
    drawn = draw_participants(BEACON, 1, history.participants(9), 3)
    history.fold(ev.opened(1, selected=bitmap_of(indices(drawn)), block=10))
    spec = make_spec(round=1, beacon=Beacon(1, BEACON, 9), participants=tuple(i.account for i in drawn))
    verify_selection(spec, history, BEACON)


@pytest.mark.parametrize("block", [BLOCK - 1, BLOCK + 1, 1, 31])
def test_a_beacon_of_another_block_is_refused(block: int) -> None:
    spec, history = scene()
    with pytest.raises(SpecError, match="beacon is not the one"):
        verify_selection(replace(spec, beacon=replace(spec.beacon, block=block)), history, BEACON)


def test_a_beacon_that_is_not_the_blocks_hash_is_refused() -> None:
    spec, history = scene()
    with pytest.raises(SpecError, match="beacon is not the one"):
        verify_selection(spec, history, keccak256(b"the chain's real hash"))


@pytest.mark.parametrize("candidates", [0, BLOCK - 1, 32, 10**9])
def test_candidates_counted_before_the_last_round_ended_or_after_opening_are_refused(candidates: int) -> None:
    spec, history = scene()
    with pytest.raises(SpecError, match="candidates were counted outside"):
        verify_selection(replace(spec, beacon=replace(spec.beacon, candidates=candidates)), history, BEACON)


def test_participants_that_were_not_drawn_are_refused() -> None:
    spec, history = scene()
    outsider = next(a for a in ACCOUNTS[:7] if a not in spec.participants)
    for chosen in (
        (*spec.participants[:2], outsider),
        spec.participants[::-1],
        (spec.participants[1], *spec.participants[:1]),
    ):
        with pytest.raises(SpecError, match="not the ones drawn"):
            verify_selection(replace(spec, participants=chosen), history, BEACON)


@pytest.mark.parametrize("change", ["another", "more", "fewer"])
def test_a_bitmap_on_chain_that_is_not_the_draw_is_refused(change: str) -> None:
    spec, _ = scene()
    drawn = [ACCOUNTS.index(a) for a in spec.participants]
    other = next(i for i in range(7) if i not in drawn)
    bitmap = {"another": [*drawn[:2], other], "more": [*drawn, other], "fewer": drawn[:2]}[change]
    history = FederationHistory((*SCENE, ev.opened(2, selected=bitmap_of(bitmap), block=31)))
    with pytest.raises(SpecError, match="not the ones drawn"):
        verify_selection(spec, history, BEACON)


def test_a_spec_that_selects_more_than_are_registered_is_refused() -> None:
    spec, history = scene(count=6)
    chosen = (*spec.participants, account("eve"))
    with pytest.raises(TooFewParticipantsError):
        verify_selection(replace(spec, participants=chosen), history, BEACON)


def test_a_selection_that_somebody_revoked_would_have_changed_is_refused() -> None:
    """Counting candidates before the revocation at block 26 keeps account 0 in; the spec says block 30."""
    spec, history = scene(candidates=24, count=6)
    assert ACCOUNTS[0] in spec.participants
    with pytest.raises(SpecError, match="not the ones drawn"):
        verify_selection(replace(spec, beacon=replace(spec.beacon, candidates=30)), history, BEACON)


# the history


def test_identities_are_as_of_the_end_of_a_block() -> None:
    history = FederationHistory(SCENE)
    assert history.identities(1) == ()
    assert indices(history.participants(2)) == list(range(6))
    assert indices(history.participants(24)) == list(range(6))
    assert indices(history.participants(25)) == list(range(7))
    active = {block: [i.index for i in history.participants(block) if i.active] for block in (25, 26, None)}
    assert active == {25: [0, 1, 2, 3, 4, 5, 6], 26: [1, 2, 3, 4, 5, 6], None: [1, 2, 3, 4, 5, 6]}
    assert indices(history.participants()) == list(range(7)), "the revoked keep their place in every bitmap"


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


def test_a_registration_keeps_all_that_was_registered() -> None:
    event = ev.registered(account("p"), 3, role=Role.TRUSTEE)
    (found,) = FederationHistory([event]).identities()
    assert found == Identity(
        event.account, Role.TRUSTEE, 3, True, event.certificate_fingerprint, event.sealing_key, event.certificate
    )


def test_a_round_keeps_everything_the_chain_said_of_it() -> None:
    ann, bob = account("ann"), account("bob")
    events = (
        ev.key_published(),
        opened := ev.opened(1),
        ev.committed(ann),
        ev.committed(bob),
        closed := ev.closed(),
        aggregate := ev.aggregated(),
        ev.attested(ann),
        finalized := ev.finalized(),
        credit := ev.credited(bob),
        settled := ev.settled(),
    )
    history = FederationHistory(events)
    seen = history.rounds[1]
    assert (seen.opened, seen.closed, seen.aggregate, seen.finalized) == (opened, closed, aggregate, finalized)
    assert (seen.settled, seen.aborted, seen.credits) == (settled, None, [credit])
    assert set(seen.commitments) == {ann, bob}
    assert seen.commitments[ann].root == ev.HASH
    assert seen.attestations == {ann: ev.HASH}


@given(st.integers(0, len(SCENE)))
def test_folding_in_two_parts_is_folding_at_once(at: int) -> None:
    whole, parts = FederationHistory(SCENE), FederationHistory(SCENE[:at])
    for event in SCENE[at:]:
        parts.fold(event)
    assert parts.rounds == whole.rounds
    assert parts.identities() == whole.identities()
    assert parts.key == whole.key


def test_the_beacon_is_the_block_where_the_round_before_ended() -> None:
    history = FederationHistory([ev.key_published(3), ev.opened(1), ev.finalized(1, block=40)])
    assert history.beacon_block(1) == 3
    assert history.beacon_block(2) == 40
    history.fold(ev.opened(2, block=41))
    history.fold(ev.aborted(2, block=50))
    assert history.beacon_block(3) == 50


@pytest.mark.parametrize(
    ("events", "round"), [((), 1), ((ev.key_published(), ev.opened(1)), 2), ((ev.key_published(),), 5)]
)
def test_there_is_no_beacon_before_the_round_before_ended(events: tuple[LedgerEvent, ...], round: int) -> None:
    with pytest.raises(RoundError):
        FederationHistory(events).beacon_block(round)


def test_addresses_are_strings_that_sort_nothing() -> None:
    """Order comes from the index on chain alone, never from how an address happens to be spelled."""
    upside_down = [identity(name, index) for index, name in enumerate(sorted("abcdef", reverse=True))]
    assert indices(draw_participants(BEACON, 1, upside_down, 6)) == list(range(6))
    assert len({Address(i.account) for i in upside_down}) == 6
