// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Limbs
/// @notice Long numbers in memory: big-endian, of `length` bytes, a positive multiple of 32, named by the address of their
/// first word. Nothing is allocated and nothing is checked: the caller says where results go.
library Limbs {
    /// @dev Whether x is odd.
    function isOdd(uint256 x, uint256 length) internal pure returns (bool odd) {
        assembly ("memory-safe") {
            odd := and(mload(add(x, sub(length, 32))), 1)
        }
    }

    /// @dev Whether x < y: the first words that differ decide.
    function isLess(uint256 x, uint256 y, uint256 length) internal pure returns (bool less) {
        assembly ("memory-safe") {
            for { let end := add(x, length) } lt(x, end) {} {
                let left := mload(x)
                let right := mload(y)
                if xor(left, right) {
                    less := lt(left, right)
                    break
                }
                x := add(x, 32)
                y := add(y, 32)
            }
        }
    }

    /// @dev Writes x - y to `to`, which may be x or y; y must not exceed x.
    function subtract(uint256 to, uint256 x, uint256 y, uint256 length) internal pure {
        assembly ("memory-safe") {
            let borrow := 0
            for {} length {} {
                length := sub(length, 32)
                let left := mload(add(x, length))
                let right := mload(add(y, length))
                let word := sub(left, right)
                mstore(add(to, length), sub(word, borrow))
                borrow := or(lt(left, right), lt(word, borrow))
            }
        }
    }

    /// @dev Writes (x+y)/2 to `sum` and (x-y)/2 to `difference`; y must not exceed x and must have its parity. The sum's
    /// last carry becomes the top bit of its half. `place` is the length, then the place of the words at work.
    function halve(uint256 sum, uint256 difference, uint256 x, uint256 y, uint256 place) internal pure {
        assembly ("memory-safe") {
            place := sub(place, 32)
            let left := mload(add(x, place))
            let right := mload(add(y, place))
            let sumWord := add(left, right)
            let carry := lt(sumWord, left)
            let differenceWord := sub(left, right)
            let borrow := lt(left, right)
            for {} place {} {
                // a word of a half takes its top bit from the word above it, so each is written one step later
                let above := sub(place, 32)
                left := mload(add(x, above))
                right := mload(add(y, above))

                let word := add(left, right)
                let result := add(word, carry)
                carry := or(lt(word, left), lt(result, word))
                mstore(add(sum, place), or(shr(1, sumWord), shl(255, result)))
                sumWord := result

                word := sub(left, right)
                result := sub(word, borrow)
                borrow := or(lt(left, right), lt(word, borrow))
                mstore(add(difference, place), or(shr(1, differenceWord), shl(255, result)))
                differenceWord := result

                place := above
            }
            mstore(sum, or(shr(1, sumWord), shl(255, carry)))
            mstore(difference, shr(1, differenceWord))
        }
    }
}
