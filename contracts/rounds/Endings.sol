// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Bitmap} from "./Bitmap.sol";
import {Rounds} from "./Rounds.sol";

/// @title Endings
/// @notice What becomes of a round: aborted, settled, or voided, and who is paid or slashed for it:
/// FINALIZED -settleRound-> SETTLED; COMMIT, UPLOAD, DECRYPT -abortRound-> ABORTED; any of these but ABORTED and SETTLED
/// -convict-> VOIDED, and FINALIZED -voidDescendant-> VOIDED when the round it builds on was.
/// @dev Rounds are settled in the order in which they build on each other. So nothing that builds on a round is settled
/// while the round can be voided, and voiding needs no loop over what came after.
abstract contract Endings is Rounds {
    using Bitmap for uint256;

    modifier onlyDisputes() {
        _requireDisputes();
        _;
    }

    /// @inheritdoc IFederation
    function abortRound(uint256 round) external {
        Round storage current = _rounds[round];
        AbortReason reason = _abortReasonOf(current);
        if (reason == AbortReason.NONE) revert RoundNotAbortable(round);
        if (reason == AbortReason.COMMIT_QUORUM_MISSED) {
            _missSelections(current.selected & ~current.committed);
        } else if (
            reason == AbortReason.AGGREGATE_DEADLINE_MISSED || reason == AbortReason.FINALIZE_DEADLINE_MISSED
        ) {
            (Role role, uint8 index) = _placeOf(current.aggregator);
            _countMissed(role, index);
        }
        current.phase = Phase.ABORTED;
        current.abortReason = reason;
        bytes32[4] memory none;
        bytes32 head = _end(current, none);
        _addToPool(current.reward);
        emit RoundAborted(round, reason, head);
    }

    /// @inheritdoc IFederation
    function settleRound(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.FINALIZED);
        uint256 challengeEnd = current.challengeEnd;
        if (block.timestamp < challengeEnd) revert RoundChallengeWindowOpen(round, challengeEnd);
        if (_disputes().openDisputesOf(round) != 0) revert RoundDisputed(round);
        uint256 baseRound = current.baseRound;
        if (baseRound != 0 && _rounds[baseRound].phase != Phase.SETTLED) {
            revert RoundBaseUndecided(round, baseRound);
        }
        current.phase = Phase.SETTLED;
        --_progress.unsettled;

        uint256 reward = current.reward;
        uint256 credited = _creditPot(
            round, Role.PARTICIPANT, current.accepted, reward * PARTICIPANT_BASIS_POINTS / BASIS_POINTS
        );
        credited += _creditPot(
            round, Role.TRUSTEE, current.attested, reward * TRUSTEE_BASIS_POINTS / BASIS_POINTS
        );
        (Role role, uint8 index) = _placeOf(current.aggregator);
        uint256 aggregatorReward = reward * AGGREGATOR_BASIS_POINTS / BASIS_POINTS;
        _countKept(role, index);
        _creditReward(round, _accountsOf(role)[index], aggregatorReward);
        credited += aggregatorReward;
        _addToPool(reward - credited);
        emit RoundSettled(round, credited);
    }

    /// @inheritdoc IFederation
    function voidDescendant(uint256 round) external {
        Round storage current = _requirePhase(round, Phase.FINALIZED);
        uint256 baseRound = current.baseRound;
        if (_rounds[baseRound].phase != Phase.VOIDED) revert RoundBaseUndecided(round, baseRound);
        _void(round, current, address(0), 0);
    }

    // ----------------------------------------------------------------------------------- for the disputes contract

    /// @inheritdoc IFederation
    function takeBond(address challenger) external payable onlyDisputes nonReentrant {
        _take(challenger, DISPUTE_BOND);
    }

    /// @inheritdoc IFederation
    function creditBond(address account) external onlyDisputes {
        if (account == address(0)) _addToPool(DISPUTE_BOND);
        else _creditDeposit(account, DISPUTE_BOND);
    }

    /// @inheritdoc IFederation
    function convict(uint256 round, address offender, bool attested, address challenger, uint8 kind)
        external
        onlyDisputes
    {
        Round storage current = _rounds[round];
        uint256 slashed = _slash(offender, round);
        if (attested) slashed += _slashTrustees(round, current.attested);
        uint256 reward = slashed / 2;
        if (reward > CHALLENGER_REWARD_CAP) reward = CHALLENGER_REWARD_CAP;
        _creditDeposit(challenger, reward);
        uint256 rest = slashed - reward;
        _addToPool(rest - _compensate(current, offender, rest));
        Phase phase = current.phase;
        if (_isLive(phase) || phase == Phase.FINALIZED) _void(round, current, offender, kind);
    }

    // --------------------------------------------------------------------------------------------------- internal

    /// @dev The contract that decides disputes.
    function _disputes() internal view virtual returns (IDisputes);

    /// @dev Credits `pot` to the members of `bitmap` by the payout rule and counts that they did their part; returns the
    /// sum credited. The sets of a finalised round are not empty: a quorum was accepted, a threshold has attested.
    function _creditPot(uint256 round, Role role, uint256 bitmap, uint256 pot)
        private
        returns (uint256 credited)
    {
        uint256 whole = 0;
        uint256 rest = bitmap;
        for (uint256 index = 0; rest != 0; ++index) {
            if (rest & 1 != 0) whole += _weightOf(role, index);
            rest >>= 1;
        }
        if (whole == 0) whole = 1; // none kept one part in a thousand: nothing for them, but the round settles
        address[] storage accounts = _accountsOf(role);
        rest = bitmap;
        for (uint256 index = 0; rest != 0; ++index) {
            if (rest & 1 != 0) {
                uint256 part = pot * _weightOf(role, index) / whole;
                credited += part;
                _countKept(role, index);
                _creditReward(round, accounts[index], part);
            }
            rest >>= 1;
        }
    }

    function _weightOf(Role role, uint256 index) private view returns (uint256) {
        return PAYOUT_RULE == PayoutRule.EQUAL ? 1 : _reliability(role, index);
    }

    function _slashTrustees(uint256 round, uint256 attested) private returns (uint256 slashed) {
        address[] storage trustees = _accountsOf(Role.TRUSTEE);
        for (uint256 index = 0; attested != 0; ++index) {
            if (attested & 1 != 0) slashed += _slash(trustees[index], round);
            attested >>= 1;
        }
    }

    /// @dev Makes up to the participants, out of `rest`, for the work they lose, at most what they would have earned.
    function _compensate(Round storage current, address offender, uint256 rest)
        private
        returns (uint256 paid)
    {
        uint256 harmed = current.accepted == 0 ? current.committed : current.accepted;
        (Role role, uint8 place) = _placeOf(offender);
        if (role == Role.PARTICIPANT) harmed &= ~(uint256(1) << place);
        if (harmed == 0) return 0;
        uint256 pot = uint256(current.reward) * PARTICIPANT_BASIS_POINTS / BASIS_POINTS;
        uint256 each = (pot < rest ? pot : rest) / harmed.count();
        paid = each * harmed.count();
        address[] storage participants = _accountsOf(Role.PARTICIPANT);
        for (uint256 index = 0; harmed != 0; ++index) {
            if (harmed & 1 != 0) _creditDeposit(participants[index], each);
            harmed >>= 1;
        }
    }

    function _void(uint256 round, Round storage current, address offender, uint8 kind) private {
        bool live = _isLive(current.phase);
        bytes32 verdicts = keccak256(abi.encode(_verdicts, round, offender, kind));
        _verdicts = verdicts;
        current.phase = Phase.VOIDED;
        if (!live) {
            --_progress.unsettled;
            if (_isBuiltOn(round)) _progress.modelRound = current.baseRound;
        }
        bytes32[4] memory none;
        bytes32 head = live ? _end(current, none) : current.head;
        _addToPool(current.reward);
        emit RoundVoided(round, head, verdicts);
    }

    /// @dev Whether the current model is that of `round` or builds on it. Not every newer one does: a descendant may be
    /// voided when another round has started from the model before it. Only rounds that are not settled are gone through.
    function _isBuiltOn(uint256 round) private view returns (bool) {
        uint256 newest = _progress.modelRound;
        while (newest > round) newest = _rounds[newest].baseRound;
        return newest == round;
    }

    function _requireDisputes() private view {
        if (msg.sender != address(_disputes())) revert NotDisputes(msg.sender);
    }

    function _abortReasonOf(Round storage current) private view returns (AbortReason) {
        Phase phase = current.phase;
        if (!_isLive(phase)) return AbortReason.NONE;
        if (_progress.modelRound != current.baseRound) return AbortReason.BASE_VOIDED;
        Status status = _statusOf(current.aggregator);
        if (status != Status.ACTIVE && status != Status.LEAVING) return AbortReason.AGGREGATOR_REMOVED;
        if (phase == Phase.DECRYPT) {
            return block.timestamp > current.finalizeDeadline
                ? AbortReason.FINALIZE_DEADLINE_MISSED
                : AbortReason.NONE;
        }
        if (
            phase == Phase.COMMIT && block.timestamp > current.commitDeadline
                && current.committed.count() < current.quorum
        ) return AbortReason.COMMIT_QUORUM_MISSED;
        // a standby has its time before anybody can end the round
        uint256 patience = current.takenOver ? 0 : STANDBY_SECONDS;
        return block.timestamp > current.aggregateDeadline + patience
            ? AbortReason.AGGREGATE_DEADLINE_MISSED
            : AbortReason.NONE;
    }
}
