"""The one place that decides what trustees may decrypt.

Privacy rests on one rule: roots are taken of agreed aggregates only, one participant set per round, never fewer
accepted updates than the quorum. :func:`agree` recomputes the aggregate from the updates themselves;
:func:`release_partial` takes nothing but an :class:`AgreedAggregate`, which only :func:`agree` can make, and a
journal that remembers across restarts what was already released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fedtrust.crypto.aggregation import Aggregation
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.partial_proof import prove_partial, verify_partial
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import KeyShare, partial_roots
from fedtrust.errors import RoundError, UpdateError
from fedtrust.ledger.types import Address, RoundState, members
from fedtrust.protocol.partial import ProvenPartial
from fedtrust.protocol.result import decryption_statement
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, RoundSpec
from fedtrust.protocol.update import Commitment, EncryptedUpdate, verify_update

_SEAL = object()


class AgreedAggregate:
    """An aggregate that was recomputed from verified updates and equals the one on chain."""

    __slots__ = ("_accepted", "_ciphertexts", "_statement")

    def __init__(
        self,
        seal: object,
        accepted: tuple[Address, ...],
        ciphertexts: CiphertextVector,
        statement: DecryptionStatement,
    ) -> None:
        """Only :func:`agree` may call this."""
        if seal is not _SEAL:
            raise RoundError("an AgreedAggregate is made by agree() only", advice="call protocol.release.agree")
        self._accepted, self._ciphertexts, self._statement = accepted, ciphertexts, statement

    @property
    def round(self) -> int:
        """The round."""
        return self._statement.round

    @property
    def accepted(self) -> tuple[Address, ...]:
        """The participants whose updates are in the sum, by index."""
        return self._accepted

    @property
    def ciphertexts(self) -> CiphertextVector:
        """The product of the accepted updates."""
        return self._ciphertexts

    @property
    def statement(self) -> DecryptionStatement:
        """What proofs about this aggregate are bound to."""
        return self._statement


class ReleaseJournal(Protocol):
    """Remembers, durably, which participant set this trustee decrypted in each round."""

    def record_release(self, round: int, accepted: Sequence[Address], aggregate_root: bytes) -> None:
        """Record the decision before anything is released.

        Raises RoundError if another set or another aggregate was recorded for ``round``.
        """


def accepted_accounts(state: RoundState, spec: RoundSpec) -> tuple[Address, ...]:
    """Return the accepted accounts of a round by index; raises RoundError if the chain's set breaks a rule.

    The spec names its participants by index, so the k-th of them has the k-th bit of the selection.
    """
    selected = members(state.selected)
    if len(selected) != len(spec.participants) or state.accepted & ~state.selected:
        raise RoundError(
            f"round {state.number}: participants were accepted that the spec did not select",
            expected=list(selected),
            got=list(members(state.accepted)),
        )
    accepted = tuple(a for i, a in zip(selected, spec.participants, strict=True) if state.accepted >> i & 1)
    least = max(spec.quorum, MINIMUM_PARTICIPANTS)
    if len(accepted) < least:
        raise RoundError(
            f"round {state.number}: too few updates in the sum to decrypt it",
            expected=f"at least {least}",
            got=len(accepted),
            advice="decrypting it would show more of a participant's update than the protocol allows",
        )
    return accepted


def agree(
    state: RoundState,
    spec: RoundSpec,
    key: PublicKey,
    commitments: Mapping[Address, Commitment],
    updates: Mapping[Address, EncryptedUpdate],
) -> AgreedAggregate:
    """Recompute the aggregate of a round from its accepted updates and compare it with the chain.

    ``state`` is the round on chain, ``commitments`` what UpdateCommitted events say. ``updates`` are read once each,
    one after the other, so they may come from disk. Raises RoundError, UpdateError or ProofError with the reason.
    """
    accepted = accepted_accounts(state, spec)
    aggregation = Aggregation(key)
    for account in accepted:
        if account not in updates:
            raise UpdateError(f"round {state.number}: the accepted update of {account} is missing")
        if account not in commitments:
            raise UpdateError(f"round {state.number}: {account} is accepted but never committed")
        update = updates[account]
        if update.participant != account:
            raise UpdateError(
                f"round {state.number}: an update stands under another's name",
                expected=account,
                got=update.participant,
            )
        verify_update(update, spec, key, commitments[account])
        aggregation = aggregation.add(update.message.root, update.ciphertexts)
    product = aggregation.product()
    statement = decryption_statement(spec, product)
    root = statement.aggregate_root
    if root != state.aggregate_root:
        raise RoundError(
            f"round {state.number}: the committed aggregate is not the product of the accepted updates",
            expected=to_hex(root),
            got=to_hex(state.aggregate_root),
            advice="the aggregator lied about the sum; do not decrypt it",
        )
    return AgreedAggregate(_SEAL, accepted, product, statement)


def release_partial(
    manifest: KeyManifest, share: KeyShare, agreed: AgreedAggregate, journal: ReleaseJournal
) -> ProvenPartial:
    """Take this trustee's partial roots of an agreed aggregate and prove them, after recording the decision durably.

    The proof is checked before anybody is told of it: what is attested on chain can be held against its author. Raises
    RoundError for another decision in this round, WrongPartialError for a share that is not the manifest's.
    """
    if not isinstance(agreed, AgreedAggregate):
        raise RoundError("only an agreed aggregate may be decrypted", got=type(agreed).__name__)
    journal.record_release(agreed.round, agreed.accepted, agreed.ciphertexts.root())
    partial = partial_roots(manifest, share, agreed.ciphertexts)
    proof = prove_partial(manifest, share, agreed.ciphertexts, partial, agreed.statement)
    verify_partial(manifest, agreed.ciphertexts, partial, agreed.statement, proof)
    return ProvenPartial(partial, proof)
