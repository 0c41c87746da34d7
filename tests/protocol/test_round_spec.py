"""RoundSpec: one value, one byte string; every field is read strictly, refused by name, and checked on chain."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.encoding import canonical_json, sha256
from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import EncodingError, SpecError
from fedtrust.ledger.events import RoundOpened
from fedtrust.ledger.types import Address, Deadlines, PayoutRule
from fedtrust.protocol.contribution import VectorLayout
from fedtrust.protocol.spec import Algorithm, Beacon, FederationId, Privacy, RoundSpec, TaskReference, verify_spec
from fedtrust.protocol.training import TrainingParameters
from tests.protocol import chain_events
from tests.protocol.protocol_fixtures import FEDERATION, account, make_spec, public_key

REFUSALS = (EncodingError, SpecError)
Path = tuple[str, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the path of every field of a JSON object, containers before what they hold."""
    for name, child in value.items():
        yield (*at, name)
        if isinstance(child, dict):
            yield from paths(child, (*at, name))


JSON = json.loads(make_spec().to_bytes())
PATHS = sorted(paths(JSON))
NUMBERS = {"value_range", "metric_range", "clip_norm", "learning_rate", "server_learning_rate"}


def at(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


def changed(path: Path, new: object) -> bytes:
    value = deepcopy(JSON)
    at(value, path[:-1])[path[-1]] = new
    return canonical_json(value)


hashes = st.binary(min_size=32, max_size=32)
counters = st.integers(0, 2**53 - 1)
positive = st.floats(1e-6, 1e6)


@st.composite
def specs(draw: st.DrawFn) -> RoundSpec:
    chosen = draw(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True))
    value_range = draw(positive)
    times = sorted(draw(st.lists(counters, min_size=3, max_size=3, unique=True)))
    return RoundSpec(
        federation=FederationId(draw(st.integers(1, 2**53 - 1)), account(draw(st.sampled_from("xyz")))),
        round=draw(st.integers(1, 2**53 - 1)),
        base_model=draw(hashes),
        algorithm=Algorithm(
            "fedavg",
            draw(positive),
            TrainingParameters(draw(st.integers(1, 99)), draw(st.integers(1, 99)), draw(positive), draw(counters)),
        ),
        task=TaskReference(draw(st.text()), draw(hashes)),
        layout=VectorLayout(
            parameters=draw(st.integers(1, 10**6)),
            metrics=tuple(draw(st.lists(st.sampled_from(["loss", "accuracy", "auc", "größe"]), unique=True))),
            slots=SlotLayout(
                value_bits=draw(st.integers(2, 20)),
                weight_bits=draw(st.integers(0, 16)),
                max_participants=draw(st.integers(8, 256)),
                noise_bits=draw(st.integers(0, 4)),
                guard_bits=draw(st.integers(1, 4)),
            ),
            value_range=value_range,
            metric_range=draw(positive),
        ),
        key_id=draw(hashes),
        privacy=Privacy(min(draw(positive), value_range)),
        payout_rule=draw(st.sampled_from(PayoutRule)),
        beacon=Beacon(draw(counters), draw(hashes)),
        participants=tuple(account(n) for n in chosen),
        quorum=draw(st.integers(2, len(chosen))),
        deadlines=Deadlines(*times),
    )


@given(specs())
def test_every_spec_survives_its_canonical_bytes(spec: RoundSpec) -> None:
    data = spec.to_bytes()
    again = RoundSpec.from_bytes(data)
    assert again == spec
    assert again.to_bytes() == data
    assert spec.digest == sha256(data) == again.digest
    assert canonical_json(json.loads(data)) == data


@given(specs(), specs())
def test_two_specs_share_a_digest_only_when_equal(one: RoundSpec, other: RoundSpec) -> None:
    assert (one.digest == other.digest) == (one == other)


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_missing_field_is_refused_by_name(path: Path) -> None:
    value = deepcopy(JSON)
    del at(value, path[:-1])[path[-1]]
    with pytest.raises(REFUSALS) as error:
        RoundSpec.from_bytes(canonical_json(value))
    assert path[-1] in error.value.message


@pytest.mark.parametrize("path", [(), *(p for p in PATHS if isinstance(at(JSON, p), dict))], ids=".".join)
def test_an_unknown_field_is_refused_by_name(path: Path) -> None:
    value = deepcopy(JSON)
    at(value, path)["surprise"] = 1
    with pytest.raises(EncodingError) as error:
        RoundSpec.from_bytes(canonical_json(value))
    assert "surprise" in str(error.value.got)
    assert all(name in error.value.message for name in path)


WRONG: dict[type, list[object]] = {
    int: [True, "1", None, -1, 1.5, [], {}, 2.0**53],
    float: [True, "1", None, [], {}, -1, 0],
    str: [1, None, True, [], {}],
    list: ["", None, 1, {}, [1], [None], [[]]],
    dict: ["", None, 1, [], True],
}


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_value_of_another_type_is_refused_by_name(path: Path) -> None:
    kind = float if path[-1] in NUMBERS else type(at(JSON, path))
    for wrong in WRONG[kind]:
        with pytest.raises(REFUSALS) as error:
            RoundSpec.from_bytes(changed(path, wrong))
        assert path[-1] in error.value.message, (path, wrong, error.value.message)


HASHES = [p for p in PATHS if isinstance(at(JSON, p), str) and at(JSON, p).startswith("0x") and p[-1] != "contract"]
A_HASH = "0x" + "ab" * 32


@pytest.mark.parametrize("path", HASHES, ids=".".join)
@pytest.mark.parametrize("wrong", ["", "0x", A_HASH[2:], A_HASH[:-2], A_HASH + "ab", A_HASH.upper(), A_HASH[:-1] + "g"])
def test_hashes_have_one_spelling(path: Path, wrong: str) -> None:
    with pytest.raises(EncodingError, match=path[-1]):
        RoundSpec.from_bytes(changed(path, wrong))


def test_all_four_hashes_are_tried() -> None:
    assert len(HASHES) == 4


LOWER = account("ann").lower()


@pytest.mark.parametrize(
    ("path", "wrong", "named"),
    [
        ("version", 0, "version"),
        ("version", 1, "version"),
        ("version", 3, "version"),
        ("payout_rule", "proportional", "payout rule"),
        ("round", 0, "round"),
        ("federation.chain_id", 0, "chain_id"),
        ("federation.contract", FEDERATION.contract.lower(), "contract"),
        ("federation.contract", FEDERATION.contract[2:], "contract"),
        ("participants", [LOWER, account("bob")], "participants"),
        ("participants", [account("ann"), account("ann")], "participant is selected twice"),
        ("participants", [], "quorum"),
        ("participants", [account(f"p{i}") for i in range(9)], "overflow"),
        ("quorum", 0, "quorum"),
        ("quorum", 1, "quorum"),
        ("quorum", 4, "quorum"),
        ("deadlines.commit", 1_060, "deadlines"),
        ("deadlines.aggregate", 1_120, "deadlines"),
        ("deadlines.finalize", 0, "deadlines"),
        ("algorithm.name", "fedprox", "algorithm"),
        ("algorithm.training.epochs", 0, "epochs"),
        ("algorithm.training.batch_size", 0, "batch_size"),
        ("privacy.noise", "gaussian", "noise"),
        ("privacy.clip_norm", 2.5, "clip_norm"),
        ("layout.parameters", 0, "parameters"),
        ("layout.metrics", ["loss", "loss"], "metrics"),
        ("layout.metrics", ["two words"], "metrics"),
        ("layout.slots.value_bits", 1, "value_bits"),
        ("layout.slots.value_bits", 33, "value_bits"),
        ("layout.slots.weight_bits", 33, "weight_bits"),
        ("layout.slots.max_participants", 0, "max_participants"),
        ("layout.slots.max_participants", 2, "overflow"),
        ("layout.slots.noise_bits", 33, "noise_bits"),
        ("layout.slots.guard_bits", 0, "guard_bits"),
        ("layout.slots.noise_bits", 32, "a slot is too wide"),
    ],
)
def test_values_that_no_round_may_have_are_refused(path: str, wrong: object, named: str) -> None:
    with pytest.raises(REFUSALS) as error:
        RoundSpec.from_bytes(changed(tuple(path.split(".")), wrong))
    assert named in error.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def refused_or_exact(data: bytes) -> None:
    """Nothing is read leniently: what parses is byte for byte what it would be written as."""
    try:
        spec = RoundSpec.from_bytes(data)
    except REFUSALS:
        return
    assert spec.to_bytes() == data


@given(st.sampled_from(PATHS), json_values.filter(lambda v: not (isinstance(v, float) and math.isinf(v))))
def test_any_json_in_any_field_is_refused_or_taken_exactly(path: Path, value: Any) -> None:
    try:
        data = changed(path, value)
    except EncodingError:
        return  # infinities and integers beyond 2^53 have no canonical form
    refused_or_exact(data)


@given(st.integers(0, len(make_spec().to_bytes()) - 1), st.integers(0, 255), st.sampled_from(["put", "insert", "cut"]))
def test_any_altered_byte_is_refused_or_taken_exactly(index: int, byte: int, how: str) -> None:
    data = make_spec().to_bytes()
    new = b"" if how == "cut" else bytes([byte])
    refused_or_exact(data[:index] + new + data[index + (how != "insert") :])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b" " + make_spec().to_bytes(),
        make_spec().to_bytes() + b"\n",
        make_spec().to_bytes()[:-1],
        make_spec().to_bytes().replace(b",", b", "),
        b"[" * 100_000,
    ],
    ids=["empty", "no fields", "array", "null", "not UTF-8", "space", "newline", "truncated", "spaces", "deep"],
)
def test_what_is_not_a_canonical_object_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingError, match="round spec"):
        RoundSpec.from_bytes(data)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_constructors_refuse_numbers_that_are_not_finite_and_positive(value: float) -> None:
    with pytest.raises(SpecError, match="clip_norm"):
        Privacy(value)
    with pytest.raises(SpecError, match="server_learning_rate"):
        replace(make_spec().algorithm, server_learning_rate=value)
    with pytest.raises(SpecError, match=r"training\.learning_rate"):
        replace(make_spec().algorithm.training, learning_rate=value)
    with pytest.raises(SpecError, match="value_range"):
        replace(make_spec().layout, value_range=value)
    with pytest.raises(SpecError, match="metric_range"):
        replace(make_spec().layout, metric_range=value)


@pytest.mark.parametrize("seed", [-1, 2**53])
def test_seeds_that_json_cannot_say_exactly_are_refused(seed: int) -> None:
    with pytest.raises(SpecError, match="seed"):
        replace(make_spec().algorithm.training, seed=seed)


# against the chain


def opening(spec: RoundSpec) -> RoundOpened:
    """Return the event with which the round of ``spec`` was opened."""
    event = chain_events.opened(spec.round, quorum=spec.quorum, deadlines=spec.deadlines)
    return replace(event, spec_hash=spec.digest, base_model_hash=spec.base_model)


def verify(
    spec: RoundSpec, opened: RoundOpened | None = None, federation: FederationId = FEDERATION, **given: object
) -> None:
    arguments: dict[str, object] = {
        "key_id": spec.key_id,
        "key_bits": public_key().bits,
        "payout_rule": PayoutRule.EQUAL,
        **given,
    }
    verify_spec(spec, opened or opening(spec), federation, **arguments)  # type: ignore[arg-type]


def test_the_spec_on_chain_is_accepted() -> None:
    verify(make_spec())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"spec_hash": bytes(32)}, "spec hash"),
        ({"round": 4}, "round"),
        ({"base_model_hash": bytes(32)}, "base model"),
        ({"quorum": 3}, "quorum"),
        ({"deadlines": Deadlines(1_000, 1_060, 1_121)}, "deadlines"),
        ({"ciphertexts": 3}, "number of ciphertexts"),
        ({"selected": 0b1111}, "number of participants"),
    ],
)
def test_a_spec_that_differs_from_the_chain_is_refused_by_field(changes: dict[str, object], named: str) -> None:
    with pytest.raises(SpecError) as error:
        verify(make_spec(), replace(opening(make_spec()), **changes))  # type: ignore[arg-type]
    assert f"the spec's {named} is not" in error.value.message
    assert error.value.expected != error.value.got


def test_a_spec_of_another_federation_or_key_is_refused() -> None:
    spec = make_spec()
    for other in (replace(FEDERATION, chain_id=1), replace(FEDERATION, contract=account("eve"))):
        with pytest.raises(SpecError, match="federation"):
            verify(spec, federation=other)
    with pytest.raises(SpecError, match="key id"):
        verify(spec, key_id=bytes(32))
    with pytest.raises(SpecError, match="number of ciphertexts"):
        verify(spec, key_bits=1024)


def test_a_spec_that_promises_another_payout_rule_is_refused() -> None:
    with pytest.raises(SpecError, match="payout rule") as error:
        verify(make_spec(), payout_rule=PayoutRule.RELIABILITY)
    assert (error.value.expected, error.value.got) == ("reliability", "equal")
    data = make_spec().to_bytes().replace(b'"payout_rule":"equal"', b'"payout_rule":"whoever asks"')
    with pytest.raises(SpecError, match="unknown payout rule"):
        RoundSpec.from_bytes(data)


def test_every_field_of_the_spec_is_under_the_hash_on_chain() -> None:
    """Whatever an aggregator changes after opening, the hash tells."""
    spec = make_spec()
    opened = opening(spec)
    others: dict[str, object] = {
        "federation": replace(FEDERATION, chain_id=1),
        "round": 4,
        "base_model": bytes(32),
        "algorithm": replace(spec.algorithm, server_learning_rate=0.5),
        "task": TaskReference("a.task:Class", bytes(32)),
        "layout": replace(spec.layout, metric_range=17.0),
        "key_id": bytes(32),
        "privacy": Privacy(1.0),
        "payout_rule": PayoutRule.RELIABILITY,
        "beacon": replace(spec.beacon, block=19),
        "participants": (*spec.participants[:2], Address(account("eve"))),
        "quorum": 3,
        "deadlines": Deadlines(1_000, 1_060, 1_121),
    }
    assert set(others) == {f.name for f in fields(RoundSpec)}
    for name, value in others.items():
        with pytest.raises(SpecError, match="spec hash"):
            verify(replace(spec, **{name: value}), opened)  # type: ignore[arg-type]
