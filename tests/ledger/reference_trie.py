"""The Merkle-Patricia trie as the Yellow Paper defines it (appendices C and D): builds whole tries and their proofs.

It shares nothing with the verifier but RLP: the paper's recursive definition of c and n over a set of pairs, instead
of a walk over nodes. ``test_merkle_patricia.py`` compares its roots with published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from fedtrust.ledger.merkle_patricia import Item

Form = Literal["as geth", "as Anvil"]
"""Whether a proof leaves out the nodes that are embedded in their parent, or repeats them."""


def hex_prefix(nibbles: str, leaf: bool) -> bytes:
    odd = len(nibbles) % 2
    return bytes.fromhex(f"{2 * leaf + odd}{'' if odd else '0'}{nibbles}")


def structure(pairs: Mapping[str, bytes]) -> Item:
    """The paper's c: the node that holds ``pairs``, whose keys are what is left of the paths, as hex digits."""
    keys = sorted(pairs)
    if len(keys) == 1:
        return [hex_prefix(keys[0], leaf=True), pairs[keys[0]]]
    common = 0
    while all(len(key) > common and key[common] == keys[0][common] for key in keys):
        common += 1
    if common:
        rest = {key[common:]: value for key, value in pairs.items()}
        return [hex_prefix(keys[0][:common], leaf=False), reference(rest)]
    children = [{k[1:]: v for k, v in pairs.items() if k[:1] == digit} for digit in "0123456789abcdef"]
    return [*(reference(child) for child in children), pairs.get("", b"")]


def reference(pairs: Mapping[str, bytes]) -> Item:
    """The paper's n: how a parent names the node that holds ``pairs``."""
    if not pairs:
        return b""
    node = structure(pairs)
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


class ReferenceTrie:
    """A trie over ``pairs``; with ``hashed`` their keys are hashed first, as in the state and in storage."""

    def __init__(self, pairs: Mapping[bytes, bytes], *, hashed: bool = False) -> None:
        self.hashed = hashed
        self.pairs = {self.path(key): value for key, value in pairs.items()}
        self.root: bytes = keccak(rlp.encode(structure(self.pairs) if pairs else b""))

    def path(self, key: bytes) -> str:
        return (keccak(key) if self.hashed else key).hex()

    def proof(self, key: bytes, form: Form = "as geth") -> tuple[bytes, ...]:
        """The nodes on the path to ``key``, from the root down to where it ends or leaves the trie."""
        nodes: list[bytes] = []
        here, path = self.pairs, self.path(key)
        while here:
            node = structure(here)
            encoded = rlp.encode(node)
            if not nodes or len(encoded) >= 32 or form == "as Anvil":
                nodes.append(encoded)
            if len(node) == 17:
                if not path:
                    break
                step = path[0]
            else:
                digits = node[0].hex()  # type: ignore[union-attr]
                step = digits[1:] if digits[0] in "13" else digits[2:]
                if digits[0] in "23" or not path.startswith(step):
                    break
            here = {k[len(step) :]: v for k, v in here.items() if k.startswith(step)}
            path = path[len(step) :]
        return tuple(nodes)
