"""How a refusal by the contract is told to people: one error, the contract's own reason, and what to do."""

from __future__ import annotations

from typing import Final

from fedtrust.errors import TransactionError

_ADVICE: Final[dict[str, str]] = {
    "OwnableUnauthorizedAccount": "only the operator that owns the contract may do this; use its account",
    "IdentityWrongRole": "the operator must register this account for that role first",
    "IdentityInactive": "the operator revoked this account; ask the operator",
    "IdentityAlreadyRegistered": "an account keeps its role for ever; register another account",
    "IdentityCertificateTaken": "make a certificate of its own for every account",
    "IdentityCertificateLength": "use a DER certificate of 1 to 4096 bytes",
    "IdentitySealingKeyMissing": "trustees need an X25519 public key to receive their share",
    "IdentityUnknown": "check the account; it was never registered",
    "KeyMissing": "the operator must publish the committee's key before the first round",
    "KeyAlreadyPublished": "a federation has one key; deploy a new contract for another",
    "RoundWrongNumber": "rounds are opened one after the other; open the next number",
    "RoundStillRunning": "finish the last round, or abort it after its deadline",
    "RoundWrongPhase": "the round is in another phase; look at its state and wait or move on",
    "RoundInvalidSelection": "select registered participants that are not revoked",
    "RoundInvalidQuorum": "choose a quorum from 2 to the number of selected participants",
    "RoundInvalidDeadlines": "deadlines must lie in the future of the chain's clock, one after the other",
    "RoundWrongBaseModel": "start from the contract's current model",
    "RoundWrongCiphertexts": "the number of ciphertexts must be the one that the round was opened with",
    "RoundDeadlinePassed": "too late for this round; take part in the next one",
    "RoundParticipantNotSelected": "this account takes no part in this round",
    "RoundInvalidSignature": "sign with the participant's own key, for this chain, contract and round",
    "RoundCommitsStillOpen": "wait until all have committed, or for the commit deadline with a quorum",
    "RoundNotItsAggregator": "only the aggregator that opened the round may do this",
    "RoundInvalidAcceptedSet": "accept at least a quorum, and only participants that committed",
    "RoundAttestationsMissing": "wait until enough trustees have attested",
    "RoundNotAbortable": "a round can be aborted only once its quorum or a deadline was missed",
    "RoundChallengeWindowOpen": "wait until the challenge window is over",
}

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
