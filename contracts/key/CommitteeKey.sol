// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IFederation} from "../interfaces/IFederation.sol";

/// @title CommitteeKey
/// @notice The one public key that all updates are encrypted under, named by the hash of its manifest.
abstract contract CommitteeKey is IFederation, Ownable2Step {
    uint256 internal constant MAX_TRUSTEES = 32; // a round with as many, and 256 participants, settles in one transaction

    bytes32 private _keyId;
    bytes32 private _modulusHash;
    uint8 private _threshold;
    uint8 private _trustees;

    /// @inheritdoc IFederation
    function publishKey(bytes32 keyId, uint8 threshold, uint8 trustees, bytes32 modulusHash)
        external
        onlyOwner
    {
        if (_keyId != 0) revert KeyAlreadyPublished();
        if (
            keyId == 0 || modulusHash == 0 || threshold == 0 || threshold > trustees
                || trustees > MAX_TRUSTEES || _registeredTrustees() > trustees
        ) revert KeyInvalid();
        _keyId = keyId;
        _modulusHash = modulusHash;
        _threshold = threshold;
        _trustees = trustees;
        emit KeyPublished(keyId, threshold, trustees, modulusHash);
    }

    /// @inheritdoc IFederation
    function key()
        external
        view
        returns (bytes32 keyId, uint8 threshold, uint8 trustees, bytes32 modulusHash)
    {
        return (_keyId, _threshold, _trustees, _modulusHash);
    }

    /// @dev How many trustees must attest; 0 before the key was published.
    function _keyThreshold() internal view returns (uint256) {
        return _threshold;
    }

    /// @dev How many trustees hold a share; 0 before the key was published.
    function _keyTrustees() internal view returns (uint256) {
        return _trustees;
    }

    /// @dev How many trustees were ever registered.
    function _registeredTrustees() internal view virtual returns (uint256);
}
