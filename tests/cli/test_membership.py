"""An identity's life by its own commands: admitted, registered, rotated, suspended, gone, paid. Real chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedtrust.cli.account import UNIT
from fedtrust.cli.main import COMMANDS
from fedtrust.errors import ExitCode
from fedtrust.ledger.devnet import Devnet, start_devnet
from fedtrust.ledger.types import Address, Role, Status
from fedtrust.nodes.identity import create_identity
from tests.e2e.federation import Federation, Outcome, federation, fedtrust_here
from tests.e2e.people import PASSPHRASE, People, cheap_keystores

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain of its own: these tests move its clock."""
    with start_devnet("anvil", log_path=tmp_path_factory.mktemp("chain") / "anvil.log") as devnet:
        yield devnet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, chain: Devnet, people: People) -> Iterator[Federation]:
    with federation(tmp_path_factory.mktemp("members"), chain, people, participants=1) as made:
        yield made


class Member:
    """Somebody new with a folder of its own."""

    def __init__(self, made: Federation, folder: Path, role: Role = Role.PARTICIPANT) -> None:
        self._made, self.folder = made, folder
        with cheap_keystores():
            self.account = create_identity(folder, role, PASSPHRASE).account

    def __call__(self, command: str, *arguments: object, folder: Path | None = None) -> Outcome:
        own = ("--identity", folder or self.folder, "--home", self.folder.with_name(f"{self.folder.name}-home"))
        return fedtrust_here(command, *self._made.chain, *self._made.passphrase, "--json", *own, *arguments)

    def admit(self, *options: object) -> Any:
        everything = options or ("--gas-money", 1, "--stake-money")
        return self._made.operate("admit", "--contract", self._made.contract, *everything, self.folder).json

    def shown(self, account: Address | None = None) -> dict[str, Any]:
        wanted = account or self.account
        return next(each for each in self._made.status()["identities"] if each["account"] == wanted)


@pytest.fixture
def member(made: Federation, tmp_path: Path) -> Member:
    return Member(made, tmp_path / "member")


@pytest.fixture
def active(member: Member) -> Member:
    member.admit()
    assert member("register").code == ExitCode.OK
    return member


def refused(outcome: Outcome, code: ExitCode, *words: str) -> None:
    assert outcome.code == code, outcome.err
    body = json.loads(outcome.err.splitlines()[-1])
    said = " ".join(str(value) for value in body.values())
    for word in words:
        assert word in said


def test_from_admission_to_registration(made: Federation, chain: Devnet, member: Member) -> None:
    refused(member("register"), ExitCode.IDENTITY, "was not admitted", "fedtrust admit")
    assert member.admit() == {"account": member.account, "role": "participant", "sent": str(11 * UNIT // 10)}
    assert member.shown()["status"] == "admitted"
    assert member.shown()["index"] is None
    assert member.admit()["sent"] == "0"  # it has the money
    staked, held = made.reader.total_stake(), made.balance()
    registered = member("register")
    assert registered.code == ExitCode.OK, registered.err
    body = registered.json
    assert (body["role"], body["stake"]) == ("participant", str(UNIT // 10))
    assert member("register").json == body  # asked again, nothing is sent or paid
    assert made.reader.total_stake() - staked == made.balance() - held == UNIT // 10
    shown = member.shown()
    assert (shown["status"], shown["stake"], shown["epoch"]) == ("active", str(UNIT // 10), 1)
    assert member.admit()["sent"] == str(UNIT)  # what it spent on gas; a stake that was paid is not sent once more


def test_a_member_without_the_stake_is_told(made: Federation, member: Member) -> None:
    member.admit("--gas-money", "0.01")
    outcome = member("register")
    assert outcome.code == ExitCode.TRANSACTION_FAILED
    assert made.reader.identity(member.account).status is Status.ADMITTED  # type: ignore[union-attr]


def test_a_new_certificate_keeps_everything_else(made: Federation, active: Member, tmp_path: Path) -> None:
    new = tmp_path / "new"
    before = active.shown()
    with cheap_keystores():
        outcome = fedtrust_here(
            "identity", "--json", "--successor-of", active.folder, "--out", new, *made.passphrase
        )  # fmt: skip
    assert outcome.code == ExitCode.OK, outcome.err
    assert (outcome.json["account"], outcome.json["role"]) == (active.account, "participant")
    for _ in range(2):  # asked again, it is the same rotation
        rotated = active("rotate", "--to", new)
        assert rotated.code == ExitCode.OK, rotated.err
        assert (rotated.json["account"], rotated.json["epoch"]) == (active.account, 2)
    after = active.shown()
    assert after["certificate_fingerprint"] == outcome.json["certificate_fingerprint"]
    assert after["certificate_fingerprint"] != before["certificate_fingerprint"]
    assert (after["index"], after["stake"], after["status"]) == (before["index"], before["stake"], "active")


def test_a_new_account_takes_the_place(made: Federation, active: Member, tmp_path: Path) -> None:
    before = active.shown()
    other = Member(made, tmp_path / "other")
    refused(active("rotate", "--to", other.folder), ExitCode.IDENTITY, "was not admitted", "fedtrust admit")
    other.admit("--gas-money", 1)
    rotated = active("rotate", "--to", other.folder)
    assert rotated.code == ExitCode.OK, rotated.err
    assert rotated.json["account"] == other.account
    assert active.shown()["status"] == "retired"
    after = other.shown()
    assert (after["index"], after["stake"], after["epoch"]) == (before["index"], before["stake"], 2)
    assert active.shown()["stake"] == "0"


def test_a_rotation_to_what_cannot_be_is_refused(made: Federation, active: Member, tmp_path: Path) -> None:
    trustee = Member(made, tmp_path / "trustee", Role.TRUSTEE)
    refused(active("rotate", "--to", trustee.folder), ExitCode.IDENTITY, "another role", "participant", "trustee")
    refused(active("rotate", "--to", tmp_path / "nowhere"), ExitCode.KEY_FILE, "nowhere", "does not exist")
    moved = made.as_("trustee-1", "rotate", "--to", trustee.folder)
    refused(moved, ExitCode.IDENTITY, "cannot change", "the key manifest names them", "--successor-of")
    assert active.shown()["epoch"] == 1


def test_leaving_and_the_way_of_the_stake(made: Federation, chain: Devnet, active: Member) -> None:
    for _ in range(2):
        left = active("leave")
        assert left.code == ExitCode.OK, left.err
    assert left.json["stake"] == str(UNIT // 10)
    assert active.shown()["status"] == "leaving"
    refused(active("release"), ExitCode.TRANSACTION_FAILED, "StakeHeld")
    chain.increase_time(made.reader.config().unbonding_seconds + 1)
    released = active("release")
    assert released.code == ExitCode.OK, released.err
    assert released.json == {"account": active.account, "claimable": str(UNIT // 10)}
    assert active.shown()["status"] == "left"
    paid = active("claim")
    assert paid.json == {"account": active.account, "wei": str(UNIT // 10)}
    assert active("claim").json["wei"] == "0"


def test_anybody_releases_for_a_revoked_one(made: Federation, chain: Devnet, active: Member) -> None:
    revoked = made.operate("revoke", "--contract", made.contract, active.account).json
    assert revoked["release_at"] > made.reader.now()
    assert active.shown()["status"] == "revoked"
    chain.increase_time(made.reader.config().unbonding_seconds + 1)
    outcome = made.as_("cleveland", "release", active.account)
    assert outcome.json == {"account": active.account, "claimable": str(UNIT // 10)}


def test_resuming_without_being_suspended_changes_nothing(made: Federation, active: Member) -> None:
    before = made.reader.events()
    assert active("resume").json == {"account": active.account, "eligible": True}
    assert made.reader.events() == before


def test_the_pool_is_funded_once_for_each_call(made: Federation) -> None:
    pool, held = made.reader.reward_pool(), made.balance()
    for _ in range(2):
        outcome = made.operate("fund", "--contract", made.contract, "0.25")
    assert outcome.json["added"] == str(UNIT // 4)
    assert outcome.json["reward_pool"] == str(pool + UNIT // 2)
    assert made.balance() - held == UNIT // 2
    nothing = made.as_("cleveland", "fund", 0)
    refused(nothing, ExitCode.USAGE, "AMOUNT is 0")


def test_where_there_is_no_reward_nothing_expires(made: Federation) -> None:
    pool = made.reader.reward_pool()
    outcome = made.as_("cleveland", "expire", made.people.account("cleveland"))
    assert outcome.json == {"account": made.people.account("cleveland"), "reward_pool": str(pool)}


@pytest.mark.parametrize("command", ["rotate", "leave", "resume"])
def test_who_never_registered_is_told_to(member: Member, command: str) -> None:
    assert command in COMMANDS
    member.admit()
    more = ("--to", member.folder) if command == "rotate" else ()
    refused(member(command, *more), ExitCode.IDENTITY, "is not registered", "fedtrust register")


def test_several_register_in_the_order_given(made: Federation, tmp_path: Path) -> None:
    members = [Member(made, tmp_path / name) for name in ("b", "a", "c")]
    for each in members:
        each.admit()
    words = [word for each in members for word in ("--identity", each.folder)]
    outcome = fedtrust_here(
        "register", *made.chain, *made.passphrase, "--json", "--home", tmp_path / "homes", *words
    )  # fmt: skip
    assert outcome.code == ExitCode.OK, outcome.err
    indices = [json.loads(line)["index"] for line in outcome.out.splitlines()]
    assert indices == list(range(indices[0], indices[0] + 3))
    assert [each.shown()["index"] for each in members] == indices
    assert sorted(path.name for path in (tmp_path / "homes").iterdir()) == ["a", "b", "c"]
