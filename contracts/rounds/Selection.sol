// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Selection
/// @notice Draws participants from a beacon: a block hash that was not known when the candidates were.
library Selection {
    bytes32 private constant DRAW_TAG = keccak256("fedtrust.draw.v2");
    uint256 private constant HASHES = 256; // how many blocks back the chain knows a hash

    /// @dev The block whose hash is the beacon for a round that follows one which ended in block `ended`: that block, or
    /// the latest at a multiple of 256 after it if its own hash is forgotten. Waiting gives at most one new draw in 256
    /// blocks.
    function beaconBlock(uint256 ended) internal view returns (uint256) {
        if (block.number <= ended) return ended;
        return ended + HASHES * ((block.number - 1 - ended) / HASHES);
    }

    /// @dev `wanted` of the members of `candidates`, by the first steps of a Fisher-Yates shuffle. A hash of 256 bits
    /// modulo at most 256 favours nobody by more than 2^-248.
    function draw(bytes32 beacon, uint256 round, uint256 candidates, uint256 wanted)
        internal
        pure
        returns (uint256 selected)
    {
        uint8[] memory indices = new uint8[](HASHES);
        uint256 count;
        for (uint256 index = 0; candidates != 0; ++index) {
            // forge-lint: disable-next-line(unsafe-typecast) a bitmap has 256 bits
            if (candidates & 1 != 0) indices[count++] = uint8(index);
            candidates >>= 1;
        }
        for (uint256 i = 0; i < wanted; ++i) {
            uint256 other = i + uint256(keccak256(abi.encode(DRAW_TAG, beacon, round, i))) % (count - i);
            selected |= uint256(1) << indices[other];
            indices[other] = indices[i];
        }
    }
}
