"""Disputes and what follows, as the nodes live through them: answers, slashes, voided rounds, and going on."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrust.crypto.signatures import ReceiptMessage, sign_receipt
from fedtrust.errors import IdentityError, RoundError
from fedtrust.ledger.heads import opening_transcript
from fedtrust.ledger.types import Address, CommitmentEntry, DisputeOutcome, Phase, Role, SignedUpdate, Status
from fedtrust.nodes.participant import PREPARED
from fedtrust.protocol.dispute import DisputedRound, demand
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.harness import InProcessFederation, account
from tests.nodes.misbehaving import Misbehaving

RULES = {
    "aggregator_stake": 1_000,
    "participant_stake": 100,
    "trustee_stake": 200,
    "dispute_bond": 10,
    "challenger_reward_cap": 50,
    "dispute_seconds": 100,
}


def disputed_federation(**settings: Any) -> Misbehaving:
    values = {"rounds": 2, "participants": 3, "trustees": 3, "challenge_window": 200, "rules": RULES}
    return Misbehaving(**{**values, **settings})


def run(federation: InProcessFederation) -> None:
    federation.run(seconds_when_idle=10)


def phase_is(federation: InProcessFederation, number: int, phase: Phase) -> bool:
    return federation.chain.last_round() >= number and federation.chain.round(number).phase is phase


def facts(federation: InProcessFederation, number: int) -> DisputedRound:
    """Return what anybody who would dispute a round knows of it."""
    state = federation.chain.round(number)
    node = next(node for name, node in federation.aggregators.items() if name not in federation.dead)
    seen = node.follower.history.rounds[number]
    chain = federation.chain
    entries = tuple(CommitmentEntry(a, c.root, c.proof_hash) for a, c in seen.commitments.items())
    return DisputedRound(
        number=number,
        spec_hash=state.spec_hash,
        ciphertexts=state.ciphertexts,
        opening=opening_transcript(chain.chain_id, chain.contract, chain.head(number - 1), seen.opened),
        commitments=entries,
        accepted=frozenset(a for a, i in zip(seen.members, range(256), strict=False) if state.accepted >> i & 1),
        accepted_bitmap=state.accepted,
        aggregate_root=state.aggregate_root,
        aggregate_hash=state.aggregate_hash,
    )


def challenge(federation: InProcessFederation, number: int, participant: Address | None, leaf: int = 0) -> int:
    """Let a stranger demand a ciphertext; returns the dispute's number."""
    asked = demand(facts(federation, number), participant, leaf)
    return federation.ledger("stranger").challenge_availability(
        number,
        participant=asked.participant,
        leaf=asked.leaf,
        start=asked.start,
        commitments=asked.commitments,
        aggregate_root=asked.aggregate_root,
    )


def omit(federation: InProcessFederation, number: int, name: str, aggregator: str = "aggregator") -> None:
    """Convict the aggregator: somebody who was left out of the sum holds a receipt with its signature."""
    state, participant = federation.chain.round(number), federation.address(name)
    node = next(iter(federation.aggregators.values()))
    root = node.follower.history.rounds[number].commitments[participant].root
    message = ReceiptMessage(number, state.spec_hash, 1, participant, root)
    key = bytes(account(aggregator).key)
    signature = sign_receipt(key, federation.chain.chain_id, federation.chain.contract, message)
    federation.ledger("stranger").challenge_omission(
        number, participant=participant, epoch=1, root=root, signature=signature
    )


# availability


@pytest.mark.parametrize("who", ["cleveland", "va-like last", "the aggregate"])
def test_an_honest_aggregator_answers_every_demand(who: str) -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: phase_is(federation, 1, Phase.FINALIZED))
    name = {"cleveland": "cleveland", "va-like last": federation.hospitals[-1]}.get(who)
    participant = None if name is None else federation.address(name)
    federation.aggregator.step()
    number = challenge(federation, 1, participant)
    run(federation)
    assert federation.ledger("operator").dispute(number).outcome is DisputeOutcome.FAILED
    assert federation.chain.round(1).phase is Phase.SETTLED
    assert federation.aggregator.machine.done
    require_audited(federation)


def test_a_demand_that_came_while_it_was_away_is_answered_when_it_is_back() -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: phase_is(federation, 1, Phase.FINALIZED))
    federation.aggregator.step()
    number = challenge(federation, 1, None)
    federation.chain.advance(60)
    federation.restart("aggregator")
    run(federation)
    assert federation.ledger("operator").dispute(number).outcome is DisputeOutcome.FAILED


def test_a_demand_in_the_middle_of_a_round_holds_nothing_up() -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: phase_is(federation, 1, Phase.DECRYPT))
    federation.aggregator.step()
    number = challenge(federation, 1, federation.address("hungary"))
    run(federation)
    assert federation.ledger("operator").dispute(number).outcome is DisputeOutcome.FAILED
    assert federation.models() == simulated_models(federation)


def test_an_aggregator_that_is_gone_too_long_loses_its_stake_and_stops() -> None:
    federation = disputed_federation(standby=True)
    federation.until(lambda: phase_is(federation, 1, Phase.FINALIZED))
    federation.until(lambda: bool(federation.aggregators["standby"].follower.history.rounds[1].finalized))
    federation.dead.add("aggregator")
    number = challenge(federation, 1, None)
    federation.chain.advance(RULES["dispute_seconds"] + 1)
    federation.ledger("stranger").expire_dispute(number)
    identity = federation.ledger("operator").identity(federation.address("aggregator"))
    assert identity is not None
    assert identity.status is Status.SLASHED
    federation.restart("aggregator")
    with pytest.raises(IdentityError, match="lost its stake") as error:
        federation.aggregator.step()
    assert error.value.exit_code.name == "IDENTITY"
    run(federation)
    assert federation.aggregators["standby"].machine.finalized == 2


# verdicts


def left_out(federation: Misbehaving, name: str) -> None:
    """Run until round 1 is finalised without ``name``, who committed but never uploaded."""
    federation._asleep = lambda who, machine: who == name and machine.state.name == "UPLOADING"
    federation.until(lambda: phase_is(federation, 1, Phase.FINALIZED))
    federation._asleep = lambda who, machine: False


def test_a_voided_round_is_done_again_by_the_standby_from_the_model_before() -> None:
    federation = disputed_federation(standby=True)
    left_out(federation, "switzerland")
    omit(federation, 1, "switzerland")
    assert federation.chain.round(1).phase is Phase.VOIDED
    with pytest.raises(IdentityError, match="lost its stake"):
        federation.aggregator.step()
    federation.dead.add("aggregator")
    run(federation)
    standby = federation.aggregators["standby"]
    assert [federation.chain.round(r).base_round for r in (2, 3)] == [0, 2]
    assert [federation.chain.round(r).phase for r in (2, 3)] == [Phase.SETTLED] * 2
    assert standby.machine.finalized == 2
    assert federation.models("standby")[1:] == simulated_models(federation, {1: ()}, rounds=3)


def test_what_was_built_on_a_voided_round_is_voided_with_it() -> None:
    federation = disputed_federation(standby=True, rounds=3)
    left_out(federation, "switzerland")
    federation.until(lambda: phase_is(federation, 3, Phase.UPLOAD))
    omit(federation, 1, "switzerland")
    federation.dead.add("aggregator")
    run(federation)
    phases = [federation.chain.round(r).phase for r in range(1, federation.chain.last_round() + 1)]
    assert phases == [Phase.VOIDED, Phase.VOIDED, Phase.ABORTED, *[Phase.SETTLED] * 3]
    assert federation.aggregators["standby"].machine.finalized == 3
    assert federation.chain.round(4).base_round == 0


def test_a_participant_that_signs_twice_costs_a_round_and_its_stake() -> None:
    federation = disputed_federation()
    federation.until(lambda: phase_is(federation, 1, Phase.UPLOAD))
    digest = federation.disk("hungary").state.get(PREPARED, 1)
    assert digest is not None
    first = federation.parsed(federation.disk("hungary").store.get(digest))
    second = federation.another_update("hungary")
    shown = [
        (u.message.epoch, u.message.root, u.message.ciphertexts, u.message.proof_hash, u.signature)
        for u in (first, second)
    ]
    federation.ledger("stranger").challenge_equivocation(
        1, account=federation.address("hungary"), first=SignedUpdate(*shown[0]), second=SignedUpdate(*shown[1])
    )
    assert federation.chain.round(1).phase is Phase.VOIDED
    with pytest.raises(IdentityError, match="lost its stake"):
        federation.participants["hungary"].step()
    federation.dead.add("hungary")
    run(federation)
    assert federation.aggregator.machine.finalized == 2
    assert federation.accepted(2) == ("cleveland", "switzerland")


# rotations


def test_a_certificate_rotated_between_signing_and_committing_costs_nothing() -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: federation.participants["hungary"].machine.state.name == "COMMITTING")
    federation.ledger("hungary").rotate_identity(federation.address("hungary"), b"a newer certificate", bytes(32))
    run(federation)
    assert federation.accepted(1) == federation.hospitals
    seen = federation.aggregator.follower.history.rounds[1].commitments[federation.address("hungary")]
    assert seen.epoch == 2
    require_audited(federation)


def test_a_certificate_rotated_between_committing_and_uploading_costs_nothing() -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: federation.participants["hungary"].machine.state.name == "UPLOADING")
    federation.ledger("hungary").rotate_identity(federation.address("hungary"), b"a newer certificate", bytes(32))
    run(federation)
    assert federation.accepted(1) == federation.hospitals
    require_audited(federation)


def test_a_node_whose_place_went_to_another_account_stops() -> None:
    federation = disputed_federation(rounds=1)
    federation.until(lambda: phase_is(federation, 1, Phase.COMMIT))
    new = Address(account("hungary's new account").address)
    federation.ledger("operator").admit_identity(new, Role.PARTICIPANT)
    federation.ledger("hungary").rotate_identity(new, b"a newer certificate", bytes(32))
    with pytest.raises(IdentityError, match="handed its place to another account"):
        federation.participants["hungary"].step()


def test_a_trustee_that_left_takes_no_part_in_later_rounds() -> None:
    federation = disputed_federation(trustees=5)
    federation.until(lambda: phase_is(federation, 1, Phase.COMMIT))
    federation.ledger("trustee-4").leave()
    run(federation)
    assert federation.chain.round(1).attested >> 4 & 1, "the running round is finished"
    assert not federation.chain.round(2).attested >> 4 & 1
    assert isinstance(federation.refusal("trustee-4"), RoundError)
    assert "we left before it was opened" in str(federation.refusal("trustee-4"))
