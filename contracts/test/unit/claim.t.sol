// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract ClaimTest is Fixture {
    function claim(bytes memory rows) private returns (uint256) {
        vm.prank(stranger);
        return channels.claim(token, payee, rows);
    }

    function test_RevertWhen_TheRowsAreNotWhole() external {
        bytes memory rows = promised(1);
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 97, 96));
        claim(abi.encodePacked(rows, uint8(0)));
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 95, 96));
        claim(new bytes(95));
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        refuseRecipient(address(0));
        channels.claim(token, address(0), "");
    }

    function test_RevertWhen_ThePayeeIsTheContract() external {
        refuseRecipient(address(channels));
        channels.claim(token, address(channels), "");
    }

    function test_RevertWhen_ThePayeeIsTheToken() external {
        address[2] memory senders = [stranger, token];
        for (uint256 i; i < 2; ++i) {
            vm.prank(senders[i]);
            refuseRecipient(token);
            channels.claim(token, token, "");
        }
    }

    function test_WhenThereAreNoRows_NothingHappens() external {
        open(100, 100);
        vm.recordLogs();
        eq(claim(""), 0, "paid");
        eq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_WhenTheReserveCoversIt_OneWordIsWritten() external {
        open(100, 60);
        bytes memory rows = promised(60);
        vm.record();
        eq(claim(rows), 60, "paid");
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(channels));
        eq(writes.length, 1, "words written");
        vm.assertEq(writes[0], slotOf(payer, signer, payee), "the channel's word");
        for (uint256 i; i < reads.length; ++i) {
            vm.assertEq(reads[i], slotOf(payer, signer, payee), "the only word read");
        }
        expectChannel(40, 60, 60, 0, 0);
        eq(plain.balanceOf(payee), 60, "payee");
        eq(plain.balanceOf(stranger), 0, "caller");
    }

    function test_WhenTheReserveIsTooSmall_TheFreeBalancePaysTheRest() external {
        open(100, 60);
        eq(claim(promised(70)), 70, "paid");
        expectChannel(30, 70, 70, 0, 0);
    }

    function test_WhenNothingIsReserved_TheFreeBalancePays() external {
        deposit(payer, signer, 100);
        eq(claim(promised(70)), 70, "paid");
        expectChannel(30, 70, 70, 0, 0);
    }

    function test_WhenMoreIsOwedThanThere_WhatIsTherePays_AndTheRestLater() external {
        open(100, 60);
        bytes memory rows = promised(150);
        eq(claim(rows), 100, "paid");
        expectChannel(0, 100, 100, 0, 0);
        eq(claim(rows), 0, "paid again");
        deposit(payer, signer, 80);
        eq(claim(rows), 50, "paid the rest");
        expectChannel(30, 150, 150, 0, 0);
        eq(plain.balanceOf(payee), 150, "payee");
    }

    function test_WhenNothingIsOwed_TheRowIsSkipped() external {
        open(100, 100);
        claim(promised(60));
        eq(claim(promised(60)), 0, "the same total");
        eq(claim(promised(59)), 0, "a lower total");
        expectChannel(0, 60, 100, 0, 0);
    }

    function test_WhenTheTotalIsZero_TheRowIsSkipped() external {
        bytes memory row = promised(0);
        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(channels));
            emit IChannels.Claimed(token, payee, 0, 1, new bytes32[](0));
            eq(claim(row), 0, "paid");
            expectChannel(0, 0, i == 0 ? 0 : 60, 0, 0);
            if (i == 0) open(60, 60);
        }
    }

    function test_WhenTheVaultIsUnknown_TheRowIsSkipped() external {
        open(100, 100);
        eq(claim(promised(OTHER_SIGNER_KEY, payer, payee, 60)), 0, "another signer");
        eq(claim(promised(SIGNER_KEY, otherPayer, payee, 60)), 0, "another payer");
        eq(claim(promised(SIGNER_KEY, payer, otherPayee, 60)), 0, "another payee");
        expectChannel(0, 0, 100, 0, 0);
    }

    function test_WhenSomeRowsAreBad_TheOthersPay_AndOneEventNamesThem() external {
        open(100, 100);
        deposit(otherPayer, otherSigner, 50);
        bytes memory rows = bytes.concat(
            new bytes(96),
            promised(40),
            promised(OTHER_SIGNER_KEY, payer, payee, 60),
            promised(OTHER_SIGNER_KEY, otherPayer, payee, 70),
            promised(30),
            promised(45)
        );
        bytes32[] memory settled = new bytes32[](3);
        settled[0] = settledWord(payer, signer, 40);
        settled[1] = settledWord(otherPayer, otherSigner, 50);
        settled[2] = settledWord(payer, signer, 45);
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 95, 3, settled);
        eq(claim(rows), 95, "paid");
        expectChannel(0, 45, 100, 0, 0);
        eq(plain.balanceOf(payee), 95, "payee");
    }

    function test_WhenAnExitRuns_TheReserveStillPays() external {
        open(100, 100);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        eq(claim(promised(60)), 60, "paid");
        expectChannel(0, 60, 100, uint40(START) + DELAY, 0);
        vm.warp(START + DELAY + 1);
        eq(claim(promised(70)), 10, "paid when it could be finished");
    }

    function test_WhenThePayerIsTheSigner() external {
        deposit(payer, payer, 10);
        eq(claim(promised(PAYER_KEY, payer, payee, 4)), 4, "paid");
    }

    function test_WhenNothingIsFree_TheVaultsWordIsNotWritten() external {
        open(60, 60);
        bytes memory rows = promised(70);
        vm.record();
        eq(claim(rows), 60, "paid");
        (, bytes32[] memory writes) = vm.accesses(address(channels));
        eq(writes.length, 1, "words written");
    }

    function test_WhenARowOwesNothing_TheEventDoesNotNameIt() external {
        open(100, 100);
        deposit(otherPayer, otherSigner, 50);
        claim(promised(40));
        bytes memory rows = bytes.concat(promised(40), promised(OTHER_SIGNER_KEY, otherPayer, payee, 10));
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 10, 1, words(settledWord(otherPayer, otherSigner, 10)));
        eq(claim(rows), 10, "paid");
    }

    function test_WhenEveryRowIsSkipped_TheEventSaysSo() external {
        open(100, 100);
        bytes memory rows = bytes.concat(promised(40), new bytes(96));
        claim(promised(40));
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 0, 2, new bytes32[](0));
        eq(claim(rows), 0, "paid");
    }

    function test_WhenThereAreManyRows_TheyAreCountedToTheLast() external {
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 0, 100, new bytes32[](0));
        claim(new bytes(100 * 96));
    }

    function test_WhenARowStandsBehindTheEnd_ItIsNotRead() external {
        open(100, 100);
        bytes memory call = abi.encodeCall(IChannels.claim, (token, payee, promised(40)));
        (bool ok, bytes memory answer) = address(channels).call(bytes.concat(call, promised(90)));
        vm.assertTrue(ok, "the call fails");
        eq(abi.decode(answer, (uint256)), 40, "paid");
    }

    /// @dev A recovery that fails leaves the signer of the row before in its place.
    function test_WhenRowsWithoutASignatureFollowAGoodOne_TheyAreSkipped() external {
        open(100, 60);
        (bytes32 r, uint256 vs) = compact(SIGNER_KEY, channels.promiseDigest(payer, payee, token, 90));
        bytes memory bad = bytes.concat(
            abi.encodePacked(payer, uint96(90), r, uint256(0)),
            abi.encodePacked(payer, uint96(90), r, uint256(1) << 255),
            abi.encodePacked(payer, uint96(90), bytes32(0), vs),
            abi.encodePacked(payer, uint96(90), bytes32(0), uint256(0)),
            abi.encodePacked(payer, uint96(90), bytes32(ORDER), vs)
        );
        bytes memory rows = bytes.concat(promised(40), bad, promised(50), bad);
        bytes32[] memory settled = new bytes32[](2);
        settled[0] = settledWord(payer, signer, 40);
        settled[1] = settledWord(payer, signer, 50);
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(token, payee, 50, 10, settled);
        eq(claim(rows), 50, "paid");
        expectChannel(40, 50, 60, 0, 0);
    }

    function test_WhenSIsTheHighestOne_TheSignatureCounts() external {
        uint256 s = ORDER / 2;
        bytes32 r = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
        address who = ecrecover(channels.promiseDigest(payer, payee, token, 60), 27, r, bytes32(s));
        deposit(payer, who, 100);
        eq(claim(abi.encodePacked(payer, uint96(60), r, s)), 60, "paid");
        eq(claim(abi.encodePacked(payer, uint96(60), r, s + 1)), 0, "paid above it");
        // Whose signature the next one would be if it counted.
        address next = ecrecover(channels.promiseDigest(payer, payee, token, 60), 27, r, bytes32(s + 1));
        deposit(payer, next, 100);
        eq(claim(abi.encodePacked(payer, uint96(60), r, s + 1)), 0, "paid for the next one's");
        next = ecrecover(channels.reserveDigest(payer, payee, token, 70, 0, uint40(START)), 27, r, bytes32(s + 1));
        deposit(payer, next, 100);
        // Nor is there a number for nobody that somebody could deposit for.
        deposit(payer, address(1), 100);
        bytes memory above = abi.encodePacked(payer, uint96(70), START, r, s + 1);
        eq(channels.reserveSigned(token, payee, above), 0, "reserved for the next one's");
        who = ecrecover(channels.reserveDigest(payer, payee, token, 70, 0, uint40(START)), 27, r, bytes32(s));
        deposit(payer, who, 100);
        bytes memory row = abi.encodePacked(payer, uint96(70), START, r, s);
        eq(channels.reserveSigned(token, payee, row), 70, "reserved");
    }
}
