// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {Vm, vm} from "../Vm.sol";

contract ClaimToVaultTest is Fixture {
    function claim(bytes memory rows) private returns (uint256) {
        vm.prank(payee);
        return channels.claimToVault(token, otherSigner, rows);
    }

    function test_RevertWhen_TheRowsAreNotWhole() external {
        bytes memory row = promised(60);
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 97, 96));
        claim(abi.encodePacked(row, uint8(0)));
    }

    function test_RevertWhen_TheSignerIsZero() external {
        open(100, 100);
        bytes memory rows = promised(60);
        vm.prank(payee);
        refuse(IChannels.ZeroSigner.selector);
        channels.claimToVault(token, address(0), rows);
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        plain.mint(payee, MAX);
        vm.startPrank(payee);
        plain.approve(address(channels), MAX);
        channels.deposit(token, payee, otherSigner, MAX);
        vm.stopPrank();
        open(100, 100);
        bytes memory rows = promised(1);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        claim(rows);
    }

    function test_RevertWhen_MoreThan96BitsArePaid() external {
        deposit(payer, signer, MAX);
        deposit(otherPayer, otherSigner, MAX);
        bytes memory rows = bytes.concat(promised(MAX), promised(OTHER_SIGNER_KEY, otherPayer, payee, MAX));
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 * uint256(MAX)));
        claim(rows);
    }

    function test_WhenThePayeeIsItsOwnSigner() external {
        open(100, 100);
        otherSigner = payee;
        eq(claim(promised(60)), 60, "paid");
        eq(channels.vaultOf(token, payee, payee), 60, "the payee's vault");
        vm.recordLogs();
        eq(claim(""), 0, "paid for nothing");
        eq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_WhenNothingIsOwed() external {
        open(100, 100);
        vm.recordLogs();
        eq(claim(""), 0, "paid");
        eq(vm.getRecordedLogs().length, 0, "events");
        vm.prank(payee);
        eq(channels.claimToVault(token, address(0), ""), 0, "paid to no signer");
        vm.etch(otherSigner, hex"00");
        eq(claim(""), 0, "paid to a signer with code");
        eq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_WhenSomethingIsOwed_ThePayeesVaultGrows() external {
        open(100, 100);
        bytes memory rows = promised(60);
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 60, 0, words(settledWord(payer, signer, 60)));
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(token, payee, otherSigner, 60);
        eq(claim(rows), 60, "paid");
        expectChannel(0, 60, 100, 0, 0);
        eq(channels.vaultOf(token, payee, otherSigner), 60, "the payee's vault");
        eq(plain.balanceOf(payee), 0, "payee");
        eq(plain.balanceOf(address(channels)), 100, "held");
    }

    function test_WhenAThirdPartyClaimedBefore_TheEventSaysThatNothingIsLeft() external {
        open(100, 100);
        bytes memory rows = promised(60);
        vm.prank(stranger);
        channels.claim(token, payee, rows);
        vm.recordLogs();
        eq(claim(rows), 0, "paid");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "events");
        vm.assertEq(logs[0].topics[0], IChannels.Claimed.selector, "event");
        vm.assertEq(logs[0].data, abi.encode(0, 1, new bytes32[](0)), "what it says");
        eq(channels.vaultOf(token, payee, otherSigner), 0, "the payee's vault");
    }

    function test_WhenAnotherCalls_NothingIsOwedToIt() external {
        open(100, 100);
        bytes memory rows = promised(60);
        vm.prank(stranger);
        eq(channels.claimToVault(token, otherSigner, rows), 0, "paid");
    }
}
