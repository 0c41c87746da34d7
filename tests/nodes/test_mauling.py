"""The mauling attack, end to end: what the proof of plaintext knowledge is for.

Ciphertexts are malleable: whoever has somebody's can make one of the negative, of a multiple, or the same again in
other bytes, and commit it as its own without knowing what it holds. Real nodes, a real round, a real decryption; only
the call of ``verify_plaintext_knowledge`` is taken out where the attack is to succeed. Then the victim's values stand
in the published sum, to the bit. With the proof the update is refused, also by trustees whose aggregator takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest.mock import patch

import gmpy2
import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.packing import pack, unpack
from fedtrust.crypto.paillier import CiphertextVector, encrypt_vector
from fedtrust.crypto.plaintexts import PlaintextVector
from fedtrust.crypto.signatures import UpdateMessage
from fedtrust.errors import ProofError
from fedtrust.ledger.types import ZERO_HASH
from fedtrust.nodes import admission
from fedtrust.nodes.participant import PREPARED
from fedtrust.protocol.aggregator import AggregatorState
from fedtrust.protocol.result import RoundResult
from fedtrust.protocol.update import EncryptedUpdate, update_statement, verify_update
from tests.crypto.forgeries.attacks import decrypt, prove_knowledge
from tests.crypto.weakened import without_call
from tests.fixtures.keys import test_primes
from tests.nodes.expectations import require_audited
from tests.nodes.misbehaving import Misbehaving

VICTIM, HONEST, MALLORY, ACCOMPLICE = "cleveland", "hungary", "switzerland", "va"

Vector = NDArray[np.int64]


def power_of(vector: CiphertextVector, power: int) -> CiphertextVector:
    """Return ciphertexts of ``power`` times what ``vector`` holds; nothing secret is needed for it."""
    key = vector.key
    return CiphertextVector(key, tuple(gmpy2.powmod(c, power, key.n_squared) for c in vector.values))


def mauled_update(
    federation: Misbehaving, name: str, number: int, stolen: CiphertextVector, own: Vector
) -> EncryptedUpdate:
    """Return an update of ``stolen`` times an encryption of ``own``, proved as well as its sender can."""
    spec, key, address = federation.spec(number), federation.manifest.public_key, federation.address(name)
    plaintexts = pack(spec.layout.slots, key.bits, key.n, own)
    fresh = encrypt_vector(key, plaintexts)
    mauled = multiply_vectors(key, [stolen, fresh.ciphertexts])
    proof = prove_knowledge(mauled, plaintexts, fresh.exponents, update_statement(spec, address))
    message = UpdateMessage(number, spec.digest, 1, mauled.root(), len(mauled), keccak256(proof.to_bytes()))
    return EncryptedUpdate(address, message, federation.signature(name, message), proof, mauled)


def legal_vector(federation: Misbehaving, number: int) -> Vector:
    """Return an inconspicuous contribution: one example, one held-out example, no change of the model."""
    vector = np.zeros(federation.spec(number).layout.length, dtype=np.int64)
    vector[:2] = 1
    return vector


def prepared(federation: Misbehaving, name: str, number: int) -> CiphertextVector:
    """Return the ciphertexts on the disk of ``name``: of this round, before anybody may see them."""
    disk = federation.disk(name)
    digest = disk.state.get(PREPARED, number)
    assert digest is not None
    return federation.parsed(disk.store.get(digest)).ciphertexts


def published_ciphertexts(federation: Misbehaving, name: str, number: int) -> CiphertextVector:
    """Return the ciphertexts of ``name`` in a finished round: anybody can fetch them."""
    result = RoundResult.from_bytes(federation.artifacts.get(federation.chain.round(number).result_hash))
    return federation.parsed(federation.artifacts.get(result.updates[federation.address(name)])).ciphertexts


def opened(federation: Misbehaving, number: int, plaintexts: Sequence[int], participants: int) -> Vector:
    """Return the values in a sum of ``participants`` vectors."""
    layout, key = federation.spec(number).layout, federation.manifest.public_key
    return unpack(layout.slots, key.bits, key.n, plaintexts, layout.length, participants)


def published_sum(federation: Misbehaving, number: int) -> Vector:
    """Return what everybody learns from a finished round."""
    data = federation.artifacts.get(federation.chain.round(number).plaintext_hash)
    values = PlaintextVector.from_bytes(data, federation.manifest.public_key).values
    return opened(federation, number, values, len(federation.accepted(number)))


def true_vector(federation: Misbehaving, number: int, ciphertexts: CiphertextVector) -> Vector:
    """Return what one participant encrypted, with the dealer's knowledge: to judge the attacks by."""
    plaintexts = decrypt(federation.manifest.public_key, test_primes(2048), ciphertexts.values)
    return opened(federation, number, plaintexts, 1)


# a ciphertext of this round, seen before the commit phase closed


def cancelling_federation(own: Callable[[Misbehaving], Vector]) -> Misbehaving:
    """Let Mallory commit the inverse of the other honest participant's ciphertexts, times its own.

    The sum of the round is then the victim's vector plus what Mallory knows.
    """
    awake: list[str] = []
    federation = Misbehaving(rounds=1, participants=3, asleep=lambda name, machine: name == MALLORY and not awake)
    federation.until(lambda: federation.aggregator.machine.state is AggregatorState.COMMIT)
    federation.until(lambda: all(federation.disk(n).state.get(PREPARED, 1) for n in (VICTIM, HONEST)))
    stolen = power_of(prepared(federation, HONEST, 1), -1)
    federation.plant(MALLORY, mauled_update(federation, MALLORY, 1, stolen, own(federation)))
    awake.append(MALLORY)
    return federation


def test_this_round_without_the_proof_the_sum_is_the_victims_vector() -> None:
    federation = cancelling_federation(lambda f: legal_vector(f, 1))
    with without_call(verify_update, "verify_plaintext_knowledge"):
        federation.run()
        assert federation.outcome(1) == "finalized"
        assert federation.accepted(1) == (VICTIM, HONEST, MALLORY)
        require_audited(federation)  # without the proof even an auditor sees nothing
    secret = true_vector(federation, 1, prepared(federation, VICTIM, 1))
    assert secret[0] > 1
    assert np.array_equal(published_sum(federation, 1) - legal_vector(federation, 1), secret)


def test_this_round_with_the_proof_mallory_is_left_out() -> None:
    federation = cancelling_federation(lambda f: legal_vector(f, 1))
    federation.run()
    assert federation.outcome(1) == "finalized"
    assert federation.accepted(1) == (VICTIM, HONEST)
    assert "plaintext proof" in str(federation.refusal(MALLORY))
    both = sum(true_vector(federation, 1, prepared(federation, name, 1)) for name in (VICTIM, HONEST))
    assert np.array_equal(published_sum(federation, 1), both)
    require_audited(federation)


def test_this_round_with_the_proof_trustees_refuse_what_a_colluding_aggregator_admits() -> None:
    federation = cancelling_federation(lambda f: legal_vector(f, 1))
    with patch.object(admission, "verify_update", lambda *_: None):
        federation.until(lambda: federation.outcome(1) != "open")
    assert federation.accepted(1) == (VICTIM, HONEST, MALLORY)
    assert federation.outcome(1) == "FINALIZE_DEADLINE_MISSED"
    assert federation.chain.round(1).attested == 0
    assert federation.chain.round(1).plaintext_hash == ZERO_HASH
    for name in federation.trustee_names:
        refusal = federation.refusal(name)
        assert isinstance(refusal, ProofError), refusal
        assert "plaintext proof" in refusal.message


# a ciphertext of an earlier round, which anybody can fetch


def replaying_federation(power: int) -> Misbehaving:
    """Let the victim be absent in round 2, where Mallory commits ``power`` times the victim's vector of round 1."""
    absent = {VICTIM, HONEST, MALLORY, ACCOMPLICE}
    federation = Misbehaving(
        rounds=2, asleep=lambda name, machine: name in absent and federation.chain.last_round() == 2
    )
    federation.until(lambda: federation.chain.last_round() == 2)
    federation.step()
    victim = published_ciphertexts(federation, VICTIM, 1)
    nothing = np.zeros(federation.spec(2).layout.length, dtype=np.int64)
    federation.plant(MALLORY, mauled_update(federation, MALLORY, 2, power_of(victim, power), nothing), 2)
    honestly = mauled_update(federation, ACCOMPLICE, 2, power_of(victim, 0), legal_vector(federation, 2))
    federation.plant(ACCOMPLICE, honestly, 2)
    absent -= {MALLORY, ACCOMPLICE}
    return federation


@pytest.mark.parametrize("power", [1, 3])
def test_an_earlier_round_without_the_proof_two_cheats_open_an_absent_victims_vector(power: int) -> None:
    federation = replaying_federation(power)
    with without_call(verify_update, "verify_plaintext_knowledge"):
        federation.until(lambda: federation.outcome(2) != "open")
        assert federation.outcome(2) == "finalized"
        assert federation.accepted(2) == (MALLORY, ACCOMPLICE)
    stolen, rest = np.divmod(published_sum(federation, 2) - legal_vector(federation, 2), power)
    assert not rest.any()
    secret = true_vector(federation, 1, published_ciphertexts(federation, VICTIM, 1))
    assert np.array_equal(stolen, secret)


@pytest.mark.parametrize("power", [1, 3])
def test_an_earlier_round_with_the_proof_nothing_is_opened(power: int) -> None:
    federation = replaying_federation(power)
    federation.until(lambda: federation.outcome(2) != "open")
    assert federation.outcome(2) == "AGGREGATE_DEADLINE_MISSED"
    assert "plaintext proof" in str(federation.refusal(MALLORY))
    assert federation.refusal(ACCOMPLICE) is None
    assert federation.chain.round(2).plaintext_hash == ZERO_HASH
