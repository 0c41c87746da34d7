"""The watcher: anybody's process that recomputes every aggregate and disputes by itself what it can prove.

It needs no registration and no permission, only a funded account. What it finds is kept on its own disk before it
disputes, so nobody can take evidence away in the middle of a dispute; what it has sent is on the chain and in its
outbox. So it may be killed at any point and goes on where it was.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fedtrust.crypto.encoding import sha256, to_hex
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.merkle import merkle_root
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.vector_codec import encode_vector
from fedtrust.errors import (
    ArtifactError,
    CiphertextError,
    ConfigurationError,
    EncodingError,
    FedtrustError,
    ProofError,
    RpcUnreachableError,
    TransactionError,
)
from fedtrust.ledger.events import (
    AggregateChallenged,
    AvailabilityChallenged,
    DisputeDecided,
    LedgerEvent,
    RoundAborted,
    RoundSettled,
    RoundVoided,
)
from fedtrust.ledger.heads import opening_transcript
from fedtrust.ledger.interface import Ledger, LedgerReader
from fedtrust.ledger.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    CommitmentEntry,
    DisputeKind,
    DisputeOutcome,
    Phase,
    Role,
    RoundState,
    Status,
)
from fedtrust.nodes.evidence import EvidenceSource
from fedtrust.nodes.follower import ChainFollower
from fedtrust.nodes.report import Reporter
from fedtrust.protocol.dispute import (
    ColumnProof,
    Columns,
    DisputedRound,
    OmissionProof,
    Opening,
    ShownUpdate,
    answer,
    column_proof,
    count_proof,
    demand,
    equivocation_proof,
    multiply_columns,
    omission_proof,
    shown_leaves,
)
from fedtrust.store.artifacts import ArtifactStore
from fedtrust.store.state import NodeState

HELD, CHECKED, MISSING, SIGNED = "held", "checked", "missing", "signed"
"""What is remembered of a round: digests of evidence by account, that it was checked, since when something is missing,
digests of envelopes that their participant signed, by account and epoch."""
DEMANDED, DEMANDED_AS = "demanded", "demanded-as"
"""Which leaf of what is missing was chosen to be demanded, and the dispute's number."""
AGGREGATE = "aggregate"
"""The name of the aggregate among the accounts."""
DEFAULT_PATIENCE = 60
"""Seconds that something may be missing before it is demanded on chain."""
TRIES = 3
"""A dispute that the chain refuses so often in a row is given up until the process starts again."""
LOOK_AGAIN = 10
"""Seconds between two looks for receipts and second signatures in a round whose aggregate was found right."""
_ENDED = (Phase.SETTLED, Phase.VOIDED)


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How a watcher goes about it.

    What nobody shows is demanded after ``patience`` seconds of the chain's clock. With ``rounds`` the watcher is done
    when so many rounds have ended; with ``once`` when nothing that is on chain now is left to decide.
    """

    patience: int = DEFAULT_PATIENCE
    rounds: int | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that a watcher found wrong in a round; ``subject`` is an account or AGGREGATE."""

    round: int
    kind: DisputeKind
    subject: str
    leaf: int = 0


@dataclass(slots=True)
class _OpenDispute:
    number: int
    kind: DisputeKind
    round: int
    leaf: int
    challenger: Address
    deadline: int
    participant: Address


class _UndecidedError(Exception):
    """Something is missing that may still turn up. Never leaves this module."""


class Watcher:
    """Follows one federation. ``court`` is the ledger that disputes are sent by; None only reports (a dry run)."""

    def __init__(
        self,
        ledger: LedgerReader,
        court: Ledger | None,
        sources: Sequence[EvidenceSource],
        store: ArtifactStore,
        state: NodeState,
        report: Reporter,
        plan: WatchPlan,
    ) -> None:
        """``store`` and ``state`` are the watcher's own."""
        self._ledger, self._court, self._sources = ledger, court, tuple(sources)
        self._store, self._state, self._report, self._plan = store, state, report, plan
        state.bind(ledger.chain_id, ledger.contract)
        self.follower = ChainFollower(ledger)
        self.found: list[Wrong] = []
        self._docket: dict[int, _OpenDispute] = {}
        self._decided: list[DisputeDecided] = []
        self._ended: set[int] = set()
        self._finished: set[int] = set()
        self._refused: dict[Wrong, int] = {}
        self._stuck: dict[int, int] = {}
        self._looked: dict[int, int] = {}
        self._looked_at: set[bytes] = set()
        self._complaints: dict[object, str] = {}
        self._key: PublicKey | None = None
        self._columns: tuple[int, Columns] | None = None
        self._busy = True

    # the loop

    @property
    def done(self) -> bool:
        """Whether the plan is carried out."""
        if self._plan.rounds is not None and len(self._ended) >= self._plan.rounds and not self._own_open():
            return True
        return self._plan.once and not self._busy

    def run(self, stop: threading.Event, poll_seconds: float) -> None:
        """Step until the plan is carried out, or ``stop`` is set."""
        while not stop.is_set() and not self.done:
            if not self.step():
                stop.wait(poll_seconds)

    def step(self) -> bool:
        """Take in what is new and do what there is to do. Returns whether anything moved."""
        try:
            events = self.follower.poll()
            for event in events:
                self._fold(event)
            moved = bool(events)
            undecided = False
            for number in sorted(self.follower.history.rounds):
                if number not in self._finished:
                    did, open_ = self._watch(number)
                    moved, undecided = moved or did, undecided or open_
            moved = self._attend_disputes() or moved
            retrying = any(tries < TRIES for tries in self._refused.values())
            self._busy = undecided or retrying or bool(self._own_open())
        except RpcUnreachableError as error:
            self._complain("chain", error)
            return False
        self._complaints.pop("chain", None)
        return moved

    def _fold(self, event: LedgerEvent) -> None:
        match event:
            case AggregateChallenged():
                self._docket[event.dispute] = _OpenDispute(
                    event.dispute,
                    DisputeKind.AGGREGATE,
                    event.round,
                    event.leaf,
                    event.challenger,
                    event.deadline,
                    ZERO_ADDRESS,
                )
            case AvailabilityChallenged():
                self._docket[event.dispute] = _OpenDispute(
                    event.dispute,
                    DisputeKind.AVAILABILITY,
                    event.round,
                    event.leaf,
                    event.challenger,
                    event.deadline,
                    event.participant,
                )
            case DisputeDecided():
                self._docket.pop(event.dispute, None)
                self._decided.append(event)
                self._report(
                    "DisputeDecided",
                    block=event.block,
                    dispute=event.dispute,
                    round=event.round,
                    kind=event.kind.name,
                    outcome=event.outcome.name,
                    challenger=event.challenger,
                    offender=event.offender,
                )
            case RoundSettled() | RoundVoided() | RoundAborted():
                self._ended.add(event.round)
                self._report(type(event).__name__, block=event.block, round=event.round)
            case _:
                pass

    # one round

    def _watch(self, number: int) -> tuple[bool, bool]:
        """Look after one round; return whether something was done, and whether something is left to decide."""
        state = self._ledger.round(number)
        if state.phase is Phase.FINALIZED and self._rests_on_nothing(state):
            return self._void(number), True
        if state.phase in _ENDED or self._too_late(state):
            if state.phase in (*_ENDED, Phase.ABORTED):
                self._finished.add(number)
            return False, False
        if state.aggregate_hash == ZERO_HASH:
            # nothing to compare yet; but who signed two updates can be shown already
            ended = state.phase is Phase.ABORTED
            if ended:
                self._finished.add(number)
            return (False, False) if ended else self._guarded(number, lambda: self._contradictions(number, state))
        checked = self._state.get(CHECKED, number) is not None
        now = self._ledger.now()
        if checked and now < self._looked.get(number, 0) + LOOK_AGAIN:
            return False, False
        self._looked[number] = now
        return self._guarded(number, lambda: self._examine(number, state))

    def _rests_on_nothing(self, state: RoundState) -> bool:
        return state.base_round != 0 and self._ledger.round(state.base_round).phase is Phase.VOIDED

    def _too_late(self, state: RoundState) -> bool:
        """Whether the round can be disputed no more: the contract's own rule."""
        if state.phase in (Phase.COMMIT, Phase.UPLOAD):
            return False
        window = self._ledger.config().challenge_window
        end = state.challenge_end if state.phase is Phase.FINALIZED else state.deadlines.finalize + window
        return self._ledger.now() >= end

    def _guarded(self, number: int, work: Callable[[], bool]) -> tuple[bool, bool]:
        try:
            return work(), False
        except _UndecidedError:
            return False, True
        except (ArtifactError, ProofError) as error:
            self._complain(number, error)
            return False, True

    def _dispute(self, wrong: Wrong, bring: Callable[[Ledger], None], **fields: object) -> bool:
        """Report what is wrong, and dispute it; return whether that was done.

        What the chain refuses again and again is given up, and only that: nobody can plant something refused to keep
        us from the rest.
        """
        if wrong not in self.found:
            self.found.append(wrong)
            self._report("Wrong", round=wrong.round, kind=wrong.kind.name, subject=wrong.subject, **fields)
        tries = self._refused.get(wrong, 0)
        if self._court is None or tries >= TRIES:
            return False
        try:
            bring(self._court)
        except TransactionError as error:
            self._refused[wrong] = tries + 1
            self._complain(wrong, error)
            if tries + 1 >= TRIES:
                self._report("GivenUp", round=wrong.round, kind=wrong.kind.name, reason=error.diagnostics())
            return False
        self._refused.pop(wrong, None)
        return True

    def _examine(self, number: int, state: RoundState) -> bool:
        """Check a round whose aggregate is on chain; dispute what is wrong with it. Returns whether anything was done.

        Raises _UndecidedError as long as something is missing.
        """
        did = self._contradictions(number, state)
        if self._convicted(number, DisputeKind.AGGREGATE, DisputeKind.AVAILABILITY, DisputeKind.OMISSION):
            self._finished.add(number)  # of a round that was aborted: it cannot be voided
            return did
        round = self._disputed_round(number, state)
        did = self._omissions(round, state) or did
        if self._state.get(CHECKED, number) is not None:
            return did
        key = self._public_key()
        accepted = [c.participant for c in round.commitments if c.participant in round.accepted]
        held: dict[Address, bytes] = {}
        missing: list[str] = []
        for account in accepted:
            digest = self._hold(round, account)
            if digest is None:
                missing.append(account)
                continue
            held[account] = digest
            leaves = self._leaves(digest)
            if len(leaves) != round.ciphertexts:
                return self._wrong_count(round, account, leaves)
        if missing:
            self._demand(round, missing)
            raise _UndecidedError
        columns = self._product_of(round, key)
        if columns.unfit is None and merkle_root(columns.product) == round.aggregate_root:
            self._state.put(CHECKED, number, "", b"honest")
            self._report("RoundChecked", round=number, accepted=len(accepted), ciphertexts=round.ciphertexts)
            return True
        aggregate: Sequence[bytes] = ()
        if columns.unfit is None:
            digest = self._hold(round, None)
            if digest is None:
                self._demand(round, [AGGREGATE])
                raise _UndecidedError
            aggregate = self._leaves(digest)
            if len(aggregate) != round.ciphertexts:
                return self._wrong_count(round, None, aggregate)
        leaf = columns.first_wrong(aggregate)
        if leaf is None:
            raise ProofError(f"round {number}: no column is wrong, though the roots differ")  # two trees of one root
        openings = {account: Opening.of(self._leaves(digest), leaf) for account, digest in held.items()}
        shown = Opening.of(aggregate, leaf) if aggregate else None
        return self._wrong_column(column_proof(round, key, leaf, openings, shown))

    def _disputed_round(self, number: int, state: RoundState) -> DisputedRound:
        history = self.follower.history.rounds[number]
        indices = {i.account: i.index for i in self._ledger.identities(Role.PARTICIPANT)}
        commitments = tuple(
            CommitmentEntry(account, each.root, each.proof_hash) for account, each in history.commitments.items()
        )
        return DisputedRound(
            number=number,
            spec_hash=state.spec_hash,
            ciphertexts=state.ciphertexts,
            opening=opening_transcript(
                self._ledger.chain_id, self._ledger.contract, self._ledger.head(number - 1), history.opened
            ),
            commitments=commitments,
            accepted=frozenset(c.participant for c in commitments if state.accepted >> indices[c.participant] & 1),
            accepted_bitmap=state.accepted,
            aggregate_root=state.aggregate_root,
            aggregate_hash=state.aggregate_hash,
        )

    def _public_key(self) -> PublicKey:
        """Return the committee's key; its manifest is an artifact like others.

        Raises _UndecidedError while nobody shows it, ConfigurationError if the chain's modulus is another.
        """
        if self._key is None:
            published = self._ledger.key()
            data = None if published is None else self._artifact(published.key_id)
            if published is None or data is None:
                self._complain(
                    "key", ArtifactError("nobody shows the key manifest", got=published and published.key_id)
                )
                raise _UndecidedError
            manifest = KeyManifest.from_bytes(data)
            manifest.verify()
            if manifest.public_key.modulus_hash != published.modulus_hash:
                raise ConfigurationError(
                    "the chain holds another modulus than the key manifest: no aggregate can be disputed",
                    expected=to_hex(manifest.public_key.modulus_hash),
                    got=to_hex(published.modulus_hash),
                    advice="the operator published a wrong key; leave this federation",
                )
            self._key = manifest.public_key
        return self._key

    # evidence

    def _artifact(self, digest: bytes) -> bytes | None:
        if self._store.has(digest):
            return self._store.get(digest)
        for source in self._sources:
            try:
                return source.get(digest)
            except FedtrustError as error:
                self._complain(source.name, error)
        return None

    def _leaves(self, digest: bytes) -> tuple[bytes, ...]:
        data = self._store.get(digest)
        return shown_leaves(data) if data.startswith(b"FTCV") else ShownUpdate.from_bytes(data).leaves

    def _hold(self, round: DisputedRound, account: Address | None) -> bytes | None:
        """Return the digest of the leaves under a committed root, in our own store; None while nobody shows them."""
        name = account or AGGREGATE
        held = self._state.get(HELD, round.number, name)
        if held is not None:
            return held
        root = round.root_of(account)
        for data, leaves in self._shown(round.number, account):
            if merkle_root(leaves) == root:
                digest = self._store.put(data)
                self._state.put(HELD, round.number, name, digest)
                return digest
        return None

    def _shown(self, number: int, account: Address | None) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
        """Yield what the sources show as one vector of a round, read leniently."""
        for source in self._sources:
            try:
                digests = source.aggregates(number) if account is None else source.updates(number).get(account, ())
            except FedtrustError as error:
                self._complain(source.name, error)
                continue
            for digest in digests:
                try:
                    data = source.get(digest)
                    yield data, shown_leaves(data) if account is None else ShownUpdate.from_bytes(data).leaves
                except FedtrustError as error:
                    self._complain(source.name, error)

    # what is wrong

    def _wrong_column(self, proof: ColumnProof) -> bool:
        number, leaf = proof.round.number, proof.leaf

        def bring(court: Ledger) -> None:
            dispute = self._open_aggregate_dispute(court, number, leaf)
            if dispute is None:
                return
            gone_through = self._ledger.dispute(dispute).transcript
            for step in proof.steps(None if gone_through == ZERO_HASH else gone_through):
                court.multiply(
                    dispute,
                    modulus=proof.modulus,
                    product=step.product,
                    start=step.start,
                    contributions=step.contributions,
                )
                self._report("Multiplied", round=number, dispute=dispute, contributions=len(step.contributions))
            end = proof.conclusion
            outcome = court.conclude(
                dispute,
                modulus=proof.modulus,
                product=end.product,
                aggregate_root=end.aggregate_root,
                ciphertext=end.ciphertext,
                path=end.path,
            )
            self._report("Concluded", round=number, dispute=dispute, outcome=outcome.name)

        wrong = Wrong(number, DisputeKind.AGGREGATE, AGGREGATE, leaf)
        did = self._dispute(wrong, bring, leaf=leaf, unfit=proof.unfit is not None)
        return self._unless_over(wrong, did)

    def _wrong_count(self, round: DisputedRound, account: Address | None, leaves: Sequence[bytes]) -> bool:
        proof = count_proof(round, account, leaves)

        def bring(court: Ledger) -> None:
            dispute = self._open_aggregate_dispute(court, round.number, 0)
            if dispute is None:
                return
            court.prove_wrong_count(
                dispute,
                start=proof.start,
                commitments=proof.commitments,
                aggregate_root=proof.aggregate_root,
                count=proof.count,
                tree_hash=proof.tree_hash,
            )
            self._report("Concluded", round=round.number, dispute=dispute, outcome=DisputeOutcome.PROVEN.name)

        wrong = Wrong(round.number, DisputeKind.AGGREGATE, account or AGGREGATE)
        return self._unless_over(wrong, self._dispute(wrong, bring, ciphertexts=len(leaves)))

    def _unless_over(self, wrong: Wrong, did: bool) -> bool:
        """Leave the round alone when all that can be done about its aggregate is done, or was given up."""
        if self._court is None or self._refused.get(wrong, 0) >= TRIES:
            self._finished.add(wrong.round)
        return did

    def _open_aggregate_dispute(self, court: Ledger, number: int, leaf: int) -> int | None:
        """Return our dispute of this column, opened if need be; None if we had one and it was lost."""
        me = court.account
        for each in self._docket.values():
            if (each.kind, each.round, each.leaf, each.challenger) == (DisputeKind.AGGREGATE, number, leaf, me):
                return each.number
        dispute = court.challenge_aggregate(number, leaf)
        if self._ledger.dispute(dispute).outcome is not DisputeOutcome.OPEN:
            self._finished.add(number)  # ours, and over: no second bond on what the chain has decided
            self._report("Lost", round=number, dispute=dispute)
            return None
        self._report("Challenged", round=number, dispute=dispute, leaf=leaf)
        return dispute

    def _demand(self, round: DisputedRound, missing: Sequence[str]) -> None:
        """Demand on chain what nobody has shown for too long; a leaf of our choice, once for each vector."""
        now = self._ledger.now()
        for name in missing:
            recorded = self._state.get(MISSING, round.number, name)
            since = now if recorded is None else int.from_bytes(recorded, "big")
            if recorded is None:
                self._state.put(MISSING, round.number, name, now.to_bytes(8, "big"))
                self._report("Missing", round=round.number, subject=name)
            if now < since + self._plan.patience:
                continue
            wrong = Wrong(round.number, DisputeKind.AVAILABILITY, name)
            self._dispute(wrong, lambda court, name=name: self._demand_one(court, round, name), since=since)  # type: ignore[misc]

    def _demand_one(self, court: Ledger, round: DisputedRound, name: str) -> None:
        account = None if name == AGGREGATE else Address(name)
        chosen = self._state.get(DEMANDED, round.number, name)
        if chosen is None:
            chosen = secrets.randbelow(round.ciphertexts).to_bytes(4, "big")
            self._state.put(DEMANDED, round.number, name, chosen)
        leaf = int.from_bytes(chosen, "big")
        if self._demanded(court, round.number, account, leaf):
            return
        wanted = demand(round, account, leaf)
        dispute = court.challenge_availability(
            round.number,
            participant=wanted.participant,
            leaf=wanted.leaf,
            start=wanted.start,
            commitments=wanted.commitments,
            aggregate_root=wanted.aggregate_root,
        )
        self._state.put(DEMANDED_AS, round.number, name, dispute.to_bytes(8, "big"))
        self._report("Demanded", round=round.number, dispute=dispute, subject=name, leaf=leaf)

    def _demanded(self, court: Ledger, number: int, account: Address | None, leaf: int) -> bool:
        """Whether our demand is on chain already, answered or not."""
        name = account or AGGREGATE
        if self._state.get(DEMANDED_AS, number, name) is not None:
            return True
        participant = account or ZERO_ADDRESS
        return any(
            (d.kind, d.round, d.participant, d.leaf, d.challenger)
            == (DisputeKind.AVAILABILITY, number, participant, leaf, court.account)
            for d in self._docket.values()
        )

    def _contradictions(self, number: int, state: RoundState) -> bool:
        """Look for two updates that one participant signed; dispute them. Returns whether anything was done."""
        did = False
        for source in self._sources:
            try:
                shown = source.updates(number)
            except FedtrustError as error:
                self._complain(source.name, error)
                continue
            for account, digests in shown.items():
                for digest in digests:
                    if digest in self._looked_at:
                        continue
                    try:
                        data = source.get(digest)
                        self._looked_at.add(digest)
                        update = ShownUpdate.from_bytes(data)
                    except (EncodingError, CiphertextError):
                        continue
                    except FedtrustError as error:
                        self._complain(source.name, error)
                        continue
                    if update.participant == account:
                        did = self._compare(number, state, update, data) or did
        return did

    def _compare(self, number: int, state: RoundState, update: ShownUpdate, data: bytes) -> bool:
        """Compare an envelope with the first one that its participant signed; keep it if it is the first."""
        chain_id, contract, account = self._ledger.chain_id, self._ledger.contract, update.participant
        name = f"{account} {update.message.epoch}"
        first = self._state.get(SIGNED, number, name)
        try:
            if first is None:
                update.verify_signature(chain_id, contract, number, state.spec_hash)
                if self._could_sign(state, account, update.message.epoch):
                    self._state.put(SIGNED, number, name, self._store.put(data))
                return False
            before = ShownUpdate.from_bytes(self._store.get(first))
            proof = equivocation_proof(chain_id, contract, number, state.spec_hash, before, update)
        except ProofError:
            return False

        def bring(court: Ledger) -> None:
            court.challenge_equivocation(number, account=account, first=proof.first, second=proof.second)
            self._report("Concluded", round=number, kind=wrong.kind.name, outcome=DisputeOutcome.PROVEN.name)

        wrong = Wrong(number, DisputeKind.EQUIVOCATION, account)
        did = self._dispute(wrong, bring)
        if self._refused.get(wrong, 0) in range(1, TRIES):
            self._looked_at.discard(sha256(data))  # look at it again
        return did

    def _could_sign(self, state: RoundState, account: Address, epoch: int) -> bool:
        """Whether an account was in force in a round, and ever was in that epoch: the contract's own rule."""
        identity = self._ledger.identity(account)
        return (
            identity is not None
            and identity.role is Role.PARTICIPANT
            and bool(state.selected >> identity.index & 1)
            and epoch <= identity.epoch
            and identity.status is not Status.SLASHED
            and not (identity.status is Status.RETIRED and state.number > identity.retired_at_round)
        )

    def _omissions(self, round: DisputedRound, state: RoundState) -> bool:
        """Look for receipts of updates that were left out; dispute one. Returns whether anything was done."""
        own = self._ledger.identity(state.aggregator)
        for source in self._sources:
            for receipt in source.receipts(round.number):
                try:
                    proof = omission_proof(round, state.aggregator, receipt)
                except ProofError:
                    continue
                if own is None or proof.epoch > own.epoch:
                    continue  # an epoch that it never was in: the contract refuses it

                def bring(court: Ledger, proof: OmissionProof = proof) -> None:
                    court.challenge_omission(
                        round.number,
                        participant=proof.participant,
                        epoch=proof.epoch,
                        root=proof.root,
                        signature=proof.signature,
                    )
                    self._report("Concluded", round=round.number, kind="OMISSION", outcome=DisputeOutcome.PROVEN.name)
                    self._finished.add(round.number)

                if self._dispute(Wrong(round.number, DisputeKind.OMISSION, proof.participant), bring):
                    return True
        return False

    def _convicted(self, number: int, *kinds: DisputeKind) -> bool:
        return any(d.round == number and d.kind in kinds and d.outcome is DisputeOutcome.PROVEN for d in self._decided)

    # disputes that are open

    def _own_open(self) -> list[_OpenDispute]:
        me = None if self._court is None else self._court.account
        return [d for d in self._docket.values() if d.challenger == me]

    def _attend_disputes(self) -> bool:
        """Answer demands that we can answer, end disputes that have run out or become moot."""
        if self._court is None:
            return False
        did, now = False, self._ledger.now()
        for each in list(self._docket.values()):
            if self._stuck.get(each.number, 0) >= TRIES:
                continue
            try:
                did = self._attend(self._court, each, now) or did
            except TransactionError as error:
                # somebody else was quicker, mostly
                self._stuck[each.number] = self._stuck.get(each.number, 0) + 1
                self._complain(f"dispute {each.number}", error)
            except (ArtifactError, ProofError) as error:
                self._complain(f"dispute {each.number}", error)
        return did

    def _attend(self, court: Ledger, each: _OpenDispute, now: int) -> bool:
        state = self._ledger.round(each.round)
        if state.phase is Phase.VOIDED:
            if each.challenger != court.account:
                return False  # its challenger's bond, its challenger's gas
            court.withdraw_dispute(each.number)
            self._report("Withdrawn", round=each.round, dispute=each.number)
            return True
        if now > each.deadline:
            court.expire_dispute(each.number)
            self._report("Expired", round=each.round, dispute=each.number, kind=each.kind.name)
            return True
        if each.kind is not DisputeKind.AVAILABILITY:
            return False
        round = self._disputed_round(each.round, state)
        account = None if each.participant == ZERO_ADDRESS else each.participant
        digest = self._hold(round, account) or self._own_product(round, account)
        if digest is None:
            return False
        opening = answer(round, account, each.leaf, self._leaves(digest))
        court.reveal(each.number, ciphertext=opening.leaf, path=opening.path)
        self._report("Answered", round=each.round, dispute=each.number, leaf=each.leaf)
        return True

    def _product_of(self, round: DisputedRound, key: PublicKey) -> Columns:
        """Return the product of the accepted updates, all of which we hold; the last one is kept in memory."""
        if self._columns is None or self._columns[0] != round.number:
            digests = (self._state.get(HELD, round.number, account) for account in sorted(round.accepted))
            columns = multiply_columns(key, (self._leaves(digest) for digest in digests if digest is not None))
            self._columns = (round.number, columns)
        return self._columns[1]

    def _own_product(self, round: DisputedRound, account: Address | None) -> bytes | None:
        """Return the aggregate that we multiplied ourselves, if it is the committed one."""
        if account is not None or any(self._state.get(HELD, round.number, each) is None for each in round.accepted):
            return None
        key = self._public_key()
        columns = self._product_of(round, key)
        if columns.unfit is not None or merkle_root(columns.product) != round.aggregate_root:
            return None
        values = [int.from_bytes(leaf, "big") for leaf in columns.product]
        digest = self._store.put(encode_vector(b"FTCV", values, key.ciphertext_bytes))
        self._state.put(HELD, round.number, AGGREGATE, digest)
        return digest

    def _void(self, number: int) -> bool:
        if self._court is None:
            return False
        try:
            self._court.void_descendant(number)
        except TransactionError as error:
            self._complain(number, error)
            return False
        self._report("DescendantVoided", round=number)
        return True

    def _complain(self, about: object, error: FedtrustError) -> None:
        """Report what hinders us, once until it changes."""
        if self._complaints.get(about) != error.message:
            self._complaints[about] = error.message
            self._report("Waiting", about=str(about), reason=error.diagnostics())
