// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerklePath} from "../../contracts/disputes/MerklePath.sol";
import {Base} from "./Base.sol";
import {DisputeLibraries, VmDisputes} from "./DisputesFixture.sol";
import {MerkleTree} from "./MerkleTree.sol";

contract MerklePathTest is Base {
    VmDisputes private constant CHEATS = VmDisputes(address(VM));
    string private constant VECTORS = "tests/vectors/merkle.json";
    bytes32 private constant OTHER = keccak256("no hash of the tree");

    DisputeLibraries private disputes = new DisputeLibraries();

    /// @dev The vectors that the Python tree is tested with: every leaf of ten trees; no other index or count fits.
    function test_verify_vectors() public view {
        string memory json = CHEATS.readFile(VECTORS);
        uint256 cases;
        for (string memory key = _case(0); CHEATS.keyExistsJson(json, key); key = _case(++cases)) {
            bytes[] memory leaves = CHEATS.parseJsonBytesArray(json, string.concat(key, ".leaves"));
            bytes32 root = CHEATS.parseJsonBytes32(json, string.concat(key, ".root"));
            for (uint256 i = 0; i < leaves.length; ++i) {
                string memory pathKey = string.concat(key, ".paths[", CHEATS.toString(i), "]");
                bytes32[] memory path =
                    leaves.length == 1 ? new bytes32[](0) : CHEATS.parseJsonBytes32Array(json, pathKey);
                disputes.verify(root, uint32(leaves.length), i, leaves[i], path);
                for (uint256 other = 0; other < leaves.length; ++other) {
                    if (other != i) _expectRefused(root, uint32(leaves.length), other, leaves[i], path);
                }
                _expectRefused(root, uint32(leaves.length + 1), i, leaves[i], path);
                _expectRefused(root, uint32(leaves.length - 1), i, leaves[i], path);
            }
        }
        assertEq(cases, 10, "cases");
    }

    /// @dev Against the recursive definition of RFC 6962, section 2.1.
    /// forge-config: default.fuzz.runs = 1000
    function testFuzz_verify_matchesDefinition(uint256 count, uint256 index, bytes32 seed) public view {
        (bytes[] memory leaves, uint256 i) = _tree(count, index, seed);
        disputes.verify(
            MerkleTree.root(leaves),
            uint32(leaves.length),
            i,
            leaves[i],
            MerkleTree.path(leaves, 0, leaves.length, i)
        );
    }

    function testFuzz_verify_altered_reverts(
        uint256 count,
        uint256 index,
        bytes32 seed,
        uint256 which,
        uint8 bit
    ) public view {
        (bytes[] memory leaves, uint256 i) = _tree(count, index, seed);
        bytes32 root = MerkleTree.root(leaves);
        bytes32[] memory path = MerkleTree.path(leaves, 0, leaves.length, i);

        _expectRefused(root ^ bytes32(uint256(1) << bit), uint32(leaves.length), i, leaves[i], path);
        _expectRefused(root, uint32(leaves.length), i, bytes.concat(leaves[i], hex"00"), path);
        _expectRefused(root, uint32(leaves.length), i, "", path);
        _expectRefused(root, uint32(leaves.length + 1), i, leaves[i], path);
        _expectRefused(root, uint32(leaves.length), i ^ (uint256(1) << bit), leaves[i], path);
        _expectRefused(root, uint32(leaves.length), i, leaves[i], _resized(path, path.length + 1));
        if (path.length == 0) return;
        _expectRefused(root, uint32(leaves.length), i, leaves[i], _resized(path, path.length - 1));
        which %= path.length;
        path[which] ^= bytes32(uint256(1) << bit);
        _expectRefused(root, uint32(leaves.length), i, leaves[i], path);
    }

    /// @dev An inner node shown as a leaf, at the place it has among its level: the tags keep them apart.
    function test_verify_nodeAsLeaf_reverts() public view {
        bytes[] memory leaves = new bytes[](4);
        for (uint256 i = 0; i < 4; ++i) {
            leaves[i] = abi.encodePacked(keccak256(abi.encode(i)));
        }
        bytes32[] memory whole = MerkleTree.path(leaves, 0, 4, 0);
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = whole[1];
        bytes32 left = MerkleTree.treeHash(leaves, 0, 1);
        bytes memory node = abi.encodePacked(left, whole[0]);
        _expectRefused(MerkleTree.root(leaves), 2, 0, node, shorter);
        _expectRefused(MerkleTree.root(leaves), 2, 0, bytes.concat(hex"01", node), shorter);
    }

    function test_verify_noSuchLeaf_reverts() public {
        bytes32[] memory none = new bytes32[](0);
        uint32[3] memory counts = [0, 1, type(uint32).max];
        for (uint256 i = 0; i < counts.length; ++i) {
            _expectNoSuchLeaf(counts[i], counts[i], none);
            _expectNoSuchLeaf(counts[i], uint256(1) << 32, none);
            _expectNoSuchLeaf(counts[i], type(uint256).max, none);
        }
    }

    /// @dev The largest tree there may be: lengths at both ends, where 2^32 - 1 leaves leave the last one short.
    function test_verify_wrongPathLength_reverts() public {
        uint32 count = type(uint32).max;
        disputes.treeHashOf(count, 0, "", new bytes32[](32));
        disputes.treeHashOf(count, count - 1, "", new bytes32[](31));
        VM.expectRevert(abi.encodeWithSelector(MerklePath.MerkleWrongPathLength.selector, 32, 31));
        disputes.treeHashOf(count, 0, "", new bytes32[](31));
        VM.expectRevert(abi.encodeWithSelector(MerklePath.MerkleWrongPathLength.selector, 31, 32));
        disputes.treeHashOf(count, count - 1, "", new bytes32[](32));
    }

    function test_rootOf_opensTheCount() public pure {
        bytes[] memory leaves = new bytes[](3);
        bytes32 treeHash = MerkleTree.treeHash(leaves, 0, 3);
        assertEq(MerklePath.rootOf(3, treeHash), MerkleTree.root(leaves), "root");
        assertTrue(MerklePath.rootOf(2, treeHash) != MerkleTree.root(leaves), "another count, another root");
    }

    // ------------------------------------------------------------------------------------------------------- internal

    function _case(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", CHEATS.toString(i), "]");
    }

    /// @dev Up to 70 leaves of up to 99 bytes, and an index among them.
    function _tree(uint256 count, uint256 index, bytes32 seed)
        private
        pure
        returns (bytes[] memory leaves, uint256 i)
    {
        leaves = new bytes[](bound(count, 1, 70));
        i = bound(index, 0, leaves.length - 1);
        for (uint256 k = 0; k < leaves.length; ++k) {
            leaves[k] = abi.encodePacked(k, new bytes(uint256(keccak256(abi.encode(seed, k))) % 67));
        }
    }

    function _resized(bytes32[] memory path, uint256 length) private pure returns (bytes32[] memory other) {
        other = new bytes32[](length);
        for (uint256 k = 0; k < length; ++k) {
            other[k] = k < path.length ? path[k] : OTHER;
        }
    }

    function _expectNoSuchLeaf(uint32 count, uint256 index, bytes32[] memory path) private {
        VM.expectRevert(abi.encodeWithSelector(MerklePath.MerkleNoSuchLeaf.selector, index, count));
        disputes.verify(bytes32(0), count, index, "", path);
    }

    /// @dev Any of the library's three errors; which one depends on what the change does to the path's length.
    function _expectRefused(
        bytes32 root,
        uint32 count,
        uint256 index,
        bytes memory leaf,
        bytes32[] memory path
    ) private view {
        try disputes.verify(root, count, index, leaf, path) {
            revert NotTrue("a forged path was accepted");
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            assertTrue(
                selector == MerklePath.MerkleNoSuchLeaf.selector
                    || selector == MerklePath.MerkleWrongPathLength.selector
                    || selector == MerklePath.MerkleWrongRoot.selector,
                "refused for its reason"
            );
        }
    }
}
