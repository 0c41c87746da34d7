// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {FederationFixture} from "./FederationFixture.sol";

/// @dev Drives a federation at random: honest steps that move a round on, and calls of anybody at any time. After
/// each it compares every round with what it saw before.
contract FederationHandler is FederationFixture {
    mapping(uint256 round => IFederation.Round) private _seen;
    uint256 public funded;
    uint256 public claimed;
    string public violation;
    uint256[8] public reached;

    constructor() {
        FederationFixture.setUp();
        funded = POOL;
    }

    function target() external view returns (Federation) {
        return federation;
    }

    // --------------------------------------------------------------------------------------------------- actions

    /// @dev One to four honest steps of the newest round, or the opening of the next.
    function advance(uint256 seed) external {
        for (uint256 step = 0; step <= seed >> 128 & 3; ++step) {
            _advance(uint256(keccak256(abi.encode(seed, step))));
            _observe();
        }
    }

    function stray(uint256 seed, uint256 round) external {
        round = bound(round, 0, federation.lastRound() + 1);
        address sender = _anybody(seed >> 8);
        VM.prank(sender);
        if (seed % 8 == 0) {
            try federation.closeCommits(round) {} catch {}
        } else if (seed % 8 == 1) {
            try federation.abortRound(round) {} catch {}
        } else if (seed % 8 == 2) {
            try federation.settleRound(round) {} catch {}
        } else if (seed % 8 == 3) {
            try federation.commitAggregate(round, seed >> 8 & ALL, bytes32(seed)) {} catch {}
        } else if (seed % 8 == 4) {
            try federation.attest(round, bytes32(seed)) {} catch {}
        } else if (seed % 8 == 5) {
            try federation.finalizeRound(round, PROOF, PROOF, PROOF, PROOF) {} catch {}
        } else if (seed % 8 == 6) {
            try federation.commitUpdate(round, bytes32(seed), CIPHERTEXTS, PROOF) {} catch {}
        } else {
            claimed += federation.claim();
        }
        _observe();
    }

    function settle(uint256 round) external {
        uint256 last = federation.lastRound();
        if (last == 0) return;
        round = bound(round, 1, last);
        uint64 challengeEnd = federation.roundOf(round).challengeEnd;
        if (block.timestamp < challengeEnd) VM.warp(challengeEnd);
        try federation.settleRound(round) {} catch {}
        _observe();
    }

    function claim(uint256 seed) external {
        VM.prank(_anybody(seed));
        claimed += federation.claim();
        _observe();
    }

    function fund(uint96 amount) external {
        VM.deal(STRANGER, amount);
        VM.prank(STRANGER);
        federation.fundRewards{value: amount}();
        funded += amount;
        _observe();
    }

    /// @dev Time passes, and at times somebody notices what was missed.
    function wait(uint256 time) external {
        VM.warp(block.timestamp + bound(time, 1, 150));
        if (time % 2 == 0) try federation.abortRound(federation.lastRound()) {} catch {}
        _observe();
    }

    // ------------------------------------------------------------------------------------------------- accounting

    function sumOfClaimable() external view returns (uint256 sum) {
        for (uint256 i = 0; i < PARTICIPANTS + TRUSTEES + 2; ++i) {
            sum += federation.claimable(_anybody(i));
        }
    }

    function sumOfReserved() external view returns (uint256 sum) {
        uint256 last = federation.lastRound();
        for (uint256 round = 1; round <= last; ++round) {
            IFederation.Round memory r = federation.roundOf(round);
            if (r.phase != IFederation.Phase.SETTLED && r.phase != IFederation.Phase.ABORTED) {
                sum += r.reward;
            }
        }
    }

    function headRecomputed(uint256 round) external view returns (bytes32) {
        return recomputeHead(federation, round);
    }

    // --------------------------------------------------------------------------------------------------- internal

    function _anybody(uint256 seed) private pure returns (address) {
        uint256 index = seed % (PARTICIPANTS + TRUSTEES + 2);
        if (index < PARTICIPANTS) return participant(index);
        if (index < PARTICIPANTS + TRUSTEES) return trustee(index - PARTICIPANTS);
        return index == PARTICIPANTS + TRUSTEES ? AGGREGATOR : STRANGER;
    }

    function _advance(uint256 seed) private {
        uint256 round = federation.lastRound();
        IFederation.Round memory r = federation.roundOf(round);
        if (r.phase == IFederation.Phase.COMMIT) {
            _advanceCommit(round, r, seed);
        } else if (r.phase == IFederation.Phase.UPLOAD) {
            uint256 accepted = r.committed;
            if (seed % 2 == 0 && accepted == ALL) accepted &= ~(1 << (seed / 2 % PARTICIPANTS));
            VM.prank(AGGREGATOR);
            try federation.commitAggregate(round, accepted, bytes32(seed)) {} catch {}
        } else if (r.phase == IFederation.Phase.DECRYPT) {
            VM.prank(AGGREGATOR);
            try federation.finalizeRound(round, PLAINTEXT, PROOF, keccak256(abi.encode(seed)), RESULT) {}
            catch {
                VM.prank(trustee(seed % TRUSTEES));
                try federation.attest(round, bytes32(seed)) {} catch {}
            }
        } else {
            _open(round + 1, seed);
        }
    }

    function _open(uint256 round, uint256 seed) private {
        bytes32 model = federation.currentModel();
        IFederation.Deadlines memory times = deadlines();
        uint256 selected = seed % 4 == 0 ? ALL & ~uint256(1) : ALL;
        VM.prank(AGGREGATOR);
        federation.openRound(
            round, bytes32(seed), model == 0 ? BASE_MODEL : model, selected, QUORUM, CIPHERTEXTS, times
        );
    }

    function _advanceCommit(uint256 round, IFederation.Round memory r, uint256 seed) private {
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            uint256 index = (seed + i) % PARTICIPANTS;
            if ((r.selected & ~r.committed) >> index & 1 == 1) {
                VM.prank(participant(index));
                try federation.commitUpdate(round, bytes32(seed), CIPHERTEXTS, PROOF) {} catch {}
                return;
            }
        }
        federation.closeCommits(round);
    }

    /// @dev Compares every round with its last observation and keeps the new one.
    function _observe() private {
        uint256 last = federation.lastRound();
        bool running;
        for (uint256 round = 1; round <= last; ++round) {
            IFederation.Round memory r = federation.roundOf(round);
            IFederation.Round memory old = _seen[round];
            reached[uint256(r.phase)] += old.phase == r.phase ? 0 : 1;
            if (!_mayFollow(old.phase, r.phase)) violation = "a phase went back or was skipped";
            if (!_onlyWrittenOnce(old, r)) violation = "a written slot was rewritten";
            if (old.committed & ~r.committed != 0 || r.committed & ~r.selected != 0) {
                violation = "committed set";
            }
            if (old.attested & ~r.attested != 0 || r.accepted & ~r.committed != 0) violation = "sets";
            if (running) violation = "two rounds at once";
            running = uint256(r.phase) < uint256(IFederation.Phase.FINALIZED);
            _seen[round] = r;
        }
    }

    /// @dev One action moves a round by at most one phase.
    function _mayFollow(IFederation.Phase from, IFederation.Phase to) private pure returns (bool) {
        if (from == to) return true;
        if (to == IFederation.Phase.ABORTED) {
            return from >= IFederation.Phase.COMMIT && from <= IFederation.Phase.DECRYPT;
        }
        return to <= IFederation.Phase.SETTLED && uint256(to) == uint256(from) + 1;
    }

    function _onlyWrittenOnce(IFederation.Round memory old, IFederation.Round memory r)
        private
        pure
        returns (bool)
    {
        bytes32[15] memory before = _writtenOnce(old);
        bytes32[15] memory now_ = _writtenOnce(r);
        for (uint256 i = 0; i < before.length; ++i) {
            if (before[i] != 0 && before[i] != now_[i]) return false;
        }
        return true;
    }

    function _writtenOnce(IFederation.Round memory r) private pure returns (bytes32[15] memory) {
        return [
            bytes32(uint256(uint160(r.aggregator))),
            r.aggregator == address(0)
                ? bytes32(0)
                : keccak256(abi.encode(r.deadlines, r.quorum, r.ciphertexts)),
            bytes32(r.selected),
            bytes32(r.accepted),
            r.specHash,
            r.baseModelHash,
            r.aggregateRoot,
            r.plaintextHash,
            r.proofHash,
            r.modelHash,
            r.resultHash,
            r.head,
            bytes32(uint256(r.challengeEnd)),
            bytes32(uint256(r.reward)),
            bytes32(uint256(r.abortReason))
        ];
    }
}
