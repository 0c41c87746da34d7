"""A participant's encrypted update: how it is made, its envelope, and the one door by which it enters."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedtrust.crypto.encoding import canonical_json, keccak256, parse_canonical_json, sha256, to_hex
from fedtrust.crypto.packing import pack
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.plaintext_proof import PlaintextProof, prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.signatures import UpdateMessage, verify_update_signature
from fedtrust.crypto.statements import UpdateStatement
from fedtrust.errors import EncodingError, UpdateError
from fedtrust.ledger.types import Address
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.spec import RoundSpec

MAGIC = b"FTUP"
VERSION = 2
_LENGTHS = struct.Struct(">4sBII")
MAXIMUM_HEADER = 4096
MAXIMUM_PROOF = 16384


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a participant committed on chain, and the epoch that its identity was in when it did."""

    root: bytes
    proof_hash: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class EncryptedUpdate:
    """A signed, encrypted update with its proof of plaintext knowledge."""

    participant: Address
    message: UpdateMessage
    signature: bytes
    proof: PlaintextProof
    ciphertexts: CiphertextVector

    @property
    def commitment(self) -> Commitment:
        """The commitment this update opens."""
        return Commitment(self.message.root, self.message.proof_hash, self.message.epoch)

    def to_bytes(self) -> bytes:
        """Return the envelope: lengths, canonical JSON header, proof, ciphertexts."""
        header = canonical_json(
            {
                "ciphertexts": self.message.ciphertexts,
                "epoch": self.message.epoch,
                "participant": self.participant,
                "proof_hash": to_hex(self.message.proof_hash),
                "root": to_hex(self.message.root),
                "round": self.message.round,
                "signature": to_hex(self.signature),
                "spec_hash": to_hex(self.message.spec_hash),
            }
        )
        proof = self.proof.to_bytes()
        return _LENGTHS.pack(MAGIC, VERSION, len(header), len(proof)) + header + proof + self.ciphertexts.to_bytes()

    @property
    def digest(self) -> bytes:
        """The artifact's name: sha-256 of the envelope."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, *, expected_count: int) -> EncryptedUpdate:
        """Parse an envelope strictly; every ciphertext is checked to be a unit modulo n^2.

        Raises EncodingError or CiphertextError.
        """
        if len(data) < _LENGTHS.size:
            raise EncodingError("the update file is truncated", expected=f">= {_LENGTHS.size} bytes", got=len(data))
        magic, version, header_length, proof_length = _LENGTHS.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise EncodingError("not an update file of version 2", expected=(MAGIC, VERSION), got=(magic, version))
        if header_length > MAXIMUM_HEADER or proof_length > MAXIMUM_PROOF:
            raise EncodingError("the update's header or proof is too long", got=(header_length, proof_length))
        body = _LENGTHS.size + header_length
        if len(data) < body + proof_length:
            raise EncodingError("the update file is truncated", expected=f">= {body + proof_length}", got=len(data))
        fields = Fields(parse_canonical_json(data[_LENGTHS.size : body], "update header"), "update header")
        participant = fields.address("participant")
        signature = fields.hash("signature", 65)
        message = UpdateMessage(
            round=fields.integer("round", 1),
            spec_hash=fields.hash("spec_hash"),
            epoch=fields.integer("epoch", 1, 2**32 - 1),
            root=fields.hash("root"),
            ciphertexts=fields.integer("ciphertexts", 1, 2**32 - 1),
            proof_hash=fields.hash("proof_hash"),
        )
        fields.end()
        return cls(
            participant=participant,
            message=message,
            signature=signature,
            proof=PlaintextProof.from_bytes(data[body : body + proof_length], key),
            ciphertexts=CiphertextVector.from_bytes(data[body + proof_length :], key, expected_count),
        )


def update_statement(spec: RoundSpec, participant: Address) -> UpdateStatement:
    """Return what the proof of plaintext knowledge of ``participant`` in this round is bound to."""
    return UpdateStatement(
        chain_id=spec.federation.chain_id,
        contract=spec.federation.contract,
        round=spec.round,
        spec_hash=spec.digest,
        participant=participant,
    )


def prepare_update(
    spec: RoundSpec,
    key: PublicKey,
    vector: NDArray[np.int64],
    participant: Address,
    sign: Callable[[UpdateMessage], bytes],
    *,
    epoch: int,
    exponent_bits: int | None = None,
) -> EncryptedUpdate:
    """Pack, encrypt, prove and sign the integer vector of :func:`contribution.encode`.

    ``epoch`` is the participant's at present. ``exponent_bits`` is its own choice, see
    :func:`fedtrust.crypto.paillier.encrypt_vector`.
    """
    plaintexts = pack(spec.layout.slots, key.bits, key.n, vector)
    encrypted = encrypt_vector(key, plaintexts, exponent_bits=exponent_bits)
    proof = prove_plaintext_knowledge(key, encrypted, plaintexts, update_statement(spec, participant))
    message = UpdateMessage(
        round=spec.round,
        spec_hash=spec.digest,
        epoch=epoch,
        root=encrypted.ciphertexts.root(),
        ciphertexts=len(encrypted.ciphertexts.values),
        proof_hash=keccak256(proof.to_bytes()),
    )
    return EncryptedUpdate(participant, message, sign(message), proof, encrypted.ciphertexts)


def signed_in_epoch(update: EncryptedUpdate, epoch: int, sign: Callable[[UpdateMessage], bytes]) -> EncryptedUpdate:
    """Return ``update`` signed for ``epoch``: the same content, after a rotation between signing and committing."""
    if update.message.epoch == epoch:
        return update
    message = replace(update.message, epoch=epoch)
    return replace(update, message=message, signature=sign(message))


def verify_update(update: EncryptedUpdate, spec: RoundSpec, key: PublicKey, commitment: Commitment) -> None:
    """Decide whether an update may be added to the sum of ``spec``'s round (DESIGN 3, aggregate).

    Raises UpdateError or ProofError naming the participant and the step. Steps:

    1. it is for this round and this spec; 2. its sender was selected; 3. it has the layout's length; 4. its
    ciphertexts have the root that was committed on chain before anyone saw them; 5. its proof is the committed one;
    6. the sender signed all of it, in the epoch in which it committed; 7. the sender knows what it encrypted.
    """
    who, message = update.participant, update.message
    expected_count = spec.layout.ciphertexts(key.bits)
    root = update.ciphertexts.root()
    proof_hash = keccak256(update.proof.to_bytes())
    comparisons: tuple[tuple[str, object, object], ...] = (
        ("1: round", spec.round, message.round),
        ("1: spec hash", to_hex(spec.digest), to_hex(message.spec_hash)),
        ("3: number of ciphertexts", expected_count, message.ciphertexts),
        ("3: length of the vector", expected_count, len(update.ciphertexts.values)),
        ("4: root of the ciphertexts", to_hex(root), to_hex(message.root)),
        ("4: committed root", to_hex(commitment.root), to_hex(root)),
        ("5: hash of the proof", to_hex(proof_hash), to_hex(message.proof_hash)),
        ("5: committed proof hash", to_hex(commitment.proof_hash), to_hex(proof_hash)),
        ("6: epoch of the commitment", commitment.epoch, message.epoch),
    )
    if who not in spec.participants:
        raise UpdateError(f"round {spec.round}: step 2: {who} was not selected", expected=spec.participants, got=who)
    for step, expected, got in comparisons:
        if expected != got:
            raise UpdateError(
                f"round {spec.round}: update of {who}: step {step} does not match",
                expected=expected,
                got=got,
                advice="the update must be the one that was committed on chain; it is left out of the sum",
            )
    federation = spec.federation
    verify_update_signature(federation.chain_id, federation.contract, message, update.signature, who)
    verify_plaintext_knowledge(key, update.ciphertexts, update_statement(spec, who), update.proof)
