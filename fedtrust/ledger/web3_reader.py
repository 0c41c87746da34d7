"""``Web3LedgerReader``: the reading half of ``Ledger`` from a node, as of the latest confirmed block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, ContractLogicError, Web3RPCError

from fedtrust.errors import ContractMissingError, ContractVersionError, LedgerError, RoundError
from fedtrust.ledger.artifacts import CONTRACT_NAME, CONTRACT_VERSION, federation_artifact
from fedtrust.ledger.connection import node_errors
from fedtrust.ledger.decoding import round_state
from fedtrust.ledger.events import IdentityRegistered, IdentityRevoked, LedgerEvent
from fedtrust.ledger.log_scanner import LogScanner
from fedtrust.ledger.types import (
    ZERO_HASH,
    Address,
    FederationConfig,
    Identity,
    Phase,
    PublishedKey,
    Role,
    RoundState,
)


class Web3LedgerReader:
    """One Federation contract seen through one node.

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
        self._scanner: Final = LogScanner(web3, self._address, self._config.deployed_block)

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
        key_id, threshold, trustees = self._call("key")
        return None if bytes(key_id) == ZERO_HASH else PublishedKey(bytes(key_id), threshold, trustees)

    def identity(self, account: Address) -> Identity | None:
        """Return the identity registered for ``account`` (revoked ones too), or None."""
        wanted = Address(to_checksum_address(account))
        return next((each for each in self.identities() if each.account == wanted), None)

    def identities(self, role: Role | None = None) -> tuple[Identity, ...]:
        """Return all identities ever registered, by role and then index; only those of ``role`` if given."""
        registered: dict[Address, IdentityRegistered] = {}
        revoked: set[Address] = set()
        for event in self.events():
            if isinstance(event, IdentityRegistered):
                registered[event.account] = event
            elif isinstance(event, IdentityRevoked):
                revoked.add(event.account)
        identities = [
            Identity(
                account=event.account,
                role=event.role,
                index=event.index,
                active=event.account not in revoked,
                certificate_fingerprint=event.certificate_fingerprint,
                sealing_key=event.sealing_key,
                certificate=event.certificate,
            )
            for event in registered.values()
            if role is None or event.role is role
        ]
        return tuple(sorted(identities, key=lambda each: (each.role, each.index)))

    def last_round(self) -> int:
        """Return the number of the newest round, 0 if none was opened."""
        return int(self._call("lastRound"))

    def round(self, number: int) -> RoundState:
        """Return round ``number`` (1-based). Raises RoundError if it was never opened."""
        values = self._call("roundOf", number) if number > 0 else None
        if values is None or values[0] == Phase.NONE:
            raise RoundError(f"round {number} was never opened", expected=f"1 to {self.last_round()}", got=number)
        return round_state(number, values)

    def head(self, number: int) -> bytes:
        """Return the hash-chained head after round ``number``; head(0) is 32 zero bytes."""
        return bytes(self._call("headOf", number)) if number > 0 else ZERO_HASH

    def current_model(self) -> bytes:
        """Return the model hash the next round must start from; zero before round 1 was opened."""
        return bytes(self._call("currentModel"))

    def claimable(self, account: Address) -> int:
        """Return the wei that ``account`` may claim."""
        return int(self._call("claimable", account))

    def reward_pool(self) -> int:
        """Return the wei in the pool that no round has reserved."""
        return int(self._call("rewardPool"))

    def events(self, from_block: int = 0) -> tuple[LedgerEvent, ...]:
        """Return all confirmed events of the contract from ``from_block`` on, in chain order."""
        with node_errors("the contract's events"):
            events = self._scanner.events(self.block_number())
        return tuple(event for event in events if event.block >= from_block)

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

    def _call(self, function: str, *arguments: object) -> Any:
        """Call a view of the contract at the latest confirmed block, but never before it was deployed."""
        block: Any = "latest"
        if self._confirmations:
            block = max(self.block_number(), self._config.deployed_block)
        try:
            return self._contract.get_function_by_name(function)(*arguments).call(block_identifier=block)
        except (BadFunctionCallOutput, ContractLogicError, Web3RPCError) as error:
            raise LedgerError(
                f"the contract at {self._address} did not answer {function}",
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
        functions = self._contract.functions
        window, reward, participant, trustee, aggregator = functions.config().call()
        return FederationConfig(
            chain_id=self._chain_id,
            contract=self._address,
            version=CONTRACT_VERSION,
            owner=Address(to_checksum_address(functions.owner().call())),
            deployed_block=functions.deployedBlock().call(),
            challenge_window=window,
            round_reward=reward,
            participant_basis_points=participant,
            trustee_basis_points=trustee,
            aggregator_basis_points=aggregator,
        )
