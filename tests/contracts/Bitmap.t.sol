// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bitmap} from "../../contracts/rounds/Bitmap.sol";
import {Base} from "./Base.sol";

contract BitmapTest is Base {
    function testFuzz_count_matchesLoop(uint256 bitmap) public pure {
        uint256 expected;
        for (uint256 rest = bitmap; rest != 0; rest >>= 1) {
            expected += rest & 1;
        }
        assertEq(Bitmap.count(bitmap), expected, "count");
    }

    function test_count_ones() public pure {
        for (uint256 bits = 0; bits < 256; ++bits) {
            assertEq(Bitmap.count((uint256(1) << bits) - 1), bits, "low ones");
            assertEq(Bitmap.count(~((uint256(1) << bits) - 1)), 256 - bits, "high ones");
            assertEq(Bitmap.count(uint256(1) << bits), 1, "one bit");
        }
        assertEq(Bitmap.count(type(uint256).max), 256, "all ones");
    }

    function testFuzz_isSubsetOf(uint256 part, uint256 whole) public pure {
        assertTrue(Bitmap.isSubsetOf(part & whole, whole), "an intersection is a subset");
        assertTrue(Bitmap.isSubsetOf(part, whole) == (part | whole == whole), "subset");
    }
}
