"""Real nodes as child processes: found, started, paced, kept and stopped."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from eth_account import Account

from fedtrust.errors import ConfigurationError, LedgerError, PortTakenError, RpcUnreachableError
from fedtrust.ledger.connection import connect
from fedtrust.ledger.devnet import Devnet, DevnetKind, development_keys, find_anvil, fund, start_devnet
from fedtrust.ledger.types import Address, Phase
from tests.ledger.test_conformance import ALL, digest, finalize, prepare, to_upload
from tests.ledger.worlds import TRUSTEES, NodeWorld


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_accounts_are_the_well_known_ones(anvil: Devnet) -> None:
    # the first account of the development mnemonic, as every tool's documentation shows it
    first = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert Account.from_key(anvil.private_keys[0]).address == first
    assert len(set(development_keys(20))) == 20
    assert anvil.web3().eth.accounts == [Account.from_key(key).address for key in anvil.private_keys]
    assert repr(anvil.private_keys[0]) not in repr(anvil)


def test_fund(anvil: Devnet) -> None:
    fresh = Address(Account.create().address)
    fund(anvil.web3(), anvil.private_keys[0], fresh, 123)
    assert anvil.web3().eth.get_balance(fresh) == 123  # type: ignore[arg-type]


def test_port_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortTakenError) as caught, start_devnet("anvil", port=port):
            pass
    assert str(port) in caught.value.message


def test_stops_with_its_block_even_after_an_error() -> None:
    node = start_devnet("anvil", accounts=3, chain_id=7)
    devnet = node.__enter__()
    assert connect(devnet.rpc_url, 7).eth.block_number == 0
    assert not gone(devnet.pid)
    assert not node.__exit__(KeyError, KeyError("in the block"), None)
    assert gone(devnet.pid)
    with pytest.raises(RpcUnreachableError):
        connect(devnet.rpc_url, retry_for=0.0)


def test_state_is_kept_between_runs(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    fresh = Address(Account.create().address)
    with start_devnet("anvil", state=state) as devnet:
        genesis = devnet.web3().eth.get_block(0)["hash"]
        fund(devnet.web3(), devnet.private_keys[0], fresh, 5)
    with start_devnet("anvil", state=state) as devnet:
        assert devnet.web3().eth.get_balance(fresh) == 5  # type: ignore[arg-type]
        # the outbox tells chains apart by their genesis: this one is the same
        assert devnet.web3().eth.get_block(0)["hash"] == genesis


def test_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDTRUST_ANVIL", str(tmp_path / "missing"))
    with pytest.raises(ConfigurationError, match="FEDTRUST_ANVIL"):
        find_anvil()
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("FEDTRUST_ANVIL", str(program))
    assert find_anvil() == program
    log = tmp_path / "log"
    with pytest.raises(LedgerError) as caught, start_devnet("anvil", log_path=log):
        pass
    assert caught.value.got == "exit status 3"
    assert log.read_text() == "broken\n"


def test_arguments_that_make_no_devnet(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError), start_devnet("anvil", accounts=0):
        pass
    with pytest.raises(ConfigurationError), start_devnet("anvil", block_time=0):
        pass
    with pytest.raises(ConfigurationError), start_devnet("hardhat", state=tmp_path / "state"):
        pass


@pytest.mark.parametrize("kind", ["anvil", pytest.param("hardhat", marks=pytest.mark.slow)])
def test_round_on_a_chain_that_mines_at_its_own_pace(kind: DevnetKind, tmp_path: Path) -> None:
    """Nothing may depend on a block for every transaction."""
    with start_devnet(kind, block_time=0.1, accounts=22, log_path=tmp_path / "log") as devnet:
        last = Account.from_key(devnet.private_keys[21]).address
        assert devnet.web3().eth.get_balance(last) == 10_000 * 10**18
        world = NodeWorld(devnet)
        prepare(world)
        aggregator = to_upload(world)
        aggregator.commit_aggregate(1, accepted=ALL, aggregate_root=digest("aggregate"))
        threads = [
            threading.Thread(target=world.again(signer).attest, args=(1,), kwargs={"partial_root": digest("p")})
            for signer in TRUSTEES
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        finalize(aggregator)
        assert aggregator.round(1).phase is Phase.FINALIZED
        assert aggregator.round(1).attested == 0b111
