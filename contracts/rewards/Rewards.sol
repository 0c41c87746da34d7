// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IFederation} from "../interfaces/IFederation.sol";

/// @title Rewards
/// @notice A pool that anyone may fill, and credits that their owners withdraw themselves. Every wei in the contract
/// is in the pool, reserved for one round, or credited to one account.
abstract contract Rewards is IFederation, ReentrancyGuard {
    uint256 private _pool;
    mapping(address account => uint256) private _claimable;

    /// @inheritdoc IFederation
    function fundRewards() external payable {
        _pool += msg.value;
        emit RewardsFunded(msg.sender, msg.value);
    }

    /// @inheritdoc IFederation
    function rewardPool() external view returns (uint256) {
        return _pool;
    }

    /// @inheritdoc IFederation
    function claimable(address account) external view returns (uint256) {
        return _claimable[account];
    }

    /// @inheritdoc IFederation
    function claim() external nonReentrant returns (uint256 amount) {
        amount = _claimable[msg.sender];
        if (amount == 0) return 0;
        _claimable[msg.sender] = 0;
        emit RewardClaimed(msg.sender, amount);
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert RewardTransferFailed(msg.sender);
    }

    /// @dev Takes the smaller of `wanted` and the pool out of the pool.
    function _reserveReward(uint128 wanted) internal returns (uint128 reward) {
        uint256 pool = _pool;
        // forge-lint: disable-next-line(unsafe-typecast) the pool is the smaller of the two here
        reward = pool < wanted ? uint128(pool) : wanted;
        _pool = pool - reward;
    }

    /// @dev Puts reserved wei back into the pool.
    function _releaseReward(uint256 amount) internal {
        _pool += amount;
    }

    /// @dev Credits reserved wei to `account`; a credit of zero leaves no trace.
    function _creditReward(uint256 round, address account, uint256 amount) internal {
        if (amount == 0) return;
        _claimable[account] += amount;
        emit RewardCredited(round, account, amount);
    }
}
