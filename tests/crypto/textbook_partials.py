"""The partial decryption and its proof written down a second time, on Python integers, beside :mod:`textbook`."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from tests.crypto.textbook import Transcript, generator


def number(n: int, value: int) -> str:
    return "0x" + value.to_bytes(n.bit_length() // 8, "big").hex()


@dataclass
class Committee:
    """A committee of ``count`` trustees, ``coefficients`` being the polynomial's above the constant term."""

    p: int
    q: int
    count: int
    coefficients: list[int]
    accounts: list[str]
    sealing_keys: list[bytes]

    @property
    def n(self) -> int:
        return self.p * self.q

    @property
    def delta(self) -> int:
        return math.factorial(self.count)

    @property
    def v(self) -> int:
        t = Transcript("Shoup verification base")
        t.int("n", self.n)
        return t.residues(1, self.n, "x")[0] ** 2 % self.n

    def share(self, index: int) -> int:
        """e_i = f(i) mod p'q', f(0) = 1/n."""
        order = (self.p - 1) // 2 * ((self.q - 1) // 2)
        powers = [pow(self.n, -1, order), *self.coefficients]
        return sum(c * index**k for k, c in enumerate(powers)) % order

    def verification(self, index: int) -> int:
        return pow(self.v, self.delta * self.share(index), self.n)

    def manifest(self) -> bytes:
        """The manifest's JSON without a key proof: enough to name the key."""
        value = {
            "format": "fedtrust.key-manifest",
            "version": 2,
            "n": number(self.n, self.n),
            "h": number(self.n, generator(self.n)),
            "v": number(self.n, self.v),
            "threshold": len(self.coefficients) + 1,
            "trustees": [
                {
                    "index": i,
                    "account": self.accounts[i - 1],
                    "sealing_key": "0x" + self.sealing_keys[i - 1].hex(),
                    "verification": number(self.n, self.verification(i)),
                }
                for i in range(1, self.count + 1)
            ],
            "key_proof": [],
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def partials(self, index: int, ciphertexts: list[int]) -> list[int]:
        return [pow(c % self.n, 2 * self.delta * self.share(index), self.n) for c in ciphertexts]


def partial_proof(
    committee: Committee, index: int, ciphertexts: list[int], statement: dict[str, object], rho: int
) -> tuple[int, int]:
    """(c, z), each power of the claim taken by itself."""
    n, v, sigma = committee.n, committee.v, committee.delta * committee.share(index)
    partials = committee.partials(index, ciphertexts)
    t = Transcript("proof of a partial decryption")
    t.int("n", n)
    t.bytes("key id", hashlib.sha256(committee.manifest()).digest())
    t.int("v", v)
    t.int("trustee", index)
    t.bytes("account", bytes.fromhex(committee.accounts[index - 1][2:]))
    t.int("verification key", committee.verification(index))
    for label, value in statement.items():
        if isinstance(value, int):
            t.int(label, value)
        else:
            t.bytes(label, value)  # type: ignore[arg-type]
    t.ints("ciphertexts", ciphertexts, n.bit_length() // 4)
    t.ints("partials", partials, n.bit_length() // 8)
    r = t.coefficients(len(ciphertexts), 128, "r")
    x = math.prod(pow(c, 4 * k, n) for c, k in zip(ciphertexts, r, strict=True)) % n
    z = math.prod(pow(y, 2 * k, n) for y, k in zip(partials, r, strict=True)) % n
    assert pow(x, sigma, n) == z
    t.int("a", pow(v, rho, n))
    t.int("b", pow(x, rho, n))
    challenge = t.coefficients(1, 128, "challenge")[0]
    return challenge, rho + challenge * sigma
