// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The recursive definitions of RFC 6962, sections 2.1 and 2.1.1, over leaves from `start` to before `end`.
library MerkleTree {
    function root(bytes[] memory leaves) internal pure returns (bytes32) {
        return
            keccak256(abi.encodePacked(uint8(2), uint64(leaves.length), treeHash(leaves, 0, leaves.length)));
    }

    function treeHash(bytes[] memory leaves, uint256 start, uint256 end) internal pure returns (bytes32) {
        if (end - start == 1) return keccak256(bytes.concat(hex"00", leaves[start]));
        uint256 middle = start + _split(end - start);
        return
            keccak256(
                abi.encodePacked(uint8(1), treeHash(leaves, start, middle), treeHash(leaves, middle, end))
            );
    }

    function path(bytes[] memory leaves, uint256 start, uint256 end, uint256 index)
        internal
        pure
        returns (bytes32[] memory hashes)
    {
        if (end - start == 1) return new bytes32[](0);
        uint256 middle = start + _split(end - start);
        bool left = index < middle;
        bytes32[] memory below = left ? path(leaves, start, middle, index) : path(leaves, middle, end, index);
        hashes = new bytes32[](below.length + 1);
        for (uint256 i = 0; i < below.length; ++i) {
            hashes[i] = below[i];
        }
        hashes[below.length] = left ? treeHash(leaves, middle, end) : treeHash(leaves, start, middle);
    }

    /// @dev The largest power of two below `count`.
    function _split(uint256 count) private pure returns (uint256 k) {
        k = 1;
        while (2 * k < count) k *= 2;
    }
}
