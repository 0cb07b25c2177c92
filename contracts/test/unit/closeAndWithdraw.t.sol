// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract CloseAndWithdrawTest is Fixture {
    uint40 private constant NOW = uint40(START);

    function close(bytes memory rows, uint96 ceiling, uint24 epoch, bytes memory signature, address to)
        private
        returns (uint256 paid, uint96 withdrawn)
    {
        vm.prank(payer);
        return channels.closeAndWithdraw(closing(rows, ceiling, epoch, NOW, signature, to));
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        payee = address(0);
        refuseRecipient(payee);
        close("", 0, 0, "", stranger);
    }

    function test_RevertWhen_ThePayeeIsTheContract() external {
        payee = address(channels);
        refuseRecipient(payee);
        close("", 0, 0, "", stranger);
    }

    function test_RevertWhen_ThePayeeIsTheToken() external {
        payee = token;
        refuseRecipient(payee);
        close("", 0, 0, "", stranger);
    }

    function test_RevertWhen_ThePayerIsTheSigner_AndSomebodyCantBePaid() external {
        signer = payer;
        address[3] memory nobody = [address(0), address(channels), token];
        for (uint256 i; i < 3; ++i) {
            refuseRecipient(nobody[i]);
            close("", 0, 0, "", nobody[i]);
        }
        for (uint256 i; i < 3; ++i) {
            payee = nobody[i];
            refuseRecipient(payee);
            close("", 0, 0, "", stranger);
        }
    }

    function test_RevertWhen_TheReceiverIsZero() external {
        open(100, 0);
        refuseRecipient(address(0));
        close("", 0, 0, "", address(0));
    }

    function test_RevertWhen_TheReceiverIsTheContract() external {
        open(100, 0);
        refuseRecipient(address(channels));
        close("", 0, 0, "", address(channels));
    }

    function test_RevertWhen_TheRowsAreNotWhole() external {
        open(100, 60);
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 1, 96));
        close(hex"00", 0, 0, "", stranger);
    }

    function test_RevertWhen_SomethingIsReservedAndThePayeeDidNotSign() external {
        open(100, 60);
        bytes memory rows = promised(59);
        refuse(IChannels.InvalidReleaseSignature.selector);
        close(rows, 0, 0, "", stranger);
    }

    function test_RevertWhen_TheReleaseIsOfAnotherEpoch() external {
        open(100, 60);
        bytes memory signature = released(0, 1, NOW);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 0, 1));
        close("", 0, 1, signature, stranger);
    }

    function test_RevertWhen_MoreThan96BitsComeTogether() external {
        open(60, 60);
        deposit(payer, signer, MAX - 60);
        plain.mint(payer, 60);
        deposit(payer, signer, 60);
        bytes memory signature = released(0, 0, NOW);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, uint256(MAX) + 60));
        close("", 0, 0, signature, stranger);
    }

    function test_WhenThePayeeSigned_BothGetTheirs() external {
        open(100, 60);
        bytes memory rows = promised(50);
        bytes memory signature = released(50, 0, NOW);
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 50, 0, words(settledWord(payer, signer, 50)));
        vm.expectEmit(address(channels));
        emit IChannels.Released(token, payer, payee, signer, 50, 1);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, stranger, 50);
        (uint256 paid, uint96 withdrawn) = close(rows, 50, 0, signature, stranger);
        eq(paid, 50, "paid");
        eq(withdrawn, 50, "withdrawn");
        expectChannel(0, 50, 50, 0, 1);
        eq(plain.balanceOf(payee), 50, "payee");
        eq(plain.balanceOf(stranger), 50, "receiver");
    }

    function test_WhenThePayeeSignedAHigherCeiling_ThatStaysReserved() external {
        open(100, 60);
        bytes memory signature = released(20, 0, NOW);
        (uint256 paid, uint96 withdrawn) = close("", 20, 0, signature, stranger);
        eq(paid, 0, "paid");
        eq(withdrawn, 80, "withdrawn");
        expectChannel(0, 0, 20, 0, 1);
    }

    function test_WhenThePromiseUsesTheReserveUp_NoSignatureIsNeeded() external {
        open(100, 60);
        bytes memory rows = promised(70);
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, stranger, 30);
        (uint256 paid, uint96 withdrawn) = close(rows, 0, 0, "", stranger);
        eq(paid, 70, "paid");
        eq(withdrawn, 30, "withdrawn");
        expectChannel(0, 70, 70, 0, 0);
    }

    function test_WhenNothingIsFree_NothingIsSent() external {
        open(60, 60);
        bytes memory rows = promised(60);
        vm.expectCall(token, abi.encodeCall(plain.transfer, (payee, 60)), 1);
        vm.expectCall(token, abi.encodeCall(plain.transfer, (stranger, 0)), 0);
        (uint256 paid, uint96 withdrawn) = close(rows, 0, 0, "", stranger);
        eq(paid, 60, "paid");
        eq(withdrawn, 0, "withdrawn");
    }

    function test_WhenTheReceiverIsThePayee_BothAreIts() external {
        open(100, 60);
        bytes memory rows = promised(50);
        bytes memory signature = released(50, 0, NOW);
        close(rows, 50, 0, signature, payee);
        eq(plain.balanceOf(payee), 100, "payee");
        eq(plain.balanceOf(payer), MAX - 100, "payer");
    }

    function test_WhenSomebodyUsedTheReleaseBefore_TheRestIsWithdrawn() external {
        open(100, 60);
        bytes memory rows = promised(40);
        // The payee has signed for more than the last promise.
        bytes memory signature = released(50, 0, NOW);
        vm.prank(stranger);
        channels.releaseSigned(token, payer, signer, payee, 50, 0, NOW, signature);
        vm.recordLogs();
        (uint256 paid, uint96 withdrawn) = close(rows, 50, 0, signature, stranger);
        eq(vm.getRecordedLogs().length, 4, "events: claimed, withdrawn and two transfers");
        eq(paid, 40, "paid");
        eq(withdrawn, 50, "withdrawn");
        expectChannel(0, 40, 50, 0, 1);
    }

    function test_RevertWhen_ThePayeeHasEndedTheEpoch() external {
        open(100, 60);
        bytes memory signature = released(20, 0, NOW);
        vm.prank(payee);
        channels.release(token, payer, signer, 50);
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 1, 0));
        close("", 20, 0, signature, stranger);
    }

    function test_WhenNothingIsOwed_NothingIsPaid() external {
        open(100, 0);
        vm.expectCall(token, abi.encodeCall(plain.transfer, (payee, 0)), 0);
        (uint256 paid, uint96 withdrawn) = close("", 0, 0, "", stranger);
        eq(paid, 0, "paid");
        eq(withdrawn, 100, "withdrawn");
    }

    function test_RevertWhen_AnExitIsDueAndThePayeeDidNotSign() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        vm.warp(START + DELAY);
        refuse(IChannels.InvalidReleaseSignature.selector);
        vm.prank(payer);
        channels.closeAndWithdraw(closing("", 0, 0, uint40(START) + DELAY, "", stranger));
    }

    function test_WhenAnExitRuns_ItEndsWithTheRelease() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        (, uint96 withdrawn) = close("", 0, 0, released(0, 0, NOW), stranger);
        eq(withdrawn, 100, "withdrawn");
        eq(plain.balanceOf(stranger), 100, "receiver");
        expectChannel(0, 0, 0, 0, 1);
    }

    function test_RevertWhen_TheReceiverIsTheToken() external {
        open(100, 0);
        refuseRecipient(token);
        close("", 0, 0, "", token);
    }
}
