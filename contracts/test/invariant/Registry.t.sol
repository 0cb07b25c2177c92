// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RegistryFixture} from "../unit/RegistryFixture.sol";
import {RegistryHandler} from "./RegistryHandler.sol";
import {Vm, vm} from "../Vm.sol";

/// @title What holds of the registry whatever everybody does
/// @notice That it does what a plain model of it does; and of both
///
///   1. tokens held = Σ stakes + Σ what unbonds                     "held is not stakes and what unbonds"
///   2. what is due is never locked again                           "what was due is locked again"
///   3. a sequence rises by one or stays                            "a sequence did not rise by one"
///   4. a number is used once                                       "a number was used twice"
///   5. no action of one provider moves anything of another's       "a registration", "what unbonds", "a wallet"
///   6. the list is the set of the registered, each in one place    "the list", "a page"
///   7. by stake, it is that list sorted                            "the list by stake", "a page by stake"
contract RegistryInvariants is RegistryFixture {
    RegistryHandler private handler;

    function setUp() public override {
        super.setUp();
        vm.warp(START);
        registry = newRegistry(token, 100, 50);
        handler = new RegistryHandler(registry, plain);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function excludeSelectors() external view returns (Vm.FuzzSelector[] memory targets) {
        targets = new Vm.FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = RegistryHandler.checkAll.selector;
    }

    /// @dev The handler has compared each action already; one invariant, so that there is one campaign for all of it.
    function invariant_TheRegistryDoesWhatItsModelDoes() external view {
        eq(registry.count(), handler.model().count(), "count");
    }

    function afterInvariant() external {
        handler.checkAll(uint256(keccak256(abi.encode(handler.model().count()))));
    }
}
