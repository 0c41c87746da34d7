"""Transcripts, heads and verdicts against vectors made without this package."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedtrust.crypto.encoding import from_hex
from fedtrust.errors import RoundError
from fedtrust.ledger.events import RoundOpened
from fedtrust.ledger.heads import (
    aggregate_hash,
    attestation_transcript,
    commitment_transcript,
    opening_transcript,
    round_head,
    verdicts_hash,
)
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    DisputeKind,
    Phase,
    RoundState,
)
from tests.crypto.crypto_fixtures import load_vectors

VECTORS = load_vectors("heads")
ROUNDS = VECTORS["rounds"]
CHAIN, CONTRACT = VECTORS["chain_id"], Address(VECTORS["contract"])


def raw(value: str) -> bytes:
    return from_hex(value, 32, "vector")


def state_of(case: dict[str, Any]) -> RoundState:
    return RoundState(
        number=case["round"],
        phase=Phase(case["phase"]),
        abort_reason=AbortReason(case["abort_reason"]),
        quorum=case["quorum"],
        ciphertexts=case["ciphertexts"],
        base_round=case["base_round"],
        aggregator=Address(case["aggregator"]),
        deadlines=Deadlines(*case["deadlines"]),
        challenge_end=0,
        reward=case["reward"],
        taken_over=False,
        selected=case["selected"],
        committed=case["selected"],
        accepted=case["accepted"],
        attested=0b101,
        spec_hash=raw(case["spec_hash"]),
        base_model_hash=raw(case["base_model_hash"]),
        transcript=raw(case["transcripts"][-1]),
        aggregate_hash=raw(case["aggregate_hash"]),
        aggregate_root=raw(case["aggregate_root"]),
        plaintext_hash=raw(case["plaintext_hash"]),
        proof_hash=raw(case["proof_hash"]),
        model_hash=raw(case["model_hash"]),
        result_hash=raw(case["result_hash"]),
        head=raw(case["head"]),
    )


def opened_of(case: dict[str, Any]) -> RoundOpened:
    return RoundOpened(
        block=1,
        log_index=0,
        timestamp=1,
        transaction=ZERO_HASH,
        round=case["round"],
        aggregator=Address(case["aggregator"]),
        spec_hash=raw(case["spec_hash"]),
        base_model_hash=raw(case["base_model_hash"]),
        selected=case["selected"],
        quorum=case["quorum"],
        ciphertexts=case["ciphertexts"],
        base_round=case["base_round"],
        deadlines=Deadlines(*case["deadlines"]),
        reward=case["reward"],
    )


@pytest.mark.parametrize("case", ROUNDS, ids=lambda case: Phase(case["phase"]).name)
def test_transcripts(case: dict[str, Any]) -> None:
    expected = [raw(each) for each in case["transcripts"]]
    transcript = opening_transcript(CHAIN, CONTRACT, raw(case["previous_head"]), state_of(case))
    assert transcript == opening_transcript(CHAIN, CONTRACT, raw(case["previous_head"]), opened_of(case))
    found = [transcript]
    for participant, root, proof_hash in case["commitments"]:
        found.append(commitment_transcript(found[-1], Address(participant), raw(root), raw(proof_hash)))
    if case["accepted"]:
        aggregate = aggregate_hash(found[-1], case["accepted"], raw(case["aggregate_root"]))
        assert aggregate == raw(case["aggregate_hash"])
    for trustee, partial_root in case["attestations"]:
        found.append(attestation_transcript(found[-1], Address(trustee), raw(partial_root)))
    assert found == expected


@pytest.mark.parametrize("case", ROUNDS, ids=lambda case: Phase(case["phase"]).name)
def test_heads(case: dict[str, Any]) -> None:
    state = state_of(case)
    given = {"transcript": state.transcript, "verdicts": raw(case["verdicts"])}
    assert round_head(state, **given) == state.head
    if state.phase is Phase.FINALIZED:
        assert round_head(replace(state, phase=Phase.SETTLED), **given) == state.head
        assert round_head(replace(state, phase=Phase.VOIDED), **given) == state.head
    else:
        assert round_head(replace(state, phase=Phase.FINALIZED), **given) != state.head


def test_verdicts_are_chained() -> None:
    case = ROUNDS[2]
    kind = DisputeKind(case["kind"])
    first = verdicts_hash(ZERO_HASH, case["round"], Address(case["offender"]), kind)
    assert first == raw(case["verdicts"])
    assert verdicts_hash(first, case["round"], Address(case["offender"]), kind) != first


def test_a_round_taken_over_needs_its_opening() -> None:
    taken = replace(state_of(ROUNDS[0]), taken_over=True)
    with pytest.raises(RoundError):
        opening_transcript(CHAIN, CONTRACT, ZERO_HASH, taken)
