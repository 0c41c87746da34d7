"""The same audit on the compiled contract: rounds on a real node, read through JSON-RPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from eth_account import Account

from fedtrust.audit.auditor import audit_federation
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.devnet import Devnet, fund, start_devnet
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import Address, PayoutRule, Phase, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import MemoryStore
from tests.audit.audit_fixtures import (
    REWARD,
    PlayedFederation,
    RoundPlayer,
    failed,
    published_key,
    result_of,
    small_model,
)
from tests.audit.test_audit_disputes import LeavesOneOut, Standby, convict_aggregate, played
from tests.ledger.registered import register_members
from tests.nodes.harness import account, ceremony

pytestmark = pytest.mark.e2e


class NodeFederation:
    """What a RoundPlayer needs, on a devnet."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet, self.web3 = devnet, devnet.web3()
        self.chain = SimpleNamespace(advance=devnet.increase_time)
        self.artifacts = MemoryStore()
        self.ceremony = ceremony(6)
        self.manifest = self.ceremony.manifest
        self.quorum = 2
        self.hospitals = ("north", "south", "west", "east")
        self.trustee_names = tuple(f"trustee-{i}" for i in range(6))
        self.initial_model = small_model()
        owner = Account.from_key(devnet.private_keys[0])
        config = DeploymentConfig(
            challenge_window=60,
            round_reward=REWARD,
            payout_rule=PayoutRule.RELIABILITY,
            participants_per_round=3,
            participant_stake=10,
            trustee_stake=20,
            aggregator_stake=101,
            dispute_bond=7,
            challenger_reward_cap=40,
        )
        self.contract = deploy_federation(self.web3, owner, self.address("operator"), config).contract
        self.ledgers: dict[str, Web3Ledger] = {}
        for name in ("operator", "aggregator", "standby", "watcher", *self.trustee_names, *self.hospitals):
            fund(self.web3, devnet.private_keys[0], self.address(name), 10 * REWARD)
        operator = self.ledger("operator")
        operator.publish_key(published_key(self.manifest))
        operator.fund_rewards(2 * REWARD + 7, "test")
        roles = {Role.TRUSTEE: self.trustee_names, Role.PARTICIPANT: self.hospitals}
        for role, names in {**roles, Role.AGGREGATOR: ("aggregator", "standby")}.items():
            for name in names:
                register_members(operator, lambda _, n=name: self.ledger(n), [PlayedFederation.member(name, role)])

    @staticmethod
    def address(name: str) -> Address:
        return Address(account(name).address)

    def ledger(self, name: str) -> Web3Ledger:
        if name not in self.ledgers:
            self.ledgers[name] = Web3Ledger(self.web3, self.contract, account(name), Outbox(":memory:"), timeout=30)
        return self.ledgers[name]


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[NodeFederation]:
    with start_devnet("anvil", log_path=tmp_path / "anvil.log") as devnet:
        yield NodeFederation(devnet)


def test_history_on_the_compiled_contract(federation: NodeFederation) -> None:
    class WrongModel(RoundPlayer):
        def change_model(self, model: Model) -> Model:
            return model.with_vector(model.to_vector() + 0.5)

        def settle(self) -> None:
            self.chain.advance(61)
            super().settle()

    class Settled(RoundPlayer):
        def settle(self) -> None:
            self.chain.advance(61)
            super().settle()

    # an honest round, one that is aborted, one whose result waits in its window
    Settled(federation).play()
    aborted = RoundPlayer(federation)
    aborted.open()
    federation.chain.advance(1000)
    aborted.ledger.abort_round(2)
    waiting = WrongModel(federation)
    for step in (waiting.open, waiting.commit, waiting.close, waiting.aggregate, waiting.attest):
        step()
    # the auditor brings its own connection and no account
    reader = Web3LedgerReader(federation.devnet.web3(), federation.contract)
    report = audit_federation(reader, federation.artifacts)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.SETTLED, Phase.ABORTED, Phase.DECRYPT]
    # and one that was forged
    waiting.finalize()
    waiting.settle()
    federation.ledger("aggregator").claim("test")
    report = audit_federation(reader, federation.artifacts)
    assert failed(report) == {(3, "new-model")}
    assert report.rounds[2].phase is Phase.SETTLED


def test_disputes_and_a_standby_on_the_compiled_contract(federation: NodeFederation) -> None:
    honest = played(federation)
    lie = played(federation, LeavesOneOut)
    convict_aggregate(lie)
    # the standby goes on at once, from the honest model: the other one's stake is gone
    going_on = Standby(federation)
    for step in (going_on.open, going_on.commit, going_on.close, going_on.aggregate, going_on.attest):
        step()
    going_on.finalize()
    federation.chain.advance(61)
    honest.settle()
    going_on.settle()
    reader = Web3LedgerReader(federation.devnet.web3(), federation.contract)
    report = audit_federation(reader, federation.artifacts)
    assert report.failures == ()
    assert [each.phase for each in report.rounds] == [Phase.SETTLED, Phase.VOIDED, Phase.SETTLED]
    shown = "ciphertext 0 of the aggregate is not the product of the accepted ones"
    assert result_of(report, 2, "verdict").found == shown
    assert reader.round(3).base_round == 1
