"""The same audit on the compiled contract: rounds on a real node, read through JSON-RPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_account import Account

from fedtrust.audit.auditor import audit_federation
from fedtrust.learning.heart import LogisticRegression
from fedtrust.learning.training import initial_model
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.deploy import deploy_federation
from fedtrust.ledger.devnet import Devnet, fund, start_devnet
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import Address, Phase, PublishedKey, Role
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.ledger.web3_reader import Web3LedgerReader
from fedtrust.nodes.settings import FederationSettings
from fedtrust.rules.model import Model
from fedtrust.store.artifacts import MemoryStore
from tests.audit.audit_fixtures import RoundPlayer, failed
from tests.nodes.harness import REWARD, InProcessFederation, account, ceremony, sealing_key

pytestmark = pytest.mark.e2e


class NodeFederation:
    """What RoundPlayer needs of an InProcessFederation, on a devnet."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet, self.web3 = devnet, devnet.web3()
        self.chain = SimpleNamespace(advance=devnet.increase_time)
        self.artifacts = MemoryStore()
        self.ceremony = ceremony()
        self.manifest = self.ceremony.manifest
        self.settings = FederationSettings(quorum=2)
        self.hospitals = ("north", "south", "west")
        self.trustee_names = [f"trustee-{i}" for i in range(5)]
        self.initial_model = initial_model(LogisticRegression, 0)
        owner = Account.from_key(devnet.private_keys[0])
        config = DeploymentConfig(challenge_window=60, round_reward=REWARD)
        self.contract = deploy_federation(self.web3, owner, self.address("operator"), config).contract
        self.ledgers: dict[str, Web3Ledger] = {}
        for name in ("operator", "aggregator", *self.trustee_names, *self.hospitals):
            fund(self.web3, devnet.private_keys[0], self.address(name), 10 * REWARD)
        operator = self.ledger("operator")
        for name in self.trustee_names:
            public = sealing_key(name).public_key().public_bytes_raw()
            operator.register_identity(self.address(name), Role.TRUSTEE, name.encode(), public)
        for name in self.hospitals:
            operator.register_identity(self.address(name), Role.PARTICIPANT, name.encode(), bytes(32))
        operator.register_identity(self.address("aggregator"), Role.AGGREGATOR, b"aggregator", bytes(32))
        operator.publish_key(PublishedKey(self.manifest.key_id, self.manifest.threshold, 5))
        operator.fund_rewards(REWARD + 7, "test")

    @staticmethod
    def address(name: str) -> Address:
        return Address(account(name).address)

    def ledger(self, name: str) -> Web3Ledger:
        if name not in self.ledgers:
            self.ledgers[name] = Web3Ledger(self.web3, self.contract, account(name), Outbox(":memory:"), timeout=30)
        return self.ledgers[name]


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[InProcessFederation]:
    with start_devnet("anvil", log_path=tmp_path / "anvil.log") as devnet:
        yield cast(InProcessFederation, NodeFederation(devnet))


def test_history_on_the_compiled_contract(federation: Any) -> None:
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
