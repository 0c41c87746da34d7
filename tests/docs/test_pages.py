"""Every page: links resolve, paths exist, commands are run by a test or say why not, options are real."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from fedtrust.cli.main import COMMANDS, cli
from tests.docs.markdown import DOCUMENTS, ROOT, anchors, blocks, links, prose

FOLLOWED = {ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md")}
"""The pages whose commands test_readme and test_howtos run from the first to the last."""

every_page = pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


@every_page
def test_links_resolve(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leaves the repository"
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link} (there are {sorted(anchors(target))})"


@every_page
def test_paths_exist(page: Path) -> None:
    for path in re.findall(r"`((?:fedtrust|contracts|scripts|tests|docs|benchmarks)/[\w./-]*)`", prose(page)):
        assert (ROOT / path).exists(), f"{page.name}: {path}"


@every_page
def test_commands_are_run_or_say_why_not(page: Path) -> None:
    for block in blocks(page, "sh"):
        assert page in FOLLOWED, f"{block.place}: no test runs the commands of this page"
        assert block.reason_not_run or not block.comment.startswith("not run"), f"{block.place}: no reason"
    languages = set(re.findall(r"^ *```(\w*)\n", page.read_text(), re.MULTILINE)) - {""}
    assert languages <= {"sh", "text", "python"}, f"{page.name}: commands belong into sh blocks"


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}


@every_page
def test_commands_and_options_exist(page: Path) -> None:
    group = click.Context(cli)
    text = page.read_text().replace("\\\n", " ")
    if page.name == "commands.md":
        return
    for line in re.findall(r"(?:^|[`(] *|\| )fedtrust ([a-z][^`\n|)$]*)", text, re.MULTILINE):
        words = shlex.split(line.replace("'", "").replace('"', ""), comments=True)
        assert words[0] in COMMANDS, f"{page.name}: fedtrust {line}"
        command = cli.get_command(group, words[0])
        if isinstance(command, click.Group) and len(words) > 1:
            command = command.get_command(group, words[1])
        assert command is not None, f"{page.name}: fedtrust {line}"
        used = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
        assert used <= options_of(command), f"{page.name}: fedtrust {line}"


def test_every_page_is_linked_from_another() -> None:
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in DOCUMENTS for link in links(page)}
    linked |= {folder / "README.md" for folder in linked if folder.is_dir()}
    assert set(DOCUMENTS) - {ROOT / "README.md"} <= linked


def test_prose_is_not_hard_to_read() -> None:
    for page in DOCUMENTS:
        assert "—" not in page.read_text(), f"{page.name}: an em dash"
        long = [line for line in prose(page).splitlines() if len(line) > 120 and not line.startswith("|")]
        assert not long, f"{page.name}: {long[0]}"
