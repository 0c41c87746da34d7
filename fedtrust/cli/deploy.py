"""``fedtrust deploy``: a new Federation contract with its rules, its key and its first money."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fedtrust.cli import options
from fedtrust.cli.account import UNIT, Amount, plain, say, sender_options
from fedtrust.cli.chain import open_ledger, open_reader
from fedtrust.crypto.encoding import to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.errors import ConfigurationError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.connection import connect
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.types import ZERO_ADDRESS, Address, PayoutRule, Phase, PublishedKey
from fedtrust.nodes.identity import open_identity

F = TypeVar("F", bound=Callable[..., Any])

DAY = 86_400
_SECONDS = click.IntRange(0, 2**40 - 1)
_SHARE = click.IntRange(0, 10_000)


def _amount(option: str, default: int, text: str) -> Callable[[F], F]:
    return click.option(option, type=Amount(), default=plain(default), show_default=True, help=text)


def _seconds(option: str, default: int, text: str) -> Callable[[F], F]:
    return click.option(option, type=_SECONDS, default=default, show_default=True, help=text)


_money = options.options(
    click.option("--asset", type=options.AddressType(), help="ERC-20 token of stakes and rewards [default: ether]."),
    _amount("--round-reward", UNIT // 10, "The most that a round pays in all."),
    click.option(
        "--payout-rule",
        type=click.Choice([rule.name.lower() for rule in PayoutRule]),
        default="equal",
        show_default=True,
        help="How participants and trustees divide their shares: equally, or by how reliable each was.",
    ),
    click.option("--participant-share", type=_SHARE, default=7000, show_default=True, help="Of 10,000."),
    click.option("--trustee-share", type=_SHARE, default=2000, show_default=True, help="Of 10,000."),
    click.option("--aggregator-share", type=_SHARE, default=1000, show_default=True, help="Of 10,000."),
    _seconds("--claim-seconds", 365 * DAY, "A reward that nobody claims for so long may go back to the pool."),
    _amount("--participant-stake", UNIT // 10, "What a participant stakes."),
    _amount("--trustee-stake", UNIT // 2, "What a trustee stakes."),
    _amount("--aggregator-stake", UNIT, "What an aggregator stakes."),
    _amount("--dispute-bond", UNIT // 10, "What a challenger deposits with each dispute."),
    _amount("--challenger-reward-cap", UNIT // 2, "The most that a challenger can earn."),
    _amount("--fund", 0, "What to put into the reward pool."),
)

_times = options.options(
    _seconds("--challenge-window", 3600, "From a round's result to its payout."),
    _seconds("--dispute-seconds", 1800, "The longest that one dispute may take."),
    _seconds("--standby-seconds", 300, "Before a standby may open a round, and in which it may take one over."),
    _seconds("--max-round-seconds", 7 * DAY, "The longest from opening a round to its last deadline."),
    click.option(
        "--unbonding-seconds",
        type=_SECONDS,
        help="From leaving to the return of the stake [default: the shortest that leaves no dispute too late].",
    ),
)

_selection = options.options(
    click.option(
        "--minimum-quorum",
        type=click.IntRange(2, 256),
        default=2,
        show_default=True,
        help="The fewest updates that any round may be made from.",
    ),
    click.option(
        "--participants-per-round",
        type=click.IntRange(0, 256),
        default=0,
        show_default=True,
        help="How many participants are drawn for a round; 0: all.",
    ),
    click.option(
        "--max-missed",
        type=click.IntRange(0, 255),
        default=3,
        show_default=True,
        help="Selections missed in a row after which a participant is drawn no more; 0: never.",
    ),
)


@click.command(epilog="Example: fedtrust deploy --identity operator --manifest key/manifest.json --fund 10")
@sender_options
@click.option("--manifest", type=options.file, required=True, help="The key manifest to publish.")
@_money
@_times
@_selection
@click.option("--predecessor", type=options.AddressType(), help="The federation that this one continues.")
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
    fund: int,
    out: Path | None,
    **rules: Any,
) -> None:
    """Deploy a Federation contract, publish the committee's key, fund the reward pool.

    All rules are fixed for good. Amounts are in ether, of a token in 10^18 of its smallest units.
    """
    if out is not None and not out.parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {out.parent}", advice="make it first")
    key = KeyManifest.from_bytes(options.read_key_file(manifest, "the key manifest"))
    key.verify()
    config = deployment_config(**rules)
    if config.predecessor != ZERO_ADDRESS:
        _require_ended(rpc, chain_id, config.predecessor, confirmations)
    identity = open_identity(identity_folder, options.read_passphrase(passphrase_file))
    deployment = deploy_federation(connect(rpc, chain_id), identity.signer, identity.account, config)
    ledger = open_ledger(rpc, chain_id, deployment.contract, confirmations, identity, home or identity_folder)
    body = {
        "block": deployment.block,
        "chain_id": ledger.chain_id,
        "contract": deployment.contract,
        "disputes": ledger.config().disputes,
        "key_id": to_hex(key.key_id),
        "operator": identity.account,
    }
    if out is not None:  # before anything else can fail: the contract exists
        out.write_text(json.dumps(body, indent=2) + "\n")
    ledger.publish_key(PublishedKey(key.key_id, key.threshold, len(key.trustees), key.public_key.modulus_hash))
    if fund:
        ledger.fund_rewards(fund, "deploy")
    say(as_json, body, f"Federation {deployment.contract} on chain {ledger.chain_id}, block {deployment.block}")


def deployment_config(
    *,
    asset: Address | None,
    predecessor: Address | None,
    payout_rule: str,
    participant_share: int,
    trustee_share: int,
    aggregator_share: int,
    **rest: Any,
) -> DeploymentConfig:
    """Return the configuration that the options of ``deploy`` give. Raises ConfigurationError."""
    return DeploymentConfig(
        asset=asset or ZERO_ADDRESS,
        predecessor=predecessor or ZERO_ADDRESS,
        payout_rule=PayoutRule[payout_rule.upper()],
        participant_basis_points=participant_share,
        trustee_basis_points=trustee_share,
        aggregator_basis_points=aggregator_share,
        **rest,
    )


def _require_ended(rpc: str, chain_id: int | None, predecessor: Address, confirmations: int) -> None:
    """Raise before a deployment that its contract would refuse: the predecessor's last round must have ended."""
    before = open_reader(rpc, chain_id, predecessor, confirmations)
    last = before.last_round()
    if last and before.round(last).phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT):
        raise ConfigurationError(
            f"--predecessor: round {last} of {predecessor} is still running",
            advice="wait until it has ended, or let it be aborted after its deadline",
        )
