// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "./interfaces/IFederation.sol";

/// @title Configuration
/// @notice The settings of a federation: checked once, then part of the code.
abstract contract Configuration is IFederation {
    uint256 internal constant BASIS_POINTS = 10_000;
    uint256 private constant LONGEST = 3650 days; // so that no sum of times leaves 40 bits
    uint256 private constant MIN_QUORUM = 2; // an aggregate of one is an update in the clear

    address internal immutable ASSET;
    address internal immutable PREDECESSOR;
    uint40 internal immutable CHALLENGE_WINDOW;
    uint40 internal immutable DISPUTE_SECONDS;
    uint40 internal immutable STANDBY_SECONDS;
    uint40 internal immutable MAX_ROUND_SECONDS;
    uint40 internal immutable UNBONDING_SECONDS;
    uint40 internal immutable CLAIM_SECONDS;
    uint88 internal immutable ROUND_REWARD;
    uint16 internal immutable PARTICIPANT_BASIS_POINTS;
    uint16 internal immutable TRUSTEE_BASIS_POINTS;
    uint16 internal immutable AGGREGATOR_BASIS_POINTS;
    PayoutRule internal immutable PAYOUT_RULE;
    uint96 internal immutable PARTICIPANT_STAKE;
    uint96 internal immutable TRUSTEE_STAKE;
    uint96 internal immutable AGGREGATOR_STAKE;
    uint96 internal immutable DISPUTE_BOND;
    uint96 internal immutable CHALLENGER_REWARD_CAP;
    uint16 internal immutable MINIMUM_QUORUM;
    uint16 internal immutable PARTICIPANTS_PER_ROUND;
    uint8 internal immutable MAX_MISSED;

    constructor(Config memory c) {
        uint256 shares = uint256(c.participantBasisPoints) + c.trusteeBasisPoints + c.aggregatorBasisPoints;
        if (shares > BASIS_POINTS) revert ConfigInvalid("basisPoints");
        if (c.minimumQuorum < MIN_QUORUM) revert ConfigInvalid("minimumQuorum");
        if (c.participantsPerRound != 0 && c.participantsPerRound < c.minimumQuorum) {
            revert ConfigInvalid("participantsPerRound");
        }
        if (c.disputeSeconds == 0 || c.disputeSeconds > LONGEST) revert ConfigInvalid("disputeSeconds");
        if (c.maxRoundSeconds == 0 || c.maxRoundSeconds > LONGEST) revert ConfigInvalid("maxRoundSeconds");
        if (c.claimSeconds == 0 || c.claimSeconds > LONGEST) revert ConfigInvalid("claimSeconds");
        uint256 liable =
            uint256(c.maxRoundSeconds) + 3 * uint256(c.standbySeconds) + c.challengeWindow + c.disputeSeconds;
        if (c.unbondingSeconds < liable || c.unbondingSeconds > LONGEST) {
            revert ConfigInvalid("unbondingSeconds");
        }
        ASSET = c.asset;
        PREDECESSOR = c.predecessor;
        CHALLENGE_WINDOW = c.challengeWindow;
        DISPUTE_SECONDS = c.disputeSeconds;
        STANDBY_SECONDS = c.standbySeconds;
        MAX_ROUND_SECONDS = c.maxRoundSeconds;
        UNBONDING_SECONDS = c.unbondingSeconds;
        CLAIM_SECONDS = c.claimSeconds;
        ROUND_REWARD = c.roundReward;
        PARTICIPANT_BASIS_POINTS = c.participantBasisPoints;
        TRUSTEE_BASIS_POINTS = c.trusteeBasisPoints;
        AGGREGATOR_BASIS_POINTS = c.aggregatorBasisPoints;
        PAYOUT_RULE = c.payoutRule;
        PARTICIPANT_STAKE = c.participantStake;
        TRUSTEE_STAKE = c.trusteeStake;
        AGGREGATOR_STAKE = c.aggregatorStake;
        DISPUTE_BOND = c.disputeBond;
        CHALLENGER_REWARD_CAP = c.challengerRewardCap;
        MINIMUM_QUORUM = c.minimumQuorum;
        PARTICIPANTS_PER_ROUND = c.participantsPerRound;
        MAX_MISSED = c.maxMissed;
    }

    /// @inheritdoc IFederation
    function config() external view returns (Config memory c) {
        c.asset = ASSET;
        c.predecessor = PREDECESSOR;
        c.challengeWindow = CHALLENGE_WINDOW;
        c.disputeSeconds = DISPUTE_SECONDS;
        c.standbySeconds = STANDBY_SECONDS;
        c.maxRoundSeconds = MAX_ROUND_SECONDS;
        c.unbondingSeconds = UNBONDING_SECONDS;
        c.claimSeconds = CLAIM_SECONDS;
        c.roundReward = ROUND_REWARD;
        c.participantBasisPoints = PARTICIPANT_BASIS_POINTS;
        c.trusteeBasisPoints = TRUSTEE_BASIS_POINTS;
        c.aggregatorBasisPoints = AGGREGATOR_BASIS_POINTS;
        c.payoutRule = PAYOUT_RULE;
        c.participantStake = PARTICIPANT_STAKE;
        c.trusteeStake = TRUSTEE_STAKE;
        c.aggregatorStake = AGGREGATOR_STAKE;
        c.disputeBond = DISPUTE_BOND;
        c.challengerRewardCap = CHALLENGER_REWARD_CAP;
        c.minimumQuorum = MINIMUM_QUORUM;
        c.participantsPerRound = PARTICIPANTS_PER_ROUND;
        c.maxMissed = MAX_MISSED;
    }

    /// @dev What an identity of `role` stakes.
    function _stakeOf(Role role) internal view returns (uint96) {
        if (role == Role.PARTICIPANT) return PARTICIPANT_STAKE;
        return role == Role.TRUSTEE ? TRUSTEE_STAKE : AGGREGATOR_STAKE;
    }
}
