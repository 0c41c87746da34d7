// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limbs} from "./Limbs.sol";

/// @notice A running product modulo N: the memory address of its workspace. Made by `start` only.
type RunningProduct is uint256;

using ModularMultiplication for RunningProduct global;

/// @title ModularMultiplication
/// @notice Exact products modulo an odd N of up to 1,024 bytes, by squares, which the modexp precompile gives cheaply:
/// for x and y of one parity, xy = ((x+y)/2)^2 - ((x-y)/2)^2. If the parities differ, N - y has x's parity, because N
/// is odd, and xy = -x(N-y). No operand of a square exceeds N, so nothing outgrows the precompile's limit.
/// @dev Numbers are big-endian and exactly as long as the modulus. A workspace, L being that length:
///
///     0          the call that squares the sum:        L, 32, L, base (L), exponent (32), modulus (L)
///     128 + 2L   the call that squares the difference: the same
///     256 + 4L   the product (L)
///     256 + 5L   the factor (L)
library ModularMultiplication {
    /// @notice The modulus is even, or no whole number of words, or longer than the precompile takes (EIP-7823).
    error ModularInvalidModulus(uint256 length);
    /// @notice An operand's length is not the modulus's.
    error ModularWrongLength(uint256 expected, uint256 actual);
    /// @notice An operand is not below the modulus.
    error ModularOperandNotReduced();
    /// @notice The precompile is missing or had too little gas.
    error ModularPrecompileFailed();

    uint256 private constant MAX_LENGTH = 1024;

    /// @notice A running product that is `first` modulo `modulus`: of a chain's first factor, or of one to resume.
    /// @dev Takes 256 + 6L bytes of memory, once for all products that follow.
    function start(bytes calldata modulus, bytes calldata first)
        internal
        pure
        returns (RunningProduct product)
    {
        uint256 length = _requireModulus(modulus);
        uint256 frame;
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(0x40, add(frame, add(256, mul(6, length))))
        }
        product = RunningProduct.wrap(frame);
        _writeCall(frame, modulus);
        _writeCall(frame + 128 + 2 * length, modulus);
        _load(product, first, _productAt(product, length), length);
    }

    /// @notice Multiplies by `factor`, which must be as long as the modulus and below it.
    function multiply(RunningProduct product, bytes calldata factor) internal view {
        uint256 length = _length(product);
        uint256 x = _productAt(product, length);
        uint256 y = x + length;
        uint256 sum = RunningProduct.unwrap(product) + 96;
        uint256 modulus = sum + length + 32;
        uint256 difference = modulus + length + 96;
        _load(product, factor, y, length);

        bool negative = Limbs.isOdd(x, length) != Limbs.isOdd(y, length);
        if (negative) Limbs.subtract(y, modulus, y, length);
        if (Limbs.isLess(x, y, length)) Limbs.halve(sum, difference, y, x, length);
        else Limbs.halve(sum, difference, x, y, length);
        _square(sum, length);
        _square(difference, length);

        (uint256 plus, uint256 minus) = negative ? (difference, sum) : (sum, difference);
        if (Limbs.isLess(plus, minus, length)) {
            Limbs.subtract(x, minus, plus, length);
            Limbs.subtract(x, modulus, x, length);
        } else {
            Limbs.subtract(x, plus, minus, length);
        }
    }

    /// @notice Whether the product is `number`, byte for byte: a number of another length or not below N never is.
    function isEqualTo(RunningProduct product, bytes calldata number) internal pure returns (bool equal) {
        uint256 length = _length(product);
        if (number.length != length) return false;
        uint256 place = _productAt(product, length);
        assembly ("memory-safe") {
            // the factor's place is free between two multiplications
            calldatacopy(add(place, length), number.offset, length)
            equal := eq(keccak256(place, length), keccak256(add(place, length), length))
        }
    }

    /// @notice Keccak-256 of the product's bytes: what a resumable computation stores between two transactions.
    function digest(RunningProduct product) internal pure returns (bytes32 hash) {
        uint256 length = _length(product);
        uint256 place = _productAt(product, length);
        assembly ("memory-safe") {
            hash := keccak256(place, length)
        }
    }

    /// @notice Whether `number` may be multiplied: as long as the modulus and below it. Needs no workspace.
    function isOperand(bytes calldata modulus, bytes calldata number) internal pure returns (bool reduced) {
        uint256 length = _requireModulus(modulus);
        if (number.length != length) return false;
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, length) { i := add(i, 32) } {
                let left := calldataload(add(number.offset, i))
                let right := calldataload(add(modulus.offset, i))
                if xor(left, right) {
                    reduced := lt(left, right)
                    break
                }
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------- workspace

    function _length(RunningProduct product) private pure returns (uint256 length) {
        assembly ("memory-safe") {
            length := mload(product)
        }
    }

    function _modulusAt(RunningProduct product, uint256 length) private pure returns (uint256) {
        return RunningProduct.unwrap(product) + 128 + length;
    }

    function _productAt(RunningProduct product, uint256 length) private pure returns (uint256) {
        return RunningProduct.unwrap(product) + 256 + 4 * length;
    }

    /// @dev The modulus's length, if it is one that we can work with.
    function _requireModulus(bytes calldata modulus) private pure returns (uint256 length) {
        length = modulus.length;
        if (length == 0 || length % 32 != 0 || length > MAX_LENGTH || uint8(modulus[length - 1]) & 1 == 0) {
            revert ModularInvalidModulus(length);
        }
    }

    /// @dev Writes all of a call of the precompile but its base.
    function _writeCall(uint256 place, bytes calldata modulus) private pure {
        assembly ("memory-safe") {
            let length := modulus.length
            mstore(place, length)
            mstore(add(place, 32), 32)
            mstore(add(place, 64), length)
            mstore(add(place, add(96, length)), 2)
            calldatacopy(add(place, add(128, length)), modulus.offset, length)
        }
    }

    /// @dev Copies an operand into the workspace and checks it.
    function _load(RunningProduct product, bytes calldata operand, uint256 place, uint256 length)
        private
        pure
    {
        if (operand.length != length) revert ModularWrongLength(length, operand.length);
        assembly ("memory-safe") {
            calldatacopy(place, operand.offset, length)
        }
        if (!Limbs.isLess(place, _modulusAt(product, length), length)) revert ModularOperandNotReduced();
    }

    /// @dev Replaces the base of the call by its square modulo N. The answer may lie over the input: the precompile has
    /// read it before.
    function _square(uint256 base, uint256 length) private view {
        bool squared;
        assembly ("memory-safe") {
            squared := staticcall(gas(), 5, sub(base, 96), add(128, shl(1, length)), base, length)
            squared := and(squared, eq(returndatasize(), length))
        }
        if (!squared) revert ModularPrecompileFailed();
    }
}
