"""docs/cryptography.md, section 9, "Where it is exact, and where not": elements of order 2 on verification keys."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import gmpy2
import pytest

from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.partial_proof import WrongPartialError, prove_partial, verify_partial, verify_partial_by_others
from fedtrust.crypto.shamir import lagrange_coefficients
from fedtrust.crypto.threshold import combine, partial_roots, verify_share
from fedtrust.errors import KeyFileError, ProofError
from tests.crypto.arguments.conftest import MakeCommittee
from tests.crypto.crypto_fixtures import Committee, Round


def changed(manifest: KeyManifest, indices: tuple[int, ...], factor: int) -> KeyManifest:
    """Return the manifest, written and read again, with these verification keys times ``factor``."""
    n = manifest.public_key.n
    trustees = tuple(
        replace(t, verification=t.verification * factor % n) if t.index in indices else t for t in manifest.trustees
    )
    signed = replace(manifest, trustees=trustees)
    assert signed.key_id != manifest.key_id
    return KeyManifest.from_bytes(signed.to_bytes())


def roots_of_one(primes: tuple[int, int]) -> list[int]:
    """Return -1 and the square root of 1 that only the dealer knows, 1 modulo p and -1 modulo q."""
    p, q = primes
    return [-1, (1 + p * int(gmpy2.invert(p, q)) * -2) % (p * q)]


@pytest.mark.parametrize("which", [0, 1], ids=["-1", "another root of 1"])
@pytest.mark.parametrize("indices", [(1,), (2,), (3,), (4,), (5,), (1, 2), (2, 4, 5), (1, 2, 3, 4, 5)], ids=str)
def test_accepted_by_verify_refused_by_its_own_trustee(
    committee: Committee, primes: tuple[int, int], indices: tuple[int, ...], which: int
) -> None:
    """Section 9: the checks compare squares, so v_i times a root of 1 passes; verify_share compares exactly."""
    factor = roots_of_one(primes)[which]
    assert factor != 1
    assert factor * factor % committee.manifest.public_key.n == 1
    signed = changed(committee.manifest, indices, factor)
    for index, share in committee.shares.items():
        verify_share(committee.manifest, share)
        if index in indices:
            with pytest.raises(KeyFileError, match="does not belong"):
                verify_share(signed, share)
        else:
            verify_share(signed, share)


@pytest.mark.parametrize("index", [1, 2, 3])
def test_signs_pass_under_odd_coefficients_too(make_committee: MakeCommittee, index: int) -> None:
    """Section 9: with T = 3, t = 2 the set {1, 3} has L = 9 and -3, so without the squares a sign would decide."""
    committee = make_committee(2048, 2, 3)
    assert [int(c) for c in lagrange_coefficients([1, 3], 3).values()] == [9, -3]
    signed = changed(committee.manifest, (index,), -1)
    with pytest.raises(KeyFileError, match="does not belong"):
        verify_share(signed, committee.shares[index])


@pytest.mark.parametrize("index", [1, 2, 5])
def test_openings_with_that_trustees_partials_are_right(committee: Committee, round_: Round, index: int) -> None:
    """Section 9: partials count through their squares, so the sign reaches no result. All sets with the trustee."""
    signed = changed(committee.manifest, (index,), -1)
    partials = {i: partial_roots(signed, share, round_.aggregate) for i, share in committee.shares.items()}
    assert partials == round_.partials
    for used in combinations(committee.shares, 3):
        if index in used:
            opening = combine(signed, round_.aggregate, {i: partials[i] for i in used})
            assert opening.plaintexts == round_.opening.plaintexts


def test_a_trustee_that_went_on_would_be_blamed_by_its_own_proof_half_the_time(
    committee: Committee, round_: Round
) -> None:
    """Sections 8 and 9: v_i is no square then. The proof holds for even challenges only; the others clear the trustee.

    This is why a trustee must refuse its share: verify_share, which open_share calls.
    """
    signed = changed(committee.manifest, (2,), -1)
    partial = round_.partials[2]
    outcomes = set()
    for _ in range(128):
        proof = prove_partial(signed, committee.shares[2], round_.aggregate, partial, round_.decryption)
        odd = bool(proof.challenge % 2)
        if odd:
            with pytest.raises(WrongPartialError, match="does not hold"):
                verify_partial(signed, round_.aggregate, partial, round_.decryption, proof)
        else:
            verify_partial(signed, round_.aggregate, partial, round_.decryption, proof)
        outcomes.add(odd)
        if len(outcomes) == 2:
            break
    assert outcomes == {False, True}
    verify_partial_by_others(signed, partial, {i: round_.partials[i] for i in (1, 3, 4)})


def test_anything_but_a_root_of_one_is_seen(committee: Committee) -> None:
    """Section 9, the lemma: squares that are off the polynomial are refused, whichever trustee they are of."""
    for index in range(1, 6):
        with pytest.raises(ProofError, match="do not fit the public key"):
            changed(committee.manifest, (index,), 2)
