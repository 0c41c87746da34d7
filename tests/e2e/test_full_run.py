"""A whole federation of processes on Anvil and on Hardhat: same models, to the bit, as plain integers give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.devnet import start_devnet
from fedtrust.ledger.types import Phase
from tests.e2e.conftest import ROUNDS
from tests.e2e.federation import Federation, federation, fedtrust
from tests.e2e.people import make_people


@pytest.fixture(scope="module")
def on_hardhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """The same federation with new accounts, certificates and shares."""
    folder = tmp_path_factory.mktemp("on-hardhat")
    others = make_people(folder / "people", trustees=3, hospitals=("cleveland", "hungary"))
    with (
        start_devnet("hardhat", log_path=folder / "hardhat.log") as hardhat,
        federation(folder, hardhat, others, rounds=ROUNDS) as made,
    ):
        made.start_all()
        made.await_done()
        made.rest()
        yield made


@pytest.fixture(params=["anvil", "hardhat"])
def completed(request: pytest.FixtureRequest) -> Federation:
    made: Federation = request.getfixturevalue(f"on_{request.param}")
    return made


def test_every_round_is_settled_with_everybody(completed: Federation) -> None:
    states = completed.states()
    assert [s.phase for s in states] == [Phase.SETTLED] * ROUNDS
    for state in states:
        assert state.committed == state.accepted == 0b11
        assert state.attested.bit_count() >= 2


def test_models_are_those_of_the_simulation_to_the_bit(completed: Federation) -> None:
    assert completed.models() == completed.simulated()


def test_a_second_run_with_new_accounts_gives_the_same_models(on_anvil: Federation, on_hardhat: Federation) -> None:
    for name in on_anvil.everybody:
        assert on_anvil.people.account(name) != on_hardhat.people.account(name)
    assert on_anvil.models() == on_hardhat.models()


@pytest.mark.parametrize("where", ["https", "folder"])
def test_the_auditor_verifies_it_with_three_addresses(completed: Federation, where: str) -> None:
    place = completed.url if where == "https" else completed.artifacts
    outcome = completed.audit(place, "--json")
    assert outcome.code == 0, outcome.err
    report = outcome.json
    assert report["verified"] is True
    assert report["counts"]["failed"] == 0
    assert [r["phase"] for r in report["rounds"]] == ["SETTLED"] * ROUNDS
    for each in report["rounds"]:
        assert {r["verdict"] for r in each["results"]} == {"passed"}


def test_the_auditor_prints_a_verdict_for_every_round_and_check(on_anvil: Federation) -> None:
    outcome = on_anvil.audit(on_anvil.url)
    assert outcome.code == 0, outcome.err
    for number in range(1, ROUNDS + 1):
        assert f"verified  round {number} (settled)" in outcome.out
    words = outcome.out.split()
    for check in ("R9", "spec", "R13", "update", "R18", "decryption-proof", "R23", "payout-record"):
        assert check in words
    assert f"{ROUNDS} rounds: verified" in outcome.out
    assert "Not established by this audit" in outcome.out


def test_status_says_what_the_chain_says(completed: Federation) -> None:
    status = completed.status()
    assert status["contract"] == completed.contract
    assert [r["phase"] for r in status["rounds"]] == ["settled"] * ROUNDS
    assert [r["model"] for r in status["rounds"]] == [to_hex(m) for m in completed.models()]
    assert [i["role"] for i in status["identities"]] == ["participant"] * 2 + ["trustee"] * 3 + ["aggregator"]
    assert all(i["active"] and i["status"] == "active" for i in status["identities"])
    assert status["total_stake"] == str(sum(int(i["stake"]) for i in status["identities"]))
    counted = [i["reputation"] for i in status["identities"]]
    assert [c["accepted"] for c in counted] == [ROUNDS] * 2 + [0] * 3 + [ROUNDS]
    assert sum(c["attested"] for c in counted) == sum(r["attested"] for r in status["rounds"])
    assert not any(c["late"] or c["missed"] or c["slashed"] for c in counted)
    assert status["disputes"] == []
    assert status["turn"]["round"] == ROUNDS + 1


def test_claim_pays_what_was_credited_and_once_only(completed: Federation) -> None:
    name = "cleveland"
    account = completed.people.account(name)
    credited = completed.reader.claimable(account)
    assert credited == ROUNDS * 10**17 * 7 // 10 // 2  # half of the participants' 70 % of 0.1 ether a round
    web3 = completed.devnet.web3()
    before = web3.eth.get_balance(account)  # type: ignore[arg-type]
    command = (
        "claim", *completed.chain, *completed.passphrase, "--json", "--identity", completed.people.identity(name),
        "--home", completed.folder / name,
    )  # fmt: skip
    first, second = fedtrust(*command), fedtrust(*command)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.json == {"account": account, "wei": str(credited)}
    assert second.json == {"account": account, "wei": "0"}
    assert completed.reader.claimable(account) == 0
    gained = web3.eth.get_balance(account) - before  # type: ignore[arg-type]
    assert credited - 10**15 < gained < credited  # less the gas, once
    # the audit counts claimed rewards, too
    assert completed.audit(completed.artifacts, "--json").code == 0


def test_nodes_end_with_zero_when_they_are_told_to(completed: Federation) -> None:
    # the last test here: what others need of these federations is on chain and on disk
    codes = {name: completed.stop(name) for name in completed.everybody}
    assert codes == dict.fromkeys(completed.everybody, 0)
