"""Threshold decryption by roots: trustees take n-th roots modulo n together; opening is public work.

Shoup: Practical threshold signatures, Eurocrypt 2000, with n as the public exponent (DESIGN.md section 4). For an
aggregated ciphertext c and x = c mod n, trustee i sends x_i = x^(2 D e_i) mod n. Any t of them give
w = prod x_i^(2 L_i) = y^(4 D^2), y the n-th root of x. Then c^(4 D^2) = (1 + 4 D^2 M n) w^n mod n^2 opens to M; the
root y itself, a power of |n| bits away, is never needed.

A trustee must take roots of agreed aggregates only: a partial of a single update would help to open that update.
That rule belongs to the trustee's state machine in ``protocol``; nothing here can know what was agreed.

A wrong partial names its trustee by its proof: :mod:`fedtrust.crypto.partial_proof`.
"""

from __future__ import annotations

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


class PartialDecryptionError(ProofError):
    """The partial decryptions of ``indices`` do not open the ciphertexts."""

    def __init__(self, message: str, *, indices: tuple[int, ...], expected: str, advice: str) -> None:
        """Take the message and its diagnostics, and the trustees concerned."""
        super().__init__(message, expected=expected, got=f"partials of trustees {list(indices)}", advice=advice)
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
    """The opened plaintexts, and the roots that the decryption proof is made from: roots[j]^n = c_j^power mod n.

    ``used`` are the trustees whose partials were combined, ascending.
    """

    plaintexts: tuple[int, ...] = field(repr=False)
    roots: tuple[mpz, ...] = field(repr=False)
    power: mpz = mpz(1)  # noqa: RUF009 - an immutable number
    used: tuple[int, ...] = ()


def verify_share(manifest: KeyManifest, share: KeyShare) -> None:
    """Check that ``share`` is the one the manifest names: v_i = v^(D e_i). Raises KeyFileError."""
    n = manifest.public_key.n
    if share.index > len(manifest.trustees) or not 0 < share.value < n:
        raise KeyFileError(
            "key share does not belong to this key", expected=f"an index in 1 to {len(manifest.trustees)}"
        )
    if gmpy2.powmod_sec(manifest.v, manifest.delta * share.value, n) != manifest.trustee(share.index).verification:
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
    """Open ``ciphertexts`` with the partials, by trustee index, of the t lowest indices.

    Who sent a wrong partial is found before, by its proof (:mod:`fedtrust.crypto.partial_proof`). Here every w_j is
    checked exactly (w^n = x^(4 D^2) mod n), so what is returned is right whoever sent the partials and whatever was
    proven. Raises RoundError if fewer than t partials are there, CiphertextError if one is of the wrong form,
    PartialDecryptionError if they do not open the ciphertexts.
    """
    key, threshold = manifest.public_key, manifest.threshold
    _require_key(key, ciphertexts)
    if len(partials) < threshold:
        raise RoundError(
            "too few partial decryptions", expected=threshold, got=len(partials), advice="wait for more trustees"
        )
    used = tuple(sorted(partials)[:threshold])
    for index in used:
        _require_form(manifest, ciphertexts, index, partials[index])
    # 1. w_j = prod_i x_ij^(2 L_i) mod n, which is the n-th root of x_j to the power 4 D^2.
    doubled = {i: 2 * c for i, c in lagrange_coefficients(used, len(manifest.trustees)).items()}
    roots = interpolate_exponents({i: partials[i].values for i in used}, doubled, key.n)
    # 2. Open c^(4 D^2), whose root is known, and divide the plaintext by 4 D^2.
    return open_with_roots(key, ciphertexts, roots, 4 * manifest.delta**2, used)


def open_with_roots(
    key: PublicKey,
    ciphertexts: CiphertextVector,
    roots: Sequence[mpz],
    power: mpz,
    used: tuple[int, ...] = (),
) -> Opening:
    """Open ``ciphertexts`` by w_j with w_j^n = c_j^power mod n; ``power`` is a unit modulo n.

    c^power = (1 + power M n) w^n mod n^2, because u^n mod n^2 depends on u modulo n only. This is public work and most
    of a decryption. Raises PartialDecryptionError, naming the first place, if some w_j is not such a root.
    """
    n, n_squared = key.n, key.n_squared
    scale = gmpy2.invert(power, n)
    masks = ARITHMETIC.same_exponent_powers(roots, n, n_squared)
    inverses = ARITHMETIC.same_exponent_powers([mask % n for mask in masks], mpz(-1), n)
    plaintexts = []
    for index, (raised, mask, inverse) in enumerate(
        zip(ARITHMETIC.same_exponent_powers(ciphertexts.values, power, n_squared), masks, inverses, strict=True)
    ):
        quotient, remainder = divmod((raised - mask) % n_squared, n)
        if remainder:
            raise PartialDecryptionError(
                f"the partial decryptions do not open ciphertext {index}",
                indices=used,
                expected="partials of one aggregate by the trustees of this key",
                advice="verify each partial's proof: it names the trustee whose partial is wrong",
            )
        plaintexts.append(int(quotient * inverse % n * scale % n))
    return Opening(tuple(plaintexts), tuple(roots), power, used)


def _require_key(key: PublicKey, ciphertexts: CiphertextVector) -> None:
    if ciphertexts.key.n != key.n:
        raise CiphertextError("ciphertexts are under another key than the manifest's")


def _require_form(manifest: KeyManifest, ciphertexts: CiphertextVector, index: int, partial: PartialVector) -> None:
    if not 1 <= index <= len(manifest.trustees) or partial.index != index:
        raise CiphertextError(
            f"partial vector under index {index} is not that trustee's",
            expected=f"a trustee in 1 to {len(manifest.trustees)}",
            got=partial.index,
        )
    if partial.key.n != manifest.public_key.n:
        raise CiphertextError(f"partial vector of trustee {index} is under another key")
    if len(partial) != len(ciphertexts):
        raise CiphertextError(
            f"partial vector of trustee {index} has another length", expected=len(ciphertexts), got=len(partial)
        )
