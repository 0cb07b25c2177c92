// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

interface ISettling {
    function settle(address token, address payee, bytes calldata rows, uint256 used)
        external
        returns (uint256 paid, uint256 behind);
}

/// @title What the loop over a claim's rows does with memory, where it puts things at fixed places
contract SettleTest is Fixture {
    uint256 private constant PLACES = 0x400;
    uint256 private constant ROWS = 0x660;

    ISettling private settling;

    function setUp() public override {
        super.setUp();
        channels = IChannels(vm.deployCode(artifact("Settling"), abi.encode(DELAY)));
        settling = ISettling(address(channels));
        fund(payer);
        open(100, 100);
    }

    function settle(uint256 used) private returns (uint256 paid, uint256 behind) {
        bytes memory rows = bytes.concat(promised(10), promised(30), promised(20));
        return settling.settle(token, payee, rows, used);
    }

    function test_WhenMemoryIsFreeFromItsPlacesOn() external {
        (uint256 paid, uint256 behind) = settle(PLACES);
        eq(paid, 30, "paid");
        eq(behind, ROWS + 2 * 0x20, "two rows are kept");
        expectChannel(0, 30, 100, 0, 0);
    }

    function test_WhenMemoryIsInUseBelowItsPlaces() external {
        (uint256 paid, uint256 behind) = settle(PLACES - 0x20);
        eq(paid, 30, "paid");
        eq(behind, ROWS + 2 * 0x20, "two rows are kept");
    }

    function test_RevertWhen_MemoryIsInUseAtItsPlaces() external {
        bytes memory rows = promised(10);
        vm.expectRevert(bytes(""));
        settling.settle(token, payee, rows, PLACES + 1);
    }
}
