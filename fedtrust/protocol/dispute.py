"""Evidence for disputes: what proves on chain that a round was run wrongly. Pure; nothing here touches a chain.

Everything starts from a :class:`DisputedRound`, the chain's facts about a round whose aggregate is committed. What the
functions return has been checked as the contract checks it (``contracts/interfaces/IDisputes.sol``): a proof that
would not convict raises ProofError here, where it costs nothing, instead of a bond on chain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gmpy2 import mpz

from fedtrust.crypto.arithmetic import ARITHMETIC
from fedtrust.crypto.encoding import fixed_to_int, int_to_fixed, parse_canonical_json, to_hex
from fedtrust.crypto.merkle import merkle_path, merkle_root, merkle_tree_hash, verify_merkle_path
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.signatures import UpdateMessage, verify_update_signature
from fedtrust.errors import CiphertextError, EncodingError, ProofError
from fedtrust.ledger.heads import aggregate_hash, commitment_transcript
from fedtrust.ledger.types import ZERO_ADDRESS, Address, CommitmentEntry, Contribution, SignedUpdate
from fedtrust.protocol.fields import Fields
from fedtrust.protocol.receipt import Receipt
from fedtrust.protocol.update import MAGIC, MAXIMUM_HEADER, MAXIMUM_PROOF, VERSION

MAXIMUM_STEP_BYTES = 100 << 10
"""The most calldata of one step: nodes relay transactions of up to 128 KiB."""
MAXIMUM_STEP_GAS = 12_000_000
"""The most gas that one step is planned to use: EIP-7825 caps a transaction at 2^24."""
_STEP_GAS = 150_000  # a transaction of its own, n^2, the product resumed, what is written
_MULTIPLICATION_GAS = 90_000  # one accepted ciphertext at 3072 bits with its calldata
_COMMITMENT_GAS = 12_000  # one commitment that was not accepted
_CONTRIBUTION_BYTES = 320  # a contribution without ciphertext and path, as the ABI lays it out

_VECTOR_HEAD = struct.Struct(">4sBII")
_VECTOR_MAGIC, _VECTOR_VERSION = b"FTCV", 1


def square_modulus_bytes(key: PublicKey) -> bytes:
    """Return n^2 as the chain knows it: big-endian, of twice the bytes of n. Its keccak-256 is published."""
    return int_to_fixed(key.n_squared, key.ciphertext_bytes)


def shown_leaves(data: bytes) -> tuple[bytes, ...]:
    """Return the leaves of a ciphertext file as they are, without asking whether they are ciphertexts.

    A dishonest aggregator may have accepted what :meth:`CiphertextVector.from_bytes` refuses: that is evidence.
    Raises CiphertextError for what is no file of leaves at all.
    """
    if len(data) < _VECTOR_HEAD.size:
        raise CiphertextError("ciphertext file is truncated", expected=f">= {_VECTOR_HEAD.size} bytes", got=len(data))
    magic, version, count, width = _VECTOR_HEAD.unpack_from(data)
    if magic != _VECTOR_MAGIC or version != _VECTOR_VERSION:
        raise CiphertextError("not a ciphertext file of version 1", got=(magic, version))
    if not count or not width or len(data) != _VECTOR_HEAD.size + count * width:
        raise CiphertextError(
            "ciphertext file is truncated or has trailing bytes",
            expected=f"{_VECTOR_HEAD.size + count * width} bytes for {count} values",
            got=f"{len(data)} bytes",
        )
    return tuple(data[at : at + width] for at in range(_VECTOR_HEAD.size, len(data), width))


@dataclass(frozen=True, slots=True)
class ShownUpdate:
    """An update's envelope read leniently: who sent what, signed how, and the leaves as they are."""

    participant: Address
    message: UpdateMessage
    signature: bytes
    leaves: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_bytes(cls, data: bytes) -> ShownUpdate:
        """Read an envelope of protocol.update. Raises EncodingError or CiphertextError."""
        if len(data) < _VECTOR_HEAD.size:
            raise EncodingError("the update file is truncated", expected=f">= {_VECTOR_HEAD.size} bytes", got=len(data))
        magic, version, header_length, proof_length = _VECTOR_HEAD.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise EncodingError("not an update file", expected=(MAGIC, VERSION), got=(magic, version))
        if header_length > MAXIMUM_HEADER or proof_length > MAXIMUM_PROOF:
            raise EncodingError("the update's header or proof is too long", got=(header_length, proof_length))
        body = _VECTOR_HEAD.size + header_length
        fields = Fields(parse_canonical_json(data[_VECTOR_HEAD.size : body], "update header"), "update header")
        return cls(
            participant=fields.address("participant"),
            message=UpdateMessage(
                round=fields.integer("round", 1),
                spec_hash=fields.hash("spec_hash"),
                epoch=fields.integer("epoch", 1, 2**32 - 1),
                root=fields.hash("root"),
                ciphertexts=fields.integer("ciphertexts", 1, 2**32 - 1),
                proof_hash=fields.hash("proof_hash"),
            ),
            signature=fields.hash("signature", 65),
            leaves=shown_leaves(data[body + proof_length :]),
        )

    def verify_signature(self, chain_id: int, contract: Address, round: int, spec_hash: bytes) -> None:
        """Check that its participant, a plain account, signed it for this round. Raises ProofError."""
        if (self.message.round, self.message.spec_hash) != (round, spec_hash):
            raise ProofError(
                "the update is for another round", expected=(round, to_hex(spec_hash)), got=self.message.round
            )
        verify_update_signature(chain_id, contract, self.message, self.signature, self.participant)


@dataclass(frozen=True)
class DisputedRound:
    """The chain's facts about a round with an aggregate, checked against each other. Raises ProofError.

    ``opening`` is its transcript before the first commitment, ``commitments`` are all of them in the order of the
    events, ``accepted`` the accounts of the accepted ones. They must lead to the chain's ``aggregate_hash``, which
    also needs ``accepted_bitmap``: no proof can be built on facts that the contract would refuse.
    """

    number: int
    spec_hash: bytes
    ciphertexts: int
    opening: bytes
    commitments: tuple[CommitmentEntry, ...]
    accepted: frozenset[Address]
    accepted_bitmap: int
    aggregate_root: bytes
    aggregate_hash: bytes

    def __post_init__(self) -> None:
        """Check that the commitments lead to what the chain holds."""
        computed = aggregate_hash(self.transcripts[-1], self.accepted_bitmap, self.aggregate_root)
        if computed != self.aggregate_hash:
            raise ProofError(
                f"round {self.number}: the commitments do not lead to the aggregate's hash on chain",
                expected=to_hex(self.aggregate_hash),
                got=to_hex(computed),
                advice="the endpoint left events out, or altered them; ask another one",
            )
        committed = {c.participant for c in self.commitments}
        if len(committed) != len(self.commitments) or not self.accepted <= committed:
            raise ProofError(f"round {self.number}: an update was accepted that was never committed")
        if len(self.accepted) != self.accepted_bitmap.bit_count():
            raise ProofError(
                f"round {self.number}: the accepted accounts are not those of the accepted set",
                expected=self.accepted_bitmap.bit_count(),
                got=len(self.accepted),
            )

    @cached_property
    def transcripts(self) -> tuple[bytes, ...]:
        """The transcript before each commitment, and after the last."""
        running = [self.opening]
        for each in self.commitments:
            running.append(commitment_transcript(running[-1], each.participant, each.root, each.proof_hash))
        return tuple(running)

    def place_of(self, participant: Address) -> int:
        """Return the position of a participant's commitment. Raises ProofError if it is not among the accepted."""
        if participant not in self.accepted:
            raise ProofError(f"round {self.number}: {participant} is not among the accepted", got=participant)
        return next(i for i, each in enumerate(self.commitments) if each.participant == participant)

    def root_of(self, participant: Address | None) -> bytes:
        """Return the committed root of an accepted update, or of the aggregate for None. Raises ProofError."""
        if participant is None:
            return self.aggregate_root
        return self.commitments[self.place_of(participant)].root

    def behind(self, participant: Address | None) -> tuple[bytes, tuple[CommitmentEntry, ...]]:
        """Return ``start`` and ``commitments`` by which the contract finds a root. Raises ProofError."""
        place = len(self.commitments) if participant is None else self.place_of(participant)
        return self.transcripts[place], self.commitments[place:]


# wrong columns


def is_operand(modulus: int, width: int, leaf: bytes) -> bool:
    """Return whether the contract can multiply by ``leaf``: of the modulus's width and below it."""
    return len(leaf) == width and fixed_to_int(leaf) < modulus


@dataclass(frozen=True, slots=True)
class Columns:
    """The product of the accepted updates as leaves, or the first index at which one of them is unfit to multiply."""

    product: tuple[bytes, ...] = field(repr=False)
    unfit: int | None

    def first_wrong(self, aggregate: Sequence[bytes]) -> int | None:
        """Return the first index at which ``aggregate`` is not the product, or None. Raises ProofError."""
        if self.unfit is not None:
            return self.unfit
        if len(aggregate) != len(self.product):
            raise ProofError("aggregate of another length", expected=len(self.product), got=len(aggregate))
        return next((j for j, leaf in enumerate(self.product) if leaf != aggregate[j]), None)


def multiply_columns(key: PublicKey, updates: Iterable[Sequence[bytes]]) -> Columns:
    """Multiply the accepted updates, consumed one after the other, with the selected arithmetic.

    Raises ProofError for vectors of different lengths, ValueError for none.
    """
    width, modulus = key.ciphertext_bytes, key.n_squared
    unfit: set[int] = set()

    def rows() -> Iterator[list[mpz]]:
        length: int | None = None
        for leaves in updates:
            if length is not None and len(leaves) != length:
                raise ProofError("updates of one round have different lengths", expected=length, got=len(leaves))
            length = len(leaves)
            unfit.update(j for j, leaf in enumerate(leaves) if not is_operand(modulus, width, leaf))
            yield [fixed_to_int(leaf) for leaf in leaves]

    product = ARITHMETIC.products(rows(), modulus)
    if unfit:
        return Columns((), min(unfit))
    return Columns(tuple(int_to_fixed(value, width) for value in product), None)


@dataclass(frozen=True, slots=True)
class MultiplyStep:
    """The arguments of one ``multiply``, and the transcript it ends with."""

    product: bytes = field(repr=False)
    start: bytes
    contributions: tuple[Contribution, ...] = field(repr=False)
    transcript: bytes


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The arguments of ``conclude``, without the modulus."""

    product: bytes = field(repr=False)
    aggregate_root: bytes
    ciphertext: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """One leaf of a vector with its path, as a contribution or an answer shows it."""

    leaf: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, leaves: Sequence[bytes], index: int) -> Opening:
        """Open leaf ``index``. Raises IndexError."""
        return cls(leaves[index], merkle_path(leaves, index))


@dataclass(frozen=True, slots=True)
class ColumnProof:
    """Proof that ciphertext ``leaf`` of the aggregate is not the product of the accepted ones; see column_proof.

    ``products`` are the products before each of the ``contributions`` and after the last, empty before the first
    accepted one. After the place ``unfit``, if there is one, there is no product any more, but a marker.
    """

    round: DisputedRound
    leaf: int
    modulus: bytes = field(repr=False)
    contributions: tuple[Contribution, ...] = field(repr=False)
    products: tuple[bytes, ...] = field(repr=False)
    unfit: int | None
    conclusion: Conclusion

    def steps(self, gone_through: bytes | None = None) -> tuple[MultiplyStep, ...]:
        """Return what is left to multiply once the chain has ``gone_through`` this transcript (None: nothing yet).

        Each step fits a transaction. Raises ProofError for a transcript that is not the round's.
        """
        transcripts = self.round.transcripts
        if gone_through is not None and gone_through not in transcripts:
            raise ProofError(f"round {self.round.number}: the dispute went through other commitments than the round's")
        at = 0 if gone_through is None else transcripts.index(gone_through)
        steps = []
        while at < len(self.contributions):
            end = self._end_of_step(at)
            steps.append(MultiplyStep(self.products[at], transcripts[at], self.contributions[at:end], transcripts[end]))
            at = end
        return tuple(steps)

    def _end_of_step(self, start: int) -> int:
        size, gas, end = 1024 + 2 * len(self.modulus), _STEP_GAS, start
        for each in self.contributions[start:]:
            size += _CONTRIBUTION_BYTES + len(each.ciphertext) + 32 * len(each.path)
            gas += _MULTIPLICATION_GAS if each.path or each.ciphertext else _COMMITMENT_GAS
            if end > start and (size > MAXIMUM_STEP_BYTES or gas > MAXIMUM_STEP_GAS):
                break
            end += 1
        return end


def column_proof(
    round: DisputedRound,
    key: PublicKey,
    leaf: int,
    openings: Mapping[Address, Opening],
    aggregate: Opening | None,
) -> ColumnProof:
    """Return the proof that column ``leaf`` is wrong, after going through it as the contract does.

    ``openings`` are the disputed leaves of all accepted updates, up to the first that is unfit to multiply;
    ``aggregate`` that of the aggregate, needed if none is. Raises ProofError if the proof would not convict.
    """
    width, modulus = key.ciphertext_bytes, key.n_squared
    contributions: list[Contribution] = []
    products = [b""]
    product: mpz | None = None
    unfit: int | None = None
    for place, entry in enumerate(round.commitments):
        shown: bytes = b""
        path: tuple[bytes, ...] = ()
        if unfit is None and entry.participant in round.accepted:
            opening = openings.get(entry.participant)
            if opening is None:
                raise ProofError(f"round {round.number}: the ciphertext of {entry.participant} is not shown")
            shown, path = opening.leaf, opening.path
            verify_merkle_path(entry.root, round.ciphertexts, leaf, shown, path)
            if is_operand(modulus, width, shown):
                value = fixed_to_int(shown)
                product = value if product is None else product * value % modulus
            else:
                unfit, product = place, None  # what comes after it only has to lead to the round's transcript
        contributions.append(Contribution(entry.participant, entry.root, entry.proof_hash, shown, path))
        products.append(b"" if product is None else int_to_fixed(product, width))
    if unfit is not None:
        conclusion = Conclusion(b"", round.aggregate_root, b"", ())
    elif aggregate is None:
        raise ProofError(f"round {round.number}: the aggregate's ciphertext {leaf} is not shown")
    else:
        verify_merkle_path(round.aggregate_root, round.ciphertexts, leaf, aggregate.leaf, aggregate.path)
        if aggregate.leaf == products[-1]:
            raise ProofError(
                f"round {round.number}: ciphertext {leaf} of the aggregate is the product of the accepted ones",
                advice="this would not convict; the bond would be lost",
            )
        conclusion = Conclusion(products[-1], round.aggregate_root, aggregate.leaf, aggregate.path)
    return ColumnProof(round, leaf, square_modulus_bytes(key), tuple(contributions), tuple(products), unfit, conclusion)


# wrong numbers of ciphertexts


@dataclass(frozen=True, slots=True)
class CountProof:
    """The arguments of ``proveWrongCount``: an accepted root keeps ``count`` leaves, not as many as the round."""

    start: bytes
    commitments: tuple[CommitmentEntry, ...]
    aggregate_root: bytes
    count: int
    tree_hash: bytes


def count_proof(round: DisputedRound, participant: Address | None, leaves: Sequence[bytes]) -> CountProof:
    """Return the proof that an accepted update (the aggregate for None) was committed with a wrong number of leaves.

    ``leaves`` are all that its root keeps. Raises ProofError if they are not, or are as many as the round says.
    """
    root = round.root_of(participant)
    if merkle_root(leaves) != root:
        raise ProofError(
            f"round {round.number}: these are not the leaves under the committed root", expected=to_hex(root)
        )
    if len(leaves) == round.ciphertexts:
        raise ProofError(f"round {round.number}: the root keeps as many leaves as the round says", got=len(leaves))
    start, commitments = round.behind(participant)
    return CountProof(start, commitments, round.aggregate_root, len(leaves), merkle_tree_hash(leaves))


# what is not shown


@dataclass(frozen=True, slots=True)
class Demand:
    """The arguments of ``challengeAvailability``; ``participant`` is zero for the aggregate."""

    participant: Address
    leaf: int
    start: bytes
    commitments: tuple[CommitmentEntry, ...]
    aggregate_root: bytes


def demand(round: DisputedRound, participant: Address | None, leaf: int) -> Demand:
    """Return what demands ciphertext ``leaf`` of an accepted update, or of the aggregate. Raises ProofError."""
    if not 0 <= leaf < round.ciphertexts:
        raise ProofError(
            f"round {round.number}: no such ciphertext", expected=f"0 to {round.ciphertexts - 1}", got=leaf
        )
    start, commitments = round.behind(participant)
    return Demand(participant or ZERO_ADDRESS, leaf, start, commitments, round.aggregate_root)


def answer(round: DisputedRound, participant: Address | None, leaf: int, leaves: Sequence[bytes]) -> Opening:
    """Return what ``reveal`` shows to answer a demand. Raises ProofError if it would be refused."""
    if not leaf < len(leaves):
        raise ProofError(f"round {round.number}: no such ciphertext", expected=f"< {len(leaves)}", got=leaf)
    opening = Opening.of(leaves, leaf)
    verify_merkle_path(round.root_of(participant), round.ciphertexts, leaf, opening.leaf, opening.path)
    return opening


# contradictions


@dataclass(frozen=True, slots=True)
class EquivocationProof:
    """The arguments of ``challengeEquivocation``."""

    account: Address
    first: SignedUpdate
    second: SignedUpdate


def equivocation_proof(
    chain_id: int, contract: Address, round: int, spec_hash: bytes, first: ShownUpdate, second: ShownUpdate
) -> EquivocationProof:
    """Return the proof that one plain account signed two different updates for one round, in one epoch.

    Raises ProofError if these are not that.
    """
    account = first.participant
    one, other = first.message, second.message
    if second.participant != account:
        raise ProofError("the two updates are of different participants", expected=account, got=second.participant)
    if one.epoch != other.epoch:
        raise ProofError("the two updates name different epochs", expected=one.epoch, got=other.epoch)
    if one == other:
        raise ProofError("the two updates say the same", got=to_hex(one.root))
    for update in (first, second):
        update.verify_signature(chain_id, contract, round, spec_hash)
    return EquivocationProof(account, _signed(first), _signed(second))


def _signed(update: ShownUpdate) -> SignedUpdate:
    message = update.message
    return SignedUpdate(message.epoch, message.root, message.ciphertexts, message.proof_hash, update.signature)


@dataclass(frozen=True, slots=True)
class OmissionProof:
    """The arguments of ``challengeOmission``."""

    participant: Address
    epoch: int
    root: bytes
    signature: bytes


def omission_proof(round: DisputedRound, aggregator: Address, receipt: Receipt) -> OmissionProof:
    """Return the proof that ``aggregator``, who ran the round, left out an update that it gave a receipt for.

    Raises ProofError for a receipt of another round or aggregator, an accepted participant, one who committed nothing,
    or a signature that does not hold.
    """
    message, participant = receipt.message, receipt.participant
    if (message.round, message.spec_hash) != (round.number, round.spec_hash):
        raise ProofError("the receipt is for another round", expected=round.number, got=message.round)
    if receipt.aggregator != aggregator:
        raise ProofError("the receipt is of another aggregator", expected=aggregator, got=receipt.aggregator)
    if participant in round.accepted or all(c.participant != participant for c in round.commitments):
        raise ProofError(f"round {round.number}: {participant} is among the accepted, or committed nothing")
    receipt.verify()
    return OmissionProof(participant, message.epoch, message.root, receipt.signature)
