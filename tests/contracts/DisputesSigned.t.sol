// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {CourtFixture} from "./CourtFixture.sol";

/// @dev An ERC-1271 wallet with one owner.
contract Wallet {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        return
            ecrecover(digest, uint8(signature[64]), r, s) == OWNER
                ? this.isValidSignature.selector
                : bytes4(0);
    }
}

/// @dev Two different updates, or a receipt for one that was left out, convict who signed them, and nobody else.
contract DisputesSignedTest is CourtFixture {
    bytes32 private constant OTHER_ROOT = keccak256("another root");

    // ---------------------------------------------------------------------------------------------- equivocations

    function testFuzz_equivocation_convicts(uint8 phase, uint256 which, bytes32 root) public {
        which %= PARTICIPANTS; // the late one too: to be selected is enough
        VM.assume(root != roots[which]);
        if (phase % 3 == 0) toCommitted(1);
        if (phase % 3 == 1) toAggregated(1);
        if (phase % 3 == 2) toEnd(1);
        _equivocate(1, which, roots[which], root);
        assertPhase(1, IFederation.Phase.VOIDED);
        assertStatus(participant(which), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, PARTICIPANT_STAKE);
        assertEq(federation.totalStake(), STAKES - PARTICIPANT_STAKE, "nobody else's stake");
    }

    function test_equivocation_event() public {
        toEnd(1);
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT);
        announceEquivocation(CHALLENGER, 1, participant(0), first, second);
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            0, 1, IDisputes.Kind.EQUIVOCATION, IDisputes.Outcome.PROVEN, CHALLENGER, participant(0)
        );
        equivocate(CHALLENGER, 1, participant(0), first, second);
        assertEq(court.lastDispute(), 0, "it has no number");
    }

    /// @dev After an abort the stake goes, the phase stays. A second conviction takes nothing more.
    function test_equivocation_afterAbort_convictsTwice() public {
        toDead(1);
        VM.warp(federation.roundOf(1).finalizeDeadline + WINDOW - 1);
        _equivocate(1, 0, roots[0], OTHER_ROOT);
        assertPhase(1, IFederation.Phase.ABORTED);
        assertStatus(participant(0), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, PARTICIPANT_STAKE);
        _equivocate(1, 0, roots[0], keccak256("a third"));
        assertEq(federation.claimable(CHALLENGER), 2 * BOND + PARTICIPANT_STAKE / 2, "a bond back, no reward");
    }

    function test_equivocation_withoutCommits_convicts() public {
        toOpened(1);
        _equivocate(1, 2, roots[2], OTHER_ROOT);
        assertPhase(1, IFederation.Phase.VOIDED);
        assertStatus(participant(2), IFederation.Status.SLASHED);
    }

    /// @dev Each part of the content counts: the number of ciphertexts and the proof's hash, too.
    function test_equivocation_otherParts_convict() public {
        _equivocateWith(LEAVES, keccak256("another proof"));
        setUp();
        _equivocateWith(LEAVES + 1, proofOf(0));
    }

    function test_equivocation_ofWallet_convicts() public {
        uint256 ownerKey = uint256(keccak256("the wallet's owner"));
        Wallet wallet = new Wallet(VM.addr(ownerKey));
        register(address(wallet), IFederation.Role.PARTICIPANT);
        toOpened(1);
        announceAndEquivocate(
            CHALLENGER,
            1,
            address(wallet),
            signedBy(ownerKey, 1, SPEC, 1, roots[0]),
            signedBy(ownerKey, 1, SPEC, 1, OTHER_ROOT)
        );
        assertStatus(address(wallet), IFederation.Status.SLASHED);
    }

    /// @dev Who signs two updates with its key of that round is convicted after a rotation, too, in its new account.
    function test_equivocation_ofRetired_convictsItsPlace() public {
        toEnd(1);
        rotate(participant(0), address(0x1234));
        _equivocate(1, 0, roots[0], OTHER_ROOT);
        assertStatus(address(0x1234), IFederation.Status.SLASHED);
        assertPaid(CHALLENGER, PARTICIPANT_STAKE);
    }

    /// @dev A new certificate makes a new epoch of the same account; both epochs are its own.
    function test_equivocation_inLaterEpoch_convicts() public {
        rotate(participant(0), participant(0));
        toEnd(1);
        announceAndEquivocate(
            CHALLENGER,
            1,
            participant(0),
            signedBy(participantKey(0), 1, SPEC, 2, roots[0]),
            signedBy(participantKey(0), 1, SPEC, 2, OTHER_ROOT)
        );
        assertStatus(participant(0), IFederation.Status.SLASHED);
    }

    // -------------------------------------------------------------------------------------------------- omissions

    function test_omission_convicts() public {
        toEnd(1);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), roots[LATE]);
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            0, 1, IDisputes.Kind.OMISSION, IDisputes.Outcome.PROVEN, CHALLENGER, lead()
        );
        omit(CHALLENGER, 1, participant(LATE), 1, roots[LATE], receipt);
        assertConvicted(1, 0); // the trustees see the accepted set only
    }

    function test_omission_afterAbort_convicts() public {
        toDead(1);
        _omit(LEAD_KEY, 1);
        assertPhase(1, IFederation.Phase.ABORTED);
        assertStatus(lead(), IFederation.Status.SLASHED);
    }

    /// @dev A receipt outlives the aggregator's certificate and its account.
    function test_omission_afterRotation_convicts() public {
        toEnd(1);
        rotate(lead(), address(0x1234));
        _omit(LEAD_KEY, 1);
        assertStatus(address(0x1234), IFederation.Status.SLASHED);
    }

    function test_omission_withoutAggregate_reverts() public {
        toCommitted(1);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), roots[LATE]);
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        omit(CHALLENGER, 1, participant(LATE), 1, roots[LATE], receipt);
    }

    function test_omission_neverCommitted_reverts() public {
        register(address(0x1234), IFederation.Role.PARTICIPANT); // drawn, but does not commit
        toOpened(1);
        for (uint256 i = 0; i < 3; ++i) {
            VM.prank(participant(i));
            federation.commitUpdate(1, roots[i], LEAVES, proofOf(i));
        }
        VM.warp(federation.roundOf(1).commitDeadline + 1);
        federation.closeCommits(1);
        VM.prank(lead());
        federation.commitAggregate(1, ACCEPTED, aggregateRoot);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, address(0x1234), roots[0]);
        announceOmission(CHALLENGER, 1, address(0x1234), receipt);
        expectDispute(IDisputes.DisputeNotOmitted.selector, 1, address(0x1234));
        omit(CHALLENGER, 1, address(0x1234), 1, roots[0], receipt);
    }

    // ------------------------------------------------------------------------------------------------------ steps

    function _equivocate(uint256 round, uint256 which, bytes32 first, bytes32 second) private {
        announceAndEquivocate(
            CHALLENGER,
            round,
            participant(which),
            signedBy(participantKey(which), round, SPEC, 1, first),
            signedBy(participantKey(which), round, SPEC, 1, second)
        );
    }

    /// @dev The same root twice, with another number of ciphertexts or another proof the second time.
    function _equivocateWith(uint32 ciphertexts, bytes32 proofHash) private {
        toEnd(1);
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        bytes32 structHash = keccak256(
            abi.encode(UPDATE_TYPEHASH, uint256(1), SPEC, uint32(1), roots[0], ciphertexts, proofHash)
        );
        bytes memory signature = signWith(participantKey(0), typedData(structHash));
        IDisputes.SignedUpdate memory second =
            IDisputes.SignedUpdate(1, roots[0], ciphertexts, proofHash, signature);
        announceAndEquivocate(CHALLENGER, 1, participant(0), first, second);
        assertStatus(participant(0), IFederation.Status.SLASHED);
    }

    function _omit(uint256 privateKey, uint32 epoch) private {
        bytes memory receipt = receiptBy(privateKey, 1, epoch, participant(LATE), roots[LATE]);
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        omit(CHALLENGER, 1, participant(LATE), epoch, roots[LATE], receipt);
    }
}
