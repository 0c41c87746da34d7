"""The procedure's table of contents: every check under its number, and what no check can establish.

Ids are stable; numbers are the order of the procedure. The code under each number is in ``federation`` (F),
``chain_facts`` (R1 to R8, R25), ``artifacts`` (R9 to R21), ``payouts`` (R22, R23), ``blame`` (R24) and ``disputes``
(R26, R27).
"""

from __future__ import annotations

from fedtrust.audit.checks import Check, Limitation

# The federation.
CONTRACT = Check("F1", "contract", "the contract is a Federation of the version this release speaks")
EVENT_LOG = Check("F2", "event-log", "the event log is in order, and rounds follow one another")
IDENTITIES = Check("F3", "identities", "the registered identities are those of the event log")
KEY_PUBLISHED = Check("F4", "key-published", "one key was published, before the first round")
KEY_MANIFEST = Check("F5", "key-manifest", "the key manifest is the published one and all its proofs hold")
TRUSTEES = Check("F6", "trustees", "the key's trustees are the registered trustees")
HEADS = Check("F7", "heads", "every ended round's head is the hash of its facts and of the head before it")
MODEL_CHAIN = Check("F8", "model-chain", "every round started from the model of the last finalised round that stands")
REWARDS = Check("F9", "rewards", "all that was paid in is in the pool, reserved, staked, a bond, claimable or claimed")
STAKES = Check("F10", "stakes", "what is staked is what identities have at stake, and bonds are of open disputes")
REPUTATION = Check("F11", "reputation", "the counters of every identity are what its rounds made them")
VERDICTS = Check("F12", "verdicts", "every voiding has its cause, and all of them lead to the running hash on chain")

# A round: what the chain says.
OPENING = Check("R1", "opening", "the round was opened by an aggregator, as the chain holds it")
ORDER = Check("R2", "order", "the phases came in order and led to the phase on chain")
DEADLINES = Check("R3", "deadlines", "every step was taken within its deadline")
COMMITMENTS = Check("R4", "commitments", "the commitments on chain are those of selected participants")
ACCEPTED = Check("R5", "accepted", "the accepted updates were committed, and are at least the quorum")
ATTESTATIONS = Check("R6", "attestations", "the attestations on chain are those of enough trustees")
OUTCOME = Check("R7", "outcome", "the result that the aggregator committed is the one the chain holds")
ABORT = Check("R8", "abort", "the round was aborted for the reason the chain holds, and left no result")

# A round: what the artifacts say.
SPEC = Check("R9", "spec", "the spec is the one committed on chain, and agrees with the chain in every field")
SELECTION = Check("R10", "selection", "the participants are the ones the beacon draws")
RESULT_RECORD = Check("R11", "result-record", "the result record is the one on chain, and names what the chain names")
BASE_MODEL = Check("R12", "base-model", "the base model is the one the round was opened with")
UPDATE = Check("R13", "update", "the update is the one committed, signed, and its sender knows what it encrypted")
PRODUCT = Check("R14", "product", "the aggregate on chain is the product of exactly the accepted updates")
AGGREGATE = Check("R15", "aggregate", "the stored aggregate is that product, byte for byte")
PARTIAL = Check("R16", "partial", "the partial decryption is the one the trustee attested, and its proof holds")
PLAINTEXTS = Check("R17", "plaintexts", "the opened sums are the ones committed on chain")
DECRYPTION_PROOF = Check("R18", "decryption-proof", "the opened sums are the decryption of the aggregate")
NEW_MODEL = Check("R19", "new-model", "the spec's rule on base model and opened sums gives the model on chain")
MODEL = Check("R20", "model", "the stored model is that model, byte for byte")
METRICS = Check("R21", "metrics", "the record's sample counts and metrics are the opened ones")
PAYOUTS = Check("R22", "payouts", "what was credited is what the payout rule says, to the wei")
PAYOUT_RECORD = Check("R23", "payout-record", "the payout record is the one that anyone computes")

# A round: who is blamed, who stepped in, and what was disputed.
BLAME = Check("R24", "blame", "every trustee that the record blames attested a partial decryption that is wrong")
TAKE_OVER = Check("R25", "take-over", "a standby took the round over after a missed deadline, in time and once")
DISPUTES = Check("R26", "disputes", "every dispute about the round was opened, decided and closed by the rules")
VERDICT = Check("R27", "verdict", "the round was voided for something that its facts and artifacts show")

FEDERATION_CHECKS = (
    CONTRACT,
    EVENT_LOG,
    IDENTITIES,
    KEY_PUBLISHED,
    KEY_MANIFEST,
    TRUSTEES,
    HEADS,
    MODEL_CHAIN,
    REWARDS,
    STAKES,
    REPUTATION,
    VERDICTS,
)
ROUND_CHECKS = (
    OPENING,
    ORDER,
    DEADLINES,
    COMMITMENTS,
    ACCEPTED,
    ATTESTATIONS,
    OUTCOME,
    ABORT,
    SPEC,
    SELECTION,
    RESULT_RECORD,
    BASE_MODEL,
    UPDATE,
    PRODUCT,
    AGGREGATE,
    PARTIAL,
    PLAINTEXTS,
    DECRYPTION_PROOF,
    NEW_MODEL,
    MODEL,
    METRICS,
    PAYOUTS,
    PAYOUT_RECORD,
    BLAME,
    TAKE_OVER,
    DISPUTES,
    VERDICT,
)

LIMITATIONS: tuple[Limitation, ...] = (
    Limitation(
        "that participants trained honestly, with the task's code and on real data",
        "updates are encrypted and training leaves no proof; only sums are opened",
    ),
    Limitation(
        "poisoned, backdoored or merely bad updates, and the quality of the data",
        "the proof of an update shows that its sender knows what it encrypted, not that the values are good",
    ),
    Limitation(
        "that sample counts and metrics are true",
        "each participant reports its own, under encryption; the audit checks their sums",
    ),
    Limitation(
        "that the dealer of the key ceremony forgot the key, and that no t trustees decrypted more than the aggregate",
        "a decryption in secret leaves no trace on chain or in artifacts",
    ),
    Limitation(
        "that uploads began only after the commit phase had closed",
        "uploads are not on chain; an honest participant's own program sees to it",
    ),
    Limitation(
        "why a committed update was left out of the sum",
        "whether it arrived in time is known to its sender and the aggregator only",
    ),
    Limitation(
        "that every trustee that attested sent a right partial decryption",
        "partials that were used are proven, and the blamed ones are wrong; nobody else sees what never reached the"
        " aggregator, or what it kept back",
    ),
    Limitation(
        "the signatures by which an equivocation or an omission was proven",
        "they are in the transaction and not in its events; the contract verified them",
    ),
    Limitation(
        "what disputes that were announced and never brought were about",
        "an announcement is a hash and nothing else",
    ),
    Limitation(
        "that the contract's balance covers what it owes",
        "a ledger reader sees what the contract counts, not what it holds; the counts were replayed from its events",
    ),
    Limitation(
        "that registered accounts are who they say, and are different organisations",
        "the operator registers identities; the chain holds accounts and certificates only",
    ),
    Limitation(
        "block hashes, timestamps, events and states as such",
        "they are read from one RPC endpoint and only checked against each other; use a node of your own",
    ),
    Limitation(
        "that the code at the contract's address is the published contract",
        "a ledger reader does not see bytecode; its rules were checked again here on every event",
    ),
)
"""What no audit of ledger and artifacts establishes; every report carries it."""
