// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerklePath} from "../../contracts/disputes/MerklePath.sol";
import {ModularMultiplication, RunningProduct} from "../../contracts/disputes/ModularMultiplication.sol";
import {Base} from "./Base.sol";

/// @dev The cheat codes that only the tests of disputes use.
interface VmDisputes {
    struct Gas {
        uint64 limit;
        uint64 totalUsed;
        uint64 memoryUsed;
        int64 refunded;
        uint64 remaining;
    }

    function readFile(string calldata path) external view returns (string memory);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key)
        external
        pure
        returns (uint256[] memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytesArray(string calldata json, string calldata key)
        external
        pure
        returns (bytes[] memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function toString(uint256 value) external pure returns (string memory);
    function lastCallGas() external view returns (Gas memory);
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
    function clearMockedCalls() external;
}

/// @dev The two libraries behind external functions, because they read calldata.
contract DisputeLibraries {
    /// @dev A participant's part of a column.
    struct Member {
        bytes32 root;
        bytes leaf;
        bytes32[] path;
    }

    bytes32 public columnDigest;

    /// @dev The product of `factors` as its canonical bytes.
    function product(bytes calldata modulus, bytes[] calldata factors) external view returns (bytes memory) {
        RunningProduct running = ModularMultiplication.start(modulus, factors[0]);
        for (uint256 i = 1; i < factors.length; ++i) {
            running.multiply(factors[i]);
        }
        return _bytes(running, modulus.length);
    }

    function isEqual(
        bytes calldata modulus,
        bytes calldata first,
        bytes calldata factor,
        bytes calldata claim
    ) external view returns (bool) {
        RunningProduct running = ModularMultiplication.start(modulus, first);
        running.multiply(factor);
        return running.isEqualTo(claim);
    }

    function digest(bytes calldata modulus, bytes calldata first) external pure returns (bytes32) {
        return ModularMultiplication.start(modulus, first).digest();
    }

    function isOperand(bytes calldata modulus, bytes calldata number) external pure returns (bool) {
        return ModularMultiplication.isOperand(modulus, number);
    }

    /// @dev The column check of one index, as a contract would do it. It writes, because forge takes only what is no
    /// static call for a transaction.
    function column(bytes calldata modulus, uint32 count, uint256 index, Member[] calldata members) external {
        RunningProduct running;
        for (uint256 i = 0; i < members.length; ++i) {
            Member calldata member = members[i];
            MerklePath.verify(member.root, count, index, member.leaf, member.path);
            if (i == 0) running = ModularMultiplication.start(modulus, member.leaf);
            else running.multiply(member.leaf);
        }
        columnDigest = running.digest();
    }

    /// @dev The gas of starting and of one multiplication, measured inside, calldata not counted.
    function gasOfProduct(bytes calldata modulus, bytes calldata first, bytes calldata factor)
        external
        view
        returns (uint256 starting, uint256 multiplication)
    {
        starting = gasleft();
        RunningProduct running = ModularMultiplication.start(modulus, first);
        starting -= gasleft();
        multiplication = gasleft();
        running.multiply(factor);
        multiplication -= gasleft();
    }

    /// @dev The gas of one path, measured inside, calldata not counted.
    function gasOfPath(uint32 count, uint256 index, Member calldata member)
        external
        view
        returns (uint256 path)
    {
        path = gasleft();
        MerklePath.verify(member.root, count, index, member.leaf, member.path);
        path -= gasleft();
    }

    function verify(bytes32 root, uint32 count, uint256 index, bytes calldata leaf, bytes32[] calldata path)
        external
        pure
    {
        MerklePath.verify(root, count, index, leaf, path);
    }

    function treeHashOf(uint32 count, uint256 index, bytes calldata leaf, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return MerklePath.treeHashOf(count, index, leaf, path);
    }

    function _bytes(RunningProduct running, uint256 length) private pure returns (bytes memory out) {
        out = new bytes(length);
        assembly ("memory-safe") {
            // the layout is that of the library's notice
            mcopy(add(out, 32), add(running, add(256, shl(2, length))), length)
        }
    }
}
