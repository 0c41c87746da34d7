"""The key ceremony with a dealer: makes the key, shares it, seals each share, publishes, forgets.

The dealer could decrypt: the threat model says so. A dealerless ceremony can stand behind the same manifest. Python
cannot wipe memory, so the dealer's process should end right after the ceremony.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gmpy2
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_utils.address import to_checksum_address
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.key_proof import prove_key
from fedtrust.crypto.manifest import (
    MAXIMUM_TRUSTEES,
    SEALING_KEY_BYTES,
    KeyManifest,
    TrusteeKey,
    verification_base,
)
from fedtrust.crypto.paillier import MINIMUM_BITS, RECOMMENDED_BITS, PublicKey
from fedtrust.crypto.primes import is_safe_prime, safe_prime
from fedtrust.crypto.sealing import open_sealed, seal
from fedtrust.crypto.shamir import split_secret
from fedtrust.crypto.statements import address_bytes
from fedtrust.crypto.threshold import KeyShare, verify_share
from fedtrust.errors import ConfigurationError, KeyFileError

_SHARE_CONTEXT = b"fedtrust/key-share/v1"
_MINIMUM_PRIME_DISTANCE_BITS = 100  # FIPS 186-5, A.1.3: |p - q| > 2^(|p| - 100)


@dataclass(frozen=True, slots=True)
class TrusteeIdentity:
    """Who receives a share: an account (any letter case) and a raw X25519 public key. Raises ConfigurationError."""

    account: str
    sealing_key: bytes

    def __post_init__(self) -> None:
        """Check the form of account and key."""
        address_bytes(self.account, "trustee's account")
        if len(self.sealing_key) != SEALING_KEY_BYTES:
            raise ConfigurationError("trustee's sealing key is malformed", expected="a 32-byte X25519 public key")


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a ceremony publishes: the manifest and each trustee's sealed share, in index order."""

    manifest: KeyManifest
    sealed_shares: tuple[bytes, ...] = field(repr=False)


def run_ceremony(
    trustees: Sequence[TrusteeIdentity],
    threshold: int,
    *,
    bits: int = RECOMMENDED_BITS,
    primes: tuple[int, int] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Ceremony:
    """Make a key of ``bits`` bits, any ``threshold`` of ``trustees`` of which can decrypt.

    ``primes`` are two safe primes made elsewhere (tests, the demonstration's public test key); they are checked, and
    ``bits`` is then ignored. ``progress`` receives lines for a person. Raises ConfigurationError.
    """
    report = progress or (lambda _line: None)
    count = len(trustees)
    if not 1 <= threshold <= count <= MAXIMUM_TRUSTEES:
        raise ConfigurationError(
            "ceremony: threshold and trustees do not fit",
            expected=f"1 <= threshold <= trustees <= {MAXIMUM_TRUSTEES}",
            got=f"threshold {threshold} of {count}",
        )
    accounts = [to_checksum_address(trustee.account) for trustee in trustees]
    if len(set(accounts)) != count or len({trustee.sealing_key for trustee in trustees}) != count:
        raise ConfigurationError("ceremony: two trustees share an account or a sealing key")
    # 1. The modulus.
    p, q = _make_primes(bits, progress) if primes is None else _checked_primes(*primes)
    n, order = p * q, ((p - 1) // 2) * ((q - 1) // 2)
    key = PublicKey(n)
    # 2. The only secret: e = n^-1 mod p'q', shared over Z_{p'q'}.
    report("sharing the decryption exponent")
    shares = split_secret(gmpy2.invert(n, order), order, threshold, count)
    # 3. Verification keys v_i = v^(D e_i) and the key proof.
    report("proving the key")
    v = verification_base(n)
    exponents = [gmpy2.fac(count) * share for share in shares]
    verifications = ARITHMETIC.fixed_base_powers(v, exponents, n)
    manifest = KeyManifest(
        key,
        v,
        threshold,
        tuple(
            TrusteeKey(index, account, trustee.sealing_key, verification)
            for index, (account, trustee, verification) in enumerate(
                zip(accounts, trustees, verifications, strict=True), start=1
            )
        ),
        prove_key(n, (p - 1) * (q - 1)),
    )
    # 4. Nothing leaves the dealer that a receiver would refuse.
    manifest.verify()
    report("sealing the shares")
    sealed = tuple(
        seal(trustee.sealing_key, int_to_fixed(share, key.plaintext_bytes), _context(manifest.key_id, index))
        for index, (trustee, share) in enumerate(zip(trustees, shares, strict=True), start=1)
    )
    return Ceremony(manifest, sealed)


def open_share(manifest: KeyManifest, index: int, sealed: bytes, private_key: X25519PrivateKey) -> KeyShare:
    """Open trustee ``index``'s sealed share and check it against the manifest. Raises KeyFileError."""
    if private_key.public_key().public_bytes_raw() != manifest.trustee(index).sealing_key:
        raise KeyFileError(
            f"this sealing key is not that of trustee {index}",
            expected=manifest.trustee(index).sealing_key.hex(),
            advice="use the identity that took part in the ceremony",
        )
    plaintext = open_sealed(private_key, sealed, _context(manifest.key_id, index))
    if len(plaintext) != manifest.public_key.plaintext_bytes:
        raise KeyFileError("sealed share has the wrong size", expected=f"{manifest.public_key.plaintext_bytes} bytes")
    share = KeyShare(index, fixed_to_int(plaintext))
    verify_share(manifest, share)
    return share


def _context(key_id: bytes, index: int) -> bytes:
    return _SHARE_CONTEXT + key_id + int_to_fixed(index, 2)


def _make_primes(bits: int, progress: Callable[[str], None] | None) -> tuple[mpz, mpz]:
    if bits < MINIMUM_BITS or bits % 16:
        raise ConfigurationError(
            "ceremony: key size is not admitted", expected=f"{MINIMUM_BITS} bits or more, a multiple of 16", got=bits
        )
    p = safe_prime(bits // 2, progress)
    q = safe_prime(bits // 2, progress)
    while abs(p - q).bit_length() <= bits // 2 - _MINIMUM_PRIME_DISTANCE_BITS:
        q = safe_prime(bits // 2, progress)
    return p, q


def _checked_primes(p: int, q: int) -> tuple[mpz, mpz]:
    half = p.bit_length()
    if q.bit_length() != half or abs(p - q).bit_length() <= half - _MINIMUM_PRIME_DISTANCE_BITS:
        raise ConfigurationError("ceremony: the two primes differ in size, or are too close together")
    if not (is_safe_prime(p) and is_safe_prime(q)):
        raise ConfigurationError("ceremony: not safe primes", expected="p and (p - 1) / 2 both prime, q alike")
    return mpz(p), mpz(q)
