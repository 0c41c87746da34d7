"""Prove what a contract's storage holds from a block hash alone, without trust in the node that answers.

The chain of evidence, each step checked by one function (EIP-1186; Yellow Paper, section 4.4 and appendix D):

1. the RLP header hashes to the block hash that the reader trusts (``verify_header``), so its state root is the chain's;
2. the account proof leads from the state root to the contract's account, which names its storage root;
3. the storage proof leads from there to the slot (``verify_storage_proof`` does 2 and 3). A slot that is not in the
   trie is proven to be zero.

Everything here is pure. ``BlockHeader.from_json`` and ``StorageProof.from_json`` read the plain JSON that a node
answers to ``eth_getBlockByHash`` and ``eth_getProof``; nothing in it is believed before it is verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

import rlp  # type: ignore[import-untyped]
from eth_utils.address import is_checksum_address, to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from fedtrust.errors import ProofError
from fedtrust.ledger.merkle_patricia import MAX_NODE_BYTES, decode_item, decode_list, integer, verify_path
from fedtrust.ledger.types import Address

MAX_HEADER_BYTES: Final = 65_536
"""Longest header that is looked at; permissioned chains keep their signatures in ``extra_data``."""

_MAX_NODES: Final = 65
"""A path has 64 nibbles: no proof has more nodes."""

_ADVICE: Final = "ask another node: what this one sent proves nothing"

# In the order of the header: our name, JSON-RPC's name, length in bytes (0: an integer; None: bytes of any length).
_HEADER_FIELDS: Final[tuple[tuple[str, str, int | None], ...]] = (
    ("parent_hash", "parentHash", 32),
    ("ommers_hash", "sha3Uncles", 32),
    ("beneficiary", "miner", 20),
    ("state_root", "stateRoot", 32),
    ("transactions_root", "transactionsRoot", 32),
    ("receipts_root", "receiptsRoot", 32),
    ("logs_bloom", "logsBloom", 256),
    ("difficulty", "difficulty", 0),
    ("number", "number", 0),
    ("gas_limit", "gasLimit", 0),
    ("gas_used", "gasUsed", 0),
    ("timestamp", "timestamp", 0),
    ("extra_data", "extraData", None),
    ("mix_hash", "mixHash", 32),
    ("nonce", "nonce", 8),
    ("base_fee_per_gas", "baseFeePerGas", 0),  # London, EIP-1559
    ("withdrawals_root", "withdrawalsRoot", 32),  # Shanghai, EIP-4895
    ("blob_gas_used", "blobGasUsed", 0),  # Cancun, EIP-4844
    ("excess_blob_gas", "excessBlobGas", 0),  # Cancun, EIP-4844
    ("parent_beacon_block_root", "parentBeaconBlockRoot", 32),  # Cancun, EIP-4788
    ("requests_hash", "requestsHash", 32),  # Prague, EIP-7685; Osaka adds none
)
_FIELD_COUNTS: Final = (15, 16, 17, 20, 21)
"""How many fields a header has: at the beginning, and since London, Shanghai, Cancun and Prague."""


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block header. Hashes are 32 bytes, ``timestamp`` is in seconds; a fork's fields are None before that fork."""

    parent_hash: bytes
    ommers_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    mix_hash: bytes
    nonce: bytes
    base_fee_per_gas: int | None = None
    withdrawals_root: bytes | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    parent_beacon_block_root: bytes | None = None
    requests_hash: bytes | None = None

    def __post_init__(self) -> None:
        """Check every field, and that the fields present are those of one fork. Raises ProofError."""
        present = [name for name, _, _ in _HEADER_FIELDS if getattr(self, name) is not None]
        if len(present) not in _FIELD_COUNTS or present != [name for name, _, _ in _HEADER_FIELDS[: len(present)]]:
            raise ProofError("the header has the fields of no fork", expected=_counts(), got=", ".join(present[15:]))
        for name, _, length in _HEADER_FIELDS[: len(present)]:
            value = getattr(self, name)
            fits = 0 <= value < 2**256 if length == 0 else length is None or len(value) == length
            if not fits:
                raise ProofError(f"the header's {name} is out of range", expected=_kind(length), advice=_ADVICE)

    @classmethod
    def decode(cls, header_rlp: bytes) -> Self:
        """Return the header encoded in ``header_rlp``, whose hash nobody has checked. Raises ProofError."""
        if len(header_rlp) > MAX_HEADER_BYTES:
            raise ProofError(
                "the header is too long", expected=f"at most {MAX_HEADER_BYTES} bytes", got=len(header_rlp)
            )
        encoded = decode_list(header_rlp, "block header")
        if len(encoded) not in _FIELD_COUNTS:
            raise ProofError(
                "the header has the fields of no fork we know",
                expected=_counts(),
                got=len(encoded),
                advice="a newer fork may have added fields: update fedtrust",
            )
        return cls(
            *(
                integer(value, f"header's {name}") if length == 0 else value  # type: ignore[arg-type]
                for (name, _, length), value in zip(_HEADER_FIELDS, encoded, strict=False)
            )
        )

    @classmethod
    def from_json(cls, block: Mapping[str, object]) -> Self:
        """Return the header in a node's JSON answer to ``eth_getBlockByHash``. Raises ProofError.

        The answer's own ``hash`` is not read: pass ``encode()`` and the hash you trust to ``verify_header``.
        """
        if not isinstance(block, Mapping):
            raise ProofError("the answer is not a block", expected="an object", got=_shown(block), advice=_ADVICE)
        known = {
            name: _quantity(block[key], key) if length == 0 else _data(block[key], key)
            for name, key, length in _HEADER_FIELDS
            if block.get(key) is not None
        }
        missing = [key for name, key, _ in _HEADER_FIELDS[: _FIELD_COUNTS[0]] if name not in known]
        if missing:
            raise ProofError("the answer is not a block", expected=missing[0], got=sorted(block)[:30], advice=_ADVICE)
        return cls(**known)  # type: ignore[arg-type]

    def encode(self) -> bytes:
        """Return the RLP encoding, whose keccak-256 is the block hash."""
        values = [getattr(self, field.name) for field in fields(self)]
        return bytes(rlp.encode([value for value in values if value is not None]))


@dataclass(frozen=True, slots=True)
class Account:
    """An account in the state trie. ``balance`` is in wei; ``code_hash`` is keccak-256 of the contract's code."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class StorageProof:
    """What a node claims about one slot of one account, and the encoded trie nodes that shall prove it."""

    address: Address
    slot: int
    value: int
    account_nodes: tuple[bytes, ...]
    storage_nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Check types and ranges; proves nothing yet. Raises ProofError."""
        _canonical_address(self.address)
        _word(self.slot, "slot")
        _word(self.value, "value")
        for trie, nodes in (("account", self.account_nodes), ("storage", self.storage_nodes)):
            if len(nodes) > _MAX_NODES or any(len(node) > MAX_NODE_BYTES for node in nodes):
                raise ProofError(
                    f"the {trie} proof is larger than any can be",
                    expected=f"at most {_MAX_NODES} nodes of at most {MAX_NODE_BYTES} bytes",
                    got=f"{len(nodes)} nodes, the longest of {max(map(len, nodes))} bytes",
                    advice=_ADVICE,
                )

    @classmethod
    def from_json(cls, answer: Mapping[str, object], slot: int) -> Self:
        """Return the proof of ``slot`` from a node's JSON answer to ``eth_getProof``. Raises ProofError."""
        if not isinstance(answer, Mapping):
            raise ProofError("the answer is no proof", expected="an object", got=_shown(answer), advice=_ADVICE)
        entries = [
            entry
            for entry in _list(answer.get("storageProof"), "storageProof")
            if isinstance(entry, Mapping) and _quantity(entry.get("key"), "key") == slot
        ]
        if len(entries) != 1:
            raise ProofError(
                "the answer has not one proof of the slot",
                expected=f"one entry for slot {slot:#x}",
                got=f"{len(entries)} entries",
                advice=_ADVICE,
            )
        account = _data(answer.get("address"), "address")
        if len(account) != 20:
            raise ProofError("the answer names no account", expected="20 bytes", got=account.hex()[:64], advice=_ADVICE)
        return cls(
            address=Address(to_checksum_address(account)),
            slot=slot,
            value=_quantity(entries[0].get("value"), "value"),
            account_nodes=tuple(_data(node, "node") for node in _list(answer.get("accountProof"), "accountProof")),
            storage_nodes=tuple(_data(node, "node") for node in _list(entries[0].get("proof"), "proof")),
        )


def verify_header(header_rlp: bytes, block_hash: bytes) -> BlockHeader:
    """Return the header whose hash is ``block_hash`` (32 bytes). Raises ProofError if ``header_rlp`` is not it."""
    found = keccak(header_rlp)
    if found != block_hash:
        raise ProofError(
            "the block header does not have the block's hash",
            expected=block_hash.hex(),
            got=found.hex(),
            advice="check the block hash; a header made from JSON lacks the fields of forks that we do not know",
        )
    return BlockHeader.decode(header_rlp)


def verify_account_proof(state_root: bytes, address: Address, nodes: tuple[bytes, ...]) -> Account | None:
    """Return the account at ``address`` in the state with ``state_root``, or None if ``nodes`` prove there is none.

    Raises ProofError if the nodes prove neither.
    """
    leaf = verify_path(state_root, keccak(_canonical_address(address)), nodes, trie="account")
    if leaf is None:
        return None
    encoded = decode_list(leaf, "account")
    if len(encoded) != 4 or len(encoded[2]) != 32 or len(encoded[3]) != 32:
        raise ProofError("the account is not one", expected="nonce, balance and two hashes", advice=_ADVICE)
    return Account(
        integer(encoded[0], "account's nonce"), integer(encoded[1], "account's balance"), encoded[2], encoded[3]
    )


def verify_storage_proof(state_root: bytes, address: Address, slot: int, proof: StorageProof) -> int:
    """Return the 256-bit value that ``slot`` of the contract at ``address`` has in the state with ``state_root``.

    ``state_root`` must come from a header that ``verify_header`` admitted. A slot that was never written, or was set
    back to zero, is proven to be 0. Raises ProofError if the proof is of another account or slot, does not hold,
    proves another value than it claims, or proves that there is no account at ``address``.
    """
    if _canonical_address(address) != _canonical_address(proof.address) or slot != proof.slot:
        raise ProofError(
            "the proof is of another account or slot",
            expected=f"{address} slot {slot:#x}",
            got=f"{proof.address} slot {proof.slot:#x}",
        )
    account = verify_account_proof(state_root, address, proof.account_nodes)
    if account is None:
        raise ProofError(
            f"there is no account at {address}: that much is proven",
            expected="a contract",
            got="a proof of absence",
            advice="check the address, the chain, and that the block is not older than the contract",
        )
    leaf = verify_path(account.storage_root, keccak(slot.to_bytes(32, "big")), proof.storage_nodes, trie="storage")
    value = 0 if leaf is None else _stored_value(leaf)
    if value != proof.value:
        raise ProofError(
            f"the node claims another value for slot {slot:#x} than its proof proves",
            expected=f"{proof.value:#x} (claimed)",
            got=f"{value:#x} (proven)",
            advice=_ADVICE,
        )
    return value


def _stored_value(leaf: bytes) -> int:
    item = decode_item(leaf, "stored value")
    value = integer(item, "stored value") if isinstance(item, bytes) else 0
    if value == 0:
        raise ProofError("the stored value is not one", expected="an integer from 1 to 2^256 - 1", advice=_ADVICE)
    return value


def _canonical_address(address: Address) -> bytes:
    if not is_checksum_address(address):
        raise ProofError(
            "not an account address", expected="0x and 40 hex digits, EIP-55 checksum", got=str(address)[:64]
        )
    return bytes(to_canonical_address(address))


def _word(value: int, what: str) -> None:
    if not 0 <= value < 2**256:
        raise ProofError(f"the {what} is not one of the storage", expected="0 to 2^256 - 1", got=str(value)[:80])


def _counts() -> str:
    return " or ".join(map(str, _FIELD_COUNTS)) + " fields"


def _kind(length: int | None) -> str:
    return "an integer below 2^256" if length == 0 else f"{length} bytes"


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise ProofError(f"{name} in the node's answer is not a list", got=type(value).__name__, advice=_ADVICE)
    return value


def _data(value: object, name: str) -> bytes:
    """Return the bytes of JSON-RPC's "data": 0x and two hex digits for each byte."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            decoded = bytes.fromhex(value[2:])
        except ValueError:
            decoded = None
        if decoded is not None and 2 * len(decoded) == len(value) - 2:
            return decoded
    raise ProofError(f"{name} in the node's answer is not data", expected="0x and hex digits", got=_shown(value))


def _quantity(value: object, name: str) -> int:
    """Return JSON-RPC's "quantity": 0x and hex digits. Nodes differ in leading zeros, so any number of them will do."""
    digits = value[2:] if isinstance(value, str) and value.startswith("0x") else ""
    if 0 < len(digits) <= 64 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
        return int(digits, 16)
    raise ProofError(
        f"{name} in the node's answer is not a quantity", expected="0x and 1 to 64 hex digits", got=_shown(value)
    )


def _shown(value: object) -> str:
    return value[:80] if isinstance(value, str) else type(value).__name__
