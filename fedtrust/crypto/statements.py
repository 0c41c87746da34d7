"""What a proof is about. A statement is absorbed entirely, so a proof of one says nothing about any other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fedtrust.crypto.encoding import HASH_BYTES, from_hex
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import EncodingError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_MAXIMUM_COUNTER = 1 << 64


def address_bytes(address: str, what: str) -> bytes:
    """Return the 20 bytes of an account or contract address in any letter case. Raises EncodingError."""
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise EncodingError(f"{what} is not an address", expected="0x and 40 hexadecimal digits", got=repr(address))
    return from_hex(address.lower(), 20, what)


def require_hash(value: bytes, what: str) -> None:
    """Raise EncodingError unless ``value`` is 32 bytes."""
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise EncodingError(f"{what} is not a 32-byte hash", expected=f"{HASH_BYTES} bytes", got=repr(value)[:80])


def require_counter(value: int, what: str) -> None:
    """Raise EncodingError unless ``value`` is an integer in [0, 2^64)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAXIMUM_COUNTER:
        raise EncodingError(f"{what} is out of range", expected="an integer in [0, 2^64)", got=repr(value))


@dataclass(frozen=True, slots=True)
class UpdateStatement:
    """ "``participant`` made these ciphertexts for this round of this federation."

    ``spec_hash`` fixes the RoundSpec and with it the slot layout and the base model. Raises EncodingError.
    """

    chain_id: int
    contract: str
    round: int
    spec_hash: bytes
    participant: str

    def __post_init__(self) -> None:
        """Check ranges and sizes."""
        require_counter(self.chain_id, "chain id")
        address_bytes(self.contract, "contract")
        require_counter(self.round, "round")
        require_hash(self.spec_hash, "spec hash")
        address_bytes(self.participant, "participant")

    def absorb_into(self, transcript: Transcript) -> None:
        """Absorb every field."""
        transcript.absorb_int("chain id", self.chain_id)
        transcript.absorb_bytes("contract", address_bytes(self.contract, "contract"))
        transcript.absorb_int("round", self.round)
        transcript.absorb_bytes("spec hash", self.spec_hash)
        transcript.absorb_bytes("participant", address_bytes(self.participant, "participant"))


@dataclass(frozen=True, slots=True)
class DecryptionStatement:
    """ "These plaintexts are the decryption of the aggregate with this Merkle root." Raises EncodingError."""

    chain_id: int
    contract: str
    round: int
    spec_hash: bytes
    aggregate_root: bytes

    def __post_init__(self) -> None:
        """Check ranges and sizes."""
        require_counter(self.chain_id, "chain id")
        address_bytes(self.contract, "contract")
        require_counter(self.round, "round")
        require_hash(self.spec_hash, "spec hash")
        require_hash(self.aggregate_root, "aggregate root")

    def absorb_into(self, transcript: Transcript) -> None:
        """Absorb every field."""
        transcript.absorb_int("chain id", self.chain_id)
        transcript.absorb_bytes("contract", address_bytes(self.contract, "contract"))
        transcript.absorb_int("round", self.round)
        transcript.absorb_bytes("spec hash", self.spec_hash)
        transcript.absorb_bytes("aggregate root", self.aggregate_root)
