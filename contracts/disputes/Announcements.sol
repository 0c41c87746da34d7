// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";

/// @title Announcements
/// @notice Who comes first with a dispute. What is announced is a hash that names its sender, so a copy of it, or of the
/// dispute that opens it, is worth nothing to anybody else.
abstract contract Announcements is IDisputes {
    mapping(bytes32 announcement => uint256 blockNumber) private _announced;

    /// @inheritdoc IDisputes
    function announce(bytes32 announcement) external {
        // the first time counts: who repeats another's announcement cannot make it younger
        if (_announced[announcement] == 0) _announced[announcement] = block.number;
        emit DisputeAnnounced(msg.sender, announcement);
    }

    /// @dev Uses up the sender's announcement of `content`, which must be of an earlier block.
    function _useAnnouncement(bytes memory content, bytes32 salt) internal {
        bytes32 announcement = keccak256(abi.encode(msg.sender, keccak256(content), salt));
        uint256 blockNumber = _announced[announcement];
        if (blockNumber == 0 || blockNumber == block.number) revert DisputeNotAnnounced(announcement);
        delete _announced[announcement];
    }
}
