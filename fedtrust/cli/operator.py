"""The operator's commands: admit and revoke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from eth_utils.address import to_checksum_address

from fedtrust.cli import options
from fedtrust.cli.account import Amount, account_options, open_account, plain, require_ether, say
from fedtrust.errors import ConfigurationError
from fedtrust.ledger.connection import connect
from fedtrust.ledger.deploy import send_ether
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.identity import PublicIdentity


@click.command(epilog="Example: fedtrust admit --contract 0x... --identity operator --gas-money 1 clinic bank")
@account_options
@click.option("--gas-money", type=Amount(), default="0", show_default=True, help="Ether to send to each account.")
@click.option("--stake-money", is_flag=True, help="Also send each account what its role stakes (federations of ether).")
@click.argument("identities", nargs=-1, required=True, type=click.Path(path_type=Path))
def admit(gas_money: int, stake_money: bool, identities: tuple[Path, ...], as_json: bool, **settings: Any) -> None:
    """Admit IDENTITIES (identity folders or identity.json files) for their roles: they may register themselves.

    An account that has the money already is sent none; nobody is admitted twice, so the command can be repeated.
    """
    public = [PublicIdentity.read(path) for path in identities]
    for path, found in zip(identities, public, strict=True):
        if found.role is Role.NONE:
            raise ConfigurationError(f"{path} is an operator's identity: operators are not admitted")
    opened = open_account(**settings)
    config = opened.ledger.config()
    if stake_money:
        require_ether(config, "--stake-money")
    web3 = connect(settings["rpc"], settings["chain_id"])
    for found in public:
        opened.ledger.admit_identity(found.account, found.role)
        known = opened.ledger.identity(found.account)
        stake = config.stake_of(found.role) if stake_money and (known is None or known.stake == 0) else 0
        money = gas_money + stake
        sent = money if money and web3.eth.get_balance(to_checksum_address(found.account)) < money else 0
        if sent:
            send_ether(web3, opened.identity.signer, found.account, sent)
        role = found.role.name.lower()
        text = f"admitted {role} {found.account}" + (f", sent {plain(sent)} ether" if sent else "")
        say(as_json, {"account": found.account, "role": role, "sent": str(sent)}, text)


@click.command(epilog="Example: fedtrust revoke --contract 0x... --identity operator 0xAb...")
@account_options
@click.argument("account", type=options.AddressType())
def revoke(account: Address, as_json: bool, **settings: Any) -> None:
    """Revoke ACCOUNT: it can take part in nothing from now on. Its stake is held as if it had left."""
    ledger = open_account(**settings).ledger
    ledger.revoke_identity(account)
    revoked = ledger.identity(account)
    release = 0 if revoked is None else revoked.release_at
    say(as_json, {"account": account, "revoked": True, "release_at": release}, f"revoked {account}")
