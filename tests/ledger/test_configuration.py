"""What a federation can be deployed with: our refusals are the contract's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from eth_abi.abi import encode

from fedtrust.errors import ConfigurationError, TransactionError
from fedtrust.ledger.configuration import LONGEST, DeploymentConfig
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Address, PayoutRule
from fedtrust.ledger.web3_reader import Web3LedgerReader
from tests.ledger.worlds import OPERATOR

USUAL: dict[str, Any] = {"challenge_window": 600, "round_reward": 10**18}

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("basisPoints", {"participant_basis_points": 7_001}),
    ("minimumQuorum", {"minimum_quorum": 1}),
    ("participantsPerRound", {"participants_per_round": 1}),
    ("participantsPerRound", {"participants_per_round": 4, "minimum_quorum": 5}),
    ("disputeSeconds", {"dispute_seconds": 0}),
    ("disputeSeconds", {"dispute_seconds": LONGEST + 1, "unbonding_seconds": LONGEST}),
    ("maxRoundSeconds", {"max_round_seconds": 0}),
    ("maxRoundSeconds", {"max_round_seconds": LONGEST + 1}),
    ("claimSeconds", {"claim_seconds": 0}),
    ("claimSeconds", {"claim_seconds": LONGEST + 1}),
    ("unbondingSeconds", {"unbonding_seconds": 7 * 86_400 + 90 + 600 + 119}),
    ("unbondingSeconds", {"unbonding_seconds": LONGEST + 1}),
    ("unbondingSeconds", {"challenge_window": LONGEST}),
]


class Unchecked(DeploymentConfig):
    """A configuration that only the contract checks."""

    def __post_init__(self) -> None:
        pass


@pytest.mark.parametrize(("field", "change"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_we_refuse_what_the_contract_refuses(anvil: Devnet, field: str, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DeploymentConfig(**{**USUAL, **change})
    with pytest.raises(TransactionError) as caught:
        deploy_federation(anvil.web3(), OPERATOR, Address(OPERATOR.address), Unchecked(**{**USUAL, **change}))
    name = encode(["bytes32"], [field.encode()]).hex()
    assert caught.value.got == f"ConfigInvalid(0x{name})"


@pytest.mark.parametrize(
    "change",
    [
        {"round_reward": 1 << 88},
        {"participant_stake": 1 << 96},
        {"dispute_bond": -1},
        {"challenge_window": 1 << 40},
        {"max_missed": 256},
        {"participants_per_round": 1 << 16},
        {"challenge_window": 1.5},
        {"minimum_quorum": True},
        {"payout_rule": 1},
    ],
)
def test_values_that_the_contract_cannot_hold(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DeploymentConfig(**{**USUAL, **change})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"unbonding_seconds": 7 * 86_400 + 90 + 600 + 120},
        {
            "challenge_window": 1,
            "dispute_seconds": 2,
            "standby_seconds": 3,
            "max_round_seconds": 4,
            "unbonding_seconds": 16,
            "claim_seconds": 6,
            "round_reward": (1 << 88) - 1,
            "participant_basis_points": 8,
            "trustee_basis_points": 9,
            "aggregator_basis_points": 10,
            "payout_rule": PayoutRule.RELIABILITY,
            "participant_stake": (1 << 96) - 1,
            "trustee_stake": 12,
            "aggregator_stake": 13,
            "dispute_bond": 14,
            "challenger_reward_cap": 15,
            "minimum_quorum": 16,
            "participants_per_round": 17,
            "max_missed": 18,
        },
    ],
)
def test_what_is_deployed_is_what_is_read(anvil: Devnet, change: dict[str, Any]) -> None:
    config = DeploymentConfig(**{**USUAL, **change})
    deployed = deploy_federation(anvil.web3(), OPERATOR, Address(OPERATOR.address), config)
    found = Web3LedgerReader(anvil.web3(), deployed.contract).config()
    for field in fields(config):
        expected = config.unbonding if field.name == "unbonding_seconds" else getattr(config, field.name)
        assert getattr(found, field.name) == expected, field.name
    assert (found.contract, found.owner, found.deployed_block) == (deployed.contract, OPERATOR.address, deployed.block)
    assert found.disputes not in (found.contract, found.asset)
