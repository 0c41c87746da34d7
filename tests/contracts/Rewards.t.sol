// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";

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
        federation.fundRewards{value: amount}(amount);
        assertEq(federation.rewardPool(), POOL + amount, "pool");
        assertEq(address(federation).balance, STAKES + POOL + amount, "balance");
    }

    function testFuzz_fundRewards_otherAmount_reverts(uint96 sent, uint96 amount) public {
        VM.assume(sent != amount);
        VM.deal(STRANGER, sent);
        VM.expectRevert(abi.encodeWithSelector(IFederation.PaymentWrong.selector, amount, sent));
        VM.prank(STRANGER);
        federation.fundRewards{value: sent}(amount);
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
        uint256 eachParticipant = uint256(REWARD) * 7 / 10 / 4;
        uint256 eachTrustee = uint256(REWARD) * 2 / 10 / 3;
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
        aggregate(1, 0xd);
        attest(1, 0);
        attest(1, 2);
        finalize(1);
        settle(1);
        assertEq(federation.claimable(participant(1)), 0, "not accepted");
        assertEq(federation.claimable(trustee(1)), 0, "did not attest");
        assertEq(federation.claimable(participant(0)), uint256(REWARD) * 7 / 10 / 3, "accepted");
        assertEq(federation.claimable(trustee(2)), uint256(REWARD) * 2 / 10 / 2, "attested");
    }

    function test_settleRound_revokedIsStillPaid() public {
        toFinalized(1);
        revoke(participant(0));
        settle(1);
        assertEq(
            federation.claimable(participant(0)), uint256(REWARD) * 7 / 10 / 4, "earned before it was revoked"
        );
    }

    function test_settleRound_zeroCredits_leaveNoEvent() public {
        deploy(_shares(REWARD, 10_000, 0, 0), POOL);
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        VM.recordLogs();
        federation.settleRound(1);
        assertEq(VM.getRecordedLogs().length, PARTICIPANTS + 1, "four credits and the settlement");
        assertEq(federation.rewardPool(), POOL - REWARD, "all of the reward went to the participants");
    }

    function test_settleRound_lessThanOneWeiEach_creditsNothing() public {
        deploy(_shares(3, 10_000, 0, 0), POOL);
        toFinalized(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        VM.expectEmit(address(federation));
        emit IFederation.RoundSettled(1, 0);
        federation.settleRound(1);
        assertEq(federation.rewardPool(), POOL, "three wei for four go back to the pool");
    }

    function test_settleRound_early_reverts() public {
        toFinalized(1);
        uint256 challengeEnd = federation.roundOf(1).challengeEnd;
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
        settle(1);
        expectWrongPhase(1, IFederation.Phase.FINALIZED, IFederation.Phase.SETTLED);
        federation.settleRound(1);
        toAborted(2);
        expectWrongPhase(2, IFederation.Phase.FINALIZED, IFederation.Phase.ABORTED);
        federation.settleRound(2);
    }

    /// @dev Any configuration, any pool, any sets: every credit is the stated floor of a floor, nothing is lost.
    function testFuzz_settleRound_conserves(
        uint88 roundReward,
        uint96 funded,
        uint16[3] memory shares,
        uint256 acceptedSeed,
        uint256 attestedSeed
    ) public {
        for (uint256 i = 0; i < 3; ++i) {
            shares[i] = uint16(bound(shares[i], 0, 3333));
        }
        if (acceptedSeed % 2 == 0) shares[0] += 1; // reach a sum of 10,000 at times
        deploy(_shares(roundReward, shares[0], shares[1], shares[2]), funded);
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
        settle(1);

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
        assertEq(address(federation).balance, STAKES + funded, "and none has left yet");
    }

    /// @dev The largest settlement there is must fit a transaction (EIP-7825: 2^24 gas): 256 participants and 32 trustees,
    /// nobody credited before, with the payout rule that reads most.
    function test_settleRound_full_fitsOneTransaction() public {
        _fillUp();
        VM.warp(federation.roundOf(1).challengeEnd);
        uint256 before = gasleft();
        federation.settleRound(1);
        uint256 used = before - gasleft();
        uint256 cold = 256 * 2 * 2100 + 32 * 2 * 2100; // places and counters, which this test has touched before
        assertTrue(used + cold + 21_000 < 2 ** 24, string.concat("too much gas: ", VM.toString(used)));
        assertEq(federation.claimable(participant(255)), uint256(REWARD) * 7 / 10 / 256, "last participant");
        assertEq(federation.claimable(trustee(31)), uint256(REWARD) * 2 / 10 / 32, "last trustee");
    }

    /// @dev So must the largest verdict.
    function test_convict_full_fitsOneTransaction() public {
        _fillUp();
        uint256 before = gasleft();
        convict(1, AGGREGATOR, true, STRANGER);
        uint256 used = before - gasleft();
        assertTrue(used + 256 * 2100 < 2 ** 24, string.concat("too much gas: ", VM.toString(used)));
        assertTrue(federation.claimable(participant(255)) != 0, "compensated");
    }

    // ---------------------------------------------------------------------------------------------------- RELIABILITY

    /// @dev The weights are of the counters before the round; the first round is divided equally, then who was late
    /// gets less, to the wei.
    function test_reliability_exact() public {
        IFederation.Config memory config = defaultConfig();
        config.payoutRule = IFederation.PayoutRule.RELIABILITY;
        deploy(config, POOL);
        toUpload(1);
        aggregate(1, ALL & ~uint256(1)); // participant 0 was late
        attest(1, 0);
        attest(1, 1);
        finalize(1);
        settle(1);
        uint256 pot = uint256(REWARD) * 7 / 10;
        assertEq(federation.claimable(participant(1)), pot * 1000 / 3000, "all alike in the first round");
        assertEq(federation.claimable(participant(0)), 0, "late: nothing");

        toFinalized(2);
        settle(2);
        // participant 0: kept 0, broken 1: 1000 * 1 / 2; the others: kept 1, broken 0: 1000 * 2 / 2
        assertEq(federation.claimable(participant(0)), pot * 500 / 3500, "half the weight");
        assertEq(
            federation.claimable(participant(1)), pot * 1000 / 3000 + pot * 1000 / 3500, "the full weight"
        );
        // trustees 0 and 1 attested both times
        assertEq(federation.claimable(trustee(0)), 2 * (uint256(REWARD) * 2 / 10 / 2), "trustees");
        assertEq(
            federation.claimable(AGGREGATOR), 2 * uint256(REWARD) / 10, "the aggregator is alone in its pot"
        );

        toUpload(3);
        aggregate(3, ALL);
        attest(3, 0);
        attest(3, 2);
        finalize(3);
        settle(3);
        // participant 0: kept 1, broken 1: 1000 * 2 / 3 = 666; POOL has 5 ether and the rests left
        uint256 reward = federation.roundOf(3).reward;
        uint256 third = (reward * 7 / 10) * 666 / 3666;
        assertEq(
            federation.claimable(participant(0)), pot * 500 / 3500 + third, "two of three thousandths, down"
        );
    }

    // --------------------------------------------------------------------------------------------------------- expiry

    function test_expireReward_succeeds() public {
        toSettled(1);
        uint256 due = uint256(REWARD) * 7 / 10 / 4;
        (uint256 amount, uint256 expiresAt) = federation.claimableReward(participant(0));
        assertEq(amount, due, "amount");
        assertEq(expiresAt, time() + CLAIM_SECONDS, "expiry");
        uint256 pool = federation.rewardPool();
        VM.warp(expiresAt - 1);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RewardNotExpired.selector, participant(0), expiresAt)
        );
        federation.expireReward(participant(0));
        VM.warp(expiresAt);
        VM.expectEmit(address(federation));
        emit IFederation.RewardExpired(participant(0), due);
        VM.prank(STRANGER);
        federation.expireReward(participant(0));
        assertEq(federation.rewardPool(), pool + due, "back in the pool");
        assertEq(federation.claimable(participant(0)), 0, "nothing left");
        VM.expectRevert(abi.encodeWithSelector(IFederation.RewardNotExpired.selector, participant(0), 0));
        federation.expireReward(participant(0));
    }

    function test_expireReward_claimedInTime_succeeds() public {
        toSettled(1);
        VM.warp(time() + CLAIM_SECONDS);
        VM.prank(participant(0));
        assertTrue(federation.claim() != 0, "as long as nobody returned it, it can be claimed");
    }

    /// @dev A later reward prolongs the time of all.
    function test_expireReward_isProlonged() public {
        toSettled(1);
        (, uint256 first) = federation.claimableReward(participant(0));
        VM.warp(first - 5 days);
        toSettled(2);
        VM.warp(first);
        (uint256 amount, uint256 second) = federation.claimableReward(participant(0));
        assertTrue(second > first, "later");
        assertEq(amount, 2 * (uint256(REWARD) * 7 / 10 / 4), "both");
        VM.expectRevert(abi.encodeWithSelector(IFederation.RewardNotExpired.selector, participant(0), second));
        federation.expireReward(participant(0));
    }

    /// @dev Stakes, bonds and compensations never expire: they were the account's own.
    function test_expireReward_leavesDeposits() public {
        toSettled(1);
        depart(participant(0));
        VM.warp(time() + UNBONDING);
        federation.releaseStake(participant(0));
        VM.warp(time() + CLAIM_SECONDS);
        federation.expireReward(participant(0));
        assertEq(federation.claimable(participant(0)), PARTICIPANT_STAKE, "the stake stays");
        (uint256 amount,) = federation.claimableReward(participant(0));
        assertEq(amount, 0, "the reward does not");
    }

    // ------------------------------------------------------------------------------------------------------- claim

    function test_claim_succeeds() public {
        toFinalized(1);
        settle(1);
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
            keccak256(abi.encodeWithSelector(Federation.ReentrancyGuardReentrantCall.selector)),
            "the second call was refused"
        );
    }

    // ---------------------------------------------------------------------------------------------------- internal

    /// @dev A finalised round of as many as there may be.
    function _fillUp() private {
        IFederation.Config memory config = defaultConfig();
        config.payoutRule = IFederation.PayoutRule.RELIABILITY;
        deployEmpty(config);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < 256; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
            if (i < 32) register(trustee(i), IFederation.Role.TRUSTEE);
        }
        publishKey(1, 32);
        fund(OPERATOR, POOL);
        openWith(AGGREGATOR, 1, type(uint256).max, 256);
        for (uint256 i = 0; i < 256; ++i) {
            commit(1, i);
        }
        federation.closeCommits(1);
        aggregate(1, type(uint256).max);
        for (uint256 i = 0; i < 32; ++i) {
            attest(1, i);
        }
        finalize(1);
    }

    function _settleWithHostileTrustee() private returns (HostileTrustee hostile) {
        deployEmpty(defaultConfig());
        hostile = new HostileTrustee(federation);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        register(trustee(0), IFederation.Role.TRUSTEE);
        register(address(hostile), IFederation.Role.TRUSTEE);
        publishKey(2, 2);
        fund(OPERATOR, POOL);
        toDecrypt(1);
        hostile.attest(1);
        attest(1, 0);
        finalize(1);
        settle(1);
    }

    function _shares(uint88 reward, uint16 participants, uint16 trustees, uint16 aggregator)
        private
        view
        returns (IFederation.Config memory config)
    {
        config = defaultConfig();
        config.roundReward = reward;
        config.participantBasisPoints = participants;
        config.trusteeBasisPoints = trustees;
        config.aggregatorBasisPoints = aggregator;
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
