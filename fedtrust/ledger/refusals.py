"""How a refusal by the contract is told to people: one error, the contract's own reason, and what to do."""

from __future__ import annotations

from fedtrust.errors import TransactionError

_ADVICE: dict[str, str] = {}

_DEFAULT_ADVICE = "check the round's phase and deadlines and the sender's role; nothing was written"


def format_reason(name: str, arguments: tuple[object, ...] | list[object]) -> str:
    """Return a contract error as text, for example ``RoundCommitClosed(3)``; bytes are shown as 0x hex."""
    return f"{name}({', '.join(_format(argument) for argument in arguments)})"


def refused(step: str, reason: str) -> TransactionError:
    """Return the error for a ``step`` that the contract refused with ``reason`` (see :func:`format_reason`)."""
    name = reason.split("(", 1)[0]
    return TransactionError(
        f"the contract refused {step}",
        expected="a transaction that the contract accepts",
        got=reason,
        advice=_ADVICE.get(name, _DEFAULT_ADVICE),
    )


def conflicting(step: str, expected: object, got: object) -> TransactionError:
    """Return the error for a ``step`` that was already taken with another content."""
    return TransactionError(
        f"{step} was already done with another content, and what is on chain never changes",
        expected=_format(expected),
        got=_format(got),
        advice="use the content that is on chain, or wait for the next round",
    )


def _format(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_format(item) for item in value) + ")"
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else str(value)
