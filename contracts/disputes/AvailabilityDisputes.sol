// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Docket} from "./Docket.sol";
import {MerklePath} from "./MerklePath.sol";

/// @title AvailabilityDisputes
/// @notice That a committed ciphertext is kept from who wants to check it. The aggregator, or anybody else who has it,
/// answers by showing it on chain; an honest aggregator has everything that it accepted.
abstract contract AvailabilityDisputes is Docket {
    /// @inheritdoc IDisputes
    function challengeAvailability(
        uint256 round,
        address participant,
        uint32 leaf,
        bytes32 start,
        Commitment[] calldata commitments,
        bytes32 aggregateRoot,
        bytes32 salt
    ) external payable returns (uint256 dispute) {
        IFederation.Round memory disputed = _disputableRound(round, true);
        if (leaf >= disputed.ciphertexts) revert DisputeNoSuchLeaf(leaf, disputed.ciphertexts);
        _useAnnouncement(abi.encode(Kind.AVAILABILITY, round, participant, leaf), salt);
        _requireLast(round, disputed, start, commitments, aggregateRoot);
        bytes32 root = aggregateRoot;
        if (commitments.length != 0) {
            if (commitments[0].participant != participant) revert DisputeWrongCommitments(round);
            if (!_isAmong(participant, disputed.accepted)) revert DisputeNotAccepted(round, participant);
            root = commitments[0].root;
        } else if (participant != address(0)) {
            revert DisputeWrongCommitments(round);
        }
        dispute = _demand(round, participant, leaf, root);
        FEDERATION.takeBond{value: msg.value}(msg.sender);
    }

    /// @inheritdoc IDisputes
    function reveal(uint256 dispute, bytes calldata ciphertext, bytes32[] calldata path) external {
        Dispute storage current = _requireRunning(dispute, Kind.AVAILABILITY);
        IFederation.Round memory round = _undecidedRound(current.round);
        MerklePath.verify(current.transcript, round.ciphertexts, current.leaf, ciphertext, path);
        emit CiphertextRevealed(dispute, msg.sender, ciphertext);
        _close(dispute, current, Outcome.FAILED, address(0));
        FEDERATION.creditBond(msg.sender);
    }

    function _demand(uint256 round, address participant, uint32 leaf, bytes32 root)
        private
        returns (uint256 dispute)
    {
        Dispute storage opened;
        (dispute, opened) = _openDispute(Kind.AVAILABILITY, round, leaf);
        opened.transcript = root;
        emit AvailabilityChallenged(dispute, round, msg.sender, participant, leaf, opened.deadline);
    }
}
