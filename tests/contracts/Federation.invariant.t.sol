// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Federation} from "../../contracts/Federation.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Base} from "./Base.sol";
import {FederationHandler} from "./FederationHandler.sol";

contract FederationInvariantTest is Base {
    /// @dev The shape in which forge asks for its targets.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    FederationHandler private _handler;
    Federation private _federation;

    function setUp() public {
        _handler = new FederationHandler();
        _federation = _handler.target();
    }

    /// @dev What forge calls: the actions of the handler, and nothing else of it.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory actions = new bytes4[](6);
        actions[0] = FederationHandler.advance.selector;
        actions[1] = FederationHandler.stray.selector;
        actions[2] = FederationHandler.settle.selector;
        actions[3] = FederationHandler.claim.selector;
        actions[4] = FederationHandler.fund.selector;
        actions[5] = FederationHandler.wait.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), actions);
    }

    /// @dev And no other contract that the tests deploy.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev Every wei is in the pool, reserved for a round, or credited to an account.
    function invariant_balance_isPoolReservedAndClaimable() public view {
        assertEq(
            address(_federation).balance,
            _federation.rewardPool() + _handler.sumOfReserved() + _handler.sumOfClaimable(),
            "accounted"
        );
        assertEq(address(_federation).balance, _handler.funded() - _handler.claimed(), "in and out");
    }

    /// @dev Phases move forward one at a time, written slots stay, one round runs at a time.
    function invariant_rounds_onlyMoveForward() public view {
        string memory violation = _handler.violation();
        assertTrue(bytes(violation).length == 0, violation);
    }

    /// @dev Every ended round has the head that its public fields give; a running one has none.
    function invariant_heads_areTheChain() public view {
        uint256 last = _federation.lastRound();
        for (uint256 round = 1; round <= last; ++round) {
            bool ended = _federation.roundOf(round).phase >= IFederation.Phase.FINALIZED;
            assertEq(_federation.headOf(round), ended ? _handler.headRecomputed(round) : bytes32(0), "head");
        }
    }

    /// @dev The handler is not vacuous: a fixed walk of it ends rounds in each way.
    function test_handler_reachesEveryPhase() public {
        for (uint256 step = 0; step < 400; ++step) {
            uint256 seed = uint256(keccak256(abi.encode(step)));
            if (seed % 16 == 0) _handler.stray(seed >> 4, seed >> 64);
            else if (seed % 16 == 1) _handler.wait(seed >> 4);
            else if (seed % 16 == 2) _handler.settle(seed >> 4);
            else if (seed % 16 == 3) _handler.claim(seed >> 4);
            else if (seed % 64 == 4) _handler.fund(uint96(seed >> 64));
            else _handler.advance(seed >> 4);
        }
        for (uint256 phase = 1; phase <= uint256(IFederation.Phase.ABORTED); ++phase) {
            assertTrue(_handler.reached(phase) > 0, "a phase was never reached");
        }
        assertTrue(_handler.claimed() > 0, "nothing was claimed");
        invariant_balance_isPoolReservedAndClaimable();
        invariant_rounds_onlyMoveForward();
        invariant_heads_areTheChain();
    }
}
