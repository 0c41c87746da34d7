// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Where the contract keeps what outsiders prove with `eth_getProof`, against a block header alone. The numbers are
/// published in docs/contracts.md, and `fedtrust/ledger/head_proof.py` has the first two.
contract StorageTest is FederationFixture {
    uint256 private constant ROUNDS_SLOT = 16;
    uint256 private constant HEAD_WORD = 10;
    uint256 private constant POOL_SLOT = 0;
    uint256 private constant TOTAL_STAKE_SLOT = 1;
    uint256 private constant REPUTATIONS_SLOT = 4;
    uint256 private constant ELIGIBLE_SLOT = 5;
    uint256 private constant KEY_ID_SLOT = 8;
    uint256 private constant IDENTITIES_SLOT = 11;
    uint256 private constant PROGRESS_SLOT = 17;
    uint256 private constant VERDICTS_SLOT = 19;
    uint256 private constant ROUND_WORDS = 11;

    function test_head_slot() public {
        toFinalized(1);
        toAborted(2);
        for (uint256 round = 1; round <= 2; ++round) {
            assertTrue(federation.headOf(round) != 0, "a head");
            assertEq(_roundWord(round, HEAD_WORD), federation.headOf(round), "head");
        }
        assertEq(_roundWord(3, HEAD_WORD), bytes32(0), "no head before its end");
    }

    /// @dev A round is eleven words, however many take part: none of them is left out here.
    function test_round_words() public {
        toFinalized(1);
        bytes32[12] memory w;
        for (uint256 i = 0; i < 12; ++i) {
            w[i] = _roundWord(1, i);
        }
        // phase, abort reason, quorum, ciphertexts, base round, aggregator
        uint256 first = 4 | (uint256(QUORUM) << 16) | (uint256(CIPHERTEXTS) << 32);
        assertEq(uint256(w[0]), first | (uint256(uint160(AGGREGATOR)) << 96), "word 0");
        uint256 times = START + 100 | ((START + 200) << 40) | ((START + 300) << 80);
        assertEq(uint256(w[1]), times | ((START + WINDOW) << 120) | (uint256(REWARD) << 160), "word 1");
        assertEq(uint256(w[2]), ALL, "selected");
        assertEq(uint256(w[3]), ALL, "committed");
        assertEq(uint256(w[4]), ALL, "accepted");
        assertEq(uint256(w[5]), 3, "attested");
        assertEq(w[6], SPEC, "spec");
        assertEq(w[7], federation.roundOf(1).transcript, "transcript");
        assertEq(w[8], federation.roundOf(1).aggregateHash, "aggregate");
        assertEq(w[9], modelOf(1), "model");
        assertEq(w[10], federation.headOf(1), "head");
        assertEq(w[11], bytes32(0), "no word more");
        assertEq(abi.encode(federation.roundOf(1)).length / 32, 21, "and all 21 fields are in them");
        assertEq(ROUND_WORDS, HEAD_WORD + 1, "the head is the last");
    }

    function test_other_slots() public {
        toFinalized(1);
        assertEq(uint256(_load(POOL_SLOT)), federation.rewardPool(), "pool");
        assertEq(uint256(_load(TOTAL_STAKE_SLOT)), STAKES, "stakes");
        assertEq(uint256(_load(ELIGIBLE_SLOT)), ALL, "eligible");
        assertEq(_load(KEY_ID_SLOT), KEY_ID, "key");
        uint256 progress = uint256(_load(PROGRESS_SLOT));
        assertEq(progress & 0xffffffff, 1, "last round");
        assertEq((progress >> 32) & 0xffffffff, 1, "the round of the current model");
        convict(1, STANDBY, false, STRANGER);
        assertEq(_load(VERDICTS_SLOT), federation.verdicts(), "verdicts");
        assertTrue(federation.verdicts() != 0, "one verdict");
    }

    function test_identity_words() public view {
        uint256 slot = uint256(keccak256(abi.encode(participant(1), IDENTITIES_SLOT)));
        // role, index, status, epoch, no release, no last round, stake
        uint256 first = 1 | (1 << 8) | (2 << 16) | (1 << 24) | (uint256(PARTICIPANT_STAKE) << 128);
        assertEq(uint256(_load(slot)), first, "one word for all that a call has to know");
        assertEq(_load(slot + 1), sha256(certificateOf(participant(1))), "fingerprint");
        assertEq(_load(slot + 2), sealingKeyOf(participant(1)), "sealing key");
    }

    /// @dev 1,024 finalised rounds that nobody settled: written to storage, as making them takes too long for a test.
    function test_openRound_tooManyUnsettled_reverts() public {
        toFinalized(1);
        bytes32 progress = _load(PROGRESS_SLOT);
        uint256 unsettled = uint256(0xffff) << 168;
        assertEq(uint256(progress) & unsettled, uint256(1) << 168, "one is not settled");
        bytes32 full = bytes32((uint256(progress) & ~unsettled) | (uint256(1024) << 168));
        VM.store(address(federation), bytes32(PROGRESS_SLOT), full);
        openRefused(
            abi.encodeWithSelector(IFederation.RoundsUnsettled.selector, 1024), AGGREGATOR, 2, ALL, QUORUM
        );
        settle(1);
        open(2); // 1,023 are left
    }

    /// @dev All have broken so much that no thousandth of reliability is left: the round settles, and the pot goes back.
    function test_reliability_ofNobody_settles() public {
        IFederation.Config memory config = defaultConfig();
        config.payoutRule = IFederation.PayoutRule.RELIABILITY;
        deploy(config, POOL);
        toFinalized(1);
        bytes32 ofRole = keccak256(abi.encode(IFederation.Role.PARTICIPANT, REPUTATIONS_SLOT));
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            VM.store(address(federation), keccak256(abi.encode(i, ofRole)), bytes32(uint256(5000) << 64));
        }
        IFederation.Reputation memory counters = federation.reputationOf(IFederation.Role.PARTICIPANT, 3);
        assertEq(counters.missed, 5000, "missed");
        settle(1);
        assertPhase(1, IFederation.Phase.SETTLED);
        assertEq(federation.claimable(participant(0)), 0, "nothing");
        assertEq(federation.rewardPool(), POOL - uint256(REWARD) * 3 / 10, "the participants' pot is back");
    }

    function _roundWord(uint256 round, uint256 word) private view returns (bytes32) {
        return _load(uint256(keccak256(abi.encode(round, ROUNDS_SLOT))) + word);
    }

    function _load(uint256 slot) private view returns (bytes32) {
        return VM.load(address(federation), bytes32(slot));
    }
}
