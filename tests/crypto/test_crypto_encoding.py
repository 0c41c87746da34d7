from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto.encoding import (
    canonical_json,
    fixed_to_int,
    from_hex,
    int_to_fixed,
    keccak256,
    parse_canonical_json,
    sha256,
    to_hex,
)
from fedtrust.errors import EncodingError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_canonical_json_round_trips_and_is_stable(value: Any) -> None:
    data = canonical_json(value)
    parsed = parse_canonical_json(data, "value")
    assert parsed == value
    assert canonical_json(parsed) == data


def test_canonical_json_is_rfc_8785() -> None:
    # From RFC 8785, section 3.2.2 to 3.2.3.
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "literals": [None, True, False]}
    assert canonical_json(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'
    )
    assert canonical_json({"\u20ac": 1, "\r": 2, "1": 3, "\U0001f600": 4, "\ufb33": 5}) == (
        '{"\\r":2,"1":3,"\u20ac":1,"\U0001f600":4,"\ufb33":5}'.encode()
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":-0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":9007199254740993}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":1}\n',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b"[" * 33 + b"]" * 33,
        b"1" * 5000,
    ],
)
def test_parse_refuses_everything_that_is_not_canonical(data: bytes) -> None:
    with pytest.raises(EncodingError) as caught:
        parse_canonical_json(data, "document")
    assert "document" in caught.value.message or "canonical" in caught.value.message


@settings(deadline=None)
@given(JSON)
def test_a_reformatted_document_is_refused(value: Any) -> None:
    data = json.dumps(value, indent=1).encode()
    if data != canonical_json(value):
        with pytest.raises(EncodingError):
            parse_canonical_json(data, "document")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, b"bytes", {1: 2}, "\ud800", object()])
def test_values_json_cannot_hold_are_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        canonical_json({"a": value})


def test_hashes_known_answers() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@settings(deadline=None)
@given(st.binary())
def test_hex_round_trips(data: bytes) -> None:
    assert from_hex(to_hex(data), len(data), "field") == data


@pytest.mark.parametrize("text", ["", "00", "0x0", "0xAB", "0xzz", "0x 00", "0x00\n", "0X00", b"0x00", 0, None])
def test_hex_is_strict(text: object) -> None:
    with pytest.raises(EncodingError, match="the field"):
        from_hex(text, None, "the field")


def test_hex_checks_the_size() -> None:
    with pytest.raises(EncodingError) as caught:
        from_hex("0x0011", 3, "the field")
    assert caught.value.got == "2 bytes"


@settings(deadline=None)
@given(st.integers(0, 2**64), st.integers(9, 20))
def test_fixed_width_round_trips(value: int, width: int) -> None:
    data = int_to_fixed(value, width)
    assert len(data) == width
    assert fixed_to_int(data) == value


@pytest.mark.parametrize("value", [-1, 256, 2**70])
def test_fixed_width_refuses_what_does_not_fit(value: int) -> None:
    with pytest.raises(EncodingError):
        int_to_fixed(value, 1)


def test_nesting_is_bounded_and_brackets_in_strings_do_not_count() -> None:
    deep = b"[" * 32 + b"]" * 32
    assert canonical_json(parse_canonical_json(deep, "deep")) == deep
    text = canonical_json({"a": "[{" * 100 + '\\"' + "[" * 100})
    assert canonical_json(parse_canonical_json(text, "text")) == text


@pytest.mark.timeout(60)  # a quadratic scan would take an hour
@pytest.mark.parametrize(
    "text", [b'"' + b'\\"' * 500_000, b'"' * 1_000_001, b"\\" * 1_000_001], ids=["escaped", "plain", "backslashes"]
)
def test_a_megabyte_of_quotes_is_refused_at_once(text: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_canonical_json(text, "quotes")
