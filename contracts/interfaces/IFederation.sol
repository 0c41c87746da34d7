// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IFederation
/// @notice The chain's part of a federated-learning federation: who takes part, under which key, what every round
/// committed to, and what everybody earned. It holds hashes and commitments only: never a plaintext, never a hash of
/// a plaintext update, never a name.
/// @dev One contract is one federation and is never upgraded. Numbering of the enums and the order of the fields of
/// structs and events are part of the interface: `fedtrust/ledger` decodes them.
interface IFederation {
    // ---------------------------------------------------------------------------------------------------- types

    /// @notice The role an identity is registered for. One account has one role, for ever.
    enum Role {
        NONE,
        PARTICIPANT,
        TRUSTEE,
        AGGREGATOR
    }

    /// @notice The phase of a round. Phases only move forward.
    /// @dev COMMIT -> UPLOAD -> DECRYPT -> FINALIZED -> SETTLED; the first three may end in ABORTED. VOIDED is
    /// reserved for disputes.
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
        FINALIZE_DEADLINE_MISSED
    }

    /// @notice The configuration of a federation, fixed when it is deployed.
    /// @param challengeWindow Seconds between the finalisation of a round and its settlement.
    /// @param roundReward The most that one round may pay out, in wei.
    /// @param participantBasisPoints Share of the reward for the accepted participants together, of 10,000.
    /// @param trusteeBasisPoints Share of the reward for the trustees that attested, together, of 10,000.
    /// @param aggregatorBasisPoints Share of the reward for the round's aggregator, of 10,000.
    struct Config {
        uint64 challengeWindow;
        uint128 roundReward;
        uint16 participantBasisPoints;
        uint16 trusteeBasisPoints;
        uint16 aggregatorBasisPoints;
    }

    /// @notice The deadlines of a round, as block timestamps in seconds, strictly ascending, each inclusive.
    struct Deadlines {
        uint64 commit;
        uint64 aggregate;
        uint64 finalize;
    }

    /// @notice A registered identity.
    /// @param role Its role; NONE for an account that was never registered.
    /// @param index Its number within its role, from 0, and its bit in every bitmap of that role.
    /// @param active False once it was revoked.
    /// @param certificateFingerprint SHA-256 of its DER certificate.
    /// @param sealingKey Its X25519 public key, to which a key share is sealed; zero if it receives none.
    struct Identity {
        Role role;
        uint8 index;
        bool active;
        bytes32 certificateFingerprint;
        bytes32 sealingKey;
    }

    /// @notice A round. Everything is zero until it is written, and is written once, except the phase, the bitmaps
    /// `committed` and `attested` and the two accumulated hashes.
    /// @param phase Where the round is.
    /// @param aggregator The aggregator that opened it and runs it.
    /// @param deadlines Its deadlines.
    /// @param quorum The fewest updates it may be made from.
    /// @param ciphertexts The number of ciphertexts in every update and in the aggregate.
    /// @param selected Bitmap of the participants that may commit.
    /// @param committed Bitmap of the participants that did commit.
    /// @param accepted Bitmap of the participants whose updates are in the aggregate.
    /// @param attested Bitmap of the trustees that attested the aggregate.
    /// @param specHash Hash of the round's canonical specification.
    /// @param baseModelHash SHA-256 of the model the round starts from.
    /// @param commitmentsHash All commitments, folded in the order in which they arrived.
    /// @param aggregateRoot Merkle root of the aggregate's ciphertexts.
    /// @param attestationsHash All attestations, folded in the order in which they arrived.
    /// @param plaintextHash Hash of the decrypted aggregate.
    /// @param proofHash Hash of the public proof of decryption.
    /// @param modelHash SHA-256 of the round's new model.
    /// @param resultHash Hash of the round's result record.
    /// @param head The chained hash over this round and all before it; written when the round ends.
    /// @param challengeEnd The timestamp from which the round may be settled.
    /// @param reward The wei reserved for it.
    /// @param abortReason Why it was aborted.
    struct Round {
        Phase phase;
        address aggregator;
        Deadlines deadlines;
        uint16 quorum;
        uint32 ciphertexts;
        uint256 selected;
        uint256 committed;
        uint256 accepted;
        uint256 attested;
        bytes32 specHash;
        bytes32 baseModelHash;
        bytes32 commitmentsHash;
        bytes32 aggregateRoot;
        bytes32 attestationsHash;
        bytes32 plaintextHash;
        bytes32 proofHash;
        bytes32 modelHash;
        bytes32 resultHash;
        bytes32 head;
        uint64 challengeEnd;
        uint128 reward;
        AbortReason abortReason;
    }

    // --------------------------------------------------------------------------------------------------- events

    /// @notice An identity was admitted.
    event IdentityRegistered(
        address indexed account,
        Role indexed role,
        uint8 index,
        bytes32 certificateFingerprint,
        bytes32 sealingKey,
        bytes certificate
    );

    /// @notice An identity was revoked.
    event IdentityRevoked(address indexed account);

    /// @notice The committee's key was published.
    event KeyPublished(bytes32 keyId, uint8 threshold, uint8 trustees);

    /// @notice Somebody added to the reward pool.
    event RewardsFunded(address indexed sender, uint256 amount);

    /// @notice An account withdrew what it had been credited.
    event RewardClaimed(address indexed account, uint256 amount);

    /// @notice A round was opened.
    event RoundOpened(
        uint256 indexed round,
        address indexed aggregator,
        bytes32 specHash,
        bytes32 baseModelHash,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        Deadlines deadlines,
        uint256 reward
    );

    /// @notice A participant bound itself to an encrypted update.
    event UpdateCommitted(
        uint256 indexed round, address indexed participant, bytes32 root, bytes32 proofHash
    );

    /// @notice The commit phase closed; uploads may begin.
    event CommitsClosed(uint256 indexed round, uint256 committed);

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
        uint64 challengeEnd
    );

    /// @notice The round ended without a result.
    event RoundAborted(uint256 indexed round, AbortReason reason, bytes32 head);

    /// @notice A reward became claimable by `account`.
    event RewardCredited(uint256 indexed round, address indexed account, uint256 amount);

    /// @notice The round's rewards were credited; `credited` is their sum, the rest went back to the pool.
    event RoundSettled(uint256 indexed round, uint256 credited);

    // --------------------------------------------------------------------------------------------------- errors

    /// @notice The three shares of the reward add up to more than 10,000 basis points.
    error RewardSharesExceedWhole(uint256 basisPoints);

    /// @notice The payment to `account` was refused by it.
    error RewardTransferFailed(address account);

    /// @notice The zero address cannot be registered.
    error IdentityZeroAccount();

    /// @notice An identity needs a role.
    error IdentityRoleMissing();

    /// @notice `account` was registered before; a revoked account cannot come back.
    error IdentityAlreadyRegistered(address account);

    /// @notice The certificate is empty or longer than 4,096 bytes.
    error IdentityCertificateLength(uint256 length);

    /// @notice The certificate belongs to an identity registered before.
    error IdentityCertificateTaken(bytes32 certificateFingerprint);

    /// @notice A trustee needs a sealing key.
    error IdentitySealingKeyMissing();

    /// @notice The role has 256 identities already.
    error IdentityRoleFull(Role role);

    /// @notice No identity of `role` has this index.
    error IdentityIndexOutOfRange(Role role, uint256 index);

    /// @notice `account` was never registered.
    error IdentityUnknown(address account);

    /// @notice `account` is revoked.
    error IdentityInactive(address account);

    /// @notice `account` is not registered as `required`.
    error IdentityWrongRole(address account, Role required);

    /// @notice The committee's key is published once.
    error KeyAlreadyPublished();

    /// @notice A key needs an id and a threshold between 1 and the number of its trustees.
    error KeyInvalid();

    /// @notice No round may be opened before the committee's key was published.
    error KeyMissing();

    /// @notice The next round has the number `expected`.
    error RoundWrongNumber(uint256 expected, uint256 actual);

    /// @notice The round before, `round`, is still running.
    error RoundStillRunning(uint256 round);

    /// @notice The round is in another phase than the call needs.
    error RoundWrongPhase(uint256 round, Phase required, Phase actual);

    /// @notice The selected set is empty or names participants that are unknown or revoked.
    error RoundInvalidSelection(uint256 selected);

    /// @notice The quorum is below 2 or above the number of selected participants.
    error RoundInvalidQuorum(uint256 quorum, uint256 selectedCount);

    /// @notice A round without ciphertexts, or an update that does not have as many as its round.
    error RoundWrongCiphertexts(uint256 round, uint256 ciphertexts);

    /// @notice The deadlines are not ascending, or the first is not in the future.
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

    /// @notice `account` is not the aggregator that opened the round.
    error RoundNotItsAggregator(uint256 round, address account);

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

    // -------------------------------------------------------------------------------------------- the federation

    /// @notice The version of this interface: 1.
    function version() external pure returns (uint256);

    /// @notice What this contract is: "fedtrust.Federation".
    function contractName() external pure returns (string memory);

    /// @notice The configuration it was deployed with.
    function config() external view returns (Config memory);

    /// @notice The block it was deployed in: no event is older.
    function deployedBlock() external view returns (uint256);

    // ------------------------------------------------------------------------------------------------ identities

    /// @notice Owner: admit `account`. It gets the next index of its role; a role has at most 256 identities.
    /// @param account The account, not registered before.
    /// @param role Its role.
    /// @param certificate Its TLS certificate in DER, 1 to 4,096 bytes, not registered before.
    /// @param sealingKey Its X25519 public key; a trustee must have one.
    function registerIdentity(address account, Role role, bytes calldata certificate, bytes32 sealingKey)
        external;

    /// @notice Owner: revoke `account`. Its index stays taken; what it did stays valid; it may do nothing more.
    function revokeIdentity(address account) external;

    /// @notice The identity registered for `account`; all zero if there is none.
    function identityOf(address account) external view returns (Identity memory);

    /// @notice The account with this index in `role`; reverts if there is none.
    function accountAt(Role role, uint256 index) external view returns (address);

    /// @notice How many identities were ever registered for `role`.
    function countOf(Role role) external view returns (uint256);

    // ------------------------------------------------------------------------------------------- the committee key

    /// @notice Owner: publish the committee's key, once.
    /// @param keyId SHA-256 of the canonical key manifest.
    /// @param threshold How many trustees it takes to decrypt.
    /// @param trustees How many trustees hold a share.
    function publishKey(bytes32 keyId, uint8 threshold, uint8 trustees) external;

    /// @notice The committee's key; all zero before it was published.
    function key() external view returns (bytes32 keyId, uint8 threshold, uint8 trustees);

    // --------------------------------------------------------------------------------------------------- rewards

    /// @notice Anyone: add the sent wei to the reward pool. This is the only way to pay into the contract.
    function fundRewards() external payable;

    /// @notice The wei in the pool that no round has reserved.
    function rewardPool() external view returns (uint256);

    /// @notice The wei that `account` may claim.
    function claimable(address account) external view returns (uint256);

    /// @notice Withdraw all that the sender was credited.
    /// @return amount The wei paid; 0, and no event, if there was nothing.
    function claim() external returns (uint256 amount);

    // ---------------------------------------------------------------------------------------------------- rounds

    /// @notice Aggregator: open the next round. Reserves the smaller of the pool and the round reward for it.
    /// @param round Its number: one more than the last round, which must be finalised, settled or aborted.
    /// @param specHash Hash of its canonical specification.
    /// @param baseModelHash The model it starts from: the current model; the first round sets it.
    /// @param selected Bitmap of the selected participants: not empty, all active.
    /// @param quorum The fewest updates it may be made from: from 2 to the number selected.
    /// @param ciphertexts How many ciphertexts every update has: not 0.
    /// @param deadlines Its deadlines, ascending, the first in the future.
    function openRound(
        uint256 round,
        bytes32 specHash,
        bytes32 baseModelHash,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        Deadlines calldata deadlines
    ) external;

    /// @notice Selected participant: bind the sender to an encrypted update, once, before the commit deadline.
    /// @param round The round.
    /// @param root Merkle root of the update's ciphertexts.
    /// @param ciphertexts How many there are: as many as the round says.
    /// @param proofHash Hash of the proof of plaintext knowledge.
    function commitUpdate(uint256 round, bytes32 root, uint32 ciphertexts, bytes32 proofHash) external;

    /// @notice Anyone: relay the update of `participant` with its signature.
    /// @param round The round.
    /// @param participant The participant that signed, an account of its own or an ERC-1271 wallet.
    /// @param root Merkle root of the update's ciphertexts.
    /// @param ciphertexts How many there are.
    /// @param proofHash Hash of the proof of plaintext knowledge.
    /// @param signature EIP-712 signature, domain ("fedtrust", "1"), over
    /// `Update(uint256 round,bytes32 specHash,bytes32 root,uint32 ciphertexts,bytes32 proofHash)`.
    function commitUpdateFor(
        uint256 round,
        address participant,
        bytes32 root,
        uint32 ciphertexts,
        bytes32 proofHash,
        bytes calldata signature
    ) external;

    /// @notice Anyone: close the commit phase, once all selected have committed, or after its deadline with a quorum.
    function closeCommits(uint256 round) external;

    /// @notice The round's aggregator: fix the accepted set and the aggregate, before the aggregate deadline.
    /// @param round The round.
    /// @param accepted Bitmap of the accepted participants: committed all, and a quorum.
    /// @param aggregateRoot Merkle root of the aggregate's ciphertexts.
    function commitAggregate(uint256 round, uint256 accepted, bytes32 aggregateRoot) external;

    /// @notice Trustee: bind the sender to its partial decryption of the aggregate, once, before the last deadline.
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

    /// @notice Anyone: abort a round that missed its quorum or a deadline. Its reward goes back to the pool.
    function abortRound(uint256 round) external;

    /// @notice Anyone: after the challenge window, credit the rewards of a finalised round. The shares of the
    /// participants and of the trustees are divided evenly and rounded down; what is left goes back to the pool.
    function settleRound(uint256 round) external;

    /// @notice Round `round`; all zero if it was never opened.
    function roundOf(uint256 round) external view returns (Round memory);

    /// @notice The number of the newest round, 0 before the first.
    function lastRound() external view returns (uint256);

    /// @notice The hash of the model the next round must start from; zero before the first round.
    function currentModel() external view returns (bytes32);

    /// @notice The chained hash after `round`; zero for round 0 and until the round has ended.
    /// @dev `keccak256(abi.encode(keccak256("fedtrust.round.v1"), chain id, this contract, round, head of the round
    /// before, phase (FINALIZED or ABORTED), abortReason, specHash, baseModelHash, selected, commitmentsHash,
    /// accepted, aggregateRoot, attestationsHash, plaintextHash, proofHash, modelHash, resultHash))`.
    function headOf(uint256 round) external view returns (bytes32);
}
