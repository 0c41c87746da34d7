from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from gmpy2 import mpz

from fedtrust.crypto import manifest as manifest_module
from fedtrust.crypto.encoding import canonical_json, sha256
from fedtrust.crypto.manifest import KeyManifest, TrusteeKey, verification_base
from fedtrust.crypto.paillier import PublicKey
from fedtrust.errors import ConfigurationError, EncodingError, FedtrustError, ProofError
from tests.crypto.crypto_fixtures import Committee


@pytest.fixture
def document(committee: Committee) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(committee.manifest.to_bytes())
    return parsed


def test_bytes_round_trip(committee: Committee) -> None:
    data = committee.manifest.to_bytes()
    again = KeyManifest.from_bytes(data)
    assert again == committee.manifest
    assert again.to_bytes() == data
    assert again.key_id == sha256(data)


def test_an_honest_manifest_verifies_without_the_cache(committee: Committee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_module, "_verified", set())
    committee.manifest.verify()
    assert manifest_module._verified == {committee.manifest.key_id}


def test_a_verified_manifest_does_not_vouch_for_another(committee: Committee) -> None:
    committee.manifest.verify()
    bad = replace(committee.manifest, key_proof=(mpz(1),) * 6)
    for _ in range(2):
        with pytest.raises(ProofError):
            bad.verify()


def test_verification_keys_fit_for_every_subset(committee: Committee) -> None:
    """All ten subsets of three, not only the basis that the code checks (DESIGN.md section 4)."""
    import itertools
    import math

    from tests.crypto import textbook

    n = int(committee.manifest.public_key.n)
    expected = pow(int(committee.manifest.v), math.factorial(5) ** 2, n)
    for subset in itertools.combinations(range(1, 6), 3):
        product = 1
        for i, weight in textbook.lagrange_at_zero(list(subset)).items():
            power = int(math.factorial(5) * weight)
            product = product * pow(int(committee.manifest.trustee(i).verification), power, n) % n
        assert pow(product, n, n) == expected


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("how", ["double", "one", "zero", "swap", "wide"])
def test_every_verification_key_is_checked(committee: Committee, index: int, how: str) -> None:
    manifest = committee.manifest
    n = manifest.public_key.n
    old = manifest.trustee(index).verification
    new = {
        "double": old * 2 % n,
        "one": mpz(1),
        "zero": mpz(0),
        "swap": manifest.trustee(index % 5 + 1).verification,
        "wide": old + n,
    }[how]
    trustees = tuple(replace(t, verification=new) if t.index == index else t for t in manifest.trustees)
    with pytest.raises((ProofError, EncodingError)):
        replace(manifest, trustees=trustees).verify()


@pytest.mark.parametrize("threshold", [1, 2, 4, 5])
def test_the_threshold_must_be_the_polynomials(committee: Committee, threshold: int) -> None:
    """The dealer cannot say 2 of 5, nor 4 of 5, about a sharing for 3 of 5."""
    with pytest.raises(ProofError):
        replace(committee.manifest, threshold=threshold).verify()


def test_v_must_be_the_hashed_square(committee: Committee) -> None:
    manifest = committee.manifest
    assert manifest.v == verification_base(manifest.public_key.n)
    with pytest.raises(ProofError, match="v is not"):
        replace(manifest, v=manifest.v**2 % manifest.public_key.n).verify()


def test_the_key_proof_is_checked(committee: Committee) -> None:
    roots = committee.manifest.key_proof
    for bad in (roots[:5], (*roots[1:], roots[0]), (*roots[:5], roots[5] + 1)):
        with pytest.raises(ProofError):
            replace(committee.manifest, key_proof=bad).verify()


CHANGES: list[dict[str, Any]] = [
    {"format": "other"},
    {"version": 1},
    {"version": True},
    {"version": "1"},
    {"n": "0x00"},
    {"n": 15},
    {"h": "0x" + "00" * 256},
    {"h": "0x00"},
    {"v": "0x" + "00" * 256},
    {"v": None},
    {"threshold": 0},
    {"threshold": 6},
    {"threshold": 4},
    {"threshold": 2},
    {"threshold": True},
    {"threshold": "3"},
    {"trustees": []},
    {"trustees": {}},
    {"trustees": [1]},
    {"key_proof": []},
    {"key_proof": None},
    {"key_proof": ["0x00"] * 6},
    {"extra": 1},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changed_documents_are_refused(document: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises((EncodingError, ProofError, ConfigurationError)):
        KeyManifest.from_bytes(canonical_json({**document, **change}))


@pytest.mark.parametrize("missing", ["format", "version", "n", "h", "v", "threshold", "trustees", "key_proof"])
def test_missing_fields_are_refused(document: dict[str, Any], missing: str) -> None:
    del document[missing]
    with pytest.raises(EncodingError):
        KeyManifest.from_bytes(canonical_json(document))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", 2),
        ("index", 0),
        ("index", True),
        ("account", "0x" + "00" * 19 + "02"),
        ("account", "0x" + "AB" * 20),
        ("account", "nobody"),
        ("account", None),
        ("sealing_key", "0x00"),
        ("verification", "0x" + "00" * 256),
        ("verification", "0x01"),
    ],
)
def test_changed_trustees_are_refused(document: dict[str, Any], field: str, value: object) -> None:
    document["trustees"][0][field] = value
    with pytest.raises((EncodingError, ProofError)):
        KeyManifest.from_bytes(canonical_json(document))


def test_trustees_are_distinct_and_in_order(document: dict[str, Any]) -> None:
    swapped = [document["trustees"][1], document["trustees"][0], *document["trustees"][2:]]
    shared = [
        *document["trustees"][:4],
        {**document["trustees"][4], "sealing_key": document["trustees"][0]["sealing_key"]},
    ]
    for trustees in (swapped, shared, document["trustees"][:4] + document["trustees"][:1]):
        with pytest.raises(EncodingError):
            KeyManifest.from_bytes(canonical_json({**document, "trustees": trustees}))


def test_bytes_that_are_not_canonical_are_refused(document: dict[str, Any], committee: Committee) -> None:
    data = committee.manifest.to_bytes()
    for bad in (b"", data[:-1], data + b"\n", json.dumps(document, indent=1).encode(), data.replace(b"0xa", b"0xA", 1)):
        if bad != data:
            with pytest.raises(EncodingError):
                KeyManifest.from_bytes(bad)


def test_every_altered_byte_region_is_refused(committee: Committee) -> None:
    """Flip one hexadecimal digit in many places: whatever field it is in, something notices."""
    data = committee.manifest.to_bytes()
    for at in range(10, len(data), 251):
        if chr(data[at]) in "0123456789abcdef":
            digit = b"1" if data[at : at + 1] != b"1" else b"2"
            forged = data[:at] + digit + data[at + 1 :]
            try:
                changed = KeyManifest.from_bytes(forged)
            except FedtrustError:
                continue
            # Only what no proof can cover may change: who a trustee is. That is what the key id on chain is for.
            assert changed.key_id != committee.manifest.key_id
            assert changed.public_key == committee.manifest.public_key


def test_a_toy_key_has_no_manifest(committee: Committee, toy: PublicKey) -> None:
    with pytest.raises(EncodingError, match="toy"):
        replace(committee.manifest, public_key=toy)


def test_unknown_trustees_are_refused(committee: Committee) -> None:
    for index in (0, 6, -1):
        with pytest.raises(EncodingError):
            committee.manifest.trustee(index)
    with pytest.raises(EncodingError):
        TrusteeKey(33, "0x" + "00" * 20, bytes(32), mpz(1))
