"""Members that rotate, leave, are suspended, revoked; what they earn: true histories verify, forged ones do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import Verdict
from fedtrust.crypto.signatures import sign_update
from fedtrust.ledger import events as ev
from fedtrust.ledger.memory_contract import Call, MemoryContract
from fedtrust.ledger.types import Address, PayoutRule, RelayedUpdate, Role, Status
from fedtrust.protocol.update import EncryptedUpdate, signed_in_epoch
from tests.audit.audit_fixtures import (
    REWARD,
    LyingLedger,
    PlayedFederation,
    RoundPlayer,
    audit,
    failed,
    forge,
    result_of,
    verdicts,
)
from tests.nodes.harness import account

STAKES: dict[str, Any] = {"participant_stake": 10, "trustee_stake": 20, "aggregator_stake": 100}
UNBONDING = 7 * 86_400 + 3 * 30 + 120
STRANGER = Address("0x" + "9" * 40)


class Committing(RoundPlayer):
    """Only the first ``present`` of the selected commit."""

    present = 4

    def commit(self, limit: int | None = None) -> None:
        super().commit(self.present)
        if self.present < len(self.selected):
            self.chain.advance(101)


class Three(Committing):
    present = 3


def rotated_to(federation: PlayedFederation, name: str, new: str) -> None:
    """Hand the place of ``name`` to a new account, which takes its certificate and key with it."""
    role = federation.ledger(name).identity(federation.address(name)).role  # type: ignore[union-attr]
    if new != name:
        federation.ledger("operator").admit_identity(federation.address(new), role)
    member = federation.member(f"{new} again", role)
    assert member.certificate is not None
    federation.ledger(name).rotate_identity(
        federation.address(new), member.certificate, member.sealing_key or bytes(32)
    )


@pytest.fixture(scope="module")
def lively() -> PlayedFederation:
    """Everything that can become of a member, and rounds in between."""
    federation = PlayedFederation.make(max_missed=2, payout_rule=PayoutRule.RELIABILITY, claim_seconds=50, **STAKES)
    operator = federation.ledger("operator")
    RoundPlayer(federation).play()
    # the last participant misses twice, is suspended, and comes back; the one before it renews its certificate
    Three(federation).play()
    rotated_to(federation, "hospital-2", "hospital-2")
    Three(federation).play()
    RoundPlayer(federation).play()
    federation.ledger("hospital-3").resume()
    # one participant moves to another account, one trustee leaves, one is revoked
    rotated_to(federation, "hospital-0", "hospital-new")
    federation.hospitals = ("hospital-new", *federation.hospitals[1:])
    federation.ledger("trustee-4").leave()
    operator.revoke_identity(federation.address("trustee-3"))
    operator.admit_identity(federation.address("waiting"), Role.AGGREGATOR)
    operator.revoke_identity(federation.address("waiting"))
    RoundPlayer(federation).play()
    # one reward is withdrawn, another one expires, and the stakes of those who are gone are paid back
    federation.ledger("trustee-0").claim("first")
    federation.chain.advance(60)
    federation.ledger("anybody").expire_reward(federation.address("trustee-1"))
    federation.chain.advance(UNBONDING)
    for name in ("trustee-3", "trustee-4"):
        federation.ledger("anybody").release_stake(federation.address(name))
    federation.ledger("trustee-4").claim("stake")
    RoundPlayer(federation).play()
    return federation


def test_a_lively_federation_verifies(lively: PlayedFederation) -> None:
    report = audit(lively)
    assert report.failures == ()
    assert set(verdicts(report, None).values()) == {Verdict.PASSED}
    found = {lively.ledger("x").identity(lively.address(name)) for name in ("hospital-0", "trustee-3", "trustee-4")}
    assert {identity.status for identity in found if identity} == {Status.RETIRED, Status.REVOKED, Status.LEFT}
    assert len([e for e in lively.chain.events() if isinstance(e, ev.ParticipantSuspended)]) == 1
    # who missed twice weighs less, and gets less
    credits = [e for e in lively.chain.events() if isinstance(e, ev.RewardCredited) and e.round == 5]
    amounts = {e.account: e.amount for e in credits}
    assert amounts[lively.address("hospital-3")] < amounts[lively.address("hospital-new")]
    assert "by the rule reliability" in (result_of(report, 5, "payouts").found or "")


def test_money_of_the_lively_federation(lively: PlayedFederation) -> None:
    held = 4 * 10 + 3 * 20 + 2 * 100
    assert result_of(audit(lively), None, "stakes").found == f"{held} staked, 0 as bonds"
    assert lively.chain.balance(lively.chain.contract) == held + lively.ledger("x").reward_pool() + sum(
        lively.ledger("x").claimable(lively.address(name))
        for name in (*lively.hospitals, "hospital-0", *lively.trustee_names, "aggregator")
    )


FORGED: dict[str, tuple[type[ev.LedgerEvent], dict[str, Any] | None, tuple[int | None, str]]] = {
    "rotation kept back": (ev.IdentityRotated, None, (None, "identities")),
    "rotation to another epoch": (ev.IdentityRotated, {"epoch": 5}, (None, "identities")),
    "rotation of another place": (ev.IdentityRotated, {"index": 1}, (None, "identities")),
    "rotation to nobody": (ev.IdentityRotated, {"new_account": STRANGER}, (None, "identities")),
    "rotation with another certificate": (ev.IdentityRotated, {"certificate": b"x"}, (None, "identities")),
    "rotation with a known certificate": (
        ev.IdentityRotated, {"certificate": b"certificate hospital-1"}, (None, "identities"),
    ),
    "leaving kept back": (ev.IdentityLeaving, None, (None, "identities")),
    "leaving with another time": (ev.IdentityLeaving, {"release_at": 1}, (None, "identities")),
    "leaving of a stranger": (ev.IdentityLeaving, {"account": STRANGER}, (None, "event-log")),
    "revocation kept back": (ev.IdentityRevoked, None, (None, "identities")),
    "revocation with another time": (ev.IdentityRevoked, {"release_at": 1}, (None, "identities")),
    "release kept back": (ev.StakeReleased, None, (None, "identities")),
    "release of another amount": (ev.StakeReleased, {"amount": 1}, (None, "identities")),
    "release too early": (ev.StakeReleased, {"timestamp": 1_700_000_999}, (None, "identities")),
    "suspension kept back": (ev.ParticipantSuspended, None, (None, "identities")),
    "suspension of another": (
        ev.ParticipantSuspended, {"account": PlayedFederation.address("hospital-1")}, (4, "opening"),
    ),
    "resumption kept back": (ev.ParticipantResumed, None, (None, "identities")),
    "resumption of another": (
        ev.ParticipantResumed, {"account": PlayedFederation.address("hospital-1")}, (None, "identities"),
    ),
    "expiry kept back": (ev.RewardExpired, None, (None, "rewards")),
    "expiry of another amount": (ev.RewardExpired, {"amount": 1}, (None, "rewards")),
    "expiry too early": (ev.RewardExpired, {"timestamp": 1_700_000_001}, (None, "rewards")),
    "deposit kept back": (ev.DepositCredited, None, (None, "rewards")),
    "admission kept back": (ev.IdentityAdmitted, None, (None, "event-log")),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_forged_event_of_a_member(lively: PlayedFederation, case: str) -> None:
    kind, changes, expected = FORGED[case]
    done: list[ev.LedgerEvent] = []

    def change(event: ev.LedgerEvent) -> ev.LedgerEvent | None:
        if isinstance(event, kind) and done in ([], [event]):
            done[:] = [event]
            return None if changes is None else replace(event, **changes)
        return event

    ledger = LyingLedger(lively.ledger("operator"), events=change)
    assert expected in failed(audit_federation(ledger, lively.artifacts))


@pytest.mark.parametrize("counter", ["accepted", "late", "missed", "slashed", "attested", "missed_in_a_row"])
def test_forged_counter(lively: PlayedFederation, counter: str) -> None:
    answers = {"reputation": lambda r: replace(r, **{counter: getattr(r, counter) + 1})}
    ledger = LyingLedger(lively.ledger("operator"), answers=answers)
    assert failed(audit_federation(ledger, lively.artifacts)) == {(None, "reputation")}


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.SLASHED},
        {"epoch": 7},
        {"stake": 1},
        {"release_at": 5},
        {"retired_at_round": 5},
        {"sealing_key": b"\x01" * 32},
        {"certificate_fingerprint": b"\x01" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_forged_field_of_an_identity(lively: PlayedFederation, change: dict[str, Any]) -> None:
    answers = {"identities": lambda found: (replace(found[0], **change), *found[1:])}
    ledger = LyingLedger(lively.ledger("operator"), answers=answers)
    assert (None, "identities") in failed(audit_federation(ledger, lively.artifacts))


def test_contract_that_weighs_otherwise() -> None:
    class Partial(MemoryContract):
        def _weight(self, role: Role, index: int) -> int:
            return 1 + index

    federation = PlayedFederation.make(payout_rule=PayoutRule.RELIABILITY)
    forge(federation, Partial)
    RoundPlayer(federation).play()
    assert failed(audit(federation)) == {(1, "payouts")}


def test_contract_that_counts_otherwise() -> None:
    class Forgetful(MemoryContract):
        def _miss_selections(self, call: Call, current: Any) -> None:
            pass

    federation = PlayedFederation.make()
    forge(federation, Forgetful)
    Three(federation).play()
    assert failed(audit(federation)) == {(None, "reputation")}


def test_contract_that_draws_the_suspended() -> None:
    class Lenient(MemoryContract):
        def draw_for(self, number: int, block: int, block_hash: Any) -> Any:
            return replace(super().draw_for(number, block, block_hash), selected=0b1111)

    federation = PlayedFederation.make(max_missed=1)
    forge(federation, Lenient)
    Three(federation).play()
    RoundPlayer(federation).play()
    assert failed(audit(federation)) == {(2, "opening"), (2, "selection")}


def test_contract_that_pays_a_stake_twice() -> None:
    class Generous(MemoryContract):
        def release_stake(self, call: Call, account: Address) -> None:
            super().release_stake(call, account)
            self._credit_deposit(call, account, 10)

    federation = PlayedFederation.make(**STAKES)
    forge(federation, Generous)
    federation.ledger("hospital-0").leave()
    federation.chain.advance(UNBONDING)
    federation.ledger("hospital-0").release_stake(federation.address("hospital-0"))
    assert failed(audit(federation)) == {(None, "rewards")}


# epochs


class Renewing(RoundPlayer):
    """A participant renews its certificate between signing and committing, and signs again."""

    renewing = True

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        if self.updates or not self.renewing:
            return update
        federation = self.federation
        assert isinstance(federation, PlayedFederation)
        rotated_to(federation, "hospital-0", "hospital-0")
        private, spec = bytes(account(self.names[who]).key), self.spec.federation
        return signed_in_epoch(update, 2, lambda m: sign_update(private, spec.chain_id, spec.contract, m))


class Stale(Renewing):
    """It does not sign again: its signature names an epoch that was over when it committed."""

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        super().change_update(who, update)
        return update


def test_signatures_name_the_epoch_of_the_commitment() -> None:
    for player, checks in ((Renewing, set()), (Stale, {(1, "update")})):
        federation = PlayedFederation.make()
        player(federation).play()
        assert failed(audit(federation)) == checks


def test_relayed_commitments_verify() -> None:
    class Relayed(RoundPlayer):
        def commit(self, limit: int | None = None) -> None:
            sent: list[RelayedUpdate] = []
            direct, self.federation = self.federation, _Collecting(self.federation, sent)  # type: ignore[assignment]
            super().commit(limit)
            self.federation = direct
            updates = self.updates
            batch = [replace(each, signature=updates[each.participant].signature) for each in sent]
            direct.ledger("anybody").relay_updates(self.number, batch)

    federation = PlayedFederation.make()
    Relayed(federation).play()
    assert audit(federation).failures == ()
    commits = [e for e in federation.chain.events() if isinstance(e, ev.UpdateCommitted)]
    assert len({e.transaction for e in commits}) == 1


class _Collecting:
    """A federation whose participants hand their commitments to a relay."""

    def __init__(self, federation: Any, sent: list[RelayedUpdate]) -> None:
        self._federation, self._sent = federation, sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._federation, name)

    def ledger(self, name: str) -> Any:
        who, sent = self._federation.address(name), self._sent

        class Relay:
            def commit_update(self, number: int, *, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
                sent.append(RelayedUpdate(who, root, proof_hash, b""))

        return Relay()


def test_both_payout_rules_give_whole_records() -> None:
    for rule in PayoutRule:
        federation = PlayedFederation.make(payout_rule=rule)
        RoundPlayer(federation).play()
        report = audit(federation)
        assert report.failures == ()
        assert f"by the rule {rule.name.lower()}" in (result_of(report, 1, "payouts").found or "")
        assert federation.ledger("x").claimable(federation.address("hospital-0")) == 7 * REWARD // 10 // 4
