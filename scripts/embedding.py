"""Parts of documents that are made from the code: rewritten in place, or compared with what they should be."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def embedded(text: str, parts: Mapping[str, str], where: str) -> str:
    """Return `text` with each generated part replaced; raises ValueError if the names are not those of `parts`."""
    names = [match[2] for match in _PART.finditer(text)]
    if sorted(names) != sorted(parts):
        raise ValueError(f"{where} has the parts {sorted(names)}, not {sorted(parts)}")
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match[2]].strip()}\n\n{match[3]}", text)


def run(documents: Mapping[Path, Mapping[str, str]]) -> None:
    """Rewrite the documents; with --check, exit with 1 and their names if any would change."""
    stale = []
    for path, parts in documents.items():
        old = path.read_text()
        new = embedded(old, parts, str(path))
        if new != old:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv[1:]:
                path.write_text(new)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(stale)}; run {Path(sys.argv[0]).name}")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
