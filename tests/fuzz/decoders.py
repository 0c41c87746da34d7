"""Which functions read bytes from outside, found by their names in the source; every one is a target or is excused."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import fedtrust

ROOMS = ("crypto", "protocol", "ledger", "store", "audit", "rules", "nodes")
"""``learning`` and ``cli`` read the person's own files; ``nodes`` is listed for what it reads from its folders."""

_NAMES = re.compile(r"^(from_|parse|decode|unpack|read|open_|load|import_|unseal|decompress)")

EXCUSED = {
    "fedtrust.audit.evidence.Evidence.read": "returns what was read; reads nothing",
    "fedtrust.crypto.fixed_base.TableStore.load": "a Protocol; the bytes go through FixedBaseTable.from_bytes",
    "fedtrust.crypto.threshold.open_with_roots": "opens ciphertexts, not a file",
    "fedtrust.ledger.interface.Ledger.open_round": "opens a round, not a file",
    "fedtrust.ledger.writes.LedgerWrites.open_round": "opens a round, not a file",
    "fedtrust.nodes.identity.open_identity": "each attempt costs a second of scrypt; tests/nodes damages every file",
}
"""Names that sound like decoders and need no target of their own, with the reason."""


def decoders() -> Iterator[str]:
    """Yield the dotted names of all public functions and methods that sound like decoders."""
    root = Path(fedtrust.__file__).parent
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
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
