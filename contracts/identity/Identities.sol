// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IFederation} from "../interfaces/IFederation.sol";

/// @title Identities
/// @notice Who takes part: accounts, their roles, and the certificates they speak with.
abstract contract Identities is IFederation, Ownable2Step {
    uint256 private constant MAX_PER_ROLE = 256; // one bit each in a bitmap
    uint256 private constant MAX_CERTIFICATE_LENGTH = 4096;

    mapping(address account => Identity) private _identities;
    mapping(Role role => address[]) private _accounts;
    mapping(Role role => uint256) private _active;
    mapping(bytes32 certificateFingerprint => bool) private _taken;

    /// @inheritdoc IFederation
    function registerIdentity(address account, Role role, bytes calldata certificate, bytes32 sealingKey)
        external
        onlyOwner
    {
        if (account == address(0)) revert IdentityZeroAccount();
        if (role == Role.NONE) revert IdentityRoleMissing();
        if (_identities[account].role != Role.NONE) revert IdentityAlreadyRegistered(account);
        if (certificate.length == 0 || certificate.length > MAX_CERTIFICATE_LENGTH) {
            revert IdentityCertificateLength(certificate.length);
        }
        if (role == Role.TRUSTEE && sealingKey == 0) revert IdentitySealingKeyMissing();
        bytes32 fingerprint = sha256(certificate);
        if (_taken[fingerprint]) revert IdentityCertificateTaken(fingerprint);
        address[] storage accounts = _accounts[role];
        if (accounts.length >= MAX_PER_ROLE) revert IdentityRoleFull(role);

        // forge-lint: disable-next-line(unsafe-typecast) the length is below 256
        uint8 index = uint8(accounts.length);
        accounts.push(account);
        _taken[fingerprint] = true;
        _active[role] |= uint256(1) << index;
        _identities[account] = Identity(role, index, true, fingerprint, sealingKey);
        emit IdentityRegistered(account, role, index, fingerprint, sealingKey, certificate);
    }

    /// @inheritdoc IFederation
    function revokeIdentity(address account) external onlyOwner {
        Identity storage identity = _identities[account];
        if (identity.role == Role.NONE) revert IdentityUnknown(account);
        if (!identity.active) revert IdentityInactive(account);
        identity.active = false;
        _active[identity.role] &= ~(uint256(1) << identity.index);
        emit IdentityRevoked(account);
    }

    /// @inheritdoc IFederation
    function identityOf(address account) external view returns (Identity memory) {
        return _identities[account];
    }

    /// @inheritdoc IFederation
    function accountAt(Role role, uint256 index) external view returns (address) {
        address[] storage accounts = _accounts[role];
        if (index >= accounts.length) revert IdentityIndexOutOfRange(role, index);
        return accounts[index];
    }

    /// @inheritdoc IFederation
    function countOf(Role role) external view returns (uint256) {
        return _accounts[role].length;
    }

    /// @dev The bit of `account` in the bitmaps of `role`. Reverts unless it is registered for it and active.
    function _requireActive(address account, Role role) internal view returns (uint256 bit) {
        Identity storage identity = _identities[account];
        if (identity.role != role) revert IdentityWrongRole(account, role);
        if (!identity.active) revert IdentityInactive(account);
        return uint256(1) << identity.index;
    }

    /// @dev Bitmap of the active identities of `role`.
    function _activeOf(Role role) internal view returns (uint256) {
        return _active[role];
    }

    /// @dev The accounts of `role` by index.
    function _accountsOf(Role role) internal view returns (address[] storage) {
        return _accounts[role];
    }
}
