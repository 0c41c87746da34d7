// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {HeadMirror} from "./HeadMirror.sol";

/// @dev The federation with what it inherits from OpenZeppelin. The tests deploy its compiled code, see `create`.
interface Federation is IFederation, IERC5267 {
    error OwnableUnauthorizedAccount(address account);
    error OwnableInvalidOwner(address owner);
    error ReentrancyGuardReentrantCall();

    function owner() external view returns (address);
    function transferOwnership(address newOwner) external;
    function acceptOwnership() external;
}

/// @dev A federation with an aggregator and its standby, four participants, three trustees (threshold two), everybody's
/// stake and a funded pool, and the honest steps of a round.
abstract contract FederationFixture is HeadMirror {
    uint256 internal constant START = 1_700_000_000;
    uint40 internal constant WINDOW = 1 days;
    uint40 internal constant DISPUTE = 1 hours;
    uint40 internal constant STANDBY_SECONDS = 30;
    uint40 internal constant LONGEST = 2 days;
    uint40 internal constant UNBONDING = LONGEST + 3 * STANDBY_SECONDS + WINDOW + DISPUTE;
    uint40 internal constant CLAIM_SECONDS = 365 days;
    uint88 internal constant REWARD = 10 ether;
    uint96 internal constant PARTICIPANT_STAKE = 1 ether;
    uint96 internal constant TRUSTEE_STAKE = 2 ether;
    uint96 internal constant AGGREGATOR_STAKE = 5 ether;
    uint96 internal constant BOND = 0.5 ether;
    uint96 internal constant REWARD_CAP = 2 ether;
    uint256 internal constant POOL = 25 ether;
    uint256 internal constant PARTICIPANTS = 4;
    uint256 internal constant TRUSTEES = 3;
    uint256 internal constant STAKES =
        PARTICIPANTS * PARTICIPANT_STAKE + TRUSTEES * TRUSTEE_STAKE + 2 * AGGREGATOR_STAKE;
    uint8 internal constant THRESHOLD = 2;
    uint256 internal constant ALL = (1 << PARTICIPANTS) - 1;
    uint16 internal constant QUORUM = 3;
    uint32 internal constant CIPHERTEXTS = 685;

    address private constant CODE = address(0xc0de0000);
    address internal constant OPERATOR = address(0x0111);
    address internal constant AGGREGATOR = address(0xa66);
    address internal constant STANDBY = address(0xa67);
    address internal constant STRANGER = address(0xbad);

    bytes32 internal constant KEY_ID = keccak256("key");
    bytes32 internal constant MODULUS_HASH = keccak256("modulus");
    bytes32 internal constant SPEC = keccak256("spec");
    bytes32 internal constant BASE_MODEL = keccak256("base model");
    bytes32 internal constant AGGREGATE_ROOT = keccak256("aggregate root");
    bytes32 internal constant PLAINTEXT = keccak256("plaintext");
    bytes32 internal constant PROOF = keccak256("proof");
    bytes32 internal constant RESULT = keccak256("result");

    bytes32 internal constant UPDATE_TYPEHASH = keccak256(
        "Update(uint256 round,bytes32 specHash,uint32 epoch,bytes32 root,uint32 ciphertexts,bytes32 proofHash)"
    );

    Federation internal federation;
    address internal running; // the aggregator of the newest round

    function setUp() public virtual {
        VM.warp(START);
        VM.roll(1000);
        deploy(defaultConfig(), POOL);
    }

    /// @dev A new federation with everybody in it.
    function deploy(IFederation.Config memory config, uint256 funded) internal {
        deployEmpty(config);
        register(AGGREGATOR, IFederation.Role.AGGREGATOR);
        register(STANDBY, IFederation.Role.AGGREGATOR);
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            register(participant(i), IFederation.Role.PARTICIPANT);
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            register(trustee(i), IFederation.Role.TRUSTEE);
        }
        publishKey(THRESHOLD, uint8(TRUSTEES));
        fund(OPERATOR, funded);
    }

    function deployEmpty(IFederation.Config memory config) internal {
        VM.recordLogs();
        federation = create(OPERATOR, config);
    }

    /// @dev A federation from the committed artifact: the bytecode that Python deploys, which `make contracts-check`
    /// compares with the sources. `FEDERATION_ARTIFACT` names another one, as `make contracts-coverage` does.
    function create(address owner, IFederation.Config memory config) internal returns (Federation created) {
        bytes memory code = bytes.concat(creationCode(), abi.encode(owner, config));
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                returndatacopy(code, 0, returndatasize())
                revert(code, returndatasize())
            }
        }
    }

    /// @dev Read once and kept as the code of an account: to parse the artifact takes longer than a whole round.
    function creationCode() internal returns (bytes memory) {
        if (CODE.code.length == 0) {
            VM.etch(
                CODE, VM.getCode(VM.envOr("FEDERATION_ARTIFACT", "fedtrust/ledger/artifacts/Federation.json"))
            );
        }
        return CODE.code;
    }

    function publishKey(uint8 threshold, uint8 trustees) internal {
        VM.prank(OPERATOR);
        federation.publishKey(KEY_ID, threshold, trustees, MODULUS_HASH);
    }

    // --------------------------------------------------------------------------------------------------- parties

    function defaultConfig() internal view virtual returns (IFederation.Config memory) {
        return IFederation.Config({
            asset: address(0),
            predecessor: address(0),
            challengeWindow: WINDOW,
            disputeSeconds: DISPUTE,
            standbySeconds: STANDBY_SECONDS,
            maxRoundSeconds: LONGEST,
            unbondingSeconds: UNBONDING,
            claimSeconds: CLAIM_SECONDS,
            roundReward: REWARD,
            participantBasisPoints: 7000,
            trusteeBasisPoints: 2000,
            aggregatorBasisPoints: 1000,
            payoutRule: IFederation.PayoutRule.EQUAL,
            participantStake: PARTICIPANT_STAKE,
            trusteeStake: TRUSTEE_STAKE,
            aggregatorStake: AGGREGATOR_STAKE,
            disputeBond: BOND,
            challengerRewardCap: REWARD_CAP,
            minimumQuorum: 2,
            participantsPerRound: 0,
            maxMissed: 0
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

    function sealingKeyOf(address account) internal pure returns (bytes32) {
        return keccak256(abi.encode("sealing", account));
    }

    function stakeOf(IFederation.Role role) internal view returns (uint256) {
        IFederation.Config memory config = federation.config();
        if (role == IFederation.Role.PARTICIPANT) return config.participantStake;
        return role == IFederation.Role.TRUSTEE ? config.trusteeStake : config.aggregatorStake;
    }

    /// @dev Gives `account` the `amount` that it is about to pay; returns what to send along.
    function provide(address account, uint256 amount) internal virtual returns (uint256 value) {
        VM.deal(account, account.balance + amount);
        return amount;
    }

    /// @dev What `account` has of the federation's asset.
    function assetOf(address account) internal view virtual returns (uint256) {
        return account.balance;
    }

    function admit(address account, IFederation.Role role) internal {
        VM.prank(OPERATOR);
        federation.admitIdentity(account, role);
    }

    /// @dev Admits `account`, which then registers itself with the stake of its role.
    function register(address account, IFederation.Role role) internal {
        admit(account, role);
        uint256 value = provide(account, stakeOf(role));
        VM.prank(account);
        federation.registerIdentity{value: value}(certificateOf(account), sealingKeyOf(account));
    }

    function revoke(address account) internal {
        VM.prank(OPERATOR);
        federation.revokeIdentity(account);
    }

    function depart(address account) internal {
        VM.prank(account);
        federation.leaveFederation();
    }

    /// @dev `account` hands its place to `newAccount`, which is admitted first if it is another.
    function rotate(address account, address newAccount) internal {
        IFederation.Identity memory identity = federation.identityOf(account);
        if (newAccount != account) admit(newAccount, identity.role);
        bytes memory certificate = abi.encode("rotated", newAccount, identity.epoch);
        VM.prank(account);
        federation.rotateIdentity(newAccount, certificate, sealingKeyOf(newAccount));
    }

    function fund(address sender, uint256 amount) internal {
        uint256 value = provide(sender, amount);
        VM.prank(sender);
        federation.fundRewards{value: value}(amount);
    }

    /// @dev The verdict that the disputes contract would give, given by its address.
    function convict(uint256 round, address offender, bool attested, address challenger) internal {
        VM.prank(federation.disputes());
        federation.convict(round, offender, attested, challenger, 1);
    }

    // ----------------------------------------------------------------------------------------------------- steps

    function deadlines() internal view returns (IFederation.Deadlines memory) {
        uint40 start = uint40(time());
        return IFederation.Deadlines({commit: start + 100, aggregate: start + 200, finalize: start + 300});
    }

    /// @dev The aggregator opens `round` with all who are drawn, in a block of its own.
    function open(uint256 round) internal {
        openBy(AGGREGATOR, round);
    }

    function openBy(address aggregator, uint256 round) internal {
        VM.roll(height() + 1);
        (,, uint256 selected) = federation.drawOf();
        openWith(aggregator, round, selected, QUORUM);
    }

    function openWith(address aggregator, uint256 round, uint256 selected, uint16 quorum) internal {
        bytes32 model = federation.currentModel();
        IFederation.Deadlines memory times = deadlines();
        running = aggregator;
        VM.prank(aggregator);
        federation.openRound(
            round, SPEC, model == 0 ? BASE_MODEL : model, selected, quorum, CIPHERTEXTS, times
        );
    }

    /// @dev Nobody gets round `round` opened like this.
    function openRefused(
        bytes memory reason,
        address aggregator,
        uint256 round,
        uint256 selected,
        uint16 quorum
    ) internal {
        bytes32 model = federation.currentModel();
        IFederation.Deadlines memory times = deadlines();
        VM.expectRevert(reason);
        VM.prank(aggregator);
        federation.openRound(
            round, SPEC, model == 0 ? BASE_MODEL : model, selected, quorum, CIPHERTEXTS, times
        );
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

    function modelOf(uint256 round) internal pure returns (bytes32) {
        return keccak256(abi.encode("model", round));
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

    function aggregate(uint256 round, uint256 accepted) internal {
        VM.prank(running);
        federation.commitAggregate(round, accepted, AGGREGATE_ROOT);
    }

    function toDecrypt(uint256 round) internal {
        toUpload(round);
        aggregate(round, ALL);
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
        VM.prank(running);
        federation.finalizeRound(round, PLAINTEXT, PROOF, modelOf(round), RESULT);
    }

    function toFinalized(uint256 round) internal {
        toAttested(round);
        finalize(round);
    }

    function settle(uint256 round) internal {
        uint256 challengeEnd = federation.roundOf(round).challengeEnd;
        if (time() < challengeEnd) VM.warp(challengeEnd);
        federation.settleRound(round);
    }

    function toSettled(uint256 round) internal {
        toFinalized(round);
        settle(round);
    }

    function toAborted(uint256 round) internal {
        open(round);
        VM.warp(time() + 101);
        federation.abortRound(round);
    }

    // ------------------------------------------------------------------------------------------------- signatures

    function domainOf(address contract_, uint256 chain) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("fedtrust"),
                keccak256("2"),
                chain,
                contract_
            )
        );
    }

    function updateDigest(bytes32 domain, uint256 round, bytes32 spec, uint32 epoch, uint256 index)
        internal
        pure
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(UPDATE_TYPEHASH, round, spec, epoch, rootOf(index), CIPHERTEXTS, proofOf(index))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function signWith(uint256 privateKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The update of participant `index` for `round`, signed with its first key in its first epoch.
    function signedUpdate(uint256 round, uint256 index)
        internal
        view
        returns (IFederation.RelayedUpdate memory)
    {
        bytes32 digest = updateDigest(domainOf(address(federation), block.chainid), round, SPEC, 1, index);
        return IFederation.RelayedUpdate(
            participant(index), rootOf(index), proofOf(index), signWith(participantKey(index), digest)
        );
    }

    // ---------------------------------------------------------------------------------------------- expectations

    function assertPhase(uint256 round, IFederation.Phase phase) internal view {
        assertEq(uint256(federation.roundOf(round).phase), uint256(phase), "phase");
    }

    function assertStatus(address account, IFederation.Status status) internal view {
        assertEq(uint256(federation.identityOf(account).status), uint256(status), "status");
    }

    function expectWrongPhase(uint256 round, IFederation.Phase required, IFederation.Phase actual) internal {
        VM.expectRevert(abi.encodeWithSelector(IFederation.RoundWrongPhase.selector, round, required, actual));
    }

    function expectWrongStatus(address account, IFederation.Status actual) internal {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityWrongStatus.selector, account, actual));
    }

    function expectWrongRole(address account, IFederation.Role required) internal {
        VM.expectRevert(abi.encodeWithSelector(IFederation.IdentityWrongRole.selector, account, required));
    }
}
