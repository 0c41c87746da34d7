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
/// the numbers with snapshots/Federation.json and with the bars. Where one call costs more in the first round or for the
/// first caller, the number is the highest one of a second round; the first round has its own.
/// forge-config: default.isolate = true
/// forge-config: default.hardfork = "osaka"
/// forge-config: tests.isolate = true
/// forge-config: tests.hardfork = "osaka"
contract GasTest is FederationFixture {
    GasVm private constant GAS = GasVm(address(VM));
    string private constant GROUP = "Federation";
    uint256 private constant HOSPITALS = 10;
    uint256 private constant BATCH = 50;
    uint16 private constant LEAST = 8;

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
        Costs memory first = _round(1, HOSPITALS, false);
        _record("open the first round", first.opening);
        _record("first whole round, own commits", first.whole);

        Costs memory own = _round(2, HOSPITALS, false);
        _record("open a round", own.opening);
        _record("commit an update, own transaction", own.commitment);
        _record("close the commits", own.closing);
        _record("commit the aggregate", own.aggregate);
        _record("attest", own.attestation);
        _record("finalise", own.finalization);
        _record("whole round, own commits", own.whole);
        _record("settle the first round, everybody's first reward", _settle(1));
        uint256 settlement = _settle(2);
        _record("settle", settlement);
        _record("whole round, own commits, with settlement", own.whole + settlement);
        _claims();
        _round(3, HOSPITALS, false);
        _record("settle, after everybody has claimed", _settle(3));
    }

    function test_gas_relayed() public {
        _round(1, HOSPITALS, true);
        Costs memory relayed = _round(2, HOSPITALS, true);
        _record("commit the updates of ten, relayed", relayed.commitment);
        _record("whole round, relayed commits", relayed.whole);
        settle(1);
        _record("whole round, relayed commits, with settlement", relayed.whole + _settle(2));
    }

    function test_gas_batchOfFifty() public {
        for (uint256 i = HOSPITALS; i < BATCH; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        _round(1, BATCH, true);
        Costs memory relayed = _round(2, BATCH, true);
        _record("commit an update, relayed", relayed.commitment / BATCH);
        _record("whole round of 50, relayed commits", relayed.whole);
    }

    /// @dev What a draw of ten out of fifty adds to the opening.
    function test_gas_draw() public {
        IFederation.Config memory config = defaultConfig();
        config.participantsPerRound = uint16(HOSPITALS);
        deploy(config, POOL);
        for (uint256 i = PARTICIPANTS; i < BATCH; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        toAbortedRound(1);
        VM.roll(height() + 1);
        (,, uint256 selected) = federation.drawOf();
        openWith(AGGREGATOR, 2, selected, LEAST);
        _record("open a round, ten drawn of fifty", _last());
    }

    function test_gas_membership() public {
        address account = address(0x777);
        admit(account, IFederation.Role.PARTICIPANT);
        _record("admit an identity", _last());
        VM.deal(account, PARTICIPANT_STAKE);
        VM.prank(account);
        federation.registerIdentity{value: PARTICIPANT_STAKE}(new bytes(700), bytes32(uint256(1)));
        _record("register, with a certificate of 700 bytes", _last());
        openAndCommit(1, PARTICIPANTS);
        VM.warp(federation.roundOf(1).commitDeadline + 1);
        federation.closeCommits(1);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        VM.prank(STANDBY);
        federation.takeOver(1);
        _record("take a round over", _last());
    }

    function toAbortedRound(uint256 round) private {
        VM.roll(height() + 1);
        (,, uint256 selected) = federation.drawOf();
        openWith(AGGREGATOR, round, selected, LEAST);
        VM.warp(time() + 101);
        federation.abortRound(round);
    }

    function _round(uint256 round, uint256 members, bool relayed) private returns (Costs memory costs) {
        uint256 everybody = (1 << members) - 1;
        openWith(AGGREGATOR, round, everybody, LEAST);
        costs.opening = _last();
        costs.whole = costs.opening;
        if (relayed) {
            costs.commitment = _relay(round, members);
            costs.whole += costs.commitment;
        }
        for (uint256 i = 0; i < members && !relayed; ++i) {
            commit(round, i);
            uint256 cost = _last();
            costs.commitment = _higher(costs.commitment, cost);
            costs.whole += cost;
        }
        VM.prank(AGGREGATOR);
        federation.closeCommits(round);
        costs.closing = _last();
        VM.prank(AGGREGATOR);
        federation.commitAggregate(round, everybody, AGGREGATE_ROOT);
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
        assertEq(federation.roundOf(round).committed, everybody, "all have committed");
    }

    /// @dev All in one transaction.
    function _relay(uint256 round, uint256 members) private returns (uint256) {
        IFederation.RelayedUpdate[] memory updates = new IFederation.RelayedUpdate[](members);
        for (uint256 i = 0; i < members; ++i) {
            updates[i] = signedUpdate(round, i);
        }
        VM.prank(AGGREGATOR);
        federation.relayUpdates(round, updates);
        return _last();
    }

    function _settle(uint256 round) private returns (uint256) {
        VM.warp(federation.roundOf(round).challengeEnd);
        VM.prank(AGGREGATOR);
        federation.settleRound(round);
        return _last();
    }

    function _claims() private {
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
