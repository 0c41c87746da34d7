"""Cheats, each by the real code on the other side: refused with the right error, and at most one round lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import keccak256, sha256
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.errors import (
    ArtifactError,
    CiphertextError,
    ConfigurationError,
    EncodingError,
    FedtrustError,
    ModelError,
    PeerRefusedError,
    ProofError,
    RoundError,
    SpecError,
    TransactionError,
    UpdateError,
)
from fedtrust.ledger.types import Address, Draw, PayoutRule, Role, bitmap_of
from fedtrust.nodes.admission import NotYetError
from fedtrust.nodes.client import TryLaterError
from fedtrust.nodes.participant import PREPARED
from fedtrust.protocol.aggregator import AggregatorState
from fedtrust.protocol.result import RoundResult
from fedtrust.protocol.spec import RoundSpec
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import RemoteStore
from fedtrust.store.state import NodeState
from tests.ledger.registered import Member, register_members
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.harness import InProcessFederation, account
from tests.nodes.misbehaving import Misbehaving, Overriding

ALL = ("cleveland", "hungary", "switzerland", "va")
S = AggregatorState


def in_state(federation: Misbehaving, state: AggregatorState) -> None:
    federation.until(lambda: federation.aggregator.machine.state is state)


def lying_chain(write: str, lie: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Callable[[Any], Any]]:
    """Let the aggregator's ledger send something else in round 1."""

    def chain(ledger: Any) -> Any:
        def send(number: int, **arguments: Any) -> None:
            getattr(ledger, write)(number, **(lie(arguments) if number == 1 else arguments))

        return Overriding(ledger, **{write: send})

    return {"aggregator": chain}


def lying_artifacts(names: tuple[str, ...], lie: Callable[[bytes], bytes | None]) -> dict[str, Callable[[Any], Any]]:
    """Let the aggregator's artifact server answer these nodes with something else."""

    def line(client: Any) -> Any:
        return Overriding(client, artifacts=RemoteStore(lambda d: lie(client.artifacts.get(d)), "the aggregator"))

    return dict.fromkeys(names, line)


# ------------------------------------------------------------------------------------------- a lying aggregator


def require_trustees_refused(federation: Misbehaving, kind: type[FedtrustError], message: str) -> None:
    """Round 1 was committed and every trustee refused to decrypt it; round 2 is fine."""
    federation.until(lambda: federation.chain.last_round() == 2)
    assert federation.outcome(1) == "FINALIZE_DEADLINE_MISSED"
    assert federation.chain.round(1).attested == 0
    for name in federation.trustee_names:
        refusal = federation.refusal(name)
        assert isinstance(refusal, kind), refusal
        assert message in str(refusal)
        assert federation.disk(name).state.get("release", 1) is None, "nothing was decided, so nothing was released"
        assert federation.disk(name).state.get("partial", 1) is None


def test_an_aggregate_that_is_not_the_sum_is_not_decrypted() -> None:
    chains = lying_chain("commit_aggregate", lambda a: {**a, "aggregate_root": keccak256(b"something else")})
    federation = Misbehaving(chains=chains)
    require_trustees_refused(federation, RoundError, "not the product of the accepted updates")
    federation.run()
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


def test_the_sum_without_somebody_who_was_accepted_is_not_decrypted() -> None:
    """It commits the product of three and says it is of all four: with the true sum it would have shown the fourth."""
    federation = Misbehaving(rounds=1)
    federation.until(lambda: len(federation.aggregator.uploads(1)) == 4)
    key, store = federation.manifest.public_key, federation.artifacts
    digests = federation.aggregator.uploads(1)
    vectors = [federation.parsed(store.get(d)) for d in digests.values()]
    three = multiply_vectors(key, [v.ciphertexts for v in vectors[:3]])
    liar = InProcessFederation.ledger(federation, "aggregator")
    liar.commit_aggregate(1, accepted=0b1111, aggregate_root=three.root())
    for node in federation.trustees.values():
        node.step()
        assert isinstance(node.refusal, RoundError)
        assert "not the product" in str(node.refusal)


def test_a_single_update_is_never_decrypted_not_even_the_chain_takes_it() -> None:
    federation = Misbehaving(rounds=1)
    federation.until(lambda: len(federation.aggregator.uploads(1)) == 4)
    liar = InProcessFederation.ledger(federation, "aggregator")
    digests = federation.aggregator.uploads(1)
    name = federation.address("va")
    update = federation.parsed(federation.artifacts.get(digests[name]))
    index = federation.chain.identity(name).index  # type: ignore[union-attr]
    with pytest.raises(TransactionError) as error:
        liar.commit_aggregate(1, accepted=1 << index, aggregate_root=update.ciphertexts.root())
    assert "RoundInvalidAcceptedSet" in str(error.value.got)


def test_a_second_set_of_the_same_round_is_not_decrypted() -> None:
    """A trustee is shown one round twice, by two forks of the chain: with both sums one update would be in the open."""
    federation = Misbehaving(rounds=1)
    federation.until(lambda: federation.disk("trustee-0").state.get("release", 1) is not None)
    assert federation.chain.round(1).attested == 0
    key, store = federation.manifest.public_key, federation.artifacts
    digests = federation.aggregator.uploads(1)
    pair = [federation.address(n) for n in ALL[:2]]
    product = multiply_vectors(key, [federation.parsed(store.get(digests[a])).ciphertexts for a in pair])
    accepted = bitmap_of([federation.chain.identity(a).index for a in pair])  # type: ignore[union-attr]
    fork = replace(federation.chain.round(1), accepted=accepted, aggregate_root=product.root())
    federation.restart("trustee-0")
    node = federation.trustees["trustee-0"]
    node.ledger = Overriding(node.ledger, round=lambda number: fork)
    federation.disk("trustee-0").state.forget("partial", 1)  # even if its own finished work were lost
    node.step()
    assert isinstance(node.refusal, RoundError)
    assert "already recorded another release" in str(node.refusal)


@pytest.mark.parametrize("hidden", ["all", "one"])
def test_updates_that_are_hidden_from_the_trustees_are_not_decrypted(hidden: str) -> None:
    def line(client: Any) -> Any:
        def uploads(round: int) -> dict[Address, bytes]:
            shown = client.uploads(round)
            if round == 1:
                shown = {} if hidden == "all" else dict(list(shown.items())[1:])
            return dict(shown)

        return Overriding(client, uploads=uploads)

    federation = Misbehaving(lines=dict.fromkeys([f"trustee-{i}" for i in range(5)], line))
    require_trustees_refused(federation, UpdateError, "is missing")


def test_one_update_under_two_names_is_not_decrypted() -> None:
    def line(client: Any) -> Any:
        def uploads(round: int) -> dict[Address, bytes]:
            shown = client.uploads(round)
            return dict.fromkeys(shown, next(iter(shown.values()))) if round == 1 else dict(shown)

        return Overriding(client, uploads=uploads)

    federation = Misbehaving(lines=dict.fromkeys([f"trustee-{i}" for i in range(5)], line))
    require_trustees_refused(federation, UpdateError, "under another's name")


def require_participants_refused(federation: Misbehaving, kind: type[FedtrustError], message: str) -> None:
    """Nobody trained for round 1, so it was aborted; round 2 is fine."""
    federation.until(lambda: federation.chain.last_round() == 2)
    assert federation.outcome(1) == "COMMIT_QUORUM_MISSED"
    for name in ALL:
        refusal = federation.refusal(name)
        assert isinstance(refusal, kind), refusal
        assert message in str(refusal)
        assert federation.disk(name).state.get(PREPARED, 1) is None
    federation.run()
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)


@pytest.mark.parametrize(
    ("argument", "lie", "message"),
    [
        ("quorum", lambda value: value + 1, "quorum"),
        ("ciphertexts", lambda value: value + 1, "number of ciphertexts"),
        ("base_model_hash", lambda value: keccak256(b"another model"), "base model"),
        ("deadlines", lambda value: replace(value, finalize=value.finalize + 1), "deadlines"),
    ],
)
def test_a_spec_that_is_not_the_round_on_chain_is_refused(
    argument: str, lie: Callable[[Any], Any], message: str
) -> None:
    chains = lying_chain("open_round", lambda a: {**a, argument: lie(a[argument])})
    federation = Misbehaving(chains=chains)
    federation.until(lambda: federation.chain.last_round() == 1)
    for name in ALL:
        federation.participants[name].step()
        refusal = federation.refusal(name)
        assert isinstance(refusal, SpecError)
        assert f"the spec's {message} is not" in str(refusal)


def test_a_selection_other_than_the_draw_is_refused_by_the_chain() -> None:
    chains = lying_chain("open_round", lambda a: {**a, "selected": a["selected"] & ~1})
    federation = Misbehaving(chains=chains)
    for _ in range(5):
        federation.step()
    assert federation.chain.last_round() == 0
    assert "OpenRound" in federation.aggregator._complaints


def test_a_round_whose_spec_is_refused_by_all_costs_one_round() -> None:
    federation = Misbehaving(chains=lying_chain("open_round", lambda a: {**a, "quorum": 3}))
    require_participants_refused(federation, SpecError, "the spec's quorum")


def rewritten_spec(federation: Misbehaving, change: Callable[[RoundSpec], RoundSpec]) -> None:
    """Let the aggregator plan round 1 with a changed spec, and open the round with it."""
    plan = federation.aggregator._plan

    def planned(number: int, draw: Draw) -> RoundSpec:
        spec = plan(number, draw)
        return change(spec) if number == 1 else spec

    federation.aggregator._plan = planned  # type: ignore[method-assign]


class Careful(Misbehaving):
    """Cleveland and one trustee reckon with two corrupt participants, the others with none."""

    def minimum_quorum(self, name: str) -> int:
        return 4 if name in ("cleveland", "trustee-1") else super().minimum_quorum(name)


def test_a_quorum_below_our_own_is_refused_by_participant_and_trustee() -> None:
    """The aggregator chooses the quorum and could accept {victim, accomplice}: who asks for more takes no part."""
    federation = Careful(quorum=2, rounds=1)
    federation.run()
    assert federation.outcome(1) == "finalized"
    for name in ("cleveland", "trustee-1"):
        refusal = federation.refusal(name)
        assert isinstance(refusal, SpecError)
        assert "quorum is lower than this node accepts" in str(refusal)
    assert federation.disk("cleveland").state.get(PREPARED, 1) is None, "nothing of ours was even encrypted"
    assert federation.disk("trustee-1").state.get("release", 1) is None
    assert federation.disk("trustee-0").state.get("release", 1) is not None
    agreed = Careful(quorum=4, rounds=1)
    agreed.run()
    assert agreed.outcome(1) == "finalized"
    assert agreed.refusal("cleveland") is agreed.refusal("trustee-1") is None


def test_participants_that_the_aggregator_chose_itself_are_refused() -> None:
    """The chain takes no other selection than the draw; so the aggregator can only publish a false list of it."""
    federation = Misbehaving(rules={"participants_per_round": 3})

    def choose(spec: RoundSpec) -> RoundSpec:
        everybody = [federation.address(n) for n in ALL]
        left_out = next(a for a in everybody if a not in spec.participants)
        return replace(spec, participants=(*spec.participants[:2], left_out))

    require_drawn_refused(federation, choose, ("not the ones drawn", "held our place"))


def require_drawn_refused(
    federation: Misbehaving, change: Callable[[RoundSpec], RoundSpec], messages: tuple[str, ...]
) -> None:
    rewritten_spec(federation, change)
    federation.until(lambda: federation.chain.last_round() == 2)
    assert federation.outcome(1) == "COMMIT_QUORUM_MISSED"
    for index, name in enumerate(ALL):
        if federation.chain.round(1).selected >> index & 1:
            assert any(message in str(federation.refusal(name)) for message in messages)
        else:
            assert federation.disk(name).state.get(PREPARED, 1) is None


@pytest.mark.parametrize("part", ["hash", "block"])
def test_a_beacon_other_than_the_rules_is_refused_where_one_was_needed(part: str) -> None:
    def change(spec: RoundSpec) -> RoundSpec:
        own = {"hash": keccak256(b"mine"), "block": spec.beacon.block + 1}
        return replace(spec, beacon=replace(spec.beacon, **{part: own[part]}))  # type: ignore[arg-type]

    require_drawn_refused(Misbehaving(rules={"participants_per_round": 3}), change, ("the beacon is not the one",))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda s: replace(s, payout_rule=PayoutRule.RELIABILITY), SpecError, "payout rule"),
        (lambda s: replace(s, participants=s.participants[::-1]), SpecError, "not the ones drawn"),
        (lambda s: replace(s, task=replace(s.task, code=bytes(32))), SpecError, "another task than ours"),
        (lambda s: replace(s, layout=replace(s.layout, metrics=("loss", "auc"))), SpecError, "metrics"),
        (lambda s: replace(s, layout=replace(s.layout, parameters=10)), ModelError, "number of parameters"),
        (lambda s: replace(s, key_id=keccak256(b"my own key")), SpecError, "key id"),
        (lambda s: replace(s, round=2), SpecError, "round"),
        (lambda s: replace(s, federation=replace(s.federation, chain_id=1)), SpecError, "federation"),
    ],
    ids=["payout", "order", "task", "metrics", "parameters", "key", "round", "federation"],
)
def test_a_spec_that_breaks_the_rules_is_refused(
    change: Callable[[RoundSpec], RoundSpec], kind: type[FedtrustError], message: str
) -> None:
    federation = Misbehaving()
    rewritten_spec(federation, change)
    require_participants_refused(federation, kind, message)


@pytest.mark.parametrize("answer", ["altered", "truncated", "nothing", "another"])
def test_a_spec_or_model_that_is_served_altered_is_refused(answer: str) -> None:
    lies: dict[str, Callable[[bytes], bytes | None]] = {
        "altered": lambda data: data.replace(b"0", b"1", 1),
        "truncated": lambda data: data[:-1],
        "nothing": lambda data: None,
        "another": lambda data: b"{}",
    }
    federation = Misbehaving(lines=lying_artifacts(("va",), lies[answer]))
    federation.run()
    assert isinstance(federation.refusal("va"), ArtifactError)
    others = ALL[:3]
    assert (federation.accepted(1), federation.accepted(2)) == (others, others)
    assert federation.models() == simulated_models(federation, {1: others, 2: others})


def test_another_base_model_than_the_agreed_is_refused() -> None:
    """In round 1 the chain knows no model yet; the participants know the architecture."""
    federation = Misbehaving()
    other = Model({"0.weight": np.zeros((2, 2), dtype=np.float32)})
    federation.artifacts.put(other.to_bytes())
    base = federation.initial_model

    def swap(spec: RoundSpec) -> RoundSpec:
        return replace(spec, base_model=other.digest)

    rewritten_spec(federation, swap)
    federation.until(lambda: federation.chain.last_round() == 1)
    for name in ALL:
        federation.participants[name].step()
        assert isinstance(federation.refusal(name), ModelError)
    assert base.digest != other.digest


def test_a_later_round_from_another_model_is_refused_by_the_chain() -> None:
    federation = Misbehaving(rounds=1)
    federation.run()
    # an accomplice that never opened a round: its own outbox would not let the aggregator contradict itself
    operator = InProcessFederation.ledger(federation, "operator")
    liar = InProcessFederation.ledger(federation, "accomplice")
    register_members(operator, lambda _: liar, [Member(federation.address("accomplice"), Role.AGGREGATOR)])
    federation.chain.advance(federation.chain.config().standby_seconds + 1)
    now, state = federation.chain.now(), federation.chain.round(1)
    limits = replace(state.deadlines, commit=now + 10, aggregate=now + 20, finalize=now + 30)
    with pytest.raises(TransactionError) as error:
        liar.open_round(
            2,
            spec_hash=state.spec_hash,
            base_model_hash=keccak256(b"a model of its own"),
            selected=0b1111,
            quorum=2,
            ciphertexts=1,
            deadlines=limits,
        )
    assert "RoundWrongBaseModel" in str(error.value.got)


def test_an_aggregator_with_another_key_does_not_start() -> None:
    federation = Misbehaving()
    published = Overriding(federation.chain, key=lambda: replace(federation.chain.key(), key_id=bytes(32)))  # type: ignore[type-var]
    federation._chains["aggregator"] = lambda ledger: Overriding(ledger, key=published.key)
    with pytest.raises(ConfigurationError, match="not the one published on chain"):
        federation.restart("aggregator")


# ------------------------------------------------------------------------------------------ cheating participants


def test_a_second_update_after_the_commitment_is_refused() -> None:
    """Equivocation: valid in everything, but not what was committed before anybody saw a ciphertext."""
    federation = Misbehaving(rounds=1)
    in_state(federation, S.UPLOAD)
    second = federation.another_update("va")
    with pytest.raises(PeerRefusedError, match="step 4"):
        federation.client("va").upload_update(1, second.to_bytes())
    with pytest.raises(TransactionError):
        InProcessFederation.ledger(federation, "va").commit_update(
            1,
            root=second.message.root,
            ciphertexts=second.message.ciphertexts,
            proof_hash=second.message.proof_hash,
        )
    federation.run()
    assert federation.accepted(1) == ALL
    require_audited(federation)


def test_a_second_update_after_the_first_was_admitted_changes_nothing() -> None:
    federation = Misbehaving(rounds=1)
    federation.until(lambda: bool(federation.chain.last_round() and federation.aggregator.uploads(1)))
    before = federation.aggregator.uploads(1)
    assert set(before) == {federation.address("cleveland")}
    with pytest.raises(PeerRefusedError, match="step 4"):
        federation.client("cleveland").upload_update(1, federation.another_update("cleveland").to_bytes())
    assert federation.aggregator.uploads(1) == before
    in_state(federation, S.AGGREGATING)
    with pytest.raises(PeerRefusedError, match="is late"):
        federation.client("cleveland").upload_update(1, federation.another_update("cleveland").to_bytes())


def test_re_proving_the_committed_ciphertexts_is_refused() -> None:
    """The same ciphertexts under a new signature and header are another artifact; the proof is committed too."""
    federation = Misbehaving(rounds=1)
    in_state(federation, S.UPLOAD)
    data = own_update(federation, "va").to_bytes()
    with pytest.raises(PeerRefusedError):
        federation.client("va").upload_update(1, data + b"\0")


def own_update(federation: Misbehaving, name: str, number: int = 1) -> EncryptedUpdate:
    """Return the update that the node called ``name`` prepared."""
    disk = federation.disk(name)
    digest = disk.state.get(PREPARED, number)
    assert digest is not None
    return federation.parsed(disk.store.get(digest))


def test_somebody_elses_update_is_refused() -> None:
    federation = Misbehaving(rounds=1)
    in_state(federation, S.UPLOAD)
    data = own_update(federation, "hungary").to_bytes()
    with pytest.raises(PeerRefusedError, match="names another participant than the one who sent it"):
        federation.client("va").upload_update(1, data)


@pytest.mark.parametrize("power", [1, 2])
def test_somebody_elses_ciphertexts_are_refused_although_they_were_committed(power: int) -> None:
    """Va gets to see hungary's ciphertexts before the phase closes, and commits them, or a multiple, as its own."""
    federation = Misbehaving(asleep=lambda name, machine: name == "va" and machine.state.name != "UPLOADING")
    in_state(federation, S.COMMIT)
    federation.step()
    victim, key = own_update(federation, "hungary"), federation.manifest.public_key
    stolen = CiphertextVector(key, tuple(pow(v, power, key.n_squared) for v in victim.ciphertexts.values))
    message = replace(victim.message, root=stolen.root())
    mine = replace(
        victim,
        participant=federation.address("va"),
        message=message,
        signature=federation.signature("va", message),
        ciphertexts=stolen,
    )
    InProcessFederation.ledger(federation, "va").commit_update(
        1, root=message.root, ciphertexts=message.ciphertexts, proof_hash=message.proof_hash
    )
    in_state(federation, S.UPLOAD)
    with pytest.raises(PeerRefusedError, match="plaintext proof"):
        federation.client("va").upload_update(1, mine.to_bytes())
    federation.until(lambda: federation.chain.last_round() == 2)
    assert federation.accepted(1) == ALL[:3]


def test_a_committed_update_of_an_earlier_round_is_refused() -> None:
    federation = Misbehaving(asleep=lambda name, machine: name == "va" and federation.chain.last_round() == 2)
    federation.until(lambda: federation.chain.last_round() == 2)
    federation.step()
    old = own_update(federation, "va", 1)
    spec = federation.spec(2)
    message = replace(old.message, round=2, spec_hash=spec.digest)
    again = replace(old, message=message, signature=federation.signature("va", message))
    InProcessFederation.ledger(federation, "va").commit_update(
        2, root=message.root, ciphertexts=message.ciphertexts, proof_hash=message.proof_hash
    )
    in_state(federation, S.UPLOAD)
    with pytest.raises(PeerRefusedError, match="plaintext proof"):
        federation.client("va").upload_update(2, again.to_bytes())


ILLEGAL: dict[str, Callable[[int], int]] = {
    "half of n": lambda n: n // 2,
    "top bits": lambda n: n >> 5,
    "no weight": lambda n: 0,
    "a value beyond its weight": lambda n: 1 + (1 << 40) + (60_000 * 32767 << 40 * 6),
    "negative weight": lambda n: -1_000_000,
    "a weight beyond its bits": lambda n: 1 << 25,
}


@pytest.mark.parametrize("what", sorted(ILLEGAL))
def test_values_beyond_the_layout_make_the_sum_unusable_and_cost_one_round(what: str) -> None:
    """The proof bounds no values: such an update is admitted, and the sum tells."""
    federation = Misbehaving(weight_bits=16)
    federation.until(lambda: federation.chain.last_round() == 1)
    federation.plant("va", federation.illegal_update("va", ILLEGAL[what]))
    federation.until(lambda: federation.chain.last_round() == 2)
    if what == "no weight":
        # zero examples of one of four still add up to a possible sum: nothing in it tells
        assert federation.outcome(1) == "finalized"
        return
    assert federation.outcome(1) == "FINALIZE_DEADLINE_MISSED"
    assert federation.accepted(1) == ALL
    federation.run()
    assert federation.models() == simulated_models(federation, {1: ()}, rounds=3)
    require_audited(federation)


# ----------------------------------------------------------------------- the admission: early, late, twice, not at all


def test_an_update_before_the_commit_phase_closed_is_asked_to_come_again() -> None:
    federation = Misbehaving(rounds=1, asleep=lambda name, machine: name == "cleveland")
    in_state(federation, S.COMMIT)
    federation.until(lambda: federation.disk("va").state.get(PREPARED, 1) is not None)
    data = own_update(federation, "va").to_bytes()
    with pytest.raises(TryLaterError, match="has not closed yet"):
        federation.client("va").upload_update(1, data)
    with pytest.raises(TryLaterError, match="not open yet"):
        federation.client("va").upload_update(2, data)
    assert federation.aggregator.uploads(1) == {}, "nobody may see a ciphertext before the phase closes"
    assert not federation.artifacts.has(sha256(data))


def test_before_any_round_everything_is_asked_to_come_again() -> None:
    admission = Misbehaving().aggregator.admission
    assert admission.largest_upload == 0
    for admit in (admission.admit_update, admission.admit_partial):
        with pytest.raises(NotYetError, match="not open yet"):
            admit(1, Address(account("va").address), b"")


def test_an_update_that_nobody_committed_is_refused() -> None:
    federation = Misbehaving(rounds=1, asleep=lambda name, machine: name == "va")
    in_state(federation, S.UPLOAD)
    with pytest.raises(PeerRefusedError, match="committed nothing"):
        federation.client("va").upload_update(1, federation.another_update("va").to_bytes())


def test_a_late_update_is_refused_and_the_same_bytes_again_are_welcome() -> None:
    federation = Misbehaving(asleep=lambda name, machine: name == "va" and machine.state.name == "UPLOADING")
    federation.until(lambda: federation.aggregator.machine.state is S.DECRYPT)
    with pytest.raises(PeerRefusedError, match="is late"):
        federation.client("va").upload_update(1, own_update(federation, "va").to_bytes())
    admitted = federation.aggregator.uploads(1)
    for _ in range(2):
        federation.client("hungary").upload_update(1, own_update(federation, "hungary").to_bytes())
    assert federation.aggregator.uploads(1) == admitted


def test_after_the_round_everything_is_too_late() -> None:
    federation = Misbehaving()
    federation.until(lambda: federation.chain.last_round() == 2)
    with pytest.raises(PeerRefusedError, match="round 1 is over"):
        federation.client("va").upload_update(1, own_update(federation, "va").to_bytes())
    with pytest.raises(PeerRefusedError, match="round 1 is over"):
        federation.client("trustee-0").upload_partial(1, b"")


@pytest.mark.parametrize("kind", ["stranger", "trustee", "aggregator"])
def test_an_upload_by_an_account_that_takes_no_part_is_refused(kind: str) -> None:
    federation = Misbehaving(rounds=1)
    in_state(federation, S.UPLOAD)
    name = {"stranger": "mallory", "trustee": "trustee-0", "aggregator": "aggregator"}[kind]
    with pytest.raises(PeerRefusedError, match="committed nothing"):
        federation.client(name).upload_update(1, own_update(federation, "va").to_bytes())


@pytest.mark.parametrize("data", [b"", b"\0", b"FTUP", b"FTUP\x01" + bytes(8), bytes(10_000)])
def test_garbage_is_refused_by_type_and_stored_nowhere(data: bytes) -> None:
    federation = Misbehaving(rounds=1)
    in_state(federation, S.UPLOAD)
    with pytest.raises((EncodingError, CiphertextError, ProofError)):
        federation.aggregator.admission.admit_update(1, federation.address("va"), data)
    with pytest.raises(NotYetError):
        federation.aggregator.admission.admit_partial(1, federation.address("trustee-0"), data)
    assert federation.aggregator.uploads(1) == {}
    assert not federation.artifacts.has(sha256(data))


# ----------------------------------------------------------------------------------------------- cheating trustees


def attested(federation: Misbehaving) -> bytes:
    """Bring trustee-0 to the point where its attestation is on chain; return its partial."""
    in_state(federation, S.DECRYPT)
    federation.trustees["trustee-0"].step()
    disk = federation.disk("trustee-0")
    federation.until(lambda: seen(federation, "trustee-0") and seen(federation, "trustee-1"))
    digest = disk.state.get("partial", 1)
    assert digest is not None
    return disk.store.get(digest)


def seen(federation: Misbehaving, name: str) -> bool:
    return federation.address(name) in federation.aggregator.follower.history.rounds[1].attestations


def test_partials_that_are_not_the_attested_ones_are_refused() -> None:
    federation = Misbehaving(
        rounds=1, asleep=lambda name, machine: name in ("trustee-3", "trustee-4"), trustee_grace=15
    )
    data = attested(federation)
    altered = bytearray(data)
    altered[-1] ^= 1
    with pytest.raises(PeerRefusedError, match="not the one it attested"):
        federation.client("trustee-0").upload_partial(1, bytes(altered))
    with pytest.raises(PeerRefusedError, match="not a partial decryption of this aggregate"):
        federation.client("trustee-1").upload_partial(1, data)
    with pytest.raises(TryLaterError, match="no attestation"):
        federation.client("trustee-3").upload_partial(1, data)
    with pytest.raises(TryLaterError, match="no attestation"):
        federation.client("va").upload_partial(1, data)
    for garbage in (b"", b"FTPV", data[:-1], data + b"\0"):
        with pytest.raises(PeerRefusedError):
            federation.client("trustee-0").upload_partial(1, garbage)
    federation.client("trustee-0").upload_partial(1, data)
    federation.run()
    assert federation.outcome(1) == "finalized"


# -------------------------------------------------------------------------------------------------------- homes


def test_a_home_of_one_federation_serves_no_other() -> None:
    first, second = Misbehaving(), Misbehaving(participants=2)
    other = NodeState(None)
    other.bind(first.chain.chain_id, account("another contract").address)
    for name in ("va", "trustee-0", "aggregator"):
        if name in first.participants or name != "va":
            first.disk(name).state = other
            with pytest.raises(ConfigurationError, match="another federation"):
                first.restart(name)
    assert second.chain.contract == first.chain.contract


def test_the_result_names_every_artifact_and_all_are_there() -> None:
    federation = Misbehaving(rounds=1)
    federation.run()
    result = RoundResult.from_bytes(federation.artifacts.get(federation.chain.round(1).result_hash))
    named = [result.spec, result.base_model, result.aggregate, result.plaintexts, result.proof, result.model]
    for digest in (*named, *result.updates.values(), *result.partials.values()):
        assert federation.artifacts.get(digest)
    assert set(result.updates) == {federation.address(n) for n in ALL}
