// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Federation} from "./FederationFixture.sol";
import {FederationHandler} from "./FederationHandler.sol";
import {IFederation} from "../../contracts/interfaces/IFederation.sol";

/// @dev What holds after any sequence of calls. One campaign checks all of it after each call: 256 runs of 64 calls;
/// FOUNDRY_INVARIANT_RUNS and FOUNDRY_INVARIANT_DEPTH ask for more.
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

    /// @dev What forge calls: the actions of the handler, and nothing else of it. Honest steps more often than others.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory actions = new bytes4[](11);
        actions[0] = FederationHandler.advance.selector;
        actions[1] = FederationHandler.stray.selector;
        actions[2] = FederationHandler.challenge.selector;
        actions[3] = FederationHandler.meddle.selector;
        actions[4] = FederationHandler.verdict.selector;
        actions[5] = FederationHandler.turnOver.selector;
        actions[6] = FederationHandler.money.selector;
        actions[7] = FederationHandler.wait.selector;
        actions[8] = FederationHandler.decide.selector;
        actions[9] = FederationHandler.advance.selector;
        actions[10] = FederationHandler.advance.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), actions);
    }

    /// @dev And no other contract that the tests deploy.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_federation() public view {
        check_balance_isAccountedFor();
        check_nothing_movesBack();
        _handler.checkHeads();
        check_eligible_areActiveParticipants();
    }

    /// @dev Every wei is staked, in the pool, reserved for a round, the bond of an open dispute, or credited to an
    /// account; what came in and did not go out is there.
    function check_balance_isAccountedFor() public view {
        uint256 stakes = _handler.sumOfStakes();
        assertEq(_federation.totalStake(), stakes, "stakes");
        uint256 owed = stakes + _federation.rewardPool() + _handler.sumOfReserved() + _handler.sumOfBonds()
            + _handler.sumOfClaimable();
        assertEq(address(_federation).balance, owed, "accounted");
        assertEq(address(_federation).balance, _handler.paidIn() - _handler.paidOut(), "in and out");
    }

    /// @dev Phases and statuses move forward, what has ended stays as it is, written slots stay, one round runs at a
    /// time, and nobody is slashed but by a verdict: no dispute that strangers bring against honest work gets one.
    function check_nothing_movesBack() public view {
        string memory violation = _handler.violation();
        assertTrue(bytes(violation).length == 0, violation);
    }

    /// @dev Who can be drawn is an active participant.
    function check_eligible_areActiveParticipants() public view {
        uint256 eligible = _federation.eligible();
        for (uint256 index = 0; eligible != 0; ++index) {
            if (eligible & 1 == 1) {
                address account = _federation.accountAt(IFederation.Role.PARTICIPANT, index);
                assertTrue(
                    _federation.identityOf(account).status == IFederation.Status.ACTIVE, "only the active"
                );
            }
            eligible >>= 1;
        }
    }

    /// @dev The handler is not vacuous: a fixed walk of it ends rounds in each way, and all else happens too.
    function test_handler_reachesEverything() public {
        for (uint256 step = 0; step < 600; ++step) {
            uint256 seed = uint256(keccak256(abi.encode(step)));
            uint256 action = seed % 16;
            seed >>= 8;
            if (action == 0) _handler.stray(seed, seed >> 64);
            else if (action == 1) _handler.wait(seed);
            else if (action == 2) _handler.decide(seed);
            else if (action == 3) _handler.money(seed);
            else if (action == 4) _handler.challenge(seed);
            else if (action == 5) _handler.meddle(seed);
            else if (action == 6) _handler.verdict(seed);
            else if (action == 7) _handler.turnOver(seed);
            else _handler.advance(seed);
        }
        for (uint256 phase = 1; phase <= uint256(IFederation.Phase.VOIDED); ++phase) {
            assertTrue(
                _handler.reached(phase) > 0, string.concat("never reached: phase ", VM.toString(phase))
            );
        }
        for (uint256 i = 0; i < 8; ++i) {
            assertTrue(_handler.happened(i) > 0, string.concat("never happened: ", VM.toString(i)));
        }
        invariant_federation();
    }
}
