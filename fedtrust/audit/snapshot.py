"""Everything the ledger says, read at one moment, so that no check compares facts of two different moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedtrust.errors import LedgerError
from fedtrust.ledger.events import LedgerEvent, RewardClaimed, RewardCredited
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import Address, FederationConfig, Identity, PublishedKey, RoundState

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contract's state and its events up to ``block``. ``claimable`` has every account that was ever credited."""

    chain_id: int
    contract: Address
    block: int
    config: FederationConfig
    key: PublishedKey | None
    identities: tuple[Identity, ...]
    rounds: Mapping[int, RoundState]
    heads: Mapping[int, bytes]
    current_model: bytes
    reward_pool: int
    claimable: Mapping[Address, int]
    events: tuple[LedgerEvent, ...]


def take_snapshot(ledger: LedgerReader) -> Snapshot:
    """Read the whole ledger.

    The contract emits an event on every change of state, so states that were read between two equal readings of the
    events belong to those events. Raises LedgerError if the chain never stands still that long, and what the ledger
    raises when it cannot be read.
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
    earners = {event.account for event in events if isinstance(event, (RewardCredited, RewardClaimed))}
    return Snapshot(
        chain_id=ledger.chain_id,
        contract=ledger.contract,
        block=ledger.block_number(),
        config=ledger.config(),
        key=ledger.key(),
        identities=ledger.identities(),
        rounds={number: ledger.round(number) for number in range(1, last + 1)},
        heads={number: ledger.head(number) for number in range(last + 1)},
        current_model=ledger.current_model(),
        reward_pool=ledger.reward_pool(),
        claimable={account: ledger.claimable(account) for account in sorted(earners)},
        events=events,
    )
