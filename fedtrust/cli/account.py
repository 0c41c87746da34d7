"""What every command needs that sends a transaction as one identity, and amounts for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger
from fedtrust.errors import ConfigurationError
from fedtrust.ledger.types import ZERO_ADDRESS, Address, FederationConfig
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.nodes.identity import Identity, open_identity

UNIT = 10**18
"""Smallest units in one ether, and in what commands call one of a token."""
_MOST = 10**9 * UNIT

sender_options = options.options(
    options.chain,
    click.option("--identity", "identity_folder", type=options.folder, required=True, help="The identity that sends."),
    click.option("--home", type=options.folder, help="Folder for the outbox [default: the identity folder]."),
    options.passphrase,
    options.as_json,
)
"""The options of a command that sends as one identity, before there is a contract."""

account_options = options.options(sender_options, options.contract)
"""The options that :func:`open_account` takes, and --json."""


class Amount(click.ParamType[int]):
    """An exact amount in ether (of a token: in 10^18 of its smallest units), converted to the smallest unit."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See click.ParamType."""
        if isinstance(value, int):
            return value  # a default, in the smallest unit already
        whole, point, fraction = str(value).partition(".")
        digits = whole + fraction
        if not (digits.isascii() and digits.isdigit()) or len(fraction) > 18 or (point and not fraction):
            self.fail(f"{value!r} is not an amount: digits, and at most 18 of them after the point", param, ctx)
        amount = int(digits.ljust(len(whole) + 18, "0"))
        if amount > _MOST:
            self.fail(f"{value!r} is out of range: at most 10^9", param, ctx)
        return amount


def plain(amount: int) -> str:
    """Return an amount in ether (or 10^18 of a token's smallest units), exact, without trailing zeros."""
    sign, whole, fraction = "-" * (amount < 0), abs(amount) // UNIT, f"{abs(amount) % UNIT:018}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def asset_name(config: FederationConfig) -> str:
    """Return what the federation's amounts are counted in, for people."""
    return "ether" if config.asset == ZERO_ADDRESS else f"tokens of {config.asset}"


def say(as_json: bool, body: dict[str, Any], text: str) -> None:
    """Print ``body`` for programs or ``text`` for people."""
    click.echo(json.dumps(body) if as_json else text)


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An opened identity and the ledger as it uses it."""

    identity: Identity
    ledger: Web3Ledger

    @property
    def account(self) -> Address:
        """The account that sends."""
        return self.identity.account

    def amount(self, amount: int) -> str:
        """Return an amount of the federation's asset, for people."""
        return f"{plain(amount)} {asset_name(self.ledger.config())}"


def open_account(
    *,
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folder: Path,
    home: Path | None,
    passphrase_file: Path | None,
) -> OpenedAccount:
    """Open the identity, and the ledger as it uses it."""
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home or identity_folder)
    return OpenedAccount(identity, ledger)


def require_ether(config: FederationConfig, what: str) -> None:
    """Raise ConfigurationError if the federation's asset is a token, which ``what`` cannot send."""
    if config.asset != ZERO_ADDRESS:
        raise ConfigurationError(
            f"{what} sends ether, and the stakes of this federation are tokens",
            expected="a federation of ether",
            got=f"the token {config.asset}",
            advice="send the tokens with a wallet, and leave the option out",
        )
