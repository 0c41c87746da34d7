"""What an identity does for itself: register, rotate, leave, get its stake back, resume."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from fedtrust.cli import options
from fedtrust.cli.account import OpenedAccount, account_options, open_account, say
from fedtrust.cli.chain import open_ledger
from fedtrust.errors import ConfigurationError, IdentityError
from fedtrust.ledger.types import Address, Identity, Role, Status
from fedtrust.nodes.identity import PublicIdentity, open_identity


@click.command(epilog="Example: fedtrust register --contract 0x... --identity clinic")
@options.chain
@options.contract
@click.option(
    "--identity",
    "identity_folders",
    type=options.folder,
    required=True,
    multiple=True,
    help="Our identity folder; again for each more that is under the same passphrase.",
)
@click.option(
    "--home",
    type=options.folder,
    help="Folder for the outbox; of several identities, the folder with one for each, called as its identity folder "
    "is [default: the identity folder].",
)
@options.passphrase
@options.as_json
def register(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    contract: Address,
    identity_folders: tuple[Path, ...],
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Register ourselves with certificate and sealing key, and pay the stake of our role.

    The operator must have admitted the account. Of a federation in tokens, the account needs those and some ether.
    """
    for folder in identity_folders:
        if PublicIdentity.read(folder).role is Role.NONE:
            raise ConfigurationError(f"{folder} is an operator's identity: operators are not registered")
    passphrase = options.read_passphrase(passphrase_file)
    with ThreadPoolExecutor() as pool:  # opening a keystore takes a while, on purpose
        identities = list(pool.map(lambda folder: open_identity(folder, passphrase), identity_folders))
    for identity in identities:
        own_home = home / identity.folder.name if home and len(identities) > 1 else home
        ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, own_home or identity.folder)
        opened, public = OpenedAccount(identity, ledger), identity.public
        _require_admitted(public, ledger.identity(opened.account))
        ledger.register_identity(public.certificate, public.sealing_key)
        registered = own_identity(opened)
        role = registered.role.name.lower()
        body = {"account": opened.account, "role": role, "index": registered.index, "stake": str(registered.stake)}
        text = f"registered {role} {registered.index}, {opened.account}, staked {opened.amount(registered.stake)}"
        say(as_json, body, text)


def _require_admitted(own: PublicIdentity, found: Identity | None) -> None:
    """Raise IdentityError with the reason that the contract would only hint at."""
    if found is None:
        raise IdentityError(
            f"{own.account} was not admitted",
            expected=f"an admitted {own.role.name.lower()}",
            got="nothing on chain",
            advice="send identity.json to the operator, who runs `fedtrust admit`",
        )
    if found.role is not own.role:
        raise IdentityError(
            f"{own.account} was admitted for another role",
            expected=own.role.name.lower(),
            got=found.role.name.lower(),
            advice="make another identity for this role: one account has one role",
        )


def own_identity(opened: OpenedAccount) -> Identity:
    """Return our own registered identity. Raises IdentityError."""
    found = opened.ledger.identity(opened.account)
    if found is None or found.status in (Status.NONE, Status.ADMITTED):
        raise IdentityError(
            f"{opened.account} is not registered",
            expected="a registered account",
            got="nothing on chain" if found is None else "admitted only",
            advice="run `fedtrust register` first",
        )
    return found


@click.command(epilog="Example: fedtrust rotate --contract 0x... --identity clinic --to clinic-2")
@account_options
@click.option(
    "--to",
    "new_folder",
    type=options.folder,
    required=True,
    help="The new identity folder, under the same passphrase: made with `fedtrust identity --successor-of`, or one of "
    "the same role with a new account that the operator admitted.",
)
def rotate(new_folder: Path, as_json: bool, **settings: Any) -> None:
    """Replace our certificate, and our account if the new folder has another. Stake and reputation stay.

    Stop the node first and start it again with the new folder. Whoever has the old one can then sign nothing new.
    """
    passphrase = options.read_passphrase(settings["passphrase_file"])
    new = open_identity(new_folder, passphrase).public  # what cannot be opened must not be made ours
    opened = open_account(**settings)
    before = own_identity(opened)
    if new.role is not before.role:
        raise IdentityError(
            f"{new_folder} is an identity of another role",
            expected=before.role.name.lower(),
            got=new.role.name.lower(),
        )
    if new.role is Role.TRUSTEE and (new.account, new.sealing_key) != (before.account, before.sealing_key):
        raise IdentityError(
            "a trustee's account and sealing key cannot change: the key manifest names them",
            expected=before.account,
            got=new.account,
            advice="make the new folder with `fedtrust identity --successor-of`",
        )
    if new.account != before.account and before.status is Status.ACTIVE:
        _require_admitted(new, opened.ledger.identity(new.account))
    opened.ledger.rotate_identity(new.account, new.certificate, new.sealing_key)
    after = opened.ledger.identity(new.account)
    epoch = 0 if after is None else after.epoch
    body = {"account": new.account, "before": before.account, "epoch": epoch, "identity": str(new_folder)}
    say(as_json, body, f"{before.account} is now {new.account}, epoch {epoch}; use {new_folder} from now on")


@click.command(epilog="Example: fedtrust leave --contract 0x... --identity clinic")
@account_options
def leave(as_json: bool, **settings: Any) -> None:
    """Leave the federation: drawn no more from now on. The stake can be released after the unbonding time.

    Let the node run until the round is over: what it was selected for counts, and can cost the stake.
    """
    opened = open_account(**settings)
    own_identity(opened)
    opened.ledger.leave()
    left = own_identity(opened)
    body = {"account": opened.account, "release_at": left.release_at, "stake": str(left.stake)}
    text = (
        f"{opened.account} leaves; `fedtrust release` frees {opened.amount(left.stake)} from second {left.release_at}"
    )
    say(as_json, body, text)


@click.command(epilog="Example: fedtrust release --contract 0x... --identity clinic")
@account_options
@click.argument("account", type=options.AddressType(), required=False)
def release(account: Address | None, as_json: bool, **settings: Any) -> None:
    """Make the stake of ACCOUNT (else ours), which left or was revoked, claimable after the unbonding time."""
    opened = open_account(**settings)
    account = account or opened.account
    opened.ledger.release_stake(account)
    amount = opened.ledger.claimable(account)
    body = {"account": account, "claimable": str(amount)}
    say(as_json, body, f"{account} can claim {opened.amount(amount)}: `fedtrust claim`")


@click.command(epilog="Example: fedtrust resume --contract 0x... --identity clinic")
@account_options
def resume(as_json: bool, **settings: Any) -> None:
    """Be drawn again after having missed too many selections in a row (participants)."""
    opened = open_account(**settings)
    own_identity(opened)
    opened.ledger.resume()
    say(as_json, {"account": opened.account, "eligible": True}, f"{opened.account} can be drawn again")
