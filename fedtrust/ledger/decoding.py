"""Logs, revert data and structs of the contracts as values of this package, by their ABIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from fedtrust.errors import LedgerError
from fedtrust.ledger import events as ev
from fedtrust.ledger.artifacts import TOKEN_ABI, disputes_artifact, federation_artifact
from fedtrust.ledger.refusals import format_reason
from fedtrust.ledger.types import (
    ZERO_HASH,
    AbortReason,
    Address,
    Deadlines,
    Dispute,
    DisputeKind,
    DisputeOutcome,
    PayoutRule,
    Phase,
    Role,
    RoundState,
)

_Kind = TypeVar("_Kind", Phase, AbortReason, DisputeKind, DisputeOutcome, PayoutRule)

NO_REASON: Final = "reverted without a reason"

# Event fields and dataclass fields have the same order; only these need more than the ABI's own type.
_EVENT_TYPES: Final[dict[str, Callable[..., ev.LedgerEvent]]] = {
    "IdentityAdmitted": ev.IdentityAdmitted,
    "IdentityRegistered": ev.IdentityRegistered,
    "IdentityRotated": ev.IdentityRotated,
    "IdentityLeaving": ev.IdentityLeaving,
    "IdentityRevoked": ev.IdentityRevoked,
    "IdentitySlashed": ev.IdentitySlashed,
    "StakeReleased": ev.StakeReleased,
    "ParticipantSuspended": ev.ParticipantSuspended,
    "ParticipantResumed": ev.ParticipantResumed,
    "KeyPublished": ev.KeyPublished,
    "RewardsFunded": ev.RewardsFunded,
    "RewardClaimed": ev.RewardClaimed,
    "RewardExpired": ev.RewardExpired,
    "DepositCredited": ev.DepositCredited,
    "RoundOpened": ev.RoundOpened,
    "UpdateCommitted": ev.UpdateCommitted,
    "CommitsClosed": ev.CommitsClosed,
    "RoundTakenOver": ev.RoundTakenOver,
    "AggregateCommitted": ev.AggregateCommitted,
    "Attested": ev.Attested,
    "RoundFinalized": ev.RoundFinalized,
    "RoundAborted": ev.RoundAborted,
    "RoundVoided": ev.RoundVoided,
    "RewardCredited": ev.RewardCredited,
    "RoundSettled": ev.RoundSettled,
    "DisputeAnnounced": ev.DisputeAnnounced,
    "AggregateChallenged": ev.AggregateChallenged,
    "AvailabilityChallenged": ev.AvailabilityChallenged,
    "CiphertextRevealed": ev.CiphertextRevealed,
    "DisputeDecided": ev.DisputeDecided,
}
_CONVERSIONS: Final[dict[str, Callable[[Any], object]]] = {
    "enum IFederation.Role": Role,
    "enum IFederation.AbortReason": AbortReason,
    "enum IDisputes.Kind": DisputeKind,
    "enum IDisputes.Outcome": DisputeOutcome,
    "struct IFederation.Deadlines": lambda value: Deadlines(*value),
}


def decode_log(
    topics: Sequence[bytes],
    data: bytes,
    *,
    block: int,
    log_index: int,
    timestamp: int,
    transaction: bytes,
) -> ev.LedgerEvent | None:
    """Return the event of one log of a contract, or None for events that are none of ours (ownership).

    Raises LedgerError if the log does not fit the ABI.
    """
    entry = _events_by_topic().get(bytes(topics[0])) if topics else None
    if entry is None:
        return None
    inputs = entry["inputs"]
    indexed = [each for each in inputs if each["indexed"]]
    plain = [each for each in inputs if not each["indexed"]]
    try:
        words = [decode([_type(each)], bytes(topic))[0] for each, topic in zip(indexed, topics[1:], strict=True)]
        values = dict(zip((each["name"] for each in indexed), words, strict=True))
        rest = decode([_type(each) for each in plain], bytes(data))
        values.update(zip((each["name"] for each in plain), rest, strict=True))
        fields = [_convert(each, values[each["name"]]) for each in inputs]
    except (DecodingError, ValueError, OverflowError) as error:
        raise LedgerError(
            f"a {entry['name']} log in block {block} does not fit the contract's ABI",
            got=type(error).__name__,
            advice="the RPC endpoint altered it, or the contract is of another version",
        ) from error
    return _EVENT_TYPES[entry["name"]](block, log_index, timestamp, transaction, *fields)


def decode_revert(data: bytes) -> str:
    """Return what a revert says, for example ``RoundStillRunning(3)``; never raises."""
    selector, arguments = data[:4], data[4:]
    entry = _errors_by_selector().get(selector)
    if entry is None:
        return NO_REASON if not data else f"unknown error 0x{data[:36].hex()}"
    try:
        values = decode([_type(each) for each in entry["inputs"]], arguments)
    except (DecodingError, ValueError, OverflowError):
        return f"{entry['name']}(?)"
    converted = [_plain(each, value) for each, value in zip(entry["inputs"], values, strict=True)]
    return format_reason(entry["name"], converted)


def stored_round(number: int, values: Sequence[Any]) -> RoundState:
    """Return the contract's ``Round`` struct, as web3 decodes it; what it does not store is zero.

    Raises LedgerError for a phase or an abort reason that this version does not have.
    """
    phase, reason, quorum, ciphertexts, base_round, aggregator, commit, aggregate, finalize, *rest = values
    challenge_end, reward, taken_over, selected, committed, accepted, attested, *hashes = rest
    spec_hash, transcript, aggregate_hash, model_hash, head = (bytes(value) for value in hashes)
    return RoundState(
        number=number,
        phase=stored_kind(Phase, phase, f"round {number}"),
        abort_reason=stored_kind(AbortReason, reason, f"round {number}"),
        quorum=quorum,
        ciphertexts=ciphertexts,
        base_round=base_round,
        aggregator=Address(to_checksum_address(aggregator)),
        deadlines=Deadlines(commit, aggregate, finalize),
        challenge_end=challenge_end,
        reward=reward,
        taken_over=taken_over,
        selected=selected,
        committed=committed,
        accepted=accepted,
        attested=attested,
        spec_hash=spec_hash,
        base_model_hash=ZERO_HASH,
        transcript=transcript,
        aggregate_hash=aggregate_hash,
        aggregate_root=ZERO_HASH,
        plaintext_hash=ZERO_HASH,
        proof_hash=ZERO_HASH,
        model_hash=model_hash,
        result_hash=ZERO_HASH,
        head=head,
    )


def stored_dispute(number: int, values: Sequence[Any]) -> Dispute:
    """Return the contract's ``Dispute`` struct, as web3 decodes it. Raises LedgerError as :func:`stored_round`."""
    kind, outcome, round, leaf, counted, deadline, challenger, transcript, product_hash = values
    return Dispute(
        number=number,
        kind=stored_kind(DisputeKind, kind, f"dispute {number}"),
        outcome=stored_kind(DisputeOutcome, outcome, f"dispute {number}"),
        round=round,
        leaf=leaf,
        counted=counted,
        deadline=deadline,
        challenger=Address(to_checksum_address(challenger)),
        transcript=bytes(transcript),
        product_hash=bytes(product_hash),
    )


def stored_kind(kind: type[_Kind], value: int, what: str) -> _Kind:
    """Return an enum's member by the number that the contract stores. Raises LedgerError for one not known here."""
    try:
        return kind(value)
    except ValueError as error:
        raise LedgerError(
            f"{what} on chain is in a state that this version does not know",
            got=error,
            advice="the RPC endpoint altered it, or the contract is of another version",
        ) from error


def revert_data(error: object) -> bytes | None:
    """Return the revert data in a JSON-RPC error object, or None if it is not about a revert.

    Nodes disagree on the place: ``data`` is hex (Geth, Anvil) or an object that holds it (Hardhat).
    """
    if not isinstance(error, Mapping):
        return None
    data = error.get("data")
    while isinstance(data, Mapping):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return None
    return b"" if "revert" in str(error.get("message", "")).lower() else None


def _type(entry: Mapping[str, Any]) -> str:
    if entry["type"] != "tuple":
        return str(entry["type"])
    return "(" + ",".join(_type(each) for each in entry["components"]) + ")"


def _plain(entry: Mapping[str, Any], value: Any) -> object:
    return to_checksum_address(value) if entry["type"] == "address" else value


def _convert(entry: Mapping[str, Any], value: Any) -> object:
    conversion = _CONVERSIONS.get(entry.get("internalType", ""))
    return _plain(entry, value) if conversion is None else conversion(value)


@cache
def _events_by_topic() -> dict[bytes, Any]:
    entries: list[Any] = [each for each in _abis() if each["type"] == "event" and each["name"] in _EVENT_TYPES]
    return {keccak(text=abi_to_signature(each)): each for each in entries}


@cache
def _errors_by_selector() -> dict[bytes, Any]:
    builtin = [
        {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
        {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
    ]
    entries: list[Any] = [each for each in (*_abis(), *TOKEN_ABI) if each["type"] == "error"]
    return {keccak(text=abi_to_signature(each))[:4]: each for each in [*entries, *builtin]}


def _abis() -> tuple[dict[str, Any], ...]:
    return (*federation_artifact().abi, *disputes_artifact().abi)
