// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

contract IdentitiesTest is FederationFixture {
    address private constant NEWCOMER = address(0x4e3);
    bytes private constant CERTIFICATE = "a certificate";
    bytes32 private constant SEALING = keccak256("sealing key");

    function test_registerIdentity_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityRegistered(
            NEWCOMER, IFederation.Role.TRUSTEE, uint8(TRUSTEES), sha256(CERTIFICATE), SEALING, CERTIFICATE
        );
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.TRUSTEE, CERTIFICATE, SEALING);

        IFederation.Identity memory identity = federation.identityOf(NEWCOMER);
        assertEq(uint256(identity.role), uint256(IFederation.Role.TRUSTEE), "role");
        assertEq(identity.index, TRUSTEES, "index");
        assertTrue(identity.active, "active");
        assertEq(identity.certificateFingerprint, sha256(CERTIFICATE), "fingerprint");
        assertEq(identity.sealingKey, SEALING, "sealing key");
        assertEq(federation.accountAt(IFederation.Role.TRUSTEE, TRUSTEES), NEWCOMER, "account");
        assertEq(federation.countOf(IFederation.Role.TRUSTEE), TRUSTEES + 1, "count");
    }

    function test_registerIdentity_indicesPerRole_succeeds() public view {
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            assertEq(federation.identityOf(participant(i)).index, i, "participant index");
            assertEq(federation.accountAt(IFederation.Role.PARTICIPANT, i), participant(i), "participant");
        }
        assertEq(federation.identityOf(AGGREGATOR).index, 0, "aggregator index");
        assertEq(uint256(federation.identityOf(STRANGER).role), 0, "stranger");
    }

    function testFuzz_registerIdentity_notOwner_reverts(address sender) public {
        VM.assume(sender != OPERATOR);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, sender));
        VM.prank(sender);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, CERTIFICATE, 0);
    }

    function test_registerIdentity_zeroAccount_reverts() public {
        VM.expectRevert(IFederation.IdentityZeroAccount.selector);
        VM.prank(OPERATOR);
        federation.registerIdentity(address(0), IFederation.Role.PARTICIPANT, CERTIFICATE, 0);
    }

    function test_registerIdentity_noRole_reverts() public {
        VM.expectRevert(IFederation.IdentityRoleMissing.selector);
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.NONE, CERTIFICATE, 0);
    }

    function test_registerIdentity_secondRole_reverts() public {
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityAlreadyRegistered.selector, participant(0))
        );
        VM.prank(OPERATOR);
        federation.registerIdentity(participant(0), IFederation.Role.AGGREGATOR, CERTIFICATE, 0);
    }

    function test_registerIdentity_afterRevocation_reverts() public {
        revoke(participant(0));
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityAlreadyRegistered.selector, participant(0))
        );
        VM.prank(OPERATOR);
        federation.registerIdentity(participant(0), IFederation.Role.PARTICIPANT, CERTIFICATE, 0);
    }

    function test_registerIdentity_certificateLength_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateLength.selector, 0));
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, "", 0);

        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateLength.selector, 4097));
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, new bytes(4097), 0);

        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, new bytes(4096), 0);
    }

    function test_registerIdentity_certificateTaken_reverts() public {
        bytes memory taken = certificateOf(participant(1));
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityCertificateTaken.selector, sha256(taken)));
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, taken, 0);
    }

    function test_registerIdentity_trusteeWithoutSealingKey_reverts() public {
        VM.expectRevert(IFederation.IdentitySealingKeyMissing.selector);
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.TRUSTEE, CERTIFICATE, 0);
    }

    function test_registerIdentity_roleFull_reverts() public {
        for (uint256 i = PARTICIPANTS; i < 256; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        assertEq(federation.identityOf(participant(255)).index, 255, "last index");
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.IdentityRoleFull.selector, IFederation.Role.PARTICIPANT)
        );
        VM.prank(OPERATOR);
        federation.registerIdentity(NEWCOMER, IFederation.Role.PARTICIPANT, CERTIFICATE, 0);
        register(NEWCOMER, IFederation.Role.AGGREGATOR); // another role has room
    }

    function test_revokeIdentity_succeeds() public {
        VM.expectEmit(address(federation));
        emit IFederation.IdentityRevoked(participant(2));
        revoke(participant(2));
        IFederation.Identity memory identity = federation.identityOf(participant(2));
        assertTrue(!identity.active, "inactive");
        assertEq(identity.index, 2, "keeps its index");
        assertEq(federation.countOf(IFederation.Role.PARTICIPANT), PARTICIPANTS, "keeps its place");
    }

    function test_revokeIdentity_notOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.revokeIdentity(participant(0));
    }

    function test_revokeIdentity_unknown_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityUnknown.selector, STRANGER));
        VM.prank(OPERATOR);
        federation.revokeIdentity(STRANGER);
    }

    function test_revokeIdentity_twice_reverts() public {
        revoke(participant(0));
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, participant(0)));
        VM.prank(OPERATOR);
        federation.revokeIdentity(participant(0));
    }

    function test_accountAt_outOfRange_reverts() public {
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityIndexOutOfRange.selector, IFederation.Role.PARTICIPANT, PARTICIPANTS
            )
        );
        federation.accountAt(IFederation.Role.PARTICIPANT, PARTICIPANTS);
    }

    // ------------------------------------------------------------------------------------- key and configuration

    function test_publishKey_succeeds() public {
        Federation fresh = new Federation(OPERATOR, defaultConfig());
        (bytes32 id, uint8 threshold, uint8 trustees) = fresh.key();
        assertTrue(id == 0 && threshold == 0 && trustees == 0, "no key yet");
        VM.expectEmit(address(fresh));
        emit IFederation.KeyPublished(keccak256("k"), 3, 5);
        VM.prank(OPERATOR);
        fresh.publishKey(keccak256("k"), 3, 5);
        (id, threshold, trustees) = fresh.key();
        assertTrue(id == keccak256("k") && threshold == 3 && trustees == 5, "the key");
    }

    function test_publishKey_twice_reverts() public {
        VM.expectRevert(IFederation.KeyAlreadyPublished.selector);
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("other"), 2, 3);
    }

    function test_publishKey_notOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, AGGREGATOR));
        VM.prank(AGGREGATOR);
        federation.publishKey(keccak256("other"), 2, 3);
    }

    function test_publishKey_invalid_reverts() public {
        Federation fresh = new Federation(OPERATOR, defaultConfig());
        VM.expectRevert(IFederation.KeyInvalid.selector);
        VM.prank(OPERATOR);
        fresh.publishKey(0, 2, 3);
        VM.expectRevert(IFederation.KeyInvalid.selector);
        VM.prank(OPERATOR);
        fresh.publishKey(keccak256("k"), 0, 3);
        VM.expectRevert(IFederation.KeyInvalid.selector);
        VM.prank(OPERATOR);
        fresh.publishKey(keccak256("k"), 4, 3);
    }

    function test_constructor_succeeds() public {
        VM.roll(1234);
        Federation fresh = new Federation(OPERATOR, defaultConfig());
        assertEq(fresh.deployedBlock(), 1234, "deployed block");
        assertEq(fresh.owner(), OPERATOR, "owner");
        assertEq(fresh.version(), 1, "version");
        assertEq(keccak256(bytes(fresh.contractName())), keccak256("fedtrust.Federation"), "name");
        assertEq(keccak256(abi.encode(fresh.config())), keccak256(abi.encode(defaultConfig())), "config");
        assertEq(fresh.lastRound(), 0, "last round");
        assertEq(fresh.currentModel(), bytes32(0), "model");
        assertEq(fresh.headOf(0), bytes32(0), "genesis head");
    }

    function test_constructor_sharesExceedWhole_reverts() public {
        IFederation.Config memory config = defaultConfig();
        config.aggregatorBasisPoints = 1001;
        VM.expectRevert(abi.encodeWithSelector(IFederation.RewardSharesExceedWhole.selector, 10_001));
        new Federation(OPERATOR, config);
    }

    function test_constructor_noOwner_reverts() public {
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0)));
        new Federation(address(0), defaultConfig());
    }

    function test_transferOwnership_needsAcceptance() public {
        VM.prank(OPERATOR);
        federation.transferOwnership(NEWCOMER);
        assertEq(federation.owner(), OPERATOR, "not yet");
        VM.prank(NEWCOMER);
        federation.acceptOwnership();
        assertEq(federation.owner(), NEWCOMER, "accepted");
    }
}
