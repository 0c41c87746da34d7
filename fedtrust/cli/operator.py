"""The operator's commands: deploy, register, revoke; and claim, for whoever earned something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from eth_utils.address import to_checksum_address

from fedtrust.cli import options
from fedtrust.cli.chain import open_ledger
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import ConfigurationError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.connection import connect
from fedtrust.ledger.deploy import deploy_federation, send_ether
from fedtrust.ledger.events import RewardClaimed
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Address, PublishedKey, Role
from fedtrust.nodes.identity import PublicIdentity, open_identity

_operator = options.options(
    options.chain,
    click.option("--identity", "identity_folder", type=options.folder, required=True, help="The identity that sends."),
    click.option("--home", type=options.folder, help="Folder for the outbox [default: the identity folder]."),
    options.passphrase,
    options.as_json,
)


def _say(as_json: bool, body: dict[str, Any], text: str) -> None:
    click.echo(json.dumps(body) if as_json else text)


@click.command(epilog="Example: fedtrust deploy --identity operator --manifest key/manifest.json --fund 10")
@_operator
@click.option("--manifest", type=options.file, required=True, help="The key manifest to publish.")
@click.option("--round-reward", type=float, default=0.1, show_default=True, help="Ether that a round pays in all.")
@click.option("--fund", type=float, default=0.0, show_default=True, help="Ether to put into the reward pool.")
@click.option("--challenge-window", type=click.IntRange(0, 30 * 86_400), default=10, show_default=True, help="Seconds.")
@click.option("--participant-share", type=click.IntRange(0, 10_000), default=7000, help="Basis points [default: 7000].")
@click.option("--trustee-share", type=click.IntRange(0, 10_000), default=2000, help="Basis points [default: 2000].")
@click.option("--aggregator-share", type=click.IntRange(0, 10_000), default=1000, help="Basis points [default: 1000].")
@click.option("--out", type=options.file, help="Also write the deployment to this JSON file.")
def deploy(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    identity_folder: Path,
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    manifest: Path,
    round_reward: float,
    fund: float,
    challenge_window: int,
    participant_share: int,
    trustee_share: int,
    aggregator_share: int,
    out: Path | None,
) -> None:
    """Deploy a Federation contract, publish the committee's key, fund the reward pool."""
    key = KeyManifest.from_bytes(options.read_key_file(manifest, "the key manifest"))
    key.verify()
    config = DeploymentConfig(
        challenge_window=challenge_window,
        round_reward=_wei(round_reward),
        participant_basis_points=participant_share,
        trustee_basis_points=trustee_share,
        aggregator_basis_points=aggregator_share,
    )
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    deployment = deploy_federation(connect(rpc, chain_id), identity.signer, identity.account, config)
    ledger = open_ledger(rpc, chain_id, deployment.contract, confirmations, identity, home or identity_folder)
    ledger.publish_key(PublishedKey(key.key_id, key.threshold, len(key.trustees)))
    if fund:
        ledger.fund_rewards(_wei(fund), "deploy")
    body = {
        "block": deployment.block,
        "chain_id": ledger.chain_id,
        "contract": deployment.contract,
        "key_id": to_hex(key.key_id),
        "operator": identity.account,
    }
    if out is not None:
        out.write_text(json.dumps(body, indent=2) + "\n")
    _say(as_json, body, f"Federation {deployment.contract} on chain {ledger.chain_id}, block {deployment.block}")


@click.command(epilog="Example: fedtrust register --contract 0x... --identity operator --gas-money 1 clinic bank")
@_operator
@options.contract
@click.option("--gas-money", type=float, default=0.0, show_default=True, help="Ether to send to each account.")
@click.argument("identities", nargs=-1, required=True, type=click.Path(path_type=Path))
def register(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    identity_folder: Path,
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    contract: Address,
    gas_money: float,
    identities: tuple[Path, ...],
) -> None:
    """Register IDENTITIES (identity folders or identity.json files) with their roles and certificates."""
    public = [PublicIdentity.read(path) for path in identities]
    for path, found in zip(identities, public, strict=True):
        if found.role is Role.NONE:
            raise ConfigurationError(f"{path} is an operator's identity: operators are not registered")
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home or identity_folder)
    web3 = connect(rpc, chain_id)
    for found in public:
        ledger.register_identity(found.account, found.role, found.certificate, found.sealing_key)
        if gas_money and web3.eth.get_balance(to_checksum_address(found.account)) < _wei(gas_money):
            send_ether(web3, identity.signer, found.account, _wei(gas_money))
        role = found.role.name.lower()
        _say(as_json, {"account": found.account, "role": role}, f"registered {role} {found.account}")


@click.command(epilog="Example: fedtrust revoke --contract 0x... --identity operator 0xAb...")
@_operator
@options.contract
@click.argument("account", type=options.AddressType())
def revoke(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    identity_folder: Path,
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    contract: Address,
    account: Address,
) -> None:
    """Revoke ACCOUNT: it can take part in nothing from now on."""
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home or identity_folder)
    ledger.revoke_identity(account)
    _say(as_json, {"account": account, "revoked": True}, f"revoked {account}")


@click.command(epilog="Example: fedtrust claim --contract 0x... --identity clinic")
@_operator
@options.contract
def claim(
    rpc: str,
    chain_id: int | None,
    confirmations: int,
    identity_folder: Path,
    home: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
    contract: Address,
) -> None:
    """Withdraw the rewards that were credited to our account."""
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    ledger = open_ledger(rpc, chain_id, contract, confirmations, identity, home or identity_folder)
    paid = claim_rewards(ledger)
    text = f"claimed {paid / 10**18:.6f} ether" if paid else "nothing to claim"
    _say(as_json, {"account": identity.account, "wei": str(paid)}, text)


def claim_rewards(ledger: Ledger) -> int:
    """Withdraw what the ledger's account has been credited; returns the wei paid, 0 if there is nothing.

    The label counts the claims that were paid before: a claim cut off by a crash is resumed under its own label, and
    a paid one never stands in the way of the next.
    """
    paid = sum(isinstance(e, RewardClaimed) and e.account == ledger.account for e in ledger.events())
    return ledger.claim(f"claim {paid + 1}")


def _wei(ether: float) -> int:
    if not 0 <= ether < 10**9:
        raise ConfigurationError("an amount of ether is out of range", got=ether)
    return round(ether * 10**18)
