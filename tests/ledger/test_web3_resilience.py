"""What may go wrong between us and a real node: crashes, restarts, stuck and lost transactions, wrong endpoints."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import RPCEndpoint, RPCResponse

from fedtrust.errors import (
    ConfigurationError,
    ContractMissingError,
    ContractVersionError,
    RpcUnreachableError,
    TransactionError,
    WrongChainError,
)
from fedtrust.ledger import events as ev
from fedtrust.ledger.connection import RetryingHttpProvider, connect, web3_for
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.devnet import Devnet, fund
from fedtrust.ledger.outbox import Intent, IntentStatus, Outbox, Scope
from fedtrust.ledger.types import Address, Deadlines, PublishedKey, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.web3_reader import Web3LedgerReader
from tests.ledger.play import prepare, to_finalized
from tests.ledger.worlds import CONFIG, KEYS, PARTICIPANTS, NodeWorld

ETHER = 10**18
SEND = "eth_sendRawTransaction"


class Crash(BaseException):
    """The process ends here; nothing in the package may catch it."""


class CrashingProvider(RetryingHttpProvider):
    """Crashes the process before or after the first request of one method."""

    def __init__(self, url: str, method: str, *, after: bool) -> None:
        super().__init__(url)
        self._method, self._after = method, after

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method != self._method:
            return super().make_request(method, params)
        if self._after:
            super().make_request(method, params)
        raise Crash


class Stage:
    """A fresh contract with a fresh, funded owner, so that nonces and transactions are easy to count."""

    def __init__(self, devnet: Devnet, outbox: Path) -> None:
        self.devnet = devnet
        self.web3 = devnet.web3()
        self.signer: LocalAccount = Account.create()
        self.address = Address(self.signer.address)
        fund(self.web3, KEYS[0], self.address, ETHER)
        self.outbox = outbox
        deployer: LocalAccount = Account.from_key(KEYS[0])
        self.contract = deploy_federation(self.web3, deployer, self.address, CONFIG).contract

    def ledger(self, web3: Web3 | None = None, **options: Any) -> Web3Ledger:
        """A ledger as a new process would make it, on the same outbox file."""
        return Web3Ledger(web3 or self.devnet.web3(), self.contract, self.signer, Outbox(self.outbox), **options)

    def crashing(self, *, after: bool, method: str = SEND) -> Web3Ledger:
        return self.ledger(web3_for(CrashingProvider(self.devnet.rpc_url, method, after=after)))

    def nonce(self, block: str = "latest") -> int:
        return self.web3.eth.get_transaction_count(self.signer.address, block)  # type: ignore[arg-type]

    def funded(self) -> list[int]:
        events = Web3LedgerReader(self.web3, self.contract).events()
        return [event.amount for event in events if isinstance(event, ev.RewardsFunded)]

    def intent(self, key: str) -> Intent | None:
        genesis = bytes(self.web3.eth.get_block(0)["hash"]).hex()
        scope = Scope(f"{self.web3.eth.chain_id}:{genesis}", self.contract, self.address)
        return Outbox(self.outbox).find(scope, key)

    @contextmanager
    def manual_mining(self) -> Iterator[None]:
        self.devnet.set_automine(False)
        try:
            yield
        finally:
            self.devnet.set_automine(True)
            self.devnet.mine()


@pytest.fixture
def stage(anvil: Devnet, tmp_path: Path) -> Stage:
    return Stage(anvil, tmp_path / "outbox.sqlite")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


# ----------------------------------------------------------------------------------------------------------- crashes


def test_crash_between_stored_and_sent(stage: Stage) -> None:
    with pytest.raises(Crash):
        stage.crashing(after=False).fund_rewards(7, "gift")
    stored = stage.intent("fund_rewards:gift")
    assert stored is not None
    assert stored.status is IntentStatus.PENDING
    assert (stage.nonce("pending"), stage.funded()) == (0, [])
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (1, [7])
    # the very transaction that was stored is the one that was mined
    receipt = stage.web3.eth.get_transaction_receipt(stored.transactions[0].hash)  # type: ignore[arg-type]
    assert receipt["status"] == 1
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (1, [7])


def test_crash_between_sent_and_answered(stage: Stage) -> None:
    with pytest.raises(Crash):
        stage.crashing(after=True).fund_rewards(7, "gift")
    until(lambda: stage.nonce() == 1)
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (1, [7])
    settled = stage.intent("fund_rewards:gift")
    assert settled is not None
    assert settled.status is IntentStatus.MINED


def test_crash_between_sent_and_mined(stage: Stage) -> None:
    with stage.manual_mining():
        with pytest.raises(Crash):
            stage.crashing(after=True).fund_rewards(7, "gift")
        with pytest.raises(TransactionError, match="not confirmed") as late:
            stage.ledger(timeout=0.2).fund_rewards(7, "gift")
        assert late.value.advice
        assert (stage.nonce(), stage.nonce("pending")) == (0, 1)
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (1, [7])


def test_crash_while_waiting_for_the_receipt(stage: Stage) -> None:
    with pytest.raises(Crash):
        stage.crashing(after=False, method="eth_getTransactionReceipt").fund_rewards(7, "gift")
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (1, [7])


def test_step_whose_outbox_is_lost_is_seen_on_chain(stage: Stage) -> None:
    key = PublishedKey(hashlib.sha256(b"key").digest(), 1, 1, hashlib.sha256(b"modulus").digest())
    with pytest.raises(Crash):
        stage.crashing(after=True).publish_key(key)
    stage.ledger().publish_key(key)
    assert stage.nonce() == 1
    Web3Ledger(stage.web3, stage.contract, stage.signer, Outbox(":memory:")).publish_key(key)
    assert stage.nonce() == 1


def test_claim_that_crashed_pays_once_and_says_what(anvil: Devnet, tmp_path: Path) -> None:
    world = NodeWorld(anvil)
    prepare(world)
    to_finalized(world)
    world.advance(CONFIG.challenge_window + 1)
    world.ledger(PARTICIPANTS[1]).settle_round(1)
    path, signer = tmp_path / "outbox.sqlite", PARTICIPANTS[0]
    crashing = web3_for(CrashingProvider(anvil.rpc_url, SEND, after=True))
    owed = world.ledger(signer).claimable(Address(signer.address))
    assert owed > 0
    with pytest.raises(Crash):
        Web3Ledger(crashing, world.contract, signer, Outbox(path)).claim("round 1")
    restarted = Web3Ledger(world.web3, world.contract, signer, Outbox(path))
    assert [restarted.claim("round 1"), restarted.claim("round 1"), restarted.claim("other")] == [owed, owed, 0]
    claims = [event for event in restarted.events() if isinstance(event, ev.RewardClaimed)]
    assert [event.amount for event in claims] == [owed]


def test_stored_transaction_waits_behind_a_later_step(stage: Stage) -> None:
    """After a crash before sending, another step comes first: the stored nonce must not become a gap."""
    with pytest.raises(Crash):
        stage.crashing(after=False).fund_rewards(7, "first")
    stage.ledger().fund_rewards(8, "second")
    assert stage.nonce() == 2
    stage.ledger().fund_rewards(7, "first")
    assert (stage.nonce(), sorted(stage.funded())) == (2, [7, 8])


# ------------------------------------------------------------------------------------- stuck, lost and replaced


def test_fee_is_raised_while_a_transaction_is_stuck(stage: Stage) -> None:
    with stage.manual_mining(), ThreadPoolExecutor(1) as pool:
        future = pool.submit(stage.ledger(stuck_after=0.1).fund_rewards, 7, "gift")

        def raised() -> bool:
            intent = stage.intent("fund_rewards:gift")
            return intent is not None and len(intent.transactions) >= 3

        until(raised)
        assert stage.nonce("pending") == 1
        stage.devnet.mine()
        future.result(timeout=20)
    assert (stage.nonce(), stage.funded()) == (1, [7])
    intent = stage.intent("fund_rewards:gift")
    assert intent is not None
    hashes = [transaction.hash for transaction in intent.transactions]
    assert len(set(hashes)) == len(hashes)


def test_dropped_transaction_is_broadcast_again_unchanged(stage: Stage) -> None:
    with stage.manual_mining():
        with pytest.raises(Crash):
            stage.crashing(after=True).fund_rewards(7, "gift")
        intent = stage.intent("fund_rewards:gift")
        assert intent is not None
        digest = "0x" + intent.transactions[0].hash.hex()
        stage.web3.provider.make_request(RPCEndpoint("anvil_dropTransaction"), [digest])
        assert stage.nonce("pending") == 0
    stage.ledger().fund_rewards(7, "gift")
    receipt = stage.web3.eth.get_transaction_receipt(digest)  # type: ignore[arg-type]
    assert receipt["status"] == 1
    assert (stage.nonce(), stage.funded()) == (1, [7])


def test_nonce_used_by_another_transaction(stage: Stage) -> None:
    """The account sent something else with the stored nonce: the step is signed anew, once."""
    with pytest.raises(Crash):
        stage.crashing(after=False).fund_rewards(7, "gift")
    fund(stage.web3, bytes(stage.signer.key), Address(Account.create().address), 1)
    assert stage.nonce() == 1
    stage.ledger().fund_rewards(7, "gift")
    assert (stage.nonce(), stage.funded()) == (2, [7])


def opening(stage: Stage, ledger: Web3Ledger, seconds: int) -> Callable[[], None]:
    """Open round 1 with a commit deadline in so many seconds."""
    now = ledger.now()
    return lambda: ledger.open_round(
        1,
        spec_hash=bytes([1]) * 32,
        base_model_hash=bytes([2]) * 32,
        selected=0b11,
        quorum=2,
        ciphertexts=1,
        deadlines=Deadlines(now + seconds, now + seconds + 1000, now + seconds + 2000),
    )


def ready_to_open(stage: Stage) -> Web3Ledger:
    """The owner is the aggregator too; two participants are registered."""
    ledger = stage.ledger()
    ledger.publish_key(PublishedKey(hashlib.sha256(b"key").digest(), 1, 1, hashlib.sha256(b"modulus").digest()))
    ledger.admit_identity(stage.address, Role.AGGREGATOR)
    ledger.register_identity(b"aggregator", bytes(32))
    for name in (b"one", b"two"):
        signer: LocalAccount = Account.create()
        fund(stage.web3, KEYS[0], Address(signer.address), ETHER)
        ledger.admit_identity(Address(signer.address), Role.PARTICIPANT)
        Web3Ledger(stage.web3, stage.contract, signer, Outbox(":memory:")).register_identity(name, bytes(32))
    return ledger


def test_revert_of_a_mined_transaction_says_why(stage: Stage) -> None:
    """Estimated as fine, refused when mined, because time went by: the reason is asked for afterwards."""
    ledger = ready_to_open(stage)
    sent = stage.nonce()
    with stage.manual_mining(), ThreadPoolExecutor(1) as pool:
        future = pool.submit(opening(stage, ledger, 100))
        until(lambda: stage.nonce("pending") == sent + 1)
        stage.devnet.increase_time(500)
        with pytest.raises(TransactionError) as caught:
            future.result(timeout=20)
    assert caught.value.got == "RoundInvalidDeadlines()"
    assert stage.nonce() == sent + 1
    # the key is free again
    opening(stage, ledger, 100)()
    assert ledger.last_round() == 1


def test_attempt_that_was_refused_after_a_crash_leaves_its_step_free(stage: Stage) -> None:
    ready_to_open(stage)
    sent = stage.nonce()
    with stage.manual_mining():
        with pytest.raises(Crash):
            opening(stage, stage.crashing(after=True), 100)()
        # while it may still be mined, another content for its step is refused
        with pytest.raises(TransactionError, match="another content"):
            opening(stage, stage.ledger(), 200)()
        stage.devnet.increase_time(500)
    # the same step again: the old attempt was refused, so it is tried on the chain as it is now
    ledger = stage.ledger()
    opening(stage, ledger, 100)()
    assert ledger.last_round() == 1
    assert stage.nonce() == sent + 2


def test_same_step_after_a_refused_attempt_is_tried_anew(stage: Stage) -> None:
    ready_to_open(stage)
    sent = stage.nonce()
    with stage.manual_mining():
        with pytest.raises(Crash):
            opening(stage, stage.crashing(after=True), 100)()
        pending = stage.intent("open_round:1")
        stage.devnet.increase_time(500)
    assert pending is not None
    ledger = stage.ledger()
    call = ledger._contract.decode_function_input(
        bytes(stage.web3.eth.get_transaction(pending.transactions[0].hash)["input"])  # type: ignore[arg-type]
    )[1]
    with pytest.raises(TransactionError) as caught:
        ledger.open_round(
            1,
            spec_hash=call["specHash"],
            base_model_hash=call["baseModelHash"],
            selected=call["selected"],
            quorum=call["quorum"],
            ciphertexts=call["ciphertexts"],
            deadlines=Deadlines(**call["deadlines"]),
        )
    # refused by the estimate now, not by a second transaction
    assert caught.value.got == "RoundInvalidDeadlines()"
    assert stage.nonce() == sent + 1


def test_threads_of_one_account_never_share_a_nonce(stage: Stage) -> None:
    ledger = stage.ledger()
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(ledger.fund_rewards, amount, f"gift {amount}") for amount in range(1, 13)]
        # and twice the same step at once
        futures += [pool.submit(ledger.fund_rewards, 1, "gift 1") for _ in range(3)]
        for future in futures:
            future.result(timeout=60)
    assert sorted(stage.funded()) == list(range(1, 13))
    assert stage.nonce() == 12


def test_processes_of_one_account_share_the_outbox_file(stage: Stage) -> None:
    ledgers = [stage.ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(ledger.fund_rewards, 10 * place + step, f"gift {place} {step}")
            for step in range(1, 4)
            for place, ledger in enumerate(ledgers)
        ]
        for future in futures:
            future.result(timeout=60)
    assert len(stage.funded()) == 12
    assert stage.nonce() == 12


# --------------------------------------------------------------------------------- confirmations and reorganisations


def test_confirmed_reads_lag_and_writes_wait(stage: Stage) -> None:
    key = PublishedKey(hashlib.sha256(b"key").digest(), 1, 1, hashlib.sha256(b"modulus").digest())
    deep = stage.ledger(confirmations=3)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(deep.publish_key, key)
        until(lambda: stage.nonce() == 1)
        assert Web3LedgerReader(stage.web3, stage.contract).key() == key
        assert deep.key() is None
        assert deep.events() == ()
        stage.devnet.mine(2)
        assert deep.key() is None
        assert not future.done()
        stage.devnet.mine()
        future.result(timeout=20)
    assert deep.key() == key
    assert [type(event) for event in deep.events()] == [ev.KeyPublished]
    assert deep.block_number() == stage.web3.eth.block_number - 3


def test_unconfirmed_in_time_resumes_later(stage: Stage) -> None:
    with pytest.raises(TransactionError, match="not confirmed") as late:
        stage.ledger(confirmations=2, timeout=0.2).fund_rewards(7, "gift")
    assert late.value.got is not None
    assert "too few blocks" in late.value.got
    stage.devnet.mine(2)
    stage.ledger(confirmations=2).fund_rewards(7, "gift")
    assert stage.nonce() == 1


def test_events_and_writes_after_a_reorganisation(stage: Stage) -> None:
    ledger = stage.ledger()
    ledger.fund_rewards(1, "kept")
    request = stage.web3.provider.make_request
    snapshot = request(RPCEndpoint("evm_snapshot"), [])["result"]
    ledger.fund_rewards(2, "lost")
    ledger.fund_rewards(3, "lost too")
    assert [e.amount for e in ledger.events() if isinstance(e, ev.RewardsFunded)] == [1, 2, 3]
    assert request(RPCEndpoint("evm_revert"), [snapshot])["result"] is True
    assert [e.amount for e in ledger.events() if isinstance(e, ev.RewardsFunded)] == [1]
    # the other branch grows past the old one, with other blocks at the same heights
    stage.devnet.mine(4)
    assert [e.amount for e in ledger.events() if isinstance(e, ev.RewardsFunded)] == [1]
    # what was mined on the lost branch is open again, what was kept is not
    ledger.fund_rewards(3, "lost too")
    ledger.fund_rewards(1, "kept")
    assert [e.amount for e in ledger.events() if isinstance(e, ev.RewardsFunded)] == [1, 3]


# ------------------------------------------------------------------------------------------------- wrong endpoints


def test_wrong_chain(anvil: Devnet) -> None:
    with pytest.raises(WrongChainError) as caught:
        connect(anvil.rpc_url, 1)
    assert (caught.value.expected, caught.value.got) == ("chain id 1", "chain id 31337")
    assert connect(anvil.rpc_url, 31337).eth.chain_id == 31337


def test_unreachable_endpoint_is_told_without_the_secrets_in_its_url() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(RpcUnreachableError) as caught:
            connect(f"http://user:hunter2@127.0.0.1:{port}/v3/api-token?key=token", retry_for=0.3)
    told = caught.value.diagnostics()
    assert f"http://127.0.0.1:{port}" in told
    assert "token" not in told
    assert "hunter2" not in told
    assert caught.value.advice


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "geth.ipc", "127.0.0.1:8545", ""])
def test_url_that_is_none_of_ours(url: str) -> None:
    with pytest.raises(ConfigurationError):
        connect(url)


def test_no_contract_at_the_address(anvil: Devnet) -> None:
    nowhere = Address(Account.create().address)
    with pytest.raises(ContractMissingError) as caught:
        Web3LedgerReader(anvil.web3(), nowhere)
    assert caught.value.got == "no code"


def place_code(devnet: Devnet, name: bytes, version: int) -> Address:
    """Put a contract at a fresh address: version() answers ``version``, everything else the string ``name``."""
    answer = (32).to_bytes(32, "big") + len(name).to_bytes(32, "big") + name.ljust(32, b"\0")
    selector = Web3.keccak(text="version()")[:4]
    # if selector == version(): return version; else copy the string behind the code and return it
    head = bytes.fromhex("5f3560e01c63") + selector + bytes.fromhex("14601c57")
    text = bytes.fromhex("6060602760003960605ff3")
    number = bytes.fromhex("5b60") + bytes([version]) + bytes.fromhex("5f5260205ff3")
    code = (head + text).ljust(0x1C, b"\xfe") + number
    code = code.ljust(0x27, b"\xfe") + answer
    address = Address(Account.create().address)
    devnet.web3().provider.make_request(RPCEndpoint("anvil_setCode"), [address, "0x" + code.hex()])
    return address


def test_contract_of_something_else(anvil: Devnet) -> None:
    for name in (b"other.Contract", b"", b"\xff\xfe"):
        with pytest.raises(ContractMissingError):
            Web3LedgerReader(anvil.web3(), place_code(anvil, name, 1))
    address = Address(Account.create().address)
    for code in ("0x00", "0xfe", "0x5f5ffd"):
        anvil.web3().provider.make_request(RPCEndpoint("anvil_setCode"), [address, code])
        with pytest.raises(ContractMissingError):
            Web3LedgerReader(anvil.web3(), address)


@pytest.mark.parametrize("version", [1, 3])
def test_contract_of_another_version(anvil: Devnet, version: int) -> None:
    with pytest.raises(ContractVersionError) as caught:
        Web3LedgerReader(anvil.web3(), place_code(anvil, b"fedtrust.Federation", version))
    assert (caught.value.expected, caught.value.got) == ("version 2", f"version {version}")


def test_account_without_ether(stage: Stage) -> None:
    poor: LocalAccount = Account.create()
    ledger = Web3Ledger(stage.web3, stage.contract, poor, Outbox(":memory:"))
    with pytest.raises(TransactionError) as caught:
        ledger.fund_rewards(1, "gift")
    assert caught.value.advice is not None
    assert poor.address in caught.value.advice
    # once it has ether, the same step works
    fund(stage.web3, KEYS[0], Address(poor.address), ETHER)
    ledger.fund_rewards(1, "gift")
    assert stage.funded() == [1]


def test_refused_deployment(anvil: Devnet) -> None:
    signer: LocalAccount = Account.from_key(KEYS[0])
    zero = Address("0x" + "00" * 20)
    with pytest.raises(TransactionError) as caught:
        deploy_federation(anvil.web3(), signer, zero, CONFIG)
    assert caught.value.got == f"OwnableInvalidOwner({zero})"


# ----------------------------------------------------------------------------------------------- a faulty connection


class FaultyEndpoint:
    """An HTTP server in front of a node that answers the first requests with faults."""

    def __init__(self, upstream: str) -> None:
        self.faults: list[str] = []
        self.served = 0
        faulty = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = faulty.faults.pop(0) if faulty.faults else "none"
                faulty.served += 1
                if fault == "hang up":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if fault.isdigit():
                    self.send_error(int(fault))
                    return
                strange = {"html": b"<html>", "empty": b"{}", "list": b"[]"}
                answer = strange.get(fault) or faulty.forward(upstream, body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def forward(upstream: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        return httpx.post(upstream, content=body, headers=headers, timeout=10, trust_env=False).content


@pytest.fixture
def faulty(anvil: Devnet) -> Iterator[FaultyEndpoint]:
    endpoint = FaultyEndpoint(anvil.rpc_url)
    thread = threading.Thread(target=endpoint.server.serve_forever, daemon=True)
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    thread.join(timeout=10)


def test_transient_faults_are_retried(stage: Stage, faulty: FaultyEndpoint) -> None:
    web3 = connect(faulty.url)
    ledger = stage.ledger(web3)
    for fault in ("503", "429", "hang up"):
        faulty.faults = [fault, fault]
        ledger.fund_rewards(int(hashlib.sha256(fault.encode()).hexdigest()[:4], 16), fault)
        assert faulty.faults == []
    assert len(stage.funded()) == 3
    assert stage.nonce() == 3


@pytest.mark.parametrize("fault", ["503", "401", "html", "empty", "list", "hang up"])
def test_lasting_faults_end_in_an_error(faulty: FaultyEndpoint, fault: str) -> None:
    faulty.faults = [fault] * 1000
    with pytest.raises(RpcUnreachableError):
        connect(faulty.url, retry_for=0.4)
    # what cannot become better is not tried again
    assert faulty.served == 1 or fault in ("503", "hang up")


def test_lost_answer_to_a_broadcast_sends_nothing_twice(stage: Stage, faulty: FaultyEndpoint) -> None:
    """The node took the transaction, the answer was lost: the retry finds it known."""
    lost = threading.Event()

    def forward_and_lose(upstream: str, body: bytes) -> bytes:
        answer = FaultyEndpoint.forward(upstream, body)
        if json.loads(body)["method"] == SEND and not lost.is_set():
            lost.set()
            faulty.faults = ["hang up"]
            raise ConnectionError("the answer is lost")
        return answer

    faulty.forward = forward_and_lose  # type: ignore[method-assign]
    faulty.server.handle_error = lambda *_: None  # type: ignore[method-assign]
    stage.ledger(connect(faulty.url)).fund_rewards(7, "gift")
    assert lost.is_set()
    assert (stage.nonce(), stage.funded()) == (1, [7])
