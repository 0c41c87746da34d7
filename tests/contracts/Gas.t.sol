// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev The cheat codes that measure.
interface GasVm {
    struct Gas {
        uint64 limit;
        uint64 used;
        uint64 memoryUsed;
        int64 refunded;
        uint64 remaining;
    }

    function lastCallGas() external view returns (Gas memory gas);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// @dev What a round of ten participants and three attestations costs: each call is a transaction of its own (with what
/// every transaction and its data cost, and with refunds taken off) under the rules of Osaka. `make gas-check` compares
/// the numbers with snapshots/Federation.json. Where one call costs more in the first round or for the first caller,
/// the number is the highest one of a second round; the first round has its own.
/// forge-config: default.isolate = true
/// forge-config: default.hardfork = "osaka"
contract GasTest is FederationFixture {
    GasVm private constant GAS = GasVm(address(VM));
    string private constant GROUP = "Federation";
    uint256 private constant HOSPITALS = 10;
    uint256 private constant EVERYBODY = (1 << HOSPITALS) - 1;
    uint16 private constant LEAST = 8;
    bytes32 private constant UPDATE_TYPEHASH =
        keccak256("Update(uint256 round,bytes32 specHash,bytes32 root,uint32 ciphertexts,bytes32 proofHash)");

    /// @dev What the calls of one round cost: the dearest of each kind, and all together up to `finalise`.
    struct Costs {
        uint256 opening;
        uint256 commitment;
        uint256 closing;
        uint256 aggregate;
        uint256 attestation;
        uint256 finalization;
        uint256 whole;
    }

    function setUp() public override {
        super.setUp();
        for (uint256 i = PARTICIPANTS; i < HOSPITALS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
    }

    function test_gas_rules() public {
        VM.prank(STRANGER);
        federation.claim(); // nothing to claim, which inside another transaction is far cheaper
        assertTrue(_last() > 21_000, "a call is a transaction of its own");
        bytes memory input = abi.encodePacked(uint256(1025), uint256(1), uint256(1), new bytes(1027));
        (bool accepted,) = address(5).staticcall{gas: 100_000}(input);
        assertTrue(!accepted, "EIP-7823 came with Osaka: no operand of modexp above 1,024 bytes");
    }

    function test_gas_round() public {
        Costs memory first = _round(1, false);
        _record("open the first round", first.opening);
        _record("first whole round, own commits", first.whole);

        Costs memory own = _round(2, false);
        _record("open a round", own.opening);
        _record("commit an update, own transaction", own.commitment);
        _record("close the commits", own.closing);
        _record("commit the aggregate", own.aggregate);
        _record("attest", own.attestation);
        _record("finalise", own.finalization);
        _record("whole round, own commits", own.whole);
        _settleAndClaim(2);
    }

    function test_gas_relayed() public {
        _round(1, false);
        Costs memory relayed = _round(2, true);
        _record("commit an update, relayed", relayed.commitment);
        _record("whole round, relayed commits", relayed.whole);
    }

    function _round(uint256 round, bool relayed) private returns (Costs memory costs) {
        bytes32 model = round == 1 ? BASE_MODEL : NEW_MODEL;
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(round, SPEC, model, EVERYBODY, LEAST, CIPHERTEXTS, times);
        costs.opening = _last();
        costs.whole = costs.opening;
        for (uint256 i = 0; i < HOSPITALS; ++i) {
            uint256 cost = relayed ? _relay(round, i) : _commit(round, i);
            costs.commitment = _higher(costs.commitment, cost);
            costs.whole += cost;
        }
        VM.prank(AGGREGATOR);
        federation.closeCommits(round);
        costs.closing = _last();
        VM.prank(AGGREGATOR);
        federation.commitAggregate(round, EVERYBODY, AGGREGATE_ROOT);
        costs.aggregate = _last();
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            attest(round, i);
            uint256 cost = _last();
            costs.attestation = _higher(costs.attestation, cost);
            costs.whole += cost;
        }
        finalize(round);
        costs.finalization = _last();
        costs.whole += costs.closing + costs.aggregate + costs.finalization;
        assertPhase(round, IFederation.Phase.FINALIZED);
        assertEq(federation.roundOf(round).committed, EVERYBODY, "all have committed");
    }

    function _commit(uint256 round, uint256 index) private returns (uint256) {
        commit(round, index);
        return _last();
    }

    function _relay(uint256 round, uint256 index) private returns (uint256) {
        bytes32 structHash =
            keccak256(abi.encode(UPDATE_TYPEHASH, round, SPEC, rootOf(index), CIPHERTEXTS, proofOf(index)));
        (, string memory name, string memory version,,,,) = federation.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                block.chainid,
                address(federation)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            VM.sign(participantKey(index), keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        VM.prank(AGGREGATOR);
        federation.commitUpdateFor(
            round, participant(index), rootOf(index), CIPHERTEXTS, proofOf(index), abi.encodePacked(r, s, v)
        );
        return _last();
    }

    function _settleAndClaim(uint256 round) private {
        VM.warp(federation.roundOf(round).challengeEnd);
        VM.prank(AGGREGATOR);
        federation.settleRound(round);
        _record("settle", _last());
        uint256 dearest = _claim(AGGREGATOR);
        for (uint256 i = 0; i < HOSPITALS; ++i) {
            dearest = _higher(dearest, _claim(participant(i)));
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            dearest = _higher(dearest, _claim(trustee(i)));
        }
        _record("claim a reward", dearest);
    }

    function _claim(address account) private returns (uint256) {
        uint256 before = account.balance;
        VM.prank(account);
        uint256 amount = federation.claim();
        uint256 cost = _last();
        assertTrue(amount != 0 && account.balance == before + amount, "paid");
        return cost;
    }

    function _record(string memory name, uint256 gas) private {
        GAS.snapshotValue(GROUP, name, gas);
    }

    function _last() private view returns (uint256) {
        return GAS.lastCallGas().used;
    }

    function _higher(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
