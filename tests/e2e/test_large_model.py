"""A model of 100,000 parameters goes through every process: tables, worker processes, large uploads, both kernels."""

from __future__ import annotations

from pathlib import Path

from fedtrust.compute.kernels import VARIABLE, Kernel, choose_kernel
from fedtrust.crypto.fixed_base import FixedBaseTable
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.ledger.devnet import Devnet
from fedtrust.ledger.types import Phase
from tests.e2e.federation import federation
from tests.e2e.people import People

TASK = f"{Path(__file__).parent / 'wide_task.py'}:WidePerceptron"


def test_a_large_model_is_aggregated_to_the_bit_and_verified(tmp_path: Path, anvil: Devnet, people: People) -> None:
    with federation(tmp_path, anvil, people, task=TASK, rounds=1, learning_rate=0.05) as made:
        portable, other = made.hospitals  # parties of one federation may compute with different kernels
        made.variables[portable] = {VARIABLE: Kernel.PORTABLE}
        made.start_all()
        made.await_done()
        (state,) = made.states()
        assert state.phase is Phase.SETTLED
        assert state.accepted == 0b11
        assert state.ciphertexts > 1_700
        assert made.models() == made.simulated()
        (file,) = (tmp_path / portable / "tables").glob("*.table")
        table = FixedBaseTable.from_bytes(file.read_bytes())
        assert table.base == people.manifest(2, 3).public_key.h_s
        assert file.stat().st_size <= DEFAULT_TABLE_BYTES + 2000
        kept = list((tmp_path / other / "tables").glob("*.table"))  # the native kernel keeps its tables in memory
        assert bool(kept) == (choose_kernel().kernel is Kernel.PORTABLE)
        made.rest()
        outcome = made.audit(made.url, "--json")
        assert outcome.code == 0, outcome.err
        assert outcome.json["verified"] is True
