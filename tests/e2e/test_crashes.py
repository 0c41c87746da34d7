"""kill -9 at each phase: what was committed is not lost, nothing is aborted, and the models are the undisturbed ones.

A phase is held by pausing, or not starting, the nodes it waits for, or by a chain that does not mine.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web3 import Web3
from web3.types import RPCEndpoint

from fedtrust.errors import ExitCode
from fedtrust.ledger.devnet import Devnet, free_port, start_devnet
from fedtrust.ledger.types import Phase
from tests.e2e.federation import PATIENCE, Federation, await_, federation
from tests.e2e.people import People

WINDOW = 100_000
"""Seconds of the challenge window: nothing is settled before the test moves the chain's clock."""


def _forget_transactions(devnet: Devnet) -> None:
    """Let the node lose what it was sent and has not mined."""
    answer = devnet.web3().provider.make_request(RPCEndpoint("anvil_dropAllTransactions"), [])
    assert "error" not in answer, answer


@contextmanager
def _mining_stopped(devnet: Devnet) -> Iterator[None]:
    """Mine nothing in the block; what was sent meanwhile is mined at its end."""
    devnet.set_automine(False)
    try:
        yield
    finally:
        devnet.set_automine(True)
        devnet.mine()


def _await_sent(made: Federation, name: str) -> None:
    web3, account = made.devnet.web3(), Web3.to_checksum_address(made.people.account(name))

    def in_flight() -> bool:
        mined = web3.eth.get_transaction_count(account, "latest")
        return web3.eth.get_transaction_count(account, "pending") > mined

    made.await_(f"a transaction of {name} to be sent", in_flight)


def test_the_aggregator_killed_at_each_phase(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, rounds=3, challenge_window=WINDOW) as made:
        # before open: the spec is stored, the transaction was sent, and no node remembers it
        with _mining_stopped(anvil):
            made.start_aggregator()
            _await_sent(made, "aggregator")
            made.kill("aggregator")
            _forget_transactions(anvil)
        assert made.reader.last_round() == 0
        made.start_aggregator()
        made.await_phase(1, Phase.COMMIT)

        # commit: one of two has committed
        made.start("cleveland")
        made.await_committed(1, 1)
        made.kill("aggregator")
        # whoever meets a dead aggregator says so, and tries again
        made.start("hungary")
        waiting = made.await_event("hungary", "Waiting", round=1)
        assert f"{made.url} does not answer" in waiting["reason"]
        assert "is the aggregator running there?" in waiting["reason"]
        made.start_aggregator()

        # decrypt: no trustee is there; then one of the two that are needed
        made.await_phase(1, Phase.DECRYPT)
        made.pause("hungary")  # holds the next round's commit phase
        made.kill("aggregator")
        made.start_aggregator()
        made.start("trustee-1")
        made.await_event("aggregator", "PartialAccepted", round=1)
        made.kill("aggregator")
        made.start_aggregator()
        made.start("trustee-2", "trustee-3")
        made.await_phase(1, Phase.FINALIZED)

        # upload: one of two updates is in the aggregator's hands
        made.await_committed(2, 1)
        with _mining_stopped(anvil):
            made.resume("hungary")
            _await_sent(made, "hungary")
            made.pause("hungary")
        made.await_phase(2, Phase.UPLOAD)
        made.await_event("aggregator", "UpdateAccepted", round=2, participant=people.account("cleveland"))
        made.kill("aggregator")
        made.start_aggregator()
        assert made.reader.round(2).phase is Phase.UPLOAD
        made.resume("hungary")
        made.await_phase(2, Phase.FINALIZED)

        # between finalize and settle
        made.await_phase(3, Phase.FINALIZED)
        made.kill("aggregator")
        assert [s.phase for s in made.states()] == [Phase.FINALIZED] * 3
        anvil.increase_time(WINDOW)
        made.start_aggregator()
        made.await_done()

        assert [s.phase for s in made.states()] == [Phase.SETTLED] * 3
        assert [s.accepted for s in made.states()] == [0b11] * 3
        assert made.models() == made.simulated()
        outcome = made.audit(made.url, "--json")
        assert outcome.code == 0, outcome.out


def test_a_participant_and_a_trustee_killed_in_the_middle_of_a_step(
    tmp_path: Path, anvil: Devnet, people: People
) -> None:
    # two trustees of which both are needed, so that nothing can go on without the one that was killed
    with federation(tmp_path, anvil, people, rounds=2, trustees=2) as made:
        made.start_aggregator()
        made.await_phase(1, Phase.COMMIT)

        # a participant, its commitment sent but not mined
        with _mining_stopped(anvil):
            made.start("cleveland")
            _await_sent(made, "cleveland")
            made.kill("cleveland")
        made.await_committed(1, 1)
        made.start("cleveland", "hungary")
        made.await_event("cleveland", "Uploaded", round=1)
        # it uploaded what it had committed, and did not train again
        assert len(made.nodes["cleveland"].events("Encrypted", round=1)) == 1

        # a trustee, its attestation sent but not mined
        made.start("trustee-2")
        made.await_event("trustee-2", "PartialSent", round=1)
        with _mining_stopped(anvil):
            made.start("trustee-1")
            _await_sent(made, "trustee-1")
            made.kill("trustee-1")
        assert made.reader.round(1).attested.bit_count() == 2
        assert made.reader.round(1).phase is Phase.DECRYPT
        made.pause("cleveland")  # holds the next round's commit phase
        made.start("trustee-1")
        made.await_event("trustee-1", "PartialSent", round=1)
        assert len(made.nodes["trustee-1"].events("Decrypted", round=1)) == 1
        made.await_phase(1, Phase.FINALIZED, Phase.SETTLED)

        # a participant that is dead when the commit phase closes
        made.await_committed(2, 1)
        with _mining_stopped(anvil):
            made.resume("cleveland")
            _await_sent(made, "cleveland")
            made.kill("cleveland")
        made.await_phase(2, Phase.UPLOAD)
        made.start("cleveland")
        made.await_done()

        assert [s.phase for s in made.states()] == [Phase.SETTLED] * 2
        assert [s.accepted for s in made.states()] == [0b11] * 2
        assert made.models() == made.simulated()
        assert made.audit(made.artifacts, "--json").code == 0


def test_drop_outs(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, participants=3, trustees=5, threshold=3, rounds=3) as made:
        # two of five trustees never answer; a participant is killed while the three decrypt
        made.start("aggregator", *made.hospitals)
        made.await_phase(1, Phase.DECRYPT)
        made.kill("switzerland")
        made.start("trustee-1", "trustee-3", "trustee-5")
        made.await_phase(1, Phase.FINALIZED, Phase.SETTLED)
        assert made.reader.round(1).attested.bit_count() == 3

        # without it, the next round goes on at its quorum when the commit phase is over; another is killed meanwhile
        made.await_committed(2, 2)
        made.pause("trustee-1")
        anvil.increase_time(made.settings.commit_seconds + 1)
        made.await_phase(2, Phase.DECRYPT)
        made.kill("hungary")
        made.resume("trustee-1")
        made.await_phase(2, Phase.FINALIZED, Phase.SETTLED)

        # too few are left: the round aborts on chain with its reason
        made.await_committed(3, 1)
        anvil.increase_time(made.settings.commit_seconds + 1)
        made.await_phase(3, Phase.ABORTED)
        status = made.status()["rounds"][2]
        assert (status["phase"], status["abort_reason"]) == ("aborted", "commit_quorum_missed")

        # they come back, and the next round succeeds
        made.start("hungary", "switzerland")
        made.await_done()
        states = made.states()
        assert [s.phase for s in states] == [Phase.SETTLED, Phase.SETTLED, Phase.ABORTED, Phase.SETTLED]
        assert [s.accepted for s in states] == [0b111, 0b011, 0, 0b111]
        accepted = {2: made.hospitals[:2], 3: ()}
        assert made.models() == made.simulated(accepted, rounds=4)
        outcome = made.audit(made.url, "--json")
        assert outcome.code == 0, outcome.out
        assert [r["phase"] for r in outcome.json["rounds"]] == ["SETTLED", "SETTLED", "ABORTED", "SETTLED"]


def test_an_aggregator_that_gave_up_goes_on_when_it_is_started_again(
    tmp_path: Path, anvil: Devnet, people: People
) -> None:
    with federation(tmp_path, anvil, people, max_aborts=1) as made:
        made.start_aggregator()
        made.await_phase(1, Phase.COMMIT)
        made.nodes["aggregator"].expected_to_end = True
        anvil.increase_time(made.settings.commit_seconds + 1)
        assert made.nodes["aggregator"].process.wait(PATIENCE) == ExitCode.ROUND
        assert made.reader.round(1).phase is Phase.ABORTED
        error = json.loads(made.nodes["aggregator"].log.read_text().splitlines()[-1])
        assert "1 rounds in a row were aborted; giving up" in error["message"]
        assert "then start the aggregator again" in error["advice"]
        made.start_aggregator()
        made.await_phase(2, Phase.COMMIT)


def test_nodes_outlast_the_chains_node(tmp_path: Path, people: People) -> None:
    port, state = free_port(), tmp_path / "chain.json"
    with (
        start_devnet("anvil", port=port, state=state) as devnet,
        federation(tmp_path / "run", devnet, people, rounds=2) as made,
    ):
        made.start("aggregator", *made.hospitals)
        made.await_phase(1, Phase.DECRYPT)
        with _replaced(devnet, port, state, made):
            made.start(*made.trustee_names)
            made.await_done()
            assert [s.phase for s in made.states()] == [Phase.SETTLED] * 2
            assert made.models() == made.simulated()
            assert made.audit(made.artifacts, "--json").code == 0
            made.stop_everything()


@contextmanager
def _replaced(devnet: Devnet, port: int, state: Path, made: Federation) -> Iterator[None]:
    """Stop the chain's node until all of the federation's nodes have noticed, then start it from what it saved."""
    os.killpg(devnet.pid, signal.SIGINT)
    await_("the chain's node to save its state and end", lambda: state.exists() and not _listening(port))
    for name in list(made.nodes):
        reason = made.await_event(name, "Waiting")["reason"]
        assert "the RPC endpoint" in reason
        assert "does not answer" in reason
    with start_devnet("anvil", port=port, state=state):
        yield


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
