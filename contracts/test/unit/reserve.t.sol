// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract ReserveTest is Fixture {
    function reserve(uint96 ceiling) private {
        vm.prank(payer);
        channels.reserve(token, signer, payee, ceiling);
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        deposit(payer, signer, 100);
        vm.prank(payer);
        refuseRecipient(address(0));
        channels.reserve(token, signer, address(0), 60);
    }

    function test_RevertWhen_ThePayeeIsTheContract() external {
        deposit(payer, signer, 100);
        vm.prank(payer);
        refuseRecipient(address(channels));
        channels.reserve(token, signer, address(channels), 60);
    }

    function test_RevertWhen_ThePayeeIsTheToken() external {
        deposit(payer, signer, 100);
        address[2] memory senders = [payer, token];
        for (uint256 i; i < 2; ++i) {
            vm.prank(senders[i]);
            refuseRecipient(token);
            channels.reserve(token, signer, token, 60);
        }
    }

    function test_RevertWhen_TheCeilingIsNotRaised() external {
        open(100, 60);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotRaised.selector, 60, 60));
        reserve(60);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotRaised.selector, 60, 59));
        reserve(59);
    }

    function test_RevertWhen_ItIsMoreThanIsFree() external {
        open(100, 60);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 40, 41));
        reserve(101);
    }

    function test_RevertWhen_AnExitRuns() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
        reserve(61);
        // Also where nothing is free.
        vm.prank(payer);
        channels.withdraw(token, signer, 40, stranger);
        refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
        reserve(61);
    }

    function test_WhenItIsFree() external {
        deposit(payer, signer, 100);
        vm.expectEmit(address(channels));
        emit IChannels.Reserved(token, payer, payee, signer, 60);
        reserve(60);
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_WhenItIsAllThatIsFree() external {
        open(100, 60);
        reserve(100);
        expectChannel(0, 0, 100, 0, 0);
    }

    function test_WhenSomeWasPaid_TheRestOfTheWordStays() external {
        open(100, 60);
        channels.claim(token, payee, promised(50));
        vm.prank(payee);
        channels.release(token, payer, signer, 55);
        reserve(70);
        expectChannel(30, 50, 70, 0, 1);
    }

    function test_RevertWhen_AnExitIsDue() external {
        open(100, 60);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        for (uint40 late; late < 2; ++late) {
            vm.warp(START + DELAY + late);
            refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
            channels.reserve(token, signer, payee, 61);
        }
    }
}
