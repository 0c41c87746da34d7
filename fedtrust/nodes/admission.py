"""The aggregator's door: an update or a partial decryption enters here, is verified, stored, and only then counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from fedtrust.crypto.encoding import sha256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.crypto.partial_proof import WrongPartialError
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.errors import RoundError, UpdateError
from fedtrust.ledger.types import Address
from fedtrust.protocol.history import RoundHistory
from fedtrust.protocol.machine import PartialAccepted, UpdateAccepted
from fedtrust.protocol.partial import ProvenPartial, verify_proven_partial
from fedtrust.protocol.result import decryption_statement
from fedtrust.protocol.spec import RoundSpec
from fedtrust.protocol.update import EncryptedUpdate, verify_update
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

UPDATE, ACCEPTED, AGGREGATE, PARTIAL, REFUSED = "upload", "accepted", "aggregate", "partial", "refused"
"""What is remembered of a round: digests by account; REFUSED ones are attested partials whose proof did not hold.

ACCEPTED is the list of accounts whose updates are in the sum: once it is there, no update is admitted any more.
"""


class NotYetError(RoundError):
    """The phase that allows this has not begun, as far as this node has seen the chain; try again."""


@dataclass(frozen=True, slots=True)
class OpenRoundView:
    """The round in progress as the aggregator last saw it on chain."""

    spec: RoundSpec
    history: RoundHistory


class Admission:
    """Verifies and stores what participants and trustees hand in. Calls may come from any thread."""

    def __init__(self, manifest: KeyManifest, store: ArtifactStore, state: NodeState) -> None:
        """``store`` and ``state`` are the aggregator's."""
        self._manifest, self._store, self._state = manifest, store, state
        self._lock = threading.Lock()
        self._view: OpenRoundView | None = None
        self._aggregate: tuple[CiphertextVector, DecryptionStatement] | None = None

    def show(self, view: OpenRoundView | None) -> None:
        """Tell what the chain says now (main loop only)."""
        self._view = view

    @property
    def largest_upload(self) -> int:
        """The most bytes that anything admitted in the present round can have."""
        view = self._view
        if view is None:
            return 0
        key = self._manifest.public_key
        return 65_536 + view.spec.layout.ciphertexts(key.bits) * key.ciphertext_bytes

    def admit_update(self, round: int, participant: Address, data: bytes) -> tuple[bytes, UpdateAccepted]:
        """Admit an update from ``participant``; returns its digest. The same bytes again are welcome.

        What is admitted is durable and will be in the sum: a receipt may be given. Raises NotYetError before the commit
        phase closed, RoundError or UpdateError when it is late, uncommitted or not what was committed, EncodingError,
        CiphertextError or ProofError for what does not verify.
        """
        view = self._round(round)
        if view.history.closed is None:
            raise NotYetError(f"round {round}: the commit phase has not closed yet", advice="upload when it has")
        known = self._state.get(UPDATE, round, participant)
        if known == sha256(data):
            return known, UpdateAccepted(round, participant)
        if view.history.aggregate is not None or self._state.get(ACCEPTED, round) is not None:
            raise _late(round, participant)
        commitment = view.history.commitments.get(participant)
        if commitment is None:
            raise UpdateError(
                f"round {round}: {participant} committed nothing",
                expected="a commitment on chain before the commit phase closed",
                advice="commit in time; this round goes on without this update",
            )
        key = self._manifest.public_key
        update = EncryptedUpdate.from_bytes(data, key, expected_count=view.spec.layout.ciphertexts(key.bits))
        if update.participant != participant:
            raise UpdateError(
                f"round {round}: the update names another participant than the one who sent it",
                expected=participant,
                got=update.participant,
            )
        verify_update(update, view.spec, key, commitment)
        with self._lock:
            # checked again: the set may have been closed while this update was verified
            if self._state.get(ACCEPTED, round) is not None:
                raise _late(round, participant)
            digest = self._store.put(data)
            self._state.put(UPDATE, round, participant, digest)
        return digest, UpdateAccepted(round, participant)

    def close(self, round: int, order: Sequence[Address]) -> tuple[Address, ...]:
        """Fix the accepted set: all that was admitted, in the order of ``order``. For good, also over a crash."""
        with self._lock:
            recorded = self._state.get(ACCEPTED, round)
            if recorded is None:
                admitted = self._state.all(UPDATE, round)
                recorded = " ".join(a for a in order if a in admitted).encode()
                self._state.put(ACCEPTED, round, "", recorded)
        return tuple(Address(a) for a in recorded.decode().split())

    def admit_partial(self, round: int, trustee: Address, data: bytes) -> tuple[bytes, PartialAccepted]:
        """Admit a trustee's partial decryption with its proof; returns its digest. The same bytes again are welcome.

        An attested partial whose proof does not hold is refused and kept: if the partial is wrong, it is evidence
        (RoundResult.wrong_partials). Raises NotYetError before this node saw the attestation, RoundError,
        EncodingError, CiphertextError or ProofError otherwise; WrongPartialError, which names the trustee, if only the
        proof does not hold.
        """
        view = self._round(round)
        attested = view.history.attestations.get(trustee)
        if view.history.aggregate is None or attested is None:
            raise NotYetError(f"round {round}: no attestation of {trustee} is on chain yet", advice="attest first")
        known = self._state.get(PARTIAL, round, trustee)
        if known == sha256(data):
            return known, PartialAccepted(round, trustee)
        key = self._manifest.public_key
        proven = ProvenPartial.from_bytes(data, key, expected_count=view.spec.layout.ciphertexts(key.bits))
        aggregate, statement = self._aggregate_of(view)
        try:
            verify_proven_partial(self._manifest, trustee, attested, aggregate, statement, proven)
        except WrongPartialError:
            with self._lock:
                if self._state.get(REFUSED, round, trustee) is None:
                    self._state.put(REFUSED, round, trustee, self._store.put(data))
            raise
        with self._lock:
            # another proof of the same attested partial, after a trustee lost its disk, adds nothing
            digest = self._state.get(PARTIAL, round, trustee) or self._store.put(data)
            self._state.put(PARTIAL, round, trustee, digest)
        return digest, PartialAccepted(round, trustee)

    def _aggregate_of(self, view: OpenRoundView) -> tuple[CiphertextVector, DecryptionStatement]:
        held = self._aggregate
        if held is None or held[1].round != view.spec.round:
            digest = self._state.get(AGGREGATE, view.spec.round)
            if digest is None:
                raise NotYetError(f"round {view.spec.round}: this node did not compute the aggregate (yet)")
            aggregate = CiphertextVector.from_bytes(self._store.get(digest), self._manifest.public_key)
            held = self._aggregate = (aggregate, decryption_statement(view.spec, aggregate))
        return held

    def _round(self, round: int) -> OpenRoundView:
        view = self._view
        if view is None or view.spec.round < round:
            raise NotYetError(f"round {round} is not open yet here", advice="wait for it, or ask its aggregator")
        if view.spec.round > round or view.history.ended is not None:
            raise RoundError(f"round {round} is over", expected=f"round {view.spec.round}", got=f"round {round}")
        return view


def _late(round: int, participant: Address) -> UpdateError:
    return UpdateError(
        f"round {round}: the update of {participant} is late",
        expected="an upload before the accepted set was closed",
        got="an upload after it",
        advice="it is not part of this round; the next round is open to it",
    )
