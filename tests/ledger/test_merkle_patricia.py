"""Merkle-Patricia proofs: true ones against a reference trie, and every kind of false one."""

from __future__ import annotations

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.errors import ProofError
from fedtrust.ledger.merkle_patricia import EMPTY_ROOT, MAX_NODE_BYTES, Item, verify_path
from tests.ledger.reference_trie import Form, ReferenceTrie

FORMS: tuple[Form, ...] = ("as geth", "as Anvil")

# few different bytes, so that paths share nibbles, end inside each other, and leave each other at any nibble
KEYS = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0x1F, 0xF1]), min_size=1, max_size=4).map(bytes)
VALUES = st.binary(min_size=1, max_size=3) | st.binary(min_size=30, max_size=40)
PAIRS = st.dictionaries(KEYS, VALUES, max_size=12)


def verify(root: bytes, key: bytes, nodes: tuple[bytes, ...]) -> bytes | None:
    return verify_path(root, key, nodes, trie="test")


@pytest.mark.parametrize(
    ("pairs", "root"),
    [  # published with the Ethereum tests (TrieTests/trieanyorder.json)
        ({b"A": b"a" * 50}, "d23786fb4a010da3ce639d66d5e904a11dbc02746d1ce25029e53290cabf28ab"),
        (
            {b"doe": b"reindeer", b"dog": b"puppy", b"dogglesworth": b"cat"},
            "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
        ),
        (
            {b"do": b"verb", b"horse": b"stallion", b"doge": b"coin", b"dog": b"puppy"},
            "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
        ),
        ({b"foo": b"bar", b"food": b"bass"}, "17beaa1648bafa633cda809c90c04af50fc8aed3cb40d16efbddee6fdf63c4c3"),
        (
            {b"be": b"e", b"dog": b"puppy", b"bed": b"d"},
            "3f67c7a47520f79faa29255d2d3c084a7a6df0453116ed7232ff10277a8be68b",
        ),
        ({b"test": b"test", b"te": b"testy"}, "8452568af70d8d140f58d941338542f645fcca50094b20f3c3d8c3df49337928"),
        (
            {b"\x00\x45": bytes.fromhex("0123456789"), b"\x45\x00": bytes.fromhex("9876543210")},
            "285505fcabe84badc8aa310e2aae17eddc7d120aabec8a476902c8184b3a3503",
        ),
    ],
)
def test_published_tries(pairs: dict[bytes, bytes], root: str) -> None:
    trie = ReferenceTrie(pairs)
    assert trie.root.hex() == root
    for form in FORMS:
        for key, value in pairs.items():
            assert verify(trie.root, key, trie.proof(key, form)) == value
        assert verify(trie.root, b"absent", trie.proof(b"absent", form)) is None


def test_the_empty_trie_holds_nothing() -> None:
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert verify(EMPTY_ROOT, b"key", ()) is None  # geth
    assert verify(EMPTY_ROOT, b"key", (b"\x80",)) is None  # Anvil and Hardhat
    with pytest.raises(ProofError, match="not on the path"):
        verify(EMPTY_ROOT, b"key", (b"\x80", b"\x80"))
    with pytest.raises(ProofError, match="ends before"):
        verify(ReferenceTrie({b"key": b"value"}).root, b"key", ())


@given(PAIRS, KEYS, st.sampled_from(FORMS))
def test_inclusion_and_exclusion_follow_the_reference(pairs: dict[bytes, bytes], other: bytes, form: Form) -> None:
    trie = ReferenceTrie(pairs)
    for key in (*pairs, other):
        assert verify(trie.root, key, trie.proof(key, form)) == pairs.get(key)


@given(PAIRS, KEYS, KEYS, st.sampled_from(FORMS))
def test_the_proof_of_one_key_never_lies_about_another(
    pairs: dict[bytes, bytes], proven: bytes, asked: bytes, form: Form
) -> None:
    trie = ReferenceTrie(pairs)
    try:
        value = verify(trie.root, asked, trie.proof(proven, form))
    except ProofError:
        assert trie.proof(proven, form) != trie.proof(asked, form)
    else:
        assert value == pairs.get(asked)


@given(PAIRS.filter(bool), KEYS, st.data())
def test_any_change_to_a_proof_breaks_it(pairs: dict[bytes, bytes], other: bytes, data: st.DataObject) -> None:
    trie = ReferenceTrie(pairs)
    key = data.draw(st.sampled_from([*pairs, other]))
    nodes = trie.proof(key)
    place = data.draw(st.integers(0, len(nodes) - 1))
    node = nodes[place]
    byte = data.draw(st.integers(0, len(node) - 1))
    flip = data.draw(st.integers(1, 255))
    flipped = node[:byte] + bytes([node[byte] ^ flip]) + node[byte + 1 :]
    for wrong in (
        nodes[:place],
        (*nodes[:place], *nodes[place + 1 :]),
        (*nodes[:place], flipped, *nodes[place + 1 :]),
        (*nodes[:place], node[:byte], *nodes[place + 1 :]),
        (*nodes[:place], node + b"\x00", *nodes[place + 1 :]),
        (*nodes[: place + 1], *nodes[place:]),
        (*nodes, flipped),
    ):
        with pytest.raises(ProofError):
            verify(trie.root, key, wrong)
    if len(nodes) > 1:
        with pytest.raises(ProofError):
            verify(trie.root, key, nodes[::-1])


def test_a_repeated_embedded_node_must_be_the_one_in_its_parent() -> None:
    trie = ReferenceTrie({b"\x11": b"a", b"\x12": b"b"})
    parent, leaf = trie.proof(b"\x12", "as Anvil")[-2:]
    other_leaf = trie.proof(b"\x11", "as Anvil")[-1]
    assert trie.proof(b"\x12") != trie.proof(b"\x12", "as Anvil")
    assert len(leaf) < 32
    above = trie.proof(b"\x12", "as Anvil")[:-2]
    assert verify(trie.root, b"\x12", (*above, parent, leaf)) == b"b"
    for wrong in ((other_leaf,), (leaf, leaf), (leaf, other_leaf)):
        with pytest.raises(ProofError, match="not on the path"):
            verify(trie.root, b"\x12", (*above, parent, *wrong))


def nested(depth: int) -> bytes:
    encoded = b"\xc0"
    while depth and len(encoded) < MAX_NODE_BYTES - 3:
        encoded = rlp.codec.length_prefix(len(encoded), 0xC0) + encoded
        depth -= 1
    return encoded


LEAF = [b"\x20", b"v"]
BLANKS = [b""] * 17


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"\x81\x01",  # one byte below 128 is its own encoding
        b"\xc2\x20",  # a list that ends too early
        b"\xf8\x02\x20\x30",  # the long form for a short list
        b"\xb9\x00",
        b"a string",
        [],
        [b"\x20"],
        [b"\x20", b"v", b"w"],
        [b""] * 16,
        [b""] * 18,
        [b"", b"v"],  # no path at all
        [b"\x40", b"v"],  # a flag that does not exist
        [b"\x21\x11", b"v"],  # an even path whose filler is not zero
        [b"\x00", b"\x11" * 32],  # an extension by nothing
        [b"\x00\x10", b""],  # an extension to nothing
        [b"\x00\x10", b"\x11" * 31],  # neither a hash nor a node
        [b"\x00\x10", b"\x11" * 33],
        [b"\x00\x10", [b"\x20", b"v" * 40]],  # too long to be embedded
        [b"\x00\x10", []],
        [b"\x20\x10", b""],  # a leaf without a value
        [b"\x20\x10", LEAF],  # a leaf whose value is a list
        [LEAF, b"v"],  # a path that is a list
        [b"", b"\x11" * 31, *BLANKS[2:]],
        [b"", [b"\x20", b"v" * 40], *BLANKS[2:]],
        [b"\x20", b"v" * MAX_NODE_BYTES],  # longer than any node
        nested(1000),
    ],
    ids=lambda node: rlp.encode(node).hex()[:20] if isinstance(node, list) else node.hex()[:20],
)
def test_what_is_no_node_of_a_trie_is_refused_whatever_its_hash(node: bytes | list[Item]) -> None:
    encoded = node if isinstance(node, bytes) else rlp.encode(node)
    with pytest.raises(ProofError, match=r"of the test proof is not (one of a trie|RLP)") as caught:
        verify(keccak(encoded), b"\x10", (encoded,))
    assert caught.value.advice


def test_values_that_are_lists_are_refused_in_branches_too() -> None:
    encoded = rlp.encode([*BLANKS[:16], LEAF])
    with pytest.raises(ProofError, match="not one of a trie"):
        verify(keccak(encoded), b"", (encoded,))


def test_the_empty_trie_is_no_child() -> None:
    encoded = rlp.encode([b"\x00\x10", EMPTY_ROOT])
    with pytest.raises(ProofError, match="not one of a trie"):
        verify(keccak(encoded), b"\x10\x10", (encoded, b"\x80"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_root_that_is_no_hash(length: int) -> None:
    with pytest.raises(ProofError, match="not a hash"):
        verify(bytes(length), b"key", ())
