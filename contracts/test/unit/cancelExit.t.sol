// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract CancelExitTest is Fixture {
    function test_RevertWhen_NoExitRuns() external {
        open(100, 60);
        vm.prank(payer);
        refuse(IChannels.NoExit.selector);
        channels.cancelExit(token, signer, payee);
    }

    function test_WhenAnExitRuns() external {
        open(100, 60);
        setEpoch(3);
        channels.claim(token, payee, promised(10));
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.expectEmit(address(channels));
        emit IChannels.ExitCancelled(token, payer, payee, signer);
        channels.cancelExit(token, signer, payee);
        expectChannel(40, 10, 60, 0, 3);
        refuse(IChannels.NoExit.selector);
        channels.finishExit(token, payer, signer, payee);
        channels.reserve(token, signer, payee, 70);
        vm.stopPrank();
    }

    function test_WhenItIsDue_ItIsCalledOff() external {
        open(100, 60);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        channels.cancelExit(token, signer, payee);
        expectChannel(40, 0, 60, 0, 0);
    }
}
