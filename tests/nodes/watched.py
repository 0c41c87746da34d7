"""A federation on the in-memory chain whose aggregator may cheat in every way, and watchers of it.

There are no nodes here but the watcher: the rounds are played step by step, and the ciphertexts are numbers below n^2.
A watcher looks at nothing else: proofs of knowledge and plaintexts are the trustees' and the auditors' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount

from fedtrust.crypto.ceremony import TrusteeIdentity, run_ceremony
from fedtrust.crypto.encoding import canonical_json, int_to_fixed, keccak256, sha256, to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.merkle import merkle_root
from fedtrust.crypto.signatures import ReceiptMessage, UpdateMessage, sign_receipt, sign_update
from fedtrust.ledger.events import UpdateCommitted
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Address, PublishedKey, Role, bitmap_of
from fedtrust.nodes.evidence import ArtifactEvidence
from fedtrust.nodes.watcher import Watcher, WatchPlan
from fedtrust.protocol.dispute import ShownUpdate
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.spec import FederationId
from fedtrust.protocol.update import MAGIC, VERSION
from fedtrust.store.artifacts import MemoryStore
from fedtrust.store.state import NodeState
from tests.fixtures.keys import test_primes
from tests.ledger.registered import members_of, registered_federation
from tests.ledger.worlds import (
    AGGREGATOR,
    CHALLENGER,
    CONFIG,
    OPERATOR,
    PARTICIPANTS,
    SIGNERS,
    STANDBY,
    TRUSTEES,
    MemoryWorld,
    World,
    deadlines_from,
)

CIPHERTEXTS = 5
POOL = 5_000_000


@cache
def manifest() -> KeyManifest:
    identities = [
        TrusteeIdentity(Address(t.address), X25519PrivateKey.generate().public_key().public_bytes_raw())
        for t in TRUSTEES
    ]
    return run_ceremony(identities, 2, primes=test_primes(2048)).manifest


def leaf(value: int) -> bytes:
    return int_to_fixed(value % manifest().public_key.n_squared, manifest().public_key.ciphertext_bytes)


def leaves_of(signer: LocalAccount, number: int, count: int = CIPHERTEXTS) -> tuple[bytes, ...]:
    """The ciphertexts of a participant in a round."""
    return tuple(
        leaf(int.from_bytes(b"".join(sha256(f"{signer.address} {number} {j} {k}".encode()) for k in range(16)), "big"))
        for j in range(count)
    )


def vector_file(leaves: Sequence[bytes]) -> bytes:
    """The file of a vector whose leaves have one length, whatever it is."""
    return b"FTCV\x01" + len(leaves).to_bytes(4, "big") + len(leaves[0]).to_bytes(4, "big") + b"".join(leaves)


def update_file(update: ShownUpdate) -> bytes:
    """The envelope of an update, whatever its leaves are."""
    message = update.message
    header = canonical_json(
        {
            "ciphertexts": message.ciphertexts,
            "epoch": message.epoch,
            "participant": update.participant,
            "proof_hash": to_hex(message.proof_hash),
            "root": to_hex(message.root),
            "round": message.round,
            "signature": to_hex(update.signature),
            "spec_hash": to_hex(message.spec_hash),
        }
    )
    lengths = bytes([VERSION]) + len(header).to_bytes(4, "big") + (5).to_bytes(4, "big")
    return MAGIC + lengths + header + b"proof" + vector_file(update.leaves)


@dataclass
class Disk:
    """What a watcher keeps when it is killed."""

    store: MemoryStore = field(default_factory=MemoryStore)
    state: NodeState = field(default_factory=lambda: NodeState(None))


class Scene:
    """A federation with an aggregator, a standby, three participants and three trustees; all they show is ``shown``."""

    def __init__(self, **changes: Any) -> None:
        self.config = replace(CONFIG, **changes)
        self.world: World = MemoryWorld(self.config)
        key = manifest()
        registered_federation(
            self.world.ledger(OPERATOR),
            lambda account: self.world.ledger({str(s.address): s for s in SIGNERS}[account]),
            [
                *members_of(Role.AGGREGATOR, [AGGREGATOR, STANDBY]),
                *members_of(Role.PARTICIPANT, PARTICIPANTS[:3]),
                *members_of(Role.TRUSTEE, TRUSTEES),
            ],
            key=PublishedKey(key.key_id, key.threshold, len(key.trustees), key.public_key.modulus_hash),
            pool=POOL,
        )
        self.shown = MemoryStore()
        self.hidden: set[bytes] = set()
        self.shown.put(key.to_bytes())
        self.reports: list[tuple[str, dict[str, object]]] = []

    # ledgers

    def ledger(self, signer: LocalAccount) -> Ledger:
        return self.world.ledger(signer)

    @property
    def anybody(self) -> Ledger:
        return self.world.ledger(OPERATOR)

    def claimable(self, signer: LocalAccount) -> int:
        return self.anybody.claimable(Address(signer.address))

    def balance(self, signer: LocalAccount) -> int:
        """What an account has, with what it may claim."""
        return self.world.balance(signer.address) + self.claimable(signer)

    # evidence

    def show(self, data: bytes) -> bytes:
        return self.shown.put(data)

    def source(self) -> ArtifactEvidence:
        def digests() -> Any:
            return (d for d in list(self.shown._items) if d not in self.hidden)

        return ArtifactEvidence("what is shown", self.shown, digests)

    def envelope(self, signer: LocalAccount, number: int, leaves: Sequence[bytes], **changes: object) -> ShownUpdate:
        values: dict[str, Any] = {
            "round": number,
            "spec_hash": sha256(f"spec {number}".encode()),
            "epoch": 1,
            "root": merkle_root(leaves),
            "ciphertexts": CIPHERTEXTS,
            "proof_hash": keccak256(b"proof"),
            **changes,
        }
        message = UpdateMessage(**values)
        ledger = self.anybody
        signature = sign_update(bytes(signer.key), ledger.chain_id, ledger.contract, message)
        return ShownUpdate(Address(signer.address), message, signature, tuple(leaves))

    def receipt(self, signer: LocalAccount, number: int, by: LocalAccount = AGGREGATOR, epoch: int = 1) -> Receipt:
        ledger = self.anybody
        message = ReceiptMessage(
            round=number,
            spec_hash=sha256(f"spec {number}".encode()),
            epoch=epoch,
            participant=signer.address,
            root=merkle_root(leaves_of(signer, number)),
        )
        signature = sign_receipt(bytes(by.key), ledger.chain_id, ledger.contract, message)
        return Receipt(FederationId(ledger.chain_id, ledger.contract), Address(by.address), message, signature)

    # rounds

    def to_upload(
        self,
        number: int = 1,
        *,
        runner: LocalAccount = AGGREGATOR,
        vectors: dict[LocalAccount, tuple[bytes, ...]] | None = None,
        hide: Sequence[LocalAccount] = (),
    ) -> None:
        """Open a round, commit the three updates (``vectors`` replaces some), close; show all but ``hide``."""
        ledger = self.ledger(runner)
        ledger.open_round(
            number,
            spec_hash=sha256(f"spec {number}".encode()),
            base_model_hash=ledger.current_model() if any(ledger.current_model()) else sha256(b"model 0"),
            selected=ledger.draw().selected,
            quorum=2,
            ciphertexts=CIPHERTEXTS,
            deadlines=deadlines_from(ledger),
        )
        for signer in PARTICIPANTS[:3]:
            leaves = (vectors or {}).get(signer, leaves_of(signer, number))
            update = self.envelope(signer, number, leaves)
            self.ledger(signer).commit_update(
                number, root=merkle_root(leaves), ciphertexts=CIPHERTEXTS, proof_hash=update.message.proof_hash
            )
            digest = self.show(update_file(update))
            if signer in hide:
                self.hidden.add(digest)
        ledger.close_commits(number)

    def right(self, number: int = 1, accepted: Sequence[int] = (0, 1, 2)) -> tuple[bytes, ...]:
        """The right aggregate of a round with the usual updates."""
        product = [1] * CIPHERTEXTS
        for index in accepted:
            for j, each in enumerate(leaves_of(PARTICIPANTS[index], number)):
                product[j] = product[j] * int.from_bytes(each, "big") % int(manifest().public_key.n_squared)
        return tuple(map(leaf, product))

    def wrong(self, number: int = 1, column: int = 2) -> tuple[bytes, ...]:
        """The right aggregate but for one ciphertext."""
        right = list(self.right(number))
        right[column] = leaf(int.from_bytes(right[column], "big") + 1)
        return tuple(right)

    def aggregate(
        self,
        number: int = 1,
        aggregate: Sequence[bytes] | None = None,
        *,
        runner: LocalAccount = AGGREGATOR,
        accepted: Sequence[int] = (0, 1, 2),
        show: bool = True,
    ) -> None:
        leaves = self.right(number, accepted) if aggregate is None else aggregate
        if show:
            self.show(vector_file(leaves))
        self.ledger(runner).commit_aggregate(
            number, accepted=bitmap_of(list(accepted)), aggregate_root=merkle_root(leaves)
        )

    def finalize(self, number: int = 1, *, runner: LocalAccount = AGGREGATOR) -> None:
        for signer in TRUSTEES[:2]:
            self.ledger(signer).attest(number, partial_root=sha256(signer.address.encode()))
        self.ledger(runner).finalize_round(
            number,
            plaintext_hash=sha256(b"plaintext"),
            proof_hash=sha256(b"decryption"),
            model_hash=sha256(f"model {number}".encode()),
            result_hash=sha256(b"result"),
        )

    # watchers

    def watcher(
        self,
        disk: Disk | None = None,
        *,
        signer: LocalAccount = CHALLENGER,
        dry_run: bool = False,
        wrap: Callable[[Ledger], Any] = lambda ledger: ledger,
        **plan: Any,
    ) -> Watcher:
        disk = disk or Disk()
        ledger = wrap(self.ledger(signer))
        return Watcher(
            ledger,
            None if dry_run else ledger,
            [self.source()],
            disk.store,
            disk.state,
            lambda event, /, **fields: self.reports.append((event, fields)),
            WatchPlan(**plan),
        )

    def reported(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.reports if name == event]

    def commitments(self, number: int) -> list[UpdateCommitted]:
        return [e for e in self.anybody.events() if isinstance(e, UpdateCommitted) and e.round == number]


def settle_down(watcher: Watcher, turns: int = 30) -> None:
    """Step until nothing moves any more."""
    for _ in range(turns):
        if not watcher.step():
            return
    raise AssertionError("the watcher never comes to rest")
