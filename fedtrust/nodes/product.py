"""The aggregator's product of the updates it holds, which outlives a crash."""

from __future__ import annotations

from collections.abc import Sequence

from fedtrust.crypto.aggregation import Aggregation
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.errors import ArtifactError, CiphertextError
from fedtrust.protocol.update import EncryptedUpdate
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

UNFINISHED = "unfinished-product"
"""In a node's state: the digest of an unfinished product, by the number of updates in it."""
CHECKPOINT_CIPHERTEXTS = 1 << 20
"""An unfinished product is kept after so many multiplications modulo n^2."""


def multiply_updates(
    store: ArtifactStore, state: NodeState, round: int, digests: Sequence[bytes], key: PublicKey, count: int
) -> CiphertextVector:
    """Multiply the admitted updates with these digests, of ``count`` ciphertexts each, one in memory at a time.

    After every CHECKPOINT_CIPHERTEXTS multiplications the product so far is put beside the updates: that of a small
    model never is, and a crash costs a large one some ten seconds of work. Raises ArtifactError.
    """
    aggregation, since = _unfinished(store, state, round, len(digests), key), 0
    for digest in digests:
        if digest in aggregation.names:
            continue
        update = EncryptedUpdate.from_bytes(store.get(digest), key, expected_count=count)
        aggregation, since = aggregation.add(digest, update.ciphertexts), since + count
        if since >= CHECKPOINT_CIPHERTEXTS and len(aggregation.names) < len(digests):
            state.put(UNFINISHED, round, str(len(aggregation.names)), store.put(aggregation.to_bytes()))
            since = 0
    return aggregation.product()


def _unfinished(store: ArtifactStore, state: NodeState, round: int, most: int, key: PublicKey) -> Aggregation:
    for done in range(most, 0, -1):
        kept = state.get(UNFINISHED, round, str(done))
        if kept is None:
            continue
        try:
            return Aggregation.from_bytes(store.get(kept), key)
        except (ArtifactError, CiphertextError):  # deleted or damaged: an older one, or the beginning, serves as well
            continue
    return Aggregation(key)
