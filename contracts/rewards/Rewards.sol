// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Configuration} from "../Configuration.sol";
import {IFederation} from "../interfaces/IFederation.sol";

/// @title Rewards
/// @notice All money that the contract holds, in one asset: the pool, what rounds reserved, stakes, bonds, and what
/// accounts were credited and withdraw themselves. Rewards go back to the pool if nobody claims them in time; deposits
/// (stakes, bonds, compensations) never do.
abstract contract Rewards is Configuration, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct RewardBalance {
        uint216 amount;
        uint40 expiresAt;
    }

    uint256 private _pool;
    uint256 private _totalStake;
    mapping(address account => RewardBalance) private _rewards;
    mapping(address account => uint256) private _deposits;

    /// @inheritdoc IFederation
    function fundRewards(uint256 amount) external payable nonReentrant {
        _take(msg.sender, amount);
        _pool += amount;
        emit RewardsFunded(msg.sender, amount);
    }

    /// @inheritdoc IFederation
    function claim() external nonReentrant returns (uint256 amount) {
        amount = claimable(msg.sender);
        if (amount == 0) return 0;
        _rewards[msg.sender].amount = 0; // the word stays: the next reward changes it, which is cheaper than making it
        delete _deposits[msg.sender];
        emit RewardClaimed(msg.sender, amount);
        if (ASSET != address(0)) {
            IERC20(ASSET).safeTransfer(msg.sender, amount);
            return amount;
        }
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert RewardTransferFailed(msg.sender);
    }

    /// @inheritdoc IFederation
    function expireReward(address account) external {
        (uint256 amount, uint256 expiresAt) = claimableReward(account);
        if (amount == 0 || block.timestamp < expiresAt) revert RewardNotExpired(account, expiresAt);
        _rewards[account].amount = 0;
        _pool += amount;
        emit RewardExpired(account, amount);
    }

    /// @inheritdoc IFederation
    function rewardPool() external view returns (uint256) {
        return _pool;
    }

    /// @inheritdoc IFederation
    function totalStake() external view returns (uint256) {
        return _totalStake;
    }

    /// @inheritdoc IFederation
    function claimableReward(address account) public view returns (uint256 amount, uint256 expiresAt) {
        RewardBalance memory balance = _rewards[account];
        return (balance.amount, balance.amount == 0 ? 0 : balance.expiresAt);
    }

    /// @inheritdoc IFederation
    function claimable(address account) public view returns (uint256) {
        return _rewards[account].amount + _deposits[account];
    }

    /// @dev Takes exactly `amount` from `from`: sent along, or pulled from a token that must not keep a part.
    function _take(address from, uint256 amount) internal {
        uint256 expected = ASSET == address(0) ? amount : 0;
        if (msg.value != expected) revert PaymentWrong(expected, msg.value);
        if (ASSET == address(0) || amount == 0) return;
        uint256 before = IERC20(ASSET).balanceOf(address(this));
        IERC20(ASSET).safeTransferFrom(from, address(this), amount);
        uint256 received = IERC20(ASSET).balanceOf(address(this)) - before;
        if (received != amount) revert PaymentWrong(amount, received);
    }

    /// @dev Takes a stake from the sender.
    function _takeStake(uint256 amount) internal {
        _totalStake += amount;
        _take(msg.sender, amount);
    }

    /// @dev Frees a stake: the caller credits it.
    function _freeStake(uint256 amount) internal {
        _totalStake -= amount;
    }

    /// @dev Takes the smaller of the round reward and the pool out of the pool.
    function _reserveReward() internal returns (uint88 reward) {
        uint256 pool = _pool;
        // forge-lint: disable-next-line(unsafe-typecast) the pool is the smaller of the two here
        reward = pool < ROUND_REWARD ? uint88(pool) : ROUND_REWARD;
        _pool = pool - reward;
    }

    /// @dev Puts money that is owed to nobody into the pool.
    function _addToPool(uint256 amount) internal {
        if (amount != 0) _pool += amount;
    }

    /// @dev Credits a reward to `account`; a credit of zero leaves no trace.
    function _creditReward(uint256 round, address account, uint256 amount) internal {
        if (amount == 0) return;
        RewardBalance storage balance = _rewards[account];
        // forge-lint: disable-next-line(unsafe-typecast) a round's reward has 88 bits
        balance.amount += uint216(amount);
        balance.expiresAt = uint40(block.timestamp) + CLAIM_SECONDS;
        emit RewardCredited(round, account, amount);
    }

    /// @dev Credits anything else to `account`; a credit of zero leaves no trace.
    function _creditDeposit(address account, uint256 amount) internal {
        if (amount == 0) return;
        _deposits[account] += amount;
        emit DepositCredited(account, amount);
    }
}
