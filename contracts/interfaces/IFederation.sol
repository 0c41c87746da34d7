// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IFederation
/// @notice The chain's part of a federated-learning federation: who takes part with what at stake, under which key, what
/// every round committed to, and what everybody earned or lost. It holds hashes and commitments only: never a plaintext,
/// never a hash of a plaintext update, never a name.
/// @dev One contract is one federation and is never upgraded. Numbering of the enums and the order of the fields of
/// structs and events are part of the interface: `fedtrust/ledger` decodes them. Amounts are in units of the
/// federation's one asset: wei, or the smallest unit of an ERC-20 token.
interface IFederation {
    // ---------------------------------------------------------------------------------------------------- types

    /// @notice The role an identity is admitted for. One account has one role, for ever.
    enum Role {
        NONE,
        PARTICIPANT,
        TRUSTEE,
        AGGREGATOR
    }

    /// @notice Where an identity is in its life.
    /// @dev NONE -> ADMITTED -> ACTIVE -> LEAVING -> LEFT. REVOKED by the operator, SLASHED by a dispute, RETIRED when
    /// its place moved to another account. No way leads back.
    enum Status {
        NONE,
        ADMITTED,
        ACTIVE,
        LEAVING,
        LEFT,
        REVOKED,
        SLASHED,
        RETIRED
    }

    /// @notice The phase of a round. Phases only move forward.
    /// @dev COMMIT -> UPLOAD -> DECRYPT -> FINALIZED -> SETTLED; the first three may end in ABORTED, the first four in
    /// VOIDED.
    enum Phase {
        NONE,
        COMMIT,
        UPLOAD,
        DECRYPT,
        FINALIZED,
        SETTLED,
        ABORTED,
        VOIDED
    }

    /// @notice Why a round was aborted.
    enum AbortReason {
        NONE,
        COMMIT_QUORUM_MISSED,
        AGGREGATE_DEADLINE_MISSED,
        FINALIZE_DEADLINE_MISSED,
        BASE_VOIDED,
        AGGREGATOR_REMOVED
    }

    /// @notice How the participants' pot and the trustees' pot are divided among those who earned a part.
    /// @dev EQUAL: equal parts. RELIABILITY: parts in proportion to 1000 * (1 + kept) / (1 + kept + broken), rounded
    /// down, where kept = accepted + attested and broken = late + missed of the identity's counters before this round.
    enum PayoutRule {
        EQUAL,
        RELIABILITY
    }

    /// @notice The configuration of a federation, fixed when it is deployed. Times are in seconds.
    /// @param asset The ERC-20 token of stakes, bonds and rewards; zero for the chain's own coin.
    /// @param predecessor The federation that this one continues: its last head becomes head 0, its model the first
    /// base model; zero for none.
    /// @param challengeWindow From the finalisation of a round to its settlement.
    /// @param disputeSeconds The longest that one dispute may take, and the time to answer one.
    /// @param standbySeconds How long only the last round's aggregator may open the next round, how long after a missed
    /// deadline a standby may take the round over, and what it then gets for each step that is left.
    /// @param maxRoundSeconds The longest from opening a round to its last deadline.
    /// @param unbondingSeconds From leaving to the return of the stake: at least maxRoundSeconds + 3 * standbySeconds +
    /// challengeWindow + disputeSeconds, so that no dispute comes too late.
    /// @param claimSeconds How long a reward can be claimed before it may be returned to the pool.
    /// @param roundReward The most that one round may pay out.
    /// @param participantBasisPoints Share of the reward for the accepted participants together, of 10,000.
    /// @param trusteeBasisPoints Share of the reward for the trustees that attested, together, of 10,000.
    /// @param aggregatorBasisPoints Share of the reward for the round's aggregator, of 10,000.
    /// @param payoutRule How a pot is divided.
    /// @param participantStake What a participant stakes.
    /// @param trusteeStake What a trustee stakes.
    /// @param aggregatorStake What an aggregator stakes.
    /// @param disputeBond What a challenger deposits with each dispute.
    /// @param challengerRewardCap The most a challenger can earn; never more than half of what was slashed.
    /// @param minimumQuorum The fewest updates any round may be made from, at least 2.
    /// @param participantsPerRound How many participants are drawn for a round; 0 for all that are eligible.
    /// @param maxMissed After so many selections missed in a row a participant is not drawn until it calls `resume`; 0
    /// for never.
    struct Config {
        address asset;
        address predecessor;
        uint40 challengeWindow;
        uint40 disputeSeconds;
        uint40 standbySeconds;
        uint40 maxRoundSeconds;
        uint40 unbondingSeconds;
        uint40 claimSeconds;
        uint88 roundReward;
        uint16 participantBasisPoints;
        uint16 trusteeBasisPoints;
        uint16 aggregatorBasisPoints;
        PayoutRule payoutRule;
        uint96 participantStake;
        uint96 trusteeStake;
        uint96 aggregatorStake;
        uint96 disputeBond;
        uint96 challengerRewardCap;
        uint16 minimumQuorum;
        uint16 participantsPerRound;
        uint8 maxMissed;
    }

    /// @notice The deadlines of a round, as block timestamps in seconds, strictly ascending, each inclusive.
    struct Deadlines {
        uint40 commit;
        uint40 aggregate;
        uint40 finalize;
    }

    /// @notice An identity. The first seven fields are one word.
    /// @param role Its role; NONE for an account that was never admitted.
    /// @param index Its number within its role, from 0, and its bit in every bitmap of that role; from registration on.
    /// @param status Where it is in its life.
    /// @param epoch 1 at registration, one more with every rotation; its signatures name it.
    /// @param releaseAt When a leaving or revoked identity's stake may be released.
    /// @param retiredAtRound RETIRED: the last round that was opened while it was still in force.
    /// @param stake What can be slashed.
    /// @param certificateFingerprint SHA-256 of its DER certificate.
    /// @param sealingKey Its X25519 public key, to which a key share is sealed; zero if it receives none.
    struct Identity {
        Role role;
        uint8 index;
        Status status;
        uint32 epoch;
        uint40 releaseAt;
        uint32 retiredAtRound;
        uint96 stake;
        bytes32 certificateFingerprint;
        bytes32 sealingKey;
    }

    /// @notice What an identity did, counted. Kept under its role and index, so it survives rotations.
    /// @param accepted Participant: updates in settled rounds. Aggregator: rounds settled.
    /// @param late Participant: committed, but not in the accepted set.
    /// @param missed Participant: selected, but not committed when commits closed or the quorum was missed. Aggregator: a
    /// deadline of its own missed (aborted for it, or taken over).
    /// @param slashed Convictions.
    /// @param attested Trustee: attestations in settled rounds.
    /// @param missedInARow Participant: selections missed since the last of its updates that was settled, or since it resumed.
    struct Reputation {
        uint32 accepted;
        uint32 late;
        uint32 missed;
        uint32 slashed;
        uint32 attested;
        uint8 missedInARow;
    }

    /// @notice A round: eleven words, however many take part. What is not here is in the events, and bound by `transcript`,
    /// `aggregateHash` and `head`.
    /// @param phase Where the round is.
    /// @param abortReason Why it was aborted.
    /// @param quorum The fewest updates it may be made from.
    /// @param ciphertexts The number of ciphertexts in every update and in the aggregate.
    /// @param baseRound The round whose model it starts from; 0 for the first model.
    /// @param aggregator The aggregator that runs it.
    /// @param commitDeadline Last second for commitments.
    /// @param aggregateDeadline Last second for the aggregate.
    /// @param finalizeDeadline Last second for attestations and the result.
    /// @param challengeEnd FINALIZED: the second from which it may be settled.
    /// @param reward What was reserved for it.
    /// @param takenOver Whether a standby took it over.
    /// @param selected Bitmap of the participants that may commit.
    /// @param committed Bitmap of the participants that did commit.
    /// @param accepted Bitmap of the participants whose updates are in the aggregate.
    /// @param attested Bitmap of the trustees that attested the aggregate.
    /// @param specHash Hash of the round's canonical specification.
    /// @param transcript Running hash of the opening, every commitment and every attestation, in order.
    /// @param aggregateHash keccak256(abi.encode(transcript when the aggregate was committed, accepted, aggregateRoot)).
    /// @param modelHash SHA-256 of the round's new model.
    /// @param head The chained hash over this round and all before it; written when the round ends.
    struct Round {
        Phase phase;
        AbortReason abortReason;
        uint16 quorum;
        uint32 ciphertexts;
        uint32 baseRound;
        address aggregator;
        uint40 commitDeadline;
        uint40 aggregateDeadline;
        uint40 finalizeDeadline;
        uint40 challengeEnd;
        uint88 reward;
        bool takenOver;
        uint256 selected;
        uint256 committed;
        uint256 accepted;
        uint256 attested;
        bytes32 specHash;
        bytes32 transcript;
        bytes32 aggregateHash;
        bytes32 modelHash;
        bytes32 head;
    }

    /// @notice An update that somebody else sends to the chain for its participant.
    /// @param participant The participant that signed: a plain account or an ERC-1271 wallet.
    /// @param root Merkle root of the update's ciphertexts.
    /// @param proofHash Hash of the proof of plaintext knowledge.
    /// @param signature EIP-712 signature, domain ("fedtrust", "2"), over `Update(uint256 round,bytes32 specHash,uint32
    /// epoch,bytes32 root,uint32 ciphertexts,bytes32 proofHash)` with the participant's present epoch.
    struct RelayedUpdate {
        address participant;
        bytes32 root;
        bytes32 proofHash;
        bytes signature;
    }

    // --------------------------------------------------------------------------------------------------- events

    /// @notice The operator admitted an account; it may register itself.
    event IdentityAdmitted(address indexed account, Role indexed role);

    /// @notice An admitted account registered itself.
    event IdentityRegistered(
        address indexed account,
        Role indexed role,
        uint8 index,
        uint96 stake,
        bytes32 certificateFingerprint,
        bytes32 sealingKey,
        bytes certificate
    );

    /// @notice An identity changed its certificate, and its account if `newAccount` is another.
    event IdentityRotated(
        address indexed account,
        address indexed newAccount,
        Role indexed role,
        uint8 index,
        uint32 epoch,
        bytes32 certificateFingerprint,
        bytes32 sealingKey,
        bytes certificate
    );

    /// @notice An identity leaves; its stake may be released at `releaseAt`.
    event IdentityLeaving(address indexed account, uint256 releaseAt);

    /// @notice The operator revoked an identity; its stake, if it has one, may be released at `releaseAt`.
    event IdentityRevoked(address indexed account, uint256 releaseAt);

    /// @notice A dispute took an identity's whole stake.
    event IdentitySlashed(address indexed account, uint256 indexed round, uint256 amount);

    /// @notice The stake of an identity that left became claimable.
    event StakeReleased(address indexed account, uint256 amount);

    /// @notice A participant missed too many selections in a row and is not drawn any more.
    event ParticipantSuspended(address indexed account);

    /// @notice A suspended participant may be drawn again.
    event ParticipantResumed(address indexed account);

    /// @notice The committee's key was published.
    event KeyPublished(bytes32 keyId, uint8 threshold, uint8 trustees, bytes32 modulusHash);

    /// @notice Somebody added to the reward pool.
    event RewardsFunded(address indexed sender, uint256 amount);

    /// @notice An account withdrew all it had been credited.
    event RewardClaimed(address indexed account, uint256 amount);

    /// @notice A reward that nobody claimed in time went back to the pool.
    event RewardExpired(address indexed account, uint256 amount);

    /// @notice Something other than a reward became claimable: a bond, a challenger's reward, a compensation.
    event DepositCredited(address indexed account, uint256 amount);

    /// @notice A round was opened.
    event RoundOpened(
        uint256 indexed round,
        address indexed aggregator,
        bytes32 specHash,
        bytes32 baseModelHash,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        uint32 baseRound,
        Deadlines deadlines,
        uint256 reward
    );

    /// @notice A participant bound itself to an encrypted update.
    event UpdateCommitted(
        uint256 indexed round, address indexed participant, bytes32 root, bytes32 proofHash
    );

    /// @notice The commit phase closed; uploads may begin.
    event CommitsClosed(uint256 indexed round, uint256 committed);

    /// @notice A standby took the round over after a missed deadline.
    event RoundTakenOver(
        uint256 indexed round, address indexed aggregator, uint256 aggregateDeadline, uint256 finalizeDeadline
    );

    /// @notice The accepted set and the root of the aggregate were fixed.
    event AggregateCommitted(uint256 indexed round, uint256 accepted, bytes32 aggregateRoot);

    /// @notice A trustee recomputed the aggregate and bound itself to its partial decryption.
    event Attested(uint256 indexed round, address indexed trustee, bytes32 partialRoot);

    /// @notice The result was committed; the challenge window runs until `challengeEnd`.
    event RoundFinalized(
        uint256 indexed round,
        bytes32 plaintextHash,
        bytes32 proofHash,
        bytes32 modelHash,
        bytes32 resultHash,
        bytes32 head,
        uint40 challengeEnd
    );

    /// @notice The round ended without a result.
    event RoundAborted(uint256 indexed round, AbortReason reason, bytes32 head);

    /// @notice The round counts for nothing: by a dispute, or because the round it builds on was voided. `head` is the
    /// round's, written now if it had none. `verdicts` is the running hash of all voidings, part of every later head.
    event RoundVoided(uint256 indexed round, bytes32 head, bytes32 verdicts);

    /// @notice A reward became claimable by `account`.
    event RewardCredited(uint256 indexed round, address indexed account, uint256 amount);

    /// @notice The round's rewards were credited; `credited` is their sum, the rest went back to the pool.
    event RoundSettled(uint256 indexed round, uint256 credited);

    // --------------------------------------------------------------------------------------------------- errors

    /// @notice The field of the configuration with this name (as bytes32) is out of range.
    error ConfigInvalid(bytes32 field);

    /// @notice The predecessor's last round has not ended.
    error PredecessorStillRunning(uint256 round);

    /// @notice Only the disputes contract may call this.
    error NotDisputes(address sender);

    /// @notice The payment to `account` was refused by it.
    error RewardTransferFailed(address account);

    /// @notice The payment is `actual`, and must be `expected`.
    error PaymentWrong(uint256 expected, uint256 actual);

    /// @notice The reward of `account` can be claimed until `expiresAt`, or there is none.
    error RewardNotExpired(address account, uint256 expiresAt);

    /// @notice The zero address cannot be admitted.
    error IdentityZeroAccount();

    /// @notice An identity needs a role.
    error IdentityRoleMissing();

    /// @notice `account` was admitted before; nobody comes back.
    error IdentityAlreadyAdmitted(address account);

    /// @notice The certificate is empty or longer than 4,096 bytes.
    error IdentityCertificateLength(uint256 length);

    /// @notice The certificate belongs to an identity registered before.
    error IdentityCertificateTaken(bytes32 certificateFingerprint);

    /// @notice A trustee needs a sealing key.
    error IdentitySealingKeyMissing();

    /// @notice The role has all the identities it can have: 256; of trustees 32, or as many as hold a share of the key.
    error IdentityRoleFull(Role role);

    /// @notice No identity of `role` has this index.
    error IdentityIndexOutOfRange(Role role, uint256 index);

    /// @notice `account` was never admitted.
    error IdentityUnknown(address account);

    /// @notice `account` is in another status than the call needs.
    error IdentityWrongStatus(address account, Status actual);

    /// @notice `account` is not an identity of role `required`.
    error IdentityWrongRole(address account, Role required);

    /// @notice The account of an aggregator cannot change while it runs a round.
    error IdentityBusy(address account, uint256 round);

    /// @notice The stake of `account` is held until `releaseAt`.
    error StakeHeld(address account, uint256 releaseAt);

    /// @notice `account` is not suspended.
    error ParticipantNotSuspended(address account);

    /// @notice The committee's key is published once.
    error KeyAlreadyPublished();

    /// @notice A key needs an id, a modulus hash, and a threshold between 1 and the number of its trustees; and no more
    /// trustees may be registered than hold a share.
    error KeyInvalid();

    /// @notice No round may be opened before the committee's key was published.
    error KeyMissing();

    /// @notice The next round has the number `expected`.
    error RoundWrongNumber(uint256 expected, uint256 actual);

    /// @notice The round before, `round`, is still running.
    error RoundStillRunning(uint256 round);

    /// @notice So many finalised rounds are not settled, as many as there may be: settle them first.
    error RoundsUnsettled(uint256 count);

    /// @notice Until `until` only `aggregator` may open the next round.
    error RoundNotYourTurn(address aggregator, uint256 until);

    /// @notice The round is in another phase than the call needs.
    error RoundWrongPhase(uint256 round, Phase required, Phase actual);

    /// @notice The selection is not the one drawn from the beacon, or too few are eligible.
    error RoundInvalidSelection(uint256 expected, uint256 actual);

    /// @notice The quorum is below the federation's minimum or above the number of selected participants.
    error RoundInvalidQuorum(uint256 quorum, uint256 selectedCount);

    /// @notice A round without ciphertexts, or an update that does not have as many as its round.
    error RoundWrongCiphertexts(uint256 round, uint256 ciphertexts);

    /// @notice The deadlines are not ascending, the first is not in the future, or the last is too far.
    error RoundInvalidDeadlines();

    /// @notice The base model is not the current model, or is zero.
    error RoundWrongBaseModel(bytes32 expected, bytes32 actual);

    /// @notice The step is too late: its deadline was at `deadline`.
    error RoundDeadlinePassed(uint256 round, uint256 deadline);

    /// @notice `participant` was not selected for the round.
    error RoundParticipantNotSelected(uint256 round, address participant);

    /// @notice `participant` has committed an update to the round before.
    error RoundAlreadyCommitted(uint256 round, address participant);

    /// @notice The signature is not `participant`'s over this update.
    error RoundInvalidSignature(address participant);

    /// @notice Neither have all selected participants committed, nor has the deadline passed with a quorum.
    error RoundCommitsStillOpen(uint256 round);

    /// @notice `account` is not the aggregator that runs the round.
    error RoundNotItsAggregator(uint256 round, address account);

    /// @notice Its aggregate deadline has not just passed, the sender runs it already, or it was taken over before.
    error RoundNotTakeable(uint256 round);

    /// @notice The accepted set is not a subset of the committed set, or is below the quorum.
    error RoundInvalidAcceptedSet(uint256 round, uint256 accepted);

    /// @notice `trustee` has attested the round before.
    error RoundAlreadyAttested(uint256 round, address trustee);

    /// @notice Fewer trustees than the threshold have attested.
    error RoundAttestationsMissing(uint256 round, uint256 attested, uint256 threshold);

    /// @notice A hash that must be written is zero.
    error RoundZeroHash(uint256 round);

    /// @notice The round has missed neither its quorum nor a deadline, or has ended.
    error RoundNotAbortable(uint256 round);

    /// @notice The challenge window is open until `challengeEnd`.
    error RoundChallengeWindowOpen(uint256 round, uint256 challengeEnd);

    /// @notice A dispute about the round is not decided yet.
    error RoundDisputed(uint256 round);

    /// @notice The round it builds on, `baseRound`, is not settled (or, for voiding it, not voided).
    error RoundBaseUndecided(uint256 round, uint256 baseRound);

    // -------------------------------------------------------------------------------------------- the federation

    /// @notice The version of this interface: 2.
    function version() external pure returns (uint256);

    /// @notice What this contract is: "fedtrust.Federation".
    function contractName() external pure returns (string memory);

    /// @notice The configuration it was deployed with.
    function config() external view returns (Config memory);

    /// @notice The block it was deployed in: no event is older.
    function deployedBlock() external view returns (uint256);

    /// @notice The contract that decides its disputes, made with it and for it alone.
    function disputes() external view returns (address);

    /// @notice The EIP-712 domain separator of everything signed for this federation.
    function domainSeparator() external view returns (bytes32);

    // ------------------------------------------------------------------------------------------------ identities

    /// @notice Owner: let `account` register itself for `role`, or take over the place of an identity of that role.
    function admitIdentity(address account, Role role) external;

    /// @notice Owner: revoke `account`. Its index stays taken; what it did stays valid; it may do nothing more. Its stake
    /// is held as if it had left.
    function revokeIdentity(address account) external;

    /// @notice Admitted account: register with its stake, to be sent along (or approved, for a token). It gets the next
    /// index of its role. A role has at most 256 identities; trustees at most 32, and no more than the key has shares.
    /// @param certificate Its TLS certificate in DER, 1 to 4,096 bytes, not registered before.
    /// @param sealingKey Its X25519 public key; a trustee must have one.
    function registerIdentity(bytes calldata certificate, bytes32 sealingKey) external payable;

    /// @notice Active identity: change the certificate, and hand the place with stake and reputation to `newAccount` if
    /// that is not the sender; it must have been admitted for the same role. Starts the next epoch.
    function rotateIdentity(address newAccount, bytes calldata certificate, bytes32 sealingKey) external;

    /// @notice Active identity: leave. It is not drawn and opens no round from now on, but finishes the running one.
    function leaveFederation() external;

    /// @notice Anyone: after the unbonding time, make the stake of an identity that left or was revoked claimable.
    function releaseStake(address account) external;

    /// @notice Suspended participant: be drawn again.
    function resume() external;

    /// @notice The identity of `account`; all zero if there is none.
    function identityOf(address account) external view returns (Identity memory);

    /// @notice Role, index, status, epoch and last round of `account`, for one storage read.
    function seatOf(address account)
        external
        view
        returns (Role role, uint8 index, Status status, uint32 epoch, uint32 retiredAtRound);

    /// @notice The account that has this index in `role` now; reverts if there is none.
    function accountAt(Role role, uint256 index) external view returns (address);

    /// @notice How many identities were ever registered for `role`.
    function countOf(Role role) external view returns (uint256);

    /// @notice The counters of the identity of `role` with `index`.
    function reputationOf(Role role, uint8 index) external view returns (Reputation memory);

    /// @notice Bitmap of the participants that can be drawn: active and not suspended.
    function eligible() external view returns (uint256);

    // ------------------------------------------------------------------------------------------- the committee key

    /// @notice Owner: publish the committee's key, once.
    /// @param keyId SHA-256 of the canonical key manifest.
    /// @param threshold How many trustees it takes to decrypt.
    /// @param trustees How many trustees hold a share: at most 32, so that every round settles in one transaction.
    /// @param modulusHash keccak256 of n^2, big-endian, of twice the bytes of n: what disputes multiply by.
    function publishKey(bytes32 keyId, uint8 threshold, uint8 trustees, bytes32 modulusHash) external;

    /// @notice The committee's key; all zero before it was published.
    function key() external view returns (bytes32 keyId, uint8 threshold, uint8 trustees, bytes32 modulusHash);

    // --------------------------------------------------------------------------------------------------- rewards

    /// @notice Anyone: add `amount` to the reward pool; to be sent along, or approved for a token.
    function fundRewards(uint256 amount) external payable;

    /// @notice What is in the pool and reserved by no round.
    function rewardPool() external view returns (uint256);

    /// @notice All that is staked, by whomever.
    function totalStake() external view returns (uint256);

    /// @notice All that `account` may withdraw.
    function claimable(address account) external view returns (uint256);

    /// @notice The part of it that is rewards, and when that may be returned to the pool.
    function claimableReward(address account) external view returns (uint256 amount, uint256 expiresAt);

    /// @notice Withdraw all that the sender was credited.
    /// @return amount What was paid; 0, and no event, if there was nothing.
    function claim() external returns (uint256 amount);

    /// @notice Anyone: return the rewards that `account` did not claim in time to the pool.
    function expireReward(address account) external;

    // ---------------------------------------------------------------------------------------------------- rounds

    /// @notice Aggregator: open the next round. Reserves the smaller of the pool and the round reward for it.
    /// @param round Its number: one more than the last round, which must have ended.
    /// @param specHash Hash of its canonical specification.
    /// @param baseModelHash The model it starts from: the current model; the first round sets it.
    /// @param selected Bitmap of the selected participants: those that `drawOf` names.
    /// @param quorum The fewest updates it may be made from: from the federation's minimum to the number selected.
    /// @param ciphertexts How many ciphertexts every update has: not 0.
    /// @param deadlines Its deadlines, ascending, the first in the future, the last within maxRoundSeconds.
    function openRound(
        uint256 round,
        bytes32 specHash,
        bytes32 baseModelHash,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        Deadlines calldata deadlines
    ) external;

    /// @notice The draw for the next round, as of this block: the beacon's block and hash, and the bitmap drawn. In the
    /// block in which the last round ended its hash is not known yet: then beacon and, if it is needed, bitmap are zero.
    /// @dev The beacon is the hash of the block in which the last round ended (before the first: the deployment). When
    /// that block is more than 256 blocks ago, it is the latest block at a multiple of 256 after it that is not. Of the
    /// eligible indices in ascending order, for i = 0 .. participantsPerRound - 1 the entry i is swapped with the entry
    /// i + keccak256(abi.encode(keccak256("fedtrust.draw.v2"), beacon, round, i)) mod (count - i). All are selected, and
    /// no beacon is needed, if participantsPerRound is 0 or not below their count.
    function drawOf() external view returns (uint256 beaconBlock, bytes32 beacon, uint256 selected);

    /// @notice Selected participant: bind the sender to an encrypted update, once, before the commit deadline.
    /// @param round The round.
    /// @param root Merkle root of the update's ciphertexts.
    /// @param ciphertexts How many there are: as many as the round says.
    /// @param proofHash Hash of the proof of plaintext knowledge.
    function commitUpdate(uint256 round, bytes32 root, uint32 ciphertexts, bytes32 proofHash) external;

    /// @notice Anyone: relay signed updates. One whose participant has committed already is left out, so that nobody can
    /// stop a batch by sending one of it first; anything else that is wrong with one refuses all.
    function relayUpdates(uint256 round, RelayedUpdate[] calldata updates) external;

    /// @notice Anyone: close the commit phase, once all selected have committed, or after its deadline with a quorum.
    function closeCommits(uint256 round) external;

    /// @notice Another active aggregator: take the round over, once, in UPLOAD, within standbySeconds after its aggregator
    /// missed the aggregate deadline. The new one is standbySeconds from now, the last deadline as much later at least.
    /// @dev Not in DECRYPT: who takes a round over answers for its aggregate, so it must be its own.
    function takeOver(uint256 round) external;

    /// @notice The round's aggregator: fix the accepted set and the aggregate, before the aggregate deadline.
    /// @param round The round.
    /// @param accepted Bitmap of the accepted participants: committed all, and a quorum.
    /// @param aggregateRoot Merkle root of the aggregate's ciphertexts.
    function commitAggregate(uint256 round, uint256 accepted, bytes32 aggregateRoot) external;

    /// @notice Trustee: bind the sender to its partial decryption of the aggregate, once, before the last deadline. A
    /// trustee that attests a wrong aggregate loses its stake with the aggregator.
    /// @param round The round.
    /// @param partialRoot Merkle root of the partial decryptions.
    function attest(uint256 round, bytes32 partialRoot) external;

    /// @notice The round's aggregator: commit the result, once a threshold of trustees attested, before the last
    /// deadline. The new model becomes the current model. No hash may be zero.
    /// @param round The round.
    /// @param plaintextHash Hash of the decrypted aggregate.
    /// @param proofHash Hash of the public proof of decryption.
    /// @param modelHash SHA-256 of the new model.
    /// @param resultHash Hash of the round's result record.
    function finalizeRound(
        uint256 round,
        bytes32 plaintextHash,
        bytes32 proofHash,
        bytes32 modelHash,
        bytes32 resultHash
    ) external;

    /// @notice Anyone: abort a round that missed its quorum or a deadline, whose base was voided or whose aggregator was
    /// revoked or slashed. Its reward goes back to the pool. A missed aggregate deadline ends a round only standbySeconds
    /// later, when nobody has taken it over.
    function abortRound(uint256 round) external;

    /// @notice Anyone: after the challenge window, with no dispute open and its base settled, credit the rewards of a
    /// finalised round. What the division leaves goes back to the pool.
    function settleRound(uint256 round) external;

    /// @notice Anyone: void a finalised round whose base round was voided. Its reward goes back to the pool; nobody is
    /// slashed.
    function voidDescendant(uint256 round) external;

    /// @notice Round `round`; all zero if it was never opened.
    function roundOf(uint256 round) external view returns (Round memory);

    /// @notice The number of the newest round, 0 before the first.
    function lastRound() external view returns (uint256);

    /// @notice The hash of the model the next round must start from; zero before the first round.
    function currentModel() external view returns (bytes32);

    /// @notice The running hash of all voidings; zero before the first.
    /// @dev `keccak256(abi.encode(verdicts before, round, offender, kind of dispute))`; a descendant has no offender and
    /// kind 0.
    function verdicts() external view returns (bytes32);

    /// @notice The chained hash after `round`; zero until the round has ended. Head 0 is the predecessor's last head, or
    /// zero.
    /// @dev A round's transcript starts as `keccak256(abi.encode(keccak256("fedtrust.round.v2"), chain id, this contract,
    /// round, head of the round before, aggregator, specHash, baseModelHash, baseRound, selected, quorum, ciphertexts,
    /// commit, aggregate and finalize deadline, reward))` and goes on with `keccak256(abi.encode(transcript, uint8 kind,
    /// account, bytes32, bytes32))`: kind 1, a participant's root and proofHash; kind 2, a trustee's partialRoot and 0.
    /// The head is `keccak256(abi.encode(keccak256("fedtrust.head.v2"), transcript, phase (FINALIZED, ABORTED or VOIDED),
    /// abortReason, aggregator, aggregateHash, plaintextHash, proofHash, modelHash, resultHash, verdicts))`, with
    /// zeros for what the round did not reach. It is written once: a finalised round that is voided keeps its head.
    function headOf(uint256 round) external view returns (bytes32);

    // ----------------------------------------------------------------------------------- for the disputes contract

    /// @notice Disputes: take the bond of a challenger, sent along or approved for a token.
    function takeBond(address challenger) external payable;

    /// @notice Disputes: make a bond claimable by `account`, or put it into the pool if that is zero.
    function creditBond(address account) external;

    /// @notice Disputes: the verdict. Slashes the offender (and every trustee that attested, if `attested`), pays the
    /// challenger, compensates the participants, voids the round unless it was aborted.
    /// @param round The round the dispute is about.
    /// @param offender Role and index of the convicted are those of this account.
    /// @param attested Whether the trustees that attested are convicted with it.
    /// @param challenger Who proved it.
    /// @param kind The kind of the dispute, for the verdicts' hash.
    function convict(uint256 round, address offender, bool attested, address challenger, uint8 kind) external;
}
