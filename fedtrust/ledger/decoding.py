"""Logs, revert data and structs of the contract as values of this package, by its ABI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from fedtrust.errors import LedgerError
from fedtrust.ledger import events as ev
from fedtrust.ledger.artifacts import federation_artifact
from fedtrust.ledger.refusals import format_reason
from fedtrust.ledger.types import AbortReason, Address, Deadlines, Phase, Role, RoundState

NO_REASON: Final = "reverted without a reason"

# Event fields and dataclass fields have the same order; only these need more than the ABI's own type.
_EVENT_TYPES: Final[dict[str, Callable[..., ev.LedgerEvent]]] = {
    "IdentityRegistered": ev.IdentityRegistered,
    "IdentityRevoked": ev.IdentityRevoked,
    "KeyPublished": ev.KeyPublished,
    "RewardsFunded": ev.RewardsFunded,
    "RoundOpened": ev.RoundOpened,
    "UpdateCommitted": ev.UpdateCommitted,
    "CommitsClosed": ev.CommitsClosed,
    "AggregateCommitted": ev.AggregateCommitted,
    "Attested": ev.Attested,
    "RoundFinalized": ev.RoundFinalized,
    "RoundAborted": ev.RoundAborted,
    "RewardCredited": ev.RewardCredited,
    "RoundSettled": ev.RoundSettled,
    "RewardClaimed": ev.RewardClaimed,
}
_CONVERSIONS: Final[dict[str, Callable[[Any], object]]] = {
    "enum IFederation.Role": Role,
    "enum IFederation.AbortReason": AbortReason,
    "enum IFederation.Phase": Phase,
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
    """Return the event of one log of the contract, or None for events that are none of ours (ownership).

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


def round_state(number: int, values: Sequence[Any]) -> RoundState:
    """Return the contract's ``Round`` struct, as web3 decodes it, as a RoundState.

    Raises LedgerError for a phase or an abort reason that this version does not have.
    """
    phase, aggregator, deadlines, *middle, challenge_end, reward, abort_reason = values
    try:
        enums = Phase(phase), AbortReason(abort_reason)
    except ValueError as error:
        raise LedgerError(
            f"round {number} on chain is in a state that this version does not know",
            got=error,
            advice="the RPC endpoint altered it, or the contract is of another version",
        ) from error
    fields: list[Any] = [
        number,
        enums[0],
        Address(to_checksum_address(aggregator)),
        Deadlines(*deadlines),
        *(bytes(value) if isinstance(value, bytes) else value for value in middle),
        challenge_end,
        reward,
        enums[1],
    ]
    return RoundState(*fields)


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
    entries: list[Any] = [each for each in federation_artifact().abi if each["type"] == "event"]
    return {keccak(text=abi_to_signature(each)): each for each in entries if each["name"] in _EVENT_TYPES}


@cache
def _errors_by_selector() -> dict[bytes, Any]:
    builtin = [
        {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
        {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
    ]
    entries: list[Any] = [each for each in federation_artifact().abi if each["type"] == "error"]
    return {keccak(text=abi_to_signature(each))[:4]: each for each in [*entries, *builtin]}
