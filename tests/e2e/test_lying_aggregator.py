"""A lying aggregator, an independent watcher and a standby, all real processes: the lie costs it its stake.

The same on Anvil and on Hardhat. And the other way round: an honest aggregator and a challenger who tries to frame it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from fedtrust.crypto.encoding import keccak256
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.merkle import merkle_root
from fedtrust.crypto.signatures import UpdateMessage, sign_update
from fedtrust.errors import LedgerError, TransactionError
from fedtrust.ledger.connection import connect
from fedtrust.ledger.devnet import Devnet, development_keys, start_devnet
from fedtrust.ledger.heads import opening_transcript
from fedtrust.ledger.outbox import Outbox
from fedtrust.ledger.types import (
    Address,
    CommitmentEntry,
    Contribution,
    DisputeKind,
    DisputeOutcome,
    Phase,
    Role,
    SignedUpdate,
    Status,
)
from fedtrust.ledger.web3_ledger import Web3Ledger
from fedtrust.nodes.evidence import folder_evidence
from fedtrust.protocol.dispute import (
    ColumnProof,
    Conclusion,
    DisputedRound,
    Opening,
    ShownUpdate,
    demand,
    shown_leaves,
    square_modulus_bytes,
)
from fedtrust.protocol.history import FederationHistory
from tests.e2e.federation import Federation, Node, environment, federation, fedtrust
from tests.e2e.lying_aggregator import WRONG_COLUMN
from tests.e2e.people import People

ETHER = 10**18
STAKE, PARTICIPANT_STAKE, TRUSTEE_STAKE, BOND, CAP, REWARD = 3 * ETHER, ETHER // 10, ETHER // 2, ETHER, ETHER, ETHER
WINDOW, DISPUTE_SECONDS = 240, 200
"""Twice what an idle machine would do with: chains' clocks go on while tests wait."""
TASK = f"{Path(__file__).parent / 'narrow_task.py'}:NarrowPerceptron"
RULES = {
    "aggregator_stake": 3, "participant_stake": "0.1", "trustee_stake": "0.5", "dispute_bond": 1,
    "challenger_reward_cap": 1, "round_reward": 1, "standby_seconds": 5, "dispute_seconds": DISPUTE_SECONDS,
}  # fmt: skip


@pytest.fixture(scope="module")
def hardhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with start_devnet("hardhat", log_path=tmp_path_factory.mktemp("hardhat") / "hardhat.log") as devnet:
        yield devnet


@pytest.fixture(params=["anvil", "hardhat"])
def devnet(request: pytest.FixtureRequest) -> Devnet:
    made: Devnet = request.getfixturevalue(request.param)
    return made


@contextmanager
def watched(folder: Path, devnet: Devnet, people: People, **options: Any) -> Iterator[Federation]:
    values = {"rounds": 1, "standby": True, "task": TASK, "challenge_window": WINDOW, "rules": RULES, **options}
    with federation(folder, devnet, people, **values) as made:
        yield made


def start_liar(made: Federation, lie: str) -> None:
    """Start the lying aggregator, and wait until it serves; it ends by itself once its stake is gone."""
    log = made.folder / "aggregator.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.lying_aggregator", lie, *map(str, made.arguments("aggregator"))],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
            cwd=Path(__file__).parents[2],
        )
    made.nodes["aggregator"] = Node("aggregator", process, log, expected_to_end=True)
    made.await_event("aggregator", "Serving")  # or the standby might open the first round


def start_watcher(made: Federation, *options: object) -> None:
    places = [word for url in made.urls.values() for word in ("--artifacts", url)]
    words = (
        "watch", *made.chain, *made.passphrase, "--json", *places,
        "--identity", made.people.identity("watcher"), "--home", made.folder / "watcher", *options,
    )  # fmt: skip
    made.start_command("watcher", [str(word) for word in words])


def status_of(made: Federation, name: str) -> Status:
    identity = made.reader.identity(made.people.account(name))
    assert identity is not None
    return identity.status


def claimable(made: Federation, name: str) -> int:
    return made.reader.claimable(made.people.account(name))


def assert_every_wei(made: Federation, *others: Address) -> None:
    """All that the contract holds is staked, in the pool, reserved, a bond, or somebody's."""
    accounts = {*map(made.people.account, (*made.everybody, "watcher", "operator")), *others}
    over = (Phase.SETTLED, Phase.ABORTED, Phase.VOIDED)
    reader = made.reader

    def looked_at_once() -> tuple[int, list[int]] | None:
        before = reader.block_number()
        states = made.states()
        parts = [
            reader.total_stake(),
            reader.reward_pool(),
            sum(s.reward for s in states if s.phase not in over),
            sum(reader.open_disputes(s.number) for s in states) * BOND,
            sum(reader.claimable(account) for account in accounts),
        ]
        balance = made.balance()
        return (balance, parts) if reader.block_number() == before else None  # others go on meanwhile

    balance, parts = made.await_("a quiet moment", looked_at_once)
    assert balance == sum(parts), parts


def assert_the_liar_paid(made: Federation, round: int = 1) -> int:
    """The whole stake is gone: to the challenger, to the participants, into the pool. Returns a compensation."""
    reader = made.reader
    assert status_of(made, "aggregator") is Status.SLASHED
    assert reader.reputation(Role.AGGREGATOR, 0).slashed == 1
    assert claimable(made, "aggregator") == 0
    compensation = min(REWARD * 7000 // 10_000, STAKE - CAP) // len(made.hospitals)
    assert claimable(made, "watcher") == BOND + CAP
    people = len(made.hospitals) * PARTICIPANT_STAKE + made.trustees * TRUSTEE_STAKE
    assert reader.total_stake() == people + STAKE  # the standby's
    assert_every_wei(made)
    return compensation


def goes_on_under_the_standby(made: Federation, compensation: int) -> None:
    """The next round is the standby's; it is settled, and everybody gets what the rule says, to the wei."""
    made.await_phase(2, Phase.FINALIZED)
    # the clock of the chain moves, the processes notice
    made.devnet.increase_time(WINDOW + 1)
    made.devnet.mine()
    state = made.await_phase(2, Phase.SETTLED)
    reader = made.reader
    assert state.aggregator == made.people.account("standby")
    assert (state.base_round, state.reward) == (0, REWARD)
    assert state.attested.bit_count() >= made.threshold
    for name in made.hospitals:
        assert claimable(made, name) == compensation + REWARD * 7000 // 10_000 // len(made.hospitals)
    pot = REWARD * 2000 // 10_000 // state.attested.bit_count()
    for index, name in enumerate(made.trustee_names):
        assert claimable(made, name) == (pot if state.attested >> index & 1 else 0)
    assert claimable(made, "standby") == REWARD // 10
    assert [reader.reputation(Role.PARTICIPANT, i).accepted for i in range(len(made.hospitals))] == [1, 1]
    assert reader.reputation(Role.AGGREGATOR, 1).accepted == 1
    assert_every_wei(made)


def test_a_lying_aggregator_is_convicted_and_the_standby_goes_on(
    tmp_path: Path, devnet: Devnet, people: People
) -> None:
    with watched(tmp_path, devnet, people) as made:
        start_liar(made, "column")
        start_watcher(made)
        made.start("standby", *made.hospitals, *made.trustee_names)
        state = made.await_phase(1, Phase.VOIDED)
        assert state.attested == 0  # the trustees saw it too, and gave nothing
        made.await_event("watcher", "Concluded", outcome="PROVEN")
        assert made.nodes["watcher"].events("Wrong")[0]["leaf"] == WRONG_COLUMN
        compensation = assert_the_liar_paid(made)
        for name in made.hospitals:
            assert claimable(made, name) == compensation
        goes_on_under_the_standby(made, compensation)
        made.await_event("watcher", "RoundChecked", round=2)
        assert made.stop("watcher") == 10  # something was wrong
        assert made.as_("watcher", "claim").json["wei"] == str(BOND + CAP)
        audit = made.audit(made.urls["standby"], "--json")
        assert audit.code == 0, audit.out + audit.err


def test_an_aggregator_that_hides_an_update_is_convicted(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with watched(tmp_path, anvil, people) as made:
        start_liar(made, "hide")
        start_watcher(made, "--patience", 3)
        made.start("standby", *made.hospitals, *made.trustee_names)
        demanded = made.await_event("watcher", "Demanded")
        assert demanded["subject"] == min(made.people.account(n) for n in made.hospitals)
        anvil.increase_time(DISPUTE_SECONDS + 1)
        anvil.mine()
        made.await_phase(1, Phase.VOIDED)
        compensation = assert_the_liar_paid(made)
        goes_on_under_the_standby(made, compensation)
        assert made.stop("watcher") == 10


def test_a_watcher_that_is_killed_in_a_dispute_goes_on(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with watched(tmp_path, anvil, people) as made:
        start_liar(made, "column")
        made.start("standby", *made.hospitals, *made.trustee_names)
        made.await_phase(1, Phase.DECRYPT)
        for event in ("Wrong", "Challenged", "Multiplied"):
            start_watcher(made)
            made.await_("the watcher to be on its way", lambda e=event: bool(made.nodes["watcher"].events(e)))
            made.kill("watcher")
        start_watcher(made)
        made.await_phase(1, Phase.VOIDED)
        assert_the_liar_paid(made)
        assert len(made.nodes["watcher"].events("Challenged")) <= 1
        with pytest.raises(LedgerError, match="no dispute 2"):  # one bond, however often it was killed
            made.reader.dispute(2)


class Hostile:
    """A challenger with all the evidence there is, and money, against an honest aggregate."""

    def __init__(self, made: Federation) -> None:
        self.made = made
        self.signer = Account.from_key(development_keys(3)[2])
        self.account = Address(self.signer.address)
        outbox = Outbox(made.folder / "hostile.sqlite")
        self.ledger = Web3Ledger(connect(made.devnet.rpc_url), made.contract, self.signer, outbox)
        self.key = KeyManifest.from_bytes((made.key / "manifest.json").read_bytes()).public_key
        self.modulus = square_modulus_bytes(self.key)
        source = folder_evidence(made.artifacts)
        self.updates = {
            account: ShownUpdate.from_bytes(source.get(digests[0])) for account, digests in source.updates(1).items()
        }
        self.round = self.disputed_round()
        vectors = [shown_leaves(source.get(digest)) for digest in source.aggregates(1)]
        self.aggregate = next(v for v in vectors if merkle_root(v) == self.round.aggregate_root)

    def disputed_round(self) -> DisputedRound:
        reader, state = self.made.reader, self.made.reader.round(1)
        history = FederationHistory(reader.events()).rounds[1]
        indices = {i.account: i.index for i in reader.identities(Role.PARTICIPANT)}
        entries = tuple(CommitmentEntry(a, c.root, c.proof_hash) for a, c in history.commitments.items())
        return DisputedRound(
            number=1,
            spec_hash=state.spec_hash,
            ciphertexts=state.ciphertexts,
            opening=opening_transcript(reader.chain_id, reader.contract, reader.head(0), history.opened),
            commitments=entries,
            accepted=frozenset(e.participant for e in entries if state.accepted >> indices[e.participant] & 1),
            accepted_bitmap=state.accepted,
            aggregate_root=state.aggregate_root,
            aggregate_hash=state.aggregate_hash,
        )

    def proof(self, leaf: int) -> ColumnProof:
        """What would be a proof if the aggregate were wrong: everything true, the end left to the caller."""
        openings = {a: Opening.of(u.leaves, leaf) for a, u in self.updates.items()}
        contributions, products, product = [], [b""], None
        for entry in self.round.commitments:
            opening = openings[entry.participant]
            value = int.from_bytes(opening.leaf, "big")
            product = value if product is None else product * value % int(self.key.n_squared)
            contributions.append(
                Contribution(entry.participant, entry.root, entry.proof_hash, opening.leaf, opening.path)
            )
            products.append(product.to_bytes(len(self.modulus), "big"))
        shown = Opening.of(self.aggregate, leaf)
        end = Conclusion(products[-1], self.round.aggregate_root, shown.leaf, shown.path)
        return ColumnProof(self.round, leaf, self.modulus, tuple(contributions), tuple(products), None, end)

    def refused(self, reason: str, action: Callable[[], object]) -> None:
        with pytest.raises(TransactionError) as caught:
            action()
        assert str(caught.value.got).startswith(reason), caught.value.diagnostics()


def test_an_honest_aggregator_cannot_be_framed(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with watched(tmp_path, anvil, people, rules={**RULES, "dispute_seconds": 1000}) as made:
        made.start_aggregator()
        made.start("standby", *made.hospitals, *made.trustee_names)
        made.await_phase(1, Phase.FINALIZED)
        for place in (made.url, made.artifacts):  # anybody may look, without an account
            looked = fedtrust("watch", *made.chain, "--artifacts", place, "--dry-run", "--once", "--json")
            assert looked.code == 0, looked.out + looked.err
            assert '"RoundChecked", "round": 1' in looked.out
        hostile, reader = Hostile(made), made.reader
        ledger, round = hostile.ledger, hostile.round
        spent = 0

        # a column that is right, gone through to the end: the bond is gone
        proof = hostile.proof(0)
        dispute = ledger.challenge_aggregate(1, 0)
        spent += BOND
        pool = reader.reward_pool()
        for step in proof.steps():
            ledger.multiply(
                dispute, modulus=hostile.modulus, product=step.product, start=step.start,
                contributions=step.contributions,
            )  # fmt: skip
        end = proof.conclusion
        assert ledger.conclude(
            dispute, modulus=hostile.modulus, product=end.product, aggregate_root=end.aggregate_root,
            ciphertext=end.ciphertext, path=end.path,
        ) is DisputeOutcome.FAILED  # fmt: skip
        assert reader.reward_pool() == pool + BOND

        # everything false about another column is refused, and nothing is left but to lose that bond as well
        proof = hostile.proof(1)
        dispute = ledger.challenge_aggregate(1, 1)
        spent += BOND
        first, *rest = proof.contributions
        other = hostile.updates[rest[0].participant]

        def multiply(
            *contributions: Any, modulus: bytes = hostile.modulus, product: bytes = b"", **start: bytes
        ) -> Any:
            return lambda: ledger.multiply(
                dispute, modulus=modulus, product=product, start=start.get("start", round.opening),
                contributions=contributions,
            )  # fmt: skip

        unreduced = (int.from_bytes(first.ciphertext, "big") + int(hostile.key.n_squared)).to_bytes(600, "big")
        for contribution in (
            replace(first, ciphertext=hostile.updates[first.participant].leaves[0]),  # a leaf of another place
            replace(first, ciphertext=other.leaves[1], path=Opening.of(other.leaves, 1).path),  # of another tree
            replace(first, ciphertext=b"\1" * len(first.ciphertext)),
            replace(first, ciphertext=unreduced),
            replace(first, ciphertext=first.ciphertext[1:]),
            replace(first, ciphertext=b"\0" + first.ciphertext),
        ):
            hostile.refused("MerkleWrongRoot", multiply(contribution))
        hostile.refused("MerkleWrongPathLength", multiply(replace(first, path=(*first.path, bytes(32)))))
        hostile.refused("DisputeWrongModulus", multiply(first, modulus=b"\1" * len(hostile.modulus)))
        hostile.refused("DisputeWrongProduct", multiply(first, product=first.ciphertext))

        def conclude(**changes: Any) -> Any:
            end = replace(proof.conclusion, **changes)
            return lambda: ledger.conclude(
                dispute, modulus=hostile.modulus, product=end.product, aggregate_root=end.aggregate_root,
                ciphertext=end.ciphertext, path=end.path,
            )  # fmt: skip

        # one commitment left out: it does not lead to the round's transcript
        multiply(rest[0])()
        hostile.refused("DisputeWrongCommitments", conclude())
        # nobody else can go on with it, and it cannot be ended before its time by anybody
        hostile.refused("DisputeStillRunning", lambda: ledger.expire_dispute(dispute))
        hostile.refused("DisputeNotMoot", lambda: ledger.withdraw_dispute(dispute))

        # a demand is answered by the honest aggregator, which earns the bond
        wanted = demand(round, first.participant, 1)
        demanded = ledger.challenge_availability(
            1, participant=wanted.participant, leaf=1, start=wanted.start, commitments=wanted.commitments,
            aggregate_root=wanted.aggregate_root,
        )  # fmt: skip
        spent += BOND
        made.await_("the answer", lambda: reader.dispute(demanded).outcome is DisputeOutcome.FAILED)
        assert claimable(made, "aggregator") == BOND

        # signatures that prove nothing
        update = hostile.updates[first.participant].message
        signature = hostile.updates[first.participant].signature
        true = SignedUpdate(update.epoch, update.root, update.ciphertexts, update.proof_hash, signature)
        forged_message = UpdateMessage(1, round.spec_hash, 1, keccak256(b"x"), update.ciphertexts, update.proof_hash)
        forged = SignedUpdate(
            1, keccak256(b"x"), update.ciphertexts, update.proof_hash,
            sign_update(bytes(hostile.signer.key), reader.chain_id, made.contract, forged_message),
        )  # fmt: skip
        for second, reason in ((true, "DisputeSameContent"), (forged, "DisputeInvalidSignature")):
            hostile.refused(
                reason,
                lambda second=second: ledger.challenge_equivocation(
                    1, account=first.participant, first=true, second=second
                ),
            )
        hostile.refused(
            "DisputeNotOmitted",
            lambda: ledger.challenge_omission(
                1, participant=first.participant, epoch=1, root=first.root, signature=signature
            ),
        )

        # in the end it has paid for everything, and the round pays as if it had not been
        anvil.increase_time(1001)
        anvil.mine()
        ledger.expire_dispute(dispute)
        state = made.await_phase(1, Phase.SETTLED)
        assert status_of(made, "aggregator") is Status.ACTIVE
        assert reader.claimable(hostile.account) == 0
        assert spent == 3 * BOND
        assert claimable(made, "aggregator") == BOND + REWARD // 10
        assert reader.reputation(Role.AGGREGATOR, 0).slashed == 0
        assert state.attested.bit_count() >= 2
        assert [reader.dispute(n).kind for n in (1, 2, 3)] == [
            DisputeKind.AGGREGATE, DisputeKind.AGGREGATE, DisputeKind.AVAILABILITY,
        ]  # fmt: skip
        assert_every_wei(made, hostile.account)
        audit = made.audit(made.url, "--json")
        assert audit.code == 0, audit.out + audit.err
