"""``fedtrust status``: what the chain says of a federation now."""

from __future__ import annotations

import json

import click
from rich.table import Table

from fedtrust.cli import options
from fedtrust.cli.chain import open_reader
from fedtrust.cli.output import console
from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import AbortReason, Address, Phase


@click.command(epilog="Example: fedtrust status --rpc http://127.0.0.1:8545 --contract 0x...")
@options.chain
@options.contract
@options.as_json
def status(rpc: str, chain_id: int | None, confirmations: int, contract: Address, as_json: bool) -> None:
    """Show identities, rounds and rewards, from the chain alone."""
    ledger = open_reader(rpc, chain_id, contract, confirmations)
    body = describe(ledger)
    if as_json:
        click.echo(json.dumps(body))
        return
    screen = console()
    screen.print(f"Federation {contract} on chain {body['chain_id']}, version {body['version']}")
    screen.print(f"key {body['key']}, reward pool {int(str(body['reward_pool'])) / 10**18:.6f} ether")
    people = Table("account", "role", "index", "active", "claimable ether", title="Identities", title_justify="left")
    for i in body["identities"]:  # type: ignore[attr-defined]
        ether = f"{int(i['claimable']) / 10**18:.6f}"
        people.add_row(i["account"], i["role"], str(i["index"]), "yes" if i["active"] else "revoked", ether)
    screen.print(people)
    rounds = Table("round", "phase", "selected", "committed", "accepted", "attested", "model", title="Rounds")
    for r in body["rounds"]:  # type: ignore[attr-defined]
        phase = r["phase"] + (f" ({r['abort_reason']})" if r["abort_reason"] != "none" else "")
        counts = (str(r[name]) for name in ("selected", "committed", "accepted", "attested"))
        rounds.add_row(str(r["round"]), phase, *counts, r["model"][:18])
    screen.print(rounds)


def describe(ledger: LedgerReader) -> dict[str, object]:
    """Return the federation's state as a JSON-ready mapping; amounts are decimal strings in wei."""
    config, key = ledger.config(), ledger.key()
    states = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
    return {
        "chain_id": ledger.chain_id,
        "contract": ledger.contract,
        "version": config.version,
        "owner": config.owner,
        "key": None if key is None else f"{key.threshold} of {key.trustees}, {to_hex(key.key_id)}",
        "reward_pool": str(ledger.reward_pool()),
        "identities": [
            {
                "account": i.account,
                "role": i.role.name.lower(),
                "index": i.index,
                "active": i.active,
                "certificate_fingerprint": to_hex(i.certificate_fingerprint),
                "claimable": str(ledger.claimable(i.account)),
            }
            for i in ledger.identities()
        ],
        "rounds": [
            {
                "round": s.number,
                "phase": Phase(s.phase).name.lower(),
                "abort_reason": AbortReason(s.abort_reason).name.lower(),
                "selected": s.selected.bit_count(),
                "committed": s.committed.bit_count(),
                "accepted": s.accepted.bit_count(),
                "attested": s.attested.bit_count(),
                "spec": to_hex(s.spec_hash),
                "model": to_hex(s.model_hash),
                "head": to_hex(s.head),
                "reward": str(s.reward),
            }
            for s in states
        ],
    }
