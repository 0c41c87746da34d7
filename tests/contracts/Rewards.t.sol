// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev A trustee that is a contract, and whose way to take a payment is an attack.
contract HostileTrustee {
    enum Attack {
        NONE,
        REFUSE,
        REENTER
    }

    Federation private immutable FEDERATION;
    Attack public attack;
    bytes public reason;

    constructor(Federation federation_) {
        FEDERATION = federation_;
    }

    function arm(Attack attack_) external {
        attack = attack_;
    }

    function attest(uint256 round) external {
        FEDERATION.attest(round, keccak256("hostile"));
    }

    function claim() external returns (uint256) {
        return FEDERATION.claim();
    }

    receive() external payable {
        if (attack == Attack.REFUSE) revert("no, thank you");
        if (attack == Attack.REENTER) {
            try FEDERATION.claim() returns (uint256) {
                revert("claimed twice");
            } catch (bytes memory data) {
                reason = data;
            }
        }
    }
}

contract RewardsTest is FederationFixture {
    // -------------------------------------------------------------------------------------------------------- pool

    function testFuzz_fundRewards_succeeds(uint96 amount) public {
        VM.deal(STRANGER, amount);
        VM.expectEmit(address(federation));
        emit IFederation.RewardsFunded(STRANGER, amount);
        VM.prank(STRANGER);
        federation.fundRewards{value: amount}();
        assertEq(federation.rewardPool(), POOL + amount, "pool");
        assertEq(address(federation).balance, POOL + amount, "balance");
    }

    function test_plainTransfer_reverts() public {
        VM.deal(STRANGER, 2 ether);
        VM.prank(STRANGER);
        (bool sent,) = address(federation).call{value: 1 ether}("");
        assertTrue(!sent, "a plain transfer is refused");
        VM.prank(STRANGER);
        (sent,) = address(federation).call{value: 1 ether}(hex"12345678");
        assertTrue(!sent, "an unknown function is refused");
        VM.prank(STRANGER);
        (sent,) = address(federation).call{value: 1 ether}(abi.encodeCall(IFederation.claim, ()));
        assertTrue(!sent, "other functions take no wei");
    }

    // -------------------------------------------------------------------------------------------------- settlement

    function test_settleRound_succeeds() public {
        toAttested(1);
        attest(1, 2);
        finalize(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        uint256 eachParticipant = REWARD * 7 / 10 / 4;
        uint256 eachTrustee = REWARD * 2 / 10 / 3;
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            VM.expectEmit(address(federation));
            emit IFederation.RewardCredited(1, participant(i), eachParticipant);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            VM.expectEmit(address(federation));
            emit IFederation.RewardCredited(1, trustee(i), eachTrustee);
        }
        VM.expectEmit(address(federation));
        emit IFederation.RewardCredited(1, AGGREGATOR, REWARD / 10);
        uint256 credited = 4 * eachParticipant + 3 * eachTrustee + REWARD / 10;
        VM.expectEmit(address(federation));
        emit IFederation.RoundSettled(1, credited);
        VM.prank(STRANGER);
        federation.settleRound(1);

        assertPhase(1, IFederation.Phase.SETTLED);
        assertEq(credited, REWARD - 2, "two wei of the trustees' third are left");
        assertEq(federation.rewardPool(), POOL - credited, "the rest is back in the pool");
        assertEq(federation.claimable(participant(3)), eachParticipant, "participant");
        assertEq(federation.claimable(trustee(1)), eachTrustee, "trustee");
        assertEq(federation.claimable(AGGREGATOR), REWARD / 10, "aggregator");
    }

    function test_settleRound_onlyAcceptedAndAttested() public {
        toUpload(1);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, 0xd, AGGREGATE_ROOT);
        attest(1, 0);
        attest(1, 2);
        finalize(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
        assertEq(federation.claimable(participant(1)), 0, "not accepted");
        assertEq(federation.claimable(trustee(1)), 0, "did not attest");
        assertEq(federation.claimable(participant(0)), REWARD * 7 / 10 / 3, "accepted");
        assertEq(federation.claimable(trustee(2)), REWARD * 2 / 10 / 2, "attested");
    }

    function test_settleRound_revokedIsStillPaid() public {
        toFinalized(1);
        revoke(participant(0));
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
        assertEq(federation.claimable(participant(0)), REWARD * 7 / 10 / 4, "earned before it was revoked");
    }

    function test_settleRound_zeroCredits_leaveNoEvent() public {
        _deploy(IFederation.Config(WINDOW, REWARD, 10_000, 0, 0), POOL);
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        VM.recordLogs();
        federation.settleRound(1);
        assertEq(VM.getRecordedLogs().length, PARTICIPANTS + 1, "four credits and the settlement");
        assertEq(federation.rewardPool(), POOL - REWARD, "all of the reward went to the participants");
    }

    function test_settleRound_lessThanOneWeiEach_creditsNothing() public {
        _deploy(IFederation.Config(WINDOW, 3, 10_000, 0, 0), POOL);
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        VM.expectEmit(address(federation));
        emit IFederation.RoundSettled(1, 0);
        federation.settleRound(1);
        assertEq(federation.rewardPool(), POOL, "three wei for four go back to the pool");
    }

    function test_settleRound_early_reverts() public {
        toFinalized(1);
        uint64 challengeEnd = federation.roundOf(1).challengeEnd;
        VM.warp(challengeEnd - 1);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RoundChallengeWindowOpen.selector, 1, challengeEnd)
        );
        federation.settleRound(1);
    }

    function test_settleRound_wrongPhase_reverts() public {
        expectWrongPhase(1, IFederation.Phase.FINALIZED, IFederation.Phase.NONE);
        federation.settleRound(1);
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
        expectWrongPhase(1, IFederation.Phase.FINALIZED, IFederation.Phase.SETTLED);
        federation.settleRound(1);
        toAborted(2);
        expectWrongPhase(2, IFederation.Phase.FINALIZED, IFederation.Phase.ABORTED);
        federation.settleRound(2);
    }

    /// @dev Any configuration, any pool, any sets: every credit is the stated floor of a floor, nothing is lost.
    function testFuzz_settleRound_conserves(
        uint128 roundReward,
        uint96 funded,
        uint16[3] memory shares,
        uint256 acceptedSeed,
        uint256 attestedSeed
    ) public {
        for (uint256 i = 0; i < 3; ++i) {
            shares[i] = uint16(bound(shares[i], 0, 3333));
        }
        if (acceptedSeed % 2 == 0) shares[0] += 1; // reach a sum of 10,000 at times
        IFederation.Config memory config =
            IFederation.Config(WINDOW, roundReward, shares[0], shares[1], shares[2]);
        _deploy(config, funded);
        uint256 accepted = _pickSet(acceptedSeed, PARTICIPANTS, QUORUM);
        uint256 attested = _pickSet(attestedSeed, TRUSTEES, THRESHOLD);

        uint256 reward = roundReward < funded ? roundReward : funded;
        toUpload(1);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, accepted, AGGREGATE_ROOT);
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            if (attested >> i & 1 == 1) attest(1, i);
        }
        finalize(1);
        assertEq(federation.rewardPool() + reward, funded, "reserved");
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);

        uint256 each = reward * shares[0] / 10_000 / _count(accepted);
        uint256 credited = reward * shares[2] / 10_000;
        assertEq(federation.claimable(AGGREGATOR), credited, "aggregator");
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            uint256 due = accepted >> i & 1 == 1 ? each : 0;
            assertEq(federation.claimable(participant(i)), due, "participant");
            credited += due;
        }
        each = reward * shares[1] / 10_000 / _count(attested);
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            uint256 due = attested >> i & 1 == 1 ? each : 0;
            assertEq(federation.claimable(trustee(i)), due, "trustee");
            credited += due;
        }
        assertTrue(credited <= reward, "never more than the reward");
        assertEq(federation.rewardPool() + credited, funded, "conserved to the wei");
        assertEq(address(federation).balance, funded, "and none has left yet");
    }

    /// @dev The largest settlement there is must fit a transaction (EIP-7825: 2^24 gas).
    function test_settleRound_fullBitmaps_fitsOneTransaction() public {
        federation = new Federation(OPERATOR, defaultConfig());
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < 256; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("key"), 1, 255);
        VM.deal(OPERATOR, POOL);
        VM.prank(OPERATOR);
        federation.fundRewards{value: POOL}();
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(1, SPEC, BASE_MODEL, type(uint256).max, 256, CIPHERTEXTS, times);
        for (uint256 i = 0; i < 256; ++i) {
            commit(1, i);
        }
        federation.closeCommits(1);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, type(uint256).max, AGGREGATE_ROOT);
        for (uint256 i = 0; i < 256; ++i) {
            attest(1, i);
        }
        finalize(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        uint256 before = gasleft();
        federation.settleRound(1);
        assertTrue(before - gasleft() < 2 ** 24 - 100_000, "settlement needs too much gas");
        assertEq(federation.claimable(participant(255)), REWARD * 7 / 10 / 256, "last participant");
        assertEq(federation.claimable(trustee(255)), REWARD * 2 / 10 / 256, "last trustee");
    }

    // ------------------------------------------------------------------------------------------------------- claim

    function test_claim_succeeds() public {
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
        VM.expectEmit(address(federation));
        emit IFederation.RewardClaimed(AGGREGATOR, REWARD / 10);
        VM.prank(AGGREGATOR);
        assertEq(federation.claim(), REWARD / 10, "returned");
        assertEq(AGGREGATOR.balance, REWARD / 10, "paid");
        assertEq(federation.claimable(AGGREGATOR), 0, "nothing left");
        VM.prank(AGGREGATOR);
        assertEq(federation.claim(), 0, "nothing twice");
        assertEq(AGGREGATOR.balance, REWARD / 10, "paid once");
    }

    function test_claim_nothing_paysNothing() public {
        VM.recordLogs();
        VM.prank(STRANGER);
        assertEq(federation.claim(), 0, "nothing");
        assertEq(STRANGER.balance, 0, "nothing paid");
        assertEq(VM.getRecordedLogs().length, 0, "and no event");
    }

    function test_claim_refused_reverts() public {
        HostileTrustee hostile = _settleWithHostileTrustee();
        uint256 due = federation.claimable(address(hostile));
        hostile.arm(HostileTrustee.Attack.REFUSE);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RewardTransferFailed.selector, address(hostile)));
        hostile.claim();
        assertEq(federation.claimable(address(hostile)), due, "the credit stays");
        VM.prank(AGGREGATOR);
        assertEq(federation.claim(), REWARD / 10, "and hinders nobody else");
        hostile.arm(HostileTrustee.Attack.NONE);
        assertEq(hostile.claim(), due, "later it may have it");
    }

    function test_claim_reentered_paysOnce() public {
        HostileTrustee hostile = _settleWithHostileTrustee();
        uint256 due = federation.claimable(address(hostile));
        hostile.arm(HostileTrustee.Attack.REENTER);
        assertEq(hostile.claim(), due, "paid");
        assertEq(address(hostile).balance, due, "once");
        assertEq(
            keccak256(hostile.reason()),
            keccak256(abi.encodeWithSelector(ReentrancyGuard.ReentrancyGuardReentrantCall.selector)),
            "the second call was refused"
        );
    }

    // ---------------------------------------------------------------------------------------------------- internal

    function _settleWithHostileTrustee() private returns (HostileTrustee hostile) {
        hostile = new HostileTrustee(federation);
        register(address(hostile), IFederation.Role.TRUSTEE);
        toDecrypt(1);
        hostile.attest(1);
        attest(1, 0);
        finalize(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
    }

    function _deploy(IFederation.Config memory config, uint256 funded) private {
        federation = new Federation(OPERATOR, config);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        VM.deal(OPERATOR, funded);
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("key"), THRESHOLD, uint8(TRUSTEES));
        VM.prank(OPERATOR);
        federation.fundRewards{value: funded}();
    }

    /// @dev A subset of `size` indices with at least `least` members.
    function _pickSet(uint256 seed, uint256 size, uint256 least) private pure returns (uint256 set) {
        set = seed & ((1 << size) - 1);
        for (uint256 i = 0; _count(set) < least; ++i) {
            set |= 1 << i;
        }
    }

    function _count(uint256 set) private pure returns (uint256 count) {
        for (; set != 0; set >>= 1) {
            count += set & 1;
        }
    }
}
