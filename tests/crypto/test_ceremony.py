from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.crypto import ceremony as ceremony_module
from fedtrust.crypto.ceremony import TrusteeIdentity, open_share, run_ceremony
from fedtrust.crypto.encoding import int_to_fixed
from fedtrust.crypto.paillier import encrypt_vector
from fedtrust.crypto.primes import safe_prime
from fedtrust.crypto.sealing import open_sealed, seal
from fedtrust.crypto.threshold import combine, partial_roots
from fedtrust.errors import ConfigurationError, EncodingError, FedtrustError, KeyFileError
from tests.crypto.crypto_fixtures import Committee


def identities(count: int) -> tuple[list[X25519PrivateKey], list[TrusteeIdentity]]:
    private = [X25519PrivateKey.generate() for _ in range(count)]
    return private, [
        TrusteeIdentity(f"0x{i:040x}", key.public_key().public_bytes_raw()) for i, key in enumerate(private, 1)
    ]


def test_a_fresh_key_from_fresh_primes_works() -> None:
    private, trustees = identities(2)
    lines: list[str] = []
    made = run_ceremony(trustees, 2, bits=2048, progress=lines.append)
    assert made.manifest.public_key.bits == 2048
    assert any("safe prime" in line for line in lines)
    ciphertexts = encrypt_vector(made.manifest.public_key, [123456]).ciphertexts
    shares = [open_share(made.manifest, i, made.sealed_shares[i - 1], key) for i, key in enumerate(private, 1)]
    partials = {s.index: partial_roots(made.manifest, s, ciphertexts) for s in shares}
    assert combine(made.manifest, ciphertexts, partials).plaintexts == (123456,)


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (2, 2), (4, 7), (5, 10)])
def test_committees_of_other_sizes(primes: tuple[int, int], threshold: int, count: int) -> None:
    private, trustees = identities(count)
    made = run_ceremony(trustees, threshold, primes=primes)
    ciphertexts = encrypt_vector(made.manifest.public_key, [7, 8]).ciphertexts
    chosen = range(count - threshold + 1, count + 1)
    partials = {
        i: partial_roots(
            made.manifest, open_share(made.manifest, i, made.sealed_shares[i - 1], private[i - 1]), ciphertexts
        )
        for i in chosen
    }
    assert combine(made.manifest, ciphertexts, partials).plaintexts == (7, 8)


def test_two_ceremonies_of_one_key_share_differently(primes: tuple[int, int]) -> None:
    private, trustees = identities(2)
    first, second = (run_ceremony(trustees, 2, primes=primes) for _ in range(2))
    assert first.manifest.public_key == second.manifest.public_key
    assert first.manifest.key_id != second.manifest.key_id
    with pytest.raises(KeyFileError):
        open_share(second.manifest, 1, first.sealed_shares[0], private[0])


def test_a_share_opens_for_its_trustee_only(committee: Committee) -> None:
    sealed = committee.ceremony.sealed_shares
    for i, key in enumerate(committee.sealing_keys, 1):
        for j in range(1, 6):
            if i != j:
                with pytest.raises(KeyFileError):
                    open_share(committee.manifest, j, sealed[j - 1], key)
                with pytest.raises(KeyFileError):
                    open_share(committee.manifest, i, sealed[j - 1], key)
    with pytest.raises(EncodingError):
        open_share(committee.manifest, 6, sealed[0], committee.sealing_keys[0])


def test_a_dealer_that_sends_a_wrong_share_is_found_out(committee: Committee) -> None:
    manifest, private = committee.manifest, committee.sealing_keys[0]
    context = ceremony_module._context(manifest.key_id, 1)
    for plaintext in (
        int_to_fixed(committee.shares[1].value + 1, 256),
        int_to_fixed(committee.shares[2].value, 256),
        int_to_fixed(committee.shares[1].value, 257),
        b"",
    ):
        forged = seal(manifest.trustee(1).sealing_key, plaintext, context)
        with pytest.raises(KeyFileError) as caught:
            open_share(manifest, 1, forged, private)
        assert str(committee.shares[1].value) not in caught.value.diagnostics()


def test_sealed_shares_are_not_in_the_repr(committee: Committee) -> None:
    assert "sealed_shares" not in repr(committee.ceremony)


@pytest.mark.parametrize(("threshold", "count"), [(0, 3), (4, 3), (1, 0), (2, 33)])
def test_impossible_committees_are_refused(primes: tuple[int, int], threshold: int, count: int) -> None:
    with pytest.raises(ConfigurationError, match="threshold"):
        run_ceremony(identities(count)[1], threshold, primes=primes)


def test_trustees_must_be_distinct(primes: tuple[int, int]) -> None:
    _, trustees = identities(2)
    same_account = TrusteeIdentity(trustees[0].account, trustees[1].sealing_key)
    same_key = TrusteeIdentity(trustees[1].account, trustees[0].sealing_key)
    for twin in (same_account, same_key):
        with pytest.raises(ConfigurationError, match="share an account"):
            run_ceremony([trustees[0], twin], 1, primes=primes)


def test_malformed_identities_are_refused() -> None:
    with pytest.raises(EncodingError):
        TrusteeIdentity("0x12", bytes(32))
    with pytest.raises(ConfigurationError):
        TrusteeIdentity("0x" + "00" * 20, bytes(31))


def test_a_small_order_sealing_key_is_refused(primes: tuple[int, int]) -> None:
    with pytest.raises(KeyFileError):
        run_ceremony([TrusteeIdentity("0x" + "00" * 20, bytes(32))], 1, primes=primes)


def test_primes_are_checked(primes: tuple[int, int]) -> None:
    import gmpy2

    p, q = primes
    not_safe = int(gmpy2.next_prime(3 << 1022))
    for bad in ((p, p), (p, q + 2), (p, not_safe), (p, int(safe_prime(128))), (p - 1, q)):
        with pytest.raises(ConfigurationError):
            run_ceremony(identities(1)[1], 1, primes=bad)
    for bits in (1024, 2047, 2056):
        with pytest.raises(ConfigurationError):
            run_ceremony(identities(1)[1], 1, bits=bits)


def test_no_secret_is_in_what_is_published(committee: Committee, primes: tuple[int, int]) -> None:
    published = committee.manifest.to_bytes()
    for secret in (*primes, *(int(s.value) for s in committee.shares.values())):
        assert f"{secret:x}".encode() not in published
        for sealed in committee.ceremony.sealed_shares:
            assert secret.to_bytes(256, "big").lstrip(b"\x00") not in sealed


# Sealing, by itself.


def test_sealed_round_trip_and_freshness() -> None:
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    first, second = seal(public, b"secret", b"context"), seal(public, b"secret", b"context")
    assert first != second
    assert open_sealed(private, first, b"context") == b"secret"
    assert open_sealed(private, seal(public, b"", b""), b"") == b""


def test_sealed_secrets_bind_key_context_and_bytes() -> None:
    private, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    sealed = seal(private.public_key().public_bytes_raw(), b"a secret", b"context")
    attempts = [
        (other, sealed, b"context"),
        (private, sealed, b"another"),
        (private, sealed, b""),
        (private, sealed[:-1], b"context"),
        (private, sealed + b"\x00", b"context"),
        (private, sealed[:48], b"context"),
        (private, b"", b"context"),
        (private, b"\x02" + sealed[1:], b"context"),
        (private, sealed[:1] + bytes(32) + sealed[33:], b"context"),
    ]
    attempts += [
        (private, sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :], b"context") for i in range(len(sealed))
    ]
    for key, data, context in attempts:
        # The top bit of an X25519 public key is ignored by the curve, not by the key derivation.
        with pytest.raises(KeyFileError) as caught:
            open_sealed(key, data, context)
        assert isinstance(caught.value, FedtrustError)
    flipped = sealed[:32] + bytes([sealed[32] ^ 0x80]) + sealed[33:]
    with pytest.raises(KeyFileError):
        open_sealed(private, flipped, b"context")


@pytest.mark.parametrize("recipient", [b"", bytes(31), bytes(32), b"\x01" + bytes(31)])
def test_unusable_recipients_are_refused(recipient: bytes) -> None:
    with pytest.raises(KeyFileError):
        seal(recipient, b"secret", b"context")
