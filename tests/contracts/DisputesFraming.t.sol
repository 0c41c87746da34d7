// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerklePath} from "../../contracts/disputes/MerklePath.sol";
import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {CourtFixture} from "./CourtFixture.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {Schoolbook} from "./Schoolbook.sol";

/// @dev Every way we know to frame the honest, or to take a dispute from who brought it, one by one. In each of them
/// everybody was honest but the challenger; each test ends with all stakes where they were, and the round not voided.
contract DisputesFramingTest is CourtFixture {
    bytes32 private constant OTHER_ROOT = keccak256("another root");

    modifier harmless() {
        toEnd(1);
        _;
        assertUnharmed(1);
    }

    // ------------------------------------------------------------------------------------------------- false leaves

    /// @dev Two leaves for one index: under one root an index has one leaf. Neither the leaf of another index, nor the
    /// same leaf with another index's path, nor an inner node is taken for it.
    function test_twoLeavesForOneIndex() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        all[0].ciphertext = updates[2][2];
        _expectRefusedLeaf(1, all);
        all[0].path = pathOf(updates[2], 2);
        _expectRefusedLeaf(1, all);
        all[0].ciphertext = updates[2][1];
        _expectRefusedLeaf(1, all);
        all[0].ciphertext = abi.encodePacked(
            keccak256(bytes.concat(hex"00", updates[2][0])), keccak256(bytes.concat(hex"00", updates[2][1]))
        );
        _expectRefusedLeaf(1, all);
    }

    /// @dev Wrong length: padded, cut, or empty, a leaf is another leaf. So the marker for unfit leaves cannot be had.
    function test_wrongLength() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        all[0].ciphertext = bytes.concat(hex"00", updates[2][1]);
        _expectRefusedLeaf(1, all);
        all[0].ciphertext = bytes.concat(updates[2][1], hex"00");
        _expectRefusedLeaf(1, all);
        all[0].ciphertext = "";
        _expectRefusedLeaf(1, all);
    }

    /// @dev An accepted update's leaf cannot be left out by giving none.
    function test_leafLeftOut() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        (all[0].ciphertext, all[0].path) = ("", new bytes32[](0));
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        expectKind(MerklePath.MerkleWrongPathLength.selector);
        multiply(CHALLENGER, dispute, "", starts[0], all);
    }

    /// @dev Unreduced operands: the same number plus the modulus is another leaf.
    function test_unreducedOperand() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        all[0].ciphertext = modulus;
        _expectRefusedLeaf(1, all);
    }

    /// @dev A proof from another tree: of another participant, and of a tree of the challenger's own.
    function test_otherTree() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        (all[0].ciphertext, all[0].path) = (updates[0][1], pathOf(updates[0], 1));
        _expectRefusedLeaf(1, all);
        bytes[] memory own = updates[2];
        own[1] = modulus;
        (all[0].ciphertext, all[0].path) = (own[1], pathOf(own, 1));
        _expectRefusedLeaf(1, all);
    }

    /// @dev With the root of the own tree the leaf is fine, but the commitments are not the round's.
    function test_otherRoot() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        bytes[] memory own = updates[2];
        own[1] = modulus;
        (all[0].root, all[0].ciphertext, all[0].path) = (MerkleTree.root(own), own[1], pathOf(own, 1));
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], all);
        assertEq(court.disputeOf(dispute).productHash, UNFIT, "marked, for a made-up commitment");
        _expectWrongCommitments(dispute, 1);
    }

    /// @dev A proof from another round: its commitments lead to that round's transcript.
    function test_otherRound() public {
        toEnd(1);
        bytes32 start = starts[0];
        IDisputes.Contribution[] memory earlier = column(1);
        bytes32 earlierRoot = aggregateRoot;
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            updates[i][1] = ciphertext(i + 10, 1);
        }
        aggregateHonestly();
        toEnd(2);
        uint256 dispute = challenge(CHALLENGER, 2, 1);
        multiply(CHALLENGER, dispute, "", start, earlier);
        bytes memory product = _productOf(earlier);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 2);
        _conclude(dispute, product, earlierRoot, aggregates[1], 1);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 2);
        _conclude(dispute, product, aggregateRoot, aggregates[1], 1);
        assertUnharmed(2);
    }

    /// @dev One participant's commitment in another's place.
    function test_otherParticipant() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        all[0].participant = participant(0);
        all[2].participant = participant(2);
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], all);
        _expectWrongCommitments(dispute, 1);
    }

    // --------------------------------------------------------------------------------------------- false aggregates

    /// @dev Another ciphertext, another index, or another root than the aggregate's.
    function test_otherAggregate() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiplyAll(CHALLENGER, dispute, 1);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        _conclude(dispute, products[1], aggregateRoot, aggregates[2], 1);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        _conclude(dispute, products[1], aggregateRoot, aggregates[2], 2);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        _conclude(dispute, products[1], aggregateRoot, bytes.concat(hex"00", aggregates[1]), 1);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        _conclude(dispute, products[1], roots[0], aggregates[1], 1);
    }

    // -------------------------------------------------------------------------------------------- false commitments

    /// @dev A truncated list: the last left out does not lead to the round's transcript; the first left out does, but
    /// then fewer were multiplied than were accepted.
    function test_truncated() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], slice(column(1), 0, 3));
        _expectWrongCommitments(dispute, 1);

        dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[1], slice(column(1), 1, PARTICIPANTS));
        expectIncomplete(dispute, 2);
        conclude(CHALLENGER, dispute, 1);

        dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[PARTICIPANTS], new IDisputes.Contribution[](0));
        expectIncomplete(dispute, 0);
        conclude(CHALLENGER, dispute, 1);
    }

    /// @dev One in the middle left out, and two in the other order.
    function test_leftOutOrReordered() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        IDisputes.Contribution[] memory some = slice(all, 0, 3);
        some[1] = all[2];
        some[2] = all[3];
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], some);
        _expectWrongCommitments(dispute, 1);

        (all[2], all[3]) = (all[3], all[2]);
        dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], all);
        _expectWrongCommitments(dispute, 1);
    }

    /// @dev A fabricated start: whatever it is, the end is another.
    function testFuzz_fabricatedStart(bytes32 start) public {
        toEnd(1);
        VM.assume(start != starts[0]);
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", start, column(1));
        _expectWrongCommitments(dispute, 1);
        assertUnharmed(1);
    }

    /// @dev A step cannot begin elsewhere than the one before ended.
    function test_otherStartInTheMiddle() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        IDisputes.Contribution[] memory all = column(1);
        multiply(CHALLENGER, dispute, "", starts[0], slice(all, 0, 2));
        bytes memory product = productOf(1, 2);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        multiply(CHALLENGER, dispute, product, starts[0], all);
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        multiply(CHALLENGER, dispute, product, starts[3], slice(all, 3, 4));
    }

    /// @dev A participant counted twice, to make up for one left out.
    function test_countedTwice() public harmless {
        IDisputes.Contribution[] memory all = column(1);
        all[3] = all[2];
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiply(CHALLENGER, dispute, "", starts[0], all);
        assertEq(court.disputeOf(dispute).counted, 3, "as many as were accepted");
        _expectWrongCommitments(dispute, 1);
    }

    /// @dev The commitments gone through twice: the count is too high, and the end is another.
    function test_goneThroughTwice() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiplyAll(CHALLENGER, dispute, 1);
        multiply(CHALLENGER, dispute, products[1], starts[PARTICIPANTS], column(1));
        _expectWrongCommitments(dispute, 1);
    }

    /// @dev One who is not accepted passed off as one who is not there, by an account that nobody admitted; and a
    /// trustee, an aggregator as participant: they count for nothing, and the commitments are not the round's.
    function test_strangersAmongCommitments() public harmless {
        address[3] memory strangers = [address(0x5555), trustee(0), lead()];
        for (uint256 i = 0; i < 3; ++i) {
            IDisputes.Contribution[] memory all = column(1);
            all[0].participant = strangers[i];
            uint256 dispute = challenge(CHALLENGER, 1, 1);
            multiply(CHALLENGER, dispute, "", starts[0], all);
            assertEq(court.disputeOf(dispute).counted, 2, "not counted");
            _expectWrongCommitments(dispute, 1);
        }
    }

    // ------------------------------------------------------------------------------------------------ false numbers

    /// @dev Another modulus would make another product.
    function test_otherModulus() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        bytes memory other = bytes.concat(hex"fe", draw("modulus", 63));
        VM.expectRevert(IDisputes.DisputeWrongModulus.selector);
        VM.prank(CHALLENGER);
        court.multiply(dispute, other, "", starts[0], column(1));
        VM.expectRevert(IDisputes.DisputeWrongModulus.selector);
        VM.prank(CHALLENGER);
        court.multiply(dispute, bytes.concat(hex"00", modulus), "", starts[0], column(1));
        multiplyAll(CHALLENGER, dispute, 1);
        VM.expectRevert(IDisputes.DisputeWrongModulus.selector);
        VM.prank(CHALLENGER);
        court.conclude(dispute, other, products[1], aggregateRoot, aggregates[1], pathOf(aggregates, 1));
    }

    /// @dev Another product to go on with, at the beginning, in the middle and at the end.
    function test_otherProduct() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        IDisputes.Contribution[] memory all = column(1);
        expectDispute(IDisputes.DisputeWrongProduct.selector, dispute);
        multiply(CHALLENGER, dispute, updates[0][0], starts[0], all);
        multiply(CHALLENGER, dispute, "", starts[0], slice(all, 0, 2));
        expectDispute(IDisputes.DisputeWrongProduct.selector, dispute);
        multiply(CHALLENGER, dispute, updates[0][0], starts[2], slice(all, 2, 4));
        expectDispute(IDisputes.DisputeWrongProduct.selector, dispute);
        multiply(CHALLENGER, dispute, "", starts[2], slice(all, 2, 4));
        bytes memory product = productOf(1, 2);
        multiply(CHALLENGER, dispute, product, starts[2], slice(all, 2, 4));
        expectDispute(IDisputes.DisputeWrongProduct.selector, dispute);
        _conclude(dispute, product, aggregateRoot, aggregates[1], 1);
    }

    // ------------------------------------------------------------------------------------------- other's disputes

    /// @dev A dispute is announced before it is brought, in an earlier block.
    function test_notAnnounced() public harmless {
        provide(CHALLENGER, BOND);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT);

        bytes memory content = abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1));
        bytes32 announcement = keccak256(abi.encode(CHALLENGER, keccak256(content), SALT));
        VM.prank(CHALLENGER);
        court.announce(announcement);
        VM.expectRevert(abi.encodeWithSelector(IDisputes.DisputeNotAnnounced.selector, announcement));
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
    }

    /// @dev Copying somebody's announced dispute from the mempool: the copy was announced by its victim, not by the thief,
    /// and an announcement that the thief repeats still names the victim. The victim is not held up.
    function test_copied() public harmless {
        bytes memory content = abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1));
        announce(CHALLENGER, content);
        provide(RIVAL, BOND);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(RIVAL);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
        VM.prank(RIVAL);
        court.announce(keccak256(abi.encode(CHALLENGER, keccak256(content), SALT)));
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(RIVAL);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT); // in the block in which it was repeated
    }

    /// @dev Announcing in advance what anybody might be caught at, to take the proof from who finds it: the announcement of
    /// what is decided at once holds the signatures, which nobody knows before they are shown.
    function test_announcedInAdvance() public {
        toEnd(1);
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), roots[LATE]);
        IDisputes.SignedUpdate memory unknown;
        announceEquivocation(RIVAL, 1, participant(0), first, unknown);
        announceOmission(RIVAL, 1, participant(LATE), "");
        announceEquivocation(CHALLENGER, 1, participant(0), first, second);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        equivocate(RIVAL, 1, participant(0), first, second);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        omit(RIVAL, 1, participant(LATE), 1, roots[LATE], receipt);
        assertUnharmed(1);
        equivocate(CHALLENGER, 1, participant(0), first, second);
        assertStatus(participant(0), IFederation.Status.SLASHED);
    }

    /// @dev An announcement is for one dispute of one content; to use it again it must be made again.
    function test_announcedSomethingElse() public harmless {
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1)));
        provide(CHALLENGER, BOND);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 2, SALT);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, keccak256("other salt"));
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
        expectKind(IDisputes.DisputeNotAnnounced.selector);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
    }

    /// @dev Stepping, concluding or expiring somebody else's dispute.
    function test_otherChallenger() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        expectDispute(IDisputes.DisputeNotYours.selector, dispute, CHALLENGER);
        multiply(RIVAL, dispute, "", starts[0], column(1));
        multiplyAll(CHALLENGER, dispute, 1);
        expectDispute(IDisputes.DisputeNotYours.selector, dispute, CHALLENGER);
        conclude(RIVAL, dispute, 1);
        bytes32 treeHash = MerkleTree.treeHash(updates[0], 0, LEAVES);
        expectDispute(IDisputes.DisputeNotYours.selector, dispute, CHALLENGER);
        VM.prank(RIVAL);
        court.proveWrongCount(dispute, starts[2], suffix(2), aggregateRoot, LEAVES, treeHash);
        expectDispute(IDisputes.DisputeStillRunning.selector, dispute, court.disputeOf(dispute).deadline);
        VM.prank(RIVAL);
        court.expire(dispute);
        expectDispute(IDisputes.DisputeNotMoot.selector, dispute);
        VM.prank(RIVAL);
        court.withdraw(dispute);
    }

    /// @dev A dispute of one kind is not gone on with as one of another.
    function test_otherKind() public harmless {
        uint256 demanded = demand(CHALLENGER, 1, 0, 1);
        expectDispute(IDisputes.DisputeNotOpen.selector, demanded);
        multiplyAll(CHALLENGER, demanded, 1);
        expectDispute(IDisputes.DisputeNotOpen.selector, demanded);
        conclude(CHALLENGER, demanded, 1);
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        bytes32[] memory path = pathOf(updates[2], 1);
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        court.reveal(dispute, updates[2][1], path);
        expectDispute(IDisputes.DisputeNotOpen.selector, 0);
        court.expire(0);
        expectDispute(IDisputes.DisputeNotOpen.selector, 99);
        court.withdraw(99);
    }

    /// @dev Replaying a decided dispute.
    function test_decided() public harmless {
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        multiplyAll(CHALLENGER, dispute, 1);
        conclude(CHALLENGER, dispute, 1);
        uint256 pool = federation.rewardPool();
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        conclude(CHALLENGER, dispute, 1);
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        multiplyAll(CHALLENGER, dispute, 1);
        pass(DISPUTE + 1);
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        court.expire(dispute);
        expectDispute(IDisputes.DisputeNotOpen.selector, dispute);
        court.withdraw(dispute);
        assertEq(federation.rewardPool(), pool, "no bond is paid twice");
    }

    /// @dev Disputing a settled round.
    function test_settled() public harmless {
        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1)));
        announceDemand(CHALLENGER, 1, address(0), 1);
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT);
        announceEquivocation(CHALLENGER, 1, participant(0), first, second);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), roots[LATE]);
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        settle(1);
        uint256 staked = federation.totalStake();
        for (uint256 i = 0; i < 2; ++i) {
            // in the window's time too: what was settled is settled
            if (i == 1) VM.warp(START);
            expectDispute(IDisputes.DisputeTooLate.selector, 1);
            VM.prank(CHALLENGER);
            court.challengeAggregate{value: BOND}(1, 1, SALT);
            expectDispute(IDisputes.DisputeTooLate.selector, 1);
            VM.prank(CHALLENGER);
            court.challengeAvailability{value: BOND}(
                1, address(0), 1, starts[PARTICIPANTS], suffix(PARTICIPANTS), aggregateRoot, SALT
            );
            expectDispute(IDisputes.DisputeTooLate.selector, 1);
            equivocate(CHALLENGER, 1, participant(0), first, second);
            expectDispute(IDisputes.DisputeTooLate.selector, 1);
            omit(CHALLENGER, 1, participant(LATE), 1, roots[LATE], receipt);
        }
        assertEq(federation.totalStake(), staked, "all stakes");
    }

    // ---------------------------------------------------------------------------------------------- false signatures

    /// @dev A key that was handed on, and stolen, signs for a later round: it has no part in that.
    function test_stolenRetiredKey() public {
        rotate(participant(0), VM.addr(0x1234));
        toOpened(1);
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT);
        announceEquivocation(CHALLENGER, 1, participant(0), first, second);
        expectDispute(IDisputes.DisputeNotInForce.selector, 1, participant(0));
        equivocate(CHALLENGER, 1, participant(0), first, second);
        announceEquivocation(CHALLENGER, 1, VM.addr(0x1234), first, second);
        VM.expectRevert(abi.encodeWithSelector(IDisputes.DisputeInvalidSignature.selector, VM.addr(0x1234)));
        equivocate(CHALLENGER, 1, VM.addr(0x1234), first, second);
        assertUnharmed(1);
    }

    /// @dev The key of one who left, or never was selected: to void rounds with it would cost nothing.
    function test_notSelected() public {
        depart(participant(0));
        toOpened(1);
        _expectNotInForce(participant(0), participantKey(0), 1, 1);
        register(VM.addr(0x1234), IFederation.Role.PARTICIPANT);
        _expectNotInForce(VM.addr(0x1234), 0x1234, 1, 1);
        admit(VM.addr(0x5678), IFederation.Role.PARTICIPANT);
        _expectNotInForce(VM.addr(0x5678), 0x5678, 1, 1);
        _expectNotInForce(VM.addr(0x9abc), 0x9abc, 1, 1);
        _expectNotInForce(standby(), STANDBY_KEY, 1, 1); // its index is that of a participant that was selected
    }

    /// @dev The same update signed in two epochs, or twice in one, is one update; and two epochs are no equivocation.
    function test_sameContent() public harmless {
        rotate(participant(0), participant(0));
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        announceEquivocation(CHALLENGER, 1, participant(0), first, first);
        VM.expectRevert(IDisputes.DisputeSameContent.selector);
        equivocate(CHALLENGER, 1, participant(0), first, first);
        _expectNotInForce(participant(0), participantKey(0), 1, 2);
    }

    /// @dev An epoch that the account never had.
    function test_otherEpoch() public harmless {
        _expectNotInForce(participant(0), participantKey(0), 0, 0);
        _expectNotInForce(participant(0), participantKey(0), 2, 2);
    }

    /// @dev A signature for another round's spec, another round, another federation, or by another account.
    function test_otherMessage() public harmless {
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        _expectInvalidSignature(first, signedBy(participantKey(0), 1, keccak256("other spec"), 1, OTHER_ROOT));
        _expectInvalidSignature(first, signedBy(participantKey(0), 2, SPEC, 1, OTHER_ROOT));
        _expectInvalidSignature(first, signedBy(participantKey(1), 1, SPEC, 1, OTHER_ROOT));
        bytes32 structHash = keccak256(
            abi.encode(UPDATE_TYPEHASH, uint256(1), SPEC, uint32(1), OTHER_ROOT, LEAVES, proofOf(0))
        );
        bytes32 elsewhere =
            keccak256(abi.encodePacked(hex"1901", domainOf(address(0x1), block.chainid), structHash));
        bytes memory signature = signWith(participantKey(0), elsewhere);
        _expectInvalidSignature(first, IDisputes.SignedUpdate(1, OTHER_ROOT, LEAVES, proofOf(0), signature));
        _expectInvalidSignature(first, IDisputes.SignedUpdate(1, OTHER_ROOT, LEAVES, proofOf(0), ""));
    }

    /// @dev The other signature with the same key and nonce, s turned over: of the same content it proves nothing, and it
    /// is no signature.
    function test_malleated() public harmless {
        IDisputes.SignedUpdate memory first = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(0), 1, SPEC, 1, roots[0]);
        second.signature = _malleate(second.signature);
        announceEquivocation(CHALLENGER, 1, participant(0), first, second);
        VM.expectRevert(IDisputes.DisputeSameContent.selector);
        equivocate(CHALLENGER, 1, participant(0), first, second);
        second = signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT);
        second.signature = _malleate(second.signature);
        _expectInvalidSignature(first, second);
    }

    /// @dev A receipt for another round or root, by another aggregator, in an epoch that it never had.
    function test_otherReceipt() public harmless {
        bytes memory receipt = receiptBy(LEAD_KEY, 2, 1, participant(LATE), roots[LATE]);
        _expectInvalidReceipt(roots[LATE], receipt);
        receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), OTHER_ROOT);
        _expectInvalidReceipt(roots[LATE], receipt);
        receipt = receiptBy(LEAD_KEY, 1, 1, participant(0), roots[LATE]);
        _expectInvalidReceipt(roots[LATE], receipt);
        receipt = receiptBy(STANDBY_KEY, 1, 1, participant(LATE), roots[LATE]);
        _expectInvalidReceipt(roots[LATE], receipt);

        for (uint32 epoch = 0; epoch < 3; epoch += 2) {
            receipt = receiptBy(LEAD_KEY, 1, epoch, participant(LATE), roots[LATE]);
            announceOmission(CHALLENGER, 1, participant(LATE), receipt);
            expectDispute(IDisputes.DisputeNotInForce.selector, 1, lead());
            omit(CHALLENGER, 1, participant(LATE), epoch, roots[LATE], receipt);
        }
    }

    /// @dev A receipt for an accepted participant, or for somebody who is none.
    function test_receiptOfAccepted() public harmless {
        address[3] memory others = [participant(0), trustee(0), address(0x5555)];
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, others[i], roots[0]);
            announceOmission(CHALLENGER, 1, others[i], receipt);
            expectDispute(IDisputes.DisputeNotOmitted.selector, 1, others[i]);
            omit(CHALLENGER, 1, others[i], 1, roots[0], receipt);
        }
    }

    /// @dev An aggregator that takes a round over answers for its own receipts only.
    function test_receiptBeforeTakeOver() public {
        toCommitted(1);
        bytes memory receipt = receiptBy(LEAD_KEY, 1, 1, participant(LATE), roots[LATE]);
        VM.warp(federation.roundOf(1).aggregateDeadline + 1);
        VM.prank(standby());
        federation.takeOver(1);
        VM.prank(standby());
        federation.commitAggregate(1, ACCEPTED, aggregateRoot);
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        VM.expectRevert(abi.encodeWithSelector(IDisputes.DisputeInvalidSignature.selector, standby()));
        omit(CHALLENGER, 1, participant(LATE), 1, roots[LATE], receipt);
        assertUnharmed(1);
    }

    // ------------------------------------------------------------------------------------------------ after the end

    /// @dev After a round was voided an open dispute is moot: nobody can go on with it, nobody is convicted by it, and its
    /// challenger gets the bond back.
    function test_voided() public {
        toEnd(1);
        uint256 dispute = challenge(CHALLENGER, 1, 1);
        uint256 demanded = demand(CHALLENGER, 1, 0, 1);
        multiplyAll(CHALLENGER, dispute, 1);
        announceAndEquivocate(
            RIVAL,
            1,
            participant(0),
            signedBy(participantKey(0), 1, SPEC, 1, roots[0]),
            signedBy(participantKey(0), 1, SPEC, 1, OTHER_ROOT)
        );
        uint256 staked = federation.totalStake();

        announce(CHALLENGER, abi.encode(IDisputes.Kind.AGGREGATE, uint256(1), uint32(1)));
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        VM.prank(CHALLENGER);
        court.challengeAggregate{value: BOND}(1, 1, SALT);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        conclude(CHALLENGER, dispute, 1);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        multiplyAll(CHALLENGER, dispute, 1);
        bytes32[] memory path = pathOf(updates[2], 1);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        court.reveal(demanded, updates[2][1], path);
        pass(DISPUTE + 1);
        expectDispute(IDisputes.DisputeTooLate.selector, 1);
        court.expire(demanded);

        VM.prank(STRANGER);
        court.withdraw(dispute);
        assertOutcome(dispute, IDisputes.Outcome.MOOT);
        VM.expectEmit(address(court));
        emit IDisputes.DisputeDecided(
            demanded, 1, IDisputes.Kind.AVAILABILITY, IDisputes.Outcome.MOOT, CHALLENGER, address(0)
        );
        court.withdraw(demanded);
        expectDispute(IDisputes.DisputeNotOpen.selector, demanded);
        court.withdraw(demanded);
        assertEq(federation.claimable(CHALLENGER), 2 * BOND, "both bonds");
        assertEq(federation.totalStake(), staked, "nobody else's stake");
        assertEq(court.openDisputesOf(1), 0, "none open");
        assertSolvent();
    }

    /// @dev The verdicts are the court's alone: nobody else can convict, or move bonds.
    function test_convictByOthers() public harmless {
        expectKind(IFederation.NotDisputes.selector);
        federation.convict(1, lead(), true, CHALLENGER, 1);
        expectKind(IFederation.NotDisputes.selector);
        federation.creditBond(CHALLENGER);
        expectKind(IFederation.NotDisputes.selector);
        federation.takeBond(CHALLENGER);
    }

    // -------------------------------------------------------------------------------------------------- all together

    /// @dev Two challengers with everything that was ever published, who do whatever they like in whatever order, and an
    /// aggregator that only answers what is demanded of it: nobody is slashed, and the round is settled at last.
    /// forge-config: default.fuzz.runs = 256
    function testFuzz_anySequence(uint256 seed) public {
        toEnd(1);
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _act(seed % 2 == 0 ? CHALLENGER : RIVAL, seed >> 8);
        }
        assertUnharmed(1);
        pass(WINDOW + DISPUTE);
        for (uint256 dispute = court.lastDispute(); dispute != 0; --dispute) {
            try court.expire(dispute) {} catch {}
        }
        assertEq(court.openDisputesOf(1), 0, "all ended");
        assertUnharmed(1);
        settle(1);
        assertEq(federation.totalStake(), STAKES, "all stakes");
    }

    function _act(address sender, uint256 seed) private {
        uint256 dispute = (seed >> 8) % (court.lastDispute() + 1);
        uint32 leaf = uint32((seed >> 16) % LEAVES);
        uint256 from = (seed >> 24) % (PARTICIPANTS + 1);
        uint256 kind = seed % 16;
        if (kind < 3) {
            challenge(sender, 1, leaf);
        } else if (kind < 8) {
            bytes memory product = productOf(leaf, from);
            IDisputes.Contribution[] memory some = _shuffled(column(leaf), from, seed >> 32);
            VM.prank(sender);
            try court.multiply(dispute, modulus, product, starts[from], some) {} catch {}
        } else if (kind < 10) {
            bytes32[] memory path = pathOf(aggregates, leaf);
            bytes memory product = productOf(leaf, from);
            VM.prank(sender);
            try court.conclude(dispute, modulus, product, aggregateRoot, aggregates[leaf], path) {} catch {}
        } else if (kind == 10) {
            if (from < PARTICIPANTS && order[from] == LATE) return;
            uint256 demanded = demand(sender, 1, from, leaf);
            _answer(demanded, from, leaf);
        } else if (kind == 11) {
            bytes[] memory leaves = updates[(seed >> 32) % PARTICIPANTS];
            bytes32 treeHash = MerkleTree.treeHash(leaves, 0, LEAVES);
            VM.prank(sender);
            try court.proveWrongCount(
                dispute, starts[from], suffix(from), aggregateRoot, LEAVES + leaf, treeHash
            ) {}
                catch {}
        } else if (kind == 12) {
            VM.prank(sender);
            try court.expire(dispute) {} catch {}
        } else if (kind == 13) {
            VM.prank(sender);
            try court.withdraw(dispute) {} catch {}
        } else if (kind == 14) {
            _accuse(sender, seed >> 32);
        } else {
            pass((seed >> 32) % DISPUTE);
        }
    }

    /// @dev The honest aggregator shows what is demanded.
    function _answer(uint256 dispute, uint256 from, uint256 leaf) private {
        bytes[] memory leaves = from == PARTICIPANTS ? aggregates : updates[order[from]];
        bytes32[] memory path = pathOf(leaves, leaf);
        VM.prank(lead());
        court.reveal(dispute, leaves[leaf], path);
    }

    /// @dev With what was signed honestly: one update of each participant, one receipt for each that was accepted.
    function _accuse(address sender, uint256 seed) private {
        uint256 which = seed % PARTICIPANTS;
        uint256 other = (seed >> 8) % PARTICIPANTS;
        IDisputes.SignedUpdate memory first = signedBy(participantKey(which), 1, SPEC, 1, roots[which]);
        IDisputes.SignedUpdate memory second = signedBy(participantKey(other), 1, SPEC, 1, roots[other]);
        announceEquivocation(sender, 1, participant(which), first, second);
        VM.prank(sender);
        try court.challengeEquivocation{value: BOND}(1, participant(which), first, second, SALT) {} catch {}

        bytes memory receipt =
            receiptBy(which == LATE ? STANDBY_KEY : LEAD_KEY, 1, 1, participant(which), roots[which]);
        announceOmission(sender, 1, participant(other), receipt);
        VM.prank(sender);
        try court.challengeOmission{value: BOND}(1, participant(other), 1, roots[which], receipt, SALT) {}
            catch {}
    }

    /// @dev The contributions from number `from` on, with some taken twice, left out or moved.
    function _shuffled(IDisputes.Contribution[] memory all, uint256 from, uint256 seed)
        private
        pure
        returns (IDisputes.Contribution[] memory some)
    {
        if (seed % 2 == 0) return slice(all, from, PARTICIPANTS); // honest, to get somewhere
        some = new IDisputes.Contribution[]((seed >> 8) % 6);
        for (uint256 k = 0; k < some.length; ++k) {
            some[k] = all[(seed >> (16 + 8 * k)) % PARTICIPANTS];
        }
    }

    // ------------------------------------------------------------------------------------------------------ steps

    /// @dev A new dispute whose one step is refused for its first leaf.
    function _expectRefusedLeaf(uint32 leaf, IDisputes.Contribution[] memory all) private {
        uint256 dispute = challenge(CHALLENGER, 1, leaf);
        expectKind(MerklePath.MerkleWrongRoot.selector);
        multiply(CHALLENGER, dispute, "", starts[0], all);
    }

    function _expectWrongCommitments(uint256 dispute, uint256 leaf) private {
        expectDispute(IDisputes.DisputeWrongCommitments.selector, 1);
        conclude(CHALLENGER, dispute, leaf);
    }

    function _conclude(
        uint256 dispute,
        bytes memory product,
        bytes32 root,
        bytes memory ciphertext_,
        uint256 leaf
    ) private {
        bytes32[] memory path = pathOf(aggregates, leaf);
        VM.prank(CHALLENGER);
        court.conclude(dispute, modulus, product, root, ciphertext_, path);
    }

    function _productOf(IDisputes.Contribution[] memory all) private view returns (bytes memory product) {
        product = all[0].ciphertext;
        for (uint256 k = 1; k < all.length; ++k) {
            if (all[k].ciphertext.length != 0) {
                product = Schoolbook.multiply(product, all[k].ciphertext, modulus);
            }
        }
    }

    function _expectNotInForce(address account, uint256 privateKey, uint32 first, uint32 second) private {
        IDisputes.SignedUpdate memory one = signedBy(privateKey, 1, SPEC, first, roots[0]);
        IDisputes.SignedUpdate memory two = signedBy(privateKey, 1, SPEC, second, OTHER_ROOT);
        announceEquivocation(CHALLENGER, 1, account, one, two);
        expectDispute(IDisputes.DisputeNotInForce.selector, 1, account);
        equivocate(CHALLENGER, 1, account, one, two);
    }

    /// @dev Of participant 0, in both orders.
    function _expectInvalidSignature(
        IDisputes.SignedUpdate memory first,
        IDisputes.SignedUpdate memory second
    ) private {
        for (uint256 i = 0; i < 2; ++i) {
            announceEquivocation(CHALLENGER, 1, participant(0), first, second);
            VM.expectRevert(
                abi.encodeWithSelector(IDisputes.DisputeInvalidSignature.selector, participant(0))
            );
            equivocate(CHALLENGER, 1, participant(0), first, second);
            (first, second) = (second, first);
        }
    }

    function _expectInvalidReceipt(bytes32 root, bytes memory receipt) private {
        announceOmission(CHALLENGER, 1, participant(LATE), receipt);
        VM.expectRevert(abi.encodeWithSelector(IDisputes.DisputeInvalidSignature.selector, lead()));
        omit(CHALLENGER, 1, participant(LATE), 1, root, receipt);
    }

    function _malleate(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 r, uint256 s) = abi.decode(signature, (bytes32, uint256));
        uint8 v = uint8(signature[64]);
        uint256 order_ = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        return abi.encodePacked(r, order_ - s, uint8(v == 27 ? 28 : 27));
    }
}
