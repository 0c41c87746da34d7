"""The scripts that a user copies: the same run as the demo, with a model and a data loader of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fedtrust.learning.task import load_task
from fedtrust.learning.training import initial_model, local_update
from fedtrust.ledger.devnet import free_port
from fedtrust.protocol.training import TrainingParameters
from tests.docs.markdown import ROOT
from tests.docs.session import Session

PARTICIPANT = ROOT / "scripts" / "participant.py"
SHELL_SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))


def write_csv(path: Path, rows: int) -> Path:
    """Write records in which men over 50 are ill; one value is missing."""
    lines = ["age,male,resting_blood_pressure,max_heart_rate,diagnosis"]
    for i in range(rows):
        age, male = 30 + 7 * i % 40, i % 2
        lines.append(f"{age},{male},{'' if i == 3 else 130},{150 - i},{2 * int(male and age > 50)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_participant_script_is_a_complete_task(tmp_path: Path) -> None:
    task = load_task(f"{PARTICIPANT}:MyTask")
    mine = task.load(str(write_csv(tmp_path / "mine.csv", 25)))
    base = initial_model(task, 0)
    parameters = TrainingParameters(epochs=2, batch_size=8, learning_rate=0.1, seed=0)
    first, again = (local_update(mine, base, parameters, 1, "participant 0") for _ in range(2))
    assert first.examples == 20
    assert first.evaluation.examples == 5
    assert first.delta.any()
    assert (first.delta == again.delta).all()  # all randomness comes from the generator it is given
    assert torch.isfinite(torch.from_numpy(first.delta)).all()


def test_the_participant_script_is_short() -> None:
    code = [line for line in PARTICIPANT.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 50


def test_the_participant_script_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, str(PARTICIPANT), "--help"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "Predict the label of a CSV file" in done.stdout
    assert "--data" in done.stdout


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda s: s.name)
def test_shell_scripts_parse(script: Path) -> None:
    interpreter = "sh" if script.read_text().startswith("#!/bin/sh") else "bash"
    done = subprocess.run([interpreter, "-n", str(script)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_scripts_make_a_verified_run_with_a_task_of_ones_own(tmp_path: Path) -> None:
    port, listen = free_port(), f"127.0.0.1:{free_port()}"
    settings = {
        "RUN": str(tmp_path / "run"),
        "RPC_PORT": str(port),
        "LISTEN": listen,
        "PARTICIPANTS": "north south",
        "TRUSTEES": "2",
        "THRESHOLD": "2",
        "TEST_KEY": str(ROOT / "tests" / "fixtures" / "test_key_2048.json"),
        "FEDERATION": str(tmp_path / "federation.toml"),
    }
    (tmp_path / "run" / "data").mkdir(parents=True)
    for name, rows in (("north", 25), ("south", 40)):
        write_csv(tmp_path / "run" / "data" / f"{name}.csv", rows)
    toml = (ROOT / "scripts" / "federation.toml").read_text()
    assert "quorum = 3" in toml
    (tmp_path / "federation.toml").write_text(toml.replace("quorum = 3", "quorum = 2"))
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    with Session(checkout, {}, settings) as session:
        session.open("devnet", "exec scripts/devnet.sh", "Ctrl-C stops it")
        session.type("scripts/setup.sh", "setup.sh")
        for name in ("trustee.sh 1", "trustee.sh 2", "participant.sh north", "participant.sh south"):
            session.open(name.replace(" ", "-"), f"exec scripts/{name}")
        aggregator = session.open("aggregator", "exec scripts/aggregator.sh --rounds 1")
        aggregator.await_text("] Done", list(session.terminals.values()))
        report = json.loads(session.type("scripts/audit.sh --json", "audit.sh"))
        assert report["verified"] is True
        assert len(report["rounds"]) == 1
