// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IFederation} from "../interfaces/IFederation.sol";
import {Bitmap} from "../rounds/Bitmap.sol";
import {Transcript} from "../rounds/Transcript.sol";
import {Docket} from "./Docket.sol";
import {MerklePath} from "./MerklePath.sol";
import {ModularMultiplication, RunningProduct} from "./ModularMultiplication.sol";

/// @title AggregateDisputes
/// @notice That one ciphertext of the aggregate is not the product of the accepted ones.
/// @dev Why the commitments that a challenger brings are all it needs to bring, whatever `start` it names: at the end
/// they must lead to the transcript in the round's aggregateHash, and keccak being one-way, only the round's own last
/// commitments do, in their order, none changed, left out or added. Each participant commits once. So if as many
/// accepted ones are among them as there are accepted ones in all, they are all of them, each once.
abstract contract AggregateDisputes is Docket {
    using Bitmap for uint256;

    bytes32 private constant UNFIT = bytes32(uint256(1));

    /// @dev A column at work: what a step takes from storage, goes on with and writes back.
    struct Column {
        uint256 accepted;
        uint32 ciphertexts;
        uint32 leaf;
        uint16 counted;
        bool unfit;
        bytes32 transcript;
        RunningProduct product;
    }

    /// @inheritdoc IDisputes
    function challengeAggregate(uint256 round, uint32 leaf, bytes32 salt)
        external
        payable
        returns (uint256 dispute)
    {
        IFederation.Round memory disputed = _disputableRound(round, true);
        if (leaf >= disputed.ciphertexts) revert DisputeNoSuchLeaf(leaf, disputed.ciphertexts);
        _useAnnouncement(abi.encode(Kind.AGGREGATE, round, leaf), salt);
        Dispute storage opened;
        (dispute, opened) = _openDispute(Kind.AGGREGATE, round, leaf);
        emit AggregateChallenged(dispute, round, msg.sender, leaf, opened.deadline);
        FEDERATION.takeBond{value: msg.value}(msg.sender);
    }

    /// @inheritdoc IDisputes
    function multiply(
        uint256 dispute,
        bytes calldata modulus,
        bytes calldata product,
        bytes32 start,
        Contribution[] calldata contributions
    ) external {
        Dispute storage current = _requireYours(dispute);
        Column memory column = _resume(dispute, current, modulus, product, start);
        for (uint256 i = 0; i < contributions.length; ++i) {
            _add(column, modulus, contributions[i]);
        }
        current.transcript = column.transcript;
        current.counted = column.counted;
        if (column.unfit) current.productHash = UNFIT;
        else if (column.counted != 0) current.productHash = column.product.digest();
    }

    /// @inheritdoc IDisputes
    function conclude(
        uint256 dispute,
        bytes calldata modulus,
        bytes calldata product,
        bytes32 aggregateRoot,
        bytes calldata ciphertext,
        bytes32[] calldata path
    ) external {
        Dispute storage current = _requireYours(dispute);
        IFederation.Round memory round = _undecidedRound(current.round);
        _requireAggregate(current.round, round, current.transcript, aggregateRoot);
        bytes32 productHash = current.productHash;
        // an unfit leaf under an accepted root: the rest does not matter
        if (productHash != UNFIT) {
            uint256 accepted = round.accepted.count();
            if (current.counted != accepted) revert DisputeIncomplete(dispute, current.counted, accepted);
            _requireModulus(modulus);
            if (keccak256(product) != productHash) revert DisputeWrongProduct(dispute);
            MerklePath.verify(aggregateRoot, round.ciphertexts, current.leaf, ciphertext, path);
            // the product has one form: as long as the modulus, and below it
            if (keccak256(ciphertext) == productHash) {
                _close(dispute, current, Outcome.FAILED, address(0));
                FEDERATION.creditBond(address(0));
                return;
            }
        }
        _prove(dispute, current, round.aggregator, true);
    }

    /// @inheritdoc IDisputes
    function proveWrongCount(
        uint256 dispute,
        bytes32 start,
        Commitment[] calldata commitments,
        bytes32 aggregateRoot,
        uint32 count,
        bytes32 treeHash
    ) external {
        Dispute storage current = _requireYours(dispute);
        uint256 number = current.round;
        IFederation.Round memory round = _undecidedRound(number);
        _requireLast(number, round, start, commitments, aggregateRoot);
        bytes32 root = aggregateRoot;
        if (commitments.length != 0) {
            address participant = commitments[0].participant;
            if (!_isAmong(participant, round.accepted)) revert DisputeNotAccepted(number, participant);
            root = commitments[0].root;
        }
        // a root opens to one count only
        bytes32 opened = MerklePath.rootOf(count, treeHash);
        if (opened != root) revert MerklePath.MerkleWrongRoot(root, opened);
        if (count == round.ciphertexts) revert DisputeRightCount(count);
        _prove(dispute, current, round.aggregator, true);
    }

    /// @dev Takes up a dispute where its last step left it.
    function _resume(
        uint256 dispute,
        Dispute storage current,
        bytes calldata modulus,
        bytes calldata product,
        bytes32 start
    ) private view returns (Column memory column) {
        uint256 number = current.round;
        IFederation.Round memory round = _undecidedRound(number);
        (column.accepted, column.ciphertexts) = (round.accepted, round.ciphertexts);
        (column.leaf, column.counted) = (current.leaf, current.counted);
        bytes32 transcript = current.transcript;
        if (transcript != 0 && transcript != start) revert DisputeWrongCommitments(number);
        column.transcript = start;

        _requireModulus(modulus);
        bytes32 productHash = current.productHash;
        if (productHash == UNFIT) {
            column.unfit = true;
        } else if (productHash == 0) {
            if (product.length != 0) revert DisputeWrongProduct(dispute);
        } else {
            if (keccak256(product) != productHash) revert DisputeWrongProduct(dispute);
            column.product = ModularMultiplication.start(modulus, product);
        }
    }

    /// @dev Goes through one commitment. After an unfit leaf the others only have to lead to the round's transcript.
    function _add(Column memory column, bytes calldata modulus, Contribution calldata each) private view {
        column.transcript =
            Transcript.commitment(column.transcript, each.participant, each.root, each.proofHash);
        if (column.unfit || !_isAmong(each.participant, column.accepted)) return;
        MerklePath.verify(each.root, column.ciphertexts, column.leaf, each.ciphertext, each.path);
        if (!ModularMultiplication.isOperand(modulus, each.ciphertext)) {
            column.unfit = true;
        } else if (column.counted == 0) {
            column.product = ModularMultiplication.start(modulus, each.ciphertext);
        } else {
            column.product.multiply(each.ciphertext);
        }
        ++column.counted;
    }

    function _requireYours(uint256 dispute) private view returns (Dispute storage current) {
        current = _requireRunning(dispute, Kind.AGGREGATE);
        address challenger = current.challenger;
        if (msg.sender != challenger) revert DisputeNotYours(dispute, challenger);
    }

    function _requireModulus(bytes calldata modulus) private view {
        (,,, bytes32 modulusHash) = FEDERATION.key();
        if (keccak256(modulus) != modulusHash) revert DisputeWrongModulus();
    }
}
