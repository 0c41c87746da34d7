// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerklePath} from "../../contracts/disputes/MerklePath.sol";
import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {CourtFixture} from "./CourtFixture.sol";
import {MerkleTree} from "./MerkleTree.sol";

/// @dev A wrong aggregate always convicts, whatever is wrong with it; a right one never does.
contract DisputesAggregateTest is CourtFixture {
    // ------------------------------------------------------------------------------------------ a wrong aggregate

    /// @dev Whichever bit of whichever ciphertext is wrong, in however many steps it is shown.
    function testFuzz_wrongAggregate_convicts(uint256 leaf, uint256 bit, uint256 first, uint256 second)
        public
    {
        leaf %= LEAVES;
        bit %= 8 * modulus.length;
        aggregates[leaf][bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, uint32(leaf));
        _multiplyInSteps(dispute, leaf, first, second);
        conclude(CHALLENGER, dispute, leaf);
        assertOutcome(dispute, IDisputes.Outcome.PROVEN);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev The product of other numbers: what an aggregator would commit to that leaves one accepted update out.
    function test_leftOut_convicts() public {
        aggregates[1] = updates[0][1];
        plant();
        toEnd(1);
        _dispute(1);
        assertConvicted(1, THRESHOLD);
    }

    function test_wrongAggregate_inDecrypt_convicts() public {
        corrupt(3);
        toAggregated(1);
        _dispute(3);
        assertConvicted(1, 0);
    }

    /// @dev A round that died keeps its phase, but its aggregator does not keep its stake.
    function test_wrongAggregate_afterAbort_convicts() public {
        corrupt(3);
        toDead(1);
        VM.warp(federation.roundOf(1).finalizeDeadline + WINDOW - 1);
        _dispute(3);
        assertPhase(1, IFederation.Phase.ABORTED);
        assertStatus(lead(), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, AGGREGATOR_STAKE);
    }

    /// @dev Begun in the window's last second, it has its time; the round is not settled before.
    function test_lastSecond_convicts() public {
        corrupt(0);
        toEnd(1);
        uint256 end = federation.roundOf(1).challengeEnd;
        VM.warp(end - 1);
        uint256 dispute = challenge(CHALLENGER, 1, 0);
        assertEq(court.openDisputesOf(1), 1, "open");
        VM.warp(end);
        expectDispute(IFederation.RoundDisputed.selector, 1);
        federation.settleRound(1);
        VM.warp(end - 1 + DISPUTE);
        multiplyAll(CHALLENGER, dispute, 0);
        conclude(CHALLENGER, dispute, 0);
        assertEq(court.openDisputesOf(1), 0, "decided");
        assertConvicted(1, THRESHOLD);
    }

    /// @dev The aggregate's ciphertext is the right number in a wrong form.
    function test_aggregateWrongLength_convicts() public {
        aggregates[2] = bytes.concat(hex"00", aggregates[2]);
        plant();
        toEnd(1);
        _dispute(2);
        assertConvicted(1, THRESHOLD);
    }

    function test_aggregateEmpty_convicts() public {
        aggregates[2] = "";
        plant();
        toEnd(1);
        _dispute(2);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev Who is not accepted need not be gone through if it committed before all who are.
    function test_fromFirstAccepted_convicts() public {
        order = [LATE, 1, 2, 0];
        aggregateHonestly();
        corrupt(4);
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 4);
        multiply(CHALLENGER, dispute, "", starts[1], slice(column(4), 1, PARTICIPANTS));
        conclude(CHALLENGER, dispute, 4);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev An account that handed its place on after it committed still counts.
    function test_rotatedParticipant_convicts() public {
        corrupt(4);
        toEnd(1);
        rotate(participant(0), address(0x1234));
        _dispute(4);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev So does an aggregator that handed its place on after the round.
    function test_rotatedAggregator_convicts() public {
        corrupt(4);
        toEnd(1);
        rotate(lead(), address(0x1234));
        _dispute(4);
        assertStatus(address(0x1234), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, AGGREGATOR_STAKE + THRESHOLD * TRUSTEE_STAKE);
    }

    /// @dev One that left is slashed as long as any dispute lasts.
    function test_leavingAggregator_convicts() public {
        corrupt(4);
        toEnd(1);
        depart(lead());
        VM.warp(federation.roundOf(1).challengeEnd - 1);
        _dispute(4);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev 3072 bits, the real size.
    function test_realSize_convicts() public {
        setUpCourt(
            VM.parseJsonBytes(VM.readFile("tests/vectors/modular_multiplication.json"), ".cases[1].modulus")
        );
        assertEq(modulus.length, 768, "3072 bits");
        corrupt(4);
        toEnd(1);
        _dispute(4);
        assertConvicted(1, THRESHOLD);
    }

    function test_events() public {
        corrupt(1);
        toEnd(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1)));
        VM.expectEmit(address(court));
        emit IDisputes.AggregateChallenged(1, 1, CHALLENGER, 1, time() + DISPUTE);
        VM.prank(CHALLENGER);
        uint256 dispute = court.challengeAggregate{value: BOND}(1, 1, SALT);
        assertEq(dispute, 1, "numbers start at 1");
        assertEq(court.lastDispute(), 1, "the last");
        multiplyAll(CHALLENGER, dispute, 1);
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            1, 1, IDisputes.Kind.AGGREGATE, IDisputes.Outcome.PROVEN, CHALLENGER, lead()
        );
        conclude(CHALLENGER, dispute, 1);
    }

    // ------------------------------------------------------------------------------------------ leaves that are unfit

    /// @dev An accepted leaf that cannot be multiplied is proof enough; nothing after it matters.
    function testFuzz_unfitLeaf_convicts(uint256 which, uint256 leaf, uint256 first, uint256 second) public {
        leaf %= LEAVES;
        bytes[4] memory unfit =
            [modulus, bytes.concat(updates[0][leaf], hex"00"), bytes(""), draw("too large", modulus.length)];
        unfit[3][0] = 0xff;
        unfit[3][1] = 0xff;
        updates[0][leaf] = unfit[which % 4];
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, uint32(leaf));
        _multiplyInSteps(dispute, leaf, first, second);
        assertEq(court.disputeOf(dispute).productHash, UNFIT, "marked");
        VM.prank(CHALLENGER);
        court.conclude(dispute, "", "", aggregateRoot, "", new bytes32[](0));
        assertOutcome(dispute, IDisputes.Outcome.PROVEN);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev It is no proof as long as the commitments do not lead to the round's.
    function test_unfitLeaf_unfinished_reverts() public {
        updates[0][2] = modulus;
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 2);
        multiply(CHALLENGER, dispute, "", starts[0], slice(column(2), 0, 3));
        assertEq(court.disputeOf(dispute).productHash, UNFIT, "marked");
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        conclude(CHALLENGER, dispute, 2);
    }

    /// @dev An unfit leaf of an update that was not accepted is nobody's fault.
    function test_unfitLeafOfLate_isNoProof() public {
        updates[LATE][2] = modulus;
        plant();
        toEnd(1);
        uint256 pool = federation.rewardPool();
        uint256 dispute = _dispute(2);
        assertOutcome(dispute, IDisputes.Outcome.FAILED);
        assertHarmless(1, address(0), pool);
    }

    // ---------------------------------------------------------------------------------------------- wrong counts

    function test_wrongCount_ofParticipant_convicts() public {
        updates[0].push(ciphertext(0, LEAVES));
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 0);
        bytes32 treeHash = _treeHash(updates[0]);
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[2], suffix(2), aggregateRoot, LEAVES + 1, treeHash);
        assertOutcome(dispute, IDisputes.Outcome.PROVEN);
        assertConvicted(1, THRESHOLD);
    }

    function test_wrongCount_ofAggregate_convicts() public {
        aggregates.pop();
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 0);
        bytes32 treeHash = _treeHash(aggregates);
        VM.prank(CHALLENGER);
        court.proveWrongCount(
            dispute, starts[PARTICIPANTS], suffix(PARTICIPANTS), aggregateRoot, LEAVES - 1, treeHash
        );
        assertOutcome(dispute, IDisputes.Outcome.PROVEN);
        assertConvicted(1, THRESHOLD);
    }

    /// @dev The right count is no proof, nor is a root of somebody who was not accepted, nor a made-up opening.
    function test_wrongCount_refusals() public {
        updates[LATE].push(ciphertext(LATE, LEAVES));
        plant();
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 0);
        bytes32 honest = _treeHash(updates[0]);
        bytes32 late = _treeHash(updates[LATE]);

        expectDispute(IDisputes.DisputeRightCount.selector, LEAVES);
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[2], suffix(2), aggregateRoot, LEAVES, honest);

        expectDispute(IDisputes.DisputeNotAccepted.selector, 1, participant(LATE));
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[1], suffix(1), aggregateRoot, LEAVES + 1, late);

        expectKind(MerklePath.MerkleWrongRoot.selector);
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[2], suffix(2), aggregateRoot, LEAVES + 1, honest);

        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[1], suffix(2), aggregateRoot, LEAVES + 1, honest);

        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        VM.prank(CHALLENGER);
        court.proveWrongCount(dispute, starts[2], suffix(2), roots[0], LEAVES + 1, honest);
        assertUnharmed(1);
    }

    // ------------------------------------------------------------------------------------------ a right aggregate

    /// @dev Whatever column is disputed, in however many steps: the bond is lost, and nothing else.
    function testFuzz_rightAggregate_costsTheBond(uint256 leaf, uint256 first, uint256 second) public {
        leaf %= LEAVES;
        toEnd(1);
        uint256 pool = federation.rewardPool();
        uint256 dispute = challenge(CHALLENGER, 1, uint32(leaf));
        _multiplyInSteps(dispute, leaf, first, second);
        assertEq(court.disputeOf(dispute).productHash, keccak256(products[leaf]), "the product");
        assertEq(court.disputeOf(dispute).counted, 3, "all accepted");
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            dispute, 1, IDisputes.Kind.AGGREGATE, IDisputes.Outcome.FAILED, CHALLENGER, address(0)
        );
        conclude(CHALLENGER, dispute, leaf);
        assertOutcome(dispute, IDisputes.Outcome.FAILED);
        assertHarmless(1, address(0), pool);
        settle(1);
        assertPhase(1, IFederation.Phase.SETTLED);
    }

    // --------------------------------------------------------------------------------------------------- deadlines

    /// @dev Who does not finish loses the bond, and holds the settlement up no longer.
    function test_expire_unfinished_costsTheBond() public {
        toEnd(1);
        uint256 pool = federation.rewardPool();
        uint256 dispute = challenge(CHALLENGER, 1, 0);
        multiplyAll(CHALLENGER, dispute, 0);
        uint256 deadline = court.disputeOf(dispute).deadline;
        VM.warp(deadline);
        expectDispute(IDisputes.DisputeStillRunning.selector, dispute, deadline);
        court.expire(dispute);

        VM.warp(deadline + 1);
        expectDispute(IDisputes.DisputeExpired.selector, dispute, deadline);
        multiplyAll(CHALLENGER, dispute, 0);
        expectDispute(IDisputes.DisputeExpired.selector, dispute, deadline);
        conclude(CHALLENGER, dispute, 0);
        VM.prank(RIVAL);
        court.expire(dispute);
        assertOutcome(dispute, IDisputes.Outcome.FAILED);
        assertHarmless(1, address(0), pool);
        settle(1);
    }

    function test_tooLate_reverts() public {
        corrupt(0);
        toEnd(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(0)));
        VM.warp(federation.roundOf(1).challengeEnd);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 0, SALT);
    }

    function test_tooLate_afterAbort_reverts() public {
        corrupt(0);
        toDead(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(0)));
        VM.warp(federation.roundOf(1).finalizeDeadline + WINDOW);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 0, SALT);
    }

    function test_withoutAggregate_reverts() public {
        toCommitted(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(0)));
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 0, SALT);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(2), uint32(0)));
        expectDispute(IDisputes.DisputeTooLate.selector, 2);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(2, 0, SALT);
    }

    function test_noSuchLeaf_reverts() public {
        toEnd(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), LEAVES));
        expectDispute(IDisputes.DisputeNoSuchLeaf.selector, LEAVES, LEAVES);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, LEAVES, SALT);
    }

    function test_bond_mustBePaid() public {
        toEnd(1);
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(0)));
        expectDispute(IFederation.PaymentWrong.selector, BOND, BOND - 1);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND - 1}(1, 0, SALT);
    }

    // ------------------------------------------------------------------------------------------------------ steps

    function _dispute(uint32 leaf) private returns (uint256 dispute) {
        dispute = challenge(CHALLENGER, 1, leaf);
        multiplyAll(CHALLENGER, dispute, leaf);
        conclude(CHALLENGER, dispute, leaf);
    }

    /// @dev Three steps, cut anywhere: some may be empty.
    function _multiplyInSteps(uint256 dispute, uint256 leaf, uint256 first, uint256 second) private {
        first = bound(first, 0, PARTICIPANTS);
        second = bound(second, first, PARTICIPANTS);
        IDisputes.Contribution[] memory all = column(leaf);
        _step(dispute, leaf, slice(all, 0, first), 0);
        _step(dispute, leaf, slice(all, first, second), first);
        _step(dispute, leaf, slice(all, second, PARTICIPANTS), second);
    }

    function _step(uint256 dispute, uint256 leaf, IDisputes.Contribution[] memory some, uint256 from)
        private
    {
        bytes32 productHash = court.disputeOf(dispute).productHash;
        bytes memory product = productHash == UNFIT ? bytes("") : productOf(leaf, from);
        multiply(CHALLENGER, dispute, product, starts[from], some);
    }

    function _treeHash(bytes[] memory leaves) private pure returns (bytes32) {
        return MerkleTree.treeHash(leaves, 0, leaves.length);
    }
}
