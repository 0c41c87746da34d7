"""Stakes, bonds and rewards in an ERC-20 token, on a real node: what is approved, when, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import solcx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.types import RPCEndpoint, RPCResponse

from fedtrust.errors import TransactionError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.connection import RetryingHttpProvider, web3_for
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import Address, DisputeOutcome, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from tests.ledger.compiled import ROOT, compiler
from tests.ledger.play import address, prepare, to_finalized
from tests.ledger.registered import certificate_of, sealing_key_of
from tests.ledger.worlds import (
    AGGREGATOR,
    CHALLENGER,
    CONFIG,
    OPERATOR,
    PARTICIPANTS,
    SIGNERS,
    STRANGER,
    NodeWorld,
)

SOURCE = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// An ordinary token that, like some old ones, refuses to change an allowance that is not zero.
contract Coin is ERC20 {
    constructor(address[] memory accounts) ERC20("Coin", "COIN") {
        for (uint256 i = 0; i < accounts.length; ++i) _mint(accounts[i], 10 ** 12);
    }

    function approve(address spender, uint256 value) public override returns (bool) {
        require(value == 0 || allowance(msg.sender, spender) == 0, "set it to zero first");
        return super.approve(spender, value);
    }
}
"""
SUPPLY = 10**12


@pytest.fixture(scope="module")
def coin() -> dict[str, Any]:
    module = compiler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", module.node_environment()["PATH"])
        output = solcx.compile_standard(
            {
                "language": "Solidity",
                "sources": {"Coin.sol": {"content": SOURCE}},
                "settings": {
                    **module.SETTINGS,
                    "viaIR": False,
                    "outputSelection": {"Coin.sol": {"Coin": ["abi", "evm.bytecode.object"]}},
                },
            },
            solc_binary=ROOT / "scripts" / "solc.js",
        )
    contract: dict[str, Any] = output["contracts"]["Coin.sol"]["Coin"]
    return contract


class TokenWorld(NodeWorld):
    """A federation whose asset is a token of which every signer has some."""

    def __init__(self, devnet: Devnet, coin: dict[str, Any]) -> None:
        web3 = devnet.web3()
        factory = web3.eth.contract(abi=coin["abi"], bytecode=coin["evm"]["bytecode"]["object"])
        deploy = factory.constructor([signer.address for signer in SIGNERS]).build_transaction(
            {"from": OPERATOR.address, "nonce": web3.eth.get_transaction_count(OPERATOR.address), "gas": 3_000_000}
        )
        raw = OPERATOR.sign_transaction(deploy).raw_transaction
        receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
        token = receipt["contractAddress"]
        assert token is not None
        self.token = web3.eth.contract(address=token, abi=coin["abi"])
        settings = {name: getattr(CONFIG, name) for name in CONFIG.__slots__}
        settings["asset"] = Address(to_checksum_address(token))
        super().__init__(devnet, DeploymentConfig(**settings))

    def holds(self, account: str) -> int:
        return int(self.token.functions.balanceOf(account).call())

    def allowance(self, account: str) -> int:
        return int(self.token.functions.allowance(account, self.contract).call())

    def approve(self, signer: LocalAccount, amount: int) -> None:
        """Set an allowance past the ledger."""
        call = self.token.functions.approve(self.contract, amount).build_transaction(
            {"from": signer.address, "nonce": self.web3.eth.get_transaction_count(signer.address), "gas": 100_000}
        )
        raw = signer.sign_transaction(call).raw_transaction
        receipt = self.web3.eth.wait_for_transaction_receipt(self.web3.eth.send_raw_transaction(raw))
        assert receipt["status"] == 1


@pytest.fixture
def token_world(anvil: Devnet, coin: dict[str, Any]) -> TokenWorld:
    return TokenWorld(anvil, coin)


def test_a_federation_in_a_token(token_world: TokenWorld) -> None:
    """Stake, fund, run a round, dispute in vain, settle, claim: in the token, and to its smallest unit."""
    world = token_world
    prepare(world)
    ledger = world.ledger(CHALLENGER)
    config = ledger.config()
    assert config.asset == world.token.address
    for signer, stake in ((PARTICIPANTS[0], config.participant_stake), (AGGREGATOR, config.aggregator_stake)):
        assert world.holds(signer.address) == SUPPLY - stake
        assert world.allowance(signer.address) == 0
    assert world.holds(world.contract) == ledger.total_stake() + ledger.reward_pool()
    assert world.balance(world.contract) == 0  # no coin of the chain was sent

    aggregator = to_finalized(world)
    dispute = ledger.challenge_aggregate(1, 0)
    assert world.holds(CHALLENGER.address) == SUPPLY - config.dispute_bond
    world.advance_past(ledger.dispute(dispute).deadline)
    ledger.expire_dispute(dispute)
    assert ledger.dispute(dispute).outcome is DisputeOutcome.FAILED
    world.advance_past(ledger.round(1).challenge_end)
    aggregator.settle_round(1)
    before = world.holds(PARTICIPANTS[0].address)
    paid = world.ledger(PARTICIPANTS[0]).claim("first")
    assert paid > 0
    assert world.holds(PARTICIPANTS[0].address) == before + paid
    claimable = sum(ledger.claimable(address(signer)) for signer in SIGNERS)
    assert world.holds(world.contract) == ledger.total_stake() + ledger.reward_pool() + claimable


def test_paying_again_pays_nothing(token_world: TokenWorld) -> None:
    world = token_world
    ledger = world.ledger(STRANGER)
    ledger.fund_rewards(500, "gift")
    sent = world.web3.eth.get_transaction_count(STRANGER.address)
    world.again(STRANGER).fund_rewards(500, "gift")
    assert world.web3.eth.get_transaction_count(STRANGER.address) == sent
    # the same amount for another purpose is approved again
    ledger.fund_rewards(500, "another gift")
    assert ledger.reward_pool() == 1_000
    assert world.web3.eth.get_transaction_count(STRANGER.address) == sent + 2


def test_allowances_that_are_there(token_world: TokenWorld) -> None:
    world = token_world
    ledger = world.ledger(STRANGER)
    world.approve(STRANGER, 700)
    sent = world.web3.eth.get_transaction_count(STRANGER.address)
    ledger.fund_rewards(600, "enough")
    assert world.web3.eth.get_transaction_count(STRANGER.address) == sent + 1
    assert world.allowance(STRANGER.address) == 100
    # too little, and not zero: set to zero first
    ledger.fund_rewards(101, "too little")
    assert world.web3.eth.get_transaction_count(STRANGER.address) == sent + 4
    assert (ledger.reward_pool(), world.allowance(STRANGER.address)) == (701, 0)


def test_who_has_too_little_is_told(token_world: TokenWorld) -> None:
    ledger = token_world.ledger(STRANGER)
    with pytest.raises(TransactionError) as caught:
        ledger.fund_rewards(SUPPLY + 1, "too much")
    assert str(caught.value.got).startswith("ERC20InsufficientBalance(")
    assert caught.value.advice
    assert ledger.reward_pool() == 0


class Crash(BaseException):
    """The process ends here."""


class CrashingProvider(RetryingHttpProvider):
    """Crashes before it sends transaction number ``survive`` + 1."""

    def __init__(self, url: str, survive: int) -> None:
        super().__init__(url)
        self._left = survive

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method == "eth_sendRawTransaction":
            if self._left == 0:
                raise Crash
            self._left -= 1
        return super().make_request(method, params)


@pytest.mark.parametrize("survive", [0, 1])
def test_a_crash_between_approval_and_payment(token_world: TokenWorld, tmp_path: Path, survive: int) -> None:
    world, path = token_world, tmp_path / "outbox.sqlite"
    signer = PARTICIPANTS[0]
    world.ledger(OPERATOR).admit_identity(address(signer), Role.PARTICIPANT)
    certificate, sealing_key = certificate_of(signer.address), sealing_key_of(signer.address)

    def ledger(web3: Web3) -> Web3Ledger:
        return Web3Ledger(web3, world.contract, signer, Outbox(path), timeout=30)

    crashing = ledger(web3_for(CrashingProvider(world.devnet.rpc_url, survive)))
    with pytest.raises(Crash):
        crashing.register_identity(certificate, sealing_key)
    for _ in range(2):
        ledger(world.devnet.web3()).register_identity(certificate, sealing_key)
    stake = CONFIG.participant_stake
    assert (world.holds(signer.address), world.allowance(signer.address)) == (SUPPLY - stake, 0)
    identity = world.ledger(OPERATOR).identity(address(signer))
    assert identity is not None
    assert (identity.stake, world.ledger(OPERATOR).total_stake()) == (stake, stake)


def test_a_fresh_account_has_no_stake_to_pay(token_world: TokenWorld) -> None:
    """Nothing is approved for an account that the contract would refuse anyway."""
    world = token_world
    signer: LocalAccount = Account.create()
    ledger = Web3Ledger(world.web3, world.contract, signer, Outbox(":memory:"))
    with pytest.raises(TransactionError) as caught:
        ledger.register_identity(b"certificate", bytes(32))
    assert caught.value.got == f"IdentityWrongStatus({signer.address}, 0)"
    assert world.allowance(signer.address) == 0
