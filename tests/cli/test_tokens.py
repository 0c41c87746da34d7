"""A federation whose stakes and rewards are an ERC-20 token, from the command line: deploy, register, fund, claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrust.errors import ExitCode
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import create_identity
from tests.e2e.federation import Outcome, fedtrust_here
from tests.e2e.people import PASSPHRASE, People, cheap_keystores
from tests.ledger.test_web3_tokens import TokenWorld, coin  # noqa: F401  # a fixture
from tests.ledger.worlds import KEYS, PARTICIPANTS

pytestmark = pytest.mark.timeout(300)

STAKE = 10**11
WRITTEN = "0.0000001"


def test_a_federation_of_tokens(anvil: Devnet, people: People, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = TokenWorld(anvil, request.getfixturevalue("coin"))
    folders = {}
    with cheap_keystores():
        for key, name, role in ((KEYS[0], "operator", Role.NONE), (KEYS[3], "clinic", Role.PARTICIPANT)):
            folders[name] = tmp_path / name
            create_identity(folders[name], role, PASSPHRASE, private_key=key)
    contract: list[object] = []

    def run(name: str, command: str, *arguments: object) -> Outcome:
        common = ("--rpc", anvil.rpc_url, *contract, "--passphrase-file", people.passphrase_file)
        return fedtrust_here(command, *common, "--identity", folders[name], *arguments)

    def done(outcome: Outcome) -> str:
        assert outcome.code == ExitCode.OK, outcome.err
        return outcome.out

    manifest = people.committee(2, 3) / "manifest.json"
    stakes = [w for role in ("participant", "trustee", "aggregator") for w in (f"--{role}-stake", WRITTEN)]
    deployed = run(
        "operator", "deploy", "--json", "--manifest", manifest, "--asset", world.token.address, *stakes,
        "--fund", WRITTEN,
    )  # fmt: skip
    done(deployed)
    contract += ["--contract", deployed.json["contract"]]

    def held(account: str) -> int:
        return int(world.token.functions.balanceOf(account).call())

    assert held(deployed.json["contract"]) == STAKE
    refused = run("operator", "admit", "--stake-money", folders["clinic"])
    assert refused.code == ExitCode.CONFIGURATION
    for words in ("--stake-money", "tokens", "send the tokens with a wallet"):
        assert words in refused.err
    done(run("operator", "admit", folders["clinic"]))
    before = held(PARTICIPANTS[0].address)
    told = done(run("clinic", "register"))
    assert f"staked {WRITTEN} tokens of {world.token.address}" in told
    done(run("clinic", "register"))
    assert before - held(PARTICIPANTS[0].address) == STAKE  # once
    assert f"added {WRITTEN} tokens" in done(run("operator", "fund", WRITTEN))
    assert held(deployed.json["contract"]) == 3 * STAKE
    assert "nothing to claim" in done(run("clinic", "claim"))
    status = fedtrust_here("status", "--rpc", anvil.rpc_url, *contract)
    assert f"in tokens of {world.token.address}: reward pool 0.0000002, staked {WRITTEN}" in " ".join(
        done(status).split()
    )
