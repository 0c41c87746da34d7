"""``fedtrust head``: prove a round's head in a file, and verify it with nothing but the file and a block hash."""

from __future__ import annotations

from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.cli.account import say
from fedtrust.cli.chain import open_reader
from fedtrust.crypto.encoding import canonical_json, from_hex, keccak256, parse_canonical_json, to_hex
from fedtrust.errors import ConfigurationError, EncodingError, ProofError, RoundError, WrongChainError
from fedtrust.ledger.connection import connect
from fedtrust.ledger.head_proof import HeadProof, fetch_head_proof, head_slot
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.storage_proof import BlockHeader, StorageProof
from fedtrust.ledger.types import ZERO_HASH, Address
from fedtrust.protocol.fields import Fields

FORMAT, VERSION = "fedtrust.head-proof", 1


@click.group(epilog="Example: fedtrust head verify head-1.json --contract 0x... --block-hash 0x...")
def head() -> None:
    """Prove a round's head to somebody who trusts a block hash only; verify such a proof without a node.

    The head of a round fixes everything about it and all rounds before. Every command takes --json.
    """


@head.command(epilog="Example: fedtrust head prove --contract 0x... --round 1 --out head-1.json")
@options.chain
@options.contract
@click.option("--round", "number", type=click.IntRange(1), help="The round [default: the last that has ended].")
@click.option("--block", type=click.IntRange(0), help="As of this block [default: the newest confirmed one].")
@click.option("--out", type=options.file, required=True, help="The new file; never overwrites one.")
@options.as_json
def prove(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    number: int | None,
    block: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write the proof of a round's head, from a node's eth_getProof. The file is verified before it is written."""
    if out.exists():
        raise ConfigurationError(f"{out} exists already", advice="name another file; nothing was overwritten")
    ledger = open_reader(rpc, chain_id, contract, confirmations)
    number = number or _last_ended(ledger)
    newest = ledger.block_number()
    if block is not None and block > newest:
        raise ConfigurationError(f"--block {block} is not confirmed yet", expected=f"at most {newest}", got=block)
    found = fetch_head_proof(connect(rpc, chain_id), contract, number, newest if block is None else block)
    header, block_hash = BlockHeader.decode(found.header), keccak256(found.header)
    if block_hash != ledger.block_hash(header.number):
        raise ProofError(
            "the node's header does not have the block's hash",
            expected=to_hex(ledger.block_hash(header.number)),
            got=to_hex(block_hash),
            advice="ask another node, or try again: the chain may have been reorganised",
        )
    proven = found.verify(contract, block_hash)
    if proven == ZERO_HASH:
        raise RoundError(
            f"round {number} had not ended by block {header.number}",
            expected="a head",
            got="no head",
            advice="name another --round, or a later --block",
        )
    out.write_bytes(encode(found, ledger.chain_id))
    body = {"round": number, "head": to_hex(proven), "block": header.number, "block_hash": to_hex(block_hash)}
    say(as_json, body | {"file": str(out)}, f"round {number}, head {body['head']}, block {header.number}: {out}")


@head.command(epilog="Example: fedtrust head verify head-1.json --contract 0x... --block-hash 0x...")
@click.argument("file", type=options.file)
@options.contract
@click.option("--block-hash", required=True, help="Hash of the proof's block, from where you trust it.")
@click.option("--chain-id", type=int, envvar="FEDTRUST_CHAIN_ID", help="Refuse a proof that names any other chain.")
@options.as_json
def verify(file: Path, contract: Address, block_hash: str, chain_id: int | None, as_json: bool) -> None:
    """Verify the proof of a head in FILE for a contract, by a block hash that you trust. Asks nobody.

    Ends with 53 if the proof does not hold, 54 if the file is malformed.
    """
    try:
        trusted = from_hex(block_hash, 32, "--block-hash")
    except EncodingError as error:
        raise ConfigurationError(
            "--block-hash is not a block hash", expected="0x and 64 hex digits", got=block_hash
        ) from error
    proof, labelled = decode(options.read_file(file, "the proof"))
    if chain_id is not None and labelled != chain_id:
        raise WrongChainError(
            f"{file} is from another chain", expected=f"chain id {chain_id}", got=f"chain id {labelled}"
        )
    proven = proof.verify(contract, trusted)
    header = BlockHeader.decode(proof.header)
    ended = proven != ZERO_HASH
    body = {
        "round": proof.round,
        "head": to_hex(proven) if ended else None,
        "block": header.number,
        "timestamp": header.timestamp,
        "verified": True,
    }
    text = f"has the head {to_hex(proven)}" if ended else "had not ended"
    say(as_json, body, f"verified: in block {header.number}, round {proof.round} of {contract} {text}")


def encode(proof: HeadProof, chain_id: int) -> bytes:
    """Return a proof as the canonical JSON of its file."""
    storage = proof.proof
    return canonical_json(
        {
            "format": FORMAT,
            "version": VERSION,
            "chain_id": chain_id,
            "contract": storage.address,
            "round": proof.round,
            "block_hash": to_hex(keccak256(proof.header)),
            "header": to_hex(proof.header),
            "head": f"0x{storage.value:064x}",
            "account_proof": [to_hex(node) for node in storage.account_nodes],
            "storage_proof": [to_hex(node) for node in storage.storage_nodes],
        }
    )


def decode(data: bytes) -> tuple[HeadProof, int]:
    """Parse the file of a proof strictly; returns it and the chain id it names. Nothing in it is verified yet.

    Raises EncodingError or ProofError.
    """
    what = "head proof"
    fields = Fields(parse_canonical_json(data, what), what)
    if fields.text("format") != FORMAT:
        raise EncodingError("this is not a head proof", expected=FORMAT)
    fields.version(VERSION)
    chain_id, contract, round_ = fields.integer("chain_id"), fields.address("contract"), fields.integer("round")
    block_hash, header = fields.hash("block_hash"), fields.blob("header")
    storage = StorageProof(
        address=contract,
        slot=head_slot(round_),
        value=int.from_bytes(fields.hash("head"), "big"),
        account_nodes=_nodes(fields.list("account_proof"), "account_proof"),
        storage_nodes=_nodes(fields.list("storage_proof"), "storage_proof"),
    )
    fields.end()
    if keccak256(header) != block_hash:
        raise ProofError("head proof: its header is not that of the block it names", expected=to_hex(block_hash))
    return HeadProof(round_, header, storage), chain_id


def _nodes(values: list[object], name: str) -> tuple[bytes, ...]:
    return tuple(from_hex(value, None, f"head proof: {name}") for value in values)


def _last_ended(ledger: LedgerReader) -> int:
    """Return the newest round that has a head. Raises RoundError if none has."""
    for number in range(ledger.last_round(), 0, -1):
        if ledger.head(number) != ZERO_HASH:
            return number
    raise RoundError("no round has ended yet", advice="wait for the first")
