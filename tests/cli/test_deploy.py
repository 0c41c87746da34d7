"""``fedtrust deploy``: each rule goes where it belongs; each bad value is refused by name before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedtrust.cli.account import UNIT
from fedtrust.cli.deploy import deploy
from fedtrust.errors import ExitCode
from fedtrust.ledger.connection import connect
from fedtrust.ledger.types import Address, PayoutRule
from fedtrust.ledger.web3_reader import Web3LedgerReader
from tests.e2e.federation import Federation, Outcome, fedtrust_here

pytestmark = pytest.mark.timeout(120)

NOBODY = "0x000000000000000000000000000000000000dEaD"


def run(made: Federation, folder: Path, *options: object) -> Outcome:
    manifest = made.key / "manifest.json"
    own = ("--identity", made.people.identity("operator"), "--home", folder, *made.passphrase)
    return fedtrust_here("deploy", "--rpc", made.devnet.rpc_url, *own, "--json", "--manifest", manifest, *options)


def test_every_rule_reaches_the_contract(deployed: Federation, tmp_path: Path) -> None:
    out = tmp_path / "deployment.json"
    outcome = run(
        deployed, tmp_path, "--out", out,
        *("--round-reward", "0.5", "--payout-rule", "reliability", "--participant-share", 5000),
        *("--trustee-share", 3000, "--aggregator-share", 500, "--claim-seconds", 1000, "--participant-stake", "0.2"),
        *("--trustee-stake", "0.3", "--aggregator-stake", "0.4", "--dispute-bond", "0.05"),
        *("--challenger-reward-cap", "0.06", "--fund", 2, "--challenge-window", 11, "--dispute-seconds", 12),
        *("--standby-seconds", 13, "--max-round-seconds", 1400, "--unbonding-seconds", 15000),
        *("--minimum-quorum", 3, "--participants-per-round", 7, "--max-missed", 8),
    )  # fmt: skip
    assert outcome.code == ExitCode.OK, outcome.err
    body = outcome.json
    assert json.loads(out.read_text()) == body
    reader = Web3LedgerReader(connect(deployed.devnet.rpc_url), Address(body["contract"]))
    config = reader.config()
    assert (config.round_reward, config.payout_rule) == (UNIT // 2, PayoutRule.RELIABILITY)
    shares = (config.participant_basis_points, config.trustee_basis_points, config.aggregator_basis_points)
    assert shares == (5000, 3000, 500)
    stakes = (config.participant_stake, config.trustee_stake, config.aggregator_stake)
    assert stakes == (UNIT // 5, UNIT * 3 // 10, UNIT * 2 // 5)
    assert (config.dispute_bond, config.challenger_reward_cap) == (UNIT // 20, UNIT * 6 // 100)
    assert (config.challenge_window, config.dispute_seconds, config.standby_seconds) == (11, 12, 13)
    assert (config.max_round_seconds, config.unbonding_seconds, config.claim_seconds) == (1400, 15000, 1000)
    assert (config.minimum_quorum, config.participants_per_round, config.max_missed) == (3, 7, 8)
    assert reader.reward_pool() == 2 * UNIT
    key = reader.key()
    assert key is not None
    assert key.modulus_hash == deployed.people.manifest(2, 3).public_key.modulus_hash
    assert body["disputes"] == config.disputes


def test_the_defaults_are_allowed_and_a_successor_can_name_its_predecessor(
    deployed: Federation, tmp_path: Path
) -> None:
    outcome = run(deployed, tmp_path, "--predecessor", deployed.contract)
    assert outcome.code == ExitCode.OK, outcome.err
    reader = Web3LedgerReader(connect(deployed.devnet.rpc_url), Address(outcome.json["contract"]))
    config = reader.config()
    assert config.predecessor == deployed.contract
    assert config.asset == "0x" + "0" * 40
    assert config.unbonding_seconds == 7 * 86_400 + 3 * 300 + 3600 + 1800
    assert reader.head(0) == deployed.reader.head(deployed.reader.last_round())


BAD: dict[str, tuple[tuple[object, ...], ExitCode, tuple[str, ...]]] = {
    "a negative reward": (("--round-reward", -1), ExitCode.USAGE, ("--round-reward", "-1", "is not an amount")),
    "a fund that is no number": (("--fund", "much"), ExitCode.USAGE, ("--fund", "much", "is not an amount")),
    "too fine an amount": (("--dispute-bond", "0." + "1" * 19), ExitCode.USAGE, ("--dispute-bond", "18")),
    "more than there is": (("--aggregator-stake", 10**10), ExitCode.USAGE, ("--aggregator-stake", "out of range")),
    "a participant's stake of words": (("--participant-stake", "one"), ExitCode.USAGE, ("--participant-stake",)),
    "a trustee's stake of words": (("--trustee-stake", "1e3"), ExitCode.USAGE, ("--trustee-stake", "1e3")),
    "a cap of words": (("--challenger-reward-cap", ""), ExitCode.USAGE, ("--challenger-reward-cap",)),
    "a token that is no address": (("--asset", "USDC"), ExitCode.USAGE, ("--asset", "EIP-55")),
    "a predecessor that is no address": (("--predecessor", "0x1"), ExitCode.USAGE, ("--predecessor", "EIP-55")),
    "a predecessor that is no federation": (
        ("--predecessor", NOBODY), ExitCode.CONTRACT_MISSING, ("no Federation contract", NOBODY)
    ),
    "an unknown payout rule": (("--payout-rule", "mine"), ExitCode.USAGE, ("--payout-rule", "equal", "reliability")),
    "shares of more than all": (
        ("--participant-share", 9000), ExitCode.CONFIGURATION, ("more than the whole reward", "10000", "12000")
    ),
    "a share of more than all": (("--trustee-share", 10_001), ExitCode.USAGE, ("--trustee-share", "10000")),
    "a negative share": (("--aggregator-share", -1), ExitCode.USAGE, ("--aggregator-share",)),
    "a negative window": (("--challenge-window", -1), ExitCode.USAGE, ("--challenge-window", "-1")),
    "half a second": (("--dispute-seconds", 0.5), ExitCode.USAGE, ("--dispute-seconds", "0.5")),
    "an endless standby": (("--standby-seconds", 2**40), ExitCode.USAGE, ("--standby-seconds",)),
    "an endless round": (("--max-round-seconds", 2**40), ExitCode.USAGE, ("--max-round-seconds",)),
    "an endless claim": (("--claim-seconds", 2**40), ExitCode.USAGE, ("--claim-seconds",)),
    "too short an unbonding": (
        ("--unbonding-seconds", 60), ExitCode.CONFIGURATION, ("unbonding", "at least 611100 seconds", "60")
    ),
    "a quorum of one": (("--minimum-quorum", 1), ExitCode.USAGE, ("--minimum-quorum", "2")),
    "more drawn than a role can hold": (
        ("--participants-per-round", 257), ExitCode.USAGE, ("--participants-per-round", "256")
    ),
    "too many missed": (("--max-missed", 256), ExitCode.USAGE, ("--max-missed", "255")),
    "an output in no folder": (("--out", "/nowhere/x.json"), ExitCode.CONFIGURATION, ("--out", "/nowhere")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_rules_are_refused_by_name_and_nothing_is_sent(deployed: Federation, tmp_path: Path, name: str) -> None:
    options, code, words = BAD[name]
    operator = deployed.people.account("operator")
    web3 = deployed.devnet.web3()
    before = web3.eth.get_transaction_count(operator)  # type: ignore[arg-type]
    outcome = run(deployed, tmp_path, *options)
    assert outcome.code == code, outcome.err
    said = " ".join(str(value) for value in json.loads(outcome.err.splitlines()[-1]).values())
    for word in words:
        assert word in said
    assert web3.eth.get_transaction_count(operator) == before  # type: ignore[arg-type]


def test_every_rule_has_its_bad_value_above() -> None:
    tried = {str(options[0]) for options, _, _ in BAD.values()}
    shared = {"rpc", "chain_id", "confirmations", "identity_folder", "home", "passphrase_file", "as_json", "manifest"}
    assert {p.opts[0] for p in deploy.params if p.name not in shared} == tried
