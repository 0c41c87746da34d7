"""What the contracts of the in-memory chain hold, and the transaction that changes it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from fedtrust.ledger import events as ev
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.refusals import format_reason
from fedtrust.ledger.types import (
    ZERO_HASH,
    Address,
    Dispute,
    DisputeOutcome,
    Identity,
    Phase,
    PublishedKey,
    Reputation,
    Role,
    RoundState,
)


class Revert(Exception):  # noqa: N818 -- named after what the contract does
    """The contract refuses a transaction; ``reason`` is its error with arguments."""

    def __init__(self, name: str, *arguments: object) -> None:
        """Refuse with the contract's error ``name``."""
        super().__init__(name)
        self.reason = format_reason(name, arguments)


@dataclass(slots=True)
class Call:
    """The transaction being run: who sent it, when and where, and what it has emitted so far.

    ``block_hash`` gives the hash of an earlier block, and ``paid`` what the transaction pays out to its sender.
    """

    sender: Address
    value: int
    block: int
    timestamp: int
    transaction: bytes
    block_hash: Callable[[int], bytes]
    events: list[ev.LedgerEvent] = field(default_factory=list)
    paid: int = 0

    def emit(self, event_type: Callable[..., ev.LedgerEvent], **fields: Any) -> None:
        """Append an event at this place of the chain."""
        place = {
            "block": self.block,
            "log_index": len(self.events),
            "timestamp": self.timestamp,
            "transaction": self.transaction,
        }
        self.events.append(event_type(**place, **fields))


@dataclass(frozen=True, slots=True)
class Credit:
    """What an account may withdraw: ``rewards`` until ``expires_at``, ``deposits`` for ever."""

    deposits: int = 0
    rewards: int = 0
    expires_at: int = 0


@dataclass(slots=True)
class State:
    """The storage of both contracts: containers of values that are never changed in place."""

    identities: dict[Address, Identity] = field(default_factory=dict)
    accounts: dict[Role, tuple[Address, ...]] = field(default_factory=lambda: dict.fromkeys(Role, ()))
    reputations: dict[tuple[Role, int], Reputation] = field(default_factory=dict)
    certificates: set[bytes] = field(default_factory=set)
    eligible: int = 0
    key: PublishedKey | None = None
    pool: int = 0
    stakes: int = 0
    credits: dict[Address, Credit] = field(default_factory=dict)
    rounds: list[RoundState] = field(default_factory=list)
    first_model: bytes = ZERO_HASH
    model_round: int = 0  # whose model is the current one; 0 for the first model
    unsettled: int = 0  # finalised rounds
    verdicts: bytes = ZERO_HASH
    ended_block: int = 0
    ended_at: int = 0
    announcements: dict[bytes, int] = field(default_factory=dict)
    disputes: list[Dispute] = field(default_factory=list)

    def snapshot(self) -> State:
        """Return a copy that later changes leave alone."""
        return State(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})


class Storage:
    """The base of every part of the contract: its configuration, its address and its state."""

    def __init__(self, config: DeploymentConfig, owner: Address, chain_id: int, address: Address) -> None:
        """Deploy: ``address`` is where the contract is, ``owner`` the operator."""
        self.settings: Final = config
        self.owner: Final = owner
        self.chain_id: Final = chain_id
        self.address: Final = address
        self.state = State()

    def _require_owner(self, call: Call) -> None:
        if call.sender != self.owner:
            raise Revert("OwnableUnauthorizedAccount", call.sender)

    def _round(self, number: int) -> RoundState | None:
        """Return round ``number``, None if it was never opened."""
        return self.state.rounds[number - 1] if 1 <= number <= len(self.state.rounds) else None

    def _write(self, state: RoundState, **changes: Any) -> RoundState:
        written = replace(state, **changes)
        self.state.rounds[state.number - 1] = written
        return written

    def balance(self) -> int:
        """Return the wei in the contract: pool, stakes, bonds, reserved for rounds, and claimable."""
        over = (Phase.SETTLED, Phase.ABORTED, Phase.VOIDED)
        reserved = sum(each.reward for each in self.state.rounds if each.phase not in over)
        bonds = sum(each.outcome is DisputeOutcome.OPEN for each in self.state.disputes) * self.settings.dispute_bond
        credits = sum(each.deposits + each.rewards for each in self.state.credits.values())
        return self.state.pool + self.state.stakes + reserved + bonds + credits
