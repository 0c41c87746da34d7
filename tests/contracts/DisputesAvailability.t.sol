// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {MerklePath} from "../../contracts/disputes/MerklePath.sol";
import {CourtFixture} from "./CourtFixture.sol";

/// @dev A ciphertext that nobody shows costs the aggregator its stake; one that is shown earns the challenger's bond.
contract DisputesAvailabilityTest is CourtFixture {
    /// @dev Any accepted update (order: 2, late, 0, 1) or the aggregate itself, any leaf.
    function testFuzz_hidden_convicts(uint256 from, uint256 leaf) public {
        from = _notLate(from);
        leaf %= LEAVES;
        toEnd(1);
        uint256 dispute = demand(CHALLENGER, 1, from, uint32(leaf));
        uint256 deadline = court.disputeOf(dispute).deadline;
        VM.warp(deadline);
        expectDispute(IDisputes.DisputeStillRunning.selector, dispute, deadline);
        court.expire(dispute);
        VM.warp(deadline + 1);
        VM.prank(RIVAL);
        court.expire(dispute);
        assertOutcome(dispute, IDisputes.Outcome.PROVEN);
        assertConvicted(1, 0); // trustees are not at fault: they have seen it
        assertEq(federation.claimable(RIVAL), 0, "the challenger's reward, whoever ends it");
    }

    function testFuzz_shown_earnsTheBond(uint256 from, uint256 leaf) public {
        from = _notLate(from);
        leaf %= LEAVES;
        toEnd(1);
        uint256 pool = federation.rewardPool();
        uint256 dispute = demand(CHALLENGER, 1, from, uint32(leaf));
        VM.warp(court.disputeOf(dispute).deadline);
        _reveal(dispute, from, leaf);
        assertOutcome(dispute, IDisputes.Outcome.FAILED);
        assertHarmless(1, RIVAL, pool);

        pass(1);
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        court.expire(dispute);
        settle(1);
    }

    function test_events() public {
        toEnd(1);
        announceDemand(CHALLENGER, 1, participant(0), 3);
        VM.expectEmit(address(court));
        emit IDisputes.AvailabilityChallenged(1, 1, CHALLENGER, participant(0), 3, time() + DISPUTE);
        VM.prank(CHALLENGER);
        court.challengeAvailability{value: BOND}(
            1, participant(0), 3, starts[2], suffix(2), aggregateRoot, SALT
        );
        VM.expectEmit(address(court));
        emit IDisputes.CiphertextRevealed(1, RIVAL, updates[0][3]);
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            1, 1, IDisputes.Kind.AVAILABILITY, IDisputes.Outcome.FAILED, CHALLENGER, address(0)
        );
        _reveal(1, 2, 3);
    }

    function test_hidden_inDecrypt_convicts() public {
        toAggregated(1);
        uint256 dispute = demand(CHALLENGER, 1, 0, 0);
        VM.warp(court.disputeOf(dispute).deadline + 1);
        court.expire(dispute);
        assertConvicted(1, 0);
    }

    function test_hidden_afterAbort_convicts() public {
        toDead(1);
        uint256 dispute = demand(CHALLENGER, 1, 0, 0);
        VM.warp(court.disputeOf(dispute).deadline + 1);
        court.expire(dispute);
        assertPhase(1, IFederation.Phase.ABORTED);
        assertStatus(lead(), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, AGGREGATOR_STAKE);
    }

    function test_revealTooLate_reverts() public {
        toEnd(1);
        uint256 dispute = demand(CHALLENGER, 1, 0, 0);
        uint256 deadline = court.disputeOf(dispute).deadline;
        VM.warp(deadline + 1);
        expectDispute(IDisputes.DisputeExpired.selector, dispute, deadline);
        _reveal(dispute, 0, 0);
    }

    /// @dev Another leaf, another update's leaf, or another path is no answer.
    function test_revealWrong_reverts() public {
        toEnd(1);
        uint256 dispute = demand(CHALLENGER, 1, 0, 1); // of participant 2
        bytes32[] memory path = pathOf(updates[2], 1);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        court.reveal(dispute, updates[2][0], path);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        court.reveal(dispute, updates[1][1], path);
        path = pathOf(updates[1], 1);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        court.reveal(dispute, updates[1][1], path);
        expectKind(MerklePath.MerkleWrongPathLength.selector);
        court.reveal(dispute, updates[2][1], new bytes32[](0));
    }

    /// @dev Nothing can be demanded of the aggregator that it did not accept.
    function test_demandOfLate_reverts() public {
        toEnd(1);
        announceDemand(CHALLENGER, 1, participant(LATE), 0);
        expectDispute(IDisputes.DisputeNotAccepted.selector, 1, participant(LATE));
        VM.prank(CHALLENGER);
        court.challengeAvailability{value: BOND}(
            1, participant(LATE), 0, starts[1], suffix(1), aggregateRoot, SALT
        );
    }

    /// @dev The root under which a leaf is demanded is one that was committed to, by the one who is named.
    function test_demandUnderOtherRoot_reverts() public {
        toEnd(1);
        IDisputes.Commitment[] memory list = suffix(2);
        list[0].root = keccak256("a root that nobody can open");
        _expectNoDemand(participant(0), list, starts[2], aggregateRoot, 0);
        _expectNoDemand(participant(0), suffix(2), starts[1], aggregateRoot, 0);
        _expectNoDemand(participant(0), suffix(2), starts[2], keccak256("no root"), 0);
        _expectNoDemand(participant(0), suffix(0), starts[0], aggregateRoot, 0); // begins with participant 2
        _expectNoDemand(participant(0), suffix(PARTICIPANTS), starts[PARTICIPANTS], aggregateRoot, 0);
        _expectNoDemand(address(0), suffix(2), starts[2], aggregateRoot, 0);
        _expectNoDemand(address(0), suffix(PARTICIPANTS), starts[PARTICIPANTS], keccak256("no root"), 0);
        assertUnharmed(1);
    }

    function test_demandNoSuchLeaf_reverts() public {
        toEnd(1);
        announceDemand(CHALLENGER, 1, address(0), LEAVES);
        expectDispute(IDisputes.DisputeNoSuchLeaf.selector, LEAVES, LEAVES);
        VM.prank(CHALLENGER);
        court.challengeAvailability{value: BOND}(
            1, address(0), LEAVES, starts[PARTICIPANTS], suffix(PARTICIPANTS), aggregateRoot, SALT
        );
    }

    function test_demandTooLate_reverts() public {
        toEnd(1);
        announceDemand(CHALLENGER, 1, address(0), 0);
        VM.warp(federation.roundOf(1).challengeEnd);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAvailability{value: BOND}(
            1, address(0), 0, starts[PARTICIPANTS], suffix(PARTICIPANTS), aggregateRoot, SALT
        );
    }

    // ------------------------------------------------------------------------------------------------------ steps

    function _notLate(uint256 from) private view returns (uint256) {
        from = bound(from, 0, PARTICIPANTS);
        return from < PARTICIPANTS && order[from] == LATE ? 0 : from;
    }

    function _reveal(uint256 dispute, uint256 from, uint256 leaf) private {
        bytes[] memory leaves = from == PARTICIPANTS ? aggregates : updates[order[from]];
        VM.prank(RIVAL);
        court.reveal(dispute, leaves[leaf], pathOf(leaves, leaf));
    }

    function _expectNoDemand(
        address participant_,
        IDisputes.Commitment[] memory list,
        bytes32 start,
        bytes32 root,
        uint32 leaf
    ) private {
        announceDemand(CHALLENGER, 1, participant_, leaf);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAvailability{value: BOND}(1, participant_, leaf, start, list, root, SALT);
    }
}
