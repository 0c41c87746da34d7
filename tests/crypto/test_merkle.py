from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.merkle import merkle_path, merkle_root, verify_merkle_path
from fedtrust.errors import ProofError
from tests.crypto import textbook
from tests.crypto.crypto_fixtures import load_vectors

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


def test_vectors() -> None:
    for case in load_vectors("merkle")["cases"]:
        leaves = [bytes.fromhex(leaf[2:]) for leaf in case["leaves"]]
        root = bytes.fromhex(case["root"][2:])
        assert merkle_root(leaves) == root
        for index, path in enumerate(case["paths"]):
            nodes = [bytes.fromhex(node[2:]) for node in path]
            assert list(merkle_path(leaves, index)) == nodes
            verify_merkle_path(root, len(leaves), index, leaves[index], nodes)


@settings(deadline=None)
@given(LEAVES)
def test_the_shape_is_rfc_6962(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == textbook.merkle_root(leaves)


@settings(deadline=None)
@given(LEAVES, st.data())
def test_paths_verify_and_bind_index_count_and_leaf(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path, leaf = merkle_root(leaves), merkle_path(leaves, index), leaves[index]
    assert list(path) == textbook.merkle_path(leaves, index)
    verify_merkle_path(root, len(leaves), index, leaf, path)
    for forged in (
        (root, len(leaves), index, leaf + b"\x00", path),
        (root, len(leaves) + 1, index, leaf, path),
        (root, len(leaves), index, leaf, (*path, bytes(32))),
        (bytes(32), len(leaves), index, leaf, path),
        (root, len(leaves), len(leaves), leaf, path),
        (root, len(leaves), -1, leaf, path),
    ):
        with pytest.raises(ProofError):
            verify_merkle_path(*forged)
    for other in range(len(leaves)):
        if other != index and leaves[other] != leaf:
            with pytest.raises(ProofError):
                verify_merkle_path(root, len(leaves), other, leaf, path)
    for at in range(len(path)):
        with pytest.raises(ProofError):
            verify_merkle_path(root, len(leaves), index, leaf, path[:at] + path[at + 1 :])
        with pytest.raises(ProofError):
            verify_merkle_path(root, len(leaves), index, leaf, (*path[:at], bytes(32), *path[at + 1 :]))
        with pytest.raises(ProofError):
            verify_merkle_path(root, len(leaves), index, leaf, (*path[:at], path[at][:31], *path[at + 1 :]))


def test_equal_leaves_still_have_one_place_each() -> None:
    leaves = [b"same"] * 5
    root, path = merkle_root(leaves), merkle_path(leaves, 4)
    with pytest.raises(ProofError):
        verify_merkle_path(root, 5, 0, b"same", path)


def test_a_node_is_not_a_leaf() -> None:
    """Second preimage: the two children of a node, given as a leaf of a smaller tree, make another root."""
    leaves = [b"a", b"b", b"c", b"d"]
    inner = [
        b"".join([textbook.merkle_tree_hash(leaves[:1]), textbook.merkle_tree_hash(leaves[1:2])]),
        b"".join([textbook.merkle_tree_hash(leaves[2:3]), textbook.merkle_tree_hash(leaves[3:])]),
    ]
    assert merkle_root(inner) != merkle_root(leaves)


def test_a_duplicated_last_leaf_changes_the_root() -> None:
    assert merkle_root([b"a", b"b", b"c"]) != merkle_root([b"a", b"b", b"c", b"c"])


def test_no_leaves_no_tree() -> None:
    with pytest.raises(ValueError, match="between 1"):
        merkle_root([])
    with pytest.raises(IndexError):
        merkle_path([b"a"], 1)
