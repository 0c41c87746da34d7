"""How a refusal by the contract is told to people: one error, the contract's own reason, and what to do."""

from __future__ import annotations

from typing import Final

from fedtrust.errors import TransactionError

_ADVICE: Final[dict[str, str]] = {
    "OwnableUnauthorizedAccount": "only the operator that owns the contract may do this; use its account",
    "ConfigInvalid": "correct that setting of the federation",
    "PredecessorStillRunning": "wait until the last round of the predecessor has ended",
    "PaymentWrong": "send exactly the stake, bond or amount; a token must not keep a part of a transfer",
    "ERC20InsufficientBalance": "get more of the federation's token first",
    "ERC20InsufficientAllowance": "run the step again: the allowance was used by another payment",
    "SafeERC20FailedOperation": "the token refused: check the balance, and that it is an ERC-20 token",
    "RewardTransferFailed": "the account refuses payments; it must be able to receive the chain's coin",
    "RewardNotExpired": "wait until the reward has expired",
    "IdentityAlreadyAdmitted": "an account has one role for ever; admit another account",
    "IdentityWrongRole": "the operator must admit this account for that role first",
    "IdentityWrongStatus": "look at its status: admitted first, then registered; left or revoked is for ever",
    "IdentityRoleFull": "the role has all the identities it can have",
    "IdentityZeroAccount": "give the account's address",
    "IdentityRoleMissing": "admit the account as participant, trustee or aggregator",
    "IdentityCertificateTaken": "make a new certificate for every account and every rotation",
    "IdentityCertificateLength": "use a DER certificate of 1 to 4096 bytes",
    "IdentitySealingKeyMissing": "trustees need an X25519 public key to receive their share",
    "IdentityIndexOutOfRange": "look the indices of that role up; nobody has this one",
    "IdentityUnknown": "check the account; it was never admitted",
    "IdentityBusy": "finish the round first, or keep the account and change only the certificate",
    "StakeHeld": "wait until the unbonding time is over",
    "ParticipantNotSuspended": "there is nothing to do: the participant can be drawn",
    "KeyMissing": "the operator must publish the committee's key before the first round",
    "KeyAlreadyPublished": "a federation has one key; deploy a new contract for another",
    "KeyInvalid": "the key needs at least as many trustees as its threshold and as are registered",
    "RoundWrongNumber": "rounds are opened one after the other; open the next number",
    "RoundStillRunning": "finish the last round, or abort it after its deadline",
    "RoundNotYourTurn": "the last round's aggregator has the first turn; wait until it is over",
    "RoundWrongPhase": "the round is in another phase; look at its state and wait or move on",
    "RoundInvalidSelection": "select the participants that are drawn, after the block in which the last round ended",
    "RoundInvalidQuorum": "choose a quorum from the federation's minimum to the number of selected participants",
    "RoundInvalidDeadlines": "deadlines must lie in the chain's future, one after the other, within the longest round",
    "RoundWrongBaseModel": "start from the contract's current model",
    "RoundWrongCiphertexts": "the number of ciphertexts must be the one that the round was opened with",
    "RoundDeadlinePassed": "too late for this round; take part in the next one",
    "RoundParticipantNotSelected": "this account takes no part in this round",
    "RoundInvalidSignature": "sign with the own key, for this chain, contract, round and the present epoch",
    "RoundCommitsStillOpen": "wait until all have committed, or for the commit deadline with a quorum",
    "RoundNotItsAggregator": "only the aggregator that runs the round may do this",
    "RoundNotTakeable": "a round is taken over once, shortly after its aggregate deadline was missed",
    "RoundInvalidAcceptedSet": "accept at least a quorum, and only participants that committed",
    "RoundAttestationsMissing": "wait until enough trustees have attested",
    "RoundZeroHash": "no hash may be zero",
    "RoundNotAbortable": "a round can be aborted only once its quorum or a deadline was missed",
    "RoundChallengeWindowOpen": "wait until the challenge window is over",
    "RoundsUnsettled": "settle or void earlier rounds first",
    "RoundAlreadyCommitted": "this participant's update for the round is on chain",
    "RoundAlreadyAttested": "this trustee has attested the round",
    "RoundDisputed": "wait until the disputes about the round are decided",
    "RoundBaseUndecided": "settle (or void) the round it builds on first",
    "DisputeNotAnnounced": "announce the dispute, and bring it in a later block",
    "DisputeTooLate": "the round cannot be disputed any more: its window is over, or it was voided",
    "DisputeNotOpen": "the dispute was decided, or is of another kind",
    "DisputeNotYours": "only its challenger goes on with a dispute; bring one of your own",
    "DisputeStillRunning": "wait until the dispute's deadline has passed",
    "DisputeExpired": "the dispute was not finished in time; it can only be ended",
    "DisputeIncomplete": "multiply the rest of the accepted updates first",
    "DisputeNoSuchLeaf": "name a ciphertext that the round has",
    "DisputeNotAccepted": "name a participant whose update was accepted",
    "DisputeNotOmitted": "there is nothing to dispute: the update was accepted, or never committed",
    "DisputeNotInForce": "who was not in force for that round cannot be convicted by these signatures",
    "DisputeNotMoot": "the round was not voided: finish the dispute, or wait for its deadline",
    "DisputeRightCount": "there is nothing to dispute: the root keeps as many ciphertexts as it must",
    "DisputeSameContent": "there is nothing to dispute: both say the same",
    "DisputeInvalidSignature": "check chain, contract, round, epoch and account of what was signed",
    "DisputeWrongCommitments": "give the round's commitments to the last one, as the events have them",
    "DisputeWrongModulus": "give n^2 of the published key, big-endian, of twice the bytes of n",
    "DisputeWrongProduct": "give the product of all that was multiplied so far, as long as n^2",
    "MerkleWrongRoot": "give the ciphertext and the path of the disputed leaf",
    "MerkleWrongPathLength": "give the path of the disputed leaf",
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
