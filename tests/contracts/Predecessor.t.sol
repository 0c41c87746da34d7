// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";

/// @dev A federation is never upgraded: the next one continues from its last head and its model.
contract PredecessorTest is FederationFixture {
    function test_predecessor_headAndModel() public {
        toSettled(1);
        toAborted(2);
        bytes32 head = federation.headOf(2);
        Federation before = federation;
        deploy(_after(before), POOL);
        assertEq(federation.headOf(0), head, "head 0 is its last head");
        assertEq(federation.currentModel(), modelOf(1), "its model");
        assertEq(federation.config().predecessor, address(before), "the link");
        assertEq(federation.lastRound(), 0, "its rounds count anew");
        openRefused(
            abi.encodeWithSelector(IFederation.RoundWrongNumber.selector, 1, 3), AGGREGATOR, 3, ALL, QUORUM
        );
        mirrors[0].head = head;
        toFinalized(1);
        mirrorLogs(address(federation));
        assertMirrored(federation, 1); // so the new chain of heads goes on from the old one
        assertEq(federation.roundOf(1).baseRound, 0, "built on the model it came with");
    }

    function test_predecessor_otherModel_reverts() public {
        toSettled(1);
        deploy(_after(federation), POOL);
        IFederation.Deadlines memory times = deadlines();
        VM.expectRevert(
            abi.encodeWithSelector(IFederation.RoundWrongBaseModel.selector, modelOf(1), BASE_MODEL)
        );
        VM.prank(AGGREGATOR);
        federation.openRound(1, SPEC, BASE_MODEL, ALL, QUORUM, CIPHERTEXTS, times);
    }

    function test_predecessor_withoutRounds_isAFreshStart() public {
        deploy(_after(federation), POOL);
        assertEq(federation.headOf(0), bytes32(0), "no head");
        assertEq(federation.currentModel(), bytes32(0), "no model");
        toFinalized(1);
    }

    function test_predecessor_ofAPredecessor() public {
        toSettled(1);
        bytes32 head = federation.headOf(1);
        deploy(_after(federation), POOL);
        deploy(_after(federation), POOL);
        assertEq(federation.headOf(0), head, "through one that had no round");
        assertEq(federation.currentModel(), modelOf(1), "and its model");
    }

    function test_predecessor_running_reverts() public {
        open(1);
        IFederation.Config memory config = _after(federation);
        VM.expectRevert(abi.encodeWithSelector(IFederation.PredecessorStillRunning.selector, 1));
        this.createFor(config);
    }

    function test_predecessor_notAFederation_reverts() public {
        IFederation.Config memory config = defaultConfig();
        config.predecessor = STRANGER;
        VM.expectRevert();
        this.createFor(config);
    }

    /// @dev A call of its own, so that its failure can be expected.
    function createFor(IFederation.Config memory config) external {
        create(OPERATOR, config);
    }

    function _after(Federation before) private view returns (IFederation.Config memory config) {
        config = defaultConfig();
        config.predecessor = address(before);
    }
}
