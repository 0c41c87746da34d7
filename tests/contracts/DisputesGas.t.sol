// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {DisputeLibraries, VmDisputes} from "./DisputesFixture.sol";

/// @dev What a column check costs at 3072 bits and 700 ciphertexts under the rules of Osaka, each call a transaction of
/// its own, calldata included. docs/gas.md has the numbers and the command that prints them.
/// forge-config: default.isolate = true
/// forge-config: default.hardfork = "osaka"
contract DisputesGasTest is Base {
    VmDisputes private constant CHEATS = VmDisputes(address(VM));
    string private constant VECTORS = "tests/vectors/modular_multiplication.json";

    uint32 private constant CIPHERTEXTS = 700;
    uint256 private constant INDEX = 345;
    uint256 private constant PATH = 10;
    uint256 private constant BAR = 95_000; // for all that a dispute costs per participant

    event log_named_uint(string key, uint256 value); // forge prints these

    DisputeLibraries private disputes = new DisputeLibraries();
    bytes private modulus;
    DisputeLibraries.Member[] private members;

    /// @dev Ten random ciphertexts; their paths are random hashes that lead to their roots.
    function setUp() public {
        string memory json = CHEATS.readFile(VECTORS);
        modulus = CHEATS.parseJsonBytes(json, ".cases[1].modulus");
        assertEq(modulus.length, 768, "3072 bits");
        bytes[] memory factors = CHEATS.parseJsonBytesArray(json, ".cases[1].factors");
        for (uint256 i = 0; i < factors.length; ++i) {
            bytes32[] memory path = new bytes32[](PATH);
            for (uint256 k = 0; k < PATH; ++k) {
                path[k] = keccak256(abi.encode("sibling", i, k));
            }
            bytes32 treeHash = disputes.treeHashOf(CIPHERTEXTS, INDEX, factors[i], path);
            bytes32 root = keccak256(abi.encodePacked(uint8(2), uint64(CIPHERTEXTS), treeHash));
            members.push(DisputeLibraries.Member(root, factors[i], path));
        }
        disputes.column(modulus, CIPHERTEXTS, INDEX, _some(1)); // the slot is taken from now on
    }

    /// @dev Execution alone. The squares are what EIP-7883 asks for them: 2 * (L / 8)^2 each, L bytes long.
    function test_gas_inside() public {
        string memory json = CHEATS.readFile(VECTORS);
        string[3] memory bits = ["2048", "3072", "4096"];
        for (uint256 i = 0; i < 3; ++i) {
            string memory key = string.concat(".cases[", CHEATS.toString(i), "]");
            bytes memory n2 = CHEATS.parseJsonBytes(json, string.concat(key, ".modulus"));
            bytes[] memory factors = CHEATS.parseJsonBytesArray(json, string.concat(key, ".factors"));
            uint256 squares = 4 * (n2.length / 8) ** 2;
            uint256 starting;
            uint256 most;
            for (uint256 k = 1; k < factors.length; ++k) {
                uint256 multiplication;
                (starting, multiplication) = disputes.gasOfProduct(n2, factors[k - 1], factors[k]);
                if (multiplication > most) most = multiplication;
            }
            emit log_named_uint(string.concat("start, ", bits[i], " bits"), starting);
            emit log_named_uint(string.concat("multiplication, ", bits[i], " bits"), most);
            emit log_named_uint("    of it, two squares", squares);
            assertTrue(most > squares && most - squares < 25 * n2.length, "multiplication");
        }
        uint256 path = disputes.gasOfPath(CIPHERTEXTS, INDEX, members[0]);
        emit log_named_uint("path of 10 hashes", path);
        assertTrue(path < 4_000, "path");
    }

    function test_gas_column() public {
        uint256 two = _column(2);
        uint256 ten = _column(10);
        string memory json = CHEATS.readFile(VECTORS);
        bytes memory product = CHEATS.parseJsonBytes(json, ".cases[1].product_of_factors");
        assertEq(disputes.columnDigest(), keccak256(product), "the right product");
        emit log_named_uint("transaction with 2", two);
        emit log_named_uint("transaction with 10", ten);
        emit log_named_uint("each participant more", (ten - two) / 8);
        assertTrue((ten - two) / 8 < 85_000, "each participant, 10,000 below the bar");
        assertTrue(ten / 10 < BAR, "ten in one transaction, everything shared out");
    }

    function _some(uint256 count) private view returns (DisputeLibraries.Member[] memory some) {
        some = new DisputeLibraries.Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            some[i] = members[i];
        }
    }

    function _column(uint256 count) private returns (uint256) {
        disputes.column(modulus, CIPHERTEXTS, INDEX, _some(count));
        return CHEATS.lastCallGas().totalUsed;
    }
}
