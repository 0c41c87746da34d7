// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Bitmap} from "../../contracts/rounds/Bitmap.sol";
import {Selection} from "../../contracts/rounds/Selection.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Ten participants of which five are drawn for each round.
contract SelectionTest is FederationFixture {
    using Bitmap for uint256;

    uint256 private constant TEN = 10;
    uint16 private constant DRAWN = 5;

    function setUp() public override {
        super.setUp();
        for (uint256 i = PARTICIPANTS; i < TEN; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
    }

    function defaultConfig() internal view override returns (IFederation.Config memory config) {
        config = super.defaultConfig();
        config.participantsPerRound = DRAWN;
        config.maxMissed = 2;
    }

    // ------------------------------------------------------------------------------------------------------ the draw

    /// @dev The vectors that the Python tests check too.
    function test_vectors_draw() public view {
        string memory json = VM.readFile("tests/vectors/draw.json");
        uint256 count;
        for (;; ++count) {
            string memory path = string.concat(".cases[", VM.toString(count), "]");
            if (!VM.keyExistsJson(json, path)) break;
            uint256 candidates = uint256(VM.parseJsonBytes32(json, string.concat(path, ".eligible")));
            uint256 wanted = VM.parseJsonUint(json, string.concat(path, ".count"));
            uint256 selected = candidates; // what the contract does without a draw
            if (wanted != 0 && wanted < candidates.count()) {
                selected = Selection.draw(
                    VM.parseJsonBytes32(json, string.concat(path, ".beacon")),
                    VM.parseJsonUint(json, string.concat(path, ".round")),
                    candidates,
                    wanted
                );
            }
            assertEq(
                bytes32(selected), VM.parseJsonBytes32(json, string.concat(path, ".selected")), "selected"
            );
        }
        assertTrue(count >= 5, "too few vectors");
    }

    /// @dev As many as wanted, and only candidates.
    function testFuzz_draw_isSubset(bytes32 beacon, uint256 round, uint256 candidates, uint256 wanted)
        public
        pure
    {
        wanted = bound(wanted, 0, candidates.count());
        uint256 selected = Selection.draw(beacon, round, candidates, wanted);
        assertEq(selected.count(), wanted, "how many");
        assertEq(selected & ~candidates, 0, "only candidates");
    }

    /// @dev Every candidate is drawn about as often as every other: 2,000 draws of 3 of 10.
    function test_draw_isFair() public pure {
        uint256[10] memory times;
        for (uint256 round = 0; round < 2000; ++round) {
            uint256 selected = Selection.draw(keccak256("fair"), round, 0x3ff, 3);
            for (uint256 i = 0; i < 10; ++i) {
                times[i] += (selected >> i) & 1;
            }
        }
        for (uint256 i = 0; i < 10; ++i) {
            assertTrue(
                times[i] > 520 && times[i] < 680, "expected 600, and a deviation of 20 at most four times"
            );
        }
    }

    // ---------------------------------------------------------------------------------------------------- the beacon

    function test_openRound_onlyTheDraw() public {
        VM.roll(height() + 1);
        (uint256 beaconBlock, bytes32 beacon, uint256 selected) = federation.drawOf();
        assertEq(beaconBlock, height() - 1, "the block of the deployment");
        assertEq(beacon, blockhash(beaconBlock), "beacon");
        assertEq(selected, Selection.draw(beacon, 1, (1 << TEN) - 1, DRAWN), "draw");
        assertEq(selected.count(), DRAWN, "how many");
        uint256 other = (1 << DRAWN) - 1;
        assertTrue(other != selected, "another set");
        bytes memory reason =
            abi.encodeWithSelector(IFederation.RoundInvalidSelection.selector, selected, other);
        openRefused(reason, AGGREGATOR, 1, other, QUORUM);
        openWith(AGGREGATOR, 1, selected, QUORUM);
        assertEq(federation.roundOf(1).selected, selected, "selected");
    }

    /// @dev In the block in which the last round ended its hash is not known: nobody can have chosen it.
    function test_drawOf_sameBlock_isZero() public {
        (uint256 beaconBlock, bytes32 beacon, uint256 selected) = federation.drawOf();
        assertEq(beaconBlock, height(), "this block");
        assertTrue(beacon == 0 && selected == 0, "not known yet");
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidSelection.selector, 0, 0);
        openRefused(reason, AGGREGATOR, 1, 0, QUORUM);
    }

    /// @dev The beacon is the block in which the last round ended: no waiting changes it for 256 blocks.
    function test_beacon_isTheEndOfTheLastRound() public {
        open(1);
        VM.warp(time() + 101);
        VM.roll(height() + 17);
        uint256 ended = height();
        federation.abortRound(1);
        VM.roll(ended + 1);
        (uint256 beaconBlock,, uint256 selected) = federation.drawOf();
        assertEq(beaconBlock, ended, "where it ended");
        VM.roll(ended + 256);
        (uint256 later,, uint256 same) = federation.drawOf();
        assertTrue(later == ended && same == selected, "the same draw for 256 blocks");
        openWith(AGGREGATOR, 2, same, QUORUM);
    }

    function test_beacon_rollsForward() public {
        uint256 ended = height();
        uint256[5] memory waits = [uint256(256), 257, 512, 513, 10_000];
        uint256[5] memory beacons = [uint256(0), 256, 256, 512, 9984];
        for (uint256 i = 0; i < waits.length; ++i) {
            VM.roll(ended + waits[i]);
            (uint256 beaconBlock, bytes32 beacon, uint256 selected) = federation.drawOf();
            assertEq(beaconBlock, ended + beacons[i], "beacon block");
            assertTrue(beacon != 0 && selected.count() == DRAWN, "known");
        }
    }

    /// @dev However long it waits, the beacon is in the past and known, and at a multiple of 256 after the end.
    function testFuzz_beacon_isKnown(uint256 waited) public {
        uint256 ended = height();
        waited = bound(waited, 1, 10_000_000);
        VM.roll(ended + waited);
        (uint256 beaconBlock, bytes32 beacon,) = federation.drawOf();
        assertTrue(beacon != 0 && beaconBlock < height(), "known");
        assertTrue(height() - beaconBlock <= 256, "recent");
        assertEq((beaconBlock - ended) % 256, 0, "a multiple of 256 later");
    }

    // -------------------------------------------------------------------------------------------------- who is drawn

    function test_draw_fewEligible_areAll() public {
        for (uint256 i = 0; i < DRAWN; ++i) {
            revoke(participant(i));
        }
        (,, uint256 selected) = federation.drawOf(); // in the same block: it needs no beacon
        assertEq(selected, 0x3e0, "all five that are left");
        openWith(AGGREGATOR, 1, selected, QUORUM);
    }

    function test_draw_tooFewForTheQuorum_reverts() public {
        for (uint256 i = 0; i < 9; ++i) {
            depart(participant(i));
        }
        bytes memory reason = abi.encodeWithSelector(IFederation.RoundInvalidQuorum.selector, 2, 1);
        openRefused(reason, AGGREGATOR, 1, 1 << 9, 2);
    }

    /// @dev A participant that misses two selections in a row is not drawn until it resumes.
    function test_suspension() public {
        uint256 missing = _missOne(1);
        address account = participant(missing);
        assertTrue((federation.eligible() >> missing) & 1 == 1, "one is forgiven");
        uint256 round = 2;
        while ((federation.eligible() >> missing) & 1 == 1) {
            _open(round);
            if ((federation.roundOf(round).selected >> missing) & 1 == 1) {
                VM.warp(federation.roundOf(round).commitDeadline + 1);
                VM.expectEmit(address(federation));
                emit IFederation.ParticipantSuspended(account);
                federation.abortRound(round); // nobody has committed: the others resume
                for (uint256 i = 0; i < TEN; ++i) {
                    if (i != missing) _resume(i);
                }
            } else {
                _endAll(round, missing);
            }
            ++round;
        }
        assertEq(
            federation.reputationOf(IFederation.Role.PARTICIPANT, uint8(missing)).missedInARow, 2, "in a row"
        );
        for (uint256 end = round + 5; round < end; ++round) {
            _open(round);
            assertEq((federation.roundOf(round).selected >> missing) & 1, 0, "not drawn");
            _endAll(round, missing);
        }
        VM.expectEmit(address(federation));
        emit IFederation.ParticipantResumed(account);
        VM.prank(account);
        federation.resume();
        assertEq((federation.eligible() >> missing) & 1, 1, "drawn again");
        assertEq(
            federation.reputationOf(IFederation.Role.PARTICIPANT, uint8(missing)).missedInARow, 0, "forgotten"
        );
    }

    function test_resume_notSuspended_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.ParticipantNotSuspended.selector, participant(0)));
        VM.prank(participant(0));
        federation.resume();
        VM.expectRevert(abi.encodeWithSelector(IFederation.ParticipantNotSuspended.selector, trustee(0)));
        VM.prank(trustee(0));
        federation.resume();
        depart(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.LEAVING);
        VM.prank(participant(0));
        federation.resume();
    }

    // ------------------------------------------------------------------------------------------------------ internal

    function _open(uint256 round) private {
        VM.roll(height() + 1);
        (,, uint256 selected) = federation.drawOf();
        openWith(AGGREGATOR, round, selected, QUORUM);
    }

    /// @dev A round in which one of the selected does not commit. Returns which.
    function _missOne(uint256 round) private returns (uint256 missing) {
        _open(round);
        uint256 selected = federation.roundOf(round).selected;
        while ((selected >> missing) & 1 == 0) {
            ++missing;
        }
        _endAll(round, missing);
    }

    /// @dev All selected but `missing` commit, commits close, and the round is aborted.
    function _endAll(uint256 round, uint256 missing) private {
        IFederation.Round memory r = federation.roundOf(round);
        for (uint256 i = 0; i < TEN; ++i) {
            if ((r.selected >> i) & 1 == 1 && i != missing) commit(round, i);
        }
        if ((r.selected >> missing) & 1 == 1) VM.warp(r.commitDeadline + 1);
        federation.closeCommits(round);
        VM.warp(uint256(r.aggregateDeadline) + STANDBY_SECONDS + 1);
        federation.abortRound(round);
    }

    function _resume(uint256 index) private {
        if ((federation.eligible() >> index) & 1 == 1) return;
        VM.prank(participant(index));
        federation.resume();
    }
}
