// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Who may open a round when, and how a standby takes one over.
contract StandbyTest is FederationFixture {
    // --------------------------------------------------------------------------------------------------------- turns

    function test_turn_firstRound_isAnybodys() public {
        openBy(STANDBY, 1);
        assertEq(federation.roundOf(1).aggregator, STANDBY, "aggregator");
    }

    /// @dev Who did its part has the next turn, for so long.
    function test_turn_afterResult_isTheAggregators() public {
        toFinalized(1);
        _assertTurn(2, time());
    }

    function test_turn_afterSettlement_isTheAggregators() public {
        toFinalized(1);
        uint256 ended = time();
        settle(1);
        assertTrue(time() > ended + STANDBY_SECONDS, "long ago");
        openBy(STANDBY, 2); // its turn is from the result on, not from the settlement
    }

    function test_turn_afterMissedQuorum_isTheAggregators() public {
        toAborted(1);
        _assertTurn(2, time());
    }

    /// @dev Who missed a deadline of its own has no turn.
    function test_turn_afterMissedAggregate_isAnybodys() public {
        toUpload(1);
        VM.warp(uint256(federation.roundOf(1).aggregateDeadline) + STANDBY_SECONDS + 1);
        federation.abortRound(1);
        openBy(STANDBY, 2);
    }

    function test_turn_afterMissedResult_isAnybodys() public {
        toDecrypt(1);
        VM.warp(uint256(federation.roundOf(1).finalizeDeadline) + 1);
        federation.abortRound(1);
        openBy(STANDBY, 2);
    }

    function test_turn_afterVoiding_isAnybodys() public {
        toFinalized(1);
        convict(1, trustee(0), false, STRANGER);
        openBy(STANDBY, 2);
    }

    function test_turn_ofOneThatLeft_isAnybodys() public {
        toFinalized(1);
        depart(AGGREGATOR);
        openBy(STANDBY, 2);
    }

    function test_turn_ofOneThatWasRevoked_isAnybodys() public {
        toFinalized(1);
        revoke(AGGREGATOR);
        openBy(STANDBY, 2);
    }

    // ----------------------------------------------------------------------------------------------------- take-over

    function test_takeOver_succeeds() public {
        toUpload(1);
        IFederation.Round memory before = federation.roundOf(1);
        uint40 moment = before.aggregateDeadline + 7;
        VM.warp(moment);
        mirrorLogs(address(federation));
        VM.expectEmit(address(federation));
        emit IFederation.RoundTakenOver(1, STANDBY, moment + STANDBY_SECONDS, before.finalizeDeadline);
        _takeOver(STANDBY);

        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.aggregator, STANDBY, "aggregator");
        assertTrue(r.takenOver, "taken over");
        assertEq(r.aggregateDeadline, moment + STANDBY_SECONDS, "aggregate deadline");
        assertEq(r.finalizeDeadline, before.finalizeDeadline, "there is time enough");
        assertEq(r.transcript, before.transcript, "the transcript stays");
        assertEq(uint256(r.phase), uint256(IFederation.Phase.UPLOAD), "phase");
        assertEq(federation.reputationOf(IFederation.Role.AGGREGATOR, 0).missed, 1, "counted");

        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotItsAggregator.selector, 1, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
        aggregate(1, ALL);
        attest(1, 0);
        attest(1, 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotItsAggregator.selector, 1, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.finalizeRound(1, PLAINTEXT, PROOF, modelOf(1), RESULT);
        finalize(1);
        mirrorLogs(address(federation));
        assertMirrored(federation, 1);
        settle(1);
        assertEq(federation.claimable(STANDBY), REWARD / 10, "it did the work");
        assertEq(federation.claimable(AGGREGATOR), 0, "and not the other");
    }

    /// @dev The last deadline moves, if less than a step would be left after the new aggregate deadline.
    function test_takeOver_movesTheLastDeadline() public {
        VM.roll(height() + 1);
        uint40 start = uint40(time());
        running = AGGREGATOR;
        VM.prank(AGGREGATOR);
        federation.openRound(
            1,
            SPEC,
            BASE_MODEL,
            ALL,
            QUORUM,
            CIPHERTEXTS,
            IFederation.Deadlines({commit: start + 100, aggregate: start + 200, finalize: start + 201})
        );
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            commit(1, i);
        }
        federation.closeCommits(1);
        VM.warp(start + 200 + STANDBY_SECONDS); // the last second
        _takeOver(STANDBY);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.aggregateDeadline, start + 200 + 2 * STANDBY_SECONDS, "one step to aggregate");
        assertEq(r.finalizeDeadline, start + 200 + 3 * STANDBY_SECONDS, "one step to decrypt");
        VM.warp(r.aggregateDeadline);
        aggregate(1, ALL);
        VM.warp(r.finalizeDeadline);
        attest(1, 0);
        attest(1, 1);
        finalize(1);
    }

    function test_takeOver_early_reverts() public {
        toUpload(1);
        VM.warp(federation.roundOf(1).aggregateDeadline);
        _expectNotTakeable();
        _takeOver(STANDBY);
    }

    function test_takeOver_late_reverts() public {
        toUpload(1);
        VM.warp(uint256(federation.roundOf(1).aggregateDeadline) + STANDBY_SECONDS + 1);
        _expectNotTakeable();
        _takeOver(STANDBY);
    }

    function test_takeOver_byItself_reverts() public {
        toUpload(1);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        _expectNotTakeable();
        _takeOver(AGGREGATOR);
    }

    /// @dev Once: else two aggregators could keep a round for ever.
    function test_takeOver_twice_reverts() public {
        toUpload(1);
        register(STRANGER, IFederation.Role.AGGREGATOR);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        _takeOver(STANDBY);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        _expectNotTakeable();
        _takeOver(STRANGER);
        VM.warp(uint256(federation.roundOf(1).aggregateDeadline) + STANDBY_SECONDS + 1);
        federation.abortRound(1);
        assertEq(federation.reputationOf(IFederation.Role.AGGREGATOR, 0).missed, 1, "the first missed one");
        assertEq(federation.reputationOf(IFederation.Role.AGGREGATOR, 1).missed, 1, "the second missed one");
        openBy(STRANGER, 2);
    }

    function test_takeOver_notAnAggregator_reverts() public {
        toUpload(1);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        expectWrongRole(participant(0), IFederation.Role.AGGREGATOR);
        _takeOver(participant(0));
        depart(STANDBY);
        expectWrongStatus(STANDBY, IFederation.Status.LEAVING);
        _takeOver(STANDBY);
    }

    function test_takeOver_wrongPhase_reverts() public {
        openAndCommit(1, PARTICIPANTS);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        expectWrongPhase(1, IFederation.Phase.UPLOAD, IFederation.Phase.COMMIT);
        _takeOver(STANDBY);
        federation.closeCommits(1); // also after the deadline
        _takeOver(STANDBY);
        aggregate(1, ALL);
        VM.warp(federation.roundOf(1).finalizeDeadline + 1);
        expectWrongPhase(1, IFederation.Phase.UPLOAD, IFederation.Phase.DECRYPT);
        _takeOver(STANDBY);
    }

    // ------------------------------------------------------------------------------------------------------ internal

    /// @dev After a round that ended at `ended`, AGGREGATOR alone may open until its time is over, then STANDBY too.
    function _assertTurn(uint256 round, uint256 ended) private {
        uint256 until = ended + STANDBY_SECONDS;
        VM.warp(until);
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundNotYourTurn.selector, AGGREGATOR, until);
        openRefused(reason, STANDBY, round, ALL, QUORUM);
        VM.warp(until + 1);
        openBy(STANDBY, round);
        assertEq(federation.roundOf(round).aggregator, STANDBY, "aggregator");
    }

    function _takeOver(address aggregator) private {
        VM.prank(aggregator);
        federation.takeOver(1);
        running = aggregator;
    }

    function _expectNotTakeable() private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotTakeable.selector, 1));
    }
}
