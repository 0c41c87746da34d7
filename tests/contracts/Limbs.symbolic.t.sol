// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limbs} from "../../contracts/disputes/Limbs.sol";

/// @dev Properties for all operands of three words (the last word, one between, the first), for Halmos: every function
/// named check_*.
contract LimbsSymbolic {
    uint256 private constant LENGTH = 96;

    function check_isLess(uint256[3] memory x, uint256[3] memory y) public pure {
        bool expected = x[0] < y[0] || (x[0] == y[0] && (x[1] < y[1] || (x[1] == y[1] && x[2] < y[2])));
        assert(Limbs.isLess(_place(x), _place(y), LENGTH) == expected);
    }

    function check_isOdd(uint256[3] memory x) public pure {
        assert(Limbs.isOdd(_place(x), LENGTH) == (x[2] % 2 == 1));
    }

    function check_subtract(uint256[3] memory x, uint256[3] memory y) public pure {
        if (_isLess(x, y)) return;
        uint256[3] memory z;
        Limbs.subtract(_place(z), _place(x), _place(y), LENGTH);
        _assertSum(x, y, z);
    }

    function check_subtract_inPlace(uint256[3] memory x, uint256[3] memory y) public pure {
        if (_isLess(x, y)) return;
        uint256[3] memory minuend = [x[0], x[1], x[2]];
        uint256[3] memory subtrahend = [y[0], y[1], y[2]];
        Limbs.subtract(_place(minuend), _place(minuend), _place(y), LENGTH);
        _assertSum(x, y, minuend);
        Limbs.subtract(_place(subtrahend), _place(x), _place(subtrahend), LENGTH);
        _assertSum(x, y, subtrahend);
    }

    function check_halve_sum(uint256[3] memory x, uint256[3] memory y) public pure {
        uint256[3] memory half;
        uint256[3] memory unused;
        Limbs.halve(_place(half), _place(unused), _place(x), _place(y), LENGTH);
        (uint256[3] memory sum, uint256 carry) = _add(x, y);
        assert(half[0] == (carry << 255 | sum[0] >> 1));
        assert(half[1] == (sum[0] << 255 | sum[1] >> 1));
        assert(half[2] == (sum[1] << 255 | sum[2] >> 1));
    }

    /// @dev The difference d is any number with y + d = x, so x is what is computed here and not d.
    function check_halve_difference(uint256[3] memory y, uint256[3] memory d) public pure {
        uint256[3] memory half;
        uint256[3] memory unused;
        (uint256[3] memory x, uint256 carry) = _add(y, d);
        if (carry != 0) return;
        Limbs.halve(_place(unused), _place(half), _place(x), _place(y), LENGTH);
        assert(half[0] == d[0] >> 1);
        assert(half[1] == (d[0] << 255 | d[1] >> 1));
        assert(half[2] == (d[1] << 255 | d[2] >> 1));
    }

    // ------------------------------------------------------------------------------------------------------- internal

    function _place(uint256[3] memory x) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := x
        }
    }

    function _isLess(uint256[3] memory x, uint256[3] memory y) private pure returns (bool) {
        if (x[0] != y[0]) return x[0] < y[0];
        if (x[1] != y[1]) return x[1] < y[1];
        return x[2] < y[2];
    }

    /// @dev Asserts x = y + z, with nothing carried out of the first word.
    function _assertSum(uint256[3] memory x, uint256[3] memory y, uint256[3] memory z) private pure {
        (uint256[3] memory sum, uint256 carry) = _add(y, z);
        for (uint256 i = 0; i < 3; ++i) {
            assert(x[i] == sum[i]);
        }
        assert(carry == 0);
    }

    /// @dev In digits of 128 bits, where nothing wraps around.
    function _add(uint256[3] memory x, uint256[3] memory y)
        private
        pure
        returns (uint256[3] memory sum, uint256 carry)
    {
        unchecked {
            for (uint256 i = 3; i > 0; --i) {
                uint256 low = (x[i - 1] & type(uint128).max) + (y[i - 1] & type(uint128).max) + carry;
                uint256 high = (x[i - 1] >> 128) + (y[i - 1] >> 128) + (low >> 128);
                sum[i - 1] = high << 128 | (low & type(uint128).max);
                carry = high >> 128;
            }
        }
    }
}
