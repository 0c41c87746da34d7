"""The proof of a partial decryption: honest ones hold, forged ones name their trustee, and each check is needed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fedtrust.crypto import partial_proof
from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.encoding import canonical_json, from_hex, to_hex
from fedtrust.crypto.manifest import KeyManifest, TrusteeKey
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, encrypt_vector
from fedtrust.crypto.partial_proof import (
    PartialProof,
    WrongPartialError,
    prove_partial,
    verify_partial,
    verify_partial_by_others,
)
from fedtrust.crypto.statements import DecryptionStatement
from fedtrust.crypto.threshold import KeyShare, PartialVector, combine, partial_roots
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import CiphertextError, EncodingError, ProofError
from tests.crypto.crypto_fixtures import CONTRACT, COUNT, Committee, Round, load_vectors
from tests.crypto.forgeries.attacks import group_exponent, require_caught_by_one_check
from tests.crypto.weakened import forgetting, one_coefficient_for_all, without_call, without_check
from tests.fixtures.keys import test_primes

Removed = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def proofs(committee: Committee, round_: Round) -> dict[int, PartialProof]:
    return {i: prove(committee, round_, round_.partials[i]) for i in committee.shares}


def prove(committee: Committee, round_: Round, made: PartialVector, share: KeyShare | None = None) -> PartialProof:
    own = committee.shares[made.index] if share is None else share
    return prove_partial(committee.manifest, own, round_.aggregate, made, round_.decryption)


def check(committee: Committee, round_: Round, made: PartialVector, proof: PartialProof, **changes: Any) -> None:
    verify_partial(
        changes.get("manifest", committee.manifest),
        changes.get("ciphertexts", round_.aggregate),
        made,
        changes.get("statement", round_.decryption),
        proof,
    )


def with_values(made: PartialVector, values: dict[int, mpz]) -> PartialVector:
    return replace(made, values=tuple(values.get(j, x) for j, x in enumerate(made.values)))


# what holds


def test_the_proof_of_every_trustee_holds(committee: Committee, round_: Round, proofs: dict[int, PartialProof]) -> None:
    for index, proof in proofs.items():
        check(committee, round_, round_.partials[index], proof)


def test_textbook_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by plain integers, each power by itself: our verifier takes them, our prover gives the same numbers."""
    vector = load_vectors("partial_proof")
    raw = vector["manifest"]
    key = PublicKey(mpz(int(raw["n"], 16)))
    trustees = tuple(
        TrusteeKey(t["index"], t["account"], bytes.fromhex(t["sealing_key"][2:]), mpz(int(t["verification"], 16)))
        for t in raw["trustees"]
    )
    manifest = KeyManifest(key, mpz(int(raw["v"], 16)), raw["threshold"], trustees, ())
    assert manifest.to_bytes() == canonical_json(raw)
    assert to_hex(manifest.key_id) == vector["key_id"]
    ciphertexts = CiphertextVector(key, tuple(mpz(int(c, 16)) for c in vector["ciphertexts"]))
    fields = vector["statement"]
    statement = DecryptionStatement(
        fields["chain_id"],
        fields["contract"],
        fields["round"],
        from_hex(fields["spec_hash"], 32, "spec hash"),
        from_hex(fields["aggregate_root"], 32, "aggregate root"),
    )
    assert len(vector["trustees"]) == 3
    for each in vector["trustees"]:
        share = KeyShare(each["index"], mpz(int(each["share"], 16)))
        made = partial_roots(manifest, share, ciphertexts)
        assert [hex(x) for x in made.values] == each["partials"]
        proof = PartialProof(key, mpz(int(each["challenge"], 16)), mpz(int(each["response"], 16)))
        verify_partial(manifest, ciphertexts, made, statement, proof)
        monkeypatch.setattr(partial_proof.secrets, "randbits", lambda bits, rho=each["rho"]: int(rho, 16))
        assert prove_partial(manifest, share, ciphertexts, made, statement) == proof
        monkeypatch.undo()


@cache
def small_committee(count: int, threshold: int) -> tuple[KeyManifest, tuple[KeyShare, ...]]:
    private = [X25519PrivateKey.generate() for _ in range(count)]
    identities = [TrusteeIdentity(f"0x{i:040x}", k.public_key().public_bytes_raw()) for i, k in enumerate(private, 1)]
    made = run_ceremony(identities, threshold, primes=test_primes(2048))
    shares = [open_share(made.manifest, i, made.sealed_shares[i - 1], k) for i, k in enumerate(private, 1)]
    return made.manifest, tuple(shares)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_committee_and_any_length(data: st.DataObject) -> None:
    """The proof of a right partial holds, that of a wrong one does not, and t right ones judge the others."""
    count = data.draw(st.integers(1, 6), "trustees")
    threshold = data.draw(st.integers(1, count), "threshold")
    manifest, shares = small_committee(count, threshold)
    plaintexts = data.draw(st.lists(st.integers(0, 2**1900), min_size=1, max_size=4), "plaintexts")
    ciphertexts = encrypt_vector(manifest.public_key, plaintexts).ciphertexts
    statement = DecryptionStatement(1, CONTRACT, data.draw(st.integers(0, 2**64 - 1)), bytes(32), ciphertexts.root())
    made = {s.index: partial_roots(manifest, s, ciphertexts) for s in shares}
    for share in shares:
        proof = prove_partial(manifest, share, ciphertexts, made[share.index], statement)
        verify_partial(manifest, ciphertexts, made[share.index], statement, proof)
    liar = data.draw(st.integers(1, count), "liar")
    at = data.draw(st.integers(0, len(plaintexts) - 1), "entry")
    error = data.draw(st.integers(2, 2**64), "error")
    false = with_values(made[liar], {at: made[liar].values[at] * error % manifest.public_key.n})
    proof = prove_partial(manifest, shares[liar - 1], ciphertexts, false, statement)
    with pytest.raises(WrongPartialError) as caught:
        verify_partial(manifest, ciphertexts, false, statement, proof)
    assert caught.value.index == liar
    others = {i: p for i, p in made.items() if i != liar}
    if len(others) >= threshold:
        verify_partial_by_others(manifest, made[liar], others)
        with pytest.raises(WrongPartialError, match=f"trustee {liar} "):
            verify_partial_by_others(manifest, false, others)


def test_the_error_names_index_and_account(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    for index, account in ((1, "0x" + "0" * 39 + "1"), (4, "0x" + "0" * 39 + "4")):
        false = with_values(round_.partials[index], {2: mpz(2)})
        with pytest.raises(WrongPartialError) as caught:
            check(committee, round_, false, proofs[index])
        assert (caught.value.index, caught.value.account) == (index, account)
        assert account in caught.value.message
        assert caught.value.advice


def test_proofs_of_one_partial_are_all_different(committee: Committee, round_: Round) -> None:
    """rho is fresh: two answers with one rho would give sigma by (z - z') / (c - c')."""
    made = [prove(committee, round_, round_.partials[1]) for _ in range(3)]
    assert len({p.challenge for p in made}) == len({p.response for p in made}) == 3
    with patch.object(partial_proof.secrets, "randbits", lambda bits: 5):
        one = prove(committee, round_, round_.partials[1])
        other = prove(committee, round_, with_values(round_.partials[1], {0: mpz(2)}))
    sigma = committee.manifest.delta * committee.shares[1].value
    assert (one.response - other.response) // (one.challenge - other.challenge) == sigma


def test_the_mask_hides_the_secret_statistically(committee: Committee, round_: Round) -> None:
    """z is longer by 128 bits than the longest c sigma there can be."""
    longest = (
        committee.manifest.public_key.bits
        + int(committee.manifest.delta).bit_length()
        + partial_proof.CHALLENGE_BITS
        + partial_proof.STATISTICAL_BITS
    )
    asked: list[int] = []

    def randbits(bits: int) -> int:
        asked.append(bits)
        return secrets.SystemRandom().getrandbits(bits)

    with patch.object(partial_proof.secrets, "randbits", randbits):
        prove(committee, round_, round_.partials[2])
    assert asked == [longest]


# the file


def test_the_file_round_trips_and_its_size_is_constant(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    sizes = set()
    for proof in proofs.values():
        data = proof.to_bytes()
        assert data[:5] == b"FTPP\x01"
        assert PartialProof.from_bytes(data, key) == proof
        sizes.add(len(data))
    one = CiphertextVector(key, round_.aggregate.values[:1])
    short = prove_partial(
        committee.manifest,
        committee.shares[1],
        one,
        PartialVector(key, 1, round_.partials[1].values[:1]),
        replace(round_.decryption, aggregate_root=one.root()),
    )
    assert sizes == {len(short.to_bytes())} == {5 + 16 + 256 + 47}


def test_damaged_files_are_refused(key: PublicKey, proofs: dict[int, PartialProof]) -> None:
    data = proofs[1].to_bytes()
    for bad in (b"", data[:-1], data + b"\0", b"FTPK" + data[4:], data[:4] + b"\x02" + data[5:], data[:5]):
        with pytest.raises(ProofError, match="not a partial proof"):
            PartialProof.from_bytes(bad, key)
    for challenge, response in ((-1, 0), (1 << 128, 0), (0, -1), (0, 1 << 8 * 303)):
        with pytest.raises(ProofError, match="out of range"):
            PartialProof(key, mpz(challenge), mpz(response))


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 5 + 16 + 256 + 47 - 1), bit=st.integers(0, 7))
def test_no_altered_file_verifies(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof], at: int, bit: int
) -> None:
    data = bytearray(proofs[3].to_bytes())
    data[at] ^= 1 << bit
    with pytest.raises(ProofError):
        check(committee, round_, round_.partials[3], PartialProof.from_bytes(bytes(data), key))


# wrong partials: the claim about X and Z


def false_partials(committee: Committee, round_: Round, primes: tuple[int, int]) -> dict[str, PartialVector]:
    """What trustee 2 might send in place of its partial; it proves each with its right share."""
    right, n = round_.partials[2], committee.manifest.public_key.n
    long_order = mpz(4)  # a square: its order is p'q', p' or q'
    half = gmpy2.powmod(long_order, (primes[0] - 1) // 2, n)  # of order q': only who knows the factors has it
    return {
        "one entry": with_values(right, {3: right.values[3] * 5 % n}),
        "one entry, an element of half the group": with_values(right, {0: right.values[0] * half % n}),
        "one entry is 1": with_values(right, {0: mpz(1)}),
        "one entry is -1": with_values(right, {0: n - 1}),
        "all are 1": with_values(right, dict.fromkeys(range(COUNT), mpz(1))),
        "a single update's": partial_roots(committee.manifest, committee.shares[2], round_.encrypted[0].ciphertexts),
        "the inverse": with_values(right, {j: gmpy2.invert(x, n) for j, x in enumerate(right.values)}),
        "the square": with_values(right, {j: x * x % n for j, x in enumerate(right.values)}),
        "another trustee's": replace(round_.partials[3], index=2),
        "random": with_values(right, {j: mpz(1 + secrets.randbelow(int(n) - 1)) for j in range(COUNT)}),
    }


FALSE = (
    "one entry",
    "one entry, an element of half the group",
    "one entry is 1",
    "one entry is -1",
    "all are 1",
    "a single update's",
    "the inverse",
    "the square",
    "another trustee's",
    "random",
)


@pytest.mark.parametrize("what", FALSE)
def test_a_wrong_partial_is_caught_by_its_b(
    committee: Committee, round_: Round, primes: tuple[int, int], what: str
) -> None:
    """The challenge depends on b = X^rho: without that, Z may be anything."""
    made = false_partials(committee, round_, primes)
    assert tuple(made) == FALSE

    def attack() -> None:
        check(committee, round_, made[what], prove(committee, round_, made[what]))

    require_caught_by_one_check(attack, partial(forgetting, "b"), error=WrongPartialError, match="trustee 2 ")


@pytest.mark.parametrize("factor", [2, 3], ids=["exponent times 2", "exponent times 3"])
@pytest.mark.parametrize("offset", [0, 1], ids=["", "and one more"])
def test_another_exponent_is_caught_by_its_a(committee: Committee, round_: Round, factor: int, offset: int) -> None:
    """Everything by one other share, partial and proof: only the verification key says that it is another."""
    false = KeyShare(2, committee.shares[2].value * factor + offset)

    def attack() -> None:
        made = partial_roots(committee.manifest, false, round_.aggregate)
        check(committee, round_, made, prove(committee, round_, made, false))

    require_caught_by_one_check(attack, partial(forgetting, "a"), error=WrongPartialError, match="trustee 2 ")


def test_sigma_plus_one_is_caught_by_its_a(committee: Committee, round_: Round) -> None:
    """x_ij^2 = x_j^(4 (sigma + 1)), proved with sigma + 1: the prover's arithmetic, done by hand."""
    manifest, n = committee.manifest, committee.manifest.public_key.n
    sigma = manifest.delta * committee.shares[2].value + 1
    right = round_.partials[2].values
    shifted = {j: x * (c % n) ** 2 % n for j, (x, c) in enumerate(zip(right, round_.aggregate.values, strict=True))}
    made = with_values(round_.partials[2], shifted)

    def attack() -> None:
        transcript, coefficients = partial_proof._coefficients(
            manifest, manifest.trustee(2), round_.aggregate, made, round_.decryption
        )
        base = partial_proof._combined_base(round_.aggregate, coefficients)
        rho = mpz(secrets.randbits(2300))
        challenge = partial_proof._challenge(transcript, gmpy2.powmod(manifest.v, rho, n), gmpy2.powmod(base, rho, n))
        check(committee, round_, made, PartialProof(manifest.public_key, challenge, rho + challenge * sigma))

    require_caught_by_one_check(attack, partial(forgetting, "a"), error=WrongPartialError)


# wrong partials: the batch


def test_swapped_entries_and_errors_that_cancel_are_caught_by_the_coefficients(
    committee: Committee, round_: Round
) -> None:
    right, n = round_.partials[2], committee.manifest.public_key.n
    first, second = right.values[:2]
    swapped = with_values(right, {0: second, 1: first})
    cancelling = with_values(right, {0: first * 9 % n, 1: second * gmpy2.invert(9, n) % n})
    for made in (swapped, cancelling):

        def attack(made: PartialVector = made) -> None:
            check(committee, round_, made, prove(committee, round_, made))

        require_caught_by_one_check(attack, one_coefficient_for_all, error=WrongPartialError)


def test_errors_made_for_known_coefficients_are_caught_because_those_depend_on_the_partial(
    committee: Committee, round_: Round
) -> None:
    """With r_0 and r_1 known beforehand, errors 3^(r_1) and 3^(-r_0) cancel in Z."""
    right, n = round_.partials[2], committee.manifest.public_key.n

    def attack() -> None:
        trustee = committee.manifest.trustee(2)
        _, r = partial_proof._coefficients(committee.manifest, trustee, round_.aggregate, right, round_.decryption)
        errors = {0: gmpy2.powmod(3, r[1], n), 1: gmpy2.powmod(3, -r[0], n)}
        made = with_values(right, {j: right.values[j] * e % n for j, e in errors.items()})
        check(committee, round_, made, prove(committee, round_, made))

    require_caught_by_one_check(attack, partial(forgetting, "partials"), error=WrongPartialError)


# a right proof in another place


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("chain id", {"chain_id": 1}),
        ("contract", {"contract": "0x" + "c1" * 20}),
        ("round", {"round": 4}),
        ("spec hash", {"spec_hash": bytes([8]) * 32}),
    ],
)
def test_a_proof_says_nothing_about_another_statement(
    committee: Committee, round_: Round, label: str, change: dict[str, Any]
) -> None:
    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, round_.partials[1], proof, statement=replace(round_.decryption, **change))

    require_caught_by_one_check(attack, partial(forgetting, label), error=WrongPartialError)


def test_a_statement_about_another_aggregate_is_refused(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    other = replace(round_.decryption, aggregate_root=bytes(32))

    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, round_.partials[1], proof, statement=other)

    require_caught_by_one_check(
        attack,
        partial(without_check, partial_proof._require_same_vector, "about another aggregate"),
        partial(forgetting, "aggregate root"),
    )
    with pytest.raises(ProofError, match="about another aggregate"):
        prove_partial(committee.manifest, committee.shares[1], round_.aggregate, round_.partials[1], other)


def test_the_proof_of_another_aggregate_is_refused(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    """A right partial and proof of one aggregate, sent again for the next one."""
    ciphertexts = round_.encrypted[1].ciphertexts
    statement = replace(round_.decryption, aggregate_root=ciphertexts.root())
    with pytest.raises(WrongPartialError, match="trustee 3 "):
        check(committee, round_, round_.partials[3], proofs[3], ciphertexts=ciphertexts, statement=statement)


def test_another_trustees_partial_and_proof_are_refused(committee: Committee, round_: Round) -> None:
    """Trustee 2 sends trustee 1's work under its own index: four things in the transcript tell them apart."""

    def attack() -> None:
        proof = prove(committee, round_, round_.partials[1])
        check(committee, round_, replace(round_.partials[1], index=2), proof)

    labels = ("trustee", "account", "verification key", "a")
    require_caught_by_one_check(attack, *(partial(forgetting, each) for each in labels), error=WrongPartialError)


# the numbers of the proof


def test_a_response_that_is_too_long_is_refused(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int], proofs: dict[int, PartialProof]
) -> None:
    """The dealer knows the order of the group and can write one proof in many ways."""
    proof = proofs[1]
    longer = replace(proof, response=proof.response + (mpz(group_exponent(primes)) << 300))

    def attack() -> None:
        check(committee, round_, round_.partials[1], longer)

    require_caught_by_one_check(
        attack, partial(without_check, verify_partial, "is too long"), error=WrongPartialError, match="too long"
    )


def test_any_challenge_and_response_would_do_if_the_challenge_were_not_compared(
    committee: Committee, round_: Round, key: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    right, false = proofs[1], with_values(round_.partials[1], {0: mpz(7)})
    for made, proof in (
        (round_.partials[1], replace(right, challenge=right.challenge ^ 1)),
        (round_.partials[1], replace(right, response=right.response + 1)),
        (round_.partials[1], replace(right, challenge=mpz(0))),
        (false, PartialProof(key, mpz(secrets.randbits(128)), mpz(secrets.randbits(2300)))),
        (false, PartialProof(key, mpz(0), mpz(0))),
    ):

        def attack(made: PartialVector = made, proof: PartialProof = proof) -> None:
            check(committee, round_, made, proof)

        require_caught_by_one_check(
            attack, partial(without_check, verify_partial, "does not hold"), error=WrongPartialError
        )


def test_a_proof_under_another_key_is_refused(
    committee: Committee, round_: Round, toy: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    def attack() -> None:
        foreign = replace(proofs[1])
        object.__setattr__(foreign, "key", toy)  # its constructor would find the response too long for that key
        check(committee, round_, round_.partials[1], foreign)

    require_caught_by_one_check(
        attack, partial(without_check, verify_partial, "under another key"), error=WrongPartialError
    )


# values


def test_values_that_are_no_units_or_not_reduced_are_refused(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int]
) -> None:
    right = round_.partials[1]
    for bad in (mpz(0), key.n, key.n + 1, right.values[0] + key.n, -right.values[0], mpz(primes[0])):
        with pytest.raises(CiphertextError):
            with_values(right, {0: bad})


def test_without_the_check_of_the_vector_an_unreduced_value_would_pass(
    committee: Committee, round_: Round, key: PublicKey
) -> None:
    """One partial would then have many files and roots. A small value is found among the negated ones too."""
    index, at, value = min(
        ((i, j, value) for i, p in round_.partials.items() for j, x in enumerate(p.values) for value in (x, key.n - x)),
        key=lambda found: found[2],
    )

    def attack() -> None:
        made = with_values(round_.partials[index], {at: value + key.n})
        check(committee, round_, made, prove(committee, round_, made))

    require_caught_by_one_check(
        attack, partial(without_call, PartialVector.__post_init__, "require_units"), error=CiphertextError
    )


def test_without_the_check_of_the_vector_a_zero_would_break_the_verifier(committee: Committee, round_: Round) -> None:
    with without_call(PartialVector.__post_init__, "require_units"):
        made = with_values(round_.partials[1], {0: mpz(0)})
        proof = prove(committee, round_, made)
        with pytest.raises(ZeroDivisionError):
            check(committee, round_, made, proof)


# what is no error: only squares count


def test_a_changed_sign_is_as_right_as_the_original(committee: Committee, round_: Round, key: PublicKey) -> None:
    right = round_.partials[1]
    for entries in ((0,), (1, 4), tuple(range(COUNT))):
        negated = with_values(right, {j: key.n - right.values[j] for j in entries})
        check(committee, round_, negated, prove(committee, round_, negated))
        opening = combine(committee.manifest, round_.aggregate, {**round_.partials, 1: negated})
        assert opening.plaintexts == round_.opening.plaintexts


def test_a_dealers_root_of_one_is_harmless_too(
    committee: Committee, round_: Round, key: PublicKey, primes: tuple[int, int]
) -> None:
    """u = 1 mod p, -1 mod q: u^2 = 1, so it vanishes in the combination as well as in the proof."""
    p, q = map(mpz, primes)
    u = (1 * q * gmpy2.invert(q, p) - p * gmpy2.invert(p, q)) % key.n
    assert u not in (1, key.n - 1)
    assert u * u % key.n == 1
    made = with_values(round_.partials[2], {1: round_.partials[2].values[1] * u % key.n})
    check(committee, round_, made, prove(committee, round_, made))
    opening = combine(committee.manifest, round_.aggregate, {**round_.partials, 2: made})
    assert opening.plaintexts == round_.opening.plaintexts


def test_without_the_squares_the_verdict_on_a_sign_would_be_chance(
    committee: Committee, round_: Round, key: PublicKey
) -> None:
    """Tested as x_ij = (x_j^2)^sigma, a changed sign passes whenever its coefficient is even: grind until it is."""
    manifest, n = committee.manifest, key.n
    sigma = manifest.delta * committee.shares[1].value
    negated = with_values(round_.partials[1], {0: n - round_.partials[1].values[0]})
    outcomes = set()
    for number in range(24):
        statement = replace(round_.decryption, round=number)
        _, r = partial_proof._coefficients(manifest, manifest.trustee(1), round_.aggregate, negated, statement)
        x = y = mpz(1)
        for c, value, coefficient in zip(round_.aggregate.values, negated.values, r, strict=True):
            x = x * gmpy2.powmod(c, 2 * coefficient, n) % n
            y = y * gmpy2.powmod(value, coefficient, n) % n
        passed = gmpy2.powmod(x, sigma, n) == y
        assert passed == (r[0] % 2 == 0)
        assert gmpy2.powmod(x, 2 * sigma, n) == y * y % n
        outcomes.add(passed)
    assert outcomes == {True, False}


# what blame rests on: the dealer


def test_why_safe_primes_are_needed() -> None:
    """With an element of order 3 among the squares, a false entry passes the batch whenever 3 divides r_j."""
    p = mpz(6) * gmpy2.next_prime(mpz(1) << 200) + 1
    while not gmpy2.is_prime(p):
        p = 6 * gmpy2.next_prime((p - 1) // 6) + 1
    q = gmpy2.next_prime(mpz(1) << 203)
    n = p * q
    order = (p - 1) * (q - 1)
    u = next(c for c in (gmpy2.powmod(g, order // 3, n) for g in range(2, 50)) if c != 1)
    assert gmpy2.powmod(u, 3, n) == 1
    sigma, x = mpz(secrets.randbits(300)), mpz(5)
    false = gmpy2.powmod(x, 2 * sigma, n) * u % n
    passed = 0
    for number in range(60):
        transcript = Transcript("a trustee that grinds")
        transcript.absorb_int("round", number)
        r = transcript.coefficients(1, 128, "r")[0]
        held = gmpy2.powmod(false, 2 * r, n) == gmpy2.powmod(gmpy2.powmod(x, 4 * r, n), sigma, n)
        assert held == (r % 3 == 0)
        passed += held
    assert 5 < passed < 40


def test_why_the_manifest_must_have_been_verified(committee: Committee, round_: Round) -> None:
    """With v = v_i = 1 every exponent fits; the manifest's own check is what refuses such a key."""
    manifest = committee.manifest
    trustees = tuple(replace(t, verification=mpz(1)) for t in manifest.trustees)
    bad = replace(manifest, v=mpz(1), trustees=trustees)
    false = KeyShare(1, mpz(12345))
    made = partial_roots(bad, false, round_.aggregate)
    proof = prove_partial(bad, false, round_.aggregate, made, round_.decryption)
    verify_partial(bad, round_.aggregate, made, round_.decryption, proof)
    with pytest.raises(ProofError, match="v is not the value hashed from n"):
        bad.verify()
    with pytest.raises(WrongPartialError):
        check(committee, round_, made, prove(committee, round_, made, false))


# the transcript


@contextmanager
def altering(label: str, seen: set[str]) -> Iterator[None]:
    """Change the item with ``label`` in every transcript; collect all labels in ``seen``."""
    absorb_bytes, absorb_int, absorb_ints = Transcript.absorb_bytes, Transcript.absorb_int, Transcript.absorb_ints
    answer = Transcript.coefficients

    def with_bytes(self: Transcript, name: str, data: bytes) -> None:
        seen.add(name)
        absorb_bytes(self, name, data[:-1] + bytes([data[-1] ^ 1]) if name == label else data)

    def with_int(self: Transcript, name: str, value: int) -> None:
        seen.add(name)
        absorb_int(self, name, value ^ 1 if name == label else value)

    def with_ints(self: Transcript, name: str, values: Any, width: int) -> None:
        seen.add(name)
        absorb_ints(self, name, [*values[:-1], values[-1] ^ 1] if name == label else values, width)

    def with_label(self: Transcript, count: int, bits: int, name: str) -> list[mpz]:
        seen.add(name)
        return answer(self, count, bits, name + "'" if name == label else name)

    with patch.multiple(
        Transcript, absorb_bytes=with_bytes, absorb_int=with_int, absorb_ints=with_ints, coefficients=with_label
    ):
        yield


ABSORBED = (
    "n",
    "key id",
    "v",
    "trustee",
    "account",
    "verification key",
    "chain id",
    "contract",
    "round",
    "spec hash",
    "aggregate root",
    "ciphertexts",
    "partials",
    "r",
    "a",
    "b",
    "challenge",
)


@pytest.mark.parametrize("label", ABSORBED)
def test_every_absorbed_value_decides(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof], label: str
) -> None:
    seen: set[str] = set()
    with altering("nothing", seen):
        check(committee, round_, round_.partials[1], proofs[1])
    assert seen == set(ABSORBED)
    with altering(label, seen), pytest.raises(WrongPartialError):
        check(committee, round_, round_.partials[1], proofs[1])


def test_the_key_id_covers_the_whole_manifest(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    manifest = committee.manifest
    others = (
        replace(manifest, threshold=2),
        replace(manifest, key_proof=manifest.key_proof[1:]),
        replace(manifest, trustees=manifest.trustees[:4]),
    )
    for other in others:
        with pytest.raises(WrongPartialError):
            check(committee, round_, round_.partials[1], proofs[1], manifest=other)


# arguments that do not belong together


def test_keys_lengths_and_indices_must_belong_together(
    committee: Committee, round_: Round, key: PublicKey, toy: PublicKey, proofs: dict[int, PartialProof]
) -> None:
    right = round_.partials[1]
    short = replace(right, values=right.values[:-1])
    foreign = PartialVector(toy, 1, (mpz(2),) * COUNT)
    for made, match in ((short, "different lengths"), (foreign, "another key")):
        with pytest.raises(ProofError, match=match):
            check(committee, round_, made, proofs[1])
        with pytest.raises(ProofError, match=match):
            prove(committee, round_, made)
    with pytest.raises(ProofError, match="another key"):
        check(committee, round_, right, proofs[1], ciphertexts=encrypt_vector(toy, [1] * COUNT).ciphertexts)
    with pytest.raises(ProofError, match="of another share"):
        prove(committee, round_, right, committee.shares[2])
    with pytest.raises(EncodingError, match="no trustee"):
        check(committee, round_, replace(right, index=6), proofs[1])


def test_neither_proof_nor_errors_show_the_share(
    committee: Committee, round_: Round, proofs: dict[int, PartialProof]
) -> None:
    share = committee.shares[1]
    with pytest.raises(WrongPartialError) as caught:
        check(committee, round_, round_.partials[1], replace(proofs[1], challenge=mpz(3)))
    for text in (repr(proofs[1]), caught.value.diagnostics()):
        assert str(share.value) not in text
        assert str(proofs[1].response) not in text


# judged by the others


def test_a_right_partial_is_confirmed_by_any_threshold_of_others(committee: Committee, round_: Round) -> None:
    partials = round_.partials
    for index, others in ((1, (2, 3, 4)), (2, (1, 4, 5)), (5, (1, 2, 3)), (3, (1, 2, 4, 5)), (3, (1, 2, 3, 5))):
        verify_partial_by_others(committee.manifest, partials[index], {i: partials[i] for i in others})


@pytest.mark.parametrize("what", FALSE)
def test_a_wrong_partial_is_refuted_by_the_others_without_any_proof(
    committee: Committee, round_: Round, primes: tuple[int, int], what: str
) -> None:
    others = {i: p for i, p in round_.partials.items() if i != 2}
    made = false_partials(committee, round_, primes)[what]
    with pytest.raises(WrongPartialError, match="it is wrong") as caught:
        verify_partial_by_others(committee.manifest, made, others)
    assert caught.value.index == 2


def test_a_changed_sign_is_no_guilt(committee: Committee, round_: Round, key: PublicKey) -> None:
    others = {i: round_.partials[i] for i in (1, 3, 4)}
    negated = with_values(round_.partials[2], {0: key.n - round_.partials[2].values[0]})
    verify_partial_by_others(committee.manifest, negated, others)


def test_secret_weights_are_what_finds_swapped_entries(committee: Committee, round_: Round) -> None:
    first, second = round_.partials[2].values[:2]
    swapped = with_values(round_.partials[2], {0: second, 1: first})
    others = {i: round_.partials[i] for i in (1, 3, 4)}
    with pytest.raises(WrongPartialError):
        verify_partial_by_others(committee.manifest, swapped, others)
    with patch.object(partial_proof.secrets, "randbits", lambda bits: 1):
        verify_partial_by_others(committee.manifest, swapped, others)


def test_who_judges_must_be_proven_and_enough(committee: Committee, round_: Round) -> None:
    """A wrong judge would refute a right partial: so only proven partials may judge."""
    partials = round_.partials
    with pytest.raises(ProofError, match="too few proven") as few:
        verify_partial_by_others(committee.manifest, partials[2], {i: partials[i] for i in (1, 2, 3)})
    assert not isinstance(few.value, WrongPartialError)
    liar = with_values(partials[1], {0: mpz(2)})
    with pytest.raises(WrongPartialError, match="trustee 2 "):
        verify_partial_by_others(committee.manifest, partials[2], {1: liar, 3: partials[3], 4: partials[4]})
    with pytest.raises(WrongPartialError, match="trustee 1 "):
        check(committee, round_, liar, prove(committee, round_, liar))
    short = replace(partials[1], values=partials[1].values[:-1])
    for judge in (short, partials[5]):
        with pytest.raises(ProofError, match="not of the same ciphertexts"):
            verify_partial_by_others(committee.manifest, partials[2], {1: judge, 3: partials[3], 4: partials[4]})
