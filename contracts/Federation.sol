// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IFederation} from "./interfaces/IFederation.sol";
import {Rounds} from "./rounds/Rounds.sol";

/// @title Federation
/// @notice One federation: its identities, its key, its rounds and its rewards. Never upgraded, no plain payments.
contract Federation is Rounds {
    uint256 private immutable DEPLOYED_BLOCK;

    /// @param owner_ The operator: registers identities and publishes the key, and can touch nothing else.
    /// @param config_ The federation's configuration.
    constructor(address owner_, Config memory config_) Ownable(owner_) Rounds(config_) {
        DEPLOYED_BLOCK = block.number;
    }

    /// @inheritdoc IFederation
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IFederation
    function contractName() external pure returns (string memory) {
        return "fedtrust.Federation";
    }

    /// @inheritdoc IFederation
    function deployedBlock() external view returns (uint256) {
        return DEPLOYED_BLOCK;
    }
}
