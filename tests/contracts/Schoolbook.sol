// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Modular products the slow way, to compare with: digit by digit, then a division. Shares nothing with the library
/// under test but the precompile, which it uses to divide, not to square.
library Schoolbook {
    /// @dev x * y mod N, for numbers of one length, a multiple of 32 of at most 768 bytes.
    function multiply(bytes memory x, bytes memory y, bytes memory modulus)
        internal
        view
        returns (bytes memory)
    {
        return reduce(_product(x, y), modulus);
    }

    /// @dev Any number mod N, 256 bytes of it at a time from the left: the precompile takes 1,024 bytes.
    function reduce(bytes memory number, bytes memory modulus) internal view returns (bytes memory rest) {
        rest = new bytes(modulus.length);
        for (uint256 offset = 0; offset < number.length;) {
            uint256 size = number.length - offset < 256 ? number.length - offset : 256;
            rest = _divide(bytes.concat(rest, _slice(number, offset, size)), modulus);
            offset += size;
        }
    }

    /// @dev The product in digits of 128 bits, least significant first, so that sums of products fit a word.
    function _product(bytes memory x, bytes memory y) private pure returns (bytes memory out) {
        uint256[] memory left = _digits(x);
        uint256[] memory right = _digits(y);
        uint256[] memory digits = new uint256[](left.length + right.length);
        for (uint256 i = 0; i < left.length; ++i) {
            uint256 carry = 0;
            for (uint256 j = 0; j < right.length; ++j) {
                uint256 sum = digits[i + j] + left[i] * right[j] + carry;
                digits[i + j] = sum & type(uint128).max;
                carry = sum >> 128;
            }
            digits[i + right.length] = carry;
        }
        out = new bytes(16 * digits.length);
        for (uint256 i = 0; i < digits.length; i += 2) {
            uint256 word = digits[i + 1] << 128 | digits[i];
            uint256 offset = out.length - 16 * i - 32;
            assembly ("memory-safe") {
                mstore(add(add(out, 32), offset), word)
            }
        }
    }

    function _digits(bytes memory integer) private pure returns (uint256[] memory digits) {
        digits = new uint256[](integer.length / 16);
        for (uint256 i = 0; i < digits.length; i += 2) {
            uint256 offset = integer.length - 16 * i - 32;
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(add(integer, 32), offset))
            }
            (digits[i], digits[i + 1]) = (word & type(uint128).max, word >> 128);
        }
    }

    function _slice(bytes memory whole, uint256 offset, uint256 size)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(whole, 32), offset), size)
        }
    }

    function _divide(bytes memory number, bytes memory modulus) private view returns (bytes memory) {
        (bool success, bytes memory rest) = address(5)
            .staticcall(
                abi.encodePacked(number.length, uint256(1), modulus.length, number, uint8(1), modulus)
            );
        require(success, "the precompile divides");
        return rest;
    }
}
