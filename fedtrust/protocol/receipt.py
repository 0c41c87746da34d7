"""The aggregator's signed word that it holds an update: with it, leaving the update out of the sum costs its stake."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrust.crypto.encoding import canonical_json, parse_canonical_json, sha256, to_hex
from fedtrust.crypto.signatures import SIGNATURE_BYTES, ReceiptMessage, verify_receipt_signature
from fedtrust.ledger.types import Address
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.spec import FederationId

RECEIPT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it is sent and kept. ``message.epoch`` is the aggregator's."""

    federation: FederationId
    aggregator: Address
    message: ReceiptMessage
    signature: bytes

    @property
    def participant(self) -> Address:
        """Whose update it is for."""
        return Address(self.message.participant)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(
            {
                "aggregator": self.aggregator,
                "epoch": self.message.epoch,
                "federation": self.federation.to_json(),
                "participant": self.message.participant,
                "root": to_hex(self.message.root),
                "round": self.message.round,
                "signature": to_hex(self.signature),
                "spec_hash": to_hex(self.message.spec_hash),
                "version": RECEIPT_VERSION,
            }
        )

    @property
    def digest(self) -> bytes:
        """The artifact's name."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Parse canonical JSON strictly. Raises EncodingError naming the field."""
        fields = Fields(parse_canonical_json(data, "receipt"), "receipt")
        fields.version(RECEIPT_VERSION)
        receipt = cls(
            federation=FederationId.from_fields(fields.object("federation")),
            aggregator=fields.address("aggregator"),
            message=ReceiptMessage(
                round=fields.integer("round", 1),
                spec_hash=fields.hash("spec_hash"),
                epoch=fields.integer("epoch", 1, 2**32 - 1),
                participant=fields.address("participant"),
                root=fields.hash("root"),
            ),
            signature=fields.hash("signature", SIGNATURE_BYTES),
        )
        fields.end()
        return receipt

    def verify(self) -> None:
        """Check that ``aggregator`` signed it, for this federation. Raises ProofError.

        Whether that account ran the round, and in which epoch it was, the caller compares with the chain.
        """
        federation = self.federation
        verify_receipt_signature(
            federation.chain_id, federation.contract, self.message, self.signature, self.aggregator
        )
