"""Which functions read bytes from outside, found by their names in the source; every one is a target or is excused."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import fedtrust

ROOMS = ("crypto", "protocol", "ledger", "store", "audit", "rules", "nodes")
"""``learning`` and ``cli`` read the person's own files; ``nodes`` is listed for what it reads from its folders."""

FILES = ("cli/head.py",)
"""Of the other rooms: the file of a head's proof comes from somebody else."""

_NAMES = re.compile(r"^(from_|parse|decode|unpack|read|open_|load|import_|unseal|decompress|stored_|shown_)")

EXCUSED = {
    "fedtrust.audit.evidence.Evidence.read": "returns what was read; reads nothing",
    "fedtrust.audit.identities.IdentityLog.open_round": "notes that a round was opened; reads no file",
    "fedtrust.crypto.fixed_base.TableStore.load": "a Protocol; the bytes go through FixedBaseTable.from_bytes",
    "fedtrust.crypto.threshold.open_with_roots": "opens ciphertexts, not a file",
    "fedtrust.ledger.decoding.stored_kind": "one integer; reached through stored_round and Web3LedgerReader",
    "fedtrust.ledger.interface.Ledger.open_round": "opens a round, not a file",
    "fedtrust.ledger.interface.LedgerReader.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.memory.MemoryLedger.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.memory_chain.MemoryChain.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.memory_disputes.MemoryDisputes.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.memory_endings.MemoryEndings.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.memory_rounds.MemoryRounds.open_round": "opens a round, not a file",
    "fedtrust.ledger.web3_reader.Web3LedgerReader.open_disputes": "counts disputes; opens nothing",
    "fedtrust.ledger.writes.LedgerWrites.open_round": "opens a round, not a file",
    "fedtrust.nodes.identity.open_identity": "each attempt costs a second of scrypt; tests/nodes damages every file",
}
"""Names that sound like decoders and need no target of their own, with the reason."""


def decoders() -> Iterator[str]:
    """Yield the dotted names of all public functions and methods that sound like decoders."""
    root = Path(fedtrust.__file__).parent
    paths = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    for path in [*paths, *(root / file for file in FILES)]:
        module = ".".join(("fedtrust", *path.relative_to(root).with_suffix("").parts))
        tree = ast.parse(path.read_text())
        for name in _functions(tree, ""):
            if _NAMES.match(name.rpartition(".")[2]):
                yield f"{module}.{name}"


def _functions(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.ClassDef):
            yield from _functions(each, f"{prefix}{each.name}.")
        elif isinstance(each, ast.FunctionDef):
            yield prefix + each.name
