"""Money that is no stake: fund the pool, claim what was credited, return what nobody claimed."""

from __future__ import annotations

from typing import Any

import click

from fedtrust.cli import options
from fedtrust.cli.account import Amount, account_options, open_account, say
from fedtrust.ledger.events import RewardClaimed, RewardsFunded
from fedtrust.ledger.interface import Ledger
from fedtrust.ledger.types import Address


@click.command(epilog="Example: fedtrust fund --contract 0x... --identity operator 5")
@account_options
@click.argument("amount", type=Amount())
def fund(amount: int, as_json: bool, **settings: Any) -> None:
    """Put AMOUNT (in ether, or in 10^18 of a token's smallest units) into the reward pool. Anybody may."""
    if not amount:
        raise click.UsageError("there is nothing to add: AMOUNT is 0")
    opened = open_account(**settings)
    add_rewards(opened.ledger, amount)
    pool = opened.ledger.reward_pool()
    body = {"account": opened.account, "added": str(amount), "reward_pool": str(pool)}
    say(as_json, body, f"added {opened.amount(amount)}; {opened.amount(pool)} in the pool")


@click.command(epilog="Example: fedtrust claim --contract 0x... --identity clinic")
@account_options
def claim(as_json: bool, **settings: Any) -> None:
    """Withdraw all that was credited to our account: rewards, released stakes, bonds, compensations."""
    opened = open_account(**settings)
    paid = claim_rewards(opened.ledger)
    text = f"claimed {opened.amount(paid)}" if paid else "nothing to claim"
    say(as_json, {"account": opened.account, "wei": str(paid)}, text)


@click.command(epilog="Example: fedtrust expire --contract 0x... --identity operator 0xAb...")
@account_options
@click.argument("account", type=options.AddressType())
def expire(account: Address, as_json: bool, **settings: Any) -> None:
    """Return the rewards that ACCOUNT did not claim in time to the pool. Anybody may."""
    opened = open_account(**settings)
    opened.ledger.expire_reward(account)
    pool = opened.ledger.reward_pool()
    text = f"the rewards of {account} are in the pool again: {opened.amount(pool)}"
    say(as_json, {"account": account, "reward_pool": str(pool)}, text)


def claim_rewards(ledger: Ledger) -> int:
    """Withdraw what the ledger's account has been credited; returns what was paid, 0 if there is nothing.

    The label counts the claims that were paid before: a claim cut off by a crash is resumed under its own label, and
    a paid one never stands in the way of the next.
    """
    paid = sum(isinstance(e, RewardClaimed) and e.account == ledger.account for e in ledger.events())
    return ledger.claim(f"claim {paid + 1}")


def add_rewards(ledger: Ledger, amount: int) -> None:
    """Add ``amount`` to the pool once; cut off by a crash and asked again, it is resumed and not doubled."""
    before = sum(isinstance(e, RewardsFunded) and e.sender == ledger.account for e in ledger.events())
    ledger.fund_rewards(amount, f"fund {before + 1} with {amount}")
