"""Histories in which everybody who could object was in on it: all hashes and signatures fit, one thing is a lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedtrust.audit.auditor import audit_federation
from fedtrust.audit.checks import AuditReport, Verdict
from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.ledger import events as ev
from fedtrust.ledger.memory_contract import Call, MemoryContract
from fedtrust.ledger.types import Address, Deadlines, Draw, Identity, PayoutRule, Role, members
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.result import RoundResult
from fedtrust.protocol.spec import Beacon, RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model
from tests.audit.audit_fixtures import (
    PlayedFederation,
    RoundPlayer,
    artifact_of,
    audit,
    failed,
    forge,
    replaced,
    result_of,
    verdicts,
)
from tests.ledger.registered import register_members
from tests.nodes.harness import account


def lie_in_round_2(cheat: type[RoundPlayer], *after: type[RoundPlayer]) -> AuditReport:
    """Return the audit of an honest round and a forged one, and of rounds on top of it."""
    federation = PlayedFederation.make(participants_per_round=3)
    contract = getattr(cheat, "Contract", None)
    if contract is not None:
        forge(federation, contract)
    players: list[type[RoundPlayer]] = [RoundPlayer, cheat, *after]
    for player in players:
        player(federation).play()
    return audit(federation)


class WrongModel(RoundPlayer):
    """The aggregator commits and publishes a model of its own."""

    def change_model(self, model: Model) -> Model:
        return model.with_vector(model.to_vector() + 0.5)


class UnchangedModel(RoundPlayer):
    """The aggregator throws the updates away and keeps the model as it was."""

    def change_model(self, model: Model) -> Model:
        return self.base


class WrongPlaintext(RoundPlayer):
    """The aggregator opens the sum to something else; model, metrics and record follow from it."""

    def change_plaintexts(self, plaintexts: tuple[int, ...]) -> tuple[int, ...]:
        width = self.spec.layout.slots.slot_width
        return (plaintexts[0] + (1 << 10 * width), *plaintexts[1:])


class UpdateLeftOut(RoundPlayer):
    """The aggregator names three updates as accepted and multiplies two; enough trustees go along."""

    def change_aggregate(self, aggregate: CiphertextVector) -> CiphertextVector:
        return multiply_vectors(self.key, [u.ciphertexts for u in list(self.updates.values())[1:]])


class UpdateCountedTwice(RoundPlayer):
    """The aggregator multiplies one update in twice."""

    def change_aggregate(self, aggregate: CiphertextVector) -> CiphertextVector:
        return multiply_vectors(self.key, [aggregate, next(iter(self.updates.values())).ciphertexts])


class HandPicked(RoundPlayer):
    """The contract, forged, selects another participant in the place of one that was drawn."""

    class Contract(MemoryContract):
        def draw_for(self, number: int, block: int, block_hash: Any) -> Draw:
            draw = super().draw_for(number, block, block_hash)
            if number != 2:
                return draw
            drawn = set(members(draw.selected))
            outsider = next(i for i in members(self.state.eligible) if i not in drawn)
            return replace(draw, selected=draw.selected & ~(1 << min(drawn)) | 1 << outsider)


class OldBeacon(RoundPlayer):
    """The spec names another block as the beacon."""

    def change_spec(self, spec: RoundSpec) -> RoundSpec:
        block = spec.beacon.block - 1
        return replace(spec, beacon=Beacon(block, self.ledger.block_hash(block)))


class OtherSpec(RoundPlayer):
    """The published spec says something else than the chain."""

    def change_spec(self, spec: RoundSpec) -> RoundSpec:
        return replace(spec, quorum=3)


class OtherKey(RoundPlayer):
    """The spec names a key that the committee does not hold."""

    def change_spec(self, spec: RoundSpec) -> RoundSpec:
        return replace(spec, key_id=bytes(31) + b"\x01")


class CopiedUpdate(RoundPlayer):
    """A participant commits another one's ciphertexts and proof as its own: additive ciphertexts are malleable."""

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        if not self.updates:
            return update
        victim = next(iter(self.updates.values()))
        private, federation = bytes(account(self.names[who]).key), self.spec.federation
        signature = sign_update(private, federation.chain_id, federation.contract, victim.message)
        return replace(victim, participant=who, signature=signature)


class MauledUpdate(RoundPlayer):
    """A participant commits another one's ciphertexts squared, with its own honest proof about other values."""

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        if not self.updates:
            return update
        victim = next(iter(self.updates.values())).ciphertexts
        mauled = multiply_vectors(self.key, [victim, victim])
        message = UpdateMessage(
            round=self.number,
            spec_hash=self.spec.digest,
            epoch=1,
            root=mauled.root(),
            ciphertexts=len(mauled),
            proof_hash=keccak256(update.proof.to_bytes()),
        )
        private, federation = bytes(account(self.names[who]).key), self.spec.federation
        signature = sign_update(private, federation.chain_id, federation.contract, message)
        return replace(update, ciphertexts=mauled, message=message, signature=signature)


class ForeignSignature(RoundPlayer):
    """An update that its participant did not sign."""

    def change_update(self, who: Address, update: EncryptedUpdate) -> EncryptedUpdate:
        if self.updates:
            return update
        zeros = np.zeros(self.spec.layout.length, dtype=np.int64)
        zeros[:2] = 1
        return self.encrypt(zeros, who, signer="stranger")


class OtherEpoch(RoundPlayer):
    """An update that is signed, and committed, but names an epoch that its participant never had."""

    def epoch(self, who: Address) -> int:
        return super().epoch(who) + (0 if self.updates else 1)


class OtherPayoutRule(RoundPlayer):
    """The spec promises another payout rule than the contract pays by."""

    def change_spec(self, spec: RoundSpec) -> RoundSpec:
        return replace(spec, payout_rule=PayoutRule.RELIABILITY)


class SwappedUpdate(RoundPlayer):
    """The record names one participant's artifact as another one's."""

    def change_record(self, record: RoundResult) -> RoundResult:
        first, second, *rest = record.updates
        swapped = {**record.updates, first: record.updates[second], second: record.updates[first]}
        assert len(swapped) == 2 + len(rest)
        return replace(record, updates=swapped)


class UnattestedPartial(RoundPlayer):
    """A trustee's published partial is not the one it attested."""

    def change_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        return proven if trustee != self.federation.address("trustee-0") else squared(proven)


class BorrowedPartial(RoundPlayer):
    """A trustee publishes another one's share of the work."""

    def change_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        return next(iter(self.partials.values()))


class UnprovenPartial(RoundPlayer):
    """The proof beside an attested partial is another one's."""

    def change_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        return replace(proven, proof=next(iter(self.partials.values())).proof)


def squared(proven: ProvenPartial) -> ProvenPartial:
    """Return a wrong partial with the proof of the right one."""
    partial = proven.partial
    return replace(proven, partial=replace(partial, values=tuple(v * v % partial.key.n for v in partial.values)))


class FourTrustees(RoundPlayer):
    """The last of four trustees attests a wrong partial, and is blamed for it rightly."""

    trustees = 4

    def attested_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        return squared(proven) if trustee == self.federation.address("trustee-3") else proven


class BlamesTheRight(FourTrustees):
    """The record blames a trustee whose partial is right, beside a proof that the aggregator damaged."""

    def attested_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        if trustee == self.federation.address("trustee-3"):
            self.wrong[trustee] = replace(proven, proof=replace(proven.proof, challenge=proven.proof.challenge ^ 1))
        return proven

    def change_record(self, record: RoundResult) -> RoundResult:
        accused = self.federation.address("trustee-3")
        return replace(record, partials={a: d for a, d in record.partials.items() if a != accused})


class BlamesByAnotherPartial(FourTrustees):
    """The partial that the record shows as wrong is not the one that the trustee attested."""

    def attested_partial(self, trustee: Address, proven: ProvenPartial) -> ProvenPartial:
        if trustee == self.federation.address("trustee-3"):
            self.wrong[trustee] = squared(proven)
        return proven

    def change_record(self, record: RoundResult) -> RoundResult:
        accused = self.federation.address("trustee-3")
        return replace(record, partials={a: d for a, d in record.partials.items() if a != accused})


class BlamesAStranger(RoundPlayer):
    """The record blames a trustee that never attested."""

    def change_record(self, record: RoundResult) -> RoundResult:
        digest = next(iter(record.partials.values()))
        return replace(record, wrong_partials={self.federation.address("trustee-4"): digest})


class BlamesTheUsed(RoundPlayer):
    """The record blames a trustee and uses its partial."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, wrong_partials=dict(list(record.partials.items())[:1]))


class HidesWrongPartial(FourTrustees):
    """A wrong partial stands among the used ones."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, partials={**record.partials, **record.wrong_partials}, wrong_partials={})


class TooFewPartials(RoundPlayer):
    """The record keeps a partial back: nobody could open the aggregate from what is published."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, partials=dict(list(record.partials.items())[1:]))


class StrangersPartial(RoundPlayer):
    """The record names a partial of a trustee that never attested."""

    def change_record(self, record: RoundResult) -> RoundResult:
        stranger, digest = self.federation.address("trustee-4"), next(iter(record.partials.values()))
        return replace(record, partials={**record.partials, stranger: digest})


class BetterMetrics(RoundPlayer):
    """The record boasts."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, metrics={**record.metrics, "accuracy": 0.99})


class MoreExamples(RoundPlayer):
    """The record claims more training examples."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, examples=record.examples + 1)


class OtherRoundsRecord(RoundPlayer):
    """The record is of another round."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, round=record.round + 1)


class OtherProof(RoundPlayer):
    """The record names another proof than the chain."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, proof=record.model)


class ConcealedUpdate(RoundPlayer):
    """The record leaves an accepted update out."""

    def change_record(self, record: RoundResult) -> RoundResult:
        return replace(record, updates=dict(list(record.updates.items())[1:]))


class OtherAggregate(RoundPlayer):
    """The record names another file as the aggregate."""

    def change_record(self, record: RoundResult) -> RoundResult:
        other = next(iter(self.updates.values())).ciphertexts
        return replace(record, aggregate=self.store.put(other.to_bytes()))


FORGERIES: list[tuple[type[RoundPlayer], set[str]]] = [
    (WrongModel, {"new-model"}),
    (UnchangedModel, {"new-model"}),
    (WrongPlaintext, {"decryption-proof"}),
    (UpdateLeftOut, {"product"}),
    (UpdateCountedTwice, {"product"}),
    (HandPicked, {"selection"}),
    (OldBeacon, {"selection"}),
    (OtherSpec, {"spec"}),
    (OtherKey, {"spec"}),
    (CopiedUpdate, {"update"}),
    (MauledUpdate, {"update"}),
    (ForeignSignature, {"update"}),
    (OtherEpoch, {"update"}),
    (OtherPayoutRule, {"spec"}),
    (SwappedUpdate, {"update"}),
    (UnattestedPartial, {"partial"}),
    (BorrowedPartial, {"partial"}),
    (UnprovenPartial, {"partial"}),
    (HidesWrongPartial, {"partial"}),
    (BlamesTheRight, {"blame"}),
    (BlamesByAnotherPartial, {"blame"}),
    (BlamesAStranger, {"blame"}),
    (BlamesTheUsed, {"blame"}),
    (TooFewPartials, {"result-record"}),
    (StrangersPartial, {"result-record"}),
    (BetterMetrics, {"metrics"}),
    (MoreExamples, {"metrics"}),
    (OtherRoundsRecord, {"result-record"}),
    (OtherProof, {"result-record"}),
    (ConcealedUpdate, {"result-record"}),
    (OtherAggregate, {"aggregate"}),
]


@pytest.mark.parametrize(("cheat", "checks"), FORGERIES, ids=[cheat.__name__ for cheat, _ in FORGERIES])
def test_forged_round(cheat: type[RoundPlayer], checks: set[str]) -> None:
    report = lie_in_round_2(cheat)
    # exactly the check of what was forged fails, in that round; the round before it stands
    assert failed(report) == {(2, check) for check in checks}
    for failure in report.failures:
        assert failure.reason
        assert str(failure).startswith(f"round 2, {failure.check}")


def test_a_trustee_that_is_rightly_blamed_is_a_finding_and_no_failure() -> None:
    """The round is right whoever lied in it; the report says who, and rests on nobody's word."""
    report = lie_in_round_2(FourTrustees)
    assert failed(report) == set()
    assert result_of(report, 1, "blame").found == "nobody is blamed"
    blame = result_of(report, 2, "blame")
    assert blame.found == f"wrong, and attested: {account('trustee-3').address}"
    assert [reading.name for reading in blame.read] == ["Attested", "refused partial decryption"]


def test_blame_needs_its_evidence_and_its_judges() -> None:
    """Without the refused file the accusation fails; without a proven partial of the others it is not checked."""
    federation = PlayedFederation.make(participants_per_round=3)
    FourTrustees(federation).play()
    report = audit(federation)
    _, refused = artifact_of(report, 1, "blame")
    _, judge = artifact_of(report, 1, "partial")
    ledger = federation.ledger("operator")
    assert failed(audit_federation(ledger, replaced(federation.artifacts, {refused: None}))) == {(1, "blame")}
    without_judge = audit_federation(ledger, replaced(federation.artifacts, {judge: None}))
    assert failed(without_judge) == {(1, "partial")}
    assert verdicts(without_judge, 1)["blame"] is Verdict.NOT_CHECKED


@pytest.mark.parametrize("cheat", [WrongModel, HandPicked, UpdateLeftOut])
def test_one_bad_round_does_not_stop_the_audit_of_the_next(cheat: type[RoundPlayer]) -> None:
    report = lie_in_round_2(cheat, RoundPlayer)
    assert {number for number, _ in failed(report)} == {2}
    assert set(verdicts(report, 3).values()) == {Verdict.PASSED}


def forge_credits(change: Callable[[list[tuple[Address, int]]], list[tuple[Address, int]]]) -> AuditReport:
    """Return the audit of one round by a contract that credits by another rule, consistently."""

    class Generous(MemoryContract):
        def settle_round(self, call: Call, number: int) -> None:
            honest = Call(call.sender, 0, call.block, call.timestamp, call.transaction, call.block_hash)
            before = dict(self.state.credits)
            super().settle_round(honest, number)
            credits = [(e.account, e.amount) for e in honest.events if isinstance(e, ev.RewardCredited)]
            self.state.credits = before
            for who, amount in change(credits):
                self._credit_reward(call, number, who, amount)
            paid = sum(amount for _, amount in change(credits))
            self.state.pool += sum(amount for _, amount in credits) - paid
            call.emit(ev.RoundSettled, round=number, credited=paid)

    federation = PlayedFederation.make()
    forge(federation, Generous)
    RoundPlayer(federation).play()
    return audit(federation)


@pytest.mark.parametrize(
    "change",
    [
        lambda credits: [(account, amount + 1) for account, amount in credits],
        lambda credits: [(account, amount - 1) for account, amount in credits],
        lambda credits: credits[1:],
        lambda credits: [*credits, credits[-1]],
        lambda credits: list(reversed(credits)),
        lambda credits: [(credits[-1][0], sum(amount for _, amount in credits))],
    ],
    ids=["a wei more", "a wei less", "one left out", "one twice", "another order", "all to the aggregator"],
)
def test_other_payouts(change: Callable[[Any], Any]) -> None:
    report = forge_credits(change)
    assert failed(report) == {(1, "payouts")}


def test_contract_that_ignores_the_deadline() -> None:
    class Patient(MemoryContract):
        @staticmethod
        def _require_not_after(call: Any, number: int, deadline: int) -> None:
            pass

    class Late(RoundPlayer):
        def attest(self) -> None:
            self.chain.advance(10_000)
            super().attest()

    federation = PlayedFederation.make()
    forge(federation, Patient)
    Late(federation).play()
    assert failed(audit(federation)) == {(1, "deadlines")}


def test_contract_that_closes_the_commit_phase_early() -> None:
    class Hasty(MemoryContract):
        def close_commits(self, call: Call, number: int) -> None:
            state = self.state.rounds[number - 1]
            self._write(state, selected=state.committed)
            super().close_commits(call, number)
            self._write(self.state.rounds[number - 1], selected=state.selected)

    class Early(RoundPlayer):
        def commit(self, limit: int | None = None) -> None:
            super().commit(3)

    federation = PlayedFederation.make()
    forge(federation, Hasty)
    Early(federation).play()
    # who was not waited for is not counted as missing either
    assert failed(audit(federation)) == {(1, "commitments"), (None, "reputation")}


class Forgiving(MemoryContract):
    """Whoever ever had a place may act."""

    def in_force(self, account: Address, role: Role, number: int) -> Identity:
        return self.state.identities[account]


def test_revoked_aggregator_cannot_go_on() -> None:
    class Revoked(RoundPlayer):
        def aggregate(self) -> None:
            self.federation.ledger("operator").revoke_identity(self.ledger.account)
            super().aggregate()

    federation = PlayedFederation.make()
    forge(federation, Forgiving)
    Revoked(federation).play()
    assert failed(audit(federation)) == {(1, "accepted"), (1, "outcome")}


def test_revoked_participant_and_trustee_cannot_go_on() -> None:
    class Revoked(RoundPlayer):
        def commit(self, limit: int | None = None) -> None:
            for name in (self.federation.hospitals[0], "trustee-0"):
                self.federation.ledger("operator").revoke_identity(self.federation.address(name))
            super().commit(limit)

    federation = PlayedFederation.make()
    forge(federation, Forgiving)
    Revoked(federation).play()
    # without commitments that stand, the attestations have no transcript to begin with
    report = audit(federation)
    assert failed(report) == {(1, "commitments")}
    assert verdicts(report, 1)["attestations"] is Verdict.NOT_CHECKED


def test_revoked_trustee_cannot_attest() -> None:
    class Revoked(RoundPlayer):
        def active_trustees(self) -> list[str]:
            names = super().active_trustees()
            self.federation.ledger("operator").revoke_identity(self.federation.address(names[0]))
            return names

    federation = PlayedFederation.make()
    forge(federation, Forgiving)
    Revoked(federation).play()
    assert failed(audit(federation)) == {(1, "attestations")}


def test_aggregator_that_opens_out_of_turn() -> None:
    class Impatient(MemoryContract):
        def _require_next_round(self, call: Call, number: int) -> None:
            pass

    class Standby(RoundPlayer):
        aggregator = "standby"

    federation = PlayedFederation.make()
    forge(federation, Impatient)
    RoundPlayer(federation).play()
    Standby(federation).play()
    assert failed(audit(federation)) == {(2, "opening")}


def test_trustee_without_a_share() -> None:
    federation = PlayedFederation.make()

    class Roomy(MemoryContract):
        def register_identity(self, call: Call, certificate: bytes, sealing_key: bytes) -> None:
            key, self.state.key = self.state.key, None
            super().register_identity(call, certificate, sealing_key)
            self.state.key = key

    forge(federation, Roomy)
    member = federation.member("extra", Role.TRUSTEE)
    register_members(federation.ledger("operator"), federation.ledger_of, [member])
    RoundPlayer(federation).play()
    report = audit(federation)
    assert failed(report) == {(None, "trustees")}
    assert federation.address("extra") in (result_of(report, None, "trustees").reason or "")


@pytest.mark.parametrize("change", [{"threshold": 2}, {"modulus_hash": b"\x05" * 32}], ids=["threshold", "modulus"])
def test_another_key_on_chain_than_the_manifests(change: dict[str, Any]) -> None:
    federation = PlayedFederation.make()
    state = federation.chain._federation.state
    assert state.key is not None
    state.key = replace(state.key, **change)
    federation.chain._events[0] = replace(federation.chain._events[0], **change)
    RoundPlayer(federation).play()
    assert failed(audit(federation)) == {(None, "key-manifest")}


def test_deadlines_of_the_spec_are_those_on_chain() -> None:
    class Hurried(RoundPlayer):
        def change_spec(self, spec: RoundSpec) -> RoundSpec:
            limits = spec.deadlines
            return replace(spec, deadlines=Deadlines(limits.commit, limits.aggregate, limits.finalize + 1))

    assert failed(lie_in_round_2(Hurried)) == {(2, "spec")}
