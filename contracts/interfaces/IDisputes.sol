// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IDisputes
/// @notice How anybody proves on chain that a round was run wrongly. What is proven voids the round, takes the stake of
/// who did it, and pays the challenger.
/// @dev Every dispute is announced first, by a hash, and brought at least one block later: who reads it in the mempool
/// cannot take it over. A dispute is its challenger's: nobody else can extend, reset or end it before its deadline.
/// Nothing can be paused. Disputes can be brought while a round is DECRYPT or FINALIZED (and, after it was ABORTED with
/// an aggregate committed, for the same time): before challengeEnd, or before finalizeDeadline + challengeWindow.
/// Equivocations also without an aggregate. What was begun can be finished until its own deadline, however the round
/// goes on, unless that is voided. An announcement can be used once.
interface IDisputes {
    // ---------------------------------------------------------------------------------------------------- types

    /// @notice What is disputed.
    enum Kind {
        NONE,
        AGGREGATE,
        EQUIVOCATION,
        AVAILABILITY,
        OMISSION
    }

    /// @notice Where a dispute is. Equivocations and omissions are decided in the transaction that brings them.
    enum Outcome {
        NONE,
        OPEN,
        PROVEN,
        FAILED,
        MOOT
    }

    /// @notice A dispute of the first or third kind.
    /// @param kind AGGREGATE or AVAILABILITY.
    /// @param outcome Where it is.
    /// @param round The round.
    /// @param leaf The index of the disputed ciphertext.
    /// @param counted AGGREGATE: how many accepted updates were multiplied so far.
    /// @param deadline The last second to finish it (AGGREGATE) or to answer it (AVAILABILITY).
    /// @param challenger Who brought it.
    /// @param transcript AGGREGATE: the transcript gone through so far. AVAILABILITY: the root under which the leaf is.
    /// @param productHash AGGREGATE: keccak256 of the product so far; 1 once an accepted leaf was unfit to multiply.
    struct Dispute {
        Kind kind;
        Outcome outcome;
        uint32 round;
        uint32 leaf;
        uint16 counted;
        uint40 deadline;
        address challenger;
        bytes32 transcript;
        bytes32 productHash;
    }

    /// @notice One commitment of the round, in the order of the events, with the ciphertext if it was accepted.
    /// @param participant Who committed.
    /// @param root Its root.
    /// @param proofHash Its proof hash.
    /// @param ciphertext The disputed leaf of its update; empty if the participant was not accepted.
    /// @param path The leaf's Merkle path, from the leaf up; empty likewise.
    struct Contribution {
        address participant;
        bytes32 root;
        bytes32 proofHash;
        bytes ciphertext;
        bytes32[] path;
    }

    /// @notice A commitment without its ciphertext.
    struct Commitment {
        address participant;
        bytes32 root;
        bytes32 proofHash;
    }

    /// @notice What a participant signs, without round and specHash, which are those of the disputed round.
    struct SignedUpdate {
        uint32 epoch;
        bytes32 root;
        uint32 ciphertexts;
        bytes32 proofHash;
        bytes signature;
    }

    // --------------------------------------------------------------------------------------------------- events

    /// @notice A dispute was announced.
    event DisputeAnnounced(address indexed challenger, bytes32 announcement);

    /// @notice A dispute over a wrong aggregate was opened.
    event AggregateChallenged(
        uint256 indexed dispute,
        uint256 indexed round,
        address indexed challenger,
        uint32 leaf,
        uint256 deadline
    );

    /// @notice A ciphertext was demanded: of `participant`'s update, or of the aggregate if that is zero.
    event AvailabilityChallenged(
        uint256 indexed dispute,
        uint256 indexed round,
        address indexed challenger,
        address participant,
        uint32 leaf,
        uint256 deadline
    );

    /// @notice The demanded ciphertext was shown.
    event CiphertextRevealed(uint256 indexed dispute, address indexed sender, bytes ciphertext);

    /// @notice A dispute ended. `offender` is who was convicted, zero unless PROVEN. Decided at once, it has number 0.
    event DisputeDecided(
        uint256 indexed dispute,
        uint256 indexed round,
        Kind indexed kind,
        Outcome outcome,
        address challenger,
        address offender
    );

    // --------------------------------------------------------------------------------------------------- errors

    /// @notice The dispute was not announced by its sender in an earlier block.
    error DisputeNotAnnounced(bytes32 announcement);

    /// @notice The round cannot be disputed (any more).
    error DisputeTooLate(uint256 round);

    /// @notice The dispute is not open, or is of another kind.
    error DisputeNotOpen(uint256 dispute);

    /// @notice Only its challenger may go on with a dispute.
    error DisputeNotYours(uint256 dispute, address challenger);

    /// @notice The dispute can be ended by others only after `deadline`.
    error DisputeStillRunning(uint256 dispute, uint256 deadline);

    /// @notice Its deadline has passed.
    error DisputeExpired(uint256 dispute, uint256 deadline);

    /// @notice The leaf is not below the round's number of ciphertexts.
    error DisputeNoSuchLeaf(uint32 leaf, uint32 ciphertexts);

    /// @notice These bytes are not the square of the committee's modulus.
    error DisputeWrongModulus();

    /// @notice These bytes are not the product so far.
    error DisputeWrongProduct(uint256 dispute);

    /// @notice The commitments given do not lead to what the chain holds.
    error DisputeWrongCommitments(uint256 round);

    /// @notice Not all accepted updates were multiplied.
    error DisputeIncomplete(uint256 dispute, uint256 counted, uint256 accepted);

    /// @notice `participant` is not among the accepted participants of the round.
    error DisputeNotAccepted(uint256 round, address participant);

    /// @notice `participant` is among the accepted (or never committed): it was not omitted.
    error DisputeNotOmitted(uint256 round, address participant);

    /// @notice The count is that of the round: nothing is wrong with it.
    error DisputeRightCount(uint32 count);

    /// @notice The dispute's round was not voided.
    error DisputeNotMoot(uint256 dispute);

    /// @notice `account` was not selected or not in force for that round, or one epoch that it had is not named.
    error DisputeNotInForce(uint256 round, address account);

    /// @notice The two signed messages say the same.
    error DisputeSameContent();

    /// @notice The signature is not that of `account` over this message.
    error DisputeInvalidSignature(address account);

    // ------------------------------------------------------------------------------------------------- functions

    /// @notice The federation whose rounds are disputed here.
    function federation() external view returns (address);

    /// @notice A dispute; all zero if there is none with this number. Numbers start at 1.
    function disputeOf(uint256 dispute) external view returns (Dispute memory);

    /// @notice How many disputes were ever opened with a number.
    function lastDispute() external view returns (uint256);

    /// @notice How many disputes about `round` are open. It is not settled before there are none.
    function openDisputesOf(uint256 round) external view returns (uint256);

    /// @notice Anyone: announce a dispute by `keccak256(abi.encode(sender, keccak256(content), salt))`. The content is
    /// `abi.encode(kind, round, leaf)` for an aggregate, `abi.encode(kind, round, participant, leaf)` for availability
    /// (participant zero for the aggregate), `abi.encode(kind, round, account, keccak256(first.signature),
    /// keccak256(second.signature))` for an equivocation, and `abi.encode(kind, round, participant,
    /// keccak256(signature))` for an omission: who has not seen the signatures cannot announce them in advance.
    function announce(bytes32 announcement) external;

    /// @notice Anyone, with a bond: dispute that ciphertext `leaf` of the aggregate is the product of the accepted ones.
    /// @return dispute Its number.
    function challengeAggregate(uint256 round, uint32 leaf, bytes32 salt)
        external
        payable
        returns (uint256 dispute);

    /// @notice Its challenger: multiply more of the accepted ciphertexts, in the order of the commitments. An accepted
    /// leaf of another length than n^2 or not below it is no factor, but proof: no honest aggregator accepts one. The
    /// productHash is then 1 as a marker, and the dispute is proven when the commitments lead to the round's: from there
    /// on neither leaves nor paths are looked at, and nothing is counted.
    /// @param dispute The dispute.
    /// @param modulus n^2, whose hash was published with the key.
    /// @param product The product so far; empty at first.
    /// @param start The transcript before the first of these contributions; at first, what the round's transcript was
    /// before its first commitment; then what the step before ended with.
    /// @param contributions Commitments, none left out.
    function multiply(
        uint256 dispute,
        bytes calldata modulus,
        bytes calldata product,
        bytes32 start,
        Contribution[] calldata contributions
    ) external;

    /// @notice Its challenger, when all are multiplied: compare the product with the aggregate's ciphertext. Equal: the
    /// bond goes into the pool. Not equal: the aggregator, and every trustee that attested, lose their stakes. Once an
    /// accepted leaf was unfit, only `aggregateRoot` is looked at.
    /// @param dispute The dispute.
    /// @param modulus n^2.
    /// @param product The product of all.
    /// @param aggregateRoot The committed root of the aggregate.
    /// @param ciphertext The disputed leaf of the aggregate.
    /// @param path Its path.
    function conclude(
        uint256 dispute,
        bytes calldata modulus,
        bytes calldata product,
        bytes32 aggregateRoot,
        bytes calldata ciphertext,
        bytes32[] calldata path
    ) external;

    /// @notice Its challenger: an accepted update's root keeps another number of ciphertexts than the round's, so no
    /// honest aggregator could accept it. Decides the dispute at once.
    /// @param dispute A dispute over the aggregate.
    /// @param start The transcript before the participant's commitment.
    /// @param commitments The commitments from the participant's on, to the last; empty if it is the aggregate's own root
    /// that keeps another number.
    /// @param aggregateRoot The committed root of the aggregate.
    /// @param count The number of leaves that the root keeps.
    /// @param treeHash The hash that it keeps them under.
    function proveWrongCount(
        uint256 dispute,
        bytes32 start,
        Commitment[] calldata commitments,
        bytes32 aggregateRoot,
        uint32 count,
        bytes32 treeHash
    ) external;

    /// @notice Anyone, with a bond: demand that a committed ciphertext is shown. Answered, the bond goes to who showed
    /// it. Not answered in time, the aggregator loses its stake.
    /// @param round The round.
    /// @param participant An accepted participant; zero for the aggregate.
    /// @param leaf The index of the ciphertext.
    /// @param start The transcript before the participant's commitment.
    /// @param commitments The commitments from the participant's on, to the last; empty for the aggregate, whose `start`
    /// is then the transcript after the last commitment.
    /// @param aggregateRoot The committed root of the aggregate.
    /// @param salt The announcement's.
    /// @return dispute Its number.
    function challengeAvailability(
        uint256 round,
        address participant,
        uint32 leaf,
        bytes32 start,
        Commitment[] calldata commitments,
        bytes32 aggregateRoot,
        bytes32 salt
    ) external payable returns (uint256 dispute);

    /// @notice Anyone, before the deadline: show the demanded ciphertext.
    function reveal(uint256 dispute, bytes calldata ciphertext, bytes32[] calldata path) external;

    /// @notice Anyone, after the deadline: end a dispute. An aggregate dispute that its challenger did not finish fails,
    /// and its bond goes into the pool; an availability dispute that nobody answered convicts the aggregator.
    function expire(uint256 dispute) external;

    /// @notice Anyone: end a dispute about a round that was voided meanwhile. The challenger gets its bond back.
    function withdraw(uint256 dispute) external;

    /// @notice Anyone, with a bond that comes back: show two updates of different content that `account`, selected for
    /// the round, signed for it, naming the same epoch. What does not prove it is refused.
    function challengeEquivocation(
        uint256 round,
        address account,
        SignedUpdate calldata first,
        SignedUpdate calldata second,
        bytes32 salt
    ) external payable;

    /// @notice Anyone, with a bond that comes back: show a receipt, signed by the round's aggregator, for an update that
    /// it left out of the accepted set. What does not prove it is refused.
    /// @param round The round.
    /// @param participant Who holds the receipt.
    /// @param epoch The aggregator's epoch that it names.
    /// @param root The root that it names.
    /// @param signature EIP-712 signature of the aggregator, in the federation's domain, over `Receipt(uint256
    /// round,bytes32 specHash,uint32 epoch,address participant,bytes32 root)`.
    /// @param salt The announcement's.
    function challengeOmission(
        uint256 round,
        address participant,
        uint32 epoch,
        bytes32 root,
        bytes calldata signature,
        bytes32 salt
    ) external payable;
}
