"""Everything the ledger says, read at one moment, so that no check compares facts of two different moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.errors import LedgerError, RpcUnreachableError
from fedtrust.ledger.events import (
    AggregateChallenged,
    AvailabilityChallenged,
    DepositCredited,
    LedgerEvent,
    RewardClaimed,
    RewardCredited,
    RewardExpired,
)
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import (
    Address,
    Dispute,
    FederationConfig,
    Identity,
    PublishedKey,
    Reputation,
    Role,
    RoundState,
)

_ATTEMPTS = 8
_MONEY = (RewardCredited, DepositCredited, RewardClaimed, RewardExpired)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contracts' state and their events up to ``block``.

    ``claimable`` and ``claimable_rewards`` have every account that was ever credited, ``reputations`` every place that
    was ever taken, ``disputes`` every dispute that the events number (None if the contract knows none), and
    ``open_disputes`` every round.
    """

    chain_id: int
    contract: Address
    block: int
    config: FederationConfig
    key: PublishedKey | None
    identities: tuple[Identity, ...]
    eligible: int
    reputations: Mapping[tuple[Role, int], Reputation]
    rounds: Mapping[int, RoundState]
    heads: Mapping[int, bytes]
    verdicts: bytes
    current_model: bytes
    reward_pool: int
    total_stake: int
    claimable: Mapping[Address, int]
    claimable_rewards: Mapping[Address, tuple[int, int]]
    disputes: Mapping[int, Dispute | None]
    open_disputes: Mapping[int, int]
    events: tuple[LedgerEvent, ...]


def take_snapshot(ledger: LedgerReader) -> Snapshot:
    """Read the whole ledger.

    The contracts emit an event on every change of state that is read here, so states that were read between two equal
    readings of the events belong to those events. Raises LedgerError if the chain never stands still that long, and
    what the ledger raises when it cannot be read.
    """
    events = ledger.events()
    for _ in range(_ATTEMPTS):
        snapshot = _read(ledger, events)
        again = ledger.events()
        if again == events:
            return snapshot
        events = again
    raise LedgerError(
        "the federation kept changing while its state was read",
        expected="the same events before and after",
        advice="ask for more confirmations, or audit again in a quieter moment",
    )


def _read(ledger: LedgerReader, events: tuple[LedgerEvent, ...]) -> Snapshot:
    last = ledger.last_round()
    identities = ledger.identities()
    earners = sorted({event.account for event in events if isinstance(event, _MONEY)})
    places = sorted({(identity.role, identity.index) for identity in identities})
    challenges = [event for event in events if isinstance(event, (AggregateChallenged, AvailabilityChallenged))]
    return Snapshot(
        chain_id=ledger.chain_id,
        contract=ledger.contract,
        block=ledger.block_number(),
        config=ledger.config(),
        key=ledger.key(),
        identities=identities,
        eligible=ledger.eligible(),
        reputations={place: ledger.reputation(*place) for place in places},
        rounds={number: ledger.round(number) for number in range(1, last + 1)},
        heads={number: ledger.head(number) for number in range(last + 1)},
        verdicts=ledger.verdicts(),
        current_model=ledger.current_model(),
        reward_pool=ledger.reward_pool(),
        total_stake=ledger.total_stake(),
        claimable={account: ledger.claimable(account) for account in earners},
        claimable_rewards={account: ledger.claimable_reward(account) for account in earners},
        disputes={event.dispute: _dispute(ledger, event.dispute) for event in challenges},
        open_disputes={number: ledger.open_disputes(number) for number in range(1, last + 1)},
        events=events,
    )


def _dispute(ledger: LedgerReader, number: int) -> Dispute | None:
    try:
        return ledger.dispute(number)
    except RpcUnreachableError:
        raise
    except LedgerError:
        return None
