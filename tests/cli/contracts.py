"""Bytecode of contracts that are not ours: they answer ``version()`` with a number and anything else with a name."""

from __future__ import annotations

from eth_utils.crypto import keccak
from web3.types import RPCEndpoint

from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Address

SILENT = bytes.fromhex("5f5ffd")
"""A contract that reverts whatever it is asked."""


def impostor(name: str, version: int) -> bytes:
    """Return runtime bytecode; ``name`` has at most 32 ASCII characters, ``version`` is below 65536."""
    selector = keccak(b"version()")[:4].hex()
    # if selector == version(): goto versions; return abi.encode(name)
    head = f"5f3560e01c63{selector}14"
    text = name.encode().ljust(32, b"\0").hex()
    names = f"60205f5260{len(name):02x}6020527f{text}6040526060" + "5ff3"
    versions = f"5b61{version:04x}5f5260205ff3"
    jump = len(bytes.fromhex(head)) + 3 + len(bytes.fromhex(names))
    return bytes.fromhex(f"{head}60{jump:02x}57{names}{versions}")


def place(devnet: Devnet, address: Address, code: bytes) -> None:
    """Put ``code`` at ``address`` of an Anvil."""
    answer = devnet.web3().provider.make_request(RPCEndpoint("anvil_setCode"), [address, "0x" + code.hex()])
    assert "error" not in answer, answer
