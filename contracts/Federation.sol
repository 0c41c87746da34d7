// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {Configuration} from "./Configuration.sol";
import {Disputes} from "./Disputes.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IFederation} from "./interfaces/IFederation.sol";
import {Endings} from "./rounds/Endings.sol";

/// @title Federation
/// @notice One federation: its identities, its key, its rounds, its money. Never upgraded, never paused, no plain
/// payments. Its disputes contract is made with it.
contract Federation is Endings {
    uint256 private immutable DEPLOYED_BLOCK;
    IDisputes private immutable DISPUTES;

    /// @param owner_ The operator: admits and revokes identities and publishes the key, and can touch nothing else.
    /// @param config_ The federation's configuration.
    constructor(address owner_, Config memory config_) Ownable(owner_) Configuration(config_) {
        DEPLOYED_BLOCK = block.number;
        DISPUTES = IDisputes(
            address(new Disputes(IFederation(this), config_.disputeSeconds, config_.challengeWindow))
        );
    }

    /// @inheritdoc IFederation
    function version() external pure returns (uint256) {
        return 2;
    }

    /// @inheritdoc IFederation
    function contractName() external pure returns (string memory) {
        return "fedtrust.Federation";
    }

    /// @inheritdoc IFederation
    function deployedBlock() external view returns (uint256) {
        return DEPLOYED_BLOCK;
    }

    /// @inheritdoc IFederation
    function disputes() external view returns (address) {
        return address(DISPUTES);
    }

    function _disputes() internal view override returns (IDisputes) {
        return DISPUTES;
    }
}
