// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IFederation} from "../../contracts/interfaces/IFederation.sol";
import {Federation, FederationFixture} from "./FederationFixture.sol";
import {Token} from "./Tokens.sol";

/// @dev A federation whose stakes, bonds and rewards are a token.
contract TokenTest is FederationFixture {
    Token private _token;

    function setUp() public override {
        _token = new Token();
        super.setUp();
    }

    function defaultConfig() internal view override returns (IFederation.Config memory config) {
        config = super.defaultConfig();
        config.asset = address(_token);
    }

    function provide(address account, uint256 amount) internal override returns (uint256 value) {
        _token.mint(account, amount);
        _token.approveFrom(account, address(federation), amount);
        return 0;
    }

    function assetOf(address account) internal view override returns (uint256) {
        return _token.balanceOf(account);
    }

    /// @dev Everything that moves money, and nothing of the chain's own coin.
    function test_token_wholeLife() public {
        assertEq(assetOf(address(federation)), STAKES + POOL, "stakes and pool");
        toSettled(1);
        VM.prank(AGGREGATOR);
        assertEq(federation.claim(), REWARD / 10, "claimed");
        assertEq(assetOf(AGGREGATOR), REWARD / 10, "paid in tokens");

        toFinalized(2);
        VM.prank(federation.disputes());
        VM.expectRevert();
        federation.takeBond(STRANGER); // it approved nothing
        provide(STRANGER, BOND);
        VM.prank(federation.disputes());
        federation.takeBond(STRANGER);
        assertEq(assetOf(STRANGER), 0, "the challenger paid, not the disputes contract");
        convict(2, AGGREGATOR, true, STRANGER);
        VM.prank(federation.disputes());
        federation.creditBond(STRANGER);
        VM.prank(STRANGER);
        assertEq(federation.claim(), uint256(BOND) + REWARD_CAP, "bond and reward");

        depart(participant(0));
        VM.warp(time() + UNBONDING);
        federation.releaseStake(participant(0));
        uint256 owed = federation.claimable(participant(0));
        VM.prank(participant(0));
        federation.claim();
        assertEq(assetOf(participant(0)), owed, "stake, reward and compensation");
        _assertConserved();
        assertEq(address(federation).balance, 0, "no coin");
    }

    /// @dev Coin that is sent along by mistake is refused, not kept.
    function test_token_coinSentAlong_reverts() public {
        VM.deal(STRANGER, 3);
        bytes memory reason = abi.encodeWithSelector(IFederation.PaymentWrong.selector, 0, 1);
        VM.expectRevert(reason);
        VM.prank(STRANGER);
        federation.fundRewards{value: 1}(1);
        admit(STRANGER, IFederation.Role.PARTICIPANT);
        VM.expectRevert(reason);
        VM.prank(STRANGER);
        federation.registerIdentity{value: 1}("c", 0);
        address disputes = federation.disputes();
        VM.deal(disputes, 1);
        VM.expectRevert(reason);
        VM.prank(disputes);
        federation.takeBond{value: 1}(STRANGER);
    }

    function test_token_returningNothing_succeeds() public {
        _token.setManner(Token.Manner.SILENT);
        fund(STRANGER, 5 ether);
        assertEq(federation.rewardPool(), POOL + 5 ether, "pool");
        toSettled(1);
        VM.prank(AGGREGATOR);
        federation.claim();
        assertEq(assetOf(AGGREGATOR), REWARD / 10, "paid");
    }

    function test_token_returningFalse_reverts() public {
        toSettled(1);
        uint256 due = federation.claimable(AGGREGATOR);
        _token.setManner(Token.Manner.FALSE);
        provide(STRANGER, 1 ether);
        bytes memory reason =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(_token));
        VM.expectRevert(reason);
        VM.prank(STRANGER);
        federation.fundRewards(1 ether);
        VM.expectRevert(reason);
        VM.prank(AGGREGATOR);
        federation.claim();
        assertEq(federation.claimable(AGGREGATOR), due, "the credit stays");
    }

    /// @dev A token that keeps a part of what it moves would leave the federation short: it is refused at the door.
    function testFuzz_token_taxed_reverts(uint96 amount) public {
        VM.assume(amount != 0);
        _token.setManner(Token.Manner.TAXED);
        provide(STRANGER, amount);
        uint256 received = uint256(amount) - amount / 100 - 1;
        VM.expectRevert(abi.encodeWithSelector(IFederation.PaymentWrong.selector, amount, received));
        VM.prank(STRANGER);
        federation.fundRewards(amount);
    }

    function test_token_withoutAllowance_reverts() public {
        _token.mint(STRANGER, 1 ether);
        VM.expectRevert(bytes("allowance"));
        VM.prank(STRANGER);
        federation.fundRewards(1 ether);
        admit(STRANGER, IFederation.Role.PARTICIPANT);
        VM.expectRevert(bytes("allowance"));
        VM.prank(STRANGER);
        federation.registerIdentity("c", 0);
        assertStatus(STRANGER, IFederation.Status.ADMITTED);
    }

    /// @dev A token that calls back in the midst of a payment enters nothing that moves money.
    function test_token_reentering_isRefused() public {
        toSettled(1);
        provide(STRANGER, 2 ether);
        _token.setManner(Token.Manner.REENTERING);
        bytes[3] memory calls = [
            abi.encodeCall(IFederation.claim, ()),
            abi.encodeCall(IFederation.fundRewards, (1)),
            abi.encodeCall(IFederation.registerIdentity, (bytes("c"), bytes32(0)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.setCall(address(federation), calls[i]);
            VM.prank(STRANGER);
            federation.fundRewards(0.5 ether);
            assertEq(
                keccak256(_token.answer()),
                keccak256(abi.encodeWithSelector(Federation.ReentrancyGuardReentrantCall.selector)),
                "refused"
            );
        }
        VM.prank(AGGREGATOR);
        federation.claim();
        assertEq(
            keccak256(_token.answer()),
            keccak256(abi.encodeWithSelector(Federation.ReentrancyGuardReentrantCall.selector)),
            "refused while it pays"
        );
        _assertConserved();
    }

    function test_token_zeroAmounts_moveNothing() public {
        IFederation.Config memory config = defaultConfig();
        config.participantStake = 0;
        config.disputeBond = 0;
        deployEmpty(config);
        _token.setManner(Token.Manner.FALSE);
        admit(STRANGER, IFederation.Role.PARTICIPANT);
        VM.prank(STRANGER);
        federation.registerIdentity("c", 0);
        VM.prank(STRANGER);
        federation.fundRewards(0);
        VM.prank(federation.disputes());
        federation.takeBond(STRANGER);
    }

    function _assertConserved() private view {
        uint256 owed = federation.totalStake() + federation.rewardPool();
        for (uint256 i = 0; i < PARTICIPANTS; ++i) {
            owed += federation.claimable(participant(i));
        }
        for (uint256 i = 0; i < TRUSTEES; ++i) {
            owed += federation.claimable(trustee(i));
        }
        owed += federation.claimable(AGGREGATOR) + federation.claimable(STANDBY)
        + federation.claimable(STRANGER);
        assertEq(assetOf(address(federation)), owed, "every unit has its place");
    }
}
