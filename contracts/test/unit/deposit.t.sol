// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {IRelaying} from "src/interfaces/IRelaying.sol";
import {Fixture} from "../Fixture.sol";
import {EmptyToken, FeeToken, HugeToken} from "../tokens/Tokens.sol";
import {vm} from "../Vm.sol";

contract DepositTest is Fixture {
    function test_RevertWhen_TheSignerIsZero() external {
        vm.prank(payer);
        refuse(IChannels.ZeroSigner.selector);
        channels.deposit(token, payer, address(0), 100);
    }

    function test_RevertWhen_ThePayerIsZero() external {
        vm.prank(payer);
        refuse(IChannels.ZeroPayer.selector);
        channels.deposit(token, address(0), signer, 100);
        address[2] memory signers = [address(0), address(channels)];
        for (uint256 i; i < 2; ++i) {
            vm.prank(payer);
            refuse(IChannels.ZeroPayer.selector);
            channels.deposit(token, address(0), signers[i], 100);
        }
    }

    function test_RevertWhen_NothingArrives() external {
        token = address(new EmptyToken());
        vm.prank(payer);
        refuse(IRelaying.NothingReceived.selector);
        channels.deposit(token, payer, signer, 100);
        // Nor where more is held than seconds have passed since 1970.
        token = address(plain);
        deposit(payer, signer, uint96(2 * START));
        vm.prank(payer);
        refuse(IRelaying.NothingReceived.selector);
        channels.deposit(token, payer, signer, 0);
    }

    function test_RevertWhen_MoreThan96BitsArrive() external {
        token = address(new HugeToken());
        vm.prank(payer);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        channels.deposit(token, payer, signer, 0);
    }

    function test_RevertWhen_TheVaultWouldOverflow() external {
        deposit(payer, signer, MAX);
        vm.prank(otherPayer);
        refuse(abi.encodeWithSelector(IRelaying.AmountOverflow.selector, 2 ** 96));
        channels.deposit(token, payer, signer, 1);
    }

    function test_RevertWhen_TheCallerHasTooLittle() external {
        vm.prank(stranger);
        vm.expectRevert();
        channels.deposit(token, payer, signer, 1);
    }

    function test_WhenTheVaultIsEmpty() external {
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(token, payer, signer, 100);
        vm.prank(payer);
        eq(channels.deposit(token, payer, signer, 100), 100, "received");
        expectChannel(100, 0, 0, 0, 0);
        eq(plain.balanceOf(address(channels)), 100, "held");
    }

    function test_WhenTheVaultHasSomething() external {
        deposit(payer, signer, 100);
        deposit(payer, signer, MAX - 100);
        eq(free(), MAX, "free");
    }

    function test_WhenAnotherPays_ThePayersVaultGrows() external {
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(token, payer, signer, 40);
        vm.prank(otherPayer);
        channels.deposit(token, payer, signer, 40);
        eq(free(), 40, "free");
        eq(channels.vaultOf(token, otherPayer, signer), 0, "the caller's vault");
        eq(plain.balanceOf(payer), MAX, "payer");
        eq(plain.balanceOf(otherPayer), MAX - 40, "caller");
    }

    function test_WhenTheTokenTakesAFee_WhatArrivesCounts() external {
        FeeToken fee = new FeeToken();
        token = address(fee);
        fee.mint(payer, 100);
        vm.prank(payer);
        fee.approve(address(channels), 100);
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(token, payer, signer, 90);
        vm.prank(payer);
        eq(channels.deposit(token, payer, signer, 100), 90, "received");
        eq(free(), 90, "free");
    }

    function test_WhenTheSignerPays_ThePayersVaultGrows() external {
        fund(signer);
        vm.prank(signer);
        channels.deposit(token, payer, signer, 10);
        eq(free(), 10, "the payer's");
        eq(channels.vaultOf(token, signer, signer), 0, "the signer's");
    }
}
