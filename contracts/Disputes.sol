// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregateDisputes} from "./disputes/AggregateDisputes.sol";
import {AvailabilityDisputes} from "./disputes/AvailabilityDisputes.sol";
import {Docket} from "./disputes/Docket.sol";
import {SignedDisputes} from "./disputes/SignedDisputes.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Disputes
/// @notice The court of one federation: it takes proofs, and its verdicts are the federation's to carry out. Made by the
/// federation's constructor, with no owner and no switch.
contract Disputes is AggregateDisputes, AvailabilityDisputes, SignedDisputes {
    constructor(IFederation federation_, uint40 disputeSeconds, uint40 challengeWindow)
        Docket(federation_, disputeSeconds, challengeWindow)
    {}
}
