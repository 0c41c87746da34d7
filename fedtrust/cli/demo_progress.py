"""Watching a federation's rounds: one live line while a round runs, one printed line when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from rich.console import Console

from fedtrust.crypto.encoding import to_hex
from fedtrust.ledger.interface import LedgerReader
from fedtrust.nodes.follower import ChainFollower
from fedtrust.protocol.history import RoundHistory
from fedtrust.protocol.result import RoundResult
from fedtrust.store.artifacts import ArtifactReader

POLL_SECONDS = 0.3


def follow_rounds(
    reader: LedgerReader,
    artifacts: ArtifactReader,
    rounds: int,
    names: Mapping[str, str],
    console: Console,
    check: Callable[[], object],
) -> list[str]:
    """Show progress until ``rounds`` rounds are finalised and settled; returns their model hashes.

    ``check`` is called at every look and may raise.
    """
    follower = ChainFollower(reader)
    pause = threading.Event()
    shown: set[int] = set()
    with console.status("waiting for the first round") as status:
        while True:
            follower.poll()
            history = follower.history.rounds
            for number, entry in sorted(history.items()):
                if number not in shown and (entry.finalized or entry.aborted):
                    shown.add(number)
                    console.print(_line(number, entry, artifacts))
            finalized = [e for _, e in sorted(history.items()) if e.finalized]
            if len(finalized) >= rounds and all(e.settled for e in finalized):
                return [to_hex(e.finalized.model_hash) for e in finalized if e.finalized]
            if history:
                number = max(history)
                status.update(f"round {number}, {len(finalized)} of {rounds} done: {_phase(history[number], names)}")
            check()
            pause.wait(POLL_SECONDS)


def _phase(entry: RoundHistory, names: Mapping[str, str]) -> str:
    def who(accounts: Iterable[str]) -> str:
        return ", ".join(names.get(a, a) for a in accounts) or "nobody yet"

    if entry.finalized:
        return "finalised"
    if entry.aggregate:
        return f"decrypting; attested: {who(entry.attestations)}"
    if entry.closed:
        return "uploading and aggregating"
    return f"training; committed: {who(entry.commitments)}"


def _line(number: int, entry: RoundHistory, artifacts: ArtifactReader) -> str:
    if entry.aborted:
        return f"round {number:3}  aborted: {entry.aborted.reason.name.lower()}"
    if entry.finalized is None or entry.aggregate is None:
        return f"round {number:3}"
    result = RoundResult.from_bytes(artifacts.get(entry.finalized.result_hash))
    measured = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    accepted = f"{entry.aggregate.accepted.bit_count()}/{entry.opened.selected.bit_count()}"
    seconds = entry.finalized.timestamp - entry.opened.timestamp
    return (
        f"round {number:3}  {accepted} updates, {len(entry.attestations)} trustees  {measured}"
        f"  model {to_hex(entry.finalized.model_hash)[:14]}  {seconds} s"
    )
