"""Every decoder of outside bytes: typed errors only, bounded time and memory, and one spelling for every value.

``FEDTRUST_FUZZ_SECONDS=60 pytest tests/fuzz`` goes on for that long with each decoder, from seeds that differ from run
to run and are named by a failure.
"""

from __future__ import annotations

import os
import random
import secrets
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedtrust.errors import FedtrustError
from tests.fuzz.decoders import EXCUSED, decoders
from tests.fuzz.mutations import every_value_everywhere, hostile_inputs, mutate
from tests.fuzz.targets import TARGETS, Target

EXTRA_SECONDS = float(os.environ.get("FEDTRUST_FUZZ_SECONDS", "0"))
LONGEST = 5.0
"""Seconds that no single input may take, with room for a busy machine."""
MEMORY = 64 << 20
"""Bytes that no input (of at most a megabyte) may make a decoder allocate."""
COSTLY = {
    "fedtrust.crypto.key_file.open_with_passphrase",
    "fedtrust.crypto.single_holder.SingleHolderKey.from_bytes",
    "fedtrust.ledger.outbox.Outbox",
    "fedtrust.ledger.web3_reader.Web3LedgerReader",
    "fedtrust.store.state.NodeState",
}
"""Scrypt takes 16 MiB and a twentieth of a second from each file that gets so far, SQLite a few flushes to the disk.

web3 makes a contract anew for each."""


def check(name: str, target: Target, data: bytes, origin: str) -> bool:
    """Decode ``data`` and fail the test on anything but a typed error or the canonical value. Return if it decoded."""
    started = time.perf_counter()
    refusal: FedtrustError | None = None
    value: object = None
    try:
        value = target.decode(data)
    except FedtrustError as error:
        refusal = error
    except Exception as error:
        pytest.fail(f"{name}: {type(error).__name__}: {error} on {_shown(data, origin)}")
    taken = time.perf_counter() - started
    assert taken < LONGEST, f"{name}: {taken:.1f} s for {_shown(data, origin)}"
    if refusal is not None:
        assert refusal.diagnostics(), f"{name}: an error that says nothing about {_shown(data, origin)}"
        return False
    if target.encode is not None:
        again = target.encode(value)
        spelled = data.strip() if target.spellings else data
        assert again == spelled, f"{name}: two spellings of one value: {_shown(data, origin)}"
    return True


def _shown(data: bytes, origin: str) -> str:
    shown = data.hex() if len(data) <= 4000 else f"{data[:1000].hex()}... ({len(data)} bytes)"
    return f"{origin}: {shown}"


NAMED_OTHERWISE = (
    "revert_data",
    "complete_round",
    "roster.roster",
    "HeadProof",
    "Web3LedgerReader",
    "Fields",
    "NodeState",
    "Outbox",
)
"""Targets that read bytes from outside but are not called so."""
DATABASES = {"fedtrust.ledger.outbox.Outbox", "fedtrust.store.state.NodeState"}


def test_every_decoder_is_a_target() -> None:
    """A new decoder comes with its target; a target or an excuse for something that is gone goes too."""
    found = set(decoders())
    listed = {name for name in TARGETS if not name.endswith(NAMED_OTHERWISE)}
    assert found - listed - set(EXCUSED) == set(), "decoders without a fuzz target in tests/fuzz/targets.py"
    assert listed - found == set(), "targets whose decoder is gone"
    assert set(EXCUSED) - found == set(), "excuses for decoders that are gone"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_valid_files_decode_and_are_written_again(name: str) -> None:
    target = TARGETS[name]
    for index, seed in enumerate(target.seeds()):
        assert check(name, target, seed, f"seed {index}")
    assert target.encode is not None or target.spellings or _opens_secrets(name)


def _opens_secrets(name: str) -> bool:
    # sealing is randomised; these targets compare with the files that were sealed
    return name.endswith(("open_sealed", "open_share", "open_with_passphrase", "SingleHolderKey.from_bytes"))


@pytest.mark.parametrize("name", sorted(set(TARGETS) - DATABASES))  # SQLite bounds itself
def test_hostile_files_cost_neither_memory_nor_time(name: str) -> None:
    target = TARGETS[name]
    inputs = hostile_inputs(target.seeds())
    if name in COSTLY:
        inputs = inputs[:: max(1, len(inputs) // target.inputs)]
    tracemalloc.start()
    try:
        for index, data in enumerate(inputs):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            check(name, target, data, f"hostile input {index}")
            used = tracemalloc.get_traced_memory()[1] - before
            assert used < MEMORY, f"{name}: {used >> 20} MiB for {_shown(data, f'hostile input {index}')}"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_damaged_files(name: str) -> None:
    """A fixed sequence of mutants: the same in every run."""
    target = TARGETS[name]
    rng = random.Random(name)
    for index in range(target.inputs):
        check(name, target, target.mutant(rng), f"mutant {index}")


DOCUMENTS = [name for name in sorted(TARGETS) if TARGETS[name].seeds()[0][:1] == b"{"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_field_of_a_document_with_every_value(name: str) -> None:
    target = TARGETS[name]
    for index, data in enumerate(every_value_everywhere(target.seeds()[0])):
        check(name, target, data, f"document {index}")


@pytest.mark.skipif(not EXTRA_SECONDS, reason="FEDTRUST_FUZZ_SECONDS is not set")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_damaged_files_for_longer(name: str) -> None:
    target, end = TARGETS[name], time.monotonic() + EXTRA_SECONDS
    while time.monotonic() < end:
        seed = secrets.randbits(64)
        check(name, target, target.mutant(random.Random(seed)), f"random.Random({seed})")


EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True), st.sampled_from(["set", "insert", "cut", "end"]), st.binary(max_size=8)
    ),
    min_size=1,
    max_size=4,
)
CHEAP = sorted(set(TARGETS) - COSTLY)


@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(CHEAP), edits=EDITS, data=st.data())
def test_edited_files(name: str, edits: list[tuple[float, str, bytes]], data: st.DataObject) -> None:
    """The same with hypothesis, which makes the smallest example of a failure."""
    target = TARGETS[name]
    edited = data.draw(st.sampled_from(list(target.seeds())))
    for place, kind, value in edits:
        at = int(place * (len(edited) + 1))
        match kind:
            case "set":
                edited = edited[:at] + value + edited[at + len(value) :]
            case "insert":
                edited = edited[:at] + value + edited[at:]
            case "cut":
                edited = edited[:at] + edited[at + len(value) :]
            case _:
                edited = edited[:at] + value
    check(name, target, edited, "edited")


def test_mutants_are_the_same_in_every_run_and_differ_from_the_seeds() -> None:
    seeds = [b'{"a":[1,2],"b":"0x00"}', b"FTCV\x01" + bytes(40)]
    first = [mutate(random.Random(seed), seeds) for seed in range(300)]
    assert first == [mutate(random.Random(seed), seeds) for seed in range(300)]
    assert sum(mutant in seeds for mutant in first) < 15
    assert len(set(first)) > 200
