"""Copies of what other aggregators' rounds made, so that a federation can go on, and be audited, without them."""

from __future__ import annotations

import time

from fedtrust.errors import PeerUnreachableError
from fedtrust.ledger.types import Address
from fedtrust.nodes.client import AggregatorDirectory
from fedtrust.protocol.history import FederationHistory, RoundHistory
from fedtrust.protocol.result import RoundResult
from fedtrust.store.artifacts import ArtifactReader, ArtifactStore

RETRY_SECONDS = 2.0
"""An aggregator that does not answer is asked again after so long: meanwhile the rounds go on."""


class NotCopiedError(PeerUnreachableError):
    """An artifact of another aggregator's round is needed, and not copied yet."""


class Mirror:
    """Fills our artifact store from the aggregators that ran the rounds."""

    def __init__(self, store: ArtifactStore, peers: AggregatorDirectory) -> None:
        """Copy nothing yet."""
        self._store, self._peers = store, peers
        self._complete: set[int] = set()
        self._not_before = 0.0

    def copy_one(self, history: FederationHistory, own: Address) -> bool:
        """Copy all there is of one round that another than ``own`` runs or ran, the newest first.

        Returns whether anything was copied. Raises PeerUnreachableError, CertificateMismatchError, PeerRefusedError,
        ArtifactError or EncodingError; what was copied before stays.
        """
        if time.monotonic() < self._not_before:
            return False
        for number in sorted(history.rounds.keys() - self._complete, reverse=True):
            seen = history.rounds[number]
            if seen.aggregator == own or seen.aborted is not None or seen.voided is not None:
                if seen.ended is not None:  # until then another may take it over from us
                    self._complete.add(number)
                continue
            try:
                copied = self._copy(seen)
            except PeerUnreachableError:
                self._not_before = time.monotonic() + RETRY_SECONDS
                raise
            if seen.finalized is not None:
                self._complete.add(number)
            if copied:
                return True
        return False

    def _copy(self, seen: RoundHistory) -> bool:
        wanted = [seen.opened.spec_hash, seen.opened.base_model_hash]
        if seen.finalized is not None:
            wanted += [seen.finalized.model_hash, seen.finalized.result_hash]
        missing = [digest for digest in wanted if not self._store.has(digest)]
        if not missing and seen.finalized is None:
            return False
        artifacts = self._peers.client(seen.aggregator).artifacts
        self._fetch(artifacts, missing)
        if seen.finalized is not None:
            result = RoundResult.from_bytes(self._store.get(seen.finalized.result_hash))
            named = [result.aggregate, result.plaintexts, result.proof, *result.updates.values()]
            named += [*result.partials.values(), *result.wrong_partials.values()]
            rest = [digest for digest in named if not self._store.has(digest)]
            self._fetch(artifacts, rest)
            missing += rest
        return bool(missing)

    def _fetch(self, artifacts: ArtifactReader, digests: list[bytes]) -> None:
        for digest in digests:
            self._store.put(artifacts.get(digest))
