// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModularMultiplication} from "../../contracts/disputes/ModularMultiplication.sol";
import {Base} from "./Base.sol";
import {DisputeLibraries, VmDisputes} from "./DisputesFixture.sol";
import {Schoolbook} from "./Schoolbook.sol";

/// @dev The vectors are made by Python's integers, tests/vectors/generate_disputes.py.
contract ModularMultiplicationTest is Base {
    VmDisputes private constant CHEATS = VmDisputes(address(VM));
    string private constant VECTORS = "tests/vectors/modular_multiplication.json";

    DisputeLibraries private disputes = new DisputeLibraries();

    // ------------------------------------------------------------------------------------------------------ vectors

    function test_multiply_vectors() public view {
        string memory json = CHEATS.readFile(VECTORS);
        uint256 cases;
        for (string memory path = _case(0); CHEATS.keyExistsJson(json, path); path = _case(++cases)) {
            bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(path, ".modulus"));
            bytes[] memory operands = CHEATS.parseJsonBytesArray(json, string.concat(path, ".operands"));
            bytes[] memory products = CHEATS.parseJsonBytesArray(json, string.concat(path, ".products"));
            uint256[] memory xs = CHEATS.parseJsonUintArray(json, string.concat(path, ".xs"));
            uint256[] memory ys = CHEATS.parseJsonUintArray(json, string.concat(path, ".ys"));
            assertEq(xs.length, products.length, "one x a product");
            assertEq(ys.length, products.length, "one y a product");
            for (uint256 i = 0; i < products.length; ++i) {
                _assertProduct(modulus, operands[xs[i]], operands[ys[i]], products[i]);
                _assertProduct(modulus, operands[ys[i]], operands[xs[i]], products[i]);
            }
        }
        assertEq(cases, 8, "cases");
    }

    function test_multiply_chains() public view {
        string memory json = CHEATS.readFile(VECTORS);
        for (uint256 i = 0; i < 8; ++i) {
            bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(_case(i), ".modulus"));
            bytes[] memory factors = CHEATS.parseJsonBytesArray(json, string.concat(_case(i), ".factors"));
            bytes memory expected =
                CHEATS.parseJsonBytes(json, string.concat(_case(i), ".product_of_factors"));
            assertEq(keccak256(disputes.product(modulus, factors)), keccak256(expected), "chain");
        }
    }

    function test_start_or_multiply_notReduced_reverts() public {
        string memory json = CHEATS.readFile(VECTORS);
        for (uint256 i = 0; i < 8; ++i) {
            bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(_case(i), ".modulus"));
            bytes[] memory refused = CHEATS.parseJsonBytesArray(json, string.concat(_case(i), ".not_reduced"));
            assertTrue(refused.length != 0, "N itself at least");
            for (uint256 k = 0; k < refused.length; ++k) {
                _expectRefused(
                    modulus,
                    refused[k],
                    abi.encodePacked(ModularMultiplication.ModularOperandNotReduced.selector)
                );
            }
        }
    }

    function test_start_or_multiply_wrongLength_reverts() public {
        string memory json = CHEATS.readFile(VECTORS);
        for (uint256 i = 0; i < 8; ++i) {
            bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(_case(i), ".modulus"));
            uint256[] memory lengths =
                CHEATS.parseJsonUintArray(json, string.concat(_case(i), ".wrong_lengths"));
            assertEq(lengths.length, 3, "none, one less, one more");
            for (uint256 k = 0; k < lengths.length; ++k) {
                _expectRefused(
                    modulus,
                    new bytes(lengths[k]),
                    abi.encodeWithSelector(
                        ModularMultiplication.ModularWrongLength.selector, modulus.length, lengths[k]
                    )
                );
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------ refusals

    function test_start_invalidModulus_reverts() public {
        uint256[6] memory lengths = [uint256(0), 1, 31, 33, 1025, 1056];
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes memory modulus = new bytes(lengths[i]);
            if (modulus.length != 0) modulus[modulus.length - 1] = 0x01; // odd: it is the length that is wrong
            _expectInvalid(modulus);
        }
        bytes memory even = new bytes(768);
        _expectInvalid(even); // zero
        even[0] = 0xff;
        even[767] = 0xfe;
        _expectInvalid(even);
    }

    /// @dev A precompile that fails, is not there, or answers too little must not leave a wrong product behind.
    function test_multiply_precompileFails_reverts() public {
        bytes memory modulus = abi.encodePacked(uint256(7));
        bytes[] memory factors = _pair(abi.encodePacked(uint256(3)), abi.encodePacked(uint256(5)));
        assertEq(bytes32(disputes.product(modulus, factors)), bytes32(uint256(1)), "3 * 5 = 1 mod 7");
        for (uint256 length = 0; length < 65; length += length == 31 ? 2 : 31) {
            CHEATS.mockCall(address(5), "", new bytes(length));
            VM.expectRevert(ModularMultiplication.ModularPrecompileFailed.selector);
            disputes.product(modulus, factors);
            CHEATS.clearMockedCalls();
        }
    }

    /// @dev Whatever gas a caller leaves: the right product or a revert.
    function test_multiply_littleGas_neverWrong() public view {
        string memory json = CHEATS.readFile(VECTORS);
        bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(_case(1), ".modulus"));
        bytes[] memory factors = CHEATS.parseJsonBytesArray(json, string.concat(_case(1), ".factors"));
        factors = _pair(factors[0], factors[1]);
        bytes32 expected = keccak256(Schoolbook.multiply(factors[0], factors[1], modulus));
        uint256 reverted;
        uint256 answered;
        for (uint256 gas = 1000; gas <= 80_000; gas += 500) {
            try disputes.product{gas: gas}(modulus, factors) returns (bytes memory product) {
                assertEq(keccak256(product), expected, "product");
                ++answered;
            } catch {
                ++reverted;
            }
        }
        assertTrue(reverted > 10 && answered > 10, "both happen");
    }

    // ----------------------------------------------------------------------------------------------------- properties

    /// forge-config: default.fuzz.runs = 1000
    function testFuzz_multiply_oneWord_matchesMulmod(uint256 modulus, uint256 x, uint256 y) public view {
        modulus |= 1;
        x %= modulus;
        y %= modulus;
        _assertProduct(
            abi.encodePacked(modulus),
            abi.encodePacked(x),
            abi.encodePacked(y),
            abi.encodePacked(mulmod(x, y, modulus))
        );
    }

    /// forge-config: default.fuzz.runs = 1000
    function testFuzz_multiply_matchesSchoolbook(bytes32 seed) public view {
        bytes memory modulus = _draw(seed, "modulus", 768);
        modulus[767] |= 0x01;
        bytes memory x = Schoolbook.reduce(_draw(seed, "x", 768), modulus);
        bytes memory y = Schoolbook.reduce(_draw(seed, "y", 768), modulus);
        _assertProduct(modulus, x, y, Schoolbook.multiply(x, y, modulus));
    }

    function testFuzz_isOperand(uint256[2] memory modulus, uint256[2] memory number) public view {
        modulus[1] |= 1;
        bytes memory n = abi.encodePacked(modulus);
        bool expected = number[0] != modulus[0] ? number[0] < modulus[0] : number[1] < modulus[1];
        assertTrue(disputes.isOperand(n, abi.encodePacked(number)) == expected, "operand");
        number[0] = modulus[0];
        expected = number[1] < modulus[1];
        assertTrue(disputes.isOperand(n, abi.encodePacked(number)) == expected, "the last word decides");
    }

    function testFuzz_isOperand_wrongLength(bytes calldata number) public view {
        VM.assume(number.length != 32);
        assertTrue(!disputes.isOperand(abi.encodePacked(type(uint256).max), number), "no operand");
    }

    function test_isOperand_vectors() public view {
        string memory json = CHEATS.readFile(VECTORS);
        for (uint256 i = 0; i < 8; ++i) {
            bytes memory modulus = CHEATS.parseJsonBytes(json, string.concat(_case(i), ".modulus"));
            bytes[] memory operands = CHEATS.parseJsonBytesArray(json, string.concat(_case(i), ".operands"));
            bytes[] memory refused = CHEATS.parseJsonBytesArray(json, string.concat(_case(i), ".not_reduced"));
            for (uint256 k = 0; k < operands.length; ++k) {
                assertTrue(disputes.isOperand(modulus, operands[k]), "operand");
            }
            for (uint256 k = 0; k < refused.length; ++k) {
                assertTrue(!disputes.isOperand(modulus, refused[k]), "no operand");
            }
        }
    }

    /// @dev A claim congruent to the product is another ciphertext: only the canonical bytes are equal.
    function test_isEqualTo() public view {
        bytes memory modulus = abi.encodePacked(uint256(7));
        bytes memory three = abi.encodePacked(uint256(3));
        bytes memory five = abi.encodePacked(uint256(5));
        assertTrue(disputes.isEqual(modulus, three, five, abi.encodePacked(uint256(1))), "1");
        assertTrue(!disputes.isEqual(modulus, three, five, abi.encodePacked(uint256(8))), "8");
        assertTrue(!disputes.isEqual(modulus, three, five, abi.encodePacked(uint256(2))), "2");
        assertTrue(!disputes.isEqual(modulus, three, five, ""), "nothing");
        assertTrue(!disputes.isEqual(modulus, three, five, abi.encodePacked(uint8(0), uint256(1))), "longer");
        assertTrue(!disputes.isEqual(modulus, three, five, abi.encodePacked(uint248(1))), "shorter");
    }

    function testFuzz_digest(uint256 modulus, uint256 x) public view {
        modulus |= 1;
        x %= modulus;
        bytes32 digest = disputes.digest(abi.encodePacked(modulus), abi.encodePacked(x));
        assertEq(digest, keccak256(abi.encodePacked(x)), "digest");
    }

    // ------------------------------------------------------------------------------------------------------- internal

    function _case(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", CHEATS.toString(i), "]");
    }

    function _pair(bytes memory x, bytes memory y) private pure returns (bytes[] memory factors) {
        factors = new bytes[](2);
        (factors[0], factors[1]) = (x, y);
    }

    function _assertProduct(bytes memory modulus, bytes memory x, bytes memory y, bytes memory expected)
        private
        view
    {
        bytes memory product = disputes.product(modulus, _pair(x, y));
        assertEq(product.length, modulus.length, "length");
        assertEq(keccak256(product), keccak256(expected), "product");
    }

    /// @dev `operand` is refused as a chain's first number and as a factor.
    function _expectRefused(bytes memory modulus, bytes memory operand, bytes memory reason) private {
        VM.expectRevert(reason);
        disputes.product(modulus, _pair(operand, new bytes(modulus.length)));
        VM.expectRevert(reason);
        disputes.product(modulus, _pair(new bytes(modulus.length), operand));
    }

    function _expectInvalid(bytes memory modulus) private {
        VM.expectRevert(
            abi.encodeWithSelector(ModularMultiplication.ModularInvalidModulus.selector, modulus.length)
        );
        disputes.digest(modulus, new bytes(modulus.length));
        VM.expectRevert(
            abi.encodeWithSelector(ModularMultiplication.ModularInvalidModulus.selector, modulus.length)
        );
        disputes.isOperand(modulus, new bytes(modulus.length));
    }

    function _draw(bytes32 seed, string memory label, uint256 length)
        private
        pure
        returns (bytes memory out)
    {
        for (uint256 i = 0; i < length; i += 32) {
            out = bytes.concat(out, keccak256(abi.encode(seed, label, i)));
        }
    }
}
