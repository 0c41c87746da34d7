"""Threshold decryption by roots: trustees take n-th roots modulo n together; opening is public work.

Shoup: Practical threshold signatures, Eurocrypt 2000, with n as the public exponent (DESIGN.md section 4). For an
aggregated ciphertext c and x = c mod n, trustee i sends x_i = x^(2 D e_i) mod n. Any t of them give
w = prod x_i^(2 L_i) = x^(4 D^2 e), and with 4 D^2 A + n B = 1 the n-th root of x is y = w^A x^B. Then
c = (1 + M n) y^n mod n^2 opens to M.

A trustee must take roots of agreed aggregates only: a partial of a single update would help to open that update.
That rule belongs to the trustee's state machine in ``protocol``; nothing here can know what was agreed.

Blame without subsets (Shoup's proof of equal discrete logarithms of x_i^2 and v_i, batched over the vector, in the
squares, section 2.2 of the paper) belongs in a module ``partial_proof`` beside this one. Until it exists,
:func:`combine` finds wrong partials by trying subsets.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.manifest import MAXIMUM_TRUSTEES, KeyManifest
from fedtrust.crypto.merkle import merkle_root
from fedtrust.crypto.paillier import CiphertextVector, PublicKey, require_units
from fedtrust.crypto.shamir import interpolate_exponents, lagrange_coefficients
from fedtrust.crypto.vector_codec import decode_vector, encode_vector
from fedtrust.errors import CiphertextError, KeyFileError, ProofError, RoundError

_MAGIC = b"FTPV"
_SCREEN_BITS = 128


class PartialDecryptionError(ProofError):
    """No ``threshold`` of the partial decryptions fit together; ``indices`` are the trustees who sent them."""

    def __init__(self, message: str, *, indices: tuple[int, ...], expected: str, got: str, advice: str) -> None:
        """Take the message and its diagnostics, and the trustees concerned."""
        super().__init__(message, expected=expected, got=got, advice=advice)
        self.indices = indices


@dataclass(frozen=True, slots=True)
class KeyShare:
    """A trustee's secret: its 1-based index and e_i. The value never appears in a repr or an error."""

    index: int
    value: mpz = field(repr=False)

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 1 <= self.index <= MAXIMUM_TRUSTEES or self.value < 0:
            raise KeyFileError("key share is malformed", expected=f"an index in 1 to {MAXIMUM_TRUSTEES}")


@dataclass(frozen=True, slots=True)
class PartialVector:
    """A trustee's partial roots x_i of a vector of ciphertexts: units modulo n. Raises CiphertextError."""

    key: PublicKey
    index: int
    values: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 1 <= self.index <= MAXIMUM_TRUSTEES or not self.values:
            raise CiphertextError("partial vector is malformed", expected="a trustee's index and at least one value")
        require_units(self.key, self.values, self.key.n, "partial decryption")

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def to_bytes(self) -> bytes:
        """Return the partial's file (``FTPV``): the index in two bytes, then fixed-width values."""
        return encode_vector(_MAGIC, self.values, self.key.plaintext_bytes, int_to_fixed(self.index, 2))

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, expected_count: int | None = None) -> PartialVector:
        """Decode and validate a partial's file. Raises CiphertextError."""
        header, values = decode_vector(
            _MAGIC, data, key.plaintext_bytes, what="partial vector", expected_count=expected_count, header_bytes=2
        )
        return cls(key, int(fixed_to_int(header)), values)

    def root(self) -> bytes:
        """Return the Merkle root over the fixed-width values: what the trustee attests on chain."""
        return merkle_root([int_to_fixed(value, self.key.plaintext_bytes) for value in self.values])


@dataclass(frozen=True, slots=True)
class Opening:
    """The opened plaintexts and the roots y_j that the decryption proof is made from.

    ``used`` are the trustees whose partials were combined; ``excluded`` those whose partials were malformed or did not
    fit the used ones. That is a hint for the log, never evidence: colluding trustees can send partials that fit only
    each other's, and so make a right one look wrong. Blame needs the proofs of ``partial_proof``.
    """

    plaintexts: tuple[int, ...] = field(repr=False)
    roots: tuple[mpz, ...] = field(repr=False)
    used: tuple[int, ...]
    excluded: tuple[int, ...] = ()


def verify_share(manifest: KeyManifest, share: KeyShare) -> None:
    """Check that ``share`` is the one the manifest names: v_i = v^(D e_i). Raises KeyFileError."""
    n = manifest.public_key.n
    if share.index > len(manifest.trustees) or share.value >= n:
        raise KeyFileError(
            "key share does not belong to this key", expected=f"an index in 1 to {len(manifest.trustees)}"
        )
    if gmpy2.powmod(manifest.v, manifest.delta * share.value, n) != manifest.trustee(share.index).verification:
        raise KeyFileError(
            f"key share of trustee {share.index} does not belong to this key",
            expected="the share whose verification key is in the manifest",
            advice="open the sealed share of this key's ceremony again",
        )


def partial_roots(manifest: KeyManifest, share: KeyShare, ciphertexts: CiphertextVector) -> PartialVector:
    """Return the partial roots x_i = (c mod n)^(2 D e_i) mod n. Raises CiphertextError for another key's ciphertexts.

    The caller answers for ``ciphertexts`` being an aggregate that was agreed on.
    """
    key = manifest.public_key
    _require_key(key, ciphertexts)
    exponent = 2 * manifest.delta * share.value
    bases = [value % key.n for value in ciphertexts.values]
    return PartialVector(key, share.index, tuple(ARITHMETIC.same_exponent_powers(bases, exponent, key.n)))


def combine(manifest: KeyManifest, ciphertexts: CiphertextVector, partials: Mapping[int, PartialVector]) -> Opening:
    """Open ``ciphertexts`` with any t right partials among ``partials`` (by trustee index).

    Every root is checked exactly (y^n = x mod n), so what is returned is right whoever sent the partials. Subsets of
    t are tried in order of index until one fits; then the partials left over that do not fit are reported as
    ``excluded`` if there was reason to look (a subset failed, or a partial was malformed). The number of subsets
    grows fast with the committee; at ten trustees the worst case is 252 cheap screens.

    Raises RoundError if fewer than t partials of the right form are there, PartialDecryptionError if no t fit.
    """
    key, threshold = manifest.public_key, manifest.threshold
    _require_key(key, ciphertexts)
    # 1. A partial of the wrong form takes part in no subset.
    usable = sorted(i for i, p in partials.items() if _fits(manifest, ciphertexts, i, p))
    malformed = sorted(set(partials) - set(usable))
    if len(usable) < threshold:
        raise RoundError(
            "too few partial decryptions",
            expected=f"{threshold} of the right index, key and length",
            got=f"{len(usable)} (malformed: {malformed})",
            advice="wait for more trustees",
        )
    # 2. Try subsets: the cheap screen first, then the exact computation.
    bases = [value % key.n for value in ciphertexts.values]
    screen = _Screen.of(manifest, bases, {i: partials[i] for i in usable})
    failed = False
    for subset in itertools.combinations(usable, threshold):
        opening = _open_with(manifest, ciphertexts, bases, partials, subset) if screen.passes(subset) else None
        if opening is None:
            failed = True
            continue
        # 3. Name who was wrong.
        plaintexts, roots = opening
        wrong = list(malformed)
        if failed or malformed:
            wrong += [i for i in usable if i not in subset and not _agrees(manifest, roots, partials, subset, i)]
        return Opening(plaintexts, roots, subset, tuple(sorted(wrong)))
    raise PartialDecryptionError(
        f"no {threshold} of the partial decryptions fit together",
        indices=tuple(sorted(partials)),
        expected=f"{threshold} right partials",
        got=f"partials of trustees {sorted(partials)}",
        advice="collect partials of more trustees; at least one of these is wrong",
    )


def _require_key(key: PublicKey, ciphertexts: CiphertextVector) -> None:
    if ciphertexts.key.n != key.n:
        raise CiphertextError("ciphertexts are under another key than the manifest's")


def _fits(manifest: KeyManifest, ciphertexts: CiphertextVector, index: int, partial: PartialVector) -> bool:
    return (
        partial.index == index
        and 1 <= index <= len(manifest.trustees)
        and partial.key.n == manifest.public_key.n
        and len(partial) == len(ciphertexts)
    )


def _combined_powers(manifest: KeyManifest, partials: Mapping[int, Sequence[mpz]], subset: Sequence[int]) -> list[mpz]:
    """Return w_j = prod_i x_ij^(2 L_i) mod n."""
    doubled = {i: 2 * c for i, c in lagrange_coefficients(subset, len(manifest.trustees)).items()}
    return interpolate_exponents(partials, doubled, manifest.public_key.n)


@dataclass(frozen=True, slots=True)
class _Screen:
    """One random combination over the vector, which tells nearly every wrong subset at the cost of one power.

    With secret weights r_j of 128 bits, W_i = prod_j x_ij^(r_j) and X = prod_j x_j^(r_j), right partials satisfy
    (prod_i W_i^(2 L_i))^n = X^(4 D^2). What passes is still checked exactly.
    """

    manifest: KeyManifest
    combined: Mapping[int, Sequence[mpz]]
    expected: mpz

    @classmethod
    def of(cls, manifest: KeyManifest, bases: Sequence[mpz], partials: Mapping[int, PartialVector]) -> _Screen:
        n = manifest.public_key.n
        weights = [mpz(secrets.randbits(_SCREEN_BITS)) for _ in bases]
        combined = {i: [ARITHMETIC.multi_exponentiation(p.values, weights, n)] for i, p in partials.items()}
        x = ARITHMETIC.multi_exponentiation(bases, weights, n)
        return cls(manifest, combined, gmpy2.powmod(x, 4 * manifest.delta**2, n))

    def passes(self, subset: tuple[int, ...]) -> bool:
        n = self.manifest.public_key.n
        w = _combined_powers(self.manifest, self.combined, subset)[0]
        return bool(gmpy2.powmod(w, n, n) == self.expected)


def _open_with(
    manifest: KeyManifest,
    ciphertexts: CiphertextVector,
    bases: Sequence[mpz],
    partials: Mapping[int, PartialVector],
    subset: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[mpz, ...]] | None:
    """Return plaintexts and roots by the partials of ``subset``, or None if they do not fit together."""
    key = manifest.public_key
    n, n_squared, power = key.n, key.n_squared, 4 * manifest.delta**2
    # 1. Roots: y = w^A x^B with 4 D^2 A + n B = 1; A positive, B small and negative.
    a = gmpy2.invert(power, n)
    b = (1 - power * a) // n
    combined = _combined_powers(manifest, {i: partials[i].values for i in subset}, subset)
    roots = ARITHMETIC.products(
        [ARITHMETIC.same_exponent_powers(combined, a, n), ARITHMETIC.same_exponent_powers(bases, b, n)], n
    )
    # 2. Exact check y^n = x mod n, and M = ((c - y^n) / n) / x mod n, since c = y^n + M n y^n mod n^2.
    inverses = ARITHMETIC.same_exponent_powers(bases, mpz(-1), n)
    plaintexts = []
    for c, masked, inverse in zip(
        ciphertexts.values, ARITHMETIC.same_exponent_powers(roots, n, n_squared), inverses, strict=True
    ):
        quotient, remainder = divmod((c - masked) % n_squared, n)
        if remainder:
            return None
        plaintexts.append(int(quotient * inverse % n))
    return tuple(plaintexts), tuple(roots)


def _agrees(
    manifest: KeyManifest,
    roots: Sequence[mpz],
    partials: Mapping[int, PartialVector],
    subset: tuple[int, ...],
    index: int,
) -> bool:
    """Return whether the partial of ``index`` fits the known ``roots``: with t - 1 right ones, w = y^(4 D^2)."""
    others = (*subset[:-1], index)
    combined = _combined_powers(manifest, {i: partials[i].values for i in others}, others)
    return combined == ARITHMETIC.same_exponent_powers(roots, 4 * manifest.delta**2, manifest.public_key.n)
