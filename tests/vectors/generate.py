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
from eth_utils.crypto import keccak

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


def signer_of_case(i: int) -> tuple[bytes, str]:
    """A private key, and the contract that it signs for."""
    return digest(f"signer {i}"), str(Account.from_key(digest(f"contract {i}")).address)


def signed(i: int, chain_id: int, name: str, types: dict[str, str], message: dict[str, object]) -> dict[str, object]:
    """A case of typed data, signed by eth-account, an implementation of EIP-712 that is not ours."""
    private_key, contract = signer_of_case(i)
    account = Account.from_key(private_key)
    signable = encode_typed_data(
        domain_data={"name": "fedtrust", "version": "2", "chainId": chain_id, "verifyingContract": contract},
        message_types={name: [{"name": field, "type": kind} for field, kind in types.items()]},
        message_data=message,
    )
    signature = account.sign_message(signable)
    snake = {"specHash": "spec_hash", "proofHash": "proof_hash"}
    return {
        "chain_id": chain_id,
        "contract": contract,
        **{snake.get(k, k): text(v) if isinstance(v, bytes) else v for k, v in message.items()},
        "private_key": text(private_key),
        "account": account.address,
        "digest": text(bytes(signature.message_hash)),
        "signature": text(bytes(signature.signature)),
    }


def eip712_update() -> object:
    types = {
        "round": "uint256",
        "specHash": "bytes32",
        "epoch": "uint32",
        "root": "bytes32",
        "ciphertexts": "uint32",
        "proofHash": "bytes32",
    }
    cases = [
        signed(
            i,
            chain_id,
            "Update",
            types,
            {
                "round": i + 1,
                "specHash": digest(f"spec {i}"),
                "epoch": epoch,
                "root": digest(f"root {i}"),
                "ciphertexts": ciphertexts,
                "proofHash": digest(f"proof {i}"),
            },
        )
        for i, (chain_id, epoch, ciphertexts) in enumerate(
            ((31337, 1, 1), (1, 2, 685), (11155111, 2**32 - 1, 2**32 - 1))
        )
    ]
    # The first case at the top level as well, for readers that take one.
    return {**cases[0], "cases": cases}


def eip712_receipt() -> object:
    types = {
        "round": "uint256",
        "specHash": "bytes32",
        "epoch": "uint32",
        "participant": "address",
        "root": "bytes32",
    }
    cases = [
        signed(
            i,
            chain_id,
            "Receipt",
            types,
            {
                "round": i + 1,
                "specHash": digest(f"spec {i}"),
                "epoch": epoch,
                "participant": Account.from_key(digest(f"participant {i}")).address,
                "root": digest(f"root {i}"),
            },
        )
        for i, (chain_id, epoch) in enumerate(((31337, 1), (1, 2), (11155111, 2**32 - 1)))
    ]
    return {**cases[0], "cases": cases}


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def drawn(beacon: bytes, round: int, eligible: int, count: int) -> int:
    """IFederation.drawOf: the first steps of a Fisher-Yates shuffle of the eligible indices."""
    deck = [i for i in range(256) if eligible >> i & 1]
    if count == 0 or count >= len(deck):
        return eligible
    tag = keccak(text="fedtrust.draw.v2")
    for i in range(count):
        ticket = int.from_bytes(keccak(tag + beacon + word(round) + word(i)), "big")
        j = i + ticket % (len(deck) - i)
        deck[i], deck[j] = deck[j], deck[i]
    return sum(1 << i for i in deck[:count])


def draw_cases() -> object:
    everyone, sparse = 2**256 - 1, int.from_bytes(digest("sparse"), "big")
    wanted = [
        (1, 0b11, 0), (1, 0b11, 2), (2, 0b111, 2), (3, 0b1011, 1), (4, 2**10 - 1, 3), (5, 2**10 - 1, 9),
        (6, 2**10 - 1, 10), (7, 2**10 - 1, 11), (2**32 - 1, everyone, 10), (8, everyone, 255), (9, everyone, 256),
        (10, sparse, 1), (11, sparse, 50), (12, 1 << 255 | 1, 1), (13, 0, 0), (14, 0, 5), (2**40, sparse, 100),
    ]  # fmt: skip
    cases = []
    for i, (round, eligible, count) in enumerate(wanted):
        beacon = digest(f"beacon {i}") if i else bytes(32)
        cases.append(
            {
                "beacon": text(beacon),
                "round": str(round),
                "eligible": text(word(eligible)),
                "count": str(count),
                "selected": text(word(drawn(beacon, round, eligible, count))),
            }
        )
    return {"tag": "fedtrust.draw.v2", "cases": cases}


def address(label: str) -> str:
    return str(Account.from_key(digest(label)).address)


def place(account: str) -> bytes:
    """An address as a word of the standard ABI encoding."""
    return bytes(12) + bytes.fromhex(account[2:])


def heads() -> object:
    """Transcripts, aggregate hash, verdicts and heads of three rounds: settled, aborted, voided while it ran."""
    chain_id, contract, nobody = 31337, address("federation"), "0x" + 40 * "0"
    before, verdicts, rounds = bytes(32), bytes(32), []
    for number, ending in ((1, "FINALIZED"), (2, "ABORTED"), (3, "VOIDED")):
        aggregator = address(f"aggregator {number}")
        deadlines = [1_700_000_000 + 1000 * number + offset for offset in (0, 100, 200)]
        opened = {
            "aggregator": aggregator,
            "spec_hash": digest(f"spec {number}"),
            "base_model_hash": digest(f"base {number}"),
            "base_round": number - 1,
            "selected": 0b1011,
            "quorum": 2,
            "ciphertexts": 685,
            "deadlines": deadlines,
            "reward": 10**18 + number,
        }
        transcript = keccak(
            keccak(text="fedtrust.round.v2") + word(chain_id) + place(contract) + word(number) + before
            + place(aggregator) + digest(f"spec {number}") + digest(f"base {number}") + word(number - 1)
            + word(0b1011) + word(2) + word(685) + b"".join(map(word, deadlines)) + word(10**18 + number)
        )  # fmt: skip
        transcripts = [transcript]
        commitments, attestations = [], []
        for i in (0, 1, 3):
            commitment = (address(f"participant {i}"), digest(f"root {number} {i}"), digest(f"proof {number} {i}"))
            transcript = keccak(transcript + word(1) + place(commitment[0]) + commitment[1] + commitment[2])
            transcripts.append(transcript)
            commitments.append([commitment[0], text(commitment[1]), text(commitment[2])])
        accepted, root = (0b1001, digest(f"aggregate {number}")) if ending != "ABORTED" else (0, bytes(32))
        aggregate = keccak(transcript + word(accepted) + root) if accepted else bytes(32)
        for i in (0, 2) if accepted else ():
            attestation = (address(f"trustee {i}"), digest(f"partials {number} {i}"))
            transcript = keccak(transcript + word(2) + place(attestation[0]) + attestation[1] + bytes(32))
            transcripts.append(transcript)
            attestations.append([attestation[0], text(attestation[1])])
        hashes = [digest(f"{what} {number}") if ending == "FINALIZED" else bytes(32) for what in
                  ("plaintext", "decryption", "model", "result")]  # fmt: skip
        phase = {"FINALIZED": 4, "ABORTED": 6, "VOIDED": 7}[ending]
        reason = 2 if ending == "ABORTED" else 0
        offender, kind = (aggregator, 1) if ending == "VOIDED" else (nobody, 0)
        if ending == "VOIDED":
            verdicts = keccak(verdicts + word(number) + place(offender) + word(kind))
        head = keccak(
            keccak(text="fedtrust.head.v2") + transcript + word(phase) + word(reason) + place(aggregator)
            + aggregate + b"".join(hashes) + verdicts
        )  # fmt: skip
        rounds.append(
            {
                "round": number,
                "previous_head": text(before),
                **{key: text(value) if isinstance(value, bytes) else value for key, value in opened.items()},
                "commitments": commitments,
                "accepted": accepted,
                "aggregate_root": text(root),
                "aggregate_hash": text(aggregate),
                "attestations": attestations,
                "transcripts": [text(each) for each in transcripts],
                "phase": phase,
                "abort_reason": reason,
                "plaintext_hash": text(hashes[0]),
                "proof_hash": text(hashes[1]),
                "model_hash": text(hashes[2]),
                "result_hash": text(hashes[3]),
                "offender": offender,
                "kind": kind,
                "verdicts": text(verdicts),
                "head": text(head),
            }
        )
        before = head
    return {"chain_id": chain_id, "contract": contract, "rounds": rounds}


def documents() -> dict[str, str]:
    """All vector files by name."""
    made = {
        "merkle": merkle(),
        "paillier": paillier(),
        "partial_proof": partial_proof(),
        "packing": packing(),
        "eip712_update": eip712_update(),
        "eip712_receipt": eip712_receipt(),
        "draw": draw_cases(),
        "heads": heads(),
    }
    return {f"{name}.json": json.dumps(value, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, content in documents().items():
        (HERE / name).write_text(content)
