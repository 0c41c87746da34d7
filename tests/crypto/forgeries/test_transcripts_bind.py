"""Every value of every transcript counts: the written list of what is absorbed, and each item changed in turn.

The items are taken from the running verifiers, so one that is added to a proof is changed here too without being
named; the written list below then fails until it names it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import fedtrust
from fedtrust.crypto import manifest as manifest_module
from fedtrust.crypto import paillier
from fedtrust.crypto.decryption_proof import COEFFICIENT_BITS, COMBINATIONS, prove_decryption, verify_decryption
from fedtrust.crypto.key_proof import KEY_PROOF_ROOTS, verify_key_proof
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import PublicKey, encrypt_vector
from fedtrust.crypto.partial_proof import prove_partial, verify_partial
from fedtrust.crypto.plaintext_proof import prove_plaintext_knowledge, verify_plaintext_knowledge
from fedtrust.crypto.statements import DecryptionStatement, UpdateStatement
from fedtrust.crypto.threshold import combine, partial_roots
from fedtrust.errors import FedtrustError, ProofError
from tests.crypto.crypto_fixtures import Committee
from tests.crypto.forgeries.recorded import Item, Recording, recording
from tests.crypto.weakened import forgetting

CONTRACT = "0x" + "c0" * 20
COUNT = 2

UPDATE = UpdateStatement(31337, CONTRACT, 3, bytes([7]) * 32, "0x" + "a1" * 20)

# The list: what each protocol absorbs, in order, and what it is asked.
ABSORBED: dict[str, list[str]] = {
    "Damgard-Jurik-Nielsen generator": ["int n", "? x"],
    "Shoup verification base": ["int n", "? x"],
    "key proof": ["int n", "? rho"],
    "proof of plaintext knowledge": [
        "int n",
        "int h",
        "int chain id",
        "bytes contract",
        "int round",
        "bytes spec hash",
        "bytes participant",
        "ints ciphertexts",
        "int mask",
        "? r",
    ],
    "proof of decryption": [
        "int n",
        "int h",
        "int chain id",
        "bytes contract",
        "int round",
        "bytes spec hash",
        "bytes aggregate root",
        "ints ciphertexts",
        "ints plaintexts",
        *(f"? r{k}" for k in range(COMBINATIONS)),
    ],
    "proof of a partial decryption": [
        "int n",
        "bytes key id",
        "int v",
        "int trustee",
        "bytes account",
        "int verification key",
        "int chain id",
        "bytes contract",
        "int round",
        "bytes spec hash",
        "bytes aggregate root",
        "ints ciphertexts",
        "ints partials",
        "? r",
        "int a",
        "int b",
        "? challenge",
    ],
}


@dataclass(frozen=True)
class Case:
    """An honest proof: ``verify`` raises if it does not hold; ``values`` are what must be absorbed, by label."""

    verify: Callable[[], object]
    values: Mapping[str, object]
    asked: Mapping[str, tuple[int, int]]


@pytest.fixture(scope="module")
def cases(committee: Committee, key: PublicKey) -> dict[str, Case]:
    manifest = committee.manifest
    encrypted = encrypt_vector(key, [3, 4])
    vector = encrypted.ciphertexts
    knowledge = prove_plaintext_knowledge(key, encrypted, [3, 4], UPDATE)
    partials = {i: partial_roots(manifest, committee.shares[i], vector) for i in (1, 2, 3)}
    opened = combine(manifest, vector, partials)
    about = DecryptionStatement(31337, CONTRACT, 3, bytes([7]) * 32, vector.root())
    decryption = prove_decryption(key, vector, opened, about)
    partial_proof = prove_partial(manifest, committee.shares[2], vector, partials[2], about)
    modulus: dict[str, object] = {"n": key.n}
    contract = bytes.fromhex(CONTRACT[2:])
    where: dict[str, object] = {"chain id": 31337, "contract": contract, "round": 3, "spec hash": bytes([7]) * 32}

    def read() -> None:
        with patch.object(manifest_module, "_verified", set()):
            KeyManifest.from_bytes(manifest.to_bytes())

    return {
        "Damgard-Jurik-Nielsen generator": Case(read, modulus, {"x": (1, int(key.n))}),
        "Shoup verification base": Case(read, modulus, {"x": (1, int(key.n))}),
        "key proof": Case(
            lambda: verify_key_proof(key.n, manifest.key_proof), modulus, {"rho": (KEY_PROOF_ROOTS, int(key.n))}
        ),
        "proof of plaintext knowledge": Case(
            lambda: verify_plaintext_knowledge(key, vector, UPDATE, knowledge),
            {
                **modulus,
                "h": key.h,
                **where,
                "participant": bytes.fromhex("a1" * 20),
                "ciphertexts": vector.values,
                "mask": knowledge.mask,
            },
            {"r": (COUNT, 128)},
        ),
        "proof of decryption": Case(
            lambda: verify_decryption(key, vector, opened.plaintexts, about, decryption),
            {
                **modulus,
                "h": key.h,
                **where,
                "aggregate root": vector.root(),
                "ciphertexts": vector.values,
                "plaintexts": (3, 4),
            },
            {f"r{k}": (COUNT, COEFFICIENT_BITS) for k in range(COMBINATIONS)},
        ),
        "proof of a partial decryption": Case(
            lambda: verify_partial(manifest, vector, partials[2], about, partial_proof),
            {
                **modulus,
                "key id": manifest.key_id,
                "v": manifest.v,
                "trustee": 2,
                "account": bytes.fromhex(manifest.trustee(2).account[2:]),
                "verification key": manifest.trustee(2).verification,
                **where,
                "aggregate root": vector.root(),
                "ciphertexts": vector.values,
                "partials": partials[2].values,
            },
            {"r": (COUNT, 128), "challenge": (1, 128)},
        ),
    }


@contextmanager
def fresh() -> Iterator[None]:
    """Forget the generators that were computed: they come from transcripts too."""
    paillier._generators.cache_clear()
    try:
        yield
    finally:
        paillier._generators.cache_clear()


def recorded(case: Case, protocol: str) -> Recording:
    """Return what ``protocol`` absorbed while the proof was verified; the same each time if more than once."""
    with fresh(), recording() as recordings:
        case.verify()
    found = [each for each in recordings if each.protocol == protocol]
    assert found
    assert all(each == found[0] for each in found)
    return found[0]


def test_every_protocol_of_the_package_is_on_the_list(cases: dict[str, Case]) -> None:
    root = Path(fedtrust.__file__).parent
    labels: list[str] = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Transcript":
                assert isinstance(node.args[0], ast.Constant), f"{path}: a transcript's label is written out"
                labels.append(str(node.args[0].value))
    assert sorted(labels) == sorted(ABSORBED), "each protocol has its own label, and is on the list"
    assert set(cases) == set(ABSORBED)


@pytest.mark.parametrize("protocol", sorted(ABSORBED))
def test_what_is_absorbed_is_the_written_list(cases: dict[str, Case], protocol: str) -> None:
    """Kinds, labels and order; the values themselves; and how many challenges of which size are asked for."""
    case = cases[protocol]
    order: list[str] = []

    def note(label: str, items: list[Item]) -> list[Item]:
        if label == protocol:
            order.extend(f"{item.kind} {item.label}" for item in items)
            order.append("?")
        return items

    with fresh(), recording(note) as recordings:
        case.verify()
    record = next(each for each in recordings if each.protocol == protocol)
    asked = iter(record.asked)
    named = [f"? {next(asked)[1]}" if each == "?" else each for each in order[: len(ABSORBED[protocol])]]
    assert named == ABSORBED[protocol]
    for item in record.items:
        if item.label in case.values:
            assert item.value == case.values[item.label], item.label
    # what is not listed is computed on the way: the commitments of a sigma protocol
    assert {item.label for item in record.items} - set(case.values) <= {"a", "b"}
    assert {label: (count, int(bits)) for _, label, count, bits in record.asked} == case.asked


def altered(item: Item) -> Iterator[tuple[str, list[Item]]]:
    """Yield other items in place of ``item``, each with a name for the failure."""
    yield "left out", []
    yield "twice", [item, item]
    yield "another label", [replace(item, label=item.label + "'")]
    value: Any = item.value
    if item.kind == "bytes":
        yield "first bit", [replace(item, value=bytes([value[0] ^ 0x80]) + value[1:])]
        yield "last bit", [replace(item, value=value[:-1] + bytes([value[-1] ^ 1]))]
        yield "shorter", [replace(item, value=value[:-1])]
        yield "longer", [replace(item, value=value + b"\x00")]
        yield "as a number", [Item("int", item.label, int.from_bytes(value, "big"))]
    elif item.kind == "int":
        yield "one more", [replace(item, value=value + 1)]
        yield "another top bit", [replace(item, value=value | 1 << int(value).bit_length() + 1)]
        yield "zero", [replace(item, value=0)]
        yield "as a vector", [Item("ints", item.label, (value,), (int(value).bit_length() + 7) // 8)]
    else:
        for j in range(len(value)):
            yield f"entry {j}", [replace(item, value=(*value[:j], value[j] ^ 1, *value[j + 1 :]))]
            yield f"entry {j} zero", [replace(item, value=(*value[:j], 0, *value[j + 1 :]))]
        yield "swapped", [replace(item, value=value[::-1])]
        yield "shorter", [replace(item, value=value[:-1])]
        yield "longer", [replace(item, value=(*value, value[0]))]
        yield "wider", [replace(item, width=item.width + 1)]
        yield "in two", [replace(item, value=value[:1]), replace(item, value=value[1:])]


@pytest.mark.parametrize("protocol", sorted(ABSORBED))
def test_each_absorbed_value_changed_in_turn(cases: dict[str, Case], protocol: str) -> None:
    case = cases[protocol]
    for item in recorded(case, protocol).items:
        for how, items in altered(item):
            require_refused(case, protocol, item, how, items)


def require_refused(case: Case, protocol: str, item: Item, how: str, instead: list[Item]) -> None:
    """Fail unless the proof is refused when the verifier absorbs ``instead`` in place of ``item``."""
    hit: list[Item] = []

    def change(label: str, items: list[Item]) -> list[Item]:
        if label != protocol:
            return items
        result: list[Item] = []
        for each in items:
            # commitments are computed anew in each run, so items are told by label, of which there is one each
            if each.label == item.label:
                hit.append(each)
                result += instead
            else:
                result.append(each)
        return result

    with fresh(), recording(change):
        try:
            case.verify()
        except ProofError:
            assert hit
            return
    pytest.fail(f"{protocol}: {item.kind} {item.label} is not bound: {how}")


@pytest.mark.parametrize("label", ["round", "participant", "ciphertexts", "mask"])
def test_an_item_that_is_not_bound_is_found_out(key: PublicKey, label: str) -> None:
    """The tests above bite: with a transcript that forgets one label they say which."""
    protocol = "proof of plaintext knowledge"
    with forgetting(label):
        encrypted = encrypt_vector(key, [3, 4])
        proof = prove_plaintext_knowledge(key, encrypted, [3, 4], UPDATE)
        case = Case(lambda: verify_plaintext_knowledge(key, encrypted.ciphertexts, UPDATE, proof), {}, {})
        item = next(each for each in recorded(case, protocol).items if each.label == label)
        for how, items in altered(item):
            if {each.label for each in items} <= {label}:
                with pytest.raises(pytest.fail.Exception, match=f"{label} is not bound"):
                    require_refused(case, protocol, item, how, items)


@pytest.mark.parametrize("protocol", sorted(name for name in ABSORBED if len(ABSORBED[name]) > 2))
def test_the_order_of_absorbed_values_counts(cases: dict[str, Case], protocol: str) -> None:
    case = cases[protocol]
    count = len(recorded(case, protocol).items)
    swaps = 0
    for at in range(count - 1):

        def change(label: str, items: list[Item], at: int = at) -> list[Item]:
            nonlocal swaps
            if label == protocol and at + 1 < len(items):
                items[at], items[at + 1] = items[at + 1], items[at]
                swaps += 1
            return items

        before = swaps
        with fresh(), recording(change):
            try:
                case.verify()
            except ProofError:
                continue
        assert swaps == before, f"{protocol}: the order of items {at} and {at + 1} is not bound"
    assert swaps >= count - 3


@pytest.mark.parametrize("name", [each.name for each in fields(UpdateStatement)])
def test_every_field_of_an_update_statement_is_bound(key: PublicKey, name: str) -> None:
    encrypted = encrypt_vector(key, [3, 4])
    proof = prove_plaintext_knowledge(key, encrypted, [3, 4], UPDATE)
    verify_plaintext_knowledge(key, encrypted.ciphertexts, UPDATE, proof)
    with pytest.raises(FedtrustError):
        verify_plaintext_knowledge(key, encrypted.ciphertexts, other_field(UPDATE, name), proof)


@pytest.mark.parametrize("name", [each.name for each in fields(DecryptionStatement)])
def test_every_field_of_a_decryption_statement_is_bound(committee: Committee, key: PublicKey, name: str) -> None:
    vector = encrypt_vector(key, [3, 4]).ciphertexts
    partials = {i: partial_roots(committee.manifest, committee.shares[i], vector) for i in (1, 2, 3)}
    opened = combine(committee.manifest, vector, partials)
    about = DecryptionStatement(31337, CONTRACT, 3, bytes([7]) * 32, vector.root())
    proof = prove_decryption(key, vector, opened, about)
    verify_decryption(key, vector, opened.plaintexts, about, proof)
    partial_proof = prove_partial(committee.manifest, committee.shares[1], vector, partials[1], about)
    verify_partial(committee.manifest, vector, partials[1], about, partial_proof)
    with pytest.raises(FedtrustError):
        verify_decryption(key, vector, opened.plaintexts, other_field(about, name), proof)
    with pytest.raises(FedtrustError):
        verify_partial(committee.manifest, vector, partials[1], other_field(about, name), partial_proof)


def other_field(statement: Any, name: str) -> Any:
    """Return the statement with another value in one field."""
    value = getattr(statement, name)
    match value:
        case int():
            changed: object = value + 1
        case bytes():
            changed = bytes([value[0] ^ 1]) + value[1:]
        case _:
            changed = value[:-1] + ("0" if value[-1] != "0" else "1")
    return replace(statement, **{name: changed})
