"""Writes the JSON vectors beside it, from the textbook formulas and from eth-account; imports nothing of fedtrust.

Run ``python tests/vectors/generate.py``; it is deterministic, and a test checks that the files are what it writes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_typed_data

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.crypto import textbook, textbook_partials  # noqa: E402
from tests.fixtures.keys import test_primes  # noqa: E402


def draw(label: str, bits: int) -> int:
    """A reproducible number of at most ``bits`` bits."""
    return int.from_bytes(hashlib.shake_256(label.encode()).digest(bits // 8), "big")


def digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def text(data: bytes) -> str:
    return "0x" + data.hex()


def merkle() -> object:
    cases = []
    for count in (1, 2, 3, 4, 5, 6, 7, 8, 13, 33):
        leaves = [digest(f"leaf {i}")[: 1 + i % 32] for i in range(count)]
        paths = [[text(node) for node in textbook.merkle_path(leaves, i)] for i in range(count)]
        cases.append({"leaves": [text(x) for x in leaves], "root": text(textbook.merkle_root(leaves)), "paths": paths})
    return {"hash": "keccak-256", "tags": {"leaf": "0x00", "node": "0x01", "root": "0x02"}, "cases": cases}


def paillier() -> object:
    p, q = test_primes(2048)
    n = p * q
    contract, participant = digest("contract")[:20], digest("participant")[:20]
    plaintexts = [draw(f"plaintext {j}", 1984) for j in range(4)]
    exponents = [draw(f"exponent {j}", 1024) for j in range(4)]
    ciphertexts = [textbook.encrypt(n, m, a) for m, a in zip(plaintexts, exponents, strict=True)]
    update = {
        "chain id": 31337,
        "contract": contract,
        "round": 7,
        "spec hash": digest("spec"),
        "participant": participant,
    }
    mask, z, s = textbook.plaintext_proof(n, plaintexts, exponents, update, draw("y", 2040), draw("b", 1216))
    aggregate_root = textbook.merkle_root([c.to_bytes(512, "big") for c in ciphertexts])
    decryption = {key: update[key] for key in ("chain id", "contract", "round", "spec hash")}
    decryption["aggregate root"] = aggregate_root
    return {
        "n": hex(n),
        "h": hex(textbook.generator(n)),
        "plaintexts": [hex(x) for x in plaintexts],
        "exponents": [hex(x) for x in exponents],
        "ciphertexts": [hex(x) for x in ciphertexts],
        "root": text(aggregate_root),
        "statement": {
            "chain_id": 31337,
            "contract": text(contract),
            "round": 7,
            "spec_hash": text(digest("spec")),
            "participant": text(participant),
        },
        "plaintext_proof": {"mask": hex(mask), "z": hex(z), "s": hex(s)},
        "decryption_proof": [hex(x) for x in textbook.decryption_proof(p, q, ciphertexts, plaintexts, decryption)],
        "key_proof": [hex(x) for x in textbook.key_proof(p, q)],
    }


def partial_proof() -> object:
    p, q = test_primes(2048)
    n = p * q
    accounts = [Account.from_key(digest(f"trustee {i}")).address for i in range(1, 4)]
    sealing_keys = [digest(f"sealing key {i}") for i in range(1, 4)]
    committee = textbook_partials.Committee(p, q, 3, [draw("polynomial", 2000)], accounts, sealing_keys)
    ciphertexts = [textbook.encrypt(n, draw(f"sum {j}", 1984), draw(f"randomness {j}", 1024)) for j in range(3)]
    contract = digest("contract")[:20]
    statement = {
        "chain id": 31337,
        "contract": contract,
        "round": 7,
        "spec hash": digest("spec"),
        "aggregate root": textbook.merkle_root([c.to_bytes(512, "big") for c in ciphertexts]),
    }
    trustees = []
    for i in range(1, 4):
        rho = draw(f"rho {i}", 2304)
        challenge, response = textbook_partials.partial_proof(committee, i, ciphertexts, statement, rho)
        trustees.append(
            {
                "index": i,
                "share": hex(committee.share(i)),
                "partials": [hex(x) for x in committee.partials(i, ciphertexts)],
                "rho": hex(rho),
                "challenge": hex(challenge),
                "response": hex(response),
            }
        )
    return {
        "manifest": json.loads(committee.manifest()),
        "key_id": text(hashlib.sha256(committee.manifest()).digest()),
        "ciphertexts": [hex(c) for c in ciphertexts],
        "statement": {
            "chain_id": 31337,
            "contract": text(contract),
            "round": 7,
            "spec_hash": text(digest("spec")),
            "aggregate_root": text(statement["aggregate root"]),
        },
        "trustees": trustees,
    }


def packing() -> object:
    cases = []
    for width, value_bits, weight_bits, participants, guard in ((21, 16, 0, 10, 1), (34, 16, 10, 64, 2)):
        slots = (2048 - 64) // width
        bound = (1 << value_bits - 1) - 1
        values = [draw(f"value {width} {i}", 64) % (2 * bound + 1) - bound for i in range(slots + 5)]
        p, q = test_primes(2048)
        cases.append(
            {
                "layout": {
                    "value_bits": value_bits,
                    "weight_bits": weight_bits,
                    "max_participants": participants,
                    "noise_bits": 0,
                    "guard_bits": guard,
                },
                "slot_width": width,
                "slots": slots,
                "values": values,
                "plaintexts": [hex(x) for x in textbook.pack(width, slots, p * q, values)],
            }
        )
    return {"key_bits": 2048, "cases": cases}


def eip712_update() -> object:
    """Signed by eth-account, an implementation of EIP-712 that is not ours."""
    cases = []
    for i, (chain_id, ciphertexts) in enumerate(((31337, 1), (1, 685), (11155111, 2**32 - 1))):
        private_key = digest(f"signer {i}")
        account = Account.from_key(private_key)
        contract = Account.from_key(digest(f"contract {i}")).address
        message = {
            "round": i + 1,
            "specHash": digest(f"spec {i}"),
            "root": digest(f"root {i}"),
            "ciphertexts": ciphertexts,
            "proofHash": digest(f"proof {i}"),
        }
        signable = encode_typed_data(
            domain_data={"name": "fedtrust", "version": "1", "chainId": chain_id, "verifyingContract": contract},
            message_types={
                "Update": [
                    {"name": "round", "type": "uint256"},
                    {"name": "specHash", "type": "bytes32"},
                    {"name": "root", "type": "bytes32"},
                    {"name": "ciphertexts", "type": "uint32"},
                    {"name": "proofHash", "type": "bytes32"},
                ]
            },
            message_data=message,
        )
        signed = account.sign_message(signable)
        cases.append(
            {
                "chain_id": chain_id,
                "contract": contract,
                "round": i + 1,
                "spec_hash": text(message["specHash"]),
                "root": text(message["root"]),
                "ciphertexts": ciphertexts,
                "proof_hash": text(message["proofHash"]),
                "private_key": text(private_key),
                "account": account.address,
                "digest": text(bytes(signed.message_hash)),
                "signature": text(bytes(signed.signature)),
            }
        )
    # The first case at the top level as well, for readers that take one.
    return {**cases[0], "cases": cases}


def documents() -> dict[str, str]:
    """All vector files by name."""
    made = {
        "merkle": merkle(),
        "paillier": paillier(),
        "partial_proof": partial_proof(),
        "packing": packing(),
        "eip712_update": eip712_update(),
    }
    return {f"{name}.json": json.dumps(value, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, content in documents().items():
        (HERE / name).write_text(content)
