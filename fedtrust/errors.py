"""The one family of errors, and the exit codes of every command.

Every error a user can cause says what was expected, what was found and what to do about it. The exit codes are
part of the public interface (documented in ``docs/reference/exit-codes.md``) and never change their meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the ``fedtrust`` command."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    AUDIT_FAILED = 10
    RPC_UNREACHABLE = 20
    WRONG_CHAIN = 21
    CONTRACT_MISSING = 22
    CONTRACT_VERSION = 23
    TRANSACTION_FAILED = 24
    PORT_TAKEN = 30
    PEER_UNREACHABLE = 31
    CERTIFICATE_MISMATCH = 32
    PEER_REFUSED = 33
    KEY_FILE = 40
    PASSPHRASE = 41
    IDENTITY = 42
    MODEL = 50
    UPDATE = 51
    CIPHERTEXT = 52
    PROOF = 53
    ARTIFACT = 54
    SPEC = 55
    ROUND = 60
    CONFIGURATION = 70
    WORKER = 71
    ARITHMETIC = 72
    INTERRUPTED = 130


class FedtrustError(Exception):
    """Base of every error this package raises on purpose.

    ``message`` says what is wrong and names the file, field or party; ``expected``, ``got`` and ``advice`` are shown
    by :meth:`diagnostics` and carried into ``--json`` output. None of them may ever hold a secret.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        expected: object | None = None,
        got: object | None = None,
        advice: str | None = None,
    ) -> None:
        """Keep the message and what belongs to it."""
        super().__init__(message)
        self.message = message
        self.expected = None if expected is None else str(expected)
        self.got = None if got is None else str(got)
        self.advice = advice

    def diagnostics(self) -> str:
        """Return the message with expected, got and advice, one to a line."""
        lines = [self.message]
        for label, text in (("expected", self.expected), ("got", self.got), ("what to do", self.advice)):
            if text is not None:
                lines.append(f"  {label}: {text}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """Return the error as a JSON-ready mapping."""
        return {
            "error": type(self).__name__,
            "exit_code": int(self.exit_code),
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
            "advice": self.advice,
        }


class ConfigurationError(FedtrustError):
    """A setting or an argument is missing, malformed or contradicts another."""

    exit_code = ExitCode.CONFIGURATION


class EncodingError(FedtrustError):
    """Bytes from outside do not follow the canonical encoding they claim."""

    exit_code = ExitCode.ARTIFACT


class CiphertextError(FedtrustError):
    """A ciphertext file is truncated or altered, or a ciphertext is not a unit modulo n^2."""

    exit_code = ExitCode.CIPHERTEXT


class ProofError(FedtrustError):
    """A proof, a signature or a Merkle path does not hold."""

    exit_code = ExitCode.PROOF


class KeyFileError(FedtrustError):
    """A key file is missing, malformed or does not belong to this identity."""

    exit_code = ExitCode.KEY_FILE


class PassphraseError(FedtrustError):
    """The passphrase does not open the key file, or none was given."""

    exit_code = ExitCode.PASSPHRASE


class IdentityError(FedtrustError):
    """An account is not registered, is revoked, or has another role."""

    exit_code = ExitCode.IDENTITY


class ModelError(FedtrustError):
    """A model's names, shapes, dtypes or digest are not those that were agreed."""

    exit_code = ExitCode.MODEL


class UpdateError(FedtrustError):
    """A participant's update is not finite, is out of range, is late, or is not the one it committed."""

    exit_code = ExitCode.UPDATE


class ArtifactError(FedtrustError):
    """A stored artifact is missing or its bytes do not have the digest they are named by."""

    exit_code = ExitCode.ARTIFACT


class SpecError(FedtrustError):
    """A RoundSpec is malformed, contradicts itself, or is not the one on chain."""

    exit_code = ExitCode.SPEC


class RoundError(FedtrustError):
    """A step was asked for in a phase that does not allow it, or a round could not be completed."""

    exit_code = ExitCode.ROUND


class LedgerError(FedtrustError):
    """Base of what can go wrong between us and the chain."""

    exit_code = ExitCode.TRANSACTION_FAILED


class RpcUnreachableError(LedgerError):
    """The JSON-RPC endpoint does not answer."""

    exit_code = ExitCode.RPC_UNREACHABLE


class WrongChainError(LedgerError):
    """The endpoint answers for another chain id than the one asked for."""

    exit_code = ExitCode.WRONG_CHAIN


class ContractMissingError(LedgerError):
    """There is no code, or code of something else, at the contract address."""

    exit_code = ExitCode.CONTRACT_MISSING


class ContractVersionError(LedgerError):
    """The contract is a Federation of a version this package does not speak."""

    exit_code = ExitCode.CONTRACT_VERSION


class LedgerInconsistentError(LedgerError):
    """The events of a contract do not lead to what it stores: the node altered or withheld something."""


class TransactionError(LedgerError):
    """The contract refused a transaction, or it was not mined in time; ``got`` is the contract's reason."""

    exit_code = ExitCode.TRANSACTION_FAILED


class PortTakenError(FedtrustError):
    """The address we were told to listen on is in use."""

    exit_code = ExitCode.PORT_TAKEN


class PeerUnreachableError(FedtrustError):
    """The aggregator's service does not answer."""

    exit_code = ExitCode.PEER_UNREACHABLE


class PeerRefusedError(FedtrustError):
    """The aggregator's service answered and refused what we sent."""

    exit_code = ExitCode.PEER_REFUSED


class CertificateMismatchError(FedtrustError):
    """A TLS certificate is not the one registered on chain for its account."""

    exit_code = ExitCode.CERTIFICATE_MISMATCH


class WorkerError(FedtrustError):
    """A process that computes for this one ended in the middle of its work."""

    exit_code = ExitCode.WORKER


class ArithmeticFaultError(FedtrustError):
    """What computes on this machine gives another result than plain integers do."""

    exit_code = ExitCode.ARITHMETIC
