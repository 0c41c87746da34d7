// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Identities} from "../identity/Identities.sol";
import {SignedMessages} from "../identity/SignedMessages.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Bitmap} from "./Bitmap.sol";
import {Selection} from "./Selection.sol";
import {Transcript} from "./Transcript.sol";

/// @title Rounds
/// @notice A round from its opening to its result, one at a time:
/// COMMIT -closeCommits-> UPLOAD -commitAggregate-> DECRYPT -finalizeRound-> FINALIZED. How rounds end otherwise, and
/// what follows, is in `Endings`.
abstract contract Rounds is Identities, EIP712 {
    using Bitmap for uint256;

    bytes32 private constant ROUND_TAG = keccak256("fedtrust.round.v2");
    bytes32 private constant HEAD_TAG = keccak256("fedtrust.head.v2");
    uint256 private constant MAX_UNSETTLED = 1024; // what voiding may have to go through

    /// @dev Where the federation is, in one word.
    struct Progress {
        uint32 lastRound;
        uint32 modelRound; // whose model is the current one; 0 for the first model
        uint40 endedAt; // when and where the last round ended
        uint64 endedBlock;
        uint16 unsettled; // rounds that are FINALIZED
    }

    mapping(uint256 round => Round) internal _rounds;
    Progress internal _progress;
    bytes32 private _firstModel;
    bytes32 internal _verdicts;

    constructor() EIP712("fedtrust", "2") {
        _progress.endedBlock = uint64(block.number);
        if (PREDECESSOR == address(0)) return;
        IFederation before = IFederation(PREDECESSOR);
        uint256 last = before.lastRound();
        bytes32 head = before.headOf(last);
        if (last != 0 && head == 0) revert PredecessorStillRunning(last);
        _rounds[0].head = head;
        _firstModel = before.currentModel();
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
        _requireAggregator(msg.sender);
        if (_keyThreshold() == 0) revert KeyMissing();
        Progress memory progress = _progress;
        _requireNextRound(round, progress);
        if (progress.unsettled >= MAX_UNSETTLED) revert RoundsUnsettled(progress.unsettled);
        if (specHash == 0) revert RoundZeroHash(round);
        uint256 drawn = _draw(round, progress.endedBlock);
        if (selected != drawn || drawn == 0) revert RoundInvalidSelection(drawn, selected);
        uint256 count = selected.count();
        if (quorum < MINIMUM_QUORUM || quorum > count) revert RoundInvalidQuorum(quorum, count);
        if (ciphertexts == 0) revert RoundWrongCiphertexts(round, ciphertexts);
        if (
            deadlines.commit <= block.timestamp || deadlines.aggregate <= deadlines.commit
                || deadlines.finalize <= deadlines.aggregate
                || deadlines.finalize > block.timestamp + MAX_ROUND_SECONDS
        ) revert RoundInvalidDeadlines();
        _requireBaseModel(baseModelHash, progress.modelRound);

        // forge-lint: disable-next-line(unsafe-typecast) one more than a number of 32 bits, checked above
        _progress.lastRound = uint32(round);
        Round storage opened = _rounds[round];
        opened.phase = Phase.COMMIT;
        opened.quorum = quorum;
        opened.ciphertexts = ciphertexts;
        opened.baseRound = progress.modelRound;
        opened.aggregator = msg.sender;
        opened.commitDeadline = deadlines.commit;
        opened.aggregateDeadline = deadlines.aggregate;
        opened.finalizeDeadline = deadlines.finalize;
        opened.reward = _reserveReward();
        opened.selected = selected;
        opened.specHash = specHash;
        opened.transcript = _opening(round, opened, baseModelHash);
        _emitRoundOpened(round, opened, baseModelHash);
    }

    // ------------------------------------------------------------------------------------------------- committing

    /// @inheritdoc IFederation
    function commitUpdate(uint256 round, bytes32 root, uint32 ciphertexts, bytes32 proofHash) external {
        Round storage current = _requireCommitting(round);
        if (ciphertexts != current.ciphertexts) revert RoundWrongCiphertexts(round, ciphertexts);
        uint256 committed = current.committed;
        uint256 bit = _requireSelected(round, current, msg.sender);
        if (committed & bit != 0) revert RoundAlreadyCommitted(round, msg.sender);
        current.committed = committed | bit;
        current.transcript = _commit(round, current.transcript, msg.sender, root, proofHash);
    }

    /// @inheritdoc IFederation
    function relayUpdates(uint256 round, RelayedUpdate[] calldata updates) external {
        Round storage current = _requireCommitting(round);
        uint256 committed = current.committed;
        bytes32 transcript = current.transcript;
        for (uint256 i = 0; i < updates.length; ++i) {
            RelayedUpdate calldata update = updates[i];
            uint256 bit = _requireSelected(round, current, update.participant);
            if (committed & bit != 0) continue;
            _requireSigned(round, current, update);
            committed |= bit;
            transcript = _commit(round, transcript, update.participant, update.root, update.proofHash);
        }
        current.committed = committed;
        current.transcript = transcript;
    }

    /// @inheritdoc IFederation
    function closeCommits(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.COMMIT);
        uint256 committed = current.committed;
        bool complete = committed == current.selected;
        bool expired = block.timestamp > current.commitDeadline && committed.count() >= current.quorum;
        if (!complete && !expired) revert RoundCommitsStillOpen(round);
        current.phase = Phase.UPLOAD;
        _missSelections(current.selected & ~committed);
        emit CommitsClosed(round, committed);
    }

    // -------------------------------------------------------------------------------------- aggregate and result

    /// @inheritdoc IFederation
    function takeOver(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.UPLOAD);
        _requireAggregator(msg.sender);
        uint256 deadline = current.aggregateDeadline;
        address before = current.aggregator;
        if (
            current.takenOver || msg.sender == before || block.timestamp <= deadline
                || block.timestamp > deadline + STANDBY_SECONDS
        ) revert RoundNotTakeable(round);
        (Role role, uint8 index) = _placeOf(before);
        _countMissed(role, index);
        uint40 aggregateDeadline = uint40(block.timestamp) + STANDBY_SECONDS;
        uint40 finalizeDeadline = aggregateDeadline + STANDBY_SECONDS;
        if (finalizeDeadline < current.finalizeDeadline) finalizeDeadline = current.finalizeDeadline;
        current.takenOver = true;
        current.aggregator = msg.sender;
        current.aggregateDeadline = aggregateDeadline;
        current.finalizeDeadline = finalizeDeadline;
        emit RoundTakenOver(round, msg.sender, aggregateDeadline, finalizeDeadline);
    }

    /// @inheritdoc IFederation
    function commitAggregate(uint256 round, uint256 accepted, bytes32 aggregateRoot) external {
        Round storage current = _requirePhase(round, Phase.UPLOAD);
        _requireItsAggregator(round, current);
        _requireNotAfter(round, current.aggregateDeadline);
        uint256 committed = current.committed;
        if (!accepted.isSubsetOf(committed) || accepted.count() < current.quorum) {
            revert RoundInvalidAcceptedSet(round, accepted);
        }
        if (aggregateRoot == 0) revert RoundZeroHash(round);
        current.phase = Phase.DECRYPT;
        current.accepted = accepted;
        current.aggregateHash = Transcript.aggregate(current.transcript, accepted, aggregateRoot);
        uint256 late = committed & ~accepted;
        for (uint256 index = 0; late != 0; ++index) {
            if (late & 1 != 0) _countLate(index);
            late >>= 1;
        }
        emit AggregateCommitted(round, accepted, aggregateRoot);
    }

    /// @inheritdoc IFederation
    function attest(uint256 round, bytes32 partialRoot) external {
        Round storage current = _requirePhase(round, Phase.DECRYPT);
        uint256 bit = uint256(1) << _requireInForce(msg.sender, Role.TRUSTEE, round);
        _requireNotAfter(round, current.finalizeDeadline);
        if (partialRoot == 0) revert RoundZeroHash(round);
        uint256 attested = current.attested;
        if (attested & bit != 0) revert RoundAlreadyAttested(round, msg.sender);
        current.attested = attested | bit;
        current.transcript = Transcript.attestation(current.transcript, msg.sender, partialRoot);
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
        _requireNotAfter(round, current.finalizeDeadline);
        uint256 attested = current.attested.count();
        if (attested < _keyThreshold()) revert RoundAttestationsMissing(round, attested, _keyThreshold());
        if (plaintextHash == 0 || proofHash == 0 || modelHash == 0 || resultHash == 0) {
            revert RoundZeroHash(round);
        }
        if (_progress.modelRound != current.baseRound) revert RoundBaseUndecided(round, current.baseRound);

        current.phase = Phase.FINALIZED;
        current.modelHash = modelHash;
        uint40 challengeEnd = uint40(block.timestamp) + CHALLENGE_WINDOW;
        current.challengeEnd = challengeEnd;
        _progress.modelRound = _progress.lastRound;
        ++_progress.unsettled;
        bytes32 head = _end(current, [plaintextHash, proofHash, modelHash, resultHash]);
        emit RoundFinalized(round, plaintextHash, proofHash, modelHash, resultHash, head, challengeEnd);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IFederation
    function drawOf() external view returns (uint256 beaconBlock, bytes32 beacon, uint256 selected) {
        beaconBlock = Selection.beaconBlock(_progress.endedBlock);
        beacon = blockhash(beaconBlock);
        selected = _draw(uint256(_progress.lastRound) + 1, _progress.endedBlock);
    }

    /// @inheritdoc IFederation
    function roundOf(uint256 round) external view returns (Round memory) {
        return _rounds[round];
    }

    /// @inheritdoc IFederation
    function lastRound() external view returns (uint256) {
        return _progress.lastRound;
    }

    /// @inheritdoc IFederation
    function currentModel() external view returns (bytes32) {
        return _modelOf(_progress.modelRound);
    }

    /// @inheritdoc IFederation
    function verdicts() external view returns (bytes32) {
        return _verdicts;
    }

    /// @inheritdoc IFederation
    function headOf(uint256 round) external view returns (bytes32) {
        return _rounds[round].head;
    }

    /// @inheritdoc IFederation
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // --------------------------------------------------------------------------------------------------- internal

    /// @dev Ends a round: notes when, and chains its head. `result` is plaintextHash, proofHash, modelHash, resultHash.
    function _end(Round storage ended, bytes32[4] memory result) internal returns (bytes32 head) {
        _progress.endedAt = uint40(block.timestamp);
        _progress.endedBlock = uint64(block.number);
        head = keccak256(
            abi.encode(
                HEAD_TAG,
                ended.transcript,
                ended.phase,
                ended.abortReason,
                ended.aggregator,
                ended.aggregateHash,
                result,
                _verdicts
            )
        );
        ended.head = head;
    }

    /// @dev Counts a missed selection for each of these participants.
    function _missSelections(uint256 missing) internal {
        for (uint256 index = 0; missing != 0; ++index) {
            if (missing & 1 != 0) _missSelection(index);
            missing >>= 1;
        }
    }

    function _requirePhase(uint256 round, Phase required) internal view returns (Round storage current) {
        current = _rounds[round];
        if (current.phase != required) revert RoundWrongPhase(round, required, current.phase);
    }

    function _isLive(Phase phase) internal pure returns (bool) {
        return phase == Phase.COMMIT || phase == Phase.UPLOAD || phase == Phase.DECRYPT;
    }

    function _newestRound() internal view override returns (uint32) {
        return _progress.lastRound;
    }

    function _isRunning(address account) internal view override returns (bool) {
        Round storage last = _rounds[_progress.lastRound];
        return last.aggregator == account && _isLive(last.phase);
    }

    function _commit(uint256 round, bytes32 transcript, address participant, bytes32 root, bytes32 proofHash)
        private
        returns (bytes32)
    {
        if (root == 0 || proofHash == 0) revert RoundZeroHash(round);
        emit UpdateCommitted(round, participant, root, proofHash);
        return Transcript.commitment(transcript, participant, root, proofHash);
    }

    function _requireCommitting(uint256 round) private view returns (Round storage current) {
        current = _requirePhase(round, Phase.COMMIT);
        _requireNotAfter(round, current.commitDeadline);
    }

    /// @dev The bit of a participant that may commit.
    function _requireSelected(uint256 round, Round storage current, address participant)
        private
        view
        returns (uint256 bit)
    {
        bit = uint256(1) << _requireInForce(participant, Role.PARTICIPANT, round);
        if (current.selected & bit == 0) revert RoundParticipantNotSelected(round, participant);
    }

    function _requireSigned(uint256 round, Round storage current, RelayedUpdate calldata update)
        private
        view
    {
        bytes32 digest = _hashTypedDataV4(
            SignedMessages.update(
                round,
                current.specHash,
                _epochOf(update.participant),
                update.root,
                current.ciphertexts,
                update.proofHash
            )
        );
        if (!SignatureChecker.isValidSignatureNowCalldata(update.participant, digest, update.signature)) {
            revert RoundInvalidSignature(update.participant);
        }
    }

    /// @dev The rules of `openRound` about its number and whose turn it is.
    function _requireNextRound(uint256 round, Progress memory progress) private view {
        uint256 lastNumber = progress.lastRound;
        if (round != lastNumber + 1) revert RoundWrongNumber(lastNumber + 1, round);
        Round storage last = _rounds[lastNumber];
        Phase phase = last.phase;
        if (_isLive(phase)) revert RoundStillRunning(lastNumber);
        address aggregator = last.aggregator;
        uint256 until = uint256(progress.endedAt) + STANDBY_SECONDS;
        bool didItsPart = phase == Phase.FINALIZED || phase == Phase.SETTLED
            || (phase == Phase.ABORTED && last.abortReason == AbortReason.COMMIT_QUORUM_MISSED);
        if (
            msg.sender != aggregator && didItsPart && block.timestamp <= until
                && _statusOf(aggregator) == Status.ACTIVE
        ) revert RoundNotYourTurn(aggregator, until);
    }

    /// @dev Who takes part in `round`; nobody if a beacon is needed and its block is not over yet.
    function _draw(uint256 round, uint256 endedBlock) private view returns (uint256) {
        uint256 candidates = _eligibleParticipants();
        if (PARTICIPANTS_PER_ROUND == 0 || candidates.count() <= PARTICIPANTS_PER_ROUND) return candidates;
        bytes32 beacon = blockhash(Selection.beaconBlock(endedBlock));
        return beacon == 0 ? 0 : Selection.draw(beacon, round, candidates, PARTICIPANTS_PER_ROUND);
    }

    /// @dev Checks the base model against the current model; the first round sets it.
    function _requireBaseModel(bytes32 baseModelHash, uint256 modelRound) private {
        bytes32 current = _modelOf(modelRound);
        if (baseModelHash == 0 || (current != 0 && baseModelHash != current)) {
            revert RoundWrongBaseModel(current, baseModelHash);
        }
        if (current == 0) _firstModel = baseModelHash;
    }

    function _modelOf(uint256 modelRound) private view returns (bytes32) {
        return modelRound == 0 ? _firstModel : _rounds[modelRound].modelHash;
    }

    function _requireItsAggregator(uint256 round, Round storage current) private view {
        if (msg.sender != current.aggregator) revert RoundNotItsAggregator(round, msg.sender);
        _requireInForce(msg.sender, Role.AGGREGATOR, round);
    }

    function _requireNotAfter(uint256 round, uint256 deadline) private view {
        if (block.timestamp > deadline) revert RoundDeadlinePassed(round, deadline);
    }

    /// @dev The first transcript of a round.
    function _opening(uint256 round, Round storage opened, bytes32 baseModelHash)
        private
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                ROUND_TAG,
                block.chainid,
                address(this),
                round,
                _rounds[round - 1].head,
                opened.aggregator,
                opened.specHash,
                baseModelHash,
                opened.baseRound,
                opened.selected,
                opened.quorum,
                opened.ciphertexts,
                opened.commitDeadline,
                opened.aggregateDeadline,
                opened.finalizeDeadline,
                opened.reward
            )
        );
    }

    function _emitRoundOpened(uint256 round, Round storage opened, bytes32 baseModelHash) private {
        emit RoundOpened(
            round,
            opened.aggregator,
            opened.specHash,
            baseModelHash,
            opened.selected,
            opened.quorum,
            opened.ciphertexts,
            opened.baseRound,
            Deadlines(opened.commitDeadline, opened.aggregateDeadline, opened.finalizeDeadline),
            opened.reward
        );
    }
}
