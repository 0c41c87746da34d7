"""A trustee's partial decryption with its proof: the file, and the one door by which it enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.crypto.encoding import sha256, to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.partial_proof import (
    PartialProof,
    WrongPartialError,
    partial_proof_bytes,
    verify_partial,
    verify_partial_by_others,
)
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import PartialVector
from fedtrust.errors import EncodingError, ProofError
from fedtrust.ledger.types import Address

MAGIC = b"FTTP"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ProvenPartial:
    """What a trustee hands in: its partial decryption of an aggregate, and the proof that it is right."""

    partial: PartialVector
    proof: PartialProof

    def to_bytes(self) -> bytes:
        """Return the file (``FTTP``): version, the proof, the partial."""
        return MAGIC + bytes([VERSION]) + self.proof.to_bytes() + self.partial.to_bytes()

    @property
    def digest(self) -> bytes:
        """The artifact's name: sha-256 of the file."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, *, expected_count: int | None = None) -> ProvenPartial:
        """Parse a file strictly; every value is checked to be a unit modulo n.

        Raises EncodingError, CiphertextError or ProofError.
        """
        head = len(MAGIC) + 1
        if data[:head] != MAGIC + bytes([VERSION]):
            raise EncodingError(
                f"not a trustee's partial decryption of version {VERSION}",
                expected=f"a file that starts with {MAGIC.decode()}",
                got=f"{len(data)} bytes that start with {data[:head].hex() or 'nothing'}",
            )
        at = head + partial_proof_bytes(key)
        return cls(
            PartialVector.from_bytes(data[at:], key, expected_count), PartialProof.from_bytes(data[head:at], key)
        )


def verify_attested(
    manifest: KeyManifest, trustee: Address, attested_root: bytes, round: int, partial: PartialVector
) -> None:
    """Check that ``partial`` is of ``trustee``'s share, and the one it attested on chain. Raises ProofError."""
    index = next((t.index for t in manifest.trustees if t.account == trustee), None)
    if partial.index != index:
        raise ProofError(
            f"round {round}: not a partial decryption of this aggregate by {trustee}",
            expected=f"share {index}",
            got=f"share {partial.index}",
        )
    root = partial.root()
    if root != attested_root:
        raise ProofError(
            f"round {round}: the partial decryption of {trustee} is not the one it attested",
            expected=to_hex(attested_root),
            got=to_hex(root),
        )


def verify_proven_partial(
    manifest: KeyManifest,
    trustee: Address,
    attested_root: bytes,
    aggregate: CiphertextVector,
    statement: DecryptionStatement,
    proven: ProvenPartial,
) -> None:
    """Decide whether a partial decryption may be combined: aggregator and auditors go through here.

    1. it is of this trustee's share; 2. it is the one that the trustee attested on chain; 3. its proof holds for this
    aggregate. Raises ProofError, and WrongPartialError naming the trustee for step 3.
    """
    verify_attested(manifest, trustee, attested_root, statement.round, proven.partial)
    verify_partial(manifest, aggregate, proven.partial, statement, proven.proof)


def wrong_partials(
    manifest: KeyManifest, proven: Mapping[Address, PartialVector], refused: Mapping[Address, PartialVector]
) -> tuple[Address, ...]:
    """Return whose ``refused`` partials are wrong, by the ``proven`` ones of the same aggregate; no proof is needed.

    The others are right and only came without a good proof: nobody is blamed for those. Raises ProofError if fewer
    than t are proven.
    """
    judges = {partial.index: partial for partial in proven.values()}
    blamed = []
    for account, partial in refused.items():
        try:
            verify_partial_by_others(manifest, partial, judges)
        except WrongPartialError:
            blamed.append(account)
    return tuple(sorted(blamed))
