"""A head proven in a file convinces somebody with a block hash only; a changed file convinces nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedtrust.crypto.encoding import canonical_json, to_hex
from fedtrust.errors import ExitCode
from fedtrust.ledger.connection import connect
from fedtrust.ledger.devnet import start_devnet
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import Deadlines
from fedtrust.ledger.web3_ledger import Web3Ledger
from tests.e2e.federation import Federation, Outcome, federation, fedtrust_here
from tests.e2e.people import People

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", params=["anvil", "hardhat"])
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, people: People
) -> Iterator[Federation]:
    """A federation whose first round was aborted: nobody committed in time. That has a head, too."""
    folder = tmp_path_factory.mktemp("heads")
    with (
        start_devnet(request.param, log_path=folder / "node.log") as devnet,
        federation(folder / "run", devnet, people) as made,
    ):
        signer = people.open("aggregator").signer
        ledger = Web3Ledger(connect(devnet.rpc_url), made.contract, signer, Outbox(folder / "outbox.sqlite"))
        now = ledger.now()
        ledger.open_round(
            1, spec_hash=b"\1" * 32, base_model_hash=b"\2" * 32, selected=ledger.draw().selected, quorum=2,
            ciphertexts=1, deadlines=Deadlines(now + 50, now + 60, now + 70),
        )  # fmt: skip
        devnet.increase_time(100)
        ledger.abort_round(1)
        yield made


def prove(made: Federation, out: Path, *options: object) -> Outcome:
    return fedtrust_here("head", "prove", *made.chain, "--json", "--out", out, *options)


def verify(made: Federation, file: Path, block_hash: str, *options: object) -> Outcome:
    return fedtrust_here(
        "head", "verify", file, "--contract", made.contract, "--block-hash", block_hash, "--json", *options
    )


def test_the_file_and_a_block_hash_are_enough(ended: Federation, tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    made = prove(ended, file)
    assert made.code == ExitCode.OK, made.err
    assert made.json["round"] == 1
    assert made.json["head"] == to_hex(ended.reader.head(1))
    block = ended.devnet.web3().eth.get_block(made.json["block"])
    assert made.json["block_hash"] == to_hex(bytes(block["hash"]))
    found = verify(ended, file, made.json["block_hash"], "--chain-id", ended.reader.chain_id)
    assert found.code == ExitCode.OK, found.err
    assert found.json == {
        "round": 1, "head": made.json["head"], "block": made.json["block"], "timestamp": block["timestamp"],
        "verified": True,
    }  # fmt: skip
    again = prove(ended, file)
    assert (again.code, "nothing was overwritten" in again.err) == (ExitCode.CONFIGURATION, True)


def changed(body: dict[str, Any], **values: object) -> dict[str, Any]:
    return body | values


def test_nothing_in_the_file_can_be_changed(ended: Federation, tmp_path: Path) -> None:
    file, bad = tmp_path / "head.json", tmp_path / "bad.json"
    block_hash = prove(ended, file).json["block_hash"]
    body = json.loads(file.read_text())
    other = "0x" + "11" * 32
    for values, code in (
        ({"head": other}, ExitCode.PROOF),
        ({"round": 2}, ExitCode.PROOF),
        ({"contract": ended.people.account("va")}, ExitCode.PROOF),
        ({"block_hash": other}, ExitCode.PROOF),
        ({"header": body["header"][:-2] + "00"}, ExitCode.PROOF),
        ({"account_proof": body["account_proof"][:-1]}, ExitCode.PROOF),
        ({"storage_proof": body["account_proof"]}, ExitCode.PROOF),
        ({"storage_proof": []}, ExitCode.PROOF),
        ({"version": 2}, ExitCode.ARTIFACT),
        ({"format": "fedtrust.key-manifest"}, ExitCode.ARTIFACT),
        ({"more": 1}, ExitCode.ARTIFACT),
        ({"header": "0xzz"}, ExitCode.ARTIFACT),
    ):
        bad.write_bytes(canonical_json(changed(body, **values)))
        outcome = verify(ended, bad, block_hash)
        assert outcome.code == code, (values, outcome.err)
    bad.write_text(json.dumps(body, indent=1))
    assert verify(ended, bad, block_hash).code == ExitCode.ARTIFACT


def test_another_block_chain_or_contract_is_refused(ended: Federation, tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    block_hash = prove(ended, file).json["block_hash"]
    assert verify(ended, file, "0x" + "22" * 32).code == ExitCode.PROOF
    assert verify(ended, file, "0x22").code == ExitCode.CONFIGURATION
    assert verify(ended, file, block_hash, "--chain-id", 5).code == ExitCode.WRONG_CHAIN
    assert verify(ended, tmp_path / "nowhere.json", block_hash).code == ExitCode.CONFIGURATION
    stranger = fedtrust_here(
        "head", "verify", file, "--contract", ended.people.account("va"), "--block-hash", block_hash
    )
    assert stranger.code == ExitCode.PROOF


def test_a_round_without_a_head_is_not_proven(ended: Federation, tmp_path: Path) -> None:
    future = prove(ended, tmp_path / "2.json", "--round", 2)
    assert (future.code, "had not ended" in future.err) == (ExitCode.ROUND, True)
    early = prove(ended, tmp_path / "1.json", "--round", 1, "--block", ended.reader.config().deployed_block)
    assert (early.code, "had not ended" in early.err) == (ExitCode.ROUND, True)
    late = prove(ended, tmp_path / "3.json", "--block", 10**9)
    assert (late.code, "not confirmed yet" in late.err) == (ExitCode.CONFIGURATION, True)
    assert not list(tmp_path.glob("*.json"))
