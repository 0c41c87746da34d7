// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Transcript} from "../../contracts/rounds/Transcript.sol";
import {Base} from "./Base.sol";

/// @dev The vectors of heads that the Python tests check too: of a finalised, an aborted and a voided round.
contract HeadsTest is Base {
    string private _json;

    function test_vectors_heads() public {
        _json = VM.readFile("tests/vectors/heads.json");
        uint256 rounds;
        while (VM.keyExistsJson(_json, _path(rounds, ""))) {
            bytes32 transcript = _checkTranscripts(rounds);
            _checkHead(rounds, transcript);
            ++rounds;
        }
        assertTrue(rounds >= 3, "too few vectors");
    }

    function _checkTranscripts(uint256 i) private view returns (bytes32 transcript) {
        transcript = _opening(i);
        uint256 step;
        assertEq(transcript, _word(i, _at(".transcripts", step++)), "opening");
        for (uint256 k = 0; VM.keyExistsJson(_json, _path(i, _at(".commitments", k))); ++k) {
            string memory entry = _at(".commitments", k);
            transcript = Transcript.commitment(
                transcript,
                VM.parseJsonAddress(_json, _path(i, string.concat(entry, "[0]"))),
                _word(i, string.concat(entry, "[1]")),
                _word(i, string.concat(entry, "[2]"))
            );
            assertEq(transcript, _word(i, _at(".transcripts", step++)), "commitment");
        }
        bytes32 aggregateHash = _word(i, ".aggregate_hash");
        if (aggregateHash != 0) {
            bytes32 root = _word(i, ".aggregate_root");
            assertEq(
                Transcript.aggregate(transcript, _number(i, ".accepted"), root), aggregateHash, "aggregate"
            );
        }
        for (uint256 k = 0; VM.keyExistsJson(_json, _path(i, _at(".attestations", k))); ++k) {
            string memory entry = _at(".attestations", k);
            transcript = Transcript.attestation(
                transcript,
                VM.parseJsonAddress(_json, _path(i, string.concat(entry, "[0]"))),
                _word(i, string.concat(entry, "[1]"))
            );
            assertEq(transcript, _word(i, _at(".transcripts", step++)), "attestation");
        }
        assertTrue(!VM.keyExistsJson(_json, _path(i, _at(".transcripts", step))), "all transcripts");
    }

    function _opening(uint256 i) private view returns (bytes32) {
        bytes memory first = abi.encode(
            keccak256("fedtrust.round.v2"),
            VM.parseJsonUint(_json, ".chain_id"),
            VM.parseJsonAddress(_json, ".contract"),
            _number(i, ".round"),
            _word(i, ".previous_head"),
            VM.parseJsonAddress(_json, _path(i, ".aggregator")),
            _word(i, ".spec_hash"),
            _word(i, ".base_model_hash"),
            _number(i, ".base_round")
        );
        bytes memory second = abi.encode(
            _number(i, ".selected"),
            _number(i, ".quorum"),
            _number(i, ".ciphertexts"),
            _number(i, ".deadlines[0]"),
            _number(i, ".deadlines[1]"),
            _number(i, ".deadlines[2]"),
            _number(i, ".reward")
        );
        return keccak256(bytes.concat(first, second));
    }

    function _checkHead(uint256 i, bytes32 transcript) private view {
        bytes memory first = abi.encode(
            keccak256("fedtrust.head.v2"),
            transcript,
            _number(i, ".phase"),
            _number(i, ".abort_reason"),
            VM.parseJsonAddress(_json, _path(i, ".aggregator")),
            _word(i, ".aggregate_hash")
        );
        bytes memory second = abi.encode(
            _word(i, ".plaintext_hash"),
            _word(i, ".proof_hash"),
            _word(i, ".model_hash"),
            _word(i, ".result_hash"),
            _word(i, ".verdicts")
        );
        assertEq(keccak256(bytes.concat(first, second)), _word(i, ".head"), "head");
    }

    function _path(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(_at(".rounds", i), field);
    }

    function _at(string memory name, uint256 i) private pure returns (string memory) {
        return string.concat(name, "[", VM.toString(i), "]");
    }

    function _word(uint256 i, string memory field) private view returns (bytes32) {
        return VM.parseJsonBytes32(_json, _path(i, field));
    }

    function _number(uint256 i, string memory field) private view returns (uint256) {
        return VM.parseJsonUint(_json, _path(i, field));
    }
}
