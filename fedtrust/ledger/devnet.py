"""A real Ethereum node for development and tests, as a child process on the loopback interface.

Anvil or Hardhat, found where the checkout has them; nothing is downloaded. The funded accounts come from the
mnemonic that every development tool uses: anybody knows their keys, so never send them anything of value.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Final, Literal

from eth_account import Account
from web3 import Web3
from web3.types import RPCEndpoint

from fedtrust.errors import ConfigurationError, LedgerError, PortTakenError, RpcUnreachableError
from fedtrust.ledger.connection import RetryingHttpProvider, web3_for
from fedtrust.ledger.deploy import send_ether
from fedtrust.ledger.types import Address

DevnetKind = Literal["anvil", "hardhat"]

DEVELOPMENT_MNEMONIC: Final = "test test test test test test test test test test test junk"
"""Development only: the publicly known mnemonic of Anvil's and Hardhat's accounts."""

CHAIN_ID: Final = 31337
HARDFORK: Final = "osaka"
BALANCE: Final = 10_000 * 10**18
"""Wei of each funded account."""

_LOOPBACK: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_PROBE_TIMEOUT: Final = 2.0
_HARDHAT_ACCOUNTS: Final = 20


@dataclass(frozen=True, slots=True)
class Devnet:
    """A running development node. ``private_keys`` are publicly known, for development only."""

    kind: DevnetKind
    rpc_url: str
    chain_id: int
    pid: int
    private_keys: tuple[bytes, ...] = field(repr=False)

    def web3(self) -> Web3:
        """Return a new connection to the node."""
        return web3_for(RetryingHttpProvider(self.rpc_url))

    def increase_time(self, seconds: int) -> None:
        """Move the node's clock forward and mine a block at the new time."""
        self._request("evm_increaseTime", [seconds])
        self.mine()

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks, or whatever is waiting."""
        for _ in range(blocks):
            self._request("evm_mine", [])

    def set_automine(self, on: bool) -> None:
        """Mine on every transaction, or only when told to."""
        self._request("evm_setAutomine", [on])

    def _request(self, method: str, parameters: list[object]) -> object:
        answer = self.web3().provider.make_request(RPCEndpoint(method), parameters)
        if "error" in answer:
            raise LedgerError(f"the devnet refused {method}", got=answer["error"])
        return answer["result"]


@contextmanager
def start_devnet(
    kind: DevnetKind = "anvil",
    *,
    port: int | None = None,
    block_time: float | None = None,
    accounts: int = 20,
    chain_id: int = CHAIN_ID,
    log_path: Path | None = None,
    state: Path | None = None,
) -> Iterator[Devnet]:
    """Run a node for the length of a ``with`` block and stop it, by its own process group, at the end.

    ``port`` defaults to a free one. ``block_time`` in seconds mines at that pace; None mines on every transaction.
    ``log_path`` receives the node's output (dropped otherwise). ``state`` (Anvil only) is a file that the chain is
    loaded from, if it is there, and saved to at the end. Raises ConfigurationError if the node's program is not
    found, PortTakenError, and LedgerError if the node does not come up.
    """
    if accounts < 1:
        raise ConfigurationError("a devnet needs a funded account", expected="at least 1", got=accounts)
    if block_time is not None and block_time <= 0:
        raise ConfigurationError("the block time is not a pace", expected="seconds > 0", got=block_time)
    if kind == "hardhat" and state is not None:
        raise ConfigurationError(
            "Hardhat keeps no state between runs", expected="no state file", advice="use the kind anvil"
        )
    chosen = free_port() if port is None else port
    _require_free(chosen)
    command, directory = (
        _anvil(chosen, chain_id, accounts, block_time, state) if kind == "anvil" else _hardhat(chosen, chain_id)
    )
    keys = development_keys(accounts)
    with _output(log_path) as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own process group, so that its children end with it
        )
        try:
            url = f"http://{_LOOPBACK}:{chosen}"
            _await_answer(process, url, chain_id, log_path)
            devnet = Devnet(kind, url, chain_id, process.pid, keys)
            if kind == "hardhat":
                _prepare_hardhat(devnet, block_time)
            yield devnet
        finally:
            _stop(process)


@cache
def development_keys(count: int) -> tuple[bytes, ...]:
    """Return the first ``count`` private keys of the public development mnemonic. Development only."""
    Account.enable_unaudited_hdwallet_features()
    return tuple(
        bytes(Account.from_mnemonic(DEVELOPMENT_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}").key)
        for index in range(count)
    )


def fund(web3: Web3, private_key: bytes, account: Address, amount: int) -> None:
    """Send ``amount`` wei from a funded development key to ``account``. Raises TransactionError."""
    send_ether(web3, Account.from_key(private_key), account, amount)


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def find_anvil() -> Path:
    """Return the Anvil program: ``$FEDTRUST_ANVIL``, the PATH, or a checkout's node_modules.

    Raises ConfigurationError with advice if there is none.
    """
    named = os.environ.get("FEDTRUST_ANVIL")
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named)
        raise ConfigurationError(
            "FEDTRUST_ANVIL does not name a program", expected="the path of an executable", got=named
        )
    on_path = shutil.which("anvil")
    if on_path is not None:
        return Path(on_path)
    for root in _roots():
        for program in sorted(root.glob("node_modules/@foundry-rs/*/bin/anvil*")):
            # the package "anvil" itself holds only a launcher; the platform package holds the program
            if program.suffix in ("", ".exe") and os.access(program, os.X_OK):
                return program
    raise ConfigurationError(
        "no Anvil was found",
        expected="FEDTRUST_ANVIL, anvil on the PATH, or node_modules/@foundry-rs in the checkout",
        advice="run 'make setup' in the checkout, or install Foundry and put anvil on the PATH",
    )


def _roots() -> tuple[Path, ...]:
    """Return where a checkout may be: here or above, and around this package."""
    here = Path.cwd()
    return (here, *here.parents, Path(__file__).resolve().parents[2])


def _anvil(
    port: int, chain_id: int, accounts: int, block_time: float | None, state: Path | None
) -> tuple[list[str], Path]:
    command = [str(find_anvil()), "--host", _LOOPBACK, "--port", str(port), "--hardfork", HARDFORK]
    command += ["--chain-id", str(chain_id), "--accounts", str(accounts)]
    command += ["--balance", str(BALANCE // 10**18), "--mnemonic", DEVELOPMENT_MNEMONIC]
    if block_time is not None:
        command += ["--block-time", f"{block_time:g}"]
    if state is not None:
        command += ["--state", str(state)]
    return command, Path.cwd()


def _hardhat(port: int, chain_id: int) -> tuple[list[str], Path]:
    for root in _roots():
        wrapper = root / "scripts" / "node.sh"
        if (root / "hardhat.config.js").is_file() and wrapper.is_file():
            if not (root / "node_modules" / "hardhat").is_dir():
                raise ConfigurationError(
                    f"Hardhat is not installed in {root}", advice="run 'make setup' in the checkout"
                )
            command = [str(wrapper), "npx", "hardhat", "node", "--hostname", _LOOPBACK]
            return [*command, "--port", str(port), "--chain-id", str(chain_id)], root
    raise ConfigurationError(
        "no checkout with Hardhat was found",
        expected="hardhat.config.js and scripts/node.sh here or above",
        advice="run from a checkout, or use the kind anvil",
    )


def _prepare_hardhat(devnet: Devnet, block_time: float | None) -> None:
    for key in devnet.private_keys[_HARDHAT_ACCOUNTS:]:
        devnet._request("hardhat_setBalance", [Account.from_key(key).address, hex(BALANCE)])
    if block_time is not None:
        devnet._request("evm_setAutomine", [False])
        devnet._request("evm_setIntervalMining", [round(block_time * 1000)])


@contextmanager
def _output(log_path: Path | None) -> Iterator[IO[bytes] | int]:
    if log_path is None:
        yield subprocess.DEVNULL
        return
    with log_path.open("ab") as output:
        yield output


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            raise PortTakenError(
                f"port {port} on {_LOOPBACK} is in use",
                expected="a free port for the devnet",
                got=error.strerror,
                advice="stop what is listening there, or choose another port",
            ) from error


def _await_answer(process: subprocess.Popen[bytes], url: str, chain_id: int, log_path: Path | None) -> None:
    """Poll until the node answers with its chain id."""
    deadline = time.monotonic() + _START_SECONDS
    probe = RetryingHttpProvider(url, timeout=_PROBE_TIMEOUT, retry_for=0.0)
    where = "no log was kept" if log_path is None else f"see {log_path}"
    while True:
        status = process.poll()
        if status is not None:
            raise LedgerError(
                "the devnet ended before it answered",
                expected="a running node",
                got=f"exit status {status}",
                advice=where,
            )
        with contextlib.suppress(RpcUnreachableError):
            answer = probe.make_request(RPCEndpoint("eth_chainId"), [])
            found = int(str(answer.get("result", "0x0")), 16)
            if found != chain_id:
                raise LedgerError("another node answers on the devnet's port", expected=chain_id, got=found)
            return
        if time.monotonic() >= deadline:
            raise LedgerError(f"the devnet did not answer within {_START_SECONDS:g} s", advice=where)
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the node's process group to end (an interrupt lets Anvil save its state), then insist."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_SECONDS)
    # the leader is gone; what it started and left behind must go too
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


__all__ = [
    "DEVELOPMENT_MNEMONIC",
    "Devnet",
    "DevnetKind",
    "development_keys",
    "find_anvil",
    "free_port",
    "fund",
    "start_devnet",
]
