// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";

contract IdentitiesTest is FederationFixture {
    address private constant NEWCOMER = address(0x4e3);
    bytes private constant CERTIFICATE = "a certificate";
    bytes32 private constant SEALING = keccak256("sealing key");

    // ---------------------------------------------------------------------------------------------------- admission

    function test_admitIdentity_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityAdmitted(NEWCOMER, IFederation.Role.TRUSTEE);
        admit(NEWCOMER, IFederation.Role.TRUSTEE);
        IFederation.Identity memory expected;
        expected.role = IFederation.Role.TRUSTEE;
        expected.status = IFederation.Status.ADMITTED;
        assertEq(
            keccak256(abi.encode(federation.identityOf(NEWCOMER))), keccak256(abi.encode(expected)), "id"
        );
        assertEq(federation.countOf(IFederation.Role.TRUSTEE), TRUSTEES, "it has no place yet");
    }

    function testFuzz_admitIdentity_notOwner_reverts(address sender) public {
        VM.assume(sender != OPERATOR);
        VM.expectRevert(abi.encodeWithSelector(Federation.OwnableUnauthorizedAccount.selector, sender));
        VM.prank(sender);
        federation.admitIdentity(NEWCOMER, IFederation.Role.PARTICIPANT);
    }

    function test_admitIdentity_zeroAccount_reverts() public {
        VM.expectRevert(IFederation.IdentityZeroAccount.selector);
        admit(address(0), IFederation.Role.PARTICIPANT);
    }

    function test_admitIdentity_noRole_reverts() public {
        VM.expectRevert(IFederation.IdentityRoleMissing.selector);
        admit(NEWCOMER, IFederation.Role.NONE);
    }

    /// @dev Nobody comes back, whatever it was: admitted, active, leaving, left, revoked, slashed or retired.
    function test_admitIdentity_again_reverts() public {
        toAborted(1);
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        _expectAlreadyAdmitted(NEWCOMER);
        depart(participant(0));
        _expectAlreadyAdmitted(participant(0));
        VM.warp(time() + UNBONDING);
        federation.releaseStake(participant(0));
        _expectAlreadyAdmitted(participant(0));
        revoke(participant(1));
        _expectAlreadyAdmitted(participant(1));
        rotate(participant(2), address(0x777));
        _expectAlreadyAdmitted(participant(2));
        _expectAlreadyAdmitted(address(0x777));
        convict(1, participant(3), false, STRANGER);
        _expectAlreadyAdmitted(participant(3));
    }

    // ------------------------------------------------------------------------------------------------- registration

    function test_registerIdentity_succeeds() public {
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        VM.deal(NEWCOMER, PARTICIPANT_STAKE);
        VM.expectEmit(address(federation));
        emit IFederation.IdentityRegistered(
            NEWCOMER,
            IFederation.Role.PARTICIPANT,
            uint8(PARTICIPANTS),
            PARTICIPANT_STAKE,
            sha256(CERTIFICATE),
            SEALING,
            CERTIFICATE
        );
        VM.prank(NEWCOMER);
        federation.registerIdentity{value: PARTICIPANT_STAKE}(CERTIFICATE, SEALING);

        IFederation.Identity memory expected = IFederation.Identity({
            role: IFederation.Role.PARTICIPANT,
            index: uint8(PARTICIPANTS),
            status: IFederation.Status.ACTIVE,
            epoch: 1,
            releaseAt: 0,
            retiredAtRound: 0,
            stake: PARTICIPANT_STAKE,
            certificateFingerprint: sha256(CERTIFICATE),
            sealingKey: SEALING
        });
        assertEq(
            keccak256(abi.encode(federation.identityOf(NEWCOMER))), keccak256(abi.encode(expected)), "id"
        );
        _assertSeat(NEWCOMER, uint8(PARTICIPANTS), IFederation.Status.ACTIVE, 1, 0);
        assertEq(federation.accountAt(IFederation.Role.PARTICIPANT, PARTICIPANTS), NEWCOMER, "account");
        assertEq(federation.countOf(IFederation.Role.PARTICIPANT), PARTICIPANTS + 1, "count");
        assertEq(federation.totalStake(), STAKES + PARTICIPANT_STAKE, "all stakes");
        assertEq(address(federation).balance, STAKES + PARTICIPANT_STAKE + POOL, "balance");
        assertEq(federation.eligible(), ALL | 1 << PARTICIPANTS, "eligible");
    }

    function test_registerIdentity_indicesPerRole() public view {
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            assertEq(federation.identityOf(participant(i)).index, i, "participant index");
            assertEq(federation.accountAt(IFederation.Role.PARTICIPANT, i), participant(i), "participant");
        }
        assertEq(federation.identityOf(AGGREGATOR).index, 0, "aggregator index");
        assertEq(federation.identityOf(STANDBY).index, 1, "standby index");
        assertEq(uint256(federation.identityOf(STRANGER).role), 0, "stranger");
        assertEq(federation.totalStake(), STAKES, "stakes");
        assertEq(federation.eligible(), ALL, "only participants are drawn");
    }

    function test_registerIdentity_notAdmitted_reverts() public {
        VM.deal(STRANGER, 10 ether);
        expectWrongStatus(STRANGER, IFederation.Status.NONE);
        VM.prank(STRANGER);
        federation.registerIdentity{value: PARTICIPANT_STAKE}(CERTIFICATE, SEALING);
    }

    function test_registerIdentity_twice_reverts() public {
        VM.deal(participant(0), 10 ether);
        expectWrongStatus(participant(0), IFederation.Status.ACTIVE);
        VM.prank(participant(0));
        federation.registerIdentity{value: PARTICIPANT_STAKE}(CERTIFICATE, SEALING);
    }

    function test_registerIdentity_revoked_reverts() public {
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        revoke(NEWCOMER);
        VM.deal(NEWCOMER, 10 ether);
        expectWrongStatus(NEWCOMER, IFederation.Status.REVOKED);
        VM.prank(NEWCOMER);
        federation.registerIdentity{value: PARTICIPANT_STAKE}(CERTIFICATE, SEALING);
    }

    function testFuzz_registerIdentity_otherStake_reverts(uint96 sent) public {
        VM.assume(sent != PARTICIPANT_STAKE);
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        VM.deal(NEWCOMER, sent);
        VM.expectRevert(abi.encodeWithSelector(IFederation.PaymentWrong.selector, PARTICIPANT_STAKE, sent));
        VM.prank(NEWCOMER);
        federation.registerIdentity{value: sent}(CERTIFICATE, SEALING);
    }

    function test_registerIdentity_certificateLength_reverts() public {
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        VM.deal(NEWCOMER, PARTICIPANT_STAKE);
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateLength.selector, 0));
        _registerWith(NEWCOMER, "", 0);
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateLength.selector, 4097));
        _registerWith(NEWCOMER, new bytes(4097), 0);
        _registerWith(NEWCOMER, new bytes(4096), 0);
    }

    function test_registerIdentity_certificateTaken_reverts() public {
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        VM.deal(NEWCOMER, PARTICIPANT_STAKE);
        _expectTaken(certificateOf(participant(1)));
        _registerWith(NEWCOMER, certificateOf(participant(1)), 0);
    }

    function test_registerIdentity_trusteeWithoutSealingKey_reverts() public {
        deployEmpty(defaultConfig());
        admit(NEWCOMER, IFederation.Role.TRUSTEE);
        VM.deal(NEWCOMER, TRUSTEE_STAKE);
        VM.expectRevert(IFederation.IdentitySealingKeyMissing.selector);
        _registerWith(NEWCOMER, CERTIFICATE, 0);
    }

    function test_registerIdentity_roleFull_reverts() public {
        for (uint256 i = PARTICIPANTS; i < 256; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        assertEq(federation.identityOf(participant(255)).index, 255, "last index");
        assertEq(federation.eligible(), type(uint256).max, "all can be drawn");
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        VM.deal(NEWCOMER, PARTICIPANT_STAKE);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityRoleFull.selector, IFederation.Role.PARTICIPANT)
        );
        _registerWith(NEWCOMER, CERTIFICATE, SEALING);
        register(address(0x777), IFederation.Role.AGGREGATOR); // another role has room
    }

    /// @dev Once the key is published, who holds no share of it cannot become a trustee.
    function test_registerIdentity_moreTrusteesThanShares_reverts() public {
        admit(NEWCOMER, IFederation.Role.TRUSTEE);
        VM.deal(NEWCOMER, TRUSTEE_STAKE);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityRoleFull.selector, IFederation.Role.TRUSTEE)
        );
        _registerWith(NEWCOMER, CERTIFICATE, SEALING);
    }

    // ------------------------------------------------------------------------------------------------------ rotation

    function test_rotateIdentity_sameAccount_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityRotated(
            participant(1),
            participant(1),
            IFederation.Role.PARTICIPANT,
            1,
            2,
            sha256(CERTIFICATE),
            SEALING,
            CERTIFICATE
        );
        _rotateWith(participant(1), participant(1), CERTIFICATE, SEALING);
        IFederation.Identity memory identity = federation.identityOf(participant(1));
        assertEq(identity.certificateFingerprint, sha256(CERTIFICATE), "fingerprint");
        assertEq(identity.sealingKey, SEALING, "sealing key");
        assertEq(identity.stake, PARTICIPANT_STAKE, "stake");
        _assertSeat(participant(1), 1, IFederation.Status.ACTIVE, 2, 0);
        _expectTaken(certificateOf(participant(1)));
        _rotateWith(participant(1), participant(1), certificateOf(participant(1)), SEALING);
    }

    function test_rotateIdentity_newAccount_succeeds() public {
        toAborted(1);
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        _rotateWith(participant(1), NEWCOMER, CERTIFICATE, SEALING);

        _assertSeat(participant(1), 1, IFederation.Status.RETIRED, 1, 1);
        assertEq(federation.identityOf(participant(1)).stake, 0, "the stake went along");
        _assertSeat(NEWCOMER, 1, IFederation.Status.ACTIVE, 2, 0);
        assertEq(federation.identityOf(NEWCOMER).stake, PARTICIPANT_STAKE, "stake");
        assertEq(federation.accountAt(IFederation.Role.PARTICIPANT, 1), NEWCOMER, "place");
        assertEq(federation.countOf(IFederation.Role.PARTICIPANT), PARTICIPANTS, "no place more");
        assertEq(federation.totalStake(), STAKES, "no stake more");
        assertEq(federation.eligible(), ALL, "still drawn");

        expectWrongStatus(participant(1), IFederation.Status.RETIRED);
        _rotateWith(participant(1), participant(1), "another", SEALING);
        expectWrongStatus(participant(1), IFederation.Status.RETIRED);
        depart(participant(1));
    }

    /// @dev In the midst of a round: what the old account committed counts, and the new one may not commit again.
    function test_rotateIdentity_duringRound_keepsItsCommitment() public {
        openAndCommit(1, PARTICIPANTS);
        rotate(participant(1), NEWCOMER);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundAlreadyCommitted.selector, 1, NEWCOMER));
        VM.prank(NEWCOMER);
        federation.commitUpdate(1, rootOf(1), CIPHERTEXTS, proofOf(1));
        federation.closeCommits(1);
        aggregate(1, ALL);
        attest(1, 0);
        attest(1, 1);
        finalize(1);
        settle(1);
        assertEq(federation.claimable(NEWCOMER), uint256(REWARD) * 7 / 10 / 4, "the place is paid");
        assertEq(federation.claimable(participant(1)), 0, "not the account that left it");
    }

    function test_rotateIdentity_retiredCannotAct() public {
        open(1);
        rotate(participant(1), NEWCOMER);
        expectWrongStatus(participant(1), IFederation.Status.RETIRED);
        commit(1, 1);
        VM.prank(NEWCOMER);
        federation.commitUpdate(1, rootOf(1), CIPHERTEXTS, proofOf(1));
        assertEq(federation.roundOf(1).committed, 2, "the new account commits for the place");
    }

    function test_rotateIdentity_accountNotReady_reverts() public {
        expectWrongStatus(NEWCOMER, IFederation.Status.NONE);
        _rotateWith(participant(1), NEWCOMER, CERTIFICATE, SEALING);
        admit(NEWCOMER, IFederation.Role.TRUSTEE);
        expectWrongRole(NEWCOMER, IFederation.Role.PARTICIPANT);
        _rotateWith(participant(1), NEWCOMER, CERTIFICATE, SEALING);
        expectWrongStatus(participant(2), IFederation.Status.ACTIVE);
        _rotateWith(participant(1), participant(2), CERTIFICATE, SEALING);
        revoke(NEWCOMER);
        expectWrongStatus(NEWCOMER, IFederation.Status.REVOKED);
        _rotateWith(trustee(0), NEWCOMER, CERTIFICATE, SEALING);
    }

    function test_rotateIdentity_notActive_reverts() public {
        expectWrongStatus(STRANGER, IFederation.Status.NONE);
        _rotateWith(STRANGER, STRANGER, CERTIFICATE, SEALING);
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        expectWrongStatus(NEWCOMER, IFederation.Status.ADMITTED);
        _rotateWith(NEWCOMER, NEWCOMER, CERTIFICATE, SEALING);
        depart(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.LEAVING);
        _rotateWith(participant(0), participant(0), CERTIFICATE, SEALING);
        revoke(participant(1));
        expectWrongStatus(participant(1), IFederation.Status.REVOKED);
        _rotateWith(participant(1), participant(1), CERTIFICATE, SEALING);
    }

    function test_rotateIdentity_badCertificate_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateLength.selector, 0));
        _rotateWith(participant(1), participant(1), "", SEALING);
        VM.expectRevert(IFederation.IdentitySealingKeyMissing.selector);
        _rotateWith(trustee(1), trustee(1), CERTIFICATE, 0);
    }

    /// @dev Another account could not finish the round: `roundOf(round).aggregator` has to be who signs its receipts.
    function test_rotateIdentity_aggregatorOfRunningRound_reverts() public {
        open(1);
        admit(NEWCOMER, IFederation.Role.AGGREGATOR);
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityBusy.selector, AGGREGATOR, 1));
        _rotateWith(AGGREGATOR, NEWCOMER, CERTIFICATE, SEALING);
        _rotateWith(AGGREGATOR, AGGREGATOR, CERTIFICATE, SEALING); // the certificate may change
        VM.warp(time() + 101);
        federation.abortRound(1);
        _rotateWith(AGGREGATOR, NEWCOMER, "another", SEALING);
        assertEq(federation.accountAt(IFederation.Role.AGGREGATOR, 0), NEWCOMER, "place");
    }

    function test_rotateIdentity_standbyDuringRound_succeeds() public {
        open(1);
        rotate(STANDBY, NEWCOMER);
        assertStatus(NEWCOMER, IFederation.Status.ACTIVE);
    }

    // ------------------------------------------------------------------------------------------------------- leaving

    function test_leave_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityLeaving(participant(1), START + UNBONDING);
        depart(participant(1));
        IFederation.Identity memory identity = federation.identityOf(participant(1));
        assertStatus(participant(1), IFederation.Status.LEAVING);
        assertEq(identity.releaseAt, START + UNBONDING, "release");
        assertEq(identity.stake, PARTICIPANT_STAKE, "still at stake");
        assertEq(federation.eligible(), ALL & ~uint256(2), "not drawn");
        assertEq(federation.totalStake(), STAKES, "stakes");
    }

    function test_leave_notActive_reverts() public {
        expectWrongStatus(STRANGER, IFederation.Status.NONE);
        depart(STRANGER);
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        expectWrongStatus(NEWCOMER, IFederation.Status.ADMITTED);
        depart(NEWCOMER);
        depart(participant(1));
        expectWrongStatus(participant(1), IFederation.Status.LEAVING);
        depart(participant(1));
    }

    /// @dev Who leaves finishes the running round, and is not in the next.
    function test_leave_finishesTheRunningRound() public {
        open(1);
        depart(participant(0));
        depart(AGGREGATOR);
        depart(trustee(0));
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            commit(1, i);
        }
        federation.closeCommits(1);
        aggregate(1, ALL);
        attest(1, 0);
        attest(1, 1);
        finalize(1);
        VM.roll(height() + 1);
        expectWrongStatus(AGGREGATOR, IFederation.Status.LEAVING);
        VM.prank(AGGREGATOR);
        federation.openRound(2, SPEC, modelOf(1), ALL & ~uint256(1), QUORUM, CIPHERTEXTS, deadlines());
        settle(1);
        assertEq(federation.claimable(participant(0)), uint256(REWARD) * 7 / 10 / 4, "paid");
        openBy(STANDBY, 2);
        assertEq(federation.roundOf(2).selected, ALL & ~uint256(1), "not drawn any more");
        expectWrongStatus(participant(0), IFederation.Status.LEAVING);
        commit(2, 0);
    }

    function test_releaseStake_succeeds() public {
        depart(participant(1));
        VM.warp(START + UNBONDING - 1);
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.StakeHeld.selector, participant(1), START + UNBONDING)
        );
        federation.releaseStake(participant(1));
        VM.warp(START + UNBONDING);
        VM.expectEmit(address(federation));
        emit IFederation.StakeReleased(participant(1), PARTICIPANT_STAKE);
        VM.prank(STRANGER);
        federation.releaseStake(participant(1));
        assertStatus(participant(1), IFederation.Status.LEFT);
        assertEq(federation.identityOf(participant(1)).stake, 0, "nothing at stake");
        assertEq(federation.totalStake(), STAKES - PARTICIPANT_STAKE, "stakes");
        assertEq(federation.claimable(participant(1)), PARTICIPANT_STAKE, "claimable");
        VM.prank(participant(1));
        assertEq(federation.claim(), PARTICIPANT_STAKE, "claimed");
        assertEq(participant(1).balance, PARTICIPANT_STAKE, "paid");
        expectWrongStatus(participant(1), IFederation.Status.LEFT);
        federation.releaseStake(participant(1));
    }

    function test_releaseStake_notLeaving_reverts() public {
        expectWrongStatus(participant(1), IFederation.Status.ACTIVE);
        federation.releaseStake(participant(1));
        expectWrongStatus(STRANGER, IFederation.Status.NONE);
        federation.releaseStake(STRANGER);
    }

    /// @dev A stake that was released is never less than the longest way to its conviction: the last round it was in
    /// is opened before it leaves, ends within its longest time and a take-over, and is decided after the window.
    function test_unbonding_coversTheLongestDispute() public {
        IFederation.Deadlines memory times = IFederation.Deadlines({
            commit: uint40(START + 100),
            aggregate: uint40(START + LONGEST - 1),
            finalize: uint40(START + LONGEST)
        });
        running = AGGREGATOR;
        VM.prank(AGGREGATOR);
        federation.openRound(1, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            commit(1, i);
        }
        federation.closeCommits(1);
        depart(AGGREGATOR);
        aggregate(1, ALL);
        VM.warp(START + LONGEST);
        attest(1, 0);
        attest(1, 1);
        finalize(1);
        uint256 decided = uint256(federation.roundOf(1).challengeEnd) + DISPUTE;
        assertTrue(
            federation.identityOf(AGGREGATOR).releaseAt >= decided, "held until the last dispute is decided"
        );
    }

    // ---------------------------------------------------------------------------------------------------- revocation

    function test_revokeIdentity_active_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityRevoked(participant(2), START + UNBONDING);
        revoke(participant(2));
        IFederation.Identity memory identity = federation.identityOf(participant(2));
        assertStatus(participant(2), IFederation.Status.REVOKED);
        assertEq(identity.index, 2, "keeps its index");
        assertEq(identity.stake, PARTICIPANT_STAKE, "its stake is held");
        assertEq(federation.countOf(IFederation.Role.PARTICIPANT), PARTICIPANTS, "keeps its place");
        assertEq(federation.eligible(), ALL & ~uint256(4), "not drawn");
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.StakeHeld.selector, participant(2), START + UNBONDING)
        );
        federation.releaseStake(participant(2));
        VM.warp(START + UNBONDING);
        federation.releaseStake(participant(2));
        assertEq(federation.claimable(participant(2)), PARTICIPANT_STAKE, "the operator takes nothing");
    }

    function test_revokeIdentity_admitted_succeeds() public {
        admit(NEWCOMER, IFederation.Role.PARTICIPANT);
        revoke(NEWCOMER);
        assertStatus(NEWCOMER, IFederation.Status.REVOKED);
        VM.warp(START + 10 * UNBONDING);
        assertEq(federation.claimable(NEWCOMER), 0, "it staked nothing");
    }

    function test_revokeIdentity_notOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Federation.OwnableUnauthorizedAccount.selector, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.revokeIdentity(participant(0));
    }

    function test_revokeIdentity_unknown_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityUnknown.selector, STRANGER));
        revoke(STRANGER);
    }

    function test_revokeIdentity_gone_reverts() public {
        revoke(participant(0));
        expectWrongStatus(participant(0), IFederation.Status.REVOKED);
        revoke(participant(0));
        rotate(participant(1), NEWCOMER);
        expectWrongStatus(participant(1), IFederation.Status.RETIRED);
        revoke(participant(1));
    }

    function test_accountAt_outOfRange_reverts() public {
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityIndexOutOfRange.selector, IFederation.Role.PARTICIPANT, PARTICIPANTS
            )
        );
        federation.accountAt(IFederation.Role.PARTICIPANT, PARTICIPANTS);
    }

    // ----------------------------------------------------------------------------------------------------------- key

    function test_publishKey_succeeds() public {
        deployEmpty(defaultConfig());
        (bytes32 id, uint8 threshold, uint8 trustees, bytes32 modulusHash) = federation.key();
        assertTrue(id == 0 && threshold == 0 && trustees == 0 && modulusHash == 0, "no key yet");
        VM.expectEmit(address(federation));
        emit IFederation.KeyPublished(keccak256("k"), 3, 5, keccak256("m"));
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("k"), 3, 5, keccak256("m"));
        (id, threshold, trustees, modulusHash) = federation.key();
        assertTrue(id == keccak256("k") && threshold == 3 && trustees == 5, "the key");
        assertEq(modulusHash, keccak256("m"), "modulus");
    }

    function test_publishKey_twice_reverts() public {
        VM.expectRevert(IFederation.KeyAlreadyPublished.selector);
        publishKey(2, 3);
    }

    function test_publishKey_notOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Federation.OwnableUnauthorizedAccount.selector, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.publishKey(keccak256("other"), 2, 3, MODULUS_HASH);
    }

    function test_publishKey_invalid_reverts() public {
        deployEmpty(defaultConfig());
        for (uint256 i = 0; i < 3; ++i) {
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        _expectKeyInvalid(0, 2, 3, MODULUS_HASH);
        _expectKeyInvalid(KEY_ID, 0, 3, MODULUS_HASH);
        _expectKeyInvalid(KEY_ID, 4, 3, MODULUS_HASH);
        _expectKeyInvalid(KEY_ID, 2, 3, 0);
        _expectKeyInvalid(KEY_ID, 2, 2, MODULUS_HASH); // three have registered
        publishKey(2, 3);
    }

    // ------------------------------------------------------------------------------------------------- configuration

    function test_constructor_succeeds() public {
        VM.roll(1234);
        Federation fresh = create(OPERATOR, defaultConfig());
        assertEq(fresh.deployedBlock(), 1234, "deployed block");
        assertEq(fresh.owner(), OPERATOR, "owner");
        assertEq(fresh.version(), 2, "version");
        assertEq(keccak256(bytes(fresh.contractName())), keccak256("fedtrust.Federation"), "name");
        assertEq(keccak256(abi.encode(fresh.config())), keccak256(abi.encode(defaultConfig())), "config");
        assertEq(fresh.lastRound(), 0, "last round");
        assertEq(fresh.currentModel(), bytes32(0), "model");
        assertEq(fresh.verdicts(), bytes32(0), "verdicts");
        assertEq(fresh.headOf(0), bytes32(0), "genesis head");
        assertEq(fresh.domainSeparator(), domainOf(address(fresh), block.chainid), "domain");
        assertTrue(fresh.disputes().code.length != 0, "its disputes contract");
        assertTrue(fresh.disputes() != federation.disputes(), "of its own");
    }

    /// @dev Every field comes back as it was given: no two share a place.
    function testFuzz_config_isKept(uint256 seed) public {
        IFederation.Config memory config = defaultConfig();
        config.challengeWindow = uint40(_pick(seed, 1, 0, WINDOW));
        config.disputeSeconds = uint40(_pick(seed, 2, 1, DISPUTE));
        config.standbySeconds = uint40(_pick(seed, 3, 0, STANDBY_SECONDS));
        config.maxRoundSeconds = uint40(_pick(seed, 4, 1, LONGEST));
        config.unbondingSeconds = uint40(_pick(seed, 5, UNBONDING, 3650 days));
        config.claimSeconds = uint40(_pick(seed, 6, 1, 3650 days));
        config.roundReward = uint88(_pick(seed, 7, 0, type(uint88).max));
        config.participantBasisPoints = uint16(_pick(seed, 8, 0, 3333));
        config.trusteeBasisPoints = uint16(_pick(seed, 9, 0, 3333));
        config.aggregatorBasisPoints = uint16(_pick(seed, 10, 0, 3334));
        config.payoutRule = IFederation.PayoutRule(seed % 2);
        config.participantStake = uint96(_pick(seed, 11, 0, type(uint96).max));
        config.trusteeStake = uint96(_pick(seed, 12, 0, type(uint96).max));
        config.aggregatorStake = uint96(_pick(seed, 13, 0, type(uint96).max));
        config.disputeBond = uint96(_pick(seed, 14, 0, type(uint96).max));
        config.challengerRewardCap = uint96(_pick(seed, 15, 0, type(uint96).max));
        config.minimumQuorum = uint16(_pick(seed, 16, 2, 256));
        config.participantsPerRound = uint16(_pick(seed, 17, config.minimumQuorum, 256));
        config.maxMissed = uint8(_pick(seed, 18, 0, 255));
        Federation fresh = create(OPERATOR, config);
        assertEq(keccak256(abi.encode(fresh.config())), keccak256(abi.encode(config)), "config");
    }

    function test_constructor_invalid_reverts() public {
        IFederation.Config memory config = defaultConfig();
        config.aggregatorBasisPoints = 1001;
        _expectConfigInvalid(config, "basisPoints");
        config = defaultConfig();
        config.minimumQuorum = 1;
        _expectConfigInvalid(config, "minimumQuorum");
        config.minimumQuorum = 3;
        config.participantsPerRound = 2;
        _expectConfigInvalid(config, "participantsPerRound");
        config = defaultConfig();
        config.disputeSeconds = 0;
        _expectConfigInvalid(config, "disputeSeconds");
        config.disputeSeconds = 3650 days + 1;
        _expectConfigInvalid(config, "disputeSeconds");
        config = defaultConfig();
        config.maxRoundSeconds = 0;
        _expectConfigInvalid(config, "maxRoundSeconds");
        config.maxRoundSeconds = 3650 days + 1;
        _expectConfigInvalid(config, "maxRoundSeconds");
        config = defaultConfig();
        config.claimSeconds = 0;
        _expectConfigInvalid(config, "claimSeconds");
        config.claimSeconds = 3650 days + 1;
        _expectConfigInvalid(config, "claimSeconds");
    }

    /// @dev No dispute comes too late for a stake: the rule that unbonding follows from the other times.
    function test_constructor_unbonding_reverts() public {
        IFederation.Config memory config = defaultConfig();
        config.unbondingSeconds = UNBONDING - 1;
        _expectConfigInvalid(config, "unbondingSeconds");
        config.unbondingSeconds = 3650 days + 1;
        _expectConfigInvalid(config, "unbondingSeconds");
        config.unbondingSeconds = UNBONDING;
        config.challengeWindow = WINDOW + 1;
        _expectConfigInvalid(config, "unbondingSeconds");
        config = defaultConfig();
        config.standbySeconds = STANDBY_SECONDS + 1;
        _expectConfigInvalid(config, "unbondingSeconds");
        config.standbySeconds = type(uint40).max;
        _expectConfigInvalid(config, "unbondingSeconds");
    }

    function test_constructor_noOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Federation.OwnableInvalidOwner.selector, address(0)));
        this.createFor(address(0), defaultConfig());
    }

    function test_transferOwnership_needsAcceptance() public {
        VM.prank(OPERATOR);
        federation.transferOwnership(NEWCOMER);
        assertEq(federation.owner(), OPERATOR, "not yet");
        VM.prank(NEWCOMER);
        federation.acceptOwnership();
        assertEq(federation.owner(), NEWCOMER, "accepted");
    }

    /// @dev A call of its own, so that its failure can be expected.
    function createFor(address owner, IFederation.Config memory config) external {
        create(owner, config);
    }

    // ------------------------------------------------------------------------------------------------------ internal

    function _registerWith(address account, bytes memory certificate, bytes32 sealingKey) private {
        uint256 stake = account.balance;
        VM.prank(account);
        federation.registerIdentity{value: stake}(certificate, sealingKey);
    }

    function _rotateWith(address account, address newAccount, bytes memory certificate, bytes32 sealingKey)
        private
    {
        VM.prank(account);
        federation.rotateIdentity(newAccount, certificate, sealingKey);
    }

    function _assertSeat(
        address account,
        uint8 index,
        IFederation.Status status,
        uint32 epoch,
        uint32 retiredAtRound
    ) private view {
        (, uint8 index_, IFederation.Status status_, uint32 epoch_, uint32 retired_) =
            federation.seatOf(account);
        assertEq(index_, index, "index");
        assertEq(uint256(status_), uint256(status), "status");
        assertEq(epoch_, epoch, "epoch");
        assertEq(retired_, retiredAtRound, "retired at round");
    }

    function _expectAlreadyAdmitted(address account) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityAlreadyAdmitted.selector, account));
        admit(account, IFederation.Role.PARTICIPANT);
    }

    function _expectTaken(bytes memory certificate) private {
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityCertificateTaken.selector, sha256(certificate))
        );
    }

    function _expectKeyInvalid(bytes32 id, uint8 threshold, uint8 trustees, bytes32 modulusHash) private {
        VM.expectRevert(IFederation.KeyInvalid.selector);
        VM.prank(OPERATOR);
        federation.publishKey(id, threshold, trustees, modulusHash);
    }

    function _expectConfigInvalid(IFederation.Config memory config, bytes32 field) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.ConfigInvalid.selector, field));
        this.createFor(OPERATOR, config);
    }

    function _pick(uint256 seed, uint256 field, uint256 low, uint256 high) private pure returns (uint256) {
        return bound(uint256(keccak256(abi.encode(seed, field))), low, high);
    }
}
