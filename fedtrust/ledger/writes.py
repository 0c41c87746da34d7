"""The writing half of ``Ledger``, once for every implementation.

Each write becomes a :class:`Step`: the contract call, a key that names what it means ("commit_update:3"), and a
test of whether its effect is on chain already. An implementation only has to carry a step out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from eth_utils.address import is_checksum_address

from fedtrust.errors import ConfigurationError
from fedtrust.ledger import effects
from fedtrust.ledger.events import LedgerEvent, RewardClaimed
from fedtrust.ledger.interface import LedgerReader
from fedtrust.ledger.types import Address, Deadlines, PublishedKey, Role


@dataclass(frozen=True, slots=True)
class Step:
    """One write: ``function`` and ``arguments`` as in the contract's ABI, ``value`` in wei.

    ``key`` names the step among all steps of one account on one contract. ``effect`` tells from the chain whether
    nothing is left to do; it raises TransactionError if the step was taken with another content. With ``once`` the
    chain cannot tell and the key alone decides: a key that was carried out is never carried out again.
    """

    key: str
    function: str
    arguments: tuple[object, ...]
    effect: Callable[[LedgerReader], bool]
    value: int = 0
    once: bool = False


class LedgerWrites(ABC):
    """All writes of the ``Ledger`` protocol, as steps; subclasses implement :meth:`_perform`."""

    @property
    @abstractmethod
    def account(self) -> Address:
        """The account that sends this ledger's transactions."""

    @abstractmethod
    def _perform(self, step: Step) -> tuple[LedgerEvent, ...]:
        """Carry ``step`` out unless its effect is there; return the events of the transaction under its key."""

    def publish_key(self, key: PublishedKey) -> None:
        """Operator: publish the committee's key, once."""
        _require_hash("key_id", key.key_id)
        _require_uint("threshold", key.threshold, 8)
        _require_uint("trustees", key.trustees, 8)
        self._perform(
            Step(
                "publish_key",
                "publishKey",
                (key.key_id, key.threshold, key.trustees),
                lambda reader: effects.key_published(reader, key),
            )
        )

    def register_identity(self, account: Address, role: Role, certificate: bytes, sealing_key: bytes) -> None:
        """Operator: admit ``account``; ``certificate`` is DER, ``sealing_key`` 32 bytes (zero if none)."""
        _require_address("account", account)
        _require_hash("sealing_key", sealing_key)
        self._perform(
            Step(
                f"register_identity:{account}",
                "registerIdentity",
                (account, int(role), bytes(certificate), sealing_key),
                lambda reader: effects.identity_registered(reader, account, role, certificate, sealing_key),
            )
        )

    def revoke_identity(self, account: Address) -> None:
        """Operator: revoke ``account``."""
        _require_address("account", account)
        self._perform(
            Step(
                f"revoke_identity:{account}",
                "revokeIdentity",
                (account,),
                lambda reader: effects.identity_revoked(reader, account),
            )
        )

    def fund_rewards(self, amount: int, label: str) -> None:
        """Add ``amount`` wei to the pool, once per ``label``."""
        _require_uint("amount", amount, 256)
        self._perform(Step(f"fund_rewards:{label}", "fundRewards", (), lambda _: False, value=amount, once=True))

    def open_round(
        self,
        number: int,
        *,
        spec_hash: bytes,
        base_model_hash: bytes,
        selected: int,
        quorum: int,
        ciphertexts: int,
        deadlines: Deadlines,
    ) -> None:
        """Aggregator: open round ``number``, which must be last_round() + 1."""
        _require_uint("round number", number, 256)
        _require_hash("spec_hash", spec_hash)
        _require_hash("base_model_hash", base_model_hash)
        _require_uint("selected", selected, 256)
        _require_uint("quorum", quorum, 16)
        _require_uint("ciphertexts", ciphertexts, 32)
        moments = (deadlines.commit, deadlines.aggregate, deadlines.finalize)
        for moment in moments:
            _require_uint("deadline", moment, 64)
        content = (spec_hash, base_model_hash, selected, quorum, ciphertexts, deadlines)
        self._perform(
            Step(
                f"open_round:{number}",
                "openRound",
                (number, spec_hash, base_model_hash, selected, quorum, ciphertexts, moments),
                lambda reader: effects.round_opened(reader, self.account, number, content),
            )
        )

    def commit_update(self, number: int, *, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
        """Participant: bind the sender to its encrypted update."""
        _require_update(number, root, ciphertexts, proof_hash)
        self._perform(
            Step(
                f"commit_update:{number}",
                "commitUpdate",
                (number, root, ciphertexts, proof_hash),
                lambda reader: effects.update_committed(reader, self.account, number, root, ciphertexts, proof_hash),
            )
        )

    def commit_update_for(
        self,
        number: int,
        participant: Address,
        *,
        root: bytes,
        ciphertexts: int,
        proof_hash: bytes,
        signature: bytes,
    ) -> None:
        """Anyone: relay a participant's commitment with its EIP-712 signature."""
        _require_update(number, root, ciphertexts, proof_hash)
        _require_address("participant", participant)
        self._perform(
            Step(
                f"commit_update_for:{number}:{participant}",
                "commitUpdateFor",
                (number, participant, root, ciphertexts, proof_hash, bytes(signature)),
                lambda reader: effects.update_committed(reader, participant, number, root, ciphertexts, proof_hash),
            )
        )

    def close_commits(self, number: int) -> None:
        """Anyone: close the commit phase once all selected have committed, or at its deadline with a quorum."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"close_commits:{number}",
                "closeCommits",
                (number,),
                lambda reader: effects.commits_closed(reader, number),
            )
        )

    def commit_aggregate(self, number: int, *, accepted: int, aggregate_root: bytes) -> None:
        """Aggregator: fix the accepted set and the aggregate."""
        _require_uint("round number", number, 256)
        _require_uint("accepted", accepted, 256)
        _require_hash("aggregate_root", aggregate_root)
        self._perform(
            Step(
                f"commit_aggregate:{number}",
                "commitAggregate",
                (number, accepted, aggregate_root),
                lambda reader: effects.aggregate_committed(reader, self.account, number, accepted, aggregate_root),
            )
        )

    def attest(self, number: int, *, partial_root: bytes) -> None:
        """Trustee: bind the sender to its partial decryption of the committed aggregate."""
        _require_uint("round number", number, 256)
        _require_hash("partial_root", partial_root)
        self._perform(
            Step(
                f"attest:{number}",
                "attest",
                (number, partial_root),
                lambda reader: effects.attested(reader, self.account, number, partial_root),
            )
        )

    def finalize_round(
        self, number: int, *, plaintext_hash: bytes, proof_hash: bytes, model_hash: bytes, result_hash: bytes
    ) -> None:
        """Aggregator: commit the result, once enough trustees attested."""
        _require_uint("round number", number, 256)
        hashes = (plaintext_hash, proof_hash, model_hash, result_hash)
        for value in hashes:
            _require_hash("result hash", value)
        self._perform(
            Step(
                f"finalize_round:{number}",
                "finalizeRound",
                (number, *hashes),
                lambda reader: effects.round_finalized(reader, self.account, number, hashes),
            )
        )

    def abort_round(self, number: int) -> None:
        """Anyone: abort a round that missed its quorum or a deadline."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"abort_round:{number}",
                "abortRound",
                (number,),
                lambda reader: effects.round_aborted(reader, number),
            )
        )

    def settle_round(self, number: int) -> None:
        """Anyone: credit the round's rewards after its challenge window."""
        _require_uint("round number", number, 256)
        self._perform(
            Step(
                f"settle_round:{number}",
                "settleRound",
                (number,),
                lambda reader: effects.round_settled(reader, number),
            )
        )

    def claim(self, label: str) -> int:
        """Withdraw what the sender was credited; returns the wei paid, 0 if there was nothing.

        Asked again with a ``label`` that paid, it returns what was paid then and sends nothing.
        """
        events = self._perform(
            Step(
                f"claim:{label}",
                "claim",
                (),
                lambda reader: reader.claimable(self.account) == 0,
                once=True,
            )
        )
        return sum(event.amount for event in events if isinstance(event, RewardClaimed))


def _require_uint(name: str, value: int, bits: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise ConfigurationError(
            f"{name} does not fit the contract", expected=f"an unsigned integer of {bits} bits", got=value
        )


def _require_hash(name: str, value: bytes) -> None:
    if not isinstance(value, bytes) or len(value) != 32:
        got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
        raise ConfigurationError(f"{name} does not fit the contract", expected="32 bytes", got=got)


def _require_address(name: str, value: str) -> None:
    if not is_checksum_address(value):
        raise ConfigurationError(
            f"{name} is not an account address", expected="an EIP-55 checksummed address", got=value
        )


def _require_update(number: int, root: bytes, ciphertexts: int, proof_hash: bytes) -> None:
    _require_uint("round number", number, 256)
    _require_hash("root", root)
    _require_uint("ciphertexts", ciphertexts, 32)
    _require_hash("proof_hash", proof_hash)
