"""The conformance suite, second part: who is admitted, registered, rotated, leaves, is revoked, and gets its stake."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from fedtrust.ledger import events as ev
from fedtrust.ledger.types import ZERO_ADDRESS, ZERO_HASH, Role, Status
from tests.ledger.play import (
    ALL,
    KEY,
    MEMBERS,
    address,
    check_conservation,
    commit,
    digest,
    finalize,
    open_round,
    prepare,
    refused,
    register,
    signed,
    to_decrypt,
    to_finalized,
)
from tests.ledger.registered import certificate_of
from tests.ledger.worlds import (
    AGGREGATOR,
    CONFIG,
    OPERATOR,
    PARTICIPANTS,
    STANDBY,
    STRANGER,
    TRUSTEES,
    World,
    raw,
)

STAKE = CONFIG.participant_stake


def test_refusals_of_admission(world: World) -> None:
    operator, stranger = world.ledger(OPERATOR), world.ledger(STRANGER)
    someone = address(PARTICIPANTS[0])
    unauthorized = f"OwnableUnauthorizedAccount({STRANGER.address})"
    refused(unauthorized, stranger.admit_identity, someone, Role.PARTICIPANT)
    refused(unauthorized, raw, stranger, "revokeIdentity", someone)
    refused("IdentityZeroAccount()", operator.admit_identity, ZERO_ADDRESS, Role.PARTICIPANT)
    refused("IdentityRoleMissing()", operator.admit_identity, someone, Role.NONE)
    refused(f"IdentityUnknown({someone})", operator.revoke_identity, someone)
    operator.admit_identity(someone, Role.PARTICIPANT)
    refused(f"IdentityAlreadyAdmitted({someone})", raw, operator, "admitIdentity", someone, int(Role.AGGREGATOR))
    admitted = operator.identity(someone)
    assert admitted is not None
    assert (admitted.role, admitted.status, admitted.epoch) == (Role.PARTICIPANT, Status.ADMITTED, 0)
    assert not admitted.active
    # who is admitted only is not yet one of the identities
    assert operator.identities() == ()
    assert operator.eligible() == 0
    operator.revoke_identity(someone)
    refused(f"IdentityWrongStatus({someone}, 5)", raw, operator, "revokeIdentity", someone)
    refused(f"IdentityWrongStatus({someone}, 5)", world.ledger(PARTICIPANTS[0]).register_identity, b"c", ZERO_HASH)
    refused(f"IdentityAlreadyAdmitted({someone})", raw, operator, "admitIdentity", someone, int(Role.PARTICIPANT))
    # nothing was staked, so nothing can be released
    refused(f"IdentityWrongStatus({someone}, 5)", raw, operator, "releaseStake", someone)


def test_refusals_of_registration(world: World) -> None:
    operator, stranger = world.ledger(OPERATOR), world.ledger(STRANGER)
    refused(f"IdentityWrongStatus({STRANGER.address}, 0)", stranger.register_identity, b"c", ZERO_HASH)
    one, other, trustee = (world.ledger(signer) for signer in (PARTICIPANTS[0], PARTICIPANTS[1], TRUSTEES[0]))
    for ledger, role in ((one, Role.PARTICIPANT), (other, Role.PARTICIPANT), (trustee, Role.TRUSTEE)):
        operator.admit_identity(ledger.account, role)
    refused("IdentityCertificateLength(0)", one.register_identity, b"", ZERO_HASH)
    refused("IdentityCertificateLength(4097)", one.register_identity, bytes(4097), ZERO_HASH)
    refused("IdentitySealingKeyMissing()", trustee.register_identity, b"c", ZERO_HASH)
    refused(f"PaymentWrong({STAKE}, 0)", raw, one, "registerIdentity", b"c", ZERO_HASH)
    refused(f"PaymentWrong({STAKE}, 1)", raw, one, "registerIdentity", b"c", ZERO_HASH, value=1)
    one.register_identity(bytes(4096), ZERO_HASH)
    fingerprint = hashlib.sha256(bytes(4096)).hexdigest()
    refused(f"IdentityCertificateTaken(0x{fingerprint})", other.register_identity, bytes(4096), ZERO_HASH)
    again = f"IdentityWrongStatus({one.account}, {int(Status.ACTIVE)})"
    refused(again, raw, one, "registerIdentity", b"another", ZERO_HASH, value=STAKE)
    registered = operator.events()[-1]
    assert isinstance(registered, ev.IdentityRegistered)
    assert (registered.index, registered.stake, registered.certificate) == (0, STAKE, bytes(4096))
    assert operator.total_stake() == STAKE
    check_conservation(world)


def test_an_identity_rotates_its_certificate(world: World) -> None:
    aggregator = prepare(world)
    ledger = world.ledger(PARTICIPANTS[0])
    taken = hashlib.sha256(certificate_of(STANDBY.address)).hexdigest()
    rotate = ledger.rotate_identity
    refused(f"IdentityCertificateTaken(0x{taken})", rotate, ledger.account, certificate_of(STANDBY.address), ZERO_HASH)
    refused("IdentityCertificateLength(0)", rotate, ledger.account, b"", ZERO_HASH)
    trustee = world.ledger(TRUSTEES[0])
    refused("IdentitySealingKeyMissing()", trustee.rotate_identity, trustee.account, b"new", ZERO_HASH)
    open_round(aggregator)
    rotate(ledger.account, b"second", digest("sealing"))
    identity = ledger.identity(ledger.account)
    assert identity is not None
    assert (identity.epoch, identity.status, identity.index) == (2, Status.ACTIVE, 0)
    assert (identity.certificate, identity.sealing_key) == (b"second", digest("sealing"))
    assert identity.certificate_fingerprint == hashlib.sha256(b"second").digest()
    rotated = ledger.events()[-1]
    assert isinstance(rotated, ev.IdentityRotated)
    assert (rotated.account, rotated.new_account, rotated.epoch) == (ledger.account, ledger.account, 2)
    # what it signed in the epoch before is worth nothing now
    relay = world.ledger(STRANGER)
    refused(
        f"RoundInvalidSignature({ledger.account})", relay.relay_updates, 1, [signed(relay, PARTICIPANTS[0], epoch=1)]
    )
    relay.relay_updates(1, [signed(relay, PARTICIPANTS[0], epoch=2)])
    assert relay.round(1).committed == 1
    refused(f"IdentityWrongStatus({STRANGER.address}, 0)", raw, relay, "rotateIdentity", relay.account, b"x", ZERO_HASH)


def test_a_place_moves_to_another_account(world: World) -> None:
    aggregator = prepare(world)
    operator, old, new = world.ledger(OPERATOR), world.ledger(PARTICIPANTS[0]), world.ledger(PARTICIPANTS[3])
    to_finalized(world)
    world.advance(CONFIG.challenge_window + 1)
    aggregator.settle_round(1)
    rotate = old.rotate_identity
    refused(f"IdentityWrongStatus({new.account}, 0)", rotate, new.account, b"second", ZERO_HASH)
    refused(f"IdentityWrongStatus({STANDBY.address}, 2)", rotate, address(STANDBY), b"second", ZERO_HASH)
    operator.admit_identity(address(STRANGER), Role.TRUSTEE)
    refused(f"IdentityWrongRole({STRANGER.address}, 1)", rotate, address(STRANGER), b"second", ZERO_HASH)
    operator.admit_identity(new.account, Role.PARTICIPANT)
    rotate(new.account, b"second", ZERO_HASH)
    rotate(new.account, b"second", ZERO_HASH)
    before, after = operator.identity(old.account), operator.identity(new.account)
    assert before is not None
    assert after is not None
    assert (before.status, before.stake, before.retired_at_round, before.epoch) == (Status.RETIRED, 0, 1, 1)
    assert (after.status, after.stake, after.index, after.epoch) == (Status.ACTIVE, STAKE, 0, 2)
    # both have had the place: the last one has it now
    assert [each.account for each in operator.identities(Role.PARTICIPANT)][:2] == [old.account, new.account]
    assert operator.eligible() == ALL
    open_round(aggregator, 2)
    refused(f"IdentityWrongStatus({old.account}, {int(Status.RETIRED)})", commit, old, 2)
    commit(new, 2)
    assert aggregator.round(2).committed == 1
    # the reputation stays with the place, the rewards with the account that earned them
    assert operator.reputation(Role.PARTICIPANT, 0).accepted == 1
    assert operator.claimable(old.account) > 0
    refused(f"IdentityWrongStatus({old.account}, {int(Status.RETIRED)})", raw, old, "leaveFederation")
    refused(f"IdentityWrongStatus({old.account}, {int(Status.RETIRED)})", raw, old, "releaseStake", old.account)
    check_conservation(world)


def test_an_aggregator_does_not_hand_on_a_running_round(world: World) -> None:
    aggregator = prepare(world)
    operator = world.ledger(OPERATOR)
    operator.admit_identity(address(STRANGER), Role.AGGREGATOR)
    open_round(aggregator)
    busy = f"IdentityBusy({AGGREGATOR.address}, 1)"
    refused(busy, aggregator.rotate_identity, address(STRANGER), b"second", ZERO_HASH)
    aggregator.rotate_identity(aggregator.account, b"second", ZERO_HASH)
    world.ledger(STANDBY).rotate_identity(address(STRANGER), b"third", ZERO_HASH)
    identity = operator.identity(address(STRANGER))
    assert identity is not None
    assert (identity.index, identity.epoch) == (1, 2)


def test_who_leaves_finishes_the_round_and_gets_its_stake(world: World) -> None:
    aggregator = prepare(world)
    open_round(aggregator)
    leaver = world.ledger(PARTICIPANTS[0])
    leaver.leave()
    leaving = leaver.events()[-1]
    assert isinstance(leaving, ev.IdentityLeaving)
    release_at = leaving.timestamp + CONFIG.unbonding
    assert (leaving.account, leaving.release_at) == (leaver.account, release_at)
    identity = leaver.identity(leaver.account)
    assert identity is not None
    assert (identity.status, identity.release_at, identity.stake) == (Status.LEAVING, release_at, STAKE)
    assert leaver.eligible() == 0b110
    commit(leaver)
    status = f"IdentityWrongStatus({leaver.account}, {int(Status.LEAVING)})"
    refused(status, raw, leaver, "leaveFederation")
    refused(status, raw, leaver, "rotateIdentity", leaver.account, b"second", ZERO_HASH)
    stranger = world.ledger(STRANGER)
    refused(f"StakeHeld({leaver.account}, {release_at})", stranger.release_stake, leaver.account)
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, 2)", stranger.release_stake, address(AGGREGATOR))
    refused(f"IdentityWrongStatus({STRANGER.address}, 0)", stranger.release_stake, address(STRANGER))
    for signer in MEMBERS[1:]:
        commit(world.ledger(signer))
    aggregator.close_commits(1)
    # an aggregator that leaves finishes its round too, but opens no other
    aggregator.leave()
    aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=digest("aggregate"))
    for signer in TRUSTEES[:2]:
        world.ledger(signer).leave()
        world.ledger(signer).attest(1, partial_root=digest("p"))
    finalize(aggregator)
    refused(f"IdentityWrongStatus({AGGREGATOR.address}, 3)", open_round, aggregator, 2)
    open_round(world.ledger(STANDBY), 2)
    assert stranger.round(2).selected == 0b110
    refused(f"IdentityWrongStatus({leaver.account}, 3)", commit, leaver, 2)
    world.advance_past(release_at)
    stranger.release_stake(leaver.account)
    released = [event for event in stranger.events() if isinstance(event, ev.StakeReleased | ev.DepositCredited)]
    assert [type(event) for event in released] == [ev.DepositCredited, ev.StakeReleased]
    assert {(event.account, event.amount) for event in released} == {(leaver.account, STAKE)}
    identity = leaver.identity(leaver.account)
    assert identity is not None
    assert (identity.status, identity.stake) == (Status.LEFT, 0)
    assert leaver.claimable(leaver.account) == STAKE
    assert leaver.claimable_reward(leaver.account) == (0, 0)
    refused(f"IdentityWrongStatus({leaver.account}, {int(Status.LEFT)})", raw, stranger, "releaseStake", leaver.account)
    assert leaver.claim("stake") == STAKE
    check_conservation(world)


def test_who_is_revoked_does_nothing_more_but_gets_its_stake(world: World) -> None:
    prepare(world)
    aggregator = to_decrypt(world)
    operator = world.ledger(OPERATOR)
    operator.revoke_identity(address(TRUSTEES[0]))
    revoked = operator.events()[-1]
    assert isinstance(revoked, ev.IdentityRevoked)
    assert revoked.release_at == revoked.timestamp + CONFIG.unbonding
    refused(f"IdentityWrongStatus({TRUSTEES[0].address}, 5)", raw, world.ledger(TRUSTEES[0]), "attest", 1, digest("p"))
    operator.revoke_identity(address(PARTICIPANTS[0]))
    assert aggregator.eligible() == 0b110
    # who was leaving keeps its time
    leaver = world.ledger(PARTICIPANTS[1])
    leaver.leave()
    release_at = leaver.events()[-1].timestamp + CONFIG.unbonding
    world.advance(50)
    operator.revoke_identity(leaver.account)
    last = operator.events()[-1]
    assert isinstance(last, ev.IdentityRevoked)
    assert last.release_at == release_at
    world.advance_past(revoked.release_at)
    operator.release_stake(address(TRUSTEES[0]))
    assert operator.claimable(address(TRUSTEES[0])) == CONFIG.trustee_stake
    status = f"IdentityWrongStatus({TRUSTEES[0].address}, 5)"
    refused(status, raw, operator, "releaseStake", TRUSTEES[0].address)
    check_conservation(world)


@pytest.mark.parametrize("amount", [0, 1, 12345])
def test_funding_takes_exactly_what_it_says(world: World, amount: int) -> None:
    ledger = world.ledger(STRANGER)
    refused(f"PaymentWrong({amount}, {amount + 1})", raw, ledger, "fundRewards", amount, value=amount + 1)
    ledger.fund_rewards(amount, "gift")
    assert ledger.reward_pool() == amount
    assert world.balance(ledger.contract) == amount


def test_a_role_is_not_wider_than_the_key(world: World) -> None:
    for signer in TRUSTEES:
        register(world, signer, Role.TRUSTEE)
    world.ledger(OPERATOR).publish_key(replace(KEY, trustees=3))
    operator = world.ledger(OPERATOR)
    operator.admit_identity(address(STRANGER), Role.TRUSTEE)
    full = f"IdentityRoleFull({int(Role.TRUSTEE)})"
    refused(full, world.ledger(STRANGER).register_identity, b"c", digest("sealing"))
    # a place can be taken over, though
    world.ledger(TRUSTEES[0]).rotate_identity(address(STRANGER), b"c", digest("sealing"))
    assert len(operator.identities(Role.TRUSTEE)) == 4
