// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev What a voided round takes with it: what was built on it, and nothing else. The disputes contract's verdicts are
/// given by its address; `tests/contracts/Disputes*.t.sol` have it come to them.
contract VoidingTest is FederationFixture {
    function test_void_finalized() public {
        toFinalized(1);
        bytes32 head = federation.headOf(1);
        bytes32 verdicts = keccak256(abi.encode(bytes32(0), 1, AGGREGATOR, uint8(1)));
        VM.expectEmit(address(federation));
        emit IFederation.RoundVoided(1, head, verdicts);
        convict(1, AGGREGATOR, false, STRANGER);
        assertPhase(1, IFederation.Phase.VOIDED);
        assertEq(federation.headOf(1), head, "it keeps its head");
        assertEq(federation.verdicts(), verdicts, "verdicts");
        assertEq(federation.currentModel(), BASE_MODEL, "the model before");
        VM.warp(federation.roundOf(1).challengeEnd);
        expectWrongPhase(1, IFederation.Phase.FINALIZED, IFederation.Phase.VOIDED);
        federation.settleRound(1);
    }

    /// @dev A round that runs ends by it, with a head of its own.
    function test_void_running() public {
        for (uint256 round = 1; round <= 3; ++round) {
            if (round == 1) openAndCommit(round, 1);
            else if (round == 2) toUpload(round);
            else toAttested(round);
            uint256 reward = federation.roundOf(round).reward;
            uint256 pool = federation.rewardPool();
            convict(round, trustee(2), false, STRANGER);
            assertPhase(round, IFederation.Phase.VOIDED);
            assertTrue(federation.rewardPool() >= pool + reward, "its reward is back in the pool");
            assertTrue(federation.headOf(round) != 0, "it has ended");
            mirrorLogs(address(federation));
            assertMirrored(federation, round);
            assertEq(federation.currentModel(), BASE_MODEL, "it made no model");
        }
    }

    /// @dev Model and base round go back past everything that was built on it, and the next round starts there.
    function test_void_restoresTheModel() public {
        toFinalized(1);
        toFinalized(2);
        toFinalized(3);
        assertEq(federation.currentModel(), modelOf(3), "model");
        assertEq(federation.roundOf(3).baseRound, 2, "base");
        convict(2, trustee(0), false, STRANGER);
        assertEq(federation.currentModel(), modelOf(1), "the model before the voided round");
        open(4);
        assertEq(federation.roundOf(4).baseRound, 1, "built on round 1");
    }

    function test_void_olderRound_keepsANewerBase() public {
        toFinalized(1);
        convict(1, trustee(0), false, STRANGER);
        _toFinalizedBy(STANDBY, 2);
        assertEq(federation.roundOf(2).baseRound, 0, "it builds on the first model");
        convict(2, trustee(1), false, STRANGER);
        assertEq(federation.currentModel(), BASE_MODEL, "the first model");
    }

    /// @dev Descendants are voided one by one, by anybody, nobody is slashed, and their rewards go back.
    function test_voidDescendant_succeeds() public {
        toFinalized(1);
        toFinalized(2);
        convict(1, AGGREGATOR, false, STRANGER);
        bytes32 before = federation.verdicts();
        uint256 pool = federation.rewardPool();
        uint256 stake = federation.totalStake();
        bytes32 head = federation.headOf(2);
        bytes32 verdicts = keccak256(abi.encode(before, 2, address(0), uint8(0)));
        VM.expectEmit(address(federation));
        emit IFederation.RoundVoided(2, head, verdicts);
        VM.prank(STRANGER);
        federation.voidDescendant(2);
        assertPhase(2, IFederation.Phase.VOIDED);
        assertEq(federation.rewardPool(), pool + REWARD, "reward");
        assertEq(federation.totalStake(), stake, "nobody is slashed");
        assertEq(federation.currentModel(), BASE_MODEL, "model");
        expectWrongPhase(2, IFederation.Phase.FINALIZED, IFederation.Phase.VOIDED);
        federation.voidDescendant(2);
    }

    function test_voidDescendant_ofALongChain() public {
        for (uint256 round = 1; round <= 5; ++round) {
            toFinalized(round);
        }
        convict(2, trustee(0), false, STRANGER);
        _expectUndecided(4, 3);
        federation.voidDescendant(4); // first its base
        for (uint256 round = 3; round <= 5; ++round) {
            federation.voidDescendant(round);
        }
        assertEq(federation.currentModel(), modelOf(1), "model");
        settle(1);
        assertPhase(1, IFederation.Phase.SETTLED);
        mirrorLogs(address(federation));
        assertEq(federation.verdicts(), mirroredVerdicts, "all verdicts in their order");
    }

    function test_voidDescendant_soundBase_reverts() public {
        toFinalized(1);
        _expectUndecided(1, 0);
        federation.voidDescendant(1);
        toFinalized(2);
        _expectUndecided(2, 1);
        federation.voidDescendant(2);
        settle(1);
        _expectUndecided(2, 1);
        federation.voidDescendant(2);
    }

    function test_voidDescendant_wrongPhase_reverts() public {
        expectWrongPhase(1, IFederation.Phase.FINALIZED, IFederation.Phase.NONE);
        federation.voidDescendant(1);
        toFinalized(1);
        open(2);
        convict(1, trustee(0), false, STRANGER);
        expectWrongPhase(2, IFederation.Phase.FINALIZED, IFederation.Phase.COMMIT);
        federation.voidDescendant(2);
    }

    /// @dev A running round whose base was voided can only be aborted.
    function test_baseVoided_aborts() public {
        toFinalized(1);
        toAttested(2);
        convict(1, trustee(2), false, STRANGER);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundBaseUndecided.selector, 2, 1));
        finalize(2);
        mirrorLogs(address(federation));
        bytes32 before = federation.headOf(2);
        assertEq(before, bytes32(0), "running");
        federation.abortRound(2);
        assertEq(
            uint256(federation.roundOf(2).abortReason), uint256(IFederation.AbortReason.BASE_VOIDED), "reason"
        );
        assertEq(federation.reputationOf(IFederation.Role.AGGREGATOR, 0).missed, 0, "nobody's fault");
        mirrorLogs(address(federation));
        assertMirrored(federation, 2);
        openBy(STANDBY, 3);
        assertEq(federation.roundOf(3).baseRound, 0, "base");
    }

    function test_removedAggregator_aborts() public {
        open(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotAbortable.selector, 1));
        federation.abortRound(1);
        revoke(AGGREGATOR);
        federation.abortRound(1);
        assertEq(
            uint256(federation.roundOf(1).abortReason),
            uint256(IFederation.AbortReason.AGGREGATOR_REMOVED),
            "reason"
        );
        openBy(STANDBY, 2);
    }

    /// @dev An aggregator that is slashed for an older round cannot go on with the running one.
    function test_slashedAggregator_aborts() public {
        toFinalized(1);
        open(2);
        convict(1, AGGREGATOR, false, STRANGER);
        federation.abortRound(2); // its base was voided with it
        assertEq(
            uint256(federation.roundOf(2).abortReason), uint256(IFederation.AbortReason.BASE_VOIDED), "reason"
        );
    }

    /// @dev Nothing that builds on a round is settled before it, so nothing settled is ever taken back.
    function test_settlement_inOrder() public {
        toFinalized(1);
        toFinalized(2);
        toAborted(3);
        toFinalized(4);
        VM.warp(federation.roundOf(4).challengeEnd);
        _expectUndecided(4, 2);
        federation.settleRound(4);
        _expectUndecided(2, 1);
        federation.settleRound(2);
        federation.settleRound(1);
        federation.settleRound(2);
        federation.settleRound(4);
        assertPhase(4, IFederation.Phase.SETTLED);
    }

    /// @dev A round that was aborted stays aborted, and who is convicted for it is slashed all the same.
    function test_convict_aborted_staysAborted() public {
        toAttested(1);
        VM.warp(uint256(federation.roundOf(1).finalizeDeadline) + 1);
        federation.abortRound(1);
        bytes32 head = federation.headOf(1);
        convict(1, AGGREGATOR, true, STRANGER);
        assertPhase(1, IFederation.Phase.ABORTED);
        assertEq(federation.headOf(1), head, "head");
        assertEq(federation.verdicts(), bytes32(0), "nothing was voided");
        assertStatus(AGGREGATOR, IFederation.Status.SLASHED);
        assertStatus(trustee(0), IFederation.Status.SLASHED);
    }

    function _toFinalizedBy(address aggregator, uint256 round) private {
        openBy(aggregator, round);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            commit(round, i);
        }
        federation.closeCommits(round);
        aggregate(round, ALL);
        attest(round, 1);
        attest(round, 2);
        finalize(round);
    }

    function _expectUndecided(uint256 round, uint256 baseRound) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundBaseUndecided.selector, round, baseRound));
    }
}
