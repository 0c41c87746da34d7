"""The rules of both contracts in Python: same checks, in the same order, refused with the same errors.

Written beside ``contracts/`` and held to it by the conformance suite. The parts follow the Solidity files: rewards,
identities, rounds, endings, disputes, each on top of the one before. Only the chain's own coin is known here, and no
predecessor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fedtrust.errors import ConfigurationError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.memory_disputes import MemoryDisputes
from fedtrust.ledger.memory_state import Call, Revert
from fedtrust.ledger.types import ZERO_ADDRESS, Address

__all__ = ["Call", "MemoryContract", "Revert"]


class MemoryContract(MemoryDisputes):
    """Federation and Disputes in one; not thread-safe, the chain around it is."""

    def __init__(self, config: DeploymentConfig, owner: Address, chain_id: int, address: Address) -> None:
        """Deploy: ``address`` is where the contract is, ``owner`` the operator. Raises ConfigurationError."""
        for name in ("asset", "predecessor"):
            if getattr(config, name) != ZERO_ADDRESS:
                raise ConfigurationError(
                    f"the in-memory chain knows no other contract, so no {name}",
                    expected=ZERO_ADDRESS,
                    got=getattr(config, name),
                    advice="deploy to a node, for example Anvil",
                )
        super().__init__(config, owner, chain_id, address)
        self._functions: Final[dict[str, Callable[..., None]]] = {
            "admitIdentity": self.admit_identity,
            "revokeIdentity": self.revoke_identity,
            "registerIdentity": self.register_identity,
            "rotateIdentity": self.rotate_identity,
            "leaveFederation": self.leave_federation,
            "releaseStake": self.release_stake,
            "resume": self.resume,
            "publishKey": self.publish_key,
            "fundRewards": self.fund_rewards,
            "claim": self.claim,
            "expireReward": self.expire_reward,
            "openRound": self.open_round,
            "commitUpdate": self.commit_update,
            "relayUpdates": self.relay_updates,
            "closeCommits": self.close_commits,
            "takeOver": self.take_over,
            "commitAggregate": self.commit_aggregate,
            "attest": self.attest,
            "finalizeRound": self.finalize_round,
            "abortRound": self.abort_round,
            "settleRound": self.settle_round,
            "voidDescendant": self.void_descendant,
            "announce": self.announce,
            "challengeAggregate": self.challenge_aggregate,
            "multiply": self.multiply,
            "conclude": self.conclude,
            "proveWrongCount": self.prove_wrong_count,
            "challengeAvailability": self.challenge_availability,
            "reveal": self.reveal,
            "expire": self.expire,
            "withdraw": self.withdraw,
            "challengeEquivocation": self.challenge_equivocation,
            "challengeOmission": self.challenge_omission,
        }

    def run(self, call: Call, function: str, arguments: tuple[object, ...]) -> None:
        """Run one function of either contract's ABI. Raises Revert, and then nothing has changed."""
        carry_out = self._functions.get(function)
        if carry_out is None:
            raise ConfigurationError(f"the contracts have no function {function}")
        before = self.state.snapshot()
        try:
            carry_out(call, *arguments)
        except Revert:
            self.state = before
            raise
