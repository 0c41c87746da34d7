// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

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
    string private constant VECTORS = "tests/vectors/eip712_update.json";

    function test_commitUpdateFor_succeeds() public {
        open(1);
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        VM.expectEmit(address(federation));
        emit IFederation.UpdateCommitted(1, participant(1), rootOf(1), proofOf(1));
        _relay(1, participant(1), signature);
        IFederation.Round memory r = federation.roundOf(1);
        assertEq(r.committed, 2, "committed");
        assertEq(
            r.commitmentsHash,
            keccak256(abi.encode(bytes32(0), participant(1), rootOf(1), proofOf(1))),
            "the same as if it had sent it itself"
        );
    }

    function test_commitUpdateFor_replay_reverts() public {
        open(1);
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        _relay(1, participant(1), signature);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundAlreadyCommitted.selector, 1, participant(1)));
        _relay(1, participant(1), signature);
        VM.warp(block.timestamp + 101);
        federation.abortRound(1);
        open(2); // the same spec hash, and still of no use
        _expectInvalid(participant(1));
        _relay(2, participant(1), signature);
    }

    function test_commitUpdateFor_otherDomain_reverts() public {
        open(1);
        bytes32[4] memory digests = [
            _digest(address(0x1234), block.chainid, 1, SPEC),
            _digest(address(federation), block.chainid + 1, 1, SPEC),
            _digest(address(federation), block.chainid, 2, SPEC),
            _digest(address(federation), block.chainid, 1, keccak256("another spec"))
        ];
        for (uint256 i = 0; i < digests.length; ++i) {
            bytes memory signature = _sign(participantKey(1), digests[i]);
            _expectInvalid(participant(1));
            _relay(1, participant(1), signature);
        }
    }

    function test_commitUpdateFor_forkedChain_reverts() public {
        open(1);
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        VM.chainId(block.chainid + 1);
        _expectInvalid(participant(1));
        _relay(1, participant(1), signature);
    }

    function test_commitUpdateFor_alteredFields_reverts() public {
        open(1);
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        _expectInvalid(participant(1));
        federation.commitUpdateFor(1, participant(1), rootOf(2), CIPHERTEXTS, proofOf(1), signature);
        _expectInvalid(participant(1));
        federation.commitUpdateFor(1, participant(1), rootOf(1), CIPHERTEXTS + 1, proofOf(1), signature);
        _expectInvalid(participant(1));
        federation.commitUpdateFor(1, participant(1), rootOf(1), CIPHERTEXTS, proofOf(2), signature);
        _expectInvalid(participant(2));
        federation.commitUpdateFor(1, participant(2), rootOf(1), CIPHERTEXTS, proofOf(1), signature);
    }

    function testFuzz_commitUpdateFor_garbage_reverts(bytes memory signature) public {
        open(1);
        _expectInvalid(participant(1));
        _relay(1, participant(1), signature);
    }

    function test_commitUpdateFor_malleated_reverts() public {
        open(1);
        (uint8 v, bytes32 r, bytes32 s) =
            VM.sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory twin = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _expectInvalid(participant(1));
        _relay(1, participant(1), twin);
    }

    function test_commitUpdateFor_stranger_reverts() public {
        open(1);
        address stranger = VM.addr(77);
        bytes memory signature = _sign(77, _digest(address(federation), block.chainid, 1, SPEC));
        VM.expectRevert(
            abi.encodeWithSelector(
                IFederation.IdentityWrongRole.selector, stranger, IFederation.Role.PARTICIPANT
            )
        );
        _relay(1, stranger, signature);
    }

    function test_commitUpdateFor_revoked_reverts() public {
        open(1);
        revoke(participant(1));
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityInactive.selector, participant(1)));
        _relay(1, participant(1), signature);
    }

    function test_commitUpdateFor_late_reverts() public {
        open(1);
        bytes memory signature =
            _sign(participantKey(1), _digest(address(federation), block.chainid, 1, SPEC));
        uint64 deadline = federation.roundOf(1).deadlines.commit;
        VM.warp(deadline + 1);
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundDeadlinePassed.selector, 1, deadline));
        _relay(1, participant(1), signature);
    }

    function test_commitUpdateFor_wrongPhase_reverts() public {
        expectWrongPhase(1, IFederation.Phase.COMMIT, IFederation.Phase.NONE);
        _relay(1, participant(1), "");
    }

    function test_commitUpdateFor_wallet_succeeds() public {
        Wallet wallet = new Wallet();
        register(address(wallet), IFederation.Role.PARTICIPANT);
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(1, SPEC, BASE_MODEL, (1 << (PARTICIPANTS + 1)) - 1, QUORUM, CIPHERTEXTS, times);
        _expectInvalid(address(wallet));
        _relay(1, address(wallet), hex"010203");
        wallet.approve(_digest(address(federation), block.chainid, 1, SPEC));
        _expectInvalid(address(wallet));
        _relay(1, address(wallet), hex"0102");
        _relay(1, address(wallet), hex"010203");
        assertEq(federation.roundOf(1).committed, 1 << PARTICIPANTS, "committed");
    }

    /// @dev The vectors that the Python tests check too: the contract at a vector's address on the vector's chain
    /// accepts the vector's signature.
    function test_vectors_eip712_update() public {
        string memory json = VM.readFile(VECTORS);
        uint256 count;
        for (; count < 10; ++count) {
            string memory path = string.concat(".cases[", string(abi.encodePacked(uint8(48 + count))), "]");
            if (!VM.keyExistsJson(json, path)) break;
            _checkVector(_readVector(json, path));
        }
        assertTrue(count >= 3, "too few vectors");
    }

    function _checkVector(Vector memory vector) private {
        VM.chainId(vector.chainId);
        bytes32 structHash = keccak256(
            abi.encode(
                UPDATE_TYPEHASH,
                vector.round,
                vector.specHash,
                vector.root,
                vector.ciphertexts,
                vector.proofHash
            )
        );
        bytes32 digest = keccak256(
            abi.encodePacked(hex"1901", _domain(vector.contractAddress, vector.chainId), structHash)
        );
        assertEq(digest, vector.digest, "digest");
        assertEq(keccak256(_sign(vector.privateKey, digest)), keccak256(vector.signature), "signature");

        address signer = VM.addr(vector.privateKey);
        _deployAt(vector.contractAddress);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        register(signer, IFederation.Role.PARTICIPANT);
        register(participant(0), IFederation.Role.PARTICIPANT);
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("key"), 1, 1);
        for (uint256 earlier = 1; earlier < vector.round; ++earlier) {
            _openPair(earlier, SPEC, CIPHERTEXTS);
            VM.warp(block.timestamp + 101);
            federation.abortRound(earlier);
        }
        _openPair(vector.round, vector.specHash, vector.ciphertexts);
        federation.commitUpdateFor(
            vector.round, signer, vector.root, vector.ciphertexts, vector.proofHash, vector.signature
        );
        assertEq(federation.roundOf(vector.round).committed, 1, "committed");
    }

    function test_eip712Domain_succeeds() public view {
        (, string memory name, string memory number, uint256 chain, address verifier,,) =
            federation.eip712Domain();
        assertEq(keccak256(bytes(name)), keccak256("fedtrust"), "name");
        assertEq(keccak256(bytes(number)), keccak256("1"), "version");
        assertEq(chain, block.chainid, "chain");
        assertEq(verifier, address(federation), "contract");
    }

    // ---------------------------------------------------------------------------------------------------- internal

    bytes32 private constant UPDATE_TYPEHASH =
        keccak256("Update(uint256 round,bytes32 specHash,bytes32 root,uint32 ciphertexts,bytes32 proofHash)");

    struct Vector {
        uint256 chainId;
        address contractAddress;
        uint256 round;
        bytes32 specHash;
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
        vector.root = VM.parseJsonBytes32(json, string.concat(path, ".root"));
        vector.ciphertexts = uint32(VM.parseJsonUint(json, string.concat(path, ".ciphertexts")));
        vector.proofHash = VM.parseJsonBytes32(json, string.concat(path, ".proof_hash"));
        vector.privateKey = uint256(VM.parseJsonBytes32(json, string.concat(path, ".private_key")));
        vector.digest = VM.parseJsonBytes32(json, string.concat(path, ".digest"));
        vector.signature = VM.parseJsonBytes(json, string.concat(path, ".signature"));
    }

    function _domain(address contract_, uint256 chain) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("fedtrust"),
                keccak256("1"),
                chain,
                contract_
            )
        );
    }

    /// @dev The digest of participant 1's update.
    function _digest(address contract_, uint256 chain, uint256 round, bytes32 spec)
        private
        pure
        returns (bytes32)
    {
        bytes32 structHash =
            keccak256(abi.encode(UPDATE_TYPEHASH, round, spec, rootOf(1), CIPHERTEXTS, proofOf(1)));
        return keccak256(abi.encodePacked(hex"1901", _domain(contract_, chain), structHash));
    }

    function _sign(uint256 privateKey, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    function _relay(uint256 round, address account, bytes memory signature) private {
        VM.prank(STRANGER);
        federation.commitUpdateFor(round, account, rootOf(1), CIPHERTEXTS, proofOf(1), signature);
    }

    function _expectInvalid(address account) private {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundInvalidSignature.selector, account));
    }

    function _openPair(uint256 round, bytes32 spec, uint32 ciphertexts) private {
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(round, spec, BASE_MODEL, 3, 2, ciphertexts, times);
    }

    /// @dev Runs the constructor at `where`: its storage and its immutables are those of a deployment there.
    function _deployAt(address where) private {
        VM.etch(where, abi.encodePacked(type(Federation).creationCode, abi.encode(OPERATOR, defaultConfig())));
        (bool deployed, bytes memory runtime) = where.call("");
        assertTrue(deployed, "deployed");
        VM.etch(where, runtime);
        federation = Federation(where);
    }
}
