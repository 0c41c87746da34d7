"""The records a round leaves (result, payouts), strict reading of JSON fields, and what applies a sum to a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrust.crypto.encoding import canonical_json, keccak256, sha256, to_hex
from fedtrust.crypto.packing import pack
from fedtrust.errors import CiphertextError, EncodingError, FedtrustError, ModelError, UpdateError
from fedtrust.ledger.configuration import DeploymentConfig
from fedtrust.ledger.events import LedgerEvent
from fedtrust.ledger.types import FederationConfig, PayoutRule, Role
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.payment import payout_record
from fedtrust.protocol.reputation import ReputationHistory
from fedtrust.protocol.result import RoundResult, apply_sum, decryption_statement
from fedtrust.rules.model import Model
from tests.protocol import chain_events as ev
from tests.protocol.protocol_fixtures import (
    FEDERATION,
    LAYOUT,
    NAMES,
    SELECTED,
    account,
    honest_round,
    make_spec,
    make_state,
    public_key,
    vector_of,
)

ANN, BOB = account("ann"), account("bob")
BASE = Model({"weight": np.linspace(-1, 1, LAYOUT.parameters, dtype=np.float32)})
RESULT = RoundResult(
    federation=FEDERATION,
    round=3,
    spec=sha256(b"spec"),
    base_model=sha256(b"base"),
    updates={ANN: sha256(b"ann"), BOB: sha256(b"bob")},
    aggregate=sha256(b"aggregate"),
    partials={account("trustee-0"): sha256(b"partial")},
    wrong_partials={account("trustee-1"): sha256(b"wrong partial")},
    plaintexts=sha256(b"plaintexts"),
    proof=sha256(b"proof"),
    model=sha256(b"model"),
    examples=30,
    evaluation_examples=12,
    metrics={"loss": 0.5, "accuracy": 1.0},
)
JSON = json.loads(RESULT.to_bytes())


# the result record


def test_a_result_survives_its_canonical_bytes() -> None:
    again = RoundResult.from_bytes(RESULT.to_bytes())
    assert again == RESULT
    assert again.digest == sha256(RESULT.to_bytes())


@pytest.mark.parametrize("name", sorted(JSON))
def test_every_field_of_a_result_is_read_strictly_and_refused_by_name(name: str) -> None:
    with pytest.raises(EncodingError, match=name):
        RoundResult.from_bytes(canonical_json({k: v for k, v in JSON.items() if k != name}))
    for wrong in (None, True, "", -1, 1.5, [], [1]):
        with pytest.raises(EncodingError, match=name):
            RoundResult.from_bytes(canonical_json({**JSON, name: wrong}))
    with pytest.raises(EncodingError, match="unknown"):
        RoundResult.from_bytes(canonical_json({**JSON, name + "x": JSON[name]}))


@pytest.mark.parametrize(
    ("path", "wrong", "named"),
    [
        (("round",), 0, "round"),
        (("version",), 2, "version"),
        (("examples",), 0, "examples"),
        (("updates",), {ANN.lower(): to_hex(bytes(32))}, "updates"),
        (("updates",), {ANN: to_hex(bytes(31))}, ANN),
        (("updates",), {ANN: 1}, ANN),
        (("partials",), {"": to_hex(bytes(32))}, "partials"),
        (("wrong_partials",), {ANN: to_hex(bytes(33))}, ANN),
        (("wrong_partials",), {ANN.lower(): to_hex(bytes(32))}, "wrong_partials"),
        (("metrics",), {"loss": "0.5"}, "metrics"),
        (("metrics",), {"loss": True}, "metrics"),
        (("metrics",), {"loss": None}, "metrics"),
        (("federation", "chain_id"), 0, "chain_id"),
        (("federation", "surprise"), 1, "unknown"),
    ],
)
def test_results_that_no_round_can_have_are_refused(path: tuple[str, ...], wrong: object, named: str) -> None:
    value = deepcopy(JSON)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = wrong
    with pytest.raises(EncodingError, match=named):
        RoundResult.from_bytes(canonical_json(value))


@given(
    st.sampled_from(sorted(JSON)),
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
        lambda c: st.lists(c, max_size=2) | st.dictionaries(st.text(max_size=3), c, max_size=2),
    ),
)
def test_any_json_in_a_result_is_refused_or_taken_exactly(name: str, value: Any) -> None:
    data = canonical_json({**JSON, name: value})
    try:
        result = RoundResult.from_bytes(data)
    except EncodingError:
        return
    assert result.to_bytes() == data


# payouts

RULES = DeploymentConfig(challenge_window=0, round_reward=1_000_003)
CONFIG = FederationConfig(
    chain_id=FEDERATION.chain_id,
    contract=FEDERATION.contract,
    version=2,
    owner=account("operator"),
    deployed_block=1,
    disputes=account("disputes"),
    **{f.name: getattr(RULES, f.name) for f in fields(RULES)},
)
TRUSTEE_NAMES = tuple(f"trustee-{i}" for i in range(3))
REGISTERED = (
    *(ev.registered(account(n), i) for i, n in enumerate(NAMES)),
    *(ev.registered(account(n), i, role=Role.TRUSTEE) for i, n in enumerate(TRUSTEE_NAMES)),
    ev.registered(account("aggregator"), 0, role=Role.AGGREGATOR),
)


def settled(accepted: int, attested: int, round: int = 3) -> tuple[LedgerEvent, ...]:
    """Return the events of a settled round in which all four were selected and committed."""
    return (
        ev.opened(round, selected=0b1111, aggregator=account("aggregator")),
        *(ev.committed(account(n), round) for n in NAMES),
        ev.closed(round),
        replace(ev.aggregated(round), accepted=accepted),
        *(ev.attested(account(n), round) for i, n in enumerate(TRUSTEE_NAMES) if attested >> i & 1),
        ev.finalized(round),
        ev.settled(round),
    )


def record_of(rule: PayoutRule, accepted: int, attested: int, reward: int, before: Sequence[LedgerEvent] = ()) -> Any:
    state = make_state(make_spec(), accepted=accepted, attested=attested, reward=reward)
    events = (*REGISTERED, *before, *settled(accepted, attested))
    return payout_record(replace(CONFIG, payout_rule=rule), state, ReputationHistory(events))


def test_payouts_are_in_the_order_of_credits_and_add_up_to_the_wei() -> None:
    record = record_of(PayoutRule.EQUAL, 0b101, 0b110, 1_000_003)
    assert [(p.account, p.amount) for p in record.payouts] == [
        (account("ann"), 350_001),
        (account("cid"), 350_001),
        (account("trustee-1"), 100_000),
        (account("trustee-2"), 100_000),
        (account("aggregator"), 100_000),
    ]
    assert record.returned == 1
    assert record.returned + sum(p.amount for p in record.payouts) == 1_000_003
    written = json.loads(record.to_bytes())
    assert written["payouts"][0] == {"account": account("ann"), "amount": "350001", "role": "participant"}
    assert (written["reward"], written["returned"], written["round"]) == ("1000003", "1", 3)
    assert (written["rule"], written["version"]) == ("equal", 2)
    assert record.digest == sha256(canonical_json(written))


def test_who_was_late_before_earns_less_where_reliability_counts() -> None:
    """Ann was accepted in two rounds, Cid late in both: 1000 against 333 thousandths."""
    before = (*settled(0b1011, 0b111, 1), *settled(0b1011, 0b111, 2))
    record = record_of(PayoutRule.RELIABILITY, 0b101, 0b110, 1_000_000, before)
    paid = {p.account: p.amount for p in record.payouts}
    assert (paid[account("ann")], paid[account("cid")]) == (700_000 * 1000 // 1333, 700_000 * 333 // 1333)
    counters = {e["account"]: e["counters"] for e in json.loads(record.to_bytes())["earners"]}
    assert counters[account("cid")] == {"accepted": 0, "attested": 0, "late": 2, "missed": 0}


@given(st.sampled_from(PayoutRule), st.integers(0, 10**24), st.integers(1, 0b1111), st.integers(1, 0b111))
def test_payouts_never_exceed_the_reward_whoever_took_part(
    rule: PayoutRule, reward: int, accepted: int, attested: int
) -> None:
    record = record_of(rule, accepted, attested, reward)
    assert 0 <= record.returned <= reward
    paid = {p.account for p in record.payouts}
    assert paid <= {e.account for e in REGISTERED}
    assert all((account(n) in paid) <= bool(accepted >> i & 1) for i, n in enumerate(NAMES))


# from the opened sum to the model


def plaintexts() -> list[int]:
    total = np.sum([vector_of(n) for n in SELECTED], axis=0)
    return pack(LAYOUT.slots, 2048, public_key().n, total)


def test_the_opened_sum_gives_the_weighted_mean_model() -> None:
    spec = make_spec(base_model=BASE.digest)
    model, opened = apply_sum(spec, public_key(), BASE, plaintexts(), 3)
    weights = np.array([10.0 + NAMES.index(n) for n in SELECTED])
    deltas = [np.random.default_rng(NAMES.index(n)).uniform(-0.1, 0.1, LAYOUT.parameters) for n in SELECTED]
    expected = BASE.to_vector() + np.average(deltas, axis=0, weights=weights)
    assert np.abs(model.to_vector() - expected).max() < 2.0 / 32767
    assert (opened.examples, opened.evaluation_examples) == (33, 12)
    again, _ = apply_sum(spec, public_key(), BASE, plaintexts(), 3)
    assert again.digest == model.digest


def test_a_base_model_that_is_not_the_specs_is_refused() -> None:
    with pytest.raises(ModelError, match="wrong base model"):
        apply_sum(make_spec(), public_key(), BASE, plaintexts(), 3)


def _out_of_range(values: list[int], n: int) -> list[int]:
    return [values[0], n]


UNUSABLE: dict[str, Callable[[list[int], int], list[int]]] = {
    "beyond n": _out_of_range,
    "negative": lambda values, n: [-1, values[1]],
    "one missing": lambda values, n: values[:1],
    "one more": lambda values, n: [*values, 0],
    "top bits": lambda values, n: [values[0] + (n >> 2), values[1]],
    "guard bits": lambda values, n: [values[0] + (1 << 31 * 20 + 29), values[1]],
    "unused slot": lambda values, n: [values[0], values[1] + (1 << 31 * 40)],
    "nobody's weight": lambda values, n: [values[0] - 33, values[1]],
    "too much weight": lambda values, n: [values[0] + 3 * 1023, values[1]],
}


@pytest.mark.parametrize("how", sorted(UNUSABLE))
def test_a_sum_outside_the_layout_is_refused_by_type(how: str) -> None:
    spec = make_spec(base_model=BASE.digest)
    with pytest.raises((CiphertextError, UpdateError)):
        apply_sum(spec, public_key(), BASE, UNUSABLE[how](plaintexts(), public_key().n), 3)


def test_the_decryption_statement_names_the_round_and_its_aggregate() -> None:
    shown = honest_round()
    vector = shown.updates[ANN].ciphertexts
    statement = decryption_statement(shown.spec, vector)
    assert (statement.chain_id, statement.contract) == (FEDERATION.chain_id, FEDERATION.contract)
    assert (statement.round, statement.spec_hash) == (3, shown.spec.digest)
    assert statement.aggregate_root == vector.root()
    assert statement != decryption_statement(replace(shown.spec, round=4), vector)


# fields


def fields(**values: object) -> Fields:
    return Fields(values, "thing")


def test_fields_say_what_is_wrong_with_what() -> None:
    for made in (
        lambda: fields().integer("n"),
        lambda: fields(n="1").integer("n"),
        lambda: fields(n=True).integer("n"),
    ):
        with pytest.raises(EncodingError, match=r"thing.*n"):
            made()
    with pytest.raises(EncodingError, match="not an object"):
        Fields([], "thing")
    with pytest.raises(EncodingError, match=r"thing\.n is out of range"):
        fields(n=11).integer("n", 0, 10)
    read = fields(n=10, rest=1)
    assert read.integer("n", 0, 10) == 10
    with pytest.raises(EncodingError, match="unknown fields") as error:
        read.end()
    assert error.value.got == "['rest']"


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1.0", " 1", "1_000", "²", "١", "0x1", "1e3"])
def test_amounts_have_one_spelling(text: str) -> None:
    with pytest.raises(EncodingError, match="canonical decimal"):
        fields(amount=text).amount("amount")


@given(st.integers(0, 10**60))
def test_amounts_are_exact_at_any_size(amount: int) -> None:
    assert fields(amount=str(amount)).amount("amount") == amount


def test_a_field_is_read_once_and_nested_objects_name_their_path() -> None:
    read = fields(inner={"hash": to_hex(keccak256(b""))})
    inner = read.object("inner")
    assert inner.hash("hash") == keccak256(b"")
    for failing in (lambda: inner.hash("hash"), lambda: read.object("inner")):
        with pytest.raises(EncodingError, match="has no field"):
            failing()
    with pytest.raises(EncodingError, match=r"thing\.inner\.hash"):
        fields(inner={"hash": "0x"}).object("inner").hash("hash")


@given(st.text(max_size=50))
def test_no_text_is_taken_for_an_address_by_accident(text: str) -> None:
    with pytest.raises(FedtrustError, match="checksummed"):
        fields(who=text).address("who")
