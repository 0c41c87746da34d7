// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Each counter goes up when what it counts happens, by one, and at no other time.
contract ReputationTest is FederationFixture {
    function test_nothing() public view {
        _assert(IFederation.Role.PARTICIPANT, 0, 0, 0, 0, 0, 0);
        _assert(IFederation.Role.PARTICIPANT, 255, 0, 0, 0, 0, 0);
    }

    /// @dev Counted when the round is settled: what is voided counts for nobody.
    function test_settled() public {
        toFinalized(1);
        _assert(IFederation.Role.PARTICIPANT, 0, 0, 0, 0, 0, 0);
        settle(1);
        for (uint8 i = 0; i < PARTICIPANTS; ++i) {
            _assert(IFederation.Role.PARTICIPANT, i, 1, 0, 0, 0, 0);
        }
        _assert(IFederation.Role.TRUSTEE, 0, 0, 0, 0, 0, 1);
        _assert(IFederation.Role.TRUSTEE, 1, 0, 0, 0, 0, 1);
        _assert(IFederation.Role.TRUSTEE, 2, 0, 0, 0, 0, 0);
        _assert(IFederation.Role.AGGREGATOR, 0, 1, 0, 0, 0, 0);
        _assert(IFederation.Role.AGGREGATOR, 1, 0, 0, 0, 0, 0);
    }

    function test_voided_countsNothing() public {
        toFinalized(1);
        convict(1, STANDBY, false, STRANGER);
        _assert(IFederation.Role.PARTICIPANT, 0, 0, 0, 0, 0, 0);
        _assert(IFederation.Role.TRUSTEE, 0, 0, 0, 0, 0, 0);
        _assert(IFederation.Role.AGGREGATOR, 1, 0, 0, 0, 1, 0);
    }

    function test_late() public {
        toUpload(1);
        aggregate(1, 0xd);
        _assert(IFederation.Role.PARTICIPANT, 1, 0, 1, 0, 0, 0);
        _assert(IFederation.Role.PARTICIPANT, 0, 0, 0, 0, 0, 0);
    }

    function test_missed_whenCommitsClose() public {
        openAndCommit(1, QUORUM);
        VM.warp(uint256(federation.roundOf(1).commitDeadline) + 1);
        federation.closeCommits(1);
        _assert(IFederation.Role.PARTICIPANT, 3, 0, 0, 1, 0, 0);
        _assert(IFederation.Role.PARTICIPANT, 2, 0, 0, 0, 0, 0);
        assertEq(federation.reputationOf(IFederation.Role.PARTICIPANT, 3).missedInARow, 1, "in a row");
    }

    function test_missed_whenTheQuorumIs() public {
        openAndCommit(1, 1);
        VM.warp(uint256(federation.roundOf(1).commitDeadline) + 1);
        federation.abortRound(1);
        _assert(IFederation.Role.PARTICIPANT, 0, 0, 0, 0, 0, 0);
        for (uint8 i = 1; i < PARTICIPANTS; ++i) {
            _assert(IFederation.Role.PARTICIPANT, i, 0, 0, 1, 0, 0);
        }
        _assert(IFederation.Role.AGGREGATOR, 0, 0, 0, 0, 0, 0); // it is not the aggregator's fault
    }

    function test_missed_byTheAggregator() public {
        toUpload(1);
        VM.warp(uint256(federation.roundOf(1).aggregateDeadline) + STANDBY_SECONDS + 1);
        federation.abortRound(1);
        _assert(IFederation.Role.AGGREGATOR, 0, 0, 0, 1, 0, 0);
        toDecrypt(2);
        VM.warp(uint256(federation.roundOf(2).finalizeDeadline) + 1);
        federation.abortRound(2);
        _assert(IFederation.Role.AGGREGATOR, 0, 0, 0, 2, 0, 0);
    }

    function test_missedInARow_untilSettled() public {
        for (uint256 round = 1; round <= 3; ++round) {
            openAndCommit(round, QUORUM);
            VM.warp(uint256(federation.roundOf(round).commitDeadline) + 1);
            federation.closeCommits(round);
            VM.warp(uint256(federation.roundOf(round).aggregateDeadline) + STANDBY_SECONDS + 1);
            federation.abortRound(round);
        }
        assertEq(federation.reputationOf(IFederation.Role.PARTICIPANT, 3).missedInARow, 3, "three in a row");
        toSettled(4);
        IFederation.Reputation memory counters = federation.reputationOf(IFederation.Role.PARTICIPANT, 3);
        assertEq(counters.missedInARow, 0, "none");
        assertEq(counters.missed, 3, "but three in all");
        assertEq(federation.eligible(), ALL, "maxMissed 0: nobody is suspended");
    }

    function test_slashed() public {
        toFinalized(1);
        convict(1, AGGREGATOR, true, STRANGER);
        _assert(IFederation.Role.AGGREGATOR, 0, 0, 0, 0, 1, 0);
        _assert(IFederation.Role.TRUSTEE, 0, 0, 0, 0, 1, 0);
        _assert(IFederation.Role.TRUSTEE, 2, 0, 0, 0, 0, 0);
    }

    /// @dev The counters are the place's: a rotation changes none, and they go on with the new account.
    function test_rotation_keepsThem() public {
        toSettled(1);
        rotate(participant(0), address(0x777));
        _assert(IFederation.Role.PARTICIPANT, 0, 1, 0, 0, 0, 0);
        open(2);
        for (uint256 i = 1; i < PARTICIPANTS; ++i) {
            commit(2, i);
        }
        VM.prank(address(0x777));
        federation.commitUpdate(2, rootOf(0), CIPHERTEXTS, proofOf(0));
        federation.closeCommits(2);
        aggregate(2, ALL);
        attest(2, 0);
        attest(2, 1);
        finalize(2);
        settle(2);
        _assert(IFederation.Role.PARTICIPANT, 0, 2, 0, 0, 0, 0);
    }

    function _assert(
        IFederation.Role role,
        uint8 index,
        uint256 accepted,
        uint256 late,
        uint256 missed,
        uint256 slashed,
        uint256 attested
    ) private view {
        IFederation.Reputation memory counters = federation.reputationOf(role, index);
        assertEq(counters.accepted, accepted, "accepted");
        assertEq(counters.late, late, "late");
        assertEq(counters.missed, missed, "missed");
        assertEq(counters.slashed, slashed, "slashed");
        assertEq(counters.attested, attested, "attested");
    }
}
