// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Identities} from "../identity/Identities.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {CommitteeKey} from "../key/CommitteeKey.sol";
import {Rewards} from "../rewards/Rewards.sol";
import {Bitmap} from "./Bitmap.sol";

/// @title Rounds
/// @notice The state machine of a round, one at a time:
/// COMMIT -closeCommits-> UPLOAD -commitAggregate-> DECRYPT -finalizeRound-> FINALIZED -settleRound-> SETTLED,
/// and from the first three -abortRound-> ABORTED.
abstract contract Rounds is Identities, CommitteeKey, Rewards, EIP712 {
    using Bitmap for uint256;

    bytes32 private constant UPDATE_TYPEHASH =
        keccak256("Update(uint256 round,bytes32 specHash,bytes32 root,uint32 ciphertexts,bytes32 proofHash)");
    bytes32 private constant HEAD_TAG = keccak256("fedtrust.round.v1");
    uint256 private constant MIN_QUORUM = 2; // an aggregate of one is an update in the clear
    uint256 private constant BASIS_POINTS = 10_000;

    uint64 private immutable CHALLENGE_WINDOW;
    uint128 private immutable ROUND_REWARD;
    uint16 private immutable PARTICIPANT_BASIS_POINTS;
    uint16 private immutable TRUSTEE_BASIS_POINTS;
    uint16 private immutable AGGREGATOR_BASIS_POINTS;

    mapping(uint256 round => Round) private _rounds;
    uint256 private _lastRound;
    bytes32 private _currentModel;

    constructor(Config memory config_) EIP712("fedtrust", "1") {
        uint256 whole = uint256(config_.participantBasisPoints) + config_.trusteeBasisPoints
            + config_.aggregatorBasisPoints;
        if (whole > BASIS_POINTS) revert RewardSharesExceedWhole(whole);
        CHALLENGE_WINDOW = config_.challengeWindow;
        ROUND_REWARD = config_.roundReward;
        PARTICIPANT_BASIS_POINTS = config_.participantBasisPoints;
        TRUSTEE_BASIS_POINTS = config_.trusteeBasisPoints;
        AGGREGATOR_BASIS_POINTS = config_.aggregatorBasisPoints;
    }

    // ---------------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IFederation
    function openRound(
        uint256 round,
        bytes32 specHash,
        bytes32 baseModelHash,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        Deadlines calldata deadlines
    ) external {
        _requireActive(msg.sender, Role.AGGREGATOR);
        if (_keyThreshold() == 0) revert KeyMissing();
        _requireNextRound(round);
        if (selected == 0 || !selected.isSubsetOf(_activeOf(Role.PARTICIPANT))) {
            revert RoundInvalidSelection(selected);
        }
        if (quorum < MIN_QUORUM || quorum > selected.count()) {
            revert RoundInvalidQuorum(quorum, selected.count());
        }
        if (ciphertexts == 0) revert RoundWrongCiphertexts(round, ciphertexts);
        if (
            deadlines.commit <= block.timestamp || deadlines.aggregate <= deadlines.commit
                || deadlines.finalize <= deadlines.aggregate
        ) revert RoundInvalidDeadlines();
        _requireBaseModel(baseModelHash);

        _lastRound = round;
        Round storage opened = _rounds[round];
        opened.phase = Phase.COMMIT;
        opened.aggregator = msg.sender;
        opened.deadlines = deadlines;
        opened.quorum = quorum;
        opened.ciphertexts = ciphertexts;
        opened.selected = selected;
        opened.specHash = specHash;
        opened.baseModelHash = baseModelHash;
        opened.reward = _reserveReward(ROUND_REWARD);
        _emitRoundOpened(round, opened);
    }

    // ------------------------------------------------------------------------------------------------- committing

    /// @inheritdoc IFederation
    function commitUpdate(uint256 round, bytes32 root, uint32 ciphertexts, bytes32 proofHash) external {
        _commitUpdate(round, msg.sender, root, ciphertexts, proofHash);
    }

    /// @inheritdoc IFederation
    function commitUpdateFor(
        uint256 round,
        address participant,
        bytes32 root,
        uint32 ciphertexts,
        bytes32 proofHash,
        bytes calldata signature
    ) external {
        bytes32 specHash = _requirePhase(round, Phase.COMMIT).specHash;
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(UPDATE_TYPEHASH, round, specHash, root, ciphertexts, proofHash))
        );
        if (!SignatureChecker.isValidSignatureNowCalldata(participant, digest, signature)) {
            revert RoundInvalidSignature(participant);
        }
        _commitUpdate(round, participant, root, ciphertexts, proofHash);
    }

    /// @inheritdoc IFederation
    function closeCommits(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.COMMIT);
        uint256 committed = current.committed;
        bool complete = committed == current.selected;
        bool expired = block.timestamp > current.deadlines.commit && committed.count() >= current.quorum;
        if (!complete && !expired) revert RoundCommitsStillOpen(round);
        current.phase = Phase.UPLOAD;
        emit CommitsClosed(round, committed);
    }

    // -------------------------------------------------------------------------------------- aggregate and result

    /// @inheritdoc IFederation
    function commitAggregate(uint256 round, uint256 accepted, bytes32 aggregateRoot) external {
        Round storage current = _requirePhase(round, Phase.UPLOAD);
        _requireItsAggregator(round, current);
        _requireNotAfter(round, current.deadlines.aggregate);
        if (!accepted.isSubsetOf(current.committed) || accepted.count() < current.quorum) {
            revert RoundInvalidAcceptedSet(round, accepted);
        }
        current.phase = Phase.DECRYPT;
        current.accepted = accepted;
        current.aggregateRoot = aggregateRoot;
        emit AggregateCommitted(round, accepted, aggregateRoot);
    }

    /// @inheritdoc IFederation
    function attest(uint256 round, bytes32 partialRoot) external {
        Round storage current = _requirePhase(round, Phase.DECRYPT);
        uint256 bit = _requireActive(msg.sender, Role.TRUSTEE);
        _requireNotAfter(round, current.deadlines.finalize);
        uint256 attested = current.attested;
        if (attested & bit != 0) revert RoundAlreadyAttested(round, msg.sender);
        current.attested = attested | bit;
        current.attestationsHash = keccak256(abi.encode(current.attestationsHash, msg.sender, partialRoot));
        emit Attested(round, msg.sender, partialRoot);
    }

    /// @inheritdoc IFederation
    function finalizeRound(
        uint256 round,
        bytes32 plaintextHash,
        bytes32 proofHash,
        bytes32 modelHash,
        bytes32 resultHash
    ) external {
        Round storage current = _requirePhase(round, Phase.DECRYPT);
        _requireItsAggregator(round, current);
        _requireNotAfter(round, current.deadlines.finalize);
        uint256 attested = current.attested.count();
        if (attested < _keyThreshold()) revert RoundAttestationsMissing(round, attested, _keyThreshold());
        if (plaintextHash == 0 || proofHash == 0 || modelHash == 0 || resultHash == 0) {
            revert RoundZeroHash(round);
        }

        current.phase = Phase.FINALIZED;
        current.plaintextHash = plaintextHash;
        current.proofHash = proofHash;
        current.modelHash = modelHash;
        current.resultHash = resultHash;
        _currentModel = modelHash;
        bytes32 head = _headAfter(round, current);
        current.head = head;
        uint64 challengeEnd = uint64(block.timestamp) + CHALLENGE_WINDOW;
        current.challengeEnd = challengeEnd;
        emit RoundFinalized(round, plaintextHash, proofHash, modelHash, resultHash, head, challengeEnd);
    }

    // ------------------------------------------------------------------------------------------------ both endings

    /// @inheritdoc IFederation
    function abortRound(uint256 round) external {
        Round storage current = _rounds[round];
        AbortReason reason = _abortReasonOf(current);
        if (reason == AbortReason.NONE) revert RoundNotAbortable(round);
        current.phase = Phase.ABORTED;
        current.abortReason = reason;
        bytes32 head = _headAfter(round, current);
        current.head = head;
        _releaseReward(current.reward);
        emit RoundAborted(round, reason, head);
    }

    /// @inheritdoc IFederation
    function settleRound(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.FINALIZED);
        uint64 challengeEnd = current.challengeEnd;
        if (block.timestamp < challengeEnd) revert RoundChallengeWindowOpen(round, challengeEnd);
        current.phase = Phase.SETTLED;

        uint256 reward = current.reward;
        uint256 credited = _creditEvenly(
            round, Role.PARTICIPANT, current.accepted, reward * PARTICIPANT_BASIS_POINTS / BASIS_POINTS
        );
        credited += _creditEvenly(
            round, Role.TRUSTEE, current.attested, reward * TRUSTEE_BASIS_POINTS / BASIS_POINTS
        );
        uint256 aggregatorReward = reward * AGGREGATOR_BASIS_POINTS / BASIS_POINTS;
        _creditReward(round, current.aggregator, aggregatorReward);
        credited += aggregatorReward;
        _releaseReward(reward - credited);
        emit RoundSettled(round, credited);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IFederation
    function config() external view returns (Config memory) {
        return Config({
            challengeWindow: CHALLENGE_WINDOW,
            roundReward: ROUND_REWARD,
            participantBasisPoints: PARTICIPANT_BASIS_POINTS,
            trusteeBasisPoints: TRUSTEE_BASIS_POINTS,
            aggregatorBasisPoints: AGGREGATOR_BASIS_POINTS
        });
    }

    /// @inheritdoc IFederation
    function roundOf(uint256 round) external view returns (Round memory) {
        return _rounds[round];
    }

    /// @inheritdoc IFederation
    function lastRound() external view returns (uint256) {
        return _lastRound;
    }

    /// @inheritdoc IFederation
    function currentModel() external view returns (bytes32) {
        return _currentModel;
    }

    /// @inheritdoc IFederation
    function headOf(uint256 round) external view returns (bytes32) {
        return _rounds[round].head;
    }

    // --------------------------------------------------------------------------------------------------- internal

    function _commitUpdate(
        uint256 round,
        address participant,
        bytes32 root,
        uint32 ciphertexts,
        bytes32 proofHash
    ) private {
        Round storage current = _requirePhase(round, Phase.COMMIT);
        uint256 bit = _requireActive(participant, Role.PARTICIPANT);
        if (current.selected & bit == 0) revert RoundParticipantNotSelected(round, participant);
        uint256 committed = current.committed;
        if (committed & bit != 0) revert RoundAlreadyCommitted(round, participant);
        _requireNotAfter(round, current.deadlines.commit);
        if (ciphertexts != current.ciphertexts) revert RoundWrongCiphertexts(round, ciphertexts);
        current.committed = committed | bit;
        current.commitmentsHash = keccak256(abi.encode(current.commitmentsHash, participant, root, proofHash));
        emit UpdateCommitted(round, participant, root, proofHash);
    }

    /// @dev Credits an equal part of `amount` to each member of `bitmap`, by index; returns the sum credited. The sets
    /// of a finalised round are not empty: a quorum was accepted, a threshold has attested.
    function _creditEvenly(uint256 round, Role role, uint256 bitmap, uint256 amount)
        private
        returns (uint256 credited)
    {
        uint256 each = amount / bitmap.count();
        if (each == 0) return 0;
        credited = each * bitmap.count();
        address[] storage accounts = _accountsOf(role);
        for (uint256 index = 0; bitmap != 0; bitmap >>= 1) {
            if (bitmap & 1 != 0) _creditReward(round, accounts[index], each);
            ++index;
        }
    }

    /// @dev The rules of `openRound` about its number: one more than the last, and that one has ended.
    function _requireNextRound(uint256 round) private view {
        uint256 last = _lastRound;
        if (round != last + 1) revert RoundWrongNumber(last + 1, round);
        Phase phase = _rounds[last].phase;
        if (phase == Phase.COMMIT || phase == Phase.UPLOAD || phase == Phase.DECRYPT) {
            revert RoundStillRunning(last);
        }
    }

    /// @dev Checks the base model against the current model; the first round sets it.
    function _requireBaseModel(bytes32 baseModelHash) private {
        bytes32 current = _currentModel;
        if (baseModelHash == 0 || (current != 0 && baseModelHash != current)) {
            revert RoundWrongBaseModel(current, baseModelHash);
        }
        if (current == 0) _currentModel = baseModelHash;
    }

    function _requirePhase(uint256 round, Phase required) private view returns (Round storage current) {
        current = _rounds[round];
        if (current.phase != required) revert RoundWrongPhase(round, required, current.phase);
    }

    function _requireItsAggregator(uint256 round, Round storage current) private view {
        if (msg.sender != current.aggregator) revert RoundNotItsAggregator(round, msg.sender);
        _requireActive(msg.sender, Role.AGGREGATOR);
    }

    function _requireNotAfter(uint256 round, uint64 deadline) private view {
        if (block.timestamp > deadline) revert RoundDeadlinePassed(round, deadline);
    }

    function _abortReasonOf(Round storage current) private view returns (AbortReason) {
        Phase phase = current.phase;
        if (phase == Phase.COMMIT || phase == Phase.UPLOAD) {
            if (
                phase == Phase.COMMIT && block.timestamp > current.deadlines.commit
                    && current.committed.count() < current.quorum
            ) return AbortReason.COMMIT_QUORUM_MISSED;
            if (block.timestamp > current.deadlines.aggregate) return AbortReason.AGGREGATE_DEADLINE_MISSED;
        }
        if (phase == Phase.DECRYPT && block.timestamp > current.deadlines.finalize) {
            return AbortReason.FINALIZE_DEADLINE_MISSED;
        }
        return AbortReason.NONE;
    }

    /// @dev The chained hash of a round that has just ended. In two halves, for the compiler's stack: all fields are
    /// single words, so the concatenation is the encoding of all of them.
    function _headAfter(uint256 round, Round storage ended) private view returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(
                    HEAD_TAG,
                    block.chainid,
                    address(this),
                    round,
                    _rounds[round - 1].head,
                    uint8(ended.phase),
                    uint8(ended.abortReason),
                    ended.specHash,
                    ended.baseModelHash
                ),
                abi.encode(
                    ended.selected,
                    ended.commitmentsHash,
                    ended.accepted,
                    ended.aggregateRoot,
                    ended.attestationsHash,
                    ended.plaintextHash,
                    ended.proofHash,
                    ended.modelHash,
                    ended.resultHash
                )
            )
        );
    }

    function _emitRoundOpened(uint256 round, Round storage opened) private {
        emit RoundOpened(
            round,
            opened.aggregator,
            opened.specHash,
            opened.baseModelHash,
            opened.selected,
            opened.quorum,
            opened.ciphertexts,
            opened.deadlines,
            opened.reward
        );
    }
}
