// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Limbs} from "../../contracts/disputes/Limbs.sol";

/// @dev Properties for all operands of three words (the last word, one between, the first), for Halmos: every function
/// named check_*. The expected words are computed in digits of 128 bits, where nothing wraps around.
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

    /// @dev The halves h = (x+y)/2 and k = (x-y)/2 are the only numbers with h + k = x and h - k = y, that is y + k = h.
    function check_halve(uint256[3] memory x, uint256[3] memory y) public pure {
        if (_isLess(x, y) || x[2] % 2 != y[2] % 2) return;
        uint256[3] memory h;
        uint256[3] memory k;
        Limbs.halve(_place(h), _place(k), _place(x), _place(y), LENGTH);
        _assertSum(x, h, k);
        _assertSum(h, y, k);
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
        unchecked {
            uint256 carry;
            for (uint256 i = 3; i > 0; --i) {
                uint256 low = (y[i - 1] & type(uint128).max) + (z[i - 1] & type(uint128).max) + carry;
                uint256 high = (y[i - 1] >> 128) + (z[i - 1] >> 128) + (low >> 128);
                assert(x[i - 1] == (high << 128 | (low & type(uint128).max)));
                carry = high >> 128;
            }
            assert(carry == 0);
        }
    }
}
