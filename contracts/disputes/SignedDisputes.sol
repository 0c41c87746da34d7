// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {SignedMessages} from "../identity/SignedMessages.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Docket} from "./Docket.sol";

/// @title SignedDisputes
/// @notice What an identity's own signatures prove against it, decided in one transaction.
abstract contract SignedDisputes is Docket {
    /// @inheritdoc IDisputes
    function challengeEquivocation(
        uint256 round,
        address account,
        SignedUpdate calldata first,
        SignedUpdate calldata second,
        bytes32 salt
    ) external payable {
        IFederation.Round memory disputed = _disputableRound(round, false);
        _useAnnouncement(
            abi.encode(
                Kind.EQUIVOCATION, round, account, keccak256(first.signature), keccak256(second.signature)
            ),
            salt
        );
        _requireInForce(round, disputed.selected, account, first.epoch, second.epoch);
        if (
            first.root == second.root && first.ciphertexts == second.ciphertexts
                && first.proofHash == second.proofHash
        ) revert DisputeSameContent();
        _requireUpdate(round, disputed.specHash, account, first);
        _requireUpdate(round, disputed.specHash, account, second);
        _decide(round, Kind.EQUIVOCATION, account);
    }

    /// @inheritdoc IDisputes
    function challengeOmission(
        uint256 round,
        address participant,
        uint32 epoch,
        bytes32 root,
        bytes calldata signature,
        bytes32 salt
    ) external payable {
        IFederation.Round memory disputed = _disputableRound(round, true);
        _useAnnouncement(abi.encode(Kind.OMISSION, round, participant, keccak256(signature)), salt);
        if (!_isAmong(participant, disputed.committed & ~disputed.accepted)) {
            revert DisputeNotOmitted(round, participant);
        }
        address aggregator = disputed.aggregator;
        (,,, uint32 epochs,) = FEDERATION.seatOf(aggregator);
        if (epoch == 0 || epoch > epochs) revert DisputeNotInForce(round, aggregator);
        _requireSignature(
            aggregator, SignedMessages.receipt(round, disputed.specHash, epoch, participant, root), signature
        );
        _decide(round, Kind.OMISSION, aggregator);
    }

    /// @dev The verdict of a dispute that needs no number. The bond is taken and given back: it has shown that the sender
    /// can pay, and one rule holds for all disputes.
    function _decide(uint256 round, Kind kind, address offender) private {
        emit DisputeDecided(0, round, kind, Outcome.PROVEN, msg.sender, offender);
        FEDERATION.takeBond{value: msg.value}(msg.sender);
        FEDERATION.convict(round, offender, false, msg.sender, uint8(kind));
        FEDERATION.creditBond(msg.sender);
    }

    /// @dev Reverts unless `account` was selected for the round, had its place when the round was opened, and both
    /// messages name one epoch that it has had. A key that was handed on, or belongs to one who left, proves nothing.
    function _requireInForce(uint256 round, uint256 selected, address account, uint32 epoch, uint32 other)
        private
        view
    {
        (
            IFederation.Role role,
            uint8 index,
            IFederation.Status status,
            uint32 epochs,
            uint32 retiredAtRound
        ) = FEDERATION.seatOf(account);
        if (
            role != IFederation.Role.PARTICIPANT || (selected >> index) & 1 == 0 || epoch != other
                || epoch == 0 || epoch > epochs
                || (status == IFederation.Status.RETIRED && round > retiredAtRound)
        ) revert DisputeNotInForce(round, account);
    }

    function _requireUpdate(uint256 round, bytes32 specHash, address account, SignedUpdate calldata update)
        private
        view
    {
        _requireSignature(
            account,
            SignedMessages.update(
                round, specHash, update.epoch, update.root, update.ciphertexts, update.proofHash
            ),
            update.signature
        );
    }

    function _requireSignature(address account, bytes32 structHash, bytes calldata signature) private view {
        bytes32 digest = MessageHashUtils.toTypedDataHash(FEDERATION.domainSeparator(), structHash);
        if (!SignatureChecker.isValidSignatureNowCalldata(account, digest, signature)) {
            revert DisputeInvalidSignature(account);
        }
    }
}
