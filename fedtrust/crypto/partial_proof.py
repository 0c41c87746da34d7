"""Proof that a partial decryption is right, of constant size: a wrong one names its trustee.

Shoup: Practical threshold signatures, Eurocrypt 2000, section 2.2 (equality of discrete logarithms), batched over the
vector (DESIGN.md section 4). Trustee i holds sigma = D e_i; its partial of x_j = c_j mod n is x_ij = x_j^(2 sigma), its
verification key v_i = v^sigma. The claim: x_ij^2 = (x_j^4)^sigma for all j. With coefficients r_j of 128 bits from the
transcript, X = prod x_j^(4 r_j), Z = prod x_ij^(2 r_j); a = v^rho, b = X^rho, c of 128 bits from the transcript
continued over a and b, z = rho + c sigma. The proof is (c, z); a verifier recomputes a = v^z v_i^-c, b = X^z Z^-c.

Everything happens in the squares: squared first, then tested. Modulo a product of safe primes p = 2p' + 1, q = 2q' + 1
they are a cyclic group of order p'q', all of whose subgroups are longer than 2^128: the batch misses a false entry with
probability 2^-128, and for false logarithms at most one challenge in 2^128 has an answer. That v generates them, but
for a chance near 1/p' + 1/q', rests on its being a square hashed from n: nobody chose it. A partial counts only through
its square in the combination, so x_ij and -x_ij are equally right. (c, z) rather than (a, b, z): half the size, and no
group element comes from the prover, so none needs a test of membership.

Soundness of blame rests on safe primes and honest verification keys, that is on an honest dealer. Correctness of an
opened result does not: combination checks roots exactly, and the public proof of decryption trusts nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed
from fedtrust.crypto.manifest import MAXIMUM_TRUSTEES, KeyManifest, TrusteeKey
from fedtrust.crypto.paillier import CiphertextVector, PublicKey
from fedtrust.crypto.shamir import interpolate_exponents, lagrange_coefficients
from fedtrust.crypto.statements import DecryptionStatement, address_bytes
from fedtrust.crypto.threshold import KeyShare, PartialVector
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import ProofError

COEFFICIENT_BITS = 128
CHALLENGE_BITS = 128
STATISTICAL_BITS = 128
"""By how many bits the mask rho exceeds c sigma: z says nothing about sigma up to 2^-128."""

_MAGIC = b"FTPP"
_VERSION = 1
_CHALLENGE_BYTES = CHALLENGE_BITS // 8
_MAXIMUM_DELTA_BITS = int(gmpy2.fac(MAXIMUM_TRUSTEES)).bit_length()


class WrongPartialError(ProofError):
    """A partial decryption is not shown to be right, or is shown to be wrong; ``index`` and ``account`` are whose."""

    def __init__(self, message: str, trustee: TrusteeKey, **diagnostics: str) -> None:
        """Take the message, whose partial it is, and expected, got and advice."""
        super().__init__(f"partial decryption of trustee {trustee.index} ({trustee.account}): {message}", **diagnostics)
        self.index, self.account = trustee.index, trustee.account


@dataclass(frozen=True, slots=True)
class PartialProof:
    """The proof (c, z) under ``key``: a challenge of 128 bits and a non-negative integer. Raises ProofError."""

    key: PublicKey
    challenge: mpz
    response: mpz = field(repr=False)

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.challenge < 1 << CHALLENGE_BITS:
            raise ProofError("partial proof: challenge is out of range", expected=f"{CHALLENGE_BITS} bits")
        if self.response < 0 or self.response.bit_length() > 8 * _response_bytes(self.key):
            raise ProofError("partial proof: response is out of range", expected=f"{_response_bytes(self.key)} bytes")

    def to_bytes(self) -> bytes:
        """Return the proof file (``FTPP``): version, then c and z in fixed width; 452 bytes at 3072 bits."""
        return (
            _MAGIC
            + bytes([_VERSION])
            + int_to_fixed(self.challenge, _CHALLENGE_BYTES)
            + int_to_fixed(self.response, _response_bytes(self.key))
        )

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey) -> PartialProof:
        """Decode and range-check a proof file. Raises ProofError."""
        head = len(_MAGIC) + 1
        size = partial_proof_bytes(key)
        if len(data) != size or data[:head] != _MAGIC + bytes([_VERSION]):
            raise ProofError(
                f"not a partial proof of version {_VERSION} under this key",
                expected=f"{size} bytes that start with {_MAGIC.decode()}",
                got=f"{len(data)} bytes",
            )
        at = head + _CHALLENGE_BYTES
        return cls(key, fixed_to_int(data[head:at]), fixed_to_int(data[at:]))


def partial_proof_bytes(key: PublicKey) -> int:
    """Return the size of a proof file under ``key``."""
    return len(_MAGIC) + 1 + _CHALLENGE_BYTES + _response_bytes(key)


def _mask_bits(manifest: KeyManifest) -> int:
    """Return |rho| = |n| + |D| + 2 * 128: sigma has at most |n| + |D| bits, the challenge 128."""
    return manifest.public_key.bits + int(manifest.delta).bit_length() + CHALLENGE_BITS + STATISTICAL_BITS


def _response_bytes(key: PublicKey) -> int:
    """Return the fixed width of z: the mask of the largest committee, and one bit for the carry."""
    return (key.bits + _MAXIMUM_DELTA_BITS + CHALLENGE_BITS + STATISTICAL_BITS + 1 + 7) // 8


def _coefficients(
    manifest: KeyManifest,
    trustee: TrusteeKey,
    ciphertexts: CiphertextVector,
    partial: PartialVector,
    statement: DecryptionStatement,
) -> tuple[Transcript, list[mpz]]:
    """Return the transcript of the statement and the coefficients r_j that it gives."""
    key = manifest.public_key
    transcript = Transcript("proof of a partial decryption")
    transcript.absorb_int("n", key.n)
    transcript.absorb_bytes("key id", manifest.key_id)
    transcript.absorb_int("v", manifest.v)
    transcript.absorb_int("trustee", trustee.index)
    transcript.absorb_bytes("account", address_bytes(trustee.account, "trustee"))
    transcript.absorb_int("verification key", trustee.verification)
    statement.absorb_into(transcript)
    transcript.absorb_ints("ciphertexts", ciphertexts.values, key.ciphertext_bytes)
    transcript.absorb_ints("partials", partial.values, key.plaintext_bytes)
    return transcript, transcript.coefficients(len(ciphertexts), COEFFICIENT_BITS, "r")


def _challenge(transcript: Transcript, a: mpz, b: mpz) -> mpz:
    transcript.absorb_int("a", a)
    transcript.absorb_int("b", b)
    return transcript.coefficients(1, CHALLENGE_BITS, "challenge")[0]


def _combined_base(ciphertexts: CiphertextVector, coefficients: list[mpz]) -> mpz:
    """Return X = prod x_j^(4 r_j) mod n."""
    n = ciphertexts.key.n
    product = ARITHMETIC.multi_exponentiation([value % n for value in ciphertexts.values], coefficients, n)
    return product**4 % n


def _require_same_vector(
    manifest: KeyManifest, ciphertexts: CiphertextVector, partial: PartialVector, statement: DecryptionStatement
) -> None:
    """Raise ProofError unless everything is about one key and one aggregate."""
    if not manifest.public_key.n == ciphertexts.key.n == partial.key.n:
        raise ProofError("partial proof: ciphertexts or partial are under another key than the manifest's")
    if len(partial) != len(ciphertexts):
        raise ProofError(
            "partial proof: partial and ciphertexts have different lengths", expected=len(ciphertexts), got=len(partial)
        )
    root = ciphertexts.root()
    if root != statement.aggregate_root:
        raise ProofError(
            "partial proof is about another aggregate", expected=statement.aggregate_root.hex(), got=root.hex()
        )


def prove_partial(
    manifest: KeyManifest,
    share: KeyShare,
    ciphertexts: CiphertextVector,
    partial: PartialVector,
    statement: DecryptionStatement,
) -> PartialProof:
    """Return the proof that ``partial`` is what ``share`` gives for ``ciphertexts``, bound to ``statement``.

    One multi-exponentiation and two powers, whatever the length of the vector. Raises ProofError if the arguments do
    not belong together; whether the partial is right is for the verifier to find.
    """
    _require_same_vector(manifest, ciphertexts, partial, statement)
    trustee = manifest.trustee(share.index)
    if partial.index != share.index:
        raise ProofError("partial proof: the partial is of another share", expected=share.index, got=partial.index)
    transcript, coefficients = _coefficients(manifest, trustee, ciphertexts, partial, statement)
    rho = mpz(secrets.randbits(_mask_bits(manifest)))
    bases = [manifest.v, _combined_base(ciphertexts, coefficients)]
    a, b = ARITHMETIC.same_exponent_powers(bases, rho, manifest.public_key.n)
    challenge = _challenge(transcript, a, b)
    return PartialProof(manifest.public_key, challenge, rho + challenge * manifest.delta * share.value)


def verify_partial(
    manifest: KeyManifest,
    ciphertexts: CiphertextVector,
    partial: PartialVector,
    statement: DecryptionStatement,
    proof: PartialProof,
) -> None:
    """Check ``proof`` that ``partial`` is the one of its trustee for ``ciphertexts`` and ``statement``.

    ``manifest`` must have been verified. Raises WrongPartialError naming the trustee; ProofError or EncodingError
    where there is no trustee, or no aggregate, that it could be about.
    """
    # 1. One key, one aggregate, one trustee. That every value is a unit below n, the vectors' types have checked.
    _require_same_vector(manifest, ciphertexts, partial, statement)
    trustee = manifest.trustee(partial.index)
    if proof.key.n != manifest.public_key.n:
        raise WrongPartialError("its proof is under another key", trustee)
    # 2. z is no longer than an honest prover's can be (one bit for the carry of the sum).
    longest = _mask_bits(manifest) + 1
    if proof.response.bit_length() > longest:
        raise WrongPartialError(
            "the response of its proof is too long",
            trustee,
            expected=f"{longest} bits",
            got=f"{proof.response.bit_length()} bits",
        )
    # 3. a = v^z v_i^-c and b = X^z Z^-c give the challenge c again.
    transcript, coefficients = _coefficients(manifest, trustee, ciphertexts, partial, statement)
    n = manifest.public_key.n
    base = _combined_base(ciphertexts, coefficients)
    power = ARITHMETIC.multi_exponentiation(partial.values, coefficients, n) ** 2 % n
    a, b = ARITHMETIC.products(
        [
            ARITHMETIC.same_exponent_powers([manifest.v, base], proof.response, n),
            ARITHMETIC.same_exponent_powers([trustee.verification, power], -proof.challenge, n),
        ],
        n,
    )
    if _challenge(transcript, a, b) != proof.challenge:
        raise WrongPartialError(
            f"its proof for round {statement.round} does not hold",
            trustee,
            expected="the power by the share that the verification key fixes",
            advice="leave this partial out; any other threshold of trustees gives the result",
        )


def verify_partial_by_others(
    manifest: KeyManifest, partial: PartialVector, proven: Mapping[int, PartialVector]
) -> None:
    """Check ``partial`` against t partials of the same ciphertexts, by index, whose proofs hold.

    Anyone can do this to a partial that was attested, whatever proof came with it: so a trustee cannot hide behind a
    missing proof, and nobody can frame one by damaging its proof. The shares lie on one polynomial f of degree below
    t: D f(i) = sum L_k f(k), L_k the Lagrange coefficients at i times D = T!, so x_ij^(2 D) = prod x_kj^(2 L_k). D is
    coprime to the order of the squares, so only x_ij^2 satisfies this. Checked on one combination with secret weights
    of 128 bits. Raises WrongPartialError naming the trustee, ProofError if ``proven`` cannot decide.
    """
    trustee = manifest.trustee(partial.index)
    chosen = sorted(index for index in proven if index != partial.index)[: manifest.threshold]
    if len(chosen) < manifest.threshold:
        raise ProofError(
            f"too few proven partials to judge that of trustee {trustee.index}",
            expected=manifest.threshold,
            got=len(chosen),
        )
    n = manifest.public_key.n
    vectors = {partial.index: partial} | {index: proven[index] for index in chosen}
    if any(
        vector.index != index or vector.key.n != n or len(vector) != len(partial) for index, vector in vectors.items()
    ):
        raise ProofError("the proven partials are not of the same ciphertexts under this key")
    # 1. Z_k = prod_j x_kj^(2 r_j) for the trustee and the chosen ones.
    weights = [mpz(secrets.randbits(COEFFICIENT_BITS)) for _ in partial.values]
    combined = {k: [ARITHMETIC.multi_exponentiation(v.values, weights, n) ** 2 % n] for k, v in vectors.items()}
    # 2. Z_i^D = prod Z_k^(L_k): interpolation at i is that at zero with all indices moved by i.
    moved = lagrange_coefficients([k - partial.index for k in chosen], len(manifest.trustees))
    coefficients = {k: moved[k - partial.index] for k in chosen}
    expected = interpolate_exponents({k: combined[k] for k in chosen}, coefficients, n)[0]
    if gmpy2.powmod(combined[partial.index][0], manifest.delta, n) != expected:
        raise WrongPartialError(
            "it is wrong: it does not lie on the polynomial of the others",
            trustee,
            expected=f"what the proven partials of trustees {chosen} determine",
            advice="the trustee attested it on chain: the attestation and this partial are the evidence",
        )
