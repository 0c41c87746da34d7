// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title MerklePath
/// @notice Paths in Merkle trees of RFC 6962's shape with Keccak-256, as `fedtrust/crypto/merkle.py` makes them:
///
///     leaf hash   keccak256(0x00 || leaf)
///     node hash   keccak256(0x01 || left || right)
///     root        keccak256(0x02 || leaf count as 8 bytes || tree hash)
///
/// The root commits to the leaf count, and the path's length and sides follow from index and count (RFC 9162, section
/// 2.1.3.2): under one root, an index has exactly one leaf.
library MerklePath {
    /// @notice The index is not below the count.
    error MerkleNoSuchLeaf(uint256 index, uint256 count);
    /// @notice A path of another length than the leaf's place asks for.
    error MerkleWrongPathLength(uint256 expected, uint256 actual);
    /// @notice The leaf is not under this root at this place.
    error MerkleWrongRoot(bytes32 expected, bytes32 actual);

    /// @notice Reverts unless `leaf` is leaf `index` of the `count` leaves under `root`. The path goes from the leaf up.
    function verify(bytes32 root, uint32 count, uint256 index, bytes calldata leaf, bytes32[] calldata path)
        internal
        pure
    {
        bytes32 actual = rootOf(count, treeHashOf(count, index, leaf, path));
        if (actual != root) revert MerkleWrongRoot(root, actual);
    }

    /// @notice The root over `count` leaves with this tree hash: opens a root's count without a leaf.
    function rootOf(uint32 count, bytes32 treeHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(2), uint64(count), treeHash));
    }

    /// @notice The tree hash that `leaf` at `index` and its path lead to.
    function treeHashOf(uint32 count, uint256 index, bytes calldata leaf, bytes32[] calldata path)
        internal
        pure
        returns (bytes32 node)
    {
        if (index >= count) revert MerkleNoSuchLeaf(index, count);
        uint256 length;
        assembly ("memory-safe") {
            // past the free memory pointer, without moving it: nothing is kept
            let place := mload(0x40)
            mstore8(place, 0)
            calldatacopy(add(place, 1), leaf.offset, leaf.length)
            node := keccak256(place, add(leaf.length, 1))

            mstore8(place, 1)
            let next := path.offset
            for { let last := sub(count, 1) } last { last := shr(1, last) } {
                let isRight := and(index, 1)
                // the last node of a level with an odd number of nodes has no sibling and moves up unchanged
                if or(isRight, lt(index, last)) {
                    mstore(add(place, sub(33, shl(5, isRight))), calldataload(next))
                    mstore(add(place, add(1, shl(5, isRight))), node)
                    node := keccak256(place, 65)
                    next := add(next, 32)
                }
                index := shr(1, index)
            }
            length := shr(5, sub(next, path.offset))
        }
        // only now: what a short path lacks was read from what follows it, which this makes worthless
        if (path.length != length) revert MerkleWrongPathLength(length, path.length);
    }
}
