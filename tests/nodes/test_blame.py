"""Trustees that attest and send wrong partial decryptions are refused by name; the round goes on without them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from gmpy2 import mpz

from fedtrust.audit.auditor import audit_federation
from fedtrust.crypto.partial_proof import PartialProof, verify_partial_by_others
from fedtrust.crypto.threshold import KeyShare, PartialVector
from fedtrust.errors import PeerRefusedError, ProofError
from fedtrust.nodes.trustee import TrusteeNode
from fedtrust.protocol.aggregator import AggregatorState
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.release import AgreedAggregate
from fedtrust.protocol.result import RoundResult
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.misbehaving import Misbehaving, Overriding, lying

LIAR = "trustee-1"


class Watched(Misbehaving):
    """A federation whose aggregator's lines are kept."""

    def __init__(self, **settings: Any) -> None:
        self.lines_of_the_aggregator: list[tuple[str, dict[str, object]]] = []
        super().__init__(**settings)
        self.watch()

    def watch(self) -> None:
        self.aggregator._report = lambda event, **fields: self.lines_of_the_aggregator.append((event, fields))

    def told(self, event: str) -> list[object]:
        """Return the trustees that lines of one kind name."""
        return [fields["trustee"] for name, fields in self.lines_of_the_aggregator if name == event]

    def result(self, number: int = 1) -> RoundResult:
        return RoundResult.from_bytes(self.artifacts.get(self.chain.round(number).result_hash))

    def proven(self, digest: bytes) -> ProvenPartial:
        return ProvenPartial.from_bytes(self.artifacts.get(digest), self.manifest.public_key)


Double = Callable[[Watched, ProvenPartial], ProvenPartial]


def instead(federation: Watched, name: str, change: Double) -> None:
    """Let the trustee called ``name`` attest and send what ``change`` makes of its right partial and proof."""
    node = federation.trustees[name]

    def release(agreed: AgreedAggregate) -> ProvenPartial:
        return change(federation, TrusteeNode._release(node, agreed))

    node._release = release  # type: ignore[method-assign]


def wrong(right: ProvenPartial) -> PartialVector:
    values = right.partial.values
    return replace(right.partial, values=(*values[:-1], values[-1] * 3 % right.partial.key.n))


DOUBLES: dict[str, Double] = {
    "its right proof": lambda f, right: replace(right, partial=wrong(right)),
    "zeros": lambda f, right: ProvenPartial(wrong(right), PartialProof(right.proof.key, mpz(0), mpz(0))),
    "random numbers": lambda f, right: ProvenPartial(
        wrong(right), PartialProof(right.proof.key, mpz(secrets.randbits(128)), mpz(secrets.randbits(2300)))
    ),
    "the longest numbers": lambda f, right: ProvenPartial(
        wrong(right), PartialProof(right.proof.key, mpz(2**128 - 1), mpz(2 ** (8 * 303) - 1))
    ),
    "all ones for a partial": lambda f, right: replace(
        right, partial=replace(right.partial, values=(mpz(1),) * len(right.partial))
    ),
    "minus one for a partial": lambda f, right: replace(
        right, partial=replace(right.partial, values=(right.partial.key.n - 1,) * len(right.partial))
    ),
}


def require_blamed(federation: Watched, name: str = LIAR) -> None:
    """Fail unless the round was finished by others, and everybody can see who lied."""
    address = federation.address(name)
    assert federation.outcome(1) == "finalized"
    assert federation.models() == simulated_models(federation)
    assert set(federation.told("PartialRefused")) == {address}
    assert federation.told("WrongPartial") == [address]
    result = federation.result()
    assert set(result.wrong_partials) == {address}
    assert address not in result.partials
    assert len(result.partials) >= federation.manifest.threshold
    # the evidence is an artifact; with the attestation on chain and the others' partials a third party needs no more
    evidence = federation.proven(result.wrong_partials[address]).partial
    history = federation.aggregator.follower.history
    assert evidence.root() == history.rounds[1].attestations[address]
    others = {p.index: p for p in (federation.proven(d).partial for d in result.partials.values())}
    with pytest.raises(ProofError, match=address):
        verify_partial_by_others(federation.manifest, evidence, others)
    report = audit_federation(federation.ledger("operator"), federation.artifacts)
    assert report.verified, [str(f) for f in report.failures]
    blame = next(r for r in report.results if r.round == 1 and r.check.id == "blame")
    assert blame.found == f"wrong, and attested: {address}"


@pytest.mark.parametrize("what", DOUBLES)
def test_a_wrong_partial_with_any_proof_is_refused_by_name(what: str) -> None:
    federation = Watched(rounds=1)
    instead(federation, LIAR, DOUBLES[what])
    federation.run()
    require_blamed(federation)
    refusal = federation.refusal(LIAR)
    assert isinstance(refusal, PeerRefusedError)
    assert f"partial decryption of trustee 2 ({federation.address(LIAR)})" in refusal.message


@pytest.mark.parametrize("liars", [("trustee-0",), ("trustee-1", "trustee-3")], ids=["one", "two"])
def test_partials_and_proofs_by_other_shares_are_left_out_and_blamed(liars: tuple[str, ...]) -> None:
    federation = Watched(rounds=1)
    for name in liars:
        lying(federation.trustees[name])
    federation.run()
    assert federation.models() == simulated_models(federation)
    assert set(federation.result().wrong_partials) == {federation.address(name) for name in liars}
    assert not set(federation.result().partials) & {federation.address(name) for name in liars}
    require_audited(federation)


def test_another_trustees_partial_and_proof_are_refused() -> None:
    """Copied from the aggregator's public artifacts, and attested: the index in it is another trustee's."""
    copied: list[ProvenPartial] = []
    federation = Watched(rounds=1)
    instead(federation, "trustee-0", lambda f, right: copied.append(right) or right)  # type: ignore[func-returns-value]
    instead(federation, LIAR, lambda f, right: replace(copied[0], partial=replace(copied[0].partial, index=2)))
    federation.run()
    require_blamed(federation)


def test_a_partial_and_proof_of_the_round_before_are_refused() -> None:
    federation = Watched(rounds=2)
    old: list[ProvenPartial] = []

    def repeat(_: Watched, right: ProvenPartial) -> ProvenPartial:
        old.append(right)
        return old[0]

    instead(federation, LIAR, repeat)
    federation.run()
    address = federation.address(LIAR)
    assert set(federation.result(1).partials) >= {address}
    assert set(federation.result(1).wrong_partials) == set()
    assert set(federation.result(2).wrong_partials) == {address}
    assert federation.models() == simulated_models(federation)
    require_audited(federation)


def test_a_right_partial_with_a_bad_proof_is_refused_and_nobody_is_blamed() -> None:
    """What was attested is right: the proof alone could have been damaged by anybody on the way."""
    federation = Watched(rounds=1)
    instead(federation, LIAR, lambda f, right: replace(right, proof=replace(right.proof, challenge=mpz(5))))
    federation.run()
    assert federation.told("PartialRefused") == [federation.address(LIAR)]
    assert federation.told("WrongPartial") == []
    assert federation.result().wrong_partials == {}
    assert federation.address(LIAR) not in federation.result().partials
    require_audited(federation)


def test_a_good_proof_after_a_bad_one_is_welcome_and_a_second_good_one_changes_nothing() -> None:
    kept: list[ProvenPartial] = []

    def damaged(_: Watched, right: ProvenPartial) -> ProvenPartial:
        kept.append(right)
        return replace(right, proof=replace(right.proof, response=right.proof.response + 1))

    federation = Watched(rounds=1, asleep=lambda name, machine: name in ("trustee-3", "trustee-4"), trustee_grace=15)
    instead(federation, LIAR, damaged)
    federation.until(lambda: bool(federation.told("PartialRefused")))
    client = federation.client(LIAR)
    client.upload_partial(1, kept[0].to_bytes())
    admitted = federation.disk("aggregator").state.all("partial", 1)
    node = federation.trustees[LIAR]
    del node._release
    again = TrusteeNode._release(node, agreed_by(node))
    assert again.partial == kept[0].partial
    assert again.proof != kept[0].proof
    client.upload_partial(1, again.to_bytes())
    assert federation.disk("aggregator").state.all("partial", 1) == admitted
    federation.run()
    assert federation.address(LIAR) in federation.result().partials
    assert federation.result().wrong_partials == {}
    require_audited(federation)


def agreed_by(node: TrusteeNode) -> AgreedAggregate:
    """Return the aggregate that a trustee agrees on in round 1."""
    found: list[AgreedAggregate] = []

    class StopError(Exception):
        pass

    def catch(agreed: AgreedAggregate) -> ProvenPartial:
        found.append(agreed)
        raise StopError

    node._release = catch  # type: ignore[method-assign]
    with pytest.raises(StopError):
        node._decrypt(1)
    del node._release
    return found[0]


def test_what_was_not_attested_is_refused_and_kept_nowhere() -> None:
    """Only an attested partial is evidence: anything else a trustee sends may be made up, even by the aggregator."""
    sent: list[bytes] = []

    def other(client: Any) -> Any:
        def upload(round: int, data: bytes) -> None:
            right = ProvenPartial.from_bytes(data, federation.manifest.public_key)
            sent.append(replace(right, partial=wrong(right)).to_bytes())
            client.upload_partial(round, sent[-1])

        return Overriding(client, upload_partial=upload)

    federation = Watched(rounds=1, lines={LIAR: other})
    federation.run()
    assert federation.told("PartialRefused") == [federation.address(LIAR)]
    assert "not the one it attested" in str(federation.refusal(LIAR))
    assert federation.disk("aggregator").state.all("refused", 1) == {}
    assert not any(
        federation.artifacts.has(ProvenPartial.from_bytes(d, federation.manifest.public_key).digest) for d in sent
    )
    assert federation.result().wrong_partials == {}
    require_audited(federation)


def test_the_evidence_survives_the_aggregators_restart() -> None:
    federation = Watched(rounds=1, trustee_grace=10)
    instead(federation, LIAR, DOUBLES["zeros"])
    federation.until(lambda: bool(federation.told("PartialRefused")))
    assert federation.aggregator.machine.state is AggregatorState.DECRYPT
    federation.restart("aggregator")
    federation.watch()
    federation.run()
    require_blamed(federation)


def test_many_wrong_proofs_of_one_partial_are_kept_once() -> None:
    federation = Watched(rounds=1, asleep=lambda name, machine: name in ("trustee-3", "trustee-4"), trustee_grace=15)
    instead(federation, LIAR, DOUBLES["zeros"])
    federation.until(lambda: bool(federation.told("PartialRefused")))
    kept = federation.disk("aggregator").state.all("refused", 1)
    first = federation.proven(kept[federation.address(LIAR)])
    for number in range(5):
        other = replace(first, proof=replace(first.proof, response=mpz(number + 1)))
        with pytest.raises(PeerRefusedError, match="does not hold"):
            federation.client(LIAR).upload_partial(1, other.to_bytes())
        assert not federation.artifacts.has(other.digest)
    assert federation.disk("aggregator").state.all("refused", 1) == kept


def test_a_trustee_whose_share_was_damaged_attests_nothing() -> None:
    """An honest trustee checks its own proof before the chain holds anything against it."""
    federation = Watched(rounds=1)
    node = federation.trustees[LIAR]
    node._share = KeyShare(node._share.index, node._share.value ^ 1)
    federation.run()
    assert federation.outcome(1) == "finalized"
    assert "trustee 2 " in str(federation.refusal(LIAR))
    assert federation.chain.round(1).attested.bit_count() == 4
    assert federation.told("PartialRefused") == []
    require_audited(federation)
