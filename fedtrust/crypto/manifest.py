"""The KeyManifest: everything public about the committee's key, with the proofs that it is good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gmpy2
from eth_utils.address import to_checksum_address
from gmpy2 import mpz

from fedtrust.crypto.encoding import (
    canonical_json,
    fixed_to_int,
    from_hex,
    int_to_fixed,
    parse_canonical_json,
    sha256,
    to_hex,
)
from fedtrust.crypto.key_proof import verify_key_proof
from fedtrust.crypto.paillier import MAXIMUM_BITS, PublicKey
from fedtrust.crypto.shamir import interpolate_exponents, lagrange_coefficients
from fedtrust.crypto.statements import address_bytes
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import EncodingError, ProofError

MAXIMUM_TRUSTEES = 32
SEALING_KEY_BYTES = 32

_FORMAT = "fedtrust.key-manifest"
_VERSION = 2
_FIELDS = {"format", "version", "n", "h", "v", "threshold", "trustees", "key_proof"}
_TRUSTEE_FIELDS = {"index", "account", "sealing_key", "verification"}
_ADVICE = "do not use this key; ask the operator for a new ceremony"

_verified: set[bytes] = set()


def verification_base(n: mpz) -> mpz:
    """Return v = x^2 mod n with x hashed from n: a square that nobody chose."""
    transcript = Transcript("Shoup verification base")
    transcript.absorb_int("n", n)
    x = transcript.residues(1, n, "x")[0]
    return x * x % n


@dataclass(frozen=True, slots=True)
class TrusteeKey:
    """A trustee's public part: 1-based share index, EIP-55 account, X25519 sealing key, v_i = v^(D e_i) mod n.

    Raises EncodingError.
    """

    index: int
    account: str
    sealing_key: bytes
    verification: mpz = field(repr=False)

    def __post_init__(self) -> None:
        """Check index, account and key."""
        if isinstance(self.index, bool) or not isinstance(self.index, int) or not 1 <= self.index <= MAXIMUM_TRUSTEES:
            raise EncodingError(
                "trustee index is out of range", expected=f"1 to {MAXIMUM_TRUSTEES}", got=repr(self.index)
            )
        address_bytes(self.account, f"account of trustee {self.index}")
        if to_checksum_address(self.account) != self.account:
            raise EncodingError(f"account of trustee {self.index} has a wrong EIP-55 checksum", got=self.account)
        if not isinstance(self.sealing_key, bytes) or len(self.sealing_key) != SEALING_KEY_BYTES:
            raise EncodingError(f"sealing key of trustee {self.index} is malformed", expected="32 bytes")


@dataclass(frozen=True, slots=True)
class KeyManifest:
    """The committee's public key: n, v, t, the T trustees with their v_i, and the key proof. Raises EncodingError.

    Its parts only have the right form until :meth:`verify` has passed; :meth:`from_bytes` calls it.
    """

    public_key: PublicKey
    v: mpz = field(repr=False)
    threshold: int
    trustees: tuple[TrusteeKey, ...]
    key_proof: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Check the form; the proofs are for ``verify``."""
        if self.public_key.toy:
            raise EncodingError("key manifest: a toy key is for unit tests of the arithmetic only", advice=_ADVICE)
        count = len(self.trustees)
        if not 1 <= count <= MAXIMUM_TRUSTEES or [t.index for t in self.trustees] != list(range(1, count + 1)):
            raise EncodingError(
                "key manifest: trustees are not numbered 1, 2, ...", expected=f"1 to {MAXIMUM_TRUSTEES}"
            )
        if isinstance(self.threshold, bool) or not isinstance(self.threshold, int) or not 1 <= self.threshold <= count:
            raise EncodingError(
                "key manifest: threshold is out of range", expected=f"1 to {count}", got=repr(self.threshold)
            )
        if len({t.account for t in self.trustees}) != count or len({t.sealing_key for t in self.trustees}) != count:
            raise EncodingError("key manifest: two trustees share an account or a sealing key", advice=_ADVICE)

    @property
    def delta(self) -> mpz:
        """D = T!, the factor that makes Lagrange coefficients integers."""
        return mpz(math.factorial(len(self.trustees)))

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the manifest's bytes: what the chain and every RoundSpec name the key by."""
        return sha256(self.to_bytes())

    def trustee(self, index: int) -> TrusteeKey:
        """Return the trustee with this 1-based index. Raises EncodingError if there is none."""
        if not 1 <= index <= len(self.trustees):
            raise EncodingError("no trustee with this index", expected=f"1 to {len(self.trustees)}", got=index)
        return self.trustees[index - 1]

    def to_bytes(self) -> bytes:
        """Return the manifest as canonical JSON."""
        width = self.public_key.plaintext_bytes

        def number(value: mpz) -> str:
            return to_hex(int_to_fixed(value, width))

        return canonical_json(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "n": number(self.public_key.n),
                "h": number(self.public_key.h),
                "v": number(self.v),
                "threshold": self.threshold,
                "trustees": [
                    {
                        "index": trustee.index,
                        "account": trustee.account,
                        "sealing_key": to_hex(trustee.sealing_key),
                        "verification": number(trustee.verification),
                    }
                    for trustee in self.trustees
                ],
                "key_proof": [number(root) for root in self.key_proof],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyManifest:
        """Parse a manifest strictly and verify it (once per process and key).

        Raises EncodingError for a malformed manifest, ConfigurationError for a key size not admitted, ProofError for
        a manifest whose proofs do not hold.
        """
        raw = _mapping(parse_canonical_json(data, "key manifest"), _FIELDS, "key manifest")
        if raw["format"] != _FORMAT or raw["version"] != _VERSION:
            raise EncodingError("not a key manifest of this version", expected=f"{_FORMAT} version {_VERSION}")
        n_bytes = from_hex(raw["n"], None, "key manifest: n")
        if len(n_bytes) > MAXIMUM_BITS // 8:
            raise EncodingError("key manifest: n is too long", expected=f"{MAXIMUM_BITS} bits")
        key = PublicKey(fixed_to_int(n_bytes))
        width = key.plaintext_bytes

        def number(value: object, what: str) -> mpz:
            return fixed_to_int(from_hex(value, width, f"key manifest: {what}"))

        if number(raw["h"], "h") != key.h:
            raise ProofError("key manifest: h is not the value hashed from n", advice=_ADVICE)
        if not isinstance(raw["trustees"], list) or not isinstance(raw["key_proof"], list):
            raise EncodingError("key manifest: trustees and key_proof are lists")
        trustees = []
        for entry in raw["trustees"]:
            item = _mapping(entry, _TRUSTEE_FIELDS, "key manifest: trustee")
            trustees.append(
                TrusteeKey(
                    item["index"],
                    item["account"],
                    from_hex(item["sealing_key"], SEALING_KEY_BYTES, "key manifest: sealing key"),
                    number(item["verification"], "verification key"),
                )
            )
        manifest = cls(
            key,
            number(raw["v"], "v"),
            raw["threshold"],
            tuple(trustees),
            tuple(number(root, "key proof") for root in raw["key_proof"]),
        )
        if manifest.to_bytes() != data:
            raise EncodingError("key manifest re-encodes differently", advice=_ADVICE)
        manifest.verify()
        return manifest

    def verify(self) -> None:
        """Check every proof in the manifest; repeated calls for the same bytes cost nothing. Raises ProofError."""
        key_id = self.key_id
        if key_id in _verified:
            return
        n = self.public_key.n
        # 1. n is good (Goldberg, Reyzin, Sagga, Baldimtsi 2019); h was recomputed when the key was made.
        verify_key_proof(n, self.key_proof)
        # 2. v is the square that everybody computes from n.
        if self.v != verification_base(n) or gmpy2.gcd(self.v, n) != 1:
            raise ProofError("key manifest: v is not the value hashed from n", advice=_ADVICE)
        # 3. Every verification key is a unit modulo n.
        for trustee in self.trustees:
            if not 0 < trustee.verification < n or gmpy2.gcd(trustee.verification, n) != 1:
                raise ProofError(f"key manifest: verification key of trustee {trustee.index} is not a unit")
        # 4. For every t trustees, prod v_i^(2 n L_i) = v^(2 D^2); and t - 1 are too few.
        self._verify_shares()
        _verified.add(key_id)

    def _verify_shares(self) -> None:
        """Check the squares of the verification keys on {1..t-1, i}, i = t..T, which decides every other subset of t.

        Partials count by their squares only, so a v_i of the other sign does no harm and is not looked for; a trustee
        compares its own v_i exactly (:func:`fedtrust.crypto.threshold.verify_share`). Write u_i = v_i^(2n). The
        condition on a subset says that the polynomial f of degree below t through (i, u_i), in the exponent, has
        f(0) = v^(2D). Let f be fixed by (0, v^(2D)) and the points 1..t-1. Subset {1..t-1, i} holds exactly if
        (i, u_i) lies on f too. So the T - t + 1 checks put all T points on one f, and then any t of them interpolate
        to f(0). Dividing by integers up to T is what this needs; it is exact in the squares modulo a product of safe
        primes, and everything here is a square.
        """
        n, count = self.public_key.n, len(self.trustees)
        powers = {
            t.index: [gmpy2.powmod(t.verification, 2 * n, n)] for t in self.trustees
        }  # T powers modulo n, no batch worth having
        expected = gmpy2.powmod(self.v, 2 * self.delta**2, n)
        common = range(1, self.threshold)
        for last in range(self.threshold, count + 1):
            coefficients = lagrange_coefficients([*common, last], count)
            if interpolate_exponents(powers, coefficients, n)[0] != expected:
                raise ProofError(
                    f"key manifest: verification keys of trustees {[*common, last]} do not fit the public key",
                    advice=_ADVICE,
                )
        # f has degree t - 1 exactly: otherwise fewer trustees than the manifest says could decrypt.
        if len(common) and interpolate_exponents(powers, lagrange_coefficients(common, count), n)[0] == expected:
            raise ProofError(
                f"key manifest: fewer than {self.threshold} trustees could decrypt",
                expected=f"a sharing of which {self.threshold} are needed",
                advice=_ADVICE,
            )


def _mapping(value: Any, names: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise EncodingError(f"{what} is malformed", expected=f"an object with {sorted(names)}")
    return value
