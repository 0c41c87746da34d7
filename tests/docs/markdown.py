"""Reads the project's Markdown: fenced code blocks with the comment above them, links and headings.

A comment on the line above a ``sh`` block says how a test runs it:

    (none)                                      to its end, in the session's main terminal; it must succeed
    <!-- terminal NAME until "TEXT" -->         in a terminal of its own, left running once TEXT is in its output
    <!-- terminal NAME for VARIABLE in A B C until "TEXT" -->
                                                the same, once for each value of the block's line VARIABLE=...
    <!-- after NAME says "TEXT" -->             as without a comment, once TEXT is in that terminal's output
    <!-- not run: REASON -->                    not at all
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (.*) -->\s*$")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block: where it is, its language, its text, the comment above it and the last heading."""

    file: Path
    line: int
    language: str
    text: str
    comment: str
    heading: str

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"

    @property
    def words(self) -> list[str]:
        return [] if self.reason_not_run else shlex.split(self.comment)

    @property
    def reason_not_run(self) -> str:
        return self.comment.removeprefix("not run: ") if self.comment.startswith("not run: ") else ""

    def replaced(self, replacements: Mapping[str, str]) -> Block:
        """Return the block with words of its text and comment replaced."""
        text, comment = self.text, self.comment
        for old, new in replacements.items():
            text, comment = text.replace(old, new), comment.replace(old, new)
        return replace(self, text=text, comment=comment)


def blocks(file: Path, language: str) -> list[Block]:
    """Return the blocks of ``language`` in ``file``, in their order."""
    text = file.read_text()
    found = []
    for match in _FENCE.finditer(text):
        if match[2] == language:
            before = text[: match.start()]
            comment, headings = _COMMENT.search(before), _HEADING.findall(_FENCE.sub("", before))
            found.append(
                Block(
                    file=file,
                    line=before.count("\n") + 1,
                    language=language,
                    text=match[3],
                    comment=comment[1] if comment else "",
                    heading=headings[-1] if headings else "",
                )
            )
    return found


def prose(file: Path) -> str:
    """Return the text of ``file`` without its code blocks."""
    return _FENCE.sub("", file.read_text())


def links(file: Path) -> list[str]:
    """Return the targets of the links in the prose of ``file``."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(file)))


def anchors(file: Path) -> set[str]:
    """Return the anchors of the headings of ``file``, as code hosts make them."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in _HEADING.findall(prose(file))}


def table_rows(file: Path) -> list[list[str]]:
    """Return the cells of every table row of ``file``, header rows included."""
    return [
        [c.strip() for c in line.strip("|").split("|")] for line in file.read_text().splitlines() if line[:1] == "|"
    ]
