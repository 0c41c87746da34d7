// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../interfaces/IFederation.sol";
import {CommitteeKey} from "../key/CommitteeKey.sol";
import {Rewards} from "../rewards/Rewards.sol";
import {Reputations} from "./Reputations.sol";

/// @title Identities
/// @notice Who takes part: accounts, their roles, certificates and stakes. The operator admits and revokes; everything
/// else an identity does itself.
abstract contract Identities is Rewards, Reputations, CommitteeKey {
    uint256 private constant MAX_PER_ROLE = 256; // one bit each in a bitmap
    uint256 private constant MAX_CERTIFICATE_LENGTH = 4096;

    mapping(address account => Identity) private _identities;
    mapping(Role role => address[]) private _accounts;
    mapping(bytes32 certificateFingerprint => bool) private _taken;

    // --------------------------------------------------------------------------------------------- the operator's

    /// @inheritdoc IFederation
    function admitIdentity(address account, Role role) external onlyOwner {
        if (account == address(0)) revert IdentityZeroAccount();
        if (role == Role.NONE) revert IdentityRoleMissing();
        Identity storage identity = _identities[account];
        if (identity.role != Role.NONE) revert IdentityAlreadyAdmitted(account);
        identity.role = role;
        identity.status = Status.ADMITTED;
        emit IdentityAdmitted(account, role);
    }

    /// @inheritdoc IFederation
    function revokeIdentity(address account) external onlyOwner {
        Identity storage identity = _identities[account];
        Status status = identity.status;
        if (status == Status.NONE) revert IdentityUnknown(account);
        if (status == Status.ACTIVE) {
            _unbond(identity);
        } else if (status != Status.ADMITTED && status != Status.LEAVING) {
            revert IdentityWrongStatus(account, status);
        }
        identity.status = Status.REVOKED;
        emit IdentityRevoked(account, identity.releaseAt);
    }

    // --------------------------------------------------------------------------------------------- the identity's

    /// @inheritdoc IFederation
    function registerIdentity(bytes calldata certificate, bytes32 sealingKey) external payable nonReentrant {
        Identity storage identity = _identities[msg.sender];
        _requireStatus(msg.sender, identity, Status.ADMITTED);
        Role role = identity.role;
        uint8 index = _nextIndex(role);
        bytes32 fingerprint = _useCertificate(role, certificate, sealingKey);
        uint96 stake = _stakeOf(role);
        _accounts[role].push(msg.sender);
        if (role == Role.PARTICIPANT) _setEligible(index);
        identity.index = index;
        identity.status = Status.ACTIVE;
        identity.epoch = 1;
        identity.stake = stake;
        identity.certificateFingerprint = fingerprint;
        identity.sealingKey = sealingKey;
        emit IdentityRegistered(msg.sender, role, index, stake, fingerprint, sealingKey, certificate);
        _takeStake(stake);
    }

    /// @inheritdoc IFederation
    function rotateIdentity(address newAccount, bytes calldata certificate, bytes32 sealingKey) external {
        Identity storage identity = _identities[msg.sender];
        _requireStatus(msg.sender, identity, Status.ACTIVE);
        if (newAccount != msg.sender) identity = _handOver(identity, newAccount);
        identity.epoch += 1;
        identity.certificateFingerprint = _useCertificate(identity.role, certificate, sealingKey);
        identity.sealingKey = sealingKey;
        emit IdentityRotated(
            msg.sender,
            newAccount,
            identity.role,
            identity.index,
            identity.epoch,
            identity.certificateFingerprint,
            sealingKey,
            certificate
        );
    }

    /// @inheritdoc IFederation
    function leaveFederation() external {
        Identity storage identity = _identities[msg.sender];
        _requireStatus(msg.sender, identity, Status.ACTIVE);
        _unbond(identity);
        identity.status = Status.LEAVING;
        identity.retiredAtRound = _newestRound();
        emit IdentityLeaving(msg.sender, identity.releaseAt);
    }

    /// @inheritdoc IFederation
    function releaseStake(address account) external {
        Identity storage identity = _identities[account];
        Status status = identity.status;
        uint256 stake = identity.stake;
        if (status == Status.LEAVING) identity.status = Status.LEFT;
        else if (status != Status.REVOKED || stake == 0) revert IdentityWrongStatus(account, status);
        if (block.timestamp < identity.releaseAt) revert StakeHeld(account, identity.releaseAt);
        identity.stake = 0;
        _freeStake(stake);
        _creditDeposit(account, stake);
        emit StakeReleased(account, stake);
    }

    /// @inheritdoc IFederation
    function resume() external {
        Identity storage identity = _identities[msg.sender];
        _requireStatus(msg.sender, identity, Status.ACTIVE);
        uint256 index = identity.index;
        if (identity.role != Role.PARTICIPANT || (_eligibleParticipants() >> index) & 1 != 0) {
            revert ParticipantNotSuspended(msg.sender);
        }
        _setEligible(index);
        _forgetMissedInARow(index);
        emit ParticipantResumed(msg.sender);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IFederation
    function identityOf(address account) external view returns (Identity memory) {
        return _identities[account];
    }

    /// @inheritdoc IFederation
    function seatOf(address account)
        external
        view
        returns (Role role, uint8 index, Status status, uint32 epoch, uint32 retiredAtRound)
    {
        Identity storage identity = _identities[account];
        return (identity.role, identity.index, identity.status, identity.epoch, identity.retiredAtRound);
    }

    /// @inheritdoc IFederation
    function accountAt(Role role, uint256 index) external view returns (address) {
        if (index >= _accounts[role].length) revert IdentityIndexOutOfRange(role, index);
        return _accounts[role][index];
    }

    /// @inheritdoc IFederation
    function countOf(Role role) external view returns (uint256) {
        return _accounts[role].length;
    }

    // --------------------------------------------------------------------------------------------------- internal

    /// @dev The index of `account` in `role`. Reverts unless it is in force for `round`: active, or leaving since then.
    function _requireInForce(address account, Role role, uint256 round) internal view returns (uint8) {
        Identity storage identity = _identities[account];
        if (identity.role != role) revert IdentityWrongRole(account, role);
        Status status = identity.status;
        if (status != Status.ACTIVE && (status != Status.LEAVING || round > identity.retiredAtRound)) {
            revert IdentityWrongStatus(account, status);
        }
        return identity.index;
    }

    /// @dev Reverts unless `account` is an active aggregator.
    function _requireAggregator(address account) internal view {
        Identity storage identity = _identities[account];
        if (identity.role != Role.AGGREGATOR) revert IdentityWrongRole(account, Role.AGGREGATOR);
        _requireStatus(account, identity, Status.ACTIVE);
    }

    function _statusOf(address account) internal view returns (Status) {
        return _identities[account].status;
    }

    function _epochOf(address account) internal view returns (uint32) {
        return _identities[account].epoch;
    }

    /// @dev The role of `account` and its index there, whatever its status.
    function _placeOf(address account) internal view returns (Role, uint8) {
        Identity storage identity = _identities[account];
        return (identity.role, identity.index);
    }

    /// @dev The accounts of `role` by index.
    function _accountsOf(Role role) internal view returns (address[] storage) {
        return _accounts[role];
    }

    /// @dev Counts a missed selection, and suspends who missed too many.
    function _missSelection(uint256 index) internal {
        uint8 inARow = _countMissed(Role.PARTICIPANT, index);
        if (MAX_MISSED == 0 || inARow < MAX_MISSED) return;
        if (_clearEligible(index)) emit ParticipantSuspended(_accounts[Role.PARTICIPANT][index]);
    }

    /// @dev Takes the whole stake of whoever holds the place of `account` now; it may do nothing more.
    function _slash(address account, uint256 round) internal returns (uint256 stake) {
        (Role role, uint8 index) = _placeOf(account);
        address holder = _accounts[role][index];
        Identity storage identity = _identities[holder];
        stake = identity.stake;
        identity.stake = 0;
        identity.status = Status.SLASHED;
        _freeStake(stake);
        _countSlashed(role, index);
        if (role == Role.PARTICIPANT) _clearEligible(index);
        emit IdentitySlashed(holder, round, stake);
    }

    /// @dev The number of the newest round.
    function _newestRound() internal view virtual returns (uint32);

    /// @dev Whether `account` is the aggregator of a round that has not ended.
    function _isRunning(address account) internal view virtual returns (bool);

    /// @inheritdoc CommitteeKey
    function _registeredTrustees() internal view override returns (uint256) {
        return _accounts[Role.TRUSTEE].length;
    }

    /// @dev Moves the sender's place with its stake to `newAccount`. Returns what is registered there.
    function _handOver(Identity storage old, address newAccount) private returns (Identity storage taken) {
        taken = _identities[newAccount];
        _requireStatus(newAccount, taken, Status.ADMITTED);
        Role role = old.role;
        if (taken.role != role) revert IdentityWrongRole(newAccount, role);
        if (_isRunning(msg.sender)) revert IdentityBusy(msg.sender, _newestRound());
        uint8 index = old.index;
        taken.index = index;
        taken.status = Status.ACTIVE;
        taken.epoch = old.epoch;
        taken.stake = old.stake;
        _accounts[role][index] = newAccount;
        old.status = Status.RETIRED;
        old.retiredAtRound = _newestRound();
        old.stake = 0;
    }

    /// @dev The index that the next identity of `role` gets.
    function _nextIndex(Role role) private view returns (uint8) {
        uint256 most = MAX_PER_ROLE;
        if (role == Role.TRUSTEE) {
            uint256 shares = _keyTrustees();
            most = shares == 0 ? MAX_TRUSTEES : shares;
        }
        uint256 index = _accounts[role].length;
        if (index >= most) revert IdentityRoleFull(role);
        // forge-lint: disable-next-line(unsafe-typecast) below 256
        return uint8(index);
    }

    function _unbond(Identity storage identity) private {
        identity.releaseAt = uint40(block.timestamp) + UNBONDING_SECONDS;
        if (identity.role == Role.PARTICIPANT) _clearEligible(identity.index);
    }

    function _useCertificate(Role role, bytes calldata certificate, bytes32 sealingKey)
        private
        returns (bytes32 fingerprint)
    {
        if (certificate.length == 0 || certificate.length > MAX_CERTIFICATE_LENGTH) {
            revert IdentityCertificateLength(certificate.length);
        }
        if (role == Role.TRUSTEE && sealingKey == 0) revert IdentitySealingKeyMissing();
        fingerprint = sha256(certificate);
        if (_taken[fingerprint]) revert IdentityCertificateTaken(fingerprint);
        _taken[fingerprint] = true;
    }

    function _requireStatus(address account, Identity storage identity, Status required) private view {
        Status status = identity.status;
        if (status != required) revert IdentityWrongStatus(account, status);
    }
}
