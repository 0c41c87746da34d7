"""``fedtrust status``: what the chain says of a federation now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fedtrust.cli import options
from fedtrust.cli.account import asset_name, plain
from fedtrust.cli.chain import open_reader
from fedtrust.cli.members_table import members_table
from fedtrust.cli.output import console
from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.events import (
    AggregateChallenged,
    AvailabilityChallenged,
    DisputeDecided,
    IdentityAdmitted,
    LedgerEvent,
    RoundAborted,
    RoundFinalized,
)
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    AbortReason,
    Address,
    FederationConfig,
    Identity,
    Phase,
    Role,
    RoundState,
    Status,
)


@click.command(epilog="Example: fedtrust status --rpc http://127.0.0.1:8545 --contract 0x...")
@options.chain
@options.contract
@options.as_json
def status(rpc: str, chain_id: int | None, confirmations: int, contract: Address, as_json: bool) -> None:
    """Show identities, stakes, reputation, rounds, disputes and whose turn it is, from the chain alone."""
    ledger = open_reader(rpc, chain_id, contract, confirmations)
    body = describe(ledger)
    if as_json:
        click.echo(json.dumps(body))
    else:
        show(body, console())


def show(body: dict[str, Any], screen: Console) -> None:
    """Print what :func:`describe` returned."""
    unit = "ether" if body["config"]["asset"] == ZERO_ADDRESS else "tokens"
    screen.print(f"Federation {body['contract']} on chain {body['chain_id']}, version {body['version']}")
    pool, staked = (plain(int(body[name])) for name in ("reward_pool", "total_stake"))
    screen.print(f"key {body['key']}; in {body['asset']}: reward pool {pool}, staked {staked}")
    screen.print(_rules(body["config"]))
    screen.print(f"next: {body['turn']['text']}")
    screen.print(members_table(body["identities"], unit))
    rounds = Table("round", "phase", "selected", "committed", "accepted", "attested", "model", title="Rounds")
    for each in body["rounds"]:
        phase = each["phase"] + (f" ({each['abort_reason']})" if each["abort_reason"] != "none" else "")
        phase += ", taken over" if each["taken_over"] else ""
        counts = (str(each[name]) for name in ("selected", "committed", "accepted", "attested"))
        rounds.add_row(str(each["round"]), phase, *counts, each["model"][:18])
    screen.print(rounds)
    if body["disputes"]:
        disputes = Table("dispute", "round", "about", "outcome", "challenger", "convicted", title="Disputes")
        for each in body["disputes"]:
            number = str(each["dispute"] or "")
            who = (each["challenger"], each["offender"] or "")
            disputes.add_row(number, str(each["round"]), each["kind"], each["outcome"], *who)
        screen.print(disputes)


def _rules(config: dict[str, Any]) -> str:
    """Return what somebody should know before it takes part, in two lines."""
    stakes = ", ".join(
        f"{role.name.lower()} {plain(int(config[f'{role.name.lower()}_stake']))}"
        for role in Role
        if role is not Role.NONE
    )
    reward, bond = plain(int(config["round_reward"])), plain(int(config["dispute_bond"]))
    return (
        f"stakes: {stakes}, held {config['unbonding_seconds']} s after leaving; a round pays {reward} at most, by the "
        f"rule {config['payout_rule']}\ndisputes: bond {bond}, within {config['challenge_window']} s of the result"
    )


def describe(ledger: LedgerReader) -> dict[str, Any]:
    """Return the federation's state as a JSON-ready mapping; amounts are decimal strings in the smallest unit."""
    config, key, events = ledger.config(), ledger.key(), ledger.events()
    states = [ledger.round(number) for number in range(1, ledger.last_round() + 1)]
    registered = ledger.identities()
    eligible = ledger.eligible()
    return {
        "chain_id": ledger.chain_id,
        "contract": ledger.contract,
        "version": config.version,
        "owner": config.owner,
        "disputes_contract": config.disputes,
        "asset": asset_name(config),
        "config": _config(config),
        "key": None if key is None else f"{key.threshold} of {key.trustees}, {to_hex(key.key_id)}",
        "reward_pool": str(ledger.reward_pool()),
        "total_stake": str(ledger.total_stake()),
        "turn": turn(ledger, config, states, registered, events),
        "identities": [_identity(ledger, each, eligible) for each in registered] + _admitted(ledger, events),
        "rounds": [_round(each) for each in states],
        "disputes": _disputes(ledger, events),
    }


def _config(config: FederationConfig) -> dict[str, Any]:
    """Return the rules: amounts as decimal strings, as everywhere."""
    amounts = {"round_reward", "dispute_bond", "challenger_reward_cap"}
    amounts |= {f"{role.name.lower()}_stake" for role in Role if role is not Role.NONE}
    above = {"chain_id", "contract", "version", "owner", "disputes"}
    body = {n: str(v) if n in amounts else v for n, v in asdict(config).items() if n not in above}
    return body | {"payout_rule": config.payout_rule.name.lower()}


def _identity(ledger: LedgerReader, each: Identity, eligible: int) -> dict[str, Any]:
    retired = each.status is Status.RETIRED  # what it did is counted for who has its place now
    suspended = each.role is Role.PARTICIPANT and each.active and not eligible >> each.index & 1
    return {
        "account": each.account,
        "role": each.role.name.lower(),
        "index": each.index,
        "active": each.active,
        "status": each.status.name.lower(),
        "suspended": suspended,
        "epoch": each.epoch,
        "stake": str(each.stake),
        "release_at": each.release_at,
        "certificate_fingerprint": to_hex(each.certificate_fingerprint),
        "claimable": str(ledger.claimable(each.account)),
        "reputation": None if retired else asdict(ledger.reputation(each.role, each.index)),
    }


def _admitted(ledger: LedgerReader, events: Sequence[LedgerEvent]) -> list[dict[str, Any]]:
    """Return those that were admitted and have not registered, with the same fields."""
    accounts = dict.fromkeys(e.account for e in events if isinstance(e, IdentityAdmitted))
    found = [each for account in accounts if (each := ledger.identity(account)) and each.status is Status.ADMITTED]
    return [
        {
            "account": each.account,
            "role": each.role.name.lower(),
            "index": None,
            "active": False,
            "status": "admitted",
            "suspended": False,
            "epoch": 0,
            "stake": "0",
            "release_at": 0,
            "certificate_fingerprint": None,
            "claimable": str(ledger.claimable(each.account)),
            "reputation": None,
        }
        for each in found
    ]


def _round(state: RoundState) -> dict[str, Any]:
    return {
        "round": state.number,
        "phase": Phase(state.phase).name.lower(),
        "abort_reason": AbortReason(state.abort_reason).name.lower(),
        "aggregator": state.aggregator,
        "taken_over": state.taken_over,
        "base_round": state.base_round,
        "selected": state.selected.bit_count(),
        "committed": state.committed.bit_count(),
        "accepted": state.accepted.bit_count(),
        "attested": state.attested.bit_count(),
        "spec": to_hex(state.spec_hash),
        "model": to_hex(state.model_hash),
        "head": to_hex(state.head),
        "reward": str(state.reward),
        "challenge_end": state.challenge_end,
    }


def _disputes(ledger: LedgerReader, events: Sequence[LedgerEvent]) -> list[dict[str, Any]]:
    """Return all disputes in the order in which they were brought; decided at once, one has no number."""
    decided = {e.dispute: e for e in events if isinstance(e, DisputeDecided) and e.dispute}
    found: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, AggregateChallenged | AvailabilityChallenged):
            state, end = ledger.dispute(event.dispute), decided.get(event.dispute)
            offender = None if end is None or end.offender == ZERO_ADDRESS else end.offender
            found.append(
                {
                    "dispute": event.dispute,
                    "round": event.round,
                    "kind": state.kind.name.lower(),
                    "outcome": state.outcome.name.lower(),
                    "leaf": event.leaf,
                    "deadline": state.deadline,
                    "challenger": event.challenger,
                    "offender": offender,
                }
            )
        elif isinstance(event, DisputeDecided) and not event.dispute:
            found.append(
                {
                    "dispute": None,
                    "round": event.round,
                    "kind": event.kind.name.lower(),
                    "outcome": event.outcome.name.lower(),
                    "leaf": None,
                    "deadline": None,
                    "challenger": event.challenger,
                    "offender": None if event.offender == ZERO_ADDRESS else event.offender,
                }
            )
    return found


def turn(
    ledger: LedgerReader,
    config: FederationConfig,
    states: Sequence[RoundState],
    registered: Sequence[Identity],
    events: Sequence[LedgerEvent],
) -> dict[str, Any]:
    """Return who has to act: the aggregator of the running round, or who may open the next one until when."""
    if not states:
        return {"round": 1, "aggregator": None, "until": None, "text": "any aggregator may open round 1"}
    last, now = states[-1], ledger.now()
    if last.phase in (Phase.COMMIT, Phase.UPLOAD, Phase.DECRYPT):
        return _turn_within(last, now, config)
    number = last.number + 1
    ended = [e for e in events if isinstance(e, RoundFinalized | RoundAborted) and e.round == last.number]
    fair = last.phase in (Phase.FINALIZED, Phase.SETTLED) or last.abort_reason is AbortReason.COMMIT_QUORUM_MISSED
    mine = any(i.account == last.aggregator and i.active for i in registered)
    until = ended[-1].timestamp + config.standby_seconds if ended else 0
    if fair and mine and now <= until:
        text = f"{last.aggregator} opens round {number}; after second {until} any aggregator may"
        return {"round": number, "aggregator": last.aggregator, "until": until, "text": text}
    return {"round": number, "aggregator": None, "until": None, "text": f"any aggregator may open round {number}"}


def _turn_within(state: RoundState, now: int, config: FederationConfig) -> dict[str, Any]:
    """Return who has to act in a running round: its aggregator, a standby, or anybody who aborts it."""
    number, body = state.number, {"round": state.number, "aggregator": state.aggregator, "until": None}
    until = state.deadlines.aggregate + config.standby_seconds
    if state.phase is Phase.UPLOAD and state.deadlines.aggregate < now <= until and not state.taken_over:
        text = f"round {number} missed its deadline: another aggregator may take it over until second {until}"
        return body | {"until": until, "text": text}
    deadlines = {
        Phase.COMMIT: state.deadlines.commit,
        Phase.UPLOAD: state.deadlines.aggregate,
        Phase.DECRYPT: state.deadlines.finalize,
    }
    if deadlines[state.phase] >= now:
        return body | {"text": f"{state.aggregator} runs round {number}"}
    if state.phase is Phase.COMMIT and state.committed.bit_count() >= state.quorum:
        return body | {"text": f"round {number} has its quorum: anybody may close its commit phase"}
    return body | {"text": f"round {number} missed a deadline: anybody may abort it"}
