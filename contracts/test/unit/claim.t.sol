// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {Vm, vm} from "../Vm.sol";

contract ClaimTest is Fixture {
    function test_PaysOutOfTheReserveAndTouchesOneWord() external {
        open(100, 100);
        bytes memory rows = promised(60);
        vm.record();
        eq(channels.claim(token, payee, rows), 60, "paid");
        (, bytes32[] memory writes) = vm.accesses(address(channels));
        eq(writes.length, 1, "words written");
        vm.assertEq(writes[0], slotOf(payer, signer, payee), "the channel's word");
        expectChannel(0, 60, 100, 0, 0);
        eq(plain.balanceOf(payee), 60, "payee");
    }
}
