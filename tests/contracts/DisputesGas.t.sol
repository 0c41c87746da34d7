// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {DisputeLibraries, VmDisputes} from "./DisputesFixture.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev The cheat code that writes a measured number down.
interface VmSnapshot {
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// @dev What a column check costs at 3072 bits and 700 ciphertexts under the rules of Osaka, each call a transaction of
/// its own, calldata included. docs/gas.md has the numbers and the command that prints them.
/// forge-config: default.isolate = true
/// forge-config: default.hardfork = "osaka"
contract DisputesGasTest is FederationFixture {
    VmDisputes private constant CHEATS = VmDisputes(address(VM));
    string private constant VECTORS = "tests/vectors/modular_multiplication.json";

    uint256 private constant TEN = 10;
    uint32 private constant LEAVES = 700;
    uint32 private constant INDEX = 345;
    uint256 private constant PATH = 10;
    uint256 private constant BAR = 95_000; // for all that a dispute costs per participant

    event log_named_uint(string key, uint256 value); // forge prints these

    DisputeLibraries private disputes = new DisputeLibraries();
    bytes private modulus;
    DisputeLibraries.Member[] private members;

    /// @dev Ten random ciphertexts; their paths are random hashes that lead to their roots.
    function setUp() public override {
        string memory json = CHEATS.readFile(VECTORS);
        modulus = CHEATS.parseJsonBytes(json, ".cases[1].modulus");
        assertEq(modulus.length, 768, "3072 bits");
        bytes[] memory factors = CHEATS.parseJsonBytesArray(json, ".cases[1].factors");
        for (uint256 i = 0; i < factors.length; ++i) {
            bytes32[] memory path = _path(i);
            bytes32 treeHash = disputes.treeHashOf(LEAVES, INDEX, factors[i], path);
            bytes32 root = keccak256(abi.encodePacked(uint8(2), uint64(LEAVES), treeHash));
            members.push(DisputeLibraries.Member(root, factors[i], path));
        }
        disputes.column(modulus, LEAVES, INDEX, _some(1)); // the slot is taken from now on
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
            assertTrue(most > squares && most - squares < 26 * n2.length, "multiplication");
        }
        uint256 path = disputes.gasOfPath(LEAVES, INDEX, members[0]);
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

    /// @dev A whole dispute of ten participants that convicts, in a second round: what everybody wrote before is there.
    /// The bar is on what one more participant costs where ten share a transaction.
    function test_gas_dispute() public {
        _deploy();
        IDisputes court = IDisputes(federation.disputes());
        bytes memory wrong = modulus; // as dear to send as any number of its length
        bytes32 root = _rootOf(wrong);
        _round(1, root);
        bytes32 start = _round(2, root);

        (uint256 dispute, uint256 whole) = _challenge(court);
        IDisputes.Contribution[] memory contributions = _contributions();
        VM.prank(STRANGER);
        court.multiply(dispute, modulus, "", start, contributions);
        uint256 multiplied = CHEATS.lastCallGas().totalUsed;
        whole += multiplied;

        whole += _conclude(court, dispute, root, wrong);
        assertPhase(2, IFederation.Phase.VOIDED);
        emit log_named_uint("a dispute of ten", whole);
        emit log_named_uint("of it, multiplying", multiplied);
        assertTrue(multiplied / TEN < BAR, "ten in one transaction, everything shared out");
        VmSnapshot(address(VM))
            .snapshotValue("Federation", "wrong-aggregate dispute, per participant", multiplied / TEN);
    }

    function _challenge(IDisputes court) private returns (uint256 dispute, uint256 used) {
        bytes memory content = abi.encode(IDisputes.Kind.AGGREGATE, uint256(2), INDEX);
        bytes32 announcement = keccak256(abi.encode(STRANGER, keccak256(content), SPEC));
        VM.prank(STRANGER);
        court.announce(announcement);
        used = CHEATS.lastCallGas().totalUsed;
        VM.roll(height() + 1);
        uint256 value = provide(STRANGER, BOND);
        VM.prank(STRANGER);
        dispute = court.challengeAggregate{value: value}(2, INDEX, SPEC);
        used += CHEATS.lastCallGas().totalUsed;
    }

    function _conclude(IDisputes court, uint256 dispute, bytes32 root, bytes memory ciphertext)
        private
        returns (uint256)
    {
        bytes memory product = CHEATS.parseJsonBytes(CHEATS.readFile(VECTORS), ".cases[1].product_of_factors");
        bytes32[] memory path = _path(TEN);
        VM.prank(STRANGER);
        court.conclude(dispute, modulus, product, root, ciphertext, path);
        return CHEATS.lastCallGas().totalUsed;
    }

    function _deploy() private {
        VM.warp(START);
        VM.roll(1000);
        deployEmpty(defaultConfig());
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < TEN; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        register(trustee(0), IFederation.Role.TRUSTEE);
        VM.prank(OPERATOR);
        federation.publishKey(KEY_ID, 1, 1, keccak256(modulus));
        fund(OPERATOR, POOL);
    }

    /// @dev A whole round of all ten; returns the transcript before the first commitment.
    function _round(uint256 round, bytes32 aggregateRoot) private returns (bytes32 start) {
        VM.roll(height() + 1);
        (,, uint256 selected) = federation.drawOf();
        bytes32 model = round == 1 ? BASE_MODEL : modelOf(round - 1);
        IFederation.Deadlines memory times = deadlines();
        running = AGGREGATOR;
        VM.prank(AGGREGATOR);
        federation.openRound(round, SPEC, model, selected, QUORUM, LEAVES, times);
        start = federation.roundOf(round).transcript;
        for (uint256 i = 0; i < TEN; ++i) {
            VM.prank(participant(i));
            federation.commitUpdate(round, members[i].root, LEAVES, proofOf(i));
        }
        federation.closeCommits(round);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(round, selected, aggregateRoot);
        attest(round, 0);
        finalize(round);
    }

    function _contributions() private view returns (IDisputes.Contribution[] memory all) {
        all = new IDisputes.Contribution[](TEN);
        for (uint256 i = 0; i < TEN; ++i) {
            DisputeLibraries.Member storage member = members[i];
            all[i] = IDisputes.Contribution(participant(i), member.root, proofOf(i), member.leaf, member.path);
        }
    }

    /// @dev The siblings of leaf INDEX in tree number `tree`: random hashes.
    function _path(uint256 tree) private pure returns (bytes32[] memory path) {
        path = new bytes32[](PATH);
        for (uint256 k = 0; k < PATH; ++k) {
            path[k] = keccak256(abi.encode("sibling", tree, k));
        }
    }

    function _rootOf(bytes memory leaf) private view returns (bytes32) {
        bytes32 treeHash = disputes.treeHashOf(LEAVES, INDEX, leaf, _path(TEN));
        return keccak256(abi.encodePacked(uint8(2), uint64(LEAVES), treeHash));
    }

    function _some(uint256 count) private view returns (DisputeLibraries.Member[] memory some) {
        some = new DisputeLibraries.Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            some[i] = members[i];
        }
    }

    function _column(uint256 count) private returns (uint256) {
        disputes.column(modulus, LEAVES, INDEX, _some(count));
        return CHEATS.lastCallGas().totalUsed;
    }
}
