// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract FinishExitTest is Fixture {
    function finish() private returns (uint96) {
        vm.prank(stranger);
        return channels.finishExit(token, payer, signer, payee);
    }

    function exiting() private {
        vm.prank(payer);
        channels.startExit(token, signer, payee);
    }

    function test_RevertWhen_NoExitRuns() external {
        open(100, 60);
        refuse(IChannels.NoExit.selector);
        finish();
    }

    function test_RevertWhen_ItIsTooEarly() external {
        open(100, 60);
        exiting();
        vm.warp(START + DELAY - 1);
        refuse(abi.encodeWithSelector(IChannels.ExitTooEarly.selector, uint40(START) + DELAY));
        finish();
    }

    function test_WhenItIsTime() external {
        open(100, 60);
        channels.claim(token, payee, promised(10));
        exiting();
        vm.warp(START + DELAY);
        vm.expectEmit(address(channels));
        emit IChannels.Released(token, payer, payee, signer, 10, 1);
        eq(finish(), 50, "freed");
        expectChannel(90, 10, 10, 0, 1);
    }

    function test_WhenAllWasClaimedMeanwhile_NothingIsFreed() external {
        open(100, 60);
        exiting();
        channels.claim(token, payee, promised(60));
        vm.warp(START + DELAY);
        vm.record();
        eq(finish(), 0, "freed");
        (, bytes32[] memory writes) = vm.accesses(address(channels));
        eq(writes.length, 1, "words written");
        expectChannel(40, 60, 60, 0, 1);
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        open(60, 60);
        exiting();
        deposit(payer, signer, MAX - 60);
        deposit(otherPayer, otherSigner, 1);
        plain.mint(payer, 1);
        deposit(payer, signer, 1);
        vm.warp(START + DELAY);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, uint256(MAX) + 1));
        finish();
    }
}
