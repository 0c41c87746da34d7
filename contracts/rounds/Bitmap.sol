// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bitmap
/// @notice Sets of indices below 256 in one word.
library Bitmap {
    /// @dev The number of set bits, by adding neighbours in ever wider fields. The bytes are widened to 16 bits before
    /// the multiplication sums them up, because 256 does not fit a byte.
    function count(uint256 bitmap) internal pure returns (uint256) {
        unchecked {
            bitmap -= (bitmap >> 1) & (type(uint256).max / 3);
            bitmap = (bitmap & (type(uint256).max / 5)) + ((bitmap >> 2) & (type(uint256).max / 5));
            bitmap = (bitmap + (bitmap >> 4)) & (type(uint256).max / 17);
            bitmap = (bitmap & (type(uint256).max / 257)) + ((bitmap >> 8) & (type(uint256).max / 257));
            return (bitmap * (type(uint256).max / 0xffff)) >> 240;
        }
    }

    /// @dev Whether every member of `bitmap` is one of `whole`.
    function isSubsetOf(uint256 bitmap, uint256 whole) internal pure returns (bool) {
        return bitmap & ~whole == 0;
    }
}
