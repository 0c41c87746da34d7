// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Vm} from "./Base.sol";
import {FederationFixture} from "./FederationFixture.sol";

contract RoundsTest is FederationFixture {
    // -------------------------------------------------------------------------------------------------- openRound

    function test_openRound_succeeds() public {
        IFederation.Deadlines memory times = deadlines();
        VM.expectEmit(address(federation));
        emit IFederation.RoundOpened(
            1, AGGREGATOR, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, 0, times, REWARD
        );
        open(1);

        IFederation.Round memory expected;
        expected.phase = IFederation.Phase.COMMIT;
        expected.aggregator = AGGREGATOR;
        expected.commitDeadline = times.commit;
        expected.aggregateDeadline = times.aggregate;
        expected.finalizeDeadline = times.finalize;
        expected.quorum = QUORUM;
        expected.ciphertexts = CIPHERTEXTS;
        expected.selected = ALL;
        expected.specHash = SPEC;
        expected.reward = REWARD;
        expected.transcript = _openingTranscript(1, BASE_MODEL, 0);
        assertEq(keccak256(abi.encode(federation.roundOf(1))), keccak256(abi.encode(expected)), "round");
        assertEq(federation.lastRound(), 1, "last round");
        assertEq(federation.currentModel(), BASE_MODEL, "the first round sets the model");
        assertEq(federation.rewardPool(), POOL - REWARD, "pool");
    }

    function test_openRound_notAggregator_reverts() public {
        IFederation.Deadlines memory times = deadlines();
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityWrongRole.selector, participant(0), IFederation.Role.AGGREGATOR
            )
        );
        VM.prank(participant(0));
        federation.openRound(1, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times);
    }

    function test_openRound_revokedAggregator_reverts() public {
        revoke(AGGREGATOR);
        _expectOpenReverts(
            _wrongStatus(AGGREGATOR, IFederation.Status.REVOKED),
            1,
            BASE_MODEL,
            ALL,
            QUORUM,
            CIPHERTEXTS,
            deadlines()
        );
    }

    function test_openRound_withoutKey_reverts() public {
        deployEmpty(defaultConfig());
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        bytes memory reason = abi.encodeWithSelector(IFederation.KeyMissing.selector);
        _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
    }

    function test_openRound_wrongNumber_reverts() public {
        _expectOpenReverts(_wrongNumber(1, 2), 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        _expectOpenReverts(_wrongNumber(1, 0), 0, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        toAborted(1);
        _expectOpenReverts(_wrongNumber(2, 1), 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        open(2);
    }

    function test_openRound_lastStillRunning_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundStillRunning.selector, 1);
        openAndCommit(1, PARTICIPANTS);
        _expectOpenReverts(reason, 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        federation.closeCommits(1);
        _expectOpenReverts(reason, 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
        _expectOpenReverts(reason, 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        attest(1, 0);
        attest(1, 1);
        finalize(1);
        open(2); // round 1 is finalised, not settled
        assertPhase(1, IFederation.Phase.FINALIZED);
    }

    /// @dev All are drawn here, so anything else is not the draw. `Selection.t.sol` has the draws of some.
    function testFuzz_openRound_selection_reverts(uint256 selected) public {
        VM.assume(selected != ALL);
        _expectOpenReverts(
            _invalidSelection(ALL, selected), 1, BASE_MODEL, selected, QUORUM, CIPHERTEXTS, deadlines()
        );
    }

    function test_openRound_nobodyEligible_reverts() public {
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            revoke(participant(i));
        }
        _expectOpenReverts(_invalidSelection(0, 0), 1, BASE_MODEL, 0, QUORUM, CIPHERTEXTS, deadlines());
    }

    function test_openRound_zeroSpec_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        VM.prank(AGGREGATOR);
        federation.openRound(1, 0, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
    }

    function test_openRound_quorum_reverts() public {
        bytes4 selector = IFederation.RoundInvalidQuorum.selector;
        bytes memory tooSmall = abi.encodeWithSelector(selector, 1, PARTICIPANTS);
        bytes memory tooLarge = abi.encodeWithSelector(selector, PARTICIPANTS + 1, PARTICIPANTS);
        _expectOpenReverts(tooSmall, 1, BASE_MODEL, ALL, 1, CIPHERTEXTS, deadlines());
        _expectOpenReverts(tooLarge, 1, BASE_MODEL, ALL, uint16(PARTICIPANTS + 1), CIPHERTEXTS, deadlines());
    }

    function test_openRound_noCiphertexts_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundWrongCiphertexts.selector, 1, 0);
        _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, 0, deadlines());
    }

    function testFuzz_openRound_deadlines_reverts(uint40 a, uint40 b, uint40 c) public {
        VM.assume(a <= time() || b <= a || c <= b || c > time() + LONGEST);
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidDeadlines.selector);
        _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, IFederation.Deadlines(a, b, c));
    }

    function test_openRound_equalDeadlines_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidDeadlines.selector);
        uint40 start = uint40(time());
        uint40[3][4] memory cases = [
            [start, start + 1, start + 2],
            [start + 1, start + 1, start + 2],
            [start + 1, start + 2, start + 2],
            [start + 1, start + 2, start + LONGEST + 1]
        ];
        for (uint256 i = 0; i < cases.length; ++i) {
            IFederation.Deadlines memory times = IFederation.Deadlines(cases[i][0], cases[i][1], cases[i][2]);
            _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times);
        }
        VM.prank(AGGREGATOR);
        federation.openRound(
            1,
            SPEC,
            BASE_MODEL,
            ALL,
            QUORUM,
            CIPHERTEXTS,
            IFederation.Deadlines(start + 1, start + 2, start + LONGEST)
        );
    }

    function test_openRound_baseModel_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, 0, 0);
        _expectOpenReverts(reason, 1, 0, ALL, QUORUM, CIPHERTEXTS, deadlines());
        toFinalized(1);
        reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, modelOf(1), BASE_MODEL);
        _expectOpenReverts(reason, 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, modelOf(1), 0);
        _expectOpenReverts(reason, 2, 0, ALL, QUORUM, CIPHERTEXTS, deadlines());
        open(2);
    }

    function test_openRound_afterAbort_keepsModel() public {
        toAborted(1);
        assertEq(federation.currentModel(), BASE_MODEL, "model");
        open(2);
        assertEq(federation.roundOf(2).baseRound, 0, "still the first model");
    }

    function test_openRound_reservesWhatThePoolHas() public {
        toFinalized(1);
        toFinalized(2);
        open(3);
        assertEq(federation.roundOf(3).reward, POOL - 2 * uint256(REWARD), "the rest of the pool");
        assertEq(federation.rewardPool(), 0, "empty pool");
    }

    // ----------------------------------------------------------------------------------------------- commitUpdate

    function test_commitUpdate_succeeds() public {
        open(1);
        VM.expectEmit(address(federation));
        emit IFederation.UpdateCommitted(1, participant(2), rootOf(2), proofOf(2));
        commit(1, 2);
        commit(1, 0);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.committed, 5, "committed");
        bytes32 folded = _openingTranscript(1, BASE_MODEL, 0);
        folded = keccak256(abi.encode(folded, uint8(1), participant(2), rootOf(2), proofOf(2)));
        folded = keccak256(abi.encode(folded, uint8(1), participant(0), rootOf(0), proofOf(0)));
        assertEq(r.transcript, folded, "transcript");
    }

    function test_commitUpdate_atDeadline_succeeds() public {
        open(1);
        VM.warp(federation.roundOf(1).commitDeadline);
        commit(1, 0);
    }

    function test_commitUpdate_late_reverts() public {
        open(1);
        uint256 deadline = federation.roundOf(1).commitDeadline;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        commit(1, 0);
    }

    function test_commitUpdate_twice_reverts() public {
        openAndCommit(1, 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundAlreadyCommitted.selector, 1, participant(0)));
        VM.prank(participant(0));
        federation.commitUpdate(1, keccak256("another root"), CIPHERTEXTS, proofOf(0));
    }

    function test_commitUpdate_notSelected_reverts() public {
        open(1);
        register(STRANGER, IFederation.Role.PARTICIPANT);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundParticipantNotSelected.selector, 1, STRANGER));
        VM.prank(STRANGER);
        federation.commitUpdate(1, rootOf(0), CIPHERTEXTS, proofOf(0));
    }

    function test_commitUpdate_zeroHash_reverts() public {
        open(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        VM.prank(participant(0));
        federation.commitUpdate(1, 0, CIPHERTEXTS, proofOf(0));
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        VM.prank(participant(0));
        federation.commitUpdate(1, rootOf(0), CIPHERTEXTS, 0);
    }

    function test_commitUpdate_notParticipant_reverts() public {
        open(1);
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityWrongRole.selector, trustee(0), IFederation.Role.PARTICIPANT
            )
        );
        VM.prank(trustee(0));
        federation.commitUpdate(1, rootOf(0), CIPHERTEXTS, proofOf(0));
    }

    function test_commitUpdate_revoked_reverts() public {
        open(1);
        revoke(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.REVOKED);
        commit(1, 0);
    }

    function test_commitUpdate_ciphertexts_reverts() public {
        open(1);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RoundWrongCiphertexts.selector, 1, CIPHERTEXTS - 1)
        );
        VM.prank(participant(0));
        federation.commitUpdate(1, rootOf(0), CIPHERTEXTS - 1, proofOf(0));
    }

    function test_commitUpdate_wrongPhase_reverts() public {
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.NONE);
        commit(1, 0);
        openAndCommit(1, QUORUM);
        VM.warp(time() + 101);
        federation.closeCommits(1);
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.UPLOAD);
        commit(1, 3);
    }

    // ----------------------------------------------------------------------------------------------- closeCommits

    function test_closeCommits_allCommitted_succeeds() public {
        openAndCommit(1, PARTICIPANTS);
        VM.expectEmit(address(federation));
        emit IFederation.CommitsClosed(1, ALL);
        VM.prank(STRANGER);
        federation.closeCommits(1);
        assertPhase(1, IFederation.Phase.UPLOAD);
    }

    function test_closeCommits_quorumAfterDeadline_succeeds() public {
        openAndCommit(1, QUORUM);
        VM.warp(uint256(federation.roundOf(1).commitDeadline) + 1);
        federation.closeCommits(1);
        assertPhase(1, IFederation.Phase.UPLOAD);
    }

    function test_closeCommits_early_reverts() public {
        openAndCommit(1, QUORUM);
        VM.warp(federation.roundOf(1).commitDeadline);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundCommitsStillOpen.selector, 1));
        federation.closeCommits(1);
    }

    function test_closeCommits_belowQuorum_reverts() public {
        openAndCommit(1, QUORUM - 1);
        VM.warp(time() + 101);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundCommitsStillOpen.selector, 1));
        federation.closeCommits(1);
    }

    function test_closeCommits_wrongPhase_reverts() public {
        toUpload(1);
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.UPLOAD);
        federation.closeCommits(1);
    }

    // -------------------------------------------------------------------------------------------- commitAggregate

    function test_commitAggregate_succeeds() public {
        toUpload(1);
        bytes32 before = federation.roundOf(1).transcript;
        VM.expectEmit(address(federation));
        emit IFederation.AggregateCommitted(1, 0xd, AGGREGATE_ROOT);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, 0xd, AGGREGATE_ROOT);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.accepted, 0xd, "accepted");
        assertEq(r.aggregateHash, keccak256(abi.encode(before, uint256(0xd), AGGREGATE_ROOT)), "aggregate");
        assertEq(r.transcript, before, "the transcript goes on with the attestations");
        assertPhase(1, IFederation.Phase.DECRYPT);
    }

    function test_commitAggregate_second_reverts() public {
        toDecrypt(1); // one participant set per round: the difference of two sets would open one update
        expectWrongPhase(1, IFederation.Phase.UPLOAD, IFederation.Phase.DECRYPT);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, 0x7, AGGREGATE_ROOT);
    }

    function test_commitAggregate_beforeClose_reverts() public {
        openAndCommit(1, PARTICIPANTS);
        expectWrongPhase(1, IFederation.Phase.UPLOAD, IFederation.Phase.COMMIT);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function test_commitAggregate_otherAggregator_reverts() public {
        toUpload(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotItsAggregator.selector, 1, STANDBY));
        VM.prank(STANDBY);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function test_commitAggregate_zeroRoot_reverts() public {
        toUpload(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, 0);
    }

    function test_commitAggregate_revoked_reverts() public {
        toUpload(1);
        revoke(AGGREGATOR);
        expectWrongStatus(AGGREGATOR, IFederation.Status.REVOKED);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function test_commitAggregate_late_reverts() public {
        toUpload(1);
        uint256 deadline = federation.roundOf(1).aggregateDeadline;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function testFuzz_commitAggregate_acceptedSet(uint256 accepted) public {
        openAndCommit(1, QUORUM); // 0, 1, 2 of 4
        VM.warp(time() + 101);
        federation.closeCommits(1);
        if (accepted & 1 == 0) accepted &= ALL; // half of the runs near the legal sets
        if (accepted != 7) {
            VM.expectRevert(abi.encodeWithSelector(IFederation.RoundInvalidAcceptedSet.selector, 1, accepted));
        }
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, accepted, AGGREGATE_ROOT);
    }

    // ----------------------------------------------------------------------------------------------------- attest

    function test_attest_succeeds() public {
        toDecrypt(1);
        bytes32 before = federation.roundOf(1).transcript;
        VM.expectEmit(address(federation));
        emit IFederation.Attested(1, trustee(2), partialOf(2));
        attest(1, 2);
        attest(1, 0);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.attested, 5, "attested");
        bytes32 folded = keccak256(abi.encode(before, uint8(2), trustee(2), partialOf(2), bytes32(0)));
        folded = keccak256(abi.encode(folded, uint8(2), trustee(0), partialOf(0), bytes32(0)));
        assertEq(r.transcript, folded, "transcript");
    }

    function test_attest_zeroHash_reverts() public {
        toDecrypt(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        VM.prank(trustee(0));
        federation.attest(1, 0);
    }

    function test_attest_twice_reverts() public {
        toDecrypt(1);
        attest(1, 0);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundAlreadyAttested.selector, 1, trustee(0)));
        attest(1, 0);
    }

    function test_attest_notTrustee_reverts() public {
        toDecrypt(1);
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityWrongRole.selector, AGGREGATOR, IFederation.Role.TRUSTEE
            )
        );
        VM.prank(AGGREGATOR);
        federation.attest(1, partialOf(0));
    }

    function test_attest_revoked_reverts() public {
        toDecrypt(1);
        revoke(trustee(0));
        expectWrongStatus(trustee(0), IFederation.Status.REVOKED);
        attest(1, 0);
    }

    function test_attest_late_reverts() public {
        toDecrypt(1);
        uint256 deadline = federation.roundOf(1).finalizeDeadline;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        attest(1, 0);
    }

    function test_attest_wrongPhase_reverts() public {
        toUpload(1);
        expectWrongPhase(1, IFederation.Phase.DECRYPT, IFederation.Phase.UPLOAD);
        attest(1, 0);
    }

    // ---------------------------------------------------------------------------------------------- finalizeRound

    function test_finalizeRound_succeeds() public {
        toAttested(1);
        mirrorLogs(address(federation));
        bytes32 head = keccak256(
            abi.encode(
                keccak256("fedtrust.head.v2"),
                federation.roundOf(1).transcript,
                IFederation.Phase.FINALIZED,
                IFederation.AbortReason.NONE,
                AGGREGATOR,
                federation.roundOf(1).aggregateHash,
                PLAINTEXT,
                PROOF,
                modelOf(1),
                RESULT,
                bytes32(0)
            )
        );
        VM.expectEmit(address(federation));
        emit IFederation.RoundFinalized(
            1, PLAINTEXT, PROOF, modelOf(1), RESULT, head, uint40(time()) + WINDOW
        );
        finalize(1);
        IFederation.Round memory r = federation.roundOf(1);
        assertPhase(1, IFederation.Phase.FINALIZED);
        assertEq(r.modelHash, modelOf(1), "model");
        assertEq(r.challengeEnd, time() + WINDOW, "challenge end");
        assertEq(federation.currentModel(), modelOf(1), "current model");
        assertEq(r.head, head, "head");
        assertEq(federation.headOf(1), head, "headOf");
        mirrorLogs(address(federation));
        assertMirrored(federation, 1);
    }

    /// @dev The same round of a federation at another address has another head.
    function test_finalizeRound_headNamesTheContract() public {
        toFinalized(1);
        bytes32 head = federation.headOf(1);
        setUp();
        toFinalized(1);
        assertTrue(federation.headOf(1) != head, "the contract's address is in the head");
    }

    function test_finalizeRound_belowThreshold_reverts() public {
        toDecrypt(1);
        attest(1, 2);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RoundAttestationsMissing.selector, 1, 1, THRESHOLD)
        );
        finalize(1);
    }

    function test_finalizeRound_otherAggregator_reverts() public {
        toAttested(1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotItsAggregator.selector, 1, OPERATOR));
        VM.prank(OPERATOR);
        federation.finalizeRound(1, PLAINTEXT, PROOF, modelOf(1), RESULT);
    }

    function test_finalizeRound_revoked_reverts() public {
        toAttested(1);
        revoke(AGGREGATOR);
        expectWrongStatus(AGGREGATOR, IFederation.Status.REVOKED);
        finalize(1);
    }

    function test_finalizeRound_late_reverts() public {
        toAttested(1);
        uint256 deadline = federation.roundOf(1).finalizeDeadline;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        finalize(1);
    }

    function test_finalizeRound_zeroHash_reverts() public {
        toAttested(1);
        bytes32[4] memory hashes = [PLAINTEXT, PROOF, modelOf(1), RESULT];
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 kept = hashes[i];
            hashes[i] = 0;
            VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
            VM.prank(AGGREGATOR);
            federation.finalizeRound(1, hashes[0], hashes[1], hashes[2], hashes[3]);
            hashes[i] = kept;
        }
    }

    function test_finalizeRound_wrongPhase_reverts() public {
        toFinalized(1);
        expectWrongPhase(1, IFederation.Phase.DECRYPT, IFederation.Phase.FINALIZED);
        finalize(1);
    }

    // ------------------------------------------------------------------------------------------------- abortRound

    function test_abortRound_commitQuorumMissed_succeeds() public {
        openAndCommit(1, QUORUM - 1);
        VM.warp(federation.roundOf(1).commitDeadline);
        _expectNotAbortable(1);
        VM.warp(time() + 1);
        _abort(1, IFederation.AbortReason.COMMIT_QUORUM_MISSED);
    }

    function test_abortRound_neverClosed_succeeds() public {
        openAndCommit(1, QUORUM);
        VM.warp(federation.roundOf(1).aggregateDeadline + STANDBY_SECONDS); // a standby has its time
        _expectNotAbortable(1);
        VM.warp(time() + 1);
        _abort(1, IFederation.AbortReason.AGGREGATE_DEADLINE_MISSED);
    }

    function test_abortRound_quorumMissedLongAgo_succeeds() public {
        openAndCommit(1, QUORUM - 1);
        VM.warp(time() + 1000);
        _abort(1, IFederation.AbortReason.COMMIT_QUORUM_MISSED);
    }

    function test_abortRound_aggregateMissed_succeeds() public {
        toUpload(1);
        VM.warp(federation.roundOf(1).aggregateDeadline + STANDBY_SECONDS); // a standby has its time
        _expectNotAbortable(1);
        VM.warp(time() + 1);
        _abort(1, IFederation.AbortReason.AGGREGATE_DEADLINE_MISSED);
    }

    function test_abortRound_finalizeMissed_succeeds() public {
        toAttested(1);
        VM.warp(federation.roundOf(1).finalizeDeadline);
        _expectNotAbortable(1);
        VM.warp(time() + 1);
        _abort(1, IFederation.AbortReason.FINALIZE_DEADLINE_MISSED);
    }

    function test_abortRound_ended_reverts() public {
        _expectNotAbortable(1);
        toFinalized(1);
        VM.warp(time() + 365 days);
        _expectNotAbortable(1);
        federation.settleRound(1);
        _expectNotAbortable(1);
        toAborted(2);
        _expectNotAbortable(2);
    }

    // ------------------------------------------------------------------------------------------------- head chain

    /// @dev Every head is what the events say, each contains the one before, and settling leaves it as it is.
    function test_heads_chain() public {
        toFinalized(1);
        toAborted(2);
        toFinalized(3);
        mirrorLogs(address(federation));
        for (uint256 round = 1; round <= 3; ++round) {
            assertMirrored(federation, round);
            assertTrue(federation.headOf(round) != federation.headOf(round - 1), "another head");
        }
        assertEq(federation.roundOf(3).baseRound, 1, "the aborted round made no model");
        bytes32 head = federation.headOf(1);
        settle(1);
        assertEq(federation.headOf(1), head, "settling leaves the head");
    }

    // --------------------------------------------------------------------------------------------------- internal

    function _expectOpenReverts(
        bytes memory reason,
        uint256 round,
        bytes32 model,
        uint256 selected,
        uint16 quorum,
        uint32 ciphertexts,
        IFederation.Deadlines memory times
    ) private {
        VM.expectRevert(reason);
        VM.prank(AGGREGATOR);
        federation.openRound(round, SPEC, model, selected, quorum, ciphertexts, times);
    }

    function _wrongNumber(uint256 expected, uint256 actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFederation.RoundWrongNumber.selector, expected, actual);
    }

    function _invalidSelection(uint256 expected, uint256 actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFederation.RoundInvalidSelection.selector, expected, actual);
    }

    function _wrongStatus(address account, IFederation.Status actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFederation.IdentityWrongStatus.selector, account, actual);
    }

    /// @dev The transcript of a round that has just been opened, from its public fields.
    function _openingTranscript(uint256 round, bytes32 model, uint32 baseRound)
        private
        view
        returns (bytes32)
    {
        IFederation.Round memory r = federation.roundOf(round);
        bytes memory first = abi.encode(
            keccak256("fedtrust.round.v2"),
            block.chainid,
            address(federation),
            round,
            federation.headOf(round - 1),
            AGGREGATOR,
            SPEC,
            model,
            baseRound
        );
        bytes memory second = abi.encode(
            r.selected,
            r.quorum,
            r.ciphertexts,
            r.commitDeadline,
            r.aggregateDeadline,
            r.finalizeDeadline,
            r.reward
        );
        return keccak256(bytes.concat(first, second));
    }

    function _expectNotAbortable(uint256 round) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotAbortable.selector, round));
        federation.abortRound(round);
    }

    function _abort(uint256 round, IFederation.AbortReason reason) private {
        mirrorLogs(address(federation));
        VM.prank(STRANGER);
        federation.abortRound(round);
        IFederation.Round memory r = federation.roundOf(round);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        assertEq(logs.length, 1, "one event");
        assertEq(logs[0].topics[0], IFederation.RoundAborted.selector, "event");
        assertEq(logs[0].topics[1], bytes32(round), "event round");
        assertEq(keccak256(logs[0].data), keccak256(abi.encode(reason, r.head)), "event data");
        assertEq(uint256(r.phase), uint256(IFederation.Phase.ABORTED), "phase");
        assertEq(uint256(r.abortReason), uint256(reason), "reason");
        assertEq(federation.rewardPool(), POOL, "the reward is back in the pool");
        bytes32 head = keccak256(
            abi.encode(
                keccak256("fedtrust.head.v2"),
                r.transcript,
                IFederation.Phase.ABORTED,
                reason,
                r.aggregator,
                r.aggregateHash,
                0,
                0,
                0,
                0,
                0
            )
        );
        assertEq(r.head, head, "head");
        open(round + 1);
    }
}
