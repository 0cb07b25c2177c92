// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract OpenTest is Fixture {
    function test_RevertWhen_TheSignerIsZero() external {
        vm.prank(payer);
        refuse(IChannels.ZeroSigner.selector);
        channels.open(token, address(0), payee, 100, 0);
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        vm.prank(payer);
        refuseRecipient(address(0));
        channels.open(token, signer, address(0), 100, 60);
        vm.prank(payer);
        refuseRecipient(address(0));
        channels.open(token, payer, address(0), 100, 60);
    }

    function test_RevertWhen_ThePayeeIsTheContract() external {
        vm.prank(payer);
        refuseRecipient(address(channels));
        channels.open(token, signer, address(channels), 100, 60);
    }

    function test_RevertWhen_TheCeilingIsAboveWhatIsFree() external {
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 100, 101));
        channels.open(token, signer, payee, 100, 101);
    }

    function test_RevertWhen_AnExitRuns() external {
        open(100, 100);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
        channels.open(token, signer, payee, 100, 101);
        vm.stopPrank();
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        open(MAX, 0);
        plain.mint(payer, 1);
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        channels.open(token, signer, payee, 1, 1);
    }

    function test_WhenAllIsSetAside_TheVaultsWordIsNotWritten() external {
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 100, 100);
        vm.prank(payer);
        vm.record();
        eq(channels.open(token, signer, payee, 100, 100), 100, "received");
        (, bytes32[] memory writes) = vm.accesses(address(channels));
        eq(writes.length, 1, "words written");
        vm.assertEq(writes[0], slotOf(payer, signer, payee), "the channel's word");
        expectChannel(0, 0, 100, 0, 0);
    }

    function test_WhenThePayeeIsTheSigner() external {
        signer = payee;
        open(100, 60);
        vm.prank(payer);
        channels.reserve(token, payee, payee, 70);
        eq(channels.claim(token, payee, promised(PAYEE_KEY, payer, payee, 20)), 20, "paid");
        expectChannel(30, 20, 70, 0, 0);
        vm.prank(payee);
        eq(channels.release(token, payer, payee, 50), 20, "freed");
        expectChannel(50, 20, 50, 0, 1);
    }

    function test_WhenAPartIsSetAside() external {
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 100, 60);
        open(100, 60);
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_WhenItIsRaisedFromWhatWasFree() external {
        open(100, 60);
        open(10, 110);
        expectChannel(0, 0, 110, 0, 0);
    }

    function test_WhenTheCeilingIsNotAboveThePresentOne_ItOnlyDeposits() external {
        open(100, 60);
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 10, 60);
        open(10, 60);
        expectChannel(50, 0, 60, 0, 0);
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 10, 60);
        open(10, 0);
        expectChannel(60, 0, 60, 0, 0);
    }

    function test_WhenAnExitRunsAndTheCeilingStays_ItOnlyDeposits() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        open(10, 60);
        expectChannel(50, 0, 60, uint40(START) + DELAY, 0);
    }

    function test_RevertWhen_AnExitIsDue() external {
        open(100, 60);
        vm.startPrank(payer);
        channels.startExit(token, signer, payee);
        for (uint40 late; late < 2; ++late) {
            vm.warp(START + DELAY + late);
            refuse(abi.encodeWithSelector(IChannels.ExitInProgress.selector, uint40(START) + DELAY));
            channels.open(token, signer, payee, 10, 61);
        }
    }
}
