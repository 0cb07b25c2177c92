// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {TypedData} from "src/libraries/TypedData.sol";
import {Fixture} from "../Fixture.sol";
import {vm} from "../Vm.sol";

contract RevokeTest is Fixture {
    function revoke() private returns (uint24) {
        vm.prank(payer);
        return channels.revoke(token, signer, payee);
    }

    function test_WhenNothingWasEverReserved_TheEpochEnds() external {
        vm.expectEmit(address(channels));
        emit IChannels.Revoked(token, payer, payee, signer, 1);
        eq(revoke(), 1, "epoch");
        expectChannel(0, 0, 0, 0, 1);
        eq(revoke(), 2, "epoch again");
    }

    function test_WhenSomethingIsReserved_ItStays() external {
        open(100, 60);
        channels.claim(token, payee, promised(20));
        vm.prank(payer);
        channels.startExit(token, signer, payee);
        bytes memory row = reserved(90, 0);
        eq(revoke(), 1, "epoch");
        expectChannel(40, 20, 60, uint40(START) + DELAY, 1);
        eq(channels.reserveSigned(token, payee, row), 0, "reserved");
    }

    function test_WhenThePayeeHasSignedARelease_ThatEndsToo() external {
        open(100, 60);
        bytes memory signature = released(0, 0, uint40(START));
        revoke();
        refuse(abi.encodeWithSelector(IChannels.WrongEpoch.selector, 1, 0));
        channels.releaseSigned(token, payer, signer, payee, 0, 0, uint40(START), signature);
    }

    function test_WhenTheEpochIsTheLast_ItStays() external {
        open(100, 60);
        setEpoch(LAST_EPOCH);
        eq(revoke(), LAST_EPOCH, "epoch");
        expectChannel(40, 0, 60, 0, LAST_EPOCH);
    }

    function test_WhenThePayerRelaysItsOwn_ItsVaultPaysIt() external {
        deposit(payer, signer, 100);
        IRelaying.Relay memory relay = relayFor(payer, 7, 0);
        bytes32 hash = digests.channelDigest(
            channels, TypedData.REVOKE_TYPEHASH, token, payer, signer, payee, relay
        );
        vm.expectEmit(address(channels));
        emit IChannels.Withdrawn(token, payer, signer, payer, 7);
        vm.prank(payer);
        channels.revokeSigned(token, payer, signer, payee, relay, 7, sign(PAYER_KEY, hash));
        expectChannel(93, 0, 0, 0, 1);
        relay.nonce = 1;
        hash = digests.channelDigest(channels, TypedData.REVOKE_TYPEHASH, token, payer, signer, payee, relay);
        vm.recordLogs();
        vm.prank(payer);
        channels.revokeSigned(token, payer, signer, payee, relay, 0, sign(PAYER_KEY, hash));
        eq(vm.getRecordedLogs().length, 2, "events: revoked and relayed");
    }

    function test_WhenAnotherRevokes_ThePayersStay() external {
        deposit(payer, signer, 100);
        bytes memory row = reserved(60, 0);
        vm.prank(payee);
        channels.revoke(token, signer, payee);
        vm.prank(signer);
        channels.revoke(token, signer, payee);
        eq(channels.reserveSigned(token, payee, row), 60, "reserved");
    }
}
