"""The how-tos, followed together: operator, three trustees, two participants, auditor and watcher in one federation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedtrust.ledger.devnet import free_port
from tests.docs.markdown import ROOT, Block, blocks
from tests.docs.session import Session

HOW_TO = ROOT / "docs" / "how-to"
OPERATOR, TRUSTEE, PARTICIPANT, AUDITOR, WATCHER = (
    HOW_TO / f"{name}.md" for name in ("operator", "trustee", "participant", "auditor", "watcher")
)


class Readers:
    """Several people with a page each, who take turns; at the end all pages must have been done."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._left: dict[Path, list[Block]] = {
            page: blocks(page, "sh") for page in (OPERATOR, TRUSTEE, PARTICIPANT, AUDITOR, WATCHER)
        }

    def follow(self, page: Path, *headings: str) -> None:
        """Do what ``page`` says under ``headings``, or all that is left of it."""
        wanted = headings or tuple(dict.fromkeys(block.heading for block in self._left[page]))
        for heading in wanted:
            chosen = [block for block in self._left[page] if block.heading == heading]
            assert chosen, f"{page.name} has nothing left to do under {heading!r}"
            for block in chosen:
                self._session.do(block)
                self._left[page].remove(block)

    def as_others(self, page: Path, heading: str, replacements: dict[str, str]) -> None:
        """Do what ``page`` says under ``heading`` once more, as somebody else of the same role."""
        for block in blocks(page, "sh"):
            if block.heading == heading:
                self._session.do(block.replaced(replacements))

    def left(self) -> list[str]:
        return [block.place for page in self._left.values() for block in page]


@pytest.mark.e2e
@pytest.mark.slow
def test_the_pages_together_make_a_verified_federation(tmp_path: Path) -> None:
    rpc, service = free_port(), free_port()
    replacements = {
        "8545": str(rpc),
        "8443": str(service),
        "--bits 3072": "--test-key tests/fixtures/test_key_2048.json",
        "rounds = 10": "rounds = 1",
        "quorum = 3": "quorum = 2",
    }
    with Session(tmp_path, replacements, {}) as session:
        people = Readers(session)
        people.follow(TRUSTEE, "Make an identity")
        people.as_others(TRUSTEE, "Make an identity", {"--out trustee": "--out trustee-2", "trustee.pass": "t2.pass"})
        people.as_others(TRUSTEE, "Make an identity", {"--out trustee": "--out trustee-3", "trustee.pass": "t3.pass"})
        people.follow(PARTICIPANT, "Read the task", "Make an identity")
        bank = {"clinic": "bank"}
        (tmp_path / "bank.csv").write_bytes((tmp_path / "clinic.csv").read_bytes())
        people.as_others(PARTICIPANT, "Make an identity", bank)
        received = tmp_path / "received"
        received.mkdir()
        for name, sent in (
            ("trustee", "trustee-1"), ("trustee-2", "trustee-2"), ("trustee-3", "trustee-3"),
            ("clinic", "clinic"), ("bank", "bank"),
        ):  # fmt: skip
            (received / f"{sent}.json").write_bytes((tmp_path / name / "identity.json").read_bytes())

        people.follow(
            OPERATOR,
            "A chain to practise on",
            "Make your identities",
            "Hold the key ceremony",
            "Deploy the contract",
            "Admit everybody",
            "Write the settings and the first model",
        )
        secrets = {
            "trustee": "trustee.pass", "trustee-2": "t2.pass", "trustee-3": "t3.pass", "clinic": "clinic.pass",
            "bank": "bank.pass",
        }  # fmt: skip
        for name, passphrase in secrets.items():
            session.adopt_exports(FEDTRUST_PASSPHRASE_FILE=passphrase)
            if name == "trustee":
                people.follow(TRUSTEE, "Register", "Run")
            elif name == "trustee-2":
                second = {"trustee-home": "t2-home", "--identity trustee": "--identity trustee-2", "share-1": "share-2"}
                people.as_others(TRUSTEE, "Register", second)
                people.as_others(TRUSTEE, "Run", {"terminal trustee": "terminal trustee-2", **second})
            elif name == "trustee-3":  # registers, and is never seen again
                third = {"trustee-home": "t3-home", "--identity trustee": "--identity trustee-3"}
                people.as_others(TRUSTEE, "Register", third)
            elif name == "clinic":
                people.follow(PARTICIPANT, "Register", "Run")
            else:
                people.as_others(PARTICIPANT, "Register", bank)
                people.as_others(PARTICIPANT, "Run", bank)
        session.adopt_exports(FEDTRUST_PASSPHRASE_FILE="operator.pass")
        people.follow(OPERATOR, "Run the aggregator", "Look after it")

        session.adopt_exports(FEDTRUST_PASSPHRASE_FILE="clinic.pass")
        people.follow(PARTICIPANT)
        session.adopt_exports(FEDTRUST_PASSPHRASE_FILE="trustee.pass")
        people.follow(TRUSTEE)
        people.follow(AUDITOR)
        assert json.loads((tmp_path / "audit.json").read_text())["verified"] is True
        people.follow(WATCHER)
        session.close("bank")  # a node ends by itself, with an error, when its identity is revoked
        session.adopt_exports(FEDTRUST_PASSPHRASE_FILE="operator.pass")
        people.follow(OPERATOR)
        assert people.left() == []
        status = json.loads(session.type("fedtrust status --json", "status"))
        assert [r["phase"] for r in status["rounds"]] == ["settled"]
        members = {identity["status"] for identity in status["identities"] if identity["role"] == "participant"}
        assert members == {"leaving", "revoked"}


def test_the_page_on_a_key_of_one_holder(tmp_path: Path) -> None:
    with Session(tmp_path, {}, {}) as session:
        session.follow(HOW_TO / "single-holder.md")
        assert sorted(p.name for p in tmp_path.iterdir() if p.suffix in (".key", ".json") and not p.is_symlink()) == [
            "our.key",
            "public.json",
            "same.key",
        ]
        shown = [json.loads(session.type(f"fedtrust key show {k} --json", k)) for k in ("our.key", "same.key")]
        assert shown[0] == shown[1]
        assert shown[0]["bits"] == 3072
