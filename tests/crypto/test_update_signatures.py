from __future__ import annotations

import json
import runpy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.encoding import from_hex
from fedtrust.crypto.signatures import (
    ReceiptMessage,
    UpdateMessage,
    receipt_digest,
    sign_receipt,
    sign_update,
    update_digest,
    verify_receipt_signature,
    verify_update_signature,
)
from fedtrust.errors import EncodingError, KeyFileError, ProofError
from tests.crypto.crypto_fixtures import TESTS, load_vectors

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CASES = load_vectors("eip712_update")["cases"]
RECEIPTS = load_vectors("eip712_receipt")["cases"]


def message_of(case: dict[str, Any]) -> UpdateMessage:
    return UpdateMessage(
        case["round"],
        from_hex(case["spec_hash"], 32, "spec hash"),
        case["epoch"],
        from_hex(case["root"], 32, "root"),
        case["ciphertexts"],
        from_hex(case["proof_hash"], 32, "proof hash"),
    )


def receipt_of(case: dict[str, Any]) -> ReceiptMessage:
    return ReceiptMessage(
        case["round"],
        from_hex(case["spec_hash"], 32, "spec hash"),
        case["epoch"],
        case["participant"],
        from_hex(case["root"], 32, "root"),
    )


def raw(case: dict[str, Any], name: str) -> bytes:
    return from_hex(case[name], None, name)


@pytest.mark.parametrize("case", CASES, ids=lambda c: str(c["chain_id"]))
def test_digest_and_signature_are_those_of_eth_account(case: dict[str, Any]) -> None:
    message = message_of(case)
    assert update_digest(case["chain_id"], case["contract"], message) == raw(case, "digest")
    made = sign_update(raw(case, "private_key"), case["chain_id"], case["contract"], message)
    assert made == raw(case, "signature")
    verify_update_signature(case["chain_id"], case["contract"], message, made, case["account"])
    verify_update_signature(case["chain_id"], case["contract"].lower(), message, made, case["account"].lower())


@pytest.mark.parametrize(
    "change",
    [
        {"round": 2},
        {"spec_hash": bytes(32)},
        {"epoch": 2},
        {"root": bytes(32)},
        {"ciphertexts": 2},
        {"proof_hash": bytes(32)},
    ],
)
def test_every_field_of_the_message_is_signed(change: dict[str, Any]) -> None:
    case = CASES[0]
    forged = replace(message_of(case), **change)
    with pytest.raises(ProofError):
        verify_update_signature(case["chain_id"], case["contract"], forged, raw(case, "signature"), case["account"])


def test_chain_contract_and_account_are_bound() -> None:
    case, other = CASES[0], CASES[1]
    for chain_id, contract, account in (
        (1, case["contract"], case["account"]),
        (case["chain_id"], other["contract"], case["account"]),
        (case["chain_id"], case["contract"], other["account"]),
    ):
        with pytest.raises(ProofError) as caught:
            verify_update_signature(chain_id, contract, message_of(case), raw(case, "signature"), account)
        assert caught.value.expected == account


def test_malleable_and_malformed_signatures_are_refused() -> None:
    case = CASES[0]
    good = raw(case, "signature")
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high_s = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    bad = [
        b"",
        good[:-1],
        good + b"\x00",
        high_s,
        good[:64] + bytes([v - 27]),
        good[:64] + bytes([55 - v]),
        good[:64] + b"\x1d",
        bytes(32) + good[32:],
        r + bytes(32) + good[64:],
        ORDER.to_bytes(32, "big") + good[32:],
        b"\xff" * 64 + good[64:],
        bytes(65),
    ]
    for signature in bad:
        with pytest.raises(ProofError):
            verify_update_signature(case["chain_id"], case["contract"], message_of(case), signature, case["account"])


@settings(deadline=None, max_examples=15)
@given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]))
def test_random_signatures_are_refused(body: bytes, v: int) -> None:
    case = CASES[0]
    low_s = (int.from_bytes(body[32:], "big") % (ORDER // 2)).to_bytes(32, "big")
    with pytest.raises(ProofError):
        verify_update_signature(
            case["chain_id"], case["contract"], message_of(case), body[:32] + low_s + bytes([v]), case["account"]
        )


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, bytes(31), ORDER.to_bytes(32, "big")])
def test_bad_private_keys_are_refused_without_showing_them(key: bytes) -> None:
    with pytest.raises(KeyFileError) as caught:
        sign_update(key, 1, CASES[0]["contract"], message_of(CASES[0]))
    assert not key or key.hex() not in caught.value.diagnostics()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "change",
    [
        {"round": -1},
        {"round": 1 << 256},
        {"round": True},
        {"epoch": 1 << 32},
        {"epoch": -1},
        {"ciphertexts": 1 << 32},
        {"ciphertexts": 1.0},
        {"spec_hash": bytes(31)},
        {"root": "0x00"},
        {"proof_hash": b""},
    ],
)
def test_messages_are_validated(change: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        replace(message_of(CASES[0]), **change)


@pytest.mark.parametrize("case", RECEIPTS, ids=lambda c: str(c["chain_id"]))
def test_receipts_are_those_of_eth_account(case: dict[str, Any]) -> None:
    receipt, place = receipt_of(case), (case["chain_id"], case["contract"])
    assert receipt_digest(*place, receipt) == raw(case, "digest")
    assert sign_receipt(raw(case, "private_key"), *place, receipt) == raw(case, "signature")
    verify_receipt_signature(*place, receipt, raw(case, "signature"), case["account"])
    with pytest.raises(ProofError):
        verify_receipt_signature(*place, receipt, raw(case, "signature"), case["participant"])


@pytest.mark.parametrize(
    "change",
    [
        {"round": 2},
        {"spec_hash": bytes(32)},
        {"epoch": 2},
        {"participant": RECEIPTS[1]["participant"]},
        {"root": bytes(32)},
    ],
)
def test_every_field_of_a_receipt_is_signed(change: dict[str, Any]) -> None:
    case = RECEIPTS[0]
    forged = replace(receipt_of(case), **change)
    with pytest.raises(ProofError):
        verify_receipt_signature(case["chain_id"], case["contract"], forged, raw(case, "signature"), case["account"])


@pytest.mark.parametrize("change", [{"round": -1}, {"epoch": 1 << 32}, {"participant": "0x12"}, {"root": bytes(31)}])
def test_receipts_are_validated(change: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        replace(receipt_of(RECEIPTS[0]), **change)


def test_a_receipt_is_no_update() -> None:
    # same key, same contract, same round: the type is part of what is signed
    case, receipt = CASES[0], receipt_of(RECEIPTS[0])
    signature = sign_receipt(raw(case, "private_key"), case["chain_id"], case["contract"], receipt)
    with pytest.raises(ProofError):
        verify_update_signature(case["chain_id"], case["contract"], message_of(case), signature, case["account"])


def test_malformed_addresses_are_refused() -> None:
    with pytest.raises(EncodingError):
        update_digest(1, "0x12", message_of(CASES[0]))


def test_the_vector_files_are_what_their_generator_writes() -> None:
    made = runpy.run_path(str(TESTS / "vectors" / "generate.py"))["documents"]()
    for name, content in made.items():
        assert json.loads((TESTS / "vectors" / name).read_text()) == json.loads(content), name
