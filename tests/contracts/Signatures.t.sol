// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Vm} from "./Base.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";

/// @dev A wallet that approves what its one owner approved before.
contract Wallet is IERC1271 {
    bytes32 private _approved;

    function approve(bytes32 digest) external {
        _approved = digest;
    }

    function isValidSignature(bytes32 digest, bytes memory signature) external view returns (bytes4) {
        return
            digest == _approved && signature.length == 3 ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

contract SignaturesTest is FederationFixture {
    // ------------------------------------------------------------------------------------------------------- batches

    function test_relayUpdates_succeeds() public {
        open(1);
        IFederation.RelayedUpdate[] memory updates = _batch(0x7);
        bytes32 folded = federation.roundOf(1).transcript;
        for (uint256 i = 0; i < 3; ++i) {
            VM.expectEmit(address(federation));
            emit IFederation.UpdateCommitted(1, participant(i), rootOf(i), proofOf(i));
            folded = keccak256(abi.encode(folded, uint8(1), participant(i), rootOf(i), proofOf(i)));
        }
        _relay(1, updates);
        assertEq(federation.roundOf(1).committed, 7, "committed");
        assertEq(federation.roundOf(1).transcript, folded, "the same as if each had sent its own");
        commit(1, 3); // and the two ways mix
        federation.closeCommits(1);
    }

    function test_relayUpdates_empty_changesNothing() public {
        openAndCommit(1, 1);
        bytes32 before = keccak256(abi.encode(federation.roundOf(1)));
        VM.recordLogs();
        _relay(1, new IFederation.RelayedUpdate[](0));
        assertEq(VM.getRecordedLogs().length, 0, "no event");
        assertEq(keccak256(abi.encode(federation.roundOf(1))), before, "round");
    }

    /// @dev Nobody can stop a batch by sending one of it first, nor by naming one twice.
    function test_relayUpdates_alreadyCommitted_isLeftOut() public {
        openAndCommit(1, 2);
        IFederation.RelayedUpdate[] memory updates = new IFederation.RelayedUpdate[](4);
        updates[0] = signedUpdate(1, 2);
        updates[1] = signedUpdate(1, 0);
        updates[2] = signedUpdate(1, 2);
        updates[3] = signedUpdate(1, 3);
        VM.recordLogs();
        _relay(1, updates);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        assertEq(logs.length, 2, "two commitments");
        assertEq(logs[0].topics[2], bytes32(uint256(uint160(participant(2)))), "first");
        assertEq(logs[1].topics[2], bytes32(uint256(uint160(participant(3)))), "second");
        assertEq(federation.roundOf(1).committed, ALL, "committed");
    }

    /// @dev Whatever subset is relayed in whatever pieces, everybody is committed once.
    function testFuzz_relayUpdates_pieces(uint256 first, uint256 second) public {
        open(1);
        first &= ALL;
        second &= ALL;
        _relay(1, _batch(first));
        assertEq(federation.roundOf(1).committed, first, "first piece");
        _relay(1, _batch(second));
        assertEq(federation.roundOf(1).committed, first | second, "both");
        mirrorLogs(address(federation));
        assertMirrored(federation, 1);
    }

    /// @dev One that is wrong refuses all: a relayer sees at once that it was given something bad.
    function test_relayUpdates_oneInvalid_refusesAll() public {
        open(1);
        IFederation.RelayedUpdate[] memory updates = _batch(0x7);
        updates[1].root = rootOf(0);
        _expectInvalid(participant(1));
        _relay(1, updates);
        assertEq(federation.roundOf(1).committed, 0, "none");
    }

    // ---------------------------------------------------------------------------------------------------- signatures

    function test_relayUpdates_replay_commitsNothing() public {
        open(1);
        IFederation.RelayedUpdate[] memory updates = _batch(0x2);
        _relay(1, updates);
        bytes32 transcript = federation.roundOf(1).transcript;
        _relay(1, updates);
        assertEq(federation.roundOf(1).transcript, transcript, "once");
        VM.warp(time() + 101);
        federation.abortRound(1);
        open(2); // the same spec hash, and still of no use
        _expectInvalid(participant(1));
        _relay(2, updates);
    }

    function test_relayUpdates_otherDomain_reverts() public {
        open(1);
        bytes32 ours = domainOf(address(federation), block.chainid);
        bytes32[6] memory digests = [
            updateDigest(domainOf(address(0x1234), block.chainid), 1, SPEC, 1, 1),
            updateDigest(domainOf(address(federation), block.chainid + 1), 1, SPEC, 1, 1),
            updateDigest(ours, 2, SPEC, 1, 1),
            updateDigest(ours, 1, keccak256("another spec"), 1, 1),
            updateDigest(ours, 1, SPEC, 2, 1),
            updateDigest(ours, 1, SPEC, 0, 1)
        ];
        for (uint256 i = 0; i < digests.length; ++i) {
            _expectInvalid(participant(1));
            _relayOne(1, participant(1), signWith(participantKey(1), digests[i]));
        }
    }

    function test_relayUpdates_forkedChain_reverts() public {
        open(1);
        IFederation.RelayedUpdate[] memory updates = _batch(0x2);
        VM.chainId(block.chainid + 1);
        _expectInvalid(participant(1));
        _relay(1, updates);
    }

    function test_relayUpdates_alteredFields_reverts() public {
        open(1);
        IFederation.RelayedUpdate[] memory updates = _batch(0x2);
        updates[0].root = rootOf(2);
        _expectInvalid(participant(1));
        _relay(1, updates);
        updates = _batch(0x2);
        updates[0].proofHash = proofOf(2);
        _expectInvalid(participant(1));
        _relay(1, updates);
        updates = _batch(0x2);
        updates[0].participant = participant(2);
        _expectInvalid(participant(2));
        _relay(1, updates);
    }

    function test_relayUpdates_zeroHash_reverts() public {
        open(1);
        bytes32 structHash =
            keccak256(abi.encode(UPDATE_TYPEHASH, 1, SPEC, uint32(1), bytes32(0), CIPHERTEXTS, proofOf(1)));
        bytes32 digest =
            keccak256(abi.encodePacked(hex"1901", domainOf(address(federation), block.chainid), structHash));
        IFederation.RelayedUpdate[] memory updates = _batch(0x2);
        updates[0].root = 0;
        updates[0].signature = signWith(participantKey(1), digest);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundZeroHash.selector, 1));
        _relay(1, updates);
    }

    function testFuzz_relayUpdates_garbage_reverts(bytes memory signature) public {
        open(1);
        _expectInvalid(participant(1));
        _relayOne(1, participant(1), signature);
    }

    function test_relayUpdates_malleated_reverts() public {
        open(1);
        bytes32 digest = updateDigest(domainOf(address(federation), block.chainid), 1, SPEC, 1, 1);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(participantKey(1), digest);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory twin = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _expectInvalid(participant(1));
        _relayOne(1, participant(1), twin);
    }

    function test_relayUpdates_stranger_reverts() public {
        open(1);
        expectWrongRole(STRANGER, IFederation.Role.PARTICIPANT);
        _relayOne(1, STRANGER, "");
        expectWrongRole(trustee(0), IFederation.Role.PARTICIPANT);
        _relayOne(1, trustee(0), "");
    }

    function test_relayUpdates_notSelected_reverts() public {
        open(1);
        register(STRANGER, IFederation.Role.PARTICIPANT);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundParticipantNotSelected.selector, 1, STRANGER));
        _relayOne(1, STRANGER, "");
    }

    function test_relayUpdates_revoked_reverts() public {
        open(1);
        revoke(participant(1));
        expectWrongStatus(participant(1), IFederation.Status.REVOKED);
        _relay(1, _batch(0x2));
    }

    function test_relayUpdates_late_reverts() public {
        open(1);
        uint256 deadline = federation.roundOf(1).commitDeadline;
        IFederation.RelayedUpdate[] memory updates = _batch(0x2);
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        _relay(1, updates);
        VM.warp(deadline);
        _relay(1, updates);
    }

    function test_relayUpdates_wrongPhase_reverts() public {
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.NONE);
        _relayOne(1, participant(1), "");
        toUpload(1);
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.UPLOAD);
        _relayOne(1, participant(1), "");
    }

    // -------------------------------------------------------------------------------------------------------- epochs

    /// @dev A rotation makes every signature of the epoch before worthless, with the same account or another.
    function test_relayUpdates_epochs() public {
        open(1);
        IFederation.RelayedUpdate[] memory old = _batch(0x2);
        rotate(participant(1), participant(1));
        _expectInvalid(participant(1));
        _relay(1, old);
        bytes32 digest = updateDigest(domainOf(address(federation), block.chainid), 1, SPEC, 2, 1);
        _relayOne(1, participant(1), signWith(participantKey(1), digest));
        assertEq(federation.roundOf(1).committed, 2, "committed in its second epoch");
    }

    function test_relayUpdates_newAccount_succeeds() public {
        open(1);
        uint256 newKey = 77;
        address newAccount = VM.addr(newKey);
        IFederation.RelayedUpdate[] memory old = _batch(0x2);
        rotate(participant(1), newAccount);
        expectWrongStatus(participant(1), IFederation.Status.RETIRED);
        _relay(1, old);
        bytes32 digest = updateDigest(domainOf(address(federation), block.chainid), 1, SPEC, 2, 1);
        _expectInvalid(newAccount);
        _relayOne(1, newAccount, signWith(participantKey(1), digest));
        _relayOne(1, newAccount, signWith(newKey, digest));
        assertEq(federation.roundOf(1).committed, 2, "committed by the new account");
    }

    function test_relayUpdates_wallet_succeeds() public {
        Wallet wallet = new Wallet();
        register(address(wallet), IFederation.Role.PARTICIPANT);
        open(1);
        _expectInvalid(address(wallet));
        _relayOne(1, address(wallet), hex"010203");
        wallet.approve(updateDigest(domainOf(address(federation), block.chainid), 1, SPEC, 1, 1));
        _expectInvalid(address(wallet));
        _relayOne(1, address(wallet), hex"0102");
        _relayOne(1, address(wallet), hex"010203");
        assertEq(federation.roundOf(1).committed, 1 << PARTICIPANTS, "committed");
    }

    // ------------------------------------------------------------------------------------------------------- vectors

    /// @dev The vectors that the Python tests check too: the contract at a vector's address on the vector's chain
    /// accepts the vector's signature.
    function test_vectors_eip712_update() public {
        string memory json = VM.readFile("tests/vectors/eip712_update.json");
        uint256 count;
        for (; count < 10; ++count) {
            string memory path = string.concat(".cases[", VM.toString(count), "]");
            if (!VM.keyExistsJson(json, path)) break;
            _checkVector(_readVector(json, path));
        }
        assertTrue(count >= 3, "too few vectors");
    }

    function test_eip712Domain_succeeds() public view {
        (, string memory name, string memory number, uint256 chain, address verifier,,) =
            federation.eip712Domain();
        assertEq(keccak256(bytes(name)), keccak256("fedtrust"), "name");
        assertEq(keccak256(bytes(number)), keccak256("2"), "version");
        assertEq(chain, block.chainid, "chain");
        assertEq(verifier, address(federation), "contract");
        assertEq(federation.domainSeparator(), domainOf(address(federation), block.chainid), "separator");
    }

    // ------------------------------------------------------------------------------------------------------ internal

    struct Vector {
        uint256 chainId;
        address contractAddress;
        uint256 round;
        bytes32 specHash;
        uint32 epoch;
        bytes32 root;
        uint32 ciphertexts;
        bytes32 proofHash;
        uint256 privateKey;
        bytes32 digest;
        bytes signature;
    }

    function _readVector(string memory json, string memory path) private pure returns (Vector memory vector) {
        vector.chainId = VM.parseJsonUint(json, string.concat(path, ".chain_id"));
        vector.contractAddress = VM.parseJsonAddress(json, string.concat(path, ".contract"));
        vector.round = VM.parseJsonUint(json, string.concat(path, ".round"));
        vector.specHash = VM.parseJsonBytes32(json, string.concat(path, ".spec_hash"));
        vector.epoch = uint32(VM.parseJsonUint(json, string.concat(path, ".epoch")));
        vector.root = VM.parseJsonBytes32(json, string.concat(path, ".root"));
        vector.ciphertexts = uint32(VM.parseJsonUint(json, string.concat(path, ".ciphertexts")));
        vector.proofHash = VM.parseJsonBytes32(json, string.concat(path, ".proof_hash"));
        vector.privateKey = uint256(VM.parseJsonBytes32(json, string.concat(path, ".private_key")));
        vector.digest = VM.parseJsonBytes32(json, string.concat(path, ".digest"));
        vector.signature = VM.parseJsonBytes(json, string.concat(path, ".signature"));
    }

    function _checkVector(Vector memory vector) private {
        VM.chainId(vector.chainId);
        bytes32 structHash = keccak256(
            abi.encode(
                UPDATE_TYPEHASH,
                vector.round,
                vector.specHash,
                vector.epoch,
                vector.root,
                vector.ciphertexts,
                vector.proofHash
            )
        );
        bytes32 domain = domainOf(vector.contractAddress, vector.chainId);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        assertEq(digest, vector.digest, "digest");
        assertEq(keccak256(signWith(vector.privateKey, digest)), keccak256(vector.signature), "signature");

        if (vector.epoch > 9) return; // so often nobody rotates in a test
        address signer = VM.addr(vector.privateKey);
        _deployAt(vector.contractAddress);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        register(signer, IFederation.Role.PARTICIPANT);
        register(participant(0), IFederation.Role.PARTICIPANT);
        for (uint32 epoch = 1; epoch < vector.epoch; ++epoch) {
            rotate(signer, signer);
        }
        publishKey(1, 1);
        for (uint256 earlier = 1; earlier < vector.round; ++earlier) {
            _openPair(earlier, SPEC, CIPHERTEXTS);
            VM.warp(time() + 101);
            federation.abortRound(earlier);
        }
        _openPair(vector.round, vector.specHash, vector.ciphertexts);
        IFederation.RelayedUpdate[] memory updates = new IFederation.RelayedUpdate[](1);
        updates[0] = IFederation.RelayedUpdate(signer, vector.root, vector.proofHash, vector.signature);
        _relay(vector.round, updates);
        assertEq(federation.roundOf(vector.round).committed, 1, "committed");
    }

    function _openPair(uint256 round, bytes32 spec, uint32 ciphertexts) private {
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(round, spec, BASE_MODEL, 3, 2, ciphertexts, times);
    }

    /// @dev Runs the constructor at `where`: its storage and its immutables are those of a deployment there.
    function _deployAt(address where) private {
        VM.etch(where, abi.encodePacked(creationCode(), abi.encode(OPERATOR, defaultConfig())));
        (bool deployed, bytes memory runtime) = where.call("");
        assertTrue(deployed, "deployed");
        VM.etch(where, runtime);
        federation = Federation(where);
    }

    /// @dev The signed updates of the participants in `members`, by index.
    function _batch(uint256 members) private view returns (IFederation.RelayedUpdate[] memory updates) {
        updates = new IFederation.RelayedUpdate[](PARTICIPANTS);
        uint256 count;
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            if ((members >> i) & 1 == 1) updates[count++] = signedUpdate(1, i);
        }
        assembly ("memory-safe") {
            mstore(updates, count)
        }
    }

    function _relay(uint256 round, IFederation.RelayedUpdate[] memory updates) private {
        VM.prank(STRANGER);
        federation.relayUpdates(round, updates);
    }

    /// @dev Relays participant 1's update in the name of `account`.
    function _relayOne(uint256 round, address account, bytes memory signature) private {
        IFederation.RelayedUpdate[] memory updates = new IFederation.RelayedUpdate[](1);
        updates[0] = IFederation.RelayedUpdate(account, rootOf(1), proofOf(1), signature);
        _relay(round, updates);
    }

    function _expectInvalid(address account) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundInvalidSignature.selector, account));
    }
}
