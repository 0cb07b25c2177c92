// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract WithdrawTest is Fixture {
    function withdraw(uint96 amount, address to) private {
        vm.prank(payer);
        channels.withdraw(token, signer, amount, to);
    }

    function test_RevertWhen_TheReceiverIsZero() external {
        deposit(payer, signer, 100);
        refuseRecipient(address(0));
        withdraw(1, address(0));
    }

    function test_RevertWhen_TheReceiverIsTheContract() external {
        deposit(payer, signer, 100);
        refuseRecipient(address(channels));
        withdraw(1, address(channels));
    }

    function test_RevertWhen_ItIsMoreThanIsFree() external {
        open(100, 60);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 40, 41));
        withdraw(41, stranger);
        vm.etch(signer, hex"00");
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 40, 41));
        withdraw(41, stranger);
    }

    function test_WhenItIsFree() external {
        open(100, 60);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, stranger, 30);
        withdraw(30, stranger);
        expectChannel(10, 0, 60, 0, 0);
        eq(plain.balanceOf(stranger), 30, "receiver");
    }

    function test_WhenItIsAllThatIsFree() external {
        open(100, 60);
        withdraw(40, stranger);
        expectChannel(0, 0, 60, 0, 0);
        eq(plain.balanceOf(stranger), 40, "receiver");
    }

    function test_RevertWhen_AllBitsAreAskedFor() external {
        open(100, 60);
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 40, MAX));
        channels.withdraw(token, signer, MAX, payer);
    }

    function test_RevertWhen_TheSessionKeyWithdraws() external {
        open(100, 60);
        vm.prank(signer);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 0, 1));
        channels.withdraw(token, signer, 1, signer);
        vm.prank(signer);
        refuse(abi.encodeWithSelector(IChannels.InsufficientFree.selector, 0, 1));
        channels.withdraw(token, payer, 1, signer);
    }

    function test_RevertWhen_TheReceiverIsTheToken() external {
        open(100, 60);
        vm.prank(payer);
        refuseRecipient(token);
        channels.withdraw(token, signer, 1, token);
        // Also where its signer has that address.
        vm.prank(payer);
        refuseRecipient(token);
        channels.withdraw(token, token, 0, token);
    }
}
