// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {DevToken} from "src/DevToken.sol";

/// @notice A token of the shape of the large dollar tokens, for gas figures: 6 decimals, permits, authorizations
/// (ERC-3009), accounts that can be frozen, a pause, all of which each transfer looks at, and a proxy before it.
contract Dollar is DevToken {
    mapping(address account => bool) public frozen;
    bool public paused;

    error Frozen(address account);
    error Paused();

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (paused) revert Paused();
        if (frozen[msg.sender]) revert Frozen(msg.sender);
        if (frozen[from]) revert Frozen(from);
        if (frozen[to]) revert Frozen(to);
        super._update(from, to, value);
    }
}

/// @notice What stands before it.
contract DollarProxy is ERC1967Proxy {
    constructor(address logic) ERC1967Proxy(logic, "") {}

    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
