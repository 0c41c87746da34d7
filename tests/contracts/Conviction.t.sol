// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Bonds and verdicts: who may give them, what is taken from whom, and where each wei of it goes. The verdicts are
/// given by the disputes contract's address; `tests/contracts/Disputes*.t.sol` have it come to them.
contract ConvictionTest is FederationFixture {
    // --------------------------------------------------------------------------------------------------- who may call

    function testFuzz_convict_notDisputes_reverts(address sender) public {
        VM.assume(sender != federation.disputes());
        VM.expectRevert(abi.encodeWithSelector(IFederation.NotDisputes.selector, sender));
        VM.prank(sender);
        federation.convict(1, AGGREGATOR, true, sender, 1);
    }

    function test_bonds_notDisputes_reverts() public {
        address[3] memory senders = [OPERATOR, AGGREGATOR, STRANGER];
        for (uint256 i = 0; i < 3; ++i) {
            VM.deal(senders[i], BOND);
            VM.expectRevert(abi.encodeWithSelector(IFederation.NotDisputes.selector, senders[i]));
            VM.prank(senders[i]);
            federation.takeBond{value: BOND}(senders[i]);
            VM.expectRevert(abi.encodeWithSelector(IFederation.NotDisputes.selector, senders[i]));
            VM.prank(senders[i]);
            federation.creditBond(senders[i]);
        }
    }

    // ---------------------------------------------------------------------------------------------------------- bonds

    function test_takeBond_returned() public {
        _takeBond(BOND);
        assertEq(address(federation).balance, STAKES + POOL + BOND, "held");
        assertEq(federation.rewardPool(), POOL, "in no pool");
        VM.expectEmit(address(federation));
        emit IFederation.DepositCredited(STRANGER, BOND);
        VM.prank(federation.disputes());
        federation.creditBond(STRANGER);
        assertEq(federation.claimable(STRANGER), BOND, "claimable");
        (uint256 reward,) = federation.claimableReward(STRANGER);
        assertEq(reward, 0, "it is no reward and never expires");
    }

    function test_takeBond_forfeited() public {
        _takeBond(BOND);
        VM.prank(federation.disputes());
        federation.creditBond(address(0));
        assertEq(federation.rewardPool(), POOL + BOND, "in the pool");
    }

    function testFuzz_takeBond_otherAmount_reverts(uint96 amount) public {
        VM.assume(amount != BOND);
        address disputes = federation.disputes();
        VM.deal(disputes, amount);
        VM.expectRevert(abi.encodeWithSelector(IFederation.PaymentWrong.selector, BOND, amount));
        VM.prank(disputes);
        federation.takeBond{value: amount}(STRANGER);
    }

    // ------------------------------------------------------------------------------------------------------- slashing

    /// @dev The aggregator alone: 5 ether; half of it would be the challenger's, but the cap is 2. Of the other 3, the
    /// participants get what they lose, at most 7 ether in all: all 3, equally.
    function test_convict_aggregator() public {
        toFinalized(1);
        uint256 pool = federation.rewardPool();
        VM.expectEmit(address(federation));
        emit IFederation.IdentitySlashed(AGGREGATOR, 1, AGGREGATOR_STAKE);
        VM.expectEmit(address(federation));
        emit IFederation.DepositCredited(STRANGER, REWARD_CAP);
        convict(1, AGGREGATOR, false, STRANGER);
        assertStatus(AGGREGATOR, IFederation.Status.SLASHED);
        assertEq(federation.identityOf(AGGREGATOR).stake, 0, "stake");
        assertEq(federation.totalStake(), STAKES - AGGREGATOR_STAKE, "stakes");
        assertEq(federation.claimable(STRANGER), REWARD_CAP, "challenger");
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            assertEq(
                federation.claimable(participant(i)), (AGGREGATOR_STAKE - REWARD_CAP) / 4, "compensation"
            );
        }
        assertEq(federation.rewardPool(), pool + REWARD, "the round's reward is back");
        assertEq(federation.reputationOf(IFederation.Role.AGGREGATOR, 0).slashed, 1, "counted");
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            assertStatus(trustee(i), IFederation.Status.ACTIVE);
        }
    }

    /// @dev With the trustees that attested: 5 + 2 * 2 ether; 2 for the challenger, 7 to make up for what was lost.
    function test_convict_withTrustees() public {
        toFinalized(1);
        convict(1, AGGREGATOR, true, STRANGER);
        assertStatus(trustee(0), IFederation.Status.SLASHED);
        assertStatus(trustee(1), IFederation.Status.SLASHED);
        assertStatus(trustee(2), IFederation.Status.ACTIVE); // did not attest
        assertEq(federation.claimable(STRANGER), REWARD_CAP, "challenger");
        assertEq(federation.claimable(participant(0)), uint256(7 ether) / 4, "what it lost");
        assertEq(federation.rewardPool(), POOL, "nothing is left for the pool");
        assertEq(federation.reputationOf(IFederation.Role.TRUSTEE, 1).slashed, 1, "counted");
    }

    /// @dev Never more than half of what was slashed goes to the challenger: nobody gains by convicting itself.
    function test_convict_halfIsTheMost() public {
        openAndCommit(1, 2);
        convict(1, participant(0), false, STRANGER);
        assertEq(federation.claimable(STRANGER), PARTICIPANT_STAKE / 2, "half");
        assertEq(federation.claimable(participant(1)), PARTICIPANT_STAKE / 2, "the other that had committed");
        assertEq(federation.claimable(participant(0)), 0, "not the offender");
        assertEq(federation.eligible(), ALL & ~uint256(1), "not drawn");
    }

    /// @dev Before anybody has committed, there is nobody to compensate.
    function test_convict_nobodyHarmed() public {
        open(1);
        convict(1, participant(0), false, STRANGER);
        assertEq(federation.rewardPool(), POOL + PARTICIPANT_STAKE / 2, "the rest is the pool's");
    }

    /// @dev Who has nothing left is convicted without a wei changing hands.
    function test_convict_twice() public {
        toFinalized(1);
        open(2);
        convict(1, participant(0), false, STRANGER);
        uint256 credited = federation.claimable(STRANGER);
        convict(2, participant(0), false, STRANGER);
        assertEq(federation.claimable(STRANGER), credited, "nothing more");
        assertEq(federation.reputationOf(IFederation.Role.PARTICIPANT, 0).slashed, 2, "counted twice");
    }

    /// @dev The place is convicted, whoever holds it now: handing it over is no way out.
    function test_convict_afterRotation() public {
        toFinalized(1);
        rotate(AGGREGATOR, address(0x777));
        rotate(trustee(0), address(0x778));
        convict(1, AGGREGATOR, true, STRANGER);
        assertStatus(AGGREGATOR, IFederation.Status.RETIRED);
        assertStatus(address(0x777), IFederation.Status.SLASHED);
        assertStatus(address(0x778), IFederation.Status.SLASHED);
        assertEq(federation.totalStake(), STAKES - AGGREGATOR_STAKE - 2 * TRUSTEE_STAKE, "their stakes");
    }

    function test_convict_leavingAndRevoked() public {
        toFinalized(1);
        depart(AGGREGATOR);
        revoke(trustee(0));
        convict(1, AGGREGATOR, true, STRANGER);
        assertStatus(AGGREGATOR, IFederation.Status.SLASHED);
        assertStatus(trustee(0), IFederation.Status.SLASHED);
        VM.warp(time() + UNBONDING);
        expectWrongStatus(AGGREGATOR, IFederation.Status.SLASHED);
        federation.releaseStake(AGGREGATOR);
    }

    function test_slashed_canDoNothing() public {
        toFinalized(1);
        open(2);
        convict(1, trustee(0), true, STRANGER);
        convict(1, participant(0), false, STRANGER);
        expectWrongStatus(participant(0), IFederation.Status.SLASHED);
        commit(2, 0);
        expectWrongStatus(participant(0), IFederation.Status.SLASHED);
        depart(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.SLASHED);
        revoke(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.SLASHED);
        VM.prank(participant(0));
        federation.rotateIdentity(participant(0), "c", 0);
    }

    /// @dev A round is voided once: whoever is convicted for it later, its reward goes back once only.
    function test_convict_voidedRound_returnsTheRewardOnce() public {
        toFinalized(1);
        convict(1, trustee(0), false, STRANGER);
        convict(1, participant(0), false, STRANGER);
        _assertConserved();
    }

    /// @dev Whoever is convicted in whichever phase: nothing is lost, nothing comes from nowhere.
    function testFuzz_convict_conserves(uint256 seed, uint96 cap, uint96[3] memory stakes, uint88 reward)
        public
    {
        IFederation.Config memory config = defaultConfig();
        config.challengerRewardCap = cap;
        config.participantStake = stakes[0];
        config.trusteeStake = stakes[1];
        config.aggregatorStake = stakes[2];
        config.roundReward = reward;
        deploy(config, seed % 2 == 0 ? POOL : 7);
        uint256 phase = (seed >> 8) % 5;
        if (phase == 0) openAndCommit(1, (seed >> 16) % 5);
        else if (phase == 1) toUpload(1);
        else if (phase == 2) toDecrypt(1);
        else if (phase == 3) toAttested(1);
        else toFinalized(1);
        uint256 who = (seed >> 24) % 3;
        address offender = who == 0 ? AGGREGATOR : who == 1 ? participant((seed >> 32) % 4) : trustee(1);
        uint256 before = federation.totalStake();
        convict(1, offender, (seed >> 40) % 2 == 0, STRANGER);
        uint256 slashed = before - federation.totalStake();
        assertTrue(federation.claimable(STRANGER) <= slashed / 2, "at most half");
        assertTrue(federation.claimable(STRANGER) <= cap, "at most the cap");
        _assertConserved();
    }

    // ------------------------------------------------------------------------------------------------------- internal

    function _takeBond(uint96 amount) private {
        address disputes = federation.disputes();
        VM.deal(disputes, amount);
        VM.prank(disputes);
        federation.takeBond{value: amount}(STRANGER);
    }

    function _assertConserved() private view {
        uint256 owed = federation.totalStake() + federation.rewardPool() + federation.claimable(STRANGER)
            + federation.claimable(AGGREGATOR) + federation.claimable(STANDBY);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            owed += federation.claimable(participant(i));
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            owed += federation.claimable(trustee(i));
        }
        assertEq(address(federation).balance, owed, "every wei has its place");
    }
}
