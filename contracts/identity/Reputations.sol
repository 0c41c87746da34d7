// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../interfaces/IFederation.sol";

/// @title Reputations
/// @notice Counters of what every identity did, and which participants may be drawn.
abstract contract Reputations is IFederation {
    uint256 private constant SCALE = 1000;

    mapping(Role role => mapping(uint256 index => Reputation)) private _reputations;
    uint256 private _eligible;

    /// @inheritdoc IFederation
    function reputationOf(Role role, uint8 index) external view returns (Reputation memory) {
        return _reputations[role][index];
    }

    /// @inheritdoc IFederation
    function eligible() external view returns (uint256) {
        return _eligible;
    }

    /// @dev Bitmap of the participants that may be drawn.
    function _eligibleParticipants() internal view returns (uint256) {
        return _eligible;
    }

    /// @dev Lets the participant be drawn.
    function _setEligible(uint256 index) internal {
        _eligible |= uint256(1) << index;
    }

    /// @dev Lets the participant not be drawn. Returns whether it could be before.
    function _clearEligible(uint256 index) internal returns (bool cleared) {
        uint256 before = _eligible;
        cleared = (before >> index) & 1 != 0;
        if (cleared) _eligible = before & ~(uint256(1) << index);
    }

    /// @dev What weighs in the payout rule RELIABILITY, in thousandths.
    function _reliability(Role role, uint256 index) internal view returns (uint256) {
        Reputation memory counters = _reputations[role][index];
        uint256 kept = 1 + uint256(counters.accepted) + counters.attested;
        return SCALE * kept / (kept + counters.late + counters.missed);
    }

    function _countKept(Role role, uint256 index) internal {
        Reputation storage counters = _reputations[role][index];
        if (role == Role.TRUSTEE) ++counters.attested;
        else ++counters.accepted;
        counters.missedInARow = 0;
    }

    function _countLate(uint256 index) internal {
        ++_reputations[Role.PARTICIPANT][index].late;
    }

    /// @dev Returns how many were missed in a row, as far as a byte counts.
    function _countMissed(Role role, uint256 index) internal returns (uint8 inARow) {
        Reputation storage counters = _reputations[role][index];
        ++counters.missed;
        inARow = counters.missedInARow;
        if (role == Role.PARTICIPANT && inARow != type(uint8).max) counters.missedInARow = ++inARow;
    }

    function _countSlashed(Role role, uint256 index) internal {
        ++_reputations[role][index].slashed;
    }

    function _forgetMissedInARow(uint256 index) internal {
        _reputations[Role.PARTICIPANT][index].missedInARow = 0;
    }
}
