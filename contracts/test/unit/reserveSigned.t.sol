// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {Vm, vm} from "../Vm.sol";

contract ReserveSignedTest is Fixture {
    function post(bytes memory rows) private returns (uint256) {
        vm.prank(stranger);
        return channels.reserveSigned(token, payee, rows);
    }

    function expectSkipped(bytes memory row, string memory why) private {
        vm.recordLogs();
        eq(post(row), 0, why);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, row.length / 128, why);
        if (row.length == 0) return;
        vm.assertEq(logs[0].topics[0], IChannels.ReservesSkipped.selector, why);
        vm.assertEq(logs[0].topics[1], bytes32(uint256(uint160(token))), why);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(payee))), why);
        vm.assertEq(logs[0].data, abi.encode(1), why);
    }

    function test_RevertWhen_TheRowsAreNotWhole() external {
        bytes memory row = reserved(60, 0);
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 129, 128));
        post(abi.encodePacked(row, uint8(0)));
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 127, 128));
        post(new bytes(127));
        vm.prank(payee);
        refuse(abi.encodeWithSelector(IChannels.RowsLength.selector, 64, 128));
        channels.reserveSigned(token, payee, new bytes(64));
    }

    function test_RevertWhen_ThePayeeIsZero() external {
        refuseRecipient(address(0));
        channels.reserveSigned(token, address(0), "");
    }

    function test_RevertWhen_ThePayeeIsTheContract() external {
        refuseRecipient(address(channels));
        channels.reserveSigned(token, address(channels), "");
    }

    function test_RevertWhen_ThePayeeIsTheToken() external {
        address[2] memory senders = [stranger, token];
        for (uint256 i; i < 2; ++i) {
            vm.prank(senders[i]);
            refuseRecipient(token);
            channels.reserveSigned(token, token, "");
        }
    }

    function test_WhenThereAreNoRows() external {
        expectSkipped("", "no rows");
    }

    function test_WhenItIsFree() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(60, 0);
        vm.expectEmit(address(channels));
        emit IChannels.ReserveUsed(token, payer, payee, signer, 60, 1);
        eq(post(row), 60, "reserved");
        expectChannel(40, 0, 60, 0, 1);
    }

    function test_WhenItIsMoreThanIsFree_ItGoesAsFarAsItCan() external {
        open(100, 60);
        bytes memory row = reserved(150, 0);
        vm.expectEmit(address(channels));
        emit IChannels.ReserveUsed(token, payer, payee, signer, 100, 1);
        eq(post(row), 40, "reserved");
        expectChannel(0, 0, 100, 0, 1);
        deposit(payer, signer, 100);
        expectSkipped(row, "spent");
        expectChannel(100, 0, 100, 0, 1);
    }

    function test_WhenItWasSkippedBefore_ItIsNotSpent() external {
        bytes memory row = reserved(60, 0);
        expectSkipped(row, "nothing is free");
        deposit(payer, signer, 100);
        eq(post(row), 60, "reserved");
    }

    function test_WhenAnotherOfTheSameEpochWasUsed_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(60, 0);
        eq(post(reserved(10, 0)), 10, "reserved");
        expectSkipped(row, "the epoch is over");
        eq(post(reserved(60, 1)), 50, "reserved in the next");
        expectChannel(40, 0, 60, 0, 2);
    }

    function test_WhenNothingIsFree_TheRowIsSkipped() external {
        open(100, 100);
        expectSkipped(reserved(150, 0), "nothing is free");
    }

    function test_WhenTheCeilingIsNotRaised_TheRowIsSkipped() external {
        open(100, 60);
        expectSkipped(reserved(60, 0), "the same");
        expectSkipped(reserved(59, 0), "lower");
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_WhenItHasExpired_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        expectSkipped(reserved(SIGNER_KEY, payer, payee, 60, 0, uint40(START) - 1), "expired");
    }

    function test_WhenTheEpochIsAnother_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        setEpoch(5);
        expectSkipped(reserved(60, 4), "an earlier epoch");
        expectSkipped(reserved(60, 6), "a later epoch");
        eq(post(reserved(60, 5)), 60, "the present epoch");
        expectChannel(40, 0, 60, 0, 6);
    }

    function test_WhenTheEpochIsTheLast_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        setEpoch(LAST_EPOCH);
        expectSkipped(reserved(60, LAST_EPOCH), "the last epoch");
        setEpoch(LAST_EPOCH - 1);
        eq(post(reserved(60, LAST_EPOCH - 1)), 60, "the one before");
    }

    function test_WhenAnExitRuns_TheRowIsSkipped() external {
        open(100, 60);
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        expectSkipped(reserved(90, 0), "an exit runs");
        vm.warp(START + DELAY + 1);
        expectSkipped(reserved(90, 0), "an exit waits to be finished");
    }

    function test_WhenTheTermsHaveOtherBits_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        (bytes32 r, uint256 vs) =
            compact(SIGNER_KEY, channels.reserveDigest(payer, payee, token, 60, 0, uint40(START)));
        for (uint256 bit = 64; bit < 256; ++bit) {
            expectSkipped(abi.encodePacked(payer, uint96(60), START | 1 << bit, r, vs), "other bits");
        }
    }

    function test_WhenNobodySigned_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        expectSkipped(abi.encodePacked(payer, uint96(60), START, bytes32(0), uint256(1)), "no signature");
        expectSkipped(reserved(OTHER_SIGNER_KEY, payer, payee, 60, 0, uint40(START)), "another signer");
        expectSkipped(reserved(SIGNER_KEY, otherPayer, payee, 60, 0, uint40(START)), "another payer");
        expectSkipped(reserved(SIGNER_KEY, payer, otherPayee, 60, 0, uint40(START)), "another payee");
    }

    function test_WhenNobodySigned_NoVaultOfNobodysIsAsked() external {
        // Nothing can come into such a vault.
        bytes32 nobodys = keccak256(abi.encode(token, payer, address(0)));
        vm.store(address(channels), nobodys, bytes32(uint256(100)));
        (bytes32 r,) = compact(SIGNER_KEY, channels.reserveDigest(payer, payee, token, 60, 0, uint40(START)));
        for (uint256 epoch; epoch < 2; ++epoch) {
            vm.store(address(channels), keccak256(abi.encode(nobodys, payee)), bytes32(epoch));
            for (uint256 until = START; until < START + 2; ++until) {
                expectSkipped(abi.encodePacked(payer, uint96(60), epoch << 40 | until, bytes32(0), uint256(1)), "nobody");
                expectSkipped(abi.encodePacked(payer, uint96(60), epoch << 40 | until, r, uint256(0)), "no s");
            }
        }
    }

    function test_WhenSomeRowsAreBad_TheOthersCount() external {
        deposit(payer, signer, 100);
        deposit(otherPayer, otherSigner, 50);
        bytes memory rows = bytes.concat(
            new bytes(128),
            reserved(30, 0),
            reserved(30, 1),
            reserved(OTHER_SIGNER_KEY, otherPayer, payee, 70, 0, uint40(START)),
            reserved(45, 0)
        );
        vm.expectEmit(address(channels));
        emit IChannels.ReservesSkipped(token, payee, 3);
        eq(post(rows), 80, "reserved");
        expectChannel(70, 0, 30, 0, 1);
        eq(channels.vaultOf(token, otherPayer, otherSigner), 0, "the other vault");
    }

    function test_WhenItsTimeIsZero_TheRowIsSkipped() external {
        deposit(payer, signer, 100);
        expectSkipped(reserved(SIGNER_KEY, payer, payee, 60, 0, 0), "no time");
    }
}
