"""Block headers: encoded as the chain hashes them, and believed only if they have the hash."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import pytest
import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from fedtrust.errors import ProofError
from fedtrust.ledger.merkle_patricia import EMPTY_ROOT
from fedtrust.ledger.storage_proof import MAX_HEADER_BYTES, BlockHeader, verify_header

HEADER = BlockHeader(
    parent_hash=b"\x01" * 32,
    ommers_hash=keccak(rlp.encode([])),
    beneficiary=b"\x02" * 20,
    state_root=b"\x06" * 32,
    transactions_root=EMPTY_ROOT,
    receipts_root=EMPTY_ROOT,
    logs_bloom=bytes(256),
    difficulty=0,
    number=22_431_084,
    gas_limit=36_000_000,
    gas_used=21_000,
    timestamp=1_746_612_311,
    extra_data=b"extra",
    mix_hash=b"\x03" * 32,
    nonce=bytes(8),
    base_fee_per_gas=10**9,
    withdrawals_root=EMPTY_ROOT,
    blob_gas_used=131_072,
    excess_blob_gas=0,
    parent_beacon_block_root=b"\x04" * 32,
    requests_hash=b"\x05" * 32,
)
NAMES = tuple(field.name for field in fields(BlockHeader))
GENESIS: dict[str, object] = {  # of Ethereum's main net, as any node answers it
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x" + EMPTY_ROOT.hex(),
    "receiptsRoot": "0x" + EMPTY_ROOT.hex(),
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
    "uncles": [],
}


def test_the_main_nets_first_header() -> None:
    block_hash = bytes.fromhex(str(GENESIS["hash"])[2:])
    header = verify_header(BlockHeader.from_json(GENESIS).encode(), block_hash)
    assert header.difficulty == 2**34
    assert header.base_fee_per_gas is None


def test_any_change_to_a_header_changes_its_hash() -> None:
    encoded = HEADER.encode()
    block_hash = keccak(encoded)
    assert verify_header(encoded, block_hash) == HEADER
    for place in range(len(encoded)):
        with pytest.raises(ProofError, match="does not have the block's hash") as caught:
            verify_header(encoded[:place] + bytes([encoded[place] ^ 1]) + encoded[place + 1 :], block_hash)
        assert caught.value.expected == block_hash.hex()
    with pytest.raises(ProofError):
        verify_header(encoded[:-1], block_hash)
    with pytest.raises(ProofError):
        verify_header(encoded, block_hash[:31])


def before(fork: int) -> BlockHeader:
    return replace(HEADER, **dict.fromkeys(NAMES[fork:]))


@pytest.mark.parametrize("count", [15, 16, 17, 20, 21])
def test_headers_of_every_fork(count: int) -> None:
    header = before(count)
    assert len(rlp.decode(header.encode())) == count
    assert verify_header(header.encode(), keccak(header.encode())) == header


@pytest.mark.parametrize("count", [14, 18, 19])
def test_fields_of_half_a_fork(count: int) -> None:
    with pytest.raises(ProofError, match="of no fork"):
        before(count)
    with pytest.raises(ProofError, match="of no fork"):
        replace(HEADER, base_fee_per_gas=None)
    with pytest.raises(ProofError, match="of no fork"):
        BlockHeader.decode(rlp.encode(rlp.decode(HEADER.encode())[:count]))


@pytest.mark.parametrize("count", [0, 22])
def test_a_header_of_a_fork_that_is_not_known(count: int) -> None:
    with pytest.raises(ProofError, match="no fork we know") as caught:
        BlockHeader.decode(rlp.encode([*rlp.decode(HEADER.encode()), b"new"][:count]))
    assert caught.value.advice is not None
    assert "update fedtrust" in caught.value.advice


@pytest.mark.parametrize("name", [name for name in NAMES if name != "extra_data"])
def test_fields_of_the_wrong_size(name: str) -> None:
    value = getattr(HEADER, name)
    wrong = [-1, 2**256] if isinstance(value, int) else [value[:-1], value + b"\x00"]
    for content in wrong:
        with pytest.raises(ProofError, match=name):
            replace(HEADER, **{name: content})
    encoded = rlp.decode(HEADER.encode())
    encoded[NAMES.index(name)] = b"\x00\x01"  # a leading zero, or two bytes for a hash
    with pytest.raises(ProofError, match=name):
        BlockHeader.decode(rlp.encode(encoded))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x80",
        HEADER.encode() + b"\x00",
        HEADER.encode()[:-1],
        rlp.encode([*rlp.decode(HEADER.encode())[:20], [b"list"]]),
        replace(HEADER, extra_data=bytes(MAX_HEADER_BYTES)).encode(),
    ],
    ids=["nothing", "a string", "more", "less", "a list in it", "long"],
)
def test_what_is_no_header(encoded: bytes) -> None:
    with pytest.raises(ProofError):
        verify_header(encoded, keccak(encoded))


def test_lists_within_lists() -> None:
    encoded = b"\xc0"
    for _ in range(5000):
        encoded = rlp.codec.length_prefix(len(encoded), 0xC0) + encoded
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)  # Python's own; some packages raise it when they are imported
    try:
        with pytest.raises(ProofError, match="is not RLP"):
            BlockHeader.decode(encoded)
    finally:
        sys.setrecursionlimit(limit)


def test_answers_that_are_no_block() -> None:
    for name in ("stateRoot", "nonce", "number"):
        for wrong in (None, 5, "", "0x", "0xzz", "0x 1", "1", "0x" + "0" * 65, "0x" + " 11" * 32):
            with pytest.raises(ProofError):
                BlockHeader.from_json({**GENESIS, name: wrong})
    with pytest.raises(ProofError, match="not a block"):
        BlockHeader.from_json({})
