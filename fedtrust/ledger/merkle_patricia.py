"""Walk a Merkle-Patricia proof from a trusted root to a key: what is stored there, or that nothing is.

Ethereum Yellow Paper, appendix B (RLP), C (hex-prefix encoding) and D (the trie). Whoever sent the nodes is not
trusted: a node counts only after its keccak-256 equals the reference that leads to it, and what does not follow the
encoding to the byte is refused. The bytes themselves are decoded by ``rlp``, the library that eth-account brings;
walking them is done here, because the library for it (``trie``) is made for a database of its own: it takes nodes in
any order, ignores those it does not need and trusts their shape.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from fedtrust.errors import ProofError

Item: TypeAlias = "bytes | list[Item]"
"""What RLP encodes: a string of bytes, or a list of items."""

EMPTY_ROOT: Final = keccak(rlp.encode(b""))
"""The root of a trie that holds nothing."""

MAX_NODE_BYTES: Final = 532
"""The longest node of a state or storage trie: a branch with sixteen hashes."""

_HASH_BYTES: Final = 32
_BRANCH_ITEMS: Final = 17
_ADVICE: Final = "ask another node for the proof: what this one sent proves nothing"


def verify_path(root: bytes, key: bytes, nodes: tuple[bytes, ...], *, trie: str) -> bytes | None:
    """Return the value that the trie with ``root`` holds at ``key``, or None if ``nodes`` prove that there is none.

    ``root`` is 32 bytes; ``key`` is the key as the trie has it (hashed, in Ethereum's tries); ``nodes`` are the
    encoded nodes of the path from the root down; a node that is embedded in its parent may be repeated or left out.
    ``trie`` names the trie in errors. Raises ProofError if a node is missing, altered, malformed, out of order or not
    on the path.
    """
    if len(root) != _HASH_BYTES:
        raise ProofError(f"the root of the {trie} trie is not a hash", expected="32 bytes", got=f"{len(root)} bytes")
    if not nodes and root == EMPTY_ROOT:
        return None  # most nodes send no node at all for an empty trie
    value, used = _descend(root, key.hex(), nodes, trie)
    if used != len(nodes):
        raise ProofError(
            f"the {trie} proof has nodes that are not on the path",
            expected=f"{used} nodes",
            got=f"{len(nodes)} nodes",
            advice=_ADVICE,
        )
    return value


def decode_item(encoded: bytes, what: str) -> Item:
    """Return the item that ``encoded`` is the one RLP encoding of. Raises ProofError naming ``what`` it should be."""
    try:
        item: Item = rlp.decode(encoded)
    except (rlp.exceptions.RLPException, RecursionError) as error:
        raise ProofError(f"the {what} is not RLP", got=str(error)[:100], advice=_ADVICE) from error
    return item


def decode_list(encoded: bytes, what: str) -> list[bytes]:
    """Return the byte strings that ``encoded`` is a flat list of. Raises ProofError naming ``what`` it should be."""
    item = decode_item(encoded, what)
    strings = [field for field in item if isinstance(field, bytes)] if isinstance(item, list) else []
    if not isinstance(item, list) or len(strings) != len(item):
        raise ProofError(f"the {what} is not a flat RLP list", expected="a list of byte strings", advice=_ADVICE)
    return strings


def integer(encoded: bytes, what: str) -> int:
    """Return the integer whose shortest big-endian form is ``encoded``, below 2^256. Raises ProofError."""
    if len(encoded) > 32 or encoded[:1] == b"\x00":
        raise ProofError(
            f"the {what} is not an RLP integer",
            expected="at most 32 bytes, no leading zero",
            got=f"{len(encoded)} bytes",
            advice=_ADVICE,
        )
    return int.from_bytes(encoded, "big")


def _descend(root: bytes, path: str, nodes: tuple[bytes, ...], trie: str) -> tuple[bytes | None, int]:
    """Follow ``path`` (nibbles as hex digits) from ``root``; return the value and how many nodes that took."""
    reference: Item = root
    used = 0
    while True:
        if isinstance(reference, list):
            node: Item = reference
            encoded = _embedded(reference, trie)
            # geth leaves an embedded node out of the list, Anvil and Hardhat repeat it there
            used += nodes[used : used + 1] == (encoded,)
        else:
            node = _hashed(reference, nodes, used, trie)
            used += 1
        if node == b"" and used == 1:
            return None, used  # the empty trie as one node, 0x80
        if not isinstance(node, list) or len(node) not in (2, _BRANCH_ITEMS):
            raise _malformed(trie, "a branch of 17 items, or a leaf or an extension of 2")
        if len(node) == _BRANCH_ITEMS:
            if not path:
                return _string(node[16], trie) or None, used
            reference, path = node[int(path[0], 16)], path[1:]
            if reference == b"":
                return None, used
            continue
        is_leaf, segment = _hex_prefix(_string(node[0], trie), trie)
        if is_leaf:
            value = _string(node[1], trie)
            if not value:
                raise _malformed(trie, "a leaf with a value")
            return value if segment == path else None, used
        if not path.startswith(segment):
            return None, used
        reference, path = node[1], path[len(segment) :]


def _hashed(reference: bytes, nodes: tuple[bytes, ...], used: int, trie: str) -> Item:
    """Return the node that ``reference`` is the hash of: it must be the next of ``nodes``."""
    if len(reference) != _HASH_BYTES:
        raise _malformed(trie, "a reference of 32 bytes, or a node embedded as a list")
    if used == len(nodes):
        raise ProofError(
            f"the {trie} proof ends before the key is reached",
            expected=f"a node with hash {reference.hex()}",
            got=f"{used} nodes",
            advice=_ADVICE,
        )
    encoded = nodes[used]
    if len(encoded) > MAX_NODE_BYTES:
        raise _malformed(trie, f"a node of at most {MAX_NODE_BYTES} bytes")
    found = keccak(encoded)
    if found != reference:
        raise ProofError(
            f"node {used} of the {trie} proof is not the one its parent names",
            expected=f"hash {reference.hex()}",
            got=f"hash {found.hex()}",
            advice=_ADVICE,
        )
    return decode_item(encoded, f"node {used} of the {trie} proof")


def _embedded(node: list[Item], trie: str) -> bytes:
    """Return the encoding of a node that stands in its parent in place of a hash: only a shorter one may."""
    encoded = bytes(rlp.encode(node))
    if len(encoded) >= _HASH_BYTES:
        raise _malformed(trie, "an embedded node of less than 32 bytes")
    return encoded


def _hex_prefix(encoded: bytes, trie: str) -> tuple[bool, str]:
    """Return whether a node of two items is a leaf, and its nibbles as hex digits (Yellow Paper, appendix C)."""
    digits = encoded.hex()
    # flag: bit 0 for an odd number of nibbles, bit 1 for a leaf; with an even number a zero digit fills the byte
    flag = int(digits[:1] or "f", 16)
    segment = digits[1:] if flag & 1 else digits[2:]
    is_leaf = bool(flag & 2)
    if flag > 3 or (not flag & 1 and digits[1:2] != "0") or (not is_leaf and not segment):
        raise _malformed(trie, "a path in hex-prefix encoding, not empty in an extension")
    return is_leaf, segment


def _string(item: Item, trie: str) -> bytes:
    if not isinstance(item, bytes):
        raise _malformed(trie, "a byte string where a path or a value stands")
    return item


def _malformed(trie: str, expected: str) -> ProofError:
    return ProofError(f"a node of the {trie} proof is not one of a trie", expected=expected, advice=_ADVICE)
