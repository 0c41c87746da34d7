"""The README tells the truth: its commands run as they stand, and its figures are what the command prints."""

from __future__ import annotations

import json
from statistics import fmean

import pytest

from fedtrust.cli.heart import HEART_TASKS, compare_heart, heart_settings
from tests.docs.markdown import ROOT, table_rows
from tests.docs.session import Session

README = ROOT / "README.md"


@pytest.mark.e2e
@pytest.mark.slow
def test_the_run_by_hand_works_as_it_is_written(session: Session) -> None:
    with session:
        session.follow(README)
        status = json.loads(session.type("fedtrust status --json", "status"))
        assert [r["phase"] for r in status["rounds"]] == ["settled", "settled"]
        assert all(r["accepted"] == 4 and r["attested"] >= 3 for r in status["rounds"])
        for terminal in session.terminals.values():
            assert "SittingOut" not in terminal.output


@pytest.mark.slow
@pytest.mark.parametrize(("name", "label"), [("logistic", "logistic regression"), ("mlp", "MLP")])
def test_the_figures_are_those_of_fedtrust_compare(name: str, label: str) -> None:
    splits = [compare_heart(HEART_TASKS[name], heart_settings(), split) for split in range(10)]
    measured = (
        fmean(c.federated.overall.accuracy for c in splits),
        fmean(c.pooled.overall.accuracy for c in splits),
        fmean(c.mean_alone_accuracy for c in splits),
        fmean(c.own_accuracy for c in splits),
    )
    written = next(row[1:] for row in table_rows(README) if row[0] == label)
    # other processors may round a training step differently; the last digit is not the point
    assert [float(w) for w in written] == pytest.approx(measured, abs=0.003)
    if name == "logistic":
        own = fmean(c.alone["switzerland"].each["switzerland"].accuracy for c in splits)
        shared = fmean(c.federated.each["switzerland"].accuracy for c in splits)
        text = " ".join(README.read_text().split())
        assert f"is right for {own:.3f} of its own patients, the federated one for {shared:.3f}" in text
