// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Base, Vm} from "./Base.sol";

/// @dev Recomputes transcripts, aggregate hashes and heads from the federation's events alone, as an auditor does.
abstract contract HeadMirror is Base {
    bytes32 private constant ROUND_TAG = keccak256("fedtrust.round.v2");
    bytes32 private constant HEAD_TAG = keccak256("fedtrust.head.v2");

    struct Mirror {
        address aggregator;
        bytes32 transcript;
        bytes32 committed; // the transcript after the last commitment, once the aggregate is there
        bytes32 aggregateHash;
        bytes32[4] result;
        bytes32 head;
    }

    mapping(uint256 round => Mirror) internal mirrors;
    bytes32 internal mirroredVerdicts;

    /// @dev Follows the events of `emitter` among those recorded since the last call; recording starts in `setUp`.
    function mirrorLogs(address emitter) internal {
        Vm.Log[] memory logs = VM.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == emitter) _mirror(emitter, logs[i]);
        }
    }

    /// @dev What the contract must hold of `round` by its events.
    function assertMirrored(IFederation of_, uint256 round) internal view {
        IFederation.Round memory r = of_.roundOf(round);
        Mirror storage mirror = mirrors[round];
        assertEq(r.transcript, mirror.transcript, "transcript");
        assertEq(r.aggregateHash, mirror.aggregateHash, "aggregate hash");
        assertEq(r.aggregator, mirror.aggregator, "aggregator");
        assertEq(r.modelHash, mirror.result[2], "model");
        assertEq(r.head, mirror.head, "head");
        assertEq(of_.headOf(round), mirror.head, "headOf");
    }

    function _mirror(address federation_, Vm.Log memory log) private {
        bytes32 topic = log.topics[0];
        if (topic == IFederation.RoundOpened.selector) {
            _mirrorOpening(federation_, log);
        } else if (topic == IFederation.UpdateCommitted.selector) {
            (bytes32 root, bytes32 proofHash) = abi.decode(log.data, (bytes32, bytes32));
            _mirrorEntry(uint256(log.topics[1]), 1, log.topics[2], root, proofHash);
        } else if (topic == IFederation.Attested.selector) {
            _mirrorEntry(uint256(log.topics[1]), 2, log.topics[2], abi.decode(log.data, (bytes32)), 0);
        } else if (topic == IFederation.AggregateCommitted.selector) {
            (uint256 accepted, bytes32 root) = abi.decode(log.data, (uint256, bytes32));
            Mirror storage mirror = mirrors[uint256(log.topics[1])];
            mirror.committed = mirror.transcript;
            mirror.aggregateHash = keccak256(abi.encode(mirror.transcript, accepted, root));
        } else if (topic == IFederation.RoundTakenOver.selector) {
            mirrors[uint256(log.topics[1])].aggregator = address(uint160(uint256(log.topics[2])));
        } else if (topic == IFederation.RoundFinalized.selector) {
            Mirror storage mirror = mirrors[uint256(log.topics[1])];
            (mirror.result[0], mirror.result[1], mirror.result[2], mirror.result[3],,) =
                abi.decode(log.data, (bytes32, bytes32, bytes32, bytes32, bytes32, uint40));
            _mirrorHead(mirror, IFederation.Phase.FINALIZED, IFederation.AbortReason.NONE);
        } else if (topic == IFederation.RoundAborted.selector) {
            (IFederation.AbortReason reason,) = abi.decode(log.data, (IFederation.AbortReason, bytes32));
            _mirrorHead(mirrors[uint256(log.topics[1])], IFederation.Phase.ABORTED, reason);
        } else if (topic == IFederation.RoundVoided.selector) {
            (, mirroredVerdicts) = abi.decode(log.data, (bytes32, bytes32));
            Mirror storage mirror = mirrors[uint256(log.topics[1])];
            if (mirror.head == 0) {
                _mirrorHead(mirror, IFederation.Phase.VOIDED, IFederation.AbortReason.NONE);
            }
        }
    }

    struct Opening {
        bytes32 specHash;
        bytes32 baseModelHash;
        uint256 selected;
        uint16 quorum;
        uint32 ciphertexts;
        uint32 baseRound;
        IFederation.Deadlines deadlines;
        uint256 reward;
    }

    function _mirrorOpening(address federation_, Vm.Log memory log) private {
        uint256 round = uint256(log.topics[1]);
        Opening memory opening = abi.decode(log.data, (Opening));
        Mirror storage mirror = mirrors[round];
        mirror.aggregator = address(uint160(uint256(log.topics[2])));
        bytes memory context = abi.encode(
            ROUND_TAG,
            block.chainid,
            federation_,
            round,
            mirrors[round - 1].head,
            mirror.aggregator,
            opening.specHash,
            opening.baseModelHash,
            opening.baseRound
        );
        mirror.transcript = keccak256(
            bytes.concat(
                context,
                abi.encode(
                    opening.selected, opening.quorum, opening.ciphertexts, opening.deadlines, opening.reward
                )
            )
        );
    }

    function _mirrorEntry(uint256 round, uint8 kind, bytes32 account, bytes32 first, bytes32 second) private {
        mirrors[round].transcript =
            keccak256(abi.encode(mirrors[round].transcript, kind, account, first, second));
    }

    function _mirrorHead(Mirror storage mirror, IFederation.Phase phase, IFederation.AbortReason reason)
        private
    {
        mirror.head = keccak256(
            bytes.concat(
                abi.encode(
                    HEAD_TAG, mirror.transcript, phase, reason, mirror.aggregator, mirror.aggregateHash
                ),
                abi.encode(mirror.result, mirroredVerdicts)
            )
        );
    }
}
