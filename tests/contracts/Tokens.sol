// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev An ERC-20 token that can misbehave in the ways that tokens do.
contract Token {
    enum Manner {
        PROPER,
        SILENT, // returns nothing, as some old ones do
        FALSE, // returns false and moves nothing
        TAXED, // keeps a part of what it moves
        REENTERING // calls its recipient or the federation in between
    }

    Manner public manner;
    address public called;
    bytes public call;
    bytes public answer;
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function setManner(Manner manner_) external {
        manner = manner_;
    }

    function setCall(address called_, bytes calldata call_) external {
        called = called_;
        call = call_;
    }

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function approveFrom(address owner, address spender, uint256 amount) external {
        allowance[owner][spender] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        require(allowance[from][msg.sender] >= amount, "allowance");
        if (manner != Manner.FALSE) allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    /// @dev Ends the call: returns true, false or nothing.
    function _move(address from, address to, uint256 amount) private {
        if (manner != Manner.FALSE) {
            balanceOf[from] -= amount;
            balanceOf[to] += manner == Manner.TAXED ? amount - amount / 100 - 1 : amount;
        }
        if (manner == Manner.REENTERING) {
            bool done;
            (done, answer) = called.call(call);
            require(!done, "entered");
        }
        if (manner == Manner.SILENT) return;
        bool returned = manner != Manner.FALSE;
        assembly ("memory-safe") {
            mstore(0, returned)
            return(0, 0x20)
        }
    }
}
