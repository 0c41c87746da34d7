// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {Schoolbook} from "./Schoolbook.sol";

/// @dev The cheat code that only these tests use.
interface VmCourt {
    function expectPartialRevert(bytes4 selector) external;
}

/// @dev A round with real ciphertexts, real trees and a real aggregate under a small modulus, and all that a challenger
/// needs for a dispute about it. Of four participants three are accepted; the fourth commits, second in order, and its
/// update comes too late. Tests change updates, aggregate or roots before the round is run.
abstract contract CourtFixture is FederationFixture {
    uint32 internal constant LEAVES = 5;
    uint256 internal constant ACCEPTED = 7;
    uint256 internal constant LATE = 3;
    uint256 internal constant LEAD_KEY = uint256(keccak256("the aggregator's key"));
    uint256 internal constant STANDBY_KEY = uint256(keccak256("the standby's key"));
    address internal constant CHALLENGER = address(0xc0de);
    address internal constant RIVAL = address(0xfade);
    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant UNFIT = bytes32(uint256(1));
    bytes32 internal constant RECEIPT_TYPEHASH =
        keccak256("Receipt(uint256 round,bytes32 specHash,uint32 epoch,address participant,bytes32 root)");

    IDisputes internal court;
    bytes internal modulus;
    bytes[][PARTICIPANTS] internal updates;
    bytes[] internal aggregates;
    bytes[] internal products; // what the aggregate should be
    bytes32[PARTICIPANTS] internal roots;
    bytes32 internal aggregateRoot;
    uint256[PARTICIPANTS] internal order = [2, LATE, 0, 1];
    bytes32[PARTICIPANTS + 1] internal starts; // the transcript before each commitment, and after the last

    function setUp() public virtual override {
        VM.warp(START);
        VM.roll(1000);
        setUpCourt(bytes.concat(hex"ff", draw("modulus", 63)));
    }

    /// @dev A new federation whose key has this modulus, and updates for one round.
    function setUpCourt(bytes memory oddModulus) internal {
        modulus = oddModulus;
        modulus[modulus.length - 1] |= 0x01;
        deployEmpty(defaultConfig());
        court = IDisputes(federation.disputes());
        register(lead(), IFederation.Role.AGGREGATOR);
        register(standby(), IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        VM.prank(OPERATOR);
        federation.publishKey(KEY_ID, THRESHOLD, uint8(TRUSTEES), keccak256(modulus));
        fund(OPERATOR, POOL);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            delete updates[i];
            for (uint256 leaf = 0; leaf < LEAVES; ++leaf) {
                updates[i].push(ciphertext(i, leaf));
            }
        }
        aggregateHonestly();
    }

    // --------------------------------------------------------------------------------------------------- parties

    function lead() internal pure returns (address) {
        return VM.addr(LEAD_KEY);
    }

    function standby() internal pure returns (address) {
        return VM.addr(STANDBY_KEY);
    }

    // --------------------------------------------------------------------------------------------------- numbers

    function draw(string memory label, uint256 length) internal pure returns (bytes memory drawn) {
        for (uint256 i = 0; drawn.length < length; ++i) {
            drawn = bytes.concat(drawn, keccak256(abi.encode(label, i)));
        }
        assembly ("memory-safe") {
            mstore(drawn, length)
        }
    }

    /// @dev A number below the modulus, whose first byte is 64 at least.
    function ciphertext(uint256 index, uint256 leaf) internal view returns (bytes memory number) {
        number = draw(string(abi.encode("ciphertext", index, leaf)), modulus.length);
        number[0] &= 0x3f;
    }

    /// @dev The product of the accepted among the first `commits` commitments, in their order; empty if there are none.
    function productOf(uint256 leaf, uint256 commits) internal view returns (bytes memory product) {
        for (uint256 k = 0; k < commits; ++k) {
            if (order[k] == LATE) continue;
            bytes memory factor = updates[order[k]][leaf];
            product = product.length == 0 ? factor : Schoolbook.multiply(product, factor, modulus);
        }
    }

    function aggregateHonestly() internal {
        delete products;
        for (uint256 leaf = 0; leaf < LEAVES; ++leaf) {
            products.push(productOf(leaf, PARTICIPANTS));
        }
        aggregates = products;
        plant();
    }

    /// @dev Makes the roots those of the present updates and aggregate.
    function plant() internal {
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            roots[i] = MerkleTree.root(updates[i]);
        }
        aggregateRoot = MerkleTree.root(aggregates);
    }

    /// @dev Makes one ciphertext of the aggregate a wrong one.
    function corrupt(uint256 leaf) internal {
        aggregates[leaf][aggregates[leaf].length - 1] ^= 0x01;
        plant();
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    function toOpened(uint256 round) internal {
        nextBlock();
        (,, uint256 selected) = federation.drawOf();
        bytes32 model = federation.currentModel();
        if (model == 0) model = BASE_MODEL;
        IFederation.Deadlines memory times = deadlines();
        running = lead();
        VM.prank(lead());
        federation.openRound(round, SPEC, model, selected, QUORUM, LEAVES, times);
    }

    function toCommitted(uint256 round) internal {
        toOpened(round);
        for (uint256 k = 0; k < PARTICIPANTS; ++k) {
            starts[k] = federation.roundOf(round).transcript;
            VM.prank(participant(order[k]));
            federation.commitUpdate(round, roots[order[k]], LEAVES, proofOf(order[k]));
        }
        starts[PARTICIPANTS] = federation.roundOf(round).transcript;
        federation.closeCommits(round);
    }

    function toAggregated(uint256 round) internal {
        toCommitted(round);
        VM.prank(lead());
        federation.commitAggregate(round, ACCEPTED, aggregateRoot);
    }

    /// @dev Two of three trustees attest.
    function toEnd(uint256 round) internal {
        toAggregated(round);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            attest(round, i);
        }
        finalize(round);
    }

    /// @dev The aggregate is committed and nothing else happens.
    function toDead(uint256 round) internal {
        toAggregated(round);
        VM.warp(federation.roundOf(round).finalizeDeadline + 1);
        federation.abortRound(round);
    }

    // --------------------------------------------------------------------------------------------------- evidence

    function pathOf(bytes[] memory leaves, uint256 leaf) internal pure returns (bytes32[] memory) {
        return MerkleTree.path(leaves, 0, leaves.length, leaf);
    }

    /// @dev What a challenger brings for one column, in the order of the commitments.
    function column(uint256 leaf) internal view returns (IDisputes.Contribution[] memory all) {
        all = new IDisputes.Contribution[](PARTICIPANTS);
        for (uint256 k = 0; k < PARTICIPANTS; ++k) {
            uint256 i = order[k];
            all[k] = IDisputes.Contribution(participant(i), roots[i], proofOf(i), "", new bytes32[](0));
            if (i == LATE) continue;
            all[k].ciphertext = updates[i][leaf];
            all[k].path = pathOf(updates[i], leaf);
        }
    }

    function slice(IDisputes.Contribution[] memory all, uint256 from, uint256 to)
        internal
        pure
        returns (IDisputes.Contribution[] memory some)
    {
        some = new IDisputes.Contribution[](to - from);
        for (uint256 k = from; k < to; ++k) {
            some[k - from] = all[k];
        }
    }

    /// @dev The commitments from number `from` on.
    function suffix(uint256 from) internal view returns (IDisputes.Commitment[] memory some) {
        some = new IDisputes.Commitment[](PARTICIPANTS - from);
        for (uint256 k = from; k < PARTICIPANTS; ++k) {
            some[k - from] = IDisputes.Commitment(participant(order[k]), roots[order[k]], proofOf(order[k]));
        }
    }

    function signedBy(uint256 privateKey, uint256 round, bytes32 specHash, uint32 epoch, bytes32 root)
        internal
        view
        returns (IDisputes.SignedUpdate memory)
    {
        bytes32 structHash =
            keccak256(abi.encode(UPDATE_TYPEHASH, round, specHash, epoch, root, LEAVES, proofOf(0)));
        return
            IDisputes.SignedUpdate(
                epoch, root, LEAVES, proofOf(0), signWith(privateKey, typedData(structHash))
            );
    }

    function receiptBy(uint256 privateKey, uint256 round, uint32 epoch, address participant_, bytes32 root)
        internal
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(abi.encode(RECEIPT_TYPEHASH, round, SPEC, epoch, participant_, root));
        return signWith(privateKey, typedData(structHash));
    }

    function typedData(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = domainOf(address(federation), block.chainid);
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    // -------------------------------------------------------------------------------------------------- disputes

    function nextBlock() internal {
        VM.roll(height() + 1);
    }

    function pass(uint256 elapsed) internal {
        VM.warp(time() + elapsed);
    }

    function announce(address sender, bytes memory content) internal {
        VM.prank(sender);
        court.announce(keccak256(abi.encode(sender, keccak256(content), SALT)));
        nextBlock();
        provide(sender, BOND);
    }

    function challenge(address sender, uint256 round, uint32 leaf) internal returns (uint256) {
        announce(sender, abi.encode(IDisputes.Kind.AGGREGATE, round, leaf));
        VM.prank(sender);
        return court.challengeAggregate{value: BOND}(round, leaf, SALT);
    }

    function multiply(
        address sender,
        uint256 dispute,
        bytes memory product,
        bytes32 start,
        IDisputes.Contribution[] memory contributions
    ) internal {
        VM.prank(sender);
        court.multiply(dispute, modulus, product, start, contributions);
    }

    /// @dev All commitments in one step.
    function multiplyAll(address sender, uint256 dispute, uint256 leaf) internal {
        multiply(sender, dispute, "", starts[0], column(leaf));
    }

    function conclude(address sender, uint256 dispute, uint256 leaf) internal {
        VM.prank(sender);
        court.conclude(
            dispute, modulus, products[leaf], aggregateRoot, aggregates[leaf], pathOf(aggregates, leaf)
        );
    }

    function announceDemand(address sender, uint256 round, address participant_, uint32 leaf) internal {
        announce(sender, abi.encode(IDisputes.Kind.AVAILABILITY, round, participant_, leaf));
    }

    /// @dev Demands a ciphertext of the participant whose commitment is number `from`; of the aggregate if there is none.
    function demand(address sender, uint256 round, uint256 from, uint32 leaf) internal returns (uint256) {
        address owner = from == PARTICIPANTS ? address(0) : participant(order[from]);
        announceDemand(sender, round, owner, leaf);
        VM.prank(sender);
        return court.challengeAvailability{value: BOND}(
            round, owner, leaf, starts[from], suffix(from), aggregateRoot, SALT
        );
    }

    function announceEquivocation(
        address sender,
        uint256 round,
        address account,
        IDisputes.SignedUpdate memory first,
        IDisputes.SignedUpdate memory second
    ) internal {
        bytes32 one = keccak256(first.signature);
        bytes32 two = keccak256(second.signature);
        announce(sender, abi.encode(IDisputes.Kind.EQUIVOCATION, round, account, one, two));
    }

    function announceAndEquivocate(
        address sender,
        uint256 round,
        address account,
        IDisputes.SignedUpdate memory first,
        IDisputes.SignedUpdate memory second
    ) internal {
        announceEquivocation(sender, round, account, first, second);
        equivocate(sender, round, account, first, second);
    }

    function equivocate(
        address sender,
        uint256 round,
        address account,
        IDisputes.SignedUpdate memory first,
        IDisputes.SignedUpdate memory second
    ) internal {
        VM.prank(sender);
        court.challengeEquivocation{value: BOND}(round, account, first, second, SALT);
    }

    function announceOmission(address sender, uint256 round, address participant_, bytes memory signature)
        internal
    {
        announce(sender, abi.encode(IDisputes.Kind.OMISSION, round, participant_, keccak256(signature)));
    }

    function omit(
        address sender,
        uint256 round,
        address participant_,
        uint32 epoch,
        bytes32 root,
        bytes memory signature
    ) internal {
        VM.prank(sender);
        court.challengeOmission{value: BOND}(round, participant_, epoch, root, signature, SALT);
    }

    // ---------------------------------------------------------------------------------------------- expectations

    function expectDispute(bytes4 selector, uint256 argument) internal {
        VM.expectRevert(abi.encodeWithSelector(selector, argument));
    }

    function expectDispute(bytes4 selector, uint256 argument, uint256 other) internal {
        VM.expectRevert(abi.encodeWithSelector(selector, argument, other));
    }

    function expectDispute(bytes4 selector, uint256 argument, address other) internal {
        VM.expectRevert(abi.encodeWithSelector(selector, argument, other));
    }

    function expectIncomplete(uint256 dispute, uint256 counted) internal {
        VM.expectRevert(
            abi.encodeWithSelector(IDisputes.DisputeIncomplete.selector, dispute, counted, PARTICIPANTS - 1)
        );
    }

    /// @dev An error of this kind, whatever its arguments.
    function expectKind(bytes4 selector) internal {
        VmCourt(address(VM)).expectPartialRevert(selector);
    }

    function assertOutcome(uint256 dispute, IDisputes.Outcome outcome) internal view {
        assertEq(uint256(court.disputeOf(dispute).outcome), uint256(outcome), "outcome");
    }

    /// @dev The aggregator lost its stake; with the round if it was not aborted, with the trustees if they attested.
    function assertConvicted(uint256 round, uint256 trustees) internal view {
        assertPhase(round, IFederation.Phase.VOIDED);
        assertStatus(lead(), IFederation.Status.SLASHED);
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            assertStatus(trustee(i), i < trustees ? IFederation.Status.SLASHED : IFederation.Status.ACTIVE);
        }
        assertPaid(CHALLENGER, AGGREGATOR_STAKE + trustees * TRUSTEE_STAKE);
    }

    /// @dev The bond is back, with half of what was slashed, at most the cap.
    function assertPaid(address challenger, uint256 slashed) internal view {
        uint256 reward = slashed / 2 < REWARD_CAP ? slashed / 2 : REWARD_CAP;
        assertEq(federation.claimable(challenger), BOND + reward, "bond and reward");
        assertSolvent();
    }

    /// @dev Nobody lost anything but the challenger its bond, which went where `receiver` says (zero: the pool).
    function assertHarmless(uint256 round, address receiver, uint256 pool) internal view {
        assertEq(federation.rewardPool(), receiver == address(0) ? pool + BOND : pool, "pool");
        if (receiver != address(0)) assertEq(federation.claimable(receiver), BOND, "who gets the bond");
        assertUnharmed(round);
    }

    /// @dev Everybody has its stake, and the round goes its way.
    function assertUnharmed(uint256 round) internal view {
        assertEq(federation.totalStake(), STAKES, "all stakes");
        assertTrue(federation.roundOf(round).phase != IFederation.Phase.VOIDED, "not voided");
        assertSolvent();
    }

    /// @dev What the contract holds covers what it owes (open bonds and reservations are the difference).
    function assertSolvent() internal view {
        uint256 owed = federation.totalStake() + federation.rewardPool() + federation.claimable(CHALLENGER)
            + federation.claimable(RIVAL);
        assertTrue(address(federation).balance >= owed, "covers what it owes");
        assertEq(address(court).balance, 0, "the court holds nothing");
    }
}
