// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IChannels} from "src/interfaces/IChannels.sol";
import {Fixture} from "../Fixture.sol";
import {Signature, TokenSignatures} from "../tokens/TokenSignatures.sol";
import {vm} from "../Vm.sol";

contract OpenWithPermitTest is Fixture {
    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        plain.approve(address(channels), 0);
    }

    function permit(uint256 value) private view returns (Signature memory) {
        return TokenSignatures.permit(PAYER_KEY, token, address(channels), value, START);
    }

    function openWith(address account, Signature memory sig, uint96 amount, uint96 ceiling)
        private
        returns (uint96)
    {
        vm.prank(account);
        return channels.openWithPermit(token, signer, payee, amount, ceiling, START, sig.v, sig.r, sig.s);
    }

    function test_WhenThePermitIsGood() external {
        Signature memory sig = permit(100);
        vm.expectEmit(address(channels));
        emit IChannels.Opened(token, payer, payee, signer, 100, 60);
        eq(openWith(payer, sig, 100, 60), 100, "received");
        expectChannel(40, 0, 60, 0, 0);
        eq(plain.allowance(payer, address(channels)), 0, "allowance left");
    }

    function test_WhenThePermitWasUsedBefore_TheAllowanceCounts() external {
        Signature memory sig = permit(100);
        vm.prank(stranger);
        plain.permit(payer, address(channels), 100, START, sig.v, sig.r, sig.s);
        eq(openWith(payer, sig, 100, 60), 100, "received");
        expectChannel(40, 0, 60, 0, 0);
    }

    function test_RevertWhen_ThereIsNeitherPermitNorAllowance() external {
        Signature memory sig = permit(99);
        vm.expectRevert();
        openWith(payer, sig, 100, 60);
    }

    function test_RevertWhen_AnotherComesWithIt() external {
        Signature memory sig = permit(100);
        vm.expectRevert();
        openWith(stranger, sig, 100, 60);
        eq(plain.balanceOf(payer), MAX, "payer");
    }

    function test_RevertWhen_TheSignerIsZero() external {
        Signature memory sig = permit(100);
        refuse(IChannels.ZeroSigner.selector);
        vm.prank(payer);
        channels.openWithPermit(token, address(0), payee, 100, 100, START, sig.v, sig.r, sig.s);
    }

    function test_WhenTheTokenHasNoPermits_TheAllowanceCounts() external {
        // The code of a token without such a function: the call fails, and the opening goes on.
        vm.prank(payer);
        plain.approve(address(channels), 100);
        eq(openWith(payer, Signature(0, 0, 0), 100, 100), 100, "received");
    }
}
