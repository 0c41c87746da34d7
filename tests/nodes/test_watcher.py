"""The watcher: every lie that can be proven is, nothing else is, and it may be killed at any point."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.merkle import merkle_path
from fedtrust.errors import ConfigurationError, RpcUnreachableError, TransactionError
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import (
    Address,
    DisputeKind,
    DisputeOutcome,
    Phase,
    PublishedKey,
    Status,
)
from fedtrust.nodes.watcher import AGGREGATE, Wrong
from fedtrust.protocol.dispute import demand
from tests.ledger.play import check_conservation
from tests.ledger.worlds import (
    AGGREGATOR,
    CHALLENGER,
    CONFIG,
    PARTICIPANTS,
    STANDBY,
    STRANGER,
    TRUSTEES,
    MemoryWorld,
)
from tests.nodes.watched import Disk, Scene, leaf, leaves_of, settle_down, update_file

REWARD_OF_THE_AGGREGATOR = min(CONFIG.challenger_reward_cap, CONFIG.aggregator_stake // 2)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def slashed(scene: Scene, signer: Any) -> bool:
    identity = scene.anybody.identity(Address(signer.address))
    assert identity is not None
    return identity.status is Status.SLASHED


def assert_convicted(scene: Scene, number: int = 1, reward: int = REWARD_OF_THE_AGGREGATOR, bonds: int = 0) -> None:
    """The aggregator lost its stake, the challenger has its bond back and its reward, every wei is accounted for."""
    assert slashed(scene, AGGREGATOR)
    assert scene.balance(CHALLENGER) == 10_000 * 10**18 + reward - bonds
    check_conservation(scene.world)


class TestHonestRounds:
    def test_an_honest_round_is_checked_once_and_left_alone(self, scene: Scene) -> None:
        scene.to_upload()
        watcher = scene.watcher(once=True)
        settle_down(watcher)
        assert not scene.reported("RoundChecked")
        scene.aggregate()
        settle_down(watcher)
        assert scene.reported("RoundChecked") == [{"round": 1, "accepted": 3, "ciphertexts": 5}]
        scene.finalize()
        settle_down(watcher)
        assert len(scene.reported("RoundChecked")) == 1
        assert watcher.found == []
        assert watcher.done
        assert scene.balance(CHALLENGER) == 10_000 * 10**18
        settle_down(scene.watcher())
        assert scene.anybody.open_disputes(1) == 0

    def test_an_aggregate_that_nobody_shows_but_is_right_harms_nobody(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(show=False)
        watcher = scene.watcher(patience=0)
        settle_down(watcher)
        assert watcher.found == []
        assert scene.reported("RoundChecked")

    def test_a_participant_left_out_without_a_receipt_is_no_lie(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(accepted=(0, 2))
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == []
        assert scene.reported("RoundChecked") == [{"round": 1, "accepted": 2, "ciphertexts": 5}]

    def test_rounds_end_the_watch(self, scene: Scene) -> None:
        watcher = scene.watcher(rounds=1)
        scene.to_upload()
        scene.aggregate()
        scene.finalize()
        settle_down(watcher)
        assert not watcher.done
        scene.world.advance(CONFIG.challenge_window + 1)
        scene.anybody.settle_round(1)
        settle_down(watcher)
        assert watcher.done


class TestWrongAggregates:
    def test_before_the_trustees_attest(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.AGGREGATE, AGGREGATE, 2)]
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)
        assert not slashed(scene, TRUSTEES[0])
        # the federation goes on under the standby, and the watcher with it
        scene.to_upload(2, runner=STANDBY)
        scene.aggregate(2, runner=STANDBY)
        settle_down(watcher)
        assert scene.reported("RoundChecked") == [{"round": 2, "accepted": 3, "ciphertexts": 5}]

    def test_after_the_result_with_the_trustees_that_attested_it(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong(column=4))
        scene.finalize()
        settle_down(scene.watcher())
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert [slashed(scene, t) for t in TRUSTEES] == [True, True, False]
        assert slashed(scene, AGGREGATOR)
        check_conservation(scene.world)

    def test_of_a_round_that_was_aborted_then(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        scene.world.advance_past(scene.anybody.round(1).deadlines.finalize)
        scene.anybody.abort_round(1)
        watcher = scene.watcher()
        settle_down(watcher)
        assert scene.anybody.round(1).phase is Phase.ABORTED
        assert_convicted(scene)
        settle_down(watcher)
        assert len(scene.reported("Challenged")) == 1

    def test_not_when_it_is_too_late(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        scene.finalize()
        scene.world.advance(CONFIG.challenge_window)
        watcher = scene.watcher()
        settle_down(watcher)
        assert not scene.reported("Challenged")
        assert watcher.found == []

    @pytest.mark.parametrize("unfit", [lambda: b"\xff" * 512, lambda: leaf(7)[1:]], ids=["not reduced", "too short"])
    def test_an_accepted_leaf_that_cannot_be_multiplied(self, scene: Scene, unfit: Callable[[], bytes]) -> None:
        one = unfit()
        vector = (one,) * 5 if len(one) != 512 else (*leaves_of(PARTICIPANTS[1], 1)[:3], one, leaf(9))
        scene.to_upload(vectors={PARTICIPANTS[1]: vector})
        scene.aggregate(1, scene.right(), show=False)
        settle_down(scene.watcher())
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)

    @pytest.mark.parametrize("count", [3, 6])
    def test_an_accepted_update_of_another_length(self, scene: Scene, count: int) -> None:
        scene.to_upload(vectors={PARTICIPANTS[1]: leaves_of(PARTICIPANTS[1], 1, count)})
        scene.aggregate(1, scene.right())
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.AGGREGATE, PARTICIPANTS[1].address)]
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)

    def test_an_aggregate_of_another_length(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.right()[:4])
        settle_down(scene.watcher())
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)

    @pytest.mark.parametrize("late", [False, True])
    def test_the_round_that_builds_on_it_is_voided_too(self, scene: Scene, late: bool) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        scene.finalize()
        scene.to_upload(2)
        scene.aggregate(2)
        scene.finalize(2)
        if late:
            slow = scene.watcher(wrap=Killed(after="conclude").wrap)
            with pytest.raises(KilledError):
                settle_down(slow)
            scene.world.advance(CONFIG.challenge_window + 1)
        settle_down(scene.watcher())
        assert [scene.anybody.round(n).phase for n in (1, 2)] == [Phase.VOIDED, Phase.VOIDED]
        assert scene.reported("DescendantVoided") == [{"round": 2}]

    def test_a_dry_run_only_reports(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        before = scene.anybody.block_number()
        watcher = scene.watcher(dry_run=True, once=True)
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.AGGREGATE, AGGREGATE, 2)]
        assert watcher.done
        assert scene.anybody.block_number() == before


class TestMissingEvidence:
    def test_what_nobody_shows_is_demanded_after_a_while_and_convicts(self, scene: Scene) -> None:
        scene.to_upload(hide=[PARTICIPANTS[1]])
        scene.aggregate()
        disk = Disk()
        watcher = scene.watcher(disk, patience=50, once=True)
        settle_down(watcher)
        assert [m["subject"] for m in scene.reported("Missing")] == [PARTICIPANTS[1].address]
        scene.world.advance(49)
        watcher = scene.watcher(disk, patience=50, once=True)  # killed: its patience does not start again
        settle_down(watcher)
        assert not scene.reported("Demanded")
        assert not watcher.done
        scene.world.advance(1)
        settle_down(watcher)
        assert len(scene.reported("Demanded")) == 1
        assert scene.anybody.open_disputes(1) == 1
        assert not watcher.done
        scene.world.advance(CONFIG.dispute_seconds + 1)
        settle_down(scene.watcher(disk, patience=50))
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)

    def test_what_turns_up_in_time_is_shown_and_costs_nothing(self, scene: Scene) -> None:
        scene.to_upload(hide=[PARTICIPANTS[1]])
        scene.aggregate()
        watcher = scene.watcher(patience=0)
        settle_down(watcher)
        assert scene.anybody.open_disputes(1) == 1
        scene.hidden.clear()
        settle_down(watcher)
        assert len(scene.reported("Answered")) == 1
        assert scene.anybody.open_disputes(1) == 0
        assert scene.reported("RoundChecked")
        assert not slashed(scene, AGGREGATOR)
        assert scene.balance(CHALLENGER) == 10_000 * 10**18

    def test_an_honest_aggregator_is_defended_by_any_watcher(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(show=False)
        watcher = scene.watcher()
        settle_down(watcher)
        round = watcher._disputed_round(1, scene.anybody.round(1))
        for account in (None, Address(PARTICIPANTS[2].address)):
            wanted = demand(round, account, 3)
            scene.ledger(STRANGER).challenge_availability(
                1,
                participant=wanted.participant,
                leaf=3,
                start=wanted.start,
                commitments=wanted.commitments,
                aggregate_root=wanted.aggregate_root,
            )
        settle_down(watcher)
        assert len(scene.reported("Answered")) == 2
        assert scene.balance(CHALLENGER) == 10_000 * 10**18 + 2 * CONFIG.dispute_bond
        assert scene.balance(STRANGER) == 10_000 * 10**18 - 2 * CONFIG.dispute_bond
        assert not slashed(scene, AGGREGATOR)

    def test_nothing_is_demanded_twice_once_it_was_answered(self, scene: Scene) -> None:
        scene.to_upload(hide=[PARTICIPANTS[1]])
        scene.aggregate()
        disk = Disk()
        settle_down(scene.watcher(disk, patience=0))
        number = 1
        dispute = scene.anybody.dispute(number)
        leaves = leaves_of(PARTICIPANTS[1], 1)
        scene.ledger(AGGREGATOR).reveal(1, ciphertext=leaves[dispute.leaf], path=merkle_path(leaves, dispute.leaf))
        for _ in range(3):
            settle_down(scene.watcher(disk, patience=0))
        assert len(scene.reported("Demanded")) == 1
        assert scene.anybody.open_disputes(1) == 0

    def test_a_wrong_aggregate_that_nobody_shows(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong(), show=False)
        watcher = scene.watcher(patience=0)
        settle_down(watcher)
        assert [d["subject"] for d in scene.reported("Demanded")] == [AGGREGATE]
        scene.world.advance(CONFIG.dispute_seconds + 1)
        settle_down(watcher)
        assert_convicted(scene)

    def test_a_manifest_that_nobody_shows_is_waited_for(self, scene: Scene) -> None:
        key = next(d for d in scene.shown._items if scene.shown.get(d).startswith(b"{"))
        manifest = scene.shown._items.pop(key)
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        watcher = scene.watcher(once=True)
        settle_down(watcher)
        assert not watcher.done
        scene.shown._items[key] = manifest
        settle_down(watcher)
        assert_convicted(scene)

    def test_a_chain_with_another_modulus_is_left(self) -> None:
        scene = Scene()
        key = scene.anybody.key()
        assert key is not None
        false = PublishedKey(key.key_id, key.threshold, key.trustees, sha256(b"another"))
        scene.to_upload()
        scene.aggregate()

        class Lying:
            def __init__(self, ledger: Ledger) -> None:
                self._ledger = ledger

            def __getattr__(self, name: str) -> Any:
                return (lambda: false) if name == "key" else getattr(self._ledger, name)

        with pytest.raises(ConfigurationError, match="another modulus"):
            settle_down(scene.watcher(wrap=Lying))


class TestSignatures:
    def test_two_updates_that_one_participant_signed(self, scene: Scene) -> None:
        scene.to_upload()
        other = leaves_of(PARTICIPANTS[2], 9)
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, other)))
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.EQUIVOCATION, PARTICIPANTS[1].address)]
        assert slashed(scene, PARTICIPANTS[1])
        assert not slashed(scene, AGGREGATOR)
        check_conservation(scene.world)

    def test_what_somebody_else_signed_frames_nobody(self, scene: Scene) -> None:
        scene.to_upload()
        forged = scene.envelope(STRANGER, 1, leaves_of(PARTICIPANTS[2], 9))
        scene.show(update_file(replace(forged, participant=Address(PARTICIPANTS[1].address))))
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 2, leaves_of(PARTICIPANTS[2], 9))))
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, leaves_of(PARTICIPANTS[2], 9), epoch=2)))
        scene.aggregate()
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == []
        assert not slashed(scene, PARTICIPANTS[1])

    def test_a_receipt_of_an_update_that_was_left_out(self, scene: Scene) -> None:
        scene.to_upload()
        scene.show(scene.receipt(PARTICIPANTS[1], 1).to_bytes())
        scene.aggregate(accepted=(0, 2))
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.OMISSION, PARTICIPANTS[1].address)]
        assert scene.anybody.round(1).phase is Phase.VOIDED
        assert_convicted(scene)

    def test_receipts_of_what_was_accepted_or_that_others_signed_prove_nothing(self, scene: Scene) -> None:
        scene.to_upload()
        scene.show(scene.receipt(PARTICIPANTS[0], 1).to_bytes())
        scene.show(scene.receipt(PARTICIPANTS[1], 1, by=STANDBY).to_bytes())
        scene.aggregate(accepted=(0, 2))
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == []


class TestDecoys:
    """What the chain would refuse is planted where watchers look: it must not keep them from the rest."""

    def test_updates_signed_for_an_epoch_that_never_was(self, scene: Scene) -> None:
        scene.to_upload()
        for number in (7, 8, 9):
            leaves = leaves_of(PARTICIPANTS[1], number)
            scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, leaves, epoch=99)))
        scene.aggregate(1, scene.wrong())
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.AGGREGATE, AGGREGATE, 2)]
        assert_convicted(scene)

    def test_they_do_not_hide_a_true_contradiction(self, scene: Scene) -> None:
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, leaves_of(PARTICIPANTS[1], 7), epoch=99)))
        scene.to_upload()
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, leaves_of(PARTICIPANTS[1], 8))))
        settle_down(scene.watcher())
        assert slashed(scene, PARTICIPANTS[1])

    def test_receipts_signed_for_an_epoch_that_never_was(self, scene: Scene) -> None:
        scene.to_upload()
        scene.show(scene.receipt(PARTICIPANTS[1], 1, epoch=99).to_bytes())
        wrong = list(scene.right(1, (0, 2)))
        wrong[3] = leaf(7)
        scene.aggregate(1, wrong, accepted=(0, 2))
        watcher = scene.watcher()
        settle_down(watcher)
        assert watcher.found == [Wrong(1, DisputeKind.AGGREGATE, AGGREGATE, 3)]
        assert_convicted(scene)

    def test_a_dispute_that_the_chain_refuses_is_not_the_end_of_the_others(self, scene: Scene) -> None:
        class Refusing:
            def __init__(self, ledger: Ledger) -> None:
                self._ledger = ledger

            def __getattr__(self, name: str) -> Any:
                def refuse(*_: object, **__: object) -> None:
                    raise TransactionError("refused for the test")

                return refuse if name == "challenge_equivocation" else getattr(self._ledger, name)

        scene.to_upload()
        scene.show(update_file(scene.envelope(PARTICIPANTS[1], 1, leaves_of(PARTICIPANTS[1], 8))))
        watcher = scene.watcher(wrap=Refusing)
        for _ in range(5):
            watcher.step()
        assert [g["kind"] for g in scene.reported("GivenUp")] == ["EQUIVOCATION"]
        scene.aggregate(1, scene.wrong())
        settle_down(watcher)
        assert_convicted(scene)


class TestDisputesOfOthers:
    def test_the_second_challenger_gets_its_bond_back(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        slow = Disk()
        killer = Killed(after="challenge_aggregate")
        with pytest.raises(KilledError):
            settle_down(scene.watcher(slow, wrap=killer.wrap))
        settle_down(scene.watcher(signer=STRANGER))
        assert scene.anybody.round(1).phase is Phase.VOIDED
        settle_down(scene.watcher(slow))
        assert len(scene.reported("Withdrawn")) == 1
        assert scene.balance(CHALLENGER) == 10_000 * 10**18
        assert scene.balance(STRANGER) == 10_000 * 10**18 + REWARD_OF_THE_AGGREGATOR
        check_conservation(scene.world)

    def test_a_dispute_that_its_challenger_left_is_ended(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate()
        scene.ledger(STRANGER).challenge_aggregate(1, 0)
        watcher = scene.watcher()
        settle_down(watcher)
        assert scene.anybody.open_disputes(1) == 1
        scene.world.advance(CONFIG.dispute_seconds + 1)
        settle_down(watcher)
        assert scene.anybody.open_disputes(1) == 0
        assert scene.anybody.dispute(1).outcome is DisputeOutcome.FAILED
        assert scene.balance(STRANGER) == 10_000 * 10**18 - CONFIG.dispute_bond
        check_conservation(scene.world)

    def test_a_dispute_that_is_open_already_does_not_keep_us_from_ours(self, scene: Scene) -> None:
        scene.to_upload()
        scene.aggregate(1, scene.wrong())
        scene.ledger(STRANGER).challenge_aggregate(1, 2)
        settle_down(scene.watcher())
        assert_convicted(scene)


class KilledError(BaseException):
    """Nothing of the watcher's own code runs any more."""


class Killed:
    """Kills a watcher at a write: the ``at``-th one of all, or the first called ``after``; before or after it acts."""

    def __init__(self, at: int | None = None, *, before: bool = False, after: str | None = None) -> None:
        self.at, self.before, self.after, self.count = at, before, after, 0

    WRITES = frozenset(
        {
            "challenge_aggregate", "multiply", "conclude", "prove_wrong_count", "challenge_availability", "reveal",
            "expire_dispute", "withdraw_dispute", "challenge_equivocation", "challenge_omission", "void_descendant",
        }
    )  # fmt: skip

    def wrap(self, ledger: Ledger) -> Any:
        killer = self

        class Dying:
            def __getattr__(self, name: str) -> Any:
                attribute = getattr(ledger, name)
                if name not in Killed.WRITES:
                    return attribute

                def call(*arguments: Any, **options: Any) -> Any:
                    killer.count += 1
                    mine = killer.count == killer.at or name == killer.after
                    if mine and killer.before:
                        raise KilledError
                    result = attribute(*arguments, **options)
                    if mine:
                        raise KilledError
                    return result

                return call

        return Dying()


def wrong_column(scene: Scene) -> None:
    scene.to_upload()
    scene.aggregate(1, scene.wrong())


def wrong_count(scene: Scene) -> None:
    scene.to_upload()
    scene.aggregate(1, scene.right()[:4])


def hidden(scene: Scene) -> None:
    scene.to_upload(hide=[PARTICIPANTS[1]])
    scene.aggregate()


def omitted(scene: Scene) -> None:
    scene.to_upload()
    scene.show(scene.receipt(PARTICIPANTS[1], 1).to_bytes())
    scene.aggregate(accepted=(0, 2))


@pytest.mark.parametrize("story", [wrong_column, wrong_count, hidden, omitted])
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_killed_at_any_write_it_ends_the_same(story: Callable[[Scene], None], before: bool, at: int) -> None:
    scene, disk = Scene(), Disk()
    story(scene)
    killer = Killed(at, before=before)
    for _ in range(3):
        with contextlib.suppress(KilledError):
            settle_down(scene.watcher(disk, patience=0, wrap=killer.wrap))
        if scene.anybody.open_disputes(1) and story is hidden:
            scene.world.advance(CONFIG.dispute_seconds + 1)
    assert scene.anybody.round(1).phase is Phase.VOIDED
    assert_convicted(scene)


def test_an_endpoint_that_does_not_answer_is_asked_again(scene: Scene) -> None:
    scene.to_upload()
    scene.aggregate(1, scene.wrong())
    failing = {"on": True}

    class Flaky:
        def __init__(self, ledger: Ledger) -> None:
            self._ledger = ledger

        def __getattr__(self, name: str) -> Any:
            if failing["on"] and name in ("multiply", "events"):
                raise RpcUnreachableError("nobody there")
            return getattr(self._ledger, name)

    watcher = scene.watcher(wrap=Flaky)
    for _ in range(3):
        assert not watcher.step()
    assert [r["about"] for r in scene.reported("Waiting")] == ["chain"]
    failing["on"] = False
    settle_down(watcher)
    assert_convicted(scene)


def test_a_challenger_without_money_says_so_and_gives_up(scene: Scene) -> None:
    scene.to_upload()
    scene.aggregate(1, scene.wrong())
    assert isinstance(scene.world, MemoryWorld)
    scene.world.chain._balances[Address(CHALLENGER.address)] = 0
    watcher = scene.watcher(once=True)
    settle_down(watcher)
    for _ in range(5):
        watcher.step()
    assert watcher.found
    assert len(scene.reported("GivenUp")) == 1
    assert watcher.done
