"""Keys and ciphertexts to and from ``phe`` (python-paillier), the most used Paillier library for Python.

``phe`` is under the GPL, version 3: it is an optional extra (``pip install "fedtrust[phe]"``), nothing else in this
package imports this module, and this module imports ``phe`` only when a function is called that needs it. The files of
``pheutil``, phe's command line, are written and read without it.

The two libraries compute with the same ciphertexts, c = (1 + M n) r^n mod n^2; only the choice of r differs: phe draws
it from all of Z_n, we take h^a. So each decrypts and adds what the other encrypted. The keys differ more. phe draws any
two primes. Our encryption is proven for p = q = 3 mod 4 with gcd(p - 1, q - 1) = 2 and with no small factors in
(p - 1)(q - 1), so that h generates nearly all it could: safe primes. Hence

- a key made here is good for phe, both halves;
- **a private key that phe made is refused**, unless its primes happen to be safe (they never are). Decrypting under it
  would be sound, since gcd(n, phi(n)) = 1 is all that needs, but a key object of ours can be encrypted under, and to
  keep two kinds of public key apart through the whole engine costs more than it gives: who has such a key has phe's
  object, which decrypts with it;
- a public key shows nothing of its primes, so its importer has to state that they are safe.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.encoding import fixed_to_int
from fedtrust.crypto.paillier import MAXIMUM_BITS, CiphertextVector, PublicKey
from fedtrust.crypto.primes import is_safe_prime
from fedtrust.crypto.single_holder import SingleHolderKey
from fedtrust.errors import CiphertextError, ConfigurationError, KeyFileError

if TYPE_CHECKING:
    from phe.paillier import EncryptedNumber, PaillierPrivateKey, PaillierPublicKey

_KEY_TYPE, _ALGORITHM = "DAJ", "PAI-GN1"
_MAXIMUM_FILE_BYTES = 1 << 14
_NOT_SAFE = "decrypt with phe what is under this key; for new data, export a key made here to phe"


def _phe() -> Any:
    """Return ``phe.paillier``. Raises ConfigurationError where phe is not installed."""
    try:
        from phe import paillier
    except ImportError:
        raise ConfigurationError(
            "phe is not installed", expected="python-paillier 1.5 or newer", advice='pip install "fedtrust[phe]"'
        ) from None
    return paillier


# keys


def public_key_to_phe(key: PublicKey) -> PaillierPublicKey:
    """Return the same modulus as a public key of phe."""
    return _phe().PaillierPublicKey(int(key.n))


def public_key_from_phe(public: PaillierPublicKey, *, made_of_safe_primes: bool) -> PublicKey:
    """Return phe's public key as one to encrypt under here.

    Nobody can see from n how its primes were chosen, so the caller states that they are safe; whoever made the key with
    phe's own generator cannot. Raises ConfigurationError without that statement, or for a modulus that is even, a
    prime, a power, or of a size that is not admitted.
    """
    _require_instance(public, "PaillierPublicKey")
    n = mpz(public.n)
    if made_of_safe_primes is not True:
        raise ConfigurationError(
            "this public key must not be encrypted under here",
            expected="a modulus made of safe primes",
            got="phe's generator draws random primes",
            advice=_NOT_SAFE,
        )
    key = PublicKey(n)
    if gmpy2.is_prime(n) or gmpy2.is_power(n):
        raise ConfigurationError("modulus is a prime or a power", expected="the product of two primes")
    return key


def private_key_to_phe(key: SingleHolderKey) -> PaillierPrivateKey:
    """Return the same key as a private key of phe, which holds p and q in the clear."""
    return _phe().PaillierPrivateKey(public_key_to_phe(key.public_key), int(key.p), int(key.q))


def private_key_from_phe(private: PaillierPrivateKey) -> SingleHolderKey:
    """Return phe's private key as a single-holder key, if its primes are safe primes. Raises ConfigurationError."""
    _require_instance(private, "PaillierPrivateKey")
    return _single_holder(mpz(private.p), mpz(private.q))


def _single_holder(p: mpz, q: mpz) -> SingleHolderKey:
    admitted = max(p, q).bit_length() <= MAXIMUM_BITS  # no test of a number that would take for ever
    if admitted and gmpy2.is_prime(p) and gmpy2.is_prime(q) and not (is_safe_prime(p) and is_safe_prime(q)):
        raise ConfigurationError(
            "this key of phe is not made of safe primes, which our encryption needs",
            expected="p and (p - 1) / 2 both prime, q alike",
            got="phe's generator draws random primes",
            advice=_NOT_SAFE,
        )
    return SingleHolderKey(p, q)


# ciphertexts


def ciphertexts_to_phe(ciphertexts: CiphertextVector) -> list[EncryptedNumber]:
    """Return the ciphertexts as numbers of phe with exponent 0.

    What they hold are integers in [0, n), packed or not. phe's ``decrypt`` refuses those between n/3 and 2n/3, so
    packed ones are for ``raw_decrypt``.
    """
    number = _phe().EncryptedNumber
    public = public_key_to_phe(ciphertexts.key)
    return [number(public, int(value), exponent=0) for value in ciphertexts.values]


def ciphertexts_from_phe(key: PublicKey, numbers: Iterable[EncryptedNumber]) -> CiphertextVector:
    """Return numbers of phe as ciphertexts under ``key``, validated as any from outside.

    Only integers (exponent 0) have a meaning here. phe leaves sums with public numbers without fresh randomness until
    somebody asks for the ciphertext; we ask for it, so none comes out that shows what was added. Raises CiphertextError
    naming the index, or ConfigurationError for what is no number of phe.
    """
    values = []
    for index, number in enumerate(numbers):
        _require_instance(number, "EncryptedNumber")
        if number.public_key.n != key.n:
            raise CiphertextError(f"ciphertext {index} is under another key")
        if number.exponent != 0:
            raise CiphertextError(
                f"ciphertext {index} of phe is not an integer",
                expected="exponent 0",
                got=f"exponent {number.exponent}",
                advice="encrypt fixed-point integers, not floats",
            )
        values.append(mpz(number.ciphertext(be_secure=True)))
    return CiphertextVector(key, tuple(values))


def _require_instance(value: object, name: str) -> None:
    if not isinstance(value, getattr(_phe(), name)):
        raise ConfigurationError("not an object of phe", expected=f"phe.paillier.{name}", got=type(value).__name__)


# files of pheutil: JSON Web Keys, as phe/command_line.py writes them


def public_key_to_pheutil(key: PublicKey) -> bytes:
    """Return the file of ``pheutil extract``: a public key."""
    return _json(_public_part(key))


def private_key_to_pheutil(key: SingleHolderKey) -> bytes:
    """Return the file of ``pheutil genpkey``: p and q IN THE CLEAR, because pheutil reads nothing else."""
    return _json(
        {
            "kty": _KEY_TYPE,
            "key_ops": ["decrypt"],
            "p": _number(key.p),
            "q": _number(key.q),
            "pub": _public_part(key.public_key),
            "kid": "Paillier private key exported by fedtrust",
        }
    )


def private_key_from_pheutil(data: bytes, what: str = "the key file of pheutil") -> SingleHolderKey:
    """Read a private key of ``pheutil``, which needs no phe.

    Raises KeyFileError naming ``what`` for another file, ConfigurationError for a key that phe made.
    """
    error = KeyFileError(f"{what} is not a private key of pheutil", expected="what `pheutil genpkey` writes")
    try:
        fields = json.loads(data.decode("utf-8")) if len(data) <= _MAXIMUM_FILE_BYTES else None
        if not isinstance(fields, dict) or fields["kty"] != _KEY_TYPE or "decrypt" not in fields["key_ops"]:
            raise error
        p, q, n = (_integer(text) for text in (fields["p"], fields["q"], fields["pub"]["n"]))
        algorithm = fields["pub"]["alg"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise error from None
    if algorithm != _ALGORITHM or p * q != n:
        raise error
    return _single_holder(p, q)


def _public_part(key: PublicKey) -> dict[str, object]:
    return {
        "kty": _KEY_TYPE,
        "alg": _ALGORITHM,
        "key_ops": ["encrypt"],
        "n": _number(key.n),
        "kid": "Paillier public key exported by fedtrust",
    }


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _number(value: mpz) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")


def _integer(text: object) -> mpz:
    if not isinstance(text, str) or not text.isascii() or set(text) & set("+/="):
        raise ValueError("not base64url without padding")
    try:
        data = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    return fixed_to_int(data)
