"""Merkle trees in the shape of RFC 6962 (section 2.1), with Keccak-256.

leaf hash   keccak256(0x00 || leaf)
node hash   keccak256(0x01 || left || right)
root        keccak256(0x02 || leaf count as 8 bytes || tree hash)

The three tags keep leaves, nodes and roots apart. The path bits are the index and the root commits to the leaf
count, so a leaf has exactly one place: sorted-pair trees bind no position and are not used here.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedtrust.crypto.encoding import HASH_BYTES, int_to_fixed, keccak256
from fedtrust.errors import ProofError

_LEAF_TAG = b"\x00"
_NODE_TAG = b"\x01"
_ROOT_TAG = b"\x02"
_MAXIMUM_LEAVES = 1 << 32


def _node(left: bytes, right: bytes) -> bytes:
    return keccak256(_NODE_TAG + left + right)


def _root(count: int, tree_hash: bytes) -> bytes:
    return keccak256(_ROOT_TAG + int_to_fixed(count, 8) + tree_hash)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return all levels from the leaf hashes up; a node without a sibling moves up unchanged (RFC 6962's shape)."""
    if not 0 < len(leaves) < _MAXIMUM_LEAVES:
        raise ValueError("a Merkle tree needs between 1 and 2^32 - 1 leaves")
    level = [keccak256(_LEAF_TAG + leaf) for leaf in leaves]
    levels = [level]
    while len(level) > 1:
        above = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
        levels.append(level)
    return levels


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over ``leaves`` and their number. Raises ValueError for an empty sequence."""
    return _root(len(leaves), _levels(leaves)[-1][0])


def merkle_tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the tree hash that the root keeps beside the number of leaves. Raises ValueError for an empty sequence."""
    return _levels(leaves)[-1][0]


def merkle_root_of(count: int, tree_hash: bytes) -> bytes:
    """Return the root over ``count`` leaves under ``tree_hash``: opening a root so shows how many leaves it keeps."""
    return _root(count, tree_hash)


def merkle_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the sibling hashes of leaf ``index``, from the leaf up. Raises ValueError, IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} among {len(leaves)}")
    path = []
    for level in _levels(leaves)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def verify_merkle_path(root: bytes, count: int, index: int, leaf: bytes, path: Sequence[bytes]) -> None:
    """Check that ``leaf`` is leaf ``index`` of the ``count`` leaves under ``root``. Raises ProofError.

    The procedure of RFC 9162, section 2.1.3.2: the path's length and sides follow from index and count.
    """
    if not 0 <= index < count < _MAXIMUM_LEAVES:
        raise ProofError("Merkle path for a leaf that does not exist", expected=f"0 <= index < {count}", got=index)
    node = keccak256(_LEAF_TAG + leaf)
    place, last = index, count - 1
    siblings = iter(path)
    used = 0
    while last > 0:
        if place % 2 or place < last:
            sibling = next(siblings, None)
            if sibling is None or len(sibling) != HASH_BYTES:
                raise ProofError(
                    f"Merkle path of leaf {index} is too short or malformed",
                    expected=f"{_path_length(count, index)} hashes of {HASH_BYTES} bytes",
                    got=f"{len(path)} items",
                )
            used += 1
            node = _node(sibling, node) if place % 2 else _node(node, sibling)
        place, last = place >> 1, last >> 1
    if used != len(path):
        raise ProofError(
            f"Merkle path of leaf {index} is too long", expected=f"{used} hashes", got=f"{len(path)} hashes"
        )
    if _root(count, node) != root:
        raise ProofError(
            f"leaf {index} of {count} is not under this Merkle root",
            expected=root.hex(),
            got=_root(count, node).hex(),
            advice="the data or the path was altered, or belongs to another root",
        )


def _path_length(count: int, index: int) -> int:
    length, last = 0, count - 1
    while last > 0:
        length += bool(index % 2 or index < last)
        index, last = index >> 1, last >> 1
    return length
