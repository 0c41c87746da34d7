"""Checks F1 to F12: what holds for the whole federation."""

from __future__ import annotations

from fedtrust.audit import catalogue as c
from fedtrust.audit.disputes import verdict_of
from fedtrust.audit.evidence import (
    DiscrepancyError,
    Established,
    Evidence,
    Finding,
    NotCheckedError,
    Section,
    describe,
    require_equal,
)
from fedtrust.audit.identities import position
from fedtrust.audit.rewards import RewardAccount, replay_rewards
from fedtrust.audit.snapshot import Snapshot
from fedtrust.audit.timeline import Timeline, first, of_type
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.ledger.artifacts import CONTRACT_VERSION
from fedtrust.ledger.events import (
    IdentityRegistered,
    IdentityRotated,
    KeyPublished,
    RoundAborted,
    RoundFinalized,
    RoundOpened,
    RoundVoided,
)
from fedtrust.ledger.heads import round_head, verdicts_hash
from fedtrust.ledger.types import ZERO_ADDRESS, ZERO_HASH, DisputeKind, PublishedKey, Role, members
from fedtrust.protocol.dispute import square_modulus_bytes
from fedtrust.rules.payout import BASIS_POINTS


def check_federation(section: Section, snapshot: Snapshot, timeline: Timeline) -> Established[KeyManifest]:
    """Carry out F1 to F12; returns the committee's verified key, on which most of every round rests."""
    section.perform(c.CONTRACT, lambda e: _contract(e, snapshot))
    section.perform(c.EVENT_LOG, lambda e: _event_log(e, snapshot, timeline))
    section.perform(c.IDENTITIES, lambda e: _identities(e, snapshot, timeline))
    key = section.perform(c.KEY_PUBLISHED, lambda e: _key_published(e, snapshot))
    manifest = section.perform(c.KEY_MANIFEST, lambda e: _key_manifest(e, key.value))
    section.perform(c.TRUSTEES, lambda e: _trustees(e, snapshot, timeline, manifest.value))
    section.perform(c.HEADS, lambda e: _heads(e, snapshot, timeline))
    section.perform(c.MODEL_CHAIN, lambda e: _model_chain(e, snapshot, timeline))
    money = section.perform(c.REWARDS, lambda e: _rewards(e, snapshot, timeline))
    section.perform(c.STAKES, lambda e: _stakes(e, snapshot, money.value))
    section.perform(c.REPUTATION, lambda e: _reputation(e, snapshot, timeline))
    section.perform(c.VERDICTS, lambda e: _verdicts(e, snapshot, timeline))
    return manifest


def _contract(evidence: Evidence, snapshot: Snapshot) -> Finding[None]:
    evidence.chain("version", "config", "chain id")
    config = snapshot.config
    require_equal("the contract's version", CONTRACT_VERSION, config.version, "use the release that speaks it")
    require_equal("the configuration's chain id", snapshot.chain_id, config.chain_id)
    require_equal("the configuration's contract", snapshot.contract, config.contract)
    shares = (config.participant_basis_points, config.trustee_basis_points, config.aggregator_basis_points)
    if min(shares) < 0 or sum(shares) > BASIS_POINTS:
        raise DiscrepancyError(
            "the reward shares are impossible", expected=f"at most {BASIS_POINTS} together", got=describe(shares)
        )
    return Finding.of(None, f"Federation version {config.version} on chain {config.chain_id}")


def _event_log(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[None]:
    evidence.chain("events", "last round")
    problems = list(timeline.problems)
    if snapshot.events and snapshot.events[0].block < snapshot.config.deployed_block:
        problems.append("the first event is older than the contract")
    if snapshot.events and snapshot.events[-1].block > snapshot.block:
        problems.append("the last event is newer than the newest block")
    if problems:
        raise DiscrepancyError(
            f"the event log is not one that the contract can have written: {problems[0]}",
            expected="events in chain order, rounds one after the other",
            got="; ".join(problems),
            advice="read the chain through another endpoint and audit again",
        )
    require_equal("the rounds of the event log", tuple(snapshot.rounds), timeline.opened_rounds)
    return Finding.of(None, f"{len(snapshot.events)} events, {len(snapshot.rounds)} rounds")


def _identities(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[None]:
    evidence.chain("identity events", "identities", "eligible")
    # 1. Every event is one that the contract's rules allow: admission, place, epoch, certificate, stake, times.
    problems = timeline.identities.problems
    if problems:
        raise DiscrepancyError(f"an identity changed against the rules: {problems[0]}", got="; ".join(problems))
    # 2. The contract's state is what the events say.
    replayed = timeline.identities.identities()
    if snapshot.identities != replayed:
        differing = {i.account for i in set(snapshot.identities) ^ set(replayed)}
        raise DiscrepancyError(
            f"the identities on chain are not those of its events: {', '.join(sorted(differing)) or 'their order'}",
            expected=f"{len(replayed)} identities",
            got=f"{len(snapshot.identities)} identities",
        )
    eligible = timeline.identities.eligible()
    require_equal("the participants that can be drawn", members(eligible), members(snapshot.eligible))
    found = f"{len(replayed)} identities, {sum(i.active for i in replayed)} active"
    return Finding.of(None, f"{found}, {eligible.bit_count()} participants can be drawn")


def _key_published(evidence: Evidence, snapshot: Snapshot) -> Finding[PublishedKey]:
    evidence.chain("key", "KeyPublished")
    published = of_type(snapshot.events, KeyPublished)
    if not published and snapshot.key is None and not snapshot.rounds:
        raise NotCheckedError("no key has been published yet")
    require_equal("the number of published keys", 1, len(published))
    event = published[0]
    key = PublishedKey(event.key_id, event.threshold, event.trustees, event.modulus_hash)
    require_equal("the published key", key, snapshot.key)
    opened = first(snapshot.events, RoundOpened)
    if opened is not None and (opened.block, opened.log_index) < (event.block, event.log_index):
        raise DiscrepancyError("a round was opened before there was a key", got=f"round {opened.round}")
    if not 0 < key.threshold <= key.trustees:
        raise DiscrepancyError("the threshold is impossible", expected=f"1 to {key.trustees}", got=key.threshold)
    return Finding.of(key, f"{describe(key.key_id)}, {key.threshold} of {key.trustees}")


def _key_manifest(evidence: Evidence, key: PublishedKey) -> Finding[KeyManifest]:
    # from_bytes verifies every proof in the manifest, and that the encoding is the only one of its content.
    manifest = KeyManifest.from_bytes(evidence.artifact("key manifest", key.key_id))
    require_equal("the key id", key.key_id, manifest.key_id)
    require_equal("the threshold", key.threshold, manifest.threshold)
    require_equal("the number of trustees", key.trustees, len(manifest.trustees))
    modulus = square_modulus_bytes(manifest.public_key)
    require_equal("the hash of the modulus that disputes multiply by", keccak256(modulus), key.modulus_hash)
    return Finding.of(
        manifest, f"a key of {manifest.public_key.bits} bits, {manifest.threshold} of {len(manifest.trustees)}"
    )


def _trustees(evidence: Evidence, snapshot: Snapshot, timeline: Timeline, manifest: KeyManifest) -> Finding[None]:
    evidence.chain("IdentityRegistered", "IdentityRotated")
    # a share was sealed to whoever held the place at the ceremony; who holds it now answers for it
    places: dict[int, set[tuple[str, bytes]]] = {}
    for event in timeline.sound:
        match event:
            case IdentityRegistered(role=Role.TRUSTEE):
                places.setdefault(event.index, set()).add((event.account, event.sealing_key))
            case IdentityRotated(role=Role.TRUSTEE):
                places.setdefault(event.index, set()).add((event.new_account, event.sealing_key))
            case _:
                pass
    shares = {(str(trustee.account), trustee.sealing_key) for trustee in manifest.trustees}
    without_share = {index: held for index, held in places.items() if not held & shares}
    unknown = shares - {pair for held in places.values() for pair in held}
    if without_share or unknown or len(places) != len(shares):
        if not snapshot.rounds:
            raise NotCheckedError("no round was opened yet, and the registered trustees are not yet those of the key")
        accounts = sorted({account for account, _ in unknown} | {a for h in without_share.values() for a, _ in h})
        raise DiscrepancyError(
            f"these trustees, or their sealing keys, are not both in the key and on chain: {', '.join(accounts)}",
            expected=", ".join(sorted(account for account, _ in shares)),
            got=", ".join(sorted(account for held in places.values() for account, _ in held)),
            advice="a registered trustee without a share is paid for attesting to nothing; ask the operator",
        )
    return Finding.of(None, f"{len(shares)} trustees")


def _heads(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[bytes]:
    evidence.chain("heads", "RoundFinalized.head", "RoundAborted.head", "RoundVoided.head", "RoundVoided.verdicts")
    newest = snapshot.heads[0]
    if snapshot.config.predecessor == ZERO_ADDRESS:
        require_equal("the head before the first round", ZERO_HASH, newest)
    verdicts = ZERO_HASH
    pending = list(of_type(timeline.sound, RoundVoided))
    for number, state in snapshot.rounds.items():
        what = f"round {number}: the head"
        events = timeline.of_round(number)
        voided = first(events, RoundVoided)
        end = first(events, RoundFinalized) or first(events, RoundAborted) or voided
        head = ZERO_HASH  # of a round that is still running
        if end is not None:
            # the head binds all voidings up to the round's end; a round that a voiding ends, that one too
            while pending and position(pending[0]) <= position(end):
                verdicts = pending.pop(0).verdicts
            newest = head = round_head(state, transcript=state.transcript, verdicts=verdicts)
            require_equal(f"{what} in the event of its end", head, end.head)
            require_equal(f"{what} in the event of its voiding", head, head if voided is None else voided.head)
        require_equal(f"{what} in its state", head, state.head)
        require_equal(f"{what} on chain", head, snapshot.heads[number])
    return Finding.of(newest, newest)


def _model_chain(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[None]:
    evidence.chain("RoundOpened", "RoundFinalized", "RoundVoided", "base rounds", "model hashes", "current model")
    models = {number: state.model_hash for number, state in snapshot.rounds.items()}
    # the first model is the first round's base, or the predecessor's last one
    models[0] = snapshot.rounds[1].base_model_hash if 1 in snapshot.rounds else snapshot.current_model
    if not snapshot.rounds and snapshot.config.predecessor == ZERO_ADDRESS:
        require_equal("the current model before the first round", ZERO_HASH, snapshot.current_model)
    for number, state in snapshot.rounds.items():
        opened = first(timeline.of_round(number), RoundOpened)
        if opened is None:
            raise DiscrepancyError(f"round {number} was opened by no event", got="none")
        base = timeline.model_round(opened)
        require_equal(f"round {number}: the round that it builds on", base, state.base_round)
        require_equal(f"round {number}: the base model", models.get(base, ZERO_HASH), state.base_model_hash)
    current = models.get(timeline.model_round(), ZERO_HASH)
    require_equal("the current model", current, snapshot.current_model)
    return Finding.of(None, current)


def _rewards(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[RewardAccount]:
    evidence.chain("events that move money", "reward pool", "claimable", "claimable rewards")
    account = replay_rewards(timeline.sound, snapshot.config)
    require_equal("the reward pool", account.pool, snapshot.reward_pool)
    for earner, amount in snapshot.claimable.items():
        require_equal(f"what {earner} may claim", account.claimable.get(earner, 0), amount)
    for earner, (amount, expires) in snapshot.claimable_rewards.items():
        due = (account.rewards.get(earner, 0), account.expires.get(earner, 0))
        require_equal(f"what {earner} may claim as rewards, and until when", due, (amount, expires))
    require_equal("the sum of all that was paid in", account.paid_in, account.accounted)
    return Finding.of(
        account,
        f"{account.paid_in} paid in: {account.pool} in the pool, {account.reserved} reserved, {account.staked} staked, "
        f"{account.bonds} as bonds, {account.owed} claimable, {account.claimed} claimed",
    )


def _stakes(evidence: Evidence, snapshot: Snapshot, account: RewardAccount) -> Finding[None]:
    evidence.chain("total stake", "identities", "open disputes")
    require_equal("the total stake", account.staked, snapshot.total_stake)
    held = sum(identity.stake for identity in snapshot.identities)
    require_equal("the sum of all identities' stakes", account.staked, held)
    bonds = sum(snapshot.open_disputes.values()) * snapshot.config.dispute_bond
    require_equal("the bonds of all open disputes", account.bonds, bonds)
    return Finding.of(None, f"{held} staked, {bonds} as bonds")


def _reputation(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[None]:
    evidence.chain("events of all rounds", "reputations")
    if timeline.reputation_error is not None:
        raise timeline.reputation_error
    counted = timeline.reputations.counters
    require_equal("the places that have counters", sorted(counted), sorted(snapshot.reputations))
    for (role, index), found in snapshot.reputations.items():
        require_equal(f"the counters of {role.name.lower()} {index}", counted[role, index], found)
    return Finding.of(None, f"{len(counted)} identities")


def _verdicts(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[bytes]:
    evidence.chain("RoundVoided", "DisputeDecided", "verdicts")
    running = ZERO_HASH
    for voided in of_type(timeline.sound, RoundVoided):
        cause = verdict_of(timeline, voided)
        offender, kind = (ZERO_ADDRESS, DisputeKind.NONE) if cause is None else (cause.offender, cause.kind)
        running = verdicts_hash(running, voided.round, offender, kind)
        what = f"the running hash when round {voided.round} was voided"
        require_equal(what, running, voided.verdicts)
    require_equal("the running hash of all voidings", running, snapshot.verdicts)
    return Finding.of(running, running)
