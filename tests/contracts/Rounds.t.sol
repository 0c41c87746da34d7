// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Vm} from "./Base.sol";
import {FederationFixture} from "./FederationFixture.sol";

contract RoundsTest is FederationFixture {
    // -------------------------------------------------------------------------------------------------- openRound

    function test_openRound_succeeds() public {
        IFederation.Deadlines memory times = deadlines();
        VM.expectEmit(address(federation));
        emit IFederation.RoundOpened(1, AGGREGATOR, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times, REWARD);
        open(1);

        IFederation.Round memory expected;
        expected.phase = IFederation.Phase.COMMIT;
        expected.aggregator = AGGREGATOR;
        expected.deadlines = times;
        expected.quorum = QUORUM;
        expected.ciphertexts = CIPHERTEXTS;
        expected.selected = ALL;
        expected.specHash = SPEC;
        expected.baseModelHash = BASE_MODEL;
        expected.reward = REWARD;
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
            abi.encodeWithSelector(IFederation.IdentityInactive.selector, AGGREGATOR),
            1,
            BASE_MODEL,
            ALL,
            QUORUM,
            CIPHERTEXTS,
            deadlines()
        );
    }

    function test_openRound_withoutKey_reverts() public {
        federation = new Federation(OPERATOR, defaultConfig());
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

    function test_openRound_selection_reverts() public {
        _expectOpenReverts(_invalidSelection(0), 1, BASE_MODEL, 0, QUORUM, CIPHERTEXTS, deadlines());
        uint256 unknown = ALL | (1 << PARTICIPANTS);
        _expectOpenReverts(
            _invalidSelection(unknown), 1, BASE_MODEL, unknown, QUORUM, CIPHERTEXTS, deadlines()
        );
        uint256 top = ALL | (1 << 255);
        _expectOpenReverts(_invalidSelection(top), 1, BASE_MODEL, top, QUORUM, CIPHERTEXTS, deadlines());
        revoke(participant(1));
        _expectOpenReverts(_invalidSelection(ALL), 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
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

    function testFuzz_openRound_deadlines_reverts(uint64 a, uint64 b, uint64 c) public {
        VM.assume(a <= block.timestamp || b <= a || c <= b);
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidDeadlines.selector);
        _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, IFederation.Deadlines(a, b, c));
    }

    function test_openRound_equalDeadlines_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidDeadlines.selector);
        uint64 time = uint64(block.timestamp);
        uint64[3][3] memory cases =
            [[time, time + 1, time + 2], [time + 1, time + 1, time + 2], [time + 1, time + 2, time + 2]];
        for (uint256 i = 0; i < cases.length; ++i) {
            IFederation.Deadlines memory times = IFederation.Deadlines(cases[i][0], cases[i][1], cases[i][2]);
            _expectOpenReverts(reason, 1, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times);
        }
        VM.prank(AGGREGATOR);
        federation.openRound(
            1, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, IFederation.Deadlines(time + 1, time + 2, time + 3)
        );
    }

    function test_openRound_baseModel_reverts() public {
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, 0, 0);
        _expectOpenReverts(reason, 1, 0, ALL, QUORUM, CIPHERTEXTS, deadlines());
        toFinalized(1);
        reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, NEW_MODEL, BASE_MODEL);
        _expectOpenReverts(reason, 2, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, deadlines());
        reason = abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, NEW_MODEL, 0);
        _expectOpenReverts(reason, 2, 0, ALL, QUORUM, CIPHERTEXTS, deadlines());
        open(2);
    }

    function test_openRound_afterAbort_keepsModel() public {
        toAborted(1);
        assertEq(federation.currentModel(), BASE_MODEL, "model");
        open(2);
        assertEq(federation.roundOf(2).baseModelHash, BASE_MODEL, "base model");
    }

    function test_openRound_reservesWhatThePoolHas() public {
        toFinalized(1);
        toFinalized(2);
        open(3);
        assertEq(federation.roundOf(3).reward, POOL - 2 * REWARD, "the rest of the pool");
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
        bytes32 folded = keccak256(abi.encode(bytes32(0), participant(2), rootOf(2), proofOf(2)));
        folded = keccak256(abi.encode(folded, participant(0), rootOf(0), proofOf(0)));
        assertEq(r.commitmentsHash, folded, "commitments");
    }

    function test_commitUpdate_atDeadline_succeeds() public {
        open(1);
        VM.warp(federation.roundOf(1).deadlines.commit);
        commit(1, 0);
    }

    function test_commitUpdate_late_reverts() public {
        open(1);
        uint64 deadline = federation.roundOf(1).deadlines.commit;
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
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(1, SPEC, BASE_MODEL, ALL & ~uint256(2), 2, CIPHERTEXTS, times);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RoundParticipantNotSelected.selector, 1, participant(1))
        );
        commit(1, 1);
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
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, participant(0)));
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
        VM.warp(block.timestamp + 101);
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
        VM.warp(uint256(federation.roundOf(1).deadlines.commit) + 1);
        federation.closeCommits(1);
        assertPhase(1, IFederation.Phase.UPLOAD);
    }

    function test_closeCommits_early_reverts() public {
        openAndCommit(1, QUORUM);
        VM.warp(federation.roundOf(1).deadlines.commit);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundCommitsStillOpen.selector, 1));
        federation.closeCommits(1);
    }

    function test_closeCommits_belowQuorum_reverts() public {
        openAndCommit(1, QUORUM - 1);
        VM.warp(block.timestamp + 101);
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
        VM.expectEmit(address(federation));
        emit IFederation.AggregateCommitted(1, 0xd, AGGREGATE_ROOT);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, 0xd, AGGREGATE_ROOT);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.accepted, 0xd, "accepted");
        assertEq(r.aggregateRoot, AGGREGATE_ROOT, "root");
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
        register(STRANGER, IFederation.Role.AGGREGATOR);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotItsAggregator.selector, 1, STRANGER));
        VM.prank(STRANGER);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function test_commitAggregate_revoked_reverts() public {
        toUpload(1);
        revoke(AGGREGATOR);
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function test_commitAggregate_late_reverts() public {
        toUpload(1);
        uint64 deadline = federation.roundOf(1).deadlines.aggregate;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        VM.prank(AGGREGATOR);
        federation.commitAggregate(1, ALL, AGGREGATE_ROOT);
    }

    function testFuzz_commitAggregate_acceptedSet(uint256 accepted) public {
        openAndCommit(1, QUORUM); // 0, 1, 2 of 4
        VM.warp(block.timestamp + 101);
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
        VM.expectEmit(address(federation));
        emit IFederation.Attested(1, trustee(2), partialOf(2));
        attest(1, 2);
        attest(1, 0);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.attested, 5, "attested");
        bytes32 folded = keccak256(abi.encode(bytes32(0), trustee(2), partialOf(2)));
        assertEq(r.attestationsHash, keccak256(abi.encode(folded, trustee(0), partialOf(0))), "attestations");
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
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, trustee(0)));
        attest(1, 0);
    }

    function test_attest_late_reverts() public {
        toDecrypt(1);
        uint64 deadline = federation.roundOf(1).deadlines.finalize;
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
        finalize(1);
        IFederation.Round memory r = federation.roundOf(1);
        assertPhase(1, IFederation.Phase.FINALIZED);
        assertEq(r.plaintextHash, PLAINTEXT, "plaintext");
        assertEq(r.proofHash, PROOF, "proof");
        assertEq(r.modelHash, NEW_MODEL, "model");
        assertEq(r.resultHash, RESULT, "result");
        assertEq(r.challengeEnd, block.timestamp + WINDOW, "challenge end");
        assertEq(federation.currentModel(), NEW_MODEL, "current model");
        assertEq(r.head, federation.headOf(1), "head");
        assertEq(r.head, recomputeHead(federation, 1), "head recomputed");
    }

    function test_finalizeRound_emits() public {
        toAttested(1);
        finalize(1);
        bytes32 head = federation.headOf(1);
        setUp(); // the same federation at another address has another head, so only its form can be foretold
        toAttested(1);
        VM.expectEmit(address(federation));
        emit IFederation.RoundFinalized(
            1, PLAINTEXT, PROOF, NEW_MODEL, RESULT, _foretellHead(), uint64(START) + WINDOW
        );
        finalize(1);
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
        federation.finalizeRound(1, PLAINTEXT, PROOF, NEW_MODEL, RESULT);
    }

    function test_finalizeRound_revoked_reverts() public {
        toAttested(1);
        revoke(AGGREGATOR);
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, AGGREGATOR));
        finalize(1);
    }

    function test_finalizeRound_late_reverts() public {
        toAttested(1);
        uint64 deadline = federation.roundOf(1).deadlines.finalize;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        finalize(1);
    }

    function test_finalizeRound_zeroHash_reverts() public {
        toAttested(1);
        bytes32[4] memory hashes = [PLAINTEXT, PROOF, NEW_MODEL, RESULT];
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
        VM.warp(federation.roundOf(1).deadlines.commit);
        _expectNotAbortable(1);
        VM.warp(block.timestamp + 1);
        _abort(1, IFederation.AbortReason.COMMIT_QUORUM_MISSED);
    }

    function test_abortRound_neverClosed_succeeds() public {
        openAndCommit(1, QUORUM);
        VM.warp(federation.roundOf(1).deadlines.aggregate);
        _expectNotAbortable(1);
        VM.warp(block.timestamp + 1);
        _abort(1, IFederation.AbortReason.AGGREGATE_DEADLINE_MISSED);
    }

    function test_abortRound_quorumMissedLongAgo_succeeds() public {
        openAndCommit(1, QUORUM - 1);
        VM.warp(block.timestamp + 1000);
        _abort(1, IFederation.AbortReason.COMMIT_QUORUM_MISSED);
    }

    function test_abortRound_aggregateMissed_succeeds() public {
        toUpload(1);
        VM.warp(federation.roundOf(1).deadlines.aggregate);
        _expectNotAbortable(1);
        VM.warp(block.timestamp + 1);
        _abort(1, IFederation.AbortReason.AGGREGATE_DEADLINE_MISSED);
    }

    function test_abortRound_finalizeMissed_succeeds() public {
        toAttested(1);
        VM.warp(federation.roundOf(1).deadlines.finalize);
        _expectNotAbortable(1);
        VM.warp(block.timestamp + 1);
        _abort(1, IFederation.AbortReason.FINALIZE_DEADLINE_MISSED);
    }

    function test_abortRound_ended_reverts() public {
        _expectNotAbortable(1);
        toFinalized(1);
        VM.warp(block.timestamp + 365 days);
        _expectNotAbortable(1);
        federation.settleRound(1);
        _expectNotAbortable(1);
        toAborted(2);
        _expectNotAbortable(2);
    }

    // ------------------------------------------------------------------------------------------------- head chain

    function test_heads_chain() public {
        toFinalized(1);
        toAborted(2);
        toFinalized(3);
        for (uint256 round = 1; round <= 3; ++round) {
            assertEq(federation.headOf(round), recomputeHead(federation, round), "head");
        }
        bytes32 head = federation.headOf(1);
        VM.warp(federation.roundOf(1).challengeEnd);
        federation.settleRound(1);
        assertEq(federation.headOf(1), head, "settling leaves the head");
        assertEq(recomputeHead(federation, 1), head, "and it can still be recomputed");
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

    function _invalidSelection(uint256 selected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IFederation.RoundInvalidSelection.selector, selected);
    }

    function _expectNotAbortable(uint256 round) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundNotAbortable.selector, round));
        federation.abortRound(round);
    }

    function _abort(uint256 round, IFederation.AbortReason reason) private {
        VM.recordLogs();
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
        assertEq(r.head, recomputeHead(federation, round), "head");
        open(round + 1);
    }

    /// @dev The head that finalising round 1 will write, from the round as it is just before.
    function _foretellHead() private view returns (bytes32) {
        IFederation.Round memory r = federation.roundOf(1);
        return keccak256(
            bytes.concat(
                abi.encode(keccak256("fedtrust.round.v1"), block.chainid, address(federation), 1, bytes32(0)),
                abi.encode(uint8(4), uint8(0), SPEC, BASE_MODEL, ALL, r.commitmentsHash, ALL, AGGREGATE_ROOT),
                abi.encode(r.attestationsHash, PLAINTEXT, PROOF, NEW_MODEL, RESULT)
            )
        );
    }
}
