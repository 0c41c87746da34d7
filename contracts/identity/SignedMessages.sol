// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SignedMessages
/// @notice The EIP-712 struct hashes of what identities sign off chain.
library SignedMessages {
    bytes32 private constant UPDATE_TYPEHASH = keccak256(
        "Update(uint256 round,bytes32 specHash,uint32 epoch,bytes32 root,uint32 ciphertexts,bytes32 proofHash)"
    );
    bytes32 private constant RECEIPT_TYPEHASH =
        keccak256("Receipt(uint256 round,bytes32 specHash,uint32 epoch,address participant,bytes32 root)");

    /// @dev A participant's update.
    function update(
        uint256 round,
        bytes32 specHash,
        uint32 epoch,
        bytes32 root,
        uint32 ciphertexts,
        bytes32 proofHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(UPDATE_TYPEHASH, round, specHash, epoch, root, ciphertexts, proofHash));
    }

    /// @dev An aggregator's receipt for an update.
    function receipt(uint256 round, bytes32 specHash, uint32 epoch, address participant, bytes32 root)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, round, specHash, epoch, participant, root));
    }
}
