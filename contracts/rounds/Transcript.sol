// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Transcript
/// @notice The running hash of a round: what was committed and attested, in order. Shared by rounds and disputes.
library Transcript {
    uint8 private constant COMMITMENT = 1;
    uint8 private constant ATTESTATION = 2;

    /// @dev The transcript after `participant` committed.
    function commitment(bytes32 before, address participant, bytes32 root, bytes32 proofHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(before, COMMITMENT, participant, root, proofHash));
    }

    /// @dev The transcript after `trustee` attested.
    function attestation(bytes32 before, address trustee, bytes32 partialRoot)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(before, ATTESTATION, trustee, partialRoot, bytes32(0)));
    }

    /// @dev What a round keeps of its aggregate. `committed` is the transcript after the last commitment.
    function aggregate(bytes32 committed, uint256 accepted, bytes32 aggregateRoot)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(committed, accepted, aggregateRoot));
    }
}
