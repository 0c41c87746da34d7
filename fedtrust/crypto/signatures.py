"""EIP-712 signatures by secp256k1 accounts: participants' update commitments and the aggregator's receipts.

The digest is computed here from the standard's definition (EIP-712, "Definition of hashStruct"); the tests compare
it with eth-account's and the contract's.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from fedtrust.crypto.encoding import int_to_fixed, keccak256
from fedtrust.crypto.statements import address_bytes, require_hash
from fedtrust.errors import EncodingError, KeyFileError, ProofError

DOMAIN_NAME = "fedtrust"
DOMAIN_VERSION = "2"
SIGNATURE_BYTES = 65

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_UPDATE_TYPE = b"Update(uint256 round,bytes32 specHash,uint32 epoch,bytes32 root,uint32 ciphertexts,bytes32 proofHash)"
_RECEIPT_TYPE = b"Receipt(uint256 round,bytes32 specHash,uint32 epoch,address participant,bytes32 root)"
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class UpdateMessage:
    """The typed data ``Update``: what a participant signs to commit an encrypted update. Raises EncodingError.

    ``epoch`` is the participant's when it signs.
    """

    round: int
    spec_hash: bytes
    epoch: int
    root: bytes
    ciphertexts: int
    proof_hash: bytes

    def __post_init__(self) -> None:
        """Check ranges and sizes."""
        _require_unsigned("update message", ("round", self.round, 256), ("epoch", self.epoch, 32))
        _require_unsigned("update message", ("ciphertexts", self.ciphertexts, 32))
        require_hash(self.spec_hash, "update message: spec hash")
        require_hash(self.root, "update message: root")
        require_hash(self.proof_hash, "update message: proof hash")


@dataclass(frozen=True, slots=True)
class ReceiptMessage:
    """The typed data ``Receipt``: the aggregator's word that it has ``participant``'s update under ``root``.

    ``epoch`` is the aggregator's when it signs. Raises EncodingError.
    """

    round: int
    spec_hash: bytes
    epoch: int
    participant: str
    root: bytes

    def __post_init__(self) -> None:
        """Check ranges and sizes."""
        _require_unsigned("receipt", ("round", self.round, 256), ("epoch", self.epoch, 32))
        require_hash(self.spec_hash, "receipt: spec hash")
        require_hash(self.root, "receipt: root")
        address_bytes(self.participant, "receipt: participant")


def update_digest(chain_id: int, contract: str, message: UpdateMessage) -> bytes:
    """Return the 32 bytes that are signed: keccak256(0x1901 || domain separator || hashStruct(message))."""
    struct = keccak256(
        keccak256(_UPDATE_TYPE)
        + int_to_fixed(message.round, 32)
        + message.spec_hash
        + int_to_fixed(message.epoch, 32)
        + message.root
        + int_to_fixed(message.ciphertexts, 32)
        + message.proof_hash
    )
    return _digest(chain_id, contract, struct)


def receipt_digest(chain_id: int, contract: str, message: ReceiptMessage) -> bytes:
    """Return the 32 bytes that are signed, as for updates."""
    struct = keccak256(
        keccak256(_RECEIPT_TYPE)
        + int_to_fixed(message.round, 32)
        + message.spec_hash
        + int_to_fixed(message.epoch, 32)
        + bytes(12)
        + address_bytes(message.participant, "receipt: participant")
        + message.root
    )
    return _digest(chain_id, contract, struct)


def sign_update(private_key: bytes, chain_id: int, contract: str, message: UpdateMessage) -> bytes:
    """Return the signature r || s || v (65 bytes, low s, v in {27, 28}; deterministic by RFC 6979).

    Raises KeyFileError if ``private_key`` is not a secp256k1 key.
    """
    return _sign(private_key, update_digest(chain_id, contract, message))


def sign_receipt(private_key: bytes, chain_id: int, contract: str, message: ReceiptMessage) -> bytes:
    """Return the aggregator's signature, in the form of :func:`sign_update`. Raises KeyFileError."""
    return _sign(private_key, receipt_digest(chain_id, contract, message))


def verify_update_signature(
    chain_id: int, contract: str, message: UpdateMessage, signature: bytes, expected_account: str
) -> None:
    """Check that ``expected_account`` signed ``message`` for this contract on this chain. Raises ProofError.

    For plain accounts; a contract wallet's signature (ERC-1271) can only be checked by the chain.
    """
    _verify(
        update_digest(chain_id, contract, message),
        signature,
        expected_account,
        f"update of round {message.round} is not signed by its participant",
    )


def verify_receipt_signature(
    chain_id: int, contract: str, message: ReceiptMessage, signature: bytes, expected_account: str
) -> None:
    """Check that ``expected_account``, the round's aggregator, signed this receipt. Raises ProofError.

    For plain accounts, as :func:`verify_update_signature`.
    """
    _verify(
        receipt_digest(chain_id, contract, message),
        signature,
        expected_account,
        f"receipt of round {message.round} is not signed by the aggregator",
    )


def _require_unsigned(what: str, *fields: tuple[str, int, int]) -> None:
    for name, value, bits in fields:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise EncodingError(f"{what}: {name} is out of range", expected=f"a uint{bits}", got=repr(value))


def _digest(chain_id: int, contract: str, struct: bytes) -> bytes:
    domain = keccak256(
        keccak256(_DOMAIN_TYPE)
        + keccak256(DOMAIN_NAME.encode())
        + keccak256(DOMAIN_VERSION.encode())
        + int_to_fixed(chain_id, 32)
        + bytes(12)
        + address_bytes(contract, "contract")
    )
    return keccak256(b"\x19\x01" + domain + struct)


def _sign(private_key: bytes, digest: bytes) -> bytes:
    if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < _CURVE_ORDER:
        raise KeyFileError("not a secp256k1 private key", expected="32 bytes, between 1 and the group order")
    signature = PrivateKey(private_key).sign_msg_hash(digest)
    return int_to_fixed(signature.r, 32) + int_to_fixed(signature.s, 32) + bytes([27 + signature.v])


def _verify(digest: bytes, signature: bytes, expected_account: str, otherwise: str) -> None:
    expected = address_bytes(expected_account, "expected account")
    if len(signature) != SIGNATURE_BYTES:
        raise ProofError("signature has the wrong length", expected=SIGNATURE_BYTES, got=len(signature))
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (27, 28) or not 0 < r < _CURVE_ORDER or not 0 < s <= _CURVE_ORDER // 2:
        raise ProofError(
            "signature is not in canonical form", expected="v of 27 or 28, r and s in range, low s", got=f"v = {v}"
        )
    try:
        public_key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        raise ProofError("signature recovers to no account", expected=expected_account) from None
    if public_key.to_canonical_address() != expected:
        raise ProofError(
            otherwise,
            expected=expected_account,
            got=public_key.to_checksum_address(),
            advice="sign with the identity's own key, for this chain, contract, round and epoch",
        )
