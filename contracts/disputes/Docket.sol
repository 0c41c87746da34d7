// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Transcript} from "../rounds/Transcript.sol";
import {Announcements} from "./Announcements.sol";

/// @title Docket
/// @notice The list of disputes: which are open, whose they are, until when, and what becomes of their bonds.
/// @dev What a dispute changes here is written before the federation is called.
abstract contract Docket is Announcements {
    IFederation internal immutable FEDERATION;
    uint40 private immutable DISPUTE_SECONDS;
    uint40 private immutable CHALLENGE_WINDOW;

    uint256 private _last;
    mapping(uint256 dispute => Dispute) private _disputes;
    mapping(uint256 round => uint256) private _open;

    constructor(IFederation federation_, uint40 disputeSeconds, uint40 challengeWindow) {
        FEDERATION = federation_;
        DISPUTE_SECONDS = disputeSeconds;
        CHALLENGE_WINDOW = challengeWindow;
    }

    // ----------------------------------------------------------------------------------------------------- anyone

    /// @inheritdoc IDisputes
    function expire(uint256 dispute) external {
        Dispute storage current = _requireOpen(dispute);
        uint256 deadline = current.deadline;
        if (block.timestamp <= deadline) revert DisputeStillRunning(dispute, deadline);
        IFederation.Round memory round = _undecidedRound(current.round);
        if (current.kind == Kind.AVAILABILITY) {
            _prove(dispute, current, round.aggregator, false);
        } else {
            _close(dispute, current, Outcome.FAILED, address(0));
            FEDERATION.creditBond(address(0));
        }
    }

    /// @inheritdoc IDisputes
    function withdraw(uint256 dispute) external {
        Dispute storage current = _requireOpen(dispute);
        if (FEDERATION.roundOf(current.round).phase != IFederation.Phase.VOIDED) {
            revert DisputeNotMoot(dispute);
        }
        _close(dispute, current, Outcome.MOOT, address(0));
        FEDERATION.creditBond(current.challenger);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IDisputes
    function federation() external view returns (address) {
        return address(FEDERATION);
    }

    /// @inheritdoc IDisputes
    function disputeOf(uint256 dispute) external view returns (Dispute memory) {
        return _disputes[dispute];
    }

    /// @inheritdoc IDisputes
    function lastDispute() external view returns (uint256) {
        return _last;
    }

    /// @inheritdoc IDisputes
    function openDisputesOf(uint256 round) external view returns (uint256) {
        return _open[round];
    }

    // --------------------------------------------------------------------------------------------- for the kinds

    /// @dev Opens a dispute of the sender. Its kind's function emits the event, then takes the bond.
    function _openDispute(Kind kind, uint256 round, uint32 leaf)
        internal
        returns (uint256 dispute, Dispute storage opened)
    {
        dispute = ++_last;
        ++_open[round];
        opened = _disputes[dispute];
        opened.kind = kind;
        opened.outcome = Outcome.OPEN;
        // forge-lint: disable-next-line(unsafe-typecast) a round that exists has a number of 32 bits
        opened.round = uint32(round);
        opened.leaf = leaf;
        opened.deadline = uint40(block.timestamp) + DISPUTE_SECONDS;
        opened.challenger = msg.sender;
    }

    /// @dev Ends a dispute; what becomes of the bond is the caller's business.
    function _close(uint256 dispute, Dispute storage current, Outcome outcome, address offender) internal {
        uint256 round = current.round;
        current.outcome = outcome;
        --_open[round];
        emit DisputeDecided(dispute, round, current.kind, outcome, current.challenger, offender);
    }

    /// @dev Ends a dispute that its challenger has won.
    function _prove(uint256 dispute, Dispute storage current, address offender, bool attested) internal {
        _close(dispute, current, Outcome.PROVEN, offender);
        address challenger = current.challenger;
        FEDERATION.convict(current.round, offender, attested, challenger, uint8(current.kind));
        FEDERATION.creditBond(challenger);
    }

    /// @dev A dispute that is open, of any kind.
    function _requireOpen(uint256 dispute) internal view returns (Dispute storage current) {
        current = _disputes[dispute];
        if (current.outcome != Outcome.OPEN) revert DisputeNotOpen(dispute);
    }

    /// @dev A dispute that is open, of this kind, and not too late to go on with.
    function _requireRunning(uint256 dispute, Kind kind) internal view returns (Dispute storage current) {
        current = _requireOpen(dispute);
        if (current.kind != kind) revert DisputeNotOpen(dispute);
        uint256 deadline = current.deadline;
        if (block.timestamp > deadline) revert DisputeExpired(dispute, deadline);
    }

    /// @dev The round of an open dispute, unless it was voided meanwhile: then there is nothing left to decide.
    function _undecidedRound(uint256 number) internal view returns (IFederation.Round memory round) {
        round = FEDERATION.roundOf(number);
        if (round.phase == IFederation.Phase.VOIDED) revert DisputeTooLate(number);
    }

    /// @dev The round of a new dispute: open to disputes, and with an aggregate if the dispute is about that.
    function _disputableRound(uint256 number, bool withAggregate)
        internal
        view
        returns (IFederation.Round memory round)
    {
        round = FEDERATION.roundOf(number);
        IFederation.Phase phase = round.phase;
        if (
            phase == IFederation.Phase.NONE || phase == IFederation.Phase.SETTLED
                || phase == IFederation.Phase.VOIDED || (withAggregate && round.aggregateHash == 0)
                || block.timestamp >= _endOf(round)
        ) revert DisputeTooLate(number);
    }

    /// @dev Whether `account` is one of the participants in `bitmap`. An account that handed its place on still is what
    /// it was: the index stays.
    function _isAmong(address account, uint256 bitmap) internal view returns (bool) {
        (IFederation.Role role, uint8 index,,,) = FEDERATION.seatOf(account);
        return role == IFederation.Role.PARTICIPANT && (bitmap >> index) & 1 != 0;
    }

    /// @dev Reverts unless `start` and the commitments after it lead to what the round keeps of its aggregate. Then, keccak
    /// being one-way, they are the round's last commitments and `aggregateRoot` is its root.
    function _requireLast(
        uint256 number,
        IFederation.Round memory round,
        bytes32 start,
        Commitment[] calldata commitments,
        bytes32 aggregateRoot
    ) internal pure {
        bytes32 transcript = start;
        for (uint256 i = 0; i < commitments.length; ++i) {
            Commitment calldata each = commitments[i];
            transcript = Transcript.commitment(transcript, each.participant, each.root, each.proofHash);
        }
        _requireAggregate(number, round, transcript, aggregateRoot);
    }

    /// @dev Reverts unless the round keeps this of its aggregate.
    function _requireAggregate(
        uint256 number,
        IFederation.Round memory round,
        bytes32 transcript,
        bytes32 aggregateRoot
    ) internal pure {
        if (Transcript.aggregate(transcript, round.accepted, aggregateRoot) != round.aggregateHash) {
            revert DisputeWrongCommitments(number);
        }
    }

    /// @dev The second from which a round can be disputed no more. A running or aborted round has the time that it would
    /// have had, had it been finalised in its last second.
    function _endOf(IFederation.Round memory round) private view returns (uint256) {
        if (round.phase == IFederation.Phase.FINALIZED) return round.challengeEnd;
        return uint256(round.finalizeDeadline) + CHALLENGE_WINDOW;
    }
}
