"""Disputes on a real node: crashes in between, and nodes that tell another story than the contract's storage."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3.types import RPCEndpoint, RPCResponse

from fedtrust.crypto.merkle import merkle_path, merkle_root
from fedtrust.errors import LedgerInconsistentError
from fedtrust.ledger import events as ev
from fedtrust.ledger.connection import RetryingHttpProvider, web3_for
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import DisputeOutcome, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.web3_reader import Web3LedgerReader
from tests.ledger.play import (
    MEMBERS,
    MODULUS,
    address,
    aggregate,
    contributions,
    prepare,
    product,
    to_finalized,
    transcripts,
)
from tests.ledger.worlds import AGGREGATOR, CHALLENGER, CONFIG, OPERATOR, PARTICIPANTS, STANDBY, TRUSTEES, NodeWorld

SEND = "eth_sendRawTransaction"
LEAF = 2


@pytest.fixture
def node_world(anvil: Devnet) -> NodeWorld:
    world = NodeWorld(anvil)
    prepare(world)
    to_finalized(world, wrong=LEAF)
    return world


class Crash(BaseException):
    """The process ends here."""


class CrashingProvider(RetryingHttpProvider):
    """Crashes the process before or after it sends its first transaction."""

    def __init__(self, url: str, *, after: bool) -> None:
        super().__init__(url)
        self._after = after

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if method != SEND:
            return super().make_request(method, params)
        if self._after:
            super().make_request(method, params)
        raise Crash


def dispute_in_steps(ledger: Web3Ledger) -> DisputeOutcome:
    """Convict the aggregator, one contribution to a transaction."""
    number = ledger.challenge_aggregate(1, LEAF)
    start, _, after = transcripts(ledger)
    every = contributions(ledger, LEAF)
    done = b""
    for i, (contribution, begin) in enumerate(zip(every, [start, *after], strict=False)):
        ledger.multiply(number, modulus=MODULUS, product=done, start=begin, contributions=[contribution])
        done = product([each.participant for each in every[: i + 1]])[LEAF]
    claimed = aggregate(wrong=LEAF)
    return ledger.conclude(
        number,
        modulus=MODULUS,
        product=done,
        aggregate_root=merkle_root(claimed),
        ciphertext=claimed[LEAF],
        path=merkle_path(claimed, LEAF),
    )


@pytest.mark.parametrize("after", [False, True], ids=["before sending", "after sending"])
def test_a_watcher_that_crashes_at_every_transaction(node_world: NodeWorld, tmp_path: Path, after: bool) -> None:
    """However often it dies, it goes on where it was: one announcement, one bond, every product once."""
    path = tmp_path / "outbox.sqlite"
    sent = node_world.web3.eth.get_transaction_count(CHALLENGER.address)
    if after:
        for attempt in itertools.count():
            web3 = web3_for(CrashingProvider(node_world.devnet.rpc_url, after=True))
            try:
                outcome = dispute_in_steps(Web3Ledger(web3, node_world.contract, CHALLENGER, Outbox(path)))
            except Crash:
                continue
            assert attempt == 6  # announce, challenge, three products, conclude: one crash each
            break
    else:
        # what was stored and never sent is sent by the next start
        web3 = web3_for(CrashingProvider(node_world.devnet.rpc_url, after=False))
        crashing = Web3Ledger(web3, node_world.contract, CHALLENGER, Outbox(path))
        with pytest.raises(Crash):
            dispute_in_steps(crashing)
        web3 = node_world.devnet.web3()
        outcome = dispute_in_steps(Web3Ledger(web3, node_world.contract, CHALLENGER, Outbox(path)))
    assert outcome is DisputeOutcome.PROVEN
    assert node_world.web3.eth.get_transaction_count(CHALLENGER.address) == sent + 6
    # and asked once more, when all is over
    again = Web3Ledger(node_world.devnet.web3(), node_world.contract, CHALLENGER, Outbox(path))
    assert dispute_in_steps(again) is DisputeOutcome.PROVEN
    assert node_world.web3.eth.get_transaction_count(CHALLENGER.address) == sent + 6


def test_a_dispute_is_known_without_the_outbox(node_world: NodeWorld) -> None:
    number = node_world.ledger(CHALLENGER).challenge_aggregate(1, LEAF)
    sent = node_world.web3.eth.get_transaction_count(CHALLENGER.address)
    fresh = Web3Ledger(node_world.web3, node_world.contract, CHALLENGER, Outbox(":memory:"))
    assert fresh.challenge_aggregate(1, LEAF) == number
    assert node_world.web3.eth.get_transaction_count(CHALLENGER.address) == sent


def test_announcements_give_nothing_away(node_world: NodeWorld) -> None:
    """Two accounts, or one with two outboxes, announce the same dispute by different hashes."""
    ledgers = [
        node_world.ledger(CHALLENGER),
        node_world.ledger(OPERATOR),
        Web3Ledger(node_world.web3, node_world.contract, CHALLENGER, Outbox(":memory:")),
    ]
    numbers = {ledger.challenge_aggregate(1, LEAF) for ledger in ledgers[:2]}
    assert len(numbers) == 2
    ledgers[2].challenge_aggregate(1, LEAF + 1)
    announced = [each.announcement for each in ledgers[0].events() if isinstance(each, ev.DisputeAnnounced)]
    assert len(set(announced)) == len(announced) == 3


def test_a_challenge_waits_for_the_block_after_its_announcement(node_world: NodeWorld) -> None:
    """On a node that estimates in the newest block, not in the next one, the challenge is too early at first."""

    class WithoutPending(RetryingHttpProvider):
        refused = 0

        def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
            if method != "eth_estimateGas":
                return super().make_request(method, params)
            # Anvil estimates in the next block whatever it is asked, so the refusal is asked of the contract's past
            newest = int(super().make_request(RPCEndpoint("eth_blockNumber"), [])["result"], 16)
            announced = [e for e in reader.events() if isinstance(e, ev.DisputeAnnounced)]
            if announced and announced[-1].block == newest and params[0]["to"] == reader.config().disputes:
                type(self).refused += 1
                node_world.devnet.mine()
                answer = super().make_request(RPCEndpoint("eth_call"), [params[0], hex(newest - 1)])
                assert "error" in answer
                return answer
            return super().make_request(method, params)

    reader = Web3LedgerReader(node_world.web3, node_world.contract)
    web3 = web3_for(WithoutPending(node_world.devnet.rpc_url))
    ledger = Web3Ledger(web3, node_world.contract, CHALLENGER, Outbox(":memory:"), timeout=30)
    assert ledger.challenge_aggregate(1, LEAF) == 1
    assert WithoutPending.refused == 1


# ------------------------------------------------------------------------------------------------- untrue histories


class Censor(RetryingHttpProvider):
    """A node that leaves out or alters the logs of one event."""

    def __init__(self, url: str, topic: bytes, alter: bool) -> None:
        super().__init__(url)
        self._topic, self._alter = "0x" + topic.hex(), alter

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer = super().make_request(method, params)
        if method == "eth_getLogs":
            if not self._alter:
                answer["result"] = [log for log in answer["result"] if log["topics"][0] != self._topic]
            for log in answer["result"]:
                if log["topics"][0] == self._topic:
                    log["data"] = log["data"][:-1] + ("0" if log["data"][-1] != "0" else "1")
        return answer


def topic_of(world: NodeWorld, name: str) -> bytes:
    contract = Web3LedgerReader(world.web3, world.contract)._contract
    return bytes.fromhex(contract.get_event_by_name(name)().topic[2:])


FOLDED = ["RoundOpened", "UpdateCommitted", "AggregateCommitted", "Attested"]
CHANGES = [(name, alter) for name in FOLDED for alter in (False, True)]
# the last word of this one's data is the challenge's end, which the contract stores itself: altering it changes nothing
CHANGES.append(("RoundFinalized", False))


@pytest.mark.parametrize(("name", "alter"), CHANGES)
def test_a_node_that_changes_history_is_found_out(node_world: NodeWorld, name: str, alter: bool) -> None:
    web3 = web3_for(Censor(node_world.devnet.rpc_url, topic_of(node_world, name), alter))
    reader = Web3LedgerReader(web3, node_world.contract)
    with pytest.raises(LedgerInconsistentError) as caught:
        reader.round(1)
    assert caught.value.advice
    assert Web3LedgerReader(node_world.web3, node_world.contract).round(1).number == 1


# -------------------------------------------------------------------------------------------------------- the roster


def check_roster(world: NodeWorld) -> None:
    """The identities that follow from the events are those that the contract stores."""
    reader = world.ledger(OPERATOR)
    assert isinstance(reader, Web3LedgerReader)
    accounts = {event.account for event in reader.events() if isinstance(event, ev.IdentityAdmitted)}
    assert accounts
    for account in accounts:
        identity = reader.identity(account)
        assert identity is not None
        stored = reader._call("identityOf", account)
        assert tuple(stored) == (
            identity.role,
            identity.index,
            identity.status,
            identity.epoch,
            identity.release_at,
            identity.retired_at_round,
            identity.stake,
            identity.certificate_fingerprint,
            identity.sealing_key,
        )
    for identity in reader.identities():
        in_place = reader._call("accountAt", int(identity.role), identity.index)
        assert (in_place == identity.account) == (identity.status.name != "RETIRED")


def test_the_roster_is_what_the_contract_stores(node_world: NodeWorld) -> None:
    world, operator = node_world, node_world.ledger(OPERATOR)
    check_roster(world)
    heir, newcomer = PARTICIPANTS[3], CHALLENGER
    operator.admit_identity(address(heir), Role.PARTICIPANT)
    check_roster(world)
    world.ledger(MEMBERS[0]).rotate_identity(address(MEMBERS[0]), b"renewed", bytes(32))
    world.ledger(MEMBERS[1]).rotate_identity(address(heir), b"handed on", bytes(32))
    check_roster(world)
    world.ledger(MEMBERS[2]).leave()
    operator.revoke_identity(address(STANDBY))
    operator.admit_identity(address(newcomer), Role.TRUSTEE)
    operator.revoke_identity(address(newcomer))
    check_roster(world)
    assert isinstance(world.ledger(CHALLENGER), Web3Ledger)
    # slashed: the aggregator, and both trustees that attested
    assert dispute_in_steps(Web3Ledger(world.web3, world.contract, CHALLENGER, Outbox(":memory:"))) is (
        DisputeOutcome.PROVEN
    )
    check_roster(world)
    for signer in (AGGREGATOR, *TRUSTEES[:2]):
        identity = operator.identity(address(signer))
        assert identity is not None
        assert (identity.status.name, identity.stake) == ("SLASHED", 0)
    leaving = operator.identity(address(MEMBERS[2]))
    assert leaving is not None
    world.advance_past(leaving.release_at)
    for signer in (MEMBERS[2], STANDBY):
        operator.release_stake(address(signer))
    check_roster(world)


def test_the_draw_is_the_contracts(anvil: Devnet) -> None:
    world = NodeWorld(anvil, replace(CONFIG, participants_per_round=2))
    ledger = prepare(world)
    assert isinstance(ledger, Web3Ledger)
    for blocks in (0, 1, 254, 1, 1, 300):
        if blocks:
            world.devnet.mine(blocks)
        drawn = ledger.draw()
        beacon_block, beacon, selected = ledger._contract.functions.drawOf().call(block_identifier="pending")
        assert (drawn.beacon_block, drawn.beacon, drawn.selected) == (beacon_block, bytes(beacon), selected)
        assert drawn.selected.bit_count() == 2
