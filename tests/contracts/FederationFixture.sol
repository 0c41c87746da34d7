// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Base} from "./Base.sol";

/// @dev A federation with one aggregator, four participants, three trustees (threshold two) and a funded pool, and
/// the honest steps of a round.
abstract contract FederationFixture is Base {
    uint256 internal constant START = 1_700_000_000;
    uint64 internal constant WINDOW = 1 days;
    uint128 internal constant REWARD = 10 ether;
    uint256 internal constant POOL = 25 ether;
    uint256 internal constant PARTICIPANTS = 4;
    uint256 internal constant TRUSTEES = 3;
    uint8 internal constant THRESHOLD = 2;
    uint256 internal constant ALL = (1 << PARTICIPANTS) - 1;
    uint16 internal constant QUORUM = 3;
    uint32 internal constant CIPHERTEXTS = 685;

    address internal constant OPERATOR = address(0x0111);
    address internal constant AGGREGATOR = address(0xa66);
    address internal constant STRANGER = address(0xbad);

    bytes32 internal constant SPEC = keccak256("spec");
    bytes32 internal constant BASE_MODEL = keccak256("base model");
    bytes32 internal constant NEW_MODEL = keccak256("new model");
    bytes32 internal constant AGGREGATE_ROOT = keccak256("aggregate root");
    bytes32 internal constant PLAINTEXT = keccak256("plaintext");
    bytes32 internal constant PROOF = keccak256("proof");
    bytes32 internal constant RESULT = keccak256("result");

    Federation internal federation;

    function setUp() public virtual {
        VM.warp(START);
        federation = new Federation(OPERATOR, defaultConfig());
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        VM.prank(OPERATOR);
        federation.publishKey(keccak256("key"), THRESHOLD, uint8(TRUSTEES));
        VM.deal(OPERATOR, POOL);
        VM.prank(OPERATOR);
        federation.fundRewards{value: POOL}();
    }

    // --------------------------------------------------------------------------------------------------- parties

    function defaultConfig() internal pure virtual returns (IFederation.Config memory) {
        return IFederation.Config({
            challengeWindow: WINDOW,
            roundReward: REWARD,
            participantBasisPoints: 7000,
            trusteeBasisPoints: 2000,
            aggregatorBasisPoints: 1000
        });
    }

    function participantKey(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("participant", index)));
    }

    function participant(uint256 index) internal pure returns (address) {
        return VM.addr(participantKey(index));
    }

    function trustee(uint256 index) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("trustee", index)))));
    }

    function certificateOf(address account) internal pure returns (bytes memory) {
        return abi.encode("certificate", account);
    }

    function register(address account, IFederation.Role role) internal {
        VM.prank(OPERATOR);
        federation.registerIdentity(
            account, role, certificateOf(account), keccak256(abi.encode("sealing", account))
        );
    }

    function revoke(address account) internal {
        VM.prank(OPERATOR);
        federation.revokeIdentity(account);
    }

    // ----------------------------------------------------------------------------------------------------- steps

    function deadlines() internal view returns (IFederation.Deadlines memory) {
        uint64 time = uint64(block.timestamp);
        return IFederation.Deadlines({commit: time + 100, aggregate: time + 200, finalize: time + 300});
    }

    function open(uint256 round) internal {
        bytes32 model = federation.currentModel();
        IFederation.Deadlines memory times = deadlines();
        VM.prank(AGGREGATOR);
        federation.openRound(round, SPEC, model == 0 ? BASE_MODEL : model, ALL, QUORUM, CIPHERTEXTS, times);
    }

    function commit(uint256 round, uint256 index) internal {
        VM.prank(participant(index));
        federation.commitUpdate(round, rootOf(index), CIPHERTEXTS, proofOf(index));
    }

    function rootOf(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("root", index));
    }

    function proofOf(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("proof", index));
    }

    function partialOf(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("partial", index));
    }

    function openAndCommit(uint256 round, uint256 count) internal {
        open(round);
        for (uint256 i = 0; i < count; ++i) {
            commit(round, i);
        }
    }

    function toUpload(uint256 round) internal {
        openAndCommit(round, PARTICIPANTS);
        federation.closeCommits(round);
    }

    function toDecrypt(uint256 round) internal {
        toUpload(round);
        VM.prank(AGGREGATOR);
        federation.commitAggregate(round, ALL, AGGREGATE_ROOT);
    }

    function attest(uint256 round, uint256 index) internal {
        VM.prank(trustee(index));
        federation.attest(round, partialOf(index));
    }

    function toAttested(uint256 round) internal {
        toDecrypt(round);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            attest(round, i);
        }
    }

    function finalize(uint256 round) internal {
        VM.prank(AGGREGATOR);
        federation.finalizeRound(round, PLAINTEXT, PROOF, NEW_MODEL, RESULT);
    }

    function toFinalized(uint256 round) internal {
        toAttested(round);
        finalize(round);
    }

    function toAborted(uint256 round) internal {
        open(round);
        VM.warp(block.timestamp + 101);
        federation.abortRound(round);
    }

    // ---------------------------------------------------------------------------------------------- expectations

    function assertPhase(uint256 round, IFederation.Phase phase) internal view {
        assertEq(uint256(federation.roundOf(round).phase), uint256(phase), "phase");
    }

    function expectWrongPhase(uint256 round, IFederation.Phase required, IFederation.Phase actual) internal {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundWrongPhase.selector, round, required, actual));
    }

    /// @dev The head of `round`, recomputed from what `roundOf` shows and the head before.
    function recomputeHead(Federation of_, uint256 round) internal view returns (bytes32) {
        IFederation.Round memory r = of_.roundOf(round);
        IFederation.Phase ended =
            r.phase == IFederation.Phase.ABORTED ? IFederation.Phase.ABORTED : IFederation.Phase.FINALIZED;
        bytes32[18] memory words;
        words[0] = keccak256("fedtrust.round.v1");
        words[1] = bytes32(block.chainid);
        words[2] = bytes32(uint256(uint160(address(of_))));
        words[3] = bytes32(round);
        words[4] = of_.headOf(round - 1);
        words[5] = bytes32(uint256(ended));
        words[6] = bytes32(uint256(r.abortReason));
        words[7] = r.specHash;
        words[8] = r.baseModelHash;
        words[9] = bytes32(r.selected);
        words[10] = r.commitmentsHash;
        words[11] = bytes32(r.accepted);
        words[12] = r.aggregateRoot;
        words[13] = r.attestationsHash;
        words[14] = r.plaintextHash;
        words[15] = r.proofHash;
        words[16] = r.modelHash;
        words[17] = r.resultHash;
        return keccak256(abi.encode(words));
    }
}
