"""Deploy a Federation contract, and send ether to fresh accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import ContractLogicError, TimeExhausted, Web3RPCError
from web3.types import RPCEndpoint, TxReceipt

from fedtrust.errors import TransactionError
from fedtrust.ledger.artifacts import federation_artifact
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.decoding import decode_revert, revert_data
from fedtrust.ledger.refusals import refused
from fedtrust.ledger.transaction_sender import MAXIMUM_GAS
from fedtrust.ledger.types import Address

__all__ = ["Deployment", "DeploymentConfig", "deploy_federation", "send_ether"]

TIMEOUT: Final = 120.0
"""Seconds to wait for a transaction of this module to be mined."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where and when a contract was deployed."""

    contract: Address
    block: int


def deploy_federation(
    web3: Web3,
    signer: LocalAccount,
    owner: Address,
    config: DeploymentConfig,
    *,
    timeout: float = TIMEOUT,
) -> Deployment:
    """Deploy a Federation (and its Disputes) that ``owner`` operates, paid by ``signer``, and return where it is.

    Not idempotent: every call deploys another contract. Raises TransactionError when it is refused or not mined
    within ``timeout`` seconds.
    """
    artifact = federation_artifact()
    settings = (
        config.asset,
        config.predecessor,
        config.challenge_window,
        config.dispute_seconds,
        config.standby_seconds,
        config.max_round_seconds,
        config.unbonding,
        config.claim_seconds,
        config.round_reward,
        config.participant_basis_points,
        config.trustee_basis_points,
        config.aggregator_basis_points,
        int(config.payout_rule),
        config.participant_stake,
        config.trustee_stake,
        config.aggregator_stake,
        config.dispute_bond,
        config.challenger_reward_cap,
        config.minimum_quorum,
        config.participants_per_round,
        config.max_missed,
    )
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    data = str(factory.constructor(owner, settings).data_in_transaction)
    receipt = _send(web3, signer, {"data": data, "value": 0}, "the deployment", timeout)
    address = receipt["contractAddress"]
    if address is None:
        raise TransactionError("the deployment left no contract", advice="check the node's log")
    return Deployment(Address(to_checksum_address(address)), receipt["blockNumber"])


def send_ether(web3: Web3, signer: LocalAccount, account: Address, amount: int, *, timeout: float = TIMEOUT) -> None:
    """Send ``amount`` wei from ``signer`` to ``account``. Not idempotent. Raises TransactionError."""
    _send(web3, signer, {"to": account, "data": "0x", "value": amount}, f"sending ether to {account}", timeout)


def _send(web3: Web3, signer: LocalAccount, fields: dict[str, Any], step: str, timeout: float) -> TxReceipt:
    """Send one EIP-1559 transaction without an outbox and wait for its success."""
    call = {"from": signer.address, **fields, "value": hex(fields["value"])}
    answer = web3.provider.make_request(RPCEndpoint("eth_estimateGas"), [call, "pending"])
    error = answer.get("error")
    if error is not None:
        reason = revert_data(error)
        raise refused(step, str(error) if reason is None else decode_revert(reason))
    gas = int(str(answer["result"]), 16)
    try:
        base = int(web3.eth.get_block("latest").get("baseFeePerGas", 0))
        priority = int(web3.eth.max_priority_fee)
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": web3.eth.chain_id,
            "nonce": web3.eth.get_transaction_count(signer.address, "pending"),
            "gas": min(gas + gas // 4, MAXIMUM_GAS),
            "maxFeePerGas": 2 * base + priority,
            "maxPriorityFeePerGas": priority,
            **fields,
        }
        signed = signer.sign_transaction(transaction)
        digest = web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = web3.eth.wait_for_transaction_receipt(digest, timeout=timeout, poll_latency=0.1)
    except (Web3RPCError, ContractLogicError) as problem:
        raise TransactionError(
            f"the node did not take the transaction of {step}",
            got=str(problem)[:300],
            advice=f"check the node's log, and that {signer.address} has ether",
        ) from problem
    except TimeExhausted as problem:
        raise TransactionError(
            f"{step} was not mined within {timeout:g} s",
            expected="a receipt",
            got="none",
            advice="look the sender's transactions up before trying again",
        ) from problem
    if receipt["status"] != 1:
        raise refused(step, "reverted")
    return receipt
