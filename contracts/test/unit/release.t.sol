// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract ReleaseTest is Fixture {
    function release(uint96 ceiling) private returns (uint96) {
        vm.prank(payee);
        return channels.release(token, payer, signer, ceiling);
    }

    function test_RevertWhen_TheCeilingIsNotLowered() external {
        open(100, 60);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 60, 60));
        release(60);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 60, 61));
        release(61);
    }

    function test_RevertWhen_AllIsSettled() external {
        open(100, 60);
        channels.claim(token, payee, promised(60));
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 60, 0));
        release(0);
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        open(60, 60);
        deposit(payer, signer, MAX - 60);
        plain.mint(payer, 60);
        deposit(payer, signer, 60);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        release(59);
    }

    function test_WhenItIsLowered() external {
        open(100, 60);
        channels.claim(token, payee, promised(10));
        vm.expectEmit(address(channels));
        emit IChannels.Released(token, payer, payee, signer, 59, 1);
        eq(release(59), 1, "freed");
        expectChannel(41, 10, 59, 0, 1);
    }

    function test_WhenItIsBelowWhatIsSettled_WhatIsSettledStays() external {
        open(100, 60);
        channels.claim(token, payee, promised(10));
        vm.expectEmit(address(channels));
        emit IChannels.Released(token, payer, payee, signer, 10, 1);
        uint256 state = vm.snapshotState();
        eq(release(9), 50, "freed");
        expectChannel(90, 10, 10, 0, 1);
        vm.revertToState(state);
        vm.etch(signer, hex"00");
        eq(release(9), 50, "freed where the signer has code");
        expectChannel(90, 10, 10, 0, 1);
    }

    function test_WhenAnExitRuns_ItGoesOnWhereSomethingIsLeft() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 60, 60));
        release(60);
        release(1);
        expectChannel(99, 0, 1, uint40(START) + DELAY, 1);
        release(0);
        expectChannel(100, 0, 0, 0, 2);
    }

    function test_WhenTheEpochIsTheLast_ItStays() external {
        open(100, 60);
        setEpoch(LAST_EPOCH - 1);
        release(50);
        expectChannel(50, 0, 50, 0, LAST_EPOCH);
        release(40);
        expectChannel(60, 0, 40, 0, LAST_EPOCH);
    }

    function test_WhenAnotherCalls_ThePayeesChannelStays() external {
        open(100, 60);
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IChannels.CeilingNotLowered.selector, 0, 0));
        channels.release(token, payer, signer, 0);
    }
}
