"""``Web3LedgerReader``: the reading half of ``Ledger`` from a node, as of the latest confirmed block."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError

from fedtrust.errors import (
    ContractMissingError,
    ContractVersionError,
    LedgerError,
    LedgerInconsistentError,
    RoundError,
)
from fedtrust.ledger.artifacts import CONTRACT_NAME, CONTRACT_VERSION, disputes_artifact, federation_artifact
from fedtrust.ledger.connection import node_errors
from fedtrust.ledger.decoding import stored_dispute, stored_kind, stored_round
from fedtrust.ledger.draw import draw_indices
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.log_scanner import LogScanner
from fedtrust.ledger.roster import registered, roster
from fedtrust.ledger.round_events import complete_round, ended_in_block
from fedtrust.ledger.types import (
    ZERO_HASH,
    Address,
    Dispute,
    DisputeOutcome,
    Draw,
    FederationConfig,
    Identity,
    PayoutRule,
    Phase,
    PublishedKey,
    Reputation,
    Role,
    RoundState,
)

_REMEMBERED_BLOCKS: Final = 256
"""How far back the chain knows the hash of a block."""

# the fields of the contract's Config, in its order: the last ones of ours
_SETTINGS: Final = [field.name for field in fields(FederationConfig)][-21:]


class Web3LedgerReader:
    """One Federation contract, with its Disputes contract, seen through one node.

    ``confirmations`` is how many blocks must follow a block before it counts; 0 reads the newest one. On
    construction the contract is asked for its name and version: raises ContractMissingError or
    ContractVersionError. Every method may raise RpcUnreachableError.
    """

    def __init__(self, web3: Web3, contract: Address, confirmations: int = 0) -> None:
        """Check that a Federation of our version is at ``contract``, and read its constants."""
        self._web3: Final = web3
        self._address: Final = Address(to_checksum_address(contract))
        self._confirmations: Final = confirmations
        self._contract: Final = web3.eth.contract(
            address=Web3.to_checksum_address(contract), abi=federation_artifact().abi
        )
        self._chain_id: Final = web3.eth.chain_id
        self._verify_contract()
        self._config: Final = self._read_config()
        self._disputes: Final = web3.eth.contract(
            address=Web3.to_checksum_address(self._config.disputes), abi=disputes_artifact().abi
        )
        self._first_head: Final = bytes(self._call("headOf", 0, block="latest"))
        self._scanner: Final = LogScanner(web3, (self._address, self._config.disputes), self._config.deployed_block)

    @property
    def chain_id(self) -> int:
        """The chain id, from the endpoint."""
        return self._chain_id

    @property
    def contract(self) -> Address:
        """The Federation contract's address."""
        return self._address

    def config(self) -> FederationConfig:
        """Return the contract's immutable configuration; only ``owner`` may change, and is read anew."""
        return replace(self._config, owner=Address(to_checksum_address(self._call("owner"))))

    def key(self) -> PublishedKey | None:
        """Return the published committee key, or None before the operator published one."""
        key_id, threshold, trustees, modulus_hash = self._call("key")
        if bytes(key_id) == ZERO_HASH:
            return None
        return PublishedKey(bytes(key_id), threshold, trustees, bytes(modulus_hash))

    def identity(self, account: Address) -> Identity | None:
        """Return the identity of ``account`` (admitted, retired and revoked ones too), or None."""
        return roster(self.events()).get(Address(to_checksum_address(account)))

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all that ever registered, by role, index and epoch; only those of ``role`` if given."""
        return registered(roster(self.events()).values(), role)

    def reputation(self, role: Role, index: int) -> Reputation:
        """Return the counters of the identity of ``role`` with ``index``; all zero if there is none."""
        return Reputation(*self._call("reputationOf", int(role), index))

    def eligible(self) -> int:
        """Return the bitmap of the participants that can be drawn: active and not suspended."""
        return int(self._call("eligible"))

    def draw(self) -> Draw:
        """Return the selection for the next round as the contract would require it in the next block."""
        # not asked of the contract: nodes differ in which block a call is made, and the draw depends on it
        ended = ended_in_block(self.events())
        ended = self._config.deployed_block if ended is None else ended
        with node_errors("the block number"):
            newest = self._web3.eth.block_number
        block = ended + _REMEMBERED_BLOCKS * ((newest - ended) // _REMEMBERED_BLOCKS)
        beacon, number, wanted = self.block_hash(block), self.last_round() + 1, self._config.participants_per_round
        return Draw(block, beacon, draw_indices(beacon, number, self.eligible(), wanted))

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none was opened."""
        return int(self._call("lastRound"))

    def round(self, number: int) -> RoundState:
        """Return round ``number`` (1-based). Raises RoundError if it was never opened.

        Raises LedgerInconsistentError if the round's events do not lead to what the contract stores.
        """
        try:
            return self._round(number, self.block_number())
        except LedgerInconsistentError:
            # a reorganisation between our questions looks the same: ask again, all of them
            return self._round(number, self.block_number())

    def head(self, number: int) -> bytes:
        """Return the hash-chained head after round ``number``; head(0) is the predecessor's last, or zero."""
        return bytes(self._call("headOf", number)) if number > 0 else self._first_head

    def verdicts(self) -> bytes:
        """Return the running hash of all voidings; zero before the first."""
        return bytes(self._call("verdicts"))

    def current_model(self) -> bytes:
        """Return the model hash the next round must start from; zero if round 1 is free to set it."""
        return bytes(self._call("currentModel"))

    def claimable(self, account: Address) -> int:
        """Return all that ``account`` may withdraw, in units of the asset."""
        return int(self._call("claimable", account))

    def claimable_reward(self, account: Address) -> tuple[int, int]:
        """Return the part of it that is rewards, and the second from which that may be returned to the pool."""
        amount, expires_at = self._call("claimableReward", account)
        return int(amount), int(expires_at)

    def reward_pool(self) -> int:
        """Return what is in the pool and reserved by no round, in units of the asset."""
        return int(self._call("rewardPool"))

    def total_stake(self) -> int:
        """Return all that is staked, by whomever, in units of the asset."""
        return int(self._call("totalStake"))

    def dispute(self, number: int) -> Dispute:
        """Return dispute ``number`` (1-based). Raises LedgerError if there is none."""
        dispute = stored_dispute(number, self._call("disputeOf", number, contract=self._disputes))
        if dispute.outcome is DisputeOutcome.NONE:
            last = self._call("lastDispute", contract=self._disputes)
            raise LedgerError(f"there is no dispute {number}", expected=f"1 to {last}", got=number)
        return dispute

    def open_disputes(self, number: int) -> int:
        """Return how many disputes about round ``number`` are open."""
        return int(self._call("openDisputesOf", number, contract=self._disputes))

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all confirmed events of both contracts from ``from_block`` on, in chain order."""
        return tuple(event for event in self._events_until(self.block_number()) if event.block >= from_block)

    def block_number(self) -> int:
        """Return the number of the newest confirmed block."""
        with node_errors("the block number"):
            return max(0, self._web3.eth.block_number - self._confirmations)

    def block_hash(self, number: int) -> bytes:
        """Return the 32-byte hash of block ``number``. Raises LedgerError if there is none."""
        with node_errors(f"block {number}"):
            try:
                return bytes(self._web3.eth.get_block(number)["hash"])
            except BlockNotFound as error:
                raise LedgerError(
                    f"there is no block {number}", expected=f"0 to {self.block_number()}", got=number
                ) from error

    def now(self) -> int:
        """Return the chain's present in seconds: the newest (pending included) block timestamp."""
        with node_errors("the latest block"):
            latest = self._web3.eth.get_block("latest")["timestamp"]
        try:
            pending = self._web3.eth.get_block("pending")["timestamp"]
        except (BlockNotFound, Web3RPCError):
            # a node that makes no pending block has no present but the latest one
            return latest
        return max(latest, pending)

    def _events_until(self, block: int) -> tuple[LedgerEvent, ...]:
        with node_errors("the contract's events"):
            return self._scanner.events(block)

    def _round(self, number: int, block: int) -> RoundState:
        """Return round ``number`` as of ``block``."""
        at = max(block, self._config.deployed_block)
        values = self._call("roundOf", number, block=at) if number > 0 else None
        if values is None or values[0] == Phase.NONE:
            raise RoundError(f"round {number} was never opened", expected=f"1 to {self.last_round()}", got=number)
        previous_head = self._first_head if number == 1 else bytes(self._call("headOf", number - 1, block=at))
        return complete_round(
            stored_round(number, values),
            self._events_until(block),
            chain_id=self._chain_id,
            contract=self._address,
            previous_head=previous_head,
        )

    def _call(self, function: str, *arguments: object, contract: Any = None, block: Any = None) -> Any:
        """Call a view at ``block``, or at the latest confirmed one, but never before it was deployed."""
        if block is None:
            block = "latest"
            if self._confirmations:
                block = max(self.block_number(), self._config.deployed_block)
        target = self._contract if contract is None else contract
        try:
            return target.get_function_by_name(function)(*arguments).call(block_identifier=block)
        except (BadFunctionCallOutput, ContractLogicError, Web3RPCError) as error:
            raise LedgerError(
                f"the contract at {target.address} did not answer {function}",
                got=type(error).__name__,
                advice="the node may be behind or have pruned this block; try again or use another endpoint",
            ) from error

    def _verify_contract(self) -> None:
        """Check code, name and version at the address."""
        if not self._web3.eth.get_code(Web3.to_checksum_address(self._address)):
            raise self._missing("no code")
        try:
            name = self._contract.functions.contractName().call()
        except (BadFunctionCallOutput, ContractLogicError, Web3RPCError, ValueError, OverflowError) as error:
            raise self._missing("a contract without contractName()") from error
        if name != CONTRACT_NAME:
            raise self._missing(f"a contract named {name[:64]!r}")
        try:
            version = self._contract.functions.version().call()
        except (BadFunctionCallOutput, ContractLogicError, Web3RPCError) as error:
            raise self._missing("a contract without version()") from error
        if version != CONTRACT_VERSION:
            raise ContractVersionError(
                f"the contract at {self._address} is a Federation of another version",
                expected=f"version {CONTRACT_VERSION}",
                got=f"version {version}",
                advice="use the release of fedtrust that the federation was deployed with",
            )

    def _missing(self, got: str) -> ContractMissingError:
        return ContractMissingError(
            f"there is no Federation contract at {self._address} on chain {self._chain_id}",
            expected=CONTRACT_NAME,
            got=got,
            advice="check the contract address and the chain; a devnet forgets everything when it restarts",
        )

    def _read_config(self) -> FederationConfig:
        settings = dict(zip(_SETTINGS, self._call("config", block="latest"), strict=True))
        return FederationConfig(
            chain_id=self._chain_id,
            contract=self._address,
            version=CONTRACT_VERSION,
            owner=Address(to_checksum_address(self._call("owner", block="latest"))),
            deployed_block=self._call("deployedBlock", block="latest"),
            disputes=Address(to_checksum_address(self._call("disputes", block="latest"))),
            asset=Address(to_checksum_address(settings.pop("asset"))),
            predecessor=Address(to_checksum_address(settings.pop("predecessor"))),
            payout_rule=stored_kind(PayoutRule, settings.pop("payout_rule"), "the payout rule"),
            **settings,
        )
