"""A federation's round as values: key, accounts, spec, updates, chain state. No chain, no torch, no disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount
from numpy.typing import NDArray

from fedtrust.crypto.aggregation import multiply_vectors
from fedtrust.crypto.ceremony import Ceremony, TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.packing import SlotLayout
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.crypto.threshold import KeyShare
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    PayoutRule,
    Phase,
    RoundState,
    bitmap_of,
)
from fedtrust.protocol.contribution import VectorLayout, encode
from fedtrust.protocol.spec import Algorithm, Beacon, FederationId, Privacy, RoundSpec, TaskReference
from fedtrust.protocol.training import TrainingParameters
from fedtrust.protocol.update import EncryptedUpdate, prepare_update
from tests.fixtures.keys import test_primes

ROUND, EPOCH = 3, 2
TRUSTEES, THRESHOLD = 3, 2
FEDERATION = FederationId(31337, Address("0x5FbDB2315678afecb367f032d93F642f64180aa3"))
SLOTS = SlotLayout(value_bits=16, weight_bits=10, max_participants=8)
LAYOUT = VectorLayout(parameters=70, metrics=("loss", "accuracy"), slots=SLOTS, value_range=2.0, metric_range=16.0)
"""74 slots of 31 bits: two ciphertexts under a 2048-bit key, the second not full."""


@cache
def signer(name: str) -> LocalAccount:
    """Return the deterministic account called ``name``."""
    return Account.from_key(name.encode().rjust(32, b"\x03"))


@cache
def account(name: str) -> Address:
    """Return the address of the account called ``name``."""
    return Address(signer(name).address)


NAMES = ("ann", "bob", "cid", "dan")
"""The registered participants by index; the first three are selected."""
SELECTED = NAMES[:3]


def _sealing_key(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(name.encode().rjust(32, b"\x04"))


@cache
def ceremony() -> Ceremony:
    """Return the committee's key, made of the 2048-bit test primes."""
    names = [f"trustee-{i}" for i in range(TRUSTEES)]
    identities = [TrusteeIdentity(account(n), _sealing_key(n).public_key().public_bytes_raw()) for n in names]
    return run_ceremony(identities, THRESHOLD, primes=test_primes(2048))


def share(index: int) -> KeyShare:
    """Return the share of the trustee with the 1-based ``index``."""
    made = ceremony()
    return open_share(made.manifest, index, made.sealed_shares[index - 1], _sealing_key(f"trustee-{index - 1}"))


def public_key() -> PublicKey:
    """Return the committee's public key."""
    return ceremony().manifest.public_key


def make_spec(**changes: object) -> RoundSpec:
    """Return the spec of round ROUND with ``changes``."""
    spec = RoundSpec(
        federation=FEDERATION,
        round=ROUND,
        base_model=keccak256(b"base model"),
        algorithm=Algorithm("fedavg", 1.0, TrainingParameters(epochs=2, batch_size=32, learning_rate=0.1, seed=7)),
        task=TaskReference("a.task:Class", keccak256(b"code")),
        layout=LAYOUT,
        key_id=ceremony().manifest.key_id,
        privacy=Privacy(clip_norm=2.0),
        payout_rule=PayoutRule.EQUAL,
        beacon=Beacon(17, keccak256(b"beacon")),
        participants=tuple(account(n) for n in SELECTED),
        quorum=2,
        deadlines=Deadlines(1_000, 1_060, 1_120),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def make_state(spec: RoundSpec, **changes: object) -> RoundState:
    """Return what the chain says of the round of ``spec``, with ``changes``."""
    state = RoundState(
        number=spec.round,
        phase=Phase.DECRYPT,
        base_round=ROUND - 1,
        taken_over=False,
        aggregator=account("aggregator"),
        deadlines=spec.deadlines,
        quorum=spec.quorum,
        ciphertexts=spec.layout.ciphertexts(public_key().bits),
        selected=0b0111,
        committed=0b0111,
        accepted=0b0111,
        attested=0,
        spec_hash=spec.digest,
        base_model_hash=spec.base_model,
        transcript=ZERO_HASH,
        aggregate_hash=ZERO_HASH,
        aggregate_root=ZERO_HASH,
        plaintext_hash=ZERO_HASH,
        proof_hash=ZERO_HASH,
        model_hash=ZERO_HASH,
        result_hash=ZERO_HASH,
        head=ZERO_HASH,
        challenge_end=0,
        reward=0,
        abort_reason=AbortReason.NONE,
    )
    return replace(state, **changes)  # type: ignore[arg-type]


def vector_of(name: str, layout: VectorLayout = LAYOUT) -> NDArray[np.int64]:
    """Return the integer vector of the participant called ``name``."""
    generator = np.random.default_rng(NAMES.index(name))
    delta = generator.uniform(-0.1, 0.1, layout.parameters)
    metrics = dict.fromkeys(layout.metrics, 0.5)
    return encode(layout, delta, examples=10 + NAMES.index(name), evaluation_examples=4, metrics=metrics)


def sign_as(name: str, message: UpdateMessage, federation: FederationId = FEDERATION) -> bytes:
    """Return the EIP-712 signature of ``name``."""
    return sign_update(bytes(signer(name).key), federation.chain_id, federation.contract, message)


def make_update(name: str, spec: RoundSpec, vector: NDArray[np.int64] | None = None) -> EncryptedUpdate:
    """Return the update of ``name`` for ``spec``, made the way a participant makes it."""
    own = vector_of(name, spec.layout) if vector is None else vector
    return prepare_update(
        spec, public_key(), own, account(name), lambda m: sign_as(name, m, spec.federation), epoch=EPOCH
    )


@dataclass(frozen=True)
class PreparedRound:
    """A round whose aggregate is committed: everything a trustee is shown."""

    spec: RoundSpec
    state: RoundState
    updates: Mapping[Address, EncryptedUpdate]

    @property
    def commitments(self) -> dict[Address, object]:
        """What UpdateCommitted events say."""
        return {a: u.commitment for a, u in self.updates.items()}


def prepare_round(spec: RoundSpec, names: tuple[str, ...] = SELECTED) -> PreparedRound:
    """Let ``names`` send their updates and the aggregator commit their product."""
    updates = {account(n): make_update(n, spec) for n in names}
    product = multiply_vectors(public_key(), [u.ciphertexts for u in updates.values()])
    accepted = bitmap_of([NAMES.index(n) for n in names])
    return PreparedRound(spec, make_state(spec, accepted=accepted, aggregate_root=product.root()), updates)


@cache
def honest_round() -> PreparedRound:
    """Return the round in which all three selected took part."""
    return prepare_round(make_spec())
