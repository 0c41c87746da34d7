"""Checks F1 to F9: what holds for the whole federation."""

from __future__ import annotations

from fedtrust.audit import catalogue as c
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
from fedtrust.audit.rewards import replay_rewards
from fedtrust.audit.snapshot import Snapshot
from fedtrust.audit.timeline import Timeline, first, of_type
from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.ledger.artifacts import CONTRACT_VERSION
from fedtrust.ledger.events import IdentityRegistered, KeyPublished, RoundAborted, RoundFinalized, RoundOpened
from fedtrust.ledger.heads import round_head
from fedtrust.ledger.types import ZERO_HASH, Phase, PublishedKey, Role
from fedtrust.rules.payout import BASIS_POINTS


def check_federation(section: Section, snapshot: Snapshot, timeline: Timeline) -> Established[KeyManifest]:
    """Carry out F1 to F9; returns the committee's verified key, on which most of every round rests."""
    section.perform(c.CONTRACT, lambda e: _contract(e, snapshot))
    section.perform(c.EVENT_LOG, lambda e: _event_log(e, snapshot, timeline))
    section.perform(c.IDENTITIES, lambda e: _identities(e, snapshot, timeline))
    key = section.perform(c.KEY_PUBLISHED, lambda e: _key_published(e, snapshot))
    manifest = section.perform(c.KEY_MANIFEST, lambda e: _key_manifest(e, key.value))
    section.perform(c.TRUSTEES, lambda e: _trustees(e, snapshot, manifest.value))
    section.perform(c.HEADS, lambda e: _heads(e, snapshot, timeline))
    section.perform(c.MODEL_CHAIN, lambda e: _model_chain(e, snapshot))
    section.perform(c.REWARDS, lambda e: _rewards(e, snapshot, timeline))
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
    evidence.chain("IdentityRegistered", "IdentityRevoked", "identities")
    registered = of_type(timeline.sound, IdentityRegistered)
    # 1. Every account and every certificate once; indices count from 0 in each role; fingerprints are recomputed.
    for what, values in (
        ("account", [event.account for event in registered]),
        ("certificate", [event.certificate_fingerprint for event in registered]),
    ):
        if len(set(values)) != len(values):
            raise DiscrepancyError(f"two registrations share one {what}", got=describe(values))
    for role in Role:
        members = [event for event in registered if event.role is role]
        require_equal(f"the order of the {role.name} indices", tuple(range(len(members))), _indices(members))
    for event in registered:
        what = f"the certificate fingerprint of {event.account}"
        require_equal(what, sha256(event.certificate), event.certificate_fingerprint)
        if event.role is Role.TRUSTEE and event.sealing_key == ZERO_HASH:
            raise DiscrepancyError(f"trustee {event.account} has no sealing key")
    # 2. The contract's state is what the events say.
    replayed = timeline.history.identities()
    if snapshot.identities != replayed:
        differing = {i.account for i in set(snapshot.identities) ^ set(replayed)}
        raise DiscrepancyError(
            f"the identities on chain are not those of its events: {', '.join(sorted(differing)) or 'their order'}",
            expected=f"{len(replayed)} identities",
            got=f"{len(snapshot.identities)} identities",
        )
    return Finding.of(None, f"{len(replayed)} identities, {sum(i.active for i in replayed)} active")


def _indices(registered: list[IdentityRegistered]) -> tuple[int, ...]:
    return tuple(event.index for event in registered)


def _key_published(evidence: Evidence, snapshot: Snapshot) -> Finding[PublishedKey]:
    evidence.chain("key", "KeyPublished")
    published = of_type(snapshot.events, KeyPublished)
    if not published and snapshot.key is None and not snapshot.rounds:
        raise NotCheckedError("no key has been published yet")
    require_equal("the number of published keys", 1, len(published))
    event = published[0]
    key = PublishedKey(event.key_id, event.threshold, event.trustees)
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
    return Finding.of(
        manifest, f"a key of {manifest.public_key.bits} bits, {manifest.threshold} of {len(manifest.trustees)}"
    )


def _trustees(evidence: Evidence, snapshot: Snapshot, manifest: KeyManifest) -> Finding[None]:
    evidence.chain("identities")
    registered = {(i.account, i.sealing_key) for i in snapshot.identities if i.role is Role.TRUSTEE}
    holders = {(trustee.account, trustee.sealing_key) for trustee in manifest.trustees}
    if registered != holders:
        if not snapshot.rounds:
            raise NotCheckedError("no round was opened yet, and the registered trustees are not yet those of the key")
        accounts = sorted({str(account) for account, _ in registered ^ holders})
        raise DiscrepancyError(
            f"these trustees, or their sealing keys, are not both in the key and on chain: {', '.join(accounts)}",
            expected=", ".join(sorted(t.account for t in manifest.trustees)),
            got=", ".join(sorted(str(account) for account, _ in registered)),
            advice="a registered trustee without a share is paid for attesting to nothing; ask the operator",
        )
    return Finding.of(None, f"{len(holders)} trustees")


def _heads(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[bytes]:
    evidence.chain("heads", "RoundFinalized.head", "RoundAborted.head")
    newest = ZERO_HASH
    require_equal("the head before the first round", newest, snapshot.heads[0])
    for number, state in snapshot.rounds.items():
        what = f"round {number}: the head"
        events = timeline.of_round(number)
        end = first(events, RoundFinalized) or first(events, RoundAborted)
        head = ZERO_HASH  # of a round that is still running
        if state.phase in (Phase.FINALIZED, Phase.SETTLED, Phase.ABORTED):
            newest = head = round_head(snapshot.chain_id, snapshot.contract, snapshot.heads[number - 1], state)
            require_equal(f"{what} in the event of its end", head, None if end is None else end.head)
        require_equal(f"{what} in its state", head, state.head)
        require_equal(f"{what} on chain", head, snapshot.heads[number])
    return Finding.of(newest, newest)


def _model_chain(evidence: Evidence, snapshot: Snapshot) -> Finding[None]:
    evidence.chain("base model hashes", "model hashes", "current model")
    current = ZERO_HASH
    for number, state in snapshot.rounds.items():
        if current != ZERO_HASH:
            require_equal(f"round {number}: the base model", current, state.base_model_hash)
        current = state.base_model_hash
        if state.phase in (Phase.FINALIZED, Phase.SETTLED):
            current = state.model_hash
    require_equal("the current model", current, snapshot.current_model)
    return Finding.of(None, current)


def _rewards(evidence: Evidence, snapshot: Snapshot, timeline: Timeline) -> Finding[None]:
    evidence.chain("RewardsFunded", "RewardCredited", "RewardClaimed", "reward pool", "claimable")
    account = replay_rewards(timeline.sound, snapshot.config.round_reward)
    require_equal("the reward pool", account.pool, snapshot.reward_pool)
    for earner, amount in account.claimable.items():
        require_equal(f"what {earner} may claim", amount, snapshot.claimable.get(earner, 0))
    owed = sum(account.claimable.values())
    require_equal("the sum of all rewards", account.funded, account.pool + account.reserved + owed + account.claimed)
    return Finding.of(
        None,
        f"{account.funded} wei funded: {account.pool} in the pool, {account.reserved} reserved, {owed} claimable, "
        f"{account.claimed} claimed",
    )
