// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract StartExitTest is Fixture {
    function start() private returns (uint40) {
        vm.prank(payer);
        return channels.startExit(token, signer, payee);
    }

    function test_RevertWhen_NothingIsReserved() external {
        refuse(IChannels.NothingReserved.selector);
        start();
        open(100, 60);
        channels.claim(token, payee, promised(60));
        refuse(IChannels.NothingReserved.selector);
        start();
    }

    function test_RevertWhen_AnExitRuns() external {
        open(100, 60);
        start();
        vm.warp(START + 10);
        refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
        start();
    }

    function test_WhenSomethingIsReserved() external {
        open(100, 60);
        channels.claim(token, payee, promised(59));
        vm.expectEmit(address(channels));
        emit IChannels.ExitStarted(token, payer, payee, signer, uint40(START) + DELAY);
        eq(start(), START + DELAY, "exitAt");
        expectChannel(40, 59, 60, uint40(START) + DELAY, 0);
    }

    function test_WhenAnotherCalls_ThePayersChannelStays() external {
        open(100, 60);
        vm.prank(payee);
        refuse(IChannels.NothingReserved.selector);
        channels.startExit(token, signer, payee);
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_WhenTheEpochIsALaterOne_TheDelayIsTheSame() external {
        open(100, 60);
        vm.prank(payee);
        channels.release(token, payer, signer, 30);
        vm.prank(payer);
        eq(channels.startExit(token, signer, payee), START + DELAY, "exitAt");
        expectChannel(70, 0, 30, uint40(START) + DELAY, 1);
    }

    function test_RevertWhen_OneIsDue() external {
        open(100, 60);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        for (uint40 late; late < 2; ++late) {
            vm.warp(START + DELAY + late);
            refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
            channels.startExit(token, signer, payee);
        }
    }
}
